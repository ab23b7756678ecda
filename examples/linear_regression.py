"""Linear regression with the gradient of every example: ``vmap`` of ``grad``, clipped one by one against outliers.

python examples/linear_regression.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import cotan.numpy as cnp
from cotan import grad, jit, random, vmap

LIMIT = 1.0
RATE = 0.05


def make_data(key, count: int):
    """Points on the line y = 2 x - 1 with noise, a tenth of them far off: (x, y, which are far off)."""
    places, noise, choice = random.split(key, 3)
    x = random.uniform(places, (count,), minval=-2.0, maxval=2.0)
    outliers = random.bernoulli(choice, 0.1, (count,))
    y = 2 * x - 1 + 0.1 * random.normal(noise, (count,)) + cnp.where(outliers, 15.0, 0.0)
    return x, y, outliers


def loss(params, x, y):
    """Half the squared error of one example."""
    slope, intercept = params
    return 0.5 * (slope * x + intercept - y) ** 2


example_gradients = vmap(grad(loss), in_axes=(None, 0, 0))


def mean_gradient(params, x, y):
    return [cnp.mean(g) for g in example_gradients(params, x, y)]


def clipped_gradient(params, x, y):
    """The mean of the examples' gradients, each shortened to LIMIT at the most."""
    slope, intercept = example_gradients(params, x, y)
    scale = cnp.minimum(1.0, LIMIT / cnp.sqrt(slope**2 + intercept**2 + 1e-12))
    return [cnp.mean(slope * scale), cnp.mean(intercept * scale)]


def fit(gradient, x, y, steps: int) -> tuple[float, float]:
    """(slope, intercept) after gradient descent."""
    update = jit(lambda params, x, y: [p - RATE * g for p, g in zip(params, gradient(params, x, y), strict=True)])
    params = [cnp.zeros(()), cnp.zeros(())]
    for _ in range(steps):
        params = update(params, x, y)
    return float(params[0]), float(params[1])


def main(arguments: list[str] | None = None) -> dict[str, tuple[float, float]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args(arguments)

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    x, y, _ = make_data(random.key(options.seed), options.count)
    fits = {name: fit(g, x, y, options.steps) for name, g in (("mean", mean_gradient), ("clipped", clipped_gradient))}
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    axes.scatter(np.asarray(x), np.asarray(y), s=8, color="grey")
    ends = np.array([-2.0, 2.0])
    for name, (slope, intercept) in fits.items():
        print(f"{name:>8} gradients: y = {slope:.3f} x {intercept:+.3f}")
        axes.plot(ends, slope * ends + intercept, label=f"{name}: {slope:.2f} x {intercept:+.2f}")
    axes.legend()
    axes.set(title="truth: y = 2 x - 1, a tenth of the points far off")
    options.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out / "linear_regression.png", dpi=110)
    plt.close(figure)
    return fits


if __name__ == "__main__":
    main()
