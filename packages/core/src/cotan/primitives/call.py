"""Calls: jit, rematerialisation, and what marks values for it.

``jit`` and ``remat`` hold a closed jaxpr; their rules transform that jaxpr, and the transformed ones are kept weakly
with it, so that nothing is traced twice. Nothing here knows how programs are compiled or scheduled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, same_type, tangent_aval
from cotan.ir.evaluate import eval_closed
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Literal
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.ir.trace import enter_trace, leave_trace
from cotan.primitives.define import unary
from cotan.primitives.operands import ANY
from cotan.runtime.compile import run_closed
from cotan.structural import UndefinedPrimal, Zero
from cotan.transforms.batch import AxisData, batch_jaxpr
from cotan.transforms.cache import weakly_cached
from cotan.transforms.effects import predicated
from cotan.transforms.jet import jet_jaxpr, mask_of, terms_of, zero_term
from cotan.transforms.jvp import jvp_jaxpr, zero_tangent
from cotan.transforms.partial_eval import PartialTrace, partial_eval_jaxpr
from cotan.transforms.prune import prune_closed
from cotan.transforms.remat import partial_eval_remat
from cotan.transforms.stage import replay
from cotan.transforms.transpose import transpose_jaxpr, weak_types

INLINED = none("its program stands for it: core puts that in its place")

jit_p = Primitive("jit", multiple_results=True, higher_order=True)
remat_p = Primitive("remat", multiple_results=True, higher_order=True)


def call(closed: ClosedJaxpr, args: Sequence[Any], *, name: str = "", donated: tuple[bool, ...] = ()) -> list[Any]:
    """Call ``closed`` as one compiled program; ``donated`` says which operands give up their buffers."""
    return jit_p.bind(  # type: ignore[no-any-return]
        *args, jaxpr=closed, name=name, donated=donated or (False,) * len(args), inline=False
    )


# ---- Rules that jit and remat share: transform the jaxpr, call the result


def _transformed(params: dict[str, Any], closed: ClosedJaxpr) -> dict[str, Any]:
    """Parameters for a transformed program. It donates nothing: a derivative may still need what was given up."""
    changed = {**params, "jaxpr": closed}
    if "donated" in params:
        changed["donated"] = (False,) * len(closed.in_avals)
    return changed


def _call_rules(primitive: Primitive) -> None:
    @tables.abstract(primitive)
    def abstract(*avals: ShapedArray, jaxpr: ClosedJaxpr, **params: Any) -> list[ShapedArray]:
        expected = jaxpr.in_avals
        if len(avals) != len(expected) or not all(map(same_type, avals, expected)):
            raise TypeError(
                f"{primitive} of `{jaxpr.jaxpr.name}` takes ({', '.join(a.short() for a in expected)}), "
                f"got ({', '.join(a.short() for a in avals)})"
            )
        return list(jaxpr.out_avals)

    @tables.jvp(primitive)
    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
        nonzero = tuple(type(t) is not Zero for t in tangents)
        closed, out_nonzero = jvp_jaxpr(params["jaxpr"], nonzero)
        given = [t for t in tangents if type(t) is not Zero]
        results = primitive.bind(*primals, *given, **_transformed(params, closed))
        outs, moved = results[: len(out_nonzero)], iter(results[len(out_nonzero) :])
        zeros = map(zero_tangent, outs)
        return outs, [next(moved) if n else zero for zero, n in zip(zeros, out_nonzero, strict=True)]

    @tables.jet(primitive)
    def jet(primals: Sequence[Any], series: Sequence[Sequence[Any]], **params: Any) -> tuple[list[Any], Any]:
        closed, out_nonzero = jet_jaxpr(params["jaxpr"], mask_of(series))
        given = [t for terms in series for t in terms if t is not zero_term]
        results = primitive.bind(*primals, *given, **_transformed(params, closed))
        return results[: len(out_nonzero)], terms_of(out_nonzero, results[len(out_nonzero) :])

    @tables.transpose(primitive)
    def transpose(cts: Sequence[Any], *args: Any, **params: Any) -> list[Any]:
        linear = tuple(type(x) is UndefinedPrimal for x in args)
        zeros, given = tuple(type(ct) is Zero for ct in cts), [ct for ct in cts if type(ct) is not Zero]
        closed, out_zeros = transpose_jaxpr(params["jaxpr"], linear, zeros, weak=weak_types(given))
        known = [x for x in args if type(x) is not UndefinedPrimal]
        if params.get("prevent_cse"):
            known = [optimization_barrier(x) for x in known]
        back, dropped = iter(primitive.bind(*known, *given, **_transformed(params, closed))), iter(out_zeros)
        return [
            None if type(x) is not UndefinedPrimal else Zero(tangent_aval(x.aval)) if next(dropped) else next(back)
            for x in args
        ]

    @tables.batch(primitive)
    def batch(axis: AxisData, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> Any:
        closed, out_dims = batch_jaxpr(params["jaxpr"], axis, tuple(dims))
        return primitive.bind(*args, **{**params, "jaxpr": closed}), list(out_dims)

    @tables.reference(primitive)
    def reference(*args: Any, jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
        return evaluate_by_reference(jaxpr, args)

    @tables.decompose(primitive)
    def decompose(*args: Any, jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
        return eval_closed(jaxpr, *args)

    @tables.effects(primitive)
    def effects(*, jaxpr: ClosedJaxpr, **params: Any) -> Any:
        return jaxpr.effects

    @tables.predicate(primitive)
    def predicate(condition: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        return primitive.bind(  # type: ignore[no-any-return]
            condition, *args, **_transformed(params, predicated(params["jaxpr"]))
        )

    @tables.program(primitive)
    def program(*, jaxpr: ClosedJaxpr, **params: Any) -> ClosedJaxpr:
        return jaxpr

    @tables.dce(primitive)
    def dce(eqn: Eqn, used: tuple[bool, ...]) -> Eqn | None:
        if not any(used) and not eqn.effects:
            return None
        closed, needed = prune_closed(eqn.params["jaxpr"], used)
        params = {**eqn.params, "jaxpr": closed}
        if "donated" in params:
            params["donated"] = tuple(d for d, n in zip(params["donated"], needed, strict=True) if n)
        return eqn.replace(
            invars=[v for v, n in zip(eqn.invars, needed, strict=True) if n],
            outvars=[v for v, u in zip(eqn.outvars, used, strict=True) if u],
            params=params,
        )

    tables.kernel[primitive] = INLINED


def evaluate_by_reference(closed: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    """The results of a program by the reference rules alone, on NumPy arrays."""
    env: dict[Any, Any] = dict(zip(closed.jaxpr.constvars, map(np.asarray, closed.consts), strict=True))
    env.update(zip(closed.jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else env[atom]

    for eqn in closed.eqns:
        results = tables.reference[eqn.primitive](*map(read, eqn.invars), **eqn.params)
        env.update(zip(eqn.outvars, results if eqn.primitive.multiple_results else (results,), strict=True))
    return [read(v) for v in closed.jaxpr.outvars]


# ---- jit: params jaxpr, name, donated, inline

_call_rules(jit_p)


@tables.partial_eval(jit_p)
def _jit_partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    unknown = tuple(map(trace.is_unknown, args))
    split = partial_eval_jaxpr(params["jaxpr"], unknown)
    known_args = [x for x, u in zip(args, unknown, strict=True) if not u]
    if split.known.eqns:
        results = trace.bind_known(jit_p, known_args, _transformed(params, split.known))
    else:  # nothing to compute: results are arguments or constants
        results = eval_closed(split.known, *known_args)
    count = split.known_results
    residuals = split.residual_values(known_args, results)
    rest: list[Any] = []
    if any(split.out_unknown) or split.unknown.effects:
        operands = [*residuals, *(x for x, u in zip(args, unknown, strict=True) if u)]
        rest = trace.record(jit_p, operands, _transformed(params, split.unknown))
    return _merge(split.out_unknown, results[:count], rest)


def _merge(mask: Sequence[bool], known: Sequence[Any], unknown: Sequence[Any]) -> list[Any]:
    first, second = iter(known), iter(unknown)
    return [next(second) if u else next(first) for u in mask]


@tables.eager(jit_p)
def _jit_eager(args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    return run_closed(params["jaxpr"], args, donated=params["donated"], name=params["name"])


# ---- remat: params jaxpr, policy, prevent_cse

_call_rules(remat_p)


@weakly_cached
def _without_calls(closed: ClosedJaxpr) -> ClosedJaxpr:
    from cotan.compiler.passes import inline

    return inline(closed, lambda eqn: eqn.params["jaxpr"] if eqn.primitive is jit_p else None)


@tables.partial_eval(remat_p)
def _remat_partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    unknown = tuple(map(trace.is_unknown, args))
    closed, policy = params["jaxpr"], params["policy"]
    # A policy is asked about the operations inside of calls as well.
    split = partial_eval_remat(closed if policy is None else _without_calls(closed), unknown, policy)
    known_args = [x for x, u in zip(args, unknown, strict=True) if not u]
    token = enter_trace(trace.parent)
    try:
        results = replay(split.known.jaxpr, split.known.consts, known_args)
    finally:
        leave_trace(token)
    count = len(results) - split.saved
    rest: list[Any] = []
    if any(split.out_unknown) or split.unknown.effects:
        operands = [
            *(x for x, n in zip(known_args, split.needed, strict=True) if n),
            *results[count:],
            *(x for x, u in zip(args, unknown, strict=True) if u),
        ]
        rest = trace.record(remat_p, operands, {**params, "jaxpr": split.unknown})
    return _merge(split.out_unknown, results[:count], rest)


@tables.eager(remat_p)
def _remat_eager(args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    return eval_closed(params["jaxpr"], *args)


# ---- Marks: the identity, with a meaning for the compiler or for a policy

optimization_barrier_p, optimization_barrier = unary(
    "optimization_barrier", ANY, reference=np.copy, kernel=lambda x: x, transpose=lambda ct, x: ct,
    decompose=lambda x: x, exact=True, does="x, which the compiler takes for a value of its own.",
)  # fmt: skip
name_p, _name = unary(
    "name", ANY, reference=lambda x, *, name: np.copy(x), kernel=lambda x, *, name: x,
    transpose=lambda ct, x, *, name: ct, decompose=lambda x, *, name: x, exact=True, does="x, under a name.",
)  # fmt: skip
