"""Convolutions and poolings of pictures, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import (
    LIBRARY_BOUND,
    TRAINING,
    Compile,
    Inputs,
    Program,
    Workload,
    floats,
    torch_gradient,
)

COUNT, SIDE, CHANNELS = 8, 56, 64
NHWC, NCHW = ("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW")
FLOPS = 2.0 * COUNT * SIDE * SIDE * CHANNELS * CHANNELS * 9
NO_GRADIENT = "no automatic differentiation"
BY_HAND = "no convolution of pictures but by hand"


def _last(rng: np.random.Generator) -> Inputs:
    return floats(rng, COUNT, SIDE, SIDE, CHANNELS), floats(rng, 3, 3, CHANNELS, CHANNELS, scale=0.05)


def _first(rng: np.random.Generator) -> Inputs:
    return floats(rng, COUNT, CHANNELS, SIDE, SIDE), floats(rng, CHANNELS, CHANNELS, 3, 3, scale=0.05)


def _convolve(library: Any, layout: Any, groups: int = 1) -> Program:
    return lambda x, w: library.lax.conv_general_dilated(
        x, w, (1, 1), "SAME", dimension_numbers=layout, feature_group_count=groups
    )


def _convolve_strided(library: Any) -> Program:
    return lambda x, w: library.lax.conv_general_dilated(x, w, (2, 2), ((3, 3), (3, 3)), dimension_numbers=NCHW)


def _convolve_torch(torch: Any) -> Program:
    return lambda x, w: torch.nn.functional.conv2d(x, w, padding=1)


def _convolve_last_torch(torch: Any) -> Program:
    """Channels last: a view in PyTorch, whose kernels know that layout."""

    def convolve(x: Any, w: Any) -> Any:
        return torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), padding=1).permute(0, 2, 3, 1)

    return convolve


def _windows(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.tensordot(windows, w, axes=((3, 4, 5), (2, 0, 1)))


def _gradient(convolve: Program, library: Any) -> Program:
    return library.jit(library.grad(lambda x, w: (convolve(x, w) ** 2).mean(), argnums=(0, 1)))


def _gradient_torch(convolve: Program, torch: Any, compiled: Compile) -> Program:
    return torch_gradient(torch, compiled(lambda x, w: (convolve(x, w) ** 2).mean()), 2)


def _network(library: Any) -> Program:
    """Convolution, bias, relu, pooling, twice; then the classes' logits."""
    lax, nn = library.lax, library.nn

    def loss(parameters: Any, x: Any, target: Any) -> Any:
        for name in ("first", "second"):
            layer = parameters[name]
            x = nn.relu(_convolve(library, NHWC)(x, layer["weights"]) + layer["bias"])
            x = lax.reduce_window(x, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        logits = x.reshape(x.shape[0], -1) @ parameters["last"]["weights"]
        return ((logits - target) ** 2).mean()

    def step(parameters: Any, x: Any, target: Any) -> Any:
        gradient = library.grad(loss)(parameters, x, target)
        return library.tree_util.tree_map(lambda p, g: p - 0.01 * g, parameters, gradient)

    return library.jit(step, donate_argnums=0)


def _network_torch(torch: Any, compiled: Compile) -> Program:
    functional, convolve = torch.nn.functional, _convolve_last_torch(torch)

    @compiled
    def loss(parameters: Any, x: Any, target: Any) -> Any:
        for name in ("first", "second"):
            layer = parameters[name]
            x = torch.relu(convolve(x, layer["weights"]) + layer["bias"])
            x = functional.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        logits = x.reshape(x.shape[0], -1) @ parameters["last"]["weights"]
        return ((logits - target) ** 2).mean()

    def step(parameters: Any, x: Any, target: Any) -> Any:
        flat = [p.requires_grad_() for layer in parameters.values() for p in layer.values()]
        gradients = torch.autograd.grad(loss(parameters, x, target), flat)
        with torch.no_grad():
            for p, g in zip(flat, gradients):
                p.sub_(0.01 * g)
        return parameters

    return step


def _network_parameters(rng: np.random.Generator) -> Any:
    return {
        "first": {"bias": np.zeros(16, np.float32), "weights": floats(rng, 3, 3, 1, 16, scale=0.3)},
        "last": {"weights": floats(rng, 7 * 7 * 32, 10, scale=0.02)},
        "second": {"bias": np.zeros(32, np.float32), "weights": floats(rng, 3, 3, 16, 32, scale=0.08)},
    }


def _digits(rng: np.random.Generator) -> Inputs:
    return floats(rng, 64, 28, 28, 1), floats(rng, 64, 10)


def _pool(library: Any, strides: int = 2, size: int = 2) -> tuple[Program, Program]:
    """(max pooling, mean pooling) of channels-last pictures."""
    lax = library.lax
    window, step = (1, size, size, 1), (1, strides, strides, 1)

    def largest(x: Any) -> Any:
        return lax.reduce_window(x, -np.inf, lax.max, window, step, "VALID")

    def mean(x: Any) -> Any:
        return lax.reduce_window(x, 0.0, lax.add, window, step, "VALID") / size**2

    return largest, mean


def _pool_torch(torch: Any, name: str, size: int = 2) -> Program:
    pool = getattr(torch.nn.functional, name)
    return lambda x: pool(x.permute(0, 3, 1, 2), size, 2).permute(0, 2, 3, 1)


def _pictures(rng: np.random.Generator) -> Inputs:
    return (floats(rng, COUNT, 2 * SIDE, 2 * SIDE, CHANNELS),)


def _pictures_weighted(rng: np.random.Generator) -> Inputs:
    return *_pictures(rng), floats(rng, COUNT, SIDE, SIDE, CHANNELS)


def _pool_gradient(pool: Program, library: Any) -> Program:
    return library.jit(library.grad(lambda x, w: (pool(x) * w).sum()))


def _pool_gradient_torch(pool: Program, torch: Any, compiled: Compile) -> Program:
    return torch_gradient(torch, compiled(lambda x, w: (pool(x) * w).sum()))


def _tiles(x: np.ndarray) -> np.ndarray:
    return x.reshape(COUNT, SIDE, 2, SIDE, 2, CHANNELS)


WORKLOADS = [
    Workload(
        "convolution/3x3 channels last",
        _last,
        lambda library: library.jit(_convolve(library, NHWC)),
        lambda torch, compiled: compiled(_convolve_last_torch(torch)),
        _windows,
        flops=FLOPS,
        tags=(LIBRARY_BOUND,),
    ),
    Workload(
        "convolution/3x3 channels first",
        _first,
        lambda library: library.jit(_convolve(library, NCHW)),
        lambda torch, compiled: compiled(_convolve_torch(torch)),
        BY_HAND,
        flops=FLOPS,
        tags=(LIBRARY_BOUND,),
    ),
    Workload(
        "convolution/3x3 gradient, channels last",
        _last,
        lambda library: _gradient(_convolve(library, NHWC), library),
        lambda torch, compiled: _gradient_torch(_convolve_last_torch(torch), torch, compiled),
        NO_GRADIENT,
        flops=3 * FLOPS,
        tags=(LIBRARY_BOUND, TRAINING),
    ),
    Workload(
        "convolution/3x3 gradient, channels first",
        _first,
        lambda library: _gradient(_convolve(library, NCHW), library),
        lambda torch, compiled: _gradient_torch(_convolve_torch(torch), torch, compiled),
        NO_GRADIENT,
        flops=3 * FLOPS,
        tags=(LIBRARY_BOUND, TRAINING),
    ),
    Workload(
        "convolution/strided 7x7",
        lambda rng: (floats(rng, 4, 3, 224, 224), floats(rng, 32, 3, 7, 7, scale=0.1)),
        lambda library: library.jit(_convolve_strided(library)),
        lambda torch, compiled: compiled(lambda x, w: torch.nn.functional.conv2d(x, w, stride=2, padding=3)),
        BY_HAND,
        flops=2.0 * 4 * 112 * 112 * 32 * 3 * 49,
        tags=(LIBRARY_BOUND,),
    ),
    Workload(
        "convolution/depthwise 3x3",
        lambda rng: (floats(rng, COUNT, CHANNELS, SIDE, SIDE), floats(rng, CHANNELS, 1, 3, 3)),
        lambda library: library.jit(_convolve(library, NCHW, groups=CHANNELS)),
        lambda torch, compiled: compiled(lambda x, w: torch.nn.functional.conv2d(x, w, padding=1, groups=CHANNELS)),
        BY_HAND,
        flops=2.0 * COUNT * SIDE * SIDE * CHANNELS * 9,
    ),
    Workload(
        "convolution/small network step",
        _digits,
        _network,
        _network_torch,
        NO_GRADIENT,
        flops=3 * 2.0 * 64 * 9 * (28 * 28 * 16 + 14 * 14 * 16 * 32),
        initial=_network_parameters,
        tags=(TRAINING,),
        tolerance=1e-3,
    ),
    Workload(
        "convolution/max pooling",
        _pictures,
        lambda library: library.jit(_pool(library)[0]),
        lambda torch, compiled: compiled(_pool_torch(torch, "max_pool2d")),
        lambda x: _tiles(x).max((2, 4)),
    ),
    Workload(
        "convolution/max pooling gradient",
        _pictures_weighted,
        lambda library: _pool_gradient(_pool(library)[0], library),
        lambda torch, compiled: _pool_gradient_torch(_pool_torch(torch, "max_pool2d"), torch, compiled),
        NO_GRADIENT,
    ),
    Workload(
        "convolution/mean pooling",
        _pictures,
        lambda library: library.jit(_pool(library)[1]),
        lambda torch, compiled: compiled(_pool_torch(torch, "avg_pool2d")),
        lambda x: _tiles(x).mean((2, 4)),
    ),
    Workload(
        "convolution/mean pooling gradient",
        _pictures_weighted,
        lambda library: _pool_gradient(_pool(library)[1], library),
        lambda torch, compiled: _pool_gradient_torch(_pool_torch(torch, "avg_pool2d"), torch, compiled),
        NO_GRADIENT,
    ),
    Workload(
        "convolution/overlapping max pooling",
        lambda rng: (floats(rng, COUNT, 113, 113, CHANNELS),),
        lambda library: library.jit(_pool(library, size=3)[0]),
        lambda torch, compiled: compiled(_pool_torch(torch, "max_pool2d", 3)),
        lambda x: np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max((-2, -1)),
    ),
]
