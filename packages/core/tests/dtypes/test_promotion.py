"""The promotion of dtypes against a table of literal results (a star marks weak results, a dash a refusal)."""

from enum import IntEnum
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from cotan import dtypes
from cotan.config import config, enable_x64
from cotan.errors import TypePromotionError
from cotan.ir.avals import shaped

TABLE = Path(__file__).with_name("promotion_table.txt")
SCALARS: dict[str, Any] = {"int": 1, "float": 1.0, "complex": 1j}


def blocks() -> list[tuple[str, bool, str, dict[str, list[str]]]]:
    out: list[tuple[str, bool, str, dict[str, list[str]]]] = []
    for line in TABLE.read_text().splitlines():
        if line.startswith("  "):
            name, *cells = line.split()
            out[-1][3][name] = cells
        else:
            function, x64, mode = line.split()
            out.append((function, x64 == "True", mode, {}))
    return out


def operand(name: str, function: str) -> Any:
    if name in SCALARS:
        return type(SCALARS[name]) if function == "promote" else SCALARS[name]
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    return dtype if function == "promote" else np.zeros((), dtype)


def result(function: str, a: Any, b: Any) -> str:
    try:
        if function == "promote":
            dtype, weak = dtypes.promote_types(a, b), False
        elif function == "lattice":
            dtype, weak = dtypes.lattice_result_type(a, b)
        else:
            dtype, weak = dtypes.result_type(a, b, return_weak_type_flag=True)
    except TypePromotionError:
        return "-"
    return dtypes.short_name(dtype).replace("f8_e4m3fn", "f8") + ("*" if weak else "")


@pytest.mark.parametrize(
    ("function", "x64", "mode", "rows"), blocks(), ids=lambda x: None if isinstance(x, dict) else str(x)
)
def test_every_pair(function: str, x64: bool, mode: str, rows: dict[str, list[str]]) -> None:
    assert len(rows) == 20
    with config.override(enable_x64=x64, numpy_dtype_promotion=mode):
        for a, cells in rows.items():
            found = [result(function, operand(a, function), operand(b, function)) for b in rows]
            assert found == cells, a


def test_weak_arrays_give_way_like_scalars() -> None:
    weak = shaped((3,), np.dtype(np.int32), True)
    assert dtypes.lattice_result_type(weak, np.int8(1)) == (np.int8, False)
    assert dtypes.lattice_result_type(weak, 1.0) == (np.float32, True)
    assert dtypes.lattice_result_type(weak) == (np.int32, True)


def test_all_weak_results_stay_weak_and_take_the_default_width() -> None:
    narrow = shaped((), np.dtype(np.int8), True)
    assert dtypes.lattice_result_type(narrow, narrow) == (np.int8, True)
    assert dtypes.result_type(narrow, narrow) == np.int32
    assert dtypes.result_type(1, 2.0) == np.float32
    with enable_x64(True):
        assert dtypes.result_type(1, 2.0) == np.float64


def test_more_than_two() -> None:
    assert dtypes.result_type(np.uint8(1), np.int8(1), 1.5) == np.float32
    assert dtypes.result_type("bfloat16", "float16", "int32") == np.float32
    assert dtypes.result_type(True, 1, np.int16(2)) == np.int16


def test_bool_is_never_weak() -> None:
    assert dtypes.lattice_result_type(True) == (np.bool_, False)
    assert dtypes.lattice_result_type(True, False) == (np.bool_, False)
    assert not dtypes.is_weakly_typed(True)


def test_keys_and_float0_mix_only_with_themselves() -> None:
    key = dtypes.KeyType("threefry2x32")
    assert dtypes.result_type(key, key) is key
    for other in (1, np.float32(1), dtypes.float0):
        with pytest.raises(TypePromotionError, match="key<fry> mix only with operands of the same dtype"):
            dtypes.result_type(key, other)
    with pytest.raises(TypePromotionError, match="float0 mix only"):
        dtypes.result_type(dtypes.float0, np.float32(1))


def test_refusals_name_the_operands_the_place_and_what_to_do() -> None:
    with pytest.raises(
        TypePromotionError, match=r"test_promotion.py:\d+, in test_refusals.*int4, int8.*int4 is never.*Cast"
    ):
        dtypes.result_type("int4", "int8")
    with (
        config.override(numpy_dtype_promotion="strict"),
        pytest.raises(TypePromotionError, match=r'int32, Python float are not.*numpy_dtype_promotion is "strict"'),
    ):
        dtypes.result_type(np.int32(1), 1.0)


def test_nothing_to_promote() -> None:
    with pytest.raises(ValueError, match="result_type: at least one"):
        dtypes.result_type()
    with pytest.raises(TypeError, match=r"a value of type list has no dtype"):
        dtypes.result_type([1, 2], 1)


def test_memory_of_results_depends_on_the_configuration() -> None:
    assert dtypes.result_type("uint32", "int32") == np.int32
    with enable_x64(True):
        assert dtypes.result_type("uint32", "int32") == np.int64
    assert dtypes.result_type("uint32", "int32") == np.int32


class Whole(IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    ("value", "kind", "weak"),
    [
        (True, "bool", False),
        (1, "int", True),
        (1.0, "float", True),
        (1j, "complex", True),
        (np.float64(1), None, False),
        (Whole.ONE, "int", True),
    ],
)
def test_python_scalars(value: Any, kind: str | None, weak: bool) -> None:
    assert dtypes.scalar_kind(value) == kind
    assert dtypes.is_python_scalar(value) is (kind is not None)
    assert dtypes.is_weakly_typed(value) is weak
    plain = dtypes.plain_scalar(value)
    assert plain == value
    assert type(plain).__name__ == (kind or type(value).__name__)


def test_scalars_must_fit_the_default_integer() -> None:
    assert dtypes.coerce_scalar(2**31 - 1, "f").dtype == np.int32
    with pytest.raises(
        OverflowError, match=r"in test_scalars_must.*: add: the Python int 2147483648 does not fit .* int32"
    ):
        dtypes.coerce_scalar(2**31, "add")
    with pytest.raises(OverflowError, match="sub"):
        dtypes.coerce_scalar(2**40, "sub", np.dtype(np.float32))
    with enable_x64(True):
        assert dtypes.coerce_scalar(2**40, "f") == 2**40
        with pytest.raises(OverflowError, match="int64"):
            dtypes.coerce_scalar(2**64, "f")


def test_scalars_wrap_to_narrower_dtypes() -> None:
    assert dtypes.coerce_scalar(300, "f", np.dtype(np.int8)) == 44
    assert dtypes.coerce_scalar(-1, "f", np.dtype(np.uint8)) == 255
    value = dtypes.coerce_scalar(1.5, "f", np.dtype(ml_dtypes.bfloat16))
    assert value.dtype == ml_dtypes.bfloat16
    assert float(value) == 1.5
    assert np.isinf(dtypes.coerce_scalar(1e300, "f"))
