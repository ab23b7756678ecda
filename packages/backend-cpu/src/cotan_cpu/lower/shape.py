"""Shape operations at once: without a copy where the elements lie the same, else straight into memory of the pool.

Results may be views of operands: buffers are immutable, and a view keeps what it shows from being overwritten.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.ir.avals import Shape
from cotan.structural import broadcast_in_dim_p, transpose_p
from cotan_cpu.pool import SMALLEST, pool


def broadcast_in_dim(x: np.ndarray, *, shape: Shape, broadcast_dimensions: Shape) -> np.ndarray:
    """The operand repeated to ``shape``."""
    x = _spread(x, shape, broadcast_dimensions)
    if x.shape == shape:
        return x
    out = pool.empty(shape, x.dtype, math.prod(shape) * x.dtype.itemsize)
    out[...] = x
    return out


def _spread(x: np.ndarray, shape: Shape, broadcast_dimensions: Shape) -> np.ndarray:
    """The operand with axes of extent 1 where it will be repeated."""
    if x.ndim in (0, len(shape)):
        return x
    extents = [1] * len(shape)
    for d, extent in zip(broadcast_dimensions, x.shape, strict=True):
        extents[d] = extent
    return x.reshape(extents)


def _broadcast_into(x: np.ndarray, out: np.ndarray, *, shape: Shape, broadcast_dimensions: Shape) -> bool:
    out[...] = _spread(x, shape, broadcast_dimensions)
    return True


broadcast_in_dim.into = _broadcast_into  # type: ignore[attr-defined]


def reshape(x: np.ndarray, *, new_sizes: Shape, dimensions: None) -> np.ndarray:
    """The same elements in another shape."""
    return x.reshape(new_sizes)


def slice_(x: np.ndarray, *, start_indices: Shape, limit_indices: Shape, strides: Shape | None) -> np.ndarray:
    """The elements from starts to limits."""
    return _slicer(start_indices, limit_indices, strides)(x)


def _slicer(starts: Shape, limits: Shape, strides: Shape | None) -> Callable[[np.ndarray], np.ndarray]:
    index = tuple(map(slice, starts, limits, strides or (1,) * len(starts))) or ...

    def cut(x: np.ndarray) -> np.ndarray:
        part = x[index]
        if part.nbytes < SMALLEST:
            return part.copy()
        out = pool.empty(part.shape, part.dtype, part.nbytes)
        out[...] = part
        return out

    return cut


def _prepare_slice(x: Any, **bounds: Any) -> Callable[[np.ndarray], np.ndarray]:
    return _slicer(bounds["start_indices"], bounds["limit_indices"], bounds["strides"])


slice_.prepare = _prepare_slice  # type: ignore[attr-defined]


def squeeze(x: np.ndarray, *, dimensions: Shape) -> np.ndarray:
    """The operand without some axes of extent 1."""
    return x.squeeze(dimensions)


def transpose(x: np.ndarray, *, permutation: Shape) -> np.ndarray:
    """The operand with its axes in another order; the caller copies it if it has to."""
    return x.transpose(permutation)


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.shape import reshape_p, squeeze_p
    from cotan.primitives.slice import slice_p

    rules: dict[Any, Any] = {
        broadcast_in_dim_p: broadcast_in_dim,
        reshape_p: reshape,
        slice_p: slice_,
        squeeze_p: squeeze,
        transpose_p: transpose,
    }
    for primitive, rule in rules.items():
        table.rule("eager", primitive)(rule)
