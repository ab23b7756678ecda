"""BCOO: batched coordinates. The class as a pytree, its attributes and methods; what they do is elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan import numpy as cnp
from cotan.errors import where
from cotan.experimental.sparse.base import JAXSparse
from cotan.experimental.sparse.util import SparseInfo, check_integers, checked_shape
from cotan.numpy.promotion import as_array
from cotan.tracebacks import boundary, guarded
from cotan.tree import register_pytree_node_class


class BCOOProperties(NamedTuple):
    """How the axes of a BCOO are stored."""

    n_batch: int
    n_sparse: int
    n_dense: int
    nse: int


class _Static(NamedTuple):
    shape: tuple[int, ...]
    n_batch: int
    indices_sorted: bool
    unique_indices: bool


@register_pytree_node_class
@guarded
class BCOO(JAXSparse):
    """A sparse array by the coordinates of its stored elements, with batch axes before and dense axes after.

    Elements of equal indices are summed; those with an index out of bounds are padding and stand for nothing. It is a
    pytree of ``data`` and ``indices``: it may be an argument and a result of compiled, mapped and differentiated
    functions. Mapping takes away and adds batch axes.

    Args:
      args: the pair ``(data, indices)``: the stored values ``[*batch, nse, *dense]``, and integers
        ``[*batch, nse, n_sparse]``. A batch axis of size 1 stands for any size.
      shape: the shape of the array.
      indices_sorted, unique_indices: promises about the indices of every batch.

    Attributes:
      data, indices, shape, indices_sorted, unique_indices: as given.
      n_batch, n_sparse, n_dense: how many axes are batched, sparse and dense, in this order.
      nse: how many elements are stored for each batch.

    Raises:
      TypeError: the indices are not integers. ValueError: the shapes do not fit together.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> m = sparse.BCOO.fromdense(cnp.array([[0.0, 2.0, 0.0], [1.0, 0.0, 4.0]]))
    >>> m
    BCOO(float32[2, 3], nse=3)
    >>> m.data
    Array([2., 1., 4.], dtype=float32)
    >>> m @ cnp.ones(3)
    Array([2., 5.], dtype=float32)
    """

    indices: Any

    @boundary
    def __init__(
        self, args: tuple[Any, Any], *, shape: Sequence[int], indices_sorted: bool = False, unique_indices: bool = False
    ) -> None:
        data, indices = args
        self.data, self.indices = as_array(data, "BCOO"), as_array(indices, "BCOO")
        self.shape = checked_shape("BCOO", shape)
        found = check(self)
        # Without sparse axes there is no index that says of an element that it is padding: all are at one place.
        apart = found.n_sparse > 0 or found.nse <= 1
        self.indices_sorted, self.unique_indices = bool(indices_sorted), bool(unique_indices) and apart

    @property
    def n_batch(self) -> int:
        """The number of batch axes."""
        return int(self.indices.ndim) - 2

    @property
    def n_sparse(self) -> int:
        """The number of sparse axes."""
        return int(self.indices.shape[-1])

    @property
    def n_dense(self) -> int:
        """The number of dense axes."""
        return int(self.data.ndim) - 1 - self.n_batch

    @property
    def nse(self) -> int:
        """The number of elements that are stored for each batch."""
        return int(self.indices.shape[-2])

    @property
    def _info(self) -> SparseInfo:
        return SparseInfo(self.shape, self.indices_sorted, self.unique_indices)

    @property
    def _bufs(self) -> tuple[Any, Any]:
        return self.data, self.indices

    # ---- Making one

    @classmethod
    def fromdense(
        cls, mat: Any, *, nse: int | None = None, index_dtype: Any = np.int32, n_dense: int = 0, n_batch: int = 0
    ) -> BCOO:
        """A BCOO of the elements of a dense array that are not 0; see ``bcoo_fromdense``."""
        from cotan.experimental.sparse.conversion import bcoo_fromdense

        return bcoo_fromdense(mat, nse=nse, index_dtype=index_dtype, n_dense=n_dense, n_batch=n_batch)

    @classmethod
    def from_scipy_sparse(cls, mat: Any, *, index_dtype: Any = None, n_dense: int = 0, n_batch: int = 0) -> BCOO:
        """A BCOO of the elements that a sparse array of SciPy stores.

        Raises:
          ValueError: batch or dense axes are asked for, which SciPy's arrays do not have.
        """
        if n_dense or n_batch:
            raise ValueError(
                f"{where()}: BCOO.from_scipy_sparse: SciPy's arrays have no batch and dense axes; use update_layout "
                f"afterwards, got n_batch={n_batch}, n_dense={n_dense}"
            )
        coo = mat.tocoo()
        indices = np.stack([coo.row, coo.col], axis=-1).astype(index_dtype or np.int32)
        return cls((coo.data, indices), shape=mat.shape)

    @classmethod
    def _empty(
        cls, shape: Sequence[int], *, dtype: Any = None, index_dtype: Any = "int32", n_dense: int = 0,
        n_batch: int = 0, nse: int = 0,
    ) -> BCOO:  # fmt: skip
        sizes = checked_shape("empty", shape)
        n_sparse = len(sizes) - n_batch - n_dense
        if n_sparse < 0 or n_batch < 0 or n_dense < 0:
            raise ValueError(f"{where()}: empty: n_batch={n_batch} and n_dense={n_dense} do not fit the shape {sizes}")
        batch, middle, dense = sizes[:n_batch], sizes[n_batch : n_batch + n_sparse], sizes[n_batch + n_sparse :]
        data = cnp.zeros((*batch, nse, *dense), dtype)
        indices = cnp.broadcast_to(cnp.asarray(middle, index_dtype), (*batch, nse, n_sparse))
        return cls((data, indices), shape=sizes, indices_sorted=True, unique_indices=nse <= 1)

    @classmethod
    def _eye(
        cls, N: int, M: int, k: int, *, dtype: Any = None, index_dtype: Any = "int32", n_batch: int = 0,
        n_dense: int = 0,
    ) -> BCOO:  # fmt: skip
        n_sparse = 2 - n_batch - n_dense
        if n_sparse < 0:
            raise ValueError(f"{where()}: eye: a matrix has 2 axes, got n_batch={n_batch} and n_dense={n_dense}")
        rows = np.arange(max(0, -k), max(0, -k, min(N, M - k)))
        places = np.stack([rows, rows + k], axis=-1)
        whole = cls((np.ones(len(rows), np.int32), places.astype(np.int32)), shape=(N, M), unique_indices=True)
        if not (n_batch or n_dense):
            data = cnp.ones(len(rows), dtype)
            return cls((data, places.astype(index_dtype)), shape=(N, M), indices_sorted=True, unique_indices=True)
        from cotan.experimental.sparse.conversion import bcoo_fromdense

        options: dict[str, Any] = {"n_batch": n_batch, "n_dense": n_dense, "index_dtype": index_dtype}
        return bcoo_fromdense(whole.todense(), **options).astype(dtype or float)

    # ---- The pytree

    def tree_flatten(self) -> tuple[tuple[Any, Any], _Static]:
        """Values and indices; what is static."""
        static = _Static(
            self.shape, max(getattr(self.indices, "ndim", 2) - 2, 0), self.indices_sorted, self.unique_indices
        )
        return (self.data, self.indices), static

    @classmethod
    def tree_unflatten(cls, aux_data: _Static, children: Sequence[Any]) -> BCOO:
        """The array of ``children``, which may be anything; where batch axes came or went, they do in the shape."""
        made = object.__new__(cls)
        made.data, made.indices = children
        made.shape = shape_after_mapping(aux_data.shape, aux_data.n_batch, (made.data, 1), (made.indices, 2))
        made.indices_sorted, made.unique_indices = aux_data.indices_sorted, aux_data.unique_indices
        return made

    # ---- Methods

    def todense(self) -> Any:
        """The dense array; see ``bcoo_todense``."""
        from cotan.experimental.sparse.conversion import bcoo_todense

        return bcoo_todense(self)

    def sort_indices(self) -> BCOO:
        """The array with its elements in lexicographic order of their indices."""
        from cotan.experimental.sparse.conversion import bcoo_sort_indices

        return bcoo_sort_indices(self)

    def sum_duplicates(self, nse: int | None = None, remove_zeros: bool = True) -> BCOO:
        """The array with one element for each index, in lexicographic order.

        Args:
          nse: how many elements to store; by default as many as there are, which must be known, not traced. Padding is
            added to less, and of more the last are left out.
          remove_zeros: leave out elements that are 0. (Where derivatives are taken, say False.)
        """
        from cotan.experimental.sparse.conversion import bcoo_eliminate_zeros, bcoo_sum_duplicates

        return bcoo_eliminate_zeros(self, nse) if remove_zeros else bcoo_sum_duplicates(self, nse)

    def update_layout(
        self, *, n_batch: int | None = None, n_dense: int | None = None, on_inefficient: str | None = "error"
    ) -> BCOO:
        """The array with other numbers of batch and dense axes; see ``bcoo_update_layout``."""
        from cotan.experimental.sparse.relayout import bcoo_update_layout

        return bcoo_update_layout(self, n_batch=n_batch, n_dense=n_dense, on_inefficient=on_inefficient)

    def transpose(self, axes: Sequence[int] | None = None) -> BCOO:
        """The array with its axes in the order ``axes``, reversed by default; see ``bcoo_transpose``."""
        from cotan.experimental.sparse.shaping import bcoo_transpose

        return bcoo_transpose(self, permutation=tuple(range(self.ndim))[::-1] if axes is None else axes)

    def reshape(self, *args: Any, **kwargs: Any) -> BCOO:
        """The array in another shape, as ``reshape`` of arrays; see ``bcoo_reshape``."""
        return self._by_sparsify(lambda x: x.reshape(*args, **kwargs))

    def astype(self, *args: Any, **kwargs: Any) -> BCOO:
        """The array with its values converted to another dtype."""
        return BCOO((self.data.astype(*args, **kwargs), self.indices), **self._info._asdict())

    def sum(self, *args: Any, **kwargs: Any) -> Any:
        """Sums along axes: a BCOO, or of all axes an array of no axes. Arguments are those of ``numpy.sum``."""
        return self._by_sparsify(lambda x: x.sum(*args, **kwargs))

    def __getitem__(self, index: Any) -> Any:
        return self._by_sparsify(lambda x: x[index])

    def _by_sparsify(self, fun: Any) -> Any:
        from cotan.experimental.sparse.transform import sparsify

        return sparsify(fun)(self)

    def _operate(self, name: str, symbol: str, *others: Any) -> Any:
        from cotan.experimental.sparse.operators import operate

        return operate(name, self, *others)


def shape_after_mapping(shape: tuple[int, ...], n_batch: int, *parts: tuple[Any, int]) -> tuple[int, ...]:
    """``shape``, whose first ``n_batch`` sizes are batch axes, with the batch axes that the arrays have now.

    Args:
      parts: pairs of an array, or whatever stands in its place, and how many axes it has besides batch and dense ones.
    """
    indices, own = parts[-1]
    found = getattr(indices, "shape", None)
    if not isinstance(found, tuple) or not all(isinstance(getattr(x, "shape", None), tuple) for x, _ in parts):
        return shape
    now = len(found) - own
    if now < 0:
        return shape
    leading = [x.shape[:now] for x, _ in parts]
    if any(len(sizes) != now for sizes in leading):
        return shape
    if now == n_batch and all(n in (1, m) for sizes in leading for n, m in zip(sizes, shape[:now], strict=True)):
        return shape
    try:
        return (*np.broadcast_shapes(*leading), *shape[n_batch:])
    except ValueError:
        return shape


def check(mat: Any, api: str = "BCOO") -> BCOOProperties:
    """How the axes of ``mat`` are stored.

    Raises:
      TypeError: it is no BCOO, or its indices are not integers. ValueError: shapes do not fit together.
    """
    if not isinstance(mat, BCOO):
        raise TypeError(f"{where()}: {api}: a BCOO is needed, got {type(mat).__name__}")
    data, indices, shape = mat.data, mat.indices, mat.shape
    check_integers(api, "indices", indices)
    n_batch = indices.ndim - 2
    n_sparse = indices.shape[-1] if indices.ndim else 0
    n_dense = data.ndim - 1 - n_batch
    problem = ""
    if n_batch < 0:
        problem = "indices need the axes [*batch, nse, n_sparse]"
    elif n_dense < 0 or n_batch + n_sparse + n_dense != len(shape):
        problem = "the axes of batches, of index vectors and of dense parts must be those of the shape"
    elif data.shape[n_batch] != indices.shape[-2]:
        problem = "data and indices must store the same number of elements"
    elif data.shape[n_batch + 1 :] != shape[n_batch + n_sparse :]:
        problem = "the dense axes of data must have the sizes of the shape's last axes"
    elif any(a not in (1, n) or b not in (1, n) for a, b, n in zip(data.shape, indices.shape, shape[:n_batch])):
        problem = "batch axes must have the sizes of the shape's first axes, or 1"
    if problem:
        raise ValueError(
            f"{where()}: {api}: {problem}; got data of shape {data.shape} and indices of shape {indices.shape} for an "
            f"array of shape {shape}. (Only batch axes of a sparse array can be mapped.)"
        )
    return BCOOProperties(n_batch, n_sparse, n_dense, int(indices.shape[-2]))


def sizes_of(mat: BCOO) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The sizes of batch, sparse and dense axes."""
    n_batch, n_sparse, shape = mat.n_batch, mat.n_sparse, mat.shape
    return shape[:n_batch], shape[n_batch : n_batch + n_sparse], shape[n_batch + n_sparse :]


def is_inexact(mat: BCOO) -> bool:
    """Whether the values are floats or complex numbers."""
    return bool(dtypes.issubdtype(mat.dtype, np.inexact))
