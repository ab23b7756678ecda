"""Transforms compose in any order and depth, and keep nothing alive."""

from __future__ import annotations

import gc
import itertools
import math
import weakref

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

# Each takes a function of a scalar to one of a scalar; the number says how often it differentiates.
TRANSFORMS = {
    "jit": (cotan.jit, 0),
    "grad": (cotan.grad, 1),
    "jvp": (lambda f: lambda x: cotan.jvp(f, (x,), (cnp.ones_like(x),))[1], 1),
    "linearize": (lambda f: lambda x: cotan.linearize(f, x)[1](cnp.ones_like(x)), 1),
    "vmap": (lambda f: lambda x: cotan.vmap(f)(cnp.stack([x, 2 * x]))[0], 0),
    "vmap back": (lambda f: lambda x: cotan.vmap(lambda a, y: f(a * y), (None, 0))(x, cnp.ones(2))[1], 0),
    "checkpoint": (cotan.checkpoint, 0),
}
X = 0.7


def f(x):
    return cnp.sin(x) * x


def derivative(order: int) -> float:
    """Of x sin x."""
    return X * math.sin(X + order * math.pi / 2) + order * math.sin(X + (order - 1) * math.pi / 2)


@pytest.mark.parametrize("first", TRANSFORMS)
def test_any_three(first):
    for rest in itertools.product(TRANSFORMS, repeat=2):
        g, order = f, 0
        for name in (first, *rest):
            transform, times = TRANSFORMS[name]
            g, order = transform(g), order + times
        assert float(g(cnp.float32(X))) == pytest.approx(derivative(order), rel=2e-4), (first, *rest)


@pytest.mark.parametrize(
    "names",
    [
        ("jit", "grad", "jit", "vmap", "grad", "jit"),
        ("checkpoint", "jit", "grad", "checkpoint", "jvp", "jit", "vmap"),
        ("grad", "vmap", "jit", "linearize", "checkpoint", "vmap back", "grad"),
        ("vmap", "vmap back", "jit", "jvp", "jvp", "grad", "jit"),
        ("jit", "jit", "checkpoint", "checkpoint", "grad", "grad", "grad"),
    ],
)
def test_deep(names):
    g, order = f, 0
    for name in names:
        transform, times = TRANSFORMS[name]
        g, order = transform(g), order + times
    assert float(g(cnp.float32(X))) == pytest.approx(derivative(order), rel=1e-3)


def test_closures_across_levels():
    @cotan.jit
    def outer(a, xs):
        def middle(x):
            inner = cotan.checkpoint(cotan.jit(lambda y: cnp.sin(y * a) * x))
            return cotan.grad(inner)(x)

        return cotan.vmap(middle)(xs).sum()

    a, xs = cnp.float32(1.5), cnp.linspace(0.1, 1.0, 4)
    x = np.asarray(xs)
    expected = (1.5 * np.cos(1.5 * x) * x).sum()
    assert float(outer(a, xs)) == pytest.approx(expected, rel=1e-5)
    by_a = (np.cos(1.5 * x) * x - 1.5 * x * np.sin(1.5 * x) * x).sum()
    assert float(cotan.grad(outer)(a, xs)) == pytest.approx(by_a, rel=1e-5)


def test_intermediate_values_are_freed_without_the_collector():
    kept = []

    def loss(w):
        y = cnp.sin(w)
        kept.append(weakref.ref(y.primal))
        return (y * y).sum()

    gc.collect()
    gc.disable()
    try:
        cotan.grad(loss)(cnp.ones(10))
        cotan.jvp(loss, (cnp.ones(10),), (cnp.ones(10),))
        assert [r() for r in kept] == [None, None]
    finally:
        gc.enable()
