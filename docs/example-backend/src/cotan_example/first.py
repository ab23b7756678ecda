"""The first step: door 1. Arrays lie in NumPy's memory, and operations run one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.backend import Backend, Buffer, Capabilities, Device, LoweringTable
from cotan.errors import UnsupportedError
from cotan.ir.primitive import Primitive, reference

DTYPES = Capabilities(eager=True).dtypes | {"float16", "bfloat16", "complex64", "complex128"}


class ExampleBuffer(Buffer):
    """A C-contiguous NumPy array that nobody writes to."""

    def __init__(self, array: np.ndarray) -> None:
        self.array: np.ndarray | None = array

    @property
    def nbytes(self) -> int:
        return self.live().nbytes

    def live(self) -> np.ndarray:
        """The array, if it has not been deleted."""
        if self.array is None:
            raise RuntimeError("this buffer has been deleted")
        return self.array

    def to_host(self) -> np.ndarray:
        view = self.live().view()
        view.flags.writeable = False
        return view

    def copy_to(self, device: Device) -> Buffer:
        return device.put(self.live())

    def delete(self) -> None:
        self.array = None

    def is_deleted(self) -> bool:
        return self.array is None


class ExampleDevice(Device):
    """The host itself."""

    id, platform, device_kind = 0, "example", "the host"

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def put(self, value: np.ndarray, *, copy: bool = True) -> ExampleBuffer:
        if not self.backend.capabilities.supports(value.dtype):
            raise UnsupportedError(self.backend.name, "arrays", value.dtype)
        return ExampleBuffer(np.array(value, value.dtype.newbyteorder("="), order="C"))

    def synchronize(self) -> None:
        """Everything has been computed when a call returns."""


class FirstBackend(Backend):
    """Runs single operations. What is not in its table runs by the primitive's own meaning in NumPy."""

    name = "example-first"
    capabilities = Capabilities(eager=True, dtypes=DTYPES, host_steps=True)

    def __init__(self) -> None:
        self._devices: list[Device] = [ExampleDevice(self)]
        self._table = LoweringTable(self.name)
        self._table.eager[Primitive.catalogue["tanh"]] = np.tanh

    def devices(self) -> list[Device]:
        return self._devices

    def lowerings(self) -> LoweringTable:
        return self._table

    def extend(self, table: LoweringTable) -> None:
        self._table = self._table.merged([table])

    def eager(
        self, primitive: Primitive, buffers: Sequence[Any], params: dict[str, Any], out_avals: Any, device: Device
    ) -> list[Buffer]:
        rule = self._table.eager.get(primitive) or reference.get(primitive)
        if rule is None:
            raise UnsupportedError(self.name, f"the primitive `{primitive}`")
        with np.errstate(all="ignore"):
            results = rule(*(buffer.live() for buffer in buffers), **params)
        return [ExampleBuffer(np.array(x, order="C")) for x in (results if primitive.multiple_results else [results])]
