"""Eager operations by native code: rules that modules of families register for their primitives.

``by_program`` is for those whose references are slow or need much memory: large ones are compiled programs of one step,
each kept for the types and parameters that it was compiled for; the least recently used one goes. ``by_span`` is for
elementwise ones: code for arrays of any size. No compiler is imported before it is needed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.config import config
from cotan.ir.avals import shaped
from cotan.ir.primitive import Primitive, abstract, cost, reference
from cotan_cpu import native
from cotan_cpu.pool import SMALLEST, pool

_FROM_FLOPS = 1 << 20
_KEPT = 128
_FLOATS = frozenset(map(np.dtype, (np.float32, np.float64)))

Types = tuple[tuple[tuple[int, ...], np.dtype], ...]
"""Shapes and dtypes of operands."""


@functools.lru_cache(maxsize=_KEPT)
def compiled(primitive: Primitive, types: Types, params: tuple[Any, ...], threads: int) -> Any:
    """The executable of one step, for operands of these types."""
    from cotan.backend import get_backend
    from cotan.compiler import compile_to_program
    from cotan_cpu.executable import CpuExecutable
    from cotan_cpu.program import one_equation

    avals = [shaped(shape, dtype) for shape, dtype in types]
    out = abstract[primitive](*avals, **dict(params))
    backend: Any = get_backend("cpu")
    table = backend.lowerings()
    program = compile_to_program(
        one_equation(primitive, avals, list(out) if primitive.multiple_results else [out], dict(params)),
        supports_library=table.library,
        name=primitive.name,
        local_bytes=backend.capabilities.local_bytes,
        kernels=table.kernel,
    )
    return CpuExecutable(program, backend.devices()[0], table)


@functools.lru_cache(maxsize=1024)
def _is_worth_a_program(primitive: Primitive, types: Types, params: tuple[Any, ...], from_flops: float) -> bool:
    avals = [shaped(shape, dtype) for shape, dtype in types]
    out = abstract[primitive](*avals, **dict(params))
    if any(aval.dtype.kind not in "f" for aval in (*avals, out)):
        return False
    return bool(cost[primitive](avals, [out], **dict(params))[0] >= from_flops)


def by_program(primitive: Primitive, from_flops: float | None = None) -> Callable[..., np.ndarray]:
    """An eager rule: a compiled program if there is much to do (so many flops or more), else the reference."""

    def rule(*arrays: np.ndarray, **params: Hashable) -> np.ndarray:
        types = tuple((array.shape, array.dtype) for array in arrays)
        key = tuple(params.items())
        if not _is_worth_a_program(primitive, types, key, _FROM_FLOPS if from_flops is None else from_flops):
            return reference[primitive](*arrays, **params)  # type: ignore[no-any-return]
        executable = compiled(primitive, types, key, native.thread_count(config.num_threads))
        [(shape, dtype, nbytes)] = executable._new
        out = pool.empty(shape, dtype, nbytes)
        executable._call(*arrays, out)
        return out

    return rule


def of_size(span: Any, shape: tuple[int, ...], size: int) -> Callable[..., np.ndarray]:
    """The code of an elementwise operation as a function of ndarrays that makes the result, which has this shape."""
    dtype, alone = span.dtype, span.alone
    nbytes = size * dtype.itemsize

    def small(*arrays: np.ndarray) -> np.ndarray:
        out = np.empty(shape, dtype)
        alone(*arrays, out)
        return out

    def large(*arrays: np.ndarray) -> np.ndarray:
        out = pool.empty(shape, dtype, nbytes)
        span(*arrays, out)
        return out

    if nbytes >= SMALLEST or size > span.alone_up_to:
        return large
    small.span = span  # type: ignore[attr-defined]
    return small


def by_span(
    primitive: Primitive,
    usual: Callable[..., np.ndarray] | None = None,
    least: int = 0,
    of_floats: np.ufunc | None = None,
    joins: bool = False,
    always: frozenset[np.dtype] = frozenset(),
) -> Callable[..., np.ndarray]:
    """The eager rule of an elementwise primitive: native code, or ``usual`` where there is none.

    Args:
      usual: another rule; by default the reference.
      least: ``usual`` does results of fewer bytes, and of other dtypes than float32 and float64 (which the last operand
        has too). For primitives whose results are exact: one program may get some of them from either.
      of_floats: what ``usual`` does with float32 and float64.
      joins: whether it takes next to no time beside that of memory, so that it may become part of others (``later``).
      always: of which dtypes ``usual`` does none, since its values are others.
    """
    other = usual or reference[primitive]

    def prepare(*operands: Any, **params: Any) -> Callable[..., np.ndarray] | None:
        shape, size = max(((x.shape, x.size) for x in operands), key=lambda known: len(known[0]))
        like = operands[-1].dtype
        if least and like not in always and (size * like.itemsize < least or like not in _FLOATS):
            return None
        from cotan_cpu.spans import Operation
        from cotan_cpu.spans import span as code_of

        types = tuple((x.dtype, bool(shape) and not x.shape) for x in operands)
        operation = Operation(primitive, types, tuple(params.items()))
        span = code_of(operation)
        if span is None:
            return None
        run = of_size(span, shape, size)
        if joins and like in _FLOATS and not hasattr(run, "span"):
            run.operation = operation  # type: ignore[attr-defined]
        return run

    def rule(*arrays: np.ndarray, **params: Any) -> np.ndarray:
        run = prepare(*arrays, **params)
        return other(*arrays, **params) if run is None else run(*arrays)

    rule.prepare = prepare  # type: ignore[attr-defined]
    rule.usual = other  # type: ignore[attr-defined]
    rule.ufunc = getattr(other, "ufunc", None) if least else None  # type: ignore[attr-defined]
    rule.always = always  # type: ignore[attr-defined]
    rule.of_floats = of_floats  # type: ignore[attr-defined]
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
