"""Matrix products as they lie: dimensions of dot_general taken together as batch, rows, columns and inner ones.

Knows types and strides, no text and no device.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Strides:
    """One operand: strides in elements of its rows (or columns), of the contracted dimension, and of the batch."""

    free: int
    inner: int
    batch: tuple[int, ...]


@dataclass(frozen=True)
class Product:
    """A dot_general as ``batch`` products of (rows, inner) and (inner, columns)."""

    batch: tuple[int, ...]
    rows: int
    columns: int
    inner: int
    x: Strides
    y: Strides


def _strides(shape: Sequence[int]) -> list[int]:
    found, step = [0] * len(shape), 1
    for d in range(len(shape) - 1, -1, -1):
        found[d], step = step, step * shape[d]
    return found


def _joined(shape: Sequence[int], dims: Sequence[int]) -> int | None:
    """The stride of ``dims`` taken as one dimension; None if they are none."""
    strides = _strides(shape)
    dims = [d for d in dims if shape[d] != 1]
    for outer, inner in itertools.pairwise(dims):
        if strides[outer] != strides[inner] * shape[inner]:
            return None
    return strides[dims[-1]] if dims else 0


def product_of(x: Any, y: Any, dimension_numbers: Any) -> Product | None:
    """The product of operands of these types, or None if its dimensions do not join."""
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    x_free = [d for d in range(x.ndim) if d not in (*x_contract, *x_batch)]
    y_free = [d for d in range(y.ndim) if d not in (*y_contract, *y_batch)]
    order = sorted(range(len(x_contract)), key=lambda k: x_contract[k])
    joined = [
        _joined(x.shape, x_free),
        _joined(x.shape, [x_contract[k] for k in order]),
        _joined(y.shape, y_free),
        _joined(y.shape, [y_contract[k] for k in order]),
    ]
    if None in joined or len(x_batch) > 3:
        return None
    x_strides, y_strides = _strides(x.shape), _strides(y.shape)
    return Product(
        tuple(x.shape[d] for d in x_batch),
        math.prod(x.shape[d] for d in x_free),
        math.prod(y.shape[d] for d in y_free),
        math.prod(x.shape[d] for d in x_contract),
        Strides(joined[0] or 0, joined[1] or 0, tuple(x_strides[d] for d in x_batch)),
        Strides(joined[2] or 0, joined[3] or 0, tuple(y_strides[d] for d in y_batch)),
    )
