"""scan: a body run once for each slice of arrays, carrying values from one run to the next.

Operands are (consts, initial carry, xs), results (final carry, ys); the body takes (consts, carry, one slice of each of
xs) to (carry, one slice of each of ys). Every transform of a scan is a scan of the transformed body. How bodies are
taken apart stands in ``split``. Knows no compiler and no user function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan.errors import where
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval, same_type, tangent_aval
from cotan.ir.control import CountedLoop
from cotan.ir.jaxpr import ClosedJaxpr, Eqn
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.ir.trace import enter_trace, leave_trace
from cotan.primitives.call import evaluate_by_reference
from cotan.primitives.control.bodies import (
    Bind,
    Mask,
    Terms,
    along,
    apart,
    beside,
    blank,
    check_operands,
    chosen,
    cut,
    either,
    grown,
    merged,
    one_equation,
    others,
    rearranged,
    runs_loops,
    twin,
)
from cotan.primitives.control.split import ScanSplit, simplified, split_scan, used_parts
from cotan.primitives.shape import concatenate, expand_dims, reshape, squeeze
from cotan.primitives.slice import slice as slice_of
from cotan.runtime.compile import run_closed
from cotan.runtime.dispatch import lift
from cotan.structural import (
    UndefinedPrimal,
    Zero,
    add_tangents,
    convert_element_type,
    instantiate,
    zeros_like_aval,
)
from cotan.transforms.batch import AxisData, batch_jaxpr, bdim_at_front, moveaxis
from cotan.transforms.cache import weakly_cached
from cotan.transforms.effects import predicated
from cotan.transforms.jet import mask_of, present_terms, terms_of
from cotan.transforms.jvp import jvp_jaxpr, zero_tangent
from cotan.transforms.partial_eval import PartialTrace
from cotan.transforms.stage import replay, stage_closed
from cotan.transforms.transpose import transpose_jaxpr

scan_p = Primitive("scan", multiple_results=True, higher_order=True)


def loop(
    body: ClosedJaxpr,
    operands: Sequence[Any],
    *,
    consts: int,
    carry: int,
    length: int,
    reverse: bool = False,
    unroll: int = 1,
    bind: Bind = scan_p.bind,
) -> list[Any]:
    """Run ``body`` for every slice; what needs no loop is left out of it.

    A carry that the body passes through is a constant, a slice of xs that it returns is xs, and operands that it does
    not read are not given to it.

    Args:
      body: from (consts, carry, one slice of each of xs) to (carry, one slice of each of ys); carries keep their types.
      operands: (consts, initial carry, xs).
      consts, carry: how many of each there are.
      length: how many slices.
      reverse: whether to run from the last slice to the first.
      unroll: how many runs make up one of the compiled loop.
      bind: what takes the equation, if not the current trace.

    Returns:
      (final carry, ys).
    """
    plain = simplified(body, consts, carry)
    params = {
        "jaxpr": plain.body, "length": length, "reverse": reverse, "num_consts": plain.consts,
        "num_carry": plain.carry, "unroll": unroll,
    }  # fmt: skip
    needed = [operands[k] for k in plain.operands]
    results = iter(bind(*needed, **params) if plain.body.jaxpr.outvars or plain.body.effects else ())
    return [next(results) if k is None else operands[k] for k in plain.forwarded]


class _Sizes(NamedTuple):
    """How many operands and results of each kind a scan has."""

    consts: int
    carry: int
    xs: int
    ys: int


def _sizes(closed: ClosedJaxpr, num_consts: int, num_carry: int) -> _Sizes:
    jaxpr = closed.jaxpr
    return _Sizes(num_consts, num_carry, len(jaxpr.invars) - num_consts - num_carry, len(jaxpr.outvars) - num_carry)


def _options(params: dict[str, Any]) -> dict[str, Any]:
    return {"length": params["length"], "reverse": params["reverse"], "unroll": params["unroll"]}


@tables.abstract(scan_p)
def _abstract(
    *avals: ShapedArray, jaxpr: ClosedJaxpr, length: int, num_consts: int, num_carry: int, **params: Any
) -> list[ShapedArray]:
    whole = num_consts + num_carry
    expected = [*jaxpr.in_avals[:whole], *(along(a, length) for a in jaxpr.in_avals[whole:])]
    check_operands(scan_p, expected, avals)
    carries = jaxpr.out_avals[:num_carry]
    if not all(map(same_type, carries, jaxpr.in_avals[num_consts:whole])):
        raise TypeError(f"{where()}: the body of a scan must keep the types of its carries")
    return [*carries, *(along(a, length) for a in jaxpr.out_avals[num_carry:])]


# ---- Forward mode: tangents are more consts, carries and xs


class _Moved(NamedTuple):
    body: ClosedJaxpr
    operands: Mask  # which ones come with tangents
    results: Mask


@weakly_cached
def _jvp_body(closed: ClosedJaxpr, num_consts: int, num_carry: int, nonzero: Mask) -> _Moved:
    """The body of values and tangents: a carry has a tangent if it ever gets one."""
    size = _sizes(closed, num_consts, num_carry)
    consts, carry, xs = cut(nonzero, num_consts, num_carry)
    while True:
        moved = (*consts, *carry, *xs)
        body, out_moved = jvp_jaxpr(closed, moved, (*carry, *(False,) * size.ys))
        later = out_moved[:num_carry]
        if later == carry:
            break
        carry = either(carry, later)
    body = rearranged(body, beside((size.consts, size.carry, size.xs), moved), beside((size.carry, size.ys), out_moved))
    return _Moved(body, moved, out_moved)


@tables.jvp(scan_p)
def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
    closed, num_consts, num_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    size = _sizes(closed, num_consts, num_carry)
    moved = _jvp_body(closed, num_consts, num_carry, tuple(type(t) is not Zero for t in tangents))
    flat = [*primals, *map(instantiate, chosen(tangents, moved.operands))]
    results = loop(
        moved.body,
        [flat[k] for k in beside((size.consts, size.carry, size.xs), moved.operands)],
        consts=num_consts + sum(moved.operands[:num_consts]),
        carry=num_carry + sum(moved.operands[num_consts : num_consts + num_carry]),
        **_options(params),
    )
    outs, out_tangents = apart((size.carry, size.ys), moved.results, results)
    zeros = [zero_tangent(x) for x, m in zip(outs, moved.results, strict=True) if not m]
    return outs, merged(moved.results, zeros, out_tangents)


# ---- Taylor mode: likewise, with several terms for each value


class _Curved(NamedTuple):
    body: ClosedJaxpr
    operands: Terms
    results: Terms


@weakly_cached
def _jet_body(closed: ClosedJaxpr, num_consts: int, num_carry: int, nonzero: Terms) -> _Curved:
    """The body of values and terms: a carry has a term of an order if it ever gets one."""
    size = _sizes(closed, num_consts, num_carry)
    body, found, given = grown(closed, nonzero, num_consts, num_carry)
    arguments = beside((size.consts, size.carry, size.xs), list(map(sum, given)))
    return _Curved(rearranged(body, arguments, beside((size.carry, size.ys), list(map(sum, found)))), given, found)


@tables.jet(scan_p)
def _jet(primals: Sequence[Any], series: Sequence[Sequence[Any]], **params: Any) -> tuple[list[Any], Any]:
    closed, num_consts, num_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    size = _sizes(closed, num_consts, num_carry)
    curved = _jet_body(closed, num_consts, num_carry, mask_of(series))
    flat = [*primals, *present_terms(primals, series, curved.operands)]
    more = list(map(sum, curved.operands))
    results = loop(
        curved.body,
        [flat[k] for k in beside((size.consts, size.carry, size.xs), more)],
        consts=num_consts + sum(more[:num_consts]),
        carry=num_carry + sum(more[num_consts : num_consts + num_carry]),
        **_options(params),
    )
    outs, terms = apart((size.carry, size.ys), list(map(sum, curved.results)), results)
    return outs, terms_of(curved.results, terms)


# ---- Transposition: a scan the other way round, which sums up the cotangents of consts


class _Back(NamedTuple):
    """The body of the transposed scan.

    Attributes:
      body: from (other consts; sums of consts' cotangents, cotangents of carries; those of ys, other xs) to (sums,
        cotangents of carries; those of xs).
      consts, carry, xs: for each linear const, each carry and each linear one of xs, whether it has a cotangent.
    """

    body: ClosedJaxpr
    consts: Mask
    carry: Mask
    xs: Mask


@weakly_cached
def _transposed_body(closed: ClosedJaxpr, num_consts: int, num_carry: int, linear: Mask, ct_zeros: Mask) -> _Back:
    """Transpose a body that is linear in all of its carries, and in the consts and xs where ``linear`` is true."""
    consts_linear, _, xs_linear = cut(linear, num_consts, num_carry)
    carry_zeros, ys_zeros = cut(ct_zeros, num_carry)
    lin_consts = sum(consts_linear)
    while True:
        zeros = (*carry_zeros, *ys_zeros)
        backward, out_zeros = transpose_jaxpr(closed, linear, zeros)
        const_zeros, back_zeros, xs_zeros = cut(out_zeros, lin_consts, num_carry)
        later = tuple(a and b for a, b in zip(carry_zeros, back_zeros, strict=True))
        if later == carry_zeros:
            break
        carry_zeros = later
    consts_avals, carry_avals, xs_avals = cut(closed.in_avals, num_consts, num_carry)
    sums = [tangent_aval(a) for a in others(chosen(consts_avals, consts_linear), const_zeros)]
    ct_avals = [tangent_aval(a) for a in others(closed.out_avals, zeros)]
    ct_carry, ct_ys = cut(ct_avals, num_carry - sum(carry_zeros))
    known_consts, known_xs = others(consts_avals, consts_linear), others(xs_avals, xs_linear)

    def fun(*flat: Any) -> list[Any]:
        fixed, old, carry, ys, xs = cut(flat, len(known_consts), len(sums), len(ct_carry), len(ct_ys))
        back = iter(replay(backward.jaxpr, backward.consts, [*fixed, *xs, *carry, *ys]))
        new = [add_tangents(x, next(back)) for x in old]
        # A carry whose cotangent came to be, though none flows back through this step, goes on with zeros.
        later = [
            zeros_like_aval(tangent_aval(a)) if zero else next(back)
            for a, zero, never in zip(carry_avals, back_zeros, carry_zeros, strict=True)
            if not never
        ]
        return [*new, *map(_as_carried, later, ct_carry), *back]

    avals = [*known_consts, *sums, *ct_carry, *ct_ys, *known_xs]
    body = stage_closed(fun, avals, name=closed.jaxpr.name)
    return _Back(body, _not(const_zeros), _not(carry_zeros), _not(xs_zeros))


def _as_carried(ct: Any, aval: ShapedArray) -> Any:
    """A cotangent without a weak type where that of the step before has none."""
    return convert_element_type(ct, aval.dtype) if get_aval(ct).weak_type and not aval.weak_type else ct


def _not(mask: Sequence[bool]) -> Mask:
    return tuple(not m for m in mask)


@tables.transpose(scan_p)
def _transpose(cts: Sequence[Any], *args: Any, **params: Any) -> list[Any]:
    closed, num_consts, num_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    linear = tuple(type(x) is UndefinedPrimal for x in args)
    if not all(linear[num_consts : num_consts + num_carry]):
        split = split_scan(closed, num_consts, num_carry, linear)
        depends = split.unknown[num_consts : num_consts + num_carry]
        if not all(depends):
            return _transpose_rest(cts, args, linear, split, params)
    else:
        depends = (True,) * num_carry
    wanted = linear
    linear = (*linear[:num_consts], *depends, *linear[num_consts + num_carry :])
    back = _transposed_body(closed, num_consts, num_carry, linear, tuple(type(ct) is Zero for ct in cts))
    consts, _, xs = cut(args, num_consts, num_carry)
    consts_linear, _, xs_linear = cut(linear, num_consts, num_carry)
    sums = [zeros_like_aval(tangent_aval(x.aval)) for x in chosen(chosen(consts, consts_linear), back.consts)]
    ct_carry, ct_ys = cut(cts, num_carry)
    results = loop(
        back.body,
        [
            *others(consts, consts_linear),
            *sums,
            *map(instantiate, chosen(ct_carry, back.carry)),
            *(ct for ct in ct_ys if type(ct) is not Zero),
            *others(xs, xs_linear),
        ],
        consts=num_consts - sum(consts_linear),
        carry=len(sums) + sum(back.carry),
        length=params["length"],
        reverse=not params["reverse"],
        unroll=params["unroll"],
    )
    moved = (*back.consts, *back.carry, *back.xs)
    zeros = [Zero(tangent_aval(a)) for a in others(_operand_avals(args, linear, params), moved)]
    found = merged(linear, [None] * linear.count(False), merged(moved, zeros, results))
    return [ct if w else None for ct, w in zip(found, wanted, strict=True)]


def _operand_avals(args: Sequence[Any], linear: Mask, params: dict[str, Any]) -> list[ShapedArray]:
    """The types of the linear operands of a scan."""
    whole = params["num_consts"] + params["num_carry"]
    body = params["jaxpr"].in_avals
    return chosen([*body[:whole], *(along(a, params["length"]) for a in body[whole:])], linear)


def _transpose_rest(
    cts: Sequence[Any], args: Sequence[Any], linear: Mask, split: ScanSplit, params: dict[str, Any]
) -> list[Any]:
    """Transpose a scan that carries also what is not linear: that is computed first, by a scan of its own."""
    _, constant, stacked = _run_known(split, others(args, split.unknown), params)
    operands, inner = _rest(split, constant, stacked, chosen(args, split.unknown), params)
    back = _transpose(chosen(cts, split.out_unknown), *operands, **inner)
    _, before, _, after = cut(back, len(constant), split.rest_consts + split.rest_carry, len(stacked))
    return merged(split.unknown, [None] * split.unknown.count(False), [*before, *after])


def _run_known(
    split: ScanSplit, known: Sequence[Any], params: dict[str, Any]
) -> tuple[list[Any], list[Any], list[Any]]:
    """The known results of a scan, and its constant and stacked residuals."""
    consts, carry, xs = cut(known, split.known_consts, split.known_carry)
    pool = [*consts, *replay(split.hoisted.jaxpr, split.hoisted.consts, consts)]
    consts_in = split.known_consts + split.hoisted_in
    results = loop(
        split.known, [*pool[:consts_in], *carry, *xs], consts=consts_in, carry=split.known_carry, **_options(params)
    )
    rows = [*xs, *results[split.known_carry :]]
    return (
        results[: split.out_unknown.count(False)],
        [pool[k] for k in split.constant],
        [rows[k] for k in split.stacked],
    )


def _rest(
    split: ScanSplit, constant: Sequence[Any], stacked: Sequence[Any], unknown: Sequence[Any], params: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Operands and parameters of the unknown scan."""
    consts, carry, xs = cut(unknown, split.rest_consts, split.rest_carry)
    num_consts = len(constant) + split.rest_consts
    changed = {"jaxpr": split.rest, "num_consts": num_consts, "num_carry": split.rest_carry}
    return [*constant, *consts, *carry, *stacked, *xs], {**params, **changed}


@tables.partial_eval(scan_p)
def _partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    unknown = tuple(map(trace.is_unknown, args))
    split = split_scan(params["jaxpr"], params["num_consts"], params["num_carry"], unknown)
    token = enter_trace(trace.parent)
    try:
        known, constant, stacked = _run_known(split, others(args, split.unknown), params)
    finally:
        leave_trace(token)
    operands, inner = _rest(split, constant, stacked, chosen(args, split.unknown), params)
    rest = loop(
        split.rest,
        operands,
        consts=inner["num_consts"],
        carry=inner["num_carry"],
        bind=lambda *xs, **options: trace.record(scan_p, xs, options),
        **_options(params),
    )
    return merged(split.out_unknown, known, rest)


# ---- Batching


@weakly_cached
def _batched_body(
    closed: ClosedJaxpr, num_consts: int, num_carry: int, axis: AxisData, mapped: Mask
) -> tuple[ClosedJaxpr, Mask, Mask]:
    """The body for all examples, with mapped axes first; which operands and results are mapped."""
    consts, carry, xs = cut(mapped, num_consts, num_carry)
    num_ys = len(closed.jaxpr.outvars) - num_carry
    while True:
        mapped = (*consts, *carry, *xs)
        dims = tuple(0 if m else None for m in mapped)
        body, out_dims = batch_jaxpr(closed, axis, dims, (*carry, *(False,) * num_ys), front=True)
        out_mapped = tuple(d is not None for d in out_dims)
        later = out_mapped[:num_carry]
        if later == carry:
            return body, mapped, out_mapped
        carry = either(carry, later)


@tables.batch(scan_p)
def _batch(axis: AxisData, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> Any:
    num_consts, num_carry = params["num_consts"], params["num_carry"]
    given = tuple(d is not None for d in dims)
    body, mapped, out_mapped = _batched_body(params["jaxpr"], num_consts, num_carry, axis, given)
    whole = num_consts + num_carry
    operands = [
        x if not m else bdim_at_front(x, d, axis.size) if k < whole or d is None else moveaxis(x, d, 1)
        for k, (x, d, m) in enumerate(zip(args, dims, mapped, strict=True))
    ]
    results = loop(body, operands, consts=num_consts, carry=num_carry, **_options(params))
    return results, [None if not m else 0 if k < num_carry else 1 for k, m in enumerate(out_mapped)]


# ---- Meaning, programs, and what machinery asks


@tables.reference(scan_p)
def _reference(
    *args: Any, jaxpr: ClosedJaxpr, length: int, reverse: bool, num_consts: int, num_carry: int, **params: Any
) -> list[Any]:
    consts, carry, xs = cut(args, num_consts, num_carry)
    ys = [np.empty(_words((length, *a.shape), a.dtype), _stored(a.dtype)) for a in jaxpr.out_avals[num_carry:]]
    for step in range(length - 1, -1, -1) if reverse else range(length):
        results = evaluate_by_reference(jaxpr, [*consts, *carry, *(np.asarray(x[step]) for x in xs)])
        carry, row = cut(results, num_carry)
        for y, value in zip(ys, row, strict=True):
            y[step] = value
    return [*(np.array(c) for c in carry), *ys]


def _words(shape: tuple[int, ...], dtype: Any) -> tuple[int, ...]:
    return shape if isinstance(dtype, np.dtype) else shape + tuple(dtype.trailing)


def _stored(dtype: Any) -> Any:
    return dtype if isinstance(dtype, np.dtype) else dtype.base


tables.kernel[scan_p] = none("a loop over whole arrays has no meaning for one element")
tables.decompose[scan_p] = none("a loop is no composition of simpler operations: without loops it is run step by step")


@tables.program(scan_p)
def _program(
    *, jaxpr: ClosedJaxpr, length: int, reverse: bool, num_consts: int, num_carry: int, unroll: int
) -> CountedLoop | ClosedJaxpr:
    if length > 1 and unroll == 1:
        return CountedLoop(jaxpr, length, reverse, num_consts, num_carry)
    return _unrolled(jaxpr, length, reverse, num_consts, num_carry, min(unroll, length))


@weakly_cached
def _unrolled(
    closed: ClosedJaxpr, length: int, reverse: bool, num_consts: int, num_carry: int, unroll: int
) -> ClosedJaxpr:
    """A program that does what a scan does, ``unroll`` steps at a time: in one go if these are all."""
    jaxpr = closed.jaxpr
    in_avals = closed.in_avals
    whole = num_consts + num_carry
    num_ys = len(jaxpr.outvars) - num_carry

    def steps(count: int, *operands: Any) -> list[Any]:
        consts, carry, xs = cut(operands, num_consts, num_carry)
        rows: list[Any] = [None] * count
        for k in range(count - 1, -1, -1) if reverse else range(count):
            results = replay(jaxpr, closed.consts, [*consts, *carry, *(_row(x, k) for x in xs)])
            carry, rows[k] = cut(results, num_carry)
        return [*carry, *map(_stack, closed.out_avals[num_carry:], zip(*rows, strict=True) if rows else [()] * num_ys)]

    def fun(*operands: Any) -> list[Any]:
        if unroll == length:
            return steps(length, *operands)
        loops, left = divmod(length, unroll)
        consts, carry, xs = cut(operands, num_consts, num_carry)
        start = left if reverse else 0
        body = stage_closed(lambda *ops: steps(unroll, *ops), inner, name=jaxpr.name)
        main = [_blocks(x, start, loops, unroll) for x in xs]
        carry, blocks = cut(
            loop(body, [*consts, *carry, *main], consts=num_consts, carry=num_carry, length=loops, reverse=reverse),
            num_carry,
        )
        ys = [reshape(y, (loops * unroll, *get_aval(y).shape[2:])) for y in blocks]
        if not left:
            return [*carry, *ys]
        after = 0 if reverse else loops * unroll
        carry, more = cut(steps(left, *consts, *carry, *(_rows(x, after, left) for x in xs)), num_carry)
        pairs = zip(more, ys, strict=True) if reverse else zip(ys, more, strict=True)
        return [*carry, *(concatenate(pair, 0) for pair in pairs)]

    inner = [*in_avals[:whole], *(along(a, unroll) for a in in_avals[whole:])]
    avals = [*in_avals[:whole], *(along(a, length) for a in in_avals[whole:])]
    return stage_closed(fun, avals, name=jaxpr.name)


def _rows(x: Any, start: int, count: int) -> Any:
    """``count`` slices of ``x`` along its first axis."""
    shape = get_aval(x).shape
    rest = len(shape) - 1
    return slice_of(x, (start, *(0,) * rest), (start + count, *shape[1:]))


def _row(x: Any, k: int) -> Any:
    return squeeze(_rows(x, k, 1), (0,))


def _blocks(x: Any, start: int, loops: int, unroll: int) -> Any:
    """``loops`` blocks of ``unroll`` slices of ``x``."""
    return reshape(_rows(x, start, loops * unroll), (loops, unroll, *get_aval(x).shape[1:]))


def _stack(aval: ShapedArray, rows: Sequence[Any]) -> Any:
    """The values along a new first axis."""
    if not rows:
        return blank(along(aval, 0))
    return concatenate([expand_dims(x, (0,)) for x in rows], 0)


@tables.dce(scan_p)
def _dce(eqn: Eqn, used: Mask) -> Eqn | None:
    params = eqn.params
    num_consts, num_carry = params["num_consts"], params["num_carry"]
    if not any(used) and not eqn.effects:
        return None
    body, operands, results = used_parts(params["jaxpr"], num_consts, num_carry, used)
    changed = {
        "jaxpr": body,
        "num_consts": sum(operands[:num_consts]),
        "num_carry": sum(results[:num_carry]),
    }
    return eqn.replace(
        invars=chosen(eqn.invars, operands), outvars=chosen(eqn.outvars, results), params={**params, **changed}
    )


@tables.effects(scan_p)
def _effects(*, jaxpr: ClosedJaxpr, **params: Any) -> Any:
    return jaxpr.effects


@tables.predicate(scan_p)
def _predicate(condition: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    return loop(
        predicated(params["jaxpr"]),
        [condition, *args],
        consts=params["num_consts"] + 1,
        carry=params["num_carry"],
        **_options(params),
    )


# ---- Eager: one compiled program, or one of the body where the backend has no loops


@weakly_cached
def _as_program(closed: ClosedJaxpr, options: tuple[tuple[str, Any], ...]) -> ClosedJaxpr:
    params = {"jaxpr": twin(closed), **dict(options)}
    whole = params["num_consts"] + params["num_carry"]
    avals = [*closed.in_avals[:whole], *(along(a, params["length"]) for a in closed.in_avals[whole:])]
    return one_equation(scan_p, avals, params)


@tables.eager(scan_p)
def _eager(args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    closed = params["jaxpr"]
    if runs_loops(args):
        options = tuple((name, value) for name, value in params.items() if name != "jaxpr")
        return run_closed(_as_program(closed, options), args, name=closed.jaxpr.name or "scan")
    return _step_by_step(args, **params)


def _step_by_step(
    args: Sequence[Any],
    *,
    jaxpr: ClosedJaxpr,
    length: int,
    reverse: bool,
    num_consts: int,
    num_carry: int,
    **params: Any,
) -> list[Any]:
    consts, carry, xs = cut([lift(x) for x in args], num_consts, num_carry)
    rows: list[Any] = [None] * length
    for step in range(length - 1, -1, -1) if reverse else range(length):
        results = run_closed(jaxpr, [*consts, *carry, *(_row(x, step) for x in xs)])
        carry, rows[step] = cut(results, num_carry)
    columns = zip(*rows, strict=True) if rows else [()] * (len(jaxpr.out_avals) - num_carry)
    return [*carry, *(lift(_stack(a, column)) for a, column in zip(jaxpr.out_avals[num_carry:], columns, strict=True))]
