"""cotan.scipy.signal, fft and ndimage against SciPy; derivatives; bad input."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import scipy.signal
from user_functions import check_derivatives, check_jit, check_vmap, type_of

import cotan
import cotan.numpy as cnp
from cotan.scipy import fft, ndimage, signal

RANDOM = np.random.default_rng(1)
MODES = ("full", "same", "valid")


def array(*shape, is_complex=False):
    x = RANDOM.standard_normal(shape)
    return x + 1j * RANDOM.standard_normal(shape) if is_complex else x


def both(name, *args, rtol=1e-10, **kwargs):
    wanted = getattr(scipy.signal, name)(*args, **kwargs)
    with cotan.enable_x64(True):
        found = getattr(signal, name)(*args, **kwargs)
        for a, b in zip(*((x if isinstance(x, tuple) else (x,)) for x in (found, wanted)), strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-11)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_convolution(name, mode):
    for method in ("auto", "direct", "fft"):
        for x, y in (
            (array(9), array(4)), (array(4), array(9)), (array(7), array(3, is_complex=True)), (array(5), array(5)),
            (array(6, 5), array(3, 2)), (array(3, 4, 5), array(2, 2, 3)),
        ):  # fmt: skip
            if mode == "same" and method != "fft" and name == "correlate" and x.shape[0] < y.shape[0]:
                continue  # SciPy's result is that of exchanged operands
            both(name, x, y, mode=mode, method=method)
    assert type_of(signal.convolve(np.arange(3), np.arange(2))) == "float32"


@pytest.mark.parametrize("boundary", ["fill", "wrap", "symm"])
@pytest.mark.parametrize("mode", MODES)
def test_convolution_of_matrices(mode, boundary):
    for shape in ((3, 3), (2, 3), (4, 2), (1, 1)):
        x, y = array(6, 7), array(*shape)
        both("convolve2d", x, y, mode=mode, boundary=boundary, fillvalue=0.5)
        both("correlate2d", x, y, mode=mode, boundary=boundary)


@pytest.mark.parametrize("mode", MODES)
def test_convolution_by_transforms(mode):
    both("fftconvolve", array(4, 9), array(4, 3), mode=mode, axes=1)
    both("fftconvolve", array(4, 9), array(1, 3), mode=mode, axes=(1,))
    both("fftconvolve", array(7, 9, is_complex=True), array(2, 3), mode=mode)


def test_detrend():
    for kwargs in ({}, {"type": "constant"}, {"axis": 0}, {"bp": [3, 6]}):
        both("detrend", array(8, 9), **kwargs)


@pytest.mark.parametrize("window", ["hann", "hamming", "blackman", "bartlett", "boxcar", ("kaiser", 5.0)])
def test_windows(window):
    both("stft", array(100), nperseg=16, window=window)
    both("welch", array(100), nperseg=16, window=window)


SPECTRA = [
    {"nperseg": 16},
    {"nperseg": 15, "fs": 2.0},
    {"nperseg": 16, "noverlap": 12, "nfft": 32},
    {"nperseg": 10, "window": np.hanning(10) + 0.1},
    {"nperseg": 16, "axis": 0},
    {"nperseg": 16, "return_onesided": False},
]


@pytest.mark.parametrize("kwargs", SPECTRA)
def test_short_time_transforms(kwargs):
    shape = (90, 3) if kwargs.get("axis") == 0 else (3, 90)
    for options in ({}, {"detrend": "constant"}, {"padded": False}, {"boundary": None}):
        both("stft", array(*shape), **{**kwargs, **options})
    for boundary in ("even", "odd", "constant"):
        both("stft", array(*shape), **kwargs, boundary=boundary)
    both("stft", array(*shape, is_complex=True), **{**kwargs, "return_onesided": False})


@pytest.mark.parametrize("kwargs", SPECTRA)
def test_densities(kwargs):
    shape = (90, 3) if kwargs.get("axis") == 0 else (3, 90)
    for options in ({}, {"scaling": "spectrum"}, {"average": "median"}, {"detrend": "linear"}, {"detrend": False}):
        both("welch", array(*shape), **{**kwargs, **options})
        both("csd", array(*shape), array(*shape), **{**kwargs, **options})


@pytest.mark.parametrize("kwargs", [{"nperseg": 16}, {"nperseg": 16, "noverlap": 12}, {"nperseg": 15, "fs": 4.0}])
def test_inverse_short_time_transforms(kwargs):
    x = array(3, 90)
    both("istft", scipy.signal.stft(x[0], **kwargs)[2], **kwargs)
    both("istft", scipy.signal.stft(x[0], **kwargs, return_onesided=False)[2], **kwargs, input_onesided=False)
    with cotan.enable_x64(True):
        back = signal.istft(signal.stft(x, **kwargs)[2], **kwargs)[1]
        np.testing.assert_allclose(back[:, :90], x, atol=1e-12)
        z = array(9, 12, 3, is_complex=True)
        wanted = scipy.signal.istft(z, freq_axis=0, time_axis=1)[1]
        stamps, found = signal.istft(z, freq_axis=0, time_axis=1)
        np.testing.assert_allclose(found, wanted, atol=1e-12)
        # SciPy counts the first axis, which is that of time only in vectors.
        assert stamps.shape == (found.shape[0],)
        turned = signal.istft(np.moveaxis(z, 1, -1), freq_axis=0)
        assert (turned[0].shape, turned[1].shape) == ((wanted.shape[0],), wanted.shape[::-1])


def test_longer_pieces_than_the_signal():
    with pytest.warns(UserWarning, match="welch: nperseg=256 is greater than the 90 samples"):
        signal.welch(array(90))


CALLS = {
    "convolve": (signal.convolve, (6,), (3,)),
    "correlate": (lambda x, y: signal.correlate(x, y, mode="same"), (6,), (3,)),
    "convolve2d": (lambda x, y: signal.convolve2d(x, y, mode="same", boundary="wrap"), (4, 5), (2, 3)),
    "fftconvolve": (signal.fftconvolve, (6,), (3,)),
    "detrend": (signal.detrend, (6,)),
    "welch": (lambda x: signal.welch(x, nperseg=8)[1], (30,)),
    "stft and back": (lambda x: signal.istft(signal.stft(x, nperseg=8)[2], nperseg=8)[1], (24,)),
    "dct": (fft.dct, (6,)),
    "idctn": (lambda x: fft.idctn(x, norm="ortho"), (3, 4)),
    "map_coordinates": (lambda x, c: ndimage.map_coordinates(x, [c], 1), (6,), (3,)),
}


@pytest.mark.parametrize("name", CALLS)
def test_transformed(name):
    function, *shapes = CALLS[name]
    args = [RANDOM.uniform(0.3, 0.9, shape).astype(np.float32) for shape in shapes]
    check_jit(function, *args, rtol=1e-5)
    check_vmap(function, *args, rtol=1e-5)
    check_derivatives(function, *args)


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_cosine_transforms(kind, norm):
    with cotan.enable_x64(True):
        for name in ("dct", "idct", "dctn", "idctn"):
            function, oracle = getattr(fft, name), getattr(scipy.fft, name)
            for x in (array(5, 6), array(2, 7), array(4, 3, is_complex=True)):
                np.testing.assert_allclose(function(x, kind, norm=norm), oracle(x, kind, norm=norm), atol=1e-12)
        x = array(5, 6)
        for n in (4, 9):
            np.testing.assert_allclose(fft.dct(x, kind, n, 0, norm), scipy.fft.dct(x, kind, n, 0, norm), atol=1e-12)
        np.testing.assert_allclose(
            fft.dctn(x, kind, (3, 8), norm=norm), scipy.fft.dctn(x, kind, (3, 8), norm=norm), atol=1e-12
        )
    assert fft.dct(np.arange(4)).dtype == np.float32
    assert fft.dct(np.ones(4, np.float16)).dtype == np.float16


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("mode", ["constant", "nearest", "wrap", "mirror", "reflect"])
def test_coordinates(order, mode):
    oracle_mode = {"constant": "grid-constant", "wrap": "grid-wrap"}.get(mode, mode)
    for x in (array(5, 6), np.arange(30).reshape(5, 6)):
        c = RANDOM.uniform(-9, 12, (2, 4, 30))
        with cotan.enable_x64(True):
            wanted = scipy.ndimage.map_coordinates(x.astype(float), c, order=order, mode=oracle_mode, cval=2)
            found = ndimage.map_coordinates(x, list(c), order, mode, 2)
            assert found.dtype == x.dtype
            near = 0.5 + 1e-9 if x.dtype.kind == "i" else 1e-9
            assert np.abs(np.asarray(found) - wanted).max() <= near


def test_coordinates_may_be_lists():
    x, c = array(5, 6), [[[0.5, 2], [3, 9]], [[1, 2.5], [0, 1]]]
    found = ndimage.map_coordinates(x, c, 1)
    np.testing.assert_allclose(found, scipy.ndimage.map_coordinates(x, c, order=1, mode="grid-constant"), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: signal.convolve(x, x, mode="no"), ValueError, "convolve: mode must be 'full', 'same' or 'valid'"),
        (
            lambda x: signal.convolve(x, x, method="no"),
            ValueError,
            "convolve: method must be 'auto', 'direct' or 'fft'",
        ),
        (lambda x: signal.correlate(x, x[0]), ValueError, "correlate: in1 and in2 must have equal ranks"),
        (lambda x: signal.convolve(x, x[:0]), ValueError, "convolve: operands must not be empty"),
        (lambda x: signal.fftconvolve(x, x[:0]), ValueError, "fftconvolve: operands must not be empty"),
        (lambda x: signal.convolve(x, x[:1].T, "valid"), ValueError, "convolve: for mode 'valid' one operand must be"),
        (lambda x: signal.convolve2d(x[0], x[0]), ValueError, "convolve2d: in1 and in2 must have two axes"),
        (lambda x: signal.correlate2d(x, x, boundary="no"), ValueError, "correlate2d: boundary must be 'fill', 'wrap'"),
        (lambda x: signal.fftconvolve(x, x[:2], axes=1), ValueError, "fftconvolve: axes that are not convolved must"),
        (lambda x: signal.detrend(x, type="no"), ValueError, "detrend: type must be 'linear' or 'constant', got 'no'"),
        (lambda x: signal.detrend(x, bp=9), ValueError, "detrend: breaks bp must lie between 0 and 4, got 9"),
        (lambda x: signal.stft(x, window="no", nperseg=2), ValueError, "stft: unknown window 'no'; known: 'hann'"),
        (lambda x: signal.stft(x, window=np.ones(3), nperseg=2), ValueError, "stft: the window must be a vector of"),
        (lambda x: signal.stft(x, nperseg=0), ValueError, "stft: nperseg must be positive, got 0"),
        (lambda x: signal.stft(x, nperseg=4, nfft=2), ValueError, "stft: nfft must not be less than nperseg"),
        (lambda x: signal.stft(x, nperseg=4, noverlap=4), ValueError, "stft: noverlap must be at least 0 and less"),
        (lambda x: signal.stft(x, nperseg=4, boundary="no"), ValueError, "stft: boundary must be None or one of"),
        (lambda x: signal.istft(x, time_axis=0, freq_axis=0), ValueError, "istft: time_axis and freq_axis must differ"),
        (lambda x: signal.welch(x, nperseg=4, scaling="no"), ValueError, "welch: scaling must be 'density' or"),
        (lambda x: signal.csd(x, x, nperseg=4, average="no"), ValueError, "csd: average must be 'mean' or 'median'"),
        (lambda x: fft.dct(x, 5), ValueError, "dct: type must be 1, 2, 3 or 4, got 5"),
        (lambda x: fft.idct(x, norm="no"), ValueError, "idct: norm must be None, 'backward', 'ortho' or 'forward'"),
        (lambda x: fft.dct(x, n=0), ValueError, "dct: lengths must be positive, got 0"),
        (lambda x: fft.dct(x[:, :1], 1), ValueError, "dct: type 1 needs at least two points, got 1"),
        (lambda x: fft.dctn(x, s=(2,), axes=(0, 1)), ValueError, "dctn: s and axes must have equal lengths"),
        (lambda x: ndimage.map_coordinates(x, [x], 1), ValueError, "map_coordinates: coordinates must hold one array"),
        (lambda x: ndimage.map_coordinates(x, [x, x], 2), ValueError, "map_coordinates: order must be 0 or 1, got 2"),
        (lambda x: ndimage.map_coordinates(x, [x, x], 1, "no"), ValueError, "map_coordinates: mode must be one of"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call(cnp.ones((3, 4)))
