"""Effects inside of functions with rules: they happen where the function or the rule runs, and where it is chosen."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import debug, lax
from cotan.custom_batching import custom_vmap
from cotan.custom_derivatives import linear_call

XS = cnp.arange(3.0)


def noting(seen, what):
    """Twice x, and a note of what happened, with its value."""

    def function(x):
        debug.callback(lambda value: seen.append((what, float(value))), x)
        return 2 * x

    return function


def by_custom_jvp(seen):
    f = cotan.custom_jvp(noting(seen, "f"))
    f.defjvp(lambda p, t: (noting(seen, "rule")(p[0]), 2 * t[0]))
    return f


def by_custom_vjp(seen):
    f = cotan.custom_vjp(noting(seen, "f"))
    f.defvjp(
        lambda x: (noting(seen, "forward")(x), x), lambda x, ct: (ct + 0 * x + noting(seen, "backward")(x) * 0 + ct,)
    )
    return f


def by_custom_vmap(seen):
    f = custom_vmap(noting(seen, "f"))
    f.def_vmap(lambda size, b, x: (2 * x, True))
    return f


def by_linear_call(seen):
    return lambda x: linear_call(
        lambda r, x: noting(seen, "f")(r) * 0 + 2 * x, lambda r, ct: noting(seen, "backward")(r) * 0 + 2 * ct, 7.0, x
    )


def by_custom_linear_solve(seen):
    def solve(_, b):
        return noting(seen, "f")(b)

    return lambda x: lax.custom_linear_solve(lambda y: y / 2, x, solve, symmetric=True)


KINDS = [by_custom_jvp, by_custom_vjp, by_custom_vmap, by_linear_call, by_custom_linear_solve]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrap", [lambda f: f, cotan.jit, cotan.checkpoint], ids=["eager", "jit", "checkpoint"])
def test_effects_happen_once_with_each_run(kind, wrap):
    seen: list[tuple[str, float]] = []
    f = wrap(kind(seen))
    assert float(f(3.0)) == 6
    cotan.effects_barrier()
    assert [what for what, _ in seen] == ["f"]
    seen.clear()
    assert float(cotan.grad(f)(3.0)) == 2
    cotan.effects_barrier()
    forward = {by_custom_jvp: "rule", by_custom_vjp: "forward"}.get(kind, "f")
    backward = {by_custom_vjp: ["backward"], by_linear_call: ["backward"], by_custom_linear_solve: ["f"]}.get(kind, [])
    assert [what for what, _ in seen] == [forward, *backward]


@pytest.mark.parametrize("kind", [by_custom_jvp, by_custom_vjp, by_linear_call, by_custom_linear_solve])
def test_effects_follow_the_branch_that_each_example_takes(kind):
    seen: list[tuple[str, float]] = []
    f = kind(seen)

    def chosen(x):
        return lax.cond(x > 0, f, lambda y: y, x)

    np.testing.assert_array_equal(cotan.vmap(chosen)(XS), [0, 2, 4])
    cotan.effects_barrier()
    assert [what for what, _ in seen] == ["f", "f"]
    if kind is not by_linear_call:
        assert sorted(value for _, value in seen) == [1, 2]
    seen.clear()
    np.testing.assert_array_equal(cotan.vmap(cotan.grad(chosen))(XS), [1, 2, 2])
    cotan.effects_barrier()
    backward = {by_custom_vjp: ["backward"], by_linear_call: ["backward"], by_custom_linear_solve: ["f"]}.get(kind, [])
    forward = {by_custom_jvp: "rule", by_custom_vjp: "forward"}.get(kind, "f")
    assert sorted(what for what, _ in seen) == sorted([forward, *backward] * 2)


def test_a_function_that_is_the_same_for_all_examples_in_a_branch():
    seen: list[tuple[str, float]] = []
    f = by_custom_vmap(seen)
    out = cotan.vmap(lambda x: lax.cond(x > 0, lambda: f(5.0), lambda: 0.0))(XS)
    np.testing.assert_array_equal(out, [0, 10, 10])
    cotan.effects_barrier()
    assert seen == [("f", 5.0)] * 2
