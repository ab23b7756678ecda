"""COO: a matrix by rows and columns of its elements. A plain format for exchange; BCOO does more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan import lax
from cotan import numpy as cnp
from cotan.errors import where
from cotan.experimental.sparse.array import BCOO
from cotan.experimental.sparse.base import JAXSparse
from cotan.experimental.sparse.conversion import bcoo_fromdense, counted
from cotan.experimental.sparse.products import bcoo_dot_general
from cotan.experimental.sparse.util import check_integers, checked_shape
from cotan.numpy.promotion import as_array
from cotan.primitives.composed import composed
from cotan.tracebacks import boundary, guarded
from cotan.tree import register_pytree_node_class


class COOInfo(NamedTuple):
    """What is known of a COO without its values."""

    shape: tuple[int, ...]
    rows_sorted: bool = False
    cols_sorted: bool = False


@register_pytree_node_class
@guarded
class COO(JAXSparse):
    """A sparse matrix by the rows and columns of its elements; those of equal places are summed.

    Args:
      args: the triple ``(data, row, col)`` of vectors of one length.
      shape: rows and columns.
      rows_sorted, cols_sorted: promises about the order.

    Raises:
      TypeError: rows or columns are not integers. ValueError: the shapes do not fit together.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.COO((cnp.array([2.0]), cnp.array([0]), cnp.array([1])), shape=(1, 2)) @ cnp.ones(2)
    Array([2.], dtype=float32)
    """

    row: Any
    col: Any

    @boundary
    def __init__(
        self,
        args: tuple[Any, Any, Any],
        *,
        shape: Sequence[int],
        rows_sorted: bool = False,
        cols_sorted: bool = False,
    ) -> None:
        self.data, self.row, self.col = (as_array(x, "COO") for x in args)
        self.shape = checked_shape("COO", shape)
        self.rows_sorted, self.cols_sorted = bool(rows_sorted), bool(cols_sorted)
        check_integers("COO", "rows", self.row)
        check_integers("COO", "columns", self.col)
        if len(self.shape) != 2 or self.data.ndim != 1 or not self.data.shape == self.row.shape == self.col.shape:
            raise ValueError(
                f"{where()}: COO: a matrix needs three vectors of one length, got shapes {self.data.shape}, "
                f"{self.row.shape} and {self.col.shape} for the shape {self.shape}"
            )

    @property
    def nse(self) -> int:
        """The number of elements that are stored."""
        return int(self.data.shape[0])

    @property
    def _info(self) -> COOInfo:
        return COOInfo(self.shape, self.rows_sorted, self.cols_sorted)

    @property
    def _bufs(self) -> tuple[Any, Any, Any]:
        return self.data, self.row, self.col

    @classmethod
    def fromdense(cls, mat: Any, *, nse: int | None = None, index_dtype: Any = np.int32) -> COO:
        """A COO of the elements of a matrix that are not 0; see ``coo_fromdense``."""
        return coo_fromdense(mat, nse=nse, index_dtype=index_dtype)

    @classmethod
    def _empty(cls, shape: Sequence[int], *, dtype: Any = None, index_dtype: Any = "int32") -> COO:
        none = cnp.zeros(0, index_dtype)
        return cls((cnp.zeros(0, dtype), none, none), shape=shape, rows_sorted=True, cols_sorted=True)

    @classmethod
    def _eye(cls, N: int, M: int, k: int, *, dtype: Any = None, index_dtype: Any = "int32") -> COO:
        return from_bcoo(BCOO._eye(N, M, k, dtype=dtype, index_dtype=index_dtype))

    def _sort_indices(self) -> COO:
        row, col, data = lax.sort((self.row, self.col, self.data), num_keys=2)
        return COO((data, row, col), shape=self.shape, rows_sorted=True)

    def to_bcoo(self) -> BCOO:
        """The matrix as a BCOO."""
        return BCOO((self.data, cnp.stack([self.row, self.col], axis=-1)), shape=self.shape)

    def todense(self) -> Any:
        """The dense matrix."""
        return coo_todense_p.bind(*self._bufs, spinfo=self._info)

    def transpose(self, axes: Sequence[int] | None = None) -> COO:
        """The transposed matrix.

        Raises:
          NotImplementedError: ``axes`` are given.
        """
        check_reversal("COO", axes)
        return COO(
            (self.data, self.col, self.row), shape=self.shape[::-1], rows_sorted=self.cols_sorted,
            cols_sorted=self.rows_sorted,
        )  # fmt: skip

    def tree_flatten(self) -> tuple[tuple[Any, Any, Any], COOInfo]:
        """Values, rows and columns; what is static."""
        return (self.data, self.row, self.col), self._info

    @classmethod
    def tree_unflatten(cls, aux_data: COOInfo, children: Sequence[Any]) -> COO:
        """The matrix of ``children``, which may be anything."""
        made = object.__new__(cls)
        made.data, made.row, made.col = children
        made.shape, made.rows_sorted, made.cols_sorted = aux_data
        return made

    def _operate(self, name: str, symbol: str, *others: Any) -> Any:
        if name == "matmul":
            return _product("COO", self, others[0])
        return super()._operate(name, symbol, *others)


def check_reversal(name: str, axes: Any) -> None:
    """Raises: NotImplementedError: ``axes`` are something else than both in reverse order."""
    if axes is not None and tuple(axes) != (1, 0):
        raise NotImplementedError(f"{where()}: {name}.transpose: only the axes (1, 0) are done, got {axes!r}")


def factor(name: str, mat: Any, other: Any, transpose: bool, ndim: int | None = None) -> Any:
    """A dense vector or matrix as an array, by which a matrix of a plain format, transposed perhaps, is multiplied.

    Raises:
      NotImplementedError: it is sparse. ValueError: its shape does not fit.
    """
    if isinstance(other, JAXSparse):
        raise NotImplementedError(
            f"{where()}: {name}: products of two sparse matrices are those of BCOO; convert both by to_bcoo()"
        )
    other = as_array(other, name)
    over = 0 if transpose else 1
    if other.ndim not in ((1, 2) if ndim is None else (ndim,)) or other.shape[0] != mat.shape[over]:
        wanted = "a vector" if ndim == 1 else "a matrix" if ndim == 2 else "a vector or a matrix"
        raise ValueError(
            f"{where()}: {name}: {wanted} of {mat.shape[over]} rows is needed for a matrix of shape {mat.shape}"
            f"{', transposed' if transpose else ''}, got shape {tuple(other.shape)}"
        )
    return other


def matrix_product(mat: BCOO, other: Any, transpose: bool) -> Any:
    """The product of a sparse matrix, transposed perhaps, and a dense vector or matrix."""
    return bcoo_dot_general(mat, other, dimension_numbers=(((0 if transpose else 1,), (0,)), ((), ())))


def _product(name: str, mat: COO, other: Any, transpose: bool = False, ndim: int | None = None) -> Any:
    other = factor(name, mat, other, transpose, ndim)
    primitive = coo_matvec_p if other.ndim == 1 else coo_matmat_p
    return primitive.bind(*mat._bufs, other, spinfo=mat._info, transpose=bool(transpose))


def _matmul(data: Any, row: Any, col: Any, other: Any, *, spinfo: COOInfo, transpose: bool) -> Any:
    return matrix_product(COO((data, row, col), **spinfo._asdict()).to_bcoo(), other, transpose)


coo_matvec_p = composed("coo_matvec", _matmul)
coo_matmat_p = composed("coo_matmat", _matmul)


def from_bcoo(mat: BCOO) -> COO:
    """A COO of a BCOO that is a matrix of sparse axes, in order."""
    return COO((mat.data, mat.indices[:, 0], mat.indices[:, 1]), shape=mat.shape, rows_sorted=mat.indices_sorted)


def checked(api: str, mat: Any, kind: type) -> Any:
    """``mat``.

    Raises:
      TypeError: it is of another format.
    """
    if not isinstance(mat, kind):
        raise TypeError(f"{where()}: {api}: a {kind.__name__} is needed, got {type(mat).__name__}")
    return mat


def coo_fromdense(mat: Any, *, nse: int | None = None, index_dtype: Any = np.int32) -> COO:
    """A COO of the elements of a matrix that are not 0.

    Args:
      mat: a matrix. nse: how many elements are stored; needed while tracing, by default as many as there are.
      index_dtype: the dtype of rows and columns.

    Raises:
      ValueError: ``mat`` is no matrix.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.coo_fromdense(cnp.array([[0.0, 3.0]])).col
    Array([1], dtype=int32)
    """
    mat, nse = counted("coo_fromdense", as_matrix("coo_fromdense", mat), nse, 0, 0)
    bufs = coo_fromdense_p.bind(mat, nse=nse, index_dtype=np.dtype(index_dtype))
    return COO(bufs, shape=mat.shape, rows_sorted=True)


def _fromdense(mat: Any, **options: Any) -> tuple[Any, Any, Any]:
    return from_bcoo(bcoo_fromdense(mat, **options))._bufs


coo_fromdense_p = composed("coo_fromdense", _fromdense, multiple_results=True)


def as_matrix(api: str, mat: Any) -> Any:
    """``mat`` as an array of two axes.

    Raises:
      ValueError: it has another number of axes.
    """
    mat = as_array(mat, api)
    if mat.ndim != 2:
        raise ValueError(f"{where()}: {api}: a matrix is needed, got an array of shape {tuple(mat.shape)}")
    return mat


def coo_todense(mat: COO) -> Any:
    """The dense matrix of a COO.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.coo_todense(sparse.COO.fromdense(cnp.eye(2)))
    Array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    return checked("coo_todense", mat, COO).todense()


def _todense(data: Any, row: Any, col: Any, *, spinfo: COOInfo) -> Any:
    return COO((data, row, col), **spinfo._asdict()).to_bcoo().todense()


coo_todense_p = composed("coo_todense", _todense)


def coo_matvec(mat: COO, v: Any, transpose: bool = False) -> Any:
    """The product of a sparse matrix, transposed if asked for, and a vector.

    Raises:
      ValueError: the sizes do not fit.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.coo_matvec(sparse.COO.fromdense(2 * cnp.eye(2)), cnp.arange(2.0))
    Array([0., 2.], dtype=float32)
    """
    return _product("coo_matvec", checked("coo_matvec", mat, COO), v, transpose, 1)


def coo_matmat(mat: COO, B: Any, *, transpose: bool = False) -> Any:
    """The product of a sparse matrix, transposed if asked for, and a dense one.

    Raises:
      ValueError: the sizes do not fit.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.coo_matmat(sparse.COO.fromdense(2 * cnp.eye(2)), cnp.eye(2))
    Array([[2., 0.],
           [0., 2.]], dtype=float32)
    """
    return _product("coo_matmat", checked("coo_matmat", mat, COO), B, transpose, 2)
