"""Buffers of OpenCL devices, and the pool that their memory comes from and goes back to.

A fresh buffer of the driver costs more than most kernels. Memory may be used again as soon as nobody refers to it, as
the queue is in order; the host writes only to memory that no command in the queue can still use.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from cotan.backend import Buffer, Device
from cotan_opencl.driver import Memory, Queue

if TYPE_CHECKING:
    from cotan_opencl.backend import OpenclDevice


class Block(np.ndarray):
    """A loan of memory, which it gives back when it dies: the base of every view of a buffer on the host."""

    memory: Memory
    pool: Pool | None

    def __del__(self) -> None:
        pool = getattr(self, "pool", None)
        if pool is not None:
            pool.take_back(self.memory)


_NOTHING = np.empty(0, np.uint8)


def size_class(nbytes: int) -> int:
    """The size of the memory that serves ``nbytes``: powers of two, and eight steps between them from 64 KiB.

    >>> size_class(1), size_class(300), size_class(100_000)
    (256, 512, 106496)
    """
    if nbytes <= 1 << 16:
        return max(256, 1 << max(nbytes - 1, 0).bit_length())
    step = 1 << (nbytes.bit_length() - 4)
    return -(-nbytes // step) * step


class Pool:
    """Unused memory of one device by size. Safe to use from several threads: it relies on single list operations."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.limit = max(int(queue.found.handle.global_mem_size) // 8, 1 << 26)
        self.held = 0
        self._shelves: dict[int, list[Memory]] = {}

    def take(self, nbytes: int, idle: bool = False) -> Block:
        """Memory of at least so many bytes; ``idle``: such as no command can still use."""
        size = size_class(nbytes)
        shelf = self._shelves.get(size)
        if shelf is None:
            shelf = self._shelves.setdefault(size, [])
        try:
            memory = shelf.pop(0) if idle else shelf.pop()
        except IndexError:
            memory = None
        if memory is not None and idle and not self.queue.done(memory.event):
            shelf.append(memory)
            memory = None
        return self.lend(self._fresh(size) if memory is None else memory)

    def lend(self, memory: Memory, comes_back: bool = True) -> Block:
        block = (_NOTHING if memory.host is None else memory.host).view(Block)
        block.memory = memory
        block.pool = self if comes_back else None
        return block

    def _fresh(self, size: int) -> Memory:
        if self.unused() + size > self.limit:
            self.clear()
        try:
            memory = self.queue.allocate(size)
        except (MemoryError, self.queue.cl.Error) as error:
            self.clear()
            try:
                memory = self.queue.allocate(size)
            except (MemoryError, self.queue.cl.Error):
                raise self.queue.translated(error, f"an array of {size} bytes") from error
        self.held += size
        return memory

    def take_back(self, memory: Memory) -> None:
        memory.event = self.queue.last
        shelf = self._shelves.get(memory.nbytes)
        if shelf is not None:
            shelf.append(memory)

    def unused(self) -> int:
        """Bytes that lie on the shelves."""
        return sum(size * len(shelf) for size, shelf in list(self._shelves.items()))

    def clear(self) -> None:
        """Give unused memory back to the driver."""
        self.held -= self.unused()
        for shelf in list(self._shelves.values()):
            del shelf[:]


class OpenclBuffer(Buffer):
    """``block``: the memory; ``event``: the command after which the value is there. ``block`` is None once deleted."""

    __slots__ = ("__weakref__", "block", "device", "dtype", "event", "shape")
    block: Block

    def __init__(self, block: Block, shape: tuple[int, ...], dtype: np.dtype, device: OpenclDevice, event: Any) -> None:
        self.block = block
        self.shape = shape
        self.dtype = dtype
        self.device = device
        self.event = event

    @property
    def nbytes(self) -> int:
        size = self.dtype.itemsize
        for extent in self.shape:
            size *= extent
        return size

    def wait(self) -> None:
        if self.event is not None:
            self.device.queue.wait(self.event)
            self.event = None

    def is_ready(self) -> bool:
        return self.device.queue.done(self.event)

    def to_host(self) -> np.ndarray:
        self.wait()
        block, shape, dtype = self.block, self.shape, self.dtype
        if block.memory.host is not None:
            view = np.ndarray(shape, dtype, block)
        else:
            view = np.empty(shape, dtype)
            if view.size:
                queue = self.device.queue
                try:
                    queue.read(block.memory, 0, view.reshape(-1).view(np.uint8))
                except queue.cl.Error as error:
                    raise queue.translated(error, "reading an array") from error
        view.flags.writeable = False
        return view

    def copy_to(self, device: Device) -> Buffer:
        if device is not self.device:
            return device.put(self.to_host())
        queue = self.device.queue
        target = self.device.pool.take(self.nbytes)
        with queue.lock:
            if self.nbytes:
                queue.copy(self.block.memory, 0, target.memory, 0, self.nbytes)
            return OpenclBuffer(target, self.shape, self.dtype, self.device, queue.last)

    def delete(self) -> None:
        if hasattr(self, "block"):
            del self.block

    def is_deleted(self) -> bool:
        return not hasattr(self, "block")

    def __repr__(self) -> str:
        state = ", deleted" if self.is_deleted() else ""
        return f"OpenclBuffer({self.dtype}{list(self.shape)}, {self.device}{state})"


def _references(buffer: OpenclBuffer) -> int:
    return sys.getrefcount(buffer.block)


def _references_of_an_exclusive_one() -> int:
    sample: Any = OpenclBuffer.__new__(OpenclBuffer)
    sample.block = _NOTHING.view(Block)
    return _references(sample)


_ALONE = _references_of_an_exclusive_one()


def is_exclusive(buffer: OpenclBuffer) -> bool:
    """Whether nothing but ``buffer`` can see its memory, so that it may be overwritten."""
    return _references(buffer) <= _ALONE and buffer.block.pool is not None
