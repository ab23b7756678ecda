"""OpenCL C as a language of core's printer. Text only: it imports no driver.

Half precision is converted by integer arithmetic, in scalars and vectors alike: not all runtimes have ``cl_khr_fp16``,
and some fail on the vector forms of ``vload_half``.
"""

from __future__ import annotations

import functools
import re

from cotan.compiler.c import Language
from cotan.compiler.c.language import digamma_text, integer_power_text

_TYPES = {
    "bool": "uchar", "int8": "char", "int16": "short", "int32": "int", "int64": "long",
    "uint8": "uchar", "uint16": "ushort", "uint32": "uint", "uint64": "ulong", "float32": "float", "float64": "double",
}  # fmt: skip
_HALVES = """
static inline floatN cotan_float_of_halfN(ushortN h) {
  uintN w = convert_uintN(h), rest = w & 0x7fffu;
  uintN small = as_uintN(convert_floatN(rest) * 5.9604644775390625e-8f);
  uintN bits = select((rest << 13) + 0x38000000u, small, rest < 0x400u);
  bits = select(bits, (rest & 0x3ffu) << 13 | 0x7f800000u, rest >= 0x7c00u);
  return as_floatN(bits | (w & 0x8000u) << 16);
}
static inline ushortN cotan_half_of_floatN(floatN x) {
  uintN bits = as_uintN(x), rest = bits & 0x7fffffffu;
  uintN near = (rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13;
  near = select(near, as_uintN(as_floatN(rest) + 0.5f) - 0x3f000000u, rest < 0x38800000u);
  near = select(near, (uintN)(0x7c00u), rest >= 0x477ff000u);
  near = select(near, 0x7e00u | (rest >> 13 & 0x1ffu), rest > 0x7f800000u);
  return convert_ushortN(bits >> 16 & 0x8000u | near);
}
static inline floatN cotan_float_of_bfloatN(ushortN h) { return as_floatN(convert_uintN(h) << 16); }
static inline ushortN cotan_bfloat_of_floatN(floatN x) {
  uintN bits = as_uintN(x);
  uintN near = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return convert_ushortN(select(near, bits >> 16 | 0x40u, (bits & 0x7fffffffu) > 0x7f800000u));
}
"""
_SIZES = {
    "char": 1, "uchar": 1, "short": 2, "ushort": 2, "int": 4, "uint": 4, "long": 8, "ulong": 8, "float": 4, "double": 8,
}  # fmt: skip
_TANH = """
static inline TYPE __attribute__((overloadable)) cotan_tanh(TYPE x) {
  return fabs(x) > (TYPE)LIMIT ? copysign((TYPE)1, x) : tanh(x);
}
"""
"""Some runtimes' tanh never reaches 1."""
_EXP = """
static inline floatN __attribute__((overloadable)) cotan_exp(floatN x) {
#pragma OPENCL FP_CONTRACT ON
  const floatN near = x > 89.0f ? (floatN)89.0f : x < -104.0f ? (floatN)-104.0f : x;
  // Adding 1.5 * 2**23 rounds, and leaves the number in the lowest bits; rint is slow where it is a call.
  const floatN shifted = near * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
  const floatN r = (near - n * 0.693359375f) + n * 2.12194440e-4f;
  const floatN q = 0.5f + r * (0.166665733f + r * (0.0416664556f + r * (0.00836377684f + r * 0.00139345450f)));
  const floatN y = 1.0f + (r + r * r * q);
  const intN whole = as_intN(shifted) - 0x4b400000, half_way = whole >> 1;
  return y * as_floatN((half_way + 127) << 23) * as_floatN((whole - half_way + 127) << 23);
}
"""
"""e**x for float: 2**n * e**r, where |r| <= log(2) / 2 and e**r = 1 + r + r**2 q(r)."""
_ERF = """
static inline TYPE __attribute__((overloadable)) cotan_erf(TYPE x) {
#ifdef cl_intel_vec_len_hint
  return fabs(x) < (TYPE)0.5f ? erf(x) : copysign((TYPE)1 - erfc(fabs(x)), x);
#else
  return erf(x);
#endif
}
"""
"""Intel's erf is 4 ulps off near 1, its erfc is not."""
_INTEGERS = (("char", "uint"), ("short", "uint"), ("int", "uint"), ("long", "ulong"))


_WIDTHS = ("", "2", "4", "8", "16")
_NO_LANES_OF_ITEMS = """#ifdef cl_intel_vec_len_hint
#define reqd_work_group_size(x, y, z) reqd_work_group_size(x, y, z), intel_vec_len_hint(1)
#endif"""
"""Intel's compiler for CPUs would make lanes of 16 items, though a group has one; of some kernels it crashes then."""


@functools.cache
def opencl(doubles: bool) -> Language:
    """OpenCL C 1.2, with or without ``double``; ``prelude`` gives its prelude."""
    return Language(
        "OpenCL C",
        "",
        types=_TYPES,
        vectors=True,
        kernel="__kernel __attribute__((reqd_work_group_size({items}, 1, 1))) void",
        memory="__global",
        local="__local",
        item="get_global_id(0)",
        group="get_group_id(0)",
        local_item="(int)get_local_id(0)",
        barrier="barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);",
        suffixed=False,
        bits="as_{to}({x})",
        saturated="convert_{to}_sat({x})",
        # Of PoCL's own vload the compiler makes loads and stores on the stack.
        vector_load="(*({memory} const any_{type}{lanes} *){pointer})",
        vector_store="*({memory} any_{type}{lanes} *){pointer} = {x}",
        names={"popcount": "popcount", "clz": "clz", "tanh": "cotan_tanh", "exp": "cotan_exp", "erf": "cotan_erf"},
        lanewise=frozenset({"digamma"}),
    )


def prelude(text: str, doubles: bool) -> str:
    """What stands in front of a program's ``text``: of our types and functions those that it names."""
    reals = ("float", "double") if doubles else ("float",)
    parts = ["#pragma OPENCL EXTENSION cl_khr_fp64 : enable"] if doubles else []
    parts += ["#pragma OPENCL FP_CONTRACT OFF", _NO_LANES_OF_ITEMS]
    for vector in sorted(set(re.findall(r"\bany_([a-z]+[0-9]+)\b", text))):
        size = _SIZES[vector.rstrip("0123456789")]
        parts.append(f"typedef {vector} __attribute__((aligned({size}))) any_{vector};")
    for kind, unsigned in _INTEGERS:
        named = [name for name in (kind, f"u{kind}") if f"cotan_power_{name}(" in text]
        parts.extend(integer_power_text("static inline", name, unsigned) for name in named)
    if "cotan_digamma(" in text:
        parts.extend(digamma_text("static inline __attribute__((overloadable))", real, "") for real in reals)
    if "cotan_tanh(" in text:
        for real, limit in zip(reals, ("9.1f", "19.1"), strict=False):
            parts.extend(_TANH.replace("TYPE", real + lanes).replace("LIMIT", limit) for lanes in _WIDTHS)
    if "cotan_erf(" in text:
        parts.extend(_ERF.replace("TYPE", real + lanes) for real in reals for lanes in _WIDTHS)
    if "cotan_exp(" in text:
        parts.extend(_EXP.replace("N", lanes) for lanes in _WIDTHS)
        for lanes in _WIDTHS if doubles else ():
            own = f"double{lanes}"
            parts.append(f"static inline {own} __attribute__((overloadable)) cotan_exp({own} x) {{ return exp(x); }}")
    halves = ("_of_half", "half_of_float", "_of_bfloat", "bfloat_of_float")
    wanted = [lanes for lanes in _WIDTHS if any(f"{name}{lanes}(" in text for name in halves)]
    parts.extend(_HALVES.replace("N", lanes) for lanes in wanted)
    return "\n".join(parts)
