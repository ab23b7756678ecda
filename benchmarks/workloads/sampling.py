"""Random numbers: plain draws, and draws that a program uses up at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import DRAWS, Compile, Inputs, Key, Program, Workload, floats

N = 1_000_000
CATEGORIES = 64


def _key(rng: np.random.Generator) -> Inputs:
    return (Key(int(rng.integers(1 << 30))),)


def _dropout_inputs(rng: np.random.Generator) -> Inputs:
    return *_key(rng), floats(rng, N)


def _dropout(library: Any) -> Program:
    def dropout(key: Any, x: Any) -> Any:
        kept = library.random.bernoulli(key, 0.8, x.shape)
        return library.numpy.where(kept, x / 0.8, 0)

    return library.jit(dropout)


def _dropout_numpy(key: np.random.Generator, x: np.ndarray) -> np.ndarray:
    return np.where(key.random(N, np.float32) < 0.8, x / np.float32(0.8), np.float32(0))


def _noise(library: Any) -> Program:
    return library.jit(lambda key, x: (x + 0.1 * library.random.normal(key, x.shape)).sum())


def _pi(library: Any) -> Program:
    """The share of random points in a quarter of a disc: nothing of the draws need be kept."""

    def share(key: Any) -> Any:
        x, y = library.random.uniform(key, (2, N))
        return (x * x + y * y < 1).mean()

    return library.jit(share)


def _pi_torch(torch: Any, compiled: Compile) -> Program:
    def share(key: Any) -> Any:
        x, y = torch.rand(2, N)
        return (x * x + y * y < 1).float().mean()

    return compiled(share)


def _pi_numpy(key: np.random.Generator) -> np.ndarray:
    x, y = key.random((2, N), np.float32)
    return (x * x + y * y < 1).mean()


def _categories(rng: np.random.Generator) -> Inputs:
    return *_key(rng), floats(rng, 4096, CATEGORIES)


def _categorical_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda key, logits: torch.multinomial(torch.softmax(logits, 1), 1)[:, 0])


def _categorical_numpy(key: np.random.Generator, logits: np.ndarray) -> np.ndarray:
    return (logits + key.gumbel(size=logits.shape)).argmax(1)


WORKLOADS = [
    Workload(
        "sampling/normal",
        _key,
        lambda library: library.jit(lambda key: library.random.normal(key, (N,))),
        lambda torch, compiled: compiled(lambda key: torch.randn(N)),
        lambda key: key.standard_normal(N, np.float32),
        drawn=True,
        tags=(DRAWS,),
    ),
    Workload(
        "sampling/uniform",
        _key,
        lambda library: library.jit(lambda key: library.random.uniform(key, (N,))),
        lambda torch, compiled: compiled(lambda key: torch.rand(N)),
        lambda key: key.random(N, np.float32),
        drawn=True,
        tags=(DRAWS,),
    ),
    Workload(
        "sampling/bits",
        _key,
        lambda library: library.jit(lambda key: library.random.bits(key, (N,))),
        lambda torch, compiled: compiled(lambda key: torch.randint(0, 1 << 32, (N,), dtype=torch.int64)),
        lambda key: key.integers(0, 1 << 32, N, np.uint32),
        drawn=True,
    ),
    Workload(
        "sampling/dropout",
        _dropout_inputs,
        _dropout,
        lambda torch, compiled: compiled(lambda key, x: torch.nn.functional.dropout(x, 0.2)),
        _dropout_numpy,
        drawn=True,
    ),
    Workload(
        "sampling/sum with noise",
        lambda rng: (*_key(rng), floats(rng, N) + np.float32(1)),
        _noise,
        lambda torch, compiled: compiled(lambda key, x: (x + 0.1 * torch.randn(N)).sum()),
        lambda key, x: (x + np.float32(0.1) * key.standard_normal(N, np.float32)).sum(),
        drawn=True,
        tolerance=1e-3,
    ),
    Workload("sampling/Monte Carlo", _key, _pi, _pi_torch, _pi_numpy, drawn=True),
    Workload(
        "sampling/permutation",
        _key,
        lambda library: library.jit(lambda key: library.random.permutation(key, 100_000)),
        lambda torch, compiled: compiled(lambda key: torch.randperm(100_000)),
        lambda key: key.permutation(100_000),
        drawn=True,
    ),
    Workload(
        "sampling/categorical",
        _categories,
        lambda library: library.jit(library.random.categorical),
        _categorical_torch,
        _categorical_numpy,
        drawn=True,
        tolerance=0.02,
    ),
]
