"""Windows, i0 and unwrap against NumPy; derivatives; bad input."""

from __future__ import annotations

import re

import numpy as np
import pytest
from user_functions import check_derivatives, check_jit, check_vmap, type_of

import cotan
import cotan.numpy as cnp


@pytest.mark.parametrize("name", ["bartlett", "blackman", "hamming", "hanning"])
@pytest.mark.parametrize("count", [-1, 0, 1, 2, 7, 8])
def test_windows(name, count):
    found = getattr(cnp, name)(count)
    assert type_of(found) == "float32"
    np.testing.assert_allclose(found, getattr(np, name)(count), atol=1e-7)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8])
def test_kaiser(count):
    with cotan.enable_x64(True):
        for beta in (0, 0.5, 14.0, -3.0, 200.0):
            np.testing.assert_allclose(cnp.kaiser(count, beta), np.kaiser(count, beta), rtol=1e-12)
    check_derivatives(lambda beta: cnp.kaiser(7, beta), np.array(2.5))
    assert type_of(cotan.jit(cnp.kaiser, static_argnums=0)(count, 3.0)) == "float32"


def test_i0():
    x = np.array([-20.0, -0.5, 0.0, 3.0, 8.0, 9.5])
    with cotan.enable_x64(True):
        np.testing.assert_allclose(cnp.i0(x), np.i0(x), rtol=1e-14)
    assert type_of(cnp.i0(1)) == "~float32"
    check_derivatives(cnp.i0, x)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((np.linspace(0, 30, 12) % (2 * np.pi),), {}),
        ((np.linspace(0, -30, 12) % 5,), {"period": 5}),
        ((np.array([0, 3, 6, 1, 4]),), {"period": 8}),
        ((np.array([0, 3, 6, 1, 4, 7, 2]),), {"period": 7}),
        ((np.array([0, 4, 0, 4, 1]),), {"period": 8}),
        ((np.array([0.0, np.pi, 0.0, -np.pi]),), {}),
        ((np.linspace(0, 30, 12).reshape(3, 4) % 6,), {"axis": 0, "discont": 4.0}),
        ((np.zeros((2, 1)),), {}),
        ((np.arange(5) * 4,), {}),
    ],
)
def test_unwrap(args, kwargs):
    with cotan.enable_x64(True):
        found, wanted = cnp.unwrap(*args, **kwargs), np.unwrap(*args, **kwargs)
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_unwrap_transformed():
    x = np.linspace(0.1, 30.2, 10) % (2 * np.pi)
    check_jit(cnp.unwrap, x.astype(np.float32))
    check_vmap(cnp.unwrap, x.astype(np.float32), rtol=1e-4)
    check_derivatives(cnp.unwrap, x)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cnp.hanning(2.5), TypeError, "hanning: the number of points M must be an integer known while tracing"),
        (lambda: cnp.kaiser("a", 1), TypeError, "kaiser: the number of points M must be an integer"),
        (lambda: cnp.i0(1j), ValueError, "i0 is defined for real numbers only, got complex64"),
        (lambda: cnp.unwrap(np.ones(3) * 1j), ValueError, "unwrap takes real numbers, got complex64"),
        (lambda: cnp.unwrap(np.ones(3), axis=1), ValueError, "unwrap: axis 1 is out of range"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
