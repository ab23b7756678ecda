"""The exponential distribution from ``loc`` on, of mean ``loc + scale``."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.nn.functions import log1mexp
from cotan.scipy.stats._arguments import placed, standardized


def _from_zero(z: Any) -> Any:
    """z, but 0 where it is negative; at 0 with the slope from above."""
    return cnp.where(z < 0, 0, z)


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import expon
    >>> bool(expon.pdf(0.0) == 1)
    True
    """
    z, scale = standardized("expon.logpdf", x, loc, scale)
    return cnp.where(z < 0, -cnp.inf, -z - cnp.log(scale))


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    z, _ = standardized("expon.cdf", x, loc, scale)
    return -cnp.expm1(-_from_zero(z))


def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    z, _ = standardized("expon.logcdf", x, loc, scale)
    return cnp.where(z < 0, -cnp.inf, log1mexp(_from_zero(z)))


def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    return cnp.exp(logsf(x, loc, scale))


def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    z, _ = standardized("expon.logsf", x, loc, scale)
    return -_from_zero(z)


def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The number below which lies a share of q: the inverse of cdf."""
    q, loc, scale = placed("expon.ppf", q, loc, scale)
    return cnp.where((q < 0) | (q > 1), cnp.nan, loc - scale * cnp.log1p(-q))
