"""custom_linear_solve: solutions of linear equations, with derivatives by implicit differentiation.

The equation holds four programs: the linear map and its transpose, and how to solve with either. Operands are what
these close over, in this order, then the right-hand side; results are the solution, then what the solver adds to it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from cotan.errors import where
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval, same_type
from cotan.ir.evaluate import eval_closed
from cotan.ir.jaxpr import ClosedJaxpr, Var
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.primitives.arithmetic import neg
from cotan.primitives.call import INLINED, evaluate_by_reference
from cotan.primitives.custom import completed, given, nonzero_mask
from cotan.primitives.taylor import BY_JVP
from cotan.structural import UndefinedPrimal, Zero, add_tangents, instantiate
from cotan.transforms.batch import AxisData, Dim, batch_jaxpr, matchaxis
from cotan.transforms.cache import weakly_cached
from cotan.transforms.effects import predicated
from cotan.transforms.jvp import jvp_jaxpr, zero_tangent
from cotan.transforms.stage import replay

custom_linear_solve_p = Primitive("custom_linear_solve", multiple_results=True, higher_order=True)


class Counts(NamedTuple):
    """How many values each of the programs closes over."""

    matvec: int
    vecmat: int
    solve: int
    transpose_solve: int


class Parts(NamedTuple):
    """The operands: what each program closes over, and the right-hand side."""

    matvec: list[Any]
    vecmat: list[Any]
    solve: list[Any]
    transpose_solve: list[Any]
    b: list[Any]


def custom_linear_solve(
    parts: Parts,
    matvec: ClosedJaxpr,
    vecmat: ClosedJaxpr | None,
    solve: ClosedJaxpr,
    transpose_solve: ClosedJaxpr | None,
    name: str,
) -> list[Any]:
    """Solve with ``solve``; each program takes what it closes over and a vector."""
    counts = Counts(*map(len, parts[:4]))
    return custom_linear_solve_p.bind(  # type: ignore[no-any-return]
        *(x for part in parts for x in part),
        matvec=matvec,
        vecmat=vecmat,
        solve=solve,
        transpose_solve=transpose_solve,
        counts=counts,
        name=name,
    )


def _parts(args: Sequence[Any], counts: Counts) -> Parts:
    ends = list(itertools.accumulate(counts))
    return Parts(*(list(args[start:end]) for start, end in zip([0, *ends], [*ends, len(args)], strict=True)))


@tables.abstract(custom_linear_solve_p)
def _abstract(*avals: ShapedArray, solve: ClosedJaxpr, counts: Counts, **params: Any) -> list[ShapedArray]:
    parts = _parts(avals, counts)
    got, expected = [*parts.solve, *parts.b], solve.in_avals
    if len(got) != len(expected) or not all(map(same_type, got, expected)):
        raise TypeError(
            f"custom_linear_solve takes a right-hand side ({', '.join(a.short() for a in expected)}), got "
            f"({', '.join(a.short() for a in got)})"
        )
    return list(solve.out_avals)


@tables.jvp(custom_linear_solve_p)
def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[list[Any], list[Any]]:
    # A x = b, so A dx = db - dA x. How the solver came to x, and what else it tells, has no derivative.
    outs = custom_linear_solve_p.bind(*primals, **params)
    counts: Counts = params["counts"]
    parts, moves = _parts(primals, counts), _parts(tangents, counts)
    size = len(parts.b)
    x = outs[:size]
    right = moves.b
    if given(moves.matvec):
        mask = (*nonzero_mask(moves.matvec), *(False,) * size)
        closed, out_mask = jvp_jaxpr(params["matvec"], mask)
        results = replay(closed.jaxpr, closed.consts, [*parts.matvec, *x, *given(moves.matvec)])
        by_map = completed(out_mask, list(map(get_aval, x)), results[size:])
        right = [add_tangents(t, m if type(m) is Zero else neg(m)) for t, m in zip(right, by_map, strict=True)]
    zeros = list(map(zero_tangent, outs))
    if not given(right):
        return outs, zeros
    moved = custom_linear_solve_p.bind(*(v for part in parts[:4] for v in part), *map(instantiate, right), **params)
    return outs, [*moved[:size], *zeros[size:]]


tables.jet[custom_linear_solve_p] = BY_JVP


@tables.transpose(custom_linear_solve_p)
def _transpose(cts: Sequence[Any], *args: Any, **params: Any) -> list[Any]:
    counts: Counts = params["counts"]
    parts = _parts(args, counts)
    if params["transpose_solve"] is None:
        raise TypeError(
            f"{where()}: reverse-mode differentiation of custom_linear_solve of `{params['name']}` needs a solver for "
            "the transposed equation: give transpose_solve, or symmetric=True if the linear map is symmetric"
        )
    if any(type(x) is UndefinedPrimal for part in parts[:4] for x in part):
        raise TypeError("custom_linear_solve is transposed with respect to its right-hand side only")
    size = len(parts.b)
    known = [x for part in (parts.vecmat, parts.matvec, parts.transpose_solve, parts.solve) for x in part]
    back = custom_linear_solve_p.bind(
        *known,
        *map(instantiate, cts[:size]),
        matvec=params["vecmat"],
        vecmat=params["matvec"],
        solve=params["transpose_solve"],
        transpose_solve=params["solve"],
        counts=Counts(counts.vecmat, counts.matvec, counts.transpose_solve, counts.solve),
        name=params["name"],
    )
    return [None] * len(known) + [
        ct if type(x) is UndefinedPrimal else None for ct, x in zip(back, parts.b, strict=False)
    ]


tables.partial_eval[custom_linear_solve_p] = none("recorded whole: it is linear in what is unknown")


@tables.batch(custom_linear_solve_p)
def _batch(axis: AxisData, args: Sequence[Any], dims: Sequence[Dim], **params: Any) -> tuple[list[Any], list[Dim]]:
    # If any example has an equation of its own, all have their own right-hand sides and solutions.
    counts: Counts = params["counts"]
    parts, places = _parts(args, counts), _parts(dims, counts)

    def many(closed: ClosedJaxpr | None, known: Sequence[Dim]) -> ClosedJaxpr | None:
        if closed is None:
            return None
        vectors = len(closed.in_avals) - len(known)
        return batch_jaxpr(closed, axis, (*known, *(0,) * vectors), mapped=True, front=True)[0]

    b = [matchaxis(axis.size, d, 0, x) for x, d in zip(parts.b, places.b, strict=True)]
    outs = custom_linear_solve_p.bind(
        *(x for part in parts[:4] for x in part),
        *b,
        matvec=many(params["matvec"], places.matvec),
        vecmat=many(params["vecmat"], places.vecmat),
        solve=many(params["solve"], places.solve),
        transpose_solve=many(params["transpose_solve"], places.transpose_solve),
        counts=counts,
        name=params["name"],
    )
    return outs, [0] * len(outs)


@tables.reference(custom_linear_solve_p)
def _reference(*args: Any, solve: ClosedJaxpr, counts: Counts, **params: Any) -> list[Any]:
    parts = _parts(args, counts)
    return evaluate_by_reference(solve, [*parts.solve, *parts.b])


tables.kernel[custom_linear_solve_p] = INLINED


@tables.decompose(custom_linear_solve_p)
def _decompose(*args: Any, solve: ClosedJaxpr, counts: Counts, **params: Any) -> list[Any]:
    parts = _parts(args, counts)
    return eval_closed(solve, *parts.solve, *parts.b)


@weakly_cached
def _whole(solve: ClosedJaxpr, before: tuple[ShapedArray, ...], after: tuple[ShapedArray, ...], known: int) -> Any:
    """``solve`` as a program of all operands: some stand before those that it reads, some between them."""
    jaxpr = solve.jaxpr
    first, last = list(map(Var, before)), list(map(Var, after))
    invars = [*first, *jaxpr.invars[:known], *last, *jaxpr.invars[known:]]
    return ClosedJaxpr(jaxpr.replace(invars=invars, arg_names=()), solve.consts)


@tables.program(custom_linear_solve_p)
def _program(*, matvec: Any, vecmat: Any, solve: Any, transpose_solve: Any, counts: Counts, name: str) -> ClosedJaxpr:
    before = matvec.in_avals[: counts.matvec] + (vecmat.in_avals[: counts.vecmat] if vecmat else ())
    after = transpose_solve.in_avals[: counts.transpose_solve] if transpose_solve else ()
    found: ClosedJaxpr = _whole(solve, before, after, counts.solve)
    return found


@tables.effects(custom_linear_solve_p)
def _effects(*, solve: ClosedJaxpr, **params: Any) -> Any:
    return solve.effects


@tables.predicate(custom_linear_solve_p)
def _predicate(condition: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    # The solvers close over the condition, too, as the first thing.
    parts, back = _parts(args, params["counts"]), params["transpose_solve"]
    guarded = parts._replace(
        solve=[condition, *parts.solve],
        transpose_solve=[condition, *parts.transpose_solve] if back else [],
    )
    changed = {
        **params,
        "solve": predicated(params["solve"]),
        "transpose_solve": predicated(back) if back else None,
        "counts": Counts(*map(len, guarded[:4])),
    }
    return custom_linear_solve_p.bind(*(x for part in guarded for x in part), **changed)  # type: ignore[no-any-return]


@tables.eager(custom_linear_solve_p)
def _eager(args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    parts = _parts(args, params["counts"])
    return eval_closed(params["solve"], *parts.solve, *parts.b)
