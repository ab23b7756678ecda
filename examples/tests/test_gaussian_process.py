"""The marginal likelihood, its gradient and the posterior against their closed forms in NumPy and SciPy."""

from __future__ import annotations

import gaussian_process
import numpy as np
import pytest
import scipy.stats

import cotan
from cotan import random

LOGS = {"height": 0.2, "length": -0.3, "noise": -1.1}


@pytest.fixture
def data():
    with cotan.enable_x64():
        yield tuple(map(np.asarray, gaussian_process.make_data(random.key(3), 15)))


def kernel(a, b):
    return np.exp(2 * LOGS["height"]) * np.exp(-0.5 * ((a[:, None] - b) / np.exp(LOGS["length"])) ** 2)


def test_the_marginal_likelihood_is_that_of_a_normal_distribution(data):
    x, y = data
    matrix = kernel(x, x) + np.exp(2 * LOGS["noise"]) * np.eye(15)
    expected = -scipy.stats.multivariate_normal(np.zeros(15), matrix).logpdf(y) / 15
    np.testing.assert_allclose(gaussian_process.loss(LOGS, x, y), expected, rtol=1e-10)


def test_the_gradient_is_the_closed_form(data):
    x, y = data
    signal, noise = kernel(x, x), np.exp(2 * LOGS["noise"]) * np.eye(15)
    inverse = np.linalg.inv(signal + noise)
    weights = inverse @ y
    distances = ((x[:, None] - x) / np.exp(LOGS["length"])) ** 2
    slopes = {"height": 2 * signal, "length": signal * distances, "noise": 2 * noise}
    found = cotan.jit(cotan.grad(gaussian_process.loss))(LOGS, x, y)
    for name, slope in slopes.items():
        expected = -0.5 * (weights @ slope @ weights - np.trace(inverse @ slope)) / 15
        np.testing.assert_allclose(found[name], expected, rtol=1e-9)


def test_the_posterior_and_its_slope_are_the_closed_forms(data):
    x, y = data
    places = np.linspace(-4, 4, 7)
    inverse = np.linalg.inv(kernel(x, x) + np.exp(2 * LOGS["noise"]) * np.eye(15))
    across = kernel(places, x)
    slopes = across * (x - places[:, None]) / np.exp(2 * LOGS["length"])
    expected_variance = kernel(places, places) - across @ inverse @ across.T
    mean, deviation, slope = cotan.jit(gaussian_process.posteriors)(LOGS, x, y, places)
    np.testing.assert_allclose(mean, across @ inverse @ y, rtol=1e-9)
    np.testing.assert_allclose(deviation, np.sqrt(np.diag(expected_variance)), rtol=1e-8)
    np.testing.assert_allclose(slope, slopes @ inverse @ y, rtol=1e-8)


def test_the_noise_is_found_and_the_data_are_explained(tmp_path):
    found = gaussian_process.main(["--count", "60", "--steps", "200", "--out", str(tmp_path)])
    assert abs(found["noise"] / gaussian_process.NOISE - 1) < 0.25
    assert 0.3 < found["error"] < 2
    assert (tmp_path / "gaussian_process.png").read_bytes()[:4] == b"\x89PNG"
