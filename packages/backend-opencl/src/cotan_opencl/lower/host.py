"""What the host does over the device's memory: sorting and factorisations, where libraries beat generated code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotan.backend import LoweringTable
from cotan.ir.program import LibraryStep

if TYPE_CHECKING:
    from cotan.compiler.c.commands import Writer


def write(writer: Writer, step: LibraryStep) -> None:
    """A step on the host, by the primitive's reference."""
    writer.host(step)


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.fft import fft_p
    from cotan.primitives.sort import sort_p, top_k_p

    for primitive in (sort_p, top_k_p, fft_p):
        table.rule("library", primitive)(write)
        table.on_host.add(primitive)
