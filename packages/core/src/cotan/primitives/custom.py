"""What the primitives of custom rules share: functions that are held as Python, and calls of their staged programs.

A custom rule is two primitives. One holds the user's Python functions, and runs them at once, so that Python may branch
on known values; while a program is being staged, its ``stage`` rule turns the function into a jaxpr and records the
other, whose rule is traced when a transform asks for it. Nothing here knows pytrees or users' signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from cotan import dtypes
from cotan.errors import UnexpectedTracerError, where
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval, same_type, tangent_aval
from cotan.ir.evaluate import eval_closed
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.primitives.call import INLINED, evaluate_by_reference
from cotan.structural import UndefinedPrimal, Zero
from cotan.transforms.batch import AxisData, Dim, batch_jaxpr, matchaxis
from cotan.transforms.custom import run_mapped, stage_lifted
from cotan.transforms.partial_eval import PartialTrace
from cotan.transforms.stage import FlatFun, StageTrace, replay
from cotan.transforms.transpose import backward_pass

NEVER_STAGED = none("it holds Python functions: its rule for staging records another primitive")


class Function(Protocol):
    """A function of flat arrays that an equation holds, with a rule of its own."""

    @property
    def kind(self) -> str:
        """What gave it the rule, for messages: ``custom_jvp``."""

    @property
    def name(self) -> str:
        """The user's name of the function, for messages."""

    def call(self, args: Sequence[Any]) -> list[Any]:
        """The results, computed in the current trace."""

    def settled(self, args: Sequence[Any]) -> list[Any]:
        """As ``call``, but if anything varies over a mapped axis, all results do, along axis 0."""


class MappableFunction(Function, Protocol):
    """A function whose rule is for derivatives."""

    def batched(self, axis: AxisData, dims: Sequence[Dim]) -> Batched:
        """The function for all examples along ``axis``."""


class Batched:
    """A function of all examples along ``axis``.

    ``out_dims`` says where its results are mapped, and is known when one of its methods has run.
    """

    def __init__(self, inner: Function, axis: AxisData, dims: Sequence[Dim]) -> None:
        self.inner = inner
        self.axis = axis
        self.dims = tuple(dims)
        self.out_dims: tuple[Dim, ...] | None = None
        self.kind = inner.kind
        self.name = inner.name

    def call(self, args: Sequence[Any]) -> list[Any]:
        """The results, mapped where they depend on mapped values."""
        outs, dims = run_mapped(lambda *xs: self.inner.call(xs), self.axis, self.dims, args)
        self.out_dims = tuple(dims)
        return outs

    def settled(self, args: Sequence[Any]) -> list[Any]:
        """The results, mapped if anything is."""
        outs, dims = run_mapped(lambda *xs: self.inner.settled(xs), self.axis, self.dims, args)
        mapped = any(d is not None for d in (*self.dims, *dims))
        return self.placed(outs, dims, (0 if mapped else None,) * len(outs))

    def placed(self, outs: Sequence[Any], dims: Sequence[Dim], wanted: Sequence[Dim]) -> list[Any]:
        """Results with their mapped axes where they are ``wanted``, or where an earlier run has had them."""
        if self.out_dims is None:
            self.out_dims = tuple(wanted)
        return place(self, self.axis, outs, dims, self.out_dims)


def place(function: Any, axis: AxisData, outs: Sequence[Any], dims: Sequence[Dim], wanted: Sequence[Dim]) -> list[Any]:
    """Move the mapped axes of ``outs`` from ``dims`` to ``wanted``.

    Raises:
      UnexpectedTracerError: the rule gave a mapped result where the function gives none.
    """
    if any(w is None and d is not None for d, w in zip(dims, wanted, strict=True)):
        raise UnexpectedTracerError(
            f"{where()}: the rule of the {function.kind} function `{function.name}` depends on a value that is mapped "
            "by vmap and that the function itself does not use; pass that value to the function as an argument"
        )
    return [x if w is None else matchaxis(axis.size, d, w, x) for x, d, w in zip(outs, dims, wanted, strict=True)]


def closed_over(kind: str, name: str) -> UnexpectedTracerError:
    """The error for a function with a rule that uses, but is not given, a value that is being differentiated."""
    return UnexpectedTracerError(
        f"{where()}: the {kind} function `{name}` closes over a value that is being differentiated. "
        "Its rule says only how it depends on its arguments: pass that value as an argument, too."
    )


def stage_rule(rule: Any, fun: FlatFun, avals: Sequence[ShapedArray], which: str) -> ClosedJaxpr:
    """Trace the rule of a staged function.

    Args:
      rule: knows the ``kind``, ``name`` and ``tracers`` of the function, which become the first arguments, and the
        named ``axes`` that were in scope where it was staged.
      fun: what to trace, on ``avals``. which: what it is, for messages.

    Raises:
      UnexpectedTracerError: it closes over traced values that the function does not close over.
    """
    try:
        closed, tracers = stage_lifted(
            fun, avals, name=rule.name, by=f"the {which} of {rule.kind}", adopted=rule.tracers, axes=rule.axes
        )
    except UnexpectedTracerError as error:
        if error.tracing is not False:
            raise
        raise _not_given(rule, which) from None
    if len(tracers) > len(rule.tracers):
        raise _not_given(rule, which)
    return closed


def _not_given(rule: Any, which: str) -> UnexpectedTracerError:
    return UnexpectedTracerError(
        f"{where()}: the {which} of the {rule.kind} function `{rule.name}` closes over a traced value that the "
        "function itself does not use. Inside of jit a rule is traced when a derivative is asked for, and there that "
        "value is not known: pass it to the function as an argument."
    )


# ---- The primitive that holds Python functions: params function


def function_rules(primitive: Primitive, staged: Primitive, rule_of: Callable[..., Any]) -> None:
    """The rules that do not depend on what the custom rule is: all but jvp, jet and batch.

    Args:
      staged: the primitive of calls of staged functions.
      rule_of: makes its parameter ``rule`` from the function, the types of its arguments and the tracers that it
        closes over.
    """
    tables.abstract[primitive] = NEVER_STAGED
    tables.transpose[primitive] = NEVER_STAGED

    @tables.partial_eval(primitive)
    def partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        # What is unknown here has been differentiated already: only the function's own operations are left to do.
        return params["function"].call(args)  # type: ignore[no-any-return]

    @tables.eager(primitive)
    def eager(args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        return params["function"].call(args)  # type: ignore[no-any-return]

    @tables.stage(primitive)
    def stage(trace: StageTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        function: Function = params["function"]
        avals = [get_aval(x) for x in args]
        closed, tracers = stage_lifted(lambda *xs: function.settled(xs), avals, name=function.name, by=function.kind)
        rule = rule_of(function, avals, tracers)
        return trace.record(  # type: ignore[no-any-return]
            staged, [*tracers, *args], {"call_jaxpr": closed, "rule": rule, "num_consts": len(tracers)}
        )

    for table in (tables.reference, tables.kernel, tables.decompose):
        table[primitive] = NEVER_STAGED


# ---- The primitive of staged functions: params call_jaxpr, rule, num_consts


def call_rules(primitive: Primitive) -> None:
    """The rules by which a call of a staged function is the call of its program: all but jvp, jet and batch."""
    run_rules(primitive)

    @tables.transpose(primitive)
    def transpose(cts: Sequence[Any], *args: Any, call_jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
        back = iter(backward_pass(call_jaxpr.jaxpr, call_jaxpr.consts, cts, args))
        return [next(back) if type(x) is UndefinedPrimal else None for x in args]

    @tables.partial_eval(primitive)
    def partial_eval(trace: PartialTrace, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        closed = params["call_jaxpr"]
        return replay(closed.jaxpr, closed.consts, args)


def run_rules(primitive: Primitive) -> None:
    """The rules of types, and of those who run programs, for an equation that runs its parameter ``call_jaxpr``."""

    @tables.abstract(primitive)
    def abstract(*avals: ShapedArray, call_jaxpr: ClosedJaxpr, **params: Any) -> list[ShapedArray]:
        expected = call_jaxpr.in_avals
        if len(avals) != len(expected) or not all(map(same_type, avals, expected)):
            raise TypeError(
                f"{primitive} of `{call_jaxpr.jaxpr.name}` takes ({', '.join(a.short() for a in expected)}), "
                f"got ({', '.join(a.short() for a in avals)})"
            )
        return list(call_jaxpr.out_avals)

    @tables.reference(primitive)
    def reference(*args: Any, call_jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
        return evaluate_by_reference(call_jaxpr, args)

    @tables.decompose(primitive)
    def decompose(*args: Any, call_jaxpr: ClosedJaxpr, **params: Any) -> list[Any]:
        return eval_closed(call_jaxpr, *args)

    @tables.program(primitive)
    def program(*, call_jaxpr: ClosedJaxpr, **params: Any) -> ClosedJaxpr:
        return call_jaxpr

    @tables.effects(primitive)
    def effects(*, call_jaxpr: ClosedJaxpr, **params: Any) -> Any:
        return call_jaxpr.effects

    @tables.eager(primitive)
    def eager(args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        return eval_closed(params["call_jaxpr"], *args)

    tables.kernel[primitive] = INLINED


# ---- Mapping a function whose rule is for derivatives


def batch_rules(primitive: Primitive, staged: Primitive) -> None:
    """The batching rules of the primitive that holds Python functions and of that of staged ones."""

    @tables.batch(primitive)
    def batch(axis: AxisData, args: Sequence[Any], dims: Sequence[Dim], *, function: MappableFunction) -> Any:
        batched = function.batched(axis, dims)
        outs = primitive.bind(*args, function=batched)
        return outs, list(batched.out_dims or ())

    @tables.batch(staged)
    def batch_staged(
        axis: AxisData,
        args: Sequence[Any],
        dims: Sequence[Dim],
        *,
        call_jaxpr: ClosedJaxpr,
        rule: Any,
        num_consts: int,
    ) -> Any:
        # The rule may give mapped tangents where the function's own results happen not to be mapped.
        mapped = any(d is not None for d in dims)
        closed, out_dims = batch_jaxpr(call_jaxpr, axis, tuple(dims), mapped=mapped, front=True)
        changed = rule.batched(axis, tuple(dims), out_dims)
        return staged.bind(*args, call_jaxpr=closed, rule=changed, num_consts=num_consts), list(out_dims)


# ---- Tangents in flat lists


def given(tangents: Sequence[Any]) -> list[Any]:
    """The tangents that are arrays."""
    return [t for t in tangents if type(t) is not Zero]


def nonzero_mask(tangents: Sequence[Any]) -> tuple[bool, ...]:
    """For each tangent, whether it is an array."""
    return tuple(type(t) is not Zero for t in tangents)


def completed(mask: Sequence[bool], avals: Sequence[ShapedArray], arrays: Sequence[Any]) -> list[Any]:
    """One tangent per primal type: the next of ``arrays`` where ``mask`` says so, otherwise zero."""
    rest = iter(arrays)
    return [next(rest) if n else Zero(tangent_aval(a)) for n, a in zip(mask, avals, strict=True)]


def has_tangents(aval: ShapedArray) -> bool:
    """Whether values of this type have tangents other than zero."""
    return bool(tangent_aval(aval).dtype != dtypes.float0)
