"""Statistics that are compositions: covariance, and what leaves NaNs out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.api.repeated import repeated
from cotan.numpy import contractions, manipulation, reductions, ufuncs
from cotan.numpy.elementwise import truth
from cotan.numpy.promotion import as_array, promote_dtypes_inexact, refuse_out


@repeated(adds_up=True)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    dtype: Any = None,
) -> Any:
    """The covariance matrix of variables in rows (in columns unless ``rowvar``), of ``y``'s too if given.

    Args:
      bias: divide by the number of observations instead of one less.
      ddof: what to subtract from it; overrides ``bias``.
      fweights: how often each observation counts; ``aweights``: its relative importance.
      dtype: in which to compute, and of the result; floating or complex.

    Raises:
      ValueError: more than two dimensions, weights of another length, or another ``dtype``.

    >>> import cotan.numpy as cnp
    >>> cnp.cov(cnp.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    Array([[ 1., -1.],
           [-1.,  1.]], dtype=float32)
    """
    arrays = [_variables(x, rowvar) for x in (m, y) if x is not None]
    x = manipulation.concatenate(promote_dtypes_inexact("cov", *arrays))
    if dtype is not None:
        if not dtypes.issubdtype(dtype, np.inexact):
            raise ValueError(f"cov: dtype must be floating or complex, got {dtypes.short_name(dtype)}")
        x = x.astype(dtype)
    less = (0 if bias else 1) if ddof is None else ddof
    weights = _weights(fweights, aweights, x)
    if weights is None:
        divisor: Any = x.shape[1] - less
        if divisor <= 0:
            return manipulation.squeeze(lax.full((x.shape[0], x.shape[0]), math.nan, x.dtype))
        centred = x - reductions.mean(x, axis=1, keepdims=True)
        scaled = centred
    else:
        total = reductions.sum(weights)
        spread = total if aweights is None else reductions.sum(weights * as_array(aweights, "cov")) / total
        divisor = total - less * (1 if aweights is None else spread)
        centred = x - reductions.sum(x * weights, axis=1, keepdims=True) / total
        scaled = centred * weights
    return manipulation.squeeze(contractions.matmul(scaled, ufuncs.conj(centred).T) / divisor)


def _variables(x: Any, rowvar: bool) -> Any:
    x = as_array(x, "cov")
    if x.ndim > 2:
        raise ValueError(
            f"cov needs at most two dimensions (variables, observations), got shape {tuple(x.shape)}; reshape it"
        )
    if x.ndim < 2:
        return manipulation.reshape(x, (1, -1))
    return x if rowvar or x.shape[0] == 1 else x.T


def _weights(fweights: Any, aweights: Any, x: Any) -> Any:
    weights = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        given = as_array(given, "cov")
        if tuple(given.shape) != (x.shape[1],):
            raise ValueError(
                f"cov: {name} of shape {tuple(given.shape)} for {x.shape[1]} observations; give a vector with one for "
                "each"
            )
        weights = given if weights is None else weights * given
    return weights


@repeated(adds_up=True)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, dtype: Any = None) -> Any:
    """The correlation coefficients of variables, in rows unless ``rowvar`` is false; ``dtype`` as for ``cov``."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviation = ufuncs.sqrt(ufuncs.real(manipulation.diagonal(c)))
    c = c / deviation[:, None] / deviation[None, :]
    if ufuncs.is_complex(c):
        return lax.complex(ufuncs.clip(lax.real(c), -1, 1), ufuncs.clip(lax.imag(c), -1, 1))
    return ufuncs.clip(c, -1, 1)


def _nan_argument(name: str, find: Any, fill: float, a: Any, axis: int | None, out: Any, keepdims: bool) -> Any:
    refuse_out(name, out)
    x = as_array(a, name)
    if not ufuncs.is_inexact(x):
        return find(x, axis=axis, keepdims=keepdims)
    missing = ufuncs.isnan(x)
    places = find(ufuncs.where_(missing, fill, x), axis=axis, keepdims=keepdims)
    return ufuncs.where_(reductions.all(missing, axis=axis, keepdims=keepdims), -1, places)


def nanargmax(a: Any, axis: int | None = None, out: None = None, keepdims: bool = False) -> Any:
    """Index of the largest element that is not NaN; -1 where all are."""
    return _nan_argument("nanargmax", reductions.argmax, -math.inf, a, axis, out, keepdims)


def nanargmin(a: Any, axis: int | None = None, out: None = None, keepdims: bool = False) -> Any:
    """Index of the smallest element that is not NaN; -1 where all are."""
    return _nan_argument("nanargmin", reductions.argmin, math.inf, a, axis, out, keepdims)


def _without_nan(a: Any, name: str, fill: int) -> Any:
    x = as_array(a, name)
    return ufuncs.where_(ufuncs.isnan(x), fill, x) if ufuncs.is_inexact(x) else x


def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """As ``cumsum``, NaNs counting as 0."""
    refuse_out("nancumsum", out)
    return reductions.cumsum(_without_nan(a, "nancumsum", 0), axis=axis, dtype=dtype)


def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """As ``cumprod``, NaNs counting as 1."""
    refuse_out("nancumprod", out)
    return reductions.cumprod(_without_nan(a, "nancumprod", 1), axis=axis, dtype=dtype)


def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Whether values of one dtype become another by a rule of NumPy's.

    >>> can_cast("int32", "int64"), can_cast("float64", "float32"), can_cast("float64", "float32", "same_kind")
    (True, False, True)
    """
    return np.can_cast(from_, to, casting)


def isscalar(element: Any) -> bool:
    """Whether ``element`` is a number or an array without dimensions."""
    return bool(np.isscalar(element)) or (hasattr(element, "dtype") and getattr(element, "ndim", None) == 0)


def iscomplexobj(x: Any) -> bool:
    """Whether the dtype, or that of an array of lists of numbers, is complex.

    >>> import cotan.numpy as cnp
    >>> cnp.iscomplexobj([3, 1j]), cnp.iscomplexobj(cnp.ones(2))
    (True, False)
    """
    dtype = getattr(x, "dtype", None)
    return bool(np.iscomplexobj(x) if dtype is None else dtypes.issubdtype(dtype, np.complexfloating))


def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex."""
    return not iscomplexobj(x)


def iscomplex(x: Any) -> Any:
    """Whether the imaginary part is not 0, elementwise."""
    return truth(ufuncs.imag(x), "iscomplex")


def isreal(x: Any) -> Any:
    """Whether the imaginary part is 0, elementwise."""
    return lax.bitwise_not(iscomplex(x))
