"""Special functions that kernels have code of their own for, where core writes them out in simpler operations."""

from __future__ import annotations

from typing import Any

from cotan.backend import LoweringTable
from cotan.ir import scalar


def erf_inv(idx: Any, x: scalar.Operand) -> scalar.Expr:
    """The rare pieces are done only where an element needs them."""
    return scalar.erf_inv(x[idx] if x.shape else x[()])


def zeta(idx: Any, s: scalar.Operand, q: scalar.Operand) -> scalar.Expr:
    """Powers in a loop; core leaves it to a library, or writes it out."""
    return scalar.zeta(*(x[idx] if x.shape else x[()] for x in (s, q)))


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.incomplete import zeta_p
    from cotan.primitives.special import erf_inv_p

    table.rule("kernel", erf_inv_p)(erf_inv)
    table.rule("kernel", zeta_p)(zeta)
