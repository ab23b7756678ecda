"""Matrix products of many shapes, with and without work before and after them."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import LIBRARY_BOUND, MATMUL, Compile, Inputs, Program, Workload, floats


def _operands(*shapes: tuple[int, ...]) -> Any:
    def inputs(rng: np.random.Generator) -> Inputs:
        return tuple(floats(rng, *shape, scale=shape[-1] ** -0.5) for shape in shapes)

    return inputs


def _product(x: Any, y: Any) -> Any:
    return x @ y


def _workload(name: str, left: tuple[int, ...], right: tuple[int, ...], *tags: str) -> Workload:
    """A plain product of two shapes, the same text everywhere."""
    flops = 2.0 * np.prod(left) * (right[-1] if len(right) > 1 else 1)
    return Workload(
        f"matmul/{name}",
        _operands(left, right),
        lambda library: library.jit(_product),
        lambda torch, compiled: compiled(_product),
        _product,
        flops=float(flops),
        tags=tags,
    )


def _epilogue(library: Any) -> Program:
    return library.jit(lambda x, w, b: library.nn.relu(x @ w + b))


def _epilogue_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda x, w, b: torch.relu(torch.addmm(b, x, w)))


def _gelu_epilogue(library: Any) -> Program:
    return library.jit(lambda x, w, b: library.nn.gelu(x @ w + b) * 0.5)


def _gelu_epilogue_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda x, w, b: torch.nn.functional.gelu(torch.addmm(b, x, w), approximate="tanh") * 0.5)


def _gelu_epilogue_numpy(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    y = x @ w + b
    return y * np.float32(0.25) * (1 + np.tanh(np.float32(0.7978845608028654) * (y + np.float32(0.044715) * y**3)))


def _scores(library: Any) -> Program:
    return library.jit(lambda q, k: library.numpy.einsum("bqhd,bkhd->bhqk", q, k))


WORKLOADS = [
    _workload("square 1024", (1024, 1024), (1024, 1024), LIBRARY_BOUND, MATMUL),
    _workload("square 2048", (2048, 2048), (2048, 2048), LIBRARY_BOUND, MATMUL),
    _workload("square 32", (32, 32), (32, 32)),
    _workload("tall", (65536, 64), (64, 64)),
    _workload("wide inner", (128, 16384), (16384, 128)),
    _workload("batched 512x32x32", (512, 32, 32), (512, 32, 32)),
    _workload("batched 32x128x128", (32, 128, 128), (32, 128, 128)),
    _workload("batched 10000x4x4", (10_000, 4, 4), (10_000, 4, 4)),
    _workload("matrix times vector", (2048, 2048), (2048,)),
    Workload(
        "matmul/transposed operands",
        _operands((768, 512), (640, 768)),
        lambda library: library.jit(lambda x, y: x.T @ y.T),
        lambda torch, compiled: compiled(lambda x, y: x.T @ y.T),
        lambda x, y: x.T @ y.T,
        flops=2.0 * 512 * 768 * 640,
        tags=(LIBRARY_BOUND, MATMUL),
    ),
    Workload(
        "matmul/bias and relu",
        _operands((1024, 512), (512, 512), (512,)),
        _epilogue,
        _epilogue_torch,
        lambda x, w, b: np.maximum(x @ w + b, 0),
        flops=2.0 * 1024 * 512 * 512,
        tags=(MATMUL,),
    ),
    Workload(
        "matmul/bias and gelu",
        _operands((1024, 512), (512, 512), (512,)),
        _gelu_epilogue,
        _gelu_epilogue_torch,
        _gelu_epilogue_numpy,
        flops=2.0 * 1024 * 512 * 512,
        tags=(MATMUL,),
    ),
    Workload(
        "matmul/attention scores",
        _operands((4, 256, 8, 64), (4, 256, 8, 64)),
        _scores,
        lambda torch, compiled: compiled(lambda q, k: torch.einsum("bqhd,bkhd->bhqk", q, k)),
        lambda q, k: q.transpose(0, 2, 1, 3) @ k.transpose(0, 2, 3, 1),
        flops=2.0 * 4 * 8 * 256 * 256 * 64,
    ),
]
