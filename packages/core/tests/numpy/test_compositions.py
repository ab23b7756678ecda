"""Grids, statistics and functions of functions against NumPy, eagerly and jitted."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

RNG = np.random.default_rng(5)
A = RNG.standard_normal((3, 5)).astype(np.float32)
NANS = np.where(RNG.random((4, 6)) < 0.3, np.nan, RNG.standard_normal((4, 6))).astype(np.float32)
NANS[2] = np.nan
W = np.array([1, 2, 1, 0, 3])

JITTED = [
    ("block", ([[A, A[:, :1]], [A[:1, :1], A[:1]]],), {}),
    ("vander", (A[0],), {}),
    ("vander", (A[0], 2), {"increasing": True}),
    ("diagflat", (A[:2, :2], 1), {}),
    ("cov", (A,), {}),
    ("cov", (A[0],), {}),
    ("cov", (A, A[::-1]), {"bias": True}),
    ("cov", (A,), {"rowvar": False, "ddof": 0}),
    ("cov", (A,), {"fweights": W}),
    ("cov", (A,), {"aweights": np.abs(A[0]), "fweights": W}),
    ("corrcoef", (A,), {}),
    ("histogram", (A,), {"bins": 4}),
    ("histogram", (A, np.array([-1.0, 0.0, 0.3, 1.5], np.float32)), {}),
    ("histogram", (A,), {"bins": 5, "range": (-1, 1), "density": True}),
    ("histogram", (A,), {"weights": np.abs(A)}),
    ("histogram_bin_edges", (A, 7), {}),
    ("nancumsum", (NANS,), {"axis": 1}),
    ("nancumprod", (NANS,), {}),
    ("nanmedian", (NANS[:2],), {"axis": 1}),
    ("nanmedian", (NANS,), {}),
    ("nanquantile", (NANS[:2], np.array([0.1, 0.6], np.float32)), {"axis": 1}),
    ("nanpercentile", (NANS, 30.0), {"axis": 0, "keepdims": True}),
    ("nanargmax", (NANS[:2],), {"axis": 1}),
    ("nanargmin", (NANS,), {"keepdims": True}),
    ("cumulative_sum", (A,), {"axis": 1, "include_initial": True}),
    ("cumulative_prod", (A[0],), {}),
    ("iscomplex", (A + 1j * (A > 0),), {}),
    ("isreal", (A,), {}),
]
STATIC = [
    ("tril_indices", (3, -1, 4), {}),
    ("triu_indices", (3, 1), {}),
    ("tril_indices_from", (A,), {}),
    ("triu_indices_from", (A,), {}),
    ("diag_indices", (3, 3), {}),
    ("diag_indices_from", (A[:, :3],), {}),
    ("ix_", (np.array([0, 2]), np.array([True, False, True])), {}),
    ("isscalar", (3.0,), {}),
    ("isscalar", (A,), {}),
    ("iscomplexobj", (A,), {}),
]


def _compare(found, expected):
    if isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            _compare(a, b)
    else:
        assert np.shape(found) == np.shape(expected)
        np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=2e-5, atol=1e-6)


def _oracle(name, args, kwargs):
    with np.errstate(all="ignore"):
        return getattr(np, name)(*args, **kwargs)


@pytest.mark.filterwarnings("ignore:All-NaN")
@pytest.mark.parametrize(("name", "args", "kwargs"), JITTED + STATIC, ids=lambda x: x if isinstance(x, str) else "")
def test_eager_equals_numpy(name, args, kwargs):
    _compare(getattr(cnp, name)(*args, **kwargs), _oracle(name, args, kwargs))


@pytest.mark.filterwarnings("ignore:All-NaN")
@pytest.mark.parametrize(("name", "args", "kwargs"), JITTED, ids=lambda x: x if isinstance(x, str) else "")
def test_jitted_equals_numpy(name, args, kwargs):
    found = cotan.jit(lambda x: getattr(cnp, name)(x, *args[1:], **kwargs))(args[0])
    _compare(found, _oracle(name, args, kwargs))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: cnp.r_[0:3, 7, np.array([1.5])], np.r_[0:3, 7, np.array([1.5])]),
        (lambda: cnp.r_[0:1:5j], np.r_[0:1:5j]),
        (lambda: cnp.c_[A[0], A[1]], np.c_[A[0], A[1]]),
        (lambda: cnp.c_[0:3, A[0, :3]], np.c_[0:3, A[0, :3]]),
        (lambda: cnp.r_["-1", A, A], np.r_["-1", A, A]),
        (lambda: cnp.r_["0,2", A[0], A[1]], np.r_["0,2", A[0], A[1]]),
        (lambda: cnp.r_["0,2", 1, 0:1, A[:, :1]], np.r_["0,2", 1, 0:1, A[:, :1]]),
        (lambda: cnp.r_["1,2,0", A[0], A[1]], np.r_["1,2,0", A[0], A[1]]),
        (lambda: cnp.r_["0,3,1", A, A], np.r_["0,3,1", A, A]),
        (lambda: cnp.r_["0,3,-2", A, A], np.r_["0,3,-2", A, A]),
        (lambda: cnp.r_["r", A[0], 1], np.r_[A[0], 1][None]),
        (lambda: cnp.r_["c", A[0], 0:2], np.r_[A[0], 0:2][:, None]),
        (lambda: cnp.r_["c", A, A], np.r_[A, A]),
        (lambda: cnp.c_["0,1", A[0], A[1]], np.r_["0,1,0", A[0], A[1]]),
        (lambda: cnp.indices(()), np.indices(())),
        (lambda: cnp.delete(A[0], []), np.delete(A[0], [])),
        (lambda: cnp.insert(A[0], [], 1.0), np.insert(A[0], [], 1.0)),
        (lambda: cnp.mgrid[0:2, 0:3], np.mgrid[0:2, 0:3]),
        (lambda: cnp.mgrid[0:1:3j, 0:2], np.mgrid[0:1:3j, 0:2]),
        (lambda: cnp.mgrid[1:4], np.mgrid[1:4]),
        (lambda: cnp.ogrid[0:2, 0:3], np.ogrid[0:2, 0:3]),
        (lambda: cnp.asarray(A)[cnp.s_[1:, ::2]], A[1:, ::2]),
    ],
)
def test_index_objects(found, expected):
    _compare(found(), expected)


def test_missing_everywhere():
    np.testing.assert_array_equal(cnp.nanargmax(NANS, axis=1)[2], -1)
    assert np.isnan(cnp.nanmedian(NANS, axis=1)[2])


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("shape", [(3, 3), (7, 3), (2, 4)])
def test_fill_diagonal(shape, wrap):
    expected = np.zeros(shape, np.float32)
    np.fill_diagonal(expected, [1, 2], wrap)
    _compare(cnp.fill_diagonal(cnp.zeros(shape), np.array([1, 2]), wrap, inplace=False), expected)


def test_put_along_axis():
    places = np.argsort(A, axis=1)[:, :2]
    expected = A.copy()
    np.put_along_axis(expected, places, 9.0, 1)
    _compare(cnp.put_along_axis(A, places, 9.0, 1, inplace=False), expected)
    expected = A.copy()
    np.put_along_axis(expected, np.array([1, 14]), 9.0, None)
    _compare(cnp.put_along_axis(A, np.array([1, 14]), 9.0, None, inplace=False), expected)


VECTORIZED = [
    (lambda x, y: x + y, None, (A[:, None], A[0])),
    (lambda x, y: (x * y, x - y), None, (A, np.float32(2))),
    (lambda x, y: x @ y, "(n),(n)->()", (A.reshape(3, 1, 5), A[:2])),
    (lambda m, v: (m @ v, v.sum()), "(n,m),(m)->(n),()", (np.stack([A, -A]), A[0])),
    (lambda x: x[::-1], "(n)->(n)", (A,)),
]


@pytest.mark.parametrize(("function", "signature", "args"), VECTORIZED)
def test_vectorize(function, signature, args):
    expected = np.vectorize(function, signature=signature)(*args)
    _compare(cnp.vectorize(function, signature=signature)(*args), expected)
    _compare(cotan.jit(cnp.vectorize(function, signature=signature))(*args), expected)


def test_vectorize_passes_what_is_excluded():
    scaled = cnp.vectorize(lambda x, n, *, by: x[: int(n)].sum() * by["a"], excluded={1, "by"}, signature="(k)->()")
    _compare(scaled(A, 2, by={"a": 3.0}), 3 * A[:, :2].sum(1))


def test_apply_along_axis():
    for axis in (0, 1, 2):
        x = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
        _compare(cnp.apply_along_axis(lambda v: v.cumsum(), axis, x), np.cumsum(x, axis))
        _compare(cnp.apply_along_axis(lambda v: v.sum(), axis, x), x.sum(axis))


def test_piecewise():
    functions = [lambda v: -v, 10.0, lambda v: v * v]
    _compare(cnp.piecewise(A, [A < -1, A > 1], functions), np.piecewise(A, [A < -1, A > 1], functions))
    _compare(cnp.piecewise(A, [A < 0], [3.0]), np.piecewise(A, [A < 0], [3.0]))
    _compare(cnp.piecewise(A, [A > -1, A > 1], functions), np.piecewise(A, [A > -1, A > 1], functions))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: cnp.vectorize(lambda x: x, signature="bad"), ValueError, "'bad' is no signature"),
        (
            lambda: cnp.vectorize(lambda x: x, signature="(n)->()")(A),
            ValueError,
            "returned shape .5,., not the axes",
        ),
        (lambda: cnp.vectorize(lambda x: x, signature="(n)->(n)")(1.0), ValueError, "has too few axes"),
        (lambda: cnp.vectorize(lambda x, y: x, signature="(n),(n)->(n)")(A, A[0, :2]), ValueError, "extents 5 and 2"),
        (lambda: cnp.vectorize(lambda x: x, signature="(n)->(n)")(A, A), ValueError, "2 arguments for the signature"),
        (lambda: cnp.vectorize(lambda x: x, excluded={1.5}), TypeError, "positions and names"),
        (lambda: cnp.fill_diagonal(A, 1.0), ValueError, "fill_diagonal: arrays are immutable"),
        (lambda: cnp.put_along_axis(A, A, 1.0, 0), ValueError, "put_along_axis: arrays are immutable"),
        (lambda: cnp.mgrid[3], TypeError, "mgrid takes slices, got int"),
        (lambda: cnp.r_["bad", A], ValueError, "r_ does not know the directive 'bad'"),
        (lambda: cnp.r_["0,1,2,3", A], ValueError, "r_ does not know the directive"),
        (lambda: cnp.r_["0,2,5", A[0]], ValueError, "cannot begin at 5 of 2"),
        (lambda: cnp.delete(A, 1.5), ValueError, "delete: indices must be integers or bools, got float64"),
        (lambda: cnp.insert(A, [0.5], 1.0), ValueError, "insert: indices must be integers or bools, got float"),
        (lambda: cnp.ix_(A), ValueError, "ix_ needs vectors"),
        (lambda: cnp.block([A, [A]]), ValueError, "nested to different depths"),
        (lambda: cnp.vander(A), ValueError, "vander needs a vector"),
        (lambda: cnp.cov(A[None]), ValueError, "cov needs at most two dimensions"),
        (lambda: cnp.cov(A, fweights=W[:2]), ValueError, "fweights of shape .2,. for 5 observations"),
        (lambda: cnp.piecewise(A, [A < 0, A > 1], [1.0]), ValueError, "1 functions for 2 conditions"),
        (lambda: cnp.cumulative_sum(A), ValueError, "needs an axis"),
        (lambda: cnp.nanquantile(A, 0.5, method="odd"), ValueError, "unknown method 'odd'"),
        (lambda: cnp.tril_indices_from(A[0]), ValueError, "tril_indices_from needs a matrix"),
    ],
)
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
