"""The filter against a loop in NumPy, the smoother and the likelihood against the joint normal distribution."""

from __future__ import annotations

import kalman
import numpy as np
import pytest
import scipy.stats

import cotan
from cotan import random, test_util

STEPS = 12
LOGS = np.log([0.3, 1.5])


@pytest.fixture
def seen():
    with cotan.enable_x64():
        _, seen = kalman.simulate(random.key(1), STEPS)
        yield np.asarray(seen)


def joint_distribution():
    """(means (2 n,), covariance (2 n, 2 n)) of all states, (n, 2 n) the matrix of what is seen of them."""
    mean, covariance = kalman.START
    pushes = np.exp(2 * LOGS[0]) * np.outer(kalman.PUSH, kalman.PUSH)
    means, blocks = [], np.zeros((STEPS, 2, STEPS, 2))
    for n in range(STEPS):
        means.append(mean)
        block = covariance
        for m in range(n, STEPS):
            blocks[m, :, n, :], blocks[n, :, m, :] = block, block.T
            block = kalman.MOVE @ block
        mean, covariance = kalman.MOVE @ mean, kalman.MOVE @ covariance @ kalman.MOVE.T + pushes
    return np.concatenate(means), blocks.reshape(2 * STEPS, 2 * STEPS), np.kron(np.eye(STEPS), kalman.SEEN)


def conditional(seen, steps):
    """Means and covariances of all states, given the first ``steps`` numbers seen."""
    means, covariance, view = joint_distribution()
    view, noise = view[:steps], np.exp(2 * LOGS[1]) * np.eye(steps)
    gain = covariance @ view.T @ np.linalg.inv(view @ covariance @ view.T + noise)
    means = means + gain @ (seen[:steps] - view @ means)
    covariance = (covariance - gain @ view @ covariance).reshape(STEPS, 2, STEPS, 2)
    return means.reshape(STEPS, 2), np.stack([covariance[n, :, n, :] for n in range(STEPS)])


def test_the_filter_knows_what_was_seen_up_to_then(seen):
    means, covariances, _ = kalman.kalman_filter(LOGS, seen)
    for n in range(STEPS):
        expected_means, expected_covariances = conditional(seen, n + 1)
        np.testing.assert_allclose(means[n], expected_means[n], rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(covariances[n], expected_covariances[n], rtol=1e-8, atol=1e-8)


def test_the_smoother_knows_all_that_was_seen(seen):
    means, covariances = kalman.smoother(LOGS, seen)
    expected_means, expected_covariances = conditional(seen, STEPS)
    np.testing.assert_allclose(means, expected_means, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(covariances, expected_covariances, rtol=1e-8, atol=1e-8)


def test_the_likelihood_is_that_of_the_joint_distribution(seen):
    means, covariance, view = joint_distribution()
    covariance = view @ covariance @ view.T + np.exp(2 * LOGS[1]) * np.eye(STEPS)
    expected = scipy.stats.multivariate_normal(view @ means, covariance).logpdf(seen)
    np.testing.assert_allclose(kalman.kalman_filter(LOGS, seen)[2], expected, rtol=1e-10)


def test_derivatives_through_the_filter_agree_with_differences(seen):
    test_util.check_grads(lambda logs: kalman.loss(logs, seen[None]), (LOGS,), order=2, modes=("fwd", "rev"))


def test_series_at_once_are_the_series_one_by_one():
    with cotan.enable_x64():
        keys = random.split(random.key(2), 3)
        series = cotan.vmap(lambda key: kalman.simulate(key, STEPS)[1])(keys)
        one_by_one = [kalman.simulate(key, STEPS)[1] for key in keys]
        np.testing.assert_allclose(series, np.stack(one_by_one), rtol=1e-12)
        expected = -sum(float(kalman.kalman_filter(LOGS, one)[2]) for one in one_by_one) / (3 * STEPS)
        np.testing.assert_allclose(kalman.loss(LOGS, series), expected, rtol=1e-12)


def test_the_noise_is_found_and_the_smoother_helps(tmp_path):
    found = kalman.main(["--series", "8", "--steps", "150", "--out", str(tmp_path)])
    assert abs(found["push"] / 0.1 - 1) < 0.25
    assert abs(found["sight"] / 2.0 - 1) < 0.1
    assert found["smoothed"] < 0.7 * found["filtered"] < 0.5 * found["seen"]
    assert (tmp_path / "kalman.png").read_bytes()[:4] == b"\x89PNG"
