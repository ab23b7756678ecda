"""Names that few programs use, each by value: small dtypes, abstract types, printing, contexts."""

from __future__ import annotations

import logging
import warnings

import ml_dtypes
import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import random
from cotan.config import config

VALUES = np.float32([0.3, 1, 2.5, 0.0625, 12, 100])

FLOATS = {
    "float8_e3m4": cnp.float8_e3m4,
    "float8_e4m3": cnp.float8_e4m3,
    "float8_e4m3b11fnuz": cnp.float8_e4m3b11fnuz,
    "float8_e4m3fnuz": cnp.float8_e4m3fnuz,
    "float8_e5m2fnuz": cnp.float8_e5m2fnuz,
    "float8_e8m0fnu": cnp.float8_e8m0fnu,
}


@pytest.mark.parametrize("name", FLOATS)
def test_floats_of_eight_bits(name):
    kind, theirs = FLOATS[name], getattr(ml_dtypes, name)
    with np.errstate(all="ignore"):
        expected = VALUES.astype(theirs)
    found = cnp.asarray(VALUES).astype(kind)
    assert (found.dtype, found.nbytes) == (theirs, 6)
    np.testing.assert_array_equal(np.asarray(found).view(np.uint8), expected.view(np.uint8))
    back = cotan.jit(lambda x: x.astype(kind).astype(np.float32) * 2)(VALUES)
    np.testing.assert_array_equal(back, expected.astype(np.float32) * 2)
    assert cnp.asarray([1.0, 2.0], kind).tolist() == [1, 2]


@pytest.mark.parametrize(("kind", "values"), [(cnp.int2, [-2, -1, 0, 1]), (cnp.uint2, [0, 1, 2, 3])])
def test_integers_of_two_bits(kind, values):
    x = cnp.asarray(values, kind)
    assert x.dtype == kind
    assert x.tolist() == values
    assert (cnp.iinfo(kind).min, cnp.iinfo(kind).max) == (values[0], values[-1])
    assert cotan.jit(lambda x: x.astype(np.int32) * 3)(x).tolist() == [3 * v for v in values]
    assert (x + kind(1)).tolist() == [*values[1:], values[0]]  # it wraps


@pytest.mark.parametrize(
    ("dtype", "parent"),
    [
        (np.str_, cnp.character),
        (np.str_, cnp.flexible),
        (np.void, cnp.flexible),
        (np.float32, cnp.generic),
        (cnp.bfloat16, cnp.generic),
        (object, cnp.object_),
    ],
)
def test_abstract_types(dtype, parent):
    assert cnp.issubdtype(dtype, parent)
    assert cnp.issubdtype(np.int32, parent) == (parent is cnp.generic)


def test_a_lost_imaginary_part_is_reported():
    with pytest.warns(cnp.ComplexWarning):
        np.complex64([1 + 2j]).astype(np.float32)
    assert issubclass(cnp.ComplexWarning, RuntimeWarning)


def test_arrays_from_elsewhere():
    data = bytes(range(8))
    np.testing.assert_array_equal(cnp.frombuffer(data, np.uint8, 3, 2), [2, 3, 4])
    np.testing.assert_array_equal(cnp.frombuffer(data, np.int16), np.frombuffer(data, np.int16))
    found = cnp.fromfunction(lambda i, j: 10 * i + j, (2, 3), dtype=np.int32)
    np.testing.assert_array_equal(found, [[0, 1, 2], [10, 11, 12]])
    assert [cnp.iterable(x) for x in ([1], cnp.ones(2), "a", 3)] == [True, True, True, False]


def test_printing():
    before = cnp.get_printoptions()
    try:
        cnp.set_printoptions(precision=2, suppress=True)
        assert cnp.get_printoptions()["precision"] == 2
        assert str(cnp.asarray([1 / 3, 2.0])) == "[0.33 2.  ]"
        cnp.set_printoptions(3)
        with cnp.printoptions(4):
            assert cnp.get_printoptions()["precision"] == 4
        assert cnp.get_printoptions()["precision"] == 3
    finally:
        cnp.set_printoptions(**before)
    assert cnp.get_printoptions()["precision"] == before["precision"]


def test_where_an_array_begins():
    x = cnp.arange(3.0)
    assert x.unsafe_buffer_pointer() == np.asarray(x).ctypes.data


def test_the_other_numbering_of_threefry():
    key = random.key(0)
    one_by_one = [4070199207, 4202968722, 1427181096, 2012915765]
    halves = [4146024105, 967050713, 2718843009, 1272950319]  # one block gives numbers 0 and 2, the next 1 and 3
    assert random.bits(key, (4,)).tolist() == one_by_one
    with cotan.threefry_partitionable(False):
        assert config.threefry_partitionable is False
        assert random.bits(key, (4,)).tolist() == halves
    with cotan.threefry_partitionable(True):
        assert random.bits(key, (4,)).tolist() == one_by_one


def test_why_a_function_is_traced_again(caplog):
    f = cotan.jit(lambda x: x + 1)
    f(np.float32([1]))
    with caplog.at_level(logging.WARNING, "cotan"), cotan.explain_cache_misses(True):
        assert f(np.float32([1, 2])).tolist() == [2, 3]
    assert "f32[2]" in caplog.text or "(2,)" in caplog.text


CONTEXTS = {
    "transfer_guard_host_to_device": (cotan.transfer_guard_host_to_device, "log"),
    "transfer_guard_device_to_device": (cotan.transfer_guard_device_to_device, "disallow"),
    "transfer_guard_device_to_host": (cotan.transfer_guard_device_to_host, "allow"),
    "softmax_custom_jvp": (cotan.softmax_custom_jvp, True),
    "legacy_prng_key": (cotan.legacy_prng_key, "warn"),
    "enable_custom_prng": (cotan.enable_custom_prng, True),
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_contexts_set_flags_for_their_block(name):
    context, value = CONTEXTS[name]
    before = config.read(name)
    with warnings.catch_warnings(), context(value):
        warnings.simplefilter("ignore")
        assert config.read(name) == value
        assert config.read(f"jax_{name}") == value
    assert config.read(name) == before != value
