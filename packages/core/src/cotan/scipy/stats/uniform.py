"""The uniform distribution on (loc, loc + scale)."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.scipy.stats._arguments import placed, standardized


def logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import uniform
    >>> bool(uniform.pdf(0.5) == 1)
    True
    """
    z, scale = standardized("uniform.logpdf", x, loc, scale)
    return cnp.where((z < 0) | (z > 1), -cnp.inf, cnp.where(cnp.isnan(z), cnp.nan, -cnp.log(scale)))


def pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, loc, scale))


def cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The probability of at most x."""
    z, _ = standardized("uniform.cdf", x, loc, scale)
    return cnp.clip(z, 0, 1)


def ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The number below which lies a share of q: the inverse of cdf."""
    q, loc, scale = placed("uniform.ppf", q, loc, scale)
    return cnp.where((q < 0) | (q > 1), cnp.nan, loc + scale * q)
