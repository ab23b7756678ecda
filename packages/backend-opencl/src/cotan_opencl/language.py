"""OpenCL C as a language of core's printer. Text only: it imports no driver."""

from __future__ import annotations

import functools

from cotan.compiler.c import Language, functions

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
        names={"popcount": "popcount", "clz": "clz", "tanh": "cotan_tanh", "erf": "cotan_erf"},
        own=functions.OWN | functions.OF_DOUBLES if doubles else functions.OWN,
        lanewise=frozenset({"digamma"}),
    )


def prelude(text: str, doubles: bool) -> str:
    """What stands in front of a program's ``text``."""
    parts = ["#pragma OPENCL EXTENSION cl_khr_fp64 : enable"] if doubles else []
    parts += ["#pragma OPENCL FP_CONTRACT OFF", _NO_LANES_OF_ITEMS]
    if doubles and ("cotan_tanh(" in text or "cotan_erf(" in text):
        parts.extend(_DOUBLES.replace("TYPE", f"double{lanes}") for lanes in ("", "2", "4", "8", "16"))
    return "\n".join([*parts, functions.prelude(text, ("float", "double") if doubles else ("float",))])
