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


def test_results_may_be_summed_where_they_match_no_axis():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    f = cotan.vmap(lambda x: (x, 2.0, x), out_axes=(None, None, 1), sum_match=True)
    summed, same, stacked = f(x)
    np.testing.assert_array_equal(summed, x.sum(0))
    assert float(same) == 2
    np.testing.assert_array_equal(stacked, x.T)


def test_mesh_axes_are_kept_and_must_differ():
    seen = []

    def f(x):
        seen.append([axis.spmd_name for axis in axes_in_scope()])
        return x

    x = np.ones((2, 3))
    cotan.vmap(cotan.vmap(f, axis_name="a", spmd_axis_name="rows"), axis_name="b", spmd_axis_name=["x", "y"])(x)
    assert seen == [["rows", ("x", "y")]]
    inner = cotan.vmap(lambda x: x, spmd_axis_name="rows")
    with pytest.raises(ValueError, match=r"vmap of `.*: spmd_axis_name 'rows' is that of a vmap around this one"):
        cotan.vmap(inner, axis_name="b", spmd_axis_name=("x", "rows"))(x)
    cotan.vmap(inner, axis_name="b", spmd_axis_name="columns")(x)


@pytest.mark.parametrize("data", [len, "abc", object(), {"reduce": max, "name": "x", "rate": 0.5}, [None, slice(2)]])
def test_an_argument_that_is_not_mapped_may_be_anything(data):
    def f(x, given):
        seen.append(given)
        return 2 * x

    seen = []
    mapped = cotan.vmap(f, in_axes=(0, None))
    np.testing.assert_array_equal(mapped(cnp.arange(3.0), data), [0, 2, 4])
    np.testing.assert_array_equal(cotan.jit(lambda x: mapped(x, data))(cnp.arange(3.0)), [0, 2, 4])
    np.testing.assert_array_equal(cotan.vmap(mapped, (1, None))(cnp.ones((3, 2)), data), np.full((2, 3), 2))
    assert seen == [data] * 3


def test_an_argument_that_is_mapped_in_part():
    def f(x, p):
        return p["scale"] * x + p["f"](x)

    mapped = cotan.vmap(f, in_axes=(None, {"scale": 0, "f": None}))
    np.testing.assert_array_equal(mapped(2.0, {"scale": cnp.arange(3.0), "f": cnp.square}), [4, 6, 8])
    with pytest.raises(TypeError, match=r"vmap of `f`: argument `p\['f'\]` is a function, not an array"):
        cotan.vmap(f, in_axes=(None, 0))(2.0, {"scale": cnp.arange(3.0), "f": cnp.square})


def test_a_program_is_traced_for_each_named_axis():
    traced = []

    @cotan.jit
    def f(x):
        traced.append([axis.name for axis in axes_in_scope()])
        return x

    for name in ("i", "j", "i", None):
        cotan.vmap(f, axis_name=name)(np.ones(2))
    assert traced == [["i"], ["j"], []]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"axis_size": 1.5}, TypeError, "axis_size must be an int that is not negative, got 1.5"),
        ({"axis_size": -1}, TypeError, "axis_size must be an int that is not negative, got -1"),
        ({"axis_size": True}, TypeError, "axis_size must be an int"),
        ({"axis_name": {}}, TypeError, "axis_name must be hashable, got {}"),
        ({"spmd_axis_name": {}}, TypeError, "spmd_axis_name must be hashable"),
        ({"in_axes": {"x": 0}}, TypeError, "in_axes must be an int, None or a sequence"),
        ({"in_axes": (np.arange(2),)}, TypeError, "in_axes must hold ints and None, got array"),
        ({"in_axes": np.arange(2)}, TypeError, "in_axes must be an int, None or a sequence"),
        ({"in_axes": (0.5,)}, TypeError, r"in_axes must hold ints and None, got 0.5 in \(0.5,\)"),
        ({"out_axes": "rows"}, TypeError, "out_axes must hold ints and None, got 'rows'"),
    ],
)
def test_bad_options(options, error, match):
    with pytest.raises(error, match=f"test_vmap.py:.*vmap of `.*`: {match}"):
        cotan.vmap(lambda x: x, **options)


@pytest.mark.parametrize(
    ("f", "options", "match"),
    [
        (
            lambda x: x,
            {"axis_size": 3},
            r"the mapped axes must have one size, got \[2, 3\]: argument `x` .* axis_size is 3",
        ),
        (lambda x: x, {"in_axes": (0, 0)}, "in_axes has 2 entries, but the function was called with 1"),
        (lambda x: x, {"in_axes": None}, "no argument is mapped, so the number of examples is not known"),
        (lambda x: x, {"in_axes": 3}, "cannot map argument `x` over axis 3"),
        (lambda x: x, {"in_axes": ({"a": 0},)}, r"in_axes\[0\] is a dict, but the value there is a leaf"),
        (lambda x: {"a": x}, {"out_axes": {"b": 0}}, "out_axes has the keys .'b'.*, but the value there has the keys"),
        (lambda x: {"a": x}, {"out_axes": None}, r"the result at \['a'\] varies over the mapped axis"),
        (lambda x: x, {"out_axes": 2}, "the result has 1 axes with the mapped one, but out_axes says 2"),
    ],
)
def test_arguments_and_results_that_do_not_fit(f, options, match):
    with pytest.raises(ValueError, match=match):
        cotan.vmap(f, **options)(np.ones(2))
