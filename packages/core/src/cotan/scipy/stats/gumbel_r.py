"""The Gumbel distribution of maxima."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.scipy.stats._arguments import placed, standardized


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import gumbel_r
    >>> bool(abs(gumbel_r.pdf(0.0) - 0.3678794) < 1e-6)
    True
    """
    z, scale = standardized("gumbel_r.logpdf", x, loc, scale)
    return -z - cnp.exp(-z) - cnp.log(scale)


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, loc, scale))


def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    z, _ = standardized("gumbel_r.logcdf", x, loc, scale)
    return -cnp.exp(-z)


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    return cnp.exp(logcdf(x, loc, scale))


def ppf(p: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The number below which lies a share of q: the inverse of cdf."""
    p, loc, scale = placed("gumbel_r.ppf", p, loc, scale)
    return loc - scale * cnp.log(-cnp.log(p))


def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    z, _ = standardized("gumbel_r.sf", x, loc, scale)
    return -cnp.expm1(-cnp.exp(-z))


def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    return cnp.log(sf(x, loc, scale))
