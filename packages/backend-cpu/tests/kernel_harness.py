"""Kernels built by hand, run through ctypes: what the tests of code generation share."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from cotan.ir.index import Axis, axis_index
from cotan.ir.program import Kernel, KernelOperand, Loop, Node, Store
from cotan.ir.scalar import Expr, load, make
from cotan_cpu.codegen import Target, emit_kernel, jit

HOST = jit.host_target()
NARROW = {
    "avx2": Target("haswell", "", 32, masked_words=True, fma=True, half=True, rounding=True),
    "sse2": Target("x86-64", "", 16),
}
"""Targets that any x86-64 machine of the last ten years can run, besides the host itself."""


def targets() -> list[Target]:
    import platform

    if platform.machine().lower() not in ("x86_64", "amd64"):
        return [HOST]
    return [HOST, NARROW["sse2"]] + ([NARROW["avx2"]] if HOST.vector_bytes >= 32 else [])


def operand(array: np.ndarray, written: bool = False, read: bool | None = None) -> KernelOperand:
    return KernelOperand(array.shape, array.dtype, written, (not written) if read is None else read)


def run(
    kernel: Kernel, arrays: Sequence[np.ndarray], target: Target = HOST, parts: int = 2, streamed: Collection[int] = ()
) -> Any:
    """Run the kernel on the arrays in place, its units in ``parts`` calls; returns the printed code."""
    code = emit_kernel(kernel, target, "kernel", streamed)
    module = jit.Engine(target).load(code.text)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(module.address("kernel"))
    table = (ctypes.c_void_p * max(len(arrays), 1))(*(array.ctypes.data for array in arrays))
    edges = sorted({code.units * part // parts for part in range(parts + 1)})
    for begin, end in itertools.pairwise(edges):
        function(table, begin, end)
    return code


def run_fenced(kernel: Kernel, arrays: Sequence[np.ndarray], target: Target = HOST, parts: int = 2) -> None:
    """As ``run``, on copies between fences of bytes that must stay as they are."""
    fence, mark = 4096, 0xAB
    copies = []
    for array in arrays:
        raw = np.full(array.nbytes + 2 * fence, mark, np.uint8)
        copy = raw[fence : fence + array.nbytes].view(array.dtype).reshape(array.shape)
        copy[...] = array
        copies.append((raw, copy))
    run(kernel, [copy for _, copy in copies], target, parts)
    for array, (raw, copy) in zip(arrays, copies):
        assert np.all(raw[:fence] == mark), "wrote before an operand"
        assert np.all(raw[fence + array.nbytes :] == mark), "wrote behind an operand"
        array[...] = copy


def run_tree(
    tree: Sequence[Node], arrays: Sequence[np.ndarray], written: Sequence[int], target: Target = HOST, **kwargs: Any
) -> Any:
    operands = tuple(operand(array, slot in written) for slot, array in enumerate(arrays))
    return run(Kernel("test", operands, tuple(tree), **kwargs), arrays, target)


def elementwise(
    function: Callable[..., Expr], inputs: Sequence[np.ndarray], dtype: Any, target: Target = HOST
) -> np.ndarray:
    """``function`` of expressions applied to every element of one-dimensional inputs."""
    axis = Axis("i", inputs[0].size)
    index = axis_index(axis)
    value = function(*(load(slot, index, array.dtype) for slot, array in enumerate(inputs)))
    # A few elements more, to see that nothing is written behind the end.
    result = np.full(inputs[0].size + 70, 77).astype(dtype)
    guard = result[inputs[0].size :].copy()
    run_tree([Loop(axis, (Store(len(inputs), index, value),))], [*inputs, result], [len(inputs)], target)
    assert np.array_equal(result[inputs[0].size :], guard), "wrote behind the end"
    return result[: inputs[0].size]


def apply(op: str, *inputs: np.ndarray, dtype: Any = None, target: Target = HOST) -> np.ndarray:
    """One operation by name on arrays."""
    return elementwise(
        lambda *xs: make(op, np.dtype(dtype or xs[0].dtype), xs), inputs, dtype or inputs[0].dtype, target
    )
