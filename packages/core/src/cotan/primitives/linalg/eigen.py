"""Eigenvalues and eigenvectors of matrices without symmetry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.errors import where
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, shaped
from cotan.primitives.arithmetic import abs as absolute
from cotan.primitives.arithmetic import complex, div, imag, mul, real, sub
from cotan.primitives.cast import stop_gradient
from cotan.primitives.compare import eq
from cotan.primitives.linalg import common
from cotan.primitives.linalg.common import adjoint, diagonal, mm, same_kind
from cotan.primitives.linalg.elimination import lu_solve
from cotan.primitives.linalg.factors import lu_p
from cotan.primitives.linalg.spectral import reciprocal_differences
from cotan.primitives.operands import complex_dtype, dtype_of, quiet, shape_of
from cotan.primitives.reduce import argmax
from cotan.primitives.shape import broadcasted_iota
from cotan.structural import broadcast_in_dim, reduce_sum

eig_p = common.factorisation("eig")


def eig(
    x: Any,
    *,
    compute_left_eigenvectors: bool = True,
    compute_right_eigenvectors: bool = True,
    enable_eigvec_derivs: bool = False,
    implementation: Any = None,
    use_magma: bool | None = None,
) -> list[Any]:
    """Eigenvalues and eigenvectors of square matrices.

    Args:
      x: a square matrix, or a stack of them.
      compute_left_eigenvectors, compute_right_eigenvectors: which vectors to compute.
      enable_eigvec_derivs: whether eigenvectors have derivatives. These are those of vectors of norm 1 whose largest
        component is real, which exist if all eigenvalues differ and no vector has two largest components.
      implementation, use_magma: for devices that have a choice of libraries.

    Returns:
      [w, vl, vr], complex: the eigenvalues, and left and right eigenvectors in columns if they are asked for; NaN where
      x is not finite.

    Raises:
      ValueError: not a square matrix. TypeError: a dtype other than float32, float64, complex64, complex128.

    >>> import numpy as np
    >>> from cotan import lax
    >>> w, vr = lax.linalg.eig(np.float32([[2, 1], [0, 1]]), compute_left_eigenvectors=False)
    >>> w
    Array([2.+0.j, 1.+0.j], dtype=complex64)
    """
    return eig_p.bind(  # type: ignore[no-any-return]
        x,
        left=bool(compute_left_eigenvectors),
        right=bool(compute_right_eigenvectors),
        vectors_have_derivatives=bool(enable_eigvec_derivs),
    )


@tables.abstract(eig_p)
def _(x: ShapedArray, *, left: bool, right: bool, vectors_have_derivatives: bool) -> list[ShapedArray]:
    common.check_matrix("eig", x, square=True, what="x")
    dtype = complex_dtype(x.dtype)
    vectors = shaped(x.shape, dtype)
    return [shaped(x.shape[:-1], dtype), *[vectors] * (left + right)]


def solve_square(a: Any, b: Any) -> Any:
    """a**-1 b, by LU."""
    packed, _, permutation = lu_p.bind(stop_gradient(a))
    return lu_solve(a, packed, permutation, b)


@tables.jvp(eig_p)
def _(
    primals: Sequence[Any], tangents: Sequence[Any], *, left: bool, right: bool, vectors_have_derivatives: bool
) -> Any:
    # With V**-1 dA V = M: dw is the diagonal of M, dV = V (M / (w_j - w_i) off the diagonal), then normalised.
    if (left or right) and not vectors_have_derivatives:
        raise TypeError(
            f"{where()}: eigenvectors of a matrix without symmetry have derivatives only if all eigenvalues differ and "
            "no vector has two largest components, which is not checked: say that it is so by "
            "cotan.lax.linalg.eig(..., enable_eigvec_derivs=True), or use eigenvalues only, or eigh"
        )
    # The derivatives of eigenvalues do not depend on how vectors are normalised.
    w, *vectors = eig_p.bind(*primals, left=left, right=True, vectors_have_derivatives=True)
    v = vectors[-1]
    inner = solve_square(v, mm(same_kind(tangents[0], v), v))
    dots = [diagonal(inner)]
    if left or right:
        turn = mul(reciprocal_differences(w), inner)
        if left:
            # The rows of the inverse of V turn the other way.
            dots.append(normalised_dot(vectors[0], -mm(vectors[0], _scaled(vectors[0], v, adjoint(turn)))))
        if right:
            dots.append(normalised_dot(v, mm(v, turn)))
    outs = [w, *vectors] if right else [w, *vectors[:-1]]
    return outs, dots


def _scaled(left: Any, right: Any, turn: Any) -> Any:
    """``turn`` of the rows of the inverse of the right vectors, for left vectors, which are multiples of them."""
    factor = common.conjugate(diagonal(mm(adjoint(left), right)))
    shape = shape_of(turn)
    return mul(turn, div(common.along_rows(factor, shape), common.along_columns(factor, shape)))


def normalised_dot(v: Any, dot: Any) -> Any:
    """The tangent of vectors (columns) that keep norm 1, and the phase that makes their largest component real."""
    shape = shape_of(v)
    n = len(shape)
    sizes = absolute(v)
    place = argmax(sizes, n - 2, np.int32)
    hit = eq(broadcasted_iota(np.int32, shape, n - 2), broadcast_in_dim(place, shape, (*range(n - 2), n - 1)))
    ratio = div(dot, common.select(hit, v, dtype_of(v).type(1)))
    phase = imag(reduce_sum(common.masked(hit, ratio), (n - 2,)))
    along = real(reduce_sum(mul(common.conjugate(v), dot), (n - 2,)))
    return sub(dot, common.times_columns(v, complex(along, phase)))


@tables.reference(eig_p)
def _(x: Any, *, left: bool, right: bool, vectors_have_derivatives: bool) -> list[Any]:
    dtype = complex_dtype(x.dtype)
    n = x.shape[-1]

    def all_three(a: Any) -> list[Any]:
        if not (left or right):
            return [np.linalg.eigvals(a)]
        w, v = np.linalg.eig(a)
        return [w, *([_left_of(v)] if left else []), *([v] if right else [])]

    return common.per_matrix(all_three, x, [((n,), dtype), *[((n, n), dtype)] * (left + right)])


def _left_of(v: Any) -> Any:
    """Left eigenvectors, from the inverse of the right ones, normalised as those are."""
    if not v.size:
        return v
    found = np.linalg.inv(v).conj().swapaxes(-1, -2)
    found = found / np.linalg.norm(found, axis=-2, keepdims=True)
    largest = np.take_along_axis(found, np.argmax(np.abs(found), axis=-2)[..., None, :], -2)
    return quiet(lambda: found * (largest.conj() / np.abs(largest)))


common.cubic_cost(eig_p, 25.0)
