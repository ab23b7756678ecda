"""What the machine can do, measured between the contenders' turns: copying memory, and BLAS's rate.

Knows no contender: of several ways to copy or to multiply that are at hand, the fastest counts.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.contenders import threads

SMALLEST = 1 << 18
"""Bytes below which calls cost more than memory: no limit is stated."""
FEWEST = 1e6
"""Operations below which calls cost more than arithmetic."""
SIDE = 1024
RING = 4
REPEATS = 3

Clock = Callable[[], float]


@functools.cache
def _torch() -> Any:
    """PyTorch with all cores, or None where it is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(threads())
    return torch


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads())


def _none() -> float:
    return 0.0


def _timed(action: Callable[[int], object]) -> float:
    """Seconds of the median of a few calls."""
    action(0)
    found = []
    for k in range(REPEATS):
        start = time.perf_counter()
        action(k)
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def _by_threads(target: np.ndarray, sources: list[np.ndarray]) -> Callable[[int], object]:
    """Each thread copies its share; NumPy copies without the lock of the interpreter."""
    cuts = np.linspace(0, target.size, threads() + 1).astype(int)
    parts = [slice(a, b) for a, b in itertools.pairwise(cuts)]

    def copy(k: int) -> object:
        source = sources[k % RING]
        return list(_pool().map(lambda part: np.copyto(target[part], source[part]), parts))

    return copy


def _copies(count: int) -> list[Callable[[int], object]]:
    """Ways to copy so many float32 numbers, from sources that vary as the workloads' arguments do."""
    sources = [np.full(count, k, np.float32) for k in range(RING)]
    target = np.zeros(count, np.float32)
    ways = [lambda k: np.copyto(target, sources[k % RING]), _by_threads(target, sources)]
    torch = _torch()
    if torch is not None:
        tensors, result = [torch.from_numpy(source) for source in sources], torch.from_numpy(target)
        ways.append(lambda k: result.copy_(tensors[k % RING]))
    return ways


def copying(moved: float) -> Clock:
    """A clock of copying that reads and writes ``moved`` bytes in all; 0 where that is too little to matter."""
    if moved < SMALLEST:
        return _none
    ways = _copies(int(moved) // 8)
    return lambda: min(map(_timed, ways))


@functools.cache
def _products() -> list[Callable[[int], object]]:
    a = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32)
    ways: list[Callable[[int], object]] = [lambda k: a @ a]
    torch = _torch()
    if torch is not None:
        tensor = torch.from_numpy(a)
        ways.append(lambda k: tensor @ tensor)
    return ways


def blas_rate() -> float:
    """float32 operations per second of a product of two 1024x1024 matrices on all cores."""
    return 2 * SIDE**3 / min(map(_timed, _products()))


def bandwidth(count: int = 16_000_000) -> float:
    """Bytes per second, read and written, of a large copy."""
    return 8 * count / min(map(_timed, _copies(count)))


def of(moved: float, flops: float) -> tuple[Clock, Clock]:
    """Clocks of the least time that bytes and operations need; each 0 where it cannot be the limit."""
    copy = copying(moved)
    if flops < FEWEST or flops / blas_rate() < 0.5 * copy():
        return copy, _none
    return copy, lambda: flops / blas_rate()
