"""cotan.scipy.sparse.linalg: iterative solution of A x = b, for A a function of pytrees or a matrix.

Derivatives are those of the equation, by ``lax.custom_linear_solve``; the iterations are never differentiated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import lax
from cotan import numpy as cnp
from cotan import tracebacks as _tracebacks
from cotan.flatten_util import ravel_pytree
from cotan.numpy.promotion import as_array
from cotan.tree import tree_flatten, tree_map

Map = Callable[[Any], Any]


def _operator(name: str, a: Any) -> Map:
    if a is None:
        return lambda x: x
    if callable(a):
        return a  # type: ignore[no-any-return]
    a = as_array(a, name)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ValueError(f"{name}: a matrix must be square, got shape {a.shape}; or give a function")
    return lambda x: cnp.matmul(a, x, precision=lax.Precision.HIGHEST)


def _dot(x: Any, y: Any) -> Any:
    return cnp.vdot(x, y, precision=lax.Precision.HIGHEST)


def _norm2(x: Any) -> Any:
    return _dot(x, x).real


def _solve(name: str, method: Any, a: Any, b: Any, x0: Any, m: Any, tol: Any, atol: Any, maxiter: Any) -> Any:
    """Bring A, M, b and x0 to vectors, and solve."""
    b = tree_map(lambda x: as_array(x, name), b)
    x0 = tree_map(cnp.zeros_like, b) if x0 is None else tree_map(lambda x: as_array(x, name), x0)
    (leaves, tree), (guesses, guess_tree) = tree_flatten(b), tree_flatten(x0)
    if tree != guess_tree or [x.shape for x in leaves] != [x.shape for x in guesses]:
        raise ValueError(
            f"{name}: x0 must have the structure and shapes of b, {tree} of {[x.shape for x in leaves]}; got "
            f"{guess_tree} of {[x.shape for x in guesses]}"
        )
    applied, conditioner = _operator(name, a), _operator(name, m)
    maxiter = 10 * sum(x.size for x in leaves) if maxiter is None else maxiter
    start, _ = ravel_pytree(x0)

    def solver(matvec: Map, right: Any) -> Any:
        flat, unravel = ravel_pytree(right)

        def vector(function: Map) -> Map:
            return lambda x: ravel_pytree(function(unravel(x)))[0].astype(flat.dtype)

        bound = cnp.maximum(cnp.square(tol) * _norm2(flat), cnp.square(atol))
        return unravel(method(vector(matvec), vector(conditioner), flat, start.astype(flat.dtype), bound, maxiter))

    symmetric = name == "cg" and not any(cnp.iscomplexobj(x) for x in leaves)
    return lax.custom_linear_solve(applied, b, solver, transpose_solve=solver, symmetric=symmetric), None


def _cg(a: Map, m: Map, b: Any, x: Any, bound: Any, maxiter: Any) -> Any:
    def step(state: Any) -> Any:
        n, x, r, p, gamma = state
        ap = a(p)
        alpha = gamma / _dot(p, ap).real
        x, r = x + alpha.astype(b.dtype) * p, r - alpha.astype(b.dtype) * ap
        z = m(r)
        after = _dot(r, z).real
        return n + 1, x, r, z + (after / gamma).astype(b.dtype) * p, after

    r = b - a(x)
    z = m(r)
    start = (0, x, r, z, _dot(r, z).real)
    return lax.while_loop(lambda state: (_norm2(state[2]) > bound) & (state[0] < maxiter), step, start)[1]


def _bicgstab(a: Map, m: Map, b: Any, x: Any, bound: Any, maxiter: Any) -> Any:
    r0 = b - a(x)

    def quotient(above: Any, below: Any) -> Any:
        return cnp.where(below == 0, 0, above / cnp.where(below == 0, 1, below))

    def step(state: Any) -> Any:
        n, x, r, p, v, rho, alpha, omega, _ = state
        after = _dot(r0, r)
        beta = quotient(after, rho) * quotient(alpha, omega)
        p = r + beta * (p - omega * v)
        p_hat = m(p)
        v = a(p_hat)
        alpha = quotient(after, _dot(r0, v))
        s = r - alpha * v
        s_hat = m(s)
        t = a(s_hat)
        omega = quotient(_dot(t, s), _dot(t, t))
        broken = (after == 0) | (alpha == 0)
        return n + 1, x + alpha * p_hat + omega * s_hat, s - omega * t, p, v, after, alpha, omega, broken

    def unfinished(state: Any) -> Any:
        return (_norm2(state[2]) > bound) & (state[0] < maxiter) & ~state[-1]

    one, zero = cnp.ones((), b.dtype), cnp.zeros_like(b)
    return lax.while_loop(unfinished, step, (0, x, r0, zero, zero, one, one, one, cnp.asarray(False)))[1]


def _gmres_cycle(a: Map, m: Map, b: Any, x: Any, restart: int) -> Any:
    """One cycle: the least residual in the Krylov space of ``restart`` dimensions (Y. Saad and M. Schultz, 1986)."""
    tiny = float(np.finfo(np.zeros((), b.dtype).real.dtype).eps)
    r = m(b - a(x))
    size = cnp.sqrt(_norm2(r))
    basis = cnp.zeros((restart + 1, b.shape[0]), b.dtype).at[0].set(r / cnp.where(size == 0, 1, size))

    def arnoldi(k: Any, state: Any) -> Any:
        basis, h = state
        w = m(a(basis[k]))
        before = cnp.sqrt(_norm2(w))
        coefficients = cnp.zeros(restart + 1, b.dtype)
        for _ in range(2):  # once is not enough to make it orthogonal
            overlap = cnp.matmul(cnp.conj(basis), w, precision=lax.Precision.HIGHEST)
            w = w - cnp.matmul(overlap, basis, precision=lax.Precision.HIGHEST)
            coefficients = coefficients + overlap
        after = cnp.sqrt(_norm2(w))
        # The space is exhausted where nothing but rounding is left.
        after = cnp.where(after <= 10 * tiny * before, 0, after)
        basis = basis.at[k + 1].set(cnp.where(after == 0, 0, w / cnp.where(after == 0, 1, after)))
        return basis, h.at[:, k].set(coefficients.at[k + 1].set(after.astype(b.dtype)))

    h = cnp.zeros((restart + 1, restart), b.dtype)
    basis, h = lax.fori_loop(0, restart, arnoldi, (basis, h))
    target = cnp.zeros(restart + 1, b.dtype).at[0].set(size.astype(b.dtype))
    y = cnp.linalg.lstsq(h, target)[0]
    return x + cnp.matmul(y, basis[:-1], precision=lax.Precision.HIGHEST)


def cg(
    A: Any, b: Any, x0: Any = None, *, tol: Any = 1e-5, atol: Any = 0.0, maxiter: Any = None, M: Any = None
) -> tuple[Any, None]:
    """Solve A x = b for a hermitian positive A by conjugate gradients.

    Args:
      A: a function of pytrees like b, linear, or a matrix. b: a pytree of arrays. x0: a first guess; default: 0.
      tol, atol: done when the residual's norm is at most the greater of tol times that of b, and atol.
      maxiter: how many steps at most; default: ten for each element of b.
      M: an approximate inverse of A, as A.

    Returns:
      ``(x, None)``.

    Raises:
      ValueError: x0 unlike b; a matrix that is not square.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.sparse.linalg import cg
    >>> cg(lambda x: 2 * x, cnp.array([2.0, 4.0]))[0]
    Array([1., 2.], dtype=float32)
    """
    return _solve("cg", _cg, A, b, x0, M, tol, atol, maxiter)  # type: ignore[no-any-return]


def bicgstab(
    A: Any, b: Any, x0: Any = None, *, tol: Any = 1e-5, atol: Any = 0.0, maxiter: Any = None, M: Any = None
) -> tuple[Any, None]:
    """Solve A x = b by stabilised biconjugate gradients (H. van der Vorst, 1992); arguments as for ``cg``.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.sparse.linalg import bicgstab
    >>> bicgstab(cnp.array([[2.0, 1.0], [0.0, 4.0]]), cnp.array([4.0, 8.0]))[0].round(3)
    Array([1., 2.], dtype=float32)
    """
    return _solve("bicgstab", _bicgstab, A, b, x0, M, tol, atol, maxiter)  # type: ignore[no-any-return]


def gmres(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    tol: Any = 1e-5,
    atol: Any = 0.0,
    restart: int = 20,
    maxiter: Any = None,
    M: Any = None,
    solve_method: str = "batched",
) -> tuple[Any, None]:
    """Solve A x = b by generalised minimal residuals; arguments as for ``cg``.

    Args:
      restart: the dimension of the spaces; larger ones take fewer steps, more memory.
      maxiter: how many spaces at most.
      solve_method: 'batched' or 'incremental'; accepted, and without influence on results.

    Raises:
      ValueError: another solve_method.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.sparse.linalg import gmres
    >>> gmres(cnp.array([[2.0, 1.0], [0.0, 4.0]]), cnp.array([4.0, 8.0]))[0].round(3)
    Array([1., 2.], dtype=float32)
    """
    if solve_method not in ("batched", "incremental"):
        raise ValueError(f"gmres: solve_method must be 'batched' or 'incremental', got {solve_method!r}")

    def method(a: Map, m: Map, b: Any, x: Any, bound: Any, maxiter: Any) -> Any:
        size = max(1, min(restart, b.shape[0]))

        def unfinished(state: Any) -> Any:
            return (state[2] > bound) & (state[0] < maxiter)

        def cycle(state: Any) -> Any:
            x = _gmres_cycle(a, m, b, state[1], size)
            return state[0] + 1, x, _norm2(b - a(x))

        return lax.while_loop(unfinished, cycle, (0, x, _norm2(b - a(x))))[1]

    return _solve("gmres", method, A, b, x0, M, tol, atol, maxiter)  # type: ignore[no-any-return]


_tracebacks.guard(globals())
