"""The MNIST example on a device beside backend-cpu: the losses of 100 steps."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import cotan
from cotan.config import config

EXAMPLES = Path(__file__).parents[3] / "examples"
STEPS = 100


@pytest.fixture(scope="module")
def example():
    """The example, its pictures and labels."""
    pytest.importorskip("cotan_cpu")
    sys.path.insert(0, str(EXAMPLES))
    try:
        import mnist
        import mnist_data
    finally:
        sys.path.remove(str(EXAMPLES))
    return mnist, *mnist_data.load()[:2]


@cotan.jit(static_argnums=0)
def step(example, params, images, labels):
    """The loss, and the parameters after the step."""
    loss, grads = cotan.value_and_grad(example.loss)(params, images, labels)
    return loss, cotan.tree.map(lambda p, g: p - example.LEARNING_RATE * g, params, grads)


def batches(example, seed, dtype=np.float32):
    mnist, images, labels = example
    for picked in mnist.epoch_batches(np.random.default_rng(seed), len(images))[:STEPS]:
        yield images[picked].astype(dtype), labels[picked]


def start(example, seed, dtype=np.float32):
    with config.override(platform="cpu"):
        return cotan.tree.map(lambda p: np.asarray(p, dtype), example[0].init_params(cotan.random.key(seed)))


def on(platform, *values):
    with config.override(platform=platform):
        return cotan.tree.map(lambda x: cotan.device_put(np.asarray(x)), values)


@pytest.mark.parametrize(("seed", "dtype"), [*((seed, np.float32) for seed in range(4)), (0, np.float64)])
def test_losses_of_100_steps(example, device, seed, dtype):
    with config.override(enable_x64=dtype is np.float64):
        ours, theirs = (on(platform, start(example, seed, dtype))[0] for platform in ("opencl", "cpu"))
        for batch in batches(example, seed, dtype):
            found, ours = step(example[0], ours, *on("opencl", *batch))
            wanted, theirs = step(example[0], theirs, *on("cpu", *batch))
            np.testing.assert_allclose(found, wanted, rtol=1e-5 if dtype is np.float32 else 1e-10)
    assert float(wanted) < 0.5
