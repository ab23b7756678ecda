"""Objects that stand for an array, and say which by ``__jax_array__``."""

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp


class Plain:
    """Stands for an array, and has nothing of one."""

    def __init__(self, value):
        self.value = value

    def __jax_array__(self):
        return self.value


class Proxy(Plain):
    """Passes on what it is asked for, as wrappers of parameters do, and converts to NumPy."""

    def __getattr__(self, name):
        return getattr(object.__getattribute__(self, "value"), name)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.value, dtype)


class Nested(Plain):
    """Stands for something that stands for an array."""

    def __jax_array__(self):
        return Plain(self.value)


X = cnp.arange(1.0, 4.0)
Y = np.arange(1.0, 4.0, dtype=np.float32)
CALLS = [
    (lambda x, y: x + y, Y + Y), (lambda x, y: y + x, Y + Y), (lambda x, y: x - y, Y - Y), (lambda x, y: y / x, Y / Y),
    (lambda x, y: x @ y, Y @ Y), (lambda x, y: x**y, Y**Y), (lambda x, y: x == y, Y == Y), (lambda x, y: x < y, Y < Y),
    (lambda x, y: cnp.dot(x, y), Y @ Y), (lambda x, y: cnp.sum(y), Y.sum()), (lambda x, y: cnp.exp(y), np.exp(Y)),
    (lambda x, y: cnp.einsum("i,i->", y, y), Y @ Y), (lambda x, y: cnp.stack([x, y]), np.stack([Y, Y])),
    (lambda x, y: cnp.asarray(y), Y), (lambda x, y: cnp.array([y, x]), np.stack([Y, Y])),
    (lambda x, y: cnp.array(y, "int32"), Y.astype(np.int32)),
    (lambda x, y: cnp.where(x > 2, y, 0), np.where(Y > 2, Y, 0)),
    (lambda x, y: cnp.reshape(y, (3, 1)), Y.reshape(3, 1)),
]  # fmt: skip


@pytest.mark.parametrize("kind", [Plain, Proxy, Nested])
@pytest.mark.parametrize(("call", "expected"), CALLS)
def test_functions_and_operators(call, expected, kind):
    def run(x):
        return call(x, kind(x))

    for result in (run(X), cotan.jit(run)(X), cotan.jit(lambda x: call(x, kind(X)))(X)):
        np.testing.assert_allclose(result, expected, rtol=1e-6)
    np.testing.assert_allclose(cotan.vmap(run)(cnp.stack([X, X]))[1], expected, rtol=1e-6)


def test_derivatives():
    np.testing.assert_array_equal(cotan.grad(lambda x: cnp.dot(X, Proxy(x)))(X), X)
    np.testing.assert_array_equal(cotan.grad(lambda x: (x * Plain(x)).sum())(X), 2 * X)


@pytest.mark.parametrize(("value", "dtype", "weak"), [(2, np.float32, False), (cnp.int32(2), np.float32, False)])
def test_types_are_those_of_what_it_stands_for(value, dtype, weak):
    result = X + Plain(value)
    assert (result.dtype, result.weak_type) == (dtype, weak)
    assert (cnp.asarray(Plain(1)).weak_type, cnp.asarray(Plain(np.int32(1))).weak_type) == (True, False)
