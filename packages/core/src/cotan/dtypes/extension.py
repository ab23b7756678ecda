"""Extended dtypes: element types whose elements are small arrays of a NumPy dtype (random keys), and ``float0``.

Knows nothing of arrays or of random numbers: an extended dtype is a name, a kind, and how its elements are stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# The dtype of tangents of integers and booleans: it has no bits, and its only value means zero.
float0: np.dtype[Any] = np.dtype([("float0", np.void, 0)])


class extended(np.generic):
    """Abstract kind of the dtypes that NumPy does not know; for ``issubdtype`` only."""


class prng_key(extended):
    """Abstract kind of the dtypes of typed random keys; for ``issubdtype`` only."""


class ExtendedDType:
    """A dtype whose elements are small arrays of a plain dtype, hidden from arithmetic.

    Attributes:
      name: what it prints as.
      type: its abstract kind, a subclass of ``extended``.
      base: the dtype of the array that holds it.
      trailing: the shape of one element in that array, its last axes.
      itemsize: bytes per element.
    """

    __slots__ = ("__weakref__", "base", "itemsize", "name", "trailing", "type")
    kind = "extended"

    def __init__(self, name: str, kind: Any, base: Any, trailing: tuple[int, ...]) -> None:
        self.name = name
        self.type = kind
        self.base = np.dtype(base)
        self.trailing = trailing
        self.itemsize = int(self.base.itemsize * np.prod(trailing, dtype=int))

    def __repr__(self) -> str:
        return self.name


class KeyType(ExtendedDType):
    """The dtype of typed keys of one generator. There is one object per generator, its ``impl`` names it.

    Args:
      impl: the name of a generator that ``define_key_type`` has made known.

    Raises:
      ValueError: there is no such generator.

    >>> KeyType("threefry2x32")
    key<fry>
    """

    __slots__ = ("impl",)
    impl: str

    def __new__(cls, impl: str) -> KeyType:
        known = _key_types.get(impl)
        if known is None:
            raise ValueError(f"there is no random generator named {impl!r}; known are {', '.join(_key_types)}")
        return known

    def __init__(self, impl: str) -> None:
        # `define_key_type` completed the object; looking it up changes nothing.
        pass

    def __reduce__(self) -> tuple[Any, ...]:
        return (KeyType, (self.impl,))


_key_types: dict[str, KeyType] = {}


def define_key_type(impl: str, tag: str, key_shape: tuple[int, ...]) -> KeyType:
    """Make the key dtype of a random generator known.

    Args:
      impl: the generator's name, as ``config.default_prng_impl`` gives it.
      tag: the short name in ``key<tag>``.
      key_shape: the shape of the uint32 words of one key.

    Raises:
      ValueError: a generator of that name is known with another tag or shape.
    """
    known = _key_types.get(impl)
    if known is None:
        known = object.__new__(KeyType)
        ExtendedDType.__init__(known, f"key<{tag}>", prng_key, np.uint32, tuple(key_shape))
        known.impl = impl
        _key_types[impl] = known
    elif known.name != f"key<{tag}>" or known.trailing != tuple(key_shape):
        raise ValueError(f"the random generator {impl!r} is already defined as {known} with key shape {known.trailing}")
    return known


define_key_type("threefry2x32", "fry", (2,))
