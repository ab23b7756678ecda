"""Merging sorted stretches against NumPy's sort: every kind of element, number of stretches and of threads."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cotan.config import config
from cotan_cpu.lower.merge import can_merge, merge

DTYPES = ["float32", "float64", "int32", "uint32", "int64", "uint64"]


def stretches(seed: int, size: int, dtype: str, count: int) -> tuple[np.ndarray, list[int]]:
    """A line of sorted stretches of any lengths, and their bounds."""
    rng = np.random.default_rng(seed)
    line = rng.integers(0, 2 ** rng.integers(1, 31), size).astype(dtype)
    if line.dtype.kind == "f":
        line -= line.dtype.type(7)
        line[rng.random(size) < rng.choice([0, 0.1, 1])] = np.nan
        line[rng.random(size) < 0.05] = np.inf
    bounds = [0, *sorted(rng.integers(0, size + 1, count - 1).tolist()), size]
    for begin, end in itertools.pairwise(bounds):
        line[begin:end].sort()
    return line, bounds


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_like_sorting(dtype, count, threads):
    with config.override(num_threads=threads):
        for seed in range(12):
            for size in (1, 2, 3, 17, 1000, 4001):
                line, bounds = stretches(seed, size, dtype, count)
                wanted = np.sort(line)
                merge(line, bounds)
                np.testing.assert_array_equal(line, wanted)


def test_no_bits_are_lost():
    """Zeros of both signs, and NaN of any bits, are all there."""
    rng = np.random.default_rng(0)
    line = rng.choice(np.array([0.0, -0.0, 1.0, np.nan, -np.nan], np.float32), 5000)
    line.view(np.uint32)[::7] |= np.uint32(1) << np.uint32(3)
    line[:2000].sort()
    line[2000:].sort()
    before = np.sort(line.view(np.uint32))
    merge(line, [0, 2000, 5000])
    np.testing.assert_array_equal(np.sort(line.view(np.uint32)), before)


def test_other_dtypes_have_none():
    assert all(map(can_merge, map(np.dtype, DTYPES)))
    assert not any(map(can_merge, map(np.dtype, ["float16", "int8", "uint16", "complex64", "complex128", "bool"])))
