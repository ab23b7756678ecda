"""jit: when it traces, static and donated arguments, pytrees, nesting, lifetime."""

from __future__ import annotations

import functools
import gc
import inspect
import threading
import weakref

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp


class Counter:
    """Counts how often a function is traced."""

    def __init__(self):
        self.traced = 0

    def __call__(self, fun):
        @functools.wraps(fun)
        def counted(*args, **kwargs):
            self.traced += 1
            return fun(*args, **kwargs)

        return counted


@pytest.fixture
def count():
    return Counter()


def test_one_trace_per_type(count):
    f = cotan.jit(count(lambda x: x + 1))
    for x in (1, 2, cnp.asarray(3)):
        f(x)
    assert count.traced == 1
    for x in (1.0, np.int32(1), True, cnp.ones(2)):
        f(x)
    assert count.traced == 5
    f(np.ones(2, np.float64))
    f(np.ones(2, np.float32))
    assert count.traced == 5


def test_structure_is_part_of_the_key(count):
    f = cotan.jit(count(lambda *args, **kwargs: 1))
    for args in [((1,),), ([1],), ({"a": 1},), ({"b": 1},), (1,), (1, None)]:
        f(*args)
    assert count.traced == 6
    f(a=1, b=2)
    f(b=1, a=2)
    assert count.traced == 7


def test_nodes_whose_data_cannot_be_hashed_are_told_apart_by_equality(count):
    class Labelled:
        def __init__(self, value, labels):
            self.value, self.labels = value, labels

    cotan.tree_util.register_pytree_node(Labelled, lambda x: ((x.value,), x.labels), lambda y, x: Labelled(x[0], y))
    f = cotan.jit(count(lambda x: Labelled(x.value * len(x.labels), [*x.labels])))
    for _ in range(3):
        for labels in ([1], [1, 2], [3]):
            found = f(Labelled(cnp.ones(2), labels))
            assert found.labels == labels
            assert found.value.tolist() == [len(labels)] * 2
    assert count.traced == 3
    assert cotan.grad(lambda x: f(x).value.sum())(Labelled(cnp.ones(2), [1, 2])).value.tolist() == [2, 2]


def test_positional_and_keyword_are_different_calls(count):
    f = cotan.jit(count(lambda x: x))
    f(1)
    f(x=1)
    assert count.traced == 2


def test_jit_of_the_same_function_shares(count):
    g = count(lambda x: x)
    cotan.jit(g)(1)
    cotan.jit(g)(1)
    assert count.traced == 1
    cotan.jit(count(lambda x: x))(1)
    assert count.traced == 2


def test_configuration_is_part_of_the_key(count):
    f = cotan.jit(count(lambda x: x * 2))
    x = cnp.ones(2)
    f(x)
    with cotan.enable_x64(True):
        f(x)
    with cotan.default_matmul_precision("highest"):
        f(x)
    assert count.traced == 3
    f(x)
    f(x)
    with cotan.debug_nans(True):
        f(x)
    assert count.traced == 3


def test_static_arguments_by_hash_equality_and_type(count):
    f = cotan.jit(count(lambda x, n: x * n), static_argnums=1)
    assert [float(f(2.0, n)) for n in (1, 1.0, True, 1, 3)] == [2, 2, 2, 2, 6]
    assert count.traced == 4


@pytest.mark.parametrize("options", [{"static_argnums": 1}, {"static_argnames": "n"}, {"static_argnums": -1}])
def test_static_by_number_or_name(options, count):
    f = cotan.jit(count(lambda x, n: cnp.full((n,), x)), **options)
    assert f(1.0, 3).shape == (3,)
    assert f(1.0, n=4).shape == (4,)
    assert f(1.0, 3).shape == (3,)
    assert count.traced == 2


def test_decorator_with_options_and_methods(count):
    class Model:
        def __init__(self, scale):
            self.scale = scale

        @functools.partial(cotan.jit, static_argnums=0)
        @count
        def apply(self, x):
            """Scale x."""
            return x * self.scale

    model = Model(3.0)
    assert float(model.apply(2.0)) == 6
    assert float(model.apply(4.0)) == 12
    assert float(Model(5.0).apply(2.0)) == 10
    assert count.traced == 2
    assert Model.apply.__doc__ == "Scale x."

    @cotan.jit(static_argnames=("n",))
    def power(x, n=2):
        return x**n

    assert float(power(3.0)) == 9
    assert float(power(2.0, n=3)) == 8


def test_a_jitted_function_has_the_signature_of_its_own():
    def scale(x, /, factor: float = 2.0, *, bias=0.0):
        return x * factor + bias

    for options in ({}, {"static_argnames": "factor"}):
        jitted = cotan.jit(scale, **options)
        assert inspect.signature(jitted, follow_wrapped=False) == inspect.signature(jitted) == inspect.signature(scale)
    assert not hasattr(cotan.jit(max), "__signature__")  # which Python does not know


def test_pytrees_in_and_out():
    f = cotan.jit(lambda p, *, k: {"sum": p["a"][0] + p["a"][1], "rest": (k, None), "same": p["a"][0]})
    out = f({"a": [cnp.ones(2), np.arange(2)]}, k=3)
    np.testing.assert_array_equal(out["sum"], [1, 2])
    assert out["rest"][1] is None
    assert int(out["rest"][0]) == 3
    np.testing.assert_array_equal(out["same"], [1, 1])
    assert cotan.jit(lambda: ())() == ()
    assert cotan.jit(lambda x: None)(1) is None


def test_repeated_calls_take_the_short_way_with_the_same_results(count):
    f = cotan.jit(count(lambda x, y: (x + y, x)))
    x, y = cnp.arange(3.0), cnp.ones(3)
    for _ in range(3):
        a, b = f(x, y)
        np.testing.assert_array_equal(a, [1, 2, 3])
        np.testing.assert_array_equal(b, [0, 1, 2])
    np.testing.assert_array_equal(f(cnp.arange(2), cnp.arange(2))[0], [0, 2])
    with cotan.enable_x64(True):
        np.testing.assert_array_equal(f(x, y)[0], [1, 2, 3])
    assert count.traced == 3


def test_weak_types_pass_through():
    f = cotan.jit(lambda x: x * 2)
    assert f(1.0).weak_type
    assert not f(cnp.float32(1)).weak_type


def test_derivatives_and_vmap_do_not_trace_again(count):
    f = cotan.jit(count(lambda x: cnp.sin(x) * x))
    x = cnp.float32(0.5)
    f(x)
    for _ in range(2):
        cotan.grad(f)(x)
        cotan.grad(cotan.grad(f))(x)
        cotan.jvp(f, (x,), (x,))
        cotan.vmap(f)(cnp.ones(3, np.float32))
        cotan.vmap(cotan.grad(f))(cnp.ones(3, np.float32))
        cotan.jit(lambda x: f(f(x)))(x)
        cotan.linearize(f, x)
        cotan.hessian(f)(x)
    assert count.traced == 1


def test_transformed_programs_are_shared_between_calls():
    f = cotan.jit(lambda x: cnp.sin(x) * x)
    a = cotan.make_jaxpr(cotan.grad(f))(1.0)
    b = cotan.make_jaxpr(cotan.grad(f))(2.0)
    assert [e.params["jaxpr"] for e in a.eqns] == [e.params["jaxpr"] for e in b.eqns]


def test_closed_over_tracers_become_operands():
    def outer(w):
        inner = cotan.jit(lambda x: w * x * x)
        return inner(3.0)

    closed = cotan.make_jaxpr(outer)(2.0)
    (eqn,) = closed.eqns
    assert len(eqn.invars) == 2
    assert not eqn.params["jaxpr"].consts
    assert float(cotan.grad(outer)(2.0)) == 9
    np.testing.assert_array_equal(cotan.vmap(outer)(np.arange(2.0)), [0, 9])
    assert float(cotan.jit(cotan.grad(outer))(2.0)) == 9


def test_closed_over_tracers_of_a_named_function_are_not_kept():
    held = {}

    @cotan.jit
    def scaled(x):
        return held["w"] * x

    def outer(w):
        held["w"] = w
        return scaled(3.0)

    assert float(cotan.grad(outer)(2.0)) == 3
    assert float(cotan.grad(outer)(5.0)) == 3
    held["w"] = 7.0
    assert float(scaled(3.0)) == 21


def test_inline_leaves_no_call():
    f = cotan.jit(lambda x: cnp.sin(x), inline=True)
    closed = cotan.make_jaxpr(lambda x: f(x))(1.0)
    assert [e.primitive.name for e in closed.eqns] == ["sin"]


def test_disable_jit_runs_python(count):
    f = cotan.jit(count(lambda x: x if x > 0 else -x))
    with cotan.disable_jit():
        assert float(f(cnp.float32(-2))) == 2
        assert float(f(cnp.float32(3))) == 3
    assert count.traced == 2


def test_donated_arguments_are_deleted():
    f = cotan.jit(lambda x, y: {"x": x["a"] + 1, "y": y}, donate_argnums=0)
    x, y = {"a": cnp.ones(4)}, cnp.ones(2)
    for _ in range(3):
        x = {"a": f(x, y)["x"]}
    np.testing.assert_array_equal(x["a"], [4, 4, 4, 4])
    old = x["a"]
    f(x, y)
    assert old.is_deleted()
    assert not y.is_deleted()
    with pytest.raises(cotan.errors.DeletedArrayError, match="donated"):
        old + 1


def test_donate_by_name():
    f = cotan.jit(lambda x, scale: x * scale, donate_argnames="x")
    x = cnp.ones(3)
    f(scale=2.0, x=x)
    assert x.is_deleted()


def test_donation_under_a_derivative_deletes_nothing():
    f = cotan.jit(lambda x: (x * x).sum(), donate_argnums=0)
    x = cnp.ones(3)
    np.testing.assert_array_equal(cotan.grad(f)(x), [2, 2, 2])
    assert not x.is_deleted()


def test_nothing_is_kept_alive():
    class Scale:
        pass

    def make():
        scale, table = Scale(), cnp.ones(100)
        scale.value = 2.0

        def f(x):
            return x * scale.value + table

        return f, [weakref.ref(scale), weakref.ref(table), weakref.ref(f)]

    fun, alive = make()
    jitted = [cotan.jit(fun)]
    x = cnp.ones(100)
    argument = weakref.ref(x)
    jitted[0](x)
    cotan.grad(lambda x: jitted[0](x).sum())(x)
    del x
    gc.collect()
    assert argument() is None
    jitted.clear()
    del fun
    gc.collect()
    assert [r() for r in alive] == [None] * 3


def test_errors_leave_the_cache_working(count):
    @cotan.jit
    @count
    def f(x):
        if x.ndim == 0:
            raise ValueError("no scalars")
        return x * 2

    for _ in range(2):
        with pytest.raises(ValueError, match="no scalars"):
            f(1.0)
    np.testing.assert_array_equal(f(cnp.ones(2)), [2, 2])
    assert count.traced == 3


def test_clear_caches(count):
    f = cotan.jit(count(lambda x: x))
    f(cnp.ones(2))
    cotan.clear_caches()
    f(cnp.ones(2))
    f.clear_cache()
    f(cnp.ones(2))
    assert count.traced == 3


def test_threads_share_one_program():
    f = cotan.jit(lambda x: cnp.sin(x) + 1)
    x = cnp.ones(8)
    results: list = []

    def work():
        results.extend(np.asarray(f(x)) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    for result in results:
        np.testing.assert_allclose(result, np.sin(1) + 1, rtol=1e-6)


def test_unhashable_callables_can_be_jitted():
    class Call:
        __hash__ = None

        def __call__(self, x):
            return x + 1

    assert float(cotan.jit(Call())(1.0)) == 2


def test_compiled_derivatives_agree_with_eager_ones():
    def loss(w, x):
        return cnp.tanh(x @ w["a"] + w["b"]).sum()

    rng = np.random.default_rng(0)
    w = {"a": rng.normal(size=(3, 2)).astype(np.float32), "b": np.zeros(2, np.float32)}
    x = rng.normal(size=(4, 3)).astype(np.float32)
    eager = cotan.grad(loss)(w, x)
    for compiled in (cotan.jit(cotan.grad(loss)), cotan.grad(cotan.jit(loss)), cotan.jit(cotan.grad(cotan.jit(loss)))):
        for k in w:
            np.testing.assert_allclose(compiled(w, x)[k], eager[k], rtol=1e-4, atol=1e-6)
