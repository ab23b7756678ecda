"""Complex numbers beyond Fourier transforms: arithmetic, phases, roots, intensities, an iterated map, qubits."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import BANDWIDTH, Compile, Inputs, Program, Workload, floats

SIZE, SIDE = 1_000_000, 1000
POINTS, STEPS = 200_000, 50
QUBITS = 16


def _values(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    return (floats(rng, *shape, scale=scale) + 1j * floats(rng, *shape, scale=scale)).astype(np.complex64)


def _mixed(conj: Program) -> Program:
    return lambda z, w: z * w + 0.5 * conj(z)


def _turned(exp: Program) -> Program:
    return lambda z, x: z * exp(1j * x)


def _potential(sqrt: Program, log: Program) -> Program:
    """Of the flow around a plate: a conformal map and the logarithm of it."""

    def run(z: Any) -> Any:
        circle = z + sqrt(z - 1) * sqrt(z + 1)
        return circle + 1 / circle + 0.3j * log(circle)

    return run


def _intensities(conj: Program) -> Program:
    return lambda z: (z * conj(z)).real.sum(1)


def _julia(library: Any) -> Program:
    return library.jit(lambda z, c: library.lax.fori_loop(0, STEPS, lambda k, z: z * z + c, z))


def _julia_by_steps(z: Any, c: Any) -> Any:
    for _ in range(STEPS):
        z = z * z + c
    return z


def _julia_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(_julia_by_steps)


def _points(rng: np.random.Generator) -> Inputs:
    """Points that stay near 0."""
    return _values(rng, POINTS, scale=0.05), _values(rng, POINTS, scale=0.02)


def _gates(cos: Program, sin: Program, stack: Program) -> Program:
    """A rotation about x of every qubit, one after the other."""

    def run(state: Any, angles: Any) -> Any:
        for qubit in range(QUBITS):
            pairs = state.reshape(-1, 2, 1 << qubit)
            zero, one = pairs[:, 0], pairs[:, 1]
            c, s = cos(angles[qubit]), -1j * sin(angles[qubit])
            state = stack([c * zero + s * one, s * zero + c * one], 1).reshape(-1)
        return state

    return run


def _qubits(rng: np.random.Generator) -> Inputs:
    state = _values(rng, 1 << QUBITS)
    return state / np.linalg.norm(state), floats(rng, QUBITS)


WORKLOADS = [
    Workload(
        "complex/product and conjugate",
        lambda rng: (_values(rng, SIZE), _values(rng, SIZE)),
        lambda library: library.jit(_mixed(library.numpy.conj)),
        lambda torch, compiled: compiled(_mixed(torch.conj)),
        _mixed(np.conj),
        tags=(BANDWIDTH,),
    ),
    Workload(
        "complex/phases",
        lambda rng: (_values(rng, SIZE), floats(rng, SIZE)),
        lambda library: library.jit(_turned(library.numpy.exp)),
        lambda torch, compiled: compiled(_turned(torch.exp)),
        _turned(np.exp),
    ),
    Workload(
        "complex/flow around a plate",
        lambda rng: (_values(rng, SIZE, scale=2.0),),
        lambda library: library.jit(_potential(library.numpy.sqrt, library.numpy.log)),
        lambda torch, compiled: compiled(_potential(torch.sqrt, torch.log)),
        _potential(np.sqrt, np.log),
    ),
    Workload(
        "complex/intensities of rows",
        lambda rng: (_values(rng, SIDE, SIDE),),
        lambda library: library.jit(_intensities(library.numpy.conj)),
        lambda torch, compiled: compiled(_intensities(torch.conj)),
        _intensities(np.conj),
    ),
    Workload("complex/Julia set", _points, _julia, _julia_torch, _julia_by_steps, flops=8.0 * POINTS * STEPS),
    Workload(
        "complex/qubits",
        _qubits,
        lambda library: library.jit(_gates(library.numpy.cos, library.numpy.sin, library.numpy.stack)),
        lambda torch, compiled: compiled(_gates(torch.cos, torch.sin, torch.stack)),
        _gates(np.cos, np.sin, np.stack),
    ),
]
