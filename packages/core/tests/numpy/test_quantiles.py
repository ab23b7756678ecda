"""Quantiles by 'inverted_cdf', with weights and without, against NumPy's; eager and under jit."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

RNG = np.random.default_rng(7)
X = RNG.integers(0, 5, (4, 3, 5)).astype(np.float32)
WEIGHTS = RNG.integers(0, 4, X.shape).astype(np.float32)
WEIGHTS[0], WEIGHTS[:, 1, 2] = 1, 2
NANS = np.where(RNG.random(X.shape) < 0.3, np.nan, X).astype(np.float32)
NANS[0, 0], NANS[:, 2, 1] = np.nan, np.nan
Q = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
AXES = [None, 0, -1, 1, (0, 2), (2, 0), (-1, 1, 0)]


def compare(result, expected):
    assert tuple(result.shape) == np.shape(expected)
    np.testing.assert_array_equal(result, np.asarray(expected, np.float32))


@pytest.mark.parametrize("name", ["quantile", "nanquantile", "percentile", "nanpercentile"])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.filterwarnings("ignore:All-NaN slice")
def test_against_numpy(name, axis, keepdims, weighted):
    # Where weights of the elements that are left are all 0, NumPy warns.
    x, weights = (NANS, WEIGHTS + 1) if name.startswith("nan") else (X, WEIGHTS)
    q = Q * 100 if "percentile" in name else Q
    options = {"axis": axis, "keepdims": keepdims, "method": "inverted_cdf"}

    def call(x, q, weights=None):
        return getattr(cnp, name)(x, q, weights=weights, **options)

    args = (weights,) if weighted else ()
    expected = getattr(np, name)(x, q, **options, **({"weights": weights} if weighted else {}))
    compare(call(x, q, *args), expected)
    compare(cotan.jit(call)(x, q, *args), expected)
    compare(call(x, q[3], *args), expected[3])


@pytest.mark.parametrize("axis", [1, (0, 2), (2, 0), (1, 2, 0)])
def test_weights_along_the_axes(axis):
    axes = (axis,) if isinstance(axis, int) else axis
    weights = RNG.integers(1, 9, [X.shape[d] for d in axes])
    options = {"axis": axis, "method": "inverted_cdf", "weights": weights}
    compare(cnp.quantile(X, Q, **options), np.quantile(X, Q, **options))


def test_weights_are_numbers_of_repetitions():
    x, weights = X.ravel(), RNG.integers(0, 6, X.size)
    expected = np.quantile(np.repeat(x, weights), Q, method="inverted_cdf")
    compare(cnp.quantile(x, Q, weights=weights, method="inverted_cdf"), expected)
    compare(cnp.quantile(np.repeat(x, weights), Q, method="inverted_cdf"), expected)


def test_a_missing_element():
    for weights in (None, np.ones(X.shape[2], np.float32)):
        found = cnp.quantile(NANS, 0.5, axis=2, weights=weights, method="inverted_cdf")
        np.testing.assert_array_equal(np.isnan(found), np.isnan(NANS).any(2))
        found = cnp.nanquantile(NANS, 0.5, axis=2, weights=weights, method="inverted_cdf")
        np.testing.assert_array_equal(np.isnan(found), np.isnan(NANS).all(2))


@pytest.mark.parametrize("weights", [[0, 0, 0], [2, -1, 2], [1, np.nan, 1], [1, np.inf, 1]])
@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
def test_weights_without_a_meaning_give_nan(name, weights):
    call = getattr(cnp, name)
    weights = np.array(weights, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(call(np.float32([1, 2, 3]), 0.5, weights=weights, method="inverted_cdf"))


@pytest.mark.parametrize(
    ("given", "weights", "wanted"),
    [
        (np.int8, np.int32, "float32"),
        (np.float16, np.float32, "float16"),
        (np.float32, np.float64, "float32"),
        (np.float64, np.float32, "float64"),
        (cnp.bfloat16, np.bool_, "bfloat16"),
    ],
)
def test_dtypes_are_those_of_the_data(given, weights, wanted):
    with cotan.enable_x64(True):
        found = cnp.quantile(cnp.array([3, 1, 2], given), 0.5, weights=cnp.ones(3, weights), method="inverted_cdf")
        assert (found.dtype, float(found)) == (wanted, 2)


def test_many_elements_of_a_narrow_dtype_keep_their_weights():
    x = np.tile(np.float16([0, 1, 2, 3]), 2000)
    found = cnp.quantile(x, np.array([0.2, 0.4, 0.6, 0.9]), weights=np.ones(x.size, np.float16), method="inverted_cdf")
    np.testing.assert_array_equal(found, [0, 1, 2, 3])


def test_derivatives_go_to_the_element_that_is_chosen():
    x, weights = np.float32([3, 1, 2, 7]), np.float32([1, 2, 3, 1])

    def median(x, weights):
        return cnp.quantile(x, 0.5, weights=weights, method="inverted_cdf")

    to_x, to_weights = cotan.grad(median, (0, 1))(x, weights)
    np.testing.assert_array_equal(to_x, [0, 0, 1, 0])
    np.testing.assert_array_equal(to_weights, np.zeros(4))
    np.testing.assert_array_equal(
        cotan.vmap(median, (0, None))(X[0, :, :4], weights), median_of_rows(X[0, :, :4], weights)
    )


def median_of_rows(rows, weights):
    return np.quantile(rows, 0.5, axis=1, weights=weights, method="inverted_cdf")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: cnp.quantile(X, 0.5, weights=X), NotImplementedError, "method 'linear' has no weights; use method="),
        (lambda: cnp.nanquantile(X, 0.5, method="odd"), ValueError, "unknown method 'odd'; there are linear, .*cdf"),
        (
            lambda: cnp.quantile(X, 0.5, axis=0, weights=np.ones(3), method="inverted_cdf"),
            ValueError,
            r"quantile: weights of shape \(3,\) for an array of shape \(4, 3, 5\); .* along the axes \(0,\): \(4,\)",
        ),
        (
            lambda: cnp.percentile(X, 5, weights=np.ones(4), method="inverted_cdf"),
            ValueError,
            r"weights of shape \(4,\)",
        ),
        (lambda: cnp.quantile(X, 0.5, weights=X * 1j, method="inverted_cdf"), ValueError, "weights must be real"),
        (lambda: cnp.quantile(X, 0.5, weights=[1.0], method="inverted_cdf"), TypeError, "needs arrays or scalars"),
        (lambda: cnp.quantile(X, [0.5]), TypeError, "quantile needs arrays or scalars, got list at position 1"),
        (lambda: cnp.median(X * 1j), ValueError, "not defined on complex numbers"),
        (lambda: cnp.quantile(X, 0.5, out=X), ValueError, "quantile: arrays are immutable"),
        (lambda: cnp.median(X, out=X), ValueError, "arrays are immutable"),
        (lambda: cnp.nanmedian(X, out=X), ValueError, "arrays are immutable"),
        (lambda: cnp.nanpercentile(X, 50, out=X), ValueError, "arrays are immutable"),
    ],
)
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
def test_beyond_the_ends_lie_the_ends(name, method):
    x = np.array([3.0, 1.0, 2.0])
    compare(getattr(cnp, name)(x, np.array([-3, -0.1, 1.1, 9]), method=method), [1, 1, 3, 3])
