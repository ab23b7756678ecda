"""Eager dispatch: how a primitive runs at once.

Finds the device, looks up the abstract result, and goes through the door that the backend opens: its eager rules, or a
program of one equation. Fills the slot ``ir.trace.slots.eager``. Knows no primitive and no backend by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan.backend import Buffer, Device
from cotan.config import Config, config, overriding
from cotan.errors import UnsupportedError
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.effects import no_effects
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var
from cotan.ir.primitive import Primitive, abstract, batch, decompose, effects
from cotan.ir.primitive import eager as eager_rules
from cotan.ir.rules import MissingRuleError
from cotan.ir.trace import Tracer, eval_trace, set_current_trace, slots
from cotan.runtime.array import Array
from cotan.runtime.compile import compile_closed, run_closed
from cotan.runtime.devices import check_claimed, chosen_device, committed_device, move, new_array_device
from cotan.runtime.host import lift_to
from cotan.runtime.nans import check_results
from cotan.runtime.quick import Quick
from cotan.transforms.batch import AxisData

_MEMO_LIMIT = 8192


class _Entry:
    """What is known of a primitive at given abstract operands and parameters.

    Attributes:
      operands: the abstract operands; held so that their ids, which are part of the key, stay theirs.
      outs: the abstract results.
      out: the only one, or None.
      claimed: the backend met last, which claims the results' dtypes.
      keys: whether whole random keys are moved, which is done word by word.
      programs: exact parameters -> this one equation as a program, for backends without eager rules.
    """

    __slots__ = ("claimed", "keys", "operands", "out", "outs", "programs")

    def __init__(self, operands: tuple[ShapedArray, ...], outs: tuple[ShapedArray, ...], single: bool) -> None:
        self.operands = operands
        self.outs = outs
        self.claimed: Any = None
        self.out = outs[0] if single else None
        self.keys = any(map(_is_keys, operands)) and any(map(_is_keys, outs))
        self.programs: dict[tuple[Any, ...], ClosedJaxpr] = {}


_memo: dict[tuple[Any, ...], _Entry] = {}
_decomposed: set[tuple[str, Primitive]] = set()  # (backend, primitive without an eager rule there)


def _is_keys(aval: ShapedArray) -> bool:
    return dtypes.is_extended(aval.dtype)


class _Direct(NamedTuple):
    """The shortest way of a primitive at given types and parameters.

    Attributes:
      operands: the abstract operands; held so that their ids, which are the key, stay theirs.
    """

    run: Callable[..., Any]
    out: ShapedArray
    device: Device
    operands: tuple[ShapedArray, ...]


_direct: dict[tuple[Any, ...], _Direct] = {}
_new = object.__new__


def _with(key: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, ...]:
    """``key`` and the parameters: 0, False and -0.0 are equal, and do not compute the same, so types are in it."""
    values = params.values()
    return (*key, *params, *values, *map(type, values))


# The road of every operation: written out for one, two and three operands.


def eager(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """Run ``primitive`` now on Arrays, NumPy arrays and scalars; an Array, or a list of them."""
    count = len(args)
    if count == 2:
        x, y = args
        if type(y) is float and type(x) is Array:
            y = _operand(y, x._device, primitive.name)
        if type(x) is Array and type(y) is Array:
            key: tuple[Any, ...] = (primitive, id(x.aval), id(y.aval))
            found = _direct.get(_with(key, params) if params else key)
            if found is not None and found.device is x._device is y._device:
                a, b = x._buffer, y._buffer
                if a is not None and b is not None and (config if overriding else Config).plain_dispatch:
                    result = _new(Array)
                    result.aval = found.out
                    result._buffer = found.run(a, b)
                    result._device = found.device
                    result._committed = x._committed or y._committed
                    return result
    elif count == 1 and type(args[0]) is Array:
        x = args[0]
        key = (primitive, id(x.aval))
        found = _direct.get(_with(key, params) if params else key)
        if found is not None and found.device is x._device:
            a = x._buffer
            if a is not None and (config if overriding else Config).plain_dispatch:
                result = _new(Array)
                result.aval = found.out
                result._buffer = found.run(a)
                result._device = found.device
                result._committed = x._committed
                return result
    elif count == 3:
        x, y, z = args
        if type(x) is Array and type(y) is Array and type(z) is Array:
            key = (primitive, id(x.aval), id(y.aval), id(z.aval))
            found = _direct.get(_with(key, params) if params else key)
            if found is not None and found.device is x._device is y._device is z._device:
                a, b, c = x._buffer, y._buffer, z._buffer
                if not (a is None or b is None or c is None) and (config if overriding else Config).plain_dispatch:
                    result = _new(Array)
                    result.aval = found.out
                    result._buffer = found.run(a, b, c)
                    result._device = found.device
                    result._committed = x._committed or y._committed or z._committed
                    return result
    return _eager(primitive, args, params)


def _eager(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """The usual way, for any operands."""
    buffers: list[Any] = []
    ids: list[Any] = [primitive]
    device: Any = None
    committed = False
    for x in args:
        if type(x) is not Array:
            return _eager_lifted(primitive, args, params)
        buffer = x._buffer
        if buffer is None:
            raise x._deleted()
        buffers.append(buffer)
        ids.append(id(x.aval))
        if x._device is not device:
            if device is not None:
                return _eager_moved(primitive, args, params)
            device = x._device
        if x._committed:
            committed = True
    plain = config.plain_dispatch
    if device is None or not (plain or committed):
        wanted = chosen_device(args)
        if device is not None and wanted is not device:
            return _eager_moved(primitive, args, params)
        device = wanted
    if params:
        ids.append(tuple(params.items()))
    key = tuple(ids)
    entry = _memo.get(key)
    fresh = entry is None
    if entry is None:
        if primitive.higher_order:
            return _higher_order(primitive, args, params)
        entry = _new_entry(primitive, args, params, key)
    out = entry.out
    backend = device.backend
    if backend is not entry.claimed:
        for aval in entry.outs:
            check_claimed(backend, aval.dtype)
        entry.claimed = backend
    if entry.keys or not backend.capabilities.eager or not plain or _decomposed:
        results = _by_other_ways(primitive, args, buffers, params, entry, device, committed)
        return results if out is None else results[0]
    try:
        done = backend.eager(primitive, buffers, params, entry.outs, device)
    except (UnsupportedError, MissingRuleError):
        results = _without_rule(primitive, args, params, entry, device)
        return results if out is None else results[0]
    if out is not None:
        if fresh:
            _add_direct(primitive, params, entry, device)
        return Array(out, done[0], device, committed)
    return [Array(aval, buffer, device, committed) for aval, buffer in zip(entry.outs, done, strict=True)]


def _eager_lifted(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """Operands that are no Arrays become such, beside the first Array if there is one."""
    if primitive.higher_order:
        return _higher_order(primitive, args, params)
    for x in args:
        if type(x) is Array:
            device = x._device
            break
    else:
        device = new_array_device()
    return primitive.bind(*[x if type(x) is Array else _operand(x, device, primitive.name) for x in args], **params)


_scalars: dict[tuple[Any, ...], Array] = {}


def _operand(x: Any, device: Device, what: str) -> Array:
    """A value from the host as an operand. Numbers are remembered: loops use the same ones again and again."""
    kind = type(x)
    if kind is float or kind is int:
        key = (id(device), kind, x if x else repr(x), config.numbers)  # 0.0 == -0.0, but they are not the same operand
    elif kind is np.ndarray and not x.shape:
        key = (id(device), x.dtype, x.tobytes(), config.numbers)
    else:
        return lift_to(x, device, what=what)
    found = _scalars.get(key)
    if found is None:
        found = lift_to(x, device, what=what)
        if config.numbers[1]:  # every transfer is asked for
            return found
        if len(_scalars) >= _MEMO_LIMIT:
            _scalars.clear()
        _scalars[key] = found
        if kind is not np.ndarray or dtypes.is_constant(x):
            quick.number(x, found)
    return found


def _eager_moved(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """Operands on several devices go to the one that some of them are committed to."""
    device = committed_device(args, primitive.name) or chosen_device(args)
    return eager(primitive, [x if x._device is device else move(x, device) for x in args], params)


def _higher_order(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    args = [x.outside() if isinstance(x, Tracer) else x for x in args]
    results = eager_rules[primitive](args, params)
    if config.debug_nans or config.debug_infs:
        check_results(results if primitive.multiple_results else [results], f"`{primitive}`")
    return results


def _new_entry(primitive: Primitive, args: Sequence[Any], params: dict[str, Any], key: tuple[Any, ...]) -> _Entry:
    operands = tuple(x.aval for x in args)
    outs = abstract[primitive](*operands, **params)
    single = not primitive.multiple_results
    entry = _Entry(operands, (outs,) if single else tuple(outs), single)
    if len(_memo) >= _MEMO_LIMIT:
        _memo.clear()
    _memo[key] = entry
    return entry


def _add_direct(primitive: Primitive, params: dict[str, Any], entry: _Entry, device: Device) -> None:
    """Remember the shortest way, where the backend has one."""
    assert entry.out is not None
    if any(isinstance(value, float | complex | np.generic) for value in params.values()):
        return  # 0.0 and -0.0 are equal, and do not compute the same
    quick.learn(primitive, entry.operands, params, entry.out, device)
    run = device.backend.direct(primitive, entry.operands, entry.out, params, device)
    if run is not None:
        key = _with((primitive, *map(id, entry.operands)), params)
        _remember(key, quick.counted(run, device.backend), entry, device)


def _remember(key: tuple[Any, ...], run: Callable[..., Any], entry: _Entry, device: Device) -> None:
    if len(_direct) >= _MEMO_LIMIT:
        _direct.clear()
    assert entry.out is not None
    _direct[key] = _Direct(run, entry.out, device, entry.operands)


def _add_compiled(primitive: Primitive, entry: _Entry, program: ClosedJaxpr, device: Device) -> None:
    """Remember the shortest way where the backend compiles each operation: the program that has just run."""
    ready = compile_closed(program).ready()
    if entry.out is None or ready is None or ready.direct is None or ready.device is not device:
        return
    _remember((primitive, *map(id, entry.operands)), ready.direct, entry, device)


def clear_cache() -> None:
    """Forget remembered abstract results and one-equation programs."""
    _begin_again()
    _decomposed.clear()
    quick.forget()


def _begin_again() -> None:
    """Meet every operation afresh, as where shortcuts have been made, which are to learn it."""
    _memo.clear()
    _direct.clear()
    _scalars.clear()


quick = Quick(_begin_again)


# ---- The ways that are not the usual one


def _by_other_ways(
    primitive: Primitive,
    args: Sequence[Array],
    buffers: Sequence[Buffer],
    params: dict[str, Any],
    entry: _Entry,
    device: Device,
    committed: bool,
) -> list[Any]:
    backend = device.backend
    if entry.keys:
        return _move_keys(primitive, args, params, entry)
    if not backend.capabilities.eager or (backend.name, primitive) in _decomposed:
        return _without_rule(primitive, args, params, entry, device)
    try:
        done = backend.eager(primitive, buffers, params, entry.outs, device)
    except (UnsupportedError, MissingRuleError):
        return _without_rule(primitive, args, params, entry, device)
    results = [Array(aval, buffer, device, committed) for aval, buffer in zip(entry.outs, done, strict=True)]
    if config.debug_nans or config.debug_infs:
        check_results(results, f"`{primitive}`")
    return results


def _without_rule(
    primitive: Primitive, args: Sequence[Array], params: dict[str, Any], entry: _Entry, device: Device
) -> list[Any]:
    """Run what the backend cannot run at once: as a program, or, where it has eager rules only, decomposed."""
    capabilities = device.backend.capabilities
    if capabilities.kernels or capabilities.program:
        key = _exactly(params)
        held = entry.programs.get(key)
        if held is None:
            held = entry.programs[key] = _one_equation(primitive, params, entry)
        results: list[Any] = run_closed(held, args, name=primitive.name, any_size=True)
        if not params and not capabilities.eager:
            _add_compiled(primitive, entry, held, device)
        return results
    if primitive not in decompose:
        raise UnsupportedError(device.backend.name, f"the primitive `{primitive}`", hint="Every backend must know it")
    _decomposed.add((device.backend.name, primitive))
    with set_current_trace(eval_trace):
        found = decompose[primitive](*args, **params)
    return list(found) if primitive.multiple_results else [found]


def _exactly(params: dict[str, Any]) -> tuple[Any, ...]:
    """A key that tells 0, 0.0, -0.0 and False apart: they are equal, and do not compute the same."""
    return tuple(
        repr(value) if isinstance(value, int | float | complex | np.generic) else None for value in params.values()
    )


def _one_equation(primitive: Primitive, params: dict[str, Any], entry: _Entry) -> ClosedJaxpr:
    operands = [Var(aval) for aval in entry.operands]
    results = [Var(aval) for aval in entry.outs]
    rule = effects.get(primitive)
    eqn = Eqn(primitive, operands, results, params, rule(**params) if rule else no_effects)
    return ClosedJaxpr(Jaxpr((), operands, [eqn], results, name=primitive.name))


def _move_keys(primitive: Primitive, args: Sequence[Array], params: dict[str, Any], entry: _Entry) -> list[Any]:
    """Keys to keys: a primitive that moves whole keys moves their words alike, so it is mapped over the words."""
    key_type = next(aval.dtype for aval in entry.operands if _is_keys(aval))
    words = [_retyped(x, _words_aval(x.aval)) if _is_keys(x.aval) else x for x in args]
    axes = len(key_type.trailing)
    dims = [len(x.aval.shape) if _is_keys(x.aval) else None for x in args]
    rule: Callable[..., Any] = batch[primitive]
    if axes != 1:
        raise UnsupportedError("every", f"keys of {axes} axes of words")
    with set_current_trace(eval_trace):
        outs, places = rule(AxisData(None, key_type.trailing[0]), words, dims, **params)
        if not primitive.multiple_results:
            outs, places = [outs], [places]
        return [
            _retyped(_words_last(x, place, key_type.trailing), aval) if _is_keys(aval) else x
            for x, place, aval in zip(outs, places, entry.outs, strict=True)
        ]


def _words_last(x: Any, place: int | None, trailing: tuple[int, ...]) -> Any:
    from cotan.structural import broadcast_in_dim, transpose

    rank = len(x.shape)
    if place is None:
        return broadcast_in_dim(x, x.shape + trailing, tuple(range(rank)))
    return x if place == rank - 1 else transpose(x, (*(k for k in range(rank) if k != place), place))


def _words_aval(aval: ShapedArray) -> ShapedArray:
    return shaped(aval.shape + aval.dtype.trailing, aval.dtype.base)


def _retyped(x: Array, aval: ShapedArray) -> Array:
    """The same buffer under another type. Only for operands and results of one operation, never for users."""
    return Array(aval, x._live(), x._device, x._committed)


# ---- Values from the host


def lift(x: Any) -> Array:
    """``x`` as an Array on the device where new arrays go; an Array itself.

    Raises:
      TypeError: ``x`` is no Array, NumPy array or number.
      UnexpectedTracerError: ``x`` is a tracer that has leaked.

    >>> from cotan.runtime.dispatch import lift
    >>> lift(1.5)
    Array(1.5, dtype=float32, weak_type=True)
    """
    return x if type(x) is Array else lift_to(x, new_array_device())


slots.eager = eager
