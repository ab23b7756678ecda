"""Functions that are called again and again outside of transformations become programs.

A call is known by the function, the types of its arrays, all other arguments and the configuration. The same call for
the thirty-second time is compiled, or before, once such calls have taken about as long as compiling does; from then on
it takes as long as a jitted function does. It is for functions of several operations whose results are the same bits as
programs, where programs round as single operations do: they move elements, compare, or compute element by element.
Functions that add elements up round in another order as programs. Of large arrays they are programs from the first call
on, and of small ones never, so that they too give the same bits whenever they are called. Knows no function.
"""

from __future__ import annotations

import functools
import math
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from types import EllipsisType, NoneType
from typing import Any, TypeVar

import numpy as np

from cotan import errors
from cotan.api.jit import jit
from cotan.config import Config, config, overriding
from cotan.ir.trace import current_trace_variable, eval_trace
from cotan.runtime.array import Array

PAYS_FROM = 32
"""The call of one kind that is compiled at the latest."""
PAYS_AFTER = 0.02
"""Seconds that calls of one kind take together before the next one is compiled, which takes about as long."""
LARGE = 1 << 18
"""Elements from which functions that add up are programs."""
_KEPT = 256
"""Kinds of calls that are remembered: those that were met last."""
_NAMED = frozenset(
    {int, bool, str, NoneType, EllipsisType, np.dtype, *(type(np.dtype(kind)) for kind in "?bhilqBHILQefdFD")}
)
_BOOL = np.dtype(np.bool_)
_calls: OrderedDict[Any, _Call] = OrderedDict()
Function = TypeVar("Function", bound=Callable[..., Any])


class _Call:
    """A kind of call: how often it was met, how many seconds that took without the first one, which makes what others
    find made; its program once it has one, and what that warned of when it was traced."""

    __slots__ = ("met", "program", "seconds", "warnings")

    def __init__(self) -> None:
        self.met = 0
        self.seconds = 0.0
        self.warnings: list[tuple[str, type[Warning]]] = []
        self.program: Callable[..., Any] | None = None

    @property
    def pays(self) -> bool:
        """Whether the next call is compiled; never again what could not be."""
        return self.met + 1 >= PAYS_FROM or (self.met >= 0 and self.seconds >= PAYS_AFTER)


class _Unknown(Exception):
    """An argument that does not say by itself what it is."""


class _Hole:
    """Where an operand stands among the arguments."""


def _kind(x: Any, operands: list[Any], masks: bool) -> Any:
    """What a call depends on of ``x``: the types of its arrays, which are added to ``operands``, and all else."""
    kind = type(x)
    if kind is Array:
        aval = x.aval
        if not masks and aval.dtype == _BOOL:
            raise _Unknown
        operands.append(x)
        return aval
    if kind in _NAMED:
        return kind, x
    if kind is tuple or kind is list:
        return kind, *[_kind(item, operands, masks) for item in x]
    if kind is float:
        return kind, x, math.copysign(1.0, x)
    if kind is slice:
        return kind, *[_kind(item, operands, masks) for item in (x.start, x.stop, x.step)]
    if issubclass(kind, type):
        return kind, x
    raise _Unknown


def _with_holes(x: Any) -> Any:
    """A copy of what has a kind, without its arrays: the caller may change its lists."""
    kind = type(x)
    if kind is Array:
        return _Hole
    if kind is tuple or kind is list:
        return kind(map(_with_holes, x))
    return slice(*map(_with_holes, (x.start, x.stop, x.step))) if kind is slice else x


def _filled(x: Any, operands: Iterator[Any]) -> Any:
    if x is _Hole:
        return next(operands)
    kind = type(x)
    if kind is tuple or kind is list:
        return kind([_filled(item, operands) for item in x])
    return slice(*[_filled(item, operands) for item in (x.start, x.stop, x.step)]) if kind is slice else x


def _met(known: Any) -> _Call | None:
    """The kind of call, if it was met before."""
    try:
        _calls.move_to_end(known)
        return _calls[known]
    except KeyError:
        return None


def _noted(known: Any) -> _Call:
    """A kind of call that is remembered from now on."""
    call = _calls.get(known)
    if call is None:
        if len(_calls) >= _KEPT:
            _calls.popitem(last=False)
        call = _calls[known] = _Call()
    return call


def _run(known: Any, function: Callable[..., Any], args: Sequence[Any], kwargs: Any) -> Any:
    """Call the function itself, and note that if it goes well."""
    begin = time.perf_counter()
    result = function(*args, **kwargs)
    call = _noted(known)
    if call.met > 0:
        call.seconds += time.perf_counter() - begin
    call.met += 1
    return result


def _are_large(args: Sequence[Any], large: int | None) -> bool:
    least = LARGE if large is None else large
    return any(type(x) is Array and x.size >= least for x in args)


def _program(
    call: _Call, function: Callable[..., Any], varying: int, args: Sequence[Any], kwargs: Any
) -> Callable[..., Any]:
    """The program of a kind of call, a function of its operands."""
    template = [*[_Hole] * varying, *map(_with_holes, args[varying:])]
    named = [(name, _with_holes(value)) for name, value in kwargs.items()]

    @functools.wraps(function)
    def run(*operands: Any) -> Any:
        rest = iter(operands)
        filled = _filled(template, rest)
        with errors.hearing() as call.warnings:
            return function(*filled, **{name: _filled(value, rest) for name, value in named})

    return jit(run)


def repeated(
    *, varying: int = 0, masks: bool = True, adds_up: bool = False, large: int | None = None
) -> Callable[[Function], Function]:
    """Makes a function a program where it is called in the same way again and again.

    Args:
      varying: how many arguments in front are operands: an array, then arrays or integers, whose values are not part of
        what is known of a call.
      masks: whether arrays of booleans are operands as others are; if not, calls with them stay as they are.
      adds_up: whether it is a function of arrays that adds their elements up.
      large: from how many elements of an array on it is a program then; by default ``LARGE``. 0: always, for
        functions of many operations, of which the first call at once would take as long as compiling.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def routine(*args: Any, **kwargs: Any) -> Any:
            if current_trace_variable.get() is not eval_trace:
                return function(*args, **kwargs)
            flags = config if overriding else Config
            if not (flags.plain_dispatch and flags.compile_repeated) or (adds_up and not _are_large(args, large)):
                return function(*args, **kwargs)
            operands: list[Any] = []
            try:
                front = _kinds_in_front(args, operands, varying) if varying else ()
                rest = _kind(args[varying:], operands, masks)
                known = (function, flags.key, front, rest)
                if kwargs:
                    known += (*kwargs, _kind([*kwargs.values()], operands, masks))
            except _Unknown:
                return function(*args, **kwargs)
            call = _noted(known) if adds_up else _met(known)
            if call is not None:
                if call.program is not None:
                    for warning in call.warnings:
                        errors.warn(*warning)
                    return call.program(*operands)
                if (call.pays or (adds_up and call.met >= 0)) and not config.compiles_nothing:
                    program = _program(call, function, varying, args, kwargs)
                    try:
                        result = program(*operands)
                    except Exception:  # it goes by the value of an array, or fails as a call does
                        call.met = -sys.maxsize
                    else:
                        call.program = program
                        return result
            return _run(known, function, args, kwargs)

        return routine  # type: ignore[return-value]

    return decorate


def _kinds_in_front(args: Sequence[Any], operands: list[Any], varying: int) -> tuple[Any, ...]:
    if len(args) < varying:
        raise _Unknown
    kinds: list[Any] = []
    for x in args[:varying]:
        if type(x) is int and 0 <= x < 1 << 31:  # the same as an argument of a program
            kinds.append(int)
            operands.append(x)
        elif type(x) is Array:
            kinds.append(x.aval)
            operands.append(x)
        else:
            raise _Unknown
    return tuple(kinds)
