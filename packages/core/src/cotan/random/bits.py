"""Raw random bits of any width from the words of a key: Threefry's in both counter layouts, or Philox's.

Knows no distribution.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import lax
from cotan.config import config
from cotan.random import rbg
from cotan.random.threefry import cipher, cipher_of_halves, counters

UINTS = {8: np.dtype(np.uint8), 16: np.dtype(np.uint16), 32: np.dtype(np.uint32), 64: np.dtype(np.uint64)}


def random_bits(words: tuple[Any, ...], width: int, shape: tuple[int, ...]) -> Any:
    """Unsigned integers of ``width`` (8, 16, 32 or 64) bits, uniform over their range, of the given shape."""
    if len(words) == 4:
        return rbg.bits(words, shape, UINTS[width])
    words = (words[0], words[1])
    if config.threefry_partitionable:
        return _by_position(words, width, shape)
    return _by_halves(words, width, shape)


def _wide(high: Any, low: Any) -> Any:
    high, low = (lax.convert_element_type(word, np.uint64) for word in (high, low))
    return lax.bitwise_or(lax.shift_left(high, lax.full(high.shape, 32, np.uint64)), low)


def _by_position(words: tuple[Any, Any], width: int, shape: tuple[int, ...]) -> Any:
    first, second = cipher(words, *counters(shape))
    if width == 64:
        return _wide(first, second)
    mixed = lax.bitwise_xor(first, second)
    return mixed if width == 32 else lax.convert_element_type(mixed, UINTS[width])


def _by_halves(words: tuple[Any, Any], width: int, shape: tuple[int, ...]) -> Any:
    size = int(np.prod(shape)) if shape else 1
    blocks = -(-width * size // 32)
    flat = cipher_of_halves(words, lax.iota(np.uint32, blocks))
    if width == 64:
        flat = _wide(lax.slice(flat, (0,), (size,)), lax.slice(flat, (size,), (2 * size,)))
    elif width < 32:
        parts = 32 // width
        shifts = lax.mul(
            lax.broadcasted_iota(np.uint32, (blocks, parts), 1), lax.full((blocks, parts), width, np.uint32)
        )
        spread = lax.shift_right_logical(lax.broadcast_in_dim(flat, (blocks, parts), (0,)), shifts)
        flat = lax.slice(lax.reshape(lax.convert_element_type(spread, UINTS[width]), (blocks * parts,)), (0,), (size,))
    return lax.reshape(flat, shape)
