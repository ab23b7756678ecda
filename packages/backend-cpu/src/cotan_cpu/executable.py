"""Executables of the CPU: a compiled Program with its constants, ready to be called on buffers.

The native code is called as a builtin that reads ndarrays itself, or through ctypes where that is not possible. Calls
are synchronous. Knows nothing of how the text of the program was made.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from cotan.backend import Executable, LoweringTable
from cotan.backend.calls import Call
from cotan.backend.host_memory import put_results
from cotan.config import config
from cotan.errors import user_traceback
from cotan.ir.avals import ShapedArray
from cotan.ir.primitive import reference
from cotan.ir.program import Program
from cotan.primitives.operands import quiet
from cotan_cpu import driver, native
from cotan_cpu.buffers import CpuBuffer, buffer_of, is_exclusive
from cotan_cpu.codegen import jit
from cotan_cpu.entry import Body, entry_for
from cotan_cpu.pool import SMALLEST, pool
from cotan_cpu.program import PYTHON_SYMBOLS, RELEASE_GIL_FROM, HostCall, Source, write
from cotan_cpu.straight import Made, shaped, write_caller


class Code(np.ndarray):
    """The table of constants' addresses, which also owns all that the native code needs to live."""

    module: Any
    method_def: Any
    constants: list[np.ndarray]
    host_calls: list[HostCall]
    table: LoweringTable


_codes: WeakValueDictionary[int, Code] = WeakValueDictionary()
_failures: dict[int, BaseException] = {}


def memory_of(aval: ShapedArray) -> tuple[tuple[int, ...], np.dtype, int]:
    """(shape, dtype, bytes) of the ndarray that holds a value."""
    return aval.shape, np.dtype(aval.dtype), aval.nbytes


# ---- Steps on the host


def _view(aval: ShapedArray, address: int, writeable: bool) -> np.ndarray:
    shape, dtype, nbytes = memory_of(aval)
    memory = (ctypes.c_char * nbytes).from_address(address) if nbytes else None
    array = np.ndarray(shape, dtype, memory)
    array.flags.writeable = writeable
    return array


def _run_host_call(code: Code, call: HostCall, table: int) -> None:
    count = len(call.operands) + len(call.results)
    addresses = (ctypes.c_size_t * count).from_address(table)
    operands = [_view(aval, address, False) for aval, address in zip(call.operands, addresses, strict=False)]
    targets = [
        _view(aval, address, True) for aval, address in zip(call.results, addresses[len(call.operands) :], strict=True)
    ]
    rule = code.table.eager.get(call.primitive) or reference[call.primitive]
    into = getattr(rule, "into", None)
    if into is not None and into(*operands, *targets, **call.params):
        return
    ufunc = None if call.params else getattr(rule, "ufunc", None)
    if ufunc is not None:
        quiet(ufunc, *operands, out=targets[0])
        return
    results = rule(*operands, **call.params)
    if not call.primitive.multiple_results:
        results = [results]
    put_results(call.primitive.name, targets, results)


@ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_size_t, ctypes.c_int64, ctypes.c_size_t)
def _host(consts: int, number: int, table: int) -> int:
    try:
        code = _codes[consts]
        _run_host_call(code, code.host_calls[number], table)
    except BaseException as error:
        # It is raised again by the call that this thread is in, once all native frames have been left. The frames in
        # between hold views of the program's memory, which ends with it.
        _failures[threading.get_ident()] = error.with_traceback(user_traceback(error.__traceback__))
        return 1
    return 0


# ---- Loading


def _constants_table(values: Sequence[Any]) -> Code:
    constants = [_constant(value) for value in values]
    table = np.zeros(max(len(constants), 1), np.uintp)
    for position, constant in enumerate(constants):
        table[position] = constant.ctypes.data
    code = table.view(Code)
    code.constants = constants
    return code


def _constant(value: Any) -> np.ndarray:
    buffer = getattr(value, "_buffer", None)
    if isinstance(buffer, CpuBuffer):
        return buffer.array
    return np.require(np.asarray(value), requirements=["C", "A"])


def _load(source: Source, code: Code) -> None:
    symbols = dict(driver.python_symbols(PYTHON_SYMBOLS))
    names = {*source.runtime, *(["cotan_parallel_for"] if source.parallel else [])}
    symbols.update((name, native.runtime().address(name)) for name in names)
    if source.host_calls:
        symbols["cotan_host"] = driver.address_of(_host)
    code.module = jit.load(source.text, symbols)


def _through_ctypes(code: Code, source: Source, count: int) -> Callable[..., None]:
    """The program as a Python function of ndarrays, for interpreters whose objects native code cannot read."""
    words = ["ptr", "ptr"] + (["ptr"] if source.workspace else [])
    main = driver.function(code.module.address("cotan_main"), "i32", *words)
    consts = code.ctypes.data

    def call(*arrays: np.ndarray) -> None:
        table = (ctypes.c_void_p * max(count, 1))(*(array.ctypes.data for array in arrays[:count]))
        workspace = [arrays[count].ctypes.data] if source.workspace else []
        main(table, consts, *workspace)

    return call


def _raising(call: Callable[..., None]) -> Callable[..., None]:
    """``call`` for a program with steps on the host: what they raised is raised here."""

    def checked(*arrays: np.ndarray) -> None:
        call(*arrays)
        if _failures:
            failure = _failures.pop(threading.get_ident(), None)
            if failure is not None:
                raise failure

    return checked


def _with_workspace(call: Callable[..., None], nbytes: int) -> Callable[..., None]:
    take, give = pool.take_workspace, pool.return_workspace

    def with_workspace(*arrays: np.ndarray) -> None:
        workspace = take(nbytes)
        call(*arrays, workspace)
        give(workspace)

    return with_workspace


def _small_call(
    call: Callable[..., None], device: Any, specs: tuple[tuple[tuple[int, ...], np.dtype], ...]
) -> Callable[..., list[CpuBuffer]]:
    """The way of programs whose results are all new and small."""
    empty, new_buffer = np.empty, buffer_of
    if len(specs) == 1:
        ((shape, dtype),) = specs

        def one(buffers: Sequence[CpuBuffer]) -> list[CpuBuffer]:
            array = empty(shape, dtype)
            call(*[b.array for b in buffers], array)
            return [new_buffer(array, device)]

        return one

    def several(buffers: Sequence[CpuBuffer]) -> list[CpuBuffer]:
        arrays = [empty(shape, dtype) for shape, dtype in specs]
        call(*[b.array for b in buffers], *arrays)
        return [new_buffer(array, device) for array in arrays]

    return several


def _copied(array: np.ndarray) -> np.ndarray:
    copy = pool.empty(array.shape, array.dtype, array.nbytes)
    copy[...] = array
    return copy


class CpuExecutable(Executable):
    """A compiled Program.

    Attributes:
      fast_call: ``fast_call(buffers) -> buffers`` for programs without donation; the shortest way. It deletes nothing.
      forwarded: numbers of the arguments whose memory is returned as a result, without a copy.
    """

    __slots__ = (
        "_call",
        "_code",
        "_count",
        "_direct",
        "_new",
        "_overwrites",
        "_results",
        "_shares",
        "_source",
        "device",
        "fast_call",
        "forwarded",
        "name",
    )

    def __init__(self, program: Program, device: Any, table: LoweringTable) -> None:
        threads = native.thread_count(config.num_threads)
        source = write(program, table, jit.host_target(), threads)
        self.name = program.name
        self.device = device
        self._source = source
        code = self._code = _constants_table([part.consts[number] for part, number in source.consts])
        code.host_calls = source.host_calls
        code.table = table
        _load(source, code)
        _codes[code.ctypes.data] = code
        if source.parallel:
            native.runtime().ensure_threads(threads)
        # What the caller must make: (shape, dtype, bytes) of each new result.
        self._new = tuple(memory_of(program.buffers[number].aval) for number in source.outputs)
        # New results that lie in the memory of an argument, and all arguments that the code overwrites.
        self._shares = tuple((slot, program.buffers[number].donated) for slot, number in enumerate(source.outputs))
        taken = {number for _, number in self._shares if number is not None}
        self._overwrites = tuple(sorted(taken | {program.inputs.index(n) for n in source.written & {*program.inputs}}))
        self._results = tuple(self._result(program, number) for number in program.outputs)
        self.forwarded = frozenset(number for place, number in self._results if place == "input")
        self._call = self._callable(len(program.inputs) + len(source.outputs))
        self.fast_call = None if self._overwrites else self._short_cut()
        self._count = len(program.inputs)
        self._direct: Callable[..., Any] | None = None

    def _result(self, program: Program, number: int) -> tuple[str, int]:
        """Where a result is found: ('new', slot), ('input', number) or ('const', number)."""
        if number in self._source.outputs:
            return ("new", self._source.outputs.index(number))
        if number in program.inputs:
            return ("input", program.inputs.index(number))
        return ("const", self._source.consts.index((program, number)))

    def _callable(self, count: int) -> Callable[..., None]:
        """The native code as a function of the arrays of inputs and new results."""
        code, source = self._code, self._source
        if driver.has_fast_entry():
            call: Callable[..., None] = driver.builtin(code.module.address("cotan_entry"), self.name or "program", code)
        else:
            call = _through_ctypes(code, source, count)
        if source.workspace:
            call = _with_workspace(call, source.workspace)
        if source.host_calls:
            call = _raising(call)
        return call

    def _short_cut(self) -> Callable[..., list[CpuBuffer]]:
        call, device, new, results = self._call, self.device, self._new, self._results
        empty, buffer = pool.empty, buffer_of
        if results == tuple(("new", slot) for slot in range(len(new))):
            if all(nbytes < SMALLEST for _, _, nbytes in new):
                return _small_call(call, device, tuple((shape, dtype) for shape, dtype, _ in new))

            def fast_call(buffers: Sequence[CpuBuffer]) -> list[CpuBuffer]:
                arrays = [empty(shape, dtype, nbytes) for shape, dtype, nbytes in new]
                call(*[b.array for b in buffers], *arrays)
                return [buffer(array, device) for array in arrays]

            return fast_call

        def general_call(buffers: Sequence[CpuBuffer]) -> list[CpuBuffer]:
            arrays = [b.array for b in buffers]
            made = [empty(shape, dtype, nbytes) for shape, dtype, nbytes in new]
            call(*arrays, *made)
            return self._pick(arrays, made)

        return general_call

    def on_arrays(self) -> Callable[..., Any] | None:
        """A function of ndarrays that makes the results: one, or a list; None where it needs the host or old memory."""
        call, new, empty = self._call, self._new, pool.empty
        all_new = self._results == tuple(("new", slot) for slot in range(len(new)))
        if self._overwrites or self._source.host_calls or not all_new:
            return None

        def one(*arrays: np.ndarray) -> np.ndarray:
            out = empty(*new[0])
            call(*arrays, out)
            return out

        def several(*arrays: np.ndarray) -> list[np.ndarray]:
            made = [empty(*kind) for kind in new]
            call(*arrays, *made)
            return made

        return one if len(new) == 1 else several

    @property
    def direct(self) -> Callable[..., Any] | None:  # type: ignore[override]
        """See ``Executable``; written at the first use."""
        if self._direct is None and not self._overwrites:
            self._direct = self._written((), ())
        return self._direct

    def entry(self, call: Call) -> Callable[..., Any] | None:
        source = self._source
        if source.host_calls or not driver.has_fast_entry():
            return None
        made = self._made()
        body = Body(
            self._code.module.address("cotan_main"), self._code, made, self._results, self._code.constants,
            self._overwrites, source.workspace, source.seconds > RELEASE_GIL_FROM,
        )  # fmt: skip
        return entry_for(call, body)

    def donating(self, donated: Sequence[bool]) -> Callable[..., Any]:
        mask = tuple(donated)
        return self._written(self._overwrites, mask)

    def _written(self, overwrites: Sequence[int], donated: Sequence[bool]) -> Callable[..., Any]:
        return write_caller(
            self._call,
            self.device,
            self._count,
            self._made(),
            self._results,
            self._code.constants,
            overwrites,
            functools.partial(self.run, donated=donated),
        )

    def _made(self) -> list[Made]:
        return [Made(*kind, taken) for kind, (_, taken) in zip(self._new, self._shares, strict=True)]

    def _pick(self, arrays: Sequence[np.ndarray], made: Sequence[np.ndarray]) -> list[CpuBuffer]:
        found = {"new": made, "input": arrays, "const": self._code.constants}
        buffers: dict[tuple[str, int], CpuBuffer] = {}
        for place in self._results:
            if place not in buffers:
                buffers[place] = buffer_of(found[place[0]][place[1]], self.device)
        return [buffers[place] for place in self._results]

    def run(self, args: Sequence[Any], donated: Sequence[bool] = ()) -> list[Any]:
        if self.fast_call is not None:
            results: list[Any] = self.fast_call(args)
        else:
            given = Counter(map(id, args) if self._overwrites else ())
            mine = {n for n in self._overwrites if given[id(args[n])] == 1 and self._may_take(args, n, donated)}
            arrays = [b.array for b in args]
            for number in self._overwrites:
                if number not in mine:
                    # The code works in place: give it a copy of what it may not overwrite.
                    arrays[number] = _copied(arrays[number])
            made = [
                pool.empty(shape, dtype, nbytes) if number is None else shaped(arrays[number], shape, dtype)
                for (shape, dtype, nbytes), (_, number) in zip(self._new, self._shares, strict=True)
            ]
            self._call(*arrays, *made)
            results = self._pick(arrays, made)
        for buffer, gone in zip(args, donated, strict=False):
            if gone:
                buffer.delete()
        return results

    @staticmethod
    def _may_take(args: Sequence[Any], number: int, donated: Sequence[bool]) -> bool:
        """Whether an argument, given once, is donated and nothing else can see its memory."""
        if number >= len(donated) or not donated[number]:
            return False
        buffer = args[number]
        return is_exclusive(buffer)

    def cost(self) -> list[tuple[str, float]]:
        return list(self._source.costs)

    def text(self) -> str:
        return self._source.text

    def memory(self) -> dict[str, int]:
        code = self._code
        constants = sum(constant.nbytes for constant in code.constants)
        return {"workspace": self._source.workspace, "code": code.module.nbytes, "constants": constants}

    def __repr__(self) -> str:
        return f"<CpuExecutable {self.name}>"
