"""Every particle with every other: forces, distances, and steps of motion."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import Inputs, Program, Workload, floats, torch_gradient, uniform

BODIES, FEW, STEPS = 1024, 256, 50
POINTS = 2000
SOFTENING = 0.01
NO_GRADIENT = "no automatic differentiation"


def _bodies(count: int) -> Any:
    def inputs(rng: np.random.Generator) -> Inputs:
        return floats(rng, count, 3), uniform(rng, 0.5, 1.5, count)

    return inputs


def _forces(positions: Any, masses: Any) -> Any:
    apart = positions[None, :, :] - positions[:, None, :]
    squared = (apart * apart).sum(-1) + SOFTENING
    weights = masses[None, :] * squared**-1.5
    return (apart * weights[:, :, None]).sum(1)


def _leapfrog(positions: Any, velocities: Any, masses: Any) -> Any:
    velocities = velocities + 1e-4 * _forces(positions, masses)
    return positions + 1e-4 * velocities, velocities


def _moving(rng: np.random.Generator) -> Inputs:
    return floats(rng, FEW, 3), floats(rng, FEW, 3), uniform(rng, 0.5, 1.5, FEW)


def _motion(library: Any) -> Program:
    def run(positions: Any, velocities: Any, masses: Any) -> Any:
        return library.lax.fori_loop(
            0, STEPS, lambda k, state: _leapfrog(state[0], state[1], masses), (positions, velocities)
        )

    return library.jit(run)


def _motion_steps(step: Program) -> Program:
    def run(positions: Any, velocities: Any, masses: Any) -> Any:
        for _ in range(STEPS):
            positions, velocities = step(positions, velocities, masses)
        return positions, velocities

    return run


def _distances(sqrt: Program) -> Program:
    def between(x: Any, y: Any) -> Any:
        apart = x[:, None, :] - y[None, :, :]
        return sqrt((apart * apart).sum(-1))

    return between


def _distances_numpy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import cdist

    return cdist(x, y).astype(np.float32)


def _energy(log: Program) -> Program:
    """A potential whose gradient is the forces."""

    def energy(positions: Any) -> Any:
        apart = positions[None, :, :] - positions[:, None, :]
        return log((apart * apart).sum(-1) + SOFTENING).sum()

    return energy


WORKLOADS = [
    Workload(
        "particles/forces",
        _bodies(BODIES),
        lambda library: library.jit(_forces),
        lambda torch, compiled: compiled(_forces),
        _forces,
        flops=20.0 * BODIES**2,
        tolerance=1e-3,
    ),
    Workload(
        "particles/leapfrog",
        _moving,
        _motion,
        lambda torch, compiled: _motion_steps(compiled(_leapfrog)),
        _motion_steps(_leapfrog),
        flops=20.0 * STEPS * FEW**2,
        tolerance=1e-3,
    ),
    Workload(
        "particles/distances",
        lambda rng: (floats(rng, POINTS, 3), floats(rng, POINTS, 3)),
        lambda library: library.jit(_distances(library.numpy.sqrt)),
        lambda torch, compiled: compiled(_distances(torch.sqrt)),
        _distances_numpy,
        flops=9.0 * POINTS**2,
    ),
    Workload(
        "particles/gradient of energy",
        lambda rng: (floats(rng, BODIES, 3),),
        lambda library: library.jit(library.grad(_energy(library.numpy.log))),
        lambda torch, compiled: torch_gradient(torch, compiled(_energy(torch.log))),
        NO_GRADIENT,
        flops=25.0 * BODIES**2,
        tolerance=1e-3,
    ),
]
