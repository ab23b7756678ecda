"""Short-time Fourier transforms, their inverse, and spectral densities by Welch's method."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.errors import warn
from cotan.numpy.promotion import as_array, normalize_axis, promote_dtypes_inexact

_WINDOWS = {
    "hann": np.hanning,
    "hanning": np.hanning,
    "hamming": np.hamming,
    "blackman": np.blackman,
    "bartlett": np.bartlett,
    "boxcar": np.ones,
    "rectangular": np.ones,
}
_EXTENSIONS = {"zeros": "constant", "constant": "edge", "even": "reflect"}


def _window(name: str, window: Any, nperseg: int) -> np.ndarray | Any:
    """A periodic window of a name, or (name, parameter), or the given one."""
    if isinstance(window, str | tuple):
        words = (window,) if isinstance(window, str) else window
        if words[0] == "kaiser" and len(words) == 2:
            return np.kaiser(nperseg + 1, words[1])[:-1]
        if words[0] not in _WINDOWS or len(words) != 1:
            known = ", ".join(map(repr, _WINDOWS))
            raise ValueError(f"{name}: unknown window {window!r}; known: {known}, ('kaiser', beta), or pass an array")
        return np.asarray(_WINDOWS[words[0]](nperseg + 1)[:-1], np.float64)
    found = as_array(window, name)
    if found.shape != (nperseg,):
        raise ValueError(f"{name}: the window must be a vector of nperseg={nperseg} elements, got shape {found.shape}")
    return found


def _sizes(name: str, window: Any, nperseg: Any, noverlap: Any, nfft: Any, extent: int | None) -> tuple[int, int, int]:
    """nperseg, noverlap and nfft with their defaults."""
    if nperseg is None:
        nperseg = 256 if isinstance(window, str | tuple) else len(window)
    nperseg = int(nperseg)
    if nperseg < 1:
        raise ValueError(f"{name}: nperseg must be positive, got {nperseg}")
    if extent is not None and nperseg > extent and isinstance(window, str | tuple):
        warn(f"{name}: nperseg={nperseg} is greater than the {extent} samples of the signal, which is used instead")
        nperseg = extent
    nfft = nperseg if nfft is None else int(nfft)
    if nfft < nperseg:
        raise ValueError(f"{name}: nfft must not be less than nperseg, got {nfft} and {nperseg}")
    noverlap = nperseg // 2 if noverlap is None else int(noverlap)
    if not 0 <= noverlap < nperseg:
        raise ValueError(f"{name}: noverlap must be at least 0 and less than nperseg={nperseg}, got {noverlap}")
    return nperseg, noverlap, nfft


def _framed(x: Any, nperseg: int, step: int) -> Any:
    """Overlapping pieces of the last axis, along a new one before it."""
    count = (x.shape[-1] - nperseg) // step + 1
    return x[..., np.arange(count)[:, None] * step + np.arange(nperseg)]


def _detrended(name: str, x: Any, how: Any) -> Any:
    if how is False or how is None:
        return x
    if callable(how):
        return how(x)
    from cotan.scipy import signal

    return signal.detrend(x, type=how)


def _extended(name: str, x: Any, boundary: str | None, reach: int) -> Any:
    if boundary is None:
        return x
    pads = [(0, 0)] * (x.ndim - 1) + [(reach, reach)]
    if boundary == "odd":
        before = 2 * x[..., :1] - cnp.flip(x[..., 1 : reach + 1], -1)
        after = 2 * x[..., -1:] - cnp.flip(x[..., -reach - 1 : -1], -1)
        return cnp.concatenate([before, x, after] if reach else [x], -1)
    if boundary not in _EXTENSIONS:
        known = ", ".join(map(repr, (*_EXTENSIONS, "odd")))
        raise ValueError(f"{name}: boundary must be None or one of {known}, got {boundary!r}")
    return cnp.pad(x, pads, mode=_EXTENSIONS[boundary])


def _spectra(
    name: str, signals: list[Any], window: Any, sizes: tuple[int, int, int], detrend: Any, onesided: bool
) -> list[Any]:
    """The transforms of the windowed pieces, (..., piece, frequency)."""
    nperseg, noverlap, nfft = sizes
    found = []
    for x in signals:
        pieces = _detrended(name, _framed(x, nperseg, nperseg - noverlap), detrend) * window
        found.append(cnp.fft.rfft(pieces, nfft) if onesided else cnp.fft.fft(pieces, nfft))
    return found


def _frequencies(nfft: int, fs: Any, onesided: bool) -> Any:
    base = cnp.fft.rfftfreq(nfft) if onesided else cnp.fft.fftfreq(nfft)
    return base * fs


def _signals(name: str, axis: int, *signals: Any) -> tuple[list[Any], int]:
    arrays = [as_array(x, name) for x in promote_dtypes_inexact(name, *signals)]
    axis = normalize_axis(axis, arrays[0].ndim, name)
    return [cnp.moveaxis(x, axis, -1) for x in arrays], axis


def _cast(window: Any, dtype: Any) -> Any:
    real = np.dtype(f"f{dtype.itemsize // 2}") if dtypes.issubdtype(dtype, np.complexfloating) else dtype
    return window.astype(real)


def stft(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int = 256,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = False,
    return_onesided: bool = True,
    boundary: str | None = "zeros",
    padded: bool = True,
    axis: int = -1,
) -> tuple[Any, Any, Any]:
    """The transforms of windowed pieces of a signal.

    Args:
      x: the signal.
      fs: how many samples there are per unit of time.
      window: 'hann', 'hamming', 'blackman', 'bartlett', 'boxcar', ('kaiser', beta), or an array.
      nperseg: the length of a piece.
      noverlap: how many samples two pieces share; None: half.
      nfft: the length of the transform, if not ``nperseg``.
      detrend: False, 'constant', 'linear' or a function of the pieces.
      return_onesided: of a real signal, whether to leave out negative frequencies.
      boundary: how the signal goes on at both ends: None, 'zeros', 'constant', 'even', 'odd'.
      padded: whether zeros fill the last piece.
      axis: the axis of time.

    Returns:
      The frequencies, the times, and the transforms: frequencies along ``axis``, times last.

    Raises:
      ValueError: window, lengths, boundary or axis do not do.
    """
    (x,), axis = _signals("stft", axis, x)
    sizes = nperseg, noverlap, nfft = _sizes("stft", window, nperseg, noverlap, nfft, x.shape[-1])
    win = _cast(_window("stft", window, nperseg), x.dtype)
    x = _extended("stft", x, boundary, nperseg // 2)
    step = nperseg - noverlap
    if padded:
        missing = (-(x.shape[-1] - nperseg) % step) % nperseg
        x = cnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, missing)])
    onesided = return_onesided and not dtypes.issubdtype(x.dtype, np.complexfloating)
    [found] = _spectra("stft", [x], win, sizes, detrend, onesided)
    found = found / cnp.sum(win)
    times = np.arange(nperseg / 2, x.shape[-1] - nperseg / 2 + 1, step)
    if boundary is not None:
        times = times - nperseg / 2
    times = cnp.asarray(times, dtypes.default_float()) / fs
    return _frequencies(nfft, fs, onesided), times, cnp.moveaxis(cnp.swapaxes(found, -1, -2), -2, axis)


def istft(
    Zxx: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    input_onesided: bool = True,
    boundary: bool = True,
    time_axis: int = -1,
    freq_axis: int = -2,
) -> tuple[Any, Any]:
    """The signal of which ``Zxx`` is the short-time transform.

    Args:
      Zxx: as ``stft`` returns it.
      fs, window, nperseg, noverlap, nfft: those with which it was made; ``nperseg`` None: from the frequencies.
      input_onesided: whether negative frequencies were left out.
      boundary: whether the signal was continued at its ends.
      time_axis, freq_axis: the axes of times and frequencies.

    Returns:
      The times of the samples (as many as there are along the axis of time), and the signal.

    Raises:
      ValueError: axes are equal, or window and lengths do not do.
    """
    z = as_array(promote_dtypes_inexact("istft", Zxx)[0], "istft")
    times, frequencies = (normalize_axis(d, z.ndim, "istft") for d in (time_axis, freq_axis))
    if times == frequencies:
        raise ValueError(f"istft: time_axis and freq_axis must differ, got {time_axis} and {freq_axis}")
    z = cnp.moveaxis(z, (times, frequencies), (-2, -1))
    implied = 2 * (z.shape[-1] - 1) if input_onesided else z.shape[-1]
    if nperseg is None:
        nperseg = implied
    if nfft is None:
        nfft = nperseg if input_onesided and nperseg == implied + 1 else implied
    nperseg, noverlap, nfft = _sizes("istft", window, nperseg, noverlap, nfft, None)
    step, count = nperseg - noverlap, z.shape[-2]
    pieces = (cnp.fft.irfft(z, nfft) if input_onesided else cnp.fft.ifft(z, nfft))[..., :nperseg]
    win = _cast(_window("istft", window, nperseg), pieces.dtype)
    pieces = pieces * cnp.sum(win) * win
    places = np.arange(count)[:, None] * step + np.arange(nperseg)
    total = cnp.zeros((*pieces.shape[:-2], nperseg + (count - 1) * step), pieces.dtype).at[..., places].add(pieces)
    norm = cnp.zeros(total.shape[-1], win.dtype).at[places].add(cnp.broadcast_to(cnp.square(win), places.shape))
    if boundary:
        inner = slice(nperseg // 2, total.shape[-1] - nperseg // 2)
        total, norm = total[..., inner], norm[inner]
    total = total / cnp.where(norm > 1e-10, norm, 1.0)
    stamps = cnp.arange(total.shape[-1], dtype=dtypes.default_float()) / fs
    if total.ndim > 1:
        last = times - 1 if frequencies < times else times
        total = cnp.moveaxis(total, -1, last)
    return stamps, total


def csd(
    x: Any,
    y: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Any, Any]:
    """The cross spectral density of two signals by Welch's method: products of transforms, averaged over pieces.

    Args:
      x, y: signals of one length; None for y: x.
      fs, window, nperseg, noverlap, nfft, detrend, return_onesided, axis: as of ``stft``; ``nperseg`` None: 256.
      scaling: 'density' or 'spectrum'.
      average: 'mean' or 'median'.

    Returns:
      The frequencies, and the density along ``axis``.

    Raises:
      ValueError: window, lengths, scaling, average or axis do not do.
    """
    return _density("csd", x, y, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average)


def _density(
    name: str, x: Any, y: Any, fs: Any, window: Any, nperseg: Any, noverlap: Any, nfft: Any, detrend: Any,
    return_onesided: bool, scaling: str, axis: int, average: str,
) -> tuple[Any, Any]:  # fmt: skip
    if scaling not in ("density", "spectrum"):
        raise ValueError(f"{name}: scaling must be 'density' or 'spectrum', got {scaling!r}")
    if average not in ("mean", "median"):
        raise ValueError(f"{name}: average must be 'mean' or 'median', got {average!r}")
    own = y is None or y is x
    signals, axis = _signals(name, axis, *((x,) if own else (x, y)))
    extent = max(s.shape[-1] for s in signals)
    signals = [cnp.pad(s, [(0, 0)] * (s.ndim - 1) + [(0, extent - s.shape[-1])]) for s in signals]
    sizes = nperseg, noverlap, nfft = _sizes(name, window, nperseg, noverlap, nfft, extent)
    win = _cast(_window(name, window, nperseg), signals[0].dtype)
    onesided = return_onesided and not dtypes.issubdtype(signals[0].dtype, np.complexfloating)
    found = _spectra(name, signals, win, sizes, detrend, onesided)
    power = cnp.conj(found[0]) * found[-1]
    scale = fs * cnp.sum(win * win) if scaling == "density" else cnp.square(cnp.sum(win))
    power = power / scale
    if onesided:
        doubled = np.full(power.shape[-1], 2.0)
        doubled[0] = 1
        if nfft % 2 == 0:
            doubled[-1] = 1
        power = power * doubled.astype(win.dtype)
    power = cnp.real(power) if own else power
    if average == "median" and power.shape[-2] > 1:
        # The median of exponentially distributed values is less than their mean.
        count = power.shape[-2]
        bias = 1 + sum(1 / (k + 1) - 1 / k for k in range(2, count, 2))
        medians = [cnp.median(part, axis=-2) for part in ([power] if own else [cnp.real(power), cnp.imag(power)])]
        power = (medians[0] if own else lax.complex(*medians)) / bias
    else:
        power = cnp.mean(power, axis=-2)
    return _frequencies(nfft, fs, onesided), cnp.moveaxis(power, -1, axis)


def welch(
    x: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Any, Any]:
    """The power spectral density of a signal by Welch's method. Arguments as of ``csd``."""
    return _density(
        "welch", x, None, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average
    )
