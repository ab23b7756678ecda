"""Sorting: by NumPy's sorts, shared among threads, in programs as a step on the host; top_k natively for small k."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cotan.backend import LoweringTable
from cotan.config import config
from cotan.ir.program import LibraryStep
from cotan_cpu import native
from cotan_cpu.lower import merge, top_k

if TYPE_CHECKING:
    from cotan_cpu.program import Writer

_SHARED_FROM = 1 << 15
"""Elements from which waking a thread costs less than it saves."""


def sort_in_place(x: np.ndarray, axis: int) -> None:
    """Sort along an axis: lines are shared among threads; parts of a single line are sorted apart, then merged."""
    threads = native.thread_count(config.num_threads)
    if threads == 1 or x.size < _SHARED_FROM:
        x.sort(axis)
        return
    from cotan_cpu.host_threads import share

    across = max((k for k in range(x.ndim) if k != axis), key=lambda k: x.shape[k], default=axis)
    cut = across if x.shape[across] >= threads else axis
    bounds = np.linspace(0, x.shape[cut], threads + 1).astype(int)
    before = (slice(None),) * cut

    def part(k: int) -> None:
        x[(*before, slice(bounds[k], bounds[k + 1]))].sort(axis)

    share(part, threads)
    if cut != axis:
        return
    if x.size == x.shape[axis] and x.flags.c_contiguous and merge.can_merge(x.dtype):
        merge.merge(x.reshape(-1), bounds.tolist())
    else:
        # NumPy's stable sort finds what is in order already, and merges it.
        x.sort(axis, kind="stable")


def eager(*operands: np.ndarray, dimension: int, is_stable: bool, num_keys: int) -> list[np.ndarray]:
    """sort of ndarrays."""
    from cotan.primitives.sort import sorted_arrays

    return sorted_arrays(operands, dimension, is_stable, num_keys, sort_in_place)


def write(writer: Writer, step: LibraryStep) -> None:
    """A call of the eager rule or reference."""
    writer.host(step)


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.sort import sort_p, top_k_p

    table.rule("eager", sort_p)(eager)
    table.rule("library", sort_p)(write)
    table.rule("library", top_k_p)(top_k.write)
    table.on_host.add(sort_p)
