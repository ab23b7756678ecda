"""A convolutional network on MNIST, of layers in ``stax``, by Adam: 99.2 % in a minute or two on two cores.

python examples/convnet.py
"""

from __future__ import annotations

import argparse
import functools
import time
from pathlib import Path
from typing import Any

import mnist_data
import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import grad, jit, random
from cotan.example_libraries import optimizers, stax

BATCH = 128
RATE = 2e-3

init_params, predict = stax.serial(
    stax.Conv(16, (5, 5), padding="SAME"),
    stax.Relu,
    stax.MaxPool((2, 2), strides=(2, 2)),
    stax.Conv(32, (5, 5), padding="SAME"),
    stax.Relu,
    stax.MaxPool((2, 2), strides=(2, 2)),
    stax.Flatten,
    stax.Dense(128),
    stax.Relu,
    stax.Dense(10),
    stax.LogSoftmax,
)


def loss(params: Any, images: Any, labels: Any) -> Any:
    """Mean cross-entropy of a batch: images (n, 28, 28, 1), labels (n,)."""
    return -cnp.mean(cnp.take_along_axis(predict(params, images), labels[:, None], axis=1))


def moved(key: Any, images: Any) -> Any:
    """The batch, all of it moved by up to two pixels in both directions: digits have no fixed place."""
    rows, columns = random.randint(key, (2,), -2, 3)
    return cnp.roll(images, (rows, columns), axis=(1, 2))


def optimiser(steps: int) -> optimizers.Optimizer:
    """Adam, whose rate falls to nothing along half a cosine."""
    return optimizers.adam(lambda step: RATE * (1 + cnp.cos(np.pi * step / steps)) / 2)


@functools.partial(jit, static_argnums=0, donate_argnums=2)
def update(adam: optimizers.Optimizer, step: Any, state: Any, key: Any, images: Any, labels: Any) -> Any:
    """The optimiser's state after one batch."""
    images = moved(random.fold_in(key, step), images)
    return adam.update_fn(step, grad(loss)(adam.params_fn(state), images, labels), state)


@jit
def predicted_class(params: Any, images: Any) -> Any:
    return cnp.argmax(predict(params, images), axis=1)


def classify(params: Any, images: np.ndarray, batch: int = 1000) -> np.ndarray:
    """The most probable class of many images, a batch at a time."""
    starts = range(0, len(images), batch)
    return np.concatenate([predicted_class(params, images[start : start + batch]) for start in starts])


def train(key: Any, data: tuple[np.ndarray, ...], epochs: int, seed: int) -> tuple[Any, list[float]]:
    """Train, with a progress bar and a line per epoch. Returns the parameters and the test accuracy of every epoch."""
    from tqdm import tqdm

    train_images, train_labels, test_images, test_labels = data
    for_params, for_moves = random.split(key)
    batches = len(train_images) // BATCH
    adam = optimiser(epochs * batches)
    state = adam.init_fn(init_params(for_params, (-1, 28, 28, 1))[1])
    rng, step, found = np.random.default_rng(seed), 0, []
    for epoch in range(1, epochs + 1):
        order = rng.permutation(len(train_images))[: batches * BATCH].reshape(batches, BATCH)
        start = time.perf_counter()
        for picked in tqdm(order, desc=f"epoch {epoch}", unit="batch", leave=False):
            state = update(adam, step, state, for_moves, train_images[picked], train_labels[picked])
            step += 1
        cotan.block_until_ready(state)
        seconds = time.perf_counter() - start
        found.append(float(np.mean(classify(adam.params_fn(state), test_images) == test_labels)))
        print(f"epoch {epoch}: test accuracy {found[-1]:.2%}, {seconds:.1f} s")
    return adam.params_fn(state), found


def plot(path: Path, params: Any, images: np.ndarray, labels: np.ndarray) -> None:
    """The filters of the first layer, and misclassified digits (label, then what was predicted)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    classes = classify(params, images)
    wrong = np.flatnonzero(classes != labels)[:40]
    filters = np.asarray(params[0][0])
    figure = plt.figure(figsize=(13, 5), layout="constrained")
    left, right = figure.subfigures(1, 2)
    left.suptitle("filters of the first layer")
    right.suptitle(f"misclassified: {np.sum(classes != labels)} of {len(labels)} (label → predicted)")
    for n, cell in enumerate(left.subplots(4, 4).ravel()):
        cell.imshow(filters[:, :, 0, n], cmap="coolwarm", vmin=-np.abs(filters).max(), vmax=np.abs(filters).max())
        cell.axis("off")
    cells = right.subplots(5, 8).ravel()
    for cell in cells:
        cell.axis("off")
    for cell, n in zip(cells, wrong, strict=False):
        cell.imshow(images[n, :, :, 0], cmap="gray_r")
        cell.set_title(f"{labels[n]} → {classes[n]}", fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> float:
    """Returns the test accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--limit", type=int, help="use only so many images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args(arguments)

    train_images, train_labels, test_images, test_labels = (part[: options.limit] for part in mnist_data.load())
    train_images, test_images = (images.reshape(-1, 28, 28, 1) for images in (train_images, test_images))
    data = (train_images, train_labels, test_images, test_labels)
    params, found = train(random.key(options.seed), data, options.epochs, options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    plot(options.out / "convnet.png", params, test_images, test_labels)
    print(f"wrote {options.out / 'convnet.png'}")
    return found[-1]


if __name__ == "__main__":
    main()
