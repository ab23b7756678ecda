"""Functions of float32 by polynomials of pieces of the line: each lane looks its coefficients up in registers of 16.

Half as many instructions as the formulas of ``exponential`` and ``special``, without branches and quotients. Only for
targets with ``lookups``. The pieces are those between floats whose leading bits are the same.
"""

from __future__ import annotations

from cotan.compiler.piece_tables import PIECES
from cotan_cpu.codegen import special
from cotan_cpu.codegen.builder import Val
from cotan_cpu.codegen.floats import Floats


def tanh(f: Floats, x: Val) -> Val:
    """Within 1.3 ulp, and never above 1."""
    size = f.abs(x)
    # Rounded to float32 it is 1 from 9.02 on; a NaN stays.
    size = f.where(f.gt(size, 9.25), 9.25, size)
    # From 1 to 16, a quarter of an octave each: finer where the function bends.
    piece = f.int_op("lshr", f.bits(f.fma(size, 1.6, 1.0)), 21)
    centre = f.lookup(PIECES["tanh_centres"][0], piece)
    return f.copysign(f.pieces("tanh", piece, f.sub(size, centre)), x)


def erf_inv(f: Floats, x: Val) -> Val:
    """Giles' approximation, within 2 ulp of what its formulas say; see ``special``."""
    # Less 2**-24, lest it ever be 1: halves of the octaves from 2**-16 up to that.
    rest = f.sub(1.0 - 2.0**-24, f.mul(x, x))
    piece = f.int_op("lshr", f.bits(rest), 22)
    within = f.int_op("or", f.int_op("and", f.bits(rest), 0x3FFFFF), 0x3F800000)
    value = f.mul(x, f.pieces("erf_inv", piece, f.sub(f.from_bits(within), 1.25)))
    return f.seldom(f.invert(f.ge(rest, 2.0**-16)), value, lambda x: special.erf_inv_far(f, x), x)
