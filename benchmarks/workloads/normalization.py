"""Softmax, the norms of layers and cross-entropy, and their gradients: few operations, several passes if done badly."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import Compile, Inputs, Program, Workload, floats, integers, torch_gradient

ROWS, COLUMNS = 2048, 1024
BATCH, CLASSES = 512, 8192
EPSILON = 1e-5
NO_GRADIENT = "no automatic differentiation"


def _matrix(rng: np.random.Generator) -> Inputs:
    return (floats(rng, ROWS, COLUMNS),)


def _weighted(rng: np.random.Generator) -> Inputs:
    """Inputs of a gradient: the values, and the weights of the results in the loss."""
    return floats(rng, ROWS, COLUMNS), floats(rng, ROWS, COLUMNS)


def _affine(rng: np.random.Generator) -> Inputs:
    return floats(rng, ROWS, COLUMNS), floats(rng, COLUMNS), floats(rng, COLUMNS)


def _affine_weighted(rng: np.random.Generator) -> Inputs:
    return *_affine(rng), floats(rng, ROWS, COLUMNS)


def _logits(rng: np.random.Generator) -> Inputs:
    return floats(rng, BATCH, CLASSES), integers(rng, CLASSES, BATCH)


def _softmax_numpy(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _layer_norm(library: Any) -> Program:
    def norm(x: Any, scale: Any, shift: Any) -> Any:
        mean = x.mean(-1, keepdims=True)
        variance = x.var(-1, keepdims=True)
        return (x - mean) * library.lax.rsqrt(variance + EPSILON) * scale + shift

    return norm


def _layer_norm_torch(torch: Any) -> Program:
    return lambda x, scale, shift: torch.nn.functional.layer_norm(x, (COLUMNS,), scale, shift, EPSILON)


def _layer_norm_numpy(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(EPSILON)) * scale + shift


def _layer_norm_gradient(library: Any) -> Program:
    norm = _layer_norm(library)
    return library.jit(library.grad(lambda x, a, b, w: (norm(x, a, b) * w).sum(), argnums=(0, 1, 2)))


def _layer_norm_gradient_torch(torch: Any, compiled: Compile) -> Program:
    norm = _layer_norm_torch(torch)
    return torch_gradient(torch, compiled(lambda x, a, b, w: (norm(x, a, b) * w).sum()), 3)


def _rms_norm(library: Any) -> Program:
    return lambda x, scale: x * library.lax.rsqrt((x * x).mean(-1, keepdims=True) + EPSILON) * scale


def _rms_norm_torch(torch: Any) -> Program:
    return lambda x, scale: torch.nn.functional.rms_norm(x, (COLUMNS,), scale, EPSILON)


def _rms_norm_numpy(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(EPSILON)) * scale


def _rms_norm_gradient(library: Any) -> Program:
    norm = _rms_norm(library)
    return library.jit(library.grad(lambda x, scale, w: (norm(x, scale) * w).sum(), argnums=(0, 1)))


def _rms_norm_gradient_torch(torch: Any, compiled: Compile) -> Program:
    norm = _rms_norm_torch(torch)
    return torch_gradient(torch, compiled(lambda x, scale, w: (norm(x, scale) * w).sum()), 2)


def _cross_entropy(library: Any) -> Program:
    lnp = library.numpy

    def loss(logits: Any, labels: Any) -> Any:
        log_probabilities = library.nn.log_softmax(logits)
        return -lnp.take_along_axis(log_probabilities, labels[:, None], axis=1).mean()

    return loss


def _cross_entropy_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda logits, labels: torch.nn.functional.cross_entropy(logits, labels))


def _cross_entropy_numpy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    peak = logits.max(1)
    total = np.log(np.exp(logits - peak[:, None]).sum(1)) + peak
    return (total - logits[np.arange(BATCH), labels]).mean()


def _cross_entropy_gradient_numpy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    gradient = _softmax_numpy(logits)
    gradient[np.arange(BATCH), labels] -= 1
    return gradient / np.float32(BATCH)


def _batch_norm(library: Any) -> Program:
    def loss(x: Any, scale: Any, shift: Any, weight: Any) -> Any:
        mean, variance = x.mean(0), x.var(0)
        return (library.nn.relu((x - mean) * library.lax.rsqrt(variance + EPSILON) * scale + shift) * weight).sum()

    return library.jit(library.grad(loss, argnums=(0, 1, 2)))


def _batch_norm_torch(torch: Any, compiled: Compile) -> Program:
    functional = torch.nn.functional

    def loss(x: Any, scale: Any, shift: Any, weight: Any) -> Any:
        normal = functional.batch_norm(x, None, None, scale, shift, training=True, eps=EPSILON)
        return (functional.relu(normal) * weight).sum()

    return torch_gradient(torch, compiled(loss), 3)


WORKLOADS = [
    Workload(
        "normalization/softmax",
        _matrix,
        lambda library: library.jit(library.nn.softmax),
        lambda torch, compiled: compiled(lambda x: torch.softmax(x, 1)),
        _softmax_numpy,
    ),
    Workload(
        "normalization/softmax of 10",
        lambda rng: (floats(rng, 10_000, 10),),
        lambda library: library.jit(library.nn.softmax),
        lambda torch, compiled: compiled(lambda x: torch.softmax(x, 1)),
        _softmax_numpy,
    ),
    Workload(
        "normalization/softmax gradient",
        _weighted,
        lambda library: library.jit(library.grad(lambda x, w: (library.nn.softmax(x) * w).sum())),
        lambda torch, compiled: torch_gradient(torch, compiled(lambda x, w: (torch.softmax(x, 1) * w).sum())),
        NO_GRADIENT,
    ),
    Workload(
        "normalization/layer norm",
        _affine,
        lambda library: library.jit(_layer_norm(library)),
        lambda torch, compiled: compiled(_layer_norm_torch(torch)),
        _layer_norm_numpy,
    ),
    Workload(
        "normalization/layer norm gradient",
        _affine_weighted,
        _layer_norm_gradient,
        _layer_norm_gradient_torch,
        NO_GRADIENT,
    ),
    Workload(
        "normalization/RMS norm",
        lambda rng: (floats(rng, ROWS, COLUMNS), floats(rng, COLUMNS)),
        lambda library: library.jit(_rms_norm(library)),
        lambda torch, compiled: compiled(_rms_norm_torch(torch)),
        _rms_norm_numpy,
    ),
    Workload(
        "normalization/RMS norm gradient",
        lambda rng: (floats(rng, ROWS, COLUMNS), floats(rng, COLUMNS), floats(rng, ROWS, COLUMNS)),
        _rms_norm_gradient,
        _rms_norm_gradient_torch,
        NO_GRADIENT,
    ),
    Workload(
        "normalization/batch norm gradient",
        _affine_weighted,
        _batch_norm,
        _batch_norm_torch,
        NO_GRADIENT,
        tolerance=1e-3,
    ),
    Workload(
        "normalization/cross-entropy",
        _logits,
        lambda library: library.jit(_cross_entropy(library)),
        _cross_entropy_torch,
        _cross_entropy_numpy,
    ),
    Workload(
        "normalization/cross-entropy gradient",
        _logits,
        lambda library: library.jit(library.grad(_cross_entropy(library))),
        lambda torch, compiled: torch_gradient(torch, _cross_entropy_torch(torch, compiled)),
        _cross_entropy_gradient_numpy,
    ),
]
