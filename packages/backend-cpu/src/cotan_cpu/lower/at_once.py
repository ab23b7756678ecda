"""Eager operations whose references are slow or need much memory: large ones are run as compiled programs of one step.

A program is kept for the types and parameters that it was compiled for; the least recently used one goes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.config import config
from cotan.ir.avals import shaped
from cotan.ir.jaxpr import ClosedJaxpr, Eqn, Jaxpr, Var
from cotan.ir.primitive import Primitive, abstract, cost, reference
from cotan_cpu import native
from cotan_cpu.pool import pool

_FROM_FLOPS = 1 << 20
_KEPT = 128


@functools.lru_cache(maxsize=_KEPT)
def _program(primitive: Primitive, types: tuple[Any, ...], params: tuple[Any, ...], threads: int) -> Any:
    """The executable for operands of these types; None where the reference will do."""
    from cotan.backend import get_backend
    from cotan.compiler import compile_to_program
    from cotan_cpu.executable import CpuExecutable

    avals = [shaped(shape, dtype) for shape, dtype in types]
    out = abstract[primitive](*avals, **dict(params))
    if any(aval.dtype.kind not in "f" for aval in (*avals, out)):
        return None
    if cost[primitive](avals, [out], **dict(params))[0] < _FROM_FLOPS:
        return None
    operands, result = [Var(aval) for aval in avals], Var(out)
    jaxpr = Jaxpr((), operands, [Eqn(primitive, operands, [result], dict(params))], [result])
    backend: Any = get_backend("cpu")
    table = backend.lowerings()
    program = compile_to_program(
        ClosedJaxpr(jaxpr),
        supports_library=table.library,
        name=primitive.name,
        local_bytes=backend.capabilities.local_bytes,
        kernels=table.kernel,
    )
    return CpuExecutable(program, backend.devices()[0], table)


def by_program(primitive: Primitive) -> Callable[..., np.ndarray]:
    """An eager rule: a compiled program if there is much to do, else the reference."""

    def rule(*arrays: np.ndarray, **params: Hashable) -> np.ndarray:
        types = tuple((array.shape, array.dtype) for array in arrays)
        executable = _program(primitive, types, tuple(params.items()), native.thread_count(config.num_threads))
        if executable is None:
            return reference[primitive](*arrays, **params)  # type: ignore[no-any-return]
        [(shape, dtype, nbytes)] = executable._new
        out = pool.empty(shape, dtype, nbytes)
        executable._call(*arrays, out)
        return out

    return rule


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives import conv, pooling

    for primitive in (
        conv.conv_general_dilated_p,
        pooling.reduce_window_sum_p,
        pooling.reduce_window_max_p,
        pooling.reduce_window_min_p,
        pooling.select_and_gather_add_p,
        pooling.select_and_scatter_add_p,
    ):
        table.rule("eager", primitive)(by_program(primitive))
