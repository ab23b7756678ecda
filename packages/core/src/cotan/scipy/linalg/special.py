"""Matrices with names: of a vector's elements in a pattern (toeplitz, ...), or of given numbers (hilbert, ...)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import dtypes
from cotan import numpy as cnp
from cotan.numpy.promotion import as_array, check_arraylike, promote_dtypes, promote_dtypes_inexact


def _vector(name: str, x: Any, least: int = 0) -> Any:
    x = as_array(x, name)
    if x.ndim != 1 or x.shape[0] < least:
        raise ValueError(f"{name} needs a vector of at least {least} elements, got shape {tuple(x.shape)}")
    return x


def _over_vectors(name: str, one: Callable[..., Any], *vectors: Any) -> Any:
    """``one`` of vectors, mapped over leading axes, which broadcast."""
    vectors = tuple(cnp.atleast_1d(x) for x in vectors)
    if all(x.ndim == 1 for x in vectors):
        return one(*vectors)
    signature = ",".join(f"(n{k})" for k in range(len(vectors))) + "->(r,c)"
    return cnp.vectorize(one, signature=signature)(*vectors)


def block_diag(*arrs: Any) -> Any:
    """A matrix with the given ones along its diagonal; vectors are rows, scalars single elements.

    Raises:
      ValueError: an array of more than two axes.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.block_diag(1, cnp.array([[2, 3]]))
    Array([[1, 0, 0],
           [0, 2, 3]], dtype=int32)
    """
    arrays = arrs or (cnp.zeros((1, 0)),)
    check_arraylike("block_diag", *arrays)
    for x in arrays:
        if np.ndim(x) > 2:
            raise ValueError(f"block_diag takes matrices at most, got an array of shape {np.shape(x)}")
    matrices = [cnp.atleast_2d(x) for x in promote_dtypes("block_diag", *arrays)]
    columns = sum(x.shape[1] for x in matrices)
    rows, before = [], 0
    for x in matrices:
        rows.append(cnp.pad(x, ((0, 0), (before, columns - before - x.shape[1]))))
        before += x.shape[1]
    return cnp.concatenate(rows)


def toeplitz(c: Any, r: Any = None) -> Any:
    """Matrices with constant diagonals, of the first column ``c`` and row ``r`` (the conjugate of c if not given).

    The first element of r is not read. Leading axes are a stack.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.toeplitz(cnp.array([1, 2]), cnp.array([0, 3, 4]))
    Array([[1, 3, 4],
           [2, 1, 3]], dtype=int32)
    """
    c = as_array(c, "toeplitz")
    r = cnp.conj(c) if r is None else as_array(r, "toeplitz")
    c, r = promote_dtypes("toeplitz", c, r)

    def one(c: Any, r: Any) -> Any:
        n, m = c.shape[0], r.shape[0]
        values = cnp.concatenate([c[::-1], r[1:]]) if m else c[::-1]
        return values[n - 1 + np.arange(m)[None, :] - np.arange(n)[:, None]]

    return _over_vectors("toeplitz", one, c, r)


def hankel(c: Any, r: Any = None) -> Any:
    """Matrices with constant antidiagonals, of the first column ``c`` and the last row ``r`` (zeros if not given).

    The first element of r is not read. Leading axes are a stack.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.hankel(cnp.array([1, 2]), cnp.array([0, 3, 4]))
    Array([[1, 2, 3],
           [2, 3, 4]], dtype=int32)
    """
    c = as_array(c, "hankel")
    r = cnp.zeros_like(c) if r is None else as_array(r, "hankel")
    c, r = promote_dtypes("hankel", c, r)

    def one(c: Any, r: Any) -> Any:
        values = cnp.concatenate([c, r[1:]])
        return values[np.arange(c.shape[0])[:, None] + np.arange(r.shape[0])[None, :]]

    return _over_vectors("hankel", one, c, r)


def circulant(c: Any) -> Any:
    """Matrices whose columns are ``c``, turned by one more place each. Leading axes are a stack.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.circulant(cnp.array([1, 2, 3]))
    Array([[1, 3, 2],
           [2, 1, 3],
           [3, 2, 1]], dtype=int32)
    """
    c = as_array(c, "circulant")

    def one(c: Any) -> Any:
        n = c.shape[0]
        return c[(np.arange(n)[:, None] - np.arange(n)[None, :]) % max(n, 1)]

    return _over_vectors("circulant", one, c)


def companion(a: Any) -> Any:
    """The companion matrix of a polynomial, whose eigenvalues are its roots.

    Args:
      a: coefficients, of the highest power first, two or more; the first is not zero.

    Raises:
      ValueError: fewer than two coefficients.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.companion(cnp.array([1.0, -3.0, 2.0]))
    Array([[ 3., -2.],
           [ 1.,  0.]], dtype=float32)
    """
    (a,) = promote_dtypes_inexact("companion", a)
    a = cnp.atleast_1d(as_array(a, "companion"))
    if a.shape[-1] < 2:
        raise ValueError(f"companion needs two coefficients or more, got shape {tuple(a.shape)}")

    def one(a: Any) -> Any:
        first = -a[1:] / a[0]
        return cnp.concatenate([first[None, :], cnp.eye(a.shape[0] - 2, a.shape[0] - 1, dtype=first.dtype)])

    return _over_vectors("companion", one, a)


def convolution_matrix(a: Any, n: int, mode: str = "full") -> Any:
    """The matrix A for which A v is the convolution of ``a`` with a vector v of ``n`` elements.

    Args:
      mode: 'full', 'same' or 'valid', as for cotan.numpy.convolve.

    Raises:
      ValueError: no elements, or another mode.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.convolution_matrix(cnp.array([1, 2]), 2)
    Array([[1, 0],
           [2, 1],
           [0, 2]], dtype=int32)
    """
    if n <= 0:
        raise ValueError(f"convolution_matrix: n must be positive, got {n}")
    a = cnp.atleast_1d(as_array(a, "convolution_matrix"))
    m = a.shape[-1]
    if not m:
        raise ValueError("convolution_matrix: the vector has no elements")
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"convolution_matrix: mode must be 'full', 'same' or 'valid', got {mode!r}")
    first = {"full": 0, "same": (min(m, n) - 1) // 2, "valid": min(m, n) - 1}[mode]
    rows = {"full": m + n - 1, "same": max(m, n), "valid": max(m, n) - min(m, n) + 1}[mode]
    places = first + np.arange(rows)[:, None] - np.arange(n)[None, :]

    def one(a: Any) -> Any:
        inside = (places >= 0) & (places < m)
        return cnp.where(inside, a[np.where(inside, places, 0)], cnp.zeros((), a.dtype))

    return _over_vectors("convolution_matrix", one, a)


def dft(n: int, scale: str | None = None, *, dtype: Any = None) -> Any:
    """The matrix of the discrete Fourier transform of n elements.

    Args:
      scale: None, 'sqrtn' (divided by the root of n) or 'n' (divided by n).
      dtype: complex64 or complex128.

    Raises:
      ValueError: another scale.

    >>> import cotan.scipy.linalg as linalg
    >>> linalg.dft(2).real
    Array([[ 1.,  1.],
           [ 1., -1.]], dtype=float32)
    """
    if scale not in (None, "sqrtn", "n"):
        raise ValueError(f"dft: scale must be None, 'sqrtn' or 'n', got {scale!r}")
    dtype = dtypes.default_complex() if dtype is None else dtypes.check_user_dtype(dtype, "dft")
    n = operator.index(n)
    turns = np.arange(n)[:, None] * np.arange(n)[None, :] % max(n, 1)
    factor = {None: 1.0, "sqrtn": math.sqrt(max(n, 1)), "n": max(n, 1)}[scale]
    return cnp.asarray((np.exp(-2j * np.pi * turns / max(n, 1)) / factor).astype(dtype))


def fiedler(a: Any) -> Any:
    """Matrices of the absolute differences of all elements of vectors.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.fiedler(cnp.array([1, 4]))
    Array([[0, 3],
           [3, 0]], dtype=int32)
    """
    a = cnp.atleast_1d(as_array(a, "fiedler"))
    return cnp.abs(a[..., :, None] - a[..., None, :])


def fiedler_companion(a: Any) -> Any:
    """Fiedler's companion matrix of a polynomial: five diagonals, and the roots for eigenvalues.

    Args:
      a: coefficients, of the highest power first; the first is not zero.

    Raises:
      ValueError: not a vector.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.fiedler_companion(cnp.array([1.0, -3.0, 2.0]))
    Array([[ 3., -2.],
           [ 1.,  0.]], dtype=float32)
    """
    a = _vector("fiedler_companion", a)
    n = a.shape[0] - 1
    if n <= 0:
        return cnp.zeros((0, 0), a.dtype)
    a = a / a[0]
    if n == 1:
        return -a[1:, None]
    # -a[2], -a[4], .. and ones above the diagonal, -a[3], -a[5], .. and ones below it.
    places = np.full((n, n), -1)
    ones = np.zeros((n, n), bool)
    places[0, 0] = 1
    for k in range(n - 1):
        if k % 2 == 0:
            places[k, k + 1] = k + 2
            ones[k + 1, k] = k == 0
        else:
            places[k + 1, k] = k + 2
    for k in range(n - 2):
        if k % 2 == 0:
            ones[k, k + 2] = True
        else:
            ones[k + 2, k] = True
    known = cnp.where(places >= 0, -a[np.where(places >= 0, places, 0)], cnp.zeros((), a.dtype))
    return cnp.where(ones, cnp.ones((), a.dtype), known)


def hadamard(n: int, dtype: Any = int) -> Any:
    """Hadamard's matrix of n rows, a power of two: ones and minus ones with orthogonal columns.

    Raises:
      ValueError: not a power of two.

    >>> import cotan.scipy.linalg as linalg
    >>> linalg.hadamard(2)
    Array([[ 1,  1],
           [ 1, -1]], dtype=int32)
    """
    if n < 1 or n & (n - 1):
        raise ValueError(f"hadamard: n must be a power of two, got {n}")
    found = np.ones((1, 1), np.int64)
    while found.shape[0] < n:
        found = np.block([[found, found], [found, -found]])
    return cnp.asarray(found.astype(dtypes.canonicalize_dtype(np.dtype(dtype))))


def helmert(n: int, full: bool = False) -> Any:
    """Helmert's matrix of n columns: orthonormal contrasts; ``full``: with a first row of equal elements.

    >>> import cotan.scipy.linalg as linalg
    >>> linalg.helmert(3).shape
    (2, 3)
    """
    rows = np.tril(np.ones((n, n)), -1) - np.diag(np.arange(n))
    rows[0] = 1
    sizes = np.arange(n) * np.arange(1, n + 1)
    sizes[:1] = n
    return _constant((rows / np.sqrt(sizes)[:, None])[0 if full else 1 :])


def _constant(values: Any) -> Any:
    return cnp.asarray(np.asarray(values, np.float64).astype(dtypes.default_float()))


def hilbert(n: int) -> Any:
    """Hilbert's matrix of n rows, with 1 / (i + j + 1) at [i, j].

    >>> import cotan.scipy.linalg as linalg
    >>> linalg.hilbert(2)[0]
    Array([1. , 0.5], dtype=float32)
    """
    n = operator.index(n)
    return _constant(1 / (np.arange(n)[:, None] + np.arange(n)[None, :] + 1))


def invhilbert(n: int) -> Any:
    """The inverse of Hilbert's matrix, whose elements are integers.

    >>> import cotan.scipy.linalg as linalg
    >>> linalg.invhilbert(2)
    Array([[ 4., -6.],
           [-6., 12.]], dtype=float32)
    """

    def element(i: int, j: int) -> int:
        middle = math.comb(i + j, i) ** 2
        return (-1) ** (i + j) * (i + j + 1) * math.comb(n + i, n - j - 1) * math.comb(n + j, n - i - 1) * middle

    return _constant([[float(element(i, j)) for j in range(n)] for i in range(n)] if n else np.zeros((0, 0)))


def _pascal(n: int, kind: str | None, name: str) -> Any:
    if kind not in (None, "symmetric", "lower", "upper"):
        raise ValueError(f"{name}: kind must be 'symmetric', 'lower' or 'upper', got {kind!r}")
    return np.array([[float(math.comb(i, j)) for j in range(n)] for i in range(n)]).reshape(n, n)


def pascal(n: int, kind: str | None = None) -> Any:
    """Pascal's matrix of n rows, of binomial coefficients.

    Args:
      kind: 'symmetric' (default, the product of the other two), 'lower' or 'upper'.

    Raises:
      ValueError: another kind.

    >>> import cotan.scipy.linalg as linalg
    >>> linalg.pascal(3)[2]
    Array([1., 3., 6.], dtype=float32)
    """
    lower = _pascal(n, kind, "pascal")
    return _constant(lower if kind == "lower" else lower.T if kind == "upper" else lower @ lower.T)


def invpascal(n: int, kind: str | None = None) -> Any:
    """The inverse of Pascal's matrix.

    Args:
      kind: as for ``pascal``.

    Raises:
      ValueError: another kind.

    >>> import cotan.scipy.linalg as linalg
    >>> linalg.invpascal(2)
    Array([[ 2., -1.],
           [-1.,  1.]], dtype=float32)
    """
    signs = (-1.0) ** (np.arange(n)[:, None] + np.arange(n)[None, :])
    lower = _pascal(n, kind, "invpascal") * signs
    return _constant(lower if kind == "lower" else lower.T if kind == "upper" else lower.T @ lower)


def leslie(f: Any, s: Any) -> Any:
    """Leslie's matrix of fecundities ``f`` (first row) and survivals ``s`` (below the diagonal), one fewer.

    Raises:
      ValueError: the lengths do not fit.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.leslie(cnp.array([1.0, 2.0]), cnp.array([0.5]))
    Array([[1. , 2. ],
           [0.5, 0. ]], dtype=float32)
    """
    f, s = (cnp.atleast_1d(as_array(x, "leslie")) for x in promote_dtypes("leslie", f, s))
    if s.shape[-1] == 0 or f.shape[-1] != s.shape[-1] + 1:
        raise ValueError(
            f"leslie: f of shape {tuple(f.shape)} must have one element more than s of shape {tuple(s.shape)}, which "
            "has at least one"
        )

    def one(f: Any, s: Any) -> Any:
        below = cnp.where(np.eye(s.shape[0], f.shape[0], dtype=bool), s[:, None], cnp.zeros((), s.dtype))
        return cnp.concatenate([f[None, :], below])

    return _over_vectors("leslie", one, f, s)
