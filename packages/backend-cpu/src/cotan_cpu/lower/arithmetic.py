"""Arithmetic at once, where it is a ufunc of NumPy for some dtypes only."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.ir.primitive import reference
from cotan.primitives.operands import quiet
from cotan_cpu.pool import pool


def div(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x / y; integers by the reference."""
    dtype = x.dtype
    if dtype.kind not in "fc":
        return _reference()(x, y)  # type: ignore[no-any-return]
    shape = x.shape or y.shape
    return quiet(np.divide, x, y, out=pool.empty(shape, dtype, math.prod(shape) * dtype.itemsize))  # type: ignore[no-any-return]


@functools.cache
def _reference() -> Any:
    from cotan.primitives.arithmetic import div_p

    return reference[div_p]


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.arithmetic import div_p

    table.rule("eager", div_p)(div)
