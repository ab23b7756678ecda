"""Which dtypes exist, their kinds, names and canonical forms."""

import copy
import pickle
import warnings
from enum import IntEnum
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from cotan import dtypes
from cotan.config import config, enable_x64


@pytest.mark.parametrize(
    ("given", "narrow", "wide"),
    [
        ("float64", "float32", "float64"),
        (int, "int32", "int64"),
        (float, "float32", "float64"),
        (complex, "complex64", "complex128"),
        (bool, "bool", "bool"),
        (np.uint64, "uint32", "uint64"),
        (np.dtype(">f4"), "float32", "float32"),
        (np.longlong, "int32", "int64"),
        ("int8", "int8", "int8"),
        (ml_dtypes.bfloat16, "bfloat16", "bfloat16"),
        (np.zeros(2, np.int16), "int16", "int16"),
    ],
)
def test_canonical_forms(given: Any, narrow: str, wide: str) -> None:
    assert dtypes.canonicalize_dtype(given).name == narrow
    with enable_x64(True):
        assert dtypes.canonicalize_dtype(given).name == wide
    assert dtypes.canonicalize_dtype(given).isnative


def test_long_long_is_the_very_int64() -> None:
    with enable_x64(True):
        assert dtypes.canonicalize_dtype(np.longlong) is np.dtype(np.int64)


@pytest.mark.parametrize("bad", [object, "U3", "M8[s]", "S1", [("a", "i4")], np.longdouble])
def test_dtypes_that_arrays_cannot_have(bad: Any) -> None:
    with pytest.raises(TypeError, match="arrays cannot have the dtype"):
        dtypes.canonicalize_dtype(np.dtype(bad))


def test_names_that_are_no_dtype() -> None:
    with pytest.raises(TypeError, match="'spam' is not a dtype"):
        dtypes.canonicalize_dtype("spam")
    with pytest.raises(TypeError, match="has no dtype"):
        dtypes.dtype(None)


def test_narrow_types_by_name() -> None:
    for name in ("bfloat16", "int4", "uint2", "float8_e5m2", "float4_e2m1fn"):
        assert dtypes.as_dtype(name) == np.dtype(getattr(ml_dtypes, name))


class Color(IntEnum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, "int32"), (1.0, "float32"), (True, "bool"), (1j, "complex64"), (np.ones(2), "float32"), (np.int64(1), "int32"),
     (int, "int32"), ("float16", "float16"), (np.float16, "float16"), (Color.RED, "int32")],
)  # fmt: skip
def test_dtype_of_values(value: Any, expected: str) -> None:
    assert dtypes.dtype(value).name == expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("bfloat16", np.floating, True), ("bfloat16", np.inexact, True), ("bfloat16", np.integer, False),
        ("float8_e5m2", np.floating, True), ("int4", np.signedinteger, True), ("uint2", np.unsignedinteger, True),
        ("int32", np.integer, True), ("int32", np.inexact, False), ("int32", "int32", True), ("int32", "int64", False),
        ("int32", int, False), (int, np.integer, True), ("complex64", np.complexfloating, True),
        (np.float32, np.floating, True), (np.float32, np.float32, True), ("bool", np.bool_, True),
        ("bool", np.number, False), (dtypes.float0, np.floating, False), (dtypes.float0, np.bool_, False),
        (dtypes.prng_key, dtypes.extended, True), (dtypes.extended, np.generic, True),
        (np.float32, dtypes.extended, False), (np.float32, np.generic, True),
    ],
)  # fmt: skip
def test_kinds(a: Any, b: Any, expected: bool) -> None:
    assert dtypes.issubdtype(a, b) is expected


def test_key_dtypes() -> None:
    key = dtypes.KeyType("threefry2x32")
    assert repr(key) == str(key) == dtypes.short_name(key) == "key<fry>"
    assert key.itemsize == 8
    assert (key.base, key.trailing, key.impl) == (np.uint32, (2,), "threefry2x32")
    assert dtypes.KeyType("threefry2x32") is key
    assert pickle.loads(pickle.dumps(key)) is key
    assert copy.deepcopy(key) is key
    assert key != np.dtype(np.uint32)
    assert np.dtype(np.uint32) != key
    assert dtypes.canonicalize_dtype(key) is key
    assert dtypes.is_extended(key)
    assert dtypes.issubdtype(key, dtypes.prng_key)
    assert dtypes.issubdtype(key, key)
    assert not dtypes.issubdtype(key, np.integer)
    assert not dtypes.issubdtype(np.uint32, key)


def test_key_dtypes_are_defined_once() -> None:
    with pytest.raises(ValueError, match=r"no random generator named 'dice'; known are threefry2x32"):
        dtypes.KeyType("dice")
    assert dtypes.define_key_type("threefry2x32", "fry", (2,)) is dtypes.KeyType("threefry2x32")
    with pytest.raises(ValueError, match="already defined as key<fry>"):
        dtypes.define_key_type("threefry2x32", "fry", (4,))


@pytest.mark.parametrize(
    ("dtype", "name"),
    [("float32", "f32"), ("int8", "i8"), ("uint16", "u16"), ("bool", "bool"), ("bfloat16", "bf16"),
     ("complex64", "c64"),
     ("float8_e4m3fn", "f8_e4m3fn"), ("int4", "i4"), ("float6_e2m3fn", "f6_e2m3fn"), (dtypes.float0, "float0")],
)  # fmt: skip
def test_short_names(dtype: Any, name: str) -> None:
    assert dtypes.short_name(dtype) == name


def test_limits() -> None:
    assert dtypes.finfo("bfloat16").nmant == 7
    assert dtypes.finfo(np.float32).bits == 32
    assert dtypes.iinfo("int4").max == 7
    assert dtypes.iinfo(np.int16).min == -32768
    assert [dtypes.itemsize_bits(d) for d in ("bool", "int4", "float4_e2m1fn", "float32", "complex64")] == [
        1,
        4,
        4,
        32,
        64,
    ]


@pytest.mark.parametrize(
    ("dtype", "inexact", "real", "complex_", "numeric"),
    [
        ("bool", "float32", "float32", "complex64", "int32"),
        ("int4", "float32", "float32", "complex64", "int4"),
        ("uint16", "float32", "float32", "complex64", "uint16"),
        ("float16", "float16", "float16", "complex64", "float16"),
        ("bfloat16", "bfloat16", "bfloat16", "complex64", "bfloat16"),
        ("complex64", "complex64", "float32", "complex64", "complex64"),
    ],
)
def test_related_dtypes(dtype: str, inexact: str, real: str, complex_: str, numeric: str) -> None:
    assert dtypes.to_inexact_dtype(dtype).name == inexact
    assert dtypes.to_floating_dtype(dtype).name == real
    assert dtypes.to_complex_dtype(dtype).name == complex_
    assert dtypes.to_numeric_dtype(dtype).name == numeric


def test_related_dtypes_of_wide_ones() -> None:
    assert dtypes.to_inexact_dtype("int64") == np.float32
    with enable_x64(True):
        assert dtypes.to_inexact_dtype("int64") == np.float64
        assert dtypes.to_inexact_dtype("int32") == np.float32
        assert dtypes.to_floating_dtype("complex128") == np.float64
        assert dtypes.to_complex_dtype("float64") == np.complex128
    with pytest.raises(TypeError, match="no floating-point values of the dtype key<fry>"):
        dtypes.to_inexact_dtype(dtypes.KeyType("threefry2x32"))


def test_isdtype() -> None:
    assert dtypes.isdtype("bfloat16", "real floating")
    assert dtypes.isdtype("int4", ("bool", "signed integer"))
    assert not dtypes.isdtype("float32", ("integral", "bool"))
    assert dtypes.isdtype("float32", np.float32)
    with pytest.raises(ValueError, match="'fluffy' is neither a dtype nor one of the kinds bool"):
        dtypes.isdtype("float32", "fluffy")


def test_asking_for_a_wide_dtype_warns_at_the_users_line() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert dtypes.check_user_dtype("float64", "zeros") == np.float32
    (warning,) = caught
    assert warning.filename == __file__
    assert str(warning.message).startswith(
        "zeros: the dtype float64 was asked for while 64-bit types are off; it is truncated"
    )
    assert "COTAN_ENABLE_X64=1" in str(warning.message)


def test_asking_for_other_dtypes_does_not_warn() -> None:
    assert dtypes.check_user_dtype(None, "zeros") is None
    assert dtypes.check_user_dtype(float, "zeros") == np.float32
    assert dtypes.check_user_dtype("int8", "zeros") == np.int8
    assert dtypes.check_user_dtype(dtypes.KeyType("threefry2x32"), "zeros").name == "key<fry>"
    with enable_x64(True):
        assert dtypes.check_user_dtype("float64", "zeros") == np.float64


def test_wide_dtypes_refused_or_granted() -> None:
    with (
        config.override(explicit_x64_dtypes="error"),
        pytest.raises(ValueError, match=r"ones: the dtype int64.*Ask for int32"),
    ):
        dtypes.check_user_dtype("int64", "ones")
    with config.override(explicit_x64_dtypes="allow"):
        assert dtypes.check_user_dtype("int64", "ones") == np.int64
    with pytest.raises(TypeError, match=r"ones: .*cannot have the dtype object"):
        dtypes.check_user_dtype(object, "ones")
