"""fft: discrete Fourier transforms over the last axes, of complex and real arrays, of any lengths.

All rules of one primitive. Libraries compute it; decomposed, an axis is split by its factors (Cooley and Tukey) down
to small matrices, and a large prime length becomes a convolution of a power of two (Bluestein).
"""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.ir import scalar
from cotan.ir.avals import Shape, ShapedArray, get_aval, shaped
from cotan.ir.primitive import abstract, batch, cost, decompose, kernel, reference
from cotan.primitives.arithmetic import conj, mul, real
from cotan.primitives.define import first_order, linear
from cotan.primitives.dot import dot_general_p
from cotan.primitives.operands import COMPLEX, FLOAT, complex_dtype, dtype_of, move_axis, quiet, real_dtype, shape_of
from cotan.primitives.pad import pad
from cotan.primitives.reduce import full
from cotan.primitives.shape import concatenate, ints, reshape, rev
from cotan.primitives.slice import slice_along
from cotan.structural import broadcast_in_dim, convert_element_type

_NAME = "fft"


class FftType(enum.IntEnum):
    """Which transform: complex forward and inverse, of real numbers, and back to real numbers."""

    FFT = 0
    IFFT = 1
    RFFT = 2
    IRFFT = 3


fft_p = first_order(_NAME)


def fft(x: Any, fft_type: FftType | str, fft_lengths: Sequence[int]) -> Any:
    """The discrete Fourier transform over the last ``len(fft_lengths)`` axes.

    Args:
      x: an array; it becomes complex, or for RFFT at least float32.
      fft_type: ``FftType.FFT``, ``IFFT`` (with the factor 1 / n), ``RFFT`` (of real numbers, of which only the
        frequencies 0..n//2 of the last axis are kept) or ``IRFFT`` (its inverse), or one of these names.
      fft_lengths: the extents of the transformed axes; for IRFFT those of the result.

    Raises:
      TypeError: ``x`` is complex and the type RFFT.
      ValueError: there is no such type; lengths do not agree with the shape of ``x``.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.fft(np.float32([1, 0, 0, 0]), lax.FftType.RFFT, (4,))
    Array([1.+0.j, 1.+0.j, 1.+0.j], dtype=complex64)
    """
    kind = _kind(fft_type)
    dtype = get_aval(x).dtype
    if kind is FftType.RFFT:
        if dtype in COMPLEX:
            raise TypeError(f"fft: RFFT takes real numbers, got {dtype}; use FFT, or its real part")
        wanted = np.dtype(np.float64) if dtype == np.float64 else np.dtype(np.float32)
        wanted = wanted if dtype in FLOAT else dtypes.to_inexact_dtype(dtype)
    else:
        wanted = dtype if dtype in COMPLEX else complex_dtype(dtypes.to_inexact_dtype(dtype))
    if dtype != wanted:
        x = convert_element_type(x, wanted)
    return fft_p.bind(x, fft_type=kind, fft_lengths=ints(_NAME, "fft_lengths", fft_lengths))


def _kind(fft_type: FftType | str) -> FftType:
    found = fft_type.upper() if isinstance(fft_type, str) else fft_type
    try:
        return FftType[found] if isinstance(found, str) else FftType(found)
    except (KeyError, ValueError):
        known = ", ".join(kind.name for kind in FftType)
        raise ValueError(f"fft: unknown fft_type {fft_type!r}; known: {known}") from None


@abstract(fft_p)
def _fft_abstract(x: ShapedArray, *, fft_type: FftType, fft_lengths: Shape) -> ShapedArray:
    takes_real = fft_type is FftType.RFFT
    if x.dtype not in ((np.float32, np.float64) if takes_real else COMPLEX):
        words = "float32 and float64" if takes_real else COMPLEX.words
        raise TypeError(f"fft: {fft_type.name} does not accept dtype {dtypes.short_name(x.dtype)}; it takes {words}")
    rank = len(fft_lengths)
    if not 0 < rank <= x.ndim:
        raise ValueError(
            f"fft: fft_lengths must have 1 to {x.ndim} entries for an operand of shape {x.shape}, got {fft_lengths}"
        )
    if any(n < 0 for n in fft_lengths):
        raise ValueError(f"fft: fft_lengths must not be negative, got {fft_lengths}")
    stored = _stored(fft_lengths)
    expected = stored if fft_type is FftType.IRFFT else fft_lengths
    if x.shape[-rank:] != expected:
        raise ValueError(
            f"fft: {fft_type.name} of lengths {fft_lengths} needs an operand whose last axes are {expected}, got shape "
            f"{x.shape}; cut or pad it"
        )
    return shaped(*_result(x.shape, x.dtype, fft_type, fft_lengths))


def _stored(lengths: Shape) -> Shape:
    """The extents of a real transform's frequencies."""
    return (*lengths[:-1], lengths[-1] // 2 + 1)


def _result(shape: Shape, dtype: Any, fft_type: FftType, lengths: Shape) -> tuple[Shape, Any]:
    """Shape and dtype of the result."""
    extents = _stored(lengths) if fft_type is FftType.RFFT else lengths
    dtype = real_dtype(dtype) if fft_type is FftType.IRFFT else complex_dtype(dtype)
    return (*shape[: len(shape) - len(lengths)], *extents), dtype


def _weights(n: int, inner: float, dtype: Any) -> Any:
    """What a stored frequency of a real transform of length n counts: 1 at 0 and n/2, else ``inner``."""
    weights = np.full(n // 2 + 1, inner, real_dtype(dtype))
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return weights


def _weighted(x: Any, n: int, inner: float, factor: float) -> Any:
    """A real transform's stored frequencies times their weights and ``factor``."""
    shape, dtype = shape_of(x), dtype_of(x)
    weights = (_weights(n, inner, dtype) * factor).astype(dtype)
    return mul(x, broadcast_in_dim(weights, shape, (len(shape) - 1,)))


@linear(fft_p)
def _fft_transpose(ct: Any, x: Any, *, fft_type: FftType, fft_lengths: Shape) -> Any:
    size, last = math.prod(fft_lengths) or 1, fft_lengths[-1]
    if fft_type is FftType.RFFT:
        # A sum over the stored frequencies alone: as the inverse counts the inner ones twice, they enter by halves.
        stored = _weighted(conj(ct), last, 0.5, size)
        return fft_p.bind(stored, fft_type=FftType.IRFFT, fft_lengths=fft_lengths)
    if fft_type is FftType.IRFFT:
        stored = fft_p.bind(ct, fft_type=FftType.RFFT, fft_lengths=fft_lengths)
        return _weighted(conj(stored), last, 2.0, 1 / size)
    return fft_p.bind(ct, fft_type=fft_type, fft_lengths=fft_lengths)


@batch(fft_p)
def _fft_batch(axis: Any, args: Sequence[Any], dims: Sequence[int], **params: Any) -> Any:
    (x,), (dim,) = args, dims
    if dim >= len(shape_of(x)) - len(params["fft_lengths"]):
        x, dim = move_axis(x, dim, 0), 0
    return fft_p.bind(x, **params), dim


_FUNCTIONS = {
    FftType.FFT: np.fft.fftn,
    FftType.IFFT: np.fft.ifftn,
    FftType.RFFT: np.fft.rfftn,
    FftType.IRFFT: np.fft.irfftn,
}


@reference(fft_p)
def _fft_reference(x: Any, *, fft_type: FftType, fft_lengths: Shape) -> Any:
    shape, dtype = _result(x.shape, x.dtype, fft_type, fft_lengths)
    if 0 in (*fft_lengths, *shape):
        return np.zeros(shape, dtype)
    out = np.asarray(quiet(_FUNCTIONS[fft_type], x, fft_lengths, tuple(range(-len(fft_lengths), 0))))
    return out if out.dtype == dtype else out.astype(dtype)


@kernel(fft_p)
def _fft_kernel(i: Any, x: scalar.Operand, *, fft_type: FftType, fft_lengths: Shape) -> Any:
    return scalar.Library(_NAME)


# ---- Decomposed

_DIRECT = 32
"""Lengths up to this are done as a product with the matrix of the transform, and so are prime factors."""
_LARGEST_PRIME = 61


@functools.lru_cache(maxsize=64)
def _roots(rows: int, columns: int, n: int, dtype: Any) -> Any:
    """exp(-2 pi i r c / n) for r, c below ``rows`` and ``columns``; the products are reduced exactly."""
    turns = np.outer(np.arange(rows), np.arange(columns)) % n
    return np.exp(-2j * np.pi * turns / n).astype(dtype)


def _smallest_factor(n: int) -> int:
    """A factor of n, composed of its smallest primes up to ``_DIRECT``; n itself if it is prime."""
    factor, rest, prime = 1, n, 2
    while rest > 1 and prime * prime <= n:
        while rest % prime == 0 and factor * prime <= max(_DIRECT, prime):
            factor, rest = factor * prime, rest // prime
            if factor >= _DIRECT:
                return factor
        if factor > 1:
            return factor
        prime += 1
    return n


def _forward(x: Any) -> Any:
    """The transform over the last axis of a complex array."""
    n = shape_of(x)[-1]
    factor = n if n <= _DIRECT else _smallest_factor(n)
    if factor < n:
        return _by_factors(x, factor)
    return _direct(x) if n <= _LARGEST_PRIME else _chirp(x)


def _direct(x: Any) -> Any:
    shape = shape_of(x)
    n, last = shape[-1], len(shape) - 1
    roots = _roots(n, n, n, dtype_of(x))
    numbers = (((last,), (0,)), ((), ()))
    return dot_general_p.bind(x, roots, dimension_numbers=numbers, precision=None, preferred_element_type=None)


def _by_factors(x: Any, columns: int) -> Any:
    """Input index columns * j2 + j1, frequency rows * k1 + k2: transforms over j2, turns by j1 k2, and over j1."""
    *others, n = shape_of(x)
    rank, rows = len(others), n // columns
    x = move_axis(reshape(x, (*others, rows, columns)), rank, rank + 1)
    x = _forward(x)
    turns = broadcast_in_dim(_roots(columns, rows, n, dtype_of(x)), shape_of(x), (rank, rank + 1))
    x = _forward(move_axis(mul(x, turns), rank, rank + 1))
    return reshape(move_axis(x, rank, rank + 1), (*others, n))


@functools.lru_cache(maxsize=16)
def _chirp_tables(n: int, size: int, dtype: Any) -> tuple[Any, Any]:
    """exp(-pi i j**2 / n), and the transform of its conjugate, laid around 0 in ``size`` places."""
    turns = np.arange(n) ** 2 % (2 * n)
    chirp = np.exp(-1j * np.pi * turns / n)
    around = np.zeros(size, np.complex128)
    around[:n] = chirp.conj()
    around[size - n + 1 :] = chirp[:0:-1].conj()
    return chirp.astype(dtype), np.fft.fft(around).astype(dtype)


def _chirp(x: Any) -> Any:
    """By 2jk = j**2 + k**2 - (k - j)**2 the transform is a convolution, of which the length is free."""
    shape, dtype = shape_of(x), dtype_of(x)
    n, last = shape[-1], len(shape) - 1
    size = 1 << (2 * n - 2).bit_length()
    chirp, filter_ = _chirp_tables(n, size, dtype)
    chirp = broadcast_in_dim(chirp, shape, (last,))
    wide = pad(mul(x, chirp), np.zeros((), dtype), [(0, 0, 0)] * last + [(0, size - n, 0)])
    product = mul(_forward(wide), broadcast_in_dim(filter_, shape_of(wide), (last,)))
    turned = slice_along(_inverse(product), last, 0, n)
    return mul(turned, chirp)


def _inverse(x: Any) -> Any:
    """Without the factor: see ``_scaled``."""
    n = shape_of(x)[-1]
    return mul(conj(_forward(conj(x))), np.asarray(1 / n, dtype_of(x)))


def _along(transform: Any, x: Any, axis: int) -> Any:
    last = len(shape_of(x)) - 1
    return move_axis(transform(move_axis(x, axis, last)), last, axis)


@decompose(fft_p)
def _fft_decompose(x: Any, *, fft_type: FftType, fft_lengths: Shape) -> Any:
    rank, n = len(shape_of(x)), fft_lengths[-1]
    last, stored = rank - 1, n // 2 + 1
    if 0 in fft_lengths:
        shape, dtype = _result(shape_of(x), dtype_of(x), fft_type, fft_lengths)
        return full(0, dtype, shape)
    transform = _forward if fft_type in (FftType.FFT, FftType.RFFT) else _inverse
    if fft_type is FftType.RFFT:
        x = slice_along(_forward(convert_element_type(x, complex_dtype(dtype_of(x)))), last, 0, stored)
    for axis in range(rank - len(fft_lengths), last):
        x = _along(transform, x, axis)
    if fft_type is FftType.RFFT:
        return x
    if fft_type is FftType.IRFFT:
        mirrored = conj(rev(slice_along(x, last, 1, n - stored + 1), (last,)))
        return real(_inverse(concatenate([x, mirrored], last)))
    return transform(x)


@cost(fft_p)
def _fft_cost(ins: Sequence[ShapedArray], outs: Sequence[ShapedArray], *, fft_lengths: Shape, **_: Any) -> Any:
    size = max(ins[0].size, outs[0].size)
    return 5 * size * max(1, math.prod(fft_lengths).bit_length()), ins[0].nbytes + outs[0].nbytes
