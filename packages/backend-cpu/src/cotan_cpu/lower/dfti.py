"""Fourier transforms by MKL's DFTI, several lines at a time, shared among threads by the parallel-for of ``native``.

A plan is made of stages that follow each other: one axis each, or all of them where one transform fits into a cache. A
stage is cut into units, blocks of lines for which there is one descriptor, and one more for a shorter last block; how,
does not depend on the number of threads, and so results don't either. Knows arrays by addresses; ``fft`` decides when.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cotan_cpu import driver, native
from cotan_cpu.pool import pool

# DFTI's numbers for what can be set, and for values.
_FORWARD_SCALE, _BACKWARD_SCALE, _TRANSFORMS, _STORAGE, _PLACEMENT = 4, 5, 7, 10, 11
_IN_STRIDES, _OUT_STRIDES, _IN_DISTANCE, _OUT_DISTANCE = 12, 13, 14, 15
_COMPLEX, _REAL, _COMPLEX_COMPLEX, _IN_PLACE, _NOT_IN_PLACE = 32, 33, 39, 43, 44

_BLOCK = 1 << 14
"""Elements of a unit, so that a call's own time is little beside its work."""
_NARROWEST = 16
"""Of a block of columns: a line of the cache is read whole."""
_WHOLE = 1 << 15
"""Elements up to which a transform over several axes is one call."""
_MOST_AXES = 7
"""Of one call."""
_FEWEST = 1 << 11
"""Elements below which SciPy's pocketfft is done before a stage has begun."""
_EXACT = 13
"""The largest prime factor of a length in double precision. With factors of 17 to 149, MKL's results are off by 30 to
250 ulp of the largest, where pocketfft's are by 5."""
_OPERAND, _RESULT, _SCRATCH = 0, 1, 2
_STATUS = 10
"""The word of a table in which errors are noted."""

TEXT = """
; Units begin..end of a stage. The table: operand, result, descriptor, that of the last block of a row, function, blocks
; in a row, bytes from one row to the next and from one block to the next, in operand and result; errors.
define void @cotan_fft_stage(ptr %table, i64 %begin, i64 %end) {
entry:
  %in = load ptr, ptr %table
READ
  br label %head
head:
  %unit = phi i64 [ %begin, %entry ], [ %unit1, %next ]
  %more = icmp slt i64 %unit, %end
  br i1 %more, label %body, label %exit
body:
  %row = udiv i64 %unit, %blocks
  %block = urem i64 %unit, %blocks
  %block1 = add i64 %block, 1
  %is_last = icmp eq i64 %block1, %blocks
  %descriptor = select i1 %is_last, ptr %last, ptr %full
  %in_r = mul i64 %row, %in_row
  %in_b = mul i64 %block, %in_block
  %in_offset = add i64 %in_r, %in_b
  %from = getelementptr i8, ptr %in, i64 %in_offset
  %out_r = mul i64 %row, %out_row
  %out_b = mul i64 %block, %out_block
  %out_offset = add i64 %out_r, %out_b
  %to = getelementptr i8, ptr %out, i64 %out_offset
  %status = call i64 (ptr, ptr, ...) %compute(ptr %descriptor, ptr %from, ptr %to)
  %good = icmp eq i64 %status, 0
  br i1 %good, label %next, label %bad
bad:
  %before = atomicrmw or ptr %errors, i64 %status monotonic
  br label %next
next:
  %unit1 = add i64 %unit, 1
  br label %head
exit:
  ret void
}
"""
_WORDS = (
    ("out", "ptr"), ("full", "ptr"), ("last", "ptr"), ("compute", "ptr"), ("blocks", "i64"),
    ("in_row", "i64"), ("in_block", "i64"), ("out_row", "i64"), ("out_block", "i64"),
)  # fmt: skip


def text() -> str:
    """The IR of the function that does units of a stage."""
    read = "".join(
        f"  %{name}_at = getelementptr i64, ptr %table, i64 {place}\n  %{name} = load {kind}, ptr %{name}_at\n"
        for place, (name, kind) in enumerate(_WORDS, 1)
    )
    return TEXT.replace("READ\n", f"{read}  %errors = getelementptr i64, ptr %table, i64 {_STATUS}\n")


class RefusedError(Exception):
    """MKL does not make a descriptor; somebody else does the transform."""


class Descriptor:
    """A committed DFTI descriptor, which several threads may use at once; freed with the last reference."""

    __slots__ = ("_library", "address")

    def __init__(self, lines: Lines, count: int) -> None:
        """Of ``count`` neighbouring lines."""
        self._library = library = driver.numerics().handle
        self.address = 0
        handle, rank, long = ctypes.c_void_p(), len(lines.lengths), ctypes.c_long
        sizes = (long(rank), (long * rank)(*lines.lengths)) if rank > 1 else (long(lines.lengths[0]),)
        create = getattr(library, f"DftiCreateDescriptor_{lines.letter}_{'md' if rank > 1 else '1d'}")
        _check(create(ctypes.byref(handle), _REAL if lines.real else _COMPLEX, *sizes))
        self.address = handle.value or 0
        strides = long * (rank + 1)
        settings: list[tuple[int, Any]] = [
            (_TRANSFORMS, long(count)),
            (_PLACEMENT, _IN_PLACE if lines.in_place else _NOT_IN_PLACE),
            (_IN_STRIDES, strides(0, *lines.strides[0])),
            (_OUT_STRIDES, strides(0, *lines.strides[1])),
            (_FORWARD_SCALE if lines.forward else _BACKWARD_SCALE, ctypes.c_double(lines.scale)),
        ]
        if lines.real:
            settings.append((_STORAGE, _COMPLEX_COMPLEX))
        if count > 1:
            settings.append((_IN_DISTANCE, long(lines.distances[0])))
            settings.append((_OUT_DISTANCE, long(lines.distances[1])))
        for what, value in settings:
            _check(library.DftiSetValue(handle, what, value))
        _check(library.DftiCommitDescriptor(handle))

    def __del__(self) -> None:
        if self.address:
            self._library.DftiFreeDescriptor(ctypes.byref(ctypes.c_void_p(self.address)))


def _check(status: int) -> None:
    if status:
        raise RefusedError


@dataclass(frozen=True)
class Lines:
    """What a descriptor transforms: pairs are of operand and result, in elements of each.

    Attributes:
      letter: ``"s"`` or ``"d"``.
      real: whether one side is real.
    """

    letter: str
    real: bool
    forward: bool
    in_place: bool
    lengths: tuple[int, ...]
    strides: tuple[tuple[int, ...], tuple[int, ...]]
    distances: tuple[int, int]
    scale: float


@dataclass(frozen=True)
class Stage:
    """One loop over units: see ``TEXT``. ``places`` are those of operand and result; the descriptors are kept alive."""

    places: tuple[int, int]
    units: int
    words: tuple[int, ...]
    descriptors: tuple[Descriptor, Descriptor]


@dataclass(frozen=True)
class Plan:
    """The stages of a transform, and the elements of scratch that they need."""

    stages: tuple[Stage, ...]
    scratch: int


def _stage(
    lines: Lines, places: tuple[int, int], rows: int, count: int, row: tuple[int, int], sizes: list[int]
) -> Stage:
    """Of ``rows`` times ``count`` lines; ``row`` has the distances of rows, ``sizes`` the bytes of elements."""
    narrowest = 1 if min(lines.strides[0]) == 1 else _NARROWEST
    block = min(count, max(narrowest, _BLOCK // math.prod(lines.lengths)))
    blocks = -(-count // block)
    full = Descriptor(lines, block)
    rest = count - (blocks - 1) * block
    last = full if rest == block else Descriptor(lines, rest)
    name = "DftiComputeForward" if lines.forward else "DftiComputeBackward"
    compute = driver.blas_symbols([name])[name]
    steps = [(row * sizes[k], lines.distances[k] * block * sizes[k]) for k in (0, 1)]
    words = (full.address, last.address, compute, blocks, *steps[0], *steps[1], 0)
    return Stage(places, rows * blocks, words, (full, last))


class _Planner:
    """Makes the stages of one transform."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, name: str, lengths: tuple[int, ...]) -> None:
        self.batch = math.prod(shape[: len(shape) - len(lengths)])
        self.lengths, self.name = lengths, name
        self.forward = name in ("FFT", "RFFT")
        self.letter = "d" if dtype in (np.float64, np.complex128) else "s"
        self.number = 8 if self.letter == "d" else 4
        real_side = {"RFFT": 0, "IRFFT": 1}.get(name)
        self.real = real_side is not None
        self.stored = (*lengths[:-1], lengths[-1] // 2 + 1) if self.real else lengths
        self.scale = 1.0 if self.forward else 1 / math.prod(lengths)
        self.extents = [lengths if real_side == k else self.stored for k in (0, 1)]
        self.sizes = [self.number * (1 if real_side == k else 2) for k in (0, 1)]

    def whole(self) -> Stage:
        """All axes at once."""
        strides = tuple(tuple(math.prod(extents[k + 1 :]) for k in range(len(extents))) for extents in self.extents)
        distances = (math.prod(self.extents[0]), math.prod(self.extents[1]))
        pair = (strides[0], strides[1])
        lines = Lines(self.letter, self.real, self.forward, False, self.lengths, pair, distances, self.scale)
        return _stage(lines, (_OPERAND, _RESULT), 1, self.batch, 0, self.sizes)

    def last(self, source: int, scale: float) -> Stage:
        """The last axis, lines side by side."""
        distances = (self.extents[0][-1], self.extents[1][-1])
        count = self.batch * math.prod(self.lengths[:-1])
        lines = Lines(self.letter, self.real, self.forward, False, self.lengths[-1:], ((1,), (1,)), distances, scale)
        return _stage(lines, (source, _RESULT), 1, count, 0, self.sizes)

    def other(self, axis: int, source: int, target: int, scale: float) -> Stage:
        """Another axis, of complex numbers."""
        n, inner = self.lengths[axis], math.prod(self.stored[axis + 1 :])
        rows = self.batch * math.prod(self.stored[:axis])
        in_place = source == target
        lines = Lines(self.letter, False, self.forward, in_place, (n,), ((inner,), (inner,)), (1, 1), scale)
        return _stage(lines, (source, target), rows, inner, n * inner, [2 * self.number] * 2)

    def plan(self) -> Plan:
        rank = len(self.lengths)
        others = [axis for axis in reversed(range(rank - 1)) if self.lengths[axis] > 1]
        if self.name == "IRFFT":
            # Not all at once: what isn't a real array's transform would give other numbers.
            stages = [self.other(axis, _SCRATCH if k else _OPERAND, _SCRATCH, 1.0) for k, axis in enumerate(others)]
            stages.append(self.last(_SCRATCH if others else _OPERAND, self.scale))
            return Plan(tuple(stages), self.batch * math.prod(self.stored) if others else 0)
        if others and rank <= _MOST_AXES and math.prod(self.lengths) <= _WHOLE:
            return Plan((self.whole(),), 0)
        scales = [1.0] * len(others) + [self.scale]
        stages = [self.last(_OPERAND, scales[0])]
        stages += [self.other(axis, _RESULT, _RESULT, scale) for axis, scale in zip(others, scales[1:], strict=True)]
        return Plan(tuple(stages), 0)


def _largest_factor(n: int) -> int:
    """The largest prime factor of n; of 1 it is 1."""
    prime = 2
    while prime * prime <= n:
        if n % prime == 0:
            n //= prime
        else:
            prime += 1
    return n


@functools.lru_cache(maxsize=32)
def _plan(shape: tuple[int, ...], dtype: np.dtype, name: str, lengths: tuple[int, ...]) -> Plan | None:
    if math.prod(shape) < _FEWEST:
        return None
    if dtype in (np.float64, np.complex128) and max(map(_largest_factor, lengths)) > _EXACT:
        return None
    try:
        return _Planner(shape, dtype, name, lengths).plan()
    except RefusedError:
        return None


@functools.cache
def _address() -> int:
    return native.runtime().address("cotan_fft_stage")


def into(x: np.ndarray, out: np.ndarray, name: str, lengths: Sequence[int], threads: int) -> bool:
    """Write the transform of ``x`` to ``out``, both of them contiguous; False where MKL does not, or not as well."""
    plan = _plan(x.shape, x.dtype, name, tuple(lengths))
    if plan is None:
        return False
    scratch = pool.empty((plan.scratch,), x.dtype, plan.scratch * x.dtype.itemsize) if plan.scratch else x
    places = [x.ctypes.data, out.ctypes.data, scratch.ctypes.data]
    runtime, function = native.runtime(), _address()
    if threads > 1:
        runtime.ensure_threads(threads)
    for stage in plan.stages:
        source, target = stage.places
        table = (ctypes.c_int64 * (_STATUS + 1))(places[source], places[target], *stage.words)
        chunks = min(stage.units, 4 * threads) if threads > 1 else 1
        runtime.parallel_for(function, ctypes.addressof(table), stage.units, chunks, threads)
        if table[_STATUS]:
            return False
    return True
