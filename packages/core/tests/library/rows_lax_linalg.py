"""Functions of cotan.lax.linalg, by what their results multiply to."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from library.rows_numpy_products import definite, dominant
from library.table import Operand, row

L = "lax.linalg"
PD = Operand((2, 3, 3), made=definite)
WELL = Operand((3, 3), made=dominant)
TALL = Operand((4, 3), made=dominant)
SPREAD = Operand((3, 3), 0.5, 2, made=lambda x: np.triu(x) + np.diag([0.0, 3.0, 6.0]))
HOW = {"dtypes": "fc", "tol": 60, "slope_tol": 2e-5, "specials": False, "why": "of what is no number there is none"}


def h(x):
    """The conjugate transposes."""
    return x.conj().swapaxes(-1, -2)


def hermitian(x):
    return (x + h(x)) / 2


row(L, "cholesky", PD, **HOW, oracle=lambda x: np.linalg.cholesky(hermitian(x)))
row(L, "cholesky_update", Operand((3, 3), 0.3, 1.0, made=lambda x: np.triu(x) + 2 * np.eye(3)), Operand((3,)),
    **{**HOW, "dtypes": "f"}, oracle=lambda r, w: np.linalg.cholesky(r.T @ r + np.outer(w, w)).T)  # fmt: skip
row(L, "eig", SPREAD, kw={"compute_left_eigenvectors": False, "enable_eigvec_derivs": True}, **{**HOW, "order": 1},
    oracle=lambda x, **_: [part.astype(np.complex128) for part in np.linalg.eig(x)],
    after=lambda x: (x[0], x[1] / x[1].sum(0)))  # fmt: skip
row(L, "eigh", PD, **HOW, after=lambda x: (x[1], (x[0] * x[1][..., None, :]) @ h(x[0])),
    oracle=lambda x: np.linalg.eigh(hermitian(x))[::-1])  # fmt: skip
row(L, "hessenberg", Operand((4, 4)), **{**HOW, "order": 0}, after=lambda x: abs(x[0]) if len(x) == 2 else x,
    oracle=lambda x: _hessenberg(x))  # fmt: skip
row(L, "householder_product", Operand((4, 2), -1, 1), Operand((2,), 0.2, 0.9), **{**HOW, "order": 0},
    oracle=lambda a, taus: _reflections(a, taus)[:, :2])  # fmt: skip
row(L, "ormqr", Operand((4, 2), -1, 1), Operand((2,), 0.2, 0.9), Operand((4, 3)), **{**HOW, "order": 0},
    oracle=lambda a, taus, c: _reflections(a, taus) @ c)  # fmt: skip
row(L, "lu", WELL, **HOW, after=lambda x: x[0], oracle=lambda x: (scipy.linalg.lu_factor(x)[0],))
row(L, "lu_pivots_to_permutation", Operand((3,), 2, 3, np.int32), 4, dtypes="f", order=0, result=np.int32,
    oracle=lambda pivots, n: _swapped(pivots, n))  # fmt: skip
row(L, "qdwh", WELL, **{**HOW, "order": 0}, jit=False, vmap=False, after=lambda x: x[:2],
    oracle=lambda x: scipy.linalg.polar(x))  # fmt: skip
row(L, "qr", TALL, kw={"full_matrices": False}, **HOW, after=lambda x: (x[0] @ x[1], h(x[0]) @ x[0]),
    oracle=lambda x, full_matrices: np.linalg.qr(x))  # fmt: skip
row(L, "schur", SPREAD, **{**HOW, "order": 0}, after=lambda x: (abs(x[0]), abs(x[1])),
    oracle=lambda x: scipy.linalg.schur(x))  # fmt: skip
row(L, "svd", Operand((2, 4, 3)), kw={"full_matrices": False}, **HOW,
    after=lambda x: (x[1], (x[0] * x[1][..., None, :]) @ x[2]),
    oracle=lambda x, full_matrices: (lambda u, s, v: (u, s, v))(*np.linalg.svd(x, full_matrices)))  # fmt: skip
row(L, "symmetric_product", Operand((3, 2)), Operand((3, 3), made=lambda x: x + x.T),
    kw={"alpha": 2.0, "beta": 0.5, "symmetrize_output": True}, **{**HOW, "dtypes": "f"},
    oracle=lambda a, c, alpha, beta, symmetrize_output: alpha * a @ a.T + beta * c)  # fmt: skip
row(L, "triangular_solve", WELL, Operand((3, 2)), kw={"left_side": True, "lower": True}, **HOW,
    oracle=lambda a, b, left_side, lower: np.linalg.solve(np.tril(a), b))  # fmt: skip
row(L, "triangular_solve", WELL, Operand((2, 3)), kw={"transpose_a": True}, **HOW,
    oracle=lambda a, b, transpose_a: np.linalg.solve(np.triu(a), b.T).T)  # fmt: skip
row(L, "tridiagonal", Operand((4, 4), made=definite), **{**HOW, "order": 0}, after=lambda x: (x[1], abs(x[2])),
    oracle=lambda x: _tridiagonal(hermitian(x)))  # fmt: skip
row(L, "tridiagonal_solve", Operand((4,)), Operand((4,), 5, 6), Operand((4,)), Operand((4, 2)),
    **{**HOW, "dtypes": "f"},
    oracle=lambda dl, d, du, b: np.linalg.solve(np.diag(d) + np.diag(dl[1:], -1) + np.diag(du[:-1], 1), b))  # fmt: skip


def _reflections(a, taus):
    """The product of 1 - tau v v* over the columns v of a unit lower triangle."""
    product = np.eye(len(a), dtype=a.dtype)
    for k, tau in enumerate(taus):
        v = a[:, k].copy()
        v[:k], v[k] = 0, 1
        product = product @ (np.eye(len(a)) - tau * np.outer(v, v.conj()))
    return product


def _swapped(pivots, n):
    order = np.arange(n, dtype=np.int32)
    for k, other in enumerate(pivots):
        order[[k, other]] = order[[other, k]]
    return order


def _hessenberg(x):
    """As LAPACK packs it: reflections stand below the first subdiagonal."""
    (gehrd,) = scipy.linalg.get_lapack_funcs(("gehrd",), (x,))
    packed, taus, _ = gehrd(x)
    return packed, taus


def _tridiagonal(x):
    reduced = scipy.linalg.hessenberg(x)
    return None, np.diag(reduced).real, np.diag(reduced, -1), None
