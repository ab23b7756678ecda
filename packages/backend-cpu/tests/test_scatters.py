"""Scatters on one and several threads: every update counts once, in order, and results do not change with threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from programs import compiled, run, staged

from cotan import lax
from cotan.compiler import compile_to_program
from cotan.config import config
from cotan.structural import broadcast_in_dim
from cotan_cpu.codegen import Target, emit_kernel

ROWS = lax.ScatterDimensionNumbers((1,), (0,), (0,))
ELEMENTS = lax.ScatterDimensionNumbers((), (0,), (0,))
F32 = np.dtype(np.float32)


def on_threads(fun: Any, args: list[Any]) -> list[np.ndarray]:
    """The results of ``fun``, the same bits for each number of threads."""
    results = []
    for threads in (1, 2, 3):
        with config.override(num_threads=threads):
            closed = staged(fun, args)
            results.append(run(compiled(closed), args, closed.in_avals))
    for found in zip(*results, strict=True):
        assert len({result.tobytes() for result in found}) == 1
    return results[0]


def added(start: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    expected = start.astype(np.float64)
    inside = (indices[:, 0] >= 0) & (indices[:, 0] < len(start))
    np.add.at(expected, indices[inside, 0], updates[inside].astype(np.float64))
    return expected


@pytest.mark.parametrize(("extent", "width"), [(1000, 128), (997, 127), (1024, 33), (64, 1000), (7, 4000)])
@pytest.mark.parametrize("zeros", [True, False])
def test_rows(extent: int, width: int, zeros: bool) -> None:
    rng = np.random.default_rng(extent)
    x = np.zeros((extent, width), F32) if zeros else rng.standard_normal((extent, width)).astype(F32)
    indices = rng.integers(-2, extent + 2, (555, 1)).astype(np.int32)
    updates = rng.standard_normal((555, width)).astype(F32)

    def gradient(x: Any, i: Any, u: Any) -> Any:
        start = broadcast_in_dim(np.float32(0), x.shape, ()) if zeros else x
        return lax.scatter_add(start, i, u, ROWS)

    [found] = on_threads(gradient, [x, indices, updates])
    np.testing.assert_allclose(found, added(x, indices, updates), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [1 << 17, 100_003])
@pytest.mark.parametrize("bins", [1, 10, 1000])
def test_elements(bins: int, count: int) -> None:
    rng = np.random.default_rng(bins)
    x = rng.standard_normal(bins).astype(F32)
    indices = rng.integers(-1, bins + 1, (count, 1)).astype(np.int32)
    updates = rng.standard_normal(count).astype(F32)
    [found] = on_threads(lambda x, i, u: lax.scatter_add(x, i, u, ELEMENTS), [x, indices, updates])
    np.testing.assert_allclose(found, added(x, indices, updates), rtol=1e-4, atol=2e-3)


def test_counts_are_exact() -> None:
    indices = np.random.default_rng(0).integers(0, 256, (200_001, 1)).astype(np.int32)
    x, updates = np.zeros(256, np.int32), np.ones(200_001, np.int32)
    [found] = on_threads(lambda x, i, u: lax.scatter_add(x, i, u, ELEMENTS), [x, indices, updates])
    np.testing.assert_array_equal(found, np.bincount(indices[:, 0], minlength=256))


def test_the_last_of_several_stays() -> None:
    rng = np.random.default_rng(1)
    x, indices = np.zeros((300, 256), F32), rng.integers(0, 300, (1000, 1)).astype(np.int32)
    updates = rng.standard_normal((1000, 256)).astype(F32)
    expected = x.copy()
    for row, update in zip(indices[:, 0], updates, strict=True):
        expected[row] = update
    [found] = on_threads(lambda x, i, u: lax.scatter(x, i, u, ROWS), [x, indices, updates])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("count", [1 << 18, 300_007])
def test_unique_elements(count: int) -> None:
    rng = np.random.default_rng(2)
    x, updates = rng.standard_normal(count).astype(F32), rng.standard_normal(count).astype(F32)
    indices = rng.permutation(count).astype(np.int32)[:, None]
    [found] = on_threads(lambda x, i, u: lax.scatter_add(x, i, u, ELEMENTS, unique_indices=True), [x, indices, updates])
    expected = x.copy()
    expected[indices[:, 0]] += updates
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("stored", [False, True])
def test_a_loop_behind_a_small_reduction_is_shared(stored: bool) -> None:
    x, w = np.arange(300_000, dtype=F32), np.arange(7, dtype=F32)

    def scaled(x: Any, w: Any) -> Any:
        total = lax.reduce_sum(lax.exp(w), (0,))
        return (lax.mul(x, total), total) if stored else lax.mul(x, total)

    [step] = compile_to_program(staged(scaled, [x, w])).steps
    assert emit_kernel(step.kernel, Target(), "scaled").units > 1
    product, *total = on_threads(scaled, [x, w])
    np.testing.assert_allclose(product, x * np.exp(w).sum(), rtol=1e-6)
    assert len(total) == stored
    np.testing.assert_allclose(total, [np.exp(w).sum()] * stored, rtol=1e-6)
