"""The beta distribution on (loc, loc + scale)."""

from __future__ import annotations

from typing import Any

from cotan import lax
from cotan import numpy as cnp
from cotan.scipy.special import betaln, xlog1py, xlogy
from cotan.scipy.stats._arguments import standardized


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
    return cnp.where((a > 0) & (b > 0), cnp.where(outside, -cnp.inf, inside), cnp.nan)


def pdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, a, b, loc, scale))


def cdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    z, _, a, b = standardized("beta.cdf", x, loc, scale, a, b)
    return lax.betainc(a, b, cnp.clip(z, 0, 1))


def logcdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    return cnp.log(cdf(x, a, b, loc, scale))


def sf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    z, _, a, b = standardized("beta.sf", x, loc, scale, a, b)
    return lax.betainc(b, a, 1 - cnp.clip(z, 0, 1))


def logsf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    return cnp.log(sf(x, a, b, loc, scale))
