"""Arrays of any sparse format: empty, with ones on a diagonal, and as dense ones. Formats are known by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.errors import where
from cotan.experimental.sparse.array import BCOO
from cotan.experimental.sparse.base import JAXSparse
from cotan.experimental.sparse.bcsr import BCSR
from cotan.experimental.sparse.coo import COO
from cotan.experimental.sparse.csr import CSC, CSR
from cotan.experimental.sparse.transform import is_sparse, sparse_rules
from cotan.experimental.sparse.util import checked_shape
from cotan.numpy.promotion import as_array
from cotan.primitives.define import unary
from cotan.primitives.operands import ANY
from cotan.tree import tree_map

_FORMATS: dict[str, Any] = {"bcoo": BCOO, "bcsr": BCSR, "coo": COO, "csr": CSR, "csc": CSC}

todense_p, _todense = unary(
    "todense", ANY, reference=np.copy, kernel=lambda x: x, transpose=lambda ct, x: ct, decompose=lambda x: x,
    exact=True, does="x, made dense where a function is sparsified.",
)  # fmt: skip


@sparse_rules(todense_p)
def _(x: JAXSparse) -> Any:
    return x.todense()


def todense(arr: Any) -> Any:
    """A dense array, of a sparse or dense one, or of each in a pytree.

    In a function that is sparsified it says that an array is meant to be dense from here on.

    Raises:
      TypeError: something is not an array.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> sparse.todense((sparse.eye(1), cnp.ones(2)))
    (Array([[1.]], dtype=float32), Array([1., 1.], dtype=float32))
    """
    one = lambda x: x.todense() if is_sparse(x) else _todense(as_array(x, "todense"))  # noqa: E731
    return tree_map(one, arr, is_leaf=is_sparse)


def _format(api: str, name: str) -> Any:
    if name not in _FORMATS:
        raise ValueError(f"{where()}: {api}: sparse_format must be one of {sorted(_FORMATS)}, got {name!r}")
    return _FORMATS[name]


def empty(
    shape: Sequence[int], dtype: Any = None, index_dtype: Any = "int32", sparse_format: str = "bcoo", **kwds: Any
) -> Any:
    """A sparse array in which nothing is stored.

    Args:
      shape, dtype: those of the array. index_dtype: the dtype of the indices.
      sparse_format: 'bcoo', 'bcsr', 'coo', 'csr' or 'csc'.
      kwds: for the format: ``n_batch``, ``n_dense``, ``nse``.

    Raises:
      ValueError: the format is none of these, or the shape does not fit it.

    >>> from cotan.experimental import sparse
    >>> sparse.empty((2, 3))
    BCOO(float32[2, 3], nse=0)
    """
    made = _format("empty", sparse_format)
    return made._empty(checked_shape("empty", shape), dtype=dtype, index_dtype=index_dtype, **kwds)


def eye(
    N: int, M: int | None = None, k: int = 0, dtype: Any = None, index_dtype: Any = "int32",
    sparse_format: str = "bcoo", **kwds: Any,
) -> Any:  # fmt: skip
    """A sparse matrix with ones on a diagonal.

    Args:
      N, M: numbers of rows and columns; M is N by default.
      k: which diagonal; above the main one, 0, if positive.
      dtype: that of the matrix. index_dtype: the dtype of the indices.
      sparse_format: 'bcoo', 'bcsr', 'coo', 'csr' or 'csc'. kwds: for the format: ``n_batch``, ``n_dense``.

    Raises:
      ValueError: the format is none of these.

    >>> from cotan.experimental import sparse
    >>> sparse.eye(2, 3, k=1).indices.tolist()
    [[0, 1], [1, 2]]
    """
    made = _format("eye", sparse_format)
    rows, cols = checked_shape("eye", (N, N if M is None else M))
    return made._eye(rows, cols, int(k), dtype=dtype, index_dtype=index_dtype, **kwds)
