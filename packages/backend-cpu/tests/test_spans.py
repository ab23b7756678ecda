"""Elementwise operations at once, as native code of any size: the same values as in programs, wherever they stand."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.ir.primitive import Primitive
from cotan.primitives import arithmetic, bessel, special, transcendental
from cotan_cpu import driver, spans
from cotan_cpu.lower.arithmetic import _SHARED_FROM

FUNCTIONS = sorted(
    {
        value.name
        for module in (transcendental, special, bessel)
        for value in vars(module).values()
        if isinstance(value, Primitive)
    }
    | {"cbrt", "pow"}
)
BINARY = {"atan2", "pow"}
SIZES = [(), (0,), (1,), (7,), (16,), (33,), (3, 0, 2), (5, 13), (127,), (1000,)]


def values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Inside the domains of all functions but acosh's, and NaN, infinities and zeros."""
    found = np.random.default_rng(seed).uniform(0.01, 0.99, shape)
    found[found < 0.1] = [np.nan, np.inf, -np.inf, 0.0, -0.0][seed % 5]
    return np.asarray(found).astype(dtype)


@pytest.fixture(params=["builtin", "ctypes"])
def entry(request, monkeypatch):
    """By a builtin that reads ndarrays, and through ctypes."""
    if request.param == "ctypes":
        monkeypatch.setattr(driver, "has_fast_entry", lambda: False)
        spans.span.cache_clear()
        yield
        spans.span.cache_clear()
    else:
        yield


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_values_are_those_of_programs(name, dtype):
    dtype = cotan.dtypes.bfloat16 if dtype == "bfloat16" else dtype
    function = getattr(lax, name)
    with cotan.enable_x64(True):
        for seed, shape in enumerate(SIZES):
            args = [cnp.asarray(values(shape, dtype, seed + k)) for k in range(1 + (name in BINARY))]
            at_once, compiled = function(*args), cotan.jit(function)(*args)
            assert at_once.aval == compiled.aval
            wide = (np.asarray(x).astype(np.float64) for x in (at_once, compiled))  # NumPy knows no NaN of bfloat16
            np.testing.assert_array_equal(*wide, err_msg=f"{name} {shape}")


def span(primitive: Primitive, *types: tuple[str, bool]) -> spans.Span:
    found = spans.span(spans.Operation(primitive, tuple((np.dtype(dtype), scalar) for dtype, scalar in types), ()))
    assert found is not None
    return found


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 63, 64, 65, 4095, 100_003])
def test_nothing_is_written_outside_the_result(entry, size):
    """By one thread or several, in a piece of memory between marks."""
    exp = span(transcendental.exp_p, ("float32", False))
    x = np.random.default_rng(size).uniform(-2, 2, size).astype(np.float32)
    for run in (exp, exp.alone, exp._shared):
        raw = np.full(size + 200, -7, np.float32)
        run(x, raw[100 : 100 + size])
        np.testing.assert_allclose(raw[100 : 100 + size], np.exp(x), rtol=1e-6)
        assert (raw[:100] == -7).all()
        assert (raw[100 + size :] == -7).all()


def test_which_operand_comes_first_is_kept(entry):
    x, y = np.float32([2, 3, 4]), np.float32([3, 2, 0.5])
    out = np.empty(3, np.float32)
    span(arithmetic.pow_p, ("float32", False), ("float32", False))(x, y, out)
    np.testing.assert_array_equal(out, [8, 9, 2])
    span(arithmetic.pow_p, ("float32", True), ("float32", False))(x[0:1].reshape(()), y, out)
    np.testing.assert_allclose(out, [8, 4, 2**0.5], rtol=1e-7)
    span(arithmetic.pow_p, ("float32", False), ("float32", True))(x, y[2:3].reshape(()), out)
    np.testing.assert_allclose(out, x**0.5, rtol=1e-7)


@pytest.mark.parametrize("size", [7, 63, 64, 65, 1003])
def test_the_result_need_not_be_what_a_kernel_names_last(entry, size):
    """The kernel of ``complex`` stores one part before it reads the other operand."""
    x, y = (np.random.default_rng(k).standard_normal(size).astype(np.float32) for k in range(2))
    made = span(arithmetic.complex_p, ("float32", False), ("float32", False))
    assert made.dtype == np.complex64
    raw = np.full(size + 200, -7, np.complex64)
    made(x, y, raw[100 : 100 + size])
    np.testing.assert_array_equal(raw[100 : 100 + size], x + 1j * y)
    assert (raw[:100] == -7).all()
    assert (raw[100 + size :] == -7).all()


def test_an_element_has_one_value_wherever_it_stands():
    x = np.random.default_rng(0).uniform(-5, 5, 1000).astype(np.float32)
    whole = np.asarray(cnp.tanh(x))
    for size in (1, 2, 5, 31, 64, 100, 999):
        np.testing.assert_array_equal(np.asarray(cnp.tanh(x[-size:])), whole[-size:])


def test_dtypes_without_native_code_go_to_the_reference():
    x = np.ones(3, ml_dtypes.float8_e4m3fn)
    assert spans.span(spans.Operation(transcendental.exp_p, ((x.dtype, False),), ())) is None
    np.testing.assert_array_equal(np.asarray(lax.exp(x)).astype(np.float32), 2.75)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "neg", "sqrt"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_arithmetic_is_exact(name, dtype):
    """Large arrays of floats take another way than small ones: IEEE 754 leaves no choice of values."""
    size = _SHARED_FROM // np.dtype(dtype).itemsize + 11
    x, y = values((size,), dtype, 1), values((size,), dtype, 4) - np.dtype(dtype).type(0.5)
    ufunc = {"sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative}.get(name)
    ufunc = ufunc or getattr(np, name)
    with cotan.enable_x64(True), np.errstate(all="ignore"):
        if name in ("neg", "sqrt"):
            cases = [(y,)]
        else:
            cases = [(x, y), (x, y[3]), (x[5], y)]
        for case in cases:
            for _ in range(2):  # the second time by the short way
                result = getattr(lax, name)(*map(cnp.asarray, case))
            np.testing.assert_array_equal(np.asarray(result), ufunc(*case))
            assert result.dtype == dtype
