"""Arrays in the memory of PJRT devices: there, back, across; what went wrong in computing them shows at the read.

Knows no program.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from cotan.backend import Buffer, Device
from cotan.errors import JaxRuntimeError, UnsupportedError, where
from cotan_xla_tpu import driver
from cotan_xla_tpu.host import raised_behind

if TYPE_CHECKING:
    from cotan_xla_tpu.backend import XlaBackend

ALIGNMENT = 64
_WIDENED = {
    np.dtype(getattr(ml_dtypes, name)): wide for name, wide in driver.NARROW.items() if hasattr(ml_dtypes, name)
}


class OutOfMemoryError(JaxRuntimeError, MemoryError):
    """A device has not enough memory for what a program needs."""


def explained(error: BaseException, what: str) -> BaseException:
    """What users see of an error of the runtime while ``what`` was done."""
    behind = raised_behind(error)
    if behind is not None:
        return behind
    text = str(error)
    if "RESOURCE_EXHAUSTED" in text or "Out of memory" in text:
        return OutOfMemoryError(
            f"{where()}: {what}: the device has not enough memory. Use smaller arrays, donate arguments "
            f"(donate_argnums), or free arrays with .delete(). XLA says: {text}"
        )
    return JaxRuntimeError(f"{where()}: {what} failed: {text}")


class XlaBuffer(Buffer):
    """One array of a PJRT client. ``value`` is jaxlib's array."""

    __slots__ = ("_view", "device", "value")

    def __init__(self, value: Any, device: XlaDevice) -> None:
        self.value = value
        self.device = device

    @property
    def nbytes(self) -> int:
        value = self.value
        return int(np.prod(value.aval.shape, dtype=np.int64)) * int(value.aval.dtype.itemsize)

    def to_host(self) -> np.ndarray:
        value = self.value
        self.wait()
        shape, dtype = value.aval.shape, value.aval.dtype
        if not self.device.on_host:
            return driver.fetch(value)
        size = self.nbytes
        if not size:
            return _read_only(np.empty(shape, dtype))
        memory = (ctypes.c_byte * size).from_address(driver.address(value))
        memory.owner = value  # views keep it, and it keeps the array
        self._view = weakref.ref(memory)
        return np.frombuffer(memoryview(memory).toreadonly(), np.uint8).view(dtype).reshape(shape)

    def copy_to(self, device: Device) -> Buffer:
        if not isinstance(device, XlaDevice):
            return device.put(self.to_host())
        value = self.value
        if device is self.device:
            return XlaBuffer(device.backend.copied(value, device), device)
        if device.client is self.device.client:
            return XlaBuffer(device.placed(value, value.aval, driver.DURING_CALL), device)
        return device.put(self.to_host())

    def delete(self) -> None:
        # The memory goes with the last view of it.
        self.value = None

    def is_deleted(self) -> bool:
        return self.value is None or bool(self.value.is_deleted())

    def is_viewed(self) -> bool:
        """Whether NumPy arrays that share the memory are about, so that it must not be overwritten."""
        try:
            return self._view() is not None
        except AttributeError:
            return False

    def wait(self) -> None:
        try:
            self.value.block_until_ready()
        except driver.XlaError as error:
            raise explained(error, "a computation on " + str(self.device)) from None

    def is_ready(self) -> bool:
        return bool(self.value.is_ready())


class NarrowBuffer(XlaBuffer):
    """An array of elements of less than a byte, which the device holds as whole bytes."""

    __slots__ = ("dtype",)

    def __init__(self, value: Any, device: XlaDevice, dtype: np.dtype) -> None:
        super().__init__(value, device)
        self.dtype = dtype

    def to_host(self) -> np.ndarray:
        return super().to_host().astype(self.dtype)

    def copy_to(self, device: Device) -> Buffer:
        found = super().copy_to(device)
        return NarrowBuffer(found.value, found.device, self.dtype) if type(found) is XlaBuffer else found


def _read_only(x: np.ndarray) -> np.ndarray:
    view = x.view()
    view.flags.writeable = False
    return view


class XlaDevice(Device):
    """One device of a PJRT client."""

    __slots__ = ("backend", "client", "device_kind", "id", "native", "on_host", "platform", "process_index")

    def __init__(self, native: Any, number: int, backend: XlaBackend) -> None:
        self.native = native
        self.client = native.client
        self.backend = backend
        self.id = number
        self.platform = backend.name
        self.device_kind = str(native.device_kind)
        self.process_index = int(native.process_index)
        self.on_host = native.platform == "cpu" and backend.client_kind == "cpu"

    def put(self, value: np.ndarray, *, copy: bool = True) -> XlaBuffer:
        if type(value) is not np.ndarray:
            value = np.asarray(value)
        dtype = value.dtype
        wide = _WIDENED.get(dtype)
        if wide is not None:
            value, copy = value.astype(wide), False
        elif dtype not in _accepted:
            self._check(dtype)
            if not dtype.isnative:
                value = value.astype(dtype.newbyteorder("="))
        flags = value.flags
        shared = not copy and flags.c_contiguous and flags.owndata and value.ctypes.data % ALIGNMENT == 0
        if not flags.c_contiguous:
            value = np.ascontiguousarray(value)
        kind = driver.aval(value.shape, value.dtype)
        there = self.placed(value, kind, driver.ZERO_COPY if shared else driver.DURING_CALL)
        return XlaBuffer(there, self) if wide is None else NarrowBuffer(there, self, dtype)

    def placed(self, value: Any, kind: Any, semantics: Any) -> Any:
        """jaxlib's array of ``value`` here."""
        native = self.native
        try:
            return driver.put([value], kind, driver.on_device(native), [native], semantics)
        except driver.XlaError as error:
            raise explained(error, f"bringing an array to {self}") from None

    def _check(self, dtype: np.dtype) -> None:
        if dtype.name not in driver.DTYPES:
            raise UnsupportedError(self.platform, "arrays", dtype, hint=f"{where()}: convert it with .astype first")
        if dtype.isnative:
            _accepted.add(dtype)

    def synchronize(self) -> None:
        # A device computes in the order of calls: what was given last is done last.
        XlaBuffer(
            self.placed(np.zeros((), np.int32), driver.aval((), np.dtype(np.int32)), driver.DURING_CALL), self
        ).wait()

    def memory_stats(self) -> dict[str, int]:
        try:
            found = self.native.memory_stats()
        except driver.XlaError:
            return {}
        return dict(found or {})

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __reduce__(self) -> tuple[Any, ...]:
        return (_device, (self.platform, self.id))


_accepted: set[np.dtype] = set()


@functools.cache
def _device(platform: str, number: int) -> Device:
    from cotan.backend import get_backend

    return next(device for device in get_backend(platform).devices() if device.id == number)
