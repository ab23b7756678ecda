"""Changes of dtype: conversion of values, reinterpretation of bits, reduced precision, stopped differentiation."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import ShapedArray, get_aval, shaped, tangent_aval
from cotan.ir.index import const_index
from cotan.primitives import define, taylor
from cotan.primitives.define import BASIC, close, first_order, unary
from cotan.primitives.operands import (
    ANY,
    BOOLEAN,
    COMPLEX,
    FLOAT,
    INEXACT,
    INTEGER,
    Dtypes,
    move_axis,
    quiet,
    unsigned_of,
)
from cotan.structural import Zero, convert_element_type, convert_element_type_p

__all__ = [
    "bitcast_convert_type",
    "bitcast_convert_type_p",
    "convert_element_type",
    "convert_element_type_p",
    "reduce_precision",
    "reduce_precision_p",
    "stop_gradient",
    "stop_gradient_p",
]

# ---- convert_element_type: floats to integers saturate, NaN becomes 0; complex to real drops the imaginary part

close(convert_element_type_p)


@tables.jvp(convert_element_type_p)
def _(primals: Sequence[Any], tangents: Sequence[Any], *, new_dtype: Any, weak_type: bool) -> Any:
    out = convert_element_type_p.bind(*primals, new_dtype=new_dtype, weak_type=weak_type)
    if new_dtype not in INEXACT:
        return out, Zero(tangent_aval(get_aval(out)))
    return out, convert_element_type_p.bind(*tangents, new_dtype=new_dtype, weak_type=weak_type)


taylor.linear(convert_element_type_p)


@tables.transpose(convert_element_type_p)
def _(ct: Any, x: Any, *, new_dtype: Any, weak_type: bool) -> list[Any]:
    return [convert_element_type_p.bind(ct, new_dtype=x.aval.dtype, weak_type=x.aval.weak_type)]


define.elementwise_batch(convert_element_type_p)


def _to_integer(x: Any, new_dtype: Any) -> Any:
    """Saturating; the plain conversion where all values are seen to fit."""
    limits = dtypes.iinfo(new_dtype)
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float32)
    # The largest integer may not be a float; below its successor, a power of two, every float fits.
    above = x.dtype.type(2.0 ** (int(limits.max).bit_length()))
    if x.size == 0 or (x.min() > limits.min - 1.0 and x.max() < above and limits.min - 1.0 < limits.min):
        return x.astype(new_dtype)
    fits = (x >= limits.min) & (x < above)
    # Each by itself: of 0 and the largest of uint64 together NumPy makes floats.
    least, zero, most = (np.array(int(value)).astype(new_dtype) for value in (limits.min, 0, limits.max))
    edge = np.where(x >= above, most, np.where(x < 0, least, zero))
    return np.where(fits, np.where(fits, x, 0).astype(new_dtype), edge)


def _rounded_to_odd(x: Any) -> Any:
    """float64 as float32 whose last bit tells whether anything was cut off: rounding that again rounds ``x`` once."""
    nearest = x.astype(np.float32)
    # One away from 0 comes back by one; then what lies between two neighbours is the one with an odd last bit.
    bits = nearest.view(np.uint32) - (np.abs(nearest) > np.abs(x))
    return np.where((nearest == x) | np.isnan(x), nearest, (bits | 1).astype(np.uint32).view(np.float32))


def _convert(x: Any, new_dtype: Any) -> Any:
    if x.dtype == new_dtype:
        return x.copy()
    if x.dtype in COMPLEX and new_dtype not in COMPLEX:
        x = x != 0 if new_dtype == BOOLEAN else x.real
    if new_dtype in INTEGER and x.dtype in FLOAT:
        return _to_integer(x, new_dtype)
    if x.dtype == np.float64 and new_dtype in FLOAT and new_dtype.itemsize < 4 and new_dtype != np.float16:
        x = _rounded_to_odd(x)
    try:
        return x.astype(new_dtype)
    except TypeError:
        # Some pairs of narrow kinds are known to NumPy only by way of a wider one, which holds all values of both.
        return x.astype(np.float32 if new_dtype in FLOAT else np.int16).astype(new_dtype)


@tables.reference(convert_element_type_p)
def _(x: Any, *, new_dtype: Any, weak_type: bool) -> Any:
    return quiet(_convert, x, new_dtype)


@tables.kernel(convert_element_type_p)
def _(i: Any, x: scalar.Operand, *, new_dtype: Any, weak_type: bool) -> Any:
    return scalar.cast(x[i], new_dtype)


tables.decompose[convert_element_type_p] = BASIC

# ---- bitcast_convert_type: a narrower dtype adds a last axis, a wider one takes it; the lowest bits come first

bitcast_convert_type_p = first_order("bitcast_convert_type", required=True)


def bitcast_convert_type(operand: Any, new_dtype: Any) -> Any:
    """The bits of ``operand`` read as ``new_dtype``.

    Args:
      operand: an array of numbers.
      new_dtype: of the same width, or narrower (the result has one more axis, last), or wider (the last axis of the
        operand must hold just the parts). The width is that of the values: a byte has two parts of ``int4``.

    Raises:
      TypeError: one dtype is bool or complex, and the other one is not the same.
      ValueError: the last axis does not hold the parts of ``new_dtype``, or neither width is a multiple of the other.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.bitcast_convert_type(np.float32(1), np.int32)
    Array(1065353216, dtype=int32)
    """
    return bitcast_convert_type_p.bind(operand, new_dtype=dtypes.canonicalize_dtype(new_dtype))


@tables.abstract(bitcast_convert_type_p)
def _(x: ShapedArray, *, new_dtype: Any) -> ShapedArray:
    if x.dtype == new_dtype:
        return shaped(x.shape, new_dtype)
    for dtype in (x.dtype, new_dtype):
        if dtype in COMPLEX or dtype == BOOLEAN or not isinstance(dtype, np.dtype):
            raise TypeError(f"bitcast_convert_type does not accept dtype {dtype}; only the bits of numbers are read")
    have, want = dtypes.itemsize_bits(x.dtype), dtypes.itemsize_bits(new_dtype)
    if have % want and want % have:
        raise ValueError(f"bitcast_convert_type: {want} bits of {new_dtype} and {have} of {x.dtype} do not divide")
    shape = x.shape
    if have > want:
        shape = (*shape, have // want)
    elif have < want:
        if not shape or shape[-1] * have != want:
            raise ValueError(
                f"bitcast_convert_type: the last axis of an array of shape {shape} must have {want // have} elements "
                f"of {x.dtype} to make one of {new_dtype}"
            )
        shape = shape[:-1]
    return shaped(shape, new_dtype)


define.zero_derivative(bitcast_convert_type_p)


@tables.batch(bitcast_convert_type_p)
def _(axis: Any, args: Sequence[Any], dims: Sequence[int], *, new_dtype: Any) -> Any:
    # The last axis has a meaning of its own, so the mapped one must not be last.
    x = move_axis(args[0], dims[0], 0)
    return bitcast_convert_type_p.bind(x, new_dtype=new_dtype), 0


@tables.reference(bitcast_convert_type_p)
def _(x: Any, *, new_dtype: Any) -> Any:
    if x.dtype == new_dtype:
        return x.copy()
    have, want = dtypes.itemsize_bits(x.dtype), dtypes.itemsize_bits(new_dtype)
    parts = have // want
    x = np.array(x, order="C")
    if min(have, want) >= 8 or have == want:
        shape = x.shape if parts == 1 else (*x.shape, parts) if parts else x.shape[:-1]
        return x.reshape(-1).view(new_dtype).reshape(shape)
    # An element of fewer than 8 bits fills a byte, of which only the lowest bits count.
    if parts:
        words = x.view(unsigned_of(x.dtype))[..., None] >> _places(parts, want, x.dtype)
        return (words & ((1 << want) - 1)).astype(np.uint8).view(new_dtype)
    words = x.view(np.uint8).astype(unsigned_of(new_dtype)) & ((1 << have) - 1)
    whole = np.bitwise_or.reduce(words << _places(want // have, have, new_dtype), axis=-1)
    return np.asarray(whole, unsigned_of(new_dtype)).view(new_dtype)


def _places(parts: int, bits: int, wide: Any) -> Any:
    """Where the parts of a word begin, the lowest first, in the unsigned dtype of its storage."""
    return (np.arange(parts) * bits).astype(unsigned_of(wide))


@tables.kernel(bitcast_convert_type_p)
def _(i: Any, x: scalar.Operand, *, new_dtype: Any) -> Any:
    have, want = dtypes.itemsize_bits(x.dtype), dtypes.itemsize_bits(new_dtype)
    if have == want:
        return scalar.bitcast(x[i], new_dtype)
    narrow, wide = (new_dtype, x.dtype) if have > want else (x.dtype, new_dtype)
    word, bits = unsigned_of(wide), min(have, want)
    if have > want:
        place = scalar.cast(scalar.index_value(i[-1]), word)
        shift = scalar.mul(place, scalar.const(bits, word))
        part = scalar.cast(scalar.shr_logical(scalar.bitcast(x[i[:-1]], word), shift), unsigned_of(narrow))
        return scalar.bitcast(_lowest(part, bits), new_dtype)
    whole = scalar.const(0, word)
    for k in range(x.shape[-1]):
        part = scalar.cast(_lowest(scalar.bitcast(x[(*i, const_index(k))], unsigned_of(narrow)), bits), word)
        whole = scalar.or_(whole, scalar.shl(part, scalar.const(bits * k, word)))
    return scalar.bitcast(whole, new_dtype)


def _lowest(part: Any, bits: int) -> Any:
    return part if bits >= 8 else scalar.and_(part, scalar.const((1 << bits) - 1, part.dtype))


tables.decompose[bitcast_convert_type_p] = BASIC

# ---- reduce_precision: round to fewer bits of exponent and mantissa, in the same dtype


def _reduce(o: Any, x: Any, exponent_bits: int, mantissa_bits: int) -> Any:
    """Round half to even at the last kept bit of the mantissa; overflow to infinity, underflow to a signed zero."""
    dtype = x.dtype
    word = unsigned_of(dtype)
    info = dtypes.finfo(dtype)
    bits, nmant = o.bitcast(x, word), int(info.nmant)
    width = 8 * dtype.itemsize
    own_exponent = width - 1 - nmant

    def const(value: int) -> Any:
        return o.const(value, bits)

    sign_mask = 1 << (width - 1)
    magnitude_mask = sign_mask - 1
    if mantissa_bits < nmant:
        last = 1 << (nmant - mantissa_bits)
        odd = o.bit_and(o.shr(bits, const(nmant - mantissa_bits)), const(1))
        rounded = o.add(bits, o.add(odd, const((last >> 1) - 1)))
        bits = o.bit_and(rounded, const(magnitude_mask + sign_mask - (last - 1)))
    if exponent_bits < own_exponent:
        bias, smaller = (1 << (own_exponent - 1)) - 1, (1 << (exponent_bits - 1)) - 1
        exponent_mask = magnitude_mask - ((1 << nmant) - 1)
        exponent = o.bit_and(bits, const(exponent_mask))
        sign = o.bit_and(bits, const(sign_mask))
        bits = o.select(o.gt(exponent, const((bias + smaller) << nmant)), o.bit_or(sign, const(exponent_mask)), bits)
        bits = o.select(o.le(exponent, const((bias - smaller) << nmant)), sign, bits)
    return o.select(o.eq(x, x), o.bitcast(bits, dtype), x)


def _reduce_arrays(x: Any, exponent_bits: int, mantissa_bits: int) -> Any:
    from cotan.primitives.algebra import ARRAYS

    return np.asarray(_reduce(ARRAYS, x, exponent_bits, mantissa_bits), x.dtype)


def _reduce_element(x: Any, exponent_bits: int, mantissa_bits: int) -> Any:
    from cotan.primitives.algebra import ELEMENTS

    return _reduce(ELEMENTS, x, exponent_bits, mantissa_bits)


def _reduce_decomposed(x: Any, *, exponent_bits: int, mantissa_bits: int) -> Any:
    from cotan.primitives.algebra import PRIMITIVES

    return _reduce(PRIMITIVES, x, exponent_bits, mantissa_bits)


_WIDE = Dtypes("float16, float32 and float64", [np.float16, np.float32, np.float64])
reduce_precision_p, _ = unary(
    "reduce_precision", _WIDE, reference=_reduce_arrays, kernel=_reduce_element, decompose=_reduce_decomposed,
    transpose=lambda ct, x, **params: reduce_precision_p.bind(ct, **params),
)  # fmt: skip


def reduce_precision(operand: Any, exponent_bits: int, mantissa_bits: int) -> Any:
    """Round a floating array to a format of fewer bits, elementwise; the dtype stays.

    What is narrower than float16, and bfloat16, is rounded as float32, of which it gets what it holds.

    Raises:
      ValueError: ``exponent_bits`` < 1 or ``mantissa_bits`` < 0.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.reduce_precision(np.float32(1.001), exponent_bits=5, mantissa_bits=2)
    Array(1., dtype=float32)
    """
    exponent_bits, mantissa_bits = operator.index(exponent_bits), operator.index(mantissa_bits)
    if exponent_bits < 1 or mantissa_bits < 0:
        raise ValueError(
            f"reduce_precision: exponent_bits must be positive and mantissa_bits not negative, got {exponent_bits} "
            f"and {mantissa_bits}"
        )
    dtype = get_aval(operand).dtype
    if dtype in FLOAT and dtype not in _WIDE:
        wide = convert_element_type(operand, np.float32)
        return convert_element_type(reduce_precision(wide, exponent_bits, mantissa_bits), dtype)
    return reduce_precision_p.bind(operand, exponent_bits=exponent_bits, mantissa_bits=mantissa_bits)


# ---- stop_gradient

stop_gradient_p, _stop_gradient_bind = unary(
    "stop_gradient", ANY, reference=lambda x: x.copy(), kernel=lambda x: x, exact=True, decompose=lambda x: x
)


def stop_gradient(x: Any) -> Any:
    """``x``, as a constant for differentiation. Integers and bools, which have no derivative, pass unchanged.

    >>> import numpy as np
    >>> import cotan
    >>> cotan.grad(lambda x: x * cotan.lax.stop_gradient(x))(3.0)
    Array(3., dtype=float32, weak_type=True)
    """
    return _stop_gradient_bind(x) if get_aval(x).dtype in INEXACT else x
