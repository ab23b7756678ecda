"""How quick binds compute a primitive at given types: what native code calls for it. Knows no table and no Array."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan.ir.avals import ShapedArray
from cotan_cpu import driver


class Way(NamedTuple):
    """What computes a primitive at given types.

    Attributes:
      kind: 'LOOP', an inner loop of a ufunc; 'FOLD', one that makes a single number of an operand; 'SPAN', a native
        builtin of the operands' ndarrays and the result's; or 'RULE', a function of ndarrays (and, where
        ``takes_parameters``, of parameters by name) that returns an array.
      run: the address, or the function.
      owner: what keeps the code at that address alive.
      data, extent, steps: LOOP and FOLD: what it is handed besides: the numbers of elements, and the bytes between
        those of each operand and of the result.
      start: FOLD: the state that it begins with; None: the first element.
    """

    kind: str
    run: Any
    owner: Any = None
    takes_parameters: bool = False
    data: int = 0
    extent: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()
    start: np.ndarray | None = None


_loops_of = functools.cache(driver.ufunc_loops)


def loop(ufunc: np.ufunc, operands: Sequence[ShapedArray], out: ShapedArray) -> Way | None:
    """The inner loop of a ufunc on arrays without gaps of the result's shape, and on scalars; None if there is none."""
    if any(x.shape and x.shape != out.shape for x in operands):
        return None
    types = [np.dtype(x.dtype) for x in (*operands, out)]
    found = _loops_of(ufunc).get(tuple(dtype.num for dtype in types))
    if found is None:
        return None
    steps = [dtype.itemsize if x.shape == out.shape else 0 for x, dtype in zip((*operands, out), types, strict=True)]
    return Way("LOOP", found[0], ufunc, data=found[1], extent=(out.size,), steps=tuple(steps))


def product(lhs: ShapedArray, rhs: ShapedArray) -> Way | None:
    """The inner loop of ``np.matmul`` on two matrices of one dtype; None if there is none."""
    dtype = np.dtype(lhs.dtype)
    found = _loops_of(np.matmul).get((dtype.num,) * 3)
    if found is None:
        return None
    (rows, inner), columns, size = lhs.shape, rhs.shape[1], dtype.itemsize
    between = (inner * size, size, columns * size, size, columns * size, size)
    return Way("LOOP", found[0], np.matmul, data=found[1], extent=(1, rows, inner, columns), steps=(0, 0, 0, *between))


def fold(ufunc: np.ufunc, operand: ShapedArray, out: ShapedArray) -> Way | None:
    """``ufunc.reduce`` over all axes of an array without gaps, by its inner loop; None if there is none."""
    dtype = np.dtype(operand.dtype)
    found = _loops_of(ufunc).get((dtype.num,) * 3)
    wider = dtype.kind == "f" and dtype.itemsize < 4
    if found is None or wider or not operand.size or out.dtype != dtype:
        return None
    start = None
    if ufunc.identity is not None:
        # NumPy's sums begin with -0, or did with 0.
        start = np.asarray(ufunc.reduce(np.full(1, ufunc.identity or -0.0).astype(dtype)), dtype)
    return Way(
        "FOLD", found[0], ufunc, data=found[1], extent=(operand.size,), steps=(0, dtype.itemsize, 0), start=start
    )
