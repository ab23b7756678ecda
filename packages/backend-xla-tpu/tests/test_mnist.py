"""The training of the MNIST example, on XLA and on the CPU backend."""

from __future__ import annotations

import mnist
import mnist_data
import numpy as np
import pytest

import cotan
from cotan import random


@pytest.fixture(scope="module")
def batches():
    """Images and labels of 100 batches."""
    images, labels, *_ = mnist_data.load()
    order = mnist.epoch_batches(np.random.default_rng(0), len(images))[:100]
    return [(images[picked], labels[picked]) for picked in order]


def losses(device, batches):
    """The loss before each step."""
    with cotan.default_device(device):
        params = mnist.init_params(random.key(0))
        loss, update = cotan.jit(mnist.loss), cotan.jit(mnist.update, donate_argnums=0)
        for batch in batches:
            yield float(loss(params, *batch))
            params = update(params, *batch)
        assert params[0][0].device is device


def test_losses_are_those_of_the_cpu_backend(device, cpu, batches):
    found, wanted = ([*losses(each, batches)] for each in (device, cpu))
    assert wanted[-1] < 0.2 * wanted[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_parameters_after_every_step_are_those_of_the_cpu_backend(device, cpu, batches):
    update = cotan.jit(mnist.update)
    with cotan.default_device(cpu):
        params = mnist.init_params(random.key(0))
        for batch in batches[:30]:
            found, params = update(cotan.device_put(params, device), *batch), update(params, *batch)
            for one, other in zip(cotan.tree.leaves(found), cotan.tree.leaves(params), strict=True):
                assert one.device is device
                assert np.linalg.norm(np.asarray(one) - other) < 1e-6 * np.linalg.norm(other)
