"""custom_vjp: whose derivative it is, what the rules see, and what they are told when they are wrong."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.custom_derivatives import (
    CustomVJPPrimal,
    SymbolicZero,
    custom_vjp_call_p,
    custom_vjp_primal_tree_values,
    zero_from_primal,
)

X = cnp.float32(1.5)
FORWARD_MODE = (
    "forward-mode differentiation .* was applied to the custom_vjp function `.*`, which has a rule for reverse"
)


def ruled(fun, forward, backward, **options):
    f = cotan.custom_vjp(fun)
    f.defvjp(forward, backward, **options)
    return f


def cube():
    """x cubed, whose rule says that its slope is ten times what it is, so that it shows who computed it."""
    return ruled(lambda x: x**3, lambda x: (x**3, x), lambda x, ct: (30 * x**2 * ct,))


SLOPE = 30 * 1.5**2


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f: cotan.grad(f)(X),
        lambda f: cotan.value_and_grad(f)(X)[1],
        lambda f: cotan.vjp(f, X)[1](cnp.float32(1))[0],
        lambda f: cotan.jacrev(f)(X),
        lambda f: cotan.jit(cotan.grad(f))(X),
        lambda f: cotan.grad(cotan.jit(f))(X),
        lambda f: cotan.vmap(cotan.grad(f))(X[None])[0],
        lambda f: cotan.grad(lambda x: cotan.vmap(f)(x[None])[0])(X),
        lambda f: cotan.grad(lambda x: cotan.jit(cotan.vmap(cotan.jit(f)))(x[None])[0])(X),
        lambda f: cotan.grad(cotan.checkpoint(f))(X),
        lambda f: cotan.grad(cotan.checkpoint(lambda x: f(f(x) * 0 + x)))(X),
        lambda f: cotan.jit(cotan.grad(cotan.checkpoint(cotan.jit(f))))(X),
        lambda f: cotan.grad(lambda x: lax.scan(lambda c, _: (c, f(c)), x, None, length=1)[1][0])(X),
        lambda f: cotan.grad(lambda x: lax.scan(lambda c, _: (f(c), None), x, None, length=1)[0])(X),
        lambda f: cotan.vmap(cotan.grad(lambda x: lax.scan(lambda c, _: (f(c), 0), x, None, length=1)[0]))(X[None])[0],
        lambda f: cotan.grad(lambda x: lax.cond(x > 0, f, lambda y: y, x))(X),
        lambda f: cotan.vmap(cotan.grad(lambda x: lax.cond(x > 0, f, lambda y: y, x)))(X[None])[0],
        lambda f: cotan.grad(lambda x: lax.fori_loop(0, 1, lambda i, c: f(c), x))(X),
        lambda f: cotan.grad(lambda x: lax.map(f, x[None])[0])(X),
    ],
)  # fmt: skip
def test_the_rule_is_used_by_every_derivative(derivative):
    assert float(derivative(cube())) == pytest.approx(SLOPE)


def test_values_and_higher_derivatives_are_those_of_function_and_rules():
    f = cube()
    for g in (f, cotan.jit(f), cotan.checkpoint(f)):
        assert float(g(X)) == pytest.approx(1.5**3)
        np.testing.assert_allclose(cotan.vmap(g)(cnp.arange(3.0)), np.arange(3.0) ** 3)
        assert float(cotan.grad(cotan.grad(g))(X)) == pytest.approx(60 * 1.5)
        assert float(cotan.hessian(g)(X)) == pytest.approx(60 * 1.5)
        assert float(cotan.jvp(cotan.grad(g), (X,), (X,))[1]) == pytest.approx(60 * 1.5**2)
    assert float(cotan.grad(cotan.grad(cotan.grad(f)))(X)) == pytest.approx(60)
    assert float(cotan.jit(cotan.grad(cotan.jit(cotan.grad(cotan.jit(f)))))(X)) == pytest.approx(60 * 1.5)


def test_the_backward_function_may_have_a_rule_of_its_own():
    inner = cube()
    f = ruled(lambda x: x, lambda x: (x, x), lambda x, ct: (inner(x) * ct,))
    assert float(cotan.grad(f)(X)) == pytest.approx(1.5**3)
    assert float(cotan.grad(cotan.grad(f))(X)) == pytest.approx(SLOPE)
    assert float(cotan.grad(cotan.jit(cotan.grad(cotan.jit(f))))(X)) == pytest.approx(SLOPE)


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f: cotan.jvp(f, (X,), (X,)),
        lambda f: cotan.jacfwd(f)(X),
        lambda f: cotan.linearize(f, X)[1](X),
        lambda f: cotan.jit(lambda x: cotan.jvp(f, (x,), (x,)))(X),
        lambda f: cotan.jvp(cotan.jit(f), (X,), (X,)),
        lambda f: cotan.vmap(cotan.jacfwd(f))(X[None]),
        lambda f: cotan.jvp(cotan.vmap(f), (X[None],), (X[None],)),
        lambda f: cotan.jvp(cotan.checkpoint(f), (X,), (X,)),
        lambda f: cotan.grad(lambda y: cotan.jvp(f, (X,), (y,))[1])(X),
        lambda f: cotan.grad(lambda y: y * cotan.jvp(f, (X,), (X,))[1])(X),
        lambda f: cotan.jvp(lambda x: lax.scan(lambda c, _: (f(c), None), x, None, length=2)[0], (X,), (X,)),
    ],
)
def test_forward_mode_is_refused(derivative):
    with pytest.raises(TypeError, match=FORWARD_MODE):
        derivative(cube())


def test_python_may_branch_on_values_under_eager_derivatives():
    def forward(x):
        return (x, True) if x > 0 else (-x, False)

    f = ruled(lambda x: x if x > 0 else -x, forward, lambda positive, ct: (3 * ct if positive else -3 * ct,))
    assert [float(cotan.grad(f)(x)) for x in (2.0, -2.0)] == [3.0, -3.0]


# ---- Arguments, residuals and results


def test_pytrees_in_and_out_and_none():
    @cotan.custom_vjp
    def f(p, scale, unused):
        return {"y": p["a"] * p["b"][0] * scale, "n": (p["a"],)}

    def forward(p, scale, unused):
        return f(p, scale, unused), {"p": p, "s": scale}

    def backward(residuals, ct):
        assert set(residuals["p"]) == {"a", "b"}
        return {"a": ct["y"] + 100 * ct["n"][0], "b": [10 * ct["y"]]}, None, {"deep": None}

    f.defvjp(forward, backward)
    p = {"a": cnp.float32(2), "b": [cnp.float32(3)]}
    for g in (f, cotan.jit(f)):
        grads = cotan.grad(lambda p, s, u, g=g: g(p, s, u)["y"], (0, 1, 2))(p, 4.0, {"deep": cnp.ones(2)})
        assert (float(grads[0]["a"]), float(grads[0]["b"][0]), float(grads[1])) == (1, 10, 0)
        np.testing.assert_array_equal(grads[2]["deep"], np.zeros(2))
        assert float(cotan.grad(lambda p, g=g: g(p, 1.0, {"deep": 0.0})["n"][0])(p)["a"]) == 100


def test_none_stands_for_zeros_at_any_depth():
    f = ruled(
        lambda p: p["a"] * p["b"]["c"], lambda p: (p["a"] * p["b"]["c"], None), lambda _, ct: ({"a": ct, "b": None},)
    )
    g = cotan.grad(f)({"a": 1.0, "b": {"c": 2.0}})
    assert (float(g["a"]), float(g["b"]["c"])) == (1, 0)


def test_keywords_defaults_partial_and_methods():
    f = ruled(lambda x, y=2.0: x * y, lambda x, y: (x * y, (x, y)), lambda r, ct: (5 * r[1] * ct, r[0] * ct))
    assert float(cotan.grad(f)(3.0)) == 10
    assert float(cotan.grad(lambda y: f(y=y, x=3.0))(1.0)) == 3
    part = ruled(functools.partial(lambda k, x: k * x, 2.0), lambda x: (2 * x, None), lambda _, ct: (7 * ct,))
    assert (float(part(3.0)), float(cotan.grad(part)(3.0))) == (6, 7)

    class Model:
        weight = 3.0

        @functools.partial(cotan.custom_vjp, nondiff_argnums=(0,))
        def scaled(self, x):
            return self.weight * x

        def _forward(self, x):
            return self.scaled(x), None

        def _backward(self, _, ct):
            return (100 * self.weight * ct,)

        scaled.defvjp(_forward, _backward)

    assert float(cotan.grad(Model().scaled)(2.0)) == 300
    assert float(cotan.grad(cotan.jit(lambda x: Model().scaled(x)))(2.0)) == 300


def test_name_documentation_and_signature_are_kept():
    @cotan.custom_vjp
    def smooth(x):
        """Says what it does."""
        return x

    assert (smooth.__name__, smooth.__doc__, smooth.__wrapped__.__name__) == ("smooth", "Says what it does.", "smooth")
    assert "smooth" in repr(smooth)


def test_nondiff_arguments_come_first_in_the_backward_function():
    seen = []

    @functools.partial(cotan.custom_vjp, nondiff_argnums=(2, 0))
    def apply(fun, x, power):
        return fun(x) ** power

    def forward(fun, x, power):
        seen.append((fun, power))
        return apply(fun, x, power), x

    def backward(fun, power, x, ct):
        seen.append((fun, power))
        return (10 * power * ct * x,)

    apply.defvjp(forward, backward)
    assert float(cotan.grad(apply, 1)(cnp.sin, 2.0, 2)) == 40
    assert seen == [(cnp.sin, 2)] * 2
    assert float(cotan.jit(cotan.grad(lambda x: apply(cnp.sin, x, power=3)))(2.0)) == 60


def test_arrays_are_refused_as_nondiff_arguments_only_if_traced():
    f = cotan.custom_vjp(lambda x, n: x * n, nondiff_argnums=(1,))
    f.defvjp(lambda x, n: (x * n, None), lambda n, _, ct: (10 * n * ct,))
    assert float(cotan.grad(f)(2.0, cnp.float32(3))) == 30
    for call in (cotan.jit(f), cotan.grad(f, 1), lambda x, n: cotan.vmap(f)(x[None], n[None])):
        with pytest.raises(
            cotan.errors.UnexpectedTracerError,
            match="custom_vjp of `<lambda>`: argument number 1 is among nondiff_argnums, but is or holds a traced",
        ):
            call(X, X)


def test_integer_arguments_and_results():
    seen = []

    def backward(n, cts):
        seen.append(cts[1].dtype)
        return 5 * cts[0], n

    f = ruled(lambda x, n: (x * n, n + 1), lambda x, n: ((x * n, n + 1), n), backward)
    for g in (f, cotan.jit(f)):
        assert float(cotan.grad(lambda x, g=g: g(x, 3)[0])(2.0)) == 5
        gx, gn = cotan.grad(lambda x, n, g=g: g(x, n)[0], (0, 1), allow_int=True)(2.0, 3)
        assert (float(gx), gn.dtype) == (5, cotan.float0)
        np.testing.assert_array_equal(
            cotan.vmap(cotan.grad(lambda x, n, g=g: g(x, n)[0]))(cnp.ones(2), cnp.arange(2)), [5, 5]
        )
    assert set(seen) == {cotan.float0}


def test_cotangents_may_be_python_numbers():
    f = ruled(lambda x, y: x * y, lambda x, y: (x * y, None), lambda _, ct: (3, 2.5))
    gx, gy = cotan.grad(f, (0, 1))(cnp.float16(1), cnp.float32(1))
    assert (float(gx), gx.dtype, float(gy), gy.dtype) == (3, np.float16, 2.5, np.float32)


def test_optimize_remat_is_accepted():
    f = ruled(lambda x: x**3, lambda x: (x**3, x), lambda x, ct: (30 * x**2 * ct,), optimize_remat=True)
    for g in (f, cotan.checkpoint(f), cotan.jit(cotan.checkpoint(cotan.jit(f)))):
        assert float(cotan.grad(g)(X)) == pytest.approx(SLOPE)


# ---- Symbolic zeros


def test_symbolic_zeros():
    seen = []

    def forward(x, y):
        assert isinstance(x["k"], CustomVJPPrimal)
        seen.append((x["k"].perturbed, y.perturbed))
        x, y = custom_vjp_primal_tree_values((x, y))
        return (x["k"] * y, y), (x["k"], y)

    def backward(residuals, cts):
        seen.append(tuple(type(ct) is SymbolicZero for ct in cts))
        x, y = residuals
        first = cts[0] if type(cts[0]) is not SymbolicZero else cnp.zeros_like(x)
        return {"k": first * y}, zero_from_primal(y, symbolic_zeros=True)

    f = ruled(lambda x, y: (x["k"] * y, y), forward, backward, symbolic_zeros=True)
    for g in (f, cotan.jit(f)):
        assert float(cotan.grad(lambda x, g=g: g({"k": x}, 3.0)[0])(2.0)) == 3
        assert float(cotan.grad(lambda y, g=g: g({"k": 2.0}, y)[1])(2.0)) == 0
    assert seen == [(True, False), (False, True), (False, True), (True, False)] * 2
    with pytest.raises(TypeError, match=r"takes a tree of CustomVJPPrimal.*got a float in it"):
        custom_vjp_primal_tree_values((1.0,))


# ---- Closures


def scaled(y):
    return ruled(lambda x: x * y, lambda x: (x * y, None), lambda _, ct: (10 * ct * y,))


@pytest.mark.parametrize("wrap", [lambda f: f, cotan.jit, cotan.checkpoint], ids=["eager", "jit", "checkpoint"])
def test_values_of_enclosing_transforms_may_be_closed_over(wrap):
    ys = cnp.arange(3.0)
    np.testing.assert_array_equal(cotan.vmap(lambda y: wrap(scaled(y))(2.0))(ys), 2 * np.arange(3))
    gradients = cotan.vmap(lambda y: cotan.grad(wrap(scaled(y)))(2.0))
    np.testing.assert_array_equal(gradients(ys), 10 * np.arange(3))
    np.testing.assert_array_equal(cotan.jit(gradients)(ys), 10 * np.arange(3))
    total = cotan.grad(lambda x: cotan.vmap(lambda y: wrap(scaled(y))(x))(ys).sum())
    assert float(total(1.0)) == 30
    assert float(cotan.jit(total)(1.0)) == 30
    # What a jitted function is given is known to the rules of functions inside, though they are traced afterwards.
    assert float(cotan.grad(wrap(lambda x, y: scaled(y)(x)))(1.0, 2.0)) == 20
    # The derivative with respect to what is closed over by an outer function is a derivative of the rules.
    assert float(cotan.grad(lambda y: cotan.grad(wrap(scaled(y)))(2.0))(3.0)) == 10
    mapped = cotan.vmap(lambda y: cotan.grad(wrap(lambda x: cotan.vmap(scaled(y))(x).sum()))(cnp.ones(2)))
    np.testing.assert_array_equal(mapped(ys), 10 * np.arange(3)[:, None] * np.ones(2))


def test_what_is_differentiated_may_not_be_closed_over():
    def bad(y):
        return ruled(lambda x: x * y, lambda x: (x * y, None), lambda _, ct: (ct * y,))(2.0)

    message = "the custom_vjp function `<lambda>` closes over a value that is being differentiated.*as an argument"
    for f in (bad, cotan.jit(bad), cotan.checkpoint(bad), lambda y: cotan.vmap(bad)(y[None])[0]):
        with pytest.raises(cotan.errors.UnexpectedTracerError, match=message):
            cotan.grad(f)(X)
        with pytest.raises(cotan.errors.UnexpectedTracerError, match=message):
            cotan.jit(cotan.grad(f))(X)


def test_rules_traced_later_may_not_close_over_more_than_the_function():
    def forward(x, y):
        return ruled(lambda x: x, lambda x: (x * y, None), lambda _, ct: (ct,))(x)

    def backward(x, y):
        return ruled(lambda x: x, lambda x: (x, None), lambda _, ct: (ct * y,))(x)

    assert float(cotan.jit(cotan.grad(backward))(1.0, 2.0)) == 2
    for f, which in ((forward, "forward"), (backward, "backward")):
        with pytest.raises(
            cotan.errors.UnexpectedTracerError,
            match=f"the {which} rule of the custom_vjp function `<lambda>` closes over",
        ):
            cotan.grad(cotan.jit(f))(1.0, 2.0)


def test_a_rule_may_not_depend_on_a_mapped_value_that_the_function_does_not_use():
    def f(x, y):
        return ruled(lambda x: x, lambda x: (x, None), lambda _, ct: (ct * y,))(x)

    assert float(cotan.vmap(cotan.grad(f), (None, 0))(1.0, cnp.arange(3.0))[2]) == 2
    with pytest.raises(cotan.errors.UnexpectedTracerError, match="depends on a value that is mapped by vmap"):
        cotan.grad(lambda x: cotan.vmap(f, (None, 0))(x, cnp.arange(3.0)).sum())(1.0)


# ---- Mapping


def test_an_argument_for_all_examples_gets_the_sum_of_cotangents():
    xs = np.arange(3.0, dtype="f4")
    cases = {
        "varies": (lambda ct, x, y: (ct * y, ct * x), lambda x: (2 * xs).sum()),
        "same for all": (lambda ct, x, y: (cnp.float32(1), ct * x), lambda x: 3),
        "linear": (lambda ct, x, y: (ct, ct), lambda x: 6),
    }
    for backward, expected in cases.values():
        f = ruled(lambda x, y: x * y, lambda x, y: (x * y, (x, y)), lambda r, ct, b=backward: b(ct, *r))
        for g in (f, cotan.jit(f), cotan.checkpoint(f)):
            total = cotan.grad(lambda x, g=g: 2 * cotan.vmap(g, (None, 0))(x, xs).sum())
            assert float(total(1.0)) == expected(1.0)
            assert float(cotan.jit(total)(1.0)) == expected(1.0)


def test_results_that_do_not_vary_have_cotangents_that_do():
    f = ruled(lambda x, y: x, lambda x, y: (x, y), lambda y, ct: (ct * y, None))
    ys = cnp.arange(3.0)
    for g in (f, cotan.jit(f)):
        weighted = cotan.grad(lambda x, g=g: (cotan.vmap(g, (None, 0))(x, ys) * ys).sum())
        assert float(weighted(1.0)) == 5
        assert float(cotan.jit(weighted)(1.0)) == 5


@pytest.mark.parametrize("wrap", [lambda f: f, cotan.jit], ids=["eager", "jit"])
def test_axes_anywhere_and_nested(wrap):
    f = ruled(lambda x, y: x @ y, lambda x, y: (x @ y, (x, y)), lambda r, ct: (10 * ct @ r[1].T, r[0].T @ ct))
    x, y = np.arange(24.0, dtype="f4").reshape(2, 3, 4), np.arange(60.0, dtype="f4").reshape(4, 3, 5)
    mapped = cotan.vmap(wrap(f), (2, 0), 1)
    expected = np.stack([x[:, :, k] @ y[k] for k in range(4)], 1)
    np.testing.assert_allclose(mapped(x, y), expected, rtol=1e-6)
    gx, gy = cotan.grad(lambda x, y: mapped(x, y).sum(), (0, 1))(x, y)
    np.testing.assert_allclose(gx, np.broadcast_to(10 * y.sum(2).T[None], (2, 3, 4)), rtol=1e-6)
    np.testing.assert_allclose(gy, np.broadcast_to(x.sum(0).T[:, :, None], (4, 3, 5)), rtol=1e-6)
    both = cotan.vmap(cotan.vmap(wrap(f), (None, 0)), (2, None))
    gx, gy = cotan.grad(lambda x, y: both(x, y).sum(), (0, 1))(x, y)
    np.testing.assert_allclose(gx, np.broadcast_to(10 * y.sum((0, 2))[None, :, None], (2, 3, 4)), rtol=1e-6)
    np.testing.assert_allclose(gy, np.broadcast_to(x.sum((0, 2))[None, :, None], (4, 3, 5)), rtol=1e-6)


# ---- Tracing


def test_jit_traces_everything_once():
    counts = dict.fromkeys(("function", "forward", "backward"), 0)

    @cotan.custom_vjp
    def f(x):
        counts["function"] += 1
        return x * x

    def forward(x):
        counts["forward"] += 1
        return x * x, x

    def backward(x, ct):
        counts["backward"] += 1
        return (2 * x * ct,)

    f.defvjp(forward, backward)
    compiled = cotan.jit(f)
    gradient = cotan.jit(cotan.grad(compiled))
    for _ in range(3):
        compiled(X)
        gradient(X)
        cotan.grad(compiled)(X)
    assert counts == {"function": 1, "forward": 1, "backward": 1}


def test_staged_calls_show_function_and_rule():
    closed = cotan.make_jaxpr(cube())(X)
    (eqn,) = closed.eqns
    assert eqn.primitive is custom_vjp_call_p
    assert "custom_vjp_call" in str(closed)


# ---- Errors


def test_without_rules():
    f = cotan.custom_vjp(lambda x: x)
    with pytest.raises(AttributeError, match=r"test_custom_vjp.py:\d+.*custom_vjp of `<lambda>`.*defvjp"):
        f(1.0)


def test_what_is_no_function():
    with pytest.raises(TypeError, match="custom_vjp takes a function to transform, got an int"):
        cotan.custom_vjp(3)
    f = cotan.custom_vjp(lambda x: x)
    with pytest.raises(TypeError, match="defvjp takes functions, got an int for fwd"):
        f.defvjp(3, lambda r, ct: (ct,))
    with pytest.raises(TypeError, match="defvjp takes functions, got a str for bwd"):
        f.defvjp(lambda x: (x, None), "b")


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda p, y: y, r"must return a pair \(result, residuals\), got a"),
        (lambda p, y: (y, y, y), "got 3 values"),
        (lambda p, y: ("a", None), "forward function `<lambda>` returned a str, which is not an array"),
        (lambda p, y: (y, {"r": [object()]}), r"returned an object among the residuals at \['r'\]\[0\]"),
    ],
)
def test_forward_functions_that_return_something_else(forward, message):
    f = ruled(lambda p, y: p["w"] * y, forward, lambda _, ct: ({"w": ct}, ct))
    for g in (f, cotan.jit(f)):
        with pytest.raises(TypeError, match=f"custom_vjp of `<lambda>`: .*{message}"):
            cotan.grad(g)({"w": 1.0}, 2.0)


def test_forward_functions_of_jitted_functions_must_return_what_the_function_does():
    f = ruled(lambda x: x, lambda x: ((x,), None), lambda _, ct: (ct[0],))
    with pytest.raises(
        TypeError, match="forward function `<lambda>` must return a result of the function's own structure"
    ):
        cotan.grad(cotan.jit(f))(X)
    f = ruled(lambda x: x, lambda x: (x * cnp.ones(2), None), lambda _, ct: (ct[0],))
    with pytest.raises(TypeError, match=r"must return what the function itself returns, f32\[\], got f32\[2\]"):
        cotan.grad(cotan.jit(f))(X)


@pytest.mark.parametrize(
    ("backward", "error", "message"),
    [
        (lambda r, ct: ct, TypeError, "a tuple with one cotangent for each .* 2 of them, got a"),
        (lambda r, ct: (ct,), TypeError, "2 of them, got 1"),
        (lambda r, ct: (ct, ct, ct), TypeError, "2 of them, got 3"),
        (lambda r, ct: ({"v": ct}, ct), TypeError, r"argument `p`: where that has \S+'w': \*}\), it returned \S+'v': "),
        (lambda r, ct: ((ct,), ct), TypeError, "of the structure of the argument `p`"),
        (lambda r, ct: ({"w": ct}, (ct, ct)), TypeError, "of the structure of the argument `y`"),
        (lambda r, ct: ({"w": ct}, "a"), TypeError, "returned a str as the cotangent of `y`"),
        (lambda r, ct: ({"w": cnp.ones(3)}, ct), ValueError, r"a cotangent of type \S+ for `p\['w'\]`, got f32\[3\]"),
        (lambda r, ct: ({"w": ct.astype(cnp.float16)}, ct), ValueError, r"for `p\['w'\]`, got f16\[\]"),
        (lambda r, ct: ({"w": ct}, cnp.int32(1)), ValueError, r"for `y`, got i32\[\]"),
        (lambda r, ct: ({"w": ct}, 1j), ValueError, "for `y`, got a Python complex"),
        (lambda r, ct: ({"w": ct}, zero_from_primal(cnp.ones(2), True)), ValueError, "for `y`, got SymbolicZero"),
    ],
)  # fmt: skip
def test_backward_functions_that_return_something_else(backward, error, message):
    f = ruled(lambda p, y: p["w"] * y, lambda p, y: (p["w"] * y, None), backward)
    for g in (f, cotan.jit(f), cotan.checkpoint(f)):
        with pytest.raises(error, match=f"custom_vjp of `<lambda>`: its backward function `<lambda>` .*{message}"):
            cotan.grad(g)({"w": 1.0}, 2.0)


def test_calls_that_do_not_fit():
    f = ruled(lambda x, *, k=0.0: x, lambda x: (x, None), lambda _, ct: (ct,))
    with pytest.raises(TypeError, match=r"custom_vjp of `<lambda>`: missing a required argument: 'x'"):
        f()
    with pytest.raises(TypeError, match="gives `k` by keyword"):
        f(1.0, k=2.0)
    with pytest.raises(TypeError, match="custom_vjp of `<lambda>`: argument `x` is a str, not an array"):
        f("a")


@pytest.mark.parametrize(
    "slope",
    [
        lambda f: cotan.grad(f)(X),
        lambda f: cotan.jit(cotan.grad(f))(X),
        lambda f: cotan.grad(cotan.jit(f))(X),
        lambda f: cotan.grad(cotan.checkpoint(f))(X),
        lambda f: cotan.grad(lambda x: cotan.vmap(f)(x[None])[0])(X),
        lambda f: cotan.grad(lambda x: cotan.jit(cotan.vmap(f))(x[None])[0])(X),
        lambda f: cotan.grad(lambda x: lax.scan(lambda c, _: (f(c), None), x, None, length=1)[0])(X),
        lambda f: cotan.grad(lambda x: lax.cond(x > 0, f, lambda y: y, x))(X),
    ],
)
def test_numbers_among_the_residuals_stay_numbers(slope):
    seen = []

    def backward(residuals, ct):
        x, options = residuals
        seen.append(tuple(map(type, (options["cubed"], options["n"], options["scale"]))))
        return (options["scale"] * x ** options["n"] * ct if options["cubed"] else ct,)

    f = ruled(lambda x: x**3, lambda x: (x**3, (x, {"cubed": True, "n": 2, "scale": 30.0})), backward)
    np.testing.assert_allclose(slope(f), SLOPE, rtol=1e-6)
    assert set(seen) == {(bool, int, float)}


# ---- What backward functions see and may return


@pytest.mark.parametrize("wrap", [lambda f: f, cotan.jit, lambda f: lambda *a: cotan.vmap(f)(cnp.ones((1,)))[0]])
def test_cotangents_are_arrays_whether_results_are_used_or_not(wrap):
    seen = []

    def backward(_, cts):
        seen.extend(cts)
        return (2 * cts[0],)

    f = cotan.custom_vjp(lambda x: (2 * x, 3 * x, np.float32(1), cnp.ones(2) * x))
    f.defvjp(lambda x: (f(x), None), backward)
    for x in (1.0, cnp.float32(1), np.float64(1)):
        assert float(wrap(cotan.grad(lambda x: f(x)[0]))(x)) == 2
        assert float(wrap(cotan.grad(lambda x: f(x)[1]))(x)) == 0
    assert len(seen) == 24
    assert all(isinstance(ct, cotan.Array) for ct in seen)


NESTED = {"a": 1.0, "b": (2.0, {"c": 3.0})}


@pytest.mark.parametrize(
    ("backward", "leaves"),
    [
        (lambda ct: (ct,), [1, 1, 1]),
        (lambda ct: (2.5,), [2.5, 2.5, 2.5]),
        (lambda ct: [None], [0, 0, 0]),
        (lambda ct: ({"a": None, "b": ct},), [0, 1, 1]),
        (lambda ct: ({"a": ct, "b": (None, 2 * ct)},), [1, 0, 2]),
        (lambda ct: ({"a": ct, "b": (2 * ct, {"c": None})},), [1, 2, 0]),
        (lambda ct: (zero_from_primal(1.0, True),), [0, 0, 0]),
    ],
)
def test_a_cotangent_stands_for_every_leaf_below_its_place(backward, leaves):
    f = ruled(lambda p: 2 * p["a"], lambda p: (2 * p["a"], None), lambda _, ct: backward(ct))
    for g in (f, cotan.jit(f), cotan.checkpoint(f)):
        assert list(map(float, cotan.tree.leaves(cotan.grad(g)(NESTED)))) == leaves


def test_a_cotangent_may_stand_where_an_argument_has_no_leaves():
    f = ruled(
        lambda p, y, z: 2 * p["b"], lambda p, y, z: (2 * p["b"], None), lambda _, ct: ({"a": ct, "b": ct}, ct, ())
    )
    g = cotan.grad(f, (0, 1, 2))({"a": None, "b": 2.0}, (), ())
    assert (g[0]["a"], float(g[0]["b"]), g[1:]) == (None, 1, ((), ()))
