"""Programs made by hand: every kind of result, the host's errors, donation, and both ways of entry."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

from cotan.backend import CompileOptions, get_backend
from cotan.errors import UnsupportedError
from cotan.ir.avals import shaped
from cotan.ir.primitive import Primitive, reference
from cotan.ir.program import Buffer, CopyStep, HostStep, LibraryStep, Program
from cotan.primitives.dot import dot_general_p
from cotan.primitives.sort import sort_p
from cotan_cpu import driver
from cotan_cpu.codegen import jit

F32 = np.dtype(np.float32)
MATRIX = {"dimension_numbers": (((1,), (0,)), ((), ())), "precision": None, "preferred_element_type": None}

positive_p = Primitive("test_positive")
wrong_p = Primitive("test_wrong")
reference[wrong_p] = lambda x: x.astype(np.float64)


@reference(positive_p)
def _(x):
    if x.min(initial=0) < 0:
        raise ValueError("a negative number")
    assert not x.flags.writeable
    return x + 1


for _own in (positive_p, wrong_p):
    del Primitive.catalogue[_own.name]  # whose rules other tests look through: these have one each


@pytest.fixture(scope="module")
def device():
    return get_backend("cpu").devices()[0]


@pytest.fixture(params=["builtin", "ctypes"])
def entry(request, monkeypatch):
    if request.param == "ctypes":
        monkeypatch.setattr(driver, "has_fast_entry", lambda: False)
    return request.param


def build(device, buffers, inputs, outputs, steps, *, consts=None, arena=0):
    program = Program("test", tuple(buffers), tuple(inputs), tuple(outputs), consts or {}, tuple(steps), arena)
    return device.backend.compile(program, CompileOptions(device))


def product_program(device):
    a, b, c = shaped((64, 32), F32), shaped((32, 16), F32), shaped((64, 16), F32)
    buffers = [Buffer(a, "input"), Buffer(b, "input"), Buffer(c, "temp"), Buffer(c, "output"), Buffer(c, "const")]
    buffers.append(Buffer(c, "output"))
    steps = [LibraryStep(dot_general_p, MATRIX, (0, 1), (2,)), HostStep(positive_p, {}, (2,), (3,)), CopyStep(4, 5)]
    consts = {4: np.full((64, 16), 7, F32)}
    return build(device, buffers, [0, 1], [3, 0, 4, 3, 5], steps, consts=consts, arena=c.nbytes)


def test_every_kind_of_result(device, entry):
    run = product_program(device)
    a, b = np.random.rand(64, 32).astype(F32), np.random.rand(32, 16).astype(F32)
    x, y = device.put(a), device.put(b)
    for _ in range(3):
        results = run.run([x, y])
        np.testing.assert_allclose(results[0].to_host(), a @ b + 1, rtol=1e-4)
        assert results[3] is results[0]
        assert (results[1].to_host() == a).all()
        assert (results[2].to_host() == 7).all()
        assert (results[4].to_host() == 7).all()
    assert run.forwarded == {0}


def test_an_error_on_the_host_reaches_the_caller_and_nothing_is_broken(device, entry):
    run = product_program(device)
    b = device.put(np.ones((32, 16), F32))
    for _ in range(2):
        with pytest.raises(ValueError, match="a negative number"):
            run.run([device.put(np.full((64, 32), -1, F32)), b])
        results = run.run([device.put(np.ones((64, 32), F32)), b])
        assert (results[0].to_host() == 33).all()


def test_errors_belong_to_the_thread_that_called(device):
    run = product_program(device)
    b = device.put(np.ones((32, 16), F32))
    good, bad = device.put(np.ones((64, 32), F32)), device.put(np.full((64, 32), -1, F32))
    outcomes = []

    def work(x):
        for _ in range(50):
            try:
                outcomes.append((x is good, (run.run([x, b])[0].to_host() == 33).all()))
            except ValueError:
                outcomes.append((x is good, False))

    threads = [threading.Thread(target=work, args=(x,)) for x in (good, bad, good, bad)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 200
    assert all(is_good == came_through for is_good, came_through in outcomes)


def test_a_reference_of_the_wrong_type_is_an_error(device):
    aval = shaped((3,), F32)
    run = build(device, [Buffer(aval, "input"), Buffer(aval, "output")], [0], [1], [HostStep(wrong_p, {}, (0,), (1,))])
    with pytest.raises(TypeError, match=r"`test_wrong` gave float64\[3\] where its abstract rule says float32\[3\]"):
        run.run([device.put(np.ones(3, F32))])


@pytest.mark.parametrize("shape", [(4,), (300, 1000)])
def test_donated_memory_is_taken_over_unless_something_holds_it(device, shape):
    aval = shaped(shape, F32)
    run = build(device, [Buffer(aval, "input"), Buffer(aval, "output", 0, 0)], [0], [1], [])
    assert run.fast_call is None
    given = device.put(np.ones(shape, F32))
    address = given.array.ctypes.data
    (result,) = run.run([given], [True])
    assert given.is_deleted()
    assert result.array.ctypes.data == address
    (result,) = run.run([result], [True])
    assert result.array.ctypes.data == address
    (other,) = run.run([result], [False])
    assert other.array.ctypes.data != address
    assert not result.is_deleted()
    view = result.to_host()
    (third,) = run.run([result], [True])
    assert result.is_deleted()
    assert third.array.ctypes.data != address
    assert (view == 1).all()
    assert (third.to_host() == 1).all()


def test_an_argument_passed_twice_is_not_overwritten(device):
    aval = shaped((4,), F32)
    buffers = [Buffer(aval, "input"), Buffer(aval, "input"), Buffer(aval, "output", 0, 0), Buffer(aval, "output")]
    run = build(device, buffers, [0, 1], [2, 3], [CopyStep(1, 3)])
    x = device.put(np.ones(4, F32))
    results = run.run([x, x], [True, False])
    assert results[0].array.ctypes.data != results[1].array.ctypes.data


def test_deleted_arguments_are_refused(device):
    run = product_program(device)
    a, b = device.put(np.ones((64, 32), F32)), device.put(np.ones((32, 16), F32))
    a.delete()
    a.delete()
    assert a.is_deleted()
    with pytest.raises(AttributeError):
        run.run([a, b])


@pytest.mark.parametrize("shape", [(0, 4), (), (1, 1)])
def test_odd_shapes(device, entry, shape):
    aval = shaped(shape, F32)
    steps = [HostStep(positive_p, {}, (0,), (1,))]
    run = build(device, [Buffer(aval, "input"), Buffer(aval, "output")], [0], [1], steps)
    assert run.run([device.put(np.ones(shape, F32))])[0].to_host().shape == shape


def test_an_empty_sum_of_products_is_zero(device):
    avals = [shaped(shape, F32) for shape in ((3, 0), (0, 2), (3, 2))]
    buffers = [Buffer(aval, kind) for aval, kind in zip(avals, ("input", "input", "output"), strict=True)]
    run = build(device, buffers, [0, 1], [2], [LibraryStep(dot_general_p, MATRIX, (0, 1), (2,))])
    result = run.run([device.put(np.ones(aval.shape, F32)) for aval in avals[:2]])[0].to_host()
    assert (result == 0).all()
    assert result.shape == (3, 2)


def test_large_arena_and_sort(device, entry):
    aval = shaped((100_000,), F32)
    buffers = [Buffer(aval, "input"), Buffer(aval, "temp"), Buffer(aval, "output")]
    params = {"dimension": 0, "is_stable": True, "num_keys": 1}
    run = build(device, buffers, [0], [2], [LibraryStep(sort_p, params, (0,), (1,)), CopyStep(1, 2)], arena=aval.nbytes)
    x = np.random.rand(100_000).astype(F32)
    assert (run.run([device.put(x)])[0].to_host() == np.sort(x)).all()


def test_executables_die_with_their_last_reference(device):
    run = product_program(device)
    code = weakref.ref(run._code)
    a, b = device.put(np.ones((64, 32), F32)), device.put(np.ones((32, 16), F32))
    run.run([a, b])
    del run
    gc.collect()
    assert code() is None


def test_the_text_and_the_costs_can_be_read(device):
    run = product_program(device)
    assert ("@cotan_direct_s" if jit.host_target().fma else "@cotan_gemm_s") in run.text()
    assert [what for what, _ in run.cost()] == ["64x32x16 product", "test_positive (host)", "copy"]


def test_put_copies_and_refuses(device):
    users = np.arange(12.0).reshape(3, 4)
    buffer = device.put(users.T)
    users[:] = 0
    assert buffer.array.flags.c_contiguous
    assert buffer.to_host()[3, 2] == 11
    assert device.put(users, copy=False).array is users
    assert device.put(np.arange(3, dtype=">i4")).array.dtype == np.int32
    with pytest.raises(UnsupportedError, match="cpu"):
        device.put(np.array(["a"]))
    assert str(device) == "CpuDevice(id=0)"


def test_an_argument_that_steps_overwrite_is_copied_unless_donated(device):
    aval = shaped((4,), F32)
    run = build(
        device, [Buffer(aval, "input"), Buffer(aval, "const")], [0], [0], [CopyStep(1, 0)], consts={1: np.zeros(4, F32)}
    )
    x = device.put(np.ones(4, F32))
    address = x.array.ctypes.data
    assert (run.run([x])[0].to_host() == 0).all()
    assert (x.to_host() == 1).all()
    assert run.run([x], [True])[0].array.ctypes.data == address


def test_memory_is_told(device):
    aval = shaped((4,), F32)
    buffers = [Buffer(aval, "const"), Buffer(aval, "output")]
    told = build(device, buffers, [], [1], [CopyStep(0, 1)], consts={0: np.zeros(4, F32)}).memory()
    assert told["constants"] == 16
    assert told["workspace"] == 0
    assert told["code"] > 100
