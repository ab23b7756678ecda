"""pad: an array with a value around and between its elements, or without some of its edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.ir import scalar
from cotan.ir.avals import Shape, ShapedArray, get_aval, shaped
from cotan.ir.index import Index
from cotan.ir.primitive import abstract, batch, decompose, kernel, reference
from cotan.primitives.compare import select_n
from cotan.primitives.define import first_order, linear
from cotan.primitives.operands import PYTHON_SCALARS, scalar_of, shape_of
from cotan.primitives.shape import concatenate, ints, reshape, to_front
from cotan.primitives.slice import slice as slice_
from cotan.primitives.slice import slice_along
from cotan.structural import UndefinedPrimal, broadcast_in_dim, reduce_sum, zeros_like_aval

pad_p = first_order("pad")
PaddingConfig = tuple[tuple[int, int, int], ...]


def pad(operand: Any, padding_value: Any, padding_config: Any) -> Any:
    """``operand`` with ``padding_value`` around and between its elements.

    Args:
      padding_value: a scalar of the operand's dtype.
      padding_config: per axis ``(low, high, interior)``: how many to put before, after, and between neighbours. Low and
        high may be negative, which removes elements (after the interior padding).

    Raises:
      TypeError: the padding value is not a scalar of the operand's dtype.
      ValueError: not one entry per axis, a negative interior, or an extent that would be negative.

    >>> from cotan import lax
    >>> lax.pad(lax.iota("int32", 3), -1, [(1, 0, 1)])
    Array([-1,  0, -1,  1, -1,  2], dtype=int32)
    """
    if type(padding_value) in PYTHON_SCALARS:
        padding_value = scalar_of(padding_value, get_aval(operand).dtype)
    config = tuple(ints("pad", "padding_config", entry) for entry in padding_config)
    return pad_p.bind(operand, padding_value, padding_config=config)


@abstract(pad_p)
def _pad_abstract(x: ShapedArray, value: ShapedArray, *, padding_config: PaddingConfig) -> ShapedArray:
    if value.shape or value.dtype != x.dtype:
        raise TypeError(
            f"pad: padding_value must be a scalar of dtype {dtypes.short_name(x.dtype)}, as the operand has; "
            f"got {value.short()}"
        )
    if len(padding_config) != len(x.shape) or any(len(entry) != 3 for entry in padding_config):
        raise ValueError(
            f"pad: padding_config must hold (low, high, interior) for each axis of an operand of shape {x.shape}, "
            f"got {padding_config}"
        )
    shape = _padded_shape(x.shape, padding_config)
    for axis, (extent, (_, _, interior)) in enumerate(zip(shape, padding_config, strict=True)):
        if interior < 0:
            raise ValueError(f"pad: the interior padding must not be negative, got {interior} for axis {axis}")
        if extent < 0:
            raise ValueError(
                f"pad: padding {padding_config[axis]} leaves a negative extent {extent} for axis {axis} of {x.shape}"
            )
    return shaped(shape, x.dtype, x.weak_type and value.weak_type)


def _padded_shape(shape: Shape, config: PaddingConfig) -> Shape:
    return tuple(lo + hi + n + max(n - 1, 0) * gap for n, (lo, hi, gap) in zip(shape, config, strict=True))


@linear(pad_p)
def _pad_transpose(ct: Any, x: Any, value: Any, *, padding_config: PaddingConfig) -> list[Any]:
    ct_x = ct_value = None
    if type(x) is UndefinedPrimal:
        zero = np.zeros((), get_aval(ct).dtype)
        widened = pad(ct, zero, tuple((-lo, -hi, 0) for lo, hi, _ in padding_config))
        strides = tuple(gap + 1 for _, _, gap in padding_config)
        ct_x = slice_(widened, (0,) * len(strides), shape_of(widened), strides)
    if type(value) is UndefinedPrimal:
        covered = broadcast_in_dim(np.zeros((), np.bool_), shape_of(x) if ct_x is None else shape_of(ct_x), ())
        outside = pad(covered, np.ones((), np.bool_), padding_config)
        ct_value = reduce_sum(select_n(outside, _zeros_like(ct), ct), tuple(range(len(shape_of(ct)))))
    return [ct_x, ct_value]


def _zeros_like(x: Any) -> Any:
    return zeros_like_aval(get_aval(x))


@batch(pad_p)
def _pad_batch(axis: Any, args: Sequence[Any], dims: Sequence[Any], *, padding_config: PaddingConfig) -> Any:
    (x, value), (x_dim, value_dim) = args, dims
    if value_dim is None:
        config = (*padding_config[:x_dim], (0, 0, 0), *padding_config[x_dim:])
        return pad_p.bind(x, value, padding_config=config), x_dim
    x = to_front(axis, x, x_dim)
    config = ((0, 0, 0), *padding_config)
    padded = pad_p.bind(x, np.zeros((), get_aval(x).dtype), padding_config=config)
    covered = broadcast_in_dim(np.zeros((), np.bool_), shape_of(x), ())
    outside = pad_p.bind(covered, np.ones((), np.bool_), padding_config=config)
    return select_n(outside, padded, broadcast_in_dim(value, shape_of(padded), (0,))), 0


@reference(pad_p)
def _pad_reference(x: Any, value: Any, *, padding_config: PaddingConfig) -> Any:
    out = np.full(_padded_shape(x.shape, padding_config), value, x.dtype)
    into, of = [], []
    for n, extent, (lo, _, gap) in zip(x.shape, out.shape, padding_config, strict=True):
        step = gap + 1
        first = max(0, -(lo // step))  # the first element that lands at or after 0
        last = min(n - 1, (extent - 1 - lo) // step)
        if last < first:
            return out
        of.append(slice(first, last + 1))
        into.append(slice(lo + first * step, lo + last * step + 1, step))
    out[tuple(into)] = x[tuple(of)]
    return out


@kernel(pad_p)
def _pad_kernel(i: Any, x: scalar.Operand, value: scalar.Operand, *, padding_config: PaddingConfig) -> Any:
    conditions: list[tuple[Index, int, int]] = []
    where: list[Index] = []
    for index, n, (lo, _, gap) in zip(i, x.shape, padding_config, strict=True):
        step = gap + 1
        whole = -(-lo // step)
        shifted = index + (whole * step - lo)  # not negative, so that its quotient and remainder are defined everywhere
        if step > 1:
            conditions.append((shifted % step, 0, 1))
        where.append(shifted // step - whole)
        conditions.append((where[-1], 0, n))
    return scalar.guard(conditions, lambda: x[tuple(where)], value[()])


@decompose(pad_p)
def _pad_decompose(x: Any, value: Any, *, padding_config: PaddingConfig) -> Any:
    for dim, (lo, hi, gap) in enumerate(padding_config):
        before, n, after = shape_of(x)[:dim], shape_of(x)[dim], shape_of(x)[dim + 1 :]
        if gap and n > 1:
            gaps = broadcast_in_dim(value, (*before, n, gap, *after), ())
            joined = concatenate([reshape(x, (*before, n, 1, *after)), gaps], dim + 1)
            n += (n - 1) * gap
            x = slice_along(reshape(joined, (*before, n + gap, *after)), dim, 0, n)
        low = [broadcast_in_dim(value, (*before, lo, *after), ())] if lo > 0 else []
        high = [broadcast_in_dim(value, (*before, hi, *after), ())] if hi > 0 else []
        x = concatenate([*low, x, *high], dim)
        x = slice_along(x, dim, max(-lo, 0), shape_of(x)[dim] - max(-hi, 0))
    return x
