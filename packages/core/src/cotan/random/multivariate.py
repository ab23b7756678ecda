"""Random vectors and matrices: multivariate normal numbers, orthogonal matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.numpy import linalg
from cotan.random.arguments import Shape, common_shape, extents, float_dtype
from cotan.random.sampling import normal

_METHODS = ("cholesky", "eigh", "svd")


def multivariate_normal(
    key: Any,
    mean: Any,
    cov: Any,
    shape: Shape | None = None,
    dtype: Any = None,
    method: str = "cholesky",
    *,
    out_sharding: Any = None,
) -> Any:
    """Normal vectors along a new last axis.

    Args:
      mean: ``(..., n)``. cov: covariances, symmetric positive, ``(..., n, n)``.
      shape: of the batch; default: what the leading axes of mean and cov broadcast to.
      method: how the covariance is factored: 'cholesky' (positive definite only), 'eigh' or 'svd'.
      out_sharding: accepted, and without meaning on one device.

    Raises:
      ValueError: another method; shapes that do not belong together.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.random.multivariate_normal(cotan.random.key(0), cnp.zeros(2), cnp.eye(2), (5,)).shape
    (5, 2)
    """
    dtype = float_dtype(dtype, "multivariate_normal")
    if method not in _METHODS:
        raise ValueError(f"multivariate_normal: method must be one of {', '.join(_METHODS)}; got {method!r}")
    mean, cov = cnp.asarray(mean, dtype), cnp.asarray(cov, dtype)
    if mean.ndim < 1 or cov.ndim < 2 or cov.shape[-2:] != (mean.shape[-1],) * 2:
        raise ValueError(
            f"multivariate_normal: mean (..., n) and cov (..., n, n) must be of one n; got shapes {mean.shape} and "
            f"{cov.shape}"
        )
    batch = common_shape(
        shape, "multivariate_normal", *(np.empty(s, np.bool_) for s in (mean.shape[:-1], cov.shape[:-2]))
    )
    drawn = normal(key, (*batch, mean.shape[-1]), dtype)
    return mean + cnp.einsum("...ij,...j->...i", _factor(cov, method), drawn)


def _factor(cov: Any, method: str) -> Any:
    if method == "svd":
        u, s, _ = linalg.svd(cov)
        return u * cnp.sqrt(s[..., None, :])
    if method == "eigh":
        w, v = linalg.eigh(cov)
        return v * cnp.sqrt(w[..., None, :])
    return linalg.cholesky(cov)


def orthogonal(
    key: Any, n: int, shape: Shape = (), dtype: Any = None, m: int | None = None, *, out_sharding: Any = None
) -> Any:
    """Matrices uniform among the orthogonal (complex dtypes: unitary) ones, ``(*shape, n, m)``; m is n by default.

    With n and m different, the shorter side is orthonormal. (F. Mezzadri, "How to generate random matrices from the
    classical compact groups", 2007.)

    >>> import cotan
    >>> cotan.random.orthogonal(cotan.random.key(0), 3, (2,)).shape
    (2, 3, 3)
    """
    dtype = np.dtype(dtypes.default_float() if dtype is None else dtypes.check_user_dtype(dtype, "orthogonal"))
    if not dtypes.issubdtype(dtype, np.inexact):
        raise ValueError(f"orthogonal: dtype must be a floating or complex dtype, got {dtype}")
    rows, columns = extents((n, n if m is None else m), "orthogonal")
    shape = extents(shape, "orthogonal")
    q, r = linalg.qr(normal(key, (*shape, max(rows, columns), min(rows, columns)), dtype))
    # Signs that make the factorisation unique make q uniform.
    signs = lax.sign(cnp.diagonal(r, axis1=-2, axis2=-1))
    q = q * signs[..., None, :]
    return cnp.swapaxes(q, -1, -2) if rows < columns else q
