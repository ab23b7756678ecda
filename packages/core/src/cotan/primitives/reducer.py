"""The definer of reductions: ``reducer`` fills every rule table of a primitive that combines elements along axes.

Knows the tables and the kinds of ``define``; no operation by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.primitive import Primitive
from cotan.primitives import taylor
from cotan.primitives.define import (
    BY_DECOMPOSITION,
    NOT_LINEAR,
    describe,
    elementwise_dtype,
    elementwise_jvp,
    jvp_by_decomposition,
    linear,
    new_primitive,
    zero_derivative,
)
from cotan.primitives.operands import FLOAT, Dtypes, quiet
from cotan.tracebacks import trim

Function = Callable[..., Any]


def reduced_shape(name: str, shape: tuple[int, ...], axes: Sequence[int]) -> tuple[int, ...]:
    """``shape`` without ``axes``.

    Raises:
      ValueError: an axis is out of range or stands twice.
    """
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name} got an axis twice: axes {tuple(axes)}; name each axis once")
    for axis in axes:
        if not 0 <= axis < len(shape):
            raise ValueError(
                f"{name} got axis {axis}, which is out of range for an array of shape {shape}; axes count from 0"
            )
    return tuple(extent for axis, extent in enumerate(shape) if axis not in axes)


def reducer(
    name: str | Primitive,
    accepts: Dtypes,
    *,
    reference: Function,
    combiner: str,
    identity: Callable[[Any], Any],
    decompose: Function,
    jvp: Function | None = None,
    transpose: Function | None = None,
    wide: bool = False,
    folds: np.ufunc | None = None,
    does: str = "",
) -> tuple[Primitive, Function]:
    """A reduction over ``axes`` (a sorted tuple of axes) by an associative, commutative operation.

    Args:
      reference: ``(array, axes) -> array`` of the same dtype.
      combiner: the name of the operation, as in ``ir.scalar``.
      identity: dtype -> its neutral element.
      jvp: ``(tangent, x, out, axes) -> tangent``; None: zero derivative, or linear where ``transpose`` is given;
        BY_DECOMPOSITION: that of ``decompose``. It is piecewise linear.
      transpose: ``(cotangent, x, axes) -> cotangent``, of a linear reduction.
      wide: whether 8- and 16-bit floats are combined in float32 and rounded once.
      folds: the ufunc whose ``reduce`` is the reference, but for what is combined in another dtype.
    """
    primitive = new_primitive(name, required=False)
    if primitive not in tables.abstract:
        _reducer_abstract(primitive, accepts)
    if transpose is not None:
        linear(primitive)(transpose)
    elif jvp is BY_DECOMPOSITION:
        jvp_by_decomposition(primitive, decompose)
    elif jvp is not None:
        tables.transpose[primitive] = NOT_LINEAR
        elementwise_jvp(primitive, (jvp,))
        taylor.piecewise_linear(primitive)
    else:
        zero_derivative(primitive)
    reducer_batch(primitive)
    _reducer_reference(primitive, reference, folds)
    _reducer_kernel(primitive, combiner, identity, wide)
    tables.decompose[primitive] = decompose
    tables.cost[primitive] = lambda ins, outs, **params: (ins[0].size, ins[0].nbytes + outs[0].nbytes)

    def function(operand: Any, axes: Sequence[int], *, out_sharding: Any = None) -> Any:
        try:
            return primitive.bind(operand, axes=tuple(sorted(axes)))
        except Exception as error:
            trim(error, function, operand, axes)
            raise

    words = f"Takes {accepts.words}; ``axes`` are not negative. ``out_sharding`` changes nothing on one device."
    return primitive, describe(function, primitive, f"{does}\n\n  {words}")


def _reducer_abstract(primitive: Primitive, accepts: Dtypes) -> None:
    @tables.abstract(primitive)
    def rule(x: ShapedArray, *, axes: tuple[int, ...]) -> ShapedArray:
        dtype = elementwise_dtype(primitive.name, accepts, (x,))
        return shaped(reduced_shape(primitive.name, x.shape, axes), dtype, x.weak_type)


def reducer_batch(primitive: Primitive) -> None:
    """The mapped axis steps aside for the ``axes``."""

    @tables.batch(primitive)
    def rule(axis: Any, args: Sequence[Any], dims: Sequence[int], *, axes: tuple[int, ...], **params: Any) -> Any:
        (x,), (dim,) = args, dims
        moved = tuple(a + (a >= dim) for a in axes)
        return primitive.bind(x, axes=moved, **params), dim - sum(a < dim for a in moved)


def _reducer_reference(primitive: Primitive, function: Function, folds: np.ufunc | None) -> None:
    def reduced(x: Any, axes: tuple[int, ...]) -> Any:
        out = function(x, axes)
        return out if type(out) is np.ndarray and out.dtype == x.dtype else np.asarray(out, x.dtype)

    @tables.reference(primitive)
    def rule(x: Any, *, axes: tuple[int, ...]) -> Any:
        return quiet(reduced, x, axes)

    rule.folds = folds  # type: ignore[attr-defined]


def merge(i: Sequence[Any], r: Sequence[Any], axes: Sequence[int]) -> tuple[Any, ...]:
    """The indices of an operand from those of the result, ``i``, and those reduced over, ``r``."""
    kept, gone = iter(i), dict(zip(axes, r, strict=True))
    return tuple(gone[axis] if axis in gone else next(kept) for axis in range(len(i) + len(axes)))


def _reducer_kernel(primitive: Primitive, combiner: str, identity: Function, wide: bool) -> None:
    @tables.kernel(primitive)
    def rule(i: Any, x: scalar.Operand, *, axes: tuple[int, ...]) -> Any:
        dtype = wide_dtype(x.dtype) if wide else x.dtype
        init = scalar.const(identity(dtype), dtype)
        extents = [x.shape[axis] for axis in axes]
        [out] = scalar.reduce(combiner, extents, [init], lambda *r: [scalar.cast(x[merge(i, r, axes)], dtype)])
        return scalar.cast(out, x.dtype)


_FLOAT32 = np.dtype(np.float32)


def wide_dtype(dtype: Any) -> Any:
    """The dtype in which sums of ``dtype`` are formed: float32 for narrower floats."""
    return _FLOAT32 if dtype.itemsize < 4 and dtype in FLOAT else dtype
