"""The MNIST example's training: an epoch jitted, a step unjitted, and the first call of the jitted update."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runner import Result, interleave

EXAMPLES = Path(__file__).parent.parent / "examples"
RATE = 0.5
SIZES = (784, 512, 512, 10)
BATCH = 128
STEPS = 60000 // BATCH


def parameters(seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [
        ((rng.standard_normal((m, n)) * np.sqrt(2 / m)).astype(np.float32), np.zeros(n, np.float32))
        for m, n in itertools.pairwise(SIZES)
    ]


def program(library: Any) -> Any:
    """The example's update, for cotan or for JAX: the same text over the library's names."""
    lnp, nn = library.numpy, library.nn

    def predict(params: Any, image: Any) -> Any:
        activations = image
        for weights, bias in params[:-1]:
            activations = nn.relu(activations @ weights + bias)
        weights, bias = params[-1]
        return nn.log_softmax(activations @ weights + bias)

    def loss(params: Any, images: Any, labels: Any) -> Any:
        log_probabilities = library.vmap(predict, in_axes=(None, 0))(params, images)
        return -lnp.mean(lnp.sum(log_probabilities * nn.one_hot(labels, SIZES[-1]), axis=1))

    def update(params: Any, images: Any, labels: Any) -> Any:
        grads = library.grad(loss)(params, images, labels)
        return library.tree_util.tree_map(lambda p, g: p - RATE * g, params, grads)

    return update


def _data() -> tuple[np.ndarray, np.ndarray]:
    sys.path.insert(0, str(EXAMPLES))
    import mnist_data

    images, labels, _, _ = mnist_data.load()
    return images, labels


def _epoch(library: Any, update: Any, images: np.ndarray, labels: np.ndarray, steps: int) -> Any:
    initial = library.tree_util.tree_map(library.numpy.asarray, parameters())

    def run() -> None:
        params = initial
        for n in range(steps):
            picked = slice(n * BATCH, (n + 1) * BATCH)
            params = update(params, images[picked], labels[picked])
        library.block_until_ready(params)

    return run


def jitted_epoch() -> Result:
    import jax

    import cotan

    images, labels = _data()
    contenders = {
        name: _epoch(library, library.jit(program(library)), images, labels, STEPS)
        for name, library in (("cotan", cotan), ("jax", jax))
    }
    return interleave("MNIST epoch, jitted", contenders, turns=5, limit=("jax", 1.0))


def unjitted_steps() -> Result:
    import jax

    import cotan

    images, labels = _data()
    contenders = {
        name: _epoch(library, program(library), images, labels, 10)
        for name, library in (("cotan", cotan), ("jax", jax))
    }
    return interleave("MNIST, 10 steps unjitted", contenders, turns=5, limit=("jax", 1 / 3))


_FIRST_CALL = """
import sys, time
import {0} as library
from benchmarks import mnist
import numpy as np
update = library.jit(mnist.program(library))
params = library.tree_util.tree_map(library.numpy.asarray, mnist.parameters())
library.block_until_ready(library.numpy.asarray(params[0][0]) + 1)
images, labels = np.zeros((mnist.BATCH, 784), np.float32), np.zeros(mnist.BATCH, np.int32)
start = time.perf_counter()
library.block_until_ready(update(params, images, labels))
print(time.perf_counter() - start)
"""


def first_call() -> Result:
    """Trace + compile + run in a fresh process with caches off, after the library has run one small operation."""
    result = Result("MNIST update, first call", {"cotan": [], "jax": []}, limit=("jax", 1.0))
    for _ in range(5):
        for name in result.seconds:
            command = [sys.executable, "-c", _FIRST_CALL.format(name)]
            out = subprocess.run(command, check=True, capture_output=True, text=True, cwd=EXAMPLES.parent)
            result.seconds[name].append(float(out.stdout))
    return result


WORKLOADS = {"mnist-epoch": jitted_epoch, "mnist-unjitted": unjitted_steps, "mnist-first-call": first_call}
