"""What the standard says of arrays as objects, of devices, copies, indexing, and of values of single functions."""

from __future__ import annotations

import numpy as np
import pytest

import array_api.standard as standard
import cotan
import cotan.numpy as cnp

X = np.arange(12.0).reshape(3, 4)


@pytest.fixture(autouse=True)
def wide():
    with cotan.enable_x64():
        yield


def test_attributes():
    x = cnp.asarray(X)
    assert (x.ndim, x.shape, x.size, x.dtype) == (2, (3, 4), 12, np.float64)
    assert x.device in cotan.devices()
    np.testing.assert_array_equal(x.T, X.T)
    np.testing.assert_array_equal(cnp.zeros((2, 3, 4)).mT, np.zeros((2, 4, 3)))
    with pytest.raises(ValueError, match="dimensions"):
        cnp.zeros(3).mT  # noqa: B018


def test_conversions_to_numbers():
    for dtype in standard.ALL:
        one = cnp.ones((), dtype=getattr(cnp, dtype))
        assert bool(one) is True
        assert complex(one) == 1
        if dtype not in standard.COMPLEX:
            assert type(int(one)) is int
            assert type(float(one)) is float
    assert range(4)[cnp.asarray(2)] == 2
    assert [bool(cnp.asarray(v)) for v in (np.nan, np.inf, -0.0, 0j)] == [True, True, False, False]
    for function, value in ((int, np.nan), (int, np.inf)):
        with pytest.raises((ValueError, OverflowError)):
            function(cnp.asarray(value))
    with pytest.raises(TypeError, match="Python integer"):
        range(3)[cnp.asarray(1.0)]
    for kind in (float, int):
        with pytest.raises(TypeError, match=rf"{kind.__name__}\(\) of a complex array \(~c128\[\]\); take its \.real"):
            kind(cnp.asarray(1j))


def test_devices():
    x = cnp.asarray(X)
    for device in cotan.devices():
        assert x.to_device(device).device == device
        for made in (cnp.zeros(2, device=device), cnp.asarray(X, device=device), cnp.arange(3, device=device)):
            assert made.device == device
        assert cnp.astype(x, cnp.float32, device=device).device == device
        assert cnp.from_dlpack(X, device=device).device == device
        for name in ("fftfreq", "rfftfreq"):
            assert getattr(cnp.fft, name)(4, device=device).device == device
    assert isinstance(x.__dlpack_device__(), tuple)
    np.testing.assert_array_equal(np.from_dlpack(x), X)
    with pytest.raises(NotImplementedError, match="stream"):
        x.to_device(x.device, stream=1)


def test_copies():
    x = cnp.asarray(X)
    for same in (cnp.asarray(x), cnp.asarray(x, copy=False), cnp.asarray(x, copy=None)):
        np.testing.assert_array_equal(same, X)
    mine = X.copy()
    copied = cnp.asarray(mine, copy=True)
    mine[0, 0] = 99
    assert copied[0, 0] == 0
    for given, options in ((x, {"dtype": cnp.float32}), (X, {}), ([1, 2], {}), (1.0, {})):
        with pytest.raises(ValueError, match="asarray: copy=False"):
            cnp.asarray(given, copy=False, **options)
    with pytest.raises(BufferError, match="from_dlpack"):
        cnp.from_dlpack(X, copy=False)
    np.testing.assert_array_equal(cnp.from_dlpack(x, copy=False), X)
    np.testing.assert_array_equal(cnp.reshape(x, (4, 3), copy=False), X.reshape(4, 3))
    assert cnp.astype(x, x.dtype, copy=False).dtype == x.dtype


def test_indexing():
    x = cnp.asarray(X)
    keys = [1, -1, (1, 2), slice(None, None, -1), (slice(1, 3), None, 2), ..., (..., 1), (1, ...), (None, 1, ..., None)]
    keys += [
        (slice(None), slice(3, 0, -2)),
        (),
        (slice(0, 0),),
        X > 5,
        (X[:, 0] > 3),
        (np.array([2, 0]), np.array([1, 1])),
    ]
    for key in keys:
        np.testing.assert_array_equal(x[key], X[key])
    np.testing.assert_array_equal(cnp.asarray(5.0)[cnp.asarray(True)], np.array([5.0]))
    integer = (1, cnp.asarray([0, 2]))
    np.testing.assert_array_equal(x[integer], X[1, [0, 2]])


def test_asarray_of_sequences_and_buffers():
    for given in ([1, 2], (1, 2), [[1], [2]], [True, False], [1, 2.0], [1.0, 2j], 3, True, 1.5, 2j, []):
        assert cnp.asarray(given).dtype == np.asarray(given).dtype
        np.testing.assert_array_equal(cnp.asarray(given), np.asarray(given))
    np.testing.assert_array_equal(cnp.asarray(memoryview(bytearray(b"abc"))), [97, 98, 99])
    nested = [[cnp.asarray(1.0), 2.0], [3, cnp.asarray(4)]]
    np.testing.assert_array_equal(cnp.asarray(nested), [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: cnp.arange(1, 6, 2), [1, 3, 5]),
        (lambda: cnp.arange(3, 0, -1), [3, 2, 1]),
        (lambda: cnp.arange(0, -1), []),
        (lambda: cnp.linspace(1, 2, 1), [1]),
        (lambda: cnp.linspace(0, 1, 4, endpoint=False), [0, 0.25, 0.5, 0.75]),
        (lambda: cnp.eye(2, 3, k=1), [[0, 1, 0], [0, 0, 1]]),
        (lambda: cnp.tril(X[:2, :2], k=-1), [[0, 0], [4, 0]]),
        (lambda: cnp.triu(X[:2, :2]), [[0, 1], [0, 5]]),
        (lambda: cnp.count_nonzero(X, axis=0, keepdims=True), [[2, 3, 3, 3]]),
        (lambda: cnp.count_nonzero(X, axis=(0, 1)), 11),
        (lambda: cnp.cumulative_sum(cnp.asarray([1, 2, 3]), include_initial=True), [0, 1, 3, 6]),
        (lambda: cnp.cumulative_prod(cnp.asarray([1, 2, 3]), include_initial=True), [1, 1, 2, 6]),
        (lambda: cnp.diff(cnp.asarray([1, 4, 9]), n=2), [2]),
        (lambda: cnp.diff(cnp.asarray([1, 4]), prepend=cnp.asarray([0]), append=cnp.asarray([9])), [1, 3, 5]),
        (lambda: cnp.take_along_axis(cnp.asarray(X), cnp.asarray([[3], [0], [-1]])), [[3], [4], [11]]),
        (lambda: cnp.take(cnp.asarray(X), cnp.asarray([2, 0]), axis=0)[:, 0], [8, 0]),
        (lambda: cnp.searchsorted(cnp.asarray([1, 2, 2]), cnp.asarray([2, 0, 9]), side="right"), [3, 0, 3]),
        (lambda: cnp.searchsorted(cnp.asarray([2, 1]), cnp.asarray([1.5]), sorter=cnp.asarray([1, 0])), [1]),
        (lambda: cnp.sort(cnp.asarray([2, 3, 1]), descending=True), [3, 2, 1]),
        (lambda: cnp.argsort(cnp.asarray([1, 2, 1]), descending=True), [1, 0, 2]),
        (lambda: cnp.repeat(cnp.asarray([1, 2]), cnp.asarray([2, 1])), [1, 1, 2]),
        (lambda: cnp.tile(cnp.asarray([1, 2]), (2, 1)), [[1, 2], [1, 2]]),
        (lambda: cnp.roll(cnp.asarray(X), (1, 2), axis=(0, 1))[1], [2, 3, 0, 1]),
        (lambda: cnp.flip(cnp.asarray([1, 2, 3])), [3, 2, 1]),
        (lambda: cnp.std(cnp.asarray([1.0, 3.0]), correction=1.0) ** 2, 2.0),
        (lambda: cnp.var(cnp.asarray([1.0, 3.0])), 1.0),
        (lambda: cnp.vecdot(cnp.asarray([1j, 2]), cnp.asarray([1j, 1])), 3),
        (lambda: cnp.linalg.vector_norm(cnp.asarray([3.0, -4.0]), ord=np.inf), 4),
        (lambda: cnp.linalg.vector_norm(cnp.asarray([3.0, 0.0]), ord=0), 1),
        (lambda: cnp.linalg.vector_norm(cnp.asarray(X[:2, :2]), keepdims=True), [[np.sqrt(42)]]),
        (lambda: cnp.linalg.matrix_norm(cnp.asarray([[3.0, 4.0]]), ord="nuc"), 5),
        (lambda: cnp.linalg.matrix_rank(cnp.asarray(X)), 2),
        (lambda: cnp.all(cnp.zeros((0,))), True),
        (lambda: cnp.any(cnp.zeros((0,))), False),
        (lambda: cnp.sum(cnp.zeros((0,))), 0),
        (lambda: cnp.prod(cnp.zeros((0,))), 1),
        (lambda: cnp.bitwise_right_shift(cnp.asarray([-8, 8]), cnp.asarray([1, 1])), [-4, 4]),
        (lambda: cnp.sign(cnp.asarray([-2, 0, 3])), [-1, 0, 1]),
        (lambda: cnp.abs(cnp.asarray([-128], dtype=cnp.int8)), [-128]),
        (lambda: cnp.remainder(cnp.asarray([-7, 7]), cnp.asarray([3, -3])), [2, -2]),
        (lambda: cnp.floor_divide(cnp.asarray([-7, 7]), cnp.asarray([3, -3])), [-3, -3]),
        (lambda: cnp.nextafter(cnp.asarray(1.0), cnp.asarray(2.0)) - 1, 2.0**-52),
    ],
)
def test_values(found, expected):
    got = found()
    assert got.shape == np.shape(expected)
    np.testing.assert_allclose(got, expected, rtol=1e-15)


def test_several_results():
    rows, columns = cnp.nonzero(cnp.asarray([[0, 1], [2, 0]]))
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])
    with pytest.raises(ValueError, match="nonzero: an array of no dimensions"):
        cnp.nonzero(cnp.asarray(1))
    x = cnp.asarray([[3.0, 1.0], [np.nan, np.nan]])
    found = cnp.unique_all(x)
    assert found.counts.tolist() == [1, 1, 1, 1]
    assert found.inverse_indices.shape == x.shape
    assert cnp.isnan(found.values).tolist() == [False, False, True, True]
    np.testing.assert_array_equal(found.values[found.inverse_indices][0], x[0])
    assert [a.shape for a in cnp.broadcast_arrays(cnp.zeros((2, 1)), cnp.zeros(3))] == [(2, 3), (2, 3)]
    assert [a.shape for a in cnp.meshgrid(cnp.zeros(2), cnp.zeros(3), indexing="ij")] == [(2, 3), (2, 3)]
    assert [a.tolist() for a in cnp.unstack(cnp.asarray([[1, 2], [3, 4]]), axis=1)] == [[1, 3], [2, 4]]


def test_factorisations_of_stacks():
    x = cnp.asarray(np.random.default_rng(3).normal(size=(2, 3, 3)))
    spd = x @ x.mT + cnp.eye(3)
    np.testing.assert_allclose(cnp.linalg.cholesky(spd, upper=True).mT @ cnp.linalg.cholesky(spd, upper=True), spd)
    q, r = cnp.linalg.qr(x, mode="complete")
    np.testing.assert_allclose(q @ r, x, atol=1e-14)
    u, s, vh = cnp.linalg.svd(x[:, :2], full_matrices=False)
    np.testing.assert_allclose((u * s[:, None]) @ vh, x[:, :2], atol=1e-14)
    np.testing.assert_allclose(cnp.linalg.pinv(x, rtol=1e-12), np.linalg.inv(x), atol=1e-12)
    np.testing.assert_allclose(cnp.linalg.svdvals(x), np.linalg.svd(x, compute_uv=False))
    sign, logarithm = cnp.linalg.slogdet(x)
    np.testing.assert_allclose(sign * cnp.exp(logarithm), cnp.linalg.det(x))
    np.testing.assert_allclose(cnp.linalg.solve(x, cnp.ones(3)), np.linalg.solve(x, np.ones((2, 3, 1)))[..., 0])
    np.testing.assert_allclose(cnp.linalg.trace(x, offset=1), np.trace(x, 1, -2, -1))
    np.testing.assert_allclose(cnp.linalg.diagonal(x, offset=-1), np.diagonal(x, -1, -2, -1))


def test_limits_of_floats():
    info = cnp.finfo(cnp.float32)
    assert repr(info) == repr(np.finfo(np.float32))
    assert (info.nmant, info.tiny) == (23, 2.0**-126)
    assert cnp.finfo(cnp.bfloat16).eps == 2.0**-7
    with pytest.raises(ValueError, match="int32"):
        cnp.finfo(cnp.int32)
