"""Shapes, axes and values may be any sequence: classes of users' own, arrays, deques."""

from __future__ import annotations

from array import array
from collections import deque

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp


class Extents:
    """What iterates and has a length, without being registered as a sequence."""

    def __init__(self, *items):
        self.items = items

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


X = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
KEY = cotan.random.key(0)
KINDS = [Extents, lambda *items: np.array(items), lambda *items: cnp.array(items), lambda *items: deque(items)]

# Calls of a function that makes a sequence of its arguments.
CALLS = {
    "zeros": lambda s: cnp.zeros(s(2, 3)),
    "full": lambda s: cnp.full(s(2, 3), 1.0),
    "ones_like": lambda s: cnp.ones_like(1.0, shape=s(2, 3)),
    "indices": lambda s: cnp.indices(s(2, 3)),
    "reshape": lambda s: cnp.reshape(X, s(6, 20)),
    "reshape unknown": lambda s: cnp.reshape(X, s(6, -1)),
    "method reshape": lambda s: cnp.asarray(X).reshape(s(-1, 6)),
    "broadcast_to": lambda s: cnp.broadcast_to(1.0, s(2, 3)),
    "broadcast_shapes": lambda s: np.zeros(cnp.broadcast_shapes(s(2, 1), (1, 3))),
    "tile": lambda s: cnp.tile(X, s(1, 2)),
    "resize": lambda s: cnp.resize(X, s(2, 3)),
    "transpose": lambda s: cnp.transpose(X, s(1, 0, 3, 2)),
    "moveaxis": lambda s: cnp.moveaxis(X, s(0, 1), s(2, 0)),
    "expand_dims": lambda s: cnp.expand_dims(X, s(0, -1)),
    "squeeze": lambda s: cnp.squeeze(X[:1, :1], s(0, 1)),
    "flip": lambda s: cnp.flip(X, s(0, 2)),
    "roll": lambda s: cnp.roll(X, s(1, 2), s(0, 2)),
    "rot90": lambda s: cnp.rot90(X, 1, s(1, 2)),
    "split": lambda s: cnp.concatenate(cnp.split(X, s(1, 2), axis=3)[::-1], axis=3),
    "sum": lambda s: cnp.sum(X, s(0, 2)),
    "max": lambda s: cnp.max(X, s(0, 2)),
    "var": lambda s: cnp.var(X, s(0, 2)),
    "all": lambda s: cnp.all(X > 0, s(0, 2)),
    "gradient": lambda s: cnp.stack(cnp.gradient(X, axis=s(0, 2))),
    "apply_over_axes": lambda s: cnp.apply_over_axes(cnp.sum, X, s(0, 2)),
    "tensordot": lambda s: cnp.tensordot(X, X, (s(2, 3), s(2, 3))),
    "partition": lambda s: cnp.partition(X, s(1, 2)),
    "softmax": lambda s: cotan.nn.softmax(X, s(0, 2)),
    "resize image": lambda s: cotan.image.resize(X, s(2, 3, 2, 5), "linear"),
    "initializer": lambda s: cotan.nn.initializers.glorot_normal()(KEY, s(2, 3)),
    "bits": lambda s: cotan.random.bits(KEY, s(2, 3)),
    "normal": lambda s: cotan.random.normal(KEY, s(2, 3)),
    "categorical": lambda s: cotan.random.categorical(KEY, cnp.zeros(4), shape=s(2, 3)),
    "gamma": lambda s: cotan.random.gamma(KEY, 1.0, s(2, 3)),
    "randint": lambda s: cotan.random.randint(KEY, s(2, 3), 0, 9),
}


@pytest.mark.parametrize("kind", KINDS, ids=["own", "numpy", "array", "deque"])
@pytest.mark.parametrize("call", CALLS)
def test_any_sequence_will_do(call, kind):
    if call == "tensordot":
        np.testing.assert_allclose(CALLS[call](kind), CALLS[call](lambda *items: items))
    else:
        np.testing.assert_array_equal(CALLS[call](kind), CALLS[call](lambda *items: items))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Extents(2, 3), np.int32([2, 3])),
        (Extents(2.0, cnp.array(3)), np.float32([2, 3])),
        ([Extents(2, 3), Extents(4, 5)], np.int32([[2, 3], [4, 5]])),
        (deque([1, 2]), np.int32([1, 2])),
        (array("f", [1.5, 2.5]), np.float32([1.5, 2.5])),
        (memoryview(b"ab"), np.uint8([97, 98])),
        (range(3), np.int32([0, 1, 2])),
    ],
)
def test_arrays_of_any_sequence(value, expected):
    found = cnp.array(value)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("value", [{1, 2}, {1: 2}, (x for x in (1, 2)), "ab", None])
def test_what_is_no_sequence_of_numbers_is_refused(value):
    with pytest.raises(
        TypeError, match=f"a value of type {type(value).__name__} is not a number, an array or a nested"
    ):
        cnp.array(value)


def test_a_refused_sequence_is_shown():
    with pytest.raises(TypeError, match="zeros: a shape must consist of integers that are known while tracing"):
        cnp.zeros(Extents(2, 1.5))
    with pytest.raises(TypeError, match="normal: the shape must be integers, known while tracing"):
        cotan.random.normal(KEY, Extents(2, 1.5))
    with pytest.raises(TypeError, match="sum: axis must be an integer known while tracing, got float"):
        cnp.sum(X, Extents(0, 1.5))
    with pytest.raises(ValueError, match=r"reshape: negative extent in shape \(2, -3\)"):
        cnp.reshape(X, Extents(2, -3))


@pytest.mark.parametrize("value", [None, [1.0, 2.0], [[1], [2], [3]], Extents(2, 3), object()])
def test_extents_of_what_is_no_array_are_numpys(value):
    for name in ("shape", "ndim", "size"):
        with pytest.warns(DeprecationWarning, match=f"{name} is for arrays and scalars, and got a.*; use numpy.{name}"):
            assert getattr(cnp, name)(value) == getattr(np, name)(value)


def test_text_has_no_extents():
    assert (cnp.shape("text"), cnp.ndim("text"), cnp.size("text")) == ((), 0, 1)


@pytest.mark.parametrize(
    ("text", "dtype", "expected"),
    [
        (["1.5", "-inf"], "float32", [1.5, -np.inf]),
        ([["1", "2"], ["3", "4"]], "int8", [[1, 2], [3, 4]]),
        (("1.5", 2.0), "bfloat16", [1.5, 2.0]),
        (["1+2j"], "complex64", [1 + 2j]),
        ([b"2"], "int32", [2]),
        ("2.5", "float16", 2.5),
        (np.array(["1.5"]), "float32", [1.5]),
    ],
)
def test_text_is_read_as_the_type_that_is_asked_for(text, dtype, expected):
    found = cnp.array(text, dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(np.asarray(found, np.asarray(expected).dtype), expected)
    with pytest.raises(TypeError, match=r"not a number|are not numbers"):
        cnp.array(text)


def test_text_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="could not convert string to float"):
        cnp.array(["a"], "float32")
