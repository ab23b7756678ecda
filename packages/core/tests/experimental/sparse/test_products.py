"""Products of sparse arrays against dense ones and SciPy: every layout, roles of axes, and what memory they take."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.signal
import scipy.sparse

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.experimental import sparse

from .test_layouts import layouts, padded, random

rng = np.random.default_rng(1)
PRODUCTS = [
    ((2, 3, 4), (4, 5), (((2,), (0,)), ((), ()))),
    ((2, 3, 4), (2, 4, 5), (((2,), (1,)), ((0,), (0,)))),
    ((2, 3, 4), (5, 2, 3), (((0,), (1,)), ((1,), (2,)))),
    ((2, 3, 4), (2, 3, 4), (((0, 1, 2), (0, 1, 2)), ((), ()))),
    ((2, 3, 4), (2, 3, 4), (((), ()), ((0, 1, 2), (0, 1, 2)))),
    ((2, 3, 4), (4, 3), (((), ()), ((2, 1), (0, 1)))),
    ((2, 3, 4), (5,), (((), ()), ((), ()))),
]


@pytest.fixture(params=PRODUCTS, ids=[str(k) for k in range(len(PRODUCTS))])
def product(request):
    left, right, numbers = request.param
    x, y = random(left), random(right)
    return x, y, numbers, np.asarray(lax.dot_general(x, y, numbers))


def test_sparse_by_dense(product):
    x, y, numbers, expected = product
    (a, b), (c, d) = numbers
    with cotan.disable_jit():
        for n_batch, n_dense in layouts(3):
            m = padded(x, n_batch, n_dense)
            np.testing.assert_allclose(sparse.bcoo_dot_general(m, y, dimension_numbers=numbers), expected)
            turned = sparse.bcoo_dot_general(y, m, dimension_numbers=((b, a), (d, c)))
            np.testing.assert_allclose(turned, lax.dot_general(y, x, ((b, a), (d, c))))


def test_sparse_by_dense_compiled(product):
    x, y, numbers, expected = product
    np.testing.assert_allclose(sparse.bcoo_dot_general(padded(x, 1), y, dimension_numbers=numbers), expected)


def test_sparse_by_sparse(product):
    x, y, numbers, expected = product
    for n_batch, n_dense in [(0, 0), (1, 0), (2, 1), (0, 3), (3, 0)]:
        for other in [(0, 0), (1, 0), (0, 1), (y.ndim, 0)]:
            out = sparse.bcoo_dot_general(padded(x, n_batch, n_dense), padded(y, *other), dimension_numbers=numbers)
            assert out.unique_indices
            np.testing.assert_allclose(out.todense(), expected)
    f = cotan.jit(lambda a, b: sparse.bcoo_dot_general(a, b, dimension_numbers=numbers))
    np.testing.assert_allclose(f(padded(x, 1), padded(y)).todense(), expected)


def test_sampled(product):
    x, y, numbers, expected = product
    for n_batch, n_dense in layouts(expected.ndim):
        if n_batch + n_dense < expected.ndim:
            pattern = padded(random(expected.shape), n_batch, n_dense)
            data = sparse.bcoo_dot_general_sampled(x, y, pattern.indices, dimension_numbers=numbers)
            np.testing.assert_allclose(data, sparse.bcoo_extract(pattern, expected).data)


def test_matrices_of_scipy():
    s = scipy.sparse.random(40, 30, density=0.1, random_state=1, dtype=np.float32)
    t = scipy.sparse.random(30, 20, density=0.1, random_state=2, dtype=np.float32)
    m, w = sparse.BCOO.from_scipy_sparse(s), sparse.BCOO.from_scipy_sparse(t)
    y = rng.random((30, 3)).astype(np.float32)
    for kind in (m, sparse.BCSR.from_bcoo(m)):
        np.testing.assert_allclose(kind @ y, s @ y, rtol=1e-5)
        np.testing.assert_allclose(kind @ y[:, 0], s @ y[:, 0], rtol=1e-5)
        np.testing.assert_allclose(y.T @ kind.T, (s @ y).T, rtol=1e-5)
        np.testing.assert_allclose((kind @ w).todense(), (s @ t).toarray(), rtol=1e-5)
    out = m @ w
    assert out.nse <= (s @ t).nnz
    assert m.T.shape == (30, 40)


def test_results_of_sparse_products_store_no_more_than_there_is_room_for():
    m = sparse.BCOO.fromdense(np.ones((3, 5), np.float32))
    out = cotan.jit(lambda m: m @ m.T)(m)
    assert out.nse == 9
    assert cotan.jit(lambda m: m * m)(m).nse == 15


def test_the_sparse_operand_is_never_made_dense():
    n = 1 << 20
    rows = np.arange(0, n, 1 << 12)
    m = sparse.BCOO((np.ones(len(rows), np.float32), np.stack([rows, rows[::-1]], -1)), shape=(n, n))
    y = np.arange(n, dtype=np.float32)
    np.testing.assert_array_equal((m @ y)[rows], y[rows[::-1]])
    slope = cotan.jit(cotan.grad(lambda data, y: (sparse.BCOO((data, m.indices), shape=m.shape) @ y).sum()))(m.data, y)
    np.testing.assert_array_equal(slope, y[rows[::-1]])
    text = str(cotan.make_jaxpr(cotan.grad(lambda y: (m @ y).sum()))(y))
    assert not re.search(rf"\[{n},{n}\]", text)
    np.testing.assert_array_equal((m @ m).data, np.ones(len(rows)))
    assert (m * y).nse == m.nse


@pytest.mark.parametrize(
    ("left", "right"),
    [((3, 4), (4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)),
     ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (1, 4, 5)), ((6, 2, 3, 4), (2, 4, 5)), ((2, 3, 4), (6, 2, 4, 5))],
)  # fmt: skip
def test_matmul(left, right):
    x, y = random(left), random(right)
    expected = x @ y
    np.testing.assert_allclose(padded(x) @ y, expected)
    np.testing.assert_allclose(x @ padded(y), expected)
    np.testing.assert_allclose(cnp.asarray(x) @ padded(y), expected)
    extra = max(y.ndim - 2, 0), max(x.ndim - 2, 0)
    if extra[0] <= extra[1]:
        np.testing.assert_allclose((padded(x) @ padded(y)).todense(), expected)


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 4), (3, 1), (4,), (1, 1, 1), ()])
def test_elementwise_by_dense(shape):
    x, y = random((2, 3, 4)), random(shape, 1.0)
    for n_batch, n_dense in layouts(3):
        m = padded(x, n_batch, n_dense)
        np.testing.assert_allclose((m * y).todense(), x * y)
        np.testing.assert_allclose((y * m).todense(), x * y)
        np.testing.assert_allclose((m / y).todense(), x / y, rtol=1e-6)
        data = sparse.bcoo_multiply_dense(m, y)
        np.testing.assert_allclose(sparse.BCOO((data, m.indices), shape=m.shape).todense(), x * y)


def test_elementwise_by_larger_dense():
    x, y = random((3, 1)), random((2, 3, 4), 1.0)
    np.testing.assert_allclose((padded(x) * y).todense(), x * y)
    np.testing.assert_allclose(padded(x, 0, 1) + y, x + y)


def test_arithmetic_of_sparse_arrays():
    x, y = random((2, 3, 4)), random((2, 3, 4))
    for left in layouts(3):
        for right in [(0, 0), (1, 1)]:
            a, b = padded(x, *left), padded(y, *right)
            np.testing.assert_allclose((a + b).todense(), x + y)
            np.testing.assert_allclose((a - b).todense(), x - y)
            np.testing.assert_allclose((a * b).todense(), x * y)
            np.testing.assert_allclose(a + y, x + y)
            np.testing.assert_allclose(y - a, y - x)
    np.testing.assert_allclose((padded(x) + padded(y[:1, :, :1])).todense(), x + y[:1, :, :1])
    np.testing.assert_allclose((padded(x) * padded(y[0])).todense(), x * y[0])
    assert (padded(x) + padded(y).astype(int)).dtype == np.float32
    m = padded(x)
    np.testing.assert_allclose((-m).todense(), -x)
    np.testing.assert_allclose(abs(-(m + m)).todense(), 2 * x)
    np.testing.assert_allclose(((m + m) ** 2).todense(), 4 * x * x)
    np.testing.assert_allclose((+m * 3 / 2).todense(), x * 1.5)
    np.testing.assert_allclose(sparse.bcoo_multiply_sparse(m, padded(y, 1)).todense(), x * y)
    mask = sparse.BCOO.fromdense(x > 4)
    np.testing.assert_array_equal(mask + (x > 6), (x > 4) | (x > 6))


@pytest.mark.parametrize("padding", ["VALID", "SAME", [(2, 1)]])
@pytest.mark.parametrize(("stride", "lhs", "rhs"), [(1, 1, 1), (2, 1, 1), (1, 2, 3), (2, 3, 2)])
def test_convolution(padding, stride, lhs, rhs):
    x, w = random((2, 3, 8)), random((4, 3, 3))
    if isinstance(padding, str) and lhs > 1:
        padding = [(0, 2)]  # padding in words has no meaning there
    options = {"window_strides": (stride,), "padding": padding, "lhs_dilation": (lhs,), "rhs_dilation": (rhs,)}
    out = sparse.bcoo_conv_general_dilated(padded(x, 1), padded(w), **options)
    np.testing.assert_allclose(out.todense(), lax.conv_general_dilated(x, w, **options))


def test_convolution_with_other_axes_and_of_polynomials():
    x, w = random((1, 5, 6, 2)), random((2, 2, 2, 3))
    options = {"window_strides": (1, 2), "padding": "SAME", "dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    out = sparse.bcoo_conv_general_dilated(padded(x), padded(w), **options)
    np.testing.assert_allclose(out.todense(), lax.conv_general_dilated(x, w, **options))
    a, b = random((6,)), random((4,))
    lifted = padded(a[None, None]), padded(b[None, None, ::-1])
    out = sparse.bcoo_conv_general_dilated(*lifted, window_strides=(1,), padding=[(3, 3)])
    np.testing.assert_allclose(out.todense()[0, 0], scipy.signal.convolve(a, b))
