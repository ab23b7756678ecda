"""Sorting: by NumPy's vectorised sorts, in programs as a step on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotan.backend import LoweringTable
from cotan.ir.program import LibraryStep

if TYPE_CHECKING:
    from cotan_cpu.program import Writer


def write(writer: Writer, step: LibraryStep) -> None:
    """A call of the eager rule or reference."""
    writer.host(step)


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.sort import sort_p, top_k_p

    table.rule("library", sort_p, top_k_p)(write)
    table.on_host.update((sort_p, top_k_p))
