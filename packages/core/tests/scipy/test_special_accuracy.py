"""Accuracy of cotan.scipy.special over whole domains, tiny and huge arguments among them, against mpmath.

Bounds are in units of the last place of the value, or of ``floor`` where values pass through zero: for float64 and for
float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pytest

import cotan
from cotan.scipy import special

mp = mpmath.mp
WIDE = np.concatenate(
    [np.logspace(-30, -3, 10), np.linspace(0.01, 1, 8), np.linspace(1.03, 9.7, 24), np.linspace(11, 80, 9)]
)
BOTH = np.concatenate([-WIDE[::-1], WIDE])
HUGE = np.concatenate([WIDE, np.logspace(2, 30, 15)])
UNIT = np.concatenate([np.logspace(-30, -2, 15), np.linspace(0.02, 0.98, 25), 1 - np.logspace(-2, -7, 6)])


@dataclass(frozen=True)
class Claim:
    """What is promised of a function: its exact value, where, and how nearly."""

    exact: Callable[[Any], Any]
    points: np.ndarray
    double: float
    single: float
    floor: float = 0.0


def _entr(x: Any) -> Any:
    return -x * mp.log(x)


def _expit(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _ndtri(p: Any) -> Any:
    return -mp.sqrt(2) * mp.erfinv(1 - 2 * p)


CLAIMS = {
    "erf": Claim(mp.erf, BOTH, 8, 8),
    "erfc": Claim(mp.erfc, BOTH[BOTH < 26], 64, 8),
    "erfcx": Claim(lambda x: mp.exp(x * x) * mp.erfc(x), np.concatenate([BOTH[abs(BOTH) < 9], HUGE]), 64, 64),
    # In float32 near 1 by the logarithm of 1 - x**2, whose square is rounded: samplers fix its bits.
    "erfinv": Claim(mp.erfinv, np.concatenate([-UNIT[::2], UNIT]), 4, 32),
    "erfinv inside": Claim(mp.erfinv, np.concatenate([-UNIT[UNIT < 0.97], UNIT[UNIT < 0.97]]), 4, 16),
    "gammaln": Claim(lambda x: mp.log(abs(mp.gamma(x))), HUGE, 8, 8, 1.0),
    "loggamma": Claim(mp.loggamma, HUGE, 8, 8, 1.0),
    "gamma": Claim(mp.gamma, np.concatenate([WIDE[WIDE < 34], -np.linspace(0.3, 20.7, 18)]), 64, 64),
    "digamma": Claim(mp.digamma, np.concatenate([HUGE, -np.linspace(0.3, 20.7, 18)]), 16, 16, 1.0),
    "expit": Claim(_expit, BOTH, 8, 8),
    "logit": Claim(lambda p: mp.log(p / (1 - p)), UNIT, 8, 8, 1.0),
    "entr": Claim(_entr, HUGE[HUGE < 1e6], 8, 8, 1e-3),
    "ndtr": Claim(mp.ncdf, BOTH[BOTH > -30], 512, 64),
    "ndtri": Claim(_ndtri, UNIT, 16, 16, 1.0),
    "i0": Claim(lambda x: mp.besseli(0, x), BOTH, 16, 16),
    "i0e": Claim(lambda x: mp.exp(-abs(x)) * mp.besseli(0, x), np.concatenate([BOTH, HUGE[HUGE < 1e6]]), 16, 16),
    "i1": Claim(lambda x: mp.besseli(1, x), BOTH, 16, 16),
    "i1e": Claim(lambda x: mp.exp(-abs(x)) * mp.besseli(1, x), np.concatenate([BOTH, HUGE[HUGE < 1e6]]), 16, 16),
    "exp1": Claim(mp.e1, HUGE[HUGE < 300], 16, 16),
    "expi": Claim(mp.ei, np.concatenate([BOTH, HUGE[HUGE < 300]]), 8, 8, 1e-3),
    "dawsn": Claim(lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x), BOTH[abs(BOTH) < 20], 8, 8),
    "spence": Claim(lambda x: mp.polylog(2, 1 - x), HUGE[HUGE < 1e6], 8, 8, 1e-2),
    "zeta": Claim(mp.zeta, np.concatenate([WIDE[WIDE > 1], -np.linspace(0.5, 7.5, 8)]), 16, 16, 1e-2),
}  # fmt: skip


def error(name: str, dtype: Any) -> float:
    """The largest error in units of the last place."""
    claim = CLAIMS[name]
    x = claim.points.astype(dtype)
    with cotan.enable_x64(True):
        found = np.asarray(getattr(special, name.split()[0])(x)).astype(np.float64)
    with mpmath.workdps(60):
        exact = np.array([mp.re(claim.exact(mp.mpf(float(v)))) for v in x])
        # In the type's range, subnormal numbers apart.
        info = np.finfo(dtype)
        sizes = np.array([float(abs(v)) for v in exact])
        inside = (sizes < float(info.max)) & ((sizes > float(info.tiny)) | (claim.floor > 0))
        unit = [max(abs(v), claim.floor, mp.mpf(float(info.tiny))) * float(info.eps) for v in exact]
        apart = np.array([float(abs(mp.mpf(float(f)) - e)) / u for f, e, u in zip(found, exact, unit, strict=True)])
    assert inside.sum() > 10
    return float(apart[inside].max())


@pytest.mark.parametrize("name", CLAIMS)
def test_accuracy_over_the_domain(name: str) -> None:
    assert error(name, np.float64) <= CLAIMS[name].double
    assert error(name, np.float32) <= CLAIMS[name].single
