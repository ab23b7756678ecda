"""Random numbers against JAX's: 50 seeds and odd shapes, bit for bit (no timing)."""

from __future__ import annotations

import jax
import numpy as np

import cotan
from benchmarks.runner import Result

SEEDS = [*range(40), 2**31 - 1, 2**31, 2**32 - 1, 12345678901, 97, 1001, 65537, 999983, 4242, 31337]
SHAPES = [(), (1,), (7,), (3, 5), (2, 3, 17)]
ULPS = 4


def _samples(library, key):
    random = library.random
    yield "split", lambda shape: random.key_data(random.split(key, shape or 3))
    yield "fold_in", lambda shape: random.key_data(random.fold_in(key, len(shape) + 5))
    for dtype in ("uint8", "uint16", "uint32"):
        yield f"bits {dtype}", lambda shape, dtype=dtype: random.bits(key, shape, dtype)
    yield "uniform", lambda shape: random.uniform(key, shape)
    yield "randint", lambda shape: random.randint(key, shape, -5, 1000)
    yield "permutation", lambda shape: random.permutation(key, 13 + len(shape))
    yield "normal", lambda shape: random.normal(key, shape)


def _distance(name: str, ours: np.ndarray, theirs: np.ndarray) -> float:
    """0 where equal bit for bit; for `normal` the largest distance in ulps of max(|x|, 1e-3)."""
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        return float("inf")
    if name != "normal":
        return 0.0 if ours.tobytes() == theirs.tobytes() else float("inf")
    ulp = np.spacing(np.maximum(np.abs(theirs), np.float32(1e-3)))
    return float(np.max(np.abs(ours.astype(np.float64) - theirs) / ulp, initial=0.0))


def compare() -> Result:
    worst: dict[str, float] = {}
    for seed in SEEDS:
        pairs = zip(_samples(cotan, cotan.random.key(seed)), _samples(jax, jax.random.key(seed)), strict=True)
        for (name, ours), (_, theirs) in pairs:
            for shape in SHAPES:
                for eager in (True, False):
                    make = ours if eager else cotan.jit(ours, static_argnums=0)
                    found = _distance(name, np.asarray(make(shape)), np.asarray(theirs(shape)))
                    worst[name] = max(worst.get(name, 0.0), found)
                if seed > 4:
                    break
    result = Result(f"random, {len(SEEDS)} seeds", {})
    for name, distance in worst.items():
        bound = ULPS if name == "normal" else 0
        result.notes.append(
            f"{name:<14} {'agrees' if distance <= bound else 'DIFFERS'} (largest distance {distance:g} ulp)"
        )
    result.agrees = all(d <= (ULPS if n == "normal" else 0) for n, d in worst.items())
    return result


WORKLOADS = {"random": compare}
