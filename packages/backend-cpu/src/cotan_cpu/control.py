"""Loops and branches as native code: each part is a function, which a real loop or switch calls on a table of pointers.

The table is changed between two iterations, and nothing is allocated. Adds to the text of a program; knows nothing of
kernels and libraries.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cotan.ir.program import BranchStep, LoopStep, Program
from cotan_cpu import strips

if TYPE_CHECKING:
    from cotan_cpu.program import Frame, Writer

_CALL_SECONDS = 5e-9
_CELL = strips.SMALL
"""Carries of at most so many bytes lie on the stack while a loop runs, where they may become registers."""
Starts = Mapping[int, str]
"""The number of a carry -> a pointer to its first value."""
_GUESSED_ITERATIONS = 100
"""For estimates, of a loop that runs while a condition holds."""


def loop(writer: Writer, step: LoopStep) -> None:
    """Run the body of ``step`` until its end."""
    if step.length == 0:
        for init, final in zip(step.inits, step.finals, strict=True):
            _copy(writer, init, final)
        return
    found = strips.find(step, writer.threads) if writer.frame.strips is None else None
    if found is None:
        _iterate(writer, step)
        return
    starts: dict[int, str] = {}
    for k, init in enumerate(step.inits):
        nbytes = writer.aval(init).nbytes
        if nbytes <= strips.SMALL:
            # Every strip begins with it, and the first one to end may write its last value over it.
            starts[k] = writer.stack(f"[{nbytes} x i8]")
            writer.memmove(starts[k], writer.pointer(init), nbytes)
        elif step.spares[k] is None:
            _copy(writer, init, step.finals[k])
    strips.write(writer, step, found, starts, functools.partial(_iterate_strip, writer, step, found))


def _iterate_strip(writer: Writer, step: LoopStep, found: strips.Strips, unit: str, starts: Starts) -> float:
    """The whole loop for the strip number ``unit``; the estimated seconds."""
    costs = len(writer.frame.costs)
    _iterate(writer, step, found, unit, starts)
    return sum(seconds for _, seconds in writer.frame.costs[costs:])


def _iterate(
    writer: Writer,
    step: LoopStep,
    found: strips.Strips | None = None,
    unit: str = "",
    starts: Starts | None = None,
) -> None:
    symbol, body = writer.part(step.body, found)
    condition = None if step.cond is None else _Condition(writer, step)
    table = _Table(writer, step, body, starts)
    count = writer.stack("i64")
    writer.store("0", count, "i64")
    head, done = writer.name("loop"), writer.name("done")
    writer.label(head)
    if condition is not None:
        inside = writer.name("inside")
        holds = condition.test(table.carry())
        writer.emit(f"br i1 {holds}, label %{inside}, label %{done}")
        writer.begin(inside)
    writer.call_part(symbol, body, table.name, unit)
    table.advance()
    if step.length is None:
        writer.emit(f"br label %{head}")
    else:
        old, new, more = writer.load(count, "i64"), writer.fresh(), writer.fresh()
        writer.emit(f"{new} = add i64 {old}, 1")
        writer.store(new, count, "i64")
        writer.emit(f"{more} = icmp slt i64 {new}, {step.length}", f"br i1 {more}, label %{head}, label %{done}")
    writer.begin(done)
    table.finish()
    times = _GUESSED_ITERATIONS if step.length is None else step.length
    each = body.seconds + (0.0 if condition is None else condition.seconds) + _CALL_SECONDS
    writer.frame.costs.append((f"{step.name}: {times} iterations" if step.length else step.name, times * each))


def _copy(writer: Writer, source: int, target: int) -> None:
    if writer.pointer(source) != writer.pointer(target):
        writer.memmove(writer.pointer(target), writer.pointer(source), writer.aval(source).nbytes)


class _Table:
    """The table of pointers on which the body runs: inputs (consts, carry, slices of xs), then buffers for results."""

    def __init__(self, writer: Writer, step: LoopStep, body: Frame, starts: Starts | None) -> None:
        self.writer = writer
        self.starts = starts
        """For a strip: where small carries begin. Large ones that stay in their place lie there already."""
        self.step = step
        self.cells: dict[int, tuple[str, str]] = {}
        self.places = {number: len(step.body.inputs) + k for k, number in enumerate(body.outputs)}
        self.first_carry = len(step.consts)
        pointers = [writer.pointer(n) for n in step.consts]
        pointers += [self._start(k) for k in range(len(step.inits))]
        pointers += [self._first_slice(n) for n in step.xs]
        pointers += ["null"] * len(body.outputs)
        self.moving: list[tuple[str, int]] = []
        self.alternating: list[tuple[str, str, str]] = []
        for k, number in enumerate(step.body.outputs):
            place = self.places.get(number)
            if place is not None:
                pointers[place] = self._target(k, pointers)
        self.name = writer.table(pointers)
        self._find_slots()

    def _start(self, k: int) -> str:
        """Where carry ``k`` lies in the first iteration."""
        step, writer = self.step, self.writer
        nbytes = writer.aval(step.inits[k]).nbytes
        if 0 < nbytes <= _CELL:
            cell = writer.stack(f"[{nbytes} x i8]")
            first = writer.pointer(step.inits[k]) if self.starts is None else self.starts[k]
            writer.memmove(cell, first, nbytes)
            self.cells[k] = (cell, cell if step.spares[k] is None else writer.stack(f"[{nbytes} x i8]"))
            return cell
        if step.spares[k] is not None:
            return writer.pointer(step.inits[k])
        if self.starts is None:
            _copy(writer, step.inits[k], step.finals[k])
        return writer.pointer(step.finals[k])

    def _target(self, k: int, pointers: Sequence[str]) -> str:
        """Where result ``k`` of the body goes in the first iteration."""
        step = self.step
        if k >= len(step.inits):
            return self._first_slice(step.ys[k - len(step.inits)])
        if k in self.cells:
            return self.cells[k][1]
        if step.spares[k] is None:
            return pointers[self.first_carry + k]
        return self._buffers(k)[0]

    def _buffers(self, k: int) -> tuple[str, str]:
        """The two buffers of a carry that alternates, such that a known number of iterations ends in the right one."""
        spare = self.step.spares[k]
        assert spare is not None
        final, other = self.writer.pointer(self.step.finals[k]), self.writer.pointer(spare)
        even = self.step.length is not None and self.step.length % 2 == 0
        return (other, final) if even else (final, other)

    def _first_slice(self, number: int) -> str:
        writer, step = self.writer, self.step
        if not step.reverse:
            return writer.pointer(number)
        assert step.length is not None
        last = writer.fresh()
        offset = (step.length - 1) * self._stride(number)
        writer.emit(f"{last} = getelementptr i8, ptr {writer.pointer(number)}, i64 {offset}")
        return last

    def _stride(self, number: int) -> int:
        assert self.step.length is not None
        return self.writer.aval(number).nbytes // self.step.length

    def _find_slots(self) -> None:
        """The slots that change between iterations: (slot, bytes) of slices, (slot read, slot written, the buffer for
        the next iteration) of carries that alternate."""
        writer, step = self.writer, self.step
        sign = -1 if step.reverse else 1
        for k, number in enumerate(step.xs, self.first_carry + len(step.inits)):
            self.moving.append((writer.slot(self.name, k), sign * self._stride(number)))
        for number, result in zip(step.ys, step.body.outputs[len(step.inits) :], strict=True):
            self.moving.append((writer.slot(self.name, self.places[result]), sign * self._stride(number)))
        for k, spare in enumerate(step.spares):
            if spare is not None and k not in self.cells:
                reads = writer.slot(self.name, self.first_carry + k)
                written = writer.slot(self.name, self.places[step.body.outputs[k]])
                following = writer.stack("ptr")
                writer.store(self._buffers(k)[1], following)
                self.alternating.append((reads, written, following))

    def carry(self) -> list[str]:
        """Pointers to the carries, as they lie now."""
        writer = self.writer
        return [writer.load(writer.slot(self.name, self.first_carry + k)) for k in range(len(self.step.inits))]

    def advance(self) -> None:
        """Change the table for the next iteration."""
        writer = self.writer
        for slot, stride in self.moving:
            old, new = writer.load(slot), writer.fresh()
            writer.emit(f"{new} = getelementptr i8, ptr {old}, i64 {stride}")
            writer.store(new, slot)
        for k, (cell, made) in self.cells.items():
            if made != cell:
                writer.memmove(cell, made, writer.aval(self.step.inits[k]).nbytes)
        for reads, written, following in self.alternating:
            last, target = writer.load(written), writer.load(following)
            writer.store(last, reads)
            writer.store(target, written)
            writer.store(last, following)

    def finish(self) -> None:
        """After the last iteration: move carries to where they belong."""
        writer, step = self.writer, self.step
        for k, (cell, _) in self.cells.items():
            writer.memmove(writer.pointer(step.finals[k]), cell, writer.aval(step.finals[k]).nbytes)
        for k, spare in enumerate(step.spares):
            known = spare is None or k in self.cells or step.length is not None
            if known or not writer.aval(step.finals[k]).nbytes:
                continue
            final = writer.pointer(step.finals[k])
            last = writer.load(writer.slot(self.name, self.first_carry + k))
            there, move, on = writer.fresh(), writer.name("move"), writer.name("on")
            writer.emit(f"{there} = icmp eq ptr {last}, {final}", f"br i1 {there}, label %{on}, label %{move}")
            writer.begin(move)
            writer.memmove(final, last, writer.aval(step.finals[k]).nbytes)
            writer.label(on)


class _Condition:
    """The condition of a loop, which writes one byte."""

    def __init__(self, writer: Writer, step: LoopStep) -> None:
        assert step.cond is not None
        self.writer = writer
        self.symbol, self.part = writer.part(step.cond)
        self.result = writer.stack("i8")
        self.consts = len(step.cond_consts)
        unknown = ["null"] * len(step.inits)
        self.table = writer.table([*map(writer.pointer, step.cond_consts), *unknown, self.result])
        self.seconds = self.part.seconds

    def test(self, carry: Sequence[str]) -> str:
        """The condition at these carries, an ``i1``."""
        writer = self.writer
        for k, pointer in enumerate(carry):
            writer.store(pointer, writer.slot(self.table, self.consts + k))
        writer.call_part(self.symbol, self.part, self.table)
        byte, holds = writer.load(self.result, "i8"), writer.fresh()
        writer.emit(f"{holds} = icmp ne i8 {byte}, 0")
        return holds


def branch(writer: Writer, step: BranchStep) -> None:
    """Run the branch that the index chooses."""
    index = writer.load(writer.pointer(step.index), "i32")
    end = writer.name("end")
    labels = [writer.name("branch") for _ in step.branches]
    parts = [writer.part(program) for program in step.branches]
    low, number = writer.fresh(), writer.fresh()
    last = labels[-1]
    cases = " ".join(f"i32 {k}, label %{label}" for k, label in enumerate(labels))
    writer.emit(
        f"{low} = icmp slt i32 {index}, 0",
        f"{number} = select i1 {low}, i32 0, i32 {index}",
        f"switch i32 {number}, label %{last} [{cases}]",
    )
    for label, program, (symbol, part) in zip(labels, step.branches, parts, strict=True):
        writer.begin(label)
        start = writer.frame.scratch
        results = dict(zip(program.outputs, _targets(writer, step, program), strict=True))
        pointers = [*map(writer.pointer, step.operands), *(results[n] for n in part.outputs)]
        writer.call_part(symbol, part, writer.table(pointers))
        for k, (result, spare) in enumerate(zip(step.results, step.spares, strict=True)):
            taken = step.takes[k]
            if spare is not None and taken is not None and not program.stays(k, taken):
                _copy(writer, spare, result)
        writer.frame.scratch = start
        writer.emit(f"br label %{end}")
    writer.begin(end)
    writer.frame.costs.append((step.name, max(part.seconds for _, part in parts) + _CALL_SECONDS))


def _targets(writer: Writer, step: BranchStep, program: Program) -> list[str]:
    """Where ``program``, a branch, writes its results."""
    targets = []
    for k, result in enumerate(step.results):
        taken, spare = step.takes[k], step.spares[k]
        apart = taken is not None and spare is not None and not program.stays(k, taken)
        targets.append(writer.pointer(spare if apart and spare is not None else result))
    return targets
