"""Sequences inside of an index, and updates that repeat, change dtype or touch nothing: on devices and under jit."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

X = np.arange(12, dtype=np.float32).reshape(3, 4)
I = np.array([1, 3, 1, 1, -1, 9])
INDICES = [
    (slice(None), [0, 2]),
    ([1, 0], [2, 2]),
    ((1, 0), slice(None)),
    ([True, False, True], 1),
    (0, [[1], [2]]),
    (..., []),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_sequences_inside_of_an_index_are_index_arrays(index):
    theirs = tuple(np.asarray(part, int) if part == [] else part for part in index)
    np.testing.assert_array_equal(cnp.asarray(X)[index], X[theirs])
    np.testing.assert_array_equal(cotan.jit(lambda x: x[index])(X), X[theirs])
    expected = X.copy()
    expected[theirs] = 9
    np.testing.assert_array_equal(cnp.asarray(X).at[index].set(9.0), expected)


def test_sequences_of_traced_integers():
    np.testing.assert_array_equal(cotan.jit(lambda x, n: x[0, [0, n]])(X, 2), X[0, [0, 2]])


def test_updates_may_be_sequences():
    np.testing.assert_array_equal(cnp.zeros(3).at[:2].set([7, 8]), [7, 8, 0])
    np.testing.assert_array_equal(cnp.zeros(3).at[1:].add((1.5, 2)), [0, 1.5, 2])


CASTS = [
    (np.int32([-3, 2]), lambda x: x.at[0].add(2.5), [0, 2]),
    (np.int32([-3, 2]), lambda x: x.at[np.array([0, 0])].multiply(1.5), [-6, 2]),
    (np.int8([3, 2]), lambda x: x.at[:].min(np.float32(2.5)), [2, 2]),
    (np.array([True, False]), lambda x: x.at[1].add(2), [True, True]),
]


@pytest.mark.parametrize(("x", "update", "expected"), CASTS)
def test_updates_of_a_wider_dtype_meet_the_elements_in_the_common_one(x, update, expected):
    for run in (update, cotan.jit(update)):
        with pytest.warns(FutureWarning, match="to which the result is cast"):
            found = run(cnp.asarray(x))
        np.testing.assert_array_equal(found, np.array(expected, x.dtype), strict=True)


def test_functions_are_applied_as_often_as_elements_are_named():
    x = cnp.array([1.0, 2, 0, 4])
    tripled = [1, 54, 0, 36]
    np.testing.assert_array_equal(x.at[I].apply(lambda v: 3 * v), tripled)
    np.testing.assert_array_equal(x.at[1:].apply(lambda v: 3 * v), [1, 6, 0, 12])
    np.testing.assert_array_equal(x.at[I[:2]].apply(lambda v: 3 * v, unique_indices=True), [1, 6, 0, 12])
    np.testing.assert_array_equal(cotan.jit(lambda x, i: x.at[i].apply(lambda v: 3 * v))(x, I), tripled)
    slopes = cotan.jvp(cotan.jit(lambda x: x.at[I].apply(lambda v: v**2)), (x,), (cnp.ones(4),))[1]
    np.testing.assert_allclose(slopes, [1, 8 * 2**7, 0 + 1, 4 * 4**3], rtol=1e-6)


def test_elements_that_are_not_named_take_no_part():
    """The root's slope is infinite at the one that is 0."""
    slope = cotan.grad(lambda x: x.at[I].apply(cnp.sqrt).sum())(cnp.array([1.0, 2, 0, 4]))
    np.testing.assert_allclose(slope, [1, 2 ** (1 / 8 - 1) / 8, 1, 4 ** (1 / 4 - 1) / 4], rtol=1e-6)


def test_the_gradient_of_nothing_writes_nothing():
    slope = cotan.grad(lambda x: (x[1:1, True] ** 2).sum())(X)
    np.testing.assert_array_equal(slope, np.zeros_like(X))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e300, -1e10, 300.7, -300.7, 2.7])
@pytest.mark.parametrize("index", [1, slice(1, 3), np.array([1, 2]), np.array([False, True, True, False])], ids=str)
@pytest.mark.filterwarnings("ignore:an update of dtype float32 does not fit")
def test_floats_in_place_of_integers_saturate(dtype, number, index):
    x = np.arange(4).astype(dtype)
    limits = np.iinfo(dtype)
    expected = x.copy()
    expected[index] = nearest = 0 if np.isnan(number) else int(np.clip(number, limits.min, limits.max))
    np.testing.assert_array_equal(cnp.asarray(x).at[index].set(number), expected)
    np.testing.assert_array_equal(cotan.jit(lambda x: x.at[index].set(number))(x), expected)
    assert int(cnp.take(x, 9, fill_value=number)) == nearest
    assert int(cnp.asarray(x).at[9].get(mode="fill", fill_value=number)) == nearest
