"""Linearisation put off: which routines follow on which values is noted, and computed when a value is needed.

Where every operation of a function has a routine, nothing has to be computed while the function runs. What was noted is
the key of a program (``gradients``). Whoever needs a value before (a branch, a print, an operation without a routine)
has everything up to there computed, operation by operation. No operation is named.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from sys import getrefcount
from threading import Lock
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan.config import Config, config, overriding, traced_flags
from cotan.forks import opened_by_fork
from cotan.ir.avals import ShapedArray, get_aval, tangent_aval
from cotan.ir.primitive import Primitive
from cotan.ir.trace import Trace, Tracer, enter_trace, escaped, eval_trace, leave_trace
from cotan.transforms.jvp import JVPTracer
from cotan.transforms.partial_eval import LinearTrace, PartialTrace, linear_routines
from cotan.transforms.routines import Routine, add_params, kind_of, operand_of, recorded
from cotan.transforms.stage import PYTHON_SCALARS

MOST_STEPS = 2000
"""What follows is computed at once: compiling longer programs would take seconds."""
Place = int | None
"""Of a value: k for the result number k, ~k for the input number k, None for a scalar that the routine has."""
Step = tuple[Routine, Sequence[Place], int]
"""A routine, the places of its operands, and that of its first result, which the others follow."""


class Moving(JVPTracer):
    """A value that has a tangent, before both are computed; after that it is a JVPTracer. ``primal`` is its place."""

    __slots__ = ()
    _trace: DeferredTrace

    def concrete(self) -> Any:
        self._trace.settle()
        if type(self) is Moving:
            raise escaped(self)
        return self.concrete()  # of the class that it has now

    def _known(self, error: type[Exception], what: str, hint: str) -> Any:
        return self.concrete()


class Known(Tracer):
    """A value that has no tangent: an array as any other, but for when it is computed. It outlives its trace.

    Attributes:
      free: whether no argument of the function has a part in it, so that it can be computed by itself.
      value: the array, once it is computed.
    """

    __slots__ = ("aval", "free", "place", "value")
    aval: ShapedArray
    _trace: DeferredTrace

    def __init__(self, trace: DeferredTrace, aval: ShapedArray, place: int, free: bool) -> None:
        self._trace = trace
        self.aval = aval
        self.place = place
        self.free = free
        self.value: Any = None

    def concrete(self) -> Any:
        if self.value is None:
            self._trace.compute(self)
            if self.value is None:
                raise escaped(self)
        return self.value

    settled = concrete

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in _EXCHANGED:
            raise AttributeError(name)  # asked of everything, by who does not need the value
        return getattr(self.concrete(), name)

    def __repr__(self) -> str:
        return repr(self.concrete())

    def __reduce__(self) -> Any:
        return self.concrete().__reduce__()


_EXCHANGED = ("__dlpack__", "__dlpack_device__", "__cuda_array_interface__")
_held = [object()]
_UNUSED = getrefcount(_held[0])
"""The references to a tracer that nothing but a list holds."""
_new = object.__new__
_beginning = opened_by_fork(Lock())
_NOTHING: Any = ()
_NONE: Any = MappingProxyType({})


class DeferredTrace(LinearTrace):
    """Notes routines instead of running them, until a value is needed; from then on a LinearTrace.

    Attributes:
      inputs: the values that are not computed here, the linear arguments first.
      given: what the inputs were made of; held so that their ids stay theirs.
      constants: those of them that are the same whenever this is noted, by their numbers.
      steps: what was noted; None once all of it has been computed.
      key: the same in numbers: the routines' ids and the places of operands.
      tracers: those of the results, in order of their places; None where nobody was given one.
      has_known: whether some of them have no tangent.
      routines: those under the flags.
    """

    __slots__ = (
        "_unknown", "arguments", "constants", "ended", "flags", "given", "has_known", "hold", "inputs", "key",
        "numbers", "routines", "steps", "tracers",
    )  # fmt: skip
    steps: list[Step] | None

    def __init__(self, hold: Callable[[Any], Any]) -> None:
        # Not by the classes above: what records tangents is made when something is to be recorded.
        self.alive = True
        self.hold = hold
        flags = self.flags = (config if overriding else Config).key
        self.routines = linear_routines.under(flags)
        self.inputs: list[Any] = []
        self.given: list[Any] = []
        self.constants: dict[int, np.ndarray] = {}
        self.numbers: dict[int, int] = {}
        self.steps = []
        self.key: list[Any] = []
        self.tracers: list[Any] = []
        self.arguments: list[Moving] = []
        self.has_known = False
        self.ended = False
        self._unknown: PartialTrace | None = None

    @property
    def unknown(self) -> PartialTrace:  # type: ignore[override]
        """What records the tangents: begun when something is to be computed, which a program leaves nothing of."""
        found = self._unknown
        if found is not None:
            return found
        with _beginning:  # a value may be asked for in a thread of the function's
            if self._unknown is None:
                if self.ended:
                    raise AttributeError("this trace has ended")
                found = PartialTrace(eval_trace, "grad or vjp")
                found.places = False
                found.alive = self.alive
                self._unknown = found
            return self._unknown

    @property
    def parent(self) -> PartialTrace:  # type: ignore[override]
        return self.unknown

    def leave(self) -> None:
        """Note that the function has returned: its tracers are dead."""
        self.alive = False
        if self._unknown is not None:
            self._unknown.alive = False

    def argument(self, x: Any) -> JVPTracer:
        """A tracer for one more argument of the function."""
        aval = get_aval(x)
        tracer = self._moving(aval, ~len(self.inputs))
        # Its number is not remembered: met once more, from outside, it is a constant.
        self.inputs.append(self.hold(x))
        self.arguments.append(tracer)
        return tracer

    def _moving(self, aval: ShapedArray, place: int) -> Moving:
        tracer = _new(Moving)
        tracer._trace = self
        tracer.aval = aval
        tracer.primal = place
        tracer.tangent = None
        return tracer

    def _input(self, x: Any) -> int | None:
        """The place of a value from outside; None for one that cannot wait."""
        place = self.numbers.get(id(x))
        if place is None:
            if isinstance(x, Tracer):
                settled = x.settled()
                return None if settled is x else self._input(settled)
            if type(x) is np.ndarray and dtypes.is_constant(x):
                held = self.constants[len(self.inputs)] = x
            else:
                held = self.hold(x)
                if held is None:
                    return None
            place = ~len(self.inputs)
            self.inputs.append(held)
            if type(x) is not np.ndarray or held is x:  # other memory of the caller may change
                self.numbers[id(x)] = place
                self.given.append(x)
        return place

    def _waits(self) -> list[Step] | None:
        """What waits; None where nothing does any more, or a flag was changed meanwhile."""
        flags = config if overriding else Config
        if flags.key is not self.flags or not flags.plain_dispatch:
            self.settle()
        return self.steps

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        steps = self._waits()
        if steps is None:
            return self._process_settled(primitive, args, params)
        kinds: list[Any] = [primitive]
        places: list[Place] = []
        others: list[int] = []
        free = True
        for x in args:
            kind = type(x)
            if kind is Moving and x._trace is self:
                free = False
                kinds.append(~id(x.aval))
                places.append(x.primal)
            elif kind is float and x:
                kinds.append((float, x))  # as ``kind_of`` says
                places.append(None)
            elif kind in PYTHON_SCALARS:
                kinds.append(kind_of(x))
                places.append(None)
            elif kind is Known and x._trace is self:
                free = free and x.free
                kinds.append(id(x.aval))
                places.append(x.place)
            else:
                others.append(len(places))
                kinds.append(id(get_aval(x)))
                places.append(None)
        if params:
            add_params(kinds, params)
        routine = None if primitive.higher_order else self.routines.get(tuple(kinds))
        waits = routine is not None and len(steps) < MOST_STEPS
        if waits:
            for k in others:
                place = places[k] = self._input(args[k])
                waits = waits and place is not None
        if not waits:
            if not free:
                self.settle()
                return self._process_settled(primitive, args, params)
            given = [x.concrete() if type(x) is Known and x._trace is self else x for x in args]
            return self._at_once(primitive, given, params, kinds if routine is None else None)
        assert routine is not None
        tracers, key = self.tracers, self.key
        first = len(tracers)
        steps.append((routine, places, first))
        key.append(id(routine))
        key += places
        if not primitive.multiple_results:
            tracer: Any
            if routine.extra[0] is None:
                tracer = self._known(routine.avals[0], first, free)
            else:
                tracer = _new(Moving)  # as ``_moving`` does, without the call
                tracer._trace = self
                tracer.aval = routine.avals[0]
                tracer.primal = first
                tracer.tangent = None
            tracers.append(tracer)
            return tracer
        results = [
            self._known(aval, place, free) if dot is None else self._moving(aval, place)
            for place, (aval, dot) in enumerate(zip(routine.avals, routine.extra, strict=True), first)
        ]
        tracers += results
        return results

    def _known(self, aval: ShapedArray, place: int, free: bool) -> Known:
        self.has_known = True
        return Known(self, aval, place, free)

    def run(self, routine: Routine, operands: Sequence[Any]) -> Any:
        steps = self._waits()
        if steps is None:
            return routine.run(operands, self)
        given = list(operands)
        pattern = [id(routine)]
        places: list[Place] = []
        for k, x in enumerate(given):
            kind = type(x)
            if kind is Moving and x._trace is self:
                pattern.append(_MOVING)
                places.append(x.primal)
            elif kind is Known and x._trace is self:
                pattern.append(_FREE if x.free else _KNOWN)
                places.append(x.place)
            elif kind in PYTHON_SCALARS:
                pattern.append(_SCALAR)
                places.append(None)
            else:
                place = self._input(x)
                if place is None:
                    return routine.run(given, self)
                if type(x) is np.ndarray:
                    given[k] = self.inputs[~place]
                    self.numbers[id(given[k])] = place
                pattern.append(_FREE)
                places.append(place)
        key = tuple(pattern)
        plan = _plans.get(key)
        if plan is None or len(steps) >= MOST_STEPS:
            begin, first = len(steps), len(self.tracers)
            found = routine.run(given, self)
            if self.steps is steps:
                _add_plan(key, routine, steps[begin:], self.tracers[first:])
            return found
        return self._follow(plan, places, given)

    def _follow(self, plan: _Plan, places: list[Place], operands: Sequence[Any]) -> dict[int, Any]:
        steps, tracers, key = self.steps, self.tracers, self.key
        assert steps is not None
        places += [None if type(c) in PYTHON_SCALARS else self._input(c) for c in plan.routine.constants]
        for routine, where, count in plan.steps:
            first = len(tracers)
            given = [places[k] for k in where]
            steps.append((routine, given, first))
            key.append(id(routine))
            key += given
            if count == 1:
                places.append(first)
                tracers.append(None)
            else:
                places += range(first, first + count)
                tracers += [None] * count
        results: dict[int, Any] = {}
        for k, kind, aval in plan.outs:
            result = places[k]
            if kind is None or result is None:
                results[k] = operands[k]
            else:
                results[k] = tracers[result] = (
                    self._moving(aval, result) if kind == _MOVING else self._known(aval, result, kind == _FREE)
                )
        return results

    def _at_once(
        self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any], kinds: list[Any] | None
    ) -> Any:
        """An operation without tangents; ``kinds`` where it is to have a routine if it is met often."""
        result = self.unknown.bind_known(primitive, args, params)
        if kinds and not primitive.higher_order:
            linear_routines.meet(primitive, kinds, params, lambda: _routine_at_once(primitive, args, params))
        return result

    def _process_settled(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        given = [x.concrete() if type(x) is Known and x._trace is self else x for x in args]
        if primitive.higher_order or any(type(x) is JVPTracer and x._trace is self for x in given):
            return super().process(primitive, given, params)
        kinds = [primitive, *map(kind_of, given)]
        return self._at_once(primitive, given, params, None if linear_routines.find(kinds, params) else kinds)

    def place_of(self, x: Any) -> Place:
        """The place of one of its own values; None for others."""
        if not isinstance(x, Moving | Known) or x._trace is not self:
            return None
        return x.primal if type(x) is Moving else x.place

    def unwrap(self, x: Any) -> tuple[Any, Any]:
        if type(x) is Known and x._trace is self:
            x = x.concrete()
        return super().unwrap(x)

    def settle(self) -> None:
        """Compute what was noted, operation by operation, for all tracers that are still in use."""
        steps = self.steps
        if steps is None:
            return
        self.steps = None
        used = self.in_use()
        unknown = self.unknown
        given = [unknown.new_arg(tangent_aval(x.aval)) for x in self.arguments]
        values, dots = self._replayed(steps, given, used)
        for tracer in (*self.arguments, *map(self.tracers.__getitem__, used)):
            if type(tracer) is Known:
                tracer.value = values[tracer.place]
            else:
                place = tracer.primal
                tracer.__class__ = JVPTracer
                tracer.primal, tracer.tangent = values[place], dots[place]
        self.forget()

    def compute(self, tracer: Known) -> None:
        """Compute what is asked for before the function ends, and what it needs; or everything, if arguments do."""
        steps = self.steps
        if not tracer.free or steps is None:
            self.settle()
            return
        wanted, needed = {tracer.place}, []
        for step in reversed(steps):
            routine, places, first = step
            if not wanted.isdisjoint(range(first, first + len(routine.outs))):
                needed.append(step)
                wanted.update(p for p in places if p is not None)
        values, _ = self._replayed(needed[::-1], (), {tracer.place})
        tracer.value = values[tracer.place]

    def _replayed(
        self, steps: Sequence[Step], dots: Sequence[Any], wanted: Collection[int]
    ) -> tuple[dict[int, Any], dict[int, Any]]:
        """What was noted, done outside of this trace under the flags that held when it was noted."""
        outer = self.unknown.parent
        with ExitStack() as stack:
            stack.callback(leave_trace, enter_trace(outer))
            if not self.flags_hold():
                stack.enter_context(config.override(**dict(zip(traced_flags(), self.flags, strict=True))))
            return replayed(steps, self.inputs, dots, outer, self.unknown, wanted)

    def flags_hold(self) -> bool:
        """Whether the flags are those under which this trace began."""
        return config.key is self.flags

    def in_use(self, kind: type = Tracer) -> set[int]:
        """The places of results of that kind whose tracers others hold."""
        tracers = self.tracers
        return {k for k in range(len(tracers)) if getrefcount(tracers[k]) > _UNUSED and isinstance(tracers[k], kind)}

    def forget(self) -> None:
        """Drop all that refers to arrays and tracers: these refer to their trace."""
        self.steps = None
        self.inputs = self.given = self.tracers = self.arguments = self.key = _NOTHING
        self.numbers = self.constants = _NONE

    def end(self) -> None:
        """Drop what was recorded as well: values that are known may outlive the trace."""
        self.forget()
        self.ended = True
        self._unknown = None
        del self.hold


_SCALAR, _MOVING, _KNOWN, _FREE = range(4)


class _Plan(NamedTuple):
    """What a routine of another trace is here: routines of this one.

    Attributes:
      routine: the other trace's; held so that its id, which is in the key, stays its.
      steps: routines, where their operands stand among the values of the other's, and how many results they have.
      outs: what stands where among these, and the type; None for what is an operand.
    """

    routine: Routine
    steps: tuple[tuple[Routine, Sequence[int], int], ...]
    outs: tuple[tuple[int, int | None, Any], ...]


_plans: dict[tuple[int, ...], _Plan] = {}
_MOST_PLANS = 4096


def _add_plan(key: tuple[int, ...], routine: Routine, steps: Sequence[Step], tracers: Sequence[Any]) -> None:
    """Remember what a routine was here, if each of its steps was noted as one."""
    if len(steps) != len(routine.steps):
        return
    begin = len(routine.operands) + len(routine.constants)
    kinds: list[tuple[int | None, Any]] = [(None, None)] * begin
    kinds += ((_MOVING if type(x) is Moving else _FREE if x.free else _KNOWN, x.aval) for x in tracers)
    outs = tuple((k, *kinds[k]) for k in dict.fromkeys(k for k in routine.outs if k is not None))
    if any(len(routine.operands) <= k < begin for k, _, _ in outs):
        return
    if len(_plans) >= _MOST_PLANS:
        _plans.clear()
    wired = tuple(
        (step[0], theirs.places, len(step[0].outs)) for step, theirs in zip(steps, routine.steps, strict=True)
    )
    _plans[key] = _Plan(routine, wired, outs)


def replayed(
    steps: Sequence[Step],
    inputs: Sequence[Any],
    dots: Sequence[Any],
    outer: Trace,
    unknown: PartialTrace,
    wanted: Collection[int],
) -> tuple[dict[int, Any], dict[int, Any]]:
    """Values and tangents, by their places, of what is wanted.

    Args:
      dots: the tangents of the first inputs, which are wanted as well.
      outer: the trace in which steps are done; tangents are recorded by ``unknown``.
    """
    last: dict[Place, int] = {place: n for n, step in enumerate(steps) for place in step[1]}
    values: dict[int, Any] = {~k: x for k, x in enumerate(inputs)}
    tangents: dict[int, Any] = {~k: dot for k, dot in enumerate(dots)}
    lasting = {*wanted, *tangents}
    for n, (routine, places, first) in enumerate(steps):
        operands = [routine.operands[k] if p is None else values[p] for k, p in enumerate(places)]
        operands += [tangents[p] for p in places if p in tangents]
        found = routine.run(operands, outer, unknown)
        for place, (out, dot) in enumerate(zip(routine.outs, routine.extra, strict=True), first):
            if place in last or place in wanted:
                values[place] = found[out]
                if dot is not None:
                    tangents[place] = found[dot]
        for p in places:
            if p is not None and last[p] == n and p not in lasting:
                values.pop(p, None)
                tangents.pop(p, None)
    return values, tangents


def _routine_at_once(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Routine | None:
    """The routine of an operation without tangents: the operation itself."""

    def rule(given: list[Any]) -> tuple[list[Any], None]:
        out = primitive.bind(*given, **params)
        return (out if primitive.multiple_results else [out]), None

    found = recorded(rule, map(operand_of, args))
    return found and found._replace(extra=(None,) * len(found.outs))


def forget() -> None:
    """Forget what routines of other traces are here."""
    _plans.clear()
