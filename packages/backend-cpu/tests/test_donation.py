"""Donated arguments: their memory becomes the result's, at every call, unless something else holds it."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax


def address(x):
    return x._buffer.array.ctypes.data


UPDATES = {
    "elementwise": lambda x: x * 2 + 1,
    "one row": lambda x: lax.dynamic_update_slice(x, cnp.ones((1, 64)), (3, 0)),
    "scatter": lambda x: x.at[5].add(1.0),
    "loop": lambda x: lax.fori_loop(0, 4, lambda k, y: y.at[k].set(cnp.sum(y[k])), x),
}


@pytest.mark.parametrize("rows", [8, 1024])
@pytest.mark.parametrize("name", UPDATES)
def test_the_memory_is_taken_over_at_every_call(name, rows):
    update = UPDATES[name]
    jitted = cotan.jit(update, donate_argnums=0)
    x = cnp.arange(rows * 64.0).reshape(rows, 64) * 1.0
    expected = np.asarray(x).copy()
    where = address(x)
    for _ in range(4):
        expected = np.asarray(update(cnp.asarray(expected)))
        x = jitted(x)
        assert address(x) == where
    np.testing.assert_allclose(np.asarray(x), expected, rtol=1e-5)


def test_what_a_view_shows_does_not_change():
    jitted = cotan.jit(lambda x: x + 1, donate_argnums=0)
    x = cnp.zeros(100)
    view = np.asarray(x)
    y = jitted(x)
    assert address(y) != view.ctypes.data
    np.testing.assert_array_equal(view, 0)
