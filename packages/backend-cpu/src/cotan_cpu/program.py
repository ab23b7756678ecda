"""A Program as one native function: LLVM IR text that calls kernels, libraries and the host in the order of the steps.

``write`` makes the text; it loads nothing and runs nothing. The function is ``i32 cotan_main(ptr args, ptr consts, ptr
arena)``: tables of pointers to the inputs and then the results, to the constants, and a workspace. ``cotan_entry`` is
the same for CPython's vector call protocol. A non-zero status leaves the function at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cotan.backend import LoweringTable
from cotan.compiler import compile_to_program, structure_of
from cotan.ir.avals import ShapedArray
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var
from cotan.ir.primitive import Primitive
from cotan.ir.program import BranchStep, CopyStep, HostStep, Kernel, KernelStep, LibraryStep, LoopStep, Program, named
from cotan_cpu import control
from cotan_cpu.backend import LOCAL_BYTES
from cotan_cpu.codegen import KernelCode, Target, emit_kernel, jit
from cotan_cpu.strips import Strips

PARALLEL_FROM = 60e-6
"""Seconds of work from which a step is shared among threads."""
CHUNK = 25e-6
"""Seconds that one chunk of it should at least take."""
RELEASE_GIL_FROM = 100e-6
"""Seconds of a whole program from which other Python threads may run meanwhile."""
INLINE_UP_TO = 100e-9
"""Seconds of a part of a loop or branch up to which it is put in its place, so that carries are kept in registers."""
_COPY_SECONDS_PER_BYTE = 1 / 8e9
_STACK_ARENA = 1 << 14
_ALIGNMENT = 64
_PAGE = 1 << 16
_COPY = """define internal void @NAME(ptr %table, i64 %begin, i64 %end) nounwind {
  %target = load ptr, ptr %table
  %second = getelementptr ptr, ptr %table, i64 1
  %source = load ptr, ptr %second
  %first = mul i64 %begin, PAGE
  %wanted = mul i64 %end, PAGE
  %last = call i64 @llvm.smin.i64(i64 %wanted, i64 BYTES)
  %size = sub i64 %last, %first
  %to = getelementptr i8, ptr %target, i64 %first
  %from = getelementptr i8, ptr %source, i64 %first
  call void @llvm.memmove.p0.p0.i64(ptr %to, ptr %from, i64 %size, i1 false)
  ret void
}
declare i64 @llvm.smin.i64(i64, i64)"""

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
      consts: the constants, in the order of their table: of which program, and their numbers there.
      workspace: bytes that the caller must bring; 0 if none.
      host_calls: what callback number n runs.
      written: numbers of the buffers that steps write.
      runtime: names of the runtime's functions that it calls.
      parallel: whether it may use helper threads.
      costs: (step in words, estimated seconds on one thread).
    """

    text: str = ""
    outputs: tuple[int, ...] = ()
    consts: list[tuple[Program, int]] = field(default_factory=list)
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


class Frame:
    """The function that is being written: that of a whole program, or of a part of a loop or branch.

    Attributes:
      allocas: instructions at its beginning; ``body``: those after.
      pointers: buffer -> the operand that points to it.
      scratch: the first free byte of its workspace; ``peak``: the bytes that it needs in all.
      written: the buffers that its steps write.
      costs: (step in words, estimated seconds of one run on one thread).
      kernels: symbols of the kernels that it calls.
      strips: of which it computes the one of number ``%unit``; None where it computes all elements.
    """

    def __init__(self, program: Program, strips: Strips | None = None) -> None:
        self.program = program
        self.strips = strips
        self.allocas: list[str] = []
        self.body: list[str] = []
        self.pointers: dict[int, str] = {}
        self.scratch = self.peak = 0 if strips else _aligned(program.arena)
        self.written: set[int] = set()
        self.costs: list[tuple[str, float]] = []
        self.kernels: set[str] = set()
        self.may_fail = False

    @property
    def outputs(self) -> tuple[int, ...]:
        """The buffers that the caller brings for results, in the order in which they follow the inputs."""
        return tuple(dict.fromkeys(n for n in self.program.outputs if self.program.buffers[n].kind == "output"))

    @property
    def seconds(self) -> float:
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
        self._parts: list[str] = []
        self._kernels: dict[Hashable, KernelCode] = {}
        self._bodies: dict[str, KernelCode] = {}
        self._inlined: set[str] = set()
        self._copies: set[str] = set()
        self._shared: set[str] = set()
        self._functions: dict[str, str] = {}
        self._count = 0
        self.frame = Frame(program)
        self._uses = Counter(number for step in program.steps for number in named(step))

    # ---- For library rules

    def aval(self, number: int) -> ShapedArray:
        """The type of a buffer."""
        return self.frame.program.buffers[number].aval

    def pointer(self, number: int) -> str:
        """The pointer to a buffer, as an operand of an instruction."""
        return self.frame.pointers[number]

    def scratch(self, nbytes: int) -> str:
        """The pointer to fresh workspace, for the time of the step."""
        frame, name = self.frame, self.fresh()
        frame.body.append(f"  {name} = getelementptr i8, ptr %arena, i64 {frame.scratch}")
        self._reserve(frame.scratch + nbytes)
        return name

    def _reserve(self, end: int) -> None:
        frame = self.frame
        frame.scratch = _aligned(end)
        frame.peak = max(frame.peak, frame.scratch)

    def emit(self, *lines: str) -> None:
        """Add instructions."""
        self.frame.body.extend(f"  {line}" for line in lines)

    def label(self, name: str) -> None:
        """Begin a block, which the one before falls into."""
        self.frame.body += [f"  br label %{name}", f"{name}:"]

    def begin(self, name: str) -> None:
        """Begin a block after one that has ended."""
        self.frame.body.append(f"{name}:")

    def table(self, pointers: Sequence[str]) -> str:
        """A table of pointers on the stack."""
        table = self.fresh()
        self.frame.allocas.append(f"  {table} = alloca [{max(len(pointers), 1)} x ptr], align 8")
        for position, pointer in enumerate(pointers):
            self.store(pointer, self.slot(table, position))
        return table

    def slot(self, table: str, position: int) -> str:
        """The address of an entry of a table."""
        slot = self.fresh()
        self.emit(f"{slot} = getelementptr ptr, ptr {table}, i64 {position}")
        return slot

    def load(self, address: str, kind: str = "ptr") -> str:
        """The value at an address."""
        value = self.fresh()
        self.emit(f"{value} = load {kind}, ptr {address}")
        return value

    def store(self, value: str, address: str, kind: str = "ptr") -> None:
        """Write a value to an address."""
        self.emit(f"store {kind} {value}, ptr {address}")

    def stack(self, kind: str) -> str:
        """The address of a variable on the stack."""
        name = self.fresh()
        self.frame.allocas.append(f"  {name} = alloca {kind}, align 8")
        return name

    def memmove(self, target: str, source: str, nbytes: int) -> None:
        """Copy bytes, which may be the same."""
        if nbytes:
            self.emit(f"call void @llvm.memmove.p0.p0.i64(ptr {target}, ptr {source}, i64 {nbytes}, i1 false)")

    def leave_on_failure(self, status: str) -> None:
        """Leave the function at once if a status is not zero."""
        self.frame.may_fail = True
        failed, label = self.fresh(), self.name("on")
        self.emit(f"{failed} = icmp ne i32 {status}, 0", f"br i1 {failed}, label %fail, label %{label}")
        self.begin(label)

    def words(self, values: Sequence[int]) -> str:
        """A constant array of 64-bit integers, as a pointer."""
        name = f"@cotan_words_{self._number()}"
        items = ", ".join(f"i64 {value}" for value in values)
        self._top.append(f"{name} = internal constant [{len(values)} x i64] [{items}], align 64")
        return name

    def define(self, text: str) -> None:
        """Add a function to the module."""
        self._top.append(text)

    def define_once(self, name: str, text: str) -> None:
        """Add functions that several steps use."""
        if name not in self._shared:
            self._shared.add(name)
            self._top.append(text)

    def function(self, make: Callable[[str], str]) -> str:
        """The symbol of a function, of which ``make`` writes the text for a symbol; equal ones are one function."""
        text = make("cotan_self")
        symbol = self._functions.get(text)
        if symbol is None:
            symbol = self._functions[text] = self.name("function")
            self._top.append(text.replace("@cotan_self", f"@{symbol}"))
        return symbol

    def launch(self, function: str, pointers: Sequence[str], units: int, seconds: float, what: str) -> None:
        """Call ``function`` (of a kernel's signature) on a table of these pointers, by several threads if worth it."""
        table = self.table(pointers)
        chunks = chunks_of(units, seconds, self.threads)
        if chunks > 1:
            self.source.parallel = True
            self.emit(
                f"call void @cotan_parallel_for(ptr @{function}, ptr {table}, i64 {units}, i64 {chunks}, "
                f"i64 {self.threads})"
            )
        else:
            self.emit(f"call void @{function}(ptr {table}, i64 0, i64 {units})")
        self.frame.costs.append((what, seconds))

    def kernel(self, kernel: Kernel, pointers: Sequence[str], streamed: Collection[int] = ()) -> None:
        """Launch a kernel on these pointers; ``streamed``: see ``emit_kernel``."""
        strips = self.frame.strips
        block = 0 if strips is None or not strips.of(kernel) else strips.size
        # Layers of one shape have kernels of one structure, which is printed once.
        key = (structure_of(kernel), frozenset(streamed), block)
        code = self._kernels.get(key)
        if code is None:
            symbol = f"k{len(self._bodies)}"
            code = emit_kernel(kernel, self.target, symbol, streamed, block=block)
            # Kernels of one text are compiled once. How many units run is not in it.
            same = self._bodies.setdefault(code.text.replace(f"@{symbol}(", "@("), code)
            code = self._kernels[key] = replace(code, symbol=same.symbol)
        self.frame.kernels.add(code.symbol)
        if block:
            after = self.fresh()
            self.emit(f"{after} = add i64 %unit, 1")
            self.emit(f"call void @{code.symbol}(ptr {self.table(pointers)}, i64 %unit, i64 {after})")
            self.frame.costs.append((kernel.name, code.unit_cost))
        else:
            self.launch(code.symbol, pointers, code.units, code.units * code.unit_cost, kernel.name)

    def library(self, function: str, pointers: Sequence[str], units: int, seconds: float, what: str) -> None:
        """Launch a function of the runtime."""
        self.source.runtime.add(function)
        self.launch(function, pointers, units, seconds, what)

    def zero(self, number: int) -> None:
        """Fill a buffer with zero bytes."""
        nbytes = self.aval(number).nbytes
        self.emit(f"call void @llvm.memset.p0.i64(ptr {self.pointer(number)}, i8 0, i64 {nbytes}, i1 false)")

    def loops(self, step: LibraryStep) -> None:
        """Do a library step by kernels after all, or on the host where it has none."""
        operands, results = ([self.aval(n) for n in numbers] for numbers in (step.operands, step.results))
        closed = one_equation(step.primitive, operands, results, step.params)
        program = compile_to_program(closed, name=step.primitive.name, local_bytes=LOCAL_BYTES)
        if program.consts or not all(isinstance(each, KernelStep) for each in program.steps):
            self.host(step)
            return
        pointers = {number: self.pointer(outer) for number, outer in zip(program.inputs, step.operands, strict=True)}
        pointers.update((n, self.pointer(outer)) for n, outer in zip(program.outputs, step.results, strict=True))
        start = self.frame.scratch
        self._reserve(start + program.arena)
        for number, buffer in enumerate(program.buffers):
            if buffer.kind == "temp":
                name = pointers[number] = self.fresh()
                self.emit(f"{name} = getelementptr i8, ptr %arena, i64 {start + buffer.offset}")
        for each in program.steps:
            assert isinstance(each, KernelStep)
            self.kernel(each.kernel, [pointers[number] for number in each.buffers])

    def host(self, step: LibraryStep | HostStep) -> None:
        """Run a step by its eager rule or reference, under the GIL."""
        table = self.table([self.pointer(number) for number in (*step.operands, *step.results)])
        status = self.fresh()
        number = len(self.source.host_calls)
        self.emit(f"{status} = call i32 @cotan_host(ptr %consts, i64 {number}, ptr {table})")
        self.leave_on_failure(status)
        operands = tuple(map(self.aval, step.operands))
        results = tuple(map(self.aval, step.results))
        self.source.host_calls.append(HostCall(step.primitive, step.params, operands, results))
        nbytes = sum(aval.nbytes for aval in (*operands, *results))
        self.frame.costs.append((f"{step.primitive} (host)", 5e-6 + nbytes * 10 * _COPY_SECONDS_PER_BYTE))

    # ---- The whole

    def write(self) -> Source:
        """The text of the whole program."""
        source, frame = self.source, self.frame
        pointers = self._fill()
        source.outputs, source.written, source.costs = frame.outputs, frame.written, frame.costs
        on_stack = frame.peak <= _STACK_ARENA
        source.workspace = 0 if on_stack else frame.peak
        arena = [f"  %arena = alloca [{max(frame.peak, 1)} x i8], align {_ALIGNMENT}"] if on_stack else []
        parts = [
            *(self._attributed(code) for code in self._bodies.values()),
            *self._top,
            *self._parts,
            f"define i32 @cotan_main(ptr %args, ptr %consts{'' if on_stack else ', ptr %arena'}) {{",
            "entry:",
            *arena,
            *self._function(pointers),
            self._entry(on_stack),
            *self._declarations(),
        ]
        source.text = "\n".join(parts) + "\n"
        return source

    def _attributed(self, code: KernelCode) -> str:
        text = code.text
        return text.replace(" nounwind ", f" nounwind {jit.INLINED} ", 1) if code.symbol in self._inlined else text

    def part(self, program: Program, strips: Strips | None = None) -> tuple[str, Frame]:
        """Write ``program`` as a function ``i32 (ptr args, ptr consts, ptr arena)`` of its own: its symbol and what it
        needs. ``args`` points to its inputs and then to the buffers for its results. One that computes a strip takes
        that one's number too."""
        outer = self.frame
        inner = self.frame = Frame(program, strips)
        symbol = self.name("part")
        lines = self._function(self._fill())
        inlined = ""
        if inner.seconds <= INLINE_UP_TO:
            inlined = f" {jit.INLINED}"
            self._inlined.update(inner.kernels)
        unit = "" if strips is None else ", i64 %unit"
        head = f"define internal i32 @{symbol}(ptr %args, ptr %consts, ptr %arena{unit}){inlined} {{"
        self._parts += [head, "entry:"]
        self._parts += lines
        self.frame = outer
        return symbol, inner

    def call_part(self, symbol: str, part: Frame, table: str, unit: str = "") -> None:
        """Run a part on a table of pointers; leave if it fails. ``unit``: the number of the strip that it computes."""
        if unit:
            self.emit(f"call i32 @{symbol}(ptr {table}, ptr %consts, ptr null, i64 {unit})")
            return
        arena, status = self.scratch(part.peak) if part.peak else "%arena", self.fresh()
        self.emit(f"{status} = call i32 @{symbol}(ptr {table}, ptr %consts, ptr {arena})")
        self.leave_on_failure(status)

    def _fill(self) -> list[str]:
        """Write all steps of the frame; the instructions that load its pointers."""
        pointers = self._load_pointers()
        for step in self.frame.program.steps:
            start = self.frame.scratch
            self._step(step)
            self.frame.scratch = start
        return pointers

    def _function(self, pointers: Sequence[str]) -> list[str]:
        frame = self.frame
        failure = ["fail:", "  ret i32 1"] if frame.may_fail else []
        return [*frame.allocas, *pointers, *frame.body, "  ret i32 0", *failure, "}"]

    def _number(self) -> int:
        self._count += 1
        return self._count

    def name(self, what: str) -> str:
        """A name that is used nowhere else."""
        return f"{what}{self._number()}"

    def fresh(self) -> str:
        """A register that is used nowhere else."""
        return f"%v{self._number()}"

    def _load_pointers(self) -> list[str]:
        frame = self.frame
        program = frame.program
        lines: list[str] = []

        def load(table: str, position: int, number: int) -> None:
            lines.append(f"  %at{number} = getelementptr ptr, ptr {table}, i64 {position}")
            lines.append(f"  %b{number} = load ptr, ptr %at{number}")
            frame.pointers[number] = f"%b{number}"

        for position, number in enumerate((*program.inputs, *frame.outputs)):
            load("%args", position, number)
        for number in program.consts:
            load("%consts", len(self.source.consts), number)
            self.source.consts.append((program, number))
        for number, buffer in enumerate(program.buffers):
            if buffer.kind == "temp" and frame.strips is not None:
                lines += self._strip_of(number, frame.strips)
            elif buffer.kind == "temp":
                block = "%arena" if buffer.within is None else frame.pointers[buffer.within]
                lines.append(f"  %b{number} = getelementptr i8, ptr {block}, i64 {buffer.offset}")
                frame.pointers[number] = f"%b{number}"
        return lines

    def _strip_of(self, number: int, strips: Strips) -> list[str]:
        """Memory on the stack for the strip of a value, and a pointer to where all of it would begin."""
        frame, aval = self.frame, self.aval(number)
        wide = aval.size == strips.extent
        nbytes = strips.size * aval.dtype.itemsize if wide else aval.nbytes
        frame.allocas.append(f"  %s{number} = alloca [{nbytes} x i8], align {_ALIGNMENT}")
        frame.pointers[number] = f"%b{number}"
        back = f"mul i64 %unit, {-nbytes if wide else 0}"
        return [f"  %o{number} = {back}", f"  %b{number} = getelementptr i8, ptr %s{number}, i64 %o{number}"]

    def _step(self, step: Any) -> None:
        written = self.frame.written
        if isinstance(step, KernelStep):
            operands = zip(step.kernel.operands, step.buffers, strict=True)
            written.update(number for operand, number in operands if operand.written)
            self.kernel(step.kernel, [self.pointer(number) for number in step.buffers], self._streamed(step))
        elif isinstance(step, LibraryStep):
            written.update(step.results)
            rule = self._table.library.get(step.primitive, Writer.host)
            rule(self, step)
        elif isinstance(step, HostStep):
            written.update(step.results)
            self.host(step)
        elif isinstance(step, CopyStep):
            written.add(step.target)
            self._copy(step)
        elif isinstance(step, LoopStep):
            written.update((*step.finals, *step.ys))
            control.loop(self, step)
        elif isinstance(step, BranchStep):
            written.update(step.results)
            control.branch(self, step)
        else:
            raise TypeError(f"the CPU backend knows no step of type {type(step).__name__}")

    def _streamed(self, step: KernelStep) -> list[int]:
        """The operands that are results in memory of their own, and that no other step reads or writes."""
        program = self.frame.program
        if program is not self.program:
            return []
        return [
            slot
            for slot, (operand, number) in enumerate(zip(step.kernel.operands, step.buffers, strict=True))
            if operand.written
            and not operand.read
            and program.buffers[number].kind == "output"
            and program.buffers[number].donated is None
            and self._uses[number] == 1
        ]

    def _copy(self, step: CopyStep) -> None:
        nbytes = self.aval(step.source).nbytes
        seconds = nbytes * _COPY_SECONDS_PER_BYTE
        source, target = self.pointer(step.source), self.pointer(step.target)
        strips = self.frame.strips
        if strips is not None and self.aval(step.source).size == strips.extent:
            self._copy_strip(source, target, nbytes, strips)
            return
        if seconds < PARALLEL_FROM or self.threads == 1:
            self.memmove(target, source, nbytes)
            self.frame.costs.append(("copy", seconds))
            return
        function = f"copy{nbytes}"
        if function not in self._copies:
            self._copies.add(function)
            self.define(_COPY.replace("NAME", function).replace("BYTES", str(nbytes)).replace("PAGE", str(_PAGE)))
        self.launch(function, [target, source], -(-nbytes // _PAGE), seconds, "copy")

    def _copy_strip(self, source: str, target: str, nbytes: int, strips: Strips) -> None:
        size = nbytes // strips.extent * strips.size
        offset, left, length, read, written = (self.fresh() for _ in range(5))
        self.emit(
            f"{offset} = mul i64 %unit, {size}",
            f"{left} = sub i64 {nbytes}, {offset}",
            f"{length} = call i64 @llvm.smin.i64(i64 {left}, i64 {size})",
            f"{read} = getelementptr i8, ptr {source}, i64 {offset}",
            f"{written} = getelementptr i8, ptr {target}, i64 {offset}",
            f"call void @llvm.memmove.p0.p0.i64(ptr {written}, ptr {read}, i64 {length}, i1 false)",
        )
        self.frame.costs.append(("copy", size * _COPY_SECONDS_PER_BYTE))

    def _entry(self, on_stack: bool) -> str:
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
        if not on_stack:
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
            "declare i64 @llvm.smin.i64(i64, i64)",
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


def chunks_of(units: int, seconds: float, threads: int) -> int:
    """Into how many chunks ``units`` are cut that take so long on one thread; 1 where sharing them is not worth it."""
    if threads <= 1 or units <= 1 or seconds < PARALLEL_FROM:
        return 1
    # Several chunks per thread, so that a thread that loses its core leaves little to the others.
    return max(1, min(units, 4 * threads, int(seconds / CHUNK)))


def one_equation(
    primitive: Primitive, operands: Sequence[ShapedArray], results: Sequence[ShapedArray], params: dict[str, Any]
) -> ClosedJaxpr:
    """The program that applies a primitive to operands of these types."""
    ins, outs = [Var(aval) for aval in operands], [Var(aval) for aval in results]
    return ClosedJaxpr(Jaxpr((), ins, [Eqn(primitive, ins, outs, params)], outs))


def _aligned(nbytes: int) -> int:
    return -(-nbytes // _ALIGNMENT) * _ALIGNMENT


def write(program: Program, table: LoweringTable, target: Target, threads: int) -> Source:
    """The text of ``program`` for a machine, for at most so many threads."""
    return Writer(program, table, target, threads).write()
