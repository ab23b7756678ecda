"""Polynomials that need linear algebra: roots, fits, characteristic polynomials; against NumPy, in 64 bits."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

X = np.linspace(-1, 2, 12)
Y = np.stack([np.sin(X), X**3 - X + 0.1], axis=1)
W = np.linspace(0.5, 2, 12)
M = np.array([[2.0, 1.0, 0.0], [0.5, -1.0, 3.0], [1.0, 1.0, 1.0]])


@pytest.fixture(autouse=True)
def wide():
    with cotan.enable_x64():
        yield


@pytest.mark.parametrize(
    "p", [[1.0, -6.0, 11.0, -6.0], [0.0, 0.0, 2.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0], [3.0], [0.0, 0.0]]
)
def test_roots(p):
    ours, theirs = np.asarray(cnp.roots(np.array(p))), np.roots(p)
    assert ours.dtype == np.complex128
    np.testing.assert_allclose(np.sort_complex(ours), np.sort_complex(theirs), atol=1e-9)


def test_roots_under_jit():
    found = cotan.jit(lambda p: cnp.roots(p, strip_zeros=False))(np.array([1.0, -3.0, 2.0]))
    np.testing.assert_allclose(np.sort(np.asarray(found).real), [1, 2])
    with pytest.raises(TypeError, match="pass strip_zeros=False"):
        cotan.jit(cnp.roots)(np.array([1.0, -3.0, 2.0]))


def test_characteristic_polynomial():
    np.testing.assert_allclose(cnp.poly(M), np.poly(M), atol=1e-9)
    with pytest.raises(ValueError, match="must be square"):
        cnp.poly(M[:2])


@pytest.mark.parametrize("y", [Y[:, 0], Y], ids=["vector", "matrix"])
@pytest.mark.parametrize("w", [None, W], ids=["plain", "weighted"])
def test_fits(y, w):
    np.testing.assert_allclose(cnp.polyfit(X, y, 3, w=w), np.polyfit(X, y, 3, w=w), atol=1e-9)
    np.testing.assert_allclose(cotan.jit(lambda v: cnp.polyfit(X, v, 3, w=w))(y), np.polyfit(X, y, 3, w=w), atol=1e-9)
    for cov in (True, "unscaled"):
        ours, theirs = cnp.polyfit(X, y, 2, w=w, cov=cov), np.polyfit(X, y, 2, w=w, cov=cov)
        for mine, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, expected, atol=1e-9)
    ours, theirs = cnp.polyfit(X, y, 2, w=w, full=True), np.polyfit(X, y, 2, w=w, full=True)
    for mine, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-6, atol=1e-9)


def test_derivatives_of_a_fit():
    cotan.test_util.check_grads(lambda y: cnp.polyfit(X, y, 2), (Y[:, 0],), 1)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: cnp.polyfit(X, Y, -1), ValueError, "must not be negative"),
        (lambda: cnp.polyfit(X, Y[:, 0], 2, w=W[:3]), TypeError, "weights of shape"),
        (lambda: cnp.polyfit(X[:3], Y[:3], 2, cov=True), ValueError, "covariance needs more than 3 samples"),
        (lambda: cnp.polyfit(X, Y[:3], 2), TypeError, "as many samples y"),
    ],
)
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
