"""cotan.dlpack: arrays from other libraries through the DLPack protocol."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes as _dtypes
from cotan import tracebacks as _tracebacks
from cotan.numpy.creation import from_dlpack as _from_dlpack

_SUPPORTED = frozenset(
    np.dtype(name)
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    )
)


def from_dlpack(external_array: Any, device: Any = None, copy: bool | None = None) -> Any:
    """An array with the values of another library's array; they are copied.

    Raises:
      TypeError: it has no ``__dlpack__``. ValueError: ``copy=False`` was asked for.

    >>> import numpy as np, cotan
    >>> cotan.dlpack.from_dlpack(np.arange(3, dtype=np.float32))
    Array([0., 1., 2.], dtype=float32)
    """
    return _from_dlpack(external_array, device=device, copy=copy)


def is_supported_dtype(dtype: Any) -> bool:
    """Whether arrays of a dtype can be exchanged through DLPack.

    >>> import cotan
    >>> cotan.dlpack.is_supported_dtype("float32"), cotan.dlpack.is_supported_dtype(cotan.numpy.int4)
    (True, False)
    """
    return _dtypes.as_dtype(dtype) in _SUPPORTED


_tracebacks.guard(globals())
