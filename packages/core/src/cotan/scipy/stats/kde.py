"""Densities estimated from samples by normal kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cotan import lax, random
from cotan import numpy as cnp
from cotan.api import vmap
from cotan.nn.functions import logsumexp
from cotan.numpy import linalg
from cotan.numpy.promotion import as_array, promote_dtypes_inexact
from cotan.scipy.special import ndtr
from cotan.tracebacks import boundary, guarded
from cotan.tree import register_pytree_node

_FIELDS = ("neff", "dataset", "weights", "covariance", "inv_cov")


@guarded
class gaussian_kde:
    """A density as a sum of normal ones around samples. Immutable, and a pytree.

    Args:
      dataset: samples, ``(n,)`` or ``(d, n)``.
      bw_method: the width of the kernels in units of the samples' spread: 'scott' (default), 'silverman', a number, or
        a function of the estimate.
      weights: of the samples, ``(n,)``; default: equal.

    Raises:
      TypeError: complex samples. ValueError: too few samples; weights or bandwidth of the wrong kind.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.stats import gaussian_kde
    >>> estimate = gaussian_kde(cnp.array([-1.0, 0.0, 1.0]))
    >>> bool(abs(estimate.integrate_box_1d(-cnp.inf, 0.0) - 0.5) < 1e-5)
    True
    """

    neff: Any
    dataset: Any
    weights: Any
    covariance: Any
    inv_cov: Any

    @boundary
    def __init__(
        self, dataset: Any, bw_method: str | float | Callable[[Any], Any] | None = None, weights: Any = None
    ) -> None:
        dataset = cnp.atleast_2d(as_array(dataset, "gaussian_kde"))
        if cnp.issubdtype(dataset.dtype, cnp.complexfloating):
            raise TypeError("gaussian_kde: the samples must be real; stack their real and imaginary parts")
        if dataset.ndim != 2 or dataset.size < 2:
            raise ValueError(f"gaussian_kde: the samples must be (n,) or (d, n) with n > 1; got shape {dataset.shape}")
        (dataset,) = promote_dtypes_inexact("gaussian_kde", dataset)
        n = dataset.shape[1]
        if weights is None:
            weights = cnp.full(n, 1 / n, dataset.dtype)
        else:
            weights = cnp.asarray(weights, dataset.dtype)
            if weights.shape != (n,):
                raise ValueError(f"gaussian_kde: there are {n} samples, but weights of shape {weights.shape}")
            weights = weights / cnp.sum(weights)
        self._set(neff=1 / cnp.sum(cnp.square(weights)), dataset=dataset, weights=weights)
        factor = self._bandwidth(bw_method)
        spread = cnp.atleast_2d(cnp.cov(dataset, rowvar=True, bias=False, aweights=weights))
        self._set(covariance=spread * factor**2, inv_cov=linalg.inv(spread) / factor**2)

    def _set(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"gaussian_kde: {name} cannot be set; make another estimate")

    def _bandwidth(self, method: Any) -> Any:
        power = -1.0 / (self.d + 4)
        if method is None or method == "scott":
            return self.neff**power
        if method == "silverman":
            return (self.neff * (self.d + 2) / 4.0) ** power
        if isinstance(method, str):
            raise ValueError(
                f"gaussian_kde: bw_method must be 'scott', 'silverman', a number or a function, got {method!r}"
            )
        return method(self) if callable(method) else method

    @property
    def d(self) -> int:
        """The number of dimensions."""
        return int(self.dataset.shape[0])

    @property
    def n(self) -> int:
        """The number of samples."""
        return int(self.dataset.shape[1])

    def _points(self, points: Any, name: str) -> Any:
        points = cnp.atleast_2d(cnp.asarray(points, self.dataset.dtype))
        if points.shape[0] != self.d and points.shape == (1, self.d):
            points = points.T
        if points.ndim != 2 or points.shape[0] != self.d:
            raise ValueError(
                f"gaussian_kde.{name}: points must be ({self.d}, m) for samples of {self.d} dimensions; got shape "
                f"{points.shape}"
            )
        return points

    def evaluate(self, points: Any) -> Any:
        """The density at points ``(d, m)``: ``(m,)``."""
        return cnp.exp(self.logpdf(points))

    def __call__(self, points: Any) -> Any:
        """The density at points ``(d, m)``."""
        return self.evaluate(points)

    def pdf(self, x: Any) -> Any:
        """The density at points ``(d, m)``."""
        return self.evaluate(x)

    def logpdf(self, x: Any) -> Any:
        """The logarithm of the density at points ``(d, m)``."""
        points = self._points(x, "logpdf")
        white = linalg.cholesky(self.inv_cov).T
        samples = white @ self.dataset
        log_scale = cnp.sum(cnp.log(cnp.diagonal(white))) - 0.5 * self.d * math.log(2 * math.pi)

        def one(point: Any) -> Any:
            return logsumexp(-0.5 * cnp.sum(cnp.square(samples - point[:, None]), 0), b=self.weights)

        return vmap(one, in_axes=1)(white @ points) + log_scale

    def integrate_gaussian(self, mean: Any, cov: Any) -> Any:
        """The integral of the density times a normal one of the given mean ``(d,)`` and covariance ``(d, d)``."""
        mean = cnp.atleast_1d(cnp.squeeze(cnp.asarray(mean, self.dataset.dtype)))
        cov = cnp.atleast_2d(cnp.asarray(cov, self.dataset.dtype))
        if mean.shape != (self.d,) or cov.shape != (self.d, self.d):
            raise ValueError(
                f"gaussian_kde.integrate_gaussian: mean and covariance must be ({self.d},) and ({self.d}, {self.d}); "
                f"got shapes {mean.shape} and {cov.shape}"
            )
        return cnp.sum(self.weights * _overlap(self.covariance + cov, self.dataset - mean[:, None]))

    def integrate_kde(self, other: gaussian_kde) -> Any:
        """The integral of the product of two densities of equal dimension."""
        if other.d != self.d:
            raise ValueError(
                f"gaussian_kde.integrate_kde: the estimates must be of one dimension, got {self.d} and {other.d}"
            )
        apart = self.dataset[:, :, None] - other.dataset[:, None, :]
        overlap = _overlap(self.covariance + other.covariance, cnp.reshape(apart, (self.d, -1)))
        return self.weights @ cnp.reshape(overlap, (self.n, other.n)) @ other.weights

    def integrate_box_1d(self, low: Any, high: Any) -> Any:
        """The probability of the interval (low, high), for samples of one dimension."""
        if self.d != 1:
            raise ValueError(f"gaussian_kde.integrate_box_1d: the samples have {self.d} dimensions; it takes one")
        if cnp.ndim(low) or cnp.ndim(high):
            raise ValueError(
                "gaussian_kde.integrate_box_1d: the limits must be scalars; map over several with cotan.vmap"
            )
        width = cnp.sqrt(self.covariance[0, 0])
        low, high = ((cnp.asarray(x, self.dataset.dtype) - self.dataset[0]) / width for x in (low, high))
        return cnp.sum(self.weights * (ndtr(high) - ndtr(low)))

    def integrate_box(self, low_bounds: Any, high_bounds: Any, maxpts: int | None = None) -> Any:
        """The probability of an interval, for samples of one dimension."""
        return self.integrate_box_1d(cnp.squeeze(cnp.asarray(low_bounds)), cnp.squeeze(cnp.asarray(high_bounds)))

    def set_bandwidth(self, bw_method: Any = None) -> None:
        """Refused: an estimate does not change.

        Raises:
          AttributeError: always.
        """
        raise AttributeError("gaussian_kde: the bandwidth cannot be set; make another estimate with bw_method")

    def resample(self, key: Any, shape: Any = ()) -> Any:
        """New samples from the density: ``(d, *shape)``."""
        for_index, for_noise = random.split(key)
        index = random.choice(for_index, self.n, shape=shape, p=self.weights)
        zero = cnp.zeros(self.d, self.covariance.dtype)
        noise = random.multivariate_normal(for_noise, zero, self.covariance, shape, self.dataset.dtype)
        return self.dataset[:, index] + cnp.moveaxis(noise, -1, 0)


def _overlap(cov: Any, apart: Any) -> Any:
    """The normal densities of covariance ``cov`` at ``apart``, ``(d, m)``."""
    factor = linalg.cholesky(cov)
    white = lax.linalg.triangular_solve(factor, apart, left_side=True, lower=True)
    log_scale = cnp.sum(cnp.log(cnp.diagonal(factor))) + 0.5 * apart.shape[0] * math.log(2 * math.pi)
    return cnp.exp(-0.5 * cnp.sum(cnp.square(white), 0) - log_scale)


def _unflatten(_: None, fields: Any) -> gaussian_kde:
    estimate = object.__new__(gaussian_kde)
    estimate._set(**dict(zip(_FIELDS, fields, strict=True)))
    return estimate


register_pytree_node(gaussian_kde, lambda k: (tuple(getattr(k, name) for name in _FIELDS), None), _unflatten)
