"""closure_convert, custom_gradient and linear_call: derivatives of what is closed over, and transposes by hand."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.custom_derivatives import closure_convert, custom_gradient, linear_call

XS = cnp.arange(3.0)


# ---- closure_convert


def test_closed_over_values_become_arguments():
    def total(y, wrap):
        converted, values = closure_convert(wrap(lambda p, x: p["a"] * x * y), {"a": 1.0}, 2.0)
        assert len(values) == 1
        assert converted.__name__
        return converted({"a": 5.0}, 2.0, *values)

    for wrap in (lambda f: f, cotan.jit, cotan.checkpoint):
        assert float(cotan.grad(lambda y, wrap=wrap: total(y, wrap))(3.0)) == 10
        assert float(cotan.jit(cotan.grad(lambda y, wrap=wrap: total(y, wrap)))(3.0)) == 10
        np.testing.assert_array_equal(cotan.vmap(lambda y, wrap=wrap: total(y, wrap))(XS), 10 * np.arange(3))


def test_only_traced_floats_are_taken_out():
    constant = cnp.arange(3.0)

    @cotan.jit
    def f(y, n):
        converted, values = cotan.closure_convert(lambda x: (x * constant * y)[n], 1.0)
        assert [v.dtype for v in values] == [np.float32]
        return converted(2.0, *values)

    assert float(f(3.0, 2)) == 12
    converted, values = closure_convert(lambda x: x * constant, 1.0)
    assert values == []
    np.testing.assert_array_equal(converted(2.0), [0, 2, 4])


def test_a_custom_rule_for_a_function_that_closes_over_what_is_differentiated():
    def root_by_rule(f, guess):
        converted, values = closure_convert(f, guess)

        @cotan.custom_vjp
        def root(x, *values):
            for _ in range(6):
                x = x - converted(x, *values) / cotan.grad(converted)(x, *values)
            return x

        def forward(x, *values):
            y = root(x, *values)
            return y, (y, values)

        def backward(residuals, ct):
            y, values = residuals
            slope = cotan.grad(converted)(y, *values)
            back = cotan.vjp(lambda *values: converted(y, *values), *values)[1](-ct / slope)
            return (None, *back)

        root.defvjp(forward, backward)
        return root(guess, *values)

    def square_root(a):
        return root_by_rule(lambda x: x * x - a, 1.0)

    for g in (cotan.grad(square_root), cotan.jit(cotan.grad(square_root)), cotan.grad(cotan.jit(square_root))):
        assert float(g(4.0)) == pytest.approx(0.25)
    np.testing.assert_allclose(cotan.vmap(cotan.grad(square_root))(XS + 1), 0.5 / np.sqrt(np.arange(1, 4)), rtol=1e-6)


def test_arguments_that_are_not_like_the_examples():
    converted, _ = closure_convert(lambda p: p["a"], {"a": 1.0})
    for args in ((1.0,), (), ({"b": 1.0},), ({"a": 1.0}, 2.0)):
        with pytest.raises(
            TypeError, match="closure_convert of `<lambda>`: the converted function takes arguments like"
        ):
            converted(*args)
    with pytest.raises(TypeError, match="closure_convert of `<lambda>`: argument `p` is a str"):
        closure_convert(lambda p: p, "a")
    with pytest.raises(TypeError, match="closure_convert takes a function to transform, got an int"):
        closure_convert(3)


# ---- custom_gradient


def test_a_function_that_returns_its_backward_function():
    @custom_gradient
    def f(x):
        """Says what it does."""
        square = x * x
        return square * x, lambda ct: (30 * square * ct,)

    assert f.__doc__ == "Says what it does."
    for g in (f, cotan.jit(f), cotan.checkpoint(f)):
        assert float(g(2.0)) == 8
        assert float(cotan.grad(g)(2.0)) == 120
        assert float(cotan.jit(cotan.grad(g))(2.0)) == 120
        assert float(cotan.grad(cotan.grad(g))(2.0)) == 120
        np.testing.assert_array_equal(cotan.vmap(cotan.grad(g))(XS), 30 * np.arange(3) ** 2)
        np.testing.assert_array_equal(cotan.grad(lambda x, g=g: cotan.vmap(g)(x).sum())(XS), 30 * np.arange(3) ** 2)
    with pytest.raises(TypeError, match="forward-mode differentiation"):
        cotan.jvp(f, (2.0,), (1.0,))


def test_pytrees_keywords_none_and_single_cotangents():
    @custom_gradient
    def f(p, y=2.0):
        return {"out": p["a"] * y}, lambda ct: ({"a": 5 * ct["out"], "b": None}, None)

    grads = cotan.grad(lambda p, y: f(p, y=y)["out"], (0, 1))({"a": 1.0, "b": 1.0}, 3.0)
    assert [float(grads[0]["a"]), float(grads[0]["b"]), float(grads[1])] == [5, 0, 0]
    assert float(f({"a": 4.0})["out"]) == 8
    single = custom_gradient(lambda x: (x, lambda ct: 7 * ct))
    assert float(cotan.grad(single)(1.0)) == 7


def test_python_may_branch_on_values_in_a_custom_gradient():
    @custom_gradient
    def f(x):
        return (x, lambda ct: 3 * ct) if x > 0 else (-x, lambda ct: -5 * ct)

    assert [float(cotan.grad(f)(x)) for x in (1.0, -1.0)] == [3, -5]


def test_functions_that_return_no_backward_function():
    for bad in (lambda x: x, lambda x: (x, 3), lambda x: (x, abs, 3)):
        with pytest.raises(
            TypeError, match=r"custom_gradient of `<lambda>`: the function must return a pair \(result, its"
        ):
            custom_gradient(bad)(1.0)
    with pytest.raises(TypeError, match="custom_gradient takes a function to transform, got an int"):
        custom_gradient(3)
    two = custom_gradient(lambda x, y: (x * y, lambda ct: ct))
    with pytest.raises(TypeError, match=r"custom_vjp of `<lambda>`: its backward function .* 2 of them, got 1"):
        cotan.grad(two)(1.0, 2.0)
    wrong = custom_gradient(lambda x: ("a", lambda ct: ct))
    with pytest.raises(TypeError, match="returned a str, which is not an array"):
        cotan.grad(wrong)(1.0)


# ---- linear_call


def divided(x, by):
    """x / by, whose transpose multiplies by ten more, so that it shows who computed it."""
    return linear_call(lambda r, x: {"q": x / r["by"]}, lambda r, ct: 10 * ct["q"] / r["by"], {"by": by}, x)["q"]


def test_a_transpose_by_hand():
    for f in (divided, cotan.jit(divided), cotan.checkpoint(divided)):
        assert float(f(6.0, 2.0)) == 3
        assert float(cotan.jvp(lambda x, f=f: f(x, 2.0), (6.0,), (1.0,))[1]) == 0.5
        assert float(cotan.grad(f)(6.0, 2.0)) == 5
        assert float(cotan.jit(cotan.grad(f))(6.0, 2.0)) == 5
        assert float(cotan.linearize(lambda x, f=f: f(x, 2.0), 6.0)[1](1.0)) == 0.5
        np.testing.assert_array_equal(cotan.vmap(f, (0, None))(XS, 2.0), np.arange(3) / 2)
        np.testing.assert_allclose(cotan.vmap(cotan.grad(f), (None, 0))(6.0, XS + 1), 10 / np.arange(1, 4), 1e-6)
        total = cotan.grad(lambda x, f=f: cotan.vmap(f, (None, 0))(x, XS + 1).sum())
        assert float(total(6.0)) == pytest.approx(10 * (1 + 1 / 2 + 1 / 3))
    looped = cotan.grad(lambda x: lax.scan(lambda c, _: (divided(c, 2.0), None), x, None, length=2)[0])
    assert float(looped(1.0)) == 25


def test_the_transpose_of_the_transpose_is_the_function():
    def transpose(f):
        return lambda y: cotan.vjp(f, 1.0)[1](y)[0]

    def f(x):
        return linear_call(lambda _, x: x, lambda _, ct: 7.0, (), x)

    assert [float(g(1.0)) for g in (f, transpose(f), transpose(transpose(f)))] == [1, 7, 1]


def test_residuals_have_derivatives_of_their_own():
    assert float(cotan.grad(divided, 1)(6.0, 2.0)) == pytest.approx(-1.5)
    assert float(cotan.jvp(divided, (6.0, 2.0), (1.0, 1.0))[1]) == pytest.approx(0.5 - 1.5)
    closed = cotan.grad(lambda y: linear_call(lambda _, x: x * y, lambda _, ct: ct * y, (), 5.0))
    assert float(closed(3.0)) == 5
    assert float(cotan.jit(closed)(3.0)) == 5
    only = cotan.jit(cotan.grad(lambda y: linear_call(lambda _, x: x * 2.0, lambda _, ct: ct * y, (), y)))
    assert float(only(3.0)) == 3


def doubled(fun=lambda r, x: 2 * x, transpose=lambda r, ct: 2 * ct, residuals=(), operands=1.0):
    return linear_call(fun, transpose, residuals, operands)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fun": 3}, "linear_call takes a function to transform, got an int"),
        ({"residuals": "a"}, "linear_call of `<lambda>`: residual_args is a str, not an array"),
        ({"operands": [object()]}, r"linear_call of `<lambda>`: linear_args\[0\] is an object, not an array"),
        ({"fun": lambda r, x: "a"}, "linear_call of `<lambda>`: the function returned a str"),
        ({"transpose": lambda r, t: (t,)}, "its transpose `<lambda>` must return something of the structure of linear"),
        (
            {"transpose": lambda r, t: cnp.ones(2)},
            r"its transpose `<lambda>` must return \S+ for linear_args, got f32\[2\]",
        ),
        ({"transpose": lambda r, t: "a"}, r"must return \S+ for linear_args, got a str"),
    ],
)
def test_linear_calls_that_do_not_fit(arguments, message):
    with pytest.raises(TypeError, match=message):
        doubled(**arguments)
