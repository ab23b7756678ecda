"""Symbolic zeros and what else stands for a value in derivative rules.

A ``Zero`` is a tangent or cotangent known to vanish; it is made an array only where an array must be.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes
from cotan.ir.avals import ShapedArray
from cotan.structural.operations import add_any, broadcast_in_dim


class Zero:
    """A tangent or cotangent of type ``aval`` that is zero everywhere."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    def __repr__(self) -> str:
        return f"Zero({self.aval.short()})"


class UndefinedPrimal:
    """Stands for an operand of type ``aval`` in which an equation is linear, while it is transposed."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    def __repr__(self) -> str:
        return f"UndefinedPrimal({self.aval.short()})"


class NotLinearError(TypeError):
    """A program that is transposed combines two values in which it should be linear."""


def zeros_like_aval(aval: ShapedArray) -> Any:
    """An array of zeros of type ``aval``, bound in the current trace (a scalar is a plain NumPy or Python scalar)."""
    dtype = aval.dtype
    if dtype == dtypes.float0:
        return np.zeros(aval.shape, dtypes.float0)
    zero: Any = np.zeros((), dtype)
    if aval.weak_type:
        zero = zero.item()
    return broadcast_in_dim(zero, aval.shape, ()) if aval.shape else zero


def instantiate(tangent: Any) -> Any:
    """``tangent`` as an array: itself, or zeros if it is symbolic."""
    return zeros_like_aval(tangent.aval) if type(tangent) is Zero else tangent


def add_tangents(x: Any, y: Any) -> Any:
    """The sum of two tangents or cotangents, either of which may be symbolic."""
    if type(x) is Zero:
        return y
    if type(y) is Zero:
        return x
    return add_any(x, y)
