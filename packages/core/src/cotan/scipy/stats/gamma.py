"""The gamma distribution of shape parameter ``a``."""

from __future__ import annotations

from typing import Any

from cotan import lax
from cotan import numpy as cnp
from cotan.scipy.special import gammaln, xlogy
from cotan.scipy.stats._arguments import standardized


def logpdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import gamma
    >>> bool(abs(gamma.pdf(1.0, 1.0) - 0.3678794) < 1e-6)
    True
    """
    z, scale, a = standardized("gamma.logpdf", x, loc, scale, a)
    outside = z < 0
    z = cnp.where(outside, 1, z)
    return cnp.where(outside, -cnp.inf, xlogy(a - 1, z) - z - gammaln(a) - cnp.log(scale))


def pdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, a, loc, scale))


def cdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    z, _, a = standardized("gamma.cdf", x, loc, scale, a)
    return lax.igamma(a, cnp.maximum(z, 0))


def logcdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    return cnp.log(cdf(x, a, loc, scale))


def sf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    z, _, a = standardized("gamma.sf", x, loc, scale, a)
    return lax.igammac(a, cnp.maximum(z, 0))


def logsf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    return cnp.log(sf(x, a, loc, scale))
