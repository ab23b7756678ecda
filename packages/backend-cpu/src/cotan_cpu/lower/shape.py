"""Shape operations at once: without a copy where the elements lie the same, else straight into memory of the pool.

Results may be views of operands: buffers are immutable, and a view keeps what it shows from being overwritten.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.ir.avals import Shape
from cotan.structural import broadcast_in_dim_p, transpose_p
from cotan_cpu.pool import pool


def broadcast_in_dim(x: np.ndarray, *, shape: Shape, broadcast_dimensions: Shape) -> np.ndarray:
    """The operand repeated to ``shape``."""
    if x.ndim == len(shape):
        if x.shape == shape:
            return x
    elif x.ndim:
        extents = [1] * len(shape)
        for d, extent in zip(broadcast_dimensions, x.shape, strict=True):
            extents[d] = extent
        x = x.reshape(extents)
        if x.shape == shape:
            return x
    out = pool.empty(shape, x.dtype, math.prod(shape) * x.dtype.itemsize)
    out[...] = x
    return out


def reshape(x: np.ndarray, *, new_sizes: Shape, dimensions: None) -> np.ndarray:
    """The same elements in another shape."""
    return x.reshape(new_sizes)


def squeeze(x: np.ndarray, *, dimensions: Shape) -> np.ndarray:
    """The operand without some axes of extent 1."""
    return x.squeeze(dimensions)


def transpose(x: np.ndarray, *, permutation: Shape) -> np.ndarray:
    """The operand with its axes in another order; the caller copies it if it has to."""
    return x.transpose(permutation)


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.shape import reshape_p, squeeze_p

    rules: dict[Any, Any] = {
        broadcast_in_dim_p: broadcast_in_dim,
        reshape_p: reshape,
        squeeze_p: squeeze,
        transpose_p: transpose,
    }
    for primitive, rule in rules.items():
        table.rule("eager", primitive)(rule)
