"""The buffer plan: which memory every value lives in.

Values that die give their memory to later ones: temps share one arena by liveness; a result may take over a donated
argument; and a kernel writes in place of an operand that dies in it, where every load has the index of the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cotan.compiler.control import ControlDraft
from cotan.compiler.elements import is_empty, physical
from cotan.compiler.tree import topological
from cotan.ir.jaxpr import Var
from cotan.ir.program import (
    Buffer,
    CopyStep,
    HostStep,
    Kernel,
    KernelStep,
    LibraryStep,
    Loop,
    Node,
    Program,
    ReduceLoop,
    ScanLoop,
    Step,
    Store,
)
from cotan.ir.program import Let as LetNode
from cotan.ir.scalar import Expr

ALIGNMENT = 64


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
        self.offset: dict[Var, int] = {}
        self.arena = _Arena()

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
            self.arena.size,
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
        owner: dict[Var, Var] = {}
        dies: dict[int, list[Var]] = {}
        for n, step in enumerate(self.steps):
            for written in step.writes:
                var = self.root(written)
                if var in self.number or var in owner:
                    continue
                donor = self._dying_operand(n, var, owner)
                if donor is not None:
                    owner[var] = owner[donor]
                    self.offset[var] = self.offset[donor]
                    dies[n].remove(donor)
                else:
                    owner[var] = var
                    self.offset[var] = self.arena.take(physical(var.aval).nbytes)
                dies.setdefault(self.last[var], []).append(var)
                self._add(var, Buffer(physical(var.aval), "temp", self.offset[var]))
            for var in dies.pop(n, ()):
                self.arena.give(self.offset[var], physical(var.aval).nbytes)

    def _dying_operand(self, n: int, var: Var, owner: dict[Var, Var]) -> Var | None:
        aval = physical(var.aval)
        for read in self.steps[n].reads:
            other = self.root(read)
            if other in owner and self.last[other] == n and other is not var and self.first[other] < n:
                old = physical(other.aval)
                free = all(self.offset.get(w) != self.offset[other] for w in self._written_so_far(n, var))
                same_size = old.size == aval.size and old.dtype.itemsize == aval.dtype.itemsize
                if free and same_size and self._writes_in_place(n, read, var):
                    return other
        return None

    def _written_so_far(self, n: int, var: Var) -> list[Var]:
        return [w for v in self.steps[n].writes if (w := self.root(v)) is not var and self.first[w] == n]

    # --- steps ---

    def _memory(self, number: int) -> tuple[str, int]:
        buffer = self.buffers[number]
        if buffer.kind == "temp":
            return ("temp", buffer.offset)
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


class _Arena:
    """Offsets in one block of memory: the smallest gap that fits, else at the end."""

    def __init__(self) -> None:
        self.size = 0
        self._gaps: list[tuple[int, int]] = []

    def take(self, nbytes: int) -> int:
        nbytes = _aligned(nbytes)
        best: tuple[int, int] | None = None
        for gap in self._gaps:
            if gap[1] >= nbytes and (best is None or gap[1] < best[1]):
                best = gap
        if best is not None:
            self._gaps.remove(best)
            if best[1] > nbytes:
                self._gaps.append((best[0] + nbytes, best[1] - nbytes))
            return best[0]
        tail = next((g for g in self._gaps if g[0] + g[1] == self.size), None)
        if tail is not None:
            self._gaps.remove(tail)
            self.size = tail[0] + nbytes
            return tail[0]
        offset, self.size = self.size, self.size + nbytes
        return offset

    def give(self, offset: int, nbytes: int) -> None:
        nbytes = _aligned(nbytes)
        if not nbytes:
            return
        for gap in list(self._gaps):
            if gap[0] + gap[1] == offset:
                self._gaps.remove(gap)
                offset, nbytes = gap[0], gap[1] + nbytes
            elif offset + nbytes == gap[0]:
                self._gaps.remove(gap)
                nbytes += gap[1]
        self._gaps.append((offset, nbytes))


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def in_place_safe(kernel: Kernel, read: int, write: int) -> bool:
    """Whether the two operands may be one memory: every load from ``read`` has the index of the one store to ``write``,
    and stands in the loops of the store, so that it comes first and belongs to the same iteration."""
    return _InPlace(kernel.tree, read, write).safe


class _InPlace:
    def __init__(self, tree: Sequence[Node], read: int, write: int) -> None:
        self.read = read
        self.store: Store | None = None
        self.safe = True
        self._find_store(tree, write)
        if self.store is None or self.store.combine is not None or self.store.conditions:
            self.safe = False
            return
        self._check(tree, ())

    def _find_store(self, nodes: Sequence[Node], write: int) -> None:
        for node in nodes:
            if isinstance(node, Store) and node.slot == write:
                if self.store is not None:
                    self.safe = False
                self.store = node
            elif isinstance(node, Loop):
                self._find_store(node.body, write)
            elif isinstance(node, ScanLoop) and any(slot == write for slot, _, _ in node.stores):
                self.safe = False

    def _check(self, nodes: Sequence[Node], loops: tuple[Any, ...]) -> None:
        """Every load must come in the store's own body, not after the store, and have its index."""
        stored = False
        here = any(node is self.store for node in nodes)
        for node in nodes:
            if isinstance(node, Loop):
                self._check(node.body, (*loops, node.axis))
            elif isinstance(node, Store):
                if stored and self._reads([node.value]):
                    self.safe = False
                self._loads([node.value], here)
                stored = stored or node is self.store
            elif isinstance(node, LetNode):
                self._loads([node.value], here)
            elif isinstance(node, ReduceLoop | ScanLoop) and self._anywhere(node):
                self.safe = False

    def _loads(self, exprs: Sequence[Expr], same_body: bool) -> None:
        assert self.store is not None
        for node in topological(exprs):
            mine = node.op == "load" and node.attr[0] == self.read
            if mine and not (same_body and node.attr[1] == self.store.index):
                self.safe = False

    def _reads(self, exprs: Sequence[Expr]) -> bool:
        return any(n.op == "load" and n.attr[0] == self.read for n in topological(exprs))

    def _anywhere(self, node: ReduceLoop | ScanLoop) -> bool:
        if isinstance(node, ScanLoop):
            return True
        return self._reads([node.value, *node.siblings])
