"""jvp, vjp, linearize, grad, value_and_grad on functions of pytrees, with Python control flow."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import float0

Pair = namedtuple("Pair", "a b")


def f(x):
    return cnp.sin(x) * x


def df(x):
    return np.cos(x) * x + np.sin(x)


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=tolerance, atol=tolerance)


def test_derivatives_of_higher_order():
    close(cotan.grad(f)(0.5), df(0.5))
    close(cotan.grad(cotan.grad(f))(0.5), 2 * np.cos(0.5) - 0.5 * np.sin(0.5))
    close(cotan.grad(cotan.grad(cotan.grad(f)))(0.5), -3 * np.sin(0.5) - 0.5 * np.cos(0.5))


@pytest.mark.parametrize("order", ["ff", "fr", "rf", "rr"])
def test_second_derivatives_agree_in_all_modes(order):
    def forward(g):
        return lambda x: cotan.jvp(g, (x,), (cnp.ones_like(x),))[1]

    g = f
    for mode in order:
        g = forward(g) if mode == "f" else cotan.grad(g)
    close(g(cnp.float32(0.5)), 2 * np.cos(0.5) - 0.5 * np.sin(0.5))


def test_gradients_have_the_structure_of_the_arguments():
    params = {"w": cnp.arange(3.0), "layers": [Pair(cnp.float32(2), None), ()]}
    grads = cotan.grad(lambda p, x: (p["w"] * x).sum() * p["layers"][0].a)(params, cnp.ones(3))
    close(grads["w"], [2, 2, 2])
    assert type(grads["layers"][0]) is Pair
    assert grads["layers"][0].b is None
    assert grads["layers"][1] == ()
    close(grads["layers"][0].a, 3)


def test_argnums_keywords_and_aux():
    def g(x, y, *, scale=1.0):
        return scale * x * y, {"sum": x + y, "note": "any object"}

    (value, aux), grads = cotan.value_and_grad(g, argnums=(1, 0), has_aux=True)(2.0, 3.0, scale=4.0)
    assert (float(value), float(aux["sum"]), aux["note"]) == (24, 5, "any object")
    assert [float(x) for x in grads] == [8, 12]
    gradient, aux = cotan.grad(g, argnums=-1, has_aux=True)(2.0, 3.0)
    assert (float(gradient), float(aux["sum"])) == (2, 5)


def test_python_control_flow_and_recursion():
    def power(x, n):
        if n == 0:
            return 1.0
        return x * power(x, n - 1)

    def branchy(x):
        total = 0.0
        while x > 1:
            x = x / 2
            total = total + x
        return total * x if float(x) < 0.8 else -x

    close(cotan.grad(power)(2.0, 5), 80)
    close(cotan.grad(branchy)(3.0), 2 * 3 * (1 / 2 + 1 / 4) / 4)
    close(cotan.grad(lambda x: [x, x * x, x * x * x][int(x)])(2.0), 12)


def test_gradient_of_a_constant_is_zero_and_of_a_python_number_too():
    close(cotan.grad(lambda x: cnp.float32(3))(2.0), 0)
    close(cotan.grad(lambda x: 3.0)(cnp.float32(2)), 0)
    close(cotan.grad(lambda p: p[0] * 1.0)((2.0, cnp.ones(2)))[1], [0, 0])


def _repeated(body, init):
    return lambda x: cotan.lax.scan(body(x), init(x), cnp.arange(1.0, 4.0), reverse=True)[0]


# Whether gradients, tangents, and gradients for a strong cotangent have weak types at a weak argument, as in JAX.
_WEAK = {
    "a power": (lambda x: x**2.0, (False, False, False)),
    "a fraction as power": (lambda x: x**0.5, (False, False, False)),
    "a power in a program": (cotan.jit(lambda x: x**2.0), (False, False, False)),
    "an exponent": (lambda x: 2.0**x, (True, False, True)),
    "an integer power": (lambda x: x**2, (True, True, False)),
    "a slope": (cotan.grad(lambda x: x**2.0), (True, False, True)),
    "a product": (lambda x: 2 * x, (True, True, False)),
    "a program": (cotan.jit(lambda x: 2 * x), (True, True, False)),
    "a branch": (lambda x: cotan.lax.cond(x > 0, lambda y: y * 2, lambda y: y, x), (True, True, False)),
    "a carry": (_repeated(lambda x: lambda c, a: (c * a, None), lambda x: x), (False, False, False)),
    "a carry and a constant": (_repeated(lambda x: lambda c, a: (c + a * x, None), lambda x: x), (False, False, False)),
}


@pytest.mark.parametrize("name", _WEAK)
def test_weak_types_of_derivatives(name):
    f, expected = _WEAK[name]
    for x in (cnp.asarray(1.5), cnp.float32(1.5)):
        weak = x.weak_type
        tangent = cotan.jvp(f, (x,), (cnp.ones_like(x),))[1]
        slope = cotan.grad(f)(x)
        (pulled,) = cotan.vjp(f, x)[1](cnp.ones((), np.float32))
        found = (slope.weak_type, tangent.weak_type, pulled.weak_type)
        assert found == (expected if weak else (False, False, False))
        close(slope, tangent)
        close(slope, pulled)


def test_weak_types_are_kept():
    assert cotan.grad(lambda x: 2 * x)(1.0).weak_type
    assert not cotan.grad(lambda x: 2 * x)(cnp.float32(1)).weak_type


def test_integer_arguments():
    gradient = cotan.grad(lambda x, n: x * n, argnums=(0, 1), allow_int=True)(2.0, 3)
    close(gradient[0], 3)
    assert gradient[1].dtype == float0
    _, vjp_fun = cotan.vjp(lambda x, n: x * n, 2.0, 3)
    assert vjp_fun(1.0)[1].dtype == float0
    out, tangent = cotan.jvp(lambda x, n: (x * n, n + 1), (2.0, 3), (1.0, np.zeros((), float0)))
    close(tangent[0], 3)
    assert tangent[1].dtype == float0
    assert int(out[1]) == 4


@pytest.mark.parametrize("given", [1, 1.0, True, 2j, np.int64(1), cnp.float32(1), np.zeros((), float0)])
@pytest.mark.parametrize("out", [lambda: 3, lambda: True, lambda: cnp.uint8(3), lambda: cotan.random.key(0)])
def test_cotangents_of_results_without_derivatives_count_for_nothing(out, given):
    _, pull = cotan.vjp(lambda x: out(), cnp.ones(2))
    close(pull(given)[0], np.zeros(2))
    _, pull = cotan.vjp(lambda x: (2 * x, out()), cnp.ones(2))
    close(pull((cnp.ones(2), given))[0], 2 * np.ones(2))


@pytest.mark.parametrize(
    ("given", "error", "shown"),
    [
        (np.arange(2), ValueError, r"i32\[2\]"),
        (np.zeros(2, float0), ValueError, r"float0\[2\]"),
        ("a", TypeError, "a str"),
    ],
)
def test_cotangents_of_results_without_derivatives_have_their_shapes(given, error, shown):
    with pytest.raises(error, match=rf"takes a cotangent float0\[\], got {shown}"):
        cotan.vjp(lambda x: 3, cnp.ones(2))[1](given)


def test_complex_gradients():
    z = cnp.complex64(1 + 2j)
    close(cotan.grad(lambda z: (z * z).real)(z), 2 + 4j)
    close(cotan.grad(lambda z: z.imag)(z), -1j)
    close(cotan.grad(lambda z: z * z, holomorphic=True)(z), 2 + 4j)


def test_jvp_of_pytrees_and_aux():
    out, tangent, aux = cotan.jvp(
        lambda p, y: ({"s": p[0] * y, "c": cnp.float32(1)}, p[1]),
        ([2.0, cnp.ones(2)], 3.0),
        ([1.0, cnp.zeros(2)], 0.0),
        has_aux=True,
    )
    close(out["s"], 6)
    close(tangent["s"], 3)
    close(tangent["c"], 0)
    close(aux, [1, 1])


def test_vjp_is_linear_and_a_pytree():
    _, vjp_fun, aux = cotan.vjp(lambda x, y: (f(x) + y, x), cnp.float32(0.5), cnp.float32(1), has_aux=True)
    close(vjp_fun(cnp.float32(2))[0], 2 * df(0.5))
    close(aux, 0.5)
    close(cotan.jit(lambda pull: pull(cnp.float32(1)))(vjp_fun)[0], df(0.5))
    pulled = cotan.jit(lambda x: cotan.vjp(f, x)[1])(cnp.float32(0.5))
    close(pulled(cnp.float32(1))[0], df(0.5))


def test_linearize_runs_the_function_once():
    calls = []

    def g(x, y):
        calls.append(1)
        return {"out": f(x) * y, "const": cnp.float32(2)}

    _, f_jvp = cotan.linearize(g, cnp.float32(0.5), cnp.float32(2))
    for scale in (1.0, 2.0):
        tangent = f_jvp(cnp.float32(scale), cnp.float32(0))
        close(tangent["out"], 2 * scale * df(0.5))
        close(tangent["const"], 0)
    assert calls == [1]
    close(cotan.vmap(lambda t: f_jvp(t, cnp.zeros_like(t))["out"])(cnp.arange(3.0)), np.arange(3) * 2 * df(0.5))


def test_gradient_through_a_closed_over_outer_variable():
    close(cotan.grad(lambda x: x * cotan.grad(lambda y: x * y * y)(3.0))(2.0), 24)
    close(cotan.grad(lambda x: cotan.grad(lambda y: x)(3.0) + x)(2.0), 1)


def test_gradient_of_host_arrays():
    gradient = cotan.grad(lambda x: (x * x).sum())(np.arange(3.0))
    assert isinstance(gradient, cotan.Array)
    assert gradient.dtype == np.float32
    close(gradient, [0, 2, 4])


def test_names_and_docs_are_kept():
    def loss(x):
        """The loss."""
        return x

    assert cotan.grad(loss).__doc__ == "The loss."
    assert cotan.grad(loss).__wrapped__ is loss
    assert "loss" in cotan.grad(loss).__name__


def test_gradients_of_some_arguments_beside_fixed_ones_and_named_ones():
    """Again and again: first by operations, then by a program; functions may change what they are given."""
    x, w = cnp.arange(3.0), {"b": cnp.ones(3), "a": (cnp.full(3, 2.0), 3.0)}

    def loss(x, w, *rest, **named):
        scale = named.pop("scale")
        b, (a, c) = w.pop("b"), w.pop("a")
        return cnp.sum(x * b * a) * c * scale + rest[0]

    for argnums, by_x, by_w in ((1, None, ()), ((1,), None, (0,)), ((0, 1), (0,), (1,)), ((-2, 0), (1,), (0,))):
        gradient = cotan.grad(loss, argnums)
        for _ in range(20):
            given, named = dict(w), {"scale": 2.0}
            found = gradient(x, given, 7.0, **named)
            assert given.keys() == w.keys()
            assert named == {"scale": 2.0}
            of_w = found[by_w[0]] if by_w else found
            assert list(of_w) == ["a", "b"]
            close(of_w["b"], 12.0 * np.arange(3))
            close(of_w["a"][1], 12.0)
            if by_x:
                close(found[by_x[0]], np.full(3, 12.0))
