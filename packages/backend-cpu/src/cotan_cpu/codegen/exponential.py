"""exp, log and what is made of them: within 2 ulp in float32 and float64, except where a function says otherwise."""

from __future__ import annotations

import functools

from cotan_cpu.codegen import avx512
from cotan_cpu.codegen.builder import Val, literal
from cotan_cpu.codegen.floats import INF, NAN, Floats

_LOG2_E = 1.4426950408889634
_FAR = 64
"""2**n is made as a power this much nearer to 1 times 2**-_FAR or 2**_FAR: n may be what no one power can be."""


def _exponent(f: Floats, x: Val, bias: int) -> tuple[Val, Val]:
    """A number with n + bias in its lowest bits, and e**r - 1, where x = n ln 2 + r."""
    shifted, r = _reduced(f, x, f.v(f.magic + bias))
    return shifted, _small(f, r)


def _nearest(f: Floats, x: Val, magic: Val) -> tuple[Val, Val, Val]:
    """n + magic, n, and x less the long part of n ln 2, which is exact."""
    shifted = f.fma(x, _LOG2_E, magic)
    n = f.sub(shifted, magic)
    return shifted, n, f.fma(n, -f.table("ln2")[0], x)


def _reduced(f: Floats, x: Val, magic: Val) -> tuple[Val, Val]:
    """n + magic, and r, where x = n ln 2 + r."""
    shifted, n, rest = _nearest(f, x, magic)
    return shifted, f.fma(n, -f.table("ln2")[1], rest)


def _small(f: Floats, r: Val) -> Val:
    """e**r - 1."""
    return f.fma(f.mul(r, r), f.poly("exp", r), r)


def _limits(f: Floats) -> tuple[float, float]:
    """Below the first e**x is nothing, above the second too large."""
    return (-104.0, 89.5) if f.kind == "float" else (-746.0, 711.0)


def _limited(f: Floats, x: Val, sign: int = 0) -> Val:
    """x, or where e**x is nothing or too large a number of which that holds as well; ``sign``: see ``_Power``."""
    low, high = _limits(f)
    # What is below the first is made 0 by the instruction that scales.
    x = x if sign > 0 or f.avx512 else f.where(f.lt(x, low), low, x)
    return x if sign < 0 else f.where(f.gt(x, high), high, x)


class _Power:
    """2**n for whatever n may be: ``magic`` is what rounds to n when it is added.

    What is multiplied is rounded once, also where the result is denormal or too large, and a NaN stays one. Where x is
    below ``low``, the result is 0 or a product with 0: Intel's processors take ten to twenty times as long for one that
    is rounded to 0, and masked scores of attention are full of those.

    Where no instruction scales, ``magic`` has in its lowest bits what is added to n, and ``rest`` makes up for it.
    """

    def __init__(self, f: Floats, x: Val, low: float, sign: int = 0, halvings: int = 0) -> None:
        """``sign``: -1 or 1 where x is known to be at most or at least 0; ``halvings``: how often to halve besides."""
        self.f = f
        if f.avx512:
            self.magic, self.rest = f.v(f.magic), f.v(2.0**-halvings) if halvings else None
            # NaN is kept as well.
            self.kept = f.b.compare("fcmp uge", x, f.v(low)) if sign <= 0 else literal(True, "i1")
            return
        below, above = [(f.v(f.magic + f.bias - far), f.v(2.0 ** (far - halvings))) for far in (-_FAR, _FAR)]
        if sign:
            self.magic, self.rest = below if sign < 0 else above
        else:
            negative = f.sign_bit(x)
            self.magic, self.rest = (f.where(negative, b, a) for b, a in zip(below, above))
        if sign <= 0:
            self.rest = f.where(f.lt(x, low), 0.0, self.rest)

    def times(self, y: Val, shifted: Val) -> Val:
        """y * 2**n, for a y that is not much farther from 1 than 2**-_FAR."""
        f = self.f
        if f.avx512:
            y = y if self.rest is None else f.mul(y, self.rest)
            return avx512.scaled(f.b, y, f.sub(shifted, self.magic), self.kept)
        return f.mul(f.mul(y, f.power_of_two(shifted)), self.rest)


def exp(f: Floats, x: Val, extra: Val | None = None, sign: int = 0, halvings: int = 0) -> Val:
    """e**(x + extra) / 2**halvings; ``extra`` is small beside x; ``sign`` says what is known of x's."""
    power = _Power(f, x, _limits(f)[0], sign, halvings)
    shifted, r = _reduced(f, _limited(f, x, sign), power.magic)
    return power.times(f.add(_small(f, r if extra is None else f.add(r, extra)), 1.0), shifted)


def exp_of_pair(f: Floats, x: Val, extra: Val) -> Val:
    """e**(x + extra), rounded hardly more than once; ``extra`` is small beside x."""
    power = _Power(f, x, _limits(f)[0])
    shifted, n, rest = _nearest(f, _limited(f, x), power.magic)
    r, lost = f.fast_two_sum(rest, f.fma(n, -f.table("ln2")[1], extra))
    total, more = f.fast_two_sum(1.0, r)
    small = f.fma(f.mul(r, r), f.poly("exp", r), f.fma(r, lost, lost))
    return power.times(f.add(total, f.add(small, more)), shifted)


def exp_times(f: Floats, x: Val, factor: Val, low: Val) -> Val:
    """(factor + low) e**x for x up to 0, where ``low`` is small beside the factor, and that not tiny."""
    power = _Power(f, x, _limits(f)[0], sign=-1)
    shifted, r = _reduced(f, _limited(f, x, sign=-1), power.magic)
    small = _small(f, r)
    return power.times(f.add(factor, f.fma(small, factor, f.fma(small, low, low))), shifted)


def exp2(f: Floats, x: Val) -> Val:
    low, high = (-151.0, 129.0) if f.kind == "float" else (-1076.0, 1025.0)
    power = _Power(f, x, low)
    x = f.clamp(x, low, high)
    shifted = f.add(x, power.magic)
    r = f.sub(x, f.sub(shifted, power.magic))
    return power.times(f.fma(r, f.poly("exp2", r), 1.0), shifted)


def expm1(f: Floats, x: Val) -> Val:
    # Above, the result overflows while 2**(n - 1) does not yet; below it is -1.
    low, high = (-20.0, 88.9) if f.kind == "float" else (-42.0, 709.9)
    # Half of the result, so that 2**n never overflows before it must.
    shifted, small = _exponent(f, f.clamp(x, low, high), f.bias - 1)
    half = f.power_of_two(shifted)
    result = f.mul(f.fma(half, small, f.sub(half, 0.5)), 2.0)
    return f.where(f.lt(f.abs(x), 2.0 ** -(f.mantissa + 2)), x, result)


def split(f: Floats, x: Val) -> tuple[Val, Val]:
    """e (as a float) and m - 1, where x = m 2**e with m between sqrt(1/2) and sqrt(2); x positive and normal."""
    root_half = 0x3F3504F3 if f.kind == "float" else 0x3FE6A09E667F3BCD
    bits = f.bits(x)
    e = f.int_op("ashr", f.int_op("sub", bits, root_half), f.mantissa)
    m = f.from_bits(f.int_op("sub", bits, f.int_op("shl", e, f.mantissa)))
    return f.int_to_float(e), f.sub(m, 1.0)


def _normal(f: Floats, x: Val) -> tuple[Val, Val]:
    """x made normal, and what that added to the exponent, negated."""
    tiny = f.lt(x, 2.0 ** (1 - f.bias))
    lift = f.mantissa + 2
    return f.where(tiny, f.mul(x, 2.0**lift), x), f.where(tiny, -float(lift), 0.0)


def log_of(f: Floats, e: Val, m1: Val, extra: Val | None = None) -> Val:
    """log((1 + m1) 2**e) + extra."""
    high, low = f.table("ln2")
    square = f.mul(m1, m1)
    small = f.mul(e, low) if extra is None else f.fma(e, low, extra)
    if f.kind == "float":
        y = f.fma(f.mul(square, m1), f.long_poly("log", m1), small)
        return f.fma(e, high, f.add(f.fma(square, -0.5, y), m1))
    s = f.div(m1, f.add(m1, 2.0))
    z = f.mul(s, s)
    half = f.mul(square, 0.5)
    y = f.fma(s, f.fma(z, f.poly("log_ratio", z), half), small)
    return f.sub(f.mul(e, high), f.sub(f.sub(half, y), m1))


def _log_ends(f: Floats, x: Val, inner: Val, shifted: Val) -> Val:
    """``inner`` for positive finite ``shifted``; -inf at 0, NaN below, else x itself."""
    value = f.where(f.gt(shifted, 0.0), inner, f.where(f.eq(shifted, 0.0), -INF, NAN))
    return f.where(f.lt(shifted, INF), value, x)


def log(f: Floats, x: Val) -> Val:
    normal, shift = _normal(f, x)
    e, m1 = split(f, normal)
    return _log_ends(f, x, log_of(f, f.add(e, shift), m1), x)


def log1p(f: Floats, x: Val) -> Val:
    total, lost = f.two_sum(x, 1.0)
    e, m1 = split(f, total)
    inner = log_of(f, e, m1, f.quotient(lost, total))
    inner = f.where(f.lt(f.abs(x), 2.0 ** -(f.mantissa + 2)), x, inner)
    return _log_ends(f, x, inner, total)


def tanh(f: Floats, x: Val) -> Val:
    size = f.abs(x)
    square = f.mul(x, x)
    near = f.fma(f.mul(x, square), f.poly("tanh", square), x)
    # Beyond 20 the result is 1; below 0.3 the quotient would be rounded by more than 2 ulp.
    shifted, small = _exponent(f, f.mul(f.where(f.gt(size, 20.0), 20.0, size), 2.0), f.bias)
    power = f.power_of_two(shifted)
    above = f.fma(power, small, f.sub(power, 1.0))
    far = f.div(above, f.add(above, 2.0))
    return f.copysign(f.where(f.lt(size, 0.3), near, far), x)


def logistic(f: Floats, x: Val) -> Val:
    e = exp(f, f.neg(f.abs(x)), sign=-1)
    # e / (1 + e) is rounded by more than 2 ulp; what is taken away here is at most half of the rest.
    part = f.quotient(e, f.add(e, 1.0))
    value = f.where(f.lt(x, 0.0), e, 1.0)
    return f.fma(f.neg(part), value, value)


def sinh(f: Floats, x: Val) -> Val:
    size = f.abs(x)
    square = f.mul(x, x)
    near = f.fma(f.mul(x, square), f.poly("sinh", square), x)
    half = exp(f, size, sign=1, halvings=1)
    far = f.sub(half, f.div(0.25, half))
    return f.where(f.lt(size, 1.0), near, f.copysign(far, x))


def cosh(f: Floats, x: Val) -> Val:
    half = exp(f, f.abs(x), sign=1, halvings=1)
    return f.add(half, f.div(0.25, half))


def asinh(f: Floats, x: Val) -> Val:
    size = f.abs(x)
    big = f.gt(size, 2.0**28)
    square = f.mul(size, size)
    root = f.add(f.sqrt(f.add(square, 1.0)), 1.0)
    # log1p(a - 1) = log(a), and a - 1 is exact or makes no difference.
    inner = f.where(big, f.sub(size, 1.0), f.add(size, f.div(square, root)))
    return f.copysign(f.add(log1p(f, inner), f.where(big, 0.6931471805599453, 0.0)), x)


def acosh(f: Floats, x: Val) -> Val:
    big = f.gt(x, 2.0**28)
    t = f.sub(x, 1.0)
    inner = f.where(big, t, f.add(t, f.sqrt(f.fma(t, t, f.mul(t, 2.0)))))
    result = f.add(log1p(f, inner), f.where(big, 0.6931471805599453, 0.0))
    return f.where(f.lt(x, 1.0), NAN, result)


def atanh(f: Floats, x: Val) -> Val:
    size = f.abs(x)
    inner = log1p(f, f.div(f.mul(size, 2.0), f.sub(1.0, size)))
    return f.copysign(f.mul(inner, 0.5), x)


def cbrt(f: Floats, x: Val) -> Val:
    """float64 only. A third of the exponent by the bits, then two steps of third order and one of second."""
    size = f.abs(x)
    tiny, huge = f.lt(size, 2.0**-1022), f.gt(size, 2.0**1000)
    # Steps from 0 would be denormal, and so ten times as long.
    y = f.where(f.gt(size, 0.0), f.mul(size, f.where(tiny, 2.0**54, f.where(huge, 2.0**-54, 1.0))), 1.0)
    high = f.b.convert("trunc", f.int_op("lshr", f.bits(y), 32), "i32")
    third = f.b.binary("fmul", f.b.convert("sitofp", high, "double"), literal(1.0 / 3.0, "double"))
    start = f.b.binary("add", f.b.convert("fptosi", third, "i32"), literal(0x2A9F7893, "i32"))
    r = f.from_bits(f.int_op("shl", f.b.convert("zext", start, "i64"), 32))
    for _ in range(2):
        cube = f.mul(f.mul(r, r), r)
        r = f.mul(r, f.div(f.fma(y, 2.0, cube), f.fma(cube, 2.0, y)))
    # y - r**3 nearly without error.
    square, lost = f.two_product(r, r)
    cube, lost_cube = f.two_product(square, r)
    rest = f.sub(f.sub(f.sub(y, cube), lost_cube), f.mul(lost, r))
    r = f.add(r, f.div(rest, f.mul(square, 3.0)))
    r = f.mul(r, f.where(tiny, 2.0**-18, f.where(huge, 2.0**18, 1.0)))
    ordinary = f.both(f.gt(size, 0.0), f.lt(size, INF))
    return f.where(ordinary, f.copysign(r, x), x)


def rem(f: Floats, x: Val, y: Val) -> Val:
    """The exact rest of x / y, with the sign of x. Quotients of 2**52 and more go to the C library."""
    x, y = f.b.match(x, y)
    size, divisor = f.abs(x), f.abs(y)
    ratio = f.div(size, divisor)
    # Rounding may make the whole part one too large, never too small; the difference is exact.
    whole = f.whole(ratio)
    product, lost = f.two_product(whole, divisor)
    rest = f.sub(f.sub(size, product), lost)
    rest = f.where(f.lt(rest, 0.0), f.add(rest, divisor), rest)
    result = f.where(f.lt(size, divisor), x, f.copysign(rest, x))
    return f.rarely(f.ge(ratio, 2.0 ** (f.mantissa - 1)), result, "fmod", x, y)


def _log_pair(f: Floats, x: Val) -> tuple[Val, Val]:
    """log(x) as a sum of two, good to about 2**-66 (2**-36 for float32); x positive, finite."""
    normal, shift = _normal(f, x)
    e, m1 = split(f, normal)
    e = f.add(e, shift)
    bottom, bottom_lost = f.fast_two_sum(2.0, m1)
    s = f.quotient(m1, bottom)
    product, lost = f.two_product(s, bottom)
    rest = f.sub(f.sub(f.sub(m1, product), lost), f.mul(s, bottom_lost))
    s_low = f.rough_quotient(rest, bottom)
    z, z_low = f.two_product(s, s)
    z_low = f.fma(f.mul(s, 2.0), s_low, z_low)
    head, head_low = f.table("two_thirds")
    t, t_low = f.fast_two_sum(head, f.mul(z, f.poly("log_ratio", z, skip=1)))
    t_low = f.add(t_low, head_low)
    w, w_low = f.two_product(z, t)
    w_low = f.add(w_low, f.fma(z, t_low, f.mul(z_low, t)))
    w, w_more = f.fast_two_sum(2.0, w)
    w_low = f.add(w_low, w_more)
    value, value_low = f.two_product(s, w)
    value_low = f.add(value_low, f.fma(s, w_low, f.mul(s_low, w)))
    high, low = f.table("ln2")
    total, total_low = f.two_sum(f.mul(e, high), value)
    return total, f.add(f.fma(e, low, value_low), total_low)


def power_of_positive(f: Floats, x: Val, y: Val) -> Val:
    """x**y for a positive, finite x and a finite y."""
    high, low = _log_pair(f, x)
    product, lost = f.two_product(high, y)
    lost = f.fma(low, y, lost)
    # Where the result is out of range anyway, the second part may be of no sense.
    lost = f.where(f.lt(f.abs(product), 8.0 * f.bias), lost, 0.0)
    return exp_of_pair(f, product, lost)


def pow_(f: Floats, x: Val, y: Val) -> Val:
    """In float32 without a fused multiply-add, log and exp are done in float64 and need no second part."""
    x, y = f.b.match(x, y)
    size = f.abs(x)
    safe = f.where(f.both(f.gt(size, 0.0), f.lt(size, INF)), size, 1.0)
    if f.kind == "float" and not f.fused:
        d = Floats(f.context, "double")
        normal = d.double(safe)
        e, m1 = split(d, normal)
        value = f.b.convert("fptrunc", exp(d, d.mul(log_of(d, e, m1), d.double(y))), "float")
    else:
        value = power_of_positive(f, safe, y)
    plain = f.both(f.both(f.gt(x, 0.0), f.lt(x, INF)), f.lt(f.abs(y), INF))
    return f.seldom(f.invert(plain), value, functools.partial(_pow_ends, f), x, y, size, value)


def _pow_ends(f: Floats, x: Val, y: Val, size: Val, value: Val) -> Val:
    grows = f.gt(y, 0.0)
    at_zero = f.where(grows, 0.0, INF)
    at_inf = f.where(grows, INF, 0.0)
    value = f.where(f.eq(size, 0.0), at_zero, value)
    value = f.where(f.eq(size, INF), at_inf, value)
    endless = f.eq(f.abs(y), INF)
    value = f.where(f.both(endless, f.lt(size, 1.0)), f.where(grows, 0.0, INF), value)
    value = f.where(f.both(endless, f.gt(size, 1.0)), at_inf, value)
    whole_limit = 2.0**f.mantissa
    y_size = f.abs(y)
    rounded = f.sub(f.add(y_size, whole_limit), whole_limit)
    big = f.ge(y_size, whole_limit)
    whole = f.either(big, f.eq(rounded, y_size))
    half = f.mul(y_size, 0.5)
    half_rounded = f.sub(f.add(half, whole_limit), whole_limit)
    odd = f.both(f.both(whole, f.lt(y_size, 2.0 * whole_limit)), f.invert(f.eq(half_rounded, half)))
    negative = f.b.compare("icmp slt", f.bits(x), f.i(0))
    value = f.where(f.both(negative, odd), f.neg(value), value)
    bad = f.both(f.both(f.lt(x, 0.0), f.lt(size, INF)), f.invert(f.either(whole, endless)))
    value = f.where(bad, NAN, value)
    value = f.where(f.b.compare("fcmp uno", x, y), NAN, value)
    value = f.where(f.eq(size, 1.0), f.where(f.both(endless, f.invert(f.is_nan(x))), 1.0, value), value)
    return f.where(f.either(f.eq(y, 0.0), f.eq(x, 1.0)), 1.0, value)
