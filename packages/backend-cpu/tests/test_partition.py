"""Lines that are sorted in ranges against NumPy's sort: kinds of elements, how they are spread, and threads."""

from __future__ import annotations

import numpy as np
import pytest

from cotan.config import config
from cotan_cpu.lower import partition
from cotan_cpu.lower.sort import eager, sort_in_place

DTYPES = ["float32", "float64", "int32", "uint32", "int64", "uint64"]
SPREAD = {
    "normal": lambda rng, n: rng.standard_normal(n) * 1e6,
    "few": lambda rng, n: rng.integers(-3, 4, n),
    "one": lambda rng, n: np.full(n, 5),
    "one and others": lambda rng, n: np.where(rng.random(n) < 0.9, 7, rng.standard_normal(n) * 100),
    "in order": lambda rng, n: np.arange(n),
    "backwards": lambda rng, n: np.arange(n)[::-1],
    "waves": lambda rng, n: np.arange(n) % 37,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spread", SPREAD)
@pytest.mark.parametrize("threads", [2, 3, 20])
@pytest.mark.parametrize("size", [600, 40_001])
def test_like_sorting(dtype, spread, threads, size):
    with np.errstate(invalid="ignore"):
        line = SPREAD[spread](np.random.default_rng(0), size).astype(dtype)
    if line.dtype.kind == "f":
        line[::50], line[7::90], line[9::91] = np.nan, np.inf, -np.inf
    before, out = line.copy(), np.empty_like(line)
    with config.override(num_threads=threads):
        assert partition.sort(line, out, threads)
    np.testing.assert_array_equal(out, np.sort(line))
    np.testing.assert_array_equal(line, before)


@pytest.mark.parametrize("threads", [2, 3, 20])
@pytest.mark.parametrize("share", [0.5, 0.9, 1])
def test_many_nan(threads, share):
    """More than a range has."""
    rng = np.random.default_rng(0)
    line = np.where(rng.random(40_000) < share, np.nan, rng.choice([1, 2, np.inf], 40_000)).astype(np.float32)
    out = np.zeros_like(line)
    assert partition.sort(line, out, threads)
    np.testing.assert_array_equal(out, np.sort(line))


def test_zeros_of_both_signs_are_all_there():
    line = np.random.default_rng(0).choice(np.array([0.0, -0.0, 1.0], np.float32), 40_000)
    out = np.empty_like(line)
    assert partition.sort(line, out, 2)
    np.testing.assert_array_equal(np.sort(out.view(np.uint32)), np.sort(line.view(np.uint32)))


def test_zeros_of_both_signs_keep_their_order():
    line = np.random.default_rng(0).choice(np.array([0.0, -0.0, 1.0], np.float32), 40_000)
    assert not partition.sort(line, np.empty_like(line), 2, zeros_alike=False)
    with config.override(num_threads=2):
        [found] = eager(line, dimension=0, is_stable=True, num_keys=1)
    np.testing.assert_array_equal(found.view(np.uint32), np.sort(line, kind="stable").view(np.uint32))
    rows = np.where(line == 1, np.nan, line).reshape(8, 5000)
    rows[3] = np.abs(rows[3]) + 1
    [found] = eager(rows, dimension=1, is_stable=True, num_keys=1)
    wanted = np.take_along_axis(rows, np.argsort(rows, 1, kind="stable"), 1)
    np.testing.assert_array_equal(found, wanted)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found)[numbers], np.signbit(wanted)[numbers])


@pytest.mark.parametrize("shape", [(40_000,), (1, 40_000, 1)])
def test_in_place(shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    wanted = np.sort(x, axis=None).reshape(shape)
    with config.override(num_threads=2):
        sort_in_place(x, int(np.argmax(shape)))
    np.testing.assert_array_equal(x, wanted)


def test_other_dtypes_have_none():
    assert all(map(partition.can_sort, map(np.dtype, DTYPES)))
    others = ["float16", "int8", "uint16", "complex64", "complex128", "bool"]
    assert not any(map(partition.can_sort, map(np.dtype, others)))
