"""Functions of float32 by polynomials of pieces of the line: each lane looks its coefficients up in registers of 16.

Half as many instructions as the formulas of ``exponential`` and ``special``, without branches and quotients. Only for
targets with ``avx512``. The pieces are those between floats whose leading bits are the same.
"""

from __future__ import annotations

import math

from cotan.compiler.piece_tables import PIECES
from cotan_cpu.codegen import avx512, special
from cotan_cpu.codegen.builder import Val
from cotan_cpu.codegen.floats import INF, Floats


def tanh(f: Floats, x: Val) -> Val:
    """Within 1.3 ulp, and never above 1."""
    size = f.abs(x)
    # Rounded to float32 it is 1 from 9.02 on; a NaN stays.
    size = f.where(f.gt(size, 9.25), 9.25, size)
    # From 1 to 16, a quarter of an octave each: finer where the function bends.
    piece = f.int_op("lshr", f.bits(f.fma(size, 1.6, 1.0)), 21)
    centre = f.pieces("tanh_centres", piece)
    return f.copysign(f.pieces("tanh", piece, f.sub(size, centre)), x)


def log(f: Floats, x: Val) -> Val:
    """Within 0.8 ulp; the ends are what the instructions say of exponents and mantissas."""
    return _log(f, x)


def log1p(f: Floats, x: Val) -> Val:
    """Within 1 ulp."""
    total, lost = f.two_sum(x, 1.0)
    return f.copysign(_log(f, total, lost), x)


def _log(f: Floats, x: Val, lost: Val | None = None) -> Val:
    """log(x + lost), where ``lost`` is less than an ulp of x."""
    e, m = avx512.exponent(f.b, x), avx512.mantissa(f.b, x)
    piece = f.int_op("lshr", f.bits(m), 19)
    inverse = f.pieces("log_inverses", piece)
    r = f.fma(m, inverse, -1.0)
    high, low = f.table("ln2")
    rest = f.fma(e, low, f.pieces("log_lows", piece))
    if lost is not None:
        # lost / x, where 1 / m is c (1 - r) and a little, and 2**-e comes from the bits: infinity has nothing lost.
        power = f.from_bits(f.int_op("sub", 254 << 23, f.int_op("and", f.bits(x), 255 << 23)))
        part = f.mul(f.mul(lost, inverse), power)
        rest = f.where(f.lt(x, INF), f.add(rest, f.fma(f.neg(part), r, part)), rest)
    square = f.mul(r, r)
    rest = f.fma(square, f.horner(PIECES["log_series"][0], r), rest)
    return f.add(f.fma(e, high, f.pieces("log_highs", piece)), f.add(r, rest))


def sin(f: Floats, x: Val) -> Val:
    """Within 1.5 ulp."""
    return f.where(f.eq(x, 0.0), x, _turned(f, x, 0, "sin"))


def cos(f: Floats, x: Val) -> Val:
    """Within 1.5 ulp."""
    return _turned(f, x, 4, "cos")


def _turned(f: Floats, x: Val, ahead: int, name: str) -> Val:
    """The sine of x + ahead pi/8, from that of the next multiple of pi/8, by the theorem of addition.

    Large arguments go to the C library, lane by lane.
    """
    nearest = f.fma(x, 8 / math.pi, f.magic)
    n, d = f.sub(nearest, f.magic), x
    for part in f.table("pi_half"):
        d = f.fma(n, -part / 4, d)
    piece = f.bits(nearest)
    (sines,), (rests,) = PIECES["sines"], PIECES["sine_rests"]
    sine, rest = (avx512.looked_up(f.b, (*row[ahead:], *row[:ahead]), piece) for row in (sines, rests))
    cosine = avx512.looked_up(f.b, (*sines[ahead + 4 :], *sines[: ahead + 4]), piece)
    square = f.mul(d, d)
    cube = f.mul(f.mul(d, square), f.horner(PIECES["sine_series"][0], square))
    less = f.mul(square, f.horner(PIECES["cosine_series"][0], square))
    # The largest is added last.
    value = f.add(sine, f.fma(cosine, d, f.fma(sine, less, f.fma(cosine, cube, rest))))
    return f.rarely(f.gt(f.abs(x), 1e5), value, name, x)


def erf_inv(f: Floats, x: Val) -> Val:
    """Giles' approximation, within 2 ulp of what its formulas say; see ``special``."""
    # Less 2**-24, lest it ever be 1: halves of the octaves from 2**-16 up to that.
    rest = f.sub(1.0 - 2.0**-24, f.mul(x, x))
    piece = f.int_op("lshr", f.bits(rest), 22)
    from_centre = f.sub(rest, f.pieces("erf_inv_centres", piece))
    value = f.mul(x, f.pieces("erf_inv", piece, from_centre, side_by_side=True))
    return f.seldom_below(rest, 2.0**-16, value, lambda x: special.erf_inv_far(f, x), x)
