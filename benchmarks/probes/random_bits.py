"""Random numbers against JAX's: 50 seeds and odd shapes, bit for bit (no timing)."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.results import Promise, Result

SEEDS = [*range(40), 2**31 - 1, 2**31, 2**32 - 1, 12345678901, 97, 1001, 65537, 999983, 4242, 31337]
SHAPES = [(), (1,), (7,), (3, 5), (2, 3, 17)]
ULPS = 4

Sampler = Callable[[Any, tuple[int, ...]], Any]


def _samplers(library: Any) -> dict[str, Sampler]:
    """Name -> function of a key and a shape."""
    random = library.random
    bits = {f"bits {dtype}": functools.partial(random.bits, dtype=dtype) for dtype in ("uint8", "uint16", "uint32")}
    return {
        "split": lambda key, shape: random.key_data(random.split(key, shape or 3)),
        "fold_in": lambda key, shape: random.key_data(random.fold_in(key, len(shape) + 5)),
        **bits,
        "uniform": random.uniform,
        "randint": lambda key, shape: random.randint(key, shape, -5, 1000),
        "permutation": lambda key, shape: random.permutation(key, 13 + len(shape)),
        "normal": random.normal,
    }


def _distance(name: str, ours: np.ndarray, theirs: np.ndarray) -> float:
    """0 where equal bit for bit; for `normal` the largest distance in ulps of max(|x|, 1e-3)."""
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        return float("inf")
    if name != "normal":
        return 0.0 if ours.tobytes() == theirs.tobytes() else float("inf")
    ulp = np.spacing(np.maximum(np.abs(theirs), np.float32(1e-3)))
    return float(np.max(np.abs(ours.astype(np.float64) - theirs) / ulp, initial=0.0))


def compare() -> Result:
    """The largest distance of every sampler's numbers, eager and jitted, as promises."""
    result = Result("sampling/agreement with JAX")
    if importlib.util.find_spec("jax") is None:
        result.absent["jax"] = "not installed"
        return result
    cotan, jax = importlib.import_module("cotan"), importlib.import_module("jax")
    worst: dict[str, float] = {}
    eager, theirs = _samplers(cotan), _samplers(jax)
    jitted = {name: cotan.jit(sampler, static_argnums=1) for name, sampler in eager.items()}
    for seed in SEEDS:
        our_key, their_key = cotan.random.key(seed), jax.random.key(seed)
        for name, reference in theirs.items():
            for shape in SHAPES:
                expected = np.asarray(reference(their_key, shape))
                for sampler in (eager[name], jitted[name]):
                    found = _distance(name, np.asarray(sampler(our_key, shape)), expected)
                    worst[name] = max(worst.get(name, 0.0), found)
    for name, distance in worst.items():
        bound = ULPS if name == "normal" else 0
        result.promises.append(Promise(f"{name} of {len(SEEDS)} seeds: ulps from JAX's", distance, bound))
    return result
