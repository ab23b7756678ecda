"""Loops and branches of little work as one kernel: a single item runs all kernels of their parts, one after the other.

That is sound whatever the kernels are, since one item sees its own writes in order; it is worth it where an iteration
takes less than launching its kernels does. What a backend does with the text is its own affair (``Host``).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Protocol

from cotan.compiler.c.language import Language
from cotan.compiler.c.printer import KernelText, print_kernel
from cotan.compiler.c.schedule import Schedule
from cotan.ir.avals import ShapedArray
from cotan.ir.program import BranchStep, CopyStep, KernelStep, LoopStep, Program

_LAUNCH_SECONDS = 10e-6
_SLOWER = 50
"""How many times slower one item of a GPU is than a thread of a CPU."""
_SECONDS_PER_FLOP, _SECONDS_PER_BYTE, _CALL_SECONDS = 0.5e-9, 1 / 8e9, 20e-9
_GUESSED_ITERATIONS = 100


class Host(Protocol):
    """A backend's writer of programs, as it is needed here.

    Attributes:
      language: in which it writes; ``alone``: the schedule by which one item does a whole kernel.
    """

    language: Language
    alone: Schedule

    def function(self, printed: KernelText) -> str:
        """The name of a function with that body, which the text has or gets."""

    def constant(self, aval: ShapedArray, value: Any) -> int:
        """A buffer, of those around the step, that holds a constant."""

    def launch_alone(self, operands: Sequence[int], names: Sequence[str], nbytes: int, body: Sequence[str]) -> None:
        """Launch one item of a kernel with that body: ``names`` point to the bytes of ``operands``, ``w`` to ``nbytes``
        of workspace. ``cotan_copy(to, from, bytes)`` copies, unless both are the same place."""


def _launches(program: Program) -> int | None:
    """How many launches one run takes; None if something in it is no kernel of core's."""
    count = 0
    for step in program.steps:
        if not isinstance(step, KernelStep | CopyStep | LoopStep | BranchStep):
            return None
        count += 1
    parts = [_launches(part) for part in program.parts()]
    return None if None in parts else count + sum(part or 0 for part in parts)


def _seconds(program: Program) -> float:
    """The estimated time of one run by one thread."""
    total = 0.0
    for step in program.steps:
        total += _CALL_SECONDS
        if isinstance(step, KernelStep):
            total += max(step.kernel.flops * _SECONDS_PER_FLOP, step.kernel.bytes * _SECONDS_PER_BYTE)
        elif isinstance(step, LoopStep):
            parts = [step.body] if step.cond is None else [step.body, step.cond]
            total += (step.length or _GUESSED_ITERATIONS) * sum(map(_seconds, parts))
        elif isinstance(step, BranchStep):
            total += max(map(_seconds, step.branches))
    return total


def fuse(writer: Host, step: LoopStep | BranchStep, sizes: Sequence[int], *, slow: bool = False) -> bool:
    """Write ``step`` as one launch, if that is possible and worth it.

    Args:
      sizes: the bytes of the buffers around the step, by number.
      slow: whether one item is much slower than a thread of a CPU.
    """
    parts = list(step.branches) if isinstance(step, BranchStep) else [step.body, *([step.cond] if step.cond else [])]
    launches = [_launches(part) for part in parts]
    if None in launches:
        return False
    slower = _SLOWER if slow else 1
    if slower * sum(map(_seconds, parts)) > _LAUNCH_SECONDS * max(sum(n or 0 for n in launches), 1):
        return False
    _Text(writer).launch(step, sizes)
    return True


class _Text:
    """The kernel of one step. Buffers are expressions that point to bytes."""

    def __init__(self, writer: Host) -> None:
        self.writer = writer
        self.lines: list[str] = []
        self.operands: dict[int, str] = {}
        self.bytes = 0
        self.count = itertools.count()

    def fresh(self, prefix: str) -> str:
        return f"{prefix}{next(self.count)}"

    def outer(self, number: int) -> str:
        """A buffer of the frame around the step, which the kernel gets as an operand."""
        return self.operands.setdefault(number, f"q{len(self.operands)}")

    def place(self, nbytes: int) -> str:
        """Workspace of its own."""
        start, self.bytes = self.bytes, -(-(self.bytes + nbytes) // 64) * 64
        return f"(w + {start})"

    def launch(self, step: LoopStep | BranchStep, sizes: Sequence[int]) -> None:
        numbers = (
            (*step.cond_consts, *step.consts, *step.inits, *step.xs, *step.finals, *step.ys, *step.spares)
            if isinstance(step, LoopStep)
            else (step.index, *step.operands, *step.results, *step.spares)
        )
        self._control(step, {n: self.outer(n) for n in numbers if n is not None}, sizes)
        self.writer.launch_alone(tuple(self.operands), tuple(self.operands.values()), max(self.bytes, 1), self.lines)

    def program(self, program: Program, given: dict[int, str]) -> None:
        """Run a part, whose inputs and results are ``given``."""
        env = dict(given)
        arena = self.place(program.arena)
        for number, buffer in enumerate(program.buffers):
            if buffer.kind == "temp":
                env[number] = f"({arena} + {buffer.offset})"
            elif buffer.kind == "const":
                env[number] = self.outer(self.writer.constant(buffer.aval, program.consts[number]))
        for step in program.steps:
            if isinstance(step, KernelStep):
                self._kernel(step, env)
            elif isinstance(step, CopyStep):
                self._copy(env[step.target], env[step.source], program.buffers[step.source].aval.nbytes)
            else:
                assert isinstance(step, LoopStep | BranchStep)
                self._control(step, env, [buffer.aval.nbytes for buffer in program.buffers])

    def _copy(self, target: str, source: str, nbytes: int) -> None:
        if nbytes and target != source:
            self.lines.append(f"cotan_copy({target}, {source}, {nbytes});")

    def _kernel(self, step: KernelStep, env: dict[int, str]) -> None:
        writer = self.writer
        printed = print_kernel(step.kernel, writer.language, writer.alone)
        name = writer.function(printed)
        pointers = [f"({p.split('*')[0]}*){env[n]}" for p, n in zip(printed.pointers, step.buffers, strict=True)]
        self.lines.append(f"{name}({', '.join([*pointers, '0', str(printed.units)])});")

    def _control(self, step: LoopStep | BranchStep, env: dict[int, str], sizes: Sequence[int]) -> None:
        self.lines.append("{")
        if isinstance(step, LoopStep):
            self._loop(step, env, sizes)
        else:
            self._branch(step, env, sizes)
        self.lines.append("}")

    def _pointer(self, value: str) -> str:
        name = self.fresh("c")
        language = self.writer.language
        self.lines.append(f"{language.memory} {language.types['uint8']} *{name} = {value};")
        return name

    def _loop(self, step: LoopStep, env: dict[int, str], nbytes: Sequence[int]) -> None:
        carry: list[str] = []
        targets: list[str] = []
        others: list[str] = []
        for init, final, spare in zip(step.inits, step.finals, step.spares, strict=True):
            if spare is None:
                self._copy(env[final], env[init], nbytes[init])
            places = [env[n] for n in ((final,) * 3 if spare is None else (init, final, spare))]
            for row, place in zip((carry, targets, others), places, strict=True):
                row.append(place if spare is None else self._pointer(place))
        count = self.fresh("i")
        limit = "1" if step.length is None else f"{count} < {step.length}"
        kind = self.writer.language.types["int64"]
        self.lines.append(f"for ({kind} {count} = 0; {limit}; {count}++) {{")
        if step.cond is not None:
            consts = [env[n] for n in step.cond_consts]
            self._until(step.cond, [*consts, *carry])
        at = f"({step.length} - 1 - {count})" if step.reverse else count
        slices = [f"({env[n]} + {at} * {nbytes[n] // (step.length or 1)})" for n in (*step.xs, *step.ys)]
        given = [*(env[n] for n in step.consts), *carry, *slices[: len(step.xs)]]
        inside = dict(zip(step.body.inputs, given, strict=True))
        made = zip(step.body.outputs, [*targets, *slices[len(step.xs) :]], strict=True)
        inside |= {number: place for number, place in made if step.body.buffers[number].kind == "output"}
        self.program(step.body, inside)
        for c, t, o, spare in zip(carry, targets, others, step.spares, strict=True):
            if spare is not None:
                self.lines.append(f"{c} = {t}; {t} = {o}; {o} = {c};")
        self.lines.append("}")
        for c, final in zip(carry, step.finals, strict=True):
            self._copy(env[final], c, nbytes[final])

    def _until(self, cond: Program, given: Sequence[str]) -> None:
        """Leave the loop unless the condition holds."""
        inside = dict(zip(cond.inputs, given, strict=True))
        [result] = cond.outputs
        if cond.buffers[result].kind == "output":
            inside[result] = self.place(1)
        self.program(cond, inside)
        flag = inside.get(result) or self.outer(self.writer.constant(cond.buffers[result].aval, cond.consts[result]))
        self.lines.append(f"if (!*{flag}) break;")

    def _branch(self, step: BranchStep, env: dict[int, str], nbytes: Sequence[int]) -> None:
        index = self.fresh("i")
        self.lines.append(f"const int {index} = *({self.writer.language.memory} const int *){env[step.index]};")
        for k, program in enumerate(step.branches):
            last = k == len(step.branches) - 1
            test = "" if last else f"if ({index} <= {k}) "
            self.lines.append(f"{'else ' if k else ''}{test}{{")
            inside = dict(zip(program.inputs, (env[n] for n in step.operands), strict=True))
            copies = []
            for r, number in enumerate(program.outputs):
                taken, spare = step.takes[r], step.spares[r]
                target = env[step.results[r]]
                if taken is not None and spare is not None and not program.stays(r, taken):
                    copies.append((target, env[spare], nbytes[step.results[r]]))
                    target = env[spare]
                if program.buffers[number].kind == "output":
                    inside[number] = target
            self.program(program, inside)
            for copy in copies:
                self._copy(*copy)
            self.lines.append("}")
