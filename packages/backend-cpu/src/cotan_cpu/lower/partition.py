"""A long line of numbers is sorted in ranges: elements go to theirs, and each range is sorted by NumPy in a thread.

What divides the ranges comes from a sample (W. D. Frazer and A. C. McKellar, Samplesort: a sampling approach to minimal
storage tree sorting, 1970). Knows ndarrays only.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

import numpy as np

from cotan_cpu import driver
from cotan_cpu.lower.passes import Table, function

_SAMPLE = 256
"""Elements of the sample for each range."""
_MOST = 16
_UNEVEN = 1.5
"""How much larger than the mean range the largest may be for threads to be of use."""
_WEYL = np.arange(_SAMPLE * _MOST, dtype=np.uint32) * np.uint32(2_654_435_761)
"""Multiples of 2**32 over the golden ratio, modulo 2**32: any number of the first ones are spread evenly."""
_BELOW = {"f": "fcmp olt", "i": "icmp slt", "u": "icmp ult"}
_ELEMENTS = {"f4": "float", "f8": "double", "i4": "i32", "i8": "i64", "u4": "i32", "u8": "i64"}


def _move(kind: str, ranges: int) -> str:
    """Puts the elements of a part into their ranges, from the places on that its counts are; NaN into the last one."""
    element = _ELEMENTS[kind]
    begin, states = [], []
    loop = [f"%x_at = getelementptr {element}, ptr %keys, i64 %i", f"%x = load {element}, ptr %x_at"]
    for k in range(ranges):
        begin += [f"%start_at{k} = getelementptr i64, ptr %counts, i64 {k}", f"%start{k} = load i64, ptr %start_at{k}"]
        states += [f"%next{k}_ = phi i64 [%start{k}, %ready], [%next{k}_1, %loop]"]
    for k in range(ranges - 1):
        begin += [f"%division_at{k} = getelementptr {element}, ptr %values, i64 {k}"]
        begin += [f"%division{k} = load {element}, ptr %division_at{k}"]
        loop += [f"%below{k} = {_BELOW[kind[0]]} {element} %x, %division{k}"]
    to = f"%next{ranges - 1}_"
    for k in reversed(range(ranges - 1)):
        loop += [f"%to{k} = select i1 %below{k}, i64 %next{k}_, i64 {to}"]
        to = f"%to{k}"
    for k in range(ranges):
        before = "false" if k == 0 else f"%below{k - 1}"
        loop += [f"%is{k} = xor i1 {before}, {'true' if k == ranges - 1 else f'%below{k}'}"]
        loop += [f"%step{k} = zext i1 %is{k} to i64", f"%next{k}_1 = add i64 %next{k}_, %step{k}"]
    store = [f"%out_at = getelementptr {element}, ptr %out, i64 {to}", f"store {element} %x, ptr %out_at"]
    return function("cotan_move", begin, [*loop, *store], states)


_HALVE = """\
declare i64 @llvm.umin.i64(i64, i64)
declare VECTOR @llvm.masked.load.SUFFIX.p0(ptr, i32, <LANES x i1>, VECTOR)
declare void @llvm.masked.store.SUFFIX.p0(VECTOR, ptr, i32, <LANES x i1>)
declare VECTOR @llvm.experimental.vector.compress.SUFFIX(VECTOR, <LANES x i1>, VECTOR)
declare iLANES @llvm.ctpop.iLANES(iLANES)

define i64 @cotan_halve(ptr %line, ptr %out, i64 %size, ptr %division) {
entry:
  %d = load ELEMENT, ptr %division
  %d0 = insertelement VECTOR poison, ELEMENT %d, i64 0
  %all = shufflevector VECTOR %d0, VECTOR poison, <LANES x i32> zeroinitializer
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i1, %loop]
  %low = phi i64 [0, %entry], [%low1, %loop]
  %high = phi i64 [%size, %entry], [%high1, %loop]
  %rest = sub i64 %size, %i
  %given = call i64 @llvm.umin.i64(i64 %rest, i64 LANES)
  MASK(left, given)
  %x_at = getelementptr ELEMENT, ptr %line, i64 %i
  %x = call VECTOR @llvm.masked.load.SUFFIX.p0(ptr %x_at, i32 BYTES, <LANES x i1> %left, VECTOR poison)
  %below = BELOW VECTOR %x, %all
  %lower = and <LANES x i1> %left, %below
  %upper = xor <LANES x i1> %left, %lower
  %lower_bits = bitcast <LANES x i1> %lower to iLANES
  %upper_bits = bitcast <LANES x i1> %upper to iLANES
  %lower_ones = call iLANES @llvm.ctpop.iLANES(iLANES %lower_bits)
  %upper_ones = call iLANES @llvm.ctpop.iLANES(iLANES %upper_bits)
  %lowers = zext iLANES %lower_ones to i64
  %uppers = zext iLANES %upper_ones to i64
  %low1 = add i64 %low, %lowers
  %high1 = sub i64 %high, %uppers
  %lower_x = call VECTOR @llvm.experimental.vector.compress.SUFFIX(VECTOR %x, <LANES x i1> %lower, VECTOR poison)
  %upper_x = call VECTOR @llvm.experimental.vector.compress.SUFFIX(VECTOR %x, <LANES x i1> %upper, VECTOR poison)
  %lower_to = getelementptr ELEMENT, ptr %out, i64 %low
  %upper_to = getelementptr ELEMENT, ptr %out, i64 %high1
  MASK(lower_mask, lowers)
  MASK(upper_mask, uppers)
  call void @llvm.masked.store.SUFFIX.p0(VECTOR %lower_x, ptr %lower_to, i32 BYTES, <LANES x i1> %lower_mask)
  call void @llvm.masked.store.SUFFIX.p0(VECTOR %upper_x, ptr %upper_to, i32 BYTES, <LANES x i1> %upper_mask)
  %i1 = add i64 %i, LANES
  %more = icmp slt i64 %i1, %size
  br i1 %more, label %loop, label %exit
exit:
  ret i64 %low1
}
"""
"""Puts the elements below the division to the front and the others, NaN too, to the back; how many there are below.
Those of a vector are pressed together: worth it where that is an instruction."""


_MASK = r"""  %\1_end = shl i64 1, %\2
  %\1_wide = sub i64 %\1_end, 1
  %\1_bits = trunc i64 %\1_wide to iLANES
  %\1 = bitcast iLANES %\1_bits to <LANES x i1>"""
"""The first so many lanes."""


def halving_text(kind: str, vector_bytes: int) -> str:
    """The IR of ``cotan_halve`` for a kind of elements and vectors of so many bytes."""
    element, size = _ELEMENTS[kind], int(kind[1])
    lanes = str(vector_bytes // size)
    text = (
        re.sub(r"  MASK\((\w+), (\w+)\)", _MASK, _HALVE)
        .replace("VECTOR", f"<{lanes} x {element}>")
        .replace("BELOW", _BELOW[kind[0]])
    )
    text = text.replace("SUFFIX", f"v{lanes}{'f' if kind[0] == 'f' else 'i'}{8 * size}").replace("ELEMENT", element)
    return text.replace("BYTES", str(size)).replace("LANES", lanes)


@functools.cache
def _code(kind: str, ranges: int) -> tuple[object, int]:
    from cotan_cpu.codegen import jit

    module = jit.load(_move(kind, ranges))
    return module, module.address("cotan_move")


@functools.cache
def _halving(kind: str) -> tuple[object, Callable[[int, int, int, int], int]] | None:
    """The code that halves lines, and its function; None where vectors cannot press elements together."""
    from cotan_cpu.codegen import jit

    target = jit.host_target()
    if not target.masked:
        return None
    module = jit.load(halving_text(kind, target.vector_bytes))
    return module, driver.function(module.address("cotan_halve"), "i64", "ptr", "ptr", "i64", "ptr")


def can_sort(dtype: np.dtype) -> bool:
    """Whether there is native code for elements of this dtype."""
    return dtype.str[1:] in _ELEMENTS


def sort(line: np.ndarray, out: np.ndarray, threads: int) -> None:
    """Write the elements of a line to another one in ascending order, NaN last, equal ones in any order."""
    from cotan_cpu.host_threads import share

    ranges = min(threads, _MOST)
    sample = line[(_WEYL[: _SAMPLE * ranges] * np.uint64(len(line))) >> np.uint64(32)]
    sample.sort()
    divisions = sample[_SAMPLE::_SAMPLE].copy()
    if line.dtype.kind == "f":
        divisions[divisions != divisions] = np.inf  # they must be in order
    ends = _into_ranges(line, out, divisions, threads)
    starts = [0, *ends[:-1]]
    if max(end - start for start, end in zip(starts, ends, strict=True)) > _UNEVEN * len(line) / ranges:
        out[...] = line
        out.sort()
        return
    share(lambda k: out[starts[k] : ends[k]].sort(), ranges)


def _into_ranges(line: np.ndarray, out: np.ndarray, divisions: np.ndarray, threads: int) -> list[int]:
    """Write the elements of each range side by side; where the ranges end."""
    kind, size = line.dtype.str[1:], len(line)
    halve = _halving(kind) if len(divisions) == 1 else None
    if halve is not None:
        # In less time than a thread wakes.
        return [halve[1](line.ctypes.data, out.ctypes.data, size, divisions.ctypes.data), size]
    table = Table(1, threads, size)
    below = np.zeros((threads, len(divisions) + 2), np.int64)
    below[:, -1] = np.diff(table.bounds)

    def count(part: int) -> None:
        elements = line[table.bounds[part] : table.bounds[part + 1]]
        for k, division in enumerate(divisions):
            below[part, k + 1] = np.count_nonzero(elements < division)

    if threads == 2:
        count(0)
        count(1)  # in less time than a thread wakes
    else:
        from cotan_cpu.host_threads import share

        share(count, threads)
    held = np.diff(below)
    ends = np.cumsum(held.sum(0))
    counts = (ends - held.sum(0) + np.cumsum(held, 0) - held)[None]
    table.count_in(counts)
    table.point("keys", line[None])
    table.put("values", divisions.ctypes.data)
    table.point("out", out[None])
    table.run(_code(kind, len(divisions) + 1)[1])
    return [int(end) for end in ends]
