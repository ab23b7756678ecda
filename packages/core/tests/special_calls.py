"""Calls of the larger special functions: arguments, and oracles where SciPy has another signature or less accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

RANDOM = np.random.default_rng(5)
REAL = np.array([-7.7, -3.4, -1.7, -0.6, -0.2, 0.1, 0.5, 1.3, 1.9, 2.2, 4.7, 7.5, 23.0])
POSITIVE = np.array([0.02, 0.3, 0.9, 1.2, 1.6, 2.5, 5.5, 11.0, 13.0, 21.0, 30.0, 52.0])
ORDERS = np.array([0.5, 1.5, 2.25, 3.0, 7.0, 4.0, 0.25, 1.0, 12.0, 2.0, 9.0, 3.0])
UNIT = np.array([0.001, 0.05, 0.2, 0.45, 0.5, 0.62, 0.93, 0.999, 0.7, 0.3, 0.8, 0.1])


@dataclass(frozen=True)
class Family:
    """A function on its arguments.

    Attributes:
      args: float64 arrays of one shape.
      oracle: the function in float64; None: SciPy's of the name.
      whole: how many of the first arguments are orders without derivatives.
      rtol: in double precision, relative to the larger of 1e-3 and the value.
    """

    args: tuple[Any, ...]
    oracle: Any = None
    whole: int = 0
    rtol: float = 2e-13
    single: float = 2e-5


def pointwise(function: Any) -> Any:
    return np.vectorize(lambda *xs: float(function(*map(float, xs))))


FAMILIES = {
    "exp1": Family((POSITIVE,)),
    "expi": Family((REAL,)),
    "expn": Family((np.arange(12.0), POSITIVE), whole=1),
    "sici": Family((np.append(REAL[REAL > 0], [3.9, 4.1, 60.0]),)),
    "fresnel": Family((REAL,)),
    "spence": Family((POSITIVE,)),
    "erfcx": Family((REAL[1:],)),
    "dawsn": Family((np.append(REAL, [4.9, 5.1]),)),
    "owens_t": Family((REAL[1:], np.array([0.3, -0.4, 0.9, 1.5, -3.0, 0.2, 1.1, 0.7, 0.5, 2.0, 0.1, 0.05]))),
    "gammainc": Family((ORDERS, POSITIVE)),
    "gammaincc": Family((ORDERS, POSITIVE)),
    "betainc": Family((ORDERS, ORDERS[::-1].copy(), UNIT), rtol=1e-12),
    "beta": Family((REAL[1:], ORDERS)),
    "gammasgn": Family((REAL,)),
    "factorial": Family((np.append(POSITIVE[:8], [3.0, 5.0]),)),
    "comb": Family((POSITIVE[3:8] + 2, ORDERS[:5] * 0.3)),
    "poch": Family((REAL[1:11], np.array([2.0, 3.0, 0.5, 1.25, 2.0, 4.0, 3.5, 2.0, 0.25, 1.0]))),
    "polygamma": Family((np.arange(12.0), np.append(POSITIVE[:6] + 0.5, [1.0, 3.0, 4.0, 9.0, 0.3, 2.0])), whole=1),
    "zeta": Family((np.array([-7.5, -3.0, -2.5, -0.4, 0.3, 0.9, 1.2, 2.0, 9.0]),), oracle=pointwise(mpmath.zeta)),
    "boxcox": Family((POSITIVE[:6], np.array([0.5, 0.0, 1e-5, -2.0, 1.0, 3.0]))),
    "boxcox1p": Family((POSITIVE[:6], np.array([0.5, 0.0, 1e-5, -2.0, 1.0, 3.0]))),
    "i0": Family((REAL,)),
    "i1": Family((REAL,)),
    "i0e": Family((REAL,)),
    "i1e": Family((REAL,)),
    "hyp1f1": Family(
        (ORDERS, ORDERS[::-1].copy(), np.array([-90.0, -30.0, -3.0, -0.5, 0.1, 0.9, 3.0, 20.0, 60.0, 70.0, 5.0, 1.0])),
        oracle=pointwise(mpmath.hyp1f1),
        rtol=1e-9,
        single=1e-3,
    ),
    "hyp2f1": Family(
        (
            np.array([0.3, 1.2, 2.5, -0.7, 3.0, 0.5, 1.5, 0.1, 2.2]),
            np.array([0.8, 2.1, 1.5, 1.7, 2.0, 0.5, -2.5, 0.7, 0.4]),
            np.array([1.5, 3.7, 4.25, 0.6, 7.5, 1.5, 2.0, 3.0, 1.7]),
            np.array([0.5, -0.8, 0.85, 0.95, -40.0, -3.0, 0.97, 0.2, 0.99]),
        ),
        oracle=pointwise(mpmath.hyp2f1),
        rtol=1e-9,
        single=1e-3,
    ),
    # With signatures of their own.
    "bernoulli": Family(()),
    "bessel_jn": Family(()),
    "loggamma": Family(()),
    "sph_harm_y": Family(()),
    "wofz": Family(()),
}
TABLE = {name: family for name, family in FAMILIES.items() if family.args}
