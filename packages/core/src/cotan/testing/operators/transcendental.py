"""Samples of transcendental and special functions; the oracles are mpmath's, at 40 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

from cotan.primitives import special as s
from cotan.primitives import transcendental as t
from cotan.testing.operators.table import FLOATS, Sample, binary_samples, grads, operator, unary_samples, values

INEXACT = (*FLOATS, np.complex64, np.complex128)


def precise(function: Callable[[Any], Any], special: Callable[[Any], Any] | None = None) -> Callable[[Any], Any]:
    """An oracle by mpmath; what is not finite, or fails, is left to ``special`` (a NumPy or SciPy function)."""

    def one(x: Any) -> Any:
        if not np.isfinite(x):
            return special(x) if special else np.nan
        with mpmath.workdps(40):
            try:
                y = function(mpmath.mpmathify(x.item()))
            except (ValueError, ZeroDivisionError):
                return special(x) if special else np.nan
            if isinstance(y, mpmath.mpc) and not np.iscomplexobj(x):
                return np.nan
            return complex(y) if np.iscomplexobj(x) else float(y)

    def oracle(x: Any) -> Any:
        flat = [one(v) for v in np.ravel(x)]
        return np.array(flat, np.complex128 if np.iscomplexobj(x) else np.float64).reshape(np.shape(x))

    return oracle


def smooth(*shape: int, low: float, high: float, is_complex: bool = False) -> Sample:
    return grads(values(*shape, dtype=np.complex128 if is_complex else np.float64, low=low, high=high))


def function(
    primitive: Any, oracle: Any, low: float, high: float, numpy: Any, *, kinds: Any = INEXACT, tolerance: float = 4
) -> None:
    inside = 0.1 * (high - low)
    derivatives = [smooth(2, 3, low=low + inside, high=high - inside)]
    if np.complex128 in kinds:
        derivatives.append(smooth(2, 3, low=low + inside, high=high - inside, is_complex=True))
    operator(
        primitive,
        unary_samples(kinds, low, high),
        oracle=precise(oracle, numpy),
        tolerance=tolerance,
        grads=derivatives,
        kernel_tolerance=16.0,
    )


m = mpmath
function(t.exp_p, m.exp, -4, 4, np.exp)
function(t.exp2_p, lambda x: m.mpf(2) ** x, -4, 4, np.exp2, tolerance=8)
function(t.expm1_p, m.expm1, -3, 3, np.expm1)
function(t.log_p, m.log, 0.1, 5, np.log)
function(t.log1p_p, m.log1p, -0.9, 4, np.log1p, tolerance=8)
function(t.logistic_p, lambda x: 1 / (1 + m.exp(-x)), -4, 4, lambda x: 1 / (1 + np.exp(-x)), tolerance=8)
function(t.sin_p, m.sin, -3, 3, np.sin)
function(t.cos_p, m.cos, -3, 3, np.cos)
function(t.tan_p, m.tan, -1.4, 1.4, np.tan, tolerance=6)
function(t.asin_p, m.asin, -0.9, 0.9, np.arcsin)
function(t.acos_p, m.acos, -0.9, 0.9, np.arccos, tolerance=6)
function(t.atan_p, m.atan, -0.9, 0.9, np.arctan)
function(t.sinh_p, m.sinh, -3, 3, np.sinh, tolerance=6)
function(t.cosh_p, m.cosh, -3, 3, np.cosh, tolerance=6)
function(t.tanh_p, m.tanh, -3, 3, np.tanh, tolerance=6)
function(t.asinh_p, m.asinh, -3, 3, np.arcsinh, tolerance=6)
function(t.acosh_p, m.acosh, 1.1, 5, np.arccosh, tolerance=8)
function(t.atanh_p, m.atanh, -0.9, 0.9, np.arctanh, tolerance=8)
operator(
    t.atan2_p,
    binary_samples(FLOATS, 0.2, 3),
    oracle=np.arctan2,
    grads=[
        grads(values(2, 3, dtype=np.float64), values(2, 3, dtype=np.float64, seed=1)),
        grads(values(2, 3, dtype=np.float64), np.float64(0.7)),
    ],
)


def special(primitive: Any, oracle: Any, low: float, high: float, at: Any, *, tolerance: float, kernel: float) -> None:
    """``at``: values at plus and minus infinity, 0 and -3. Decompositions have an accuracy of their own, ``kernel``."""
    samples = [Sample((values(2, 20, dtype=dtype, low=low, high=high),)) for dtype in FLOATS]
    rare = np.array([np.inf, -np.inf, 0.0, -3.0, np.nan])
    samples += [Sample((rare.astype(dtype),)) for dtype in FLOATS]
    known = dict(zip(rare.tolist()[:4], at, strict=True))

    def one(x: Any) -> float:
        if x != x or float(x) in known:
            return known.get(float(x), np.nan)
        with mpmath.workdps(40):
            return float(oracle(mpmath.mpf(float(x))))

    operator(
        primitive,
        samples,
        oracle=lambda x: np.array([one(v) for v in np.ravel(x)]).reshape(x.shape),
        tolerance=tolerance,
        kernel_tolerance=kernel,
        grads=[smooth(2, 3, low=max(low, -2.2), high=min(high, 3)), smooth(3, low=0.55, high=0.95)],
    )


inf, nan = np.inf, np.nan
special(s.erf_p, m.erf, -4, 4, (1, -1, 0, float(m.erf(-3))), tolerance=4, kernel=8)
special(s.erfc_p, m.erfc, -3, 6, (0, 2, 1, float(m.erfc(-3))), tolerance=8, kernel=64)
special(s.erf_inv_p, m.erfinv, -0.97, 0.97, (nan, nan, 0, nan), tolerance=16, kernel=2)
special(s.lgamma_p, lambda x: m.log(abs(m.gamma(x))), 0.1, 12, (inf, inf, inf, inf), tolerance=64, kernel=256)
special(s.digamma_p, m.digamma, 0.1, 12, (inf, nan, nan, nan), tolerance=64, kernel=256)
