"""linear_transpose: against matrices, for the kinds of arrays and functions it takes, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

A = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
X, CT = np.arange(4, dtype=np.float32), np.float32([1, 2, 3])


def dense(x):
    return A @ x


@pytest.mark.parametrize("example", [X, cotan.ShapeDtypeStruct((4,), "float32")], ids=["array", "type"])
def test_is_the_transposed_matrix(example):
    transposed = cotan.linear_transpose(dense, example)
    np.testing.assert_allclose(transposed(CT)[0], A.T @ CT, rtol=1e-6)
    again = cotan.linear_transpose(lambda ct: transposed(ct)[0], CT)
    np.testing.assert_allclose(again(X)[0], A @ X, rtol=1e-6)


def test_under_the_other_transforms():
    def transposed(ct):
        return cotan.linear_transpose(cotan.jit(dense), X)(ct)[0]

    cts = np.stack([CT, 2 * CT])
    np.testing.assert_allclose(cotan.jit(transposed)(CT), A.T @ CT, rtol=1e-6)
    np.testing.assert_allclose(cotan.vmap(transposed)(cts), cts @ A, rtol=1e-6)
    np.testing.assert_allclose(cotan.jacrev(transposed)(CT), A.T, rtol=1e-6)
    np.testing.assert_allclose(cotan.jacfwd(transposed)(CT), A.T, rtol=1e-6)


def test_of_values_that_are_traced_around_it():
    def slope(w):
        return cotan.linear_transpose(lambda x: cnp.sum(x * cnp.sin(w)), w)(2.0)[0].sum()

    w = np.float32([0.3, 0.7])
    np.testing.assert_allclose(slope(w), 2 * np.sin(w).sum(), rtol=1e-6)
    np.testing.assert_allclose(cotan.grad(slope)(w), 2 * np.cos(w), rtol=1e-6)
    np.testing.assert_allclose(cotan.jit(cotan.grad(slope))(w), 2 * np.cos(w), rtol=1e-6)


def test_pytrees():
    transposed = cotan.linear_transpose(lambda p, y: {"s": p["a"] + 2 * y, "t": [p["b"]]}, {"a": 1.0, "b": X}, 3.0)
    p, y = transposed({"s": 10.0, "t": [X]})
    assert (float(p["a"]), float(y)) == (10, 20)
    np.testing.assert_array_equal(p["b"], X)


def test_constants_count_for_nothing_and_zeros_are_arrays():
    (ct,) = cotan.linear_transpose(lambda x: 3 * x + 5, 1.0)(2.0)
    assert float(ct) == 6
    (ct,) = cotan.linear_transpose(lambda x: cnp.ones(2), X)(cnp.ones(2))
    np.testing.assert_array_equal(ct, np.zeros(4))


def test_of_a_complex_function_nothing_is_conjugated():
    assert complex(cotan.linear_transpose(lambda z: z * (1 + 2j), 3j)(1j)[0]) == -2 + 1j


@pytest.mark.parametrize("stage", [lambda f: f, cotan.jit], ids=["plain", "jit"])
def test_integers(stage):
    (ct,) = cotan.linear_transpose(stage(lambda n: 3 * cnp.sum(n)), cnp.arange(3))(cnp.int32(2))
    np.testing.assert_array_equal(ct, [6, 6, 6])
    assert ct.dtype == np.int32


@pytest.mark.parametrize(
    ("f", "match"),
    [
        (lambda x: cnp.sin(x), r"test_linear_transpose.py:\d+, in .*: linear_transpose of `.*is not linear.*`sin`"),
        (lambda x: x * x, "is not linear in its arguments: it combines two values that depend on them"),
        (lambda x: cotan.jit(lambda y: y * y)(x), "is not linear in its arguments: it combines two values"),
        (lambda x: x.astype(int), r"maps \(f32\) to \(i32\)"),
        (lambda x: "text", "the function returned a str"),
    ],
)
def test_what_is_not_linear_is_refused(f, match):
    with pytest.raises(TypeError, match=match):
        cotan.linear_transpose(f, X)


def test_products_of_two_arguments_are_refused():
    with pytest.raises(TypeError, match="it combines two values that depend on them"):
        cotan.linear_transpose(lambda x, y: x * y, 1.0, 2.0)
    with pytest.raises(TypeError, match=r"maps \(f32, i32\) to \(f32\)\. Close over"):
        cotan.linear_transpose(lambda x, n: x * n, 1.0, 2)


@pytest.mark.parametrize(
    ("ct", "match"),
    [
        ([CT], "the transpose of `dense` takes one cotangent of the structure of its result"),
        (X, r"the transpose of `dense` takes a cotangent f32\[3\], got f32\[4\]"),
        (np.arange(3), r"takes a cotangent f32\[3\], got i32\[3\]"),
        ("text", r"takes a cotangent f32\[3\], got a str"),
    ],
)
def test_cotangents_that_do_not_fit(ct, match):
    with pytest.raises(TypeError, match=match):
        cotan.linear_transpose(dense, X)(ct)


def test_bad_arguments():
    with pytest.raises(TypeError, match="linear_transpose of `dense`: argument `x` is a str"):
        cotan.linear_transpose(dense, "text")
    with pytest.raises(TypeError, match="linear_transpose takes a function"):
        cotan.linear_transpose(3, X)
    for api in (cotan.linear_transpose, cotan.vjp):
        with pytest.raises(
            NotImplementedError, match=r"`dense`: reduce_axes=\('i',\) is no longer .* cotan\.lax\.psum"
        ):
            api(dense, X, reduce_axes=("i",))
    for api in (cotan.grad, cotan.value_and_grad):
        with pytest.raises(NotImplementedError, match="of `dense`: reduce_axes"):
            api(dense, reduce_axes=["i"])
