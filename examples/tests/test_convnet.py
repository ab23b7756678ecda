"""The network against NumPy and SciPy in float64, and a short training."""

from __future__ import annotations

import convnet
import mnist_data
import numpy as np
import pytest
import scipy.signal

import cotan
from cotan import random


@pytest.fixture(scope="module")
def data():
    images, labels, _, _ = mnist_data.load()
    return images[:6].reshape(-1, 28, 28, 1), labels[:6]


def numpy_predict(params, image):
    """Log-probabilities (10,) of one image (28, 28, 1), in float64."""
    values = np.asarray(image, np.float64)
    for weights, bias in (params[0], params[3]):
        weights, bias = np.asarray(weights, np.float64), np.asarray(bias, np.float64)
        planes = [
            sum(scipy.signal.correlate(values[..., i], weights[..., i, o], "same") for i in range(values.shape[-1]))
            for o in range(weights.shape[-1])
        ]
        values = np.maximum(np.stack(planes, axis=-1) + bias.ravel(), 0)
        rows, columns, channels = values.shape
        values = values.reshape(rows // 2, 2, columns // 2, 2, channels).max(axis=(1, 3))
    hidden = np.maximum(values.ravel() @ np.asarray(params[7][0], np.float64) + np.asarray(params[7][1]), 0)
    logits = hidden @ np.asarray(params[9][0], np.float64) + np.asarray(params[9][1])
    return logits - np.log(np.sum(np.exp(logits)))


def test_the_network_and_its_loss_agree_with_numpy(data):
    images, labels = data
    shape, params = convnet.init_params(random.key(0), (-1, 28, 28, 1))
    assert shape == (-1, 10)
    expected = np.stack([numpy_predict(params, image) for image in images])
    np.testing.assert_allclose(convnet.predict(params, images), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        convnet.loss(params, images, labels), -np.mean(expected[np.arange(6), labels]), rtol=1e-5
    )


def test_the_gradient_is_the_slope_of_the_loss(data):
    _, params = convnet.init_params(random.key(1), (-1, 28, 28, 1))
    with cotan.enable_x64():
        rng, images, labels = np.random.default_rng(2), data[0].astype(np.float64), data[1]
        # The first biases are so small that all of the background lies beside relu's kink.
        params = cotan.tree.map(lambda p: np.asarray(p) + rng.normal(scale=0.1, size=p.shape), params)
        along = cotan.tree.map(lambda p: rng.normal(size=p.shape), params)
        slopes = cotan.jit(cotan.grad(convnet.loss))(params, images, labels)
        slope = sum(np.sum(np.asarray(g) * v) for g, v in zip(*map(cotan.tree.leaves, (slopes, along)), strict=True))

        def loss(t):
            return convnet.loss(cotan.tree.map(lambda p, v: p + t * v, params, along), images, labels)

        step = 1e-7
        np.testing.assert_allclose(slope, (loss(step) - loss(-step)) / (2 * step), rtol=1e-5)


def test_images_move_by_at_most_two_pixels(data):
    images, _ = data
    seen = set()
    for n in range(60):
        found = np.asarray(cotan.jit(convnet.moved)(random.key(n), images))
        fits = [
            (r, c)
            for r in range(-2, 3)
            for c in range(-2, 3)
            if np.array_equal(found, np.roll(images, (r, c), axis=(1, 2)))
        ]
        assert len(fits) == 1
        seen.add(fits[0])
    assert len(seen) > 15


def test_the_network_learns_and_plots(tmp_path, capsys):
    assert convnet.main(["--epochs", "3", "--limit", "2560", "--out", str(tmp_path)]) > 0.8
    assert (tmp_path / "convnet.png").read_bytes()[:4] == b"\x89PNG"
    assert "epoch 3: test accuracy" in capsys.readouterr().out
