"""Sets, insertion and deletion, differences, polynomials, histograms, bits and files against NumPy."""

from __future__ import annotations

import io

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

R = np.random.default_rng(0)
A = np.array([3, 1, 3, 7, 0, 7, 7], np.int32)
B = np.array([7, 2, 1, 1, 9], np.int32)
F = np.array([2.5, np.nan, 1.0, 2.5, np.nan, -0.5], np.float32)
M = np.array([[1, 2], [0, 5], [1, 2], [0, 4]], np.int32)
S = R.normal(size=(4, 5)).astype(np.float32)
V = R.normal(size=6).astype(np.float32)
COMPLEX = np.array([2 + 1j, 1 + 3j, 1 - 1j], np.complex64)
MASK = np.array([True, False, True, True, False, False])
POINTS = R.uniform(size=(60, 2)).astype(np.float32)
EDGES = np.array([0.0, 0.2, 0.7, 1.0], np.float32)

# name: calls with the module as the argument; whether jit is tried.
CALLS = {
    "unique": lambda m: m.unique(A),
    "unique of floats": lambda m: m.unique(F),
    "unique, all results": lambda m: m.unique(A, return_index=True, return_inverse=True, return_counts=True),
    "unique, NaNs differ": lambda m: m.unique(F, equal_nan=False, return_counts=True),
    "unique rows": lambda m: m.unique(M, axis=0, return_index=True, return_inverse=True, return_counts=True),
    "unique columns": lambda m: m.unique(M, axis=1, return_inverse=True),
    "unique of nothing": lambda m: m.unique(A[:0], return_counts=True),
    "unique of bools": lambda m: m.unique(MASK, return_inverse=True),
    "unique of complex": lambda m: m.unique(COMPLEX),
    "unique of a matrix": lambda m: m.unique(M, return_inverse=True),
    "unique_all": lambda m: tuple(m.unique_all(A)),
    "unique_counts": lambda m: tuple(m.unique_counts(F)),
    "unique_inverse": lambda m: tuple(m.unique_inverse(M)),
    "unique_values": lambda m: m.sort(m.unique_values(A)),
    "union1d": lambda m: m.union1d(A, B),
    "union1d of nothing": lambda m: m.union1d(A[:0], B[:0]),
    "intersect1d": lambda m: m.intersect1d(A, B),
    "intersect1d, places": lambda m: m.intersect1d(A, B, return_indices=True),
    "intersect1d, distinct": lambda m: m.intersect1d(A[2:5], B[:3], assume_unique=True),
    "intersect1d of nothing": lambda m: m.intersect1d(A[:0], B),
    "setdiff1d": lambda m: m.setdiff1d(A, B),
    "setdiff1d, distinct": lambda m: m.setdiff1d(A[2:5], B, assume_unique=True),
    "setdiff1d of nothing": lambda m: m.setdiff1d(A[:0], B),
    "setdiff1d of integers and floats": lambda m: m.setdiff1d(A, F),
    "setxor1d": lambda m: m.setxor1d(A, B),
    "setxor1d of NaN": lambda m: m.setxor1d(
        np.array([np.nan, 1, np.nan, 2], np.float32), np.array([2, np.nan], np.float32)
    ),
    "setxor1d, distinct": lambda m: m.setxor1d(A[2:5], B[:3], assume_unique=True),
    "isin": lambda m: m.isin(A, B),
    "isin, inverted": lambda m: m.isin(M, B, invert=True),
    "isin of many": lambda m: m.isin(np.arange(50) * 3, np.arange(40) ** 2),
    "isin of NaN": lambda m: m.isin(F, np.array([np.nan, 1.0], np.float32)),
    "delete one": lambda m: m.delete(V, 2),
    "delete negative": lambda m: m.delete(S, -1, axis=1),
    "delete several": lambda m: m.delete(S, np.array([0, -2, 0]), axis=0),
    "delete a slice": lambda m: m.delete(V, slice(1, None, 2)),
    "delete a mask": lambda m: m.delete(V, MASK),
    "delete of the flat": lambda m: m.delete(S, np.array([3, 7])),
    "insert one": lambda m: m.insert(V, 2, 9.0),
    "insert at the end": lambda m: m.insert(V, 6, np.array([1.0, 2.0], np.float32)),
    "insert several": lambda m: m.insert(V, np.array([1, 1, -1]), np.array([7.0, 8.0, 9.0], np.float32)),
    "insert a column": lambda m: m.insert(S, 1, np.arange(4, dtype=np.float32), axis=1),
    "insert a row": lambda m: m.insert(S, 2, S[0], axis=0),
    "insert rows": lambda m: m.insert(S, np.array([1, 3]), S[:2], axis=0),
    "insert a slice": lambda m: m.insert(V, slice(0, 4, 2), 5.0),
    "resize": lambda m: m.resize(M, (3, 5)),
    "resize to nothing": lambda m: m.resize(M, (0, 5)),
    "resize of nothing": lambda m: m.resize(A[:0], (2,)),
    "trim_zeros": lambda m: m.trim_zeros(np.array([0, 0, 1, 0, 2, 0])),
    "trim_zeros, front": lambda m: m.trim_zeros(np.array([0, 0, 1, 0, 2, 0]), "f"),
    "sort_complex": lambda m: m.sort_complex(COMPLEX),
    "sort_complex of reals": lambda m: m.sort_complex(V),
    "choose": lambda m: m.choose(np.array([0, 2, 1]), (A[:3], B[:3], A[2:5])),
    "choose, wrap": lambda m: m.choose(np.array([-1, 5, 1]), (A[:3], B[:3]), mode="wrap"),
    "choose, clip": lambda m: m.choose(np.array([-1, 5, 1]), (A[:3], B[:3]), mode="clip"),
    "apply_over_axes": lambda m: m.apply_over_axes(m.sum, S, [0, 1]),
    "mask_indices": lambda m: m.mask_indices(3, m.triu, 1),
    "ediff1d": lambda m: m.ediff1d(M, to_begin=np.array([5, 6], np.int32), to_end=9),
    "gradient": lambda m: tuple(m.gradient(S)),
    "gradient, axis": lambda m: m.gradient(S, 0.5, axis=1),
    "gradient, second order": lambda m: m.gradient(V, 2.0, edge_order=2),
    "gradient, coordinates": lambda m: m.gradient(V, np.array([0, 1, 1.5, 3, 4, 7], np.float32), edge_order=2),
    "gradient, two spacings": lambda m: tuple(m.gradient(S, 2.0, np.array([0, 1, 3, 4, 4.5], np.float32))),
    "polyval": lambda m: m.polyval(V, S),
    "polyval, long": lambda m: m.polyval(np.tile(V, 4) / 5, S[0] / 4),
    "polyadd": lambda m: m.polyadd(V, S[0]),
    "polysub": lambda m: m.polysub(S[0], V),
    "polymul": lambda m: m.polymul(V, S[0]),
    "polymul of nothing": lambda m: m.polymul(V[:0], S[0]),
    "polymul of nothings": lambda m: m.polymul(V[:0], V[:0]),
    "polydiv": lambda m: m.polydiv(V, S[0, :3])[0],
    "poly": lambda m: m.poly(S[0]),
    "poly of nothing": lambda m: m.poly(S[0, :0]),
    "polyder": lambda m: m.polyder(V, 2),
    "polyint": lambda m: m.polyint(V, 2, k=np.array([1.0, 2.0])),
    "histogram": lambda m: m.histogram(V, bins=4, weights=V),
    "histogram2d": lambda m: m.histogram2d(POINTS[:, 0], POINTS[:, 1], bins=(3, 4)),
    "histogram2d, edges": lambda m: m.histogram2d(POINTS[:, 0], POINTS[:, 1], bins=EDGES, density=True),
    "histogramdd": lambda m: m.histogramdd(POINTS, bins=(3, EDGES), range=[(0, 0.5), None], weights=POINTS[:, 0])[0],
    "frexp": lambda m: m.frexp(np.array([0, -3, 1e-40, np.inf, 12.5, 1e30], np.float32)),
    "ldexp": lambda m: m.ldexp(np.array([1, -0.75, 3, 1, 1], np.float32), np.array([3, -140, 120, 300, -300])),
    "spacing": lambda m: m.spacing(np.array([0, 1, -2, 1e30, -1e-40], np.float32)),
    "packbits": lambda m: m.packbits(np.arange(21) % 3 == 0),
    "packbits, little": lambda m: m.packbits(A.reshape(1, 7).repeat(2, 0), axis=1, bitorder="little"),
    "unpackbits": lambda m: m.unpackbits(np.array([[3, 200]], np.uint8), axis=0),
    "unpackbits, count": lambda m: m.unpackbits(np.array([3, 200], np.uint8), count=-3, bitorder="little"),
    "unpackbits, more": lambda m: m.unpackbits(np.array([3, 200], np.uint8), count=20),
    "fromiter": lambda m: m.fromiter([1.5, 2.5], np.float32),
    "fromstring": lambda m: m.fromstring("1 2.5", np.float32, sep=" "),
    "matvec": lambda m: np.matmul(S, S[0]) if m is np else m.matvec(S, S[0]),
    "vecmat": lambda m: np.matmul(COMPLEX.conj(), np.eye(3)) if m is np else m.vecmat(COMPLEX, np.eye(3)),
    "can_cast": lambda m: np.asarray(m.can_cast(np.int32, np.float64)),
}


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:overflow")
@pytest.mark.parametrize("name", CALLS)
def test_agrees_with_numpy(name):
    ours, theirs = CALLS[name](cnp), CALLS[name](np)
    ours, theirs = (x if isinstance(x, tuple) else (x,) for x in (ours, theirs))
    assert len(ours) == len(theirs)
    for mine, expected in zip(ours, theirs, strict=True):
        expected = np.asarray(expected)
        assert tuple(mine.shape) == expected.shape
        assert mine.dtype.kind == expected.dtype.kind
        np.testing.assert_allclose(np.asarray(mine), expected, rtol=3e-5, atol=1e-5)


WITH_SIZE = {
    "unique": (lambda x: cnp.unique(x, size=5, fill_value=99), [0, 1, 3, 7, 99]),
    "unique, cut": (lambda x: cnp.unique(x, size=2), [0, 1]),
    "unique, default fill": (lambda x: cnp.unique(x, size=6), [0, 1, 3, 7, 0, 0]),
    "unique of nothing": (lambda x: cnp.unique(x[:0], size=2, fill_value=9), [9, 9]),
    "unique rows of nothing": (lambda x: cnp.unique(x[:0, None], axis=0, size=2, fill_value=9), [[9], [9]]),
    "union1d of nothing": (lambda x: cnp.union1d(x[:0], B[:0], size=2, fill_value=9), [9, 9]),
    "counts": (lambda x: cnp.unique(x, return_counts=True, size=5)[1], [1, 1, 2, 3, 0]),
    "places": (lambda x: cnp.unique(x, return_index=True, size=6)[1], [4, 1, 0, 3, 4, 4]),
    "inverse": (lambda x: cnp.unique(x, return_inverse=True, size=5)[1], [2, 1, 2, 3, 0, 3, 3]),
    "union1d": (lambda x: cnp.union1d(x, B, size=8), [0, 1, 2, 3, 7, 9, 0, 0]),
    "intersect1d": (lambda x: cnp.intersect1d(x, B, size=3, fill_value=-1), [1, 7, -1]),
    "setdiff1d": (lambda x: cnp.setdiff1d(x, B, size=3, fill_value=-1), [0, 3, -1]),
    "setxor1d": (lambda x: cnp.setxor1d(x, B, size=5, fill_value=-1), [0, 2, 3, 9, -1]),
    "setxor1d, the least": (lambda x: cnp.setxor1d(x[x.shape[0] :], B, size=6), [1, 2, 7, 9, 1, 1]),
    "setxor1d, none": (lambda x: cnp.setxor1d(x, x, size=2), [0, 0]),
    "intersect1d, none": (lambda x: cnp.intersect1d(x, -1 - x, size=2), [0, 0]),
    "mask_indices": (lambda x: cnp.mask_indices(2, lambda m, k: m * x[1], size=4)[0], [0, 0, 1, 1]),
}


@pytest.mark.parametrize("name", WITH_SIZE)
def test_sizes_that_are_given_work_under_jit(name):
    function, expected = WITH_SIZE[name]
    np.testing.assert_array_equal(function(A), expected)
    np.testing.assert_array_equal(cotan.jit(function)(A), expected)


def test_places_of_missing_values_lie_past_the_end():
    _, first, second = cotan.jit(lambda x: cnp.intersect1d(x, B, return_indices=True, size=3))(A)
    np.testing.assert_array_equal(first, [1, 3, len(A)])
    np.testing.assert_array_equal(second, [2, 0, len(B)])


def test_traced_indices():
    np.testing.assert_array_equal(cotan.jit(cnp.delete)(A, 2), np.delete(A, 2))
    delete = cotan.jit(lambda x, i: cnp.delete(x, i, assume_unique_indices=True))
    np.testing.assert_array_equal(delete(A, np.array([5, 0, -3])), np.delete(A, [5, 0, -3]))
    insert = cotan.jit(lambda x, i: cnp.insert(x, i, np.array([8, 9], np.int32)))
    np.testing.assert_array_equal(insert(A, np.array([5, 2])), np.insert(A, [5, 2], [8, 9]))


def test_put_clips_what_is_out_of_bounds():
    for index, wanted in ((99, [0, 0, 0, 5]), (-99, [5, 0, 0, 0]), (-2, [0, 0, 5, 0])):
        found = cnp.put(cnp.zeros(4, np.int32), np.array([index], np.int8), 5, inplace=False)
        np.testing.assert_array_equal(found, wanted)
    long = cnp.put(cnp.zeros(1000), np.array([127, 200], np.uint8), 1.0, inplace=False)
    np.testing.assert_array_equal(np.flatnonzero(long), [127, 200])


def test_put_and_place():
    for mode in (None, "clip", "wrap"):
        indices = np.array([1, -2, 9]) if mode else np.array([1, -2, 3])
        expected = A.copy()
        np.put(expected, indices, [50, 60], mode=mode or "raise")
        np.testing.assert_array_equal(cnp.put(A, indices, np.array([50, 60]), mode=mode, inplace=False), expected)
    expected = V.copy()
    np.place(expected, MASK, [1.0, 2.0])
    np.testing.assert_array_equal(cnp.place(V, MASK, np.array([1.0, 2.0]), inplace=False), expected)


@pytest.mark.parametrize("kth", [0, 2, -1])
def test_partition(kth):
    x = np.asarray(cnp.partition(V, kth))
    pivot = np.sort(V)[kth]
    at = kth % len(V)
    assert x[at] == pivot
    assert (x[:at] <= pivot).all()
    assert (x[at:] >= pivot).all()
    np.testing.assert_array_equal(V[np.asarray(cnp.argpartition(V, kth))][at], pivot)
    np.testing.assert_array_equal(cnp.asarray(V).argpartition(kth), cnp.argpartition(V, kth))


def test_division_of_polynomials_gives_a_remainder():
    u, v = V, S[0, :3]
    quotient, rest = cnp.polydiv(u, v)
    np.testing.assert_allclose(cnp.polyadd(cnp.polymul(quotient, v), rest), u, rtol=1e-4, atol=1e-5)
    trimmed = cnp.polydiv(np.array([1.0, 0.0, -1.0]), np.array([1.0, 1.0]), trim_leading_zeros=True)[1]
    np.testing.assert_array_equal(trimmed, [0.0])
    product = cnp.polymul(np.array([0.0, 1.0]), np.array([0.0, 2.0]), trim_leading_zeros=True)
    np.testing.assert_array_equal(product, [2.0])


def test_derivatives_flow_through():
    slope = cotan.grad(lambda x: cnp.gradient(x**2)[2])(cnp.arange(5.0))
    np.testing.assert_allclose(slope, [0, -1, 0, 3, 0])
    slope = cotan.grad(lambda x: cnp.insert(x, 1, 2 * x[0]).sum())(cnp.ones(3))
    np.testing.assert_allclose(slope, [3, 1, 1])
    np.testing.assert_allclose(cotan.grad(lambda p: cnp.polyval(p, 2.0))(cnp.ones(3)), [4, 2, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.bool_, cnp.bfloat16])
def test_files(dtype, tmp_path):
    x = cnp.array([0, 1, 1], dtype)
    cnp.save(tmp_path / "x.npy", x)
    back = cnp.load(tmp_path / "x.npy")
    assert back.dtype == x.dtype
    np.testing.assert_array_equal(back, x)
    file = io.BytesIO()
    cnp.savez(file, x, y=x)
    file.seek(0)
    assert sorted(cnp.load(file)) == ["arr_0", "y"]
    np.asarray(A).tofile(tmp_path / "raw")
    np.testing.assert_array_equal(cnp.fromfile(tmp_path / "raw", np.int32), A)


def test_printing():
    assert cnp.array_repr(cnp.array([1.23456]), precision=2) == "Array([1.23], dtype=float32)"
    assert cnp.array_str(cnp.arange(3)) == "[0 1 2]"
    with cnp.printoptions(precision=1):
        assert repr(cnp.array([1.23456])) == "Array([1.2], dtype=float32)"


def test_einsum_path():
    operands = (np.ones((2, 3)), np.ones((3, 4)), np.ones((4, 5)))
    path, report = cnp.einsum_path("ij,jk,kl->il", *operands)
    assert path == [(0, 1), (0, 1)]
    assert "Optimized scaling" in str(report)


def test_what_the_namespace_says_of_itself():
    info = cnp.__array_namespace_info__()
    assert cnp.arange(2).__array_namespace__() is cnp
    assert info.capabilities()["data-dependent shapes"] is True
    assert info.default_device() is None
    assert info.devices() == [None, *cotan.devices()]
    assert info.default_dtypes(device=cotan.devices()[0])["integral"] == np.int32
    assert set(info.dtypes(kind=("bool", "integral"))) == {
        "bool",
        "int8",
        "int16",
        "int32",
        "uint8",
        "uint16",
        "uint32",
    }
    with cotan.enable_x64():
        assert info.dtypes()["float64"] == np.float64
        assert info.default_dtypes()["real floating"] == np.float64
    with pytest.raises(ValueError, match="is not a device"):
        info.dtypes(device=3)


def test_small_dtypes_have_names():
    for name in ("int4", "uint4", "float8_e4m3fn", "float8_e5m2", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn"):
        x = cnp.array([0, 1], getattr(cnp, name))
        assert x.dtype.name == name
        np.testing.assert_array_equal(x.astype(np.float32), [0, 1])
    assert cnp.isdtype(cnp.float8_e5m2, "real floating")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: cotan.jit(cnp.unique)(A), TypeError, "how many values the result has depends on"),
        (lambda: cotan.jit(cnp.delete)(A, A), TypeError, "decides the shape of the result"),
        (lambda: cnp.unique(A[:0], size=1), ValueError, "unique: size=1 of an array without elements"),
        (lambda: cnp.isin(A, B, method="magic"), ValueError, "is none of 'auto'"),
        (lambda: cnp.delete(A, 9), IndexError, "out of range for an axis of extent 7"),
        (lambda: cnp.delete(A, MASK), ValueError, "a mask of shape"),
        (lambda: cnp.insert(A, 9, 1), IndexError, "index 9 is out of range"),
        (lambda: cnp.put(A, 0, 1), ValueError, "arrays are immutable"),
        (lambda: cnp.put(A, 0, 1, mode="oops", inplace=False), ValueError, "mode 'oops'"),
        (lambda: cnp.place(A, MASK, 1, inplace=False), ValueError, "a mask of 6 elements for an array of 7"),
        (lambda: cnp.place(V, MASK, A[:0], inplace=False), ValueError, "no values to place"),
        (lambda: cnp.trim_zeros(A, "x"), ValueError, "trim must be"),
        (lambda: cnp.partition(A, 7), ValueError, "kth=7 is out of range"),
        (lambda: cnp.choose(V, [V]), ValueError, "must be integers"),
        (lambda: cnp.choose(A, [A]), ValueError, "out of range for 1 choices"),
        (lambda: cnp.choose(A, [A], mode="oops"), ValueError, "unknown mode"),
        (lambda: cnp.choose(A, [A], out=A), NotImplementedError, "arrays are immutable, so `out`"),
        (lambda: cnp.apply_over_axes(lambda x, axis: x.sum(), S, [0]), ValueError, "made an array of 0 dimensions"),
        (lambda: cnp.gradient(V, edge_order=3), ValueError, "edge_order must be 1 or 2"),
        (lambda: cnp.gradient(V[:2], edge_order=2), ValueError, "needs at least 3 samples"),
        (lambda: cnp.gradient(V, V[:3]), ValueError, "coordinates of shape"),
        (lambda: cnp.gradient(S, 1.0, 2.0, 3.0), TypeError, "3 spacings for 2 axes"),
        (lambda: cnp.polyadd(S, V), ValueError, "coefficients must be vectors"),
        (lambda: cotan.jit(lambda p: cnp.polymul(p, p, trim_leading_zeros=True))(V), TypeError, "cannot be dropped"),
        (lambda: cnp.poly(np.ones((2, 2, 2))), ValueError, "takes a vector of zeros or a square matrix"),
        (lambda: cnp.polyder(V, -1), ValueError, "must not be negative"),
        (lambda: cnp.polyint(V, 3, k=V[:2]), ValueError, "2 constants for 3 integrations"),
        (lambda: cnp.polyfit(V, V[:2], 1), TypeError, "as many samples y"),
        (lambda: cnp.histogram2d(V, A), ValueError, "vectors of one length"),
        (lambda: cnp.histogramdd(POINTS, bins=(1, 2, 3)), ValueError, "3 entries in `bins` for 2 axes"),
        (lambda: cnp.frexp(COMPLEX), TypeError, "not defined on complex"),
        (lambda: cnp.ldexp(V, V), ValueError, "exponents must be integers"),
        (lambda: cnp.ldexp(COMPLEX, A[:3]), ValueError, "not defined on complex"),
        (lambda: cnp.spacing(COMPLEX), ValueError, "not defined on complex"),
        (lambda: cnp.packbits(V), TypeError, "takes booleans or integers"),
        (lambda: cnp.unpackbits(A), TypeError, "takes arrays of uint8"),
        (lambda: cnp.packbits(A, bitorder="x"), ValueError, "bitorder must be"),
        (lambda: cnp.matvec(V, V), TypeError, "needs at least 2 and 1 dimensions"),
        (lambda: cnp.einsum_path("ij,jk", V), ValueError, "einsum_path: "),
        (lambda: cnp.int1, AttributeError, "one-bit integers have no dtype here"),
        (lambda: cnp.no_such_name, AttributeError, "has no attribute 'no_such_name'$"),
    ],
)
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("x64", [False, True])
def test_sizes_of_what_is_picked_by_traced_conditions(x64):
    with cotan.enable_x64(x64):
        condition = np.array([True, False, True, False])
        x = np.arange(12).reshape(4, 3)
        found = cotan.jit(lambda c, x: cnp.compress(c, x, axis=0, size=3, fill_value=-1))(condition, x)
        np.testing.assert_array_equal(found, [[0, 1, 2], [6, 7, 8], [-1, -1, -1]])
        found = cotan.jit(lambda c, x: cnp.extract(c, x, size=4))(x % 5 == 0, x)
        np.testing.assert_array_equal(found, [0, 5, 10, 0])
        np.testing.assert_array_equal(cotan.jit(lambda x: cnp.nonzero(x, size=2)[0])(condition), [0, 2])
        np.testing.assert_array_equal(cotan.jit(lambda x: cnp.compress(condition, x, axis=0))(x), x[[0, 2]])
        np.testing.assert_array_equal(cnp.compress(condition, x), [0, 2])


def test_conditions_of_compress_are_vectors():
    with pytest.raises(ValueError, match="the condition must be a vector, got shape"):
        cnp.compress(np.ones((2, 2), bool), np.ones((2, 2)))
    with pytest.raises(NotImplementedError, match="arrays are immutable, so `out`"):
        cnp.compress(np.ones(2, bool), np.ones(2), out=np.ones(2))


def test_nothing_is_taken_of_nothing():
    assert cnp.take(np.zeros((0, 3), np.int8), np.zeros((2, 0), np.int32), axis=0).shape == (2, 0, 3)


def test_histograms_go_on_counting_where_a_float_stops():
    halves = np.full(5000, 0.25, np.float16)
    counts, _ = cnp.histogram(halves, bins=2, range=(0, 1))
    assert counts.dtype == np.float16
    np.testing.assert_array_equal(counts, [5000, 0])
