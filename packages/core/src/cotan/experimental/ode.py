"""Ordinary differential equations: y' = f(y, t), by Dormand and Prince's method of order 5 with steps of adapted size.

(J. Dormand and P. Prince, "A family of embedded Runge-Kutta formulae", 1980; E. Hairer et al., "Solving ordinary
differential equations I", II.4, for the first step.) Reverse derivatives solve the adjoint equation backwards in time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import lax
from cotan import numpy as cnp
from cotan import tracebacks as _tracebacks
from cotan.api import closure_convert, custom_vjp, vjp, vmap
from cotan.dtypes import float0
from cotan.flatten_util import ravel_pytree
from cotan.ir.avals import is_array_like
from cotan.numpy.promotion import as_array, promote_dtypes_inexact
from cotan.tree import tree_leaves, tree_map

Function = Callable[..., Any]
_FLOAT0 = float0
_TIMES = np.array([0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0])
_STAGES = np.array([
    [0, 0, 0, 0, 0, 0, 0],
    [1 / 5, 0, 0, 0, 0, 0, 0],
    [3 / 40, 9 / 40, 0, 0, 0, 0, 0],
    [44 / 45, -56 / 15, 32 / 9, 0, 0, 0, 0],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0, 0],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0, 0],
    [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0],
])  # fmt: skip
_FOURTH = np.array([1951 / 21600, 0, 22642 / 50085, 451 / 720, -12231 / 42400, 649 / 6300, 1 / 60])
_MIDDLE = 0.5 * np.array([
    6025192743 / 30085553152, 0, 51252292925 / 65400821598, -2691868925 / 45128329728,
    187940372067 / 1594534317056, -1776094331 / 19743644256, 11237099 / 235043384,
])  # fmt: skip


def abs2(x: Any) -> Any:
    """The square of the absolute value."""
    x = as_array(x, "abs2")
    return cnp.square(x.real) + cnp.square(x.imag) if cnp.iscomplexobj(x) else cnp.square(x)


def ravel_first_arg(f: Function, unravel: Function, debug_info: Any = None) -> Function:
    """``f`` of a pytree, as a function of its vector; see ``flatten_util.ravel_pytree``."""
    return lambda y, *args: ravel_pytree(f(unravel(y), *args))[0]


def fit_4th_order_polynomial(y0: Any, y1: Any, y_mid: Any, dy0: Any, dy1: Any, dt: Any) -> tuple[Any, ...]:
    """Coefficients, highest first, in the share of the step, from both ends, their slopes and the middle."""
    dt = cnp.asarray(dt, y0.dtype)
    rise0, rise1 = dt * dy0, dt * dy1
    return (
        2 * (rise1 - rise0) - 8 * (y0 + y1) + 16 * y_mid,
        5 * rise0 - 3 * rise1 + 18 * y0 + 14 * y1 - 32 * y_mid,
        rise1 - 4 * rise0 - 11 * y0 - 5 * y1 + 16 * y_mid,
        rise0,
        y0,
    )


def interp_fit_dopri(y0: Any, y1: Any, k: Any, dt: Any) -> Any:
    """The polynomial through a step of ``runge_kutta_step``: coefficients ``(5, n)``."""
    y_mid = y0 + cnp.asarray(dt, y0.dtype) * cnp.dot(cnp.asarray(_MIDDLE, y0.dtype), k)
    return cnp.stack(fit_4th_order_polynomial(y0, y1, y_mid, k[0], k[-1], dt))


def initial_step_size(fun: Function, t0: Any, y0: Any, order: int, rtol: Any, atol: Any, f0: Any) -> Any:
    """A first step: one that moves little, and whose error is about the tolerance."""
    y0, f0 = promote_dtypes_inexact("initial_step_size", y0, f0)
    scale = atol + cnp.abs(y0) * rtol

    def size(x: Any) -> Any:
        return cnp.sqrt(cnp.sum(abs2(x / scale.astype(y0.dtype))))

    d0, d1 = size(y0), size(f0)
    tiny = (d0 < 1e-5) | (d1 < 1e-5)
    h0 = cnp.where(tiny, 1e-6, 0.01 * d0 / cnp.where(tiny, 1, d1))
    f1 = fun(y0 + h0.astype(y0.dtype) * f0, t0 + h0)
    d2 = size(f1 - f0) / h0
    largest = cnp.maximum(d1, d2)
    still = largest <= 1e-15
    h1 = (0.01 / cnp.where(still, 1, largest)) ** (1.0 / (order + 1.0))
    return cnp.minimum(100.0 * h0, cnp.where(still, cnp.maximum(1e-6, h0 * 1e-3), h1))


def runge_kutta_step(func: Function, y0: Any, f0: Any, t0: Any, dt: Any) -> tuple[Any, Any, Any, Any]:
    """One step from ``y0``, where the slope is ``f0``.

    Returns:
      The next y and its slope, an estimate of the error, and the slopes of all stages ``(7, n)``.
    """
    stages, times = cnp.asarray(_STAGES, f0.dtype), cnp.asarray(_TIMES, dt.dtype)
    step = dt.astype(f0.dtype)

    def stage(i: Any, k: Any) -> Any:
        return k.at[i].set(func(y0 + step * cnp.dot(stages[i], k), t0 + dt * times[i]))

    k = lax.fori_loop(1, 7, stage, cnp.zeros((7, f0.shape[0]), f0.dtype).at[0].set(f0))
    fifth = _STAGES[6]
    y1 = y0 + step * cnp.dot(cnp.asarray(fifth, f0.dtype), k)
    return y1, k[-1], step * cnp.dot(cnp.asarray(fifth - _FOURTH, f0.dtype), k), k


def mean_error_ratio(error_estimate: Any, rtol: Any, atol: Any, y0: Any, y1: Any) -> Any:
    """The root of the mean square of the errors, in units of what is tolerated."""
    tolerated = atol + rtol * cnp.maximum(cnp.abs(y0), cnp.abs(y1))
    return cnp.sqrt(cnp.mean(abs2(error_estimate / tolerated.astype(error_estimate.dtype))))


def optimal_step_size(
    last_step: Any,
    mean_error_ratio: Any,
    safety: float = 0.9,
    ifactor: float = 10.0,
    dfactor: float = 0.2,
    order: float = 5.0,
) -> Any:
    """The next step: from the error of the last one, at most ``ifactor`` times, at least ``dfactor`` times as long."""
    exact = mean_error_ratio == 0
    least = cnp.where(mean_error_ratio < 1, 1.0, dfactor)
    wanted = safety * cnp.where(exact, 1, mean_error_ratio) ** (-1.0 / order)
    return last_step * cnp.where(exact, ifactor, cnp.minimum(ifactor, cnp.maximum(wanted, least)))


def odeint(
    func: Function,
    y0: Any,
    t: Any,
    *args: Any,
    rtol: float = 1.4e-8,
    atol: float = 1.4e-8,
    mxstep: Any = np.inf,
    hmax: Any = np.inf,
) -> Any:
    """The solution of y' = func(y, t, *args) from y(t[0]) = y0, at the times ``t``.

    It has reverse derivatives of every order by y0, t, args and what ``func`` closes over.

    Args:
      func: ``(y, t, *args) -> dy/dt``, a pytree like y.
      y0: a pytree of arrays. t: increasing times, a vector of floats. args: pytrees of arrays.
      rtol, atol: the error tolerated for one step, relative and absolute.
      mxstep: how many steps there may be between two times.
      hmax: the longest step.

    Returns:
      A pytree like y0 whose arrays have a new first axis, of times. It is NaN where no step could be taken: the slope
      was NaN, or the time before t[0].

    Raises:
      TypeError: t is no vector of floats; something in args is no array.

    >>> import cotan.numpy as cnp
    >>> from cotan.experimental.ode import odeint
    >>> ys = odeint(lambda y, t: -y, 1.0, cnp.array([0.0, 1.0]), rtol=1e-6, atol=1e-6)
    >>> bool(abs(ys[1] - cnp.exp(-1.0)) < 1e-4)
    True
    """
    t = as_array(t, "odeint")
    if t.ndim != 1 or not cnp.issubdtype(t.dtype, np.floating):
        raise TypeError(f"odeint: t must be a vector of floats, got {t.dtype} of shape {t.shape}")
    for leaf in tree_leaves(args):
        if not is_array_like(leaf):
            raise TypeError(f"odeint: args must be arrays or scalars, got {type(leaf).__name__}")
    y0 = tree_map(lambda x: promote_dtypes_inexact("odeint", as_array(x, "odeint"))[0], y0)
    args = tree_map(lambda x: as_array(x, "odeint"), args)
    closed, consts = closure_convert(func, y0, t[0], *args)
    flat, unravel = ravel_pytree(y0)
    solution = _solve(ravel_first_arg(closed, unravel), (rtol, atol, mxstep, hmax), flat, t, (*args, *consts))
    return vmap(unravel)(solution)


def _solve(func: Function, limits: tuple[Any, ...], y0: Any, ts: Any, args: tuple[Any, ...]) -> Any:
    """The solution for a vector y, ``(times, n)``, with the adjoint's derivatives."""

    @custom_vjp
    def solved(y0: Any, ts: Any, args: Any) -> Any:
        return _integrate(func, limits, y0, ts, args)

    def forward(y0: Any, ts: Any, args: Any) -> Any:
        # By the function that has the rule, so that derivatives of derivatives find it as well.
        return (ys := solved(y0, ts, args)), (ys, ts, args)

    def backward(kept: Any, cts: Any) -> Any:
        return _adjoint(func, limits, *kept, cts)

    solved.defvjp(forward, backward)
    return solved(y0, ts, args)


def _integrate(func: Function, limits: tuple[Any, ...], y0: Any, ts: Any, args: tuple[Any, ...]) -> Any:
    rtol, atol, most, longest = limits

    def slope(y: Any, t: Any) -> Any:
        return func(y, t, *args).astype(y.dtype)

    def step(state: Any) -> Any:
        n, y, f, t, dt, _, _ = state
        next_y, next_f, error, k = runge_kutta_step(slope, y, f, t, dt)
        ratio = mean_error_ratio(error, rtol, atol, y, next_y)
        longer = cnp.clip(optimal_step_size(dt, ratio), 0.0, longest).astype(dt.dtype)
        accepted = (n + 1, next_y, next_f, t + dt, longer, t, interp_fit_dopri(y, next_y, k, dt))
        rejected = (n + 1, y, f, t, longer, *state[5:])
        return tuple(cnp.where(ratio <= 1, a, b) for a, b in zip(accepted, rejected, strict=True))

    def until(carry: Any, target: Any) -> Any:
        def unfinished(state: Any) -> Any:
            n, _, _, t, dt, _, _ = state
            return (t < target) & (n < most) & (dt > 0)

        _, *carry = lax.while_loop(unfinished, step, (0, *carry))
        _, _, t, _, before, polynomial = carry
        # Where no step was taken, the solution is known at that time alone.
        share = cnp.where(t == before, cnp.where(target == t, 0, np.nan), target - before)
        share = share / cnp.where(t == before, 1, t - before)
        return tuple(carry), cnp.polyval(polynomial, share.astype(y0.dtype))

    f0 = slope(y0, ts[0])
    dt = cnp.clip(initial_step_size(slope, ts[0], y0, 4, rtol, atol, f0), 0.0, longest).astype(ts.dtype)
    start = cnp.concatenate([cnp.zeros((4, *y0.shape), y0.dtype), y0[None]])
    _, ys = lax.scan(until, (y0, f0, ts[0], dt, ts[0], start), ts[1:])
    return cnp.concatenate([y0[None], ys])


def _adjoint(func: Function, limits: tuple[Any, ...], ys: Any, ts: Any, args: tuple[Any, ...], cts: Any) -> Any:
    """Cotangents of (y0, ts, args): one backward solution of state, adjoint and sums between each two times."""

    def backwards(state: Any, minus_t: Any, *args: Any) -> Any:
        y, y_bar, _ = state
        value, pull = vjp(lambda y, args: func(y, -minus_t, *args), y, args)
        y_slope, arg_slopes = pull(y_bar.astype(value.dtype))
        return -value, y_slope, _floats(arg_slopes)

    def between(carry: Any, i: Any) -> Any:
        y_bar, sums = carry
        at = func(ys[i], ts[i], *args)
        t_bar = cnp.sum(at * cts[i]).astype(ts.dtype)
        span = cnp.stack([-ts[i], -ts[i - 1]])
        rtol, atol, most, longest = limits
        _, y_bar, sums = tree_map(
            lambda x: x[1],
            odeint(backwards, (ys[i], y_bar, sums), span, *args, rtol=rtol, atol=atol, mxstep=most, hmax=longest),
        )
        return (y_bar + cts[i - 1], sums), t_bar

    zeros = tree_map(cnp.zeros_like, _floats(args))
    (y_bar, sums), t_bars = lax.scan(between, (cts[-1], zeros), cnp.arange(len(ts) - 1, 0, -1))
    # The solution does not move if all times do: the first one's slope is that of the solution from there on.
    first = -cnp.sum(func(ys[0], ts[0], *args) * (y_bar - cts[0])).astype(ts.dtype)
    t_bar = cnp.concatenate([first[None], t_bars[::-1]])
    found = iter(tree_leaves(sums))
    arg_bars = tree_map(lambda x: next(found) if _is_float(x) else np.zeros(x.shape, _FLOAT0), args)
    return y_bar, t_bar, arg_bars


def _is_float(x: Any) -> bool:
    return bool(cnp.issubdtype(x.dtype, np.inexact))


def _floats(tree: Any) -> list[Any]:
    """The leaves that have derivatives."""
    return [x for x in tree_leaves(tree) if hasattr(x, "dtype") and x.dtype != _FLOAT0 and _is_float(x)]


_tracebacks.guard(globals())
