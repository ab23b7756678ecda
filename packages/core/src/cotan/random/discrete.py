"""Counts: Poisson, binomial, multinomial and geometric numbers. Not differentiable in their parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.api import jit
from cotan.numpy.promotion import promote_dtypes_inexact
from cotan.random.arguments import Shape, common_shape, extents, float_dtype
from cotan.random.keys import check_one_key, split
from cotan.random.sampling import uniform

_FLOAT32 = np.dtype(np.float32)


def _accepting(
    key: Any, first: Any, most: Any, candidate: Callable[[Any, Any], tuple[Any, Any]], shape: tuple[int, ...]
) -> Any:
    """For every element the last accepted candidate; ``candidate(u, v)`` says one and whether it is accepted."""

    def again(state: Any) -> Any:
        n, value, done, key = state
        key, for_u, for_v = split(key, 3)
        found, accepted = candidate(uniform(for_u, shape, first.dtype), uniform(for_v, shape, first.dtype))
        return n + 1, cnp.where(accepted, found, value), done | accepted, key

    start = (0, first, cnp.zeros(shape, np.bool_), key)
    return lax.while_loop(lambda state: cnp.any(~state[2]) & (state[0] < most), again, start)[1]


# ---- Poisson


def _poisson_by_products(key: Any, lam: Any, most: int) -> Any:
    """How many uniform numbers have a product above exp(-lam) (D. Knuth); good for small rates."""

    def again(state: Any) -> Any:
        n, count, key, log_product = state
        key, sub = split(key)
        count = cnp.where(log_product > -lam, count + 1, count)
        return n + 1, count, key, log_product + cnp.log(uniform(sub, lam.shape, lam.dtype))

    start = (0, cnp.zeros_like(lam), key, cnp.zeros_like(lam))
    done = lax.while_loop(lambda state: cnp.any(state[3] > -lam) & (state[0] < most), again, start)
    return done[1] - 1


def _poisson_by_rejection(key: Any, lam: Any, most: int) -> Any:
    """Transformed rejection (W. Hormann, "The transformed rejection method for Poisson random variables", 1993)."""
    log_lam = cnp.log(lam)
    b = 0.931 + 2.53 * cnp.sqrt(lam)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)

    def candidate(u: Any, v: Any) -> tuple[Any, Any]:
        u = u - 0.5
        edge = 0.5 - cnp.abs(u)
        k = cnp.floor((2 * a / edge + b) * u + lam + 0.43)
        at_once = (edge >= 0.07) & (v <= v_r)
        never = (k < 0) | ((edge < 0.013) & (v > edge))
        left = cnp.log(v * inverse_alpha / (a / (edge * edge) + b))
        return k, at_once | (~never & (left <= -lam + k * log_lam - lax.lgamma(k + 1)))

    return _accepting(key, cnp.full_like(lam, -1), most, candidate, lam.shape)


@functools.partial(jit, static_argnums=2)
def _poisson(key: Any, lam: Any, dtype: Any) -> Any:
    most = int(np.iinfo(np.int32).max)
    small = cnp.isnan(lam) | (lam < 10)
    by_products = _poisson_by_products(key, cnp.where(small, lam, 0), most)
    by_rejection = _poisson_by_rejection(key, cnp.where(small, 1e5, lam), most)
    return cnp.where(lam == 0, 0, cnp.where(small, by_products, by_rejection)).astype(dtype)


def poisson(key: Any, lam: Any, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Poisson of rate ``lam``.

    Args:
      lam: not negative; any shape that broadcasts to ``shape`` (default: that of ``lam``).
      dtype: of the result, an integer or floating dtype; default: the default integer.
      out_sharding: accepted, and without meaning on one device.

    >>> import cotan
    >>> cotan.random.poisson(cotan.random.key(0), 4.0, (3,)).dtype
    dtype('int32')
    """
    check_one_key(key, "poisson")
    dtype = np.dtype(dtypes.default_int() if dtype is None else dtypes.check_user_dtype(dtype, "poisson"))
    shape = common_shape(shape, "poisson", lam)
    return _poisson(key, cnp.broadcast_to(cnp.asarray(lam, _FLOAT32), shape), dtype)


# ---- binomial

# log(k!) less Stirling's formula, for k up to 9.
_TAIL = (
    0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
    0.0138761288230707, 0.0118967099458917, 0.010411265261972, 0.00925546218271273, 0.00833056343336287,
)  # fmt: skip


def _stirling_tail(k: Any) -> Any:
    square = cnp.square(cnp.clip(k, 0, None) + 1)
    series = (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / cnp.sqrt(square)
    table = cnp.asarray(np.array(_TAIL), k.dtype)
    return cnp.where(k <= 9, table[cnp.clip(cnp.floor(k), 0, 9).astype(np.int32)], series)


def _binomial_by_waiting(key: Any, n: Any, p: Any, most: Any) -> Any:
    """How many geometric waiting times fit into n trials; good for small means."""
    log_miss = cnp.log1p(-p)

    def again(state: Any) -> Any:
        step, count, waited, key = state
        sub, key = split(key)
        count = cnp.where(waited <= n, count + 1, count)
        return step + 1, count, waited + cnp.ceil(cnp.log(uniform(sub, p.shape, p.dtype)) / log_miss), key

    start = (0, cnp.zeros_like(p), cnp.zeros_like(p), key)
    return lax.while_loop(lambda state: cnp.any(state[2] <= n) & (state[0] < most), again, start)[1] - 1


def _binomial_by_rejection(key: Any, n: Any, p: Any, most: Any) -> Any:
    """Transformed rejection (W. Hormann, "The generation of binomial random variates", 1993)."""
    deviation = cnp.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    centre = n * p + 0.5
    v_r = 0.92 - 4.2 / b
    odds = p / (1 - p)
    alpha = (2.83 + 5.1 / b) * deviation
    mode = cnp.floor((n + 1) * p)
    above = (mode + 0.5) * cnp.log((mode + 1) / (odds * (n - mode + 1))) + _stirling_tail(mode)

    def candidate(u: Any, v: Any) -> tuple[Any, Any]:
        u = u - 0.5
        edge = 0.5 - cnp.abs(u)
        k = cnp.floor((2 * a / edge + b) * u + centre)
        at_once = (edge >= 0.07) & (v <= v_r)
        left = cnp.log(v * alpha / (a / (edge * edge) + b))
        right = (
            above
            + (n + 1) * cnp.log((n - mode + 1) / (n - k + 1))
            + (k + 0.5) * cnp.log(odds * (n - k + 1) / (k + 1))
            + (_stirling_tail(n - mode) - _stirling_tail(k) - _stirling_tail(n - k))
        )
        return k, at_once | ((k >= 0) & (k <= n) & (left <= right))

    return _accepting(key, cnp.full_like(p, -1), most, candidate, p.shape)


@functools.partial(jit, static_argnums=3)
def _binomial(key: Any, n: Any, p: Any, dtype: Any) -> Any:
    most = int(np.iinfo(np.int32).max)
    low = p < 0.5
    q = cnp.where(low, p, 1 - p)
    bad_n, bad_q = cnp.isnan(n) | (n < 0), cnp.isnan(q) | (q < 0)
    q = cnp.where(bad_q, 0.01, q)
    small = bad_n | (n * q <= 10)
    whole = cnp.floor(n)
    waiting = _binomial_by_waiting(key, cnp.where(small, whole, 0), q, most)
    rejection = _binomial_by_rejection(key, cnp.where(small, 1e4, whole), cnp.where(small, 0.5, q), most)
    drawn = cnp.where(small, waiting, rejection).astype(dtype)
    drawn = cnp.where(low | bad_n | bad_q, drawn, whole.astype(dtype) - drawn)
    drawn = cnp.where(cnp.isinf(n), np.inf, drawn)
    return cnp.where(bad_n | bad_q, np.nan, drawn)


def binomial(key: Any, n: Any, p: Any, shape: Shape | None = None, dtype: Any = None) -> Any:
    """Binomial: how many of ``n`` trials succeed, each with probability ``p``; as a float, NaN for bad parameters.

    >>> import cotan
    >>> bool(cotan.random.binomial(cotan.random.key(0), 10, 0.5) <= 10)
    True
    """
    check_one_key(key, "binomial")
    dtype = float_dtype(dtype, "binomial")
    shape = common_shape(shape, "binomial", n, p)
    (p,) = promote_dtypes_inexact("binomial", p)
    p = cnp.asarray(p)
    return _binomial(key, cnp.broadcast_to(cnp.asarray(n, p.dtype), shape), cnp.broadcast_to(p, shape), dtype)


def multinomial(
    key: Any, n: Any, p: Any, *, shape: Shape | None = None, dtype: Any = None, unroll: int | bool = 1
) -> Any:
    """Multinomial: how ``n`` draws fall into categories of probabilities ``p`` along the last axis.

    Args:
      n: how many draws; broadcasts to the shape without the last axis.
      p: probabilities; they are divided by their sum.
      shape: of the result; default: that of ``p``.
      unroll: how many categories one step of the loop handles.

    >>> import cotan, cotan.numpy as cnp
    >>> float(cotan.random.multinomial(cotan.random.key(0), 8, cnp.array([0.2, 0.3, 0.5])).sum())
    8.0
    """
    dtype = None if dtype is None else dtypes.check_user_dtype(dtype, "multinomial")
    n, p = (cnp.asarray(x) for x in promote_dtypes_inexact("multinomial", n, p))
    if not p.ndim:
        raise ValueError("multinomial: p must be a vector of probabilities, got a scalar; for two parts use binomial")
    shape = p.shape if shape is None else extents(shape, "multinomial")
    n = cnp.broadcast_to(n, shape[:-1])
    p = cnp.moveaxis(cnp.broadcast_to(p, shape), -1, 0)
    rest = lax.cumsum(p, 0, reverse=True)
    ratios = cnp.clip(p / cnp.where(rest == 0, 1, rest), 0, 1)

    def category(left: Any, given: Any) -> Any:
        ratio, key = given
        count = binomial(key, left, ratio, dtype=left.dtype)
        return left - count, count

    _, counts = lax.scan(category, n, (ratios, split(key, ratios.shape[0])), unroll=unroll)
    counts = cnp.moveaxis(counts, 0, -1)
    return counts if dtype is None else counts.astype(dtype)


# ---- geometric


def geometric(key: Any, p: Any, shape: Shape | None = None, dtype: Any = None, *, out_sharding: Any = None) -> Any:
    """Geometric: the number of the first trial that succeeds (1, 2, ...), each with probability ``p``.

    >>> import cotan
    >>> bool(cotan.random.geometric(cotan.random.key(0), 0.3) >= 1)
    True
    """
    dtype = np.dtype(dtypes.default_int() if dtype is None else dtypes.check_user_dtype(dtype, "geometric"))
    if not dtypes.issubdtype(dtype, np.integer):
        raise ValueError(f"geometric: dtype must be an integer dtype, got {dtype}")
    shape = common_shape(shape, "geometric", p)
    (p,) = promote_dtypes_inexact("geometric", p)
    p = cnp.asarray(p)
    u = uniform(key, shape, p.dtype)
    u = cnp.where(u == 0, 1, u)
    return (cnp.floor(cnp.log(u) / cnp.log1p(-p)) + 1).astype(dtype)
