"""Removal of equations whose results nobody reads, where a transform would otherwise save residuals for them.

Equations with effects stay. Higher-order primitives may have a rule in the ``dce`` table:
``rule(eqn, used) -> equation or None``, where ``used`` says of each result whether it is read; the new equation has the
used results only, and the operands that they need.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var
from cotan.ir.primitive import dce
from cotan.transforms.cache import weakly_cached


def live_equations(jaxpr: Jaxpr, outputs: Sequence[Any]) -> tuple[list[Eqn], set[Var]]:
    """The equations on which ``outputs`` depend (in order), and all variables that are read."""
    read = {v for v in outputs if isinstance(v, Var)}
    kept: list[Eqn] = []
    for eqn in reversed(jaxpr.eqns):
        used = tuple(v in read for v in eqn.outvars)
        if not any(used) and not eqn.effects:
            continue
        rule = dce.get(eqn.primitive)
        live: Eqn | None = eqn
        if rule is not None and not all(used):
            live = rule(eqn, used)
        if live is not None:
            kept.append(live)
            read.update(v for v in live.invars if isinstance(v, Var))
    kept.reverse()
    return kept, read


def prune(jaxpr: Jaxpr, consts: Sequence[Any]) -> tuple[Jaxpr, list[Any]]:
    """``jaxpr`` without dead equations and unused constants; its arguments and results stay."""
    eqns, read = live_equations(jaxpr, jaxpr.outvars)
    if len(eqns) == len(jaxpr.eqns) and all(v in read for v in jaxpr.constvars):
        return jaxpr.replace(eqns=eqns), list(consts)
    pairs = [(v, c) for v, c in zip(jaxpr.constvars, consts, strict=True) if v in read]
    return jaxpr.replace(constvars=[v for v, _ in pairs], eqns=eqns), [c for _, c in pairs]


@weakly_cached
def prune_closed(closed: ClosedJaxpr, used: tuple[bool, ...]) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """``closed`` with only the used results and the arguments they need, and which arguments those are."""
    jaxpr = closed.jaxpr
    outputs = [v for v, u in zip(jaxpr.outvars, used, strict=True) if u]
    smaller, consts = prune(jaxpr.replace(outvars=outputs), closed.consts)
    _, read = live_equations(smaller, outputs)
    needed = tuple(v in read for v in jaxpr.invars)
    names = jaxpr.arg_names or ("",) * len(needed)
    smaller = smaller.replace(
        invars=[v for v, n in zip(jaxpr.invars, needed, strict=True) if n],
        arg_names=[name for name, n in zip(names, needed, strict=True) if n],
    )
    return ClosedJaxpr(smaller, consts), needed
