"""A Program as commands for a device's queue, and one text with all kernels, in any language like C. Knows no device.

An operand of a kernel is a pointer and an offset in elements, so that temporaries are parts of one workspace, and loops
walk over slices, without a sub-buffer for each. Parts of loops and branches are frames of their own.

A rule of kind ``library`` is ``rule(writer, step)``: it calls ``Writer.launch`` for kernels of its own, ``host`` for a
step on the host, and ``workspace`` for memory in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cotan.backend.lowering import LoweringTable
from cotan.compiler.c import loops
from cotan.compiler.c.language import Language
from cotan.compiler.c.printer import KernelText, print_kernel
from cotan.compiler.c.schedule import Schedule
from cotan.config import config
from cotan.errors import UnsupportedError
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.primitive import effects
from cotan.ir.program import BranchStep, CopyStep, HostStep, KernelStep, LibraryStep, LoopStep, Program

_ALIGNMENT = 128
_ITEM_SECONDS = 15e-6
"""Work that makes one item of a kernel worth it on a CPU."""
_ITEMS_PER_UNIT = 8
"""Items for each compute unit of a CPU, so that a slow one does not hold up the others."""
_GROUP = 128
"""Items of a group, where items work alone on a GPU."""
_SECONDS_PER_FLOP, _SECONDS_PER_BYTE = 0.2e-9, 1 / 8e9
_TAIL_SECONDS = 10e-6
"""Work of a kernel up to which the last item of the launch before does it: as long as a launch of its own takes."""
_MOST_OPERANDS = 24
"""Operands of a launch with such work; devices limit the bytes of arguments."""


@dataclass(frozen=True)
class Target:
    """What code is made for.

    Attributes:
      backend: its name, for messages; ``language``: that of its kernels; ``schedule``: how they are divided.
      shared: whether the device's memory is the host's, so that steps on the host are cheap.
      units: how many items run at the same time, where items are threads.
      any_size: whether the text serves all sizes.
    """

    backend: str
    language: Language
    schedule: Schedule
    shared: bool
    units: int
    any_size: bool = False


@dataclass(frozen=True)
class Launch:
    """One launch: ``operands`` are (buffer number, bytes of an element), each a pointer and an offset for the kernel;
    ``scalars`` follow them, as bytes."""

    kernel: str
    operands: tuple[tuple[int, int], ...]
    scalars: tuple[bytes, ...]
    items: tuple[int, ...]
    group: tuple[int, ...]


@dataclass(frozen=True)
class Copy:
    """Copy so many bytes from one buffer to another."""

    source: int
    target: int
    nbytes: int


@dataclass(frozen=True, eq=False)
class HostCall:
    """A function of ndarrays on the host: ``results = function(*operands, **params)``."""

    name: str
    function: Callable[..., Any]
    params: dict[str, Any]
    operands: tuple[int, ...]
    results: tuple[int, ...]
    multiple: bool


@dataclass(frozen=True, eq=False)
class Loop:
    """A loop: its step, and the frames of its parts. ``flag`` is the buffer that the condition writes."""

    step: LoopStep
    body: Frame
    cond: Frame | None


@dataclass(frozen=True, eq=False)
class Branch:
    """A branch: its step, and a frame for each choice."""

    step: BranchStep
    frames: tuple[Frame, ...]


Command = Launch | Copy | HostCall | Loop | Branch


@dataclass(eq=False)
class Frame:
    """The commands of a program, or of a part of a loop or branch.

    Attributes:
      avals: the types of its buffers, those that library rules asked for included.
      places: buffer -> its byte in the workspace, for those that lie there.
      consts: buffer -> value of the constants.
      written: the buffers that kernels write, counters among the constants included.
      end: the first byte of the workspace behind its own; parts lie behind it. ``peak``: behind theirs too.
    """

    program: Program
    avals: list[ShapedArray]
    places: dict[int, int]
    end: int
    peak: int = 0
    commands: list[Command] = field(default_factory=list)
    consts: dict[int, Any] = field(default_factory=dict)
    written: set[int] = field(default_factory=set)

    @property
    def outputs(self) -> tuple[int, ...]:
        """The buffers that the caller brings for results."""
        return tuple(dict.fromkeys(n for n in self.program.outputs if self.program.buffers[n].kind == "output"))


@dataclass(frozen=True)
class _Part:
    """A kernel that waits to be launched, with its operands as in ``Launch``, and what it may take one item."""

    printed: KernelText
    operands: tuple[tuple[int, int], ...]
    seconds: float


def _aligned(nbytes: int) -> int:
    return -(-nbytes // _ALIGNMENT) * _ALIGNMENT


class Writer:
    """Collects the commands and the text of one program.

    Attributes:
      target: the device's kind.
      frame: the part that is being written.
      alone: the schedule by which one item does a whole kernel.
    """

    def __init__(self, program: Program, table: LoweringTable, target: Target) -> None:
        self.program = program
        self.target = target
        self.language = target.language
        self._table = table
        self._functions: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self.alone = replace(target.schedule, group=0)
        self._loops = 0
        self._parts: list[_Part] = []
        self.frame = self._frame(program, 0)

    # ---- For library rules

    def aval(self, number: int) -> ShapedArray:
        """The type of a buffer."""
        return self.frame.avals[number]

    def define(self, text: str) -> None:
        """Add functions to the text, once."""
        self._functions.setdefault(text, text)

    def launch(
        self,
        kernel: str,
        operands: Sequence[int],
        scalars: Sequence[int],
        items: Sequence[int],
        group: Sequence[int],
        bytewise: bool = False,
    ) -> None:
        """Launch a kernel that ``define`` has brought: ``operands`` are buffers, whose offsets count elements (or
        bytes), ``scalars`` become ``int``."""
        sizes = tuple((n, 1 if bytewise else np.dtype(self.aval(n).dtype).itemsize) for n in operands)
        packed = tuple(np.int32(value).tobytes() for value in scalars)
        self.frame.commands.append(Launch(kernel, sizes, packed, tuple(items), tuple(group)))

    def workspace(self, aval: ShapedArray) -> int:
        """A buffer for this step alone."""
        frame = self.frame
        frame.places[len(frame.avals)] = frame.end
        frame.avals.append(aval)
        frame.end = _aligned(frame.end + aval.nbytes)
        frame.peak = max(frame.peak, frame.end)
        return len(frame.avals) - 1

    def constant(self, aval: ShapedArray, value: Any) -> int:
        """A buffer that holds a constant."""
        self.frame.avals.append(aval)
        self.frame.consts[len(self.frame.avals) - 1] = value
        return len(self.frame.avals) - 1

    def launch_alone(self, operands: Sequence[int], names: Sequence[str], nbytes: int, body: Sequence[str]) -> None:
        """Launch one item of a kernel with that body (see ``cotan.compiler.c.loops.Host``)."""
        operands = (*operands, self.workspace(shaped((nbytes,), np.dtype(np.uint8))))
        self._loops += 1
        language = self.language
        byte, long = f"{language.memory} {language.types['uint8']}", language.types["int64"]
        parameters = ", ".join(f"{byte} *b{k}, const {long} o{k}" for k in range(len(operands)))
        pointers = [f"  {byte} *{name} = b{k} + o{k};" for k, name in enumerate((*names, "w"))]
        self.define(
            f"{language.function} cotan_copy({byte} *to, {byte} const *from, const {long} bytes) {{\n"
            f"  if (to != from) for ({long} i = 0; i < bytes; i++) to[i] = from[i];\n}}\n"
        )
        head = language.kernel.format(items=1)
        self.define(f"{head} loop{self._loops}({parameters}) {{\n" + "\n".join([*pointers, *body]) + "\n}\n")
        self.launch(f"loop{self._loops}", operands, (), (1,), (1,), bytewise=True)

    def host(self, step: LibraryStep | HostStep, function: Callable[..., Any] | None = None) -> None:
        """Do the step on the host, by ``function`` of ndarrays, or the primitive's reference.

        Raises:
          UnsupportedError: the device's memory is not the host's, and nobody asked for such steps.
        """
        primitive = step.primitive
        rule = effects.get(primitive)
        if not self.target.shared and not config.host_fallback and (rule is None or not rule(**step.params)):
            raise UnsupportedError(
                self.target.backend,
                f"`{primitive}` on this device, whose memory is not the host's",
                hint="Set config.host_fallback to do it on the host, with copies there and back",
            )
        if function is None:
            function = self._table.eager.get(primitive) or _reference(primitive)
        call = HostCall(primitive.name, function, step.params, step.operands, step.results, primitive.multiple_results)
        self.frame.commands.append(call)

    # ---- Frames and steps

    def _frame(self, program: Program, start: int) -> Frame:
        places = {n: start + b.offset for n, b in enumerate(program.buffers) if b.kind == "temp"}
        end = _aligned(start + program.arena)
        return Frame(program, [b.aval for b in program.buffers], places, end, end, consts=dict(program.consts))

    def write(self) -> tuple[Frame, str]:
        """The commands and the text, without the language's prelude."""
        self._steps(self.program)
        return self.frame, "\n".join(self._functions.values())

    def _steps(self, program: Program) -> None:
        for step in program.steps:
            end = self.frame.end
            if isinstance(step, KernelStep):
                self._kernel(step)
                outs = tuple(n for n, o in zip(step.buffers, step.kernel.operands, strict=True) if o.written)
                self.frame.written.update(outs)
                continue
            self._flush()
            if isinstance(step, CopyStep):
                self.copy(step.source, step.target)
                outs = (step.target,)
            elif isinstance(step, LoopStep):
                if not self._fused(step):
                    cond = None if step.cond is None else self._part(step.cond)
                    self.frame.commands.append(Loop(step, self._part(step.body), cond))
                outs = (*step.finals, *step.ys, *(n for n in step.spares if n is not None))
            elif isinstance(step, BranchStep):
                if not self._fused(step):
                    self.frame.commands.append(Branch(step, tuple(map(self._part, step.branches))))
                outs = (*step.results, *(n for n in step.spares if n is not None))
            else:
                if isinstance(step, LibraryStep):
                    self._table.library[step.primitive](self, step)
                else:
                    self.host(step)
                outs = step.results
            self.frame.written.update(outs)
            self.frame.end = end
        self._flush()

    def copy(self, source: int, target: int) -> None:
        """Copy a whole buffer."""
        nbytes = self.aval(source).nbytes
        if nbytes:
            self.frame.commands.append(Copy(source, target, nbytes))

    def _fused(self, step: LoopStep | BranchStep) -> bool:
        sizes = [aval.nbytes for aval in self.frame.avals]
        return not self.target.any_size and loops.fuse(self, step, sizes, slow=self.target.schedule.group > 0)

    def _part(self, program: Program) -> Frame:
        outer = self.frame
        self.frame = self._frame(program, outer.end)
        self._steps(program)
        part, self.frame = self.frame, outer
        outer.peak = max(outer.peak, part.peak)
        return part

    def _kernel(self, step: KernelStep) -> None:
        """Add a kernel to the launch before, if its last item may as well do it, or begin a launch."""
        kernel, target = step.kernel, self.target
        printed = print_kernel(kernel, self.language, target.schedule, any_size=target.any_size)
        if printed.units == 0:
            return
        operands = tuple(
            (n, 1 if o.dtype.kind == "b" else o.dtype.itemsize)
            for n, o in zip(step.buffers, kernel.operands, strict=True)
        )
        seconds = max(kernel.flops * _SECONDS_PER_FLOP, kernel.bytes * _SECONDS_PER_BYTE)
        part = _Part(printed, operands, seconds)
        if not self._fits(part):
            self._flush()
        self._parts.append(part)

    def _fits(self, part: _Part) -> bool:
        if not self._parts or not self.language.last or self.target.schedule.group or self.target.any_size:
            return False
        seconds = part.seconds + sum(other.seconds for other in self._parts[1:])
        count = len(part.operands) + sum(len(other.operands) for other in self._parts)
        return seconds <= _TAIL_SECONDS and count < _MOST_OPERANDS

    def _flush(self) -> None:
        """Launch the kernels that wait for it."""
        parts, self._parts = self._parts, []
        if not parts:
            return
        first, target = parts[0], self.target
        printed = first.printed
        index = np.int64 if printed.index == self.language.types["int64"] else np.int32
        scalars = [index(value).tobytes() for value in printed.sizes]
        if printed.group:
            items, group = printed.units * printed.group, printed.group
        elif target.schedule.group:
            items, group = -(-printed.units // _GROUP) * _GROUP, _GROUP
            scalars += [index(printed.units).tobytes(), index(1).tobytes()]
        else:
            most = max(min(printed.units, int(first.seconds / _ITEM_SECONDS), target.units * _ITEMS_PER_UNIT), 1)
            chunk = -(-printed.units // most)
            items, group = -(-printed.units // chunk), 1
            scalars += [index(printed.units).tobytes(), index(chunk).tobytes()]
        operands = [operand for part in parts for operand in part.operands]
        if len(parts) > 1 and items > 1:
            count = self.constant(shaped((), np.dtype(np.int32)), np.int32(0))
            self.frame.written.add(count)
            operands.append((count, 4))
        name = self._named([part.printed for part in parts], items)
        self.frame.commands.append(Launch(name, tuple(operands), tuple(scalars), (items,), (group,)))

    def function(self, printed: KernelText) -> str:
        """The name of a function that does any run of the units of a kernel which needs no group."""
        body = printed.function("", "part")
        name = self._names.get(body)
        if name is None:
            name = self._names[body] = f"part{len(self._names)}"
            self.define(printed.function(self.language.function, name))
        return name

    def _named(self, printed: Sequence[KernelText], items: int) -> str:
        """The name of the kernel that does the first one and, by its last item, the others; equal ones are one."""
        first, *others = printed
        body = "".join(each.function("", "") for each in printed) + (str(items) if others else "")
        name = self._names.get(body)
        if name is not None:
            return name
        name = self._names[body] = f"k{len(self._names)}"
        language, kind = self.language, first.index
        long = language.types["int64"]
        pointers = [pointer for each in printed for pointer in each.pointers]
        if others and items > 1:
            pointers.append(f"volatile {language.memory} int * count")
        bases = [
            f"{pointer.rsplit(' ', 1)[0].removesuffix(f' {language.restrict}')} b{k}, const {long} o{k}"
            for k, pointer in enumerate(pointers)
        ]
        sizes = [f"const {kind} n{k}" for k in range(len(first.sizes))]
        places = [f"b{k} + o{k}" for k in range(len(bases))]
        if first.group:
            head = language.kernel.format(items=first.group)
            lines = "".join(f"  {p} = {place};\n" for p, place in zip(first.pointers, places, strict=True))
            self.define(f"{head} {name}({', '.join([*bases, *sizes])}) {{\n{lines}{first.body}}}\n")
            return name
        part = self.function(first)
        head = language.kernel.format(items=_GROUP if self.target.schedule.group else 1)
        arguments = ", ".join([*places[: len(first.pointers)], *(f"n{k}" for k in range(len(sizes))), "begin", "end"])
        rest = self._tail(others, places[len(first.pointers) :], items)
        self.define(
            f"{head} {name}({', '.join([*bases, *sizes, f'const {kind} units', f'const {kind} chunk'])}) {{\n"
            f"  const {kind} begin = ({kind}){language.item} * chunk;\n"
            f"  const {kind} end = begin + chunk < units ? begin + chunk : units;\n"
            f"  if (begin < end) {part}({arguments});\n{rest}}}\n"
        )
        return name

    def _tail(self, printed: Sequence[KernelText], places: Sequence[str], items: int) -> str:
        """Statements by which the last item does other kernels; ``places`` are their operands, and the count's."""
        lines, used = [], 0
        if printed and items > 1:
            lines.append(f"  if (!{self.language.last.format(count=places[-1], items=items)}) return;\n")
        for each in printed:
            mine = places[used : used + len(each.pointers)]
            used += len(each.pointers)
            lines.append(f"  {self.function(each)}({', '.join([*mine, '0', str(each.units)])});\n")
        return "".join(lines)


def _reference(primitive: Any) -> Callable[..., Any]:
    from cotan.ir.primitive import reference

    found: Callable[..., Any] = reference[primitive]
    return found


def write(program: Program, table: LoweringTable, target: Target) -> tuple[Frame, str]:
    """The commands and the text of ``program`` for a kind of device."""
    return Writer(program, table, target).write()
