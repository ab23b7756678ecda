"""Window functions, the modified Bessel function that one of them needs, and unwrapping of phases."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.numpy import creation, reductions, selection, ufuncs
from cotan.numpy.promotion import as_array, normalize_axis, promote_args_inexact


def _points(name: str, M: Any) -> int:
    try:
        return operator.index(M)
    except TypeError:
        raise TypeError(f"{name}: the number of points M must be an integer known while tracing, got {M!r}") from None


def _window(name: str, M: Any, function: Any) -> Any:
    """A window of known values, in the default float."""
    return creation.asarray(function(max(_points(name, M), 0)), dtypes.default_float())


def bartlett(M: int) -> Any:
    """The triangular window of M points, 0 at both ends.

    Raises:
      TypeError: M is not an integer.

    >>> import cotan.numpy as cnp
    >>> cnp.bartlett(5)
    Array([0. , 0.5, 1. , 0.5, 0. ], dtype=float32)
    """
    return _window("bartlett", M, np.bartlett)


def blackman(M: int) -> Any:
    """Blackman's window of M points: three cosines. Raises TypeError if M is not an integer."""
    return _window("blackman", M, np.blackman)


def hamming(M: int) -> Any:
    """Hamming's window of M points: a raised cosine, 0.08 at both ends. Raises TypeError if M is not an integer."""
    return _window("hamming", M, np.hamming)


def hanning(M: int) -> Any:
    """Von Hann's window of M points: a raised cosine, 0 at both ends. Raises TypeError if M is not an integer."""
    return _window("hanning", M, np.hanning)


def kaiser(M: int, beta: Any) -> Any:
    """Kaiser's window of M points; the larger ``beta``, the narrower.

    Raises:
      TypeError: M is not an integer.

    >>> import cotan.numpy as cnp
    >>> cnp.kaiser(3, 0.0)
    Array([1., 1., 1.], dtype=float32)
    """
    count = max(_points("kaiser", M), 0)
    dtype = dtypes.default_float()
    if count < 2:
        return creation.ones(count, dtype)
    place = np.linspace(-1, 1, count)
    roots = creation.asarray(np.sqrt(np.maximum(1 - place * place, 0)), dtype)
    beta = as_array(beta, "kaiser").astype(dtype)
    # Both are large: their ratio from scaled values and the difference of exponents.
    scaled = ufuncs.multiply(lax.bessel_i0e(ufuncs.multiply(beta, roots)), 1 / lax.bessel_i0e(beta))
    return ufuncs.multiply(scaled, ufuncs.exp(ufuncs.multiply(ufuncs.absolute(beta), roots - 1)))


def i0(x: Any) -> Any:
    """The modified Bessel function of order 0, elementwise; integers become floats.

    Raises:
      ValueError: ``x`` is complex.

    >>> import cotan.numpy as cnp
    >>> bool(abs(cnp.i0(1.0) - 1.2660659) < 1e-5)
    True
    """
    (x,) = promote_args_inexact("i0", x)
    if dtypes.issubdtype(dtypes.dtype(x), np.complexfloating):
        raise ValueError(f"i0 is defined for real numbers only, got {dtypes.dtype(x)}; pass its real part")
    # |x| has no slope here where it has a kink: the function is even.
    size = ufuncs.multiply(x, lax.stop_gradient(ufuncs.sign(x)))
    return ufuncs.multiply(ufuncs.exp(size), lax.bessel_i0e(x))


def unwrap(p: Any, discont: Any = None, axis: int = -1, period: Any = 2 * math.pi) -> Any:
    """``p`` with multiples of ``period`` added so that neighbours along an axis differ by at most half of it.

    Args:
      p: an array of real numbers.
      discont: jumps below this are left; None, or less than half of the period: that.
      axis: along which.
      period: the period; of integers with an integer one the result is integers.

    Raises:
      ValueError: the axis is out of range, or ``p`` is complex.

    >>> import cotan.numpy as cnp
    >>> cnp.unwrap(cnp.array([0, 3, 6, 1]), period=8)
    Array([0, 3, 6, 9], dtype=int32)
    """
    p = as_array(p, "unwrap")
    if dtypes.issubdtype(p.dtype, np.complexfloating):
        raise ValueError(f"unwrap takes real numbers, got {p.dtype}; pass angles, as cotan.numpy.angle gives them")
    axis = normalize_axis(axis, p.ndim, "unwrap")
    p = p.astype(dtypes.result_type(p, period))
    if p.shape[axis] < 2:
        return p
    whole = bool(dtypes.issubdtype(p.dtype, np.integer))
    half = period // 2 if whole else ufuncs.divide(period, 2)
    steps = selection.diff(p, axis=axis)
    wrapped = ufuncs.remainder(steps + half, period) - half
    # Half a period up and half a period down are the same place: a rising step stays rising.
    ambiguous = ufuncs.equal(wrapped, -half) & (steps > 0)
    if whole:
        ambiguous = ambiguous & ufuncs.equal(ufuncs.remainder(period, 2), 0)
    wrapped = selection.where(ambiguous, half, wrapped)
    least = ufuncs.divide(period, 2) if discont is None else ufuncs.maximum(discont, ufuncs.divide(period, 2))
    correction = selection.where(ufuncs.absolute(steps) < least, 0, wrapped - steps)
    total = reductions.cumsum(correction, axis=axis).astype(p.dtype)
    first = lax.slice_in_dim(p, 0, 1, axis=axis)
    return lax.concatenate([first, lax.slice_in_dim(p, 1, p.shape[axis], axis=axis) + total], axis)
