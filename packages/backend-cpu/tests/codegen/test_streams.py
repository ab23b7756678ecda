"""Stores past the caches: where they are taken, and that what they write is there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from kernel_harness import HOST, operand, run, targets

import cotan
import cotan.numpy as cnp
from cotan.ir.index import Axis, axis_index
from cotan.ir.program import Kernel, Loop, Store
from cotan.ir.scalar import load, make

ALWAYS = dataclasses.replace(HOST, streaming=1)
pytestmark = pytest.mark.skipif(not HOST.streaming, reason="this processor has no such stores")


def aligned(size: int, dtype: str, offset: int = 0) -> np.ndarray:
    raw = np.zeros(size * np.dtype(dtype).itemsize + 128, np.uint8)
    start = -raw.ctypes.data % 64 + offset
    return raw[start : start + size * np.dtype(dtype).itemsize].view(dtype)


def doubled(size: int, dtype: str, streamed: bool, offset: int = 0) -> tuple[str, np.ndarray, np.ndarray]:
    """The kernel y = x + x on arrays of so many elements: its text, x and y."""
    x, y = aligned(size, dtype), aligned(size, dtype, offset)
    x[...] = np.arange(size) % 100
    axis = Axis("i", size)
    value = load(0, axis_index(axis), x.dtype)
    tree = (Loop(axis, (Store(1, axis_index(axis), make("add", x.dtype, (value, value))),)),)
    kernel = Kernel("double", (operand(x), operand(y, True)), tree)
    return run(kernel, [x, y], ALWAYS, streamed=(1,) if streamed else ()).text, x, y


@pytest.mark.parametrize("dtype", ["int8", "float32", "float64", "uint16"])
@pytest.mark.parametrize("size", [64, 1000, 4096, 4099])
def test_values(dtype, size):
    text, x, y = doubled(size, dtype, streamed=True)
    np.testing.assert_array_equal(y, x + x)
    assert "!nontemporal" in text
    assert text.index("sfence()") < text.rindex("ret void")


def test_others_are_written_as_ever():
    text, x, y = doubled(1000, "float32", streamed=False, offset=4)
    np.testing.assert_array_equal(y, x + x)
    assert "!nontemporal" not in text
    assert "sfence" not in text


def test_rows_that_begin_anywhere_are_not_streamed():
    x, y = aligned(33 * 7, "float32"), aligned(33 * 14, "float32")
    x[...] = np.arange(x.size)
    rows, columns = Axis("i", 7), Axis("j", 33)
    value = load(0, axis_index(rows) * 33 + axis_index(columns), x.dtype)
    store = Store(1, axis_index(rows) * 66 + axis_index(columns), value)
    kernel = Kernel("spread", (operand(x), operand(y, True)), (Loop(rows, (Loop(columns, (store,)),)),))
    assert "!nontemporal" not in run(kernel, [x, y], ALWAYS, streamed=(1,)).text
    np.testing.assert_array_equal(y.reshape(7, 66)[:, :33], x.reshape(7, 33))


@pytest.mark.parametrize("target", targets(), ids=lambda target: target.cpu)
@pytest.mark.parametrize("shape", [(64, 48), (64, 37), (33, 48), (64, 7)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint16", "uint8"])
def test_transposes_stream_whole_lines_or_nothing(target, shape, dtype):
    target = dataclasses.replace(target, streaming=1)
    x, y = aligned(shape[0] * shape[1], dtype), aligned(shape[0] * shape[1], dtype)
    x[...] = np.random.default_rng(0).integers(0, 200, x.size)
    rows, columns = Axis("i", shape[1]), Axis("j", shape[0])
    value = load(0, axis_index(columns) * shape[1] + axis_index(rows), x.dtype)
    store = Store(1, axis_index(rows) * shape[0] + axis_index(columns), value)
    kernel = Kernel("turned", (operand(x), operand(y, True)), (Loop(rows, (Loop(columns, (store,)),)),))
    text = run(kernel, [x, y], target, streamed=(1,)).text
    np.testing.assert_array_equal(y.reshape(shape[1], shape[0]), x.reshape(shape).T)
    whole = x.itemsize >= 4 and shape[0] == 64 and shape[1] >= 16
    if whole:
        assert "align 64, !nontemporal" in text
    elif shape[0] != 64:
        assert "!nontemporal" not in text


SHAPE = (3000, 3008)
LARGE = np.float32(1) * np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)


@pytest.mark.parametrize(
    ("fun", "streams", "options"),
    [
        (lambda x: x * 2 + 1, True, {}),
        (lambda x: (x * 2 + 1) @ cnp.ones((SHAPE[1], 2)), False, {}),
        (lambda x: x * 2 + 1, False, {"donate_argnums": 0}),
    ],
    ids=["a result", "only between", "in place"],
)
def test_results_of_programs_that_no_cache_holds(fun, streams, options):
    jitted = cotan.jit(fun, **options)
    text = jitted.lower(LARGE).compile().as_text()
    assert ("!nontemporal" in text) == (streams and LARGE.nbytes * 2 >= HOST.streaming)
    if streams:
        np.testing.assert_array_equal(jitted(LARGE), LARGE * 2 + 1)


@pytest.mark.parametrize("rows", [64, 72, 100])
@pytest.mark.parametrize("streamed", [True, False])
def test_transposes_write_whole_lines_past_the_caches_or_none(rows, streamed):
    """Each of several matrices is small, all of them are not; 72 rows are lines and a half."""
    count, columns = 3, 24
    x, y = aligned(count * rows * columns, "float32"), aligned(count * rows * columns, "float32")
    x[...] = np.arange(x.size)
    matrix, column, row = Axis("b", count), Axis("c", columns), Axis("r", rows)
    which = axis_index(matrix) * (rows * columns)
    value = load(0, which + axis_index(row) * columns + axis_index(column), x.dtype)
    store = Store(1, which + axis_index(column) * rows + axis_index(row), value)
    kernel = Kernel("turned", (operand(x), operand(y, True)), (Loop(matrix, (Loop(column, (Loop(row, (store,)),)),)),))
    for target in [ALWAYS, *(dataclasses.replace(t, streaming=1) for t in targets())]:
        y[...] = -1
        text = run(kernel, [x, y], target, streamed=(1,) if streamed else ()).text
        np.testing.assert_array_equal(y.reshape(count, columns, rows), x.reshape(count, rows, columns).swapaxes(1, 2))
        assert ("!nontemporal" in text) == (streamed and rows == 64)
