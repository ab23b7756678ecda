"""The Cauchy distribution."""

from __future__ import annotations

import math
from typing import Any

from cotan import numpy as cnp
from cotan.scipy.stats._arguments import placed, standardized


def _below(z: Any) -> Any:
    """1/2 + atan(z)/pi, without cancellation for large negative z."""
    return cnp.arctan2(cnp.ones_like(z), -z) / math.pi


def _quantile(q: Any) -> Any:
    """The point that a share of q of a standard variable is below; NaN for what is no share."""
    known = cnp.where(q == 0, -cnp.inf, cnp.where(q == 1, cnp.inf, cnp.nan))
    between = (q > 0) & (q < 1)
    low, high = between & (q < 0.25), between & (q > 0.75)
    # Near 0 and 1 by the distance from them, which a difference from 1/2 would round away.
    tail = cnp.where(low, q, cnp.where(high, 1 - q, 0.25))
    cotangent = 1 / cnp.tan(math.pi * tail)
    centre = cnp.tan(math.pi * (cnp.where(between & ~low & ~high, q, 0.5) - 0.5))
    return cnp.where(between, cnp.where(low, -cotangent, cnp.where(high, cotangent, centre)), known)


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import cauchy
    >>> bool(abs(cauchy.pdf(0.0) - 0.3183099) < 1e-6)
    True
    """
    z, scale = standardized("cauchy.logpdf", x, loc, scale)
    return -math.log(math.pi) - cnp.log(scale) - cnp.log1p(cnp.square(z))


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    z, _ = standardized("cauchy.cdf", x, loc, scale)
    return _below(z)


def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    return cnp.log(cdf(x, loc, scale))


def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    z, _ = standardized("cauchy.sf", x, loc, scale)
    return _below(-z)


def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    return cnp.log(sf(x, loc, scale))


def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The number below which lies a share of q: the inverse of cdf."""
    q, loc, scale = placed("cauchy.ppf", q, loc, scale)
    return loc + scale * _quantile(q)


def isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The number above which lies a share of q: the inverse of sf."""
    q, loc, scale = placed("cauchy.isf", q, loc, scale)
    return loc - scale * _quantile(q)
