"""Fourth derivatives through Python loops, branches, recursion and closures, and through scans, against mpmath."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.config import config

Function = Callable[..., Any]
X = 0.7


@pytest.fixture(autouse=True)
def _wide() -> Iterator[None]:
    with config.override(enable_x64=True):
        yield


def loop(m: Any, x: Any) -> Any:
    y = x
    for k in range(4):
        y = m.sin(y) + k * y * y
    return y


def branch(m: Any, x: Any) -> Any:
    y = m.exp(x)
    if y > 1.5:
        return y * m.cos(x)
    return y


def recursion(m: Any, x: Any, depth: int = 3) -> Any:
    return x if depth == 0 else m.sin(recursion(m, x, depth - 1)) * x


def closure(m: Any, x: Any) -> Any:
    def times(a: Any) -> Function:
        return lambda y: m.exp(a * y) * x

    return times(0.5)(x) + times(x)(0.25)


FUNCTIONS = [loop, branch, recursion, closure]


def jvp(f: Function) -> Function:
    return lambda x: cotan.jvp(f, (x,), (1.0,))[1]


def linearize(f: Function) -> Function:
    return lambda x: cotan.linearize(f, x)[1](1.0)


WAYS = {
    "grad": [cotan.grad] * 4,
    "jvp": [jvp] * 4,
    "mixed": [cotan.grad, jvp, cotan.grad, linearize],
    "jacobians": [cotan.jacfwd, cotan.jacrev, cotan.jacrev, cotan.jacfwd],
}


def fourth(f: Function, way: str) -> Any:
    for derivative in WAYS[way]:
        f = derivative(f)
    return f


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fun", FUNCTIONS, ids=lambda f: f.__name__)
def test_python_control_flow(fun, way):
    expected = float(mpmath.diff(lambda x: fun(mpmath, x), X, 4))
    assert float(fourth(lambda x: fun(cnp, x), way)(X)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_a_scan_is_its_loop(way):
    def scanned(x: Any) -> Any:
        return lax.scan(lambda y, k: (cnp.sin(y) + k * y * y, None), x, cnp.arange(4.0))[0]

    expected = float(mpmath.diff(lambda x: loop(mpmath, x), X, 4))
    assert float(fourth(scanned, way)(X)) == pytest.approx(expected, rel=1e-9)
    assert float(cotan.jit(fourth(scanned, way))(X)) == pytest.approx(expected, rel=1e-9)
