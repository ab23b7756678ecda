"""A long line of numbers is sorted in ranges: elements go to theirs, and each range is sorted by NumPy in a thread.

What divides the ranges comes from a sample (W. D. Frazer and A. C. McKellar, Samplesort: a sampling approach to minimal
storage tree sorting, 1970). Knows ndarrays only.
"""

from __future__ import annotations

import functools

import numpy as np

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


@functools.cache
def _code(kind: str, ranges: int) -> tuple[object, int]:
    from cotan_cpu.codegen import jit

    module = jit.load(_move(kind, ranges))
    return module, module.address("cotan_move")


def can_sort(dtype: np.dtype) -> bool:
    """Whether there is native code for elements of this dtype."""
    return dtype.str[1:] in _ELEMENTS


def sort(line: np.ndarray, out: np.ndarray, threads: int, zeros_alike: bool = True) -> bool:
    """Write the elements of a line to another one in ascending order, NaN last.

    Returns:
      Whether that was done: not so if there are negative zeros and ``zeros_alike`` is false.
    """
    from cotan_cpu.host_threads import share

    kind, size, ranges = line.dtype.str[1:], len(line), min(threads, _MOST)
    if kind[0] == "f" and not zeros_alike:
        bits = line.view(f"i{kind[1]}")
        if np.count_nonzero(bits == np.iinfo(bits.dtype).min):
            return False
    places = _WEYL[: _SAMPLE * ranges] * np.uint64(size)
    sample = line[places >> np.uint64(32)]
    sample.sort()
    divisions = sample[_SAMPLE::_SAMPLE].copy()
    if kind[0] == "f":
        divisions[divisions != divisions] = np.inf  # they must be in order
    table = Table(1, threads, size)
    below = np.zeros((threads, ranges + 1), np.int64)
    below[:, -1] = np.diff(table.bounds)

    def count(part: int) -> None:
        elements = line[table.bounds[part] : table.bounds[part + 1]]
        for k, division in enumerate(divisions):
            below[part, k + 1] = np.count_nonzero(elements < division)

    if threads == 2:
        count(0)
        count(1)  # in less time than a thread wakes
    else:
        share(count, threads)
    held = np.diff(below)
    total = held.sum(0)
    if total.max() > _UNEVEN * size / ranges:
        out[...] = line
        out.sort()
        return True
    ends = np.cumsum(total)
    starts = ends - total
    counts = (starts + np.cumsum(held, 0) - held)[None]
    table.count_in(counts)
    table.point("keys", line[None])
    table.put("values", divisions.ctypes.data)
    table.point("out", out[None])
    table.run(_code(kind, ranges)[1])
    share(lambda k: out[starts[k] : ends[k]].sort(), ranges)
    return True
