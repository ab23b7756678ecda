"""Orthogonal factorisations and condensed forms: qr, svd, eigh, schur, hessenberg, polar."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.api.repeated import repeated
from cotan.numpy.linalg.decompositions import adjoint
from cotan.numpy.linalg.operands import inexact, matrix
from cotan.scipy.linalg.functions import is_complex, product, to_complex


@repeated()
def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    overwrite_a: bool = False,
    check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:
    """Singular values, falling, and vectors: a = u diag(s) vh. The last three arguments change nothing.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.svd(cnp.array([[0.0, 2.0], [1.0, 0.0]]), compute_uv=False)
    Array([2., 1.], dtype=float32)
    """
    out = cnp.linalg.svd(a, full_matrices, compute_uv)
    return tuple(out) if compute_uv else out


@repeated()
def eigh(
    a: Any,
    b: Any = None,
    lower: bool = True,
    eigvals_only: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    turbo: bool = True,
    eigvals: None = None,
    type: int = 1,
    check_finite: bool = True,
) -> Any:
    """Eigenvalues, rising, and eigenvectors of symmetric and Hermitian matrices, a v = w b v if ``b`` is given.

    Args:
      a: matrices [.., n, n], of which one triangle is read.
      b: positive definite matrices of the same shape.
      lower: which triangle is read.
      eigvals_only: return w alone.
      type: 1 (a v = w b v), 2 (a b v = w v) or 3 (b a v = w v).
      overwrite_a, overwrite_b, turbo, check_finite: change nothing.
      eigvals: None; all of them are computed.

    Raises:
      ValueError: a range of eigenvalues is asked for, or another type.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.eigh(cnp.diag(cnp.array([2.0, 1.0])), eigvals_only=True)
    Array([1., 2.], dtype=float32)
    """
    if eigvals is not None:
        raise ValueError("eigh: eigvals must be None: all eigenvalues are computed; select afterwards")
    if type not in (1, 2, 3):
        raise ValueError(f"eigh: type must be 1, 2 or 3, got {type!r}")
    if b is None:
        a = matrix("eigh", a, square=True)
        v, w = lax.linalg.eigh(a, lower=lower, symmetrize_input=False)
        return w if eigvals_only else (w, v)
    a, b = inexact("eigh", a, b)
    if not lower:
        a, b = adjoint(a), adjoint(b)
    factor = lax.linalg.cholesky(b, symmetrize_input=False)
    whole = cnp.tril(a) + adjoint(cnp.tril(a, -1))
    flags: dict[str, Any] = {"lower": True}
    conjugated = is_complex(a)
    if type == 1:
        half = lax.linalg.triangular_solve(factor, whole, left_side=True, **flags)
        inner = lax.linalg.triangular_solve(factor, half, transpose_a=True, conjugate_a=conjugated, **flags)
    else:
        inner = product(product(adjoint(factor), whole), factor)
    v, w = lax.linalg.eigh(inner)
    if eigvals_only:
        return w
    if type == 3:
        return w, product(factor, v)
    return w, lax.linalg.triangular_solve(factor, v, left_side=True, transpose_a=True, conjugate_a=conjugated, **flags)


@repeated()
def qr(
    a: Any,
    overwrite_a: bool = False,
    lwork: Any = None,
    mode: str = "full",
    pivoting: bool = False,
    check_finite: bool = True,
) -> Any:
    """The factorisation a = Q R, with orthonormal columns of Q and upper triangular R.

    Args:
      a: matrices [.., m, n].
      mode: 'full', 'economic' (Q with min(m, n) columns) or 'r' (R alone, as a tuple).
      pivoting: exchange columns, so that the diagonal of R falls; one more result says how: a[:, p] = Q R.
      overwrite_a, lwork, check_finite: change nothing.

    Raises:
      ValueError: another mode.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.qr(cnp.ones((3, 2)), mode="economic")[0].shape
    (3, 2)
    """
    if mode not in ("full", "economic", "r"):
        raise ValueError(f"qr: mode must be 'full', 'economic' or 'r', got {mode!r}")
    q, *rest = lax.linalg.qr(matrix("qr", a), pivoting=pivoting, full_matrices=mode != "economic")
    return tuple(rest) if mode == "r" else (q, *rest)


def qr_multiply(
    a: Any,
    c: Any,
    mode: str = "right",
    pivoting: bool = False,
    conjugate: bool = False,
    overwrite_a: bool = False,
    overwrite_c: bool = False,
) -> Any:
    """The product of ``c`` with the Q of a = Q R (of min(m, n) columns), and R.

    Args:
      a: matrices [.., m, n].
      c: a matrix or a vector.
      mode: 'right' for c Q, 'left' for Q c.
      pivoting: as for ``qr``.
      conjugate: use the complex conjugate of Q.
      overwrite_a, overwrite_c: change nothing.

    Returns:
      (product, R), or (product, R, p).

    Raises:
      ValueError: another mode, or the shapes do not fit.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.qr_multiply(cnp.eye(2), cnp.ones((3, 2)))[0].shape
    (3, 2)
    """
    if mode not in ("left", "right"):
        raise ValueError(f"qr_multiply: mode must be 'left' or 'right', got {mode!r}")
    a, c = inexact("qr_multiply", a, c)
    q, *rest = lax.linalg.qr(a, pivoting=pivoting, full_matrices=False)
    q = cnp.conj(q) if conjugate else q
    if mode == "right":
        return (product(c, q), *rest)
    if c.shape[0 if c.ndim == 1 else -2] == q.shape[-2] != q.shape[-1]:
        q = lax.linalg.qr(a, pivoting=pivoting, full_matrices=True)[0]
        q = cnp.conj(q) if conjugate else q
    return (product(q, c), *rest)


@repeated()
def schur(a: Any, output: str = "real") -> tuple[Any, Any]:
    """Schur's form a = Z T Z**H, with orthonormal Z and upper triangular T.

    Args:
      a: matrices [.., n, n].
      output: 'real' (real T for real a, with blocks of two rows for complex eigenvalues) or 'complex'.

    Raises:
      ValueError: another output.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.schur(cnp.array([[1.0, 2.0], [0.0, 3.0]]))[0]
    Array([[1., 2.],
           [0., 3.]], dtype=float32)
    """
    if output not in ("real", "complex"):
        raise ValueError(f"schur: output must be 'real' or 'complex', got {output!r}")
    a = matrix("schur", a, square=True)
    t, z = lax.linalg.schur(to_complex(a) if output == "complex" else a)
    return t, z


@repeated()
def hessenberg(a: Any, *, calc_q: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """Hessenberg's form a = Q H Q**H, with zeros below the first subdiagonal of H.

    Args:
      a: matrices [.., n, n].
      calc_q: return (H, Q) in place of H.
      overwrite_a, check_finite: change nothing.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.hessenberg(cnp.ones((3, 3))).shape
    (3, 3)
    """
    a = matrix("hessenberg", a, square=True)
    n = a.shape[-1]
    packed, taus = lax.linalg.hessenberg(a)
    h = cnp.triu(packed, -1)
    if not calc_q:
        return h
    if n < 2:
        return h, cnp.broadcast_to(cnp.eye(n, dtype=a.dtype), a.shape)
    q = lax.linalg.householder_product(packed[..., 1:, :-1], taus)
    q = cnp.pad(q, [(0, 0)] * (a.ndim - 2) + [(1, 0), (1, 0)])
    corner = (np.arange(n)[:, None] == 0) & (np.arange(n) == 0)
    return h, cnp.where(corner, 1, q).astype(a.dtype)


@repeated(adds_up=True, large=0)
def polar(
    a: Any, side: str = "right", *, method: str = "qdwh", eps: float | None = None, max_iterations: int | None = None
) -> tuple[Any, Any]:
    """The polar decomposition a = u p, or p u for ``side`` 'left': u with orthonormal columns or rows, p Hermitian.

    Args:
      a: a matrix [m, n].
      side: on which side of u p stands.
      method: 'qdwh' (as many rows as columns or more; for 'left', columns) or 'svd' (any matrix).
      eps, max_iterations: see lax.linalg.qdwh.

    Raises:
      ValueError: another side or method, or a shape that the method does not know.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> u, p = linalg.polar(cnp.array([[0.0, -2.0], [2.0, 0.0]]))
    >>> bool(cnp.allclose(p, 2 * cnp.eye(2), atol=1e-5))
    True
    """
    if side not in ("right", "left"):
        raise ValueError(f"polar: side must be 'right' or 'left', got {side!r}")
    a = matrix("polar", a)
    if a.ndim != 2:
        raise ValueError(f"polar needs a matrix, got shape {tuple(a.shape)}; map over stacks with vmap")
    m, n = a.shape
    if method == "svd":
        w, s, vh = lax.linalg.svd(a, full_matrices=False)
        u = product(w, vh)
        if side == "right":
            return u, product(adjoint(vh) * s.astype(a.dtype), vh)
        return u, product(w * s.astype(a.dtype), adjoint(w))
    if method != "qdwh":
        raise ValueError(f"polar: method must be 'qdwh' or 'svd', got {method!r}")
    if (m < n) if side == "right" else (m > n):
        raise ValueError(
            f"polar: method 'qdwh' needs {'m >= n' if side == 'right' else 'm <= n'} for side={side!r}, got shape "
            f"{tuple(a.shape)}; use method='svd'"
        )
    u, h, _, _ = lax.linalg.qdwh(a if side == "right" else adjoint(a), eps=eps, max_iterations=max_iterations)
    return (u, h) if side == "right" else (adjoint(u), h)


def eigh_tridiagonal(
    d: Any,
    e: Any,
    *,
    eigvals_only: bool = False,
    select: str = "a",
    select_range: tuple[float, float] | None = None,
    tol: float | None = None,
    key: Any = None,
) -> Any:
    """Eigenvalues, rising, and eigenvectors of real symmetric tridiagonal matrices.

    Args:
      d: the diagonal [n]. e: the one beside it [n - 1].
      eigvals_only: return w alone.
      select: 'a' for all, or 'i' for those of places ``select_range`` (first, last), counted from the least.
      tol, key: for iterations, of which there are none here.

    Raises:
      ValueError: another ``select``, no range, or vectors that do not fit.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.eigh_tridiagonal(cnp.array([2.0, 1.0]), cnp.zeros(1), eigvals_only=True)
    Array([1., 2.], dtype=float32)
    """
    if select not in ("a", "i"):
        raise ValueError(f"eigh_tridiagonal: select must be 'a' or 'i', got {select!r}; select by value afterwards")
    d, e = inexact("eigh_tridiagonal", d, e)
    if d.ndim != 1 or tuple(e.shape) != (max(d.shape[0] - 1, 0),):
        raise ValueError(
            f"eigh_tridiagonal needs vectors (n,) and (n - 1,), got shapes {tuple(d.shape)} and {tuple(e.shape)}"
        )
    if select == "i" and select_range is None:
        raise ValueError("eigh_tridiagonal: select='i' needs select_range, a pair of places")
    if is_complex(d):
        raise ValueError(f"eigh_tridiagonal takes real diagonals, got {dtypes.short_name(d.dtype)}")
    whole = cnp.diag(d) + (cnp.diag(e, 1) + cnp.diag(e, -1) if d.shape[0] > 1 else 0)
    v, w = lax.linalg.eigh(whole, symmetrize_input=False)
    if select == "i" and select_range is not None:
        first, last = int(select_range[0]), int(select_range[1]) + 1
        v, w = v[:, first:last], w[first:last]
    return w if eigvals_only else (w, v)
