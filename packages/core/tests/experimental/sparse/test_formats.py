"""BCSR, COO, CSR and CSC; what does not depend on the format; linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

import cotan
import cotan.numpy as cnp
from cotan.experimental import sparse
from cotan.experimental.sparse import bcsr
from cotan.test_util import check_grads

from .test_layouts import padded, random

rng = np.random.default_rng(3)
MATRICES = [sparse.BCOO, sparse.BCSR, sparse.COO, sparse.CSR, sparse.CSC]
NAMES = {"bcoo": sparse.BCOO, "bcsr": sparse.BCSR, "coo": sparse.COO, "csr": sparse.CSR, "csc": sparse.CSC}


@pytest.mark.parametrize("kind", MATRICES)
def test_matrices(kind):
    x = random((4, 5))
    m = kind.fromdense(x)
    assert isinstance(m, kind)
    assert (m.shape, m.ndim, m.size, m.dtype, m.nse, len(m)) == ((4, 5), 2, 20, np.float32, np.count_nonzero(x), 4)
    assert repr(m) == f"{kind.__name__}(float32[4, 5], nse={m.nse})"
    np.testing.assert_array_equal(m.todense(), x)
    np.testing.assert_array_equal(m.T.todense(), x.T)
    np.testing.assert_array_equal(m.transpose((1, 0)).todense(), x.T)
    assert m.block_until_ready() is m
    y = rng.random((5, 2)).astype(np.float32)
    for compiled in (False, True):
        product = cotan.jit(lambda m, y: m @ y) if compiled else lambda m, y: m @ y
        np.testing.assert_allclose(product(m, y), x @ y, rtol=1e-6)
        np.testing.assert_allclose(product(m, y[:, 0]), x @ y[:, 0], rtol=1e-6)
    more = cotan.jit(lambda x: kind.fromdense(x, nse=25))(x)
    assert more.nse == 25
    np.testing.assert_array_equal(more.todense(), x)
    np.testing.assert_allclose(more @ y, x @ y, rtol=1e-6)
    assert kind.fromdense(x, index_dtype=np.int16).tree_flatten()[0][1].dtype == np.int16


@pytest.mark.parametrize("name", NAMES)
def test_empty_and_eye(name):
    for k in (-1, 0, 2):
        m = sparse.eye(3, 4, k, sparse_format=name)
        assert isinstance(m, NAMES[name])
        np.testing.assert_array_equal(m.todense(), np.eye(3, 4, k))
    m = sparse.empty((3, 4), np.float16, sparse_format=name)
    assert isinstance(m, NAMES[name])
    assert m.dtype == np.float16
    np.testing.assert_array_equal(m.todense(), np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("kind", "matvec", "matmat"),
    [(sparse.COO, sparse.coo_matvec, sparse.coo_matmat), (sparse.CSR, sparse.csr_matvec, sparse.csr_matmat)],
)
def test_products_by_name(kind, matvec, matmat):
    x = random((3, 4))
    m = kind.fromdense(x)
    for transpose, a in ((False, x), (True, x.T)):
        y = rng.random((a.shape[1], 2)).astype(np.float32)
        np.testing.assert_allclose(matvec(m, y[:, 0], transpose=transpose), a @ y[:, 0], rtol=1e-6)
        np.testing.assert_allclose(matmat(m, y, transpose=transpose), a @ y, rtol=1e-6)
    with pytest.raises(ValueError, match=r"test_formats.py:\d+, in .*: \w+_matvec: a vector of 4 rows is needed"):
        matvec(m, np.ones(3))
    with pytest.raises(ValueError, match=r"a matrix of 3 rows is needed for a matrix of shape .* transposed"):
        matmat(m, np.ones(3), transpose=True)


def test_functions_by_name():
    x = random((3, 4))
    np.testing.assert_array_equal(sparse.coo_todense(sparse.coo_fromdense(x)), x)
    np.testing.assert_array_equal(sparse.csr_todense(sparse.csr_fromdense(x)), x)
    np.testing.assert_array_equal(sparse.bcsr_todense(sparse.bcsr_fromdense(x)), x)
    m = sparse.COO((np.float32([1, 2, 3]), np.array([2, 0, 2]), np.array([1, 1, 1])), shape=(3, 2))
    np.testing.assert_array_equal(m._sort_indices().row, [0, 2, 2])
    np.testing.assert_array_equal(m.todense(), [[0, 2], [0, 0], [0, 4]])


def test_csr_is_that_of_scipy():
    s = scipy.sparse.random(5, 6, density=0.3, random_state=1, dtype=np.float32)
    for kind, form in ((sparse.CSR, s.tocsr()), (sparse.CSC, s.tocsc()), (sparse.BCSR, s.tocsr())):
        m = kind.fromdense(s.toarray())
        for ours, theirs in zip(m.tree_flatten()[0], (form.data, form.indices, form.indptr), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_batched_rows():
    x = random((2, 3, 4, 2))
    for n_batch, n_dense in [(0, 2), (1, 1), (2, 0)]:
        m = sparse.BCSR.fromdense(x, n_batch=n_batch, n_dense=n_dense)
        more = sparse.BCSR.fromdense(x, n_batch=n_batch, n_dense=n_dense, nse=m.nse + 2)
        for each in (m, more, more.to_bcoo(), sparse.BCSR.from_bcoo(more.to_bcoo())):
            assert (each.n_batch, each.n_dense) == (n_batch, n_dense)
            np.testing.assert_array_equal(each.todense(), x)
        np.testing.assert_array_equal(sparse.bcsr_extract(m.indices, m.indptr, x), m.data)
        np.testing.assert_array_equal(
            sparse.bcsr_concatenate([m, more], dimension=n_batch).todense(),
            [*x, *x] if not n_batch else np.concatenate([x, x], n_batch),
        )
        np.testing.assert_array_equal(sparse.bcsr_sum_duplicates(more, nse=m.nse).todense(), x)
        assert more.sum_duplicates().nse == m.nse
        assert more.sum_duplicates(remove_zeros=False).nse == m.nse
        wide = sparse.bcsr_broadcast_in_dim(m, shape=(5, *x.shape), broadcast_dimensions=range(1, 5))
        np.testing.assert_array_equal(wide.todense(), np.broadcast_to(x, (5, *x.shape)))
    matrix = sparse.BCSR.fromdense(x[0, :, :, 0])
    np.testing.assert_array_equal((2 * matrix + matrix).todense(), 3 * x[0, :, :, 0])
    np.testing.assert_array_equal(matrix[1].todense(), x[0, 1, :, 0])
    np.testing.assert_array_equal(matrix.sum(0).todense(), x[0, :, :, 0].sum(0))
    assert matrix.astype(int).dtype == np.int32
    both = sparse.bcsr_dot_general(matrix, matrix.T, dimension_numbers=(((1,), (0,)), ((), ())))
    assert isinstance(both, sparse.BCSR)
    np.testing.assert_array_equal(both.todense(), x[0, :, :, 0] @ x[0, :, :, 0].T)


def test_explicit_zeros_are_eliminated():
    m = sparse.BCSR((np.float32([1, 0, 3]), np.array([0, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    assert bcsr.bcsr_eliminate_zeros(m).nse == 2
    assert bcsr.bcsr_eliminate_zeros(m, nse=1).nse == 1
    twice = padded(random((3, 4)))
    assert (twice - twice).sum_duplicates(remove_zeros=False).nse == twice.nse - 1
    assert (0 * twice).sum_duplicates().nse == 0


def test_todense():
    x = random((3, 4))
    out = sparse.todense({"a": sparse.CSR.fromdense(x), "b": x, "c": 2.0})
    for name in "ab":
        np.testing.assert_array_equal(out[name], x)
    assert float(out["c"]) == 2
    np.testing.assert_array_equal(cotan.grad(lambda x: sparse.todense(x).sum())(x), np.ones_like(x))
    np.testing.assert_array_equal(cotan.vmap(sparse.todense)(padded(x, 1)), x)


# ---- Linear algebra


@pytest.mark.parametrize("how", ["dense", "sparse", "function"])
def test_largest_eigenvalues(how):
    s = scipy.sparse.random(60, 60, density=0.1, random_state=4)
    s = s + s.T
    expected = np.linalg.eigvalsh(s.toarray())[::-1][:3]
    with cotan.enable_x64(True):
        x = cotan.random.normal(cotan.random.key(0), (60, 3))
        matrix = cnp.asarray(s.toarray())
        a = {"dense": matrix, "sparse": sparse.BCOO.from_scipy_sparse(s), "function": lambda v: matrix @ v}[how]
        values, vectors, count = sparse.linalg.lobpcg_standard(a, x, m=200)
        np.testing.assert_allclose(values, expected, rtol=1e-9)
        np.testing.assert_allclose(s @ np.asarray(vectors), np.asarray(vectors) * np.asarray(values), atol=1e-6)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-10)
        assert 0 < int(count) < 200
        rough = sparse.linalg.lobpcg_standard(a, x, m=200, tol=1e-3)
        assert int(rough[2]) < int(count)
        assert int(sparse.linalg.lobpcg_standard(a, x, m=2)[2]) == 2
        # Where the space of the search is all there is to find, nothing blows up.
        few = sparse.linalg.lobpcg_standard(cnp.diag(cnp.array([1.0] * 15 + [5.0] * 5)), x[:20], m=30)
        np.testing.assert_allclose(few[0], [5, 5, 5], rtol=1e-9)


def test_sparse_equations():
    s = (scipy.sparse.random(12, 12, density=0.2, random_state=5) + 3 * scipy.sparse.eye(12)).tocsr()
    b = rng.random(12)
    with cotan.enable_x64(True):

        def solve(data, b):
            return sparse.linalg.spsolve(data, s.indices, s.indptr, b)

        expected = scipy.sparse.linalg.spsolve(s, b)
        np.testing.assert_allclose(solve(s.data, b), expected, rtol=1e-10)
        np.testing.assert_allclose(cotan.jit(solve)(s.data, b), expected, rtol=1e-10)
        natural = sparse.linalg.spsolve(s.data, s.indices, s.indptr, b, reorder=0)
        np.testing.assert_allclose(natural, expected, rtol=1e-10)
        check_grads(solve, (s.data, b), 1, modes=("fwd", "rev"), rtol=1e-4)
        many = cotan.vmap(solve, (None, 0))(s.data, np.stack([b, 2 * b]))
        np.testing.assert_allclose(many, [expected, 2 * expected], rtol=1e-10)
