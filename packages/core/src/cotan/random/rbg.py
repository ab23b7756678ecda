"""Generators whose keys have four words and whose bits come from ``lax.rng_bit_generator``: 'rbg' and 'unsafe_rbg'.

The first splits keys as Threefry does, each half of the words for itself; the second takes new keys from the stream of
bits, far apart, which is cheaper and guarantees less. Knows nothing of typed keys.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from cotan import lax
from cotan.api import jit
from cotan.lax.generators import RandomAlgorithm, uniform_bits
from cotan.random import threefry

Words = tuple[Any, ...]
# Of the stream's rows, every so many are one key.
_APART = 10


@functools.partial(jit, static_argnums=(1, 2))
def bits(words: Words, shape: tuple[int, ...], dtype: Any) -> Any:
    """Unsigned integers of a dtype and shape."""
    return uniform_bits(words, shape, np.dtype(dtype), RandomAlgorithm.RNG_DEFAULT)[1]


def split_data(words: Words, shape: tuple[int, ...]) -> Any:
    """The words uint32[*shape, 4] of new keys: Threefry of both halves."""
    first, second = threefry.split_data(words[:2], shape), threefry.split_data(words[2:], shape)
    return lax.concatenate([first, second], len(shape))


def fold_data(words: Words, data: Any) -> Any:
    """The words uint32[4] of a key that depends on ``data``: Threefry of both halves."""
    return lax.concatenate([threefry.fold_data(words[:2], data), threefry.fold_data(words[2:], data)], 0)


def unsafe_split_data(words: Words, shape: tuple[int, ...]) -> Any:
    """The words uint32[*shape, 4] of new keys, from the stream of bits."""
    count = math.prod(shape)
    rows = bits(words, (_APART * count, 4), np.uint32)
    return lax.reshape(lax.slice(rows, (0, 0), rows.shape, (_APART, 1)), (*shape, 4))


def unsafe_fold_data(words: Words, data: Any) -> Any:
    """The words uint32[4] of a key that depends on ``data``: a part of the stream that ``data`` seeds, mixed in."""
    zero = lax.full((), 0, np.uint32)
    row = lax.index_in_dim(bits((zero, data, zero, data), (_APART, 4), np.uint32), _APART - 1, 0, keepdims=False)
    return lax.bitwise_xor(row, lax.concatenate([lax.reshape(word, (1,)) for word in words], 0))
