"""custom_vmap: functions with a rule for mapping them.

``custom_vmap_fun`` holds Python functions, ``custom_vmap_call`` a staged function; see ``custom``. A rule is a method
``mapped`` of (axis size, which arguments are mapped, arguments mapped along axis 0). Nothing here knows pytrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from cotan.errors import UnexpectedTracerError, where
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.primitive import Primitive
from cotan.ir.trace import Tracer
from cotan.primitives.custom import (
    Batched,
    Function,
    call_rules,
    completed,
    function_rules,
    given,
    has_tangents,
    nonzero_mask,
    stage_rule,
)
from cotan.primitives.taylor import BY_JVP
from cotan.structural import instantiate
from cotan.transforms.batch import AxisData, Dim, axes_in_scope, batch_jaxpr, bdim_at_front, matchaxis
from cotan.transforms.custom import run_mapped
from cotan.transforms.effects import predicated
from cotan.transforms.jvp import jvp_flat, jvp_jaxpr
from cotan.transforms.stage import replay

custom_vmap_fun_p = Primitive("custom_vmap_fun", multiple_results=True, higher_order=True)
custom_vmap_call_p = Primitive("custom_vmap_call", multiple_results=True, higher_order=True)

Mapped = tuple[list[Any], list[bool]]


class VmapFunction(Function, Protocol):
    """A function with a rule for mapping it."""

    def mapped(self, size: int, batched: Sequence[bool], args: Sequence[Any]) -> Mapped:
        """All results, computed in the current trace, and which of them are mapped, along axis 0."""


def custom_vmap_fun(function: VmapFunction, args: Sequence[Any]) -> list[Any]:
    """Call ``function`` on flat arrays; vmap calls its rule."""
    return custom_vmap_fun_p.bind(*args, function=function)  # type: ignore[no-any-return]


def _use_rule(rule: Any, axis: AxisData, args: Sequence[Any], dims: Sequence[Dim]) -> tuple[list[Any], list[Dim]]:
    batched = [d is not None for d in dims]
    moved = [x if d is None else bdim_at_front(x, d, axis.size) for x, d in zip(args, dims, strict=True)]
    outs, out_batched = rule.mapped(axis.size, batched, moved)
    return outs, [0 if b else None for b in out_batched]


# ---- Derivatives: the value and the tangents together are a function that is mapped by the derivative of the rule


class _Derivative:
    """Values and tangents of a function, as a function with a rule for mapping it.

    Args:
      inner: the function, or the rule of a staged one.
      mask: which of its arguments have tangents; those follow the arguments.
    """

    def __init__(self, inner: Any, mask: tuple[bool, ...]) -> None:
        self.inner = inner
        self.mask = mask
        self.kind = inner.kind
        self.name = inner.name
        self.out_mask: tuple[bool, ...] = ()

    def __repr__(self) -> str:
        return self.name  # type: ignore[no-any-return]

    def call(self, args: Sequence[Any]) -> list[Any]:
        return self._push(self.inner.call, args)

    def settled(self, args: Sequence[Any]) -> list[Any]:
        return self._push(self.inner.settled, args)

    def _push(self, fun: Any, args: Sequence[Any]) -> list[Any]:
        count = len(self.mask)
        primals = args[:count]
        tangents = completed(self.mask, list(map(get_aval, primals)), args[count:])
        outs, dots = jvp_flat(lambda *xs: fun(xs), primals, tangents)
        self.out_mask = tuple(has_tangents(get_aval(y)) for y in outs)
        return [*outs, *(instantiate(t) for t, n in zip(dots, self.out_mask, strict=True) if n)]

    def mapped(self, size: int, batched: Sequence[bool], args: Sequence[Any]) -> Mapped:
        count = len(self.mask)
        rest = iter(batched[count:])
        either = [b or m for b, m in zip(batched, [n and next(rest) for n in self.mask], strict=False)]
        flags = [*either, *(e for e, n in zip(either, self.mask, strict=True) if n)]
        whole = [
            matchaxis(size, 0 if b else None, 0, x) if f else x for x, b, f in zip(args, batched, flags, strict=True)
        ]
        out_batched: list[bool] = []

        def fun(*xs: Any) -> list[Any]:
            nonlocal out_batched
            outs: list[Any]
            outs, out_batched = self.inner.mapped(size, either, xs)
            return outs

        primals = whole[:count]
        tangents = completed(self.mask, list(map(get_aval, primals)), whole[count:])
        outs, dots = jvp_flat(fun, primals, tangents)
        self.out_mask = inexact = tuple([has_tangents(get_aval(y)) for y in outs])
        moved = [instantiate(t) for t, n in zip(dots, inexact, strict=True) if n]
        return [*outs, *moved], [*out_batched, *(b for b, n in zip(out_batched, inexact, strict=True) if n)]


def _split(results: Sequence[Any], tangents: Sequence[bool]) -> tuple[list[Any], list[Any]]:
    number = len(tangents)
    outs = list(results[:number])
    return outs, completed(tangents, list(map(get_aval, outs)), results[number:])


# ---- Functions held as Python


class _Unmapped(Batched):
    """A function none of whose arguments is mapped over ``axis``; it may close over values that are."""

    def mapped(self, size: int, batched: Sequence[bool], args: Sequence[Any]) -> Mapped:
        """The rule of the function, for an axis around this one."""
        flags: list[bool] = []

        def fun(*xs: Any) -> list[Any]:
            nonlocal flags
            outs: list[Any]
            outs, flags = self.inner.mapped(size, batched, xs)  # type: ignore[attr-defined]
            return outs

        outs, dims = run_mapped(fun, self.axis, self.dims, args)
        if self.out_dims is None:
            self.out_dims = tuple(None if d is None else 0 for d in dims)
        places = [None if w is None else w + f for w, f in zip(self.out_dims, flags, strict=True)]
        return [
            x if p is None else matchaxis(self.axis.size, d, p, x) for x, d, p in zip(outs, dims, places, strict=True)
        ], flags


# ---- Staged functions


class TracedVmap:
    """The rule of a staged function; for its arguments see ``custom_jvp.TracedJVP``."""

    def __init__(self, function: VmapFunction, avals: Sequence[ShapedArray], tracers: tuple[Tracer, ...]) -> None:
        self.function = function
        self.tracers = tracers
        self.axes = tuple(axes_in_scope())
        self.name = function.name
        self.kind = function.kind

    def __repr__(self) -> str:
        return self.name

    def mapped(self, size: int, batched: Sequence[bool], args: Sequence[Any]) -> Mapped:
        """As ``VmapFunction.mapped``; the values of what is closed over come first."""
        known = len(self.tracers)
        if any(batched[:known]):
            raise UnexpectedTracerError(
                f"{where()}: the {self.kind} function `{self.name}` closes over a value that is mapped by vmap, which "
                "its rule does not see; pass that value as an argument"
            )
        out_batched: list[bool] = []

        def fun(*xs: Any) -> list[Any]:
            nonlocal out_batched
            outs, out_batched = self.function.mapped(size, batched[known:], xs)
            return outs

        closed = stage_rule(self, fun, list(map(get_aval, args[known:])), "rule")
        return replay(closed.jaxpr, closed.consts, args), out_batched


@tables.jvp(custom_vmap_fun_p)
def _fun_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, function: VmapFunction) -> Any:
    derivative = _Derivative(function, nonzero_mask(tangents))
    results = custom_vmap_fun_p.bind(*primals, *given(tangents), function=derivative)
    return _split(results, derivative.out_mask)


function_rules(custom_vmap_fun_p, custom_vmap_call_p, TracedVmap)
tables.jet[custom_vmap_fun_p] = BY_JVP


@tables.batch(custom_vmap_fun_p)
def _fun_batch(axis: AxisData, args: Sequence[Any], dims: Sequence[Dim], *, function: VmapFunction) -> Any:
    if all(d is None for d in dims):
        unmapped = _Unmapped(function, axis, dims)
        outs = custom_vmap_fun_p.bind(*args, function=unmapped)
        return outs, list(unmapped.out_dims or ())
    return _use_rule(function, axis, args, dims)


@tables.jvp(custom_vmap_call_p)
def _call_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, call_jaxpr: ClosedJaxpr, rule: Any, num_consts: int
) -> Any:
    mask = nonzero_mask(tangents)
    closed, out_mask = jvp_jaxpr(call_jaxpr, mask, True)
    results = custom_vmap_call_p.bind(
        *primals, *given(tangents), call_jaxpr=closed, rule=_Derivative(rule, mask), num_consts=num_consts
    )
    return _split(results, out_mask)


call_rules(custom_vmap_call_p)
tables.jet[custom_vmap_call_p] = BY_JVP


@tables.batch(custom_vmap_call_p)
def _call_batch(
    axis: AxisData, args: Sequence[Any], dims: Sequence[Dim], *, call_jaxpr: ClosedJaxpr, rule: Any, num_consts: int
) -> Any:
    if all(d is None for d in dims[num_consts:]):  # only what it closes over is mapped, of which the rule knows nothing
        closed, out_dims = batch_jaxpr(call_jaxpr, axis, tuple(dims))
        return replay(closed.jaxpr, closed.consts, args), list(out_dims)
    return _use_rule(rule, axis, args, dims)


@tables.predicate(custom_vmap_call_p)
def _predicate(condition: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    # The rule cannot be told of the condition: what stands under one is mapped as any other operations are.
    closed = predicated(params["call_jaxpr"])
    return replay(closed.jaxpr, closed.consts, [condition, *args])
