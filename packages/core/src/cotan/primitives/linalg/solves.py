"""Equations with triangular and tridiagonal matrices: linear in the right-hand side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, shaped
from cotan.primitives.arithmetic import mul, neg
from cotan.primitives.define import first_order
from cotan.primitives.linalg.common import (
    along_columns,
    by_library,
    check_batch,
    check_dtype,
    check_matrix,
    conjugate,
    leading_batch,
    lower,
    mm,
    turned,
    upper,
)
from cotan.primitives.operands import COMPLEX, move_axis, quiet, shape_of
from cotan.primitives.pad import pad
from cotan.primitives.shape import reshape, to_front
from cotan.primitives.taylor import BY_JVP
from cotan.structural import UndefinedPrimal, Zero, add_tangents

# ---- triangular_solve

triangular_solve_p = first_order("triangular_solve")


def triangular_solve(
    a: Any,
    b: Any,
    *,
    left_side: bool = False,
    lower: bool = False,
    transpose_a: bool = False,
    conjugate_a: bool = False,
    unit_diagonal: bool = False,
) -> Any:
    """Solve x a = b (``left_side``: a x = b) for triangular matrices a.

    Args:
      a: a triangular matrix, or a stack of them; the other triangle is not read.
      b: right-hand sides, as many matrices as ``a``; or vectors, one for each.
      left_side: whether a stands on the left.
      lower: which triangle of a is read.
      transpose_a, conjugate_a: use the transpose, the complex conjugate of a.
      unit_diagonal: take the diagonal of a for ones, unread.

    Returns:
      x, of the shape of ``b``. Where a has a zero on its diagonal, infinities and NaNs.

    Raises:
      ValueError: a is not square, or the shapes do not fit. TypeError: dtypes that differ or are no floats.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.linalg.triangular_solve(np.float32([[2, 0], [1, 1]]), np.float32([[2], [3]]), left_side=True, lower=True)
    Array([[1.],
           [2.]], dtype=float32)
    """
    rank = len(shape_of(a))
    vector = len(shape_of(b)) == rank - 1
    if vector:
        shape = shape_of(b)
        b = reshape(b, (*shape, 1) if left_side else (*shape[:-1], 1, *shape[-1:]))
    out = triangular_solve_p.bind(
        a,
        b,
        left_side=bool(left_side),
        lower=bool(lower),
        transpose_a=bool(transpose_a),
        conjugate_a=bool(conjugate_a),
        unit_diagonal=bool(unit_diagonal),
    )
    return reshape(out, shape) if vector else out


@tables.abstract(triangular_solve_p)
def _(a: ShapedArray, b: ShapedArray, *, left_side: bool, **params: Any) -> ShapedArray:
    check_dtype("triangular_solve", a, b)
    check_matrix("triangular_solve", a, square=True, what="a")
    check_matrix("triangular_solve", b, what="b")
    check_batch("triangular_solve", (2, 2), (a, b))
    if b.shape[-2 if left_side else -1] != a.shape[-1]:
        raise ValueError(
            f"triangular_solve: a of shape {a.shape} does not fit b of shape {b.shape}; with left_side={left_side} the "
            f"{'second-last' if left_side else 'last'} axis of b must have extent {a.shape[-1]}"
        )
    return shaped(b.shape, b.dtype, a.weak_type and b.weak_type)


@tables.jvp(triangular_solve_p)
def _(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
    # op(a) x = b, so op(a) dx = db - op(da) x, where da has the triangle that is read.
    (a, b), (da, db) = primals, tangents
    x = triangular_solve_p.bind(a, b, **params)
    right = db
    if type(da) is not Zero:
        offset = 1 if params["unit_diagonal"] else 0
        da = lower(da, -offset) if params["lower"] else upper(da, offset)
        da = turned(da) if params["transpose_a"] else da
        da = conjugate(da) if params["conjugate_a"] else da
        right = add_tangents(right, neg(mm(da, x) if params["left_side"] else mm(x, da)))
    return x, triangular_solve_p.bind(a, right, **params)


tables.jet[triangular_solve_p] = BY_JVP


@tables.transpose(triangular_solve_p)
def _(ct: Any, a: Any, b: Any, *, transpose_a: bool, **params: Any) -> list[Any]:
    if type(a) is UndefinedPrimal:
        raise TypeError("triangular_solve is linear in b only")
    return [None, triangular_solve_p.bind(a, ct, transpose_a=not transpose_a, **params)]


@tables.batch(triangular_solve_p)
def _(axis: Any, args: Sequence[Any], dims: Sequence[int | None], *, left_side: bool, **params: Any) -> Any:
    (a, b), (a_dim, b_dim) = args, dims
    params["left_side"] = left_side
    if a_dim is not None or b_dim is None:
        return triangular_solve_p.bind(to_front(axis, a, a_dim), to_front(axis, b, b_dim), **params), 0
    # One matrix, many right-hand sides: they lie beside each other.
    place = len(shape_of(b)) - (1 if left_side else 3)
    b = move_axis(b, b_dim, place)
    shape = shape_of(b)
    *stack, first, second, third = shape
    joined = (*stack, first, second * third) if left_side else (*stack, first * second, third)
    return reshape(triangular_solve_p.bind(a, reshape(b, joined), **params), shape), place


@tables.reference(triangular_solve_p)
def _(
    a: Any, b: Any, *, left_side: bool, lower: bool, transpose_a: bool, conjugate_a: bool, unit_diagonal: bool
) -> Any:
    a = a.conj() if conjugate_a else a
    if transpose_a:
        a, lower = a.swapaxes(-1, -2), not lower
    if not left_side:
        a, lower, b = a.swapaxes(-1, -2), not lower, b.swapaxes(-1, -2)
    x = quiet(_substitute, a, b, lower, unit_diagonal)
    return np.ascontiguousarray(x if left_side else x.swapaxes(-1, -2))


def _substitute(a: Any, b: Any, is_lower: bool, unit_diagonal: bool) -> Any:
    n = a.shape[-1]
    x = np.array(b)
    for k in range(n) if is_lower else reversed(range(n)):
        known = slice(0, k) if is_lower else slice(k + 1, n)
        row = b[..., k, :] - (a[..., k : k + 1, known] @ x[..., known, :])[..., 0, :]
        x[..., k, :] = row if unit_diagonal else row / a[..., k, k, None]
    return x


by_library(triangular_solve_p)


def _triangular_cost(ins: Sequence[ShapedArray], outs: Sequence[ShapedArray], **params: Any) -> Any:
    kind = 4 if ins[0].dtype in COMPLEX else 1
    return kind * ins[1].size * ins[0].shape[-1], sum(x.nbytes for x in (*ins, *outs))


tables.cost[triangular_solve_p] = _triangular_cost


# ---- tridiagonal_solve

tridiagonal_solve_p = first_order("tridiagonal_solve")


def tridiagonal_solve(dl: Any, d: Any, du: Any, b: Any, *, perturb_singular: bool = False) -> Any:
    """Solve equations with tridiagonal matrices, by elimination with exchanges of rows.

    Args:
      dl, d, du: the diagonals below, in and above the middle, all of one shape [..., n]; the first element of ``dl``
        and the last one of ``du`` are not read.
      b: right-hand sides, [..., n, k].
      perturb_singular: where a matrix is singular to working precision, solve with its diagonal moved by as little as
        makes a difference, instead of giving NaN.

    Returns:
      The solutions, of the shape of ``b``; NaN where a matrix is singular.

    Raises:
      ValueError: the shapes do not fit. TypeError: dtypes that differ or are no floats.

    >>> import numpy as np
    >>> from cotan import lax
    >>> one, two = np.float32([0, 1, 1]), np.float32([2, 2, 2])
    >>> lax.linalg.tridiagonal_solve(one, two, one[::-1].copy(), np.float32([[3], [4], [3]]))
    Array([[1.],
           [1.],
           [1.]], dtype=float32)
    """
    return tridiagonal_solve_p.bind(dl, d, du, b, perturb_singular=bool(perturb_singular))


@tables.abstract(tridiagonal_solve_p)
def _(dl: ShapedArray, d: ShapedArray, du: ShapedArray, b: ShapedArray, **params: Any) -> ShapedArray:
    check_dtype("tridiagonal_solve", dl, d, du, b)
    if not d.ndim or dl.shape != d.shape or du.shape != d.shape:
        raise ValueError(
            f"tridiagonal_solve: the diagonals must have one shape (.., n), got {dl.shape}, {d.shape}, {du.shape}; pad "
            "dl in front and du at the end"
        )
    if b.ndim != d.ndim + 1 or b.shape[:-1] != d.shape:
        raise ValueError(
            f"tridiagonal_solve: b of shape {b.shape} for diagonals of shape {d.shape}; it must be (.., n, k)"
        )
    return shaped(b.shape, b.dtype, b.weak_type and d.weak_type)


def _moved(x: Any, by: int, axis: int) -> Any:
    """``x`` moved by one place along an axis, with a zero in the gap."""
    config = [(0, 0, 0)] * len(shape_of(x))
    config[axis] = (by, -by, 0)
    return pad(x, x.dtype.type(0), config) if shape_of(x)[axis] else x


def _multiply(dl: Any, d: Any, du: Any, x: Any) -> Any:
    """The product of tridiagonal matrices, of which diagonals may be zero, with ``x``."""
    total: Any = None
    for diagonal, shift in ((dl, 1), (d, 0), (du, -1)):
        if type(diagonal) is Zero:
            continue
        term = mul(along_columns(diagonal, shape_of(x)), _moved(x, shift, len(shape_of(x)) - 2) if shift else x)
        total = term if total is None else add_tangents(total, term)
    return total


@tables.jvp(tridiagonal_solve_p)
def _(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
    dl, d, du, b = primals
    x = tridiagonal_solve_p.bind(dl, d, du, b, **params)
    right = tangents[3]
    if any(type(t) is not Zero for t in tangents[:3]):
        right = add_tangents(right, neg(_multiply(*tangents[:3], x)))
    return x, tridiagonal_solve_p.bind(dl, d, du, right, **params)


tables.jet[tridiagonal_solve_p] = BY_JVP


@tables.transpose(tridiagonal_solve_p)
def _(ct: Any, dl: Any, d: Any, du: Any, b: Any, **params: Any) -> list[Any]:
    if any(type(x) is UndefinedPrimal for x in (dl, d, du)):
        raise TypeError("tridiagonal_solve is linear in b only")
    axis = len(shape_of(d)) - 1
    below, above = _moved(du, 1, axis), _moved(dl, -1, axis)
    return [None, None, None, tridiagonal_solve_p.bind(below, d, above, ct, **params)]


leading_batch(tridiagonal_solve_p)


@tables.reference(tridiagonal_solve_p)
def _(dl: Any, d: Any, du: Any, b: Any, *, perturb_singular: bool) -> Any:
    if not d.shape[-1]:
        return np.array(b)
    return quiet(_eliminate, dl, d, du, b, perturb_singular)


def _eliminate(dl: Any, d: Any, du: Any, b: Any, perturb_singular: bool) -> Any:
    """Elimination with the larger of two rows as pivot, all matrices of the stack at once."""
    n = d.shape[-1]
    below = np.roll(dl, -1, -1)
    # Rows of U: the pivot and the two elements beside it.
    pivots, first, second = np.array(d), np.array(du), np.zeros_like(d)
    first[..., -1] = 0
    x = np.array(b)
    for k in range(n - 1):
        swap = np.abs(pivots[..., k]) < np.abs(below[..., k])
        upper_row = (pivots[..., k], first[..., k], np.zeros_like(d[..., k]))
        lower_row = (below[..., k], pivots[..., k + 1], first[..., k + 1])
        top = [np.where(swap, low, high) for high, low in zip(upper_row, lower_row, strict=True)]
        rest = [np.where(swap, high, low) for high, low in zip(upper_row, lower_row, strict=True)]
        factor = np.where(rest[0] == 0, 0, rest[0] / np.where(top[0] == 0, 1, top[0]))
        pivots[..., k], first[..., k], second[..., k] = top
        pivots[..., k + 1], first[..., k + 1] = rest[1] - factor * top[1], rest[2] - factor * top[2]
        pair = x[..., k, :].copy(), x[..., k + 1, :].copy()
        x[..., k, :] = np.where(swap[..., None], pair[1], pair[0])
        x[..., k + 1, :] = np.where(swap[..., None], pair[0], pair[1]) - factor[..., None] * x[..., k, :]
    singular = (pivots == 0).any(-1)
    if perturb_singular:
        pivots, singular = _perturbed(pivots, first, second), np.zeros_like(singular)
    for k in reversed(range(n)):
        for beside, distance in ((first, 1), (second, 2)):
            if k + distance < n:
                x[..., k, :] -= beside[..., k, None] * x[..., k + distance, :]
        x[..., k, :] /= pivots[..., k, None]
    x[singular] = np.nan
    return x


def _perturbed(pivots: Any, first: Any, second: Any) -> Any:
    """Pivots no smaller than eps times the largest element of U."""
    largest = np.max(np.abs([pivots, first, second]), axis=(0, -1))
    least = np.finfo(pivots.dtype).eps * np.where(largest == 0, 1, largest)[..., None].astype(pivots.real.dtype)
    return np.where(np.abs(pivots) < least, np.where(pivots.real < 0, -least, least), pivots).astype(pivots.dtype)


by_library(tridiagonal_solve_p)
tables.cost[tridiagonal_solve_p] = lambda ins, outs, **params: (
    10 * ins[0].size + 6 * math.prod(ins[3].shape),
    sum(x.nbytes for x in (*ins, *outs)),
)
