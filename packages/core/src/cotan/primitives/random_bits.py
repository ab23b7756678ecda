"""Random bits: the Threefry-2x32 block cipher (Salmon et al., SC 2011; 20 rounds) and the type of keys.

Seeding, splitting and distributions are functions of these, elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.rules import none
from cotan.primitives import define
from cotan.primitives.algebra import ELEMENTS, PRIMITIVES
from cotan.primitives.define import first_order
from cotan.primitives.operands import Dtypes, move_axis

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_WORD = Dtypes("uint32", [np.uint32])

# ---- threefry2x32

threefry2x32_p = first_order("threefry2x32", multiple_results=True)


def threefry2x32(k0: Any, k1: Any, c0: Any, c1: Any) -> tuple[Any, Any]:
    """The cipher's two output words for each counter (c0, c1) under the key (k0, k1).

    Args:
      k0, k1, c0, c1: uint32 arrays of one shape; scalars stand for any shape.

    Raises:
      TypeError: another dtype, or shapes that differ.

    >>> import numpy as np
    >>> from cotan.primitives.random_bits import threefry2x32
    >>> zero = np.uint32(0)
    >>> [hex(int(word)) for word in threefry2x32(zero, zero, zero, zero)]
    ['0x6b200159', '0x99ba4efe']
    """
    first, second = threefry2x32_p.bind(k0, k1, c0, c1)
    return first, second


@tables.abstract(threefry2x32_p)
def _(*words: ShapedArray) -> list[ShapedArray]:
    dtype = define.elementwise_dtype("threefry2x32", _WORD, words)
    return [shaped(define.elementwise_shape("threefry2x32", words), dtype)] * 2


define.zero_derivative(threefry2x32_p)
define.elementwise_batch(threefry2x32_p)


def _cipher(o: Any, k0: Any, k1: Any, c0: Any, c1: Any) -> list[Any]:
    """20 rounds, in groups of four; after each group a part of the key and the group's number are added."""
    k2 = o.bit_xor(o.bit_xor(k0, k1), o.const(_PARITY, k0))
    keys = (k0, k1, k2)
    x, y = o.add(c0, k0), o.add(c1, k1)
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x = o.add(x, y)
            y = o.bit_or(o.shl(y, o.const(rotation, y)), o.shr(y, o.const(32 - rotation, y)))
            y = o.bit_xor(x, y)
        x = o.add(x, keys[(group + 1) % 3])
        y = o.add(y, o.add(keys[(group + 2) % 3], o.const(group + 1, y)))
    return [x, y]


def _encrypt(k0: Any, k1: Any, x: Any, y: Any, spare: Any) -> None:
    """The cipher of the counters in ``x`` and ``y``, in their place; ``spare`` is scratch of the same shape."""
    keys = (k0, k1, k0 ^ k1 ^ np.uint32(_PARITY))
    np.add(x, k0, out=x)
    np.add(y, k1, out=y)
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            np.add(x, y, out=x)
            np.right_shift(y, np.uint32(32 - rotation), out=spare)
            np.left_shift(y, np.uint32(rotation), out=y)
            np.bitwise_or(y, spare, out=y)
            np.bitwise_xor(y, x, out=y)
        np.add(x, keys[(group + 1) % 3], out=x)
        np.add(y, keys[(group + 2) % 3] + np.uint32(group + 1), out=y)


_BLOCK = 8192


@tables.reference(threefry2x32_p)
def _(k0: Any, k1: Any, c0: Any, c1: Any) -> list[Any]:
    shape = np.broadcast_shapes(k0.shape, k1.shape, c0.shape, c1.shape)
    # At least one axis, for scalar arithmetic would warn of what is meant to wrap.
    words = [np.atleast_1d(word) for word in (k0, k1, c0, c1)]
    x = np.array(np.broadcast_to(words[2], shape or (1,)))
    y = np.array(np.broadcast_to(words[3], shape or (1,)))
    if all(key.size == 1 for key in words[:2]):
        # Block by block the scratch stays in the cache.
        first, second = x.reshape(-1), y.reshape(-1)
        keys = [key.reshape(1) for key in words[:2]]
        spare = np.empty(min(_BLOCK, first.size), np.uint32)
        for start in range(0, first.size, _BLOCK):
            part = first[start : start + _BLOCK]
            _encrypt(*keys, part, second[start : start + _BLOCK], spare[: part.size])
    else:
        _encrypt(words[0], words[1], x, y, np.empty_like(x))
    return [x.reshape(shape), y.reshape(shape)]


@tables.kernel(threefry2x32_p)
def _(i: Any, *words: scalar.Operand) -> Any:
    return tuple(_cipher(ELEMENTS, *(x[i] if x.shape else x[()] for x in words)))


@tables.decompose(threefry2x32_p)
def _(k0: Any, k1: Any, c0: Any, c1: Any) -> list[Any]:
    return _cipher(PRIMITIVES, k0, k1, c0, c1)


tables.cost[threefry2x32_p] = lambda ins, outs, **params: (110 * outs[0].size, sum(x.nbytes for x in (*ins, *outs)))

# ---- Keys: arrays of key type hold words uint32[..., n]; wrapping and unwrapping change the type alone

random_wrap_p = first_order("random_wrap", required=True)
random_unwrap_p = first_order("random_unwrap", required=True)
_SAME_BUFFER = none("a change of type alone: basic")


def random_wrap(base: Any, *, impl: str = "threefry2x32") -> Any:
    """Typed keys of shape s from words uint32[s, n], n of which make a key of that generator.

    Raises:
      TypeError: another dtype, or a last axis of another extent.
    """
    return random_wrap_p.bind(base, impl=impl)


@tables.abstract(random_wrap_p)
def _(x: ShapedArray, *, impl: str) -> ShapedArray:
    dtype = dtypes.KeyType(impl)
    if x.dtype != np.uint32 or x.shape[-1:] != dtype.trailing:
        words = f"uint32[..., {dtype.trailing[0]}]"
        raise TypeError(f"random_wrap: key words must be {words}, got {x.dtype} of shape {x.shape}")
    return shaped(x.shape[:-1], dtype)


def random_unwrap(keys: Any) -> Any:
    """The words uint32[s, n] of typed keys of shape s.

    Raises:
      TypeError: not an array of keys.
    """
    return random_unwrap_p.bind(keys)


@tables.abstract(random_unwrap_p)
def _(keys: ShapedArray) -> ShapedArray:
    if not isinstance(keys.dtype, dtypes.KeyType):
        raise TypeError(f"random_unwrap takes typed keys (see cotan.random.key), got {keys.dtype}")
    return shaped(keys.shape + keys.dtype.trailing, np.dtype(np.uint32))


define.zero_derivative(random_wrap_p)
define.zero_derivative(random_unwrap_p)


@tables.batch(random_wrap_p)
def _(axis: Any, args: Sequence[Any], dims: Sequence[int], *, impl: str) -> Any:
    return random_wrap_p.bind(move_axis(args[0], dims[0], 0), impl=impl), 0


@tables.batch(random_unwrap_p)
def _(axis: Any, args: Sequence[Any], dims: Sequence[int]) -> Any:
    return random_unwrap_p.bind(args[0]), dims[0]


@tables.reference(random_wrap_p, random_unwrap_p)
def _(x: Any, **params: Any) -> Any:
    return x.copy()


@tables.kernel(random_wrap_p, random_unwrap_p)
def _(i: Any, x: scalar.Operand, **params: Any) -> Any:
    """Of the word at ``i``: both operand and result are seen as arrays of words here."""
    return x[i]


tables.decompose[random_wrap_p] = _SAME_BUFFER
tables.decompose[random_unwrap_p] = _SAME_BUFFER
