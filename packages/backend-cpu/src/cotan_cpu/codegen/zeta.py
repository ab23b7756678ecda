"""The Hurwitz zeta function: some of its terms, then what Euler and Maclaurin's formula says of the rest.

float64: within 8 ulp for positive q. float32: computed in float64, to an error of 1e-9. Of negative q the terms of
negative base are a difference of two such sums, whose error is as large as one of theirs.
"""

from __future__ import annotations

from typing import NamedTuple

from cotan_cpu.codegen.builder import Val, literal
from cotan_cpu.codegen.exponential import exp, log_of, power_of_positive, split
from cotan_cpu.codegen.floats import INF, NAN, Floats

# B(2j) / (2j)!, from j = 1.
_BERNOULLI = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
    -3617 / 10670622842880000, 43867 / 5109094217170944000, -174611 / 802857662698291200000,
)  # fmt: skip


class _Precision(NamedTuple):
    """How many terms are added up, how many of the rest's follow, and whether powers are right to the last bits."""

    terms: int
    rest: int
    exact: bool


def of_doubles(f: Floats, s: Val, q: Val) -> Val:
    """float64 only."""
    return _zeta(f, s, q, _Precision(8, 10, exact=True))


def of_singles(f: Floats, s: Val, q: Val) -> Val:
    """For numbers of float32 in float64."""
    return _zeta(f, s, q, _Precision(4, 6, exact=False))


def _power(f: Floats, x: Val, y: Val, precision: _Precision) -> Val:
    """x**y for a positive x."""
    if precision.exact:
        return power_of_positive(f, x, y)
    return exp(f, f.mul(y, log_of(f, *split(f, x))))


def _of_positive(f: Floats, s: Val, q: Val, precision: _Precision) -> Val:
    """For s > 1 and q > 0."""
    minus = f.neg(s)

    def add(k: Val, total: list[Val]) -> list[Val]:
        base = f.add(q, f.int_to_float(k))
        return [f.add(total[0], _power(f, base, minus, precision))]

    first = f.b.splat(f.v(0.0), q.lanes)
    [total] = f.b.loop(literal(0, "i64"), literal(precision.terms, "i64"), 1, [first], add)
    far = f.add(q, float(precision.terms))
    last = _power(f, far, minus, precision)
    total = f.add(total, f.mul(last, f.add(f.div(far, f.sub(s, 1.0)), 0.5)))
    # From there on the last power is 0, and would be multiplied by infinity.
    s = f.where(f.lt(s, 1e3), s, 1e3)
    inverse = f.div(1.0, far)
    square = f.mul(inverse, inverse)
    factor = f.mul(f.mul(last, s), inverse)
    for j, coefficient in enumerate(_BERNOULLI[: precision.rest]):
        total = f.fma(factor, coefficient, total)
        factor = f.mul(f.mul(factor, square), f.mul(f.add(s, 2.0 * j + 1), f.add(s, 2.0 * j + 2)))
    return total


def _floor(f: Floats, x: Val) -> Val:
    return f.b.intrinsic("floor", x)


def _zeta(f: Floats, s: Val, q: Val, precision: _Precision) -> Val:
    s, q = f.b.match(s, q)
    value = _of_positive(f, s, q, precision)
    plain = f.both(f.both(f.gt(s, 1.0), f.lt(s, INF)), f.both(f.gt(q, 0.0), f.lt(q, INF)))
    return f.seldom(f.invert(plain), value, lambda s, q, value: _elsewhere(f, s, q, value, precision), s, q, value)


def _elsewhere(f: Floats, s: Val, q: Val, value: Val, precision: _Precision) -> Val:
    """The value where q is negative or an operand no number, or outside of the domain."""
    whole, pole = f.eq(_floor(f, s), s), f.both(f.le(q, 0.0), f.eq(_floor(f, q), q))
    negative = f.both(f.both(f.lt(q, 0.0), f.gt(s, 1.0)), f.both(whole, f.invert(pole)))
    order, place = f.where(negative, s, 2.0), f.where(negative, q, -0.5)
    # How far the last negative base is from 0, which is exact; the next base is 1 more.
    distance = f.sub(f.neg(place), _floor(f, f.neg(place)))
    below = f.sub(_of_positive(f, order, distance, precision), _of_positive(f, order, f.sub(1.0, place), precision))
    half = f.mul(order, 0.5)
    even = f.eq(_floor(f, half), half)
    turned = f.add(_of_positive(f, order, f.sub(1.0, distance), precision), f.where(even, below, f.neg(below)))
    value = f.where(f.lt(q, 0.0), turned, value)
    value = f.where(f.eq(s, INF), f.where(f.lt(q, 1.0), INF, f.where(f.eq(q, 1.0), 1.0, NAN)), value)
    value = f.where(f.eq(q, INF), 0.0, value)
    outside = f.either(f.lt(s, 1.0), f.both(f.lt(q, 0.0), f.invert(whole)))
    value = f.where(f.either(outside, f.b.compare("fcmp uno", s, q)), NAN, value)
    # As SciPy says of NaN, too.
    return f.where(f.either(f.eq(s, 1.0), f.both(pole, f.invert(f.lt(s, 1.0)))), INF, value)
