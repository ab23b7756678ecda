"""Random bits from counters, and random numbers without keys, as low-level programs ask for them.

`rng_bit_generator` is a function of its state, computed by elementwise integer arithmetic, so that it fuses, maps and
gives the same bits on every backend. Knows nothing of typed keys.
"""

from __future__ import annotations

import enum
import functools
import math
import operator
import threading
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.api import jit
from cotan.api.callbacks import io_callback
from cotan.api.flat import lift_leaf
from cotan.api.tracing import ShapeDtypeStruct
from cotan.errors import where
from cotan.forks import opened_by_fork
from cotan.lax.assembly import mulhi
from cotan.lax.composites import full, index_in_dim, iota
from cotan.primitives.arithmetic import add, mul
from cotan.primitives.compare import bitwise_or, bitwise_xor, lt, shift_left
from cotan.primitives.random_bits import threefry2x32
from cotan.primitives.shape import concatenate, expand_dims, reshape
from cotan.primitives.slice import slice as slice_
from cotan.structural import broadcast_in_dim, convert_element_type

_WORD = np.dtype(np.uint32)


class RandomAlgorithm(enum.IntEnum):
    """The generators of ``rng_bit_generator``; the default one is Philox."""

    RNG_DEFAULT = 0
    RNG_THREE_FRY = 1
    RNG_PHILOX = 2

    def __str__(self) -> str:
        return self.name


# Multipliers and increments of Philox-4x32 (J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
_MULTIPLIERS = (np.uint32(0xD2511F53), np.uint32(0xCD9E8D57))
_INCREMENTS = (np.uint32(0x9E3779B9), np.uint32(0xBB67AE85))
_ROUNDS = 10


def _philox(key: tuple[Any, Any], counter: tuple[Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any]:
    """Four words for each counter under one key, Philox-4x32 with ten rounds."""
    (k0, k1), (a, b, c, d) = key, counter
    for _ in range(_ROUNDS):
        first = mulhi(a, full(a.shape, _MULTIPLIERS[0], _WORD)), mul(a, _MULTIPLIERS[0])
        second = mulhi(c, full(c.shape, _MULTIPLIERS[1], _WORD)), mul(c, _MULTIPLIERS[1])
        a, b, c, d = (
            bitwise_xor(bitwise_xor(second[0], b), k0),
            second[1],
            bitwise_xor(bitwise_xor(first[0], d), k1),
            first[1],
        )
        k0, k1 = add(k0, _INCREMENTS[0]), add(k1, _INCREMENTS[1])
    return a, b, c, d


def _plus(low: Any, high: Any, number: Any) -> tuple[Any, Any]:
    """A counter of two words plus ``number``."""
    total = add(low, number)
    return total, add(high, convert_element_type(lt(total, low), _WORD))


def _blocks(words: tuple[Any, ...], count: int, algorithm: RandomAlgorithm) -> list[Any]:
    """The words of ``count`` blocks, each a list of arrays [count]."""
    shape = (count,)
    k0, k1, low, high = (broadcast_in_dim(word, shape, ()) for word in words)
    low, high = _plus(low, high, iota(_WORD, count))
    if algorithm is RandomAlgorithm.RNG_THREE_FRY:
        return list(threefry2x32(k0, k1, low, high))
    return list(_philox((k0, k1), (low, high, k0, k1)))


def random_words(words: tuple[Any, ...], count: int, algorithm: RandomAlgorithm) -> tuple[tuple[Any, Any], Any]:
    """The next counter, and ``count`` words (rounded up to whole blocks) from a state of four scalar words."""
    per_block = 2 if algorithm is RandomAlgorithm.RNG_THREE_FRY else 4
    blocks = -(-count // per_block)
    after = _plus(words[2], words[3], np.uint32(blocks))
    if not count:
        return after, full((0,), 0, _WORD)
    columns = [expand_dims(word, (1,)) for word in _blocks(words, blocks, algorithm)]
    return after, slice_(reshape(concatenate(columns, 1), (blocks * per_block,)), (0,), (count,))


def uniform_bits(words: tuple[Any, ...], shape: tuple[int, ...], dtype: Any, algorithm: Any) -> tuple[Any, Any]:
    """The next counter, and unsigned integers of any width, one word for each, two for those of 64 bits."""
    size, width = math.prod(shape), dtype.itemsize * 8
    after, flat = random_words(words, size * 2 if width == 64 else size, algorithm)
    if width == 64:
        low, high = (convert_element_type(slice_(flat, (n,), (2 * size,), (2,)), dtype) for n in (0, 1))
        flat = bitwise_or(low, shift_left(high, full((size,), 32, dtype)))
    return after, reshape(convert_element_type(flat, dtype), shape)


def rng_bit_generator(
    key: Any,
    shape: Any,
    dtype: Any = np.uint32,
    algorithm: Any = RandomAlgorithm.RNG_DEFAULT,
    *,
    out_sharding: Any = None,
) -> tuple[Any, Any]:
    """Random bits from a state, and the state after them.

    Args:
      key: the state, uint32[4]: two words of a key, and a counter, lower word first.
      shape: of the bits.
      dtype: an unsigned integer dtype; narrow ones take the lower bits of a word each.
      algorithm: a ``RandomAlgorithm``: Threefry-2x32, or Philox-4x32 (the default).

    Raises:
      TypeError: another state or dtype.

    Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

    >>> import cotan.numpy as cnp
    >>> from cotan import lax
    >>> state, bits = lax.rng_bit_generator(cnp.array([0, 1, 2, 3], "uint32"), (3,))
    >>> state, bits
    (Array([0, 1, 3, 3], dtype=uint32), Array([ 895509795, 3230209149, 3834998268], dtype=uint32))
    """
    key, kind = lift_leaf(key), np.dtype(dtypes.canonicalize_dtype(dtype))
    if key.dtype != _WORD or key.shape != (4,):
        raise TypeError(f"{where()}: rng_bit_generator takes a state uint32[4], got {key.dtype} of shape {key.shape}")
    if not dtypes.issubdtype(kind, np.unsignedinteger) or kind.itemsize * 8 not in (8, 16, 32, 64):
        raise TypeError(f"{where()}: rng_bit_generator makes unsigned integers of 8 to 64 bits, not {kind}")
    extents = tuple(map(operator.index, shape))
    after, bits = _generate(key, extents, kind, RandomAlgorithm(algorithm))
    return after, bits


def _of_state(key: Any, shape: tuple[int, ...], dtype: Any, algorithm: RandomAlgorithm) -> tuple[Any, Any]:
    words = tuple(index_in_dim(key, n, 0, False) for n in range(4))
    after, bits = uniform_bits(words, shape, dtype, algorithm)
    return concatenate([reshape(word, (1,)) for word in (*words[:2], *after)], 0), bits


_generate = jit(_of_state, static_argnums=(1, 2, 3))


_own_lock = opened_by_fork(threading.Lock())


@functools.cache
def _own() -> np.random.Generator:
    # Importing NumPy's generators takes 10 ms, which only their users should pay.
    return np.random.default_rng()


def rng_uniform(a: Any, b: Any, shape: Any) -> Any:
    """Numbers uniform in [a, b) from a generator that the process owns: others at every call, seeded by the system.

    It is an effect of the host, kept in programs as callbacks are; use ``cotan.random`` for numbers that a key
    decides.

    Args:
      a, b: scalars of one real dtype.
      shape: of the result.

    Raises:
      TypeError: bounds that are no scalars of one real dtype.

    >>> import numpy as np
    >>> from cotan import lax
    >>> bool(2 <= lax.rng_uniform(np.float32(2), np.float32(3), (5,)).min())
    True
    """
    low, high = lift_leaf(a), lift_leaf(b)
    real = dtypes.issubdtype(low.dtype, np.integer) or dtypes.issubdtype(low.dtype, np.floating)
    if low.shape or high.shape or low.dtype != high.dtype or not real:
        raise TypeError(
            f"{where()}: rng_uniform takes scalars of one real dtype, got {low.dtype} of shape {tuple(low.shape)} and "
            f"{high.dtype} of shape {tuple(high.shape)}"
        )
    extents = tuple(map(operator.index, shape))
    return io_callback(functools.partial(_draw, extents), ShapeDtypeStruct(extents, low.dtype), low, high)


def _draw(shape: tuple[int, ...], low: Any, high: Any) -> Any:
    low, high = np.asarray(low), np.asarray(high)
    dtype = low.dtype
    with _own_lock:
        if dtypes.issubdtype(dtype, np.integer):
            return _own().integers(low, high, shape, dtype)
        drawn = _own().random(shape)
    out = (low + (high - low).astype(np.float64) * drawn).astype(dtype)
    # Rounding to fewer digits may reach the upper bound, which is not among the numbers.
    return np.where(out < high, out, low)
