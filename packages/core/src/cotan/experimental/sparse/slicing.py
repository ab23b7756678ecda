"""Parts of a BCOO: slices, also at computed starts, windows, the reverse. What falls outside becomes padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import lax
from cotan import numpy as cnp
from cotan.api import vmap
from cotan.errors import where
from cotan.experimental.sparse.array import BCOO, check, sizes_of
from cotan.experimental.sparse.conversion import bcoo_sum_duplicates
from cotan.experimental.sparse.layout import columns, inside, masked, pushed_out, stacked
from cotan.experimental.sparse.shaping import bcoo_reshape, bcoo_squeeze
from cotan.experimental.sparse.util import axes_of
from cotan.numpy.promotion import as_array
from cotan.primitives.slice import wrap_negative
from cotan.primitives.windows import GatherScatterMode


def _shrunk(mat: BCOO) -> BCOO:
    """``mat`` with no more stored elements than there is room for."""
    room = math.prod(sizes_of(mat)[1])
    return bcoo_sum_duplicates(mat, nse=room) if mat.n_sparse and room < mat.nse else mat


def _kept(mat: BCOO, data: Any, indices: Any, shape: Sequence[int], moved: Any, keep: Any) -> BCOO:
    """The elements for which ``keep`` holds, at the columns ``moved``, of an array of ``shape``."""
    n_batch, n_sparse = mat.n_batch, mat.n_sparse
    cols = pushed_out(moved, keep, shape[n_batch : n_batch + n_sparse])
    places = stacked(cols, indices[..., 0] if n_sparse else indices)
    unique = mat.unique_indices
    return _shrunk(BCOO((masked(data, keep, mat.n_dense), places), shape=shape, unique_indices=unique))


def bcoo_slice(
    mat: BCOO, *, start_indices: Sequence[int], limit_indices: Sequence[int], strides: Sequence[int] | None = None
) -> BCOO:
    """A part of the array, as of ``lax.slice``.

    Raises:
      ValueError: there is not one start, limit and stride for each axis, or they are out of range.

    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_slice(sparse.eye(3), start_indices=(0, 1), limit_indices=(3, 3)).todense().tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    n_batch, n_sparse, _, _ = check(mat, "bcoo_slice")
    starts, limits = tuple(map(int, start_indices)), tuple(map(int, limit_indices))
    steps = (1,) * mat.ndim if strides is None else tuple(map(int, strides))
    if not len(starts) == len(limits) == len(steps) == mat.ndim or any(
        not 0 <= a <= b <= n or s < 1 for a, b, s, n in zip(starts, limits, steps, mat.shape, strict=True)
    ):
        raise ValueError(
            f"{where()}: bcoo_slice: starts {starts}, limits {limits} and strides {steps} do not fit an array of shape "
            f"{mat.shape}: one of each for every axis, 0 <= start <= limit <= size, stride >= 1"
        )
    shape = tuple(-(-(b - a) // s) for a, b, s in zip(starts, limits, steps, strict=True))
    ranges = [slice(a, b, s) for a, b, s in zip(starts, limits, steps, strict=True)]
    first_dense = n_batch + n_sparse
    batch = [slice(None) if mat.data.shape[k] != mat.shape[k] else ranges[k] for k in range(n_batch)]
    data = mat.data[(*batch, slice(None), *ranges[first_dense:])]
    batch = [slice(None) if mat.indices.shape[k] != mat.shape[k] else ranges[k] for k in range(n_batch)]
    indices = mat.indices[tuple(batch)]
    middle = range(n_batch, first_dense)
    if all(shape[k] == mat.shape[k] for k in middle):
        return BCOO((data, indices), shape=shape, indices_sorted=mat.indices_sorted, unique_indices=mat.unique_indices)
    keep, moved = inside(columns(indices), mat.shape[n_batch:first_dense]), []
    for col, k in zip(columns(indices), middle, strict=True):
        start, limit, step = (np.asarray(v, col.dtype) for v in (starts[k], limits[k], steps[k]))
        keep = keep & (col >= start) & (col < limit)
        if steps[k] != 1:
            keep = keep & ((col - start) % step == 0)
        moved.append((col - start) // step)
    return _kept(mat, data, indices, shape, moved, keep)


def bcoo_dynamic_slice(mat: BCOO, start_indices: Sequence[Any], slice_sizes: Sequence[int]) -> BCOO:
    """A part of the array at a computed start, as of ``lax.dynamic_slice``: starts are moved so that the part fits.

    Args:
      start_indices: an integer scalar for each axis. slice_sizes: the shape of the part.

    Raises:
      ValueError: there is not one start and size for each axis, or a size is out of range.

    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_dynamic_slice(sparse.eye(3), (0, 9), (3, 2)).todense().tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    n_batch, n_sparse, _, _ = check(mat, "bcoo_dynamic_slice")
    starts, sizes = list(start_indices), tuple(map(int, slice_sizes))
    if not len(starts) == len(sizes) == mat.ndim or any(not 0 <= a <= n for a, n in zip(sizes, mat.shape, strict=True)):
        raise ValueError(
            f"{where()}: bcoo_dynamic_slice: {len(starts)} starts and sizes {sizes} do not fit an array of shape "
            f"{mat.shape}: one of each for every axis, 0 <= size <= that of the array"
        )
    clamped = []
    for start, size, n in zip(starts, sizes, mat.shape, strict=True):
        wrapped = wrap_negative(as_array(start, "bcoo_dynamic_slice"), n)
        clamped.append(cnp.clip(wrapped, 0, n - size).astype(mat.indices.dtype))
    first_dense = n_batch + n_sparse

    def part(x: Any, axes: Sequence[tuple[int, int]]) -> Any:
        """Slices of ``x``: pairs of its axis and that of the array, as far as it is not broadcast."""
        for axis, k in axes:
            if x.shape[axis] == mat.shape[k] != sizes[k]:
                x = lax.dynamic_slice_in_dim(x, clamped[k], sizes[k], axis)
        return x

    batch = [(k, k) for k in range(n_batch)]
    data = part(mat.data, [*batch, *((k - n_sparse + 1, k) for k in range(first_dense, mat.ndim))])
    indices = part(mat.indices, batch)
    middle = range(n_batch, first_dense)
    if all(sizes[k] == mat.shape[k] for k in middle):
        return BCOO((data, indices), shape=sizes, indices_sorted=mat.indices_sorted, unique_indices=mat.unique_indices)
    keep, moved = inside(columns(indices), mat.shape[n_batch:first_dense]), []
    for col, k in zip(columns(indices), middle, strict=True):
        col = col - clamped[k]
        keep = keep & (col >= 0) & (col < np.asarray(sizes[k], col.dtype))
        moved.append(col)
    return _kept(mat, data, indices, sizes, moved, keep)


def bcoo_rev(operand: BCOO, dimensions: Sequence[int]) -> BCOO:
    """The array with the order along some axes reversed.

    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_rev(sparse.eye(2), (0,)).todense().tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    n_batch, n_sparse, _, _ = check(operand, "bcoo_rev")
    axes = axes_of("bcoo_rev", tuple(dimensions), operand.ndim)
    first_dense = n_batch + n_sparse
    batch = tuple(k for k in axes if k < n_batch)
    data = cnp.flip(operand.data, (*batch, *(k - n_sparse + 1 for k in axes if k >= first_dense)))
    indices = cnp.flip(operand.indices, batch)
    middle = operand.shape[n_batch:first_dense]
    turned = [k - n_batch for k in axes if n_batch <= k < first_dense]
    if turned:
        cols = columns(indices)
        keep = inside(cols, middle)
        for k in turned:
            cols[k] = np.asarray(middle[k] - 1, cols[k].dtype) - cols[k]
        indices = stacked(pushed_out(cols, keep, middle), cols[0])
    return BCOO(
        (data, indices), shape=operand.shape, indices_sorted=operand.indices_sorted and not turned,
        unique_indices=operand.unique_indices,
    )  # fmt: skip


def bcoo_gather(
    operand: BCOO,
    start_indices: Any,
    dimension_numbers: lax.GatherDimensionNumbers,
    slice_sizes: Sequence[int],
    *,
    unique_indices: bool = False,
    indices_are_sorted: bool = False,
    mode: str | GatherScatterMode | None = None,
    fill_value: Any = None,
) -> BCOO:
    """Windows of the array at computed starts, as of ``lax.gather``; the axes of the indices become batch axes.

    Args:
      mode: 'clip' and 'promise_in_bounds' (and None) move windows so that they fit; 'fill' gives zeros for those that
        are not inside. fill_value: 0 or None.
      others: as of ``lax.gather``.

    Raises:
      NotImplementedError: axes of windows come before those of the indices in the result, operand and indices share
        batch axes, or ``mode`` fills with something else than 0.

    >>> import cotan.numpy as cnp
    >>> from cotan import lax
    >>> from cotan.experimental import sparse
    >>> rows = lax.GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,))
    >>> sparse.bcoo_gather(sparse.eye(3), cnp.array([[2], [0]]), rows, (1, 3), mode="clip")
    BCOO(float32[2, 3], nse=3, n_batch=1)
    """
    check(operand, "bcoo_gather")
    numbers = lax.GatherDimensionNumbers(*dimension_numbers)
    starts = as_array(start_indices, "bcoo_gather")
    sizes = tuple(map(int, slice_sizes))
    lead = starts.ndim - 1
    how = GatherScatterMode.PROMISE_IN_BOUNDS if mode is None else GatherScatterMode.from_any(mode)
    fills = how in (GatherScatterMode.FILL_OR_DROP, GatherScatterMode.ONE_HOT)
    zero = how is GatherScatterMode.ONE_HOT or fill_value is None or bool(np.all(np.asarray(fill_value) == 0))
    window = tuple(k for k in range(operand.ndim) if k not in numbers.collapsed_slice_dims)
    problem = ""
    if numbers.operand_batching_dims or numbers.start_indices_batching_dims:
        problem = "batch axes that operand and indices share"
    elif tuple(numbers.offset_dims) != tuple(range(lead, lead + len(window))):
        problem = f"offset_dims {numbers.offset_dims} before axes of the indices"
    elif fills and not zero:
        problem = "filling with something else than 0"
    if problem:
        raise NotImplementedError(f"{where()}: bcoo_gather: {problem} cannot be done for a sparse array; use todense()")

    def one(vector: Any) -> BCOO:
        at: list[Any] = [0] * operand.ndim
        fits: Any = True
        for k, axis in enumerate(numbers.start_index_map):
            # Clamped here, since negative starts do not count from the end.
            room = operand.shape[axis] - sizes[axis]
            fits = fits & (vector[k] >= 0) & (vector[k] <= room)
            at[axis] = cnp.clip(vector[k], 0, room)
        part = bcoo_dynamic_slice(operand, at, sizes)
        if fills:
            part = BCOO((cnp.where(fits, part.data, cnp.zeros((), part.dtype)), part.indices), **part._info._asdict())
        return bcoo_squeeze(part, dimensions=numbers.collapsed_slice_dims)

    if not lead:
        return one(starts)
    many = vmap(one)(starts.reshape(-1, starts.shape[-1]))
    return bcoo_reshape(many, new_sizes=(*starts.shape[:-1], *many.shape[1:])) if lead != 1 else many
