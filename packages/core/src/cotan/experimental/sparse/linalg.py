"""Linear algebra that sees matrices through their products, and direct solutions of sparse equations."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.api import ShapeDtypeStruct, jit, pure_callback
from cotan.errors import where
from cotan.experimental.sparse.base import JAXSparse
from cotan.experimental.sparse.bcsr import BCSR
from cotan.experimental.sparse.util import check_integers
from cotan.left_out import missing
from cotan.numpy.promotion import as_array, promote_dtypes_inexact


def lobpcg_standard(A: Any, X: Any, m: int = 100, tol: Any = None) -> tuple[Any, Any, Any]:
    """The largest eigenvalues of a Hermitian matrix and their vectors, by LOBPCG.

    (A. Knyazev, "Toward the optimal preconditioned eigensolver", 2001; U. Hetmaniuk and R. Lehoucq, "Basis selection in
    LOBPCG", 2006: the bases of the search are kept orthonormal.) There are no derivatives.

    Args:
      A: a matrix ``(n, n)``, dense or sparse, or its product with matrices ``(n, k)`` as a function.
      X: where the search starts, ``(n, k)``, of independent columns; ``0 < 5 k < n``.
      m: how many iterations there are at most.
      tol: an eigenpair has converged if ``|A v - w v| < 10 n tol (|w| + |A v|)``; by default the dtype's epsilon. The
        search ends when all have.

    Returns:
      The eigenvalues ``(k,)``, in descending order, their vectors ``(n, k)``, and the number of iterations.

    Raises:
      ValueError: the shapes do not fit, or k is too large. TypeError: dtypes differ, or are not floats.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> w, v, _ = sparse.linalg.lobpcg_standard(cnp.diag(cnp.arange(12.0)), cnp.eye(12, 2) + 1.0)
    >>> bool(abs(w - cnp.array([11.0, 10.0])).max() < 1e-3)
    True
    """
    X = as_array(X, "lobpcg_standard")
    if X.ndim != 2 or not 0 < 5 * X.shape[1] < X.shape[0]:
        raise ValueError(
            f"{where()}: lobpcg_standard: X must be a matrix (n, k) with 0 < 5 k < n, got shape {tuple(X.shape)}"
        )
    if not dtypes.issubdtype(X.dtype, np.floating):
        raise TypeError(f"{where()}: lobpcg_standard: X must hold floats, got {X.dtype}")
    n = X.shape[0]
    if not callable(A):
        A = A if isinstance(A, JAXSparse) else as_array(A, "lobpcg_standard")
        if A.shape != (n, n):
            raise ValueError(
                f"{where()}: lobpcg_standard: A must be of shape {(n, n)}, as X has {n} rows, got {tuple(A.shape)}"
            )
        if A.dtype != X.dtype:
            raise TypeError(f"{where()}: lobpcg_standard: A and X must have one dtype, got {A.dtype} and {X.dtype}")
        return _search_matrix(A, X, m, tol)  # type: ignore[no-any-return]
    out = as_array(A(X), "lobpcg_standard")
    if out.shape != X.shape or out.dtype != X.dtype:
        raise ValueError(
            f"{where()}: lobpcg_standard: A must give {X.dtype}{list(X.shape)} for X, got {out.dtype}{list(out.shape)}"
        )
    return _search(A, X, m, tol)


@jit
def _search_matrix(A: Any, X: Any, m: Any, tol: Any) -> Any:
    return _search(lambda x: A @ x, X, m, tol)


def _search(A: Any, X: Any, m: Any, tol: Any) -> tuple[Any, Any, Any]:
    n, k = X.shape
    tol = np.asarray(dtypes.finfo(X.dtype).eps, X.dtype) if tol is None else cnp.asarray(tol, X.dtype)

    def ritz(basis: Any) -> tuple[Any, Any]:
        """Eigenvalues of A in a basis, descending, and the coefficients of their vectors."""
        inner = basis.T @ A(basis)
        values, vectors = cnp.linalg.eigh((inner + inner.T) / 2)
        return values[::-1][:k], vectors[:, ::-1][:, :k]

    def residual(values: Any, x: Any) -> tuple[Any, Any]:
        """What is left of A x - w x, and how many columns have converged."""
        ax = A(x)
        rest = ax - x * values
        bound = tol * 10 * n * (cnp.abs(values) + cnp.linalg.norm(ax, axis=0))
        return rest, (cnp.linalg.norm(rest, axis=0) < bound).sum()

    def unfinished(state: Any) -> Any:
        i, _, _, _, _, converged = state
        return (i < m) & (converged < k)

    def step(state: Any) -> Any:
        i, x, _, p, rest, _ = state
        # Orthonormal columns of which the first k span x. Where directions run out, any others do no harm.
        basis, _ = cnp.linalg.qr(cnp.concatenate([x, _unit(rest), _unit(p)], axis=1))
        values, coefficients = ritz(basis)
        new = basis @ coefficients
        p = basis[:, k:] @ coefficients[k:]
        rest, converged = residual(values, new)
        return i + 1, new, values, p, rest, converged

    x, _ = cnp.linalg.qr(X)
    values, coefficients = ritz(x)
    x = x @ coefficients
    rest, converged = residual(values, x)
    start = (cnp.asarray(0, np.int32), x, values, cnp.zeros_like(x), rest, converged)
    i, x, values, _, _, _ = lax.while_loop(unfinished, step, start)
    return values, x, i


def _unit(x: Any) -> Any:
    """Columns of length 1; those that are 0 stay."""
    size = cnp.linalg.norm(x, axis=0)
    return x / cnp.where(size == 0, 1, size)


def spsolve(data: Any, indices: Any, indptr: Any, b: Any, tol: float = 1e-6, reorder: int = 1) -> Any:
    """The solution x of A x = b for a square sparse matrix in CSR format, by SciPy's direct solver on the host.

    It has derivatives with respect to ``data`` and ``b``.

    Args:
      data, indices, indptr: values, columns and row pointers of A.
      b: a vector. tol: has no influence.
      reorder: whether columns are reordered against fill-in (0: not).

    Returns:
      A vector of the dtype of ``b``. It holds NaN if A is singular.

    Raises:
      ImportError: (when run) SciPy is not installed. ValueError: the shapes do not fit together.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental import sparse
    >>> a = sparse.CSR.fromdense(cnp.array([[2.0, 0.0], [1.0, 4.0]]))
    >>> sparse.linalg.spsolve(a.data, a.indices, a.indptr, cnp.array([2.0, 9.0]))
    Array([1., 2.], dtype=float32)
    """
    data, b = promote_dtypes_inexact("spsolve", as_array(data, "spsolve"), as_array(b, "spsolve"))
    indices, indptr = as_array(indices, "spsolve"), as_array(indptr, "spsolve")
    check_integers("spsolve", "indices", indices)
    n = b.shape[0] if b.ndim == 1 else -1
    if n < 0 or indptr.shape != (n + 1,) or data.ndim != 1 or data.shape != indices.shape:
        raise ValueError(
            f"{where()}: spsolve: a vector b and a square matrix of as many rows are needed, got b of shape {b.shape}, "
            f"data {data.shape}, indices {indices.shape} and indptr {indptr.shape}"
        )
    matrix = BCSR((data, indices, indptr), shape=(n, n))

    def solve(transposed: bool) -> Any:
        def run(_: Any, y: Any) -> Any:
            result = ShapeDtypeStruct(y.shape, y.dtype)
            host = _Host(transposed, bool(reorder))
            fixed = lax.stop_gradient((data, indices, indptr))
            return pure_callback(host, result, *fixed, y, vmap_method="sequential")

        return run

    return lax.custom_linear_solve(lambda x: matrix @ x, b, solve(False), solve(True))


class _Host:
    """The solver on the host. Equal ones are equal, so that programs that hold them are found again."""

    def __init__(self, transposed: bool, reorder: bool) -> None:
        self.options = (transposed, reorder)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Host) and self.options == other.options

    def __hash__(self) -> int:
        return hash(self.options)

    def __call__(self, data: Any, indices: Any, indptr: Any, b: Any) -> Any:
        try:
            import scipy.sparse
            import scipy.sparse.linalg
        except ImportError as error:
            raise ImportError("spsolve uses SciPy's solver: install the package scipy") from error
        transposed, reorder = self.options
        data, b = (np.asarray(x) for x in (data, b))
        wide = np.promote_types(data.dtype, np.float64)
        n = b.shape[0]
        matrix = scipy.sparse.csr_matrix((data.astype(wide), np.asarray(indices), np.asarray(indptr)), shape=(n, n))
        matrix = (matrix.T if transposed else matrix).tocsc()
        order = "COLAMD" if reorder else "NATURAL"
        return np.asarray(scipy.sparse.linalg.spsolve(matrix, b.astype(wide), permc_spec=order)).astype(b.dtype)


def __getattr__(name: str) -> Any:
    raise AttributeError(missing(__name__, name))
