"""Convolution as native code: against the reference, bit for bit on integers: odd shapes, layouts, other machines."""

from __future__ import annotations

import numpy as np
import pytest
from programs import compiled, one_equation, run

import cotan
from cotan import lax
from cotan.config import config
from cotan.ir.primitive import reference
from cotan.primitives.conv import conv_general_dilated_p
from cotan.testing.operators.conv import CONVS, NHWC, parameters
from cotan.testing.operators.table import values
from cotan_cpu.codegen import Target
from cotan_cpu.lower import conv_plan, conv_product

NCHW = ((0, 1, 2, 3), (0, 1, 2, 3), (0, 1, 2, 3))
MIXED = ((1, 3, 0, 2), (2, 0, 3, 1), (3, 0, 2, 1))
LARGER = [
    # Several tiles, panels, passes and groups of rows; none of them even.
    ((2, 19, 23, 5), (3, 3, 5, 37), parameters(2, None, ((1, 1), (1, 1)), numbers=NHWC)),
    ((2, 5, 19, 23), (37, 5, 3, 3), parameters(2, None, ((1, 1), (2, 0)), numbers=NCHW)),
    ((3, 9, 11, 40), (3, 2, 40, 150), parameters(2, (2, 3), ((2, 1), (0, 4)), numbers=NHWC)),
    ((3, 40, 9, 11), (150, 40, 3, 2), parameters(2, (2, 1), ((-1, 3), (3, -2)), numbers=NCHW)),
    ((9, 4, 10, 6), (6, 2, 12, 3), parameters(2, (1, 2), ((1, 2), (1, 1)), (2, 3), (2, 1), MIXED)),
    ((2, 8, 9, 24), (3, 3, 8, 33), parameters(2, None, ((1, 1), (1, 1)), numbers=NHWC, features=3)),
    ((6, 8, 9, 8), (3, 3, 8, 33), parameters(2, None, ((1, 1), (1, 1)), numbers=NHWC, batches=3)),
    ((4, 6, 7, 300), (1, 2, 300, 16), parameters(2, numbers=NHWC)),
    ((2, 3, 400), (20, 3, 7), parameters(1, (2,), ((3, 3),), None, (5,))),
    ((1, 3, 6, 7, 8), (18, 3, 3, 2, 3), parameters(3, (1, 2, 1), ((1, 1), (0, 1), (2, 2)), None, (2, 1, 1))),
    # Rows that are taken in parts.
    ((1, 1, 1001, 5), (1, 4, 5, 16), parameters(2, (1, 3), ((0, 0), (7, 2)), numbers=NHWC)),
    ((1, 3, 777), (20, 3, 9), parameters(1, None, ((-5, 6),), (2,), (3,))),
    ((2, 3, 5, 407), (7, 3, 2, 3), parameters(2, None, ((1, 0), (500, 0)), numbers=NCHW)),
    # Large windows: gradients of kernels.
    ((5, 20, 21, 3), (18, 19, 3, 34), parameters(2, numbers=NHWC)),
    ((7, 4, 20, 21), (34, 4, 9, 9), parameters(2, None, ((1, 1), (1, 1)), None, (2, 2), NCHW)),
    ((7, 12, 20), (9, 4, 17), parameters(1, (2,), ((1, 1),), features=3)),
    ((6, 4, 20), (9, 4, 17), parameters(1, None, ((1, 1),), None, None, batches=3)),
    ((2, 2, 9, 10, 11), (5, 2, 8, 9, 8), parameters(3)),
    ((3, 2, 1208), (19, 2, 1200), parameters(1, None, ((2, 1),))),
    ((3, 2, 1200), (19, 2, 1153), parameters(1, None, ((2, 1),))),
    ((3, 2, 700), (5, 2, 1200), parameters(1, None, ((2, 1),), (2,))),
]
MACHINES = {
    "16 registers": Target(vector_bytes=32, registers=16),
    "narrow": Target(vector_bytes=16, registers=16),
    "many narrow": Target(vector_bytes=16, registers=32),
}


@pytest.fixture(autouse=True)
def natively(monkeypatch):
    """Whatever the size."""
    monkeypatch.setattr(conv_plan, "_LEAST_FLOPS", 0)
    monkeypatch.setattr(conv_plan, "_LEAST_CHANNELS", 1)
    with config.override(enable_x64=True):
        yield


def check(x_shape, y_shape, params, dtype=np.float32):
    x = values(*x_shape, dtype=np.int32).astype(dtype)
    y = values(*y_shape, dtype=np.int32, seed=1).astype(dtype)
    closed = one_equation(conv_general_dilated_p, (x, y), params)
    (found,) = run(compiled(closed), (x, y), closed.in_avals)
    np.testing.assert_array_equal(found, reference[conv_general_dilated_p](x, y, **params))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("case", CONVS, ids=str)
def test_small_ones(case, dtype):
    check(*case, dtype)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("case", LARGER, ids=str)
def test_larger_ones(case, threads):
    with config.override(num_threads=threads):
        check(*case)


@pytest.mark.parametrize("machine", MACHINES)
def test_other_machines(machine, monkeypatch):
    shape_for = conv_product.shape_for
    monkeypatch.setattr(conv_product, "shape_for", lambda target, *rest: shape_for(MACHINES[machine], *rest))
    for case in LARGER:
        check(*case)
        check(*case, np.float64)


@pytest.mark.parametrize("case", LARGER, ids=str)
def test_nothing_else_is_written(case):
    """Results lie amid bytes that nobody may touch."""
    x_shape, y_shape, params = case
    x, y = values(*x_shape), values(*y_shape, seed=1)
    closed = one_equation(conv_general_dilated_p, (x, y), params)
    executable = compiled(closed)
    out_shape, dtype, nbytes = executable._new[0]
    memory = np.full(nbytes + 8192, 0xA5, np.uint8)
    scratch = [np.empty(shape, kind) for shape, kind, _ in executable._new[1:]]
    executable._call(x, y, np.ndarray(out_shape, dtype, memory, 4096), *scratch)
    assert (memory[:4096] == 0xA5).all()
    assert (memory[-4096:] == 0xA5).all()


def test_a_training_step_has_no_step_on_the_host():
    x, k = values(4, 12, 12, 8), values(3, 3, 8, 16)

    def loss(x, k):
        y = lax.conv_general_dilated(x, k, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return (lax.reduce_window(y, -np.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME") ** 2).sum()

    shown = str(cotan.explain(cotan.value_and_grad(loss, (0, 1)))(x, k))
    assert "host" not in shown
    assert "conv_general_dilated" in shown


def test_groups_of_rows_are_about_equal():
    for count in range(1, 60):
        for most in range(1, 15):
            found = conv_product.row_groups(count, most)
            assert sum(size * times for size, times in found) == count
            assert all(0 < size <= most for size, _ in found)
            assert max(size for size, _ in found) - min(size for size, _ in found) <= 1
