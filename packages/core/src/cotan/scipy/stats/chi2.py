"""The chi-square distribution of ``df`` degrees of freedom."""

from __future__ import annotations

import math
from typing import Any

from cotan import lax
from cotan import numpy as cnp
from cotan.scipy.special import gammaln, xlogy
from cotan.scipy.stats._arguments import log_inside, standardized


def _below(z: Any, df: Any) -> Any:
    """The probability of at most z: flat at negative z, where the slope at 0, which may be infinite, does not count."""
    outside = z < 0
    return cnp.where(outside, 0, lax.igamma(df / 2, cnp.where(outside, 1, z) / 2))


def logpdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import chi2
    >>> bool(abs(chi2.pdf(0.0, 2.0) - 0.5) < 1e-6)
    True
    """
    z, scale, df = standardized("chi2.logpdf", x, loc, scale, df)
    outside, half = z < 0, df / 2
    z = cnp.where(outside, 1, z)
    out = xlogy(half - 1, z) - z / 2 - half * math.log(2) - gammaln(half) - cnp.log(scale)
    return cnp.where(outside, -cnp.inf, out)


def pdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, df, loc, scale))


def cdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    z, _, df = standardized("chi2.cdf", x, loc, scale, df)
    return _below(z, df)


def logcdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    z, _, df = standardized("chi2.logcdf", x, loc, scale, df)
    return log_inside(z < 0, _below(z, df))


def sf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    z, _, df = standardized("chi2.sf", x, loc, scale, df)
    outside = z < 0
    return cnp.where(outside, 1, lax.igammac(df / 2, cnp.where(outside, 1, z) / 2))


def logsf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    return cnp.log(sf(x, df, loc, scale))
