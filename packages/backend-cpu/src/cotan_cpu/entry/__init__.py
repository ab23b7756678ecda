"""The quickest calls of jitted functions: one native function for all of them, and a table for each kind of calls.

What the native function does is told in ``layout`` and its neighbours; here it is compiled, once for the process, and
descriptions of calls become its tables. Knows Arrays by what the description says of them; no program but its entry
points.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan.backend.calls import Call, Equal, IsNode, Item, Leaf, Opened, Same, Step
from cotan.config import Config, config, overriding
from cotan.ir.trace import current_trace_variable, eval_trace
from cotan_cpu import driver
from cotan_cpu.buffers import CpuBuffer
from cotan_cpu.codegen import jit
from cotan_cpu.entry import layout
from cotan_cpu.pool import SMALLEST, Block, pool
from cotan_cpu.straight import Made

_CALLED = (
    "PyContextVar_Get", "PyDict_Size", "PyDict_GetItemWithError", "PyTuple_Size", "PyTuple_GetItem", "PyList_Size",
    "PyList_GetItem", "PyTuple_New", "PyTuple_SetItem", "PyObject_GetAttr", "PyObject_RichCompareBool", "PyObject_Call",
    "PyObject_CallFunctionObjArgs", "PyFloat_AsDouble", "PyLong_AsLongLongAndOverflow", "PyErr_Clear", "Py_IncRef",
    "Py_DecRef", "PyType_GenericAlloc", "PyEval_SaveThread", "PyEval_RestoreThread",
)  # fmt: skip
_NUMBER = {step: number for number, step in enumerate(layout.STEPS)}
_KINDS = {list: "LIST", dict: "DICT"}  # and all others are tuples
_NUMBERS = {
    (float, "float32"): "FLOAT32", (float, "float64"): "FLOAT64", (int, "int32"): "INT32", (int, "int64"): "INT64",
    (bool, "bool"): "BOOL",
}  # fmt: skip


class Table(np.ndarray):
    """The words that one kind of calls is made of, with all that they point to."""

    method_def: Any
    kept: list[Any]


class Body(NamedTuple):
    """What runs, and what it needs.

    Attributes:
      main: the address of the native program ``i32 (ptr args, ptr consts, ptr arena)``.
      owner: what keeps it alive, with the table of its constants in its memory.
      made: the new results, in the order of its arguments after the inputs.
      results: where each result is found: ('new', number in ``made``), ('input', argument) or ('const', number).
      overwritten: the arguments in whose memory it writes; all are donated.
      workspace: bytes that it needs; releases: whether other Python threads may run meanwhile.
    """

    main: int
    owner: np.ndarray
    made: Sequence[Made]
    results: Sequence[tuple[str, int]]
    constants: Sequence[np.ndarray]
    overwritten: Sequence[int]
    workspace: int
    releases: bool


class _Words:
    """Numbers and addresses of objects, which are kept alive."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def object(self, value: Any) -> int:
        """The address of an object."""
        self.kept.append(value)
        return id(value)

    def numbers(self, values: Sequence[int]) -> int:
        """The address of an array of 64-bit numbers."""
        array = np.array(values, np.uintp) if values else np.zeros(1, np.uintp)
        self.kept.append(array)
        return int(array.ctypes.data)

    def extents(self, shape: Sequence[int]) -> int:
        return self.numbers([len(shape), *shape])


def offsets_in(array: type) -> dict[str, int] | None:
    """Where a type of Arrays and buffers hold what native code reads, in bytes; None where that isn't found."""
    arrays = driver.slot_offsets(array, ("aval", "_buffer", "_device", "_committed", "_host"))
    buffers = driver.slot_offsets(CpuBuffer, ("array", "device"))
    if arrays is None or buffers is None:
        return None
    return {
        "AVAL": arrays["aval"], "BUFFER": arrays["_buffer"], "DEVICE_OF": arrays["_device"], "HOST": arrays["_host"],
        "COMMITTED": arrays["_committed"], "MEMORY": buffers["array"], "BUFFER_DEVICE": buffers["device"],
    }  # fmt: skip


@functools.cache
def _native(array: type, miss: Any) -> int | None:
    """The address of the native function, for a type of Arrays and a mark of misses; None where there cannot be one."""
    new = driver.new_ndarray() if driver.has_fast_entry() else None
    offsets = offsets_in(array)
    if new is None or offsets is None:
        return None
    objects = {
        "type_tuple": tuple, "type_list": list, "type_dict": dict, "type_float": float, "type_int": int,
        "type_ndarray": np.ndarray, "type_array": array, "type_buffer": CpuBuffer, "type_block": Block,
        "object_none": None, "object_true": True, "object_false": False, "object_miss": miss, "guard_trace": eval_trace,
        "guard_variable": current_trace_variable, "guard_overriding": overriding, "guard_shared": Config,
        "guard_own": config, "name_key": "key", "name_plain": "plain_dispatch", "pool_empty": pool.empty,
        "pool_take": pool.take_workspace, "pool_give": pool.return_workspace,
    }  # fmt: skip
    symbols = {**driver.python_symbols(_CALLED), "cotan_new_ndarray": new}
    symbols.update((name, id(value)) for name, value in objects.items())
    # Without optimisation, as it is made in the midst of a call: that costs 0.05 us a call and saves 30 ms.
    module = jit.Engine(level=0).load(layout.text(offsets), symbols)
    driver.keep_for_ever((module, objects))
    return module.address("cotan_call")


def entry_for(call: Call, body: Body) -> Callable[..., Any] | None:
    """The function for calls of one kind; None where the native one cannot take them."""
    words = _Words()
    inputs = len(call.held) + call.count
    steps = [_held(words, k, buffer) for k, buffer in enumerate(call.held)]
    for step in call.steps:
        made = _step(words, step, call, inputs + len(body.results))
        if made is None:
            return None
        steps.append(made)
    results = _results(words, call, body, inputs)
    given = _given(call, body)
    if results is None or given is None:
        return None
    address = _native(call.array, call.miss)
    if address is None:
        return None
    values = {
        "KEY": words.object(call.key),
        "NODES": call.nodes,
        "STEPS": len(steps),
        "STEP_TABLE": words.numbers([word for step in steps for word in _padded(step, layout.STEP_WORDS)]),
        "INPUTS": inputs,
        "OWNED": inputs + len(results) + len(_owned(call)),
        "RESULTS": len(results),
        "RESULT_TABLE": words.numbers([word for result in results for word in result]),
        "MAIN": body.main,
        "CONSTS": int(body.owner.ctypes.data),
        "RELEASES": int(body.releases),
        "WORKSPACE": words.object((body.workspace,)) if body.workspace else 0,
        "DEVICE": words.object(call.device),
        "PUT": words.object(functools.partial(call.device.put, copy=True)),
        "GIVEN": len(given),
        "GIVEN_TABLE": words.numbers([word for each in given for word in each]),
        "TOGETHER": 0 if call.together is None else words.object(call.together),
    }
    table = np.array([values[word] for word in layout.WORDS], np.uintp).view(Table)
    table.kept = [*words.kept, body.owner]
    return driver.builtin(address, "call", table)


def _padded(words: Sequence[int], length: int) -> list[int]:
    return [*words, *[0] * (length - len(words))]


def _held(words: _Words, number: int, buffer: Any) -> list[int]:
    return [_NUMBER["HELD"], number, words.object(buffer.array)]


def _owned(call: Call) -> list[Step]:
    """The steps to nodes that the call has references to: functions made them, or others may take them away."""
    return [step for step in call.steps if isinstance(step, Opened) or (isinstance(step, Item) and step.kind in _KINDS)]


def _step(words: _Words, step: Step, call: Call, first: int) -> list[int] | None:
    """The words of a step; None for a kind of leaf that native code does not know. From ``first`` on, nodes are among
    the objects that a call owns."""
    if isinstance(step, IsNode):
        kind = _KINDS.get(step.kind, "TUPLE")
        return [_NUMBER[kind], step.node, step.length, words.object(step.kind)]
    if isinstance(step, Item):
        key = words.object(step.key) if step.kind is dict else step.key
        if step.kind not in _KINDS:
            return [_NUMBER["TUPLE_ITEM"], step.node, step.parent, key]
        number = _NUMBER[f"{_KINDS[step.kind]}_ITEM"]
        return [number, step.node, step.parent, key, first + _owned(call).index(step)]
    if isinstance(step, Opened):
        slot = first + _owned(call).index(step)
        return [_NUMBER["OPENED"], step.node, step.parent, words.object(step.open), slot]
    if isinstance(step, Same | Equal):
        return [_NUMBER["SAME" if isinstance(step, Same) else "EQUAL"], step.node, words.object(step.value)]
    return _leaf(words, step, len(call.held) + step.number)


def _leaf(words: _Words, leaf: Leaf, number: int) -> list[int] | None:
    aval = leaf.aval
    if leaf.kind is np.ndarray:
        kind = "PUT_NDARRAY" if leaf.copied else "NDARRAY"
        return [_NUMBER[kind], leaf.node, number, words.object(aval.dtype), words.extents(aval.shape)]
    if leaf.kind in (bool, int, float, complex):
        known = _NUMBERS.get((leaf.kind, aval.dtype.name))
        return None if known is None or leaf.copied else [_NUMBER[known], leaf.node, number]
    return [_NUMBER["ARRAY"], leaf.node, number, words.object(aval)]


def _given(call: Call, body: Body) -> list[list[int]] | None:
    """The words of each donated argument; None where the program overwrites others."""
    nodes = {len(call.held) + x.number: x for x in call.steps if isinstance(x, Leaf) and x.kind is call.array}
    donated = [len(call.held) + number for number in call.donated]
    if not {*body.overwritten} <= {*donated} <= {*nodes}:
        return None
    return [[nodes[number].node, number, int(number in body.overwritten)] for number in donated]


def _results(words: _Words, call: Call, body: Body, inputs: int) -> list[list[int]] | None:
    """The words of each result; None where one lies in the memory of an argument of another type."""
    kinds = {name: number for number, name in enumerate(layout.RESULTS)}
    types = {len(call.held) + x.number: x.aval for x in call.steps if isinstance(x, Leaf)}
    first: dict[tuple[str, int], int] = {}
    results = []
    for position, (place, aval) in enumerate(zip(body.results, call.out_avals, strict=True)):
        kind, what, extents, slot = "INPUT", place[1], 0, 0
        if place in first:
            what = inputs + first[place]
        elif place[0] == "const":
            kind, what = "CONST", words.object(body.constants[place[1]])
        elif place[0] == "new":
            made, slot = body.made[place[1]], inputs + place[1]
            if made.taken is not None:
                kind, what = "TAKEN", made.taken
                taken = types.get(what)
                if taken is None or (taken.shape, taken.dtype) != (made.shape, made.dtype):
                    return None
            elif made.nbytes < SMALLEST:
                kind, what, extents = "NEW", words.object(made.dtype), words.extents(made.shape)
            else:
                kind, what = "POOLED", words.object((made.shape, made.dtype, made.nbytes))
        first.setdefault(place, position)
        results.append([kinds[kind], words.object(aval), what, extents, slot])
    return results
