"""Equations and the factorisations that solve them: LU, Cholesky, triangular ones, Sylvester's."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import lax
from cotan import numpy as cnp
from cotan.api.repeated import repeated
from cotan.numpy.linalg.decompositions import adjoint
from cotan.numpy.linalg.equations import solve_columns
from cotan.numpy.linalg.operands import check, inexact, matrix
from cotan.scipy.linalg.functions import is_complex, product, sylvester_triangular, to_complex


def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """Determinants of square matrices. The other arguments change nothing.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.det(2 * cnp.eye(2))
    Array(4., dtype=float32)
    """
    return cnp.linalg.det(a)


def inv(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """Inverses of square matrices. The other arguments change nothing.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.inv(2 * cnp.eye(1))
    Array([[0.5]], dtype=float32)
    """
    return cnp.linalg.inv(a)


@repeated()
def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The upper triangular U with U**H U = a, or (``lower``) L with L L**H = a, for positive definite a.

    Returns:
      The factor; NaN where a is not positive definite. The other arguments change nothing.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.cholesky(cnp.array([[4.0, 2.0], [2.0, 2.0]]))
    Array([[2., 1.],
           [0., 1.]], dtype=float32)
    """
    a = matrix("cholesky", a, square=True)
    # One triangle is enough: the other one is not read.
    factor = lax.linalg.cholesky(a if lower else adjoint(a), symmetrize_input=False)
    return factor if lower else adjoint(factor)


def cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, bool]:
    """The Cholesky factor of a, for ``cho_solve``, and which one it is.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.cho_solve(linalg.cho_factor(4 * cnp.eye(2)), cnp.ones(2))
    Array([0.25, 0.25], dtype=float32)
    """
    return cholesky(a, lower), lower


@repeated()
def cho_solve(c_and_lower: tuple[Any, bool], b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    """Solve a x = b by what ``cho_factor`` gave for a.

    Raises:
      ValueError: the shapes do not fit.
    """
    factor, lower = c_and_lower
    factor, b = inexact("cho_solve", factor, b)
    check("cho_solve", factor, square=True, what="the factor")
    b, vector = _columns("cho_solve", factor, b)
    factor, b = _one_stack(factor, b)
    flags: dict[str, Any] = {"left_side": True, "lower": lower}
    y = lax.linalg.triangular_solve(factor, b, transpose_a=not lower, conjugate_a=not lower, **flags)
    x = lax.linalg.triangular_solve(factor, y, transpose_a=lower, conjugate_a=lower, **flags)
    return x[..., 0] if vector else x


def _columns(name: str, a: Any, b: Any) -> tuple[Any, bool]:
    """``b`` as matrices, and whether it was a vector.

    Raises:
      ValueError: it does not fit ``a``.
    """
    vector = b.ndim == 1
    if b.ndim == 0 or b.shape[0 if vector else -2] != a.shape[-2]:
        raise ValueError(f"{name}: a matrix of shape {tuple(a.shape)} does not fit b of shape {tuple(b.shape)}")
    return (b[:, None] if vector else b), vector


def _one_stack(*matrices: Any) -> list[Any]:
    stack = np.broadcast_shapes(*(x.shape[:-2] for x in matrices))
    return [cnp.broadcast_to(x, (*stack, *x.shape[-2:])) for x in matrices]


@repeated()
def lu(a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The factorisation a = P L U, with ones on the diagonal of L.

    Args:
      a: matrices [.., m, n].
      permute_l: return (P L, U) in place of (P, L, U).

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.lu(cnp.array([[1.0, 2.0], [2.0, 2.0]]))[2]
    Array([[2., 2.],
           [0., 1.]], dtype=float32)
    """
    a = matrix("lu", a)
    packed, _, permutation = lax.linalg.lu(a)
    m, n = a.shape[-2:]
    k = min(m, n)
    lower = cnp.tril(packed[..., :k], -1) + cnp.eye(m, k, dtype=a.dtype)
    upper = cnp.triu(packed[..., :k, :])
    p = (permutation[..., None, :] == np.arange(m)[:, None]).astype(cnp.abs(a).dtype)
    if permute_l:
        return cnp.matmul(p.astype(a.dtype), lower, precision="highest"), upper
    return p, lower, upper


@repeated()
def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, Any]:
    """(lu, pivots) of a, for ``lu_solve``: L and U in one matrix, and the rows that were exchanged.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.lu_solve(linalg.lu_factor(4 * cnp.eye(2)), cnp.ones(2))
    Array([0.25, 0.25], dtype=float32)
    """
    packed, pivots, _ = lax.linalg.lu(matrix("lu_factor", a))
    return packed, pivots


@repeated()
def lu_solve(
    lu_and_piv: tuple[Any, Any], b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True
) -> Any:
    """Solve a x = b, a**T x = b (``trans`` 1) or a**H x = b (2) by what ``lu_factor`` gave for a.

    Raises:
      ValueError: another ``trans``, or the shapes do not fit.
    """
    if trans not in (0, 1, 2):
        raise ValueError(f"lu_solve: trans must be 0, 1 or 2, got {trans!r}")
    packed, b = inexact("lu_solve", lu_and_piv[0], b)
    check("lu_solve", packed, square=True, what="the factors")
    b, vector = _columns("lu_solve", packed, b)
    pivots = cnp.asarray(lu_and_piv[1]).astype(np.int32)
    permutation = lax.linalg.lu_pivots_to_permutation(pivots, packed.shape[-1])
    packed, b = _one_stack(packed, b)
    permutation = cnp.broadcast_to(permutation, packed.shape[:-1])
    x = _apply_lu(packed, permutation, b, trans)
    return x[..., 0] if vector else x


def _apply_lu(packed: Any, permutation: Any, b: Any, trans: int) -> Any:
    if trans == 0:
        b = cnp.take_along_axis(b, permutation[..., None], -2)
        y = lax.linalg.triangular_solve(packed, b, left_side=True, lower=True, unit_diagonal=True)
        return lax.linalg.triangular_solve(packed, y, left_side=True)
    flags: dict[str, Any] = {"left_side": True, "transpose_a": True, "conjugate_a": trans == 2}
    y = lax.linalg.triangular_solve(packed, b, **flags)
    z = lax.linalg.triangular_solve(packed, y, lower=True, unit_diagonal=True, **flags)
    return cnp.take_along_axis(z, cnp.argsort(permutation, axis=-1)[..., None], -2)


@repeated()
def solve(
    a: Any,
    b: Any,
    lower: bool = False,
    overwrite_a: bool = False,
    overwrite_b: bool = False,
    debug: bool = False,
    check_finite: bool = True,
    assume_a: str = "gen",
) -> Any:
    """Solve a x = b for square matrices a.

    Args:
      a: matrices [.., n, n].
      b: a vector [n], or matrices [.., n, k].
      lower: which triangle is factored if ``assume_a`` is 'pos'; derivatives are those of the equation with all of a.
      assume_a: 'gen', 'sym', 'her' (all three by LU), or 'pos' (positive definite: by Cholesky).
      overwrite_a, overwrite_b, debug, check_finite: change nothing.

    Raises:
      ValueError: another ``assume_a``, or the shapes do not fit.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.solve(4 * cnp.eye(2), cnp.ones(2), assume_a="pos")
    Array([0.25, 0.25], dtype=float32)
    """
    if assume_a not in ("gen", "sym", "her", "pos"):
        raise ValueError(f"solve: assume_a must be 'gen', 'sym', 'her' or 'pos', got {assume_a!r}")
    if assume_a != "pos":
        return cnp.linalg.solve(a, b)
    a, b = inexact("solve", a, b)
    check("solve", a, square=True, what="a")
    b, vector = _columns("solve", a, b)
    a, b = _one_stack(a, b)
    factors = cho_factor(lax.stop_gradient(a), lower)  # of which derivatives need no other ones
    x = lax.custom_linear_solve(
        lambda y: product(a, y),
        b,
        lambda _, c: cho_solve(factors, c),
        lambda _, c: cnp.conj(cho_solve(factors, cnp.conj(c))),
    )
    return x[..., 0] if vector else x


_TRANS = {
    0: (False, False),
    "N": (False, False),
    1: (True, False),
    "T": (True, False),
    2: (True, True),
    "C": (True, True),
}


@repeated()
def solve_triangular(
    a: Any,
    b: Any,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
    overwrite_b: bool = False,
    debug: Any = None,
    check_finite: bool = True,
) -> Any:
    """Solve a x = b for triangular matrices a, of which the other triangle is not read.

    Args:
      trans: 0 or 'N'; 1 or 'T' for the transpose of a; 2 or 'C' for its adjoint.
      lower: which triangle is read.
      unit_diagonal: take the diagonal for ones, unread.
      overwrite_b, debug, check_finite: change nothing.

    Raises:
      ValueError: another ``trans``, or the shapes do not fit.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.solve_triangular(cnp.array([[1.0, 1.0], [0.0, 2.0]]), cnp.array([2.0, 2.0]))
    Array([1., 1.], dtype=float32)
    """
    if trans not in _TRANS:
        raise ValueError(f"solve_triangular: trans must be 0, 1, 2, 'N', 'T' or 'C', got {trans!r}")
    turn, conjugate = _TRANS[trans]
    a, b = inexact("solve_triangular", a, b)
    check("solve_triangular", a, square=True, what="a")
    b, vector = _columns("solve_triangular", a, b)
    a, b = _one_stack(a, b)
    x = lax.linalg.triangular_solve(
        a, b, left_side=True, lower=lower, transpose_a=turn, conjugate_a=conjugate, unit_diagonal=unit_diagonal
    )
    return x[..., 0] if vector else x


def solve_sylvester(A: Any, B: Any, C: Any, *, method: str = "schur", tol: float = 1e-8) -> Any:
    """Solve A X + X B = C.

    Args:
      A: a matrix [m, m]. B: [n, n]. C: [m, n].
      method: 'schur', or 'eigen' (faster; for matrices with a full set of eigenvectors).
      tol: the equation counts as singular where the sum of an eigenvalue of A and one of B is less: the result is NaN.

    Raises:
      ValueError: another method, or the shapes do not fit.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> x = linalg.solve_sylvester(cnp.eye(2), cnp.eye(2), 2 * cnp.eye(2))
    >>> bool(cnp.allclose(x, cnp.eye(2), atol=1e-5))
    True
    """
    if method not in ("schur", "eigen"):
        raise ValueError(f"solve_sylvester: method must be 'schur' or 'eigen', got {method!r}")
    a, b, c = inexact("solve_sylvester", A, B, C)
    check("solve_sylvester", a, square=True, what="A")
    check("solve_sylvester", b, square=True, what="B")
    if c.shape != (a.shape[-1], b.shape[-1]) or a.ndim != 2 or b.ndim != 2:
        raise ValueError(
            f"solve_sylvester: shapes {tuple(a.shape)}, {tuple(b.shape)} and {tuple(c.shape)} do not fit: (m, m), (n, "
            "n) and (m, n)"
        )
    if method == "schur":
        (r, u), (s, v) = (lax.linalg.schur(to_complex(x)) for x in (a, b))
        f = product(product(adjoint(u), to_complex(c)), v)
        y = sylvester_triangular(r, s, f)
        back: Any = adjoint(v)
    else:
        (w, u), (z, v) = (lax.linalg.eig(x, compute_left_eigenvectors=False) for x in (a, b))
        r, s = cnp.diag(w), cnp.diag(z)
        y = solve_columns(u, product(to_complex(c), v)) / (w[:, None] + z[None, :])
        back = cnp.linalg.inv(v)
    sums = cnp.abs(cnp.diagonal(r)[:, None] + cnp.diagonal(s)[None, :])
    x = product(product(u, y), back)
    x = cnp.where(cnp.any(sums < tol), np.nan, x)
    return x if is_complex(c) or is_complex(a) or is_complex(b) else cnp.real(x).astype(c.dtype)
