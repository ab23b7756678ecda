"""Elementary functions of complex numbers, written out as expressions of their real and imaginary parts.

Results have the special values and branch cuts of C99, annex G. Each part is exact to a few ulp of the whole number,
and a logarithm near 1 to its own. Knows scalar operations, no primitives.

Square roots and inverse functions: W. Kahan, "Branch cuts for complex elementary functions", in The State of the Art in
Numerical Analysis, 1987. Sums of squares near 1: T. J. Dekker, "A floating-point technique for extending the available
precision", Numerische Mathematik 18, 1971.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan.compiler import complex_numbers as numbers
from cotan.compiler.complex_numbers import Pair
from cotan.ir import scalar as s
from cotan.ir.scalar import Expr, const


class _Limits(NamedTuple):
    """Of one precision: where functions change their way.

    Attributes:
      overflow: the exponential function of more than this is made from one that is by ``less`` smaller.
      settled: from here on a hyperbolic tangent is 1.
      far: sizes from here on are beyond all that is added to their squares.
      huge, tiny: roots of larger and smaller numbers are those of numbers made ``even`` powers of 2 smaller and larger.
      split: the last bits of a number, without which its square is exact.
    """

    overflow: float
    less: float
    settled: float
    far: float
    huge: float
    tiny: float
    even: int
    split: int


_LIMITS = {
    4: _Limits(64.0, 32.0, 11.0, 2.0**26, 2.0**124, 2.0**-100, 60, 12),
    8: _Limits(600.0, 256.0, 22.0, 2.0**54, 2.0**1020, 2.0**-900, 200, 27),
}


def _limits(x: Expr) -> _Limits:
    return _LIMITS[x.dtype.itemsize]


def _like(x: Expr, value: float) -> Expr:
    return const(value, x.dtype)


def _signed(size: Expr, sign: Expr) -> Expr:
    """``size``, which is not negative, with the sign of ``sign``, which may be a zero."""
    dtype = np.dtype(f"i{size.dtype.itemsize}")
    bit = s.and_(s.bitcast(sign, dtype), const(np.iinfo(dtype).min, dtype))
    return s.bitcast(s.or_(s.bitcast(s.abs_(size), dtype), bit), size.dtype)


def _is_infinite(x: Expr) -> Expr:
    return s.eq(s.abs_(x), _like(x, math.inf))


def _is_zero(x: Expr) -> Expr:
    return s.eq(x, _like(x, 0))


def _beyond(z: Pair, limit: float) -> Expr:
    return s.or_(*(s.gt(s.abs_(part), _like(part, limit)) for part in z))


def _turned(z: Pair) -> Pair:
    """i z"""
    return s.neg(z[1]), z[0]


def _turned_back(z: Pair) -> Pair:
    """z / i"""
    return z[1], s.neg(z[0])


# ---- Exponentials


def exp(z: Pair) -> Pair:
    """e**z."""
    a, b = z
    # The exponential function may overflow where its product with a small cosine does not.
    limits = _limits(a)
    large = s.gt(a, _like(a, limits.overflow))
    size = s.exp(s.select(large, s.sub(a, _like(a, limits.less)), a))
    rest = s.select(large, _like(a, float(np.exp(np.asarray(limits.less, a.dtype)))), _like(a, 1))
    # Where there is no direction to turn to, an infinite number stays infinite, and one that vanishes 0.
    vanishes, grows = (s.eq(a, _like(a, edge)) for edge in (-math.inf, math.inf))
    aimless = s.not_(s.is_finite(b))

    def part(circle: Expr) -> Expr:
        return s.mul(s.mul(size, circle), rest)

    cosine = s.select(s.and_(s.or_(vanishes, grows), aimless), _like(a, 1), s.cos(b))
    sine = s.select(s.and_(vanishes, aimless), _like(a, 0), s.sin(b))
    return part(cosine), s.select(_is_zero(b), b, part(sine))


def exp2(z: Pair) -> Pair:
    """2**z."""
    log2 = _like(z[0], math.log(2))
    return exp((s.mul(z[0], log2), s.mul(z[1], log2)))


def expm1(z: Pair) -> Pair:
    """e**z - 1."""
    a, b = z
    real, imag = exp(z)
    half = s.sin(s.mul(b, _like(b, 0.5)))
    near = s.sub(s.mul(s.expm1(a), s.cos(b)), s.mul(_like(a, 2), s.mul(half, half)))
    small = s.le(s.abs_(a), _like(a, _limits(a).overflow))
    return s.select(small, near, s.sub(real, _like(a, 1))), imag


def logistic(z: Pair) -> Pair:
    """1 / (1 + e**-z), by the exponential function of a number whose real part is not positive."""
    a, b = z
    falls, one, zero = s.lt(a, _like(a, 0)), _like(a, 1), _like(a, 0)
    power = exp((s.neg(s.abs_(a)), s.select(falls, b, s.neg(b))))
    above = s.select(falls, power[0], one), s.select(falls, power[1], zero)
    return numbers.div(above, numbers.add((one, zero), power))


# ---- Logarithms


def _sum(terms: Sequence[Expr]) -> Expr:
    """The sum of numbers that may cancel, with what rounding takes from each step added at the end."""
    total, lost = terms[0], None
    for term in terms[1:]:
        after = s.add(total, term)
        added = s.sub(after, total)
        error = s.add(s.sub(total, s.sub(after, added)), s.sub(term, added))
        total, lost = after, error if lost is None else s.add(lost, error)
    return total if lost is None else s.add(total, lost)


def _square(x: Expr) -> list[Expr]:
    """Numbers whose sum is the square of ``x``, the largest first."""
    dtype = np.dtype(f"i{x.dtype.itemsize}")
    high = s.bitcast(s.and_(s.bitcast(x, dtype), const(-1 << _limits(x).split, dtype)), x.dtype)
    low = s.sub(x, high)
    return [s.mul(high, high), s.mul(_like(x, 2), s.mul(high, low)), s.mul(low, low)]


def _less_one(first: Expr, x: Expr, y: Expr) -> Expr:
    """first + x**2 + y**2"""
    (xx, xy, yy), (uu, uv, vv) = _square(x), _square(y)
    return _sum([first, xx, uu, xy, uv, yy, vv])


def _is_near_one(x: Expr, y: Expr) -> Expr:
    """Whether the size of a number with these parts is about 1."""
    square = s.add(s.mul(x, x), s.mul(y, y))
    return s.and_(s.gt(square, _like(x, 0.5)), s.lt(square, _like(x, 3)))


def _log_of_size(z: Pair) -> Expr:
    """The logarithm of the size of a number that is not about 1."""
    a, b = map(s.abs_, z)
    large, small = s.max_(a, b), s.min_(a, b)
    ratio = s.div(small, s.select(_is_zero(large), _like(a, 1), large))
    found = s.add(s.log(large), s.mul(_like(a, 0.5), s.log1p(s.mul(ratio, ratio))))
    return s.select(s.or_(_is_infinite(a), _is_infinite(b)), _like(a, math.inf), found)


def log(z: Pair) -> Pair:
    """The natural logarithm, cut along the negative real numbers."""
    a, b = z
    near = s.mul(_like(a, 0.5), s.log1p(_less_one(_like(a, -1), s.max_(*map(s.abs_, z)), s.min_(*map(s.abs_, z)))))
    return s.select(_is_near_one(a, b), near, _log_of_size(z)), s.atan2(b, a)


def log1p(z: Pair) -> Pair:
    """The logarithm of 1 + z."""
    a, b = z
    more = s.add(a, _like(a, 1))
    near = s.mul(_like(a, 0.5), s.log1p(_less_one(s.mul(_like(a, 2), a), a, b)))
    return s.select(_is_near_one(more, b), near, _log_of_size((more, b))), s.atan2(b, more)


# ---- Powers and roots


def pow_(z: Pair, w: Pair) -> Pair:
    """z**w = e**(w log(z)); 1 if w is 0, and of 0 what NumPy has: 0 where the exponent's real part is positive."""
    zero, one, nan = (_like(z[0], value) for value in (0, 1, math.nan))
    found = exp(numbers.mul(w, log(z)))
    of_zero = s.select(s.gt(w[0], zero), zero, nan)
    none, flat = (s.and_(*map(_is_zero, each)) for each in (z, w))
    real, imag = (
        s.select(flat, still, s.select(none, of_zero, part)) for still, part in zip((one, zero), found, strict=True)
    )
    return real, imag


def sqrt(z: Pair) -> Pair:
    """The square root, whose real part is not negative."""
    limits = _limits(z[0])
    a, b = z
    huge = _beyond(z, limits.huge)
    tiny = s.and_(*(s.lt(s.abs_(part), _like(part, limits.tiny)) for part in z))

    def scaled(x: Expr, smaller: float, larger: float) -> Expr:
        factor = s.select(huge, _like(x, smaller), s.select(tiny, _like(x, larger), _like(x, 1)))
        return s.mul(x, factor)

    x, y = (scaled(s.abs_(part), 2.0**-4, 2.0**limits.even) for part in z)
    half = s.mul(s.add(x, numbers.abs_((x, y))), _like(x, 0.5))
    root = s.sqrt(half)
    other = s.select(_is_zero(root), y, s.div(y, s.mul(_like(x, 2), root)))
    root, other = (scaled(each, 2.0**2, 2.0 ** -(limits.even // 2)) for each in (root, other))
    rising, endless = s.ge(a, _like(a, 0)), _is_infinite(b)
    real = s.select(endless, _like(a, math.inf), s.select(rising, root, other))
    return real, s.select(endless, b, _signed(s.select(rising, other, root), b))


def rsqrt(z: Pair) -> Pair:
    """1 / sqrt(z)."""
    return numbers.div((_like(z[0], 1), _like(z[0], 0)), sqrt(z))


# ---- Hyperbolic and circular functions


def _hyperbolic(x: Expr) -> tuple[Expr, Expr, Expr]:
    """sinh and cosh of the size of ``x``, and by what both are to be multiplied so that they do not overflow early."""
    limits, size = _limits(x), s.abs_(x)
    large = s.gt(size, _like(x, limits.overflow))
    grown = s.expm1(s.select(large, s.sub(size, _like(x, limits.less)), size))
    rest = s.select(large, _like(x, float(np.exp(np.asarray(limits.less, x.dtype)))), _like(x, 1))
    shrunk = s.select(s.gt(grown, _like(x, limits.far)), _like(x, 1), s.div(grown, s.add(grown, _like(x, 1))))
    half = _like(x, 0.5)
    sine = s.mul(half, s.add(grown, shrunk))
    return sine, s.add(_like(x, 1), s.mul(half, s.mul(grown, shrunk))), rest


def sinh(z: Pair) -> Pair:
    """The hyperbolic sine."""
    a, b = z
    sine, cosine, rest = _hyperbolic(a)
    real = s.mul(s.mul(_signed(sine, a), s.cos(b)), rest)
    aimless = s.and_(s.or_(_is_zero(a), _is_infinite(a)), s.not_(s.is_finite(b)))
    real = s.select(aimless, a, real)
    return real, s.select(_is_zero(b), b, s.mul(s.mul(cosine, s.sin(b)), rest))


def cosh(z: Pair) -> Pair:
    """The hyperbolic cosine."""
    a, b = z
    sine, cosine, rest = _hyperbolic(a)
    real = s.mul(s.mul(cosine, s.cos(b)), rest)
    aimless = s.and_(_is_infinite(a), s.not_(s.is_finite(b)))
    real = s.select(aimless, _like(a, math.inf), real)
    # An infinite sine times 0 is 0 here.
    flat = s.or_(_is_zero(a), _is_zero(b))
    none = s.mul(*(_signed(s.select(_is_zero(x), x, _like(x, 1)), x) for x in z))
    return real, s.select(flat, none, s.mul(s.mul(_signed(sine, a), s.sin(b)), rest))


def tanh(z: Pair) -> Pair:
    """The hyperbolic tangent."""
    a, b = z
    one = _like(a, 1)
    settled = s.gt(s.abs_(a), _like(a, _limits(a).settled))
    sine, cosine, _ = _hyperbolic(s.select(settled, one, a))
    tangent = s.tan(b)
    steep = s.add(one, s.mul(tangent, tangent))
    below = s.add(one, s.mul(steep, s.mul(sine, sine)))
    real = s.select(settled, one, s.div(s.mul(s.mul(steep, cosine), sine), below))
    rest = s.exp(s.mul(_like(a, -2), s.abs_(a)))
    late = s.mul(_like(a, 4), s.mul(s.div(tangent, steep), rest))
    late = s.select(s.and_(_is_infinite(a), s.not_(s.is_finite(b))), _signed(_like(a, 0), b), late)
    imag = s.select(settled, late, s.div(tangent, below))
    return s.select(_is_zero(a), a, _signed(real, a)), s.select(_is_zero(b), b, imag)


def sin(z: Pair) -> Pair:
    """The sine."""
    return _turned_back(sinh(_turned(z)))


def cos(z: Pair) -> Pair:
    """The cosine."""
    return cosh(_turned(z))


def tan(z: Pair) -> Pair:
    """The tangent."""
    return _turned_back(tanh(_turned(z)))


# ---- Inverse hyperbolic and circular functions


def _roots_beside_one(z: Pair) -> tuple[Pair, Pair]:
    """sqrt(1 - z) and sqrt(1 + z)"""
    a, b = z
    one = _like(a, 1)
    return sqrt((s.sub(one, a), s.neg(b))), sqrt((s.add(one, a), b))


def _far_log(z: Pair) -> Expr:
    return s.add(_log_of_size(z), _like(z[0], math.log(2)))


def _is_far(z: Pair) -> Expr:
    return _beyond(z, math.sqrt(_limits(z[0]).far))


def asin(z: Pair) -> Pair:
    """The inverse sine, cut along the real numbers beyond -1 and 1."""
    a, b = z
    (x, y), (u, v) = _roots_beside_one(z)
    real = s.atan2(a, s.sub(s.mul(x, u), s.mul(y, v)))
    imag = s.asinh(s.sub(s.mul(x, v), s.mul(y, u)))
    far = _is_far(z)
    real = s.select(_is_zero(a), a, s.select(far, s.atan2(a, s.abs_(b)), real))
    return real, s.select(far, _signed(_far_log(z), b), imag)


def acos(z: Pair) -> Pair:
    """The inverse cosine, cut along the real numbers beyond -1 and 1."""
    a, b = z
    (x, y), (u, v) = _roots_beside_one(z)
    real = s.mul(_like(a, 2), s.atan2(x, u))
    imag = s.asinh(s.sub(s.mul(u, y), s.mul(v, x)))
    far = _is_far(z)
    real = s.select(far, s.atan2(s.abs_(b), a), real)
    real = s.select(s.and_(_is_zero(a), s.ne(b, b)), _like(a, math.pi / 2), real)
    return real, s.select(far, s.neg(_signed(_far_log(z), b)), imag)


def atanh(z: Pair) -> Pair:
    """The inverse hyperbolic tangent, cut along the real numbers beyond -1 and 1."""
    a, b = z
    x, y = map(s.abs_, z)
    one, two = _like(a, 1), _like(a, 2)
    less = s.sub(one, x)
    beside = s.add(s.mul(less, less), s.mul(y, y))
    real = s.mul(_like(a, 0.25), s.log1p(s.div(s.mul(_like(a, 4), x), beside)))
    # At 1 nothing but y is left, whose square may be less than any number.
    pole = s.and_(s.eq(x, one), s.lt(y, _like(a, 2.0**-30)))
    real = s.select(pole, s.mul(_like(a, 0.5), s.sub(_like(a, math.log(2)), s.log(y))), real)
    imag = s.mul(_like(a, 0.5), s.atan2(s.mul(two, y), s.sub(s.mul(less, s.add(one, x)), s.mul(y, y))))
    far, endless = _beyond(z, _limits(a).far), s.or_(_is_infinite(a), _is_infinite(b))
    large = s.max_(x, y)
    u, v = s.div(x, large), s.div(y, large)
    vanishing = s.div(s.div(u, s.add(s.mul(u, u), s.mul(v, v))), large)
    real = s.select(endless, _like(a, 0), s.select(far, vanishing, real))
    imag = s.select(s.and_(far, s.eq(b, b)), _like(a, math.pi / 2), s.select(far, b, imag))
    return s.select(_is_zero(a), a, _signed(real, a)), _signed(imag, b)


def atan(z: Pair) -> Pair:
    """The inverse tangent, cut along the imaginary numbers beyond -i and i."""
    return _turned_back(atanh(_turned(z)))


def asinh(z: Pair) -> Pair:
    """The inverse hyperbolic sine, cut along the imaginary numbers beyond -i and i."""
    return _turned_back(asin(_turned(z)))


def acosh(z: Pair) -> Pair:
    """The inverse hyperbolic cosine, cut along the real numbers below 1."""
    real, imag = acos(z)
    return s.abs_(imag), _signed(real, z[1])


FUNCTIONS: dict[str, Any] = {
    "exp": exp, "exp2": exp2, "expm1": expm1, "logistic": logistic, "log": log, "log1p": log1p,
    "pow": pow_, "sqrt": sqrt, "rsqrt": rsqrt,
    "sinh": sinh, "cosh": cosh, "tanh": tanh, "sin": sin, "cos": cos, "tan": tan,
    "asin": asin, "acos": acos, "atan": atan, "asinh": asinh, "acosh": acosh, "atanh": atanh,
}  # fmt: skip
"""By the names of scalar operations."""
