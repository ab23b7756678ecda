"""Keys of the splittable generators: making, splitting and folding them, typed (``key<fry>``) and raw (``uint32[2]``).

Threefry-2x32 is the usual generator; 'rbg' and 'unsafe_rbg' have keys of four words and take their bits from Philox.
Knows no distribution, and not how bits are made.
"""

from __future__ import annotations

import operator
import sys
from types import FrameType
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.config import config
from cotan.errors import is_hidden, warn, where
from cotan.primitives.random_bits import random_unwrap, random_wrap
from cotan.random import rbg, threefry

# How many words a key of a generator has, and how new keys come from it.
_WORDS = {"threefry2x32": 2, "rbg": 4, "unsafe_rbg": 4}
_SPLIT = {"threefry2x32": threefry.split_data, "rbg": rbg.split_data, "unsafe_rbg": rbg.unsafe_split_data}
_FOLD = {"threefry2x32": threefry.fold_data, "rbg": rbg.fold_data, "unsafe_rbg": rbg.unsafe_fold_data}
IMPLEMENTATIONS = tuple(_WORDS)
_SHORT_NAMES = {"fry": "threefry2x32", "urbg": "unsafe_rbg"}
dtypes.define_key_type("rbg", "rbg", (4,))
dtypes.define_key_type("unsafe_rbg", "urbg", (4,))


def _implementation(impl: Any, fun_name: str) -> str:
    name = config.default_prng_impl if impl is None else impl.impl if isinstance(impl, dtypes.KeyType) else str(impl)
    name = _SHORT_NAMES.get(name, name)
    if name not in IMPLEMENTATIONS:
        raise ValueError(f"{fun_name}: there is no generator {name!r}; known: {', '.join(IMPLEMENTATIONS)}")
    return name


def is_typed(key: Any) -> bool:
    """Whether ``key`` is an array of typed keys."""
    return isinstance(getattr(key, "dtype", None), dtypes.KeyType)


def generator(key: Any) -> str:
    """The name of a key's generator; of raw keys, the configured one."""
    return str(key.dtype.impl) if is_typed(key) else _implementation(None, "key_impl")


def _asked(fun_name: str) -> str:
    """The function of ``cotan.random`` that the user called: ``fun_name``, or what is made of it."""
    public = vars(sys.modules["cotan.random"])
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_hidden(frame):
        if frame.f_globals.get("__package__") == "cotan.random" and frame.f_code.co_name in public:
            fun_name = frame.f_code.co_name
        frame = frame.f_back
    return fun_name


def check_one_key(key: Any, fun_name: str) -> None:
    """Refuse what is not one key.

    Raises:
      TypeError: not a key. ValueError: several keys at once.
    """
    shape = () if is_typed(key) else (_check_raw(key, fun_name),)
    if key.shape != shape:
        kind, name = "" if is_typed(key) else f" (uint32[{shape[0]}])", _asked(fun_name)
        raise ValueError(
            f"{name} takes a single key{kind} and got an array of keys of shape {key.shape}; "
            f"map over them: cotan.vmap(lambda key: cotan.random.{name}(key, ...))(keys)"
        )


def key_words(key: Any, fun_name: str) -> tuple[Any, ...]:
    """The uint32 words of one key: two for Threefry, four for the others.

    Raises:
      TypeError: not a key. ValueError: several keys at once.
    """
    check_one_key(key, fun_name)
    if is_typed(key):
        data = random_unwrap(key)
    else:
        _legacy(fun_name)
        data = key
    return tuple(lax.index_in_dim(data, n, 0, keepdims=False) for n in range(data.shape[0]))


def _check_raw(keys: Any, fun_name: str) -> int:
    """How many words a raw key has; refuse what does not consist of them."""
    shape, dtype = getattr(keys, "shape", None), getattr(keys, "dtype", None)
    if shape is None or dtype != np.uint32:
        got = type(keys).__name__ if shape is None else f"an array of {dtype}"
        raise TypeError(
            f"{_asked(fun_name)} needs a key as its first argument, from cotan.random.key(seed), and got {got}"
        )
    name = generator(keys)
    if shape[-1:] != (_WORDS[name],):
        raise TypeError(
            f"{_asked(fun_name)}: raw keys of the configured generator {name!r} are uint32[..., {_WORDS[name]}], got "
            f"shape {shape}; keys of another generator must be typed: cotan.random.key or wrap_key_data(..., impl=...)"
        )
    return _WORDS[name]


def _legacy(fun_name: str) -> None:
    """Report or refuse a raw key, as the configuration says."""
    if config.legacy_prng_key == "allow":
        return
    text = (
        f"{where()}: {fun_name} got a raw key, an array uint32, and the flag legacy_prng_key is "
        f"{config.legacy_prng_key!r}; make keys by cotan.random.key, or turn raw ones into such by wrap_key_data"
    )
    if config.legacy_prng_key == "error":
        raise ValueError(text)
    warn(text, UserWarning)


def _like(key: Any, data: Any) -> Any:
    return random_wrap(data, impl=key.dtype.impl) if is_typed(key) else data


def _seed_data(seed: Any, fun_name: str, impl: str) -> Any:
    """The words of a seed's key: its upper and lower half, once or twice."""
    words = _seed_words(seed, fun_name)
    return words if _WORDS[impl] == 2 else lax.concatenate([words, words], 0)


def _seed_words(seed: Any, fun_name: str) -> Any:
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
    """A raw key, uint32[2] (or uint32[4], of the generators 'rbg' and 'unsafe_rbg'), from an integer seed.

    Where the flag ``enable_custom_prng`` is set, a typed one, as ``key`` makes.

    >>> import cotan
    >>> cotan.random.PRNGKey(7)
    Array([0, 7], dtype=uint32)
    """
    name = _implementation(impl, "PRNGKey")
    data = _seed_data(seed, "PRNGKey", name)
    return random_wrap(data, impl=name) if config.enable_custom_prng else data


def key(seed: Any, *, impl: Any = None, dtype: Any = None) -> Any:
    """A typed key, a scalar of dtype ``key<fry>`` or that of another generator, from an integer seed.

    Args:
      seed: an integer; 64-bit seeds are truncated to 32 bits unless 64-bit mode is on.
      impl: the generator: 'threefry2x32' (default), whose numbers are the same everywhere and for each example under
        ``vmap``; 'rbg', whose keys split as Threefry's do and whose bits come from Philox; 'unsafe_rbg', which splits
        by Philox too.
      dtype: the dtype of the key, instead of ``impl``.

    Raises:
      ValueError: there is no such generator, or both are given.

    >>> import cotan
    >>> cotan.random.key(0).dtype
    key<fry>
    """
    if impl is not None and dtype is not None:
        raise ValueError("key: give the generator by impl or by dtype, not by both")
    name = _implementation(impl if dtype is None else dtype, "key")
    return random_wrap(_seed_data(seed, "key", name), impl=name)


def key_data(keys: Any) -> Any:
    """The words of typed keys: uint32[..., 2], or 4 words of other generators. Raw keys pass unchanged.

    >>> import cotan
    >>> cotan.random.key_data(cotan.random.key(7, impl="rbg"))
    Array([0, 7, 0, 7], dtype=uint32)
    """
    if is_typed(keys):
        return random_unwrap(keys)
    _check_raw(keys, "key_data")
    return cnp.asarray(keys)


def wrap_key_data(key_bits_array: Any, *, impl: Any = None, dtype: Any = None) -> Any:
    """Typed keys from words uint32[..., 2] (4 words for the generators 'rbg' and 'unsafe_rbg').

    Args:
      impl: the name of the generator; None: the configured one.
      dtype: the dtype of its keys, or its name, instead of ``impl``.

    Raises:
      TypeError: another dtype or trailing extent of the words. ValueError: both ``impl`` and ``dtype`` are given.

    >>> import cotan
    >>> key = cotan.random.key(42)
    >>> cotan.random.wrap_key_data(cotan.random.key_data(key), dtype=key.dtype) == key
    Array(True, dtype=bool)
    """
    if impl is not None and dtype is not None:
        raise ValueError("wrap_key_data: impl and dtype both say which generator; give one of them")
    name = _implementation(dtype if impl is None else impl, "wrap_key_data")
    data = cnp.asarray(key_bits_array)
    count = _WORDS[name]
    if data.dtype != np.uint32 or data.ndim == 0 or data.shape[-1] != count:
        raise TypeError(
            f"wrap_key_data needs the words of keys, uint32[..., {count}], and got {data.dtype} of shape {data.shape}"
        )
    return random_wrap(data, impl=name)


def key_impl(keys: Any) -> str:
    """The name of the keys' generator."""
    if not is_typed(keys):
        _check_raw(keys, "key_impl")
    return generator(keys)


def key_dtype(impl_spec: Any = None) -> Any:
    """The dtype of typed keys of a generator (default: the configured one).

    >>> import cotan
    >>> cotan.random.key_dtype()
    key<fry>
    """
    return dtypes.KeyType(_implementation(impl_spec, "key_dtype"))


def clone(key: Any) -> Any:
    """The same keys, said to be used again on purpose."""
    if not is_typed(key):
        _check_raw(key, "clone")
    return key


def split(key: Any, num: int | tuple[int, ...] = 2) -> Any:
    """New, independent keys: shape ``num`` (an int or a tuple) of the same kind as ``key``.

    >>> import cotan
    >>> first, second = cotan.random.split(cotan.random.key(0))
    """
    shape = tuple(map(operator.index, num)) if isinstance(num, tuple | list) else (operator.index(num),)
    words = key_words(key, "split")
    return _like(key, _SPLIT[generator(key)](words, shape))


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
    return _like(key, _FOLD[generator(key)](words, lax.convert_element_type(data, np.uint32)))
