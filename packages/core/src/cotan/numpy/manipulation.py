"""Shapes: reshaping, transposing, joining, splitting and repeating arrays."""

from __future__ import annotations

import itertools
import math
import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.api.repeated import repeated
from cotan.errors import ConcretizationTypeError, ShapeError, a_type
from cotan.errors import where as place_of
from cotan.ir.avals import is_array_like
from cotan.ir.trace import Tracer
from cotan.numpy import reductions
from cotan.numpy.promotion import (
    Axis,
    as_array,
    broadcast_to_shape,
    canonical_shape,
    normalize_axes,
    normalize_axis,
    promote_dtypes,
    refuse_out,
    spread,
)
from cotan.numpy.ufuncs import where_


def shape(a: Any) -> tuple[int, ...]:
    """The shape of an array or scalar, or of anything that says its shape, as ``ShapeDtypeStruct`` does.

    Other objects have the shape that NumPy finds, with a DeprecationWarning.
    """
    return _extents(a, "shape")


def _extents(a: Any, fun_name: str) -> tuple[int, ...]:
    extents = getattr(a, "shape", None)
    if isinstance(extents, tuple):
        return extents
    if is_array_like(a) or hasattr(a, "__array__"):
        return tuple(as_array(a, fun_name).shape)
    if not isinstance(a, str):
        warnings.warn(
            f"{place_of()}: {fun_name} is for arrays and scalars, and got {a_type(a)}; use numpy.{fun_name}",
            DeprecationWarning,
            stacklevel=3,
        )
    return np.shape(a)


def ndim(a: Any) -> int:
    """The number of dimensions; of what, see ``shape``."""
    return len(_extents(a, "ndim"))


def size(a: Any, axis: Axis = None) -> int:
    """The number of elements, or of those along one or several axes.

    >>> import cotan.numpy as cnp
    >>> cnp.size(cnp.ones((2, 3, 4)), (0, 2))
    8
    """
    extents = _extents(a, "size")
    return math.prod(extents[axis] for axis in normalize_axes(axis, len(extents), "size"))


def reshape(a: Any, shape: Any, order: str = "C", *, copy: bool | None = None, out_sharding: Any = None) -> Any:
    """``a`` with another shape; one extent may be -1.

    Raises:
      TypeError: the sizes differ.
      ValueError: more than one -1, or an unknown order.

    >>> import cotan.numpy as cnp
    >>> cnp.reshape(cnp.arange(6), (2, -1)).shape
    (2, 3)
    """
    a = as_array(a, "reshape")
    target = resolve_shape(a, shape)
    if order == "C":
        return lax.reshape(a, target)
    if order == "F":
        flipped = lax.reshape(lax.transpose(a, tuple(reversed(range(a.ndim)))), target[::-1])
        return lax.transpose(flipped, tuple(reversed(range(len(target)))))
    raise ValueError(f"reshape: order must be 'C' or 'F', got {order!r}")


def resolve_shape(a: Any, shape: Any) -> tuple[int, ...]:
    """A shape in which one extent may be -1, for the elements of ``a``."""
    extents = canonical_shape(shape, "reshape", unknown=True)
    if extents.count(-1) > 1:
        raise TypeError(f"reshape: only one extent may be -1 (to be computed), got {extents}")
    if -1 in extents:
        known = -math.prod(extents)
        if known and a.size % known == 0:
            extents = tuple(a.size // known if n == -1 else n for n in extents)
    if -1 in extents or math.prod(extents) != a.size:
        raise TypeError(
            f"reshape: cannot reshape array of shape {tuple(a.shape)} (size {a.size}) into shape {extents}; the sizes "
            "must be equal (-1 stands for what is left)"
        )
    return extents


def ravel(a: Any, order: str = "C", *, out_sharding: Any = None) -> Any:
    """``a`` as one dimension."""
    return reshape(a, (-1,) if shape(a) and size(a) else (size(a),), order)


def transpose(a: Any, axes: Sequence[int] | None = None) -> Any:
    """``a`` with its axes permuted (reversed by default)."""
    a = as_array(a, "transpose")
    if axes is None:
        permutation = tuple(reversed(range(a.ndim)))
    else:
        permutation = normalize_axes(tuple(axes), a.ndim, "transpose")
        if len(permutation) != a.ndim:
            raise ShapeError(
                f"transpose: axes {tuple(axes)} are no permutation of {a.ndim} dimensions: each axis must stand there "
                "once"
            )
    return a if permutation == tuple(range(a.ndim)) else lax.transpose(a, permutation)


permute_dims = transpose


def matrix_transpose(x: Any, /) -> Any:
    """``x`` with its last two axes swapped."""
    x = as_array(x, "matrix_transpose")
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose needs at least two dimensions, got shape {tuple(x.shape)}")
    return swapaxes(x, -1, -2)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """``a`` with two axes exchanged."""
    a = as_array(a, "swapaxes")
    first, second = normalize_axis(axis1, a.ndim, "swapaxes"), normalize_axis(axis2, a.ndim, "swapaxes")
    order = list(range(a.ndim))
    order[first], order[second] = second, first
    return transpose(a, order)


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """``a`` with axes moved to new positions, the others in order."""
    a = as_array(a, "moveaxis")
    sources = normalize_axes(spread(source), a.ndim, "moveaxis")
    targets = normalize_axes(spread(destination), a.ndim, "moveaxis")
    if len(sources) != len(targets):
        raise ValueError(f"moveaxis: {len(sources)} source axes but {len(targets)} destinations; give as many")
    order = [d for d in range(a.ndim) if d not in sources]
    for target, source_axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, source_axis)
    return transpose(a, order)


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """``a`` with ``axis`` moved before ``start``."""
    n = ndim(a)
    axis = normalize_axis(axis, n, "rollaxis")
    start = start + n if start < 0 else start
    return moveaxis(a, axis, start - 1 if start > axis else start)


def expand_dims(a: Any, axis: int | Sequence[int] = 0) -> Any:
    """``a`` with new axes of extent 1 at the given positions of the result."""
    a = as_array(a, "expand_dims")
    items = spread(axis)
    axes = normalize_axes(items, a.ndim + len(items), "expand_dims")
    return lax.expand_dims(a, axes) if axes else a


def squeeze(a: Any, axis: Axis = None) -> Any:
    """``a`` without axes of extent 1 (all of them by default).

    Raises:
      ValueError: a chosen axis has another extent.
    """
    a = as_array(a, "squeeze")
    if axis is None:
        axes = tuple(d for d, extent in enumerate(a.shape) if extent == 1)
    else:
        axes = normalize_axes(axis, a.ndim, "squeeze")
        wrong = [d for d in axes if a.shape[d] != 1]
        if wrong:
            raise ValueError(
                f"squeeze: axis {wrong[0]} of an array of shape {tuple(a.shape)} has not extent 1; index it to drop it"
            )
    return lax.squeeze(a, axes) if axes else a


def broadcast_to(array: Any, shape: Any, *, out_sharding: Any = None) -> Any:
    """``array`` repeated to ``shape`` by NumPy's rule.

    Raises:
      ValueError: the shapes don't fit.
    """
    x, target = as_array(array, "broadcast_to"), canonical_shape(shape, "broadcast_to")
    have = tuple(x.shape)
    fits = len(have) <= len(target) and all(
        m in (n, 1) for m, n in zip(have, target[len(target) - len(have) :], strict=True)
    )
    if not fits:
        raise ValueError(
            f"broadcast_to: an array of shape {have} does not broadcast to {target}: extents must be equal or 1, "
            "counted from the last axis; insert axes with None"
        )
    return broadcast_to_shape(x, target)


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The common shape of several."""
    return lax.broadcast_shapes(*map(spread, shapes))


def broadcast_arrays(*args: Any) -> list[Any]:
    """The arguments at their common shape."""
    arrays = [as_array(x, "broadcast_arrays") for x in args]
    common = broadcast_shapes(*(x.shape for x in arrays))
    return [broadcast_to_shape(x, common) for x in arrays]


def _sequence(arrays: Any, name: str) -> list[Any]:
    if not (hasattr(arrays, "shape") and hasattr(arrays, "ndim")) and not isinstance(arrays, Sequence):
        raise TypeError(f"{name} needs a sequence of arrays, got {type(arrays).__name__}")
    items = list(arrays)
    if not items:
        raise ValueError(f"{name} needs at least one array, got an empty sequence")
    return items


def concatenate(arrays: Any, axis: int | None = 0, dtype: Any = None) -> Any:
    """The arrays joined along an existing axis (their flat elements if None)."""
    items = [as_array(x, "concatenate") for x in _sequence(arrays, "concatenate")]
    items = promote_dtypes("concatenate", *items) if dtype is None else [x.astype(dtype) for x in items]
    if axis is None:
        return lax.concatenate([ravel(x) for x in items], 0)
    if items[0].ndim == 0:
        raise ValueError("concatenate: scalars cannot be joined; use stack")
    axis = normalize_axis(axis, items[0].ndim, "concatenate")
    return items[0] if len(items) == 1 else lax.concatenate(items, axis)


concat = concatenate


def stack(arrays: Any, axis: int = 0, out: None = None, dtype: Any = None) -> Any:
    """Arrays of one shape joined along a new axis.

    Raises:
      ValueError: the shapes differ.
    """
    refuse_out("stack", out)
    items = [as_array(x, "stack") for x in _sequence(arrays, "stack")]
    if len({tuple(x.shape) for x in items}) > 1:
        raise ValueError(
            f"stack: all arrays must have one shape, got {', '.join(str(tuple(x.shape)) for x in items)}; use "
            "concatenate"
        )
    axis = normalize_axis(axis, items[0].ndim + 1, "stack")
    return concatenate([lax.expand_dims(x, (axis,)) for x in items], axis, dtype)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The pieces of ``x`` along an axis, without it."""
    x = as_array(x, "unstack")
    axis = normalize_axis(axis, x.ndim, "unstack")
    return tuple(lax.index_in_dim(x, n, axis, keepdims=False) for n in range(x.shape[axis]))


def atleast_1d(*arys: Any) -> Any:
    """Each argument with at least one dimension."""
    return _at_least("atleast_1d", arys, lambda x: reshape(x, (1,)) if x.ndim == 0 else x)


def atleast_2d(*arys: Any) -> Any:
    """Each argument with at least two dimensions, new ones leading."""
    return _at_least("atleast_2d", arys, lambda x: lax.expand_dims(x, tuple(range(2 - x.ndim))) if x.ndim < 2 else x)


def atleast_3d(*arys: Any) -> Any:
    """Each argument with at least three dimensions; a matrix gets a trailing one."""

    def raised(x: Any) -> Any:
        if x.ndim == 2:
            return lax.expand_dims(x, (2,))
        return lax.expand_dims(x, (0, 2)) if x.ndim == 1 else reshape(x, (1, 1, 1)) if x.ndim == 0 else x

    return _at_least("atleast_3d", arys, raised)


def _at_least(name: str, arys: Sequence[Any], raised: Any) -> Any:
    result = [raised(as_array(x, name)) for x in arys]
    return result[0] if len(result) == 1 else result


def vstack(tup: Any, dtype: Any = None) -> Any:
    """Rows on top of each other."""
    return concatenate([atleast_2d(x) for x in _sequence(tup, "vstack")], 0, dtype)


def hstack(tup: Any, dtype: Any = None) -> Any:
    """Arrays side by side: along axis 1, or 0 if they are vectors."""
    items = [atleast_1d(x) for x in _sequence(tup, "hstack")]
    return concatenate(items, 0 if items[0].ndim == 1 else 1, dtype)


def dstack(tup: Any, dtype: Any = None) -> Any:
    """Arrays behind each other, along axis 2."""
    return concatenate([atleast_3d(x) for x in _sequence(tup, "dstack")], 2, dtype)


def column_stack(tup: Any) -> Any:
    """Vectors as the columns of a matrix."""
    items = [as_array(x, "column_stack") for x in _sequence(tup, "column_stack")]
    return concatenate([x if x.ndim > 1 else reshape(x, (-1, 1)) for x in items], 1)


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Pieces along an axis: that many equal ones, or cut at the given indices.

    Raises:
      ValueError: no equal division.
    """
    return _split("split", ary, indices_or_sections, axis, equal=True)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """As ``split``, the first pieces one longer where the division is not equal."""
    return _split("array_split", ary, indices_or_sections, axis, equal=False)


def _split(name: str, ary: Any, indices_or_sections: Any, axis: int, equal: bool) -> list[Any]:
    x = as_array(ary, name)
    axis = normalize_axis(axis, x.ndim, name)
    extent = x.shape[axis]
    if hasattr(indices_or_sections, "__iter__") and getattr(indices_or_sections, "ndim", 1):
        clipped = [min(max(n + extent if n < 0 else n, 0), extent) for n in map(operator.index, indices_or_sections)]
        cuts = [0, *clipped, extent]
    else:
        sections = operator.index(indices_or_sections)
        if equal and extent % sections:
            raise ValueError(
                f"{name}: axis {axis} of extent {extent} has no division into {sections} equal pieces; use array_split"
            )
        length, longer = divmod(extent, sections)
        cuts = [0]
        for n in range(sections):
            cuts.append(cuts[-1] + length + (n < longer))
    return [lax.slice_in_dim(x, a, max(a, b), axis=axis) for a, b in itertools.pairwise(cuts)]


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``split`` along axis 1 (0 for vectors)."""
    return split(ary, indices_or_sections, 1 if ndim(ary) > 1 else 0)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``split`` along axis 0."""
    return split(ary, indices_or_sections, 0)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """``split`` along axis 2."""
    return split(ary, indices_or_sections, 2)


def flip(m: Any, axis: Axis = None) -> Any:
    """``m`` reversed along axes (all by default)."""
    m = as_array(m, "flip")
    return lax.rev(m, normalize_axes(axis, m.ndim, "flip"))


def fliplr(m: Any) -> Any:
    """``m`` reversed along axis 1."""
    return flip(m, 1)


def flipud(m: Any) -> Any:
    """``m`` reversed along axis 0."""
    return flip(m, 0)


@repeated()
def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """``m`` turned by 90 degrees ``k`` times, from the first towards the second axis."""
    m = as_array(m, "rot90")
    first, second = normalize_axes(axes, m.ndim, "rot90")
    k = operator.index(k) % 4
    if k == 2:
        return flip(m, (first, second))
    if k == 1:
        return swapaxes(flip(m, second), first, second)
    return flip(swapaxes(m, first, second), second) if k == 3 else m


def roll(a: Any, shift: Any, axis: Axis = None) -> Any:
    """``a`` with elements moved round along axes (of the flat array if None).

    Args:
      shift: how far, an integer or several, which may be traced; one of ``shift`` and ``axis`` serves all of the other.

    Raises:
      TypeError: a shift is no integer.
      ValueError: there are several shifts and several axes, and not equally many.

    >>> import cotan.numpy as cnp
    >>> cnp.roll(cnp.arange(5), 2).tolist()
    [3, 4, 0, 1, 2]
    """
    a = as_array(a, "roll")
    if axis is None:
        return reshape(roll(ravel(a), shift, 0), a.shape)
    axes = spread(axis)
    shifts = spread(shift)
    if len(shifts) != len(axes) and 1 not in (len(shifts), len(axes)):
        raise ValueError(f"roll: there are {len(shifts)} shifts and {len(axes)} axes; give one of either, or as many")
    count = max(len(shifts), len(axes)) if shifts and axes else 0
    for n in range(count):
        one = normalize_axis(axes[n % len(axes)], a.ndim, "roll")
        a = _roll_along(a, shifts[n % len(shifts)], one)
    return a


def _roll_along(a: Any, amount: Any, axis: int) -> Any:
    extent = a.shape[axis]
    if extent == 0:
        return a
    if isinstance(amount, Tracer):
        if not np.issubdtype(amount.dtype, np.integer):
            raise TypeError(f"roll: a shift must be an integer, got {amount.dtype}")
        if amount.dtype.itemsize < 4:  # in which the extent may not fit
            amount = lax.convert_element_type(amount, np.int32)
        twice = lax.concatenate([a, a], axis)
        return lax.dynamic_slice_in_dim(twice, extent - amount % extent, extent, axis)
    offset = operator.index(amount) % extent
    if offset == 0:
        return a
    tail = lax.slice_in_dim(a, extent - offset, extent, axis=axis)
    return lax.concatenate([tail, lax.slice_in_dim(a, 0, extent - offset, axis=axis)], axis)


def tile(A: Any, reps: Any) -> Any:
    """``A`` repeated as a whole along each axis."""
    A = as_array(A, "tile")
    counts = canonical_shape(reps, "tile")
    rank = max(A.ndim, len(counts))
    counts = (1,) * (rank - len(counts)) + counts
    extents = (1,) * (rank - A.ndim) + tuple(A.shape)
    spread = tuple(n for pair in zip(counts, extents, strict=True) for n in pair)
    wide = lax.broadcast_in_dim(lax.reshape(A, extents), spread, tuple(range(1, 2 * rank, 2)))
    return lax.reshape(wide, tuple(c * n for c, n in zip(counts, extents, strict=True)))


def repeat(
    a: Any, repeats: Any, axis: int | None = None, *, total_repeat_length: int | None = None, out_sharding: Any = None
) -> Any:
    """Each element of ``a`` repeated along an axis (of the flat array if None).

    Args:
      repeats: an integer, or one per element.
      total_repeat_length: the extent of the result; it is cut, or filled with the last element. Must be given where
        ``repeats`` is traced.
      out_sharding: accepted, and without meaning on one device.

    Raises:
      ConcretizationTypeError: ``repeats`` is traced, and ``total_repeat_length`` not given.
      TypeError: ``repeats`` are not integers. ValueError: they are not one for each element.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.jit(lambda n: cnp.repeat(cnp.array([5, 6, 7]), n, total_repeat_length=6))(cnp.array([2, 0, 3]))
    Array([5, 5, 7, 7, 7, 7], dtype=int32)
    """
    a = as_array(a, "repeat")
    if axis is None:
        a, axis = ravel(a), 0
    axis = normalize_axis(axis, a.ndim, "repeat")
    if isinstance(repeats, int | np.integer) and total_repeat_length is None:
        count = operator.index(repeats)
        wide_shape = (*a.shape[: axis + 1], count, *a.shape[axis + 1 :])
        wide = lax.broadcast_in_dim(a, wide_shape, tuple(d for d in range(a.ndim + 1) if d != axis + 1))
        return lax.reshape(wide, (*a.shape[:axis], a.shape[axis] * count, *a.shape[axis + 1 :]))
    if isinstance(repeats, Tracer) and repeats.concrete() is None:
        picked = _traced_places(repeats, a.shape[axis], total_repeat_length)
    else:
        picked = _known_places(repeats, a.shape[axis], total_repeat_length)
    return a[(slice(None),) * axis + (picked,)]


def _known_places(repeats: Any, extent: int, length: int | None) -> np.ndarray[Any, Any]:
    """Which element stands at each place of the result of ``repeat``."""
    counts = np.asarray(repeats).reshape(-1)
    if counts.size not in (1, extent):
        raise _wrong_number(counts.size, extent)
    picked = np.repeat(np.arange(extent), np.broadcast_to(counts, (extent,)))
    if length is not None:
        missing = max(length - len(picked), 0)
        picked = np.concatenate([picked, np.full(missing, extent - 1)])[:length]
    return picked.astype(np.int32)


def _wrong_number(found: int, extent: int) -> ValueError:
    return ValueError(f"{place_of()}: repeat: {found} repeats for {extent} elements; give one for each, or one for all")


def _traced_places(repeats: Any, extent: int, length: int | None) -> Any:
    """As ``_known_places``: one more than the number of later elements that have begun before."""
    if length is None:
        raise ConcretizationTypeError(
            "repeat: the extent of the result depends on the values of repeats, which are traced; pass "
            "total_repeat_length"
        )
    if not dtypes.issubdtype(repeats.dtype, np.integer) and repeats.dtype != np.bool_:
        raise TypeError(f"{place_of()}: repeat: repeats must be integers, got {repeats.dtype}")
    counts = lax.convert_element_type(ravel(repeats), np.int32)  # sums of narrower ones would wrap around
    if counts.size not in (1, extent):
        raise _wrong_number(counts.size, extent)
    counts = broadcast_to_shape(counts, (extent,))
    begins = lax.cumsum(counts) - counts
    begun = lax.full((operator.index(length),), 0, np.int32).at[begins].add(1)
    return lax.cumsum(begun) - 1


def pad_with_zeros(x: Any, widths: Sequence[tuple[int, int]]) -> Any:
    """``x`` with zeros before and after each axis."""
    return lax.pad(x, np.asarray(0, x.dtype), [(before, after, 0) for before, after in widths])


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """``values`` joined to the end of ``arr``."""
    return concatenate([ravel(arr), ravel(values)] if axis is None else [arr, values], 0 if axis is None else axis)


def astype(x: Any, dtype: Any, /, *, copy: bool = False, device: Any = None) -> Any:
    """``x`` converted to ``dtype``."""
    x = as_array(x, "astype")
    target = dtypes.default_float() if dtype is None else dtypes.check_user_dtype(dtype, "astype")
    to_real = target != np.bool_ and not dtypes.issubdtype(target, np.complexfloating)
    if to_real and dtypes.issubdtype(x.dtype, np.complexfloating):
        x = lax.real(x)
    return lax.convert_element_type(x, target)


@repeated()
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal over two axes, as the last axis of the result."""
    a = as_array(a, "diagonal")
    if a.ndim < 2:
        raise ValueError(f"diagonal needs at least two dimensions, got shape {tuple(a.shape)}")
    a = moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = a.shape[-2:]
    length = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    places = np.arange(length, dtype=np.int32)
    return a[..., places - min(offset, 0), places + max(offset, 0)]


@repeated()
def diag(v: Any, k: int = 0) -> Any:
    """A matrix with the vector ``v`` on diagonal ``k``, or that diagonal of a matrix."""
    v = as_array(v, "diag")
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"diag needs a vector or a matrix, got shape {tuple(v.shape)}")
    n = v.shape[0] + abs(k)
    side = lax.pad(v, lax.full_like(v, 0, shape=()), [(max(0, k), max(0, -k), 0)])
    rows, columns = lax.broadcasted_iota(np.int32, (n, n), 0), lax.broadcasted_iota(np.int32, (n, n), 1)
    on_diagonal = lax.eq(lax.add(rows, np.int32(k)), columns)
    return where_(on_diagonal, lax.broadcast_in_dim(side, (n, n), (1,)), 0)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Any:
    """The sum over a diagonal."""
    refuse_out("trace", out)
    return reductions.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)
