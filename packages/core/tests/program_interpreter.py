"""An interpreter of Programs on NumPy memory: the oracle for the compiler, without any backend.

Buffers lie where the plan says: temps in one arena, results in the memory of donated arguments, so that a wrong plan
gives wrong numbers. Everything that is not written yet holds garbage. Kernels run one scalar at a time (small shapes!).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from kernel_interpreter import KernelError, run_kernel

from cotan.ir.primitive import reference
from cotan.ir.program import BranchStep, Buffer, CopyStep, KernelStep, LoopStep, Program


def run_program(program: Program, args: Sequence[Any]) -> list[np.ndarray]:
    """The results of ``program``; ``args`` are not changed, also where they are donated."""
    memory = _Memory(program, args)
    _run(program, memory)
    return [memory[n].copy() for n in program.outputs]


def _run(program: Program, memory: _Memory) -> None:
    for step in program.steps:
        if isinstance(step, KernelStep):
            _check_apart(program, step)
            run_kernel(step.kernel, [memory[n] for n in step.buffers])
        elif isinstance(step, CopyStep):
            memory[step.target][...] = memory[step.source]
        elif isinstance(step, LoopStep):
            _run_loop(memory, step)
        elif isinstance(step, BranchStep):
            chosen = step.branches[min(max(int(memory[step.index]), 0), len(step.branches) - 1)]
            _run_branch(memory, step, chosen)
        else:
            results = reference[step.primitive](*(memory[n].copy() for n in step.operands), **step.params)
            results = results if step.primitive.multiple_results else [results]
            for number, value in zip(step.results, results, strict=True):
                value = np.asarray(value)
                if value.shape != memory[number].shape or value.dtype != memory[number].dtype:
                    raise KernelError(f"{step.primitive} gives {value.dtype}{value.shape}, the plan says otherwise")
                memory[number][...] = value


def _run_loop(memory: _Memory, step: LoopStep) -> None:
    """As a backend would: carries that stay begin in their place, others alternate between two buffers."""
    consts = [memory[n] for n in step.consts]
    carry, targets, others = [], [], []
    for init, final, spare in zip(step.inits, step.finals, step.spares, strict=True):
        if spare is None:
            memory[final][...] = memory[init].copy()
            carry.append(memory[final])
            targets.append(memory[final])
            others.append(memory[final])
        else:
            carry.append(memory[init])
            targets.append(memory[final])
            others.append(memory[spare])
    cond_consts = [memory[n] for n in step.cond_consts]
    iteration = 0
    while True:
        if step.cond is None:
            if iteration == step.length:
                break
        else:
            flag = np.zeros((), np.bool_)
            _run_part(step.cond, [*cond_consts, *carry], [flag])
            if not flag:
                break
        at = iteration if not step.reverse else (step.length or 0) - 1 - iteration
        xs = [memory[n][at : at + 1].reshape(memory[n].shape[1:]) for n in step.xs]
        ys = [memory[n][at : at + 1].reshape(memory[n].shape[1:]) for n in step.ys]
        _run_part(step.body, [*consts, *carry, *xs], [*targets, *ys])
        carry, targets, others = targets, others, targets
        iteration += 1
    for value, final in zip(carry, step.finals, strict=True):
        memory[final][...] = value.copy()


def _run_branch(memory: _Memory, step: BranchStep, chosen: Program) -> None:
    results = []
    for k, number in enumerate(step.results):
        taken, spare = step.takes[k], step.spares[k]
        if (
            taken is not None
            and memory[number].size
            and not np.shares_memory(memory[number], memory[step.operands[taken]])
        ):
            raise KernelError(f"result {k} of `{step.name}` is not the memory of its operand {taken}")
        apart = taken is not None and not chosen.stays(k, taken)
        results.append(memory[spare if apart else number])
    _run_part(chosen, [memory[n] for n in step.operands], results)
    for number, result in zip(step.results, results, strict=True):
        memory[number][...] = result.copy()


def _run_part(program: Program, operands: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> None:
    """Run a part on the caller's memory. Each result is a buffer of its own, or the carry that stays in its place."""
    for position, number in enumerate(program.outputs):
        buffer = program.buffers[number]
        if buffer.kind == "output":
            if program.outputs.count(number) != 1:
                raise KernelError(f"two results of `{program.name}` are one buffer")
            over = buffer.donated
            mine = over is None or np.shares_memory(results[position], operands[program.inputs.index(over)])
            if not mine and results[position].size:
                raise KernelError(f"result {position} of `{program.name}` takes over another argument than its own")
        elif number not in program.inputs or results[position].size != operands[program.inputs.index(number)].size:
            raise KernelError(f"result {position} of `{program.name}` is no buffer of its own")
    memory = _Memory(program, operands, dict(zip(program.outputs, results, strict=True)))
    _run(program, memory)


class _Memory:
    def __init__(self, program: Program, args: Sequence[Any], results: dict[int, np.ndarray] | None = None) -> None:
        self.results = results
        rng = np.random.default_rng(0)
        self.arena = rng.integers(0, 256, program.arena + 64, dtype=np.uint8)
        self.arrays: list[Any] = [None] * len(program.buffers)
        given = dict(zip(program.inputs, args, strict=True))
        for number, buffer in enumerate(program.buffers):
            if buffer.within is None:
                self.arrays[number] = self._array(program, number, buffer, given)
        for number, buffer in enumerate(program.buffers):
            if buffer.within is not None:
                raw = self.arrays[buffer.within].reshape(-1).view(np.uint8)[buffer.offset :][: buffer.aval.nbytes]
                self.arrays[number] = raw.view(buffer.aval.dtype).reshape(buffer.aval.shape)

    def _array(self, program: Program, number: int, buffer: Buffer, given: dict[int, Any]) -> np.ndarray:
        aval = buffer.aval
        if self.results is not None:
            if buffer.kind == "input":
                return given[number]
            if buffer.kind == "output":
                return self.results[number]
        if buffer.kind == "input":
            return np.array(given[number], aval.dtype).reshape(aval.shape)
        if buffer.kind == "const":
            return np.array(program.consts[number], aval.dtype).reshape(aval.shape)
        if buffer.kind == "output" and buffer.donated is not None:
            return self.arrays[buffer.donated].view(aval.dtype).reshape(aval.shape)
        if buffer.kind == "temp":
            if buffer.offset % 64 or buffer.offset + aval.nbytes > program.arena:
                raise KernelError(f"buffer {number} lies at {buffer.offset} in an arena of {program.arena}")
            raw = self.arena[buffer.offset : buffer.offset + aval.nbytes]
            return raw.view(aval.dtype).reshape(aval.shape)
        raw = np.random.default_rng(number).integers(0, 256, aval.nbytes, dtype=np.uint8)
        return raw.view(aval.dtype).reshape(aval.shape)

    def __getitem__(self, number: int) -> np.ndarray:
        return self.arrays[number]


def _check_apart(program: Program, step: KernelStep) -> None:
    """Written operands share memory only with those that ``in_place`` names."""

    def place(number: int) -> tuple[str, int, int]:
        buffer = program.buffers[number]
        end = buffer.offset + buffer.aval.nbytes
        if buffer.kind == "temp":
            return ("arena" if buffer.within is None else f"buffer {buffer.within}", buffer.offset, end)
        return (f"buffer {number if buffer.donated is None else buffer.donated}", 0, end)

    places = [place(n) for n in step.buffers]
    for w, operand in enumerate(step.kernel.operands):
        if not operand.written:
            continue
        for r, other in enumerate(places):
            if r == w or (r, w) in step.kernel.in_place:
                continue
            kind, lo, hi = places[w]
            if other[0] == kind and other[1] < hi and lo < other[2]:
                raise KernelError(f"operands {r} and {w} of `{step.kernel.name}` share memory")
