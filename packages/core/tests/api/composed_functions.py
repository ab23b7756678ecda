"""Functions for tests of composed transformations: each takes a float64 vector and has a plain NumPy equivalent.

They are smooth near their point, so that differences may be taken there. ``needs`` names the rules that some
transformation of the function is documented to lack.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import lax, nn, random

Function = Callable[[Any], Any]


class Case(NamedTuple):
    """A function, what it means in NumPy, where to look at it, and what is documented to be missing."""

    fun: Function
    reference: Function
    x: np.ndarray
    forward_only: bool = False


CASES: dict[str, Case] = {}
X3 = np.array([0.7, -0.4, 1.3])
X4 = np.array([0.9, -0.6, 1.7, 0.2])


def case(reference: Function, x: np.ndarray = X3, forward_only: bool = False) -> Callable[[Function], Function]:
    def add(fun: Function) -> Function:
        CASES[fun.__name__] = Case(fun, reference, x, forward_only)
        return fun

    return add


WEIGHTS = np.random.default_rng(0).normal(size=(3, 4)) * 0.5
MATRIX = np.random.default_rng(1).normal(size=(3, 3)) * 0.4


# ---- Elementwise, reductions, products


@case(lambda x: 2 * x**3 - x**2 + 3 * x)
def polynomial(x):
    return 2 * x**3 - x**2 + 3 * x


@case(lambda x: np.exp(-(x**2)) * np.sin(3 * x) + np.tanh(x))
def transcendental(x):
    return cnp.exp(-(x**2)) * cnp.sin(3 * x) + cnp.tanh(x)


@case(lambda x: np.exp(x) / np.exp(x).sum())
def softmax(x):
    return nn.softmax(x)


@case(lambda x: np.log(np.exp(2 * x).sum()))
def logsumexp(x):
    return nn.logsumexp(2 * x)


@case(lambda x: (x - x.mean()) / np.sqrt(x.var() + 0.1))
def layer_norm(x):
    return (x - cnp.mean(x)) / cnp.sqrt(cnp.var(x) + 0.1)


@case(lambda x: np.tanh(np.tanh(x @ WEIGHTS) @ WEIGHTS.T))
def mlp(x):
    return cnp.tanh(cnp.tanh(x @ cnp.asarray(WEIGHTS)) @ cnp.asarray(WEIGHTS).T)


@case(lambda x: np.trace(x.reshape(2, 2) @ x.reshape(2, 2).T @ x.reshape(2, 2)), X4)
def matrix_cube(x):
    a = x.reshape(2, 2)
    return cnp.trace(a @ a.T @ a)


@case(lambda x: np.einsum("i,j,jk->ik", x, np.sin(x), MATRIX))
def einsum(x):
    return cnp.einsum("i,j,jk->ik", x, cnp.sin(x), cnp.asarray(MATRIX))


@case(lambda x: np.max(x) * np.min(x) + np.prod(x))
def extremes(x):
    return cnp.max(x) * cnp.min(x) + cnp.prod(x)


@case(lambda x: np.cumsum(x**2) * np.cumprod(x))
def cumulatives(x):
    return cnp.cumsum(x**2) * cnp.cumprod(x)


@case(lambda x: np.real((x + 1j * np.roll(x, 1)) ** 3))
def complex_power(x):
    return cnp.real((x + 1j * cnp.roll(x, 1)) ** 3)


@case(lambda x: x * np.floor(3 * x) + x**2)
def stopped(x):
    return x * lax.stop_gradient(cnp.floor(3 * x)) + x**2


# ---- Movement


@case(lambda x: np.concatenate([np.pad(x, (1, 2)) ** 2, x[::-1]]))
def movement(x):
    return cnp.concatenate([cnp.pad(x, (1, 2)) ** 2, cnp.flip(x)])


@case(lambda x: np.where(x > 0, np.sin(x), x**3))
def where(x):
    return cnp.where(x > 0, cnp.sin(x), x**3)


@case(lambda x: (x**2)[[2, 0, 0, 1]] * x[[0, 1, 2, 2]])
def gather(x):
    return (x**2)[cnp.array([2, 0, 0, 1])] * x[cnp.array([0, 1, 2, 2])]


def _scattered(x: np.ndarray) -> np.ndarray:
    out = np.zeros(5)
    np.add.at(out, [4, 1, 4], x**2)
    out[2] = np.sin(x[0])
    return out * np.arange(5.0)


@case(_scattered)
def scatter(x):
    out = cnp.zeros(5).at[cnp.array([4, 1, 4])].add(x**2).at[2].set(cnp.sin(x[0]))
    return out * cnp.arange(5.0)


@case(lambda x: np.array([x[0], x[2] ** 2, x[1] * x[2]]))
def dynamic_slices(x):
    k = lax.stop_gradient(cnp.floor(x[0])).astype(int)  # 0
    y = lax.dynamic_update_slice(x, lax.dynamic_slice(x, (k + 2,), (1,)) ** 2, (k + 1,))
    return lax.dynamic_update_slice(y, x[1:2] * x[2:3], (k + 2,))


@case(lambda x: np.sort(x) * np.array([1.0, 2.0, 3.0]) + np.sort(x**2))
def sorting(x):
    return cnp.sort(x) * cnp.array([1.0, 2.0, 3.0]) + cnp.sort(x**2)


@case(lambda x: (x**2)[np.argsort(x)] * x)
def argsort(x):
    return (x**2)[cnp.argsort(x)] * x


@case(lambda x: np.sort(x**2)[::-1][:2] * 3)
def top_k(x):
    return lax.top_k(x**2, 2)[0] * 3


# ---- Random bits

NOISE = np.asarray(random.normal(random.key(3), (3,)), np.float64)
KEPT = np.asarray(random.bernoulli(random.key(5), 0.5, (3,)))


@case(lambda x: np.sin(x * NOISE))
def noise(x):
    return cnp.sin(x * random.normal(random.key(3), (3,), np.float32))


@case(lambda x: np.where(KEPT, x**2 / 0.5, 0.0).sum() + x.sum())
def dropout(x):
    kept = random.bernoulli(random.key(5), cnp.float32(0.5), (3,))
    return cnp.where(kept, x**2 / 0.5, 0.0).sum() + x.sum()


# ---- Python's own control flow


@case(lambda x: np.array([x[0] ** 3 * math.factorial(3), x[1] ** 2, x[2]]))
def recursion(x):
    def power(y, n):
        return y * n * power(y, n - 1) if n else 1.0

    return cnp.stack([power(x[0], 3), x[1] * x[1], x[2]])


@case(lambda x: np.sin(x * 1.5) * 1.5 + np.sin(x * 2.5) * 2.5)
def closures(x):
    functions = [lambda y, a=a: cnp.sin(y * a) * a for a in (1.5, 2.5)]
    return sum(f(x) for f in functions)


@case(lambda x: np.sin(x) ** 2 * x)
def nested_jit(x):
    square = cotan.jit(lambda y: cnp.sin(y) ** 2)
    return cotan.jit(lambda y: square(y) * x)(x)


# ---- Structured control flow


def _rnn(x: np.ndarray) -> np.ndarray:
    h, hs = np.zeros(3), []
    for k in range(4):
        h = np.tanh(MATRIX @ h + x * (k + 1.0))
        hs.append(h)
    return np.concatenate([h, np.sum(hs, axis=0) ** 2])


@case(_rnn)
def scan_rnn(x):
    def step(h, scale):
        h = cnp.tanh(cnp.asarray(MATRIX) @ h + x * scale)
        return h, h

    h, hs = lax.scan(step, cnp.zeros(3), cnp.arange(1.0, 5.0))
    return cnp.concatenate([h, cnp.sum(hs, axis=0) ** 2])


def _backwards(x: np.ndarray) -> np.ndarray:
    carry, out = 1.0, np.zeros(3)
    for k in (2, 1, 0):
        carry = carry * x[k] + 0.5
        out[k] = carry * x[k]
    return out * carry


@case(_backwards)
def scan_backwards(x):
    def step(carry, y):
        carry = carry * y + 0.5
        return carry, carry * y

    carry, ys = lax.scan(step, cnp.float64(1.0), x, reverse=True, unroll=2)
    return ys * carry


def _iterated(x: np.ndarray) -> np.ndarray:
    for k in range(5):
        x = np.sin(x) + 0.1 * k * x
    return x


@case(_iterated)
def fori_loop(x):
    return lax.fori_loop(0, 5, lambda k, y: cnp.sin(y) + 0.1 * k * y, x)


@case(lambda x: np.sin(x) * x[0] if x[0] > 0 else x**2)
def cond(x):
    return lax.cond(x[0] > 0, lambda y: cnp.sin(y) * y[0], lambda y: y**2, x)


@case(lambda x: np.cos(x) * x[2])
def switch(x):
    k = lax.stop_gradient(cnp.floor(x[2])).astype(int)  # 1
    return lax.switch(k, [lambda y: y, lambda y: cnp.cos(y) * x[2], lambda y: y**3], x)


def _newton(x: np.ndarray) -> np.ndarray:
    y = np.ones(3)
    for _ in range(30):
        y = y - (y**3 + y - x) / (3 * y**2 + 1)
    return y


@case(_newton, forward_only=True)
def newton_while(x):
    def unfinished(state):
        k, y = state
        return (cnp.abs(y**3 + y - x).max() > 1e-13) & (k < 40)

    def step(state):
        k, y = state
        return k + 1, y - (y**3 + y - x) / (3 * y**2 + 1)

    return lax.while_loop(unfinished, step, (0, cnp.ones(3)))[1]


@case(lambda x: np.array([np.sin(y) * x.sum() for y in x]))
def mapped(x):
    return lax.map(lambda y: cnp.sin(y) * x.sum(), x)


@case(lambda x: np.array([x[0], x[0] * x[1], x[0] * x[1] * x[2]]) + np.cumsum(x))
def associative_scan(x):
    return lax.associative_scan(cnp.multiply, x) + lax.associative_scan(cnp.add, x)


def _mixed(x: np.ndarray) -> np.ndarray:
    y = x
    for k in range(4):
        y = np.sin(y) if k % 2 == 0 else y * x
    return y


@case(_mixed)
def cond_in_scan(x):
    def step(y, k):
        return lax.cond(k % 2 == 0, cnp.sin, lambda z: z * x, y), None

    return lax.scan(step, x, cnp.arange(4))[0]


@case(lambda x: np.sin(np.sin(x) + x[0]) + x[0] if x[1] < 0 else x)
def scan_in_cond(x):
    def twice(y):
        return lax.scan(lambda z, _: (cnp.sin(z) + y[0], None), y, length=2)[0]

    return lax.cond(x[1] < 0, twice, lambda y: y, x)


@case(lambda x: np.sin(np.sin(np.sin(np.sin(x)))) * x)
def checkpointed_scan(x):
    def step(y, _):
        return cnp.sin(y), None

    inner = cotan.checkpoint(lambda y: lax.scan(step, y, length=2)[0])
    return lax.scan(lambda y, _: (inner(y), None), x, length=2)[0] * x


# ---- Solutions of equations


@case(_newton)
def custom_root(x):
    def newton(f, y):
        return lax.fori_loop(0, 30, lambda _, z: z - f(z) / (3 * z**2 + 1), y)

    def solve_diagonal(g, y):
        return y / g(cnp.ones_like(y))

    return lax.custom_root(lambda y: y**3 + y - x, cnp.ones(3), newton, solve_diagonal)


@case(lambda x: np.linalg.solve(np.diag(x**2 + 2) + 0.1, np.sin(x)))
def custom_linear_solve(x):
    a = cnp.diag(x**2 + 2) + 0.1

    def jacobi(matvec, b):
        d = cnp.diag(lax.stop_gradient(a))
        return lax.fori_loop(0, 60, lambda _, y: y + (b - matvec(y)) / d, b / d)

    return lax.custom_linear_solve(lambda y: a @ y, cnp.sin(x), jacobi, symmetric=True)
