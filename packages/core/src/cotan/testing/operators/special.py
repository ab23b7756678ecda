"""Samples of Bessel functions, incomplete gamma and beta functions and zeta; the oracles are mpmath's, at 40 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
from scipy import special

from cotan.primitives import bessel, incomplete
from cotan.testing.operators.table import FLOATS, Sample, grads, operator, unary_samples, values
from cotan.testing.operators.transcendental import precise

m = mpmath


def scaled(order: int) -> Callable[[Any], Any]:
    return lambda x: m.exp(-abs(x)) * m.besseli(order, x)


for primitive, order, limits in ((bessel.bessel_i0e_p, 0, special.i0e), (bessel.bessel_i1e_p, 1, special.i1e)):
    operator(
        primitive,
        unary_samples(FLOATS, -12, 12) + [Sample((np.array([-8.0, 8.0, 1e-5, 300.0], np.float32),))],
        oracle=precise(scaled(order), limits),
        tolerance=16.0,
        kernel_tolerance=32.0,
        grads=[grads(np.array([-20.0, -3.0, 0.4, 7.0, 9.0]))],
    )


def pointwise(function: Callable[..., Any], limits: Callable[..., Any]) -> Callable[..., Any]:
    """An oracle of several operands; what mpmath refuses, or is at an edge, is left to SciPy."""

    def one(*args: float) -> float:
        if not all(np.isfinite(x) and 1e-30 < abs(x) < 1e6 for x in args):
            return float(limits(*args))
        with m.workdps(40):
            try:
                return float(function(*map(m.mpf, args)))
            except (ValueError, ZeroDivisionError, TypeError, m.NoConvergence):
                return float(limits(*args))

    def oracle(*args: Any) -> Any:
        shape = np.broadcast_shapes(*(np.shape(x) for x in args))
        flat = zip(*(np.broadcast_to(x, shape).ravel().tolist() for x in args), strict=True)
        return np.array([one(*row) for row in flat], np.float64).reshape(shape)

    return oracle


def rows(*columns: Any) -> list[Sample]:
    """For each dtype a call on the columns; also with scalars and without elements."""
    arrays = [np.array(column, np.float64) for column in columns]
    found = [Sample(tuple(x.astype(kind) for x in arrays)) for kind in (np.float32, np.float64, np.float16)]
    found.append(Sample((arrays[0].astype(np.float32), *(x.astype(np.float32)[0] for x in arrays[1:]))))
    return [*found, Sample(tuple(values(0, 2) for _ in columns))]


def lower(a: Any, x: Any) -> Any:
    return m.gammainc(a, 0, x, regularized=True) if a > 0 and x > 0 else special.gammainc(float(a), float(x))


def upper(a: Any, x: Any) -> Any:
    return m.gammainc(a, x, m.inf, regularized=True) if a > 0 and x > 0 else special.gammaincc(float(a), float(x))


INF, NAN = np.inf, np.nan
GAMMAS = rows(
    [
        0.05,
        0.5,
        1.0,
        1.5,
        3.0,
        19.0,
        19.9,
        20.0,
        21.0,
        45.0,
        200.0,
        900.0,
        2.0,
        0.0,
        0.0,
        2.0,
        INF,
        3.0,
        -1.0,
        2.0,
        NAN,
    ],
    [0.3, 2.5, 1.0, 1.4, 6.0, 14.0, 26.0, 20.0, 5.0, 80.0, 210.0, 880.0, 0.0, 1.0, 0.0, INF, 1.0, 3.0, 1.0, -1.0, 1.0],
)
POINTS = (np.array([0.3, 0.9, 2.0, 8.0, 30.0, 25.0]), np.array([0.6, 3.0, 1.1, 6.0, 32.0, 60.0]))
for primitive, oracle, limits in (
    (incomplete.igamma_p, lower, special.gammainc),
    (incomplete.igammac_p, upper, special.gammaincc),
):
    operator(
        primitive,
        GAMMAS,
        oracle=pointwise(oracle, limits),
        tolerance=32.0,
        kernel=False,
        decomposes=False,  # into a loop; see test_incomplete
        grads=[grads(*POINTS)],
    )


def beta(a: Any, b: Any, x: Any) -> Any:
    return m.betainc(a, b, 0, x, regularized=True) if a > 0 and b > 0 and 0 < x < 1 else limits_of_beta(a, b, x)


def limits_of_beta(a: Any, b: Any, x: Any) -> Any:
    return special.betainc(float(a), float(b), float(x))


operator(
    incomplete.betainc_p,
    rows(
        [0.5, 2.0, 5.0, 30.0, 0.1, 80.0, 1.0, 2.0, 2.0, 0.0, 1.0, 0.0, -1.0, 2.0, INF, 1.0, NAN],
        [0.5, 3.0, 1.0, 20.0, 4.0, 90.0, 1.0, 2.0, 2.0, 1.0, 0.0, 0.0, 1.0, 2.0, 1.0, INF, 1.0],
        [0.3, 0.9, 0.2, 0.62, 0.01, 0.5, 0.5, 0.0, 1.0, 0.5, 0.5, 0.5, 0.5, 2.0, 0.5, 0.5, 0.5],
    ),
    oracle=pointwise(beta, special.betainc),
    tolerance=64.0,
    kernel=False,
    decomposes=False,
    grads=[grads(np.array([0.5, 2.0, 5.0, 9.0]), np.array([0.7, 3.0, 1.2, 12.0]), np.array([0.3, 0.8, 0.2, 0.5]))],
)
operator(
    incomplete.zeta_p,
    rows(
        [1.5, 2.0, 1.01, 8.0, 30.0, 3.0, 2.0, 2.0, 2.5, 1.0, 0.5, 2.0, 2.0, INF, INF, NAN],
        [1.0, 0.25, 3.0, 40.0, 2.0, -2.5, -0.5, -3.0, -0.5, 2.0, 2.0, INF, 0.0, 2.0, 1.0, 1.0],
    ),
    oracle=pointwise(lambda s, q: m.zeta(s, q) if q > 0 and s > 1 else special.zeta(float(s), float(q)), special.zeta),
    tolerance=32.0,
    kernel=False,
    kernel_tolerance=64.0,
    grads=[grads(np.array([1.5, 2.0, 7.0, 3.0]), np.array([1.0, 0.4, 3.0, 20.0]))],
)
