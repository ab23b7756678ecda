"""How a gamma number moves with its shape parameter at a fixed probability: dx/da = -(dP(a, x)/da) / p(x; a).

P is the distribution function, p its density. The common factor x^a exp(-x) / gamma(a) cancels in the quotient, so
that nothing over- or underflows: below the mean P's power series is used, above it the continued fraction of 1 - P,
each together with its derivative; for large ``a`` the expansion of the quantile in powers of a^(-1/2).
Draws no numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.api import jit

_LARGE = 400.0
_MOST = 1000


def _series(a: Any, x: Any) -> Any:
    """x/a times ((digamma(a + 1) - log x) S - S'), for S the sum of the terms x^n / ((a + 1) ... (a + n))."""
    eps = float(dtypes.finfo(a.dtype).eps)

    def unfinished(state: Any) -> Any:
        n, term, slope, total, slopes = state
        small = (term <= eps * total) & (cnp.abs(slope) <= eps * cnp.abs(slopes))
        return (n < _MOST) & cnp.any(~small)

    def add(state: Any) -> Any:
        n, term, slope, total, slopes = state
        n = n + 1
        ratio = x / (a + n)
        # The term's derivative is the term times minus the sum of 1 / (a + k).
        slope = ratio * (slope - term / (a + n))
        term = term * ratio
        return n, term, slope, total + term, slopes + slope

    one, zero = cnp.ones_like(a), cnp.zeros_like(a)
    *_, total, slopes = lax.while_loop(unfinished, add, (0, one, zero, one, zero))
    return x / a * ((lax.digamma(a + 1) - cnp.log(x)) * total - slopes)


def _fraction(a: Any, x: Any) -> Any:
    """x ((log x - digamma(a)) F + F') for the continued fraction F of (1 - P) gamma(a) x^-a exp(x).

    F = 1 / (b0 - 1 (1 - a) / (b1 - 2 (2 - a) / (b2 - ...))) with bn = x + 2n + 1 - a, by Lentz's method.
    """
    eps = float(dtypes.finfo(a.dtype).eps)

    def unfinished(state: Any) -> Any:
        n, *_, factor, dfactor = state
        return (n < _MOST) & cnp.any((cnp.abs(factor - 1) > eps) | (cnp.abs(dfactor) > eps))

    def step(state: Any) -> Any:
        n, f, df, c, dc, d, dd, *_ = state
        n = n + 1
        # Numerator and denominator of this level and their derivatives; c and d are the ratios of Lentz.
        above, dabove = -n * (n - a), 1.0 * n
        below = x + 2 * n + 1 - a
        dd = -(-1 + dabove * d + above * dd) / cnp.square(below + above * d)
        d = 1 / (below + above * d)
        dc = -1 + dabove / c - above * dc / cnp.square(c)
        c = below + above / c
        factor = c * d
        dfactor = dc * d + c * dd
        return n, f * factor, df * factor + f * dfactor, c, dc, d, dd, factor, dfactor

    first = x + 1 - a
    one, zero = cnp.ones_like(a), cnp.zeros_like(a)
    start = (0, first, -one, first, -one, zero, zero, zero, zero)
    _, f, df, *_ = lax.while_loop(unfinished, step, start)
    value, dvalue = 1 / f, -df / cnp.square(f)
    return x * ((cnp.log(x) - lax.digamma(a)) * value + dvalue)


def _expansion(a: Any, x: Any) -> Any:
    """For large ``a``: x = a + z sqrt(a) + (z^2 - 1)/3 + ... for the normal number z of the same probability."""
    root = cnp.sqrt(a)
    # Wilson and Hilferty's cube root is a first guess at z, which two steps of Newton's method mend.
    z = 3 * root * (cnp.cbrt(x / a) - 1 + 1 / (9 * a))
    for _ in range(2):
        quantile = (
            a + z * root + (z * z - 1) / 3 + (z**3 - 7 * z) / (36 * root)
            - (3 * z**4 + 7 * z * z - 16) / (810 * a)
            + (9 * z**5 + 256 * z**3 - 433 * z) / (38880 * a * root)
        )  # fmt: skip
        rise = root + 2 * z / 3 + (3 * z * z - 7) / (36 * root) - (12 * z**3 + 14 * z) / (810 * a)
        z = z - (quantile - x) / rise
    return (
        1 + z / (2 * root) - (z**3 - 7 * z) / (72 * a * root) + (3 * z**4 + 7 * z * z - 16) / (810 * a * a)
        - (9 * z**5 + 256 * z**3 - 433 * z) / (25920 * a * a * root)
    )  # fmt: skip


@jit
def slope(a: Any, x: Any) -> Any:
    """dx/da of gamma numbers ``x`` of shape parameters ``a``, in the same floating dtype.

    >>> import cotan.numpy as cnp
    >>> bool(abs(slope(cnp.float32(1.0), cnp.float32(1.0)) - 1.2) < 0.1)
    True
    """
    dtype = a.dtype
    if dtype.itemsize < 4:
        return slope(a.astype(np.float32), x.astype(np.float32)).astype(dtype)
    # Each way sees harmless numbers where another is taken.
    large, high = a > _LARGE, x > a + 1
    a_low, x_low = (cnp.where(large | high, v, w) for v, w in ((1.0, a), (1.0, x)))
    a_high, x_high = (cnp.where(~large & high, w, v) for v, w in ((1.0, a), (3.0, x)))
    a_large, x_large = (cnp.where(large, w, v) for v, w in ((1000.0, a), (1000.0, x)))
    usual = cnp.where(high, _fraction(a_high, x_high), _series(a_low, x_low))
    out = cnp.where(large, _expansion(a_large, x_large), usual)
    return cnp.where(x == 0, 0, out)


@jit
def log_slope(a: Any, log_x: Any) -> Any:
    """d(log x)/da from the logarithm of x, also where x itself underflows: there P is x^a / gamma(a + 1)."""
    if a.dtype.itemsize < 4:
        return log_slope(a.astype(np.float32), log_x.astype(np.float32)).astype(a.dtype)
    x = cnp.exp(log_x)
    tiny = x < float(dtypes.finfo(a.dtype).eps) ** 2 * a
    usual = slope(cnp.where(tiny, 1.0, a), cnp.where(tiny, 1.0, x)) / cnp.where(tiny, 1.0, x)
    return cnp.where(tiny, (lax.digamma(a + 1) - log_x) / a, usual)
