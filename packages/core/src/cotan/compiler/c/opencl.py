"""OpenCL C as a language of the printer, and programs of it with what must stand around them. Knows no driver."""

from __future__ import annotations

import functools
import re

from cotan.compiler.c import functions
from cotan.compiler.c.function_texts import OF_16_LANES, OF_DOUBLES, OWN
from cotan.compiler.c.language import Language

_TYPES = {
    "bool": "uchar", "int8": "char", "int16": "short", "int32": "int", "int64": "long",
    "uint8": "uchar", "uint16": "ushort", "uint32": "uint", "uint64": "ulong", "float32": "float", "float64": "double",
}  # fmt: skip
_DOUBLES = """
static inline TYPE __attribute__((overloadable)) cotan_tanh(TYPE x) {
  return fabs(x) > (TYPE)19.1 ? copysign((TYPE)1, x) : tanh(x);
}
static inline TYPE __attribute__((overloadable)) cotan_erf(TYPE x) {
#ifdef cl_intel_vec_len_hint
  return fabs(x) < (TYPE)0.5 ? erf(x) : copysign((TYPE)1 - erfc(fabs(x)), x);
#else
  return erf(x);
#endif
}
"""
"""Some runtimes' tanh never reaches 1; Intel's erf is 4 ulps off near 1, its erfc is not."""
_NO_LANES_OF_ITEMS = """#ifdef cl_intel_vec_len_hint
#define reqd_work_group_size(x, y, z) reqd_work_group_size(x, y, z), intel_vec_len_hint(1)
#endif"""
"""Intel's compiler for CPUs would make lanes of 16 items, though a group has one; of some kernels it crashes then."""
_IS_LAST = """static inline int cotan_is_last(volatile __global int *count, int items) {
  mem_fence(CLK_GLOBAL_MEM_FENCE);
  if (atomic_inc(count) != items - 1) return 0;
  *count = 0;
  mem_fence(CLK_GLOBAL_MEM_FENCE);
  return 1;
}"""
"""For items that are threads of a processor: its atomic operations order all others."""
WIDE_BYTES = 64
_WIDE = ('target("avx512f,avx512vl,avx512bw,avx512dq,avx512cd")', f"min_vector_width({8 * WIDE_BYTES})")


@functools.cache
def opencl(doubles: bool, wide: bool = False) -> Language:
    """OpenCL C 1.2, with or without ``double``; ``whole`` gives programs their prelude.

    ``wide``: code for vectors of ``WIDE_BYTES`` bytes on processors of which the compiler knows or uses only half of
    that: its own functions are compiled for the half, and called with no more.
    """
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
        names={"popcount": "popcount", "clz": "clz", "tanh": "cotan_tanh", "erf": "cotan_erf"},
        own=OWN.union(OF_DOUBLES if doubles else (), OF_16_LANES if wide else ()),
        lanewise=frozenset({"digamma"}),
        last="cotan_is_last({count}, {items})",
        widest=WIDE_BYTES // 2 if wide else 0,
    )


_KERNEL = re.compile(r"^(__kernel [^{]*?) void (\w+)\(([^{]*)\) \{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)


def whole(text: str, doubles: bool, wide: bool = False) -> str:
    """A program of its ``text`` and what must stand around it."""
    parts = ["#pragma OPENCL EXTENSION cl_khr_fp64 : enable"] if doubles else []
    parts += ["#pragma OPENCL FP_CONTRACT OFF", _NO_LANES_OF_ITEMS]
    if doubles and ("cotan_tanh(" in text or "cotan_erf(" in text):
        parts.extend(_DOUBLES.replace("TYPE", f"double{lanes}") for lanes in ("", "2", "4"))
    if "cotan_is_last(" in text:
        parts.append(_IS_LAST)
    text = f"{functions.prelude(text, ('float', 'double') if doubles else ('float',))}\n{text}"
    return "\n".join([*parts, _widened(text) if wide else text])


def _widened(text: str) -> str:
    """``text`` with AVX-512 in its functions. What the runtime makes of a kernel is compiled without, and takes in what
    it calls: kernels become functions that are called, unless they have barriers."""
    # Conversions by the compiler itself, which takes vectors of any width.
    named = sorted(set(re.findall(r"\bconvert_([a-z]+[0-9]+)\(", text)))
    lines = [f"#undef convert_{name}\n#define convert_{name}(x) __builtin_convertvector(x, {name})" for name in named]
    kernels = []

    def function(found: re.Match[str]) -> str:
        head, name, parameters, body = found.groups()
        if "barrier(" in body:
            kernels.append(found[0])
            return ""
        names = ", ".join(part.split()[-1].lstrip("*") for part in parameters.split(","))
        kernels.append(f"{head} void {name}({parameters}) {{ wide_{name}({names}, get_global_id(0)); }}\n")
        body = body.replace("get_global_id(0)", "wide_item")
        return f"static __attribute__((noinline)) void wide_{name}({parameters}, const ulong wide_item) {{\n{body}}}\n"

    text = _KERNEL.sub(function, text)
    push = [f"#pragma clang attribute push(__attribute__(({each})), apply_to = function)" for each in _WIDE]
    pop = ["#pragma clang attribute pop"] * len(push)
    return "\n".join(["#define COTAN_AVX512", *lines, *push, text, *pop, *kernels])


def probe_of_wide() -> str:
    """A program that a compiler builds only if it can make code for wide vectors on demand."""
    text = "__kernel void probe(__global float16 *x) {\n  *x = convert_float16(convert_int16(*x));\n}\n"
    return whole(text, doubles=False, wide=True)
