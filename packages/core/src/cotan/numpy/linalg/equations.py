"""Equations with matrices: solve, inv, least squares, pseudo-inverses, and those of tensors."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.api import custom_jvp
from cotan.api.repeated import repeated
from cotan.numpy import creation, manipulation, reductions, selection, ufuncs
from cotan.numpy.contractions import matmul
from cotan.numpy.linalg.decompositions import adjoint, svd
from cotan.numpy.linalg.operands import check, inexact, matrix
from cotan.numpy.promotion import as_array, broadcast_to_shape
from cotan.primitives.linalg import elimination


def product(x: Any, y: Any) -> Any:
    """The matrix product, as exact as the device can."""
    return matmul(x, y, precision="highest")


# ---- Square equations


@repeated()
def solve(a: Any, b: Any) -> Any:
    """Solve a x = b for square matrices a, by elimination.

    Args:
      a: matrices [.., n, n].
      b: a vector [n], or matrices [.., n, k]; leading axes broadcast.

    Returns:
      x, of the shape of b after broadcasting. Infinities and NaNs where a is singular.

    Raises:
      ValueError: a is not square, or the shapes do not fit.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.solve(cnp.array([[2.0, 0.0], [0.0, 4.0]]), cnp.array([2.0, 2.0]))
    Array([1. , 0.5], dtype=float32)
    """
    a, b = inexact("solve", a, b)
    check("solve", a, square=True, what="a")
    if b.ndim == 0 or b.shape[0 if b.ndim == 1 else -2] != a.shape[-1]:
        raise ValueError(
            f"solve: a of shape {tuple(a.shape)} does not fit b of shape {tuple(b.shape)}; b is a vector (n,) or has "
            "shape (.., n, k), so give several vectors as b[..., None]"
        )
    if b.ndim == 1:
        return manipulation.squeeze(solve_columns(a, b[:, None]), -1)
    return solve_columns(a, b)


def solve_columns(a: Any, b: Any) -> Any:
    """``solve`` for matrices b."""
    if a.ndim == 2 and b.ndim > 2:
        # One matrix, many right-hand sides: they lie beside each other.
        wide = manipulation.moveaxis(b, -2, 0)
        return manipulation.moveaxis(solve_columns(a, wide.reshape(b.shape[-2], -1)).reshape(wide.shape), 0, -2)
    try:
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ValueError(
            f"solve: the leading axes of shapes {tuple(a.shape)} and {tuple(b.shape)} do not broadcast"
        ) from None
    a = broadcast_to_shape(a, (*stack, *a.shape[-2:]))
    b = broadcast_to_shape(b, (*stack, *b.shape[-2:]))
    lu, _, permutation = lax.linalg.lu(lax.stop_gradient(a))
    return elimination.lu_solve(a, lu, permutation, b)


@repeated()
def inv(a: Any) -> Any:
    """Inverses of square matrices; infinities and NaNs where they are singular.

    Raises:
      ValueError: not square matrices.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.inv(cnp.array([[2.0, 0.0], [0.0, 4.0]]))
    Array([[0.5 , 0.  ],
           [0.  , 0.25]], dtype=float32)
    """
    a = matrix("inv", a, square=True)
    return solve_columns(a, manipulation.broadcast_to(creation.eye(a.shape[-1], dtype=a.dtype), a.shape))


# ---- Pseudo-inverses and least squares


@repeated(adds_up=True, large=0)
def pinv(a: Any, rtol: Any = None, hermitian: bool = False, *, rcond: Any = None) -> Any:
    """Pseudo-inverses of matrices, by their singular values.

    Args:
      a: matrices [.., m, n].
      rtol: singular values up to this part of the largest one count as zero; 10 max(m, n) eps if not given.
      hermitian: that a is Hermitian.
      rcond: the same as rtol.

    Raises:
      ValueError: not matrices, or both rtol and rcond.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.pinv(cnp.array([[2.0, 0.0]]))
    Array([[0.5],
           [0. ]], dtype=float32)
    """
    if rcond is not None:
        if rtol is not None:
            raise ValueError("pinv: rtol and rcond mean the same; give one of them")
        rtol = rcond
    a = matrix("pinv", a, square=hermitian)
    m, n = a.shape[-2:]
    if not m or not n:
        return creation.zeros((*a.shape[:-2], n, m), a.dtype)
    if rtol is None:
        rtol = 10.0 * max(m, n) * float(dtypes.finfo(a.dtype).eps)
    rtol = creation.asarray(rtol, dtypes.finfo(a.dtype).dtype)
    return (_pinv_hermitian if hermitian else _pinv_general)(a, rtol)


def _from_parts(u: Any, s: Any, vh: Any, rtol: Any) -> Any:
    kept = s > manipulation.expand_dims(rtol, -1) * s[..., :1]
    inverse = selection.where(kept, 1 / selection.where(kept, s, 1), 0).astype(u.dtype)
    return product(adjoint(vh), inverse[..., None] * adjoint(u))


@custom_jvp
def _pinv_general(a: Any, rtol: Any) -> Any:
    return _from_parts(*lax.linalg.svd(a, full_matrices=False), rtol)


@custom_jvp
def _pinv_hermitian(a: Any, rtol: Any) -> Any:
    return _from_parts(*svd(a, hermitian=True), rtol)


def _pinv_dot(function: Any, primals: Any, tangents: Any) -> Any:
    # G. Golub and V. Pereyra, The differentiation of pseudo-inverses, 1973, for constant rank.
    (a, rtol), (da, _) = primals, tangents
    p = function(a, rtol)
    da_adjoint, p_adjoint = adjoint(da), adjoint(p)
    dot = -product(product(p, da), p)
    first = product(p, product(p_adjoint, da_adjoint))
    second = product(da_adjoint, product(p_adjoint, p))
    dot = dot + first - product(product(first, a), p)
    return p, dot + second - product(p, product(a, second))


@_pinv_general.defjvp
def _(primals: Any, tangents: Any) -> Any:
    return _pinv_dot(_pinv_general, primals, tangents)


@_pinv_hermitian.defjvp
def _(primals: Any, tangents: Any) -> Any:
    return _pinv_dot(_pinv_hermitian, primals, tangents)


@repeated(adds_up=True, large=0)
def lstsq(a: Any, b: Any, rcond: float | None = None, *, numpy_resid: bool = False) -> tuple[Any, Any, Any, Any]:
    """The x of least norm for which the norm of b - a x is least.

    Args:
      a: a matrix [m, n].
      b: a vector [m] or a matrix [m, k].
      rcond: singular values up to this part of the largest one count as zero; max(m, n) eps if not given.
      numpy_resid: residuals as NumPy gives them: none where a has not full rank, or as many rows as columns or fewer;
        that depends on values, so it does not work while tracing.

    Returns:
      (x, residuals, rank, s): the solutions; sums of squares of b - a x, one for each column; the rank of a, int32; its
      singular values.

    Raises:
      ValueError: the shapes do not fit.

    >>> import cotan.numpy as cnp
    >>> x, residuals, rank, s = cnp.linalg.lstsq(cnp.ones((3, 1)), cnp.array([1.0, 2.0, 3.0]))
    >>> round(float(x[0]), 4)
    2.0
    """
    a, b = inexact("lstsq", a, b)
    if a.ndim != 2:
        raise ValueError(f"lstsq: a must be a matrix, got shape {tuple(a.shape)}; map over stacks with vmap")
    if b.ndim not in (1, 2) or b.shape[0] != a.shape[0]:
        raise ValueError(
            f"lstsq: b of shape {tuple(b.shape)} does not fit a of shape {tuple(a.shape)}; it must be (m,) or (m, k)"
        )
    m, n = a.shape
    columns = b[:, None] if b.ndim == 1 else b
    if not m or not n:
        x = creation.zeros((n, columns.shape[1]), a.dtype)
        s = creation.zeros((0,), dtypes.finfo(a.dtype).dtype)
        rank = creation.zeros((), np.int32)
    else:
        eps = float(dtypes.finfo(a.dtype).eps)
        rtol = max(m, n) * eps if rcond is None else eps if rcond < 0 else float(rcond)
        x, s = _least_squares(a, columns, creation.asarray(rtol, dtypes.finfo(a.dtype).dtype))
        rank = reductions.sum((s > rtol * s[0]).astype(np.int32), dtype=np.int32)
    misses = columns - product(a, x)
    residuals = reductions.sum(ufuncs.abs(misses) ** 2, axis=0)
    if numpy_resid and (int(rank) < n or m <= n):
        residuals = creation.zeros((0,), residuals.dtype)
    return (x[:, 0] if b.ndim == 1 else x), residuals, rank, s


@custom_jvp
def _least_squares(a: Any, b: Any, rtol: Any) -> tuple[Any, Any]:
    u, s, vh = lax.linalg.svd(a, full_matrices=False)
    kept = s > rtol * s[0]
    inverse = selection.where(kept, 1 / selection.where(kept, s, 1), 0).astype(u.dtype)
    return product(adjoint(vh), inverse[:, None] * product(adjoint(u), b)), s


@_least_squares.defjvp
def _(primals: Any, tangents: Any) -> Any:
    # The derivative of the pseudo-inverse, applied to b.
    (a, b, rtol), (da, db, _) = primals, tangents
    x, s = _least_squares(a, b, rtol)
    p = _pinv_general(a, rtol)
    u, _, vh = lax.linalg.svd(a, full_matrices=False)
    back = adjoint(da)
    dot = product(p, db - product(da, x)) + product(p, product(adjoint(p), product(back, b - product(a, x))))
    rest = product(back, product(adjoint(p), x))
    s_dot = ufuncs.real(manipulation.diagonal(product(product(adjoint(u), da), adjoint(vh)))).astype(s.dtype)
    return (x, s), (dot + rest - product(p, product(a, rest)), s_dot)


# ---- Tensors


def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of an array as a linear map from its last axes to its first ``ind``.

    Raises:
      ValueError: ``ind`` is not positive, or the two groups of axes have different sizes.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.tensorinv(cnp.eye(4).reshape(2, 2, 4)).shape
    (4, 2, 2)
    """
    a = as_array(a, "tensorinv")
    ind = operator.index(ind)
    rows, columns = tuple(a.shape[:ind]), tuple(a.shape[ind:])
    if ind <= 0 or math.prod(rows) != math.prod(columns):
        raise ValueError(
            f"tensorinv: the first {ind} axes of shape {tuple(a.shape)} must be some, and hold as many elements as the "
            "rest"
        )
    return inv(a.reshape(math.prod(rows), -1)).reshape(columns + rows)


def tensorsolve(a: Any, b: Any, axes: tuple[int, ...] | None = None) -> Any:
    """x with ``tensordot(a, x, x.ndim) = b``.

    Args:
      axes: axes of a that are moved to its end first.

    Raises:
      ValueError: the shapes do not fit.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.tensorsolve(cnp.eye(4).reshape(2, 2, 4), cnp.ones((2, 2)))
    Array([1., 1., 1., 1.], dtype=float32)
    """
    a, b = as_array(a, "tensorsolve"), as_array(b, "tensorsolve")
    if axes is not None:
        moved = tuple(operator.index(d) % a.ndim for d in axes)
        a = manipulation.transpose(a, [*(d for d in range(a.ndim) if d not in moved), *moved])
    shape = tuple(a.shape[b.ndim :])
    if a.shape[: b.ndim] != b.shape or math.prod(shape) != b.size:
        raise ValueError(
            f"tensorsolve: a of shape {tuple(a.shape)} does not map arrays to b of shape {tuple(b.shape)}; its first "
            "axes must be those of b, and the rest hold as many elements"
        )
    return solve(a.reshape(b.size, b.size), manipulation.ravel(b)).reshape(shape)
