"""Partial evaluation: do what is known now, record what is not.

Reverse mode is this over forward mode: primal values are known, tangents are not, so what gets recorded is the linear
program of tangents, whose constants are the residuals. No operation is named; higher-order primitives have rules in the
``partial_eval`` table, by which they split their own programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cotan import dtypes
from cotan.config import config
from cotan.ir.avals import get_aval, tangent_aval
from cotan.ir.check import check_jaxpr
from cotan.ir.jaxpr import ClosedJaxpr, Jaxpr, Var
from cotan.ir.leaks import leak_checked
from cotan.ir.primitive import Primitive, jvp, partial_eval
from cotan.ir.trace import current_trace, enter_trace, leave_trace, new_trace
from cotan.structural import Zero
from cotan.transforms.cache import weakly_cached
from cotan.transforms.jvp import JVPTrace, JVPTracer, zero_tangent
from cotan.transforms.prune import prune
from cotan.transforms.routines import Routine, Routines, kind_of, operand_of, recorded
from cotan.transforms.stage import FlatFun, Recorder, StageTrace, StageTracer, recorders_of, replay


class PartialTrace(Recorder):
    """Binds operations of known values in ``parent`` and records the others. Its tracers are the unknown values."""

    __slots__ = ()

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        for x in args:
            if type(x) is StageTracer and x._trace is self:
                rule = partial_eval.get(primitive)
                return self.record(primitive, args, params) if rule is None else rule(self, args, params)
        return self.bind_known(primitive, args, params)

    def bind_known(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Bind in the parent; for known operands only."""
        token = enter_trace(self.parent)
        try:
            return primitive.bind(*args, **params)
        finally:
            leave_trace(token)

    def is_unknown(self, x: Any) -> bool:
        return type(x) is StageTracer and x._trace is self


class Linearized(NamedTuple):
    """A function at a point: its values and its derivative there, as a linear program."""

    outs: list[Any]
    out_zeros: tuple[bool, ...]
    jaxpr: Jaxpr
    residuals: list[Any]


class LinearTrace(JVPTrace):
    """Applies jvp rules to known values and unknown tangents, by routines where there are any."""

    __slots__ = ("unknown",)

    def __init__(self, unknown: PartialTrace) -> None:
        super().__init__(unknown)
        self.unknown = unknown

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        values: list[Any] = []
        tangents: list[Any] = []
        kinds: list[Any] = [primitive]
        for x in args:
            if type(x) is JVPTracer and x._trace is self:
                values.append(x.primal)
                tangents.append(x.tangent)
                kinds.append(~id(x.aval))  # no address
            else:
                values.append(x)
                kinds.append(kind_of(x))
        if not tangents:
            return self.unknown.bind_known(primitive, args, params)
        if primitive.higher_order:
            return super().process(primitive, args, params)
        routine = linear_routines.find(kinds, params)
        if routine is None:
            result = super().process(primitive, args, params)
            linear_routines.meet(primitive, kinds, params, lambda: self.routine(primitive, args, params))
            return result
        unknown = self.unknown
        outer = unknown.parent
        token = enter_trace(outer)
        try:
            found = routine.run(values + tangents, outer, unknown)
        finally:
            leave_trace(token)
        if primitive.multiple_results:
            pairs = zip(routine.outs, routine.extra, strict=True)
            return [found[k] if t is None else JVPTracer(self, found[k], found[t]) for k, t in pairs]
        out, dot = found[routine.outs[0]], routine.extra[0]
        return out if dot is None else JVPTracer(self, out, found[dot])

    def routine(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Routine | None:
        """What the rule does with operands like ``args``; ``extra`` says where the tangents of the results are."""
        moving = [type(x) is JVPTracer and x._trace is self for x in args]
        primals = [operand_of(x) for x in args]
        dots = [tangent_aval(x.aval) for x, moves in zip(args, moving, strict=True) if moves]
        count = 0

        def rule(given: list[Any]) -> tuple[list[Any], None]:
            nonlocal count
            rest = iter(given[len(args) :])
            tangents = [next(rest) if m else zero_tangent(x) for x, m in zip(given, moving, strict=False)]
            out, dot = jvp[primitive](given[: len(args)], tangents, **params)
            outs, out_dots = (out, dot) if primitive.multiple_results else ([out], [dot])
            count = len(outs)
            return [*outs, *out_dots], None

        found = recorded(rule, [*primals, *dots], linear=len(dots))
        return found and found._replace(outs=found.outs[:count], avals=found.avals[:count], extra=found.outs[count:])


linear_routines = Routines()
"""Routines of jvp rules with unknown tangents."""


@leak_checked
def linearize_flat(fun: FlatFun, primals: Sequence[Any], *, passing: bool = False) -> Linearized:
    """Values of a flat function and the linear program of its tangents.

    Args:
      passing: whether nobody is shown the program: its equations need no places if nobody records them once more.

    Returns:
      ``outs``; for each of them whether its tangent is symbolically zero; a jaxpr from one tangent per primal
      (``float0`` ones are never read) to the tangents that are not zero; and the values of its constvars.
    """
    parent = current_trace()
    with new_trace(PartialTrace(parent, "grad or vjp")) as unknown, new_trace(LinearTrace(unknown)) as trace:
        unknown.places = not passing or bool(recorders_of(parent))
        args = []
        for x in primals:
            aval = tangent_aval(get_aval(x))
            tangent = unknown.new_arg(aval)
            args.append(x if aval.dtype == dtypes.float0 else trace.wrap(x, tangent))
        return linearized(trace, fun(*args))


def linearized(trace: LinearTrace, outs: Sequence[Any]) -> Linearized:
    """The end of ``linearize_flat``: what was computed and recorded for these results."""
    pairs = [trace.unwrap(y) for y in outs]
    out_zeros = tuple(type(t) is Zero for _, t in pairs)
    jaxpr, residuals = trace.unknown.to_jaxpr([t for _, t in pairs if type(t) is not Zero])
    return Linearized([y for y, _ in pairs], out_zeros, jaxpr, residuals)


class Split(NamedTuple):
    """A jaxpr cut in two.

    Attributes:
      known: from the known arguments to (known results, new residuals).
      unknown: from (residuals, unknown arguments) to the unknown results.
      out_unknown: for each result of the whole, whether it is unknown.
      residuals: where each residual comes from: the number of a known argument, or that of a result of ``known`` after
        those.
    """

    known: ClosedJaxpr
    unknown: ClosedJaxpr
    out_unknown: tuple[bool, ...]
    residuals: tuple[int, ...]

    @property
    def known_results(self) -> int:
        """How many results of the whole ``known`` returns, before new residuals."""
        return self.out_unknown.count(False)

    def residual_values(self, known_args: Sequence[Any], results: Sequence[Any]) -> list[Any]:
        """The residuals, given the known arguments and what ``known`` returned for them."""
        sources = [*known_args, *results]
        return [sources[k] for k in self.residuals]


@weakly_cached
@leak_checked
def partial_eval_jaxpr(
    closed: ClosedJaxpr, unknown_mask: tuple[bool, ...], instantiated: tuple[bool, ...] | bool = False
) -> Split:
    """Cut ``closed`` into what the known arguments determine and the rest.

    Args:
      unknown_mask: for each argument, whether it is unknown.
      instantiated: for each result, whether it must be unknown in any case; one bool stands for all.
    """
    jaxpr = closed.jaxpr
    forced = (instantiated,) * len(jaxpr.outvars) if isinstance(instantiated, bool) else instantiated
    with (
        new_trace(StageTrace(current_trace(), "partial evaluation")) as known,
        new_trace(PartialTrace(known, "partial evaluation")) as unknown,
    ):
        args = [(unknown if u else known).new_arg(a) for u, a in zip(unknown_mask, closed.in_avals, strict=True)]
        outs = replay(jaxpr, closed.consts, args)
        out_unknown = tuple(f or unknown.is_unknown(y) for y, f in zip(outs, forced, strict=True))
        rest, constants = unknown.to_jaxpr([y for y, u in zip(outs, out_unknown, strict=True) if u])
        rest, constants = prune(rest, constants)
        is_residual = [type(c) is StageTracer and c._trace is known for c in constants]
        residuals = [c for c, r in zip(constants, is_residual, strict=True) if r]
        results = [y for y, u in zip(outs, out_unknown, strict=True) if not u]
        given = {*known.invars, *(y.variable for y in results if type(y) is StageTracer)}
        results += [r for r in residuals if r.variable not in given]
        first, consts = prune(*known.to_jaxpr(results, jaxpr.name))
        positions = {v: k for k, v in reversed(list(enumerate((*first.invars, *first.outvars)))) if isinstance(v, Var)}
        sources = tuple(positions[r.variable] for r in residuals)
    rest = rest.replace(
        constvars=[v for v, r in zip(rest.constvars, is_residual, strict=True) if not r],
        invars=[v for v, r in zip(rest.constvars, is_residual, strict=True) if r] + list(rest.invars),
        name=jaxpr.name,
    )
    held = [c for c, r in zip(constants, is_residual, strict=True) if not r]
    if config.check_jaxprs:
        check_jaxpr(first)
        check_jaxpr(rest)
    return Split(ClosedJaxpr(first, consts), ClosedJaxpr(rest, held), out_unknown, sources)
