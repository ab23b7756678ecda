"""The Poisson distribution of rate ``mu``."""

from __future__ import annotations

import math
from typing import Any

from cotan import lax
from cotan import numpy as cnp
from cotan.scipy.special import gammaln, xlogy
from cotan.scipy.stats._arguments import known, promoted

_TERMS = 256


def logpmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """The logarithm of the probability of k.

    >>> from cotan.scipy.stats import poisson
    >>> bool(abs(poisson.pmf(0, 1.0) - 0.3678794) < 1e-6)
    True
    """
    k, mu, loc = promoted("poisson.logpmf", k, mu, loc)
    k = known(k - loc, mu >= 0)
    outside = (k < 0) | (k > cnp.floor(k))
    k = cnp.where(outside, 0, k)
    return cnp.where(outside, -cnp.inf, xlogy(k, mu) - gammaln(k + 1) - mu)


def pmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """The probability of k."""
    return cnp.exp(logpmf(k, mu, loc))


def cdf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """The probability of at most x."""
    k, mu, loc = promoted("poisson.cdf", k, mu, loc)
    k = known(cnp.floor(k - loc), mu >= 0)
    found = lax.igammac(cnp.where(k == cnp.inf, 0, cnp.maximum(k, 0)) + 1, mu)
    return cnp.where(k < 0, 0, cnp.where(k == cnp.inf, 1, found))


def entropy(mu: Any, loc: Any = 0) -> Any:
    """The entropy, in nats: a sum over k for rates up to 100, Stirling's series above."""
    mu, _ = promoted("poisson.entropy", mu, loc)
    mu = cnp.asarray(mu)
    few = cnp.where((mu > 100) | (mu == 0), 1, mu)
    k = cnp.reshape(cnp.arange(_TERMS, dtype=mu.dtype), (_TERMS,) + (1,) * mu.ndim)
    # By logarithms, which are finite where probabilities are 0: so is the derivative.
    logs = k * cnp.log(few) - gammaln(k + 1) - few
    summed = cnp.where(mu == 0, 0, -cnp.sum(cnp.exp(logs) * logs, 0))
    many = cnp.where(mu > 100, mu, 100)
    series = 0.5 * cnp.log(2 * math.pi * math.e * many) - ((19 / 360 / many + 1 / 24) / many + 1 / 12) / many
    return cnp.where(mu < 0, cnp.nan, cnp.where(mu > 100, series, summed))
