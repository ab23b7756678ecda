"""sort and top_k. NaN is larger than all numbers; equal elements keep their order.

Decomposed, an element's place is the number of elements that come before it (n**2 comparisons).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import ShapedArray, get_aval, shaped, tangent_aval
from cotan.primitives import define, taylor
from cotan.primitives.arithmetic import complex, imag, real
from cotan.primitives.cast import bitcast_convert_type
from cotan.primitives.compare import bitwise_and, bitwise_or, eq, lt, ne, select
from cotan.primitives.define import NOT_LINEAR, first_order
from cotan.primitives.gather import GatherDimensionNumbers, gather
from cotan.primitives.operands import BOOLEAN, COMPLEX, FLOAT, PLAIN, dtype_of, move_axis, shape_of, unsigned_of
from cotan.primitives.reduce import reduce_or, reduce_sum
from cotan.primitives.shape import broadcasted_iota, reshape, rev
from cotan.primitives.slice import slice_along
from cotan.primitives.windows import GatherScatterMode
from cotan.structural import Zero, broadcast_in_dim, convert_element_type

# ---- sort

sort_p = first_order("sort", multiple_results=True)


def sort(operand: Any, dimension: int = -1, is_stable: bool = True, num_keys: int = 1) -> Any:
    """Sort along one axis, in ascending order.

    Args:
      operand: an array; or a sequence of arrays of one shape, which are all put in the order of the first ``num_keys``.
      dimension: the axis.
      is_stable: whether elements of equal keys keep their order.
      num_keys: how many operands are keys, the first one counting most.

    Returns:
      The sorted array, or a tuple of arrays.

    Raises:
      TypeError: shapes differ, or ``num_keys`` is not between 1 and the number of operands.
      ValueError: ``dimension`` is out of range.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.sort(np.int32([3, 1, 2]))
    Array([1, 2, 3], dtype=int32)
    """
    operands = tuple(operand) if isinstance(operand, list | tuple) else (operand,)
    if not operands:
        raise TypeError("sort needs at least one operand, got an empty sequence")
    dimension = axis_of("sort", dimension, len(shape_of(operands[0])))
    out = sort_p.bind(*operands, dimension=dimension, is_stable=bool(is_stable), num_keys=operator.index(num_keys))
    return tuple(out) if isinstance(operand, list | tuple) else out[0]


def axis_of(name: str, axis: int, ndim: int) -> int:
    """``axis``, counted from the front.

    Raises:
      ValueError: it is out of range.
    """
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise ValueError(
            f"{name} got axis {axis}, which is out of range for an array of {ndim} axes (-{ndim} to {ndim - 1})"
        )
    return axis % ndim


@tables.abstract(sort_p)
def _(*operands: ShapedArray, dimension: int, is_stable: bool, num_keys: int) -> list[ShapedArray]:
    shape = operands[0].shape
    if any(x.shape != shape for x in operands):
        raise TypeError(f"sort: operands must have equal shapes, got {', '.join(str(x.shape) for x in operands)}")
    if not 1 <= num_keys <= len(operands):
        raise TypeError(f"sort: num_keys must be between 1 and the number of operands {len(operands)}, got {num_keys}")
    for key in operands[:num_keys]:
        define.elementwise_dtype("sort", PLAIN, (key,))
    return list(operands)


def take_along(x: Any, places: Any, dimension: int) -> Any:
    """``out[.., k, ..] = x[.., places[.., k, ..], ..]`` along ``dimension``; the other axes go together."""
    shape = shape_of(places)
    others = tuple(k for k in range(len(shape)) if k != dimension)
    numbers = GatherDimensionNumbers(
        offset_dims=(),
        collapsed_slice_dims=(dimension,),
        start_index_map=(dimension,),
        operand_batching_dims=others,
        start_indices_batching_dims=others,
    )
    indices = reshape(places, (*shape, 1))
    return gather(x, indices, numbers, (1,) * len(shape), mode=GatherScatterMode.PROMISE_IN_BOUNDS)


def _tangents_along(outs: Sequence[Any], tangents: Sequence[Any], places: Any, dimension: int) -> list[Any]:
    return [
        Zero(tangent_aval(get_aval(out))) if type(t) is Zero else take_along(t, places, dimension)
        for out, t in zip(outs, tangents, strict=True)
    ]


@tables.jvp(sort_p)
def _(primals: Sequence[Any], tangents: Sequence[Any], *, dimension: int, is_stable: bool, num_keys: int) -> Any:
    iota = broadcasted_iota(np.int32, shape_of(primals[0]), dimension)
    *outs, places = sort_p.bind(*primals, iota, dimension=dimension, is_stable=is_stable, num_keys=num_keys)
    return outs, _tangents_along(outs, tangents, places, dimension)


taylor.piecewise_linear(sort_p)
tables.transpose[sort_p] = NOT_LINEAR


@tables.batch(sort_p)
def _(axis: Any, args: Sequence[Any], dims: Sequence[Any], *, dimension: int, **params: Any) -> Any:
    at = next(dim for dim in dims if dim is not None)
    shape = next(shape_of(x) for x, dim in zip(args, dims, strict=True) if dim is not None)
    full = (*shape[:at], *shape[at + 1 :])
    full = (*full[:at], axis.size, *full[at:])
    others = tuple(k for k in range(len(full)) if k != at)
    operands = [
        broadcast_in_dim(x, full, others) if dim is None else move_axis(x, dim, at)
        for x, dim in zip(args, dims, strict=True)
    ]
    return sort_p.bind(*operands, dimension=dimension + (dimension >= at), **params), [at] * len(operands)


def _comparable(x: Any) -> Any:
    """Dtypes that NumPy knows to sort, NaN last."""
    return x if x.dtype.kind != "V" else x.astype(np.float32 if x.dtype in FLOAT else np.int8)


_LONG = 256
"""Elements from which quicker sorts pay for what they need besides."""
InPlace = Callable[[Any, int], Any]
"""Sorts an ndarray along an axis, where it lies, equal elements in any order."""


def _sort_values(x: Any, dimension: int, is_stable: bool, sort_in_place: InPlace) -> Any:
    values = _comparable(x)
    if is_stable and values.dtype.kind == "c" and ((values == 0) & np.signbit(values.real)).any():
        out = np.sort(values, axis=dimension, kind="stable")
    else:
        out = np.array(values, order="C")
        sort_in_place(out, dimension)
        if values.dtype.kind == "f":
            zeros_in_order(values, out, dimension)
    return out if out.dtype == x.dtype else out.astype(x.dtype)


def has_negative_zeros(x: Any) -> bool:
    """Whether there are any among these real numbers: only the two zeros are equal and yet different."""
    bits = x.view(f"i{x.dtype.itemsize}")
    return bool((bits == np.iinfo(bits.dtype).min).any())


def zeros_in_order(given: Any, ordered: Any, axis: int) -> None:
    """Put the zeros of sorted lines in the order in which they were given."""
    extent = ordered.shape[axis]
    if ordered.size == extent:
        _zeros_of_line(given.reshape(extent), ordered.reshape(extent))
    elif has_negative_zeros(given):
        if extent < _LONG:
            ordered[...] = np.sort(given, axis=axis, kind="stable")
            return
        lines, before = np.moveaxis(ordered, axis, -1), np.moveaxis(given, axis, -1)
        for place in map(tuple, np.argwhere(((before == 0) & np.signbit(before)).any(-1))):
            _zeros_of_line(before[place], lines[place])


def _zeros_of_line(given: Any, ordered: Any) -> None:
    # Minima and maxima of vectors, by which NumPy sorts, need not keep the sign of a zero.
    first = ordered.searchsorted(ordered.dtype.type(0))
    if first < len(ordered) and ordered[first] == 0:
        zeros = given[given == 0]
        ordered[first : first + len(zeros)] = zeros


def _words(x: Any) -> Any:
    """uint32 in the order of these float32, int32 or uint32, and equal where they are."""
    if x.dtype.kind == "u":
        return x
    bits = x.view(np.int32)
    if x.dtype.kind == "f":
        # One zero and one NaN; negative numbers run the other way.
        bits = np.where(x == 0, np.int32(0), np.where(x == x, bits, np.int32(0x7FC00000)))
        bits = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return bits.view(np.uint32) ^ np.uint32(1 << 31)


def _stable_order(x: Any, axis: int, sort_in_place: InPlace = np.ndarray.sort) -> Any:
    """A stable ``argsort``; of 32 bits by sorting words that end with the place, in half the time."""
    x = x.astype(np.float32) if x.dtype == np.float16 else x
    if x.dtype.itemsize != 4 or x.size < _LONG or x.shape[axis] >= 1 << 32:
        return np.argsort(x, axis=axis, kind="stable")
    packed = _words(np.ascontiguousarray(x)).astype(np.uint64) << np.uint64(32)
    places = np.arange(x.shape[axis], dtype=np.uint64)
    packed |= places.reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    sort_in_place(packed, axis)
    return (packed & np.uint64(0xFFFFFFFF)).view(np.int64)


def sorted_arrays(
    operands: Sequence[Any], dimension: int, is_stable: bool, num_keys: int, sort_in_place: InPlace = np.ndarray.sort
) -> list[Any]:
    """The operands in the order of the first ``num_keys`` of them, by NumPy; backends may share out the sorting."""
    if len(operands) == 1:
        return [_sort_values(operands[0], dimension, is_stable, sort_in_place)]
    keys = [_comparable(x) for x in operands[:num_keys]]
    if num_keys == 1:
        order = _stable_order(keys[0], dimension, sort_in_place)
    else:
        order = np.lexsort(keys[::-1], axis=dimension)
    return [np.take_along_axis(x, order, dimension) for x in operands]


@tables.reference(sort_p)
def _(*operands: Any, dimension: int, is_stable: bool, num_keys: int) -> list[Any]:
    return sorted_arrays(operands, dimension, is_stable, num_keys)


@tables.kernel(sort_p)
def _(i: Any, *operands: scalar.Operand, dimension: int, is_stable: bool, num_keys: int) -> Any:
    return scalar.Library("sort")


def _parts(x: Any) -> list[Any]:
    return [real(x), imag(x)] if dtype_of(x) in COMPLEX else [x]


def _before(keys: Sequence[tuple[Any, Any]], tie: Any) -> Any:
    """Whether the first of each pair comes before the second, the first pair counting most."""
    result = tie
    for x, y in reversed(keys):
        less, same = lt(x, y), eq(x, y)
        if dtype_of(x) in FLOAT:
            x_nan, y_nan = ne(x, x), ne(y, y)
            less = bitwise_or(less, bitwise_and(eq(x, x), y_nan))
            same = bitwise_or(same, bitwise_and(x_nan, y_nan))
        result = bitwise_or(less, bitwise_and(same, result))
    return result


def _put(x: Any, hit: Any, axis: int, along: Callable[[Any], Any]) -> Any:
    """The elements of ``x`` where ``hit``, of which there is one along ``axis``: an or of bits, for NaNs to survive."""
    dtype = dtype_of(x)
    if dtype in COMPLEX:
        return complex(_put(real(x), hit, axis, along), _put(imag(x), hit, axis, along))
    if dtype == BOOLEAN:
        return reduce_or(bitwise_and(hit, along(x)), (axis,))
    if dtypes.itemsize_bits(dtype) < 8:
        wide = np.dtype(np.float32 if dtype in FLOAT else np.int8)
        return convert_element_type(_put(convert_element_type(x, wide), hit, axis, along), dtype)
    bits = bitcast_convert_type(x, unsigned_of(dtype))
    found = reduce_or(select(hit, along(bits), 0), (axis,))
    return bitcast_convert_type(found, dtype)


@tables.decompose(sort_p)
def _(*operands: Any, dimension: int, is_stable: bool, num_keys: int) -> list[Any]:
    shape = shape_of(operands[0])
    ndim, extent = len(shape), shape[dimension]
    square = (*shape[:dimension], extent, *shape[dimension:])

    def rows(x: Any) -> Any:
        """x[.., a, ..] at [.., a, b, ..]"""
        return broadcast_in_dim(x, square, tuple(k + (k > dimension) for k in range(ndim)))

    def columns(x: Any) -> Any:
        """x[.., b, ..] at [.., a, b, ..]"""
        return broadcast_in_dim(x, square, tuple(k + (k >= dimension) for k in range(ndim)))

    first = broadcasted_iota(np.int32, square, dimension)
    second = broadcasted_iota(np.int32, square, dimension + 1)
    keys = [(rows(part), columns(part)) for x in operands[:num_keys] for part in _parts(x)]
    before = convert_element_type(_before(keys, lt(first, second)), np.int32)
    place = reduce_sum(before, (dimension,))
    # hit[.., a, b, ..]: element a belongs to place b.
    hit = eq(rows(place), second)
    return [_put(x, hit, dimension, rows) for x in operands]


def _sort_cost(ins: Sequence[ShapedArray], outs: Sequence[ShapedArray], *, dimension: int, **params: Any) -> Any:
    extent = ins[0].shape[dimension]
    return ins[0].size * max(1, extent.bit_length()), sum(x.nbytes for x in (*ins, *outs))


tables.cost[sort_p] = _sort_cost

# ---- top_k

top_k_p = first_order("top_k", multiple_results=True)


def top_k(operand: Any, k: int, *, axis: int = -1) -> tuple[Any, Any]:
    """The ``k`` largest elements along ``axis``, in descending order, and their indices; the first of equals first.

    Raises:
      ValueError: ``axis`` is out of range, or has fewer than ``k`` elements.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.top_k(np.float32([1, 3, 2]), 2)
    (Array([3., 2.], dtype=float32), Array([1, 2], dtype=int32))
    """
    axis = axis_of("top_k", axis, len(shape_of(operand)))
    values, places = top_k_p.bind(operand, k=operator.index(k), axis=axis)
    return values, places


@tables.abstract(top_k_p)
def _(x: ShapedArray, *, k: int, axis: int) -> list[ShapedArray]:
    dtype = define.elementwise_dtype("top_k", PLAIN, (x,))
    if not 0 <= k <= x.shape[axis]:
        raise ValueError(f"top_k: k must be between 0 and the extent of axis {axis} of shape {x.shape}, got {k}")
    shape = (*x.shape[:axis], k, *x.shape[axis + 1 :])
    return [shaped(shape, dtype, x.weak_type), shaped(shape, np.dtype(np.int32))]


@tables.jvp(top_k_p)
def _(primals: Sequence[Any], tangents: Sequence[Any], *, k: int, axis: int) -> Any:
    values, places = top_k_p.bind(*primals, k=k, axis=axis)
    tangent = take_along(tangents[0], places, axis)
    return [values, places], [tangent, Zero(shaped(shape_of(places), dtypes.float0))]


taylor.piecewise_linear(top_k_p)
tables.transpose[top_k_p] = NOT_LINEAR


@tables.batch(top_k_p)
def _(mapped: Any, args: Sequence[Any], dims: Sequence[int], *, k: int, axis: int) -> Any:
    return top_k_p.bind(*args, k=k, axis=axis + (axis >= dims[0])), [dims[0]] * 2


@tables.reference(top_k_p)
def _(x: Any, *, k: int, axis: int) -> list[Any]:
    turned = (slice(None),) * axis + (slice(None, None, -1),)
    # Ascending and stable from the end: read backwards, it is descending with the first of equals first.
    order = _stable_order(_comparable(x)[turned], axis)[turned]
    places = (x.shape[axis] - 1 - order)[(slice(None),) * axis + (slice(0, k),)]
    return [np.take_along_axis(x, places, axis), places.astype(np.int32)]


@tables.kernel(top_k_p)
def _(i: Any, x: scalar.Operand, *, k: int, axis: int) -> Any:
    return scalar.Library("top_k")


@tables.decompose(top_k_p)
def _(x: Any, *, k: int, axis: int) -> list[Any]:
    extent = shape_of(x)[axis]
    places = rev(broadcasted_iota(np.int32, shape_of(x), axis), (axis,))
    ordered = sort_p.bind(rev(x, (axis,)), places, dimension=axis, is_stable=True, num_keys=1)
    return [rev(slice_along(y, axis, extent - k, extent), (axis,)) for y in ordered]


tables.cost[top_k_p] = lambda ins, outs, **params: (8 * ins[0].size, ins[0].nbytes + sum(x.nbytes for x in outs))
