"""Student's t distribution of ``df`` degrees of freedom."""

from __future__ import annotations

import math
from typing import Any

from cotan import numpy as cnp
from cotan.scipy.special import betaln
from cotan.scipy.stats._arguments import standardized


def logpdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import t
    >>> bool(abs(t.pdf(0.0, 1.0) - 0.3183099) < 1e-5)
    True
    """
    z, scale, df = standardized("t.logpdf", x, loc, scale, df)
    square = cnp.square(z)
    finite = df < cnp.inf
    df = cnp.where(finite, df, 1)
    # The quotient of two gammas, as a beta function, keeps its digits where both are large.
    log = -betaln(df / 2, 0.5) - 0.5 * cnp.log(df) - (df + 1) / 2 * cnp.log1p(square / df)
    normal = -0.5 * square - 0.5 * math.log(2 * math.pi)
    return cnp.where(finite, log, normal) - cnp.log(scale)


def pdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, df, loc, scale))
