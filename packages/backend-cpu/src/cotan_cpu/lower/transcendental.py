"""Elementary and special functions at once: native code that keeps the bounds in ulps, as in compiled programs."""

from __future__ import annotations

from cotan.backend import LoweringTable
from cotan.ir.primitive import Primitive
from cotan_cpu.lower.at_once import by_span


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives import arithmetic, bessel, incomplete, special, transcendental

    primitives = {arithmetic.cbrt_p, arithmetic.pow_p, incomplete.zeta_p}
    for module in (transcendental, special, bessel):
        primitives |= {value for value in vars(module).values() if isinstance(value, Primitive)}
    for primitive in primitives:
        table.rule("eager", primitive)(by_span(primitive))
