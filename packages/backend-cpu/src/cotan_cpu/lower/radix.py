"""Long lines are put in the order of 32-bit keys by their digits: native code, whose passes threads share.

Keys become unsigned numbers of the same order, each one word with what it takes along. A pass moves all words to where
their digit belongs, the lowest digit first, so that equal keys keep their order; the first pass reads the arrays, the
last one writes them, and digits that all keys share need none. Each part of a line counts its digits, and the counts of
all parts say where its words go (M. Zagha and G. Blelloch, Radix sort for vector multiprocessors, 1991). Knows ndarrays
only.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.config import config
from cotan_cpu import native
from cotan_cpu.lower import passes
from cotan_cpu.pool import pool

LEAST = 4096
"""Elements of a line from which digits are faster than comparisons."""
_BITS = 11
_DIGITS = 1 << _BITS
_SHIFTS = range(32, 64, _BITS)
_UNITS = 64
"""Parts that are counted at the same time."""
_LEAST_PART = 1 << 14
"""Elements of a part that pay a thread's waking."""
_KEYS = frozenset({"f4", "i4", "u4"})

_TO_KEY = {
    # Zeros of either sign are equal, and NaN of all bits: odd are those whose bits their keys do not tell.
    "f": (
        "%negative = icmp slt i32 %bits, 0",
        "%falling = xor i32 %bits, -1",
        "%rising = xor i32 %bits, -2147483648",
        "%turned = select i1 %negative, i32 %falling, i32 %rising",
        "%is_zero = icmp eq i32 %bits, -2147483648",
        "%size = and i32 %bits, 2147483647",
        "%is_nan = icmp ugt i32 %size, 2139095040",
        "%of_zeros = select i1 %is_zero, i32 -2147483648, i32 %turned",
        "%key = select i1 %is_nan, i32 -4194304, i32 %of_zeros",
        "%is_odd = or i1 %is_zero, %is_nan",
    ),
    "i": ("%key = xor i32 %bits, -2147483648", "%is_odd = or i1 false, false"),
    "u": ("%key = or i32 %bits, 0", "%is_odd = or i1 false, false"),
}
_FROM_KEY = {
    "f": (
        "%was_negative = icmp sge i32 %key_back, 0",
        "%falling_back = xor i32 %key_back, -1",
        "%rising_back = xor i32 %key_back, -2147483648",
        "%bits_back = select i1 %was_negative, i32 %falling_back, i32 %rising_back",
    ),
    "i": ("%bits_back = xor i32 %key_back, -2147483648",),
    "u": ("%bits_back = or i32 %key_back, 0",),
}
_VALUE = {
    "places": ("%value = trunc i64 %i to i32",),
    "values": ("%value_at = getelementptr i32, ptr %values, i64 %i", "%value = load i32, ptr %value_at"),
}
_FROM_WORDS = ("%word_at = getelementptr i64, ptr %words, i64 %i", "%word = load i64, ptr %word_at")
_TO_WORDS = ("%out_at = getelementptr i64, ptr %out, i64 %to", "store i64 %word, ptr %out_at")
_DIGIT = (
    "%shifted = lshr i64 %word, %shift",
    f"%digit = and i64 %shifted, {_DIGITS - 1}",
    "%digit_at = getelementptr i32, ptr %next_of, i64 %digit",
    "%next_place = load i32, ptr %digit_at",
    "%following = add i32 %next_place, 1",
    "store i32 %following, ptr %digit_at",
)
"""Find the digit of the word, and count what ``%next_of`` has for it."""
_FIND_STARTS = f"""br label %digits
digits:
  %d = phi i64 [0, %one], [%d1, %summed]
  %before = phi i32 [0, %one], [%total, %summed]
  br label %sum
sum:
  %p = phi i64 [0, %digits], [%p1, %sum]
  %total_before = phi i32 [%before, %digits], [%total, %sum]
  %mine = phi i32 [%before, %digits], [%mine1, %sum]
  %line_of_p = mul i64 %p, {_DIGITS}
  %at = add i64 %line_of_p, %d
  %count_at = getelementptr i32, ptr %line, i64 %at
  %count = load i32, ptr %count_at
  %total = add i32 %total_before, %count
  %p1 = add i64 %p, 1
  %is_before = icmp slt i64 %p, %part
  %mine1 = select i1 %is_before, i32 %total, i32 %mine
  %more_parts = icmp slt i64 %p1, %parts
  br i1 %more_parts, label %sum, label %summed
summed:
  %mine_at = getelementptr i32, ptr %next_of, i64 %d
  store i32 %mine1, ptr %mine_at
  %d1 = add i64 %d, 1
  %more_digits = icmp slt i64 %d1, {_DIGITS}
  br i1 %more_digits, label %digits, label %summed_up
summed_up:"""
"""Where a part's words of each digit go: behind all of lower digits, and those of this digit in the parts before."""


def _name(what: str, *of_arrays: bool) -> str:
    return "_".join(("cotan", what, *("arrays" if each else "words" for each in of_arrays)))


def _read(kind: str, along: str, from_arrays: bool) -> Sequence[str]:
    """Instructions that make the word of element ``%i``; of an array's key also whether it is odd."""
    if not from_arrays:
        return _FROM_WORDS
    key = ["%key_at = getelementptr i32, ptr %keys, i64 %i", "%bits = load i32, ptr %key_at", *_TO_KEY[kind]]
    join = ["%low = zext i32 %value to i64", "%wide = zext i32 %key to i64", "%high = shl i64 %wide, 32"]
    return [*key, *_VALUE[along], *join, "%word = or i64 %high, %low"]


def _written(kind: str, to_arrays: bool) -> Sequence[str]:
    """Instructions that put ``%word`` to place ``%to``."""
    if not to_arrays:
        return _TO_WORDS
    key = ["%upper = lshr i64 %word, 32", "%key_back = trunc i64 %upper to i32", *_FROM_KEY[kind]]
    key += ["%out_at = getelementptr i32, ptr %out, i64 %to", "store i32 %bits_back, ptr %out_at"]
    value = ["%value_back = trunc i64 %word to i32", "%value_to = getelementptr i32, ptr %out_values, i64 %to"]
    return [*key, *value, "store i32 %value_back, ptr %value_to"]


def _count(kind: str, along: str, from_arrays: bool) -> str:
    """Counts a part's digits; of arrays it also finds the bits that are 1 in all keys and in any, and odd keys."""
    begin = ["%next_of = getelementptr i8, ptr %counts, i64 0"]
    begin += [f"call void @llvm.memset.p0.i64(ptr %counts, i8 0, i64 {4 * _DIGITS}, i1 false)"]
    states, step, end = [], [], []
    if from_arrays:
        for name, type_, first, made in (
            ("common", "i32", -1, "and i32 %common, %key"),
            ("any", "i32", 0, "or i32 %any, %key"),
            ("odd", "i1", "false", "or i1 %odd, %is_odd"),
        ):
            states.append(f"%{name} = phi {type_} [{first}, %ready], [%{name}1, %loop]")
            step.append(f"%{name}1 = {made}")
            end += passes.tell(name, type_)
    loop = [*_read(kind, along, from_arrays), *step, *_DIGIT]
    return passes.function(_name("count", from_arrays), begin, loop, states, end)


def _move(kind: str, along: str, from_arrays: bool, to_arrays: bool) -> str:
    """Moves a part's words to where their digits belong."""
    begin = ["%next_of = getelementptr i8, ptr %nexts, i64 0", *_FIND_STARTS.split("\n")]
    to = "%to = zext i32 %next_place to i64"
    loop = [*_read(kind, along, from_arrays), *_DIGIT, to, *_written(kind, to_arrays)]
    nexts = f"%nexts = alloca [{_DIGITS} x i32], align 64"
    return passes.function(_name("move", from_arrays, to_arrays), begin, loop, entry=[nexts])


@functools.cache
def _code(kind: str, along: str) -> tuple[object, dict[str, int]]:
    """The code for keys of a kind, and the addresses of its functions."""
    from cotan_cpu.codegen import jit

    texts = {}
    for source in (True, False):
        texts[_name("count", source)] = _count(kind, along, source)
        for to in (True, False):
            texts[_name("move", source, to)] = _move(kind, along, source, to)
    module = jit.load("\n".join((*texts.values(), "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")))
    return module, {name: module.address(name) for name in texts}


def sort(operands: Sequence[np.ndarray], dimension: int) -> list[np.ndarray] | None:
    """The operands in the order of the first one, equal keys in their order; None: digits are not the way for these."""
    key, *others = operands
    extent = key.shape[dimension]
    if key.dtype.str[1:] not in _KEYS or not LEAST <= extent < 1 << 31:
        return None
    lines = key.size // extent
    if dimension != key.ndim - 1 and lines != 1:
        return None
    values = others[0] if len(others) == 1 and others[0].dtype.itemsize == 4 else None
    out = pool.empty(key.shape, key.dtype, key.nbytes)
    out_values = pool.empty(key.shape, np.int32 if values is None else values.dtype, key.nbytes)
    arrays = (np.ascontiguousarray(key), None if values is None else np.ascontiguousarray(values), out, out_values)
    _sort_groups(*(None if x is None else x.reshape(lines, extent) for x in arrays))
    if values is not None:
        return [out, out_values]
    order = out_values.astype(np.intp)
    return [out, *(np.take_along_axis(x, order, dimension) for x in others)]


def _sort_groups(keys: Any, values: Any, out: Any, out_values: Any) -> None:
    """Sort lines, so many at a time as are counted together; no ``values``: places instead."""
    lines, extent = keys.shape
    threads = native.thread_count(config.num_threads)
    parts = 1 if lines >= threads else max(1, min(threads, extent // _LEAST_PART))
    _, code = _code(keys.dtype.kind, "places" if values is None else "values")
    step = max(1, _UNITS // parts)
    for begin in range(0, lines, step):
        some = slice(begin, begin + step)
        here = None if values is None else values[some]
        odd = _sort_lines(keys[some], here, out[some], out_values[some], code, parts)
        for line in np.flatnonzero(odd):
            _put_odd(keys[begin + line], out[begin + line])


def _put_odd(keys: np.ndarray, out: np.ndarray) -> None:
    """Zeros and NaN of a sorted line, as they were given: equal keys keep their order."""
    zeros, nan = keys[keys == 0], keys[keys != keys]
    if zeros.size:
        first = int(np.searchsorted(out, zeros[0]))
        out[first : first + zeros.size] = zeros
    out[out.size - nan.size :] = nan


def _sort_lines(
    keys: np.ndarray,
    values: np.ndarray | None,
    out: np.ndarray,
    out_values: np.ndarray,
    code: dict[str, int],
    parts: int,
) -> np.ndarray:
    """Sort lines, each by that many parts; which of them have odd keys, that are not as they were."""
    lines, extent = keys.shape
    counts = pool.empty((lines, parts, _DIGITS), np.uint32, 4 * lines * parts * _DIGITS)
    words = [pool.empty((lines, extent), np.uint64, 8 * lines * extent) for _ in range(2)]
    table = passes.Table(lines, parts, extent)
    table.count_in(counts)
    table.point("keys", keys)
    table.point("values", values)
    table.point("out_values", out_values)
    table.put("shift", _SHIFTS[0])
    table.run(code[_name("count", True)])
    odd = table.found("odd").any(1)
    varying = np.bitwise_or.reduce(table.found("any"), 1) & ~np.bitwise_and.reduce(table.found("common"), 1)
    bits = int(np.bitwise_or.reduce(varying)) << 32
    shifts = [shift for shift in _SHIFTS if bits >> shift & _DIGITS - 1] or [_SHIFTS[0]]
    for number, shift in enumerate(shifts):
        first, last = number == 0, number == len(shifts) - 1
        table.put("shift", shift)
        table.point("words", words[(number - 1) % 2])
        if not first or shift != _SHIFTS[0]:
            table.run(code[_name("count", first)])
        table.point("out", out if last else words[number % 2])
        table.run(code[_name("move", first, last)])
    return odd
