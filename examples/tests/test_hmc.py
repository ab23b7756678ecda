"""The motion against that of a harmonic oscillator, the samples against the exact posterior, the diagnostics against
series whose correlation is known."""

from __future__ import annotations

import hmc
import numpy as np

import cotan
from cotan import random


def test_the_motion_is_that_of_oscillators_keeps_energy_and_turns_back():
    frequencies, place, push = np.array([1.0, 2.0]), np.array([0.5, -1.0]), np.array([0.3, 0.7])

    def log_density(x):
        return -0.5 * cotan.numpy.sum((frequencies * x) ** 2)

    with cotan.enable_x64():
        end, momentum = hmc.leapfrog(log_density, place, push, 1e-3, 1000)
        angles = frequencies * 1.0
        np.testing.assert_allclose(end, place * np.cos(angles) + push / frequencies * np.sin(angles), atol=1e-5)
        energy = 0.5 * np.sum(push**2 + (frequencies * place) ** 2)
        np.testing.assert_allclose(0.5 * np.sum(momentum**2) - log_density(end), energy, rtol=1e-6)
        back, _ = hmc.leapfrog(log_density, end, -momentum, 1e-3, 1000)
        np.testing.assert_allclose(back, place, rtol=1e-9)


def test_the_exact_posterior_is_where_the_log_posterior_is_flat_and_curves_by_its_covariance():
    with cotan.enable_x64():
        columns, y = hmc.make_data(random.key(1), 30)
        mean, covariance = hmc.exact_posterior(columns, y)
        np.testing.assert_allclose(cotan.grad(hmc.log_posterior)(mean, columns, y), 0, atol=1e-9)
        curvature = cotan.hessian(hmc.log_posterior)(mean, columns, y)
        np.testing.assert_allclose(curvature, -np.linalg.inv(covariance), rtol=1e-8)


def test_the_autocovariance_is_the_sum_of_products():
    series = np.random.default_rng(0).normal(size=50).astype(np.float32)
    centred = series - series.mean()
    expected = [np.sum(centred[: 50 - lag] * centred[lag:]) / 50 for lag in range(50)]
    np.testing.assert_allclose(hmc.autocovariance(series), expected, atol=1e-5)


def test_the_effective_size_of_autoregressive_chains_is_the_known_one():
    # x' = c x + noise has the correlation c^lag, so that n samples are worth n (1 - c) / (1 + c).
    c, rng = 0.8, np.random.default_rng(1)
    series = np.empty((8, 4000), np.float32)
    state = rng.normal(size=8) / np.sqrt(1 - c**2)
    for n in range(series.shape[1]):
        series[:, n] = state = c * state + rng.normal(size=8)
    size, r_hat = hmc.diagnose(series)
    assert abs(float(size) / (series.size * (1 - c) / (1 + c)) - 1) < 0.15
    assert abs(float(r_hat) - 1) < 0.01
    _, r_hat = hmc.diagnose(series + 3 * np.arange(8, dtype=np.float32)[:, None])
    assert float(r_hat) > 2


def test_chains_at_once_are_the_chains_one_by_one():
    columns, y = hmc.make_data(random.key(2), 30)
    found = hmc.sample(random.key(3), columns, y, 3, 5, 0)
    for_starts, for_chains = random.split(random.key(3))
    starts, keys = 3 * random.normal(for_starts, (3, 3)), random.split(for_chains, 3)
    for n in range(3):
        one = hmc.sample_chain(lambda w: hmc.log_posterior(w, columns, y), keys[n], starts[n], 5, 0.025, 32)
        np.testing.assert_allclose(found.weights[n], one.weights, rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(found.accepted[n], one.accepted)


def test_the_samples_are_those_of_the_posterior(tmp_path):
    found = hmc.main(["--chains", "4", "--samples", "1000", "--out", str(tmp_path)])
    assert found["mean"] < 4
    assert found["deviation"] < 0.1
    assert found["size"] > 1000
    assert found["r_hat"] < 1.02
    assert (tmp_path / "hmc.png").read_bytes()[:4] == b"\x89PNG"
