"""Cumulative operations along one axis: sum, product, maximum, minimum, logarithm of the sum of exponentials.

Parameters: ``axis``, and ``reverse`` to run from the end. Decomposed, by shifts of 1, 2, 4, ... places.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import ShapedArray, shaped
from cotan.primitives import define
from cotan.primitives.arithmetic import add, is_finite, max, min, mul, sub
from cotan.primitives.compare import select
from cotan.primitives.define import first_order
from cotan.primitives.operands import FLOAT, NUMBER, PLAIN, Dtypes, dtype_of, quiet, shape_of
from cotan.primitives.reduce import full, highest, lowest, one, zero
from cotan.primitives.reducer import reduced_shape, wide_dtype
from cotan.primitives.shape import concatenate
from cotan.primitives.slice import slice_along
from cotan.primitives.transcendental import exp, log1p
from cotan.structural import convert_element_type
from cotan.tracebacks import trim, trims


def _scan(combine: Callable[[Any, Any], Any], identity: Callable[[Any], Any], wide: bool) -> Callable[..., Any]:
    """Every element takes in the one 1 place before it, then the one 2 places before, 4, ..."""

    def decompose(x: Any, *, axis: int, reverse: bool) -> Any:
        dtype = dtype_of(x)
        inner = wide_dtype(dtype) if wide else dtype
        x = convert_element_type(x, inner) if inner != dtype else x
        shape = shape_of(x)
        extent, shift = shape[axis], 1
        while shift < extent:
            edge = full(identity(inner), inner, (*shape[:axis], shift, *shape[axis + 1 :]))
            if reverse:
                earlier = concatenate([slice_along(x, axis, shift, extent), edge], axis)
            else:
                earlier = concatenate([edge, slice_along(x, axis, 0, extent - shift)], axis)
            x = combine(earlier, x)
            shift *= 2
        return convert_element_type(x, dtype) if inner != dtype else x

    return decompose


def _cumulative(
    name: str,
    accepts: Dtypes,
    *,
    combine: Callable[[Any, Any], Any],
    identity: Callable[[Any], Any],
    ufunc: np.ufunc,
    combiner: str | scalar.Combiner,
    does: str,
    wide: bool = False,
    is_linear: bool = False,
) -> tuple[Any, Callable[..., Any]]:
    """A cumulative operation of an associative ``combine``."""
    primitive = first_order(name)
    decomposition = _scan(combine, identity, wide)

    def function(operand: Any, axis: int = 0, reverse: bool = False) -> Any:
        try:
            return primitive.bind(operand, axis=operator.index(axis), reverse=bool(reverse))
        except Exception as error:
            trim(error, function, operand, axis, reverse)
            raise

    @tables.abstract(primitive)
    def _(x: ShapedArray, *, axis: int, reverse: bool) -> ShapedArray:
        dtype = define.elementwise_dtype(name, accepts, (x,))
        reduced_shape(name, x.shape, (axis,))
        return shaped(x.shape, dtype, x.weak_type)

    if is_linear:
        define.linear(primitive)(lambda ct, x, *, axis, reverse: primitive.bind(ct, axis=axis, reverse=not reverse))
    else:
        define.jvp_by_decomposition(primitive, decomposition)

    @tables.batch(primitive)
    def _(mapped: Any, args: Sequence[Any], dims: Sequence[int], *, axis: int, reverse: bool) -> Any:
        return primitive.bind(args[0], axis=axis + (axis >= dims[0]), reverse=reverse), dims[0]

    @tables.reference(primitive)
    def _(x: Any, *, axis: int, reverse: bool) -> Any:
        inner = wide_dtype(x.dtype) if wide else x.dtype
        turn = (slice(None),) * axis + (slice(None, None, -1),)
        y = x[turn] if reverse else x
        y = quiet(ufunc.accumulate, y if inner == x.dtype else y.astype(inner), axis=axis)
        y = y if y.dtype == x.dtype else y.astype(x.dtype)
        return np.ascontiguousarray(y[turn]) if reverse else y

    @tables.kernel(primitive)
    def _(i: Any, x: scalar.Operand, *, axis: int, reverse: bool) -> Any:
        init = scalar.const(identity(x.dtype), x.dtype)
        return scalar.Cumulative(axis, combiner, (init,), lambda at: [x[at]], reverse)

    tables.decompose[primitive] = decomposition
    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"{does} along ``axis`` (not negative), from its end if ``reverse``.\n\n  Takes {accepts.words}; gives "
        "the same shape and dtype. Raises ValueError where the axis is out of range."
    )
    return primitive, trims(function)


def _logaddexp(x: Any, y: Any) -> Any:
    high, low = max(x, y), min(x, y)
    # Infinities have no difference.
    gap = select(is_finite(high), sub(low, high), 0)
    return add(high, log1p(exp(gap)))


def _logaddexp_elements(a: Sequence[Any], b: Sequence[Any]) -> list[Any]:
    high, low = scalar.max_(a[0], b[0]), scalar.min_(a[0], b[0])
    gap = scalar.select(scalar.is_finite(high), scalar.sub(low, high), scalar.const(0, high.dtype))
    return [scalar.add(high, scalar.log1p(scalar.exp(gap)))]


cumsum_p, cumsum = _cumulative(
    "cumsum", NUMBER, combine=add, identity=zero, ufunc=np.add, combiner="add", wide=True, is_linear=True,
    does="The running sum",
)  # fmt: skip
cumprod_p, cumprod = _cumulative(
    "cumprod", NUMBER, combine=mul, identity=one, ufunc=np.multiply, combiner="mul", wide=True,
    does="The running product",
)  # fmt: skip
cummax_p, cummax = _cumulative(
    "cummax", PLAIN, combine=max, identity=lowest, ufunc=np.maximum, combiner="max", does="The running maximum"
)
cummin_p, cummin = _cumulative(
    "cummin", PLAIN, combine=min, identity=highest, ufunc=np.minimum, combiner="min", does="The running minimum"
)
cumlogsumexp_p, cumlogsumexp = _cumulative(
    "cumlogsumexp", FLOAT, combine=_logaddexp, identity=lowest, ufunc=np.logaddexp,
    combiner=scalar.Combiner("logaddexp", _logaddexp_elements), does="The running log(sum(exp(x)))",
)  # fmt: skip
