"""``roll`` by known and by traced shifts, along one axis and several, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

X = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
CASES = [
    (2, None), (-29, None), (1, 0), (-5, 2), ((1, 2), (0, 1)), ((1, -1, 3), (0, 2, 2)),
    (1, (0, 2)), ((1, 2), 1), ((1, 2), None), ((3,), (1, 2)), ((), ()), ((), 1),
]  # fmt: skip


@pytest.mark.parametrize(("shift", "axis"), CASES)
def test_known_shifts(shift, axis):
    np.testing.assert_array_equal(cnp.roll(X, shift, axis), np.roll(X, shift, axis))
    if shift != ():
        np.testing.assert_array_equal(cnp.roll(X, np.array(shift), axis), np.roll(X, shift, axis))
        np.testing.assert_array_equal(cnp.roll(X, cnp.asarray(shift), axis), np.roll(X, shift, axis))


@pytest.mark.parametrize(("shift", "axis"), [case for case in CASES if case[0] != ()])
def test_traced_shifts(shift, axis):
    rolled = cotan.jit(lambda x, shift: cnp.roll(x, shift, axis))
    np.testing.assert_array_equal(rolled(X, shift), np.roll(X, shift, axis))
    np.testing.assert_array_equal(rolled(X, np.array(shift)), np.roll(X, shift, axis))


def test_traced_shifts_of_small_dtypes_and_of_nothing():
    wide = np.arange(300)
    found = cotan.jit(lambda x, shift: cnp.roll(x, shift))(wide, np.uint8(200))
    np.testing.assert_array_equal(found, np.roll(wide, 200))
    found = cotan.jit(lambda x, shift: cnp.roll(x, shift))(wide, np.int8(-100))
    np.testing.assert_array_equal(found, np.roll(wide, -100))
    assert cotan.jit(lambda x, shift: cnp.roll(x, shift, 0))(np.zeros((0, 2)), 3).shape == (0, 2)


def test_mapped_and_differentiated_shifts():
    shifts = np.array([0, 1, -2, 7])
    found = cotan.vmap(lambda shift: cnp.roll(X, shift, 1))(shifts)
    np.testing.assert_array_equal(found, np.stack([np.roll(X, n, 1) for n in shifts]))
    weights = np.arange(12.0, dtype=np.float32)
    slope = cotan.jit(cotan.grad(lambda x, shift: cnp.sum(cnp.roll(x, shift) * weights)))(X.ravel()[:12], 5)
    np.testing.assert_array_equal(slope, np.roll(weights, -5))


def test_errors():
    with pytest.raises(ValueError, match=r"test_roll.py:\d+.*roll: there are 2 shifts and 3 axes; give one of either"):
        cnp.roll(X, (1, 2), (0, 1, 2))
    with pytest.raises(TypeError, match=r"test_roll.py:\d+.*roll: a shift must be an integer, got float32"):
        cotan.jit(lambda x, shift: cnp.roll(x, shift))(X, 1.5)
