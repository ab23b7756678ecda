"""Sorting: by NumPy's sorts, shared among threads, in programs as a step on the host; top_k natively for small k."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.config import config
from cotan.ir.program import LibraryStep
from cotan_cpu import native
from cotan_cpu.lower import partition, radix, top_k
from cotan_cpu.pool import pool

if TYPE_CHECKING:
    from cotan_cpu.program import Writer

_SHARED_FROM = 1 << 15
"""Elements from which waking a thread costs less than it saves."""
_AT_ONCE = 1 << 17
"""Elements that a thread copies before it sorts them, in its cache."""


def sort_in_place(x: np.ndarray, axis: int) -> None:
    """Sort along an axis: threads share lines, or ranges of a single one."""
    threads = native.thread_count(config.num_threads)
    if threads == 1 or x.size < _SHARED_FROM:
        x.sort(axis)
        return
    lines = np.moveaxis(x, axis, -1)
    across = max(range(x.ndim - 1), key=lambda k: lines.shape[k], default=None)
    if x.size // x.shape[axis] < threads and x.shape[axis] >= _SHARED_FROM and partition.can_sort(x.dtype):
        out = pool.empty(lines.shape[-1:], x.dtype, x.nbytes)
        for place in np.ndindex(lines.shape[:-1]):
            partition.sort(np.ascontiguousarray(lines[place]), out, threads)
            lines[place] = out
    elif across is None:
        x.sort()
    else:
        from cotan_cpu.host_threads import share

        parts = min(threads, lines.shape[across])
        bounds = np.linspace(0, lines.shape[across], parts + 1).astype(int)
        before = (slice(None),) * across
        share(lambda k: lines[(*before, slice(bounds[k], bounds[k + 1]))].sort(), parts)


def _lines_into(x: np.ndarray, out: np.ndarray, threads: int) -> bool:
    """Write lines along the last axis, sorted, to ``out``: each thread its share, some lines at a time.

    Returns:
      Whether there are negative zeros among them.
    """
    from cotan.primitives.sort import has_negative_zeros
    from cotan_cpu.host_threads import share

    extent = x.shape[-1]
    lines, ordered = x.reshape(-1, extent), out.reshape(-1, extent)
    parts = min(threads, len(lines))
    bounds = np.linspace(0, len(lines), parts + 1).astype(int)
    step = max(1, _AT_ONCE // extent)
    found = [False] * parts

    def part(k: int) -> None:
        for begin in range(bounds[k], bounds[k + 1], step):
            here = slice(begin, min(begin + step, bounds[k + 1]))
            ordered[here] = lines[here]
            if x.dtype.kind == "f":
                found[k] |= has_negative_zeros(ordered[here])
            ordered[here].sort()

    share(part, parts)
    return any(found)


def _into(*arrays: np.ndarray, dimension: int, **_: Any) -> bool:
    """Write one sorted array to where it belongs, with all threads; False where that is not the way."""
    if len(arrays) != 2:
        return False
    x, out = arrays
    threads, extent = native.thread_count(config.num_threads), x.shape[dimension]
    if x.size < _SHARED_FROM or threads == 1 or not partition.can_sort(x.dtype) or not out.flags.c_contiguous:
        return False
    zeros = x.dtype.kind == "f"
    if x.size == extent:
        partition.sort(np.ascontiguousarray(x).reshape(-1), out.reshape(-1), threads)
    elif dimension == x.ndim - 1 and x.flags.c_contiguous:
        zeros = _lines_into(x, out, threads)
    else:
        return False
    if zeros:
        from cotan.primitives.sort import zeros_in_order

        zeros_in_order(x, out, dimension)
    return True


def eager(*operands: np.ndarray, dimension: int, is_stable: bool, num_keys: int) -> list[np.ndarray]:
    """sort of ndarrays."""
    from cotan.primitives.sort import sorted_arrays

    if len(operands) > 1 and num_keys == 1:
        found = radix.sort(operands, dimension)
        if found is not None:
            return found
    elif len(operands) == 1 and operands[0].size >= _SHARED_FROM:
        [x] = operands
        out = pool.empty(x.shape, x.dtype, x.nbytes)
        if _into(x, out, dimension=dimension):
            return [out]
    return sorted_arrays(operands, dimension, is_stable, num_keys, sort_in_place)


eager.into = _into  # type: ignore[attr-defined]


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
