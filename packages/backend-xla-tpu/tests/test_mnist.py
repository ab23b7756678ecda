"""The training step of the MNIST example, on XLA and on the CPU backend."""

from __future__ import annotations

import mnist
import mnist_data
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


def test_every_step_on_the_digits_is_that_of_the_cpu_backend(device, cpu):
    # From equal parameters: at the example's learning rate one ulp of a weight is percents of the loss 50 steps later.
    images, labels, *_ = mnist_data.load()
    loss, update = cotan.jit(mnist.loss), cotan.jit(mnist.update)
    errors = []
    with cotan.default_device(cpu):
        params = mnist.init_params(random.key(0))
        for rows in mnist.epoch_batches(np.random.default_rng(0), len(images))[:30]:
            x, y, there = images[rows], labels[rows], cotan.device_put(params, device)
            np.testing.assert_allclose(loss(there, x, y), loss(params, x, y), rtol=1e-5)
            found, params = update(there, x, y), update(params, x, y)
            for one, other in zip(cotan.tree.leaves(found), cotan.tree.leaves(params), strict=True):
                assert one.device is device
                errors.append(np.linalg.norm(np.asarray(one) - other) / np.linalg.norm(other))
    # Where a unit is within an ulp of zero its slope may differ, for one image of a batch.
    assert np.median(errors) < 1e-6
    assert np.max(errors) < 2e-3
