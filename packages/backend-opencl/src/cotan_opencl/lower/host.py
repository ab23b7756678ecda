"""Sorting and Fourier transforms: on the host over the device's memory where that is the host's own, as libraries beat
generated code there; else, by core's text in C, on the device."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.ir.primitive import reference
from cotan.ir.program import LibraryStep

if TYPE_CHECKING:
    from cotan.compiler.c.commands import Writer


def _rule(
    generated: Callable[[Writer, LibraryStep], bool], function: Callable[..., Any] | None = None
) -> Callable[[Writer, LibraryStep], None]:
    def write(writer: Writer, step: LibraryStep) -> None:
        if writer.target.shared or not generated(writer, step):
            writer.host(step, function)

    return write


def _fft(x: np.ndarray, *, fft_type: Any, fft_lengths: tuple[int, ...]) -> np.ndarray:
    """By SciPy, whose transforms go by vectors, where it is installed."""
    from cotan.primitives.fft import fft_p

    try:
        from scipy import fft
    except ImportError:
        fft = None
    if fft is None or x.size == 0 or 0 in fft_lengths:
        return reference[fft_p](x, fft_type=fft_type, fft_lengths=fft_lengths)  # type: ignore[no-any-return]
    axes, function = tuple(range(-len(fft_lengths), 0)), getattr(fft, f"{fft_type.name.lower()}n")
    return function(x, fft_lengths, axes, workers=os.cpu_count())  # type: ignore[no-any-return]


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.compiler.c import fourier, sorting
    from cotan.primitives.fft import fft_p
    from cotan.primitives.sort import sort_p, top_k_p

    rules = {sort_p: _rule(sorting.sort), top_k_p: _rule(sorting.top_k), fft_p: _rule(fourier.fft, _fft)}
    for primitive, rule in rules.items():
        table.rule("library", primitive)(rule)
        table.on_host.add(primitive)
