"""Solutions, derivatives and the fit against SciPy's: another integrator, the sensitivity equations, another method."""

from __future__ import annotations

import numpy as np
import ode_fit
import pytest
import scipy.integrate
import scipy.optimize

import cotan
from cotan import random

TIMES = np.arange(9.0)


@pytest.fixture(autouse=True)
def doubles():
    with cotan.enable_x64():
        yield


def slopes(model, numbers):
    prey, predators = numbers
    births, hunts, feeds, deaths = model[:4]
    return np.array([births * prey - hunts * prey * predators, feeds * prey * predators - deaths * predators])


def numbers_and_sensitivities(model):
    """SciPy's solution (n, 2), and its derivatives by the logarithms of all six numbers (n, 2, 6), from the equation
    that they satisfy along the solution."""
    births, hunts, feeds, deaths = model[:4]

    def both(_, state):
        (prey, predators), sensitivities = state[:2], state[2:].reshape(2, 6)
        by_state = np.array([
            [births - hunts * predators, -hunts * prey],
            [feeds * predators, feeds * prey - deaths],
        ])  # fmt: skip
        by_logs = np.zeros((2, 6))
        by_logs[0, :2] = births * prey, -hunts * prey * predators
        by_logs[1, 2:4] = feeds * prey * predators, -deaths * predators
        return np.concatenate([slopes(model, state[:2]), (by_state @ sensitivities + by_logs).ravel()])

    start = np.zeros((2, 6))
    start[0, 4], start[1, 5] = model[4:]
    state = np.concatenate([model[4:], start.ravel()])
    found = scipy.integrate.solve_ivp(both, (0, TIMES[-1]), state, "DOP853", TIMES, rtol=1e-11, atol=1e-11).y.T
    return found[:, :2], found[:, 2:].reshape(-1, 2, 6)


def test_the_solution_is_that_of_another_integrator_and_keeps_what_is_conserved():
    expected, _ = numbers_and_sensitivities(ode_fit.TRUTH)
    found = ode_fit.solve(ode_fit.TRUTH, TIMES)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    invariant = np.asarray(ode_fit.conserved(ode_fit.TRUTH, found))
    np.testing.assert_allclose(invariant, invariant[0], rtol=1e-6)


def test_the_adjoint_derivatives_are_those_of_the_sensitivity_equations():
    numbers, sensitivities = numbers_and_sensitivities(ode_fit.TRUTH)
    expected = (sensitivities / numbers[..., None] / ode_fit.NOISE).reshape(-1, 6)
    weights = np.ones(len(TIMES))
    _, jacobian = ode_fit.linearised(np.log(ode_fit.TRUTH), TIMES, numbers, weights)
    np.testing.assert_allclose(jacobian, expected, rtol=1e-4, atol=1e-3)


def test_the_fit_is_that_of_another_method():
    counts = np.asarray(ode_fit.make_data(random.key(4), TIMES))
    data = (TIMES, counts, np.ones(len(TIMES)))

    def misses(logs):
        numbers, _ = numbers_and_sensitivities(np.exp(logs))
        return (np.log(numbers / counts) / ode_fit.NOISE).ravel()

    logs, covariance, loss = ode_fit.levenberg_marquardt(cotan.numpy.log(np.array(ode_fit.GUESS)), data, 15)
    expected = scipy.optimize.least_squares(misses, np.log(ode_fit.TRUTH))
    np.testing.assert_allclose(loss, expected.cost, rtol=1e-6)
    np.testing.assert_allclose(logs, expected.x, atol=1e-3)
    np.testing.assert_allclose(covariance, np.linalg.inv(expected.jac.T @ expected.jac), rtol=1e-2, atol=1e-5)


def test_the_rates_are_found_within_their_errors(tmp_path, capsys):
    found = ode_fit.main(["--years", "24", "--out", str(tmp_path)])
    assert found["relative"] < 0.3
    assert found["deviations"] < 3.5
    assert 0.5 < found["chi2"] < 1.7
    assert (tmp_path / "ode_fit.png").read_bytes()[:4] == b"\x89PNG"
    assert "25 times: half the squared misses" in capsys.readouterr().out
