"""Special functions that kernels have code of their own for, where core writes them out in simpler operations."""

from __future__ import annotations

from typing import Any

from cotan.backend import LoweringTable
from cotan.ir import scalar


def erf_inv(idx: Any, x: scalar.Operand) -> scalar.Expr:
    """The rare pieces are done only where an element needs them."""
    return scalar.erf_inv(x[idx] if x.shape else x[()])


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.special import erf_inv_p

    table.rule("kernel", erf_inv_p)(erf_inv)
