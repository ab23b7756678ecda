"""Functions with loops and branches, of one float array of shape (3,), for the tests of transforms.

Each is written once, with ``cotan.lax``; under ``disable_jit`` the same code runs as plain Python, which is the oracle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import lax

FUNCTIONS: dict[str, Callable[[Any], Any]] = {}
W = np.random.default_rng(0).normal(size=(3, 3)) * 0.5
XS = np.random.default_rng(1).normal(size=(5, 3))


def function(fun: Callable[[Any], Any]) -> Callable[[Any], Any]:
    FUNCTIONS[fun.__name__] = fun
    return fun


@function
def recurrent(x: Any) -> Any:
    """A carry, consts that are closed over, xs and ys."""

    def step(h: Any, row: Any) -> Any:
        h = cnp.tanh(W @ h + row * x)
        return h, h * row

    h, ys = lax.scan(step, x, XS)
    return h, ys


@function
def backwards(x: Any) -> Any:
    return lax.scan(lambda c, row: (c * cnp.cos(row), {"y": c + row, "x": row}), x, XS, reverse=True)


@function
def of_xs(x: Any) -> Any:
    """Derivatives through xs, and none through the carry."""
    rows = cnp.stack([x, x * x, cnp.sin(x)])
    return lax.scan(lambda n, row: (n + 1, row * cnp.exp(row) * n), 0, rows)[1]


@function
def unchanged_carry(x: Any) -> Any:
    """A carry that the body passes through, one that it counts, one that becomes a function of x in the second step."""

    def step(carry: Any, row: Any) -> Any:
        same, count, late, value = carry
        return (same, count + 1, value, value * same + late), (late, row)

    init = (x, 0, cnp.zeros(3, x.dtype), cnp.ones(3, x.dtype))
    return lax.scan(step, init, XS)


@function
def invariant(x: Any) -> Any:
    """Work of the body that is the same in every step."""

    def step(c: Any, row: Any) -> Any:
        scale = cnp.exp(cnp.sin(x))
        mask = cnp.arange(3) < 2
        return cnp.where(mask, c * scale, c + scale) * cnp.cos(row), cnp.sum(scale * c)

    return lax.scan(step, x, XS)


@function
def no_steps(x: Any) -> Any:
    return lax.scan(lambda c, row: (c * row * x, cnp.sin(c)), x, np.zeros((0, 3)))[0] * x


@function
def one_step(x: Any) -> Any:
    return lax.scan(lambda c, row: (c * row * x, cnp.sin(c)), x, XS[:1])


@function
def nested(x: Any) -> Any:
    def outer(c: Any, row: Any) -> Any:
        inner = lambda d, y: (d * cnp.sin(y) + row, d)  # noqa: E731
        d, ys = lax.scan(inner, c, cnp.stack([row, c, x]))
        return d * 0.5, ys[1]

    return lax.scan(outer, x, XS)


@function
def counted(x: Any) -> Any:
    def body(i: Any, value: Any) -> Any:
        return value * cnp.cos(x[i % 3]) + i

    return lax.fori_loop(1, 7, body, x)


@function
def unrolled(x: Any) -> Any:
    a = lax.fori_loop(0, 7, lambda i, v: cnp.sin(v) * x + i, x, unroll=3)
    b = lax.scan(lambda c, row: (c * row, c + x), x, XS, reverse=True, unroll=2)
    return a, b, lax.scan(lambda c, row: (c * row, c), x, XS, unroll=True)


@function
def checkpointed(x: Any) -> Any:
    @cotan.checkpoint
    def step(c: Any, row: Any) -> Any:
        return cnp.sin(cnp.sin(c * row)) + x, cnp.cos(c)

    return lax.scan(step, x, XS)


@function
def jitted_body(x: Any) -> Any:
    step = cotan.jit(lambda c, row: (cnp.sin(c * row) + cnp.exp(x), c * c))
    return lax.scan(step, x, XS)


@function
def branch_on_value(x: Any) -> Any:
    return lax.cond(cnp.sum(x) > 0, lambda a: cnp.sin(a) * x, lambda a: cnp.exp(a) + a * a * x, x)


@function
def branch_of_counts(x: Any) -> Any:
    """Branches with residuals of other numbers and types; one does not depend on x."""
    branches = [lambda a, b: a * cnp.sin(b), lambda a, b: cnp.ones(3, a.dtype), lambda a, b: cnp.exp(a) / (b * b + 1)]
    return [lax.switch(k, branches, x, x * x) for k in (-1, 1, 7)]


@function
def branch_in_loop(x: Any) -> Any:
    def step(c: Any, row: Any) -> Any:
        c = lax.cond(row[0] > 0, lambda c: c * cnp.cos(row), lambda c: cnp.sin(c) + x, c)
        return c, c * row

    return lax.scan(step, x, XS)


@function
def loop_in_branch(x: Any) -> Any:
    grow = lambda a: lax.scan(lambda c, row: (cnp.sin(c) * row + a, None), a, XS)[0]  # noqa: E731
    return lax.cond(x[0] > x[1], grow, lambda a: a * a, x)


@function
def mapped(x: Any) -> Any:
    one = lax.map(lambda row: cnp.sin(row * x).sum(), XS)
    return one, lax.map(lambda row: {"y": cnp.exp(row * x)}, XS, batch_size=2)


@function
def prefixes(x: Any) -> Any:
    stacked = cnp.stack([x, x * x, cnp.sin(x), cnp.cos(x), x + 1])
    return lax.associative_scan(lambda a, b: a * b + a + b, stacked)


@function
def combined(x: Any) -> Any:
    stacked = cnp.stack([x, x * x, cnp.sin(x), cnp.cos(x), x + 1])
    zero = cnp.zeros((), x.dtype)
    return lax.reduce(stacked, zero, lambda a, b: a * b + a + b, (0,)), lax.reduce(stacked, zero, lax.add, (0, 1))


@function
def random_carry(x: Any) -> Any:
    """Keys are carried, and kept for the recomputation of a checkpointed body."""

    @cotan.checkpoint
    def step(carry: Any, row: Any) -> Any:
        key, c = carry
        key, used = cotan.random.split(key)
        noise = cotan.random.uniform(used, (3,), x.dtype)
        return (key, cnp.sin(c * noise) + row), c * noise

    return lax.scan(step, (cotan.random.key(0), x), XS[:3])[1]


@function
def drawn_in_branch(x: Any) -> Any:
    """One branch keeps a key for its recomputation; the other has none."""

    @cotan.checkpoint
    def drop(a: Any) -> Any:
        return cnp.sin(a * cotan.random.uniform(cotan.random.key(3), (3,), x.dtype))

    return lax.cond(x[0] < 5, drop, lambda a: a * a, x)


@function
def custom_rules(x: Any) -> Any:
    """Bodies and branches that have derivative rules of their own."""

    @cotan.custom_jvp
    def scaled(a: Any, b: Any) -> Any:
        return a * b

    scaled.defjvp(lambda xs, ts: (xs[0] * xs[1], xs[0] * ts[1] + xs[1] * ts[0]))

    def step(c: Any, row: Any) -> Any:
        return scaled(c, row + x), lax.cond(row[0] > 0, lambda a: scaled(a, a), cnp.cos, c)

    return lax.scan(step, x, XS)
