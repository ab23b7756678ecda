"""The MNIST example's training: an epoch with the update jitted, and ten updates without jit."""

from __future__ import annotations

import functools
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.workload import TRAINING, Compile, Inputs, Program, Workload

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
RATE = 0.5
SIZES = (784, 512, 512, 10)
BATCH = 128
STEPS = 60000 // BATCH
FEW = 10
FLOPS = 6.0 * BATCH * sum(m * n for m, n in itertools.pairwise(SIZES))


def _parameters(rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    return [
        ((rng.standard_normal((m, n)) * np.sqrt(2 / m)).astype(np.float32), np.zeros(n, np.float32))
        for m, n in itertools.pairwise(SIZES)
    ]


@functools.cache
def _pictures() -> tuple[np.ndarray, np.ndarray]:
    if str(EXAMPLES) not in sys.path:
        sys.path.append(str(EXAMPLES))
    import mnist_data

    images, labels, _, _ = mnist_data.load()
    return images, labels


def _order(rng: np.random.Generator) -> Inputs:
    """Where the epoch begins: every call goes through the batches in another order."""
    return (int(rng.integers(STEPS)),)


def _epoch(update: Program, steps: int) -> Program:
    """The loop of the example: batches are slices of NumPy's arrays."""
    images, labels = _pictures()

    def run(parameters: Any, first: int) -> Any:
        for n in range(first, first + steps):
            picked = slice(n % STEPS * BATCH, (n % STEPS + 1) * BATCH)
            parameters = update(parameters, images[picked], labels[picked])
        return parameters

    return run


def _update(library: Any) -> Program:
    lnp, nn = library.numpy, library.nn

    def predict(parameters: Any, image: Any) -> Any:
        activations = image
        for weights, bias in parameters[:-1]:
            activations = nn.relu(activations @ weights + bias)
        weights, bias = parameters[-1]
        return nn.log_softmax(activations @ weights + bias)

    def loss(parameters: Any, images: Any, labels: Any) -> Any:
        log_probabilities = library.vmap(predict, in_axes=(None, 0))(parameters, images)
        return -lnp.mean(lnp.sum(log_probabilities * nn.one_hot(labels, SIZES[-1]), axis=1))

    def update(parameters: Any, images: Any, labels: Any) -> Any:
        gradients = library.grad(loss)(parameters, images, labels)
        return library.tree_util.tree_map(lambda p, g: p - RATE * g, parameters, gradients)

    return update


def _update_torch(torch: Any, compiled: Compile) -> Program:
    functional = torch.nn.functional

    @compiled
    def loss(parameters: Any, images: Any, labels: Any) -> Any:
        for weights, bias in parameters[:-1]:
            images = torch.relu(torch.addmm(bias, images, weights))
        weights, bias = parameters[-1]
        return functional.cross_entropy(torch.addmm(bias, images, weights), labels)

    def update(parameters: Any, images: np.ndarray, labels: np.ndarray) -> Any:
        flat = [p.requires_grad_() for layer in parameters for p in layer]
        gradients = torch.autograd.grad(
            loss(parameters, torch.from_numpy(images), torch.from_numpy(labels).long()), flat
        )
        with torch.no_grad():
            for p, g in zip(flat, gradients):
                p.sub_(RATE * g)
        return parameters

    return update


def _update_numpy(parameters: Any, images: np.ndarray, labels: np.ndarray) -> Any:
    activations = [images]
    for weights, bias in parameters[:-1]:
        activations.append(np.maximum(activations[-1] @ weights + bias, 0))
    weights, bias = parameters[-1]
    logits = activations[-1] @ weights + bias
    e = np.exp(logits - logits.max(1, keepdims=True))
    back = e / e.sum(1, keepdims=True)
    back[np.arange(BATCH), labels] -= 1
    back /= np.float32(BATCH)
    result = []
    for (weights, bias), seen in zip(reversed(parameters), reversed(activations)):
        moved = weights - np.float32(RATE) * (seen.T @ back)
        result.append((moved, bias - np.float32(RATE) * back.sum(0)))
        back = (back @ weights.T) * (seen > 0)
    return result[::-1]


def _finite(results: list[np.ndarray]) -> list[np.ndarray]:
    """Rounding grows over an epoch of steps at this rate: the biases' sizes are compared."""
    return [np.asarray(np.abs(result).mean(dtype=np.float64)) for result in results]


def _batch(rng: np.random.Generator) -> Inputs:
    images, labels = _pictures()
    first = int(rng.integers(STEPS)) * BATCH
    return images[first : first + BATCH], labels[first : first + BATCH]


WORKLOADS = [
    Workload(
        "mnist/one step",
        _batch,
        lambda library: library.jit(_update(library)),
        _update_torch,
        _update_numpy,
        flops=FLOPS,
        initial=_parameters,
        tags=(TRAINING,),
        placed=False,
        tolerance=1e-3,
    ),
    Workload(
        "mnist/epoch",
        _order,
        lambda library: _epoch(library.jit(_update(library)), STEPS),
        lambda torch, compiled: _epoch(_update_torch(torch, compiled), STEPS),
        lambda parameters, first: _epoch(_update_numpy, STEPS)(parameters, first),
        flops=STEPS * FLOPS,
        initial=_parameters,
        tags=(TRAINING,),
        view=_finite,
        tolerance=0.05,
    ),
    Workload(
        "mnist/10 steps without jit",
        _order,
        lambda library: _epoch(_update(library), FEW),
        lambda torch, compiled: _epoch(_update_torch(torch, compiled), FEW),
        lambda parameters, first: _epoch(_update_numpy, FEW)(parameters, first),
        flops=FEW * FLOPS,
        initial=_parameters,
        view=_finite,
        tolerance=0.05,
    ),
]
