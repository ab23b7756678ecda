"""Arithmetic of complex numbers, written out as expressions of their real and imaginary parts.

Products and quotients are NumPy's (quotients: R. L. Smith, "Algorithm 116: Complex division", CACM 5, 1962). Knows
scalar operations, no primitives.
"""

from __future__ import annotations

import math

from cotan.ir import scalar as s
from cotan.ir.scalar import Expr, const

Pair = tuple[Expr, Expr]


def add(x: Pair, y: Pair) -> Pair:
    return s.add(x[0], y[0]), s.add(x[1], y[1])


def sub(x: Pair, y: Pair) -> Pair:
    return s.sub(x[0], y[0]), s.sub(x[1], y[1])


def mul(x: Pair, y: Pair) -> Pair:
    (a, b), (c, d) = x, y
    return s.sub(s.mul(a, c), s.mul(b, d)), s.add(s.mul(a, d), s.mul(b, c))


def div(x: Pair, y: Pair) -> Pair:
    """By the larger part of the divisor, so that nothing overflows that need not; by 0 as NumPy has it."""
    (a, b), (c, d) = x, y
    larger = s.ge(s.abs_(c), s.abs_(d))
    divisor, other = s.select(larger, c, d), s.select(larger, d, c)
    first, second = s.select(larger, a, b), s.select(larger, b, a)
    zero = const(0, c.dtype)
    # 0 / 0 of two zeros would spoil what is left of a / 0.
    none = s.and_(s.eq(c, zero), s.eq(d, zero))
    ratio = s.div(s.select(none, zero, other), s.select(none, const(1, c.dtype), divisor))
    whole = s.select(none, s.abs_(divisor), s.add(divisor, s.mul(other, ratio)))
    real = s.select(none, a, s.add(first, s.mul(second, ratio)))
    imag = s.sub(second, s.mul(first, ratio))
    imag = s.select(none, b, s.select(larger, imag, s.neg(imag)))
    return s.div(real, whole), s.div(imag, whole)


def abs_(x: Pair) -> Expr:
    """Of the larger part and their ratio, so that no square overflows; infinite if one part is, whatever the other."""
    a, b = map(s.abs_, x)
    zero, one, infinite = (const(v, a.dtype) for v in (0, 1, math.inf))
    large, small = s.max_(a, b), s.min_(a, b)
    ratio = s.div(small, s.select(s.eq(large, zero), one, large))
    found = s.mul(large, s.sqrt(s.add(one, s.mul(ratio, ratio))))
    return s.select(s.or_(s.eq(a, infinite), s.eq(b, infinite)), infinite, found)


def neg(x: Pair) -> Pair:
    return s.neg(x[0]), s.neg(x[1])


def _chosen(condition: Expr, x: Pair, y: Pair) -> Pair:
    return s.select(condition, x[0], y[0]), s.select(condition, x[1], y[1])


def _has_nan(x: Pair) -> Expr:
    return s.or_(s.ne(x[0], x[0]), s.ne(x[1], x[1]))


def max_(x: Pair, y: Pair) -> Pair:
    """The one with the larger real part, of equal ones with the larger imaginary part; the first with a NaN."""
    first = s.or_(s.gt(x[0], y[0]), s.and_(s.eq(x[0], y[0]), s.ge(x[1], y[1])))
    return _chosen(s.or_(_has_nan(x), s.and_(first, s.not_(_has_nan(y)))), x, y)


def min_(x: Pair, y: Pair) -> Pair:
    """As ``max_``, with the smaller one."""
    first = s.or_(s.lt(x[0], y[0]), s.and_(s.eq(x[0], y[0]), s.le(x[1], y[1])))
    return _chosen(s.or_(_has_nan(x), s.and_(first, s.not_(_has_nan(y)))), x, y)


def sign(x: Pair) -> Pair:
    """x / abs(x); of one infinite part its sign alone."""
    size = abs_(x)
    zero, one = const(0, size.dtype), const(1, size.dtype)
    some = s.select(s.eq(size, zero), one, size)
    endless = [s.eq(s.abs_(part), const(math.inf, part.dtype)) for part in x]
    both = s.and_(*endless)

    def of(part: Expr, itself: Expr, other: Expr) -> Expr:
        limit = s.select(both, const(math.nan, part.dtype), s.sign(part))
        return s.select(itself, limit, s.select(other, zero, s.div(part, some)))

    return of(x[0], *endless), of(x[1], *reversed(endless))
