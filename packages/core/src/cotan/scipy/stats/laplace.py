"""The Laplace distribution."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.scipy.stats._arguments import standardized


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import laplace
    >>> bool(laplace.pdf(0.0) == 0.5)
    True
    """
    z, scale = standardized("laplace.logpdf", x, loc, scale)
    return -cnp.abs(z) - cnp.log(2 * scale)


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    z, _ = standardized("laplace.cdf", x, loc, scale)
    tail = 0.5 * cnp.exp(-cnp.abs(z))
    return cnp.where(z < 0, tail, 1 - tail)
