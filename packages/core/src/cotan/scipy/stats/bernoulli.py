"""The Bernoulli distribution: 1 with probability ``p``, else 0."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.scipy.special import xlog1py, xlogy
from cotan.scipy.stats._arguments import known, promoted


def logpmf(k: Any, p: Any, loc: Any = 0) -> Any:
    """The logarithm of the probability of k.

    >>> from cotan.scipy.stats import bernoulli
    >>> bool(abs(bernoulli.pmf(1, 0.25) - 0.25) < 1e-6)
    True
    """
    k, p, loc = promoted("bernoulli.logpmf", k, p, loc)
    k = known(k - loc, (p >= 0) & (p <= 1))
    outside = (k < 0) | (k > cnp.floor(k)) | (k > 1)
    k = cnp.where(outside, 0, k)
    return cnp.where(outside, -cnp.inf, xlogy(k, p) + xlog1py(1 - k, -p))


def pmf(k: Any, p: Any, loc: Any = 0) -> Any:
    """The probability of k."""
    return cnp.exp(logpmf(k, p, loc))


def cdf(k: Any, p: Any) -> Any:
    """The probability of at most k."""
    k, p = promoted("bernoulli.cdf", k, p)
    inside = cnp.where(k < 0, 0, cnp.where(k < 1, 1 - p, 1))
    return cnp.where(cnp.isnan(k) | cnp.isnan(p) | (p < 0) | (p > 1), cnp.nan, inside)


def ppf(q: Any, p: Any) -> Any:
    """The least k of which at least a share of q is not above: 0 up to 1 - p, then 1."""
    q, p = promoted("bernoulli.ppf", q, p)
    bad = cnp.isnan(q) | cnp.isnan(p) | (p < 0) | (p > 1) | (q < 0) | (q > 1)
    return cnp.where(bad, cnp.nan, cnp.where(q == 0, -1, cnp.where(q <= 1 - p, 0, 1))).astype(cnp.result_type(q, p))
