"""Elementary functions of complex numbers in kernels: against mpmath, and at their limits and cuts against NumPy."""

from __future__ import annotations

import itertools
import math
from typing import Any

import mpmath
import numpy as np
import pytest
from compiler.compiling import kinds, staged
from program_interpreter import run_program

from cotan.compiler import compile_to_program
from cotan.compiler.complex_functions import FUNCTIONS
from cotan.config import config
from cotan.primitives import arithmetic, reduce, transcendental

INF, NAN = math.inf, math.nan
C64, C128 = np.dtype(np.complex64), np.dtype(np.complex128)
EXACT = {
    name: getattr(mpmath, name)
    for name in ("exp", "log", "sqrt", "sinh", "cosh", "tanh", "sin", "cos", "tan")
    + ("asin", "acos", "atan", "asinh", "acosh", "atanh")
} | {
    "exp2": lambda z: mpmath.mpf(2) ** z,
    "expm1": lambda z: mpmath.exp(z) - 1,
    "log1p": lambda z: mpmath.log(1 + z),
    "logistic": lambda z: 1 / (1 + mpmath.exp(-z)),
    "rsqrt": lambda z: 1 / mpmath.sqrt(z),
}
ULP = {"exp2": 30, "logistic": 5, "rsqrt": 5}
"""Of the size of the whole number; of others 3. The exponent of 2**z is rounded as it becomes one of e, as in NumPy."""
IN_NUMPY = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh"} | {
    "atanh": "arctanh"
}


def primitive(name: str) -> Any:
    return next(getattr(room, name) for room in (transcendental, arithmetic) if hasattr(room, name))


def found(name: str, *args: np.ndarray) -> np.ndarray:
    with config.override(enable_x64=True):
        program = compile_to_program(staged(lambda *xs: [primitive(name)(*xs)], *args))
    assert kinds(program) == (1, 0, 0)
    with np.errstate(all="ignore"):
        return run_program(program, args)[0]


def test_all_of_them_are_tested() -> None:
    assert {*EXACT, "pow"} == {*FUNCTIONS}


def numbers(name: str, dtype: np.dtype) -> np.ndarray:
    """Of usual sizes, near 0, near 1 in all directions, on both sides of the cuts; of any size, where that can be."""
    rng = np.random.default_rng(0)
    n = 12

    def sign() -> np.ndarray:
        return rng.choice([-1.0, 1.0], n)

    def small(least: float, most: float) -> np.ndarray:
        return sign() * np.exp(rng.uniform(least, most, n))

    direction = np.exp(1j * rng.uniform(-np.pi, np.pi, n))
    beside = sign() * (1 + small(-30, 0)) + 1j * small(-30, 0)
    several = [rng.normal(size=n) * 3 + 1j * rng.normal(size=n) * 3, small(-40, 2) + 1j * small(-40, 2)]
    several += [direction, direction * (1 + small(-12, -3)), beside, 1j * beside]
    if name not in ("exp2", "expm1", "logistic"):
        most = 80.0 if dtype == C64 else 650.0
        several += [small(-most, most) + 1j * small(-most, most), small(-5, 5) + 1j * small(-5, 5)]
    return np.concatenate(several).astype(dtype)


@pytest.mark.parametrize("dtype", [C64, C128])
@pytest.mark.parametrize("name", EXACT)
def test_exact_to_a_few_ulp(name: str, dtype: np.dtype) -> None:
    z = numbers(name, dtype)
    limits = np.finfo(dtype)
    compared = 0
    with mpmath.workprec(2500):
        for x, y in zip(z, found(name, z), strict=True):
            exact = EXACT[name](mpmath.mpc(complex(x)))
            if not 4 * limits.tiny < abs(exact) < limits.max / 4:
                continue
            compared += 1
            error = abs(mpmath.mpc(complex(y)) - exact) / abs(exact) / float(limits.eps)
            assert error < ULP.get(name, 3), (x, y, complex(exact))
    assert compared > len(z) * 0.6


EDGES = (0.0, -0.0, 1.0, -1.0, -2.5, 3.0, INF, -INF, NAN)
GRID = np.array([complex(a, b) for a, b in itertools.product(EDGES, EDGES)])


def agree(found: float, expected: float, other: float, limit: bool) -> bool:
    """``other``: the other part. At a limit C99 leaves signs open of zeros, and of what stands beside a NaN."""
    if np.isnan(expected):
        return bool(np.isnan(found))
    if (limit and expected == 0) or (np.isnan(other) and expected in (0, INF, -INF)):
        return abs(found) == abs(expected)
    return bool(np.isclose(found, expected, rtol=1e-6, atol=0) and np.signbit(found) == np.signbit(expected))


@pytest.mark.parametrize("dtype", [C64, C128])
@pytest.mark.parametrize(
    "name", [*(name for name in EXACT if name not in ("exp2", "expm1", "logistic", "rsqrt")), "sign"]
)
def test_limits_and_cuts_are_those_of_c99(name: str, dtype: np.dtype) -> None:
    z = GRID.astype(dtype)
    with np.errstate(all="ignore"):
        expected = getattr(np, IN_NUMPY.get(name, name))(z)
    for x, y, wanted in zip(z, found(name, z), expected, strict=True):
        limit = not np.isfinite(x) or name == "sign"
        assert agree(y.real, wanted.real, wanted.imag, limit), (x, y, wanted)
        assert agree(y.imag, wanted.imag, wanted.real, limit), (x, y, wanted)


@pytest.mark.parametrize("name", ["expm1", "logistic", "exp2"])
def test_exponentials_far_out(name: str) -> None:
    """The limits of e**z, less 1 or what else is done to it; NumPy's own expm1 has NaN at some."""
    z = np.array([complex(-INF, 2), complex(INF, 0), complex(-INF, INF), complex(-800, 3), complex(NAN, 1)])
    far = {"expm1": [-1, INF, -1, -1, NAN], "logistic": [0, 1, 0, 0, NAN], "exp2": [0, INF, 0, 0, NAN]}[name]
    actual = found(name, z)
    np.testing.assert_allclose(actual.real, far, atol=1e-200)
    np.testing.assert_allclose(actual.imag, [0, 0, 0, 0, NAN], atol=1e-200)
    if name != "logistic":
        z = np.array([709.5 + 1.57j])
        np.testing.assert_allclose(found(name, z).real, (np.exp(z) if name == "expm1" else np.exp2(z)).real)


@pytest.mark.parametrize("dtype", [C64, C128])
def test_powers(dtype: np.dtype) -> None:
    rng = np.random.default_rng(0)
    z, w = ((rng.normal(size=60) + 1j * rng.normal(size=60)).astype(dtype) for _ in range(2))
    expected = z.astype(C128) ** w.astype(C128)
    np.testing.assert_allclose(found("pow", z, w), expected, rtol=30 * float(np.finfo(dtype).eps))
    finite = GRID[np.isfinite(GRID)].astype(dtype)
    z, w = (x.ravel() for x in np.meshgrid(finite, finite))
    with np.errstate(all="ignore"):
        expected = z**w
    actual = found("pow", z, w)
    assert (np.isnan(actual) == np.isnan(expected)).all()
    assert (abs(actual - expected) <= 1e-5 * abs(expected))[~np.isnan(expected)].all()


def test_a_sign_of_nothing_is_nothing() -> None:
    assert found("sign", np.array([0j, complex(-0.0, 0)])).tolist() == [0, 0]


def test_a_quotient_by_nan_is_nan() -> None:
    with config.override(enable_x64=True):
        z, w = np.array([1 + 1j] * 3), np.array([complex(NAN, 0), complex(0, NAN), complex(NAN, NAN)])
        program = compile_to_program(staged(lambda z, w: [arithmetic.div(z, w)], z, w))
    assert np.isnan(run_program(program, [z, w])[0]).all()


@pytest.mark.parametrize("dtype", [C64, C128])
@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_are_those_of_numpy(name: str, dtype: np.dtype) -> None:
    z, w = (x.ravel() for x in np.meshgrid(GRID.astype(dtype), GRID.astype(dtype)))
    expected = {"max": np.maximum, "min": np.minimum}[name](z, w)
    np.testing.assert_array_equal(found(name, z, w), expected)
    rows = z.reshape(len(GRID), -1)
    for lines in (rows, np.where(np.isnan(rows), 1 + 1j, rows)):
        with config.override(enable_x64=True):
            fun = {"max": reduce.reduce_max, "min": reduce.reduce_min}[name]
            program = compile_to_program(staged(lambda z, fun=fun: [fun(z, (1,))], lines))
        assert kinds(program)[2] == 0
        np.testing.assert_array_equal(run_program(program, [lines])[0], getattr(np, name)(lines, axis=1))
