"""Sorting: by NumPy's vectorised sorts, in programs as a step on the host; top_k natively for small k."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotan.backend import LoweringTable
from cotan.ir.program import LibraryStep
from cotan_cpu.lower import top_k

if TYPE_CHECKING:
    from cotan_cpu.program import Writer


def write(writer: Writer, step: LibraryStep) -> None:
    """A call of the eager rule or reference."""
    writer.host(step)


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.sort import sort_p, top_k_p

    table.rule("library", sort_p)(write)
    table.rule("library", top_k_p)(top_k.write)
    table.on_host.add(sort_p)
