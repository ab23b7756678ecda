"""Arithmetic of large arrays, put off: it becomes part of the arithmetic that reads its result.

Outside of programs every operation is a pass over memory, and no cache keeps a large array from one to the next. So an
operation gives a buffer without memory. Arithmetic that reads it computes both in one pass, once it has been met often;
whoever else asks has it computed then. Values are those of single operations: code for both does just what theirs does.
What is put off holds its operands' arrays, so that none of them is overwritten meanwhile.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cotan.ir.avals import ShapedArray
from cotan_cpu.buffers import CpuBuffer, buffer_of
from cotan_cpu.pool import pool

if TYPE_CHECKING:
    from cotan_cpu.spans import Operation, Span

PAYS_FROM = 8
"""Times that two operations follow on each other before code for both is made."""
_KEPT = 256


class Work(NamedTuple):
    """What is put off: ``run(*arrays)`` is the result."""

    operation: Operation
    run: Callable[..., np.ndarray]
    arrays: tuple[np.ndarray, ...]
    nbytes: int


class LaterBuffer(CpuBuffer):
    """A buffer whose array is computed when it is first asked for. ``work``: None once that was done."""

    __slots__ = ("work",)
    work: Work | None

    def __getattr__(self, name: str) -> Any:
        # Only reached if the slot was empty.
        if name != "array":
            raise AttributeError(name)
        work = self.work
        if work is None:
            return object.__getattribute__(self, name)  # deleted, or computed by another thread in this moment
        self.array = work.run(*work.arrays)
        self.work = None
        return self.array

    @property
    def nbytes(self) -> int:
        work = self.work
        return self.array.nbytes if work is None else work.nbytes

    def wait(self) -> None:
        if self.work is not None:
            _ = self.array

    def is_ready(self) -> bool:
        return self.work is None

    def delete(self) -> None:
        self.work = None
        super().delete()

    def is_deleted(self) -> bool:
        return self.work is None and super().is_deleted()


class _Pair:
    """Operations of which some read the results of others."""

    __slots__ = ("met", "span")

    def __init__(self) -> None:
        self.met = 0
        self.span: Span | None = None


@functools.lru_cache(maxsize=_KEPT)
def _pair(last: Operation, before: tuple[Operation | None, ...]) -> _Pair:
    return _Pair()


def _together(last: Operation, works: Sequence[Work | None]) -> Span | None:
    """The code for an operation and what was put off of its operands; None where single operations will do."""
    before = tuple(None if work is None else work.operation for work in works)
    pair = _pair(last, before)
    pair.met += 1
    if pair.met == PAYS_FROM:
        from cotan_cpu.spans import joined

        pair.span = joined(last, before)
    return pair.span


def direct(
    operation: Operation, out: ShapedArray, run: Callable[..., np.ndarray], device: Any
) -> Callable[..., CpuBuffer]:
    """The shortest way of arithmetic on large arrays, which is ``run`` on ndarrays."""
    shape, dtype, nbytes = out.shape, out.dtype, out.nbytes

    def compute(*buffers: CpuBuffer) -> CpuBuffer:
        works = [buffer.work if type(buffer) is LaterBuffer else None for buffer in buffers]
        if any(work is not None for work in works):
            span = _together(operation, works)
            if span is not None:
                arrays: list[np.ndarray] = []
                for work, buffer in zip(works, buffers, strict=True):
                    arrays += [buffer.array] if work is None else work.arrays
                result = pool.empty(shape, dtype, nbytes)
                span(*arrays, result)
                return buffer_of(result, device)
        later = LaterBuffer()
        later.device = device
        later.work = Work(operation, run, tuple([buffer.array for buffer in buffers]), nbytes)
        return later

    return compute
