"""gather: windows of an array at computed starts, in full dimension-number form. All rules of one primitive."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import Shape, ShapedArray, get_aval, shaped, tangent_aval
from cotan.ir.primitive import abstract, batch, cost, decompose, kernel, reference
from cotan.primitives import taylor
from cotan.primitives.compare import select_n
from cotan.primitives.define import first_order
from cotan.primitives.operands import move_axis, shape_of
from cotan.primitives.shape import ints, inverse, reshape
from cotan.primitives.slice import as_indices
from cotan.primitives.windows import (
    GatherScatterMode,
    Windows,
    check_axes,
    check_indices,
    inside_element,
    look_up,
    windows,
)
from cotan.structural import UndefinedPrimal, Zero, broadcast_in_dim, transpose, zeros_like_aval

__all__ = ["GatherDimensionNumbers", "GatherScatterMode", "gather", "gather_p"]

gather_p = first_order("gather")


class GatherDimensionNumbers(NamedTuple):
    """How the axes of operand, indices and result of a gather relate. The indices' last axis holds index vectors.

    Attributes:
      offset_dims: places in the result of the window's axes, ascending.
      collapsed_slice_dims: axes of the operand with window extent 1 that the result does not have.
      start_index_map: for each component of an index vector the axis of the operand it speaks of.
      operand_batching_dims, start_indices_batching_dims: axes of operand and indices that go together.
    """

    offset_dims: Shape
    collapsed_slice_dims: Shape
    start_index_map: Shape
    operand_batching_dims: Shape = ()
    start_indices_batching_dims: Shape = ()


def gather(
    operand: Any,
    start_indices: Any,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Any,
    *,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    mode: str | GatherScatterMode | None = None,
    fill_value: Any = None,
) -> Any:
    """Windows of ``operand``, one per index vector.

    Args:
      start_indices: integers [..., components]; each vector is where a window begins.
      dimension_numbers: how axes relate.
      slice_sizes: the window's extent along each axis of the operand.
      unique_indices, indices_are_sorted: promises that a backend may use.
      mode: what windows that are not wholly inside mean, see ``GatherScatterMode``; None promises that all are.
      fill_value: a scalar for mode 'fill'; by default NaN, the least signed or greatest unsigned integer, or True.

    Returns:
      An array of the operand's dtype: the indices' axes but the last, and the window's axes at ``offset_dims``.

    Raises:
      TypeError: shapes and dimension numbers do not fit together.

    >>> import numpy as np
    >>> from cotan import lax
    >>> numbers = lax.GatherDimensionNumbers(offset_dims=(), collapsed_slice_dims=(0,), start_index_map=(0,))
    >>> lax.gather(np.float32([5, 6, 7]), np.int32([[2], [0]]), numbers, (1,))
    Array([7., 5.], dtype=float32)
    """
    mode = GatherScatterMode.PROMISE_IN_BOUNDS if mode is None else GatherScatterMode.from_any(mode)
    dtype = get_aval(operand).dtype
    if mode is GatherScatterMode.ONE_HOT:
        mode, fill_value = GatherScatterMode.FILL_OR_DROP, 0
    fill = _fill_value(dtype, fill_value) if mode is GatherScatterMode.FILL_OR_DROP else None
    return gather_p.bind(
        operand,
        as_indices(start_indices),
        dimension_numbers=GatherDimensionNumbers(*(ints("gather", "dimension_numbers", d) for d in dimension_numbers)),
        slice_sizes=ints("gather", "slice_sizes", slice_sizes),
        unique_indices=bool(unique_indices),
        indices_are_sorted=bool(indices_are_sorted),
        mode=mode,
        fill_value=fill,
    )


def _fill_value(dtype: Any, value: Any) -> Any:
    """The fill value as a Python scalar that is equal to itself where it can be (NaN is always the same object)."""
    if value is None:
        if dtypes.issubdtype(dtype, np.inexact):
            return math.nan
        if dtypes.issubdtype(dtype, np.bool_):
            return True
        if dtypes.issubdtype(dtype, np.integer):
            info = dtypes.iinfo(dtype)
            return int(info.min if dtypes.issubdtype(dtype, np.signedinteger) else info.max)
        return 0
    if np.ndim(value):
        raise TypeError(f"gather: fill_value must be a scalar, got shape {np.shape(value)}")
    value = np.asarray(value).item()
    if isinstance(value, float) and dtypes.issubdtype(dtype, np.integer):
        info = dtypes.iinfo(dtype)
        return 0 if value != value else int(min(max(value, int(info.min)), int(info.max)))
    return math.nan if isinstance(value, float) and value != value else value


def _windows(operand: Shape, indices: Shape, numbers: GatherDimensionNumbers, slice_sizes: Shape) -> Windows:
    return windows(
        operand,
        indices[:-1],
        slice_sizes,
        numbers.start_index_map,
        numbers.collapsed_slice_dims,
        numbers.operand_batching_dims,
        numbers.start_indices_batching_dims,
        numbers.offset_dims,
    )


@abstract(gather_p)
def _gather_abstract(
    x: ShapedArray, indices: ShapedArray, *, dimension_numbers: GatherDimensionNumbers, slice_sizes: Shape, **_: Any
) -> ShapedArray:
    offsets, collapsed, starts, batching, indices_batching = dimension_numbers
    check_indices("gather", "start_index_map", x, indices, starts, (batching, indices_batching))
    check_axes("gather", "collapsed_slice_dims", collapsed, x.ndim)
    if set(collapsed) & set(batching):
        raise TypeError(
            f"gather: collapsed_slice_dims {collapsed} and operand_batching_dims {batching} overlap; an axis is one or "
            "the other"
        )
    if len(offsets) != x.ndim - len(collapsed) - len(batching):
        raise TypeError(
            f"gather: offset_dims must name one axis of the result for each axis of the window, "
            f"{x.ndim - len(collapsed) - len(batching)}, got {offsets}"
        )
    rank = len(offsets) + indices.ndim - 1
    check_axes("gather", "offset_dims", offsets, rank)
    if len(slice_sizes) != x.ndim:
        raise TypeError(f"gather: slice_sizes needs one extent per axis of the operand {x.shape}, got {slice_sizes}")
    for d, (size, n) in enumerate(zip(slice_sizes, x.shape, strict=True)):
        if d in batching or d in collapsed:
            if size != 1 or (d in collapsed and n < 1):
                raise TypeError(
                    f"gather: slice_sizes must be 1, and fit, along collapsed and batching axes; "
                    f"got {size} for axis {d} of an operand of shape {x.shape}"
                )
        elif not 0 <= size <= n:
            raise TypeError(
                f"gather: slice_sizes {slice_sizes} do not fit into an operand of shape {x.shape}; none may exceed its "
                "axis"
            )
    window = iter(size for d, size in enumerate(slice_sizes) if d not in collapsed and d not in batching)
    rest = iter(indices.shape[:-1])
    shape = tuple(next(window) if place in offsets else next(rest) for place in range(rank))
    return shaped(shape, x.dtype, x.weak_type)


@tables.jvp(gather_p)
def _gather_jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
    x, indices = primals
    out = gather_p.bind(x, indices, **params)
    if type(tangents[0]) is Zero:
        return out, Zero(tangent_aval(get_aval(out)))
    return out, gather_p.bind(tangents[0], indices, **_without_fill(params))


def _without_fill(params: dict[str, Any]) -> dict[str, Any]:
    return params if params["fill_value"] is None else {**params, "fill_value": 0}


taylor.linear(gather_p, fill_value=lambda fill: None if fill is None else 0)


@tables.transpose(gather_p)
def _gather_transpose(
    ct: Any,
    x: UndefinedPrimal,
    indices: Any,
    *,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Shape,
    unique_indices: bool,
    indices_are_sorted: bool,
    mode: GatherScatterMode,
    fill_value: Any,
) -> list[Any]:
    from cotan.primitives.scatter import ScatterDimensionNumbers, scatter_add

    numbers = ScatterDimensionNumbers(
        update_window_dims=dimension_numbers.offset_dims,
        inserted_window_dims=dimension_numbers.collapsed_slice_dims,
        scatter_dims_to_operand_dims=dimension_numbers.start_index_map,
        operand_batching_dims=dimension_numbers.operand_batching_dims,
        scatter_indices_batching_dims=dimension_numbers.start_indices_batching_dims,
    )
    zeros = zeros_like_aval(x.aval.strip_weak_type())
    flags = {"indices_are_sorted": indices_are_sorted, "unique_indices": unique_indices}
    return [scatter_add(zeros, indices, ct, numbers, mode=mode, **flags), None]


@batch(gather_p)
def _gather_batch(
    axis: Any,
    args: Sequence[Any],
    dims: Sequence[Any],
    *,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Shape,
    **params: Any,
) -> Any:
    (x, indices), (x_dim, indices_dim) = args, dims
    offsets, collapsed, starts, batching, indices_batching = dimension_numbers
    if x_dim is not None:  # the operand has a new axis 0
        x = move_axis(x, x_dim, 0)
        collapsed, starts, batching = (tuple(d + 1 for d in axes) for axes in (collapsed, starts, batching))
    if indices_dim is not None:
        indices = move_axis(indices, indices_dim, 0)
        indices_batching = tuple(d + 1 for d in indices_batching)
    offsets = tuple(d + 1 for d in offsets)
    if indices_dim is None:  # all of the new axis is part of every window
        slice_sizes, offsets = (axis.size, *slice_sizes), (0, *offsets)
    elif x_dim is not None:  # the new axes go together
        slice_sizes, batching, indices_batching = (1, *slice_sizes), (0, *batching), (0, *indices_batching)
    numbers = GatherDimensionNumbers(offsets, collapsed, starts, batching, indices_batching)
    return gather_p.bind(x, indices, dimension_numbers=numbers, slice_sizes=slice_sizes, **params), 0


@reference(gather_p)
def _gather_reference(
    x: Any,
    indices: Any,
    *,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Shape,
    mode: GatherScatterMode,
    fill_value: Any,
    **_: Any,
) -> Any:
    geometry = _windows(x.shape, indices.shape, dimension_numbers, slice_sizes)
    view = geometry.view(x)
    points = geometry.points(indices)
    if points:
        out = np.asarray(view.take(points[0], 0) if len(points) == 1 else view[points])
    else:
        out = np.broadcast_to(view, geometry.batch + view.shape).copy()
    if mode is GatherScatterMode.FILL_OR_DROP:
        inside = geometry.inside(indices)
        if inside is not None:
            out[~inside] = fill_value
    places = geometry.places
    return out if places == tuple(range(len(places))) else out.transpose(inverse(places)).copy()


@kernel(gather_p)
def _gather_kernel(
    i: Any,
    x: scalar.Operand,
    indices: scalar.Operand,
    *,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Shape,
    mode: GatherScatterMode,
    fill_value: Any,
    **_: Any,
) -> Any:
    geometry = _windows(x.shape, indices.shape, dimension_numbers, slice_sizes)
    starts, point = geometry.kernel_point(i, indices)
    if mode is not GatherScatterMode.FILL_OR_DROP:
        return x[point]
    # The clamped load is in bounds everywhere, so a plain choice will do.
    return scalar.select(inside_element(starts, geometry), x[point], scalar.const(fill_value, x.dtype))


@decompose(gather_p)
def _gather_decompose(
    x: Any,
    indices: Any,
    *,
    dimension_numbers: GatherDimensionNumbers,
    slice_sizes: Shape,
    mode: GatherScatterMode,
    fill_value: Any,
    **_: Any,
) -> Any:
    """Number the rows of the operand, and look every row up by a tree of choices."""
    geometry = _windows(shape_of(x), shape_of(indices), dimension_numbers, slice_sizes)
    indices = as_indices(indices)
    out = look_up(geometry.rows(x), geometry.row_numbers(indices))
    shape = geometry.point_shape + geometry.whole_shape
    out = reshape(out, shape)
    if mode is GatherScatterMode.FILL_OR_DROP:
        inside = broadcast_in_dim(geometry.fits(indices), shape, tuple(range(len(geometry.batch))))
        fill = np.asarray(fill_value).astype(get_aval(x).dtype)
        out = select_n(inside, broadcast_in_dim(fill, shape, ()), out)
    return transpose(out, inverse(geometry.places))


cost[gather_p] = lambda ins, outs, **params: (0, 2 * outs[0].nbytes + ins[1].nbytes)
