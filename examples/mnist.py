"""Train a perceptron (784-512-512-10) on MNIST by plain SGD, as one writes it with cotan.

Its activations are smooth: where relu has a kink, rounding decides which way a training goes, and another device or
library of products then follows another path. So this one has the same losses wherever it runs.

python examples/mnist.py                             train 8 epochs, plot, save the parameters
python examples/mnist.py --evaluate mnist.npz        the test accuracy of saved parameters
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mnist_data
import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import grad, jit, random, vmap
from cotan.nn import gelu, log_softmax

SIZES = (784, 512, 512, 10)
BATCH = 128
LEARNING_RATE = 0.4
UNJITTED_BATCHES = 5

Params = list[tuple[Any, Any]]


def init_params(key: Any, sizes: tuple[int, ...] = SIZES) -> Params:
    """Weights from a normal distribution of variance 2 / fan-in; zero biases."""
    keys = random.split(key, len(sizes) - 1)
    return [
        (random.normal(k, (m, n)) * np.float32(np.sqrt(2 / m)), cnp.zeros(n)) for k, m, n in zip(keys, sizes, sizes[1:])
    ]


def predict(params: Params, image: Any) -> Any:
    """Log-probabilities (10,) of one image (784,)."""
    activations = image
    for weights, bias in params[:-1]:
        activations = gelu(activations @ weights + bias)
    weights, bias = params[-1]
    return log_softmax(activations @ weights + bias)


batched_predict = vmap(predict, in_axes=(None, 0))


def loss(params: Params, images: Any, labels: Any) -> Any:
    """Mean cross-entropy of a batch: images (n, 784), labels (n,)."""
    log_probabilities = batched_predict(params, images)
    targets = cotan.nn.one_hot(labels, SIZES[-1])
    return -cnp.mean(cnp.sum(log_probabilities * targets, axis=1))


def update(params: Params, images: Any, labels: Any) -> Params:
    """One step of SGD."""
    grads = grad(loss)(params, images, labels)
    return cotan.tree.map(lambda p, g: p - LEARNING_RATE * g, params, grads)


def predicted_class(params: Params, images: Any) -> Any:
    return cnp.argmax(batched_predict(params, images), axis=1)


jitted_update = jit(update, donate_argnums=0)
jitted_classes = jit(predicted_class)


def accuracy(params: Params, images: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of images whose most probable class is the label."""
    return float(np.mean(np.asarray(jitted_classes(params, images)) == labels))


def epoch_batches(rng: np.random.Generator, count: int) -> np.ndarray:
    """A random order of the examples, cut into whole batches: (batches, BATCH) indices."""
    order = rng.permutation(count)
    return order[: count - count % BATCH].reshape(-1, BATCH)


def time_unjitted(params: Params, images: np.ndarray, labels: np.ndarray, batches: int) -> float:
    """Seconds per step of ``update`` run operation by operation."""
    update(params, images[:BATCH], labels[:BATCH])
    start = time.perf_counter()
    for n in range(batches):
        picked = slice(n * BATCH, (n + 1) * BATCH)
        cotan.block_until_ready(update(params, images[picked], labels[picked]))
    return (time.perf_counter() - start) / batches


def with_progress(batches: np.ndarray, words: str) -> Iterable[Any]:
    """The batches, with a progress bar where tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return batches
    return tqdm(batches, desc=words, unit="batch", leave=False)


def train(
    params: Params, data: tuple[np.ndarray, ...], epochs: int, seed: int
) -> tuple[Params, dict[str, list[float]]]:
    """Train, with a progress bar and a line per epoch. Returns the parameters and the history."""
    train_images, train_labels, test_images, test_labels = data
    rng = np.random.default_rng(seed)
    history: dict[str, list[float]] = {"train": [], "test": [], "seconds": []}
    for epoch in range(1, epochs + 1):
        batches = epoch_batches(rng, len(train_images))
        start = time.perf_counter()
        for picked in with_progress(batches, f"epoch {epoch}"):
            params = jitted_update(params, train_images[picked], train_labels[picked])
        cotan.block_until_ready(params)
        history["seconds"].append(time.perf_counter() - start)
        history["train"].append(accuracy(params, train_images, train_labels))
        history["test"].append(accuracy(params, test_images, test_labels))
        print(
            f"epoch {epoch}: test accuracy {history['test'][-1]:.2%}, train accuracy {history['train'][-1]:.2%}, "
            f"{history['seconds'][-1]:.2f} s"
        )
    return params, history


def plot(path: Path, params: Params, history: dict[str, list[float]], images: np.ndarray, labels: np.ndarray) -> None:
    """Learning curves, and a sheet of misclassified digits (label, then what was predicted)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    classes = np.asarray(jitted_classes(params, images))
    wrong = np.flatnonzero(classes != labels)[:40]
    figure = plt.figure(figsize=(13, 5), layout="constrained")
    left, right = figure.subfigures(1, 2)
    axes = left.subplots()
    epochs = np.arange(1, len(history["test"]) + 1)
    for name in ("train", "test"):
        axes.plot(epochs, 100 * np.array(history[name]), marker="o", label=f"{name} {history[name][-1]:.2%}")
    axes.set(xlabel="epoch", ylabel="accuracy (%)", title=f"MNIST, {'-'.join(map(str, SIZES))}, SGD {LEARNING_RATE}")
    axes.grid(alpha=0.3)
    axes.legend()
    right.suptitle(f"misclassified: {np.sum(classes != labels)} of {len(labels)} (label → predicted)")
    cells = right.subplots(5, 8).ravel()
    for cell in cells:
        cell.axis("off")
    for cell, n in zip(cells, wrong):
        cell.imshow(images[n].reshape(28, 28), cmap="gray_r")
        cell.set_title(f"{labels[n]} → {classes[n]}", fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def save_params(path: Path, params: Params) -> None:
    arrays = {f"{name}{layer}": np.asarray(p) for layer, pair in enumerate(params) for name, p in zip("wb", pair)}
    np.savez(path, **arrays)


def load_params(path: Path) -> Params:
    with np.load(path) as saved:
        return [(cnp.asarray(saved[f"w{n}"]), cnp.asarray(saved[f"b{n}"])) for n in range(len(saved.files) // 2)]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--backend", help="the device's backend, as in `python -m cotan info` (default: the best found)"
    )
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for mnist.png and mnist.npz")
    parser.add_argument("--limit", type=int, help="use only so many training images")
    parser.add_argument("--evaluate", type=Path, metavar="NPZ", help="print the test accuracy of saved parameters")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> float:
    """Returns the test accuracy."""
    options = parse(arguments)
    if options.backend:
        cotan.config.update("platform", options.backend)
    train_images, train_labels, test_images, test_labels = mnist_data.load()
    if options.evaluate:
        found = accuracy(load_params(options.evaluate), test_images, test_labels)
        print(f"test accuracy of {options.evaluate}: {found:.2%}")
        return found
    train_images, train_labels = train_images[: options.limit], train_labels[: options.limit]
    print(f"devices: {', '.join(map(str, cotan.devices()))}; {len(train_images)} training images, batches of {BATCH}")
    params = init_params(random.key(options.seed))
    steps = len(train_images) // BATCH
    unjitted = time_unjitted(params, train_images, train_labels, UNJITTED_BATCHES)
    start = time.perf_counter()
    cotan.block_until_ready(jit(update)(params, train_images[:BATCH], train_labels[:BATCH]))
    first = time.perf_counter() - start
    data = (train_images, train_labels, test_images, test_labels)
    params, history = train(params, data, options.epochs, options.seed)
    print(f"time per epoch: {np.median(history['seconds']):.2f} s with jit (median; the first call took {first:.2f} s)")
    print(f"                {unjitted * steps:.2f} s without (extrapolated from {UNJITTED_BATCHES} of {steps} batches)")
    options.out.mkdir(parents=True, exist_ok=True)
    save_params(options.out / "mnist.npz", params)
    print(f"wrote {options.out / 'mnist.npz'}")
    try:
        plot(options.out / "mnist.png", params, history, test_images, test_labels)
        print(f"wrote {options.out / 'mnist.png'}")
    except ImportError:
        print("no picture of the errors: pip install matplotlib")
    print(f"recompute the accuracy: python examples/mnist.py --evaluate {options.out / 'mnist.npz'}")
    return history["test"][-1]


if __name__ == "__main__":
    main()
