"""The gamma distribution of shape parameter ``a``."""

from __future__ import annotations

from typing import Any

from cotan import lax
from cotan import numpy as cnp
from cotan.scipy.special import gammaln, xlogy
from cotan.scipy.stats._arguments import log_inside, standardized


def _below(z: Any, a: Any) -> Any:
    """The probability of at most z: flat at negative z, where the slope at 0, which may be infinite, does not count."""
    outside = z < 0
    return cnp.where(outside, 0, lax.igamma(a, cnp.where(outside, 1, z)))


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
    return _below(z, a)


def logcdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    z, _, a = standardized("gamma.logcdf", x, loc, scale, a)
    return log_inside(z < 0, _below(z, a))


def sf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    z, _, a = standardized("gamma.sf", x, loc, scale, a)
    outside = z < 0
    return cnp.where(outside, 1, lax.igammac(a, cnp.where(outside, 1, z)))


def logsf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    return cnp.log(sf(x, a, loc, scale))
