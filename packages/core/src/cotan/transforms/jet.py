"""Taylor mode: every operation is done on a value and, beside it, on its derivatives of orders 1 to n along a curve.

Terms are derivatives, not divided by factorials, so that the series of a derivative is a series without its first
term. A value whose terms all vanish is not wrapped. No operation is named: rules come from the ``jet`` table, and a
primitive that has none there is followed along the curve by its ``jvp`` rule, which is right for all and costs a little
more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan import dtypes
from cotan.ir.avals import ShapedArray, get_aval, tangent_aval
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.leaks import leak_checked
from cotan.ir.primitive import Primitive, jet, jvp
from cotan.ir.trace import Trace, Tracer, current_trace, enter_trace, leave_trace, new_trace
from cotan.structural import Zero, zeros_like_aval
from cotan.transforms.cache import weakly_cached
from cotan.transforms.jvp import zero_tangent
from cotan.transforms.stage import FlatFun, replay, stage_closed

Mask = tuple[tuple[bool, ...], ...]


class ZeroTerm:
    """A term that vanishes; ``zero_term`` is the only one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "zero_term"


class ZeroSeries:
    """What a rule may give for terms that all vanish; ``zero_series`` is the only one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "zero_series"


zero_term = ZeroTerm()
zero_series = ZeroSeries()


class JetTracer(Tracer):
    """A value with its derivatives along the curve: arrays or ``zero_term``, and one array at least."""

    __slots__ = ("_aval", "primal", "terms")
    _trace: JetTrace

    def __init__(self, trace: JetTrace, primal: Any, terms: Sequence[Any]) -> None:
        self._trace = trace
        self.primal = primal
        self.terms = tuple(terms)
        self._aval: ShapedArray | None = None

    @property
    def aval(self) -> ShapedArray:
        aval = self._aval
        if aval is None:
            aval = self._aval = get_aval(self.primal)
        return aval

    def concrete(self) -> Any:
        primal = self.primal
        return primal.concrete() if isinstance(primal, Tracer) else primal

    def _known(self, error: type[Exception], what: str, hint: str) -> Any:
        # Differentiation hides no values: if this one is not known, an outer trace is the reason and says so.
        primal = self.primal
        return primal._known(error, what, hint) if isinstance(primal, Tracer) else primal


class JetTrace(Trace):
    """Applies jet rules of ``order`` in ``parent``."""

    __slots__ = ("order", "parent")
    name = "jet"

    def __init__(self, parent: Trace, order: int) -> None:
        super().__init__()
        self.parent = parent
        self.order = order

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        primals: list[Any] = []
        series: list[list[Any]] = []
        active = False
        for x in args:
            if type(x) is JetTracer and x._trace is self:
                active = True
                primals.append(x.primal)
                series.append(list(x.terms))
            else:
                primals.append(x)
                series.append([zero_term] * self.order)
        parent = self.parent
        token = enter_trace(parent)
        try:
            if not active:
                return primitive.bind(*args, **params)
            rule = jet.get(primitive)
            if rule is None:
                out, terms = along_the_curve(primitive, primals, series, params)
            else:
                out, terms = rule(primals, series, **params)
        finally:
            leave_trace(token)
        if primitive.multiple_results:
            return [self.wrap(x, t) for x, t in zip(out, terms, strict=True)]
        return self.wrap(out, terms)

    def wrap(self, primal: Any, terms: Sequence[Any] | ZeroSeries) -> Any:
        """``primal`` with ``terms``; itself if they all vanish."""
        if isinstance(terms, ZeroSeries) or all(t is zero_term for t in terms):
            return primal
        return JetTracer(self, primal, terms)

    def unwrap(self, x: Any) -> tuple[Any, list[Any]]:
        """The value and the terms of ``x``."""
        if type(x) is JetTracer and x._trace is self:
            return x.primal, list(x.terms)
        return x, [zero_term] * self.order


def instantiate_term(term: Any, primal: Any) -> Any:
    """``term`` of ``primal`` as an array."""
    return zeros_like_aval(tangent_aval(get_aval(primal))) if term is zero_term else term


@leak_checked
def jet_flat(
    fun: FlatFun, primals: Sequence[Any], series: Sequence[Sequence[Any]], order: int
) -> tuple[list[Any], list[list[Any]]]:
    """Values and terms, ``order`` of them each, of a flat function. Terms, in and out, may be ``zero_term``."""
    with new_trace(JetTrace(current_trace(), order)) as trace:
        outs = fun(*[trace.wrap(x, terms) for x, terms in zip(primals, series, strict=True)])
        pairs = [trace.unwrap(x) for x in outs]
    return [x for x, _ in pairs], [terms for _, terms in pairs]


def along_the_curve(
    primitive: Primitive, primals: Sequence[Any], series: Sequence[Sequence[Any]], params: dict[str, Any]
) -> tuple[Any, Any]:
    """What a jet rule gives, by the jvp rule: the series of the result's slope, of one order less, are its terms."""
    order = len(series[0])
    moves = [any(t is not zero_term for t in terms) for terms in series]
    count = len(primals)
    out_zeros: list[bool] = []

    def slope(*values: Any) -> list[Any]:
        slopes = iter(values[count:])
        tangents = [next(slopes) if m else zero_tangent(x) for x, m in zip(values[:count], moves, strict=True)]
        out, out_tangents = jvp[primitive](list(values[:count]), tangents, **params)
        if not primitive.multiple_results:
            out, out_tangents = [out], [out_tangents]
        out_zeros.extend(type(t) is Zero for t in out_tangents)
        return [*out, *(t for t in out_tangents if type(t) is not Zero)]

    firsts = [instantiate_term(terms[0], x) for x, terms, m in zip(primals, series, moves, strict=True) if m]
    later = [terms[1:] for terms, m in zip(series, moves, strict=True) if m]
    earlier = [terms[:-1] for terms in series]
    values, found = jet_flat(slope, [*primals, *firsts], [*earlier, *later], order - 1)
    results = len(out_zeros)
    derivatives = iter([[first, *rest] for first, rest in zip(values[results:], found[results:], strict=True)])
    out_series = [zero_series if z else next(derivatives) for z in out_zeros]
    if primitive.multiple_results:
        return values[:results], out_series
    return values[0], out_series[0]


@weakly_cached
def jet_jaxpr(closed: ClosedJaxpr, nonzero: Mask, instantiated: Mask | None = None) -> tuple[ClosedJaxpr, Mask]:
    """The jaxpr of values and terms of ``closed``.

    Args:
      nonzero: for each argument and order, whether it comes with a term.
      instantiated: for each result and order, whether its term must be an array even if it vanishes.

    Returns:
      A jaxpr from (arguments, their terms) to (results, their terms), where terms that vanish are left out and those of
      one value stand together; and for each result and order whether it has a term. Results without a tangent space
      (integers) never have any.
    """
    jaxpr = closed.jaxpr
    in_avals = closed.in_avals
    order = len(nonzero[0])
    forced = instantiated or ((False,) * order,) * len(jaxpr.outvars)
    out_nonzero: Mask = ()

    def fun(*args: Any) -> list[Any]:
        nonlocal out_nonzero
        given = iter(args[len(in_avals) :])
        series = [[next(given) if n else zero_term for n in mask] for mask in nonzero]
        outs, out_series = jet_flat(lambda *xs: replay(jaxpr, closed.consts, xs), args[: len(in_avals)], series, order)
        out_nonzero = tuple(
            tuple(
                t is not zero_term or (f and tangent_aval(get_aval(x)).dtype != dtypes.float0)
                for t, f in zip(terms, mask, strict=True)
            )
            for x, terms, mask in zip(outs, out_series, forced, strict=True)
        )
        return [*outs, *present_terms(outs, out_series, out_nonzero)]

    term_avals = [tangent_aval(a) for a, mask in zip(in_avals, nonzero, strict=True) for n in mask if n]
    return stage_closed(fun, [*in_avals, *term_avals], name=jaxpr.name), out_nonzero


def mask_of(series: Sequence[Sequence[Any]]) -> Mask:
    """For each series and order whether it has a term."""
    return tuple(tuple(t is not zero_term for t in terms) for terms in series)


def present_terms(primals: Sequence[Any], series: Sequence[Sequence[Any]], mask: Mask) -> list[Any]:
    """The terms for which ``mask`` is true, as arrays, one after the other."""
    return [
        instantiate_term(t, x)
        for x, terms, row in zip(primals, series, mask, strict=True)
        for t, n in zip(terms, row, strict=True)
        if n
    ]


def terms_of(mask: Mask, flat: Sequence[Any]) -> list[list[Any]]:
    """The series whose terms that do not vanish stand in ``flat``, one after the other."""
    fresh = iter(flat)
    return [[next(fresh) if n else zero_term for n in row] for row in mask]
