"""Norms of vectors and matrices, and what is measured by singular values: condition and rank."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan import dtypes
from cotan.api.repeated import repeated
from cotan.numpy import manipulation, reductions, selection, ufuncs
from cotan.numpy.linalg.decompositions import eigvalsh, svdvals
from cotan.numpy.linalg.equations import inv
from cotan.numpy.linalg.operands import inexact, matrix
from cotan.numpy.promotion import as_array, normalize_axis


@repeated(adds_up=True)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norms of vectors along an axis, or of matrices in two axes.

    Args:
      x: an array.
      ord: for vectors a number p (the p-th root of the sum of p-th powers; 2 by default), inf, -inf or 0 (how many are
        not zero); for matrices 'fro' (default), 'nuc', 1, -1, 2, -2, inf or -inf.
      axis: an axis (vectors), a pair (matrices), or None: all of x, flattened if ``ord`` is None.
      keepdims: keep axes of extent 1.

    Raises:
      ValueError: an unknown ``ord``, or other numbers of axes.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.norm(cnp.array([3.0, 4.0]))
    Array(5., dtype=float32)
    """
    [x] = inexact("norm", x)
    if axis is None and ord is None:
        return _euclidean(x, None, keepdims)
    if axis is None:
        if x.ndim not in (1, 2):
            raise ValueError(f"norm: of an array of shape {tuple(x.shape)} with ord={ord!r}: give an axis or two")
        axes = tuple(range(x.ndim))
    else:
        axes = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
        axes = tuple(normalize_axis(d, x.ndim, "norm") for d in axes)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ValueError(f"norm: axis must be one axis (vectors) or two different ones (matrices), got {axis}")
    return _matrix_norm(x, ord, axes, keepdims)


def _squares(x: Any) -> Any:
    return ufuncs.real(x) ** 2 + ufuncs.imag(x) ** 2 if ufuncs.is_complex(x) else x * x


def _euclidean(x: Any, axis: Any, keepdims: bool) -> Any:
    return ufuncs.sqrt(reductions.sum(_squares(x), axis=axis, keepdims=keepdims))


def _vector_norm(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    if ord is None or (not isinstance(ord, str) and ord == 2):
        return _euclidean(x, axis, keepdims)
    if isinstance(ord, str):
        raise ValueError(f"norm: vectors have no norm of order {ord!r}; give a number, or two axes for matrices")
    sizes = ufuncs.abs(x)
    if ord == np.inf:
        return reductions.max(sizes, axis=axis, keepdims=keepdims, initial=0)
    if ord == -np.inf:
        return reductions.min(sizes, axis=axis, keepdims=keepdims)
    if ord == 0:
        return reductions.sum((sizes != 0).astype(sizes.dtype), axis=axis, keepdims=keepdims)
    if ord == 1:
        return reductions.sum(sizes, axis=axis, keepdims=keepdims)
    total = reductions.sum(sizes**ord, axis=axis, keepdims=keepdims)
    return total ** (1.0 / ord)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, int], keepdims: bool) -> Any:
    rows, columns = axes
    if ord is None or ord == "fro":
        return _euclidean(x, axes, keepdims)
    if not isinstance(ord, str) and abs(ord) in (1, np.inf):
        summed, left = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = reductions.sum(ufuncs.abs(x), axis=summed, keepdims=True)
        out = _extreme(sums, ord, left, keepdims=True)
        return out if keepdims else manipulation.squeeze(out, axes)
    if ord == "nuc" or (not isinstance(ord, str) and abs(ord) == 2):
        s = svdvals(manipulation.moveaxis(x, axes, (-2, -1)))
        out = reductions.sum(s, axis=-1) if ord == "nuc" else _extreme(s, ord, -1)
        return manipulation.expand_dims(out, sorted(axes)) if keepdims else out
    raise ValueError(f"norm: matrices have no norm of order {ord!r}; use 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")


def _extreme(sizes: Any, ord: Any, axis: int, keepdims: bool = False) -> Any:
    """The largest, 0 of none, or for negative orders the least."""
    if ord > 0:
        return reductions.max(sizes, axis=axis, keepdims=keepdims, initial=0)
    return reductions.min(sizes, axis=axis, keepdims=keepdims)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Norms of vectors along an axis, or along several taken together, or of the whole array.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.vector_norm(cnp.array([[3.0, 0.0], [0.0, 4.0]]))
    Array(5., dtype=float32)
    """
    [x] = inexact("vector_norm", x)
    axes = tuple(range(x.ndim)) if axis is None else axis
    if isinstance(axes, tuple | list):
        axes = tuple(normalize_axis(d, x.ndim, "vector_norm") for d in axes)
    return _vector_norm(x, ord, axes, keepdims)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Norms of matrices in the last two axes.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.matrix_norm(cnp.array([[3.0, 0.0], [0.0, 4.0]]))
    Array(5., dtype=float32)
    """
    x = matrix("matrix_norm", x)
    return _matrix_norm(x, ord, (x.ndim - 2, x.ndim - 1), keepdims)


@repeated(adds_up=True, large=0)
def cond(x: Any, p: Any = None) -> Any:
    """Condition numbers of matrices: the ratio of extreme singular values, or by a norm of order ``p``.

    Raises:
      ValueError: not matrices; not square ones where ``p`` needs the inverse.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.cond(cnp.array([[2.0, 0.0], [0.0, 1.0]]))
    Array(2., dtype=float32)
    """
    x = matrix("cond", x, square=p not in (None, 2, -2))
    if 0 in x.shape[-2:]:
        raise ValueError(f"cond: matrices without elements have no condition, got shape {tuple(x.shape)}")
    if p in (None, 2, -2):
        s = svdvals(x)
        out = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    else:
        out = matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)
    # Without an inverse it is infinite, unless it is not known at all.
    unknown = reductions.any(ufuncs.isnan(x), axis=(-2, -1))
    return selection.where(ufuncs.isnan(out) & ~unknown, np.inf, out).astype(out.dtype)


@repeated()
def matrix_rank(M: Any, rtol: Any = None, *, hermitian: bool = False, tol: Any = None) -> Any:
    """How many singular values of matrices are not zero, of the default integer type.

    Args:
      M: matrices [.., m, n], or an array of fewer axes, whose rank is 1 unless all of it is zero.
      rtol: singular values up to this part of the largest one count as zero; max(m, n) eps if not given.
      hermitian: that M is Hermitian.
      tol: the same bound, absolute.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.matrix_rank(cnp.ones((3, 3)))
    Array(1, dtype=int32)
    """
    [x] = inexact("matrix_rank", M)
    if x.ndim < 2:
        return reductions.any(x != 0).astype(dtypes.default_int())
    s = ufuncs.abs(eigvalsh(x)) if hermitian else svdvals(x)
    if not s.size:
        return reductions.sum(s, axis=-1).astype(dtypes.default_int())
    if tol is not None:
        bound = as_array(tol, "matrix_rank")
    else:
        part = max(x.shape[-2:]) * float(dtypes.finfo(x.dtype).eps) if rtol is None else as_array(rtol, "matrix_rank")
        bound = part * reductions.max(s, axis=-1)
    return reductions.sum(s > manipulation.expand_dims(bound, -1), axis=-1)
