"""Every ordered pair of transformations, and a sample of triples, over functions of all kinds.

A cell ``first(second(f))`` is compared with differences, or loops, of ``second(f)``, which is compared with those of
``f``, which is compared with NumPy. What a cell may raise instead is said by ``documented`` before it is run.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from api.composed_functions import CASES, Case

import cotan
import cotan.numpy as cnp
from cotan.config import config

Function = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def _wide() -> Iterator[None]:
    with config.override(enable_x64=True):
        yield


def direction(shape: Sequence[int], turn: float = 0.0) -> np.ndarray:
    """A fixed direction without symmetries."""
    size = int(np.prod(shape))
    return np.cos(1.0 + turn + 2.0 * np.arange(size)).reshape(shape)


# ---- The transformations: functions of a vector to functions of a vector


def jvp(f: Function) -> Function:
    return lambda x: cotan.jvp(f, (x,), (cnp.asarray(direction(x.shape)),))[1]


def vjp(f: Function) -> Function:
    def pulled(x: Any) -> Any:
        y, pull = cotan.vjp(f, x)
        return pull(cnp.asarray(direction(y.shape)))[0]

    return pulled


def grad(f: Function) -> Function:
    return cotan.grad(lambda x: cnp.sum(f(x)))


def vmap(f: Function) -> Function:
    return lambda x: cotan.vmap(f)(cnp.stack([x, 0.9 * x + 0.05]))


def linearize(f: Function) -> Function:
    return lambda x: cotan.linearize(f, x)[1](cnp.asarray(direction(x.shape, 0.5)))


def custom_jvp(f: Function) -> Function:
    wrapped = cotan.custom_jvp(f)
    wrapped.defjvp(lambda primals, tangents: cotan.jvp(f, primals, tangents))
    return wrapped


def custom_vjp(f: Function) -> Function:
    wrapped = cotan.custom_vjp(f)
    wrapped.defvjp(lambda x: cotan.vjp(f, x), lambda pull, ct: pull(ct))
    return wrapped


# ---- What they mean, in differences and loops

_STENCIL = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))
_STEP = 1e-3


def along(f: Function, x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The derivative of ``f`` at ``x`` in a direction, by differences of fourth order."""
    return sum(w * f(x + k * _STEP * v) for k, w in _STENCIL) / _STEP


def jacobian(f: Function, x: np.ndarray) -> np.ndarray:
    basis = np.eye(x.size).reshape(x.size, *x.shape)
    columns = [along(f, x, e) for e in basis]
    return np.stack(columns, -1).reshape(*columns[0].shape, *x.shape)


def pulled_back(f: Function, x: np.ndarray) -> np.ndarray:
    rows = jacobian(f, x)
    ndim = rows.ndim - x.ndim
    return np.tensordot(direction(rows.shape[:ndim]), rows, ndim)


def summed(f: Function) -> Function:
    return lambda x: np.sum(f(x))


class Transform(NamedTuple):
    """A transformation, its meaning (a function of ``f`` and ``x``), and the mode in which it differentiates."""

    apply: Callable[[Function], Function]
    meaning: Callable[[Function, np.ndarray], np.ndarray]
    mode: str = ""


def same(f: Function, x: np.ndarray) -> np.ndarray:
    return f(x)


TRANSFORMS = {
    "jit": Transform(cotan.jit, same),
    "jvp": Transform(jvp, lambda f, x: along(f, x, direction(x.shape)), "forward"),
    "vjp": Transform(vjp, pulled_back, "reverse"),
    "grad": Transform(grad, lambda f, x: jacobian(summed(f), x), "reverse"),
    "vmap": Transform(vmap, lambda f, x: np.stack([f(x), f(0.9 * x + 0.05)])),
    "linearize": Transform(linearize, lambda f, x: along(f, x, direction(x.shape, 0.5)), "forward"),
    "checkpoint": Transform(cotan.checkpoint, same),
    "custom_jvp": Transform(custom_jvp, same),
    "custom_vjp": Transform(custom_vjp, same),
    "jacfwd": Transform(cotan.jacfwd, jacobian, "forward"),
    "jacrev": Transform(cotan.jacrev, jacobian, "reverse"),
}


def documented(case: Case, names: Sequence[str]) -> tuple[type[Exception], str] | None:
    """The error that ``names[0](names[1](...(case)))`` is documented to raise, if any.

    A custom_vjp has a rule for reverse mode only: it cannot be differentiated forwards. A while_loop has an unknown
    number of iterations and keeps no residuals: it cannot be differentiated backwards.
    """
    for place, name in enumerate(names):
        if name == "custom_vjp":
            modes = [TRANSFORMS[outer].mode for outer in names[:place] if TRANSFORMS[outer].mode]
            if modes and modes[-1] == "forward":
                return TypeError, "custom_vjp"
    if case.forward_only and any(TRANSFORMS[name].mode == "reverse" for name in names):
        return ValueError, "while_loop"
    return None


def build(case: Case, names: Sequence[str]) -> Function:
    f = case.fun
    for name in reversed(names):
        f = TRANSFORMS[name].apply(f)
    return f


def values(f: Function) -> Function:
    return lambda x: np.asarray(f(cnp.asarray(x)))


def check(case: Case, names: Sequence[str]) -> None:
    expected_error = documented(case, names)
    if expected_error is not None:
        with pytest.raises(expected_error[0], match=expected_error[1]):
            build(case, names)(cnp.asarray(case.x))
        return
    actual = values(build(case, names))(case.x)
    inner = values(build(case, names[1:]))
    if documented(case, names[1:]) is not None:
        inner = case.reference  # what cannot be run inside was not run: the outer one has a rule of its own
    expected = np.asarray(TRANSFORMS[names[0]].meaning(inner, case.x))
    assert actual.shape == expected.shape, names
    scale = max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=2e-6 * scale, err_msg=" of ".join(names))


@pytest.mark.parametrize("name", CASES)
def test_functions_are_what_numpy_says(name):
    case = CASES[name]
    np.testing.assert_allclose(values(case.fun)(case.x), case.reference(case.x), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("first", TRANSFORMS)
@pytest.mark.parametrize("name", CASES)
def test_one(name, first):
    check(CASES[name], (first,))


@pytest.mark.parametrize("first", TRANSFORMS)
@pytest.mark.parametrize("name", CASES)
def test_pairs(name, first):
    for second in TRANSFORMS:
        check(CASES[name], (first, second))


def sample_of_triples(name: str, count: int = 20) -> list[tuple[str, ...]]:
    """Triples for one function; over all functions each pair of transformations occurs in many places."""
    every = list(itertools.product(TRANSFORMS, repeat=3))
    start = zlib.crc32(name.encode())
    return [every[(start + 7919 * k) % len(every)] for k in range(count)]


@pytest.mark.parametrize("name", CASES)
def test_triples(name):
    for names in sample_of_triples(name):
        check(CASES[name], names)
