"""Rows kept in scratch, as native code: odd lengths, every float, several threads, against the references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiler.test_fusion import softmax
from compiler.test_scratch import both, layernorm_gradient, logsumexp_gradient
from programs import by_reference, compiled, run, staged

from cotan.config import config

RNG = np.random.default_rng(11)


def check(fun: Any, args: list[np.ndarray], rtol: float) -> None:
    closed = staged(fun, args)
    expected = by_reference(closed, args)
    for found, value in zip(run(compiled(closed), args, closed.in_avals), expected, strict=True):
        assert found.dtype == value.dtype
        np.testing.assert_allclose(found.astype(np.float64), value.astype(np.float64), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("columns", [32, 33, 47, 64, 100, 1000, 4096, 8191, 8193])
@pytest.mark.parametrize("fun", [softmax, logsumexp_gradient, both], ids=lambda fun: fun.__name__)
def test_lengths(fun: Any, columns: int) -> None:
    check(fun, [RNG.normal(size=(37, columns)).astype(np.float32)], 1e-5)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_threads_and_dtypes(dtype: Any, threads: int) -> None:
    with config.override(num_threads=threads, enable_x64=True):
        for fun in (softmax, logsumexp_gradient, both):
            check(
                fun, [RNG.normal(size=(700, 333)).astype(dtype)], {2: 4e-3, 4: 1e-5, 8: 1e-13}[np.dtype(dtype).itemsize]
            )


@pytest.mark.parametrize("shape", [(33, 100), (128, 1024), (1, 40), (40, 1)])
def test_layernorm(shape: tuple[int, int]) -> None:
    args = [RNG.normal(size=extents).astype(np.float32) for extents in (shape, shape[1:], shape)]
    check(layernorm_gradient, args, 2e-4)
