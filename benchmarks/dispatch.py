"""What a call costs when there is nearly nothing to compute."""

from __future__ import annotations

import jax
import numpy as np

import cotan
from benchmarks.runner import Contender, Result, interleave

CALLS = 2000


def _timed(name: str, ours: Contender, theirs: Contender, limit: float) -> Result:
    return interleave(name, {"cotan": ours, "jax": theirs}, turns=9, calls=CALLS, limit=("jax", limit))


def jitted_add() -> Result:
    """A jitted ``x + y`` over two arrays of 8 elements, outputs included."""
    a = np.arange(8, dtype=np.float32)

    def add(x, y):
        return x + y

    f, x, y = cotan.jit(add), cotan.numpy.asarray(a), cotan.numpy.asarray(a)
    g, u, v = jax.jit(add), jax.numpy.asarray(a), jax.numpy.asarray(a)
    result = _timed("jit(x + y), 8 elements", lambda: f(x, y), lambda: g(u, v), 0.5)
    result.notes.append(f"median {result.median('cotan') * 1e6:.2f} µs (limit 5 µs)")
    return result


def eager_add() -> Result:
    """An eager ``x + y`` over two arrays of 8 elements."""
    a = np.arange(8, dtype=np.float32)
    x, u = cotan.numpy.asarray(a), jax.numpy.asarray(a)
    return _timed("eager x + x, 8 elements", lambda: x + x, lambda: u + u, 1.0)


WORKLOADS = {"dispatch": jitted_add, "eager": eager_add}
