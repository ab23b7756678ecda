"""Lines that are sorted in ranges against NumPy's sort: kinds of elements, how they are spread, and threads."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_harness import targets

from cotan.config import config
from cotan_cpu import driver
from cotan_cpu.codegen import jit
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
        partition.sort(line, out, threads)
    np.testing.assert_array_equal(out, np.sort(line))
    np.testing.assert_array_equal(line, before)


@pytest.mark.parametrize("threads", [2, 3, 20])
@pytest.mark.parametrize("share", [0.5, 0.9, 1])
def test_many_nan(threads, share):
    """More than a range has."""
    rng = np.random.default_rng(0)
    line = np.where(rng.random(40_000) < share, np.nan, rng.choice([1, 2, np.inf], 40_000)).astype(np.float32)
    out = np.zeros_like(line)
    partition.sort(line, out, threads)
    np.testing.assert_array_equal(out, np.sort(line))


def test_zeros_of_both_signs_keep_their_order():
    line = np.random.default_rng(0).choice(np.array([0.0, -0.0, 1.0], np.float32), 40_000)
    with config.override(num_threads=2):
        [found] = eager(line, dimension=0, is_stable=True, num_keys=1)
    np.testing.assert_array_equal(found.view(np.uint32), np.sort(line, kind="stable").view(np.uint32))
    rows = np.where(line == 1, np.nan, line).reshape(8, 5000)
    rows[3] = np.abs(rows[3]) + 1
    with config.override(num_threads=2):
        [found] = eager(rows, dimension=1, is_stable=False, num_keys=1)
    wanted = np.take_along_axis(rows, np.argsort(rows, 1, kind="stable"), 1)
    np.testing.assert_array_equal(found, wanted)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found)[numbers], np.signbit(wanted)[numbers])


@pytest.mark.parametrize("target", targets(), ids=lambda target: target.cpu)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 7, 64, 1001])
def test_halves_write_nothing_else(dtype, size, target):
    """Also where pressing elements together is many instructions; the ends of vectors are where it could go wrong."""
    module = jit.Engine(target).load(partition.halving_text(np.dtype(dtype).str[1:], target.vector_bytes))
    halve = driver.function(module.address("cotan_halve"), "i64", "ptr", "ptr", "i64", "ptr")
    rng = np.random.default_rng(size)
    line = (rng.standard_normal(size) * 100).astype(np.int64).astype(dtype)
    for division in (np.sort(line)[[size // 2]], line.max(keepdims=True), line.min(keepdims=True)):
        memory = np.full(size + 64, 77, dtype)
        low = halve(line.ctypes.data, memory[32:].ctypes.data, size, division.ctypes.data)
        out = memory[32 : 32 + size]
        assert low == np.count_nonzero(line < division)
        assert (out[:low] < division).all()
        assert (out[low:] >= division).all()
        np.testing.assert_array_equal(np.sort(out), np.sort(line))
        assert (memory[:32] == 77).all()
        assert (memory[32 + size :] == 77).all()


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
