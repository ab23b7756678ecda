"""Distributions: stored values, goodness of fit against SciPy, derivatives, transforms, bad input."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.special
import scipy.stats

import cotan
import cotan.numpy as cnp
from cotan import random
from cotan.lax import random_gamma_grad as slope
from cotan.random.gamma import _log_slope as log_slope

CASES = json.loads((Path(__file__).parent / "data" / "distributions.json").read_text())["cases"]
# How far samplers may be from the stored values: ulps of max(|x|, floor). Where the last step cancels the floor is 1.
FAR = {"loggamma": (8, 1.0), "wald": (8, 1.0)}
EXACT = {"poisson", "binomial", "multinomial", "geometric"}


def _arguments(case):
    def read(name, value):
        return tuple(value) if name == "shape" else np.array(value, np.float32) if isinstance(value, list) else value

    return {name: read(name, value) for name, value in case["arguments"].items()}


@pytest.mark.parametrize("fn", sorted({case["fn"] for case in CASES}))
def test_stored_values(fn):
    for case in (c for c in CASES if c["fn"] == fn):
        found = np.asarray(getattr(random, fn)(random.PRNGKey(case["seed"]), **_arguments(case)))
        expected = np.frombuffer(bytes.fromhex(case["hex"]), case["dtype"]).reshape(case["shape"])
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        if fn in EXACT:
            np.testing.assert_array_equal(found, expected)
        else:
            most, floor = FAR.get(fn, (16, 1e-3))
            unit = np.spacing(np.maximum(np.abs(expected), np.float32(floor)))
            assert np.max(np.abs(found.astype(np.float64) - expected) / unit) <= most, case


SHARES = np.array([0.1, 0.4, 0.2, 0.3])
COVARIANCE = np.float32([[2, 0.5, 0], [0.5, 1, 0.3], [0, 0.3, 1.5]])


def _length(k, s):
    """The squared length of normal vectors, by their covariance."""
    drawn = random.multivariate_normal(k, cnp.ones(3), COVARIANCE, s) - 1
    return cnp.sum(drawn * cnp.linalg.solve(COVARIANCE, drawn[..., None])[..., 0], -1)


def _each(draw, k, s):
    """One number of each of many keys."""
    return cotan.vmap(draw)(random.split(k, s))


# Sampler of a key and a shape, and the distribution function.
CONTINUOUS = {
    "uniform": (lambda k, s: random.uniform(k, s, minval=-1.0, maxval=3.0), scipy.stats.uniform(-1, 4).cdf),
    "uniform of doubles": (lambda k, s: random.uniform(k, s, np.float64), scipy.stats.uniform.cdf),
    "normal": (random.normal, scipy.stats.norm.cdf),
    "normal of doubles": (lambda k, s: random.normal(k, s, np.float64), scipy.stats.norm.cdf),
    "real part of normal": (
        lambda k, s: cnp.real(random.normal(k, s, np.complex64)),
        scipy.stats.norm(scale=math.sqrt(0.5)).cdf,
    ),
    "size of normal": (lambda k, s: cnp.abs(random.normal(k, s, np.complex64)) ** 2, scipy.stats.expon.cdf),
    "exponential": (random.exponential, scipy.stats.expon.cdf),
    "gumbel": (random.gumbel, scipy.stats.gumbel_r.cdf),
    "laplace": (random.laplace, scipy.stats.laplace.cdf),
    "logistic": (random.logistic, scipy.stats.logistic.cdf),
    "cauchy": (random.cauchy, scipy.stats.cauchy.cdf),
    "truncated_normal": (lambda k, s: random.truncated_normal(k, -0.5, 2.0, s), scipy.stats.truncnorm(-0.5, 2.0).cdf),
    "a far truncated_normal": (lambda k, s: random.truncated_normal(k, 2.0, 4.0, s), scipy.stats.truncnorm(2, 4).cdf),
    "multivariate_normal": (_length, scipy.stats.chi2(3).cdf),
    "orthogonal": (lambda k, s: random.orthogonal(k, 3, s)[..., 1, 2], scipy.stats.uniform(-1, 2).cdf),
    "gamma of 0.2": (lambda k, s: random.gamma(k, 0.2, s), scipy.stats.gamma(0.2).cdf),
    "gamma of 1": (lambda k, s: random.gamma(k, 1.0, s), scipy.stats.gamma(1.0).cdf),
    "gamma of 30": (lambda k, s: random.gamma(k, 30.0, s), scipy.stats.gamma(30.0).cdf),
    "loggamma": (lambda k, s: random.loggamma(k, 0.4, s), scipy.stats.loggamma(0.4).cdf),
    "beta": (lambda k, s: random.beta(k, 2.0, 0.7, s), scipy.stats.beta(2.0, 0.7).cdf),
    "dirichlet": (
        lambda k, s: random.dirichlet(k, cnp.array([0.5, 1.0, 2.0]), s)[..., 0],
        scipy.stats.beta(0.5, 3.0).cdf,
    ),
    "chisquare": (lambda k, s: random.chisquare(k, 3.0, s), scipy.stats.chi2(3.0).cdf),
    "f": (lambda k, s: random.f(k, 3.0, 8.0, s), scipy.stats.f(3.0, 8.0).cdf),
    "t": (lambda k, s: random.t(k, 2.5, s), scipy.stats.t(2.5).cdf),
    "generalized_normal": (lambda k, s: random.generalized_normal(k, 1.5, s), scipy.stats.gennorm(1.5).cdf),
    "radius of ball": (
        lambda k, s: cnp.sqrt(cnp.sum(random.ball(k, 3, shape=s) ** 2, -1)),
        lambda r: np.clip(r, 0, 1) ** 3,
    ),
    "maxwell": (random.maxwell, scipy.stats.maxwell.cdf),
    "double_sided_maxwell": (
        lambda k, s: random.double_sided_maxwell(k, 1.0, 2.0, s),
        lambda x: 0.5 + 0.5 * np.sign(x - 1) * scipy.stats.maxwell.cdf(np.abs(x - 1) / 2),
    ),
    "lognormal": (lambda k, s: random.lognormal(k, 0.7, s), scipy.stats.lognorm(0.7).cdf),
    "pareto": (lambda k, s: random.pareto(k, 3.0, s), scipy.stats.pareto(3.0).cdf),
    "rayleigh": (lambda k, s: random.rayleigh(k, 2.0, s), scipy.stats.rayleigh(scale=2.0).cdf),
    "triangular": (
        lambda k, s: random.triangular(k, -1.0, 0.5, 3.0, s),
        scipy.stats.triang(1.5 / 4, loc=-1, scale=4).cdf,
    ),
    "wald": (lambda k, s: random.wald(k, 2.0, s), scipy.stats.invgauss(2.0).cdf),
    "weibull_min": (lambda k, s: random.weibull_min(k, 2.0, 1.5, s), scipy.stats.weibull_min(1.5, scale=2.0).cdf),
}
DISCRETE = {
    "bernoulli": (lambda k, s: random.bernoulli(k, 0.3, s), scipy.stats.bernoulli(0.3)),
    "rademacher": (lambda k, s: (random.rademacher(k, s) + 1) // 2, scipy.stats.bernoulli(0.5)),
    "randint": (lambda k, s: random.randint(k, s, 0, 37), scipy.stats.randint(0, 37)),
    "randint of bytes": (lambda k, s: random.randint(k, s, 0, 200, np.uint8).astype(int), scipy.stats.randint(0, 200)),
    "bits": (lambda k, s: random.bits(k, s, np.uint8).astype(int), scipy.stats.randint(0, 256)),
    "high bits": (lambda k, s: (random.bits(k, s) >> 24).astype(int), scipy.stats.randint(0, 256)),
    "categorical": (
        lambda k, s: random.categorical(k, cnp.log(SHARES), shape=s),
        scipy.stats.rv_discrete(values=(range(4), SHARES)),
    ),
    "choice": (lambda k, s: random.choice(k, 10, s), scipy.stats.randint(0, 10)),
    "choice with shares": (
        lambda k, s: random.choice(k, 4, s, p=SHARES),
        scipy.stats.rv_discrete(values=(range(4), SHARES)),
    ),
    "first of those without replacement": (
        lambda k, s: _each(lambda key: random.choice(key, 7, (3,), replace=False)[1], k, s),
        scipy.stats.randint(0, 7),
    ),
    "place in a permutation": (
        lambda k, s: _each(lambda key: random.permutation(key, 9)[4], k, s),
        scipy.stats.randint(0, 9),
    ),
    "poisson of 3": (lambda k, s: random.poisson(k, 3.0, s), scipy.stats.poisson(3.0)),
    "poisson of 40": (lambda k, s: random.poisson(k, 40.0, s), scipy.stats.poisson(40.0)),
    "binomial of few": (lambda k, s: random.binomial(k, 12, 0.3, s), scipy.stats.binom(12, 0.3)),
    "binomial of many": (lambda k, s: random.binomial(k, 200, 0.8, s), scipy.stats.binom(200, 0.8)),
    "geometric": (lambda k, s: random.geometric(k, 0.2, s), scipy.stats.geom(0.2)),
    "multinomial": (
        lambda k, s: random.multinomial(k, 30, cnp.array([0.2, 0.5, 0.3]), shape=(*s, 3))[..., 1],
        scipy.stats.binom(30, 0.5),
    ),
}
SEEDS = tuple(range(8))
# The chance that any of the tests below fails for a correct sampler is about a thousandth.
SIGNIFICANCE = 2e-6


KEYS = {"PRNGKey", "clone", "fold_in", "key", "key_data", "key_dtype", "key_impl", "split", "wrap_key_data"}


def test_every_sampler_is_fitted():
    fitted = {word for name in (*CONTINUOUS, *DISCRETE) for word in name.split()}
    functions = {
        name
        for name, value in vars(random).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("cotan.random")
    }
    assert {"normal", "f", "ball"} <= functions
    assert functions - KEYS <= fitted


@pytest.mark.parametrize("name", CONTINUOUS)
def test_fit_of_continuous_distributions(name):
    sampler, cdf = CONTINUOUS[name]
    for seed in SEEDS:
        with cotan.enable_x64("doubles" in name):
            drawn = np.asarray(sampler(random.key(seed), (4000,)), np.float64)
        assert scipy.stats.kstest(drawn, cdf).pvalue > SIGNIFICANCE


@pytest.mark.parametrize("name", DISCRETE)
def test_fit_of_discrete_distributions(name):
    sampler, distribution = DISCRETE[name]
    for seed in SEEDS:
        drawn = np.asarray(sampler(random.key(seed), (4000,)), np.float64)
        assert np.all(drawn == np.floor(drawn))
        # Cells of about 5 % each, between quantiles.
        edges = np.unique(distribution.ppf(np.linspace(0, 1, 21)[1:-1]))
        expected = np.diff(np.concatenate([[0], distribution.cdf(edges), [1]])) * drawn.size
        expected[expected < 1e-6] = 0
        counts = np.bincount(np.searchsorted(edges, drawn), minlength=expected.size)
        assert not counts[expected <= 0].any()
        counts, expected = counts[expected > 0], expected[expected > 0]
        assert scipy.stats.chisquare(counts, expected).pvalue > SIGNIFICANCE


def test_directions_in_the_ball_and_signs():
    drawn = np.asarray(random.ball(random.key(0), 3, shape=(20000,)))
    assert np.all(np.sum(drawn**2, -1) <= 1 + 1e-6)
    np.testing.assert_allclose(np.mean(drawn, 0), 0, atol=0.02)
    np.testing.assert_allclose(drawn.T @ drawn / 20000, np.eye(3) / 5, atol=0.01)


# ---- derivatives


def _numerical_slope(a, p):
    """dx/da by a difference of fourth order in the quantile."""
    h = 1e-3 * a
    ahead = scipy.special.gammaincinv(a + h, p) - scipy.special.gammaincinv(a - h, p)
    further = scipy.special.gammaincinv(a + 2 * h, p) - scipy.special.gammaincinv(a - 2 * h, p)
    return (8 * ahead - further) / (12 * h)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 3e-5), (np.float64, 1e-7)])
def test_slope_of_gamma_numbers(dtype, rtol):
    rng = np.random.default_rng(0)
    a, p = np.exp(rng.uniform(np.log(0.05), np.log(1e5), 500)), rng.uniform(1e-4, 1 - 1e-4, 500)
    x = scipy.special.gammaincinv(a, p)
    usual = x > 1e-12  # below, differences say too little
    a, p, x = a[usual], p[usual], x[usual]
    with cotan.enable_x64(True):
        found = slope(a.astype(dtype), x.astype(dtype))
        in_logs = log_slope(a.astype(dtype), np.log(x).astype(dtype))
    assert found.dtype == dtype
    # Above, p is that of the rounded numbers.
    a, x = a.astype(dtype).astype(np.float64), x.astype(dtype).astype(np.float64)
    expected = _numerical_slope(a, scipy.special.gammainc(a, x))
    sound = (scipy.special.gammainc(a, x) < 1) & (scipy.special.gammainc(a, x) > 0)
    np.testing.assert_allclose(np.asarray(found)[sound], expected[sound], rtol=rtol)
    np.testing.assert_allclose(np.asarray(in_logs)[sound], (expected / x)[sound], rtol=20 * rtol)


def test_slope_of_the_logarithm_where_gamma_numbers_underflow():
    drawn = np.asarray(random.loggamma(random.key(0), 1e-3, (50,)), np.float64)
    assert drawn.min() < -200
    keys = random.split(random.key(1), 50)
    found = np.asarray(cotan.vmap(cotan.grad(lambda a, k: random.loggamma(k, a)), (None, 0))(1e-3, keys))
    drawn = np.asarray(cotan.vmap(lambda k: random.loggamma(k, 1e-3))(keys))
    small = drawn < -20
    assert small.sum() > 30
    # P = x^a / gamma(a + 1) there.
    expected = (scipy.special.digamma(1.001) - drawn[small]) / 1e-3
    np.testing.assert_allclose(found[small], expected, rtol=1e-3)


def test_slope_in_half_precision():
    a, x = np.array([0.5, 3.0], np.float16), np.array([0.2, 4.0], np.float16)
    found = slope(cnp.asarray(a), cnp.asarray(x))
    assert found.dtype == np.float16
    expected = slope(cnp.asarray(a, np.float32), cnp.asarray(x, np.float32))
    np.testing.assert_allclose(np.asarray(found, np.float32), expected, rtol=1e-3)
    found = log_slope(cnp.asarray(a), cnp.log(cnp.asarray(x)))
    assert found.dtype == np.float16


@pytest.mark.parametrize("transform", [cotan.grad, cotan.jacfwd])
@pytest.mark.parametrize(
    ("sampler", "parameters", "mean_slopes"),
    [
        (random.gamma, (2.5,), (1.0,)),
        (random.chisquare, (3.0,), (1.0,)),
        (random.beta, (2.0, 3.0), (3 / 25, -2 / 25)),
        (random.triangular, (-1.0, 0.5, 2.0), (1 / 3, 1 / 3, 1 / 3)),
        (random.rayleigh, (2.0,), (math.sqrt(math.pi / 2),)),
        (lambda key, b, shape: random.pareto(key, b, shape), (6.0,), (-1 / 25,)),
    ],
)
def test_means_of_derivatives_are_derivatives_of_means(transform, sampler, parameters, mean_slopes):
    def mean(*parameters):
        return cnp.mean(sampler(random.key(3), *parameters, (20000,)))

    found = transform(mean, argnums=tuple(range(len(parameters))))(*parameters)
    np.testing.assert_allclose(found, mean_slopes, atol=0.05)


def test_derivatives_of_dirichlet_keep_the_sum():
    jacobian = cotan.jacrev(lambda alpha: random.dirichlet(random.key(0), alpha, (3,)))(cnp.array([0.5, 1.0, 2.0]))
    np.testing.assert_allclose(np.sum(np.asarray(jacobian), 1), 0, atol=1e-5)
    assert np.all(np.diagonal(np.asarray(jacobian), axis1=1, axis2=2) > 0)


# ---- transforms

SAMPLERS = {
    "gamma": lambda key: random.gamma(key, cnp.array([0.3, 2.0]), (3, 2)),
    "loggamma": lambda key: random.loggamma(key, 0.1, (2,)),
    "beta": lambda key: random.beta(key, 0.5, 2.0, (3,)),
    "dirichlet": lambda key: random.dirichlet(key, cnp.array([1.0, 2.0])),
    "ball": lambda key: random.ball(key, 2, 3.0, (3,)),
    "t": lambda key: random.t(key, 3.0, (3,)),
    "wald": lambda key: random.wald(key, 1.0, (3,)),
    "poisson": lambda key: random.poisson(key, cnp.array([2.0, 50.0]), (3, 2)),
    "binomial": lambda key: random.binomial(key, cnp.array([8, 300]), 0.4, (3, 2)),
    "multinomial": lambda key: random.multinomial(key, 7, cnp.array([0.5, 0.2, 0.3])),
    "geometric": lambda key: random.geometric(key, 0.4, (3,)),
}


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("name", SAMPLERS)
def test_mapped_and_jitted_samplers_draw_what_single_ones_do(name, typed):
    sampler = SAMPLERS[name]
    keys = random.split((random.key if typed else random.PRNGKey)(8), 3)
    mapped = cotan.vmap(sampler)(keys)
    jitted = cotan.jit(sampler)
    for row, key in zip(np.asarray(mapped), keys, strict=True):
        alone = np.asarray(sampler(key))
        assert row.dtype == alone.dtype
        np.testing.assert_allclose(row, alone, rtol=2e-6, atol=1e-6)
        np.testing.assert_allclose(np.asarray(jitted(key)), alone, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, cotan.numpy.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize("name", ["gamma", "loggamma", "t", "wald", "ball"])
def test_dtypes(name, dtype):
    argument = 3 if name == "ball" else 2.0
    with cotan.enable_x64(True):
        drawn = getattr(random, name)(random.key(0), argument, shape=(50,), dtype=dtype)
    assert drawn.dtype == dtype
    assert np.all(np.isfinite(np.asarray(drawn, np.float64)))


def test_edges():
    key = random.key(0)
    assert random.gamma(key, 2.0, (0,)).shape == (0,)
    assert float(random.gamma(key, 0.0)) == 0
    assert np.isnan(float(random.gamma(key, np.nan)))
    assert random.poisson(key, 0.0, (3,)).tolist() == [0, 0, 0]
    assert random.binomial(key, 5, cnp.array([0.0, 1.0])).tolist() == [0, 5]
    assert random.binomial(key, np.inf, 0.5) == np.inf
    assert random.geometric(key, 1.0) == 1
    assert random.multinomial(key, 5, cnp.array([0.0, 2.0, 0.0])).tolist() == [0, 5, 0]
    assert random.poisson(key, 3.0, dtype=np.float32).dtype == np.float32
    assert random.multinomial(key, 5, cnp.array([0.5, 0.5]), dtype=np.int32).dtype == np.int32
    assert random.lognormal(key, dtype=np.complex64).dtype == np.complex64


def test_the_dtype_of_keys():
    assert random.key_dtype() == random.key(0).dtype
    assert random.key_dtype("threefry2x32") == random.key(0).dtype
    with pytest.raises(ValueError, match=r"key_dtype: there is no generator 'dice'"):
        random.key_dtype("dice")


BAD = [
    (lambda key: random.gamma(key, 1.0, dtype=np.int32), ValueError, "gamma: dtype must be a floating dtype"),
    (lambda key: random.gamma(key, np.ones(3), (2,)), ValueError, "gamma: shape .* does not hold the parameters"),
    (lambda key: random.beta(key, np.ones(3), np.ones(2)), ValueError, r"beta: parameters of shapes \(3,\), \(2,\)"),
    (lambda key: random.beta(key, np.ones(3), 1.0, (2, 1)), ValueError, "beta: shape .* does not hold the parameters"),
    (lambda key: random.dirichlet(key, 1.0), ValueError, "dirichlet: alpha must be a vector"),
    (lambda key: random.multinomial(key, 3, 0.5), ValueError, "multinomial: p must be a vector"),
    (lambda key: random.geometric(key, 0.5, dtype=np.float32), ValueError, "geometric: dtype must be an integer"),
    (lambda key: random.lognormal(key, dtype=np.int32), ValueError, "lognormal: dtype must be"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD)
def test_bad_arguments(call, error, text):
    with pytest.raises(error, match=text):
        call(random.key(0))
