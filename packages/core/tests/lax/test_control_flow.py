"""scan, while_loop, fori_loop, map, cond, switch as users call them: values, types, structures, bad input."""

from __future__ import annotations

import functools
import gc
import weakref
from collections import namedtuple
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from user_functions import check_jit, type_of

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.compiler.passes import optimise
from cotan.config import config
from cotan.ir.jaxpr import ClosedJaxpr

Pair = namedtuple("Pair", "a b")
XS = np.arange(12, dtype=np.float32).reshape(4, 3)


def equal(found: Any, wanted: Any) -> None:
    found = cotan.tree.leaves(found)
    wanted = cotan.tree.leaves(wanted, is_leaf=lambda x: type(x) is list)
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=2e-6)


@pytest.fixture(params=["compiled", "python"])
def way(request: pytest.FixtureRequest) -> Any:
    """Loops as programs, and as plain Python."""
    with config.override(disable_jit=request.param == "python"):
        yield request.param


# ---- Values


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_a_loop(reverse: bool, way: str) -> None:
    def step(carry: Any, x: Any) -> Any:
        return {"n": carry["n"] + 1, "s": carry["s"] * 0.5 + x["row"].sum()}, Pair(
            carry["s"], (x["row"] * x["k"], None)
        )

    xs = {"row": XS, "k": np.arange(4, dtype=np.float32)}
    carry, ys = lax.scan(step, {"n": 0, "s": cnp.float32(1)}, xs, reverse=reverse)
    n, s, first, second = 0, np.float32(1), [None] * 4, [None] * 4
    for k in range(3, -1, -1) if reverse else range(4):
        first[k], second[k] = s, XS[k] * k
        n, s = n + 1, s * np.float32(0.5) + XS[k].sum()
    assert type(ys) is Pair
    assert ys.b[1] is None
    equal((carry, ys), ({"n": n, "s": s}, Pair(np.array(first), (np.array(second), None))))


def test_scan_without_xs(way: str) -> None:
    carry, ys = lax.scan(lambda c, _: (c * 2, c), 1, length=5)
    equal((carry, ys), (32, [1, 2, 4, 8, 16]))
    assert lax.scan(lambda c, _: (c, None), 1.5, None, 3)[1] is None


def test_scan_of_no_steps(way: str) -> None:
    carry, ys = lax.scan(lambda c, x: (c + x.sum(), (x * 2, c.astype(int))), 1.0, np.zeros((0, 3), np.float32))
    equal(carry, 1.0)
    assert [(y.shape, y.dtype) for y in ys] == [((0, 3), np.float32), ((0,), np.int32)]


def test_results_are_arrays_also_where_nothing_is_computed() -> None:
    same, ys = lax.scan(lambda c, x: (c, x), {"a": 1.0}, XS)
    assert type(same["a"]) is cotan.Array
    assert type(ys) is cotan.Array
    assert type(lax.fori_loop(0, 3, lambda i, v: v, np.ones(2))) is cotan.Array
    assert type(lax.while_loop(lambda v: False, lambda v: v, 1)) is cotan.Array
    assert type(lax.cond(True, lambda v: v, lambda v: v, 1)) is cotan.Array


@pytest.mark.parametrize("unroll", [1, 2, 3, 4, 9, True, False, 0])
@pytest.mark.parametrize("reverse", [False, True])
def test_unrolled(unroll: Any, reverse: bool) -> None:
    step = lambda c, x: (c * 0.5 + x, c - x.sum())  # noqa: E731
    wanted = lax.scan(step, np.ones(3, np.float32), XS, reverse=reverse)
    equal(lax.scan(step, np.ones(3, np.float32), XS, reverse=reverse, unroll=unroll), wanted)
    equal(cotan.jit(lambda xs: lax.scan(step, cnp.ones(3), xs, reverse=reverse, unroll=unroll))(XS), wanted)


def test_while_loop_is_a_loop(way: str) -> None:
    def body(value: Any) -> Any:
        return value["n"] * 3, {"n": value["n"] + 1, "x": value["x"] / 2}

    found = lax.while_loop(lambda v: v["x"] > 0.1, lambda v: body(v)[1], {"n": 0, "x": 1.0})
    equal(found, {"n": 4, "x": 0.0625})
    equal(lax.while_loop(lambda v: v < 0, lambda v: v + 1, 5), 5)


@pytest.mark.parametrize(("lower", "upper"), [(0, 5), (-3, 2), (4, 4), (5, 1), (np.int8(0), np.int8(3))])
def test_fori_loop_is_a_loop(lower: Any, upper: Any, way: str) -> None:
    body = lambda i, v: v * 2 + i  # noqa: E731
    wanted = np.int32(1)
    for i in range(lower, upper):
        wanted = body(i, wanted)
    equal(lax.fori_loop(lower, upper, body, np.int32(1)), wanted)
    equal(cotan.jit(lambda a, b: lax.fori_loop(a, b, body, np.int32(1)))(lower, upper), wanted)
    equal(cotan.jit(lambda b: lax.fori_loop(lower, b, body, np.int32(1)))(upper), wanted)


def test_known_bounds_are_counted_as_python_does(way: str) -> None:
    equal(lax.fori_loop(np.int8(0), 300, lambda i, total: total + i, np.int32(0)), np.int32(44850))


@pytest.mark.parametrize("dtype", [float, np.float32, np.float16])
def test_fori_loop_counts_in_floats(dtype: Any) -> None:
    body = lambda i, v: v * 2 + i  # noqa: E731
    count = lambda lower, upper: lax.fori_loop(lower, upper, body, np.float32(1))  # noqa: E731
    equal(count(dtype(0), dtype(5)), np.float32(58))
    equal(cotan.jit(count)(dtype(0), dtype(5)), np.float32(58))
    equal(count(dtype(1), dtype(3.5)), np.float32(8))  # 1 and 2, as range(int(1), int(3.5)) has
    equal(cotan.jit(count)(dtype(1), dtype(3.5)), np.float32(19))  # 1, 2 and 3, which are less
    assert cotan.grad(lambda x: lax.fori_loop(0.0, 3.0, lambda i, v: v * x, x))(2.0) == 32


def test_the_counter_has_the_type_of_bounds_that_are_not_known() -> None:
    seen = []

    def body(i: Any, v: Any) -> Any:
        seen.append(type_of(i))
        return v

    count = cotan.jit(lambda lower, upper: lax.fori_loop(lower, upper, body, 1.0))
    for lower, upper in ((0, 3), (np.int8(0), np.int8(3)), (0, np.uint16(3)), (0.0, 3.0), (0.0, np.float16(3))):
        count(lower, upper)
    assert seen == ["~int32", "int8", "uint16", "~float32", "float16"]


@pytest.mark.parametrize("bounds", [(0, 3), (np.int8(0), np.int8(3)), (0.0, 3.0), (np.uint16(0), 3)])
def test_the_counter_between_known_bounds_is_a_python_integer(bounds: Any, way: str) -> None:
    equal(lax.fori_loop(*bounds, lambda i, v: v + i, np.int16(0)), np.int16(3))


@pytest.mark.parametrize("batch_size", [None, 1, 2, 3, 4, 7])
def test_map_is_a_loop(batch_size: int | None, way: str) -> None:
    found = lax.map(lambda x: {"y": cnp.sin(x["row"]), "k": x["k"] + 1}, {"row": XS, "k": np.arange(4)},
                    batch_size=batch_size)  # fmt: skip
    equal(found, {"k": np.arange(4) + 1, "y": np.sin(XS)})
    assert lax.map(lambda x: x * 2.5, np.arange(0), batch_size=batch_size).shape == (0,)


@pytest.mark.parametrize("pred", [True, False, 1, 0, 2.5, 0.0, 1j, np.bool_(False), np.float32(-1), np.int8(0)])
def test_cond_chooses(pred: Any, way: str) -> None:
    wanted = 6.0 if pred else -4.0
    equal(lax.cond(pred, lambda a, b: a * b["c"], lambda a, b: a - b["c"] - 3, 2.0, {"c": 3.0}), wanted)
    equal(cotan.jit(lambda p: lax.cond(p, lambda: 6.0, lambda: -4.0))(pred), wanted)


def test_older_forms_of_cond_and_switch(way: str) -> None:
    equal(lax.cond(True, lambda x: x + 1, lambda x: x - 1, operand=3), 4)
    equal(lax.cond(False, lambda _: 1, lambda _: 2, operand=None), 2)
    equal(lax.cond(False, 3, lambda x: x + 1, 5, lambda x: x - 1), 4)
    equal(lax.cond(True, 3, lambda x: x + 1, 5, lambda x: x - 1), 4)
    equal(lax.switch(1, [lambda x: x, lambda x: -x], operand=3), -3)


@pytest.mark.parametrize("kind", [int, np.int8, np.uint8, np.int32, np.uint32])
def test_switch_clamps(kind: Any, way: str) -> None:
    branches = [lambda x: x, lambda x: -x, lambda x: x * x]
    indices = [0, 1, 2, 3, 100] if kind(1) == np.uint8(1) and kind in (np.uint8, np.uint32) else [-7, 0, 1, 2, 3, 100]
    for index in indices:
        wanted = branches[min(max(index, 0), 2)](3.0)
        equal(lax.switch(kind(index), branches, 3.0), wanted)
        equal(cotan.jit(lambda k: lax.switch(k, branches, 3.0))(kind(index)), wanted)
    equal(lax.switch(5, [lambda x: x + 1], 2), 3)


# ---- Types


def test_python_scalars_give_way_to_the_type_of_the_first_step() -> None:
    carry, ys = lax.scan(lambda c, x: (c + x, c), 0, XS[:, 0])
    assert (type_of(carry), type_of(ys)) == ("float32", "float32")
    assert type_of(lax.while_loop(lambda v: v < 3, lambda v: v + np.float16(1), 0)) == "float16"
    assert type_of(lax.fori_loop(0, 3, lambda i, v: v * 1.5, 1)) == "float32"
    assert type_of(lax.scan(lambda c, _: (c * 2, None), 1, length=3)[0]) == "~int32"


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize(("first", "kind"), [(1.0, "~float32"), (np.float32(1), "float32")])
def test_a_result_is_weak_if_it_is_in_the_first_branch(index: int, first: Any, kind: str) -> None:
    weak, strong = lambda: 2.0, lambda: cnp.float32(3)
    for choose in (lax.switch, cotan.jit(lax.switch, static_argnums=1)):
        assert type_of(choose(index, (lambda: first, weak, strong))) == kind
    assert type_of(lax.cond(index, strong, lambda: first)) == kind


def test_jit_gives_the_same_types() -> None:
    check_jit(lambda x: lax.scan(lambda c, y: (c + y, c), 0, x), XS[:, 0])
    check_jit(lambda x: lax.while_loop(lambda v: v < 3, lambda v: v + 1, x), 1)
    check_jit(lambda x: lax.fori_loop(0, 3, lambda i, v: v * i, x), 1.0)
    check_jit(lambda x: lax.cond(x > 0, lambda v: v, lambda v: -v, x), 1.0)


# ---- What becomes of them


def equations(closed: ClosedJaxpr, name: str) -> list[Any]:
    return [eqn for eqn in closed.eqns if eqn.primitive.name == name]


def test_what_needs_no_loop_is_left_out_of_it() -> None:
    """Carries that are passed through are consts, slices that are returned are xs, what is unread is not given."""

    def f(a: Any, b: Any, xs: Any, zs: Any) -> Any:
        step = lambda c, x: ((c[0], c[1] + c[0]), (x[0], c[1]))  # noqa: E731
        return lax.scan(step, (a, b), (xs, zs))

    closed = cotan.make_jaxpr(f)(1.0, 2.0, XS, XS)
    (eqn,) = equations(closed, "scan")
    assert (eqn.params["num_consts"], eqn.params["num_carry"], len(eqn.invars), len(eqn.outvars)) == (1, 1, 2, 2)
    assert closed.jaxpr.outvars[0] is closed.jaxpr.invars[0]
    assert closed.jaxpr.outvars[2] is closed.jaxpr.invars[2]
    assert not equations(cotan.make_jaxpr(lambda xs: lax.scan(lambda c, x: (c, x), 1.0, xs))(XS), "scan")


def test_what_a_while_passes_through_is_a_constant() -> None:
    f = lambda n, w: lax.while_loop(lambda v: v[0] < v[2], lambda v: (v[0] + v[1], v[1], v[2]), (0, w, n))  # noqa: E731
    closed = cotan.make_jaxpr(f)(10, 3)
    (eqn,) = equations(closed, "while")
    assert len(eqn.outvars) == 1
    assert closed.jaxpr.outvars[1:] == closed.jaxpr.invars[::-1]
    equal(f(10, 3), (12, 3, 10))
    equal(cotan.vmap(f)(np.array([10, 1]), np.array([3, 4])), ([12, 4], [3, 4], [10, 1]))


def test_what_all_branches_pass_through_needs_none() -> None:
    f = lambda p, a, b: lax.cond(p, lambda a, b: (a, b * 2, b), lambda a, b: (a, b, a), a, b)  # noqa: E731
    closed = cotan.make_jaxpr(f)(True, 1.0, 2.0)
    (eqn,) = equations(closed, "cond")
    assert len(eqn.outvars) == 2
    equal((f(True, 1.0, 2.0), f(False, 1.0, 2.0)), ((1, 4, 2), (1, 2, 1)))
    swapped = lambda p, a, b: lax.cond(p, lambda a, b: (a, b), lambda a, b: (b, a), a, b)  # noqa: E731
    equal((swapped(True, 1.0, 2.0), swapped(False, 1.0, 2.0)), ((1, 2), (2, 1)))


def test_fori_loop_is_a_scan_if_its_bounds_are_known() -> None:
    body = lambda i, v: v * i  # noqa: E731
    assert equations(cotan.make_jaxpr(lambda v: lax.fori_loop(0, 3, body, v))(1.0), "scan")
    assert equations(cotan.make_jaxpr(lambda v: lax.fori_loop(cnp.int32(0), 3, body, v))(1.0), "scan")
    assert equations(cotan.make_jaxpr(lambda n, v: lax.fori_loop(0, n, body, v))(3, 1.0), "while")


def test_what_the_body_closes_over_is_an_operand() -> None:
    weights = cnp.ones((3, 3))
    closed = cotan.make_jaxpr(lambda c: lax.scan(lambda c, x: (weights @ c + x, None), c, XS))(np.ones(3, np.float32))
    (eqn,) = equations(closed, "scan")
    assert eqn.params["num_consts"] == 1
    assert not eqn.params["jaxpr"].consts


def residuals(f: Callable[..., Any], *args: Any) -> list[tuple[int, ...]]:
    """Shapes of what the backward scan of ``f`` reads."""
    closed = cotan.make_jaxpr(cotan.grad(f))(*args)
    backward = equations(closed, "scan")[-1]
    assert backward.params["reverse"]
    return sorted(v.aval.shape for v in backward.invars)


@pytest.mark.parametrize("wrap", [lambda step: step, cotan.jit])
def test_values_that_do_not_change_are_kept_once(wrap: Any) -> None:
    """The derivative keeps one copy of what is the same in every step, computed outside of the loop."""
    w = np.ones((7, 7), np.float32)

    def f(c: Any, w: Any) -> Any:
        step = wrap(lambda c, w: cnp.cos(w) @ c)
        return lax.scan(lambda c, _: (step(c, w), None), c, length=20)[0].sum()

    assert residuals(f, np.ones(7, np.float32), w) == [(7,), (7, 7)]
    closed = cotan.make_jaxpr(cotan.grad(f))(np.ones(7, np.float32), w)
    assert len(equations(closed, "cos")) == 1
    assert all(not equations(eqn.params["jaxpr"], "cos") for eqn in equations(closed, "scan"))


def test_a_checkpointed_body_keeps_its_arguments_only() -> None:
    def step(c: Any, x: Any) -> Any:
        for _ in range(6):
            c = cnp.sin(c) * x
        return c, None

    def f(c: Any, xs: Any, body: Any) -> Any:
        return lax.scan(body, c, xs)[0].sum()

    c = np.ones(7, np.float32)
    xs = np.ones((20, 7), np.float32)
    plain = residuals(lambda c: f(c, xs, step), c)
    kept = residuals(lambda c: f(c, xs, cotan.checkpoint(step)), c)
    assert plain.count((20, 7)) > 6
    assert kept == [(7,), (20, 7), (20, 7)]


def test_branches_share_places_for_residuals() -> None:
    """Zeros stand where a branch has nothing to keep; a place of one type, and what is a result anyway, serve all."""

    def f(x: Any, k: Any) -> Any:
        return lax.switch(k, [lambda x: cnp.sin(x), lambda x: cnp.exp(cnp.cos(x)), lambda x: x], x).sum()

    closed = cotan.make_jaxpr(cotan.value_and_grad(f))(np.ones(5, np.float32), 1)
    forward, backward = equations(closed, "cond")
    assert len(forward.outvars) == 2
    assert len(backward.invars) == 4


def test_unused_results_are_not_computed() -> None:
    def f(c: Any, xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            a, b = carry
            return (a * x, b + cnp.sin(b)), (a, cnp.exp(b))

        return cotan.jit(lambda c, xs: lax.scan(step, (c, c), xs))(c, xs)[1][0].sum()

    slope = cotan.make_jaxpr(cotan.grad(f))(1.0, XS[:, 0])
    text = str(optimise(slope))
    assert "mul" in text
    assert "sin" not in text
    assert "exp" not in text


def test_a_body_is_traced_once() -> None:
    traced = []

    def step(c: Any, x: Any) -> Any:
        traced.append(1)
        return c * x, c

    for k in range(3):
        lax.scan(step, 1.0 + k, XS[:, 0])
        cotan.grad(lambda c: lax.scan(step, c, XS[:, 0])[0])(1.0 + k)
    assert len(traced) == 1


def test_a_variable_that_a_body_closes_over_may_change() -> None:
    w = cnp.float32(2)
    scale = 1.0

    def step(c: Any, _: Any) -> Any:
        return c * w * scale, None

    equal(lax.scan(step, 1.0, None, 3)[0], 8)
    w = w + 1
    equal(lax.scan(step, 1.0, None, 3)[0], 27)
    scale = 2.0
    equal(lax.scan(step, 1.0, None, 3)[0], 216)


@pytest.mark.parametrize("made", [np.float32, lambda k: np.array(k)[()], lambda k: Fraction(k, 1)])
def test_a_variable_may_change_to_what_takes_the_place_of_its_last_value_in_memory(made: Any) -> None:
    number: Any = None

    def step(c: Any, _: Any) -> Any:
        return c * float(number), None

    for k in range(1, 20):
        number = None  # what it was is gone: NumPy's numbers and other small objects get its address again
        number = made(k)
        equal(lax.scan(step, 1.0, None, 2)[0], k * k)


OF_MODULE = np.ones(3, np.float32)


@pytest.mark.parametrize("own", ["closed over", "of the module", "default", "partial"])
@pytest.mark.parametrize(
    "once",
    [
        lambda f: lambda x, body=lambda k, c: f(c): lax.fori_loop(0, 1, body, x),
        lambda f: lambda x, body=lambda c, _: (f(c), None): lax.scan(body, x, None, 1)[0],
        lambda f: lambda x, body=lambda c: (False, f(c[1])): lax.while_loop(lambda c: c[0], body, (True, x))[1],
        lambda f: lambda x, other=lambda x: x: lax.cond(True, f, other, x),
        lambda f: (
            lambda x, body=lambda c, _: (lax.fori_loop(0, 1, lambda k, c: f(c), c), None): lax.scan(body, x, None, 1)[0]
        ),
        cotan.checkpoint,
    ],
    ids=["fori", "scan", "while", "cond", "nested", "checkpoint"],
)
def test_an_array_of_numpy_that_a_body_reads_may_change_in_place(once: Any, own: str) -> None:
    traced, w = [], np.ones(3, np.float32)

    def of_module(x: Any) -> Any:
        traced.append(1)
        return x * OF_MODULE

    def closed_over(x: Any) -> Any:
        traced.append(1)
        return x * w

    def default(x: Any, array: Any = w) -> Any:
        traced.append(1)
        return x * array

    kinds = {"closed over": closed_over, "of the module": of_module, "default": default}
    f = once(kinds[own] if own in kinds else functools.partial(default, array=w))
    array = OF_MODULE if own == "of the module" else w
    for value in (2.0, 2.0, np.nan, np.nan, 3.0):
        array[1] = value
        np.testing.assert_array_equal(f(cnp.ones(3)), [1, value, 1])
    assert len(traced) == 3


def test_numbers_of_numpy_that_are_equal_do_not_trace_again() -> None:
    traced = []

    def step(c: Any, _: Any) -> Any:
        traced.append(number)
        return c * number, None

    for value in (2, 2, 3):
        number = np.float32(value)
        lax.scan(step, np.float32(1), None, 2)
    assert traced == [2, 3]


def test_neither_functions_nor_arrays_are_kept_alive() -> None:
    def make() -> tuple[Any, Any]:
        w = cnp.arange(1000.0)
        step = lambda c, x: (c + x + w, cnp.sum(c))  # noqa: E731
        cotan.grad(lambda c: lax.scan(step, c, XS[:, 0])[1].sum())(cnp.zeros(1000))
        lax.cond(True, step, step, w, 1.0)
        lax.while_loop(lambda v: v[0] < 3, lambda v: v + w + 1, w)
        return weakref.ref(step), weakref.ref(w)

    references = make()
    gc.collect()
    assert [r() for r in references] == [None, None]


# ---- while under transforms


def test_while_forward() -> None:
    f = lambda x: lax.while_loop(lambda v: v[0] < 10.0, lambda v: (v[0] * x, v[1] + v[0] * x), (x, 0.0))[1]  # noqa: E731
    # x=2: v = 2, 4, 8, 16; sums x^2 + x^3 + x^4
    value, slope = cotan.jvp(f, (2.0,), (1.0,))
    equal((value, slope), (4.0 + 8 + 16, 4.0 + 12 + 32))
    equal(cotan.jacfwd(f)(2.0), 48.0)
    equal(cotan.jit(cotan.jacfwd(cotan.jacfwd(f)))(2.0), 2 + 12 + 48.0)
    value, push = cotan.linearize(f, 2.0)
    equal((value, push(1.0), push(0.5)), (28.0, 48.0, 24.0))


def test_while_under_grad_where_nothing_flows_back() -> None:
    def f(x: Any) -> Any:
        n = lax.while_loop(lambda n: n < 10, lambda n: n * 2, 1)
        root = lax.while_loop(lambda v: v > 1, lambda v: v / 2, cotan.lax.stop_gradient(x))
        return x * n + x * root

    equal(cotan.grad(f)(3.0), 16.75)
    equal(cotan.jit(cotan.grad(f))(3.0), 16.75)


@pytest.mark.parametrize("wrap", [lambda f: f, cotan.jit, cotan.checkpoint])
def test_while_in_reverse_is_refused(wrap: Any) -> None:
    def halve(v: Any) -> Any:
        return v / 2

    f = wrap(lambda x: lax.while_loop(lambda v: v > 1, halve, x))
    with pytest.raises(ValueError, match=r"test_control_flow.py.*while_loop of `halve`.*cotan.lax.scan"):
        cotan.grad(f)(3.0)
    with pytest.raises(ValueError, match="fori_loop whose bounds are traced"):
        cotan.grad(wrap(cotan.jit(lambda x, n: lax.fori_loop(0, n, lambda i, v: v * x, x))))(3.0, 2)


def test_while_mapped() -> None:
    n = np.array([3, 0, 7, 1])
    step = lambda v: (v[0] - 1, v[1] * 2)  # noqa: E731
    varying = cotan.vmap(lambda n, x: lax.while_loop(lambda v: v[0] > 0, step, (n, x))[1])
    equal(varying(n, np.ones(4, np.float32)), 2.0**n)
    equal(cotan.jit(varying)(n, np.ones(4, np.float32)), 2.0**n)
    fixed = cotan.vmap(lambda x: lax.while_loop(lambda v: v[0] > 0, step, (3, x))[1])
    equal(fixed(np.arange(4.0)), 8 * np.arange(4.0))
    (eqn,) = equations(cotan.make_jaxpr(fixed)(np.arange(4.0)), "while")
    assert [v.aval.shape for v in eqn.outvars] == [(), (4,)]
    limits = cotan.vmap(lambda limit: lax.while_loop(lambda v: v < limit, lambda v: v * 2, 1))
    equal(limits(np.array([1, 5, 100])), [1, 8, 128])
    table = cotan.vmap(
        cotan.vmap(lambda a, b: lax.while_loop(lambda v: v < a, lambda v: v + b, 0), (None, 0)), (0, None)
    )
    equal(table(np.array([1, 5, 10]), np.array([2, 3])), [[2, 3], [6, 6], [10, 12]])


def test_who_is_done_keeps_what_it_has() -> None:
    """The body is run for examples that are done; what comes of that, be it NaN, is not seen."""
    f = lambda x: lax.while_loop(lambda v: v > 0.5, lambda v: cnp.log(v) - 1, x)  # noqa: E731
    xs = np.array([0.1, 5.0, 100.0], np.float32)
    wanted = []
    for x in xs:
        while x > 0.5:
            x = np.log(x) - 1
        wanted.append(x)
    equal(cotan.vmap(f)(xs), wanted)
    slope = cotan.vmap(lambda x: cotan.jvp(f, (x,), (1.0,))[1])(xs)
    assert np.all(np.isfinite(slope))


def test_a_branch_that_is_not_taken_spoils_no_derivative() -> None:
    f = lambda x: lax.cond(x > 0, cnp.log, lambda x: x * 2, x)  # noqa: E731
    equal(cotan.vmap(cotan.grad(f))(np.array([2.0, 0.0, -1.0], np.float32)), [0.5, 2, 2])
    g = lambda x: lax.switch((x > 0).astype(int) + 1, [lambda x: x, lambda x: x * 2, cnp.sqrt], x)  # noqa: E731
    equal(cotan.grad(lambda xs: cotan.vmap(g)(xs).sum())(np.array([4.0, 0.0], np.float32)), [0.25, 2])


def test_loops_that_are_linear_are_transposed_though_they_count() -> None:
    """Carries that are not linear are computed first."""

    def f(x: Any) -> Any:
        step = lambda i, v: v * (i + 1) + x  # noqa: E731
        return lax.fori_loop(0, 4, step, cnp.zeros(3))

    x = np.array([1.0, 2, 3], np.float32)
    (back,) = cotan.linear_transpose(f, x)(np.ones(3, np.float32))
    matrix = np.stack([np.asarray(f(row)) for row in np.eye(3, dtype=np.float32)])
    equal(back, matrix @ np.ones(3))

    def g(xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            n, v = carry
            return (n * 2, v + x * n), v

        return lax.scan(step, (1.0, 0.0), xs)[1]

    xs = np.arange(4, dtype=np.float32)
    (back,) = cotan.linear_transpose(g, xs)(np.ones(4, np.float32))
    matrix = np.stack([np.asarray(g(row)) for row in np.eye(4, dtype=np.float32)])
    equal(back, matrix @ np.ones(4))


# ---- Bad input


def pair(c: Any, x: Any) -> Any:
    return c, x


BAD: dict[str, tuple[Callable[[], Any], type[Exception], list[str]]] = {
    "scan without a function": (lambda: lax.scan(3, 1.0, XS), TypeError, ["scan", "int"]),
    "scan of a string": (lambda: lax.scan(pair, {"a": "b"}, XS), TypeError, ["scan of `pair`", "c['a']", "str"]),
    "scan that returns no pair": (
        lambda: lax.scan(lambda c, x: c, 1.0, XS), TypeError, ["scan of `<lambda>`", "pair (carry, y)", "an array"],
    ),
    "scan that returns three": (
        lambda: lax.scan(lambda c, x: (c, x, x), 1.0, XS), TypeError, ["pair (carry, y)", "tuple of 3"],
    ),
    "scan that returns a string": (
        lambda: lax.scan(lambda c, x: (c, {"y": "no"}), 1.0, XS), TypeError, ["scan of", "returned a str", "['y']"],
    ),
    "scan whose carry changes its type": (
        lambda: lax.scan(lambda state, x: ({"a": state["a"].astype(int), "b": state["b"][None]}, x),
                         {"a": cnp.float32(1), "b": cnp.ones(2)}, XS),
        TypeError,
        [
            "state['a'] is given as f32[] and returned as i32[]",
            "state['b'] is given as f32[2] and returned as f32[1,2]",
        ],
    ),
    "scan whose carry changes its structure": (
        lambda: lax.scan(lambda state, x: ({"a": (1, 2)}, x), {"a": cnp.float32(1)}, XS),
        TypeError,
        ["structure", "state['a']", "tuple"],
    ),
    "scan of xs of several lengths": (
        lambda: lax.scan(pair, 1.0, {"p": XS, "q": XS[:2]}), ValueError, ["xs['p'] has 4, xs['q'] has 2"],
    ),
    "scan along a scalar": (lambda: lax.scan(pair, 1.0, (XS, 2.0)), ValueError, ["xs[1] is a scalar"]),
    "scan along nothing": (lambda: lax.scan(pair, 1.0), ValueError, ["no xs", "`length`"]),
    "scan of another length": (lambda: lax.scan(pair, 1.0, XS, length=5), ValueError, ["length is 5", "4 slices"]),
    "scan of a negative length": (lambda: lax.scan(pair, 1.0, length=-1), ValueError, ["not be negative", "-1"]),
    "scan of half a length": (lambda: lax.scan(pair, 1.0, length=1.5), TypeError, ["length must be an integer"]),
    "scan of a traced length": (
        lambda: cotan.jit(lambda n: lax.scan(pair, 1.0, length=n))(3),
        cotan.errors.TracerIntegerConversionError,
        ["argument `n`"],
    ),
    "scan unrolled by a fraction": (lambda: lax.scan(pair, 1.0, XS, unroll=0.5), TypeError, ["unroll"]),
    "scan unrolled backwards": (lambda: lax.scan(pair, 1.0, XS, unroll=-1), ValueError, ["unroll", "-1"]),
    "map of several lengths": (lambda: lax.map(lambda x: x, (XS, XS[:2])), ValueError, ["map of", "xs[0] has 4"]),
    "map of a string": (lambda: lax.map(lambda x: x, "no"), TypeError, ["map of", "argument `x`"]),
    "map by negative batches": (lambda: lax.map(lambda x: x, XS, batch_size=-2), ValueError, ["batch_size", "-2"]),
    "while without a bool": (
        lambda: lax.while_loop(lambda v: v, lambda v: v, 1.0), TypeError, ["one bool scalar, got ~f32[]"],
    ),
    "while with several bools": (
        lambda: lax.while_loop(lambda v: v > 0, lambda v: v, XS), TypeError, ["got bool[4,3]", ".any() or .all()"],
    ),
    "while with a tuple": (
        lambda: lax.while_loop(lambda v: (True, True), lambda v: v, 1.0), TypeError, ["structure"],
    ),
    "while whose value changes": (
        lambda: lax.while_loop(lambda v: v[0] < 3, lambda value: (value[0], value[0]), (cnp.float32(1), cnp.int32(1))),
        TypeError,
        ["while_loop of", "value[1] is given as i32[] and returned as f32[]"],
    ),
    "fori with floats": (
        lambda: lax.fori_loop(0.0, 3, lambda i, v: v, 1.0), TypeError, ["must have one dtype, got ~f32[] and ~i32[]"],
    ),
    "fori with arrays": (
        lambda: lax.fori_loop(0, np.arange(2), lambda i, v: v, 1.0), TypeError, ["upper must be an integer scalar"],
    ),
    "fori with a string": (lambda: lax.fori_loop(0, "3", lambda i, v: v, 1.0), TypeError, ["upper", "str"]),
    "fori of two dtypes": (
        lambda: lax.fori_loop(np.int8(0), np.int32(3), lambda i, v: v, 1.0), TypeError, ["i8[] and i32[]"],
    ),
    "fori unrolled in the dark": (
        lambda: cotan.jit(lambda n: lax.fori_loop(0, n, lambda i, v: v, 1.0, unroll=2))(3),
        ValueError,
        ["only be unrolled if its bounds are known"],
    ),
    "fori whose value changes": (
        lambda: lax.fori_loop(0, 3, lambda i, value: {"a": i > 0}, {"a": cnp.float32(1)}),
        TypeError,
        ["value['a'] is given as f32[] and returned as bool[]"],
    ),
    "cond of an array": (
        lambda: lax.cond(XS > 0, lambda: 1, lambda: 2), TypeError, ["pred must be a scalar, got bool[4,3]", "where"],
    ),
    "cond of a string": (lambda: lax.cond("a", lambda: 1, lambda: 2), TypeError, ["pred must be a scalar, got a str"]),
    "cond without a function": (lambda: lax.cond(True, lambda: 1, 2), TypeError, ["cond", "int"]),
    "cond with operands twice": (
        lambda: lax.cond(True, lambda x: x, lambda x: x, 1, operand=2), TypeError, ["not both"],
    ),
    "cond of two types": (
        lambda: lax.cond(True, lambda x: {"a": 1}, lambda x: {"a": 1.5}, 2),
        TypeError,
        ["true_fun", "false_fun", "result['a'] is", "~i32[]", "~f32[]", "test_control_flow.py"],
    ),
    "cond of two structures": (
        lambda: lax.cond(True, lambda x: (x, x), lambda x: x, 2), TypeError, ["one structure", "result:", "tuple"],
    ),
    "cond that returns a string": (
        lambda: lax.cond(True, lambda x: "no", lambda x: "no", 2), TypeError, ["cond of", "returned a str"],
    ),
    "cond of a bad operand": (lambda: lax.cond(True, pair, pair, 2, "no"), TypeError, ["argument `x`", "str"]),
    "switch without branches": (lambda: lax.switch(1, [], 2), ValueError, ["at least one branch"]),
    "switch by a float": (lambda: lax.switch(1.0, [pair, pair], 1, 2), TypeError, ["index must be an integer"]),
    "switch by a bool": (lambda: lax.switch(True, [pair, pair], 1, 2), TypeError, ["index must be an integer"]),
    "switch by an array": (lambda: lax.switch(np.arange(2), [pair, pair], 1, 2), TypeError, ["index must be a scalar"]),
    "switch of two types": (
        lambda: lax.switch(0, [lambda x: x, lambda x: x, lambda x: x + 0.5], 2), TypeError, ["branches[2]", "~f32[]"],
    ),
    "switch with operands twice": (lambda: lax.switch(0, [pair, pair], 1, operand=2), TypeError, ["not both"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str) -> None:
    call, error, words = BAD[case]
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    assert text.startswith("test_control_flow.py:"), text
    for word in words:
        assert word in text, f"{word!r} is not in: {text}"


def test_a_branch_inside_a_loop_says_what_to_use() -> None:
    def step(total: Any, x: Any) -> Any:
        return (total + x if x > 0 else total), None

    with pytest.raises(cotan.errors.TracerBoolConversionError) as caught:
        lax.scan(step, 0.0, XS[:, 0])
    text = str(caught.value)
    assert "scan (`step`" in text
    assert "argument `x`" in text
    assert "cotan.lax.cond" in text
