"""reduce and associative_scan: values, dtypes, transforms, bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from user_functions import check_derivatives, check_jit, check_vmap, type_of

import cotan
import cotan.numpy as cnp
from cotan import lax

X = np.random.default_rng(0).uniform(-1, 1, (3, 7, 4)).astype(np.float32)
N = np.random.default_rng(1).integers(-9, 9, (3, 7, 4)).astype(np.int32)


def larger(a: Any, b: Any) -> Any:
    """The pair of the larger value."""
    first = a["x"] >= b["x"]
    return {"x": cnp.where(first, a["x"], b["x"]), "n": cnp.where(first, a["n"], b["n"])}


@pytest.mark.parametrize("axes", [(0,), (1,), (2, 0), (0, 1, 2), ()])
def test_reduce_by_any_function(axes: tuple[int, ...]) -> None:
    found = lax.reduce(np.abs(X), 0.0, lambda a, b: cnp.hypot(a, b), axes)
    np.testing.assert_allclose(found, np.sqrt(np.sum(X.astype(float) ** 2, axes)), rtol=1e-6)
    number = np.arange(X.size, dtype=np.int32).reshape(X.shape)
    best = lax.reduce({"x": X, "n": number}, {"x": -np.inf, "n": -1}, larger, axes)
    np.testing.assert_array_equal(best["x"], X.max(axes) if axes else X)
    np.testing.assert_array_equal(X.reshape(-1)[np.asarray(best["n"])], best["x"])


RECOGNISED = [
    (lax.add, 0, np.sum, "reduce_sum"),
    (lax.mul, 1, np.prod, "reduce_prod"),
    (lax.max, np.iinfo(np.int32).min, np.max, "reduce_max"),
    (lax.min, np.iinfo(np.int32).max, np.min, "reduce_min"),
    (lax.bitwise_and, -1, np.bitwise_and.reduce, "reduce_and"),
    (lax.bitwise_or, 0, np.bitwise_or.reduce, "reduce_or"),
    (lax.bitwise_xor, 0, np.bitwise_xor.reduce, "reduce_xor"),
]


@pytest.mark.parametrize(("operation", "neutral", "oracle", "name"), RECOGNISED)
def test_known_operations_are_recognised(operation: Any, neutral: int, oracle: Any, name: str) -> None:
    for computation in (operation, lambda a, b: operation(b, a)):
        closed = cotan.make_jaxpr(lambda n: lax.reduce(n, neutral, computation, (1,)))(N)  # noqa: B023
        assert [eqn.primitive.name for eqn in closed.eqns] == [name]
        found = lax.reduce(N, neutral, computation, (1,))
        np.testing.assert_array_equal(found, oracle(N, axis=1).astype(np.int32))
        assert type_of(found) == "int32"
    np.testing.assert_array_equal(
        lax.reduce(N, np.int32(5), operation, (1,)),
        oracle(np.concatenate([N, np.full((3, 1, 4), 5, np.int32)], 1), axis=1).astype(np.int32),
    )


def test_what_looks_like_a_known_operation_and_is_none() -> None:
    np.testing.assert_allclose(lax.reduce(X, 0.0, lambda a, b: a, (1,)), 0)
    squares = lax.reduce(np.float32([2, 3, 4, 5]), 1.0, lambda a, b: a * b * 1.0, (0,))
    np.testing.assert_allclose(squares, 120)
    w = cnp.float32(2)
    scaled = lax.reduce(np.float32([2, 3]), 0.0, lambda a, b: cnp.maximum(a, b) + 0 * w, (0,))
    np.testing.assert_allclose(scaled, 3)


def test_reduce_of_nothing() -> None:
    found = lax.reduce(np.zeros((3, 0), np.float32), 2.5, lambda a, b: a + b * 1, (1,))
    np.testing.assert_array_equal(found, [2.5, 2.5, 2.5])
    np.testing.assert_array_equal(lax.reduce(np.zeros((3, 0), np.float32), 2.5, lax.add, (1,)), [2.5, 2.5, 2.5])
    assert lax.reduce(np.zeros((0, 3), np.float32), 0.0, lambda a, b: a + b * 1, (1,)).shape == (0,)


def test_reduce_under_transforms() -> None:
    norm = lambda x: lax.reduce(cnp.abs(x), cnp.zeros((), x.dtype), cnp.hypot, (1,))  # noqa: E731
    for fun in (norm, lambda x: lax.reduce(x, cnp.zeros((), x.dtype), lambda a, b: a + b + a * b, (0, 2))):
        check_jit(fun, X)
        check_vmap(fun, X)
        check_derivatives(fun, X.astype(np.float64))


@pytest.mark.parametrize("count", range(10))
@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan_is_a_running_product(count: int, reverse: bool) -> None:
    matrices = np.random.default_rng(count).normal(size=(count, 2, 2)).astype(np.float32)
    order = range(count - 1, -1, -1) if reverse else range(count)
    wanted = np.empty_like(matrices)
    product = np.eye(2)
    for k in order:
        product = product @ matrices[k]
        wanted[k] = product
    found = lax.associative_scan(cnp.matmul, matrices, reverse=reverse)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_associative_scan_along_an_axis(axis: int) -> None:
    found = lax.associative_scan(lambda a, b: (a[0] + b[0], cnp.maximum(a[1], b[1])), (N, X), axis=axis)
    np.testing.assert_array_equal(found[0], np.cumsum(N, axis))
    np.testing.assert_array_equal(found[1], np.maximum.accumulate(X, axis))
    assert found[0].dtype == np.int32
    assert type(found[0]) is cotan.Array


def test_associative_scan_takes_few_steps() -> None:
    closed = cotan.make_jaxpr(lambda x: lax.associative_scan(cnp.multiply, x))(np.ones(1024, np.float32))
    assert sum(eqn.primitive.name == "mul" for eqn in closed.eqns) <= 20


def test_associative_scan_under_transforms() -> None:
    fun = lambda x: lax.associative_scan(lambda a, b: a + b + a * b, x, axis=1)  # noqa: E731
    check_jit(fun, X)
    check_vmap(fun, X)
    check_derivatives(fun, X.astype(np.float64))


BAD: dict[str, tuple[Callable[[], Any], type[Exception], list[str]]] = {
    "no function": (lambda: lax.reduce(X, 0.0, "add", (0,)), TypeError, ["reduce", "str"]),
    "other structures": (lambda: lax.reduce((X, X), 0.0, lax.add, (0,)), TypeError, ["one structure", "tuple"]),
    "no operands": (lambda: lax.reduce((), (), lax.add, (0,)), ValueError, ["at least one operand"]),
    "no array": (lambda: lax.reduce("x", 0.0, lax.add, (0,)), TypeError, ["reduce of `add`", "str"]),
    "other shapes": (
        lambda: lax.reduce((X, X[0]), (0.0, 0.0), lambda a, b: a, (0,)), ValueError, ["one shape", "(3, 7, 4), (7, 4)"],
    ),
    "no such axis": (lambda: lax.reduce(X, 0.0, lax.add, (3,)), ValueError, ["dimensions", "which have 3", "(3,)"]),
    "an axis twice": (lambda: lax.reduce(X, 0.0, lax.add, (1, 1)), ValueError, ["distinct"]),
    "no initial scalar": (lambda: lax.reduce(X, X[0], lax.add, (0,)), TypeError, ["init_values must be a scalar"]),
    "another initial dtype": (
        lambda: lax.reduce(X, 0, lax.add, (0,)), TypeError, ["init_values is ~i32[]", "f32[3,7,4]"],
    ),
    "a function to other types": (
        lambda: lax.reduce(X, 0.0, lambda a, b: a > b, (0,)), TypeError, ["must give what it combines", "bool[]"],
    ),
    "a function to other structures": (
        lambda: lax.reduce(X, 0.0, lambda a, b: (a, b), (0,)), TypeError, ["must give what it combines"],
    ),
    "scan without a function": (lambda: lax.associative_scan(3, X), TypeError, ["associative_scan", "int"]),
    "scan of a string": (lambda: lax.associative_scan(lax.add, "x"), TypeError, ["associative_scan of `add`", "str"]),
    "scan of other sizes": (
        lambda: lax.associative_scan(lax.add, {"a": X, "b": X[1:]}),
        ValueError,
        ["elems['a'] has 3, elems['b'] has 2"],
    ),
    "scan along no axis": (
        lambda: lax.associative_scan(lax.add, (X, X[0]), axis=2), ValueError, ["elems[1] has 2 axes, so no axis 2"],
    ),
    "scan to another structure": (
        lambda: lax.associative_scan(lambda a, b: (a, b), X), TypeError, ["structure of its arguments", "tuple"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str) -> None:
    call, error, words = BAD[case]
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    assert text.startswith("test_reductions.py:"), text
    for word in words:
        assert word in text, f"{word!r} is not in: {text}"


ENDS = {
    "lowest": lambda x: np.full_like(x, -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min),
    "highest": lambda x: np.full_like(x, np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).max),
    "ties": lambda x: x // 4,
    "NaNs": lambda x: np.where(x % 5 == 2, np.nan, x).astype(x.dtype) if x.dtype.kind == "f" else x,
    "all NaN": lambda x: x * np.nan if x.dtype.kind == "f" else x,
    "lowest but the last": lambda x: np.where(np.arange(x.size).reshape(x.shape) == x.size - 1, x, x.min()),
}


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("values", list(ENDS))
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint16"])
@pytest.mark.parametrize("shape", [(7, 40), (3, 1001), (90, 1100), (1, 70001), (300, 3)])
def test_the_first_of_equals_and_of_nans(name: str, values: str, dtype: str, shape: tuple[int, int]) -> None:
    x = ENDS[values](np.random.default_rng(5).integers(0, 120, shape).astype(dtype))
    for axis in (0, 1):
        found = cotan.jit(lambda x, axis=axis: getattr(lax, name)(x, axis, np.int32))(x)
        np.testing.assert_array_equal(found, getattr(np, name)(x, axis))
