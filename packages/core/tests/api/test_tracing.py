"""make_jaxpr, eval_shape and checkpoint."""

from __future__ import annotations

import copy
import dataclasses
import re

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import ShapeDtypeStruct, checkpoint_policies, lax
from cotan.api.checkpoint import checkpoint_name
from cotan.ir.evaluate import eval_closed


def test_make_jaxpr_shows_the_program():
    closed = cotan.make_jaxpr(lambda x: cnp.sin(x) * 2)(np.float32(1))
    expected = "{ lambda a:f32[] . let\n    b:f32[] = sin a\n    c:f32[] = mul b 2.0:f32[]\n  in (c,) }"
    assert str(closed).replace("~f32", "f32") == expected


def test_make_jaxpr_options():
    closed, shape = cotan.make_jaxpr(lambda x, n: {"y": x * n}, static_argnums=1, return_shape=True)(cnp.ones(3), 2)
    assert len(closed.jaxpr.invars) == 1
    assert shape == {"y": ShapeDtypeStruct((3,), np.float32)}
    assert closed.jaxpr.arg_names == ("x",)


def test_make_jaxpr_of_a_function_of_outer_values():
    shapes = []

    def outer(x):
        shapes.append(cotan.make_jaxpr(lambda y: x * y)(2.0))
        return x

    cotan.grad(outer)(1.0)
    assert len(shapes[0].jaxpr.invars) == len(shapes[0].consts) == 1


def test_typeof():
    struct = ShapeDtypeStruct((2, 3), "float32", weak_type=True)
    assert cotan.typeof(struct) is cotan.typeof(cnp.full((2, 3), 1.0))
    assert cotan.jit(lambda x: cotan.typeof(x).size * x)(cnp.ones(3)).tolist() == [3.0, 3.0, 3.0]
    with pytest.raises(TypeError, match="a value of type list is not an array"):
        cotan.typeof([1.0])


STRUCT = ShapeDtypeStruct((2, 3), "float32")
WEAK = ShapeDtypeStruct((), "int32", weak_type=True)


def test_structs_are_values_where_nothing_is_computed():
    assert cotan.eval_shape(lambda: {"a": STRUCT, "b": WEAK}) == {"a": STRUCT, "b": WEAK}
    assert cotan.eval_shape(lambda x: (x, STRUCT, x * lax.sin(STRUCT)), STRUCT) == (STRUCT,) * 3
    assert cotan.eval_shape(cotan.jit(lambda: STRUCT)) == cotan.jit(lambda: STRUCT).eval_shape() == STRUCT
    assert cotan.eval_shape(cotan.vmap(lambda x: STRUCT), cnp.ones(5)) == ShapeDtypeStruct((5, 2, 3), "float32")
    closed, shape = cotan.make_jaxpr(lambda x: (x, STRUCT), return_shape=True)(1.5)
    assert shape == (ShapeDtypeStruct((), "float32", weak_type=True), STRUCT)
    assert closed.consts == (STRUCT,)
    assert cotan.typeof(WEAK).weak_type


@pytest.mark.parametrize(
    "compute",
    [
        lambda: cotan.jit(lambda: STRUCT)(),
        lambda: cotan.jit(lambda: STRUCT).lower(),
        lambda: cotan.jit(lambda x: x)(STRUCT),
        lambda: lax.sin(STRUCT),
        lambda: cnp.sin(STRUCT),
        lambda: cotan.grad(lambda x: x.sum())(STRUCT),
        lambda: cotan.vmap(lambda x: 2 * x)(STRUCT),
        lambda: cotan.device_put(STRUCT),
        lambda: cotan.checkpoint(lambda x: lax.sin(x))(STRUCT),
        lambda: lax.cond(True, lambda: STRUCT, lambda: STRUCT),
    ],
)
def test_structs_have_no_values(compute):
    with pytest.raises(TypeError, match=r"needs a value, and a ShapeDtypeStruct \(f32\[.*3\]\) only describes one"):
        compute()


def test_make_jaxpr_of_a_function_of_named_axes():
    def f(x):
        return lax.psum(x, ("i", "j")) + lax.axis_index("j") + lax.axis_size("i")

    closed, shape = cotan.make_jaxpr(f, axis_env=[("i", 2), ("j", 3)], return_shape=True)(cnp.ones(4))
    assert closed.jaxpr.named_axes == {"i", "j"}
    assert shape == ShapeDtypeStruct((4,), np.float32)

    def run(x):
        return eval_closed(closed, x)[0]

    x = cnp.arange(24.0).reshape(2, 3, 4)
    found = cotan.vmap(cotan.vmap(run, axis_name="j"), axis_name="i")(x)
    np.testing.assert_array_equal(found, np.sum(x, (0, 1)) + np.arange(3)[None, :, None] + np.full((2, 3, 4), 2))


@pytest.mark.parametrize(
    ("axis_env", "sizes"),
    [([("i", 2), ("j", 3)], [5, 2, 3]), ((("k", 7), ("j", 4)), [7, None, 4]), ([("i", 2), ("i", 4)], [5, 4, 6])],
)
def test_make_jaxpr_within_other_axes(axis_env, sizes):
    def size(name):
        try:
            return lax.axis_size(name)
        except NameError:
            return None

    @cotan.jit
    def inner(x):
        seen.append([size(name) for name in ("k", "i", "j")])
        return x

    def outer(x):
        cotan.make_jaxpr(inner, axis_env=axis_env)(x)
        return x

    seen: list[list[int | None]] = []
    cotan.vmap(cotan.vmap(outer, axis_name="j"), axis_name="k")(cnp.ones((5, 6)))
    assert seen == [sizes]


@pytest.mark.parametrize("axis_env", [["i"], [("i", "a")], [("i", 1.5)], [({}, 3)], 3, [("i", 2, 3)]])
def test_axes_that_make_jaxpr_refuses(axis_env):
    match = re.escape(f"axis_env must be a sequence of pairs of a name and a size, got {axis_env!r}")
    with pytest.raises(TypeError, match=f"test_tracing.py:.*make_jaxpr of `.*`: {match}"):
        cotan.make_jaxpr(lambda x: x, axis_env=axis_env)


def test_eval_shape():
    def f(x, *, y):
        return {"m": x @ y, "n": 1.0}

    out = cotan.eval_shape(f, ShapeDtypeStruct((1000, 2000), "float32"), y=np.zeros((2000, 7)))
    assert out["m"] == ShapeDtypeStruct((1000, 7), np.float32)
    assert out["n"].weak_type
    assert repr(out["m"]) == "ShapeDtypeStruct(shape=(1000, 7), dtype=float32)"
    assert len(out["m"]) == 1000
    assert (out["m"].ndim, out["m"].size) == (2, 7000)


def chain(x):
    for _ in range(3):
        x = cnp.sin(x)
    return x


@pytest.mark.parametrize("policy", [None, checkpoint_policies.everything_saveable, checkpoint_policies.dots_saveable])
def test_checkpoint_changes_no_values(policy):
    f = cotan.checkpoint(chain, policy=policy)
    x = cnp.float32(0.5)
    for g, h in [
        (f, chain),
        (cotan.grad(f), cotan.grad(chain)),
        (cotan.grad(cotan.grad(f)), cotan.grad(cotan.grad(chain))),
    ]:
        np.testing.assert_allclose(g(x), h(x), rtol=1e-5)
        np.testing.assert_allclose(cotan.jit(g)(x), h(x), rtol=1e-5)
    np.testing.assert_allclose(cotan.vmap(cotan.grad(f))(cnp.ones(2)), [float(cotan.grad(chain)(1.0))] * 2, rtol=1e-5)
    np.testing.assert_allclose(cotan.jvp(f, (x,), (x,))[1], cotan.jvp(chain, (x,), (x,))[1], rtol=1e-5)


def residuals(f, *args):
    """How many arrays the derivative of ``f`` keeps."""
    return len(cotan.tree.leaves(cotan.vjp(f, *args)[1]))


def test_checkpoint_keeps_arguments_only():
    x = cnp.ones(3)
    assert residuals(cotan.checkpoint(chain), x) == 1
    assert residuals(cotan.checkpoint(chain, policy=checkpoint_policies.everything_saveable), x) > 1
    assert residuals(chain, x) > 1


def test_checkpoint_recomputes_in_the_backward_pass():
    program = str(cotan.make_jaxpr(cotan.grad(lambda x: cotan.checkpoint(chain)(x).sum()))(cnp.ones(3)))
    assert program.count(" = sin ") == 3 + 2
    assert "optimization_barrier" in program
    free = str(cotan.make_jaxpr(cotan.grad(lambda x: cotan.checkpoint(chain, prevent_cse=False)(x).sum()))(cnp.ones(3)))
    assert "optimization_barrier" not in free


def test_policies_by_name():
    def f(x):
        return cnp.sin(checkpoint_name(cnp.exp(cnp.sin(x)), "kept"))

    def backward(policy):
        g = cotan.checkpoint(f, policy=policy)
        return str(cotan.make_jaxpr(lambda x: cotan.vjp(g, x)[1](x))(cnp.float32(1)))

    inside = backward(checkpoint_policies.nothing_saveable).split("remat[")[1]
    assert " exp " in inside
    inside = backward(checkpoint_policies.save_only_these_names("kept")).split("remat[")[1]
    assert " = name" not in inside
    inside = backward(checkpoint_policies.save_any_names_but_these("kept")).split("remat[")[1]
    assert " = name" in inside


def test_checkpoint_with_pytrees_statics_and_decorator():
    @cotan.checkpoint(static_argnums=(1,))
    def f(p, n, *, scale):
        return {"y": p["x"] ** n * scale}

    gradient = cotan.grad(lambda p: f(p, 3, scale=2.0)["y"])({"x": 2.0})
    assert float(gradient["x"]) == 24


@dataclasses.dataclass
class Pair:
    first: object
    second: object


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: dataclasses.astuple(Pair(x, 1))[0]])
def test_copies_of_traced_values_are_the_values(duplicate):
    def twice(x):
        return duplicate(x) + x

    x = cnp.array([1.0, 2.0])
    np.testing.assert_array_equal(cotan.jit(twice)(x), [2.0, 4.0])
    np.testing.assert_array_equal(cotan.vmap(twice)(x), [2.0, 4.0])
    np.testing.assert_array_equal(cotan.jacobian(twice)(x), [[2.0, 0.0], [0.0, 2.0]])
    np.testing.assert_array_equal(lax.map(twice, x), [2.0, 4.0])
    key = cotan.random.key(0)
    words = cotan.jit(lambda key: cotan.random.key_data(duplicate(key)))(key)
    np.testing.assert_array_equal(words, cotan.random.key_data(duplicate(key)))
