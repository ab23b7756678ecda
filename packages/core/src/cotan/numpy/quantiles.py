"""Quantiles and medians, with NaNs passed on or left out."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes, lax
from cotan.numpy import manipulation, reductions, selection, ufuncs
from cotan.numpy.promotion import Axis, as_array, normalize_axes, promote_dtypes_inexact

_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


class _Rows(NamedTuple):
    """What quantiles are taken of: sorted rows (kept axes..., elements), and q; and the dtype of the result."""

    sorted: Any
    q: Any
    dtype: Any
    axes: tuple[int, ...]
    kept: int


def _rows(name: str, a: Any, q: Any, axis: Axis, method: str) -> _Rows:
    if method not in _METHODS:
        raise ValueError(f"{name}: unknown method {method!r}; there are {', '.join(_METHODS)}")
    dtype = dtypes.to_inexact_dtype(as_array(a, name).dtype)
    a, q = (as_array(x, name) for x in promote_dtypes_inexact(name, a, q))
    axes = normalize_axes(axis, a.ndim, name)
    kept = [d for d in range(a.ndim) if d not in axes]
    shape = (*(a.shape[d] for d in kept), math.prod(a.shape[d] for d in axes))
    rows = selection.sort(lax.reshape(manipulation.transpose(a, [*kept, *axes]), shape))
    return _Rows(rows, q, dtype, axes, len(kept))


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
) -> Any:
    """Quantiles along axes; method 'linear', 'lower', 'higher', 'midpoint' or 'nearest'. NaN where an element is.

    >>> import cotan.numpy as cnp
    >>> cnp.quantile(cnp.array([3.0, 1.0, 2.0]), 0.25)
    Array(1.5, dtype=float32)
    """
    rows = _rows("quantile", a, q, axis, method)
    count = rows.sorted.shape[-1]
    position = lax.mul(rows.q, count - 1)
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
    return _finish(
        rows, selection.where(reductions.any(ufuncs.isnan(rows.sorted), axis=-1), math.nan, result), keepdims
    )


def percentile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    out_sharding: Any = None,
) -> Any:
    """``quantile`` of q / 100."""
    return quantile(a, ufuncs.true_divide(q, 100), axis, out, overwrite_input, method, keepdims)


def median(a: Any, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The middle value along axes (the mean of the two middle ones)."""
    return quantile(a, 0.5, axis=axis, keepdims=keepdims, method="midpoint")


def nanquantile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """As ``quantile``, with NaNs left out; NaN where all elements are."""
    rows = _rows("nanquantile", a, q, axis, method)
    count = reductions.sum(ufuncs.logical_not(ufuncs.isnan(rows.sorted)), axis=-1)
    last = ufuncs.maximum(count - 1, 0).astype(rows.q.dtype)
    position = rows.q.reshape((*rows.q.shape, *(1,) * rows.kept)) * last
    low, high = ufuncs.floor(position), ufuncs.ceil(position)
    wide = manipulation.broadcast_to(rows.sorted, tuple(rows.q.shape) + tuple(rows.sorted.shape))
    lower, upper = (
        selection.take_along_axis(wide, place.astype(np.int32)[..., None], axis=-1, mode="clip")[..., 0]
        for place in (low, high)
    )
    return _finish(rows, _between(method, lower, upper, position - low), keepdims)


def nanpercentile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Any:
    """``nanquantile`` of q / 100."""
    return nanquantile(a, ufuncs.true_divide(q, 100), axis, out, overwrite_input, method, keepdims)


def nanmedian(
    a: Any, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    """As ``median``, with NaNs left out."""
    return nanquantile(a, 0.5, axis=axis, keepdims=keepdims, method="midpoint")
