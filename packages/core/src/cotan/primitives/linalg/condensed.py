"""Condensed forms, by Householder reflections from both sides: Hessenberg's, and tridiagonal ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.rules import none
from cotan.primitives.linalg import common
from cotan.primitives.linalg.common import real_of
from cotan.primitives.linalg.orthogonal import reflection
from cotan.primitives.operands import quiet

NO_DERIVATIVE = none("a step on the way to eigenvalues, which have derivatives: differentiate eigh, eig or schur")

# ---- hessenberg

hessenberg_p = common.factorisation("hessenberg", differentiable=False)


def hessenberg(a: Any) -> tuple[Any, Any]:
    """Reduce square matrices to Hessenberg's form, a = Q H Q**H, with zeros below the first subdiagonal of H.

    Args:
      a: a square matrix [.., n, n], or a stack of them.

    Returns:
      (a, taus): H in and above the first subdiagonal and, below it, the reflections of which Q is made (without the
      first row and column, Q is ``householder_product(a[1:, :-1], taus)``); their factors [.., n - 1].

    Raises:
      ValueError: not a square matrix. TypeError: a dtype other than float32, float64, complex64, complex128.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.linalg.hessenberg(np.float32([[1, 2], [3, 4]]))[1]
    Array([0.], dtype=float32)
    """
    return tuple(hessenberg_p.bind(a))


@tables.abstract(hessenberg_p)
def _(a: ShapedArray) -> list[ShapedArray]:
    common.check_matrix("hessenberg", a, square=True, what="a")
    return [shaped(a.shape, a.dtype), shaped((*a.shape[:-2], max(a.shape[-1] - 1, 0)), a.dtype)]


tables.jvp[hessenberg_p] = NO_DERIVATIVE


@tables.reference(hessenberg_p)
def _(a: Any) -> list[Any]:
    packed, taus = quiet(_reduced, a)
    return [packed.astype(a.dtype), taus.astype(a.dtype)]


def _reduced(x: Any) -> tuple[Any, Any]:
    n = x.shape[-1]
    a = np.array(x, common.work_dtype(x.dtype))
    taus = np.zeros((*x.shape[:-2], max(n - 1, 0)), a.dtype)
    for j in range(n - 1):
        v, tau, beta = reflection(a[..., j + 1 :, j])
        taus[..., j] = tau
        right = a[..., :, j + 1 :]
        right -= tau[..., None, None] * (right @ v[..., None]) * v.conj()[..., None, :]
        left = a[..., j + 1 :, j + 1 :]
        left -= tau.conj()[..., None, None] * v[..., None] * (v.conj()[..., None, :] @ left)
        a[..., j + 1, j] = beta
        a[..., j + 2 :, j] = v[..., 1:]
    return a, taus


common.cubic_cost(hessenberg_p, 10 / 3)

# ---- tridiagonal

tridiagonal_p = common.factorisation("tridiagonal", differentiable=False)


def tridiagonal(a: Any, *, lower: bool = True) -> tuple[Any, Any, Any, Any]:
    """Reduce symmetric and Hermitian matrices to tridiagonal form, a = Q T Q**H.

    Args:
      a: a square matrix [.., n, n], or a stack of them.
      lower: which triangle of it is read.

    Returns:
      (a, d, e, taus): T in the diagonal and the first one below it (``lower=False``: above it) and, beyond, the
      reflections of which Q is made; the diagonal and the other one of T, real; the reflections' factors [.., n - 1].

    Raises:
      ValueError: not a square matrix. TypeError: a dtype other than float32, float64, complex64, complex128.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.linalg.tridiagonal(np.float32([[1, 2], [2, 3]]))[1]
    Array([1., 3.], dtype=float32)
    """
    return tuple(tridiagonal_p.bind(a, lower=bool(lower)))


@tables.abstract(tridiagonal_p)
def _(a: ShapedArray, *, lower: bool) -> list[ShapedArray]:
    common.check_matrix("tridiagonal", a, square=True, what="a")
    *stack, n, _ = a.shape
    rest = (*stack, max(n - 1, 0))
    parts = real_of(a.dtype)
    return [shaped(a.shape, a.dtype), shaped((*stack, n), parts), shaped(rest, parts), shaped(rest, a.dtype)]


tables.jvp[tridiagonal_p] = NO_DERIVATIVE


@tables.reference(tridiagonal_p)
def _(a: Any, *, lower: bool) -> list[Any]:
    packed, d, e, taus = quiet(_tridiagonal, a, lower)
    parts = real_of(a.dtype)
    return [packed.astype(a.dtype), d.astype(parts), e.astype(parts), taus.astype(a.dtype)]


def _tridiagonal(x: Any, lower: bool) -> Sequence[Any]:
    n = x.shape[-1]
    wide = np.array(x, common.work_dtype(x.dtype))
    places = np.arange(n)
    half = np.tril(wide, -1) if lower else np.triu(wide, 1)
    a = half + half.conj().swapaxes(-1, -2)
    a[..., places, places] = wide[..., places, places].real
    packed = wide.copy()
    packed[..., places, places] = a[..., places, places]
    taus = np.zeros((*x.shape[:-2], max(n - 1, 0)), a.dtype)
    for j in range(n - 1) if lower else reversed(range(n - 1)):
        # The upper form works from the last column backwards: reflections end with their one.
        here = slice(j + 1, n) if lower else slice(0, j + 1)
        column = a[..., here, j] if lower else a[..., here, j + 1][..., ::-1]
        v, tau, beta = reflection(column)
        kept = v[..., 1:] if lower else v[..., 1:][..., ::-1]
        v = v if lower else v[..., ::-1]
        taus[..., j] = tau
        inner = a[..., here, here]
        inner -= tau.conj()[..., None, None] * v[..., None] * (v.conj()[..., None, :] @ inner)
        inner -= tau[..., None, None] * (inner @ v[..., None]) * v.conj()[..., None, :]
        row, column_number = (j + 1, j) if lower else (j, j + 1)
        packed[..., row, column_number] = beta
        packed[..., places[here], places[here]] = a[..., places[here], places[here]].real
        if lower:
            packed[..., j + 2 :, j] = kept
        else:
            packed[..., :j, j + 1] = kept
    first, second = (places[1:], places[:-1]) if lower else (places[:-1], places[1:])
    return packed, packed[..., places, places].real, packed[..., first, second].real, taus


common.cubic_cost(tridiagonal_p, 4 / 3)
