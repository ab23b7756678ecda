"""while: a body run again and again while a condition holds.

Operands are (consts of the condition, consts of the body, initial carry), results the final carry. How often it runs is
not known, so nothing can be kept for each step: it has derivatives forward, and none in reverse. Knows no compiler and
no user function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan.errors import where
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval, same_type, shaped
from cotan.ir.control import WhileLoop
from cotan.ir.jaxpr import ClosedJaxpr, Eqn
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.primitives.call import evaluate_by_reference
from cotan.primitives.compare import bitwise_and, select_n
from cotan.primitives.control.bodies import (
    Mask,
    Terms,
    beside,
    check_operands,
    chosen,
    cut,
    either,
    grown,
    merged,
    one_equation,
    others,
    pruned,
    rearranged,
    runs_loops,
    silent,
    taking,
    twin,
    types_of,
)
from cotan.primitives.control.split import used_parts
from cotan.primitives.reduce import reduce_or
from cotan.runtime.compile import run_closed
from cotan.runtime.dispatch import lift
from cotan.structural import Zero, broadcast_in_dim, instantiate
from cotan.transforms.batch import AxisData, batch_jaxpr, bdim_at_front
from cotan.transforms.cache import weakly_cached
from cotan.transforms.effects import predicated
from cotan.transforms.jet import mask_of, present_terms, terms_of
from cotan.transforms.jvp import jvp_jaxpr, zero_tangent
from cotan.transforms.partial_eval import PartialTrace, partial_eval_jaxpr
from cotan.transforms.stage import replay, stage_closed

while_p = Primitive("while", multiple_results=True, higher_order=True)
_BOOL = shaped((), np.dtype(np.bool_))


def run_while(
    cond: ClosedJaxpr, body: ClosedJaxpr, cond_consts: Sequence[Any], body_consts: Sequence[Any], carry: Sequence[Any]
) -> list[Any]:
    """The carry after runs of ``body``, from (body consts, carry) to the new carry, while ``cond``, of (cond consts,
    carry), is true. A carry that the body passes through is a constant."""
    passed, plain_cond, plain_body = _plain(body, cond, len(cond_consts), len(body_consts))
    same, changing = chosen(carry, passed), others(carry, passed)
    results = while_p.bind(
        *cond_consts,
        *same,
        *body_consts,
        *same,
        *changing,
        cond_jaxpr=plain_cond or cond,
        body_jaxpr=plain_body or body,
        cond_nconsts=len(cond_consts) + len(same),
        body_nconsts=len(body_consts) + len(same),
    )
    return merged(passed, results, same)


@weakly_cached
def _plain(
    body: ClosedJaxpr, cond: ClosedJaxpr, num_cond: int, num_body: int
) -> tuple[Mask, ClosedJaxpr | None, ClosedJaxpr | None]:
    """Which carries the body passes through, and condition and body with those among their consts; None: no others."""
    jaxpr = body.jaxpr
    passed = tuple(out is v for out, v in zip(jaxpr.outvars, jaxpr.invars[num_body:], strict=True))
    if not any(passed):
        return passed, None, None
    count = range(len(passed))
    same, changing = chosen(count, passed), others(count, passed)
    plain_cond = rearranged(cond, [*range(num_cond), *(num_cond + k for k in (*same, *changing))], (0,))
    order = [*range(num_body), *(num_body + k for k in (*same, *changing))]
    return passed, plain_cond, rearranged(body, order, changing)


@tables.abstract(while_p)
def _abstract(
    *avals: ShapedArray, cond_jaxpr: ClosedJaxpr, body_jaxpr: ClosedJaxpr, cond_nconsts: int, body_nconsts: int
) -> list[ShapedArray]:
    carry = body_jaxpr.in_avals[body_nconsts:]
    check_operands(while_p, [*cond_jaxpr.in_avals[:cond_nconsts], *body_jaxpr.in_avals], avals)
    if not _same_types(cond_jaxpr.in_avals[cond_nconsts:], carry) or not _same_types(body_jaxpr.out_avals, carry):
        raise TypeError(f"{where()}: condition and body of a while must take, and the body return, one type of carry")
    if not _same_types(cond_jaxpr.out_avals, [_BOOL]):
        raise TypeError(f"{where()}: the condition of a while must give one bool scalar")
    return list(body_jaxpr.out_avals)


def _same_types(a: Sequence[ShapedArray], b: Sequence[ShapedArray]) -> bool:
    return len(a) == len(b) and all(map(same_type, a, b))


# ---- Forward mode: tangents are more consts of the body, and more carries


class _Moved(NamedTuple):
    body: ClosedJaxpr
    consts: Mask
    carry: Mask


@weakly_cached
def _jvp_body(closed: ClosedJaxpr, num_consts: int, nonzero: Mask) -> _Moved:
    """The body of values and tangents: a carry has a tangent if it ever gets one."""
    consts, carry = cut(nonzero, num_consts)
    while True:
        body, later = jvp_jaxpr(closed, (*consts, *carry), carry)
        if later == carry:
            break
        carry = either(carry, later)
    body = rearranged(body, beside((num_consts, len(carry)), (*consts, *carry)), range(len(body.jaxpr.outvars)))
    return _Moved(body, consts, carry)


@tables.jvp(while_p)
def _jvp(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    cond_jaxpr: ClosedJaxpr,
    body_jaxpr: ClosedJaxpr,
    cond_nconsts: int,
    body_nconsts: int,
) -> tuple[list[Any], list[Any]]:
    cond_consts, consts, carry = cut(primals, cond_nconsts, body_nconsts)
    _, const_tangents, carry_tangents = cut(tangents, cond_nconsts, body_nconsts)
    nonzero = tuple(type(t) is not Zero for t in (*const_tangents, *carry_tangents))
    moved = _jvp_body(body_jaxpr, body_nconsts, nonzero)
    given = [instantiate(t) for t in chosen(carry_tangents, moved.carry)]
    count = len(cond_jaxpr.in_avals)
    cond = taking(cond_jaxpr, (*range(count), *[None] * len(given)), (*cond_jaxpr.in_avals, *types_of(given)))
    results = run_while(
        cond, moved.body, cond_consts, [*consts, *chosen(const_tangents, moved.consts)], [*carry, *given]
    )
    outs, out_tangents = cut(results, len(carry))
    zeros = [zero_tangent(x) for x in others(outs, moved.carry)]
    return outs, merged(moved.carry, zeros, out_tangents)


# ---- Taylor mode: likewise, with several terms for each value


@weakly_cached
def _jet_body(closed: ClosedJaxpr, num_consts: int, nonzero: Terms) -> tuple[ClosedJaxpr, Terms, Terms]:
    """The body of values and terms, the terms of its results and those of its arguments."""
    num_carry = len(nonzero) - num_consts
    body, found, given = grown(closed, nonzero, num_consts, num_carry)
    order = beside((num_consts, num_carry), list(map(sum, given)))
    return rearranged(body, order, range(len(body.jaxpr.outvars))), found, given


@tables.jet(while_p)
def _jet(primals: Sequence[Any], series: Sequence[Sequence[Any]], **params: Any) -> tuple[list[Any], Any]:
    cond, num_cond, num_consts = params["cond_jaxpr"], params["cond_nconsts"], params["body_nconsts"]
    cond_consts, consts, carry = cut(primals, num_cond, num_consts)
    body, found, given = _jet_body(params["body_jaxpr"], num_consts, mask_of(series[num_cond:]))
    terms = present_terms(primals[num_cond:], series[num_cond:], given)
    const_terms, carry_terms = cut(terms, sum(map(sum, given[:num_consts])))
    count = len(cond.in_avals)
    reading = taking(cond, (*range(count), *[None] * len(carry_terms)), (*cond.in_avals, *types_of(carry_terms)))
    results = run_while(reading, body, cond_consts, [*consts, *const_terms], [*carry, *carry_terms])
    return results[: len(carry)], terms_of(found, results[len(carry) :])


@tables.transpose(while_p)
def _transpose(cts: Sequence[Any], *args: Any, body_jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
    name = body_jaxpr.jaxpr.name
    raise ValueError(
        f"{where()}: reverse-mode differentiation (grad, vjp, jacrev) cannot go back through a while_loop"
        f"{f' of `{name}`' if name else ''}, or a fori_loop whose bounds are traced: the number of steps is not known, "
        "so nothing can be kept for each of them. Use cotan.lax.scan (of the greatest number of steps, with a cond "
        "inside), or fori_loop with bounds that are Python integers, give the function a rule of its own "
        "(cotan.custom_vjp), or differentiate forward (jvp, jacfwd)."
    )


# ---- Partial evaluation: known carries by a loop of their own, the others by the whole loop


class _Split(NamedTuple):
    """What is known of a while.

    Attributes:
      consts, carry: for each const of the body and each carry, whether it is unknown.
      cond, body: the programs of the known loop; None if its condition is unknown.
    """

    consts: Mask
    carry: Mask
    cond: ClosedJaxpr | None
    body: ClosedJaxpr


@weakly_cached
def _split(body: ClosedJaxpr, cond: ClosedJaxpr, cond_unknown: Mask, num_consts: int, unknown: Mask) -> _Split:
    consts, carry = cut(unknown, num_consts)
    while True:
        split = partial_eval_jaxpr(body, (*consts, *carry), carry)
        if split.out_unknown == carry:
            break
        carry = either(carry, split.out_unknown)
    # What the known parts give beyond their results is for an unknown part; here that is the whole loop.
    known = rearranged(split.known, range(len(split.known.jaxpr.invars)), range(split.known_results))
    decided = partial_eval_jaxpr(cond, (*cond_unknown, *carry))
    known_cond = None
    if not decided.out_unknown[0]:
        known_cond = rearranged(decided.known, range(len(decided.known.jaxpr.invars)), (0,))
    return _Split(consts, carry, known_cond, known)


@tables.partial_eval(while_p)
def _partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    cond, body = params["cond_jaxpr"], params["body_jaxpr"]
    cond_consts, consts, carry = cut(args, params["cond_nconsts"], params["body_nconsts"])
    cond_unknown = tuple(map(trace.is_unknown, cond_consts))
    split = _split(body, cond, cond_unknown, len(consts), tuple(map(trace.is_unknown, (*consts, *carry))))
    if split.cond is None or all(split.carry):
        return trace.record(while_p, args, params)  # type: ignore[no-any-return]
    operands = [*others(cond_consts, cond_unknown), *others(consts, split.consts), *others(carry, split.carry)]
    counts = {"cond_nconsts": cond_unknown.count(False), "body_nconsts": split.consts.count(False)}
    known = trace.bind_known(while_p, operands, {"cond_jaxpr": split.cond, "body_jaxpr": split.body, **counts})
    # The whole loop is recorded, for the carries that are unknown. Its effects have happened in the known one.
    again = trace.record(while_p, args, {**params, "cond_jaxpr": silent(cond), "body_jaxpr": silent(body)})
    return merged(split.carry, known, chosen(again, split.carry))


# ---- Batching: a loop whose condition varies runs until it has failed for all; who is done keeps what it has


class _Batched(NamedTuple):
    """A while for all examples: with mapped axes first in carries that are mapped.

    ``apart`` says that the condition varies. Then the first carry says who goes on, all carries are mapped, and
    ``first`` is the condition for all, by which that begins.
    """

    cond: ClosedJaxpr
    body: ClosedJaxpr
    carry: Mask
    first: ClosedJaxpr
    apart: bool


@weakly_cached
def _batched(
    body: ClosedJaxpr,
    cond: ClosedJaxpr,
    axis: AxisData,
    cond_dims: tuple[int | None, ...],
    body_dims: tuple[int | None, ...],
    mapped: Mask,
) -> _Batched:
    carry = mapped
    while True:
        dims = tuple(0 if m else None for m in carry)
        first, (varies,) = batch_jaxpr(cond, axis, (*cond_dims, *dims), front=True)
        if varies is not None and not all(carry):
            carry = (True,) * len(carry)
            continue
        step, out_dims = batch_jaxpr(body, axis, (*body_dims, *dims), carry, front=True)
        later = tuple(d is not None for d in out_dims)
        if later == carry:
            break
        carry = either(carry, later)
    if varies is None:
        return _Batched(first, step, carry, first, False)
    # Who is done takes no part in effects any more.
    if body.effects:
        step, _ = batch_jaxpr(predicated(body), axis, (0, *body_dims, *dims), carry, front=True)
    again = batch_jaxpr(predicated(cond), axis, (0, *cond_dims, *dims), front=True)[0] if cond.effects else first
    return _apart(body, cond, step, first, again, len(cond_dims))


def _apart(
    body: ClosedJaxpr, cond: ClosedJaxpr, step: ClosedJaxpr, first: ClosedJaxpr, again: ClosedJaxpr, num_cond: int
) -> _Batched:
    """The loop whose condition varies: it carries who goes on, and runs as long as anyone does.

    ``step`` and ``again``, body and condition for all examples, take that first if they have effects.
    """
    carry_avals = first.in_avals[num_cond:]
    num_body = len(step.in_avals) - len(carry_avals) - bool(body.effects)
    body_avals = step.in_avals[bool(body.effects) :][:num_body]

    def go_on(active: Any, *carry: Any) -> list[Any]:
        return [reduce_or(active, tuple(range(len(get_aval(active).shape))))]

    def advance(*flat: Any) -> list[Any]:
        cond_consts, consts, (active,), carry = cut(flat, num_cond, num_body, 1)
        new = replay(step.jaxpr, step.consts, [*([active] if body.effects else []), *consts, *carry])
        new = [_select(active, x, y) for x, y in zip(new, carry, strict=True)]
        (still,) = replay(again.jaxpr, again.consts, [*([active] if cond.effects else []), *cond_consts, *new])
        return [bitwise_and(active, still), *new]

    active_aval = first.out_avals[0]
    avals = [*first.in_avals[:num_cond], *body_avals, active_aval, *carry_avals]
    return _Batched(
        stage_closed(go_on, [active_aval, *carry_avals], name=cond.jaxpr.name),
        stage_closed(advance, avals, name=body.jaxpr.name),
        (True,) * len(carry_avals),
        first,
        True,
    )


def _select(active: Any, new: Any, old: Any) -> Any:
    """``new`` for the examples that are active; the mapped axes of ``active`` are the first ones of the others."""
    if new is old:
        return new
    shape = get_aval(new).shape
    active_shape = get_aval(active).shape
    if active_shape != shape:
        active = broadcast_in_dim(active, shape, tuple(range(len(active_shape))))
    return select_n(active, old, new)


@tables.batch(while_p)
def _batch(
    axis: AxisData,
    args: Sequence[Any],
    dims: Sequence[int | None],
    *,
    cond_jaxpr: ClosedJaxpr,
    body_jaxpr: ClosedJaxpr,
    cond_nconsts: int,
    body_nconsts: int,
) -> Any:
    cond_consts, consts, carry = cut(args, cond_nconsts, body_nconsts)
    cond_dims, body_dims, carry_dims = map(tuple, cut(dims, cond_nconsts, body_nconsts))
    mapped = tuple(d is not None for d in carry_dims)
    plan = _batched(body_jaxpr, cond_jaxpr, axis, cond_dims, body_dims, mapped)
    carry = [bdim_at_front(x, d, axis.size) if m else x for x, d, m in zip(carry, carry_dims, plan.carry, strict=True)]
    out_dims = [0 if m else None for m in plan.carry]
    if not plan.apart:
        return run_while(plan.cond, plan.body, cond_consts, consts, carry), out_dims
    active = replay(plan.first.jaxpr, plan.first.consts, [*cond_consts, *carry])
    results = run_while(plan.cond, plan.body, (), [*cond_consts, *consts], [*active, *carry])
    return results[1:], out_dims


# ---- Meaning, programs, and what machinery asks


@tables.reference(while_p)
def _reference(
    *args: Any, cond_jaxpr: ClosedJaxpr, body_jaxpr: ClosedJaxpr, cond_nconsts: int, body_nconsts: int
) -> list[Any]:
    cond_consts, consts, carry = cut(args, cond_nconsts, body_nconsts)
    while evaluate_by_reference(cond_jaxpr, [*cond_consts, *carry])[0]:
        carry = evaluate_by_reference(body_jaxpr, [*consts, *carry])
    return [np.array(c) for c in carry]


tables.kernel[while_p] = none("a loop over whole arrays has no meaning for one element")
tables.decompose[while_p] = none("a loop is no composition of simpler operations: without loops it is run step by step")


@tables.program(while_p)
def _program(*, cond_jaxpr: ClosedJaxpr, body_jaxpr: ClosedJaxpr, cond_nconsts: int, body_nconsts: int) -> WhileLoop:
    return WhileLoop(cond_jaxpr, body_jaxpr, cond_nconsts, body_nconsts)


@tables.dce(while_p)
def _dce(eqn: Eqn, used: Mask) -> Eqn | None:
    params = eqn.params
    cond, body = params["cond_jaxpr"], params["body_jaxpr"]
    if not any(used) and not eqn.effects:
        return None  # whether a loop ends is no result
    first, num_consts = params["cond_nconsts"], params["body_nconsts"]
    new_cond, cond_read = pruned(cond)
    carry = either(used, cond_read[first:])
    new_body, operands, carry = used_parts(body, num_consts, len(used), carry)
    kept = (*cond_read[:first], *carry)
    return eqn.replace(
        invars=[*chosen(eqn.invars[:first], cond_read[:first]), *chosen(eqn.invars[first:], operands)],
        outvars=chosen(eqn.outvars, carry),
        params={
            "cond_jaxpr": rearranged(new_cond, [k for k, left in enumerate(kept) if left], (0,)),
            "body_jaxpr": new_body,
            "cond_nconsts": sum(cond_read[:first]),
            "body_nconsts": sum(operands[:num_consts]),
        },
    )


@tables.effects(while_p)
def _effects(*, cond_jaxpr: ClosedJaxpr, body_jaxpr: ClosedJaxpr, **params: Any) -> Any:
    return cond_jaxpr.effects | body_jaxpr.effects


@tables.predicate(while_p)
def _predicate(condition: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    cond_consts, consts, carry = cut(args, params["cond_nconsts"], params["body_nconsts"])
    cond, body = predicated(params["cond_jaxpr"]), predicated(params["body_jaxpr"])
    return run_while(cond, body, [condition, *cond_consts], [condition, *consts], carry)


# ---- Eager: one compiled program, or those of condition and body where the backend has no loops


@weakly_cached
def _as_program(body: ClosedJaxpr, cond: ClosedJaxpr, cond_nconsts: int, body_nconsts: int) -> ClosedJaxpr:
    avals = [*cond.in_avals[:cond_nconsts], *body.in_avals]
    params = {"cond_jaxpr": twin(cond), "body_jaxpr": twin(body), "cond_nconsts": cond_nconsts}
    return one_equation(while_p, avals, {**params, "body_nconsts": body_nconsts})


@tables.eager(while_p)
def _eager(args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    cond, body = params["cond_jaxpr"], params["body_jaxpr"]
    num_cond, num_body = params["cond_nconsts"], params["body_nconsts"]
    if runs_loops(args):
        return run_closed(_as_program(body, cond, num_cond, num_body), args, name=body.jaxpr.name or "while")
    cond_consts, consts, carry = cut([lift(x) for x in args], num_cond, num_body)
    while bool(run_closed(cond, [*cond_consts, *carry])[0]):
        carry = run_closed(body, [*consts, *carry])
    return list(carry)
