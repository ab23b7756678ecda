"""The MNIST example on a device beside backend-cpu: the losses of 100 steps.

In float32 the path of this example is not determined by the program: where a unit is within rounding of 0, `relu`
takes one side or the other, and the large steps amplify that, on any backend. So losses in float32 are compared from
equal parameters at every step, and whole paths in float64.
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
    """The example and its first batches."""
    pytest.importorskip("cotan_cpu")
    sys.path.insert(0, str(EXAMPLES))
    try:
        import mnist
        import mnist_data
    finally:
        sys.path.remove(str(EXAMPLES))
    images, labels, *_ = mnist_data.load()
    order = mnist.epoch_batches(np.random.default_rng(0), len(images))[:STEPS]
    return mnist, images[order], labels[order]


@cotan.jit(static_argnums=0)
def step(example, params, images, labels):
    loss, grads = cotan.value_and_grad(example.loss)(params, images, labels)
    return loss, cotan.tree.map(lambda p, g: p - example.LEARNING_RATE * g, params, grads)


def start(example, dtype):
    with config.override(platform="cpu"):
        return cotan.tree.map(lambda p: np.asarray(p, dtype), example.init_params(cotan.random.key(0)))


def on(platform, *values):
    with config.override(platform=platform):
        return cotan.tree.map(lambda x: cotan.device_put(np.asarray(x)), values)


def test_losses_from_equal_parameters(example, device):
    mnist, images, labels = example
    params = start(mnist, np.float32)
    for batch in zip(images, labels, strict=True):
        found, _ = step(mnist, *on("opencl", params, *batch))
        wanted, params = step(mnist, *on("cpu", params, *batch))
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert float(wanted) < 0.5


def test_losses_of_a_whole_path(example, device):
    mnist, images, labels = example
    with config.override(enable_x64=True):
        losses = {}
        for platform in ("opencl", "cpu"):
            [params] = on(platform, start(mnist, np.float64))
            losses[platform] = []
            for x, y in zip(images.astype(np.float64), labels, strict=True):
                loss, params = step(mnist, params, *on(platform, x, y))
                losses[platform].append(float(loss))
    np.testing.assert_allclose(losses["opencl"], losses["cpu"], rtol=1e-8)
