"""Algorithms of products, products with factors, and what may be asked of elementary functions' accuracy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax

_Preset = lax.DotAlgorithmPreset


def _random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _tf32(x):
    """Rounding to 10 bits of the significand, half to even."""
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    bits = bits + 0xFFF + ((bits >> 13) & 1)
    return (bits & 0xFFFFE000).astype(np.uint32).view(np.float32)


_ROUND = {
    "F16": lambda x: x.astype(np.float16), "BF16": lambda x: x.astype(ml_dtypes.bfloat16), "TF32": _tf32,
    "F32": lambda x: x.astype(np.float32),
}  # fmt: skip


@pytest.mark.parametrize("name", ["F16_F16_F32", "BF16_BF16_F32", "TF32_TF32_F32", "F32_F32_F32"])
def test_operands_are_rounded_as_the_name_says(name):
    a, b = _random(5, 40), _random(40, 6, seed=1)
    rounded = _ROUND[name.split("_")[0]]
    expected = rounded(a).astype(np.float64) @ rounded(b).astype(np.float64)
    for precision in (name, _Preset[name]):
        out = cnp.matmul(a, b, precision=precision)
        assert out.dtype == np.float32
        np.testing.assert_allclose(out, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "error"),
    [("BF16_BF16_F32", 1e-1), ("BF16_BF16_F32_X3", 3e-4), ("BF16_BF16_F32_X6", 4e-6), ("BF16_BF16_F32_X9", 4e-6),
     ("TF32_TF32_F32", 1e-2), ("TF32_TF32_F32_X3", 6e-6)],
)  # fmt: skip
def test_several_parts_come_nearer(name, error):
    a, b = _random(5, 40), _random(40, 6, seed=1)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    found = np.abs(np.asarray(lax.dot(a, b, precision=name)) - exact).max()
    assert found < error
    if error > 1e-5:
        assert found > error / 50  # it is not simply the exact product


def test_dtypes_of_results_and_sums():
    half = np.float16([60000, 60000, -60000])
    ones = np.ones(3, np.float16)
    assert lax.dot(half, ones, precision="F16_F16_F32").dtype == np.float16
    wide = lax.dot(half, ones, precision="F16_F16_F32", preferred_element_type=np.float32)
    assert (wide.dtype, float(wide)) == (np.float32, 60000.0)
    assert lax.dot(_random(3), _random(3), precision="DEFAULT").dtype == np.float32
    small = np.array([1.5, -2, 3]).astype(ml_dtypes.float8_e4m3fn)
    for name in ("ANY_F8_ANY_F8_F32", "ANY_F8_ANY_F8_ANY_FAST_ACCUM"):
        out = lax.dot(small, small, precision=name, preferred_element_type=np.float32)
        assert float(out) == 15.25
    with cotan.enable_x64(True):
        assert lax.dot(_random(3), _random(3), precision="F64_F64_F64", preferred_element_type=np.float64).dtype == "f8"


def test_an_algorithm_of_ones_own():
    a, b = _random(5, 40), _random(40, 6, seed=1)
    own = lax.DotAlgorithm(np.float16, ml_dtypes.bfloat16, np.float32)
    expected = a.astype(np.float16).astype(np.float64) @ b.astype(ml_dtypes.bfloat16).astype(np.float64)
    np.testing.assert_allclose(lax.dot(a, b, precision=own), expected, rtol=2e-5, atol=2e-5)
    compiled = cotan.jit(lambda a, b: lax.dot(a, b, precision=own))(a, b)
    np.testing.assert_allclose(compiled, expected, rtol=2e-5, atol=2e-5)


def test_derivatives_of_products_by_algorithm():
    a, b = _random(5, 4), _random(4, 3, seed=1)
    slope = cotan.grad(lambda a: lax.dot(a, b, precision="BF16_BF16_F32").sum())(a)
    np.testing.assert_allclose(slope, np.broadcast_to(b.sum(1), (5, 4)), rtol=2e-2, atol=2e-2)


def test_errors_of_algorithms_say_what_to_do():
    ints, small = np.ones(2, np.int32), np.ones(2, np.float32)
    with pytest.raises(TypeError, match="products of real floats, got i32"):
        lax.dot(ints, ints, precision="F32_F32_F32")
    with pytest.raises(TypeError, match="8-bit floating dtypes, got f32"):
        lax.dot(small, small, precision="ANY_F8_ANY_F8_F32")
    with pytest.raises(ValueError, match="num_primitive_operations=3"):
        lax.dot(small, small, precision=lax.DotAlgorithm(np.float16, np.float16, np.float32, 1, 2, 3))
    with pytest.raises(ValueError, match="float64, which is off"):
        lax.dot(small, small, precision="F64_F64_F64")
    with pytest.raises(ValueError, match="unknown precision 'F99'"):
        lax.dot(small, small, precision="F99")


def _repeated(scale, axis, times):
    return np.repeat(scale.astype(np.float32), times, axis)


def test_products_with_factors():
    lhs, rhs = _random(3, 2, 8).astype(ml_dtypes.float8_e4m3fn), _random(3, 8, 5, seed=1).astype(ml_dtypes.float8_e5m2)
    left = (2.0 ** np.random.default_rng(2).integers(-3, 3, (3, 2, 2))).astype(ml_dtypes.float8_e8m0fnu)
    right = (2.0 ** np.random.default_rng(3).integers(-3, 3, (3, 4, 5))).astype(ml_dtypes.float8_e8m0fnu)
    exact = (lhs.astype(np.float32) * _repeated(left, 2, 4)) @ (rhs.astype(np.float32) * _repeated(right, 1, 2))
    out = lax.scaled_dot(lhs, rhs, lhs_scale=left, rhs_scale=right, preferred_element_type=np.float32)
    np.testing.assert_allclose(out, exact, rtol=1e-5, atol=1e-6)
    usual = lax.scaled_dot(lhs, rhs, lhs_scale=left, rhs_scale=right)
    assert usual.dtype == ml_dtypes.bfloat16
    np.testing.assert_allclose(usual.astype(np.float32), exact, rtol=1e-2, atol=1e-2)
    plain = lax.scaled_dot(_random(2, 4), _random(4, 3, seed=1), preferred_element_type=np.float32)
    np.testing.assert_allclose(plain, _random(2, 4) @ _random(4, 3, seed=1), rtol=1e-5, atol=1e-6)
    other = (((0,), (0,)), ((), ()))
    scales = np.float32([[2.0, 3.0]])
    turned = lax.scaled_dot(
        _random(4, 2), _random(4, 3), lhs_scale=scales, dimension_numbers=other, preferred_element_type=np.float32
    )
    np.testing.assert_allclose(turned, (_random(4, 2) * [2, 3]).T @ _random(4, 3), rtol=1e-5, atol=1e-6)


def test_errors_of_products_with_factors():
    with pytest.raises(TypeError, match="need dimension_numbers"):
        lax.scaled_dot(np.ones(3), np.ones(3))
    with pytest.raises(TypeError, match="rhs_scale must have the shape"):
        lax.scaled_dot(np.ones((2, 4)), np.ones((4, 3)), rhs_scale=np.ones((3, 3)))


@pytest.mark.parametrize(
    "name", ["cbrt", "cos", "exp", "exp2", "expm1", "log", "log1p", "logistic", "rsqrt", "sin", "sqrt", "tan", "tanh"]
)
def test_accuracy_that_is_asked_for_is_there_already(name):
    x = np.linspace(0.1, 2, 9, dtype=np.float32)
    function = getattr(lax, name)
    for accuracy in (lax.AccuracyMode.HIGHEST, lax.AccuracyMode.DEFAULT, lax.Tolerance(rtol=1e-3, atol=1e-5)):
        np.testing.assert_array_equal(function(x, accuracy=accuracy), function(x))
    with pytest.raises(TypeError, match=f"{name}: accuracy must be a cotan.lax.Tolerance"):
        function(x, accuracy="high")


def test_tolerances():
    assert lax.Tolerance(ulps=2) == lax.Tolerance(ulps=2) != lax.Tolerance(ulps=3)
    assert len({lax.Tolerance(atol=0.5), lax.Tolerance(atol=0.5)}) == 1
    assert repr(lax.Tolerance(rtol=0.5)) == "Tolerance(atol=0.0, rtol=0.5, ulps=0)"
    with pytest.raises(ValueError, match="must not be negative"):
        lax.Tolerance(atol=-1)
    with pytest.raises(ValueError, match="no result is exact"):
        lax.Tolerance()
