"""Elementwise programs of cheap operations: as fast as memory if they become one pass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.workload import BANDWIDTH, Compile, Inputs, Program, Workload, floats

N = 1_000_000
ROWS, COLUMNS = 2048, 1024
IMAGES = (16, 224, 224, 3)
MEANS, DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _selu_numpy(x: np.ndarray) -> np.ndarray:
    return np.float32(SELU_SCALE) * np.where(x > 0, x, np.float32(SELU_ALPHA) * np.expm1(x))


def _chain(x: Any, y: Any) -> Any:
    """Twenty multiplications and additions that no algebra shortens."""
    for k in range(10):
        x = x * y + (0.1 * k - 0.5)
    return x


def _bias_gelu(library: Any) -> Program:
    return library.jit(lambda x, bias: library.nn.gelu(x + bias, approximate=True))


def _bias_gelu_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda x, bias: torch.nn.functional.gelu(x + bias, approximate="tanh"))


def _bias_gelu_numpy(x: np.ndarray, bias: np.ndarray) -> np.ndarray:
    x = x + bias
    return (
        np.float32(0.5) * x * (1 + np.tanh(np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)))
    )


def _images(rng: np.random.Generator) -> Inputs:
    return (rng.integers(0, 256, IMAGES, dtype=np.uint8),)


def _normalise(library: Any) -> Program:
    lnp = library.numpy
    mean, deviation = lnp.asarray(np.array(MEANS, np.float32)), lnp.asarray(np.array(DEVIATIONS, np.float32))
    return library.jit(lambda images: (images.astype(lnp.float32) / 255 - mean) / deviation)


def _normalise_torch(torch: Any, compiled: Compile) -> Program:
    mean, deviation = torch.tensor(MEANS), torch.tensor(DEVIATIONS)
    return compiled(lambda images: (images.float() / 255 - mean) / deviation)


def _normalise_numpy(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float32) / np.float32(255) - np.array(MEANS, np.float32)) / np.array(
        DEVIATIONS, np.float32
    )


def _adam_inputs(rng: np.random.Generator) -> Inputs:
    return floats(rng, N), floats(rng, N), floats(rng, N), floats(rng, N) ** 2


def _adam(sqrt: Program) -> Program:
    def update(parameters: Any, gradient: Any, mean: Any, square: Any) -> Any:
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient * gradient
        return parameters - 1e-3 * (mean / 0.5) / (sqrt(square / 0.3) + 1e-8), mean, square

    return update


def _select(library: Any) -> Program:
    lnp = library.numpy
    return library.jit(lambda x, y: lnp.where((x > y) & (x < 1), lnp.clip(x, -0.5, 0.5), y * 2))


def _select_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda x, y: torch.where((x > y) & (x < 1), torch.clip(x, -0.5, 0.5), y * 2))


def _select_numpy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where((x > y) & (x < 1), np.clip(x, -0.5, 0.5), y * 2)


def _outer(x: Any, y: Any) -> Any:
    return (x[:, None] - y[None, :]) * 0.5 + x[:, None] * y[None, :]


WORKLOADS = [
    Workload(
        "fusion/selu",
        lambda rng: (floats(rng, N),),
        lambda library: library.jit(library.nn.selu),
        lambda torch, compiled: compiled(lambda x: torch.nn.functional.selu(x)),
        _selu_numpy,
        tags=(BANDWIDTH,),
    ),
    Workload(
        "fusion/saxpy 8e6",
        lambda rng: (floats(rng, 8 * N), floats(rng, 8 * N)),
        lambda library: library.jit(lambda x, y: 2.5 * x + y),
        lambda torch, compiled: compiled(lambda x, y: 2.5 * x + y),
        lambda x, y: 2.5 * x + y,
        tags=(BANDWIDTH,),
    ),
    Workload(
        "fusion/chain of 20",
        lambda rng: (floats(rng, N), floats(rng, N, scale=0.5)),
        lambda library: library.jit(_chain),
        lambda torch, compiled: compiled(_chain),
        _chain,
        tags=(BANDWIDTH,),
        tolerance=1e-3,
    ),
    Workload(
        "fusion/bias and gelu",
        lambda rng: (floats(rng, ROWS, COLUMNS), floats(rng, COLUMNS)),
        _bias_gelu,
        _bias_gelu_torch,
        _bias_gelu_numpy,
        tags=(BANDWIDTH,),
    ),
    Workload("fusion/image normalisation", _images, _normalise, _normalise_torch, _normalise_numpy, tags=(BANDWIDTH,)),
    Workload(
        "fusion/Adam update",
        _adam_inputs,
        lambda library: library.jit(_adam(library.numpy.sqrt)),
        lambda torch, compiled: compiled(_adam(torch.sqrt)),
        _adam(np.sqrt),
        tags=(BANDWIDTH,),
    ),
    Workload(
        "fusion/selection",
        lambda rng: (floats(rng, N), floats(rng, N)),
        _select,
        _select_torch,
        _select_numpy,
        tags=(BANDWIDTH,),
    ),
    Workload(
        "fusion/outer",
        lambda rng: (floats(rng, 1500), floats(rng, 1000)),
        lambda library: library.jit(_outer),
        lambda torch, compiled: compiled(_outer),
        _outer,
        tags=(BANDWIDTH,),
    ),
]
