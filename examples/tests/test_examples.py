"""Every example at a small size; MNIST's training against a NumPy implementation in float64."""

from __future__ import annotations

import sys

import autodiff_tour
import heat
import linear_regression
import mnist
import mnist_data
import numpy as np
import pytest

import cotan
from cotan import random


@pytest.fixture(scope="module")
def data():
    return mnist_data.load()


def test_the_data_are_the_published_ones(data):
    train_images, train_labels, test_images, test_labels = data
    assert train_images.shape == (60000, 784)
    assert test_images.shape == (10000, 784)
    assert np.bincount(train_labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def gelu(x):
    """Hendrycks and Gimpel's approximation by tanh (arXiv:1606.08415), and its derivative."""
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    tanh = np.tanh(inner)
    slope = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
    return 0.5 * x * (1 + tanh), 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh**2) * slope


def numpy_training(params, batches, rate):
    """The same training in float64: the loss before each step."""
    params = [[np.asarray(p, np.float64) for p in pair] for pair in params]
    for images, labels in batches:
        activations, slopes = [images.astype(np.float64)], []
        for weights, bias in params[:-1]:
            value, slope = gelu(activations[-1] @ weights + bias)
            activations.append(value)
            slopes.append(slope)
        logits = activations[-1] @ params[-1][0] + params[-1][1]
        logits -= logits.max(axis=1, keepdims=True)
        probabilities = np.exp(logits)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        rows = np.arange(len(labels))
        yield -np.mean(np.log(probabilities[rows, labels]))
        delta = probabilities.copy()
        delta[rows, labels] -= 1
        delta /= len(labels)
        for layer in reversed(range(len(params))):
            weights, bias = params[layer]
            gradients = activations[layer].T @ delta, delta.sum(axis=0)
            if layer:
                delta = (delta @ weights.T) * slopes[layer - 1]
            params[layer] = [weights - rate * gradients[0], bias - rate * gradients[1]]


@pytest.mark.parametrize("seed", range(4))
def test_mnist_losses_of_100_steps_agree_with_numpy_in_float64(data, seed):
    images, labels, _, _ = data
    params = mnist.init_params(random.key(seed))
    order = mnist.epoch_batches(np.random.default_rng(seed), len(images))[:100]
    batches = [(images[picked], labels[picked]) for picked in order]
    loss = cotan.jit(mnist.loss)
    for batch, wanted in zip(batches, numpy_training(params, batches, mnist.LEARNING_RATE), strict=True):
        np.testing.assert_allclose(float(loss(params, *batch)), wanted, rtol=1e-4)
        params = mnist.jitted_update(params, *batch)


def test_mnist_jitted_and_unjitted_updates_agree(data):
    images, labels, _, _ = data
    params = mnist.init_params(random.key(1))
    batch = images[: mnist.BATCH], labels[: mnist.BATCH]
    eager = mnist.update(params, *batch)
    jitted = cotan.jit(mnist.update)(params, *batch)
    for (w, b), (w2, b2) in zip(eager, jitted, strict=True):
        np.testing.assert_allclose(w, w2, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(b, b2, rtol=1e-5, atol=1e-6)


def test_mnist_learns_plots_saves_and_evaluates(tmp_path, capsys):
    arguments = ["--epochs", "2", "--limit", "6400", "--out", str(tmp_path)]
    found = mnist.main(arguments)
    assert found > 0.85
    assert (tmp_path / "mnist.png").read_bytes()[:4] == b"\x89PNG"
    assert mnist.main(["--evaluate", str(tmp_path / "mnist.npz")]) == found
    assert "extrapolated from 5 of 50 batches" in capsys.readouterr().out


def test_derivatives_of_swish_match_closed_forms():
    x = np.linspace(-3, 3, 13)
    curves = autodiff_tour.derivatives(cotan.numpy.asarray(x))
    s = 1 / (1 + np.exp(-x))
    first = s + x * s * (1 - s)
    second = s * (1 - s) * (2 + x * (1 - 2 * s))
    for curve, expected in zip(curves, (x * s, first, second), strict=False):
        np.testing.assert_allclose(curve, expected, rtol=1e-5, atol=1e-6)
    h = x[1] - x[0]
    # The third derivative against differences of the second, to the differences' own error.
    np.testing.assert_allclose(np.asarray(curves[3])[1:-1], (second[2:] - second[:-2]) / (2 * h), atol=0.05)


def test_autodiff_tour_plots(tmp_path):
    assert autodiff_tour.main(["--out", str(tmp_path), "--points", "50"]).exists()


def test_heat_matches_numpy(tmp_path):
    plate = np.array(heat.initial(12))
    for _ in range(20):
        inner = plate[1:-1, 1:-1]
        neighbours = plate[:-2, 1:-1] + plate[2:, 1:-1] + plate[1:-1, :-2] + plate[1:-1, 2:]
        plate[1:-1, 1:-1] = inner + heat.DIFFUSION * (neighbours - 4 * inner)
    np.testing.assert_allclose(heat.simulate(12, 20), plate, rtol=1e-5, atol=1e-7)
    assert heat.main(["--size", "16", "--steps", "5", "--out", str(tmp_path)]).exists()


def test_clipped_gradients_resist_outliers(tmp_path):
    fits = linear_regression.main(["--out", str(tmp_path), "--steps", "800"])
    assert abs(fits["clipped"][0] - 2) < 0.2
    assert abs(fits["clipped"][1] + 1) < 0.3
    assert fits["mean"][1] > 0


@pytest.mark.parametrize("missing", [(), ("tqdm", "matplotlib")], ids=["all installed", "neither tqdm nor matplotlib"])
def test_mnist_needs_nothing_but_cotan_to_train(missing, tmp_path, monkeypatch, capsys):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    found = mnist.main(["--epochs", "1", "--limit", "6400", "--out", str(tmp_path)])
    assert found > 0.8
    assert (tmp_path / "mnist.npz").exists()
    assert (tmp_path / "mnist.png").exists() == (not missing)
    assert ("pip install matplotlib" in capsys.readouterr().out) == bool(missing)
