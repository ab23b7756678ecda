"""Ordinary differential equations: against SciPy and solutions in closed form, with derivatives by everything."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate

import cotan
import cotan.numpy as cnp
from cotan.experimental import ode
from cotan.experimental.ode import odeint

TIMES = np.array([0.0, 0.4, 1.0, 1.7])


def _pendulum(y, t, m, g):
    angle, speed = y
    return cnp.stack([speed, -m * speed - g * cnp.sin(angle)])


@pytest.mark.parametrize("jitted", [False, True])
def test_the_pendulum(jitted):
    def solve(y0, t):
        return odeint(_pendulum, y0, t, 0.3, 9.8)

    start = np.array([1.0, -0.5])
    with cotan.enable_x64(True):
        found = (cotan.jit(solve) if jitted else solve)(start, TIMES)

    def slope(t, y):
        return [y[1], -0.3 * y[1] - 9.8 * np.sin(y[0])]

    expected = scipy.integrate.solve_ivp(slope, (0, 2), start, t_eval=TIMES, rtol=1e-11, atol=1e-11).y.T
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_pytrees_complex_numbers_and_batches():
    with cotan.enable_x64(True):
        out = odeint(lambda y, t: {"a": -y["a"], "b": 1j * y["b"]}, {"a": np.ones(2), "b": 1.0 + 0j}, TIMES)
        np.testing.assert_allclose(out["a"][:, 1], np.exp(-TIMES), atol=1e-6)
        np.testing.assert_allclose(out["b"], np.exp(1j * TIMES), atol=1e-6)
        rates = np.array([0.5, 2.0, 10.0])
        many = cotan.vmap(lambda k: odeint(lambda y, t: -k * y, 1.0, TIMES))(rates)
        np.testing.assert_allclose(many, np.exp(-rates[:, None] * TIMES), atol=1e-6)


def _numeric(f, x, h=1e-5):
    x = np.asarray(x)
    slopes = [(f(x + h * e.reshape(x.shape)) - f(x - h * e.reshape(x.shape))) / (2 * h) for e in np.eye(x.size)]
    return np.array(slopes).reshape(x.shape)


@pytest.mark.parametrize("argument", [0, 1, 2, 3])
def test_derivatives_by_start_times_and_parameters(argument):
    point = [np.array([1.0, -0.5]), TIMES, np.array(0.3), np.array(2.0)]

    def loss(*values):
        return cnp.sum(cnp.sin(odeint(_pendulum, *values)) * cnp.arange(1.0, 3.0))

    def along(x):
        return np.asarray(loss(*(x if i == argument else v for i, v in enumerate(point))))

    with cotan.enable_x64(True):
        found = cotan.grad(loss, argument)(*point)
        np.testing.assert_allclose(found, _numeric(along, point[argument]), rtol=1e-4, atol=1e-5)


def test_derivatives_by_what_is_closed_over_and_of_second_order():
    def final(k):
        return odeint(lambda y, t: -k * y, 1.0, np.array([0.0, 1.5]))[1]

    with cotan.enable_x64(True):
        np.testing.assert_allclose(cotan.grad(final)(0.7), -1.5 * np.exp(-1.05), rtol=1e-5)
        np.testing.assert_allclose(cotan.grad(cotan.grad(final))(0.7), 2.25 * np.exp(-1.05), rtol=1e-4)
        whole = cotan.grad(lambda y: odeint(lambda y, t, n: -n * y, y, np.array([0.0, 1.0]), np.array(2))[1])(1.0)
        np.testing.assert_allclose(whole, np.exp(-2), rtol=1e-5)


def test_limits_of_steps():
    with cotan.enable_x64(True):
        short = odeint(lambda y, t: cnp.cos(t), 0.0, np.array([0.0, 1.0]), hmax=0.01)
        np.testing.assert_allclose(short[1], np.sin(1), rtol=1e-8)


@pytest.mark.parametrize(
    ("factor", "times", "expected"),
    [
        (np.nan, [0.0, 1.0, 2.0], [1, np.nan, np.nan]),
        (-1, [1.0, 0.0], [1, np.nan]),
        (-1, [0.0, 0.0, 1.0], [1, 1, np.exp(-1)]),
    ],
    ids=["slope", "backwards", "no time"],
)
def test_where_no_step_is_taken(factor, times, expected):
    found = odeint(lambda y, t: y * factor, 1.0, np.array(times, np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_parts():
    np.testing.assert_allclose(ode.abs2(3 + 4j), 25, rtol=1e-6)
    np.testing.assert_allclose(ode.abs2(-3.0), 9)
    with cotan.enable_x64(True):
        y, dt = cnp.array([1.0]), cnp.asarray(0.1)
        y1, f1, error, k = ode.runge_kutta_step(lambda y, t: y, y, y, cnp.asarray(0.0), dt)
        np.testing.assert_allclose(y1, np.exp(0.1), rtol=1e-8)
        np.testing.assert_allclose(f1, np.exp(0.1), rtol=1e-6)
        assert abs(float(error[0])) < 1e-7
        polynomial = ode.interp_fit_dopri(y, y1, k, dt)
        np.testing.assert_allclose(np.polyval(np.asarray(polynomial)[:, 0], 0.3), np.exp(0.03), rtol=1e-7)
        assert 0 < float(ode.initial_step_size(lambda y, t: y, 0.0, y, 4, 1e-8, 1e-8, y)) < 0.1
        np.testing.assert_allclose(ode.mean_error_ratio(cnp.array([0.2]), 0.0, 0.1, y, y1), 2)
        np.testing.assert_allclose(ode.optimal_step_size(1.0, cnp.asarray(0.0)), 10)
        np.testing.assert_allclose(ode.optimal_step_size(1.0, cnp.asarray(2.0**5)), 0.45)
        cubic = ode.fit_4th_order_polynomial(*(cnp.asarray(x) for x in (0.0, 1.0, 0.125, 0.0, 3.0)), cnp.asarray(1.0))
        np.testing.assert_allclose(cubic, [0, 1, 0, 0, 0], atol=1e-12)


def test_bad_arguments():
    with pytest.raises(TypeError, match="odeint: t must be a vector of floats, got int32"):
        odeint(lambda y, t: y, 1.0, cnp.arange(3))
    with pytest.raises(TypeError, match="odeint: args must be arrays or scalars, got str"):
        odeint(lambda y, t, s: y, 1.0, cnp.arange(3.0), "s")
