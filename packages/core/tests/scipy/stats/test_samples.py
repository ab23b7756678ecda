"""Statistics of samples and kernel density estimates against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

import cotan
import cotan.numpy as cnp
from cotan import random
from cotan.scipy import stats

TABLE = np.random.default_rng(0).integers(0, 4, (5, 3, 6))
FLOATS = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_mode(axis, keepdims):
    found = stats.mode(TABLE, axis=axis, keepdims=keepdims)
    expected = scipy.stats.mode(TABLE, axis=axis, keepdims=keepdims)
    np.testing.assert_array_equal(found.mode, expected.mode)
    np.testing.assert_array_equal(found.count, expected.count)
    jitted = cotan.jit(lambda x: stats.mode(x, axis=axis, keepdims=keepdims))(TABLE)
    np.testing.assert_array_equal(jitted.mode, expected.mode)


def test_mode_of_nothing():
    found = stats.mode(cnp.zeros((0,)))
    assert np.isnan(found.mode)
    assert found.count == 0


@pytest.mark.parametrize("method", ["average", "min", "max", "dense", "ordinal"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_rankdata(axis, method):
    found = stats.rankdata(TABLE, method, axis=axis)
    np.testing.assert_array_equal(found, scipy.stats.rankdata(TABLE, method, axis=axis))
    assert found.dtype == np.float32


def test_ranks_of_nan_and_nothing():
    np.testing.assert_array_equal(
        stats.rankdata(cnp.array([[1.0, np.nan], [2.0, 1.0]]), axis=1), [[np.nan] * 2, [2, 1]]
    )
    assert stats.rankdata(cnp.zeros((0,))).shape == (0,)


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("ddof", [0, 1])
def test_sem(axis, ddof):
    np.testing.assert_allclose(stats.sem(FLOATS, axis, ddof), scipy.stats.sem(FLOATS, axis, ddof), rtol=1e-5)
    holes = np.where(FLOATS > 1, np.nan, FLOATS)
    expected = np.asarray(scipy.stats.sem(holes, axis, ddof, nan_policy="omit"))
    np.testing.assert_allclose(stats.sem(holes, axis, ddof, nan_policy="omit"), expected, rtol=1e-5)
    if axis is not None:
        assert stats.sem(FLOATS, axis, keepdims=True).ndim == 2
    for policy in ("propagate", "omit"):
        assert stats.sem(FLOATS, None, nan_policy=policy, keepdims=True).shape == (1, 1)


def test_bad_arguments():
    with pytest.raises(ValueError, match="mode: nan_policy must be 'propagate', got 'omit'"):
        stats.mode(FLOATS, nan_policy="omit")
    with pytest.raises(ValueError, match="rankdata: method must be one of average, min, max, dense, ordinal; got 'x'"):
        stats.rankdata(FLOATS, "x")
    with pytest.raises(ValueError, match="sem: nan_policy must be 'propagate' or 'omit', got 'raise'"):
        stats.sem(FLOATS, nan_policy="raise")


# ---- kernel density estimates

SAMPLES = np.random.default_rng(2).normal(size=(2, 30))
WEIGHTS = np.random.default_rng(3).random(30)


@pytest.mark.parametrize("bandwidth", [None, "scott", "silverman", 0.4, lambda estimate: 0.5])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("d", [1, 2])
def test_kernel_density_estimates(d, weights, bandwidth):
    samples, points = SAMPLES[:d], np.random.default_rng(4).normal(size=(d, 7))
    expected = scipy.stats.gaussian_kde(samples, bandwidth, weights)
    with cotan.enable_x64(True):
        found = stats.gaussian_kde(samples, bandwidth, weights)
        assert (found.d, found.n) == (d, 30)
        np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-10)
        np.testing.assert_allclose(found.inv_cov, expected.inv_cov, rtol=1e-8)
        np.testing.assert_allclose(found.neff, expected.neff, rtol=1e-10)
        np.testing.assert_allclose(found(points), expected(points), rtol=1e-8)
        np.testing.assert_allclose(found.pdf(points), expected(points), rtol=1e-8)
        np.testing.assert_allclose(found.logpdf(points), expected.logpdf(points), rtol=1e-8)
        cov = np.eye(d) * 0.7
        mean = np.full(d, 0.3)
        np.testing.assert_allclose(
            found.integrate_gaussian(mean, cov), expected.integrate_gaussian(mean, cov), rtol=1e-8
        )
        other = stats.gaussian_kde(samples + 0.5)
        theirs = scipy.stats.gaussian_kde(samples + 0.5)
        np.testing.assert_allclose(found.integrate_kde(other), expected.integrate_kde(theirs), rtol=1e-8)
        if d == 1:
            np.testing.assert_allclose(found.integrate_box_1d(-0.3, 1.1), expected.integrate_box_1d(-0.3, 1.1))
            np.testing.assert_allclose(found.integrate_box(-0.3, 1.1), expected.integrate_box_1d(-0.3, 1.1))


def test_estimates_are_pytrees_and_have_derivatives():
    estimate = stats.gaussian_kde(SAMPLES[0].astype(np.float32))
    np.testing.assert_allclose(cotan.jit(lambda k, x: k(x))(estimate, cnp.array([0.2])), estimate(0.2), rtol=1e-5)
    with cotan.enable_x64(True):
        slope = cotan.grad(lambda s: stats.gaussian_kde(s)(0.2)[0])(SAMPLES[0])
        up, down = (scipy.stats.gaussian_kde(SAMPLES[0] + h * np.eye(30)[4])(0.2)[0] for h in (1e-6, -1e-6))
        np.testing.assert_allclose(slope[4], (up - down) / 2e-6, rtol=1e-4)


def test_new_samples_have_the_estimated_moments():
    estimate = stats.gaussian_kde(SAMPLES.astype(np.float32), weights=WEIGHTS)
    drawn = np.asarray(estimate.resample(random.key(0), (20000,)))
    assert drawn.shape == (2, 20000)
    np.testing.assert_allclose(drawn.mean(1), SAMPLES @ WEIGHTS / WEIGHTS.sum(), atol=0.05)
    spread = np.cov(SAMPLES, aweights=WEIGHTS, bias=True)
    np.testing.assert_allclose(np.cov(drawn), spread + np.asarray(estimate.covariance), atol=0.1)
    assert estimate.resample(random.key(0)).shape == (2,)


def test_errors_of_estimates():
    estimate, flat = stats.gaussian_kde(SAMPLES), stats.gaussian_kde(SAMPLES[0])
    cases = [
        (TypeError, "the samples must be real", lambda: stats.gaussian_kde(SAMPLES + 1j)),
        (ValueError, r"must be \(n,\) or \(d, n\) with n > 1", lambda: stats.gaussian_kde(np.ones(1))),
        (
            ValueError,
            "there are 30 samples, but weights of shape",
            lambda: stats.gaussian_kde(SAMPLES, weights=np.ones(3)),
        ),
        (ValueError, "bw_method must be 'scott'", lambda: stats.gaussian_kde(SAMPLES, "wide")),
        (ValueError, r"points must be \(2, m\)", lambda: estimate(np.ones((3, 4)))),
        (ValueError, "mean and covariance must be", lambda: estimate.integrate_gaussian(np.ones(3), np.eye(3))),
        (ValueError, "must be of one dimension, got 2 and 1", lambda: estimate.integrate_kde(flat)),
        (ValueError, "the samples have 2 dimensions; it takes one", lambda: estimate.integrate_box_1d(0, 1)),
        (ValueError, "the limits must be scalars", lambda: flat.integrate_box_1d(np.zeros(2), 1)),
        (AttributeError, "the bandwidth cannot be set", lambda: estimate.set_bandwidth(0.5)),
        (AttributeError, "neff cannot be set", lambda: setattr(estimate, "neff", 3)),
    ]
    for error, text, call in cases:
        with pytest.raises(error, match=text):
            call()
