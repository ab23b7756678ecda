"""Keywords of functions of cotan.lax: the names of operands, dimension_numbers of dot, out_dtype of mul; no others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import cotan
import cotan.numpy as cnp
from cotan import lax

X = np.float32([0.5, 1.5, 2.5])
# The function, its operands by name, and what it gives.
NAMED = [
    ("betainc", {"a": X, "b": X + 1, "x": X / 3}, special.betainc(X, X + 1, X / 3)),
    ("igamma", {"x": X, "a": X + 1}, special.gammainc(X + 1, X)),
    ("igammac", {"a": X, "x": X + 1}, special.gammaincc(X, X + 1)),
    ("zeta", {"q": X, "x": X + 1}, special.zeta(X + 1, X)),
    ("nextafter", {"x2": X + 1, "x1": X}, np.nextafter(X, X + 1)),
    ("sub", {"y": X + 1, "x": X}, -np.ones(3)),
    ("mul", {"x": X, "y": X}, X * X),
    ("neg", {"x": X}, -X),
    ("exp", {"x": X, "accuracy": None}, np.exp(X)),
]


@pytest.mark.parametrize(("name", "operands", "expected"), NAMED)
def test_operands_by_name(name, operands, expected):
    function = getattr(lax, name)
    np.testing.assert_allclose(function(**operands), expected, rtol=2e-6)
    np.testing.assert_allclose(cotan.jit(lambda kw: function(**kw))(operands), expected, rtol=2e-6)


@pytest.mark.parametrize(("name", "operands", "expected"), NAMED)
def test_other_keywords_are_refused(name, operands, expected):
    with pytest.raises(TypeError, match="unexpected keyword argument 'out'"):
        getattr(lax, name)(**operands, out=None)


@pytest.mark.parametrize("name", ["igamma", "zeta", "betainc"])
def test_a_missing_operand(name):
    with pytest.raises(TypeError, match="missing a required argument: '"):
        getattr(lax, name)(X)


def dot_numbers():
    """Dimension numbers, and the product by einsum."""
    a, b = np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.arange(40, dtype=np.float32).reshape(2, 5, 4)
    return [
        (a, b, (((2,), (2,)), ((0,), (0,))), "nij,nkj->nik"),
        (a, b, (((2,), (2,)), ((), ())), "nij,mkj->nimk"),
        (a, b[:, 0], (((2, 0), (1, 0)), ((), ())), "nij,nj->i"),
        (a[0], b[0], ([[1], [1]], [[], []]), "ij,kj->ik"),
        (a[0, 0], b[0, 0], (((), ()), ((), ())), "i,j->ij"),
        (a[0], b[0].T, None, "ij,jk->ik"),
    ]


@pytest.mark.parametrize(("a", "b", "numbers", "letters"), dot_numbers())
def test_dot_by_dimension_numbers(a, b, numbers, letters):
    def call(a, b):
        return lax.dot(a, b, dimension_numbers=numbers, precision="highest", out_sharding=None)

    for found in (call(a, b), cotan.jit(call)(a, b)):
        np.testing.assert_allclose(found, np.einsum(letters, a, b), rtol=1e-6)
    narrow = lax.dot(a.astype(np.int8), b.astype(np.int8), dimension_numbers=numbers, preferred_element_type=np.int32)
    assert narrow.dtype == np.int32
    np.testing.assert_array_equal(narrow, np.einsum(letters, a.astype(np.int32), b.astype(np.int32)))


@pytest.mark.parametrize(
    ("x", "y", "out_dtype", "expected"),
    [
        (np.int8([100, -2]), np.int8([100, 100]), np.int32, [10000, -200]),
        (np.uint8([2, 255]), np.uint8([200, 255]), np.int16, [400, -511]),
        (np.int32([300]), np.int32([300]), np.int8, [-112]),
        (X, X, np.float16, X * X),
        (X, X, "bfloat16", X * X),
        (X, X, np.complex64, X * X),
        (np.int32([3, 4]), 5, np.float32, [15, 20]),
    ],
)
def test_products_of_a_dtype_that_is_asked_for(x, y, out_dtype, expected):
    for transform in (lambda f: f, cotan.jit):
        found = transform(lambda x, y: lax.mul(x, y, out_dtype=out_dtype))(x, y)
        assert found.dtype == cnp.dtype(out_dtype)
        np.testing.assert_array_equal(np.asarray(found, np.complex64), np.asarray(expected, np.complex64))


def test_derivatives_of_products_of_another_dtype():
    def loss(x, y):
        return cnp.sum(lax.mul(x, y, out_dtype=np.float16)).astype(np.float32)

    to_x, to_y = cotan.grad(loss, (0, 1))(X, X + 1)
    assert (to_x.dtype, to_y.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(to_x, X + 1)
    np.testing.assert_array_equal(to_y, X)


def test_errors_name_the_users_line():
    for call in (
        lambda: lax.mul(X, X[:2]),
        lambda: lax.mul(X, X, out_dtype="nonsense"),
        lambda: lax.nextafter(np.int32(1), np.int32(2)),
        lambda: lax.igamma(np.int32(1), np.int32(2)),
    ):
        with pytest.raises(TypeError, match=r"test_keywords.py:\d+, in "):
            call()
