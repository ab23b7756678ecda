"""The functions of cotan.lax that are compositions: values, types, strictness, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from user_functions import check_jit, type_of

import cotan
import cotan.numpy as cnp
from cotan import lax

V = np.arange(7, dtype=np.float32)
Q = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: lax.broadcast(x, (2,)), np.broadcast_to(V, (2, 7))),
        (lambda x: lax.broadcast_to_rank(x, 3), V[None, None]),
        (lambda x: lax.slice_in_dim(x, 1, -1), V[1:-1]),
        (lambda x: lax.slice_in_dim(x, 1, None, 2), V[1::2]),
        (lambda x: lax.index_in_dim(x, -1), V[-1:]),
        (lambda x: lax.index_in_dim(x, -1, keepdims=False), V[-1]),
        (lambda x: lax.dynamic_slice_in_dim(x, 5, 4), V[3:]),
        (lambda x: lax.dynamic_slice_in_dim(x, -2, 2), V[5:]),
        (lambda x: lax.dynamic_index_in_dim(x, 2, keepdims=False), V[2]),
        (lambda x: lax.dynamic_update_slice_in_dim(x, x[:2] + 9, 6, 0), [0, 1, 2, 3, 4, 9, 10]),
        (lambda x: lax.dynamic_update_index_in_dim(x, np.float32(9), 2, 0), [0, 1, 9, 3, 4, 5, 6]),
        (lambda x: lax.sort_key_val(-x, x)[1], V[::-1]),
        (lambda x: lax.select(x > 2, x, -x), np.where(V > 2, V, -V)),
        (lambda x: lax.select(True, x, -x), V),
        (lambda x: lax.dot(x, x), V @ V),
        (lambda x: lax.reciprocal(x + 1), 1 / (V + 1)),
        (lambda x: lax.full_like(x, 3), np.full(7, 3)),
    ],
)
def test_values_of_vectors(call, expected):
    np.testing.assert_allclose(call(V), expected, rtol=1e-6)
    check_jit(call, V)


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (lambda x: lax.collapse(x, 1), (2, 12)),
        (lambda x: lax.collapse(x, 0, 2), (6, 4)),
        (lambda x: lax.collapse(x, -2), (2, 12)),
        (lambda x: lax.batch_matmul(x, cnp.swapaxes(x, 1, 2)), (2, 3, 3)),
        (lambda x: lax.slice_in_dim(x, 1, 3, axis=-1), (2, 3, 2)),
    ],
)
def test_shapes(call, shape):
    assert call(Q).shape == shape
    check_jit(call, Q)


def test_batch_matmul_is_matmul():
    np.testing.assert_allclose(lax.batch_matmul(Q, Q.swapaxes(1, 2)), Q @ Q.swapaxes(1, 2))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lambda: lax.full((2,), 7), "~int32"),
        (lambda: lax.full((2,), 7.0), "~float32"),
        (lambda: lax.full((2,), True), "bool"),
        (lambda: lax.full((2,), np.float16(3)), "float16"),
        (lambda: lax.full((2,), cnp.asarray(3)), "~int32"),
        (lambda: lax.full((2,), 3, np.int8), "int8"),
        (lambda: lax.full_like(np.ones(2, np.int8), 3), "int8"),
        (lambda: lax.full_like(cnp.full(2, 1.0), 3), "~float32"),
        (lambda: lax.iota(np.int8, 3), "int8"),
        (lambda: lax.add(np.ones(2, np.float16), 1.0), "float16"),
        (lambda: lax.add(cnp.asarray(1.0), 1.0), "~float32"),
        (lambda: lax.dot(np.ones(2, np.int8), np.ones(2, np.int8), preferred_element_type=np.int32), "int32"),
        (lambda: cnp.remainder(np.ones(2, np.int8), 0.5), "~float32"),
    ],
)
def test_types(value, expected):
    assert type_of(value()) == expected


def test_broadcast_shapes():
    assert lax.broadcast_shapes((2, 1), (3,), ()) == (2, 3)


def test_extents_of_one_are_repeated():
    whole = Q[0]
    column, row = whole[:, :1], whole[:1]
    for transform in (lambda f: f, cotan.jit):
        np.testing.assert_array_equal(transform(lax.sub)(column, row), column - row)
        np.testing.assert_array_equal(transform(lax.lt)(whole, row), whole < row)
        np.testing.assert_allclose(transform(lax.pow)(abs(column), row), abs(column) ** row, rtol=1e-5)
    np.testing.assert_array_equal(cotan.vmap(lax.mul, (0, None))(Q, row), Q * row)
    slope = cotan.grad(lambda x: lax.reduce_sum(lax.mul(x, row), (0, 1)))(column)
    np.testing.assert_allclose(slope, np.full_like(column, row.sum()), rtol=1e-6)


def test_shapes_may_be_numbers():
    np.testing.assert_array_equal(lax.full(3, 2.0), [2, 2, 2])
    np.testing.assert_array_equal(lax.full_like(Q, 1, shape=np.int64(2)), [1, 1])


@pytest.mark.parametrize(
    ("left", "right", "common"),
    [("float32", "int8", "float32"), ("bfloat16", "float32", "float32"), ("int8", "int32", "int32")],
)
def test_products_of_different_dtypes(left, right, common):
    x, y = np.ones((2, 3), left), np.full((3, 2), 2, right)
    found = lax.dot_general(x, y, (((1,), (0,)), ((), ())))
    assert found.dtype == np.dtype(common)
    np.testing.assert_array_equal(found.astype(np.float32), np.full((2, 2), 6))
    assert lax.dot(x, y, preferred_element_type=np.float32).dtype == np.float32


def test_traced_starts():
    for start, first in ((0, 0), (3, 3), (9, 5), (-1, 5)):
        found = cotan.jit(lambda i: lax.dynamic_slice_in_dim(V, i, 2))(start)
        np.testing.assert_array_equal(found, V[first : first + 2])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: lax.full((2,), V), TypeError, "full: fill_value must be a scalar"),
        (lambda: lax.broadcast_shapes((2,), (3,)), ValueError, r"incompatible shapes for broadcasting: \(2,\), \(3,\)"),
        (lambda: lax.dot(V, V[:3]), ValueError, r"dot: incompatible shapes \(7,\) and \(3,\)"),
        (lambda: lax.batch_matmul(V, Q), TypeError, "batch_matmul: arguments must have the same rank"),
        (lambda: lax.index_in_dim(V, 9), IndexError, "index 9 is out of range for axis 0 of extent 7"),
        (lambda: lax.slice_in_dim(V, 0, 2, axis=1), ValueError, "slice_in_dim: axis 1 is out of range"),
        (lambda: lax.collapse(Q, 2, 1), ValueError, "collapse: dimensions 2..1"),
        (lambda: lax.add(V, np.ones(7, np.int32)), TypeError, "add requires operands of equal dtypes"),
        (lambda: lax.add(V, V[:3]), TypeError, "add got incompatible shapes for broadcasting"),
        (lambda: lax.add(Q, Q[0]), TypeError, "add got incompatible shapes for broadcasting"),
        (lambda: lax.add(Q[0, :1], np.ones((3, 1), np.int32)), TypeError, "add requires operands of equal dtypes"),
    ],
)
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()
