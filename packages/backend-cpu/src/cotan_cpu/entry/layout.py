"""What the native call of jitted functions and the tables that it follows agree on; and the text of its module.

It does what ``api.shortcut`` would write in Python: it follows a table that says how the arguments are taken apart and
what each leaf must be, runs the program, and makes Arrays of the results. It hands back the object MISS, with nothing
done, where anything is different. References are counted by CPython's own functions, and what is read at known offsets
of objects is told from outside. Tables, of 64-bit words, are made by ``entry``; this module only knows their layout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cotan_cpu.entry import arguments, results

WORDS = (
    "KEY",  # the configuration's key for which the program was made
    "NODES", "STEPS", "STEP_TABLE",  # how many objects are met on the way to the leaves; how they are found
    "INPUTS", "RESULTS", "RESULT_TABLE",
    "OWNED",  # how many objects a call has references to: of inputs, of results, of nodes
    "MAIN", "CONSTS", "RELEASES",  # the program, its constants; whether other threads may run meanwhile
    "WORKSPACE",  # the arguments with which workspace is asked for, a tuple, or null
    "DEVICE", "PUT",  # where it runs; the function that makes a buffer of an ndarray
    "GIVEN", "GIVEN_TABLE",  # the donated arguments: (node, leaf, whether the program overwrites its memory)
    "TOGETHER",  # what makes the results' tree of them all: a function; null for a single result, TUPLE for a tuple
)  # fmt: skip
STEP_WORDS, RESULT_WORDS, GIVEN_WORDS = 5, 5, 3
STEPS = (
    "TUPLE", "LIST", "DICT",  # (node, length, type): what a node is, a tuple also one of that subclass
    "TUPLE_ITEM", "LIST_ITEM", "DICT_ITEM",  # (node, of which node, which, and if not of a tuple, the object)
    "OPENED",  # (node, of which node, function that opens it, the object)
    "SAME", "EQUAL",  # (node, object)
    "HELD",  # (leaf, ndarray)
    "ARRAY",  # (node, leaf, abstract value)
    "FLOAT32", "FLOAT64", "INT32", "INT64", "BOOL",  # (node, leaf): numbers
    "NDARRAY",  # (node, leaf, dtype, extents: their number and they)
    "PUT_NDARRAY",  # (node, leaf, dtype, extents): one that is copied
)  # fmt: skip
RESULTS = ("NEW", "POOLED", "TAKEN", "INPUT", "CONST")
"""(kind, abstract value, what, extents, pointer that the program writes through). New ndarrays of a dtype, or from the
pool with these arguments; that of a donated argument, of another argument or earlier result; one that is given."""

DECLARATIONS = r"""
declare i32 @PyContextVar_Get(ptr, ptr, ptr)
declare i64 @PyDict_Size(ptr)
declare ptr @PyDict_GetItemWithError(ptr, ptr)
declare i64 @PyTuple_Size(ptr)
declare ptr @PyTuple_GetItem(ptr, i64)
declare i64 @PyList_Size(ptr)
declare ptr @PyList_GetItem(ptr, i64)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare ptr @PyObject_GetAttr(ptr, ptr)
declare i32 @PyObject_RichCompareBool(ptr, ptr, i32)
declare ptr @PyObject_Call(ptr, ptr, ptr)
declare ptr @PyObject_CallFunctionObjArgs(ptr, ...)
declare double @PyFloat_AsDouble(ptr)
declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr)
declare void @PyErr_Clear()
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyType_GenericAlloc(ptr, i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @cotan_new_ndarray(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
@type_tuple = external global i8
@type_list = external global i8
@type_dict = external global i8
@type_float = external global i8
@type_int = external global i8
@type_ndarray = external global i8
@type_array = external global i8
@type_buffer = external global i8
@type_block = external global i8
@object_none = external global i8
@object_true = external global i8
@object_false = external global i8
@object_miss = external global i8
@guard_variable = external global i8
@guard_trace = external global i8
@guard_overriding = external global i8
@guard_shared = external global i8
@guard_own = external global i8
@name_key = external global i8
@name_plain = external global i8
@pool_empty = external global i8
@pool_take = external global i8
@pool_give = external global i8
"""
_CALL = r"""
; The builtin: its arguments are the tuple of positional ones, and the dictionary of those by name, if there are some.
define ptr @cotan_call(ptr %self, ptr %argv, i64 %argc) {
entry:
  %table = field %self 16
  %fine = call i1 @cotan_guard(ptr %table)
  br i1 %fine, label %begin, label %miss
miss:
  call void @Py_IncRef(ptr @object_miss)
  ret ptr @object_miss
begin:
  %node_count = count %table NODES
  %inputs = count %table INPUTS
  %total = count %table OWNED
  %nodes = alloca ptr, i64 %node_count, align 16
  %objects = alloca ptr, i64 %total, align 16
  %pointers = alloca ptr, i64 %total, align 16
  %numbers = alloca i64, i64 %total, align 16
  %bytes = mul i64 %total, 8
  call void @llvm.memset.p0.i64(ptr align 8 %objects, i8 0, i64 %bytes, i1 false)
  %args = load ptr, ptr %argv
  store ptr %args, ptr %nodes
  %named = icmp eq i64 %argc, 2
  br i1 %named, label %by_name, label %take
by_name:
  %kwargs = word %argv 1
  %second = getelementptr ptr, ptr %nodes, i64 1
  store ptr %kwargs, ptr %second
  br label %take
take:
  %committed = call i32 @cotan_take(ptr %table, ptr %nodes, ptr %objects, ptr %pointers, ptr %numbers)
  %taken = icmp sge i32 %committed, 0
  br i1 %taken, label %may_take, label %not_taken
not_taken:
  call void @cotan_drop(ptr %objects, i64 %total)
  %broken = icmp eq i32 %committed, -2
  br i1 %broken, label %error, label %miss
may_take:
  %exclusive = call i1 @cotan_exclusive(ptr %table, ptr %nodes, ptr %objects)
  br i1 %exclusive, label %make, label %not_exclusive
not_exclusive:
  call void @cotan_drop(ptr %objects, i64 %total)
  br label %miss
make:
  %made = call i1 @cotan_make(ptr %table, ptr %objects, ptr %pointers)
  br i1 %made, label %run, label %drop
run:
  call void @cotan_point(ptr %table, ptr %objects, ptr %pointers)
  %ran = call i1 @cotan_run(ptr %table, ptr %pointers)
  br i1 %ran, label %wrap, label %drop
wrap:
  call void @cotan_give(ptr %table, ptr %nodes)
  %arrays = getelementptr ptr, ptr %objects, i64 %inputs
  %found = call ptr @cotan_results(ptr %table, ptr %arrays, i32 %committed)
  call void @cotan_drop(ptr %objects, i64 %total)
  ret ptr %found
drop:
  call void @cotan_drop(ptr %objects, i64 %total)
  br label %error
error:
  ret ptr null
}
"""

_SHORT = {
    # what stands for it: (bytes per step, type)
    "word": (8, "ptr"),
    "count": (8, "i64"),
    "field": (1, "ptr"),
    "number": (1, "i32"),
}
_LOAD = re.compile(r"^  %(\w+) = (word|count|field|number) %(\w+) (\w+)$", re.MULTILINE)
_SET = re.compile(r"^  set %(\w+) (\w+) %(\w+)$", re.MULTILINE)
_NAME = re.compile(r"\b[A-Z][A-Z0-9_]+\b")


def text(offsets: Mapping[str, int]) -> str:
    """The module. ``offsets``, in bytes: of an Array's AVAL, BUFFER, DEVICE_OF, COMMITTED and HOST; of a
    buffer's MEMORY (its ndarray) and BUFFER_DEVICE."""
    sizes = {"STEP_WORDS": STEP_WORDS, "RESULT_WORDS": RESULT_WORDS, "GIVEN_WORDS": GIVEN_WORDS}
    numbers = {**sizes, "OWNED_WRITEABLE": 0x404, **offsets}
    for names in (WORDS, STEPS, RESULTS):
        numbers.update((name, number) for number, name in enumerate(names))
    return spelled_out(DECLARATIONS + arguments.PLAIN + arguments.TEXT + results.WRAP + results.TEXT + _CALL, numbers)


def spelled_out(text: str, numbers: Mapping[str, int]) -> str:
    """LLVM IR of text with short forms of loads and stores, and names of numbers in capitals."""

    def load(found: re.Match[str]) -> str:
        name, what, of, place = found.groups()
        step, kind = _SHORT[what]
        offset = step * int(numbers.get(place, place))
        return f"  %{name}.at = getelementptr i8, ptr %{of}, i64 {offset}\n  %{name} = load {kind}, ptr %{name}.at"

    def put(found: re.Match[str]) -> str:
        of, place, value = found.groups()
        at = f"%{of}.{place.lower()}"
        return f"  {at} = getelementptr i8, ptr %{of}, i64 {numbers[place]}\n  store ptr %{value}, ptr {at}"

    whole = _SET.sub(put, _LOAD.sub(load, text))
    return _NAME.sub(lambda found: str(numbers.get(found[0], found[0])), whole)
