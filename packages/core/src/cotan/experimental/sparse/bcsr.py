"""BCSR: batched compressed rows. A format beside BCOO; what is more than its layout is done by way of BCOO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan import numpy as cnp
from cotan.errors import where
from cotan.experimental.sparse.array import BCOO, shape_after_mapping
from cotan.experimental.sparse.base import JAXSparse
from cotan.experimental.sparse.conversion import (
    bcoo_eliminate_zeros,
    bcoo_extract,
    bcoo_fromdense,
    bcoo_sort_indices,
    bcoo_sum_duplicates,
    counted,
)
from cotan.experimental.sparse.layout import batch_places, columns, inside, pushed_out, stacked
from cotan.experimental.sparse.products import bcoo_dot_general, checked_numbers
from cotan.experimental.sparse.shaping import bcoo_broadcast_in_dim, bcoo_concatenate
from cotan.experimental.sparse.util import SparseInfo, check_integers, checked_shape
from cotan.numpy.promotion import as_array
from cotan.primitives.composed import composed
from cotan.tracebacks import boundary, guarded
from cotan.tree import register_pytree_node_class


class BCSRProperties(NamedTuple):
    """How the axes of a BCSR are stored."""

    n_batch: int
    n_dense: int
    nse: int


class _Static(NamedTuple):
    shape: tuple[int, ...]
    n_batch: int
    indices_sorted: bool
    unique_indices: bool


def row_numbers(indptr: Any, nse: int) -> Any:
    """The row of each element, ``[*batch, nse]``, of pointers ``[*batch, rows + 1]``; of padding the number of rows."""
    batch = indptr.shape[:-1]
    starts = cnp.zeros((*batch, nse), np.int32)
    # An element's row is the number of rows that end before it.
    starts = starts.at[(*batch_places(batch), indptr[..., 1:])].add(1, mode="drop", wrap_negative_indices=False)
    return cnp.cumsum(starts, axis=-1, dtype=np.int32).astype(indptr.dtype)


def row_pointers(rows: Any, count: int, dtype: Any) -> Any:
    """The pointers ``[*batch, count + 1]`` of sorted row numbers ``[*batch, nse]``."""
    batch = rows.shape[:-1]
    sizes = cnp.zeros((*batch, count), np.int32)
    sizes = sizes.at[(*batch_places(batch), rows)].add(1, mode="drop", wrap_negative_indices=False)
    ends = cnp.cumsum(sizes, axis=-1, dtype=np.int32)
    return cnp.concatenate([cnp.zeros((*batch, 1), np.int32), ends], axis=-1).astype(dtype)


@register_pytree_node_class
@guarded
class BCSR(JAXSparse):
    """A sparse array of rows whose elements stand together, with batch axes before and dense axes after.

    Args:
      args: the triple ``(data, indices, indptr)``: the stored values ``[*batch, nse, *dense]``, their columns
        ``[*batch, nse]``, and where the rows begin and end ``[*batch, rows + 1]``. What stands after the last row is
        padding.
      shape: the shape of the array; two of its axes are sparse.
      indices_sorted, unique_indices: promises about the columns of every row.

    Raises:
      TypeError: indices or pointers are not integers. ValueError: the shapes do not fit together.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> m = sparse.BCSR.fromdense(cnp.array([[0.0, 2.0, 0.0], [1.0, 0.0, 4.0]]))
    >>> m.indptr
    Array([0, 1, 3], dtype=int32)
    >>> m @ cnp.ones(3)
    Array([2., 5.], dtype=float32)
    """

    indices: Any
    indptr: Any

    @boundary
    def __init__(
        self,
        args: tuple[Any, Any, Any],
        *,
        shape: Sequence[int],
        indices_sorted: bool = False,
        unique_indices: bool = False,
    ) -> None:
        self.data, self.indices, self.indptr = (as_array(x, "BCSR") for x in args)
        self.shape = checked_shape("BCSR", shape)
        self.indices_sorted, self.unique_indices = bool(indices_sorted), bool(unique_indices)
        check(self)

    @property
    def n_batch(self) -> int:
        """The number of batch axes."""
        return int(self.indptr.ndim) - 1

    @property
    def n_sparse(self) -> int:
        """The number of sparse axes: 2."""
        return 2

    @property
    def n_dense(self) -> int:
        """The number of dense axes."""
        return int(self.data.ndim) - 1 - self.n_batch

    @property
    def nse(self) -> int:
        """The number of elements that are stored for each batch."""
        return int(self.indices.shape[-1])

    @property
    def _info(self) -> SparseInfo:
        return SparseInfo(self.shape, self.indices_sorted, self.unique_indices)

    @property
    def _bufs(self) -> tuple[Any, Any, Any]:
        return self.data, self.indices, self.indptr

    @property
    def _sparse_shape(self) -> tuple[int, ...]:
        return self.shape[self.n_batch : self.n_batch + 2]

    # ---- Making one

    @classmethod
    def fromdense(
        cls, mat: Any, *, nse: int | None = None, index_dtype: Any = np.int32, n_dense: int = 0, n_batch: int = 0
    ) -> BCSR:
        """A BCSR of the elements of a dense array that are not 0; see ``bcsr_fromdense``."""
        return bcsr_fromdense(mat, nse=nse, index_dtype=index_dtype, n_dense=n_dense, n_batch=n_batch)

    @classmethod
    def from_bcoo(cls, arr: BCOO) -> BCSR:
        """A BCSR of a BCOO with two sparse axes.

        Raises:
          ValueError: it has not two sparse axes.
        """
        if arr.n_sparse != 2:
            raise ValueError(f"{where()}: BCSR.from_bcoo: two sparse axes are needed, got n_sparse={arr.n_sparse}")
        if not arr.indices_sorted:
            arr = bcoo_sort_indices(arr)
        rows, cols = columns(arr.indices)
        sizes = arr.shape[arr.n_batch : arr.n_batch + 2]
        keep = inside([rows, cols], sizes)
        rows, cols = pushed_out([rows, cols], keep, sizes)
        pointers = row_pointers(rows, sizes[0], arr.indices.dtype)
        return cls((arr.data, cols, pointers), **arr._info._replace(indices_sorted=True)._asdict())

    @classmethod
    def from_scipy_sparse(cls, mat: Any, *, index_dtype: Any = None, n_batch: int = 0, n_dense: int = 0) -> BCSR:
        """A BCSR of the elements that a sparse array of SciPy stores.

        Raises:
          ValueError: batch or dense axes are asked for, which SciPy's arrays do not have.
        """
        if n_dense or n_batch:
            raise ValueError(
                f"{where()}: BCSR.from_scipy_sparse: SciPy's arrays have no batch and dense axes, got "
                f"n_batch={n_batch}, n_dense={n_dense}"
            )
        csr = mat.tocsr()
        dtype = np.dtype(index_dtype or np.int32)
        return cls((csr.data, csr.indices.astype(dtype), csr.indptr.astype(dtype)), shape=mat.shape)

    @classmethod
    def _empty(
        cls, shape: Sequence[int], *, dtype: Any = None, index_dtype: Any = "int32", n_dense: int = 0,
        n_batch: int = 0, nse: int = 0,
    ) -> BCSR:  # fmt: skip
        return cls.from_bcoo(
            BCOO._empty(shape, dtype=dtype, index_dtype=index_dtype, n_dense=n_dense, n_batch=n_batch, nse=nse)
        )

    @classmethod
    def _eye(cls, N: int, M: int, k: int, **options: Any) -> BCSR:
        return cls.from_bcoo(BCOO._eye(N, M, k, **options))

    # ---- The pytree

    def tree_flatten(self) -> tuple[tuple[Any, Any, Any], _Static]:
        """Values, columns and pointers; what is static."""
        n_batch = max(getattr(self.indptr, "ndim", 1) - 1, 0)
        return (self.data, self.indices, self.indptr), _Static(
            self.shape, n_batch, self.indices_sorted, self.unique_indices
        )

    @classmethod
    def tree_unflatten(cls, aux_data: _Static, children: Sequence[Any]) -> BCSR:
        """The array of ``children``, which may be anything; where batch axes came or went, they do in the shape."""
        made = object.__new__(cls)
        made.data, made.indices, made.indptr = children
        own = [(made.data, 1), (made.indices, 1), (made.indptr, 1)]
        made.shape = shape_after_mapping(aux_data.shape, aux_data.n_batch, *own)
        made.indices_sorted, made.unique_indices = aux_data.indices_sorted, aux_data.unique_indices
        return made

    # ---- Methods

    def to_bcoo(self) -> BCOO:
        """The array as a BCOO."""
        check(self)
        rows = row_numbers(self.indptr, self.nse)
        rows, cols = cnp.broadcast_arrays(rows, self.indices)
        sizes = self._sparse_shape
        rows, cols = pushed_out([rows, cols], inside([rows, cols], sizes), sizes)
        return BCOO((self.data, stacked([rows.astype(cols.dtype), cols], cols)), **self._info._asdict())

    def todense(self) -> Any:
        """The dense array."""
        return bcsr_todense(self)

    def sum_duplicates(self, nse: int | None = None, remove_zeros: bool = True) -> BCSR:
        """The array with one element for each index; arguments as of BCOO's method."""
        return bcsr_eliminate_zeros(self, nse) if remove_zeros else bcsr_sum_duplicates(self, nse)

    def transpose(self, axes: Any = None) -> BCSR:
        """The array with its axes permuted."""
        return BCSR.from_bcoo(self.to_bcoo().transpose(axes))

    def astype(self, *args: Any, **kwargs: Any) -> BCSR:
        """The array with its values converted to another dtype."""
        return BCSR((self.data.astype(*args, **kwargs), self.indices, self.indptr), **self._info._asdict())

    def sum(self, *args: Any, **kwargs: Any) -> Any:
        """Sums along axes: a BCOO, or of all axes an array of no axes."""
        return self.to_bcoo().sum(*args, **kwargs)

    def __getitem__(self, index: Any) -> Any:
        return self.to_bcoo()[index]

    def _operate(self, name: str, symbol: str, *others: Any) -> Any:
        from cotan.experimental.sparse.operators import operate

        out = operate(name, self.to_bcoo(), *others)
        return BCSR.from_bcoo(out) if isinstance(out, BCOO) and out.n_sparse == 2 else out


def check(mat: Any, api: str = "BCSR") -> BCSRProperties:
    """How the axes of ``mat`` are stored.

    Raises:
      TypeError: it is no BCSR, or its indices are not integers. ValueError: shapes do not fit together.
    """
    if not isinstance(mat, BCSR):
        raise TypeError(f"{where()}: {api}: a BCSR is needed, got {type(mat).__name__}")
    data, indices, indptr, shape = mat.data, mat.indices, mat.indptr, mat.shape
    check_integers(api, "indices", indices)
    check_integers(api, "indptr", indptr)
    n_batch = indptr.ndim - 1
    problem = ""
    if n_batch < 0 or indices.ndim != n_batch + 1 or data.ndim <= n_batch:
        problem = "data [*batch, nse, *dense], indices [*batch, nse] and indptr [*batch, rows + 1] are needed"
    elif len(shape) != n_batch + 2 + data.ndim - 1 - n_batch or data.shape[n_batch + 1 :] != shape[n_batch + 2 :]:
        problem = "the shape must be that of the batches, two sparse axes, and the dense parts"
    elif data.shape[n_batch] != indices.shape[-1] or indptr.shape[-1] != shape[n_batch] + 1:
        problem = "data and indices must store as many elements, and indptr have one entry more than there are rows"
    elif any(n not in (1, m) for x in (data, indices, indptr) for n, m in zip(x.shape, shape[:n_batch], strict=False)):
        problem = "batch axes must have the sizes of the shape's first axes, or 1"
    if problem:
        raise ValueError(
            f"{where()}: {api}: {problem}; got data of shape {data.shape}, indices of shape {indices.shape} and indptr "
            f"of shape {indptr.shape} for an array of shape {shape}. (Only batch axes of a sparse array can be mapped.)"
        )
    return BCSRProperties(n_batch, data.ndim - 1 - n_batch, int(indices.shape[-1]))


# ---- Functions


def bcsr_fromdense(
    mat: Any, *, nse: int | None = None, n_batch: int = 0, n_dense: int = 0, index_dtype: Any = np.int32
) -> BCSR:
    """The sparse array of the elements of a dense one that are not 0; arguments as of ``bcoo_fromdense``.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.bcsr_fromdense(cnp.eye(3)).indptr
    Array([0, 1, 2, 3], dtype=int32)
    """
    mat, nse = counted("bcsr_fromdense", mat, nse, n_batch, n_dense)
    n_sparse = mat.ndim - n_batch - n_dense
    if n_sparse != 2:
        raise ValueError(
            f"{where()}: bcsr_fromdense: two sparse axes are needed, got n_sparse={n_sparse} for an array of shape "
            f"{mat.shape} with n_batch={n_batch} and n_dense={n_dense}"
        )
    bufs = bcsr_fromdense_p.bind(mat, nse=nse, n_batch=n_batch, n_dense=n_dense, index_dtype=np.dtype(index_dtype))
    return BCSR(bufs, shape=mat.shape, indices_sorted=True, unique_indices=True)


def _fromdense(mat: Any, **options: Any) -> tuple[Any, Any, Any]:
    return BCSR.from_bcoo(bcoo_fromdense(mat, **options))._bufs


bcsr_fromdense_p = composed("bcsr_fromdense", _fromdense, multiple_results=True)


def bcsr_todense(mat: BCSR) -> Any:
    """The dense array of a sparse one.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.bcsr_todense(sparse.BCSR.fromdense(cnp.eye(2)))
    Array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    check(mat, "bcsr_todense")
    return bcsr_todense_p.bind(*mat._bufs, spinfo=mat._info)


def _todense(data: Any, indices: Any, indptr: Any, *, spinfo: SparseInfo) -> Any:
    return BCSR((data, indices, indptr), **spinfo._asdict()).to_bcoo().todense()


bcsr_todense_p = composed("bcsr_todense", _todense)


def bcsr_extract(indices: Any, indptr: Any, mat: Any) -> Any:
    """The elements of a dense array at the places of a BCSR.

    Args:
      indices, indptr: those of a BCSR. mat: an array of its shape.

    Returns:
      Values ``[*batch, nse, *dense]``.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.bcsr_extract(cnp.array([1, 0]), cnp.array([0, 1, 2]), cnp.arange(4.0).reshape(2, 2))
    Array([1., 2.], dtype=float32)
    """
    mat, indices, indptr = (as_array(x, "bcsr_extract") for x in (mat, indices, indptr))
    return bcsr_extract_p.bind(indices, indptr, mat)


def _extract(indices: Any, indptr: Any, mat: Any) -> Any:
    lead = indices.shape[: indptr.ndim - 1]
    dense = mat.shape[indptr.ndim + 1 :]
    pattern = BCSR((cnp.zeros((*lead, indices.shape[-1], *dense), mat.dtype), indices, indptr), shape=mat.shape)
    return bcoo_extract(pattern.to_bcoo(), mat, assume_unique=True).data


bcsr_extract_p = composed("bcsr_extract", _extract)


def bcsr_dot_general(
    lhs: Any,
    rhs: Any,
    *,
    dimension_numbers: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """A product as of ``lax.dot_general``, of operands of which one or both may be BCSR; see ``bcoo_dot_general``.

    Returns:
      An array; of two sparse operands a BCSR, if two axes of the product are sparse, else a BCOO.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> numbers = (((1,), (0,)), ((), ()))
    >>> sparse.bcsr_dot_general(sparse.BCSR.fromdense(cnp.eye(2)), cnp.arange(2.0), dimension_numbers=numbers)
    Array([0., 1.], dtype=float32)
    """
    if isinstance(lhs, BCSR) and not isinstance(rhs, JAXSparse):
        check(lhs, "bcsr_dot_general")
        rhs = as_array(rhs, "bcsr_dot_general")
        return bcsr_dot_general_p.bind(
            *lhs._bufs, rhs, lhs_spinfo=lhs._info, preferred_element_type=preferred_element_type,
            dimension_numbers=checked_numbers("bcsr_dot_general", dimension_numbers, lhs.shape, rhs.shape),
        )  # fmt: skip
    operands = [x.to_bcoo() if isinstance(x, BCSR) else x for x in (lhs, rhs)]
    out = bcoo_dot_general(
        *operands, dimension_numbers=dimension_numbers, preferred_element_type=preferred_element_type
    )
    return BCSR.from_bcoo(out) if isinstance(out, BCOO) and out.n_sparse == 2 else out


def _dot_general(
    lhs_data: Any, lhs_indices: Any, lhs_indptr: Any, rhs: Any, *, lhs_spinfo: SparseInfo, **how: Any
) -> Any:
    lhs = BCSR((lhs_data, lhs_indices, lhs_indptr), **lhs_spinfo._asdict())
    return bcoo_dot_general(lhs.to_bcoo(), rhs, **how)


bcsr_dot_general_p = composed("bcsr_dot_general", _dot_general)


def bcsr_broadcast_in_dim(
    mat: BCSR, *, shape: Sequence[int], broadcast_dimensions: Sequence[int], sharding: Any = None
) -> BCSR:
    """The array repeated to ``shape``; see ``bcoo_broadcast_in_dim``. Two axes must stay sparse.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> m = sparse.BCSR.fromdense(cnp.eye(2))
    >>> sparse.bcsr_broadcast_in_dim(m, shape=(3, 2, 2), broadcast_dimensions=(1, 2))
    BCSR(float32[3, 2, 2], nse=2, n_batch=1)
    """
    check(mat, "bcsr_broadcast_in_dim")
    return BCSR.from_bcoo(bcoo_broadcast_in_dim(mat.to_bcoo(), shape=shape, broadcast_dimensions=broadcast_dimensions))


def bcsr_concatenate(operands: Sequence[BCSR], *, dimension: int) -> BCSR:
    """Arrays one after the other along an axis; see ``bcoo_concatenate``.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> m = sparse.BCSR.fromdense(cnp.eye(2))
    >>> sparse.bcsr_concatenate([m, m], dimension=0).indptr.tolist()
    [0, 1, 2, 3, 4]
    """
    for mat in operands:
        check(mat, "bcsr_concatenate")
    return BCSR.from_bcoo(bcoo_concatenate([mat.to_bcoo() for mat in operands], dimension=dimension))


def bcsr_sum_duplicates(mat: BCSR, nse: int | None = None) -> BCSR:
    """The array with one element for each index; arguments as of ``bcoo_sum_duplicates``.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> m = sparse.BCSR((cnp.ones(2), cnp.array([1, 1]), cnp.array([0, 2])), shape=(1, 2))
    >>> sparse.bcsr_sum_duplicates(m).data
    Array([2.], dtype=float32)
    """
    check(mat, "bcsr_sum_duplicates")
    return BCSR.from_bcoo(bcoo_sum_duplicates(mat.to_bcoo(), nse))


def bcsr_eliminate_zeros(mat: BCSR, nse: int | None = None) -> BCSR:
    """The array without stored elements that are 0, and with one element for each index."""
    check(mat, "bcsr_eliminate_zeros")
    return BCSR.from_bcoo(bcoo_eliminate_zeros(mat.to_bcoo(), nse))
