"""Transforms of small programs, whose results are known in closed form: derivatives, maps, and their compositions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.testing.conformance.cases import Case, Check, both_ways
from cotan.testing.conformance.subject import Subject

F32 = np.float32
SATURATED = frozenset({"grad/of a loss", "grad/with the value", "grad/of a jitted function", "grad/of a softmax"})
"""Programs whose slopes are differences of nearly equal numbers, because their functions saturate."""
X = np.linspace(-1.5, 2.0, 12, dtype=F32).reshape(3, 4)
Y = np.linspace(0.3, 1.7, 12, dtype=F32).reshape(3, 4)
W = np.linspace(-1.0, 1.0, 8, dtype=F32).reshape(4, 2)


def loss(w: Any, x: Any) -> Any:
    """Half the sum of squares of tanh(x w)."""
    return 0.5 * cnp.sum(cnp.tanh(x @ w) ** 2)


def loss_gradient(w: Any, x: Any) -> Any:
    """What ``grad(loss)`` is."""
    y = np.tanh(x.astype(np.float64) @ w)
    return (x.T @ (y * (1 - y**2))).astype(F32)


@cotan.custom_jvp
def tripled(x: Any) -> Any:
    """``x``, whose derivative is said to be 3."""
    return x * 1.0


tripled.defjvp(lambda primals, tangents: (primals[0] * 1.0, 3.0 * tangents[0]))


@cotan.custom_vjp
def clipped(x: Any) -> Any:
    """``x``, whose cotangents are clipped to [-1, 1]."""
    return x * 1.0


clipped.defvjp(lambda x: (x * 1.0, None), lambda _, ct: (cnp.clip(ct, -1.0, 1.0),))


def _inner(f: Any) -> Any:
    return cotan.jit(f)


def _softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _softmax_slope(x: Any) -> Any:
    p = _softmax(x.astype(np.float64))
    t = 2 * p
    return (p * (t - (t * p).sum(-1, keepdims=True))).astype(F32)


def cases() -> Iterator[Case]:
    """Every transform alone and composed, at once and compiled; and that compiling changes nothing."""
    x64, y64 = X.astype(np.float64), Y.astype(np.float64)
    programs: list[tuple[str, Any, list[Any], list[Any]]] = [
        ("grad/of a scalar", cotan.grad(lambda x: x * x * x), [F32(1.5)], [F32(6.75)]),
        ("grad/of a loss", cotan.grad(loss), [W, X], [loss_gradient(W, X)]),
        ("grad/with the value", cotan.value_and_grad(loss), [W, X],
         [F32(0.5 * (np.tanh(x64 @ W) ** 2).sum()), loss_gradient(W, X)]),
        ("grad/of a jitted function", cotan.grad(_inner(loss)), [W, X], [loss_gradient(W, X)]),
        ("grad/second order", cotan.grad(lambda x: cotan.grad(cnp.sin)(x) * x), [F32(0.7)],
         [F32(np.cos(0.7) - 0.7 * np.sin(0.7))]),
        ("grad/third order", cotan.grad(cotan.grad(cotan.grad(lambda x: x**5))), [F32(1.25)], [F32(60 * 1.25**2)]),
        ("grad/of a softmax", cotan.grad(lambda x: cnp.sum(cotan.nn.softmax(x) ** 2)), [X], [_softmax_slope(X)]),
        ("grad/through a maximum", cotan.grad(lambda x: cnp.sum(cnp.maximum(x, 0.0) * x)), [X],
         [np.where(x64 > 0, 2 * x64, 0).astype(F32)]),
        ("grad/through indexing", cotan.grad(lambda x: cnp.sum(x[cnp.array([0, 2, 0])] ** 2)), [X],
         [2 * X * F32([[2], [0], [1]])]),
        ("grad/through a where", cotan.grad(lambda x: cnp.sum(cnp.where(x > 0, cnp.log(cnp.abs(x)), x))), [Y],
         [(1 / y64).astype(F32)]),
        ("jvp/of a product", lambda x, y, t: cotan.jvp(cnp.multiply, (x, y), (t, t)), [X, Y, Y],
         [X * Y, (y64 * y64 + x64 * y64).astype(F32)]),
        ("jvp/linearize", lambda x: cotan.linearize(cnp.exp, x)[1](x), [X], [(np.exp(x64) * x64).astype(F32)]),
        ("vjp/of a quotient", lambda x, y: cotan.vjp(cnp.divide, x, y)[1](x), [X, Y],
         [(x64 / y64).astype(F32), (-(x64**2) / y64**2).astype(F32)]),
        ("jacobian/forward", cotan.jacfwd(lambda x: cnp.cumsum(x * x)), [X[0]],
         [(np.tril(np.ones((4, 4))) * 2 * x64[0]).astype(F32)]),
        ("jacobian/reverse", cotan.jacrev(lambda x: cnp.cumsum(x * x)), [X[0]],
         [(np.tril(np.ones((4, 4))) * 2 * x64[0]).astype(F32)]),
        ("jacobian/hessian", cotan.hessian(lambda x: cnp.sum(x**3)), [X[0]], [np.diag(6 * X[0])]),
        ("vmap/of a product", cotan.vmap(lambda x, w: x @ w, in_axes=(0, None)), [X, W], [X @ W]),
        ("vmap/other axes", cotan.vmap(lambda x: x * cnp.arange(3.0), in_axes=1, out_axes=-1), [X],
         [X * np.arange(3, dtype=F32)[:, None]]),
        ("vmap/twice", cotan.vmap(cotan.vmap(lambda x, y: x - 2 * y)), [X, Y], [X - 2 * Y]),
        ("vmap/of grad", cotan.vmap(cotan.grad(lambda x: cnp.sum(cnp.sin(x)))), [X], [np.cos(x64).astype(F32)]),
        ("vmap/of a jitted function", cotan.vmap(_inner(lambda x: cnp.sort(x)[::-1])), [X], [np.sort(X, -1)[:, ::-1]]),
        ("vmap/inside of grad", cotan.grad(lambda x: cnp.sum(cotan.vmap(lambda r: r @ r)(x))), [X], [2 * X]),
        ("remat/checkpoint", cotan.grad(lambda x: cnp.sum(cotan.checkpoint(lambda x: cnp.sin(cnp.sin(x)))(x))), [X],
         [(np.cos(np.sin(x64)) * np.cos(x64)).astype(F32)]),
        ("custom/jvp", cotan.grad(lambda x: tripled(x * x)), [F32(2.0)], [F32(12.0)]),
        ("custom/jvp mapped", cotan.vmap(cotan.grad(lambda x: cnp.sum(tripled(x) * x))), [X], [4 * X]),
        ("custom/vjp", cotan.grad(lambda x: cnp.sum(clipped(x) * x)), [X], [X + np.clip(X, -1, 1)]),
        ("linear/transpose", lambda x: cotan.linear_transpose(lambda v: 3.0 * v[::-1], X)(x), [X], [3 * X[::-1]]),
        ("pytrees/of arguments", lambda x, y: cotan.grad(lambda t: cnp.sum(t["a"] * t["b"][0]))({"a": x, "b": [y]}),
         [X, Y], [Y, X]),
        ("shapes/no elements", cotan.grad(lambda x: cnp.sum(x[:0] ** 2)), [X], [np.zeros_like(X)]),
        ("shapes/jit in jit", lambda x: _inner(_inner(lambda x: x + 1))(x) * 2, [X], [(X + 1) * 2]),
        ("shapes/an argument is a result", lambda x, y: (x, y, x + y, x), [X, Y], [X, Y, X + Y, X]),
        ("shapes/a constant is a result", lambda x: (cnp.ones((2, 3)), x, cnp.int32(7)), [X],
         [np.ones((2, 3), F32), X, np.int32(7)]),
        ("shapes/nothing depends on the argument", lambda x: cnp.arange(5) * 2, [X],
         [np.arange(5, dtype=np.int32) * 2]),
    ]  # fmt: skip
    for name, fun, args, wanted in programs:
        tolerance = 1024.0 if name in SATURATED else 32.0
        yield from both_ways(f"transforms/{name}", fun, args, wanted, tolerance=tolerance, dtypes=("bool", "int32"))
    for number, fun in enumerate(SHARED):
        yield Check(f"transforms/jit is eager/{number}", check=partial(_jit_is_eager, fun))
    yield Check("transforms/caching/compiled once", check=_compiled_once)


SHARED = (
    lambda x: cnp.cumsum(x, 0) / (1 + cnp.abs(x)),
    lambda x: cnp.stack([x.max(0), x.argmax(0).astype(x.dtype), x.min(0)]),
    lambda x: lax.top_k(x, 2),
    lambda x: cnp.where(x > x.mean(), cnp.exp(x), x).reshape(4, 3).T,
    lambda x: cnp.concatenate([x, x[:, ::-1]], 1)[:, 1:6:2],
    lambda x: cnp.pad(x, 2)[1:, :-1].sum(1),
)


def _jit_is_eager(fun: Any, subject: Subject) -> None:
    if not subject.capabilities.eager:
        return
    x = cotan.device_put(X)
    for a, b in zip(cotan.tree.leaves(fun(x)), cotan.tree.leaves(cotan.jit(fun)(x)), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=2e-6, atol=1e-6)


def _compiled_once(subject: Subject) -> None:
    calls = []

    @cotan.jit
    def f(x: Any) -> Any:
        calls.append(x.shape)
        return x * 2 + 1

    for _ in range(3):
        np.testing.assert_array_equal(np.asarray(f(X)), X * 2 + 1)
        np.testing.assert_array_equal(np.asarray(f(X[:2])), X[:2] * 2 + 1)
    assert calls == [(3, 4), (2, 4)], f"traced for {calls}"
