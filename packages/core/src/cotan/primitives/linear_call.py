"""linear_call: a linear function whose transpose is given, and is such a call itself.

Operands are residuals, in which it may not be linear, then linear operands. Both functions are staged with the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan.ir import primitive as tables
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.primitives.custom import completed, given, nonzero_mask, run_rules
from cotan.primitives.taylor import BY_JVP
from cotan.structural import UndefinedPrimal, add_tangents, instantiate
from cotan.transforms.batch import AxisData, Dim, batch_jaxpr, matchaxis
from cotan.transforms.effects import predicated
from cotan.transforms.jvp import jvp_jaxpr
from cotan.transforms.stage import replay

linear_call_p = Primitive("linear_call", multiple_results=True, higher_order=True)


def linear_call(
    call_jaxpr: ClosedJaxpr, transposed: ClosedJaxpr, residuals: Sequence[Any], operands: Sequence[Any]
) -> list[Any]:
    """Call ``call_jaxpr``, of (residuals, linear operands); ``transposed`` is of (residuals, cotangents)."""
    return linear_call_p.bind(  # type: ignore[no-any-return]
        *residuals, *operands, call_jaxpr=call_jaxpr, transposed=transposed, num_res=len(residuals)
    )


run_rules(linear_call_p)
tables.partial_eval[linear_call_p] = none("recorded whole: it is linear in what is unknown")


@tables.jvp(linear_call_p)
def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, call_jaxpr: ClosedJaxpr, transposed: ClosedJaxpr, num_res: int
) -> Any:
    params = {"call_jaxpr": call_jaxpr, "transposed": transposed, "num_res": num_res}
    outs = linear_call_p.bind(*primals, **params)
    avals = call_jaxpr.out_avals
    moved: list[Any] = completed((False,) * len(avals), avals, ())
    linear = tangents[num_res:]
    if given(linear):
        moved = linear_call_p.bind(*primals[:num_res], *map(instantiate, linear), **params)
    by_residuals = given(tangents[:num_res])
    if by_residuals:
        mask = (*nonzero_mask(tangents[:num_res]), *(False,) * len(linear))
        closed, out_mask = jvp_jaxpr(call_jaxpr, mask)
        results = replay(closed.jaxpr, closed.consts, [*primals, *by_residuals])
        moved = list(map(add_tangents, moved, completed(out_mask, avals, results[len(avals) :])))
    return outs, moved


tables.jet[linear_call_p] = BY_JVP


@tables.transpose(linear_call_p)
def _transpose(
    cts: Sequence[Any], *args: Any, call_jaxpr: ClosedJaxpr, transposed: ClosedJaxpr, num_res: int
) -> list[Any]:
    residuals, operands = args[:num_res], args[num_res:]
    if any(type(x) is UndefinedPrimal for x in residuals):
        raise TypeError("linear_call is transposed with respect to its linear arguments only")
    back = linear_call_p.bind(
        *residuals, *map(instantiate, cts), call_jaxpr=transposed, transposed=call_jaxpr, num_res=num_res
    )
    return [None] * num_res + [ct if type(x) is UndefinedPrimal else None for ct, x in zip(back, operands, strict=True)]


@tables.batch(linear_call_p)
def _batch(
    axis: AxisData,
    args: Sequence[Any],
    dims: Sequence[Dim],
    *,
    call_jaxpr: ClosedJaxpr,
    transposed: ClosedJaxpr,
    num_res: int,
) -> Any:
    # All linear operands and results are mapped: what is transposed has the same number of each.
    operands = [x if k < num_res else matchaxis(axis.size, d, 0, x) for k, (x, d) in enumerate(zip(args, dims))]
    known = tuple(dims[:num_res])
    forward, _ = batch_jaxpr(call_jaxpr, axis, (*known, *(0,) * (len(args) - num_res)), mapped=True, front=True)
    results = len(call_jaxpr.out_avals)
    back, _ = batch_jaxpr(transposed, axis, (*known, *(0,) * results), mapped=True, front=True)
    outs = linear_call_p.bind(*operands, call_jaxpr=forward, transposed=back, num_res=num_res)
    return outs, [0] * results


@tables.predicate(linear_call_p)
def _predicate(condition: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    return linear_call_p.bind(  # type: ignore[no-any-return]
        condition,
        *args,
        call_jaxpr=predicated(params["call_jaxpr"]),
        transposed=predicated(params["transposed"]),
        num_res=params["num_res"] + 1,
    )
