"""Primitives that stand for functions of arrays: every rule of theirs follows from the function's program.

The program is staged once for each kind of operands and parameters. Derivatives, transposes and mapped versions are
those of that program; backends never see the primitive. Knows no library that has such functions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from cotan.config import config
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval, shaped, tangent_aval
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.primitives.call import INLINED, evaluate_by_reference
from cotan.primitives.custom import completed, given, nonzero_mask
from cotan.primitives.taylor import BY_JVP
from cotan.structural import UndefinedPrimal, Zero
from cotan.transforms.batch import AxisData, Dim, batch_jaxpr
from cotan.transforms.jvp import jvp_jaxpr
from cotan.transforms.stage import replay, stage_closed
from cotan.transforms.transpose import transpose_jaxpr

Programs = Callable[..., ClosedJaxpr]
_KEPT = 256  # programs of one primitive


def composed(name: str, function: Callable[..., Any], *, multiple_results: bool = False) -> Primitive:
    """A primitive that means ``function(*arrays, **params)`` wherever it is run, differentiated or mapped.

    Args:
      name: the name of the primitive; unique.
      function: a function of arrays and of hashable parameters, whose values and the arrays' types tell all shapes.
      multiple_results: whether it returns a sequence of arrays, not one.

    >>> import cotan
    >>> doubled_p = composed("doubled_in_an_example", lambda x, *, times: x * 2**times)
    >>> cotan.make_jaxpr(lambda x: doubled_p.bind(x, times=3))(1.0).eqns[0].primitive
    doubled_in_an_example
    >>> cotan.grad(lambda x: doubled_p.bind(x, times=3))(1.0)
    Array(8., dtype=float32, weak_type=True)
    """
    primitive = Primitive(name, multiple_results=multiple_results, higher_order=True)
    several = multiple_results

    @functools.lru_cache(maxsize=_KEPT)
    def staged(avals: tuple[ShapedArray, ...], flags: Any, **params: Any) -> ClosedJaxpr:
        def flat(*operands: Any) -> Sequence[Any]:
            found = function(*operands, **params)
            return found if several else [found]

        return stage_closed(flat, avals, name=name)

    def program(avals: Sequence[ShapedArray], params: dict[str, Any]) -> ClosedJaxpr:
        return staged(tuple(avals), config.trace_key(), **params)

    def run(operands: Sequence[Any], params: dict[str, Any]) -> Any:
        closed = program(list(map(get_aval, operands)), params)
        results = replay(closed.jaxpr, closed.consts, operands)
        return results if several else results[0]

    @tables.abstract(primitive)
    def abstract(*avals: ShapedArray, **params: Any) -> Any:
        found = list(program(avals, params).out_avals)
        return found if several else found[0]

    tables.eager[primitive] = run
    tables.decompose[primitive] = lambda *operands, **params: run(operands, params)

    @tables.reference(primitive)
    def reference(*operands: Any, **params: Any) -> Any:
        results = evaluate_by_reference(program(list(map(get_aval, operands)), params), operands)
        return results if several else results[0]

    tables.kernel[primitive] = INLINED
    tables.partial_eval[primitive] = none("known operands are computed; if one is unknown, all of it is recorded")
    tables.jet[primitive] = BY_JVP
    _transforms(primitive, program)
    return primitive


def _transforms(primitive: Primitive, program: Programs) -> None:
    """The rules by which the program is differentiated, transposed and mapped in place of the primitive."""
    several = primitive.multiple_results

    @tables.jvp(primitive)
    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
        closed = program(list(map(get_aval, primals)), params)
        moved, mask = jvp_jaxpr(closed, nonzero_mask(tangents))
        results = replay(moved.jaxpr, moved.consts, [*primals, *given(tangents)])
        count = len(mask)
        slopes = completed(mask, closed.out_avals, results[count:])
        return (results[:count], slopes) if several else (results[0], slopes[0])

    @tables.transpose(primitive)
    def transpose(ct: Any, *operands: Any, **params: Any) -> list[Any]:
        cts = ct if several else [ct]
        linear = tuple(type(x) is UndefinedPrimal for x in operands)
        avals = [x.aval if is_linear else get_aval(x) for x, is_linear in zip(operands, linear, strict=True)]
        closed, zeros = transpose_jaxpr(program(avals, params), linear, tuple(type(c) is Zero for c in cts))
        known = [x for x, is_linear in zip(operands, linear, strict=True) if not is_linear]
        back, is_zero = iter(replay(closed.jaxpr, closed.consts, [*known, *given(cts)])), iter(zeros)
        return [
            None if not is_linear else Zero(tangent_aval(aval)) if next(is_zero) else next(back)
            for aval, is_linear in zip(avals, linear, strict=True)
        ]

    @tables.batch(primitive)
    def batch(axis: AxisData, operands: Sequence[Any], dims: Sequence[Dim], **params: Any) -> Any:
        examples = [_of_one(get_aval(x), dim) for x, dim in zip(operands, dims, strict=True)]
        closed, places = batch_jaxpr(program(examples, params), axis, tuple(dims))
        results = replay(closed.jaxpr, closed.consts, operands)
        return (results, list(places)) if several else (results[0], places[0])


def _of_one(aval: ShapedArray, dim: Dim) -> ShapedArray:
    """The type of one example of an operand."""
    if dim is None:
        return aval
    return shaped((*aval.shape[:dim], *aval.shape[dim + 1 :]), aval.dtype, aval.weak_type)
