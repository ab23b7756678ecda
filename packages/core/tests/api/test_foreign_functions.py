"""Foreign functions: native code that reads and writes arrays by address, in programs and under the transforms."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import ffi
from cotan_cpu.codegen import jit

_F32 = np.float32
# out[n] = in0[n] * in1[0], for as many elements as in2[0] says.
_SCALE = """
define void @scale(ptr %out, ptr %in) {
  %p1 = getelementptr ptr, ptr %in, i64 1
  %p2 = getelementptr ptr, ptr %in, i64 2
  %x = load ptr, ptr %in
  %fp = load ptr, ptr %p1
  %np = load ptr, ptr %p2
  %f = load float, ptr %fp
  %n = load i32, ptr %np
  br label %head
head:
  %i = phi i32 [0, %0], [%next, %body]
  %more = icmp slt i32 %i, %n
  br i1 %more, label %body, label %end
body:
  %from = getelementptr float, ptr %x, i32 %i
  %to = getelementptr float, ptr %out, i32 %i
  %v = load float, ptr %from
  %w = fmul float %v, %f
  store float %w, ptr %to
  %next = add i32 %i, 1
  br label %head
end:
  ret void
}
"""
_Addresses = ctypes.POINTER(ctypes.c_void_p)
_Function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, _Addresses)


@pytest.fixture(scope="module", autouse=True)
def native():
    module = jit.load(_SCALE)
    ffi.register_ffi_target("scale", module.address("scale"), api_version=0)
    return module


def _scaled(x, factor):
    call = ffi.ffi_call("scale", cotan.ShapeDtypeStruct(x.shape, x.dtype))
    return call(x, cnp.asarray(factor, _F32), np.int32(x.size))


def _floats(address, n):
    return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_float)), (n,))


def test_native_code_runs_eagerly_and_in_programs():
    x = cnp.arange(6, dtype=_F32).reshape(2, 3)
    np.testing.assert_array_equal(_scaled(x, 3), np.asarray(x) * 3)
    np.testing.assert_array_equal(cotan.jit(lambda x: _scaled(x.T, 2) + 1)(x), np.asarray(x).T * 2 + 1)
    looped = cotan.lax.fori_loop(0, 3, lambda _, x: _scaled(x, 2), x)
    np.testing.assert_array_equal(looped, np.asarray(x) * 8)


def test_mapping_calls_it_for_each_example():
    x = cnp.arange(6, dtype=_F32).reshape(2, 3)
    np.testing.assert_array_equal(cotan.vmap(_scaled)(x, cnp.array([2.0, 5.0])), np.asarray(x) * [[2], [5]])


def test_derivatives_are_those_that_are_given():
    @cotan.custom_jvp
    def scaled(x, factor):
        return _scaled(x, factor)

    @scaled.defjvp
    def _(primals, tangents):
        (x, factor), (dx, df) = primals, tangents
        return scaled(x, factor), dx * factor + x * df

    x = cnp.arange(3, dtype=_F32)
    dx, df = cotan.grad(lambda x, f: scaled(x, f).sum(), (0, 1))(x, 4.0)
    assert (dx.tolist(), float(df)) == ([4.0] * 3, 3.0)


def test_several_results_come_by_an_array_of_addresses():
    @_Function
    def both(out, operands):
        results = ctypes.cast(out, _Addresses)
        x = _floats(operands[0], 4)
        _floats(results[0], 4)[:] = x + 1
        _floats(results[1], 1)[:] = x.sum()

    ffi.register_ffi_target("both", ffi.pycapsule(both), api_version=0)
    specs = (cotan.ShapeDtypeStruct((4,), _F32), cotan.ShapeDtypeStruct((), _F32))
    plus, total = cotan.jit(ffi.ffi_call("both", specs))(cnp.arange(4, dtype=_F32))
    assert (plus.tolist(), float(total)) == ([1.0, 2.0, 3.0, 4.0], 6.0)
    assert isinstance(ffi.ffi_call("both", list(specs))(cnp.arange(4, dtype=_F32)), list)


def test_memory_of_a_result_that_holds_an_operand():
    @_Function
    def add_in_place(out, operands):
        _floats(out, 3)[:] += _floats(operands[1], 3)

    ffi.register_ffi_target("add in place", add_in_place, api_version=0)
    spec = cotan.ShapeDtypeStruct((3,), _F32)
    call = ffi.ffi_call("add in place", spec, input_output_aliases={0: 0})
    x, y = cnp.arange(3, dtype=_F32), cnp.ones(3)
    assert call(x, y).tolist() == [1.0, 2.0, 3.0]
    assert x.tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="cannot share memory"):
        call(cnp.arange(4, dtype=_F32), y)


def test_effects_happen_though_nobody_reads_the_result():
    calls = []

    @_Function
    def note(out, operands):
        calls.append(float(_floats(operands[0], 1)[0]))

    ffi.register_ffi_target("note", note, api_version=0)
    spec = cotan.ShapeDtypeStruct((), _F32)

    @cotan.jit
    def run(x):
        ffi.ffi_call("note", spec, has_side_effect=True)(x)
        ffi.ffi_call("note", spec)(x * 10)
        return x

    run(2.0)
    cotan.effects_barrier()
    assert calls == [2.0]


def test_layouts_are_row_major():
    x = cnp.arange(4, dtype=_F32).reshape(2, 2)
    spec = cotan.ShapeDtypeStruct((2, 2), _F32)
    call = ffi.ffi_call("scale", spec, input_layouts=[(1, 0), None, None], output_layouts=[(1, 0)])
    assert call(x, cnp.float32(1), np.int32(4)).tolist() == x.tolist()
    with pytest.raises(ValueError, match="row-major here"):
        ffi.ffi_call("scale", spec, input_layouts=[(0, 1), None, None])


def test_the_header_tells_the_type():
    (header,) = Path(ffi.include_dir()).iterdir()
    assert "typedef void (*cotan_ffi_target)(void *out, const void **in);" in header.read_text()


def test_errors_say_what_to_do():
    spec = cotan.ShapeDtypeStruct((3,), _F32)
    with pytest.raises(ValueError, match="register it with api_version=0"):
        ffi.register_ffi_target("typed", 1)
    with pytest.raises(ValueError, match="run on the platform 'cpu', not 'tpu'"):
        ffi.register_ffi_target("far", 1, platform="tpu", api_version=0)
    with pytest.raises(ValueError, match="null pointer"):
        ffi.register_ffi_target("nothing", 0, api_version=0)
    with pytest.raises(TypeError, match="for a Python function use"):
        ffi.register_ffi_target("python", lambda out, operands: None, api_version=0)
    with pytest.raises(TypeError, match="takes no argument 'traits'"):
        ffi.register_ffi_target("more", 1, api_version=0, traits=1)
    with pytest.raises(KeyError, match="no foreign function 'never heard of'"):
        ffi.ffi_call("never heard of", spec)(cnp.ones(3))
    with pytest.raises(TypeError, match="pass values as arrays"):
        ffi.ffi_call("scale", spec)(cnp.ones(3), factor=2.0)
    with pytest.raises(ValueError, match="once for each example"):
        ffi.ffi_call("scale", spec, vmap_method="expand_dims")
    with pytest.raises(AttributeError, match="XLA's typed interface needs XLA"):
        ffi.register_ffi_type  # noqa: B018
