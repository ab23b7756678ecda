"""BFGS, with the whole inverse Hessian and with the last few steps instead of it.

Nocedal and Wright, "Numerical Optimization" (2nd ed.), chapters 6 and 7. A solver takes a function of one real vector,
where to begin, and its options by name; it gives the point, success, status, value, gradient, inverse Hessian, the
number of evaluations and of steps. Checks no arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.api import value_and_grad
from cotan.scipy.optimize.line_search import Point, line_search


class _State(NamedTuple):
    """Where the search is; ``memory`` is what the method knows of the curvature."""

    x: Any
    value: Any
    gradient: Any
    memory: Any
    steps: Any
    evaluations: Any
    converged: Any
    status: Any


def _enough(x: Any) -> Any:
    """The least curvature, relative to the step and the change of the gradient, that updates are made from."""
    return float(dtypes.finfo(x.dtype).eps)


def _size(gradient: Any, norm: Any) -> Any:
    return cnp.linalg.norm(gradient, ord=norm)


def _start(fun: Callable[[Any], Any], x0: Any, memory: Any, gtol: Any, norm: Any) -> _State:
    value, gradient = value_and_grad(fun)(x0)
    small = _size(gradient, norm) < gtol
    return _State(x0, value, gradient, memory, cnp.asarray(0), cnp.asarray(1), small, cnp.asarray(0))


def _descend(fun: Callable[[Any], Any], s: _State, direction: Any, rounds: Any) -> tuple[Point, Any, Any, Any, Any]:
    """The line search of one step: the point found, x there, whether none was, the evaluations, the step made."""
    scale = cnp.sum(cnp.abs(s.gradient))
    # Before anything is known of the curvature, a step of the gradient's own length may be far too long.
    first = cnp.where(s.steps == 0, cnp.minimum(1, 1 / cnp.where(scale > 0, scale, 1)), 1)
    point, _, evaluations = line_search(value_and_grad(fun), s.x, direction, s.value, s.gradient, first, rounds)
    x = s.x + point.step * direction
    return point, x, point.step == 0, evaluations, x - s.x


def bfgs(
    fun: Callable[[Any], Any],
    x0: Any,
    *,
    maxiter: Any = None,
    norm: Any = np.inf,
    gtol: Any = 1e-5,
    line_search_maxiter: Any = 10,
) -> tuple[Any, ...]:
    """Algorithm 6.1. The first inverse Hessian is the unit matrix, scaled as (6.20) says before its first update."""
    size = x0.shape[0]
    most = 200 * size if maxiter is None else maxiter
    unit = cnp.eye(size, dtype=x0.dtype)

    def unfinished(s: _State) -> Any:
        return ~s.converged & (s.status == 0) & (s.steps < most)

    def step(s: _State) -> _State:
        direction = -(s.memory @ s.gradient)
        # Rounding may spoil the matrix; then the search goes on as if nothing were known.
        descends = cnp.dot(direction, s.gradient) < 0
        matrix = cnp.where(descends, s.memory, unit)
        direction = cnp.where(descends, direction, -s.gradient)
        point, x, stuck, evaluations, moved = _descend(fun, s, direction, line_search_maxiter)
        change = point.gradient - s.gradient
        curvature, square = cnp.dot(moved, change), cnp.dot(change, change)
        usable = curvature > _enough(x) * cnp.sqrt(square * cnp.dot(moved, moved))
        rho = 1 / cnp.where(usable, curvature, 1)
        scale = curvature / cnp.where(square > 0, square, 1)
        matrix = cnp.where((s.steps == 0) & usable, scale * unit, matrix)
        left = unit - rho * cnp.outer(moved, change)
        updated = left @ matrix @ left.T + rho * cnp.outer(moved, moved)
        converged = _size(point.gradient, norm) < gtol
        return _State(
            x, point.value, point.gradient, cnp.where(usable, updated, matrix),
            s.steps + 1, s.evaluations + evaluations, converged, cnp.where(stuck & ~converged, 5, 0),
        )  # fmt: skip

    s = lax.while_loop(unfinished, step, _start(fun, x0, unit, gtol, norm))
    status = cnp.where(~s.converged & (s.status == 0), 1, s.status)
    return s.x, s.converged, status, s.value, s.gradient, s.memory, s.evaluations, s.steps


class _Steps(NamedTuple):
    """The last steps and changes of the gradient, newest first: [kept, n] each, and 1 / (s . y), 0 where unused."""

    moves: Any
    changes: Any
    rho: Any


def _apply(memory: _Steps, gradient: Any) -> Any:
    """Algorithm 7.4: the approximate inverse Hessian times ``gradient``, by two walks through the kept steps."""

    def forget(q: Any, pair: Any) -> tuple[Any, Any]:
        move, change, rho = pair
        alpha = rho * cnp.dot(move, q)
        return q - alpha * change, alpha

    def learn(r: Any, pair: Any) -> tuple[Any, None]:
        (move, change, rho), alpha = pair
        return r + (alpha - rho * cnp.dot(change, r)) * move, None

    q, alphas = lax.scan(forget, gradient, memory)
    newest, square = memory.rho[0], cnp.dot(memory.changes[0], memory.changes[0])
    known = newest > 0
    scale = cnp.where(known, 1 / (cnp.where(known, newest, 1) * cnp.where(square > 0, square, 1)), 1)
    r, _ = lax.scan(learn, scale * q, (memory, alphas), reverse=True)
    return r


def limited_memory_bfgs(
    fun: Callable[[Any], Any],
    x0: Any,
    *,
    maxiter: Any = None,
    norm: Any = np.inf,
    maxcor: int = 10,
    ftol: Any = 2.220446049250313e-09,
    gtol: Any = 1e-5,
    maxfun: Any = None,
    maxgrad: Any = None,
    maxls: Any = 20,
) -> tuple[Any, ...]:
    """Algorithm 7.5: as `bfgs`, with ``maxcor`` steps in memory; ends also when a step gains less than ``ftol``."""
    size, dtype = x0.shape[0], x0.dtype
    most, most_values, most_gradients = (np.inf if limit is None else limit for limit in (maxiter, maxfun, maxgrad))
    empty = _Steps(cnp.zeros((maxcor, size), dtype), cnp.zeros((maxcor, size), dtype), cnp.zeros(maxcor, dtype))

    def unfinished(s: _State) -> Any:
        return ~s.converged & (s.status == 0)

    def step(s: _State) -> _State:
        direction = -_apply(s.memory, s.gradient)
        direction = cnp.where(cnp.dot(direction, s.gradient) < 0, direction, -s.gradient)
        point, x, stuck, evaluations, moved = _descend(fun, s, direction, maxls)
        change = point.gradient - s.gradient
        curvature = cnp.dot(moved, change)
        usable = curvature > _enough(x) * cnp.sqrt(cnp.dot(change, change) * cnp.dot(moved, moved))
        newest = _Steps(moved, change, 1 / cnp.where(usable, curvature, 1))
        memory = _Steps(
            *(
                cnp.where(usable, cnp.concatenate([new[None], kept[:-1]]), kept)
                for new, kept in zip(newest, s.memory, strict=True)
            )
        )
        made, evaluations = s.steps + 1, s.evaluations + evaluations
        converged = _size(point.gradient, norm) < gtol
        status = cnp.where(s.value - point.value < ftol, 4, 0)
        for reached, code in (
            (evaluations >= most_gradients, 3), (evaluations >= most_values, 2), (made >= most, 1), (stuck, 5),
        ):  # fmt: skip
            status = cnp.where(reached, code, status)
        status = cnp.where(converged, 0, status)
        return _State(x, point.value, point.gradient, memory, made, evaluations, converged, status)

    begin = _start(fun, x0, empty, gtol, norm)
    s = lax.while_loop(unfinished, step, begin._replace(status=cnp.where(most <= 0, 1, begin.status)))
    return s.x, s.converged, s.status, s.value, s.gradient, None, s.evaluations, s.steps
