"""Eigenvalues of symmetric and Hermitian matrices, and singular values of any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval, shaped
from cotan.primitives.arithmetic import add, div, mul, real, sub
from cotan.primitives.compare import eq, ne, select
from cotan.primitives.linalg import common
from cotan.primitives.linalg.common import (
    adjoint,
    along_columns,
    along_rows,
    columns_of,
    diagonal,
    hermitian_of,
    mm,
    real_of,
    rows_of,
    same_kind,
    times_columns,
    times_rows,
)
from cotan.primitives.operands import COMPLEX, dtype_of, shape_of
from cotan.primitives.slice import slice_along


def real_part(x: Any) -> Any:
    """The real part; real arrays as they are."""
    return real(x) if dtype_of(x) in COMPLEX else x


def check_subset(name: str, subset: Any, extent: int) -> tuple[int, int] | None:
    """A range of places (first, one past the last), or None.

    Raises:
      ValueError: it is no such range within ``extent``.
    """
    if subset is None:
        return None
    first, last = map(int, subset)
    if not 0 <= first <= last <= extent:
        raise ValueError(
            f"{name}: subset_by_index must be a range (start, stop) within 0 to {extent}, got {tuple(subset)}"
        )
    return first, last


def reciprocal_differences(w: Any, v: Any | None = None) -> Any:
    """1 / (v[j] - w[i]) at [.., i, j], zeros on the diagonal; ``v`` is ``w`` if not given."""
    shape = (*shape_of(w), shape_of(w)[-1])
    on_diagonal = common.band(shape, eq)
    one = dtype_of(w).type(1)
    difference = sub(along_rows(w if v is None else v, shape), along_columns(w, shape))
    return common.masked(common.band(shape, ne), div(one, select(on_diagonal, one, difference)))


# ---- eigh

eigh_p = common.factorisation("eigh")


def eigh(
    x: Any,
    *,
    lower: bool = True,
    symmetrize_input: bool = True,
    sort_eigenvalues: bool = True,
    subset_by_index: tuple[int, int] | None = None,
    implementation: Any = None,
) -> tuple[Any, Any]:
    """Eigenvectors and eigenvalues of symmetric and Hermitian matrices.

    Args:
      x: a square matrix, or a stack of them.
      lower: which triangle is read, if ``symmetrize_input`` is not set.
      symmetrize_input: take the mean of x and its adjoint first.
      sort_eigenvalues: whether they must rise; here they always do.
      subset_by_index: (start, stop), to have only these eigenvalues, counted from the least.
      implementation: for devices that have a choice of algorithms.

    Returns:
      (v, w): orthonormal eigenvectors in the columns of v, and the eigenvalues, real; NaN where x is not finite.

    Raises:
      ValueError: not a square matrix, or no range. TypeError: a dtype other than float32, float64, complex64,
        complex128.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.linalg.eigh(np.float32([[2, 0], [0, 1]]))[1]
    Array([1., 2.], dtype=float32)
    """
    common.check_matrix("eigh", get_aval(x), square=True, what="x")
    if symmetrize_input:
        x = common.scale(x + adjoint(x), 0.5)
    subset = check_subset("eigh", subset_by_index, shape_of(x)[-1])
    v, w = eigh_p.bind(x, lower=bool(lower))
    if subset is not None:
        v, w = columns_of(v, *subset), slice_along(w, len(shape_of(w)) - 1, *subset)
    return v, w


@tables.abstract(eigh_p)
def _(x: ShapedArray, *, lower: bool) -> list[ShapedArray]:
    common.check_matrix("eigh", x, square=True, what="x")
    return [shaped(x.shape, x.dtype), shaped(x.shape[:-1], real_of(x.dtype))]


@tables.jvp(eigh_p)
def _(primals: Sequence[Any], tangents: Sequence[Any], *, lower: bool) -> Any:
    # With V**H dA V = M: dw is the diagonal of M, dV = V (M / (w_j - w_i) off the diagonal).
    v, w = eigh_p.bind(*primals, lower=lower)
    inner = mm(mm(adjoint(v), hermitian_of(tangents[0], lower)), v)
    turn = mul(same_kind(reciprocal_differences(w), inner), inner)
    return [v, w], [mm(v, turn), real_part(diagonal(inner))]


@tables.reference(eigh_p)
def _(x: Any, *, lower: bool) -> list[Any]:
    def both(m: Any) -> tuple[Any, Any]:
        w, v = np.linalg.eigh(m, "L" if lower else "U")
        return v, w

    n = x.shape[-1]
    return common.per_matrix(both, x, [((n, n), x.dtype), ((n,), real_of(x.dtype))])


common.cubic_cost(eigh_p, 9.0)

# ---- svd

svd_p = common.factorisation("svd")


def svd(
    x: Any,
    *,
    full_matrices: bool = True,
    compute_uv: bool = True,
    subset_by_index: tuple[int, int] | None = None,
    algorithm: Any = None,
) -> Any:
    """Singular values, and vectors: x = u diag(s) vh.

    Args:
      x: a matrix [.., m, n], or a stack of them.
      full_matrices: whether u is [m, m] and vh [n, n]; otherwise they have min(m, n) columns and rows.
      compute_uv: whether to compute the vectors.
      subset_by_index: (start, stop), to have only these, counted from the largest; needs ``full_matrices=False`` if
        vectors are computed.
      algorithm: for devices that have a choice.

    Returns:
      (u, s, vh), or s. NaN where x is not finite.

    Raises:
      ValueError: not a matrix, or no range. TypeError: a dtype other than float32, float64, complex64, complex128.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.linalg.svd(np.float32([[0, 2], [1, 0]]), compute_uv=False)
    Array([2., 1.], dtype=float32)
    """
    common.check_matrix("svd", get_aval(x), what="x")
    subset = check_subset("svd", subset_by_index, min(shape_of(x)[-2:]))
    if subset is not None and full_matrices and compute_uv:
        raise ValueError("svd: a subset of singular vectors needs full_matrices=False")
    out = svd_p.bind(x, full_matrices=bool(full_matrices), compute_uv=bool(compute_uv))
    s = out[0] if subset is None else slice_along(out[0], len(shape_of(out[0])) - 1, *subset)
    if not compute_uv:
        return s
    _, u, vh = out
    return (u, s, vh) if subset is None else (columns_of(u, *subset), s, rows_of(vh, *subset))


@tables.abstract(svd_p)
def _(x: ShapedArray, *, full_matrices: bool, compute_uv: bool) -> list[ShapedArray]:
    common.check_matrix("svd", x, what="x")
    *stack, m, n = x.shape
    k = min(m, n)
    s = shaped((*stack, k), real_of(x.dtype))
    if not compute_uv:
        return [s]
    left, right = ((m, m), (n, n)) if full_matrices else ((m, k), (k, n))
    return [s, shaped((*stack, *left), x.dtype), shaped((*stack, *right), x.dtype)]


@tables.jvp(svd_p)
def _(primals: Sequence[Any], tangents: Sequence[Any], *, full_matrices: bool, compute_uv: bool) -> Any:
    # With U**H dA V = P: ds is the diagonal of P, and dU = U W, dV = V Z with skew W and Z, where off the diagonal
    # W_ij = (P_ij s_j + s_i P_ji*) / (s_j**2 - s_i**2) and Z_ij = (s_i P_ij + P_ji* s_j) / (s_j**2 - s_i**2).
    (da,) = tangents
    if not compute_uv:
        s, u, vh = svd_p.bind(*primals, full_matrices=False, compute_uv=True)
        return [s], [real_part(diagonal(mm(mm(adjoint(u), da), adjoint(vh))))]
    s, u, vh = svd_p.bind(*primals, full_matrices=full_matrices, compute_uv=True)
    v = adjoint(vh)
    projected = mm(mm(adjoint(u), da), v)
    k = shape_of(s)[-1]
    square = columns_of(rows_of(projected, 0, k), 0, k)
    s_dot = real_part(diagonal(square))
    squares = same_kind(reciprocal_differences(mul(s, s)), square)
    by_columns, by_rows = times_columns(square, s), times_rows(s, square)
    w = mul(squares, add(by_columns, adjoint(by_columns)))
    z = mul(squares, add(by_rows, adjoint(by_rows)))
    if dtype_of(square) in COMPLEX:
        # The phases of a pair are free together: U takes what is left on the diagonal.
        rest = common.masked(common.band(shape_of(square), eq), sub(square, adjoint(square)))
        w = add(w, times_columns(common.scale(rest, 0.5), _inverse(s)))
    u_dot = _outside(u, v, da, w, s, k)
    v_dot = _outside(v, u, adjoint(da), z, s, k)
    return [s, u, vh], [s_dot, u_dot, adjoint(v_dot)]


def _inverse(s: Any) -> Any:
    """1 / s; zero for zero, whose vectors have no derivative."""
    nothing = eq(s, s.dtype.type(0))
    one = s.dtype.type(1)
    return common.masked(ne(s, s.dtype.type(0)), div(one, select(nothing, one, s)))


def _outside(u: Any, v: Any, da: Any, turn: Any, s: Any, k: int) -> Any:
    """The tangent of left vectors that turn among themselves by ``turn``, and out of their span as dA V / s has it."""
    m, columns = shape_of(u)[-2:]
    first = columns_of(u, 0, k)
    if m == k:
        return mm(first, turn)
    moved = times_columns(mm(da, columns_of(v, 0, k)), _inverse(s))
    if columns == k:
        return add(mm(u, turn), sub(moved, mm(u, mm(adjoint(u), moved))))
    others = columns_of(u, k, columns)
    across = mm(adjoint(others), moved)
    inside = add(mm(first, turn), mm(others, across))
    return common.side_by_side(inside, -mm(first, adjoint(across)))


@tables.reference(svd_p)
def _(x: Any, *, full_matrices: bool, compute_uv: bool) -> list[Any]:
    m, n = x.shape[-2:]
    k = min(m, n)
    results: list[Any] = [((k,), real_of(x.dtype))]
    if not compute_uv:
        return common.per_matrix(lambda a: [np.linalg.svd(a, compute_uv=False)], x, results)
    left, right = ((m, m), (n, n)) if full_matrices else ((m, k), (k, n))

    def all_three(a: Any) -> tuple[Any, Any, Any]:
        u, s, vh = np.linalg.svd(a, full_matrices)
        return s, u, vh

    return common.per_matrix(all_three, x, [*results, (left, x.dtype), (right, x.dtype)])


common.cubic_cost(svd_p, 20.0)
