"""Derivatives beyond one gradient: of each example, Hessians, their products with vectors, Jacobians."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import Compile, Inputs, Program, Workload, floats

EXAMPLES, INPUTS, HIDDEN = 128, 64, 128
DIMENSIONS, ROWS = 200, 4096
ROSENBROCK = 100
NO_DERIVATIVE = "no automatic differentiation"


def _network(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "first": floats(rng, INPUTS, HIDDEN, scale=INPUTS**-0.5),
        "second": floats(rng, HIDDEN, HIDDEN, scale=HIDDEN**-0.5),
        "third": floats(rng, HIDDEN, 1, scale=HIDDEN**-0.5),
    }


def _examples(rng: np.random.Generator) -> Inputs:
    return _network(rng), floats(rng, EXAMPLES, INPUTS), floats(rng, EXAMPLES)


def _loss(tanh: Program) -> Program:
    def loss(parameters: Any, x: Any, target: Any) -> Any:
        hidden = tanh(tanh(x @ parameters["first"]) @ parameters["second"])
        return ((hidden @ parameters["third"] - target) ** 2).sum()

    return loss


def _per_example(library: Any) -> Program:
    return library.jit(library.vmap(library.grad(_loss(library.numpy.tanh)), in_axes=(None, 0, 0)))


def _per_example_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(torch.func.vmap(torch.func.grad(_loss(torch.tanh)), in_dims=(None, 0, 0)))


def _clipped(library: Any) -> Program:
    """The mean of gradients cut to norm 1, example by example, as private training has it."""
    lnp, loss = library.numpy, _loss(library.numpy.tanh)

    def one(parameters: Any, x: Any, target: Any) -> Any:
        gradient = library.grad(loss)(parameters, x, target)
        norm = lnp.sqrt(sum((g * g).sum() for g in library.tree_util.tree_leaves(gradient)))
        return library.tree_util.tree_map(lambda g: g / lnp.maximum(norm, 1), gradient)

    def mean(parameters: Any, x: Any, target: Any) -> Any:
        gradients = library.vmap(one, in_axes=(None, 0, 0))(parameters, x, target)
        return library.tree_util.tree_map(lambda g: g.mean(0), gradients)

    return library.jit(mean)


def _clipped_torch(torch: Any, compiled: Compile) -> Program:
    loss = _loss(torch.tanh)

    def one(parameters: Any, x: Any, target: Any) -> Any:
        gradient = torch.func.grad(loss)(parameters, x, target)
        norm = torch.sqrt(sum((g * g).sum() for g in gradient.values()))
        return {name: g / torch.clamp(norm, min=1) for name, g in gradient.items()}

    def mean(parameters: Any, x: Any, target: Any) -> Any:
        gradients = torch.func.vmap(one, in_dims=(None, 0, 0))(parameters, x, target)
        return {name: g.mean(0) for name, g in gradients.items()}

    return compiled(mean)


def _regression(rng: np.random.Generator) -> Inputs:
    data, labels = floats(rng, ROWS, DIMENSIONS), (rng.random(ROWS) < 0.5).astype(np.float32)
    return floats(rng, DIMENSIONS, scale=0.1), floats(rng, DIMENSIONS), data, labels


def _logistic(logaddexp: Program) -> Program:
    def loss(w: Any, data: Any, labels: Any) -> Any:
        scores = data @ w
        return (logaddexp(scores) - labels * scores).mean()

    return loss


def _hessian_times_vector(library: Any) -> Program:
    loss = _logistic(lambda scores: library.numpy.logaddexp(scores, 0.0))

    def product(w: Any, v: Any, data: Any, labels: Any) -> Any:
        return library.jvp(lambda at: library.grad(loss)(at, data, labels), (w,), (v,))[1]

    return library.jit(product)


def _hessian_times_vector_torch(torch: Any, compiled: Compile) -> Program:
    loss = _logistic(torch.nn.functional.softplus)

    def product(w: Any, v: Any, data: Any, labels: Any) -> Any:
        return torch.func.jvp(lambda at: torch.func.grad(loss)(at, data, labels), (w,), (v,))[1]

    return compiled(product)


def _hessian_times_vector_numpy(w: np.ndarray, v: np.ndarray, data: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """By the formula, which for this loss is short."""
    chance = 1 / (1 + np.exp(-(data @ w)))
    return data.T @ (chance * (1 - chance) * (data @ v)) / np.float32(ROWS)


def _small_network(rng: np.random.Generator) -> Inputs:
    return floats(rng, 16, 16, scale=0.25), floats(rng, 16, scale=0.25), floats(rng, 64, 16), floats(rng, 64)


def _hessian(library: Any) -> Program:
    tanh = library.numpy.tanh
    return library.jit(library.hessian(lambda w, v, x, y: ((tanh(x @ w) @ v - y) ** 2).mean()))


def _hessian_torch(torch: Any, compiled: Compile) -> Program:
    tanh = torch.tanh
    return compiled(torch.func.hessian(lambda w, v, x, y: ((tanh(x @ w) @ v - y) ** 2).mean()))


def _rosenbrock(x: Any) -> Any:
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def _jacobian(library: Any) -> Program:
    tanh = library.numpy.tanh
    return library.jit(library.vmap(library.jacfwd(lambda x, w, v: tanh(x @ w) @ v), in_axes=(0, None, None)))


def _jacobian_torch(torch: Any, compiled: Compile) -> Program:
    tanh = torch.tanh
    each = torch.func.vmap(torch.func.jacfwd(lambda x, w, v: tanh(x @ w) @ v), in_dims=(0, None, None))
    return compiled(each)


def _jacobian_numpy(x: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """By the chain rule, which for two layers is one line."""
    slope = 1 - np.tanh(x @ w) ** 2
    return np.einsum("nh,ih,ho->noi", slope, w, v, optimize=True)


WORKLOADS = [
    Workload("derivatives/per example", _examples, _per_example, _per_example_torch, NO_DERIVATIVE, tolerance=1e-3),
    Workload("derivatives/clipped per example", _examples, _clipped, _clipped_torch, NO_DERIVATIVE, tolerance=1e-3),
    Workload(
        "derivatives/Hessian times vector",
        _regression,
        _hessian_times_vector,
        _hessian_times_vector_torch,
        _hessian_times_vector_numpy,
        flops=6.0 * ROWS * DIMENSIONS,
        tolerance=1e-3,
    ),
    Workload(
        "derivatives/Hessian of a network", _small_network, _hessian, _hessian_torch, NO_DERIVATIVE, tolerance=1e-3
    ),
    Workload(
        "derivatives/Hessian of Rosenbrock",
        lambda rng: (floats(rng, ROSENBROCK),),
        lambda library: library.jit(library.hessian(_rosenbrock)),
        lambda torch, compiled: compiled(torch.func.hessian(_rosenbrock)),
        NO_DERIVATIVE,
        tolerance=1e-3,
    ),
    Workload(
        "derivatives/Jacobians of a batch",
        lambda rng: (floats(rng, 256, 32), floats(rng, 32, 64, scale=0.2), floats(rng, 64, 16, scale=0.2)),
        _jacobian,
        _jacobian_torch,
        _jacobian_numpy,
        tolerance=1e-3,
    ),
]
