"""Factorisations by elimination: Cholesky and LU, and the permutation that LU's exchanges of rows make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval, shaped, tangent_aval
from cotan.primitives.arithmetic import sub
from cotan.primitives.compare import eq, select
from cotan.primitives.define import first_order, zero_derivative
from cotan.primitives.linalg import common
from cotan.primitives.linalg.common import INT32, adjoint, columns_of, hermitian_of, lower, mm, rows_of, upper
from cotan.primitives.linalg.solves import triangular_solve_p
from cotan.primitives.operands import COMPLEX, dtype_of, quiet, shape_of
from cotan.primitives.shape import broadcasted_iota
from cotan.structural import Zero, broadcast_in_dim, convert_element_type


def solve_lower(l: Any, b: Any, *, unit: bool = False) -> Any:
    """l**-1 b"""
    return triangular_solve_p.bind(
        l, b, left_side=True, lower=True, transpose_a=False, conjugate_a=False, unit_diagonal=unit
    )


def right_divide_upper(b: Any, u: Any) -> Any:
    """b u**-1"""
    return triangular_solve_p.bind(
        u, b, left_side=False, lower=False, transpose_a=False, conjugate_a=False, unit_diagonal=False
    )


def right_divide_adjoint(b: Any, l: Any) -> Any:
    """b (l**-1)**H for lower triangular l"""
    conjugated = dtype_of(l) in COMPLEX
    return triangular_solve_p.bind(
        l, b, left_side=False, lower=True, transpose_a=True, conjugate_a=conjugated, unit_diagonal=False
    )


# ---- cholesky

cholesky_p = common.factorisation("cholesky", multiple_results=False)


def cholesky(x: Any, *, symmetrize_input: bool = True) -> Any:
    """The lower triangular matrix L with L L**H = x, for positive definite x.

    Args:
      x: a symmetric or Hermitian matrix, or a stack of them.
      symmetrize_input: take the mean of x and its adjoint first; otherwise the lower triangle alone is read.

    Returns:
      L, zeros above its diagonal. Where x is not positive definite, NaN on and below the diagonal.

    Raises:
      ValueError: not a square matrix. TypeError: a dtype other than float32, float64, complex64, complex128.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.linalg.cholesky(np.float32([[4, 2], [2, 2]]))
    Array([[2., 0.],
           [1., 1.]], dtype=float32)
    """
    if symmetrize_input:
        common.check_matrix("cholesky", get_aval(x), square=True, what="x")
        x = common.scale(x + adjoint(x), 0.5)
    return cholesky_p.bind(x)


@tables.abstract(cholesky_p)
def _(x: ShapedArray) -> ShapedArray:
    common.check_matrix("cholesky", x, square=True, what="x")
    return shaped(x.shape, x.dtype, x.weak_type)


@tables.jvp(cholesky_p)
def _(primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    # dL = L phi(L**-1 dA L**-H), where phi takes the lower triangle and half of the diagonal.
    out = cholesky_p.bind(*primals)
    between = right_divide_adjoint(solve_lower(out, hermitian_of(tangents[0], True)), out)
    half = select(common.band(shape_of(out), eq), common.scale(between, 0.5), lower(between, -1))
    return out, mm(out, half)


@tables.reference(cholesky_p)
def _(x: Any) -> Any:
    [out] = common.per_matrix(lambda m: [np.linalg.cholesky(m)], x, [(x.shape[-2:], x.dtype)])
    return np.tril(out)


common.cubic_cost(cholesky_p, 1 / 3)


# ---- lu

lu_p = common.factorisation("lu")


def lu(x: Any) -> tuple[Any, Any, Any]:
    """The factorisation P x = L U by elimination, with exchanges of rows for the largest pivots.

    Args:
      x: a matrix [.., m, n], or a stack of them.

    Returns:
      (lu, pivots, permutation): U in and above the diagonal and, below it, L without its ones; pivots[i], int32, the
      row that was exchanged with row i; the permutation of rows that makes: ``x[permutation] = L @ U``.

    Raises:
      ValueError: not a matrix. TypeError: a dtype other than float32, float64, complex64, complex128.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.linalg.lu(np.float32([[1, 2], [2, 2]]))[0]
    Array([[2. , 2. ],
           [0.5, 1. ]], dtype=float32)
    """
    return tuple(lu_p.bind(x))


@tables.abstract(lu_p)
def _(x: ShapedArray) -> list[ShapedArray]:
    common.check_matrix("lu", x, what="x")
    *stack, m, n = x.shape
    return [shaped(x.shape, x.dtype, x.weak_type), shaped((*stack, min(m, n)), INT32), shaped((*stack, m), INT32)]


def permuted_rows(permutation: Any, x: Any) -> Any:
    """``x[permutation]``, by a product with the matrix of the permutation: it has every derivative as it is."""
    shape = (*shape_of(permutation), shape_of(x)[-2])
    columns = broadcasted_iota(np.int32, shape, len(shape) - 1)
    ones = eq(broadcast_in_dim(permutation, shape, tuple(range(len(shape) - 1))), columns)
    return mm(convert_element_type(ones, dtype_of(x)), x)


@tables.jvp(lu_p)
def _(primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    # With P dA = dL U + L dU and the square parts of L and U, L**-1 (P dA) U**-1 is strictly lower (dL) plus upper.
    packed, pivots, permutation = lu_p.bind(*primals)
    moved = permuted_rows(permutation, tangents[0])
    m, n = shape_of(packed)[-2:]
    k = min(m, n)
    square = rows_of(columns_of(packed, 0, k), 0, k)
    unit = common.identity(shape_of(packed), dtype_of(packed))
    if m >= n:
        by_u = right_divide_upper(moved, square)
        inner = upper(solve_lower(square, rows_of(by_u, 0, k), unit=True))
        lower_dot = sub(by_u, mm(lower(packed, -1) + unit, inner))
        upper_dot = mm(inner, upper(square))
        upper_dot = common.padded(upper_dot, m - n, 0)
    else:
        by_l = solve_lower(square, moved, unit=True)
        inner = lower(right_divide_upper(columns_of(by_l, 0, k), square), -1)
        lower_dot = common.padded(mm(lower(square, -1) + columns_of(unit, 0, k), inner), 0, n - m)
        upper_dot = sub(by_l, mm(inner, upper(packed)))
    zeros = [Zero(tangent_aval(get_aval(x))) for x in (pivots, permutation)]
    return [packed, pivots, permutation], [lower(lower_dot, -1) + upper(upper_dot), *zeros]


@tables.reference(lu_p)
def _(x: Any) -> list[Any]:
    packed, pivots = quiet(_eliminated, x)
    return [packed, pivots, _permutation(pivots, x.shape[-2])]


def _eliminated(x: Any) -> tuple[Any, Any]:
    """Elimination of all matrices of a stack at once."""
    *stack, m, n = x.shape
    k = min(m, n)
    packed, pivots = np.array(x), np.zeros((*stack, k), np.int32)
    size = np.abs if x.dtype.kind == "f" else lambda z: np.abs(z.real) + np.abs(z.imag)
    for j in range(k):
        pivots[..., j] = j + np.argmax(size(packed[..., j:, j]), axis=-1)
        order = np.broadcast_to(np.arange(m), (*stack, m)).copy()
        np.put_along_axis(order, pivots[..., j, None].astype(np.intp), j, -1)
        order[..., j] = pivots[..., j]
        packed = np.take_along_axis(packed, order[..., None], -2)
        pivot = packed[..., j, j, None]
        packed[..., j + 1 :, j] /= np.where(pivot == 0, 1, pivot)
        packed[..., j + 1 :, j + 1 :] -= packed[..., j + 1 :, j, None] * packed[..., j, None, j + 1 :]
    return packed, pivots


def _permutation(pivots: Any, size: int) -> Any:
    """The permutation made by exchanging rows 0, 1, .. with those of ``pivots``."""
    found = np.broadcast_to(np.arange(size, dtype=np.int32), (*pivots.shape[:-1], size)).copy()
    for j in range(pivots.shape[-1]):
        place = pivots[..., j, None].astype(np.intp)
        here = found[..., j, None].copy()
        found[..., j, None] = np.take_along_axis(found, place, -1)
        np.put_along_axis(found, place, here, -1)
    return found


common.cubic_cost(lu_p, 1.0)


# ---- lu_pivots_to_permutation

lu_pivots_to_permutation_p = first_order("lu_pivots_to_permutation")


def lu_pivots_to_permutation(pivots: Any, permutation_size: int) -> Any:
    """The permutation of ``permutation_size`` rows that LU's exchanges make: int32, of shape [.., permutation_size].

    Args:
      pivots: integers [.., k]; row i was exchanged with row pivots[i], i = 0, 1, ..

    Raises:
      ValueError: more exchanges than rows. TypeError: not int32.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.linalg.lu_pivots_to_permutation(np.int32([2, 2]), 3)
    Array([2, 0, 1], dtype=int32)
    """
    return lu_pivots_to_permutation_p.bind(pivots, permutation_size=int(permutation_size))


@tables.abstract(lu_pivots_to_permutation_p)
def _(pivots: ShapedArray, *, permutation_size: int) -> ShapedArray:
    if pivots.dtype != INT32:
        raise TypeError(f"lu_pivots_to_permutation needs int32 pivots, got {pivots.dtype}; convert with .astype")
    if pivots.ndim < 1 or pivots.shape[-1] > permutation_size:
        raise ValueError(
            f"lu_pivots_to_permutation: pivots of shape {pivots.shape} for {permutation_size} rows; the last axis "
            "holds one for each row at most"
        )
    return shaped((*pivots.shape[:-1], permutation_size), INT32)


zero_derivative(lu_pivots_to_permutation_p)
common.leading_batch(lu_pivots_to_permutation_p)


@tables.reference(lu_pivots_to_permutation_p)
def _(pivots: Any, *, permutation_size: int) -> Any:
    return _permutation(pivots, permutation_size)


common.by_library(lu_pivots_to_permutation_p)
