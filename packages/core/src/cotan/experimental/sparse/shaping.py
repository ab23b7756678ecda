"""BCOO in other shapes: transposed, summed, reshaped, broadcast, concatenated. Axes of each kind stay of that kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import lax
from cotan import numpy as cnp
from cotan.errors import where
from cotan.experimental.sparse.array import BCOO, check, sizes_of
from cotan.experimental.sparse.layout import columns, inside, masked, pushed_out, ravelled, spread, stacked, unravelled
from cotan.experimental.sparse.relayout import repeated
from cotan.experimental.sparse.util import SparseInfo, axes_of, checked_shape
from cotan.primitives.composed import composed


def bcoo_transpose(mat: BCOO, *, permutation: Sequence[int]) -> BCOO:
    """The array with its axes in the order ``permutation``.

    Raises:
      ValueError: it is no permutation of the axes.
      NotImplementedError: it puts a batch, sparse or dense axis among those of another kind.

    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_transpose(sparse.eye(2, 3, k=1), permutation=(1, 0)).indices.tolist()
    [[1, 0], [2, 1]]
    """
    n_batch, n_sparse, n_dense, _ = check(mat, "bcoo_transpose")
    order = tuple(int(k) for k in permutation)
    if sorted(order) != list(range(mat.ndim)):
        raise ValueError(
            f"{where()}: bcoo_transpose: {order} is not a permutation of the {mat.ndim} axes of an array of shape "
            f"{mat.shape}"
        )
    first_dense = n_batch + n_sparse
    batch, middle, dense = order[:n_batch], order[n_batch:first_dense], order[first_dense:]
    if any(k >= n_batch for k in batch) or any(k < first_dense for k in dense):
        raise NotImplementedError(
            f"{where()}: bcoo_transpose: {order} permutes axes of different kinds, with n_batch={n_batch} and "
            f"n_dense={n_dense}; make them sparse by update_layout(n_batch=0, n_dense=0) first"
        )
    bufs = bcoo_transpose_p.bind(mat.data, mat.indices, permutation=order, spinfo=mat._info)
    shape = tuple(mat.shape[k] for k in order)
    same = list(middle) == sorted(middle)
    return BCOO(bufs, shape=shape, indices_sorted=mat.indices_sorted and same, unique_indices=mat.unique_indices)


def _transpose(data: Any, indices: Any, *, permutation: Sequence[int], spinfo: SparseInfo) -> tuple[Any, Any]:
    n_batch, n_sparse = indices.ndim - 2, indices.shape[-1]
    first_dense = n_batch + n_sparse
    batch, middle, dense = permutation[:n_batch], permutation[n_batch:first_dense], permutation[first_dense:]
    data = cnp.transpose(data, (*batch, n_batch, *(k - n_sparse + 1 for k in dense)))
    indices = cnp.transpose(indices, (*batch, n_batch, n_batch + 1))
    if list(middle) != sorted(middle):
        indices = indices[..., np.asarray(middle, np.int32) - n_batch]
    return data, indices


bcoo_transpose_p = composed("bcoo_transpose", _transpose, multiple_results=True)


def bcoo_reduce_sum(mat: BCOO, *, axes: Sequence[int]) -> BCOO:
    """Sums along axes. Stored elements stay apart: those of equal indices are not summed.

    Raises:
      ValueError: an axis is out of range or repeated.

    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_reduce_sum(sparse.eye(2, 3), axes=(0,)).todense()
    Array([1., 1., 0.], dtype=float32)
    """
    n_batch, n_sparse, _, _nse = check(mat, "bcoo_reduce_sum")
    reduced = axes_of("bcoo_reduce_sum", axes, mat.ndim)
    if not reduced:
        return mat
    first_dense = n_batch + n_sparse
    dense = tuple(k - n_sparse + 1 for k in reduced if k >= first_dense)
    data = mat.data.sum(axis=dense, dtype=mat.dtype) if dense else mat.data
    indices = mat.indices
    cut = [k for k in reduced if n_batch <= k < first_dense]
    n_dense = data.ndim - 1 - n_batch
    if cut:
        data, indices = _without_columns(
            data, indices, mat.shape[n_batch:first_dense], [k - n_batch for k in cut], n_dense
        )
    merged = [k for k in reduced if k < n_batch]
    if merged:
        data, indices = (_merged(spread(x, mat.shape[:n_batch]), merged, n_batch) for x in (data, indices))
    shape = tuple(n for k, n in enumerate(mat.shape) if k not in reduced)
    plain = not cut and not merged
    return BCOO(
        (data, indices), shape=shape, indices_sorted=mat.indices_sorted and plain,
        unique_indices=mat.unique_indices and plain,
    )  # fmt: skip


def _without_columns(data: Any, indices: Any, middle: Sequence[int], cut: Sequence[int], n_dense: int) -> Any:
    """Values and indices without some columns; what is padding by them stays so."""
    cols = columns(indices)
    keep = inside(cols, middle)
    kept = [k for k in range(len(middle)) if k not in cut]
    if kept:
        cols = pushed_out([cols[k] for k in kept], keep, [middle[k] for k in kept])
        return data, stacked(cols, cols[0])
    return masked(data, keep, n_dense), indices[..., :0]


def _merged(x: Any, axes: Sequence[int], n_batch: int) -> Any:
    """Batch axes of ``x`` made part of the axis of elements."""
    rest = [k for k in range(n_batch) if k not in axes]
    x = cnp.transpose(x, (*rest, *axes, *range(n_batch, x.ndim)))
    start = len(rest)
    count = math.prod(x.shape[start : n_batch + 1])
    return x.reshape(*x.shape[:start], count, *x.shape[n_batch + 1 :])


# ---- Reshape


def bcoo_reshape(
    mat: BCOO, *, new_sizes: Sequence[int], dimensions: Sequence[int] | None = None, sharding: Any = None
) -> BCOO:
    """The array in another shape of as many elements.

    Args:
      new_sizes: the new shape. Batch, sparse and dense axes keep their own sizes in total.
      dimensions: a permutation of the axes that comes first; see ``bcoo_transpose``.
      sharding: must be None, or for one device.

    Raises:
      ValueError: the sizes do not fit, or mix axes of different kinds.

    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_reshape(sparse.eye(2, 3), new_sizes=(3, 2)).indices.tolist()
    [[0, 0], [2, 0]]
    """
    check(mat, "bcoo_reshape")
    if dimensions is not None and tuple(dimensions) != tuple(range(mat.ndim)):
        mat = bcoo_transpose(mat, permutation=dimensions)
    new = checked_shape("bcoo_reshape", new_sizes)
    if math.prod(new) != math.prod(mat.shape):
        raise ValueError(
            f"{where()}: bcoo_reshape: an array of shape {mat.shape} has not as many elements as the shape {new}"
        )
    batch, middle, dense = sizes_of(mat)
    divided = _divided(new, batch, middle, dense)
    if divided is None:
        raise ValueError(
            f"{where()}: bcoo_reshape: the shape {new} would mix batch, sparse and dense axes of an array of shape "
            f"{mat.shape} with n_batch={len(batch)} and n_dense={len(dense)}; use update_layout first"
        )
    new_batch, new_middle, new_dense = divided
    data = spread(mat.data, batch).reshape(*new_batch, mat.nse, *new_dense)
    indices = spread(mat.indices, batch).reshape(*new_batch, mat.nse, len(middle))
    cols = columns(indices)
    keep = inside(cols, middle)
    like = indices[..., 0] if middle else cnp.zeros((*new_batch, mat.nse), indices.dtype)
    if middle and not new_middle:
        data = masked(data, keep, len(new_dense))
    indices = stacked(pushed_out(_regrouped(cols, middle, new_middle, like), keep, new_middle), like)
    return BCOO((data, indices), shape=new, indices_sorted=mat.indices_sorted, unique_indices=mat.unique_indices)


Sizes = tuple[int, ...]


def _divided(new: Sizes, batch: Sizes, middle: Sizes, dense: Sizes) -> tuple[Sizes, Sizes, Sizes] | None:
    """``new`` in three parts of the given products: batches as many as can be, dense ones as many as before if so."""
    found = []
    for first in range(len(new) + 1) if batch else (0,):
        for last in range(first, len(new) + 1) if dense else (len(new),):
            three = new[:first], new[first:last], new[last:]
            if all(math.prod(a) == math.prod(b) for a, b in zip(three, (batch, middle, dense), strict=True)):
                found.append((abs(len(three[2]) - len(dense)), -first, three))
    return min(found)[2] if found else None


def _regrouped(cols: Sequence[Any], old: Sizes, new: Sizes, like: Any) -> list[Any]:
    """Index columns for the shape ``new``; sizes are taken together only where that is needed."""
    zeros = cnp.zeros(like.shape, like.dtype)
    if math.prod(old) == 0:
        return [zeros] * len(new)
    result: list[Any] = []
    i = 0
    while len(result) < len(new):
        size, start, first = new[len(result)], i, len(result)
        if size == 1:
            result.append(zeros)
            continue
        taken, count = 1, 1
        while taken != size:
            if taken < size:
                taken *= old[i]
                i += 1
            else:
                size *= new[first + count]
                count += 1
        group = [k for k in range(start, i) if old[k] != 1]
        flat = ravelled([cols[k] for k in group], [old[k] for k in group])
        result += unravelled(flat, new[first : first + count])
    return result


def bcoo_squeeze(arr: BCOO, *, dimensions: Sequence[int]) -> BCOO:
    """The array without axes of size 1.

    Raises:
      ValueError: an axis has another size, or is out of range.

    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_squeeze(sparse.eye(1, 3), dimensions=(0,))
    BCOO(float32[3], nse=1)
    """
    n_batch, n_sparse, _, _ = check(arr, "bcoo_squeeze")
    removed = axes_of("bcoo_squeeze", dimensions, arr.ndim)
    if any(arr.shape[k] != 1 for k in removed):
        raise ValueError(
            f"{where()}: bcoo_squeeze: axes {removed} of an array of shape {arr.shape} have not all the size 1"
        )
    first_dense = n_batch + n_sparse
    cut = [k - n_batch for k in removed if n_batch <= k < first_dense]
    data, indices = arr.data, arr.indices
    if cut:
        data, indices = _without_columns(data, indices, arr.shape[n_batch:first_dense], cut, data.ndim - 1 - n_batch)
    batch = tuple(k for k in removed if k < n_batch)
    data = cnp.squeeze(data, (*batch, *(k - n_sparse + 1 for k in removed if k >= first_dense)))
    indices = cnp.squeeze(indices, batch)
    shape = tuple(n for k, n in enumerate(arr.shape) if k not in removed)
    return BCOO((data, indices), shape=shape, indices_sorted=arr.indices_sorted, unique_indices=arr.unique_indices)


# ---- Broadcast


def bcoo_broadcast_in_dim(
    mat: BCOO, *, shape: Sequence[int], broadcast_dimensions: Sequence[int], sharding: Any = None
) -> BCOO:
    """The array repeated to ``shape``; its axis k becomes axis ``broadcast_dimensions[k]``.

    New axes before the first sparse one are batch axes; among and after sparse axes they are sparse, and among and
    after dense ones dense.

    Args:
      sharding: must be None, or for one device.

    Raises:
      ValueError: the dimensions do not increase, or the sizes do not fit.

    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_broadcast_in_dim(sparse.eye(2), shape=(5, 2, 2), broadcast_dimensions=(1, 2))
    BCOO(float32[5, 2, 2], nse=2, n_batch=1)
    """
    n_batch, n_sparse, n_dense, nse = check(mat, "bcoo_broadcast_in_dim")
    target = checked_shape("bcoo_broadcast_in_dim", shape)
    places = tuple(int(k) for k in broadcast_dimensions)
    if (
        len(places) != mat.ndim
        or any(b <= a for a, b in zip((-1, *places), (*places, len(target)), strict=True))
        or any(n not in (1, target[k]) for n, k in zip(mat.shape, places, strict=True))
    ):
        raise ValueError(
            f"{where()}: bcoo_broadcast_in_dim: an array of shape {mat.shape} does not broadcast to {target} along the "
            f"axes {places}: they must increase, and sizes be equal or 1"
        )
    kinds = _kinds(places, len(target), n_batch, n_sparse, n_dense)
    batch = tuple(k for k, kind in enumerate(kinds) if kind == "batch")
    middle = tuple(k for k, kind in enumerate(kinds) if kind == "sparse")
    dense = tuple(k for k, kind in enumerate(kinds) if kind == "dense")
    sizes = [target[k] for k in batch]
    data_shape = (*sizes, nse, *(target[k] for k in dense))
    dense_at = [len(batch) + 1 + dense.index(k) for k in places[n_batch + n_sparse :]]
    data = lax.broadcast_in_dim(mat.data, data_shape, [*places[:n_batch], len(batch), *dense_at])
    lead = len(batch)
    indices = lax.broadcast_in_dim(mat.indices, (*sizes, nse, n_sparse), [*places[:n_batch], lead, lead + 1])
    old = places[n_batch : n_batch + n_sparse]
    grown = [k for k in middle if k not in old or mat.shape[places.index(k)] != target[k]]
    between = (*sizes, *mat.shape[n_batch : n_batch + n_sparse], *(target[k] for k in dense))
    made = BCOO((data, indices), shape=between, indices_sorted=mat.indices_sorted, unique_indices=mat.unique_indices)
    if not grown and len(middle) == n_sparse:
        return made

    def cols_of(before: Sequence[Any], new: Sequence[Any]) -> list[Any]:
        return [new[grown.index(k)] if k in grown else before[old.index(k)] for k in middle]

    return repeated(made, [target[k] for k in grown], cols_of, target)


def _kinds(places: Sizes, ndim: int, n_batch: int, n_sparse: int, n_dense: int) -> list[str]:
    """How each axis of the result of a broadcast is stored."""
    kinds = []
    for k in range(ndim):
        if k in places:
            i = places.index(k)
            kinds.append("batch" if i < n_batch else "sparse" if i < n_batch + n_sparse else "dense")
        elif any(b > k for b in places[:n_batch]) or (n_sparse and k < places[n_batch]):
            kinds.append("batch")
        elif n_dense and k > (places[n_batch + n_sparse - 1] if n_batch + n_sparse else -1):
            later = any(d < k for d in places[n_batch + n_sparse :])
            kinds.append("dense" if later or n_sparse else "batch")
        else:
            kinds.append("sparse" if n_sparse or n_batch else "batch")
    return kinds


# ---- Concatenate


def bcoo_concatenate(operands: Sequence[BCOO], *, dimension: int) -> BCOO:
    """Arrays one after the other along an axis. They are stored in the same way, and of one dtype.

    Raises:
      ValueError: there are none, or shapes or numbers of batch and dense axes differ. TypeError: dtypes differ.

    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_concatenate([sparse.eye(2), sparse.eye(2)], dimension=1)
    BCOO(float32[2, 4], nse=4)
    """
    mats = list(operands)
    if not mats:
        raise ValueError(f"{where()}: bcoo_concatenate: there is nothing to concatenate")
    kinds = {check(mat, "bcoo_concatenate")[:3] for mat in mats}
    first = mats[0]
    (axis,) = axes_of("bcoo_concatenate", (dimension,), first.ndim)
    rests = {tuple(n for k, n in enumerate(mat.shape) if k != axis) for mat in mats}
    if len(kinds) > 1 or len(rests) > 1:
        raise ValueError(
            f"{where()}: bcoo_concatenate: arrays must have equal shapes except along axis {axis}, and equal n_batch "
            f"and n_dense, got {', '.join(map(repr, mats))}"
        )
    if len({mat.dtype for mat in mats}) > 1:
        raise TypeError(
            f"{where()}: bcoo_concatenate: arrays must have one dtype, got {', '.join(str(m.dtype) for m in mats)}"
        )
    n_batch, n_sparse, _ = kinds.pop()
    shape = (*first.shape[:axis], sum(mat.shape[axis] for mat in mats), *first.shape[axis + 1 :])
    if axis < n_batch:
        return _along_batch(mats, axis, shape)
    data, indices, offset = [], [], 0
    batch, middle = shape[:n_batch], shape[n_batch : n_batch + n_sparse]
    for mat in mats:
        size = mat.shape[axis]
        cols, values = columns(mat.indices), spread(mat.data, batch)
        keep = inside(cols, mat.shape[n_batch : n_batch + n_sparse])
        if axis < n_batch + n_sparse:
            cols[axis - n_batch] = cols[axis - n_batch] + np.asarray(offset, mat.indices.dtype)
        else:
            widths = [(0, 0)] * values.ndim
            widths[axis - n_sparse + 1] = (offset, shape[axis] - offset - size)
            values = cnp.pad(values, widths)
        places = stacked(pushed_out(cols, keep, middle), cols[0]) if cols else mat.indices
        indices.append(spread(places, batch))
        data.append(values)
        offset += size
    unique = axis < n_batch + n_sparse and all(mat.unique_indices for mat in mats)
    return BCOO(
        (cnp.concatenate(data, axis=n_batch), cnp.concatenate(indices, axis=n_batch)), shape=shape,
        unique_indices=unique,
    )  # fmt: skip


def _along_batch(mats: Sequence[BCOO], axis: int, shape: Sizes) -> BCOO:
    nse = max(mat.nse for mat in mats)
    n_batch, n_sparse = mats[0].n_batch, mats[0].n_sparse
    middle = np.asarray(shape[n_batch : n_batch + n_sparse], np.int32)
    data, indices = [], []
    for mat in mats:
        batch, more = mat.shape[:n_batch], nse - mat.nse
        values, places = spread(mat.data, batch), spread(mat.indices, batch)
        if more:
            values = cnp.pad(values, [(0, more if k == n_batch else 0) for k in range(values.ndim)])
            padding = cnp.broadcast_to(middle.astype(places.dtype), (*batch, more, n_sparse))
            places = cnp.concatenate([places, padding], axis=n_batch)
        data.append(values)
        indices.append(places)
    return BCOO(
        (cnp.concatenate(data, axis=axis), cnp.concatenate(indices, axis=axis)), shape=shape,
        indices_sorted=all(m.indices_sorted for m in mats), unique_indices=all(m.unique_indices for m in mats),
    )  # fmt: skip
