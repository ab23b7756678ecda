"""What a call costs when there is nearly nothing to compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import Compile, Inputs, Program, Workload, floats

SIZE = 8
LAYERS = 20


def _pair(rng: np.random.Generator) -> Inputs:
    return floats(rng, SIZE), floats(rng, SIZE)


def _tree(rng: np.random.Generator) -> Inputs:
    return ({f"layer {k:02}": {"bias": floats(rng, SIZE), "weights": floats(rng, SIZE)} for k in range(LAYERS)},)


def _pytree(library: Any) -> Program:
    return library.jit(lambda tree: library.tree_util.tree_map(lambda leaf: leaf + 1, tree))


def _pytree_loop(tree: Any) -> Any:
    return {name: {part: leaf + 1 for part, leaf in layer.items()} for name, layer in tree.items()}


def _static(library: Any) -> Program:
    def power(x: Any, exponent: int, *, mode: str) -> Any:
        return x**exponent if mode == "power" else x * exponent

    jitted = library.jit(power, static_argnums=1, static_argnames="mode")
    return lambda x, exponent: jitted(x, exponent, mode="power")


def _keywords(library: Any) -> Program:
    jitted = library.jit(lambda x, *, scale, shift: x * scale + shift)
    return lambda x, y: jitted(x, scale=y, shift=x)


def _donated(library: Any) -> Program:
    return library.jit(lambda state, x: state * 0.5 + x, donate_argnums=0)


def _donated_torch(torch: Any, compiled: Compile) -> Program:
    return compiled(lambda state, x: state.mul_(0.5).add_(x))


def _donated_numpy(state: np.ndarray, x: np.ndarray) -> np.ndarray:
    state *= np.float32(0.5)
    state += x
    return state


def _to_numpy(library: Any) -> Program:
    add = library.jit(lambda x, y: x + y)
    return lambda x, y: np.asarray(add(x, y))


def _to_numpy_torch(torch: Any, compiled: Compile) -> Program:
    add = compiled(lambda x, y: x + y)
    return lambda x, y: add(x, y).numpy()


def _numpy_arguments_torch(torch: Any, compiled: Compile) -> Program:
    add = compiled(lambda x, y: x + y)
    return lambda x, y: add(torch.from_numpy(x), torch.from_numpy(y))


WORKLOADS = [
    Workload(
        "dispatch/two arguments",
        _pair,
        lambda library: library.jit(lambda x, y: x + y),
        lambda torch, compiled: compiled(lambda x, y: x + y),
        lambda x, y: x + y,
        wait_each=False,
    ),
    Workload(
        "dispatch/40-leaf pytree",
        _tree,
        _pytree,
        lambda torch, compiled: compiled(_pytree_loop),
        _pytree_loop,
        wait_each=False,
    ),
    Workload(
        "dispatch/static arguments",
        lambda rng: (floats(rng, SIZE), int(rng.integers(2, 4))),
        _static,
        lambda torch, compiled: compiled(lambda x, exponent: x**exponent),
        lambda x, exponent: x**exponent,
        wait_each=False,
    ),
    Workload(
        "dispatch/keyword arguments",
        _pair,
        _keywords,
        lambda torch, compiled: compiled(lambda x, y: x * y + x),
        lambda x, y: x * y + x,
        wait_each=False,
    ),
    Workload(
        "dispatch/donated argument",
        lambda rng: (floats(rng, SIZE),),
        _donated,
        _donated_torch,
        _donated_numpy,
        initial=lambda rng: floats(rng, SIZE),
        wait_each=False,
    ),
    Workload(
        "dispatch/NumPy arguments",
        _pair,
        lambda library: library.jit(lambda x, y: x + y),
        _numpy_arguments_torch,
        "its arguments are NumPy's anyway",
        placed=False,
        wait_each=False,
    ),
    Workload(
        "dispatch/Python scalars",
        lambda rng: (floats(rng, SIZE), float(rng.random()), float(rng.random())),
        lambda library: library.jit(lambda x, a, b: x * a + b),
        lambda torch, compiled: compiled(lambda x, a, b: x * a + b),
        lambda x, a, b: x * a + b,
        wait_each=False,
    ),
    Workload(
        "dispatch/device_put",
        lambda rng: (floats(rng, 1000),),
        lambda library: library.device_put,
        lambda torch, compiled: torch.tensor,
        "its arrays are on the device",
        placed=False,
        wait_each=False,
    ),
    Workload(
        "dispatch/to NumPy",
        _pair,
        _to_numpy,
        _to_numpy_torch,
        "its results are NumPy's anyway",
        wait_each=False,
    ),
]
