"""Functions of cotan.lax that are compositions of primitives. Strict: no rank promotion, no dtype promotion."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.errors import ShapeError
from cotan.ir.avals import described_aval, get_aval, is_array_like, valueless
from cotan.primitives import dot as dot_family
from cotan.primitives import shape as shape_family
from cotan.primitives import slice as slice_family
from cotan.primitives import sort as sort_family
from cotan.primitives.arithmetic import integer_pow
from cotan.primitives.cast import convert_element_type
from cotan.primitives.compare import select_n
from cotan.primitives.operands import PYTHON_SCALARS
from cotan.primitives.random_bits import random_wrap


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The common shape of NumPy's broadcasting.

    Raises:
      ShapeError: there is none.
    """
    try:
        return tuple(np.broadcast_shapes(*map(tuple, shapes)))
    except ValueError:
        raise ShapeError(
            f"incompatible shapes for broadcasting: {', '.join(str(tuple(s)) for s in shapes)}; extents must be equal "
            "or 1"
        ) from None


def full(shape: int | Sequence[int], fill_value: Any, dtype: Any = None, *, sharding: Any = None) -> Any:
    """An array of ``shape`` filled with a scalar; keys are filled with a key, or with a number for each of their words.

    >>> from cotan import lax
    >>> lax.full((2,), 7, "int32")
    Array([7, 7], dtype=int32)
    """
    aval = get_aval(fill_value)
    if aval.shape:
        raise TypeError(f"full: fill_value must be a scalar, got shape {aval.shape}")
    weak = dtype is None and aval.weak_type
    dtype = aval.dtype if dtype is None else dtypes.canonicalize_dtype(dtype)
    shape = (operator.index(shape),) if isinstance(shape, int | np.integer) else tuple(map(operator.index, shape))
    if isinstance(dtype, dtypes.KeyType) and aval.dtype != dtype:
        return random_wrap(full(shape + dtype.trailing, fill_value, np.uint32), impl=dtype.impl)
    if type(fill_value) is complex and dtype.kind not in "cb":
        raise TypeError(f"full: {fill_value} is complex, and {dtype} has no imaginary part; fill with its .real")
    if dtypes.issubdtype(dtype, np.integer) and dtypes.issubdtype(aval.dtype, np.inexact):
        value = convert_element_type(fill_value, dtype)  # saturates, as all conversions to integers do
    elif type(fill_value) in PYTHON_SCALARS and not weak:
        value = dtypes.constant(fill_value, dtype)
    elif isinstance(fill_value, bool | int | float | complex | np.ndarray | np.generic):
        with np.errstate(all="ignore"):
            scalar = np.asarray(fill_value).astype(dtype)
        value = convert_element_type(scalar, dtype, weak_type=weak) if weak else scalar
    else:
        value = convert_element_type(fill_value, dtype, weak_type=weak)
    return shape_family.broadcast_in_dim(value, shape, ())


def full_like(
    x: Any, fill_value: Any, dtype: Any = None, shape: int | Sequence[int] | None = None, sharding: Any = None
) -> Any:
    """``full`` with the shape and dtype of ``x`` where they are not given.

    ``x`` is an array, or anything that has a shape and a dtype, as ``ShapeDtypeStruct`` has; then the result is strong.
    """
    aval = described_aval(x) or get_aval(x)
    filled = full(aval.shape if shape is None else shape, fill_value, aval.dtype if dtype is None else dtype)
    weak = dtype is None and aval.weak_type and is_array_like(x) and type(x) not in valueless
    return convert_element_type(filled, aval.dtype, weak_type=True) if weak else filled


def zeros_like_array(x: Any) -> Any:
    """Zeros of the shape and dtype of ``x``."""
    return full_like(x, 0)


def iota(dtype: Any, size: int) -> Any:
    """0, 1, ..., size-1 of ``dtype``."""
    return shape_family.iota(dtype, size)


def broadcasted_iota(dtype: Any, shape: Sequence[int], dimension: int, *, out_sharding: Any = None) -> Any:
    """An array of ``shape`` that counts along ``dimension``."""
    return shape_family.broadcasted_iota(dtype, tuple(map(operator.index, shape)), operator.index(dimension))


def broadcast(operand: Any, sizes: Sequence[int], *, out_sharding: Any = None) -> Any:
    """``operand`` with new leading dimensions of the given sizes."""
    aval = get_aval(operand)
    sizes = tuple(map(operator.index, sizes))
    dims = tuple(range(len(sizes), len(sizes) + len(aval.shape)))
    return shape_family.broadcast_in_dim(operand, sizes + aval.shape, dims)


def broadcast_to_rank(x: Any, rank: int) -> Any:
    """``x`` with leading dimensions of extent 1 up to ``rank``."""
    missing = rank - get_aval(x).ndim
    return shape_family.expand_dims(x, tuple(range(missing))) if missing else x


def select(pred: Any, on_true: Any, on_false: Any) -> Any:
    """``on_true`` where ``pred``, else ``on_false``; ``pred`` has their shape or is a scalar."""
    return select_n(pred, on_false, on_true)


def collapse(operand: Any, start_dimension: int, stop_dimension: int | None = None) -> Any:
    """Dimensions start..stop-1 as one."""
    shape = get_aval(operand).shape
    low, high, _ = slice(start_dimension, stop_dimension).indices(len(shape))
    if high < low:
        raise ValueError(
            f"collapse: dimensions {start_dimension}..{stop_dimension} do not lie in an array of rank {len(shape)}"
        )
    merged = int(np.prod(shape[low:high])) if high > low else 1
    return shape_family.reshape(operand, (*shape[:low], merged, *shape[high:]))


def dot(
    lhs: Any,
    rhs: Any,
    *,
    dimension_numbers: Any = None,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Vector/vector, matrix/vector, vector/matrix or matrix/matrix product; with ``dimension_numbers``, any other.

    Args:
      dimension_numbers, precision, preferred_element_type: as those of ``dot_general``.
      out_sharding: accepted, and without meaning on one device.

    Raises:
      ValueError: no ``dimension_numbers``, and other ranks, or extents that don't match.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.dot(np.ones((5, 2, 3)), np.ones((5, 3)), dimension_numbers=(((2,), (1,)), ((0,), (0,)))).shape
    (5, 2)
    """
    a, b = get_aval(lhs), get_aval(rhs)
    if dimension_numbers is None:
        if not (1 <= a.ndim <= 2 and 1 <= b.ndim <= 2 and a.shape[-1] == b.shape[0]):
            raise ValueError(
                f"dot: incompatible shapes {a.shape} and {b.shape}: the last axis of the first must have the extent of "
                "the first axis of the second; name other axes by dimension_numbers, as in dot_general"
            )
        dimension_numbers = (((a.ndim - 1,), (0,)), ((), ()))
    return dot_family.dot_general(
        lhs, rhs, dimension_numbers, precision=precision, preferred_element_type=preferred_element_type
    )


def batch_matmul(lhs: Any, rhs: Any, precision: Any = None) -> Any:
    """Matrix products over equal leading dimensions."""
    a, b = get_aval(lhs), get_aval(rhs)
    if a.ndim != b.ndim or a.ndim < 2:
        raise TypeError(
            f"batch_matmul: arguments must have the same rank of at least 2, got shapes {a.shape}, {b.shape}"
        )
    batch = tuple(range(a.ndim - 2))
    dimension_numbers = (((a.ndim - 1,), (a.ndim - 2,)), (batch, batch))
    return dot_family.dot_general(lhs, rhs, dimension_numbers, precision=precision)


def _axis(axis: int, ndim: int, fun_name: str) -> int:
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise ValueError(f"{fun_name}: axis {axis} is out of range for an array of {ndim} dimensions")
    return axis % ndim


def slice_in_dim(operand: Any, start_index: int | None, limit_index: int | None, stride: int = 1, axis: int = 0) -> Any:
    """``operand[start:limit:stride]`` along one axis; negative bounds count from the end."""
    shape = get_aval(operand).shape
    axis = _axis(axis, len(shape), "slice_in_dim")
    extent = shape[axis]

    def bound(value: int | None, default: int) -> int:
        value = default if value is None else operator.index(value)
        return value + extent if value < 0 else value

    starts, limits, strides = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis], limits[axis], strides[axis] = (
        bound(start_index, 0),
        bound(limit_index, extent),
        operator.index(stride),
    )
    return slice_family.slice(operand, starts, limits, strides)


def index_in_dim(operand: Any, index: int, axis: int = 0, keepdims: bool = True) -> Any:
    """Element ``index`` along one axis."""
    shape = get_aval(operand).shape
    axis = _axis(axis, len(shape), "index_in_dim")
    index, extent = operator.index(index), shape[axis]
    if not -extent <= index < extent:
        raise IndexError(
            f"index_in_dim: index {index} is out of range for axis {axis} of extent {extent}; dynamic_index_in_dim "
            "clamps"
        )
    index %= extent
    piece = slice_in_dim(operand, index, index + 1, 1, axis)
    return piece if keepdims else shape_family.squeeze(piece, (axis,))


def _starts(operand: Any, index: Any, axis: int, fun_name: str) -> tuple[list[Any], int]:
    ndim = get_aval(operand).ndim
    axis = _axis(axis, ndim, fun_name)
    starts: list[Any] = [0] * ndim
    starts[axis] = index
    return starts, axis


def dynamic_slice_in_dim(
    operand: Any, start_index: Any, slice_size: int, axis: int = 0, *, allow_negative_indices: bool = True
) -> Any:
    """``slice_size`` elements from a traced start along one axis (clamped so that they fit)."""
    starts, axis = _starts(operand, start_index, axis, "dynamic_slice_in_dim")
    sizes = list(get_aval(operand).shape)
    sizes[axis] = operator.index(slice_size)
    return slice_family.dynamic_slice(operand, starts, sizes, allow_negative_indices=allow_negative_indices)


def dynamic_index_in_dim(
    operand: Any, index: Any, axis: int = 0, keepdims: bool = True, *, allow_negative_indices: bool = True
) -> Any:
    """The element at a traced index along one axis (clamped)."""
    index = index if allow_negative_indices else _not_negative(index)
    piece = dynamic_slice_in_dim(operand, index, 1, axis, allow_negative_indices=allow_negative_indices)
    return (
        piece
        if keepdims
        else shape_family.squeeze(piece, (_axis(axis, get_aval(operand).ndim, "dynamic_index_in_dim"),))
    )


def dynamic_update_slice_in_dim(
    operand: Any, update: Any, start_index: Any, axis: int, *, allow_negative_indices: bool = True
) -> Any:
    """``operand`` with ``update`` written from a traced start along one axis."""
    starts, _ = _starts(operand, start_index, axis, "dynamic_update_slice_in_dim")
    return slice_family.dynamic_update_slice(operand, update, starts, allow_negative_indices=allow_negative_indices)


def dynamic_update_index_in_dim(
    operand: Any, update: Any, index: Any, axis: int, *, allow_negative_indices: bool = True
) -> Any:
    """``operand`` with the element at a traced index along one axis replaced."""
    ndim = get_aval(operand).ndim
    axis = _axis(axis, ndim, "dynamic_update_index_in_dim")
    if get_aval(update).ndim != ndim:
        update = shape_family.expand_dims(update, (axis,))
    index = index if allow_negative_indices else _not_negative(index)
    return dynamic_update_slice_in_dim(operand, update, index, axis, allow_negative_indices=allow_negative_indices)


def _not_negative(index: Any) -> Any:
    """An index that is known already, clamped as one that is not would be."""
    return max(int(index), 0) if isinstance(index, int | np.integer) else index


def reciprocal(x: Any) -> Any:
    """1 / x, for floating and complex dtypes."""
    return integer_pow(x, -1)


def sort_key_val(keys: Any, values: Any, dimension: int = -1, is_stable: bool = True) -> tuple[Any, Any]:
    """``keys`` sorted along ``dimension``, and ``values`` in the same order."""
    sorted_keys, sorted_values = sort_family.sort((keys, values), dimension=dimension, is_stable=is_stable, num_keys=1)
    return sorted_keys, sorted_values
