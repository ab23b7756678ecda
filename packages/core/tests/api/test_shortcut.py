"""The shortest way of jitted calls: taken where arguments are alike, and only there."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.api.shortcut import MISS
from cotan.backend import registry
from cotan.config import config
from cotan.runtime.compile import Compiled


def warmed(fun, *args, **options):
    """A jitted function that was called twice, and its entries."""
    jitted = cotan.jit(fun, **options)
    jitted(*args)
    jitted(*args)
    programs = find(jitted)
    return jitted, programs


def find(jitted):
    [cell] = [c for c in jitted.__closure__ if type(c.cell_contents).__name__ == "Programs"]
    return cell.cell_contents


Pair = namedtuple("Pair", "a b")
TREES = {
    "flat": (cnp.ones(3), cnp.arange(3.0)),
    "dict": ({"b": cnp.ones(3), "a": [cnp.ones(2), None]}, cnp.ones(3)),
    "tuples": ((cnp.ones(3), (cnp.ones(2), ())), cnp.ones(())),
    "numpy": (np.ones(3, np.float32), cnp.ones(3)),
    "numbers": (2.0, cnp.ones(3), 3, True),
    "named": (Pair(cnp.ones(3), Pair(None, cnp.ones(2))), cnp.ones(3)),
    "registered": (OrderedDict(b=cnp.ones(3), a=Pair(cnp.ones(2), None)), cnp.ones(3)),
}


@pytest.mark.parametrize("name", TREES)
def test_results_are_those_of_the_long_way(name):
    args = TREES[name]

    def fun(*xs):
        leaves = cotan.tree.leaves(xs)
        return {"sum": sum(cnp.sum(x) for x in leaves), "same": [leaves[0], Pair(leaves[-1] * 2, 1)], "none": None}

    jitted, programs = warmed(fun, *args)
    [entry] = programs.fast
    short, eager, long = entry(args), fun(*args), cotan.jit(fun, inline=True)(*args)
    assert short is not MISS
    assert cotan.tree.structure(short) == cotan.tree.structure(long)
    for a, b, c in zip(*map(cotan.tree.leaves, (jitted(*args), eager, long)), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-6)
        assert a.aval is c.aval


def test_other_arguments_go_the_long_way():
    _, programs = warmed(lambda x, tree: x + tree["a"], cnp.ones(3), {"a": cnp.ones(3)})
    [entry] = programs.fast
    good = (cnp.ones(3), {"a": cnp.ones(3)})
    assert entry(good) is not MISS
    others = [
        (cnp.ones(3),), (*good, cnp.ones(3)), (cnp.ones(4), good[1]), (cnp.ones(3, int), good[1]),
        (np.ones(3, np.float32), good[1]), (1.0, good[1]), (good[0], {"b": cnp.ones(3)}),
        (good[0], {"a": cnp.ones(3), "b": cnp.ones(3)}), (good[0], [cnp.ones(3)]), (good[0], {"a": [cnp.ones(3)]}),
    ]  # fmt: skip
    for args in others:
        assert entry(args) is MISS


def test_nothing_is_short_where_flags_are_overridden_or_values_are_traced():
    jitted, programs = warmed(lambda x: x * 2, cnp.ones(3))
    [entry] = programs.fast
    x = cnp.ones(3)
    with config.override(numpy_rank_promotion="raise"):
        assert entry((x,)) is MISS
    with config.override(log_compiles=True):
        assert entry((x,)) is not MISS
    with config.override(debug_nans=True):
        assert entry((x,)) is MISS
        with pytest.raises(FloatingPointError):
            jitted(x * cnp.nan)
    assert cotan.make_jaxpr(jitted)(x).eqns[0].primitive.name == "jit"
    assert float(cotan.grad(lambda y: jitted(y).sum())(x)[0]) == 2.0
    np.testing.assert_array_equal(cotan.vmap(jitted)(cnp.ones((2, 3))), 2.0)


def test_static_arguments_count_by_type_and_value():
    jitted, programs = warmed(lambda x, n: x * n, cnp.ones(3), 2, static_argnums=1)
    [entry] = programs.fast
    assert entry((cnp.ones(3), 2)) is not MISS
    for other in (3, 2.0, True, "2"):
        assert entry((cnp.ones(3), other)) is MISS
    assert jitted(cnp.ones(3), 2.5)[0] == 2.5


def test_deleted_arrays_are_named():
    jitted, _ = warmed(lambda x: x * 2, cnp.ones(3))
    x = cnp.ones(3)
    x.delete()
    with pytest.raises(cotan.errors.DeletedArrayError, match="argument `x` of `<lambda>`"):
        jitted(x)


def test_donated_arguments_are_deleted_at_every_call():
    jitted = cotan.jit(lambda x: x + 1, donate_argnums=0)
    for _ in range(4):
        x = cnp.ones(3)
        jitted(x)
        assert x.is_deleted()


def test_numpy_arguments_are_not_held():
    jitted, _ = warmed(lambda x: (x, x + 1), np.zeros(3, np.float32))
    x = np.zeros(3, np.float32)
    same, _ = jitted(x)
    x[:] = 7
    np.testing.assert_array_equal(same, 0)


def test_closed_over_arrays_come_along():
    held = cnp.arange(3.0)
    jitted, programs = warmed(lambda x: x + held, cnp.ones(3))
    [entry] = programs.fast
    np.testing.assert_array_equal(entry((cnp.ones(3),)), [1, 2, 3])
    np.testing.assert_array_equal(jitted(cnp.zeros(3)), [0, 1, 2])


def test_integers_that_do_not_fit_are_refused():
    jitted, _ = warmed(lambda x: x + 1, 5)
    assert int(jitted(6)) == 7
    with pytest.raises(OverflowError):
        jitted(2**40)


def test_few_entries_are_kept():
    jitted = cotan.jit(lambda x: x * 2)
    for n in range(1, 20):
        for _ in range(3):
            assert jitted(cnp.ones(n)).shape == (n,)
    assert len(find(jitted).fast) == 8


def test_the_same_function_shares_its_programs():
    def double(x):
        return x * 2

    first, _ = warmed(double, cnp.ones(3))
    assert find(cotan.jit(double)) is find(first)


def test_arguments_by_name_have_a_way_of_their_own():
    def fun(x, *, scale, shift, mode):
        return x * scale + shift if mode == "affine" else x

    x, y = cnp.arange(3.0), cnp.ones(3)
    jitted = cotan.jit(fun, static_argnames="mode")
    for _ in range(3):
        np.testing.assert_array_equal(jitted(x, shift=y, mode="affine", scale=x), [1, 2, 5])
    programs = find(jitted)
    [entry] = programs.named
    assert not programs.fast
    good = {"shift": y, "mode": "affine", "scale": x}
    np.testing.assert_array_equal(entry((x,), good), [1, 2, 5])
    others = [
        {"shift": y, "mode": "other", "scale": x}, {"shift": y, "mode": "affine"}, {**good, "more": 1},
        {"shift": y, "mode": "affine", "size": x}, {**good, "scale": cnp.ones(4)}, {**good, "scale": 2.0},
    ]  # fmt: skip
    for kwargs in others:
        assert entry((x,), kwargs) is MISS
    np.testing.assert_array_equal(jitted(x, shift=y, mode="other", scale=x), x)


def test_donated_arguments_are_given_up_on_the_short_way():
    jitted = cotan.jit(lambda state, x: state * 0.5 + x, donate_argnums=0)
    state, x = cnp.ones(4), cnp.ones(4)
    for _ in range(3):
        state = jitted(state, x)
    [entry] = find(jitted).fast
    before = state._buffer.array
    address = before.ctypes.data
    del before
    old = state
    state = entry((state, x))
    np.testing.assert_array_equal(state, np.full(4, 1.9375, np.float32))
    assert state._buffer.array.ctypes.data == address  # in place
    assert old.is_deleted()
    with pytest.raises(cotan.errors.DeletedArrayError):
        old + 1
    assert entry((old, x)) is MISS


def test_what_something_else_refers_to_is_not_overwritten_on_the_short_way():
    jitted = cotan.jit(lambda state, x: state * 0.5 + x, donate_argnums=0)
    x = cnp.ones(4)
    jitted(jitted(cnp.ones(4), x), x)
    [entry] = find(jitted).fast
    shared = cnp.full((4,), 4.0, "float32")
    assert entry((shared, shared)) is MISS
    second = cotan.device_put(shared, shared.device)
    if second._buffer is shared._buffer:
        assert entry((shared, x)) is MISS
    viewed = cnp.full((4,), 4.0, "float32")
    view = np.asarray(viewed)
    assert not viewed.is_deleted()
    np.testing.assert_array_equal(jitted(viewed, x), np.full(4, 3.0))
    np.testing.assert_array_equal(view, np.full(4, 4.0))
    assert viewed.is_deleted()


def test_numpy_arrays_and_numbers_may_be_donated():
    jitted = cotan.jit(lambda state, x: state * 0.5 + x, donate_argnums=0)
    host = np.full(4, 4.0, np.float32)
    for _ in range(4):
        np.testing.assert_array_equal(jitted(host, 1.0), np.full(4, 3.0))
    np.testing.assert_array_equal(host, np.full(4, 4.0))


@pytest.mark.parametrize("size", [4, 100_000])
def test_several_results_of_any_size(size):
    x = cnp.arange(size, dtype="float32")
    jitted = cotan.jit(lambda x: (x + 1, x, x.sum(), {"none": None}))
    for _ in range(3):
        more, same, total, rest = jitted(x)
    np.testing.assert_array_equal(more, np.arange(size) + 1)
    np.testing.assert_array_equal(same, np.arange(size))
    np.testing.assert_allclose(total, size * (size - 1) / 2)
    assert rest == {"none": None}
    assert len(find(jitted).fast) == 1


def test_every_device_has_a_way_of_its_own():
    jitted = cotan.jit(lambda x: x * 2)
    with registry.aside():
        with config.override(num_cpu_devices=3):
            devices = cotan.devices("cpu")
        placed = [cotan.device_put(np.arange(3.0, dtype=np.float32), device) for device in devices]
        for x in [*placed, *placed[::-1]] * 2:
            jitted(x)
        entries = find(jitted).fast
        assert len(entries) == 3
        for x in placed:
            [found] = [y for y in (entry((x,)) for entry in entries) if y is not MISS]
            assert found.device is x.device
            np.testing.assert_array_equal(found, [0, 2, 4])


def test_a_short_way_that_cannot_be_written_is_tried_once(monkeypatch):
    tried = []
    ready = Compiled.ready
    monkeypatch.setattr(Compiled, "ready", lambda self, *held: tried.append(self) or ready(self, *held))
    jitted = cotan.jit(lambda state, x: state[0] + state[1] * x, donate_argnums=0)
    x = cnp.ones(4)
    for _ in range(5):  # numbers as keys are not followed
        np.testing.assert_array_equal(jitted({0: cnp.ones(4), 1: cnp.ones(4)}, x), 2)
    assert not find(jitted).fast
    assert len(tried) == 1
