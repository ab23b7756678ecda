"""Searching among sorted values: where new ones belong, in which bin, and what lies between two."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.api.repeated import repeated
from cotan.errors import where as source_line
from cotan.numpy import manipulation, selection, ufuncs
from cotan.numpy.promotion import as_array, promote_dtypes, promote_dtypes_inexact
from cotan.numpy.ufuncs import where_

_SEARCHES = ("scan", "scan_unrolled", "sort", "compare_all")


@repeated()
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None, *, method: str = "scan") -> Any:
    """Where the elements of ``v`` would be inserted into the sorted vector ``a``.

    Args:
      method: 'scan', 'scan_unrolled', 'sort' or 'compare_all'; all are done in the same way.

    Raises:
      ValueError: ``a`` is not one-dimensional, or ``side`` is neither 'left' nor 'right', or an unknown method.
    """
    if method not in _SEARCHES:
        raise ValueError(f"searchsorted: unknown method {method!r}; there are {', '.join(_SEARCHES)}")
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    a, v = (as_array(x, "searchsorted") for x in promote_dtypes("searchsorted", a, v))
    if a.ndim != 1:
        raise ValueError(f"searchsorted: a must be one-dimensional, got shape {tuple(a.shape)}")
    if sorter is not None:
        a = selection.take(a, sorter)
    low = lax.full(v.shape, 0, np.int32)
    high = lax.full(v.shape, a.size, np.int32)
    go_right = lax.lt if side == "left" else lax.le
    for _ in range(int(a.size).bit_length()):
        middle = lax.shift_right_logical(lax.add(low, high), np.int32(1))
        value = selection.take(a, middle, mode="clip")
        # NaNs sort last: a NaN in v is above every number.
        above = go_right(value, v)
        if ufuncs.is_inexact(a):
            nan = ufuncs.isnan(v)
            above = lax.bitwise_or(
                above,
                lax.bitwise_and(
                    nan, ufuncs.logical_not(ufuncs.isnan(value)) if side == "left" else lax.full_like(nan, True)
                ),
            )
        above = lax.bitwise_and(above, lax.lt(low, high))
        low = where_(above, lax.add(middle, np.int32(1)), low)
        high = where_(above, high, middle)
    return low.astype(dtypes.default_int())


@repeated()
def digitize(x: Any, bins: Any, right: bool = False, *, method: str | None = None) -> Any:
    """The number of the bin in which each element falls; the bins are sorted, and ``method`` is as ``searchsorted``'s.

    >>> import cotan.numpy as cnp
    >>> cnp.digitize(cnp.array([0.5, 2.0, 3.5]), cnp.array([1.0, 2.0, 3.0]))
    Array([0, 2, 3], dtype=int32)
    """
    method = "scan" if method is None else method
    bins = as_array(bins, "digitize")
    if bins.ndim != 1:
        raise ValueError(f"digitize: bins must be one-dimensional, got shape {tuple(bins.shape)}")
    if bins.size == 0:
        return lax.full(manipulation.shape(x), 0, np.int32)
    side = "left" if right else "right"
    rising = searchsorted(bins, x, side, method=method)
    falling = ufuncs.subtract(bins.size, searchsorted(lax.rev(bins, (0,)), x, side, method=method))
    return selection.where(ufuncs.greater_equal(bins[-1], bins[0]), rising, falling).astype(np.int32)


@repeated()
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Piecewise linear interpolation of the points (xp, fp), xp rising, at x; ``fp`` may be complex.

    Args:
      left: what stands before the first point: a number, 'extrapolate', or None for the first value.
      right: what stands after the last point, in the same way.

    >>> import cotan.numpy as cnp
    >>> cnp.interp(0.5, cnp.array([0.0, 1.0]), cnp.array([2.0, 4.0j]))
    Array(1.+2.j, dtype=complex64)
    """
    x, xp = (as_array(v, "interp") for v in promote_dtypes_inexact("interp", x, xp))
    (fp,) = promote_dtypes_inexact("interp", as_array(fp, "interp"))
    if not ufuncs.is_complex(fp):
        x, xp, fp = (as_array(v, "interp") for v in promote_dtypes_inexact("interp", x, xp, fp))
    if xp.ndim != 1 or tuple(fp.shape) != tuple(xp.shape):
        raise ValueError(
            f"interp: xp and fp must be vectors of one length, got {tuple(xp.shape)} and {tuple(fp.shape)}"
        )
    if period is not None:
        period = ufuncs.absolute(period)
        x, xp = ufuncs.remainder(x, period), ufuncs.remainder(xp, period)
        xp, fp = lax.sort_key_val(xp, fp)
        xp = manipulation.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = manipulation.concatenate([fp[-1:], fp, fp[:1]])
    place = ufuncs.clip(searchsorted(xp, x, side="right"), 1, max(xp.size - 1, 1))
    x0, x1, f0, f1 = (
        selection.take(v, p, mode="clip") for v, p in ((xp, place - 1), (xp, place), (fp, place - 1), (fp, place))
    )
    width = x1 - x0
    flat = ufuncs.equal(width, 0)
    result = selection.where(flat, f0, f0 + (x - x0) / selection.where(flat, 1, width) * (f1 - f0))
    if period is None:
        result = _beyond("left", left, x < xp[0], fp[0], result)
        result = _beyond("right", right, x > xp[-1], fp[-1], result)
    return result


def _beyond(name: str, given: Any, outside: Any, nearest: Any, lines: Any) -> Any:
    """``lines``, which go on beyond the points, with the value that ``given`` stands for outside of them."""
    if isinstance(given, str):
        if given != "extrapolate":
            raise ValueError(f"{source_line()}: interp: {name} must be a number or 'extrapolate', got {given!r}")
        return lines
    return selection.where(outside, nearest if given is None else given, lines)
