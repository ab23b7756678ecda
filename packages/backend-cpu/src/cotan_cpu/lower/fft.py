"""Fourier transforms by SciPy's pocketfft, whose threads sleep when idle; in programs a step on the host."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.config import config
from cotan.ir.primitive import reference
from cotan.ir.program import LibraryStep
from cotan.primitives.operands import quiet
from cotan_cpu import native

if TYPE_CHECKING:
    from cotan_cpu.program import Writer


_SHARED_FROM = 1 << 16
"""Elements from which a transform is shared among threads; lines of less cost less than waking them."""


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
    workers = native.thread_count(config.num_threads) if x.size >= _SHARED_FROM else 1
    return quiet(_function(fft_type.name), x, fft_lengths, axes, workers=workers)  # type: ignore[no-any-return]


def write(writer: Writer, step: LibraryStep) -> None:
    """A call of the eager rule."""
    writer.host(step)


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.fft import fft_p

    table.rule("eager", fft_p)(eager)
    table.rule("library", fft_p)(write)
    table.on_host.add(fft_p)
