"""The beta distribution on (loc, loc + scale)."""

from __future__ import annotations

from typing import Any

from cotan import lax
from cotan import numpy as cnp
from cotan.scipy.special import betaln, xlog1py, xlogy
from cotan.scipy.stats._arguments import log_inside, standardized


def _below(a: Any, b: Any, z: Any) -> Any:
    """The probability of at most z: flat outside of (0, 1), where slopes at its ends, often infinite, do not count."""
    outside = (z < 0) | (z > 1)
    return cnp.where(outside, z > 1, lax.betainc(a, b, cnp.where(outside, 0.5, z)))


def logpdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import beta
    >>> bool(abs(beta.pdf(0.5, 2.0, 2.0) - 1.5) < 1e-5)
    True
    """
    z, scale, a, b = standardized("beta.logpdf", x, loc, scale, a, b)
    outside = (z < 0) | (z > 1)
    z = cnp.where(outside, 0.5, z)
    inside = xlogy(a - 1, z) + xlog1py(b - 1, -z) - betaln(a, b) - cnp.log(scale)
    return cnp.where(outside, -cnp.inf, inside)


def pdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, a, b, loc, scale))


def cdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    z, _, a, b = standardized("beta.cdf", x, loc, scale, a, b)
    return _below(a, b, z)


def logcdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    z, _, a, b = standardized("beta.logcdf", x, loc, scale, a, b)
    return log_inside(z < 0, _below(a, b, z))


def sf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    z, _, a, b = standardized("beta.sf", x, loc, scale, a, b)
    return _below(b, a, 1 - z)


def logsf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    z, _, a, b = standardized("beta.logsf", x, loc, scale, a, b)
    return log_inside(z > 1, _below(b, a, 1 - z))
