"""Products and linear algebra of cotan.numpy, and its Fourier transforms."""

from __future__ import annotations

import numpy as np
from library.table import M, Operand, T, V, row

A = Operand((3, 4))
B = Operand((4, 2))
Q = Operand((3, 3))
STACK = Operand((2, 3, 3))
W = Operand((3,))
ALL, INEXACT = "biuhfc", "fc"


def definite(x: np.ndarray) -> np.ndarray:
    """Hermitian matrices with eigenvalues apart from zero and from each other."""
    n = x.shape[-1]
    return x @ np.conj(np.swapaxes(x, -1, -2)) + np.diag(np.arange(1.0, n + 1))


def dominant(x: np.ndarray) -> np.ndarray:
    """Well conditioned matrices; of bools, regular ones."""
    diagonal = np.eye(x.shape[-2], x.shape[-1])
    return np.tril(x, -1) | (diagonal > 0) if x.dtype == bool else x + 4 * diagonal


PD = Operand((3, 3), made=definite)
PDS = Operand((2, 3, 3), made=definite)
WELL = Operand((3, 3), made=dominant)
WELLS = Operand((2, 3, 3), made=dominant)
NO = {"specials": False, "why": "factorisations of what is no number give no numbers, or stop"}

# ---- Products

for name, args, kw in [
    ("dot", (A, B), {}),
    ("dot", (W, W), {}),
    ("dot", (T, B), {}),
    ("dot", (Operand(()), W), {}),
    ("matmul", (T, B), {}),
    ("matmul", (W, Q), {}),
    ("matmul", (Operand((0, 3)), A), {}),
    ("matmul", (Operand((2, 0)), Operand((0, 3))), {}),
    ("inner", (A, A), {}),
    ("outer", (W, V), {}),
    ("vdot", (A, A), {}),
    ("vecdot", (A, A), {}),
    ("matvec", (A, Operand((4,))), {}),
    ("vecmat", (W, A), {}),
    ("kron", (A, W), {}),
    ("tensordot", (T, T, ([0, 1], [0, 1])), {}),
    ("tensordot", (T, B), {"axes": 1}),
    ("cross", (Operand((2, 3)), Operand((2, 3))), {}),
    ("einsum", ("ij,jk->ik", A, B), {}),
    ("einsum", ("bij,j,kj->bk", T, Operand((4,)), A), {}),
    ("einsum", ("ii->i", Q), {}),
    ("einsum", ("...i->...", T), {}),
]:
    matvec = {"matvec": lambda a, x: a @ x, "vecmat": lambda x, a: np.conj(x) @ a}
    specials = name not in {"einsum", "kron"}
    row("numpy", name, *args, kw=kw, dtypes="iuhfc", tol=4, oracle=matvec.get(name), specials=specials)
for name, args, kw in [
    ("matmul", (A, B), {}),
    ("outer", (W, V), {}),
    ("vecdot", (A, A), {}),
    ("tensordot", (A, B), {"axes": 1}),
    ("cross", (Operand((2, 3)), Operand((2, 3))), {}),
    ("trace", (STACK,), {}),
    ("diagonal", (STACK,), {"offset": 1}),
    ("matrix_transpose", (STACK,), {}),
]:
    row("numpy.linalg", name, *args, kw=kw, dtypes="ifc", tol=4)
row("numpy.linalg", "multi_dot", [A, B, Operand((2, 3))], dtypes="fc", tol=8)

# ---- numpy.linalg

LINALG = {"dtypes": "fc", "tol": 40, "slope_tol": 2e-5, **NO}
row("numpy.linalg", "cholesky", PDS, **{**LINALG, "order": 0})
row("numpy.linalg", "cholesky", PD, **LINALG, oracle=lambda x: np.linalg.cholesky((x + np.conj(x.T)) / 2))
for name in ("det", "inv", "slogdet"):
    row("numpy.linalg", name, WELL, **LINALG, after=(lambda x: tuple(x)) if name == "slogdet" else None)
    row("numpy.linalg", name, WELLS, **LINALG, after=(lambda x: tuple(x)) if name == "slogdet" else None)
row("numpy.linalg", "inv", Operand((2, 0, 0)), **{**LINALG, "order": 0})
row("numpy.linalg", "det", Operand((2, 0, 0)), **{**LINALG, "order": 0})
row("numpy.linalg", "solve", WELL, W, **LINALG)
row("numpy.linalg", "solve", WELLS, Operand((2, 3, 2)), **LINALG)
row("numpy.linalg", "pinv", Operand((4, 3), made=dominant), **LINALG)
row("numpy.linalg", "pinv", Operand((2, 3, 4), made=dominant), **LINALG)
row(
    "numpy.linalg",
    "lstsq",
    Operand((4, 3), made=dominant),
    Operand((4,)),
    **LINALG,
    after=lambda x: x[0],
    oracle=lambda a, b: np.linalg.lstsq(a, b),
)
row("numpy.linalg", "matrix_power", WELL, 3, **LINALG)
row("numpy.linalg", "matrix_power", WELL, -2, **LINALG)
row("numpy.linalg", "matrix_rank", Operand((2, 4, 3)), **{**LINALG, "order": 0})
row("numpy.linalg", "cond", WELL, **LINALG)
for kind in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
    row("numpy.linalg", "norm", WELL, kind, **LINALG)
for kind in (1, 2, 3, np.inf):
    row("numpy.linalg", "norm", V, kind, **LINALG)
    row("numpy.linalg", "vector_norm", M, kw={"ord": kind, "axis": 1}, **LINALG)
row("numpy.linalg", "matrix_norm", WELLS, **LINALG)
row("numpy.linalg", "svdvals", Operand((2, 4, 3)), **LINALG)
row("numpy.linalg", "svd", Operand((2, 4, 3)), kw={"compute_uv": False}, **LINALG)
row(
    "numpy.linalg",
    "svd",
    Operand((4, 3)),
    kw={"full_matrices": False},
    **LINALG,
    after=lambda x: ((x[0] * x[1]) @ x[2], x[1]),
)
row(
    "numpy.linalg",
    "qr",
    Operand((4, 3), made=dominant),
    **LINALG,
    after=lambda x: (x[0] @ x[1], x[0] @ np.conj(x[0].T) if isinstance(x[0], np.ndarray) else x[0] @ x[0].conj().T),
)
row("numpy.linalg", "qr", Operand((2, 3, 3), made=dominant), "r", **LINALG, after=lambda x: abs(x))
row(
    "numpy.linalg",
    "eigh",
    PD,
    **LINALG,
    after=lambda x: (x[0], (x[1] * x[0]) @ x[1].conj().T),
    oracle=lambda x: np.linalg.eigh((x + np.conj(x.T)) / 2),
)
row(
    "numpy.linalg",
    "eigvalsh",
    PDS,
    **LINALG,
    oracle=lambda x: np.linalg.eigvalsh((x + np.conj(np.swapaxes(x, -1, -2))) / 2),
)
row(
    "numpy.linalg",
    "eigvals",
    Operand((3, 3), 0.5, 2, made=lambda x: np.triu(x) + np.diag([0.0, 3.0, 6.0])),
    **{**LINALG, "order": 1},
    oracle=lambda x: np.linalg.eigvals(x).astype(np.complex128),
)
row(
    "numpy.linalg",
    "eig",
    Operand((3, 3), 0.5, 2, made=lambda x: np.triu(x) + np.diag([0.0, 3.0, 6.0])),
    **{**LINALG, "order": 0},
    oracle=lambda x: [part.astype(np.complex128) for part in np.linalg.eig(x)],
    after=lambda x: (x[0], x[1] / x[1].sum(0)),
)
row("numpy.linalg", "tensorinv", Operand((2, 3, 6), made=lambda x: x + 4 * np.eye(6).reshape(2, 3, 6)), **LINALG)
row(
    "numpy.linalg",
    "tensorsolve",
    Operand((2, 3, 6), made=lambda x: x + 4 * np.eye(6).reshape(2, 3, 6)),
    Operand((2, 3)),
    **LINALG,
)

# ---- numpy.fft

FFT = {"tol": 8, "specials": False, "why": "one NaN makes all of them"}
for name in ("fft", "ifft"):
    row("numpy.fft", name, M, dtypes="ifc", **FFT)
    row("numpy.fft", name, Operand((7, 2)), kw={"n": 5, "axis": 0, "norm": "ortho"}, dtypes="fc", **FFT)
for name in ("fft2", "ifft2", "fftn", "ifftn"):
    row("numpy.fft", name, T, dtypes="fc", **FFT)
    row("numpy.fft", name, T, kw={"s": (3, 5), "axes": (0, 2), "norm": "forward"}, dtypes="c", **FFT)
for name in ("rfft", "ihfft"):
    row("numpy.fft", name, M, dtypes="if", **FFT)
    row("numpy.fft", name, Operand((7, 2)), kw={"n": 5, "axis": 0}, dtypes="f", **FFT)
for name in ("irfft", "hfft"):
    row("numpy.fft", name, M, dtypes="fc", **FFT)
    row("numpy.fft", name, M, kw={"n": 7, "norm": "ortho"}, dtypes="c", **FFT)
for name in ("rfft2", "rfftn"):
    row("numpy.fft", name, T, dtypes="f", **FFT)
for name in ("irfft2", "irfftn"):
    row("numpy.fft", name, T, dtypes="c", **FFT)
for name in ("fftshift", "ifftshift"):
    row("numpy.fft", name, T, dtypes="iuhfc", kw={"axes": (1, 2)})
for name in ("fftfreq", "rfftfreq"):
    row("numpy.fft", name, 7, 0.5, dtypes="l")
