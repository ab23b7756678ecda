"""Which values a scan need not keep for its second part: little work makes them from others that are kept.

A derivative often wants both y and y (1 - y): the second is a stacked array to write and read that costs more than the
work. No operation is named: what is little work, the kernel rules say.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from cotan.ir.trace import current_trace
from cotan.transforms.stage import Recorder, replay, stage_closed

LITTLE = 6.0
"""Work per element, in additions, up to which a value is made again rather than kept."""


def recomputed(jaxpr: Jaxpr, residuals: Sequence[Var], free: Collection[Var]) -> tuple[list[Var], list[Eqn]]:
    """The residuals that need not be kept, and the equations that make them from the others and from ``free`` ones."""
    from cotan.compiler.cost import element_cost

    given = {*residuals, *free}
    makers = {v: eqn for eqn in jaxpr.eqns if not eqn.effects and len(eqn.outvars) == 1 for v in eqn.outvars}
    dropped: list[Var] = []
    needed: dict[Eqn, None] = {}

    def chain(var: Var, budget: float) -> tuple[float, list[Eqn]] | None:
        """The work to make ``var``, and its equations, each after those that it needs."""
        eqn = makers.get(var)
        if eqn is None:
            return None
        work = element_cost(eqn)
        eqns: list[Eqn] = []
        for atom in eqn.invars:
            if work > budget:
                return None
            if isinstance(atom, Literal) or atom in given:
                continue
            below = chain(atom, budget - work)
            if below is None:
                return None
            work += below[0]
            eqns += below[1]
        return (work, [*eqns, eqn]) if work <= budget else None

    order = {eqn: n for n, eqn in enumerate(jaxpr.eqns)}
    for var in residuals:
        found = None if var in free else chain(var, LITTLE)
        if found is not None:
            dropped.append(var)
            needed.update(dict.fromkeys(found[1]))
    return dropped, sorted(needed, key=lambda eqn: order[eqn])


def with_recomputation(
    unknown: ClosedJaxpr, residuals: Sequence[Var], kept: Sequence[Var], eqns: Sequence[Eqn]
) -> ClosedJaxpr:
    """``unknown``, from (residuals, others), as a program from (kept, others) that makes the other residuals itself."""

    def fun(*flat: Any) -> list[Any]:
        trace = current_trace()
        assert isinstance(trace, Recorder)
        env: dict[Var, Any] = dict(zip(kept, flat, strict=False))
        for eqn in eqns:
            trace.source = eqn.source
            operands = [atom.val if isinstance(atom, Literal) else env[atom] for atom in eqn.invars]
            env[eqn.outvars[0]] = eqn.primitive.bind(*operands, **eqn.params)
        values = [env[v] for v in residuals]
        return replay(unknown.jaxpr, unknown.consts, [*values, *flat[len(kept) :]])

    avals = [*(v.aval for v in kept), *unknown.in_avals[len(residuals) :]]
    return stage_closed(fun, avals, name=unknown.jaxpr.name)
