"""custom_jvp: whose derivative it is, what the rule sees, and what it is told when it is wrong."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.custom_derivatives import SymbolicZero, custom_jvp_call_p, zero_from_primal

X = cnp.float32(1.5)


def ruled(fun, rule, **options):
    f = cotan.custom_jvp(fun)
    f.defjvp(rule, **options)
    return f


def cube():
    """x cubed, whose rule says that its slope is ten times what it is, so that it shows who computed it."""
    return ruled(lambda x: x**3, lambda p, t: (p[0] ** 3, 30 * p[0] ** 2 * t[0]))


def by_while(f, x):
    """f once, in the body of a loop that runs once."""
    return lax.while_loop(lambda state: state[0] < 1, lambda state: (state[0] + 1, f(state[1])), (0, x))[1]


SLOPE = 30 * 1.5**2


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f: cotan.grad(f)(X),
        lambda f: cotan.jvp(f, (X,), (cnp.float32(1),))[1],
        lambda f: cotan.vjp(f, X)[1](cnp.float32(1))[0],
        lambda f: cotan.linearize(f, X)[1](cnp.float32(1)),
        lambda f: cotan.jacfwd(f)(X),
        lambda f: cotan.jacrev(f)(X),
        lambda f: cotan.jit(cotan.grad(f))(X),
        lambda f: cotan.grad(cotan.jit(f))(X),
        lambda f: cotan.vmap(cotan.grad(f))(X[None])[0],
        lambda f: cotan.grad(lambda x: cotan.vmap(f)(x[None])[0])(X),
        lambda f: cotan.grad(cotan.checkpoint(f))(X),
        lambda f: cotan.grad(lambda x: lax.scan(lambda c, _: (c, f(c)), x, None, length=1)[1][0])(X),
        lambda f: cotan.grad(lambda x: lax.cond(x > 0, f, lambda y: y, x))(X),
        lambda f: cotan.jvp(lambda x: by_while(f, x), (X,), (cnp.float32(1),))[1],
        lambda f: cotan.grad(lambda x: lax.fori_loop(0, 1, lambda i, c: f(c), x))(X),
    ],
)  # fmt: skip
def test_the_rule_is_used_by_every_derivative(derivative):
    assert float(derivative(cube())) == pytest.approx(SLOPE)


def test_values_and_higher_derivatives_are_those_of_function_and_rule():
    f = cube()
    assert float(f(X)) == pytest.approx(1.5**3)
    assert float(cotan.jit(f)(X)) == pytest.approx(1.5**3)
    for second in (cotan.grad(cotan.grad(f)), cotan.hessian(f), cotan.jit(cotan.grad(cotan.grad(cotan.jit(f))))):
        assert float(second(X)) == pytest.approx(60 * 1.5)
    assert float(cotan.grad(cotan.grad(cotan.grad(f)))(X)) == pytest.approx(60)


def test_a_rule_that_calls_the_function_is_used_at_every_order():
    @cotan.custom_jvp
    def f(x):
        return cnp.exp(x)

    @f.defjvp
    def rule(primals, tangents):
        y = f(primals[0])
        return y, 2 * y * tangents[0]

    for order, g in enumerate((f, cotan.grad(f), cotan.grad(cotan.grad(f)))):
        assert float(g(X)) == pytest.approx(2**order * np.exp(1.5), rel=1e-6)
        assert float(cotan.jit(g)(X)) == pytest.approx(2**order * np.exp(1.5), rel=1e-6)
    assert float(cotan.grad(cotan.jit(cotan.grad(cotan.jit(f))))(X)) == pytest.approx(4 * np.exp(1.5), rel=1e-6)


def test_python_may_branch_on_values_under_eager_derivatives():
    @cotan.custom_jvp
    def f(x):
        return x if x > 0 else -x

    @f.defjvp
    def rule(primals, tangents):
        (x,), (t,) = primals, tangents
        return f(x), 3 * t if x > 0 else -3 * t

    assert [float(cotan.grad(f)(x)) for x in (2.0, -2.0)] == [3.0, -3.0]
    assert float(cotan.jvp(f, (-2.0,), (1.0,))[1]) == -3.0
    with pytest.raises(cotan.errors.TracerBoolConversionError):
        cotan.jit(f)(2.0)


# ---- Arguments and results


def test_pytrees_in_and_out():
    @cotan.custom_jvp
    def f(p, scale):
        return {"y": p["a"] * p["b"][0] * scale, "n": (p["a"],)}

    @f.defjvp
    def rule(primals, tangents):
        (p, scale), (dp, dscale) = primals, tangents
        assert set(dp) == {"a", "b"}
        assert isinstance(dp["b"], list)
        return f(p, scale), {"y": dp["a"] + 10 * dp["b"][0] + 100 * dscale, "n": (dp["a"],)}

    p = {"a": cnp.float32(2), "b": [cnp.float32(3)]}
    assert float(f(p, 4.0)["y"]) == 24
    g, gscale = cotan.grad(lambda p, s: f(p, s)["y"], (0, 1))(p, 1.0)
    assert (float(g["a"]), float(g["b"][0]), float(gscale)) == (1, 10, 100)
    assert float(cotan.grad(lambda p: cotan.jit(f)(p, 1.0)["n"][0])(p)["a"]) == 1


def test_keywords_defaults_and_varargs_are_resolved_to_positions():
    seen = []

    def rule(primals, tangents):
        seen.append(len(primals))
        return primals[0] * primals[1], primals[1] * tangents[0]

    f = ruled(lambda x, y=2.0: x * y, rule)
    assert [
        float(cotan.grad(lambda x, g=g: g(x))(3.0)) for g in (f, lambda x: f(x, y=5.0), lambda x: f(y=7.0, x=x))
    ] == [2, 5, 7]
    many = ruled(lambda x, *rest: x * rest[0], rule)
    assert float(cotan.grad(lambda x: many(x, 4.0, 5.0))(3.0)) == 4
    assert seen == [2, 2, 2, 3]


def test_functools_partial():
    def product(x, y, *, scale=1.0):
        return x * y * scale

    f = ruled(functools.partial(product, 2.0, scale=5.0), lambda p, t: (p[0], 7 * t[0]))
    assert float(f(3.0)) == 30
    assert float(cotan.grad(f)(3.0)) == 7


def test_methods():
    class Model:
        weight = 3.0

        @functools.partial(cotan.custom_jvp, nondiff_argnums=(0,))
        def scaled(self, x):
            return self.weight * x

        @scaled.defjvp
        def _(self, primals, tangents):
            return self.scaled(*primals), 100 * self.weight * tangents[0]

        @staticmethod
        @cotan.custom_jvp
        def plain(x):
            return x

    Model.plain.defjvp(lambda p, t: (p[0], 5 * t[0]))
    model = Model()
    assert float(model.scaled(2.0)) == 6
    assert float(cotan.grad(model.scaled)(2.0)) == 300
    assert float(cotan.grad(cotan.jit(lambda x: model.scaled(x)))(2.0)) == 300
    assert float(cotan.grad(model.plain)(2.0)) == 5
    assert isinstance(Model.scaled, cotan.custom_jvp)


def test_name_documentation_and_signature_are_kept():
    @cotan.custom_jvp
    def smooth(x, y=1):
        """Says what it does."""
        return x

    assert (smooth.__name__, smooth.__doc__, smooth.__module__) == ("smooth", "Says what it does.", __name__)
    assert smooth.__wrapped__.__name__ == "smooth"
    assert "smooth" in repr(smooth)


def test_results_are_arrays():
    f = ruled(lambda x: 1.0, lambda p, t: (1.0, 0.0))
    assert isinstance(f(2.0), cotan.Array)
    assert float(cotan.grad(lambda x: f(x) * x)(2.0)) == 1


def test_defjvps():
    f = cotan.custom_jvp(lambda x, y, z: x * y + z)
    assert f.defjvps(lambda t, ans, x, y, z: 10 * t * y, None, lambda t, ans, x, y, z: t * ans) is None
    assert [float(g) for g in cotan.grad(f, (0, 1, 2))(2.0, 3.0, 4.0)] == [30, 0, 10]
    alone = cotan.custom_jvp(lambda x: {"a": x, "b": 2 * x})
    alone.defjvps(lambda t, ans, x: {"a": 3 * t, "b": 4 * t})
    assert float(cotan.grad(lambda x: alone(x)["b"])(1.0)) == 4


def test_nondiff_arguments_come_first_in_order_of_position():
    seen = []

    @functools.partial(cotan.custom_jvp, nondiff_argnums=(2, 0))
    def apply(fun, x, power):
        return fun(x) ** power

    @apply.defjvp
    def rule(fun, power, primals, tangents):
        seen.append((fun, power))
        return apply(fun, *primals, power), 10 * power * tangents[0]

    assert float(cotan.grad(apply, 1)(cnp.sin, 1.0, 2)) == 20
    assert seen == [(cnp.sin, 2)]
    assert float(cotan.jit(cotan.grad(lambda x: apply(cnp.sin, x, 3)))(1.0)) == 30
    named = cotan.custom_jvp(lambda x, mode: x, nondiff_argnames="mode")
    named.defjvp(lambda mode, p, t: (p[0], t[0] * len(mode)))
    assert float(cotan.grad(lambda x: named(x, mode="abc"))(1.0)) == 3


def test_traced_nondiff_arguments_are_constants():
    f = cotan.custom_jvp(lambda x, n: x * n["k"][0], nondiff_argnums=(1,))
    f.defjvp(lambda n, p, t: (p[0], 10 * t[0] * n["k"][0] * n["k"][1]))
    n = {"k": (3.0, 2)}
    for g in (f, cotan.jit(f), cotan.checkpoint(f)):
        slope, none = cotan.grad(lambda x, m, g=g: g(x, {"k": (m, 2.0)}), (0, 1))(2.0, 3.0)
        assert (float(slope), float(none)) == (60, 0)
        assert float(cotan.grad(g)(2.0, n)) == 60
        assert float(cotan.jit(cotan.grad(g))(2.0, n)) == 60
        mapped = cotan.vmap(cotan.grad(lambda x, m, g=g: g(x, {"k": (m, 2)})), (None, 0))
        np.testing.assert_array_equal(mapped(2.0, cnp.arange(3.0)), [0, 20, 40])
    # Only the rule reads the second part: it is known there all the same.
    later = cotan.grad(cotan.jit(lambda x, m: f(x, {"k": (1.0, m)})))
    assert float(later(2.0, 3.0)) == 30


def test_integer_arguments_and_results():
    @cotan.custom_jvp
    def f(x, n):
        return x * n, n + 1

    @f.defjvp
    def rule(primals, tangents):
        x, n = primals
        t, nothing = tangents
        assert nothing.dtype == cotan.float0
        return f(x, n), (5 * t, zero_from_primal(n + 1))

    (y, m), (t, none) = cotan.jvp(f, (2.0, 3), (1.0, np.zeros((), cotan.float0)))
    assert (float(y), int(m), float(t), none.dtype) == (6, 4, 5, cotan.float0)
    for g in (f, cotan.jit(f)):
        assert float(cotan.grad(lambda x, g=g: g(x, 3)[0])(2.0)) == 5
        assert float(cotan.vmap(cotan.grad(lambda x, g=g: g(x, 3)[0]))(cnp.ones(2))[1]) == 5


# ---- Zeros


def test_zero_tangents_are_arrays_unless_symbolic():
    seen = []

    def rule(primals, tangents):
        seen.append([type(t) is SymbolicZero for t in tangents])
        return primals[0] * primals[1], sum((t for t in tangents if type(t) is not SymbolicZero), start=0.0)

    plain = ruled(lambda x, y: x * y, rule)
    assert float(cotan.grad(plain)(2.0, 3.0)) == 1
    symbolic = ruled(lambda x, y: x * y, rule, symbolic_zeros=True)
    for f in (symbolic, cotan.jit(symbolic)):
        assert float(cotan.grad(f)(2.0, 3.0)) == 1
        assert float(cotan.vmap(cotan.grad(f, 1))(cnp.ones(2), cnp.ones(2))[0]) == 1
    assert seen == [[False, False], [False, True], [True, False], [False, True], [True, False]]


def test_symbolic_zeros_may_be_returned_and_know_their_type():
    def rule(primals, tangents):
        (x,) = primals
        zero = SymbolicZero.from_primal_value(x)
        assert (zero.shape, zero.dtype, zero.ndim, zero.size, zero.weak_type) == ((3,), np.float32, 1, 3, False)
        return (x, x), (tangents[0], zero)

    f = ruled(lambda x: (x, x), rule, symbolic_zeros=True)
    xs = cnp.arange(3.0)
    for g in (f, cotan.jit(f)):
        np.testing.assert_array_equal(cotan.grad(lambda x, g=g: (g(x)[0] + 5 * g(x)[1]).sum())(xs), np.ones(3))
    assert repr(zero_from_primal(2.0, symbolic_zeros=True)) == "SymbolicZero(~f32[])"
    np.testing.assert_array_equal(zero_from_primal(xs), np.zeros(3))
    zeros = zero_from_primal({"a": (xs, None), "n": 3})
    np.testing.assert_array_equal(zeros["a"][0], np.zeros(3))
    assert zeros["n"].dtype == cotan.float0
    assert repr(zero_from_primal((2.0, [xs]), symbolic_zeros=True)) == "(SymbolicZero(~f32[]), [SymbolicZero(f32[3])])"
    with pytest.raises(TypeError, match="a value of type str is not an array"):
        zero_from_primal([2.0, "a"])
    assert zero_from_primal(3).dtype == cotan.float0


# ---- Closures


def test_values_of_enclosing_transforms_may_be_closed_over():
    def scaled(y):
        return ruled(lambda x: x * y, lambda p, t: (p[0] * y, 10 * t[0] * y))

    ys = cnp.arange(3.0)
    np.testing.assert_array_equal(cotan.vmap(lambda y: scaled(y)(2.0))(ys), 2 * np.arange(3))
    np.testing.assert_array_equal(cotan.vmap(lambda y: cotan.grad(scaled(y))(2.0))(ys), 10 * np.arange(3))
    np.testing.assert_array_equal(cotan.vmap(lambda y: cotan.grad(cotan.jit(scaled(y)))(2.0))(ys), 10 * np.arange(3))
    np.testing.assert_array_equal(cotan.jit(cotan.vmap(lambda y: cotan.grad(scaled(y))(2.0)))(ys), 10 * np.arange(3))
    assert float(cotan.grad(lambda x: cotan.vmap(lambda y: scaled(y)(x))(ys).sum())(1.0)) == 30
    assert float(cotan.grad(cotan.jit(lambda x: cotan.vmap(lambda y: scaled(y)(x))(ys).sum()))(1.0)) == 30
    # What a jitted function is given is known to the rule of a function inside, though that is traced afterwards.
    assert float(cotan.grad(cotan.jit(lambda x, y: scaled(y)(x)))(1.0, 2.0)) == 20
    # The derivative with respect to what is closed over by an outer function is a derivative of the rule.
    assert float(cotan.grad(lambda y: cotan.grad(scaled(y))(2.0))(3.0)) == 10


def test_what_is_differentiated_may_not_be_closed_over():
    def bad(y):
        return ruled(lambda x: x * y, lambda p, t: (p[0] * y, t[0] * y))(2.0)

    message = "the custom_jvp function `<lambda>` closes over a value that is being differentiated.*as an argument"
    for f in (bad, cotan.jit(bad), lambda y: cotan.jit(lambda: bad(y))(), lambda y: cotan.vmap(bad)(y[None])[0]):
        with pytest.raises(cotan.errors.UnexpectedTracerError, match=message):
            cotan.grad(f)(X)
        with pytest.raises(cotan.errors.UnexpectedTracerError, match=message):
            cotan.jit(cotan.grad(f))(X)


def test_a_rule_traced_later_may_not_close_over_more_than_the_function():
    def f(x, y):
        return ruled(lambda x: x, lambda p, t: (p[0], t[0] * y))(x)

    assert float(cotan.grad(f)(1.0, 2.0)) == 2
    assert float(cotan.jit(cotan.grad(f))(1.0, 2.0)) == 2
    with pytest.raises(
        cotan.errors.UnexpectedTracerError, match="rule of the custom_jvp function `<lambda>` closes over"
    ):
        cotan.grad(cotan.jit(f))(1.0, 2.0)


# ---- Mapping


def test_results_that_do_not_vary_and_tangents_that_do():
    f = ruled(lambda x, y: x, lambda p, t: (p[0], t[0] * p[1]))  # the value is that of x alone, its slope is y
    ys = cnp.arange(3.0)
    for g in (f, cotan.jit(f)):
        np.testing.assert_array_equal(cotan.vmap(g, (None, 0))(2.0, ys), [2, 2, 2])
        total = cotan.grad(lambda x, g=g: cotan.vmap(g, (None, 0))(x, ys).sum())
        assert float(total(2.0)) == 3
        assert float(cotan.jit(total)(2.0)) == 3
    assert float(cotan.vmap(lambda x: f(2.0, 3.0), out_axes=None)(ys)) == 2


def test_axes_anywhere_and_nested():
    f = ruled(lambda x, y: (x @ y, x), lambda p, t: ((p[0] @ p[1], p[0]), (10 * (t[0] @ p[1]), t[0])))
    x, y = np.arange(24.0, dtype="f4").reshape(3, 2, 4), np.arange(12.0, dtype="f4").reshape(4, 3)
    for g in (f, cotan.jit(f)):
        mapped = cotan.vmap(g, (2, 0), (0, 2))
        out, same = mapped(x.transpose(2, 1, 0)[:, :, :].transpose(1, 2, 0), y)
        np.testing.assert_allclose(out, np.stack([x.transpose(1, 0, 2)[:, :, k] @ y[k] for k in range(4)]))
        assert same.shape == (2, 3, 4)
        both = cotan.vmap(cotan.vmap(lambda a, b, g=g: g(a, b)[0], (0, None)), (None, 1))
        np.testing.assert_allclose(both(x[:, 0], y), (x[:, 0] @ y).T)
        slope = cotan.grad(lambda a, both=both: both(a, y).sum())(x[:, 0])
        np.testing.assert_allclose(slope, np.broadcast_to(10 * y.sum(1), (3, 4)))


# ---- Zeros made arrays do no harm


def test_zeros_of_a_rule_reach_functions_without_forward_mode():
    f = ruled(lambda x: (x, 2 * x), lambda p, t: ((p[0], 2 * p[0]), (t[0], cnp.zeros_like(p[0]))))
    g = cotan.custom_vjp(lambda x: x * x)
    g.defvjp(lambda x: (x * x, x), lambda x, ct: (2 * ct * x,))

    def h(x):
        a, b = f(x)
        return 3 * a + g(b)

    for k in (h, cotan.jit(h), cotan.checkpoint(h), cotan.jit(cotan.checkpoint(h))):
        assert float(cotan.grad(k)(1.0)) == 3
        assert float(cotan.jit(cotan.grad(k))(1.0)) == 3


# ---- Tracing


def test_jit_traces_function_and_rule_once():
    counts = {"function": 0, "rule": 0}

    @cotan.custom_jvp
    def f(x):
        counts["function"] += 1
        return x * x

    @f.defjvp
    def rule(primals, tangents):
        counts["rule"] += 1
        return primals[0] ** 2, 2 * primals[0] * tangents[0]

    compiled = cotan.jit(f)
    for _ in range(3):
        compiled(X)
        cotan.grad(compiled)(X)
        cotan.jvp(compiled, (X,), (X,))
        cotan.vmap(cotan.grad(compiled))(X[None])
        cotan.grad(lambda x: cotan.vmap(compiled)(x[None])[0])(X)
    assert counts == {"function": 1, "rule": 1}


def test_staged_calls_show_function_and_rule():
    closed = cotan.make_jaxpr(cube())(X)
    (eqn,) = closed.eqns
    assert eqn.primitive is custom_jvp_call_p
    assert [e.primitive.name for e in eqn.params["call_jaxpr"].eqns] == ["integer_pow"]
    assert "custom_jvp_call" in str(closed)


# ---- Errors


def test_without_a_rule():
    f = cotan.custom_jvp(lambda x: x)
    with pytest.raises(AttributeError, match=r"test_custom_jvp.py:\d+.*custom_jvp of `<lambda>`.*defjvp"):
        f(1.0)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda p, t: p[0], "must return a pair \\(result, tangent of the result\\), got a"),
        (lambda p, t: (p[0], t[0], 0), "must return a pair .* got 3 values"),
        (lambda p, t: (p, t[0]), r"equal structure, got PyTreeDef\(\(\*,\)\) and PyTreeDef\(\*\)"),
        (lambda p, t: (p[0], None), "equal structure"),
        (lambda p, t: (p[0], cnp.ones(3)), r"tangent of type f32\[\] \(the tangent type of f32\[\]\), got f32\[3\]"),
        (lambda p, t: (p[0], t[0].astype(cnp.float16)), r"tangent of type f32\[\].* got f16\[\]"),
        (lambda p, t: (p[0], cnp.int32(1)), r"tangent of type f32\[\].* got i32\[\]"),
        (lambda p, t: (p[0], "a"), "got a str"),
        (lambda p, t: ("a", t[0]), "returned a str, which is not an array"),
    ],
)  # fmt: skip
def test_rules_that_return_something_else(rule, message):
    f = ruled(lambda x: x, rule)
    match = f"custom_jvp of `<lambda>`.*rule `<lambda>`.*{message}"
    with pytest.raises(TypeError, match=match):
        cotan.jvp(f, (X,), (X,))
    with pytest.raises(TypeError, match=match):
        cotan.grad(cotan.jit(f))(X)


def test_tangents_of_integers_are_float0():
    f = ruled(lambda x: x.astype(cnp.int32), lambda p, t: (p[0].astype(cnp.int32), t[0]))
    for g in (f, cotan.jit(f)):
        with pytest.raises(TypeError, match=r"tangent of type \S+ \(the tangent type of i32\[\]\), got f32\[\]"):
            cotan.jvp(g, (X,), (X,))


def test_rules_of_jitted_functions_must_return_what_the_function_does():
    f = ruled(lambda x: x, lambda p, t: ((p[0],), (t[0],)))
    with pytest.raises(TypeError, match=r"the function's own structure, PyTreeDef\(\*\), got PyTreeDef\(\(\*,\)\)"):
        cotan.grad(cotan.jit(f))(X)
    f = ruled(lambda x: x, lambda p, t: (cnp.ones(3), cnp.ones(3)))
    with pytest.raises(TypeError, match=r"what the function itself returns, f32\[\], got f32\[3\]"):
        cotan.grad(cotan.jit(f))(X)


def test_symbolic_zeros_of_another_type():
    f = ruled(lambda x: x, lambda p, t: (p[0], zero_from_primal(cnp.ones(2), True)), symbolic_zeros=True)
    with pytest.raises(TypeError, match=r"tangent of type f32\[\].*got SymbolicZero\(f32\[2\]\)"):
        cotan.jvp(f, (X,), (X,))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f(), r"custom_jvp of `f`: missing a required argument: 'x'"),
        (lambda f: f(1.0, z=2.0), r"custom_jvp of `f`: got an unexpected keyword argument 'z'"),
        (lambda f: f("a"), r"custom_jvp of `f`: argument `x` is a str, not an array"),
        (lambda f: f({"k": [1.0, None, object()]}), r"argument `x\['k'\]\[2\]` is an object"),
        (lambda f: f(1.0, k=2.0), "gives `k` by keyword"),
    ],
)
def test_calls_that_do_not_fit(call, message):
    @cotan.custom_jvp
    def f(x, y=1.0, *, k=0.0):
        return x

    f.defjvp(lambda p, t: (p[0], t[0]))
    with pytest.raises(TypeError, match=message):
        call(f)


def test_results_that_are_no_arrays():
    f = ruled(lambda x: {"a": "no"}, lambda p, t: (p[0], t[0]))
    with pytest.raises(TypeError, match=r"custom_jvp of `<lambda>`: the function returned a str at \['a'\]"):
        f(1.0)


def test_what_is_no_function():
    with pytest.raises(TypeError, match="custom_jvp takes a function to transform, got an int"):
        cotan.custom_jvp(3)
    f = cotan.custom_jvp(lambda x, y: x)
    with pytest.raises(TypeError, match="defjvp takes the rule, a function, got an int"):
        f.defjvp(3)
    with pytest.raises(TypeError, match="defjvps takes functions and None, got an int"):
        f.defjvps(3, None)
    f.defjvps(lambda t, ans, x, y: t)
    with pytest.raises(TypeError, match="defjvps was given 1 rules, but the function takes 2 arguments"):
        cotan.grad(f)(1.0, 2.0)
    with pytest.raises(TypeError, match="knows no nondiff_argnums"):
        cotan.custom_jvp(lambda x, n: x, nondiff_argnums=1).defjvps(None)


@pytest.mark.parametrize("options", [{"nondiff_argnums": 5}, {"nondiff_argnames": "nobody"}])
def test_nondiff_arguments_that_do_not_exist(options):
    with pytest.raises(ValueError, match=re.escape("custom_jvp(<lambda>)")):
        cotan.custom_jvp(lambda x: x, **options)


def test_functions_whose_signature_is_unknown():
    class Odd:
        __signature__ = "none"

        def __call__(self, x):
            return x

    f = ruled(Odd(), lambda p, t: (p[0], 3 * t[0]))
    assert float(cotan.grad(f)(1.0)) == 3
    with pytest.raises(TypeError, match="custom_jvp of `Odd`: the function's signature is not known"):
        f(x=1.0)


@pytest.mark.parametrize("wrap", [lambda f: f, cotan.jit])
def test_tangents_that_are_zero_are_arrays(wrap):
    seen = []

    def rule(primals, tangents):
        seen.extend(tangents)
        return primals[0] * primals[1], tangents[0] * primals[1]

    f = ruled(lambda x, y: x * y, rule)
    for y in (2.0, cnp.float32(2), np.float16(2)):
        assert float(wrap(cotan.grad(lambda x, y=y: f(x, y)))(1.0)) == 2
    assert len(seen) == 6
    assert all(isinstance(t, cotan.Array) for t in seen)
