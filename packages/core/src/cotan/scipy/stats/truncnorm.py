"""The standard normal distribution between ``a`` and ``b``, then scaled and moved."""

from __future__ import annotations

import math
from typing import Any

from cotan import lax
from cotan import numpy as cnp
from cotan.scipy.special import log_ndtr
from cotan.scipy.stats._arguments import known, moved


def _log_between(a: Any, b: Any) -> Any:
    """The logarithm of the normal probability of (a, b): by error functions around 0 and beside it, else in a tail."""
    around = ((a <= 0) & (b >= 0)) | ((a > -0.7) & (b < 0.7))
    left, right = (cnp.where(around, y * math.sqrt(0.5), 1) for y in (-a, b))
    sides = lax.erf(left) + lax.erf(right)
    nothing = sides <= 0
    both = cnp.where(nothing, -cnp.inf, cnp.log(0.5 * cnp.where(nothing, 1, sides)))
    return cnp.where(around, both, _log_in_tail(cnp.where(around, 1, a), cnp.where(around, 2, b)))


def _log_in_tail(a: Any, b: Any) -> Any:
    flipped = a > 0
    low, high = cnp.where(flipped, -b, a), cnp.where(flipped, -a, b)
    log_low, log_high = log_ndtr(low), log_ndtr(high)
    empty = log_low >= log_high
    share = cnp.exp(cnp.where(empty, 0, log_low) - cnp.where(empty, 1, log_high))
    return cnp.where(empty, -cnp.inf, log_high + cnp.log1p(-cnp.where(empty, 0, share)))


def _inside(fun_name: str, x: Any, loc: Any, scale: Any, a: Any, b: Any) -> list[Any]:
    """[(x - loc) / scale, scale, a, b]; the first is NaN if a is not below b."""
    z, scale, a, b = moved(fun_name, x, loc, scale, a, b)
    return [known(z, a < b), scale, a, b]


def logpdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import truncnorm
    >>> bool(abs(truncnorm.cdf(0.0, -1.0, 1.0) - 0.5) < 1e-5)
    True
    """
    z, scale, a, b = _inside("truncnorm.logpdf", x, loc, scale, a, b)
    log = -0.5 * cnp.square(z) - 0.5 * math.log(2 * math.pi) - _log_between(a, b) - cnp.log(scale)
    return cnp.where((z < a) | (z > b), -cnp.inf, log)


def pdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, a, b, loc, scale))


def logsf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the probability of more than x."""
    z, _, a, b = _inside("truncnorm.logsf", x, loc, scale, a, b)
    outside = z > b
    share = _log_between(cnp.clip(cnp.where(outside, a, z), a, b), b) - _log_between(a, b)
    return cnp.where(outside, -cnp.inf, share)


def sf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of more than x."""
    return cnp.exp(logsf(x, a, b, loc, scale))


def logcdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the distribution function."""
    z, _, a, b = _inside("truncnorm.logcdf", x, loc, scale, a, b)
    outside = z < a
    share = _log_between(a, cnp.clip(cnp.where(outside, b, z), a, b)) - _log_between(a, b)
    return cnp.where(outside, -cnp.inf, share)


def cdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    return cnp.exp(logcdf(x, a, b, loc, scale))
