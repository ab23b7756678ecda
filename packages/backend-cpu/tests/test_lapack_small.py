"""Factorisations and triangular systems of small matrices, which LAPACK has no part in, beside NumPy's and SciPy's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.linalg

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan_cpu.lower.lapack_small import LARGEST

RNG = np.random.default_rng(0)
SIZES = [1, 2, 3, 8, LARGEST - 1, LARGEST, LARGEST + 1]


@pytest.fixture(autouse=True, params=["float32", "float64"])
def dtype(request):
    with cotan.config.override(enable_x64=True):
        yield np.dtype(request.param)


def close(found, expected, size, dtype):
    scale = max(np.abs(expected).max(), 1e-30)
    assert np.abs(found - expected).max() <= 4 * size * np.finfo(dtype).eps * scale


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("more", [-2, 0, 3])
def test_lu(n, more, dtype):
    m = max(n + more, 1)
    a = RNG.standard_normal((4, m, n)).astype(dtype)
    lu, pivots, order = map(np.asarray, cotan.jit(lax.linalg.lu)(a))
    k = min(m, n)
    lower, upper = np.tril(lu[:, :, :k], -1) + np.eye(m, k), np.triu(lu[:, :k])
    close(lower @ upper, np.take_along_axis(a, order[:, :, None], 1), n, dtype)
    assert np.abs(lower).max() <= 1
    for matrix, found in zip(a, pivots, strict=True):
        if m == n:
            np.testing.assert_array_equal(found, scipy.linalg.lu_factor(matrix)[1])


def test_lu_of_singular_matrices_and_of_what_is_no_number(dtype):
    lu, pivots, order = lax.linalg.lu(np.zeros((2, 3, 3), dtype))
    np.testing.assert_array_equal(lu, 0)
    np.testing.assert_array_equal(pivots, [[0, 1, 2]] * 2)
    np.testing.assert_array_equal(order, [[0, 1, 2]] * 2)
    second = np.array([[[0, 2.0], [0, 1]], [[np.nan, 1], [1, 1]]], dtype)
    lu, pivots, _ = lax.linalg.lu(second)
    np.testing.assert_array_equal(lu[0], second[0])
    np.testing.assert_array_equal(pivots, [[0, 1]] * 2)
    assert np.isnan(np.asarray(lu[1])[1, 1])


@pytest.mark.parametrize("n", SIZES)
def test_cholesky(n, dtype):
    x = RNG.standard_normal((5, n, n)).astype(dtype)
    a = x @ x.transpose(0, 2, 1) + n * np.eye(n, dtype=dtype)
    found = np.asarray(cotan.jit(cnp.linalg.cholesky)(a))
    close(found, np.linalg.cholesky(a.astype(np.float64)), n, dtype)
    np.testing.assert_array_equal(np.triu(found, 1), 0)


@pytest.mark.parametrize("bad", [-1.0, 0.0, np.nan])
def test_what_has_no_cholesky_factor_becomes_nan_alone(bad, dtype):
    a = np.stack([np.eye(4, dtype=dtype)] * 3)
    a[1, 2, 2] = bad
    found = np.asarray(cnp.linalg.cholesky(a))
    assert np.isnan(np.tril(found[1])[np.tril_indices(4)]).all()
    np.testing.assert_array_equal(found[[0, 2]], a[[0, 2]])


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("count", [1, 5, 24])
def test_triangular_systems(n, count, dtype):
    for left, lower, transposed, unit in itertools.product((False, True), repeat=4):
        # The other half, and a diagonal of ones, must not be read.
        a = (0.3 * RNG.standard_normal((3, n, n)) + 3 * np.eye(n)).astype(dtype)
        b = RNG.standard_normal((3, n, count) if left else (3, count, n)).astype(dtype)
        flags = {"left_side": left, "lower": lower, "transpose_a": transposed, "unit_diagonal": unit}
        x = np.asarray(lax.linalg.triangular_solve(a, b, **flags), np.float64)
        half = (np.tril if lower else np.triu)(a).astype(np.float64)
        if unit:
            half[:, range(n), range(n)] = 1
        if transposed:
            half = half.transpose(0, 2, 1)
        residual = (half @ x if left else x @ half) - b
        size = np.abs(half).max() * np.abs(x).max() + np.abs(b).max()
        assert np.abs(residual).max() <= 4 * n * np.finfo(dtype).eps * size, flags
