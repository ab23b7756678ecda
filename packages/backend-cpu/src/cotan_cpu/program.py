"""A Program as one native function: LLVM IR text that calls kernels, libraries and the host in the order of the steps.

``write`` makes the text; it loads nothing and runs nothing. The function is ``i32 cotan_main(ptr args, ptr consts, ptr
arena)``: tables of pointers to the inputs and then the results, to the constants, and a workspace. ``cotan_entry`` is
the same for CPython's vector call protocol. A non-zero status leaves the function at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cotan.backend import LoweringTable
from cotan.compiler import compile_to_program
from cotan.ir.avals import ShapedArray
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var
from cotan.ir.program import CopyStep, HostStep, Kernel, KernelStep, LibraryStep, Program
from cotan_cpu.codegen import Target, emit_kernel

PARALLEL_FROM = 60e-6
"""Seconds of work from which a step is shared among threads."""
CHUNK = 25e-6
"""Seconds that one chunk of it should at least take."""
RELEASE_GIL_FROM = 100e-6
"""Seconds of a whole program from which other Python threads may run meanwhile."""
_COPY_SECONDS_PER_BYTE = 1 / 8e9
_STACK_ARENA = 1 << 14
_ALIGNMENT = 64

PYTHON_SYMBOLS = ("PyEval_SaveThread", "PyEval_RestoreThread", "Py_IncRef", "_Py_NoneStruct")


@dataclass(frozen=True)
class HostCall:
    """A step on the host: what runs, and the types of its operands and results."""

    primitive: Any
    params: dict[str, Any]
    operands: tuple[ShapedArray, ...]
    results: tuple[ShapedArray, ...]


@dataclass
class Source:
    """The text of a program, and what must be known to load and call it.

    Attributes:
      text: the module.
      outputs: numbers of the buffers that the caller allocates, in the order in which they follow the inputs.
      consts: numbers of the constants, in the order of their table.
      workspace: bytes that the caller must bring; 0 if none.
      host_calls: what callback number n runs.
      written: numbers of the buffers that steps write.
      runtime: names of the runtime's functions that it calls.
      parallel: whether it may use helper threads.
      costs: (step in words, estimated seconds on one thread).
    """

    text: str = ""
    outputs: tuple[int, ...] = ()
    consts: tuple[int, ...] = ()
    workspace: int = 0
    host_calls: list[HostCall] = field(default_factory=list)
    written: set[int] = field(default_factory=set)
    runtime: set[str] = field(default_factory=set)
    parallel: bool = False
    costs: list[tuple[str, float]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The estimated time of one run on one thread."""
        return sum(seconds for _, seconds in self.costs)


class Writer:
    """Collects the text of one program. Rules of kind ``library`` get it together with their step."""

    def __init__(self, program: Program, table: LoweringTable, target: Target, threads: int) -> None:
        self.program = program
        self.target = target
        self.threads = threads
        self.source = Source()
        self._table = table
        self._top: list[str] = []
        self._body: list[str] = []
        self._kernels: dict[int, tuple[Kernel, Any]] = {}
        self._bodies: dict[str, Any] = {}
        self._scratch = _aligned(program.arena)
        self._count = 0
        self._pointers: dict[int, str] = {}

    # ---- For library rules

    def aval(self, number: int) -> ShapedArray:
        """The type of a buffer."""
        return self.program.buffers[number].aval

    def pointer(self, number: int) -> str:
        """The pointer to a buffer, as an operand of an instruction."""
        return self._pointers[number]

    def scratch(self, nbytes: int) -> str:
        """The pointer to fresh workspace."""
        name = self._fresh()
        self._body.append(f"  {name} = getelementptr i8, ptr %arena, i64 {self._scratch}")
        self._scratch = _aligned(self._scratch + nbytes)
        return name

    def words(self, values: Sequence[int]) -> str:
        """A constant array of 64-bit integers, as a pointer."""
        name = f"@cotan_words_{self._number()}"
        items = ", ".join(f"i64 {value}" for value in values)
        self._top.append(f"{name} = internal constant [{len(values)} x i64] [{items}], align 64")
        return name

    def launch(self, function: str, pointers: Sequence[str], units: int, seconds: float, what: str) -> None:
        """Call ``function`` (of a kernel's signature) on a table of these pointers, by several threads if worth it."""
        table = self._fresh()
        self._top_of_main.append(f"  {table} = alloca [{max(len(pointers), 1)} x ptr], align 8")
        for position, pointer in enumerate(pointers):
            slot = self._fresh()
            self._body.append(f"  {slot} = getelementptr ptr, ptr {table}, i64 {position}")
            self._body.append(f"  store ptr {pointer}, ptr {slot}")
        chunks = self._chunks(units, seconds)
        if chunks > 1:
            self.source.parallel = True
            self._body.append(
                f"  call void @cotan_parallel_for(ptr @{function}, ptr {table}, i64 {units}, i64 {chunks}, "
                f"i64 {self.threads})"
            )
        else:
            self._body.append(f"  call void @{function}(ptr {table}, i64 0, i64 {units})")
        self.source.costs.append((what, seconds))

    def kernel(self, kernel: Kernel, pointers: Sequence[str]) -> None:
        """Launch a kernel on these pointers."""
        known = self._kernels.get(id(kernel))
        if known is None:
            symbol = f"k{len(self._bodies)}"
            code = emit_kernel(kernel, self.target, symbol)
            # Layers of one shape have kernels of one text: it is compiled once. How many units run is not in it.
            same = self._bodies.setdefault(code.text.replace(f"@{symbol}(", "@("), code)
            known = self._kernels[id(kernel)] = (kernel, replace(code, symbol=same.symbol))
        code = known[1]
        self.launch(code.symbol, pointers, code.units, code.units * code.unit_cost, kernel.name)

    def library(self, function: str, pointers: Sequence[str], units: int, seconds: float, what: str) -> None:
        """Launch a function of the runtime."""
        self.source.runtime.add(function)
        self.launch(function, pointers, units, seconds, what)

    def zero(self, number: int) -> None:
        """Fill a buffer with zero bytes."""
        nbytes = self.aval(number).nbytes
        self._body.append(f"  call void @llvm.memset.p0.i64(ptr {self.pointer(number)}, i8 0, i64 {nbytes}, i1 false)")

    def loops(self, step: LibraryStep) -> None:
        """Do a library step by kernels after all, or on the host where it has none."""
        operands, results = ([Var(self.aval(n)) for n in numbers] for numbers in (step.operands, step.results))
        jaxpr = Jaxpr((), operands, [Eqn(step.primitive, operands, results, step.params)], results)
        program = compile_to_program(ClosedJaxpr(jaxpr), name=step.primitive.name)
        if program.consts or not all(isinstance(each, KernelStep) for each in program.steps):
            self.host(step)
            return
        pointers = {number: self.pointer(outer) for number, outer in zip(program.inputs, step.operands, strict=True)}
        pointers.update((n, self.pointer(outer)) for n, outer in zip(program.outputs, step.results, strict=True))
        start = self._scratch
        self._scratch = _aligned(start + program.arena)
        for number, buffer in enumerate(program.buffers):
            if buffer.kind == "temp":
                name = pointers[number] = self._fresh()
                self._body.append(f"  {name} = getelementptr i8, ptr %arena, i64 {start + buffer.offset}")
        for each in program.steps:
            assert isinstance(each, KernelStep)
            self.kernel(each.kernel, [pointers[number] for number in each.buffers])

    def host(self, step: LibraryStep | HostStep) -> None:
        """Run a step by its eager rule or reference, under the GIL."""
        pointers = [self.pointer(number) for number in (*step.operands, *step.results)]
        table = self._fresh()
        self._top_of_main.append(f"  {table} = alloca [{max(len(pointers), 1)} x ptr], align 8")
        for position, pointer in enumerate(pointers):
            slot = self._fresh()
            self._body.append(f"  {slot} = getelementptr ptr, ptr {table}, i64 {position}")
            self._body.append(f"  store ptr {pointer}, ptr {slot}")
        status, failed, label = self._fresh(), self._fresh(), f"host{self._number()}"
        number = len(self.source.host_calls)
        self._body += [
            f"  {status} = call i32 @cotan_host(ptr %consts, i64 {number}, ptr {table})",
            f"  {failed} = icmp ne i32 {status}, 0",
            f"  br i1 {failed}, label %fail, label %{label}",
            f"{label}:",
        ]
        operands = tuple(map(self.aval, step.operands))
        results = tuple(map(self.aval, step.results))
        self.source.host_calls.append(HostCall(step.primitive, step.params, operands, results))
        nbytes = sum(aval.nbytes for aval in (*operands, *results))
        self.source.costs.append((f"{step.primitive} (host)", 5e-6 + nbytes * 10 * _COPY_SECONDS_PER_BYTE))

    # ---- The whole

    def write(self) -> Source:
        """The text of the whole program."""
        program = self.program
        self.source.outputs = tuple(dict.fromkeys(n for n in program.outputs if program.buffers[n].kind == "output"))
        self.source.consts = tuple(program.consts)
        self._top_of_main: list[str] = []
        pointers = self._load_pointers()
        for step in program.steps:
            self._step(step)
        if self._scratch > 0 and not self._on_stack:
            self.source.workspace = self._scratch
        arena = []
        if self._on_stack:
            arena = [f"  %arena = alloca [{max(self._scratch, 1)} x i8], align {_ALIGNMENT}"]
        parts = [
            *(code.text for code in self._bodies.values()),
            *self._top,
            f"define i32 @cotan_main(ptr %args, ptr %consts{'' if self._on_stack else ', ptr %arena'}) {{",
            "entry:",
            *arena,
            *self._top_of_main,
            *pointers,
            *self._body,
            "  ret i32 0",
            *(["fail:", "  ret i32 1"] if self.source.host_calls else []),
            "}",
            self._entry(),
            *self._declarations(),
        ]
        self.source.text = "\n".join(parts) + "\n"
        return self.source

    @property
    def _on_stack(self) -> bool:
        return self._scratch <= _STACK_ARENA

    def _number(self) -> int:
        self._count += 1
        return self._count

    def _fresh(self) -> str:
        return f"%v{self._number()}"

    def _chunks(self, units: int, seconds: float) -> int:
        if self.threads <= 1 or units <= 1 or seconds < PARALLEL_FROM:
            return 1
        # Several chunks per thread, so that a thread that loses its core leaves little to the others.
        return max(1, min(units, 4 * self.threads, int(seconds / CHUNK)))

    def _load_pointers(self) -> list[str]:
        program = self.program
        lines: list[str] = []

        def load(table: str, position: int, number: int) -> None:
            lines.append(f"  %at{number} = getelementptr ptr, ptr {table}, i64 {position}")
            lines.append(f"  %b{number} = load ptr, ptr %at{number}")
            self._pointers[number] = f"%b{number}"

        for position, number in enumerate(program.inputs):
            load("%args", position, number)
        for position, number in enumerate(self.source.outputs, len(program.inputs)):
            load("%args", position, number)
        for position, number in enumerate(self.source.consts):
            load("%consts", position, number)
        for number, buffer in enumerate(program.buffers):
            if buffer.kind == "temp":
                lines.append(f"  %b{number} = getelementptr i8, ptr %arena, i64 {buffer.offset}")
                self._pointers[number] = f"%b{number}"
        return lines

    def _step(self, step: Any) -> None:
        if isinstance(step, KernelStep):
            operands = zip(step.kernel.operands, step.buffers, strict=True)
            self.source.written.update(number for operand, number in operands if operand.written)
            self.kernel(step.kernel, [self.pointer(number) for number in step.buffers])
        elif isinstance(step, LibraryStep):
            self.source.written.update(step.results)
            rule = self._table.library.get(step.primitive, Writer.host)
            rule(self, step)
        elif isinstance(step, HostStep):
            self.source.written.update(step.results)
            self.host(step)
        elif isinstance(step, CopyStep):
            self.source.written.add(step.target)
            self._copy(step)
        else:
            raise TypeError(f"the CPU backend knows no step of type {type(step).__name__}")

    def _copy(self, step: CopyStep) -> None:
        nbytes = self.aval(step.source).nbytes
        target, source = self.pointer(step.target), self.pointer(step.source)
        self._body.append(f"  call void @llvm.memmove.p0.p0.i64(ptr {target}, ptr {source}, i64 {nbytes}, i1 false)")
        self.source.costs.append(("copy", nbytes * _COPY_SECONDS_PER_BYTE))

    def _entry(self) -> str:
        """The builtin: reads the data pointers of its ndarray arguments, and of ``self``, the table of constants."""
        program = self.program
        count = len(program.inputs) + len(self.source.outputs)
        lines = [
            "define ptr @cotan_entry(ptr %self, ptr %argv, i64 %argc) {",
            f"  %args = alloca [{max(count, 1)} x ptr], align 8",
            "  %consts_at = getelementptr i8, ptr %self, i64 16",
            "  %consts = load ptr, ptr %consts_at",
        ]
        for position in range(count):
            lines += _load_data(position, f"%d{position}")
            lines.append(f"  %s{position} = getelementptr ptr, ptr %args, i64 {position}")
            lines.append(f"  store ptr %d{position}, ptr %s{position}")
        arguments = "ptr %args, ptr %consts"
        if not self._on_stack:
            lines += _load_data(count, "%arena")
            arguments += ", ptr %arena"
        release = self.source.seconds > RELEASE_GIL_FROM
        if release:
            lines.append("  %thread = call ptr @PyEval_SaveThread()")
        lines.append(f"  %status = call i32 @cotan_main({arguments})")
        if release:
            lines.append("  call void @PyEval_RestoreThread(ptr %thread)")
        lines += ["  call void @Py_IncRef(ptr @_Py_NoneStruct)", "  ret ptr @_Py_NoneStruct", "}"]
        return "\n".join(lines)

    def _declarations(self) -> list[str]:
        functions = sorted(self.source.runtime)
        return [
            *(f"declare void @{name}(ptr, i64, i64)" for name in functions),
            *(["declare void @cotan_parallel_for(ptr, ptr, i64, i64, i64)"] if self.source.parallel else []),
            *(["declare i32 @cotan_host(ptr, i64, ptr)"] if self.source.host_calls else []),
            "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
            "declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)",
            "declare ptr @PyEval_SaveThread()",
            "declare void @PyEval_RestoreThread(ptr)",
            "declare void @Py_IncRef(ptr)",
            "@_Py_NoneStruct = external global i8",
        ]


def _load_data(position: int, name: str) -> list[str]:
    return [
        f"  %a{position} = getelementptr ptr, ptr %argv, i64 {position}",
        f"  %o{position} = load ptr, ptr %a{position}",
        f"  %p{position} = getelementptr i8, ptr %o{position}, i64 16",
        f"  {name} = load ptr, ptr %p{position}",
    ]


def _aligned(nbytes: int) -> int:
    return -(-nbytes // _ALIGNMENT) * _ALIGNMENT


def write(program: Program, table: LoweringTable, target: Target, threads: int) -> Source:
    """The text of ``program`` for a machine, for at most so many threads."""
    return Writer(program, table, target, threads).write()
