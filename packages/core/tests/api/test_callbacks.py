"""pure_callback, io_callback and debug.callback: arguments, results, transforms, errors, threads."""

from __future__ import annotations

import threading
import time
import traceback

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.experimental import io_callback

F32 = cotan.ShapeDtypeStruct((), "float32")
X = np.arange(3, dtype=np.float32)


def both(fun):
    return [fun, cotan.jit(fun)]


def test_callbacks_get_arrays_and_give_them():
    def host(x, *, scale):
        assert isinstance(x["a"][0], cotan.Array)
        assert isinstance(scale, cotan.Array)
        return {"y": np.asarray(x["a"][0]) * np.asarray(scale), "n": 3}

    out = {"y": cotan.ShapeDtypeStruct((3,), "float32"), "n": cotan.ShapeDtypeStruct((), "int32")}
    for fun in both(lambda x, s: cotan.pure_callback(host, out, {"a": [x]}, scale=s)):
        y = fun(X, 2.0)
        np.testing.assert_array_equal(y["y"], 2 * X)
        assert (int(y["n"]), str(y["n"].dtype)) == (3, "int32")


def test_callbacks_get_copies_which_stay_what_they_are():
    kept = []
    f = cotan.jit(lambda x: cotan.pure_callback(lambda y: (kept.append(y), y)[1], x, x * 2) + 1)
    for k in range(20):
        f(np.full(5, k, np.float32))
    np.testing.assert_array_equal(np.stack(kept)[:, 0], 2.0 * np.arange(20))


def test_random_keys_come_as_keys():
    seen = []
    for fun in both(lambda k: cotan.debug.callback(lambda k: seen.append(k.dtype), k)):
        fun(cotan.random.key(3))
    cotan.vmap(lambda k: cotan.debug.callback(lambda k: seen.append(k.shape), k))(
        cotan.random.split(cotan.random.key(0), 2)
    )
    assert seen == [cotan.random.key(0).dtype] * 2 + [()] * 2


def test_half_precision_and_complex_results():
    for dtype in ("bfloat16", "float16", "complex64", "bool", "uint8"):
        x = cnp.ones((2, 2), dtype)
        for fun in both(lambda x: cotan.pure_callback(lambda x: np.asarray(x), x, x)):
            assert fun(x).dtype == x.dtype
            np.testing.assert_array_equal(np.asarray(fun(x)), np.asarray(x))


@pytest.mark.parametrize(
    ("declared", "returned", "message"),
    [
        (F32, X, "returned f32[3], but result_shape_dtypes declares f32[] there"),
        (F32, np.int32(1), "returned i32[], but result_shape_dtypes declares f32[]"),
        (cotan.ShapeDtypeStruct((), "int32"), 1.5, "returned the number 1.5"),
        (F32, "s", "returned a str, which is not an array"),
        (F32, (1.0, 2.0), "returned arrays at [0], [1], but result_shape_dtypes declares one array"),
        (None, 1.0, "returned one array, but result_shape_dtypes declares no arrays"),
        ({"a": F32, "b": F32}, {"a": 1.0, "b": X}, "returned f32[3] at ['b']"),
        ({"a": F32}, {"c": 1.0}, "returned arrays at ['c'], but result_shape_dtypes declares arrays at ['a']"),
    ],
)
def test_results_are_checked(declared, returned, message):
    def host():
        return returned

    # A pure callback whose result is empty is unused, and not called when compiled.
    for call in (cotan.pure_callback, io_callback) if declared is not None else (io_callback,):
        for fun in both(lambda call=call: call(host, declared)):
            with pytest.raises(TypeError, match=r"test_callbacks\.py:\d+, in ") as error:
                fun()
            assert message in str(error.value)
            assert "the callback `host` (test_callbacks.py:" in str(error.value)


def test_arguments_are_checked():
    with pytest.raises(TypeError, match=r"in test_arguments.*pure_callback of `sin`: argument .* is a str, not an"):
        cotan.pure_callback(np.sin, F32, "a")
    with pytest.raises(TypeError, match=r"io_callback takes a function to transform, got an? int"):
        io_callback(3, F32)
    with pytest.raises(TypeError, match=r"must hold objects with a shape and a dtype.*got a float at \['a'\]"):
        cotan.pure_callback(np.sin, {"a": 1.0}, 1.0)
    with pytest.raises(ValueError, match="declares float64, but 64-bit dtypes are off"):
        cotan.pure_callback(np.sin, cotan.ShapeDtypeStruct((), "float64"), 1.0)
    with pytest.raises(TypeError, match="cannot return random keys"):
        cotan.pure_callback(np.sin, cotan.random.key(0), 1.0)
    with pytest.raises(ValueError, match=r"vmap_method must be None or one of sequential.*got 'vectorized'"):
        cotan.pure_callback(np.sin, F32, 1.0, vmap_method="vectorized")
    with pytest.raises(NotImplementedError, match="sharding must be that of one device, got 3"):
        cotan.pure_callback(np.sin, F32, 1.0, sharding=3)
    assert float(cotan.pure_callback(np.cos, F32, 0.0, sharding=cnp.ones(()).sharding)) == 1.0


def test_unused_pure_callbacks_are_removed_and_io_callbacks_are_not():
    calls = []

    def f(x):
        cotan.pure_callback(lambda x: calls.append("pure") or x, F32, x)
        io_callback(lambda x: calls.append("io") or x, F32, x)
        return x

    cotan.jit(f)(1.0)
    assert calls == ["io"]


@pytest.mark.parametrize(
    ("method", "shapes"),
    [
        ("sequential", [((), ())] * 3),
        ("sequential_unrolled", [((), ())] * 3),
        ("expand_dims", [((3,), (1,))]),
        ("broadcast_all", [((3,), (3,))]),
        ("legacy_vectorized", [((3,), ())]),
    ],
)
def test_vmap_methods(method, shapes):
    seen = []

    def host(x, y):
        seen.append((x.shape, y.shape))
        return np.asarray(x) + np.asarray(y)

    def f(x, y):
        return cotan.pure_callback(host, x, x, y, vmap_method=method)

    for fun in both(cotan.vmap(f, (0, None))):
        seen.clear()
        np.testing.assert_array_equal(fun(X, np.float32(1)), X + 1)
        assert seen == shapes
    if method != "legacy_vectorized":
        table = np.arange(6, dtype=np.float32).reshape(2, 3)
        nested = cotan.vmap(cotan.vmap(f, (0, None)), (1, 0))(table.T, np.ones(2, np.float32))
        np.testing.assert_array_equal(nested, table + 1)


def test_vmap_without_a_method_is_refused():
    with pytest.raises(NotImplementedError, match=r"test_callbacks.*`sin` is under vmap.*give .* a vmap_method"):
        cotan.vmap(lambda x: cotan.pure_callback(np.sin, F32, x))(X)
    # What is the same for all examples is computed once.
    assert float(cotan.vmap(lambda x: cotan.pure_callback(np.cos, F32, 0.0), out_axes=None)(X)) == 1.0


def test_callbacks_have_no_derivative_but_custom_rules_may_give_them_one():
    with pytest.raises(ValueError, match=r"`sin` cannot be differentiated.*cotan\.custom_jvp"):
        cotan.grad(lambda x: cotan.pure_callback(np.sin, F32, x))(1.0)
    with pytest.raises(ValueError, match=r"io_callback: .*cannot be differentiated.*stop_gradient"):
        cotan.jvp(lambda x: io_callback(np.sin, F32, x), (1.0,), (1.0,))
    held = cotan.grad(lambda x: io_callback(np.sin, F32, cotan.lax.stop_gradient(x)) * x)(1.0)
    np.testing.assert_allclose(held, np.sin(np.float32(1)), rtol=1e-6)


def test_io_callbacks_under_vmap():
    seen = []

    def host(x):
        seen.append(float(x))
        return x

    for fun in both(cotan.vmap(lambda x: io_callback(host, F32, x))):
        seen.clear()
        np.testing.assert_array_equal(fun(X), X)
        assert seen == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match=r"`host` \(.*\) is ordered, and under vmap .* 3 values at once"):
        cotan.vmap(lambda x: io_callback(host, F32, x, ordered=True))(X)


class Mine(Exception):
    pass


def test_what_a_callback_raises_surfaces_with_its_own_frames_and_leaves_all_usable():
    def inner(x):
        raise Mine(f"value {float(x)}")

    def host(x):
        return inner(x)

    for call in (cotan.pure_callback, io_callback):
        for fun in both(lambda x, call=call: call(host, F32, x * 2) + 1):
            with pytest.raises(Mine, match="value 6") as error:
                fun(np.float32(3))
            names = [frame.name for frame in traceback.extract_tb(error.value.__traceback__)]
            assert names[-2:] == ["host", "inner"]
            assert error.value.__context__ is None
    for fun in both(lambda x: cotan.debug.callback(host, x)):
        with pytest.raises(Mine):
            fun(np.float32(3))
    assert float(cotan.jit(lambda x: cotan.pure_callback(lambda x: x, F32, x) + 1)(1.0)) == 2.0


def test_nothing_after_a_callback_that_raises_is_run():
    calls = []

    def fail():
        raise Mine

    @cotan.jit
    def f():
        cotan.debug.callback(lambda: calls.append(1))
        cotan.debug.callback(fail)
        cotan.debug.callback(lambda: calls.append(2))

    for _ in range(2):
        with pytest.raises(Mine):
            f()
    assert calls == [1, 1]


def test_callbacks_may_run_programs_with_callbacks():
    @cotan.jit
    def inner(x):
        return cotan.pure_callback(lambda x: x + 1, F32, x) * 2

    @cotan.jit
    def outer(x):
        return cotan.pure_callback(lambda x: cotan.grad(lambda y: y * y)(inner(x)), F32, x) + 1

    for _ in range(3):
        assert float(outer(1.0)) == 9.0

    def caught(x):
        with pytest.raises(Mine):
            cotan.jit(lambda x: cotan.pure_callback(raising, F32, x))(x)
        return inner(x)

    def raising(x):
        raise Mine

    assert float(cotan.jit(lambda x: cotan.pure_callback(caught, F32, x) + 1)(1.0)) == 5.0


def test_callbacks_run_outside_of_every_trace():
    def host(x):
        assert isinstance(x + 1, cotan.Array)
        return cotan.jit(cotan.vmap(cnp.sin))(cnp.ones(2) * x).sum()

    for fun in both(lambda x: cotan.pure_callback(host, F32, x)):
        np.testing.assert_allclose(fun(1.0), 2 * np.sin(1), rtol=1e-6)
        value, _ = cotan.vjp(lambda x, fun=fun: fun(cotan.lax.stop_gradient(x)) * x, 1.0)
        np.testing.assert_allclose(value, 2 * np.sin(1), rtol=1e-6)


def test_several_threads_at_once_get_their_own_results_and_errors():
    @cotan.jit
    def f(x):
        y = cotan.pure_callback(host, x, cnp.sin(x) * 0 + x)
        return cnp.cumsum(y)[-1]

    def host(x):
        n = int(x[0])
        if n % 3 == 0:
            raise Mine(n)
        return cotan.jit(lambda x: cotan.pure_callback(lambda x: np.asarray(x) * 2, x, x))(x)

    wrong = []

    def work(n):
        for _ in range(10):
            x = np.full(100_000, n, np.float32)
            try:
                total = float(f(x))
                if n % 3 == 0 or total != 2 * n * 100_000:
                    wrong.append((n, total))
            except Mine as error:
                if n % 3 or error.args != (n,):
                    wrong.append((n, error))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_effects_barrier():
    """What was called before it has happened after it, on devices that run behind the calls too."""
    seen = []

    def late(x):
        time.sleep(0.05)
        seen.append(float(x))

    f = cotan.jit(lambda x: (cotan.debug.callback(late, x), x)[1])
    for k in range(3):
        f(float(k))
    assert cotan.effects_barrier() is None
    assert sorted(seen) == [0, 1, 2]
    assert cotan.jit(lambda x: (cotan.effects_barrier(), x)[1])(1.0) == 1


def test_backends_without_a_host_refuse_callbacks_by_name():
    from cotan.compiler import decompose_jaxpr

    closed = cotan.make_jaxpr(lambda x: cotan.pure_callback(np.sin, x, x))(X)
    with pytest.raises(
        cotan.errors.UnsupportedError, match="the primitive `pure_callback`, which cannot be decomposed"
    ):
        decompose_jaxpr(closed, ())


def test_callbacks_and_donated_arguments():
    kept = []
    f = cotan.jit(lambda x: (cotan.debug.callback(kept.append, x), x * 2)[1], donate_argnums=0)
    x = cnp.arange(4.0)
    np.testing.assert_array_equal(f(x), 2 * np.arange(4.0))
    assert x.is_deleted()
    np.testing.assert_array_equal(kept[0], np.arange(4.0))


def test_arguments_that_a_failed_program_may_have_overwritten_are_gone():
    def host(x):
        if x[0] > 2:
            raise ValueError("too large")
        return x

    f = cotan.jit(lambda x: cotan.pure_callback(host, x, x.at[1].set(7.0)), donate_argnums=0)
    for value, fails in ((3.0, True), (1.0, False), (1.0, False), (1.0, False), (3.0, True)):  # also on shorter ways
        x = cnp.full((4,), value)
        if fails:
            with pytest.raises(ValueError, match="too large"):
                f(x)
        else:
            np.testing.assert_array_equal(f(x), [1, 7, 1, 1])
        assert x.is_deleted()


def test_programs_do_not_keep_objects_of_callbacks_alive():
    import gc
    import weakref

    class Model:
        def __init__(self):
            self.seen = []
            self.step = cotan.jit(self.run)

        def run(self, x):
            cotan.debug.callback(self.record, x)
            return cotan.pure_callback(self.half, x, x)

        def record(self, x):
            self.seen.append(float(x))

        def half(self, x):
            return np.asarray(x) / 2

    model = Model()
    assert float(model.step(np.float32(3))) == 1.5
    assert model.seen == [3.0]
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
