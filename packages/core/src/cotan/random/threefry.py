"""Threefry-2x32 over counters: bits, new keys, and keys folded with data, from the two words of a key.

20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). Layouts of counters follow the
documented behaviour of ``jax.random`` bit for bit. Knows nothing of typed keys.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import lax
from cotan.config import config
from cotan.primitives.random_bits import threefry2x32

Words = tuple[Any, Any]


def counters(shape: tuple[int, ...]) -> tuple[Any, Any]:
    """For every element of ``shape`` its row-major number as (high, low) uint32 words."""
    size = int(np.prod(shape, dtype=object)) if shape else 1
    if size < 2**32:
        low = lax.reshape(lax.iota(np.uint32, size), shape)
        return lax.full(shape, 0, np.uint32), low
    with config.override(enable_x64=True):
        numbers = lax.reshape(lax.iota(np.uint64, size), shape)
        high = lax.convert_element_type(lax.shift_right_logical(numbers, np.uint64(32)), np.uint32)
        return high, lax.convert_element_type(numbers, np.uint32)


def cipher(words: tuple[Any, Any], high: Any, low: Any) -> tuple[Any, Any]:
    """Threefry-2x32 of the counters (high, low) under one key."""
    shape = low.shape
    k0, k1 = (lax.broadcast_in_dim(word, shape, ()) for word in words)
    first, second = threefry2x32(k0, k1, high, low)
    return first, second


def cipher_of_halves(words: tuple[Any, Any], count: Any) -> Any:
    """The original layout: a flat counter vector is cut in halves that are the two words (odd: padded with 0)."""
    size = count.shape[0]
    if size % 2:
        count = lax.concatenate([count, lax.full((1,), 0, np.uint32)], 0)
    half = count.shape[0] // 2
    first, second = cipher(words, lax.slice(count, (0,), (half,)), lax.slice(count, (half,), (2 * half,)))
    joined = lax.concatenate([first, second], 0)
    return lax.slice(joined, (0,), (size,)) if size % 2 else joined


def split_data(words: Words, shape: tuple[int, ...]) -> Any:
    """The words uint32[*shape, 2] of new keys."""
    if not config.threefry_partitionable:
        size = int(np.prod(shape))
        return lax.reshape(cipher_of_halves(words, lax.iota(np.uint32, 2 * size)), (*shape, 2))
    first, second = cipher(words, *counters(shape))
    axis = len(shape)
    return lax.concatenate([lax.expand_dims(first, (axis,)), lax.expand_dims(second, (axis,))], axis)


def fold_data(words: Words, data: Any) -> Any:
    """The words uint32[2] of a key that depends on ``data``, a uint32 scalar: the hash of (0, data), in any layout."""
    first, second = cipher(words, lax.full((), 0, np.uint32), data)
    return lax.concatenate([lax.reshape(first, (1,)), lax.reshape(second, (1,))], 0)
