"""cotan.scipy.fft: discrete cosine transforms of types 1 to 4, by Fourier transforms of twice the length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax, tracebacks
from cotan import numpy as cnp
from cotan.numpy.promotion import as_array, normalize_axes, normalize_axis, promote_args_inexact

_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}
_NORMS = (None, "backward", "ortho", "forward")


def _check(name: str, kind: int, norm: str | None) -> None:
    if kind not in _INVERSE:
        raise ValueError(f"{name}: type must be 1, 2, 3 or 4, got {kind!r}")
    if norm not in _NORMS:
        raise ValueError(f"{name}: norm must be None, 'backward', 'ortho' or 'forward', got {norm!r}")


def _resized(name: str, x: Any, axis: int, n: int | None) -> Any:
    if n is None:
        n = x.shape[axis]
    if n < 1:
        raise ValueError(f"{name}: lengths must be positive, got {n}")
    have = x.shape[axis]
    if n < have:
        return lax.slice_in_dim(x, 0, n, axis=axis)
    return cnp.pad(x, [(0, n - have if d == axis else 0) for d in range(x.ndim)]) if n > have else x


def _turned(x: Any, angles: np.ndarray) -> Any:
    """Real ``x`` times exp(i angle)."""
    return lax.complex(x * np.cos(angles).astype(x.dtype), x * np.sin(angles).astype(x.dtype))


def _real_of_turned(z: Any, angles: np.ndarray) -> Any:
    dtype = np.dtype(f"f{z.dtype.itemsize // 2}")
    return cnp.real(z) * np.cos(angles).astype(dtype) - cnp.imag(z) * np.sin(angles).astype(dtype)


def _plain(x: Any, kind: int) -> Any:
    """The transform over the last axis, without factors."""
    n = x.shape[-1]
    k = np.arange(n)
    if kind == 1:
        return cnp.real(cnp.fft.rfft(cnp.concatenate([x, cnp.flip(x[..., 1 : n - 1], -1)], -1)))
    if kind == 2:
        return 2 * _real_of_turned(cnp.fft.rfft(x, 2 * n)[..., :n], -math.pi * k / (2 * n))
    if kind == 3:
        return 2 * n * cnp.fft.irfft(_turned(x, math.pi * k / (2 * n)), 2 * n)[..., :n]
    spectrum = cnp.fft.fft(_turned(x, -math.pi * k / (2 * n)), 2 * n)[..., :n]
    return 2 * _real_of_turned(spectrum, -math.pi * (2 * k + 1) / (4 * n))


def _ends(n: int, kind: int, factor: float, dtype: Any) -> np.ndarray:
    """Weights that make a transform orthogonal: ``factor`` at the first element, for type 1 also at the last."""
    weights = np.ones(n, dtype)
    weights[0] = factor
    if kind == 1:
        weights[-1] = factor
    return weights


def _along(name: str, x: Any, kind: int, n: int | None, axis: int, norm: str | None, inverse: bool) -> Any:
    x = _resized(name, x, axis, n)
    extent = x.shape[axis]
    if kind == 1 and extent < 2:
        raise ValueError(f"{name}: type 1 needs at least two points, got {extent}")
    if inverse:
        kind = _INVERSE[kind]
    size = 2 * (extent - 1) if kind == 1 else 2 * extent
    x = cnp.moveaxis(x, axis, -1)
    if norm == "ortho":
        if kind in (1, 3):
            x = x * _ends(extent, kind, math.sqrt(2), x.dtype)
        x = _plain(x, kind) / math.sqrt(size)
        if kind in (1, 2):
            x = x * _ends(extent, kind, math.sqrt(0.5), x.dtype)
    else:
        x = _plain(x, kind)
        if inverse != (norm == "forward"):
            x = x / size
    return cnp.moveaxis(x, -1, axis)


def _transform(name: str, x: Any, kind: int, s: Any, axes: Sequence[int], norm: str | None, inverse: bool) -> Any:
    if dtypes.issubdtype(x.dtype, np.complexfloating):
        parts = (_transform(name, part, kind, s, axes, norm, inverse) for part in (cnp.real(x), cnp.imag(x)))
        return lax.complex(*parts)
    dtype = x.dtype
    if dtype.itemsize < 4:
        x = x.astype(np.float32)
    for axis, n in zip(axes, s, strict=True):
        x = _along(name, x, kind, n, axis, norm, inverse)
    return x.astype(dtype)


def _one(name: str, x: Any, kind: int, n: int | None, axis: int, norm: str | None, inverse: bool) -> Any:
    _check(name, kind, norm)
    x = as_array(promote_args_inexact(name, x)[0], name)
    return _transform(name, x, kind, (n,), (normalize_axis(axis, x.ndim, name),), norm, inverse)


def _many(name: str, x: Any, kind: int, s: Any, axes: Any, norm: str | None, inverse: bool) -> Any:
    _check(name, kind, norm)
    x = as_array(promote_args_inexact(name, x)[0], name)
    if axes is None and s is not None:
        axes = tuple(range(-len(s), 0))
    axes = normalize_axes(axes, x.ndim, name)
    if s is not None and len(s) != len(axes):
        raise ValueError(f"{name}: s and axes must have equal lengths, got s={tuple(s)} for axes {axes}")
    return _transform(name, x, kind, s or (None,) * len(axes), axes, norm, inverse)


def dct(x: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The discrete cosine transform along an axis.

    Args:
      x: an array; of complex numbers both parts are transformed.
      type: 1, 2, 3 or 4.
      n: the length: the axis is cut or padded with zeros to it.
      axis: the axis that is transformed.
      norm: 'backward' (None): the inverse has the factor; 'forward': this one; 'ortho': the transform is orthogonal.

    Raises:
      ValueError: there is no such type, norm or axis, or the length does not do.

    >>> from cotan.scipy import fft
    >>> import numpy as np
    >>> fft.dct(np.float32([1, 1]), norm="ortho").round(5)
    Array([1.41421, 0.     ], dtype=float32)
    """
    return _one("dct", x, type, n, axis, norm, False)


def idct(x: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """The inverse of ``dct``, whose arguments it has."""
    return _one("idct", x, type, n, axis, norm, True)


def dctn(
    x: Any,
    type: int = 2,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str | None = None,
) -> Any:
    """``dct`` over several axes (None: the last ``len(s)``, or all), of lengths ``s``.

    >>> from cotan.scipy import fft
    >>> import numpy as np
    >>> float(fft.dctn(np.ones((2, 2), np.float32))[0, 0])
    16.0
    """
    return _many("dctn", x, type, s, axes, norm, False)


def idctn(
    x: Any,
    type: int = 2,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str | None = None,
) -> Any:
    """The inverse of ``dctn``, whose arguments it has."""
    return _many("idctn", x, type, s, axes, norm, True)


tracebacks.guard(globals())
