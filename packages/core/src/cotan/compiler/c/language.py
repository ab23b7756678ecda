"""What differs between languages like C: a record of names and qualifiers, and the one for C99 itself.

The printer writes a subset of C99 and takes everything else from here: types, qualifiers, the numbers of work items,
barriers, and a prelude of small functions. Languages with ``vectors`` have the vector types of OpenCL C. Knows no
kernel and no device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_C_TYPES = {
    "bool": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t",
    "uint8": "uint8_t", "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t",
    "float32": "float", "float64": "double",
}  # fmt: skip


@dataclass(frozen=True)
class Language:
    """A language in which kernels are printed.

    Attributes:
      name: for messages.
      prelude: text in front of every program. It must define the functions named ``cotan_...`` that are used below.
      types: name of a dtype -> type in memory.
      vectors: whether there are OpenCL C's vector types and the built-in functions on them.
      kernel: what stands before the name of a function that is launched by groups of ``{items}``; ``function``: before
        other ones.
      memory: the qualifier of pointers to operands; ``local``: of memory that a group of work items shares.
      restrict: the qualifier of pointers to memory that nothing else points to.
      item: the number of the work item, among all; ``group``, ``local_item``: its group, and its number there.
      barrier: the statement at which the items of a group wait for one another.
      unroll: what stands before a short loop of known length.
      suffixed: whether functions on ``float`` have C's suffix ``f``.
      bits: the bits of ``x`` as the type ``to``; ``saturated``: a floating ``x``, no NaN, as the integer type ``to``;
        both are templates, with ``{of}`` for the type of ``x``.
      vector_load, vector_store: templates that read a vector at a ``pointer`` to elements of a ``type``, in a
        ``memory``, and write ``x`` there.
      names: operation -> function, where that is not C's name for it.
      own: operations on float32 that are called ``cotan_OPERATION_float``, and then the number of lanes; with a space
        and a type in the name, on vectors of these integers, called ``cotan_OPERATION_TYPE`` likewise.
      lanewise: operations whose function exists for scalars only.
      last: a template, the condition that an item is the last of ``items`` to come by, where ``count`` points to an int
        that is 0 before and after; all that the others wrote is seen then. Empty where there is no such thing.
      widest: the bytes of the largest vectors that the language's own functions take; 0: of any.
    """

    name: str
    prelude: str
    types: Mapping[str, str] = field(default_factory=lambda: _C_TYPES)
    vectors: bool = False
    kernel: str = "void"
    function: str = "static inline void"
    memory: str = ""
    local: str = ""
    restrict: str = "restrict"
    item: str = "0"
    group: str = "0"
    local_item: str = "0"
    barrier: str = ";"
    unroll: str = ""
    suffixed: bool = True
    bits: str = "cotan_{to}_bits_of_{of}({x})"
    saturated: str = "cotan_{to}_of_{of}({x})"
    vector_load: str = "vload{lanes}(0, {pointer})"
    vector_store: str = "vstore{lanes}({x}, 0, {pointer})"
    names: Mapping[str, str] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    lanewise: frozenset[str] = frozenset()
    last: str = ""
    widest: int = 0


def digamma_text(function: str, real: str, suffix: str) -> str:
    """The digamma function: reflection, recurrence, and the asymptotic series (Abramowitz and Stegun, 6.3)."""
    return f"""{function} {real} cotan_digamma{suffix}({real} x) {{
  {real} below = 0;
  if (x == 0) return NAN;
  if (x < 0) {{
    {real} whole = floor{suffix}(x);
    if (x == whole) return NAN;
    below = -({real})3.14159265358979323846 / tan{suffix}(({real})3.14159265358979323846 * (x - whole));
    x = 1 - x;
  }}
  while (x < 10) {{ below -= 1 / x; x += 1; }}
  {real} s = 1 / (x * x);
  {real} t = ({real})(1.0 / 12) - s * (({real})(1.0 / 120) - s * (({real})(1.0 / 252) - s * (({real})(1.0 / 240)
    - s * (({real})(1.0 / 132) - s * ({real})(691.0 / 32760)))));
  return below + log{suffix}(x) - ({real})0.5 / x - s * t;
}}
"""


def integer_power_text(function: str, type_name: str, unsigned: str) -> str:
    """Powers of integers that wrap around; of a negative exponent the quotient 1 / x**-y, or -1 for x = 0."""
    return f"""{function} {type_name} cotan_power_{type_name}({type_name} x, {type_name} y) {{
  {unsigned} result = 1, factor = ({unsigned})x, left = ({unsigned})y;
  if (y < 0) return x == 0 ? ({type_name})-1 : x == 1 ? ({type_name})1
    : ({unsigned})x == ({unsigned})-1 ? (left & 1 ? ({type_name})-1 : ({type_name})1) : ({type_name})0;
  for (; left; left >>= 1) {{ if (left & 1) result *= factor; factor *= factor; }}
  return ({type_name})result;
}}
"""


def _bit_casts() -> str:
    lines = []
    for one, other in (("float", "int32_t"), ("float", "uint32_t"), ("double", "int64_t"), ("double", "uint64_t")):
        for a, b in ((one, other), (other, one)):
            lines.append(
                f"static inline {b} cotan_{b}_bits_of_{a}({a} x) {{ {b} y; memcpy(&y, &x, sizeof y); return y; }}"
            )
    return "\n".join(lines)


def _saturated() -> str:
    lines: list[str] = []
    for bits in (8, 16, 32, 64):
        for sign, low, high in (("", f"INT{bits}_MIN", f"INT{bits}_MAX"), ("u", "0", f"UINT{bits}_MAX")):
            name = f"{sign}int{bits}_t"
            lines.extend(
                f"static inline {name} cotan_{name}_of_{real}({real} x) {{ return !(x > ({real}){low}) ? "
                f"{low} : x >= ({real}){high} ? {high} : ({name})x; }}"
                for real in ("float", "double")
            )
    return "\n".join(lines)


_HALVES = """static inline float cotan_float_of_half(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff;
  if (rest >= 0x7c00) return cotan_float_bits_of_uint32_t(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  float small = (float)rest * 5.9604644775390625e-8f;
  float usual = cotan_float_bits_of_uint32_t((rest << 13) + 0x38000000);
  return cotan_float_bits_of_uint32_t(sign | cotan_uint32_t_bits_of_float(rest < 0x400 ? small : usual));
}
static inline uint16_t cotan_half_of_float(float x) {
  uint32_t bits = cotan_uint32_t_bits_of_float(x), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return sign | 0x7e00 | (rest >> 13 & 0x1ff);
  if (rest >= 0x477ff000) return sign | 0x7c00;
  if (rest < 0x38800000)
    return sign | (cotan_uint32_t_bits_of_float(cotan_float_bits_of_uint32_t(rest) + 0.5f) - 0x3f000000);
  return sign | (rest - 0x38000000 + 0xfff + (rest >> 13 & 1)) >> 13;
}
static inline float cotan_float_of_bfloat(uint16_t h) { return cotan_float_bits_of_uint32_t((uint32_t)h << 16); }
static inline uint16_t cotan_bfloat_of_float(float x) {
  uint32_t bits = cotan_uint32_t_bits_of_float(x);
  return x != x ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
static inline int cotan_popcount(uint64_t x) { int n = 0; for (; x; x &= x - 1) n++; return n; }
static inline int cotan_clz(uint64_t x, int width) { int n = width; for (; x; x >>= 1) n--; return n; }
"""

C99 = Language(
    "C99",
    "\n".join(
        [
            "#include <math.h>",
            "#include <stdint.h>",
            "#include <string.h>",
            "#pragma STDC FP_CONTRACT OFF",
            _bit_casts(),
            _saturated(),
            _HALVES,
            *(
                integer_power_text("static inline", f"{s}int{b}_t", f"uint{max(b, 32)}_t")
                for s in ("", "u")
                for b in (8, 16, 32, 64)
            ),
            digamma_text("static inline", "float", "f"),
            digamma_text("static inline", "double", ""),
        ]
    ),
    names={"popcount": "cotan_popcount", "clz": "cotan_clz"},
)
"""C99 with its standard library; the system's compiler needs ``-ffp-contract=off`` as well where it knows that."""
