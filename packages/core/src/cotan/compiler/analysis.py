"""What programs cost, as figures: operations and bytes of each step, or of each equation where there are no steps.

Estimates for readers; the choices of the compiler are made by ``cost``. Names no primitive.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cotan.ir.avals import ShapedArray
from cotan.ir.control import Branch, CountedLoop, WhileLoop
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr
from cotan.ir.primitive import cost, program
from cotan.ir.program import BranchStep, CopyStep, KernelStep, LoopStep, Program, Step


class Work(NamedTuple):
    """What something costs: arithmetic operations, and bytes read or written."""

    flops: float = 0.0
    bytes: float = 0.0

    def plus(self, other: Work) -> Work:
        return Work(self.flops + other.flops, self.bytes + other.bytes)

    def times(self, count: int) -> Work:
        return Work(self.flops * count, self.bytes * count)


NOTHING = Work()


def work_of_program(compiled: Program) -> Work:
    """The work of one run. A loop of unknown length counts once, of branches the one with the most work."""
    return _sum(work for _, work in work_of_steps(compiled))


def work_of_steps(compiled: Program) -> list[tuple[str, Work]]:
    """(step in words, its work), in order."""
    return [_step(compiled, step) for step in compiled.steps]


def work_of_jaxpr(closed: ClosedJaxpr) -> Work:
    """The work of a program as it was traced, each equation by itself; loops and branches as above."""
    return _jaxpr(closed.jaxpr)


def _sum(parts: Iterable[Work]) -> Work:
    total = NOTHING
    for part in parts:
        total = total.plus(part)
    return total


def _step(compiled: Program, step: Step) -> tuple[str, Work]:
    buffers = compiled.buffers
    if isinstance(step, KernelStep):
        return f"kernel {step.kernel.name}", Work(step.kernel.flops, step.kernel.bytes)
    if isinstance(step, CopyStep):
        return "copy", Work(0, 2 * buffers[step.source].aval.nbytes)
    if isinstance(step, LoopStep):
        once = work_of_program(step.body)
        if step.cond is not None:
            once = once.plus(work_of_program(step.cond))
        return f"loop {step.name}", once.times(1 if step.length is None else step.length)
    if isinstance(step, BranchStep):
        return f"branch {step.name}", max(map(work_of_program, step.branches), default=NOTHING)
    operands = [buffers[n].aval for n in step.operands]
    results = [buffers[n].aval for n in step.results]
    rule = cost.get(step.primitive)
    if rule is not None:
        return str(step.primitive), Work(*rule(operands, results, **step.params))
    return str(step.primitive), _by_sizes(operands, results)


def _by_sizes(operands: Sequence[ShapedArray], results: Sequence[ShapedArray]) -> Work:
    """One operation per element of the results; everything is read or written once."""
    moved = sum(aval.nbytes for aval in (*operands, *results))
    return Work(sum(aval.size for aval in results), moved)


def _jaxpr(jaxpr: Jaxpr) -> Work:
    return _sum(map(_equation, jaxpr.eqns))


def _equation(eqn: Eqn) -> Work:
    operands = [v.aval for v in eqn.invars]
    results = [v.aval for v in eqn.outvars]
    rule = cost.get(eqn.primitive)
    if rule is not None:
        return Work(*rule(operands, results, **eqn.params))
    stands_for = program.get(eqn.primitive)
    inner = None if stands_for is None else stands_for(**eqn.params)
    if isinstance(inner, ClosedJaxpr):
        return work_of_jaxpr(inner)
    if isinstance(inner, CountedLoop):
        return work_of_jaxpr(inner.body).times(inner.length)
    if isinstance(inner, WhileLoop):
        return work_of_jaxpr(inner.body).plus(work_of_jaxpr(inner.cond))
    if isinstance(inner, Branch):
        return max(map(work_of_jaxpr, inner.branches), default=NOTHING)
    return _by_sizes(operands, results)
