"""Sorting and Fourier transforms: on the host over the device's memory where that is the host's own, as libraries beat
generated code there; else, by core's text in C, on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cotan.backend import LoweringTable
from cotan.ir.program import LibraryStep

if TYPE_CHECKING:
    from cotan.compiler.c.commands import Writer


def _rule(generated: Callable[[Writer, LibraryStep], bool]) -> Callable[[Writer, LibraryStep], None]:
    def write(writer: Writer, step: LibraryStep) -> None:
        if writer.target.shared or not generated(writer, step):
            writer.host(step)

    return write


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.compiler.c import fourier, sorting
    from cotan.primitives.fft import fft_p
    from cotan.primitives.sort import sort_p, top_k_p

    for primitive, generated in ((sort_p, sorting.sort), (top_k_p, sorting.top_k), (fft_p, fourier.fft)):
        table.rule("library", primitive)(_rule(generated))
        table.on_host.add(primitive)
