"""Evaluation of a jaxpr: bind its equations one by one in the current trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan.ir.jaxpr import Atom, ClosedJaxpr, Jaxpr, Literal, Var


def eval_jaxpr(jaxpr: Jaxpr, consts: Sequence[Any], *args: Any) -> list[Any]:
    """The results of ``jaxpr`` for the given values, computed in the current trace (so it may be traced again)."""
    env: dict[Var, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))
    last_use = _last_uses(jaxpr)

    def read(atom: Atom) -> Any:
        return atom.val if isinstance(atom, Literal) else env[atom]

    for position, eqn in enumerate(jaxpr.eqns):
        results = eqn.primitive.bind(*map(read, eqn.invars), **eqn.params)
        if not eqn.primitive.multiple_results:
            results = (results,)
        env.update(zip(eqn.outvars, results, strict=True))
        for var in last_use.get(position, ()):
            env.pop(var, None)
    return [read(v) for v in jaxpr.outvars]


def eval_closed(closed: ClosedJaxpr, *args: Any) -> list[Any]:
    """``eval_jaxpr`` with the constants that ``closed`` holds."""
    return eval_jaxpr(closed.jaxpr, closed.consts, *args)


def _last_uses(jaxpr: Jaxpr) -> dict[int, list[Var]]:
    """Equation number -> the variables that no later equation reads, so that their values can be let go."""
    seen: set[Var] = {v for v in jaxpr.outvars if isinstance(v, Var)}
    last: dict[int, list[Var]] = {}
    for position in range(len(jaxpr.eqns) - 1, -1, -1):
        eqn = jaxpr.eqns[position]
        for var in (*eqn.invars, *eqn.outvars):
            if isinstance(var, Var) and var not in seen:
                seen.add(var)
                last.setdefault(position, []).append(var)
    return last
