"""custom_jvp: functions with a rule for their tangents.

``custom_jvp_fun`` holds Python functions, ``custom_jvp_call`` a staged function; see ``custom``. A rule is a method
``push`` of (values, tangents), tangents being arrays or ``Zero``. Nothing here knows pytrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from cotan.config import config
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval, tangent_aval
from cotan.ir.jaxpr import Atom, ClosedJaxpr, Literal
from cotan.ir.primitive import Primitive
from cotan.ir.trace import Tracer
from cotan.primitives.custom import (
    Batched,
    MappableFunction,
    batch_rules,
    call_rules,
    closed_over,
    completed,
    function_rules,
    given,
    has_tangents,
    nonzero_mask,
    place,
    stage_rule,
)
from cotan.primitives.taylor import BY_JVP
from cotan.structural import Zero, broadcast_in_dim_p, convert_element_type_p, instantiate, reduce_sum_p, transpose_p
from cotan.transforms.batch import AxisData, Dim, axes_in_scope, batch_jaxpr
from cotan.transforms.custom import run_mapped
from cotan.transforms.effects import predicated
from cotan.transforms.jvp import zero_tangent
from cotan.transforms.prune import prune
from cotan.transforms.stage import replay, stage_closed

custom_jvp_fun_p = Primitive("custom_jvp_fun", multiple_results=True, higher_order=True)
custom_jvp_call_p = Primitive("custom_jvp_call", multiple_results=True, higher_order=True)


class JVPFunction(MappableFunction, Protocol):
    """A function with a rule for tangents."""

    symbolic_zeros: bool

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Results and their tangents, computed in the current trace; zeros are symbolic."""


class BatchedJVP(Batched):
    """A function with a rule for tangents, for all examples along an axis."""

    inner: JVPFunction

    @property
    def symbolic_zeros(self) -> bool:
        return self.inner.symbolic_zeros

    def batched(self, axis: AxisData, dims: Sequence[Dim]) -> BatchedJVP:
        return BatchedJVP(self, axis, dims)

    def push(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        mask = nonzero_mask(tangents)
        count = len(primals)
        out_mask: tuple[bool, ...] = ()

        def fun(*flat: Any) -> list[Any]:
            nonlocal out_mask
            xs = flat[:count]
            outs, dots = self.inner.push(xs, completed(mask, [get_aval(x) for x in xs], flat[count:]))
            out_mask = nonzero_mask(dots)
            return [*outs, *given(dots)]

        in_dims = [*self.dims, *(d for d, n in zip(self.dims, mask, strict=True) if n)]
        flat, dims = run_mapped(fun, self.axis, in_dims, [*primals, *given(tangents)])
        number = len(out_mask)
        # A result and its tangent are mapped along one axis: if they differ, along the first.
        moved = completed_dims(out_mask, dims[:number], dims[number:])
        wanted = [d if d == t else 0 for d, t in zip(dims[:number], moved, strict=True)]
        outs = self.placed(flat[:number], dims[:number], wanted)
        where_outs = self.out_dims or ()
        targets = [d for d, n in zip(where_outs, out_mask, strict=True) if n]
        dots = place(self, self.axis, flat[number:], dims[number:], targets)
        return outs, completed(out_mask, [get_aval(y) for y in outs], dots)


def completed_dims(mask: Sequence[bool], dims: Sequence[Dim], given_dims: Sequence[Dim]) -> list[Dim]:
    """The mapped axis of each tangent, that of the value for a zero one."""
    rest = iter(given_dims)
    return [next(rest) if n else d for n, d in zip(mask, dims, strict=True)]


# ---- Functions held as Python


def custom_jvp_fun(function: JVPFunction, args: Sequence[Any]) -> list[Any]:
    """Call ``function`` on flat arrays; derivatives are computed by its rule."""
    return custom_jvp_fun_p.bind(*args, function=function)  # type: ignore[no-any-return]


@tables.jvp(custom_jvp_fun_p)
def _fun_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, function: JVPFunction) -> Any:
    return function.push(primals, tangents)


# ---- Staged functions


class TracedJVP:
    """The rule of a staged function, traced when a derivative is first asked for.

    Args:
      function: the function as it was staged.
      avals: the types of its arguments.
      tracers: what it closes over; their values are the first arguments of the staged function.
    """

    def __init__(self, function: JVPFunction, avals: Sequence[ShapedArray], tracers: tuple[Tracer, ...]) -> None:
        self.function = function
        self.avals = list(avals)
        self.tracers = tracers
        self.axes = tuple(axes_in_scope())
        self.name = function.name
        self.kind = function.kind
        self.symbolic_zeros = function.symbolic_zeros
        self._known: dict[Any, tuple[ClosedJaxpr, tuple[bool, ...]]] = {}

    def __repr__(self) -> str:
        return self.name

    def closed(self, nonzero: tuple[bool, ...]) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
        """A program from (what is closed over, arguments, their tangents that are not zero) to (results, tangents).

        The second part says which results have tangents; they are the ones that the program returns.
        """
        key = (nonzero, config.trace_key())
        if key not in self._known:
            self._known.setdefault(key, self._trace(nonzero))
        return self._known[key]

    def _trace(self, nonzero: tuple[bool, ...]) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
        count = len(self.avals)
        out_mask: tuple[bool, ...] = ()

        def fun(*flat: Any) -> list[Any]:
            nonlocal out_mask
            outs, dots = self.function.push(flat[:count], completed(nonzero, self.avals, flat[count:]))
            out_mask = nonzero_mask(dots)
            return [*outs, *given(dots)]

        tangents = [tangent_aval(a) for a, n in zip(self.avals, nonzero, strict=True) if n]
        closed = stage_rule(self, fun, [*self.avals, *tangents], "rule")
        return _without_zeros(closed, out_mask)

    def batched(self, axis: AxisData, dims: tuple[Dim, ...], out_dims: tuple[Dim, ...]) -> BatchedTracedJVP:
        """The rule for all examples along ``axis``; results are mapped at ``out_dims``."""
        return BatchedTracedJVP(self, axis, dims, out_dims)


_KEEP_ZEROS = (broadcast_in_dim_p, convert_element_type_p, transpose_p, reduce_sum_p)


def _without_zeros(closed: ClosedJaxpr, out_mask: tuple[bool, ...]) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """A rule's program without tangents that are plainly zero (``zeros_like(x)``): those are symbolic from now on."""
    jaxpr = closed.jaxpr
    zeros: set[Any] = set()

    def is_zero(atom: Atom) -> bool:
        return not np.any(atom.val) if isinstance(atom, Literal) else atom in zeros

    for eqn in jaxpr.eqns:
        if eqn.primitive in _KEEP_ZEROS and is_zero(eqn.invars[0]):
            zeros.update(eqn.outvars)
    dots = jaxpr.outvars[len(out_mask) :]
    kept = [v for v in dots if not is_zero(v)]
    if len(kept) == len(dots):
        return closed, out_mask
    rest = iter(dots)
    mask = tuple([n and not is_zero(next(rest)) for n in out_mask])
    outvars = [*jaxpr.outvars[: len(out_mask)], *kept]
    return ClosedJaxpr(*prune(jaxpr.replace(outvars=outvars), closed.consts)), mask


class BatchedTracedJVP:
    """The rule of a batched staged function: that of the function, batched."""

    def __init__(
        self,
        inner: TracedJVP | BatchedTracedJVP | GuardedJVP,
        axis: AxisData,
        dims: tuple[Dim, ...],
        out_dims: tuple[Dim, ...],
    ) -> None:
        self.inner = inner
        self.axis = axis
        self.dims = dims
        self.out_dims = out_dims
        self.name: str = inner.name
        self.kind: str = inner.kind
        self.symbolic_zeros: bool = inner.symbolic_zeros

    def __repr__(self) -> str:
        return self.name

    def closed(self, nonzero: tuple[bool, ...]) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
        """As ``TracedJVP.closed``."""
        one, out_mask = self.inner.closed(nonzero)
        moving = self.dims[len(self.dims) - len(nonzero) :]
        in_dims = (*self.dims, *(d for d, n in zip(moving, nonzero, strict=True) if n))
        many, dims = batch_jaxpr(one, self.axis, in_dims, front=True)
        wanted = [*self.out_dims, *(d for d, n in zip(self.out_dims, out_mask, strict=True) if n)]
        if list(dims) == wanted:
            return many, out_mask

        def fun(*flat: Any) -> list[Any]:
            return place(self, self.axis, replay(many.jaxpr, many.consts, flat), dims, wanted)

        return stage_closed(fun, many.in_avals, name=self.name), out_mask

    def batched(self, axis: AxisData, dims: tuple[Dim, ...], out_dims: tuple[Dim, ...]) -> BatchedTracedJVP:
        return BatchedTracedJVP(self, axis, dims, out_dims)


@tables.jvp(custom_jvp_call_p)
def _call_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, call_jaxpr: ClosedJaxpr, rule: Any, num_consts: int
) -> Any:
    if any(type(t) is not Zero for t in tangents[:num_consts]):
        raise closed_over(rule.kind, rule.name)
    moved = list(tangents[num_consts:])
    if not rule.symbolic_zeros:
        moved = [instantiate(t) if has_tangents(get_aval(x)) else t for x, t in zip(primals[num_consts:], moved)]
    closed, out_mask = rule.closed(nonzero_mask(moved))
    results = replay(closed.jaxpr, closed.consts, [*primals, *given(moved)])
    outs, dots = results[: len(out_mask)], iter(results[len(out_mask) :])
    return outs, [next(dots) if n else zero_tangent(y) for n, y in zip(out_mask, outs, strict=True)]


class GuardedJVP:
    """The rule of a function whose effects happen under a condition, which it closes over first."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.name: str = inner.name
        self.kind: str = inner.kind
        self.symbolic_zeros: bool = inner.symbolic_zeros

    def __repr__(self) -> str:
        return self.name

    def closed(self, nonzero: tuple[bool, ...]) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
        """As ``TracedJVP.closed``."""
        closed, out_mask = self.inner.closed(nonzero)
        return predicated(closed), out_mask

    def batched(self, axis: AxisData, dims: tuple[Dim, ...], out_dims: tuple[Dim, ...]) -> BatchedTracedJVP:
        return BatchedTracedJVP(self, axis, dims, out_dims)


@tables.predicate(custom_jvp_call_p)
def _predicate(condition: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    closed, consts = predicated(params["call_jaxpr"]), params["num_consts"] + 1
    return custom_jvp_call_p.bind(  # type: ignore[no-any-return]
        condition, *args, call_jaxpr=closed, rule=GuardedJVP(params["rule"]), num_consts=consts
    )


function_rules(custom_jvp_fun_p, custom_jvp_call_p, TracedJVP)
call_rules(custom_jvp_call_p)
batch_rules(custom_jvp_fun_p, custom_jvp_call_p)
tables.jet[custom_jvp_fun_p] = BY_JVP
tables.jet[custom_jvp_call_p] = BY_JVP
