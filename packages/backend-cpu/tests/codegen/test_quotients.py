"""Division of 8-bit integers by constants: every quotient, to the last bit and the sign of zero, as NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_harness import elementwise, targets

from cotan.ir import scalar
from cotan_cpu.codegen import quotients

F32 = np.dtype(np.float32)
TARGETS = pytest.mark.parametrize("target", targets(), ids=lambda target: target.cpu)
DIVISORS = [255.0, 127.5, 3.0, 7.0, -255.0, 0.1, 58.395, 1e10, 1e-10, 2.0, np.inf, 1e-30, 3e38, 0.0, np.nan]


def divide(x, divisor, target):
    constant = scalar.const(divisor, F32)
    return elementwise(lambda x: scalar.div(scalar.cast(x, F32), constant), [x], F32, target)


@TARGETS
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.bool_])
@pytest.mark.parametrize("divisor", DIVISORS)
def test_all_quotients(dtype, divisor, target):
    x = np.arange(256).astype(dtype)
    with np.errstate(all="ignore"):
        wanted = x.astype(F32) / F32.type(divisor)
    found = divide(x, F32.type(divisor), target)
    np.testing.assert_array_equal(found, wanted)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found)[numbers], np.signbit(wanted)[numbers])


def test_random_divisors_have_a_reciprocal_that_is_exact():
    rng = np.random.default_rng(0)
    x = np.arange(256, dtype=np.uint8)
    for divisor in (rng.standard_normal(60) * 10.0 ** rng.integers(-15, 15, 60)).astype(F32):
        assert quotients.reciprocal(x.dtype, float(divisor)) == 1 / divisor
        np.testing.assert_array_equal(divide(x, divisor, targets()[0]), x / divisor)


@pytest.mark.parametrize("divisor", [np.inf, np.nan, 0.0, 2.0**61, 2.0**-61])
def test_divisors_that_have_no_reciprocal(divisor):
    assert quotients.reciprocal(np.dtype(np.uint8), divisor) is None


@pytest.mark.parametrize("dtype", [np.bool_, np.uint16, np.int32, np.float16])
def test_dtypes_that_have_no_reciprocal(dtype):
    assert quotients.reciprocal(np.dtype(dtype), 255.0) is None
