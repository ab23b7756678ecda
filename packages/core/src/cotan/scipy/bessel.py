"""Bessel functions, spherical harmonics and confluent and Gauss' hypergeometric functions."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.errors import where
from cotan.ir.trace import Tracer
from cotan.numpy.promotion import as_array, promote_args, promote_args_inexact
from cotan.scipy.elementwise import real_function, sign_of_gamma


@real_function
def i0e(x: Any) -> Any:
    """exp(-|x|) times the modified Bessel function of order 0."""
    return lax.bessel_i0e(x)


@real_function
def i1e(x: Any) -> Any:
    """exp(-|x|) times the modified Bessel function of order 1."""
    return lax.bessel_i1e(x)


@real_function
def i0(x: Any) -> Any:
    """The modified Bessel function of order 0.

    >>> from cotan.scipy import special
    >>> bool(abs(special.i0(1.0) - 1.2660659) < 1e-5)
    True
    """
    return cnp.i0(x)


@real_function
def i1(x: Any) -> Any:
    """The modified Bessel function of order 1."""
    # |x| without its kink: the product is smooth.
    return cnp.exp(x * lax.stop_gradient(cnp.sign(x))) * lax.bessel_i1e(x)


def bessel_jn(z: Any, *, v: int, n_iter: int = 50) -> Any:
    """Bessel functions of the first kind, of all orders 0 to v.

    Args:
      z: real numbers; integers become floats.
      v: the highest order.
      n_iter: from which order the recurrence is run downwards; it must exceed |z| by about 20 for full accuracy.

    Returns:
      An array of shape ``(v + 1, *z.shape)``.

    Raises:
      TypeError: v or n_iter is not an integer.
      ValueError: z is complex, or v is negative.

    >>> from cotan.scipy import special
    >>> import numpy as np
    >>> bool(abs(special.bessel_jn(np.float32(1.0), v=1)[1] - 0.44005059) < 1e-6)
    True
    """
    x = as_array(promote_args_inexact("bessel_jn", z)[0], "bessel_jn")
    try:
        v, n_iter = operator.index(v), operator.index(n_iter)
    except TypeError:
        raise TypeError(f"bessel_jn: v and n_iter must be integers, got {v!r} and {n_iter!r}") from None
    if not dtypes.issubdtype(x.dtype, np.floating):
        raise ValueError(f"bessel_jn: z must be real, got {x.dtype}; pass its real part")
    if v < 0:
        raise ValueError(f"bessel_jn: the highest order v must not be negative, got {v}")
    top = max(n_iter, v + 16)
    top += top % 2
    # Ratios J(k) / J(k - 1), downwards, neither overflow nor lose digits.
    ratio, ratios = x * 0, []
    for k in range(top, 0, -1):
        bottom = 2 * k - x * ratio
        ratio = x / cnp.where(cnp.equal(bottom, 0), float(dtypes.finfo(x.dtype).tiny), bottom)
        ratios.append(ratio)
    ratios.reverse()
    # 1 = J(0) + 2 J(2) + 2 J(4) + ..., summed from the last term.
    total = x * 0
    for k in range(top - 2, -1, -2):
        total = ratios[k] * ratios[k + 1] * (1 + total)
    found = [1 / (1 + 2 * total)]
    for k in range(v):
        found.append(found[-1] * ratios[k])
    return cnp.stack(found)


# ---- Spherical harmonics


def sph_harm_y(n: Any, m: Any, theta: Any, phi: Any, diff_n: int | None = None, n_max: int | None = None) -> Any:
    """The spherical harmonics Y of degree n and order m, normalised, with the phase (-1)**m.

    Args:
      n, m: integers, m from -n to n (elsewhere the value is 0).
      theta: the polar angle, 0 to pi.
      phi: the azimuth.
      diff_n: None or 0; for derivatives use ``cotan.jacfwd``.
      n_max: the largest n; None: that of the values, which must then be known.

    Returns:
      A complex array of the common shape.

    Raises:
      ValueError: ``diff_n`` asks for derivatives.
      TypeError: n is not known while tracing, and there is no ``n_max``.

    >>> from cotan.scipy import special
    >>> bool(abs(special.sph_harm_y(0, 0, 0.1, 0.2) - 0.2820948) < 1e-6)
    True
    """
    if diff_n not in (None, 0):
        raise ValueError("sph_harm_y: derivatives (diff_n) are not computed here; use cotan.jacfwd, or cotan.jvp")
    if n_max is None:
        if isinstance(n, Tracer) and n.concrete() is None:
            raise TypeError(f"{where()}: sph_harm_y: n is not known while tracing; give the largest one as n_max")
        n_max = int(np.max(np.asarray(n), initial=0))
    n, m = (as_array(x, "sph_harm_y") for x in promote_args("sph_harm_y", n, m))
    return _harmonics(n, m, theta, phi, n_max)


def _harmonics(n: Any, m: Any, theta: Any, phi: Any, n_max: int) -> Any:
    angle = cnp.multiply(cnp.multiply(theta, 1.0), cnp.ones_like(phi))
    shape = cnp.broadcast_shapes(n.shape, m.shape, cnp.shape(angle))
    angle, turn = (cnp.broadcast_to(as_array(x, "sph_harm_y"), shape) for x in (angle, cnp.multiply(phi, 1.0)))
    degree, order = cnp.broadcast_to(cnp.minimum(n, n_max), shape), cnp.broadcast_to(m, shape)
    size = cnp.abs(order).astype(angle.dtype)
    cosine, sine = cnp.cos(angle), cnp.sin(angle)

    def diagonal(k: Any, value: Any) -> Any:
        k = (k + 1).astype(angle.dtype)
        return cnp.where(k <= size, -value * sine * cnp.sqrt((2 * k + 1) / (2 * k)), value)

    first = lax.fori_loop(0, n_max, diagonal, angle * 0 + math.sqrt(0.25 / math.pi))

    def upwards(k: Any, state: Any) -> Any:
        now, before, found = state
        level = (k + 1).astype(angle.dtype)
        above = level > size
        gap = cnp.where(above, level * level - size * size, 1)
        squares = cnp.where(above, (level - 1) ** 2 - size * size, 0)
        factor = cnp.sqrt((4 * level * level - 1) / gap)
        back = cnp.sqrt(cnp.maximum(squares, 0) / cnp.maximum(4 * (level - 1) ** 2 - 1, 1))
        following = factor * (cosine * now - back * before)
        now, before = cnp.where(above, following, now), cnp.where(above, now, before)
        return now, before, cnp.where(cnp.equal(degree, k + 1) & above, now, found)

    start = (first, first * 0, cnp.where(cnp.equal(degree, cnp.abs(order)), first, 0))
    value = lax.fori_loop(0, n_max, upwards, start)[2]
    odd = cnp.equal(cnp.remainder(order, 2), 1) & (order < 0)
    value = cnp.where(odd, -value, value)
    phase = order.astype(angle.dtype) * turn
    return lax.complex(value * cnp.cos(phase), value * cnp.sin(phase))


# ---- Hypergeometric functions

_TERMS_1F1, _FAR_1F1 = 300, 80.0
_TERMS_2F1 = 360


def _kummer(a: Any, b: Any, x: Any) -> Any:
    def step(k: Any, state: Any) -> Any:
        total, term = state
        k = k.astype(x.dtype)
        term = term * (a + k) / (b + k) * x / (k + 1)
        return total + term, term

    one = x * 0 + 1
    return lax.fori_loop(0, _TERMS_1F1, step, (one, one))[0]


def _whole_below(x: Any) -> Any:
    return (x <= 0) & cnp.equal(x, cnp.floor(x))


def _far_kummer(a: Any, b: Any, x: Any, decay: Any) -> Any:
    """exp(-decay) times the function for large positive x (DLMF 13.7.1), without the exponentially smaller part."""
    total = term = x * 0 + 1
    for s in range(30):
        term = term * (b - a + s) * (1 - a + s) / ((s + 1) * x)
        total = total + term
    size = cnp.exp(lax.lgamma(b) - lax.lgamma(a) + (x - decay) + (a - b) * cnp.log(x))
    return sign_of_gamma(a) * sign_of_gamma(b) * size * total


@real_function
def hyp1f1(a: Any, b: Any, x: Any) -> Any:
    """Kummer's confluent hypergeometric function 1F1(a; b; x).

    Accurate for |a|, |b| up to about 10; near zeros of the function relative accuracy is lost.

    >>> from cotan.scipy import special
    >>> bool(abs(special.hyp1f1(1.0, 1.0, 0.5) - 1.6487212) < 1e-5)
    True
    """
    # Where the series ends it needs no transformation, else it is summed for positive x.
    turned = (x < 0) & ~_whole_below(a)
    first, y = cnp.where(turned, b - a, a), cnp.where(turned, -x, x)
    far = (y > _FAR_1F1) & ~_whole_below(first)
    pole = _whole_below(b)
    b_in = cnp.where(pole, 1, b)
    value = _kummer(cnp.where(far, 1, first), b_in, cnp.where(far, 1, y)) * cnp.exp(cnp.where(turned & ~far, x, 0))
    distance = cnp.where(far, y, 100)
    distant = _far_kummer(cnp.where(far, first, 1), cnp.where(far, b_in, 1), distance, cnp.where(turned, distance, 0))
    return cnp.where(pole, math.inf, cnp.where(far, distant, value))


@real_function
def hyp2f1(a: Any, b: Any, c: Any, x: Any) -> Any:
    """Gauss' hypergeometric function 2F1(a, b; c; x) for x <= 1; infinite beyond, unless the series ends.

    Accurate to rounding for |a|, |b|, |c| up to about 10 and x up to 0.9; between 0.9 and 1, and below -9, it loses
    digits where c - a - b (a - b) is close to a whole number: about six are left at whole ones.

    >>> from cotan.scipy import special
    >>> bool(abs(special.hyp2f1(1.0, 1.0, 2.0, 0.5) - 1.3862944) < 1e-5)
    True
    """
    ends = _whole_below(a) | _whole_below(b)
    turned = (x < 0) & ~ends
    z = cnp.where(turned, x / (x - 1), x)
    second = cnp.where(turned, c - b, b)
    beyond = (z >= 1) & ~ends
    near = (z > 0.9) & (z < 1) & ~ends & ~_whole_below(second)
    pole = _whole_below(c)
    c_in = cnp.where(pole, 1, c)
    direct = _gauss_series(a, second, c_in, cnp.where(near | beyond, 0, z))
    around = _near_one(*(cnp.where(near, v, w) for v, w in ((a, 0.3), (second, 0.4), (c_in, 1.3), (z, 0.95))))
    value = cnp.where(near, around, direct)
    value = cnp.where(turned, cnp.power(1 - cnp.where(turned, x, 0), -a) * value, value)
    gap = c_in - a - b
    one = cnp.equal(x, 1) & (gap > 0)
    p, q, r = (cnp.where(one, v, w) for v, w in ((a, 0.3), (b, 0.4), (c_in, 1.3)))
    at_one = _ratio((r, r - p - q), (r - p, r - q))
    value = cnp.where(one & ~ends, at_one, cnp.where(beyond, math.inf, value))
    return cnp.where(pole, math.inf, value)


def _gauss_series(a: Any, b: Any, c: Any, x: Any) -> Any:
    def step(k: Any, state: Any) -> Any:
        total, term = state
        k = k.astype(x.dtype)
        term = term * (a + k) * (b + k) / (c + k) * x / (k + 1)
        return total + term, term

    one = x * 0 + 1
    return lax.fori_loop(0, _TERMS_2F1, step, (one, one))[0]


def _ratio(above: Any, below: Any) -> Any:
    """Products of gammas over products of gammas; 0 where one below is infinite."""
    infinite = _whole_below(below[0]) | _whole_below(below[1])
    below = [cnp.where(infinite, 1, v) for v in below]
    size = cnp.exp(sum(lax.lgamma(v) for v in above) - sum(lax.lgamma(v) for v in below))
    sign = math.prod((sign_of_gamma(v) for v in (*above, *below)), start=1)
    return cnp.where(infinite, 0, sign * size)


def _near_one(a: Any, b: Any, c: Any, x: Any) -> Any:
    """By functions of 1 - x (DLMF 15.8.4); where c - a - b is a whole number, the mean of its neighbours."""
    gap = c - a - b
    close = cnp.abs(gap - cnp.round(gap)) < (3e-6 if x.dtype == np.float64 else 3e-3)
    step = cnp.where(close, 1e-5 if x.dtype == np.float64 else 1e-2, 0)

    def at(c: Any) -> Any:
        gap = c - a - b
        y = 1 - x
        first = _ratio((c, gap), (c - a, c - b)) * _gauss_series(a, b, 1 - gap, y)
        last = _ratio((c, -gap), (a, b)) * cnp.power(y, gap) * _gauss_series(c - a, c - b, 1 + gap, y)
        return first + last

    return 0.5 * (at(c + step) + at(c - step))
