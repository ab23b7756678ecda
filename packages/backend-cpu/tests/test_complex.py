"""Complex numbers in vectors: pairs are loaded and stored whole, up to the end of the memory and no further."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

SIZES = (1, 2, 7, 15, 16, 33, 64, 129, 257, 1003)
TOLERANCE = {"complex64": 3e-6, "complex128": 1e-14}


@pytest.fixture(autouse=True)
def wide():
    with cotan.enable_x64(True):
        yield


def array(dtype, *extents, seed=0):
    rng = np.random.default_rng([seed, *extents])
    return (rng.normal(size=extents) + 1j * rng.normal(size=extents)).astype(dtype)


def agree(function, *args, terms=1):
    """``function`` compiled, against the same with NumPy; each of its results is a sum of so many terms."""
    actual = cotan.jit(lambda *xs: function(cnp, *xs))(*args)
    expected = function(np, *args)
    tolerance = TOLERANCE[args[0].dtype.name]
    scale = max(np.sqrt(terms), float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", SIZES)
def test_elementwise(dtype, size):
    z, w = array(dtype, size), array(dtype, size, seed=1)
    agree(lambda xp, z, w: z * w + xp.conj(z), z, w)
    agree(lambda xp, z, w: z / w, z, w)
    agree(lambda xp, z, w: xp.exp(z) - w, z, w)
    agree(lambda xp, z, w: xp.abs(z) + w.real, z, w)
    agree(lambda xp, z, w: xp.where(z.real > w.real, z, w), z, w)
    agree(lambda xp, z, w: z.imag * w, z, w)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("chosen", [np.s_[1:], np.s_[::-1], np.s_[1::2], np.s_[::-2], np.s_[:-1], np.s_[::3]], ids=str)
def test_of_slices(dtype, size, chosen):
    z, w = array(dtype, size), array(dtype, size, seed=1)
    agree(lambda xp, z, w: z[chosen] * w[chosen], z, w)
    agree(lambda xp, z, w: z[chosen].real + w[: z[chosen].shape[0]].imag, z, w)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", [(3, 5), (16, 17), (40, 33), (1, 64), (65, 1)])
def test_of_matrices(dtype, shape):
    z, w, row = array(dtype, *shape), array(dtype, *shape[::-1], seed=1), array(dtype, shape[1])
    agree(lambda xp, z, w: z.T * w, z, w)
    agree(lambda xp, z, w: xp.roll(z, 1, 0) + w.T, z, w)
    agree(lambda xp, z, row: z * row, z, row)
    agree(lambda xp, z, w: z.sum(0) + w.sum(1), z, w)
    agree(lambda xp, z, w: z.sum() * w.mean(), z, w)
    agree(lambda xp, z, row: xp.pad(z, ((1, 2), (2, 0)), constant_values=1j)[:, 1:], z, row)
    agree(lambda xp, z, row: xp.concatenate([z, z * 2], 1), z, row)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("threads", [1, 2])
def test_large_arrays(dtype, threads):
    z, w = array(dtype, 300, 1001), array(dtype, 300, 1001, seed=1)
    with cotan.config.override(num_threads=threads):
        agree(lambda xp, z, w: z * w, z, w)
        agree(lambda xp, z, w: xp.exp(1j * z.real) * w, z, w)
        agree(lambda xp, z, w: (z * xp.conj(w)).sum(), z, w, terms=z.size)
        agree(lambda xp, z, w: (z - w).sum(0), z, w, terms=300)
        agree(lambda xp, z, w: xp.abs(z).sum(1), z, w, terms=1001)


@pytest.mark.parametrize("size", [1000, 30_000, 300_000])
def test_sums_are_as_exact_as_numpy_s(size):
    rng = np.random.default_rng(size)
    total = cotan.jit(cnp.sum)
    ours, theirs = [], []
    for _ in range(100):
        z = (rng.random(size) + 1j * rng.random(size)).astype("complex64")
        exact = z.astype(complex).sum()
        ours.append(abs(complex(total(z)) - exact))
        theirs.append(abs(complex(z.sum()) - exact))
    assert np.linalg.norm(ours) <= 1.25 * np.linalg.norm(theirs)


def test_a_loop_carries_complex_numbers():
    z, c = array("complex128", 37) / 4, array("complex128", 37, seed=1) / 4

    def python(z, c):
        for _ in range(5):
            z = z * z + c
        return z

    found = cotan.jit(lambda z, c: cotan.lax.fori_loop(0, 5, lambda _, z: z * z + c, z))(z, c)
    np.testing.assert_allclose(found, python(z, c), rtol=1e-12)
    found = cotan.jit(lambda z, c: cotan.lax.scan(lambda z, c: (z * c, z.imag), z, cnp.stack([c, c])), donate_argnums=0)
    carry, kept = found(cnp.asarray(z), c)
    np.testing.assert_allclose(carry, z * c * c, rtol=1e-12)
    np.testing.assert_allclose(kept, [z.imag, (z * c).imag], rtol=1e-12)


def test_derivatives_of_holomorphic_functions():
    z = array("complex128", 9)
    found = cotan.jit(cotan.vmap(cotan.grad(lambda z: cnp.exp(z) * z / (z + 3), holomorphic=True)))(z)
    expected = np.exp(z) * (z / (z + 3) + 3 / (z + 3) ** 2)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_every_second_number_of_an_array_of_real_ones():
    """Pairs that are no complex numbers: both, one of them, one under a guard; sizes that are odd and even."""
    for size in (2, 5, 16, 33, 130, 257):
        x = array("complex64", size).view("float32")
        found = cotan.jit(lambda x: (x[::2] * x[1::2], x[1::2] + 1, cnp.pad(x, 2)[::2]))(x)
        for a, b in zip(found, (x[::2] * x[1::2], x[1::2] + 1, np.pad(x, 2)[::2]), strict=True):
            np.testing.assert_array_equal(a, b)
        y = array("complex128", 2 * size + 1).real.astype("float32")
        np.testing.assert_array_equal(cotan.jit(lambda y: y[::2] * 3)(y), y[::2] * 3)
