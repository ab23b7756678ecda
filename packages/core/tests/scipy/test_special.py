"""cotan.scipy.special against SciPy in both precisions, derivatives, limits, types, bad input."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import special as oracle
from special_calls import FAMILIES
from user_functions import check_derivatives, check_jit, check_vmap, type_of

import cotan
import cotan.numpy as cnp
from cotan.scipy import special

REAL = np.array([-3.4, -1.7, -0.6, -0.2, 0.1, 0.5, 1.3, 2.0, 4.7, 7.5])
POSITIVE = np.array([0.02, 0.3, 0.9, 1.0, 1.6, 2.5, 6.1, 11.0])
UNIT = np.array([0.001, 0.05, 0.2, 0.45, 0.5, 0.62, 0.93, 0.999])
CALLS = {
    "erf": (REAL,),
    "erfc": (REAL,),
    "erfinv": (2 * UNIT - 1,),
    "gammaln": (REAL,),
    "digamma": (REAL,),
    "psi": (POSITIVE,),
    "gamma": (REAL,),
    "betaln": (POSITIVE, POSITIVE[::-1].copy()),
    "expit": (REAL,),
    "logit": (UNIT,),
    "xlogy": (REAL, np.abs(REAL[::-1])),
    "xlog1py": (REAL, np.abs(REAL[::-1])),
    "entr": (POSITIVE,),
    "ndtr": (REAL,),
    "ndtri": (UNIT,),
    "log_ndtr": (np.concatenate([REAL, [-5.9, -6.1, -7.0, -9.9, -10.1, -19.9, -20.0, -20.1, -300.0, 6.0]]),),
    "multigammaln": (POSITIVE + 1.5,),
    "rel_entr": (POSITIVE, POSITIVE[::-1].copy()),
    "kl_div": (POSITIVE, POSITIVE[::-1].copy()),
    "logsumexp": (REAL,),
    "softmax": (REAL,),
    "log_softmax": (REAL,),
}


def _calls(name):
    if name == "multigammaln":
        return lambda a: special.multigammaln(a, 3), lambda a: oracle.multigammaln(a, 3)
    return getattr(special, name), getattr(oracle, name)


def test_every_function_is_checked():
    public = {name for name in vars(special) if not name.startswith("_") and callable(getattr(special, name))}
    ours = {name for name in public if getattr(special, name).__module__.startswith("cotan.scipy")}
    assert ours <= set(CALLS) | set(FAMILIES)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("jitted", [False, True])
def test_single_precision(name, jitted):
    function, expected = _calls(name)
    args = [x.astype(np.float32) for x in CALLS[name]]
    found = (cotan.jit(function) if jitted else function)(*args)
    assert type_of(found) == "float32"
    exact = expected(*(x.astype(np.float64) for x in args))
    np.testing.assert_allclose(found, exact, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", CALLS)
def test_double_precision(name):
    function, expected = _calls(name)
    with cotan.enable_x64(True):
        found = function(*CALLS[name])
        assert type_of(found) == "float64"
        np.testing.assert_allclose(found, expected(*CALLS[name]), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", CALLS)
def test_jit_and_vmap(name):
    function, _ = _calls(name)
    args = [np.abs(x).astype(np.float32) if name != "erfinv" else x.astype(np.float32) for x in CALLS[name]]
    if name in ("logit", "ndtri", "erfinv"):
        check_jit(function, *args, rtol=2e-5)
        return
    check_jit(function, *args, rtol=2e-5)
    check_vmap(function, *args, rtol=2e-5)


@pytest.mark.parametrize("name", CALLS)
def test_derivatives(name):
    function, _ = _calls(name)
    check_derivatives(function, *CALLS[name], step=1e-7, rtol=2e-5)


@pytest.mark.parametrize("name", ["erf", "gammaln", "digamma", "entr", "expit", "ndtr", "gamma"])
def test_types_of_integers_and_scalars(name):
    function = getattr(special, name)
    assert type_of(function(np.array([1, 2], np.int32))) == "float32"
    assert type_of(function(2.0)) == "~float32"
    assert type_of(function(np.ones(2, np.float16))) == "float16"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: special.gamma(np.array([0.0, -0.0, -1.0, -2.5, 5.0])), [np.inf, -np.inf, np.nan, -0.9453087, 24.0]),
        (lambda: special.gammaln(np.array([0.0, -1.0, -0.5, 1.0])), [np.inf, np.inf, 1.2655121, 0.0]),
        (lambda: special.digamma(np.array([0.0, 1.0])), [np.nan, -0.57721566]),
        (lambda: special.ndtri(np.array([0.0, 1.0, -0.1, 1.1])), [-np.inf, np.inf, np.nan, np.nan]),
        (lambda: special.ndtri(np.array([1e-30, 1e-6])), [-11.464024, -4.7534243]),
        (lambda: special.log_ndtr(np.array([-40.0, 40.0])), [-804.608442, 0.0]),
        (lambda: special.entr(np.array([-1.0, 0.0])), [-np.inf, 0.0]),
        (lambda: special.xlogy(0.0, np.array([0.0, np.inf, -1.0, np.nan])), [0, 0, 0, np.nan]),
        (lambda: special.xlog1py(0.0, np.array([-1.0, np.inf, -5.0, np.nan])), [0, 0, 0, np.nan]),
        (
            lambda: special.rel_entr(np.array([0.0, 1.0, 0.0, -1.0]), np.array([1.0, 0.0, 0.0, 1.0])),
            [0, np.inf, 0, np.inf],
        ),
        (lambda: special.rel_entr(np.nan, 1.0), np.nan),
        (lambda: special.logit(np.array([0.0, 1.0])), [-np.inf, np.inf]),
        (lambda: special.erfinv(np.array([-1.0, 1.0, 2.0])), [-np.inf, np.inf, np.nan]),
    ],
)
def test_limits(call, expected):
    np.testing.assert_allclose(call(), expected, rtol=3e-6)


@pytest.mark.parametrize(
    ("function", "point", "slope"),
    [
        (lambda x: special.xlogy(x, 2.0), 0.0, np.log(2)),
        (lambda x: special.xlogy(x, 0.0), 0.0, -np.inf),
        (lambda y: special.xlogy(0.0, y), 2.0, 0.0),
        (lambda x: special.xlog1py(x, 2.0), 0.0, np.log(3)),
        (special.entr, 0.0, np.inf),
        (special.entr, 1.0, -1.0),
        (special.log_ndtr, -6.0, 6.158475),
        (special.log_ndtr, -30.0, 30.033259),
        (special.log_ndtr, 30.0, 0.0),
        (cotan.grad(special.log_ndtr), 30.0, 0.0),
        (special.ndtri, 1e-8, 17300007.88960376),
        (special.ndtri, 0.0, np.inf),
        (special.ndtri, 1.0, np.inf),
        (special.ndtri, -1.0, np.nan),
        (special.ndtri, 2.0, np.nan),
        (special.entr, -0.0, np.inf),
        (special.entr, np.inf, -np.inf),
        (cotan.grad(special.entr), np.inf, 0.0),
        (cotan.grad(special.entr), np.nan, np.nan),
        (lambda x: special.xlogy(x, 0.0), -0.0, -np.inf),
        (lambda x: special.xlogy(x, np.inf), -0.0, np.inf),
        (lambda x: special.xlogy(x, -1.0), 0.0, np.nan),
        (lambda x: special.xlog1py(x, -1.0), -0.0, -np.inf),
        (lambda y: special.xlogy(0.0, y), 0.0, 0.0),
        (lambda y: special.xlogy(0.0, y), np.inf, 0.0),
        (lambda y: special.xlog1py(0.0, y), -1.0, 0.0),
        (lambda k: special.boxcox(2.0, k), 1e-30, np.log(2) ** 2 / 2),
        (special.gamma, -1.0, np.nan),
        (special.gamma, -np.inf, np.nan),
        (lambda m: special.poch(3.0, m), 0.0, float(mpmath.psi(0, 3))),
        (lambda m: special.poch(20.0, m), 0.0, float(mpmath.psi(0, 20))),
        (lambda z: special.poch(z, np.float32(1e-6)) * 1e6, 20.0, float(mpmath.psi(1, 20))),
        (lambda z: special.poch(z, np.float32(1e-3)) * 1e3, 20.0, 0.051422034),
        (lambda z: special.poch(20.0, z), -2.0, 1 / (19 * 18) * float(mpmath.psi(0, 18))),
        (lambda z: special.poch(z, -2.0), 20.0, -37 / (19 * 18) ** 2),
        (lambda h: special.owens_t(h, 0.5), 0.0, 0.0),
        (lambda h: special.owens_t(h, np.inf), 1.0, -np.exp(-0.5) / (2 * np.sqrt(2 * np.pi))),
        (lambda x: special.boxcox(x, 0.5), 0.0, np.inf),
        (lambda x: special.boxcox(x, 1.0), 0.0, 1.0),
        (lambda x: special.boxcox(x, 2.0), 0.0, 0.0),
        (lambda x: special.boxcox1p(x, -1.0), -1.0, np.inf),
        (lambda a: special.gammainc(a, 1.0), -1.0, np.nan),
        (lambda x: special.gammainc(-1.0, x), 0.0, np.nan),
        (lambda a: special.gammaincc(a, 1.0), -1.0, np.nan),
        (lambda a: special.betainc(a, 1.0, 0.5), -1.0, np.nan),
        (lambda x: special.zeta(x, 2.0), 0.5, np.nan),
        # By the reflection: beside 0 from below.
        (special.digamma, -1e-8, 1e16),
        (special.digamma, -2.999, float(mpmath.psi(1, np.float32(-2.999).item()))),
        # Curvatures of what is even or odd, beside 0.
        (cotan.grad(special.i1), 0.0, 0.0),
        (cotan.grad(special.i1), 1e-8, 0.0),
        (cotan.grad(special.i1), 1e-3, 0.000375),
        (cotan.grad(special.i1), -0.5, -float(mpmath.besseli(1, 0.5, derivative=2))),
    ],
)
def test_slopes(function, point, slope):
    np.testing.assert_allclose(cotan.grad(function)(np.float32(point)), slope, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(cotan.jacfwd(function)(np.float32(point)), slope, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("h", "a"), [(6.0, 0.9), (-10.0, 1.5), (3.0, -4.0), (12.0, 0.1)])
def test_slopes_of_owens_function_in_its_tail(h, a):
    with cotan.enable_x64(True):
        along_h, along_a = cotan.grad(special.owens_t, (0, 1))(h, a)
    exact = (
        mpmath.exp(-(mpmath.mpf(h) ** 2) / 2) * mpmath.erf(a * h / mpmath.sqrt(2)) / (-2 * mpmath.sqrt(2 * mpmath.pi))
    )
    np.testing.assert_allclose(along_h, float(exact), rtol=1e-12)
    exact = mpmath.exp(-(mpmath.mpf(h) ** 2) * (1 + mpmath.mpf(a) ** 2) / 2) / (2 * mpmath.pi * (1 + a * a))
    np.testing.assert_allclose(along_a, float(exact), rtol=1e-12)


@pytest.mark.parametrize("double", [False, True])
def test_rising_factorials_of_large_numbers(double):
    calls = [(1e5, 1.0), (1e6, -3.0), (1e10, 0.5), (1e30, 1.0), (50.0, 0.3), (12.0, -1.5), (1e8, 1e-5), (20.0, 0.0)]
    z, m = (np.array(v, np.float64 if double else np.float32) for v in zip(*calls, strict=True))
    with cotan.enable_x64(double):
        found = special.poch(z, m)
    np.testing.assert_allclose(
        found, oracle.poch(*(v.astype(np.float64) for v in (z, m))), rtol=1e-13 if double else 5e-6
    )


@pytest.mark.parametrize("name", ["betaln", "comb"])
def test_two_scalars_give_a_scalar_type(name):
    assert type_of(getattr(special, name)(4.0, 2.0)) == "~float32"
    assert type_of(getattr(special, name)(4.0, np.float32(2.0))) == "float32"


def test_the_rising_factorial_of_an_infinite_number_of_factors():
    np.testing.assert_array_equal(special.poch(np.array([2.0, -2.5, 0.5]), -np.inf), np.nan)
    np.testing.assert_array_equal(special.poch(np.array([2.0, 20.0, 0.5]), np.inf), np.inf)
    np.testing.assert_array_equal(special.poch(np.array([np.inf, np.nan]), 0.0), 1)


def test_numbers_of_choices_up_to_the_largest_number():
    n = np.array([120, 127, 130], np.float32)
    np.testing.assert_allclose(special.comb(n, 65.0), oracle.comb(n.astype(np.float64), 65.0), rtol=2e-5)


def test_beta_functions_of_large_arguments():
    sizes = np.array([0.3, 1.0, 2.5, 9.9, 10.0, 31.0, 1e3, 1e6, 1e15])
    a, b = (x.ravel() for x in np.meshgrid(sizes, sizes))
    with mpmath.workdps(60):
        exact = [float(mpmath.log(mpmath.beta(p, q))) for p, q in zip(a.tolist(), b.tolist(), strict=True)]
        slopes = [float(mpmath.digamma(p) - mpmath.digamma(mpmath.mpf(p) + q)) for p, q in zip(a, b, strict=True)]
    with cotan.enable_x64(True):
        np.testing.assert_allclose(special.betaln(a, b), exact, rtol=4e-15, atol=4e-15)
        np.testing.assert_allclose(cotan.vmap(cotan.grad(special.betaln))(a, b), slopes, rtol=1e-11)
        some = np.array(exact) > -700
        np.testing.assert_allclose(special.beta(a[some], b[some]), np.exp(np.array(exact)[some]), rtol=1e-12)
        np.testing.assert_allclose(special.comb(1e12, 3.0), oracle.comb(1e12, 3.0), rtol=1e-12)
    close = special.betaln(np.float32([0.5, 1e4]), np.float32([1e4, 1e8]))
    np.testing.assert_allclose(close, oracle.betaln([0.5, 1e4], [1e4, 1e8]), rtol=2e-6)
    np.testing.assert_allclose(special.betaln(np.array([-0.5, np.nan]), 2.2), oracle.betaln([-0.5, np.nan], 2.2), 1e-6)


@pytest.mark.parametrize("function", [special.boxcox, special.boxcox1p])
def test_the_transform_of_box_and_cox_at_its_ends(function):
    lowest = 0.0 if function is special.boxcox else -1.0
    x, power = np.array([np.inf, lowest, lowest, 3.0]), np.array([0.0, np.nan, 0.0, 0.0])
    np.testing.assert_allclose(function(x, power), getattr(oracle, function.__name__)(x, power), rtol=1e-6)


def test_lists_are_refused():
    with pytest.raises(TypeError, match="erf needs arrays or scalars, got list"):
        special.erf([1.0])


def test_log_ndtr_in_both_tails():
    def exact_log(x):
        return [float(mpmath.log1p(-mpmath.ncdf(-v)) if v > 0 else mpmath.log(mpmath.ncdf(v))) for v in x]

    with mpmath.workdps(40), cotan.enable_x64(True):
        x = np.concatenate([np.linspace(-60, 7, 135), [-1e3, -1e-9, 1e-9, 50, 1e3]])
        slopes = [float(mpmath.npdf(v) / mpmath.ncdf(v)) for v in x]
        np.testing.assert_allclose(special.log_ndtr(x), exact_log(x), rtol=1e-14)
        np.testing.assert_allclose(cotan.vmap(cotan.grad(special.log_ndtr))(cotan.numpy.asarray(x)), slopes, rtol=1e-14)
        single = special.log_ndtr(x.astype(np.float32))
    exact = [
        float(mpmath.log1p(-mpmath.ncdf(-v)) if v > 0 else mpmath.log(mpmath.ncdf(v))) for v in x.astype("f4").tolist()
    ]
    np.testing.assert_allclose(single, exact, rtol=4e-6)


def test_complex_numbers():
    z = np.array([1 + 2j, -0.5 + 1j, 3.5 - 0.1j, -2.3 - 0.4j])
    with cotan.enable_x64(True):
        for name in ("gamma", "erfcx"):
            function = getattr(special, name)
            np.testing.assert_allclose(function(z), getattr(oracle, name)(z), rtol=1e-12)
            np.testing.assert_allclose(cotan.jit(function)(z), function(z), rtol=1e-12)
            slopes = cotan.vmap(cotan.grad(function, holomorphic=True))(z)
            differences = (getattr(oracle, name)(z + 1e-6) - getattr(oracle, name)(z - 1e-6)) / 2e-6
            np.testing.assert_allclose(slopes, differences, rtol=1e-7)
        assert type_of(special.gamma(z.astype(np.complex64))) == "complex64"
        assert type_of(special.erfcx(z.astype(np.complex64))) == "complex64"


@pytest.mark.parametrize("name", ["entr", "ndtri", "rel_entr", "kl_div"])
def test_functions_of_real_numbers_say_so(name):
    args = (np.complex64(0.5),) * len(CALLS[name])
    with pytest.raises(ValueError, match=f"{name} is defined for real numbers only, got complex64"):
        getattr(special, name)(*args)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_quantiles_of_no_number_are_none(dtype):
    with cotan.enable_x64(True):
        found = special.ndtri(np.array([np.nan, 0.0, 1.0, 0.975, -0.1], dtype))
    assert found.dtype == dtype
    np.testing.assert_allclose(
        found, [np.nan, -np.inf, np.inf, 1.96, np.nan], rtol=2e-2 if dtype == np.float16 else 1e-4
    )


def test_the_multivariate_gamma_function_at_infinity():
    assert special.multigammaln(np.float32(np.inf), 3) == np.inf
    assert special.multigammaln(np.float32(2.0), 0) == 0


def test_bessel_functions_of_integers():
    with cotan.enable_x64(True):
        np.testing.assert_allclose(
            special.bessel_jn(np.arange(4), v=2), oracle.jv(np.arange(3)[:, None], np.arange(4.0)), atol=1e-12
        )


# (function, where pieces meet or values end, slopes)
SLOPES = [
    (special.dawsn, [2.0, -2.0, 5.0], [-0.2053616, -0.2053616, -0.0213407]),
    (special.i0, [0.0, 1.0, -1.0], [0, 0.5651591, -0.5651591]),
    (cnp.i0, [0.0, 1.0, -1.0], [0, 0.5651591, -0.5651591]),
    (special.logit, [0.0, 1.0, 0.5], [np.inf, np.inf, 4]),
    (special.digamma, [0.0, -1.0, -3.0, 1.0], [np.nan, np.nan, np.nan, 1.6449341]),
]


@pytest.mark.parametrize(("function", "at", "slopes"), SLOPES)
def test_slopes_where_pieces_meet_or_values_end(function, at, slopes):
    for transform in (lambda f: f, cotan.jit):
        found = transform(cotan.vmap(cotan.grad(function)))(np.float32(at))
        np.testing.assert_allclose(found, slopes, rtol=1e-5)


def test_the_curvature_of_i0_at_0():
    np.testing.assert_allclose(cotan.grad(cotan.grad(cnp.i0))(0.0), 0.5, rtol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 4e-6), (np.float64, 2e-14)])
def test_owens_function_over_its_domain(dtype, tolerance):
    h, a = np.meshgrid([0, 1e-30, 1e-3, 0.1, 0.5, 1, 2, 3, 4, 5, 5.9, 1e3, 1e20], [0.01, 0.3, 0.7, 0.99, 1, 1.5])
    h, a = h.astype(dtype), a.astype(dtype)
    with cotan.enable_x64(True):
        found = np.asarray(special.owens_t(h, a))
    np.testing.assert_allclose(found, oracle.owens_t(h.astype(np.float64), a), rtol=tolerance, atol=1e-30)
