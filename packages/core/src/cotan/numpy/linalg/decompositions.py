"""Factorisations with NumPy's names: cholesky, eig, eigh, qr, svd and what they give alone."""

from __future__ import annotations

from typing import Any, NamedTuple

from cotan import lax
from cotan.api.repeated import repeated
from cotan.numpy import manipulation, selection, ufuncs
from cotan.numpy.linalg.operands import matrix
from cotan.numpy.manipulation import matrix_transpose


class EigResult(NamedTuple):
    """What ``eig`` returns."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """What ``eigh`` returns."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """What ``qr`` returns."""

    Q: Any
    R: Any


class SVDResult(NamedTuple):
    """What ``svd`` returns."""

    U: Any
    S: Any
    Vh: Any


def adjoint(x: Any) -> Any:
    """The conjugated and transposed matrices."""
    return ufuncs.conj(matrix_transpose(x))


@repeated()
def cholesky(a: Any, *, upper: bool = False, symmetrize_input: bool = True) -> Any:
    """The lower triangular L with L L**H = a (``upper``: U with U**H U = a), for positive definite a.

    Args:
      a: symmetric or Hermitian matrices [.., n, n].
      upper: which factor.
      symmetrize_input: take the mean of a and its adjoint first.

    Returns:
      The factor; NaN where a is not positive definite.

    Raises:
      ValueError: not square matrices.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.cholesky(cnp.array([[4.0, 2.0], [2.0, 2.0]]))
    Array([[2., 0.],
           [1., 1.]], dtype=float32)
    """
    a = matrix("cholesky", a, square=True)
    if upper and not symmetrize_input:
        a = adjoint(a)
    out = lax.linalg.cholesky(a, symmetrize_input=symmetrize_input)
    return adjoint(out) if upper else out


def eig(a: Any) -> EigResult:
    """Eigenvalues and right eigenvectors (in columns, of norm 1) of square matrices, both complex.

    Raises:
      ValueError: not square matrices. TypeError: eigenvectors are differentiated; see lax.linalg.eig.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.eig(cnp.array([[1.0, 0.0], [0.0, 2.0]])).eigenvalues
    Array([1.+0.j, 2.+0.j], dtype=complex64)
    """
    a = matrix("eig", a, square=True)
    return EigResult(*lax.linalg.eig(a, compute_left_eigenvectors=False))


def eigvals(a: Any) -> Any:
    """Eigenvalues of square matrices, complex, in no order.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.eigvals(cnp.array([[0.0, -1.0], [1.0, 0.0]])).imag
    Array([ 1., -1.], dtype=float32)
    """
    a = matrix("eigvals", a, square=True)
    return lax.linalg.eig(a, compute_left_eigenvectors=False, compute_right_eigenvectors=False)[0]


def _is_lower(name: str, uplo: str | None) -> bool:
    if uplo not in (None, "L", "U"):
        raise ValueError(f"{name}: UPLO must be 'L' or 'U' (the triangle that is read), got {uplo!r}")
    return uplo != "U"


@repeated()
def eigh(a: Any, UPLO: str | None = None, symmetrize_input: bool = True) -> EighResult:
    """Eigenvalues, rising, and orthonormal eigenvectors (in columns) of symmetric and Hermitian matrices.

    Args:
      a: matrices [.., n, n].
      UPLO: 'L' or 'U', the triangle that is read if ``symmetrize_input`` is not set; 'L' by default.
      symmetrize_input: take the mean of a and its adjoint first.

    Raises:
      ValueError: not square matrices, or another ``UPLO``.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.eigh(cnp.array([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    Array([1., 2.], dtype=float32)
    """
    lower = _is_lower("eigh", UPLO)
    a = matrix("eigh", a, square=True)
    v, w = lax.linalg.eigh(a, lower=lower, symmetrize_input=symmetrize_input)
    return EighResult(w, v)


@repeated()
def eigvalsh(a: Any, UPLO: str | None = "L", *, symmetrize_input: bool = True) -> Any:
    """Eigenvalues of symmetric and Hermitian matrices, rising.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.eigvalsh(cnp.array([[2.0, 0.0], [0.0, 1.0]]))
    Array([1., 2.], dtype=float32)
    """
    lower = _is_lower("eigvalsh", UPLO)
    a = matrix("eigvalsh", a, square=True)
    return lax.linalg.eigh(a, lower=lower, symmetrize_input=symmetrize_input)[1]


@repeated()
def qr(a: Any, mode: str = "reduced") -> Any:
    """The factorisation a = Q R, with orthonormal columns of Q and upper triangular R.

    Args:
      a: matrices [.., m, n].
      mode: 'reduced' (Q with min(m, n) columns; also 'full'), 'complete' (square Q), 'r' (R alone) or 'raw'
        (reflections, transposed, and their factors, as LAPACK gives them).

    Raises:
      ValueError: not matrices, or another mode.

    >>> import cotan.numpy as cnp
    >>> q, r = cnp.linalg.qr(cnp.array([[3.0, 1.0], [4.0, 2.0]]))
    >>> abs(r[0, 0])
    Array(5., dtype=float32)
    """
    if mode not in ("reduced", "complete", "full", "r", "raw"):
        raise ValueError(f"qr: mode must be 'reduced', 'complete', 'r' or 'raw', got {mode!r}")
    a = matrix("qr", a)
    if mode == "raw":
        packed, taus = lax.linalg.geqrf(a)
        return QRResult(matrix_transpose(packed), taus)
    q, r = lax.linalg.qr(a, full_matrices=mode == "complete")
    return r if mode == "r" else QRResult(q, r)


@repeated()
def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    hermitian: bool = False,
    subset_by_index: tuple[int, int] | None = None,
) -> Any:
    """Singular values, falling, and vectors: a = U diag(S) Vh.

    Args:
      a: matrices [.., m, n].
      full_matrices: whether U and Vh are square; otherwise they have min(m, n) columns and rows.
      compute_uv: whether to compute U and Vh.
      hermitian: that a is Hermitian: faster, by its eigenvalues.
      subset_by_index: (start, stop), to have only these.

    Returns:
      (U, S, Vh), or S.

    Raises:
      ValueError: not matrices, not square if ``hermitian``, or no range.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.svd(cnp.array([[0.0, 2.0], [1.0, 0.0]]), compute_uv=False)
    Array([2., 1.], dtype=float32)
    """
    a = matrix("svd", a, square=hermitian)
    if not hermitian:
        out = lax.linalg.svd(a, full_matrices=full_matrices, compute_uv=compute_uv, subset_by_index=subset_by_index)
        return SVDResult(*out) if compute_uv else out
    v, w = lax.linalg.eigh(a)
    begin, end = subset_by_index or (0, a.shape[-1])
    order = selection.argsort(-ufuncs.abs(w), axis=-1)[..., begin:end]
    w = selection.take_along_axis(w, order, -1)
    s = ufuncs.abs(w)
    if not compute_uv:
        return s
    u = selection.take_along_axis(v, manipulation.expand_dims(order, -2), -1)
    signs = selection.where(w < 0, -1, 1).astype(u.dtype)
    return SVDResult(u, s, manipulation.expand_dims(signs, -1) * adjoint(u))


@repeated()
def svdvals(x: Any, /) -> Any:
    """Singular values of matrices, falling.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.svdvals(cnp.array([[0.0, 2.0], [1.0, 0.0]]))
    Array([2., 1.], dtype=float32)
    """
    return svd(x, compute_uv=False)
