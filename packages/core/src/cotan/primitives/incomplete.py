"""Incomplete gamma and beta functions, regularised, and the Hurwitz zeta function, elementwise.

The reference is SciPy where it is installed; the decompositions are series, continued fractions of a fixed length and
Temme's uniform expansion. Derivatives by the arguments under the integral are in closed form, those by parameters of
the decompositions.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.ir import scalar
from cotan.ir.primitive import Primitive
from cotan.primitives import special_tables, terms
from cotan.primitives.arithmetic import mul, neg
from cotan.primitives.define import nary
from cotan.primitives.operands import FLOAT, dtype_of, lift_all, shape_of
from cotan.primitives.special import LOG_STIRLING, digamma, erfc, lgamma, of_scipy
from cotan.primitives.terms import (
    Term,
    absolute,
    both,
    constant,
    either,
    exp,
    formula,
    log,
    log1p,
    negated,
    of,
    repeat,
    where,
)
from cotan.structural import broadcast_in_dim, instantiate
from cotan.tracebacks import boundary, trims
from cotan.transforms.jvp import jvp_flat

_FLOAT32 = np.dtype(np.float32)
_lgamma, _erfc, _digamma = of(lgamma), of(erfc), of(digamma)
_TEMME = [getattr(special_tables, f"TEMME_{k}") for k in range(13)]
_STIRLING = (1.0, 1 / 12, 1 / 288, -139 / 51840, -571 / 2488320, 163879 / 209018880, 5246819 / 75246796800)


def _tiny(x: Term) -> float:
    return 1e-30 if dtype_of(x.array) == _FLOAT32 else 1e-300


def _defined(undefined: Any, value: Term) -> Term:
    """The value, and NaN where it is undefined: as a factor, so that its slopes are NaN too."""
    return value * where(undefined, math.nan, constant(1, value))


# ---- Incomplete gamma


def _relative(a: Term, x: Term) -> tuple[Term, Term]:
    """mu = x/a - 1 and (mu - log(1 + mu)) / mu**2, by its series where the difference would cancel."""
    mu = (x - a) / a
    small = absolute(mu) < 0.1
    m, far = where(small, mu, 0), where(small, 1, mu)
    series = terms.polynomial(m, [(-1.0) ** k / (k + 2) for k in range(16)])
    return mu, where(small, series, (far - log1p(far)) / (far * far))


def _front(a: Term, x: Term) -> Term:
    """x**a exp(-x) / gamma(a + 1)."""
    large = a > 20
    big = where(large, a, 20)
    mu, ratio = _relative(big, where(large, x, 20))
    stirling = exp(-(big * mu * mu * ratio)) / (terms.sqrt(big * (2 * math.pi)) * terms.polynomial(1 / big, _STIRLING))
    small = where(large, 1, a)
    plain = exp(small * log(where(large, 1, x)) - where(large, 1, x) - _lgamma(small + 1))
    return where(large, stirling, plain)


def _series(a: Term, x: Term) -> Term:
    """The sum of x**n / ((a + 1) ... (a + n)), for x not much above a."""

    def step(n: Term, total: Term, term: Term, a: Term, x: Term) -> Sequence[Term]:
        term = term * x / (a + n + 1)
        return total + term, term

    one = x * 0 + 1
    return repeat(72, step, (one, one), (a, x))[0]


def _fraction(a: Term, x: Term) -> Term:
    """gamma(a, x) exp(x) / x**a by Legendre's continued fraction (Lentz' method), for x above a."""
    tiny = _tiny(x)

    def guarded(v: Term) -> Term:
        return where(absolute(v) < tiny, tiny, v)

    def step(n: Term, value: Term, c: Term, d: Term, a: Term, x: Term) -> Sequence[Term]:
        i = n + 1
        an = -i * (i - a)
        b = x - a + (2 * i + 1)
        d = 1 / guarded(an * d + b)
        c = guarded(b + an / c)
        return value * d * c, c, d

    d = 1 / guarded(x - a + 1)
    return repeat(96, step, (d, x * 0 + 1 / tiny, d), (a, x))[0]


def _uniform(a: Term, x: Term) -> tuple[Term, Term]:
    """Temme's expansion for large a: what erfc is taken of, and the rest (DLMF 8.12)."""
    mu, ratio = _relative(a, x)
    eta = mu * terms.sqrt(ratio + ratio)
    inverse = 1 / a
    total = terms.polynomial(eta, _TEMME[-1])
    for row in _TEMME[-2::-1]:
        total = total * inverse + terms.polynomial(eta, row)
    return eta * terms.sqrt(a * 0.5), total * exp(-(a * eta * eta * 0.5)) / terms.sqrt(a * (2 * math.pi))


def _gammas(a: Term, x: Term) -> tuple[Term, Term]:
    """P(a, x) and Q(a, x)."""
    inside = both(a > 0, x > 0, a < math.inf, x < math.inf)
    a_in, x_in = where(inside, a, 1), where(inside, x, 1)
    mu, ratio = _relative(a_in, x_in)
    uniform = both(a_in >= 20, mu * mu * ratio < 0.5)
    low = negated(x_in > where(a_in + 1 < 1.5, 1.5, a_in + 1))
    by_series = both(low, negated(uniform))
    by_fraction = both(negated(low), negated(uniform))
    a_s, x_s = where(by_series, a_in, 1), where(by_series, x_in, 1)
    a_f, x_f = where(by_fraction, a_in, 1), where(by_fraction, x_in, 4)
    p = _front(a_s, x_s) * _series(a_s, x_s)
    q = _front(a_f, x_f) * a_f * _fraction(a_f, x_f)
    root, rest = _uniform(where(uniform, a_in, 20), where(uniform, x_in, 20))
    lower = where(by_series, p, where(by_fraction, 1 - q, 0.5 * _erfc(-root) - rest))
    upper = where(by_series, 1 - p, where(by_fraction, q, 0.5 * _erfc(root) + rest))
    return lower, upper


def _edges(a: Term, x: Term, value: Term, empty: float, full: float) -> Term:
    """The value where it is regular; ``empty`` where nothing is integrated, ``full`` where everything is."""
    nothing = either(x.same(0), a.same(math.inf))
    everything = either(a.same(0), x.same(math.inf))
    value = where(nothing, empty, where(everything, full, value))
    undefined = either(a < 0, x < 0, negated(a.same(a)), negated(x.same(x)), both(nothing, everything))
    return _defined(undefined, value)


def _p(a: Term, x: Term) -> Term:
    return _edges(a, x, _gammas(a, x)[0], 0.0, 1.0)


def _q(a: Term, x: Term) -> Term:
    return _edges(a, x, _gammas(a, x)[1], 1.0, 0.0)


def _density(a: Term, x: Term) -> Term:
    """dP/dx = x**(a - 1) exp(-x) / gamma(a)."""
    inside = both(x > 0, x < math.inf, a > 0)
    value = _front(where(inside, a, 1), where(inside, x, 1)) * where(inside, a, 1) / where(inside, x, 1)
    zero = constant(0, a)
    at_zero = where(a.same(1), 1, where(a < 1, math.inf, zero))
    undefined = either(x < 0, a < 0, negated(x.same(x)))
    outside = where(undefined, math.nan, where(x.same(0), at_zero, zero))
    return where(inside, value, outside)


# ---- Incomplete beta


def _beta_fraction(a: Term, b: Term, x: Term) -> Term:
    """The continued fraction of the incomplete beta function (DLMF 8.17.22), for x below (a + 1) / (a + b + 2)."""
    tiny = _tiny(x)

    def guarded(v: Term) -> Term:
        return where(absolute(v) < tiny, tiny, v)

    def step(n: Term, value: Term, c: Term, d: Term, a: Term, b: Term, x: Term) -> Sequence[Term]:
        m = n + 1
        for coefficient in (
            m * (b - m) * x / ((a + m * 2 - 1) * (a + m * 2)),
            -((a + m) * (a + b + m) * x) / ((a + m * 2) * (a + m * 2 + 1)),
        ):
            d = 1 / guarded(coefficient * d + 1)
            c = guarded(coefficient / c + 1)
            value = value * d * c
        return value, c, d

    one = x * 0 + 1
    d = 1 / guarded(1 - (a + b) * x / (a + 1))
    return repeat(200, step, (d, one, d), (a, b, x))[0]


def _stirling_rest(z: Term) -> Term:
    """lgamma(z) - (z - 1/2) log(z) + z - log(2 pi) / 2, for z of 10 and more."""
    inverse = 1 / z
    return inverse * terms.polynomial(inverse * inverse, LOG_STIRLING[::-1])


def _log_beta(a: Term, b: Term) -> Term:
    """log |B(a, b)|. Logarithms of large gammas cancel: there without what Stirling's series have in common."""
    swapped = b < a
    p, q = where(swapped, b, a), where(swapped, a, b)
    far = both(q >= 10, p + q >= 10, q < math.inf)
    small, large = where(far, p, 10), where(far, q, 10)
    total = small + large
    apart = _stirling_rest(large) - _stirling_rest(total)
    share = log1p(-(small / total))
    two = small >= 10
    low, high = where(two, 1, small), where(two, small, 10)
    one_large = _lgamma(low) + apart + low - low * log(total) + (large - 0.5) * share
    two_large = _stirling_rest(high) + apart + (high - 0.5) * log(high / total) + large * share
    two_large = two_large - 0.5 * log(large) + 0.5 * math.log(2 * math.pi)
    near_p, near_q = where(far, 1, p), where(far, 1, q)
    near = _lgamma(near_p) + _lgamma(near_q) - _lgamma(near_p + near_q)
    return where(far, where(two, two_large, one_large), near)


def _log_rise(a: Term, b: Term) -> Term:
    """log(gamma(a + b) / gamma(a)), for a of 10 and more and b >= 0; small b lose no digits, nor do slopes."""
    total = a + b
    u, v = 1 / a, 1 / total
    near, far = u * u, v * v
    # The series at ``near``, and its difference to that at ``far``, divided by that of the places.
    series, slope = constant(LOG_STIRLING[0], a), constant(0, a)
    for coefficient in LOG_STIRLING[1:]:
        series, slope = series * near + coefficient, slope * far + series
    apart = -(b * u * v)
    rest = apart * (series + v * (u + v) * slope)
    return rest + ((a - 0.5) * log1p(b * u) + b * (log(total) - 1))


log_beta, log_rise = formula(_log_beta), formula(_log_rise)


def _beta_front(p: Term, q: Term, y: Term, rest: Term) -> Term:
    """y**p (1 - y)**q / B(p, q); ``rest`` is log(1 - y)."""
    large = both(p > 10, q > 10)
    # Logarithms of large factors cancel: by Stirling's series, and y relative to the place of the largest value.
    a, b, x = where(large, p, 10), where(large, q, 10), where(large, y, 0.5)
    total = a + b
    mu, of_mu = _relative(a, total * x)
    nu, of_nu = _relative(b, total * (1 - x))
    exponent = (
        _stirling_rest(total) - _stirling_rest(a) - _stirling_rest(b) - (a * mu * mu * of_mu + b * nu * nu * of_nu)
    )
    far = exp(exponent) * terms.sqrt(a / total * b / (2 * math.pi))
    small, other = where(large, 1, p), where(large, 1, q)
    plain = exp(small * log(y) + other * rest - _log_beta(small, other))
    return where(large, far, plain)


def _betainc(a: Term, b: Term, x: Term) -> Term:
    inside = both(a > 0, b > 0, x > 0, x < 1, a < math.inf, b < math.inf)
    a_in, b_in, x_in = where(inside, a, 1), where(inside, b, 1), where(inside, x, 0.5)
    turned = x_in > (a_in + 1) / (a_in + b_in + 2)
    p, q = where(turned, b_in, a_in), where(turned, a_in, b_in)
    y, rest = where(turned, 1 - x_in, x_in), where(turned, log(x_in), log1p(-x_in))
    value = _beta_front(p, q, y, rest) * _beta_fraction(p, q, y) / p
    value = where(turned, 1 - value, value)
    nothing = either(x.same(0), b.same(0), a.same(math.inf))
    everything = either(x.same(1), a.same(0), b.same(math.inf))
    clash = either(both(a.same(0), b.same(0)), both(a.same(math.inf), b.same(math.inf)))
    limit = where(both(negated(x.same(0)), either(x.same(1), both(everything, negated(nothing)))), 1, constant(0, x))
    value = where(inside, value, limit)
    undefined = either(a < 0, b < 0, x < 0, x > 1, negated((a + b + x).same(a + b + x)), clash)
    return _defined(undefined, value)


def _beta_density(a: Term, b: Term, x: Term) -> Term:
    inside = both(x > 0, x < 1)
    y = where(inside, x, 0.5)
    value = exp((a - 1) * log(y) + (b - 1) * log1p(-y) - _log_beta(a, b))
    near, far = where(x.same(0), a, b), where(x.same(0), b, a)
    edge = where(near.same(1), far, where(near < 1, math.inf, constant(0, x)))
    return where(inside, value, where(either(x < 0, x > 1), math.nan, edge))


# ---- Hurwitz zeta

_SHIFT = 12
# B(2j) / (2j)!, from j = 1.
_BERNOULLI = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
    -3617 / 10670622842880000, 43867 / 5109094217170944000, -174611 / 802857662698291200000,
    77683 / 14101100039391805440000, -236364091 / 1693824136731743669452800000,
)  # fmt: skip


def _zeta_of_positive(s: Term, q: Term) -> Term:
    """Euler and Maclaurin's summation, for q > 0; for s < 1 it continues the sum."""
    total = terms.power(q, -s)
    for k in range(1, _SHIFT):
        total = total + terms.power(q + k, -s)
    far = q + _SHIFT
    last = terms.power(far, -s)
    total = total + last * (far / (s - 1) + 0.5)
    factor = last * s / far
    inverse = 1 / (far * far)
    for j, coefficient in enumerate(_BERNOULLI):
        total = total + factor * coefficient
        factor = factor * (s + (2 * j + 1)) * (s + (2 * j + 2)) * inverse
    return total


def _zeta(s: Term, q: Term) -> Term:
    whole = terms.floor(s).same(s)
    pole = both(terms.floor(q).same(q), q <= 0)
    negative = both(q < 0, whole, negated(pole), s > 1)
    s_in = where(s > 1, s, 2)
    # The terms of negative base, with their sign, are a difference of two sums of positive ones.
    shift = terms.ceil(-where(negative, q, 0))
    first = where(negative, q + shift, where(q > 0, q, 1))
    value = _zeta_of_positive(s_in, first)
    # The last of them is exact, as 1 - first is not beside 0.
    start = where(negative, 1 - shift - q, 1)
    below = _zeta_of_positive(s_in, start) - _zeta_of_positive(s_in, where(negative, 1 - q, 1))
    half = s_in * 0.5
    odd = negated(terms.floor(half).same(half))
    value = where(negative, value + where(odd, -below, below), value)
    undefined = either(s < 1, both(q < 0, negated(pole), negated(whole)), negated((s + q).same(s + q)))
    value = where(q.same(math.inf), 0, value)
    value = where(s.same(math.inf), where(q.same(1), 1, constant(math.nan, q)), value)
    return _defined(undefined, where(either(s.same(1), pole), math.inf, value))


# ---- The primitives


def _reference(name: str, decompose: Callable[..., Any]) -> Callable[..., Any]:
    """SciPy's function in float64, for in float32 it is up to a hundred eps off; without SciPy the decomposition."""

    def rule(*args: Any) -> Any:
        dtype = args[0].dtype
        function = of_scipy(name)
        if function is not None:
            return np.asarray(function(*(x.astype(np.float64) for x in args))).astype(dtype)
        wide = _FLOAT32 if dtype.itemsize < 4 else dtype
        return np.asarray(decompose(*(x.astype(wide) for x in args))).astype(dtype)

    return rule


def _library(name: str) -> Callable[..., Any]:
    return lambda *operands: scalar.Library(name)


def _define(
    name: str, scipy_name: str, operands: str, term: Callable[..., Term], jvp: Sequence[Any], does: str
) -> tuple[Primitive, Callable[..., Any]]:
    decompose = formula(term)
    primitive = nary(
        name, FLOAT, len(operands), reference=_reference(scipy_name, decompose), kernel=_library(name), jvp=jvp,
        decompose=decompose,
    )  # fmt: skip

    signature = inspect.Signature(
        [inspect.Parameter(operand, inspect.Parameter.POSITIONAL_OR_KEYWORD) for operand in operands]
    )

    def function(*args: Any, **named: Any) -> Any:
        if named or len(args) != len(operands):
            args = signature.bind(*args, **named).args
        return primitive.bind(*lift_all(*args))

    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__name__ = function.__qualname__ = name
    takes = "Takes arrays of equal shapes and dtypes (real floating dtypes); any may be a scalar."
    function.__doc__ = f"{does} Elementwise.\n\n  {takes}"
    return primitive, boundary(function)


def _slope(term: Callable[..., Term], place: int) -> Callable[..., Any]:
    """The partial derivative of the decomposition by one operand, forwards: nothing is kept of the steps of its loops.

    The decompositions are elementwise, so that the derivative is one number for each element in either direction.
    """
    decomposed = formula(term)

    def slope(*operands: Any) -> Any:
        shape = max((shape_of(x) for x in operands), key=len)
        moved = operands[place]
        moved = broadcast_in_dim(moved, shape, ()) if shape_of(moved) != shape else moved
        one = broadcast_in_dim(np.ones((), dtype_of(moved))[()], shape, ())

        def alone(x: Any) -> list[Any]:
            return [decomposed(*(x if k == place else y for k, y in enumerate(operands)))]

        return instantiate(jvp_flat(alone, [moved], [one])[1][0])

    return slope


def _by_operand(term: Callable[..., Term], place: int) -> Callable[..., Any]:
    """The tangent for a tangent of one operand."""
    slope = _slope(term, place)
    return lambda t, *args: mul(t, slope(*args[:-1]))


_gamma_density, _beta_slope = formula(_density), formula(_beta_density)

igamma_p, igamma = _define(
    "igamma", "gammainc", "ax", _p, (_by_operand(_p, 0), lambda t, a, x, y: mul(t, _gamma_density(a, x))),
    "The regularised lower incomplete gamma function P(a, x).",
)  # fmt: skip
igammac_p, igammac = _define(
    "igammac", "gammaincc", "ax", _q,
    (lambda t, a, x, y: neg(_by_operand(_p, 0)(t, a, x, y)), lambda t, a, x, y: neg(mul(t, _gamma_density(a, x)))),
    "The regularised upper incomplete gamma function Q(a, x) = 1 - P(a, x).",
)  # fmt: skip
betainc_p, betainc = _define(
    "regularized_incomplete_beta", "betainc", "abx", _betainc,
    (_by_operand(_betainc, 0), _by_operand(_betainc, 1), lambda t, a, b, x, y: mul(t, _beta_slope(a, b, x))),
    "The regularised incomplete beta function I(x; a, b).",
)  # fmt: skip
zeta_p, zeta = _define(
    "zeta", "zeta", "xq", _zeta,
    (_by_operand(_zeta, 0), lambda t, s, q, y: mul(t, neg(mul(s, zeta(_plus_one(s), q))))),
    "The Hurwitz zeta function, the sum of (q + k)**-s over k >= 0.",
)  # fmt: skip


def _plus_one(s: Any) -> Any:
    return (Term(s) + 1).array


@trims
def igamma_grad_a(a: Any, x: Any) -> Any:
    """The derivative of ``igamma(a, x)`` by a. Elementwise."""
    return _slope(_p, 0)(*lift_all(a, x))


@trims
def random_gamma_grad(a: Any, x: Any) -> Any:
    """The derivative by a of a sample x of the gamma distribution with parameter a, its quantile fixed. Elementwise."""
    a, x = lift_all(a, x)
    slope, density = Term(igamma_grad_a(a, x)), Term(_gamma_density(a, x))
    empty = Term(x).same(0)
    return where(empty, 0, -slope / where(empty, 1, density)).array


@trims
def polygamma(m: Any, x: Any) -> Any:
    """The derivative of order m of digamma, m a whole number. Elementwise."""
    m, x = lift_all(m, x)
    order, at = Term(m), Term(x)
    zeroth = order.same(0)
    s = where(zeroth, 2, order + 1)
    half = s * 0.5
    even = terms.floor(half).same(half)
    size = exp(_lgamma(s)) * Term(zeta(s.array, x))
    value = where(zeroth, _digamma(at), where(even, size, -size))
    return where(either(order < 0, negated(terms.floor(order).same(order))), math.nan, value).array
