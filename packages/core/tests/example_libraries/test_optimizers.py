"""Optimisers: each against its update rule in NumPy, states as pytrees, schedules, bad input."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.example_libraries import optimizers

START = np.array([[1.0, -2.0, 0.5], [0.3, 4.0, -1.0]])
GRADIENTS = np.random.default_rng(0).normal(size=(6, 2, 3))


def _momentum(x, rate=0.1, mass=0.8, ahead=False):
    v = np.zeros_like(x)
    for g in GRADIENTS:
        v = mass * v + g
        x = x - rate * (mass * v + g if ahead else v)
    return x


def _adagrad(x):
    s, m = np.zeros_like(x), np.zeros_like(x)
    for g in GRADIENTS:
        s, m = s + g * g, 0.9 * m + 0.1 * g / np.sqrt(s + g * g)
        x = x - 0.1 * m
    return x


def _rmsprop(x, momentum=None):
    s, m = np.zeros_like(x), np.zeros_like(x)
    for g in GRADIENTS:
        s = 0.9 * s + 0.1 * g * g
        step = 0.1 * g / np.sqrt(s + 1e-8)
        m = step if momentum is None else momentum * m + step
        x = x - m
    return x


def _adam(x, greatest=False):
    m, s = np.zeros_like(x), np.zeros_like(x)
    for i, g in enumerate(GRADIENTS, 1):
        m = 0.9 * m + 0.1 * g
        if greatest:
            s = np.maximum(0.999 * s, np.abs(g))
            x = x - 0.1 / (1 - 0.9**i) * m / (s + 1e-8)
        else:
            s = 0.999 * s + 0.001 * g * g
            x = x - 0.1 * m / (1 - 0.9**i) / (np.sqrt(s / (1 - 0.999**i)) + 1e-8)
    return x


def _sm3(x):
    rows, columns, m = np.zeros(2), np.zeros(3), np.zeros_like(x)
    for g in GRADIENTS:
        total = np.minimum(rows[:, None], columns[None, :]) + g * g
        m = 0.1 * g / np.sqrt(total) + 0.9 * m
        rows, columns = total.max(1), total.max(0)
        x = x - 0.1 * m
    return x


RULES = {
    "sgd": (lambda: optimizers.sgd(0.1), lambda x: x - 0.1 * GRADIENTS.sum(0)),
    "momentum": (lambda: optimizers.momentum(0.1, 0.8), _momentum),
    "nesterov": (lambda: optimizers.nesterov(0.1, 0.8), lambda x: _momentum(x, ahead=True)),
    "adagrad": (lambda: optimizers.adagrad(0.1), _adagrad),
    "rmsprop": (lambda: optimizers.rmsprop(0.1), _rmsprop),
    "rmsprop_momentum": (lambda: optimizers.rmsprop_momentum(0.1), lambda x: _rmsprop(x, 0.9)),
    "adam": (lambda: optimizers.adam(0.1), _adam),
    "adamax": (lambda: optimizers.adamax(0.1), lambda x: _adam(x, greatest=True)),
    "sm3": (lambda: optimizers.sm3(0.1), _sm3),
}


@pytest.mark.parametrize("name", RULES)
def test_updates(name):
    made, rule = RULES[name]
    with cotan.enable_x64(True):
        init, update, get_params = made()
        state = init({"w": (START, cnp.asarray(2.0))})
        step = cotan.jit(update)
        for i, g in enumerate(GRADIENTS):
            state = step(i, {"w": (g, cnp.asarray(0.0))}, state)
        found, still = get_params(state)["w"]
    np.testing.assert_allclose(found, rule(START), rtol=1e-7)
    assert still == 2


def test_adam_finds_a_minimum():
    init, update, get_params = optimizers.adam(optimizers.exponential_decay(0.3, 50, 0.5))
    slope = cotan.grad(lambda p: cnp.sum((p["a"] - 3) ** 2) + (p["b"] + 1) ** 2)
    state = init({"a": cnp.zeros(2), "b": 0.5})
    step = cotan.jit(lambda i, state: update(i, slope(get_params(state)), state))
    for i in range(300):
        state = step(i, state)
    np.testing.assert_allclose(get_params(state)["a"], 3, atol=1e-2)
    np.testing.assert_allclose(get_params(state)["b"], -1, atol=1e-2)


def test_states_are_unpacked_and_packed():
    init, update, get_params = optimizers.momentum(0.1, 0.5)
    state = update(0, [cnp.ones(2), 1.0], init([cnp.zeros(2), 1.0]))
    marked = optimizers.unpack_optimizer_state(state)
    assert [type(x) for x in marked] == [optimizers.JoinPoint] * 2
    np.testing.assert_array_equal(next(iter(marked[0]))[1], np.ones(2))
    again = optimizers.pack_optimizer_state(marked)
    np.testing.assert_array_equal(get_params(again)[0], get_params(state)[0])
    with pytest.raises(TypeError, match="every leaf must be a JoinPoint, got int"):
        optimizers.pack_optimizer_state([1, 2])


def test_schedules():
    assert optimizers.constant(0.5)(7) == 0.5
    assert optimizers.make_schedule(0.5)(7) == 0.5
    np.testing.assert_allclose(optimizers.exponential_decay(2.0, 10, 0.5)(20), 0.5)
    np.testing.assert_allclose(optimizers.inverse_time_decay(2.0, 10, 0.5)(15), 2 / 1.75)
    np.testing.assert_allclose(optimizers.inverse_time_decay(2.0, 10, 0.5, staircase=True)(15), 2 / 1.5)
    np.testing.assert_allclose(optimizers.polynomial_decay(2.0, 10, 1.0, power=2.0)(5), 1.25)
    np.testing.assert_allclose(optimizers.polynomial_decay(2.0, 10, 1.0)(50), 1.0)
    steps = optimizers.piecewise_constant([10, 20], [1.0, 0.5, 0.25])
    assert [float(steps(i)) for i in (0, 10, 11, 21)] == [1.0, 1.0, 0.5, 0.25]


def test_norms_and_clipping():
    tree = {"a": cnp.array([3.0, 0.0]), "b": cnp.array(4.0)}
    np.testing.assert_allclose(optimizers.l2_norm(tree), 5)
    np.testing.assert_allclose(optimizers.clip_grads(tree, 1.0)["a"], [0.6, 0])
    np.testing.assert_allclose(optimizers.clip_grads(tree, 10.0)["b"], 4)


def test_bad_arguments():
    init, update, _ = optimizers.sgd(0.1)
    with pytest.raises(TypeError, match="update: the gradients must be structured as the parameters"):
        update(0, [1.0], init((1.0,)))
    with pytest.raises(
        TypeError, match="make_schedule: a step size must be a scalar or a function of the step, got list"
    ):
        optimizers.sgd([0.1, 0.2])
    with pytest.raises(ValueError, match="piecewise_constant: there must be one value more than boundaries"):
        optimizers.piecewise_constant([1, 2], [0.1])
    growing = optimizers.optimizer(lambda: (lambda x: x, lambda i, g, x: (x, g), lambda x: x))()
    with pytest.raises(TypeError, match="update: the state of leaf 0 must stay structured as"):
        growing[1](0, 1.0, growing[0](1.0))
