"""cond: one of several programs, chosen by an index.

Operands are the index (an int32 scalar, clamped to the branches) and what all branches take; every branch gives all
results. Transforms work on each branch, and then make what the branches give alike. Knows no compiler and no user
function.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from cotan.errors import where
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval, same_type, shaped, tangent_aval
from cotan.ir.control import Branch
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Var
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.ir.trace import enter_trace, leave_trace
from cotan.primitives.arithmetic import clamp
from cotan.primitives.call import evaluate_by_reference
from cotan.primitives.cast import stop_gradient
from cotan.primitives.compare import eq, select_n
from cotan.primitives.control.bodies import (
    Mask,
    Terms,
    blank,
    check_operands,
    chosen,
    cut,
    either,
    keep_first,
    merged,
    others,
    rearranged,
)
from cotan.primitives.operands import INEXACT
from cotan.runtime.compile import run_closed
from cotan.runtime.dispatch import lift
from cotan.structural import UndefinedPrimal, Zero, broadcast_in_dim, convert_element_type
from cotan.transforms.batch import AxisData, batch_jaxpr, bdim_at_front
from cotan.transforms.effects import predicated
from cotan.transforms.jet import jet_jaxpr, mask_of, terms_of, zero_term
from cotan.transforms.jvp import jvp_jaxpr, zero_tangent
from cotan.transforms.partial_eval import PartialTrace, Split, partial_eval_jaxpr
from cotan.transforms.prune import prune_closed
from cotan.transforms.stage import replay, stage_closed
from cotan.transforms.transpose import transpose_jaxpr, weak_types

cond_p = Primitive("cond", multiple_results=True, higher_order=True)
Branches = tuple[ClosedJaxpr, ...]
_INDEX = shaped((), np.dtype(np.int32))


def branch(index: Any, branches: Branches, operands: Sequence[Any]) -> list[Any]:
    """The results of branch number ``index`` (an int32 scalar) for ``operands``.

    A result that is the same operand in all branches needs none of them.
    """
    left, forwarded = _plain(branches)
    needed = None in forwarded or _has_effects(branches)
    computed = iter(cond_p.bind(index, *operands, branches=left or branches) if needed else ())
    return [next(computed) if k is None else operands[k] for k in forwarded]


@keep_first
def _plain(branches: Branches) -> tuple[Branches | None, tuple[int | None, ...]]:
    """The branches without results that all of them pass through (None: these are all there are), and which operands
    those are; None for the others."""
    places = [{v: k for k, v in enumerate(one.jaxpr.invars)} for one in branches]
    columns = zip(*(one.jaxpr.outvars for one in branches), strict=True)
    found = [{place.get(v) for place, v in zip(places, column, strict=True)} for column in columns]
    forwarded = tuple(next(iter(f)) if len(f) == 1 else None for f in found)
    kept = [k for k, operand in enumerate(forwarded) if operand is None]
    if len(kept) == len(forwarded):
        return None, forwarded
    return tuple(rearranged(one, range(len(one.in_avals)), kept) for one in branches), forwarded


def _has_effects(branches: Branches) -> bool:
    return any(one.effects for one in branches)


@tables.abstract(cond_p)
def _abstract(index: ShapedArray, *avals: ShapedArray, branches: Branches) -> list[ShapedArray]:
    first = branches[0]
    for one in branches:
        check_operands(cond_p, [_INDEX, *one.in_avals], [index, *avals])
        if len(one.out_avals) != len(first.out_avals) or not all(map(same_type, one.out_avals, first.out_avals)):
            raise TypeError(f"{where()}: the branches of a cond must give results of the same types")
    # Weak types are not compared; those of the first branch are given.
    return list(first.out_avals)


# ---- Forward mode


@keep_first
def _jvp_branches(branches: Branches, nonzero: Mask) -> tuple[Branches, Mask]:
    """The branches of values and tangents: a result has a tangent if it has one in any branch."""
    moved = reduce(either, (jvp_jaxpr(one, nonzero)[1] for one in branches))
    return tuple(jvp_jaxpr(one, nonzero, moved)[0] for one in branches), moved


@tables.jvp(cond_p)
def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, branches: Branches) -> tuple[list[Any], list[Any]]:
    index, *operands = primals
    nonzero = tuple(type(t) is not Zero for t in tangents[1:])
    changed, moved = _jvp_branches(branches, nonzero)
    results = branch(index, changed, [*operands, *chosen(tangents[1:], nonzero)])
    outs, out_tangents = cut(results, len(moved))
    return outs, merged(moved, map(zero_tangent, others(outs, moved)), out_tangents)


# ---- Taylor mode


@keep_first
def _jet_branches(branches: Branches, nonzero: Terms) -> tuple[Branches, Terms]:
    """The branches of values and terms: a result has a term of an order if it has one in any branch."""
    columns = zip(*(jet_jaxpr(one, nonzero)[1] for one in branches), strict=True)
    found = tuple(reduce(either, column) for column in columns)
    return tuple(jet_jaxpr(one, nonzero, found)[0] for one in branches), found


@tables.jet(cond_p)
def _jet(primals: Sequence[Any], series: Sequence[Sequence[Any]], *, branches: Branches) -> tuple[list[Any], Any]:
    index, *operands = primals
    changed, found = _jet_branches(branches, mask_of(series[1:]))
    results = branch(index, changed, [*operands, *(t for terms in series[1:] for t in terms if t is not zero_term)])
    return results[: len(found)], terms_of(found, results[len(found) :])


# ---- Transposition


@keep_first
def _transposed(branches: Branches, linear: Mask, ct_zeros: Mask, weak: Mask) -> tuple[Branches, Mask]:
    """The transposed branches, and which linear operands have a cotangent: those that have one in any branch."""
    moved = reduce(either, (_not(transpose_jaxpr(one, linear, ct_zeros, weak=weak)[1]) for one in branches))
    return tuple(transpose_jaxpr(one, linear, ct_zeros, moved, weak=weak)[0] for one in branches), moved


def _not(mask: Sequence[bool]) -> Mask:
    return tuple(not m for m in mask)


@tables.transpose(cond_p)
def _transpose(cts: Sequence[Any], index: Any, *args: Any, branches: Branches) -> list[Any]:
    linear = tuple(type(x) is UndefinedPrimal for x in args)
    given = [ct for ct in cts if type(ct) is not Zero]
    changed, moved = _transposed(branches, linear, tuple(type(ct) is Zero for ct in cts), weak_types(given))
    operands = [*others(args, linear), *given]
    back = branch(index, changed, operands) if any(moved) else []
    zeros = [Zero(tangent_aval(x.aval)) for x in others(chosen(args, linear), moved)]
    return [None, *merged(linear, [None] * linear.count(False), merged(moved, zeros, back))]


# ---- Partial evaluation: residuals of all branches share places, which are filled with zeros where one has none


class _Pieces(NamedTuple):
    """The branches cut in two.

    Attributes:
      known: from the known operands to (known results, places for residuals).
      unknown: from (known operands that are needed, known results that are, places, unknown operands) to the unknown
        results.
      out_unknown: for each result, whether it is unknown.
      needed: numbers of the needed ones in (known operands, known results, places).
    """

    known: Branches
    unknown: Branches
    out_unknown: Mask
    needed: tuple[int, ...]


@keep_first
def _pieces(branches: Branches, unknown: Mask) -> _Pieces:
    out_unknown = reduce(either, (partial_eval_jaxpr(one, unknown).out_unknown for one in branches))
    splits = [partial_eval_jaxpr(one, unknown, out_unknown) for one in branches]
    shared = unknown.count(False) + splits[0].known_results
    places: list[ShapedArray] = []
    numbers = [_placed(split, shared, places) for split in splits]
    needed = sorted({number for found in numbers for number in found.values()})
    known, rest = [], []
    for split, found in zip(splits, numbers, strict=True):
        position = {number: k for k, number in found.items()}
        inner = [position.get(shared + k) for k in range(len(places))]
        known.append(_known(split, inner, places, unknown.count(False)))
        sources = [*split.known.in_avals, *split.known.out_avals[: split.known_results], *places]
        rest.append(_rest(split, found, needed, sources))
    return _Pieces(tuple(known), tuple(rest), out_unknown, tuple(needed))


def _placed(split: Split, shared: int, places: list[ShapedArray]) -> dict[int, int]:
    """Where each residual is found, by its number in (known operands, known results, places); makes new places."""
    found: dict[int, int] = {}
    taken: set[int] = set()
    for number in split.residuals:
        if number < shared or number in found:
            found.setdefault(number, number)
            continue
        aval = (*split.known.in_avals, *split.known.out_avals)[number].strip_weak_type()
        place = next((k for k, a in enumerate(places) if k not in taken and same_type(a, aval)), len(places))
        if place == len(places):
            places.append(aval)
        taken.add(place)
        found[number] = shared + place
    return found


def _known(split: Split, inner: Sequence[int | None], places: Sequence[ShapedArray], num_operands: int) -> ClosedJaxpr:
    """The known part of a branch with a result for each place."""
    closed = split.known

    def fun(*args: Any) -> list[Any]:
        results = replay(closed.jaxpr, closed.consts, args)
        filled = [
            blank(aval) if k is None else results[k - num_operands] for k, aval in zip(inner, places, strict=True)
        ]
        return [*results[: split.known_results], *filled]

    return stage_closed(fun, closed.in_avals, name=closed.jaxpr.name)


def _rest(split: Split, found: dict[int, int], needed: Sequence[int], sources: Sequence[ShapedArray]) -> ClosedJaxpr:
    """The unknown part of a branch as a function of all that any branch needs, and the unknown operands."""
    jaxpr = split.unknown.jaxpr
    of_residual = {found[number]: jaxpr.invars[k] for k, number in enumerate(split.residuals)}
    first = [of_residual.get(number) or Var(sources[number]) for number in needed]
    changed = jaxpr.replace(invars=[*first, *jaxpr.invars[len(split.residuals) :]], arg_names=())
    return ClosedJaxpr(changed, split.unknown.consts)


@tables.partial_eval(cond_p)
def _partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    index, *operands = args
    if trace.is_unknown(index):
        return trace.record(cond_p, args, params)  # type: ignore[no-any-return]
    unknown = tuple(map(trace.is_unknown, operands))
    pieces = _pieces(params["branches"], unknown)
    given = others(operands, unknown)
    token = enter_trace(trace.parent)
    try:
        results = _known_results(index, pieces.known, given)
    finally:
        leave_trace(token)
    count = pieces.out_unknown.count(False)
    pool = [*given, *results]
    rest: list[Any] = []
    if any(pieces.out_unknown) or _has_effects(pieces.unknown):
        flat = [index, *(pool[k] for k in pieces.needed), *chosen(operands, unknown)]
        rest = trace.record(cond_p, flat, {"branches": pieces.unknown})
    return merged(pieces.out_unknown, results[:count], rest)


def _known_results(index: Any, branches: Branches, operands: Sequence[Any]) -> list[Any]:
    """The results of a branch; no cond if there are none."""
    if not branches[0].jaxpr.outvars and not _has_effects(branches):
        return []
    return branch(index, branches, operands)


# ---- Batching: with one index for all examples a cond of batched branches, else all branches and a choice


@keep_first
def _batched(branches: Branches, axis: AxisData, dims: tuple[int | None, ...]) -> tuple[Branches, Mask]:
    """The branches for all examples, with mapped axes first, and which results are mapped: those that are in any."""
    found = (batch_jaxpr(one, axis, dims, front=True)[1] for one in branches)
    mapped = reduce(either, (tuple(d is not None for d in out_dims) for out_dims in found))
    return tuple(batch_jaxpr(one, axis, dims, mapped, front=True)[0] for one in branches), mapped


@tables.batch(cond_p)
def _batch(axis: AxisData, args: Sequence[Any], dims: Sequence[int | None], *, branches: Branches) -> Any:
    index, *operands = args
    if dims[0] is None:
        changed, mapped = _batched(branches, axis, tuple(dims[1:]))
        return branch(index, changed, operands), [0 if m else None for m in mapped]
    index = clamp(np.int32(0), bdim_at_front(index, dims[0], axis.size), np.int32(len(branches) - 1))
    operands = [bdim_at_front(x, d, axis.size) for x, d in zip(operands, dims[1:], strict=True)]
    columns = []
    for number, one in enumerate(branches):
        taken = eq(index, np.int32(number))
        inputs = [_only_where(taken, x) for x in operands]
        if one.effects:
            one, inputs = predicated(one), [taken, *inputs]
        batched, _ = batch_jaxpr(one, axis, (0,) * len(inputs), True, front=True)
        columns.append(replay(batched.jaxpr, batched.consts, inputs))
    outs = [_choose(index, row) for row in zip(*columns, strict=True)]
    return outs, [0] * len(outs)


def _only_where(taken: Any, x: Any) -> Any:
    """``x``, from which derivatives go no further for the examples that do not take the branch.

    There a slope may be infinite or undefined, and would make zeros of the others' cotangents undefined as well.
    """
    return _spread(taken, x, stop_gradient(x)) if get_aval(x).dtype in INEXACT else x


def _spread(which: Any, x: Any, otherwise: Any) -> Any:
    shape = get_aval(x).shape
    if len(shape) > 1:
        which = broadcast_in_dim(which, shape, (0,))
    return select_n(which, otherwise, x)


def _choose(index: Any, cases: Sequence[Any]) -> Any:
    """For each example the case of its index."""
    if len(cases) == 1:
        return cases[0]
    shape = get_aval(cases[0]).shape
    if len(cases) == 2:
        return _spread(eq(index, np.int32(1)), cases[1], cases[0])
    return select_n(broadcast_in_dim(index, shape, (0,)) if len(shape) > 1 else index, *cases)


# ---- Meaning, programs, and what machinery asks


def _clamped(index: Any, branches: Branches) -> int:
    return min(max(int(index), 0), len(branches) - 1)


@tables.reference(cond_p)
def _reference(index: Any, *args: Any, branches: Branches) -> list[Any]:
    return [np.array(x) for x in evaluate_by_reference(branches[_clamped(index, branches)], args)]


tables.kernel[cond_p] = none("which program runs is decided for whole arrays, not for one element")
tables.decompose[cond_p] = none(
    "running all branches and choosing is not the same: what is not chosen may never end; it is run branch by branch"
)


@tables.program(cond_p)
def _program(*, branches: Branches) -> Branch | ClosedJaxpr:
    return Branch(branches)


@keep_first
def _used(branches: Branches, used: Mask) -> tuple[Branches, Mask]:
    """The branches without what the used results do not need, and which operands are left: those that any reads."""
    found = [prune_closed(one, used) for one in branches]
    needed = reduce(either, (read for _, read in found))
    return tuple(_taking(one, read, needed, whole) for (one, read), whole in zip(found, branches, strict=True)), needed


def _taking(closed: ClosedJaxpr, read: Mask, needed: Mask, whole: ClosedJaxpr) -> ClosedJaxpr:
    """``closed`` with the operands ``needed`` of ``whole``, of which it reads those where ``read`` is true."""
    variables = iter(closed.jaxpr.invars)
    invars = [next(variables) if r else Var(a) for r, a in zip(read, whole.in_avals, strict=True)]
    return ClosedJaxpr(closed.jaxpr.replace(invars=chosen(invars, needed), arg_names=()), closed.consts)


@tables.dce(cond_p)
def _dce(eqn: Eqn, used: Mask) -> Eqn | None:
    if not any(used) and not eqn.effects:
        return None
    branches, needed = _used(eqn.params["branches"], used)
    return eqn.replace(
        invars=[eqn.invars[0], *chosen(eqn.invars[1:], needed)],
        outvars=chosen(eqn.outvars, used),
        params={"branches": branches},
    )


@tables.effects(cond_p)
def _effects(*, branches: Branches) -> Any:
    return frozenset(effect for one in branches for effect in one.effects)


@tables.predicate(cond_p)
def _predicate(condition: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    index, *operands = args
    return branch(index, tuple(map(predicated, params["branches"])), [condition, *operands])


@tables.eager(cond_p)
def _eager(args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """Only the branch that is taken is compiled."""
    index, *operands = args
    branches = params["branches"]
    one = branches[_clamped(lift(index), branches)]
    results = run_closed(one, operands, name=one.jaxpr.name or "cond")
    return [
        x if x.weak_type == aval.weak_type else convert_element_type(x, x.dtype, weak_type=aval.weak_type)
        for x, aval in zip(results, branches[0].out_avals, strict=True)
    ]
