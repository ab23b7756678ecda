"""The generalised normal distribution: density proportional to exp(-|x|^beta)."""

from __future__ import annotations

from typing import Any

from cotan import lax
from cotan import numpy as cnp
from cotan.scipy.special import gammaln
from cotan.scipy.stats._arguments import promoted


def logpdf(x: Any, beta: Any) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import gennorm
    >>> bool(abs(gennorm.pdf(0.0, 1.0) - 0.5) < 1e-6)
    True
    """
    x, beta = promoted("gennorm.logpdf", x, beta)
    return cnp.log(beta / 2) - gammaln(1 / beta) - cnp.abs(x) ** beta


def pdf(x: Any, beta: Any) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, beta))


def cdf(x: Any, beta: Any) -> Any:
    """The probability of at most x."""
    x, beta = promoted("gennorm.cdf", x, beta)
    return 0.5 * (1 + cnp.sign(x) * lax.igamma(1 / beta, cnp.abs(x) ** beta))
