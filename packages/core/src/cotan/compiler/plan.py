"""The buffer plan: which memory every value lives in.

Values that die give their memory to later ones: temps share one arena by liveness, or lie in results that are not
written yet; a result may take over a donated argument; and a kernel writes in place of an operand that dies in it,
where that is safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cotan.compiler.control import ControlDraft
from cotan.compiler.elements import is_empty, physical
from cotan.compiler.in_place import in_place_safe
from cotan.compiler.packing import Block, Region, pack
from cotan.ir.jaxpr import Var
from cotan.ir.program import (
    Buffer,
    CopyStep,
    HostStep,
    Kernel,
    KernelStep,
    LibraryStep,
    Program,
    Step,
)


@dataclass
class StepDraft:
    """A step that names variables.

    ``payload``: a Kernel, a ControlDraft, (class, primitive, params, scope), or None for a copy.
    """

    payload: Any
    operands: tuple[Var, ...]
    reads: tuple[Var, ...]
    writes: tuple[Var, ...]


@dataclass
class Sources:
    """Where a program's values come from and go to."""

    name: str
    inputs: Sequence[Var]
    donated: Sequence[bool]
    consts: dict[Var, Any]
    outputs: Sequence[Var]
    shared: dict[Var, Var] = field(default_factory=dict)
    """Variable -> variable whose memory it is (an update in place)."""
    updated: dict[Var, Var] = field(default_factory=dict)
    """Result -> donated argument that it updates in place."""
    takes: dict[Var, Var] | None = None
    """Result -> the one donated argument that it may take over; None: any."""
    lend_results: bool = False
    """Whether temps may lie in the memory of results that are not written yet."""


def plan(steps: Sequence[StepDraft], sources: Sources, notes: Sequence[str]) -> Program:
    """Give every variable a buffer."""
    return _Planner(steps, sources, notes).program()


class _Planner:
    def __init__(self, steps: Sequence[StepDraft], sources: Sources, notes: Sequence[str]) -> None:
        self.steps = steps
        self.sources = sources
        self.notes = notes
        self.first: dict[Var, int] = {}
        self.last: dict[Var, int] = {}
        for n, step in enumerate(steps):
            for var in step.writes:
                self.first.setdefault(self.root(var), n)
            for var in (*step.reads, *step.writes):
                self.last[self.root(var)] = n
        self.outputs = {self.root(v) for v in sources.outputs}
        self.given = set(sources.inputs) | set(sources.consts)
        self.buffers: list[Buffer] = []
        self.number: dict[Var, int] = {}
        self.arena = 0

    def root(self, var: Var) -> Var:
        shared = self.sources.shared
        while var in shared:
            var = shared[var]
        return var

    def program(self) -> Program:
        sources = self.sources
        for var in sources.inputs:
            self._add(var, Buffer(physical(var.aval), "input"))
        used = dict.fromkeys([v for step in self.steps for v in step.operands] + list(sources.outputs))
        for var in sources.consts:
            if var in used:
                self._add(var, Buffer(physical(var.aval), "const"))
        in_place = self._take_over_inputs()
        for var in dict.fromkeys(self.root(v) for v in sources.outputs):
            if var not in self.number:
                self._add(var, Buffer(physical(var.aval), "output", donated=in_place.get(var)))
        self._place_temps()
        for var in used:
            # What has no elements is never written.
            if self.root(var) not in self.number:
                assert is_empty(var.aval), f"{var} is read, but never computed"
                self._add(self.root(var), Buffer(physical(var.aval), "temp"))
        steps = tuple(self._step(step) for step in self.steps)
        return Program(
            sources.name,
            tuple(self.buffers),
            tuple(self.number[v] for v in sources.inputs),
            tuple(self._number(v) for v in sources.outputs),
            {self.number[v]: value for v, value in sources.consts.items() if v in self.number},
            steps,
            self.arena,
            tuple(self.notes),
        )

    def _add(self, var: Var, buffer: Buffer) -> None:
        self.number[var] = len(self.buffers)
        self.buffers.append(buffer)

    def _number(self, var: Var) -> int:
        return self.number[self.root(var)]

    # --- donation ---

    def _take_over_inputs(self) -> dict[Var, int]:
        """Result -> number of the donated argument whose memory it takes over."""
        sources = self.sources
        taken = {out: self.number[var] for out, var in sources.updated.items()}
        busy = set(sources.updated.values()) | self.outputs
        free = [v for v, d in zip(sources.inputs, sources.donated, strict=False) if d and v not in busy]
        outputs = [v for v in dict.fromkeys(self.root(v) for v in sources.outputs) if v not in self.given]
        takes = None if sources.takes is None else {self.root(out): var for out, var in sources.takes.items()}
        # First those written by the very step that reads the argument last, so that none is left for a worse match.
        for same_step in (True, False):
            for out in outputs:
                if out in taken:
                    continue
                for var in free if takes is None else [v for v in free if takes.get(out) is v]:
                    if self._may_take(var, out, same_step):
                        taken[out] = self.number[var]
                        free.remove(var)
                        break
        return taken

    def _may_take(self, var: Var, out: Var, same_step: bool) -> bool:
        a, b = physical(var.aval), physical(out.aval)
        if a.shape != b.shape or a.dtype != b.dtype or out not in self.first:
            return False
        last, first = self.last.get(var, -1), self.first[out]
        if same_step:
            return last == first and self._writes_in_place(first, var, out)
        return last < first

    def _writes_in_place(self, n: int, var: Var, out: Var) -> bool:
        step = self.steps[n]
        if not isinstance(step.payload, Kernel) or var not in step.operands:
            return False
        written = [v for v in step.writes if self.root(v) == out]
        return len(written) == 1 and in_place_safe(
            step.payload, step.operands.index(var), step.operands.index(written[0])
        )

    # --- temps ---

    def _place_temps(self) -> None:
        sharing = self._share_memory()
        temps = [group for group in sharing if not group.outputs]
        outputs = [group for group in sharing if group.outputs] if self.sources.lend_results else []
        blocks = [Block(group.nbytes, group.first, group.last) for group in temps]
        regions = [Region(group.nbytes, group.first) for group in outputs]
        places, self.arena = pack(blocks, regions)
        lenders = [self.number[group.outputs[0]] for group in outputs]
        for group, (region, offset) in zip(temps, places, strict=True):
            within = None if region is None else lenders[region]
            for var in group.temps:
                self._add(var, Buffer(physical(var.aval), "temp", offset, within=within))
        for group, lender in zip(outputs, lenders, strict=True):
            for var in group.temps:
                self._add(var, Buffer(physical(var.aval), "temp", within=lender))

    def _share_memory(self) -> list[_Group]:
        """Groups of temps, and of results of the caller's memory, each written in place of the one before."""
        groups: list[_Group] = []
        member: dict[Var, _Group] = {}
        for n, step in enumerate(self.steps):
            for written in step.writes:
                var = self.root(written)
                output = var in self.number
                if var in member or (output and not self._of_caller(var)):
                    continue
                group = None
                if not output or self.sources.lend_results:
                    group = self._dying_operand(n, var, member)
                if group is None:
                    group = _Group(physical(var.aval).nbytes, n)
                    groups.append(group)
                (group.outputs if output else group.temps).append(var)
                group.last = len(self.steps) if output else self.last[var]
                member[var] = group
        return groups

    def _of_caller(self, var: Var) -> bool:
        buffer = self.buffers[self.number[var]]
        return buffer.kind == "output" and buffer.donated is None

    def _dying_operand(self, n: int, var: Var, member: dict[Var, _Group]) -> _Group | None:
        """The group of an operand that step n reads last and in whose place it may write."""
        aval = physical(var.aval)
        for read in self.steps[n].reads:
            other = self.root(read)
            group = member.get(other)
            # A group whose life goes on has got another result of this step.
            if group is not None and other is not var and self.last[other] == n == group.last and self.first[other] < n:
                old = physical(other.aval)
                same_size = old.size == aval.size and old.dtype.itemsize == aval.dtype.itemsize
                if same_size and self._writes_in_place(n, read, var):
                    return group
        return None

    # --- steps ---

    def _memory(self, number: int) -> tuple[str, int]:
        buffer = self.buffers[number]
        if buffer.kind == "temp" and (buffer.within is None or buffer.offset):
            return (f"temp in {buffer.within}", buffer.offset)
        if buffer.within is not None:
            return ("buffer", buffer.within)
        if buffer.donated is not None:
            return ("buffer", buffer.donated)
        return ("buffer", number)

    def _step(self, step: StepDraft) -> Step:
        payload = step.payload
        if payload is None:
            return CopyStep(self._number(step.reads[0]), self._number(step.writes[0]))
        if isinstance(payload, Kernel):
            numbers = tuple(self._number(v) for v in step.operands)
            memory = [self._memory(n) for n in numbers]
            pairs = tuple(
                (r, w)
                for w, written in enumerate(payload.operands)
                if written.written and written.size
                for r in range(len(numbers))
                if r != w and memory[r] == memory[w] and payload.operands[r].size
            )
            return KernelStep(replace(payload, in_place=pairs) if pairs else payload, numbers)
        if isinstance(payload, ControlDraft):
            return payload.step(self._number)
        kind, primitive, params, scope = payload
        operands = tuple(self._number(v) for v in step.reads)
        results = tuple(self._number(v) for v in step.writes)
        assert kind in (LibraryStep, HostStep)
        made: Step = kind(primitive, params, operands, results, scope)
        return made


@dataclass(eq=False)
class _Group:
    """Variables one after the other in one memory, from the first step to the last that need it."""

    nbytes: int
    first: int
    last: int = -1
    temps: list[Var] = field(default_factory=list)
    outputs: list[Var] = field(default_factory=list)
