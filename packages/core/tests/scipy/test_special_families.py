"""The larger special functions against SciPy and mpmath: values in both precisions, derivatives, edges, bad input."""

from __future__ import annotations

import re

import mpmath
import numpy as np
import pytest
from scipy import special as oracle
from special_calls import TABLE
from user_functions import check_derivatives, check_jit, check_vmap, type_of

import cotan
import cotan.numpy as cnp
from cotan.scipy import special
from cotan.tree import tree_leaves

RANDOM = np.random.default_rng(7)


def expected(name, *args):
    found = (TABLE[name].oracle or getattr(oracle, name))(*args)
    return found if isinstance(found, tuple) else (found,)


def close(found, wanted, rtol):
    for a, b in zip(tree_leaves(found), wanted, strict=True):
        error = np.abs(np.asarray(a, np.float64) - b) / np.maximum(np.abs(b), 1e-3)
        assert np.all(error <= rtol), f"off by {error.max()}: {a} {b}"


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("jitted", [False, True])
def test_values(name, jitted):
    family, function = TABLE[name], getattr(special, name)
    function = cotan.jit(function) if jitted else function
    with cotan.enable_x64(True):
        found = function(*family.args)
        assert {type_of(x) for x in tree_leaves(found)} == {"float64"}
        close(found, expected(name, *family.args), family.rtol)
    single = [x.astype(np.float32) for x in family.args]
    found = function(*single)
    assert {type_of(x) for x in tree_leaves(found)} == {"float32"}
    close(found, expected(name, *(x.astype(np.float64) for x in single)), family.single)


@pytest.mark.parametrize("name", TABLE)
def test_jit_and_vmap(name):
    family, function = TABLE[name], getattr(special, name)
    args = [x.astype(np.float32) for x in family.args]
    check_jit(function, *args, rtol=5e-4 if name.startswith("hyp") else 3e-5)
    stacked = [np.stack([x, x]) for x in args]
    for a, b in zip(tree_leaves(cotan.vmap(function)(*stacked)), tree_leaves(function(*args)), strict=True):
        np.testing.assert_allclose(np.asarray(a)[1], b, rtol=5e-4, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in TABLE if name not in ("gammasgn",)])
def test_derivatives(name):
    family, function = TABLE[name], getattr(special, name)
    orders, points = family.args[: family.whole], family.args[family.whole :]

    def of_points(*points):
        return function(*(cnp.asarray(x) for x in orders), *points)

    check_derivatives(of_points, *points, step=1e-6, rtol=2e-5)


@pytest.mark.parametrize("name", ["exp1", "dawsn", "i0e", "gammainc", "boxcox", "owens_t", "spence"])
def test_types(name):
    function, count = getattr(special, name), len(TABLE[name].args)
    assert type_of(function(*[np.array([1, 2], np.int32)] * count)) == "float32"
    assert type_of(function(*[np.ones(2, np.float16)] * count)) == "float16"
    assert type_of(function(*[cnp.ones(2, cnp.bfloat16)] * count)) == "bfloat16"


EDGES = {
    "exp1": ([0.0, -1.0, np.inf, np.nan], [np.inf, np.nan, 0.0, np.nan]),
    "expi": ([0.0, np.inf, -np.inf, np.nan, 712.0], [-np.inf, np.inf, 0.0, np.nan, float(mpmath.ei(712))]),
    "erfcx": ([-30.0, np.inf, 0.0, np.nan], [np.inf, 0.0, 1.0, np.nan]),
    "dawsn": ([0.0, np.inf, -np.inf, 1e300], [0.0, 0.0, 0.0, 0.5e-300]),
    "spence": ([0.0, 1.0, -1.0, np.nan], [np.pi**2 / 6, 0.0, np.nan, np.nan]),
    "gammasgn": ([0.0, -0.0, -1.0, -0.5, np.nan, -np.inf, np.inf], [1, -1, np.nan, -1, np.nan, np.nan, 1]),
    "factorial": ([-1.0, 0.0, np.nan], [0.0, 1.0, np.nan]),
    "zeta": ([1.0, 0.0, -2.0, np.nan], [np.inf, -0.5, 0.0, np.nan]),
    "i0": ([0.0, np.inf], [1.0, np.nan]),
    "i1": ([0.0], [0.0]),
}


@pytest.mark.parametrize("name", EDGES)
def test_edges(name):
    args, wanted = EDGES[name]
    with cotan.enable_x64(True):
        np.testing.assert_allclose(getattr(special, name)(np.array(args)), wanted, rtol=1e-12, atol=1e-16)


def test_edges_of_pairs():
    inf, nan = np.inf, np.nan
    with cotan.enable_x64(True):
        for found, wanted in (
            (special.sici(np.array([0.0, inf, -inf, nan])), oracle.sici([0.0, inf, -inf, nan])),
            (special.fresnel(np.array([0.0, inf, -inf, nan])), oracle.fresnel([0.0, inf, -inf, nan])),
            ([special.owens_t(np.array([0, 1.0, inf]), inf)], [oracle.owens_t([0, 1.0, inf], inf)]),
            ([special.expn(np.array([2, 1, 0, 2, 2, 1.5]), np.array([0, 0, 0, -1, inf, 1.0]))],
             [np.array([1, inf, inf, nan, 0, nan])]),
            ([special.poch(np.array([-2.0, -2.0, 0.0, -2.0, 3.0]), np.array([1.0, 3.0, 3.0, 0.5, 0.0]))],
             [np.array([-2.0, 0, 0, 0, 1])]),
            ([special.comb(np.array([5, 3, -3, 2]), np.array([2, 5, 2, -1]))], [np.array([10.0, 0, 0, 0])]),
            ([special.boxcox(np.array([0.0, 0.0, 0.0]), np.array([-1.0, 0.0, 2.0]))], [oracle.boxcox(0, [-1, 0, 2.0])]),
            ([special.boxcox1p(-1.0, 2.0)], [oracle.boxcox1p(-1.0, 2.0)]),
            ([special.hyp2f1(1.0, 2.0, 4.0, 1.0)], [3.0]),
            ([special.hyp2f1(np.array([1.0, -2.0, 1.0]), 2.0, np.array([3.0, 4.0, -1.0]), 5.0)],
             [np.array([inf, 3.5, inf])]),
            ([special.hyp1f1(np.array([-2.0, 1.0]), np.array([3.0, -1.0]), 70.0)],
             [np.array([float(mpmath.hyp1f1(-2, 3, 70)), inf])]),
            ([special.hyp2f1(1.0, 1.0, 3.0, 0.95)], [float(mpmath.hyp2f1(1, 1, 3, 0.95))]),
        ):  # fmt: skip
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-8)


def test_combinations_of_integers():
    n, k = np.arange(30)[:, None], np.arange(12)
    for repetition in (False, True):
        with cotan.enable_x64(True):
            found = special.comb(n, k, repetition=repetition)
            np.testing.assert_array_equal(found, oracle.comb(n, k, repetition=repetition))


def test_hurwitz_zeta():
    with cotan.enable_x64(True):
        np.testing.assert_allclose(special.zeta(3.0, np.array([0.5, 2.0])), oracle.zeta(3.0, [0.5, 2.0]), rtol=1e-14)


def test_bernoulli():
    with cotan.enable_x64(True):
        for n in (0, 1, 2, 41, 100):
            wanted = [float(mpmath.bernoulli(k)) if k != 1 else -0.5 for k in range(n + 1)]
            np.testing.assert_allclose(special.bernoulli(n), wanted, rtol=1e-14)


@pytest.mark.parametrize("jitted", [False, True])
def test_loggamma(jitted):
    z = RANDOM.uniform(-9, 9, 200) + 1j * RANDOM.uniform(-20, 20, 200)
    z = np.concatenate([z, [-1.5 + 0j, -1.5 - 0j, np.conj(-2.5 + 0j), 0.25 + 1e-9j, 30 + 0j]])
    function = cotan.jit(special.loggamma) if jitted else special.loggamma
    with cotan.enable_x64(True):
        np.testing.assert_allclose(function(z), oracle.loggamma(z), rtol=1e-12)
        np.testing.assert_allclose(
            cotan.vmap(cotan.grad(special.loggamma, holomorphic=True))(z[:200]), oracle.digamma(z[:200]), rtol=1e-9
        )
        np.testing.assert_allclose(special.loggamma(np.array([-1.5, 2.5])), [np.nan, oracle.loggamma(2.5)], rtol=1e-14)
    assert type_of(special.loggamma(np.complex64(1j))) == "complex64"


@pytest.mark.parametrize("jitted", [False, True])
def test_wofz(jitted):
    z = RANDOM.uniform(-8, 8, 200) + 1j * RANDOM.uniform(-3, 8, 200)
    function = cotan.jit(special.wofz) if jitted else special.wofz
    with cotan.enable_x64(True):
        np.testing.assert_allclose(function(z), oracle.wofz(z), rtol=1e-12)
        x = np.array([-3.0, 0.0, 2.0, 30.0])
        np.testing.assert_allclose(function(x), oracle.wofz(x), rtol=1e-13)
        slopes = cotan.vmap(cotan.grad(special.wofz, holomorphic=True))(z)
        np.testing.assert_allclose(slopes, -2 * z * oracle.wofz(z) + 2j / np.sqrt(np.pi), rtol=1e-7, atol=1e-9)
    assert type_of(special.wofz(np.float16(1))) == "complex64"


def test_bessel_functions_of_the_first_kind():
    z = np.concatenate([RANDOM.uniform(-25, 25, 50), [0.0, 1e-6, 2.404825557695773]])
    orders = np.arange(9)[:, None]
    with cotan.enable_x64(True):
        np.testing.assert_allclose(special.bessel_jn(z, v=8), oracle.jv(orders, z), rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(special.bessel_jn(z, v=8, n_iter=90), oracle.jv(orders, z), rtol=1e-12, atol=1e-13)
    check_jit(lambda z: special.bessel_jn(z, v=3), z.astype(np.float32), rtol=1e-5)
    check_vmap(lambda z: special.bessel_jn(z, v=3), z[:9].astype(np.float32), rtol=1e-4)
    check_derivatives(lambda z: special.bessel_jn(z, v=3), z[:9])


def test_spherical_harmonics():
    n = RANDOM.integers(0, 13, 60)
    m = np.clip(RANDOM.integers(-12, 13, 60), -n, n)
    theta, phi = RANDOM.uniform(0, np.pi, 60), RANDOM.uniform(-3, 3, 60)
    with cotan.enable_x64(True):
        wanted = oracle.sph_harm_y(n, m, theta, phi)
        np.testing.assert_allclose(special.sph_harm_y(n, m, theta, phi), wanted, atol=1e-13)
        jitted = cotan.jit(lambda *args: special.sph_harm_y(*args, n_max=12))
        np.testing.assert_allclose(jitted(n, m, theta, phi), wanted, atol=1e-13)
        assert special.sph_harm_y(2, 5, 0.1, 0.2) == 0
        column = special.sph_harm_y(n[:4, None], m[:4, None], theta[:5], phi[:5])
        np.testing.assert_allclose(column, oracle.sph_harm_y(n[:4, None], m[:4, None], theta[:5], phi[:5]), atol=1e-13)
    check_derivatives(lambda t, p: cnp.real(special.sph_harm_y(n[:9], m[:9], t, p)), theta[:9], phi[:9])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: special.exp1(1j), ValueError, "exp1 is defined for real numbers only, got complex64"),
        (lambda: special.factorial(3, exact=True), ValueError, "factorial: exact=True needs integers of any size"),
        (lambda: special.bernoulli(-1), ValueError, "bernoulli: n must be a whole number that is not negative, got -1"),
        (lambda: special.bessel_jn(1.0, v=1.5), TypeError, "bessel_jn: v and n_iter must be integers, got 1.5 and 50"),
        (lambda: special.bessel_jn(np.complex64(1), v=1), ValueError, "bessel_jn: z must be real, got complex64"),
        (lambda: special.bessel_jn(1.0, v=-1), ValueError, "bessel_jn: the highest order v must not be negative"),
        (lambda: special.sph_harm_y(1, 0, 0.1, 0.1, diff_n=1), ValueError, "sph_harm_y: derivatives (diff_n) are not"),
        (lambda: cotan.jit(special.sph_harm_y)(1, 0, 0.1, 0.1), TypeError, "sph_harm_y: n is not known while tracing"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
