"""Elementary functions at a million points each: their bounds in ulps, with NumPy's next wider floats as the oracle.

``codegen/test_math.py`` compares fewer points with mpmath, on several processors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import cotan
import cotan.numpy as cnp
from cotan import lax

COUNT = 1_000_000
WIDER = {"float32": np.float64, "float64": np.longdouble}
SINGLE_ONLY: dict[str, Callable[[Any], Any]] = {"erf": special.erf, "erfc": special.erfc, "cbrt": np.cbrt}
"""SciPy has no wider ones, and NumPy's cbrt of long doubles may be off by an ulp of float64's."""


def _logistic(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


EXACT: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(np, name) for name in ("exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh")},
    **{name: getattr(np, name) for name in ("sinh", "cosh", "arcsin", "arccos", "arctan", "arcsinh", "arctanh")},
    "logistic": _logistic,
    **SINGLE_ONLY,
}
NEAR = {
    "log": (0.3, 3), "log1p": (-0.7, 3), "arcsin": (-1, 1), "arccos": (-1, 1), "arctanh": (-1, 1), "cbrt": (-9, 9),
}  # fmt: skip
"""Where most of the points are, if not around 0."""
FAR = {"exp": 88, "exp2": 126, "expm1": 88, "sinh": 88, "cosh": 88, "logistic": 87, "tanh": 20, "erfc": 9}
"""Half of the points go this far, 8 times as far in float64."""
BOUND = {("tan", "float64"): 3}


def points(name: str, dtype: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    low, high = NEAR.get(name, (-5, 5))
    far = FAR.get(name, 0) * (1 if dtype == "float32" else 8)
    near = rng.uniform(low, high, COUNT // 2)
    small = near[::2] * 10.0 ** rng.uniform(-8, 0, COUNT // 4)
    wide = rng.uniform(-far, far, COUNT // 4) if far else rng.uniform(low, high, COUNT // 4)
    return np.concatenate([near, abs(small) if name == "log" else small, wide]).astype(dtype)


CASES = [(name, dtype) for name in EXACT for dtype in WIDER if dtype == "float32" or name not in SINGLE_ONLY]


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_bounds_in_ulps(name: str, dtype: str) -> None:
    x = points(name, dtype)
    with cotan.enable_x64(True), np.errstate(all="ignore"):
        function = getattr(cnp, name, None) or getattr(lax, name)
        found, wanted = np.asarray(cotan.jit(function)(x)), EXACT[name](x.astype(WIDER[dtype]))
        tiny = np.finfo(dtype).smallest_normal
        error = np.abs(found - wanted) / np.spacing(np.maximum(np.abs(wanted).astype(dtype), tiny))
    worst = int(np.argmax(np.where(np.isfinite(wanted.astype(dtype)), error, 0)))
    assert error[worst] <= BOUND.get((name, dtype), 2), (x[worst], found[worst], wanted[worst])
