"""Samples of Fourier transforms: all types, smooth and prime lengths, several axes, nothing at all.

The oracle sums the definition, a matrix per axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan.primitives import fft
from cotan.primitives.fft import FftType
from cotan.testing.operators.table import Sample, grads, operator, values


def along(x: Any, axis: int, sign: int) -> Any:
    n = x.shape[axis]
    if n == 0:
        return x
    matrix = np.exp(sign * 2j * np.pi * (np.outer(np.arange(n), np.arange(n)) % n) / n)
    return np.moveaxis(np.tensordot(matrix if sign < 0 else matrix / n, x, (1, axis)), 0, axis)


def summed(x: Any, *, fft_type: FftType, fft_lengths: Any) -> Any:
    axes = range(x.ndim - len(fft_lengths), x.ndim)
    n = fft_lengths[-1]
    if n == 0:
        extent = 1 if fft_type is FftType.RFFT else 0
        return np.zeros((*x.shape[:-1], extent), float if fft_type is FftType.IRFFT else complex)
    if fft_type is FftType.IRFFT:
        for axis in axes[:-1]:
            x = along(x, axis, 1)
        full = np.zeros((*x.shape[:-1], n), complex)
        full[..., : n // 2 + 1] = x
        for k in range(n // 2 + 1, n):
            full[..., k] = x[..., n - k].conj()
        full[..., 0] = x[..., 0].real
        if n % 2 == 0:
            full[..., n // 2] = x[..., n // 2].real
        return along(full, x.ndim - 1, 1).real
    for axis in axes:
        x = along(x, axis, 1 if fft_type is FftType.IFFT else -1)
    return x[..., : n // 2 + 1] if fft_type is FftType.RFFT else x


def call(kind: FftType, *shape: int, axes: int = 1, double: bool = False) -> Sample:
    """A transform of the last axes of an array whose result (IRFFT) or operand has this shape."""
    lengths = shape[-axes:]
    if kind is FftType.IRFFT:
        shape = (*shape[:-1], shape[-1] // 2 + 1)
    real, wide = (np.float64, np.complex128) if double else (np.float32, np.complex64)
    x = values(*shape, dtype=real if kind is FftType.RFFT else wide)
    return grads(x, fft_type=kind, fft_lengths=lengths)


SHAPES = [(n,) for n in (1, 2, 3, 4, 7, 12, 31, 36, 37, 64, 67, 74, 134)] + [(2, 5), (2, 1, 6), (0, 4), (2, 0)]
operator(
    fft.fft_p,
    [call(kind, *shape, double=n % 2 == 1) for kind in FftType for n, shape in enumerate(SHAPES)]
    + [call(kind, 2, 3, 4, axes=axes) for kind in FftType for axes in (2, 3)]
    + [call(kind, 3, 5, axes=2) for kind in FftType],
    oracle=summed,
    tolerance=256,
    kernel=False,
    kernel_tolerance=512.0,
    grads=[call(kind, *shape, axes=axes, double=True) for kind in FftType for shape, axes in
           (((1,), 1), ((4,), 1), ((2, 5), 1), ((2, 6), 1), ((3, 4), 2), ((2, 3), 2))],
)  # fmt: skip
