"""Loops and branches as steps: what memory they need, and which carries stay in place.

The programs inside are compiled by the same pipeline; here they only become parts of a step. Knows the records of
``ir.control``, no primitives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cotan.ir.control import Branch, Control, CountedLoop, WhileLoop
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Var
from cotan.ir.primitive import program
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
      spares: second buffers of carries, for the time of the step; None for a carry that stays in its place.
    """

    name: str
    record: Control
    eqn: Eqn
    parts: tuple[Program, ...]
    operands: tuple[Var, ...]
    spares: tuple[Var | None, ...] = field(default=())

    @property
    def inits(self) -> tuple[Var, ...]:
        """The operands in which the carries begin; none for a branch."""
        first, count = _carry(self.record, len(self.operands))
        return self.operands[first : first + count]

    def step(self, number: Callable[[Var], int]) -> LoopStep | BranchStep:
        """The step over buffers."""
        record = self.record
        operands = tuple(map(number, self.operands))
        results = tuple(map(number, self.eqn.outvars))
        if isinstance(record, Branch):
            return BranchStep(self.name, self.parts, operands[0], operands[1:], results)
        first, count = _carry(record, len(operands))
        spares = tuple(None if v is None else number(v) for v in self.spares)
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


def _carry(record: Control, operands: int) -> tuple[int, int]:
    """(position of the first carry among the operands, number of carries)."""
    if isinstance(record, Branch):
        return operands, 0
    if isinstance(record, CountedLoop):
        return record.consts, record.carry
    first = record.cond_consts + record.body_consts
    return first, operands - first


def draft_control(eqn: Eqn, record: Control, compile_part: CompilePart) -> ControlDraft:
    """Compile the parts of a loop or branch and find out which carries need a second buffer."""
    operands = tuple(v for v in eqn.invars if isinstance(v, Var))
    name = eqn.primitive.name
    if isinstance(record, Branch):
        return ControlDraft(name, record, eqn, tuple(compile_part(b, {}) for b in record.branches), operands)
    first, count = _carry(record, len(operands))
    consts = first if isinstance(record, CountedLoop) else record.body_consts
    body = compile_part(record.body, {k: consts + k for k in range(count)})
    parts = (body,) if isinstance(record, CountedLoop) else (compile_part(record.cond, {}), body)
    spares = tuple(None if _stays(body, k, consts + k) else Var(v.aval) for k, v in enumerate(eqn.outvars[:count]))
    return ControlDraft(name, record, eqn, parts, operands, spares)


def _stays(body: Program, result: int, argument: int) -> bool:
    """Whether ``body`` leaves a carry in its place."""
    out, given = body.outputs[result], body.inputs[argument]
    return out == given or body.buffers[out].donated == given


def writes(draft: ControlDraft) -> tuple[Var, ...]:
    """The variables that the step writes: results and spare buffers."""
    return (*draft.eqn.outvars, *(v for v in draft.spares if v is not None))


def staying(draft: ControlDraft) -> Sequence[tuple[Var, Var]]:
    """(result, operand in which it begins) of each carry that stays in its place."""
    return [
        (out, init)
        for out, init, spare in zip(draft.eqn.outvars, draft.inits, draft.spares, strict=False)
        if spare is None
    ]
