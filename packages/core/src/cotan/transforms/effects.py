"""Programs with fewer effects: those of a part that is computed again, and those that happen under a condition only.

Effectful equations are never duplicated. No operation is named; how one is done under a condition is looked up in the
``predicate`` table: ``rule(condition, operands, params) -> results``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.ir.avals import shaped
from cotan.ir.effects import no_effects
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Literal
from cotan.ir.primitive import effects, predicate
from cotan.transforms.cache import weakly_cached
from cotan.transforms.stage import stage_closed


def without_effects(eqns: Sequence[Eqn]) -> list[Eqn]:
    """``eqns`` without the effects of those that have no results, also inside of the programs that they hold.

    What has effects still has results that depend on them.
    """
    kept: list[Eqn] = []
    for eqn in eqns:
        if eqn.effects:
            if not eqn.outvars:
                continue
            eqn = _silenced(eqn)
        kept.append(eqn)
    return kept


def _silenced(eqn: Eqn) -> Eqn:
    params = {key: _silent(value) for key, value in eqn.params.items()}
    rule = effects.get(eqn.primitive)
    return eqn.replace(params=params, effects=no_effects if rule is None else rule(**params))


def _silent(value: Any) -> Any:
    if isinstance(value, ClosedJaxpr):
        return _silent_closed(value) if value.effects else value
    return tuple(map(_silent, value)) if type(value) is tuple else value


@weakly_cached
def _silent_closed(closed: ClosedJaxpr) -> ClosedJaxpr:
    return ClosedJaxpr(closed.jaxpr.replace(eqns=without_effects(closed.eqns)), closed.consts)


@weakly_cached
def predicated(closed: ClosedJaxpr) -> ClosedJaxpr:
    """``closed`` with one more argument, the first, a bool scalar: its effects happen only where that is true.

    Results of effects that do not happen are zeros; all else is computed in any case.

    Raises:
      MissingRuleError: an effect cannot be left out.
    """
    jaxpr = closed.jaxpr

    def fun(condition: Any, *args: Any) -> list[Any]:
        env: dict[Any, Any] = dict(zip(jaxpr.constvars, closed.consts, strict=True))
        env.update(zip(jaxpr.invars, args, strict=True))

        def read(atom: Any) -> Any:
            return atom.val if isinstance(atom, Literal) else env[atom]

        for eqn in jaxpr.eqns:
            operands = list(map(read, eqn.invars))
            if eqn.effects:
                results = predicate[eqn.primitive](condition, operands, eqn.params)
            else:
                results = eqn.primitive.bind(*operands, **eqn.params)
            env.update(zip(eqn.outvars, results if eqn.primitive.multiple_results else (results,), strict=True))
        return list(map(read, jaxpr.outvars))

    return stage_closed(fun, [shaped((), np.dtype(np.bool_)), *closed.in_avals], name=jaxpr.name)
