"""Floats taken apart and put together, and bits packed into bytes."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan.errors import where
from cotan.numpy import manipulation, parts, reductions, ufuncs
from cotan.numpy.elementwise import is_bool, is_complex, is_inexact, where_
from cotan.numpy.promotion import as_array, normalize_axis, promote_args_inexact, promote_shapes


def frexp(x: Any, /) -> tuple[Any, Any]:
    """(m, e) with x = m * 2**e and 0.5 <= |m| < 1; what has no such form is its own mantissa, with exponent 0.

    Raises:
      TypeError: complex numbers.

    >>> import cotan.numpy as cnp
    >>> cnp.frexp(cnp.array([1.0, 12.0]))
    (Array([0.5 , 0.75], dtype=float32), Array([1, 4], dtype=int32))
    """
    (x,) = promote_args_inexact("frexp", x)
    if is_complex(x):
        raise TypeError(f"{where()}: frexp is not defined on complex numbers; take .real or .imag")
    if dtypes.itemsize_bits(x.dtype) < 8:
        fraction, exponent = frexp(lax.convert_element_type(x, np.float32))
        return lax.convert_element_type(fraction, x.dtype), exponent
    info = dtypes.finfo(x.dtype)
    width = np.dtype(x.dtype).itemsize * 8
    word = np.dtype(f"i{width // 8}")
    mantissa, bias = int(info.nmant), 1 - int(info.minexp)
    # Subnormal numbers are made normal first.
    small = lax.lt(lax.abs(x), np.asarray(info.smallest_normal, x.dtype))
    scaled = where_(small, lax.mul(x, np.asarray(2.0 ** (mantissa + 1), x.dtype)), x)
    bits = lax.bitcast_convert_type(scaled, word)
    field = lax.shift_right_logical(bits, np.asarray(mantissa, word)) & np.asarray(
        (1 << (width - 1 - mantissa)) - 1, word
    )
    exponent = lax.convert_element_type(field, np.int32) - np.int32(bias - 1)
    exponent = where_(small, exponent - np.int32(mantissa + 1), exponent)
    plain = lax.bitwise_or(lax.eq(x, 0), lax.bitwise_not(lax.is_finite(x)))
    exponent = where_(plain, 0, exponent)
    return ldexp(x, -exponent), exponent


def ldexp(x1: Any, x2: Any, /) -> Any:
    """x1 * 2**x2 for integers x2.

    Raises:
      ValueError: ``x2`` is not of integers.

    >>> import cotan.numpy as cnp
    >>> cnp.ldexp(cnp.array([0.5, 0.75]), cnp.array([1, 4]))
    Array([ 1., 12.], dtype=float32)
    """
    power = as_array(x2, "ldexp")
    if not (is_bool(power) or dtypes.issubdtype(power.dtype, np.integer)):
        raise ValueError(f"{where()}: ldexp: the exponents must be integers, got {power.dtype}; use x1 * 2**x2")
    (x,) = promote_args_inexact("ldexp", x1)
    if is_complex(x):
        raise ValueError(f"{where()}: ldexp is not defined on complex numbers; use x1 * 2**x2")
    x, power = promote_shapes("ldexp", x, power)
    info = dtypes.finfo(x.dtype)
    # Three factors reach from the least subnormal number to the largest finite one.
    most = int(info.maxexp) - 1
    result, rest = x, ufuncs.clip(power.astype(np.int32), -3 * most, 3 * most)
    for _ in range(3):
        step = ufuncs.clip(rest, -most + 1, most)
        result = lax.mul(result, _power_of_two(step, x.dtype))
        rest = rest - step
    return result


def _power_of_two(n: Any, dtype: Any) -> Any:
    """2**n exactly, for exponents of normal numbers."""
    if dtypes.itemsize_bits(dtype) < 8:
        return lax.convert_element_type(_power_of_two(n, np.float32), dtype)
    info = dtypes.finfo(dtype)
    word = np.dtype(f"i{np.dtype(dtype).itemsize}")
    biased = lax.convert_element_type(n + np.int32(1 - int(info.minexp)), word)
    return lax.bitcast_convert_type(lax.shift_left(biased, np.asarray(info.nmant, word)), dtype)


def spacing(x: Any, /) -> Any:
    """The distance to the next number away from 0, with the sign of ``x``.

    >>> import cotan.numpy as cnp
    >>> float(cnp.spacing(cnp.float32(1.0))) == 2.0**-23
    True
    """
    (x,) = promote_args_inexact("spacing", x)
    if is_complex(x):
        raise ValueError(f"{where()}: spacing is not defined on complex numbers; take .real or .imag")
    infinity = where_(parts.signbit(x), np.asarray(-np.inf, x.dtype), np.asarray(np.inf, x.dtype))
    gap = lax.sub(lax.nextafter(x, infinity), x)
    return where_(lax.is_finite(x), gap, np.asarray(np.nan, x.dtype))


def _bit_order(name: str, bitorder: str) -> np.ndarray:
    if bitorder not in ("big", "little"):
        raise ValueError(f"{where()}: {name}: bitorder must be 'big' or 'little', got {bitorder!r}")
    order = np.arange(8, dtype=np.uint8)
    return order[::-1] if bitorder == "big" else order


def packbits(a: Any, axis: int | None = None, bitorder: str = "big") -> Any:
    """Groups of eight truth values along ``axis`` (of the flat array if None) as the bits of a uint8.

    >>> import cotan.numpy as cnp
    >>> cnp.packbits(cnp.array([1, 0, 1, 0, 0, 0, 0, 0, 1]))
    Array([160, 128], dtype=uint8)
    """
    order = _bit_order("packbits", bitorder)
    x = as_array(a, "packbits")
    if is_inexact(x):
        raise TypeError(f"{where()}: packbits takes booleans or integers, got {x.dtype}; compare with 0 first")
    x = lax.ne(x, 0) if x.dtype != np.bool_ else x
    if axis is None:
        x, axis = manipulation.ravel(x), 0
    axis = normalize_axis(axis, x.ndim, "packbits")
    rows = manipulation.moveaxis(x, axis, -1)
    padded = manipulation.pad_with_zeros(rows, [(0, 0)] * (rows.ndim - 1) + [(0, -rows.shape[-1] % 8)])
    groups = lax.reshape(padded, (*padded.shape[:-1], padded.shape[-1] // 8, 8)).astype(np.uint8)
    packed = reductions.sum(
        lax.shift_left(groups, manipulation.broadcast_to(order, groups.shape)), axis=-1, dtype=np.uint8
    )
    return manipulation.moveaxis(packed, -1, axis)


def unpackbits(a: Any, axis: int | None = None, count: int | None = None, bitorder: str = "big") -> Any:
    """The bits of uint8 numbers along ``axis`` (of the flat array if None), each as a uint8.

    Args:
      count: how many to give; more are filled up with 0, a negative number leaves out as many at the end.

    Raises:
      TypeError: ``a`` is not of dtype uint8.

    >>> import cotan.numpy as cnp
    >>> cnp.unpackbits(cnp.array([160], cnp.uint8))
    Array([1, 0, 1, 0, 0, 0, 0, 0], dtype=uint8)
    """
    order = _bit_order("unpackbits", bitorder)
    x = as_array(a, "unpackbits")
    if x.dtype != np.uint8:
        raise TypeError(f"{where()}: unpackbits takes arrays of uint8, got {x.dtype}; convert with .astype")
    if axis is None:
        x, axis = manipulation.ravel(x), 0
    axis = normalize_axis(axis, x.ndim, "unpackbits")
    rows = manipulation.moveaxis(x, axis, -1)[..., None]
    wide = manipulation.broadcast_to(rows, (*rows.shape[:-1], 8))
    bits = lax.shift_right_logical(wide, manipulation.broadcast_to(order, wide.shape)) & np.uint8(1)
    flat = lax.reshape(bits, (*bits.shape[:-2], bits.shape[-2] * 8))
    if count is not None:
        wanted = operator.index(count)
        wanted = wanted if wanted >= 0 else max(flat.shape[-1] + wanted, 0)
        flat = flat[..., :wanted]
        flat = manipulation.pad_with_zeros(flat, [(0, 0)] * (flat.ndim - 1) + [(0, max(wanted - flat.shape[-1], 0))])
    return manipulation.moveaxis(flat, -1, axis)
