"""The training step of the MNIST example, on XLA and on the CPU backend."""

from __future__ import annotations

import mnist
import numpy as np

import cotan
from cotan import random


def losses(device, steps=40):
    """The losses of the first steps on made-up digits: blots whose place is their class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, (steps, mnist.BATCH))
    images = rng.random((steps, mnist.BATCH, 784), np.float32) * 0.2
    images += np.repeat(np.eye(10, dtype=np.float32), [79] * 4 + [78] * 6, axis=1)[labels]
    found = []
    with cotan.default_device(device):
        params = mnist.init_params(random.key(0))
        loss, update = cotan.jit(mnist.loss), cotan.jit(mnist.update, donate_argnums=0)
        for x, y in zip(images, labels, strict=True):
            found.append(float(loss(params, x, y)))
            params = update(params, x, y)
        assert params[0][0].device is device
    return np.array(found)


def test_losses_are_those_of_the_cpu_backend(device, cpu):
    found, wanted = losses(device), losses(cpu)
    assert wanted[-1] < 0.2 * wanted[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
