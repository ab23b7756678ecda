"""Indexing: ``x[index]`` with NumPy's meanings, and the writes of ``x.at[index]`` (``index_update``).

Known integers and slices become static slices, single traced integers a dynamic slice, and index arrays a gather or
scatter. Reading out of bounds clamps, writing there does nothing, unless a mode says otherwise.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from cotan import dtypes, errors
from cotan.api.repeated import repeated
from cotan.ir.avals import get_aval, is_array_like, shaped
from cotan.ir.trace import Tracer
from cotan.numpy.index_expression import (
    Array,
    Entry,
    Flag,
    Layout,
    Range,
    Scalar,
    Shape,
    is_identity,
    layout,
    parse,
)
from cotan.primitives import arithmetic, scatter
from cotan.primitives.gather import GatherDimensionNumbers, gather
from cotan.primitives.operands import PYTHON_SCALARS
from cotan.primitives.random_bits import random_unwrap, random_wrap
from cotan.primitives.scatter import ScatterDimensionNumbers
from cotan.primitives.shape import concatenate, expand_dims, reshape, rev, squeeze, squeeze_p
from cotan.primitives.slice import as_indices, dynamic_slice, dynamic_update_slice, slice_p, wrap_negative
from cotan.primitives.windows import GatherScatterMode
from cotan.runtime import array as runtime
from cotan.structural import broadcast_in_dim, convert_element_type
from cotan.tracebacks import trim

CLIP, FILL_OR_DROP = GatherScatterMode.CLIP, GatherScatterMode.FILL_OR_DROP
PROMISE, ONE_HOT = GatherScatterMode.PROMISE_IN_BOUNDS, GatherScatterMode.ONE_HOT
_SLICE, _ARRAY, _KEYS = builtins.slice, runtime.Array, dtypes.KeyType  # of this module's names, which are read faster


def getitem(x: Any, index: Any) -> Any:
    """``x[index]``, for an Array or tracer ``x``.

    Index arrays out of bounds are clamped (negative indices count from the end first).

    Raises:
      TypeError, IndexError: see ``index_expression.parse``; also an element of an axis of extent 0.

    >>> import cotan.numpy as cnp
    >>> cnp.arange(5)[1:4:2]
    Array([1, 3], dtype=int32)
    """
    try:
        key = _key(index)
        if key is None:
            return _at_arrays(x, index)
        if type(x) is _ARRAY and type(x.aval.dtype) is _KEYS:
            return _of_keys(x, x.aval, key)
        return _plan(x.shape, key)(x)
    except Exception as error:
        trim(error)
        raise


@repeated(masks=False)
def _at_arrays(x: Any, index: Any) -> Any:
    return read(x, parse(x.shape, index), PROMISE)


# ---- Reading --------------------------------------------------------------------------------------------------------


def read(
    x: Any, entries: list[Entry], mode: GatherScatterMode, *, fill_value: Any = None, wrap: bool = True, **flags: bool
) -> Any:
    """The elements of ``x`` that the entries name."""
    shape = x.shape
    out = layout(entries)
    clamps = mode in (PROMISE, CLIP)
    named = [e for e in entries if isinstance(e, Scalar | Array)]
    if 0 in out.shape and any(shape[e.axis] == 0 for e in named):
        return reshape(x, out.shape)  # nothing of nothing
    for entry in named:
        if shape[entry.axis] == 0:
            raise IndexError(
                f"{errors.where()}: index is out of bounds for axis {entry.axis} with size 0, which has no elements"
            )
    scalars = [e for e in named if isinstance(e, Scalar)]
    inside = all(0 <= _wrapped(e.value, shape[e.axis], wrap) < shape[e.axis] for e in scalars)
    arrays = [e for e in named if isinstance(e, Array)]
    flat = not out.common and not any(isinstance(e, Flag) for e in entries)
    if not inside:  # known integers that lie outside are for the mode to deal with, and for who looks for such
        entries = [_as_array(e) if isinstance(e, Scalar) else e for e in entries]
        arrays = [e for e in entries if isinstance(e, Array)]
    if (clamps or inside) and (flat and (clamps or not arrays)):
        return _slices(shape, entries, wrap)(x)
    return _read_arrays(x, entries, arrays, out, mode, fill_value, wrap, flags)


def _wrapped(value: int, extent: int, wrap: bool) -> int:
    return value + extent if wrap and value < 0 else value


def _as_array(entry: Scalar) -> Array:
    """A known integer as an index array of rank 0."""
    return Array(entry.axis, _int32(entry.value))


def _int32(value: int) -> np.ndarray:
    """``value`` as an int32, or the nearest one: far outside is outside."""
    info = np.iinfo(np.int32)
    return np.asarray(min(max(value, info.min), info.max), np.int32)


@dataclass(frozen=True)
class _Cut:
    """Static slices of an array that keep all axes: bounds for ``slice`` (None: all of it), and axes to reverse."""

    bounds: dict[str, Shape | None] | None
    backwards: Shape

    def __call__(self, x: Any) -> Any:
        if self.bounds is not None:
            x = slice_p.bind(x, **self.bounds)
        return rev(x, self.backwards) if self.backwards else x


def _cut(shape: Shape, entries: Sequence[Entry], wrap: bool) -> _Cut:
    """What ranges and known integers (clamped) cut out."""
    starts, limits, steps, backwards = [0] * len(shape), list(shape), [1] * len(shape), []
    for entry in entries:
        if isinstance(entry, Scalar):
            extent = shape[entry.axis]
            place = min(max(_wrapped(entry.value, extent, wrap), 0), extent - 1)
            starts[entry.axis], limits[entry.axis] = place, place + 1
        elif isinstance(entry, Range):
            first, last = entry.start, entry.start + (entry.count - 1) * entry.step
            if entry.count == 0:
                first, last = 0, -1
            elif entry.step < 0:
                first, last = last, first
                if entry.count > 1:
                    backwards.append(entry.axis)
            starts[entry.axis], limits[entry.axis] = first, last + 1
            steps[entry.axis] = abs(entry.step) if entry.count > 1 else 1
    strides = None if all(step == 1 for step in steps) else tuple(steps)
    whole = strides is None and not any(starts) and limits == list(shape)
    bounds = {"start_indices": tuple(starts), "limit_indices": tuple(limits), "strides": strides}
    return _Cut(None if whole else bounds, tuple(backwards))


# An index of nothing but known integers, slices, ellipses and new axes has a plan that is remembered. Slices cannot be
# hashed before Python 3.12, so a key names their bounds.


def _key(index: Any) -> tuple[Any, ...] | None:
    """The index as a hashable key of ``_plan``, or None if it holds anything else."""
    key: list[Any] = []
    for item in index if type(index) is tuple else (index,):
        kind = type(item)
        if kind is _SLICE:
            # One bound after the other, as in a loop, which would take longer than all else here.
            first, last, step = item.start, item.stop, item.step
            if first is not None and type(first) is not int:
                return None
            if last is not None and type(last) is not int:
                return None
            if step is not None and type(step) is not int:
                return None
            key.append((first, last, step))
        elif kind is int or item is None or item is Ellipsis:
            key.append(item)
        else:
            return None
    return tuple(key)


@lru_cache(maxsize=8192)
def _plan(shape: Shape, key: tuple[Any, ...]) -> Callable[[Any], Any]:
    """How to read what ``key`` names of an array of ``shape``."""
    entries = parse(shape, tuple(builtins.slice(*item) if type(item) is tuple else item for item in key))
    return partial(read, entries=entries, mode=PROMISE) if _is_hard(shape, entries) else _slices(shape, entries, True)


def _of_keys(x: Any, aval: Any, key: tuple[Any, ...]) -> Any:
    """Some of an array of keys, by their words: operations on keys themselves take several times as long."""
    _plan(aval.shape, key)  # which refuses what is no index of the keys
    words = _plan(aval.shape + aval.dtype.trailing, (*key, (None, None, None)))(random_unwrap(x))
    return random_wrap(words, impl=aval.dtype.impl)


def _is_hard(shape: Shape, entries: Sequence[Entry]) -> bool:
    """Whether an element that is not there is asked for."""
    return any(isinstance(e, Scalar) and not -shape[e.axis] <= e.value < shape[e.axis] for e in entries)


def _slices(shape: Shape, entries: Sequence[Entry], wrap: bool) -> Callable[[Any], Any]:
    """How to read entries that are no index arrays, but for traced scalars: slices."""
    cut = _cut(shape, entries, wrap)
    new = layout(entries).new
    gone = tuple(sorted(e.axis for e in entries if isinstance(e, Scalar | Array)))
    moving = {e.axis: e.value for e in entries if isinstance(e, Array)}
    if not moving and not gone and not new:
        return cut
    bounds = cut.bounds
    if bounds is not None and not cut.backwards and not moving and not new:
        return lambda x: squeeze_p.bind(slice_p.bind(x, **bounds), dimensions=gone)

    def run(x: Any) -> Any:
        x = cut(x)
        if moving:
            sizes = tuple(1 if axis in moving else n for axis, n in enumerate(x.shape))
            x = dynamic_slice(x, [_start(moving[k], wrap) if k in moving else 0 for k in range(x.ndim)], sizes)
        if gone:
            x = squeeze_p.bind(x, dimensions=gone)
        return expand_dims(x, new) if new else x

    return run


def _start(index: Any, wrap: bool) -> Any:
    """A start for ``dynamic_slice``, which counts negative ones from the end unless they are unsigned."""
    if wrap or dtypes.issubdtype(get_aval(index).dtype, np.unsignedinteger):
        return index
    return arithmetic.max(index, get_aval(index).dtype.type(0))


def _read_arrays(
    x: Any,
    entries: Sequence[Entry],
    arrays: Sequence[Array],
    out: Layout,
    mode: GatherScatterMode,
    fill_value: Any,
    wrap: bool,
    flags: dict[str, bool],
) -> Any:
    x = _cut(x.shape, entries, wrap)(x)
    dropped = tuple(e.axis for e in entries if isinstance(e, Scalar | Array))
    axes = tuple(e.axis for e in arrays)
    places = tuple(range(len(out.common)))
    indices = _stack([(_index_array(e, x.shape[e.axis], wrap), places) for e in arrays], out.common)
    kept = out.kept
    numbers = GatherDimensionNumbers(
        offset_dims=tuple(place for place, axis in enumerate(kept) if isinstance(axis, Range)),
        collapsed_slice_dims=tuple(sorted(dropped)),
        start_index_map=axes,
    )
    sizes = tuple(1 if axis in dropped else n for axis, n in enumerate(x.shape))
    fill = {} if mode in (PROMISE, CLIP) else {"fill_value": fill_value}
    x = gather(x, indices, numbers, sizes, mode=mode, **fill, **flags)
    return expand_dims(x, out.new) if out.new else x


def _index_array(entry: Array, extent: int, wrap: bool) -> Any:
    """The entry's indices with the negative ones wrapped: a NumPy array if known, else at least 32 bits wide."""
    index = entry.value
    if isinstance(index, np.ndarray):
        if wrap and index.dtype.kind == "i":
            index = np.where(index < 0, index.astype(np.int64) + extent, index)
        wide = dtypes.canonicalize_dtype(np.int64)
        info = np.iinfo(wide)
        within = np.clip(index, max(info.min, np.iinfo(index.dtype).min), min(info.max, np.iinfo(index.dtype).max))
        return within.astype(wide if extent > np.iinfo(np.int32).max else _int32_or(within))
    index = as_indices(index)
    return wrap_negative(index, extent) if wrap else index


def _int32_or(index: np.ndarray) -> Any:
    """int32 if it holds the values, else their own dtype."""
    info = np.iinfo(np.int32)
    fits = index.size == 0 or (index.min() >= info.min and index.max() <= info.max)
    return np.dtype(np.int32) if fits else index.dtype


def _stack(components: Sequence[tuple[Any, Sequence[int]]], shape: Shape) -> Any:
    """Pairs (index array, places of its last axes in ``shape``) as one array ``shape + (components,)``."""
    if all(isinstance(index, np.ndarray) for index, _ in components):
        known = [_spread_known(index, shape, places) for index, places in components]
        return np.stack(known, axis=-1) if known else np.zeros((*shape, 0), np.int32)
    dtype: Any = None
    for index, _ in components:
        own = get_aval(index).dtype
        dtype = own if dtype is None else dtypes.promote_types(dtype, own)
    columns = []
    for index, places in components:
        if isinstance(index, np.ndarray):
            columns.append(_spread_known(index.astype(dtype), shape, places)[..., None])
            continue
        index = index if get_aval(index).dtype == dtype else convert_element_type(index, dtype)
        have = len(get_aval(index).shape)
        columns.append(broadcast_in_dim(index, (*shape, 1), tuple(places[len(places) - have :])))
    return concatenate(columns, len(shape))


def _spread_known(index: np.ndarray, shape: Shape, places: Sequence[int]) -> np.ndarray:
    wide = [1] * len(shape)
    for place, n in zip(places[len(places) - index.ndim :], index.shape, strict=True):
        wide[place] = n
    return np.broadcast_to(index.reshape(wide), shape)


# ---- Writing --------------------------------------------------------------------------------------------------------


def write(
    x: Any,
    entries: list[Entry],
    values: Any,
    operation: Callable[..., Any],
    mode: GatherScatterMode,
    *,
    wrap: bool = True,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
) -> Any:
    """``x`` with ``values`` written to, or combined with, the elements that the entries name.

    They are combined in their common dtype; the result has that of ``x``.
    """
    if isinstance(values, list | tuple):
        from cotan.numpy.creation import asarray

        values = asarray(values)
    aval = get_aval(x)
    common = _common_dtype(aval.dtype, values)
    if common != aval.dtype and operation is not scatter.scatter:
        flags = {"unique_indices": unique_indices, "indices_are_sorted": indices_are_sorted}
        found = write(convert_element_type(x, common), entries, values, operation, mode, wrap=wrap, **flags)
        return convert_element_type(found, aval.dtype, weak_type=aval.weak_type)
    shape = x.shape
    out = layout(entries)
    values = _updates(x, values, out)
    named = [e for e in entries if isinstance(e, Scalar | Array)]
    if 0 in out.shape or any(shape[e.axis] == 0 for e in named):
        return x
    if operation is scatter.scatter and (simple := _simple_starts(entries, shape, wrap)) is not None:
        axes = [e for e in entries if isinstance(e, Range | Scalar)]
        window = tuple(e.count if isinstance(e, Range) else 1 for e in axes)
        ranges = [place for place, e in enumerate(axes) if isinstance(e, Range)]
        return dynamic_update_slice(x, _spread(values, window, ranges), simple)
    masks = {e.mask for e in named if isinstance(e, Array) and e.shape}
    if not masks or (len(masks) == 1 and None not in masks):  # one window, or the places of one mask
        unique_indices = True
    indices, numbers = _scatter_plan(entries, shape, out, wrap)
    kept = tuple(n for place, n in enumerate(out.shape) if place not in out.new)
    flags = {"unique_indices": unique_indices, "indices_are_sorted": indices_are_sorted}
    return operation(x, indices, _spread(values, kept, range(len(kept))), numbers, mode=mode, **flags)


def _updates(x: Any, values: Any, out: Layout) -> Any:
    """The values in the operand's dtype, without new axes; they broadcast to the rest of the result's shape."""
    dtype = get_aval(x).dtype
    if not (isinstance(values, Tracer) or is_array_like(values)):
        values = np.asarray(values)
    if type(values) in PYTHON_SCALARS and isinstance(dtype, np.dtype):
        # A float meets integers by the conversion below, which saturates; NumPy's wraps around.
        fits_kind = type(values) in (bool, int) or not dtypes.issubdtype(dtype, np.integer)
        values = dtypes.coerce_scalar(values, ".at[]", dtype if fits_kind else None)
    aval = get_aval(values)
    if aval.dtype != dtype:
        values = convert_element_type(values, dtype)
    have = tuple(aval.shape)
    try:
        fits = tuple(np.broadcast_shapes(have, out.shape)) == out.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{errors.where()}: an update of shape {have} does not broadcast to the indexed part of the array, "
            f"which has shape {out.shape}; reshape it, or index so that the shapes agree"
        )
    missing = len(out.shape) - len(have)
    drop = [place - missing for place in out.new if place >= missing]
    if drop:
        values = squeeze(values, drop)
    return values


def _spread(values: Any, shape: Shape, places: Sequence[int]) -> Any:
    """``values`` broadcast to ``shape``: its last axes go with the last of ``places``."""
    have = tuple(get_aval(values).shape)
    return values if have == shape else broadcast_in_dim(values, shape, tuple(places[len(places) - len(have) :]))


def _common_dtype(dtype: Any, values: Any) -> Any:
    """The dtype in which values meet elements of ``dtype``; with a warning where the result loses kind or width."""
    source = get_aval(values if isinstance(values, Tracer) or is_array_like(values) else np.asarray(values)).dtype
    if source == dtype:
        return dtype
    if not (isinstance(dtype, np.dtype) and isinstance(source, np.dtype)):
        raise TypeError(
            f"{errors.where()}: cannot write {dtypes.short_name(source)} to an array of {dtypes.short_name(dtype)}; "
            "convert one of them with .astype"
        )
    common, _ = dtypes.lattice_result_type(shaped((), dtype), values)
    if common != dtype:
        errors.warn(
            f"an update of dtype {source} does not fit into an array of dtype {dtype}, to which the result is cast; "
            "convert it explicitly with .astype",
            FutureWarning,
        )
    return common


def _simple_starts(entries: Sequence[Entry], shape: Shape, wrap: bool) -> list[int] | None:
    """Where the written window begins, if it is one window that is known to be inside."""
    starts = []
    for entry in entries:
        if isinstance(entry, Array | Flag):
            return None
        if isinstance(entry, Range):
            if entry.step != 1 and entry.count > 1:
                return None
            starts.append(entry.start)
        elif isinstance(entry, Scalar):
            place = _wrapped(entry.value, shape[entry.axis], wrap)
            if not 0 <= place < shape[entry.axis]:
                return None
            starts.append(place)
    return starts


def _scatter_plan(
    entries: Sequence[Entry], shape: Shape, out: Layout, wrap: bool
) -> tuple[Any, ScatterDimensionNumbers]:
    """Index vectors and dimension numbers. Slices with steps are index arrays of an axis of their own."""
    kept = out.kept
    strided = [axis for axis in kept if isinstance(axis, Range) and axis.step != 1]
    window = tuple(p for p, axis in enumerate(kept) if isinstance(axis, Range) and axis.step == 1)
    batch = [axis for axis in kept if not (isinstance(axis, Range) and axis.step == 1)]
    batch_shape = tuple(axis.count if isinstance(axis, Range) else out.common[axis[1]] for axis in batch)
    array_places = [p for p, axis in enumerate(batch) if not isinstance(axis, Range)]
    components: list[tuple[int, Any, Sequence[int]]] = []
    for entry in entries:
        if isinstance(entry, Array):
            components.append((entry.axis, _index_array(entry, shape[entry.axis], wrap), array_places))
        elif isinstance(entry, Scalar):
            place = _int32(_wrapped(entry.value, shape[entry.axis], wrap))
            components.append((entry.axis, place, array_places))
        elif isinstance(entry, Range) and entry.step != 1:
            steps = np.arange(entry.count, dtype=np.int32) * np.int32(entry.step) + np.int32(entry.start)
            components.append((entry.axis, steps, [batch.index(entry)]))
        elif isinstance(entry, Range) and not is_identity(entry, shape):
            components.append((entry.axis, np.asarray(entry.start, np.int32), array_places))
    inserted = sorted(e.axis for e in entries if isinstance(e, Scalar | Array) or e in strided)
    numbers = ScatterDimensionNumbers(
        update_window_dims=window,
        inserted_window_dims=tuple(inserted),
        scatter_dims_to_operand_dims=tuple(axis for axis, _, _ in components),
    )
    return _stack([(index, places) for _, index, places in components], batch_shape), numbers
