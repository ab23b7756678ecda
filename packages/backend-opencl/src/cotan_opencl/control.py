"""Loops and branches, run by the host: it gives a part's commands to the queue again and again.

Nothing is read back but the condition of a ``while`` and the index of a branch. Carries lie in two buffers in turn, or
stay in their place, as the plan says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cotan.ir.avals import shaped
from cotan.ir.program import BranchStep, LoopStep
from cotan_opencl.driver import Memory

if TYPE_CHECKING:
    from cotan.compiler.c.commands import Frame
    from cotan_opencl.executable import Action, Loaded, Loader, State

Place = tuple[Any, int]


def _places(state: State, numbers: Sequence[int]) -> list[Place]:
    return [(state.memories[n], state.offsets[n]) for n in numbers]


def _put(state: State, numbers: Sequence[int], places: Sequence[Place]) -> None:
    for number, (memory, offset) in zip(numbers, places, strict=True):
        state.memories[number] = memory
        state.offsets[number] = offset


def loop(loader: Loader, step: LoopStep, frame: Frame, body: Loaded, cond: Loaded | None) -> Action:
    """The action of a loop."""
    sizes = [frame.avals[n].nbytes for n in step.inits]
    strides = [frame.avals[n].nbytes // step.length if step.length else 0 for n in (*step.xs, *step.ys)]
    holds = None if cond is None else _condition(loader, cond)
    inputs, outputs = step.body.inputs, step.body.outputs
    first, carries = len(step.consts), len(step.inits)

    def run(state: State, workspace: Memory | None) -> None:
        consts = _places(state, step.consts)
        carry, finals = _places(state, step.inits), _places(state, step.finals)
        targets = list(finals)
        spares = [None if n is None else (state.memories[n], state.offsets[n]) for n in step.spares]
        for k, spare in enumerate(spares):
            if spare is None:
                # It stays in its place.
                loader.move(*carry[k], *finals[k], sizes[k])
                carry[k] = finals[k]
            elif step.length is not None and step.length % 2 == 0:
                # Such that the last iteration writes where the result belongs.
                targets[k] = spare
        others = [
            final if spare is None else final if target is spare else spare
            for final, spare, target in zip(finals, spares, targets, strict=True)
        ]
        slices = _places(state, (*step.xs, *step.ys))
        inside = body.state(workspace)
        _put(inside, inputs[:first], consts)
        cond_consts = _places(state, step.cond_consts)
        iteration = 0
        while iteration != step.length:
            if holds is not None and not holds(workspace, [*cond_consts, *carry]):
                break
            at = iteration if not step.reverse else (step.length or 0) - 1 - iteration
            parts = [(memory, offset + at * stride) for (memory, offset), stride in zip(slices, strides, strict=True)]
            _put(inside, inputs[first : first + carries], carry)
            _put(inside, inputs[first + carries :], parts[: len(step.xs)])
            results = [*targets, *parts[len(step.xs) :]]
            new = [k for k, n in enumerate(outputs) if step.body.buffers[n].kind == "output"]
            _put(inside, [outputs[k] for k in new], [results[k] for k in new])
            body.run(inside, workspace)
            carry, targets, others = list(targets), others, targets
            iteration += 1
        for place, final, size in zip(carry, finals, sizes, strict=True):
            loader.move(*place, *final, size)

    return run


def _condition(loader: Loader, cond: Loaded) -> Callable[[Memory | None, list[Place]], bool]:
    queue, aval, pool = loader.queue, shaped((), bool), loader.device.pool
    [result] = cond.frame.program.outputs

    def holds(workspace: Memory | None, places: list[Place]) -> bool:
        flag = pool.take(1)
        inside = cond.state(workspace)
        _put(inside, cond.frame.program.inputs, places)
        if cond.frame.program.buffers[result].kind == "output":
            _put(inside, [result], [(flag.memory, 0)])
        cond.run(inside, workspace)
        queue.wait(queue.last0)
        return bool(loader.view(inside.memories[result], inside.offsets[result], aval))

    return holds


def branch(loader: Loader, step: BranchStep, frame: Frame, parts: Sequence[Loaded]) -> Action:
    """The action of a branch."""
    queue, aval = loader.queue, frame.avals[step.index]
    sizes = [frame.avals[n].nbytes for n in step.results]

    def run(state: State, workspace: Memory | None) -> None:
        queue.wait(queue.last0)
        index = int(loader.view(state.memories[step.index], state.offsets[step.index], aval))
        part = parts[min(max(index, 0), len(parts) - 1)]
        program = part.frame.program
        inside = part.state(workspace)
        _put(inside, program.inputs, _places(state, step.operands))
        # Written beside the operand whose memory the result is, and copied from there.
        apart = [
            spare is not None and taken is not None and not program.stays(k, taken)
            for k, (spare, taken) in enumerate(zip(step.spares, step.takes, strict=True))
        ]
        targets = [step.spares[k] if a else step.results[k] for k, a in enumerate(apart)]
        for number, target in zip(program.outputs, targets, strict=True):
            if program.buffers[number].kind == "output" and target is not None:
                _put(inside, [number], _places(state, [target]))
        part.run(inside, workspace)
        for k, a in enumerate(apart):
            if a:
                [source], [target] = _places(state, [step.spares[k]]), _places(state, [step.results[k]])
                loader.move(*source, *target, sizes[k])

    return run
