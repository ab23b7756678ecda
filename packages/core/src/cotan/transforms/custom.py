"""What custom rules need: Python functions that close over traced values, batched and staged with those values.

A function that is held by an equation runs later, in another trace than the one in which it was given: mapped values
that it closes over are recognised then, and traced values become operands. Names no operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cotan.ir.avals import ShapedArray
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.leaks import leak_checked
from cotan.ir.primitive import Primitive
from cotan.ir.trace import Tracer, current_trace, new_trace
from cotan.transforms.batch import AxisData, BatchTrace, BatchTracer, Dim
from cotan.transforms.stage import FlatFun, StageTrace


class _SameAxisTrace(BatchTrace):
    """Maps over the axis of another trace, whose tracers it takes for its own: the axis is one object for both."""

    __slots__ = ()

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        own = [BatchTracer(self, x.val, x.dim) if isinstance(x, Tracer) and self.owns(x) else x for x in args]
        return super().process(primitive, own, params)

    def owns(self, tracer: Tracer) -> bool:
        return type(tracer) is BatchTracer and tracer._trace.axis is self.axis

    def unwrap(self, x: Any) -> tuple[Any, Dim]:
        return (x.val, x.dim) if isinstance(x, Tracer) and self.owns(x) else (x, None)


@leak_checked
def run_mapped(
    fun: FlatFun, axis: AxisData, in_dims: Sequence[Dim], args: Sequence[Any]
) -> tuple[list[Any], list[Dim]]:
    """As ``batch_flat``, for a function that may close over values that are mapped over the same ``axis``."""
    trace: _SameAxisTrace
    with new_trace(_SameAxisTrace(current_trace(), axis)) as trace:
        outs = fun(*[trace.wrap(x, d) for x, d in zip(args, in_dims, strict=True)])
        pairs = [trace.unwrap(x) for x in outs]
    return [x for x, _ in pairs], [d for _, d in pairs]


class Lifted(NamedTuple):
    """A staged function: ``closed`` takes the values of ``tracers`` first, then the arguments."""

    closed: ClosedJaxpr
    tracers: tuple[Tracer, ...]


@leak_checked
def stage_lifted(
    fun: FlatFun,
    in_avals: Sequence[ShapedArray],
    *,
    name: str,
    by: str,
    adopted: Sequence[Tracer] = (),
    axes: Sequence[AxisData] | None = None,
) -> Lifted:
    """Record a flat function; traced values that it closes over become its first arguments.

    Args:
      name: the function's name. by: who asks, for messages.
      adopted: tracers that are arguments in any case, and the first; their own traces may have ended.
      axes: the named axes that are in scope; None: those that are so now.
    """
    trace: StageTrace
    with new_trace(StageTrace(current_trace(), f"{by} (`{name}`)", axes=axes)) as trace:
        for x in adopted:
            trace.adopt(x)
        outs = fun(*[trace.new_arg(aval) for aval in in_avals])
        jaxpr, consts = trace.to_jaxpr(outs, name)
    pairs = list(zip(jaxpr.constvars, consts, strict=True))
    outer = [(v, c) for v, c in pairs if isinstance(c, Tracer)]
    inner = [(v, c) for v, c in pairs if not isinstance(c, Tracer)]
    jaxpr = jaxpr.replace(constvars=[v for v, _ in inner], invars=[*(v for v, _ in outer), *jaxpr.invars])
    return Lifted(ClosedJaxpr(jaxpr, [c for _, c in inner]), tuple(c for _, c in outer))
