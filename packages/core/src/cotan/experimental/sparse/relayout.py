"""Which axes of a BCOO are batched, sparse and dense: changes of that, one axis at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import lax
from cotan import numpy as cnp
from cotan.errors import warn, where
from cotan.experimental.sparse.array import BCOO, check, sizes_of
from cotan.experimental.sparse.layout import columns, inside, masked, pushed_out, spread, stacked
from cotan.experimental.sparse.util import SparseEfficiencyError, SparseEfficiencyWarning


def bcoo_update_layout(
    mat: BCOO, *, n_batch: int | None = None, n_dense: int | None = None, on_inefficient: str | None = "error"
) -> BCOO:
    """The same array with other numbers of batch and dense axes.

    More batch or dense axes store zeros for every element along them.

    Args:
      mat: a BCOO.
      n_batch, n_dense: how many axes are batched and dense; by default as many as now.
      on_inefficient: what is done if that takes much more memory: 'error', 'warn', or None for nothing.

    Raises:
      ValueError: the numbers do not fit, or ``on_inefficient`` is something else.
      SparseEfficiencyError: more memory would be needed; see ``on_inefficient``.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> m = sparse.BCOO.fromdense(cnp.eye(3), n_batch=1)
    >>> sparse.bcoo_update_layout(m, n_batch=0)
    BCOO(float32[3, 3], nse=3)
    """
    api = "bcoo_update_layout"
    now = check(mat, api)
    n_batch = now.n_batch if n_batch is None else int(n_batch)
    n_dense = now.n_dense if n_dense is None else int(n_dense)
    if on_inefficient not in ("error", "warn", None):
        raise ValueError(f"{where()}: {api}: on_inefficient must be 'error', 'warn' or None, got {on_inefficient!r}")
    if n_batch < 0 or n_dense < 0 or n_batch + n_dense > mat.ndim:
        raise ValueError(
            f"{where()}: {api}: n_batch={n_batch} and n_dense={n_dense} do not fit an array of shape {mat.shape}"
        )
    first_dense = mat.ndim - n_dense
    grows = (*mat.shape[now.n_batch : n_batch], *mat.shape[first_dense : mat.ndim - now.n_dense])
    if on_inefficient is not None and math.prod(grows) > 1:
        text = (
            f"{where()}: {api}: with n_batch={n_batch} and n_dense={n_dense} this array of shape {mat.shape} would "
            f"take {math.prod(grows)} times the memory; pass on_inefficient=None if that is meant"
        )
        if on_inefficient == "error":
            raise SparseEfficiencyError(text)
        warn(text, SparseEfficiencyWarning)
    # First to fewer, so that all axes are sparse for a moment that change from batched to dense or back.
    while mat.n_batch > n_batch:
        mat = _batch_to_sparse(mat)
    while mat.n_dense > n_dense:
        mat = _dense_to_sparse(mat)
    while mat.n_batch < n_batch:
        mat = _sparse_to_batch(mat)
    while mat.n_dense < n_dense:
        mat = _sparse_to_dense(mat)
    return mat


def repeated(mat: BCOO, sizes: Sequence[int], cols_of: Any, shape: tuple[int, ...], data: Any = None) -> BCOO:
    """Every element ``prod(sizes)`` times.

    Args:
      cols_of: (old columns, new columns of the numbers along ``sizes``) -> the columns, all ``[*batch, nse, *sizes]``.
      shape: the shape of the result.
      data: values ``[*batch, nse, *sizes, *dense]``, by default the same for all.
    """
    n_batch, count = mat.n_batch, len(sizes)
    if data is None:
        data = cnp.expand_dims(mat.data, tuple(range(n_batch + 1, n_batch + 1 + count)))
        data = cnp.broadcast_to(data, (*data.shape[: n_batch + 1], *sizes, *mat.data.shape[n_batch + 1 :]))
    lead = mat.indices.shape[:n_batch]
    whole = (*lead, mat.nse, *sizes)
    old = [cnp.expand_dims(col, tuple(range(n_batch + 1, n_batch + 1 + count))) for col in columns(mat.indices)]
    new = [lax.broadcasted_iota(mat.indices.dtype, whole, n_batch + 1 + k) for k in range(count)]
    nse = mat.nse * math.prod(sizes)
    keep = inside(old, mat.shape[n_batch : n_batch + len(old)])
    cols = cols_of(old, new)
    cols = pushed_out([cnp.broadcast_to(c, whole) for c in cols], keep, shape[n_batch : n_batch + len(cols)])
    merged = [col.reshape(*lead, nse) for col in cols]
    data = data.reshape(*data.shape[:n_batch], nse, *data.shape[n_batch + 1 + count :])
    indices = stacked(merged, cnp.zeros((*lead, nse), mat.indices.dtype))
    return BCOO((data, indices), shape=shape, unique_indices=mat.unique_indices)


def _batch_to_sparse(mat: BCOO) -> BCOO:
    """The last batch axis becomes the first sparse one."""
    batch, middle, dense = sizes_of(mat)
    *rest, size = batch
    data, indices = spread(mat.data, batch), spread(mat.indices, batch)
    cols = columns(indices)
    number = lax.broadcasted_iota(indices.dtype, indices.shape[:-1], len(rest))
    cols = pushed_out([number, *cols], inside(cols, middle), (size, *middle))
    nse = size * mat.nse
    merged = [col.reshape(*rest, nse) for col in cols]
    return BCOO(
        (data.reshape(*rest, nse, *dense), stacked(merged, merged[0])), shape=mat.shape,
        unique_indices=mat.unique_indices,
    )  # fmt: skip


def _dense_to_sparse(mat: BCOO) -> BCOO:
    """The first dense axis becomes the last sparse one."""
    size = mat.data.shape[mat.n_batch + 1]
    return repeated(mat, (size,), lambda old, new: [*old, *new], mat.shape, mat.data)


def _sparse_to_batch(mat: BCOO) -> BCOO:
    """The first sparse axis becomes the last batch one."""
    batch, middle, _ = sizes_of(mat)
    size = middle[0]
    first, *cols = [cnp.expand_dims(col, -2) for col in columns(mat.indices)]
    keep = cnp.equal(first, np.arange(size, dtype=np.int32).astype(first.dtype)[:, None])
    data = masked(cnp.expand_dims(mat.data, len(batch)), keep, mat.n_dense)
    if cols:
        shape_of_elements = (*keep.shape[:-2], size, mat.nse)
        cols = pushed_out([cnp.broadcast_to(c, shape_of_elements) for c in cols], keep, middle[1:])
    indices = stacked(cols, cnp.zeros(keep.shape, mat.indices.dtype))
    return BCOO((data, indices), shape=mat.shape, unique_indices=mat.unique_indices)


def _sparse_to_dense(mat: BCOO) -> BCOO:
    """The last sparse axis becomes the first dense one."""
    n_batch = mat.n_batch
    _, middle, _ = sizes_of(mat)
    *cols, last = columns(mat.indices)
    size = middle[-1]
    hot = cnp.equal(last[..., None], np.arange(size, dtype=np.int32).astype(last.dtype))
    valid = inside(cols, middle[:-1])
    if valid is not None:
        hot = lax.bitwise_and(*cnp.broadcast_arrays(hot, valid[..., None]))
    data = masked(cnp.expand_dims(mat.data, n_batch + 1), hot, mat.n_dense)
    indices = stacked(cols, cnp.zeros(last.shape, mat.indices.dtype))
    unique = mat.unique_indices and mat.nse <= 1
    return BCOO((data, indices), shape=mat.shape, unique_indices=unique)
