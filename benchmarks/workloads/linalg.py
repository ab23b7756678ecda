"""Linear algebra: LAPACK's large factorisations and solves, and batches of small ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import LIBRARY_BOUND, Compile, Inputs, Program, Workload, floats, torch_gradient

N, EIGEN = 512, 200
SMALL, MANY = 8, 1000


def _positive(rng: np.random.Generator, n: int) -> np.ndarray:
    a = floats(rng, n, n)
    return (a @ a.T / n + np.eye(n, dtype=np.float32)).astype(np.float32)


def _system(rng: np.random.Generator) -> Inputs:
    return _positive(rng, N), floats(rng, N, 16)


def _general(rng: np.random.Generator) -> Inputs:
    return floats(rng, N, N) + 30 * np.eye(N, dtype=np.float32), floats(rng, N, 16)


def _triangle(rng: np.random.Generator) -> Inputs:
    return np.linalg.cholesky(_positive(rng, N)), floats(rng, N, N)


def _symmetric(rng: np.random.Generator) -> Inputs:
    return (_positive(rng, EIGEN),)


def _batch(rng: np.random.Generator) -> Inputs:
    a = floats(rng, MANY, SMALL, SMALL)
    return a @ a.swapaxes(1, 2) + 4 * np.eye(SMALL, dtype=np.float32), floats(rng, MANY, SMALL, 1)


def _cholesky_solve(library: Any) -> Program:
    linalg = library.scipy.linalg
    return library.jit(lambda a, b: linalg.cho_solve(linalg.cho_factor(a, lower=True), b))


def _cholesky_solve_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda a, b: torch.cholesky_solve(b, torch.linalg.cholesky(a)))


def _cholesky_solve_numpy(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from scipy.linalg import cho_factor, cho_solve

    return cho_solve(cho_factor(a, lower=True), b)


def _triangular(library: Any) -> Program:
    return library.jit(lambda a, b: library.scipy.linalg.solve_triangular(a, b, lower=True))


def _triangular_numpy(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from scipy.linalg import solve_triangular

    return solve_triangular(a, b, lower=True)


def _magnitudes(results: list[np.ndarray]) -> list[np.ndarray]:
    """The signs of Q's columns and R's rows are free."""
    return [np.abs(result) for result in results]


def _eigenvalues(results: list[np.ndarray]) -> list[np.ndarray]:
    """Vectors of near values are free: the values are compared."""
    return [result for result in results if result.ndim == 1]


def _likelihood(library: Any) -> Program:
    """The gradient of a Gaussian process's likelihood with respect to its kernel matrix."""
    lnp = library.numpy

    def likelihood(a: Any, b: Any) -> Any:
        factor = lnp.linalg.cholesky(a)
        y = library.scipy.linalg.solve_triangular(factor, b, lower=True)
        return 0.5 * (y * y).sum() + lnp.log(lnp.diagonal(factor)).sum()

    return library.jit(library.grad(likelihood))


def _likelihood_torch(torch: Any, compiled: Compile) -> Program:
    def likelihood(a: Any, b: Any) -> Any:
        factor = torch.linalg.cholesky(a)
        y = torch.linalg.solve_triangular(factor, b, upper=False)
        return 0.5 * (y * y).sum() + torch.log(torch.diagonal(factor)).sum()

    return torch_gradient(torch, compiled(likelihood))


def _symmetrised(results: list[np.ndarray]) -> list[np.ndarray]:
    """Derivatives by a symmetric matrix may sit in either triangle."""
    return [result + result.T for result in results]


WORKLOADS = [
    Workload(
        "linalg/Cholesky solve",
        _system,
        _cholesky_solve,
        _cholesky_solve_torch,
        _cholesky_solve_numpy,
        flops=N**3 / 3 + 2.0 * N * N * 16,
        tags=(LIBRARY_BOUND,),
        tolerance=1e-3,
    ),
    Workload(
        "linalg/solve",
        _general,
        lambda library: library.jit(library.numpy.linalg.solve),
        lambda torch, compiled: compiled(lambda a, b: torch.linalg.solve(a, b)),
        np.linalg.solve,
        flops=2 * N**3 / 3 + 2.0 * N * N * 16,
        tags=(LIBRARY_BOUND,),
        tolerance=1e-3,
    ),
    Workload(
        "linalg/triangular solve",
        _triangle,
        _triangular,
        lambda torch, compiled: compiled(lambda a, b: torch.linalg.solve_triangular(a, b, upper=False)),
        _triangular_numpy,
        flops=float(N**3),
        tags=(LIBRARY_BOUND,),
        tolerance=1e-3,
    ),
    Workload(
        "linalg/QR",
        lambda rng: (floats(rng, N, 256),),
        lambda library: library.jit(lambda a: tuple(library.numpy.linalg.qr(a))),
        lambda torch, compiled: compiled(lambda a: tuple(torch.linalg.qr(a))),
        lambda a: tuple(np.linalg.qr(a)),
        flops=4.0 * 256**2 * (N - 256 / 3),
        tags=(LIBRARY_BOUND,),
        view=_magnitudes,
        tolerance=1e-3,
    ),
    Workload(
        "linalg/eigh",
        _symmetric,
        lambda library: library.jit(lambda a: tuple(library.numpy.linalg.eigh(a))),
        lambda torch, compiled: compiled(lambda a: tuple(torch.linalg.eigh(a))),
        lambda a: tuple(np.linalg.eigh(a)),
        flops=9.0 * EIGEN**3,
        tags=(LIBRARY_BOUND,),
        view=_eigenvalues,
        tolerance=1e-3,
    ),
    Workload(
        "linalg/SVD",
        lambda rng: (floats(rng, EIGEN, EIGEN),),
        lambda library: library.jit(lambda a: library.numpy.linalg.svd(a, compute_uv=False)),
        lambda torch, compiled: compiled(lambda a: torch.linalg.svdvals(a)),
        lambda a: np.linalg.svd(a, compute_uv=False),
        flops=8.0 * EIGEN**3 / 3,
        tags=(LIBRARY_BOUND,),
        tolerance=1e-3,
    ),
    Workload(
        "linalg/1000 small Choleskys",
        _batch,
        lambda library: library.jit(lambda a, b: library.numpy.linalg.cholesky(a)),
        lambda torch, compiled: compiled(lambda a, b: torch.linalg.cholesky(a)),
        lambda a, b: np.linalg.cholesky(a),
    ),
    Workload(
        "linalg/1000 small solves",
        _batch,
        lambda library: library.jit(library.numpy.linalg.solve),
        lambda torch, compiled: compiled(lambda a, b: torch.linalg.solve(a, b)),
        np.linalg.solve,
    ),
    Workload(
        "linalg/gradient of a likelihood",
        lambda rng: (_positive(rng, N), floats(rng, N, 1)),
        _likelihood,
        _likelihood_torch,
        "no automatic differentiation",
        flops=2.0 * N**3,
        view=_symmetrised,
        tolerance=1e-3,
    ),
]
