"""Compiled programs: from a closed jaxpr to something that is called with values and returns Arrays.

Compilation happens once per text of a program (names and weak types apart), donation and device; compiled programs live
as long as a jaxpr of that text. Which door of the backend a program goes through is decided here, and nowhere else.
Knows no primitive and no backend by name.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, NamedTuple
from weakref import WeakValueDictionary, ref

from cotan import dtypes
from cotan.backend import Backend, CompileOptions, Device, Executable
from cotan.backend.calls import Call
from cotan.config import config
from cotan.errors import DeletedArrayError, UnsupportedError, log, where
from cotan.forks import opened_by_fork
from cotan.ir.control import Control
from cotan.ir.evaluate import eval_closed
from cotan.ir.jaxpr import ClosedJaxpr, forget_kept
from cotan.ir.primitive import program as program_rules
from cotan.ir.program import HostStep, Program
from cotan.ir.structure import RECENT, meaning
from cotan.ir.trace import eval_trace, set_current_trace
from cotan.monitoring import record_event_duration_secs
from cotan.runtime.array import Array
from cotan.runtime.devices import check_claimed, chosen_device, move, new_array_device
from cotan.runtime.host import lift_to
from cotan.runtime.nans import check_results
from cotan.runtime.recorder import record

Buffers = list[Any]


def _references(x: Array) -> int:
    return sys.getrefcount(x._buffer)


def references_of_a_named_one() -> int:
    """What ``sys.getrefcount`` says of a buffer that one Array and one variable refer to."""
    x = Array.__new__(Array)
    x._buffer = object()  # type: ignore[assignment]
    buffer = x._buffer
    return sys.getrefcount(buffer)


def _references_of_an_unshared_one() -> int:
    x = Array.__new__(Array)
    x._buffer = object()  # type: ignore[assignment]
    return _references(x)


_UNSHARED = _references_of_an_unshared_one()


class _OnDevice:
    """A program on one device."""

    __slots__ = ("__weakref__", "call", "copied", "device", "executable", "held")

    held: Sequence[Any]

    def __init__(self, device: Device, executable: Executable | None, call: Callable[[Sequence[Any]], Buffers]) -> None:
        self.device = device
        self.held = ()  # what the key by which it is shared names by identity
        self.executable = executable
        self.call = call
        # The arguments that are copied if they are NumPy arrays; None: all.
        self.copied = None if executable is None else executable.forwarded


class Ready(NamedTuple):
    """How a program runs on a device at once, for whoever has checked its arguments.

    Attributes:
      held: buffers that come before those of the arguments.
      call: from a list of buffers to those of the results.
      direct: from buffers, one by one, to the buffer of the one result or a tuple of several; or None.
      copied: numbers of the operands of which a result may share the memory; None: all.
      donated: for each operand, those that are held included, whether the call gives it up. If any is, then ``direct``
        is the only way, and only for donated buffers that one Array alone refers to.
      entry: see ``Executable.entry``; or None.
    """

    device: Device
    held: tuple[Any, ...]
    call: Callable[[Sequence[Any]], Buffers]
    direct: Callable[..., Any] | None
    copied: frozenset[int] | None
    donated: tuple[bool, ...]
    entry: Callable[[Call], Callable[..., Any] | None] | None = None

    def copies(self, argument: int) -> bool:
        """Whether that argument is copied if it is a NumPy array."""
        operand = argument + len(self.held)
        return self.copied is None or operand in self.copied or self.donated[operand]


class Compiled:
    """A program that runs where its arguments are.

    ``compiled(args)`` takes Arrays, NumPy arrays or scalars of the program's argument types and returns Arrays, in a
    list. It compiles when it first meets a device; keep the jaxpr alive as long as that may happen.
    """

    __slots__ = (
        "_closed",
        "_fast",
        "_lock",
        "_on",
        "any_size",
        "donated",
        "donates",
        "in_avals",
        "name",
        "out_aval",
        "out_avals",
    )

    def __init__(self, closed: ClosedJaxpr, donated: tuple[bool, ...], name: str, any_size: bool = False) -> None:
        self._closed = ref(closed)
        self._lock = opened_by_fork(threading.Lock())
        self._on: dict[Device, _OnDevice] = {}
        # The device met last, and how to run there: one tuple, so that threads never see half of it.
        self._fast: tuple[Any, Any] = (None, None)
        self.in_avals = closed.in_avals
        self.out_avals = closed.out_avals
        self.out_aval = self.out_avals[0] if len(self.out_avals) == 1 else None
        self.donated = donated or (False,) * len(self.in_avals)
        self.donates = any(self.donated)
        self.name = name
        self.any_size = any_size

    def __call__(self, args: Sequence[Any]) -> list[Array]:
        if self.donates:
            return self._slow_call(args)  # at once: a buffer that is also held here could not be taken over
        device, call = self._fast
        committed = False
        buffers = []
        for x in args:
            if type(x) is not Array or x._device is not device:
                return self._slow_call(args)
            buffer = x._buffer
            if buffer is None:
                return self._slow_call(args)
            if x._committed:
                committed = True
            buffers.append(buffer)
        if not buffers or not config.plain_dispatch:
            return self._slow_call(args)
        results = call(buffers)
        out_aval = self.out_aval
        if out_aval is not None:
            return [Array(out_aval, results[0], device, committed)]
        return [Array(aval, b, device, committed) for aval, b in zip(self.out_avals, results)]

    def _slow_call(self, args: Sequence[Any], device: Device | None = None) -> list[Array]:
        """The way for arguments that must be converted or moved first, for donation, and for a given device."""
        if len(args) != len(self.in_avals):
            raise TypeError(f"{where()}: `{self.name}` was compiled for {len(self.in_avals)} arrays, got {len(args)}")
        given = [x for x in args if type(x) is Array]
        for x in given:
            if x._buffer is None:
                raise self._deleted(args)
        what = f"jit of `{self.name}`" if self.name else "a compiled program"
        if device is None:
            device = chosen_device(given, what)
        committed = any(x._committed for x in given)
        program = self.on(device)
        held = self._arguments(args, program, what)
        checked = not config.plain_dispatch and (config.debug_nans or config.debug_infs)
        kept = [_copied(x) for x in held] if checked and self.donates else held
        began = perf_counter()
        if self.donates:
            results = self._donating(program, args, held)
        else:
            results = program.call([x._buffer for x in held])
        if config.record_runs:
            for buffer in results:
                buffer.wait()
            record(self.name or "program", "program", began, device=str(device))
        self._fast = (device, program.call)
        arrays = [Array(aval, b, device, committed) for aval, b in zip(self.out_avals, results, strict=True)]
        if checked:
            check_results(arrays, what, self._closed(), kept)
        return arrays

    def _deleted(self, args: Sequence[Any]) -> DeletedArrayError:
        position = next(k for k, x in enumerate(args) if type(x) is Array and x._buffer is None)
        error: DeletedArrayError = args[position]._deleted(
            f"argument {self._named(position)} of `{self.name}`, an array of type"
        )
        return error

    def _named(self, position: int) -> str:
        """What messages call an argument."""
        closed = self._closed()
        names = closed.jaxpr.arg_names if closed is not None else ()
        return f"`{names[position]}`" if position < len(names) and names[position] else f"number {position}"

    def _arguments(self, args: Sequence[Any], program: _OnDevice, what: str) -> list[Array]:
        """All arguments as Arrays on the program's device."""
        device, copied = program.device, program.copied
        held = []
        for position, (x, aval) in enumerate(zip(args, self.in_avals)):
            if type(x) is not Array:
                copy = copied is None or position in copied or self.donated[position]
                x = lift_to(x, device, aval, what, copy=copy)
            elif x._device is not device:
                x = move(x, device)
            held.append(x)
        return held

    def _donating(self, program: _OnDevice, args: Sequence[Any], held: list[Array]) -> Buffers:
        """Run, giving up the donated arguments' memory where nothing else holds it."""
        self._check_donated_once(args)
        # A buffer that a second Array holds must stay; so must one that is a plain argument as well.
        plain = {id(x._buffer) for x, given in zip(held, self.donated) if not given}
        gone = tuple(
            given and (x is not arg or (id(x._buffer) not in plain and _references(x) <= _UNSHARED))
            for x, arg, given in zip(held, args, self.donated)
        )
        try:
            if program.executable is None:
                return program.call([x._buffer for x in held])
            return program.executable.run([x._buffer for x in held], gone)  # type: ignore[misc]
        finally:
            # Also when it failed: by then it may have overwritten some of them.
            for x, given in zip(args, self.donated):
                if given and type(x) is Array:
                    x.delete()

    def _check_donated_once(self, args: Sequence[Any]) -> None:
        seen: dict[int, int] = {}
        for position, (x, given) in enumerate(zip(args, self.donated)):
            if given and type(x) is Array:
                first = seen.setdefault(id(x._buffer), position)
                if first != position:
                    raise ValueError(
                        f"{where()}: `{self.name}` donates the same array twice, as arguments {self._named(first)} and "
                        f"{self._named(position)}; pass a copy (x.copy()) for one of them, or do not donate it"
                    )

    def on(self, device: Device) -> _OnDevice:
        """The program on ``device``, compiled at the first call."""
        found = self._on.get(device)
        if found is None:
            with self._lock:
                found = self._on.get(device)
                if found is None:
                    closed = self._closed()
                    if closed is None:
                        raise RuntimeError(f"the program `{self.name}` is gone; keep its jaxpr while it is used")
                    found = self._on[device] = _shared(closed, device, self.donated, self.name, self.any_size)
        return found

    def executable(self, device: Device) -> Executable | None:
        """The backend's executable on ``device``; None where the backend runs operation by operation."""
        return self.on(device).executable

    @property
    def device(self) -> Device | None:
        """Where it ran last; None before."""
        device: Device | None = self._fast[0]
        return device

    def ready(self, held: Sequence[Array] = ()) -> Ready | None:
        """How it ran last, with ``held`` before the arguments; None if it did not run yet, or knows no short way."""
        device, call = self._fast
        if call is None:
            return None
        program = self.on(device)
        executable = program.executable
        if self.donates:
            direct = None if executable is None else executable.donating(self.donated)
            if direct is None:
                return None
        else:
            direct = None if executable is None else executable.direct
        entry = None if executable is None else executable.entry
        return Ready(device, tuple([x._buffer for x in held]), call, direct, program.copied, self.donated, entry)

    def bound_to(self, device: Device, values: Sequence[Array]) -> Callable[[Sequence[Any]], list[Array]]:
        """The program on ``device``, wherever the arguments are, as a function of those after the first ones, which
        are ``values``."""
        held = tuple([_resident(x, device) for x in values])

        def call(args: Sequence[Any]) -> list[Array]:
            for x in args:
                if type(x) is not Array or x._device is not device:
                    return self._slow_call((*held, *args), device)
            if not args:
                return self._slow_call(held, device)
            return self((*held, *args))

        return call

    def closing_over(self, values: Sequence[Array]) -> Compiled | _Closure:
        """The program as a function of the arguments after the first ones, which are ``values``."""
        return _Closure(self, values) if values else self


class _Closure:
    """A compiled program whose first arguments are given. They go where the others are, and stay there."""

    __slots__ = ("_compiled", "_here")

    def __init__(self, compiled: Compiled, values: Sequence[Array]) -> None:
        self._compiled = compiled
        # The device of the last call, and the values there: one tuple, so that threads never see half of it. They are
        # Arrays of its own: the user may delete those that were given.
        self._here: tuple[Any, tuple[Array, ...]] = (None, tuple([_resident(x, x._device) for x in values]))

    def __call__(self, args: Sequence[Any]) -> list[Array]:
        device, values = self._here
        for x in args:
            if type(x) is not Array or x._device is not device:
                return self._compiled((*self._at(args), *args))
        if not args or not config.plain_dispatch:
            values = self._at(args)
        return self._compiled((*values, *args))

    @property
    def device(self) -> Device | None:
        """Where it ran last; None before."""
        return self._compiled.device

    def ready(self) -> Ready | None:
        """See ``Compiled.ready``."""
        device, values = self._here
        found = self._compiled.ready(values)
        return found if found is not None and found.device is device else None

    def _at(self, args: Sequence[Any]) -> tuple[Array, ...]:
        """The values where ``args`` will be computed with."""
        device = chosen_device([x for x in args if type(x) is Array], f"jit of `{self._compiled.name}`")
        last, values = self._here
        if last is not device:
            values = tuple([_resident(x, device) for x in values])
            self._here = (device, values)
        return values


def _copied(x: Array) -> Array:
    return Array(x.aval, x._live().copy_to(x._device), x._device)


def _resident(x: Array, device: Device) -> Array:
    return Array(x.aval, x._live(), device) if x._device is device else move(x, device)


# Programs on devices, by their text. They live with the programs that use them; the last ones a while longer, if they
# hold nothing that a user may want to be freed.
_by_text: WeakValueDictionary[Hashable, _OnDevice] = WeakValueDictionary()
_recent: OrderedDict[Hashable, _OnDevice] = OrderedDict()
OPTIONS = ("num_threads", "host_fallback")
"""The flags that compilation reads: those that ``compiler_options`` may set for one program."""


def _shared(
    closed: ClosedJaxpr, device: Device, donated: tuple[bool, ...], name: str, any_size: bool = False
) -> _OnDevice:
    """``closed`` on ``device``: compiled now, or earlier for another program of the same text."""
    known = meaning(closed) if device.backend.capabilities.door != "eager" else None
    if known is None:
        return _compile(closed, device, donated, name, any_size)
    text, held = known
    key = (text, device, donated, name, any_size, *(config.read(flag) for flag in OPTIONS))
    found = _by_text.get(key)
    if found is None:
        start = perf_counter()
        made = _compile(closed, device, donated, name, any_size)
        made.held = held
        record_event_duration_secs("/cotan/compile", perf_counter() - start, name=name)
        if config.record_runs:
            record(name, "compile", start, device=str(device))
        if config.log_compiles:
            log(f"{where()}: compiled `{name}` for {device} in {1e3 * (perf_counter() - start):.1f} ms")
    elif config.log_compiles:
        log(f"{where()}: `{name}` for {device} is compiled already, as an earlier program of the same text")
    with _lock:
        if found is None:
            found = _by_text.setdefault(key, made)
        if text.light:
            _recent[key] = found
            _recent.move_to_end(key)
            if len(_recent) > RECENT:
                _recent.popitem(last=False)
    return found


def _compile(
    closed: ClosedJaxpr, device: Device, donated: tuple[bool, ...], name: str, any_size: bool = False
) -> _OnDevice:
    backend = device.backend
    door = backend.capabilities.door
    if _runs_by_operation(closed, backend):
        return _OnDevice(device, None, _one_by_one(closed, device))
    for aval in (*closed.in_avals, *closed.out_avals):
        check_claimed(backend, aval.dtype)
    options = CompileOptions(device, donated if backend.capabilities.donation else (), name, any_size)
    executable = backend.compile(_for_door(closed, backend, door, options), options)
    call = executable.fast_call if executable.fast_call is not None else executable.run
    return _OnDevice(device, executable, call)


def _runs_by_operation(closed: ClosedJaxpr, backend: Backend) -> bool:
    """Whether the backend has eager rules only, or the program has loops or branches, which it does not compile."""
    capabilities = backend.capabilities
    return capabilities.door == "eager" or (not capabilities.control_flow and _has_control(closed))


def _has_control(closed: ClosedJaxpr) -> bool:
    for eqn in closed.eqns:
        rule = program_rules.get(eqn.primitive)
        meaning_of = None if rule is None else rule(**eqn.params)
        if isinstance(meaning_of, Control) or (isinstance(meaning_of, ClosedJaxpr) and _has_control(meaning_of)):
            return True
    return False


def _for_door(closed: ClosedJaxpr, backend: Backend, door: str, options: CompileOptions) -> Any:
    from cotan.compiler import compile_to_program, decompose_jaxpr

    with set_current_trace(eval_trace):
        if door == "program":
            plain = decompose_jaxpr(closed, backend.lowerings().native)
            return ClosedJaxpr(plain.jaxpr, [_stored(value) for value in plain.consts])
        program = compile_to_program(
            closed,
            supports_library=backend.lowerings().library,
            donated=options.donated,
            name=options.name,
            local_bytes=backend.capabilities.local_bytes,
            lend_results=backend.capabilities.lends_results,
            kernels=backend.lowerings().kernel,
        )
        if not backend.capabilities.host_steps:
            _refuse_host_steps(program, backend)
        if any(type(value) is Array for value in program.consts.values()):
            program = replace(program, consts={number: _stored(value) for number, value in program.consts.items()})
        return program


def _refuse_host_steps(program: Program, backend: Backend) -> None:
    """Raise UnsupportedError if a part of ``program`` runs on the host, where ``backend`` does not stop."""
    for step in program.steps:
        if isinstance(step, HostStep):
            raise UnsupportedError(
                backend.name,
                f"`{step.primitive}` in a compiled program",
                hint="It would run on the host, and the backend does not claim host_steps",
            )
    for part in program.parts():
        _refuse_host_steps(part, backend)


def lower_closed(
    closed: ClosedJaxpr, device: Device, donated: tuple[bool, ...] = (), name: str = ""
) -> Program | ClosedJaxpr | None:
    """What the device's backend is given to compile; None where it runs operation by operation."""
    backend = device.backend
    door = backend.capabilities.door
    if _runs_by_operation(closed, backend):
        return None
    options = CompileOptions(device, donated if backend.capabilities.donation else (), name)
    made: Program | ClosedJaxpr = _for_door(closed, backend, door, options)
    return made


def text_of_closed(
    closed: ClosedJaxpr, dialect: str, device: Device, donated: tuple[bool, ...] = (), name: str = ""
) -> str:
    """What the device's backend is given to compile, in one of its own languages (``Backend.dialects``)."""
    made = lower_closed(closed, device, donated, name)
    if made is None:
        return str(closed)
    return device.backend.text(made, CompileOptions(device, donated, name), dialect)


def explain_closed(closed: ClosedJaxpr, name: str, device: Device | None = None, donated: tuple[bool, ...] = ()) -> str:
    """What a device's backend makes of a program, in words: its kernels and steps, or its operations.

    Without ``device``, that of the one where new arrays go.
    """
    from cotan.compiler import explain

    device = new_array_device() if device is None else device
    backend = device.backend
    made = lower_closed(closed, device, donated, name)
    if made is None:
        return f"program `{name}`: {backend.name} runs it operation by operation\n{closed}"
    if isinstance(made, ClosedJaxpr):
        return f"program `{name}`, as {backend.name} takes it\n{made}"
    return explain(made, backend.lowerings().on_host)


def _stored(value: Any) -> Any:
    """A constant as backends take it: random keys as their words, all else as it is."""
    return value._words() if type(value) is Array and dtypes.is_extended(value.aval.dtype) else value


def _one_by_one(closed: ClosedJaxpr, device: Device) -> Callable[[Sequence[Any]], Buffers]:
    """Equation by equation, for backends that have eager rules only."""

    def call(buffers: Sequence[Any]) -> Buffers:
        args = [Array(aval, buffer, device, True) for aval, buffer in zip(closed.in_avals, buffers, strict=True)]
        with set_current_trace(eval_trace):
            outs = eval_closed(closed, *args)
        arrays = [lift_to(x, device, aval) if type(x) is not Array else x for x, aval in zip(outs, closed.out_avals)]
        return [(x if x._device is device else move(x, device))._live() for x in arrays]

    return call


# ---- The cache

_lock = opened_by_fork(threading.RLock())


def compile_closed(
    closed: ClosedJaxpr,
    args: Sequence[Any] = (),
    donated: Sequence[bool] = (),
    name: str = "",
    any_size: bool = False,
) -> Compiled:
    """The compiled form of ``closed``, made once for each choice of ``donated``, and kept with it.

    Args:
      closed: the program. Keep it as long as the result is used.
      args: arguments it is about to be called with; it is compiled for their device now. Without any, when called.
      donated: for each argument, whether a call gives up its memory.
      name: what messages call it.
      any_size: whether it is likely to come with other shapes (``CompileOptions.any_size``).

    Raises:
      BackendUnavailableError: no backend is installed.
    """
    mask = tuple(donated) if any(donated) else ()
    known = closed.kept(compile_closed)
    compiled: Compiled | None = known.get(mask)
    if compiled is None:
        compiled = known.setdefault(mask, Compiled(closed, mask, name or closed.jaxpr.name, any_size))
    return compiled


def run_closed(
    closed: ClosedJaxpr, args: Sequence[Any], *, donated: Sequence[bool] = (), name: str = "", any_size: bool = False
) -> list[Any]:
    """Compile ``closed``, or find it compiled, and run it; a list of Arrays."""
    return compile_closed(closed, args, donated, name, any_size)(args)


def clear_cache() -> None:
    """Forget all compiled programs, and all else that is kept with programs."""
    forget_kept()
    with _lock:
        _recent.clear()
        _by_text.clear()
