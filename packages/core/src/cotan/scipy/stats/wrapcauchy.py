"""The Cauchy distribution wrapped around the circle (0, 2 pi), of parameter 0 < ``c`` < 1."""

from __future__ import annotations

import math
from typing import Any

from cotan import numpy as cnp
from cotan.scipy.stats._arguments import known, promoted


def logpdf(x: Any, c: Any) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import wrapcauchy
    >>> bool(abs(wrapcauchy.pdf(0.0, 0.5) - 0.4774648) < 1e-5)
    True
    """
    x, c = promoted("wrapcauchy.logpdf", x, c)
    x = known(x, (c > 0) & (c < 1))
    log = cnp.log1p(-cnp.square(c)) - cnp.log(2 * math.pi) - cnp.log(1 + cnp.square(c) - 2 * c * cnp.cos(x))
    return cnp.where((x < 0) | (x > 2 * math.pi), -cnp.inf, log)


def pdf(x: Any, c: Any) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, c))
