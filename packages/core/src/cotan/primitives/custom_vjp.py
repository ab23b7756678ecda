"""custom_vjp: functions with a rule for reverse mode.

``custom_vjp_fun`` holds Python functions, ``custom_vjp_call`` a staged function; see ``custom``. Differentiating either
runs the forward function and records ``custom_vjp_linear``, a linear operation that is known by its transpose alone:
the backward function. Nothing here knows pytrees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn, Protocol

from cotan.config import config
from cotan.errors import where
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval, tangent_aval
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.ir.trace import Tracer, current_trace
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
from cotan.structural import UndefinedPrimal, Zero, reduce_sum
from cotan.transforms.batch import AxisData, Dim, axes_in_scope, batch_jaxpr, matchaxis, with_axis
from cotan.transforms.custom import run_mapped
from cotan.transforms.effects import predicated
from cotan.transforms.jet import jet_flat
from cotan.transforms.partial_eval import PartialTrace
from cotan.transforms.stage import FlatFun, replay, stage_closed

custom_vjp_fun_p = Primitive("custom_vjp_fun", multiple_results=True, higher_order=True)
custom_vjp_call_p = Primitive("custom_vjp_call", multiple_results=True, higher_order=True)
custom_vjp_linear_p = Primitive("custom_vjp_linear", multiple_results=True, higher_order=True)


class Backward(Protocol):
    """A backward function of flat arrays."""

    name: str

    def pull(self, residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        """A cotangent, perhaps ``Zero``, for each argument of the function, given one for each result."""


class VJPFunction(MappableFunction, Protocol):
    """A function with a rule for reverse mode."""

    def forward(self, args: Sequence[Any], nonzero: tuple[bool, ...]) -> tuple[list[Any], list[Any], Backward]:
        """Results, residuals, and the backward function for them.

        Args:
          nonzero: for each argument, whether its cotangent is wanted.
        """


# ---- The backward function for all examples along an axis


class BatchedBackward:
    """A backward function for all examples along ``axis``.

    Args:
      residual_dims, out_dims, in_dims: the mapped axes of residuals, results and arguments.
    """

    def __init__(
        self,
        inner: Backward,
        axis: AxisData,
        residual_dims: Sequence[Dim],
        out_dims: Sequence[Dim],
        in_dims: Sequence[Dim],
    ) -> None:
        self.inner = inner
        self.axis = axis
        self.residual_dims = tuple(residual_dims)
        self.out_dims = tuple(out_dims)
        self.in_dims = tuple(in_dims)
        self.name = inner.name

    def __repr__(self) -> str:
        return self.name

    def pull(self, residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        mask = nonzero_mask(cts)
        one = [_without_axis(get_aval(ct) if n else ct.aval, d) for ct, n, d in zip(cts, mask, self.out_dims)]
        count = len(residuals)
        avals: list[ShapedArray] = []
        back_mask: tuple[bool, ...] = ()

        def fun(*flat: Any) -> list[Any]:
            nonlocal back_mask, avals
            back = self.inner.pull(flat[:count], completed(mask, one, flat[count:]))
            back_mask = nonzero_mask(back)
            avals = [get_aval(ct) if n else ct.aval for ct, n in zip(back, back_mask, strict=True)]
            return given(back)

        ct_dims = [d for d, n in zip(self.out_dims, mask, strict=True) if n]
        flat, dims = run_mapped(fun, self.axis, [*self.residual_dims, *ct_dims], [*residuals, *given(cts)])
        mapped = any(d is not None for d in self.out_dims)
        targets = [d for d, n in zip(self.in_dims, back_mask, strict=True) if n]
        size = self.axis.size
        done: list[Any] = []
        for x, d, target in zip(flat, dims, targets, strict=True):
            if target is None and mapped:  # one argument for all examples: their cotangents are summed
                done.append(reduce_sum(matchaxis(size, d, 0, x), (0,)))
            else:
                done += place(self, self.axis, [x], [d], [target])
        return completed(back_mask, [with_axis(a, size, d) for a, d in zip(avals, self.in_dims, strict=True)], done)

    kind = "custom_vjp"


def _without_axis(aval: ShapedArray, dim: Dim) -> ShapedArray:
    if dim is None:
        return aval
    return aval.update(shape=(*aval.shape[:dim], *aval.shape[dim + 1 :]))


# ---- Functions held as Python


def custom_vjp_fun(function: VJPFunction, args: Sequence[Any]) -> list[Any]:
    """Call ``function`` on flat arrays; reverse-mode derivatives are computed by its rule."""
    return custom_vjp_fun_p.bind(*args, function=function)  # type: ignore[no-any-return]


class BatchedVJP(Batched):
    """A function with a rule for reverse mode, for all examples along an axis."""

    inner: VJPFunction

    def batched(self, axis: AxisData, dims: Sequence[Dim]) -> BatchedVJP:
        return BatchedVJP(self, axis, dims)

    def forward(self, args: Sequence[Any], nonzero: tuple[bool, ...]) -> tuple[list[Any], list[Any], Backward]:
        number = 0
        backward: Any = None

        def fun(*xs: Any) -> list[Any]:
            nonlocal number, backward
            outs, residuals, backward = self.inner.forward(xs, nonzero)
            number = len(outs)
            return [*outs, *residuals]

        flat, dims = run_mapped(fun, self.axis, self.dims, args)
        # If anything varies, every result does: its cotangent may then differ from example to example.
        mapped = any(d is not None for d in (*self.dims, *dims))
        outs = self.placed(flat[:number], dims[:number], (0 if mapped else None,) * number)
        many = BatchedBackward(backward, self.axis, dims[number:], self.out_dims or (), self.dims)
        return outs, flat[number:], many


@tables.jvp(custom_vjp_fun_p)
def _fun_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, function: VJPFunction) -> Any:
    outs, residuals, backward = function.forward(primals, nonzero_mask(tangents))
    return outs, _linear(function, backward, residuals, tangents, outs)


def _linear(function: Any, backward: Backward, residuals: Sequence[Any], tangents: Sequence[Any], outs: Any) -> Any:
    """Tangents of ``outs``, known by their transpose."""
    avals = [get_aval(y) for y in outs]
    mask = tuple(map(has_tangents, avals))
    trace = current_trace()
    if isinstance(trace, PartialTrace) and not any(map(trace.is_unknown, tangents)):
        # The linear program does not depend on these tangents: in a linear function such are zeros, made arrays.
        return completed((False,) * len(avals), avals, ())
    moved = custom_vjp_linear_p.bind(
        *residuals,
        *given(tangents),
        backward=backward,
        num_res=len(residuals),
        nonzero=nonzero_mask(tangents),
        out_avals=tuple(map(tangent_aval, avals)),
        name=function.name,
    )
    return completed(mask, avals, moved)


# ---- Staged functions


class Forward(NamedTuple):
    """A staged forward function.

    Attributes:
      closed: from (what the function closes over, its arguments) to (results, residuals).
      results: how many results there are.
      backward: takes what the function closes over before the residuals.
    """

    closed: ClosedJaxpr
    results: int
    backward: Any


class TracedVJP:
    """The rule of a staged function, traced when a derivative is first asked for; for its arguments see TracedJVP."""

    def __init__(self, function: VJPFunction, avals: Sequence[ShapedArray], tracers: tuple[Tracer, ...]) -> None:
        self.function = function
        self.avals = list(avals)
        self.tracers = tracers
        self.axes = tuple(axes_in_scope())
        self.name = function.name
        self.kind = function.kind
        self._known: dict[Any, Forward] = {}

    def __repr__(self) -> str:
        return self.name

    def forward(self, nonzero: tuple[bool, ...]) -> Forward:
        key = (nonzero, config.trace_key())
        if key not in self._known:
            self._known.setdefault(key, self._trace(nonzero))
        return self._known[key]

    def _trace(self, nonzero: tuple[bool, ...]) -> Forward:
        backward: Any = None
        number = 0

        def fun(*args: Any) -> list[Any]:
            nonlocal backward, number
            outs, residuals, backward = self.function.forward(args, nonzero)
            number = len(outs)
            return [*outs, *residuals]

        closed = stage_rule(self, fun, self.avals, "forward rule")
        return Forward(closed, number, TracedBackward(self, backward))

    def batched(self, axis: AxisData, dims: tuple[Dim, ...], out_dims: tuple[Dim, ...]) -> BatchedTracedVJP:
        """The rule for all examples along ``axis``; results are mapped at ``out_dims``."""
        return BatchedTracedVJP(self, axis, dims, out_dims)


class TracedBackward:
    """The backward function of a staged function: given the values that the function closes over."""

    def __init__(self, rule: TracedVJP, inner: Backward) -> None:
        self.rule = rule
        self.inner = inner
        self.name = rule.name

    def __repr__(self) -> str:
        return self.name

    def pull(self, residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        def stage(fun: FlatFun, avals: Sequence[ShapedArray]) -> ClosedJaxpr:
            return stage_rule(self.rule, fun, avals, "backward rule")

        return _pull_staged(self.inner, len(self.rule.tracers), residuals, cts, stage)


def _pull_staged(
    inner: Backward,
    known: int,
    residuals: Sequence[Any],
    cts: Sequence[Any],
    stage: Callable[[FlatFun, Sequence[ShapedArray]], ClosedJaxpr],
) -> list[Any]:
    """As ``inner.pull``, by a program that takes the first ``known`` residuals beside those of ``inner``."""
    mask = nonzero_mask(cts)
    avals = [get_aval(ct) if n else ct.aval for ct, n in zip(cts, mask, strict=True)]
    count = len(residuals) - known
    back_mask: tuple[bool, ...] = ()
    back_avals: list[ShapedArray] = []

    def fun(*flat: Any) -> list[Any]:
        nonlocal back_mask, back_avals
        back = inner.pull(flat[:count], completed(mask, avals, flat[count:]))
        back_mask = nonzero_mask(back)
        back_avals = [get_aval(ct) if n else ct.aval for ct, n in zip(back, back_mask, strict=True)]
        return given(back)

    operands = [*residuals[known:], *given(cts)]
    closed = stage(fun, list(map(get_aval, operands)))
    return completed(back_mask, back_avals, replay(closed.jaxpr, closed.consts, [*residuals[:known], *operands]))


class BatchedTracedVJP:
    """The rule of a batched staged function: that of the function, batched."""

    def __init__(
        self,
        inner: TracedVJP | BatchedTracedVJP | GuardedVJP,
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

    def __repr__(self) -> str:
        return self.name

    def forward(self, nonzero: tuple[bool, ...]) -> Forward:
        """As ``TracedVJP.forward``."""
        one, number, backward = self.inner.forward(nonzero)
        many, dims = batch_jaxpr(one, self.axis, self.dims, front=True)

        def fun(*args: Any) -> list[Any]:
            flat = replay(many.jaxpr, many.consts, args)
            return [*place(self, self.axis, flat[:number], dims[:number], self.out_dims), *flat[number:]]

        closed = many if dims[:number] == self.out_dims else stage_closed(fun, many.in_avals, name=self.name)
        consts = self.dims[: len(self.dims) - len(nonzero)]
        pulled = BatchedBackward(
            backward, self.axis, [*consts, *dims[number:]], self.out_dims, self.dims[len(consts) :]
        )
        return Forward(closed, number, pulled)

    def batched(self, axis: AxisData, dims: tuple[Dim, ...], out_dims: tuple[Dim, ...]) -> BatchedTracedVJP:
        return BatchedTracedVJP(self, axis, dims, out_dims)


@tables.jvp(custom_vjp_call_p)
def _call_jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, call_jaxpr: ClosedJaxpr, rule: Any, num_consts: int
) -> Any:
    if any(type(t) is not Zero for t in tangents[:num_consts]):
        raise closed_over(rule.kind, rule.name)
    closed, number, backward = rule.forward(nonzero_mask(tangents[num_consts:]))
    flat = replay(closed.jaxpr, closed.consts, primals)
    outs, residuals = flat[:number], flat[number:]
    return outs, _linear(rule, backward, [*primals[:num_consts], *residuals], tangents[num_consts:], outs)


class GuardedVJP:
    """The rule of a function whose effects happen under a condition, which it closes over first."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.name: str = inner.name
        self.kind: str = inner.kind

    def __repr__(self) -> str:
        return self.name

    def forward(self, nonzero: tuple[bool, ...]) -> Forward:
        """As ``TracedVJP.forward``."""
        closed, number, backward = self.inner.forward(nonzero)
        return Forward(predicated(closed), number, GuardedBackward(backward))

    def batched(self, axis: AxisData, dims: tuple[Dim, ...], out_dims: tuple[Dim, ...]) -> BatchedTracedVJP:
        return BatchedTracedVJP(self, axis, dims, out_dims)


class GuardedBackward:
    """A backward function whose effects happen under a condition, the first of its residuals."""

    def __init__(self, inner: Backward) -> None:
        self.inner = inner
        self.name = inner.name

    def __repr__(self) -> str:
        return self.name

    def pull(self, residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        def stage(fun: FlatFun, avals: Sequence[ShapedArray]) -> ClosedJaxpr:
            return predicated(stage_closed(fun, avals, name=self.name))

        return _pull_staged(self.inner, 1, residuals, cts, stage)


@tables.predicate(custom_vjp_call_p)
def _predicate(condition: Any, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    closed, consts = predicated(params["call_jaxpr"]), params["num_consts"] + 1
    return custom_vjp_call_p.bind(  # type: ignore[no-any-return]
        condition, *args, call_jaxpr=closed, rule=GuardedVJP(params["rule"]), num_consts=consts
    )


function_rules(custom_vjp_fun_p, custom_vjp_call_p, TracedVJP)
call_rules(custom_vjp_call_p)
batch_rules(custom_vjp_fun_p, custom_vjp_call_p)


# There is no forward rule to follow along a curve: the terms are those of the function's own operations.


@tables.jet(custom_vjp_fun_p)
def _fun_jet(primals: Sequence[Any], series: Sequence[Sequence[Any]], *, function: VJPFunction) -> Any:
    return jet_flat(lambda *xs: function.call(xs), primals, series, len(series[0]))


@tables.jet(custom_vjp_call_p)
def _call_jet(
    primals: Sequence[Any], series: Sequence[Sequence[Any]], *, call_jaxpr: ClosedJaxpr, **params: Any
) -> Any:
    return jet_flat(lambda *xs: replay(call_jaxpr.jaxpr, call_jaxpr.consts, xs), primals, series, len(series[0]))


# ---- The linear operation that is known by its transpose: params backward, num_res, nonzero, out_avals, name


def _forward_mode(name: str) -> TypeError:
    return TypeError(
        f"{where()}: forward-mode differentiation (jvp, jacfwd, or the linear function of linearize) was applied to "
        f"the custom_vjp function `{name}`, which has a rule for reverse mode only. Use grad, vjp or jacrev, or give "
        "the function its rule with custom_jvp."
    )


@tables.abstract(custom_vjp_linear_p)
def _linear_abstract(*avals: ShapedArray, out_avals: tuple[ShapedArray, ...], **params: Any) -> list[ShapedArray]:
    return [a for a in out_avals if has_tangents(a)]


def _refuse(*args: Any, name: str, **params: Any) -> NoReturn:
    raise _forward_mode(name)


@tables.jvp(custom_vjp_linear_p)
def _linear_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, name: str, **params: Any) -> NoReturn:
    raise _forward_mode(name)


@tables.transpose(custom_vjp_linear_p)
def _linear_transpose(
    cts: Sequence[Any], *args: Any, backward: Backward, num_res: int, nonzero: tuple[bool, ...],
    out_avals: tuple[ShapedArray, ...], name: str,
) -> list[Any]:  # fmt: skip
    residuals, tangents = args[:num_res], args[num_res:]
    left = iter(nonzero_mask(cts))
    mask = [has_tangents(a) and next(left) for a in out_avals]
    back = backward.pull(residuals, completed(mask, out_avals, given(cts)))
    wanted = [ct for ct, n in zip(back, nonzero, strict=True) if n]
    return [None] * num_res + [
        ct if type(t) is UndefinedPrimal else None for ct, t in zip(wanted, tangents, strict=True)
    ]


tables.jet[custom_vjp_linear_p] = BY_JVP
tables.partial_eval[custom_vjp_linear_p] = none("it holds no program: it is recorded where a tangent is unknown")


@tables.batch(custom_vjp_linear_p)
def _linear_batch(
    axis: AxisData, args: Sequence[Any], dims: Sequence[Dim], *, backward: Backward, num_res: int,
    nonzero: tuple[bool, ...], out_avals: tuple[ShapedArray, ...], name: str,
) -> Any:  # fmt: skip
    tangent_dims = iter([0 if d is not None else None for d in dims[num_res:]])
    in_dims = [next(tangent_dims) if n else None for n in nonzero]
    operands = [
        x if d is None or k < num_res else matchaxis(axis.size, d, 0, x)
        for k, (x, d) in enumerate(zip(args, dims, strict=True))
    ]
    out_dims = [0] * len(out_avals)
    moved = custom_vjp_linear_p.bind(
        *operands,
        backward=BatchedBackward(backward, axis, dims[:num_res], out_dims, in_dims),
        num_res=num_res,
        nonzero=nonzero,
        out_avals=tuple(with_axis(a, axis.size, 0) for a in out_avals),
        name=name,
    )
    return moved, [0] * len(moved)


tables.reference[custom_vjp_linear_p] = _refuse
tables.kernel[custom_vjp_linear_p] = none("it stands for a derivative that is not known")
tables.decompose[custom_vjp_linear_p] = _refuse
tables.program[custom_vjp_linear_p] = _refuse


@tables.eager(custom_vjp_linear_p)
def _linear_eager(args: Sequence[Any], params: dict[str, Any]) -> NoReturn:
    raise _forward_mode(params["name"])
