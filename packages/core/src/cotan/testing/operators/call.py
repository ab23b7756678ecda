"""Samples of the first-order primitives that stand with jit and remat."""

from __future__ import annotations

import numpy as np

from cotan.experimental.sparse import todense_p
from cotan.primitives import call
from cotan.testing.operators.table import grads, operator, unary_samples, values

X = values(2, 3, dtype=np.float64)
operator(
    call.optimization_barrier_p, unary_samples((np.float32, np.int32)), oracle=np.array, tolerance=0, grads=[grads(X)]
)
operator(
    call.name_p,
    unary_samples((np.float32,), name="x"),
    oracle=lambda x, name: x,
    tolerance=0,
    grads=[grads(X, name="x")],
)
operator(todense_p, unary_samples((np.float32, np.int32)), oracle=np.array, tolerance=0, grads=[grads(X)])
