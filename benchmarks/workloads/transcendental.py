"""Elementwise programs in which exp, log, tanh, erf, sin and pow are most of the work."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.workload import Compile, Inputs, Program, Workload, floats, uniform

N = 1_000_000


def _exp_log_tanh(exp: Program, log: Program, tanh: Program) -> Program:
    return lambda x: tanh(log(1 + exp(x))) * exp(-x * x)


def _gelu_chain(library: Any) -> Program:
    erf = library.lax.erf
    return library.jit(lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))) + erf(x * 0.3))


def _gelu_chain_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))) + torch.erf(x * 0.3))


def _gelu_chain_numpy(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    return 0.5 * x * (1 + erf(x / np.float32(math.sqrt(2)))) + erf(x * np.float32(0.3))


def _normal_density(exp: Program) -> Program:
    def density(x: Any, mean: Any, deviation: Any) -> Any:
        scaled = (x - mean) / deviation
        return exp(-0.5 * scaled * scaled) / (deviation * math.sqrt(2 * math.pi))

    return density


def _options(rng: np.random.Generator) -> Inputs:
    """Spot prices, strikes, times, volatilities."""
    return uniform(rng, 10, 50, N), uniform(rng, 10, 50, N), uniform(rng, 0.5, 3, N), uniform(rng, 0.1, 0.6, N)


def _black_scholes(log: Program, exp: Program, sqrt: Program, erf: Program, rate: float = 0.05) -> Program:
    def normal(x: Any) -> Any:
        return 0.5 * (1 + erf(x * (1 / math.sqrt(2))))

    def prices(spot: Any, strike: Any, time: Any, volatility: Any) -> Any:
        spread = volatility * sqrt(time)
        above = (log(spot / strike) + (rate + 0.5 * volatility * volatility) * time) / spread
        below = above - spread
        discounted = strike * exp(-rate * time)
        call = spot * normal(above) - discounted * normal(below)
        return call, call - spot + discounted

    return prices


def _black_scholes_numpy(*args: np.ndarray) -> Any:
    from scipy.special import erf

    return _black_scholes(np.log, np.exp, np.sqrt, erf)(*args)


def _rotation(sin: Program, cos: Program) -> Program:
    def rotate(angle: Any, x: Any, y: Any) -> Any:
        c, s = cos(angle), sin(angle)
        return c * x - s * y, s * x + c * y

    return rotate


def _haversine(sin: Program, cos: Program, arcsin: Program, sqrt: Program) -> Program:
    def distances(latitude: Any, longitude: Any, latitude2: Any, longitude2: Any) -> Any:
        across, along = sin((latitude2 - latitude) / 2), sin((longitude2 - longitude) / 2)
        return 6371.0 * 2 * arcsin(sqrt(across * across + cos(latitude) * cos(latitude2) * along * along))

    return distances


def _places(rng: np.random.Generator) -> Inputs:
    return uniform(rng, -1.5, 1.5, N), uniform(rng, -3, 3, N), uniform(rng, -1.5, 1.5, N), uniform(rng, -3, 3, N)


WORKLOADS = [
    Workload(
        "transcendental/exp log tanh",
        lambda rng: (floats(rng, N),),
        lambda library: library.jit(_exp_log_tanh(library.numpy.exp, library.numpy.log, library.numpy.tanh)),
        lambda torch, compiled: compiled(_exp_log_tanh(torch.exp, torch.log, torch.tanh)),
        _exp_log_tanh(np.exp, np.log, np.tanh),
    ),
    Workload(
        "transcendental/erf chain", lambda rng: (floats(rng, N),), _gelu_chain, _gelu_chain_torch, _gelu_chain_numpy
    ),
    Workload(
        "transcendental/pow",
        lambda rng: (uniform(rng, 0.1, 4, N), uniform(rng, -2, 2, N)),
        lambda library: library.jit(lambda x, y: x**y),
        lambda torch, compiled: compiled(lambda x, y: x**y),
        lambda x, y: x**y,
    ),
    Workload(
        "transcendental/normal density",
        lambda rng: (floats(rng, N), floats(rng, N), uniform(rng, 0.5, 2, N)),
        lambda library: library.jit(_normal_density(library.numpy.exp)),
        lambda torch, compiled: compiled(_normal_density(torch.exp)),
        _normal_density(np.exp),
    ),
    Workload(
        "transcendental/Black-Scholes",
        _options,
        lambda library: library.jit(
            _black_scholes(library.numpy.log, library.numpy.exp, library.numpy.sqrt, library.lax.erf)
        ),
        lambda torch, compiled: compiled(_black_scholes(torch.log, torch.exp, torch.sqrt, torch.erf)),
        _black_scholes_numpy,
    ),
    Workload(
        "transcendental/rotation",
        lambda rng: (uniform(rng, -7, 7, N), floats(rng, N), floats(rng, N)),
        lambda library: library.jit(_rotation(library.numpy.sin, library.numpy.cos)),
        lambda torch, compiled: compiled(_rotation(torch.sin, torch.cos)),
        _rotation(np.sin, np.cos),
    ),
    Workload(
        "transcendental/distances on a sphere",
        _places,
        lambda library: library.jit(
            _haversine(library.numpy.sin, library.numpy.cos, library.numpy.arcsin, library.numpy.sqrt)
        ),
        lambda torch, compiled: compiled(_haversine(torch.sin, torch.cos, torch.arcsin, torch.sqrt)),
        _haversine(np.sin, np.cos, np.arcsin, np.sqrt),
        tolerance=1e-3,
    ),
]
