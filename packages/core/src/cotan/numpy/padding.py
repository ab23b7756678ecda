"""Borders around arrays: ``pad`` in all of NumPy's modes. Knows indices and statistics, no primitive but ``pad``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.api.repeated import repeated
from cotan.errors import where
from cotan.numpy import creation, functional, manipulation, quantiles, reductions, ufuncs
from cotan.numpy.promotion import as_array, normalize_axis

Pairs = list[tuple[Any, Any]]
_INDEXED = ("edge", "reflect", "symmetric", "wrap")


def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """``array`` with borders added.

    Args:
      pad_width: (before, after) per axis, or what broadcasts to it, or a dict by axis.
      mode: what the borders hold: 'constant' (``constant_values``), 'empty', 'edge', 'wrap', 'reflect' and 'symmetric'
        (``reflect_type``: 'even', or 'odd' for the edge twice less the reflection), 'linear_ramp' (to ``end_values``),
        'maximum', 'mean', 'median' and 'minimum' (of the ``stat_length`` elements next to the border); or a function
        ``(vector, (before, after), axis, kwargs) -> vector`` of vectors that are padded with zeros.

    Raises:
      ValueError: an unknown mode, a negative width, or a border that has nothing to be made of.
      TypeError: a keyword argument of another mode.

    >>> import cotan.numpy as cnp
    >>> cnp.pad(cnp.array([1, 2, 3]), (2, 1), "reflect", reflect_type="odd")
    Array([-1,  0,  1,  2,  3,  4], dtype=int32)
    >>> cnp.pad(cnp.array([1.0, 3.0]), 1, "mean")
    Array([2., 1., 3., 2.], dtype=float32)
    """
    x = as_array(array, "pad")
    pairs = _of_axes(pad_width, x.ndim, "pad_width")
    if any(width < 0 for pair in pairs for width in pair):
        raise ValueError(f"{where()}: pad: widths must not be negative, got {pairs}; cut with a slice")
    if callable(mode):
        return _by_function(x, pairs, mode, kwargs)
    if mode in ("constant", "empty"):
        values = kwargs.pop("constant_values", 0) if mode == "constant" else 0
        _no_more(mode, kwargs)
        return _constant(x, pairs, values)
    if mode == "linear_ramp":
        ends = _of_axes(kwargs.pop("end_values", 0), x.ndim, "end_values")
        make: Callable[..., Any] = lambda v, axis, pair: _ramps(v, axis, pair, ends[axis])  # noqa: E731
    elif mode in _STATISTICS:
        given = kwargs.pop("stat_length", None)
        lengths = [(None, None)] * x.ndim if given is None else _of_axes(given, x.ndim, "stat_length")
        make = lambda v, axis, pair: _statistics(v, axis, pair, lengths[axis], mode)  # noqa: E731
    elif mode in _INDEXED:
        kind = kwargs.pop("reflect_type", "even") if mode in ("reflect", "symmetric") else "even"
        if kind not in ("even", "odd"):
            raise ValueError(f"{where()}: pad: reflect_type must be 'even' or 'odd', got {kind!r}")
        make = lambda v, axis, pair: _odd(v, axis, pair, mode) if kind == "odd" else _taken(v, axis, pair, mode)  # noqa: E731
    else:
        raise ValueError(f"{where()}: pad: unknown mode {mode!r}; use one of {', '.join(_MODES)}, or a function")
    _no_more(mode, kwargs)
    for axis, pair in enumerate(pairs):
        if any(pair):
            if not x.shape[axis]:
                raise ValueError(
                    f"{where()}: pad: axis {axis} is empty, from which mode {mode!r} can make no border; use 'constant'"
                )
            x = make(x, axis, pair)
    return x


def _of_axes(given: Any, rank: int, name: str) -> Pairs:
    """One pair (before, after) for each axis."""
    if isinstance(given, dict):
        pairs: Pairs = [(0, 0)] * rank
        for axis, pair in given.items():
            pairs[normalize_axis(axis, rank, "pad")] = (pair, pair) if np.ndim(pair) == 0 else tuple(pair)
        return pairs
    values = np.asarray(given)
    if name != "end_values" and values.dtype.kind not in "iu":
        raise TypeError(f"{where()}: pad: {name} must be integers, got {given!r}")
    try:
        return [(before, after) for before, after in np.broadcast_to(values, (rank, 2)).tolist()]
    except ValueError:
        raise ValueError(
            f"{where()}: pad: {name} {given!r} does not fit {rank} axes; give one value, one pair, or a pair for each "
            "axis"
        ) from None


def _no_more(mode: str, kwargs: dict[str, Any]) -> None:
    if kwargs:
        raise TypeError(
            f"{where()}: pad: unexpected keyword arguments {', '.join(sorted(kwargs))}; mode {mode!r} does not take "
            "them"
        )


def _constant(x: Any, pairs: Pairs, values: Any) -> Any:
    values = creation.asarray(values).astype(x.dtype)
    if not values.ndim:
        return lax.pad(x, values, [(before, after, 0) for before, after in pairs])
    fills = manipulation.broadcast_to(values, (x.ndim, 2))
    for axis, pair in enumerate(pairs):
        for side, width in enumerate(pair):
            if width:
                config = [(0, 0, 0)] * x.ndim
                config[axis] = (0, width, 0) if side else (width, 0, 0)
                x = lax.pad(x, fills[axis, side], config)
    return x


@repeated()
def _taken(x: Any, axis: int, pair: tuple[int, int], mode: str) -> Any:
    """Borders of elements of the array itself."""
    extent = x.shape[axis]
    source = np.pad(np.arange(extent, dtype=np.int32), pair, mode=mode)  # type: ignore[call-overload]
    return x[(slice(None),) * axis + (source,)]


@repeated()
def _odd(x: Any, axis: int, pair: tuple[int, int], mode: str) -> Any:
    """Borders by reflection in the points at the edges.

    Such an extension rises by twice the difference of its edges in every two periods. Place ``q * period + r`` holds
    ``x[r] + q * rise`` for even q, and ``2 * x[0] - x[r reversed] + (q + 1) * rise`` for odd.
    """
    extent = x.shape[axis]
    period = extent - 1 if mode == "reflect" else extent
    if period == 0:
        return _taken(x, axis, pair, "edge")
    turns, rest = np.divmod(np.arange(-pair[0], extent + pair[1]), period)
    odd = turns % 2 == 1
    source = np.where(odd, extent - 1 - rest, rest).astype(np.int32)
    spread = tuple(-1 if d == axis else 1 for d in range(x.ndim))
    sign, times, twice = (
        np.reshape(v, spread).astype(x.dtype)
        for v in (np.where(odd, -1, 1), np.where(odd, turns + 1, turns), np.where(odd, 2, 0))
    )
    first, last = (lax.slice_in_dim(x, k, k + 1, axis=axis) for k in (0, extent - 1))
    return x[(slice(None),) * axis + (source,)] * sign + twice * first + times * (last - first)


def _ramps(x: Any, axis: int, pair: tuple[int, int], ends: tuple[Any, Any]) -> Any:
    """Borders that go evenly from the edges to given values."""
    extent = x.shape[axis]
    parts = [x]
    for width, end, place in ((pair[0], ends[0], 0), (pair[1], ends[1], extent - 1)):
        edge = lax.squeeze(lax.slice_in_dim(x, place, place + 1, axis=axis), (axis,))
        ramp = _ramp(end, edge, width, axis, x.dtype)
        parts = [ramp, *parts] if place == 0 and len(parts) == 1 else [*parts, manipulation.flip(ramp, axis)]
    return lax.concatenate(parts, axis)


def _ramp(end: Any, edge: Any, width: int, axis: int, dtype: Any) -> Any:
    """``width`` values from ``end`` towards ``edge``, which is not among them; integers are rounded down, exactly."""
    if not all(dtypes.issubdtype(kind, np.integer) for kind in (dtype, dtypes.dtype(end))):
        return creation.linspace(end, edge, width, endpoint=False, dtype=dtype, axis=axis)
    wide = dtypes.default_int()
    spread = tuple(-1 if d == axis else 1 for d in range(edge.ndim + 1))
    steps = np.reshape(np.arange(width, dtype=wide), spread)
    rise = manipulation.expand_dims(edge.astype(wide) - end, axis)
    return (end + ufuncs.floor_divide(steps * rise, max(width, 1))).astype(dtype)


def _statistics(x: Any, axis: int, pair: tuple[int, int], lengths: tuple[Any, Any], mode: str) -> Any:
    """Borders of one value each, made of the elements next to them."""
    extent = x.shape[axis]
    made = []
    for side, (width, length) in enumerate(zip(pair, lengths, strict=True)):
        count = extent if length is None else min(length, extent)
        if count < 1:
            raise ValueError(f"{where()}: pad: stat_length must be at least 1, got {length}")
        part = lax.slice_in_dim(x, extent - count if side else 0, extent if side else count, axis=axis)
        value = _STATISTICS[mode](part, axis=axis, keepdims=True)
        if dtypes.issubdtype(x.dtype, np.integer):
            value = ufuncs.round(value)
        shape = (*x.shape[:axis], width, *x.shape[axis + 1 :])
        made.append(manipulation.broadcast_to(value.astype(x.dtype), shape))
    return lax.concatenate([made[0], x, made[1]], axis)


def _by_function(x: Any, pairs: Pairs, function: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    x = lax.pad(x, np.asarray(0, x.dtype), [(before, after, 0) for before, after in pairs])
    for axis, pair in enumerate(pairs):
        x = functional.apply_along_axis(function, axis, x, pair, axis, kwargs)
    return x


_STATISTICS: dict[Any, Callable[..., Any]] = {
    "maximum": reductions.max,
    "mean": reductions.mean,
    "median": quantiles.median,
    "minimum": reductions.min,
}
_MODES = ("constant", "empty", *_INDEXED, "linear_ramp", *_STATISTICS)
