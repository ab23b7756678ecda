"""Executables of OpenCL devices: kernels of a built program, and the commands that give them to the queue.

Calls are asynchronous: they return as soon as everything is in the queue. Only steps on the host, and the choice of a
branch or the end of a loop, wait.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.backend import Executable, LoweringTable
from cotan.backend.host_memory import put_results
from cotan.compiler.c.commands import Branch, Copy, Frame, HostCall, Launch, Loop, Target, write
from cotan.compiler.c.opencl import WIDE_BYTES, opencl, whole
from cotan.ir.avals import ShapedArray
from cotan.ir.program import Program
from cotan_opencl import control
from cotan_opencl.driver import Memory, Queue
from cotan_opencl.memory import Loan, OpenclBuffer, is_exclusive


class State:
    """Where the buffers of a frame lie just now: the memory of each, and the byte in it."""

    __slots__ = ("memories", "offsets")

    def __init__(self, count: int) -> None:
        self.memories: list[Any] = [None] * count
        self.offsets: list[int] = [0] * count


Action = Callable[[State, Memory | None], None]


class Loaded:
    """A frame, ready to run: its commands as functions of a state and the workspace."""

    def __init__(self, frame: Frame, load: Loader) -> None:
        self.frame = frame
        self.places = tuple(frame.places.items())
        self.consts = tuple((n, load.constant(frame, n)) for n in frame.consts)
        self.actions: list[Action] = [load.action(command, frame) for command in frame.commands]
        self.count = len(frame.avals)

    def state(self, workspace: Memory | None) -> State:
        """A state with constants and temporaries in their places."""
        state = State(self.count)
        memories, offsets = state.memories, state.offsets
        for number, loan in self.consts:
            memories[number] = loan.memory
        for number, place in self.places:
            memories[number] = workspace
            offsets[number] = place
        return state

    def run(self, state: State, workspace: Memory | None) -> None:
        """Give all commands to the queue."""
        for action in self.actions:
            action(state, workspace)


class Loader:
    """Makes actions of commands: holds the device and the text."""

    def __init__(self, device: Any, text: str, name: str) -> None:
        self.device = device
        self.queue: Queue = device.queue
        self.text = text
        self.name = name

    def constant(self, frame: Frame, number: int) -> Loan:
        aval, value = frame.avals[number], np.asarray(frame.consts[number])
        loan: Loan = self.device.put(value.astype(aval.dtype, copy=False)).loan
        return loan

    def action(self, command: Any, frame: Frame) -> Action:
        if isinstance(command, Launch):
            return self._launch(command)
        if isinstance(command, Copy):
            return self._copy(command)
        if isinstance(command, HostCall):
            return self._host(command, [frame.avals[n] for n in (*command.operands, *command.results)])
        if isinstance(command, Loop):
            cond = None if command.cond is None else Loaded(command.cond, self)
            return control.loop(self, command.step, frame, Loaded(command.body, self), cond)
        assert isinstance(command, Branch)
        return control.branch(self, command.step, frame, [Loaded(part, self) for part in command.frames])

    def _launch(self, command: Launch) -> Action:
        queue = self.queue
        kernel = self.prepared(command)
        set_buffer, set_bytes = kernel.set_arg, kernel._set_arg_buf
        slots = [(2 * k, number, size) for k, (number, size) in enumerate(command.operands)]
        last: list[int] = [0] * len(slots)
        places: list[int] = [0] * len(slots)
        enqueue, items, group, handle = queue.cl.enqueue_nd_range_kernel, command.items, command.group, queue.queue

        def launch(state: State, workspace: Memory | None) -> None:
            memories, offsets = state.memories, state.offsets
            for position, number, size in slots:
                k = position >> 1
                memory = memories[number]
                if memory.serial != last[k]:
                    set_buffer(position, memory.cl)
                    last[k] = memory.serial
                offset = offsets[number]
                if offset != places[k]:
                    set_bytes(position + 1, (offset // size).to_bytes(8, "little"))
                    places[k] = offset
            queue.last0 = enqueue(handle, kernel, items, group)

        return launch

    def prepared(self, command: Launch) -> Any:
        """A kernel object of its own, with all arguments but the pointers; offsets are 0."""
        kernel = self.queue.kernel(self.text, self.name, command.kernel)
        count = len(command.operands)
        for position in range(count):
            kernel._set_arg_buf(2 * position + 1, bytes(8))
        for position, value in enumerate(command.scalars, 2 * count):
            kernel._set_arg_buf(position, value)
        return kernel

    def _copy(self, command: Copy) -> Action:
        source, target, nbytes = command.source, command.target, command.nbytes

        def copy(state: State, workspace: Memory | None) -> None:
            self.move(
                state.memories[source], state.offsets[source], state.memories[target], state.offsets[target], nbytes
            )

        return copy

    def move(self, source: Memory, at: int, target: Memory, to: int, nbytes: int) -> None:
        """Copy bytes that may already be where they belong."""
        if nbytes and (source is not target or at != to):
            self.queue.copy(source, at, target, to, nbytes)

    # ---- The host

    def view(self, memory: Memory | None, offset: int, aval: ShapedArray, wanted: bool = True) -> np.ndarray:
        """The array at that place: the very memory where it is shared, else a copy (of nothing, if not ``wanted``)."""
        dtype = np.dtype(aval.dtype)
        if memory is not None and memory.host is not None:
            return np.ndarray(aval.shape, dtype, memory.host, offset)
        array = np.empty(aval.shape, dtype)
        if memory is not None and wanted and array.size:
            self.queue.read(memory, offset, array.reshape(-1).view(np.uint8))
        return array

    def _host(self, command: HostCall, avals: Sequence[ShapedArray]) -> Action:
        queue, count = self.queue, len(command.operands)
        operands = list(zip(command.operands, avals[:count], strict=True))
        results = list(zip(command.results, avals[count:], strict=True))

        def host(state: State, workspace: Memory | None) -> None:
            queue.wait(queue.last0)
            memories, offsets = state.memories, state.offsets
            arrays = [self.view(memories[number], offsets[number], aval) for number, aval in operands]
            for array in arrays:
                array.flags.writeable = False
            # It may wait for another thread, which may want to launch something.
            queue.lock.release()
            try:
                found = command.function(*arrays, **command.params)
            finally:
                queue.lock.acquire()
                queue.join()
            targets = [self.view(memories[number], offsets[number], aval, wanted=False) for number, aval in results]
            put_results(command.name, targets, found if command.multiple else [found])
            for (number, _), target in zip(results, targets, strict=True):
                memory = memories[number]
                if memory is not None and memory.host is None and target.size:
                    queue.write(memory, offsets[number], target.reshape(-1).view(np.uint8))

        return host


_MOST_DIRECT = 8
_HELD_BYTES = 1 << 16
"""Workspace that programs of one launch keep for themselves: queues are in order, so calls may share it."""


@functools.cache
def _direct_maker(
    count: int, places: tuple[tuple[int, int], ...], lane: int
) -> Callable[..., Callable[..., OpenclBuffer]]:
    """Makes functions of ``count`` buffers that launch one kernel in that lane: straight-line code. ``places`` are
    (position of an argument of the kernel, number of the buffer; -1 for the result)."""
    names, other = [f"b{k}" for k in range(count)], 1 - lane
    lines = [
        "def make(queue, take, shelf, flush, set_arg, enqueue, nbytes, shape, dtype, device, Buffer, Loan, failed):",
        "    lock, Error, new, pool = queue.lock, queue.cl.Error, object.__new__, device.pool",
        *(f"    last{position} = 0" for position, _ in places),
        f"    def direct({', '.join(names)}):",
        *(f"        nonlocal last{position}" for position, _ in places),
        # What their constructors do, without the calls.
        "        try: memory = shelf.pop()",
        "        except IndexError: loan = take(nbytes)",
        "        else: loan = new(Loan); loan.memory = memory; loan.pool = pool",
        "        with lock:",
        "            number = queue.number = queue.number + 1",
        f"            known = queue.known{lane}",
        f"            clash = {'queue.unnoted > known' if lane else 'False'}",
        "            try:",
    ]
    for position, place in places:
        memory, touched, noted = f"b{place}.loan.memory", "wrote", ""
        if place < 0:
            memory, touched, noted = "loan.memory", "used", f" = memory.wrote{lane}"
        lines += [
            f"                memory = {memory}",
            f"                if memory.serial != last{position}:",
            f"                    set_arg({position}, memory.cl)",
            f"                    last{position} = memory.serial",
            f"                if memory.{touched}{other} > known: clash = True",
            f"                memory.used{lane}{noted} = number",
        ]
    lines += [
        "                if clash:",
        f"                    event = enqueue(wait_for=[queue.last{other}])",
        f"                    queue.known{lane} = number",
        "                else: event = enqueue()",
        f"                queue.last{lane} = event",
        "                flush()",
        "            except Error as error:",
        "                raise failed(error) from error",
        "        out = new(Buffer)",
        "        out.loan, out.shape, out.dtype, out.device, out.event = loan, shape, dtype, device, event",
        "        return out",
        "    return direct",
    ]
    found: dict[str, Any] = {}
    exec(compile("\n".join(lines), __file__, "exec"), found)
    return found["make"]  # type: ignore[no-any-return]


class OpenclExecutable(Executable):
    """A compiled Program on one device."""

    def __init__(self, program: Program, device: Any, table: LoweringTable, *, any_size: bool = False) -> None:
        found = device.queue.found
        for buffer in program.buffers:
            if isinstance(buffer.aval.dtype, np.dtype):
                device.check(buffer.aval.dtype)
        wide = device.schedule.vector_bytes == WIDE_BYTES
        language = opencl(found.doubles, wide)
        target = Target("opencl", language, device.schedule, found.shared, found.units, any_size)
        frame, text = write(program, table, target)
        text = whole(text, found.doubles, wide) if text else ""
        self.name, self.device, self._text = program.name, device, text
        self._workspace = frame.peak
        self._inputs = program.inputs
        outputs = self._outputs = frame.outputs
        avals = [frame.avals[n] for n in outputs]
        donated = [program.buffers[n].donated for n in outputs]
        self._new = [
            (n, aval.shape, np.dtype(aval.dtype), aval.nbytes, None if d is None else program.inputs.index(d))
            for n, aval, d in zip(outputs, avals, donated, strict=True)
        ]
        taken = {place for *_, place in self._new if place is not None}
        self._overwrites = tuple(sorted(taken | {program.inputs.index(n) for n in frame.written & {*program.inputs}}))
        self._results = [self._result(program, n) for n in program.outputs]
        with device.queue.lock, device.queue.translating(f"preparing `{program.name}`"):
            loader = Loader(device, text, program.name)
            self._loaded = Loaded(frame, loader)
            self._held: list[dict[int, Loan]] = []
            self.direct = self._straight(loader)
        self.fast_call = None if self._overwrites else self._call

    def _result(self, program: Program, number: int) -> tuple[str, int]:
        """Where a result is found: ('new', which), ('input', which) or ('const', buffer)."""
        if number in self._outputs:
            return ("new", self._outputs.index(number))
        return ("input", program.inputs.index(number)) if number in program.inputs else ("const", number)

    def _straight(self, loader: Loader) -> Callable[..., OpenclBuffer] | None:
        """The shortest way, for programs that are one launch with one new result."""
        commands = self._loaded.frame.commands
        if self._overwrites or self._results != [("new", 0)] or len(self._inputs) > _MOST_DIRECT:
            return None
        if len(commands) != 1 or not isinstance(commands[0], Launch) or self._workspace > _HELD_BYTES:
            return None
        if commands[0].items == (1,) or self.device.queue.side is None:
            return self._in_lane(loader, commands[0], 0)
        turns = itertools.cycle([self._in_lane(loader, commands[0], lane) for lane in (0, 1)])
        return lambda *buffers: next(turns)(*buffers)

    def _in_lane(self, loader: Loader, launch: Launch, lane: int) -> Callable[..., OpenclBuffer]:
        """The launch in one of the device's queues, with memory of its own to write to."""
        kernel = loader.prepared(launch)
        places, frame, held = [], self._loaded.frame, dict(self._loaded.consts)
        if self._workspace:
            held[-1] = self.device.pool.take(self._workspace)
        held.update((number, loader.constant(frame, number)) for number in frame.written & {*held})
        self._held.append(held)
        for position, (number, size) in enumerate(launch.operands):
            if number in self._inputs or number in self._outputs:
                places.append((2 * position, self._inputs.index(number) if number in self._inputs else -1))
            elif number in frame.places:
                kernel.set_arg(2 * position, held[-1].memory.cl)
                kernel.set_arg(2 * position + 1, np.int64(frame.places[number] // size))
            else:
                kernel.set_arg(2 * position, held[number].memory.cl)
        [(_, shape, dtype, nbytes, _)] = self._new
        queue = self.device.queue
        handle = queue.side if lane else queue.queue
        enqueue = functools.partial(queue.cl.enqueue_nd_range_kernel, handle, kernel, launch.items, launch.group)
        maker = _direct_maker(len(self._inputs), tuple(places), lane)
        take, shelf = self.device.pool.take, self.device.pool.shelf(nbytes)
        kinds = (shape, dtype, self.device, OpenclBuffer, Loan)
        return maker(queue, take, shelf, handle.flush, kernel.set_arg, enqueue, nbytes, *kinds, self._failed)

    def _failed(self, error: Exception) -> Exception:
        self.device.pool.clear()  # some drivers look for a buffer's memory only when a kernel uses it
        return self.device.queue.translated(error, f"running `{self.name}`")  # type: ignore[no-any-return]

    def _call(self, args: Sequence[OpenclBuffer]) -> list[OpenclBuffer]:
        return self._run(args, [buffer.loan for buffer in args])

    def _run(self, args: Sequence[OpenclBuffer], loans: list[Loan]) -> list[OpenclBuffer]:
        device, loaded = self.device, self._loaded
        queue, take = device.queue, device.pool.take
        made = [take(nbytes) if place is None else loans[place] for *_, nbytes, place in self._new]
        scratch = take(self._workspace) if self._workspace else None
        workspace = None if scratch is None else scratch.memory
        try:
            with queue.lock:
                queue.join()
                state = loaded.state(workspace)
                memories = state.memories
                for number, loan in zip(self._inputs, loans):
                    memories[number] = loan.memory
                for new, loan in zip(self._new, made):
                    memories[new[0]] = loan.memory
                loaded.run(state, workspace)
                queue.queue.flush()
                event = queue.last0
        except queue.cl.Error as error:
            raise self._failed(error) from error
        return self._pick(args, loans, made, event)

    def _pick(
        self, args: Sequence[OpenclBuffer], loans: Sequence[Loan], made: Sequence[Loan], event: Any
    ) -> list[OpenclBuffer]:
        device, found = self.device, {}
        for place in {*self._results}:
            kind, which = place
            if kind == "new":
                _, shape, dtype, _, _ = self._new[which]
                found[place] = OpenclBuffer(made[which], shape, dtype, device, event)
            elif kind == "input":
                given = args[which]
                found[place] = OpenclBuffer(loans[which], given.shape, given.dtype, device, given.event)
            else:
                aval = self._loaded.frame.avals[which]
                loan = dict(self._loaded.consts)[which]
                found[place] = OpenclBuffer(loan, aval.shape, np.dtype(aval.dtype), device, None)
        return [found[place] for place in self._results]

    def run(self, args: Sequence[Any], donated: Sequence[bool] = ()) -> list[Any]:
        device = self.device
        mine = {number for number in self._overwrites if self._may_take(args, number, donated)}
        loans = [buffer.loan for buffer in args]
        for number in self._overwrites:
            if number not in mine:
                # The code works in place: give it a copy of what it may not overwrite.
                loans[number] = args[number].copy_to(device).loan
        results = self._run(args, loans)
        for buffer, gone in zip(args, donated, strict=False):
            if gone:
                buffer.delete()
        return results

    @staticmethod
    def _may_take(args: Sequence[Any], number: int, donated: Sequence[bool]) -> bool:
        """Whether an argument is donated and nothing else can see its memory."""
        if number >= len(donated) or not donated[number]:
            return False
        buffer = args[number]
        return is_exclusive(buffer) and sum(other is buffer for other in args) == 1

    def text(self) -> str:
        return self._text

    def memory(self) -> dict[str, int]:
        constants = sum(loan.memory.nbytes for _, loan in self._loaded.consts)
        return {"workspace": self._workspace, "code": len(self._text), "constants": constants}
