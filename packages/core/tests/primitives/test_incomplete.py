"""The decompositions of incomplete gamma and beta functions and zeta over their whole domains; their relatives."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import special

import cotan
from cotan import lax
from cotan.ir.primitive import Primitive, decompose
from cotan.primitives import incomplete
from cotan.testing.operators.special import GAMMAS

RANDOM = np.random.default_rng(11)


def spread(low, high, size=400):
    return np.exp(RANDOM.uniform(np.log(low), np.log(high), size))


A = spread(1e-2, 1e5)
X = A * np.exp(RANDOM.normal(size=A.size) * np.minimum(3, 2.5 / np.sqrt(A)))
# Relative errors: small values of Q for small a are differences from 1.
CASES = {
    "igamma": (incomplete.igamma_p, special.gammainc, (A, X), 4e-12, 0),
    "igammac": (incomplete.igammac_p, special.gammaincc, (A, X), 4e-12, 1e-15),
    "betainc": (incomplete.betainc_p, special.betainc, (spread(1e-2, 1e3), spread(1e-2, 1e3), RANDOM.random(400)),
                4e-11, 1e-300),
    "zeta": (incomplete.zeta_p, special.zeta, (1 + spread(1e-3, 60), spread(1e-3, 1e4)), 1e-13, 0),
    "zeta left of 0": (incomplete.zeta_p, special.zeta, (RANDOM.integers(2, 9, 99).astype(float),
                       RANDOM.uniform(-20, 0, 99)), 1e-12, 0),
    "zeta beside 0": (incomplete.zeta_p, special.zeta, (RANDOM.integers(2, 4, 40).astype(float),
                      -spread(1e-12, 1e-3, 40)), 1e-13, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("jitted", [False, True])
def test_decompositions(name, jitted):
    primitive, oracle, args, rtol, atol = CASES[name]
    rule = decompose[primitive]
    function = cotan.jit(rule) if jitted else rule
    with cotan.enable_x64(True):
        np.testing.assert_allclose(function(*args), oracle(*args), rtol=rtol, atol=atol)
    single = [x.astype(np.float32) for x in args]
    expected = oracle(*(x.astype(np.float64) for x in single))
    fine = (np.abs(expected) > 1e-30) & (np.abs(expected) < 1e38)
    np.testing.assert_allclose(np.asarray(function(*single))[fine], expected[fine], rtol=2e-3, atol=2e-6)


@pytest.mark.parametrize("primitive", [incomplete.igamma_p, incomplete.igammac_p])
def test_decompositions_at_the_edges(primitive):
    a, x = GAMMAS[1].args
    oracle = special.gammainc if primitive is incomplete.igamma_p else special.gammaincc
    with cotan.enable_x64(True):
        np.testing.assert_allclose(decompose[primitive](a, x), oracle(a, x), rtol=1e-12)


def test_beta_of_large_parameters_where_it_changes():
    a, b = spread(11, 500, 100), spread(11, 500, 100)
    mean = a / (a + b)
    x = np.clip(mean + RANDOM.normal(size=100) * np.sqrt(mean * (1 - mean) / (a + b + 1)), 1e-3, 0.999)
    expected = [float(mpmath.betainc(*row, regularized=True)) for row in zip(a, b, 0 * x, x, strict=True)]
    with cotan.enable_x64(True):
        np.testing.assert_allclose(cotan.jit(decompose[incomplete.betainc_p])(a, b, x), expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lgamma_is_accurate_beside_its_zeros_too(dtype):
    x = np.concatenate(
        [np.linspace(0.5, 12, 300), 1 + spread(1e-7, 0.1, 50), 2 - spread(1e-7, 0.1, 50), spread(8, 1e5)]
    )
    x = x.astype(dtype)
    expected = np.array([float(mpmath.loggamma(float(v))) for v in x])
    with cotan.enable_x64(True):
        found = cotan.jit(decompose[Primitive.catalogue["lgamma"]])(x)
    np.testing.assert_allclose(found, expected, rtol=8 * np.finfo(dtype).eps)


def test_beta_at_the_edges():
    a = np.array([1.0, 0.0, 1.0, 0.0, -1.0, 2.0, np.inf, 1.0, np.nan, 2.0, 2.0])
    b = np.array([1.0, 1.0, 0.0, 0.0, 1.0, 2.0, 1.0, np.inf, 1.0, 2.0, 2.0])
    x = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 2.0, 0.5, 0.5, 0.5, 0.0, 1.0])
    with cotan.enable_x64(True):
        np.testing.assert_allclose(decompose[incomplete.betainc_p](a, b, x), special.betainc(a, b, x))


def test_gradient_by_the_parameter():
    a = np.array([0.01, 0.3, 2.0, 19.0, 20.0, 20.0, 300.0, 40.0])
    x = np.array([0.001, 3.0, 1.1, 22.0, 20.0, 60.0, 310.0, 12.0])
    with mpmath.workdps(40):
        expected = [
            float(mpmath.diff(lambda t, v=v: mpmath.gammainc(t, 0, v, regularized=True), u))
            for u, v in zip(a, x, strict=True)
        ]
    with cotan.enable_x64(True):
        np.testing.assert_allclose(lax.igamma_grad_a(a, x), expected, rtol=1e-10)
        np.testing.assert_allclose(cotan.jit(lax.igamma_grad_a)(a, x), expected, rtol=1e-10)
        twice = cotan.vmap(cotan.grad(lax.igamma_grad_a))(a[1:], x[1:])
        ahead, behind = (np.asarray(lax.igamma_grad_a(a[1:] * (1 + h), x[1:])) for h in (1e-6, -1e-6))
        np.testing.assert_allclose(twice, (ahead - behind) / (2e-6 * a[1:]), rtol=1e-4, atol=1e-9)


def test_gradients_of_samples():
    a = np.array([0.2, 1.0, 3.0, 30.0, 500.0])
    x = np.array([0.05, 2.0, 2.5, 33.0, 480.0])
    p, q = special.gammainc(a, x), special.gammaincc(a, x)

    def sample(a):
        return np.where(p < 0.5, special.gammaincinv(a, p), special.gammainccinv(a, q))

    expected = (sample(a * (1 + 1e-6)) - sample(a * (1 - 1e-6))) / (2e-6 * a)
    with cotan.enable_x64(True):
        np.testing.assert_allclose(lax.random_gamma_grad(a, x), expected, rtol=1e-6)
        assert lax.random_gamma_grad(2.0, 0.0) == 0


@pytest.mark.parametrize("jitted", [False, True])
def test_polygamma(jitted):
    n = np.array([0.0, 1.0, 2.0, 5.0, 1.0, 3.0, 0.0])
    x = np.array([0.7, 2.0, 0.1, 30.0, -0.5, -2.25, 1e3])
    function = cotan.jit(lax.polygamma) if jitted else lax.polygamma
    with cotan.enable_x64(True):
        expected = [float(mpmath.polygamma(int(k), v)) for k, v in zip(n, x, strict=True)]
        np.testing.assert_allclose(function(n, x), expected, rtol=1e-13)
        slopes = cotan.vmap(cotan.grad(lax.polygamma, 1))(n, x)
        expected = [float(mpmath.polygamma(int(k) + 1, v)) for k, v in zip(n, x, strict=True)]
        np.testing.assert_allclose(slopes, expected, rtol=1e-12)
        assert np.isnan(lax.polygamma(np.array([-1.0, 1.5]), 2.0)).all()


def test_derivatives_where_a_parameter_alone_moves():
    with cotan.enable_x64(True):
        found = cotan.grad(lax.betainc)(2.0, 3.0, 0.4)
        step = 1e-6
        expected = (special.betainc(2 + step, 3, 0.4) - special.betainc(2 - step, 3, 0.4)) / (2 * step)
        np.testing.assert_allclose(found, expected, rtol=1e-7)
        batch = cotan.grad(lambda a: lax.igamma(a, np.array([0.5, 1.0, 4.0])).sum())(2.0)
        np.testing.assert_allclose(batch, np.sum(lax.igamma_grad_a(np.full(3, 2.0), np.array([0.5, 1.0, 4.0]))))
