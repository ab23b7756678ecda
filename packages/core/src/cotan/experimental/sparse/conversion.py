"""BCOO from dense arrays and back, order of elements, and duplicates. Works on values and indices by ``layout``."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import lax
from cotan import numpy as cnp
from cotan.errors import where
from cotan.experimental.sparse.array import BCOO, check, sizes_of
from cotan.experimental.sparse.layout import (
    add_up,
    batch_places,
    columns,
    in_order,
    inside,
    is_new,
    masked,
    permuted,
    pushed_out,
    spread,
    stacked,
    take,
    unravelled,
)
from cotan.experimental.sparse.util import checked_nse, known_count
from cotan.numpy.promotion import as_array


def bcoo_todense(mat: BCOO) -> Any:
    """The dense array of a sparse one.

    Returns:
      An array of the shape and dtype of ``mat``; elements of equal indices are summed.

    Raises:
      TypeError: ``mat`` is no BCOO.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> m = sparse.BCOO((cnp.array([1.0, 2.0, 4.0]), cnp.array([[0], [2], [0]])), shape=(3,))
    >>> sparse.bcoo_todense(m)
    Array([5., 0., 2.], dtype=float32)
    """
    n_batch, n_sparse, _, _nse = check(mat, "bcoo_todense")
    batch = mat.shape[:n_batch]
    if not n_sparse:
        return spread(mat.data, batch).sum(axis=n_batch).astype(mat.dtype)
    values = spread(mat.data, batch)
    return add_up(values, [*batch_places(batch), *columns(mat.indices)], mat.shape, unique_indices=mat.unique_indices)


def bcoo_fromdense(
    mat: Any, *, nse: int | None = None, n_batch: int = 0, n_dense: int = 0, index_dtype: Any = np.int32
) -> BCOO:
    """The sparse array of the elements of a dense one that are not 0.

    Args:
      mat: an array.
      nse: how many elements are stored for each batch; needed while tracing, by default as many as there are in the
        batch that has most. Missing ones are padding; of too many the last are left out.
      n_batch, n_dense: how many of the first and the last axes are batched and dense. An element is stored if there is
        something else than 0 in its dense part.
      index_dtype: the dtype of the indices.

    Raises:
      ValueError: ``n_batch`` and ``n_dense`` do not fit the number of axes.
      ConcretizationTypeError: ``nse`` is missing while tracing.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_fromdense(cnp.eye(3), n_batch=1).indices.tolist()
    [[[0]], [[1]], [[2]]]
    """
    mat = as_array(mat, "bcoo_fromdense")
    n_sparse = mat.ndim - n_batch - n_dense
    if n_batch < 0 or n_dense < 0 or n_sparse < 0:
        raise ValueError(
            f"{where()}: bcoo_fromdense: n_batch={n_batch} and n_dense={n_dense} do not fit an array of shape "
            f"{mat.shape}"
        )
    batch, middle = mat.shape[:n_batch], mat.shape[n_batch : n_batch + n_sparse]
    stored = cnp.not_equal(lax.stop_gradient(mat), 0)
    if n_dense:
        stored = stored.any(axis=tuple(range(n_batch + n_sparse, mat.ndim)))
    size = int(np.prod(middle, dtype=np.int64))
    stored = stored.reshape(*batch, size)
    if nse is None:
        counts = stored.sum(axis=-1)
        nse = known_count("bcoo_fromdense", counts.max() if counts.size else 0)
    nse = checked_nse("bcoo_fromdense", nse)
    # The place of an element among those that are stored; the others, and what is too much, go out of bounds.
    places = cnp.where(stored, cnp.cumsum(stored, axis=-1, dtype=np.int32) - 1, nse)
    numbers = np.broadcast_to(np.arange(size, dtype=np.int32), (*batch, size))
    flat = cnp.full((*batch, nse), size, np.int32)
    flat = flat.at[(*batch_places(batch), places)].set(numbers, mode="drop", wrap_negative_indices=False)
    cols = pushed_out(unravelled(flat, middle), cnp.less(flat, size), middle)
    data = take(mat, [*batch_places(batch), *cols]) if n_sparse else _whole(mat, flat, n_batch, n_dense)
    indices = stacked(cols, flat).astype(index_dtype)
    return BCOO((data, indices), shape=mat.shape, indices_sorted=True, unique_indices=True)


def _whole(mat: Any, flat: Any, n_batch: int, n_dense: int) -> Any:
    """The values of an array without sparse axes: its one element for each batch, and zeros."""
    values = cnp.broadcast_to(cnp.expand_dims(mat, n_batch), (*flat.shape, *mat.shape[n_batch:]))
    return masked(values, cnp.equal(flat, 0), n_dense)


def bcoo_extract(sparr: BCOO, arr: Any, *, assume_unique: bool | None = None) -> BCOO:
    """The elements of a dense array where a sparse one stores some.

    Args:
      sparr: a BCOO, of which only the indices matter.
      arr: an array of its shape.
      assume_unique: whether the indices are unique; by default what ``sparr`` promises. If not, the first of several
        elements of equal indices gets the value, and the others 0.

    Raises:
      ValueError: the shapes differ.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_extract(sparse.eye(2), cnp.array([[1.0, 2.0], [3.0, 4.0]])).data
    Array([1., 4.], dtype=float32)
    """
    n_batch, n_sparse, n_dense, nse = check(sparr, "bcoo_extract")
    arr = as_array(arr, "bcoo_extract")
    if arr.shape != sparr.shape:
        raise ValueError(f"{where()}: bcoo_extract: the shapes {sparr.shape} and {arr.shape} must be equal")
    batch, middle, _ = sizes_of(sparr)
    cols = columns(sparr.indices)
    if not n_sparse:
        number = cnp.broadcast_to(np.arange(nse, dtype=np.int32), (*batch, nse))
        data = _whole(arr, number, n_batch, n_dense)
        return BCOO((data, sparr.indices), **sparr._info._asdict())
    data = take(arr, [*batch_places(batch), *cols])
    if not (sparr.unique_indices if assume_unique is None else assume_unique):
        ordered, permutation = in_order(cols, middle, cols[0])
        first = cnp.zeros(permutation.shape, bool)
        places = batch_places(permutation.shape[:-1])
        first = first.at[(*places, permutation)].set(is_new(ordered, permutation), unique_indices=True)
        data = masked(data, first, n_dense)
    return BCOO((data, sparr.indices), **sparr._info._asdict())


def bcoo_sort_indices(mat: BCOO) -> BCOO:
    """The array with its elements in lexicographic order of their indices, padding last.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_sort_indices(sparse.BCOO((cnp.arange(2.0), cnp.array([[2], [0]])), shape=(3,))).data
    Array([1., 0.], dtype=float32)
    """
    check(mat, "bcoo_sort_indices")
    batch, middle, _ = sizes_of(mat)
    if not middle:
        return BCOO((mat.data, mat.indices), shape=mat.shape, indices_sorted=True, unique_indices=mat.unique_indices)
    ordered, permutation = in_order(columns(mat.indices), middle, mat.indices[..., 0])
    if mat.data.shape[: len(batch)] != permutation.shape[:-1]:
        permutation = spread(permutation, batch)
    data = permuted(mat.data, permutation)
    indices = stacked(ordered, permutation)
    return BCOO((data, indices), shape=mat.shape, indices_sorted=True, unique_indices=mat.unique_indices)


def bcoo_sum_duplicates(mat: BCOO, nse: int | None = None) -> BCOO:
    """The array with one element for each index, in lexicographic order.

    Args:
      mat: a BCOO.
      nse: how many elements are stored for each batch; needed while tracing, by default as many as there are in the
        batch that has most. Missing ones are padding; of too many the last are left out.

    Raises:
      ConcretizationTypeError: ``nse`` is missing while tracing.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> m = sparse.BCOO((cnp.array([1.0, 2.0, 4.0]), cnp.array([[2], [0], [2]])), shape=(3,))
    >>> sparse.bcoo_sum_duplicates(m).data
    Array([2., 5.], dtype=float32)
    """
    check(mat, "bcoo_sum_duplicates")
    batch, middle, dense = sizes_of(mat)
    nse = None if nse is None else checked_nse("bcoo_sum_duplicates", nse)
    like = cnp.zeros((*batch, mat.nse), np.int32)
    cols = [spread(col, batch) for col in columns(mat.indices)]
    ordered, permutation = in_order(cols, middle, like)
    new, valid = is_new(ordered, permutation), inside(ordered, middle)
    counted = new if valid is None else lax.bitwise_and(new, valid)
    if nse is None:
        counts = counted.sum(axis=-1)
        nse = known_count("bcoo_sum_duplicates", counts.max() if counts.size else 0)
    number = cnp.cumsum(new, axis=-1, dtype=np.int32) - 1
    places = [*batch_places(batch), number if valid is None else cnp.where(valid, number, nse)]
    data = add_up(permuted(mat.data, permutation), places, (*batch, nse, *dense))
    found = []
    for col, size in zip(ordered, middle, strict=True):
        start = cnp.full((*batch, nse), size, col.dtype)
        found.append(start.at[tuple(places)].set(col, mode="drop", wrap_negative_indices=False))
    indices = stacked(found, cnp.zeros((*batch, nse), mat.indices.dtype))
    return BCOO((data, indices), shape=mat.shape, indices_sorted=True, unique_indices=True)


def bcoo_eliminate_zeros(mat: BCOO, nse: int | None = None) -> BCOO:
    """The array without stored elements that are 0, and with one element for each index; ``nse`` as for duplicates.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental.sparse import bcoo
    >>> m = bcoo.BCOO((cnp.array([1.0, 0.0]), cnp.array([[2], [0]])), shape=(3,))
    >>> bcoo.bcoo_eliminate_zeros(m)
    BCOO(float32[3], nse=1)
    """
    n_batch, n_sparse, n_dense, _ = check(mat, "bcoo_eliminate_zeros")
    if not n_sparse:
        return bcoo_sum_duplicates(mat, nse)
    _, middle, _ = sizes_of(mat)
    keep = cnp.not_equal(lax.stop_gradient(mat.data), 0)
    if n_dense:
        keep = keep.any(axis=tuple(range(n_batch + 1, mat.data.ndim)))
    cols = pushed_out(columns(mat.indices), keep, middle)
    return bcoo_sum_duplicates(BCOO((mat.data, stacked(cols, cols[0])), shape=mat.shape), nse)
