"""Programs compiled for an OpenCL device, without cotan's runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.backend import CompileOptions
from cotan.compiler import compile_to_program
from cotan.ir.avals import get_aval
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.transforms.stage import stage_closed


def compiled(closed: ClosedJaxpr, device: Any, donated: Sequence[bool] = (), any_size: bool = False) -> Any:
    """The executable of a program for that device."""
    backend = device.backend
    program = compile_to_program(
        closed,
        supports_library=backend.lowerings().library,
        donated=tuple(donated),
        local_bytes=backend.capabilities.local_bytes,
    )
    return backend.compile(program, CompileOptions(device, tuple(donated), program.name, any_size))


def run(executable: Any, args: Sequence[Any], donated: Sequence[bool] = ()) -> list[np.ndarray]:
    """The results on NumPy arrays."""
    buffers = [executable.device.put(np.asarray(x)) for x in args]
    return [np.array(buffer.to_host()) for buffer in executable.run(buffers, donated)]


def staged(function: Callable[..., Any], args: Sequence[Any]) -> ClosedJaxpr:
    """The program that ``function`` traces to; it returns a sequence of values."""
    return stage_closed(lambda *xs: list(function(*xs)), [get_aval(x) for x in args], name="program")
