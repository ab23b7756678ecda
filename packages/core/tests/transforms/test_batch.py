"""Batching of flat functions and of jaxprs."""

from __future__ import annotations

import numpy as np
import pytest

from cotan.ir.avals import shaped
from cotan.ir.evaluate import eval_closed
from cotan.ir.trace import eval_trace, set_current_trace
from cotan.primitives.arithmetic import add, mul
from cotan.primitives.transcendental import sin
from cotan.transforms.batch import (
    AxisData,
    BatchTrace,
    axes_in_scope,
    batch_flat,
    batch_jaxpr,
    bdim_at_front,
    matchaxis,
    moveaxis,
)
from cotan.transforms.jvp import JVPTrace
from cotan.transforms.stage import stage_closed

F32 = np.dtype(np.float32)
AXIS = AxisData("i", 3)
XS = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_mapped_and_unmapped_values():
    (y, z), dims = batch_flat(lambda x, c: [add(x, c), sin(c)], AXIS, [1, None], [XS, np.ones(2, np.float32)])
    assert dims[1] is None
    np.testing.assert_array_equal(np.moveaxis(np.asarray(y), dims[0], 1), XS + 1)
    np.testing.assert_allclose(z, np.sin(np.ones(2)), rtol=1e-6)


def test_a_value_of_one_example_has_one_axis_less():
    seen = []
    batch_flat(lambda x: [seen.append((x.shape, x.ndim, x.dtype)) or x], AXIS, [1], [XS])
    assert seen == [((2,), 1, F32)]


def test_batch_jaxpr_forces_and_fronts():
    closed = stage_closed(lambda x, y: [mul(x, x), sin(y)], [shaped((2,), F32)] * 2)
    free, dims = batch_jaxpr(closed, AXIS, (1, None))
    assert dims == (1, None)
    fixed, dims = batch_jaxpr(closed, AXIS, (1, None), True, True)
    assert dims == (0, 0)
    assert [a.shape for a in fixed.out_avals] == [(3, 2), (3, 2)]
    outs = eval_closed(fixed, XS, XS[:, 0])
    np.testing.assert_allclose(outs[0], (XS * XS).T)
    np.testing.assert_allclose(outs[1], np.sin(np.stack([XS[:, 0]] * 3)), rtol=1e-6)
    assert batch_jaxpr(closed, AXIS, (1, None))[0] is free


@pytest.mark.parametrize(("source", "target"), [(0, 0), (0, 2), (2, 0), (1, 2)])
def test_moveaxis(source, target):
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_array_equal(moveaxis(x, source, target), np.moveaxis(x, source, target))


def test_matchaxis_repeats_what_is_not_mapped():
    x = np.arange(2, dtype=np.float32)
    np.testing.assert_array_equal(matchaxis(3, None, 1, x), np.stack([x] * 3, 1))
    np.testing.assert_array_equal(bdim_at_front(x, None, 3), np.stack([x] * 3))


def test_named_axes_in_scope_are_seen_through_other_traces():
    trace = JVPTrace(BatchTrace(BatchTrace(eval_trace, AxisData("outer", 2)), AXIS))
    with set_current_trace(trace):
        assert [a.name for a in axes_in_scope()] == ["i", "outer"]
    assert list(axes_in_scope()) == []
