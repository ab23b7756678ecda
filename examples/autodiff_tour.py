"""Swish and its first three derivatives, plotted: ``grad`` composes with itself and with ``vmap``.

python examples/autodiff_tour.py --out out
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import cotan.numpy as cnp
from cotan import grad, jit, vmap


def swish(x):
    """x sigmoid(x)."""
    return x / (1 + cnp.exp(-x))


def derivatives(x, count=3):
    """Swish and its first ``count`` derivatives at every element of ``x``: a list of arrays."""
    curves, function = [], swish
    for _ in range(count + 1):
        curves.append(jit(vmap(function))(x))
        function = grad(function)
    return curves


def main(arguments: list[str] | None = None) -> Path:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--points", type=int, default=400)
    options = parser.parse_args(arguments)

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    x = cnp.linspace(-7.0, 7.0, options.points)
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for order, curve in enumerate(derivatives(x)):
        label = "swish" if order == 0 else f"derivative {order}"
        axes.plot(np.asarray(x), np.asarray(curve), label=label)
    axes.grid(alpha=0.3)
    axes.legend()
    axes.set(xlabel="x", title="swish(x) = x / (1 + exp(-x))")
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "autodiff_tour.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"wrote {path}")
    return path


if __name__ == "__main__":
    main()
