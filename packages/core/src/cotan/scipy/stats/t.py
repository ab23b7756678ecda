"""Student's t distribution of ``df`` degrees of freedom."""

from __future__ import annotations

import math
from typing import Any

from cotan import numpy as cnp
from cotan.scipy.special import gammaln
from cotan.scipy.stats._arguments import standardized


def logpdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import t
    >>> bool(abs(t.pdf(0.0, 1.0) - 0.3183099) < 1e-5)
    True
    """
    z, scale, df = standardized("t.logpdf", x, loc, scale, df)
    half = (df + 1) / 2
    constant = gammaln(half) - gammaln(df / 2) - 0.5 * cnp.log(math.pi * df) - cnp.log(scale)
    return constant - half * cnp.log1p(cnp.square(z) / df)


def pdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, df, loc, scale))
