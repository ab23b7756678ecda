"""cotan.scipy.special: special functions, elementwise, for floats (integers become floats)."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import dtypes, lax, tracebacks
from cotan import numpy as cnp
from cotan.api.custom_jvp import custom_jvp as _custom_jvp
from cotan.api.repeated import repeated as _repeated
from cotan.nn import functions as _functions
from cotan.nn.functions import logsumexp as logsumexp
from cotan.numpy.promotion import as_array, promote_args_inexact
from cotan.runtime import nans
from cotan.scipy.bessel import bessel_jn as bessel_jn
from cotan.scipy.bessel import hyp1f1 as hyp1f1
from cotan.scipy.bessel import hyp2f1 as hyp2f1
from cotan.scipy.bessel import i0 as i0
from cotan.scipy.bessel import i0e as i0e
from cotan.scipy.bessel import i1 as i1
from cotan.scipy.bessel import i1e as i1e
from cotan.scipy.bessel import sph_harm_y as sph_harm_y
from cotan.scipy.elementwise import real_function as _real_function
from cotan.scipy.elementwise import zero_with_slope as _zero_with_slope
from cotan.scipy.gammas import bernoulli as bernoulli
from cotan.scipy.gammas import beta as beta
from cotan.scipy.gammas import betainc as betainc
from cotan.scipy.gammas import betaln as betaln
from cotan.scipy.gammas import boxcox as boxcox
from cotan.scipy.gammas import boxcox1p as boxcox1p
from cotan.scipy.gammas import comb as comb
from cotan.scipy.gammas import factorial as factorial
from cotan.scipy.gammas import gammainc as gammainc
from cotan.scipy.gammas import gammaincc as gammaincc
from cotan.scipy.gammas import gammasgn as gammasgn
from cotan.scipy.gammas import loggamma as loggamma
from cotan.scipy.gammas import poch as poch
from cotan.scipy.gammas import polygamma as polygamma
from cotan.scipy.gammas import zeta as zeta
from cotan.scipy.integrals import dawsn as dawsn
from cotan.scipy.integrals import erfcx as erfcx
from cotan.scipy.integrals import exp1 as exp1
from cotan.scipy.integrals import expi as expi
from cotan.scipy.integrals import expn as expn
from cotan.scipy.integrals import fresnel as fresnel
from cotan.scipy.integrals import owens_t as owens_t
from cotan.scipy.integrals import sici as sici
from cotan.scipy.integrals import spence as spence
from cotan.scipy.integrals import wofz as wofz


def erf(x: Any) -> Any:
    """The error function."""
    return lax.erf(promote_args_inexact("erf", x)[0])


def erfc(x: Any) -> Any:
    """1 - erf(x), accurate for large x."""
    return lax.erfc(promote_args_inexact("erfc", x)[0])


def erfinv(x: Any) -> Any:
    """The inverse of the error function (M. Giles, "Approximating the erfinv function", 2010)."""
    return lax.erf_inv(promote_args_inexact("erfinv", x)[0])


def gammaln(x: Any) -> Any:
    """log |gamma(x)|."""
    return lax.lgamma(promote_args_inexact("gammaln", x)[0])


def digamma(x: Any) -> Any:
    """The derivative of log gamma."""
    return lax.digamma(promote_args_inexact("digamma", x)[0])


psi = digamma


def gamma(x: Any) -> Any:
    """The gamma function.

    >>> from cotan.scipy import special
    >>> bool(abs(special.gamma(5.0) - 24) < 1e-4)
    True
    """
    (x,) = promote_args_inexact("gamma", x)
    if dtypes.issubdtype(as_array(x, "gamma").dtype, np.complexfloating):
        return cnp.exp(loggamma(x))
    floor = cnp.floor(x)
    # Poles, and minus infinity. By a factor, so that slopes there are NaN in both modes.
    x = x * cnp.where(cnp.logical_and(x < 0, x == floor), math.nan, 1)
    odd = cnp.remainder(floor, 2) != 0
    negative = cnp.where(x == 0, cnp.signbit(x), cnp.logical_and(x < 0, odd))
    return cnp.where(negative, -1, 1) * cnp.exp(lax.lgamma(x))


def expit(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return lax.logistic(promote_args_inexact("expit", x)[0])


def logit(x: Any) -> Any:
    """log(x / (1 - x))."""
    return _logit(promote_args_inexact("logit", x)[0])


@_custom_jvp
def _logit(x: Any) -> Any:
    return cnp.log(x / (1 - x))


# By itself, the slopes at 0 and 1 would be infinity times 0.
_logit.defjvp(lambda primals, tangents: (_logit(*primals), tangents[0] / (primals[0] * (1 - primals[0]))))


def softmax(x: Any, /, *, axis: int | tuple[int, ...] | None = None) -> Any:
    """exp(x) / sum(exp(x)) along ``axis``; of all elements if None.

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy import special
    >>> special.softmax(cnp.zeros((2, 2)))
    Array([[0.25, 0.25],
           [0.25, 0.25]], dtype=float32)
    """
    return _functions.softmax(x, axis)


def log_softmax(x: Any, /, *, axis: int | tuple[int, ...] | None = None) -> Any:
    """The logarithm of ``softmax``: x - logsumexp(x) along ``axis``, over all elements if None."""
    return _functions.log_softmax(x, axis)


def _times(x: Any, logarithm: Callable[[Any], Any], y: Any) -> Any:
    """x * logarithm(y), but 0 where x is 0 and the factor is infinite or, though y is no NaN, undefined."""
    factor = lax.stop_gradient(logarithm(lax.stop_gradient(y)))
    limit = cnp.logical_and(cnp.equal(x, 0), cnp.logical_not(cnp.logical_or(cnp.isfinite(factor), cnp.isnan(y))))
    edge = _zero_with_slope(cnp.where(limit, x, 0), cnp.where(limit, factor, 1))
    # Of y at the limit neither value nor slope counts, which is 0: it is infinite before x makes 0 of it.
    return cnp.where(limit, edge, x * logarithm(cnp.where(limit, 1, y)))


def xlogy(x: Any, y: Any) -> Any:
    """x log(y), and 0 where x is 0.

    >>> from cotan.scipy import special
    >>> float(special.xlogy(0.0, 0.0))
    0.0
    """
    x, y = promote_args_inexact("xlogy", x, y)
    return _times(x, cnp.log, y)


def xlog1py(x: Any, y: Any) -> Any:
    """x log1p(y), and 0 where x is 0."""
    x, y = promote_args_inexact("xlog1py", x, y)
    return _times(x, cnp.log1p, y)


@_real_function
def entr(x: Any) -> Any:
    """-x log(x), 0 at 0, -inf below."""
    return cnp.where(x < 0, -math.inf, _entropy(cnp.where(x < 0, 1, x)))


@_custom_jvp
def _entropy(x: Any) -> Any:
    return -_times(x, cnp.log, x)


# By itself, the slope at infinity would hold infinity over infinity.
_entropy.defjvp(lambda primals, tangents: (_entropy(*primals), -(cnp.log(primals[0]) + 1) * tangents[0]))


def ndtr(x: Any) -> Any:
    """The distribution function of the standard normal."""
    (x,) = promote_args_inexact("ndtr", x)
    return 0.5 * lax.erfc(-x * math.sqrt(0.5))


# Coefficients of AS 241's three rational functions, of the highest power first.
_CENTRE = (
    (2509.0809287301227, 33430.575583588128, 67265.7709270087, 45921.95393154987, 13731.69376550946,
     1971.5909503065514, 133.14166789178438, 3.3871328727963665),
    (5226.495278852854, 28729.085735721943, 39307.89580009271, 21213.794301586597, 5394.196021424751,
     687.1870074920579, 42.31333070160091, 1.0),
)  # fmt: skip
_MIDDLE = (
    (7.7454501427834139e-4, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684, 3.6478483247632045,
     5.769497221460691, 4.630337846156546, 1.4234371107496835),
    (1.0507500716444169e-9, 5.475938084995345e-4, 0.015198666563616457, 0.14810397642748008, 0.6897673349851,
     1.6763848301838038, 2.053191626637759, 1.0),
)  # fmt: skip
_FAR = (
    (2.0103343992922881e-7, 2.7115555687434876e-5, 0.0012426609473880784, 0.026532189526576124, 0.29656057182850487,
     1.7848265399172913, 5.463784911164114, 6.657904643501103),
    (2.0442631033899397e-15, 1.4215117583164459e-7, 1.8463183175100547e-5, 7.868691311456133e-4, 0.014875361290850615,
     0.1369298809227358, 0.599832206555888, 1.0),
)  # fmt: skip


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], r: Any) -> Any:
    above, below = (functools.reduce(lambda total, c: total * r + c, rest, first) for first, *rest in coefficients)
    return above / below


@_real_function
def ndtri(p: Any) -> Any:
    """The quantile function of the standard normal (M. Wichura, algorithm AS 241, Applied Statistics 37, 1988).

    >>> from cotan.scipy import special
    >>> float(special.ndtri(0.5))
    0.0
    """
    return _ndtri(p)


@_custom_jvp
def _ndtri(p: Any) -> Any:
    q = p - 0.5
    central = cnp.abs(q) <= 0.425
    centre = q * _ratio(_CENTRE, 0.180625 - cnp.where(central, q * q, 0))
    tail = cnp.where(q < 0, p, 1 - p)
    inside = cnp.logical_and(tail > 0, cnp.logical_not(central))
    r = cnp.sqrt(-cnp.log(cnp.where(inside, tail, 0.01)))
    size = cnp.where(r <= 5, _ratio(_MIDDLE, r - 1.6), _ratio(_FAR, r - 5))
    size = cnp.where(tail == 0, math.inf, cnp.where(tail > 0, size, math.nan))
    return cnp.where(central, centre, cnp.where(q < 0, -size, size))


@_ndtri.defjvp
def _(primals: Any, tangents: Any) -> Any:
    # By the inverse's slope: infinite at 0 and 1, NaN outside of them.
    x = _ndtri(*primals)
    return x, math.sqrt(2 * math.pi) * cnp.exp(0.5 * x * x) * tangents[0]


def log_ndtr(x: Any, series_order: int = 3) -> Any:
    """log(ndtr(x)), to the precision of the dtype everywhere.

    Far in the lower tail an asymptotic series (Abramowitz and Stegun 7.1.23); for positive x what is missing from 1.

    Args:
      series_order: accepted, 0 to 30; the series has as many terms as the dtype needs.

    Raises:
      TypeError: ``series_order`` is no Python int. ValueError: it is out of range.

    >>> from cotan.scipy.special import log_ndtr
    >>> log_ndtr(-40.0)
    Array(-804.60846, dtype=float32, weak_type=True)
    """
    if type(series_order) is not int:
        raise TypeError(f"log_ndtr: series_order must be a Python int, got {series_order!r}")
    if not 0 <= series_order <= 30:
        raise ValueError(f"log_ndtr: series_order must lie in 0..30, got {series_order}; leave it out")
    (x,) = promote_args_inexact("log_ndtr", x)
    # Where ndtr is a normal number yet, and so many terms of the series are enough.
    edge, terms = {2: (-4.5, 3), 4: (-10.0, 6)}.get(np.dtype(x.dtype).itemsize, (-12.0, 15))
    low, high = x < edge, x > 0
    tail = cnp.where(low, x, edge)
    square = 1 / (tail * tail)
    series = cnp.ones_like(tail)
    for k in reversed(range(terms)):
        series = 1 - (2 * k + 1) * square * series
    outer = ndtr(cnp.where(low, edge, cnp.where(high, -x, x)))
    # Where ``upper`` counts, ``outer`` may be 0: its logarithm would make NaN of the derivative.
    logarithm = cnp.log(cnp.where(low, series / -tail, cnp.where(high, 1.0, outer)))
    lower = logarithm - 0.5 * tail * tail - 0.5 * math.log(2 * math.pi)
    upper = cnp.log1p(-cnp.where(high, outer, 0.0))
    return cnp.where(low, lower, cnp.where(high, upper, logarithm))


def multigammaln(a: Any, d: int) -> Any:
    """log of the multivariate gamma function of dimension ``d``."""
    (a,) = promote_args_inexact("multigammaln", a)
    d = operator.index(d)
    constant = 0.25 * d * (d - 1) * math.log(math.pi)
    total = lax.lgamma(a) + constant if d else cnp.zeros_like(a)
    for k in range(1, d):
        total = total + lax.lgamma(a - 0.5 * k)
    return total


@_real_function
def rel_entr(p: Any, q: Any) -> Any:
    """p log(p / q), with its limits at 0."""
    zero = cnp.logical_and(cnp.equal(p, 0), q >= 0)
    positive = cnp.logical_and(p > 0, q > 0)
    safe_p, safe_q = cnp.where(positive, p, 1), cnp.where(positive, q, 1)
    value = safe_p * (cnp.log(safe_p) - cnp.log(safe_q))
    unknown = cnp.logical_or(cnp.isnan(p), cnp.isnan(q))
    return cnp.where(positive, value, cnp.where(zero, 0, cnp.where(unknown, math.nan, math.inf)))


@_real_function
def kl_div(p: Any, q: Any) -> Any:
    """rel_entr(p, q) - p + q."""
    return rel_entr(p, q) - p + q


_OF_SEVERAL_OPERATIONS = (
    *("gamma", "betaln", "logit", "xlogy", "xlog1py", "entr", "ndtr", "ndtri", "log_ndtr", "rel_entr", "kl_div"),
    *("multigammaln", "beta", "comb", "factorial", "poch", "boxcox", "boxcox1p"),
)
for _name in _OF_SEVERAL_OPERATIONS:
    globals()[_name] = _repeated()(globals()[_name])
tracebacks.guard(globals(), "cotan.scipy", "cotan.nn", again=nans.seen_only)
