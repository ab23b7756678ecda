"""What backends share whose devices work in the host's memory: aligned blocks, their sizes, and results put there.

Knows no buffers, pools or programs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

_count = itertools.count()


class HostBytes(np.ndarray):
    """The bytes of a block. Not a plain ndarray, so that NumPy does not shorten an array's chain of bases past it."""


def aligned(nbytes: int, apart: int, space: int = 4096) -> HostBytes:
    """A block of undefined contents whose address is, modulo ``space``, the next multiple of ``apart``.

    A processor that compares only the lowest 12 bits of addresses takes a load for one that needs an earlier store, and
    waits, wherever two arrays lie alike.

    >>> block = aligned(300, apart=128)
    >>> block.nbytes, block.ctypes.data % 128
    (300, 0)
    """
    raw = np.empty(nbytes + space, np.uint8)
    start = (next(_count) * apart - raw.ctypes.data) % space
    return raw[start : start + nbytes].view(HostBytes)


def read_only(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A view of a C-contiguous array that stays read-only: of a buffer, for NumPy would unlock a view of an array.

    >>> read_only(np.arange(3)).flags.writeable = True
    Traceback (most recent call last):
      ...
    ValueError: cannot set WRITEABLE flag to True of this array
    """
    dtype = array.dtype
    if dtype.isbuiltin == 1:
        return np.asarray(array.data.toreadonly())
    # Element types that are not NumPy's own have no name by which a buffer could say them.
    return np.asarray(array.view(f"u{dtype.itemsize}").data.toreadonly()).view(dtype)


def size_class(nbytes: int) -> int:
    """The size of the blocks that serve ``nbytes``: eight classes for each power of two, in whole pages.

    >>> size_class(100_000), size_class(131_072)
    (106496, 131072)
    """
    step = 1 << max(nbytes.bit_length() - 4, 12)
    return -(-nbytes // step) * step


def put_results(name: str, targets: Sequence[np.ndarray], results: Sequence[Any]) -> None:
    """Copy what an operation's reference gave to where it belongs.

    Raises:
      TypeError: shape or dtype is not what the operation's abstract rule says, which ``targets`` have.

    >>> target = np.zeros(2, np.float32)
    >>> put_results("negate", [target], [np.float32([1, 2])])
    >>> target
    array([1., 2.], dtype=float32)
    """
    for target, result in zip(targets, results, strict=True):
        result = np.asarray(result)
        if result.shape != target.shape or result.dtype != target.dtype:
            raise TypeError(
                f"the reference of `{name}` gave {result.dtype}{list(result.shape)} where its abstract rule says "
                f"{target.dtype}{list(target.shape)}"
            )
        target[...] = result
