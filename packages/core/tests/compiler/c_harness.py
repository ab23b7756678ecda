"""Kernels printed as C, compiled by the system's compiler, and run on NumPy arrays in place of the interpreter."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

import numpy as np

from cotan.compiler.c import C99, SERIAL, KernelText, print_kernel
from cotan.ir.program import Kernel

COMPILER = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def compiled(text: str) -> ctypes.CDLL:
    """The shared library made of ``text``."""
    assert COMPILER is not None
    with tempfile.TemporaryDirectory() as folder:
        source, library = os.path.join(folder, "k.c"), os.path.join(folder, "k.so")
        with open(source, "w") as file:
            file.write(text)
        command = [COMPILER, "-std=gnu11", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-o", library, source, "-lm"]
        subprocess.run(command, check=True)
        return ctypes.CDLL(library)


class Runner:
    """``run_kernel`` by C code. ``parts`` calls share the units of each kernel."""

    def __init__(self, any_size: bool = False, parts: int = 3) -> None:
        self.any_size = any_size
        self.parts = parts
        self.known: dict[int, tuple[Kernel, KernelText, ctypes.CDLL]] = {}

    def __call__(self, kernel: Kernel, buffers: Sequence[np.ndarray]) -> None:
        if id(kernel) not in self.known:
            printed = print_kernel(kernel, C99, SERIAL, any_size=self.any_size)
            text = C99.prelude + printed.function(C99.kernel, "kernel")
            self.known[id(kernel)] = (kernel, printed, compiled(text))
        _, printed, library = self.known[id(kernel)]
        kind = ctypes.c_int64 if printed.index == "int64_t" else ctypes.c_int32
        pointers = [ctypes.c_void_p(b.ctypes.data) for b in buffers]
        edges = sorted({printed.units * k // self.parts for k in range(self.parts + 1)})
        for begin, end in itertools.pairwise(edges):
            library.kernel(*pointers, *map(kind, printed.sizes), kind(begin), kind(end))
