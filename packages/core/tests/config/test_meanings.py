"""Flags that change what single functions do, and those that only one kind of backend knows."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import nn, random
from cotan.config import config
from cotan.test_util import check_grads

X = np.float32([[1, 2, 0.5], [-1, 3, 0]])


@pytest.mark.parametrize("axis", [-1, 0, (0, 1), None])
@pytest.mark.parametrize("where", [None, X > 0])
def test_softmax_by_its_own_rule(axis, where):
    def f(x):
        return nn.softmax(x, axis=axis, where=where)

    def slope(x):
        return cotan.grad(lambda x: (f(x) * cnp.cos(x)).sum())(x)

    value, gradient = f(X), slope(X)
    with cotan.softmax_custom_jvp(True):
        np.testing.assert_allclose(f(X), value, rtol=1e-6)
        np.testing.assert_allclose(slope(X), gradient, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(cotan.vmap(cotan.jit(slope))(X[None])[0], gradient, rtol=1e-5, atol=1e-6)
        if where is None:
            check_grads(f, (X,), order=2, atol=1e-2, rtol=1e-2)


def test_softmax_keeps_its_result_alone():
    def kept(x):
        _, back = cotan.vjp(lambda x: nn.softmax(x), x)
        return [np.shape(leaf) for leaf in cotan.tree.leaves(back) if np.size(leaf) > 1]

    usual = kept(cnp.ones((2, 3)))
    with cotan.softmax_custom_jvp(True):
        own = kept(cnp.ones((2, 3)))
    assert set(own) == {(2, 3)}
    assert len(own) <= len(usual)


def test_raw_keys():
    raw = random.PRNGKey(0)
    expected = random.uniform(raw, (3,))
    with cotan.legacy_prng_key("error"):
        with pytest.raises(
            ValueError, match=r"test_meanings.py:\d+.*: \w+ got a raw key, an array uint32, and the flag"
        ):
            random.uniform(raw, (3,))
        np.testing.assert_array_equal(random.uniform(random.wrap_key_data(raw), (3,)), expected)
    with cotan.legacy_prng_key("warn"), pytest.warns(UserWarning, match="make keys by cotan.random.key"):
        np.testing.assert_array_equal(random.uniform(raw, (3,)), expected)


def test_prng_keys_may_be_typed():
    assert random.PRNGKey(3).dtype == np.uint32
    with cotan.enable_custom_prng(True):
        key = random.PRNGKey(3)
        assert key.dtype == random.key(0).dtype
        assert random.PRNGKey(3, impl="rbg").dtype == random.key(3, impl="rbg").dtype
    np.testing.assert_array_equal(random.key_data(key), random.PRNGKey(3))


class Printer:
    """What IPython gives to ``_repr_pretty_``."""

    def text(self, text):
        self.shown = text


def test_programs_in_colours():
    closed = cotan.make_jaxpr(lambda x: cotan.jit(cnp.sin)(x) + 1)(X)
    printer = Printer()
    closed._repr_pretty_(printer, False)
    assert "\x1b[1mlambda\x1b[0m" in printer.shown
    assert "\x1b[36mf32[2,3]\x1b[0m" in printer.shown
    for code in ("\x1b[1m", "\x1b[36m", "\x1b[90m", "\x1b[0m"):
        printer.shown = printer.shown.replace(code, "")
    assert printer.shown == str(closed)
    with config.override(pprint_use_color=False):
        closed.jaxpr._repr_pretty_(printer, False)
    assert printer.shown == str(closed)


@pytest.mark.parametrize(
    ("name", "default", "other"),
    [
        ("cpu_collectives_implementation", "gloo", "none"),
        ("memory_fitting_level", "O2", "O0"),
        ("optimization_level", "UNKNOWN", "O3"),
        ("use_shardy_partitioner", True, False),
    ],
)
def test_flags_of_one_kind_of_backend_are_kept(name, default, other):
    assert config.read(f"jax_{name}") == default
    with config.override(**{f"jax_{name}": other}):
        assert getattr(config, name) == other
        np.testing.assert_array_equal(cotan.jit(lambda x: x + 1)(X), X + 1)
    with pytest.raises(ValueError, match=f"config flag {name}: 'neither' is not a valid value"):
        config.update(name, "neither")
