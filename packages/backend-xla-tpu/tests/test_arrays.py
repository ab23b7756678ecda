"""Buffers: there, back and across, shared memory, donation, dtypes, devices."""

from __future__ import annotations

import pickle

import ml_dtypes
import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.config import config
from cotan.errors import DeletedArrayError, JaxRuntimeError, UnsupportedError
from cotan.ir.primitive import Primitive
from cotan_xla_tpu import driver
from cotan_xla_tpu.buffers import XlaBuffer
from cotan_xla_tpu.compilation import compile_written
from cotan_xla_tpu.emit import write_module


def aligned(count, dtype=np.float32):
    """A NumPy array of its own memory that begins at a multiple of 64 bytes."""
    kept = []
    for _ in range(1000):
        kept.append(np.zeros(count, dtype))
        if kept[-1].ctypes.data % 64 == 0:
            return kept[-1]
    raise AssertionError("NumPy gave no aligned array")


def test_results_are_read_where_they_lie(device):
    x = cnp.arange(100.0) * 2
    first, second = np.asarray(x), np.asarray(x)
    assert first.ctypes.data == second.ctypes.data == x.unsafe_buffer_pointer()
    assert not first.flags.writeable
    del x
    assert first[7] == 14


def test_put_shares_what_it_may_and_is_aligned(device):
    source = aligned(1024)
    assert np.shares_memory(device.put(source, copy=False).to_host(), source)
    assert not np.shares_memory(device.put(source).to_host(), source)
    assert not np.shares_memory(device.put(source[1:], copy=False).to_host(), source)


def test_arguments_may_change_after_the_call():
    f = cotan.jit(lambda x: x + 1)
    source = np.zeros(1 << 16, np.float32)
    for _ in range(3):
        source[:] = 0
        y = f(source)
        source[:] = 7
        assert np.asarray(y).max() == 1


@pytest.mark.parametrize(
    "dtype",
    [np.bool_, np.int8, np.uint16, np.int32, np.float16, np.float32, np.complex64, cnp.bfloat16, cnp.int4, cnp.uint4,
     cnp.float8_e4m3fn, cnp.float8_e5m2],
)  # fmt: skip
def test_there_and_back(dtype, cpu):
    source = np.array([[0, 1, 2], [3, 0, 1]]).astype(dtype)
    x = cotan.device_put(source, "xla")
    assert x.dtype == source.dtype
    np.testing.assert_array_equal(np.asarray(x), source)
    y = cotan.device_put(x, cpu)
    assert y.device is cpu
    np.testing.assert_array_equal(np.asarray(y), source)
    np.testing.assert_array_equal(np.asarray(cotan.device_put(y, "xla")), source)
    np.testing.assert_array_equal(np.asarray(cotan.jit(lambda x: x.T)(x)), source.T)


def test_layouts():
    source = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for view in (source.T, source[:, ::-1], source[..., 1], source.astype(">f4"), source[:0]):
        np.testing.assert_array_equal(np.asarray(cotan.device_put(view)), view)


def test_across_devices():
    first, second = cotan.devices()[:2]
    assert len(cotan.devices()) == 8
    x = cotan.device_put(np.arange(5), first)
    y = cotan.device_put(x, second)
    assert y.device is second
    np.testing.assert_array_equal(y * 2, np.arange(5) * 2)
    assert (y * 2).device is second
    with pytest.raises(ValueError, match="different devices"):
        x + y


def test_pickle_and_devices():
    device = cotan.devices()[3]
    assert pickle.loads(pickle.dumps(device)) is device
    assert {device: 1}[device] == 1
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(cnp.arange(3))), np.arange(3))
    device.synchronize()
    assert isinstance(device.memory_stats(), dict)


# ---- Donation


def test_donated_memory_becomes_the_results():
    f = cotan.jit(lambda a, b: a + b, donate_argnums=0)
    a = cnp.ones(1000)
    where = a.unsafe_buffer_pointer()
    result = f(a, cnp.ones(1000))
    assert a.is_deleted()
    assert result.unsafe_buffer_pointer() == where
    with pytest.raises(DeletedArrayError, match="deleted or donated"):
        a + 1


def test_donation_copies_what_something_else_holds():
    f = cotan.jit(lambda a: a + 1, donate_argnums=0)
    a = cnp.ones(1000)
    view = np.asarray(a)
    assert f(a)[0] == 2
    assert a.is_deleted()
    assert view.max() == 1
    source = aligned(1000)
    assert f(source)[0] == 1
    assert source.max() == 0
    b = cnp.ones(1000)
    c = cotan.device_put(b, cotan.devices()[0])
    assert f(b)[0] == 2
    assert c[0] == 1


def test_many_donations():
    f = cotan.jit(lambda t: [x * 2 for x in t], donate_argnums=0)
    state = [cnp.full(10, float(k)) for k in range(5)]
    for _ in range(3):
        state = f(state)
    np.testing.assert_array_equal([x[0] for x in state], np.arange(5) * 8.0)


# ---- What goes wrong later


def failed(device):
    """A buffer of a program that nobody waits for, with enough to do to be queued, in which LAPACK refuses its call."""

    def misused(c, x):
        driver.register_lapack()
        version = driver.ir.IntegerAttr.get(driver.ir.IntegerType.get_signless(32), 4)
        target = driver.ir.StringAttr.get("lapack_spotrf_ffi")
        return driver.hlo.CustomCallOp([x.type], [x], target, api_version=version).results[0]

    backend = device.backend
    x = device.put(np.zeros((64, 64), np.float32))
    closed = cotan.make_jaxpr(lambda x: cnp.sin(x @ x) @ x)(x.to_host())
    native = {**backend.lowerings().native, Primitive.catalogue["sin"]: misused}
    loaded = compile_written(backend.client, write_module(closed, native, "cpu"), [device.native])
    handler = driver.result_handler(driver.aval((64, 64), np.dtype(np.float32)), driver.on_device(device.native))
    [value] = loaded.execute_sharded([x.value]).consume_with_handlers([handler])
    return XlaBuffer(value, device)


def test_errors_surface_at_the_read(device, cpu):
    for read in (XlaBuffer.wait, XlaBuffer.to_host, lambda x: x.copy_to(cpu)):
        with pytest.raises(JaxRuntimeError, match=r"a computation on XlaDevice\(id=0\) failed: .*Wrong number"):
            read(failed(device))
    assert cnp.ones(3).sum() == 3


def test_errors_go_on_through_programs(device):
    x = cotan.device_put(np.zeros((64, 64), np.float32), device)
    x._buffer = failed(device)
    with pytest.raises(JaxRuntimeError, match="Wrong number"):
        np.asarray(cotan.jit(lambda x: x + 1)(x))


# ---- What is refused


def test_dtypes_that_xla_has_not(device):
    with pytest.raises(UnsupportedError, match="does not support arrays for dtype float6_e2m3fn"):
        device.put(np.zeros(3, ml_dtypes.float6_e2m3fn))


def test_the_device_has_not_enough_memory():
    with config.override(enable_x64=True), pytest.raises(JaxRuntimeError, match="not enough memory"):
        cotan.jit(lambda x: cnp.zeros((1 << 45,)) + x)(np.float64(1)).block_until_ready()
    assert cnp.ones(3).sum() == 3
