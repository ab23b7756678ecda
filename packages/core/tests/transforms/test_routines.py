"""Routines: rules are repeated without being asked, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax
from cotan.config import config
from cotan.ir import primitive as tables
from cotan.ir.avals import shaped
from cotan.ir.primitive import Primitive
from cotan.primitives.arithmetic import mul
from cotan.primitives.define import close, elementwise_abstract, elementwise_reference
from cotan.primitives.operands import FLOAT
from cotan.structural import Zero
from cotan.transforms import routines
from cotan.transforms.partial_eval import linearize_flat
from cotan.transforms.routines import PAYS_FROM, recorded
from cotan.transforms.transpose import backward_pass

X = np.linspace(-1.5, 2.0, 12, dtype=np.float32).reshape(3, 4)
W = np.linspace(-0.5, 1.0, 8, dtype=np.float32).reshape(4, 2)
F32 = np.dtype(np.float32)


@pytest.fixture(autouse=True)
def _nothing_known():
    routines.forget()
    yield
    routines.forget()


@pytest.fixture
def counted():
    """A primitive, x -> factor * x, and how often each of its rules was asked."""
    primitive = close(Primitive("counted_of_tests"))
    asked = dict.fromkeys(("jvp", "transpose", "batch"), 0)
    elementwise_abstract(primitive, FLOAT)
    elementwise_reference(primitive, lambda x, *, factor: np.asarray(x * factor, x.dtype))

    @tables.jvp(primitive)
    def _(primals, dots, *, factor):
        asked["jvp"] += 1
        return primitive.bind(*primals, factor=factor), primitive.bind(*dots, factor=factor)

    @tables.transpose(primitive)
    def _(ct, x, *, factor):
        asked["transpose"] += 1
        return [primitive.bind(ct, factor=factor)]

    @tables.batch(primitive)
    def _(axis, args, dims, *, factor):
        asked["batch"] += 1
        return primitive.bind(*args, factor=factor), dims[0]

    yield primitive, asked
    del Primitive.catalogue[primitive.name]
    for table in (tables.abstract, tables.reference, tables.jvp, tables.transpose, tables.batch):
        table.pop(primitive)
    tables.partial_eval._absent.pop(primitive)


def test_rules_are_asked_until_it_pays_to_record_what_they_do(counted):
    primitive, asked = counted
    gradient = cotan.grad(lambda x: cotan.vmap(lambda v: primitive.bind(v, factor=3))(x).sum())
    for _ in range(3 * PAYS_FROM):
        np.testing.assert_array_equal(gradient(X), np.full_like(X, 3))
    assert set(asked.values()) == {PAYS_FROM + 1}  # once more to record it
    cotan.clear_caches()
    gradient(X)
    assert set(asked.values()) == {PAYS_FROM + 2}


def test_parameters_that_are_equal_and_differ_are_told_apart(counted):
    primitive, asked = counted
    for factor, wanted in ((1, 1.0), (True, 1.0), (2, 2.0)):
        for _ in range(PAYS_FROM + 2):
            assert float(cotan.grad(lambda x, k=factor: primitive.bind(x, factor=k))(1.0)) == wanted
    assert asked["jvp"] == 3 * (PAYS_FROM + 1)
    for factor in (0.0, -0.0):
        for _ in range(PAYS_FROM + 2):
            slope = cotan.grad(lambda x, k=factor: primitive.bind(x, factor=k))(1.0)
        assert np.signbit(slope) == np.signbit(factor)


def test_scalars_are_told_apart():
    def value(x, y):
        return linearize_flat(lambda x: [lax.mul(x, y)], [x]).outs[0]

    for y in (2.0, 0.0, -0.0, 3.0):
        for _ in range(PAYS_FROM + 2):
            assert np.asarray(value(np.float32(1), y)).tobytes() == np.float32(y).tobytes()


def test_configurations_are_told_apart():
    def slope():
        return cotan.grad(lambda x: x * cnp.sin(x))(1.0).dtype

    for _ in range(2):
        for _ in range(PAYS_FROM + 2):
            assert slope() == np.float32
        with config.override(enable_x64=True):
            for _ in range(PAYS_FROM + 2):
                assert slope() == np.float64


def _network(w, x):
    hidden = cnp.where(x @ w > 0, x @ w, 0.5)
    logits = hidden - cnp.max(hidden, axis=-1, keepdims=True)
    return cnp.mean(cnp.log(cnp.sum(cnp.exp(logits), axis=-1)) * cnp.tanh(w[0, 0]) ** 2)


def _one(w, v):
    return cnp.sum(cnp.sort(v @ w) / cnp.linalg.norm(v)) + cnp.cumsum(v[1:])[-1]


FUNCTIONS = {
    "grad": cotan.grad(_network),
    "grad of vmap": cotan.grad(lambda w, x: cotan.vmap(_one, (None, 0))(w, x).sum()),
    "vmap of grad": cotan.vmap(cotan.grad(_one), (None, 0)),
    "grad of grad": cotan.grad(lambda w, x: (cotan.grad(_network)(w, x) ** 2).sum()),
    "jvp of grad": lambda w, x: cotan.jvp(lambda w: cotan.grad(_network)(w, x), (w,), (w,)),
    "vjp": lambda w, x: cotan.vjp(_network, w, x)[1](np.float32(2)),
    "vmap of two axes": cotan.vmap(cotan.vmap(lambda w, x: cnp.maximum(w.sum(), x) * x, (0, None)), (None, 1)),
    "named axis": cotan.vmap(lambda w, x: lax.psum(x, "i") * w.sum() + lax.axis_index("i"), (None, 0), axis_name="i"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_and_programs_stay_the_same(name):
    function = FUNCTIONS[name]

    def bits():
        return [np.asarray(leaf).tobytes() for leaf in cotan.tree_util.tree_leaves(function(W, X))]

    first = bits()
    text = str(cotan.make_jaxpr(lambda w, x: function(w, x))(W, X))
    for _ in range(2 * PAYS_FROM):
        assert bits() == first
    assert str(cotan.make_jaxpr(lambda w, x: function(w, x))(W, X)) == text


def test_what_is_recorded_by_a_routine_has_the_users_place():
    def slope(x):
        return linearize_flat(lambda x: [mul(x, x)], [x]).jaxpr

    for _ in range(PAYS_FROM + 2):
        places = {eqn.source for eqn in slope(X).eqns}
    [(file, _, function)] = places
    assert file == __file__
    assert function == "<lambda>"


def test_programs_that_nobody_is_shown_have_places_where_they_are_recorded_again():
    assert {e.source for e in linearize_flat(lambda x: [mul(x, x)], [X], passing=True).jaxpr.eqns} == {None}
    jaxpr = cotan.make_jaxpr(cotan.grad(lambda x: cnp.sum(x * x)))(X).jaxpr
    assert {eqn.source[0] for eqn in jaxpr.eqns} == {__file__}


def test_values_that_are_known_and_linear_ones_are_kept_apart():
    for _ in range(PAYS_FROM + 2):
        lin = linearize_flat(lambda x: [mul(mul(x, x), X)], [X])
        [ct] = backward_pass(lin.jaxpr, lin.residuals, [np.float32(1) + 0 * X])
        np.testing.assert_allclose(ct, 2 * X * X, rtol=1e-6)


def test_what_is_no_routine():
    matrix = shaped((2, 2), F32)
    assert recorded(lambda xs: ([mul(*xs)], None), [matrix, 2.0]).outs == (3,)
    found = recorded(lambda xs: ([None, Zero(matrix), xs[0]], "more"), [matrix])
    assert (found.outs, found.avals, found.extra) == ((None, None, 0), (None, None, matrix), "more")
    array = cnp.ones((2, 2))
    assert recorded(lambda xs: ([mul(xs[0], array)], None), [matrix]) is None

    def shows(xs):
        cotan.debug.print("{}", xs[0])
        return [xs[0]], None

    assert recorded(shows, [matrix]) is None
    jitted = cotan.jit(lambda x: x * x)
    assert recorded(lambda xs: ([jitted(xs[0])], None), [matrix], linear=1) is None


def test_a_rule_that_fails_says_so_itself():
    refused = "reduce_sum: axes must be distinct axes"
    for _ in range(PAYS_FROM + 2):
        with pytest.raises(ValueError, match=refused):
            cotan.grad(lambda x: lax.reduce_sum_p.bind(x, axes=(5,)))(X)


def test_types_that_were_dropped_between_are_not_taken_for_others():
    """A key names types by their ids; a routine that does not hold just these would be found by others."""
    known = routines.Routines()
    routine = recorded(lambda xs: ([mul(xs[0], xs[1])], None), [shaped((2,), F32), shaped((2,), F32)])
    assert routine is not None
    primitive = Primitive.catalogue["mul"]
    for _ in range(PAYS_FROM):
        known.meet(primitive, [primitive, 1, 2], {}, lambda: routine)
    assert known.find([primitive, 1, 2], {}) is None
    kinds = [primitive, *map(id, routine.operands)]
    for _ in range(PAYS_FROM):
        known.meet(primitive, list(kinds), {}, lambda: routine)
    assert known.find(kinds, {}) is routine


def test_zeros_are_told_apart_by_their_signs():
    assert len({routines.kind_of(x) for x in (0.0, -0.0, 0, False, 1 + 0j, complex(1, -0.0), 1, 1.0, True)}) == 9
