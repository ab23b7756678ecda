"""Numbers as arrays of rank 0 that never change: equal ones are one object, so that others may remember it."""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

import numpy as np

_LIMIT = 1024
_made: dict[tuple[Any, ...], np.ndarray] = {}
_known: WeakValueDictionary[int, np.ndarray] = WeakValueDictionary()


def constant(value: bool | int | float | complex, dtype: np.dtype[Any]) -> np.ndarray:
    """A Python number converted to ``dtype``, as a read-only array of rank 0.

    >>> constant(2, np.dtype("float32")) is constant(2, np.dtype("float32"))
    True
    """
    plain = value and type(value) is not complex
    key = (type(value), value if plain else repr(value), dtype)  # 0.0 == -0.0, also as parts
    found = _made.get(key)
    if found is None:
        with np.errstate(all="ignore"):
            found = np.asarray(value).astype(dtype)
        found.flags.writeable = False
        if len(_made) >= _LIMIT:
            _made.clear()
        _made[key] = found
        _known[id(found)] = found
    return found


def is_constant(array: np.ndarray) -> bool:
    """Whether ``array`` was made by ``constant``."""
    return _known.get(id(array)) is array
