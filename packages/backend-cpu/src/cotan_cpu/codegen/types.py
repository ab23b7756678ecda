"""Element types: how a dtype lies in memory, what holds it in registers, and conversions between types.

bool is i8 in memory and i1 in registers; float16 and bfloat16 are their 16 bits (i16) in both, widened to float32 to
compute.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan.dtypes import bfloat16
from cotan.errors import UnsupportedError
from cotan_cpu.codegen.builder import BITS, Builder, Val, literal
from cotan_cpu.codegen.target import Target

_NAMES = {
    "bool": "i1", "int8": "i8", "uint8": "i8", "int16": "i16", "uint16": "i16", "int32": "i32", "uint32": "i32",
    "int64": "i64", "uint64": "i64", "float16": "i16", "bfloat16": "i16", "float32": "float", "float64": "double",
}  # fmt: skip
# Keyed by dtypes: NumPy puts their names together each time.
_BFLOAT16 = np.dtype(bfloat16)
_KINDS = {_BFLOAT16 if name == "bfloat16" else np.dtype(name): kind for name, kind in _NAMES.items()}
_HALF = frozenset({np.dtype(np.float16), _BFLOAT16})
INT_OF = {"float": "i32", "double": "i64"}


def kind_of(dtype: Any) -> str:
    """The LLVM type that holds one element in a register."""
    try:
        return _KINDS[dtype]
    except KeyError:
        raise UnsupportedError("cpu", "native code", dtype) from None


def memory_kind(dtype: Any) -> str:
    kind = kind_of(dtype)
    return "i8" if kind == "i1" else kind


def is_half(dtype: Any) -> bool:
    return dtype in _HALF


def is_float(dtype: Any) -> bool:
    return bool(dtype.kind == "f" or dtype == _BFLOAT16)


def is_signed(dtype: Any) -> bool:
    return bool(dtype.kind == "i")


def constant(value: Any, dtype: Any) -> Val:
    """A constant of ``dtype`` as it is held in a register."""
    if is_half(dtype):
        with np.errstate(over="ignore"):
            return literal(int(np.asarray(value, dtype).view(np.uint16)), "i16")
    if dtype.kind == "b":
        return literal(bool(value), "i1")
    return literal(value, kind_of(dtype))


def widen(b: Builder, a: Val, dtype: Any, target: Target) -> Val:
    """float16 or bfloat16 bits to float32, exactly."""
    if dtype == _BFLOAT16:
        return b.bitcast(b.binary("shl", b.convert("zext", a, "i32"), literal(16, "i32")), "float")
    if target.half:
        return b.convert("fpext", b.bitcast(a, "half"), "float")
    return _half_to_float(b, a)


def narrow(b: Builder, a: Val, dtype: Any, target: Target) -> Val:
    """float32 to float16 or bfloat16 bits, rounded to nearest, ties to even."""
    if dtype == _BFLOAT16:
        bits = b.bitcast(a, "i32")
        odd = b.binary("and", b.binary("lshr", bits, literal(16, "i32")), literal(1, "i32"))
        rounded = b.binary("add", b.binary("add", bits, literal(0x7FFF, "i32")), odd)
        quiet = b.binary("or", bits, literal(0x400000, "i32"))
        nan = b.compare("fcmp uno", a, a)
        return b.convert("trunc", b.binary("lshr", b.select(nan, quiet, rounded), literal(16, "i32")), "i16")
    if target.half:
        return b.bitcast(b.convert("fptrunc", a, "half"), "i16")
    return _float_to_half(b, a)


def _half_to_float(b: Builder, a: Val) -> Val:
    """By integer arithmetic: shift the fields into place; a product scales the exponent and normalises denormals."""
    bits = b.convert("zext", a, "i32")
    magnitude = b.binary("shl", b.binary("and", bits, literal(0x7FFF, "i32")), literal(13, "i32"))
    scaled = b.bitcast(b.binary("fmul", b.bitcast(magnitude, "float"), literal(2.0**112, "float")), "i32")
    special = b.compare("icmp uge", magnitude, literal(0x0F800000, "i32"))
    magnitude = b.select(special, b.binary("or", magnitude, literal(0x7F800000, "i32")), scaled)
    sign = b.binary("shl", b.binary("and", bits, literal(0x8000, "i32")), literal(16, "i32"))
    return b.bitcast(b.binary("or", magnitude, sign), "float")


def _float_to_half(b: Builder, a: Val) -> Val:
    """By integer arithmetic: normal results round on the bits; denormal ones round in an addition of 0.5."""
    bits = b.bitcast(a, "i32")
    sign = b.binary("and", b.binary("lshr", bits, literal(16, "i32")), literal(0x8000, "i32"))
    magnitude = b.binary("and", bits, literal(0x7FFFFFFF, "i32"))
    odd = b.binary("and", b.binary("lshr", magnitude, literal(13, "i32")), literal(1, "i32"))
    rounded = b.binary("add", b.binary("add", magnitude, literal(0xFFF - (112 << 23), "i32")), odd)
    normal = b.binary("lshr", rounded, literal(13, "i32"))
    tiny = b.binary("fadd", b.bitcast(magnitude, "float"), literal(0.5, "float"))
    denormal = b.binary("sub", b.bitcast(tiny, "i32"), literal(0x3F000000, "i32"))
    result = b.select(b.compare("icmp ult", magnitude, literal(113 << 23, "i32")), denormal, normal)
    infinite = literal(0x7C00, "i32")
    result = b.select(b.compare("icmp uge", magnitude, literal(0x477FF000, "i32")), infinite, result)
    nan = b.compare("icmp ugt", magnitude, literal(0x7F800000, "i32"))
    result = b.select(nan, literal(0x7E00, "i32"), result)
    return b.convert("trunc", b.binary("or", result, sign), "i16")


def cast(b: Builder, a: Val, source: Any, to: Any, target: Target) -> Val:
    """Convert ``a`` of dtype ``source`` to dtype ``to`` by the rules of kernels (see ``cotan.ir.scalar``)."""
    if source == to:
        return a
    if is_half(source):
        single = np.dtype(np.float32)
        return cast(b, widen(b, a, source, target), single, to, target)
    if is_half(to):
        single = np.dtype(np.float32)
        return narrow(b, cast(b, a, source, single, target), to, target)
    kind = kind_of(to)
    if to.kind == "b":
        if is_float(source):
            return b.compare("fcmp une", a, literal(0.0, a.kind))
        return b.compare("icmp ne", a, literal(0, a.kind))
    if is_float(source):
        if is_float(to):
            return b.convert("fpext" if BITS[kind] > BITS[a.kind] else "fptrunc", a, kind)
        return float_to_int(b, a, kind, is_signed(to))
    if is_float(to):
        return b.convert("sitofp" if is_signed(source) else "uitofp", a, kind)
    if BITS[kind] <= BITS[a.kind]:
        return b.convert("trunc", a, kind)
    return b.convert("sext" if is_signed(source) else "zext", a, kind)


def float_to_int(b: Builder, a: Val, kind: str, signed: bool) -> Val:
    """Truncate towards zero, saturate at the ends of the integer type, NaN to 0."""
    bits = BITS[kind]
    low = -(1 << (bits - 1)) if signed else 0
    high = (1 << (bits - signed)) - 1
    wide = kind if bits >= 32 else "i32"
    mantissa = 24 if a.kind == "float" else 53
    # The largest float below the end; the end itself, a power of two, is compared for.
    top = bits - signed
    largest = float(high) if top <= mantissa else float((1 << top) - (1 << (top - mantissa)))
    clamped = b.select(b.compare("fcmp ogt", a, literal(float(low), a.kind)), a, literal(float(low), a.kind))
    clamped = b.select(b.compare("fcmp olt", clamped, literal(largest, a.kind)), clamped, literal(largest, a.kind))
    whole = b.convert("fptosi" if signed or bits < 32 else "fptoui", clamped, wide)
    if top > mantissa:
        over = b.compare("fcmp oge", a, literal(float(1 << top), a.kind))
        whole = b.select(over, literal(high, wide), whole)
    whole = b.convert("trunc", whole, kind)
    if low == 0:
        return whole
    return b.select(b.compare("fcmp uno", a, a), literal(0, kind), whole)
