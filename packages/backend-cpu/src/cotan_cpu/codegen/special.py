"""erf, gamma and their relatives.

float64: erf within 2 ulp, erfc and erf_inv 4; lgamma and digamma to 2e-14 of max(|value|, 1). float32: computed in
float64 and right to half an ulp and a little, but for erf and erfc (2 ulp) and erf_inv, which is the usual
approximation of generators of normal numbers: 16 ulp for |x| up to 0.9, and beyond as exact as a float32 1 - x*x is.
"""

from __future__ import annotations

import struct

from cotan_cpu.codegen.builder import Val
from cotan_cpu.codegen.exponential import exp, exp_times, log, log_of, split
from cotan_cpu.codegen.floats import INF, NAN, Floats
from cotan_cpu.codegen.trigonometry import sin, tan

# Giles' single precision approximation of erf_inv(x)/x in w = -log(1 - x*x): below 5 in w - 2.5, above in sqrt(w) - 3.
GILES_NEAR = (
    1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-06, -3.5233877e-06,
    3.43273939e-07, 2.81022636e-08,
)  # fmt: skip
GILES_FAR = (
    2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844, 0.00134934322,
    0.000100950558, -0.000200214257,
)  # fmt: skip
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
_BERNOULLI = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160)


def erf(f: Floats, x: Val) -> Val:
    size = f.abs(x)
    z = f.mul(x, x)
    near = f.fma(x, f.long_poly("erf", z), x)
    if f.kind == "float":
        # From 4 on it is 1.
        root = f.long_poly("erfc_root", f.sub(f.where(f.gt(size, 4.0), 4.0, size), 2.0))
        square = f.mul(root, root)
        far = f.fma(f.neg(square), square, 1.0)
    else:
        far = f.sub(1.0, _erfc_positive(f, size))
    return f.where(f.lt(size, 1.0), near, f.copysign(far, x))


def _erfc_positive(f: Floats, size: Val) -> Val:
    """erfc for arguments of 0.45 and more; float64 only."""
    size = f.where(f.gt(size, 27.5), 27.5, size)
    scaled = f.poly("erfcx", f.div(f.sub(size, 4.0), f.add(size, 4.0)))
    square, lost = f.two_product(size, size)
    return f.mul(exp(f, f.neg(square), f.neg(lost), sign=-1), f.div(scaled, f.fma(size, 2.0, 1.0)))


def _erfc_positive_single(f: Floats, size: Val) -> Val:
    """erfc for arguments of 0.45 and more; float32 with a fused multiply-add, which keeps what roundings lose."""
    size = f.where(f.gt(size, 10.2), 10.2, size)
    t = f.div(f.sub(size, 4.0), f.add(size, 4.0))
    first, *others = f.table("erfcx_to_10")
    rest = f.horner(tuple(others), t)
    scaled = f.fma(rest, t, first)
    single = struct.unpack("f", struct.pack("f", first))[0]
    lost = f.fma(rest, t, f.add(f.sub(first, scaled), first - single))
    below = f.fma(size, 2.0, 1.0)
    rounded = f.sub(f.mul(size, 2.0), f.sub(below, 1.0))
    inverse = f.div(1.0, below)
    ratio = f.mul(scaled, inverse)
    missed = f.fma(f.neg(ratio), rounded, f.add(f.fma(f.neg(ratio), below, scaled), lost))
    square, more = f.two_product(size, size)
    low = f.fma(f.neg(ratio), more, f.mul(missed, inverse))
    return exp_times(f, f.neg(square), ratio, low)


def erfc(f: Floats, x: Val) -> Val:
    size = f.abs(x)
    z = f.mul(x, x)
    near = f.fma(f.neg(x), f.poly("erf", f.where(f.lt(z, 1.0), z, 1.0)), f.sub(1.0, x))
    positive = _erfc_positive_single if f.kind == "float" else _erfc_positive
    tail = positive(f, f.where(f.lt(size, 0.5), 0.5, size))
    far = f.where(f.lt(x, 0.0), f.sub(2.0, tail), tail)
    return f.where(f.is_nan(x), x, f.where(f.lt(size, 0.5), near, far))


def erf_inv(f: Floats, x: Val) -> Val:
    size = f.abs(x)
    if f.kind == "float":
        w = _giles(f, x)
        near = f.horner(GILES_NEAR, f.sub(w, 2.5))
        ratio = f.seldom(f.ge(w, 5.0), near, lambda w: _giles_far(f, w), w)
    else:
        # An error of 1e-16 in the logarithm does not matter: the factors are as exact as that, and at 1 exact.
        w = f.neg(log_of(f, *split(f, f.mul(f.sub(1.0, size), f.add(size, 1.0)))))
        near = f.poly("erf_inv_near", f.sub(w, 3.125))

        def far(w: Val) -> Val:
            root = f.sqrt(w)
            middle = f.poly("erf_inv_middle", f.sub(root, 3.25))
            return f.where(f.lt(root, 4.0), middle, f.poly("erf_inv_far", f.sub(root, 5.0)))

        ratio = f.seldom(f.ge(w, 6.25), near, far, w)
    return _erf_inv_ends(f, x, ratio)


def erf_inv_far(f: Floats, x: Val) -> Val:
    """``erf_inv`` in float32 where -log(1 - x*x) is 5 and more, and its values at the ends and outside."""
    return _erf_inv_ends(f, x, _giles_far(f, _giles(f, x)))


def _giles(f: Floats, x: Val) -> Val:
    # 1 - x*x is exact where little is left of it. Its logarithm need be right to 1e-7 only, not to an ulp.
    return f.neg(log_of(f, *split(f, f.sub(1.0, f.mul(x, x)))))


def _giles_far(f: Floats, w: Val) -> Val:
    return f.horner(GILES_FAR, f.sub(f.sqrt(w), 3.0))


def _erf_inv_ends(f: Floats, x: Val, ratio: Val) -> Val:
    size = f.abs(x)
    outside = f.where(f.eq(size, 1.0), f.mul(x, INF), NAN)
    return f.where(f.lt(size, 1.0), f.mul(x, ratio), outside)


def lgamma(f: Floats, x: Val) -> Val:
    """float64 only."""
    reflect = f.lt(x, 0.5)
    y = f.where(reflect, f.sub(1.0, x), x)
    big = f.ge(y, 8.0)
    low = f.lt(y, 1.0)
    u = f.where(low, f.add(y, 1.0), f.where(big, 2.0, y))
    product = f.v(1.0)
    for _ in range(5):
        above = f.ge(u, 3.0)
        u = f.where(above, f.sub(u, 1.0), u)
        product = f.where(above, f.mul(product, u), product)
    t = f.sub(u, 2.0)
    core = f.mul(f.mul(t, f.add(t, 1.0)), f.poly("lgamma", t))
    logarithm = log(f, f.where(big, y, f.where(low, y, product)))
    small = f.add(core, f.where(low, f.neg(logarithm), logarithm))
    inverse = f.div(1.0, y)
    series = f.mul(inverse, f.horner(_STIRLING, f.mul(inverse, inverse)))
    stirling = f.add(f.fma(f.sub(y, 0.5), f.sub(logarithm, 1.0), 0.4189385332046727), series)
    stirling = f.where(f.lt(y, 1e300), stirling, f.mul(y, f.sub(logarithm, 1.0)))
    value = f.where(big, stirling, small)
    r = _turn(f, x)
    sine = f.abs(sin(f, f.mul(r, 3.141592653589793)))
    mirrored = f.sub(f.sub(1.1447298858494002, log(f, sine)), value)
    value = f.where(reflect, mirrored, value)
    return f.where(f.eq(f.abs(x), INF), INF, value)


def _turn(f: Floats, x: Val) -> Val:
    """x less the nearest integer; 0 for numbers that are too large to have a fraction."""
    limit = 2.0**f.mantissa
    size = f.abs(x)
    nearest = f.sub(f.add(size, limit), limit)
    return f.where(f.lt(size, limit), f.copysign(f.sub(size, nearest), f.v(1.0)), 0.0)


def digamma(f: Floats, x: Val) -> Val:
    """float64 only."""
    reflect = f.lt(x, 0.5)
    y = f.where(reflect, f.sub(1.0, x), x)
    shift = f.v(0.0)
    for _ in range(10):
        small = f.lt(y, 10.0)
        shift = f.where(small, f.add(shift, f.div(1.0, y)), shift)
        y = f.where(small, f.add(y, 1.0), y)
    inverse = f.div(1.0, y)
    square = f.mul(inverse, inverse)
    series = f.fma(f.mul(square, -1.0), f.horner(_BERNOULLI, square), f.mul(inverse, -0.5))
    value = f.sub(f.add(log(f, y), series), shift)
    size = f.abs(x)
    fraction = f.sub(size, f.sub(f.add(size, 2.0**52), 2.0**52))
    # tan has period 1 in units of pi, and x is negative or small here.
    turn = f.where(f.lt(size, 2.0**52), f.where(f.lt(x, 0.0), f.neg(fraction), fraction), 0.0)
    mirrored = f.sub(value, f.div(3.141592653589793, tan(f, f.mul(turn, 3.141592653589793))))
    value = f.where(reflect, mirrored, value)
    pole = f.both(f.le(x, 0.0), f.eq(turn, 0.0))
    return f.where(pole, NAN, f.where(f.eq(x, INF), INF, value))
