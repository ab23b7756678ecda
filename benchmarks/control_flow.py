"""Loops: a recurrent network and its gradient, a loop of scalar steps, Newton's method for a batch.

The same text over either library's names; agreement of the values is checked before anything is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.runner import Contender, Result, interleave

STEPS, UNITS = 1000, 128
SCALAR_STEPS = 100_000
BATCH = 4096
AT_LEAST_AS_FAST = ("jax", 1.0)


def _recurrent(library: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    lnp, rng = library.numpy, np.random.default_rng(0)
    weights = (rng.standard_normal((UNITS, UNITS)) * 0.05).astype(np.float32)
    inputs = rng.standard_normal((STEPS, UNITS)).astype(np.float32)

    def states(w: Any, start: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = lnp.tanh(h @ w + x)
            return h, h

        return library.lax.scan(step, start, xs)[1]

    return states, tuple(map(lnp.asarray, (weights, np.zeros(UNITS, np.float32), inputs)))


def rnn(library: Any) -> Contender:
    """Forward: 1,000 steps of 128 units, all states kept."""
    states, args = _recurrent(library)
    run = library.jit(states)
    return lambda: library.block_until_ready(run(*args))


def rnn_gradient(library: Any) -> Contender:
    """The gradient of the sum of squares of its states, with respect to the weights."""
    states, args = _recurrent(library)
    run = library.jit(library.grad(lambda *xs: (states(*xs) ** 2).sum()))
    return lambda: library.block_until_ready(run(*args))


def scalar_loop(library: Any) -> Contender:
    """fori_loop with a body of one multiplication and one addition."""
    run = library.jit(lambda x: library.lax.fori_loop(0, SCALAR_STEPS, lambda k, y: y * 0.999 + 1.0, x))
    x = library.numpy.float32(1.0)
    return lambda: library.block_until_ready(run(x))


def newton(library: Any) -> Contender:
    """Cube roots by Newton's method under vmap: each lane stops for itself."""
    lnp = library.numpy

    def root(a: Any) -> Any:
        def unfinished(state: Any) -> Any:
            k, x = state
            return (lnp.abs(x * x * x - a) > 1e-5 * a) & (k < 50)

        def step(state: Any) -> Any:
            k, x = state
            return k + 1, x - (x * x * x - a) / (3 * x * x)

        return library.lax.while_loop(unfinished, step, (0, lnp.float32(1.0)))[1]

    run = library.jit(library.vmap(root))
    a = lnp.asarray(np.random.default_rng(0).uniform(1, 100, BATCH).astype(np.float32))
    return lambda: library.block_until_ready(run(a))


def _against_jax(name: str, workload: Callable[[Any], Contender], turns: int) -> Result:
    import jax

    import cotan

    contenders = {"cotan": workload(cotan), "jax": workload(jax)}
    ours, theirs = (np.asarray(contender(), np.float64) for contender in contenders.values())
    error = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    if error > 1e-3:
        raise AssertionError(f"{name}: the results differ by {error:.1e}")
    return interleave(name, contenders, turns=turns, limit=AT_LEAST_AS_FAST)


WORKLOADS = {
    "loops: RNN": partial(_against_jax, "scan: RNN, 1000 steps of 128", rnn, 60),
    "loops: RNN gradient": partial(_against_jax, "scan: gradient of the RNN", rnn_gradient, 40),
    "loops: scalar": partial(_against_jax, "fori_loop: 100,000 scalar steps", scalar_loop, 60),
    "loops: Newton": partial(_against_jax, "while_loop: Newton, batch of 4096", newton, 100),
}
