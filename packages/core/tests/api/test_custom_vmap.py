"""custom_vmap: when the rule is asked, what it sees, what derivatives are mapped by, and what wrong rules are told."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.custom_batching import custom_vmap, sequential_vmap

XS = cnp.arange(1.0, 4.0)
ONES = cnp.ones(3)


def ruled(fun, rule):
    f = custom_vmap(fun)
    f.def_vmap(rule)
    return f


def product(seen=None):
    """x times y, whose rule gives ten times that, so that it shows who computed it."""

    def rule(size, in_batched, x, y):
        if seen is not None:
            seen.append((size, in_batched))
        return 10 * x * y, True

    return ruled(lambda x, y: x * y, rule)


def test_the_rule_maps_and_the_function_does_all_else():
    seen = []
    f = product(seen)
    assert float(f(2.0, 3.0)) == 6
    assert float(cotan.jit(f)(2.0, 3.0)) == 6
    assert float(f(y=3.0, x=2.0)) == 6
    assert seen == []
    for g in (f, cotan.jit(f)):
        np.testing.assert_array_equal(cotan.vmap(g)(XS, XS), 10 * np.arange(1, 4) ** 2)
        np.testing.assert_array_equal(cotan.vmap(g, (0, None))(XS, 2.0), 20 * np.arange(1, 4))
        np.testing.assert_array_equal(cotan.jit(cotan.vmap(g, (None, 0)))(2.0, XS), 20 * np.arange(1, 4))
    assert seen == [(3, [True, True]), (3, [True, False]), (3, [False, True])] * 2


def test_pytrees_and_unmapped_results():
    def rule(size, in_batched, p, y):
        assert in_batched == [{"a": True, "b": [False]}, False]
        return {"varies": p["a"] * y, "same": p["b"][0]}, {"varies": True, "same": False}

    f = ruled(lambda p, y: {"varies": p["a"] * y, "same": p["b"][0]}, rule)
    for g in (f, cotan.jit(f)):
        out = cotan.vmap(g, ({"a": 1, "b": None}, None), {"varies": 1, "same": None})(
            {"a": np.ones((2, 3)), "b": [5.0]}, 2.0
        )
        np.testing.assert_array_equal(out["varies"], 2 * np.ones((2, 3)))
        assert float(out["same"]) == 5


def test_nested_maps():
    seen = []
    f = product(seen)
    for g in (f, cotan.jit(f)):
        table = cotan.vmap(cotan.vmap(g, (None, 0)), (0, None))(XS, XS)
        np.testing.assert_array_equal(table, 10 * np.outer(np.arange(1, 4), np.arange(1, 4)))
        assert seen.pop() == (3, [False, True])  # once, by the inner map; the outer one maps what the rule does
        outer = cotan.vmap(lambda x, g=g: cotan.vmap(lambda _, x=x: g(x, 2.0), axis_size=2)(None))(XS)
        np.testing.assert_array_equal(outer, 20 * np.arange(1, 4)[:, None] * np.ones(2))
        assert seen.pop() == (3, [True, False])
    assert not seen


def test_forward_mode_is_mapped_by_the_derivative_of_the_rule():
    f = product()
    for g in (f, cotan.jit(f)):
        assert float(cotan.jvp(g, (2.0, 3.0), (1.0, 1.0))[1]) == 5
        y, t = cotan.vmap(lambda x, g=g: cotan.jvp(g, (x, 2.0), (1.0, 1.0)))(XS)
        np.testing.assert_array_equal(y, 20 * np.arange(1, 4))
        np.testing.assert_array_equal(t, 10 * (2 + np.arange(1, 4)))
        y, t = cotan.jvp(lambda x, g=g: cotan.vmap(g, (0, None))(x, 2.0), (XS,), (ONES,))
        np.testing.assert_array_equal(y, 20 * np.arange(1, 4))
        np.testing.assert_array_equal(t, [20, 20, 20])
        direction = cotan.vmap(lambda dx, g=g: cotan.jvp(g, (2.0, 3.0), (dx, 1.0)))(XS)
        np.testing.assert_array_equal(direction[0], [60, 60, 60])
        np.testing.assert_array_equal(direction[1], 10 * (3 * np.arange(1, 4) + 2))
        second = cotan.vmap(
            lambda x, g=g: cotan.jvp(lambda x: cotan.jvp(lambda x: g(x, x), (x,), (1.0,))[1], (x,), (1.0,))[1]
        )
        np.testing.assert_array_equal(second(XS), [20, 20, 20])


def test_reverse_mode():
    f = product()
    for g in (f, cotan.jit(f), cotan.checkpoint(f)):
        assert [float(d) for d in cotan.grad(g, (0, 1))(2.0, 3.0)] == [3, 2]
        total = cotan.grad(lambda x, g=g: cotan.vmap(g, (0, None))(x, 2.0).sum())
        np.testing.assert_array_equal(total(XS), [20, 20, 20])
        np.testing.assert_array_equal(cotan.jit(total)(XS), [20, 20, 20])
        np.testing.assert_array_equal(cotan.vmap(cotan.grad(g), (0, None))(XS, 2.0), [2, 2, 2])


def test_rules_of_custom_vjp_may_have_rules_for_vmap():
    forward, backward = product(), product()
    f = cotan.custom_vjp(lambda x: forward(x, x))
    f.defvjp(lambda x: (forward(x, x), x), lambda x, ct: (backward(2 * x, ct),))
    for g in (f, cotan.jit(f)):
        value, slope = cotan.vmap(cotan.value_and_grad(g))(XS)
        np.testing.assert_array_equal(value, 10 * np.arange(1, 4) ** 2)
        np.testing.assert_array_equal(slope, 20 * np.arange(1, 4))


def test_integer_arguments():
    f = ruled(lambda x, n: (x * n, n + 1), lambda size, b, x, n: ((10 * x * n, n + 1), (True, b[1])))
    for g in (f, cotan.jit(f)):
        (y, n), (t, none) = cotan.vmap(lambda x, g=g: cotan.jvp(g, (x, 2), (1.0, np.zeros((), cotan.float0))))(XS)
        np.testing.assert_array_equal(y, 20 * np.arange(1, 4))
        np.testing.assert_array_equal(n, [3, 3, 3])
        np.testing.assert_array_equal(t, [20, 20, 20])
        assert none.dtype == cotan.float0


def test_in_loops_and_branches():
    f = product()
    looped = cotan.vmap(lambda x: lax.scan(lambda c, _: (f(c, 1.0), None), x, None, length=2)[0])
    np.testing.assert_array_equal(looped(XS), 100 * np.arange(1, 4))
    chosen = cotan.vmap(lambda x: lax.cond(x > 1, lambda x: f(x, 1.0), lambda x: x, x))
    np.testing.assert_array_equal(chosen(XS), [1, 20, 30])


def test_closures():
    def scaled(y):
        return ruled(lambda x: x * y, lambda size, b, x: (10 * x * y, True))

    # The rule is asked where arguments are mapped; elsewhere the function's own operations are.
    np.testing.assert_array_equal(cotan.vmap(lambda y: scaled(y)(2.0))(XS), 2 * np.arange(1, 4))
    np.testing.assert_array_equal(cotan.vmap(lambda y: cotan.jit(scaled(y))(2.0))(XS), 2 * np.arange(1, 4))
    table = cotan.vmap(lambda y: cotan.vmap(lambda x: scaled(y)(x))(XS))(XS)
    np.testing.assert_array_equal(table, 10 * np.outer(np.arange(1, 4), np.arange(1, 4)))
    other = cotan.vmap(lambda x: cotan.vmap(lambda y: scaled(y)(x))(XS))(XS)
    np.testing.assert_array_equal(other, 10 * np.outer(np.arange(1, 4), np.arange(1, 4)))
    np.testing.assert_array_equal(
        cotan.vmap(cotan.jit(lambda x, y: scaled(y)(x)), (0, None))(XS, 2.0), 20 * np.arange(1, 4)
    )
    with pytest.raises(cotan.errors.UnexpectedTracerError, match="closes over a value that is being mapped or differ"):
        cotan.vmap(lambda x: scaled(x)(x))(XS)
    with pytest.raises(cotan.errors.UnexpectedTracerError, match="closes over a value that is mapped by vmap"):
        cotan.vmap(lambda x: cotan.jit(lambda x, y: scaled(y)(x))(x, x))(XS)


def test_a_rule_traced_later_may_not_close_over_more_than_the_function():
    def f(x, y):
        return ruled(lambda x: x, lambda size, b, x: (x * y, True))(x)

    with pytest.raises(
        cotan.errors.UnexpectedTracerError, match="the rule of the custom_vmap function `<lambda>` closes"
    ):
        cotan.vmap(cotan.jit(f), (0, None))(XS, 2.0)


def test_jit_traces_the_function_once_and_the_rule_once_per_map():
    counts = {"function": 0, "rule": 0}

    @custom_vmap
    def f(x):
        counts["function"] += 1
        return x + 1

    @f.def_vmap
    def rule(size, in_batched, x):
        counts["rule"] += 1
        return x + 1, True

    compiled = cotan.jit(f)
    mapped = cotan.jit(cotan.vmap(compiled))
    for _ in range(3):
        compiled(XS[0])
        mapped(XS)
        cotan.vmap(compiled)(XS)
    assert counts == {"function": 1, "rule": 1}


# ---- One example at a time


def test_sequential_vmap():
    calls = []

    @sequential_vmap
    def f(x, y):
        """Says what it does."""
        calls.append(np.shape(x))
        return {"sum": x + y["k"]}

    assert f.__doc__ == "Says what it does."
    assert float(f(1.0, {"k": 2.0})["sum"]) == 3
    out = cotan.vmap(f, (1, None))(np.arange(6.0, dtype="f4").reshape(2, 3), {"k": 1.0})["sum"]
    np.testing.assert_array_equal(out, np.arange(6.0).reshape(2, 3).T + 1)
    assert set(calls) == {(), (2,)}
    assert "scan" in str(cotan.make_jaxpr(cotan.vmap(f, (0, None)))(XS, {"k": 1.0}))
    table = cotan.vmap(cotan.vmap(f, (None, 0)), (0, None))(XS, {"k": XS})["sum"]
    np.testing.assert_array_equal(table, np.add.outer(np.arange(1, 4), np.arange(1, 4)))
    gradient = cotan.grad(lambda x: cotan.vmap(f, (0, None))(x, {"k": 1.0})["sum"].sum())
    np.testing.assert_array_equal(gradient(XS), ONES)


# ---- Errors


def test_without_a_rule():
    f = custom_vmap(lambda x: x)
    for call in (f, cotan.vmap(f)):
        with pytest.raises(AttributeError, match=r"test_custom_vmap.py:\d+.*custom_vmap of `<lambda>`.*def_vmap"):
            call(XS)
    with pytest.raises(TypeError, match="def_vmap takes the rule, a function, got an int"):
        f.def_vmap(3)
    with pytest.raises(TypeError, match="custom_vmap takes a function to transform, got an int"):
        custom_vmap(3)


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        (lambda n, b, x: x, TypeError, r"must return a pair \(result, which results are mapped\), got a"),
        (lambda n, b, x: (x, True, x), TypeError, "got 3 values"),
        (lambda n, b, x: (x, (True,)), ValueError, "in the structure of the result"),
        (lambda n, b, x: (x[:1], True), ValueError, r"does not hold the 3 examples: it has shape \(1,\)"),
        (lambda n, b, x: (x.sum(), True), ValueError, r"it has shape \(\)"),
    ],
)
def test_rules_that_return_something_else(rule, error, message):
    f = ruled(lambda x: x, rule)
    for g in (f, cotan.jit(f)):
        with pytest.raises(error, match=f"custom_vmap of `<lambda>`: its rule `<lambda>` .*{message}"):
            cotan.vmap(g)(XS)


def test_rules_of_jitted_functions_must_return_what_the_function_does():
    f = ruled(lambda x: x, lambda n, b, x: ((x, x), (True, True)))
    with pytest.raises(ValueError, match="must return a result of the function's own structure"):
        cotan.vmap(cotan.jit(f))(XS)
    f = ruled(lambda x: x, lambda n, b, x: (cnp.stack([x, x], 1), True))
    with pytest.raises(
        ValueError, match=r"must return for each example what the function itself returns, f32\[\], got f32\[2\]"
    ):
        cotan.vmap(cotan.jit(f))(XS)
