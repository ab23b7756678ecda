"""Loads of every second, third, ... element: forwards and backwards, up to the end of the memory."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

DTYPES = ["bool", "int8", "uint16", "float16", "bfloat16", "int32", "float32", "int64", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("step", [2, 3, 4, 5, -2, -3, -4])
def test_steps_of_a_vector(dtype, step):
    rng = np.random.default_rng(abs(step))
    with cotan.enable_x64(True):
        for size in (1, 7, 16, 33, 64, 257):
            for start in (0, 1):
                x = rng.integers(0, 2, abs(step) * size + start).astype(cotan.numpy.dtype(dtype))
                chosen = slice(start, None, step) if step > 0 else slice(None, None, step)
                y = cotan.jit(lambda x, chosen=chosen: x[chosen] == x[chosen][::-1])(x)
                np.testing.assert_array_equal(y, x[chosen] == x[chosen][::-1])


@pytest.mark.parametrize("width", [2, 3, 4])
def test_parts_of_records(width):
    """Sums and norms of arrays of small records, as in simulations of particles."""
    x = np.random.default_rng(0).normal(size=(1003, width)).astype("float32")

    def fun(x):
        return sum(x[:, k] * (k + 1) for k in range(width)), cnp.sqrt((x * x).sum(1)), x[::-1, 0]

    found = cotan.jit(fun)(x)
    expected = (x * np.arange(1, width + 1, dtype="float32")).sum(1), np.sqrt((x * x).sum(1)), x[::-1, 0]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-6)


def test_images_of_half_the_size():
    x = np.random.default_rng(1).normal(size=(130, 258)).astype("float32")
    y = cotan.jit(lambda x: x[::2, 1::2] + x[1::2, ::2])(x)
    np.testing.assert_array_equal(y, x[::2, 1::2] + x[1::2, ::2])


@pytest.mark.parametrize("low", [0, 1, 2, 7])
@pytest.mark.parametrize("step", [2, 3, -2, -4])
def test_steps_through_a_border(step, low):
    """What lies beside the array is not read, nor taken for its elements."""
    for size in (1, 5, 16, 100):
        x = np.arange(1, size + 1, dtype="float32")

        def fun(x):
            wide = cnp.pad(x, (low, 5), constant_values=-1.0)[::step]
            return cnp.exp(-wide) * cnp.tanh(wide) + wide * wide

        wide = np.pad(x, (low, 5), constant_values=-1.0)[::step]
        np.testing.assert_allclose(cotan.jit(fun)(x), np.exp(-wide) * np.tanh(wide) + wide * wide, rtol=1e-5)
