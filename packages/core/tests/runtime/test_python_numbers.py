"""Arrays of no dimensions where Python wants numbers: formats, round, int, floor, index; against NumPy's scalars."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import random
from cotan.errors import ConcretizationTypeError

VALUES = [
    *(np.float32(1.2345), np.float16(-2.5), cnp.bfloat16.dtype.type(1.2345), np.float32(np.inf), np.float32(np.nan)),
    *(np.int32(-7), np.uint8(200), np.bool_(True), np.complex64(1.1 - 2j)),
]
SPECS = ["", ".3f", "g", "10", ">12", "+.2e", ".1%", "d", "05d", "x", "b", "s", "oops", ",", ".2"]


def outcome(call):
    """What it gives, or the type of what it raises."""
    try:
        return call()
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{v.dtype}:{v}")
@pytest.mark.parametrize("spec", SPECS)
def test_formats(value, spec):
    assert outcome(lambda: format(cnp.array(value), spec)) == outcome(lambda: format(value, spec))


@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{v.dtype}:{v}")
@pytest.mark.parametrize("form", ["%f", "%d", "%.1e", "%x", "%c"])
def test_old_formats(value, form):
    expected = outcome(lambda: form % value)
    if np.issubdtype(value.dtype, np.complexfloating):
        expected = TypeError
    # NumPy's bool stands for no integer, as here.
    assert outcome(lambda: form % cnp.array(value)) == expected


@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{v.dtype}:{v}")
@pytest.mark.parametrize("function", [int, float, complex, bool, math.floor, math.ceil, math.isnan, operator.index])
def test_conversions(value, function):
    if np.issubdtype(value.dtype, np.complexfloating) and function not in (complex, bool):
        expected = TypeError  # NumPy leaves the imaginary part away, and warns
    else:
        expected = outcome(lambda: function(value))
    found = outcome(lambda: function(cnp.array(value)))
    assert found == expected or (found != found and expected != expected)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8", "uint8", "int32", "bool"])
@pytest.mark.parametrize("x64", [False, True])
def test_round_gives_integers_and_with_digits_the_same_dtype(dtype, x64):
    with cotan.enable_x64(x64):
        x = np.array([[0.5, 1.5, 2.25], [-0.5, -1.5, 1.0]]).clip(0 if dtype in ("uint8", "bool") else None)
        x = x.astype(cnp.dtype(dtype))
        for transform in (lambda f: f, cotan.jit):
            whole = transform(lambda v: round(v))(cnp.array(x))
            assert whole.dtype == ("int64" if x64 else "int32")
            np.testing.assert_array_equal(whole, np.round(x.astype(np.float64)))
            fine = transform(lambda v: round(v, 1))(cnp.array(x))
            assert fine.dtype == x.dtype
            np.testing.assert_allclose(fine.astype(np.float32), np.round(x.astype(np.float32), 1), rtol=1e-2)


def test_round_of_what_is_no_integer():
    np.testing.assert_array_equal(
        round(cnp.array([np.nan, np.inf, -np.inf, 3e10])), [0, 2**31 - 1, -(2**31), 2**31 - 1]
    )
    with pytest.raises(TypeError, match=r"test_python_numbers.py:\d+, in .* round\(\) of a complex array"):
        round(cnp.array(1 + 2j))


def test_formats_of_arrays_and_keys():
    x = cnp.array([1.5, 2.5])
    assert f"{x}" == str(x) == "[1.5 2.5]"
    assert f"{random.key(0)}" == str(random.key(0))
    with pytest.raises(TypeError, match=r"the format '.2f' needs an array of no dimensions"):
        f"{x:.2f}"


def test_formats_of_traced_arrays():
    with pytest.raises(ConcretizationTypeError, match=r"the format '.2f' needs the value .* `x`\. cotan\.debug\.print"):
        cotan.jit(lambda x: f"{x:.2f}")(1.0)
    seen = []
    cotan.grad(lambda x: seen.append(f"{x:.2f}") or x)(1.0)
    assert seen == ["1.00"]
