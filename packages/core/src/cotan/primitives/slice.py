"""Slices: slice (static), dynamic_slice and dynamic_update_slice (starts known at run time, clamped so that they fit).

Starts of the dynamic ones are scalar operands. The public functions count negative starts from the end, once; the
primitives themselves only clamp.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import Shape, ShapedArray, get_aval, shaped
from cotan.ir.index import ZERO, Index, const_index
from cotan.ir.primitive import abstract, alias, batch, cost, decompose, kernel, reference
from cotan.primitives import taylor
from cotan.primitives.arithmetic import add
from cotan.primitives.compare import bitwise_and, ge, gt, lt, ne, select_n
from cotan.primitives.define import BASIC, first_order, linear
from cotan.primitives.operands import move_axis, shape_of
from cotan.primitives.shape import broadcasted_iota, concatenate, ints, reshape, to_front
from cotan.structural import (
    UndefinedPrimal,
    Zero,
    broadcast_in_dim,
    convert_element_type,
    instantiate,
    zeros_like_aval,
)

# ---- slice ----------------------------------------------------------------------------------------------------------

slice_p = first_order("slice", required=True)


def slice(operand: Any, start_indices: Any, limit_indices: Any, strides: Any = None) -> Any:
    """``operand[start:limit:stride]`` along every axis, with bounds known while tracing.

    Args:
      start_indices, limit_indices: per axis ``0 <= start <= limit <= extent``.
      strides: per axis a positive step; None for 1 everywhere.

    Raises:
      TypeError: bounds that are not integers, out of range or too few.

    >>> from cotan import lax
    >>> lax.slice(lax.iota("int32", 6), (1,), (6,), (2,))
    Array([1, 3, 5], dtype=int32)
    """
    starts = ints("slice", "start_indices", start_indices)
    limits = ints("slice", "limit_indices", limit_indices)
    steps = None if strides is None else ints("slice", "strides", strides)
    if steps is not None and all(step == 1 for step in steps):
        steps = None
    return slice_p.bind(operand, start_indices=starts, limit_indices=limits, strides=steps)


def slice_along(x: Any, dim: int, start: int, limit: int, stride: int = 1) -> Any:
    """``x[start:limit:stride]`` along axis ``dim``; ``x`` itself if that is all of it."""
    shape = shape_of(x)
    if (start, limit, stride) == (0, shape[dim], 1):
        return x
    starts, limits = [0] * len(shape), list(shape)
    starts[dim], limits[dim] = start, limit
    strides = None if stride == 1 else tuple(stride if d == dim else 1 for d in range(len(shape)))
    return slice_p.bind(x, start_indices=tuple(starts), limit_indices=tuple(limits), strides=strides)


@abstract(slice_p)
def _slice_abstract(
    x: ShapedArray, *, start_indices: Shape, limit_indices: Shape, strides: Shape | None
) -> ShapedArray:
    steps = (1,) * x.ndim if strides is None else strides
    for what, values in (("start_indices", start_indices), ("limit_indices", limit_indices), ("strides", steps)):
        if len(values) != x.ndim:
            raise TypeError(f"slice: {what} needs one entry per axis of an operand of shape {x.shape}, got {values}")
    shape = []
    for axis, (start, limit, step) in enumerate(zip(start_indices, limit_indices, steps, strict=True)):
        if not 0 <= start <= limit <= x.shape[axis]:
            raise TypeError(
                f"slice: needs 0 <= start <= limit <= extent along axis {axis} of an operand of shape {x.shape}, "
                f"got start {start} and limit {limit}"
            )
        if step <= 0:
            raise TypeError(f"slice: strides must be positive, got {step} for axis {axis}")
        shape.append(-((start - limit) // step))
    return shaped(tuple(shape), x.dtype, x.weak_type)


@linear(slice_p)
def _slice_transpose(
    ct: Any, operand: UndefinedPrimal, *, start_indices: Shape, limit_indices: Shape, strides: Shape | None
) -> Any:
    from cotan.primitives.pad import pad_p

    steps = (1,) * len(start_indices) if strides is None else strides
    config = []
    for n, start, step, extent in zip(operand.aval.shape, start_indices, steps, shape_of(ct), strict=True):
        covered = extent + builtins.max(extent - 1, 0) * (step - 1)
        config.append((start, n - start - covered, step - 1))
    return pad_p.bind(ct, np.zeros((), get_aval(ct).dtype), padding_config=tuple(config))


@batch(slice_p)
def _slice_batch(
    axis: Any, args: Sequence[Any], dims: Sequence[int], *, start_indices: Shape, limit_indices: Shape, strides: Any
) -> Any:
    dim = dims[0]
    starts = (*start_indices[:dim], 0, *start_indices[dim:])
    limits = (*limit_indices[:dim], axis.size, *limit_indices[dim:])
    steps = None if strides is None else (*strides[:dim], 1, *strides[dim:])
    return slice_p.bind(args[0], start_indices=starts, limit_indices=limits, strides=steps), dim


@reference(slice_p)
def _slice_reference(x: Any, *, start_indices: Shape, limit_indices: Shape, strides: Shape | None) -> Any:
    # The ellipsis keeps an array of rank 0 an array.
    return x[(*map(builtins.slice, start_indices, limit_indices, strides or (1,) * x.ndim), ...)].copy()


@kernel(slice_p)
def _slice_kernel(
    i: Any, x: scalar.Operand, *, start_indices: Shape, limit_indices: Shape, strides: Shape | None
) -> Any:
    steps = strides or (1,) * x.ndim
    return x[tuple(index * step + start for index, start, step in zip(i, start_indices, steps, strict=True))]


decompose[slice_p] = BASIC

# ---- starts ---------------------------------------------------------------------------------------------------------


def as_starts(name: str, shape: Shape, start_indices: Any, negative: bool | Sequence[bool] = True) -> list[Any]:
    """One scalar integer per axis, all of one dtype; negative ones count from the end where ``negative`` says so.

    Raises:
      TypeError: not one per axis, not scalars, or not integers.
      ValueError: ``negative`` is not one for each axis, or forbids an index that is known to be negative.
    """
    if not isinstance(start_indices, tuple | list):
        if len(shape_of(start_indices)) != 1:
            raise TypeError(
                f"{name}: start_indices must be a sequence of scalars or a one-dimensional array, "
                f"got shape {shape_of(start_indices)}"
            )
        vector = start_indices
        start_indices = [reshape(slice_along(vector, 0, k, k + 1), ()) for k in range(shape_of(vector)[0])]
    if len(start_indices) != len(shape):
        raise TypeError(f"{name}: needs a start index per axis of the operand {shape}, got {len(start_indices)}")
    dtype: Any = None
    for start in start_indices:
        aval = get_aval(start)
        if aval.shape or not dtypes.issubdtype(aval.dtype, np.integer):
            raise TypeError(
                f"{name}: start indices must be integer scalars, got {aval.short()}; convert it with .astype(int)"
            )
        if not isinstance(start, int | np.integer):
            dtype = aval.dtype if dtype is None else dtypes.promote_types(dtype, aval.dtype)
    dtype = index_dtype(dtype, shape)
    if negative is True:
        return [_as_start(start, n, dtype) for start, n in zip(start_indices, shape, strict=True)]
    flags = [negative] * len(shape) if isinstance(negative, bool) else list(negative)
    if len(flags) != len(shape):
        raise ValueError(
            f"{name}: allow_negative_indices of {len(flags)} axes for an operand of shape {shape}; give one for each, "
            "or one for all"
        )
    return [
        _as_start(start, n, dtype) if flag else _from_start(name, start, n, dtype)
        for start, n, flag in zip(start_indices, shape, flags, strict=True)
    ]


def index_dtype(dtype: Any, shape: Shape) -> Any:
    """The dtype in which to compute with indices of ``dtype`` (None: known ones): at least 32 bits wide."""
    if dtype is None or dtype.itemsize < 4:
        wide = builtins.max(shape, default=0) > np.iinfo(np.int32).max
        return np.dtype(np.int64 if wide else np.int32)
    return dtype


def as_indices(indices: Any) -> Any:
    """Integer indices of at least 32 bits."""
    dtype = get_aval(indices).dtype
    if dtypes.issubdtype(dtype, np.integer) and dtype.itemsize < 4:
        return convert_element_type(indices, np.int32)
    return indices


def _from_start(name: str, start: Any, extent: int, dtype: Any) -> Any:
    """``start``, which does not count from the end: a negative one is before the first element."""
    if not isinstance(start, int | np.integer):
        return start if get_aval(start).dtype == dtype else convert_element_type(start, dtype)
    if start < 0:
        raise ValueError(
            f"{name}: index {start} lies before an axis of extent {extent}; give allow_negative_indices=True to count "
            "from its end"
        )
    return _as_start(start, extent, dtype)


def _as_start(start: Any, extent: int, dtype: Any) -> Any:
    if isinstance(start, int | np.integer):
        start = int(start)
        start = start + extent if start < 0 else start
        start = builtins.min(builtins.max(start, 0), extent)
        return start if dtype == dtypes.default_int() else dtype.type(start)
    if get_aval(start).dtype != dtype:
        start = convert_element_type(start, dtype)
    return wrap_negative(start, extent)


def wrap_negative(index: Any, extent: int) -> Any:
    """Integer indices with the negative ones counted from the end of ``extent``, once."""
    dtype = get_aval(index).dtype
    if dtypes.issubdtype(dtype, np.unsignedinteger):
        return index
    return select_n(lt(index, 0), index, add(index, extent))


def clamp_start(start: scalar.Expr, hi: int) -> Index:
    """``start`` clamped to 0..hi, as an index of a kernel."""
    if hi <= 0:
        return ZERO
    if start.op == "const":
        return const_index(builtins.min(builtins.max(int(start.attr), 0), hi))
    if start.op == "index" and start.attr.range[0] >= 0 and start.attr.range[1] <= hi:
        return start.attr  # type: ignore[no-any-return]
    if start.dtype.itemsize < 4:
        start = scalar.cast(start, np.int32)
    if start.dtype.kind == "i":
        start = scalar.max_(start, scalar.const(0, start.dtype))
    if np.iinfo(start.dtype).max > hi:
        start = scalar.min_(start, scalar.const(hi, start.dtype))
    return scalar.as_index(scalar.cast(start, np.int32 if hi <= np.iinfo(np.int32).max else np.int64), 0, hi)


def clamp(start: Any, hi: int) -> Any:
    """``start`` clamped to 0..hi, by basic operations."""
    dtype = get_aval(start).dtype
    start = select_n(lt(start, dtype.type(0)), start, dtype.type(0))
    return select_n(gt(start, dtype.type(hi)), start, dtype.type(hi)) if hi < np.iinfo(dtype).max else start


def _check_starts(name: str, x: ShapedArray, starts: Sequence[ShapedArray]) -> None:
    if len(starts) != x.ndim:
        raise TypeError(f"{name}: needs one start index per axis of an operand of shape {x.shape}, got {len(starts)}")
    for start in starts:
        if start.shape or not dtypes.issubdtype(start.dtype, np.integer) or start.dtype != starts[0].dtype:
            got = ", ".join(s.short() for s in starts)
            raise TypeError(f"{name}: start indices must be integer scalars of one dtype, got {got}")


# ---- dynamic_slice --------------------------------------------------------------------------------------------------

dynamic_slice_p = first_order("dynamic_slice")


def dynamic_slice(
    operand: Any, start_indices: Any, slice_sizes: Any, *, allow_negative_indices: bool | Sequence[bool] = True
) -> Any:
    """A window of ``operand`` that begins at ``start_indices``, which may be traced.

    Args:
      start_indices: one integer scalar per axis, or a one-dimensional array of them. Negative ones count from the end;
        then they are clamped so that the window fits.
      slice_sizes: the window's shape.
      allow_negative_indices: false: negative starts are not counted from the end, only clamped; one for all axes, or
        one for each. Saves the test where starts are known not to be negative.

    Raises:
      ValueError: a negative start that is known already, and not allowed.
      TypeError: a window larger than the operand, or starts that are not integer scalars, one per axis.

    >>> from cotan import lax
    >>> lax.dynamic_slice(lax.iota("int32", 5), (2,), (2,))
    Array([2, 3], dtype=int32)
    """
    sizes = ints("dynamic_slice", "slice_sizes", slice_sizes)
    starts = as_starts("dynamic_slice", shape_of(operand), start_indices, allow_negative_indices)
    return dynamic_slice_p.bind(operand, *starts, slice_sizes=sizes)


@abstract(dynamic_slice_p)
def _dynamic_slice_abstract(x: ShapedArray, *starts: ShapedArray, slice_sizes: Shape) -> ShapedArray:
    _check_starts("dynamic_slice", x, starts)
    if len(slice_sizes) != x.ndim or not all(0 <= size <= n for size, n in zip(slice_sizes, x.shape, strict=True)):
        raise TypeError(
            f"dynamic_slice: slice_sizes {slice_sizes} do not fit into an operand of shape {x.shape}; none may exceed "
            "its axis"
        )
    return shaped(slice_sizes, x.dtype, x.weak_type)


@tables.jvp(dynamic_slice_p)
def _dynamic_slice_jvp(primals: Sequence[Any], tangents: Sequence[Any], *, slice_sizes: Shape) -> Any:
    x, *starts = primals
    out = dynamic_slice_p.bind(x, *starts, slice_sizes=slice_sizes)
    tangent = tangents[0]
    if type(tangent) is Zero:
        return out, Zero(tangent.aval.update(shape=slice_sizes))
    return out, dynamic_slice_p.bind(tangent, *starts, slice_sizes=slice_sizes)


taylor.linear(dynamic_slice_p)


@tables.transpose(dynamic_slice_p)
def _dynamic_slice_transpose(ct: Any, x: UndefinedPrimal, *starts: Any, slice_sizes: Shape) -> list[Any]:
    zeros = zeros_like_aval(x.aval.strip_weak_type())
    return [dynamic_update_slice_p.bind(zeros, ct, *starts), *(None for _ in starts)]


@batch(dynamic_slice_p)
def _dynamic_slice_batch(axis: Any, args: Sequence[Any], dims: Sequence[Any], *, slice_sizes: Shape) -> Any:
    (x, *starts), (dim, *start_dims) = args, dims
    if all(d is None for d in start_dims):
        zero = np.zeros((), get_aval(starts[0]).dtype) if starts else np.int32(0)
        sizes = (*slice_sizes[:dim], axis.size, *slice_sizes[dim:])
        return dynamic_slice_p.bind(x, *starts[:dim], zero, *starts[dim:], slice_sizes=sizes), dim
    from cotan.primitives.gather import GatherDimensionNumbers, GatherScatterMode, gather

    mapped = dim is not None
    if mapped:
        x = move_axis(x, dim, 0)
    moving, indices = _stack_starts(axis, shape_of(x)[mapped:], slice_sizes, starts, start_dims)
    numbers = GatherDimensionNumbers(
        offset_dims=tuple(range(1, len(slice_sizes) + 1)),
        collapsed_slice_dims=(),
        start_index_map=tuple(d + mapped for d in moving),
        operand_batching_dims=(0,) if mapped else (),
        start_indices_batching_dims=(0,) if mapped else (),
    )
    sizes = (1, *slice_sizes) if mapped else slice_sizes
    return gather(x, indices, numbers, sizes, mode=GatherScatterMode.CLIP), 0


def _stack_starts(
    axis: Any, shape: Shape, sizes: Shape, starts: Sequence[Any], dims: Sequence[Any]
) -> tuple[tuple[int, ...], Any]:
    """The axes along which a window can move at all, and its starts there as an array [mapped axis, axes]."""
    moving = tuple(d for d, (n, size) in enumerate(zip(shape, sizes, strict=True)) if size < n)
    columns = [reshape(to_front(axis, starts[d], dims[d]), (axis.size, 1)) for d in moving]
    if not columns:
        return moving, broadcast_in_dim(np.int32(0), (axis.size, 0), ())
    return moving, concatenate(columns, 1)


@reference(dynamic_slice_p)
def _dynamic_slice_reference(x: Any, *starts: Any, slice_sizes: Shape) -> Any:
    return x[_window(x.shape, starts, slice_sizes)].copy()


def _window(shape: Shape, starts: Sequence[Any], sizes: Shape) -> tuple[Any, ...]:
    found: list[Any] = []
    for n, start, size in zip(shape, starts, sizes, strict=True):
        first = builtins.min(builtins.max(int(start), 0), n - size)
        found.append(builtins.slice(first, first + size))
    return (*found, ...)


@kernel(dynamic_slice_p)
def _dynamic_slice_kernel(i: Any, x: scalar.Operand, *starts: scalar.Operand, slice_sizes: Shape) -> Any:
    first = [clamp_start(s[()], n - size) for s, n, size in zip(starts, x.shape, slice_sizes, strict=True)]
    return x[tuple(a + b for a, b in zip(i, first, strict=True))]


@decompose(dynamic_slice_p)
def _dynamic_slice_decompose(x: Any, *starts: Any, slice_sizes: Shape) -> Any:
    """Along each axis shift by the start's bits, from the highest: log2(n) choices between two static slices."""
    for dim, (start, size) in enumerate(zip(starts, slice_sizes, strict=True)):
        slack = shape_of(x)[dim] - size
        if size and slack:
            start = clamp(as_indices(start), slack)
            for bit in reversed(range(slack.bit_length())):
                x = _drop_if(_bit_set(start, bit), x, dim, 1 << bit, size)
        x = slice_along(x, dim, 0, size)
    return x


def _bit_set(start: Any, bit: int) -> Any:
    dtype = get_aval(start).dtype
    return ne(bitwise_and(start, dtype.type(1 << bit)), dtype.type(0))


def _drop_if(condition: Any, x: Any, dim: int, step: int, size: int) -> Any:
    """``x`` without its first ``step`` elements if ``condition``, cut to what smaller steps can still need."""
    n = shape_of(x)[dim]
    keep = builtins.min(n, size + step - 1)
    stay, move = slice_along(x, dim, 0, keep), slice_along(x, dim, step, builtins.min(n, step + keep))
    missing = keep - shape_of(move)[dim]
    if missing:
        move = concatenate([move, slice_along(x, dim, 0, missing)], dim)
    return select_n(condition, stay, move)


# ---- dynamic_update_slice -------------------------------------------------------------------------------------------

dynamic_update_slice_p = first_order("dynamic_update_slice")


def dynamic_update_slice(
    operand: Any, update: Any, start_indices: Any, *, allow_negative_indices: bool | Sequence[bool] = True
) -> Any:
    """``operand`` with the window that begins at ``start_indices`` replaced by ``update``.

    Args:
      update: an array of the operand's dtype and rank that fits into it.
      start_indices, allow_negative_indices: as for ``dynamic_slice``.

    Raises:
      TypeError: ``update`` does not fit or has another dtype.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.dynamic_update_slice(lax.iota("int32", 4), np.int32([7, 8]), (1,))
    Array([0, 7, 8, 3], dtype=int32)
    """
    starts = as_starts("dynamic_update_slice", shape_of(operand), start_indices, allow_negative_indices)
    return dynamic_update_slice_p.bind(operand, update, *starts)


@abstract(dynamic_update_slice_p)
def _update_abstract(x: ShapedArray, update: ShapedArray, *starts: ShapedArray) -> ShapedArray:
    _check_starts("dynamic_update_slice", x, starts)
    if update.dtype != x.dtype:
        raise TypeError(
            f"dynamic_update_slice: update must have the operand's dtype {dtypes.short_name(x.dtype)}, "
            f"got {dtypes.short_name(update.dtype)}; convert it with .astype"
        )
    if update.ndim != x.ndim or any(size > n for size, n in zip(update.shape, x.shape, strict=True)):
        raise TypeError(
            f"dynamic_update_slice: an update of shape {update.shape} does not fit into an operand of shape {x.shape}; "
            "it must have as many axes, none of them longer"
        )
    return x


@tables.jvp(dynamic_update_slice_p)
def _update_jvp(primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    x, update, *starts = primals
    out = dynamic_update_slice_p.bind(x, update, *starts)
    dx, dupdate, *_ = tangents
    if type(dx) is Zero and type(dupdate) is Zero:
        return out, dx
    return out, dynamic_update_slice_p.bind(instantiate(dx), instantiate(dupdate), *starts)


taylor.linear(dynamic_update_slice_p)


@tables.transpose(dynamic_update_slice_p)
def _update_transpose(ct: Any, x: Any, update: Any, *starts: Any) -> list[Any]:
    ct_x = ct_update = None
    undefined = type(update) is UndefinedPrimal
    if type(x) is UndefinedPrimal:
        zeros = zeros_like_aval((update.aval if undefined else get_aval(update)).strip_weak_type())
        ct_x = dynamic_update_slice_p.bind(ct, zeros, *starts)
    if undefined:
        ct_update = dynamic_slice_p.bind(ct, *starts, slice_sizes=update.aval.shape)
    return [ct_x, ct_update, *(None for _ in starts)]


@batch(dynamic_update_slice_p)
def _update_batch(axis: Any, args: Sequence[Any], dims: Sequence[Any]) -> Any:
    (x, update, *starts), (x_dim, update_dim, *start_dims) = args, dims
    x, update = to_front(axis, x, x_dim), to_front(axis, update, update_dim)
    if all(d is None for d in start_dims):
        zero = np.zeros((), get_aval(starts[0]).dtype) if starts else np.int32(0)
        return dynamic_update_slice_p.bind(x, update, zero, *starts), 0
    from cotan.primitives.gather import GatherScatterMode
    from cotan.primitives.scatter import ScatterDimensionNumbers, scatter

    sizes = shape_of(update)[1:]
    moving, indices = _stack_starts(axis, shape_of(x)[1:], sizes, starts, start_dims)
    numbers = ScatterDimensionNumbers(
        update_window_dims=tuple(range(1, len(sizes) + 1)),
        inserted_window_dims=(),
        scatter_dims_to_operand_dims=tuple(d + 1 for d in moving),
        operand_batching_dims=(0,),
        scatter_indices_batching_dims=(0,),
    )
    clip = GatherScatterMode.CLIP
    return scatter(x, indices, update, numbers, indices_are_sorted=True, unique_indices=True, mode=clip), 0


@reference(dynamic_update_slice_p)
def _update_reference(x: Any, update: Any, *starts: Any) -> Any:
    out = x.copy()
    out[_window(x.shape, starts, update.shape)] = update
    return out


@kernel(dynamic_update_slice_p)
def _update_kernel(i: Any, x: scalar.Operand, update: scalar.Operand, *starts: scalar.Operand) -> Any:
    first = [clamp_start(s[()], n - size) for s, n, size in zip(starts, x.shape, update.shape, strict=True)]
    return scalar.Scatter(
        extents=update.shape,
        target=lambda u: ((), tuple(a + b for a, b in zip(u, first, strict=True))),
        value=lambda u: update[u],
        combine=None,
        unique=True,
    )


@decompose(dynamic_update_slice_p)
def _update_decompose(x: Any, update: Any, *starts: Any) -> Any:
    """Widen the update to the operand's shape, rotate it into place by the starts' bits, and select."""
    shape, sizes = shape_of(x), shape_of(update)
    if 0 in sizes:
        return x
    inside = broadcast_in_dim(np.bool_(True), shape, ())
    for dim, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        slack = shape[dim] - size
        if not slack:
            continue
        start = clamp(as_indices(start), slack)
        dtype = get_aval(start).dtype
        filler = list(shape_of(update))
        filler[dim] = slack
        edge = slice_along(update, dim, 0, 1)
        update = concatenate([update, broadcast_in_dim(edge, filler, tuple(range(len(shape))))], dim)
        for bit in range(slack.bit_length()):
            cut = shape[dim] - (1 << bit)
            turned = concatenate([slice_along(update, dim, cut, shape[dim]), slice_along(update, dim, 0, cut)], dim)
            update = select_n(_bit_set(start, bit), update, turned)
        count = broadcasted_iota(dtype, shape, dim)
        window = bitwise_and(ge(count, start), lt(count, add(start, dtype.type(size))))
        inside = bitwise_and(inside, window)
    return select_n(inside, x, update)


alias[dynamic_update_slice_p] = lambda **params: 0
cost[dynamic_slice_p] = lambda ins, outs, **params: (0, 2 * outs[0].nbytes)
cost[dynamic_update_slice_p] = lambda ins, outs, **params: (0, 2 * ins[1].nbytes)
