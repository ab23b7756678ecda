"""Forward-mode differentiation: every operation is done on primal values and, beside them, on tangents.

A value whose tangent is zero is not wrapped: it is a constant to this trace, so that zeros cost nothing and Python may
branch on known values. No operation is named; rules come from the ``jvp`` table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan import dtypes
from cotan.ir.avals import ShapedArray, get_aval, tangent_aval
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.leaks import leak_checked
from cotan.ir.primitive import Primitive, jvp
from cotan.ir.trace import Trace, Tracer, current_trace, enter_trace, leave_trace, new_trace
from cotan.structural import Zero, instantiate
from cotan.transforms.cache import weakly_cached
from cotan.transforms.stage import FlatFun, replay, stage_closed


class JVPTracer(Tracer):
    """A value with its tangent, which is never symbolically zero."""

    __slots__ = ("aval", "primal", "tangent")
    aval: ShapedArray
    _trace: JVPTrace

    def __init__(self, trace: JVPTrace, primal: Any, tangent: Any) -> None:
        self._trace = trace
        self.primal = primal
        self.tangent = tangent
        self.aval = get_aval(primal)

    def concrete(self) -> Any:
        primal = self.primal
        return primal.concrete() if isinstance(primal, Tracer) else primal

    def _known(self, error: type[Exception], what: str, hint: str) -> Any:
        # Differentiation hides no values: if this one is not known, an outer trace is the reason and says so.
        primal = self.primal
        return primal._known(error, what, hint) if isinstance(primal, Tracer) else primal


class JVPTrace(Trace):
    """Applies jvp rules in ``parent``."""

    __slots__ = ("parent",)
    name = "grad or jvp"

    def __init__(self, parent: Trace) -> None:
        super().__init__()
        self.parent = parent

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        primals: list[Any] = []
        tangents: list[Any] = []
        active = False
        for x in args:
            if type(x) is JVPTracer and x._trace is self:
                active = True
                primals.append(x.primal)
                tangents.append(x.tangent)
            else:
                primals.append(x)
                tangents.append(None)
        parent = self.parent
        token = enter_trace(parent)
        try:
            if not active:
                return primitive.bind(*args, **params)
            for k, tangent in enumerate(tangents):
                if tangent is None:
                    tangents[k] = zero_tangent(primals[k])
            out, tangent = jvp[primitive](primals, tangents, **params)
        finally:
            leave_trace(token)
        if primitive.multiple_results:
            return [self.wrap(x, t) for x, t in zip(out, tangent, strict=True)]
        return out if type(tangent) is Zero else JVPTracer(self, out, tangent)

    def wrap(self, primal: Any, tangent: Any) -> Any:
        """``primal`` with ``tangent``; itself if that is zero."""
        return primal if type(tangent) is Zero else JVPTracer(self, primal, tangent)

    def unwrap(self, x: Any) -> tuple[Any, Any]:
        """The primal and the (perhaps symbolic) tangent of ``x``."""
        if type(x) is JVPTracer and x._trace is self:
            return x.primal, x.tangent
        return x, zero_tangent(x)


def zero_tangent(x: Any) -> Zero:
    """The symbolic zero tangent of ``x``."""
    return Zero(tangent_aval(get_aval(x)))


@leak_checked
def jvp_flat(fun: FlatFun, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Values and tangents of a flat function. Tangents, in and out, may be ``Zero``."""
    with new_trace(JVPTrace(current_trace())) as trace:
        outs = fun(*[trace.wrap(x, t) for x, t in zip(primals, tangents, strict=True)])
        pairs = [trace.unwrap(x) for x in outs]
    return [x for x, _ in pairs], [t for _, t in pairs]


@weakly_cached
def jvp_jaxpr(
    closed: ClosedJaxpr, nonzero: tuple[bool, ...], instantiated: bool | tuple[bool, ...] = False
) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """The jaxpr of values and tangents of ``closed``.

    Args:
      nonzero: for each argument, whether it comes with a tangent.
      instantiated: for each result, whether its tangent must be an array even if it is zero; one bool stands for all.

    Returns:
      A jaxpr from (arguments, tangents of the nonzero ones) to (results, tangents of the nonzero ones), and for each
      result whether it has a tangent. Results without a tangent space (integers) never have one.
    """
    jaxpr = closed.jaxpr
    forced = (instantiated,) * len(jaxpr.outvars) if isinstance(instantiated, bool) else instantiated
    in_avals = closed.in_avals
    out_nonzero: tuple[bool, ...] = ()

    def fun(*args: Any) -> list[Any]:
        nonlocal out_nonzero
        primals, given = args[: len(in_avals)], iter(args[len(in_avals) :])
        tangents = [next(given) if n else Zero(tangent_aval(a)) for n, a in zip(nonzero, in_avals, strict=True)]
        outs, out_tangents = jvp_flat(lambda *xs: replay(jaxpr, closed.consts, xs), primals, tangents)
        out_nonzero = tuple(
            type(t) is not Zero or (f and t.aval.dtype != dtypes.float0)
            for t, f in zip(out_tangents, forced, strict=True)
        )
        return outs + [instantiate(t) for t, n in zip(out_tangents, out_nonzero, strict=True) if n]

    tangent_avals = [tangent_aval(a) for a, n in zip(in_avals, nonzero, strict=True) if n]
    return stage_closed(fun, [*in_avals, *tangent_avals], name=jaxpr.name), out_nonzero
