"""The binomial distribution: of ``n`` trials k succeed, each with probability ``p``."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.scipy.special import gammaln, xlog1py, xlogy
from cotan.scipy.stats._arguments import known, promoted


def logpmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """The logarithm of the probability of k.

    >>> from cotan.scipy.stats import binom
    >>> bool(abs(binom.pmf(1, 2, 0.5) - 0.5) < 1e-5)
    True
    """
    k, n, p, loc = promoted("binom.logpmf", k, n, p, loc)
    k = known(k - loc, (n >= 0) & (p >= 0) & (p <= 1))
    outside = (k < 0) | (k > n) | (k > cnp.floor(k))
    k = cnp.where(outside, 0, k)
    ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return cnp.where(outside, -cnp.inf, ways + xlogy(k, p) + xlog1py(n - k, -p))


def pmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """The probability of k."""
    return cnp.exp(logpmf(k, n, p, loc))
