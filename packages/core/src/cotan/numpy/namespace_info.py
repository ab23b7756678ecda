"""What the array API standard asks of a namespace about itself: dtypes, devices, capabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes
from cotan.config import config
from cotan.errors import where
from cotan.runtime.devices import as_device, devices

_NAMES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64", "complex64", "complex128"),
)


class ArrayNamespaceInfo:
    """What ``cotan.numpy`` has of the array API standard.

    >>> import cotan.numpy as cnp
    >>> cnp.__array_namespace_info__().default_dtypes()["real floating"]
    dtype('float32')
    """

    def capabilities(self) -> dict[str, Any]:
        """Which optional features there are: results whose shape depends on values are, while nothing is traced."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> None:
        """None: an array goes to ``config.default_device``, or to where its operands are."""
        return None

    def devices(self) -> list[Any]:
        """What the argument ``device`` may be: None, or a device."""
        return [None, *devices()]

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """The dtypes that numbers of each kind have if none is asked for."""
        self._check(device)
        return {
            "real floating": dtypes.default_float(),
            "complex floating": dtypes.default_complex(),
            "integral": dtypes.default_int(),
            "indexing": dtypes.default_int(),
        }

    def dtypes(self, *, device: Any = None, kind: str | tuple[str, ...] | None = None) -> dict[str, Any]:
        """The dtypes of the standard that arrays can have, by name.

        Args:
          kind: one or several of "bool", "integral", "real floating" ...: those only.

        Raises:
          ValueError: an unknown kind.
        """
        self._check(device)
        found = {name: np.dtype(name) for name in _NAMES}
        if not config.enable_x64:
            found = {name: dtype for name, dtype in found.items() if dtypes.canonicalize_dtype(dtype) == dtype}
        return found if kind is None else {n: dtype for n, dtype in found.items() if dtypes.isdtype(dtype, kind)}

    def _check(self, device: Any) -> None:
        if device is not None:
            try:
                as_device(device)
            except TypeError:
                raise ValueError(
                    f"{where()}: {device!r} is not a device; give None or one of cotan.devices()"
                ) from None


def __array_namespace_info__() -> ArrayNamespaceInfo:
    """What ``cotan.numpy`` has of the array API standard: dtypes, devices, capabilities."""
    return ArrayNamespaceInfo()
