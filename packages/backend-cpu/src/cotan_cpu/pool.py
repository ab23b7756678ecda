"""Memory that is used again: size classes of large blocks, and workspaces of programs.

Page faults of fresh memory cost more than most kernels, so blocks are kept. A block comes back by itself when the last
array, view or DLPack capsule that refers to it is gone: ndarrays over it have a ``Block`` as their base, and its
finaliser returns the memory. Knows NumPy memory only, no buffers and no programs.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from cotan.backend.host_memory import HostBytes, aligned, size_class

SMALLEST = 1 << 16
"""Arrays of fewer bytes are ``numpy.empty``: the C allocator is quick there."""
_APART = 25 * 64
"""Blocks begin at different lines of a page; 25 lines bring neighbours far apart."""


class Block(np.ndarray):
    """The loan of a block: the base of the array over it, which gives the memory back when it dies."""

    shelf: list[HostBytes]
    memory: HostBytes

    def __del__(self) -> None:
        shelf = getattr(self, "shelf", None)
        if shelf is not None:
            shelf.append(self.memory)


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 << 30


class Pool:
    """Blocks by size class. Safe to use from several threads: it relies on single list operations only.

    Args:
      limit: how many bytes may lie unused; by default an eighth of the machine's memory.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit if limit is not None else _physical_memory() // 8
        self._shelves: dict[int, list[HostBytes]] = {}
        self._workspaces: list[HostBytes] = []

    def empty(self, shape: tuple[int, ...], dtype: Any, nbytes: int) -> np.ndarray:
        """A C-contiguous array of that shape with undefined contents; ``nbytes`` is its size."""
        if nbytes < SMALLEST:
            return np.empty(shape, dtype)
        size = size_class(nbytes)
        shelf = self._shelves.get(size)
        if shelf is None:
            shelf = self._shelves.setdefault(size, [])
        try:
            memory = shelf.pop()
        except IndexError:
            self._trim(size)
            memory = aligned(size, _APART)
        block = memory.view(Block)
        block.shelf = shelf
        block.memory = memory
        return np.ndarray(shape, dtype, block)

    def take_workspace(self, nbytes: int) -> HostBytes:
        """At least ``nbytes`` bytes, aligned; hand them back with ``return_workspace``."""
        try:
            workspace = self._workspaces.pop()
        except IndexError:
            return aligned(size_class(nbytes), _APART)
        if workspace.nbytes < nbytes:
            return aligned(size_class(nbytes), _APART)
        return workspace

    def return_workspace(self, workspace: HostBytes) -> None:
        """Keep a workspace for the next program."""
        if len(self._workspaces) < 8:
            self._workspaces.append(workspace)

    def unused(self) -> int:
        """Bytes that lie on the shelves."""
        shelves = sum(size * len(shelf) for size, shelf in list(self._shelves.items()))
        return shelves + sum(workspace.nbytes for workspace in list(self._workspaces))

    def clear(self) -> None:
        """Give all unused memory back to the system."""
        for shelf in list(self._shelves.values()):
            del shelf[:]
        del self._workspaces[:]

    def _trim(self, wanted: int) -> None:
        # Only reached when a fresh block is needed, so that the usual way stays short. Those of other sizes go first.
        excess = self.unused() + wanted - self.limit
        for size in sorted(self._shelves, reverse=True):
            shelf = self._shelves[size]
            while excess > 0 and shelf:
                try:
                    shelf.pop()
                except IndexError:
                    break
                excess -= size


pool = Pool()
"""The pool of this process: all CPU devices share their memory."""
