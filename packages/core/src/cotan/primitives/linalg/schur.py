"""Schur's form: an orthonormal basis in which a matrix is triangular; over the reals, but for blocks of two rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval, shaped
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.primitives.arithmetic import add, complex, div, mul, neg, real, sub
from cotan.primitives.arithmetic import sqrt as square_root
from cotan.primitives.compare import bitwise_and, bitwise_or, eq, gt, ne, select
from cotan.primitives.control.scan import scan_p
from cotan.primitives.linalg import common
from cotan.primitives.linalg.common import adjoint, along_columns, diagonal, masked, mm, same_kind, turned, upper
from cotan.primitives.linalg.eigen import solve_square
from cotan.primitives.linalg.solves import triangular_solve_p
from cotan.primitives.operands import COMPLEX, dtype_of, quiet, shape_of
from cotan.primitives.pad import pad
from cotan.primitives.shape import broadcasted_iota, iota, reshape
from cotan.structural import broadcast_in_dim, convert_element_type, reduce_sum
from cotan.transforms.stage import stage_to_jaxpr

schur_p = common.factorisation("schur")


def schur(
    x: Any, *, compute_schur_vectors: bool = True, sort_eig_vals: bool = False, select_callable: Any = None
) -> Any:
    """Schur's form: x = Q T Q**H with orthonormal Q and triangular T.

    Args:
      x: a square matrix, or a stack of them. For real ones T is real, with a block of two rows on its diagonal for each
        pair of complex eigenvalues.
      compute_schur_vectors: whether to compute Q.
      sort_eig_vals, select_callable: an order of eigenvalues cannot be asked for.

    Returns:
      (T, Q), or T. NaN where x is not finite.

    Raises:
      ValueError: not a square matrix, or an order is asked for. TypeError: a dtype other than float32, float64,
        complex64, complex128.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.linalg.schur(np.float32([[1, 2], [0, 3]]))[0]
    Array([[1., 2.],
           [0., 3.]], dtype=float32)
    """
    if sort_eig_vals or select_callable is not None:
        raise ValueError(
            "schur: eigenvalues cannot be sorted: leave sort_eig_vals and select_callable out, and reorder afterwards"
        )
    out = schur_p.bind(x, compute_schur_vectors=bool(compute_schur_vectors))
    return tuple(out) if compute_schur_vectors else out[0]


@tables.abstract(schur_p)
def _(x: ShapedArray, *, compute_schur_vectors: bool) -> list[ShapedArray]:
    common.check_matrix("schur", x, square=True, what="x")
    return [shaped(x.shape, x.dtype)] * (1 + compute_schur_vectors)


@tables.jvp(schur_p)
def _(primals: Sequence[Any], tangents: Sequence[Any], *, compute_schur_vectors: bool) -> Any:
    # dQ = Q W with W skew, dT = M + T W - W T with M = Q**H dA Q: W must keep zero what is zero in T.
    t, q = schur_p.bind(*primals, compute_schur_vectors=True)
    inner = mm(mm(adjoint(q), tangents[0]), q)
    w = (_turn if dtype_of(t) in COMPLEX else _turn_of_blocks)(t, inner)
    t_dot = _dot_of(t, inner, w)
    if dtype_of(t) in COMPLEX:
        t_dot = upper(t_dot)
    else:
        t_dot = masked(bitwise_or(common.band(shape_of(t), common.ge), _within_blocks(t)), t_dot)
    outs, dots = [t, q], [t_dot, mm(q, w)]
    return outs[: 1 + compute_schur_vectors], dots[: 1 + compute_schur_vectors]


def _dot_of(t: Any, inner: Any, w: Any) -> Any:
    return add(inner, sub(mm(t, w), mm(w, t)))


def _turn(t: Any, inner: Any) -> Any:
    """For triangular T: the part of W below the diagonal column by column, each by a triangular equation."""

    def solve(system: Any, right: Any) -> Any:
        return triangular_solve_p.bind(
            system, right, left_side=True, lower=False, transpose_a=False, conjugate_a=False, unit_diagonal=False
        )

    n = shape_of(t)[-1]
    ends = broadcast_in_dim(iota(np.int32, n), shape_of(t)[:-1], (len(shape_of(t)) - 2,))
    below = _by_columns(solve, t, t, inner, ends)
    return sub(below, adjoint(below))


def _turn_of_blocks(t: Any, inner: Any) -> Any:
    """For real T with blocks of two rows: in the basis p, complex, of their eigenvectors it is triangular."""
    shape = shape_of(t)
    n = shape[-1]
    if n < 2:
        return sub(inner, inner)
    zero = dtype_of(t).type(0)
    # c[j] = T[j+1, j] and b[j] = T[j, j+1]; a block begins at j where c[j] is not zero.
    c, b = (reduce_sum(masked(common.band(shape, eq, k), t), (len(shape) - axis,)) for k, axis in ((-1, 2), (1, 1)))
    first = ne(c, zero)
    second = gt(_later(convert_element_type(first, np.int32)), np.int32(0))
    size = square_root(select(first, neg(mul(b, c)), dtype_of(t).type(1)))
    in_first = complex(select(first, b, dtype_of(t).type(1)), masked(first, zero_like(b)))
    in_second = complex(masked(second, zero_like(b)), neg(_later(size)))
    one = select(second, in_second, in_first)
    p = masked(common.band(shape, eq), along_columns(one, shape))
    p = add(p, masked(common.band(shape, eq, -1), common.along_rows(complex(zero_like(b), masked(first, size)), shape)))
    p = add(p, masked(common.band(shape, eq, 1), along_columns(same_kind(masked(first, b), p), shape)))
    wide = same_kind(t, p)
    triangular = upper(solve_square(p, mm(wide, p)))
    numbers = iota(np.int32, n)
    ends = broadcast_in_dim(numbers, shape[:-1], (len(shape) - 2,)) + convert_element_type(first, np.int32)
    y = _by_columns(solve_square, wide, triangular, mm(same_kind(inner, p), p), ends)
    below = convert_element_type(real(turned(solve_square(turned(p), turned(y)))), dtype_of(t))
    w = sub(below, turned(below))
    # Within a block the two elements on the diagonal stay equal: they part by 2 (b + c) times the angle.
    on_diagonal = diagonal(_dot_of(t, inner, w))
    apart, both = sub(on_diagonal, _earlier(on_diagonal)), add(b, c)
    moves = bitwise_and(first, ne(both, zero))
    angle = masked(moves, div(apart, common.scale(select(moves, both, dtype_of(t).type(1)), -2.0)))
    within = masked(common.band(shape, eq, -1), common.along_rows(angle, shape))
    return add(w, sub(within, turned(within)))


def zero_like(x: Any) -> Any:
    return sub(x, x)


def _later(v: Any) -> Any:
    """``v[j - 1]`` at j, zero in front."""
    return pad(v, dtype_of(v).type(0), [(0, 0, 0)] * (len(shape_of(v)) - 1) + [(1, -1, 0)])


def _earlier(v: Any) -> Any:
    """``v[j + 1]`` at j, zero at the end."""
    return pad(v, dtype_of(v).type(0), [(0, 0, 0)] * (len(shape_of(v)) - 1) + [(-1, 1, 0)])


def _within_blocks(t: Any) -> Any:
    """Where T has elements below its diagonal."""
    return bitwise_and(common.band(shape_of(t), eq, -1), ne(t, dtype_of(t).type(0)))


def _by_columns(solve: Callable[[Any, Any], Any], t: Any, s: Any, right: Any, ends: Any) -> Any:
    """Y with T Y - Y S = -``right`` in the rows of each column below ``ends``, and zero elsewhere; S is triangular.

    Column j needs those before it: (T - s_jj) y_j = sum of y_k s_kj over k < j - right_j.
    """
    shape = shape_of(t)
    ndim, n = len(shape), shape[-1]

    def step(t: Any, s: Any, right: Any, ends: Any, y: Any, j: Any) -> list[Any]:
        columns = broadcasted_iota(np.int32, shape, ndim - 1)
        rows = broadcasted_iota(np.int32, shape, ndim - 2)
        here = eq(columns, broadcast_in_dim(j, shape, ()))
        last = reduce_sum(masked(eq(broadcasted_iota(np.int32, shape[:-1], ndim - 2), j), ends), (ndim - 2,))
        last = broadcast_in_dim(last, shape, tuple(range(ndim - 2)))
        column = reduce_sum(masked(here, sub(mm(y, s), right)), (ndim - 1,))
        corner = reduce_sum(masked(bitwise_and(here, common.band(shape, eq)), s), (ndim - 2, ndim - 1))
        eye = common.band(shape, eq)
        moved = sub(t, masked(eye, broadcast_in_dim(corner, shape, tuple(range(ndim - 2)))))
        below = bitwise_and(gt(rows, last), gt(columns, last))
        system = select(below, moved, convert_element_type(eye, dtype_of(t)))
        free = gt(broadcasted_iota(np.int32, (*shape[:-1], 1), ndim - 2), common.columns_of(last, 0, 1))
        found = solve(system, masked(free, reshape(column, (*shape[:-1], 1))))
        return [select(here, along_columns(reshape(found, shape[:-1]), shape), y)]

    operands = [t, s, right, ends]
    start = zero_like(right)
    avals = [*map(get_aval, operands), get_aval(start), shaped((), common.INT32)]
    jaxpr, consts = stage_to_jaxpr(step, avals)
    [y] = scan_p.bind(
        *operands,
        start,
        iota(np.int32, n),
        jaxpr=ClosedJaxpr(jaxpr, consts),
        length=n,
        reverse=False,
        num_consts=len(operands),
        num_carry=1,
        unroll=1,
    )
    return y


@tables.reference(schur_p)
def _(x: Any, *, compute_schur_vectors: bool) -> list[Any]:
    try:
        import scipy.linalg
    except ImportError as error:
        raise ImportError("schur: the reference of this operation is SciPy's; install scipy, or a backend") from error
    results = [(x.shape[-2:], x.dtype)] * 2
    flat = x.reshape(math.prod(x.shape[:-2]), *x.shape[-2:])
    output = "complex" if x.dtype.kind == "c" else "real"
    outs = [np.full(x.shape, np.nan, dtype).reshape(flat.shape) for _, dtype in results]
    for k, matrix in enumerate(flat):
        if np.isfinite(matrix).all() and matrix.size:
            outs[0][k], outs[1][k] = quiet(scipy.linalg.schur, matrix, output)
    return [out.reshape(x.shape) for out in outs[: 1 + compute_schur_vectors]]


common.cubic_cost(schur_p, 25.0)
