"""The Pareto distribution of exponent ``b``, from ``loc + scale`` on."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.scipy.stats._arguments import placed, standardized


def logpdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import pareto
    >>> bool(abs(pareto.pdf(1.0, 2.0) - 2.0) < 1e-5)
    True
    """
    z, scale, b = standardized("pareto.logpdf", x, loc, scale, b)
    return cnp.where(z < 1, -cnp.inf, cnp.log(b) - (b + 1) * cnp.log(cnp.maximum(z, 1)) - cnp.log(scale))


def pdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, b, loc, scale))


def cdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    z, _, b = standardized("pareto.cdf", x, loc, scale, b)
    return -cnp.expm1(-b * cnp.log(cnp.maximum(z, 1)))


def logcdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    return cnp.log(cdf(x, b, loc, scale))


def logsf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    z, _, b = standardized("pareto.logsf", x, loc, scale, b)
    return -b * cnp.log(cnp.maximum(z, 1))


def sf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    return cnp.exp(logsf(x, b, loc, scale))


def ppf(q: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The number below which lies a share of q: the inverse of cdf."""
    q, b, loc, scale = placed("pareto.ppf", q, b, loc, scale)
    return cnp.where((q < 0) | (q > 1), cnp.nan, loc + scale * (1 - q) ** (-1 / b))
