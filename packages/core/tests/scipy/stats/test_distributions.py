"""Densities and distribution functions against SciPy: values, edges, dtypes, transforms and derivatives."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import scipy.stats
from scipy.stats import multivariate_normal as scipy_normal

import cotan
import cotan.numpy as cnp
from cotan.scipy import stats

NAN, INF = np.nan, np.inf
LINE = np.array([-3.1, -1.2, -0.4, 0.0, 0.3, 0.9, 1.0, 2.5, 7.0])
UNIT = np.array([0.01, 0.2, 0.5, 0.9, 0.999])
# Parameters; whether the distribution takes loc and scale; the points.
CONTINUOUS = {
    "beta": ((1.5, 0.8), True, np.array([-0.5, 0.1, 0.5, 0.99, 1.5])),
    "cauchy": ((), True, LINE),
    "chi2": ((3.5,), True, LINE),
    "expon": ((), True, LINE),
    "gamma": ((2.2,), True, LINE),
    "gennorm": ((1.7,), False, LINE),
    "gumbel_l": ((), True, LINE),
    "gumbel_r": ((), True, LINE),
    "laplace": ((), True, LINE),
    "logistic": ((), True, LINE),
    "norm": ((), True, LINE),
    "pareto": ((2.5,), True, LINE),
    "t": ((3.5,), True, LINE),
    "truncnorm": ((-0.7, 1.9), True, LINE),
    "uniform": ((), True, LINE),
    "vonmises": ((1.5,), False, np.array([-3.0, -0.4, 0.0, 2.0])),
    "wrapcauchy": ((0.6,), False, np.array([-0.5, 0.1, 3.0, 6.0, 6.5])),
}
DISCRETE = {
    "bernoulli": ((0.3,), np.array([-1.0, 0.0, 1.0, 2.0])),
    "betabinom": ((5.0, 1.5, 2.5), np.arange(-1.0, 7.0)),
    "binom": ((6.0, 0.3), np.arange(-1.0, 8.0)),
    "geom": ((0.3,), np.arange(-1.0, 6.0)),
    "nbinom": ((2.5, 0.4), np.arange(-1.0, 6.0)),
    "poisson": ((3.3,), np.arange(-1.0, 9.0)),
}
# Where SciPy means something else, for a reason.
SKIPPED = {("bernoulli", "ppf"), ("poisson", "entropy")}


def _functions(name):
    module = getattr(stats, name)
    wanted = ("pdf", "pmf", "cdf", "sf", "ppf", "isf", "logpdf", "logpmf", "logcdf", "logsf")
    return [fn for fn in wanted if hasattr(module, fn)]


def _points(fn, points):
    return UNIT if fn in ("ppf", "isf") else points


CALLS = [(name, fn) for name in CONTINUOUS for fn in _functions(name)]
COUNTS = [(name, fn) for name in DISCRETE for fn in _functions(name) if (name, fn) not in SKIPPED]


@pytest.mark.parametrize(("name", "fn"), CALLS)
def test_continuous(name, fn):
    parameters, moved, points = CONTINUOUS[name]
    ours, theirs = getattr(getattr(stats, name), fn), getattr(getattr(scipy.stats, name), fn)
    x = _points(fn, points)
    placements = [(), (0.4,), (0.4, 1.7)] if moved else [()]
    for placement in placements:
        with np.errstate(all="ignore"):
            expected = theirs(x, *parameters, *placement)
        with cotan.enable_x64(True):
            found = ours(x, *parameters, *placement)
            assert found.dtype == np.float64
            jitted = cotan.jit(ours)(x, *parameters, *placement)
            mapped = cotan.vmap(lambda x, p=placement: ours(x, *parameters, *p))(x)
        np.testing.assert_allclose(found, expected, rtol=1e-6 if fn == "logsf" else 1e-8, atol=1e-12)
        np.testing.assert_allclose(jitted, found, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(mapped, found, rtol=1e-10, atol=1e-14)
        single = ours(x.astype(np.float32), *parameters, *placement)
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, expected, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "fn"), COUNTS)
def test_discrete(name, fn):
    parameters, points = DISCRETE[name]
    ours, theirs = getattr(getattr(stats, name), fn), getattr(getattr(scipy.stats, name), fn)
    placements = [(), (2.0,)] if "loc" in inspect.signature(ours).parameters else [()]
    for placement in placements:
        with np.errstate(all="ignore"):
            expected = theirs(points, *parameters, *placement)
        with cotan.enable_x64(True):
            found = ours(points, *parameters, *placement)
            jitted = cotan.jit(ours)(points, *parameters, *placement)
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(jitted, found, rtol=1e-10, atol=1e-14)
        whole = ours(points.astype(np.int32), *parameters, *placement)
        assert whole.dtype == np.float32
        np.testing.assert_allclose(whole, expected, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [-1.7, 0.0, NAN])
@pytest.mark.parametrize(("name", "fn"), [call for call in CALLS if CONTINUOUS[call[0]][1]])
def test_a_scale_that_is_not_positive_gives_no_number(name, fn, scale):
    parameters, _, points = CONTINUOUS[name]
    x = _points(fn, points)
    with np.errstate(all="ignore"):
        assert np.isnan(getattr(getattr(scipy.stats, name), fn)(x, *parameters, 0.4, scale)).all()
    assert np.isnan(getattr(getattr(stats, name), fn)(x, *parameters, 0.4, scale)).all()


POSITIVE = [(0.0,), (-1.0,), (NAN,)]
# Parameters that make no distribution.
NO_DISTRIBUTION = {
    "beta": [(-1.0, 2.0), (2.0, -0.5), (0.0, 1.0), (NAN, 1.0)],
    "chi2": POSITIVE,
    "gamma": POSITIVE,
    "gennorm": POSITIVE,
    "pareto": POSITIVE,
    "t": POSITIVE,
    "truncnorm": [(1.0, -1.0), (0.5, 0.5), (NAN, 1.0), (0.0, NAN)],
    "vonmises": [(-1.0,), (NAN,)],
    "wrapcauchy": [(-0.1,), (0.0,), (1.0,), (NAN,)],
    "bernoulli": [(-0.1,), (1.1,), (NAN,)],
    "betabinom": [(-1.0, 1.0, 1.0), (3.0, 0.0, 1.0), (3.0, 1.0, NAN)],
    "binom": [(-1.0, 0.5), (3.0, -0.1), (3.0, 1.1), (3.0, NAN)],
    "geom": [(0.0,), (1.1,), (NAN,)],
    "nbinom": [(0.0, 0.5), (-1.0, 0.5), (3.0, 0.0), (3.0, 1.1), (3.0, NAN)],
    "poisson": [(-1.0,), (NAN,)],
}


@pytest.mark.parametrize("name", NO_DISTRIBUTION)
def test_parameters_that_make_no_distribution_give_no_number(name):
    points = CONTINUOUS[name][2] if name in CONTINUOUS else np.array([-1.0, 0.0, 0.5, 1.0, INF])
    for fn in _functions(name):
        if (name, fn) in SKIPPED:
            continue
        for parameters in NO_DISTRIBUTION[name]:
            x = _points(fn, points)
            with np.errstate(all="ignore"):
                assert np.isnan(getattr(getattr(scipy.stats, name), fn)(x, *parameters)).all()
            assert np.isnan(getattr(getattr(stats, name), fn)(x, *parameters)).all(), (fn, parameters)


@pytest.mark.parametrize("name", DISCRETE)
def test_no_fraction_is_a_count(name):
    parameters, k = DISCRETE[name][0], np.array([0.5, 1.5, 2.25])
    np.testing.assert_array_equal(getattr(scipy.stats, name).pmf(k, *parameters), 0)
    np.testing.assert_array_equal(getattr(stats, name).pmf(k, *parameters), 0)
    np.testing.assert_array_equal(getattr(stats, name).logpmf(np.array([1, 2]), *parameters, 0.5), -INF)


# Where formulas lose their digits, or are 0 times infinity: the call and its arguments.
AWKWARD = [
    ("t", "pdf", (2.0, 1e5)),
    ("t", "pdf", (2.0, 1e30)),
    ("t", "logpdf", (2.0, INF, 0.5, 1.5)),
    ("pareto", "cdf", (0.5, INF)),
    ("pareto", "sf", (1.0, INF)),
    ("pareto", "sf", (1.5, INF)),
    ("pareto", "logcdf", (30.0, 6.0)),
    ("pareto", "ppf", (1e-6, 2.0)),
    ("truncnorm", "cdf", (1e-6, 0.0, 2.0)),
    ("truncnorm", "sf", (-1e-6, -2.0, 0.0)),
    ("truncnorm", "cdf", (-1e-6, -2e-6, 3e-6)),
    ("cauchy", "ppf", (1e-20,)),
    ("cauchy", "ppf", (1e-8, 1.0, 2.0)),
    ("cauchy", "isf", (1e-20,)),
    ("cauchy", "ppf", (0.75,)),
    ("cauchy", "ppf", (0.99,)),
    ("gennorm", "cdf", (-20.0, 1.0)),
    ("gennorm", "cdf", (-3.0, 2.5)),
    ("gennorm", "cdf", (0.0, 2.5)),
]


@pytest.mark.parametrize(("name", "fn", "arguments"), AWKWARD)
def test_awkward_arguments(name, fn, arguments):
    single = [np.float32(x) for x in arguments]
    found = getattr(getattr(stats, name), fn)(*single)
    expected = getattr(getattr(scipy.stats, name), fn)(*map(np.float64, single))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_beta_distribution_with_large_parameters():
    x, a, b = (np.array(v) for v in zip((0.5, 1e4, 1e4), (0.99, 2e4, 300.0), (1e-4, 0.5, 1e4), strict=True))
    single = stats.beta.logpdf(*(v.astype(np.float32) for v in (x, a, b)))
    exact = scipy.stats.beta.logpdf(*(v.astype(np.float32).astype(np.float64) for v in (x, a, b)))
    np.testing.assert_allclose(single, exact, rtol=1e-3)


# Inside of the supports, away from kinks.
INSIDE = {
    "beta": np.array([0.2, 0.6]),
    "pareto": np.array([1.3, 4.0]),
    "uniform": np.array([0.2, 0.7]),
    "wrapcauchy": np.array([0.4, 4.0]),
    "truncnorm": np.array([-0.4, 0.9]),
}
OUTSIDE = {"beta": 1.5, "pareto": 0.5, "uniform": 2.0, "gamma": -1.0, "chi2": -1.0, "expon": -1.0, "truncnorm": 4.0}


@pytest.mark.parametrize(("name", "fn"), CALLS)
def test_derivatives(name, fn):
    parameters, moved, _ = CONTINUOUS[name]
    ours = getattr(getattr(stats, name), fn)
    x = UNIT[1:4] if fn in ("ppf", "isf") else INSIDE.get(name, np.array([0.3, 1.4]))
    arguments = [x, *map(np.float64, parameters), *((np.float64(0.05), np.float64(0.95)) if moved else ())]

    def total(*args):
        return cnp.sum(ours(*args))

    with cotan.enable_x64(True):
        slopes = cotan.grad(total, tuple(range(len(arguments))))(*arguments)
        ahead = cotan.jacfwd(total, tuple(range(len(arguments))))(*arguments)
        for i, slope in enumerate(slopes):
            step = [1e-5 if k == i else 0.0 for k in range(len(arguments))]
            up = total(*(a + s for a, s in zip(arguments, step, strict=True)))
            down = total(*(a - s for a, s in zip(arguments, step, strict=True)))
            np.testing.assert_allclose(np.sum(slope), (up - down) / 2e-5, rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(np.asarray(ahead[i]), np.asarray(slope), rtol=1e-8, atol=1e-10)


# Shapes with which the slope at the end of the support is infinite.
STEEP = {"beta": (0.5, 0.3), "chi2": (0.7,), "gamma": (0.4,)}


@pytest.mark.parametrize("fn", ["pdf", "logpdf", "cdf", "logcdf", "sf", "logsf"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_functions_are_flat_outside_of_the_support(name, fn):
    call = getattr(getattr(stats, name), fn, None)
    if call is None:
        assert name == "uniform"
        return
    for parameters in (CONTINUOUS[name][0], STEEP.get(name, CONTINUOUS[name][0])):
        for x in (OUTSIDE[name], -OUTSIDE[name] if name in ("beta", "uniform", "truncnorm") else OUTSIDE[name]):
            slopes = cotan.grad(lambda *a: call(*a), tuple(range(1 + len(parameters))))(x, *parameters)
            np.testing.assert_array_equal(slopes, 0, err_msg=f"{fn} {x} {parameters}")


@pytest.mark.parametrize("fn", ["cdf", "sf", "logsf"])
@pytest.mark.parametrize(("name", "parameters", "end"), [("expon", (), 0.0), ("pareto", (1.0,), 1.0)])
def test_slopes_at_the_end_of_the_support_are_those_of_the_inside(name, parameters, end, fn):
    slope = cotan.grad(getattr(getattr(stats, name), fn))(end, *parameters)
    assert slope == (1 if fn == "cdf" else -1)


def test_far_tails():
    np.testing.assert_allclose(stats.norm.logsf(20.0), scipy.stats.norm.logsf(20.0), rtol=1e-5)
    np.testing.assert_allclose(stats.cauchy.cdf(-1e6), scipy.stats.cauchy.cdf(-1e6), rtol=1e-5)
    np.testing.assert_allclose(
        stats.truncnorm.logpdf(8.5, 8.0, 9.0), scipy.stats.truncnorm.logpdf(8.5, 8, 9), rtol=1e-4
    )
    np.testing.assert_allclose(stats.truncnorm.cdf(8.1, 8.0, 9.0), scipy.stats.truncnorm.cdf(8.1, 8, 9), rtol=1e-4)
    np.testing.assert_allclose(stats.logistic.logpdf(-300.0), -300.0)
    np.testing.assert_allclose(stats.expon.cdf(1e-7), 1e-7, rtol=1e-5)
    assert stats.expon.ppf(1.0) == INF
    assert stats.pareto.ppf(1.0, 2.0) == INF
    assert np.isnan(stats.pareto.ppf(-0.1, 2.0))
    assert np.isnan(stats.truncnorm.pdf(0.0, 1.0, -1.0))
    assert np.isnan(stats.wrapcauchy.pdf(0.0, 1.5))
    assert np.isnan(stats.uniform.ppf(1.5))


def test_bernoulli_and_poisson_specials():
    np.testing.assert_array_equal(stats.bernoulli.ppf(cnp.array([0.0, 0.2, 0.8, 1.0, 1.2]), 0.3), [-1, 0, 1, 1, NAN])
    np.testing.assert_allclose(stats.bernoulli.cdf(cnp.array([-1.0, 0.0, 0.5, 1.0]), 0.3), [0, 0.7, 0.7, 1], rtol=1e-6)
    assert np.isnan(stats.bernoulli.cdf(0.0, 1.5))
    mu = np.array([0.0, 0.1, 3.0, 60.0, 99.0, 200.0])
    with cotan.enable_x64(True):
        np.testing.assert_allclose(stats.poisson.entropy(mu), scipy.stats.poisson.entropy(mu), rtol=1e-6, atol=1e-12)
    assert np.isnan(stats.poisson.entropy(-1.0))
    assert stats.poisson.pmf(1.5, 3.0) == 0


# ---- vectors


def test_dirichlet():
    x, alpha = np.array([[0.2, 0.5], [0.3, 0.1], [0.5, 0.4]]), np.array([0.7, 2.0, 3.0])
    with cotan.enable_x64(True):
        np.testing.assert_allclose(stats.dirichlet.logpdf(x, alpha), scipy.stats.dirichlet.logpdf(x, alpha), rtol=1e-10)
        np.testing.assert_allclose(stats.dirichlet.pdf(x[:2], alpha), scipy.stats.dirichlet.pdf(x, alpha), rtol=1e-10)
    assert stats.dirichlet.pdf(cnp.array([0.2, 0.7]), cnp.array([1.0, 2.0])) == 0
    with pytest.raises(ValueError, match=r"dirichlet.logpdf: alpha must be a vector, got shape \(\)"):
        stats.dirichlet.logpdf(x, 1.0)
    with pytest.raises(ValueError, match=r"dirichlet.logpdf: x must have 2 parts, or one less"):
        stats.dirichlet.logpdf(x, cnp.ones(2))


def test_multinomial():
    x, p = np.array([[1, 2, 3], [0, 6, 0], [1, 1, 1]]), np.array([0.2, 0.3, 0.5])
    found = stats.multinomial.pmf(x, 6, p.astype(np.float32))
    np.testing.assert_allclose(found, scipy.stats.multinomial.pmf(x, 6, p), rtol=1e-5)
    assert stats.multinomial.logpmf(x, 6, p)[2] == -INF
    fractions = np.array([[1.5, 1.5, 3.0], [-1.0, 3.0, 4.0]])
    np.testing.assert_array_equal(scipy.stats.multinomial.pmf(fractions, 6, p), 0)
    np.testing.assert_array_equal(stats.multinomial.pmf(fractions, 6, p), 0)


def test_multivariate_normal():
    rng = np.random.default_rng(0)
    x, mean, root = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(3, 3))
    cov = root @ root.T + np.eye(3)
    with cotan.enable_x64(True):
        found = stats.multivariate_normal.logpdf(x, mean, cov)
        np.testing.assert_allclose(found, scipy_normal.logpdf(x, mean, cov), rtol=1e-10)
        np.testing.assert_allclose(stats.multivariate_normal.pdf(x, mean, cov), np.exp(found), rtol=1e-10)
        many = stats.multivariate_normal.logpdf(x[:, None], mean, np.stack([cov, 2 * cov]))
        assert many.shape == (4, 2)
        np.testing.assert_allclose(many[:, 1], scipy_normal.logpdf(x, mean, 2 * cov), rtol=1e-10)
        one = stats.multivariate_normal.logpdf(x, mean, 2.0)
        np.testing.assert_allclose(one, scipy_normal.logpdf(x, mean, 2 * np.eye(3)), rtol=1e-10)
        np.testing.assert_allclose(
            stats.multivariate_normal.logpdf(x, 0.5, 4.0), scipy.stats.norm.logpdf(x, 0.5, 2), rtol=1e-10
        )
        slope = cotan.grad(lambda m: cnp.sum(stats.multivariate_normal.logpdf(x, m, cov)))(mean)
        np.testing.assert_allclose(slope, np.linalg.solve(cov, (x - mean).sum(0)), rtol=1e-8)
    with pytest.raises(ValueError, match="leave allow_singular out"):
        stats.multivariate_normal.logpdf(x, mean, cov, allow_singular=True)
    with pytest.raises(ValueError, match=r"the covariance must be a scalar or \(..., 3, 3\); got shape \(2, 2\)"):
        stats.multivariate_normal.logpdf(x, mean, np.eye(2))
