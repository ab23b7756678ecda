"""Fourier transforms by SciPy's pocketfft on one thread; in programs a step on the host."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.ir.primitive import reference
from cotan.ir.program import LibraryStep
from cotan.primitives.operands import quiet

if TYPE_CHECKING:
    from cotan_cpu.program import Writer


@functools.cache
def _function(name: str) -> Any:
    from scipy import fft

    return getattr(fft, f"{name.lower()}n")


@functools.cache
def _reference() -> Any:
    from cotan.primitives.fft import fft_p

    return reference[fft_p]


def eager(x: np.ndarray, *, fft_type: Any, fft_lengths: tuple[int, ...]) -> np.ndarray:
    """The transform of an ndarray over its last axes, in its own precision."""
    if x.size == 0 or 0 in fft_lengths:
        return _reference()(x, fft_type=fft_type, fft_lengths=fft_lengths)  # type: ignore[no-any-return]
    axes = tuple(range(-len(fft_lengths), 0))
    return quiet(_function(fft_type.name), x, fft_lengths, axes, workers=1)  # type: ignore[no-any-return]


def write(writer: Writer, step: LibraryStep) -> None:
    """A call of the eager rule."""
    writer.host(step)


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.fft import fft_p

    table.rule("eager", fft_p)(eager)
    table.rule("library", fft_p)(write)
    table.on_host.add(fft_p)
