"""Routines: what a rule of a primitive does, recorded once for each kind of call and repeated after that.

A rule of a first-order primitive goes by types and parameters, never by values: it has to work while a program is
staged. So what it binds is the same at every call of a kind, and need not be found again. No operation is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan.config import Config, config, overriding
from cotan.dtypes import constant
from cotan.ir.avals import ShapedArray, get_aval
from cotan.ir.jaxpr import Atom, Literal, Var
from cotan.ir.primitive import Primitive, named_axes, partial_eval
from cotan.ir.trace import Trace, eval_trace
from cotan.structural import Zero
from cotan.transforms.stage import PYTHON_SCALARS, Recorder, stage_to_jaxpr

PAYS_FROM = 8
"""Calls of a kind before its routine is made, which takes as long as ten to twenty of them."""
_MOST, _MOST_FLAGS = 4096, 8
Recorded = tuple[Sequence[Any], Any]


class Step(NamedTuple):
    """One operation of a routine.

    Attributes:
      places: where its operands stand among the values.
      avals: the types of its results if it is to be recorded; None: it is bound.
    """

    primitive: Primitive
    places: tuple[int, ...]
    params: dict[str, Any]
    avals: tuple[ShapedArray, ...] | None


class Routine(NamedTuple):
    """What a rule does with its operands.

    Attributes:
      steps: operations on a list of values: the operands, the constants, then the results of each step.
      outs: where what the rule gives stands among the values; None for a symbolic zero, or where it gives nothing.
      avals: the types of what it gives; None as in ``outs``.
      extra: what else it says.
      operands: the types of the operands; held so that their ids, which are part of the key, stay theirs.
    """

    constants: tuple[Any, ...]
    steps: tuple[Step, ...]
    outs: tuple[Any, ...]
    avals: tuple[Any, ...]
    extra: Any
    operands: tuple[Any, ...]

    def run(self, operands: Sequence[Any], trace: Trace, recorder: Recorder | None = None) -> list[Any]:
        """All values, steps being done in ``trace``, which is the current one, or recorded by ``recorder``."""
        values = [*operands, *self.constants]
        source = None
        for primitive, places, params, avals in self.steps:
            if avals is None or recorder is None:
                args = [values[k] for k in places]
                # Only at once is there a shorter way than that of the trace.
                out = primitive.bind(*args, **params) if trace is eval_trace else trace.process(primitive, args, params)
            else:
                source = source or recorder.place()
                out = recorder.append(primitive, [recorder.atom(values[k]) for k in places], params, avals, source)
            if primitive.multiple_results:
                values += out
            else:
                values.append(out)
        return values


def kind_of(x: Any) -> Any:
    """What a routine depends on of an operand: the type of an array, by identity, or a Python scalar itself."""
    kind = type(x)
    if kind in PYTHON_SCALARS:
        return kind, x if x and kind is not complex else repr(x)  # 0.0 == -0.0
    return id(get_aval(x))


def operand_of(x: Any) -> Any:
    """An operand as ``recorded`` takes it: its type, or a Python scalar itself."""
    return x if type(x) in PYTHON_SCALARS else get_aval(x)


def add_params(kinds: list[Any], params: dict[str, Any]) -> None:
    """Make the parameters a part of the kind of a call. 0 and False are equal, and do not compute the same."""
    values = params.values()
    kinds += params
    kinds += values
    kinds += map(type, values)


class _Known(NamedTuple):
    """The routines under one configuration, and how often calls were met that have none."""

    flags: Any
    routines: dict[tuple[Any, ...], Routine]
    met: dict[tuple[Any, ...], int]


class Routines:
    """The routines of the rules of one table, by kinds of calls."""

    def __init__(self) -> None:
        self._by_flags: dict[Any, _Known] = {}
        self._last = _Known(None, {}, {})
        _all.append(self)

    def find(self, kinds: list[Any], params: dict[str, Any]) -> Routine | None:
        """The routine of calls of a kind, if there is one; the parameters are added to ``kinds``."""
        if params:
            add_params(kinds, params)
        last = self._last
        if last.flags is not (config if overriding else Config).key:
            last = self._under(config.key)
        return last.routines.get(tuple(kinds))

    def under(self, flags: Any) -> dict[tuple[Any, ...], Routine]:
        """The routines under these flags, by what ``find`` makes of kinds and parameters."""
        last = self._last
        return last.routines if last.flags is flags else self._under(flags).routines

    def _under(self, flags: Any) -> _Known:
        found = self._by_flags.get(flags)
        if found is None:
            if len(self._by_flags) >= _MOST_FLAGS:
                self._by_flags.clear()
            found = self._by_flags[flags] = _Known(flags, {}, {})
        self._last = found._replace(flags=flags)  # an equal object, by which it is known again
        return found

    def meet(
        self, primitive: Primitive, kinds: list[Any], params: dict[str, Any], make: Callable[[], Routine | None]
    ) -> None:
        """Note a call of a kind that has no routine, as ``find`` left it; once it pays, one is made."""
        if not _goes_by_types(primitive, params):
            return
        _, routines, met = self._under(config.key)
        key = tuple(kinds)
        count = met.get(key, 0) + 1
        if count == 1 and len(met) >= _MOST:
            met.clear()
            routines.clear()
        met[key] = count
        if count != PAYS_FROM:
            return
        try:
            routine = make()
        except Exception:
            return  # the rule itself raises it, where it is asked with values
        # The ids in the key are those of types that the routine holds: others may have been dropped meanwhile.
        ids = {part if part >= 0 else ~part for part in key if type(part) is int}
        if routine is not None and all(id(x) in ids for x in routine.operands if isinstance(x, ShapedArray)):
            routines[key] = routine

    def forget(self) -> None:
        self._by_flags.clear()
        self._last = _Known(None, {}, {})


_all: list[Routines] = []


def forget() -> None:
    """Forget all routines."""
    for routines in _all:
        routines.forget()


def _goes_by_types(primitive: Primitive, params: dict[str, Any]) -> bool:
    """Whether rules of ``primitive`` do the same at every call of a kind.

    Other than with first-order ones, and those that speak of axes which are mapped around them.
    """
    if partial_eval.absent(primitive) is None or primitive in named_axes:
        return False
    # 0.0 and -0.0 are equal, and do not compute the same.
    return not any(
        isinstance(value, complex | np.generic) or (isinstance(value, float) and value == 0)
        for value in params.values()
    )


def recorded(rule: Callable[[list[Any]], Recorded], operands: Iterable[Any], linear: int = 0) -> Routine | None:
    """What ``rule`` does with operands of these types; None where that is no routine.

    Args:
      rule: gives its results (``Zero`` or None where there is none) and what else it says.
      operands: types of arrays, and Python scalars, which are the same at every call.
      linear: how many of the last operands are unknown: what depends on them is recorded, not computed.
    """
    operands = tuple(operands)
    results: Sequence[Any] = ()
    extra: Any = None

    def flat(*tracers: Any) -> list[Any]:
        nonlocal results, extra
        given = iter(tracers)
        results, extra = rule([next(given) if isinstance(x, ShapedArray) else x for x in operands])
        return [y for y in results if not _nothing(y)]

    arrays = [k for k, x in enumerate(operands) if isinstance(x, ShapedArray)]
    jaxpr, closed_over = stage_to_jaxpr(flat, [operands[k] for k in arrays], by="a rule")
    if closed_over:
        return None  # it may be another array the next time
    places: dict[Atom, int] = dict(zip(jaxpr.invars, arrays, strict=True))
    constants: list[Any] = []
    for atom in (atom for atoms in (*(eqn.invars for eqn in jaxpr.eqns), jaxpr.outvars) for atom in atoms):
        if isinstance(atom, Literal):
            places[atom] = len(operands) + len(constants)
            constants.append(_interned(atom.val))
    unknown: set[Var] = set(jaxpr.invars[len(arrays) - linear :])
    steps: list[Step] = []
    count = len(operands) + len(constants)
    for eqn in jaxpr.eqns:
        avals = None
        if not unknown.isdisjoint(eqn.invars):
            unknown.update(eqn.outvars)
            avals = tuple(v.aval for v in eqn.outvars)
        if eqn.effects or (avals is not None and eqn.primitive in partial_eval):
            return None
        steps.append(Step(eqn.primitive, tuple(places[a] for a in eqn.invars), eqn.params, avals))
        for var in eqn.outvars:
            places[var] = count
            count += 1
    outs = iter(jaxpr.outvars)
    given = [None if _nothing(y) else next(outs) for y in results]
    where = tuple(None if atom is None else places[atom] for atom in given)
    types = tuple(None if atom is None else atom.aval for atom in given)
    return Routine(tuple(constants), tuple(steps), where, types, extra, operands)


def _interned(literal: Any) -> Any:
    """A literal, of which there is one object for each value."""
    if type(literal) is not np.ndarray or literal.dtype.kind not in "biuf":
        return literal
    return constant(literal.item(), literal.dtype)


def _nothing(result: Any) -> bool:
    return result is None or type(result) is Zero
