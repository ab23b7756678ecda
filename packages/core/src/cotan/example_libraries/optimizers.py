"""Optimisers as triples of functions: one makes a state of parameters, one steps it, one reads the parameters.

Parameters are pytrees. The maker of an optimiser is written for one array; ``optimizer`` maps it over the leaves and
packs their states. Schedules are functions of the number of the step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cotan import numpy as cnp
from cotan import tracebacks as _tracebacks
from cotan.ir.avals import is_array_like
from cotan.tree import register_pytree_node, tree_flatten, tree_leaves, tree_map

Schedule = Callable[[Any], Any]


class Optimizer(NamedTuple):
    """``init_fn(params) -> state``, ``update_fn(step, gradients, state) -> state``, ``params_fn(state) -> params``."""

    init_fn: Callable[[Any], Any]
    update_fn: Callable[[Any, Any, Any], Any]
    params_fn: Callable[[Any], Any]


class OptimizerState(NamedTuple):
    """The states of all leaves, flat; how the parameters are structured; how each state is."""

    packed_state: Any
    tree_def: Any
    subtree_defs: Any


register_pytree_node(
    OptimizerState,
    lambda state: ((state.packed_state,), (state.tree_def, state.subtree_defs)),
    lambda structure, packed: OptimizerState(packed[0], *structure),
)


def optimizer(opt_maker: Callable[..., tuple[Any, Any, Any]]) -> Callable[..., Optimizer]:
    """Make an optimiser of pytrees of one that is written for a single array.

    Args:
      opt_maker: returns ``(init(x) -> state, update(step, gradient, state) -> state, get_params(state) -> x)``.

    >>> from cotan.example_libraries import optimizers
    >>> @optimizers.optimizer
    ... def descent(rate):
    ...     return lambda x: x, lambda i, g, x: x - rate * g, lambda x: x
    >>> init, update, get = descent(0.5)
    >>> get(update(0, {"w": 1.0}, init({"w": 3.0})))
    {'w': 2.5}
    """

    @functools.wraps(opt_maker)
    def made(*args: Any, **kwargs: Any) -> Optimizer:
        init, update, get_params = opt_maker(*args, **kwargs)

        def tree_init(params: Any) -> OptimizerState:
            leaves, tree = tree_flatten(params)
            return _packed(tree, [init(x) for x in leaves])

        def tree_update(step: Any, gradients: Any, state: OptimizerState) -> OptimizerState:
            slopes, tree = tree_flatten(gradients)
            if tree != state.tree_def:
                raise TypeError(
                    f"update: the gradients must be structured as the parameters, {state.tree_def}, got {tree}"
                )
            updated = _packed(tree, [update(step, g, x) for g, x in zip(slopes, _states(state), strict=True)])
            for place, (before, after) in enumerate(zip(state.subtree_defs, updated.subtree_defs, strict=True)):
                if before != after:
                    raise TypeError(
                        f"update: the state of leaf {place} must stay structured as {before}, and became {after}"
                    )
            return updated

        def tree_params(state: OptimizerState) -> Any:
            return state.tree_def.unflatten([get_params(x) for x in _states(state)])

        return Optimizer(tree_init, tree_update, tree_params)

    return made


def _packed(tree: Any, states: Sequence[Any]) -> OptimizerState:
    flat = [tree_flatten(state) for state in states]
    return OptimizerState(tuple(tuple(leaves) for leaves, _ in flat), tree, tuple(sub for _, sub in flat))


def _states(state: OptimizerState) -> list[Any]:
    return [sub.unflatten(leaves) for leaves, sub in zip(state.packed_state, state.subtree_defs, strict=True)]


# ---- optimisers


@optimizer
def sgd(step_size: Any) -> Any:
    """Gradient descent: x - step_size g."""
    rate = make_schedule(step_size)
    return lambda x: x, lambda i, g, x: x - rate(i) * g, lambda x: x


@optimizer
def momentum(step_size: Any, mass: float) -> Any:
    """Gradient descent along a velocity v = mass v + g."""
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, velocity = state
        velocity = mass * velocity + g
        return x - rate(i) * velocity, velocity

    return lambda x: (x, cnp.zeros_like(x)), update, lambda state: state[0]


@optimizer
def nesterov(step_size: Any, mass: float) -> Any:
    """Momentum that looks ahead (Y. Nesterov, 1983)."""
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, velocity = state
        velocity = mass * velocity + g
        return x - rate(i) * (mass * velocity + g), velocity

    return lambda x: (x, cnp.zeros_like(x)), update, lambda state: state[0]


@optimizer
def adagrad(step_size: Any, momentum: float = 0.9) -> Any:
    """Steps divided by the root of the sum of squared gradients (J. Duchi et al., 2011), with momentum."""
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, squares, mean = state
        squares = squares + cnp.square(g)
        scaled = g * cnp.where(squares > 0, 1.0 / cnp.sqrt(cnp.where(squares > 0, squares, 1)), 0.0)
        mean = (1.0 - momentum) * scaled + momentum * mean
        return x - rate(i) * mean, squares, mean

    return lambda x: (x, cnp.zeros_like(x), cnp.zeros_like(x)), update, lambda state: state[0]


@optimizer
def rmsprop(step_size: Any, gamma: float = 0.9, eps: float = 1e-8) -> Any:
    """Steps divided by the root of a running mean of squared gradients."""
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, squares = state
        squares = squares * gamma + cnp.square(g) * (1.0 - gamma)
        return x - rate(i) * g / cnp.sqrt(squares + eps), squares

    return lambda x: (x, cnp.zeros_like(x)), update, lambda state: state[0]


@optimizer
def rmsprop_momentum(step_size: Any, gamma: float = 0.9, eps: float = 1e-8, momentum: float = 0.9) -> Any:
    """``rmsprop`` with momentum."""
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, squares, mean = state
        squares = squares * gamma + cnp.square(g) * (1.0 - gamma)
        mean = momentum * mean + rate(i) * g / cnp.sqrt(squares + eps)
        return x - mean, squares, mean

    return lambda x: (x, cnp.zeros_like(x), cnp.zeros_like(x)), update, lambda state: state[0]


@optimizer
def adam(step_size: Any, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Any:
    """Adam (D. Kingma and J. Ba, 2015): running means of gradients and their squares, freed of their bias."""
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, mean, squares = state
        mean = (1 - b1) * g + b1 * mean
        squares = (1 - b2) * cnp.square(g) + b2 * squares
        unbiased = mean / (1 - cnp.asarray(b1, mean.dtype) ** (i + 1))
        unbiased_squares = squares / (1 - cnp.asarray(b2, mean.dtype) ** (i + 1))
        return x - rate(i) * unbiased / (cnp.sqrt(unbiased_squares) + eps), mean, squares

    return lambda x: (x, cnp.zeros_like(x), cnp.zeros_like(x)), update, lambda state: state[0]


@optimizer
def adamax(step_size: Any, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Any:
    """Adam with the greatest recent gradient in place of the root of squares (D. Kingma and J. Ba, 2015)."""
    rate = make_schedule(step_size)

    def update(i: Any, g: Any, state: Any) -> Any:
        x, mean, greatest = state
        mean = (1 - b1) * g + b1 * mean
        greatest = cnp.maximum(b2 * greatest, cnp.abs(g))
        step = rate(i) / (1 - cnp.asarray(b1, mean.dtype) ** (i + 1))
        return x - step * mean / (greatest + eps), mean, greatest

    return lambda x: (x, cnp.zeros_like(x), cnp.zeros_like(x)), update, lambda state: state[0]


@optimizer
def sm3(step_size: Any, momentum: float = 0.9) -> Any:
    """Adagrad with one sum for each row, column and so on (R. Anil et al., 2019)."""
    rate = make_schedule(step_size)

    def along(x: Any, axis: int, ndim: int) -> Any:
        return cnp.reshape(x, tuple(-1 if d == axis else 1 for d in range(ndim)))

    def init(x: Any) -> Any:
        x = cnp.asarray(x)
        return x, cnp.zeros_like(x), [cnp.zeros(extent, x.dtype) for extent in x.shape]

    def update(i: Any, g: Any, state: Any) -> Any:
        x, mean, sums = state
        bounds = [along(s, axis, cnp.ndim(x)) for axis, s in enumerate(sums)]
        total = functools.reduce(cnp.minimum, bounds, cnp.asarray(cnp.inf, x.dtype)) if bounds else cnp.zeros_like(x)
        total = total + cnp.square(g)
        scaled = g * cnp.where(total > 0, 1.0 / cnp.sqrt(cnp.where(total > 0, total, 1)), 0.0)
        mean = (1.0 - momentum) * scaled + momentum * mean
        sums = [cnp.max(total, tuple(d for d in range(total.ndim) if d != axis)) for axis in range(len(sums))]
        return x - rate(i) * mean, mean, sums

    return init, update, lambda state: state[0]


# ---- schedules


def constant(step_size: Any) -> Schedule:
    """Always the same step size."""
    return lambda i: step_size


def exponential_decay(step_size: Any, decay_steps: Any, decay_rate: Any) -> Schedule:
    """step_size decay_rate^(i / decay_steps)."""
    return lambda i: step_size * decay_rate ** (i / decay_steps)


def inverse_time_decay(step_size: Any, decay_steps: Any, decay_rate: Any, staircase: bool = False) -> Schedule:
    """step_size / (1 + decay_rate i / decay_steps); ``staircase``: with the quotient rounded down."""
    if staircase:
        return lambda i: step_size / (1 + decay_rate * cnp.floor(i / decay_steps))
    return lambda i: step_size / (1 + decay_rate * i / decay_steps)


def polynomial_decay(step_size: Any, decay_steps: Any, final_step_size: Any, power: Any = 1.0) -> Schedule:
    """From step_size to final_step_size in decay_steps steps, then constant."""

    def schedule(i: Any) -> Any:
        left = 1 - cnp.minimum(i, decay_steps) / decay_steps
        return left**power * (step_size - final_step_size) + final_step_size

    return schedule


def piecewise_constant(boundaries: Any, values: Any) -> Schedule:
    """values[k] from the k-th boundary on.

    Raises:
      ValueError: not one value more than boundaries, or not vectors.

    >>> from cotan.example_libraries import optimizers
    >>> optimizers.piecewise_constant([10], [0.5, 0.25])(12)
    Array(0.25, dtype=float32)
    """
    boundaries, values = cnp.array(boundaries), cnp.array(values)
    if boundaries.ndim != 1 or values.shape != (boundaries.size + 1,):
        raise ValueError(
            f"piecewise_constant: there must be one value more than boundaries, in vectors; got shapes "
            f"{boundaries.shape} and {values.shape}"
        )
    return lambda i: values[cnp.sum(i > boundaries)]


def make_schedule(scalar_or_schedule: Any) -> Schedule:
    """A schedule of a scalar; a schedule stays what it is.

    Raises:
      TypeError: neither.
    """
    if callable(scalar_or_schedule):
        return scalar_or_schedule  # type: ignore[no-any-return]
    if is_array_like(scalar_or_schedule) and cnp.ndim(scalar_or_schedule) == 0:
        return constant(scalar_or_schedule)
    kind = type(scalar_or_schedule).__name__
    raise TypeError(f"make_schedule: a step size must be a scalar or a function of the step, got {kind}")


# ---- gradients


def l2_norm(tree: Any) -> Any:
    """The root of the sum of the squares of all elements."""
    return cnp.sqrt(sum(cnp.vdot(x, x) for x in tree_leaves(tree)))


def clip_grads(grad_tree: Any, max_norm: Any) -> Any:
    """Gradients scaled down so that their norm is at most ``max_norm``."""
    norm = l2_norm(grad_tree)
    return tree_map(lambda g: cnp.where(norm < max_norm, g, g * (max_norm / norm)), grad_tree)


# ---- states as pytrees


class JoinPoint:
    """A leaf of the parameters in an unpacked state; holds the state of that leaf, in ``subtree``."""

    def __init__(self, subtree: Any) -> None:
        self.subtree = subtree

    def __iter__(self) -> Any:
        yield self.subtree


def unpack_optimizer_state(opt_state: OptimizerState) -> Any:
    """The state as a pytree of the parameters' structure whose leaves are ``JoinPoint``s, for saving."""
    return opt_state.tree_def.unflatten([JoinPoint(state) for state in _states(opt_state)])


def pack_optimizer_state(marked_pytree: Any) -> OptimizerState:
    """The inverse of ``unpack_optimizer_state``.

    Raises:
      TypeError: a leaf is no ``JoinPoint``.
    """
    points, tree = tree_flatten(marked_pytree)
    for point in points:
        if not isinstance(point, JoinPoint):
            raise TypeError(f"pack_optimizer_state: every leaf must be a JoinPoint, got {type(point).__name__}")
    return _packed(tree, [point.subtree for point in points])


_tracebacks.guard(globals())
