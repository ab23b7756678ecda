"""Programs compiled for an OpenCL device, without cotan's runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.backend import CompileOptions
from cotan.compiler import compile_to_program
from cotan.ir.avals import get_aval
from cotan.ir.jaxpr import ClosedJaxpr, Literal, Var
from cotan.ir.primitive import reference
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


def by_reference(closed: ClosedJaxpr, args: Sequence[Any]) -> list[np.ndarray]:
    """The results by the reference of every equation."""
    values: dict[Var, Any] = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    values.update(zip(closed.jaxpr.invars, map(np.asarray, args), strict=True))

    def read(atom: Any) -> Any:
        return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else values[atom]

    for eqn in closed.eqns:
        with np.errstate(all="ignore"):
            results = reference[eqn.primitive](*map(read, eqn.invars), **eqn.params)
        values.update(zip(eqn.outvars, results if eqn.primitive.multiple_results else [results], strict=True))
    return [np.asarray(read(atom)) for atom in closed.jaxpr.outvars]
