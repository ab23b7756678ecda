"""Equations of every primitive can be written and read, or say why not."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

import cotan
from cotan.config import config
from cotan.export import encoding
from cotan.export.encoding import NotData, Reader, Writer, record_types, register_param_object, register_param_type
from cotan.export.programs import ProgramReader, ProgramWriter
from cotan.ir.avals import get_aval, shaped
from cotan.ir.structure import structure
from cotan.testing.operators.table import load
from cotan.transforms.stage import stage_closed


@pytest.fixture(autouse=True)
def wide() -> Iterator[None]:
    with config.override(enable_x64=True, check_jaxprs=True):
        yield


def roundtrip(closed):
    writer = ProgramWriter()
    writer.closed(closed)
    reader = ProgramReader(bytes(writer.out))
    again = reader.program()
    assert reader.place == len(reader.data)
    return again


@pytest.mark.parametrize("operator", load().values(), ids=lambda operator: operator.primitive.name)
def test_samples(operator):
    primitive = operator.primitive
    for sample in operator.samples:
        avals = [get_aval(x) for x in sample.args]

        def bind(*args, sample=sample):
            out = primitive.bind(*args, **sample.params)
            return out if primitive.multiple_results else [out]

        closed = stage_closed(bind, avals, name="f")
        try:
            again = roundtrip(closed)
        except NotData as error:
            assert callable(error.value)  # noqa: PT017
            continue
        assert str(again) == str(closed)
        for eqn, other in zip(closed.eqns, again.eqns, strict=True):
            assert list(eqn.params) == list(other.params)
            assert eqn.effects == other.effects
        # Sources lose their directories; all else is the same text.
        here = [eqn.replace(source=None) for eqn in closed.eqns]
        there = [eqn.replace(source=None) for eqn in again.eqns]
        assert structure(closed.jaxpr.replace(eqns=here)) == structure(again.jaxpr.replace(eqns=there))


# ---- Values


def value_roundtrip(value):
    writer = Writer()
    writer.value(value)
    reader = Reader(bytes(writer.out))
    again = reader.value()
    assert reader.place == len(reader.data)
    return again


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, 1, -1, 127, 128, -(2**70), 2**100, 0.5, math.inf, -math.inf, 1e-320, 2 - 3j]
    + ["", "é\ud800", b"\0"]
    + [(), (1, (2.0, None)), [1, "a"], frozenset({1}), np.dtype("int4"), np.dtype("bfloat16"), cotan.float0]
    + [cotan.random.key(0).dtype, shaped((2, 3), np.dtype("float32"), True), np.float16(2), np.complex64(1j)],
    ids=repr,
)  # fmt: skip
def test_plain_values(value):
    again = value_roundtrip(value)
    assert type(again) is type(value)
    assert again == value


def test_values_that_are_equal_and_not_the_same():
    assert math.isnan(value_roundtrip(math.nan))
    assert math.copysign(1, value_roundtrip(-0.0)) == -1
    assert value_roundtrip((1, True, 1.0)).__repr__() == "(1, True, 1.0)"
    array = value_roundtrip(np.array([[1.0, np.nan]], ">f8"))
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, [[1.0, np.nan]])


@pytest.mark.parametrize(
    "value",
    [object(), lambda: 0, {}, {1}, np.dtype("O"), np.dtype("S3"), Fraction(1, 2)],
    ids=lambda value: type(value).__name__,
)
def test_values_that_are_no_data(value):
    with pytest.raises(NotData, match="cannot be written as data"):
        value_roundtrip((1, value))


def test_deeply_nested_values():
    value = ()
    for _ in range(encoding.DEEPEST + 1):
        value = (value,)
    with pytest.raises(NotData):
        value_roundtrip(value)
    with pytest.raises(ValueError, match="nested too deeply"):
        Reader(b"T\x01" * 1000 + b"n").value()


def test_huge_numbers_and_counts():
    with pytest.raises(ValueError, match="too large"):
        Reader(b"i" + b"\xff" * 10_000).value()
    with pytest.raises(ValueError, match="ends too early"):
        Reader(b"T\xff\xff\xff\xff\x0f").value()


# ---- Types that others add


@dataclasses.dataclass(frozen=True)
class Mine:
    n: int


class Kind(enum.Enum):
    ONE = 1


def test_types_of_others_need_registration(monkeypatch):
    monkeypatch.setattr(encoding, "_by_class", {})
    monkeypatch.setattr(encoding, "_by_name", {})
    for value in (Mine(3), Kind.ONE):
        with pytest.raises(NotData):
            value_roundtrip(value)

    def make(data):
        if not isinstance(data, int):
            raise ValueError("no number")
        return Mine(data)

    register_param_type(Mine, name="mine", to_data=lambda m: m.n, from_data=make)
    assert value_roundtrip((Mine(3), Mine(4))) == (Mine(3), Mine(4))
    with pytest.raises(ValueError, match="Mine is registered already, as 'mine'"):
        register_param_type(Mine, name="other", to_data=lambda m: m.n, from_data=Mine)
    with pytest.raises(ValueError, match="the name 'mine' is taken by Mine"):
        register_param_type(Kind, name="mine", to_data=lambda m: m.n, from_data=Mine)
    writer = Writer()
    writer.value(Mine("a"))
    with pytest.raises(ValueError, match="a value of type 'mine' cannot be read: no number"):
        Reader(bytes(writer.out)).value()
    encoding._by_name.clear()
    with pytest.raises(ValueError, match="type 'mine', which is not registered here"):
        Reader(bytes(writer.out)).value()


def test_objects_by_name(monkeypatch):
    monkeypatch.setattr(encoding, "_objects", {})
    monkeypatch.setattr(encoding, "_object_names", {})

    def policy():
        return True

    with pytest.raises(NotData):
        value_roundtrip(policy)
    register_param_object(policy, name="policy")
    assert value_roundtrip((policy,)) == (policy,)
    with pytest.raises(ValueError, match="the name 'policy' is registered already"):
        register_param_object(policy, name="policy")
    with pytest.raises(ValueError, match="refers to 'nobody', which is not known here"):
        Reader(b"O\x00\x06nobody").value()


def test_names_of_record_types_are_unique():
    assert [name for name, cls in record_types().items() if cls is object] == []


def test_records_are_built_from_known_fields_only():
    with pytest.raises(ValueError, match="holds a 'Popen', which is not known here"):
        Reader(b"N\x00\x05Popen" + b"T\x00").value()
    with pytest.raises(ValueError, match="'GatherDimensionNumbers' cannot be read: TypeError"):
        Reader(b"N\x00\x16GatherDimensionNumbers" + b"T\x00").value()
