"""Gradients outside of jit: by operations or, when the same is computed again and again, as one program.

While a function runs, what its gradient takes is noted, not computed (``deferred``). When the same has been noted often
enough, it is compiled, and from then on a gradient is one call of that program. The function itself runs at every call.
No operation is named.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.config import Config, compiles_nothing, config, overriding
from cotan.forks import opened_by_fork
from cotan.ir.avals import ShapedArray, get_aval, tangent_aval, tangent_dtype
from cotan.ir.trace import current_trace, enter_trace, eval_trace, leave_trace, new_trace
from cotan.structural import Zero
from cotan.transforms.deferred import DeferredTrace, Known, Moving, Step, replayed
from cotan.transforms.partial_eval import Linearized, PartialTrace, linearize_flat, linearized
from cotan.transforms.stage import FlatFun
from cotan.transforms.transpose import backward_pass

PAYS_FROM = 16
"""Equal gradients before their program is compiled."""
_MOST_PROGRAMS = 256
_PATIENCE, _PAUSE = 4, 16
_MOST_RECORDS = 4096
Compile = Callable[[FlatFun], Callable[..., Any]]


class _Program:
    """A gradient that was met.

    Attributes:
      steps, constants: hold what is in the key by its id.
      met: how often; None: it cannot be compiled.
      run: gives results and cotangents for inputs, once it is compiled.
    """

    __slots__ = ("constants", "met", "run", "steps")

    def __init__(self, steps: Sequence[Step], constants: dict[int, np.ndarray]) -> None:
        self.met: int | None = 0
        self.run: Callable[..., Any] | None = None
        self.steps = steps
        self.constants = constants


_programs: OrderedDict[tuple[Any, ...], _Program] = OrderedDict()
_lock = opened_by_fork(Lock())


class _Record:
    """How often in a row it was in vain that a function waited, and how often more it is not to."""

    __slots__ = ("in_vain", "owner", "pause")

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        self.in_vain = 0
        self.pause = 0

    def found(self, program: bool) -> None:
        """Note a call that waited; noting takes a tenth of the time of the operations, which is not to be lost."""
        self.in_vain = 0 if program else self.in_vain + 1
        if self.in_vain >= _PATIENCE * PAYS_FROM:
            self.in_vain -= PAYS_FROM
            self.pause = _PAUSE * PAYS_FROM


_records: dict[int, _Record] = {}


def _record_of(owner: Any) -> _Record:
    record = _records.get(id(owner))
    if record is None:
        if len(_records) >= _MOST_RECORDS:
            _records.clear()
        record = _records[id(owner)] = _Record(owner)
    return record


def forget() -> None:
    """Forget all programs, and which functions wait in vain."""
    with _lock:
        _programs.clear()
        _records.clear()


def value_and_cotangents(
    fun: FlatFun,
    primals: Sequence[Any],
    checked: Callable[[FlatFun, Sequence[Any]], ShapedArray],
    seed: Callable[[ShapedArray], Any],
    hold: Callable[[Any], Any],
    compiled: Compile,
    owner: Any,
) -> tuple[list[Any], list[Any]]:
    """Results of a flat function, and the cotangents of its arguments.

    Args:
      owner: what calls of one function have in common.
      checked: given the function and its results, or tracers of them, the type of the first. It may raise.
      seed: the cotangent of the first result, given its type; the others have none.
      hold: makes an array that stays as it is now, whatever becomes of the one it is given; None for no array.
      compiled: makes a function of arrays one that runs as one program.
    """
    record = _record_of(owner)
    if current_trace() is not eval_trace or record.pause or not _may_wait() or not all(map(_has_tangents, primals)):
        record.pause = max(0, record.pause - 1)
        lin = linearize_flat(fun, primals, passing=True)
        return lin.outs, _pulled_back(lin, seed(checked(fun, lin.outs)))
    trace = DeferredTrace(hold)
    try:
        token = enter_trace(trace)
        try:
            outs = [y if type(y) is Moving else _unless_foreign(y, trace) for y in fun(*map(trace.argument, primals))]
        finally:
            leave_trace(token)
            trace.leave()
        aval = checked(fun, outs)
        found = _by_program(trace, outs, lambda: seed(aval), compiled)
        record.found(found is not None)
        if found is not None:
            return found
        trace.settle()
        lin = linearized(trace, outs)
    except Exception:
        # What is known may have been kept, and be looked at after the error.
        with suppress(Exception):
            trace.settle()
        raise
    finally:
        trace.end()
    return lin.outs, _pulled_back(lin, seed(aval))


def _unless_foreign(y: Any, trace: DeferredTrace) -> Any:
    """A result; one that was known to an earlier call is an array here."""
    return y.settled() if type(y) is Known and y._trace is not trace else y


def _may_wait() -> bool:
    flags = config if overriding else Config
    return flags.plain_dispatch and flags.compile_gradients and not compiles_nothing(flags)


def _has_tangents(x: Any) -> bool:
    return bool(tangent_dtype(get_aval(x).dtype) != dtypes.float0)


def _pulled_back(lin: Linearized, ct: Any) -> list[Any]:
    if lin.out_zeros[0]:
        return [Zero(v.aval) for v in lin.jaxpr.invars]
    jaxpr = lin.jaxpr
    if len(jaxpr.outvars) > 1:
        jaxpr = jaxpr.replace(outvars=jaxpr.outvars[:1])
    return backward_pass(jaxpr, lin.residuals, [ct])


def _by_program(
    trace: DeferredTrace, outs: Sequence[Any], ct: Callable[[], Any], compiled: Compile
) -> tuple[list[Any], list[Any]] | None:
    """Results and cotangents by the program of what was noted; None if it is not compiled yet."""
    steps = trace.steps
    places = [trace.place_of(x) for x in outs]
    out = places[0]
    if not steps or out is None or type(outs[0]) is not Moving or not trace.flags_hold():
        return None
    known = trace.in_use(Known) if trace.has_known else ()
    alone = len(outs) == 1 and not known
    results = [out] if alone else sorted({*(p for p in places if p is not None), *known})
    constants = trace.constants
    key: tuple[Any, ...] = (len(trace.arguments), tuple(trace.key), out, tuple(results))
    if constants:
        key = (*key, *constants, *map(id, constants.values()))
    with _lock:
        program = _programs.get(key)
        if program is None:
            program = _programs[key] = _Program(steps, constants)
            if len(_programs) > _MOST_PROGRAMS:
                _programs.popitem(last=False)
        _programs.move_to_end(key)
        run = program.run
        if run is None:
            if program.met is None:
                return None
            program.met += 1
            if program.met < PAYS_FROM:
                return None
    if run is None:
        run = compiled(_whole(steps, len(trace.arguments), constants, out, results, ct()))
    inputs = trace.inputs
    if constants:
        inputs = [x for k, x in enumerate(inputs) if k not in constants]
    try:
        values, back = run(*inputs)
    except Exception:
        if program.run is not None:
            raise
        program.met = None  # operation by operation it may do, and the errors there say more
        return None
    program.run = run
    cotangents = [Zero(x.aval) if c is None else c for c, x in zip(back, trace.arguments, strict=True)]
    if alone:
        return values, cotangents
    found = dict(zip(results, values, strict=True))
    for place in results:
        tracer = trace.tracers[place] if place >= 0 else None
        if type(tracer) is Known:
            tracer.value = found[place]
    return [x if p is None else found[p] for x, p in zip(outs, places, strict=True)], cotangents


def _whole(
    steps: Sequence[Step],
    arguments: int,
    constants: dict[int, np.ndarray],
    out: int,
    results: Sequence[int],
    ct: Any,
) -> FlatFun:
    """What was noted as a function of the inputs that are no constants, with the cotangents of the first of them."""

    def gradient(*given_inputs: Any) -> Any:
        rest = iter(given_inputs)
        inputs = [constants[k] if k in constants else next(rest) for k in range(len(given_inputs) + len(constants))]
        outer = current_trace()
        with new_trace(PartialTrace(outer, "grad or vjp")) as unknown:
            given = [unknown.new_arg(tangent_aval(get_aval(x))) for x in inputs[:arguments]]
            token = enter_trace(outer)
            try:
                values, dots = replayed(steps, inputs, given, outer, unknown, results)
            finally:
                leave_trace(token)
            jaxpr, residuals = unknown.to_jaxpr([dots[out]])
        back = backward_pass(jaxpr, residuals, [ct])
        return [values[p] for p in results], [None if type(c) is Zero else c for c in back]

    return gradient
