"""Elementwise primitives at once, on arrays of any size: one native function for a primitive and its types.

A kernel of one loop over an axis without end is compiled once; a call runs so many rounds of it as the array has, and
what is left over is computed in a block on the stack. So the value of an element depends neither on the size of its
array nor on where it stands in it, and is what compiled programs give. Knows no primitive by name.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan.compiler import compile_to_program
from cotan.config import config
from cotan.errors import UnsupportedError
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var
from cotan.ir.primitive import Primitive, abstract
from cotan.ir.program import Kernel, KernelStep
from cotan_cpu import driver, native
from cotan_cpu.backend import LOCAL_BYTES
from cotan_cpu.codegen import emit_kernel, jit
from cotan_cpu.program import PARALLEL_FROM, chunks_of

_ENDLESS = 1 << 40
"""The extent that kernels are compiled for: no array has so many elements."""
_KEPT = 512
_SYMBOLS = ("Py_IncRef", "_Py_NoneStruct")

# Units are rounds of the kernel; the last one may be what is left of one.
_SPAN = """
define void @cotan_span(ptr %table, i64 %begin, i64 %end) {
entry:
  %pads = alloca [OPERANDS x ptr], align 8
PADS
  %count_at = getelementptr ptr, ptr %table, i64 OPERANDS
  %count = load i64, ptr %count_at
  %whole = udiv i64 %count, BLOCK
  %last = call i64 @llvm.umin.i64(i64 %end, i64 %whole)
  call void @cotan_kernel(ptr %table, i64 %begin, i64 %last)
  %past = icmp ugt i64 %end, %whole
  br i1 %past, label %remainder, label %done
remainder:
  %from = mul i64 %whole, BLOCK
  %rest = sub i64 %count, %from
BEFORE
  call void @cotan_kernel(ptr %pads, i64 0, i64 1)
AFTER
  br label %done
done:
  ret void
}
declare i64 @llvm.umin.i64(i64, i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""

# The builtin takes ndarrays, and counts the elements of the result.
_ENTRY = """
define ptr @cotan_entry(ptr %self, ptr %argv, i64 %argc) {
entry:
  %table = alloca [WORDS x ptr], align 8
LOADS
  %rank_at = getelementptr i8, ptr %oRESULT, i64 RANK
  %rank32 = load i32, ptr %rank_at
  %rank = sext i32 %rank32 to i64
  %extents_at = getelementptr i8, ptr %oRESULT, i64 EXTENTS
  %extents = load ptr, ptr %extents_at
  br label %axis
axis:
  %number = phi i64 [ 0, %entry ], [ %next, %multiply ]
  %count = phi i64 [ 1, %entry ], [ %larger, %multiply ]
  %over = icmp eq i64 %number, %rank
  br i1 %over, label %run, label %multiply
multiply:
  %extent_at = getelementptr i64, ptr %extents, i64 %number
  %extent = load i64, ptr %extent_at
  %larger = mul i64 %count, %extent
  %next = add i64 %number, 1
  br label %axis
run:
  %count_at = getelementptr ptr, ptr %table, i64 OPERANDS
  store i64 %count, ptr %count_at
  %more = add i64 %count, LESS
  %units = udiv i64 %more, BLOCK
  call void @cotan_span(ptr %table, i64 0, i64 %units)
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
}
declare void @Py_IncRef(ptr)
@_Py_NoneStruct = external global i8
"""


def _span_text(sizes: Sequence[int], scalars: Sequence[bool], result: int, block: int) -> str:
    """The function over units, for operands of these bytes an element, of which number ``result`` is written."""
    pads, before, after = [], [], []
    for k, (size, scalar) in enumerate(zip(sizes, scalars, strict=True)):
        before += [f"%at{k} = getelementptr ptr, ptr %table, i64 {k}", f"%p{k} = load ptr, ptr %at{k}"]
        pad = f"%p{k}"
        if not scalar:
            pad = f"%pad{k}"
            pads.append(f"{pad} = alloca [{block * size} x i8], align 64")
            before += [
                f"%skipped{k} = mul i64 %from, {size}",
                f"%rest{k} = getelementptr i8, ptr %p{k}, i64 %skipped{k}",
                f"%bytes{k} = mul i64 %rest, {size}",
            ]
            if k != result:
                before += [
                    f"call void @llvm.memset.p0.i64(ptr {pad}, i8 0, i64 {block * size}, i1 false)",
                    f"call void @llvm.memcpy.p0.p0.i64(ptr {pad}, ptr %rest{k}, i64 %bytes{k}, i1 false)",
                ]
            else:
                after.append(f"call void @llvm.memcpy.p0.p0.i64(ptr %rest{k}, ptr {pad}, i64 %bytes{k}, i1 false)")
        before += [f"%to{k} = getelementptr ptr, ptr %pads, i64 {k}", f"store ptr {pad}, ptr %to{k}"]
    text = _SPAN.replace("OPERANDS", str(len(sizes))).replace("BLOCK", str(block))
    for word, lines in (("PADS", pads), ("BEFORE", before), ("AFTER", after)):
        text = text.replace(word, "\n".join(f"  {line}" for line in lines))
    return text


def _entry_text(order: Sequence[int], block: int) -> str:
    """The builtin of ndarrays, the last of which is the result; ``order`` says which is operand k of the kernel."""
    loads, count = [], len(order)
    for k, place in enumerate(order):
        loads += [
            f"%a{k} = getelementptr ptr, ptr %argv, i64 {place}",
            f"%o{k} = load ptr, ptr %a{k}",
            f"%d{k} = getelementptr i8, ptr %o{k}, i64 {driver.DATA_OFFSET}",
            f"%p{k} = load ptr, ptr %d{k}",
            f"%s{k} = getelementptr ptr, ptr %table, i64 {k}",
            f"store ptr %p{k}, ptr %s{k}",
        ]
    words = {
        "OPERANDS": count, "WORDS": count + 1, "RESULT": order.index(count - 1), "BLOCK": block, "LESS": block - 1,
        "RANK": driver.RANK_OFFSET, "EXTENTS": driver.EXTENTS_OFFSET,
    }  # fmt: skip
    text = _ENTRY
    for word, number in words.items():
        text = text.replace(word, str(number))
    return text.replace("LOADS", "\n".join(f"  {line}" for line in loads))


class Span:
    """A primitive for operands of certain types: native code of one kernel.

    Attributes:
      dtype: of the result.
      alone: ``alone(*arrays, result)`` by the calling thread, which keeps the interpreter's lock.
      alone_up_to: the number of elements up to which that is quickest.
      entry: the address of ``alone``'s native function; None where Python cannot call such.
    """

    module: jit.Module
    method_def: Any

    def __init__(self, kernel: Kernel, order: Sequence[int], name: str, types: Sequence[ShapedArray]) -> None:
        code = emit_kernel(kernel, jit.host_target(), "cotan_kernel", endless=True)
        sizes = [aval.dtype.itemsize for aval in types]
        result = order.index(len(order) - 1)
        block = self._block = types[result].size // code.units
        scalars = [not aval.shape for aval in types]
        text = code.text + _span_text(sizes, scalars, result, block) + _entry_text(order, block)
        self.module = jit.load(text, driver.python_symbols(_SYMBOLS))
        self.dtype = np.dtype(types[result].dtype)
        self._address = self.module.address("cotan_span")
        self._order = order
        self._unit_cost = code.unit_cost
        self.alone_up_to = int(PARALLEL_FROM / code.unit_cost) * block
        self.alone: Callable[..., None] = self._shared
        self.entry: int | None = None
        if driver.has_fast_entry():
            self.entry = self.module.address("cotan_entry")
            self.alone = driver.builtin(self.entry, name, self)

    def __call__(self, *arrays: np.ndarray) -> None:
        """Compute on ndarrays without gaps, the last of which is for the result."""
        (self.alone if arrays[-1].size <= self.alone_up_to else self._shared)(*arrays)

    def _shared(self, *arrays: np.ndarray) -> None:
        """By several threads, without the interpreter's lock."""
        size = arrays[-1].size
        pointers = (arrays[place].ctypes.data for place in self._order)
        table = (ctypes.c_size_t * (len(arrays) + 1))(*pointers, size)
        units = -(-size // self._block)
        threads = native.thread_count(config.num_threads)
        chunks = chunks_of(units, units * self._unit_cost, threads)
        runtime = native.runtime()
        if chunks > 1:
            runtime.ensure_threads(threads)
        runtime.parallel_for(self._address, ctypes.addressof(table), units, chunks, threads)


class Operation(NamedTuple):
    """An elementwise primitive for operands of these dtypes, of which some are scalars, with its parameters."""

    primitive: Primitive
    types: tuple[tuple[np.dtype, bool], ...]
    params: tuple[Any, ...]

    def operands(self) -> list[Var]:
        """Arguments of a program, of the types that it takes."""
        return [Var(shaped(() if scalar else (_ENDLESS,), dtype)) for dtype, scalar in self.types]

    def equation(self, operands: Sequence[Var]) -> Eqn:
        params = dict(self.params)
        out = abstract[self.primitive](*[var.aval for var in operands], **params)
        return Eqn(self.primitive, operands, [Var(out)], params)


@functools.lru_cache(maxsize=_KEPT)
def span(operation: Operation) -> Span | None:
    """The native code for an operation; None where it has none."""
    return joined(operation, (None,) * len(operation.types))


def joined(last: Operation, before: Sequence[Operation | None]) -> Span | None:
    """The native code for an operation whose operands, where not None, are results of others, without their memory.

    It takes the operands of these in their places.
    """
    arguments: list[Var] = []
    given: list[Var] = []
    equations: list[Eqn] = []
    for var, operation in zip(last.operands(), before, strict=True):
        variables = [var] if operation is None else operation.operands()
        arguments += variables
        if operation is not None:
            equations.append(operation.equation(variables))
        given.append(var if operation is None else equations[-1].outvars[0])
    equations.append(last.equation(given))
    closed = ClosedJaxpr(Jaxpr((), arguments, equations, equations[-1].outvars))
    return _compiled(closed, last.primitive.name)


def _compiled(closed: ClosedJaxpr, name: str) -> Span | None:
    from cotan.backend import get_backend

    kernels = get_backend("cpu").lowerings().kernel
    try:
        program = compile_to_program(closed, name=name, local_bytes=LOCAL_BYTES, kernels=kernels)
        numbers = (*program.inputs, *program.outputs)
        if len(program.steps) != 1:
            return None
        step = program.steps[0]
        if not isinstance(step, KernelStep) or sorted(step.buffers) != sorted(numbers):
            return None
        types = [program.buffers[number].aval for number in step.buffers]
        return Span(step.kernel, [numbers.index(number) for number in step.buffers], name, types)
    except UnsupportedError:
        return None
