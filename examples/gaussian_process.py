"""Gaussian process regression: kernels by ``vmap`` of ``vmap``, hyperparameters by the gradient of the marginal
likelihood through a Cholesky factorisation, the slope of what was found by ``grad``.

python examples/gaussian_process.py

(C. E. Rasmussen and C. K. I. Williams, "Gaussian processes for machine learning", 2006, algorithm 2.1.)
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import grad, jit, lax, random, value_and_grad, vmap
from cotan.example_libraries import optimizers
from cotan.scipy.linalg import cho_factor, cho_solve, solve_triangular

NOISE = 0.2
START = {"height": 0.0, "length": 0.0, "noise": 0.0}  # logarithms


def target(x):
    """The function behind the data."""
    return cnp.sin(2 * x) + 0.5 * x


def make_data(key, count: int):
    """Noisy values of the target at random places in -4..4, with a gap that holds none: (x, y)."""
    for_places, for_noise = random.split(key)
    x = random.uniform(for_places, (count,), minval=-4.0, maxval=3.0)
    x = cnp.sort(cnp.where(x > 1, x + 1, x))
    return x, target(x) + NOISE * random.normal(for_noise, (count,))


def covariance(logs, a, b):
    """Of the function's values at two places."""
    return cnp.exp(2 * logs["height"] - 0.5 * ((a - b) / cnp.exp(logs["length"])) ** 2)


def covariances(logs, a, b):
    """Of all pairs of places: (m,), (n,) -> (m, n)."""
    return vmap(vmap(covariance, (None, None, 0)), (None, 0, None))(logs, a, b)


def factor(logs, x):
    """The Cholesky factor of the covariance matrix of the data."""
    return cho_factor(covariances(logs, x, x) + cnp.exp(2 * logs["noise"]) * cnp.eye(len(x)), lower=True)


def loss(logs, x, y):
    """Minus the logarithm of the marginal likelihood, per point."""
    cholesky = factor(logs, x)
    log_determinant = 2 * cnp.sum(cnp.log(cnp.diag(cholesky[0])))
    return 0.5 * (y @ cho_solve(cholesky, y) + log_determinant + len(x) * cnp.log(2 * np.pi)) / len(x)


def fit(x, y, steps: int, rate: float = 0.05):
    """Hyperparameters by Adam, all steps in one program: (logs, the losses (steps,))."""
    init, update, params = optimizers.adam(rate)

    def step(state, n):
        value, slope = value_and_grad(loss)(params(state), x, y)
        return update(n, slope, state), value

    state, losses = lax.scan(step, init(START), cnp.arange(steps))
    return params(state), losses


def posterior(logs, x, y, place):
    """Mean and standard deviation of the function at one place, given the data."""
    cholesky = factor(logs, x)
    across = covariances(logs, x, place[None])[:, 0]
    mean = across @ cho_solve(cholesky, y)
    explained = solve_triangular(cholesky[0], across, lower=True)
    return mean, cnp.sqrt(covariance(logs, place, place) - explained @ explained)


def posteriors(logs, x, y, places):
    """Means, standard deviations and slopes of the mean at many places. Nothing of a place is in the factorisation,
    so ``vmap`` leaves that as it is, done once."""

    def at(place):
        mean, deviation = posterior(logs, x, y, place)
        return mean, deviation, grad(lambda p: posterior(logs, x, y, p)[0])(place)

    return vmap(at)(places)


def plot(path: Path, x, y, places, found, title: str) -> None:
    """The data, the function's mean with two standard deviations, and its slope."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    mean, deviation, slope = map(np.asarray, found)
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(8, 6.5), sharex=True, layout="constrained")
    upper.plot(x, y, ".", color="grey", label="data")
    upper.plot(places, target(places), "k--", linewidth=1, label="true")
    upper.plot(places, mean, label="mean")
    upper.fill_between(places, mean - 2 * deviation, mean + 2 * deviation, alpha=0.3, label="± 2 deviations")
    lower.plot(places, vmap(grad(target))(places), "k--", linewidth=1, label="true")
    lower.plot(places, slope, label="slope of the mean")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.legend()
    upper.set(title=title)
    lower.set(xlabel="x")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Returns the hyperparameters, and the mean's error in units of what the posterior expects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=80)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args(arguments)

    with cotan.enable_x64():
        x, y = make_data(random.key(options.seed), options.count)
        logs, losses = jit(fit, static_argnums=2)(x, y, options.steps)
        places = cnp.linspace(-5.0, 5.0, 201)
        found = mean, deviation, _ = jit(posteriors)(logs, x, y, places)
        within = np.abs(places) <= 4
        error = float(np.sqrt(np.mean(((mean - target(places)) / deviation)[within] ** 2)))
        result = {name: float(np.exp(log)) for name, log in logs.items()}
        print(f"log-likelihood per point: {-losses[0]:.3f} at first, {-losses[-1]:.3f} in the end")
        print(", ".join(f"{name} {value:.3f}" for name, value in result.items()) + f" (true noise {NOISE})")
        print(
            f"the mean is off by {error:.2f} of the standard deviations that the posterior expects (1 if it is right)"
        )
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / "gaussian_process.png"
        title = ", ".join(f"{name} {value:.2f}" for name, value in result.items())
        plot(path, np.asarray(x), np.asarray(y), np.asarray(places), found, title)
    print(f"wrote {path}")
    return result | {"error": error}


if __name__ == "__main__":
    main()
