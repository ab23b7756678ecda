"""Gradients outside of jit that are put off and compiled: the values, and what a function may do meanwhile."""

import copy
import gc
import pickle
import threading
import weakref
from functools import partial

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.config import config
from cotan.errors import DeletedArrayError, UnexpectedTracerError
from cotan.runtime.array import Array
from cotan.transforms import deferred, gradients, routines
from cotan.tree.calling import fun_code

RNG = np.random.default_rng(0)
W, V, X = (RNG.standard_normal(shape).astype(np.float32) for shape in ((3, 4), (4, 2), (5, 3)))
LABELS = np.array([0, 1, 1, 0, 1], np.int32)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Routines and programs are made at the second call of a kind."""
    monkeypatch.setattr(gradients, "PAYS_FROM", 2)
    monkeypatch.setattr(routines, "PAYS_FROM", 2)
    cotan.clear_caches()
    yield
    cotan.clear_caches()


def compiled():
    """How many programs have been compiled."""
    return sum(program.run is not None for program in gradients._programs.values())


def by_operations(function, *args, **kwargs):
    with config.override(compile_gradients=False):
        return function(*args, **kwargs)


def assert_equal_trees(found, expected):
    leaves, tree = cotan.tree_util.tree_flatten(found)
    others, other_tree = cotan.tree_util.tree_flatten(expected)
    assert tree == other_tree
    for x, y in zip(leaves, others, strict=True):
        assert type(x) is type(y)
        assert (x.shape, x.dtype, x.weak_type) == (y.shape, y.dtype, y.weak_type)
        np.testing.assert_allclose(x, y, rtol=2e-5, atol=1e-6)


def network(w, v, x, labels):
    def predict(x):
        return cotan.nn.log_softmax(cotan.nn.relu(x @ w) @ v)

    return -cnp.mean(cnp.sum(cotan.vmap(predict)(x) * cotan.nn.one_hot(labels, 2), axis=1))


def with_constants(w, v, x, labels):
    scale = cnp.sqrt(cnp.sum(cnp.asarray(x) ** 2)) + cnp.arange(4.0)
    return cnp.sum((x @ w) * scale * cnp.float32(2) + np.float32(3)) + cnp.sum(v) * 0.5


def with_choices(w, v, x, labels):
    y = cnp.where(x @ w > 0, 2.0, lax.stop_gradient(w)[0])
    best = cnp.argmax(w, axis=1)
    return cnp.sum(y * w.sum(0)) + cnp.take_along_axis(w, best[:, None], 1).sum() + v[labels % 4, 0].sum()


def with_several_results(w, v, x, labels):
    values, places = lax.top_k(w, 2)
    a, b = cnp.split(v, 2)
    return cnp.sum(values * places) + cnp.sum(a * b) + cnp.sum(lax.sort((w, -w), num_keys=1)[1][0])


def with_its_own_argument_outside(w, v, x, labels):
    return cnp.sum((w - OUTSIDE) ** 2) + cnp.sum(v * v)


def with_a_program_inside(w, v, x, labels):
    return cotan.jit(lambda w: cnp.sum(cnp.tanh(x @ w)))(w * 2) + cnp.sum(v**3)


def with_a_loop(w, v, x, labels):
    total, _ = lax.scan(lambda c, row: (c * 0.5 + row, None), cnp.zeros(4), w)
    return cnp.sum(total**2) * cnp.prod(v)


def with_a_rule(w, v, x, labels):
    @cotan.custom_jvp
    def cube(x):
        return x**3

    cube.defjvps(lambda dot, out, x: 30 * x**2 * dot)
    return cnp.sum(cube(w * 2)) + cnp.sum(v)


def with_derivatives_inside(w, v, x, labels):
    inner = cotan.grad(lambda w: cnp.sum(cnp.sin(w) * w))(w)
    _, dot = cotan.jvp(lambda v: v**3, (v,), (cnp.ones_like(v),))
    return cnp.sum(inner**2) + cnp.sum(dot * v)


def constant(w, v, x, labels):
    return cnp.float32(3) + 0 * cnp.sum(cnp.asarray(x))


def the_argument(w, v, x, labels):
    return w[0, 0]


FUNCTIONS = [
    network, with_constants, with_choices, with_several_results, with_its_own_argument_outside, with_a_program_inside,
    with_a_loop, with_a_rule, with_derivatives_inside, constant, the_argument,
]  # fmt: skip
NEVER_WHOLE = {with_a_program_inside, with_a_loop, with_a_rule, constant}
OUTSIDE = cnp.asarray(W)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_compiled_gradient_is_the_one_of_the_operations(function):
    gradient = cotan.value_and_grad(function, argnums=(0, 1))
    for k in range(8):
        w = OUTSIDE if k % 2 else cnp.asarray(W) + k
        args = (w, cnp.asarray(V), X - k, LABELS)
        assert_equal_trees(gradient(*args), by_operations(gradient, *args))
    assert (compiled() > 0) == (function not in NEVER_WHOLE)


def test_gradients_agree_with_differences():
    gradient = cotan.grad(network)
    for _ in range(6):
        found = gradient(W, V, X, LABELS)
    assert compiled() == 1
    for k in np.ndindex(*W.shape):
        step = np.zeros_like(W)
        step[k] = 1e-2
        slope = (network(W + step, V, X, LABELS) - network(W - step, V, X, LABELS)) / 2e-2
        np.testing.assert_allclose(found[k], slope, atol=2e-3)


def test_a_holomorphic_gradient():
    gradient = cotan.grad(lambda z: cnp.sum(cnp.sin(z) * z), holomorphic=True)
    z = cnp.asarray(np.array([1 + 2j, -0.5j], np.complex64))
    for _ in range(6):
        np.testing.assert_allclose(gradient(z), np.cos(z) * z + np.sin(z), rtol=1e-5)
    assert compiled() == 1


def test_the_function_runs_at_every_call():
    calls = []

    def function(x):
        calls.append(x.shape)
        return cnp.sum(x * x)

    for _ in range(9):
        cotan.grad(function)(X)
    assert compiled() == 1
    assert len(calls) == 9


def test_python_decides_by_values():
    def function(x, y):
        return cnp.sum(x * y) if float(cnp.sum(x)) > 0 else -cnp.sum(x**2)

    gradient = cotan.grad(function)
    for k in range(12):
        x = np.float32([1, 2]) * (-1) ** k
        np.testing.assert_allclose(gradient(x, X[0, :2]), X[0, :2] if k % 2 == 0 else -2 * x, rtol=1e-6)


def test_a_choice_by_what_is_not_an_argument_leaves_one_program_for_each_way():
    def function(x, y):
        limit = cnp.sum(y * 2)
        return cnp.sum(x * limit) if limit > 0 else cnp.sum(x**2)

    gradient = cotan.grad(function)
    for k in range(12):
        y = np.float32([1, 2]) * (-1) ** k
        np.testing.assert_allclose(gradient(X[0], y), np.full(3, 6) if k % 2 == 0 else 2 * X[0], rtol=1e-6)
    assert compiled() == 2


def test_numbers_are_part_of_the_program():
    gradient = cotan.grad(lambda x, scale: cnp.sum(x * scale) * 0.5)
    for scale in (2.0, 3.0, -0.0, 0.0, 2, True) * 4:
        found = gradient(X, scale)
        np.testing.assert_array_equal(found, np.full_like(X, 0.5 * scale))
        np.testing.assert_array_equal(np.signbit(found), np.signbit(np.full_like(X, 0.5 * scale)))


def test_memory_of_the_caller_may_change_while_the_function_runs():
    buffer = np.zeros(3, np.float32)

    def function(x):
        total = 0.0
        for k in range(3):
            buffer[:] = k
            total = total + cnp.sum(x * buffer)
        return total

    for _ in range(6):
        np.testing.assert_array_equal(cotan.grad(function)(X[0]), [3, 3, 3])
    assert compiled() == 1


def test_what_is_known_is_an_array_during_and_after_the_call():
    kept = []

    def function(x, y):
        at_zero = lax.stop_gradient(x) * 2
        scale = cnp.sum(cnp.asarray(y)) + 1
        kept[:] = [at_zero, scale]
        assert all(isinstance(value, Array) for value in kept)
        return cnp.sum(x * at_zero) * scale

    for k in range(6):
        y = X[0] + k
        cotan.grad(function)(X, y)
        at_zero, scale = kept
        total = np.sum(y, dtype=np.float32) + 1
        np.testing.assert_allclose(np.asarray(at_zero), 2 * X, rtol=1e-6)
        np.testing.assert_allclose(at_zero * scale, 2 * X * total, rtol=1e-5)
        np.testing.assert_allclose(cotan.jit(lambda a, b: a + b)(at_zero, scale), 2 * X + total, rtol=1e-5)
        np.testing.assert_allclose(cotan.jit(lambda a: a + scale)(at_zero), 2 * X + total, rtol=1e-5)  # noqa: B023
        np.testing.assert_allclose(cotan.vmap(cnp.sin)(at_zero), np.sin(2 * X), rtol=1e-5)
        np.testing.assert_allclose(cotan.grad(lambda v: cnp.sum(v * at_zero))(X), 2 * X, rtol=1e-6)  # noqa: B023
        np.testing.assert_allclose(pickle.loads(pickle.dumps(scale)), total, rtol=1e-6)
        np.testing.assert_allclose(copy.deepcopy(scale), total, rtol=1e-6)
        assert isinstance(cotan.device_get(scale), np.ndarray)
        assert type(cotan.device_put(scale, cotan.devices()[0])) is Array
        assert float(scale) == pytest.approx(float(total), rel=1e-6)
        assert repr(scale).startswith("Array(")
        assert scale.devices() == {cotan.devices()[0]}
        with pytest.raises(AttributeError):
            scale.__nothing__  # noqa: B018
    assert compiled() > 0


def test_what_is_known_is_an_array_after_an_error():
    kept = []

    def function(x):
        kept.append(lax.stop_gradient(x) + 1)
        raise LookupError("no")

    for _ in range(4):
        with pytest.raises(LookupError):
            cotan.grad(function)(X)
        np.testing.assert_allclose(kept[-1], X + 1)


@pytest.mark.parametrize(
    "use",
    [
        lambda x: float(cnp.sum(x)), lambda x: np.asarray(x), lambda x: bool(cnp.all(x == x)), lambda x: f"{x[0]:.2f}",
        lambda x: x.tolist(), lambda x: int(cnp.argmax(x)), lambda x: cotan.device_get(lax.stop_gradient(x)),
        lambda x: x[cnp.asarray([True, False, True])], lambda x: cnp.nonzero(x > 0),
    ],
)  # fmt: skip
def test_a_value_may_be_asked_for_at_any_time(use):
    def function(x):
        y = cnp.sin(x) * 2
        use(lax.stop_gradient(y))
        use(y)
        return cnp.sum(y * x)

    for _ in range(6):
        np.testing.assert_allclose(cotan.grad(function)(X[0]), 2 * np.cos(X[0]) * X[0] + 2 * np.sin(X[0]), rtol=1e-5)


def test_aux_may_hold_anything():
    def function(x):
        y = cnp.sum(x * 3)
        return y, {"y": y, "x": x, "known": lax.stop_gradient(x) > 0, "word": "a", "count": cnp.arange(2)}

    for _ in range(6):
        gradient, aux = cotan.grad(function, has_aux=True)(X)
        np.testing.assert_array_equal(gradient, np.full_like(X, 3))
        assert all(type(aux[name]) is Array for name in ("y", "x", "known", "count"))
        np.testing.assert_array_equal(aux["x"], X)
        np.testing.assert_array_equal(aux["known"], X > 0)
        np.testing.assert_array_equal(aux["count"], [0, 1])
        assert aux["word"] == "a"
    assert compiled() == 1


def test_traced_values_that_leak_are_refused():
    kept = []

    def function(x):
        kept.append(x * 2)
        return cnp.sum(kept[-1])

    for _ in range(6):
        cotan.grad(function)(X)
        with pytest.raises(UnexpectedTracerError, match="leaked"):
            kept[-1] + 1
    assert compiled() == 1


def test_deleted_arrays_are_refused():
    deleted = cnp.asarray(X) + 1
    gradient = cotan.grad(lambda x: cnp.sum(x * deleted))
    for _ in range(6):
        gradient(X)
    deleted.delete()
    with pytest.raises(DeletedArrayError):
        gradient(X)


def test_a_gradient_that_is_no_scalar_is_refused_as_ever():
    gradient = cotan.grad(lambda x: x * 2)
    for _ in range(5):
        with pytest.raises(TypeError, match="shape"):
            gradient(X)


@pytest.mark.parametrize(
    "flags", [{"compile_gradients": False}, {"disable_jit": True}, {"no_tracing": True}, {"debug_infs": True}]
)
def test_flags_under_which_nothing_waits(flags):
    with config.override(**flags):
        for _ in range(6):
            cotan.grad(lambda x: cnp.sum(x * x))(X)
    assert not gradients._programs


def test_nan_is_found_where_it_arises():
    gradient = cotan.grad(lambda x: cnp.sum(cnp.log(x * 0 - 1)))
    for _ in range(6):
        gradient(X)
    with config.override(debug_nans=True), pytest.raises(FloatingPointError, match="log"):
        gradient(X)


def test_wide_types_have_programs_of_their_own():
    gradient = cotan.grad(lambda x: cnp.sum(x * x) * 0.1)
    for _ in range(6):
        assert gradient(np.float32([1, 2])).dtype == np.float32
        with config.override(enable_x64=True):
            np.testing.assert_array_equal(gradient(np.float64([1, 2])), [0.2, 0.4])
    assert compiled() == 2


def test_what_cannot_be_compiled_is_computed_by_its_operations(monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(gradients, "_whole", lambda *args: refuse)
    for _ in range(6):
        np.testing.assert_allclose(cotan.grad(lambda x: cnp.sum(x * x))(X), 2 * X, rtol=1e-6)
    assert not compiled()


def test_nothing_is_held_when_it_is_over():
    gradient = cotan.grad(lambda w, x: cnp.sum(cnp.tanh(x @ w)))
    gc.collect()
    gc.disable()
    try:
        for _ in range(6):
            w, x = cnp.asarray(W), cnp.asarray(X)
            result = gradient(w, x)
            held = [weakref.ref(value) for array in (w, x, result) for value in (array, array._buffer)]
            del w, x, result
            assert [ref() for ref in held] == [None] * 6
        assert compiled() == 1
    finally:
        gc.enable()


def test_values_that_nobody_needs_any_more_are_dropped_while_the_rest_is_computed():
    seen = []

    def function(x):
        y = cnp.asarray(x)
        for _ in range(50):
            y = lax.stop_gradient(y) * 0.5
        seen.append(float(cnp.sum(y)))
        return cnp.sum(x * y)

    for _ in range(4):
        assert np.all(cotan.grad(function)(X) == 0.5**50 * X)
    assert len(set(seen)) == 1


def test_programs_are_bounded_and_forgotten(monkeypatch):
    monkeypatch.setattr(gradients, "_MOST_PROGRAMS", 3)
    for rank in range(1, 8):
        for _ in range(5):
            cotan.grad(lambda x: cnp.sum(x * x))(np.ones((2,) * rank, np.float32))
    assert len(gradients._programs) == 3
    cotan.clear_caches()
    assert not gradients._programs
    assert not deferred._plans


def test_long_functions_are_not_compiled(monkeypatch):
    monkeypatch.setattr(deferred, "MOST_STEPS", 10)

    def function(x):
        for _ in range(20):
            x = x * 1.5
        return cnp.sum(x)

    for _ in range(6):
        np.testing.assert_allclose(cotan.grad(function)(X), np.full_like(X, 1.5**20), rtol=1e-5)
    assert not compiled()


def test_threads_share_programs():
    gradient = cotan.grad(network)
    expected = by_operations(gradient, W, V, X, LABELS)
    wrong = []

    def work():
        for _ in range(20):
            found = gradient(W, V, X, LABELS)
            if not np.allclose(found, expected, rtol=1e-5, atol=1e-6):
                wrong.append(found)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert compiled() == 1


def test_arrays_may_be_donated_while_the_function_runs():
    advance = cotan.jit(lambda s: s * 2, donate_argnums=0)
    x = cnp.asarray(X)

    def function(x):
        state = cnp.asarray(X) + 1
        first = cnp.sum(state)
        state = advance(state)
        other = state + 0
        second = cnp.sum(other)
        other.delete()
        return cnp.sum(x * (first + second))

    expected = np.full_like(X, 3 * np.sum(X + 1))
    for _ in range(6):
        np.testing.assert_allclose(cotan.grad(function)(x), expected, rtol=1e-5)
    assert compiled() == 1


def test_a_flag_that_changes_inside_holds_for_what_follows():
    def function(x):
        y = x * 2
        with config.override(debug_nans=True):
            return cnp.sum(cnp.log(y * 0 - 1))

    for _ in range(6):
        with pytest.raises(FloatingPointError, match="log"):
            cotan.grad(function)(X)


def test_what_was_noted_before_a_flag_changes_is_computed_under_the_flags_of_then():
    def function(x):
        y = x * 2  # the number is a float32 beside x, whatever comes
        with cotan.enable_x64():
            z = cnp.asarray(np.float64(3)) * y
            assert (y.dtype, z.dtype) == (np.float32, np.float64)
        return cnp.sum(y) + cnp.sum(z.astype(np.float32))

    for _ in range(6):
        np.testing.assert_array_equal(cotan.grad(function)(X), np.full_like(X, 8))


def test_a_flag_that_a_function_leaves_changed_leaves_its_program_alone():
    def function(x):
        y = cnp.sum(x * 2)
        if wide:
            config.update("enable_x64", True)
        return y

    wide = False
    for _ in range(4):
        cotan.grad(function)(X)
    assert compiled() == 1
    wide = True
    try:
        gradient = cotan.grad(function)(X)
    finally:
        config.update("enable_x64", False)
    assert gradient.dtype == np.float32
    np.testing.assert_array_equal(gradient, np.full_like(X, 2))


def test_known_values_keep_nothing_else():
    kept, held = [], []

    def function(x):
        middle = cnp.exp(x)
        kept.append(lax.stop_gradient(x[0, 0]))
        return cnp.sum(middle * middle)

    gc.collect()
    gc.disable()
    try:
        for k in range(8):
            x = cnp.asarray(X) + k
            held.append(weakref.ref(x._buffer))
            cotan.grad(function)(x)
            del x
        assert [ref() for ref in held] == [None] * 8
        assert [round(float(value), 3) for value in kept] == [round(float(X[0, 0]) + k, 3) for k in range(8)]
    finally:
        gc.enable()


def test_a_function_that_waits_in_vain_does_not_wait_for_a_while(monkeypatch):
    waited = []
    usual = deferred.DeferredTrace.__init__

    def noted(self, *args):
        waited.append(True)
        usual(self, *args)

    monkeypatch.setattr(deferred.DeferredTrace, "__init__", noted)
    new = iter(range(10**6))

    def function(x):
        return cnp.sum(x * (2.0 + next(new)))

    for k in range(200):
        np.testing.assert_allclose(cotan.grad(function)(X), np.full_like(X, 2 + k), rtol=1e-6)
    assert len(waited) < 40
    before = len(waited)
    for _ in range(60):
        new = iter([0])
        cotan.grad(function)(X)
    assert compiled() == 1
    assert len(waited) > before


def test_values_of_earlier_calls_are_no_results_of_this_one():
    kept = []

    def function(x):
        kept.append((x * 2, lax.stop_gradient(x) * 2))
        return cnp.sum(x * x), kept[max(0, len(kept) - 2)]

    for k in range(8):
        _, (traced, known) = cotan.grad(function, has_aux=True)(X + k)
        assert type(known) is Array
        np.testing.assert_allclose(known, 2 * (X + max(0, k - 1)), rtol=1e-6)
        if k:
            with pytest.raises(UnexpectedTracerError, match="leaked"):
                traced + 1
    assert compiled() == 1


def test_functions_share_a_record_if_their_text_is_one():
    def made(k):
        return lambda x: x * k

    assert fun_code(made(1)) is fun_code(made(2)) is made(1).__code__
    assert fun_code(cotan.jit(made(1))) is fun_code(partial(made(1))) is fun_code(cotan.jit(partial(made(1))))
    assert fun_code(cotan.jit(made(1))) is made(1).__code__


def test_callables_that_have_every_attribute_are_differentiated():
    class Open:
        def __getattr__(self, name):
            if name.startswith("__") and name != "__wrapped__":
                raise AttributeError(name)
            return Open()

        def __call__(self, x):
            return x * x

    assert float(cotan.grad(Open())(3.0)) == 6

    def wrapper(x):
        return x * x

    wrapper.__wrapped__ = wrapper
    assert fun_code(wrapper) is wrapper.__code__
