"""Incomplete gamma and beta functions by SciPy; in programs a step on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotan.backend import LoweringTable
from cotan.ir.program import LibraryStep

if TYPE_CHECKING:
    from cotan_cpu.program import Writer


def write(writer: Writer, step: LibraryStep) -> None:
    """A call of the reference, which is SciPy's function."""
    writer.host(step)


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.incomplete import betainc_p, igamma_p, igammac_p

    for primitive in (igamma_p, igammac_p, betainc_p):
        table.rule("library", primitive)(write)
        table.on_host.add(primitive)
