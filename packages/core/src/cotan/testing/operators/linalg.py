"""Samples of linear algebra: stacks, wide and tall matrices, one element or none, singular ones, NaN.

Oracles are NumPy's and SciPy's where results are unique; factorisations that are not are held to their definition by
``tests/numpy/test_linalg.py`` and its neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from cotan.primitives.linalg import condensed, eigen, elimination, factors, orthogonal, schur, solves, spectral
from cotan.testing.operators import table
from cotan.testing.operators.table import Normwise, Sample, grads, operator

KINDS = (np.float32, np.float64, np.complex64, np.complex128)


def values(*shape: int, dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    """Random values, of double precision if not told otherwise."""
    return table.values(*shape, dtype=dtype, seed=seed)


def square(*shape: int, dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    """Well-conditioned matrices without symmetry, whose eigenvalues are apart."""
    n = shape[-1]
    return (values(*shape, dtype=dtype, seed=seed) / 4 + np.diag(np.arange(1, n + 1))).astype(dtype)


def definite(*shape: int, dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    """Positive definite matrices, whose eigenvalues are apart."""
    a = square(*shape, dtype=dtype, seed=seed)
    return ((a + a.conj().swapaxes(-1, -2)) / 2 + np.eye(shape[-1])).astype(dtype)


def flags(**given: bool) -> dict[str, Any]:
    names = ("left_side", "lower", "transpose_a", "conjugate_a", "unit_diagonal")
    return {name: given.get(name, False) for name in names}


SHAPES = ((3, 3), (2, 4, 4), (1, 1), (0, 0), (2, 0, 0))
RECTANGLES = ((4, 3), (2, 3, 4), (2, 2, 2), (1, 3), (3, 0), (0, 2))

# ---- Equations

_TRIANGLES = [
    flags(left_side=left, lower=low, transpose_a=turn, conjugate_a=conjugate, unit_diagonal=unit)
    for left, low, turn, conjugate, unit in (
        (True, True, False, False, False),
        (True, False, True, False, False),
        (False, True, True, True, False),
        (False, False, False, False, True),
        (False, False, True, True, True),
        (True, False, False, True, False),
    )
]


def _triangular(a: Any, b: Any, **given: bool) -> Any:
    a = np.tril(a) if given["lower"] else np.triu(a)
    if given["unit_diagonal"]:
        a = a + np.eye(a.shape[-1]) - a * np.eye(a.shape[-1])
    a = a.swapaxes(-1, -2) if given["transpose_a"] else a
    a = a.conj() if given["conjugate_a"] else a
    inverse = np.linalg.inv(a)
    return inverse @ b if given["left_side"] else b @ inverse


operator(
    solves.triangular_solve_p,
    [Sample((square(2, 3, 3, dtype=d), values(2, 3, 3, dtype=d, seed=1)), p) for d in KINDS for p in _TRIANGLES]
    + [
        Sample((square(4, 4), values(4, 2, seed=1)), flags(left_side=True)),
        Sample((square(4, 4), values(2, 4, seed=1)), flags(lower=True)),
        Sample((square(1, 1), values(1, 3)), flags(left_side=True)),
        Sample((square(0, 0), values(0, 3)), flags(left_side=True)),
        Sample((square(3, 3), values(0, 3)), flags()),
    ],
    oracle=_triangular,
    grads=[grads(square(2, 3, 3), values(2, 3, 3, seed=1), **p) for p in _TRIANGLES]
    + [grads(square(3, 3, dtype=np.complex128), values(3, 3, dtype=np.complex128), **p) for p in _TRIANGLES],
    tolerance=400.0,
    kernel_tolerance=400.0,
    kernel=False,
)


def _tridiagonals(*shape: int, dtype: Any, columns: int = 2) -> tuple[Any, ...]:
    below, middle, above = (values(*shape, dtype=dtype, seed=k) for k in range(3))
    return below, (middle / 4 + 3).astype(dtype), above, values(*shape, columns, dtype=dtype, seed=3)


def _dense(dl: Any, d: Any, du: Any, b: Any, *, perturb_singular: bool) -> Any:
    n = d.shape[-1]
    places = np.arange(n)
    a = np.zeros((*d.shape, n), d.dtype)
    a[..., places, places] = d
    a[..., places[1:], places[:-1]] = dl[..., 1:]
    a[..., places[:-1], places[1:]] = du[..., :-1]
    return np.linalg.solve(a, b)


operator(
    solves.tridiagonal_solve_p,
    [
        Sample(_tridiagonals(*shape, dtype=dtype), {"perturb_singular": False})
        for dtype in KINDS
        for shape in ((4,), (2, 5))
    ]
    + [Sample(_tridiagonals(n, dtype=np.float64), {"perturb_singular": n == 1}) for n in (0, 1, 2)]
    + [
        Sample(
            (np.float64([0, 2, 3]), np.float64([0, 0, 1]), np.float64([1, 1, 0]), np.eye(3)),
            {"perturb_singular": False},
        )
    ],
    oracle=_dense,
    grads=[grads(*_tridiagonals(2, 4, dtype=dtype), perturb_singular=False) for dtype in (np.float64, np.complex128)],
    tolerance=200.0,
    kernel_tolerance=200.0,
    kernel=False,
)

# ---- Elimination

operator(
    factors.cholesky_p,
    [Sample((definite(*shape, dtype=dtype),)) for dtype in KINDS for shape in SHAPES],
    oracle=np.linalg.cholesky,
    grads=[grads(definite(2, 3, 3)), grads(definite(3, 3, dtype=np.complex128)), grads(definite(1, 1))],
    tolerance=200.0,
    kernel_tolerance=200.0,
    kernel=False,
)


def _lu(a: Any) -> list[Any]:
    k = min(a.shape[-2:])
    stack = a.shape[:-2]
    packed, pivots = np.zeros_like(a), np.zeros((*stack, k), np.int32)
    order = np.broadcast_to(np.arange(a.shape[-2], dtype=np.int32), (*stack, a.shape[-2])).copy()
    for place in np.ndindex(*stack):
        if a[place].size:
            lapack = scipy.linalg.get_lapack_funcs("getrf", (a[place],))
            packed[place], pivots[place], _ = lapack(a[place])
        for row, other in enumerate(pivots[place]):
            order[place][[row, other]] = order[place][[other, row]]
    return [packed, pivots, order]


operator(
    factors.lu_p,
    [Sample((values(*shape, dtype=dtype),)) for dtype in KINDS for shape in RECTANGLES]
    + [Sample((np.zeros((2, 2)),)), Sample((np.ones((3, 3)),))],
    oracle=_lu,
    grads=[
        grads(values(2, *shape, dtype=d)) for d in (np.float64, np.complex128) for shape in ((3, 3), (4, 2), (2, 4))
    ],
    tolerance=Normwise(40),
    kernel_tolerance=Normwise(40),
    kernel=False,
)


def _swapped(pivots: Any, *, permutation_size: int) -> Any:
    out = np.zeros((*pivots.shape[:-1], permutation_size), np.int32)
    for place in np.ndindex(*pivots.shape[:-1]):
        order = list(range(permutation_size))
        for row, other in enumerate(pivots[place]):
            order[row], order[other] = order[other], order[row]
        out[place] = order
    return out


operator(
    factors.lu_pivots_to_permutation_p,
    [
        Sample((np.int32([2, 2, 3]),), {"permutation_size": 4}),
        Sample((np.int32([[1, 1], [0, 1]]),), {"permutation_size": 2}),
        Sample((np.zeros((2, 0), np.int32),), {"permutation_size": 3}),
    ],
    oracle=_swapped,
    kernel=False,
)

# ---- Reflections

_QR = [{"pivoting": p, "full_matrices": f} for p in (False, True) for f in (False, True)]


def _qr(a: Any, *, pivoting: bool, full_matrices: bool) -> list[Any]:
    mode = "full" if full_matrices else "economic"
    found = [scipy.linalg.qr(m, mode=mode, pivoting=pivoting) for m in a.reshape(-1, *a.shape[-2:])]
    outs = [np.stack(parts) for parts in zip(*found, strict=True)]
    return [out.reshape(*a.shape[:-2], *out.shape[1:]) for out in outs]


operator(
    orthogonal.qr_p,
    [Sample((values(*shape, dtype=dtype),), p) for dtype in KINDS for shape in RECTANGLES if all(shape) for p in _QR],
    oracle=_qr,
    grads=[
        grads(values(2, *shape, dtype=dtype), **p)
        for dtype in (np.float64, np.complex128)
        for shape in ((3, 3), (4, 2), (2, 4))
        for p in _QR
        if shape != (4, 2) or not p["full_matrices"]
    ],
    tolerance=Normwise(40),
    kernel_tolerance=Normwise(40),
    kernel=False,
)


def _geqrf(a: Any) -> list[Any]:
    packed, taus = np.zeros_like(a), np.zeros((*a.shape[:-2], min(a.shape[-2:])), a.dtype)
    for place in np.ndindex(*a.shape[:-2]):
        if a[place].size:
            packed[place], taus[place] = scipy.linalg.qr(a[place], mode="raw")[0]
    return [packed, taus]


operator(
    orthogonal.geqrf_p,
    [Sample((values(*shape, dtype=dtype),)) for dtype in KINDS for shape in RECTANGLES],
    oracle=_geqrf,
    tolerance=Normwise(40),
    kernel_tolerance=Normwise(40),
    kernel=False,
)


def _reflections(m: int, n: int, dtype: Any) -> tuple[Any, Any]:
    (packed, taus), _ = scipy.linalg.qr(values(m, n, dtype=dtype), mode="raw")
    return np.ascontiguousarray(packed).astype(dtype), taus.astype(dtype)


def _q(a: Any, taus: Any) -> Any:
    q = np.eye(a.shape[-2], dtype=a.dtype)
    for j, tau in enumerate(taus):
        v = np.concatenate([np.zeros(j), [1], a[j + 1 :, j]])
        q = q @ (np.eye(len(q)) - tau * np.outer(v, v.conj()))
    return q


operator(
    orthogonal.householder_product_p,
    [Sample(_reflections(m, n, dtype)) for dtype in KINDS for m, n in ((4, 3), (3, 3), (2, 1))]
    + [Sample((values(3, 2), np.zeros(0)))],
    oracle=lambda a, taus: _q(a, taus)[:, : a.shape[1]],
    tolerance=Normwise(40),
    kernel_tolerance=Normwise(40),
    kernel=False,
)


def _times_q(a: Any, taus: Any, c: Any, *, left: bool, transpose: bool) -> Any:
    q = _q(a, taus).conj().T if transpose else _q(a, taus)
    return q @ c if left else c @ q


operator(
    orthogonal.ormqr_p,
    [
        Sample((*_reflections(4, 3, dtype), values(4, 4, dtype=dtype, seed=1)), {"left": left, "transpose": turn})
        for dtype in KINDS
        for left in (True, False)
        for turn in (True, False)
    ],
    oracle=_times_q,
    tolerance=Normwise(40),
    kernel_tolerance=Normwise(40),
    kernel=False,
)

# ---- Spectra


# Vectors are unique but for signs or phases: what they make of the matrix, and that they are orthonormal, is.


def _adjoint(x: Any) -> Any:
    return x.conj().swapaxes(-1, -2)


def _unique_eigh(args: Any, params: Any, found: list[Any]) -> list[Any]:
    v, w = found
    return [w, (v * w[..., None, :]) @ _adjoint(v), _adjoint(v) @ v]


def _unique_svd(args: Any, params: Any, found: list[Any]) -> list[Any]:
    if len(found) == 1:
        return found
    s, u, vh = found
    k = s.shape[-1]
    return [s, (u[..., :k] * s[..., None, :]) @ vh[..., :k, :], _adjoint(u) @ u, vh @ _adjoint(vh)]


def _unique_eig(args: Any, params: Any, found: list[Any]) -> list[Any]:
    w, *vectors = found
    a, checks = args[0], [w]
    for side, v in zip([side for side in ("left", "right") if params[side]], vectors, strict=True):
        misses = a @ v - v * w[..., None, :] if side == "right" else _adjoint(a) @ v - v * w.conj()[..., None, :]
        checks += [1 + misses, np.linalg.norm(v, axis=-2)]
    return checks


def _unique_schur(args: Any, params: Any, found: list[Any]) -> list[Any]:
    t, *q = found
    return [np.abs(t), *([q[0] @ t @ _adjoint(q[0]), _adjoint(q[0]) @ q[0]] if q else [])]


operator(
    spectral.eigh_p,
    [Sample((definite(*shape, dtype=dtype),), {"lower": shape != (3, 3)}) for dtype in KINDS for shape in SHAPES],
    grads=[grads(definite(2, 3, 3), lower=True), grads(square(3, 3), lower=False)],
    tolerance=Normwise(40),
    kernel_tolerance=Normwise(40),
    kernel=False,
    unique=_unique_eigh,
)
operator(
    spectral.svd_p,
    [
        Sample((values(*shape, dtype=dtype),), {"full_matrices": full, "compute_uv": uv})
        for dtype in KINDS
        for shape in RECTANGLES
        for full, uv in ((True, True), (False, True), (False, False))
    ],
    grads=[grads(values(2, *shape), full_matrices=False, compute_uv=True) for shape in ((3, 3), (4, 2), (2, 4))]
    + [grads(values(3, 2, dtype=np.complex128), full_matrices=False, compute_uv=False)],
    kernel_tolerance=Normwise(40),
    kernel=False,
    unique=_unique_svd,
)
operator(
    eigen.eig_p,
    [
        Sample((square(*shape, dtype=dtype),), {"left": left, "right": right, "vectors_have_derivatives": False})
        for dtype in KINDS
        for shape in SHAPES
        for left, right in ((True, True), (False, True), (False, False))
    ],
    grads=[
        grads(square(2, 3, 3, dtype=dtype), left=left, right=right, vectors_have_derivatives=True)
        for dtype in (np.float64, np.complex128)
        for left, right in ((False, False), (False, True), (True, True), (True, False))
        if not left or dtype is np.complex128
    ],
    kernel_tolerance=Normwise(40),
    kernel=False,
    unique=_unique_eig,
)

# ---- Other forms

operator(
    schur.schur_p,
    [
        Sample((square(*shape, dtype=dtype),), {"compute_schur_vectors": vectors})
        for dtype in KINDS
        for shape in SHAPES
        for vectors in (True, False)
    ],
    kernel_tolerance=Normwise(40),
    kernel=False,
    unique=_unique_schur,
)


def _hessenberg(a: Any) -> list[Any]:
    lapack = scipy.linalg.get_lapack_funcs("gehrd", (a,))
    packed, taus, _ = lapack(a)
    return [packed, taus]


operator(
    condensed.hessenberg_p,
    [Sample((square(n, n, dtype=dtype),)) for dtype in KINDS for n in (4, 2, 1)] + [Sample((square(0, 0),))],
    oracle=lambda a: _hessenberg(a) if a.size else [a, a[0:0, 0:0].reshape(0)],
    tolerance=Normwise(40),
    kernel_tolerance=Normwise(40),
    kernel=False,
)
operator(
    condensed.tridiagonal_p,
    [
        Sample((definite(*shape, dtype=dtype),), {"lower": lower})
        for dtype in KINDS
        for shape in ((4, 4), (2, 3, 3), (1, 1), (0, 0))
        for lower in (True, False)
    ],
    kernel_tolerance=Normwise(40),
    kernel=False,
)


def _factored(*shape: int, dtype: Any) -> tuple[Any, ...]:
    a = square(*shape, dtype=dtype)
    packed, _, order = _lu(a)
    return a, packed.astype(dtype), order, values(*shape[:-1], 2, dtype=dtype, seed=1)


def _solution(a: Any, packed: Any, order: Any, b: Any, *, trans: int) -> Any:
    lower, upper = np.tril(packed, -1) + np.eye(packed.shape[-1]), np.triu(packed)
    a = np.take_along_axis(lower @ upper, np.argsort(order, axis=-1)[..., None], -2)
    a = a if trans == 0 else a.swapaxes(-1, -2) if trans == 1 else a.conj().swapaxes(-1, -2)
    return np.linalg.solve(a, b)


operator(
    elimination.lu_solve_p,
    [Sample(_factored(*s, dtype=d), {"trans": t}) for d in KINDS for s in ((3, 3), (2, 3, 3)) for t in (0, 1, 2)]
    + [Sample((np.zeros((0, 0)), np.zeros((0, 0)), np.zeros(0, np.int32), np.zeros((0, 2))), {"trans": 0})],
    oracle=_solution,
    tolerance=Normwise(40),
    kernel_tolerance=Normwise(40),
)
