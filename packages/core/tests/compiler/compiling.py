"""Compile small programs and run them by the interpreter, against the references of their primitives."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np
from program_interpreter import run_program

from cotan.compiler import compile_to_program
from cotan.compiler.elements import physical
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval
from cotan.ir.jaxpr import ClosedJaxpr, Literal
from cotan.ir.primitive import Primitive
from cotan.ir.program import HostStep, KernelStep, LibraryStep, Program
from cotan.transforms.stage import stage_closed


def staged(fun: Callable[..., Any], *args: Any) -> ClosedJaxpr:
    """``fun`` (arrays to a list of arrays) as a jaxpr at the types of ``args``; a type stands for itself."""
    avals = [a if isinstance(a, ShapedArray) else get_aval(a) for a in args]
    return stage_closed(lambda *xs: fun(*xs), avals, name=getattr(fun, "__name__", "program"))


def by_reference(closed: ClosedJaxpr, args: Sequence[Any]) -> list[Any]:
    """The results of a program by the references of its primitives."""
    env: dict[Any, Any] = dict(zip(closed.jaxpr.constvars, map(np.asarray, closed.consts), strict=True))
    env.update(zip(closed.jaxpr.invars, map(np.asarray, args), strict=True))

    def read(atom: Any) -> Any:
        return np.asarray(atom.val, physical(atom.aval).dtype) if isinstance(atom, Literal) else env[atom]

    for eqn in closed.eqns:
        rule = tables.program.get(eqn.primitive)
        stands_for = None if rule is None else rule(**eqn.params)
        operands = list(map(read, eqn.invars))
        if isinstance(stands_for, ClosedJaxpr):
            results = by_reference(stands_for, operands)
        else:
            with np.errstate(all="ignore"):
                results = tables.reference[eqn.primitive](*operands, **eqn.params)
        env.update(zip(eqn.outvars, results if eqn.primitive.multiple_results else [results], strict=True))
    return list(map(read, closed.jaxpr.outvars))


def check(
    fun: Callable[..., Any] | ClosedJaxpr,
    *args: Any,
    rtol: float = 2e-5,
    donated: Sequence[bool] = (),
    library: Container[Primitive] = (),
    local_bytes: int = 0,
    lend_results: bool = False,
) -> Program:
    """Compile and run ``fun``; the results must have the references' types and values. Gives the program."""
    args = tuple(np.asarray(a) for a in args)
    closed = fun if isinstance(fun, ClosedJaxpr) else staged(fun, *args)
    program = compile_to_program(
        closed, donated=donated, supports_library=library, local_bytes=local_bytes, lend_results=lend_results
    )
    for actual, expected in zip(run_program(program, args), by_reference(closed, args), strict=True):
        expected = np.asarray(expected)
        assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
        if actual.dtype.kind in "biu":
            np.testing.assert_array_equal(actual, expected)
        elif actual.dtype.names is None:
            wide = np.complex128 if actual.dtype.kind == "c" else np.float64
            np.testing.assert_allclose(actual.astype(wide), expected.astype(wide), rtol=rtol, atol=rtol * 1e-2)
    return program


def kinds(program: Program) -> tuple[int, int, int]:
    """How many kernels, library calls and host steps a program has."""
    return tuple(sum(isinstance(s, kind) for s in program.steps) for kind in (KernelStep, LibraryStep, HostStep))  # type: ignore[return-value]
