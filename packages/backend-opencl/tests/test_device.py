"""A device as users meet it: placement, time, memory, loops, several devices, and what goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.__main__ import info
from cotan.backend import get_backend, registry
from cotan.backend.host_memory import aligned
from cotan.config import config
from cotan.errors import BackendUnavailableError, JaxRuntimeError, UnsupportedError
from cotan.runtime.host import lift_to
from cotan_opencl import driver

cl = pytest.importorskip("pyopencl")
X = np.linspace(-1, 1, 1000, dtype=np.float32)


@pytest.fixture(autouse=True)
def on_opencl(request):
    with config.override(platform="opencl"):
        yield


def test_values_go_there_and_back_without_copies(device):
    x = cotan.device_put(X, device)
    assert (x.device, x.committed) == (device, True)
    host = np.asarray(x)
    np.testing.assert_array_equal(host, X)
    assert not host.flags.writeable
    assert np.shares_memory(host, x._buffer.to_host()) == device.queue.found.shared
    y = x + 1
    np.testing.assert_allclose(np.asarray(y), X + 1)
    np.testing.assert_array_equal(host, X)


def test_calls_return_before_they_are_done(device):
    f = cotan.jit(lambda x: cotan.lax.fori_loop(0, 200, lambda i, x: cnp.sin(x) + 0.1, x))
    x = cotan.device_put(np.ones(200_000, np.float32), device)
    f(x).block_until_ready()
    y = f(x)
    ready = y.is_ready()
    assert y.block_until_ready().is_ready()
    assert not ready, "the call waited for its kernels"


def test_donated_memory_is_taken_unless_it_is_seen(device):
    f = cotan.jit(lambda x: x * 2, donate_argnums=0)
    x = cotan.device_put(X, device)
    f(x)
    assert x.is_deleted()
    seen = cotan.device_put(X, device)
    view = np.asarray(seen)
    f(seen)
    np.testing.assert_array_equal(view, X)


def test_loops_of_little_work_are_one_kernel(device):
    step = cotan.jit(lambda x: cotan.lax.scan(lambda c, a: (0.5 * c + a, c), cnp.float32(0), x))
    carry, wanted = 0.0, []
    for value in X:
        wanted.append(carry)
        carry = 0.5 * carry + value
    last, found = step(X)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last, carry, rtol=1e-5)
    code = step.lower(X).compile().as_text()
    assert "loop1(" in code
    count = cotan.jit(lambda n: cotan.lax.while_loop(lambda c: c[0] > 1, lambda c: (c[0] // 2, c[1] + 1), (n, 0)))
    assert count(1000)[1] == 9
    choose = cotan.jit(lambda k: cotan.lax.switch(k, [lambda: 1.0, lambda: 2.0, lambda: 3.0]))
    assert [float(choose(k)) for k in (-1, 0, 1, 2, 7)] == [1, 1, 2, 3, 3]


def test_large_loops_are_run_by_the_host(device):
    x = np.eye(64, dtype=np.float32) * 0.5 + 0.01
    f = cotan.jit(lambda x: cotan.lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] @ x), (0, x)))
    np.testing.assert_allclose(f(x)[1], np.linalg.matrix_power(x, 6), rtol=1e-4)
    assert "loop1(" not in f.lower(x).compile().as_text()


def test_eager_code_of_other_shapes_builds_nothing(device, monkeypatch):
    def run(n):
        x = cotan.device_put(np.arange(n * (n + 1), dtype=np.float32).reshape(n, n + 1), device)
        wanted = np.asarray(x).T * 3 - np.asarray(x)[::-1].T
        np.testing.assert_allclose(np.asarray(x.T * 3 - x[::-1].T), wanted)
        np.testing.assert_allclose(x.sum(0), np.asarray(x).sum(0))

    list(map(run, (5, 40) if device.queue.found.is_cpu else (5, 300)))  # groups have another text for long rows

    def refuse(self, text, name):
        raise AssertionError(f"built again: {name}\n{text}")

    monkeypatch.setattr(driver.Queue, "_build", refuse)
    run(41)
    run(301)


def test_transforms_on_the_host_are_by_vectors(device, monkeypatch):
    fft = pytest.importorskip("scipy.fft")
    real, calls = fft.fftn, []
    monkeypatch.setattr(fft, "fftn", lambda *args, **kwargs: [real(*args, **kwargs), calls.append(args)][0])
    x = (X + 1j * X[::-1]).astype(np.complex64).reshape(10, 100)
    np.testing.assert_allclose(cotan.jit(cnp.fft.fft)(x), np.fft.fft(x), atol=1e-4)
    assert len(calls) == device.queue.found.shared


def test_threads_share_a_device(device):
    f = cotan.jit(lambda x, k: cnp.sum(cnp.sin(x) * k) + cnp.sort(x)[0])
    f(X, 1.0)

    def work(k):
        found = [float(f(X, float(k))) for _ in range(50)]
        np.testing.assert_allclose(found, np.sum(np.sin(X, dtype=np.float64) * k) + X.min(), atol=1e-3)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_memory_stays_until_no_command_can_use_it(device, monkeypatch):
    if not device.queue.found.shared:
        pytest.skip("the driver itself keeps memory that is its own")
    value = aligned(1 << 16, 4096).view(np.int32)
    arrays = [lift_to(value, device, copy=False), *(cotan.device_put(value, device) for _ in range(3))]
    alive = [weakref.ref(x._buffer.loan.memory.host) for x in arrays]
    for f in (cotan.jit(lambda x: x * 2), cotan.jit(lambda x: (x + 1, x - x.sum()))):
        list(map(f, arrays))
    with monkeypatch.context() as patch:
        patch.setattr(device.queue, "done", lambda event: False)
        del value, arrays
        device.pool.clear()
        assert all(memory() is not None for memory in alive)
    device.synchronize()
    device.pool.clear()
    assert all(memory() is None for memory in alive), "memory that nobody uses is kept"


_UNREAD = """
import cotan, cotan.numpy as cnp
cotan.jit(cotan.grad(lambda w: cnp.sum(cnp.tanh(w @ w) ** 2)))(cnp.eye(3))
"""


def test_a_process_may_end_while_kernels_are_still_built(device, tmp_path):
    # Without its cache PoCL builds again, in threads of its own.
    env = {**os.environ, "COTAN_PLATFORM": "opencl", "POCL_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", _UNREAD], check=True, env=env)


def test_launches_that_overlap_keep_the_order_of_what_they_touch(device):
    rng = np.random.default_rng(0)
    alone = [cotan.jit(lambda x, k=k: x[::-1] * 0.5 + k) for k in range(3)]
    total, mixed = cotan.jit(cnp.sum), cotan.jit(lambda x, y: ((x + y.T) * 0.5, (x - y[::-1]) * 0.5))
    host = [rng.normal(size=(600, 600)).astype(np.float32) for _ in range(4)]
    there = [cotan.device_put(x, device) for x in host]
    sums = []
    for _ in range(400):
        kind, a, b = rng.integers(0, 8), *rng.integers(0, 4, 2)
        if kind < 4:
            # What is replaced goes back to the pool while it may still be read.
            there[a], host[a] = alone[kind % 3](there[b]), host[b][::-1] * np.float32(0.5) + np.float32(kind % 3)
        elif kind < 6:
            sums.append(
                ([total(there[k]) for k in (a, b, a, b)], [host[k].sum(dtype=np.float64) for k in (a, b, a, b)])
            )
        else:
            there[a], there[b] = mixed(there[a], there[b])
            host[a], host[b] = (host[a] + host[b].T) / 2, (host[a] - host[b][::-1]) / 2
    for found, wanted in sums:
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1)
    for x, y in zip(there, host, strict=True):
        np.testing.assert_array_equal(x, y)


# ---- What goes wrong


class Broken:
    """pyopencl as it is where something is wrong: everything else is the real thing."""

    def __init__(self, **replaced):
        self.__dict__.update(vars(cl) | replaced)


def unavailable(monkeypatch, **replaced):
    monkeypatch.setattr(driver, "_module", lambda: Broken(**replaced))
    with pytest.raises(BackendUnavailableError) as info:
        driver.configured_devices()
    found = registry.Found("opencl", "here", next(iter(__import__("cotan_opencl.plugin").plugin.cotan_backends())))
    assert not found.probe().usable
    assert found.probe().reason == str(info.value)
    return str(info.value)


def test_no_runtime(monkeypatch, device):
    def none():
        raise cl.LogicError("clGetPlatformIDs failed: PLATFORM_NOT_FOUND_KHR")

    text = unavailable(monkeypatch, get_platforms=none)
    assert "no OpenCL runtime was found" in text
    assert 'pip install "cotan-opencl[pocl]"' in text


class Like:
    """A device or platform like the real one, but for what is replaced; exceptions are raised."""

    def __init__(self, real, **replaced):
        self.real, self.replaced = real, replaced

    def __getattr__(self, name):
        value = self.replaced[name] if name in self.replaced else getattr(self.real, name)
        if isinstance(value, Exception):
            raise value
        return value


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({}, "RuntimeError: clCreateContext failed: DEVICE_NOT_AVAILABLE"),
        ({"max_compute_units": ValueError("clGetDeviceInfo failed")}, "ValueError: clGetDeviceInfo failed"),
        ({"available": False}, "switched off"),
        ({"compiler_available": False}, "have no compiler"),
        ({"type": 4, "max_work_group_size": 64}, "groups of 64 items; 256 are needed"),
    ],
)
def test_what_is_broken_is_listed_and_leaves_the_rest_usable(replaced, reason, monkeypatch, device):
    def context(handles):
        if isinstance(handles[0], Like):
            raise cl.RuntimeError("clCreateContext failed: DEVICE_NOT_AVAILABLE")
        return cl.Context(handles)

    [real, *_] = cl.get_platforms()
    devices = real.get_devices()
    silent = Like(real, name="Acme", get_devices=cl.LogicError("clGetDeviceIDs failed: OUT_OF_HOST_MEMORY"))
    nameless, empty = Like(real, name=cl.LogicError("no name")), Like(real, name="Empty", get_devices=list)
    partly = Like(real, get_devices=lambda: [Like(devices[0], name="Bad", **replaced), *devices])
    broken = {"Context": context, "get_platforms": lambda: [nameless, silent, empty, partly, real]}
    monkeypatch.setattr(driver, "_module", lambda: Broken(**broken))
    with registry.aside():
        shown = info()
        found = get_backend("opencl").devices()
        for k, each in enumerate(found):
            np.testing.assert_allclose(cotan.jit(lambda x: x * 2 + 1)(cotan.device_put(X, each)), X * 2 + 1)
            assert f"OpenclDevice(id={k}): {each.queue.found.words}" in shown
    assert len(found) == 2 * len(devices)  # hardware that two platforms show is two devices
    assert f"broken: Bad on {real.name}: " in shown
    assert reason in shown
    assert "a platform shows no devices: LogicError: no name" in shown
    assert "Acme shows no devices: LogicError: clGetDeviceIDs failed" in shown
    assert "Empty shows no devices: it finds none, or may not use them (/dev/dri: the groups" in shown
    broken["get_platforms"] = lambda: [nameless, silent, empty]
    assert "no usable device; platforms: a platform, Acme, Empty; a platform shows" in unavailable(
        monkeypatch, **broken
    )
    with config.override(opencl_platform="of nobody"):
        assert "no usable device of a platform named 'of nobody'; platforms: " in unavailable(monkeypatch)


def test_no_float64(device, monkeypatch):
    monkeypatch.setattr(device.queue, "found", replace(device.queue.found, doubles=False))
    with config.override(enable_x64=True):
        with pytest.raises(UnsupportedError, match="cl_khr_fp64: use float32"):
            cotan.device_put(np.ones(3), device)
        with pytest.raises(UnsupportedError, match="float64"):
            cotan.jit(lambda x: cnp.sum(x.astype(np.float64)))(cotan.device_put(X, device))
    np.testing.assert_allclose(cotan.jit(lambda x: x + 2)(cotan.device_put(X, device)), X + 2)


def test_steps_on_the_host_are_refused_where_memory_is_apart(device, monkeypatch):
    monkeypatch.setattr(device.queue, "found", replace(device.queue.found, shared=False))
    monkeypatch.setattr(device, "pool", type(device.pool)(device.queue))
    x = cotan.device_put(X[:7], device)
    np.testing.assert_array_equal(cotan.jit(lambda x: cnp.sort(-x) * 2)(x), np.sort(-X[:7]) * 2)
    with pytest.raises(UnsupportedError, match="host_fallback"):
        cotan.jit(lambda x: cnp.linalg.cholesky(cnp.diag(x + 2)))(x)
    with config.override(host_fallback=True):
        found = cotan.jit(lambda x: cnp.linalg.cholesky(cnp.diag(x + 2)))(x)
        np.testing.assert_allclose(found, np.diag(np.sqrt(X[:7] + 2)), rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "fault", "told"),
    [
        ("Buffer", "MEM_OBJECT_ALLOCATION_FAILURE", r"is out of memory \(an array of .*Delete arrays"),
        ("Program", "OUT_OF_HOST_MEMORY", r"is out of memory \(building `"),
        ("Program", "DEVICE_NOT_AVAILABLE", r"is lost \(building `"),
        ("Kernel", "OUT_OF_RESOURCES", r"is out of memory \(building `"),
        ("enqueue_nd_range_kernel", "MEM_OBJECT_ALLOCATION_FAILURE", r"is out of memory \(running `"),
        ("enqueue_nd_range_kernel", "INVALID_COMMAND_QUEUE", r"is lost \(running `.*another backend"),
    ],
)
def test_a_fault_is_told_and_may_pass(function, fault, told, device, monkeypatch):
    real, faults = getattr(cl, function), [fault]

    def faulty(*args, **kwargs):
        if faults:
            raise cl.RuntimeError(f"{function} failed: {faults[0]}")
        return real(*args, **kwargs)

    value = np.full(300_000 + len(told), len(function) + len(fault), np.float32)
    for f in (lambda x: x * len(fault) - len(told), lambda x: (x * len(fault), x.sum() - len(told))):
        with config.override(enable_x64=False), monkeypatch.context() as patch:
            x = cotan.device_put(value, device)
            cotan.device_put(np.zeros(5_000_000, np.int8), device).delete()
            patch.setattr(cl, function, faulty)
            faults[:] = [fault]
            with pytest.raises(JaxRuntimeError, match=told):
                cotan.jit(f)(x)
            assert device.pool.unused() < 5_000_000 or function in ("Program", "Kernel"), "memory is kept that may lack"
            faults.clear()
            cotan.tree.map(np.testing.assert_allclose, cotan.jit(f)(x), f(value))


def test_a_lost_device(device, monkeypatch):
    y = cotan.jit(lambda x: x * 3)(cotan.device_put(X, device))
    gone = cl.RuntimeError("clGetEventInfo failed: DEVICE_NOT_AVAILABLE")
    y._buffer.event = Like(None, command_execution_status=gone)
    assert y.is_ready()
    with pytest.raises(JaxRuntimeError, match=r"is lost .*another backend"):
        y.block_until_ready()


def test_a_kernel_that_does_not_build(device):
    with pytest.raises(JaxRuntimeError, match="of `mine` does not build") as info:
        device.queue.build("__kernel void k(__global int *x) { x[0] = nonsense; }", "mine")
    assert "nonsense" in str(info.value)
    assert "log:" in str(info.value)
    assert "    1  __kernel void k" in str(info.value)


def test_a_damaged_entry_of_the_runtimes_cache_is_avoided(device, monkeypatch):
    real, calls = cl.Kernel, []

    def kernel(program, name):
        calls.append(name)
        if len(calls) == 1:
            raise cl.LogicError("clCreateKernel failed: INVALID_KERNEL_NAME")
        return real(program, name)

    monkeypatch.setattr(cl, "Kernel", kernel)
    assert device.queue.kernel("__kernel void damaged(__global int *x) { x[0] = 1; }", "mine", "damaged")
    assert calls == ["damaged", "damaged"]


def test_the_backend_is_listed(device):
    [found] = [item for item in registry.backends_found() if item.name == "opencl"]
    assert found.probe().devices[0].startswith("OpenclDevice(id=0): ")
    assert device.queue.found.platform in get_backend("opencl").platform_version
    assert "fp64" in found.probe().devices[0]
