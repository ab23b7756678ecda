"""Targets, the engine, and what printed kernels promise about their text."""

from __future__ import annotations

import ctypes
import resource
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from kernel_harness import HOST, operand, run

from cotan.errors import UnsupportedError
from cotan.ir import scalar
from cotan.ir.index import Axis, axis_index, const_index
from cotan.ir.program import Kernel, KernelOperand, Loop, Store
from cotan_cpu.codegen import Target, emit_kernel, jit

F32 = np.dtype(np.float32)


def kernel_of(function, size: int, dtype=F32) -> Kernel:
    axis = Axis("i", size)
    index = axis_index(axis)
    body = (Store(1, index, function(scalar.load(0, index, dtype))),)
    operands = (KernelOperand((size,), dtype, False, True), KernelOperand((size,), dtype, True, False))
    return Kernel("test", operands, (Loop(axis, body),))


def test_widths_follow_the_features():
    avx512 = ["avx2", "fma", "f16c", "sse4.1", "avx512f", "avx512bw", "avx512vl", "avx512dq"]
    assert Target.from_features("x", avx512, "x86_64").vector_bytes == 64
    assert Target.from_features("x", avx512, "x86_64").masked
    assert Target.from_features("x", ["avx2", "fma"], "x86_64").vector_bytes == 32
    assert not Target.from_features("x", ["avx512f", "avx2"], "x86_64").masked
    assert Target.from_features("x", ["avx2"], "x86_64").masked_words
    assert not Target.from_features("x", ["avx"], "x86_64").masked_words
    bare = Target.from_features("x", [], "x86_64")
    assert bare == Target("x", streaming=bare.streaming)
    assert Target.from_features("x", [], "arm64").vector_bytes == 16
    assert Target.from_features("x", [], "arm64").fma


def test_small_kernels_have_short_texts():
    simple = emit_kernel(kernel_of(lambda x: scalar.mul(x, x), 1024), HOST, "k")
    assert simple.text.count("\n") < 40
    softplus = emit_kernel(kernel_of(lambda x: scalar.log1p(scalar.exp(x)), 1000), HOST, "k")
    assert softplus.text.count("\n") < (150 if HOST.masked else 250)  # without masks the last elements are a copy


def test_units_are_many_for_large_kernels_and_one_for_tiny_ones():
    large = emit_kernel(kernel_of(scalar.neg, 1 << 20), HOST, "k")
    assert large.units >= 16
    assert 1e-5 < large.units * large.unit_cost < 1e-2
    tiny = emit_kernel(kernel_of(scalar.neg, 8), HOST, "k")
    assert tiny.units == 1
    assert tiny.units * tiny.unit_cost < 1e-7


def test_other_types_and_operations_are_refused_by_name():
    dtype = np.dtype(np.complex64)
    with pytest.raises(UnsupportedError, match="native code for dtype complex64"):
        emit_kernel(kernel_of(scalar.neg, 4, dtype), HOST, "k")
    with pytest.raises(UnsupportedError, match="the scalar operation bessel"):
        emit_kernel(kernel_of(scalar.unary_op("bessel"), 4), HOST, "k")


def test_kernels_of_one_module_share_declarations():
    texts = [emit_kernel(kernel_of(scalar.exp, size), HOST, f"k{size}").text for size in (5, 100, 1000)]
    module = jit.load("".join(texts))
    assert len({module.address(f"k{size}") for size in (5, 100, 1000)}) == 3
    with pytest.raises(KeyError):
        module.address("k7")


def test_symbols_are_called_by_address():
    seen = []
    callback = ctypes.CFUNCTYPE(None, ctypes.c_int64)(seen.append)
    address = ctypes.cast(callback, ctypes.c_void_p).value
    text = "declare void @report(i64)\ndefine void @call() {\n call void @report(i64 42)\n ret void\n}\n"
    module = jit.load(text, {"report": address, "unused": 1})
    ctypes.CFUNCTYPE(None)(module.address("call"))()
    assert seen == [42]


def test_modules_outlive_each_other_and_threads_may_compile_at_once():
    x = np.arange(50, dtype=np.float32)
    failures = []

    def work(number: int) -> None:
        for repeat in range(3):
            out = np.zeros(50, np.float32)
            value = float(number * 10 + repeat)
            kernel = kernel_of(lambda e, v=value: scalar.add(e, scalar.const(v, F32)), 50)
            run(kernel, [x, out])
            if not np.array_equal(out, x + np.float32(value)):
                failures.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_loaded_module_keeps_its_code_and_little_else():
    """An engine that made code keeps what it worked out of the processor: 0.7 MB, and as much for every program."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    def loaded(n: int) -> jit.Module:
        return jit.load(f"define i64 @kernel{n}(i64 %x) {{\n %y = add i64 %x, {n}\n ret i64 %y\n}}\n")

    modules = [loaded(n) for n in range(10)]
    before = resident()
    modules += [loaded(n) for n in range(10, 50)]
    assert resident() - before < 40 * 200_000
    assert all(module.address(f"kernel{n}") for n, module in enumerate(modules))


def test_long_chains_need_no_recursion():
    def chain(x: scalar.Expr) -> scalar.Expr:
        for step in range(3000):
            x = scalar.add(scalar.mul(x, scalar.const(0.5, F32)), scalar.const(step % 7, F32))
        return x

    x = np.ones(3, np.float32)
    out = np.zeros(3, np.float32)
    run(kernel_of(chain, 3), [x, out])
    want = x.copy()
    for step in range(3000):
        want = want * np.float32(0.5) + np.float32(step % 7)
    assert np.array_equal(out, want)


def test_a_kernel_may_read_and_write_one_buffer():
    out = np.arange(100, dtype=np.float32)
    axis = Axis("i", 100)
    index = axis_index(axis)
    value = scalar.add(scalar.load(0, index, F32), scalar.load(1, const_index(0), F32))
    step = np.full(1, 2, np.float32)
    operands = (operand(out, written=True, read=True), operand(step))
    run(Kernel("in place", operands, (Loop(axis, (Store(0, index, value),)),)), [out, step])
    assert np.array_equal(out, np.arange(100) + 2)
