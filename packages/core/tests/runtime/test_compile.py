"""Compiled programs: conversion of arguments, donation, caching, threads."""

import gc
import threading
import weakref

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.errors import DeletedArrayError
from cotan.ir import structure
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.runtime.compile import compile_closed, run_closed


def closed_of(fun, *args):
    return cotan.make_jaxpr(fun)(*args)


def test_arguments_of_all_kinds():
    closed = closed_of(lambda x, y: (x * y, x), np.ones(2, np.float32), 2.0)
    compiled = compile_closed(closed)
    for x in (np.ones(2, np.float32), np.ones(2), np.ones(4)[::2], np.ones(2, ">f4"), cnp.ones(2), np.ones(2, np.int8)):
        for y in (2.0, np.float32(2), np.float64(2), cnp.asarray(2.0), np.asarray(2.0)):
            product, same = compiled((x, y))
            assert type(product) is type(same) is cotan.Array
            assert (product.dtype, same.dtype) == (np.float32, np.float32)
            np.testing.assert_array_equal(np.asarray(product), [2, 2])
            np.testing.assert_array_equal(np.asarray(same), [1, 1])


def test_results_have_the_programs_types():
    closed = closed_of(lambda x: (x + 1, 2), 1)
    one, two = run_closed(closed, (1,))
    assert (one.aval, two.aval) == closed.out_avals
    assert one.weak_type


def test_wrong_number_of_arguments():
    closed = closed_of(lambda x: x, 1.0)
    with pytest.raises(TypeError, match="compiled for 1 arrays, got 2"):
        run_closed(closed, (1.0, 2.0), name="f")


def test_compiled_once_and_kept_weakly():
    def kept_weakly(x):
        return x + 1

    closed = closed_of(kept_weakly, 1.0)
    compiled = compile_closed(closed)
    assert compile_closed(closed) is compiled
    assert compile_closed(closed, donated=(True,)) is not compiled
    device = cotan.devices()[0]
    assert compiled.on(device) is compiled.on(device)
    del compiled
    gone = weakref.ref(closed)
    del closed
    structure.clear()
    gc.collect()
    assert gone() is None


def test_the_same_program_in_many_threads():
    closed = closed_of(lambda x: cnp.sin(x) * 2 + x, np.ones(5, np.float32))
    results, errors = [], []
    barrier = threading.Barrier(8)

    def work(value):
        try:
            barrier.wait()
            x = cnp.full(5, value)
            results.extend((value, np.asarray(run_closed(closed, (x,))[0])[0]) for _ in range(20))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(float(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(results) == 160
    for value, found in results:
        np.testing.assert_allclose(found, np.float32(np.sin(value) * 2 + value), rtol=1e-6)


# ---- Donation


def test_donated_arguments_are_deleted_and_say_so():
    update = cotan.jit(lambda w, g: w - g, donate_argnums=0)
    w, g = cnp.ones(1000), cnp.ones(1000)
    new = update(w, g)
    assert w.is_deleted()
    assert not g.is_deleted()
    np.testing.assert_array_equal(np.asarray(new), np.zeros(1000))
    with pytest.raises(DeletedArrayError, match=r"argument `w` of `<lambda>`, an array of type f32\[1000\]"):
        update(w, g)
    np.testing.assert_array_equal(np.asarray(update(new, g)), -np.ones(1000))


def test_donation_does_not_change_what_others_hold():
    double = cotan.jit(lambda x: x * 2, donate_argnums=0)
    for hold in (
        lambda x: np.asarray(x),
        lambda x: np.from_dlpack(x),
        lambda x: x.reshape(10, 100),
        lambda x: cotan.device_put(x, cotan.devices()[0]),
        lambda x: cotan.jit(lambda a: a)(x),
        lambda x: memoryview(np.asarray(x)),
    ):
        x = cnp.ones(1000)
        held = hold(x)
        y = double(x)
        assert x.is_deleted()
        np.testing.assert_array_equal(np.asarray(held).ravel(), np.ones(1000))
        np.testing.assert_array_equal(np.asarray(y), np.full(1000, 2))


def test_donation_of_numpy_arrays_leaves_them_alone():
    x = np.ones(1000, np.float32)
    cotan.jit(lambda a: a * 2, donate_argnums=0)(x)
    np.testing.assert_array_equal(x, np.ones(1000))


def test_donating_one_array_twice_is_refused():
    f = cotan.jit(lambda a, b: a + b, donate_argnums=(0, 1))
    x = cnp.ones(3)
    with pytest.raises(ValueError, match="donates the same array twice, as arguments `a` and `b`"):
        f(x, x)
    assert not x.is_deleted()
    np.testing.assert_array_equal(np.asarray(f(x, x.copy())), [2, 2, 2])


def test_an_array_both_donated_and_plain():
    f = cotan.jit(lambda a, b: (a * 2, b + 1), donate_argnums=0)
    x = cnp.ones(1000)
    doubled, more = f(x, x)
    assert x.is_deleted()
    np.testing.assert_array_equal(np.asarray(doubled), np.full(1000, 2))
    np.testing.assert_array_equal(np.asarray(more), np.full(1000, 2))


def test_results_that_are_arguments_are_arrays_of_their_own():
    x = cnp.ones(1000)
    same, twice = cotan.jit(lambda a: (a, a * 2))(x)
    x.delete()
    np.testing.assert_array_equal(np.asarray(same), np.ones(1000))
    first, second = cotan.jit(lambda a: (a + 1, a + 1))(twice)
    cotan.jit(lambda a: a * 0, donate_argnums=0)(first)
    np.testing.assert_array_equal(np.asarray(second), np.full(1000, 3))


# ---- Constants


def test_constants_of_all_kinds():
    keys = cotan.random.split(cotan.random.key(0), 3)
    small, large = np.float32(3), np.arange(1000, dtype=np.float32)

    @cotan.jit
    def f(n):
        return cotan.random.key_data(keys[n]), large[:2] * small + n, cnp.asarray(large).sum()

    words, scaled, total = f(1)
    np.testing.assert_array_equal(np.asarray(words), np.asarray(cotan.random.key_data(keys))[1])
    np.testing.assert_array_equal(np.asarray(scaled), [1, 4])
    assert float(total) == large.sum()


def test_debug_nans():
    f = cotan.jit(cnp.log)
    assert np.isnan(np.asarray(f(-1.0)))
    with cotan.config.override(debug_nans=True):
        with pytest.raises(FloatingPointError, match="`log` gave NaN, in jit of `log`"):
            f(-1.0)
        with pytest.raises(FloatingPointError, match="`log` gave NaN"):
            cnp.log(-1.0)
        assert float(f(1.0)) == 0.0
    assert np.isnan(np.asarray(f(-1.0)))


def test_a_failed_call_leaves_the_program_usable():
    f = cotan.jit(lambda x, y: x + y)
    x = cnp.ones(3)
    gone = cnp.ones(3)
    gone.delete()
    np.testing.assert_array_equal(np.asarray(f(x, x)), [2, 2, 2])
    with pytest.raises(DeletedArrayError, match="argument `y`"):
        f(x, gone)
    np.testing.assert_array_equal(np.asarray(f(x, x)), [2, 2, 2])


def test_a_program_whose_jaxpr_is_gone():
    closed = closed_of(lambda x: x, 1.0)
    compiled = compile_closed(ClosedJaxpr(closed.jaxpr, closed.consts))
    gc.collect()
    with pytest.raises(RuntimeError, match="keep its jaxpr"):
        compiled((1.0,))


def test_numpy_arguments_are_read_in_place_only_while_the_program_runs():
    f = cotan.jit(lambda a, b: (a, b + 1))
    a, b = np.ones(1000, np.float32), np.ones(1000, np.float32)
    for _ in range(2):
        same, more = f(a, b)
        a[:], b[:] = 7, 7
        np.testing.assert_array_equal(np.asarray(same), np.ones(1000))
        np.testing.assert_array_equal(np.asarray(more), np.full(1000, 2))
        a[:], b[:] = 1, 1
