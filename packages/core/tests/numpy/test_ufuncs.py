"""ufunc objects against NumPy's: reductions, accumulation, updates, outer products; eager and under jit."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

BINARY = [
    *("add", "multiply", "subtract", "maximum", "minimum", "logical_and", "logical_or", "logical_xor"),
    *("bitwise_and", "bitwise_or", "bitwise_xor", "logaddexp", "logaddexp2"),
]
INTS = np.array([[5, 3, 6], [1, 7, 2], [4, 4, 9], [0, 2, 8]], np.int32)


def data(name):
    return INTS if name.startswith("bitwise") else INTS.astype(np.float32) / 4


def same(result, expected):
    expected = np.asarray(expected)
    assert result.shape == expected.shape
    assert (result.dtype == np.bool_) == (expected.dtype == np.bool_)
    np.testing.assert_allclose(np.asarray(result), expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reduce(name, axis, keepdims):
    ours, theirs, x = getattr(cnp, name), getattr(np, name), data(name)
    expected = theirs.reduce(x, axis=axis, keepdims=keepdims)
    same(ours.reduce(x, axis=axis, keepdims=keepdims), expected)
    same(cotan.jit(lambda y: ours.reduce(y, axis=axis, keepdims=keepdims))(x), expected)


@pytest.mark.parametrize("name", [n for n in BINARY if n != "subtract"])
def test_reduce_over_several_axes(name):
    ours, theirs, x = getattr(cnp, name), getattr(np, name), data(name)
    same(ours.reduce(x, axis=None), theirs.reduce(x, axis=None))
    same(ours.reduce(x, axis=(0, 1), keepdims=True), theirs.reduce(x, axis=(0, 1), keepdims=True))


@pytest.mark.parametrize("name", BINARY)
def test_reduce_of_chosen_elements(name):
    ours, theirs, x = getattr(cnp, name), getattr(np, name), data(name)
    initial = np.asarray(2, x.dtype)
    mask = INTS % 3 != 0
    expected = theirs.reduce(x, axis=0, initial=initial, where=mask)
    same(ours.reduce(x, axis=0, initial=initial, where=mask), expected)


@pytest.mark.parametrize(
    "name", ["add", "multiply", "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"]
)
def test_reduce_of_nothing_gives_the_identity(name):
    same(getattr(cnp, name).reduce(data(name)[:0]), getattr(np, name).reduce(data(name)[:0]))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("axis", [0, 1])
def test_accumulate(name, axis):
    ours, theirs, x = getattr(cnp, name), getattr(np, name), data(name)
    same(ours.accumulate(x, axis=axis), theirs.accumulate(x, axis=axis))
    same(ours.accumulate(x[:0], axis=0), theirs.accumulate(x[:0], axis=0))


def test_accumulate_of_bools():
    x = np.array([False, True, False])
    same(cnp.maximum.accumulate(x), np.maximum.accumulate(x))
    same(cnp.minimum.accumulate(x), np.minimum.accumulate(x))


@pytest.mark.parametrize("name", BINARY)
def test_at(name):
    ours, theirs, x = getattr(cnp, name), getattr(np, name), data(name)[:, 0].copy()
    if name.startswith("logical"):
        x = x > 1
    indices, values = np.array([0, 2, 0, -1]), x[[1, 1, 3, 0]]
    expected = x.copy()
    theirs.at(expected, indices, values)
    same(ours.at(x, indices, values, inplace=False), expected)


def test_at_of_one_operand_and_of_two_axes():
    x = INTS.copy()
    np.negative.at(x, ([0, 1, 1], [0, 1, 1]))
    same(cnp.negative.at(INTS, (np.array([0, 1, 1]), np.array([0, 1, 1])), inplace=False), x)


@pytest.mark.parametrize("name", BINARY)
def test_outer(name):
    ours, theirs, x = getattr(cnp, name), getattr(np, name), data(name)
    same(ours.outer(x, x[0]), theirs.outer(x, x[0]))


@pytest.mark.parametrize("name", BINARY)
def test_reduceat(name):
    ours, theirs, x = getattr(cnp, name), getattr(np, name), data(name)
    for axis, indices in ((0, [0, 2, 1, 3]), (1, [1, 0, 0, 2])):
        expected = theirs.reduceat(x, indices, axis=axis)
        same(ours.reduceat(x, np.array(indices), axis=axis), expected)
        same(cotan.jit(lambda y, i, axis=axis: ours.reduceat(y, i, axis=axis))(x, np.array(indices)), expected)


def test_a_function_of_ones_own():
    ours = cnp.frompyfunc(lambda x, y: 2 * x + y, 2, 1, identity=0)
    theirs = np.frompyfunc(lambda x, y: 2 * x + y, 2, 1)
    x = INTS.astype(np.float32)
    same(ours(x, x[0]), theirs(x, x[0]).astype(np.float32))
    same(ours.reduce(x, axis=1), theirs.reduce(x, axis=1).astype(np.float32))
    same(ours.accumulate(x, axis=1), theirs.accumulate(x, axis=1).astype(np.float32))
    same(ours.outer(x[0], x[1]), theirs.outer(x[0], x[1]).astype(np.float32))
    assert (ours.nin, ours.nout, ours.nargs, ours.identity) == (2, 1, 3, 0)
    gradient = cotan.grad(lambda v: ours.reduce(v))(x[:3, 0])
    np.testing.assert_allclose(gradient, [4, 2, 1])


def test_one_that_gives_two_results():
    first, second = cnp.frompyfunc(lambda x: (x + 1, x * 2), 1, 2)(cnp.arange(3))
    same(first, [1, 2, 3])
    same(second, [0, 2, 4])


@pytest.mark.parametrize("name", [*BINARY, "negative"])
def test_the_objects_are_ordinary_functions_otherwise(name):
    function = getattr(cnp, name)
    assert isinstance(function, cnp.ufunc)
    assert repr(function) == f"<cotan.numpy.ufunc {name!r}>"
    assert pickle.loads(pickle.dumps(function)) is function
    parameters = inspect.signature(function).parameters.values()
    assert len([p for p in parameters if p.kind is not p.KEYWORD_ONLY]) == function.nin
    x = data(name)
    args = (x,) * function.nin
    same(cotan.jit(function)(*args), function(*args))
    same(cotan.vmap(function)(*args), function(*args))


@pytest.mark.parametrize("name", [*BINARY, "gcd", "lcm", "negative", "own"])
def test_out_and_where_may_be_none_and_nothing_else(name):
    function = cnp.frompyfunc(lambda x, y: x + y, 2, 1) if name == "own" else getattr(cnp, name)
    args = (INTS,) * function.nin
    same(function(*args, out=None, where=None), function(*args))
    same(cotan.jit(lambda *xs: function(*xs, out=None, where=None))(*args), function(*args))
    with pytest.raises(NotImplementedError, match=r"test_ufuncs.py:\d+, in .*: arrays are immutable, so `out`"):
        function(*args, out=INTS)
    with pytest.raises(NotImplementedError, match=r"test_ufuncs.py:\d+, in .*: `where` leaves .* cotan.numpy.where"):
        function(*args, where=INTS > 1)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: cnp.negative.reduce(INTS), TypeError, "only functions of two operands with one result have it"),
        (lambda: cnp.negative.outer(INTS, INTS), TypeError, "only functions of two operands have it, not of 1"),
        (lambda: cnp.add.reduce(INTS, out=INTS), NotImplementedError, "add.reduce: arrays are immutable"),
        (lambda: cnp.subtract.reduce(INTS[:0]), ValueError, "reduce of no elements"),
        (lambda: cnp.subtract.reduce(INTS, where=INTS > 1), ValueError, "`where` needs a value to begin with"),
        (lambda: cnp.add.at(INTS, 0, 1), ValueError, "arrays are immutable"),
        (lambda: cnp.add.at(INTS, 0, inplace=False), TypeError, "values for the second one"),
        (lambda: cnp.add.reduceat(INTS, INTS), ValueError, "indices must be a vector"),
        (lambda: cnp.frompyfunc(3, 1, 1), TypeError, "takes a function"),
        (lambda: cnp.ufunc(np.sin, 1, 1, nargs=2), ValueError, "differs from the 1 operands"),
        (lambda: cnp.ufunc(np.sin, 1, 1, oops=np.sin), TypeError, "has no method 'oops'"),
    ],
)
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
