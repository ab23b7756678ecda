"""Passes over lines of elements whose parts are shared among threads: their text, and the table that drives them.

A unit of such a function is one part of one line. A row of the table tells it what to do, and takes what it found.
Knows no order of elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.config import config
from cotan_cpu import native

_POINTERS = ("keys", "values", "words", "out", "out_values", "counts", "line")
"""Of the line's arrays; of the counts of this part, and of all parts of its line."""
_NUMBERS = ("part", "parts", "begin", "end", "shift")
_FOUND = ("common", "any", "odd")
_COLUMN = {name: k for k, name in enumerate((*_POINTERS, *_NUMBERS, *_FOUND))}


def function(
    name: str,
    begin: Sequence[str],
    loop: Sequence[str],
    states: Sequence[str] = (),
    end: Sequence[str] = (),
    entry: Sequence[str] = (),
) -> str:
    """A function of a kernel's signature that goes through the elements ``%i`` of its parts.

    ``entry`` is done once; ``begin`` starts in the block ``one``, for each part. The ``states`` are phi instructions of
    the values ``%NAME`` that come from the block ``ready`` and, as ``%NAME1``, from ``loop``, which the instructions
    ``loop`` make; ``end`` is done behind it. The table's columns, but those of what is found, are known by their names.
    """
    fields = []
    for field in (*_POINTERS, *_NUMBERS):
        kind = "ptr" if field in _POINTERS else "i64"
        fields += [f"%at_{field} = getelementptr i64, ptr %row, i64 {_COLUMN[field]}"]
        fields += [f"%{field} = load {kind}, ptr %at_{field}"]
    lines = [
        f"define void @{name}(ptr %table, i64 %first, i64 %last) {{",
        "entry:",
        *(f"  {line}" for line in entry),
        "  br label %unit",
        "unit:",
        "  %number = phi i64 [%first, %entry], [%number1, %done]",
        "  %more = icmp slt i64 %number, %last",
        "  br i1 %more, label %one, label %leave",
        "one:",
        f"  %row = getelementptr [{len(_COLUMN)} x i64], ptr %table, i64 %number",
        *(f"  {line}" for line in (*fields, *begin)),
        "  br label %ready",
        "ready:",
        "  %some = icmp slt i64 %begin, %end",
        "  br i1 %some, label %loop, label %done",
        "loop:",
        "  %i = phi i64 [%begin, %ready], [%i1, %loop]",
        *(f"  {line}" for line in (*states, *loop)),
        "  %i1 = add i64 %i, 1",
        "  %again = icmp slt i64 %i1, %end",
        "  br i1 %again, label %loop, label %finish",
        "finish:",
        *(f"  {line}" for line in end),
        "  br label %done",
        "done:",
        "  %number1 = add i64 %number, 1",
        "  br label %unit",
        "leave:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


def tell(name: str, kind: str) -> list[str]:
    """Instructions that put ``%NAME1`` into the column of that name of what is found."""
    at = f"%to_{name} = getelementptr i64, ptr %row, i64 {_COLUMN[name]}"
    return [at, f"%wide_{name} = zext {kind} %{name}1 to i64", f"store i64 %wide_{name}, ptr %to_{name}"]


class Table:
    """Rows for each of ``parts`` equal parts of ``lines`` lines of ``extent`` elements."""

    def __init__(self, lines: int, parts: int, extent: int) -> None:
        self.lines = lines
        self.threads = native.thread_count(config.num_threads)
        self.units = lines * parts
        self._rows = np.zeros((lines, parts, len(_COLUMN)), np.int64)
        self.bounds = bounds = np.arange(parts + 1) * extent // parts
        self.put("part", np.arange(parts))
        self.put("parts", parts)
        self.put("begin", bounds[:-1])
        self.put("end", bounds[1:])

    def put(self, field: str, value: Any) -> None:
        """A number for all parts, or one for each part of a line."""
        self._rows[:, :, _COLUMN[field]] = value

    def point(self, field: str, array: np.ndarray | None) -> None:
        """Where each line begins in ``array``, whose first axis counts them."""
        if array is not None:
            start = array.ctypes.data
            self.put(field, start if self.lines == 1 else (start + array.strides[0] * np.arange(self.lines))[:, None])

    def count_in(self, counts: np.ndarray) -> None:
        """Where parts count: ``counts`` has axes of lines, parts and digits."""
        self.point("line", counts)
        self.put("counts", self._rows[:, :, _COLUMN["line"]] + counts.strides[1] * np.arange(counts.shape[1]))

    def found(self, field: str) -> np.ndarray:
        """What the parts of each line have found."""
        return self._rows[:, :, _COLUMN[field]]

    def run(self, address: int) -> None:
        """Run the function there for all parts."""
        runtime = native.runtime()
        runtime.ensure_threads(self.threads)
        runtime.parallel_for(address, self._rows.ctypes.data, self.units, self.units, self.threads)
