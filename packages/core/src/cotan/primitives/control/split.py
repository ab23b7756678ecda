"""The parts of a scan: what needs no loop, what is known beforehand, what is used at all.

All of it is found on the jaxpr of the body, once, and kept with it. No operation is named, but for calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cotan.config import config
from cotan.ir.check import check_jaxpr
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from cotan.ir.trace import current_trace
from cotan.primitives.call import jit_p
from cotan.primitives.control.bodies import Mask, chosen, cut, either, rearranged
from cotan.primitives.control.residuals import recomputed, with_recomputation
from cotan.transforms.cache import weakly_cached
from cotan.transforms.partial_eval import Split, partial_eval_jaxpr
from cotan.transforms.prune import live_equations, prune
from cotan.transforms.stage import Recorder, stage_closed


class Simplified(NamedTuple):
    """A scan without what needs no loop.

    Attributes:
      body: the smaller body.
      operands: which operands of the whole it takes, in its order.
      consts, carry: how many of each there are now.
      forwarded: for each result of the whole, the operand that it is, or None: the next result of the smaller scan.
    """

    body: ClosedJaxpr
    operands: tuple[int, ...]
    consts: int
    carry: int
    forwarded: tuple[int | None, ...]


def simplified(closed: ClosedJaxpr, num_consts: int, num_carry: int) -> Simplified:
    """Make consts of carries that are passed through, and drop unread operands and slices that are passed through."""
    found = _simplified(closed, num_consts, num_carry)
    if found is not None:
        return found
    whole = tuple(range(len(closed.jaxpr.invars)))
    return Simplified(closed, whole, num_consts, num_carry, (None,) * len(closed.jaxpr.outvars))


@weakly_cached
def _simplified(closed: ClosedJaxpr, num_consts: int, num_carry: int) -> Simplified | None:
    jaxpr = closed.jaxpr
    invars, outvars = jaxpr.invars, jaxpr.outvars
    last = num_consts + num_carry
    place = {v: k for k, v in enumerate(invars)}
    sources = [place.get(v) if isinstance(v, Var) else None for v in outvars]
    forwarded = [
        k if (k == num_consts + position if position < num_carry else k is not None and k >= last) else None
        for position, k in enumerate(sources)
    ]
    outs = [v for v, k in zip(outvars, forwarded, strict=True) if k is None]
    smaller, consts = prune(jaxpr.replace(outvars=outs), closed.consts)
    _, read = live_equations(smaller, outs)
    passed = [forwarded[k] is not None for k in range(num_carry)]
    order = [k for k, v in enumerate(invars[:num_consts]) if v in read]
    order += [num_consts + k for k, p in enumerate(passed) if p and invars[num_consts + k] in read]
    count = len(order)
    order += [num_consts + k for k, p in enumerate(passed) if not p]
    order += [k for k, v in enumerate(invars) if k >= last and v in read]
    if len(order) == len(invars) and len(outs) == len(outvars):
        return None
    body = rearranged(ClosedJaxpr(smaller, consts), order, range(len(outs)))
    return Simplified(body, tuple(order), count, num_carry - sum(passed), tuple(forwarded))


class ScanSplit(NamedTuple):
    """A scan cut in two.

    Attributes:
      unknown: for each operand of the whole, whether it belongs to the unknown scan.
      out_unknown: likewise for its results.
      hoisted: from the known consts to values that are the same in every step and are computed once.
      known: the body of the known scan, from (known consts, the first ``hoisted_in`` of the hoisted values; known
        carry; known xs) to (known carry; known ys, stacked residuals).
      known_consts, known_carry, hoisted_in: how many of each there are.
      rest: the body of the unknown scan, from (constant residuals, unknown consts; unknown carry; stacked residuals,
        unknown xs) to (unknown carry; unknown ys).
      constant: where constant residuals come from: numbers in (known consts, hoisted values).
      stacked: where stacked residuals come from: numbers in (known xs, results of the known scan after the carry).
      rest_consts, rest_carry: how many unknown ones there are.
    """

    unknown: Mask
    out_unknown: Mask
    hoisted: ClosedJaxpr
    known: ClosedJaxpr
    known_consts: int
    known_carry: int
    hoisted_in: int
    rest: ClosedJaxpr
    constant: tuple[int, ...]
    stacked: tuple[int, ...]
    rest_consts: int
    rest_carry: int


@weakly_cached
def split_scan(closed: ClosedJaxpr, num_consts: int, num_carry: int, unknown: Mask) -> ScanSplit:
    """Cut a scan into what its known operands determine and the rest: a carry is unknown if it ever becomes so."""
    consts, carry, xs = cut(unknown, num_consts, num_carry)
    num_ys = len(closed.jaxpr.outvars) - num_carry
    while True:
        mask = (*consts, *carry, *xs)
        split = partial_eval_jaxpr(closed, mask, (*carry, *(False,) * num_ys))
        later = split.out_unknown[:num_carry]
        if later == carry:
            break
        carry = either(carry, later)
    whole = _without_calls(split.known)
    jaxpr = whole.jaxpr
    known_consts, known_carry = consts.count(False), carry.count(False)
    invariant = _invariant(jaxpr, known_consts)
    first_xs = known_consts + known_carry
    pool_xs = list(jaxpr.invars[first_xs:])
    ys = list(jaxpr.outvars[known_carry : split.known_results])
    constant: list[Var] = []
    stacked: list[int] = []
    is_constant: list[bool] = []
    residuals, unknown = _kept(split, jaxpr, invariant, (*pool_xs, *ys))
    for var in residuals:
        is_constant.append(var in invariant.values)
        if is_constant[-1]:
            constant.append(var)
            continue
        if var not in pool_xs and var not in ys:
            ys.append(var)
        stacked.append(pool_xs.index(var) if var in pool_xs else len(pool_xs) + ys.index(var))
    outs = (*jaxpr.outvars[:known_carry], *ys)
    known, hoisted, pool = _apart(whole, invariant, known_consts, outs, constant)
    count = len(is_constant)
    order = [
        *chosen(range(count), is_constant),
        *range(count, count + sum(consts) + sum(carry)),
        *(k for k, c in enumerate(is_constant) if not c),
        *range(count + sum(consts) + sum(carry), len(unknown.jaxpr.invars)),
    ]
    return ScanSplit(
        mask, split.out_unknown, hoisted, known, known_consts, known_carry,
        len(known.jaxpr.invars) - len(jaxpr.invars),
        rearranged(unknown, order, range(len(unknown.jaxpr.outvars))),
        tuple(pool.index(v) for v in constant), tuple(stacked), sum(consts), sum(carry),
    )  # fmt: skip


def _kept(split: Split, jaxpr: Jaxpr, invariant: _Invariant, free: Sequence[Any]) -> tuple[list[Var], ClosedJaxpr]:
    """The residuals that are kept, and the unknown part as a program of these. ``free`` ones are there in any case."""
    places = (*jaxpr.invars, *jaxpr.outvars)
    residuals = [v for k in split.residuals if isinstance(v := places[k], Var)]
    assert len(residuals) == len(split.residuals)
    available = {v for v in free if isinstance(v, Var)} | {v for v in residuals if v in invariant.values}
    dropped, eqns = recomputed(jaxpr, list(dict.fromkeys(residuals)), available)
    if not dropped:
        return residuals, split.unknown
    made = {v for eqn in eqns for v in eqn.outvars}
    read = [v for eqn in eqns for v in eqn.invars if isinstance(v, Var) and v not in made]
    kept = list(dict.fromkeys([*(v for v in residuals if v not in dropped), *read]))
    return kept, with_recomputation(split.unknown, residuals, kept, eqns)


def _without_calls(closed: ClosedJaxpr) -> ClosedJaxpr:
    """``closed`` with the programs of jitted calls in their place: a part of one may be the same in every step."""
    if all(eqn.primitive is not jit_p or eqn.effects for eqn in closed.eqns):
        return closed
    return stage_closed(lambda *args: _inline(closed, args), closed.in_avals, name=closed.jaxpr.name)


def _inline(closed: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    trace = current_trace()
    assert isinstance(trace, Recorder)
    env: dict[Any, Any] = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    env.update(zip(closed.jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else env[atom]

    for eqn in closed.eqns:
        trace.source = eqn.source
        operands = list(map(read, eqn.invars))
        if eqn.primitive is jit_p and not eqn.effects:
            results = _inline(eqn.params["jaxpr"], operands)
        else:
            results = eqn.primitive.bind(*operands, **eqn.params)
        env.update(zip(eqn.outvars, results if eqn.primitive.multiple_results else (results,), strict=True))
    return list(map(read, closed.jaxpr.outvars))


class _Invariant(NamedTuple):
    """What is the same in every step: the variables, the equations that make them, and those that are left.

    Equations that read nothing at all (an iota, a mask made of it) are in both lists: they cost less than an operand.
    """

    values: set[Var]
    made_of_operands: set[Var]
    once: list[Eqn]
    loop: list[Eqn]


def _invariant(jaxpr: Jaxpr, num_consts: int) -> _Invariant:
    free = set(jaxpr.constvars)
    values = free | set(jaxpr.invars[:num_consts])
    made: set[Var] = set()
    once: list[Eqn] = []
    loop: list[Eqn] = []
    for eqn in jaxpr.eqns:
        read = {v for v in eqn.invars if isinstance(v, Var)}
        if eqn.effects or not read <= values:
            loop.append(eqn)
            continue
        once.append(eqn)
        values.update(eqn.outvars)
        if read <= free:
            loop.append(eqn)
            free.update(eqn.outvars)
        else:
            made.update(eqn.outvars)
    return _Invariant(values, made, once, loop)


def _apart(
    closed: ClosedJaxpr, invariant: _Invariant, num_consts: int, outs: Sequence[Any], residuals: Sequence[Var]
) -> tuple[ClosedJaxpr, ClosedJaxpr, list[Var]]:
    """The loop's body, the program of what is computed once, and the variables of (consts, what that program gives)."""
    jaxpr = closed.jaxpr
    consts, rest = jaxpr.invars[:num_consts], jaxpr.invars[num_consts:]
    whole = jaxpr.replace(eqns=invariant.loop, outvars=outs, arg_names=())
    eqns, read = live_equations(whole, outs)
    used = [v for eqn in invariant.once for v in eqn.outvars if v in read and v in invariant.made_of_operands]
    given = {*consts, *used}
    more = list(dict.fromkeys(v for v in residuals if v not in given))
    body, body_consts = prune(whole.replace(invars=[*consts, *used, *rest], eqns=eqns), closed.consts)
    once, once_consts = prune(
        jaxpr.replace(invars=consts, eqns=invariant.once, outvars=[*used, *more], arg_names=()), closed.consts
    )
    if config.check_jaxprs:
        check_jaxpr(body)
        check_jaxpr(once)
    return ClosedJaxpr(body, body_consts), ClosedJaxpr(once, once_consts), [*consts, *used, *more]


@weakly_cached
def used_parts(closed: ClosedJaxpr, num_consts: int, num_carry: int, used: Mask) -> tuple[ClosedJaxpr, Mask, Mask]:
    """The body without what the used results do not need, and which operands and results are left.

    A carry is left if it is used, or if one that is left reads it.
    """
    jaxpr = closed.jaxpr
    carry, ys = cut(used, num_carry)
    while True:
        outs = chosen(jaxpr.outvars, (*carry, *ys))
        smaller, consts = prune(jaxpr.replace(outvars=outs), closed.consts)
        _, read = live_equations(smaller, outs)
        needed = tuple(v in read for v in jaxpr.invars)
        later = either(carry, needed[num_consts : num_consts + num_carry])
        if later == carry:
            break
        carry = later
    operands = (*needed[:num_consts], *carry, *needed[num_consts + num_carry :])
    order = [k for k, kept in enumerate(operands) if kept]
    return rearranged(ClosedJaxpr(smaller, consts), order, range(len(outs))), operands, (*carry, *ys)
