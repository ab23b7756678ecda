"""Operations made of a rule for one element: values, fusion, mapping, derivatives that are given, errors."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import ShapeDtypeStruct
from cotan.experimental import kernel as k
from cotan.ir.rules import MissingRuleError


def _like(x, *others):
    return ShapeDtypeStruct(x.shape, x.dtype)


@k.kernel(_like)
def rolled(i, x):
    return x[(i[0] + 1) % x.shape[0]] * 2 + 1


@k.kernel(lambda x, y: ShapeDtypeStruct((x.shape[0], y.shape[1]), x.dtype))
def product(i, x, y):
    return k.reduce("add", [x.shape[1]], lambda r: x[i[0], r] * y[r, i[1]])


@k.kernel(_like)
def smoothed(i, x):
    (n,) = x.shape
    total = x[i[0]]
    for step in (-1, 1):
        at = i[0] + step
        total = total + k.inside([(at, 0, n)], lambda at=at: x[at], 0.0)
    return total / 3


_X = np.random.default_rng(0).normal(size=7).astype(np.float32)
_A, _B = (np.random.default_rng(n).normal(size=shape).astype(np.float32) for n, shape in ((1, (4, 9)), (2, (9, 5))))


def _rolled(x):
    return np.roll(x, -1) * 2 + 1


def test_values_eagerly_and_in_programs():
    np.testing.assert_array_equal(rolled(_X), _rolled(_X))
    np.testing.assert_allclose(cotan.jit(lambda x: rolled(cnp.exp(x)).sum())(_X), _rolled(np.exp(_X)).sum(), rtol=1e-6)
    np.testing.assert_allclose(product(_A, _B), _A @ _B, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(smoothed(_X), np.convolve(_X, np.ones(3) / 3, "same"), rtol=1e-5, atol=1e-6)
    looped = cotan.lax.fori_loop(0, 3, lambda _, x: rolled(x), _X)
    np.testing.assert_allclose(looped, _rolled(_rolled(_rolled(_X))), rtol=1e-6)


def test_it_is_fused_with_its_neighbours():
    text = str(cotan.explain(lambda x: cnp.tanh(rolled(cnp.sin(x))))(_X))
    assert "1 kernel;" in text
    assert "fused: tanh user_kernel sin" in text


def test_mapping_over_each_operand_and_twice():
    stack = np.random.default_rng(3).normal(size=(3, 4, 9)).astype(np.float32)
    np.testing.assert_allclose(cotan.vmap(product, (0, None))(stack, _B), stack @ _B, rtol=1e-5, atol=1e-5)
    others = np.moveaxis(np.stack([_B, 2 * _B, -_B]), 0, 1)
    both = cotan.vmap(product, (0, 1))(stack, others)
    np.testing.assert_allclose(both, stack @ np.moveaxis(others, 1, 0), rtol=1e-5, atol=1e-5)
    twice = cotan.vmap(cotan.vmap(product, (None, 0)), (0, None))(stack, np.moveaxis(others, 1, 0))
    expected = np.einsum("aij,bjk->abik", stack, np.moveaxis(others, 1, 0))
    np.testing.assert_allclose(twice, expected, rtol=1e-5, atol=1e-5)


def test_derivatives_are_those_that_are_given():
    @k.kernel(_like)
    def cube(i, x):
        return x[i] ** 3

    @cotan.custom_jvp
    def cubed(x):
        return cube(x)

    cubed.defjvp(lambda x, t: (cubed(*x), 3 * x[0] ** 2 * t[0]))
    np.testing.assert_allclose(cotan.grad(lambda x: cubed(x).sum())(_X), 3 * _X**2, rtol=1e-5)
    with pytest.raises((MissingRuleError, TypeError), match="give the operation a rule"):
        cotan.grad(lambda x: cube(x).sum())(_X)


_NUMBERS = {
    "operators": (lambda i, x: (-x[i] + 3) * (2 - x[i]) / (1 + abs(x[i])), lambda x: (3 - x) * (2 - x) / (1 + abs(x))),
    "choices": (
        lambda i, x: k.select((x[i] > 0) & ~(x[i] > 1), x[i], -1.0),
        lambda x: np.where((x > 0) & (x <= 1), x, -1),
    ),
    "bounds": (lambda i, x: k.maximum(k.minimum(x[i], 0.5), -0.5), lambda x: np.clip(x, -0.5, 0.5)),
    "functions": (lambda i, x: k.function("exp")(x[i]) + k.function("sin")(x[i]), lambda x: np.exp(x) + np.sin(x)),
    "indices": (lambda i, x: x[i] + i[0] + k.number(i[0] * 2, np.float32), lambda x: x + 3 * np.arange(7, dtype="f4")),
    "reductions": (
        lambda i, x: k.reduce("max", [7], lambda r: x[r]) - k.reduce("min", [7], lambda r: x[r]) + x[i],
        lambda x: x.max() - x.min() + x,
    ),
    "products": (
        lambda i, x: k.reduce("mul", [7], lambda r: 1 + x[r] * x[i]),
        lambda x: np.prod(1 + x[:, None] * x, 0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _NUMBERS)
def test_what_kernels_compute_with(name):
    body, expected = _NUMBERS[name]
    np.testing.assert_allclose(k.kernel(_like)(body)(_X), expected(_X), rtol=1e-5, atol=1e-6)


def test_dtypes():
    @k.kernel(lambda x: ShapeDtypeStruct(x.shape, np.int32))
    def positive(i, x):
        return (x[i] > 0).astype(np.int32) * 5

    np.testing.assert_array_equal(positive(_X), (_X > 0) * 5)
    counted = k.kernel(_like)(lambda i, x: k.reduce("max", [x.shape[0]], lambda r: x[r] % 4, np.int32) + x[i] * 2)
    numbers = np.arange(6, dtype=np.int32)
    np.testing.assert_array_equal(counted(numbers), 3 + 2 * numbers)


def test_it_is_not_exported():
    with pytest.raises((TypeError, ValueError), match="user_kernel"):
        cotan.export.export(cotan.jit(rolled))(_X).serialize()


def test_errors_say_what_to_do():
    with pytest.raises(TypeError, match="must give an Element"):
        k.kernel(_like)(lambda i, x: 1.0)(_X)
    with pytest.raises(TypeError, match="must have a shape and a dtype"):
        k.kernel(lambda x: x.shape)(lambda i, x: x[i])(_X)
    with pytest.raises(IndexError, match="by 2 indices of an operand"):
        k.kernel(lambda x: ShapeDtypeStruct((4,), x.dtype))(lambda i, x: x[i])(_A)
    with pytest.raises(TypeError, match="numbers of one dtype"):
        k.kernel(_like)(lambda i, x: x[i] + x[i].astype(np.int32))(_X)
    with pytest.raises(ValueError, match="not 'median'"):
        k.kernel(_like)(lambda i, x: k.reduce("median", [7], lambda r: x[r]))(_X)
