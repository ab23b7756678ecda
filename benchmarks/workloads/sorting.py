"""Orders and running sums: sort, argsort, top-k, median, cumsum, search."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import Compile, Inputs, Program, Workload, floats, integers

N = 200_000
ROWS, COLUMNS, BEST = 1024, 2048, 16


def _matrix(rng: np.random.Generator) -> Inputs:
    return (floats(rng, ROWS, COLUMNS),)


def _vector(rng: np.random.Generator) -> Inputs:
    return (floats(rng, N),)


def _distinct(rng: np.random.Generator) -> Inputs:
    """Distinct numbers in random order, so that every library's argsort is the same."""
    return (rng.permutation(N).astype(np.float32),)


def _top_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda x: torch.topk(x, BEST, 1)[0])


def _top_numpy(x: np.ndarray) -> np.ndarray:
    best = np.partition(x, COLUMNS - BEST, axis=1)[:, COLUMNS - BEST :]
    return np.sort(best, axis=1)[:, ::-1]


def _search(rng: np.random.Generator) -> Inputs:
    return np.sort(floats(rng, 10_000)), floats(rng, N)


def _pairs(rng: np.random.Generator) -> Inputs:
    return integers(rng, 1000, N), floats(rng, N)


def _sort_pairs_torch(torch: Any, compiled: Compile) -> Program:
    def by_key(keys: Any, values: Any) -> Any:
        ordered, order = torch.sort(keys, stable=True)
        return ordered, values[order]

    return compiled(by_key)


def _sort_pairs_numpy(keys: np.ndarray, values: np.ndarray) -> Any:
    order = np.argsort(keys, kind="stable")
    return keys[order], values[order]


def _median_torch(torch: Any, compiled: Compile) -> Program:
    """torch.median takes the lower of two middle elements; quantile is what means the same."""
    return compiled(lambda x: torch.quantile(x, 0.5, 1))


WORKLOADS = [
    Workload(
        "sorting/sort",
        _vector,
        lambda library: library.jit(library.numpy.sort),
        lambda torch, compiled: compiled(lambda x: torch.sort(x)[0]),
        np.sort,
        tolerance=0,
    ),
    Workload(
        "sorting/sort rows",
        _matrix,
        lambda library: library.jit(lambda x: library.numpy.sort(x, axis=1)),
        lambda torch, compiled: compiled(lambda x: torch.sort(x, 1)[0]),
        lambda x: np.sort(x, axis=1),
        tolerance=0,
    ),
    Workload(
        "sorting/argsort",
        _distinct,
        lambda library: library.jit(library.numpy.argsort),
        lambda torch, compiled: compiled(lambda x: torch.argsort(x)),
        np.argsort,
        tolerance=0,
    ),
    Workload(
        "sorting/sort by key",
        _pairs,
        lambda library: library.jit(lambda keys, values: library.lax.sort((keys, values), num_keys=1)),
        _sort_pairs_torch,
        _sort_pairs_numpy,
        tolerance=0,
    ),
    Workload(
        "sorting/top 16",
        _matrix,
        lambda library: library.jit(lambda x: library.lax.top_k(x, BEST)[0]),
        _top_torch,
        _top_numpy,
        tolerance=0,
    ),
    Workload(
        "sorting/row medians",
        _matrix,
        lambda library: library.jit(lambda x: library.numpy.median(x, axis=1)),
        _median_torch,
        lambda x: np.median(x, axis=1),
    ),
    Workload(
        "sorting/cumsum",
        lambda rng: (floats(rng, 1_000_000) + np.float32(1),),
        lambda library: library.jit(library.numpy.cumsum),
        lambda torch, compiled: compiled(lambda x: x.cumsum(0)),
        np.cumsum,
        tolerance=1e-3,
    ),
    Workload(
        "sorting/cumsum of rows",
        _matrix,
        lambda library: library.jit(lambda x: library.numpy.cumsum(x, axis=1)),
        lambda torch, compiled: compiled(lambda x: x.cumsum(1)),
        lambda x: np.cumsum(x, axis=1),
    ),
    Workload(
        "sorting/searchsorted",
        _search,
        lambda library: library.jit(lambda edges, x: library.numpy.searchsorted(edges, x)),
        lambda torch, compiled: compiled(lambda edges, x: torch.searchsorted(edges, x)),
        lambda edges, x: np.searchsorted(edges, x),
        tolerance=0,
    ),
]
