"""The logistic distribution."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.scipy.special import expit, logit
from cotan.scipy.stats._arguments import placed, standardized


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import logistic
    >>> bool(logistic.cdf(0.0) == 0.5)
    True
    """
    z, scale = standardized("logistic.logpdf", x, loc, scale)
    # The density is even, and the exponential of a negative number cannot overflow.
    z = cnp.abs(z)
    return -z - 2 * cnp.log1p(cnp.exp(-z)) - cnp.log(scale)


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    z, _ = standardized("logistic.cdf", x, loc, scale)
    return expit(z)


def sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    z, _ = standardized("logistic.sf", x, loc, scale)
    return expit(-z)


def ppf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The number below which lies a share of q: the inverse of cdf."""
    x, loc, scale = placed("logistic.ppf", x, loc, scale)
    return loc + scale * logit(x)


def isf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The number above which lies a share of x: the inverse of sf."""
    x, loc, scale = placed("logistic.isf", x, loc, scale)
    return loc - scale * logit(x)
