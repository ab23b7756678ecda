"""Shape operations: where elements lie. broadcast_in_dim, transpose, reshape, squeeze, rev, concatenate, iota, copy.

They move elements and compute nothing. The first two are bound by transforms themselves (see ``structural``); their
rules stand here. References give dense arrays of their own, never views of an operand.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.errors import ShapeError
from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import Shape, ShapedArray, shaped
from cotan.ir.index import ZERO, ravel, unravel
from cotan.ir.primitive import abstract, batch, decompose, jvp, kernel, reference
from cotan.ir.rules import none
from cotan.primitives.define import BASIC, close, first_order, linear
from cotan.primitives.operands import move_axis, shape_of
from cotan.structural import (
    UndefinedPrimal,
    broadcast_in_dim,
    broadcast_in_dim_p,
    reduce_sum,
    transpose,
    transpose_p,
)


def ints(name: str, what: str, values: Any) -> tuple[int, ...]:
    """``values`` as a tuple of Python ints; a single int stands for a tuple of one.

    Raises:
      TypeError: something in it is not an integer (a tracer says how to go on).
    """
    if type(values) is tuple and all(type(value) is int for value in values):
        return values
    if isinstance(values, int | np.integer):
        return (int(values),)
    try:
        return tuple(map(operator.index, values))
    except TypeError as error:
        if "Tracer" in type(error).__name__:
            raise
        raise TypeError(f"{name}: {what} must be integers, got {values!r}") from None


def normal_axes(name: str, what: str, axes: Any, ndim: int) -> tuple[int, ...]:
    """Distinct axes of an array of ``ndim`` dimensions, none negative, in the given order.

    Raises:
      ValueError: an axis is out of range or stands twice.
    """
    given = ints(name, what, axes)
    if len(given) == 1 and 0 <= given[0] < ndim:
        return given
    for axis in given:
        if not -ndim <= axis < ndim:
            raise ValueError(
                f"{name}: {what} holds {axis}, which is out of range for an array of {ndim} dimensions (-{ndim} to "
                f"{ndim - 1})"
            )
    found = tuple(axis % ndim for axis in given)
    if len(set(found)) != len(found):
        raise ValueError(f"{name}: {what} holds an axis twice: {given}; name each axis once")
    return found


def batched_shift(axes: Sequence[int], dim: int) -> tuple[int, ...]:
    """The same axes once the mapped axis ``dim`` stands among them."""
    return tuple(axis + (axis >= dim) for axis in axes)


def to_front(axis: Any, x: Any, dim: int | None) -> Any:
    """``x`` with its mapped axis in front, repeated along it if it is not mapped."""
    if dim is not None:
        return move_axis(x, dim, 0)
    shape = shape_of(x)
    return broadcast_in_dim(x, (axis.size, *shape), tuple(range(1, len(shape) + 1)))


# ---- broadcast_in_dim -----------------------------------------------------------------------------------------------

close(broadcast_in_dim_p)


def expand_dims(array: Any, dimensions: Any) -> Any:
    """``array`` with axes of extent 1 at the places ``dimensions`` of the result.

    Raises:
      ValueError: a dimension is out of range or stands twice.

    >>> from cotan import lax
    >>> lax.expand_dims(lax.iota("int32", 3), (0, 2)).shape
    (1, 3, 1)
    """
    shape = shape_of(array)
    given = ints("expand_dims", "dimensions", dimensions)
    places = normal_axes("expand_dims", "dimensions", given, len(shape) + len(given))
    if not places:
        return array
    wide, kept = _expansion(shape, places)
    return broadcast_in_dim_p.bind(array, shape=wide, broadcast_dimensions=kept)


@lru_cache(maxsize=1024)
def _expansion(shape: Shape, places: Shape) -> tuple[Shape, Shape]:
    """A shape with new axes at ``places``, and where its own axes are then."""
    kept = tuple(k for k in range(len(shape) + len(places)) if k not in places)
    extents = dict(zip(kept, shape, strict=True))
    return tuple(extents.get(k, 1) for k in range(len(shape) + len(places))), kept


@linear(broadcast_in_dim_p)
def _broadcast_transpose(ct: Any, operand: UndefinedPrimal, *, shape: Shape, broadcast_dimensions: Shape) -> Any:
    source = operand.aval.shape
    from_one = {d for d, extent in zip(broadcast_dimensions, source, strict=True) if extent != shape[d]}
    gone = tuple(d for d in range(len(shape)) if d in from_one or d not in broadcast_dimensions)
    total = reduce_sum(ct, gone) if gone else ct
    return reshape(total, source) if from_one else total


@batch(broadcast_in_dim_p)
def _broadcast_batch(
    axis: Any, args: Sequence[Any], dims: Sequence[int], *, shape: Shape, broadcast_dimensions: Shape
) -> Any:
    x = move_axis(args[0], dims[0], 0)
    return broadcast_in_dim(x, (axis.size, *shape), (0, *(d + 1 for d in broadcast_dimensions))), 0


@reference(broadcast_in_dim_p)
def _broadcast_reference(x: Any, *, shape: Shape, broadcast_dimensions: Shape) -> Any:
    if x.ndim:
        extents = [1] * len(shape)
        for d, extent in zip(broadcast_dimensions, x.shape, strict=True):
            extents[d] = extent
        x = x.reshape(extents)
    return np.broadcast_to(x, shape).copy()


@kernel(broadcast_in_dim_p)
def _broadcast_kernel(i: Any, x: scalar.Operand, *, shape: Shape, broadcast_dimensions: Shape) -> Any:
    return x[tuple(ZERO if extent == 1 else i[d] for d, extent in zip(broadcast_dimensions, x.shape, strict=True))]


decompose[broadcast_in_dim_p] = BASIC

# ---- transpose ------------------------------------------------------------------------------------------------------

close(transpose_p)


@linear(transpose_p)
def _transpose_transpose(ct: Any, operand: UndefinedPrimal, *, permutation: Shape) -> Any:
    return transpose(ct, inverse(permutation))


def inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes ``permutation``."""
    back = [0] * len(permutation)
    for place, axis in enumerate(permutation):
        back[axis] = place
    return tuple(back)


@batch(transpose_p)
def _transpose_batch(axis: Any, args: Sequence[Any], dims: Sequence[int], *, permutation: Shape) -> Any:
    return transpose(args[0], (dims[0], *batched_shift(permutation, dims[0]))), 0


@reference(transpose_p)
def _transpose_reference(x: Any, *, permutation: Shape) -> Any:
    return x.transpose(permutation).copy()


@kernel(transpose_p)
def _transpose_kernel(i: Any, x: scalar.Operand, *, permutation: Shape) -> Any:
    return x[tuple(i[place] for place in inverse(permutation))]


decompose[transpose_p] = BASIC

# ---- reshape --------------------------------------------------------------------------------------------------------

reshape_p = first_order("reshape", required=True)


def reshape(operand: Any, new_sizes: Any, dimensions: Any = None, *, out_sharding: Any = None) -> Any:
    """The elements of ``operand`` in row-major order, in the shape ``new_sizes``.

    Args:
      dimensions: an order in which to read the axes of ``operand`` instead.
      out_sharding: accepted, and without meaning on one device.

    Raises:
      TypeError: the numbers of elements differ.

    >>> from cotan import lax
    >>> lax.reshape(lax.iota("int32", 4), (2, 2))
    Array([[0, 1],
           [2, 3]], dtype=int32)
    """
    shape = shape_of(operand)
    new_sizes = ints("reshape", "new_sizes", new_sizes)
    if dimensions is not None:
        order = normal_axes("reshape", "dimensions", dimensions, len(shape))
        if len(order) != len(shape):
            raise ValueError(f"reshape: dimensions must name each axis of an operand of shape {shape}, got {order}")
        if order != tuple(range(len(shape))):
            operand = transpose(operand, order)
    return reshape_p.bind(operand, new_sizes=new_sizes, dimensions=None)


@abstract(reshape_p)
def _reshape_abstract(x: ShapedArray, *, new_sizes: Shape, dimensions: None) -> ShapedArray:
    if any(extent < 0 for extent in new_sizes):
        raise TypeError(
            f"reshape: new_sizes must not be negative, got {new_sizes}; cotan.numpy.reshape takes -1 for one extent"
        )
    if math.prod(new_sizes) != x.size:
        raise TypeError(
            f"reshape: cannot reshape array of shape {x.shape} (size {x.size}) into shape {new_sizes} "
            f"(size {math.prod(new_sizes)})"
        )
    return shaped(new_sizes, x.dtype, x.weak_type)


@linear(reshape_p)
def _reshape_transpose(ct: Any, operand: UndefinedPrimal, *, new_sizes: Shape, dimensions: None) -> Any:
    return reshape(ct, operand.aval.shape)


@batch(reshape_p)
def _reshape_batch(axis: Any, args: Sequence[Any], dims: Sequence[int], *, new_sizes: Shape, dimensions: None) -> Any:
    return reshape(move_axis(args[0], dims[0], 0), (axis.size, *new_sizes)), 0


@reference(reshape_p)
def _reshape_reference(x: Any, *, new_sizes: Shape, dimensions: None) -> Any:
    return x.reshape(new_sizes).copy()


@kernel(reshape_p)
def _reshape_kernel(i: Any, x: scalar.Operand, *, new_sizes: Shape, dimensions: None) -> Any:
    return x[unravel(ravel(i, new_sizes), x.shape)]


decompose[reshape_p] = BASIC

# ---- squeeze --------------------------------------------------------------------------------------------------------

squeeze_p = first_order("squeeze")


def squeeze(array: Any, dimensions: Any) -> Any:
    """``array`` without the axes ``dimensions``, which must have extent 1.

    Raises:
      ValueError: an axis is out of range, stands twice, or has another extent.

    >>> from cotan import lax
    >>> lax.squeeze(lax.full((1, 3, 1), 0.0), (0, 2)).shape
    (3,)
    """
    axes = normal_axes("squeeze", "dimensions", dimensions, len(shape_of(array)))
    return squeeze_p.bind(array, dimensions=tuple(sorted(axes))) if axes else array


@abstract(squeeze_p)
def _squeeze_abstract(x: ShapedArray, *, dimensions: Shape) -> ShapedArray:
    for axis in dimensions:
        if x.shape[axis] != 1:
            raise ValueError(
                f"squeeze: cannot drop axis {axis} of an array of shape {x.shape}: its extent is {x.shape[axis]}, not 1"
            )
    return shaped(tuple(n for axis, n in enumerate(x.shape) if axis not in dimensions), x.dtype, x.weak_type)


@linear(squeeze_p)
def _squeeze_transpose(ct: Any, operand: UndefinedPrimal, *, dimensions: Shape) -> Any:
    return reshape(ct, operand.aval.shape)


@batch(squeeze_p)
def _squeeze_batch(axis: Any, args: Sequence[Any], dims: Sequence[int], *, dimensions: Shape) -> Any:
    gone = batched_shift(dimensions, dims[0])
    return squeeze(args[0], gone), dims[0] - sum(axis < dims[0] for axis in gone)


@reference(squeeze_p)
def _squeeze_reference(x: Any, *, dimensions: Shape) -> Any:
    return x.reshape([n for axis, n in enumerate(x.shape) if axis not in dimensions]).copy()


@kernel(squeeze_p)
def _squeeze_kernel(i: Any, x: scalar.Operand, *, dimensions: Shape) -> Any:
    kept = iter(i)
    return x[tuple(ZERO if axis in dimensions else next(kept) for axis in range(x.ndim))]


@decompose(squeeze_p)
def _squeeze_decompose(x: Any, *, dimensions: Shape) -> Any:
    return reshape(x, tuple(n for axis, n in enumerate(shape_of(x)) if axis not in dimensions))


# ---- rev ------------------------------------------------------------------------------------------------------------

rev_p = first_order("rev")


def rev(operand: Any, dimensions: Any) -> Any:
    """``operand`` with the order of elements reversed along ``dimensions``.

    Raises:
      ValueError: an axis is out of range or stands twice.

    >>> from cotan import lax
    >>> lax.rev(lax.iota("int32", 3), (0,))
    Array([2, 1, 0], dtype=int32)
    """
    axes = normal_axes("rev", "dimensions", dimensions, len(shape_of(operand)))
    return rev_p.bind(operand, dimensions=tuple(sorted(axes)))


@abstract(rev_p)
def _rev_abstract(x: ShapedArray, *, dimensions: Shape) -> ShapedArray:
    return x


@linear(rev_p)
def _rev_transpose(ct: Any, operand: UndefinedPrimal, *, dimensions: Shape) -> Any:
    return rev(ct, dimensions)


@batch(rev_p)
def _rev_batch(axis: Any, args: Sequence[Any], dims: Sequence[int], *, dimensions: Shape) -> Any:
    return rev(args[0], batched_shift(dimensions, dims[0])), dims[0]


@reference(rev_p)
def _rev_reference(x: Any, *, dimensions: Shape) -> Any:
    return np.flip(x, dimensions).copy()


@kernel(rev_p)
def _rev_kernel(i: Any, x: scalar.Operand, *, dimensions: Shape) -> Any:
    pairs = enumerate(zip(i, x.shape, strict=True))
    return x[tuple(n - 1 - index if axis in dimensions and n > 1 else index for axis, (index, n) in pairs)]


@decompose(rev_p)
def _rev_decompose(x: Any, *, dimensions: Shape) -> Any:
    """Along each axis, padded to a power of two: swap halves, then halves of halves, in log2(n) steps."""
    for dim in dimensions:
        x = _rev_one(x, dim)
    return x


def _rev_one(x: Any, dim: int) -> Any:
    shape = shape_of(x)
    before, n, after = math.prod(shape[:dim]), shape[dim], math.prod(shape[dim + 1 :])
    if n <= 1:
        return x
    bits = (n - 1).bit_length()
    flat = reshape(x, (before, n, after))
    if n < 1 << bits:
        filler = broadcast_in_dim(_slice_of(flat, 1, 0, 1), (before, (1 << bits) - n, after), (0, 1, 2))
        flat = concatenate([filler, flat], 1)
    for bit in range(bits):
        halves = reshape(flat, (before * (1 << (bits - 1 - bit)), 2, (1 << bit) * after))
        flat = concatenate([_slice_of(halves, 1, 1, 2), _slice_of(halves, 1, 0, 1)], 1)
    return reshape(_slice_of(reshape(flat, (before, 1 << bits, after)), 1, 0, n), shape)


def _slice_of(x: Any, dim: int, start: int, limit: int) -> Any:
    """``x[start:limit]`` along one axis."""
    from cotan.primitives.slice import slice_along

    return slice_along(x, dim, start, limit)


# ---- concatenate ----------------------------------------------------------------------------------------------------

concatenate_p = first_order("concatenate", required=True)


def concatenate(operands: Sequence[Any], dimension: int) -> Any:
    """``operands`` one after another along ``dimension``.

    Raises:
      TypeError: no operands, or they differ in dtype, rank or another extent.

    >>> from cotan import lax
    >>> lax.concatenate([lax.iota("int32", 2), lax.iota("int32", 3)], 0)
    Array([0, 1, 0, 1, 2], dtype=int32)
    """
    operands = list(operands)
    if not operands:
        raise ValueError("concatenate: needs at least one operand, got none")
    (dimension,) = normal_axes("concatenate", "dimension", dimension, len(shape_of(operands[0])))
    return operands[0] if len(operands) == 1 else concatenate_p.bind(*operands, dimension=dimension)


@abstract(concatenate_p)
def _concatenate_abstract(*avals: ShapedArray, dimension: int) -> ShapedArray:
    first = avals[0]
    for aval in avals[1:]:
        if aval.dtype != first.dtype:
            names = ", ".join(dtypes.short_name(a.dtype) for a in avals)
            raise TypeError(f"concatenate: operands must have equal dtypes, got {names}; convert them with .astype")
        if len(aval.shape) != len(first.shape) or any(
            a != b for k, (a, b) in enumerate(zip(aval.shape, first.shape, strict=True)) if k != dimension
        ):
            shapes = ", ".join(str(a.shape) for a in avals)
            raise TypeError(f"concatenate: operands must agree in all extents but that of axis {dimension}: {shapes}")
    extent = sum(aval.shape[dimension] for aval in avals)
    shape = (*first.shape[:dimension], extent, *first.shape[dimension + 1 :])
    return shaped(shape, first.dtype, all(aval.weak_type for aval in avals))


@linear(concatenate_p)
def _concatenate_transpose(ct: Any, *operands: Any, dimension: int) -> list[Any]:
    cts: list[Any] = []
    at = 0
    for operand in operands:
        undefined = type(operand) is UndefinedPrimal
        extent = (operand.aval.shape if undefined else shape_of(operand))[dimension]
        cts.append(_slice_of(ct, dimension, at, at + extent) if undefined else None)
        at += extent
    return cts


@batch(concatenate_p)
def _concatenate_batch(axis: Any, args: Sequence[Any], dims: Sequence[Any], *, dimension: int) -> Any:
    return concatenate([to_front(axis, x, dim) for x, dim in zip(args, dims, strict=True)], dimension + 1), 0


@reference(concatenate_p)
def _concatenate_reference(*operands: Any, dimension: int) -> Any:
    return np.concatenate(operands, dimension)


@kernel(concatenate_p)
def _concatenate_kernel(i: Any, *operands: scalar.Operand, dimension: int) -> Any:
    filled = [x for x in operands if x.shape[dimension]] or list(operands[:1])
    return _piece(i, filled, dimension, 0)


def _piece(i: Any, operands: Sequence[scalar.Operand], dimension: int, start: int) -> Any:
    """The element of the first operand that reaches index ``i``; the operands begin at ``start``."""
    x, limit = operands[0], start + operands[0].shape[dimension]

    def element() -> Any:
        return x[(*i[:dimension], i[dimension] - start, *i[dimension + 1 :])]

    if len(operands) == 1:
        return element()
    return scalar.guard([(i[dimension], start, limit)], element, _piece(i, operands[1:], dimension, limit))


decompose[concatenate_p] = BASIC

# ---- iota -----------------------------------------------------------------------------------------------------------

iota_p = first_order("iota", required=True)


def iota(dtype: Any, size: int) -> Any:
    """``0, 1, ..., size - 1`` as an array of ``dtype``.

    >>> from cotan import lax
    >>> lax.iota("float32", 3)
    Array([0., 1., 2.], dtype=float32)
    """
    return broadcasted_iota(dtype, ints("iota", "size", size), 0)


def broadcasted_iota(dtype: Any, shape: Any, dimension: int) -> Any:
    """An array of ``shape`` whose elements count along ``dimension``.

    Raises:
      ValueError: ``dimension`` is out of range or an extent negative.
      TypeError: ``dtype`` is not numeric.
    """
    shape = ints("iota", "shape", shape)
    (dimension,) = normal_axes("iota", "dimension", dimension, len(shape))
    return iota_p.bind(dtype=dtypes.canonicalize_dtype(dtype), shape=shape, dimension=dimension)


@abstract(iota_p)
def _iota_abstract(*, dtype: Any, shape: Shape, dimension: int) -> ShapedArray:
    if not dtypes.issubdtype(dtype, np.number):
        raise TypeError(
            f"iota does not make {dtypes.short_name(dtype)}; it takes numeric dtypes. Convert the result with .astype."
        )
    if any(extent < 0 for extent in shape):
        raise ShapeError(f"iota: extents must not be negative, got shape {shape}")
    return shaped(shape, dtype)


jvp[iota_p] = none("no operands, so no tangents")
tables.transpose[iota_p] = none("no operands")
batch[iota_p] = none("no operands, so never mapped")


@reference(iota_p)
def _iota_reference(*, dtype: Any, shape: Shape, dimension: int) -> Any:
    counts = np.arange(shape[dimension]).astype(dtype)
    if len(shape) == 1:
        return counts
    return np.broadcast_to(counts.reshape([-1 if d == dimension else 1 for d in range(len(shape))]), shape).copy()


@kernel(iota_p)
def _iota_kernel(i: Any, *, dtype: Any, shape: Shape, dimension: int) -> Any:
    wide = np.dtype(np.int32 if shape[dimension] <= np.iinfo(np.int32).max else np.int64)
    return scalar.cast(scalar.index_value(i[dimension], wide), dtype)


decompose[iota_p] = BASIC

# ---- copy -----------------------------------------------------------------------------------------------------------

copy_p = first_order("copy")


def copy(operand: Any) -> Any:
    """The same array in memory of its own.

    >>> from cotan import lax
    >>> lax.copy(lax.iota("int32", 2))
    Array([0, 1], dtype=int32)
    """
    return copy_p.bind(operand)


@abstract(copy_p)
def _copy_abstract(x: ShapedArray) -> ShapedArray:
    return x


@linear(copy_p)
def _copy_transpose(ct: Any, operand: UndefinedPrimal) -> Any:
    return ct


@batch(copy_p)
def _copy_batch(axis: Any, args: Sequence[Any], dims: Sequence[int]) -> Any:
    return copy(args[0]), dims[0]


@reference(copy_p)
def _copy_reference(x: Any) -> Any:
    return x.copy()


@kernel(copy_p)
def _copy_kernel(i: Any, x: scalar.Operand) -> Any:
    return x[i]


@decompose(copy_p)
def _copy_decompose(x: Any) -> Any:
    return reshape(x, shape_of(x))
