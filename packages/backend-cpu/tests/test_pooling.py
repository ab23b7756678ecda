"""The gradient of maximum pooling as native code: against the reference, bit for bit; eager windows as programs."""

from __future__ import annotations

import numpy as np
import pytest
from programs import compiled, one_equation, run

import cotan.numpy as cnp
from cotan.config import config
from cotan.ir.primitive import reference
from cotan.primitives import pooling
from cotan.primitives.compare import ge_p, le_p
from cotan.testing.operators.conv import CHOICES, window
from cotan.testing.operators.table import values
from cotan_cpu.lower import at_once
from cotan_cpu.lower.pooling import plan_for

LARGER = [
    (shape, {"select_prim": choice, **params})
    for choice in (ge_p, le_p)
    for shape, params in (
        ((2, 9, 11, 37), window((1, 3, 3, 1), (1, 2, 2, 1), ((0, 0), (1, 1), (1, 1), (0, 0)))),
        ((2, 5, 9, 11), window((1, 1, 3, 3), (1, 1, 2, 2), ((0, 0), (0, 0), (1, 1), (0, 2)))),
        ((2, 5, 9, 20), window((1, 5, 5, 1), (1, 1, 2, 1), ((0, 0), (2, 2), (1, 3), (0, 0)))),
        ((3, 9, 20), window((1, 2, 1), (1, 2, 1), None, None, (1, 3, 1))),
        ((2, 9, 11, 7), window((1, 3, 2, 1), (1, 2, 2, 1), ((0, 0), (-1, 1), (1, -2), (0, 0)))),
        ((2, 4, 5, 6, 17), window((1, 2, 3, 2, 1), (1, 2, 1, 2, 1), ((0, 0), (1, 1), (1, 1), (1, 0), (0, 0)))),
        ((3, 3, 3, 3), window((2, 2, 2, 2))),  # too many axes: by loops
    )
]


def operands(shape, params, dtype):
    """Small integers, of which many are equal, and a NaN."""
    counts = tuple(slide.count for slide in pooling.slides_of(shape, params))
    x = values(*shape, dtype=np.int32).astype(dtype)
    if x.size > 4:
        x.reshape(-1)[3] = np.nan
    return values(*counts, dtype=np.int32, seed=1).astype(dtype), x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", [*CHOICES, *LARGER], ids=str)
def test_scattering(case, dtype):
    shape, params = case
    source, x = operands(shape, params, dtype)
    primitive = pooling.select_and_scatter_add_p
    with config.override(enable_x64=True):
        closed = one_equation(primitive, (source, x), params)
        (found,) = run(compiled(closed), (source, x), closed.in_avals)
        np.testing.assert_array_equal(found, reference[primitive](source, x, **params))


@pytest.mark.parametrize("case", LARGER, ids=str)
def test_scattering_writes_nothing_else(case):
    shape, params = case
    source, x = operands(shape, params, np.float32)
    closed = one_equation(pooling.select_and_scatter_add_p, (source, x), params)
    executable = compiled(closed)
    memory = np.full(x.nbytes + 8192, 0xA5, np.uint8)
    executable._call(source, x, np.ndarray(x.shape, x.dtype, memory, 4096))
    assert (memory[:4096] == 0xA5).all()
    assert (memory[-4096:] == 0xA5).all()


def test_which_windows_are_native():
    params = {"select_prim": ge_p, **window((1, 3, 3, 1), (1, 2, 2, 1))}
    plan = plan_for((2, 9, 9, 5), params, "float", 64)
    assert plan is not None
    assert (plan.outer, plan.inner, plan.window, plan.windows) == (2, 5, 9, 16)
    assert plan_for((2,) * 4, {"select_prim": ge_p, **window((2,) * 4)}, "float", 64) is None
    assert plan_for((5,), {"select_prim": ge_p, **window((2,), base=(2,))}, "float", 64) is None


@pytest.mark.parametrize(
    "primitive",
    [
        pooling.reduce_window_sum_p,
        pooling.reduce_window_max_p,
        pooling.reduce_window_min_p,
        pooling.select_and_gather_add_p,
        pooling.select_and_scatter_add_p,
    ],
)
def test_large_windows_at_once_are_programs(primitive, monkeypatch):
    shape, params = LARGER[0]
    args = {
        pooling.select_and_gather_add_p: (
            values(*shape, dtype=np.int32).astype(np.float32),
            operands(*LARGER[0], np.float32)[1],
        ),
        pooling.select_and_scatter_add_p: operands(*LARGER[0], np.float32),
    }.get(primitive, (values(*shape, dtype=np.int32).astype(np.float32),))
    if len(args) == 1:
        params = {key: value for key, value in params.items() if key != "select_prim"}
    wanted = reference[primitive](*args, **params)
    ran = []
    compiled = at_once.compiled

    def counted(*key):
        ran.append(key)
        return compiled(*key)

    monkeypatch.setattr(at_once, "compiled", counted)
    for least, programs in ((1 << 40, 0), (0, 1)):
        monkeypatch.setattr(at_once, "_FROM_FLOPS", least)
        found = primitive.bind(*map(cnp.asarray, args), **params)
        np.testing.assert_array_equal(np.asarray(found), wanted)
        assert len(ran) == programs
