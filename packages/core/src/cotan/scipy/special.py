"""cotan.scipy.special: special functions, elementwise, for floats (integers become floats)."""

from __future__ import annotations

import math
from typing import Any

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.nn.functions import log_softmax as log_softmax
from cotan.nn.functions import logsumexp as logsumexp
from cotan.nn.functions import softmax as softmax
from cotan.numpy.promotion import promote_args_inexact


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
    """The gamma function."""
    (x,) = promote_args_inexact("gamma", x)
    floor = cnp.floor(x)
    pole = cnp.logical_and(x < 0, x == floor)
    sign = cnp.where(cnp.logical_and(x < 0, cnp.remainder(floor, 2) != 0), -1.0, 1.0).astype(x.dtype)
    return cnp.where(pole, math.nan, sign * cnp.exp(lax.lgamma(x)))


def betaln(a: Any, b: Any) -> Any:
    """log of the beta function."""
    a, b = promote_args_inexact("betaln", a, b)
    return lax.lgamma(a) + lax.lgamma(b) - lax.lgamma(a + b)


def expit(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return lax.logistic(promote_args_inexact("expit", x)[0])


def logit(x: Any) -> Any:
    """log(x / (1 - x))."""
    (x,) = promote_args_inexact("logit", x)
    return cnp.log(x / (1 - x))


def xlogy(x: Any, y: Any) -> Any:
    """x log(y), and 0 where x is 0."""
    x, y = promote_args_inexact("xlogy", x, y)
    zero = cnp.logical_and(cnp.equal(x, 0), cnp.logical_not(cnp.isnan(y)))
    return cnp.where(zero, 0, x * cnp.log(cnp.where(zero, 1, y)))


def xlog1py(x: Any, y: Any) -> Any:
    """x log1p(y), and 0 where x is 0."""
    x, y = promote_args_inexact("xlog1py", x, y)
    zero = cnp.logical_and(cnp.equal(x, 0), cnp.logical_not(cnp.isnan(y)))
    return cnp.where(zero, 0, x * cnp.log1p(cnp.where(zero, 0, y)))


def entr(x: Any) -> Any:
    """-x log(x), 0 at 0, -inf below."""
    (x,) = promote_args_inexact("entr", x)
    return cnp.where(x < 0, -math.inf, -xlogy(x, x))


def ndtr(x: Any) -> Any:
    """The distribution function of the standard normal."""
    (x,) = promote_args_inexact("ndtr", x)
    return 0.5 * lax.erfc(-x * math.sqrt(0.5))


def ndtri(p: Any) -> Any:
    """The quantile function of the standard normal."""
    (p,) = promote_args_inexact("ndtri", p)
    return math.sqrt(2) * lax.erf_inv(2 * p - 1)


def log_ndtr(x: Any) -> Any:
    """log(ndtr(x)), accurate in the lower tail by an asymptotic series (Abramowitz and Stegun 7.1.23)."""
    (x,) = promote_args_inexact("log_ndtr", x)
    tail = cnp.minimum(x, -6.0)
    square = 1 / (tail * tail)
    series = 1 - square * (1 - 3 * square * (1 - 5 * square * (1 - 7 * square)))
    lower = -0.5 * tail * tail - cnp.log(-tail) - 0.5 * math.log(2 * math.pi) + cnp.log(series)
    middle = cnp.log(ndtr(cnp.clip(x, -6.0, 5.0)))
    upper = -ndtr(-cnp.maximum(x, 5.0))
    return cnp.where(x < -6, lower, cnp.where(x > 5, upper, middle)).astype(dtypes.dtype(x))


def multigammaln(a: Any, d: int) -> Any:
    """log of the multivariate gamma function of dimension ``d``."""
    (a,) = promote_args_inexact("multigammaln", a)
    constant = 0.25 * d * (d - 1) * math.log(math.pi)
    total = a * 0 + constant
    for k in range(int(d)):
        total = total + lax.lgamma(a - 0.5 * k)
    return total


def rel_entr(p: Any, q: Any) -> Any:
    """p log(p / q), with its limits at 0."""
    p, q = promote_args_inexact("rel_entr", p, q)
    zero = cnp.logical_and(cnp.equal(p, 0), q >= 0)
    positive = cnp.logical_and(p > 0, q > 0)
    safe_p, safe_q = cnp.where(positive, p, 1), cnp.where(positive, q, 1)
    value = safe_p * (cnp.log(safe_p) - cnp.log(safe_q))
    unknown = cnp.logical_or(cnp.isnan(p), cnp.isnan(q))
    return cnp.where(positive, value, cnp.where(zero, 0, cnp.where(unknown, math.nan, math.inf)))


def kl_div(p: Any, q: Any) -> Any:
    """rel_entr(p, q) - p + q."""
    p, q = promote_args_inexact("kl_div", p, q)
    return rel_entr(p, q) - p + q
