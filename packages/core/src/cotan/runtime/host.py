"""Values from the host: numbers and NumPy arrays become Arrays; a device that only holds them.

Knows no operation; see ``devices`` for what users call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from cotan import dtypes
from cotan.backend import Backend, Buffer, Capabilities, Device
from cotan.backend.host_memory import read_only
from cotan.backend.registry import INSTALL
from cotan.config import config
from cotan.errors import BackendUnavailableError, where
from cotan.ir.avals import ShapedArray, get_aval, shaped, valueless
from cotan.ir.trace import Tracer
from cotan.runtime.array import Array
from cotan.runtime.transfers import guarded

_DEFAULTS: dict[type, Callable[[], Any]] = {
    int: dtypes.default_int,
    float: dtypes.default_float,
    complex: dtypes.default_complex,
}


def lift_to(
    x: Any,
    device: Device,
    aval: ShapedArray | None = None,
    what: str = "an operation",
    *,
    copy: bool = True,
    explicit: bool | None = False,
) -> Array:
    """A number or NumPy array as an Array on ``device``; of type ``aval``, if that is given. ``what`` is for messages.

    Without ``copy`` the Array may share the memory of a NumPy array, so it must not outlive the caller's use of it.
    ``explicit`` says whether the user asked for the transfer; None: it is part of a program, and no guard is asked.

    Raises:
      TypeError: ``x`` is no array or number.
      OverflowError: a Python int that the default int dtype does not hold.
      UnexpectedTracerError: ``x`` is a tracer that has leaked.
      JaxRuntimeError: ``config.transfer_guard`` refuses the transfer.
    """
    default = _DEFAULTS.get(type(x))
    if default is not None:
        if type(x) is int:
            dtypes.coerce_scalar(x, what)  # raises if it does not fit
        if aval is None:
            aval = shaped((), default(), True)
        if explicit is not None and not config.plain_dispatch:
            guarded("host_to_device", f"{aval.short()} to {device}", explicit=explicit)
        return Array(aval, device.put(np.array(x, aval.dtype), copy=False), device)
    if type(x) is Array:
        return x
    if type(x) is not np.ndarray:  # which most values are
        if isinstance(x, Tracer):
            return lift_to(x.outside(), device, aval, what, copy=copy, explicit=explicit)
        if dtypes.is_python_scalar(x) and type(x) is not bool:
            return lift_to(dtypes.plain_scalar(x), device, aval, what, copy=copy, explicit=explicit)
        if type(x) in valueless:
            raise TypeError(
                f"{where()}: {what} needs a value, and a {type(x).__name__} ({get_aval(x).short()}) only describes "
                "one; it can stand for an array where nothing is computed, as in cotan.eval_shape"
            )
    if aval is None:
        aval = get_aval(x)
    value = np.asarray(x)
    dtype = aval.dtype
    if dtype == dtypes.float0:
        raise TypeError(
            f"{where()}: an array of dtype float0 (the derivative of integers or booleans) cannot be computed with; "
            "use cotan.numpy.zeros(x.shape)"
        )
    if explicit is not None and not config.plain_dispatch:
        guarded("host_to_device", f"{aval.short()} to {device}", explicit=explicit)
    if value.dtype == dtype:
        return Array(aval, device.put(value, copy=copy), device)
    with np.errstate(all="ignore"):
        return Array(aval, device.put(value.astype(dtype, order="C"), copy=False), device)


def from_words(words: np.ndarray[Any, Any], aval: ShapedArray, device: Device) -> Array:
    """An Array of type ``aval`` with the given stored value (for random keys: their words), as pickling needs it.

    Dtypes that do not exist now (64-bit ones, when these are off) become those that do.
    """
    if not dtypes.is_extended(aval.dtype):
        dtype = dtypes.canonicalize_dtype(aval.dtype)
        words = np.asarray(words, dtype)
        aval = shaped(aval.shape, dtype, aval.weak_type)
    return Array(aval, device.put(words), device)


# ---- A place for constants where there is no backend: programs can be traced and transformed without one


class _HeldBuffer(Buffer):
    """A NumPy array that waits for a device."""

    __slots__ = ("_array",)

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array = array

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    def to_host(self) -> np.ndarray[Any, Any]:
        return read_only(self._array)

    def copy_to(self, device: Device) -> Buffer:
        return device.put(self._array)

    def delete(self) -> None:
        self._array = np.empty(0)

    def is_deleted(self) -> bool:
        return False


class _HoldingDevice(Device):
    __slots__ = ("backend",)
    id = 0
    platform = "host"
    device_kind = "memory"

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def put(self, value: np.ndarray[Any, Any], *, copy: bool = True) -> Buffer:
        return _HeldBuffer(np.array(value, order="C") if copy else value)

    def synchronize(self) -> None:
        """Nothing is ever computed here."""


class _NoBackend(Backend):
    name = "none"
    capabilities = Capabilities(eager=True)

    def devices(self) -> list[Device]:
        return [holding_device]

    def eager(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise BackendUnavailableError(INSTALL)

    def compile(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise BackendUnavailableError(INSTALL)


holding_device = _HoldingDevice(_NoBackend())
