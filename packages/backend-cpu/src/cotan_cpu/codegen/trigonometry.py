"""Circular functions and their inverses: within 2 ulp, tan in float64 3.

Very large arguments of sin, cos and tan go to the C library, lane by lane.
"""

from __future__ import annotations

from cotan_cpu.codegen.builder import Val
from cotan_cpu.codegen.floats import INF, NAN, Floats

_PI_2 = (1.5707963267948966, 6.123233995736766e-17)
_PI_2_SINGLE = (1.5707963705062866, -4.371139000186241e-08)


def _reduce(f: Floats, x: Val) -> tuple[Val, Val, float]:
    """r and the number of quarter turns, x = turns * pi/2 + r; and up to which |x| that is good."""
    n, k = f.round_to_int(f.fma(x, 0.6366197723675814, f.magic))
    if f.fused:
        parts, limit = f.table("pi_half"), 1e5 if f.kind == "float" else 1e9
    else:
        parts, limit = f.table("pi_half_short"), 1e6
    for part in parts:
        x = f.fma(n, -part, x)
    return x, k, limit


def _sine_cosine(f: Floats, r: Val) -> tuple[Val, Val]:
    z = f.mul(r, r)
    sine = f.fma(f.mul(r, z), f.poly("sin", z), r)
    half = f.mul(z, 0.5)
    head, lost = f.fast_two_sum(1.0, f.neg(half))
    return sine, f.add(head, f.fma(f.mul(z, z), f.poly("cos", z), lost))


def _circular(f: Floats, x: Val, ahead: int, name: str) -> Val:
    r, k, limit = _reduce(f, x)
    sine, cosine = _sine_cosine(f, r)
    if ahead:
        k = f.int_op("add", k, ahead)
    value = f.where(_bit(f, k), cosine, sine)
    sign = f.int_op("shl", f.int_op("lshr", k, 1), f.mantissa + (8 if f.kind == "float" else 11))
    value = f.from_bits(f.int_op("xor", f.bits(value), sign))
    return f.rarely(f.gt(f.abs(x), limit), _at_inf(f, x, value), name, x)


def _bit(f: Floats, k: Val) -> Val:
    """Whether k is odd."""
    return f.b.compare("icmp ne", f.int_op("and", k, 1), f.i(0))


def _at_inf(f: Floats, x: Val, value: Val) -> Val:
    return f.where(f.lt(f.abs(x), INF), value, NAN)


def sin(f: Floats, x: Val) -> Val:
    value = _circular(f, x, 0, "sin")
    return f.where(f.eq(x, 0.0), x, value)


def cos(f: Floats, x: Val) -> Val:
    return _circular(f, x, 1, "cos")


def tan(f: Floats, x: Val) -> Val:
    r, k, limit = _reduce(f, x)
    sine, cosine = _sine_cosine(f, r)
    odd = _bit(f, k)
    value = f.div(f.where(odd, f.neg(cosine), sine), f.where(odd, sine, cosine))
    value = f.rarely(f.gt(f.abs(x), limit), _at_inf(f, x, value), "tan", x)
    return f.where(f.eq(x, 0.0), x, value)


def _half_pi(f: Floats) -> tuple[float, float]:
    return _PI_2_SINGLE if f.kind == "float" else _PI_2


def _angle(f: Floats, small: Val, large: Val) -> tuple[Val, Val]:
    """atan(small / large) as a sum of two, for 0 <= small <= large."""
    diagonal = f.gt(small, f.mul(large, 0.4142135623730951))
    top = f.where(diagonal, f.sub(small, large), small)
    bottom = f.where(diagonal, f.add(small, large), large)
    t = f.div(top, bottom)
    z = f.mul(t, t)
    high, low = _half_pi(f)
    rest = f.mul(f.mul(t, z), f.poly("atan", z))
    base, lost = f.fast_two_sum(f.where(diagonal, high / 2, 0.0), t)
    # For no diagonal the base is 0, and the sum of 0 and t is t.
    base = f.where(diagonal, base, t)
    lost = f.where(diagonal, f.add(lost, low / 2), 0.0)
    return base, f.add(rest, lost)


def atan(f: Floats, x: Val) -> Val:
    size = f.abs(x)
    steep = f.gt(size, 1.0)
    small = f.where(steep, 1.0, size)
    large = f.where(steep, size, 1.0)
    base, rest = _angle(f, small, large)
    high, low = _half_pi(f)
    value = f.add(base, rest)
    turned, lost = f.fast_two_sum(high, f.neg(base))
    turned = f.add(turned, f.add(lost, f.sub(low, rest)))
    return f.copysign(f.where(steep, turned, value), x)


def atan2(f: Floats, y: Val, x: Val) -> Val:
    y, x = f.b.match(y, x)
    height, length = f.abs(y), f.abs(x)
    steep = f.gt(height, length)
    small, large = f.where(steep, length, height), f.where(steep, height, length)
    corner = f.eq(small, INF)
    small, large = f.where(corner, 1.0, small), f.where(corner, 1.0, large)
    # Scaling keeps the sum of both finite, and tiny ones from losing bits in products.
    huge, tiny = f.gt(large, 2.0 ** (f.bias - 2)), f.lt(large, 2.0 ** (f.mantissa + 4 - f.bias))
    factor = f.where(huge, 0.25, f.where(tiny, 2.0 ** (f.mantissa + 4), 1.0))
    small, large = f.mul(small, factor), f.mul(large, factor)
    none = f.eq(large, 0.0)
    base, rest = _angle(f, small, f.where(none, 1.0, large))
    endless = f.eq(large, INF)
    base, rest = f.where(endless, 0.0, base), f.where(endless, 0.0, rest)
    high, low = _half_pi(f)
    turned, lost = f.fast_two_sum(high, f.neg(base))
    base, rest = f.where(steep, turned, base), f.where(steep, f.add(lost, f.sub(low, rest)), rest)
    back = f.b.compare("icmp slt", f.bits(x), f.i(0))
    opposite, lost = f.fast_two_sum(2 * high, f.neg(base))
    opposite = f.add(opposite, f.add(lost, f.sub(2 * low, rest)))
    value = f.where(back, opposite, f.add(base, rest))
    value = f.copysign(value, y)
    return f.where(f.b.compare("fcmp uno", x, y), NAN, value)


def _arc(f: Floats, x: Val) -> tuple[Val, Val, Val, Val]:
    """For asin and acos: |x|, whether it is above 1/2, the root s, and what is to be added to s or x."""
    size = f.abs(x)
    far = f.gt(size, 0.5)
    z = f.where(far, f.mul(f.sub(1.0, size), 0.5), f.mul(size, size))
    s = f.sqrt(z)
    square, lost = f.two_product(s, s)
    below = f.where(f.gt(s, 0.0), f.mul(s, 2.0), 1.0)
    s_low = f.rough_quotient(f.sub(f.sub(z, square), lost), below)
    base = f.where(far, s, size)
    more = f.mul(f.mul(base, z), f.poly("asin", z))
    return size, far, base, f.where(far, f.add(more, s_low), more)


def asin(f: Floats, x: Val) -> Val:
    _, far, base, more = _arc(f, x)
    high, low = _half_pi(f)
    turned, lost = f.fast_two_sum(high, f.mul(base, -2.0))
    turned = f.add(turned, f.add(lost, f.fma(more, -2.0, low)))
    return f.copysign(f.where(far, turned, f.add(base, more)), x)


def acos(f: Floats, x: Val) -> Val:
    _, far, base, more = _arc(f, x)
    high, low = _half_pi(f)
    negative = f.lt(x, 0.0)
    twice = f.mul(f.add(base, more), 2.0)
    opposite, lost = f.fast_two_sum(2 * high, f.mul(base, -2.0))
    opposite = f.add(opposite, f.add(lost, f.fma(more, -2.0, 2 * low)))
    signed, signed_more = f.copysign(base, x), f.copysign(more, x)
    near, lost = f.fast_two_sum(high, f.neg(signed))
    near = f.add(near, f.add(lost, f.sub(low, signed_more)))
    return f.where(far, f.where(negative, opposite, twice), near)
