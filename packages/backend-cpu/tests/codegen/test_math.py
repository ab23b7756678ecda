"""Elementary and special functions against mpmath, in units in the last place, and their values at the ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from kernel_harness import apply, targets
from scipy import special

TARGETS = pytest.mark.parametrize("target", targets(), ids=lambda target: target.cpu)
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
COUNT = 60


def spread(low: float, high: float) -> Callable[[Any, bool], np.ndarray]:
    return lambda rng, wide: rng.uniform(low, high, COUNT)


def scales(low: float, high: float, signs: bool = False) -> Callable[[Any, bool], np.ndarray]:
    """Values of all magnitudes between the exponents of ten, wider for float64."""

    def sample(rng: Any, wide: bool) -> np.ndarray:
        bottom, top = (low * 8 if low < -9 and wide else low), (high * 8 if high > 9 and wide else high)
        values = 10.0 ** rng.uniform(bottom, top, COUNT)
        return np.concatenate([values, -values]) if signs else values

    return sample


def below_one(rng: Any, wide: bool) -> np.ndarray:
    values = 1 - 10.0 ** rng.uniform(-15 if wide else -7, -1, COUNT)
    return np.concatenate([values, -values])


def above_one(rng: Any, wide: bool) -> np.ndarray:
    return 1 + 10.0 ** rng.uniform(-15 if wide else -7, 0, COUNT)


def stretched(low: float, high: float, factor: float = 8.0) -> Callable[[Any, bool], np.ndarray]:
    return lambda rng, wide: rng.uniform(low, high, COUNT) * (factor if wide else 1.0)


SMALL = scales(-35, 0, signs=True)
# name: (exact function, samples, ulp in float32, ulp in float64)
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], list[Any], float, float]] = {
    "exp": (mpmath.exp, [stretched(-87, 88), spread(-1, 1), SMALL], 1, 1),
    "exp2": (lambda x: mpmath.mpf(2) ** x, [stretched(-126, 127), spread(-1, 1)], 1, 1),
    "expm1": (mpmath.expm1, [stretched(-20, 88), spread(-2, 2), SMALL], 2, 2),
    "log": (mpmath.log, [scales(-38, 38), spread(0.5, 2)], 1, 1),
    "log1p": (mpmath.log1p, [scales(-35, 38), spread(-1, 1), below_one, SMALL], 1, 1),
    "sin": (mpmath.sin, [spread(-10, 10), scales(-9, 4.9, True), scales(5, 38, True)], 2, 2),
    "cos": (mpmath.cos, [spread(-10, 10), scales(-9, 4.9, True), scales(5, 38, True)], 2, 2),
    "tan": (mpmath.tan, [spread(-10, 10), scales(-9, 4.9, True)], 1, 3),
    "asin": (mpmath.asin, [spread(-1, 1), SMALL, below_one], 1, 1),
    "acos": (mpmath.acos, [spread(-1, 1), below_one], 1, 1),
    "atan": (mpmath.atan, [spread(-5, 5), scales(-35, 35, True)], 2, 1),
    "sinh": (mpmath.sinh, [stretched(-88, 88), spread(-2, 2), SMALL], 2, 2),
    "cosh": (mpmath.cosh, [stretched(-88, 88), spread(-2, 2)], 2, 2),
    "tanh": (mpmath.tanh, [spread(-10, 10), spread(-1, 1), SMALL], 2, 2),
    "asinh": (mpmath.asinh, [spread(-10, 10), scales(-35, 38, True)], 1, 2),
    "acosh": (mpmath.acosh, [spread(1, 10), above_one, scales(0, 38)], 1, 2),
    "atanh": (mpmath.atanh, [spread(-1, 1), SMALL, below_one], 1, 2),
    "cbrt": (lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), [scales(-38, 38, True)], 1, 1),
    "rsqrt": (lambda x: 1 / mpmath.sqrt(x), [scales(-37, 38)], 2, 2),
    "logistic": (lambda x: 1 / (1 + mpmath.exp(-x)), [stretched(-87, 20), spread(-5, 5)], 2, 2),
    "erf": (mpmath.erf, [spread(-5, 5), SMALL], 2, 2),
    "erfc": (mpmath.erfc, [spread(-5, 9), spread(-1, 1), spread(9, 26)], 2, 4),
    "erf_inv": (lambda x: mpmath.erfinv(x), [spread(-0.9, 0.9)], 16, 4),
}


def ulps(got: np.ndarray, want: list[Any]) -> np.ndarray:
    info = np.finfo(got.dtype)
    errors = []
    for g, w in zip(got, want):
        if np.isnan(g) or np.isinf(g):
            beyond = abs(w) > mpmath.mpf(float(info.max)) * (1 + mpmath.mpf(2) ** -info.nmant / 4)
            errors.append(0.0 if np.isinf(g) and beyond else np.inf)
            continue
        exponent = max(int(mpmath.floor(mpmath.log(abs(w), 2))), info.minexp) if w else info.minexp
        errors.append(float(abs(mpmath.mpf(float(g)) - w) / mpmath.mpf(2) ** (exponent - info.nmant)))
    return np.array(errors)


def inputs(samples: list[Any], dtype: str) -> np.ndarray:
    rng = np.random.default_rng(11)
    values = np.concatenate([sample(rng, dtype == "float64") for sample in samples])
    with np.errstate(over="ignore", under="ignore"):
        values = values.astype(dtype)
    return values[np.isfinite(values)]


@TARGETS
@DTYPES
@pytest.mark.parametrize("name", FUNCTIONS)
def test_accuracy(name, dtype, target):
    exact, samples, single, double = FUNCTIONS[name]
    x = inputs(samples, dtype)
    if name in ("erf_inv", "atanh", "log1p"):
        x = x[np.abs(x) < 1] if name != "log1p" else x[x > -1]
    got = apply(name, x, target=target)
    with mpmath.workprec(1300 if name in ("sin", "cos", "tan") else 200):
        want = [exact(mpmath.mpf(float(v))) for v in x]
    errors = ulps(got, want)
    worst = int(errors.argmax())
    assert errors[worst] <= (single if dtype == "float32" else double), (x[worst], got[worst], want[worst])


@TARGETS
@DTYPES
def test_pow_and_atan2(dtype, target):
    rng = np.random.default_rng(2)
    wide = dtype == "float64"
    x = np.concatenate([scales(-3, 3)(rng, wide), scales(-38, 38)(rng, wide), rng.uniform(0.9, 1.1, COUNT)])
    y = np.concatenate([rng.uniform(-20, 20, COUNT), rng.uniform(-1, 1, COUNT), rng.uniform(-400, 400, COUNT)])
    x, y = x.astype(dtype), y.astype(dtype)
    with mpmath.workprec(200):
        want = [mpmath.mpf(float(a)) ** mpmath.mpf(float(b)) for a, b in zip(x, y)]
        assert ulps(apply("pow", x, y, target=target), want).max() <= 2
        x[::2] *= -1
        want = [mpmath.atan2(mpmath.mpf(float(b)), mpmath.mpf(float(a))) for a, b in zip(x, y)]
        assert ulps(apply("atan2", y, x, target=target), want).max() <= 2


@TARGETS
@DTYPES
def test_gamma_functions(dtype, target):
    x = inputs([spread(0.01, 12), scales(-30, 30), spread(-9, 0)], dtype)
    x = x[np.abs(x - np.round(x)) + (x > 0) > 1e-3]
    tolerance = 1e-7 if dtype == "float32" else 2e-14
    for name, exact in [("lgamma", lambda v: mpmath.re(mpmath.loggamma(v))), ("digamma", mpmath.digamma)]:
        got = apply(name, x, target=target)
        with mpmath.workprec(200):
            for v, g in zip(x, got):
                want = exact(mpmath.mpf(float(v)))
                if abs(want) < np.finfo(dtype).max:
                    assert abs(mpmath.mpf(float(g)) - want) <= tolerance * max(abs(want), 1), (name, v)


def hurwitz_zeta(s: Any, q: Any) -> Any:
    """Terms of negative base apart, which mpmath takes for complex."""
    total = mpmath.mpf(0)
    while q < 0:
        total, q = total + q ** -int(s), q + 1
    return total + mpmath.zeta(s, q)


@TARGETS
@DTYPES
def test_zeta(dtype, target):
    rng = np.random.default_rng(5)
    s = np.concatenate([1 + 10 ** rng.uniform(-3, 1.5, 2 * COUNT), rng.integers(2, 30, COUNT)]).astype(dtype)
    q = np.concatenate([10 ** rng.uniform(-3, 4, 2 * COUNT), -rng.uniform(0, 20, COUNT)]).astype(dtype)
    got = apply("zeta", s, q, target=target)
    # Its errors are absolute, and the values as small as 1e-130.
    with mpmath.workdps(180):
        want = [hurwitz_zeta(mpmath.mpf(float(a)), mpmath.mpf(float(b))) for a, b in zip(s, q)]
    errors = ulps(got, want)
    single = dtype == "float32"
    assert errors[: 2 * COUNT].max() <= (1 if single else 8)
    assert errors[2 * COUNT :].max() <= (1 if single else 64)


@TARGETS
@DTYPES
def test_ends_of_zeta(dtype, target):
    points = np.array([*ENDS, 3, 1.5, 40, 700, -2.5, -7.3, 2.0**52 + 1], dtype)
    s, q = (part.ravel().copy() for part in np.meshgrid(points, points))
    with np.errstate(all="ignore"):
        want = special.zeta(s.astype(np.float64), q.astype(np.float64)).astype(dtype)
    # For the largest s SciPy divides 0 by 0, or large q are treated apart.
    above = (s > 1e4) & (q > 1) & (q < np.inf)
    want = np.where(above, np.where(s == np.inf, np.nan, 0), want).astype(dtype)
    assert_like(apply("zeta", s, q, target=target), want, "zeta")


ENDS = [0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 1e30, -1e30, 1e5, 1e10, -1e17]
# NaN of either sign whose other bits are set as well.
STRANGE = {
    "float32": np.array([0x7FF92A0B, 0x7FC00005, 0xFFFFFFFF, 0xFFC0FF81], np.uint32).view(np.float32),
    "float64": np.array([0x7FF92A0B00000123, 0x7FF8000000000FFF, 0xFFFFFFFFFFFFFFFF], np.uint64).view(np.float64),
}
NUMPY_NAMES = {
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sin": np.sin, "cos": np.cos,
    "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "cbrt": np.cbrt,
    "erf": special.erf, "erfc": special.erfc, "erf_inv": lambda x: np.copysign(special.erfinv(x), x),
    "lgamma": lambda x: np.where(x == -np.inf, np.inf, special.gammaln(x)),
    "logistic": special.expit, "rsqrt": lambda x: 1 / np.sqrt(x),
}  # fmt: skip


def assert_like(got: np.ndarray, want: np.ndarray, what: object) -> None:
    assert np.array_equal(np.isnan(got), np.isnan(want)), (what, got, want)
    fine = ~np.isnan(want)
    assert np.allclose(got[fine], want[fine], rtol=1e-6, atol=0), (what, got, want)
    zero = fine & (want == 0)
    assert np.array_equal(np.signbit(got[zero]), np.signbit(want[zero])), (what, got, want)


@TARGETS
@DTYPES
@pytest.mark.parametrize("name", NUMPY_NAMES)
def test_ends(name, dtype, target):
    x = np.append(np.array(ENDS, dtype), STRANGE[dtype])
    with np.errstate(all="ignore"):
        assert_like(apply(name, x, target=target), NUMPY_NAMES[name](x), name)


@TARGETS
@DTYPES
def test_ends_of_two_arguments(dtype, target):
    points = np.array([*ENDS, 3, -3, 5, 1e15, -(2.0**52 + 1)], dtype)
    x, y = (part.ravel().copy() for part in np.meshgrid(points, points))
    with np.errstate(all="ignore"):
        assert_like(apply("pow", x, y, target=target), np.power(x, y), "pow")
        assert_like(apply("atan2", x, y, target=target), np.arctan2(x, y), "atan2")


# name: (in float64, last of the positive arguments, ulp)
DENSE: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    "exp": (np.exp, 88.7, 1.1),
    "exp2": (np.exp2, 127.9, 1.1),
    "log": (np.log, np.inf, 1),
    "log1p": (np.log1p, np.inf, 1),
    "tanh": (np.tanh, np.inf, 2),
    "logistic": (special.expit, np.inf, 2),
    "rsqrt": (lambda x: 1 / np.sqrt(x), np.inf, 2),
    "erf_inv": (special.erfinv, 0.9, 16),
    "sin": (np.sin, 1e6, 2),
    "cos": (np.cos, 1e6, 2),
}
NEGATIVE = {"exp": 87.0, "exp2": 126.0, "log1p": 1.0, "tanh": np.inf, "logistic": 87.0, "erf_inv": 0.9, "sin": 1e6}
"""How far below 0 the arguments may lie, where they may."""


@TARGETS
@pytest.mark.parametrize("name", DENSE)
def test_all_scales_of_float32(name, target):
    function, last, bound = DENSE[name]
    # All exponents, and of each the same 1024 mantissas and those next to ends of pieces.
    ends = np.arange(64)[:, None] * 2**17 + np.arange(-2, 3)
    mantissas = np.unique(np.concatenate([np.arange(1024) * 8191, ends.ravel() % 2**23]))
    bits = (np.arange(1, 255)[:, None] << 23) + mantissas
    x = bits.ravel().astype(np.int32).view(np.float32)
    x = np.concatenate([x[x < last], -x[x < NEGATIVE.get(name, 0)]])
    got, want = apply(name, x, target=target).astype(np.float64), function(x.astype(np.float64))
    normal = np.abs(want) > np.finfo(np.float32).tiny
    errors = (np.abs(got - want) / np.spacing(np.abs(want).astype(np.float32)))[normal]
    assert errors.max() <= bound, x[normal][errors.argmax()]
    if name in ("tanh", "logistic"):
        assert np.abs(got).max() <= 1


@TARGETS
def test_a_single_argument_next_to_the_end_among_others(target):
    for place in range(0, 130, 7):
        x = np.linspace(-0.9, 0.9, 130, dtype=np.float32)
        x[(place + 1) % 130] = np.nan
        x[place] = 1 - 2.0**-19
        found = apply("erf_inv", x, target=target)
        np.testing.assert_allclose(found, np.copysign(special.erfinv(x.astype(np.float64)), x), rtol=1e-3)


def test_tables_are_what_the_script_writes():
    import importlib.util
    from pathlib import Path

    from cotan.compiler.piece_tables import PIECES
    from cotan_cpu.codegen.math_tables import TABLES

    path = Path(__file__).resolve().parents[2] / "tools/fit_polynomials.py"
    spec = importlib.util.spec_from_file_location("fit_polynomials", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    function, low, high, degrees = script.TABLES["sin"]
    for kind, degree in degrees.items():
        assert TABLES["sin", kind] == tuple(float(value) for value in script.fit(function, low, high, degree))
    assert set(TABLES) >= {(name, kind) for name, (*_, degrees) in script.TABLES.items() for kind in degrees}
    tables = {"tanh": script.tanh_pieces()[0], **script.erf_inv_pieces(), **script.log_pieces()}
    tables |= script.turn_pieces()
    for name, rows in tables.items():
        assert np.array_equal(PIECES[name], np.array(rows, np.float32).astype(np.float64)), name
