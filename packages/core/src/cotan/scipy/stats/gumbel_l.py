"""The Gumbel distribution of minima."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.scipy.stats._arguments import placed, standardized


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import gumbel_l
    >>> bool(abs(gumbel_l.pdf(0.0) - 0.3678794) < 1e-6)
    True
    """
    z, scale = standardized("gumbel_l.logpdf", x, loc, scale)
    return z - cnp.exp(z) - cnp.log(scale)


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    z, _ = standardized("gumbel_l.cdf", x, loc, scale)
    return -cnp.expm1(-cnp.exp(z))


def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    return cnp.log(cdf(x, loc, scale))


def ppf(p: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The number below which lies a share of q: the inverse of cdf."""
    p, loc, scale = placed("gumbel_l.ppf", p, loc, scale)
    return loc + scale * cnp.log(-cnp.log1p(-p))


def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    z, _ = standardized("gumbel_l.logsf", x, loc, scale)
    return -cnp.exp(z)


def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    return cnp.exp(logsf(x, loc, scale))
