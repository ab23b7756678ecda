"""vmap: axes of arguments and results, nesting, and composition with derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.transforms.batch import axes_in_scope

A = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize("in_axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("out_axis", [0, 1, -1, -2])
def test_axes(in_axis, out_axis):
    result = cotan.vmap(lambda x: x.sum(0), in_axis, out_axis)(A)
    examples = [x.sum(0) for x in np.moveaxis(A, in_axis, 0)]
    np.testing.assert_array_equal(result, np.stack(examples, out_axis))


def test_prefixes_lists_and_keywords():
    def f(p, y, *, z):
        return {"dot": p["w"] @ y, "same": p["b"][0], "z": z}

    p = {"w": cnp.ones((4, 3)), "b": [cnp.float32(7), cnp.zeros(5)]}
    out = cotan.vmap(f, in_axes=[{"w": 0, "b": None}, None], out_axes={"dot": 0, "same": None, "z": 0})(
        p, cnp.arange(3.0), z=np.arange(4)
    )
    np.testing.assert_array_equal(out["dot"], [3, 3, 3, 3])
    assert out["same"].shape == ()
    np.testing.assert_array_equal(out["z"], np.arange(4))


def test_results_that_do_not_vary_are_repeated():
    np.testing.assert_array_equal(cotan.vmap(lambda x: 3.0)(np.zeros(2)), [3, 3])
    np.testing.assert_array_equal(cotan.vmap(lambda x: cnp.arange(2), out_axes=1)(np.zeros(3)), [[0] * 3, [1] * 3])


def test_axis_size_and_none():
    assert cotan.vmap(lambda: cnp.ones(2), axis_size=3)().shape == (3, 2)
    assert cotan.vmap(lambda x: x, in_axes=None, axis_size=3, out_axes=None)(cnp.ones(2)).shape == (2,)


def test_nested():
    outer = cotan.vmap(cotan.vmap(lambda x, y: x * y, (0, None)), (None, 0))(np.arange(3.0), np.arange(4.0))
    np.testing.assert_array_equal(outer, np.outer(np.arange(4), np.arange(3)))


def test_per_example_gradients():
    def loss(w, x, y):
        return ((x @ w - y) ** 2).mean()

    rng = np.random.default_rng(0)
    w, x, y = (rng.normal(size=s).astype(np.float32) for s in [(3,), (5, 3), (5,)])
    per_example = cotan.vmap(cotan.grad(loss), (None, 0, 0))(w, x, y)
    np.testing.assert_allclose(per_example, 2 * (x @ w - y)[:, None] * x, rtol=1e-4)
    batch = cotan.grad(lambda w: cotan.vmap(loss, (None, 0, 0))(w, x, y).mean())(w)
    np.testing.assert_allclose(batch, np.asarray(per_example).mean(0), rtol=1e-4, atol=1e-6)


def test_vmap_of_jit_and_jit_of_vmap_agree():
    def f(x, y):
        return cnp.sin(x) @ y

    x, y = A[0], np.ones(4, np.float32)
    expected = np.sin(x) @ y
    np.testing.assert_allclose(cotan.vmap(cotan.jit(f), (0, None))(x, y), expected, rtol=1e-5)
    np.testing.assert_allclose(cotan.jit(cotan.vmap(f, (0, None)))(x, y), expected, rtol=1e-5)


def test_named_axis_is_in_scope():
    seen = []
    cotan.vmap(lambda x: seen.append([(a.name, a.size) for a in axes_in_scope()]) or x, axis_name="i")(np.zeros(2))
    assert seen == [[("i", 2)]]


def test_unmapped_arguments_are_concrete():
    def f(x, n):
        return x * 2 if n > 0 else x

    np.testing.assert_array_equal(cotan.vmap(f, (0, None))(np.arange(2.0), 1), [0, 2])
