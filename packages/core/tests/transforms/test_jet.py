"""Taylor mode: every primitive against nested forward mode, composed functions against published coefficients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mpmath
import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import dtypes, lax
from cotan.experimental import jet as jet_module
from cotan.experimental.jet import jet
from cotan.ir import primitive as tables
from cotan.ir.primitive import Primitive
from cotan.testing.operators.table import Operator, Sample, load
from cotan.transforms.jet import along_the_curve, jet_flat, zero_term

ORDER = 4


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with cotan.enable_x64(True):
        yield


def nested(function: Callable[[Any], list[Any]], order: int = ORDER) -> list[list[Any]]:
    """For each result its derivatives at 0, of orders 0 to ``order``, by forward mode over itself."""

    def derivatives(order: int) -> Callable[[Any], list[list[Any]]]:
        if order == 0:
            return lambda t: [[x] for x in function(t)]
        lower = derivatives(order - 1)

        def with_next(t: Any) -> list[list[Any]]:
            rows, moved = cotan.jvp(lower, (t,), (1.0,))
            return [[*row, change[-1]] for row, change in zip(rows, moved, strict=True)]

        return with_next

    return derivatives(order)(0.0)


def along(x: Any, terms: Sequence[Any], t: Any) -> Any:
    """The curve with value ``x`` and derivatives ``terms`` at t = 0."""
    for k, term in enumerate(terms, 1):
        x = x + term * (t**k / math.factorial(k))
    return x


def is_inexact(x: Any) -> bool:
    return bool(dtypes.issubdtype(np.asarray(x).dtype, np.inexact))


def directions(args: Sequence[Any]) -> list[list[Any] | None]:
    """Terms for every operand that has derivatives; None for the others."""
    rng = np.random.default_rng(7)
    return [
        [rng.uniform(-1, 1, np.shape(x)).astype(np.asarray(x).dtype) for _ in range(ORDER)] if is_inexact(x) else None
        for x in args
    ]


def bound(primitive: Primitive, params: dict[str, Any]) -> Callable[..., list[Any]]:
    def function(*args: Any) -> list[Any]:
        out = primitive.bind(*args, **params)
        return list(out) if primitive.multiple_results else [out]

    return function


def check(op: Operator, sample: Sample, take: Callable[[Sequence[Any], list[list[Any]]], Any]) -> None:
    """``take(args, series)`` gives values and terms; compare them with nested jvp."""
    terms = directions(sample.args)
    args = [cnp.asarray(x) for x in sample.args]
    outs, found = take(args, [row or [zero_term] * ORDER for row in terms])

    def function(t: Any) -> list[Any]:
        return bound(op.primitive, sample.params)(
            *(x if row is None else along(x, row, t) for x, row in zip(args, terms, strict=True))
        )

    for k, wanted in enumerate(nested(function)):
        if not is_inexact(outs[k]):
            assert all(t is zero_term for t in found[k])
            continue
        got = [outs[k], *(np.zeros(np.shape(outs[k])) if t is zero_term else t for t in found[k])]
        for order, (a, b) in enumerate(zip(got, wanted, strict=True)):
            assert (a.shape, a.dtype) == (b.shape, b.dtype), f"{op.primitive} {sample}: order {order}"
            scale = max(1.0, float(np.max(np.abs(np.asarray(b)), initial=0)))
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9 * scale, err_msg=f"{op.primitive} {sample}: {order}")


OPERATORS = [pytest.param(op, id=p.name) for p, op in load().items() if op.grads and p in tables.jvp]


@pytest.mark.parametrize("op", OPERATORS)
def test_terms_of_every_primitive_are_those_of_nested_jvp(op: Operator) -> None:
    for sample in op.grads[:6]:
        check(op, sample, lambda args, s, sample=sample: jet_flat(bound(op.primitive, sample.params), args, s, ORDER))


@pytest.mark.parametrize("op", OPERATORS)
def test_the_general_rule_agrees_too(op: Operator) -> None:
    """Of a primitive without a jet rule, the jvp rule along the curve gives the terms."""
    sample = op.grads[0]

    def take(args: Sequence[Any], series: list[list[Any]]) -> Any:
        outs, found = along_the_curve(op.primitive, args, series, sample.params)
        if not op.primitive.multiple_results:
            outs, found = [outs], [found]
        return outs, [[zero_term] * ORDER if row is jet_module.zero_series else row for row in found]

    check(op, sample, take)


@pytest.mark.parametrize("op", OPERATORS)
def test_terms_of_one_operand_alone(op: Operator) -> None:
    """Operands that stand still, and terms that vanish, cost nothing and change nothing."""
    sample = op.grads[0]
    inexact = [k for k, x in enumerate(sample.args) if is_inexact(x)]
    for moving in inexact:
        terms = directions(sample.args)[moving]
        assert terms is not None
        some = [terms[0], zero_term, terms[2], zero_term]
        given = [some if k == moving else [zero_term] * ORDER for k in range(len(sample.args))]
        full = [
            None if not is_inexact(x) else [np.zeros_like(x) if t is zero_term else t for t in row]
            for x, row in zip(sample.args, given, strict=True)
        ]
        args = [cnp.asarray(x) for x in sample.args]
        run = bound(op.primitive, sample.params)
        _, found = jet_flat(run, args, given, ORDER)
        _, wanted = jet_flat(run, args, [row or [zero_term] * ORDER for row in full], ORDER)
        for row, other in zip(found, wanted, strict=True):
            for a, b in zip(row, other, strict=True):
                np.testing.assert_allclose(
                    0.0 if a is zero_term else a, 0.0 if b is zero_term else b, rtol=1e-9, atol=1e-12
                )


# ---- Published coefficients: mpmath's Taylor series

SERIES = {
    "exp(sin)": (lambda x: cnp.exp(cnp.sin(x)), lambda x: mpmath.exp(mpmath.sin(x)), 0.3),
    "normal pdf": (
        lambda x: cnp.exp(-0.5 * x**2) / math.sqrt(2 * math.pi),
        lambda x: mpmath.npdf(x),
        0.7,
    ),
    "softplus": (lambda x: cnp.logaddexp(x, 0.0), lambda x: mpmath.log(1 + mpmath.exp(x)), -0.4),
    "tanh of a polynomial": (
        lambda x: cnp.tanh(1 + 2 * x - x**3),
        lambda x: mpmath.tanh(1 + 2 * x - x**3),
        0.2,
    ),
    "x**x": (lambda x: x**x, lambda x: x**x, 1.3),
    "arctan of a quotient": (
        lambda x: cnp.arctan((1 + x) / (2 - x)),
        lambda x: mpmath.atan((1 + x) / (2 - x)),
        0.5,
    ),
    "erf and gamma": (
        lambda x: cotan.scipy.special.erf(x) * cotan.scipy.special.gammaln(x),
        lambda x: mpmath.erf(x) * mpmath.loggamma(x),
        1.7,
    ),
    "roots": (lambda x: cnp.sqrt(x) + cnp.cbrt(x) + lax.rsqrt(x), lambda x: x**0.5 + mpmath.cbrt(x) + x**-0.5, 2.5),
}


@pytest.mark.parametrize("name", SERIES)
def test_coefficients_are_those_of_mpmath(name: str) -> None:
    function, oracle, x = SERIES[name]
    order = 10
    with mpmath.workdps(40):
        wanted = [float(c) for c in mpmath.taylor(oracle, mpmath.mpf(x), order)]
    y, terms = jet(function, (x,), ((1.0, *[0.0] * (order - 1)),), factorial_scaled=False)
    np.testing.assert_allclose([y, *terms], wanted, rtol=1e-9, atol=1e-12)
    y, terms = jet(function, (x,), ((1.0, *[0.0] * (order - 1)),))
    np.testing.assert_allclose([y, *terms], [c * math.factorial(k) for k, c in enumerate(wanted)], rtol=1e-9, atol=1e-9)


# ---- Composed functions, and jet under the other transforms


def softmax(x: Any) -> Any:
    e = cnp.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@cotan.custom_jvp
def softened(x: Any) -> Any:
    """log(1 + exp(x)), with a rule of its own."""
    return cnp.log(1 + cnp.exp(x))


@softened.defjvp
def _softened_rule(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    return softened(x), t / (1 + cnp.exp(-x))


WEIGHTS = [np.random.default_rng(k).normal(size=s) for k, s in enumerate([(3, 5), (5, 5), (5, 2)])]


def mlp(x: Any) -> Any:
    for w in WEIGHTS[:-1]:
        x = cnp.tanh(x @ w)
    return softmax(x @ WEIGHTS[-1])


def pendulum(x: Any) -> Any:
    return cnp.stack([x[1], -cnp.sin(x[0]) - 0.1 * x[1], x[2] * x[0]])


COMPOSED = {
    "mlp": mlp,
    "softmax": softmax,
    "pendulum": pendulum,
    "where, sort, products": lambda x: cnp.where(x > 0, cnp.sin(x), x**2) + cnp.cumprod(cnp.sort(x))[::-1] * x[1],
    "indices": lambda x: x[::-1].at[0].multiply(x[1]) + x[cnp.array([2, 0, 0])],
    "jit within": cotan.jit(lambda x: cnp.exp(cotan.jit(cnp.sin)(x) * 2) / (1 + x**2)),
    "checkpoint within": cotan.checkpoint(lambda x: cnp.sin(cnp.exp(x)) * x),
    "grad within": lambda x: cotan.grad(lambda y: (cnp.sin(y) * y**2).sum())(x),
    "vmap within": lambda x: cotan.vmap(lambda y: cnp.exp(y) * cnp.sum(x))(x),
    "two results": lambda x: (cnp.sin(x), {"b": cnp.exp(x) * x[0]}),
    "scan": lambda x: lax.scan(lambda c, w: (cnp.tanh(c * w + x.sum()), c * 2), 0.0, x),
    "scan backwards": lambda x: lax.scan(lambda c, w: (c * w, cnp.sin(c)), x, cnp.arange(1.0, 4.0), reverse=True),
    "fori_loop": lambda x: lax.fori_loop(0, 4, lambda i, c: cnp.sin(c) + i, x),
    "while_loop": lambda x: lax.while_loop(
        lambda s: s[0] < 5, lambda s: (s[0] + 1, s[1] * cnp.cos(s[2]), s[1]), (0, x, x * x)
    )[1:],
    "cond": lambda x: lax.cond(x[0] > 0, lambda y: (cnp.sin(y), cnp.ones(3)), lambda y: (cnp.ones(3), cnp.exp(y)), x),
    "switch": lambda x: lax.switch(1, [cnp.sin, cnp.exp, cnp.cos], x),
    "map": lambda x: lax.map(lambda y: cnp.exp(y) * y, x),
    "custom_jvp": lambda x: softened(x) * x,
}
X = np.array([0.3, -0.7, 1.1])
DIRECTIONS = [np.random.default_rng(k).normal(size=3) for k in range(ORDER)]


def compare(found: tuple[Any, Any], function: Callable[[Any], Any]) -> None:
    out, terms = found
    rows = nested(lambda t: cotan.tree.leaves(function(along(X, DIRECTIONS, t))))
    flat = cotan.tree.leaves(cotan.tree.map(lambda y, row: [y, *row], out, terms))
    np.testing.assert_allclose(np.concatenate([np.ravel(x) for row in rows for x in row]),
                               np.concatenate([np.ravel(x) for x in flat]), rtol=1e-7, atol=1e-9)  # fmt: skip


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions(name: str) -> None:
    function = COMPOSED[name]
    compare(jet(function, (X,), (DIRECTIONS,)), function)


@pytest.mark.parametrize("name", COMPOSED)
def test_under_jit(name: str) -> None:
    function = COMPOSED[name]
    compare(cotan.jit(lambda x, s: jet(function, (x,), (s,)))(X, DIRECTIONS), function)


@pytest.mark.parametrize("name", COMPOSED)
def test_under_vmap(name: str) -> None:
    function = COMPOSED[name]
    scales = np.array([1.0, 0.5, 2.0])
    out = cotan.vmap(lambda s: jet(function, (X * s,), (DIRECTIONS,)))(scales)
    for k, s in enumerate(scales):
        one = jet(function, (X * s,), (DIRECTIONS,))
        for a, b in zip(cotan.tree.leaves(out), cotan.tree.leaves(one), strict=True):
            np.testing.assert_allclose(a[k], b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in COMPOSED if name != "while_loop"])
def test_under_grad(name: str) -> None:
    """The slope of a sum of terms, against differences."""
    function = COMPOSED[name]

    def total(x: Any) -> Any:
        return sum(cnp.sum(y) for y in cotan.tree.leaves(jet(function, (x,), (DIRECTIONS,))))

    slope = cotan.grad(total)(X)
    h = 1e-5
    for k in range(3):
        step = np.eye(3)[k] * h
        wanted = (total(X + step) - total(X - step)) / (2 * h)
        np.testing.assert_allclose(slope[k], wanted, rtol=1e-5, atol=1e-5)


def test_reverse_mode_ends_at_a_while_loop() -> None:
    function = COMPOSED["while_loop"]
    with pytest.raises(ValueError, match=r"reverse-mode differentiation .* cannot go back through a while_loop"):
        cotan.grad(lambda x: jet(function, (x,), (DIRECTIONS,))[0][0].sum())(X)


def test_functions_with_a_rule_for_reverse_mode_are_followed_through() -> None:
    """custom_vjp gives no derivatives along a curve: those of the function itself are taken."""
    function = cotan.custom_vjp(lambda x: cnp.sin(x) * x)
    function.defvjp(lambda x: (function(x), None), lambda residual, ct: (ct * 0,))
    for run in (function, cotan.jit(function)):
        _, (d1, d2) = jet(run, (0.5,), ((1.0, 0.0),))
        assert float(d1) == pytest.approx(0.5 * math.cos(0.5) + math.sin(0.5))
        assert float(d2) == pytest.approx(2 * math.cos(0.5) - 0.5 * math.sin(0.5))


def test_of_jet() -> None:
    """d/ds of (d/dt)**2 of sin(s t) at t = 1, s = 2, is a jet of a jet."""

    def second(s: Any) -> Any:
        return jet(lambda t: cnp.sin(s * t), (1.0,), ((1.0, 0.0),))[1][1]

    y, (d1, d2) = jet(second, (2.0,), ((1.0, 0.0),))
    s = 2.0
    assert float(y) == pytest.approx(-s * s * math.sin(s))
    assert float(d1) == pytest.approx(-2 * s * math.sin(s) - s * s * math.cos(s))
    assert float(d2) == pytest.approx(-2 * math.sin(s) - 4 * s * math.cos(s) + s * s * math.sin(s))


def test_of_jvp_and_in_jvp() -> None:
    y, (d1, d2) = jet(lambda x: cotan.jvp(cnp.sin, (x,), (x,))[1], (0.4,), ((1.0, 0.0),))
    assert float(y) == pytest.approx(0.4 * math.cos(0.4))
    assert float(d1) == pytest.approx(math.cos(0.4) - 0.4 * math.sin(0.4))
    assert float(d2) == pytest.approx(-2 * math.sin(0.4) - 0.4 * math.cos(0.4))
    out, moved = cotan.jvp(lambda x: jet(cnp.sin, (x,), ((1.0, 0.0),))[1][1], (0.4,), (1.0,))
    assert float(out) == pytest.approx(-math.sin(0.4))
    assert float(moved) == pytest.approx(-math.cos(0.4))


def test_python_control_flow_sees_values() -> None:
    def function(x: Any) -> Any:
        return cnp.sin(x) if x > 0 else cnp.cos(x)

    assert float(jet(function, (1.0,), ((1.0,),))[1][0]) == pytest.approx(math.cos(1.0))
    assert float(jet(function, (-1.0,), ((1.0,),))[1][0]) == pytest.approx(math.sin(1.0))


def test_powers_at_zero() -> None:
    for function in (lambda x: x**3, lambda x: lax.pow(x, 3.0), lambda x: lax.pow(x, np.int32(3))):
        y, terms = jet(function, (0.0,), ((1.0, 0.0, 0.0, 0.0),))
        assert [float(y), *map(float, terms)] == [0.0, 0.0, 0.0, 6.0, 0.0]


def test_complex_numbers() -> None:
    z = 0.3 + 0.8j
    y, terms = jet(lambda z: cnp.exp(z) / z, (z,), ((1.0, 0.0, 0.0),), factorial_scaled=False)
    with mpmath.workdps(30):
        wanted = [complex(c) for c in mpmath.taylor(lambda x: mpmath.exp(x) / x, mpmath.mpc(z), 3)]
    np.testing.assert_allclose([y, *terms], wanted, rtol=1e-8)


def test_single_precision_keeps_its_dtype() -> None:
    y, terms = jet(lambda x: cnp.tanh(x) ** 2 / (1 + x), (np.float32([0.5, 1.0]),), ((np.float32([1, 1]), 0.0),))
    assert [y.dtype, *(t.dtype for t in terms)] == [np.float32] * 3


def test_results_without_derivatives() -> None:
    y, terms = jet(lambda x: (cnp.floor(x).astype(int), 2.0), (1.5,), ((1.0, 0.0),))
    assert [int(y[0]), *map(int, terms[0])] == [1, 0, 0]
    assert terms[0][0].dtype == y[0].dtype
    assert [float(t) for t in terms[1]] == [0.0, 0.0]


def test_order_zero_and_order_one() -> None:
    assert jet(cnp.sin, (0.0,), ((),)) == (0.0, [])
    y, (d,) = jet(cnp.sin, (0.0,), ((2.0,),))
    assert (float(y), float(d)) == (0.0, 2.0)


# ---- Messages


def test_terms_must_match() -> None:
    with pytest.raises(ValueError, match=r"jet of `sin`: all series must have the same number of terms, got 1, 2\. F"):
        jet(cnp.sin, (1.0, 2.0), ((1.0,), (1.0, 0.0)))
    with pytest.raises(ValueError, match="one series for each primal, got 2 and 1"):
        jet(cnp.add, (1.0, 2.0), ((1.0,),))
    with pytest.raises(ValueError, match=r"term 1 for argument 0 has shape \(3,\), but the argument has shape \(2,\)"):
        jet(cnp.sin, (np.ones(2),), ((np.ones(2), np.ones(3)),))
    with pytest.raises(TypeError, match="term 0 for argument 0 has dtype f64, but the argument has dtype f32"):
        jet(cnp.sin, (np.ones(2, np.float32),), ((np.ones(2),),))
    with pytest.raises(ValueError, match="term 0 for argument 0 is a list, not an array"):
        jet(cnp.sin, (1.0,), (([1.0],),))


def test_arguments_must_have_derivatives() -> None:
    with pytest.raises(ValueError, match=r"primal value at position 0 is a dict, not an array\. Give every array"):
        jet(lambda d: d["x"], ({"x": 1.0},), ((1.0,),))
    with pytest.raises(TypeError, match="primal value at position 0 has dtype i32, but derivatives exist for"):
        jet(cnp.sin, (np.arange(3, dtype=np.int32),), ((1.0,),))
    with pytest.raises(TypeError, match="the function returned a str as its result"):
        jet(lambda x: "no", (1.0,), ((1.0,),))


# ---- Rules for primitives of third parties


def test_definers_give_rules() -> None:
    made: list[Primitive] = []

    def primitive(name: str, function: Callable[..., Any]) -> Primitive:
        p = Primitive(f"test_jet_{name}")
        made.append(p)
        tables.abstract[p] = lambda x: x
        tables.reference[p] = function
        tables.decompose[p] = lambda x: x
        return p

    try:
        cube, half, step, wave = (
            primitive(name, f)
            for name, f in (("cube", lambda x: x**3), ("half", lambda x: x / 2), ("step", np.floor), ("wave", np.sin))
        )
        jet_module.def_comp(cube, lambda x: x * x * x)
        jet_module.deflinear(half)
        jet_module.defzero(step)
        jet_module.def_deriv(wave, cnp.cos)
        direction = ((1.0, 0.0, 0.0),)
        assert [float(t) for t in jet(cube.bind, (2.0,), direction)[1]] == [12.0, 12.0, 6.0]
        assert [float(t) for t in jet(half.bind, (2.0,), direction)[1]] == [0.5, 0.0, 0.0]
        assert [float(t) for t in jet(step.bind, (2.5,), direction)[1]] == [0.0, 0.0, 0.0]
        wanted = [math.cos(2.0), -math.sin(2.0), -math.cos(2.0)]
        assert [float(t) for t in jet(wave.bind, (2.0,), direction)[1]] == pytest.approx(wanted)
        coefficients = [1.0, 0.0, 0.0]
        y, terms = jet_module.deriv_prop(wave, cnp.cos, [2.0], [coefficients])
        assert [float(t) for t in terms] == pytest.approx([w / math.factorial(k) for k, w in enumerate(wanted, 1)])
        assert float(y) == pytest.approx(math.sin(2.0))
        assert jet_module.zero_prop(step, [2.5], [coefficients])[1] is jet_module.zero_series
        assert [float(t) for t in jet_module.linear_prop(half, [2.0], [[3.0, 4.0]])[1]] == [1.5, 2.0]
    finally:
        for p in made:
            del Primitive.catalogue[p.name]
            for table in (tables.abstract, tables.reference, tables.decompose, tables.jet):
                table.pop(p, None)


def test_factorials() -> None:
    assert float(jet_module.fact(6)) == 720.0
    np.testing.assert_array_equal(jet_module.fact(np.arange(5)), [1, 1, 2, 6, 24])
