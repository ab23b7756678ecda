"""Buffers of OpenCL devices, and the pool that their memory comes from and goes back to.

A fresh buffer of the driver costs more than most kernels. Memory may be used again as soon as nobody refers to it, as
commands that touch it keep their order; the host writes only to memory that no command given before can still use.
"""

from __future__ import annotations

import contextlib
import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from cotan.backend import Buffer, Device, host_memory
from cotan_opencl.driver import Memory, Queue

if TYPE_CHECKING:
    from cotan_opencl.backend import OpenclDevice


class Loan:
    """Memory in use, which goes back to the pool when the loan dies."""

    __slots__ = ("memory", "pool")

    def __init__(self, memory: Memory, pool: Pool) -> None:
        self.memory = memory
        self.pool = pool

    def __del__(self) -> None:
        self.pool.take_back(self.memory)


class View(np.ndarray):
    """The base of views on the host: it holds the loan."""

    loan: Loan


_SIZES_KNOWN = 4096


def size_class(nbytes: int) -> int:
    """The size of the memory that serves ``nbytes``: powers of two up to 64 KiB, then as for all of the host's.

    >>> size_class(1), size_class(300), size_class(100_000)
    (256, 512, 106496)
    """
    if nbytes <= 1 << 16:
        return max(256, 1 << max(nbytes - 1, 0).bit_length())
    return host_memory.size_class(nbytes)


class Pool:
    """Unused memory of one device by size. Safe to use from several threads: it relies on single list operations."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.limit = max(int(queue.found.handle.global_mem_size) // 8, 1 << 26)
        self.held = 0
        self._shelves: dict[int, list[Memory]] = {0: []}  # 0: what was borrowed
        self._for_bytes: dict[int, list[Memory]] = {}

    def take(self, nbytes: int, idle: bool = False) -> Loan:
        """Memory of at least so many bytes; ``idle``: such as no command can still use."""
        shelf = self._for_bytes.get(nbytes)
        if shelf is None:
            shelf = self.shelf(nbytes)
        try:
            memory = shelf.pop(0) if idle else shelf.pop()
        except IndexError:
            return Loan(self._fresh(size_class(nbytes)), self)
        if idle and not self._is_idle(memory):
            shelf.append(memory)
            memory = self._fresh(memory.nbytes)
        return Loan(memory, self)

    def shelf(self, nbytes: int) -> list[Memory]:
        """The unused memory that serves ``nbytes``; always the same list."""
        shelf = self._shelves.setdefault(size_class(nbytes), [])
        if len(self._for_bytes) >= _SIZES_KNOWN:
            self._for_bytes.clear()
        self._for_bytes[nbytes] = shelf
        return shelf

    def borrow(self, host: np.ndarray) -> Loan:
        """The host's own array as memory, for as long as it is lent or commands may use it."""
        self._let_go(0)
        with self.queue.translating("sharing an array"):
            return Loan(self.queue.over(host), self)

    def _fresh(self, size: int) -> Memory:
        self._let_go(0)
        if self.unused() + size > self.limit:
            self.clear()
        try:
            memory = self.queue.allocate(size)
        except (MemoryError, self.queue.cl.Error):
            self.queue.synchronize()
            self.clear()
            with self.queue.translating(f"an array of {size} bytes"):
                memory = self.queue.allocate(size)
        self.held += size
        return memory

    def take_back(self, memory: Memory) -> None:
        memory.events = (self.queue.last0, self.queue.last1)
        self._shelves[memory.nbytes].append(memory)

    def unused(self) -> int:
        """Bytes that lie on the shelves."""
        return sum(size * len(shelf) for size, shelf in list(self._shelves.items()))

    def _is_idle(self, memory: Memory) -> bool:
        return all(map(self.queue.done, memory.events))

    def clear(self) -> None:
        """Give unused memory back to the driver, but what commands may still use."""
        for size in list(self._shelves):
            self._let_go(size)

    def _let_go(self, size: int) -> None:
        shelf = self._shelves[size]
        for memory in shelf[:]:
            with contextlib.suppress(ValueError):  # another thread has taken it
                shelf.remove(memory)
                if self._is_idle(memory):
                    self.held -= size
                else:
                    shelf.append(memory)


class OpenclBuffer(Buffer):
    """``loan``: the memory, which a deleted buffer has not; ``event``: the command after which the value is there."""

    __slots__ = ("__weakref__", "device", "dtype", "event", "loan", "shape")
    loan: Loan

    def __init__(self, loan: Loan, shape: tuple[int, ...], dtype: np.dtype, device: OpenclDevice, event: Any) -> None:
        self.loan = loan
        self.shape = shape
        self.dtype = dtype
        self.device = device
        self.event = event

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape, start=self.dtype.itemsize)

    def wait(self) -> None:
        if self.event is not None:
            self.device.queue.wait(self.event)
            self.event = None

    def is_ready(self) -> bool:
        return self.device.queue.done(self.event)

    def to_host(self) -> np.ndarray:
        self.wait()
        loan, shape, dtype = self.loan, self.shape, self.dtype
        if loan.memory.host is not None:
            base = loan.memory.host.view(View)
            base.loan = loan
            return host_memory.read_only(np.ndarray(shape, dtype, base))
        view = np.empty(shape, dtype)
        if view.size:
            with self.device.queue.translating("reading an array"):
                self.device.queue.read(loan.memory, 0, view.reshape(-1).view(np.uint8))
        view.flags.writeable = False
        return view

    def copy_to(self, device: Device) -> Buffer:
        if device is not self.device:
            return device.put(self.to_host())
        queue = self.device.queue
        target = self.device.pool.take(self.nbytes)
        with queue.lock, queue.translating("copying an array"):
            if self.nbytes:
                queue.join()
                queue.copy(self.loan.memory, 0, target.memory, 0, self.nbytes)
                queue.queue.flush()
            return OpenclBuffer(target, self.shape, self.dtype, self.device, queue.last0)

    def delete(self) -> None:
        if hasattr(self, "loan"):
            del self.loan

    def is_deleted(self) -> bool:
        return not hasattr(self, "loan")

    def __repr__(self) -> str:
        state = ", deleted" if self.is_deleted() else ""
        return f"OpenclBuffer({self.dtype}{list(self.shape)}, {self.device}{state})"


def _references_of_an_exclusive_one() -> int:
    sample: Any = OpenclBuffer.__new__(OpenclBuffer)
    sample.loan = object()
    return sys.getrefcount(sample.loan)


_ALONE = _references_of_an_exclusive_one()


def is_exclusive(buffer: OpenclBuffer) -> bool:
    """Whether nothing but ``buffer`` can see its memory, so that it may be overwritten."""
    return sys.getrefcount(buffer.loan) <= _ALONE and buffer.loan.memory.nbytes > 0
