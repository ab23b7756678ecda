"""Composites that take arrays apart and put them together, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
V = np.array([3.0, -1.0, 7.0, 7.0, 0.5], np.float32)

SAME = {
    "split": (lambda x: lax.split(x, (1, 3), axis=-1), lambda x: np.split(x, [1], axis=-1)),
    "stack": (lambda x: lax.stack([x, 2 * x], axis=-1), lambda x: np.stack([x, 2 * x], axis=-1)),
    "unstack": (lambda x: lax.unstack(x, axis=1), lambda x: [x[:, n] for n in range(3)]),
    "tile": (lambda x: lax.tile(x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3))),
    "broadcast_like": (lambda x: lax.broadcast_like(x[0, :1], x), lambda x: np.broadcast_to(x[0, :1], x.shape)),
    "index_take": (
        lambda x: lax.index_take(x, (np.array([1, -1]), np.array([0, 2])), (0, 2)),
        lambda x: np.stack([x[1, :, 0], x[1, :, 2]]),
    ),
    "stage": (lax.stage, lambda x: x),
    "composite": (lax.composite(lambda x, *, by: x * by, "mine.scale"), None),
}


@pytest.mark.parametrize("name", [n for n in SAME if n != "composite"])
def test_agrees_with_numpy(name):
    ours, theirs = SAME[name]
    for function in (ours, cotan.jit(ours)):
        for mine, expected in zip(cotan.tree.leaves(function(X)), cotan.tree.leaves(theirs(X)), strict=True):
            np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("name", [n for n in SAME if n != "composite"])
def test_derivatives(name):
    ours = SAME[name][0]
    cotan.test_util.check_grads(lambda x: cotan.tree.map(cnp.sin, ours(x)), (X / 10,), 1)


def test_composites_show_their_name():
    function = SAME["composite"][0]
    np.testing.assert_array_equal(function(X, by=3), 3 * X)
    assert "mine.scale" in str(cotan.make_jaxpr(lambda x: function(x, by=3))(X))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32])
def test_upper_halves_of_products(dtype):
    info = np.iinfo(dtype)
    values = np.array([info.min, info.max, 0, 1, 77, info.max // 3, info.min // 2 + 5], dtype)
    a, b = (x.ravel().copy() for x in np.meshgrid(values, values))
    expected = (a.astype(object) * b.astype(object)) >> info.bits
    np.testing.assert_array_equal(lax.mulhi(a, b), expected.astype(dtype))
    np.testing.assert_array_equal(cotan.jit(lax.mulhi)(a, values[3]), ((a.astype(object)) >> info.bits).astype(dtype))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_the_nearest(axis):
    x = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)
    order = np.argsort(x, axis=axis)
    values, indices = lax.approx_max_k(x, 3, reduction_dimension=axis)
    np.testing.assert_array_equal(indices, np.flip(order, axis).take(range(3), axis))
    np.testing.assert_array_equal(values, np.take_along_axis(x, np.asarray(indices), axis))
    values, indices = cotan.jit(lambda v: lax.approx_min_k(v, 3, reduction_dimension=axis))(x)
    np.testing.assert_array_equal(indices, order.take(range(3), axis))


def test_platforms():
    def f(x):
        return lax.platform_dependent(x, cpu=lambda v: v + 1, default=lambda v: v)

    assert float(f(1.0)) == float(cotan.jit(f)(1.0)) == 2
    assert float(lax.platform_dependent(1.0, tpu=lambda v: v + 1, default=lambda v: v)) == 1
    with pytest.raises(NotImplementedError, match="no function for the platform 'cpu' among tpu"):
        lax.platform_dependent(1.0, tpu=lambda v: v)


NUMBERS = lax.ScatterDimensionNumbers((), (0,), (0,))


def test_scatters():
    indices = np.array([[1], [3], [1]])
    expected = V.copy()
    np.subtract.at(expected, [1, 3, 1], V[:3])
    np.testing.assert_allclose(lax.scatter_sub(V, indices, V[:3], NUMBERS), expected)
    applied = lax.scatter_apply(V, indices, lambda x: 10 * x, NUMBERS, update_shape=(3,))
    np.testing.assert_allclose(applied, V * np.float32([1, 100, 1, 10, 1]))


def test_small_things():
    assert lax.dtype(1) == np.int32
    assert lax.empty((2, 3), np.float16).dtype == np.float16
    assert lax.dce_sink({"a": V}) is None
    np.testing.assert_array_equal(lax.shape_as_value((2, 3)), [2, 3])
    assert lax.after_all(lax.create_token(), V).shape == (0,)
    assert str(cotan.make_jaxpr(lambda x, y: x + y)(1.0, 2.0).jaxpr.eqns[0].primitive) == str(lax.add_p)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: lax.split(V, (1, 2)), ValueError, "must add up to 5"),
        (lambda: lax.split(V, (5,), axis=1), ValueError, "axis 1 is out of range"),
        (lambda: lax.stack([]), ValueError, "at least one array"),
        (lambda: lax.unstack(1.0), ValueError, "no axis to take apart"),
        (lambda: lax.tile(V, (1, 2)), ValueError, "2 repetitions for 1 axes"),
        (lambda: lax.broadcast_like(V, X), ValueError, "does not broadcast"),
        (lambda: lax.mulhi(V, V), TypeError, "takes integers"),
        (lambda: lax.approx_max_k(np.arange(3), 1), ValueError, "takes floats"),
        (lambda: lax.psend, AttributeError, "programs run on one device"),
        (lambda: lax.no_such_name, AttributeError, "has no attribute 'no_such_name'$"),
    ],
)
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
