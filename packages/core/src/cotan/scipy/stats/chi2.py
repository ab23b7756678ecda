"""The chi-square distribution of ``df`` degrees of freedom."""

from __future__ import annotations

import math
from typing import Any

from cotan import lax
from cotan import numpy as cnp
from cotan.scipy.special import gammaln, xlogy
from cotan.scipy.stats._arguments import standardized


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
    return lax.igamma(df / 2, cnp.maximum(z, 0) / 2)


def logcdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    return cnp.log(cdf(x, df, loc, scale))


def sf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    z, _, df = standardized("chi2.sf", x, loc, scale, df)
    return lax.igammac(df / 2, cnp.maximum(z, 0) / 2)


def logsf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    return cnp.log(sf(x, df, loc, scale))
