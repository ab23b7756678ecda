"""Reductions over axes, argmax and argmin.

``axes`` are sorted and not negative. Decomposed, a reduction combines halves of an axis until one element is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import ShapedArray, shaped
from cotan.primitives import define
from cotan.primitives.arithmetic import add, div, max, min, mul
from cotan.primitives.compare import bitwise_and, bitwise_or, bitwise_xor, eq, gt, lt, ne, select
from cotan.primitives.define import BY_DECOMPOSITION, first_order
from cotan.primitives.operands import (
    BITS,
    BOOLEAN,
    FLOAT,
    INTEGER,
    NUMBER,
    ORDERED,
    PLAIN,
    dtype_of,
    is_complex,
    shape_of,
)
from cotan.primitives.reducer import merge, reduced_shape, reducer, reducer_batch, wide_dtype
from cotan.primitives.shape import broadcasted_iota, concatenate, reshape
from cotan.primitives.slice import slice_along
from cotan.structural import broadcast_in_dim, convert_element_type, reduce_sum_p
from cotan.tracebacks import trim, trims

# ---- Neutral elements


def lowest(dtype: Any) -> Any:
    """The neutral element of max: minus infinity, or the smallest value of dtypes without one."""
    if dtype == BOOLEAN:
        return False
    if is_complex(dtype):
        return complex(-np.inf, -np.inf)
    return dtypes.iinfo(dtype).min if dtype in INTEGER else _infinite(dtype, -1)


def highest(dtype: Any) -> Any:
    """The neutral element of min: infinity, or the largest value of dtypes without one."""
    if dtype == BOOLEAN:
        return True
    if is_complex(dtype):
        return complex(np.inf, np.inf)
    return dtypes.iinfo(dtype).max if dtype in INTEGER else _infinite(dtype, 1)


def _infinite(dtype: Any, sign: int) -> float:
    value = float(np.asarray(sign * np.inf).astype(dtype))
    return value if np.isinf(value) else sign * float(dtypes.finfo(dtype).max)


def all_bits(dtype: Any) -> Any:
    """The neutral element of and."""
    return True if dtype == BOOLEAN else (-1 if dtype.kind == "i" else int(dtypes.iinfo(dtype).max))


def zero(dtype: Any) -> Any:
    return False if dtype == BOOLEAN else 0


def one(dtype: Any) -> Any:
    return 1


def full(value: Any, dtype: Any, shape: Sequence[int]) -> Any:
    """An array of one value."""
    return broadcast_in_dim(np.asarray(value, dtype)[()], shape, ())


# ---- Halving


def fold(
    states: Sequence[Any], axes: Sequence[int], inits: Sequence[Any], combine: Callable[..., Sequence[Any]]
) -> list[Any]:
    """Combine all elements along ``axes`` pairwise: ``combine(firsts, seconds)`` on halves of each axis in turn.

    ``states`` are arrays of one shape; ``inits`` their values where an axis is empty.
    """
    shape = shape_of(states[0])
    kept = tuple(extent for axis, extent in enumerate(shape) if axis not in axes)
    if any(shape[axis] == 0 for axis in axes):
        return [full(init, dtype_of(x), kept) for x, init in zip(states, inits, strict=True)]
    states = list(states)
    for axis in axes:
        extent = shape[axis]
        while extent > 1:
            half = extent // 2
            firsts = [slice_along(x, axis, 0, half) for x in states]
            seconds = [slice_along(x, axis, half, 2 * half) for x in states]
            combined = list(combine(firsts, seconds))
            if extent % 2:
                rests = [slice_along(x, axis, 2 * half, extent) for x in states]
                combined = [concatenate([x, rest], axis) for x, rest in zip(combined, rests, strict=True)]
            states, extent = combined, half + extent % 2
    return [reshape(x, kept) for x in states]


def _halving(
    combine: Callable[[Any, Any], Any], identity: Callable[[Any], Any], wide: bool = False
) -> Callable[..., Any]:
    def decompose(x: Any, *, axes: tuple[int, ...]) -> Any:
        dtype = dtype_of(x)
        inner = wide_dtype(dtype) if wide else dtype
        x = convert_element_type(x, inner) if inner != dtype else x
        [out] = fold([x], axes, [identity(inner)], lambda a, b: [combine(a[0], b[0])])
        return convert_element_type(out, dtype) if inner != dtype else out

    return decompose


# ---- Reductions


def _spread(ct: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """A value of the reduction's shape, repeated along ``axes`` to the shape of ``x``."""
    shape = x.aval.shape if hasattr(x, "aval") else shape_of(x)
    return broadcast_in_dim(ct, shape, tuple(k for k in range(len(shape)) if k not in axes))


def _sum(x: Any, axes: tuple[int, ...]) -> Any:
    return np.add.reduce(x, axis=axes, dtype=wide_dtype(x.dtype))


def _prod(x: Any, axes: tuple[int, ...]) -> Any:
    return np.multiply.reduce(x, axis=axes, dtype=wide_dtype(x.dtype))


def _extremum(ufunc: np.ufunc, identity: Callable[[Any], Any]) -> Callable[..., Any]:
    def reference(x: Any, axes: tuple[int, ...]) -> Any:
        if x.size:
            return ufunc.reduce(x, axis=axes)
        return ufunc.reduce(x, axis=axes, initial=np.asarray(identity(x.dtype), x.dtype)[()])

    return reference


def _chosen_jvp(t: Any, x: Any, y: Any, *, axes: tuple[int, ...]) -> Any:
    """The mean of the tangents at the extremum's places."""
    here = convert_element_type(eq(x, _spread(y, x, axes)), dtype_of(x))
    return div(reduce_sum(mul(t, here), axes), reduce_sum(here, axes))


reduce_sum_p, reduce_sum = reducer(
    reduce_sum_p, NUMBER, reference=_sum, combiner="add", identity=zero, wide=True, folds=np.add,
    transpose=lambda ct, x, *, axes: _spread(ct, x, axes), decompose=_halving(add, zero, wide=True),
    does="The sum over axes.",
)  # fmt: skip
reduce_max_p, reduce_max = reducer(
    "reduce_max", PLAIN, reference=_extremum(np.maximum, lowest), combiner="max", identity=lowest, jvp=_chosen_jvp,
    folds=np.maximum, decompose=_halving(max, lowest), does="The largest element over axes; NaN if there is one.",
)  # fmt: skip
reduce_min_p, reduce_min = reducer(
    "reduce_min", PLAIN, reference=_extremum(np.minimum, highest), combiner="min", identity=highest, jvp=_chosen_jvp,
    folds=np.minimum, decompose=_halving(min, highest), does="The smallest element over axes; NaN if there is one.",
)  # fmt: skip
reduce_prod_p, reduce_prod = reducer(
    "reduce_prod", NUMBER, reference=_prod, combiner="mul", identity=one, wide=True, jvp=BY_DECOMPOSITION,
    folds=np.multiply, decompose=_halving(mul, one, wide=True), does="The product over axes.",
)  # fmt: skip
reduce_and_p, reduce_and = reducer(
    "reduce_and", BITS, reference=lambda x, axes: np.bitwise_and.reduce(x, axis=axes), combiner="and",
    identity=all_bits, folds=np.bitwise_and, decompose=_halving(bitwise_and, all_bits),
    does="The bitwise and over axes.",
)  # fmt: skip
reduce_or_p, reduce_or = reducer(
    "reduce_or", BITS, reference=lambda x, axes: np.bitwise_or.reduce(x, axis=axes), combiner="or",
    identity=zero, folds=np.bitwise_or, decompose=_halving(bitwise_or, zero), does="The bitwise or over axes.",
)  # fmt: skip
reduce_xor_p, reduce_xor = reducer(
    "reduce_xor", BITS, reference=lambda x, axes: np.bitwise_xor.reduce(x, axis=axes), combiner="xor",
    identity=zero, folds=np.bitwise_xor, decompose=_halving(bitwise_xor, zero), does="The bitwise xor over axes.",
)  # fmt: skip


# ---- argmax, argmin: the first of equal elements; NaN wins

State = Sequence[Any]


def _better_element(better: Callable[[Any, Any], Any]) -> Callable[[State, State], list[Any]]:
    """Of two states (value, index) in a kernel, the better one."""

    def combine(a: State, b: State) -> list[Any]:
        (x, i), (y, j) = a, b
        first, same = better(x, y), scalar.eq(x, y)
        if x.dtype in FLOAT:
            x_nan, y_nan = scalar.ne(x, x), scalar.ne(y, y)
            first = scalar.or_(first, scalar.and_(x_nan, scalar.not_(y_nan)))
            same = scalar.or_(same, scalar.and_(x_nan, y_nan))
        first = scalar.or_(first, scalar.and_(same, scalar.lt(i, j)))
        return [scalar.select(first, x, y), scalar.select(first, i, j)]

    return combine


def _better_later(no_better: Callable[[Any, Any], Any]) -> Callable[[State, State], list[Any]]:
    """The same where the second state comes after the first, which wins if they are equal."""

    def append(a: State, b: State) -> list[Any]:
        (x, i), (y, j) = a, b
        later = scalar.not_(no_better(y, x))
        if x.dtype in FLOAT:
            later = scalar.and_(later, scalar.eq(x, x))
        return [scalar.select(later, y, x), scalar.select(later, j, i)]

    return append


def _better(better: Callable[[Any, Any], Any]) -> Callable[[State, State], list[Any]]:
    """The same, of arrays."""

    def combine(a: State, b: State) -> list[Any]:
        (x, i), (y, j) = a, b
        x_nan, y_nan = ne(x, x), ne(y, y)
        first = bitwise_or(better(x, y), bitwise_and(x_nan, eq(y, y)))
        same = bitwise_or(eq(x, y), bitwise_and(x_nan, y_nan))
        first = bitwise_or(first, bitwise_and(same, lt(i, j)))
        return [select(first, x, y), select(first, i, j)]

    return combine


def _arg_abstract(primitive: Any) -> None:
    name = primitive.name

    @tables.abstract(primitive)
    def _(x: ShapedArray, *, axes: tuple[int, ...], index_dtype: Any) -> ShapedArray:
        define.elementwise_dtype(name, ORDERED, (x,))
        if len(axes) != 1:
            raise ValueError(f"{name} takes one axis, got axes {axes}")
        if index_dtype not in INTEGER:
            raise TypeError(f"{name}: index_dtype must be an integer dtype, got {index_dtype}")
        shape = reduced_shape(name, x.shape, axes)
        if x.shape[axes[0]] == 0:
            raise ValueError(
                f"{name} of an empty axis: axis {axes[0]} of an array of shape {x.shape} has no elements; check its "
                "extent first"
            )
        return shaped(shape, index_dtype)


def _arg(
    name: str,
    what: str,
    *,
    better: Callable[[Any, Any], Any],
    better_element: Callable[[Any, Any], Any],
    no_better_element: Callable[[Any, Any], Any],
    reference: Callable[..., Any],
    worst: Callable[[Any], Any],
) -> tuple[Any, Callable[..., Any]]:
    """The primitive that finds the index of the best element along ``axes``, a tuple of one axis."""
    primitive = first_order(name)
    combiner = scalar.Combiner(name, _better_element(better_element), append=_better_later(no_better_element))
    _arg_abstract(primitive)
    define.zero_derivative(primitive)
    reducer_batch(primitive)

    @tables.reference(primitive)
    def _(x: Any, *, axes: tuple[int, ...], index_dtype: Any) -> Any:
        if x.dtype.kind == "V":
            # NumPy does not see the NaNs of these dtypes.
            x = x.astype(np.float32 if x.dtype in FLOAT else np.int8)
        return np.asarray(reference(x, axis=axes[0])).astype(index_dtype)

    @tables.kernel(primitive)
    def _(i: Any, x: scalar.Operand, *, axes: tuple[int, ...], index_dtype: Any) -> Any:
        # Where nothing is better than the worst, all are equal, and the first of them is it.
        inits = [scalar.const(worst(x.dtype), x.dtype), scalar.const(0, index_dtype)]

        def body(r: Any) -> list[Any]:
            return [x[merge(i, (r,), axes)], scalar.index_value(r, index_dtype)]

        return scalar.reduce(combiner, [x.shape[axes[0]]], inits, body)[1]

    @tables.decompose(primitive)
    def _(x: Any, *, axes: tuple[int, ...], index_dtype: Any) -> Any:
        places = broadcasted_iota(index_dtype, shape_of(x), axes[0])
        return fold([x, places], axes, [worst(dtype_of(x)), 0], _better(better))[1]

    tables.cost[primitive] = lambda ins, outs, **params: (3 * ins[0].size, ins[0].nbytes + outs[0].nbytes)

    def function(operand: Any, axis: int, index_dtype: Any = np.int32) -> Any:
        try:
            return primitive.bind(operand, axes=(axis,), index_dtype=dtypes.canonicalize_dtype(index_dtype))
        except Exception as error:
            trim(error, function, operand, axis, index_dtype)
            raise

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"The index of the {what} element along ``axis``: the first one of equals, or the first NaN.\n\n"
        "  Takes an array of any real dtype; gives ``index_dtype``, without the axis. Raises ValueError where the axis "
        "is empty or out of range."
    )
    return primitive, trims(function)


argmax_p, argmax = _arg(
    "argmax",
    "largest",
    better=gt,
    better_element=scalar.gt,
    no_better_element=scalar.le,
    reference=np.argmax,
    worst=lowest,
)
argmin_p, argmin = _arg(
    "argmin",
    "smallest",
    better=lt,
    better_element=scalar.lt,
    no_better_element=scalar.ge,
    reference=np.argmin,
    worst=highest,
)
