"""Sorting by digits against NumPy's stable argsort: kinds of keys, what goes along, lines, parts and threads."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import cotan
from cotan import lax
from cotan.config import config
from cotan_cpu.lower import radix
from cotan_cpu.lower.sort import eager

N = 40_000
KEYS = {
    "any bits": lambda rng, n: rng.integers(0, 1 << 32, n, np.uint32),
    "negative too": lambda rng, n: rng.integers(-(1 << 31), 1 << 31, n, dtype=np.int32),
    "few": lambda rng, n: rng.integers(-500, 500, n, dtype=np.int32),
    "middle digit": lambda rng, n: rng.integers(0, 2000, n, np.uint32) << np.uint32(11),
    "highest digit": lambda rng, n: (rng.integers(0, 3, n, np.uint32) << np.uint32(30)) + np.uint32(77),
    "one": lambda rng, n: np.full(n, -3, np.int32),
    "in order": lambda rng, n: np.arange(n, dtype=np.int32),
    "floats": lambda rng, n: rng.standard_normal(n).astype(np.float32),
    "floats of all sizes": lambda rng, n: rng.choice(
        np.float32([0, 1e-45, -1e-45, 1.5, -1.5, 3e38, -3e38, np.inf, -np.inf]), n
    ),
}


@pytest.fixture
def no_other_way(monkeypatch):
    """Fails where digits are not the way."""
    monkeypatch.setattr("cotan.primitives.sort.sorted_arrays", None)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("shape", [(N,), (1, N), (3, N), (70, radix.LEAST), (N, 1)], ids=str)
def test_like_stable_argsort(shape, keys, threads, no_other_way):
    rng = np.random.default_rng(0)
    x = KEYS[keys](rng, int(np.prod(shape))).reshape(shape)
    axis = int(np.argmax(shape[-2:])) if shape == (N, 1) else len(shape) - 1
    values = rng.integers(0, 1 << 32, shape, np.uint32)
    order = np.argsort(x, axis, kind="stable")
    with config.override(num_threads=threads):
        found = eager(x, values.view(np.float32), dimension=axis, is_stable=True, num_keys=1)
    np.testing.assert_array_equal(found[0], np.take_along_axis(x, order, axis))
    np.testing.assert_array_equal(found[1].view(np.uint32), np.take_along_axis(values, order, axis))
    assert [y.dtype for y in found] == [x.dtype, np.float32]


@pytest.mark.parametrize("others", [(np.float64,), (np.int8, np.float32), (np.complex64, ml_dtypes.bfloat16, np.int32)])
def test_what_does_not_fit_a_word_follows_places(others, no_other_way):
    rng = np.random.default_rng(0)
    x = KEYS["few"](rng, (2, N))
    operands = [rng.integers(-99, 99, x.shape).astype(dtype) for dtype in others]
    order = np.argsort(x, 1, kind="stable")
    found = eager(x, *operands, dimension=1, is_stable=True, num_keys=1)
    for given, result in zip((x, *operands), found, strict=True):
        assert result.dtype == given.dtype
        np.testing.assert_array_equal(result, np.take_along_axis(given, order, 1))


@pytest.mark.parametrize("special", [-0.0, np.nan, -np.nan])
@pytest.mark.parametrize("usual", [[0.0, 1.0, np.nan], [1.0, -2.0], [0.0]])
def test_floats_that_are_equal_and_differ_keep_their_order(special, usual, no_other_way):
    rng = np.random.default_rng(0)
    x = rng.choice(np.float32(usual), (3, N))
    x[1, ::7] = special
    x.view(np.uint32)[2, 5] |= 0x7FC00001
    found = eager(x, np.tile(np.arange(N, dtype=np.int32), (3, 1)), dimension=1, is_stable=True, num_keys=1)
    order = np.argsort(x, 1, kind="stable")
    np.testing.assert_array_equal(found[1], order)
    np.testing.assert_array_equal(found[0].view(np.uint32), np.take_along_axis(x, order, 1).view(np.uint32))


def test_gaps_and_turned_lines(no_other_way):
    rng = np.random.default_rng(0)
    x, values = rng.integers(0, 99, (2, 4, 2 * N), dtype=np.int32)[:, :, ::-2]
    order = np.argsort(x, 1, kind="stable")
    found = eager(x, values, dimension=1, is_stable=True, num_keys=1)
    np.testing.assert_array_equal(found[1], np.take_along_axis(values, order, 1))


def test_other_keys_and_short_lines_go_another_way():
    for key in (np.zeros(N), np.zeros(N, np.int8), np.zeros(radix.LEAST - 1, np.int32), np.zeros((N, 2), np.int32)):
        assert radix.sort([key, key], 0) is None


def test_in_programs():
    x = np.random.default_rng(0).integers(0, 1 << 32, (2, N), np.uint32)
    function = cotan.jit(lambda x, y: lax.sort((x, y + 1), num_keys=1))
    keys, values = function(x[0], x[1])
    order = np.argsort(x[0], kind="stable")
    np.testing.assert_array_equal(keys, x[0][order])
    np.testing.assert_array_equal(values, x[1][order] + np.uint32(1))
