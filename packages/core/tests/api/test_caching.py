"""Caching: what is traced and compiled again, what is not, and what the reports say of it."""

from __future__ import annotations

import functools
import logging
import re

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.config import config
from cotan.ir.structure import intern, meaning, structure
from cotan.runtime import compile as compiling


@pytest.fixture
def compilations(monkeypatch):
    """The names of the programs that are compiled."""
    names = []
    original = compiling._compile

    def counted(closed, device, donated, name, *options):
        names.append(name)
        return original(closed, device, donated, name, *options)

    cotan.clear_caches()
    monkeypatch.setattr(compiling, "_compile", counted)
    return names


@pytest.fixture
def traces():
    return []


@pytest.fixture
def f(traces):
    @functools.partial(cotan.jit, static_argnames="mode")
    def f(x, y=0, mode=""):
        traces.append((x, mode))
        return cotan.tree.map(lambda v: v * 2, (x, y))

    return f


# ---- Traced again, or not


def test_python_scalars_of_one_type_share(f, traces):
    f(1), f(2), f(cnp.asarray(3))
    assert len(traces) == 1
    for other in (1.0, np.int32(1), True, 1j):
        f(other)
    assert len(traces) == 5


def test_numpy_arrays_share_with_arrays_of_the_canonical_dtype(f, traces):
    for x in (np.ones(3, np.float64), np.ones(3, np.float32), cnp.ones(3), np.ones((2, 3))[0]):
        f(x)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [((1,), [1]), ([1], [1, 1]), ({"a": 1}, {"b": 1}), ({"a": 1}, {"a": 1, "b": None}), (1, (1,)), (None, ())],
)
def test_structures_differ(f, traces, first, second):
    f(first), f(second), f(first), f(second)
    assert len(traces) == 2


def test_order_of_keys_and_keywords_does_not_matter(f, traces):
    f({"a": 1, "b": 2}), f({"b": 1, "a": 2})
    assert len(traces) == 1
    f(x=1, y=2), f(y=1, x=2)
    assert len(traces) == 2


def test_positions_and_keywords_differ(f, traces):
    f(1, 2), f(1, y=2), f(x=1, y=2)
    assert len(traces) == 3


def test_static_arguments_by_value_and_type(f, traces):
    for mode in (1, 1.0, True, "1", 1, 1.0, True, "1"):
        f(0, mode=mode)
    assert len(traces) == 4
    with pytest.raises(ValueError, match="the static argument `mode` is of type list, which is not hashable"):
        f(0, mode=[])


def test_one_function_shares_and_a_fresh_one_does_not(traces):
    def g(x):
        traces.append(1)
        return x

    for _ in range(3):
        cotan.jit(g)(1)
    assert len(traces) == 1
    cotan.jit(g, inline=True)(1)
    assert len(traces) == 2
    for _ in range(2):
        cotan.jit(lambda x: g(x))(1)
    assert len(traces) == 4


FLAGS = {
    "enable_x64": True,
    "default_matmul_precision": "highest",
    "numpy_rank_promotion": "raise",
    "numpy_dtype_promotion": "strict",
    "threefry_partitionable": False,
    "default_prng_impl": "other",
    "explicit_x64_dtypes": "allow",
}


@pytest.mark.parametrize("flag", FLAGS)
def test_flags_that_functions_may_depend_on(f, traces, flag):
    f(cnp.ones(2))
    for _ in range(2):
        with config.override(**{flag: FLAGS[flag]}):
            f(cnp.ones(2, "float32"))
    f(cnp.ones(2))
    assert len(traces) == 2


@pytest.mark.parametrize("flag", ["debug_nans", "log_compiles", "check_jaxprs"])
def test_flags_that_functions_do_not_depend_on(f, traces, flag):
    f(cnp.ones(2))
    with config.override(**{flag: not config.read(flag)}):
        f(cnp.ones(2))
    assert len(traces) == 1


def test_transformations_do_not_trace_again(traces):
    @cotan.jit
    def g(x):
        traces.append(1)
        return cnp.sin(x)

    g(1.0)
    cotan.grad(g)(1.0)
    cotan.jvp(g, (1.0,), (1.0,))
    cotan.vmap(g)(cnp.asarray([1.0, 2.0]))
    cotan.jit(cotan.grad(cotan.grad(g)))(1.0)
    # The elements of an array are strong, Python scalars weak.
    assert len(traces) == 2


def test_programs_of_one_function_are_bounded(monkeypatch, f, traces):
    monkeypatch.setattr("cotan.api.programs.MOST", 3)
    for n in range(6):
        f(cnp.ones(n))
    assert f._cache_size() == 3
    f(cnp.ones(5)), f(cnp.ones(3))
    assert len(traces) == 6
    f(cnp.ones(0))
    assert len(traces) == 7


# ---- Compiled again, or not


def test_fresh_closures_compile_once(compilations):
    for n in range(4):
        table = cnp.full((3,), float(n))
        jitted = cotan.jit(lambda x, table=table: cnp.sum(x * table))
        assert jitted(cnp.ones(3)) == 3 * n
        del jitted
    assert len(compilations) == 1


def test_fresh_closures_over_big_host_arrays_compile_once(compilations):
    for n in range(3):
        table = np.full(1000, n, np.int32)  # of the caller, who may change it
        np.testing.assert_array_equal(cotan.jit(lambda x, table=table: x + table)(1), n + 1)
    assert len(compilations) == 1


def test_small_host_tables_are_part_of_the_program(compilations):
    x = cnp.arange(4.0)
    for rows in ([0, 1], [2, 3], [0, 1]):
        index = np.array(rows)
        np.testing.assert_array_equal(cotan.jit(lambda x, index=index: x[index])(x), rows)
    assert len(compilations) == 2


def test_eager_derivatives_of_fresh_closures_compile_once(compilations):
    def step(params, batch):
        def loss(params):
            return cotan.jit(lambda p: cnp.mean((p["w"] * batch) ** 2))(params)

        return cotan.grad(loss)(params)["w"]

    w = cnp.arange(3.0)
    counts = []
    for n in range(1, 4):
        batch = cnp.full((3,), float(n))
        np.testing.assert_allclose(step({"w": w}, batch), 2 * np.arange(3.0) * n * n / 3, rtol=1e-6)
        counts.append(len(compilations))
    assert counts[0] == counts[1] == counts[2]


def test_loop_bodies_defined_in_a_loss_compile_once(compilations):
    def loss(w, xs):
        def body(c, x):
            return cnp.tanh(c * w + x), c

        return cotan.lax.scan(body, 0.0, xs)[0]

    xs = cnp.arange(4.0)
    counts = []
    for n in range(3):
        cotan.grad(loss)(float(n), xs)
        loss(cnp.asarray(float(n)), xs)
        counts.append(len(compilations))
    assert counts[0] == counts[1] == counts[2]


def test_functions_with_rules_compile_once(compilations):
    def make():
        @cotan.custom_jvp
        def f(x):
            return x * 2

        f.defjvp(lambda p, t: (f(*p), 3 * t[0]))
        return f

    counts = []
    for _ in range(3):
        assert cotan.grad(cotan.jit(make()))(1.0) == 3
        counts.append(len(compilations))
    assert counts[0] == counts[1] == counts[2]


def test_weak_types_share_compiled_code_but_not_results_types(compilations):
    jitted = cotan.jit(lambda x: x * 2)
    assert jitted(1.0).weak_type
    assert not jitted(cnp.float32(1) + cnp.zeros((), "float32")).weak_type
    assert len([name for name in compilations if name == "<lambda>"]) == 1


def test_programs_of_other_meaning_are_not_shared(compilations):
    x = cnp.asarray([1.5, -1.5])
    makers = [
        lambda: lambda x: x * 2,
        lambda: lambda x: x * 2.0,
        lambda: lambda x: x * np.float32(2),
        lambda: lambda x: x + 0.0,
        lambda: lambda x: x + -0.0,
        lambda: lambda x: cnp.sum(x, axis=0),
        lambda: lambda x: cnp.round(x),
        lambda: lambda x: cnp.floor(x),
        lambda: lambda x: (x, x * 2),
        lambda: lambda x: (x * 2, x),
    ]
    expected = [cotan.tree.map(np.asarray, make()(np.asarray(x))) for make in makers]
    for make, answer in zip(makers, expected, strict=True):
        for a, b in zip(cotan.tree.leaves(cotan.jit(make())(x)), cotan.tree.leaves(answer), strict=True):
            np.testing.assert_array_equal(a, b)


def test_donation_is_not_shared_with_programs_that_do_not_donate():
    x = cnp.ones(100)
    kept = cotan.jit(lambda x: x * 3)
    gone = cotan.jit(lambda x: x * 3, donate_argnums=0)
    kept(x)
    assert not x.is_deleted()
    gone(x)
    assert x.is_deleted()


# ---- The text of programs


def closed_of(fun, *args):
    return cotan.make_jaxpr(fun)(*args)


def test_interned_programs():
    def make():
        return closed_of(lambda x: cnp.sin(x) + 1, 1.0)

    first = make()
    assert intern(first) is first
    assert make() is first or intern(make()) is first
    assert structure(first.jaxpr) == structure(make().jaxpr)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda x: x + 0.0, lambda x: x + -0.0),
        (lambda x: x.astype(bool), lambda x: x.astype(int)),
        (lambda x: cnp.sin(x), lambda x: cnp.cos(x)),
        (lambda x: cotan.jit(cnp.sin)(x), lambda x: cotan.jit(cnp.cos)(x)),
        (lambda x: x[np.array([0, 1])], lambda x: x[np.array([1, 0])]),
        (lambda x: (x, x + 1), lambda x: (x + 1, x)),
    ],
)
def test_texts_that_differ(one, other):
    x = cnp.ones(2)
    a, b = closed_of(one, x), closed_of(other, x)
    assert intern(a) is not intern(b)
    assert meaning(a)[0] != meaning(b)[0]
    assert meaning(a)[0] == meaning(closed_of(one, x))[0]


def test_names_and_places_are_part_of_the_text_but_not_of_the_meaning():
    def f(x):
        return x + 1

    def g(y):
        return y + 1

    a, b = closed_of(f, 1.0), closed_of(g, 1.0)
    assert structure(a.jaxpr) != structure(b.jaxpr)
    assert meaning(a)[0] == meaning(b)[0]


def test_constants_on_devices_are_compared_by_identity():
    table = cnp.ones(3)
    jaxpr = closed_of(lambda x: x + table, 1.0)
    again = closed_of(lambda x: x + table, 1.0)
    other = closed_of(lambda x: x + cnp.ones(3), 1.0)
    assert jaxpr.consts[0] is table
    assert meaning(jaxpr)[0] == meaning(again)[0]
    assert meaning(jaxpr)[1][0] is table
    assert structure(jaxpr.jaxpr) != structure(other.jaxpr)


# ---- Reports


@pytest.fixture
def report(caplog):
    def of(call):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "cotan"), config.override(explain_cache_misses=True):
            call()
        assert all(record.name == "cotan" for record in caplog.records)
        return [record.getMessage() for record in caplog.records]

    return of


HERE = r"test_caching.py:\d+, in [^:]*: jit traces `f` \(test_caching.py:\d+\) "


def test_reports_of_misses(report):
    @functools.partial(cotan.jit, static_argnames="mode")
    def f(x, y=0, mode=""):
        return x, y

    x = cnp.ones(3)
    expected = [
        (lambda: f(x), r"for the first time"),
        (lambda: f(x), None),
        (lambda: f(cnp.ones(4)), r"again: argument `x` was f32\[3\], now f32\[4\]"),
        (lambda: f(x, mode="a"), r"again: static argument `mode` is given by keyword, as it was not"),
        (lambda: f(x, mode="b"), r"again: static argument `mode` was 'a', now 'b'"),
        (lambda: f(x, 1.0), r"again: it was called with 1 positional argument, now with 2 positional arguments"),
        (lambda: f(x, y=1.0), r"again: argument `y` was passed by position, now by keyword"),
        (
            lambda: f(x, cnp.float32(1) + cnp.zeros(())),
            r"again: argument `y` was ~f32\[\], now f32\[\] \(~ marks a Python",
        ),
        (lambda: f([x], 1.0), r"again: the structure of argument `x` was PyTreeDef\(\*\), now PyTreeDef\(\[\*\]\)"),
        (lambda: f([x], 1.0), None),
    ]
    for call, pattern in expected:
        messages = report(call)
        if pattern is None:
            assert messages == []
        else:
            assert len(messages) == 1
            assert re.match(HERE + pattern, messages[0]), messages[0]


def test_reports_of_flags_and_forgotten_programs(f, report):
    f(1.0)
    with cotan.default_matmul_precision("highest"):
        assert "flag default_matmul_precision changed from None to 'highest'" in report(lambda: f(1.0))[0]
    f.clear_cache()
    assert "again: its programs were forgotten (clear_caches, clear_cache)" in report(lambda: f(1.0))[0]


def test_reports_name_the_nearest_call(f, report):
    f(cnp.ones((2, 2)), cnp.ones(2), mode="a")
    f(cnp.ones((3, 3)), cnp.ones(3), mode="b")
    (message,) = report(lambda: f(cnp.ones((3, 3)), cnp.ones(4), mode="b"))
    assert message.endswith("again: argument `y` was f32[3], now f32[4]")


def test_reports_of_fresh_functions(report):
    def call():
        for _ in range(2):
            cotan.jit(lambda x: x + 1)(1.0)

    first, second = report(call)
    assert first.endswith("for the first time")
    assert re.search(r"again: the function object is new: it was defined at test_caching.py:\d+ before", second)
    assert "Is it defined, or jit called, in a loop?" in second


def test_reports_of_closed_over_tracers(report):
    def outer(x):
        inner = cotan.jit(lambda y: y * x)
        return inner(1.0) + inner(1.0)

    messages = report(lambda: cotan.jit(outer)(2.0))
    assert len(messages) == 3
    assert "it closes over values that an outer function is being traced with" in messages[2]


def test_reports_of_named_axes(report):
    @cotan.jit
    def f(x):
        return x * 2

    f(cnp.ones(()))
    messages = report(lambda: cotan.vmap(f, axis_name="batch")(cnp.ones(3)))
    assert "it is called under other named axes: batch=3 instead of none" in messages[0]


def test_log_compiles(caplog):
    def double(x, scale):
        return x * 2 * scale

    with caplog.at_level(logging.WARNING, "cotan"), cotan.log_compiles(True):
        cotan.jit(double)(cnp.ones(3), 1.5)
        cotan.jit(double)(cnp.ones(3), 1.5)
    mine = [record.getMessage() for record in caplog.records if "double" in record.getMessage()]
    place = r"test_caching.py:\d+, in test_log_compiles: "
    assert len(mine) == 2
    assert re.match(
        place
        + r"traced `double` \(test_caching.py:\d+\) for jit in [\d.]+ ms; arguments: x: f32\[3\], scale: ~f32\[\]$",
        mine[0],
    )
    assert re.match(place + r"compiled `double` for CpuDevice\(id=0\) in [\d.]+ ms$", mine[1])


def test_log_of_programs_that_are_compiled_already(caplog):
    def make():
        def shared_text(x):
            return x * 2.125

        return shared_text

    cotan.jit(make())(1.0)
    with caplog.at_level(logging.WARNING, "cotan"), cotan.log_compiles(True):
        cotan.jit(make())(cnp.ones((), "float32"))
    assert "`shared_text` for CpuDevice(id=0) is compiled already" in caplog.records[-1].getMessage()


def test_nothing_is_said_unasked(caplog, f):
    with caplog.at_level(logging.DEBUG, "cotan"):
        f(1.0), f(2), f(cnp.ones(3))
    assert not caplog.records


def test_flags_have_context_managers():
    with cotan.explain_cache_misses(True), cotan.log_compiles(True):
        assert config.jax_explain_cache_misses
        assert config.jax_log_compiles
    assert not config.explain_cache_misses


def test_tracing_can_be_forbidden():
    @cotan.jit
    def plus(x):
        return x + 1

    assert float(plus(1.0)) == 2.0
    with cotan.no_tracing():
        assert float(plus(2.0)) == 3.0
        with pytest.raises(RuntimeError, match=r"jit would have to trace `plus` \(.*test_caching.py:\d+\)"):
            plus(1)
        with cotan.no_tracing(False):
            assert int(plus(1)) == 2
        assert int(plus(5)) == 6
