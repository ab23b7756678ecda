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
from cotan.ir.program import Buffer, CopyStep, KernelStep, Program


def run_program(program: Program, args: Sequence[Any]) -> list[np.ndarray]:
    """The results of ``program``; ``args`` are not changed, also where they are donated."""
    memory = _Memory(program, args)
    for step in program.steps:
        if isinstance(step, KernelStep):
            _check_apart(program, step)
            run_kernel(step.kernel, [memory[n] for n in step.buffers])
        elif isinstance(step, CopyStep):
            memory[step.target][...] = memory[step.source]
        else:
            results = reference[step.primitive](*(memory[n].copy() for n in step.operands), **step.params)
            results = results if step.primitive.multiple_results else [results]
            for number, value in zip(step.results, results, strict=True):
                value = np.asarray(value)
                if value.shape != memory[number].shape or value.dtype != memory[number].dtype:
                    raise KernelError(f"{step.primitive} gives {value.dtype}{value.shape}, the plan says otherwise")
                memory[number][...] = value
    return [memory[n].copy() for n in program.outputs]


class _Memory:
    def __init__(self, program: Program, args: Sequence[Any]) -> None:
        rng = np.random.default_rng(0)
        self.arena = rng.integers(0, 256, program.arena + 64, dtype=np.uint8)
        self.arrays: list[np.ndarray] = []
        given = dict(zip(program.inputs, args, strict=True))
        for number, buffer in enumerate(program.buffers):
            self.arrays.append(self._array(program, number, buffer, given))

    def _array(self, program: Program, number: int, buffer: Buffer, given: dict[int, Any]) -> np.ndarray:
        aval = buffer.aval
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
        if buffer.kind == "temp":
            return ("arena", buffer.offset, buffer.offset + buffer.aval.nbytes)
        return ("buffer", number if buffer.donated is None else buffer.donated, -1)

    places = [place(n) for n in step.buffers]
    for w, operand in enumerate(step.kernel.operands):
        if not operand.written:
            continue
        for r, other in enumerate(places):
            if r == w or (r, w) in step.kernel.in_place:
                continue
            kind, lo, hi = places[w]
            overlap = (other[1] < hi and lo < other[2]) if kind == "arena" else other[1] == lo
            if other[0] == kind and overlap:
                raise KernelError(f"operands {r} and {w} of `{step.kernel.name}` share memory")
