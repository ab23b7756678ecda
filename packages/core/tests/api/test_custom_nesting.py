"""Custom rules inside and outside of every other transformation, two deep around them, and nothing kept alive."""

from __future__ import annotations

import gc
import itertools
import math
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.custom_batching import custom_vmap
from cotan.ir.trace import Tracer

Function = Callable[[Any], Any]


# ---- Rules for any function of a scalar: they say the truth


def by_custom_jvp(f: Function) -> Function:
    g = cotan.custom_jvp(f)
    g.defjvp(lambda primals, tangents: cotan.jvp(f, primals, tangents))
    return g


def by_custom_vjp(f: Function) -> Function:
    g = cotan.custom_vjp(f)
    g.defvjp(lambda x: cotan.vjp(f, x), lambda pull, ct: pull(ct))
    return g


def by_custom_vmap(f: Function) -> Function:
    g = custom_vmap(f)
    g.def_vmap(lambda size, in_batched, x: (cotan.vmap(f)(x), True))
    return g


class Transform(NamedTuple):
    """A transformation of functions of a scalar, and its mode of differentiation, or that it takes one away."""

    apply: Callable[[Function], Function]
    mode: str = ""


def _along(f: Function) -> Function:
    return lambda x: cotan.jvp(f, (x,), (cnp.ones_like(x),))[1]


TRANSFORMS = {
    "jit": Transform(cotan.jit),
    "vmap": Transform(lambda f: lambda x: cotan.vmap(f)(cnp.stack([x, 2 * x]))[0]),
    "vmap of a factor": Transform(lambda f: lambda x: cotan.vmap(lambda a, y: f(a * y), (None, 0))(x, cnp.ones(2))[1]),
    "checkpoint": Transform(cotan.checkpoint),
    "scan": Transform(lambda f: lambda x: lax.scan(lambda c, _: (c, f(c)), x, None, length=2)[1][1]),
    "cond": Transform(lambda f: lambda x: lax.cond(x > 0, f, lambda y: y, x)),
    "jvp": Transform(_along, "forward"),
    "linearize": Transform(lambda f: lambda x: cotan.linearize(f, x)[1](cnp.ones_like(x)), "forward"),
    "jacfwd": Transform(cotan.jacfwd, "forward"),
    "grad": Transform(cotan.grad, "reverse"),
    "vjp": Transform(lambda f: lambda x: cotan.vjp(f, x)[1](cnp.ones_like(x))[0], "reverse"),
    "jacrev": Transform(cotan.jacrev, "reverse"),
    "custom_jvp": Transform(by_custom_jvp),
    "custom_vjp": Transform(by_custom_vjp, "no forward"),
    "custom_vmap": Transform(by_custom_vmap),
}
X = 0.7


def derivative(order: int) -> float:
    """Of x sin x."""
    return X * math.sin(X + order * math.pi / 2) + order * math.sin(X + (order - 1) * math.pi / 2)


def documented(names: tuple[str, ...]) -> int | None:
    """How often the transformations differentiate; None if they ask for forward mode of a custom_vjp function."""
    order, forward = 0, True
    for name in names:
        mode = TRANSFORMS[name].mode
        if mode == "forward" and not forward:
            return None
        if mode in ("forward", "reverse"):
            order, forward = order + 1, True
        elif mode == "no forward":
            forward = False
    return order


def check(names: tuple[str, ...]) -> None:
    g: Function = lambda x: cnp.sin(x) * x  # noqa: E731
    for name in names:
        g = TRANSFORMS[name].apply(g)
    order = documented(names)
    if order is None:
        with pytest.raises(TypeError, match="forward-mode differentiation"):
            g(cnp.float32(X))
    else:
        assert float(g(cnp.float32(X))) == pytest.approx(derivative(order), rel=2e-4, abs=2e-5), names


@pytest.mark.parametrize("custom", ["custom_jvp", "custom_vjp", "custom_vmap"])
@pytest.mark.parametrize("other", TRANSFORMS)
def test_every_pair_and_what_is_around_it(custom, other):
    check((custom, other))
    check((other, custom))
    for third in TRANSFORMS:
        check((custom, other, third))


@pytest.mark.parametrize(
    "names",
    [
        ("jit", "custom_jvp", "jit", "grad", "vmap", "custom_jvp", "grad", "jit"),
        ("custom_vjp", "jit", "grad", "checkpoint", "custom_vjp", "vmap of a factor", "grad", "jit"),
        ("checkpoint", "custom_vjp", "scan", "vmap", "jit", "grad", "custom_jvp", "jvp"),
        ("custom_vmap", "custom_jvp", "cond", "checkpoint", "vmap", "grad", "scan", "jit", "jacfwd"),
        ("scan", "custom_vjp", "cond", "scan", "checkpoint", "grad", "vmap of a factor", "custom_vjp", "jacrev"),
        ("custom_jvp", "custom_vjp", "custom_vmap", "custom_jvp", "jit", "vmap"),
        ("vmap", "custom_vjp", "vmap of a factor", "grad", "vmap", "custom_vjp", "vmap of a factor", "grad"),
    ],
)
def test_deep(names):
    check(names)


def test_triples_with_a_custom_rule_in_the_middle():
    for custom in ("custom_jvp", "custom_vjp"):
        for first, last in itertools.product(("jit", "grad", "vmap", "checkpoint", "scan", "linearize"), repeat=2):
            check((first, custom, last))


# ---- Nothing is kept alive


def living(kind: type) -> list[Any]:
    gc.collect()
    return [x for x in gc.get_objects() if isinstance(x, kind)]


def test_no_tracer_outlives_its_call():
    f = by_custom_vjp(by_custom_jvp(lambda x: cnp.sin(x) * x))
    before = {id(x) for x in living(Tracer)}
    cotan.grad(f)(X)
    cotan.jit(cotan.grad(f))(X)
    cotan.vmap(cotan.grad(f))(cnp.ones(3))
    cotan.grad(lambda x: cotan.vmap(f)(x).sum())(cnp.ones(3))
    cotan.grad(cotan.jit(cotan.checkpoint(f)))(X)
    assert [x for x in living(Tracer) if id(x) not in before] == []


@pytest.mark.parametrize("custom", ["custom_jvp", "custom_vjp", "custom_vmap"])
def test_nothing_leaks(custom):
    with cotan.checking_leaks():
        for names in itertools.product(("jit", "vmap", "grad", "checkpoint", "scan"), repeat=2):
            check((custom, *names))
            check((names[0], custom, names[1]))


@pytest.mark.parametrize("wrap", [by_custom_jvp, by_custom_vjp, by_custom_vmap])
def test_functions_and_arrays_die_with_what_holds_them(wrap):
    held = cnp.arange(1000.0)
    seen = weakref.ref(held)

    def make(array):
        return cotan.jit(cotan.vmap(cotan.grad(cotan.jit(wrap(lambda x: (array * x).sum())))))

    f = make(held)
    np.testing.assert_allclose(f(cnp.ones(2)), [499500, 499500])
    function = weakref.ref(f)
    del f, held
    gc.collect()
    assert function() is None
    assert seen() is None


def test_threads_share_a_function():
    f = cotan.jit(by_custom_vjp(by_custom_jvp(lambda x: cnp.sin(x) * x)))
    found: list[float] = []

    def work() -> None:
        found.append(float(cotan.grad(f)(X)))
        found.append(float(cotan.vmap(cotan.grad(f))(cnp.full(2, X))[1]))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == pytest.approx([derivative(1)] * 16, rel=1e-5)
