"""Steps of training: a perceptron with SGD and Adam, attention, and a transformer's block forward and backward."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from benchmarks.workload import TRAINING, Compile, Inputs, Program, Workload, floats, integers, torch_gradient

RATE = 0.01
SIZES = (256, 512, 512, 32)
BATCH = 256
SEQUENCES, LENGTH, WIDTH, HEADS = 4, 128, 256, 4
HEAD = WIDTH // HEADS
ATTENTION = (4, 8, 256, 64)
EPSILON = 1e-5
NO_GRADIENT = "no automatic differentiation"
PERCEPTRON_FLOPS = 6.0 * BATCH * sum(m * n for m, n in itertools.pairwise(SIZES))
BLOCK_FLOPS = 2.0 * SEQUENCES * LENGTH * (12 * WIDTH * WIDTH + 2 * LENGTH * WIDTH)


def _perceptron(rng: np.random.Generator) -> Any:
    return {
        f"layer{k}": {"bias": np.zeros(n, np.float32), "weights": floats(rng, m, n, scale=math.sqrt(2 / m))}
        for k, (m, n) in enumerate(itertools.pairwise(SIZES))
    }


def _batch(rng: np.random.Generator) -> Inputs:
    return floats(rng, BATCH, SIZES[0]), integers(rng, SIZES[-1], BATCH)


def _perceptron_loss(library: Any) -> Program:
    lnp = library.numpy

    def loss(parameters: Any, x: Any, labels: Any) -> Any:
        for k in range(len(SIZES) - 1):
            layer = parameters[f"layer{k}"]
            x = x @ layer["weights"] + layer["bias"]
            x = library.nn.relu(x) if k < len(SIZES) - 2 else library.nn.log_softmax(x)
        return -lnp.take_along_axis(x, labels[:, None], axis=1).mean()

    return loss


def _sgd(library: Any, loss: Program) -> Program:
    def step(parameters: Any, *batch: Any) -> Any:
        gradient = library.grad(loss)(parameters, *batch)
        return library.tree_util.tree_map(lambda p, g: p - RATE * g, parameters, gradient)

    return library.jit(step, donate_argnums=0)


def _torch_sgd(torch: Any, loss: Program) -> Program:
    """A step as PyTorch programs write it: parameters are leaves, updated in place."""

    def step(parameters: Any, *batch: Any) -> Any:
        flat = [p.requires_grad_() for layer in parameters.values() for p in layer.values()]
        gradients = torch.autograd.grad(loss(parameters, *batch), flat)
        with torch.no_grad():
            for p, g in zip(flat, gradients):
                p.sub_(RATE * g)
        return parameters

    return step


def _perceptron_torch(torch: Any, compiled: Compile) -> Program:
    functional = torch.nn.functional

    def loss(parameters: Any, x: Any, labels: Any) -> Any:
        for k in range(len(SIZES) - 1):
            layer = parameters[f"layer{k}"]
            x = torch.addmm(layer["bias"], x, layer["weights"])
            x = torch.relu(x) if k < len(SIZES) - 2 else x
        return functional.cross_entropy(x, labels)

    return _torch_sgd(torch, compiled(loss))


def _perceptron_numpy(parameters: Any, x: np.ndarray, labels: np.ndarray) -> Any:
    """Backward by hand, as NumPy programs have it."""
    activations = [x]
    for k in range(len(SIZES) - 1):
        layer = parameters[f"layer{k}"]
        y = activations[-1] @ layer["weights"] + layer["bias"]
        activations.append(np.maximum(y, 0) if k < len(SIZES) - 2 else y)
    e = np.exp(activations.pop() - y.max(1, keepdims=True))
    back = e / e.sum(1, keepdims=True)
    back[np.arange(BATCH), labels] -= 1
    back /= np.float32(BATCH)
    result = dict(parameters)
    for k in reversed(range(len(SIZES) - 1)):
        layer, seen = parameters[f"layer{k}"], activations[k]
        result[f"layer{k}"] = {
            "bias": layer["bias"] - np.float32(RATE) * back.sum(0),
            "weights": layer["weights"] - np.float32(RATE) * (seen.T @ back),
        }
        back = (back @ layer["weights"].T) * (seen > 0)
    return result


def _with_moments(rng: np.random.Generator) -> Any:
    parameters = _perceptron(rng)
    zeros = {name: {k: np.zeros_like(p) for k, p in layer.items()} for name, layer in parameters.items()}
    return {"mean": zeros, "parameters": parameters, "square": {n: dict(layer) for n, layer in zeros.items()}}


def _adam(library: Any) -> Program:
    loss, tree_map = _perceptron_loss(library), library.tree_util.tree_map
    sqrt = library.numpy.sqrt

    def step(state: Any, x: Any, labels: Any) -> Any:
        gradient = library.grad(loss)(state["parameters"], x, labels)
        mean = tree_map(lambda m, g: 0.9 * m + 0.1 * g, state["mean"], gradient)
        square = tree_map(lambda s, g: 0.99 * s + 0.01 * g * g, state["square"], gradient)
        moved = tree_map(lambda p, m, s: p - RATE * m / (sqrt(s) + 1e-3), state["parameters"], mean, square)
        return {"mean": mean, "parameters": moved, "square": square}

    return library.jit(step, donate_argnums=0)


def _adam_torch(torch: Any, compiled: Compile) -> Program:
    def step(state: Any, x: Any, labels: Any) -> Any:
        layers = state["parameters"]
        names = [(name, k) for name, layer in layers.items() for k in layer]
        flat = [layers[name][k].requires_grad_() for name, k in names]
        gradients = torch.autograd.grad(loss(layers, x, labels), flat)
        with torch.no_grad():
            for (name, k), p, g in zip(names, flat, gradients):
                mean, square = state["mean"][name][k], state["square"][name][k]
                mean.mul_(0.9).add_(g, alpha=0.1)
                square.mul_(0.99).addcmul_(g, g, value=0.01)
                p.addcdiv_(mean, square.sqrt().add_(1e-3), value=-RATE)
        return state

    functional = torch.nn.functional

    def plain(parameters: Any, x: Any, labels: Any) -> Any:
        for k in range(len(SIZES) - 1):
            layer = parameters[f"layer{k}"]
            x = torch.addmm(layer["bias"], x, layer["weights"])
            x = torch.relu(x) if k < len(SIZES) - 2 else x
        return functional.cross_entropy(x, labels)

    loss = compiled(plain)
    return step


def _attention(library: Any) -> Program:
    lnp = library.numpy

    def attend(q: Any, k: Any, v: Any) -> Any:
        scores = lnp.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(q.shape[-1])
        hidden = lnp.tril(lnp.ones(scores.shape[-2:], dtype=bool))
        scores = lnp.where(hidden, scores, -1e9)
        return lnp.einsum("bhqk,bhkd->bhqd", library.nn.softmax(scores), v)

    return attend


def _attention_torch(torch: Any) -> Program:
    return lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def _attention_numpy(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    scores = q @ k.swapaxes(-1, -2) / np.float32(math.sqrt(q.shape[-1]))
    scores = np.where(np.tri(q.shape[-2], dtype=bool), scores, np.float32(-1e9))
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


def _attention_inputs(rng: np.random.Generator) -> Inputs:
    return tuple(floats(rng, *ATTENTION) for _ in range(3))


def _attention_gradient(library: Any) -> Program:
    attend = _attention(library)
    return library.jit(library.grad(lambda q, k, v, w: (attend(q, k, v) * w).sum(), argnums=(0, 1, 2)))


def _attention_gradient_torch(torch: Any, compiled: Compile) -> Program:
    attend = _attention_torch(torch)
    return torch_gradient(torch, compiled(lambda q, k, v, w: (attend(q, k, v) * w).sum()), 3)


def _block_parameters(rng: np.random.Generator) -> Any:
    scale = WIDTH**-0.5
    return {
        "attention": {"out": floats(rng, WIDTH, WIDTH, scale=scale), "qkv": floats(rng, WIDTH, 3 * WIDTH, scale=scale)},
        "feed": {
            "down": floats(rng, 4 * WIDTH, WIDTH, scale=scale / 2),
            "shrink": np.zeros(WIDTH, np.float32),
            "up": floats(rng, WIDTH, 4 * WIDTH, scale=scale),
            "widen": np.zeros(4 * WIDTH, np.float32),
        },
        "norms": {
            "first": np.ones(WIDTH, np.float32),
            "first_shift": np.zeros(WIDTH, np.float32),
            "second": np.ones(WIDTH, np.float32),
            "second_shift": np.zeros(WIDTH, np.float32),
        },
    }


def _sentences(rng: np.random.Generator) -> Inputs:
    return floats(rng, SEQUENCES, LENGTH, WIDTH), floats(rng, SEQUENCES, LENGTH, WIDTH)


def _block(library: Any) -> Program:
    lax, attend = library.lax, _attention(library)

    def norm(x: Any, scale: Any, shift: Any) -> Any:
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(variance + EPSILON) * scale + shift

    def block(parameters: Any, x: Any) -> Any:
        attention, feed, norms = parameters["attention"], parameters["feed"], parameters["norms"]
        qkv = norm(x, norms["first"], norms["first_shift"]) @ attention["qkv"]
        qkv = qkv.reshape(SEQUENCES, LENGTH, 3, HEADS, HEAD).transpose(2, 0, 3, 1, 4)
        seen = attend(qkv[0], qkv[1], qkv[2]).transpose(0, 2, 1, 3).reshape(x.shape)
        x = x + seen @ attention["out"]
        y = norm(x, norms["second"], norms["second_shift"]) @ feed["up"] + feed["widen"]
        return x + library.nn.gelu(y) @ feed["down"] + feed["shrink"]

    return block


def _block_torch(torch: Any) -> Program:
    functional, attend = torch.nn.functional, _attention_torch(torch)

    def block(parameters: Any, x: Any) -> Any:
        attention, feed, norms = parameters["attention"], parameters["feed"], parameters["norms"]
        y = functional.layer_norm(x, (WIDTH,), norms["first"], norms["first_shift"], EPSILON)
        qkv = (y @ attention["qkv"]).reshape(SEQUENCES, LENGTH, 3, HEADS, HEAD).permute(2, 0, 3, 1, 4)
        x = x + attend(qkv[0], qkv[1], qkv[2]).transpose(1, 2).reshape(x.shape) @ attention["out"]
        y = functional.layer_norm(x, (WIDTH,), norms["second"], norms["second_shift"], EPSILON)
        y = functional.gelu(y @ feed["up"] + feed["widen"], approximate="tanh")
        return x + y @ feed["down"] + feed["shrink"]

    return block


def _block_step(library: Any) -> Program:
    block = _block(library)
    return _sgd(library, lambda parameters, x, target: ((block(parameters, x) - target) ** 2).mean())


def _block_step_torch(torch: Any, compiled: Compile) -> Program:
    block = _block_torch(torch)
    return _torch_sgd(torch, compiled(lambda parameters, x, target: ((block(parameters, x) - target) ** 2).mean()))


WORKLOADS = [
    Workload(
        "training/perceptron, SGD",
        _batch,
        lambda library: _sgd(library, _perceptron_loss(library)),
        _perceptron_torch,
        _perceptron_numpy,
        flops=PERCEPTRON_FLOPS,
        initial=_perceptron,
        tags=(TRAINING,),
        tolerance=1e-3,
    ),
    Workload(
        "training/perceptron, Adam",
        _batch,
        _adam,
        _adam_torch,
        NO_GRADIENT,
        flops=PERCEPTRON_FLOPS,
        initial=_with_moments,
        tags=(TRAINING,),
        tolerance=2e-3,
    ),
    Workload(
        "training/attention",
        _attention_inputs,
        lambda library: library.jit(_attention(library)),
        lambda torch, compiled: compiled(_attention_torch(torch)),
        _attention_numpy,
        flops=2.0 * 2 * 4 * 8 * 256 * 256 * 64 / 2,
    ),
    Workload(
        "training/attention gradient",
        lambda rng: (*_attention_inputs(rng), floats(rng, *ATTENTION)),
        _attention_gradient,
        _attention_gradient_torch,
        NO_GRADIENT,
        flops=5.0 * 2 * 4 * 8 * 256 * 256 * 64 / 2,
        tags=(TRAINING,),
    ),
    Workload(
        "training/transformer block",
        lambda rng: (_block_parameters(rng), floats(rng, SEQUENCES, LENGTH, WIDTH)),
        lambda library: library.jit(_block(library)),
        lambda torch, compiled: compiled(_block_torch(torch)),
        "longer by hand than a natural text",
        flops=BLOCK_FLOPS,
    ),
    Workload(
        "training/transformer block step",
        _sentences,
        _block_step,
        _block_step_torch,
        NO_GRADIENT,
        flops=3 * BLOCK_FLOPS,
        initial=_block_parameters,
        tags=(TRAINING,),
        tolerance=1e-3,
    ),
]
