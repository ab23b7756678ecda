"""The negative binomial distribution: k trials fail before the ``n``-th succeeds, with probability ``p``."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.scipy.special import gammaln, xlog1py, xlogy
from cotan.scipy.stats._arguments import known, promoted


def logpmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """The logarithm of the probability of k.

    >>> from cotan.scipy.stats import nbinom
    >>> bool(abs(nbinom.pmf(1, 1, 0.5) - 0.25) < 1e-5)
    True
    """
    k, n, p, loc = promoted("nbinom.logpmf", k, n, p, loc)
    k = known(k - loc, (n > 0) & (p > 0) & (p <= 1))
    outside = (k < 0) | (k > cnp.floor(k))
    k = cnp.where(outside, 0, k)
    ways = gammaln(k + n) - gammaln(n) - gammaln(k + 1)
    return cnp.where(outside, -cnp.inf, ways + xlogy(n, p) + xlog1py(k, -p))


def pmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    """The probability of k."""
    return cnp.exp(logpmf(k, n, p, loc))
