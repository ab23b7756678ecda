"""Division of small integers by constants, such as pixels by 255: by the constant's reciprocal, and exact all the same.

A product with the reciprocal, corrected by what it leaves of the dividend, is the rounded quotient (P. Markstein,
Computation of elementary functions on the IBM RISC System/6000 processor, 1990), which is looked at for every integer
there is. Three instructions instead of a division. Knows numbers and instructions, no expressions.
"""

from __future__ import annotations

import functools

import numpy as np

from cotan_cpu.codegen.builder import Val
from cotan_cpu.codegen.floats import Floats

_WIDEST = 2.0**60
"""Divisors up to this size, and from its reciprocal on, have quotients of normal size."""


@functools.lru_cache(maxsize=256)
def reciprocal(dtype: np.dtype, divisor: float) -> float | None:
    """The float32 by which all integers of an 8-bit dtype are divided exactly by ``divisor``; None if there is none.

    >>> reciprocal(np.dtype(np.uint8), 255.0)
    0.003921568859368563
    >>> reciprocal(np.dtype(np.uint16), 255.0) is None
    True
    """
    if dtype.kind not in "iu" or dtype.itemsize != 1 or not 1 / _WIDEST <= abs(divisor) <= _WIDEST:
        return None
    single = np.float32(divisor)
    inverse = np.float32(1) / single
    x = np.arange(np.iinfo(dtype).min, np.iinfo(dtype).max + 1).astype(np.float32)
    quotient = x * inverse
    # In float64 the products are exact, and so is the rest, which is small.
    rest = x.astype(np.float64) - quotient.astype(np.float64) * np.float64(single)
    corrected = quotient + rest * np.float64(inverse)
    between = corrected.view(np.int64) & (1 << 29) - 1 == 1 << 28
    exact = (corrected.astype(np.float32) == x / single).all() and not between.any()
    return float(inverse) if exact else None


def of_integer(f: Floats, x: Val, divisor: float, inverse: float) -> Val:
    """x / divisor, where ``inverse`` is its ``reciprocal``."""
    quotient = f.mul(x, inverse)
    rest = f.fma(f.neg(quotient), divisor, x)
    return f.fma(rest, inverse, quotient)
