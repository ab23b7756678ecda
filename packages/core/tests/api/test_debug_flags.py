"""debug_nans and debug_infs: the operation that made a bad value is named, with its line, however it was run."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import nn
from cotan.scipy import special, stats

X = np.asarray([1.0, -1.0, 2.0], np.float32)


def line_of(fun, text):
    """``test_debug_flags.py:<the line of fun that holds text>, in <fun>``."""
    lines, first = inspect.getsourcelines(fun)
    number = next(n for n, line in enumerate(lines, first) if text in line)
    return re.escape(f"test_debug_flags.py:{number}, in {fun.__name__}")


def inner(x):
    return cnp.log(x)


def masked(x):
    """Makes a NaN that nobody sees, then one that is seen."""
    y = cnp.where(x > 0, cnp.sqrt(x), 0)
    z = cotan.jit(inner)(x)
    return z * 2 + y


def test_eager_operations():
    with (
        cotan.debug_nans(),
        pytest.raises(FloatingPointError, match=line_of(masked, "cnp.where") + ": `sqrt` gave NaN"),
    ):
        masked(X)
    with cotan.debug_infs(), pytest.raises(FloatingPointError, match=r"`log` gave infinity \(cotan.config.debug_infs"):
        cnp.log(0.0)
    with cotan.debug_nans(), cotan.debug_infs(), pytest.raises(FloatingPointError, match="`div` gave infinity"):
        cnp.asarray(1.0) / 0.0


@pytest.mark.parametrize("options", [{}, {"donate_argnums": 0}])
def test_compiled_programs_name_the_operation_whose_value_is_seen(options):
    expected = line_of(inner, "cnp.log") + r": `log` gave NaN, in jit of `masked` \(cotan\.config\.debug_nans is on\)"
    f = cotan.jit(masked, **options)
    for x in (cnp.asarray(X), X):
        with cotan.debug_nans(), pytest.raises(FloatingPointError, match=expected):
            f(x)
    assert np.isnan(f(cnp.asarray(X))[1])
    with cotan.debug_nans():
        g = cotan.jit(lambda x: cnp.where(x > 0, cnp.sqrt(x), 0))
        np.testing.assert_array_equal(np.asarray(g(X))[:2], [1.0, 0.0])


def test_operands_that_were_bad_already():
    with cotan.debug_nans():
        with pytest.raises(FloatingPointError, match=r"`add` gave NaN of operands that held NaN already, in jit"):
            cotan.jit(lambda x: x + 1)(np.float32(np.nan))
        with pytest.raises(FloatingPointError, match=r"test_debug_flags\.py:\d+.*: jit of `<lambda>` gave NaN \("):
            cotan.jit(lambda x: x)(np.float32(np.nan))


def test_derivatives():
    with cotan.debug_nans():
        for fun in (lambda x: cnp.sqrt(x) * 0.0, cotan.jit(lambda x: cnp.sqrt(x) * 0.0)):
            with pytest.raises(FloatingPointError, match="`mul` gave NaN"):
                cotan.grad(fun)(0.0)
            with pytest.raises(FloatingPointError, match=r"`mul` gave NaN.* in jit of"):
                cotan.jit(cotan.grad(fun))(0.0)
    assert np.isnan(cotan.grad(lambda x: cnp.sqrt(x) * 0.0)(0.0))


def test_effects_happen_once():
    seen = []

    def f(x):
        cotan.debug.callback(seen.append, x)
        return cnp.log(x)

    with cotan.debug_nans(), pytest.raises(FloatingPointError, match=line_of(f, "cnp.log") + ": `log`"):
        cotan.jit(f)(X)
    assert len(seen) == 1

    def g(x):
        return cotan.experimental.io_callback(lambda x: (seen.append(x), np.log(-np.abs(x)))[1], x, x) + 1

    with (
        np.errstate(all="ignore"),
        cotan.debug_nans(),
        pytest.raises(FloatingPointError, match="cannot be found by running it again"),
    ):
        cotan.jit(g)(X)
    assert len(seen) == 2


def test_callbacks_are_checked():
    host = lambda x: np.full(3, np.nan, np.float32)  # noqa: E731
    for fun in (lambda x: cotan.pure_callback(host, x, x), cotan.jit(lambda x: cotan.pure_callback(host, x, x) + 1)):
        with cotan.debug_nans(), pytest.raises(FloatingPointError, match="`pure_callback` gave NaN"):
            fun(X)


def test_half_precision_complex_and_integers():
    with cotan.debug_nans(), cotan.debug_infs():
        for dtype in ("bfloat16", "float16", "complex64"):
            x = cnp.asarray([0.0, 1.0], dtype)
            assert x.sum() == 1
            with pytest.raises(FloatingPointError, match=r"gave (infinity|NaN)"):
                x / 0
        assert int(cnp.arange(3).max()) == 2


def test_flags_do_not_trace_again_and_hold_for_a_block():
    traced = []

    @cotan.jit
    def f(x):
        traced.append(x)
        return cnp.log(x)

    f(-1.0)
    with cotan.debug_nans(), pytest.raises(FloatingPointError):
        f(-1.0)
    assert np.isnan(f(-1.0))
    assert len(traced) == 1
    cotan.config.update("jax_debug_infs", True)
    try:
        with pytest.raises(FloatingPointError):
            f(0.0)
    finally:
        cotan.config.update("debug_infs", False)
    assert np.isinf(f(0.0))


def test_with_disable_jit_each_operation_is_checked():
    with cotan.disable_jit(), cotan.debug_nans():
        with pytest.raises(FloatingPointError, match=line_of(masked, "cnp.where") + ": `sqrt`"):
            cotan.jit(masked)(X)
        with pytest.raises(FloatingPointError, match="`log`"):
            cotan.grad(cotan.jit(lambda x: cnp.log(x)))(-1.0)


# ---- Loops and branches


def logs(xs):
    def step(total, x):
        return total + cnp.log(x), total

    return cotan.lax.scan(step, np.float32(0), xs)


@pytest.mark.parametrize(
    ("fun", "text"),
    [
        (logs, "`log` gave NaN, in step 1 of scan"),
        (lambda xs: cotan.lax.scan(lambda t, x: (t, cnp.log(x)), 0.0, xs, reverse=True), "in step 2 of scan"),
        (lambda xs: cotan.lax.fori_loop(0, 3, lambda i, t: cnp.log(cnp.asarray(xs)[i]) + t, 0.0), "in step 1 of scan"),
        (lambda xs: cotan.lax.while_loop(lambda t: t > -4, lambda t: t - 2 + cnp.log(t), 3.0), "in step 3 of while"),
        (lambda xs: cotan.lax.cond(xs[0] > 0, cnp.log, cnp.sin, xs), ": `log` gave NaN, in "),
        (cotan.jit(lambda xs: cotan.lax.cond(xs[0] > 0, cnp.log, cnp.sin, xs)), "in branch 1 of cond"),
        (lambda xs: cotan.lax.map(logs, cnp.stack([cnp.exp(xs), xs])), "in step 1 of scan, step 1 of scan"),
    ],
)
def test_steps_and_branches_are_named(fun, text):
    xs = np.asarray([1.0, -1.0, 2.0, 3.0], np.float32)
    assert any(np.isnan(x).any() for x in map(np.asarray, cotan.tree.leaves(fun(xs))))
    for run in (fun, cotan.jit(fun)):
        with cotan.debug_nans(), pytest.raises(FloatingPointError, match=r"test_debug_flags\.py:\d+") as error:
            run(xs)
        assert text in str(error.value)


def test_with_disable_jit_steps_run_in_python():
    with (
        cotan.disable_jit(),
        cotan.debug_nans(),
        pytest.raises(FloatingPointError, match=line_of(logs, "cnp.log").replace("logs", "step") + ": `log` gave NaN"),
    ):
        logs(np.asarray([1.0, -1.0], np.float32))


# ---- disable_jit

lax = cotan.lax
PROGRAMS = {
    "scan": lambda x: lax.scan(lambda c, x: (c + x, c * x), 0.0, x, reverse=True),
    "while": lambda x: lax.while_loop(lambda c: c[0] < 30, lambda c: c * 2, x),
    "fori": lambda x: lax.fori_loop(0, 3, lambda i, x: x * i, x),
    "cond": lambda x: lax.cond(x[0] > 0, cnp.sin, cnp.cos, x),
    "switch": lambda x: lax.switch(5, [cnp.sin, cnp.cos], x),
    "map": lambda x: lax.map(cnp.sin, x),
    "mapped cond": cotan.vmap(lambda x: lax.cond(x > 1.5, lambda x: x * 10, lambda x: -x, x)),
    "mapped while": cotan.vmap(lambda x: lax.while_loop(lambda c: c < 3, lambda c: c + 1, x)),
    "mapped scan": cotan.vmap(lambda x: lax.scan(lambda c, y: (c + y, c), x, cnp.ones(2))),
    "mapped jit": cotan.vmap(cotan.jit(cnp.sin)),
    "grad of scan": cotan.grad(lambda x: lax.scan(lambda c, x: (c + x, c * x), 0.0, x)[1].sum()),
    "jvp of while": lambda x: cotan.jvp(PROGRAMS["while"], (x,), (x,)),
    "checkpoint": cotan.grad(cotan.checkpoint(lambda x: cnp.sin(x).sum())),
    "hessian of jit": cotan.hessian(cotan.jit(lambda x: (x**3).sum())),
    "callback": cotan.jit(lambda x: cotan.pure_callback(np.sin, x, x)),
    "compiled ahead": lambda x: cotan.jit(lambda x: x * 2).lower(x).compile()(x),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_disable_jit_changes_no_values(name):
    x = cnp.asarray([1.0, 2.0, 3.0])
    expected = PROGRAMS[name](x)
    with cotan.disable_jit():
        found = PROGRAMS[name](x)
    for a, b in zip(cotan.tree.leaves(found), cotan.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-6)


def test_disable_jit_runs_python_with_known_values():
    def g(x):
        return x * 2 if float(cotan.lax.stop_gradient(x).sum()) > 0 else x

    def step(total, x):
        return (total + x if x > 1 else total), None

    with cotan.disable_jit():
        np.testing.assert_array_equal(cotan.grad(lambda x: cotan.jit(g)(x).sum())(cnp.ones(2)), [2, 2])
        assert float(lax.scan(step, 0.0, cnp.arange(4.0))[0]) == 5
        assert float(lax.while_loop(lambda c: bool(c < 5), lambda c: c + 2 if c > 0 else c + 1, 0)) == 5


# Functions of the library with values in between that are NaN, and operands for which the result is not.
UNSEEN = {
    "logaddexp": (cnp.logaddexp, (np.inf, np.inf), np.inf),
    "logaddexp2": (cnp.logaddexp2, (-np.inf, np.inf), np.inf),
    "hypot": (cnp.hypot, (np.inf, -np.inf), np.inf),
    "modf": (cnp.modf, (-np.inf,), (0.0, -np.inf)),
    "floor_divide": (cnp.floor_divide, (np.float32(1), np.float32(0)), np.inf),
    "//": (lambda x: cnp.asarray(x) // 0.0, (-1.0,), -np.inf),
    "xlogy": (special.xlogy, (0.0, -1.0), 0),
    "xlog1py": (special.xlog1py, (0.0, -2.0), 0),
    "rel_entr": (special.rel_entr, (0.0, 1.0), 0),
    "kl_div": (special.kl_div, (0.0, 1.0), 1),
    "comb": (special.comb, (5.0, 2.0), 10),
    "ndtri": (special.ndtri, (np.float32(1.0),), np.inf),
    "norm.ppf": (stats.norm.ppf, (np.float32(0.0),), -np.inf),
    "nanmean": (lambda x: cnp.nanmean(x, dtype=np.float32), (cnp.asarray([1.0, 3.0]),), 2),
    "hypot by name": (lambda x: cnp.linalg.norm(cnp.hypot(x, x)), (np.inf,), np.inf),
    "quantile": (lambda x: cnp.quantile(x, 0.5), (cnp.asarray([1.0, 3.0]),), 2),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_functions_of_the_library_count_as_one_operation(name):
    function, args, expected = UNSEEN[name]
    for call in (function, cotan.jit(function)):
        with cotan.debug_nans():
            found = call(*args)
        np.testing.assert_allclose(cotan.tree.leaves(found), cotan.tree.leaves(expected), rtol=1e-6)


SEEN = {
    "softmax": (nn.softmax, (np.float32([-np.inf, -np.inf]),), "sub"),
    "log_softmax": (nn.log_softmax, (np.float32([np.inf, 1]),), "sub"),
    "cholesky": (cnp.linalg.cholesky, (np.float32([[1, 2], [2, 1]]),), "cholesky"),
    "inv": (cnp.linalg.inv, (np.zeros((2, 2), np.float32),), "lu_solve"),
    "arccos": (cnp.arccos, (2.0,), "acos"),
    "corrcoef": (cnp.corrcoef, (np.zeros((2, 2), np.float32),), "div"),
    "xlogy": (special.xlogy, (1.0, -1.0), "log"),
}


@pytest.mark.parametrize("name", SEEN)
def test_what_they_made_names_the_operation_inside(name):
    function, args, operation = SEEN[name]
    for call, end in ((function, r" \("), (cotan.jit(function), ".* in jit of")):
        with (
            cotan.debug_nans(),
            pytest.raises(FloatingPointError, match=rf"test_debug_flags.*: `{operation}` gave NaN{end}"),
        ):
            call(*args)
        assert any(np.isnan(np.asarray(x)).any() for x in cotan.tree.leaves(call(*args)))


def test_a_function_that_calls_the_users_is_not_called_twice():
    calls = []

    def user(x):
        calls.append(1)
        return cnp.where(x > 0, cnp.log(x), 0)

    with cotan.debug_nans(), pytest.raises(FloatingPointError, match=line_of(user, "cnp.where") + ": `log` gave NaN"):
        cnp.apply_along_axis(user, 0, np.float32([-1.0]))
    assert len(calls) == 1


def test_infinities_in_between():
    with cotan.debug_infs():
        np.testing.assert_array_equal(cnp.logaddexp(-1e30, 1e30), np.float32(1e30))
        assert cnp.linalg.norm(np.float32([3, 4])) == 5
        with pytest.raises(FloatingPointError, match="`exp` gave infinity"):
            cnp.exp(1e4)
