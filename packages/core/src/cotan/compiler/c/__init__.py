"""Kernels as text in languages like C: the languages, the schedules and the printer. Knows no device."""

from cotan.compiler.c import functions, loops
from cotan.compiler.c.language import C99, Language
from cotan.compiler.c.printer import KernelText, print_kernel
from cotan.compiler.c.schedule import CPU_VECTOR, GPU_TILE, SERIAL, Schedule

__all__ = [
    "C99",
    "CPU_VECTOR",
    "GPU_TILE",
    "SERIAL",
    "KernelText",
    "Language",
    "Schedule",
    "functions",
    "loops",
    "print_kernel",
]
