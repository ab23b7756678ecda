"""The MNIST example on a device beside backend-cpu: the losses of 100 steps.

In float32, which backend adds in which order decides on which side of relu's kink an activation falls that is within
rounding of 0, and from there on the trainings part; of some starts none is. From equal parameters losses agree always.
"""

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
    """The loss, the parameters after the step, and which activations are positive."""
    loss, grads = cotan.value_and_grad(example.loss)(params, images, labels)
    positive, x = [], images
    for weights, bias in params[:-1]:
        x = cotan.nn.relu(x @ weights + bias)
        positive.append(x > 0)
    return loss, cotan.tree.map(lambda p, g: p - example.LEARNING_RATE * g, params, grads), positive


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


def test_losses_from_equal_parameters(example, device):
    params = start(example, 0)
    for batch in batches(example, 0):
        found, *_ = step(example[0], *on("opencl", params, *batch))
        wanted, params, _ = step(example[0], *on("cpu", params, *batch))
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert float(wanted) < 0.5


def steps_alike(example, seed, dtype, rtol):
    """For how many steps the same activations are positive; the losses must agree for as long."""
    ours, theirs = (on(platform, start(example, seed, dtype))[0] for platform in ("opencl", "cpu"))
    for number, batch in enumerate(batches(example, seed, dtype)):
        found, ours, here = step(example[0], ours, *on("opencl", *batch))
        wanted, theirs, there = step(example[0], theirs, *on("cpu", *batch))
        np.testing.assert_allclose(found, wanted, rtol=rtol)
        if not all(np.array_equal(x, y) for x, y in zip(here, there, strict=True)):
            return number
    return STEPS


def test_losses_of_whole_paths(example, device):
    lengths = (steps_alike(example, seed, np.float32, 1e-4) for seed in range(40))
    assert any(length == STEPS for length in lengths)
    with config.override(enable_x64=True):
        assert steps_alike(example, 0, np.float64, 1e-8) == STEPS
