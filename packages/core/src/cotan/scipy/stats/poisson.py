"""The Poisson distribution of rate ``mu``."""

from __future__ import annotations

import math
from typing import Any

from cotan import lax
from cotan import numpy as cnp
from cotan.scipy.special import entr, gammaln, xlogy
from cotan.scipy.stats._arguments import promoted

_TERMS = 256


def logpmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """The logarithm of the probability of k.

    >>> from cotan.scipy.stats import poisson
    >>> bool(abs(poisson.pmf(0, 1.0) - 0.3678794) < 1e-6)
    True
    """
    k, mu, loc = promoted("poisson.logpmf", k, mu, loc)
    k = k - loc
    inside = (k >= 0) & (k == cnp.floor(k))
    k = cnp.where(inside, k, 0)
    return cnp.where(inside, xlogy(k, mu) - gammaln(k + 1) - mu, -cnp.inf)


def pmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """The probability of k."""
    return cnp.exp(logpmf(k, mu, loc))


def cdf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """The probability of at most x."""
    k, mu, loc = promoted("poisson.cdf", k, mu, loc)
    k = cnp.floor(k - loc)
    return cnp.where(k < 0, 0, lax.igammac(cnp.maximum(k, 0) + 1, mu))


def entropy(mu: Any, loc: Any = 0) -> Any:
    """The entropy, in nats: a sum over k for rates up to 100, Stirling's series above."""
    mu, _ = promoted("poisson.entropy", mu, loc)
    mu = cnp.asarray(mu)
    few = cnp.where(mu > 100, 1, mu)
    k = cnp.reshape(cnp.arange(_TERMS, dtype=mu.dtype), (_TERMS,) + (1,) * mu.ndim)
    summed = cnp.sum(entr(cnp.exp(xlogy(k, few) - gammaln(k + 1) - few)), 0)
    many = cnp.where(mu > 100, mu, 100)
    series = 0.5 * cnp.log(2 * math.pi * math.e * many) - ((19 / 360 / many + 1 / 24) / many + 1 / 12) / many
    return cnp.where(mu < 0, cnp.nan, cnp.where(mu > 100, series, summed))
