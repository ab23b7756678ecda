"""Arrays with elements put in, taken out, replaced or partly sorted."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.errors import ConcretizationTypeError
from cotan.errors import where as place_of
from cotan.ir.trace import Tracer
from cotan.numpy import creation, manipulation, reductions, searching, selection, ufuncs
from cotan.numpy.promotion import as_array, canonical_shape, normalize_axis, promote_dtypes, refuse_out, spread


def _known(x: Any, name: str, what: str, hint: str = "Only values can be traced") -> np.ndarray:
    """``x`` as a NumPy array; it decides the shape of the result."""
    value = x.concrete() if isinstance(x, Tracer) else x
    if value is None:
        raise ConcretizationTypeError(
            f"{place_of()}: {name}: {what} decides the shape of the result and must be known while the function is "
            f"traced, but it is traced ({x.aval.short()}). {hint}."
        )
    return np.asarray(value)


def delete(arr: Any, obj: Any, axis: int | None = None, *, assume_unique_indices: bool = False) -> Any:
    """``arr`` without the elements (or slices along ``axis``) that ``obj`` names.

    Args:
      obj: an index, indices, a mask or a slice. A single index may be traced, and indices if they are distinct.
      assume_unique_indices: whether the indices are promised to be distinct, so that they may be traced.

    Raises:
      IndexError: a known index is out of range. ConcretizationTypeError: how many are deleted is not known.

    >>> import cotan.numpy as cnp
    >>> cnp.delete(cnp.arange(5), cnp.array([1, 3]))
    Array([0, 2, 4], dtype=int32)
    """
    x = as_array(arr, "delete")
    if axis is None:
        x, axis = manipulation.ravel(x), 0
    axis = normalize_axis(axis, x.ndim, "delete")
    extent = x.shape[axis]
    traced = isinstance(obj, Tracer) and obj.concrete() is None
    if traced and obj.dtype != np.bool_ and (obj.ndim == 0 or assume_unique_indices):
        return _without_traced(x, obj, axis)
    if isinstance(obj, slice):
        gone = np.arange(extent)[obj]
    else:
        index = _known(obj, "delete", "which elements are deleted", "Indices may be traced with assume_unique_indices")
        if index.dtype == np.bool_:
            if index.shape != (extent,):
                raise ValueError(
                    f"{place_of()}: delete: a mask of shape {index.shape} for an axis of extent {extent}; give one "
                    "value for each element"
                )
            gone = np.flatnonzero(index)
        else:
            _check_whole(index, "delete")
            gone = index.astype(np.int64).ravel()
            if gone.size and not (-extent <= gone.min() and gone.max() < extent):
                raise IndexError(f"{place_of()}: delete: an index is out of range for an axis of extent {extent}")
    kept = np.delete(np.arange(extent, dtype=np.int32), gone)
    return x[(slice(None),) * axis + (kept,)]


def _check_whole(index: Any, name: str) -> None:
    if index.size and not (index.dtype == np.bool_ or dtypes.issubdtype(index.dtype, np.integer)):
        raise ValueError(
            f"{place_of()}: {name}: indices must be integers or bools, got {index.dtype}; use .astype(int)"
        )


def _without_traced(x: Any, index: Any, axis: int) -> Any:
    """``x`` without distinct traced indices: each result's place is its own, plus the deleted ones before it."""
    extent = x.shape[axis]
    gone = lax.sort(manipulation.ravel(selection.counted_from_start(index, extent)))
    left = lax.iota(gone.dtype, max(extent - gone.shape[0], 0))
    before = gone - lax.iota(gone.dtype, gone.shape[0])
    places = left + searching.searchsorted(before, left, side="right").astype(gone.dtype)
    return selection.take(x, places, axis=axis, mode="clip")


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """``arr`` with ``values`` put in before the elements (or slices along ``axis``) that ``obj`` names.

    Args:
      obj: an index, indices (which may be traced), a mask or a slice.

    Raises:
      IndexError: a known index is out of range.

    >>> import cotan.numpy as cnp
    >>> cnp.insert(cnp.arange(4), 2, 9)
    Array([0, 1, 9, 2, 3], dtype=int32)
    >>> cnp.insert(cnp.zeros((2, 2)), 1, cnp.ones(2), axis=1)
    Array([[0., 1., 0.],
           [0., 1., 0.]], dtype=float32)
    """
    x, news = as_array(arr, "insert"), as_array(values, "insert")
    if axis is None:
        x, axis = manipulation.ravel(x), 0
    axis = normalize_axis(axis, x.ndim, "insert")
    extent = x.shape[axis]
    news = news.astype(x.dtype)
    if isinstance(obj, slice):
        obj = np.arange(extent)[obj]
    if isinstance(obj, list | tuple):
        obj = np.asarray(obj) if len(obj) else np.zeros(0, np.int64)
    index = as_array(obj, "insert")
    _check_whole(index, "insert")
    if index.dtype == np.bool_:
        index = as_array(np.flatnonzero(_known(index, "insert", "the mask of places")), "insert")
    scalar = index.ndim == 0
    index = manipulation.ravel(index)
    known = index.concrete() if isinstance(index, Tracer) else index
    if known is not None and index.size:
        least, most = int(np.asarray(known).min()), int(np.asarray(known).max())
        if least < -extent or most > extent:
            raise IndexError(
                f"{place_of()}: insert: index {least if least < -extent else most} is out of range for an axis of "
                f"extent {extent}"
            )
    index = ufuncs.where_(lax.lt(index, 0), index + extent, index)
    shape = [*x.shape]
    if scalar:
        # As in NumPy, a single place takes all of the values; their first axis, after new ones, goes along `axis`.
        news = lax.expand_dims(news, tuple(range(x.ndim - news.ndim))) if news.ndim < x.ndim else news
        news = manipulation.moveaxis(news, 0, axis)
        shape[axis] = news.shape[axis]
        index = manipulation.broadcast_to(index, (shape[axis],))
    else:
        shape[axis] = _common(index.shape[0], news, axis, x.ndim)
        index = manipulation.broadcast_to(index, (shape[axis],))
    news = manipulation.broadcast_to(news, tuple(shape))
    # Sorted by place, the new elements before the old ones of that place.
    count = shape[axis]
    old = lax.iota(index.dtype, extent)
    keys = lax.concatenate([index, old], 0)
    _, order = lax.sort((keys, lax.iota(dtypes.default_int(), count + extent)), dimension=0, num_keys=1, is_stable=True)
    return selection.take(lax.concatenate([news, x], axis), order, axis=axis, mode="clip")


def _common(places: int, news: Any, axis: int, rank: int) -> int:
    """How many slices are put in: as many as places, or as values where there is one place."""
    along = news.shape[axis - rank] if news.ndim >= rank - axis else 1
    return along if places == 1 else places


def resize(a: Any, new_shape: Any) -> Any:
    """The elements of ``a`` in another shape, repeated or cut as needed.

    >>> import cotan.numpy as cnp
    >>> cnp.resize(cnp.array([1, 2, 3]), (2, 2))
    Array([[1, 2],
           [3, 1]], dtype=int32)
    """
    shape = canonical_shape(new_shape, "resize")
    flat, size = manipulation.ravel(as_array(a, "resize")), math.prod(shape)
    if flat.shape[0] == 0 or size == 0:
        return lax.full(shape, 0, flat.dtype)
    return lax.reshape(manipulation.tile(flat, -(-size // flat.shape[0]))[:size], shape)


def _in_place(name: str, inplace: bool) -> None:
    if inplace:
        raise ValueError(
            f"{place_of()}: {name}: arrays are immutable; write x = cotan.numpy.{name}(x, ..., inplace=False)"
        )


def put(a: Any, ind: Any, v: Any, mode: str | None = None, *, inplace: bool = True) -> Any:
    """``a`` with the elements of the flat array that ``ind`` names replaced by ``v``, which is repeated as needed.

    Args:
      mode: 'clip' or 'wrap' indices, or None: negative ones count from the end, and those out of bounds are clipped.
      inplace: must be False: the result is a new array.

    Raises:
      ValueError: ``inplace`` is not False, or an unknown mode.

    >>> import cotan.numpy as cnp
    >>> cnp.put(cnp.zeros(4), cnp.array([0, 2]), 1.0, inplace=False)
    Array([1., 0., 1., 0.], dtype=float32)
    """
    _in_place("put", inplace)
    if mode not in (None, "clip", "wrap"):
        raise ValueError(f"{place_of()}: put: mode {mode!r} is none of None, 'clip', 'wrap'")
    x, index, values = (as_array(y, "put") for y in (a, ind, v))
    index, values = manipulation.ravel(index), manipulation.ravel(values)
    if dtypes.issubdtype(index.dtype, np.integer):
        index = index.astype(dtypes.default_int())  # narrower ones might not hold the bounds
    if not x.size or not index.size or not values.size:
        return x
    if mode == "wrap":
        index = ufuncs.remainder(index, x.size)
    else:
        index = ufuncs.clip(index, 0 if mode == "clip" else -x.size, x.size - 1)
    new = resize(values, index.shape).astype(x.dtype)
    return lax.reshape(manipulation.ravel(x).at[index].set(new), x.shape)


def place(arr: Any, mask: Any, vals: Any, *, inplace: bool = True) -> Any:
    """``arr`` with the elements where ``mask`` holds replaced by those of ``vals`` in turn.

    Raises:
      ValueError: ``inplace`` is not False, the sizes differ, or there are no values.

    >>> import cotan.numpy as cnp
    >>> cnp.place(cnp.zeros(4), cnp.array([True, False, True, True]), cnp.array([1.0, 2.0]), inplace=False)
    Array([1., 0., 2., 1.], dtype=float32)
    """
    _in_place("place", inplace)
    x, chosen, values = (as_array(y, "place") for y in (arr, mask, vals))
    if x.size != chosen.size:
        raise ValueError(
            f"{place_of()}: place: a mask of {chosen.size} elements for an array of {x.size}; give as many"
        )
    if not values.size:
        raise ValueError(f"{place_of()}: place: there are no values to place; give at least one")
    flat, chosen = manipulation.ravel(x), manipulation.ravel(chosen).astype(np.bool_)
    turn = ufuncs.remainder(reductions.cumsum(chosen) - 1, values.size)
    new = selection.take(manipulation.ravel(values).astype(x.dtype), turn, mode="clip")
    return lax.reshape(ufuncs.where_(chosen, new, flat), x.shape)


def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    """``filt`` without zeros at its front and back; the values must be known.

    Args:
      trim: which ends: 'f', 'b' or 'fb'.
      axis: one axis, several, or None: all; slices that are all zeros are cut off.

    >>> import cotan.numpy as cnp
    >>> cnp.trim_zeros(cnp.array([0, 1, 0, 2, 0]))
    Array([1, 0, 2], dtype=int32)
    """
    x = as_array(filt, "trim_zeros")
    ends = str(trim).lower()
    if ends not in ("f", "b", "fb", "bf"):
        raise ValueError(f"{place_of()}: trim_zeros: trim must be 'f', 'b' or 'fb', got {trim!r}")
    nonzero = _known(x, "trim_zeros", "the array") != 0
    axes = range(x.ndim) if axis is None else [normalize_axis(one, x.ndim, "trim_zeros") for one in np.atleast_1d(axis)]
    index = [slice(None)] * x.ndim
    for one in axes:
        held = np.flatnonzero(nonzero.any(axis=tuple(d for d in range(x.ndim) if d != one)))
        low, high = (int(held[0]), int(held[-1]) + 1) if held.size else (x.shape[one], x.shape[one])
        index[one] = slice(low if "f" in ends else 0, high if "b" in ends or not held.size else x.shape[one])
        if not held.size:
            index[one] = slice(0, 0)
    return x[tuple(index)]


def _parts(a: Any, kth: Any, axis: int, name: str) -> tuple[Any, int]:
    x = as_array(a, name)
    axis = normalize_axis(axis, x.ndim, name)
    for position in map(operator.index, spread(kth)):
        if not -x.shape[axis] <= position < x.shape[axis]:
            raise ValueError(
                f"{place_of()}: {name}: kth={position} is out of range for an axis of extent {x.shape[axis]}"
            )
    return x, axis


def partition(a: Any, kth: int | Sequence[int], axis: int = -1) -> Any:
    """``a`` with element ``kth`` along ``axis`` where sorting would put it, smaller ones before, others after it.

    Several places may be asked for.

    Here all are sorted, which is one such order.

    >>> import cotan.numpy as cnp
    >>> cnp.partition(cnp.array([3, 1, 2]), 1)
    Array([1, 2, 3], dtype=int32)
    """
    x, axis = _parts(a, kth, axis, "partition")
    return selection.sort(x, axis)


def argpartition(a: Any, kth: int | Sequence[int], axis: int = -1) -> Any:
    """The indices that order ``a`` as ``partition`` does.

    >>> import cotan.numpy as cnp
    >>> cnp.argpartition(cnp.array([3, 1, 2]), 1)
    Array([1, 2, 0], dtype=int32)
    """
    x, axis = _parts(a, kth, axis, "argpartition")
    return selection.argsort(x, axis).astype(np.int32)


def sort_complex(a: Any) -> Any:
    """``a`` as complex numbers, sorted along its last axis by real parts, then by imaginary ones.

    >>> import cotan.numpy as cnp
    >>> cnp.sort_complex(cnp.array([2.0, 1.0]))
    Array([1.+0.j, 2.+0.j], dtype=complex64)
    """
    x = as_array(a, "sort_complex")
    return selection.sort(x.astype(dtypes.to_complex_dtype(x.dtype)))


def choose(a: Any, choices: Any, out: None = None, mode: str = "raise") -> Any:
    """From each of ``choices`` the element that the integers ``a`` name, with broadcasting.

    Args:
      mode: for integers out of range: 'wrap', 'clip', or 'raise' (for known values).

    Raises:
      ValueError: an integer is out of range, or an unknown mode.

    >>> import cotan.numpy as cnp
    >>> cnp.choose(cnp.array([0, 1, 0]), [cnp.array([1, 2, 3]), 10])
    Array([ 1, 10,  3], dtype=int32)
    """
    refuse_out("choose", out)
    index = as_array(a, "choose")
    if not dtypes.issubdtype(index.dtype, np.integer):
        raise ValueError(f"{place_of()}: choose: `a` must be integers, got {index.dtype}")
    options = promote_dtypes("choose", *(as_array(c, "choose") for c in choices))
    index, *options = manipulation.broadcast_arrays(index, *options)
    last = len(options) - 1
    if mode == "wrap":
        index = ufuncs.remainder(index, len(options))
    elif mode == "clip":
        index = ufuncs.clip(index, 0, last)
    elif mode == "raise":
        known = _known(index, "choose", "with mode='raise' the array of choices", "Give mode='clip' or 'wrap'")
        if known.size and (known.min() < 0 or known.max() > last):
            raise ValueError(f"{place_of()}: choose: a value is out of range for {last + 1} choices; use mode='clip'")
    else:
        raise ValueError(f"{place_of()}: choose: unknown mode {mode!r}; use 'raise', 'wrap' or 'clip'")
    chosen = selection.take_along_axis(manipulation.stack(options), index[None], axis=0)[0]
    return chosen.astype(chosen.dtype)  # an array of numbers is no number: its type is not weak


def apply_over_axes(func: Callable[[Any, int], Any], a: Any, axes: int | Sequence[int]) -> Any:
    """``func(x, axis)`` applied along each of ``axes`` in turn; a result that lost the axis gets it back.

    >>> import cotan.numpy as cnp
    >>> cnp.apply_over_axes(cnp.sum, cnp.ones((2, 3, 4)), [0, 2]).shape
    (1, 3, 1)
    """
    x = as_array(a, "apply_over_axes")
    for one in spread(axes):
        axis = normalize_axis(one, x.ndim, "apply_over_axes")
        result = as_array(func(x, axis), "apply_over_axes")
        if result.ndim == x.ndim - 1:
            result = lax.expand_dims(result, (axis,))
        if result.ndim != x.ndim:
            raise ValueError(
                f"{place_of()}: apply_over_axes: the function made an array of {result.ndim} dimensions from one of "
                f"{x.ndim}; it may keep the axis, or lose it"
            )
        x = result
    return x


def mask_indices(n: int, mask_func: Callable[..., Any], k: int = 0, *, size: int | None = None) -> tuple[Any, Any]:
    """The indices of an ``n`` by ``n`` matrix that ``mask_func(matrix, k)`` (such as ``triu``) leaves.

    >>> import cotan.numpy as cnp
    >>> cnp.mask_indices(2, cnp.triu)
    (Array([0, 0, 1], dtype=int32), Array([0, 1, 1], dtype=int32))
    """
    rows, columns = selection.nonzero(mask_func(creation.ones((n, n)), k), size=size)
    return rows, columns
