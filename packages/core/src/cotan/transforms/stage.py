"""Staging: run a Python function on tracers and record what it does as a jaxpr.

``Recorder`` is the recording part, which partial evaluation uses too. Everything that happens while a ``StageTrace`` is
current is recorded, also what does not depend on the arguments; nothing is computed. Constants are recognised by
identity; scalars become literals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.config import config
from cotan.errors import SourceFrame, enter_scope, leave_scope, source_frame
from cotan.ir.avals import ShapedArray, get_aval
from cotan.ir.check import check_jaxpr
from cotan.ir.effects import Effects, no_effects
from cotan.ir.evaluate import eval_jaxpr
from cotan.ir.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from cotan.ir.leaks import leak_checked
from cotan.ir.primitive import Primitive, abstract, effects, stage
from cotan.ir.trace import Trace, Tracer, current_trace, new_trace
from cotan.structural import NotLinearError, UndefinedPrimal

FlatFun = Callable[..., Sequence[Any]]
PYTHON_SCALARS = frozenset((bool, int, float, complex))
_NUMPY = (np.generic, np.ndarray)


class StageTracer(Tracer):
    """A variable of the jaxpr that is being recorded."""

    __slots__ = ("aval", "variable")
    aval: ShapedArray
    _trace: Recorder

    def __init__(self, trace: Recorder, var: Var) -> None:
        self._trace = trace
        self.variable = var
        self.aval = var.aval

    def origin(self) -> str:
        names = self._trace.arguments_behind(self.variable)
        if not names:
            return (
                "It does not depend on the function's arguments, but what runs while tracing is recorded, not computed."
            )
        shown = ", ".join(f"`{name}`" for name in names[:4]) + (", ..." if len(names) > 4 else "")
        return f"It depends on argument{'s' if len(names) > 1 else ''} {shown}."


class Recorder(Trace):
    """Records equations. ``parent`` is the trace in which the recorded function was called.

    Attributes:
      source: the place of all that is recorded now; None: the user's line that runs.
      places: whether equations have places at all.
    """

    __slots__ = ("_consts", "arg_names", "eqns", "invars", "name", "parent", "places", "source")
    name: str

    def __init__(self, parent: Trace, name: str, arg_names: Sequence[str] = ()) -> None:
        super().__init__()
        self.name = name
        self.parent = parent
        self.eqns: list[Eqn] = []
        self.invars: list[Var] = []
        self.arg_names = tuple(arg_names)
        self.source: SourceFrame | None = None
        self.places = True
        # id -> (variable, the value to bind, the original value, which keeps the id valid)
        self._consts: dict[int, tuple[Var, Any, Any]] = {}

    def new_arg(self, aval: ShapedArray) -> StageTracer:
        """A tracer for one more argument of the program."""
        var = Var(aval)
        self.invars.append(var)
        return StageTracer(self, var)

    def atom(self, x: Any) -> Atom:
        """What stands for ``x`` in an equation: its variable, a literal, or a constant's variable."""
        if type(x) is StageTracer and x._trace is self:
            return x.variable
        if type(x) in PYTHON_SCALARS:
            return Literal(x)
        found = self._consts.get(id(x))
        if found is not None:
            return found[0]
        if isinstance(x, Tracer):
            if not self._may_use(x):
                return self.atom(x.outside())
            return self._constant(x, x, x.aval)
        aval = get_aval(x)
        if dtypes.is_python_scalar(x):  # of a type derived from Python's numbers
            return Literal(dtypes.plain_scalar(x))
        if isinstance(x, _NUMPY):
            value = np.array(x, aval.dtype)  # a copy: the program must not change when the caller's memory does
            if not aval.shape:
                return Literal(value, aval)
            value.flags.writeable = False
            return self._constant(x, value, aval)
        if type(x) is UndefinedPrimal:
            raise NotLinearError("it combines two values that depend on them, as a product does")
        return self._constant(x, x, aval)

    def _may_use(self, x: Tracer) -> bool:
        """Whether ``x`` belongs to a trace around this one, or is known to one of those as a constant."""
        trace: Trace | None = self.parent
        while trace is not None:
            if trace.owns(x) or (isinstance(trace, Recorder) and id(x) in trace._consts):
                return True
            trace = getattr(trace, "parent", None)
        return False

    def adopt(self, x: Tracer) -> None:
        """Take ``x``, perhaps of a trace that has ended, for a constant; constants are in the order of adoption."""
        self._constant(x, x, x.aval)

    def _constant(self, original: Any, value: Any, aval: ShapedArray) -> Var:
        var = Var(aval)
        self._consts[id(original)] = (var, value, original)
        return var

    def record(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Record one equation and return tracers of its results."""
        atoms = [self.atom(x) for x in args]
        out = abstract[primitive](*[a.aval for a in atoms], **params)
        effect_rule = effects.get(primitive)
        done = no_effects if effect_rule is None else effect_rule(**params)
        avals = out if primitive.multiple_results else (out,)
        return self.append(primitive, atoms, params, avals, self.place(), done)

    def place(self) -> SourceFrame | None:
        """The place of what is recorded now."""
        return self.source or (source_frame() if self.places else None)

    def append(
        self,
        primitive: Primitive,
        atoms: Sequence[Atom],
        params: dict[str, Any],
        avals: Sequence[ShapedArray],
        source: SourceFrame | None,
        done: Effects = no_effects,
    ) -> Any:
        """Record one equation whose results are of types ``avals``, and return tracers of them."""
        if primitive.multiple_results:
            outvars = [Var(aval) for aval in avals]
            self.eqns.append(Eqn(primitive, atoms, outvars, params, done, source))
            return [StageTracer(self, var) for var in outvars]
        outvar = Var(avals[0])
        self.eqns.append(Eqn(primitive, atoms, (outvar,), params, done, source))
        return StageTracer(self, outvar)

    def to_jaxpr(self, outs: Sequence[Any], name: str = "") -> tuple[Jaxpr, list[Any]]:
        """The recorded program with results ``outs``, and the values of its constvars."""
        outvars = [self.atom(x) for x in outs]
        entries = list(self._consts.values())
        jaxpr = Jaxpr(
            [var for var, _, _ in entries], self.invars, self.eqns, outvars, name=name, arg_names=self.arg_names
        )
        if config.check_jaxprs:
            check_jaxpr(jaxpr)
        return jaxpr, [value for _, value, _ in entries]

    def arguments_behind(self, var: Var) -> list[str]:
        """The user's names of the arguments on which ``var`` depends, in their order."""
        wanted = {var}
        for eqn in reversed(self.eqns):
            if not wanted.isdisjoint(eqn.outvars):
                wanted.update(v for v in eqn.invars if isinstance(v, Var))
        return [name for name, v in zip(self.arg_names, self.invars, strict=False) if v in wanted and name]


class StageTrace(Recorder):
    """Records every operation. ``axes``: the named axes in scope; None: those that are where it is made."""

    __slots__ = ("axes",)

    def __init__(
        self, parent: Trace, name: str, arg_names: Sequence[str] = (), axes: Sequence[Any] | None = None
    ) -> None:
        super().__init__(parent, name, arg_names)
        self.axes = axes

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        rule = stage.get(primitive)
        return self.record(primitive, args, params) if rule is None else rule(self, args, params)


@leak_checked
def stage_to_jaxpr(
    fun_flat: FlatFun,
    in_avals: Sequence[ShapedArray],
    *,
    name: str = "",
    arg_names: Sequence[str] = (),
    by: str = "jit",
    place: str = "",
    axes: Sequence[Any] | None = None,
) -> tuple[Jaxpr, list[Any]]:
    """Record ``fun_flat`` (flat arrays to a sequence of arrays) at the given avals.

    Args:
      name: the function's name, for messages and the printer.
      arg_names: the user's names of the arguments, for messages.
      by: the transform that asks, for messages.
      place: where the function was defined, for messages.
      axes: the named axes in scope; None: those that are where it is called.

    Returns:
      The jaxpr and the values of its constvars, which may be tracers of outer traces.
    """
    described = f"{by} (`{name}`{', ' if place else ''}{place})" if name else by
    # The program may be used again elsewhere: what is around this call is no part of its names.
    scope = enter_scope("")
    try:
        with new_trace(StageTrace(current_trace(), described, arg_names, axes)) as trace:
            outs = fun_flat(*[trace.new_arg(aval) for aval in in_avals])
            return trace.to_jaxpr(outs, name)  # type: ignore[no-any-return]
    finally:
        leave_scope(scope)


def stage_closed(fun_flat: FlatFun, in_avals: Sequence[ShapedArray], *, name: str = "") -> ClosedJaxpr:
    """``stage_to_jaxpr`` as a closed jaxpr, for transforms that retrace a closed program."""
    return ClosedJaxpr(*stage_to_jaxpr(fun_flat, in_avals, name=name))


def replay(jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Bind the equations of ``jaxpr`` in the current trace; what is recorded keeps its place in the user's program."""
    recorders = recorders_of(current_trace())
    if not recorders:
        return eval_jaxpr(jaxpr, consts, *args)
    env: dict[Var, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Atom) -> Any:
        return atom.val if isinstance(atom, Literal) else env[atom]

    saved = [recorder.source for recorder in recorders]
    try:
        for eqn in jaxpr.eqns:
            for recorder in recorders:
                recorder.source = eqn.source
            results = eqn.primitive.bind(*map(read, eqn.invars), **eqn.params)
            env.update(zip(eqn.outvars, results if eqn.primitive.multiple_results else (results,), strict=True))
    finally:
        for recorder, source in zip(recorders, saved, strict=True):
            recorder.source = source
    return [read(v) for v in jaxpr.outvars]


def recorders_of(trace: Trace | None) -> list[Recorder]:
    """All recorders among ``trace`` and its parents, down to the one that stages everything."""
    found: list[Recorder] = []
    while trace is not None and not isinstance(trace, StageTrace):
        if isinstance(trace, Recorder):
            found.append(trace)
        trace = getattr(trace, "parent", None)
    return found if trace is None else [*found, trace]
