"""cotan.numpy.fft against NumPy: all transforms, lengths, axes and norms; derivatives; bad input."""

from __future__ import annotations

import re

import numpy as np
import pytest
from user_functions import check_derivatives, check_jit, check_vmap, type_of

import cotan
import cotan.numpy as cnp
from cotan import lax

RANDOM = np.random.default_rng(3)
ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
TWO = ("fft2", "ifft2", "rfft2", "irfft2")
MANY = ("fftn", "ifftn", "rfftn", "irfftn")
TAKES_REAL = ("rfft", "ihfft", "rfft2", "rfftn")


def operand(name, *shape):
    x = RANDOM.standard_normal(shape)
    return x if name in TAKES_REAL else x + 1j * RANDOM.standard_normal(shape)


def both(name, *args, **kwargs):
    """The function's result in double and single precision, held to NumPy's."""
    wanted = getattr(np.fft, name)(*args, **kwargs)
    for double in (True, False):
        with cotan.enable_x64(double):
            found = getattr(cnp.fft, name)(*args, **kwargs)
            assert type_of(found) == (str(wanted.dtype) if double else str(wanted.dtype)[:-2].rstrip("1")
                                      + ("64" if wanted.dtype.kind == "c" else "32"))  # fmt: skip
            scale = np.abs(wanted).max(initial=1.0)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=(1e-13 if double else 1e-5) * scale)


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("name", ONE)
def test_one_axis(name, norm):
    for kwargs in ({}, {"n": 7}, {"n": 4}, {"n": 6, "axis": 0}, {"axis": 1}):
        both(name, operand(name, 3, 4, 5), norm=norm, **kwargs)


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("name", TWO)
def test_two_axes(name, norm):
    for kwargs in ({}, {"s": (3, 6)}, {"axes": (0, 2)}, {"s": (2, 5), "axes": (2, 0)}):
        both(name, operand(name, 3, 4, 5), norm=norm, **kwargs)


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("name", MANY)
def test_many_axes(name, norm):
    for kwargs in ({}, {"axes": (1,)}, {"axes": (2, 0, 1)}, {"s": (2, 3, 6), "axes": (1, 0, 2)}):
        both(name, operand(name, 3, 4, 5), norm=norm, **kwargs)
    x = operand(name, 2, 3, 2, 3, 2)
    both(name, x, norm=norm)


@pytest.mark.parametrize("n", [1, 2, 97, 128, 1009, 2310])
def test_any_length(n):
    for name in ONE:
        both(name, operand(name, n), n=n)


@pytest.mark.parametrize("kind", [np.float16, np.int8, np.bool_, np.float32, np.uint32])
def test_real_dtypes(kind):
    x = np.arange(6).astype(kind)
    for name in ("fft", "ifft", "rfft", "irfft", "hfft"):
        found = getattr(cnp.fft, name)(x)
        assert found.dtype == (np.float32 if name in ("irfft", "hfft") else np.complex64)
        np.testing.assert_allclose(found, getattr(np.fft, name)(x.astype(np.float64)), atol=1e-5)


def test_brain_floats():
    np.testing.assert_allclose(cnp.fft.rfft(cnp.ones(4, cnp.bfloat16)), [4, 0, 0])


def test_nothing_to_transform():
    assert cnp.fft.fft(cnp.zeros(0)).shape == (0,)
    assert cnp.fft.irfft(cnp.zeros(1)).shape == (0,)
    assert cnp.fft.fft(cnp.zeros((0, 3))).shape == (0, 3)
    assert cnp.fft.rfft(cnp.zeros((0, 4))).shape == (0, 3)
    assert type_of(cnp.fft.fftn(cnp.ones(3), axes=())) == "complex64"


@pytest.mark.parametrize("n", [0, 1, 4, 5])
def test_frequencies(n):
    for name in ("fftfreq", "rfftfreq"):
        function, oracle = getattr(cnp.fft, name), getattr(np.fft, name)
        if n:
            np.testing.assert_allclose(function(n), oracle(n), rtol=1e-6)
            np.testing.assert_allclose(function(n, 0.2), oracle(n, 0.2), rtol=1e-6)
            np.testing.assert_allclose(cotan.jit(function, static_argnums=0)(n, 0.2), oracle(n, 0.2), rtol=1e-6)
        assert function(n, dtype=np.float16).dtype == np.float16
    assert cnp.fft.fftfreq(0).shape == (0,)


@pytest.mark.parametrize("axes", [None, 0, (1,), (0, 2), -1])
def test_shifts(axes):
    x = np.arange(60).reshape(3, 4, 5)
    np.testing.assert_array_equal(cnp.fft.fftshift(x, axes), np.fft.fftshift(x, axes))
    np.testing.assert_array_equal(cnp.fft.ifftshift(x, axes), np.fft.ifftshift(x, axes))


@pytest.mark.parametrize("name", ONE)
def test_transforms_of_functions(name):
    x = RANDOM.standard_normal((2, 6)).astype(np.float32)
    function = getattr(cnp.fft, name)
    check_jit(function, x)
    check_vmap(function, x, rtol=1e-5)
    parts = (lambda y: (cnp.real(y), cnp.imag(y))) if name not in ("irfft", "hfft") else lambda y: y
    for kwargs in ({}, {"n": 9}, {"n": 5, "axis": 0, "norm": "ortho"}):
        check_derivatives(lambda x, kwargs=kwargs: parts(function(x, **kwargs)), x)
        if name not in TAKES_REAL:
            check_derivatives(lambda x, y, kwargs=kwargs: parts(function(x + 1j * y, **kwargs)), x, x[::-1].copy())


def test_gradients_of_norms():
    x = RANDOM.standard_normal((3, 4)).astype(np.float32)
    # Parseval: the sum of squares is kept up to the factor n.
    found = cotan.grad(lambda x: cnp.sum(cnp.abs(cnp.fft.fftn(x)) ** 2))(x)
    np.testing.assert_allclose(found, 2 * x.size * x, rtol=1e-4)
    np.testing.assert_allclose(
        cotan.hessian(lambda x: cnp.sum(cnp.fft.irfft(cnp.fft.rfft(x, norm="ortho"), norm="ortho") ** 2))(x[0]),
        2 * np.eye(4),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: cnp.fft.fft(x, norm="no"), ValueError, "fft: norm must be None, 'backward', 'ortho' or 'forward'"),
        (lambda x: cnp.fft.hfft(x, norm="no"), ValueError, "hfft: norm must be"),
        (lambda x: cnp.fft.ihfft(x, norm="no"), ValueError, "ihfft: norm must be"),
        (lambda x: cnp.fft.fft(x, n=0), ValueError, "fft: lengths must be positive, got 0"),
        (lambda x: cnp.fft.fft(x, n=2.5), TypeError, "fft: lengths must be integers known while tracing, got 2.5"),
        (lambda x: cnp.fft.fft(x, axis=2), ValueError, "fft: axis 2 is out of range"),
        (lambda x: cnp.fft.fft(x, axis=(0,)), ValueError, "fft transforms one axis, got axis=(0,); use fftn"),
        (lambda x: cnp.fft.fft2(x, axes=(0,)), ValueError, "fft2 transforms two axes, got axes=(0,); use fftn"),
        (lambda x: cnp.fft.fftn(x, axes=(0, 0)), ValueError, "fftn: repeated axis in (0, 0)"),
        (lambda x: cnp.fft.fftn(x, s=(2,), axes=(0, 1)), ValueError, "fftn: s and axes must have equal lengths"),
        (lambda x: cnp.fft.rfft(x * 1j), ValueError, "rfft takes real numbers, got complex64"),
        (lambda x: cnp.fft.irfftn(x, axes=()), ValueError, "irfftn needs at least one axis, got none"),
        (lambda x: cnp.fft.fft([1.0]), TypeError, "fft"),
        (lambda x: cnp.fft.fftfreq(4.5), ValueError, "fftfreq: the number of samples n must be an integer, got 4.5"),
        (lambda x: cnp.fft.rfftfreq(4, x), ValueError, "rfftfreq: the distance d of samples must be a scalar"),
        (lambda x: lax.fft(x, "no", (3,)), ValueError, "fft: unknown fft_type 'no'; known: FFT, IFFT, RFFT, IRFFT"),
        (lambda x: lax.fft(x, 7, (3,)), ValueError, "fft: unknown fft_type 7"),
        (lambda x: lax.fft(x * 1j, "RFFT", (3,)), TypeError, "fft: RFFT takes real numbers, got complex64"),
        (lambda x: lax.fft(x, "FFT", (4,)), ValueError, "fft: FFT of lengths (4,) needs an operand whose last axes"),
        (lambda x: lax.fft(x, "IRFFT", (3,)), ValueError, "fft: IRFFT of lengths (3,) needs an operand whose last"),
        (lambda x: lax.fft(x, "FFT", ()), ValueError, "fft: fft_lengths must have 1 to 2 entries"),
        (lambda x: lax.fft(x, "FFT", (-3,)), ValueError, "fft: fft_lengths must not be negative, got (-3,)"),
        (lambda x: lax.fft_p.bind(x, fft_type=lax.FftType.FFT, fft_lengths=(3,)), TypeError, "FFT does not accept"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call(cnp.ones((2, 3)))
