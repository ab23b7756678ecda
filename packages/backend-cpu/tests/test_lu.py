"""LU factors of one large matrix, panel by panel: those that LAPACK finds at once, on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import cotan
import cotan.numpy as cnp
from cotan.lax.linalg import lu
from cotan_cpu.lower.lu import LEAST, PANEL, launches, scratch

SHAPES = [
    (LEAST, LEAST),
    (LEAST + 1, LEAST),
    (4 * PANEL, 4 * PANEL),
    (4 * PANEL - 1, 5 * PANEL + 3),
    (5 * PANEL + 1, 3 * PANEL),
    (3 * PANEL, 9 * PANEL),
    (700, LEAST + 5),
]


@pytest.fixture(autouse=True)
def wide():
    with cotan.enable_x64(True):
        yield


def matrix(dtype, m, n, seed=0):
    return np.random.default_rng(seed).normal(size=(m, n)).astype(dtype)


def check(x, factors, pivots, permutation):
    """P x = L U, with the rows exchanged as both say, and no factor of L above 1."""
    m, n = x.shape
    k = min(m, n)
    factors, pivots, permutation = map(np.asarray, (factors, pivots, permutation))
    lower = np.tril(factors, -1)[:, :k] + np.eye(m, k)
    residual = np.abs(lower.astype(float) @ np.triu(factors)[:k].astype(float) - x[permutation])
    assert residual.max() <= 8 * np.sqrt(k) * np.finfo(x.dtype).eps * np.abs(x).max() * 4
    assert np.abs(lower).max() <= 1
    order = np.arange(m)
    for i, p in enumerate(pivots):
        order[[i, p]] = order[[p, i]]
    np.testing.assert_array_equal(order, permutation)
    assert pivots.dtype == permutation.dtype == np.int32


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_factors(dtype, shape):
    x = matrix(dtype, *shape)
    check(x, *cotan.jit(lu)(x))
    check(x, *lu(x))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pivots_are_lapack_s(shape):
    x = matrix("float64", *shape, seed=1)
    factors, pivots, _ = scipy.linalg.lapack.dgetrf(x)
    found = cotan.jit(lu)(x)
    np.testing.assert_array_equal(found[1], pivots)
    np.testing.assert_allclose(found[0], factors, rtol=1e-9, atol=1e-11)


def test_the_number_of_threads_changes_nothing():
    x = matrix("float32", 5 * PANEL, 6 * PANEL)
    results = []
    for threads in (1, 2, 3):
        with cotan.config.override(num_threads=threads):
            results.append([np.asarray(y) for y in (*cotan.jit(lambda x: lu(x))(x), *lu(x))])
    for others in results[1:]:
        for a, b in zip(results[0], others, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_singular_matrix_has_factors():
    x = matrix("float64", LEAST, LEAST)
    x[:, 70] = 0
    x[:, 150] = x[:, 10]
    factors, pivots, permutation = cotan.jit(lu)(x)
    check(x, factors, pivots, permutation)
    assert abs(np.diagonal(factors)[70]) < 1e-12


def test_what_is_not_finite_stays_so():
    x = matrix("float32", LEAST, LEAST)
    x[100, 100] = np.nan
    assert not np.isfinite(np.asarray(cotan.jit(lu)(x)[0])).all()
    assert not np.isfinite(np.asarray(cotan.jit(cnp.linalg.solve)(x, np.ones(LEAST, "float32")))).any()


def test_a_stack_of_one():
    x = matrix("float64", LEAST, LEAST)[None, None]
    factors, pivots, permutation = cotan.jit(lu)(x)
    assert factors.shape == x.shape
    check(x[0, 0], factors[0, 0], pivots[0, 0], permutation[0, 0])


def test_derivatives_and_what_is_built_on_them():
    x, b = matrix("float64", 2 * LEAST, 2 * LEAST), matrix("float64", 2 * LEAST, 3)
    np.testing.assert_allclose(x @ cotan.jit(cnp.linalg.solve)(x, b), b, atol=1e-10)
    sign, log = cotan.jit(cnp.linalg.slogdet)(x)
    np.testing.assert_allclose([sign, log], np.linalg.slogdet(x), rtol=1e-12)
    slope = cotan.jit(cotan.grad(lambda x: cnp.linalg.slogdet(x)[1]))(x)
    np.testing.assert_allclose(slope, np.linalg.inv(x).T, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_launches_name_every_column_once(shape):
    m, n = shape
    steps = [each for each in launches("d", m, n) if "step" in each.function]
    k = min(m, n)
    assert [each.words[-1] for each in steps] == list(range(-1, len(steps) - 1))
    for each in steps[1:]:
        done = (each.words[-1] + 1) * PANEL
        ahead = min(PANEL, max(0, k - done))
        right = n - min(done, k) - ahead
        assert each.units == 1 + -(-right // PANEL)
    assert scratch("d", m, n) >= 2 * m * n * 8
