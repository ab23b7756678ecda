"""Arguments beside the array: what each does to values and dtypes, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

NAN = np.nan
X = np.array([[1.0, NAN, 3.0], [NAN, NAN, NAN]], np.float32)
WHERE = np.array([[True, True, False], [True, True, False]])
I8 = np.array([[100, 100, 3], [7, 8, 9]], np.int8)
BOOLS = np.array([True, True, False])
LINE = np.arange(6, dtype=np.float32).reshape(2, 3)
MIDDLE = np.array([[1.0], [2.0]], np.float32)

# function, array, keywords; what it gives, and its dtype.
REDUCTIONS = [
    ("nansum", X, {"axis": 1, "where": WHERE}, [1, 0], "float32"),
    ("nansum", X, {"axis": 1, "where": WHERE, "initial": 2}, [3, 2], "float32"),
    ("nansum", I8, {"axis": 1, "initial": 2.5}, [205, 26], "int32"),
    ("nanprod", X, {"axis": 1, "initial": 2.5}, [7.5, 2.5], "float32"),
    ("nanprod", BOOLS, {"where": WHERE[0], "initial": 2}, 2, "int32"),
    ("nanmax", X, {"axis": 1}, [3, NAN], "float32"),
    ("nanmax", X, {"axis": 1, "initial": 2}, [3, 2], "float32"),
    ("nanmax", X, {"axis": 1, "where": WHERE, "initial": -2}, [1, -2], "float32"),
    ("nanmin", I8, {"axis": 1, "where": WHERE, "initial": 50}, [50, 7], "int8"),
    ("nanmin", X, {"axis": 1, "initial": 2, "keepdims": True}, [[1], [2]], "float32"),
    ("nanmean", X, {"axis": 1, "where": WHERE}, [1, NAN], "float32"),
    ("nanmean", I8, {"axis": 1, "where": WHERE}, [100, 7.5], "float32"),
    ("nanvar", X, {"axis": 1, "where": ~WHERE}, [0, NAN], "float32"),
    ("nanvar", X, {"axis": 1, "mean": MIDDLE}, [2, NAN], "float32"),
    ("nanvar", X, {"axis": 1, "mean": MIDDLE, "where": WHERE, "ddof": 1}, [NAN, NAN], "float32"),
    ("nanstd", I8, {"axis": 1, "where": WHERE}, [0, 0.5], "float32"),
    ("nanstd", X, {"axis": 1, "mean": MIDDLE}, [np.sqrt(2), NAN], "float32"),
    ("var", LINE, {"axis": 1, "mean": MIDDLE}, [2 / 3, 14 / 3], "float32"),
    ("var", LINE.astype(np.int32), {"axis": 1, "mean": 2, "where": WHERE}, [2.5, 2.5], "float32"),
    ("var", LINE, {"where": WHERE & False, "ddof": 1, "mean": 1}, NAN, "float32"),
    ("std", LINE, {"axis": 1, "mean": MIDDLE}, [np.sqrt(2 / 3), np.sqrt(14 / 3)], "float32"),
    ("sum", I8, {"promote_integers": False}, -29, "int8"),
    ("sum", I8, {"promote_integers": False, "dtype": np.int16}, 227, "int16"),
    ("sum", BOOLS, {"promote_integers": False}, 2, "int32"),
    ("prod", np.array([200, 100], np.uint8), {"promote_integers": False}, 32, "uint8"),
    ("prod", BOOLS, {"promote_integers": False, "where": BOOLS}, 1, "int32"),
]


@pytest.mark.parametrize(("name", "x", "keywords", "expected", "dtype"), REDUCTIONS)
@pytest.mark.parametrize("jitted", [False, True])
def test_reductions(name, x, keywords, expected, dtype, jitted):
    def call(array):
        return getattr(cnp, name)(array, **keywords)

    result = (cotan.jit(call) if jitted else call)(x)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, np.array(expected, dtype), rtol=1e-6)


def test_reductions_of_methods_take_the_same_arguments():
    assert cnp.array(I8).sum(promote_integers=False).dtype == np.int8
    np.testing.assert_allclose(cnp.array(LINE).var(axis=1, mean=MIDDLE), [2 / 3, 14 / 3], rtol=1e-6)


def test_a_known_mean_is_differentiated_through():
    x = np.array([1.0, 2.0, 4.0], np.float32)
    np.testing.assert_allclose(cotan.grad(lambda m: cnp.var(x, mean=m))(1.0), -8 / 3, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: cnp.nanmax(X, where=X > 0), ValueError, "max: `where` needs an initial value"),
        (lambda: cnp.nanmin(X, out=X), TypeError, "nanmin: arrays are immutable"),
        (lambda: cnp.var(LINE, axis=1, mean=np.ones(2)), TypeError, r"var: `mean` of shape \(2,\) for an array of"),
    ],
)
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
