"""Bad input is refused with a message that names the function, the argument, and what to do; and breaks nothing."""

from __future__ import annotations

import re

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import errors, lax
from cotan.experimental import checkify
from cotan.ir.trace import trace_state_clean

X = np.ones(3, np.float32)


def step(params, batch):
    return params


def loss(w, n):
    return w * n


CASES = {
    "jit of no function": (lambda: cotan.jit(3), TypeError, ["jit takes a function", "int"]),
    "jit of a text": (
        lambda: cotan.jit(step)({"a": "text"}, 1),
        TypeError,
        ["jit of `step`", "argument `params['a']` is a str", "static_argnames"],
    ),
    "jit returns a text": (
        lambda: cotan.jit(lambda x: {"y": "text"})(1),
        TypeError,
        ["returned a str at ['y']", "Return arrays"],
    ),
    "unhashable static": (
        lambda: cotan.jit(loss, static_argnums=1)(1.0, [1]),
        ValueError,
        ["jit of `loss`", "static argument `n`", "list", "not hashable", "tuple"],
    ),
    "static array": (
        lambda: cotan.jit(loss, static_argnames="n")(1.0, n=cnp.ones(2)),
        ValueError,
        ["static argument `n`", "not hashable"],
    ),
    "static number out of range": (
        lambda: cotan.jit(loss, static_argnums=5),
        ValueError,
        ["loss", "5", "2 positional"],
    ),
    "static name unknown": (lambda: cotan.jit(loss, static_argnames="m"), ValueError, ["loss", "`m`", "w, n"]),
    "static not an int": (
        lambda: cotan.jit(loss, static_argnums="n"),
        TypeError,
        ["loss", "static_argnums", "integer"],
    ),
    "static and donated": (
        lambda: cotan.jit(loss, static_argnums=0, donate_argnums=0),
        ValueError,
        ["jit of `loss`", "both static and donated"],
    ),
    "branch under jit": (
        lambda: cotan.jit(lambda batch: 1 if batch > 0 else 2)(1.0),
        errors.TracerBoolConversionError,
        [
            "test_bad_input.py",
            "traced by jit",
            "depends on argument `batch`",
            "cotan.lax.cond or cotan.numpy.where",
            "static",
        ],
    ),
    "float under jit": (
        lambda: cotan.jit(lambda x: float(x))(1.0),
        errors.ConcretizationTypeError,
        ["float()", "argument `x`"],
    ),
    "index under jit": (
        lambda: cotan.jit(lambda n: list(range(n)))(3),
        errors.TracerIntegerConversionError,
        ["argument `n`", "static", "cotan.lax.fori_loop"],
    ),
    "numpy under jit": (
        lambda: cotan.jit(lambda x: np.sin(x))(1.0),
        errors.TracerArrayConversionError,
        ["argument `x`", "cotan.numpy"],
    ),
    "indexing a NumPy array under jit": (
        lambda: cotan.jit(lambda i: np.arange(3)[i])(1),
        errors.TracerArrayConversionError,
        ["argument `i`", "index a NumPy array", "cotan.numpy.asarray"],
    ),
    "branch under vmap": (
        lambda: cotan.vmap(lambda x: 1 if x > 0 else 2)(X),
        errors.TracerBoolConversionError,
        ["traced by vmap", "3 values at once"],
    ),
    "branch under grad of jit": (
        lambda: cotan.grad(cotan.jit(lambda x: x if x > 0 else -x))(1.0),
        errors.TracerBoolConversionError,
        ["traced by jit", "argument `x`"],
    ),
    "branch under jit of grad": (
        lambda: cotan.jit(cotan.grad(lambda x: x if x > 0 else -x))(1.0),
        errors.TracerBoolConversionError,
        ["traced by jit", "argument `x`"],
    ),
    "grad of an integer": (
        lambda: cotan.grad(loss, argnums=1)(1.0, 3),
        TypeError,
        ["grad of `loss`", "argument `n`", "i32", "Convert it to float", "allow_int"],
    ),
    "grad of a bool": (lambda: cotan.grad(loss)(True, 3), TypeError, ["argument `w`", "bool"]),
    "grad of a text": (lambda: cotan.grad(step)({"a": "x"}, 1), TypeError, ["argument `params['a']` is a str"]),
    "grad of a vector": (
        lambda: cotan.grad(lambda x: x)(X),
        TypeError,
        ["scalar", "shape (3,)", ".sum()", "jacrev"],
    ),
    "grad of a pair": (lambda: cotan.grad(lambda x: (x, x))(1.0), TypeError, ["one scalar", "has_aux=True"]),
    "grad of an integer result": (
        lambda: cotan.grad(lambda x: x.astype(int))(cnp.float32(1)),
        TypeError,
        ["real and floating-point", "i32"],
    ),
    "grad of a complex result": (lambda: cotan.grad(lambda x: x * 1j)(1.0), TypeError, ["c64", "holomorphic=True"]),
    "holomorphic of a real argument": (
        lambda: cotan.grad(lambda x: x, holomorphic=True)(1.0),
        TypeError,
        ["must be complex"],
    ),
    "argnums out of range": (lambda: cotan.grad(loss, argnums=2)(1.0, 2.0), TypeError, ["grad of `loss`", "2"]),
    "argnums not an int": (lambda: cotan.grad(loss, argnums="w")(1.0, 2.0), TypeError, ["argnums", "'w'"]),
    "aux without a pair": (
        lambda: cotan.grad(lambda x: x, has_aux=True)(1.0),
        TypeError,
        ["has_aux=True", "pair", "array"],
    ),
    "jvp structures": (
        lambda: cotan.jvp(lambda x: x, ({"a": 1.0},), ({"b": 1.0},)),
        TypeError,
        ["jvp of `<lambda>`", "same structure", "'a'", "'b'"],
    ),
    "jvp not tuples": (lambda: cotan.jvp(loss, 1.0, 1.0), TypeError, ["primals must be a tuple or list"]),
    "jvp shapes": (lambda: cotan.jvp(lambda x: x, (X,), (X[:2],)), ValueError, ["argument `x`", "f32[3]", "f32[2]"]),
    "jvp dtypes": (
        lambda: cotan.jvp(lambda x: x, (X,), (np.ones(3, np.int32),)),
        TypeError,
        ["argument `x`", "f32[3]", "i32[3]"],
    ),
    "vjp structure": (
        lambda: cotan.vjp(lambda x: (x, x), 1.0)[1](1.0),
        ValueError,
        ["vjp function of `<lambda>`", "structure"],
    ),
    "vjp shape": (lambda: cotan.vjp(lambda x: (x,), X)[1]((X[:1],)), ValueError, ["at [0]", "f32[3]", "f32[1]"]),
    "vjp dtype": (lambda: cotan.vjp(lambda x: x, 1.0)[1](1), ValueError, ["vjp function of", "~f32[]", "~i32[]"]),
    "vjp of no array": (lambda: cotan.vjp(lambda x: x, 1.0)[1]("a"), TypeError, ["vjp function of", "got a str"]),
    "vjp of several": (
        lambda: cotan.vjp(lambda x: (x, x), 1.0)[1](1.0, 1.0),
        TypeError,
        ["vjp function of `<lambda>` takes one cotangent", "got 2 arguments", "give a tuple"],
    ),
    "linear function's dtype": (lambda: cotan.linearize(lambda x: x, 1.0)[1](1), ValueError, ["linear function of"]),
    "linear function's tangent": (
        lambda: cotan.linearize(lambda x: x, X)[1](np.ones(2, np.float32)),
        ValueError,
        ["linear function of `<lambda>`", "f32[3]", "f32[2]"],
    ),
    "jacfwd of complex": (lambda: cotan.jacfwd(lambda z: z)(1j), TypeError, ["holomorphic=True"]),
    "jacrev of an integer result": (lambda: cotan.jacrev(lambda x: 1)(1.0), TypeError, ["i32", "has_aux"]),
    "vmap sizes": (
        lambda: cotan.vmap(lambda x, y: x)(X, X[:2]),
        ValueError,
        ["vmap of `<lambda>`", "argument `y`", "size 2", "have 3"],
    ),
    "vmap axis out of range": (
        lambda: cotan.vmap(step, (0, None))({"w": 1.0}, 2),
        ValueError,
        ["argument `params['w']` over axis 0", "shape ()", "None"],
    ),
    "vmap in_axes length": (
        lambda: cotan.vmap(step, (0,))(X, X),
        ValueError,
        ["in_axes has 1 entries", "2 positional arguments"],
    ),
    "vmap in_axes structure": (
        lambda: cotan.vmap(lambda p: p, ({"a": 0},))({"b": X}),
        ValueError,
        ["in_axes", "['a']", "['b']"],
    ),
    "vmap in_axes type": (lambda: cotan.vmap(step, in_axes="0"), TypeError, ["vmap of `step`", "in_axes", "'0'"]),
    "vmap out_axes None": (
        lambda: cotan.vmap(lambda x: {"y": x}, out_axes=None)(X),
        ValueError,
        ["the result at ['y'] varies", "None"],
    ),
    "vmap out_axes range": (lambda: cotan.vmap(lambda x: x, out_axes=1)(X), ValueError, ["has 1 axes", "says 1"]),
    "vmap nothing mapped": (
        lambda: cotan.vmap(lambda x: x, None)(X),
        ValueError,
        ["no argument is mapped", "axis_size"],
    ),
    "vmap of a text": (lambda: cotan.vmap(step)(X, "t"), TypeError, ["argument `batch` is a str"]),
    "shapes": (lambda: cotan.jit(lambda x, y: x + y)(X, X[:2]), TypeError, ["add", "(3,), (2,)"]),
    "eval_shape of a text": (lambda: cotan.eval_shape(step, "a", 1), TypeError, ["eval_shape of `step`", "`params`"]),
    "checkpoint of a text": (lambda: cotan.checkpoint(step)("a", 1), TypeError, ["checkpoint of `step`", "`params`"]),
    "an int returned that is too large": (
        lambda: cotan.jit(lambda x: 10**30)(1),
        OverflowError,
        ["jit of `<lambda>`: its result", str(10**30), "int32"],
    ),
    "shape of a type": (lambda: cotan.ShapeDtypeStruct(None, "float32"), TypeError, ["tuple of integers, got None"]),
    "shape of fractions": (lambda: cotan.ShapeDtypeStruct((1.5,), "float32"), TypeError, ["integers, got (1.5,)"]),
    "combining to another shape": (
        lambda: lax.associative_scan(lambda a, b: np.ones((2, 3), np.float32), X),
        errors.ShapeError,
        ["associative_scan of `<lambda>`", "f32[1]", "f32[2,3]", "element by element along axis 0"],
    ),
    "combining to another size": (
        lambda: lax.associative_scan(lambda a, b: {"x": a["x"][:0]}, {"x": X}),
        errors.ShapeError,
        ["f32[0] at ['x']"],
    ),
    "a function for a structure": (
        lambda: cotan.tree.unflatten(loss, [1]),
        TypeError,
        ["tree_unflatten takes a structure", "tree_structure(tree)", "a function"],
    ),
    "a tree for a structure": (
        lambda: cotan.tree.transpose((0, 0), None, ((0, 1), (0, 1))),
        TypeError,
        ["tree_transpose takes a structure", "a tuple"],
    ),
    "an instance as a node": (
        lambda: cotan.tree_util.register_pytree_node_class(3),
        TypeError,
        ["takes a class with tree_flatten() and tree_unflatten(aux, children)", "an int"],
    ),
    "a class that is no node": (
        lambda: cotan.tree_util.register_pytree_with_keys_class(dict),
        TypeError,
        ["tree_flatten_with_keys()", "the class dict, which has not both"],
    ),
    "an instance as a dataclass": (
        lambda: cotan.tree_util.register_dataclass("text", [], []),
        TypeError,
        ["register_dataclass takes a class", "a str"],
    ),
    "no checks": (lambda: checkify.checkify(step, errors=None), TypeError, ["a set of checks", "got None"]),
    "int too large": (lambda: cotan.jit(lambda x: x)(2**40), OverflowError, [str(2**40)]),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_with_a_helpful_message(case):
    run, error, words = CASES[case]
    with pytest.raises(error) as caught:
        run()
    for word in words:
        assert word in str(caught.value), f"{word!r} is not in: {caught.value}"
    assert trace_state_clean()
    assert float(cotan.jit(cotan.grad(lambda x: x * x))(3.0)) == 6


def test_messages_name_the_users_line():
    with pytest.raises(TypeError, match=re.escape("test_bad_input.py:")):
        cotan.grad(lambda x: x)(X)
