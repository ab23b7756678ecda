"""Checks of one user function on one call: jit is eager, vmap is a loop, derivatives are differences in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan.tree import tree_leaves

Function = Callable[..., Any]


def type_of(x: Any) -> str:
    """The element type of a result, with ``~`` if it is weak."""
    return f"{'~' if x.weak_type else ''}{x.dtype}"


def check_jit(fun: Function, *args: Any, rtol: float = 2e-6) -> None:
    """Compiled and eager results have one type and, to rounding, one value."""
    eager, compiled = tree_leaves(fun(*args)), tree_leaves(cotan.jit(fun)(*args))
    for a, b in zip(eager, compiled, strict=True):
        assert (type_of(a), a.shape) == (type_of(b), b.shape)
        np.testing.assert_allclose(np.asarray(b), np.asarray(a), rtol=rtol, atol=rtol)


def check_vmap(fun: Function, *args: np.ndarray, rtol: float = 2e-6) -> None:
    """Mapped over a leading axis, made here of each argument and its reverse, the function does what a loop does."""
    stacked = [cnp.asarray(np.stack([x, np.flip(x), x * x])) for x in args]
    mapped = tree_leaves(cotan.vmap(fun)(*stacked))
    for n in range(3):
        alone = tree_leaves(fun(*(x[n] for x in stacked)))
        for a, b in zip(mapped, alone, strict=True):
            np.testing.assert_allclose(np.asarray(a)[n], np.asarray(b), rtol=rtol, atol=rtol)


def check_derivatives(fun: Function, *args: Any, step: float = 1e-6, rtol: float = 1e-5) -> None:
    """In float64: jvp against central differences, vjp against jvp, and both also of the compiled function."""
    with cotan.enable_x64(True):
        primals = [cnp.asarray(x, np.float64) for x in args]
        random = np.random.default_rng(0)
        directions = [random.standard_normal(x.shape) for x in primals]
        ahead, behind = (
            _flat(fun(*(x + sign * step * v for x, v in zip(primals, directions, strict=True)))) for sign in (1, -1)
        )
        slope = (ahead - behind) / (2 * step)
        for function in (fun, cotan.jit(fun)):
            out, dots = cotan.jvp(function, tuple(primals), tuple(directions))
            np.testing.assert_allclose(_flat(dots), slope, rtol=rtol, atol=rtol * max(1.0, np.abs(slope).max()))
            _, pull = cotan.vjp(function, *primals)
            cotangents = cotan.tree.map(lambda x: random.standard_normal(x.shape), out)
            inner = sum(np.vdot(v, g) for v, g in zip(directions, pull(cotangents), strict=True))
            np.testing.assert_allclose(inner, np.vdot(_flat(cotangents), _flat(dots)), rtol=1e-9, atol=1e-9)


def _flat(tree: Any) -> np.ndarray:
    leaves: Sequence[Any] = tree_leaves(tree)
    return np.concatenate([np.asarray(x, np.float64).ravel() for x in leaves])
