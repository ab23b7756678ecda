"""Sample programs, and two ways to run them: equation by equation by reference, and compiled for the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.backend import CompileOptions, get_backend
from cotan.compiler import compile_to_program
from cotan.ir.avals import get_aval
from cotan.ir.jaxpr import ClosedJaxpr, Literal, Var
from cotan.ir.primitive import Primitive, reference
from cotan.transforms.stage import stage_closed


def staged(function: Callable[..., Any], args: Sequence[Any], name: str = "") -> ClosedJaxpr:
    """The program that ``function`` traces to; it returns one value or a sequence of them."""

    def flat(*tracers: Any) -> Sequence[Any]:
        out = function(*tracers)
        return list(out) if isinstance(out, list | tuple) else [out]

    return stage_closed(flat, [get_aval(x) for x in args], name=name or function.__name__)


def by_reference(closed: ClosedJaxpr, args: Sequence[Any]) -> list[np.ndarray]:
    """The results by the reference of every equation."""
    values: dict[Var, Any] = dict(zip(closed.jaxpr.constvars, map(_physical, closed.consts), strict=True))
    values.update(zip(closed.jaxpr.invars, map(_physical, args), strict=True))

    def read(atom: Any) -> Any:
        return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else values[atom]

    for eqn in closed.eqns:
        if eqn.primitive.higher_order:
            [inner] = [p for p in eqn.params.values() if isinstance(p, ClosedJaxpr)]
            results = by_reference(inner, list(map(read, eqn.invars)))
        else:
            results = reference[eqn.primitive](*map(read, eqn.invars), **eqn.params)
            if not eqn.primitive.multiple_results:
                results = [results]
        values.update(zip(eqn.outvars, results, strict=True))
    return [read(atom) for atom in closed.jaxpr.outvars]


def _physical(x: Any) -> Any:
    return getattr(x, "words", x)


def compiled(closed: ClosedJaxpr, donated: Sequence[bool] = ()) -> Any:
    """The executable for the first CPU device."""
    backend = get_backend("cpu")
    device = backend.devices()[0]
    program = compile_to_program(
        closed,
        supports_library=backend.lowerings().library,
        donated=tuple(donated),
        local_bytes=backend.capabilities.local_bytes,
    )
    return backend.compile(program, CompileOptions(device, tuple(donated), program.name))


def run(executable: Any, args: Sequence[Any], avals: Sequence[Any]) -> list[np.ndarray]:
    """The results of an executable on NumPy arrays."""
    device = get_backend("cpu").devices()[0]
    buffers = [
        device.put(np.asarray(_physical(x), aval.dtype if isinstance(aval.dtype, np.dtype) else None))
        for x, aval in zip(args, avals, strict=True)
    ]
    return [buffer.to_host() for buffer in executable.run(buffers)]


def one_equation(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> ClosedJaxpr:
    """The program of a single call."""

    def call(*tracers: Any) -> Any:
        return primitive.bind(*tracers, **params)

    return staged(call, args, primitive.name)
