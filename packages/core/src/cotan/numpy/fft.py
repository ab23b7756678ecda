"""cotan.numpy.fft: discrete Fourier transforms with NumPy's arguments, over ``lax.fft``."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as _np

from cotan import dtypes as _dtypes
from cotan import lax as _lax
from cotan import tracebacks as _tracebacks
from cotan.api.repeated import repeated
from cotan.lax import FftType as _FftType
from cotan.numpy import creation as _creation
from cotan.numpy import manipulation as _manipulation
from cotan.numpy.promotion import as_array as _as_array
from cotan.numpy.promotion import normalize_axes as _normalize_axes
from cotan.numpy.promotion import user_dtype as _user_dtype
from cotan.runtime.nans import seen_only as _seen_only

_FORWARD = (_FftType.FFT, _FftType.RFFT)
_NORMS = (None, "backward", "ortho", "forward")
_SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def _check_norm(name: str, norm: str | None) -> None:
    if norm not in _NORMS:
        raise ValueError(f"{name}: norm must be None, 'backward', 'ortho' or 'forward', got {norm!r}")


def _extent(name: str, n: Any) -> int:
    try:
        value = operator.index(n)
    except TypeError:
        raise TypeError(f"{name}: lengths must be integers known while tracing, got {n!r}") from None
    if value < 1:
        raise ValueError(f"{name}: lengths must be positive, got {value}")
    return value


def _resized(x: Any, axis: int, n: int) -> Any:
    """``x`` cut or padded with zeros to extent n along an axis."""
    have = x.shape[axis]
    if n < have:
        return _lax.slice_in_dim(x, 0, n, axis=axis)
    if n > have:
        return _lax.pad(x, _np.zeros((), x.dtype)[()], [(0, n - have if d == axis else 0, 0) for d in range(x.ndim)])
    return x


def _factor(kind: _FftType, lengths: Sequence[int], norm: str | None) -> float:
    """What the unscaled forward, or the scaled inverse transform is to be multiplied by."""
    size = math.prod(lengths)
    if norm in (None, "backward") or size == 0:
        return 1.0
    root = size if norm == "forward" else math.sqrt(size)
    return 1 / root if kind in _FORWARD else root


def _scaled(x: Any, factor: float) -> Any:
    return x if factor == 1 else _lax.mul(x, _np.asarray(factor, x.dtype)[()])


def _transform(name: str, kind: _FftType, a: Any, s: Any, axes: Any, norm: str | None) -> Any:
    """The transform over several axes; the last of them is the one that real transforms halve."""
    _check_norm(name, norm)
    x = _as_array(a, name)
    if kind is _FftType.RFFT and _dtypes.issubdtype(x.dtype, _np.complexfloating):
        raise ValueError(f"{name} takes real numbers, got {x.dtype}; use the transform of complex numbers, or .real")
    if axes is None:
        axes = tuple(range(x.ndim)) if s is None else tuple(range(-len(s), 0))
    axes = _normalize_axes(axes, x.ndim, name)
    if s is not None and len(s) != len(axes):
        raise ValueError(f"{name}: s and axes must have equal lengths, got s={tuple(s)} for axes {axes}")
    if not axes:
        if kind in (_FftType.RFFT, _FftType.IRFFT):
            raise ValueError(f"{name} needs at least one axis, got none")
        return _lax.convert_element_type(x, _dtypes.promote_types(x.dtype, _np.complex64))
    halves = kind is _FftType.IRFFT
    if s is None:
        lengths = [x.shape[axis] for axis in axes]
        if halves:
            lengths[-1] = max(2 * (lengths[-1] - 1), 0)
    else:
        lengths = [_extent(name, n) for n in s]
    order = (*(d for d in range(x.ndim) if d not in axes), *axes)
    for axis, n in zip(axes, lengths, strict=True):
        x = _resized(x, axis, n // 2 + 1 if halves and axis == axes[-1] else n)
    moved = order != tuple(range(x.ndim))
    x = _lax.fft(_lax.transpose(x, order) if moved else x, kind, tuple(lengths))
    x = _scaled(x, _factor(kind, lengths, norm))
    return _lax.transpose(x, tuple(order.index(d) for d in range(len(order)))) if moved else x


def _one(name: str, kind: _FftType, a: Any, n: int | None, axis: Any, norm: str | None) -> Any:
    if isinstance(axis, Sequence):
        raise ValueError(f"{name} transforms one axis, got axis={axis!r}; use {name}n for several")
    return _transform(name, kind, a, None if n is None else (n,), (axis,), norm)


def _two(name: str, kind: _FftType, a: Any, s: Any, axes: Any, norm: str | None) -> Any:
    if len(axes) != 2:
        raise ValueError(f"{name} transforms two axes, got axes={axes!r}; use {name[:-1]}n for any number")
    return _transform(name, kind, a, s, axes, norm)


def fft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The discrete Fourier transform along an axis.

    Args:
      a: an array of any shape and dtype; the result is complex.
      n: the length: the axis is cut or padded with zeros to it.
      axis: the axis that is transformed.
      norm: 'backward' (None): the inverse is divided by n; 'forward': this one; 'ortho': both by its root.

    Raises:
      ValueError: the axis is out of range, n is not positive, or there is no such norm.

    >>> import cotan.numpy as cnp
    >>> cnp.fft.fft(cnp.array([1.0, 0.0, 0.0]))
    Array([1.+0.j, 1.+0.j, 1.+0.j], dtype=complex64)
    """
    return _one("fft", _FftType.FFT, a, n, axis, norm)


def ifft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of ``fft``, whose arguments it has.

    >>> import cotan.numpy as cnp
    >>> cnp.fft.ifft(cnp.array([2.0, 0.0]))
    Array([1.+0.j, 1.+0.j], dtype=complex64)
    """
    return _one("ifft", _FftType.IFFT, a, n, axis, norm)


def rfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The transform of real numbers along an axis: its frequencies 0 to n//2, which tell the others.

    Arguments as of ``fft``.

    Raises:
      ValueError: as ``fft``, or ``a`` is complex.

    >>> import cotan.numpy as cnp
    >>> cnp.fft.rfft(cnp.array([1.0, 2.0, 3.0, 4.0]))
    Array([10.+0.j, -2.+2.j, -2.+0.j], dtype=complex64)
    """
    return _one("rfft", _FftType.RFFT, a, n, axis, norm)


def irfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of ``rfft``: real; n is the length of the result, 2 (m - 1) for m frequencies if None.

    >>> import cotan.numpy as cnp
    >>> cnp.fft.irfft(cnp.array([4.0, 0.0, 0.0]))
    Array([1., 1., 1., 1.], dtype=float32)
    """
    return _one("irfft", _FftType.IRFFT, a, n, axis, norm)


def hfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The transform of a signal with Hermitian symmetry, of which ``a`` is the first half: real, of length n.

    >>> import cotan.numpy as cnp
    >>> cnp.fft.hfft(cnp.array([1.0, 0.0, 0.0]))
    Array([1., 1., 1., 1.], dtype=float32)
    """
    _check_norm("hfft", norm)
    return _one("hfft", _FftType.IRFFT, _conjugate("hfft", a), n, axis, _SWAPPED[norm])


def ihfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of ``hfft``: the first half of a signal with Hermitian symmetry.

    >>> import cotan.numpy as cnp
    >>> cnp.fft.ihfft(cnp.array([4.0, 0.0, 0.0, 0.0])).real
    Array([1., 1., 1.], dtype=float32)
    """
    _check_norm("ihfft", norm)
    return _lax.conj(_one("ihfft", _FftType.RFFT, a, n, axis, _SWAPPED[norm]))


def _conjugate(name: str, a: Any) -> Any:
    x = _as_array(a, name)
    return _lax.conj(x) if _dtypes.issubdtype(x.dtype, _np.complexfloating) else x


def fft2(a: Any, s: Any = None, axes: Sequence[int] = (-2, -1), norm: str | None = None) -> Any:
    """The transform over two axes. Arguments as of ``fftn``."""
    return _two("fft2", _FftType.FFT, a, s, axes, norm)


def ifft2(a: Any, s: Any = None, axes: Sequence[int] = (-2, -1), norm: str | None = None) -> Any:
    """The inverse of ``fft2``. Arguments as of ``fftn``."""
    return _two("ifft2", _FftType.IFFT, a, s, axes, norm)


def rfft2(a: Any, s: Any = None, axes: Sequence[int] = (-2, -1), norm: str | None = None) -> Any:
    """The transform of real numbers over two axes. Arguments as of ``fftn``."""
    return _two("rfft2", _FftType.RFFT, a, s, axes, norm)


def irfft2(a: Any, s: Any = None, axes: Sequence[int] = (-2, -1), norm: str | None = None) -> Any:
    """The inverse of ``rfft2``. Arguments as of ``fftn``."""
    return _two("irfft2", _FftType.IRFFT, a, s, axes, norm)


def fftn(a: Any, s: Any = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The transform over several axes.

    Args:
      a: an array.
      s: the length of each transformed axis, which is cut or padded with zeros to it; None: as they are.
      axes: the axes; None: the last ``len(s)``, or all.
      norm: as of ``fft``.

    Raises:
      ValueError: an axis is out of range or stands twice, ``s`` and ``axes`` differ in length, a length is not
        positive, or there is no such norm.

    >>> import cotan.numpy as cnp
    >>> cnp.fft.fftn(cnp.ones((2, 2)))[0, 0].real
    Array(4., dtype=float32)
    """
    return _transform("fftn", _FftType.FFT, a, s, axes, norm)


def ifftn(a: Any, s: Any = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The inverse of ``fftn``, whose arguments it has."""
    return _transform("ifftn", _FftType.IFFT, a, s, axes, norm)


def rfftn(a: Any, s: Any = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The transform of real numbers over several axes; the last one keeps the frequencies 0 to n//2. See ``fftn``."""
    return _transform("rfftn", _FftType.RFFT, a, s, axes, norm)


def irfftn(a: Any, s: Any = None, axes: Sequence[int] | None = None, norm: str | None = None) -> Any:
    """The inverse of ``rfftn``; ``s`` are the lengths of the result. See ``fftn``."""
    return _transform("irfftn", _FftType.IRFFT, a, s, axes, norm)


def _frequencies(name: str, ticks: Any, n: Any, d: Any, dtype: Any, device: Any) -> Any:
    if _np.ndim(d) != 0:
        raise ValueError(f"{name}: the distance d of samples must be a scalar, got shape {_np.shape(d)}")
    wanted = _user_dtype(dtype, name) or _dtypes.default_float()
    ticks = _creation.asarray(ticks, wanted, device=device)
    if isinstance(d, int | float):
        return _scaled(ticks, 1 / (n * d)) if n else ticks
    return _lax.div(ticks, _lax.mul(_lax.convert_element_type(d, wanted), _np.asarray(n, wanted)[()]))


def _samples(name: str, n: Any) -> int:
    try:
        return operator.index(n)
    except TypeError:
        raise ValueError(f"{name}: the number of samples n must be an integer, got {n!r}") from None


def fftfreq(n: int, d: Any = 1.0, *, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies that ``fft`` of n samples at distance d gives, in its order.

    Raises:
      ValueError: n is not an integer, or d not a scalar.

    >>> import cotan.numpy as cnp
    >>> cnp.fft.fftfreq(4)
    Array([ 0.  ,  0.25, -0.5 , -0.25], dtype=float32)
    """
    n = _samples("fftfreq", n)
    return _frequencies("fftfreq", _np.fft.ifftshift(_np.arange(n) - n // 2), n, d, dtype, device)


def rfftfreq(n: int, d: Any = 1.0, *, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies that ``rfft`` of n samples at distance d gives.

    Raises:
      ValueError: n is not an integer, or d not a scalar.

    >>> import cotan.numpy as cnp
    >>> cnp.fft.rfftfreq(4)
    Array([0.  , 0.25, 0.5 ], dtype=float32)
    """
    n = _samples("rfftfreq", n)
    return _frequencies("rfftfreq", _np.arange(n // 2 + 1), n, d, dtype, device)


def _shifted(name: str, x: Any, axes: Any, sign: int) -> Any:
    x = _as_array(x, name)
    axes = _normalize_axes(axes, x.ndim, name)
    shifts = tuple(x.shape[axis] // 2 if sign > 0 else -(x.shape[axis] // 2) for axis in axes)
    return _manipulation.roll(x, shifts, axes)


@repeated()
def fftshift(x: Any, axes: int | Sequence[int] | None = None) -> Any:
    """``x`` with frequency 0 moved to the middle of the given axes (None: all).

    >>> import cotan.numpy as cnp
    >>> cnp.fft.fftshift(cnp.arange(5))
    Array([3, 4, 0, 1, 2], dtype=int32)
    """
    return _shifted("fftshift", x, axes, 1)


@repeated()
def ifftshift(x: Any, axes: int | Sequence[int] | None = None) -> Any:
    """The inverse of ``fftshift``.

    >>> import cotan.numpy as cnp
    >>> cnp.fft.ifftshift(cnp.arange(5))
    Array([2, 3, 4, 0, 1], dtype=int32)
    """
    return _shifted("ifftshift", x, axes, -1)


_tracebacks.guard(globals(), again=_seen_only)
