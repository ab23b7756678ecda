"""Choosing at once between two arrays: floats by native code, others and small ones by their bits.

``numpy.where`` branches at every element, which on irregular choices takes several times as long as three passes of
vectorised integer operations over a block that stays in the cache.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.ir.primitive import reference
from cotan_cpu.lower.at_once import by_span
from cotan_cpu.pool import pool

_WORDS = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}
_SMALLEST = 2048
_BLOCK = 1 << 16
_NATIVE_FROM = 1 << 16
"""Bytes from which native code, a pass over memory instead of three, is worth its compilation."""


def select_n(which: np.ndarray, *cases: np.ndarray) -> np.ndarray:
    """``cases[1]`` where ``which`` is true, else ``cases[0]``; small arrays and other choices by the reference."""
    dtype = cases[0].dtype
    word = _WORDS.get(dtype.itemsize)
    if len(cases) != 2 or which.size < _SMALLEST or which.dtype != np.bool_ or word is None:
        return _reference()(which, *cases)  # type: ignore[no-any-return]
    out = pool.empty(which.shape, dtype, which.size * dtype.itemsize)
    chosen, flags = out.view(word).ravel(), which.view(np.int8).ravel()
    low, high = (case.view(word).ravel() for case in cases)
    extent = min(which.size, _BLOCK)
    mask = pool.empty((extent,), word, extent * dtype.itemsize)
    for start in range(0, which.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        part = chosen[block]
        _select(
            flags[block],
            low[block] if low.size > 1 else low,
            high[block] if high.size > 1 else high,
            mask[: part.size],
            part,
        )
    return out


def _select(flags: np.ndarray, low: np.ndarray, high: np.ndarray, mask: np.ndarray, out: np.ndarray) -> None:
    """``high`` where a flag is 1, ``low`` where it is 0; operands of size 1 stand for any."""
    if high.size == 1 and not high[0]:
        mask[...] = np.subtract(flags, 1)
        np.bitwise_and(low, mask, out=out)
        return
    mask[...] = np.negative(flags)
    if low.size == 1 and not low[0]:
        np.bitwise_and(high, mask, out=out)
        return
    np.bitwise_xor(low, high, out=out)
    np.bitwise_and(out, mask, out=out)
    np.bitwise_xor(out, low, out=out)


@functools.cache
def _reference() -> Any:
    from cotan.primitives.compare import select_n_p

    return reference[select_n_p]


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.compare import select_n_p

    table.rule("eager", select_n_p)(by_span(select_n_p, select_n, _NATIVE_FROM))
