"""The Dirichlet distribution of vectors of sum 1."""

from __future__ import annotations

from typing import Any

from cotan import numpy as cnp
from cotan.scipy.special import gammaln, xlogy
from cotan.scipy.stats._arguments import inexact


def logpdf(x: Any, alpha: Any) -> Any:
    """The logarithm of the density.

    Args:
      x: parts, along the first axis. alpha: ``(n,)``; with n - 1 parts the last one is 1 minus their sum.

    Raises:
      ValueError: alpha is no vector, or x has another number of parts.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.stats import dirichlet
    >>> bool(abs(dirichlet.logpdf(cnp.array([0.2, 0.8]), cnp.ones(2))) < 1e-5)
    True
    """
    x, alpha = inexact("dirichlet.logpdf", x, alpha)
    if alpha.ndim != 1:
        raise ValueError(f"dirichlet.logpdf: alpha must be a vector, got shape {alpha.shape}")
    if x.ndim == 0 or x.shape[0] not in (alpha.shape[0], alpha.shape[0] - 1):
        raise ValueError(
            f"dirichlet.logpdf: x must have {alpha.shape[0]} parts, or one less, along its first axis; got shape "
            f"{x.shape}"
        )
    if x.shape[0] != alpha.shape[0]:
        x = cnp.concatenate([x, 1 - cnp.sum(x, 0, keepdims=True)], 0)
    alpha = cnp.reshape(alpha, alpha.shape + (1,) * (x.ndim - 1))
    constant = gammaln(cnp.sum(alpha)) - cnp.sum(gammaln(alpha))
    valid = cnp.all(x > 0, 0) & (cnp.abs(cnp.sum(x, 0) - 1) < 1e-6)
    log = cnp.sum(xlogy(alpha - 1, cnp.where(x > 0, x, 1)), 0) + constant
    return cnp.where(valid, log, -cnp.inf)


def pdf(x: Any, alpha: Any) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, alpha))
