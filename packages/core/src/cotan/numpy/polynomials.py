"""Polynomials as vectors of coefficients, the highest power first."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.errors import where
from cotan.ir.trace import Tracer
from cotan.numpy import contractions, creation, manipulation, reductions, ufuncs
from cotan.numpy.promotion import as_array, promote_dtypes, promote_dtypes_inexact


def polyval(p: Any, x: Any, *, unroll: int = 16) -> Any:
    """The polynomial with coefficients ``p`` at ``x``, by Horner's rule.

    Args:
      p: coefficients along the first axis, the highest power first.
      unroll: how many steps of the loop are written out at once.

    >>> import cotan.numpy as cnp
    >>> cnp.polyval(cnp.array([1.0, 0.0, -1.0]), cnp.array([2.0, 3.0]))
    Array([3., 8.], dtype=float32)
    """
    p, x = (as_array(v, "polyval") for v in promote_dtypes("polyval", p, x))
    shape = np.broadcast_shapes(p.shape[1:], x.shape)
    result = lax.full(shape, 0, p.dtype)

    def step(value: Any, coefficient: Any) -> tuple[Any, None]:
        return ufuncs.add(ufuncs.multiply(value, x), coefficient), None

    if p.shape[0] <= unroll:
        for n in range(p.shape[0]):
            result, _ = step(result, p[n])
        return result
    return lax.scan(step, result, p, unroll=unroll)[0]


def _vectors(name: str, *given: Any) -> list[Any]:
    found = [manipulation.atleast_1d(as_array(v, name)) for v in given]
    if any(v.ndim != 1 for v in found):
        shapes = ", ".join(str(tuple(v.shape)) for v in found)
        raise ValueError(f"{where()}: {name}: coefficients must be vectors, got shapes {shapes}; ravel them")
    return found


def _front(x: Any, length: int) -> Any:
    """``x`` with zeros before it."""
    return manipulation.pad_with_zeros(x, [(length - x.shape[0], 0)])


def polyadd(a1: Any, a2: Any) -> Any:
    """The sum of two polynomials.

    >>> import cotan.numpy as cnp
    >>> cnp.polyadd(cnp.array([1, 2]), cnp.array([3]))
    Array([1, 5], dtype=int32)
    """
    a, b = _vectors("polyadd", *promote_dtypes("polyadd", a1, a2))
    length = max(a.shape[0], b.shape[0])
    return ufuncs.add(_front(a, length), _front(b, length))


def polysub(a1: Any, a2: Any) -> Any:
    """The difference of two polynomials.

    >>> import cotan.numpy as cnp
    >>> cnp.polysub(cnp.array([1, 2]), cnp.array([3]))
    Array([ 1, -1], dtype=int32)
    """
    return polyadd(a1, ufuncs.negative(a2))


def polymul(a1: Any, a2: Any, *, trim_leading_zeros: bool = False) -> Any:
    """The product of two polynomials.

    Args:
      trim_leading_zeros: whether to drop leading zeros of the operands, whose values must then be known.

    >>> import cotan.numpy as cnp
    >>> cnp.polymul(cnp.array([1, 1]), cnp.array([1, -1]))
    Array([ 1.,  0., -1.], dtype=float32)
    """
    a, b = _vectors("polymul", *promote_dtypes_inexact("polymul", a1, a2))
    if trim_leading_zeros and min(a.shape[0], b.shape[0]) > 1:
        a, b = _trimmed(a, "polymul"), _trimmed(b, "polymul")
    # No coefficients stand for the polynomial 0.
    a, b = (x if x.shape[0] else lax.full((1,), 0, x.dtype) for x in (a, b))
    return contractions.convolve(a, b, mode="full")


def _trimmed(p: Any, name: str) -> Any:
    """``p`` from its first coefficient on that is not 0."""
    known = p.concrete() if isinstance(p, Tracer) else p
    if known is None:
        raise TypeError(
            f"{where()}: {name}: leading zeros of a traced vector cannot be dropped: the shape of the result would "
            "depend on values; leave out trim_leading_zeros"
        )
    held = np.flatnonzero(np.asarray(known))
    return p[int(held[0]) :] if held.size else p[-1:]


def polydiv(u: Any, v: Any, *, trim_leading_zeros: bool = False) -> tuple[Any, Any]:
    """Quotient and remainder of two polynomials.

    Args:
      trim_leading_zeros: whether to drop leading zeros of the remainder, whose values must then be known.

    >>> import cotan.numpy as cnp
    >>> cnp.polydiv(cnp.array([1.0, 0.0, -1.0]), cnp.array([1.0, 1.0]))
    (Array([ 1., -1.], dtype=float32), Array([0., 0., 0.], dtype=float32))
    """
    rest, divisor = _vectors("polydiv", *promote_dtypes_inexact("polydiv", u, v))
    m, n = rest.shape[0] - 1, divisor.shape[0] - 1
    scale = ufuncs.reciprocal(divisor[0])
    quotient = []
    for k in range(max(m - n + 1, 0)):
        leading = scale * rest[k]
        quotient.append(leading)
        rest = rest.at[k : k + n + 1].add(-leading * divisor)
    result = manipulation.stack(quotient) if quotient else lax.full((1,), 0, rest.dtype)
    return result, _trimmed(rest, "polydiv") if trim_leading_zeros else rest


def poly(seq_of_zeros: Any) -> Any:
    """The coefficients of the polynomial with the given zeros, or of a matrix: of its characteristic polynomial.

    >>> import cotan.numpy as cnp
    >>> cnp.poly(cnp.array([1.0, 2.0]))
    Array([ 1., -3.,  2.], dtype=float32)
    """
    (zeros,) = promote_dtypes_inexact("poly", seq_of_zeros)
    zeros = manipulation.atleast_1d(as_array(zeros, "poly"))
    if zeros.ndim == 2:
        from cotan.numpy import linalg

        if zeros.shape[0] != zeros.shape[1]:
            raise ValueError(f"{where()}: poly: a matrix must be square, got shape {tuple(zeros.shape)}")
        real = not ufuncs.is_complex(zeros)
        result = poly(linalg.eigvals(zeros))
        return ufuncs.real(result) if real else result
    if zeros.ndim != 1:
        raise ValueError(f"{where()}: poly takes a vector of zeros or a square matrix, got shape {tuple(zeros.shape)}")
    result = lax.full((1,) if zeros.shape[0] else (), 1, zeros.dtype)
    for k in range(zeros.shape[0]):
        raised = manipulation.pad_with_zeros(result, [(0, 1)])
        result = raised - manipulation.pad_with_zeros(result * zeros[k], [(1, 0)])
    return result


def roots(p: Any, *, strip_zeros: bool = True) -> Any:
    """The zeros of a polynomial, complex, as eigenvalues of its companion matrix.

    Args:
      strip_zeros: whether leading and trailing zeros are dropped first, which needs known values. If not, a zero
        leading coefficient gives NaN.

    >>> import cotan.numpy as cnp
    >>> cnp.sort(cnp.roots(cnp.array([1.0, -3.0, 2.0])).real).round(4)
    Array([1., 2.], dtype=float32)
    """
    from cotan.numpy import linalg

    (p,) = promote_dtypes_inexact("roots", p)
    (p,) = _vectors("roots", p)
    zeros = 0
    if strip_zeros:
        known = p.concrete() if isinstance(p, Tracer) else p
        if known is None:
            raise TypeError(
                f"{where()}: roots: how many zeros a traced polynomial has depends on its values, which are not known; "
                "pass strip_zeros=False, and coefficients that don't begin with zero"
            )
        held = np.flatnonzero(np.asarray(known))
        if not held.size:
            return lax.full((0,), 0, dtypes.to_complex_dtype(p.dtype))
        zeros = p.shape[0] - 1 - int(held[-1])
        p = p[int(held[0]) : int(held[-1]) + 1]
    degree = p.shape[0] - 1
    if degree < 1:
        return lax.full((zeros,), 0, dtypes.to_complex_dtype(p.dtype))
    companion = manipulation.concatenate([-(p[1:] / p[0])[None], creation.eye(degree - 1, degree, dtype=p.dtype)])
    found = linalg.eigvals(companion)
    return manipulation.concatenate([found, lax.full((zeros,), 0, found.dtype)])


def polyder(p: Any, m: int = 1) -> Any:
    """The ``m``-th derivative of a polynomial.

    >>> import cotan.numpy as cnp
    >>> cnp.polyder(cnp.array([1.0, 2.0, 3.0]))
    Array([2., 2.], dtype=float32)
    """
    order = _order("polyder", m)
    (p,) = promote_dtypes_inexact("polyder", p)
    (p,) = _vectors("polyder", p)
    if order == 0:
        return p
    powers = np.arange(p.shape[0] - 1, order - 1, -1)
    factors = np.asarray([math.perm(int(n), order) for n in powers], p.dtype)
    return p[: len(factors)] * factors


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """The ``m``-th antiderivative of a polynomial.

    Args:
      k: the constants of integration, that of the highest order first; one number for all; by default 0.

    >>> import cotan.numpy as cnp
    >>> cnp.polyint(cnp.array([2.0, 2.0]))
    Array([1., 2., 0.], dtype=float32)
    """
    order = _order("polyint", m)
    p, constants = promote_dtypes_inexact("polyint", p, 0 if k is None else k)
    (p,) = _vectors("polyint", p)
    constants = manipulation.atleast_1d(as_array(constants, "polyint"))
    if constants.shape == (1,):
        constants = manipulation.broadcast_to(constants, (order,))
    if tuple(constants.shape) != (order,):
        raise ValueError(
            f"{where()}: polyint: {constants.size} constants for {order} integrations; give one, or as many"
        )
    for n in range(order):
        divisors = np.arange(p.shape[0], 0, -1).astype(p.dtype)
        p = manipulation.concatenate([p / divisors, constants[n : n + 1]])
    return p


def _order(name: str, m: Any) -> int:
    order = operator.index(m)
    if order < 0:
        raise ValueError(f"{where()}: {name}: the order must not be negative, got {order}")
    return order


def polyfit(
    x: Any, y: Any, deg: int, rcond: float | None = None, full: bool = False, w: Any = None, cov: bool | str = False
) -> Any:
    """The polynomial of degree ``deg`` that fits samples best, by least squares.

    Args:
      x: a vector. y: the samples, or a matrix with a set of them in each column.
      rcond: singular values below this multiple of the largest one count as 0.
      full: whether to give residuals, rank, singular values and rcond as well.
      w: weights of the residuals (not of their squares).
      cov: whether to give the coefficients' covariance as well, scaled by the residuals; 'unscaled': not scaled.

    Returns:
      The coefficients, or a tuple of them and what was asked for.

    Raises:
      ValueError: a negative degree, or too few samples for ``cov``. TypeError: shapes that do not fit.

    >>> import cotan.numpy as cnp
    >>> x = cnp.array([0.0, 1.0, 2.0, 3.0])
    >>> bool(cnp.allclose(cnp.polyfit(x, 2 * x**2 + 1, 2), cnp.array([2.0, 0.0, 1.0]), atol=1e-4))
    True
    """
    degree = _order("polyfit", deg)
    x, y = (as_array(v, "polyfit") for v in promote_dtypes_inexact("polyfit", x, y))
    if x.ndim != 1 or not x.size or y.ndim not in (1, 2) or y.shape[0] != x.shape[0]:
        raise TypeError(
            f"{where()}: polyfit takes a vector x that is not empty, and as many samples y, got shapes "
            f"{tuple(x.shape)} and {tuple(y.shape)}"
        )
    from cotan.numpy import linalg

    powers = np.arange(degree, -1, -1).tolist()
    matrix = manipulation.stack([lax.integer_pow(x, n) for n in powers], axis=1)
    target = y
    if w is not None:
        weights = as_array(w, "polyfit").astype(x.dtype)
        if weights.ndim != 1 or weights.shape != x.shape:
            raise TypeError(f"{where()}: polyfit: weights of shape {tuple(weights.shape)} for {x.shape[0]} samples")
        matrix = matrix * weights[:, None]
        target = target * (weights[:, None] if y.ndim == 2 else weights)
    scale = ufuncs.sqrt(reductions.sum(matrix * matrix, axis=0))
    rcond = x.shape[0] * float(dtypes.finfo(x.dtype).eps) if rcond is None else rcond
    found, residuals, rank, singular = linalg.lstsq(matrix / scale, target, rcond)
    found = found / (scale[:, None] if y.ndim == 2 else scale)
    if full:
        return found, residuals, rank, singular, as_array(rcond, "polyfit")
    if not cov:
        return found
    base = linalg.inv(contractions.matmul(matrix.T, matrix) / contractions.outer(scale, scale))
    base = base / contractions.outer(scale, scale)
    if cov == "unscaled":
        factor: Any = 1
    else:
        free = x.shape[0] - degree - 1
        if free <= 0:
            raise ValueError(f"{where()}: polyfit: the covariance needs more than {degree + 1} samples; pass cov=False")
        rest = target - contractions.matmul(matrix, found)
        factor = reductions.sum(rest * rest, axis=0) / free
    return found, base[:, :, None] * factor if y.ndim == 2 else base * factor
