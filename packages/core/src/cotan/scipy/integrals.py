"""Exponential, trigonometric and Fresnel integrals, the dilogarithm, and relatives of the error function."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.api.custom_jvp import custom_jvp
from cotan.numpy.promotion import as_array, promote_args_inexact
from cotan.primitives.special import ERFC
from cotan.scipy import special_tables as table
from cotan.scipy.elementwise import chebyshev, polynomial, real_function

_EULER = 0.5772156649015329
_ROOT_PI = math.sqrt(math.pi)


def _with_slope(function: Any, slope: Any) -> Any:
    """A function of one array whose derivative is given."""
    ruled = custom_jvp(function)

    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (t,) = primals, tangents
        return ruled(x), cnp.multiply(slope(x), t)

    ruled.defjvp(rule)
    return ruled


# ---- Exponential integrals

_EXPONENTIAL = [0.0, *(1 / (k * math.factorial(k)) for k in range(1, 46))]


def _e1_of_positive(x: Any) -> Any:
    near, middle = cnp.where(x <= 1, x, 1), cnp.where((x > 1) & (x <= 4), x, 2)
    far = cnp.where(x > 4, x, 5)
    small = -_EULER - cnp.log(near) - polynomial(-near, _EXPONENTIAL[:22])
    series = chebyshev((1 / middle - 0.625) / 0.375, table.E1)
    tail = chebyshev(8 / far - 1, table.E1_FAR)
    large = cnp.where(x > 4, tail, series)
    return cnp.where(x <= 1, small, cnp.exp(-x) / cnp.where(x <= 1, 1, x) * large)


def _ei_of_positive(x: Any) -> Any:
    near, high = cnp.where(x <= 6, x, 1), cnp.where(x > 6, x, 7)
    small = _EULER + cnp.log(near) + polynomial(near, _EXPONENTIAL)
    inverse = 1 / cnp.maximum(high, 12)
    large = chebyshev((cnp.minimum(high, 12) - 9) / 3, table.EI)
    large = cnp.where(x > 12, chebyshev(cnp.clip(48 * inverse - 3, -1, 1), table.EI_MIDDLE), large)
    large = cnp.where(x > 24, chebyshev(cnp.clip(96 * inverse - 3, -1, 1), table.EI_FAR), large)
    large = cnp.where(x > 48, chebyshev(cnp.clip(96 * inverse - 1, -1, 1), table.EI_FARTHEST), large)
    half = cnp.exp(0.5 * high)  # exp(x) may overflow where exp(x) / x does not
    large = cnp.where(cnp.isinf(high), math.inf, half / high * large * half)
    return cnp.where(x <= 6, small, large)


def _e1(x: Any) -> Any:
    return cnp.where(x < 0, math.nan, _e1_of_positive(cnp.where(x < 0, 1, x)))


def _ei(x: Any) -> Any:
    value = cnp.where(x < 0, -_e1_of_positive(cnp.where(x < 0, -x, 1)), _ei_of_positive(cnp.where(x < 0, 1, x)))
    return cnp.where(cnp.isnan(x), math.nan, value)


_e1_ruled = _with_slope(_e1, lambda x: -cnp.exp(-x) / x)
_ei_ruled = _with_slope(_ei, lambda x: cnp.exp(x) / x)


@real_function
def exp1(x: Any) -> Any:
    """The exponential integral E1(x), the integral of exp(-t) / t from x to infinity; NaN below 0.

    >>> from cotan.scipy import special
    >>> bool(abs(special.exp1(1.0) - 0.21938393) < 1e-6)
    True
    """
    return _e1_ruled(x)


@real_function
def expi(x: Any) -> Any:
    """The exponential integral Ei(x), the principal value of the integral of exp(t) / t up to x.

    >>> from cotan.scipy import special
    >>> bool(abs(special.expi(1.0) - 1.8951178) < 1e-5)
    True
    """
    return _ei_ruled(x)


def _expn_series(n: Any, x: Any) -> Any:
    """For whole n >= 1 and 0 < x <= 1."""
    total, power = x * 0, x * 0 + 1
    for m in range(24):
        gap = m - n + 1
        own = cnp.equal(gap, 0)
        total = total - cnp.where(own, 0, power / cnp.where(own, 1, gap))
        power = power * -x / (m + 1)
    order = cnp.maximum(n, 1)
    odd = cnp.remainder(order, 2) == 1
    lead = cnp.exp((order - 1) * cnp.log(x) - lax.lgamma(order))
    return total + cnp.where(odd, lead, -lead) * (lax.digamma(order) - cnp.log(x))


def _expn_fraction(n: Any, x: Any) -> Any:
    """For x > 1, by the continued fraction (DLMF 8.19.17), from its end."""

    def step(k: Any, tail: Any) -> Any:
        i = 120 - k
        return i * (n - 1 + i) / (x + n + 2 * i - tail)

    tail = lax.fori_loop(0, 120, step, x * 0)
    return cnp.exp(-x) / (x + n - tail)


@real_function
def expn(n: Any, x: Any) -> Any:
    """The generalised exponential integral, of exp(-x t) / t**n for t from 1, for whole n >= 0 and x >= 0.

    >>> from cotan.scipy import special
    >>> bool(abs(special.expn(2, 1.0) - 0.14849551) < 1e-6)
    True
    """
    n = lax.stop_gradient(n)
    valid = (n >= 0) & cnp.equal(n, cnp.floor(n)) & (x >= 0)
    near, far = valid & (n >= 1) & (x > 0) & (x <= 1), valid & (n >= 1) & (x > 1)
    value = cnp.where(
        near,
        _expn_series(cnp.where(near, n, 1), cnp.where(near, x, 0.5)),
        _expn_fraction(cnp.where(far, n, 1), cnp.where(far & (x < math.inf), x, 2)),
    )
    positive = cnp.where(x > 0, x, 1)
    value = cnp.where(cnp.equal(n, 0), cnp.exp(-positive) / positive, value)
    value = cnp.where(cnp.equal(x, 0), cnp.where(n > 1, 1 / cnp.where(n > 1, n - 1, 1), math.inf), value)
    value = cnp.where(cnp.equal(x, math.inf), 0, value)
    return cnp.where(valid, value, math.nan)


# ---- Sine and cosine integrals

_SINE = [(-1) ** k / ((2 * k + 1) * math.factorial(2 * k + 1)) for k in range(18)]
_COSINE = [(-1) ** k / (2 * k * math.factorial(2 * k)) for k in range(1, 18)]


def _sici_far(x: Any) -> tuple[Any, Any]:
    v = (4 / x) ** 2
    f = chebyshev(2 * v - 1, table.SICI_F) / x
    g = chebyshev(2 * v - 1, table.SICI_G) / (x * x)
    sine, cosine = cnp.sin(x), cnp.cos(x)
    return math.pi / 2 - f * cosine - g * sine, f * sine - g * cosine


def _si(x: Any) -> Any:
    size = cnp.abs(x)
    near, far = cnp.where(size < 4, x, 1), cnp.where((size >= 4) & (size < math.inf), size, 5)
    large = cnp.where(cnp.isinf(size), math.pi / 2, _sici_far(far)[0])
    value = cnp.where(size < 4, near * polynomial(near * near, _SINE), cnp.where(x < 0, -large, large))
    return cnp.where(cnp.isnan(x), math.nan, value)


def _ci(x: Any) -> Any:
    size = cnp.abs(x)
    near, far = cnp.where(size < 4, size, 1), cnp.where((size >= 4) & (size < math.inf), size, 5)
    square = near * near
    small = _EULER + cnp.log(near) + square * polynomial(square, _COSINE)
    value = cnp.where(size < 4, small, cnp.where(cnp.isinf(size), 0, _sici_far(far)[1]))
    return cnp.where(cnp.equal(x, -math.inf) | cnp.isnan(x), math.nan, value)


_si_ruled = _with_slope(_si, lambda x: cnp.sinc(x / math.pi))
_ci_ruled = _with_slope(_ci, lambda x: cnp.cos(x) / x)


@real_function
def sici(x: Any) -> tuple[Any, Any]:
    """The sine integral of sin(t) / t from 0 to x, and the cosine integral; (of |x| for negative x).

    >>> from cotan.scipy import special
    >>> si, ci = special.sici(1.0)
    >>> bool(abs(si - 0.9460831) < 1e-6), bool(abs(ci - 0.3374039) < 1e-6)
    (True, True)
    """
    return _si_ruled(x), _ci_ruled(x)


# ---- Fresnel integrals

_HALF_PI = math.pi / 2
_FRESNEL_C = [(-1) ** n * _HALF_PI ** (2 * n) / (math.factorial(2 * n) * (4 * n + 1)) for n in range(18)]
_FRESNEL_S = [(-1) ** n * _HALF_PI ** (2 * n + 1) / (math.factorial(2 * n + 1) * (4 * n + 3)) for n in range(18)]


def _quarter_turns(x: Any) -> tuple[Any, Any]:
    """Sine and cosine of pi x**2 / 2."""
    turns = cnp.remainder(x * x, 4) * _HALF_PI
    return cnp.sin(turns), cnp.cos(turns)


def _fresnel(x: Any, which: int) -> Any:
    size = cnp.abs(x)
    near, far = cnp.where(size < 1.6, size, 1), cnp.where((size >= 1.6) & (size < 1e30), size, 2)
    fourth = near**4
    small = near**3 * polynomial(fourth, _FRESNEL_S) if which == 0 else near * polynomial(fourth, _FRESNEL_C)
    t = 2 * (1.6 / far) ** 4 - 1
    f = chebyshev(t, table.FRESNEL_F) / (math.pi * far)
    g = chebyshev(t, table.FRESNEL_G) / (math.pi**2 * far**3)
    sine, cosine = _quarter_turns(far)
    large = 0.5 - f * cosine - g * sine if which == 0 else 0.5 + f * sine - g * cosine
    value = cnp.where(size < 1.6, small, cnp.where(size < 1e30, large, 0.5))
    return cnp.where(cnp.isnan(x), math.nan, cnp.where(x < 0, -value, value))


_fresnel_s = _with_slope(lambda x: _fresnel(x, 0), lambda x: _quarter_turns(x)[0])
_fresnel_c = _with_slope(lambda x: _fresnel(x, 1), lambda x: _quarter_turns(x)[1])


@real_function
def fresnel(x: Any) -> tuple[Any, Any]:
    """The Fresnel integrals of sin(pi t**2 / 2) and of cos(pi t**2 / 2) from 0 to x.

    >>> from cotan.scipy import special
    >>> s, c = special.fresnel(1.0)
    >>> bool(abs(s - 0.43825915) < 1e-6), bool(abs(c - 0.77989340) < 1e-6)
    (True, True)
    """
    return _fresnel_s(x), _fresnel_c(x)


# ---- The dilogarithm

# B(2k) / (2k + 1)!, from k = 1.
_DILOGARITHM = (
    1 / 36, -1 / 3600, 1 / 211680, -1 / 10886400, 1 / 526901760, -691 / 16999766784000, 1 / 1120863744000,
    -3617 / 181400588328960000, 43867 / 97072790126247936000,
)  # fmt: skip


def _spence_near(x: Any) -> Any:
    """For x from 1/2 to 2."""
    u = -cnp.log(x)
    square = u * u
    return u * (1 + square * polynomial(square, _DILOGARITHM)) - square * 0.25


def _spence(x: Any) -> Any:
    low, high = x < 0.5, x > 2
    inner = cnp.where(low, 1 - x, cnp.where(high, 1 / cnp.where(high, x, 1), x))
    value = _spence_near(cnp.clip(inner, 0.5, 2))
    small = cnp.where(low & (x > 0), x, 0.25)
    below = math.pi**2 / 6 - cnp.where(cnp.equal(x, 0), 0, cnp.log(small) * cnp.log1p(-small)) - value
    # 1/x may be below 1/2 again.
    tiny = inner < 0.5
    reflected = cnp.where(high & tiny & (inner > 0), inner, 0.25)
    mirrored = _spence_near(cnp.where(tiny, 1 - inner, 1))
    part = math.pi**2 / 6 - cnp.where(inner > 0, cnp.log(reflected) * cnp.log1p(-reflected), 0) - mirrored
    logarithm = cnp.log(cnp.where(high, x, 1))
    above = -0.5 * logarithm * logarithm - cnp.where(tiny, part, value)
    value = cnp.where(low, below, cnp.where(high, above, value))
    return cnp.where(x < 0, math.nan, value)


def _spence_slope(x: Any) -> Any:
    one = cnp.abs(x - 1) < 1e-3
    d = cnp.where(one, x - 1, 0)
    near = -1 + d * (0.5 + d * (-1 / 3 + d * (0.25 - d * 0.2)))
    return cnp.where(one, near, cnp.log(x) / cnp.where(one, 1, 1 - x))


_spence_ruled = _with_slope(_spence, _spence_slope)


@real_function
def spence(x: Any) -> Any:
    """The dilogarithm of 1 - x: the integral of log(t) / (1 - t) from 1 to x.

    >>> from cotan.scipy import special
    >>> bool(abs(special.spence(0.0) - 1.6449341) < 1e-6)
    True
    """
    return _spence_ruled(x)


# ---- Relatives of the error function


def erfcx(x: Any) -> Any:
    """exp(x**2) erfc(x), which neither overflows nor vanishes for large x; of complex numbers, too.

    >>> from cotan.scipy import special
    >>> bool(abs(special.erfcx(10.0) - 0.05614099) < 1e-6)
    True
    """
    z = as_array(promote_args_inexact("erfcx", x)[0], "erfcx")
    return wofz(z * 1j) if dtypes.issubdtype(z.dtype, np.complexfloating) else _erfcx(z)


@real_function
def _erfcx(x: Any) -> Any:
    size = cnp.abs(x)
    t = 2 / (size + 2)
    series = ERFC if x.dtype == np.float64 else ERFC[:14]
    value = t * cnp.exp(chebyshev(2 * t - 1, series))
    low = cnp.where(x < 0, x, 0)
    return cnp.where(x < 0, 2 * cnp.exp(low * low) - value, value)


def _dawson(x: Any) -> Any:
    size = cnp.abs(x)
    near, far = cnp.where(size < 2, size, 1), cnp.where(size > 5, size, 6)
    middle = cnp.where((size < 2) | (size > 5), 3, size)
    small = near * chebyshev(near * near * 0.5 - 1, table.DAWSON)
    centre = chebyshev((middle - 3.5) / 1.5, table.DAWSON_MIDDLE)
    tail = chebyshev(50 / (far * far) - 1, table.DAWSON_FAR) / far
    value = cnp.where(size < 2, small, cnp.where(size > 5, tail, centre))
    return cnp.where(x < 0, -value, value)


@real_function
def dawsn(x: Any) -> Any:
    """Dawson's integral exp(-x**2) times the integral of exp(t**2) from 0 to x.

    >>> from cotan.scipy import special
    >>> bool(abs(special.dawsn(1.0) - 0.5380795) < 1e-6)
    True
    """
    return _dawson(x)


_WEIDEMAN = 48


@functools.cache
def _weideman() -> tuple[float, tuple[float, ...]]:
    """Scale and coefficients, highest power first (J. Weideman, SIAM J. Numer. Anal. 31, 1994)."""
    n, samples = _WEIDEMAN, 2 * _WEIDEMAN
    scale = math.sqrt(n / math.sqrt(2))
    angles = np.arange(-samples + 1, samples) * math.pi / samples
    t = scale * np.tan(angles / 2)
    f = np.concatenate([[0.0], np.exp(-t * t) * (scale * scale + t * t)])
    found = np.real(np.fft.fft(np.fft.fftshift(f))) / (2 * samples)
    return scale, tuple(found[1 : n + 1][::-1].tolist())


def _faddeeva_above(z: Any) -> Any:
    """For numbers of non-negative imaginary part."""
    scale, coefficients = _weideman()
    iz = z * 1j
    below = 1 / (scale - iz)
    ratio = (scale + iz) * below
    total = polynomial(ratio, coefficients[::-1])
    return 2 * total * below * below + below / _ROOT_PI


def wofz(z: Any) -> Any:
    """The Faddeeva function exp(-z**2) erfc(-i z), complex; errors are relative to its magnitude.

    >>> from cotan.scipy import special
    >>> bool(abs(special.wofz(1j) - 0.42758358) < 1e-6)
    True
    """
    z = as_array(promote_args_inexact("wofz", z)[0], "wofz")
    if not dtypes.issubdtype(z.dtype, np.complexfloating):
        wide = z if z.dtype.itemsize >= 4 else lax.convert_element_type(z, np.float32)
        return lax.complex(cnp.exp(-wide * wide), 2 / _ROOT_PI * _dawson(wide))
    below = cnp.imag(z) < 0
    value = _faddeeva_above(cnp.where(below, -z, z))
    growing = cnp.where(below, z, 0)
    return cnp.where(below, 2 * cnp.exp(-growing * growing) - value, value)


@functools.cache
def _gauss(count: int) -> tuple[list[float], list[float]]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (0.5 + 0.5 * nodes).tolist(), (0.5 * weights).tolist()


def _owen(h: Any, a: Any) -> Any:
    """For h >= 0 and 0 <= a <= 1; where exp(-(h x)**2 / 2) has vanished, nothing is added.

    What all terms share is a factor, so that none of them is denormal, which is ten times as long.
    """
    count, reach = (24, 9) if h.dtype.itemsize > 4 else (12, 6)
    end = cnp.minimum(a, reach / cnp.maximum(h, 1e-3))
    way = h * end
    exponent, slope = -0.5 * way * way, end * end
    total = h * 0
    for node, weight in zip(*_gauss(count), strict=True):
        total = total + weight * cnp.exp(exponent * node**2) / (1 + slope * node**2)
    return total * end * cnp.exp(-0.5 * h * h) / (2 * math.pi)


@real_function
def owens_t(h: Any, a: Any) -> Any:
    """Owen's T function: the probability that X > h and 0 < Y < a X, for independent standard normals.

    >>> from cotan.scipy import special
    >>> bool(abs(special.owens_t(0.0, 1.0) - 0.125) < 1e-6)
    True
    """
    return _owens_t(h, a)


@custom_jvp
def _owens_t(h: Any, a: Any) -> Any:
    height, slope = cnp.abs(h), cnp.abs(a)
    steep = slope > 1
    inverse = cnp.where(steep, 1 / cnp.where(steep, slope, 1), slope)
    product = cnp.where(cnp.equal(height, 0), 0, height * cnp.where(steep & cnp.not_equal(height, 0), slope, 1))
    first, second = (0.5 * lax.erfc(v * math.sqrt(0.5)) for v in (height, product))
    infinite = cnp.isinf(height)
    inner = _owen(cnp.where(infinite, 0, cnp.where(steep, cnp.minimum(product, 1e6), height)), inverse)
    value = cnp.where(steep, 0.5 * (first + second) - first * second - inner, inner)
    value = cnp.where(infinite, 0, value)
    value = cnp.where(cnp.isnan(h) | cnp.isnan(a), math.nan, value)
    return cnp.where(a < 0, -value, value)


@_owens_t.defjvp
def _(primals: Any, tangents: Any) -> Any:
    # In closed form: the integral's own slopes are differences, which lose all digits far from 0.
    h, a = primals
    product = cnp.where(cnp.equal(h, 0) | cnp.equal(a, 0), 0, h * a)
    along_h = cnp.exp(-0.5 * h * h) * lax.erf(product * math.sqrt(0.5)) * (-0.5 / math.sqrt(2 * math.pi))
    along_a = cnp.exp(-0.5 * (h * h + product * product)) / (2 * math.pi * (1 + a * a))
    return _owens_t(h, a), along_h * tangents[0] + along_a * tangents[1]
