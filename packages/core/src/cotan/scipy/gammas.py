"""The gamma family: incomplete gamma and beta functions, zeta, factorials, Box and Cox' transform."""

from __future__ import annotations

import fractions
import math
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.numpy.promotion import as_array, promote_args_inexact
from cotan.primitives.incomplete import log_beta, log_rise
from cotan.scipy.elementwise import polynomial, real_function, sign_of_gamma, zero_with_slope


@real_function
def gammainc(a: Any, x: Any) -> Any:
    """The regularised lower incomplete gamma function.

    >>> from cotan.scipy import special
    >>> bool(abs(special.gammainc(1.0, 1.0) - 0.63212056) < 1e-6)
    True
    """
    return lax.igamma(a, x)


@real_function
def gammaincc(a: Any, x: Any) -> Any:
    """The regularised upper incomplete gamma function, 1 - gammainc(a, x)."""
    return lax.igammac(a, x)


@real_function
def betainc(a: Any, b: Any, x: Any) -> Any:
    """The regularised incomplete beta function, for 0 <= x <= 1.

    >>> from cotan.scipy import special
    >>> bool(abs(special.betainc(2.0, 2.0, 0.5) - 0.5) < 1e-6)
    True
    """
    return lax.betainc(a, b, x)


@real_function
def gammasgn(x: Any) -> Any:
    """The sign of the gamma function; NaN at negative whole numbers and minus infinity."""
    floor = cnp.floor(x)
    negative = cnp.where(cnp.remainder(floor, 2) == 0, 1.0, -1.0).astype(x.dtype)
    undefined = (x < 0) & (cnp.equal(x, floor) | cnp.isinf(x))
    value = cnp.where(x > 0, 1, cnp.where(cnp.equal(x, 0), cnp.where(cnp.signbit(x), -1, 1).astype(x.dtype), negative))
    return cnp.where(cnp.isnan(x) | undefined, math.nan, value)


@real_function
def beta(a: Any, b: Any) -> Any:
    """The beta function gamma(a) gamma(b) / gamma(a + b).

    >>> from cotan.scipy import special
    >>> bool(abs(special.beta(2.0, 3.0) - 1 / 12) < 1e-6)
    True
    """
    sign = sign_of_gamma(a) * sign_of_gamma(b) * sign_of_gamma(a + b)
    return sign * cnp.exp(log_beta(a, b))


@real_function
def betaln(a: Any, b: Any) -> Any:
    """log |beta(a, b)|, accurate for large arguments too."""
    return log_beta(a, b)


def factorial(n: Any, exact: bool = False) -> Any:
    """gamma(n + 1), and 0 for negative n.

    Raises:
      ValueError: ``exact`` is true: arrays hold no integers of any size.

    >>> from cotan.scipy import special
    >>> bool(abs(special.factorial(4.0) - 24) < 1e-4)
    True
    """
    if exact:
        raise ValueError("factorial: exact=True needs integers of any size, which arrays have not; use math.factorial")
    return _factorial(n)


@real_function
def _factorial(n: Any) -> Any:
    inside = n >= 0
    return cnp.where(n < 0, 0, cnp.exp(lax.lgamma(cnp.where(inside | cnp.isnan(n), n, 0) + 1)))


def comb(N: Any, k: Any, *, repetition: bool = False) -> Any:
    """The number of ways to choose k of N things; 0 where k > N or one of them is negative.

    Args:
      N, k: numbers; of integers the result is rounded to a whole number while it is small enough to be exact.
      repetition: whether a thing may be chosen more than once.

    >>> from cotan.scipy import special
    >>> float(special.comb(5, 2))
    10.0
    """
    whole = all(not dtypes.issubdtype(dtypes.dtype(x), np.inexact) for x in (N, k))
    n, k = (as_array(x, "comb") for x in promote_args_inexact("comb", N, k))
    if repetition:
        value = _comb(cnp.where(cnp.equal(k, 0) & (n >= 0), n, n + k - 1), k)
    else:
        value = _comb(n, k)
    if not whole:
        return value
    return cnp.where(value < 1 / (8 * float(dtypes.finfo(value.dtype).eps)), cnp.round(value), value)


@real_function
def _comb(n: Any, k: Any) -> Any:
    valid = (n >= 0) & (k >= 0) & (k <= n)
    a, b = cnp.where(valid, n, 1), cnp.where(valid, k, 0)
    value = cnp.exp(-log_beta(a - b + 1, b + 1) - cnp.log1p(a))
    return cnp.where(valid, value, cnp.where(cnp.isnan(n + k), math.nan, 0))


@real_function
def poch(z: Any, m: Any) -> Any:
    """The rising factorial gamma(z + m) / gamma(z).

    >>> from cotan.scipy import special
    >>> bool(abs(special.poch(3.0, 2.0) - 12) < 1e-4)
    True
    """
    turned = (z <= 0) & cnp.equal(z, cnp.floor(z)) & cnp.equal(m, cnp.floor(m))
    plain, order = cnp.where(turned, 1, z), cnp.where(turned, 0, m)
    sign = sign_of_gamma(plain) * sign_of_gamma(plain + order)
    # Of large z without the digits that both logarithms share.
    down = order < 0
    base, step = cnp.where(down, plain + order, plain), cnp.where(down, -order, order)
    far = (base >= 10) & (base < math.inf) & (step < math.inf)
    large = log_rise(cnp.where(far, base, 10), cnp.where(far, step, 1))
    # A product through 0, or of negative whole numbers: turn it round.
    bottom = cnp.where(turned, 1 - z, 1) - cnp.where(turned, m, 0)
    reached = bottom <= 0
    upper = cnp.where(turned, 1 - z, cnp.where(far, 1, plain + order))
    lower = cnp.where(turned, cnp.where(reached, 1, bottom), cnp.where(far, 1, plain))
    near = lax.lgamma(upper) - lax.lgamma(lower)
    size = cnp.exp(cnp.where(far, cnp.where(down, -large, large), near))
    even = cnp.equal(cnp.remainder(m, 2), 0)
    product = cnp.where(reached, 0, cnp.where(even, size, -size))
    value = cnp.where(turned, product, cnp.where(cnp.equal(m, -math.inf), math.nan, sign * size))
    # Elsewhere the formula is 1 there by itself, and has a slope.
    return cnp.where(cnp.equal(m, 0) & ~cnp.isfinite(z), 1, value)


@real_function
def polygamma(n: Any, x: Any) -> Any:
    """The derivative of order n of digamma, for whole n >= 0.

    >>> from cotan.scipy import special
    >>> bool(abs(special.polygamma(1, 1.0) - 1.6449341) < 1e-5)
    True
    """
    return lax.polygamma(lax.stop_gradient(n), x)


def zeta(x: Any, q: Any = None) -> Any:
    """Riemann's zeta function, or (with q) Hurwitz', the sum of (q + k)**-x over k >= 0, which needs x > 1.

    >>> from cotan.scipy import special
    >>> bool(abs(special.zeta(2.0) - 1.6449341) < 1e-5)
    True
    """
    return _riemann(x) if q is None else _hurwitz(x, q)


@real_function
def _hurwitz(x: Any, q: Any) -> Any:
    return lax.zeta(x, q)


def _alternating(s: Any) -> Any:
    """zeta(s) for s >= 0 except 1, from the alternating series (P. Borwein, 1995)."""
    n = 26
    weights = [math.fsum(math.comb(n + i, 2 * i) * 4.0**i * n / (n + i) for i in range(k + 1)) for k in range(n + 1)]
    total = s * 0
    for k in range(n):
        total = total + (-1) ** k * (1 - weights[k] / weights[n]) * cnp.exp(-s * math.log(k + 1))
    return total / -cnp.expm1((1 - s) * math.log(2))


@real_function
def _riemann(s: Any) -> Any:
    right = s >= 0
    one = cnp.equal(s, 1)
    value = _alternating(cnp.where(right & ~one, s, 2))
    left = cnp.where(right, -1, s)
    mirrored = 1 - left
    half = cnp.remainder(left, 4) * (math.pi / 2)
    sine = cnp.where(cnp.equal(cnp.remainder(left, 2), 0), 0, cnp.sin(half))
    size = cnp.exp(left * math.log(2 * math.pi) + lax.lgamma(mirrored)) / math.pi
    below = size * sine * _alternating(mirrored)
    value = cnp.where(right, value, cnp.where(cnp.isnan(below) & cnp.isinf(size), math.nan, below))
    return cnp.where(one, math.inf, cnp.where(cnp.isnan(s), math.nan, value))


# ---- The logarithm of gamma in the complex plane

# B(2k) / (2k (2k - 1)), from k = 1.
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)


def _loggamma_right(z: Any) -> Any:
    """For Re z >= 0.5: the recurrence, then Stirling's series."""
    shifted, logarithms = z, z * 0
    for _ in range(8):
        low = cnp.real(shifted) < 8
        logarithms = logarithms + cnp.where(low, cnp.log(shifted), 0)
        shifted = cnp.where(low, shifted + 1, shifted)
    inverse = 1 / shifted
    series = inverse * polynomial(inverse * inverse, _STIRLING)
    return (shifted - 0.5) * cnp.log(shifted) - shifted + 0.5 * math.log(2 * math.pi) + series - logarithms


def loggamma(x: Any) -> Any:
    """The logarithm of the gamma function, continued from the positive numbers; NaN for negative real operands.

    Of complex numbers it has a cut along the negative axis, and is not the principal logarithm of gamma.

    >>> from cotan.scipy import special
    >>> bool(abs(special.loggamma(1j) - (-0.6509232 - 1.8724366j)) < 1e-5)
    True
    """
    z = as_array(promote_args_inexact("loggamma", x)[0], "loggamma")
    if not dtypes.issubdtype(z.dtype, np.complexfloating):
        return cnp.where(z < 0, math.nan, lax.lgamma(z))
    right = cnp.real(z) >= 0.5
    upper = ~cnp.signbit(cnp.imag(z))
    left = cnp.where(right, 0.25 + 1j, cnp.where(upper, z, cnp.conj(z))).astype(z.dtype)
    turn = cnp.real(left) - cnp.floor(cnp.real(left))
    rotated = cnp.exp(lax.complex(-2 * math.pi * cnp.imag(left), 2 * math.pi * turn))
    sine = -1j * math.pi * left + (0.5j * math.pi - math.log(2)) + cnp.log(1 - rotated)
    above = math.log(math.pi) - sine - _loggamma_right(1 - left)
    reflected = cnp.where(upper, above, cnp.conj(above))
    return cnp.where(right, _loggamma_right(cnp.where(right, z, 1)), reflected)


_EXACT = 40


def _zeta_of_whole(m: int) -> float:
    """For m >= 40, where five terms are all."""
    return math.fsum(float(k) ** -m for k in range(1, 6))


def bernoulli(n: int) -> Any:
    """The Bernoulli numbers B(0) to B(n), with B(1) = -1/2.

    Raises:
      ValueError: n is not a whole number >= 0.

    >>> from cotan.scipy import special
    >>> special.bernoulli(2)
    Array([ 1.        , -0.5       ,  0.16666667], dtype=float32)
    """
    if not isinstance(n, int | np.integer) or n < 0:
        raise ValueError(f"bernoulli: n must be a whole number that is not negative, got {n!r}")
    exact: list[fractions.Fraction] = []
    for m in range(min(n, _EXACT) + 1):
        known = sum((math.comb(m + 1, k) * b for k, b in enumerate(exact)), fractions.Fraction(0))
        exact.append(fractions.Fraction(1) if m == 0 else -known / (m + 1))
    found = [float(b) for b in exact]
    size = abs(found[-1]) / _zeta_of_whole(_EXACT) if n > _EXACT else 0.0
    for m in range(_EXACT + 1, n + 1):
        if m % 2:
            found.append(0.0)
            continue
        # |B(m)| = zeta(m) 2 m! / (2 pi)**m
        size *= m * (m - 1) / (4 * math.pi**2)
        value = size * _zeta_of_whole(m)
        found.append(value if m % 4 else -value)
    return cnp.asarray(np.array(found), dtypes.default_float())


# ---- Box and Cox


@real_function
def boxcox(x: Any, lmbda: Any) -> Any:
    """(x**lmbda - 1) / lmbda, and log(x) for lmbda = 0.

    >>> from cotan.scipy import special
    >>> bool(abs(special.boxcox(2.0, 2.0) - 1.5) < 1e-6)
    True
    """
    return _box_cox(x, cnp.log(cnp.where(cnp.equal(x, 0), 1, x)), lmbda)


@real_function
def boxcox1p(x: Any, lmbda: Any) -> Any:
    """boxcox(1 + x, lmbda), exact for small x."""
    return _box_cox(1 + x, cnp.log1p(cnp.where(cnp.equal(x, -1), 0, x)), lmbda)


def _box_cox(base: Any, logarithm: Any, lmbda: Any) -> Any:
    """By the logarithm of the base, which counts where the base is not 0."""
    zero = cnp.equal(base, 0)
    lowest = cnp.where(cnp.isnan(lmbda), math.nan, -math.inf)
    counts = zero & (lmbda > 0)
    at_zero = cnp.where(counts, -1 / cnp.where(counts, lmbda, 1), lowest)
    # That of base**lmbda / lmbda.
    slope = cnp.where(lmbda > 1, 0, cnp.where(cnp.equal(lmbda, 1), 1, -lowest)).astype(base.dtype)
    at_zero = at_zero + zero_with_slope(cnp.where(zero, base, 0), lax.stop_gradient(cnp.where(zero, slope, 0)))
    return cnp.where(zero, at_zero, _power_ratio(logarithm, lmbda))


def _power_ratio(logarithm: Any, lmbda: Any) -> Any:
    """expm1(lmbda log) / lmbda; near 0 by its first terms, which have derivatives there."""
    u = lmbda * logarithm
    small = (cnp.abs(u) < 1e-3) | cnp.equal(lmbda, 0)
    near = cnp.where(small & cnp.isfinite(u), u, 0)
    series = logarithm * polynomial(near, [1 / math.factorial(k + 1) for k in range(6)])
    return cnp.where(small, series, cnp.expm1(u) / cnp.where(small, 1, lmbda))
