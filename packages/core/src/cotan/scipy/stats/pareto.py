"""The Pareto distribution of exponent ``b``, from ``loc + scale`` on."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.nn.functions import log1mexp
from cotan.scipy.stats._arguments import placed, standardized


def _log_above(z: Any, b: Any) -> Any:
    """The logarithm of the probability of more than z."""
    z = cnp.where(z < 1, 1, z)
    # An infinite b times the logarithm of 1 is 0.
    return cnp.where((z == 1) & cnp.isinf(b), 0, -b) * cnp.log(z)


def logpdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import pareto
    >>> bool(abs(pareto.pdf(1.0, 2.0) - 2.0) < 1e-5)
    True
    """
    z, scale, b = standardized("pareto.logpdf", x, loc, scale, b)
    return cnp.where(z < 1, -cnp.inf, cnp.log(b) - (b + 1) * cnp.log(cnp.where(z < 1, 1, z)) - cnp.log(scale))


def pdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, b, loc, scale))


def cdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    z, _, b = standardized("pareto.cdf", x, loc, scale, b)
    return -cnp.expm1(_log_above(z, b))


def logcdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    z, _, b = standardized("pareto.logcdf", x, loc, scale, b)
    return cnp.where(z < 1, -cnp.inf, log1mexp(cnp.where(z < 1, 1, -_log_above(z, b))))


def logsf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    z, _, b = standardized("pareto.logsf", x, loc, scale, b)
    return _log_above(z, b)


def sf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    return cnp.exp(logsf(x, b, loc, scale))


def ppf(q: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The number below which lies a share of q: the inverse of cdf."""
    q, b, loc, scale = placed("pareto.ppf", q, b, loc, scale)
    return cnp.where((q >= 0) & (q <= 1) & (b > 0), loc + scale * cnp.exp(-cnp.log1p(-q) / b), cnp.nan)
