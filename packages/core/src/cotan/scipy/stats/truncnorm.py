"""The standard normal distribution between ``a`` and ``b``, then scaled and moved."""

from __future__ import annotations

import math
from typing import Any

from cotan import numpy as cnp
from cotan.scipy.special import log_ndtr
from cotan.scipy.stats._arguments import standardized


def _log_between(a: Any, b: Any) -> Any:
    """The logarithm of the normal probability of (a, b), which is taken in the lower tail, where it is exact."""
    flipped = a > 0
    low, high = cnp.where(flipped, -b, a), cnp.where(flipped, -a, b)
    log_low, log_high = log_ndtr(low), log_ndtr(high)
    empty = log_low >= log_high
    share = cnp.exp(cnp.where(empty, 0, log_low) - cnp.where(empty, 1, log_high))
    return cnp.where(empty, -cnp.inf, log_high + cnp.log1p(-cnp.where(empty, 0, share)))


def _valid(a: Any, b: Any, value: Any) -> Any:
    return cnp.where(a >= b, cnp.nan, value)


def logpdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import truncnorm
    >>> bool(abs(truncnorm.cdf(0.0, -1.0, 1.0) - 0.5) < 1e-5)
    True
    """
    z, scale, a, b = standardized("truncnorm.logpdf", x, loc, scale, a, b)
    log = -0.5 * cnp.square(z) - 0.5 * math.log(2 * math.pi) - _log_between(a, b) - cnp.log(scale)
    return _valid(a, b, cnp.where((z < a) | (z > b), -cnp.inf, log))


def pdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, a, b, loc, scale))


def logsf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    z, _, a, b = standardized("truncnorm.logsf", x, loc, scale, a, b)
    return _valid(a, b, _log_between(cnp.clip(z, a, b), b) - _log_between(a, b))


def sf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    return cnp.exp(logsf(x, a, b, loc, scale))


def logcdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    z, _, a, b = standardized("truncnorm.logcdf", x, loc, scale, a, b)
    return _valid(a, b, _log_between(a, cnp.clip(z, a, b)) - _log_between(a, b))


def cdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    return cnp.exp(logcdf(x, a, b, loc, scale))
