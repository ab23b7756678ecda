"""Fit an ordinary differential equation to noisy data: the rates of predators and prey (A. Lotka, 1925; V. Volterra,
1926) by Levenberg's and Marquardt's method, with derivatives by the adjoint equation that ``odeint`` solves.

python examples/ode_fit.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import jacrev, jit, random
from cotan.experimental.ode import odeint
from cotan.flatten_util import ravel_pytree

NOISE = 0.15  # relative


class Model(NamedTuple):
    """Rates per year, and how many there are at first. What is fitted are their logarithms."""

    births: float  # of prey
    hunts: float  # of prey, per predator
    feeds: float  # births of predators, per prey
    deaths: float  # of predators
    prey: float
    predators: float


TRUTH = Model(0.55, 0.028, 0.024, 0.80, 34.0, 6.0)
GUESS = Model(1.0, 0.05, 0.05, 1.0, 20.0, 10.0)


def slopes(numbers, time, model):
    """Of prey and predators (2,), per year."""
    prey, predators = numbers
    return cnp.stack([
        model.births * prey - model.hunts * prey * predators,
        model.feeds * prey * predators - model.deaths * predators,
    ])  # fmt: skip


def solve(model, times):
    """Numbers of prey and predators (n, 2) at increasing times (n,), the first of which is the start."""
    start = cnp.stack([model.prey, model.predators])
    return odeint(slopes, start, times, model, rtol=1e-7, atol=1e-7)


def conserved(model, numbers):
    """A quantity that does not change along the exact solution: numbers (..., 2) -> (...)."""
    prey, predators = numbers[..., 0], numbers[..., 1]
    return (
        model.feeds * prey
        - model.deaths * cnp.log(prey)
        + model.hunts * predators
        - model.births * cnp.log(predators)
    )  # fmt: skip


def make_data(key, times):
    """What was counted: the true numbers (n, 2) with relative errors."""
    return solve(TRUTH, times) * cnp.exp(NOISE * random.normal(key, (len(times), 2)))


_, unravel = ravel_pytree(Model(*map(np.asarray, GUESS)))


def misses(logs, times, counts, weights):
    """Of a vector of logarithms (6,): differences from the counts in units of the noise (2 n,), those of each time with
    a weight (n,)."""
    numbers = solve(unravel(cnp.exp(logs)), times)
    return (weights[:, None] * (cnp.log(numbers) - cnp.log(counts)) / NOISE).ravel()


@jit
def linearised(logs, *data):
    """The misses (2 n,) and their Jacobian (2 n, 6): an adjoint solution for every miss, all at once."""
    return misses(logs, *data), jacrev(misses)(logs, *data)


def levenberg_marquardt(logs, data, steps: int):
    """(logs (6,), their covariance (6, 6), half the sum of squared misses)."""
    damping = 1.0
    miss, jacobian = linearised(logs, *data)
    for _ in range(steps):
        curvature = jacobian.T @ jacobian
        damped = curvature + damping * cnp.diag(cnp.diag(curvature))
        trial = logs - cnp.linalg.solve(damped, jacobian.T @ miss)
        found = linearised(trial, *data)
        # A step that helps is kept and the next one dares more; what is not a number does not help.
        if better := bool(found[0] @ found[0] < miss @ miss):
            logs, (miss, jacobian) = trial, found
        damping = damping / 5 if better else damping * 5
    return logs, cnp.linalg.inv(jacobian.T @ jacobian), float(miss @ miss) / 2


def fit(times, counts, steps: int = 10):
    """The fit to all times, by way of the first third and of two thirds: a guess whose cycles are too short by a
    third would otherwise be led to flat curves, which miss less than waves out of step."""
    logs = cnp.log(cnp.array(GUESS))
    for share in (1 / 3, 2 / 3, 1):
        weights = 1.0 * (times <= share * times[-1])
        logs, covariance, loss = levenberg_marquardt(logs, (times, counts, weights), steps)
        print(f"{int(weights.sum())} times: half the squared misses {loss:.2f}")
    return logs, covariance, loss


def plot(path: Path, times, counts, years, fitted, title: str) -> None:
    """The counts, the true and the fitted numbers: over the years, and predators against prey."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    true, fitted = np.asarray(solve(TRUTH, years)), np.asarray(fitted)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), width_ratios=(1.6, 1), layout="constrained")
    for which, (name, colour) in enumerate((("prey", "C0"), ("predators", "C3"))):
        left.plot(times, counts[:, which], "o", color=colour, markersize=4, label=f"{name}, counted")
        left.plot(years, true[:, which], "k--", linewidth=0.8)
        left.plot(years, fitted[:, which], color=colour, label=f"{name}, fitted")
    left.set(xlabel="year", title=title)
    left.legend()
    right.plot(counts[:, 0], counts[:, 1], "o", color="grey", markersize=4, label="counted")
    right.plot(true[:, 0], true[:, 1], "k--", linewidth=0.8, label="true")
    right.plot(fitted[:, 0], fitted[:, 1], color="C2", label="fitted")
    right.set(xlabel="prey", ylabel="predators")
    right.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Returns the largest error of a fitted number, relative and in standard errors, and the misses' mean square."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=30)
    parser.add_argument("--steps", type=int, default=10, help="of each of the three fits")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args(arguments)

    with cotan.enable_x64():
        times = cnp.arange(options.years + 1.0)
        counts = make_data(random.key(options.seed), times)
        logs, covariance, loss = fit(times, counts, options.steps)
        errors = np.sqrt(np.diag(covariance))
        fitted = Model(*np.exp(logs).tolist())
        for name, found, error, true in zip(Model._fields, fitted, errors, TRUTH, strict=True):
            print(f"{name:>9}: {found:8.4f} ± {found * error:.4f}, true {true:.4f}")
        years = cnp.linspace(0.0, options.years, 40 * options.years + 1)
        numbers = solve(fitted, years)
        invariant = conserved(fitted, numbers)
        drift = np.ptp(invariant) / abs(np.mean(invariant))
        print(f"what the exact solution conserves changes by {drift:.0e}, relatively")
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / "ode_fit.png"
        plot(path, times, counts, years, numbers, f"{len(times)} counts, {NOISE:.0%} noise")
    print(f"wrote {path}")
    off = np.asarray(logs) - np.log(TRUTH)
    return {
        "relative": float(np.max(np.abs(off))),
        "deviations": float(np.max(np.abs(off) / errors)),
        "chi2": 2 * loss / (counts.size - len(TRUTH)),
    }


if __name__ == "__main__":
    main()
