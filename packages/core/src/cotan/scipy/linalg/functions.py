"""Functions of matrices: exponential, square root, and any other, by Schur's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.api import custom_jvp, jvp
from cotan.api.repeated import repeated
from cotan.numpy.linalg.decompositions import adjoint
from cotan.numpy.linalg.operands import inexact, matrix

_PADE = {
    7: (17297280, 8648640, 1995840, 277200, 25200, 1512, 56, 1),
    13: (
        64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
        670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
    ),
}  # fmt: skip
"""Coefficients of the numerators of diagonal Pade approximants of exp."""
_REACH = {7: 3.925724783138660, 13: 5.371920351148152}
"""1-norms up to which they have the accuracy of float32 and float64: N. Higham, The scaling and squaring method for the
matrix exponential revisited, 2005."""


def product(x: Any, y: Any) -> Any:
    """The matrix product, as exact as the device can."""
    return cnp.matmul(x, y, precision="highest")


def is_complex(x: Any) -> bool:
    return bool(dtypes.issubdtype(x.dtype, np.complexfloating))


def to_complex(x: Any) -> Any:
    """The same values in the complex dtype of the same precision."""
    return x if is_complex(x) else x.astype(np.complex128 if x.dtype == np.float64 else np.complex64)


# ---- The exponential


@repeated(adds_up=True, large=0)
def expm(A: Any, *, upper_triangular: bool = False, max_squarings: int = 16) -> Any:
    """The exponential of square matrices, by a Pade approximant of the scaled matrix, and squaring.

    Args:
      A: matrices [.., n, n].
      upper_triangular: that A is; equations are solved by substitution then.
      max_squarings: the most squarings that are done; where more are needed, the result is NaN.

    Raises:
      ValueError: not square matrices.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.expm(cnp.zeros((2, 2)))
    Array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    a = matrix("expm", A, square=True)
    if not a.size:
        return a

    def one(a: Any) -> Any:
        return _expm(a, upper_triangular, int(max_squarings))

    return one(a) if a.ndim == 2 else cnp.vectorize(one, signature="(n,n)->(n,n)")(a)


def _expm(a: Any, upper_triangular: bool, max_squarings: int) -> Any:
    degree = 13 if dtypes.finfo(a.dtype).bits == 64 else 7
    size = lax.stop_gradient(cnp.max(cnp.sum(cnp.abs(a), axis=0)))
    needed = cnp.ceil(cnp.log2(cnp.maximum(size / _REACH[degree], np.finfo(size.dtype).tiny)))
    squarings = cnp.clip(cnp.nan_to_num(needed, nan=0), 0, max_squarings + 1).astype(np.int32)
    scaled = a * cnp.exp2(-squarings.astype(size.dtype)).astype(a.dtype)
    even, odd = _pade(scaled, _PADE[degree])
    if upper_triangular:
        found = lax.linalg.triangular_solve(even - odd, even + odd, left_side=True)
    else:
        found = cnp.linalg.solve(even - odd, even + odd)

    def step(x: Any, k: Any) -> Any:
        return lax.cond(k < squarings, lambda x: product(x, x), lambda x: x, x), None

    found, _ = lax.scan(step, found, cnp.arange(max_squarings, dtype=np.int32))
    return cnp.where(squarings > max_squarings, cnp.full((), np.nan, found.dtype), found)


def _pade(a: Any, coefficients: tuple[int, ...]) -> tuple[Any, Any]:
    """The even and the odd part of the numerator; that of the denominator has the odd part subtracted."""
    # Divided by the last but one for small numbers in single precision.
    b = [float(c) / float(coefficients[0]) for c in coefficients]
    eye = cnp.eye(a.shape[-1], dtype=a.dtype)
    square = product(a, a)
    powers = [eye, square]
    for _ in range(2):
        powers.append(product(powers[-1], square))
    even = sum((b[2 * k] * powers[k] for k in range(1, 4)), b[0] * eye)
    odd = sum((b[2 * k + 1] * powers[k] for k in range(1, 4)), b[1] * eye)
    if len(b) > 8:
        sixth = powers[3]
        even = even + product(sixth, sum((b[2 * k + 6] * powers[k] for k in range(2, 4)), b[8] * powers[1]))
        odd = odd + product(sixth, sum((b[2 * k + 7] * powers[k] for k in range(2, 4)), b[9] * powers[1]))
    return even, product(a, odd)


def expm_frechet(A: Any, E: Any, *, method: str | None = None, compute_expm: bool = True) -> Any:
    """The exponential of A, and its derivative in the direction E.

    Args:
      A, E: square matrices of one shape.
      method: 'SPS' or 'blockEnlarge', which are names of algorithms; the derivative is that of ``expm`` in either case.
      compute_expm: whether to return the exponential, too.

    Returns:
      (expm(A), derivative), or the derivative.

    Raises:
      ValueError: another method, or shapes that differ.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.expm_frechet(cnp.zeros((1, 1)), cnp.ones((1, 1)), compute_expm=False)
    Array([[1.]], dtype=float32)
    """
    if method not in (None, "SPS", "blockEnlarge"):
        raise ValueError(f"expm_frechet: method must be 'SPS' or 'blockEnlarge', got {method!r}")
    a, e = inexact("expm_frechet", A, E)
    if a.shape != e.shape or a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(
            f"expm_frechet: A and E must be square and of one shape, got {tuple(a.shape)} and {tuple(e.shape)}"
        )
    out, dot = jvp(expm, (a,), (e,))
    return (out, dot) if compute_expm else dot


# ---- Triangular form


def rsf2csf(T: Any, Z: Any, check_finite: bool = True) -> tuple[Any, Any]:
    """The complex form of a real Schur form: triangular T, by rotations.

    Raises:
      ValueError: not two square matrices of one shape.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.rsf2csf(cnp.array([[0.0, 1.0], [-1.0, 0.0]]), cnp.eye(2))[0].shape
    (2, 2)
    """
    t, z = (to_complex(x) for x in inexact("rsf2csf", T, Z))
    if t.ndim != 2 or t.shape[0] != t.shape[1] or z.shape != t.shape:
        raise ValueError(f"rsf2csf: T and Z must be square and of one shape, got {tuple(t.shape)}, {tuple(z.shape)}")
    n = t.shape[0]
    rows = np.arange(n)

    def rotate(k: Any, state: Any) -> Any:
        t, z = state
        m = n - 1 - k  # blocks from the last to the first, each of rows m - 1 and m
        a, b, c, d = t[m - 1, m - 1], t[m - 1, m], t[m, m - 1], t[m, m]
        # Where there is nothing to turn, numbers whose roots have derivatives.
        turns = c != 0
        half, b, c = (cnp.where(turns, x, 1) for x in ((a - d) / 2, b, c))
        root = cnp.sqrt(half * half + b * c)
        mu = cnp.where(cnp.abs(half + root) < cnp.abs(half - root), half + root, half - root)
        size = cnp.sqrt(cnp.abs(mu) ** 2 + cnp.abs(c) ** 2)
        cosine, sine = mu / size, c / size
        pair = cnp.stack([cnp.stack([cnp.conj(cosine), cnp.conj(sine)]), cnp.stack([-sine, cosine])])
        g = cnp.where(turns, pair, cnp.eye(2, dtype=t.dtype)).astype(t.dtype)
        t = _turn_columns(lax.dynamic_update_slice(t, product(g, _rows(t, m)), (m - 1, 0)), g, m)
        t = cnp.where((rows[:, None] == m) & (rows == m - 1), 0, t)
        return t, _turn_columns(z, g, m)

    return lax.fori_loop(0, n - 1, rotate, (t, z)) if n > 1 else (t, z)


def _rows(x: Any, m: Any) -> Any:
    return lax.dynamic_slice(x, (m - 1, 0), (2, x.shape[1]))


def _turn_columns(x: Any, g: Any, m: Any) -> Any:
    """Columns m - 1 and m turned by the adjoint of ``g``."""
    pair = lax.dynamic_slice(x, (0, m - 1), (x.shape[0], 2))
    return lax.dynamic_update_slice(x, product(pair, adjoint(g)), (0, m - 1))


# ---- By columns of triangular matrices


def _by_columns(column: Callable[[Any, Any], Any], start: Any) -> Any:
    """Fill a matrix column by column: ``column(found, j)`` from those that are found."""
    n = start.shape[-1]

    def step(found: Any, j: Any) -> Any:
        return cnp.where(np.arange(n) == j, column(found, j)[:, None], found), None

    return lax.scan(step, start, cnp.arange(n, dtype=np.int32))[0]


def _solve_above(system: Any, right: Any, j: Any) -> Any:
    """Solve with the part of triangular ``system`` before row and column j; zero from there on."""
    n = system.shape[-1]
    before = np.arange(n) < j
    # A zero on the diagonal stands for 1: what is divided by it is most often 0 as well.
    zero = np.eye(n, dtype=bool) & cnp.equal(system, 0)
    inner = cnp.where(before[:, None] & before & ~zero, system, cnp.eye(n, dtype=system.dtype))
    return lax.linalg.triangular_solve(inner, cnp.where(before, right, 0)[:, None], left_side=True)[:, 0]


def sylvester_triangular(r: Any, s: Any, c: Any) -> Any:
    """Y with R Y + Y S = C for upper triangular R and S."""
    eye = cnp.eye(r.shape[-1], dtype=r.dtype)

    def column(y: Any, j: Any) -> Any:
        right = cnp.take(c - product(y, s), j, axis=1)
        return lax.linalg.triangular_solve(r + s[j, j] * eye, right[:, None], left_side=True)[:, 0]

    return _by_columns(column, cnp.zeros_like(c))


@repeated(adds_up=True, large=0)
def sqrtm(A: Any, blocksize: int = 1) -> Any:
    """The principal square root of a square matrix, complex.

    Args:
      A: a matrix [n, n], or a stack of them.
      blocksize: 1.

    Raises:
      ValueError: not square matrices, or another blocksize.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.sqrtm(4 * cnp.eye(1))
    Array([[2.+0.j]], dtype=complex64)
    """
    if blocksize != 1:
        raise ValueError(f"sqrtm: only blocksize=1 is known, got {blocksize}")
    a = matrix("sqrtm", A, square=True)
    if not a.size:
        return to_complex(a)
    return _sqrtm(a) if a.ndim == 2 else cnp.vectorize(_sqrtm, signature="(n,n)->(n,n)")(a)


def _root(a: Any) -> tuple[Any, Any]:
    """The root of the triangular form, and the basis of that."""
    # Real eigenvalues stay exactly real, on the side of the cut where roots of negative ones are +i.
    t, q = lax.linalg.schur(a) if is_complex(a) else rsf2csf(*lax.linalg.schur(a))
    diagonal = cnp.sqrt(cnp.diagonal(t))
    eye = cnp.eye(t.shape[-1], dtype=t.dtype)

    def column(r: Any, j: Any) -> Any:
        sums = diagonal + diagonal[j]
        above = _solve_above(r + diagonal[j] * eye, cnp.take(t, j, axis=1), j)
        # A singular matrix may have no root.
        above = cnp.where(cnp.equal(sums, 0) & cnp.not_equal(above, 0), np.nan, above)
        return cnp.where(np.arange(t.shape[-1]) == j, diagonal[j], above)

    return _by_columns(column, cnp.zeros_like(t)), q


@custom_jvp
def _sqrtm(a: Any) -> Any:
    r, q = _root(a)
    return product(product(q, r), adjoint(q))


@_sqrtm.defjvp
def _(primals: Any, tangents: Any) -> Any:
    # With X X = A: X dX + dX X = dA.
    (a,), (da,) = primals, tangents
    r, q = _root(a)
    y = sylvester_triangular(r, r, product(product(adjoint(q), to_complex(da)), q))
    return _sqrtm(a), product(product(q, y), adjoint(q))


def funm(A: Any, func: Callable[[Any], Any], disp: bool = True) -> Any:
    """A function of a square matrix, by Parlett's recurrence: NaN where equal eigenvalues are coupled.

    Args:
      A: a matrix [n, n].
      func: a function of an array, element by element.
      disp: return the matrix alone; otherwise an estimate of its relative error, too.

    Raises:
      ValueError: not a square matrix.

    >>> import cotan.numpy as cnp, cotan.scipy.linalg as linalg
    >>> linalg.funm(cnp.diag(cnp.array([1.0, 4.0])), cnp.sqrt).real
    Array([[1., 0.],
           [0., 2.]], dtype=float32)
    """
    a = matrix("funm", A, square=True)
    if a.ndim != 2:
        raise ValueError(f"funm needs one square matrix, got shape {tuple(a.shape)}; map over stacks with vmap")
    t, q = lax.linalg.schur(to_complex(a))
    values = func(cnp.diagonal(t)).astype(t.dtype)
    n = t.shape[-1]
    eye = cnp.eye(n, dtype=t.dtype)

    def column(f: Any, j: Any) -> Any:
        of_t = cnp.where(np.arange(n) < j, cnp.take(t, j, axis=1), 0)
        above = _solve_above(t - t[j, j] * eye, product(f, of_t) - values[j] * of_t, j)
        # Between equal eigenvalues that are coupled it would be a derivative of func.
        coupled = cnp.not_equal(of_t, 0) | cnp.not_equal(above, 0)
        above = cnp.where(cnp.equal(cnp.diagonal(t), t[j, j]) & coupled, np.nan, above)
        return cnp.where(np.arange(n) == j, values[j], above)

    found = _by_columns(column, cnp.zeros_like(t)) if n else t
    out = product(product(q, found), adjoint(q))
    if disp or not n:
        return out if disp else (out, cnp.zeros((), cnp.real(out).dtype))
    eps = float(dtypes.finfo(out.dtype).eps)
    gaps = cnp.abs(cnp.diagonal(t)[:, None] - cnp.diagonal(t)[None, :])
    least = cnp.min(cnp.where(np.eye(n, dtype=bool), np.inf, gaps)) if n > 1 else cnp.ones(())
    size = cnp.max(cnp.sum(cnp.abs(cnp.triu(t, 1)), axis=0))
    error = cnp.clip(eps * cnp.maximum(1, size / cnp.where(least == 0, eps, least)), 0, 1)
    return out, error.astype(cnp.real(out).dtype)
