"""Buffers of the CPU: thin objects around C-contiguous ndarrays, and when their memory may be taken over."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from cotan.backend import Buffer, Device
from cotan.backend.host_memory import read_only
from cotan_cpu.pool import Block

if TYPE_CHECKING:
    from cotan_cpu.backend import CpuDevice


class CpuBuffer(Buffer):
    """``array``: the C-contiguous ndarray that holds the value. Reading it after ``delete`` raises AttributeError.

    Made by ``buffer_of``: a constructor of its own would cost as much as all else.
    """

    __slots__ = ("__weakref__", "array", "device")
    array: np.ndarray
    device: CpuDevice

    @property
    def nbytes(self) -> int:
        return self.array.nbytes

    def to_host(self) -> np.ndarray:
        return read_only(self.array)

    def copy_to(self, device: Device) -> Buffer:
        return device.put(self.array)

    def delete(self) -> None:
        if hasattr(self, "array"):
            del self.array

    def is_deleted(self) -> bool:
        return not hasattr(self, "array")

    def __repr__(self) -> str:
        if self.is_deleted():
            return "CpuBuffer(deleted)"
        return f"CpuBuffer({self.array.dtype}{list(self.array.shape)}, {self.device})"


def buffer_of(array: np.ndarray, device: CpuDevice) -> CpuBuffer:
    """The buffer on ``device`` that is this C-contiguous array."""
    buffer = CpuBuffer()
    buffer.array = array
    buffer.device = device
    return buffer


def _references(buffer: CpuBuffer) -> int:
    return sys.getrefcount(buffer.array)


def _references_of_an_exclusive_one() -> int:
    sample: Any = CpuBuffer()
    sample.array = np.empty(1)
    return _references(sample)


_ALONE = _references_of_an_exclusive_one()


def is_exclusive(buffer: CpuBuffer) -> bool:
    """Whether nothing but ``buffer`` can see its memory, so that it may be overwritten.

    Views, memoryviews and DLPack capsules hold a reference to the array they came from, so counting is enough. Call it
    before taking further references to ``buffer.array``.
    """
    if _references(buffer) > _ALONE:
        return False
    array = buffer.array
    base = array.base
    if base is None:
        return array.flags.owndata and array.flags.writeable
    # A block has one array only: the one that Pool.empty made (two references: that array's and ours).
    return type(base) is Block and sys.getrefcount(base) <= _ALONE + 1
