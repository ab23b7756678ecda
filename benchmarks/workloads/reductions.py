"""Sums, moments, norms and extremes, of everything, along rows and along columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import BANDWIDTH, Compile, Inputs, Program, Workload, floats

N = 4_000_000
ROWS, COLUMNS = 2048, 2048


def _vector(rng: np.random.Generator) -> Inputs:
    return (floats(rng, N) + np.float32(0.5),)


def _matrix(rng: np.random.Generator) -> Inputs:
    return (floats(rng, ROWS, COLUMNS) + np.float32(0.5),)


def _two_vectors(rng: np.random.Generator) -> Inputs:
    return floats(rng, N), floats(rng, N)


def _logsumexp_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda x: torch.logsumexp(x, 1))


def _logsumexp_numpy(x: np.ndarray) -> np.ndarray:
    peak = x.max(1)
    return np.log(np.exp(x - peak[:, None]).sum(1)) + peak


def _norm(library: Any) -> Program:
    lnp = library.numpy
    return library.jit(lambda x: lnp.sqrt((x * x).sum()))


def _moments(x: Any) -> Any:
    return x.mean(0), x.std(0), x.min(0), x.max(0)


def _moments_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda x: (x.mean(0), x.std(0, correction=0), x.amin(0), x.amax(0)))


WORKLOADS = [
    Workload(
        "reductions/full sum",
        _vector,
        lambda library: library.jit(lambda x: x.sum()),
        lambda torch, compiled: compiled(lambda x: x.sum()),
        lambda x: x.sum(),
        tags=(BANDWIDTH,),
    ),
    Workload(
        "reductions/row sums",
        _matrix,
        lambda library: library.jit(lambda x: x.sum(1)),
        lambda torch, compiled: compiled(lambda x: x.sum(1)),
        lambda x: x.sum(1),
        tags=(BANDWIDTH,),
    ),
    Workload(
        "reductions/column sums",
        _matrix,
        lambda library: library.jit(lambda x: x.sum(0)),
        lambda torch, compiled: compiled(lambda x: x.sum(0)),
        lambda x: x.sum(0),
        tags=(BANDWIDTH,),
    ),
    Workload(
        "reductions/middle axis",
        lambda rng: (floats(rng, 64, 256, 256),),
        lambda library: library.jit(lambda x: x.max(1)),
        lambda torch, compiled: compiled(lambda x: x.amax(1)),
        lambda x: x.max(1),
    ),
    Workload(
        "reductions/row variances",
        _matrix,
        lambda library: library.jit(lambda x: x.var(1)),
        lambda torch, compiled: compiled(lambda x: x.var(1, correction=0)),
        lambda x: x.var(1),
    ),
    Workload(
        "reductions/row argmax",
        _matrix,
        lambda library: library.jit(lambda x: x.argmax(1)),
        lambda torch, compiled: compiled(lambda x: x.argmax(1)),
        lambda x: x.argmax(1),
        tolerance=0,
    ),
    Workload(
        "reductions/norm",
        _vector,
        _norm,
        lambda torch, compiled: compiled(lambda x: torch.linalg.vector_norm(x)),
        lambda x: np.linalg.norm(x),
        tags=(BANDWIDTH,),
    ),
    Workload(
        "reductions/squared error",
        _two_vectors,
        lambda library: library.jit(lambda x, y: ((x - y) ** 2).mean()),
        lambda torch, compiled: compiled(lambda x, y: torch.nn.functional.mse_loss(x, y)),
        lambda x, y: ((x - y) ** 2).mean(),
        tags=(BANDWIDTH,),
    ),
    Workload(
        "reductions/logsumexp of rows",
        _matrix,
        lambda library: library.jit(lambda x: library.nn.logsumexp(x, axis=1)),
        _logsumexp_torch,
        _logsumexp_numpy,
    ),
    Workload(
        "reductions/four moments of columns",
        _matrix,
        lambda library: library.jit(_moments),
        _moments_torch,
        _moments,
    ),
]
