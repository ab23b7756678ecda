"""Quick binds: a native function that stands in for ``bind`` of primitives, and a table for each of them.

What the native function does is told in ``binding_text``; here it is compiled, once for the process, and its tables are
filled. Knows Arrays by the type that it is given; no primitive by name.
"""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.backend.calls import Shortcuts
from cotan.config import Config, config, overriding
from cotan.forks import opened_by_fork
from cotan.ir.avals import ShapedArray
from cotan.ir.primitive import Primitive
from cotan.ir.trace import current_trace_variable, eval_trace
from cotan_cpu import driver
from cotan_cpu.buffers import CpuBuffer
from cotan_cpu.codegen import jit
from cotan_cpu.entry import binding_text as layout
from cotan_cpu.entry import offsets_in
from cotan_cpu.ways import Way

_CALLED = (
    "PyContextVar_Get", "PyDict_Size", "PyTuple_Size", "PyTuple_GetItem", "PyObject_GetAttr", "PyObject_Hash",
    "PyObject_RichCompareBool", "PyObject_Vectorcall", "PyObject_CallOneArg", "PyFloat_AsDouble",
    "PyLong_AsLongLongAndOverflow", "PyErr_Clear", "PyErr_ExceptionMatches", "Py_IncRef", "Py_DecRef",
    "PyType_GenericAlloc",
)  # fmt: skip
_RETIRED = 4096


class _Table(np.ndarray):
    """The words of a primitive's table, and for each row what it points to."""

    method_def: Any
    kept: list[Any]


_Bind = Callable[..., Any]
_Ways = Callable[[Primitive, Sequence[ShapedArray], ShapedArray, dict[str, Any]], Way | None]


class QuickBinds(Shortcuts):
    """The native binds of this process.

    Args:
      address: of the native function.
      ways: says how a primitive is computed.
      plain: makes what a rule gives a C-contiguous ndarray.
      numbers: the table of numbers.
    """

    def __init__(self, address: int, ways: _Ways, plain: Callable[[Any], np.ndarray], numbers: np.ndarray) -> None:
        self._address = address
        self._ways = ways
        self._plain = plain
        self._tables: dict[Primitive, tuple[_Table, _Bind]] = {}
        self._numbers = numbers
        self._kept_numbers: list[Any] = [None] * layout.NUMBERS
        # A row and what keeps alive what it points to are changed together.
        self._lock = opened_by_fork(threading.Lock())
        # What a row pointed to outlives it for a while: another thread may be reading the row.
        self._retired: deque[Any] = deque(maxlen=_RETIRED)
        driver.keep_for_ever(self)

    def learn(
        self,
        primitive: Primitive,
        operands: Sequence[ShapedArray],
        params: dict[str, Any],
        out: ShapedArray,
        device: Any,
    ) -> _Bind | None:
        if not 1 <= len(operands) <= 3 or len(params) > layout.MOST_PARAMETERS:
            return None
        way = self._ways(primitive, operands, out, params)
        if way is None:
            return None
        row, kept = _row(operands, params, out, device, way)
        first = _hashed([*map(id, operands), *map(hash, params.values())]) >> 58
        start = len(layout.HEAD)
        with self._lock:
            found = self._tables.get(primitive)
            if found is None:
                found = self._tables[primitive] = self._new_table(primitive)
            table, bind = found
            for number in (first, first ^ 1):
                if not table[start + number * len(layout.ROW)]:
                    break
            at = start + number * len(layout.ROW)
            self._retired.append(table.kept[number])
            table.kept[number] = kept
            table[at : at + len(layout.ROW)] = row
        return bind

    def _new_table(self, primitive: Primitive) -> tuple[_Table, _Bind]:
        table = np.zeros(len(layout.HEAD) + layout.ROWS * len(layout.ROW), np.uintp).view(_Table)
        usual = primitive.usual
        table[:2] = id(usual), id(self._plain)
        table.kept = [None] * layout.ROWS + [usual, self._plain]
        return table, driver.builtin(self._address, "bind", table, by_name=True)

    def number(self, value: Any, array: Any, mark: Any) -> None:
        bits = _bits(value) & _WORD
        number = (bits * _MULTIPLIER & _WORD) >> 56
        at = number * len(layout.NUMBER)
        with self._lock:
            self._retired.append(self._kept_numbers[number])
            self._kept_numbers[number] = (value, array, mark)
            self._numbers[at : at + len(layout.NUMBER)] = id(type(value)), bits, id(mark), id(array)

    def forget(self) -> None:
        with self._lock:
            for table, _ in self._tables.values():
                table[len(layout.HEAD) :] = 0
                self._retired.extend(table.kept[: layout.ROWS])
                table.kept[: layout.ROWS] = [None] * layout.ROWS
            self._numbers[:] = 0
            self._retired.extend(self._kept_numbers)
            self._kept_numbers = [None] * layout.NUMBERS


def _bits(value: Any) -> int:
    """By which a number is found: its value, or where a constant lies."""
    if type(value) is float:
        return int(np.float64(value).view(np.uint64))
    return value if type(value) is int else id(value)


_WORD = (1 << 64) - 1
_MULTIPLIER = layout.MULTIPLIER & _WORD


def _hashed(words: Sequence[int]) -> int:
    """As the native function mixes the addresses of operands and the hashes of parameters."""
    found = 0
    for word in words:
        found = (found ^ (word & _WORD)) * _MULTIPLIER & _WORD
    return found


def _row(
    operands: Sequence[ShapedArray], params: dict[str, Any], out: ShapedArray, device: Any, way: Way
) -> tuple[np.ndarray, tuple[Any, ...]]:
    """The words of a row, and what they point to."""
    names, values = tuple(params), tuple(params.values())
    extents = np.array([len(out.shape), *out.shape], np.uintp)
    dtype = np.dtype(out.dtype) if way.kind != "RULE" else None
    words = dict.fromkeys(layout.ROW, 0)
    words.update(zip(("OPERANDS", "SECOND", "THIRD"), map(id, operands)))
    extent, steps = np.array(way.extent, np.uintp), np.array(way.steps, np.uintp)
    words.update(
        COUNT=len(operands), DEVICE=id(device), OUT=id(out), KIND=layout.WAYS.index(way.kind), DATA=way.data,
        RUN=id(way.run) if way.kind == "RULE" else way.run, EXTENTS=int(extents.ctypes.data),
        EXTENT=int(extent.ctypes.data), STEPS=int(steps.ctypes.data), ELEMENT=0 if dtype is None else dtype.itemsize,
        START=0 if way.start is None else int(way.start.ctypes.data), DTYPE=0 if dtype is None else id(dtype),
    )  # fmt: skip
    if names:
        words.update(NAMES=id(names), VALUES=id(values), PASSED=id(names) if way.takes_parameters else 0)
    row = np.array([words[word] for word in layout.ROW], np.uintp)
    return row, (tuple(operands), names, values, out, device, way, extents, extent, steps, dtype)


@functools.cache
def _native(array: type) -> tuple[int, np.ndarray] | None:
    """The address of the native function for a type of Arrays, and the table of numbers; None where it can't be."""
    new = driver.new_ndarray() if driver.has_fast_entry() else None
    offsets = offsets_in(array)
    if new is None or offsets is None:
        return None
    numbers = np.zeros(layout.NUMBERS * len(layout.NUMBER), np.uintp)
    objects = {
        "type_float": float, "type_int": int, "type_ndarray": np.ndarray, "type_array": array, "type_buffer": CpuBuffer,
        "object_none": None, "object_true": True, "object_false": False, "guard_trace": eval_trace,
        "guard_variable": current_trace_variable, "guard_overriding": overriding, "guard_shared": Config,
        "guard_own": config, "name_plain": "plain_dispatch", "name_numbers": "numbers", "error_exception": Exception,
    }  # fmt: skip
    symbols = {**driver.python_symbols(_CALLED), "cotan_new_ndarray": new, "number_table": int(numbers.ctypes.data)}
    symbols.update((name, id(value)) for name, value in objects.items())
    # Without optimisation: that costs 0.03 us a call, and saves 20 ms.
    module = jit.Engine(level=0).load(layout.text(offsets), symbols)
    driver.keep_for_ever((module, objects, numbers))
    return module.address("cotan_bind"), numbers


def quick_binds(array: type, ways: _Ways, plain: Callable[[Any], np.ndarray]) -> QuickBinds | None:
    """The native binds for a type of Arrays; None where there cannot be any."""
    native = _native(array)
    return None if native is None else QuickBinds(native[0], ways, plain, native[1])
