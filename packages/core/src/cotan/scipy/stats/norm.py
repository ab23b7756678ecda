"""The normal distribution of mean ``loc`` and standard deviation ``scale``."""

from __future__ import annotations

import math
from typing import Any

from cotan import numpy as cnp
from cotan.scipy.special import log_ndtr, ndtr, ndtri
from cotan.scipy.stats._arguments import placed, standardized


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import norm
    >>> bool(abs(norm.logpdf(0.0) + 0.918939) < 1e-5)
    True
    """
    z, scale = standardized("norm.logpdf", x, loc, scale)
    return -0.5 * cnp.square(z) - cnp.log(scale) - 0.5 * math.log(2 * math.pi)


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    z, _ = standardized("norm.cdf", x, loc, scale)
    return ndtr(z)


def logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    z, _ = standardized("norm.logcdf", x, loc, scale)
    return log_ndtr(z)


def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    z, _ = standardized("norm.sf", x, loc, scale)
    return ndtr(-z)


def logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    z, _ = standardized("norm.logsf", x, loc, scale)
    return log_ndtr(-z)


def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The number below which lies a share of q: the inverse of cdf."""
    q, loc, scale = placed("norm.ppf", q, loc, scale)
    return loc + scale * ndtri(q)


def isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The number above which lies a share of q: the inverse of sf."""
    q, loc, scale = placed("norm.isf", q, loc, scale)
    return loc - scale * ndtri(q)
