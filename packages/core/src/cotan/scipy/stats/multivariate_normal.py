"""The multivariate normal distribution of mean vector and covariance matrix."""

from __future__ import annotations

import math
from typing import Any

from cotan import numpy as cnp
from cotan.scipy.stats._arguments import inexact


def logpdf(x: Any, mean: Any, cov: Any, allow_singular: None = None) -> Any:
    """The logarithm of the density.

    Args:
      x: vectors, ``(..., n)``. mean: ``(..., n)``, or a scalar: then x is of scalars. cov: ``(..., n, n)``, or a scalar
        variance of all components.
      allow_singular: must be None.

    Raises:
      ValueError: ``allow_singular`` is given, or shapes do not belong together.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.stats import multivariate_normal
    >>> bool(abs(multivariate_normal.logpdf(cnp.zeros(2), cnp.zeros(2), 1.0) + 1.837877) < 1e-5)
    True
    """
    if allow_singular is not None:
        raise ValueError("multivariate_normal.logpdf: singular covariances have no density; leave allow_singular out")
    x, mean, cov = inexact("multivariate_normal.logpdf", x, mean, cov)
    log_2pi = math.log(2 * math.pi)
    if not mean.shape:
        return -0.5 * cnp.square(x - mean) / cov - 0.5 * (log_2pi + cnp.log(cov))
    n = mean.shape[-1]
    if not cov.shape:
        return -0.5 * cnp.sum(cnp.square(x - mean), -1) / cov - 0.5 * n * (log_2pi + cnp.log(cov))
    if cov.ndim < 2 or cov.shape[-2:] != (n, n):
        raise ValueError(
            f"multivariate_normal.logpdf: for a mean of shape {mean.shape} the covariance must be a scalar or "
            f"(..., {n}, {n}); got shape {cov.shape}"
        )
    from cotan.lax import linalg

    factor = linalg.cholesky(cov)
    apart = x - mean
    batch = cnp.broadcast_shapes(apart.shape[:-1], factor.shape[:-2])
    spread = cnp.broadcast_to(factor, (*batch, n, n)), cnp.broadcast_to(apart, (*batch, n))[..., None]
    white = linalg.triangular_solve(*spread, left_side=True, lower=True)[..., 0]
    log_det = cnp.sum(cnp.log(cnp.diagonal(factor, axis1=-2, axis2=-1)), -1)
    return -0.5 * cnp.sum(cnp.square(white), -1) - 0.5 * n * log_2pi - log_det


def pdf(x: Any, mean: Any, cov: Any) -> Any:
    """The density."""
    return cnp.exp(logpdf(x, mean, cov))
