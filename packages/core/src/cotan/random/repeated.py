"""Samplers that are called again and again outside of transformations become programs.

A call is known by the sampler, the key's type, all other arguments and the configuration; the same call for the
thirty-second time is compiled, and from then on takes as long as a jitted function does. Random numbers stay what they
were, where programs round as single operations do. Knows no distribution.
"""

from __future__ import annotations

import copy
import functools
import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from types import FunctionType, NoneType
from typing import Any

import numpy as np

from cotan.api.jit import jit
from cotan.config import Config, config, overriding
from cotan.ir.trace import current_trace_variable, eval_trace
from cotan.numpy.scalar_types import ScalarType
from cotan.runtime.array import Array

PAYS_FROM = 32
"""The call of one kind that is compiled."""
_KEPT = 256
"""Kinds of calls that are remembered."""
_NAMED = frozenset(
    {int, bool, str, NoneType, type, ScalarType, np.dtype, *(type(np.dtype(kind)) for kind in "?bhilqBHILQefdFD")}
)
_calls: OrderedDict[Any, _Call] = OrderedDict()


class _Call:
    """A kind of call: how often it was met, and its program once it has one."""

    __slots__ = ("met", "program")

    def __init__(self) -> None:
        self.met = 0
        self.program: Callable[..., Any] | None = None


class _Unknown(Exception):
    """An argument that does not say by itself what it is."""


def _named(x: Any) -> Any:
    """``x`` so that equal ones compute the same: numbers with their types and signs."""
    kind = type(x)
    if kind in _NAMED:
        return kind, x
    if kind is tuple or kind is list:
        return kind, *map(_named, x)
    if kind is float:
        return kind, x, math.copysign(1.0, x)
    raise _Unknown


def _met(known: Any) -> None:
    """Note a call that went well."""
    call = _calls.get(known)
    if call is None:
        if len(_calls) >= _KEPT:
            _calls.popitem(last=False)
        call = _calls[known] = _Call()
    call.met += 1


def _program(call: _Call, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The program of a kind of call, or None while it has none."""
    if call.program is None and call.met + 1 >= PAYS_FROM and not config.compiles_nothing:
        args, kwargs = copy.deepcopy((args, kwargs))  # the caller may change its lists

        @functools.wraps(function)
        def run(*operands: Any) -> Any:
            return function(*operands, *args, **kwargs)

        call.program = jit(run)
    return call.program


def repeated(function: Callable[..., Any], varying: int = 0) -> Callable[..., Any]:
    """``function`` of a key, as a program where the same is called again and again.

    Args:
      varying: how many integers behind the key are arguments of the program, and not part of what is known of a call.
    """
    count = 1 + varying

    @functools.wraps(function)
    def sampler(*args: Any, **kwargs: Any) -> Any:
        if args and type(args[0]) is Array and current_trace_variable.get() is eval_trace:
            flags = config if overriding else Config
            operands, rest = args[:count], args[count:]
            if flags.plain_dispatch and flags.compile_samplers and all(map(_is_small, operands[1:])):
                try:
                    known = (function, args[0].aval, flags.key, _named(rest), _named(tuple(kwargs.items())))
                except _Unknown:
                    return function(*args, **kwargs)
                call = _calls.get(known)
                program = None if call is None else call.program or _program(call, function, rest, kwargs)
                if program is not None:
                    return program(*operands)
                result = function(*args, **kwargs)
                _met(known)
                return result
        return function(*args, **kwargs)

    return sampler


def _is_small(x: Any) -> bool:
    """Whether an integer is the same as an argument of a program."""
    return type(x) is int and 0 <= x < 1 << 31


def samplers(namespace: dict[str, Any], varying: Mapping[str, int], without: Collection[str]) -> None:
    """Make the functions of a key in a public module such; ``varying`` as of ``repeated``, by their names."""
    for name, value in list(namespace.items()):
        if type(value) is FunctionType and value.__code__.co_varnames[:1] == ("key",) and name not in without:
            namespace[name] = repeated(value, varying.get(name, 0))
