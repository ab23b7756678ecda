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
from cotan.experimental.sparse.util import SparseInfo, checked_nse, known_count
from cotan.numpy.promotion import as_array
from cotan.primitives.composed import composed


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
    check(mat, "bcoo_todense")
    return bcoo_todense_p.bind(mat.data, mat.indices, spinfo=mat._info)


def _todense(data: Any, indices: Any, *, spinfo: SparseInfo) -> Any:
    mat = BCOO((data, indices), **spinfo._asdict())
    n_batch = mat.n_batch
    batch = mat.shape[:n_batch]
    if not mat.n_sparse:
        return spread(mat.data, batch).sum(axis=n_batch).astype(mat.dtype)
    values = spread(mat.data, batch)
    return add_up(values, [*batch_places(batch), *columns(mat.indices)], mat.shape, unique_indices=mat.unique_indices)


bcoo_todense_p = composed("bcoo_todense", _todense)


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
    mat, nse = counted("bcoo_fromdense", mat, nse, n_batch, n_dense)
    bufs = bcoo_fromdense_p.bind(mat, nse=nse, n_batch=n_batch, n_dense=n_dense, index_dtype=np.dtype(index_dtype))
    return BCOO(bufs, shape=mat.shape, indices_sorted=True, unique_indices=True)


def counted(api: str, mat: Any, nse: Any, n_batch: int, n_dense: int) -> tuple[Any, int]:
    """``mat`` as an array, and how many of its elements are stored; ``nse`` if that is given.

    Raises:
      ValueError: ``n_batch`` and ``n_dense`` do not fit. ConcretizationTypeError: ``nse`` is missing while tracing.
    """
    mat = as_array(mat, api)
    if n_batch < 0 or n_dense < 0 or n_batch + n_dense > mat.ndim:
        raise ValueError(
            f"{where()}: {api}: n_batch={n_batch} and n_dense={n_dense} do not fit an array of shape {mat.shape}"
        )
    if nse is None:
        counts = _stored(mat, n_batch, n_dense).sum(axis=-1)
        nse = known_count(api, counts.max() if counts.size else 0)
    return mat, checked_nse(api, nse)


def _stored(mat: Any, n_batch: int, n_dense: int) -> Any:
    """Which elements of an array are stored, ``[*batch, size]``."""
    batch, first_dense = mat.shape[:n_batch], mat.ndim - n_dense
    stored = cnp.not_equal(lax.stop_gradient(mat), 0)
    if n_dense:
        stored = stored.any(axis=tuple(range(first_dense, mat.ndim)))
    return stored.reshape(*batch, int(np.prod(mat.shape[n_batch:first_dense], dtype=np.int64)))


def _fromdense(mat: Any, *, nse: int, index_dtype: Any, n_batch: int = 0, n_dense: int = 0) -> tuple[Any, Any]:
    batch, middle = mat.shape[:n_batch], mat.shape[n_batch : mat.ndim - n_dense]
    stored = _stored(mat, n_batch, n_dense)
    size = stored.shape[-1]
    # The place of an element among those that are stored; the others, and what is too much, go out of bounds.
    places = cnp.where(stored, cnp.cumsum(stored, axis=-1, dtype=np.int32) - 1, nse)
    numbers = np.broadcast_to(np.arange(size, dtype=np.int32), (*batch, size))
    flat = cnp.full((*batch, nse), size, np.int32)
    flat = flat.at[(*batch_places(batch), places)].set(numbers, mode="drop", wrap_negative_indices=False)
    cols = pushed_out(unravelled(flat, middle), cnp.less(flat, size), middle)
    data = take(mat, [*batch_places(batch), *cols]) if middle else _whole(mat, flat, n_batch, n_dense)
    return data, stacked(cols, flat).astype(index_dtype)


bcoo_fromdense_p = composed("bcoo_fromdense", _fromdense, multiple_results=True)


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
    check(sparr, "bcoo_extract")
    arr = as_array(arr, "bcoo_extract")
    if arr.shape != sparr.shape:
        raise ValueError(f"{where()}: bcoo_extract: the shapes {sparr.shape} and {arr.shape} must be equal")
    unique = sparr.unique_indices if assume_unique is None else bool(assume_unique)
    data = bcoo_extract_p.bind(sparr.indices, arr, assume_unique=unique)
    return BCOO((data, sparr.indices), **sparr._info._asdict())


def _extract(indices: Any, arr: Any, *, assume_unique: bool) -> Any:
    *lead, nse, n_sparse = indices.shape
    n_batch = len(lead)
    batch, middle = arr.shape[:n_batch], arr.shape[n_batch : n_batch + n_sparse]
    n_dense = arr.ndim - n_batch - n_sparse
    if not n_sparse:
        number = cnp.broadcast_to(np.arange(nse, dtype=np.int32), (*batch, nse))
        return _whole(arr, number, n_batch, n_dense)
    cols = columns(indices)
    data = take(arr, [*batch_places(batch), *cols])
    if not assume_unique:
        ordered, permutation = in_order(cols, middle, cols[0])
        first = cnp.zeros(permutation.shape, bool)
        places = batch_places(permutation.shape[:-1])
        first = first.at[(*places, permutation)].set(is_new(ordered, permutation), unique_indices=True)
        data = masked(data, first, n_dense)
    return data


bcoo_extract_p = composed("bcoo_extract", _extract)


def bcoo_sort_indices(mat: BCOO) -> BCOO:
    """The array with its elements in lexicographic order of their indices, padding last.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.bcoo_sort_indices(sparse.BCOO((cnp.arange(2.0), cnp.array([[2], [0]])), shape=(3,))).data
    Array([1., 0.], dtype=float32)
    """
    check(mat, "bcoo_sort_indices")
    bufs = bcoo_sort_indices_p.bind(mat.data, mat.indices, spinfo=mat._info)
    return BCOO(bufs, shape=mat.shape, indices_sorted=True, unique_indices=mat.unique_indices)


def _sort_indices(data: Any, indices: Any, *, spinfo: SparseInfo) -> tuple[Any, Any]:
    mat = BCOO((data, indices), **spinfo._asdict())
    batch, middle, _ = sizes_of(mat)
    if not middle:
        return mat.data, mat.indices
    ordered, permutation = in_order(columns(mat.indices), middle, mat.indices[..., 0])
    if mat.data.shape[: len(batch)] != permutation.shape[:-1]:
        permutation = spread(permutation, batch)
    return permuted(mat.data, permutation), stacked(ordered, permutation)


bcoo_sort_indices_p = composed("bcoo_sort_indices", _sort_indices, multiple_results=True)


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
    size = mat.nse if nse is None else checked_nse("bcoo_sum_duplicates", nse)
    bufs = bcoo_sum_duplicates_p.bind(mat.data, mat.indices, spinfo=mat._info, nse=size)
    found = BCOO(bufs, shape=mat.shape, indices_sorted=True, unique_indices=True)
    return without_padding("bcoo_sum_duplicates", found) if nse is None else found


def without_padding(api: str, mat: BCOO) -> BCOO:
    """An array without duplicates, whose padding comes last in every batch, with only as much of it as is needed.

    Raises:
      ConcretizationTypeError: the indices are not known while tracing.
    """
    batch, middle, _ = sizes_of(mat)
    valid = inside(columns(mat.indices), middle)
    if valid is None:
        count = min(mat.nse, 1)  # without sparse axes all elements were at one place
    else:
        count = known_count(api, valid.sum(axis=-1).max() if valid.size else 0)
    every = (slice(None),) * len(batch)
    bufs = mat.data[(*every, slice(count))], mat.indices[(*every, slice(count))]
    return BCOO(bufs, shape=mat.shape, indices_sorted=True, unique_indices=True)


def _sum_duplicates(data: Any, indices: Any, *, spinfo: SparseInfo, nse: int) -> tuple[Any, Any]:
    mat = BCOO((data, indices), **spinfo._asdict())
    batch, middle, dense = sizes_of(mat)
    like = cnp.zeros((*batch, mat.nse), np.int32)
    cols = [spread(col, batch) for col in columns(mat.indices)]
    ordered, permutation = in_order(cols, middle, like)
    new, valid = is_new(ordered, permutation), inside(ordered, middle)
    number = cnp.cumsum(new, axis=-1, dtype=np.int32) - 1
    places = [*batch_places(batch), number if valid is None else cnp.where(valid, number, nse)]
    data = add_up(permuted(mat.data, permutation), places, (*batch, nse, *dense))
    found = []
    for col, size in zip(ordered, middle, strict=True):
        start = cnp.full((*batch, nse), size, col.dtype)
        found.append(start.at[tuple(places)].set(col, mode="drop", wrap_negative_indices=False))
    return data, stacked(found, cnp.zeros((*batch, nse), mat.indices.dtype))


bcoo_sum_duplicates_p = composed("bcoo_sum_duplicates", _sum_duplicates, multiple_results=True)


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
