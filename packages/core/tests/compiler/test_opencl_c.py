"""OpenCL C as text: what stands around programs for processors whose vectors the runtime's compiler does not use."""

from __future__ import annotations

import numpy as np

from cotan.compiler.c.opencl import opencl, whole
from cotan.compiler.c.scalars import Scalars


def test_wide_vectors_stand_in_functions_that_kernels_call():
    head = "__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void"
    alone = f"{head} k0(__global float * b0, const int n) {{\n  if (get_global_id(0) < n) *b0 = 1;\n}}\n"
    together = f"{head} k1(__global float *b0) {{\n  barrier(CLK_LOCAL_MEM_FENCE);\n}}\n"
    text = whole("float16 f(int16 x) { return convert_float16(x); }\n" + alone + together, doubles=False, wide=True)
    inside, outside = text.split("#pragma clang attribute pop\n#pragma clang attribute pop")
    assert "min_vector_width(512)" in inside  # or compilers cut vectors in halves for some processors
    assert "#define convert_float16(x) __builtin_convertvector(x, float16)" in inside
    assert "static __attribute__((noinline)) void wide_k0(" in inside
    assert "wide_item < n" in inside
    assert "k1" not in inside
    assert "{ wide_k0(b0, n, get_global_id(0)); }" in outside
    assert "barrier" in outside


def test_functions_of_the_runtime_get_no_wide_vectors():
    scalars = Scalars(opencl(True, wide=True))
    float32, int32 = np.dtype(np.float32), np.dtype(np.int32)
    assert scalars.apply("cbrt", float32, ["x"], 8) == "cbrt(x)"
    assert scalars.apply("cbrt", float32, ["x"], 16) == "((float16)(cbrt(x.lo), cbrt(x.hi)))"
    assert scalars.apply("atan2", np.dtype(np.float64), ["x", "y"], 8) == (
        "((double8)(atan2(x.lo, y.lo), atan2(x.hi, y.hi)))"
    )
    assert scalars.apply("popcount", np.dtype(np.int64), ["x"], 8).count("popcount(") == 2
    assert scalars.apply("popcount", int32, ["x"], 16) == "as_int16(cotan_ones_uint16(as_uint16(x)))"
    assert scalars.cast("x", float32, np.dtype(np.int8), 16).count("convert_char8_sat(") == 2
    assert scalars.of_lanes("all", "m", 16) == "(all(m.lo) & all(m.hi))"


def test_wide_half_precision_is_converted_by_what_compilers_do_not_take_apart():
    text = whole("void f(ushort16 *h, float16 *x) { *x = cotan_float_of_half16(*h); }\n", doubles=False, wide=True)
    assert "__builtin_ia32_vcvtph2ps512_mask(as_short16(h), (float16)(0.0f), -1, 8)" in text
