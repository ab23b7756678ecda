"""Primitives that transforms emit: add_any, broadcast_in_dim, transpose, reduce_sum, convert_element_type.

Only what they are called, what type they give, and how to bind them. Parameters are normalised here: shapes, axes and
permutations are tuples of non-negative Python ints, axes are sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.errors import ShapeError
from cotan.ir.avals import Shape, ShapedArray, shaped
from cotan.ir.primitive import Primitive, abstract

add_any_p = Primitive("add_any")
broadcast_in_dim_p = Primitive("broadcast_in_dim", required=True)
transpose_p = Primitive("transpose", required=True)
reduce_sum_p = Primitive("reduce_sum")
convert_element_type_p = Primitive("convert_element_type", required=True)


def add_any(x: Any, y: Any) -> Any:
    """The sum of two tangents or cotangents of one type. (As for all elementwise operations, one may be a scalar.)"""
    return add_any_p.bind(x, y)


@abstract(add_any_p)
def _add_any_abstract(x: ShapedArray, y: ShapedArray) -> ShapedArray:
    if x is y:
        return x
    if (x.shape != y.shape and x.shape and y.shape) or x.dtype != y.dtype:
        raise TypeError(f"add_any got operands of different types, {x.short()} and {y.short()}")
    return shaped(x.shape or y.shape, x.dtype, x.weak_type and y.weak_type)


def broadcast_in_dim(
    operand: Any, shape: Sequence[int], broadcast_dimensions: Sequence[int], *, out_sharding: Any = None
) -> Any:
    """``operand`` repeated to ``shape``; its axis k becomes axis ``broadcast_dimensions[k]`` of the result.

    ``out_sharding`` is accepted, and without meaning on one device.

    Raises:
      ValueError: the dimensions are not increasing, out of range, or of sizes that do not agree (equal or 1).
    """
    return broadcast_in_dim_p.bind(
        operand, shape=tuple(map(index, shape)), broadcast_dimensions=tuple(map(index, broadcast_dimensions))
    )


@abstract(broadcast_in_dim_p)
def _broadcast_in_dim_abstract(operand: ShapedArray, *, shape: Shape, broadcast_dimensions: Shape) -> ShapedArray:
    if len(broadcast_dimensions) != len(operand.shape):
        raise ValueError(
            f"broadcast_in_dim: broadcast_dimensions must have one entry per axis of the operand, got "
            f"{broadcast_dimensions} for an operand of shape {operand.shape}"
        )
    previous = -1
    for axis, extent in zip(broadcast_dimensions, operand.shape, strict=True):
        if not previous < axis < len(shape):
            raise ShapeError(
                f"broadcast_in_dim: broadcast_dimensions must be increasing axes of the result, got "
                f"{broadcast_dimensions} for the shape {shape}"
            )
        previous = axis
        if extent not in (1, shape[axis]):
            raise ShapeError(
                f"broadcast_in_dim: an operand of shape {operand.shape} does not broadcast to {shape} along "
                f"{broadcast_dimensions}: sizes must be equal or 1"
            )
    if any(extent < 0 for extent in shape):
        raise ShapeError(f"broadcast_in_dim: sizes must not be negative, got the shape {shape}")
    return shaped(shape, operand.dtype, operand.weak_type)


def transpose(operand: Any, permutation: Sequence[int]) -> Any:
    """``operand`` with its axes in the order ``permutation``.

    Raises:
      ShapeError: ``permutation`` is not a permutation of the operand's axes.
    """
    return transpose_p.bind(operand, permutation=tuple(map(index, permutation)))


@abstract(transpose_p)
def _transpose_abstract(operand: ShapedArray, *, permutation: Shape) -> ShapedArray:
    if sorted(permutation) != list(range(len(operand.shape))):
        raise ShapeError(
            f"transpose: permutation must hold each axis of the operand once, got {permutation} for an operand of "
            f"shape {operand.shape}"
        )
    return shaped(tuple(operand.shape[axis] for axis in permutation), operand.dtype, operand.weak_type)


def reduce_sum(operand: Any, axes: Sequence[int], *, out_sharding: Any = None) -> Any:
    """The sum of ``operand`` over ``axes``, in its own dtype.

    ``out_sharding`` is accepted, and without meaning on one device.

    Raises:
      ValueError: an axis is out of range or given twice.
      TypeError: the operand is not numeric.
    """
    return reduce_sum_p.bind(operand, axes=tuple(sorted(map(index, axes))))


@abstract(reduce_sum_p)
def _reduce_sum_abstract(operand: ShapedArray, *, axes: Shape) -> ShapedArray:
    if not dtypes.issubdtype(operand.dtype, np.number):
        raise TypeError(
            f"reduce_sum does not accept dtype {dtypes.short_name(operand.dtype)}; it takes numbers. Convert it with "
            ".astype."
        )
    if len(set(axes)) != len(axes) or any(not 0 <= axis < len(operand.shape) for axis in axes):
        raise ValueError(
            f"reduce_sum: axes must be distinct axes of the operand, got {axes} for an operand of shape {operand.shape}"
        )
    return shaped(
        tuple(extent for axis, extent in enumerate(operand.shape) if axis not in axes), operand.dtype, operand.weak_type
    )


def convert_element_type(operand: Any, new_dtype: Any, weak_type: bool = False) -> Any:
    """``operand`` with its elements converted to ``new_dtype``; an array that is of that type already is itself."""
    new_dtype = dtypes.canonicalize_dtype(new_dtype)
    aval = getattr(operand, "aval", None)
    if aval is not None and aval.dtype is new_dtype and aval.weak_type == weak_type:
        return operand
    return convert_element_type_p.bind(operand, new_dtype=new_dtype, weak_type=weak_type)


@abstract(convert_element_type_p)
def _convert_element_type_abstract(operand: ShapedArray, *, new_dtype: Any, weak_type: bool) -> ShapedArray:
    if isinstance(operand.dtype, np.dtype) != isinstance(new_dtype, np.dtype):
        raise TypeError(
            f"convert_element_type cannot convert {dtypes.short_name(operand.dtype)} to {dtypes.short_name(new_dtype)}"
        )
    return shaped(operand.shape, new_dtype, weak_type)
