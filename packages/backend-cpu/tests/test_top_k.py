"""top_k: native code against the reference, bit for bit, with ties, NaNs of both signs, zeros and infinities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.config import config
from cotan.ir.primitive import reference
from cotan.primitives.sort import top_k_p
from cotan_cpu.lower import top_k

SHAPES = [((7,), 0), ((100,), 0), ((3, 37), 1), ((5, 160), 1), ((16, 3, 4), 0), ((33, 20, 2), 1), ((1000,), 0)]
DTYPES = ["float32", "float64", "int8", "uint8", "int16", "uint32", "int64", "uint64"]


def sample(dtype: str, shape: Any) -> Any:
    rng = np.random.default_rng(0)
    if not dtype.startswith("float"):
        return rng.integers(0, 50, shape).astype(dtype)
    x = (rng.normal(size=shape) * 20).round().astype(dtype)
    special = rng.random(shape)
    for place, value in enumerate((np.nan, -np.nan, 0.0, -0.0, np.inf, -np.inf)):
        x[(special > place * 0.05) & (special < place * 0.05 + 0.05)] = value
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_as_the_reference(shape, axis, dtype):
    with config.override(enable_x64=True):
        x = sample(dtype, shape)
        for k in sorted({1, 2, 5, min(16, shape[axis]), min(shape[axis], top_k.MOST + 1)}):
            values, places = cotan.jit(lambda y, k=k: lax.top_k(y, k, axis=axis))(cnp.asarray(x))
            expected, expected_places = reference[top_k_p](x, k=k, axis=axis)
            np.testing.assert_array_equal(np.asarray(places), expected_places)
            assert np.asarray(values).tobytes() == np.ascontiguousarray(expected).tobytes()


def test_large_k_and_other_dtypes_are_not_native():
    assert top_k.is_native(np.dtype(np.float32), top_k.MOST)
    assert not top_k.is_native(np.dtype(np.float32), top_k.MOST + 1)
    assert not top_k.is_native(np.dtype(np.float16), 3)
