"""Loops and branches as steps: what memory they need, and which carries stay in place.

The programs inside are compiled by the same pipeline; here they only become parts of a step. Knows the records of
``ir.control``, no primitives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cotan.ir.control import Branch, Control, CountedLoop, WhileLoop
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var
from cotan.ir.primitive import alias, program
from cotan.ir.program import BranchStep, LoopStep, Program

Carried = dict[int, int]
"""Result of a part -> the argument over which it may be written: the same carry, one iteration before."""
CompilePart = Callable[[ClosedJaxpr, Carried], Program]


def control_of(eqn: Eqn) -> Control | None:
    """What ``eqn`` is, if it is a loop or a branch."""
    rule = program.get(eqn.primitive)
    record = None if rule is None else rule(**eqn.params)
    return record if isinstance(record, CountedLoop | WhileLoop | Branch) else None


@dataclass
class ControlDraft:
    """A loop or branch before its variables have buffers.

    Attributes:
      spares: second buffers of results, for the time of the step; None for what stays in its place.
      takes: for each result of a branch, the operand (not counting the index) whose memory it is, or None.
    """

    name: str
    record: Control
    eqn: Eqn
    parts: tuple[Program, ...]
    operands: tuple[Var, ...]
    spares: tuple[Var | None, ...]
    takes: tuple[int | None, ...] = field(default=())

    def staying(self) -> list[tuple[Var, Var]]:
        """(result, operand in which it begins) of what stays in its place: in a loop, if the memory is free for it."""
        results = self.eqn.outvars
        if isinstance(self.record, Branch):
            return [(out, self.operands[k + 1]) for out, k in zip(results, self.takes, strict=True) if k is not None]
        first, _ = _carry(self.record, len(self.operands))
        return [(results[k], self.operands[first + k]) for k, spare in enumerate(self.spares) if spare is None]

    @property
    def written(self) -> tuple[Var, ...]:
        """The variables that the step writes: results and spare buffers."""
        return (*self.eqn.outvars, *(v for v in self.spares if v is not None))

    def step(self, number: Callable[[Var], int]) -> LoopStep | BranchStep:
        """The step over buffers."""
        record = self.record
        operands = tuple(map(number, self.operands))
        results = tuple(map(number, self.eqn.outvars))
        spares = tuple(None if v is None else number(v) for v in self.spares)
        if isinstance(record, Branch):
            return BranchStep(self.name, self.parts, operands[0], operands[1:], results, self.takes, spares)
        first, count = _carry(record, len(operands))
        counted = isinstance(record, CountedLoop)
        before = 0 if isinstance(record, CountedLoop) else record.cond_consts
        return LoopStep(
            self.name,
            body=self.parts[-1],
            cond=None if counted else self.parts[0],
            length=record.length if isinstance(record, CountedLoop) else None,
            reverse=isinstance(record, CountedLoop) and record.reverse,
            cond_consts=operands[:before],
            consts=operands[before:first],
            inits=operands[first : first + count],
            xs=operands[first + count :],
            finals=results[:count],
            ys=results[count:],
            spares=spares,
        )


def _carry(record: CountedLoop | WhileLoop, operands: int) -> tuple[int, int]:
    """(position of the first carry among the operands, number of carries)."""
    if isinstance(record, CountedLoop):
        return record.consts, record.carry
    first = record.cond_consts + record.body_consts
    return first, operands - first


def draft_control(
    eqn: Eqn, record: Control, compile_part: CompilePart, takes_over: Callable[[Var, Var], bool]
) -> ControlDraft:
    """Compile the parts of a loop or branch and find out what stays in its place.

    Args:
      takes_over: ``takes_over(result, operand)`` lets a result of ``eqn`` be the memory of an operand, if it can.
    """
    operands = tuple(v for v in eqn.invars if isinstance(v, Var))
    name = eqn.primitive.name
    if isinstance(record, Branch):
        return _draft_branch(eqn, record, operands, compile_part, takes_over)
    first, count = _carry(record, len(operands))
    consts = first if isinstance(record, CountedLoop) else record.body_consts
    body = compile_part(record.body, {k: consts + k for k in range(count)})
    parts = (body,) if isinstance(record, CountedLoop) else (compile_part(record.cond, {}), body)
    spares = tuple(None if body.stays(k, consts + k) else Var(v.aval) for k, v in enumerate(eqn.outvars[:count]))
    draft = ControlDraft(name, record, eqn, parts, operands, spares)
    for out, init in draft.staying():
        if operands.count(init) == 1:
            takes_over(out, init)
    return draft


def _draft_branch(
    eqn: Eqn,
    record: Branch,
    operands: tuple[Var, ...],
    compile_part: CompilePart,
    takes_over: Callable[[Var, Var], bool],
) -> ControlDraft:
    takes: list[int | None] = []
    for k, out in enumerate(eqn.outvars):
        sources = {_updated_argument(branch.jaxpr, k) for branch in record.branches}
        [source, *more] = sources
        free = not more and source is not None and source not in takes and operands.count(operands[source + 1]) == 1
        takes.append(source if free and source is not None and takes_over(out, operands[source + 1]) else None)
    carried = {k: source for k, source in enumerate(takes) if source is not None}
    parts = tuple(compile_part(branch, carried) for branch in record.branches)
    spares = tuple(
        None if k is None or all(part.stays(n, k) for part in parts) else Var(out.aval)
        for n, (out, k) in enumerate(zip(eqn.outvars, takes, strict=True))
    )
    return ControlDraft(eqn.primitive.name, record, eqn, parts, operands, spares, tuple(takes))


def _updated_argument(jaxpr: Jaxpr, result: int) -> int | None:
    """The argument that a result is, or of which it is an update that may be written in its place."""
    atom = jaxpr.outvars[result]
    for eqn in reversed(jaxpr.eqns):
        if atom in eqn.outvars:
            rule = alias.get(eqn.primitive)
            if rule is None:
                return None
            atom = eqn.invars[rule(**eqn.params)]
    return jaxpr.invars.index(atom) if atom in jaxpr.invars else None
