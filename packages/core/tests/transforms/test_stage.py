"""Staging: what is recorded, and how constants, scalars, names and places appear in it."""

from __future__ import annotations

import os

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.ir.avals import shaped
from cotan.ir.jaxpr import Literal
from cotan.primitives.arithmetic import add, mul
from cotan.transforms.stage import stage_to_jaxpr

F32 = np.dtype(np.float32)


def test_everything_is_recorded_and_nothing_computed():
    jaxpr, consts = stage_to_jaxpr(lambda x: [add(x, mul(np.float32(2), np.float32(3)))], [shaped((), F32)])
    assert [eqn.primitive.name for eqn in jaxpr.eqns] == ["mul", "add"]
    assert consts == []


def test_constants_are_found_by_identity_and_copied():
    table = np.arange(3, dtype=np.float32)
    jaxpr, consts = stage_to_jaxpr(lambda x: [add(add(x, table), table)], [shaped((3,), F32)])
    assert len(consts) == 1
    assert jaxpr.eqns[0].invars[1] is jaxpr.eqns[1].invars[1]
    table[:] = 7
    np.testing.assert_array_equal(consts[0], [0, 1, 2])


def test_scalars_are_literals_of_canonical_dtype():
    jaxpr, _ = stage_to_jaxpr(lambda x: [add(x, 1.0), add(x, np.float64(2)), 3], [shaped((), F32)])
    literals = [jaxpr.eqns[0].invars[1], jaxpr.eqns[1].invars[1], jaxpr.outvars[2]]
    assert all(isinstance(v, Literal) for v in literals)
    assert [v.aval.short() for v in literals] == ["~f32[]", "f32[]", "~i32[]"]


def test_equations_remember_the_users_line():
    jaxpr, _ = stage_to_jaxpr(lambda x: [add(x, x)], [shaped((), F32)])
    filename, _, function = jaxpr.eqns[0].source
    assert os.path.basename(filename) == "test_stage.py"
    assert function == "<lambda>"


def test_transformed_programs_keep_the_users_line():
    def user_function(x):
        return cnp.sin(x) * x

    closed = cotan.make_jaxpr(cotan.vmap(cotan.grad(cotan.jit(user_function))))(cnp.ones(2))
    inner = closed.eqns[0].params["jaxpr"]
    assert all(eqn.source[2] == "user_function" for eqn in inner.eqns if eqn.primitive.name in ("sin", "cos", "mul"))


def test_untouched_arguments_and_results():
    jaxpr, _ = stage_to_jaxpr(lambda x, y: [y, y], [shaped((), F32), shaped((2,), F32)])
    assert jaxpr.eqns == ()
    assert jaxpr.outvars == (jaxpr.invars[1], jaxpr.invars[1])


@pytest.mark.parametrize("name", ["x", "params['w'][0]"])
def test_messages_name_the_argument(name):
    def f(x):
        return [x] if add(x, 1.0) > 0 else [add(x, x)]

    with pytest.raises(cotan.errors.TracerBoolConversionError, match="depends on argument `") as caught:
        stage_to_jaxpr(f, [shaped((), F32)], name="step", arg_names=[name], place="train.py:60")
    assert f"`{name}`" in str(caught.value)
    assert "jit (`step`, train.py:60)" in str(caught.value)
