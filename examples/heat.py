"""The heat equation on a plate with two hot corners, by explicit steps: one jitted stencil, run many times.

python examples/heat.py --size 256 --steps 2000
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import cotan
import cotan.numpy as cnp

# The explicit scheme is stable up to a quarter of (grid spacing)^2 / (time step).
DIFFUSION = 0.24


def initial(size: int):
    """A cold plate (size, size) with a hot half of the left and of the lower edge."""
    plate = cnp.zeros((size, size))
    return plate.at[: size // 2, 0].set(1.0).at[-1, size // 2 :].set(1.0)


@cotan.jit
def step(plate):
    """One time step; the edges keep their temperature."""
    inner = plate[1:-1, 1:-1]
    neighbours = plate[:-2, 1:-1] + plate[2:, 1:-1] + plate[1:-1, :-2] + plate[1:-1, 2:]
    return plate.at[1:-1, 1:-1].set(inner + DIFFUSION * (neighbours - 4 * inner))


def simulate(size: int, steps: int):
    """The plate after ``steps`` time steps."""
    plate = initial(size)
    for _ in range(steps):
        plate = step(plate)
    return plate.block_until_ready()


def main(arguments: list[str] | None = None) -> Path:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args(arguments)

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    start = time.perf_counter()
    plate = np.asarray(simulate(options.size, options.steps))
    seconds = time.perf_counter() - start
    print(f"{options.steps} steps of {options.size} x {options.size}: {seconds:.2f} s, mean {plate.mean():.4f}")
    figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
    figure.colorbar(axes.imshow(plate, cmap="inferno"), label="temperature")
    axes.set(title=f"after {options.steps} steps")
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "heat.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"wrote {path}")
    return path


if __name__ == "__main__":
    main()
