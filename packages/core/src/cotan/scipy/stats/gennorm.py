"""The generalised normal distribution: density proportional to exp(-|x|^beta)."""

from __future__ import annotations

from typing import Any

from cotan import lax
from cotan import numpy as cnp
from cotan.scipy.special import gammaln
from cotan.scipy.stats._arguments import known, promoted


def logpdf(x: Any, beta: Any) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import gennorm
    >>> bool(abs(gennorm.pdf(0.0, 1.0) - 0.5) < 1e-6)
    True
    """
    x, beta = promoted("gennorm.logpdf", x, beta)
    beta = known(beta, beta > 0)
    return cnp.log(beta / 2) - gammaln(1 / beta) - cnp.abs(x) ** beta


def pdf(x: Any, beta: Any) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, beta))


def cdf(x: Any, beta: Any) -> Any:
    """The probability of at most x."""
    x, beta = promoted("gennorm.cdf", x, beta)
    beta = known(beta, beta > 0)
    # Below 0 by the upper function, which keeps its digits where it is small.
    share, rest = (of(1 / beta, cnp.abs(x) ** beta) for of in (lax.igamma, lax.igammac))
    return 0.5 * cnp.where(x < 0, rest, 1 + share)
