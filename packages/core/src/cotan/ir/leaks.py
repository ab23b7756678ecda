"""Leaked tracers (``config.check_tracer_leaks``): traced values that are still held when their trace has ended.

A function that begins traces is marked with ``leak_checked``. Under the flag it looks, when it is left, for tracers of
these traces that something keeps alive, and says where each was made and what holds it. Knows no transform.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import wraps
from types import CellType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary, ref

from cotan.config import config
from cotan.errors import UnexpectedTracerError, a_type, format_frame, source_frame, where
from cotan.ir.trace import Trace, Tracer, current_trace

P = ParamSpec("P")
R = TypeVar("R")

_begun: ContextVar[list[ref[Trace]] | None] = ContextVar("cotan_begun_traces", default=None)
# trace -> (tracer, the primitive that gave it, where): kept under the flag only
_origins: WeakKeyDictionary[Trace, list[tuple[ref[Tracer], str, str]]] = WeakKeyDictionary()
_recording: dict[type, type] = {}


def leak_checked(function: Callable[P, R]) -> Callable[P, R]:
    """``function``, which under ``config.check_tracer_leaks`` raises where tracers of traces that it began are left."""

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if not config.check_tracer_leaks:
            return function(*args, **kwargs)
        begun: list[ref[Trace]] = []
        token = _begun.set(begun)
        try:
            result = function(*args, **kwargs)
        finally:
            _begun.reset(token)
        if any(trace() is not None for trace in begun):
            gc.collect()  # what only cycles hold is not leaked
            held = _held_by_programs([result, current_trace()])
            for trace in reversed(begun):  # the innermost first: users hold its tracers
                _refuse_leaks(trace(), held)
        return result

    return checked


def watch(trace: Trace) -> None:
    """Remember that ``trace`` has begun, and from now on where its tracers are made."""
    begun = _begun.get()
    if begun is None:
        return
    begun.append(ref(trace))
    _origins[trace] = []
    kind = type(trace)
    if kind not in _recording:
        _recording[kind] = type(kind.__name__, (kind,), {"__slots__": (), "process": _recording_process(kind)})
    trace.__class__ = _recording[kind]


def _recording_process(kind: type) -> Callable[..., Any]:
    """``kind.process``, noting the place where each tracer is made. (A class of its own, so that nothing else pays.)"""

    def process(self: Trace, primitive: Any, args: Sequence[Any], params: dict[str, Any]) -> Any:
        results = kind.process(self, primitive, args, params)  # type: ignore[attr-defined]
        for x in results if primitive.multiple_results else (results,):
            if isinstance(x, Tracer) and x._trace is self:
                _origins[self].append((ref(x), primitive.name, format_frame(source_frame())))
        return results

    return process


def _held_by_programs(roots: list[Any]) -> set[int]:
    """The ids of tracers that programs hold: custom rules are functions, and may close over what they are made with.

    Looks from the ``roots`` into the system's objects, containers, and what functions close over; not into others.
    """
    found: set[int] = set()
    seen: set[int] = set()
    while roots:
        x = roots.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if isinstance(x, FunctionType):
            roots += [x.__closure__, x.__defaults__]
        elif isinstance(x, tuple | list | dict | CellType | MethodType) or type(x).__module__.startswith("cotan"):
            if isinstance(x, Tracer):
                found.add(id(x))
            if not isinstance(x, type | ModuleType):
                roots += gc.get_referents(x)
    return found


def _refuse_leaks(trace: Trace | None, held: set[int]) -> None:
    if trace is None:
        return
    left = [x for x in gc.get_referrers(trace) if isinstance(x, Tracer) and x._trace is trace and id(x) not in held]
    if not left:
        return
    shown = [_described(left, n, _origins[trace]) for n in range(min(len(left), 3))]
    raise UnexpectedTracerError(
        f"{where()}: {trace.name} has ended, but {len(left)} of its traced values "
        f"{'is' if len(left) == 1 else 'are'} still held: {'; '.join(shown)}. Return values from the function instead "
        "of storing them. (cotan.config.check_tracer_leaks is on)"
    )


def _described(left: list[Tracer], n: int, origins: list[tuple[ref[Tracer], str, str]]) -> str:
    # Plain loops, which leave no references of their own among those that are looked for.
    tracer = left[n]
    origin = "an argument"
    for held, name, place in origins:
        if held() is tracer:
            origin = f"made by `{name}` at {place}"
    holders: list[str] = []
    for x in gc.get_referrers(tracer):
        text = "" if x is left else _holder(x, tracer)
        if text and len(holders) < 2:
            holders.append(text)
    return f"{tracer.aval.short()}, {origin}{', held by ' if holders else ''}{' and '.join(holders)}"


def _holder(x: Any, tracer: Tracer) -> str:
    """What ``x``, which refers to ``tracer``, is to the user; empty for what is none of theirs."""
    if isinstance(x, FrameType | Tracer):
        return ""
    if isinstance(x, CellType):
        return "a variable of an enclosing function"
    if isinstance(x, dict):
        key = None
        for name, value in x.items():
            if value is tracer:
                key = name
        for owner in gc.get_referrers(x):
            if isinstance(owner, ModuleType):
                return f"the global `{key}` of {owner.__name__}"
            if getattr(owner, "__dict__", None) is x:
                return f"the attribute `{key}` of {a_type(owner)}"
        return f"a dict, under {key!r}"
    return a_type(x)
