"""Operations outside jit: single small ones, a chain over a large array, and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import Compile, Program, Workload, floats, torch_gradient

SMALL, LARGE = 8, 1_000_000


def _chain(library: Any) -> Program:
    lnp = library.numpy
    return lambda x, y: lnp.tanh(x) * y + x


def _gradient(library: Any) -> Program:
    lnp = library.numpy
    return library.grad(lambda x: (lnp.tanh(x) ** 2).sum())


def _gradient_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(torch_gradient(torch, lambda x: (torch.tanh(x) ** 2).sum()))


def _network_gradient(library: Any) -> Program:
    lnp = library.numpy
    return library.grad(lambda w, v, x: ((lnp.tanh(x @ w) @ v) ** 2).mean(), argnums=(0, 1))


def _network_gradient_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(torch_gradient(torch, lambda w, v, x: ((torch.tanh(x @ w) @ v) ** 2).mean(), 2))


WORKLOADS = [
    Workload(
        "eager/elementwise",
        lambda rng: (floats(rng, SMALL), floats(rng, SMALL)),
        lambda library: lambda x, y: x + y,
        lambda torch, compiled: compiled(lambda x, y: x + y),
        lambda x, y: x + y,
        wait_each=False,
    ),
    Workload(
        "eager/matmul 64",
        lambda rng: (floats(rng, 64, 64), floats(rng, 64, 64)),
        lambda library: lambda x, y: x @ y,
        lambda torch, compiled: compiled(lambda x, y: x @ y),
        lambda x, y: x @ y,
        flops=2 * 64**3,
        wait_each=False,
    ),
    Workload(
        "eager/sum",
        lambda rng: (floats(rng, 1000),),
        lambda library: lambda x: x.sum(),
        lambda torch, compiled: compiled(lambda x: x.sum()),
        lambda x: x.sum(),
        wait_each=False,
        tolerance=1e-3,
    ),
    Workload(
        "eager/slice",
        lambda rng: (floats(rng, 32, 32),),
        lambda library: lambda x: x[1:-1, 3],
        lambda torch, compiled: compiled(lambda x: x[1:-1, 3]),
        lambda x: x[1:-1, 3],
        wait_each=False,
    ),
    Workload(
        "eager/chain of 1e6",
        lambda rng: (floats(rng, LARGE), floats(rng, LARGE)),
        _chain,
        lambda torch, compiled: compiled(lambda x, y: torch.tanh(x) * y + x),
        lambda x, y: np.tanh(x) * y + x,
    ),
    Workload(
        "eager/gradient",
        lambda rng: (floats(rng, 100),),
        _gradient,
        _gradient_torch,
        "no automatic differentiation",
        wait_each=False,
    ),
    Workload(
        "eager/network gradient",
        lambda rng: (floats(rng, 32, 32), floats(rng, 32, 4), floats(rng, 16, 32)),
        _network_gradient,
        _network_gradient_torch,
        "no automatic differentiation",
        wait_each=False,
    ),
]
