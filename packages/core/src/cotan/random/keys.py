"""Keys of the splittable generator: making, splitting and folding them, typed (``key<fry>``) and raw (``uint32[2]``).

The generator is Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
Layouts of counters follow the documented behaviour of ``jax.random`` bit for bit. Knows no distribution.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.config import config
from cotan.primitives.random_bits import random_unwrap, random_wrap, threefry2x32

IMPLEMENTATIONS = ("threefry2x32",)
_SHORT_NAMES = {"fry": "threefry2x32"}


def _implementation(impl: Any, fun_name: str) -> str:
    name = config.default_prng_impl if impl is None else str(impl)
    name = _SHORT_NAMES.get(name, name)
    if name not in IMPLEMENTATIONS:
        raise ValueError(f"{fun_name}: there is no generator {name!r}; known: {', '.join(IMPLEMENTATIONS)}")
    return name


def is_typed(key: Any) -> bool:
    """Whether ``key`` is an array of typed keys."""
    return isinstance(getattr(key, "dtype", None), dtypes.KeyType)


def key_words(key: Any, fun_name: str) -> tuple[Any, Any]:
    """The two uint32 words of one key.

    Raises:
      TypeError: not a key, or several keys at once.
    """
    if is_typed(key):
        if key.shape != ():
            raise TypeError(
                f"{fun_name} takes a single key and got an array of keys of shape {key.shape}; "
                f"map over them: cotan.vmap(lambda key: cotan.random.{fun_name}(key, ...))(keys)"
            )
        data = random_unwrap(key)
    else:
        shape = getattr(key, "shape", None)
        if shape is None or getattr(key, "dtype", None) != np.uint32:
            raise TypeError(
                f"{fun_name} needs a key as its first argument, from cotan.random.key(seed), and got "
                f"{type(key).__name__}"
            )
        if shape != (2,):
            raise TypeError(
                f"{fun_name} takes a single key (uint32[2]) and got shape {shape}; "
                f"map over several: cotan.vmap(lambda key: cotan.random.{fun_name}(key, ...))(keys)"
            )
        data = key
    return lax.index_in_dim(data, 0, 0, keepdims=False), lax.index_in_dim(data, 1, 0, keepdims=False)


def _like(key: Any, data: Any) -> Any:
    return random_wrap(data, impl=key.dtype.impl) if is_typed(key) else data


def _seed_data(seed: Any, fun_name: str) -> Any:
    if isinstance(seed, int) and not isinstance(seed, bool):
        bits = seed & (0xFFFFFFFFFFFFFFFF if config.enable_x64 else 0xFFFFFFFF)
        if not -(2**63) <= seed < 2**64:
            raise OverflowError(
                f"{fun_name}: the seed {seed} does not fit in 64 bits; use a smaller one, or fold_in the rest"
            )
        return cnp.asarray(np.array([bits >> 32, bits & 0xFFFFFFFF], np.uint32))
    seed = cnp.asarray(seed)
    if seed.ndim or not dtypes.issubdtype(seed.dtype, np.integer):
        raise TypeError(
            f"{fun_name}: the seed must be an integer scalar, got {seed.dtype}[{','.join(map(str, seed.shape))}]"
        )
    low = lax.convert_element_type(seed, np.uint32)
    if np.dtype(seed.dtype).itemsize == 8:
        unsigned = lax.convert_element_type(seed, np.uint64)
        high = lax.convert_element_type(lax.shift_right_logical(unsigned, np.uint64(32)), np.uint32)
    else:
        high = lax.full((), 0, np.uint32)
    return lax.concatenate([lax.reshape(high, (1,)), lax.reshape(low, (1,))], 0)


def PRNGKey(seed: Any, *, impl: Any = None) -> Any:
    """A raw key, uint32[2], from an integer seed.

    >>> import cotan
    >>> cotan.random.PRNGKey(7)
    Array([0, 7], dtype=uint32)
    """
    _implementation(impl, "PRNGKey")
    return _seed_data(seed, "PRNGKey")


def key(seed: Any, *, impl: Any = None) -> Any:
    """A typed key, a scalar of dtype ``key<fry>``, from an integer seed.

    Args:
      seed: an integer; 64-bit seeds are truncated to 32 bits unless 64-bit mode is on.
      impl: the generator, 'threefry2x32' (default).

    >>> import cotan
    >>> cotan.random.key(0).dtype
    key<fry>
    """
    name = _implementation(impl, "key")
    return random_wrap(_seed_data(seed, "key"), impl=name)


def key_data(keys: Any) -> Any:
    """The words of typed keys: uint32[..., 2]. Raw keys pass unchanged."""
    return random_unwrap(keys) if is_typed(keys) else cnp.asarray(keys)


def wrap_key_data(data: Any, *, impl: Any = None) -> Any:
    """Typed keys from words uint32[..., 2].

    Raises:
      TypeError: another dtype or trailing extent.
    """
    name = _implementation(impl, "wrap_key_data")
    data = cnp.asarray(data)
    if data.dtype != np.uint32 or data.ndim == 0 or data.shape[-1] != 2:
        raise TypeError(
            f"wrap_key_data needs the words of keys, uint32[..., 2], and got {data.dtype} of shape {data.shape}"
        )
    return random_wrap(data, impl=name)


def key_impl(keys: Any) -> str:
    """The name of the keys' generator."""
    return str(keys.dtype.impl) if is_typed(keys) else config.default_prng_impl


def key_dtype(impl_spec: Any = None) -> Any:
    """The dtype of typed keys of a generator (default: the configured one).

    >>> import cotan
    >>> cotan.random.key_dtype()
    key<fry>
    """
    return dtypes.KeyType(_implementation(impl_spec, "key_dtype"))


def clone(keys: Any) -> Any:
    """The same keys, said to be used again on purpose."""
    return keys


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


def split(key: Any, num: int | tuple[int, ...] = 2) -> Any:
    """New, independent keys: shape ``num`` (an int or a tuple) of the same kind as ``key``.

    >>> import cotan
    >>> first, second = cotan.random.split(cotan.random.key(0))
    """
    shape = tuple(map(operator.index, num)) if isinstance(num, tuple | list) else (operator.index(num),)
    words = key_words(key, "split")
    if config.threefry_partitionable:
        first, second = cipher(words, *counters(shape))
        axis = len(shape)
        data = lax.concatenate([lax.expand_dims(first, (axis,)), lax.expand_dims(second, (axis,))], axis)
    else:
        size = int(np.prod(shape))
        data = lax.reshape(cipher_of_halves(words, lax.iota(np.uint32, 2 * size)), (*shape, 2))
    return _like(key, data)


def fold_in(key: Any, data: Any) -> Any:
    """A key that depends on ``key`` and the integer ``data`` (taken as uint32).

    Raises:
      OverflowError: ``data`` is a Python int outside 0..2**32-1.
    """
    words = key_words(key, "fold_in")
    if isinstance(data, int) and not isinstance(data, bool):
        if not 0 <= data < 2**32:
            raise OverflowError(
                f"fold_in: data {data} is outside of 0..2**32-1; fold in a hash of it, or several parts"
            )
        data = np.uint32(data)
    data = cnp.asarray(data)
    if data.ndim or not dtypes.issubdtype(data.dtype, np.integer):
        raise TypeError(f"fold_in: data must be an integer scalar, got {data.dtype} of shape {data.shape}")
    # The pair (0, data) seeds a counter whose hash is the new key, in either layout.
    first, second = cipher(words, lax.full((), 0, np.uint32), lax.convert_element_type(data, np.uint32))
    return _like(key, lax.concatenate([lax.reshape(first, (1,)), lax.reshape(second, (1,))], 0))
