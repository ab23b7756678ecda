"""BCOO against NumPy: every layout of an array through conversions, shapes and slices, with padding."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.experimental import sparse
from cotan.experimental.sparse import bcoo

rng = np.random.default_rng(0)
SHAPES = [(4,), (3, 4), (2, 3, 4)]


def random(shape, part=0.5):
    return np.where(rng.random(shape) < part, rng.integers(1, 9, shape), 0).astype(np.float32)


def layouts(ndim):
    return [(b, d) for b in range(ndim + 1) for d in range(ndim + 1 - b)]


def padded(x, n_batch=0, n_dense=0, more=1):
    """A BCOO of ``x`` that stores more elements than there are."""
    nse = sparse.bcoo_fromdense(x, n_batch=n_batch, n_dense=n_dense).nse
    return sparse.bcoo_fromdense(x, n_batch=n_batch, n_dense=n_dense, nse=nse + more)


CASES = [(shape, *layout) for shape in SHAPES for layout in layouts(len(shape))]


@pytest.fixture(params=CASES, ids=str)
def case(request):
    shape, n_batch, n_dense = request.param
    x = random(shape)
    return x, padded(x, n_batch, n_dense)


def check(mat, expected):
    assert isinstance(mat, sparse.BCOO)
    assert mat.shape == np.shape(expected)
    np.testing.assert_array_equal(mat.todense(), expected)


def test_from_dense_and_back(case):
    x, m = case
    exact = sparse.BCOO.fromdense(x, n_batch=m.n_batch, n_dense=m.n_dense)
    check(exact, x)
    check(m, x)
    assert m.nse == exact.nse + 1
    assert exact.n_batch + exact.n_sparse + exact.n_dense == x.ndim
    assert (exact.ndim, exact.size, exact.dtype, len(exact)) == (x.ndim, x.size, x.dtype, len(x))
    np.testing.assert_array_equal(cotan.jit(lambda m: m.todense())(m), x)


def test_duplicates(case):
    x, m = case
    twice = sparse.BCOO(
        (cnp.concatenate([m.data] * 2, m.n_batch), cnp.concatenate([m.indices] * 2, m.n_batch)), shape=m.shape
    )
    check(twice, 2 * x)
    once = sparse.bcoo_sum_duplicates(twice)
    check(once, 2 * x)
    assert once.nse <= m.nse
    assert once.unique_indices
    assert once.indices_sorted
    check(sparse.bcoo_sum_duplicates(twice, nse=m.nse + 3), 2 * x)
    check(twice.sum_duplicates(), 2 * x)
    check(cotan.jit(lambda t: t.sum_duplicates(nse=5 + m.nse))(twice), 2 * x)
    check(sparse.bcoo_sort_indices(twice), 2 * x)


def test_extraction(case):
    x, m = case
    y = random(x.shape, 1.0)
    check(sparse.bcoo_extract(m, y), np.where(sparse.bcoo_extract(m, np.ones_like(x)).todense(), y, 0))
    if m.n_sparse:
        twice = bcoo.BCOO((m.data, cnp.roll(m.indices, 1, -2)), shape=m.shape)
        twice = sparse.bcoo_concatenate([twice, twice], dimension=m.n_batch)
        twice = bcoo.BCOO((twice.data, twice.indices), shape=twice.shape)
        z = random(twice.shape, 1.0)
        stored = sparse.bcoo_extract(twice, np.ones_like(z))
        assert stored.todense().max() == 1
        check(sparse.bcoo_extract(twice, z), z * stored.todense())


def test_sums(case):
    x, m = case
    for count in range(x.ndim + 1):
        for axes in itertools.combinations(range(x.ndim), count):
            check(sparse.bcoo_reduce_sum(m, axes=axes), x.sum(axis=axes))
    np.testing.assert_array_equal(m.sum(), x.sum())
    if x.ndim > 1:
        np.testing.assert_array_equal(m.sum(0).todense(), x.sum(0))
        assert m.sum(axis=-1, dtype=int).dtype == np.int32


def test_layouts(case):
    x, m = case
    for n_batch, n_dense in layouts(x.ndim):
        other = m.update_layout(n_batch=n_batch, n_dense=n_dense, on_inefficient=None)
        assert (other.n_batch, other.n_dense) == (n_batch, n_dense)
        check(other, x)


def test_transposition(case):
    x, m = case
    first, last = m.n_batch, m.n_batch + m.n_sparse
    groups = [range(first), range(first, last), range(last, x.ndim)]
    for parts in itertools.product(*(itertools.permutations(g) for g in groups)):
        order = tuple(k for part in parts for k in part)
        check(sparse.bcoo_transpose(m, permutation=order), x.transpose(order))


def test_slices(case):
    x, m = case
    for _ in range(3):
        starts = [int(rng.integers(0, n)) for n in x.shape]
        limits = [int(rng.integers(a, n + 1)) for a, n in zip(starts, x.shape, strict=True)]
        steps = [int(rng.integers(1, 3)) for _ in x.shape]
        index = tuple(slice(a, b, s) for a, b, s in zip(starts, limits, steps, strict=True))
        check(sparse.bcoo_slice(m, start_indices=starts, limit_indices=limits, strides=steps), x[index])
        starts = [int(rng.integers(-3, 4)) for _ in x.shape]
        sizes = [int(rng.integers(1, n + 1)) for n in x.shape]
        check(sparse.bcoo_dynamic_slice(m, starts, sizes), lax.dynamic_slice(x, starts, sizes))
    for axis in range(x.ndim):
        check(sparse.bcoo_rev(m, (axis,)), np.flip(x, axis))


def test_concatenation(case):
    x, m = case
    y = 2 * random(x.shape)
    other = padded(y, m.n_batch, m.n_dense, 2)
    for axis in range(x.ndim):
        check(sparse.bcoo_concatenate([m, other], dimension=axis), np.concatenate([x, y], axis))


@pytest.mark.parametrize(
    ("shape", "new", "n_batch", "n_dense"),
    [
        ((2, 3), (3, 2), 0, 0), ((2, 6), (2, 1, 3, 2), 1, 0), ((4, 6), (2, 2, 3, 2, 1), 0, 0),
        ((4, 1, 6), (4, 6), 0, 0),
        ((2, 3, 4), (6, 4), 0, 1), ((6, 4, 2), (3, 2, 8), 1, 0), ((6, 4, 2), (3, 2, 4, 2, 1), 1, 1), ((1, 1), (), 0, 0),
        ((1,), (1, 1, 1), 0, 0), ((0, 3), (3, 0), 0, 0), ((2, 1, 3), (6,), 0, 0), ((2, 3), (-1,), 0, 0),
    ],
)  # fmt: skip
def test_reshape(shape, new, n_batch, n_dense):
    x = random(shape)
    m = padded(x, n_batch, n_dense)
    check(m.reshape(new), x.reshape(new))
    if -1 not in new:
        check(sparse.bcoo_reshape(m, new_sizes=new, dimensions=range(x.ndim)), x.reshape(new))


@pytest.mark.parametrize(
    ("shape", "new", "places", "n_batch", "n_dense"),
    [
        ((2, 3), (4, 2, 3), (1, 2), 0, 0), ((2, 3), (2, 3, 4), (0, 1), 0, 0), ((2, 3), (2, 4, 3), (0, 2), 0, 0),
        ((1, 3), (2, 3), (0, 1), 0, 0), ((1, 3), (2, 3), (0, 1), 1, 0), ((2, 3), (5, 2, 4, 3), (1, 3), 1, 0),
        ((2, 3), (5, 2, 4, 3), (1, 3), 1, 1), ((2, 3), (2, 4, 3), (0, 2), 0, 1), ((2, 1), (2, 4), (0, 1), 0, 1),
        ((2, 3), (2, 3, 4), (0, 1), 0, 1), ((2, 3), (2, 3, 4), (0, 1), 1, 0), ((2, 3), (2, 3, 4), (0, 1), 2, 0),
        ((2, 3), (4, 2, 3), (1, 2), 0, 2), ((), (3,), (), 0, 0), ((2, 3), (2, 4, 3), (0, 2), 1, 1),
    ],
)  # fmt: skip
def test_broadcast(shape, new, places, n_batch, n_dense):
    x = random(shape)
    made = sparse.bcoo_broadcast_in_dim(padded(x, n_batch, n_dense), shape=new, broadcast_dimensions=places)
    check(made, lax.broadcast_in_dim(x, new, places))


def test_squeeze():
    x = random((1, 3, 1, 2, 1))
    for n_batch, n_dense in [(0, 0), (1, 1), (2, 2), (3, 0), (0, 3)]:
        check(sparse.bcoo_squeeze(padded(x, n_batch, n_dense), dimensions=(0, 2, -1)), x.squeeze((0, 2, 4)))
    check(sparse.bcoo_squeeze(padded(x[:, :1, :, :1]), dimensions=range(5)), x[0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    "index",
    [
        0, -1, slice(1, None), slice(None, None, -1), slice(None, None, 2), (0, 2), (slice(None), 1), (0, slice(1, 3)),
        None, (slice(None), None), (Ellipsis, 0), [1, 0, 1], (slice(None), slice(3, 0, -2)), np.array([[0], [1]]),
    ],
    ids=str,
)  # fmt: skip
def test_indexing(index):
    x = random((2, 4))
    index = np.array(index) if isinstance(index, list) else index
    check(padded(x)[index], x[index])
    check(cotan.jit(lambda m: m[index])(padded(x)), x[index])


def test_traced_index_and_iteration():
    x = random((3, 4))
    m = padded(x)
    np.testing.assert_array_equal(cotan.jit(lambda m, i: m[i].todense())(m, 2), x[2])
    for row, expected in zip(m, x, strict=True):
        check(row, expected)
    np.testing.assert_array_equal(padded(x, 1)[1].todense(), x[1])


def test_rows_end():
    x = random((3, 4))
    for row, expected in zip(sparse.BCSR.fromdense(x), x, strict=True):
        check(row, expected)
    with pytest.raises(TypeError, match="a value of type BCSR is not a number"):
        cnp.asarray(sparse.BCSR.fromdense(x))
    with pytest.raises(NotImplementedError, match="COO does not do indexing"):
        list(sparse.COO.fromdense(x))


def test_windows():
    x = random((5, 4))
    numbers = lax.GatherDimensionNumbers(offset_dims=(1, 2), collapsed_slice_dims=(), start_index_map=(0, 1))
    starts = np.array([[0, 1], [3, 2], [9, -4]])
    moved = np.stack([x[i : i + 2, j : j + 2] for i, j in np.clip(starts, 0, [3, 2])])
    filled = np.where(np.array([True, True, False])[:, None, None], moved, 0)
    for n_batch in (0, 1):
        for mode, expected in (("clip", moved), (None, moved), ("fill", filled)):
            options = {"fill_value": 0} if mode == "fill" else {}
            np.testing.assert_array_equal(lax.gather(x, starts, numbers, (2, 2), mode=mode, **options), expected)
            check(sparse.bcoo_gather(padded(x, n_batch), starts, numbers, (2, 2), mode=mode, **options), expected)
    one = lax.GatherDimensionNumbers(offset_dims=(0, 1), collapsed_slice_dims=(), start_index_map=(0, 1))
    check(sparse.bcoo_gather(padded(x), starts[0], one, (2, 2), mode="clip"), x[:2, 1:3])


def test_batches_of_size_one_stand_for_any():
    m = sparse.BCOO((cnp.array([[1.0, 2.0]]), cnp.array([[[0], [2]], [[1], [3]], [[0], [4]]])), shape=(3, 4))
    x = np.array([[1.0, 0, 2, 0], [0, 1, 0, 2], [1, 0, 0, 0]])
    check(m, x)
    check(m.sum_duplicates(), x)
    check(m.sort_indices(), x)
    check(m.update_layout(n_batch=0), x)
    check(sparse.bcoo_reduce_sum(m, axes=(0,)), x.sum(0))
    check(m[1:], x[1:])
    check(sparse.bcoo_dynamic_slice(m, (1, 1), (2, 2)), x[1:, 1:3])
    check(m.reshape(3, 2, 2), x.reshape(3, 2, 2))
    check(sparse.bcoo_concatenate([m, m], dimension=0), np.concatenate([x, x]))
    np.testing.assert_allclose(m @ np.arange(4.0), x @ np.arange(4.0))
    np.testing.assert_allclose(np.arange(3.0) @ m, np.arange(3.0) @ x)
    np.testing.assert_allclose((m * m).todense(), x * x)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int32, np.float16, np.complex64])
def test_dtypes(dtype):
    x = random((3, 4)).astype(dtype)
    m = sparse.BCOO.fromdense(x)
    assert m.dtype == dtype
    assert m.todense().dtype == dtype
    check(m, x)
    check(m.sum_duplicates(nse=20), x)
    check(m.astype(np.float32), x.astype(np.float32) if dtype is not np.complex64 else x.real)


def test_scipy_arrays():
    s = scipy.sparse.random(6, 5, density=0.4, random_state=1, dtype=np.float32)
    for kind in (sparse.BCOO, sparse.BCSR):
        for form in (s, s.tocsr(), s.tocsc()):
            np.testing.assert_array_equal(kind.from_scipy_sparse(form).todense(), s.toarray())
    assert sparse.BCOO.from_scipy_sparse(s, index_dtype=np.uint8).indices.dtype == np.uint8


@pytest.mark.parametrize("n_batch", [0, 1, 2])
def test_empty_and_eye(n_batch):
    for n_dense in range(3 - n_batch):
        options = {"n_batch": n_batch, "n_dense": n_dense}
        for k in (-5, -1, 0, 2, 5):
            check(sparse.eye(3, 4, k, **options), np.eye(3, 4, k, dtype=np.float32))
        check(sparse.empty((3, 4), np.int32, **options), np.zeros((3, 4), np.int32))
        check(sparse.empty((3, 4), nse=2, **options), np.zeros((3, 4)))
    assert sparse.eye(3, dtype=np.int8).dtype == np.int8


def test_random_arrays():
    key = cotan.random.key(0)
    for n_batch, n_dense in layouts(3):
        m = sparse.random_bcoo(key, (3, 4, 5), nse=0.5, n_batch=n_batch, n_dense=n_dense, sorted_indices=True)
        assert (m.n_batch, m.n_dense) == (n_batch, n_dense)
        assert m.nse == -(-int(np.prod(m.shape[n_batch : n_batch + m.n_sparse])) // 2)
        assert sparse.bcoo_sum_duplicates(m, nse=m.nse).nse == m.nse
        assert np.asarray(m.todense()).astype(bool).sum() <= m.data.size
    m = sparse.random_bcoo(key, (3, 100), nse=40, generator=cotan.random.normal, n_batch=1)
    assert all(len(np.unique(row)) == 40 for row in np.asarray(m.indices))
    m = sparse.random_bcoo(key, (3,), nse=40, unique_indices=False, dtype=np.float16, minval=1.0, maxval=2.0)
    assert m.dtype == np.float16
    assert m.todense().min() > 1
    assert set(np.asarray(m.indices).ravel()) == {0, 1, 2}
