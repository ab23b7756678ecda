"""A Kalman filter and smoother as two scans, many series at once by ``vmap``, and the sizes of the noise by Newton's
method: the derivatives of the likelihood go through the filter.

python examples/kalman.py

Objects move along a line with velocities that drift; only noisy places are seen. (R. E. Kalman, 1960; H. E. Rauch,
F. Tung and C. T. Striebel, 1965.)
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import cotan
import cotan.numpy as cnp
from cotan import grad, hessian, jit, lax, random, vmap

# One step of time: the place moves by the velocity, and a random push changes both.
MOVE = np.array([[1.0, 1.0], [0.0, 1.0]])
PUSH = np.array([0.5, 1.0])
SEEN = np.array([1.0, 0.0])
START = np.zeros(2), np.diag([100.0, 1.0])
NAMES, TRUTH = ("push", "sight"), (0.1, 2.0)  # the sizes of the noise


def simulate(key, steps: int):
    """One object: its states (steps, 2), place and velocity, and what is seen of them (steps,)."""
    for_start, for_pushes, for_sight = random.split(key, 3)
    push, sight = TRUTH

    def step(state, noise):
        return MOVE @ state + push * noise * PUSH, state

    start = random.multivariate_normal(for_start, *START)
    _, states = lax.scan(step, start, random.normal(for_pushes, (steps,)))
    return states, states @ SEEN + sight * random.normal(for_sight, (steps,))


def kalman_filter(logs, seen):
    """What is known of each state from what was seen up to then: (means (n, 2), covariances (n, 2, 2), the
    log-likelihood of all that was seen). ``logs`` (2,) are the logarithms of the sizes of the noise."""
    push, sight = cnp.exp(logs)
    pushes = push**2 * np.outer(PUSH, PUSH)

    def step(belief, y):
        mean, covariance = belief
        variance = SEEN @ covariance @ SEEN + sight**2
        surprise = y - SEEN @ mean
        gain = covariance @ SEEN / variance
        mean = mean + gain * surprise
        covariance = covariance - variance * cnp.outer(gain, gain)
        log_density = -0.5 * (surprise**2 / variance + cnp.log(2 * np.pi * variance))
        return (MOVE @ mean, MOVE @ covariance @ MOVE.T + pushes), (mean, covariance, log_density)

    _, (means, covariances, log_densities) = lax.scan(step, START, seen)
    return means, covariances, cnp.sum(log_densities)


def smoother(logs, seen):
    """What is known of each state from all that was seen: (means (n, 2), covariances (n, 2, 2))."""
    means, covariances, _ = kalman_filter(logs, seen)
    pushes = cnp.exp(2 * logs[0]) * np.outer(PUSH, PUSH)

    def step(later, filtered):
        mean, covariance = filtered
        predicted = MOVE @ covariance @ MOVE.T + pushes
        gain = cnp.linalg.solve(predicted, MOVE @ covariance).T
        mean, covariance = (
            mean + gain @ (later[0] - MOVE @ mean),
            covariance + gain @ (later[1] - predicted) @ gain.T,
        )
        return (mean, covariance), (mean, covariance)

    last = means[-1], covariances[-1]
    _, earlier = lax.scan(step, last, (means[:-1], covariances[:-1]), reverse=True)
    return tuple(cnp.concatenate([e, l[None]]) for e, l in zip(earlier, last, strict=True))


def loss(logs, series):
    """Minus the log-likelihood per number seen, of many series (count, steps)."""
    _, _, log_likelihoods = vmap(kalman_filter, in_axes=(None, 0))(logs, series)
    return -cnp.sum(log_likelihoods) / series.size


@jit
def newton_step(logs, series):
    """Where the loss is not convex its curvatures are taken by their sizes; no step is longer than one."""
    curvatures, directions = cnp.linalg.eigh(hessian(loss)(logs, series))
    move = directions @ (directions.T @ grad(loss)(logs, series) / cnp.abs(curvatures))
    return logs - move / cnp.maximum(1.0, cnp.linalg.norm(move))


def fit(series, steps: int = 8):
    """The logarithms of the noise's sizes that make the series most likely, by Newton's method from sizes of one."""
    logs = cnp.zeros(2)
    for _ in range(steps):
        logs = newton_step(logs, series)
    return logs


def rms(errors) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def plot(path: Path, states, seen, smoothed, title: str) -> None:
    """Place and velocity of one object, with two standard deviations around what the smoother knows."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    means, covariances = map(np.asarray, smoothed)
    figure, panels = plt.subplots(2, 1, figsize=(8, 6), sharex=True, layout="constrained")
    times = np.arange(len(seen))
    panels[0].plot(times, seen, ".", color="grey", markersize=4, label="seen")
    for which, (axes, name) in enumerate(zip(panels, ("place", "velocity"), strict=True)):
        width = 2 * np.sqrt(covariances[:, which, which])
        axes.plot(times, states[:, which], "k--", linewidth=1, label="true")
        axes.plot(times, means[:, which], label="smoothed")
        axes.fill_between(times, means[:, which] - width, means[:, which] + width, alpha=0.3)
        axes.set(ylabel=name)
        axes.legend()
    panels[0].set(title=title)
    panels[1].set(xlabel="step")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Returns the errors of places, and the sizes of the noise that were found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=16)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args(arguments)

    keys = random.split(random.key(options.seed), options.series)
    with cotan.enable_x64():
        states, seen = jit(vmap(lambda key: simulate(key, options.steps)))(keys)
        logs = fit(seen)
        filtered, _, _ = jit(vmap(kalman_filter, in_axes=(None, 0)))(logs, seen)
        smoothed, covariances = jit(vmap(smoother, in_axes=(None, 0)))(logs, seen)
    found = dict(zip(NAMES, np.exp(logs).tolist(), strict=True))
    for (name, size), true in zip(found.items(), TRUTH, strict=True):
        print(f"size of {name:>5}: {size:.4f}, true {true:.4f}")
    places = states[..., 0]
    errors = {"seen": rms(seen - places), "filtered": rms(filtered[..., 0] - places)}
    errors["smoothed"] = rms(smoothed[..., 0] - places)
    print("error of the place: " + ", ".join(f"{name} {error:.3f}" for name, error in errors.items()))
    inside = np.abs(smoothed[..., 0] - places) < 2 * np.sqrt(covariances[..., 0, 0])
    print(f"within two standard deviations: {np.mean(inside):.1%} (95.4% expected)")
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "kalman.png"
    title = f"one of {options.series} objects; push {found['push']:.3f}, sight {found['sight']:.3f} found"
    plot(path, np.asarray(states[0]), np.asarray(seen[0]), (smoothed[0], covariances[0]), title)
    print(f"wrote {path}")
    return errors | found


if __name__ == "__main__":
    main()
