"""Identities with a meaning: stop_gradient, optimization_barrier and with_sharding_constraint on pytrees."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax

TREE = {"a": np.float32([1, 2]), "b": (3.0, 4, None)}


@pytest.fixture
def several(monkeypatch):
    """A sharding over two devices."""

    class Sharding:
        device_set = frozenset(cotan.devices()) | {"another device"}

    return Sharding()


@pytest.mark.parametrize("f", [lax.stop_gradient, lax.optimization_barrier])
def test_values(f):
    for form in (f, cotan.jit(f)):
        out = form(TREE)
        np.testing.assert_array_equal(out["a"], TREE["a"])
        assert (float(out["b"][0]), int(out["b"][1]), out["b"][2]) == (3, 4, None)
    np.testing.assert_array_equal(cotan.vmap(f)(TREE["a"]), TREE["a"])
    with pytest.raises(TypeError, match="str"):
        f({"a": "text"})


def test_stopped_gradients():
    def f(x):
        stopped = lax.stop_gradient({"x": x, "n": 2})
        return (x * stopped["x"] * stopped["n"]).sum()

    x = np.float32([1, 2])
    np.testing.assert_array_equal(cotan.grad(f)(x), 2 * x)
    np.testing.assert_array_equal(cotan.jvp(f, (x,), (np.ones_like(x),))[1], 6)


def test_barriers_let_derivatives_through():
    def f(x):
        out = lax.optimization_barrier({"s": cnp.sin(x), "x": x})
        return out["s"] * out["x"]

    x = 0.5
    assert float(cotan.grad(f)(x)) == pytest.approx(np.cos(x) * x + np.sin(x), rel=1e-6)
    assert float(cotan.jit(cotan.jacfwd(f))(x)) == pytest.approx(np.cos(x) * x + np.sin(x), rel=1e-6)


def test_shardings_on_one_device():
    x = cnp.arange(3.0)
    out = lax.with_sharding_constraint({"a": x, "b": [x, 1.0]}, {"a": x.sharding, "b": x.sharding})
    np.testing.assert_array_equal(out["b"][0], x)
    f = cotan.jit(cotan.grad(lambda y: (lax.with_sharding_constraint(y, x.sharding) ** 2).sum()))
    np.testing.assert_array_equal(f(x), 2 * x)
    np.testing.assert_array_equal(cotan.vmap(lambda y: lax.with_sharding_constraint(y, x.sharding))(x), x)


@pytest.mark.parametrize("wrong", [None, 3, "rows"])
def test_what_is_no_sharding(wrong):
    with pytest.raises(
        TypeError, match=r"test_marks.py:.*with_sharding_constraint: the sharding for the array at \['a'\]"
    ):
        lax.with_sharding_constraint({"a": cnp.ones(2)}, wrong)


def test_shardings_that_do_not_fit(several):
    x = cnp.ones(2)
    with pytest.raises(ValueError, match="the sharding divides it over 2 devices, but a program here runs on one"):
        lax.with_sharding_constraint(x, several)
    with pytest.raises(ValueError, match="with_sharding_constraint: shardings must have the structure of the value"):
        lax.with_sharding_constraint((x, x), (x.sharding,))

    class Elsewhere:
        device_set = frozenset({"another device"})

    with pytest.raises(ValueError, match=r"puts it on another device, but it lies on CpuDevice.*; move it with"):
        lax.with_sharding_constraint(x, Elsewhere())
    with pytest.raises(TypeError, match="str"):
        lax.with_sharding_constraint("text", x.sharding)
