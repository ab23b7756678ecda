"""Functions of cotan.scipy.linalg, against SciPy; of factorisations, what is unique."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from library.rows_numpy_products import definite, dominant
from library.table import Operand, row

from cotan import numpy as cnp

L = "scipy.linalg"
PD, WELL = Operand((3, 3), made=definite), Operand((3, 3), made=dominant)
TALL, B = Operand((4, 3), made=dominant), Operand((3, 2))
_TURN = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
# Real eigenvalues that are apart, and no matrix of zeros below the diagonal.
SPREAD = Operand((3, 3), 0.5, 2, made=lambda x: _TURN @ (np.triu(x) + np.diag([0.0, 3.0, 6.0])) @ _TURN.T)
SMALL = Operand((3, 3), -0.5, 0.5)
EYE = Operand((3, 3), made=lambda x: np.eye(3))
HOW = {"tol": 100, "slope_tol": 2e-5, "specials": False, "why": "SciPy refuses what is no number"}
FC, F = {"dtypes": "fc", **HOW}, {"dtypes": "f", **HOW}


def h(x):
    return x.conj().T


def hermitian(f):
    """The oracle of the Hermitian part: derivatives are along it alone."""
    return lambda x, *args, **kwargs: f((x + h(x)) / 2, *args, **kwargs)


for name in ("det", "inv"):
    row(L, name, WELL, **FC)
row(L, "cholesky", PD, **FC, oracle=hermitian(scipy.linalg.cholesky))
row(L, "cholesky", PD, **FC, kw={"lower": True}, oracle=hermitian(scipy.linalg.cholesky))
row(L, "cho_factor", PD, **FC, after=lambda x: x[0], oracle=lambda x: (scipy.linalg.cholesky((x + h(x)) / 2), False))
row(L, "cho_solve", (Operand((3, 3), made=lambda x: np.tril(x) + 3 * np.eye(3)), True), B, **FC,
    oracle=lambda c, b: np.linalg.solve(np.tril(c[0]) @ h(np.tril(c[0])), b))  # fmt: skip
row(L, "lu", WELL, **FC)
row(L, "lu", Operand((4, 3), made=dominant), **FC, kw={"permute_l": True})
row(L, "lu_factor", WELL, **FC, after=lambda x: x[0])
row(L, "lu_solve", (WELL, np.array([0, 1, 2], np.int32)), B, **FC)
for trans in (1, 2):
    row(L, "lu_solve", (WELL, np.array([1, 1, 2], np.int32)), B, trans, **FC)
row(L, "solve", WELL, B, **FC)
row(
    L,
    "solve",
    # Values are those of one triangle, derivatives along all of it: those are in tests of scipy.linalg.
    Operand((3, 3), made=definite, slope=False),
    Operand((3,)),
    **FC,
    kw={"assume_a": "pos"},
    oracle=hermitian(lambda a, b, assume_a: np.linalg.solve(a, b)),
)
row(L, "solve_triangular", WELL, B, **FC, kw={"lower": True})
row(L, "solve_triangular", WELL, Operand((3,)), **FC, kw={"trans": "C", "unit_diagonal": True})
row(L, "solve_sylvester", WELL, Operand((2, 2), made=dominant), B, **FC)
row(L, "svd", Operand((4, 3)), **FC, kw={"full_matrices": False}, after=lambda x: (x[1], (x[0] * x[1]) @ x[2]))
row(L, "svd", Operand((3, 4)), **FC, kw={"compute_uv": False})
row(L, "qr", TALL, **FC, kw={"mode": "economic"}, after=lambda x: (x[0] @ x[1], abs(x[1])))
row(L, "qr", TALL, **FC, kw={"mode": "r"}, after=lambda x: abs(x[0]))
row(L, "qr_multiply", TALL, Operand((2, 4)), **FC, after=lambda x: (abs(x[0]), abs(x[1])))
row(L, "eigh", PD, **FC, kw={"eigvals_only": True}, oracle=hermitian(scipy.linalg.eigh))
row(L, "eigh", PD, **FC, after=lambda x: (x[0], (x[1] * x[0] ** 3) @ h(x[1])), oracle=hermitian(scipy.linalg.eigh))
row(L, "eigh", PD, Operand((3, 3), made=definite), **FC, after=lambda x: x[0],
    oracle=lambda a, b: scipy.linalg.eigh((a + h(a)) / 2, (b + h(b)) / 2))  # fmt: skip
row(L, "eigh_tridiagonal", Operand((4,), 1, 3, made=lambda x: x + 4 * np.arange(len(x))), Operand((3,)), **F,
    kw={"eigvals_only": True})  # fmt: skip
row(L, "schur", SPREAD, **F, after=lambda x: (abs(x[0]), abs(x[1])))
row(L, "schur", SPREAD, **FC, kw={"output": "complex"}, after=lambda x: (abs(x[0]), abs(x[1])))
row(L, "rsf2csf", Operand((3, 3), 1, 2, made=lambda x: np.triu(x) + np.diag([0.0, 3.0, 6.0])), EYE, **F,
    order=0, after=lambda x: (abs(x[0]), abs(x[1])))  # fmt: skip
row(L, "hessenberg", Operand((4, 4)), **FC, order=0)
row(L, "polar", WELL, **FC, kw={"method": "svd"}, oracle=lambda x, method: scipy.linalg.polar(x))
row(L, "polar", TALL, "left", **F, kw={"method": "svd"}, oracle=lambda x, side, method: scipy.linalg.polar(x, side))
row(L, "expm", SMALL, **FC)
row(L, "expm", Operand((2, 3, 3), -3, 3), **FC)
row(L, "expm_frechet", SMALL, SMALL, **F)
row(L, "sqrtm", PD, **FC, oracle=lambda x: scipy.linalg.sqrtm(x).astype(np.complex128))
row(L, "funm", SPREAD, cnp.exp, **{**F, "tol": 1000}, after=lambda x: x.real, oracle=lambda x, f: scipy.linalg.expm(x))

# ---- Matrices with names

V = Operand((4,))
PLAIN = {"dtypes": "ifc", "tol": 8}
row(L, "block_diag", Operand((2, 3)), Operand((1, 2)), **PLAIN)
for name in ("toeplitz", "hankel", "circulant"):
    row(L, name, V, **PLAIN)
row(L, "toeplitz", V, Operand((3,)), **PLAIN)
row(L, "companion", Operand((4,), 1, 3), dtypes="fc", tol=8)
row(L, "convolution_matrix", V, 3, "same", **PLAIN)
row(L, "fiedler", V, dtypes="if", tol=8)
row(L, "fiedler_companion", Operand((5,), 1, 3), dtypes="fc", tol=16)
row(L, "leslie", V, Operand((3,)), dtypes="if", tol=8)
for name, size in [
    ("dft", 5), ("hadamard", 4), ("helmert", 4), ("hilbert", 4), ("invhilbert", 4), ("invpascal", 4), ("pascal", 4),
]:  # fmt: skip
    row(L, name, size, dtypes="l", tol=100, after=lambda x: np.asarray(x, np.complex128), result=np.complex128)
