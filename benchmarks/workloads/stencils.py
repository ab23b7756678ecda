"""Stencils: each new element is made of its neighbours, once or over many steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import BANDWIDTH, Compile, Inputs, Program, Workload, floats

SIDE, STEPS = 256, 500
STRING, WAVE_STEPS = 100_000, 100
LARGE = 2048
VOLUME = 96


def _plate(rng: np.random.Generator) -> Inputs:
    return (floats(rng, SIDE, SIDE),)


def _laplacian(u: Any) -> Any:
    return u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]


def _heat(library: Any) -> Program:
    def step(k: Any, u: Any) -> Any:
        return u.at[1:-1, 1:-1].add(0.1 * _laplacian(u))

    return library.jit(lambda u: library.lax.fori_loop(0, STEPS, step, u))


def _heat_torch(torch: Any, compiled: Compile) -> Program:
    @compiled
    def step(u: Any) -> Any:
        return torch.nn.functional.pad(0.1 * _laplacian(u), (1, 1, 1, 1)) + u

    def run(u: Any) -> Any:
        for _ in range(STEPS):
            u = step(u)
        return u

    return run


def _heat_numpy(u: np.ndarray) -> np.ndarray:
    u = u.copy()
    for _ in range(STEPS):
        u[1:-1, 1:-1] += np.float32(0.1) * _laplacian(u)
    return u


def _string(rng: np.random.Generator) -> Inputs:
    return floats(rng, STRING), floats(rng, STRING, scale=0.01)


def _wave_step(roll: Program) -> Program:
    def step(u: Any, v: Any) -> Any:
        v = v + 0.1 * (roll(u, 1, 0) + roll(u, -1, 0) - 2 * u)
        return u + 0.1 * v, v

    return step


def _wave(library: Any) -> Program:
    step = _wave_step(library.numpy.roll)
    return library.jit(lambda u, v: library.lax.fori_loop(0, WAVE_STEPS, lambda k, uv: step(*uv), (u, v)))


def _wave_steps(step: Program) -> Program:
    def run(u: Any, v: Any) -> Any:
        for _ in range(WAVE_STEPS):
            u, v = step(u, v)
        return u, v

    return run


def _seven_points(u: Any) -> Any:
    inner = slice(1, -1)
    total = u[:-2, inner, inner] + u[2:, inner, inner] + u[inner, :-2, inner] + u[inner, 2:, inner]
    return total + u[inner, inner, :-2] + u[inner, inner, 2:] - 6 * u[inner, inner, inner]


def _sobel(sqrt: Program) -> Program:
    """The size of a picture's slope."""

    def slope(u: Any) -> Any:
        down = u[2:, :-2] + 2 * u[2:, 1:-1] + u[2:, 2:] - u[:-2, :-2] - 2 * u[:-2, 1:-1] - u[:-2, 2:]
        right = u[:-2, 2:] + 2 * u[1:-1, 2:] + u[2:, 2:] - u[:-2, :-2] - 2 * u[1:-1, :-2] - u[2:, :-2]
        return sqrt(down * down + right * right)

    return slope


WORKLOADS = [
    Workload("stencils/heat, 500 steps", _plate, _heat, _heat_torch, _heat_numpy, tolerance=1e-3),
    Workload(
        "stencils/wave, 100 steps",
        _string,
        _wave,
        lambda torch, compiled: _wave_steps(compiled(_wave_step(torch.roll))),
        _wave_steps(_wave_step(np.roll)),
        tolerance=1e-3,
    ),
    Workload(
        "stencils/Laplacian",
        lambda rng: (floats(rng, LARGE, LARGE),),
        lambda library: library.jit(_laplacian),
        lambda torch, compiled: compiled(_laplacian),
        _laplacian,
        tags=(BANDWIDTH,),
    ),
    Workload(
        "stencils/seven points",
        lambda rng: (floats(rng, VOLUME, VOLUME, VOLUME),),
        lambda library: library.jit(_seven_points),
        lambda torch, compiled: compiled(_seven_points),
        _seven_points,
        tags=(BANDWIDTH,),
    ),
    Workload(
        "stencils/Sobel",
        lambda rng: (floats(rng, LARGE, LARGE),),
        lambda library: library.jit(_sobel(library.numpy.sqrt)),
        lambda torch, compiled: compiled(_sobel(torch.sqrt)),
        _sobel(np.sqrt),
        tags=(BANDWIDTH,),
    ),
]
