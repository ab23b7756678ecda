"""Forward mode, partial evaluation and transposition, on flat functions and on jaxprs."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.ir.avals import shaped
from cotan.ir.evaluate import eval_closed
from cotan.primitives.arithmetic import add, mul
from cotan.primitives.transcendental import cos, sin
from cotan.structural import UndefinedPrimal, Zero
from cotan.transforms import cache
from cotan.transforms.jvp import jvp_flat, jvp_jaxpr
from cotan.transforms.partial_eval import linearize_flat, partial_eval_jaxpr
from cotan.transforms.prune import prune, prune_closed
from cotan.transforms.stage import stage_closed
from cotan.transforms.transpose import backward_pass, transpose_jaxpr

F32 = np.dtype(np.float32)
SCALAR = shaped((), F32)
X = np.float32(0.7)


def floats(values):
    return [float(v) for v in values]


def test_jvp_gives_values_and_tangents():
    outs, tangents = jvp_flat(lambda x: [mul(sin(x), x)], [X], [np.float32(2)])
    assert floats(outs) == pytest.approx([np.sin(0.7) * 0.7])
    assert floats(tangents) == pytest.approx([2 * (np.sin(0.7) + 0.7 * np.cos(0.7))])


def test_zero_tangents_stay_symbolic_and_wrap_nothing():
    seen = []

    def f(x, y):
        seen.append(y)
        return [sin(x), cos(y)]

    _, tangents = jvp_flat(f, [X, X], [np.float32(1), Zero(SCALAR)])
    assert type(tangents[1]) is Zero
    assert seen[0] is X


def test_linearize_computes_the_known_and_records_the_linear():
    lin = linearize_flat(lambda x: [mul(sin(x), x), np.float32(3)], [X])
    assert lin.out_zeros == (False, True)
    assert {eqn.primitive.name for eqn in lin.jaxpr.eqns} <= {"mul", "add_any"}
    assert floats(lin.outs) == pytest.approx([np.sin(0.7) * 0.7, 3])


def test_backward_pass_adds_up_uses():
    lin = linearize_flat(lambda x, y: [add(mul(x, x), mul(x, y))], [X, X])
    cts = backward_pass(lin.jaxpr, lin.residuals, [np.float32(1)])
    assert floats(cts) == pytest.approx([3 * 0.7, 0.7])


def test_backward_pass_gives_symbolic_zeros():
    lin = linearize_flat(lambda x, y: [sin(x)], [X, X])
    cts = backward_pass(lin.jaxpr, lin.residuals, [np.float32(1)])
    assert type(cts[1]) is Zero
    assert all(type(ct) is Zero for ct in backward_pass(lin.jaxpr, lin.residuals, [Zero(SCALAR)]))


def test_backward_pass_computes_what_is_not_linear_first():
    closed = stage_closed(lambda x, t: [mul(sin(x), t)], [SCALAR, SCALAR])
    cts = backward_pass(closed.jaxpr, closed.consts, [np.float32(2)], [X, UndefinedPrimal(SCALAR)])
    assert floats(cts) == pytest.approx([2 * np.sin(0.7)])


def test_jvp_jaxpr_masks_and_instantiates():
    closed = stage_closed(lambda x, y: [sin(x), cos(y)], [SCALAR, SCALAR])
    forward, nonzero = jvp_jaxpr(closed, (True, False))
    assert nonzero == (True, False)
    assert len(forward.in_avals) == 3
    assert len(forward.out_avals) == 3
    full, nonzero = jvp_jaxpr(closed, (True, False), True)
    assert nonzero == (True, True)
    assert floats(eval_closed(full, X, X, np.float32(1))) == pytest.approx(
        [np.sin(0.7), np.cos(0.7), np.cos(0.7), 0], abs=1e-6
    )


def test_partial_eval_jaxpr_splits_and_forwards():
    closed = stage_closed(lambda x, y: [sin(x), mul(mul(sin(x), x), y)], [SCALAR, SCALAR])
    split = partial_eval_jaxpr(closed, (False, True))
    assert split.out_unknown == (False, True)
    known = eval_closed(split.known, X)
    residuals = split.residual_values([X], known)
    assert float(known[0]) == pytest.approx(np.sin(0.7))
    rest = eval_closed(split.unknown, *residuals, np.float32(2))
    assert float(rest[0]) == pytest.approx(np.sin(0.7) * 0.7 * 2)


def test_residuals_that_are_arguments_or_results_are_not_returned_again():
    closed = stage_closed(lambda x, t: [sin(x), mul(sin(x), mul(x, t))], [SCALAR, SCALAR])
    closed = cotan.make_jaxpr(lambda x, t: (lambda s: (s, s * (x * t)))(cnp.sin(x)))(X, X)
    split = partial_eval_jaxpr(closed, (False, True))
    assert len(split.known.out_avals) == 1
    assert sorted(split.residuals) == [0, 1]


def test_partial_eval_drops_what_no_result_needs():
    closed = stage_closed(lambda x, t: [mul(cos(x), t), mul(sin(x), t)][:1], [SCALAR, SCALAR])
    split = partial_eval_jaxpr(closed, (False, True))
    assert [eqn.primitive.name for eqn in split.known.eqns] == ["cos"]


def test_transpose_jaxpr_and_its_zeros():
    closed = stage_closed(lambda x, s, t: [mul(x, t), mul(x, s)], [SCALAR] * 3)
    back, zeros = transpose_jaxpr(closed, (False, True, True), (False, True))
    assert zeros == (True, False)
    assert floats(eval_closed(back, X, np.float32(3))) == pytest.approx([2.1])


def test_prune_keeps_arguments_and_drops_dead_equations():
    closed = cotan.make_jaxpr(lambda x, y: (cnp.sin(x), cnp.cos(y)))(X, X)
    jaxpr, _ = prune(closed.jaxpr.replace(outvars=closed.jaxpr.outvars[:1]), closed.consts)
    assert [eqn.primitive.name for eqn in jaxpr.eqns] == ["sin"]
    assert len(jaxpr.invars) == 2
    smaller, needed = prune_closed(closed, (False, True))
    assert needed == (False, True)
    assert len(smaller.in_avals) == 1


def test_prune_goes_into_calls():
    inner = cotan.jit(lambda x, y: (cnp.sin(x), cnp.cos(y)))
    closed = cotan.make_jaxpr(lambda x, y: inner(x, y)[0])(X, X)
    jaxpr, _ = prune(closed.jaxpr, closed.consts)
    (eqn,) = jaxpr.eqns
    assert len(eqn.invars) == len(eqn.outvars) == 1
    assert [e.primitive.name for e in eqn.params["jaxpr"].eqns] == ["sin"]


def test_transformed_jaxprs_are_kept_as_long_as_their_source():
    closed = stage_closed(lambda x: [sin(x)], [SCALAR])
    first, _ = jvp_jaxpr(closed, (True,))
    assert jvp_jaxpr(closed, (True,))[0] is first
    with cotan.enable_x64(True):
        assert jvp_jaxpr(closed, (True,))[0] is not first
    assert jvp_jaxpr(closed, (True,))[0] is first
    gone = weakref.ref(first)
    del first, closed
    gc.collect()
    assert gone() is None


def test_transformed_jaxprs_can_be_forgotten():
    closed = stage_closed(lambda x: [sin(x)], [SCALAR])
    first, _ = jvp_jaxpr(closed, (True,))
    cache.clear()
    assert jvp_jaxpr(closed, (True,))[0] is not first
