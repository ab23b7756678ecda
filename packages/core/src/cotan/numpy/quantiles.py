"""Quantiles and medians, with NaNs passed on or left out."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes, lax
from cotan.api.repeated import repeated
from cotan.numpy import manipulation, reductions, selection, ufuncs
from cotan.numpy.promotion import (
    Axis,
    as_array,
    broadcast_to_shape,
    check_arraylike,
    normalize_axes,
    promote_dtypes_inexact,
)

_METHODS = ("linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf")


class _Rows(NamedTuple):
    """What quantiles are taken of: sorted rows (kept axes..., elements), and q; and the dtype of the result."""

    sorted: Any
    weights: Any
    q: Any
    dtype: Any
    axes: tuple[int, ...]
    kept: int


def _rows(name: str, a: Any, q: Any, axis: Axis, method: str, weights: Any = None) -> _Rows:
    if method not in _METHODS:
        raise ValueError(f"{name}: unknown method {method!r}; there are {', '.join(_METHODS)}")
    if weights is not None and method != "inverted_cdf":
        raise NotImplementedError(f"{name}: method {method!r} has no weights; use method='inverted_cdf'")
    check_arraylike(name, a, q)
    dtype = dtypes.to_inexact_dtype(as_array(a, name).dtype)
    a, q = (as_array(x, name) for x in promote_dtypes_inexact(name, a, q))
    if ufuncs.is_complex(a):
        raise ValueError(f"{name} is not defined on complex numbers, which have no order; take .real or .imag")
    axes = normalize_axes(axis, a.ndim, name)
    kept = [d for d in range(a.ndim) if d not in axes]
    shape = (*(a.shape[d] for d in kept), math.prod(a.shape[d] for d in axes))

    def as_rows(x: Any) -> Any:
        return lax.reshape(manipulation.transpose(x, [*kept, *axes]), shape)

    if weights is None:
        return _Rows(selection.sort(as_rows(a)), None, q, dtype, axes, len(kept))
    weights = _spread_weights(name, weights, a.shape, axes)
    rows, weights = lax.sort((as_rows(a), as_rows(weights)), num_keys=1)
    return _Rows(rows, weights, q, dtype, axes, len(kept))


def _spread_weights(name: str, weights: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """The weights, floats of at least 32 bits, one for each element."""
    check_arraylike(name, weights)
    (w,) = (as_array(x, name) for x in promote_dtypes_inexact(name, weights))
    if ufuncs.is_complex(w):
        raise ValueError(f"{name}: weights must be real, got {w.dtype}")
    w = w.astype(dtypes.promote_types(w.dtype, np.float32))
    if tuple(w.shape) == tuple(shape):
        return w
    extents = tuple(shape[d] for d in axes)
    if tuple(w.shape) != extents:
        raise ValueError(
            f"{name}: weights of shape {tuple(w.shape)} for an array of shape {tuple(shape)}; give one for each "
            f"element, or for each along the axes {axes}: {extents}"
        )
    ordered = manipulation.transpose(w, sorted(range(len(axes)), key=axes.__getitem__))
    inserted = manipulation.expand_dims(ordered, [d for d in range(len(shape)) if d not in axes])
    return broadcast_to_shape(inserted, tuple(shape))


def _of_distribution(rows: _Rows, weights: Any) -> Any:
    """The least element up to which the weights reach q of their sum; NaN where they have no meaning as weights."""
    total = reductions.sum(weights, axis=-1, keepdims=True)
    reached = ufuncs.true_divide(reductions.cumsum(weights, axis=-1), total)
    q = lax.reshape(rows.q, (*rows.q.shape, *(1,) * (rows.kept + 1)))
    # Elements before the first one that has a weight are not part of the distribution.
    before = ufuncs.logical_or(ufuncs.less(reached, q), ufuncs.less_equal(reached, 0))
    index = ufuncs.minimum(reductions.sum(before, axis=-1, dtype=np.int32), weights.shape[-1] - 1)
    wide = manipulation.broadcast_to(rows.sorted, tuple(rows.q.shape) + tuple(rows.sorted.shape))
    value = selection.take_along_axis(wide, index[..., None], axis=-1, mode="clip")[..., 0]
    possible = ufuncs.logical_and(ufuncs.isfinite(total), ufuncs.greater(total, 0))[..., 0]
    possible = ufuncs.logical_and(possible, reductions.all(ufuncs.greater_equal(weights, 0), axis=-1))
    return selection.where(possible, value, math.nan)


def _position(method: str, q: Any, count: Any) -> Any:
    """Where among ``count`` sorted elements the quantiles lie."""
    if method == "inverted_cdf":
        return ufuncs.maximum(ufuncs.ceil(q * _like(count, q) - 1), 0)
    return q * _like(count - 1, q)


def _like(count: Any, q: Any) -> Any:
    return count if isinstance(count, int) else count.astype(q.dtype)


def _between(method: str, lower: Any, upper: Any, weight: Any) -> Any:
    """A value between two neighbours in order, ``weight`` of the way up."""
    if method == "linear":
        return ufuncs.add(ufuncs.multiply(lower, 1 - weight), ufuncs.multiply(upper, weight))
    if method == "midpoint":
        return (lower + upper) / 2
    if method == "nearest":
        return selection.where(ufuncs.less_equal(weight, 0.5), lower, upper)
    return lower if method == "lower" else upper


def _finish(rows: _Rows, result: Any, keepdims: bool) -> Any:
    result = lax.convert_element_type(result, rows.dtype)
    return manipulation.expand_dims(result, [rows.q.ndim + d for d in rows.axes]) if keepdims else result


def quantile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """Quantiles along axes; NaN where an element is.

    Args:
      method: between two elements, 'linear', 'lower', 'higher', 'midpoint' or 'nearest'; or 'inverted_cdf', the least
        element up to which the part q of all lies.
      weights: of each element, or of each along the axes; for 'inverted_cdf'. The result is NaN where one is negative,
        or their sum is 0 or not finite.
      overwrite_input: accepted, and without meaning.

    Raises:
      ValueError: the weights have another shape; an unknown method; ``out`` is given.
      NotImplementedError: weights, and another method.

    >>> import cotan.numpy as cnp
    >>> cnp.quantile(cnp.array([3.0, 1.0, 2.0]), 0.25)
    Array(1.5, dtype=float32)
    >>> x, weights = cnp.array([3.0, 1.0, 2.0]), cnp.array([1.0, 1.0, 4.0])
    >>> cnp.quantile(x, 0.25, weights=weights, method="inverted_cdf")
    Array(2., dtype=float32)
    """
    return _quantile("quantile", a, q, axis, out, method, keepdims, weights)


def _quantile(
    name: str, a: Any, q: Any, axis: Axis, out: None, method: str, keepdims: bool, weights: Any, nans: bool = True
) -> Any:
    """``nans``: whether they are elements as others are."""
    if out is not None:
        raise ValueError(f"{name}: arrays are immutable, so `out` is not supported; use the returned array")
    if weights is None:
        return (_of_elements if nans else _of_known_elements)(name, a, q, axis, method, keepdims)
    rows = _rows(name, a, q, axis, method, weights)
    missing = ufuncs.isnan(rows.sorted)
    if nans:
        value = selection.where(reductions.any(missing, axis=-1), math.nan, _of_distribution(rows, rows.weights))
    else:
        value = _of_distribution(rows, selection.where(missing, 0, rows.weights))
    return _finish(rows, value, keepdims)


@repeated()
def _of_elements(name: str, a: Any, q: Any, axis: Axis, method: str, keepdims: bool) -> Any:
    rows = _rows(name, a, q, axis, method)
    missing = reductions.any(ufuncs.isnan(rows.sorted), axis=-1)
    count = rows.sorted.shape[-1]
    position = _position(method, rows.q, count)
    low, high = ufuncs.floor(position), ufuncs.ceil(position)
    trailing = list(range(rows.kept, rows.kept + rows.q.ndim))
    lower, upper = (
        manipulation.moveaxis(
            selection.take(rows.sorted, ufuncs.clip(x, 0, count - 1).astype(np.int32), axis=-1, mode="clip"),
            trailing,
            list(range(rows.q.ndim)),
        )
        for x in (low, high)
    )
    weight = lax.reshape(lax.sub(position, low), (*rows.q.shape, *(1,) * rows.kept))
    result = _between(method, lower, upper, weight)
    return _finish(rows, selection.where(missing, math.nan, result), keepdims)


def percentile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
    out_sharding: Any = None,
) -> Any:
    """``quantile`` of q / 100."""
    return _quantile("percentile", a, ufuncs.true_divide(q, 100), axis, out, method, keepdims, weights)


def median(a: Any, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The middle value along axes (the mean of the two middle ones)."""
    return _quantile("median", a, 0.5, axis, out, "midpoint", keepdims, None)


def nanquantile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """As ``quantile``, with NaNs left out, and their weights; NaN where all elements are."""
    return _quantile("nanquantile", a, q, axis, out, method, keepdims, weights, nans=False)


@repeated()
def _of_known_elements(name: str, a: Any, q: Any, axis: Axis, method: str, keepdims: bool) -> Any:
    rows = _rows(name, a, q, axis, method)
    known = reductions.sum(ufuncs.logical_not(ufuncs.isnan(rows.sorted)), axis=-1)
    count = ufuncs.maximum(known, 1)
    position = _position(method, lax.reshape(rows.q, (*rows.q.shape, *(1,) * rows.kept)), count)
    low, high = ufuncs.floor(position), ufuncs.ceil(position)
    wide = manipulation.broadcast_to(rows.sorted, tuple(rows.q.shape) + tuple(rows.sorted.shape))
    lower, upper = (
        selection.take_along_axis(
            wide, ufuncs.clip(place, 0, _like(count - 1, place)).astype(np.int32)[..., None], axis=-1, mode="clip"
        )[..., 0]
        for place in (low, high)
    )
    # A row of NaNs alone gives a constant: no slope is that of its first element.
    result = selection.where(known > 0, _between(method, lower, upper, position - low), math.nan)
    return _finish(rows, result, keepdims)


def nanpercentile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """``nanquantile`` of q / 100."""
    return _quantile("nanpercentile", a, ufuncs.true_divide(q, 100), axis, out, method, keepdims, weights, nans=False)


def nanmedian(
    a: Any, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    """As ``median``, with NaNs left out."""
    return _quantile("nanmedian", a, 0.5, axis, out, "midpoint", keepdims, None, nans=False)
