"""The binomial distribution of ``n`` trials whose probability is beta distributed."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.scipy.special import betaln
from cotan.scipy.stats._arguments import known, promoted


def logpmf(k: Any, n: Any, a: Any, b: Any, loc: Any = 0) -> Any:
    """The logarithm of the probability of k.

    >>> from cotan.scipy.stats import betabinom
    >>> bool(abs(betabinom.pmf(1, 2, 1.0, 1.0) - 1 / 3) < 1e-5)
    True
    """
    k, n, a, b, loc = promoted("betabinom.logpmf", k, n, a, b, loc)
    k = known(k - loc, (n >= 0) & (a > 0) & (b > 0))
    outside = (k < 0) | (k > n) | (k > cnp.floor(k))
    k = cnp.where(outside, 0, k)
    log = betaln(k + a, n - k + b) - betaln(a, b) - cnp.log(n + 1) - betaln(n - k + 1, k + 1)
    return cnp.where(outside, -cnp.inf, log)


def pmf(k: Any, n: Any, a: Any, b: Any, loc: Any = 0) -> Any:
    """The probability of k."""
    return cnp.exp(logpmf(k, n, a, b, loc))
