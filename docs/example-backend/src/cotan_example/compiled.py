"""The second step: door 2. Core fuses programs to kernels and prints them as C; the system's compiler does the rest."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cotan.backend import Buffer, Capabilities, CompileOptions, Executable
from cotan.compiler.c import C99, SERIAL, print_kernel
from cotan.compiler.elements import physical
from cotan.ir.primitive import reference
from cotan.ir.program import CopyStep, Kernel, KernelStep, Program
from cotan_example.first import DTYPES, ExampleBuffer, FirstBackend
from cotan_example.plugin import COMPILER


def compiled(text: str) -> ctypes.CDLL:
    """``text`` as a library that is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "program.c"), Path(folder, "program.so")
        source.write_text(text)
        flags = ["-std=gnu11", "-O2", "-fPIC", "-shared", "-ffp-contract=off"]
        done = subprocess.run([str(COMPILER), *flags, "-o", library, source, "-lm"], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{COMPILER} cannot compile this program:\n{done.stderr}\n{text}")
        return ctypes.CDLL(str(library))


class ExampleExecutable(Executable):
    """The steps of a Program, one after the other, on buffers where the plan says."""

    def __init__(self, program: Program, libraries: dict[Any, Callable[..., Any]]) -> None:
        self.program, self.libraries = program, libraries
        self.consts = {number: np.asarray(value) for number, value in program.consts.items()}
        kernels = dict.fromkeys(step.kernel for step in program.steps if isinstance(step, KernelStep))
        texts = {kernel: print_kernel(kernel, C99, SERIAL) for kernel in kernels}
        names = {kernel: f"kernel{number}" for number, kernel in enumerate(kernels)}
        self.source = C99.prelude + "".join(texts[k].function(C99.kernel, names[k]) for k in kernels)
        library = compiled(self.source) if kernels else None
        self.calls = {kernel: (getattr(library, names[kernel]), texts[kernel]) for kernel in kernels}

    def text(self) -> str:
        return self.source

    def run(self, args: Sequence[Any], donated: Sequence[bool] = ()) -> list[Buffer]:
        memory = self._memory([buffer.live() for buffer in args])
        for step in self.program.steps:
            if isinstance(step, KernelStep):
                self._launch(step.kernel, [memory[number] for number in step.buffers])
            elif isinstance(step, CopyStep):
                memory[step.target][...] = memory[step.source]
            else:  # a library call, or an operation that only the host has
                rule = self.libraries.get(step.primitive) or reference[step.primitive]
                with np.errstate(all="ignore"):
                    results = rule(*(memory[number] for number in step.operands), **step.params)
                for number, x in zip(step.results, results if step.primitive.multiple_results else [results]):
                    memory[number][...] = x
        return [ExampleBuffer(memory[number]) for number in self.program.outputs]

    def _memory(self, args: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
        """One array for each buffer of the program; temporaries share the arena."""
        arena = np.empty(self.program.arena, np.uint8)
        memory = {**self.consts, **dict(zip(self.program.inputs, args, strict=True))}
        for number, buffer in enumerate(self.program.buffers):
            if number not in memory:
                aval = physical(buffer.aval)
                place = (arena, buffer.offset) if buffer.kind == "temp" else (None, 0)
                memory[number] = np.ndarray(aval.shape, aval.dtype, *place)
        return memory

    def _launch(self, kernel: Kernel, arrays: Sequence[np.ndarray]) -> None:
        function, text = self.calls[kernel]
        number = ctypes.c_int64 if text.index == "int64_t" else ctypes.c_int32
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
        function(*pointers, number(0), number(text.units))


class ExampleBackend(FirstBackend):
    """Door 1 as before; programs as C. Loops and branches are left to core, which runs them step by step."""

    name = "example"
    capabilities = Capabilities(eager=True, kernels=True, dtypes=DTYPES, host_steps=True)

    def compile(self, program: Any, options: CompileOptions) -> Executable:
        if not isinstance(program, Program):
            return super().compile(program, options)  # which refuses
        return ExampleExecutable(program, self.lowerings().library)
