"""The multinomial distribution: how ``n`` draws fall into categories of probabilities ``p``."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.scipy.special import gammaln, xlogy
from cotan.scipy.stats._arguments import inexact


def logpmf(x: Any, n: Any, p: Any) -> Any:
    """The logarithm of the probability of the counts ``x``, which lie along the last axis, as ``p`` does.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.stats import multinomial
    >>> bool(abs(multinomial.pmf(cnp.array([1, 1]), 2, cnp.array([0.5, 0.5])) - 0.5) < 1e-5)
    True
    """
    x, n, p = inexact("multinomial.logpmf", x, n, p)
    log = gammaln(n + 1) + cnp.sum(xlogy(x, p) - gammaln(x + 1), -1)
    counts = cnp.all(x == cnp.floor(x), -1)
    return cnp.where(counts & (cnp.sum(x, -1) == n), log, -cnp.inf)


def pmf(x: Any, n: Any, p: Any) -> Any:
    """The probability of the counts ``x``."""
    return cnp.exp(logpmf(x, n, p))
