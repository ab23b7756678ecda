"""The von Mises distribution on the circle, of concentration ``kappa``."""

from __future__ import annotations

import math
from typing import Any

from cotan import lax
from cotan import numpy as cnp
from cotan.scipy.stats._arguments import known, promoted


def logpdf(x: Any, kappa: Any) -> Any:
    """The logarithm of the density.

    >>> from cotan.scipy.stats import vonmises
    >>> bool(abs(vonmises.pdf(0.0, 0.0) - 0.1591549) < 1e-6)
    True
    """
    x, kappa = promoted("vonmises.logpdf", x, kappa)
    x = known(x, kappa >= 0)
    # The Bessel function scaled by exp(-kappa) does not overflow.
    return kappa * (cnp.cos(x) - 1) - cnp.log(2 * math.pi * lax.bessel_i0e(kappa))


def pdf(x: Any, kappa: Any) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, kappa))
