"""Choosing, sorting, searching and comparing elements."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.api.repeated import repeated
from cotan.errors import ConcretizationTypeError, ShapeError
from cotan.errors import where as source_line
from cotan.ir.trace import Tracer
from cotan.numpy import manipulation, reductions, ufuncs
from cotan.numpy.promotion import (
    as_array,
    check_arraylike,
    normalize_axis,
    promote_args_inexact,
    promote_dtypes,
    promote_dtypes_inexact,
    promote_shapes,
    refuse_out,
    user_dtype,
)
from cotan.numpy.ufuncs import where_


def where(condition: Any, x: Any = None, y: Any = None, /, *, size: int | None = None, fill_value: Any = None) -> Any:
    """``x`` where the condition holds, else ``y``; with the condition alone the same as ``nonzero``.

    >>> import cotan.numpy as cnp
    >>> cnp.where(cnp.array([True, False]), cnp.ones(2), 0)
    Array([1., 0.], dtype=float32)
    """
    if x is None and y is None:
        return nonzero(condition, size=size, fill_value=fill_value)
    if x is None or y is None:
        raise ValueError("where: give both x and y, or neither")
    if size is not None or fill_value is not None:
        raise ValueError(
            "where: size and fill_value are of the places of a condition alone; leave them out, or x and y"
        )
    check_arraylike("where", condition, x, y)
    condition = as_array(condition, "where")
    if condition.dtype != np.bool_:
        condition = lax.ne(condition, 0)
    condition, x, y = promote_shapes("where", condition, *promote_dtypes("where", x, y))
    return lax.select_n(condition, y, x)


@repeated()
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """The element of the first choice whose condition holds, else ``default``."""
    if len(condlist) != len(choicelist) or len(condlist) == 0:
        raise ValueError(
            f"select: {len(condlist)} conditions for {len(choicelist)} choices; give one condition for each choice"
        )
    *choices, result = promote_dtypes("select", *choicelist, default)
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        result = where(condition, choice, result)
    return result


def _concrete(x: Any, name: str, hint: str) -> np.ndarray:
    if isinstance(x, Tracer) and x.concrete() is None:
        raise ConcretizationTypeError(
            f"{source_line()}: {name}: the shape of the result depends on the values of a traced array "
            f"({x.aval.short()}), which are not known while the function is traced. {hint}"
        )
    return np.asarray(x.concrete() if isinstance(x, Tracer) else x)


def nonzero(a: Any, *, size: int | None = None, fill_value: Any = None) -> tuple[Any, ...]:
    """The indices of the elements that are not 0, one array per axis.

    Args:
      size: the number of indices to return, needed under jit; the rest is cut off or filled with ``fill_value`` (0).

    Raises:
      ValueError: an array of no dimensions.
    """
    a = as_array(a, "nonzero")
    if not a.ndim:
        raise ValueError(
            f"{source_line()}: nonzero: an array of no dimensions has no axis to index; make it a vector by atleast_1d"
        )
    if size is None:
        # What is known stays so under a transformation, where operations on it would be recorded.
        known = _concrete(a, "nonzero", "Give the number of results by size=..., or use where(condition, x, y).")
        found = np.nonzero(known)
        return tuple(as_array(axis.astype(dtypes.default_int()), "nonzero") for axis in found)
    mask = manipulation.ravel(a if a.dtype == np.bool_ else lax.ne(a, 0))
    flat = argsort(lax.bitwise_not(mask), stable=True)
    flat = flat[:size] if size <= mask.size else manipulation.pad_with_zeros(flat, [(0, size - mask.size)])
    valid = lax.lt(lax.iota(np.int32, size), reductions.sum(mask, dtype=np.int32))
    places = unravel_index(flat, a.shape)
    fills = fill_value if isinstance(fill_value, tuple) else (0 if fill_value is None else fill_value,) * a.ndim
    return tuple(where(valid, place, fill) for place, fill in zip(places, fills, strict=True))


def flatnonzero(a: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """The indices of the elements of the flat array that are not 0."""
    if not isinstance(a, Tracer):
        a = np.asarray(as_array(a, "flatnonzero"))  # known, and stays so
    return nonzero(a.reshape(-1), size=size, fill_value=fill_value)[0]


def argwhere(a: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """The indices of the elements that are not 0, one row each."""
    if not manipulation.ndim(a):  # rows without an index, as many as there are such elements
        return argwhere(manipulation.atleast_1d(a), size=size, fill_value=fill_value)[:, :0]
    return manipulation.stack(nonzero(a, size=size, fill_value=fill_value), axis=1)


def extract(condition: Any, arr: Any, *, size: int | None = None, fill_value: Any = 0) -> Any:
    """The elements of ``arr`` where the condition, of the same shape, holds.

    Args:
      size: the number of elements to return, needed where the condition is traced; the rest is ``fill_value``.

    >>> import cotan.numpy as cnp
    >>> cnp.extract(cnp.array([True, False, True]), cnp.arange(3), size=3, fill_value=9)
    Array([0, 2, 9], dtype=int32)
    """
    return compress(
        manipulation.ravel(condition) if isinstance(condition, Tracer) else np.ravel(condition),
        arr,
        size=size,
        fill_value=fill_value,
    )


def compress(
    condition: Any,
    a: Any,
    axis: int | None = None,
    *,
    size: int | None = None,
    fill_value: Any = 0,
    out: None = None,
) -> Any:
    """Slices of ``a`` along an axis (elements of the flat array if None) where the condition, a vector, holds.

    Args:
      size: the number of slices to return, needed where the condition is traced; the rest is ``fill_value``.

    Raises:
      ValueError: the condition is no vector, or holds beyond the end of the array.

    >>> import cotan.numpy as cnp
    >>> cnp.compress(cnp.array([False, True]), cnp.arange(4).reshape(2, 2), axis=0)
    Array([[2, 3]], dtype=int32)
    """
    refuse_out("compress", out)
    a, condition = as_array(a, "compress"), as_array(condition, "compress")
    if condition.ndim != 1:
        raise ValueError(
            f"compress: the condition must be a vector, got shape {tuple(condition.shape)}; use extract for one of the "
            "array's shape"
        )
    if axis is None:
        a, axis = manipulation.ravel(a), 0
    axis = normalize_axis(axis, a.ndim, "compress")
    if size is None:
        places = np.flatnonzero(_concrete(condition, "compress", "Give the number of slices by size=..."))
        if places.size and places[-1] >= a.shape[axis]:
            raise ValueError(
                f"compress: the condition holds at index {places[-1]}, beyond the end of an axis of extent "
                f"{a.shape[axis]}"
            )
        return take(a, places, axis=axis)
    # Places beyond the array are filled.
    places = flatnonzero(condition, size=size, fill_value=a.shape[axis])
    return take(a, places, axis=axis, mode="fill", fill_value=fill_value)


def unravel_index(indices: Any, shape: int | Sequence[int], order: str = "C") -> tuple[Any, ...]:
    """Indices of the flat array as one index per axis; negative ones count from the end, others are clipped.

    Args:
      order: 'C': the last axis is the fastest; 'F': the first.

    Raises:
      ValueError: another order.

    >>> import cotan.numpy as cnp
    >>> row, column = cnp.unravel_index(5, (2, 3))
    >>> int(row), int(column)
    (1, 2)
    """
    if order not in ("C", "F"):
        raise ValueError(f"{source_line()}: unravel_index: order must be 'C' or 'F', got {order!r}")
    extents = (operator.index(shape),) if isinstance(shape, int | np.integer) else tuple(map(operator.index, shape))
    size = math.prod(extents)
    given = as_array(indices, "unravel_index")
    rest = _not_narrow(given)
    rest = ufuncs.clip(rest, None if ufuncs.is_unsigned(rest) else -size, size - 1)
    result = []
    for extent in reversed(extents) if order == "C" else extents:
        place = ufuncs.remainder(rest, extent)
        result.append(place if place.dtype == given.dtype else place.astype(given.dtype))
        rest = ufuncs.floor_divide(rest, extent)
    return tuple(reversed(result)) if order == "C" else tuple(result)


def ravel_multi_index(
    multi_index: Sequence[Any],
    dims: Sequence[int],
    mode: str | Sequence[str] = "raise",
    order: str = "C",
    *,
    dtype: Any = None,
) -> Any:
    """One index per axis as indices of the flat array.

    Args:
      mode: what to do with indices out of range: 'clip', 'wrap', 'ignore', or 'raise' (for known values); or one of
        these for each axis.
      order: 'C': the last axis is the fastest; 'F': the first.
      dtype: of the result; by default that of the indices.

    Raises:
      ValueError: an index out of range under 'raise', a dtype that does not hold all indices of the flat array, or an
        unknown mode or order.

    >>> import cotan.numpy as cnp
    >>> cnp.ravel_multi_index((cnp.array([1, 2]), cnp.array([3, 0])), (3, 4))
    Array([7, 8], dtype=int32)
    """
    if order not in ("C", "F"):
        raise ValueError(f"{source_line()}: ravel_multi_index: order must be 'C' or 'F', got {order!r}")
    if len(multi_index) != len(dims):
        raise ValueError(
            f"{source_line()}: ravel_multi_index: {len(multi_index)} arrays of indices for {len(dims)} axes; give one "
            "for each axis"
        )
    modes = [mode] * len(dims) if isinstance(mode, str) else list(mode)
    multi_index = [as_array(index, "ravel_multi_index") for index in multi_index]
    kept = dtypes.result_type(*multi_index) if dtype is None else np.dtype(dtype)
    if math.prod(dims) - 1 > np.iinfo(kept).max:
        raise ValueError(
            f"{source_line()}: ravel_multi_index: {kept} does not hold the indices of an array of shape {tuple(dims)}; "
            "give a wider `dtype`"
        )
    axes = list(zip(map(_not_narrow, multi_index), dims, modes, strict=True))
    flat: Any = 0
    for index, extent, mode in axes if order == "C" else reversed(axes):
        if mode == "clip":
            index = ufuncs.clip(index, 0, extent - 1)
        elif mode == "wrap":
            index = ufuncs.remainder(index, extent)
        elif mode == "raise":
            known = _concrete(index, "ravel_multi_index", "Use mode='clip' or 'wrap'.")
            if np.any((known < 0) | (known >= extent)):
                raise ValueError(
                    f"ravel_multi_index: an index is outside of an axis of extent {extent}; use mode 'clip' or 'wrap'"
                )
        elif mode != "ignore":
            raise ValueError(
                f"{source_line()}: ravel_multi_index: unknown mode {mode!r}; use 'raise', 'wrap', 'clip' or 'ignore'"
            )
        flat = ufuncs.add(ufuncs.multiply(flat, extent), index)
    return flat.astype(kept)


@repeated()
def take(
    a: Any,
    indices: Any,
    axis: int | None = None,
    out: None = None,
    mode: str | None = None,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    fill_value: Any = None,
) -> Any:
    """Elements of ``a`` along an axis (of the flat array if None).

    Args:
      mode: for indices out of bounds: 'fill' (default: NaN, the least int, True), 'clip' or 'wrap'. Negative ones
        count from the end, but for 'clip', where they are out of bounds.

    Raises:
      IndexError: something is taken of an axis without elements.
    """
    refuse_out("take", out)
    a, indices = as_array(a, "take"), as_array(indices, "take")
    if indices.dtype == np.bool_:
        indices = lax.convert_element_type(indices, np.int32)
    if not dtypes.issubdtype(indices.dtype, np.integer):
        raise TypeError(f"take: indices must be integers, got {indices.dtype}; convert them with .astype(int)")
    if axis is None:
        a, axis = manipulation.ravel(a), 0
    axis = normalize_axis(axis, a.ndim, "take")
    extent = a.shape[axis]
    if extent == 0:
        return _taken_of_nothing("take", a, axis, indices, (*a.shape[:axis], *indices.shape, *a.shape[axis + 1 :]))
    if mode == "wrap":
        indices = ufuncs.remainder(_not_narrow(indices), extent)
    elif mode in (None, "fill"):
        indices = counted_from_start(indices, extent)
    elif mode != "clip":
        raise ValueError(f"take: unknown mode {mode!r}; use 'fill', 'clip' or 'wrap'")
    rank = indices.ndim
    numbers = lax.GatherDimensionNumbers(
        offset_dims=(*range(axis), *range(axis + rank, a.ndim - 1 + rank)),
        collapsed_slice_dims=(axis,),
        start_index_map=(axis,),
    )
    sizes = tuple(1 if d == axis else n for d, n in enumerate(a.shape))
    gather_mode = lax.GatherScatterMode.CLIP if mode in ("clip", "wrap") else lax.GatherScatterMode.FILL_OR_DROP
    return lax.gather(
        a,
        lax.expand_dims(indices, (rank,)),
        numbers,
        sizes,
        unique_indices=unique_indices,
        indices_are_sorted=indices_are_sorted,
        mode=gather_mode,
        fill_value=fill_value,
    )


def _not_narrow(indices: Any) -> Any:
    """``indices`` in a dtype that holds the extents of axes."""
    return lax.convert_element_type(indices, np.int32) if np.dtype(indices.dtype).itemsize < 4 else indices


def counted_from_start(indices: Any, extent: int) -> Any:
    """Negative indices as those of the same elements from the start, in a dtype that holds the extent."""
    if ufuncs.is_unsigned(indices):
        return indices
    indices = _not_narrow(indices)
    return where_(lax.lt(indices, 0), lax.add(indices, extent), indices)


def _taken_of_nothing(name: str, a: Any, axis: int, indices: Any, shape: tuple[int, ...]) -> Any:
    """No elements, where none are asked for of an axis that has none."""
    if indices.size:
        raise IndexError(f"{source_line()}: {name}: nothing can be taken of axis {axis} of shape {tuple(a.shape)}")
    return lax.full(shape, 0, a.dtype)


@repeated()
def take_along_axis(
    arr: Any,
    indices: Any,
    axis: int | None = -1,
    mode: str | lax.GatherScatterMode | None = None,
    fill_value: Any = None,
    *,
    wrap_negative_indices: bool | None = None,
) -> Any:
    """Elements of ``arr`` picked along an axis by an index array of the same rank.

    Negative indices count from the end; with ``wrap_negative_indices=False`` they are out of bounds.

    Raises:
      IndexError: something is taken of an axis without elements.
    """
    arr, indices = as_array(arr, "take_along_axis"), as_array(indices, "take_along_axis")
    if not dtypes.issubdtype(indices.dtype, np.integer):
        raise TypeError(
            f"take_along_axis: indices must be integers, got {indices.dtype}; convert them with .astype(int)"
        )
    if axis is None:
        arr, axis = manipulation.ravel(arr), 0
    if arr.ndim != indices.ndim:
        raise ValueError(
            f"take_along_axis: indices of {indices.ndim} dimensions for an array of {arr.ndim}; they must have as many"
        )
    axis = normalize_axis(axis, arr.ndim, "take_along_axis")
    batch = tuple(d for d in range(arr.ndim) if d != axis)
    common = manipulation.broadcast_shapes(*(tuple(x.shape[d] for d in batch) for x in (arr, indices)))

    def widened(x: Any) -> Any:
        target = list(common)
        target.insert(axis, x.shape[axis])
        return manipulation.broadcast_to(x, tuple(target))

    arr, indices = widened(arr), widened(indices)
    if arr.shape[axis] == 0:
        return _taken_of_nothing("take_along_axis", arr, axis, indices, indices.shape)
    if wrap_negative_indices is not False:
        indices = counted_from_start(indices, arr.shape[axis])
    numbers = lax.GatherDimensionNumbers(
        offset_dims=(),
        collapsed_slice_dims=(axis,),
        start_index_map=(axis,),
        operand_batching_dims=batch,
        start_indices_batching_dims=batch,
    )
    return lax.gather(
        arr, lax.expand_dims(indices, (arr.ndim,)), numbers, (1,) * arr.ndim,
        mode=lax.GatherScatterMode.from_any(mode), fill_value=fill_value,
    )  # fmt: skip


def _one_algorithm(name: str, kind: Any, order: Any) -> None:
    """What NumPy's kinds promise, one stable algorithm keeps."""
    if kind not in (None, "quicksort", "mergesort", "heapsort", "stable"):
        raise TypeError(f"{name}: unknown kind {kind!r}; leave it out, or say stable=True or False")
    if order is not None:
        raise TypeError(f"{name}: there are no fields to order by; leave `order` out, or use lexsort with several keys")


def sort(
    a: Any,
    axis: int | None = -1,
    *,
    kind: str | None = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
) -> Any:
    """``a`` sorted along an axis (flat if None); NaNs last."""
    _one_algorithm("sort", kind, order)
    a = as_array(a, "sort")
    if axis is None:
        a, axis = manipulation.ravel(a), 0
    axis = normalize_axis(axis, a.ndim, "sort")
    result = lax.sort(a, dimension=axis, is_stable=stable)
    return lax.rev(result, (axis,)) if descending else result


@repeated()
def argsort(
    a: Any,
    axis: int | None = -1,
    *,
    kind: str | None = None,
    order: None = None,
    stable: bool = True,
    descending: bool = False,
    dtype: Any = None,
) -> Any:
    """The indices that sort ``a`` along an axis, of ``dtype`` (None: the default integer)."""
    _one_algorithm("argsort", kind, order)
    a = as_array(a, "argsort")
    if axis is None:
        a, axis = manipulation.ravel(a), 0
    axis = normalize_axis(axis, a.ndim, "argsort")
    # Sorting the reversed array and reversing the result keeps equal elements in order.
    source = lax.rev(a, (axis,)) if descending else a
    places = lax.broadcasted_iota(user_dtype(dtype, "argsort") or dtypes.default_int(), a.shape, axis)
    if descending:
        places = lax.rev(places, (axis,))
    _, result = lax.sort((source, places), dimension=axis, num_keys=1, is_stable=stable)
    return lax.rev(result, (axis,)) if descending else result


def lexsort(keys: Sequence[Any], axis: int = -1) -> Any:
    """The indices that sort by the last key, then the one before, and so on."""
    arrays = [as_array(key, "lexsort") for key in keys]
    if not arrays:
        raise TypeError("lexsort needs at least one key, got an empty sequence")
    if arrays[0].ndim == 0:  # as in NumPy: there is one place to sort
        return lax.full((), 0, dtypes.default_int())
    axis = normalize_axis(axis, arrays[0].ndim, "lexsort")
    places = lax.broadcasted_iota(dtypes.default_int(), arrays[0].shape, axis)
    return lax.sort((*arrays[::-1], places), dimension=axis, num_keys=len(arrays), is_stable=True)[-1]


def bincount(
    x: Any, weights: Any = None, minlength: int = 0, *, length: int | None = None, out_sharding: Any = None
) -> Any:
    """How often each integer occurs (or the sum of the weights); ``length`` fixes the extent, needed under jit.

    Negative integers count as 0.
    """
    x = as_array(x, "bincount")
    if x.dtype == np.bool_:
        x = lax.convert_element_type(x, np.int32)
    if x.ndim != 1 or not dtypes.issubdtype(x.dtype, np.integer):
        wrong = TypeError if x.ndim == 1 else ShapeError
        raise wrong(f"bincount needs a vector of integers, got {x.dtype} of shape {tuple(x.shape)}")
    if length is None:
        known = _concrete(x, "bincount", "Give the number of bins by length=...")
        length = max(max(int(known.max()), 0) + 1 if known.size else 0, operator.index(minlength))
    if weights is None:
        weights = np.asarray(1, dtypes.default_int())
    weights = as_array(weights, "bincount")
    return lax.full((length,), 0, weights.dtype).at[ufuncs.maximum(x, 0)].add(weights, mode="drop")


@repeated()
def isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Whether |a - b| <= atol + rtol |b|, elementwise; keys are close if they are equal."""
    if any(dtypes.is_extended(getattr(x, "dtype", None)) for x in (a, b)):
        return ufuncs.equal(a, b)
    a, b = promote_args_inexact("isclose", a, b)
    near = ufuncs.less_equal(
        ufuncs.absolute(lax.sub(a, b)), ufuncs.add(atol, ufuncs.multiply(rtol, ufuncs.absolute(b)))
    )
    finite = ufuncs.logical_and(ufuncs.isfinite(a), ufuncs.isfinite(b))
    result = ufuncs.logical_or(ufuncs.logical_and(near, finite), lax.eq(a, b))
    return ufuncs.logical_or(result, ufuncs.logical_and(ufuncs.isnan(a), ufuncs.isnan(b))) if equal_nan else result


@repeated()
def allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    """Whether all elements are close."""
    return reductions.all(isclose(a, b, rtol, atol, equal_nan))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Whether shapes and all elements are equal."""
    a1, a2 = as_array(a1, "array_equal"), as_array(a2, "array_equal")
    if tuple(a1.shape) != tuple(a2.shape):
        return lax.full((), False)
    same = ufuncs.equal(a1, a2)
    if equal_nan:
        same = ufuncs.logical_or(same, ufuncs.logical_and(ufuncs.isnan(a1), ufuncs.isnan(a2)))
    return reductions.all(same)


def array_equiv(a1: Any, a2: Any) -> Any:
    """Whether the arrays broadcast to equal ones."""
    try:
        return reductions.all(ufuncs.equal(a1, a2))
    except TypeError:
        return lax.full((), False)


@repeated()
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """n-th differences of neighbours along an axis."""
    a = as_array(a, "diff")
    n = operator.index(n)
    if n < 0:
        raise ValueError(f"diff: the order must not be negative, got {n}")
    axis = normalize_axis(axis, a.ndim, "diff")
    pieces = [a]
    for extra, place in ((prepend, 0), (append, 1)):
        if extra is not None:
            extra = as_array(extra, "diff")
            if extra.ndim == 0:
                extra = lax.broadcast_in_dim(extra, tuple(1 if d == axis else m for d, m in enumerate(a.shape)), ())
            pieces.insert(place * len(pieces), extra)
    if len(pieces) > 1:
        a = manipulation.concatenate(pieces, axis)
    step = ufuncs.not_equal if a.dtype == np.bool_ else ufuncs.subtract
    for _ in range(min(n, a.shape[axis])):
        extent = a.shape[axis]
        a = step(
            lax.slice_in_dim(a, min(1, extent), extent, axis=axis),
            lax.slice_in_dim(a, 0, max(extent - 1, 0), axis=axis),
        )
    return a


@repeated(adds_up=True)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral of samples by the trapezoidal rule."""
    (y,) = promote_dtypes_inexact("trapezoid", y)
    y = manipulation.moveaxis(y, axis, -1)
    if x is None:
        width: Any = dx
    else:
        x = as_array(x, "trapezoid")
        width = diff(x if x.ndim == 1 else manipulation.moveaxis(x, axis, -1))
    return 0.5 * reductions.sum(width * (y[..., 1:] + y[..., :-1]), axis=-1)


@repeated()
def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """``x`` with NaN and infinities replaced (by 0 and the largest finite numbers)."""
    x = as_array(x, "nan_to_num")
    if not ufuncs.is_inexact(x):
        return x
    if ufuncs.is_complex(x):
        return lax.complex(
            nan_to_num(lax.real(x), copy, nan, posinf, neginf), nan_to_num(lax.imag(x), copy, nan, posinf, neginf)
        )
    info = dtypes.finfo(x.dtype)
    x = where(ufuncs.isnan(x), np.asarray(nan, x.dtype), x)
    x = where(ufuncs.isposinf(x), np.asarray(info.max if posinf is None else posinf, x.dtype), x)
    return where(ufuncs.isneginf(x), np.asarray(info.min if neginf is None else neginf, x.dtype), x)
