"""The geometric distribution: the first trial that succeeds is the k-th, each with probability ``p``."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.scipy.special import xlog1py
from cotan.scipy.stats._arguments import known, promoted


def logpmf(k: Any, p: Any, loc: Any = 0) -> Any:
    """The logarithm of the probability of k.

    >>> from cotan.scipy.stats import geom
    >>> bool(abs(geom.pmf(2, 0.5) - 0.25) < 1e-6)
    True
    """
    k, p, loc = promoted("geom.logpmf", k, p, loc)
    k = known(k - loc, (p > 0) & (p <= 1))
    outside = (k <= 0) | (k > cnp.floor(k))
    return cnp.where(outside, -cnp.inf, xlog1py(cnp.where(outside, 0, k - 1), -p) + cnp.log(p))


def pmf(k: Any, p: Any, loc: Any = 0) -> Any:
    """The probability of k."""
    return cnp.exp(logpmf(k, p, loc))
