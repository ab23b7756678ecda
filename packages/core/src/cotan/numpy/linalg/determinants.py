"""Determinants, by elimination, with derivatives that hold for singular matrices too."""

from __future__ import annotations

from typing import Any, NamedTuple

from cotan import lax
from cotan.api import custom_jvp
from cotan.api.repeated import repeated
from cotan.numpy import creation, manipulation, reductions, selection, ufuncs
from cotan.numpy.linalg.equations import solve
from cotan.numpy.linalg.operands import matrix


class SlogdetResult(NamedTuple):
    """What ``slogdet`` returns."""

    sign: Any
    logabsdet: Any


def diagonals(x: Any) -> Any:
    """The main diagonals of the last two axes."""
    return manipulation.diagonal(x, 0, -2, -1)


def _parity(pivots: Any) -> Any:
    """1 or -1 for even or odd permutations, in int32."""
    places = creation.arange(pivots.shape[-1], dtype=pivots.dtype)
    odd = reductions.sum((pivots != places).astype(pivots.dtype), axis=-1) % 2
    return 1 - 2 * odd


@repeated(adds_up=True, large=0)
def det(a: Any) -> Any:
    """Determinants of square matrices.

    Raises:
      ValueError: not square matrices.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.det(cnp.array([[1.0, 2.0], [3.0, 4.0]]))
    Array(-2., dtype=float32)
    """
    a = matrix("det", a, square=True)
    if a.shape[-1] == 0:
        return creation.ones(a.shape[:-2], a.dtype)
    if a.shape[-1] == 1:
        return a[..., 0, 0]
    if a.shape[-1] == 2:
        return a[..., 0, 0] * a[..., 1, 1] - a[..., 0, 1] * a[..., 1, 0]
    if a.shape[-1] == 3:
        (x, y, z), (u, v, w) = ([a[..., row, k] for k in range(3)] for row in (1, 2))
        minors = (y * w - z * v, z * u - x * w, x * v - y * u)
        return a[..., 0, 0] * minors[0] + a[..., 0, 1] * minors[1] + a[..., 0, 2] * minors[2]
    return _det(a)


@custom_jvp
def _det(a: Any) -> Any:
    lu, pivots, _ = lax.linalg.lu(a)
    return reductions.prod(diagonals(lu), axis=-1) * _parity(pivots).astype(a.dtype)


@_det.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    out, adjugate_times = _cofactor_solve(a, da)
    return out, reductions.sum(diagonals(adjugate_times), axis=-1)


def _cofactor_solve(a: Any, b: Any) -> tuple[Any, Any]:
    """det(a), and det(a) a**-1 b, which exists where a has lost one rank only: by its last pivot, which is the zero."""
    n = a.shape[-1]
    lu, pivots, permutation = lax.linalg.lu(a)
    rising = reductions.cumprod(diagonals(lu), axis=-1) * _parity(pivots).astype(a.dtype)[..., None]
    out, before_last = rising[..., -1], rising[..., -2]
    y = lax.linalg.triangular_solve(lu, _rows(b, permutation), left_side=True, lower=True, unit_diagonal=True)
    last = creation.arange(n) == n - 1
    weights = selection.where(last, before_last[..., None], out[..., None])
    corner = last[:, None] & last[None, :]
    u = selection.where(corner, creation.ones((), a.dtype), lu)
    x = lax.linalg.triangular_solve(u, y * weights[..., None], left_side=True)
    return out, x


def _rows(x: Any, permutation: Any) -> Any:
    return selection.take_along_axis(x, permutation[..., None], -2)


@repeated(adds_up=True, large=0)
def slogdet(a: Any, *, method: str | None = None) -> SlogdetResult:
    """Sign and logarithm of the absolute value of determinants, which do not overflow.

    Args:
      a: square matrices [.., n, n].
      method: the factorisation, 'lu' (default) or 'qr'.

    Returns:
      (sign, logabsdet): det(a) = sign * exp(logabsdet); 0 and -inf where a is singular. For complex matrices the sign
      is a complex number of absolute value 1.

    Raises:
      ValueError: not square matrices, or another method.

    >>> import cotan.numpy as cnp
    >>> cnp.linalg.slogdet(cnp.diag(cnp.array([-1.0, 1.0]))).sign
    Array(-1., dtype=float32)
    """
    a = matrix("slogdet", a, square=True)
    if method not in (None, "lu", "qr"):
        raise ValueError(f"slogdet: method must be 'lu' or 'qr', got {method!r}")
    return SlogdetResult(*(_slogdet_qr if method == "qr" else _slogdet_lu)(a))


def _sign_and_log(diagonal: Any, start: Any) -> tuple[Any, Any]:
    sizes = ufuncs.abs(diagonal)
    singular = reductions.any(sizes == 0, axis=-1)
    sign = start * reductions.prod(diagonal / selection.where(sizes == 0, 1, sizes).astype(diagonal.dtype), axis=-1)
    sign = selection.where(singular, creation.zeros((), sign.dtype), sign)
    return sign, reductions.sum(ufuncs.log(sizes), axis=-1)


@custom_jvp
def _slogdet_lu(a: Any) -> tuple[Any, Any]:
    lu, pivots, _ = lax.linalg.lu(a)
    return _sign_and_log(diagonals(lu), _parity(pivots).astype(a.dtype))


@custom_jvp
def _slogdet_qr(a: Any) -> tuple[Any, Any]:
    packed, taus = lax.linalg.geqrf(a)
    # The determinant of 1 - tau v v**H is -tau / conj(tau).
    turns = selection.where(taus == 0, 1, -taus / selection.where(taus == 0, 1, ufuncs.conj(taus)))
    return _sign_and_log(diagonals(packed), reductions.prod(turns.astype(a.dtype), axis=-1))


def _slogdet_dot(function: Any, primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    sign, log = function(a)
    moved = reductions.sum(diagonals(solve(a, da)), axis=-1)
    if not ufuncs.is_complex(a):
        return (sign, log), (creation.zeros_like(sign), moved)
    return (sign, log), (sign * (moved - ufuncs.real(moved).astype(moved.dtype)), ufuncs.real(moved))


@_slogdet_lu.defjvp
def _(primals: Any, tangents: Any) -> Any:
    return _slogdet_dot(_slogdet_lu, primals, tangents)


@_slogdet_qr.defjvp
def _(primals: Any, tangents: Any) -> Any:
    return _slogdet_dot(_slogdet_qr, primals, tangents)
