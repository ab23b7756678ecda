"""cotan.lax.linalg: factorisations of stacks of matrices, strict about shapes and dtypes, and composites of them."""

from __future__ import annotations

import enum
import operator
from typing import Any

import numpy as np

from cotan import tracebacks as _tracebacks
from cotan.ir.avals import get_aval
from cotan.lax.composites import broadcasted_iota, dynamic_index_in_dim, full
from cotan.lax.control_flow import cond, fori_loop, while_loop
from cotan.lax.primitive_names import LINALG as _LINALG
from cotan.lax.primitive_names import primitive as _primitive
from cotan.primitives import arithmetic, compare
from cotan.primitives.linalg import common
from cotan.primitives.linalg.condensed import hessenberg as hessenberg
from cotan.primitives.linalg.condensed import tridiagonal as tridiagonal
from cotan.primitives.linalg.eigen import eig as eig
from cotan.primitives.linalg.factors import cholesky as cholesky
from cotan.primitives.linalg.factors import lu as lu
from cotan.primitives.linalg.factors import lu_pivots_to_permutation as lu_pivots_to_permutation
from cotan.primitives.linalg.orthogonal import geqrf as geqrf
from cotan.primitives.linalg.orthogonal import householder_product as householder_product
from cotan.primitives.linalg.orthogonal import ormqr as ormqr
from cotan.primitives.linalg.orthogonal import qr as qr
from cotan.primitives.linalg.schur import schur as schur
from cotan.primitives.linalg.solves import triangular_solve as triangular_solve
from cotan.primitives.linalg.solves import tridiagonal_solve as tridiagonal_solve
from cotan.primitives.linalg.spectral import eigh as eigh
from cotan.primitives.linalg.spectral import svd as svd
from cotan.primitives.operands import dtype_of, shape_of
from cotan.primitives.reduce import reduce_max
from cotan.structural import broadcast_in_dim, convert_element_type, reduce_sum


class EigImplementation(enum.Enum):
    """Libraries of eigenvalues of general matrices, for devices that have a choice; the CPU has LAPACK."""

    CUSOLVER = "cusolver"
    MAGMA = "magma"
    LAPACK = "lapack"


class EighImplementation(enum.Enum):
    """Algorithms of eigenvalues of symmetric matrices, for devices that have a choice."""

    QR = "qr"
    JACOBI = "jacobi"
    QDWH = "qdwh"


class SvdAlgorithm(enum.Enum):
    """Algorithms of singular values, for devices that have a choice."""

    DEFAULT = "default"
    QR = "QR"
    JACOBI = "Jacobi"
    POLAR = "polar"
    DIVIDE_AND_CONQUER = "divide_and_conquer"


def symmetric_product(
    a_matrix: Any, c_matrix: Any, *, alpha: float = 1.0, beta: float = 0.0, symmetrize_output: bool = False
) -> Any:
    """alpha a a**T + beta c, for matrices a and symmetric matrices c.

    Args:
      a_matrix: [.., m, n].
      c_matrix: [.., m, m].
      symmetrize_output: take the result's upper triangle from its lower one.

    Raises:
      ValueError: the shapes do not fit. TypeError: dtypes that differ or are no floats.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.linalg.symmetric_product(np.float32([[1], [2]]), np.zeros((2, 2), np.float32))
    Array([[1., 2.],
           [2., 4.]], dtype=float32)
    """
    a, c = get_aval(a_matrix), get_aval(c_matrix)
    common.check_dtype("symmetric_product", a, c)
    common.check_matrix("symmetric_product", a, what="a_matrix")
    common.check_matrix("symmetric_product", c, square=True, what="c_matrix")
    common.check_batch("symmetric_product", (2, 2), (a, c))
    if a.shape[-2] != c.shape[-1]:
        raise ValueError(
            f"symmetric_product: a_matrix of shape {a.shape} does not fit c_matrix of shape {c.shape}; they must have "
            "equally many rows"
        )
    product = common.mm(a_matrix, common.turned(a_matrix))
    out = common.scale(product, alpha) + common.scale(c_matrix, beta)
    if not symmetrize_output:
        return out
    return common.lower(out) + common.turned(common.lower(out, -1))


def cholesky_update(r_matrix: Any, w_vector: Any) -> Any:
    """The Cholesky factor of r**T r + w w**T from the upper triangular factor r, by n rotations.

    Args:
      r_matrix: an upper triangular matrix [n, n], real.
      w_vector: a vector [n].

    Raises:
      ValueError: the shapes do not fit. TypeError: dtypes that differ or are no real floats.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.linalg.cholesky_update(np.float32([[3, 0], [0, 1]]), np.float32([4, 0]))
    Array([[5., 0.],
           [0., 1.]], dtype=float32)
    """
    r, w = get_aval(r_matrix), get_aval(w_vector)
    common.check_dtype("cholesky_update", r, w)
    common.check_matrix("cholesky_update", r, square=True, what="r_matrix")
    if r.ndim != 2 or w.shape != r.shape[:1]:
        raise ValueError(f"cholesky_update needs a matrix (n, n) and a vector (n,), got shapes {r.shape} and {w.shape}")
    if r.dtype in common.COMPLEX:
        raise TypeError(f"cholesky_update does not accept dtype {r.dtype}; it takes float32 and float64")
    n = r.shape[0]

    def rotate(k: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        matrix, vector = state
        row = dynamic_index_in_dim(matrix, k, 0, keepdims=False)
        places = broadcasted_iota(np.int32, (n,), 0)
        here = compare.eq(places, convert_element_type(k, np.int32))
        x, y = (reduce_sum(common.masked(here, v), (0,)) for v in (row, vector))
        size = arithmetic.sqrt(x * x + y * y)
        fine = compare.ne(size, r.dtype.type(0))
        safe = compare.select(fine, size, r.dtype.type(1))
        c, s = compare.select(fine, x / safe, r.dtype.type(1)), y / safe
        lines = compare.eq(broadcasted_iota(np.int32, (n, n), 0), convert_element_type(k, np.int32))
        turned = broadcast_in_dim(c * row + s * vector, (n, n), (1,))
        return compare.select(lines, turned, matrix), c * vector - s * row

    return fori_loop(0, n, rotate, (r_matrix, w_vector))[0] if n else r_matrix


def qdwh(
    x: Any,
    *,
    is_hermitian: bool = False,
    max_iterations: int | None = None,
    eps: float | None = None,
    dynamic_shape: tuple[int, int] | None = None,
) -> tuple[Any, Any, Any, Any]:
    """The polar decomposition x = u h, by dynamically weighted Halley iterations.

    See Nakatsukasa, Bai and Gygi, Optimizing Halley's iteration for computing the matrix polar decomposition, 2010.

    Args:
      x: a matrix [m, n] of full rank, m >= n.
      is_hermitian: that x is Hermitian, which is not made use of.
      max_iterations: when to stop in any case; None: after 10.
      eps: the relative accuracy; None: that of the dtype.
      dynamic_shape: (rows, columns) of the part of x that counts; the rest is taken for zeros.

    Returns:
      (u, h, iterations, converged): u with orthonormal columns, h Hermitian and positive semidefinite, an int32, a
      bool.

    Raises:
      ValueError: not a matrix with at least as many rows as columns. TypeError: a dtype that is no float.

    >>> import numpy as np
    >>> from cotan import lax
    >>> u, h, iterations, converged = lax.linalg.qdwh(np.float32([[0, 2], [1, 0]]))
    >>> bool(np.allclose(h, [[1, 0], [0, 2]], atol=1e-5))
    True
    """
    aval = get_aval(x)
    common.check_matrix("qdwh", aval, what="x")
    if aval.ndim != 2 or aval.shape[0] < aval.shape[1]:
        raise ValueError(
            f"qdwh needs a matrix with at least as many rows as columns, got shape {aval.shape}; decompose its adjoint"
        )
    m, n = aval.shape
    kind = common.real_of(aval.dtype)
    tiny = float(np.finfo(kind).eps) if eps is None else float(eps)
    if dynamic_shape is not None:
        rows, columns = (broadcasted_iota(np.int32, (m, n), d) for d in (0, 1))
        inside = compare.bitwise_and(
            compare.lt(rows, np.int32(dynamic_shape[0])), compare.lt(columns, np.int32(dynamic_shape[1]))
        )
        x = common.masked(inside, x)
    if not n:
        return x, full((0, 0), 0, aval.dtype), full((), 0, np.int32), full((), True, np.bool_)
    u, count, done = _polar_factor(x, kind, tiny, 10 if max_iterations is None else operator.index(max_iterations))
    h = common.mm(common.adjoint(u), x)
    return u, common.scale(h + common.adjoint(h), 0.5), count, done


def _polar_factor(x: Any, kind: np.dtype, tiny: float, limit: int) -> tuple[Any, Any, Any]:
    """(u, iterations, whether they converged)."""
    sizes = arithmetic.abs(x)
    bound = arithmetic.sqrt(reduce_max(reduce_sum(sizes, (0,)), (0,)) * reduce_max(reduce_sum(sizes, (1,)), (0,)))
    start = x / common.same_kind(compare.select(compare.ne(bound, kind.type(0)), bound, kind.type(1)), x)
    tolerance = (4 * tiny) ** (1 / 3)

    def goes_on(state: Any) -> Any:
        _, _, count, moved = state
        return compare.bitwise_and(compare.lt(count, np.int32(limit)), moved)

    def step(state: Any) -> Any:
        u, least, count, _ = state
        square = least * least
        d = arithmetic.cbrt(4 * (1 - square) / (square * square))
        a = arithmetic.sqrt(1 + d) + arithmetic.sqrt(
            compare.select(
                compare.gt(d, kind.type(-1)), 8 - 4 * d + 8 * (2 - square) / (square * arithmetic.sqrt(1 + d)), d
            )
        ) * kind.type(0.5)
        b = (a - 1) * (a - 1) / 4
        c = a + b - 1
        new = cond(compare.gt(c, kind.type(100)), _by_qr, _by_cholesky, u, a, b, c)
        least = arithmetic.min(least * (a + b * square) / (1 + c * square), kind.type(1))
        change = arithmetic.sqrt(reduce_sum(arithmetic.square(arithmetic.abs(new - u)), (0, 1)))
        size = arithmetic.sqrt(reduce_sum(arithmetic.square(arithmetic.abs(new)), (0, 1)))
        near = compare.bitwise_and(
            compare.le(change, size * kind.type(tolerance)), compare.le(1 - least, kind.type(10 * tiny))
        )
        return new, least, count + np.int32(1), compare.bitwise_not(near)

    # The smallest singular value is bounded from below by what rounding makes of it.
    first = (start, full((), tiny, kind), full((), 0, np.int32), full((), True, np.bool_))
    u, _, count, moved = while_loop(goes_on, step, first)
    # One step of Newton and Schulz takes away what rounding left.
    u = common.scale(u, 1.5) - common.scale(common.mm(u, common.mm(common.adjoint(u), u)), 0.5)
    return u, count, compare.bitwise_not(moved)


def _weights(u: Any, *weights: Any) -> list[Any]:
    """Real scalars as matrices like ``u``."""
    return [broadcast_in_dim(common.same_kind(w, u), shape_of(u), ()) for w in weights]


def _by_qr(u: Any, a: Any, b: Any, c: Any) -> Any:
    """b/c u + (a - b/c)/sqrt(c) q1 q2**H, where q is the orthonormal factor of (sqrt(c) u; 1): exact if u is ill."""
    m, n = shape_of(u)
    root = arithmetic.sqrt(c)
    eye = common.identity((n, n), dtype_of(u))
    q, _ = qr(common.stacked(_weights(u, root)[0] * u, eye), full_matrices=False)
    product = common.mm(common.rows_of(q, 0, m), common.adjoint(common.rows_of(q, m, m + n)))
    first, second = _weights(u, b / c, (a - b / c) / root)
    return first * u + second * product


def _by_cholesky(u: Any, a: Any, b: Any, c: Any) -> Any:
    """b/c u + (a - b/c) u (1 + c u**H u)**-1: half of the work, once u is near."""
    n = shape_of(u)[-1]
    gram = common.mm(common.adjoint(u), u)
    eye = common.identity((n, n), dtype_of(u))
    weight = broadcast_in_dim(common.same_kind(c, u), (n, n), ())
    factor = cholesky(eye + weight * gram)
    y = triangular_solve(factor, u, lower=True, transpose_a=True, conjugate_a=True)
    y = triangular_solve(factor, y, lower=True)
    first, second = _weights(u, b / c, a - b / c)
    return first * u + second * y


_tracebacks.guard(globals(), "cotan.lax.linalg", "cotan.primitives.linalg")


def __getattr__(name: str) -> Any:
    if (found := _primitive(_LINALG, name)) is not None:
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
