"""Derivatives of cotan.numpy functions: differences in float64, and known slopes at ties, kinks and limits."""

from __future__ import annotations

import numpy as np
import pytest
from user_functions import check_derivatives, check_vmap

import cotan
import cotan.numpy as cnp

RNG = np.random.default_rng(3)
A = RNG.standard_normal((3, 4))
B = RNG.standard_normal((4, 3))
P = np.abs(A) + 0.2
V = np.array([0.7, -1.2, 0.3, 2.5, -0.4])
MASK = A > 0
ROWS = np.array([2, 0, 2, 1])

CALLS = {
    "where": (lambda x: cnp.where(MASK, x, x * x), A),
    "where guarded": (lambda x: cnp.where(MASK, cnp.sqrt(cnp.where(MASK, x, 1.0)), 0.0), A),
    "select": (lambda x: cnp.select([x > 0.5, x < 0], [x**2, x**3], 2 * x), A),
    "clip": (lambda x: cnp.clip(x, -0.5, 0.5), A),
    "sort": (lambda x: cnp.sort(x, axis=0), A),
    "sort flat": (lambda x: cnp.sort(x, axis=None, descending=True), A),
    "max": (lambda x: cnp.max(x, axis=1), A),
    "ptp": (lambda x: cnp.ptp(x, axis=0), A),
    "median": (lambda x: cnp.median(x, axis=0), A),
    "quantile": (lambda x: cnp.quantile(x, 0.3, axis=1), A),
    "nanmedian": (lambda x: cnp.nanmedian(cnp.where(MASK, x, np.nan)), A),
    "take": (lambda x: cnp.take(x, ROWS, axis=0), A),
    "take_along_axis": (lambda x: cnp.take_along_axis(x, ROWS[None, :], axis=0), A),
    "index": (lambda x: x[1:, ::2] * x[ROWS, ROWS][0], A),
    "at.set": (lambda x, y: x.at[1].set(y[:, 0]), A, B),
    "at.mul": (lambda x, y: x.at[:, 1].multiply(y[0]), A, B),
    "put_along_axis": (lambda x: cnp.put_along_axis(x, ROWS[None], x[:1] ** 2, 0, inplace=False), A),
    "einsum": (lambda x, y: cnp.einsum("ij,jk->ik", x, y), A, B),
    "einsum sums": (lambda x, y: cnp.einsum("ij,ji,ij->j", x, y, x), A, B),
    "einsum diagonal": (lambda x: cnp.einsum("ii->i", x[:, :3]), A),
    "matmul": (lambda x, y: x @ y @ x, A, B),
    "tensordot": (lambda x, y: cnp.tensordot(x, y, ([0, 1], [1, 0])), A, B),
    "outer": (lambda x: cnp.outer(x, x), V),
    "kron": (lambda x, y: cnp.kron(x, y), A[:2, :2], B[:2, :1]),
    "cross": (lambda x, y: cnp.cross(x, y), A[:, :3], B[:3]),
    "convolve": (lambda x, y: cnp.convolve(x, y, mode="same"), V, V[:3]),
    "vdot": (lambda x: cnp.vdot(x, x), A),
    "cumsum": (lambda x: cnp.cumsum(x, axis=1), A),
    "cumprod": (lambda x: cnp.cumprod(x, axis=0), A),
    "nancumsum": (lambda x: cnp.nancumsum(x, axis=0), A),
    "cumulative_sum": (lambda x: cnp.cumulative_sum(x, include_initial=True), V),
    "prod": (lambda x: cnp.prod(x, axis=0), A),
    "prod with a zero": (lambda x: cnp.prod(cnp.concatenate([x, cnp.zeros(1)])), V),
    "mean where": (lambda x: cnp.mean(x, where=P > 0.5, axis=1), A),
    "var": (lambda x: cnp.var(x, axis=0, ddof=1), A),
    "std": (lambda x: cnp.std(x), A),
    "average": (lambda x, w: cnp.average(x, weights=w, axis=0), A, P),
    "cov": (lambda x: cnp.cov(x), A),
    "corrcoef": (lambda x: cnp.corrcoef(x), A),
    "histogram weights": (lambda w: cnp.histogram(A, bins=4, weights=w)[0], P),
    "logaddexp": (lambda x, y: cnp.logaddexp(x, y), A, P),
    "logaddexp2": (lambda x, y: cnp.logaddexp2(x, y), A, P),
    "hypot": (lambda x, y: cnp.hypot(x, y), A, P),
    "arctan2": (lambda x, y: cnp.arctan2(x, y), A, P),
    "sinc": (lambda x: cnp.sinc(x), A),
    "power": (lambda x, y: cnp.power(x, y), P, A),
    "power static": (lambda x: x**3 + x**-2 + x**0.5, P),
    "remainder": (lambda x, y: cnp.remainder(x, y), A, P),
    "fmod": (lambda x, y: cnp.fmod(x, y), A, P),
    "divmod": (lambda x: cnp.divmod(x, 0.7)[1], A),
    "modf": (lambda x: cnp.modf(3 * x)[0], A),
    "copysign": (lambda x: cnp.copysign(x, -1.0), A),
    "fmax": (lambda x, y: cnp.fmax(x, y), A, P),
    "log2": (lambda x: cnp.log2(x) + cnp.log10(x), P),
    "cbrt": (lambda x: cnp.cbrt(x), A),
    "deg2rad": (lambda x: cnp.deg2rad(x) * cnp.rad2deg(x), A),
    "nan_to_num": (lambda x: cnp.nan_to_num(x), A),
    "abs of complex": (lambda x, y: cnp.abs(x + 1j * y), A, P),
    "diff": (lambda x: cnp.diff(x, n=2, axis=1), A),
    "trapezoid": (lambda y, x: cnp.trapezoid(y, cnp.cumsum(x**2)), V, V),
    "interp": (lambda f: cnp.interp(np.array([0.2, 1.7, 3.3]), np.arange(5.0), f), V),
    "interp at": (lambda x: cnp.interp(x, np.arange(-3.0, 3.0, 0.7), np.arange(9.0) ** 2), V),
    "polyval": (lambda p, x: cnp.polyval(p, x), V, P),
    "vander": (lambda x: cnp.vander(x, 4), V),
    "pad": (lambda x: cnp.pad(x, ((1, 0), (2, 1)), mode="reflect"), A),
    "roll": (lambda x: cnp.roll(x, (1, -1), (0, 1)) * cnp.arange(4.0), A),
    "tile": (lambda x: cnp.tile(x, (2, 1)) * cnp.arange(4.0), A),
    "repeat": (lambda x: cnp.repeat(x, np.array([0, 2, 1]), axis=0), A),
    "diag": (lambda x: cnp.diag(x) @ cnp.diag(cnp.diag(x)), V),
    "trace": (lambda x: cnp.trace(x @ x.T), A),
    "tril": (lambda x: cnp.tril(x) + cnp.triu(x, 1) ** 2, A),
    "block": (lambda x, y: cnp.block([[x, x[:, :1]], [y[:, :3].T[:, :4], y[:3, :1]]]), A, B),
    "linspace": (lambda x: cnp.linspace(x[0], x[1], 5), A),
    "piecewise": (lambda x: cnp.piecewise(x, [x < 0, x > 1], [lambda v: v**2, lambda v: -v, lambda v: v**3]), A),
    "vectorize": (lambda x, y: cnp.vectorize(lambda a, b: a @ b * a, signature="(n),(n)->(n)")(x, y[0]), A, P),
    "apply_along_axis": (lambda x: cnp.apply_along_axis(lambda v: v / v.sum(), 0, x), P),
}


@pytest.mark.parametrize("name", CALLS)
def test_differences(name):
    function, *args = CALLS[name]
    check_derivatives(function, *args)


BY_LOOP = [
    "where", "sort", "median", "quantile", "take", "take_along_axis", "index", "at.mul", "einsum", "einsum sums",
    "matmul", "cumprod", "var", "logaddexp", "sinc", "remainder", "interp", "polyval", "pad", "roll", "diag", "tril",
    "cov",
]  # fmt: skip


@pytest.mark.parametrize("name", BY_LOOP)
def test_vmap_is_the_loop(name):
    function, *args = CALLS[name]
    check_vmap(function, *(x.astype(np.float32) for x in args), rtol=1e-5)


@pytest.mark.parametrize(
    ("function", "point", "slope"),
    [
        (cnp.abs, 0.0, 1.0),
        (lambda x: cnp.maximum(x, 2.0), 2.0, 0.5),
        (lambda x: cnp.clip(x, 0.0, 1.0), 1.0, 0.5),
        (lambda x: cnp.fmax(x, np.nan), 1.0, 1.0),
        (cnp.sqrt, 0.0, np.inf),
        (cnp.sign, 2.0, 0.0),
        (cnp.floor, 2.5, 0.0),
        (lambda x: cnp.logaddexp(x, 0.5), 0.5, 0.5),
        (lambda x: cnp.logaddexp(x, -np.inf), 0.5, 1.0),
        (lambda x: cnp.logaddexp(x, 0.5), -np.inf, 0.0),
        (lambda x: cnp.hypot(x, 1.0), 1.0, 2**-0.5),
        (lambda x: cnp.hypot(x, 0.0), 0.0, 0.5),
        (cnp.sinc, 0.0, 0.0),
        (cotan.grad(cnp.sinc), 0.0, -(np.pi**2) / 3),
        (lambda x: cnp.power(x, 2.0), 0.0, 0.0),
        (lambda x: cnp.power(x, 0.0), 0.0, np.nan),
        (lambda x: cnp.power(x, 0), 0.0, 0.0),
        (lambda x: cnp.power(x, 3), -2.0, 12.0),
        (lambda y: cnp.power(0.0, y), 2.0, 0.0),
        (lambda x: cnp.mod(5.0, x), 3.0, -1.0),
        (lambda x: cnp.frexp(x)[0], -12.5, 1 / 16),
        (lambda x: cnp.std(x * np.ones(3)), 1.0, np.nan),
        (lambda x: cnp.prod(x * np.array([0.0, 1.0, 2.0])), 1.0, 0.0),
        (lambda x: cnp.take(x * np.ones(2), np.array([0, 7]), mode="clip").sum(), 1.0, 2.0),
        (lambda x: cnp.nansum(cnp.take(x * np.ones(2), np.array([0, 7]))), 1.0, 1.0),
        (lambda x: (x * np.ones(2))[np.array([0, 7])].sum(), 1.0, 1.0),
    ],
)
def test_slopes_where_rules_decide(function, point, slope):
    for derivative in (cotan.grad(function), cotan.jit(cotan.grad(function))):
        np.testing.assert_allclose(derivative(np.float32(point)), slope, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize(
    "name", ["nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin", "nanmedian", "nanquantile"]
)
def test_what_is_missing_has_no_slope_and_changes_none(name):
    options = {"q": 0.3} if name == "nanquantile" else {}
    whole = np.array([[np.nan, 1, 2.5, np.nan], [np.nan] * 4, [4, -1, 0.5, 3]])
    gradient = cotan.grad(lambda x: getattr(cnp, name)(x, axis=1, **options).sum())(whole)
    for row, found in zip(whole, gradient, strict=True):
        there = ~np.isnan(row)
        np.testing.assert_array_equal(found[~there], 0)
        if there.any():
            known = cotan.grad(lambda x: getattr(cnp, name[3:])(x, **options))(row[there])
            np.testing.assert_allclose(found[there], known, rtol=1e-5)
            if name in ("nansum", "nanprod", "nanmean", "nanvar", "nanstd"):
                masked = cotan.grad(lambda x, there=there: getattr(cnp, name[3:])(x, where=there))(row)
                np.testing.assert_allclose(masked, found, rtol=1e-5)


@pytest.mark.parametrize("function", [cnp.nanvar, cnp.nanstd])
def test_too_few_numbers_for_a_variance_give_nan_without_a_slope(function):
    few = np.array([[np.nan, 1, 2], [4, -1, 3]])
    value, gradient = cotan.value_and_grad(lambda x: function(x, axis=1, ddof=2)[0])(few)
    assert np.isnan(value)
    np.testing.assert_array_equal(gradient, 0)


def test_ties_share():
    np.testing.assert_allclose(cotan.grad(cnp.max)(np.array([1.0, 3.0, 3.0])), [0, 0.5, 0.5])
    np.testing.assert_allclose(cotan.grad(lambda x: cnp.sort(x)[0])(np.array([2.0, 1.0, 1.0])), [0, 1, 0])


@pytest.mark.parametrize(
    ("function", "point", "gradient"),
    [
        (lambda z: cnp.real(z * z), 1 + 2j, 2 + 4j),
        (cnp.imag, 1 + 2j, -1j),
        (cnp.abs, 3 + 4j, 0.6 - 0.8j),
        (cnp.abs, 0j, 0),
        (cnp.angle, 3 + 4j, -0.16 - 0.12j),
    ],
)
def test_gradients_of_complex_numbers(function, point, gradient):
    np.testing.assert_allclose(cotan.grad(function)(point), gradient, rtol=1e-6)


def test_the_slope_of_logaddexp_at_nan_and_infinities():
    x = np.array([np.nan, -np.inf, np.inf, 0.0], np.float32)
    slope = cotan.grad(lambda x: cnp.logaddexp(x, 0.0).sum())(x)
    np.testing.assert_array_equal(slope, np.array([np.nan, 0.0, 1.0, 0.5], np.float32))


def test_weak_types_go_through_gradients():
    assert cotan.grad(lambda x: 2 * x)(1.0).weak_type
    assert cotan.grad(lambda x: cnp.maximum(x, 2.0))(2.0).weak_type
    assert not cotan.grad(lambda x: 2 * x)(np.float32(1)).weak_type


@pytest.mark.parametrize("divisor", [2.0, -0.5, 0.0, np.inf])
def test_whole_quotients_have_no_derivative(divisor):
    """Also by 0, where the quotient is infinite or no number."""
    x, y = np.float32([1.5, -3.0, 0.0]), np.full(3, divisor, np.float32)
    for argument in (0, 1):
        slope = cotan.grad(lambda *args: cnp.sum(cnp.floor_divide(*args)), argument)
        np.testing.assert_array_equal(np.asarray(slope(x, y)), 0)
