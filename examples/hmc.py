"""Hamiltonian Monte Carlo: trajectories by ``scan`` of ``grad``, chains by ``vmap``, and how good the samples are.

python examples/hmc.py

The posterior is that of a linear regression with known noise, which is normal, so that the samples can be checked: the
columns are far from orthogonal, and a step in one direction of the weights must be followed by others. (S. Duane and
others, 1987; R. Neal, "MCMC using Hamiltonian dynamics", 2011; A. Gelman and others, "Bayesian data analysis", 11.4-5.)
"""

from __future__ import annotations

import argparse
import functools
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

import cotan.numpy as cnp
from cotan import grad, jit, lax, random, vmap

NAMES, TRUTH = ("intercept", "slope", "bend"), np.array([1.0, -0.5, 0.25])
NOISE, PRIOR = 0.5, 3.0  # standard deviations


class Samples(NamedTuple):
    """Of chains: weights (chains, samples, 3), whether they were accepted (chains, samples)."""

    weights: object
    accepted: object


def make_data(key, count: int):
    """A parabola with noise: the columns 1, x, x² (count, 3), and y (count,)."""
    for_places, for_noise = random.split(key)
    x = random.uniform(for_places, (count,), minval=0.0, maxval=2.0)
    columns = cnp.stack([cnp.ones(count), x, x**2], axis=1)
    return columns, columns @ TRUTH + NOISE * random.normal(for_noise, (count,))


def log_posterior(weights, columns, y):
    """Up to a constant, which nobody needs."""
    misses = (y - columns @ weights) / NOISE
    return -0.5 * (misses @ misses + weights @ weights / PRIOR**2)


def exact_posterior(columns, y):
    """Mean (3,) and covariance (3, 3), in NumPy: what the samples are compared with."""
    columns, y = np.asarray(columns, np.float64), np.asarray(y, np.float64)
    covariance = np.linalg.inv(columns.T @ columns / NOISE**2 + np.eye(3) / PRIOR**2)
    return covariance @ columns.T @ y / NOISE**2, covariance


def leapfrog(log_density, place, momentum, size, steps: int):
    """Follow the motion of a particle whose potential is minus the log-density, by steps that keep volumes."""
    force = grad(log_density)

    def step(state, _):
        place, momentum = state
        momentum = momentum + size / 2 * force(place)
        place = place + size * momentum
        return (place, momentum + size / 2 * force(place)), None

    return lax.scan(step, (place, momentum), length=steps)[0]


def hmc_step(log_density, place, key, size, steps: int):
    """A push in a random direction, a trajectory, and Metropolis' choice: (place, whether the chain has moved)."""
    for_push, for_size, for_choice = random.split(key, 3)
    push = random.normal(for_push, place.shape)
    # Steps of random length, so that no trajectory returns to where it began chain after chain.
    size = size * random.uniform(for_size, minval=0.7, maxval=1.0)
    end, momentum = leapfrog(log_density, place, push, size, steps)
    gain = log_density(end) - log_density(place) + (push @ push - momentum @ momentum) / 2
    accepted = cnp.log(random.uniform(for_choice)) < gain
    return cnp.where(accepted, end, place), accepted


def sample_chain(log_density, key, start, count: int, size, steps: int):
    """(count, n) places of one chain, and whether each was accepted."""

    def step(place, key):
        place, accepted = hmc_step(log_density, place, key, size, steps)
        return place, (place, accepted)

    return Samples(*lax.scan(step, start, random.split(key, count))[1])


@functools.partial(jit, static_argnames=("chains", "count", "warm_up", "steps"))
def sample(key, columns, y, chains: int, count: int, warm_up: int, size=0.025, steps: int = 32):
    """Chains that start far apart, without their first ``warm_up`` samples."""
    for_starts, for_chains = random.split(key)
    starts = 3 * random.normal(for_starts, (chains, 3))

    def one(key, start):
        return sample_chain(lambda w: log_posterior(w, columns, y), key, start, warm_up + count, size, steps)

    samples = vmap(one)(random.split(for_chains, chains), starts)
    return Samples(samples.weights[:, warm_up:], samples.accepted[:, warm_up:])


def autocovariance(series):
    """Of (n,) at every lag, by the Fourier transform."""
    n = len(series)
    spectrum = cnp.fft.rfft(series - series.mean(), 2 * n)
    return cnp.fft.irfft(cnp.abs(spectrum) ** 2, 2 * n)[:n] / n


@jit
def diagnose(series):
    """Chains (chains, n) of one quantity: (effective sample size, R-hat, which is 1 where all chains agree)."""
    chains, n = series.shape
    within = series.var(axis=1, ddof=1).mean()
    total = within * (n - 1) / n + series.mean(axis=1).var(ddof=1)
    correlation = 1 - (within - vmap(autocovariance)(series).mean(axis=0)) / total
    # Sums of neighbours are positive and fall; where they are not, there is noise alone (C. Geyer, 1992).
    pairs = lax.cummin(correlation[: n - n % 2].reshape(-1, 2).sum(axis=1))
    kept = cnp.cumprod(pairs > 0)
    return chains * n / (2 * cnp.sum(pairs * kept) - 1), cnp.sqrt(total / within)


def plot(path: Path, weights, mean, covariance) -> None:
    """The beginning of every chain, and histograms with the exact density."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
    for n, name in enumerate(NAMES):
        panels[0, n].plot(weights[:, :100, n].T, linewidth=0.7)
        panels[0, n].set(title=name, xlabel="sample")
        deviation = np.sqrt(covariance[n, n])
        x = mean[n] + deviation * np.linspace(-4, 4, 200)
        panels[1, n].hist(weights[..., n].ravel(), bins=60, density=True, color="lightgrey", label="samples")
        density = np.exp(-0.5 * ((x - mean[n]) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
        panels[1, n].plot(x, density, label="exact")
        panels[1, n].axvline(TRUTH[n], color="black", linestyle="--", linewidth=1, label="true")
    panels[1, 0].legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Returns the worst mean (in standard errors), deviation (relatively), effective sample size and R-hat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=8)
    parser.add_argument("--samples", type=int, default=2000, help="of each chain")
    parser.add_argument("--warm-up", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args(arguments)

    for_data, for_chains = random.split(random.key(options.seed))
    columns, y = make_data(for_data, 100)
    start = time.perf_counter()
    samples = sample(for_chains, columns, y, options.chains, options.samples, options.warm_up)
    weights = np.asarray(samples.weights)
    print(
        f"{options.chains} chains of {options.samples} samples in {time.perf_counter() - start:.2f} s, compiled and run"
    )
    print(f"accepted: {np.mean(samples.accepted):.1%}")
    mean, covariance = exact_posterior(columns, y)
    deviations = np.sqrt(np.diag(covariance))
    sizes, r_hats = map(np.asarray, vmap(diagnose, in_axes=2)(weights))
    means, widths = weights.mean(axis=(0, 1)), weights.std(axis=(0, 1))
    for n, name in enumerate(NAMES):
        print(
            f"{name:>9}: {means[n]:+.3f} ± {widths[n]:.3f}, exactly {mean[n]:+.3f} ± {deviations[n]:.3f}; "
            f"effective samples {sizes[n]:.0f}, R-hat {r_hats[n]:.4f}"
        )
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "hmc.png"
    plot(path, weights, mean, covariance)
    print(f"wrote {path}")
    return {
        "mean": float(np.max(np.abs(means - mean) / deviations * np.sqrt(sizes))),
        "deviation": float(np.max(np.abs(widths / deviations - 1))),
        "size": float(sizes.min()),
        "r_hat": float(r_hats.max()),
    }


if __name__ == "__main__":
    main()
