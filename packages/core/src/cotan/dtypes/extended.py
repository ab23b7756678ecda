"""Extended dtypes: element types whose elements are small arrays of a NumPy dtype (random keys), and ``float0``.

Knows nothing of arrays or of random numbers: an extended dtype is a name and how its elements are stored.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np


class extended(np.generic):
    """Abstract kind of all extended dtypes, for ``issubdtype``."""


class prng_key(extended):
    """Abstract kind of random key dtypes, for ``issubdtype``."""


class ExtendedDType:
    """A dtype whose elements are stored as arrays ``base[trailing]``.

    Attributes:
      name: how it prints.
      base: the NumPy dtype of the stored array.
      trailing: the shape that each element adds to the stored array.
      type: its abstract kind, for ``issubdtype``.
    """

    __slots__ = ("name", "base", "trailing")
    type: ClassVar[type[np.generic]] = extended
    kind = "extended"
    byteorder = "="
    fields = None

    def __init__(self, name: str, base: Any, trailing: tuple[int, ...]) -> None:
        self.name = name
        self.base = np.dtype(base)
        self.trailing = trailing

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        size: int = self.base.itemsize
        for extent in self.trailing:
            size *= extent
        return size

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is type(self) and other.name == self.name)  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.name))

    def __repr__(self) -> str:
        return self.name

    __str__ = __repr__


class KeyType(ExtendedDType):
    """The dtype of random keys of one generator; prints as ``key<fry>`` (fry: Threefry-2x32)."""

    __slots__ = ("impl_name",)
    type = prng_key
    _known: ClassVar[dict[str, KeyType]] = {}
    impl_name: str

    def __new__(cls, impl_name: str = "fry") -> KeyType:
        known = cls._known.get(impl_name)
        if known is None:
            if impl_name != "fry":
                raise ValueError(f"there is no random generator named {impl_name!r}; there is 'fry' (threefry2x32)")
            known = cls._known[impl_name] = super().__new__(cls)
        return known

    def __init__(self, impl_name: str = "fry") -> None:
        super().__init__(f"key<{impl_name}>", np.uint32, (2,))
        self.impl_name = impl_name

    def __reduce__(self) -> tuple[Any, ...]:
        return (KeyType, (self.impl_name,))


key_fry = KeyType("fry")

# The dtype of tangents of integers and booleans: it has one value, and no bytes.
float0 = np.dtype([("float0", np.void, 0)])
