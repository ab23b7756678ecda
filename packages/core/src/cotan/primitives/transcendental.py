"""Exponentials, logarithms, circular and hyperbolic functions, elementwise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cotan.ir import scalar
from cotan.primitives.accuracy import elementary
from cotan.primitives.arithmetic import add, div, mul, neg, rsqrt, series, square, sub
from cotan.primitives.define import binary, unary
from cotan.primitives.operands import FLOAT, INEXACT
from cotan.primitives.taylor import BY_SLOPE

_LOG2 = math.log(2.0)

# ---- Exponentials and logarithms

exp_p, exp = elementary(
    "exp",
    INEXACT,
    reference=np.exp,
    kernel=scalar.exp,
    jvp=lambda t, x, y: mul(t, y),
    jet=series.exp,
    does="e**x.",
)
exp2_p, exp2 = elementary(
    "exp2", INEXACT, reference=np.exp2, kernel=scalar.exp2, jvp=lambda t, x, y: mul(t, mul(y, _LOG2)),
    jet=lambda u, y: series.exp(u, y, _LOG2), does="2**x.",
)  # fmt: skip
expm1_p, expm1 = elementary(
    "expm1", INEXACT, reference=np.expm1, kernel=scalar.expm1, jvp=lambda t, x, y: mul(t, add(y, 1)),
    jet=lambda u, y: series.exp(u, add(y, 1)), does="e**x - 1, exact near 0.",
)  # fmt: skip
log_p, log = elementary(
    "log", INEXACT, reference=np.log, kernel=scalar.log, jvp=lambda t, x, y: div(t, x), jet=BY_SLOPE,
    does="The natural logarithm.",
)  # fmt: skip
log1p_p, log1p = elementary(
    "log1p", INEXACT, reference=np.log1p, kernel=scalar.log1p, jvp=lambda t, x, y: div(t, add(x, 1)),
    jet=BY_SLOPE, does="The natural logarithm of 1 + x, exact near 0.",
)  # fmt: skip


def _logistic(x: Any) -> Any:
    one = np.ones((), x.dtype)
    if x.dtype.kind != "c":
        return np.divide(one, np.add(one, np.exp(np.negative(x))))
    # A quotient by an infinite complex number is NaN.
    power = np.exp(np.where(x.real < 0, x, -x))
    return np.where(x.real < 0, power, one) / (one + power)


logistic_p, logistic = elementary(
    "logistic", INEXACT, reference=_logistic, kernel=scalar.logistic, jvp=lambda t, x, y: mul(t, mul(y, sub(1, y))),
    jet=lambda u, y: series.riccati(u, y, mul(y, sub(1, y)), 1, -1),
    decompose=lambda x: div(1, add(exp(neg(x)), 1)), does="1 / (1 + e**-x).",
)  # fmt: skip


# ---- Circular functions

sin_p, sin = elementary(
    "sin", INEXACT, reference=np.sin, kernel=scalar.sin, jvp=lambda t, x, y: mul(t, cos(x)),
    jet=lambda u, y: series.pair(u, y, cos(u[0]), -1), does="The sine.",
)  # fmt: skip
cos_p, cos = elementary(
    "cos", INEXACT, reference=np.cos, kernel=scalar.cos, jvp=lambda t, x, y: mul(t, neg(sin(x))),
    jet=lambda u, y: series.pair(u, y, neg(sin(u[0])), -1), does="The cosine.",
)  # fmt: skip
tan_p, tan = elementary(
    "tan", INEXACT, reference=np.tan, kernel=scalar.tan, jvp=lambda t, x, y: mul(t, add(square(y), 1)),
    jet=lambda u, y: series.riccati(u, y, add(square(y), 1), 0, 1), does="The tangent.",
)  # fmt: skip
asin_p, asin = unary(
    "asin", INEXACT, reference=np.arcsin, kernel=scalar.asin, jvp=lambda t, x, y: mul(t, rsqrt(sub(1, square(x)))),
    jet=BY_SLOPE, does="The inverse sine.",
)  # fmt: skip
acos_p, acos = unary(
    "acos", INEXACT, reference=np.arccos, kernel=scalar.acos, jvp=lambda t, x, y: mul(t, neg(rsqrt(sub(1, square(x))))),
    jet=BY_SLOPE, does="The inverse cosine.",
)  # fmt: skip
atan_p, atan = unary(
    "atan", INEXACT, reference=np.arctan, kernel=scalar.atan, jvp=lambda t, x, y: div(t, add(square(x), 1)),
    jet=BY_SLOPE, does="The inverse tangent.",
)  # fmt: skip
atan2_p, atan2 = binary(
    "atan2", FLOAT, reference=np.arctan2, kernel=scalar.atan2, does="The angle of the point (y, x); x comes first.",
    jvp=(lambda t, x, y, z: mul(t, div(y, _norm(x, y))), lambda t, x, y, z: mul(t, div(neg(x), _norm(x, y)))),
    jet=BY_SLOPE,
)  # fmt: skip


def _norm(x: Any, y: Any) -> Any:
    return add(square(x), square(y))


# ---- Hyperbolic functions

sinh_p, sinh = unary(
    "sinh", INEXACT, reference=np.sinh, kernel=scalar.sinh, jvp=lambda t, x, y: mul(t, cosh(x)),
    jet=lambda u, y: series.pair(u, y, cosh(u[0]), 1), does="The hyperbolic sine.",
)  # fmt: skip
cosh_p, cosh = unary(
    "cosh", INEXACT, reference=np.cosh, kernel=scalar.cosh, jvp=lambda t, x, y: mul(t, sinh(x)),
    jet=lambda u, y: series.pair(u, y, sinh(u[0]), 1), does="The hyperbolic cosine.",
)  # fmt: skip
tanh_p, tanh = elementary(
    "tanh", INEXACT, reference=np.tanh, kernel=scalar.tanh, jvp=lambda t, x, y: mul(t, mul(sub(1, y), add(y, 1))),
    jet=lambda u, y: series.riccati(u, y, mul(sub(1, y), add(y, 1)), 0, -1), does="The hyperbolic tangent.",
)  # fmt: skip
asinh_p, asinh = unary(
    "asinh", INEXACT, reference=np.arcsinh, kernel=scalar.asinh, jvp=lambda t, x, y: mul(t, rsqrt(add(square(x), 1))),
    jet=BY_SLOPE, does="The inverse hyperbolic sine.",
)  # fmt: skip
acosh_p, acosh = unary(
    "acosh", INEXACT, reference=np.arccosh, kernel=scalar.acosh,
    jvp=lambda t, x, y: mul(t, mul(rsqrt(sub(x, 1)), rsqrt(add(x, 1)))), jet=BY_SLOPE,
    does="The inverse hyperbolic cosine.",
)  # fmt: skip
atanh_p, atanh = unary(
    "atanh", INEXACT, reference=np.arctanh, kernel=scalar.atanh,
    jvp=lambda t, x, y: div(t, mul(sub(1, x), add(x, 1))), jet=BY_SLOPE,
    does="The inverse hyperbolic tangent.",
)  # fmt: skip
