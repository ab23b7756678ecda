"""Statistics of samples: the most frequent value, ranks, the standard error of the mean."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cotan import lax
from cotan import numpy as cnp
from cotan.api import vmap
from cotan.numpy.promotion import as_array, normalize_axis

_RANKS = ("average", "min", "max", "dense", "ordinal")


class ModeResult(NamedTuple):
    """The most frequent values, and how often they occur."""

    mode: Any
    count: Any


def _policy(fun_name: str, nan_policy: str, allowed: tuple[str, ...] = ("propagate",)) -> None:
    if nan_policy not in allowed:
        raise ValueError(f"{fun_name}: nan_policy must be {' or '.join(map(repr, allowed))}, got {nan_policy!r}")


def _counts(x: Any) -> tuple[Any, Any]:
    """A sorted vector and, for each element, how many equal ones end with it."""
    x = lax.sort(x)
    places = cnp.arange(x.shape[0])
    fresh = cnp.concatenate([cnp.ones(1, np.bool_), x[1:] != x[:-1]])
    return x, places - lax.cummax(cnp.where(fresh, places, 0)) + 1


def mode(a: Any, axis: int | None = 0, nan_policy: str = "propagate", keepdims: bool = False) -> ModeResult:
    """The most frequent value along ``axis`` (None: of all), the smallest of several, and how often it occurs.

    Raises:
      ValueError: another ``nan_policy`` than 'propagate'.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.stats import mode
    >>> mode(cnp.array([1, 2, 2]))
    ModeResult(mode=Array(2, dtype=int32), count=Array(2, dtype=int32))
    """
    _policy("mode", nan_policy)
    x = as_array(a, "mode")
    ndim = x.ndim
    if axis is None:
        x, axis = cnp.ravel(x), 0
    else:
        axis = normalize_axis(axis, ndim, "mode")
    lines = cnp.moveaxis(x, axis, -1)
    if not x.size:
        most = cnp.full(lines.shape[:-1], cnp.nan)
        found, count = most, cnp.zeros_like(most)
    else:
        flat = cnp.reshape(lines, (-1, lines.shape[-1]))
        values, counts = vmap(_counts)(flat)
        best = cnp.argmax(counts, -1)[:, None]
        found, count = (cnp.reshape(cnp.take_along_axis(v, best, -1), lines.shape[:-1]) for v in (values, counts))
    if keepdims:
        shape = tuple(1 if d == axis or x.ndim != ndim else n for d, n in enumerate(a.shape))
        found, count = cnp.reshape(found, shape), cnp.reshape(count, shape)
    return ModeResult(found, count)


def _ranks(x: Any, method: str) -> Any:
    order = cnp.argsort(x, stable=True)
    back = cnp.argsort(order, stable=True)
    if method == "ordinal":
        return back + 1
    ordered = x[order]
    fresh = cnp.concatenate([cnp.ones(1, np.bool_), ordered[1:] != ordered[:-1]])
    dense = cnp.cumsum(fresh)
    if method == "dense":
        return dense[back]
    places = cnp.arange(x.shape[0])
    lowest = lax.cummax(cnp.where(fresh, places, 0)) + 1
    last = cnp.concatenate([fresh[1:], cnp.ones(1, np.bool_)])
    highest = lax.cummin(cnp.where(last, places, x.shape[0]), reverse=True) + 1
    if method == "min":
        return lowest[back]
    if method == "max":
        return highest[back]
    return ((lowest + highest) / 2)[back]


def rankdata(a: Any, method: str = "average", *, axis: int | None = None, nan_policy: str = "propagate") -> Any:
    """Ranks from 1 on, as floats, along ``axis`` (None: of all).

    Args:
      method: the rank of equal ones: 'average', 'min', 'max'; 'dense' (as 'min', without gaps); 'ordinal' (all differ).

    Raises:
      ValueError: another method, or another ``nan_policy`` than 'propagate'.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.stats import rankdata
    >>> rankdata(cnp.array([3, 1, 1]))
    Array([3. , 1.5, 1.5], dtype=float32)
    """
    _policy("rankdata", nan_policy)
    if method not in _RANKS:
        raise ValueError(f"rankdata: method must be one of {', '.join(_RANKS)}; got {method!r}")
    x = as_array(a, "rankdata")
    if axis is None:
        x, axis = cnp.ravel(x), 0
    if not x.size:
        return cnp.asarray(x, cnp.result_type(float))
    lines = cnp.moveaxis(x, axis, -1)
    ranks = vmap(lambda line: _ranks(line, method))(cnp.reshape(lines, (-1, lines.shape[-1])))
    out = cnp.asarray(ranks, cnp.result_type(float))
    if cnp.issubdtype(x.dtype, np.inexact):
        out = cnp.where(cnp.any(cnp.isnan(cnp.reshape(lines, out.shape)), -1, keepdims=True), cnp.nan, out)
    return cnp.moveaxis(cnp.reshape(out, lines.shape), -1, axis)


def sem(a: Any, axis: int | None = 0, ddof: int = 1, nan_policy: str = "propagate", *, keepdims: bool = False) -> Any:
    """The standard error of the mean: the standard deviation over the root of the number of samples.

    Args:
      ddof: subtracted from the number of samples in the deviation.
      nan_policy: 'propagate', or 'omit': NaNs do not count.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.stats import sem
    >>> sem(cnp.array([1.0, 3.0]))
    Array(1., dtype=float32)
    """
    _policy("sem", nan_policy, ("propagate", "omit"))
    x = as_array(a, "sem")
    if axis is None and keepdims:
        return cnp.reshape(sem(x, None, ddof, nan_policy), (1,) * x.ndim)
    if axis is None:
        x, axis = cnp.ravel(x), 0
    if nan_policy == "omit":
        count = cnp.sum(~cnp.isnan(x), axis, keepdims=keepdims)
        deviation = cnp.nanstd(x, axis, ddof=ddof, keepdims=keepdims)
        return deviation / cnp.sqrt(count.astype(deviation.dtype))
    deviation = cnp.std(x, axis, ddof=ddof, keepdims=keepdims)
    return deviation / cnp.sqrt(cnp.asarray(x.shape[axis], deviation.dtype))
