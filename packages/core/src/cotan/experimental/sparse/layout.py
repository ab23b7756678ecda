"""Stored values and their places: reading a dense array at index columns, and adding up into one.

An element whose index is out of bounds along any axis is padding: it stands for nothing. Batch axes of values and
indices may have size 1, which stands for any size. Knows arrays only, no format.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp

Shape = tuple[int, ...]


def columns(indices: Any) -> list[Any]:
    """The columns of ``[*batch, nse, n]``: n arrays ``[*batch, nse]``."""
    return [indices[..., k] for k in range(indices.shape[-1])]


def stacked(cols: Sequence[Any], like: Any) -> Any:
    """Columns as indices; ``like`` says shape and dtype where there are none."""
    if not cols:
        return cnp.zeros((*like.shape, 0), like.dtype)
    return cnp.stack(cnp.broadcast_arrays(*cols), axis=-1)


def batch_places(batch: Shape) -> list[Any]:
    """For each batch axis the number of the example, broadcastable to ``[*batch, nse]``."""
    ndim = len(batch)
    return [np.arange(n, dtype=np.int32).reshape(n, *(1,) * (ndim - k)) for k, n in enumerate(batch)]


def inside(cols: Sequence[Any], shape: Sequence[int]) -> Any:
    """Whether elements are within bounds, ``[*batch, nse]``; None if there are no columns, so that all are."""
    found: Any = None
    for col, size in zip(cols, shape, strict=True):
        one = lax.bitwise_and(cnp.greater_equal(col, 0), cnp.less(col, size))
        found = one if found is None else lax.bitwise_and(*cnp.broadcast_arrays(found, one))
    return found


def masked(data: Any, keep: Any, n_dense: int) -> Any:
    """Values ``[*batch, nse, *dense]`` where ``keep`` ``[*batch, nse]`` holds, else 0."""
    if keep is None:
        return data
    keep = cnp.expand_dims(keep, tuple(range(keep.ndim, keep.ndim + n_dense)))
    return cnp.where(keep, data, cnp.zeros((), data.dtype))


def pushed_out(cols: Sequence[Any], keep: Any, shape: Sequence[int]) -> list[Any]:
    """Columns with the index of padding, which is the size along each axis, where ``keep`` does not hold."""
    if keep is None:
        return list(cols)
    return [cnp.where(keep, col, np.asarray(size, col.dtype)) for col, size in zip(cols, shape, strict=True)]


def take(array: Any, places: Sequence[Any]) -> Any:
    """``array[places]`` along its first axes: ``[*common shape, *rest]``; 0 where a place is out of bounds."""
    if not places:
        return array
    if 0 in array.shape[: len(places)]:
        return cnp.zeros((*np.broadcast_shapes(*(p.shape for p in places)), *array.shape[len(places) :]), array.dtype)
    return array.at[tuple(places)].get(mode="fill", fill_value=0, wrap_negative_indices=False)


def add_up(values: Any, places: Sequence[Any], shape: Shape, **promises: bool) -> Any:
    """Zeros of ``shape`` to which ``values`` are added at ``places`` along the first axes; those out of bounds are not.

    ``values`` have axes for the places' common shape and then those of the rest of ``shape``.
    """
    if dtypes.issubdtype(values.dtype, np.bool_):
        return add_up(values.astype(np.int32), places, shape, **promises) != 0
    if not places:
        extra = values.ndim - len(shape)
        return values.sum(axis=tuple(range(extra))).astype(values.dtype) if extra else values
    zeros = cnp.zeros(shape, values.dtype)
    return zeros.at[tuple(places)].add(values, mode="drop", wrap_negative_indices=False, **promises)


def spread(x: Any, batch: Shape) -> Any:
    """``x`` with its first axes broadcast to ``batch``."""
    if x.shape[: len(batch)] == batch:
        return x
    return cnp.broadcast_to(x, (*batch, *x.shape[len(batch) :]))


def ravelled(cols: Sequence[Any], shape: Sequence[int]) -> Any:
    """One number for each element, in row-major order."""
    flat = cols[0]
    for col, size in zip(cols[1:], shape[1:], strict=True):
        flat = flat * np.asarray(size, flat.dtype) + col
    return flat


def unravelled(flat: Any, shape: Sequence[int]) -> list[Any]:
    """The columns of row-major numbers."""
    cols = []
    for size in reversed(shape[1:]):
        divisor = np.asarray(max(size, 1), flat.dtype)
        cols.append(flat % divisor)
        flat = flat // divisor
    return [flat, *reversed(cols)] if shape else []


def in_order(cols: Sequence[Any], shape: Sequence[int], like: Any) -> tuple[list[Any], Any]:
    """Columns in lexicographic order, padding last, and the permutation that puts elements there.

    ``like`` has the shape ``[*batch, nse]`` where there are no columns.
    """
    ends = pushed_out(cols, inside(cols, shape), shape)
    shape_of_elements = ends[0].shape if ends else like.shape
    number = lax.broadcasted_iota(np.int32, shape_of_elements, len(shape_of_elements) - 1)
    if not ends:
        return [], number
    *ordered, permutation = lax.sort((*ends, number), dimension=-1, num_keys=len(ends))
    return ordered, permutation


def is_new(ordered: Sequence[Any], like: Any) -> Any:
    """Whether each element of ordered columns differs from the one before, ``[*batch, nse]``."""
    shape = like.shape
    first = lax.eq(lax.broadcasted_iota(np.int32, shape, len(shape) - 1), np.int32(0))
    for col in ordered:
        changed = cnp.not_equal(col, cnp.roll(col, 1, axis=-1))
        first = lax.bitwise_or(first, changed)
    return first


def permuted(data: Any, permutation: Any) -> Any:
    """Values ``[*batch, nse, *dense]`` in the order of ``permutation`` ``[*batch, nse]``."""
    batch = permutation.shape[:-1]
    return spread(data, batch).at[(*batch_places(batch), permutation)].get(mode="promise_in_bounds")
