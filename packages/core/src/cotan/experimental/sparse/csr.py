"""CSR and CSC: a matrix by compressed rows or columns. Plain formats for exchange; BCSR does more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import numpy as cnp
from cotan.errors import where
from cotan.experimental.sparse.array import BCOO
from cotan.experimental.sparse.base import JAXSparse
from cotan.experimental.sparse.bcsr import BCSR
from cotan.experimental.sparse.conversion import bcoo_fromdense, counted
from cotan.experimental.sparse.coo import as_matrix, check_reversal, checked, factor, matrix_product
from cotan.experimental.sparse.util import check_integers, checked_shape
from cotan.numpy.promotion import as_array
from cotan.primitives.composed import composed
from cotan.tracebacks import boundary, guarded
from cotan.tree import register_pytree_node_class


class _Compressed(JAXSparse):
    """A matrix whose rows (or columns) stand together: values, positions within them, and where each begins."""

    indices: Any
    indptr: Any
    _by_columns = False

    @boundary
    def __init__(self, args: tuple[Any, Any, Any], *, shape: Sequence[int]) -> None:
        name = type(self).__name__
        self.data, self.indices, self.indptr = (as_array(x, name) for x in args)
        self.shape = checked_shape(name, shape)
        check_integers(name, "indices", self.indices)
        check_integers(name, "indptr", self.indptr)
        count = self.shape[self._by_columns] + 1 if len(self.shape) == 2 else 0
        if self.data.ndim != 1 or self.data.shape != self.indices.shape or self.indptr.shape != (count,):
            raise ValueError(
                f"{where()}: {name}: a matrix needs vectors of values and indices of one length, and of its "
                f"{'columns' if self._by_columns else 'rows'} and one more, got shapes {self.data.shape}, "
                f"{self.indices.shape} and {self.indptr.shape} for the shape {self.shape}"
            )

    @property
    def nse(self) -> int:
        """The number of elements that are stored."""
        return int(self.data.shape[0])

    @property
    def _bufs(self) -> tuple[Any, Any, Any]:
        return self.data, self.indices, self.indptr

    @classmethod
    def fromdense(cls, mat: Any, *, nse: int | None = None, index_dtype: Any = np.int32) -> Any:
        """The sparse matrix of the elements of a dense one that are not 0; arguments as of ``csr_fromdense``."""
        api = f"{cls.__name__}.fromdense"
        mat, nse = counted(api, as_matrix(api, mat), nse, 0, 0)
        rows = mat.T if cls._by_columns else mat
        return cls(csr_fromdense_p.bind(rows, nse=nse, index_dtype=np.dtype(index_dtype)), shape=mat.shape)

    @classmethod
    def _of(cls, rows: BCOO) -> Any:
        """The matrix whose rows (or columns) are the rows of ``rows``."""
        made = BCSR.from_bcoo(rows)
        return cls((made.data, made.indices, made.indptr), shape=made.shape[::-1] if cls._by_columns else made.shape)

    @classmethod
    def _empty(cls, shape: Sequence[int], *, dtype: Any = None, index_dtype: Any = "int32") -> Any:
        sizes = checked_shape("empty", shape)
        if len(sizes) != 2:
            raise ValueError(f"{where()}: empty: {cls.__name__} is a format of matrices, got the shape {sizes}")
        pointers = cnp.zeros(sizes[cls._by_columns] + 1, index_dtype)
        return cls((cnp.zeros(0, dtype), cnp.zeros(0, index_dtype), pointers), shape=sizes)

    @classmethod
    def _eye(cls, N: int, M: int, k: int, *, dtype: Any = None, index_dtype: Any = "int32") -> Any:
        if cls._by_columns:
            N, M, k = M, N, -k
        return cls._of(BCOO._eye(N, M, k, dtype=dtype, index_dtype=index_dtype))

    @property
    def _shape_of_rows(self) -> tuple[int, ...]:
        """The shape of the matrix whose rows stand together."""
        return self.shape[::-1] if self._by_columns else self.shape

    def to_bcoo(self) -> BCOO:
        """The matrix as a BCOO."""
        rows = _rows(*self._bufs, self._shape_of_rows)
        return rows.transpose() if self._by_columns else rows

    def todense(self) -> Any:
        """The dense matrix."""
        rows = csr_todense_p.bind(*self._bufs, shape=self._shape_of_rows)
        return cnp.transpose(rows) if self._by_columns else rows

    def tree_flatten(self) -> tuple[tuple[Any, Any, Any], tuple[int, ...]]:
        """Values, indices and pointers; the shape."""
        return (self.data, self.indices, self.indptr), self.shape

    @classmethod
    def tree_unflatten(cls, aux_data: tuple[int, ...], children: Sequence[Any]) -> Any:
        """The matrix of ``children``, which may be anything."""
        made = object.__new__(cls)
        made.data, made.indices, made.indptr = children
        made.shape = aux_data
        return made

    def _operate(self, name: str, symbol: str, *others: Any) -> Any:
        if name == "matmul":
            return _product(type(self).__name__, self, others[0])
        return super()._operate(name, symbol, *others)


# ---- What is done with values, indices and pointers


def _rows(data: Any, indices: Any, indptr: Any, shape: tuple[int, ...]) -> BCOO:
    return BCSR((data, indices, indptr), shape=shape).to_bcoo()


def _fromdense(mat: Any, **options: Any) -> tuple[Any, Any, Any]:
    return BCSR.from_bcoo(bcoo_fromdense(mat, **options))._bufs


def _todense(data: Any, indices: Any, indptr: Any, *, shape: tuple[int, ...]) -> Any:
    return _rows(data, indices, indptr, shape).todense()


def _matmul(data: Any, indices: Any, indptr: Any, other: Any, *, shape: tuple[int, ...], transpose: bool) -> Any:
    return matrix_product(_rows(data, indices, indptr, shape), other, transpose)


csr_fromdense_p = composed("csr_fromdense", _fromdense, multiple_results=True)
csr_todense_p = composed("csr_todense", _todense)
csr_matvec_p = composed("csr_matvec", _matmul)
csr_matmat_p = composed("csr_matmat", _matmul)


def _product(name: str, mat: _Compressed, other: Any, transpose: bool = False, ndim: int | None = None) -> Any:
    other = factor(name, mat, other, transpose, ndim)
    primitive = csr_matvec_p if other.ndim == 1 else csr_matmat_p
    turned = bool(transpose) != mat._by_columns
    return primitive.bind(*mat._bufs, other, shape=mat._shape_of_rows, transpose=turned)


# ---- Classes


@register_pytree_node_class
@guarded
class CSR(_Compressed):
    """A sparse matrix by compressed rows.

    Args:
      args: the triple ``(data, indices, indptr)``: values, their columns, and where the rows begin and end.
      shape: rows and columns.

    Raises:
      TypeError: indices or pointers are not integers. ValueError: the shapes do not fit together.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.CSR.fromdense(cnp.array([[0.0, 3.0], [4.0, 0.0]])) @ cnp.ones(2)
    Array([3., 4.], dtype=float32)
    """

    def transpose(self, axes: Any = None) -> CSC:
        """The transposed matrix, by compressed columns.

        Raises:
          NotImplementedError: ``axes`` are given.
        """
        check_reversal("CSR", axes)
        return CSC(self._bufs, shape=self.shape[::-1])


@register_pytree_node_class
@guarded
class CSC(_Compressed):
    """A sparse matrix by compressed columns; as ``CSR``, where rows and columns change places.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.CSC.fromdense(cnp.array([[0.0, 3.0], [4.0, 0.0]])).data
    Array([4., 3.], dtype=float32)
    """

    _by_columns = True

    def transpose(self, axes: Any = None) -> CSR:
        """The transposed matrix, by compressed rows.

        Raises:
          NotImplementedError: ``axes`` are given.
        """
        check_reversal("CSC", axes)
        return CSR(self._bufs, shape=self.shape[::-1])


def csr_fromdense(mat: Any, *, nse: int | None = None, index_dtype: Any = np.int32) -> CSR:
    """A CSR of the elements of a matrix that are not 0.

    Args:
      mat: a matrix. nse: how many elements are stored; needed while tracing, by default as many as there are.
      index_dtype: the dtype of indices and pointers.

    Raises:
      ValueError: ``mat`` is no matrix.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.csr_fromdense(cnp.array([[0.0, 3.0]])).indptr
    Array([0, 1], dtype=int32)
    """
    return CSR.fromdense(mat, nse=nse, index_dtype=index_dtype)  # type: ignore[no-any-return]


def csr_todense(mat: CSR) -> Any:
    """The dense matrix of a CSR.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.csr_todense(sparse.CSR.fromdense(cnp.eye(2)))
    Array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    return checked("csr_todense", mat, CSR).todense()


def csr_matvec(mat: CSR, v: Any, transpose: bool = False) -> Any:
    """The product of a sparse matrix, transposed if asked for, and a vector.

    Raises:
      ValueError: the sizes do not fit.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.csr_matvec(sparse.CSR.fromdense(2 * cnp.eye(2)), cnp.arange(2.0))
    Array([0., 2.], dtype=float32)
    """
    return _product("csr_matvec", checked("csr_matvec", mat, CSR), v, transpose, 1)


def csr_matmat(mat: CSR, B: Any, *, transpose: bool = False) -> Any:
    """The product of a sparse matrix, transposed if asked for, and a dense one.

    Raises:
      ValueError: the sizes do not fit.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.csr_matmat(sparse.CSR.fromdense(2 * cnp.eye(2)), cnp.eye(2))
    Array([[2., 0.],
           [0., 2.]], dtype=float32)
    """
    return _product("csr_matmat", checked("csr_matmat", mat, CSR), B, transpose, 2)
