"""Loops and branches under every transform: against the same code as plain Python, and against differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from lax.loops import FUNCTIONS, XS

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.config import config
from cotan.primitives.call import evaluate_by_reference
from cotan.tree import tree_leaves

X = np.array([0.7, -0.4, 1.3])
V = np.array([0.3, 1.1, -0.6])
NAMES = sorted(FUNCTIONS)


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    with config.override(check_jaxprs=True, enable_x64=True):
        yield


def plainly(fun: Callable[..., Any], *args: Any) -> Any:
    """What ``fun`` gives if its loops run as Python."""
    with cotan.disable_jit():
        return fun(*args)


def inexact(tree: Any) -> list[Any]:
    return [x for x in tree_leaves(tree) if np.asarray(x).dtype.kind == "f"]


def assert_close(found: Any, wanted: Any, rtol: float = 1e-10) -> None:
    found, wanted = tree_leaves(found), tree_leaves(wanted)
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def total(name: str) -> Callable[[Any], Any]:
    fun = FUNCTIONS[name]
    return lambda x: sum(cnp.sum(cnp.sin(y + 0.1 * k)) for k, y in enumerate(inexact_traced(fun(x))))


def inexact_traced(tree: Any) -> list[Any]:
    return [y for y in tree_leaves(tree) if cnp.issubdtype(cotan.typeof(y).dtype, cnp.floating)]


def difference(fun: Callable[..., Any], x: np.ndarray, v: np.ndarray, step: float = 1e-5) -> list[np.ndarray]:
    up, down = inexact(plainly(fun, x + step * v)), inexact(plainly(fun, x - step * v))
    return [(np.asarray(a) - np.asarray(b)) / (2 * step) for a, b in zip(up, down, strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_values(name: str) -> None:
    fun = FUNCTIONS[name]
    wanted = plainly(fun, cnp.asarray(X))
    assert_close(fun(cnp.asarray(X)), wanted)
    assert_close(cotan.jit(fun)(X), wanted)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_says_what_loops_mean(name: str) -> None:
    fun = FUNCTIONS[name]
    found = evaluate_by_reference(cotan.make_jaxpr(fun)(X), [X])
    assert_close(
        [x for x in found if x.dtype != np.uint32], [x for x in tree_leaves(fun(cnp.asarray(X))) if not is_key(x)]
    )


def is_key(x: Any) -> bool:
    return cotan.dtypes.is_extended(x.dtype)


@pytest.mark.parametrize("name", NAMES)
def test_forward(name: str) -> None:
    fun = FUNCTIONS[name]
    slopes = difference(fun, X, V)
    pushed = cotan.jvp(lambda x: inexact_traced(fun(x)), (X,), (V,))[1]
    assert_close(pushed, slopes, 1e-6)
    assert_close(cotan.jit(lambda x, v: cotan.jvp(lambda x: inexact_traced(fun(x)), (x,), (v,))[1])(X, V), pushed)
    assert_close(cotan.linearize(lambda x: inexact_traced(fun(x)), X)[1](V), pushed)


@pytest.mark.parametrize("name", NAMES)
def test_reverse(name: str) -> None:
    fun = total(name)
    slope = cotan.grad(fun)(X)
    assert_close(np.dot(slope, V), difference(fun, X, V)[0], 1e-6)
    assert_close(slope, plainly(cotan.grad(fun), X))
    for other in (cotan.jit(cotan.grad(fun)), cotan.grad(cotan.jit(fun)), cotan.grad(cotan.checkpoint(fun))):
        assert_close(other(X), slope)


@pytest.mark.parametrize("name", NAMES)
def test_second_order(name: str) -> None:
    fun = total(name)
    wanted = plainly(cotan.jacfwd(cotan.jacfwd(fun)), X)
    assert_close(cotan.jit(cotan.hessian(fun))(X), wanted, 1e-8)
    assert_close(cotan.jacrev(cotan.jacrev(fun))(X), wanted, 1e-8)
    assert_close(cotan.jacrev(cotan.jacfwd(fun))(X), wanted, 1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_mapped(name: str) -> None:
    """Branches whose condition varies over the examples are chosen for each."""
    fun, slope = FUNCTIONS[name], cotan.grad(total(name))
    xs = np.stack([X, -X, X[::-1] * 0.5])
    for mapped in (cotan.vmap(fun), cotan.jit(cotan.vmap(fun))):
        assert_close(mapped(xs), stacked([plainly(fun, cnp.asarray(x)) for x in xs]))
    for mapped in (cotan.vmap(slope), cotan.jit(cotan.vmap(slope))):
        assert_close(mapped(xs), stacked([plainly(slope, x) for x in xs]), 1e-9)
    both = cotan.vmap(cotan.vmap(fun, in_axes=1), in_axes=2)(np.stack([xs, xs + 0.1], axis=-1).transpose(1, 0, 2))
    assert_close(both, stacked([stacked([plainly(fun, cnp.asarray(x)) for x in a]) for a in (xs, xs + 0.1)]))
    reverse = cotan.grad(lambda xs: cnp.sum(cotan.vmap(total(name))(xs)))(xs)
    assert_close(reverse, stacked([plainly(slope, x) for x in xs]), 1e-9)


def stacked(trees: list[Any]) -> Any:
    columns = zip(*(tree_leaves(t) for t in trees), strict=True)
    return [np.stack([np.asarray(x) for x in column]) for column in columns]


def test_reverse_through_a_rule_of_ones_own() -> None:
    @cotan.custom_vjp
    def twice(a: Any) -> Any:
        return a * 2

    twice.defvjp(lambda a: (a * 2, a), lambda a, ct: (ct * a,))  # not the derivative: to be recognised

    def f(x: Any) -> Any:
        c, _ = lax.scan(lambda c, row: (twice(c) + row, None), x, XS)
        return lax.cond(x[0] > 0, lambda c: twice(c), lambda c: c, c).sum()

    values = [X]
    for row in XS:
        values.append(2 * values[-1] + row)
    wanted = np.prod(values, axis=0)
    for slope in (cotan.grad(f), cotan.jit(cotan.grad(f)), cotan.grad(cotan.checkpoint(f))):
        assert_close(slope(X), wanted)
    assert_close(cotan.vmap(cotan.grad(f))(X[None])[0], wanted)


def test_collectives_in_loops() -> None:
    """The mapped axis has its name inside of bodies, also where nothing that the loop takes is mapped."""

    def f(x: Any) -> Any:
        c, ys = lax.scan(lambda c, row: (c + lax.psum(c * row, "i"), lax.axis_index("i")), x, XS)
        n = lax.while_loop(lambda n: n < 10, lambda n: n + lax.psum(1, "i"), 0)
        return c, ys, n, lax.cond(n > 0, lambda c: lax.pmean(c, "i"), lambda c: c, c)

    xs = np.stack([X, V, X * V])
    c = xs
    for row in XS:
        c = c + (c * row).sum(0)
    wanted = [c, np.tile(np.arange(3, dtype=np.int32)[:, None], (1, 5)), np.full(3, 12), np.tile(c.mean(0), (3, 1))]
    for mapped in (cotan.vmap(f, axis_name="i"), cotan.jit(cotan.vmap(f, axis_name="i"))):
        for a, b in zip(mapped(xs), wanted, strict=True):
            np.testing.assert_allclose(np.asarray(a), b, rtol=1e-10)
