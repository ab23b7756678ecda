"""QR factorisations, by Householder reflections, and what is done with the reflections themselves.

A matrix of reflections holds, below its diagonal, vectors v_i whose first element, 1, is not stored; the i-th
reflection is 1 - tau_i v_i v_i**H, and Q their product, as LAPACK has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.errors import where
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval, shaped, tangent_aval
from cotan.ir.rules import none
from cotan.primitives.arithmetic import complex, imag, sub
from cotan.primitives.compare import eq, ne
from cotan.primitives.define import first_order
from cotan.primitives.linalg import common
from cotan.primitives.linalg.common import (
    INT32,
    adjoint,
    columns_of,
    conjugate,
    lower,
    masked,
    mm,
    rows_of,
    upper,
)
from cotan.primitives.linalg.factors import right_divide_upper
from cotan.primitives.operands import COMPLEX, dtype_of, quiet, shape_of
from cotan.primitives.shape import broadcasted_iota
from cotan.primitives.taylor import BY_JVP
from cotan.structural import Zero, broadcast_in_dim, convert_element_type

# ---- qr

qr_p = common.factorisation("qr")


def qr(
    x: Any, *, pivoting: bool = False, full_matrices: bool = True, use_magma: bool | None = None
) -> tuple[Any, Any] | tuple[Any, Any, Any]:
    """The factorisation x = Q R with orthonormal columns of Q and upper triangular R.

    Args:
      x: a matrix [.., m, n], or a stack of them.
      pivoting: exchange columns, so that the diagonal of R falls; a third result, int32, says how: x[:, p] = Q R.
      full_matrices: whether Q is square, [m, m]; otherwise it is [m, min(m, n)].
      use_magma: for devices that have a choice of libraries.

    Returns:
      (Q, R), or (Q, R, p).

    Raises:
      ValueError: not a matrix. TypeError: a dtype other than float32, float64, complex64, complex128.

    >>> import numpy as np
    >>> from cotan import lax
    >>> q, r = lax.linalg.qr(np.float32([[3, 1], [4, 2]]))
    >>> np.round(q @ r, 4)
    Array([[3., 1.],
           [4., 2.]], dtype=float32)
    """
    return tuple(qr_p.bind(x, pivoting=bool(pivoting), full_matrices=bool(full_matrices)))


@tables.abstract(qr_p)
def _(x: ShapedArray, *, pivoting: bool, full_matrices: bool) -> list[ShapedArray]:
    common.check_matrix("qr", x, what="x")
    *stack, m, n = x.shape
    k = m if full_matrices else min(m, n)
    out = [shaped((*stack, m, k), x.dtype), shaped((*stack, k, n), x.dtype)]
    return [*out, shaped((*stack, n), INT32)] if pivoting else out


@tables.jvp(qr_p)
def _(primals: Sequence[Any], tangents: Sequence[Any], *, pivoting: bool, full_matrices: bool) -> Any:
    # dQ = Q W with W skew, and Q**H dA = W R + dR; what of dA R**-1 is outside of the span of Q stays outside.
    q, r, *order = qr_p.bind(*primals, pivoting=pivoting, full_matrices=full_matrices)
    (da,) = tangents
    if pivoting:
        da = permuted_columns(da, order[0])
    m, n = shape_of(da)[-2:]
    k = min(m, n)
    by_r = right_divide_upper(columns_of(da, 0, k), rows_of(columns_of(r, 0, k), 0, k))
    inside = mm(adjoint(q), by_r)
    below = lower(inside, -1)
    square = common.padded(below, 0, shape_of(q)[-1] - k)
    turn = sub(square, adjoint(square))
    if dtype_of(q) in COMPLEX:
        # The diagonal of R is real, and stays so.
        on_diagonal = imag(masked(common.band(shape_of(inside), eq), inside))
        phases = complex(common.masked(common.band(shape_of(inside), ne), on_diagonal), on_diagonal)
        turn = turn + common.padded(phases, 0, shape_of(q)[-1] - k)
    q_dot = mm(q, turn)
    if shape_of(q)[-1] < m:
        q_dot = q_dot + sub(by_r, mm(q, inside))
    r_dot = upper(sub(mm(adjoint(q), da), mm(turn, r)))
    zeros = [Zero(tangent_aval(get_aval(p))) for p in order]
    return [q, r, *order], [q_dot, r_dot, *zeros]


def permuted_columns(x: Any, permutation: Any) -> Any:
    """``x[:, permutation]``, by a product with the matrix of the permutation."""
    n = shape_of(x)[-1]
    shape = (*shape_of(permutation)[:-1], n, shape_of(permutation)[-1])
    places = (*range(len(shape) - 2), len(shape) - 1)
    ones = eq(broadcast_in_dim(permutation, shape, places), broadcasted_iota(np.int32, shape, len(shape) - 2))
    return mm(x, convert_element_type(ones, dtype_of(x)))


@tables.reference(qr_p)
def _(x: Any, *, pivoting: bool, full_matrices: bool) -> list[Any]:
    packed, taus, order = quiet(_reflections, x, pivoting)
    *_, m, n = x.shape
    k = m if full_matrices else min(m, n)
    q = quiet(_product_of_reflections, packed, taus, k).astype(x.dtype)
    r = np.zeros((*x.shape[:-2], k, n), x.dtype)
    r[..., : min(m, n), :] = np.triu(packed[..., : min(m, n), :])
    return [q, r, order] if pivoting else [q, r]


def _reflections(x: Any, pivoting: bool) -> tuple[Any, Any, Any]:
    """Householder's reduction of a stack, in double precision: reflections and R, taus, order of columns."""
    *stack, m, n = x.shape
    a = np.array(x, common.work_dtype(x.dtype))
    taus = np.zeros((*stack, min(m, n)), a.dtype)
    order = np.broadcast_to(np.arange(n, dtype=np.int32), (*stack, n)).copy()
    for j in range(min(m, n)):
        if pivoting:
            norms = np.linalg.norm(a[..., j:, j:], axis=-2)
            # Rounding decides nothing: of equal norms the first one.
            best = np.argmax(norms >= norms.max(-1, keepdims=True) * (1 - 1e-12), axis=-1) + j
            swapped = np.broadcast_to(np.arange(n), (*stack, n)).copy()
            np.put_along_axis(swapped, best[..., None], j, -1)
            swapped[..., j] = best
            a, order = np.take_along_axis(a, swapped[..., None, :], -1), np.take_along_axis(order, swapped, -1)
        v, taus[..., j], a[..., j, j] = reflection(a[..., j:, j])
        a[..., j + 1 :, j] = v[..., 1:]
        rest = a[..., j:, j + 1 :]
        rest -= taus[..., j, None, None].conj() * v[..., None] * (v.conj()[..., None, :] @ rest)
    return a, taus, order


def reflection(x: Any) -> tuple[Any, Any, Any]:
    """The reflection, v with v[0] = 1 and tau, whose adjoint turns ``x`` into (beta, 0, .., 0); and beta, real."""
    alpha, rest = x[..., 0], np.linalg.norm(x[..., 1:], axis=-1)
    size = np.hypot(np.abs(alpha), rest)
    beta = np.where(alpha.real < 0, size, -size)
    none_needed = (rest == 0) & (alpha.imag == 0)
    safe = np.where(none_needed, 1, beta)
    tau = np.where(none_needed, 0, (safe - alpha) / safe)
    v = x / np.where(none_needed, 1, alpha - safe)[..., None]
    v = np.where(none_needed[..., None], 0, v)
    v[..., 0] = 1
    return v, tau, np.where(none_needed, alpha, beta)


def _product_of_reflections(packed: Any, taus: Any, columns: int) -> Any:
    """The first columns of Q."""
    m, k = packed.shape[-2], taus.shape[-1]
    q = np.zeros((*packed.shape[:-2], m, columns), packed.dtype)
    q[...] = np.eye(m, columns)
    return apply_reflections(packed[..., :k], taus, q, adjoint=False)


def apply_reflections(packed: Any, taus: Any, c: Any, *, adjoint: bool) -> Any:
    """Q c, or Q**H c, in NumPy."""
    c = np.array(c)
    count = taus.shape[-1]
    for j in range(count) if adjoint else reversed(range(count)):
        v = packed[..., j:, j].copy()
        v[..., 0] = 1
        tau = taus[..., j, None, None]
        part = c[..., j:, :]
        part -= (tau.conj() if adjoint else tau) * v[..., None] * (v.conj()[..., None, :] @ part)
    return c


common.cubic_cost(qr_p, 4.0)

# ---- geqrf

geqrf_p = common.factorisation("geqrf", differentiable=False)


def geqrf(x: Any) -> tuple[Any, Any]:
    """Householder's reduction to upper triangular form: (R in and above the diagonal, reflections below it; taus)."""
    return tuple(geqrf_p.bind(x))


@tables.abstract(geqrf_p)
def _(x: ShapedArray) -> list[ShapedArray]:
    common.check_matrix("geqrf", x, what="x")
    *stack, m, n = x.shape
    return [shaped(x.shape, x.dtype), shaped((*stack, min(m, n)), x.dtype)]


tables.jvp[geqrf_p] = none("reflections are a means to Q and R, which have derivatives: differentiate qr")


@tables.reference(geqrf_p)
def _(x: Any) -> list[Any]:
    packed, taus, _ = quiet(_reflections, x, False)
    return [packed.astype(x.dtype), taus.astype(x.dtype)]


common.cubic_cost(geqrf_p, 2.0)

# ---- householder_product

householder_product_p = common.factorisation("householder_product", multiple_results=False, differentiable=False)


def householder_product(a: Any, taus: Any) -> Any:
    """The first columns of a product of Householder reflections.

    Args:
      a: [.., m, n] with m >= n, the vectors of the reflections below its diagonal.
      taus: their factors, [.., k] with k <= n.

    Returns:
      The first n columns of Q = (1 - tau_1 v_1 v_1**H) (1 - tau_2 v_2 v_2**H) ..

    Raises:
      ValueError: the shapes do not fit. TypeError: dtypes that differ or are no floats.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.linalg.householder_product(np.float32([[0], [1]]), np.float32([1]))
    Array([[ 0.],
           [-1.]], dtype=float32)
    """
    return householder_product_p.bind(a, taus)


@tables.abstract(householder_product_p)
def _(a: ShapedArray, taus: ShapedArray) -> ShapedArray:
    check_reflections("householder_product", a, taus)
    if a.shape[-2] < a.shape[-1]:
        raise ValueError(f"householder_product: a must have as many rows as columns at least, got shape {a.shape}")
    return shaped(a.shape, a.dtype)


def check_reflections(name: str, a: ShapedArray, taus: ShapedArray) -> None:
    """Refuse reflections and factors that do not fit.

    Raises:
      ValueError: the shapes. TypeError: the dtypes.
    """
    common.check_dtype(name, a, taus)
    common.check_matrix(name, a, what="a")
    if taus.ndim != a.ndim - 1 or taus.shape[:-1] != a.shape[:-2] or taus.shape[-1] > min(a.shape[-2:]):
        raise ValueError(
            f"{name}: taus of shape {taus.shape} for reflections of shape {a.shape}; there is one for each column at "
            "most"
        )


tables.jvp[householder_product_p] = none("reflections are a means to Q, which has derivatives: differentiate qr")


@tables.reference(householder_product_p)
def _(a: Any, taus: Any) -> Any:
    wide = common.work_dtype(a.dtype)
    return quiet(_product_of_reflections, a.astype(wide), taus.astype(wide), a.shape[-1]).astype(a.dtype)


common.cubic_cost(householder_product_p, 2.0)

# ---- ormqr

ormqr_p = first_order("ormqr")


def ormqr(a: Any, taus: Any, c: Any, *, left: bool = True, transpose: bool = False) -> Any:
    """Multiply by a product Q of Householder reflections, without forming it.

    Args:
      a: [.., m, n], the vectors of the reflections below its diagonal.
      taus: their factors, [.., k].
      c: matrices, with m rows (columns, if Q is on the right).
      left: Q c; otherwise c Q.
      transpose: with the adjoint of Q in its place.

    Raises:
      ValueError: the shapes do not fit. TypeError: dtypes that differ or are no floats.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.linalg.ormqr(np.float32([[0], [0]]), np.float32([2]), np.float32([[5], [6]]))
    Array([[-5.],
           [ 6.]], dtype=float32)
    """
    return ormqr_p.bind(a, taus, c, left=bool(left), transpose=bool(transpose))


@tables.abstract(ormqr_p)
def _(a: ShapedArray, taus: ShapedArray, c: ShapedArray, *, left: bool, transpose: bool) -> ShapedArray:
    check_reflections("ormqr", a, taus)
    common.check_dtype("ormqr", a, c)
    common.check_matrix("ormqr", c, what="c")
    common.check_batch("ormqr", (2, 2), (a, c))
    if c.shape[-2 if left else -1] != a.shape[-2]:
        raise ValueError(
            f"ormqr: Q of {a.shape[-2]} rows does not fit c of shape {c.shape} on the {'left' if left else 'right'}"
        )
    return shaped(c.shape, c.dtype)


@tables.jvp(ormqr_p)
def _(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
    if type(tangents[0]) is not Zero or type(tangents[1]) is not Zero:
        raise TypeError(
            f"{where()}: ormqr has a derivative with respect to c only, not to the reflections; differentiate a "
            "product with the Q of cotan.numpy.linalg.qr"
        )
    a, taus, c = primals
    return ormqr_p.bind(a, taus, c, **params), ormqr_p.bind(a, taus, tangents[2], **params)


tables.jet[ormqr_p] = BY_JVP


@tables.transpose(ormqr_p)
def _(ct: Any, a: Any, taus: Any, c: Any, *, left: bool, transpose: bool) -> list[Any]:
    # The transposed map is that of the adjoint, between complex conjugates.
    back = ormqr_p.bind(a, taus, conjugate(ct), left=left, transpose=not transpose)
    return [None, None, conjugate(back)]


common.leading_batch(ormqr_p)


@tables.reference(ormqr_p)
def _(a: Any, taus: Any, c: Any, *, left: bool, transpose: bool) -> Any:
    wide = common.work_dtype(a.dtype)
    a, taus, right = a.astype(wide), taus.astype(wide), c.astype(wide)
    if left:
        out = quiet(apply_reflections, a, taus, right, adjoint=transpose)
    else:
        # c Q is the adjoint of Q**H c**H.
        out = quiet(apply_reflections, a, taus, right.conj().swapaxes(-1, -2), adjoint=not transpose)
        out = out.conj().swapaxes(-1, -2)
    return np.ascontiguousarray(out, c.dtype)


common.by_library(ormqr_p)
tables.cost[ormqr_p] = lambda ins, outs, **params: (
    4 * ins[2].size * ins[1].shape[-1],
    sum(x.nbytes for x in (*ins, *outs)),
)
