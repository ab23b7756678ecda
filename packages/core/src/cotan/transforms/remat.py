"""Rematerialisation: a derivative that recomputes values in its backward pass instead of keeping them.

The machinery of ``checkpoint``: the known part of a program, the values that a policy allows to keep, and one program
that recomputes the others before it does the unknown part. Effects are not repeated. Names no operation; a policy is
asked about each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cotan.config import config
from cotan.ir.check import check_jaxpr
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var
from cotan.transforms.cache import weakly_cached
from cotan.transforms.effects import without_effects
from cotan.transforms.partial_eval import partial_eval_jaxpr
from cotan.transforms.prune import live_equations, prune
from cotan.transforms.stage import replay, stage_closed

# policy(primitive, *operand avals, **params) -> whether its results may be kept
Policy = Callable[..., bool]


class Recomputed(NamedTuple):
    """A rematerialised program, cut in two.

    Attributes:
      known: from the known arguments to (known results, saved values).
      unknown: from (known arguments that it needs, saved values, unknown arguments) to the unknown results.
      out_unknown: for each result of the whole, whether it is unknown.
      needed: for each known argument, whether ``unknown`` needs it.
      saved: how many values are saved.
    """

    known: ClosedJaxpr
    unknown: ClosedJaxpr
    out_unknown: tuple[bool, ...]
    needed: tuple[bool, ...]
    saved: int


@weakly_cached
def partial_eval_remat(closed: ClosedJaxpr, unknown_mask: tuple[bool, ...], policy: Policy | None) -> Recomputed:
    """Cut ``closed`` as ``partial_eval_jaxpr`` does, but let the unknown part recompute the residuals.

    Args:
      unknown_mask: for each argument, whether it is unknown.
      policy: which values of the known part may be saved; None: none of them.
    """
    split = partial_eval_jaxpr(closed, unknown_mask)
    whole = split.known.jaxpr
    results = whole.outvars[: split.known_results]
    used = sorted({k - len(whole.invars) for k in split.residuals if k >= len(whole.invars)})
    wanted = [whole.outvars[k] for k in used]
    again = without_effects(whole.eqns)
    saved = _saved(whole, again, wanted, policy)
    eqns, read = live_equations(whole.replace(eqns=_without(again, saved)), wanted)
    saved = [v for v in saved if v in read]
    known, known_consts = prune(whole.replace(outvars=[*results, *saved]), split.known.consts)
    needed = tuple(v in read or k in split.residuals for k, v in enumerate(whole.invars))
    redo = whole.replace(invars=[*whole.invars, *saved], eqns=eqns, outvars=wanted, arg_names=())
    positions = [k for k, n in enumerate(needed) if n]

    def recompute(*flat: Any) -> list[Any]:
        known_args: list[Any] = [None] * len(whole.invars)
        for k, x in zip(positions, flat, strict=False):
            known_args[k] = x
        kept = flat[len(positions) : len(positions) + len(saved)]
        new = dict(zip(used, replay(redo, split.known.consts, [*known_args, *kept]), strict=True))
        residuals = split.residual_values(known_args, [new.get(k) for k in range(len(whole.outvars))])
        return replay(split.unknown.jaxpr, split.unknown.consts, [*residuals, *flat[len(positions) + len(saved) :]])

    unknown_avals = split.unknown.in_avals[len(split.residuals) :]
    avals = [whole.invars[k].aval for k in positions] + [v.aval for v in saved] + list(unknown_avals)
    unknown = stage_closed(recompute, avals, name=whole.name)
    if config.check_jaxprs:
        check_jaxpr(known)
    return Recomputed(ClosedJaxpr(known, known_consts), unknown, split.out_unknown, needed, len(saved))


def _saved(jaxpr: Jaxpr, eqns: list[Eqn], wanted: Any, policy: Policy | None) -> list[Var]:
    """The variables that ``policy`` allows to keep and the recomputation of ``wanted`` by ``eqns`` may use.

    What an effect returned is kept in any case: it happens once.
    """
    live, read = live_equations(jaxpr.replace(eqns=eqns), wanted)
    return [
        v
        for eqn in live
        if eqn.effects or (policy is not None and policy(eqn.primitive, *(a.aval for a in eqn.invars), **eqn.params))
        for v in eqn.outvars
        if v in read
    ]


def _without(eqns: list[Eqn], saved: list[Var]) -> list[Eqn]:
    """The equations that compute no saved values. (What else such an equation computes is not read.)"""
    have = set(saved)
    return [eqn for eqn in eqns if not eqn.effects and have.isdisjoint(eqn.outvars)]
