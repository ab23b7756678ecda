"""Reductions: every combiner, axis and size on every target, and sums no less exact than NumPy's pairwise ones."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_harness import HOST, run_tree, targets

from cotan.ir import scalar
from cotan.ir.index import Axis, axis_index, const_index
from cotan.ir.program import Loop, ReduceLoop, Store

TARGETS = pytest.mark.parametrize("target", targets(), ids=lambda target: target.cpu)
RNG = np.random.default_rng(5)
NEUTRAL = {"add": 0, "mul": 1, "max": -np.inf, "min": np.inf, "and": -1, "or": 0, "xor": 0}
UFUNC = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum, "and": np.bitwise_and,
         "or": np.bitwise_or, "xor": np.bitwise_xor}  # fmt: skip


def neutral(op: str, dtype: np.dtype) -> object:
    if dtype.kind in "iu" and op in ("max", "min"):
        info = np.iinfo(dtype)
        return info.min if op == "max" else info.max
    if dtype.kind == "u" and op == "and":
        return np.iinfo(dtype).max
    return NEUTRAL[op]


def reduced(x: np.ndarray, op: str, along: tuple[int, ...], target=HOST) -> np.ndarray:
    """The reduction over the axes ``along``, the other axes as parallel loops."""
    kept = [d for d in range(x.ndim) if d not in along]
    axes = [Axis(f"i{d}", x.shape[d]) for d in kept]
    out = np.zeros([x.shape[d] for d in kept], x.dtype)
    strides = [int(np.prod(x.shape[d + 1 :])) for d in range(x.ndim)]
    base = const_index(0)
    place = const_index(0)
    for d, axis in zip(kept, axes):
        base = base + axis_index(axis) * strides[d]
        place = place * axis.extent + axis_index(axis)

    def body(*rs):
        index = base
        for d, r in zip(along, rs):
            index = index + r * strides[d]
        return [scalar.load(0, index, x.dtype)]

    extents = tuple(x.shape[d] for d in along)
    (value,) = scalar.reduce(op, extents, [scalar.const(neutral(op, x.dtype), x.dtype)], body)
    nodes: tuple = (Store(1, place, value),)
    if value.op == "project":
        loops = value.args[0].attr[1]
        nodes = (ReduceLoop(value.args[0], loops, ((),) * len(loops)), *nodes)
    for axis in reversed(axes):
        nodes = (Loop(axis, nodes),)
    run_tree(nodes, [x, out], [1], target)
    return out


@TARGETS
@pytest.mark.parametrize("shape", [(7, 5), (3, 100), (100, 3), (65, 33), (1, 300), (300, 1), (2, 3000), (513, 70)])
@pytest.mark.parametrize("along", [(0,), (1,), (0, 1)])
def test_shapes(shape, along, target):
    x = RNG.normal(size=shape).astype(np.float32)
    got = reduced(x, "add", along, target)
    assert np.allclose(got, x.sum(along, dtype=np.float64), rtol=1e-6, atol=1e-5)
    assert np.array_equal(reduced(x, "max", along, target), x.max(along))


@TARGETS
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint16", "int64", "uint64"])
@pytest.mark.parametrize("op", ["add", "mul", "max", "min", "and", "or", "xor"])
def test_integer_combiners(op, dtype, target):
    x = RNG.integers(0, 100, (9, 77)).astype(dtype)
    for along in ((0,), (1,)):
        want = UFUNC[op].reduce(x, along[0], dtype=dtype)
        assert np.array_equal(reduced(x, op, along, target), want)


@TARGETS
def test_bools(target):
    x = RNG.integers(0, 2, (20, 90)).astype(bool)
    x[3] = True
    x[4] = False
    assert np.array_equal(reduced(x, "or", (1,), target), x.any(1))
    assert np.array_equal(reduced(x, "or", (0,), target), x.any(0))


@TARGETS
def test_middle_axes(target):
    x = RNG.normal(size=(4, 30, 5, 18)).astype(np.float32)
    for along in [(1,), (0, 2), (1, 3), (0, 3), (2, 3), (0, 1, 2, 3)]:
        want = x.sum(along, dtype=np.float64)
        assert np.allclose(reduced(x, "add", along, target), want, rtol=1e-5, atol=1e-5), along


@TARGETS
def test_nan_and_infinity_pass_through(target):
    x = RNG.normal(size=(6, 5000)).astype(np.float32)
    x[0, 4321] = np.nan
    x[1, 17] = np.inf
    x[2, 3] = -np.inf
    x[3, [5, 900]] = [np.inf, -np.inf]
    with np.errstate(invalid="ignore"):
        want = x.sum(1)
    got = reduced(x, "add", (1,), target)
    assert np.array_equal(np.isnan(got), np.isnan(want))
    assert np.array_equal(got[1:3], want[1:3])
    top = reduced(x, "max", (1,), target)
    assert np.isnan(top[0])
    assert np.array_equal(top[1:], x[1:].max(1))
    assert np.isnan(reduced(np.ascontiguousarray(x[:, :300].T), "min", (0,), target)[0]) == np.isnan(x[0, :300]).any()


@TARGETS
@pytest.mark.parametrize("kind", ["same", "positive", "mixed"])
@pytest.mark.parametrize("size", [1000, 100_000, 1_000_003])
def test_sums_are_as_exact_as_pairwise_ones(kind, size, target):
    x = {"same": np.full(size, 0.1), "positive": RNG.random(size), "mixed": RNG.normal(size=size)}[kind]
    x = x.astype(np.float32)
    want = x.sum(dtype=np.float64)
    spread = np.abs(x).sum(dtype=np.float64) * np.finfo(np.float32).eps
    assert abs(float(reduced(x, "add", (0,), target)) - want) <= max(abs(float(x.sum()) - want), 2 * spread)


@TARGETS
def test_sums_down_long_columns_stay_exact(target):
    x = np.full((200_000, 3), 0.1, np.float32)
    want = x[:, 0].sum(dtype=np.float64)
    got = reduced(x, "add", (0,), target)
    assert np.all(np.abs(got - want) <= want * 2 * np.finfo(np.float32).eps)


@TARGETS
def test_siblings_share_a_loop(target):
    m, n = 12, 333
    x = RNG.normal(size=(m, n)).astype(np.float32)
    axis = Axis("i", m)
    i = axis_index(axis)
    (total,) = scalar.reduce("add", (n,), [scalar.const(0, np.float32)], lambda r: [scalar.load(0, i * n + r, x.dtype)])
    first = total.args[0]
    loops = first.attr[1]
    element = scalar.load(0, i * n + axis_index(loops[0]), x.dtype)
    second = scalar.make(
        "reduce", None, (scalar.const(np.inf, np.float32), scalar.mul(element, element)), ("min", loops)
    )
    least = scalar.make("project", x.dtype, (second,), 0)
    sums, minima = np.zeros(m, np.float32), np.zeros(m, np.float32)
    node = ReduceLoop(first, loops, ((),), (second,))
    run_tree([Loop(axis, (node, Store(1, i, total), Store(2, i, least)))], [x, sums, minima], [1, 2], target)
    assert np.allclose(sums, x.sum(1, dtype=np.float64), rtol=1e-5, atol=1e-5)
    assert np.array_equal(minima, (x * x).min(1))


@TARGETS
def test_reduction_inside_of_a_reduction(target):
    m, n, k = 5, 40, 9
    x = RNG.normal(size=(m, n, k)).astype(np.float32)
    axis = Axis("i", m)
    i = axis_index(axis)
    inner_nodes = []

    def body(r):
        (norm,) = scalar.reduce(
            "add", (k,), [scalar.const(0, np.float32)],
            lambda q: [scalar.mul(*[scalar.load(0, (i * n + r) * k + q, x.dtype)] * 2)],
        )  # fmt: skip
        inner_nodes.append(norm.args[0])
        return [scalar.sqrt(norm)]

    (total,) = scalar.reduce("add", (n,), [scalar.const(0, np.float32)], body)
    inner = ReduceLoop(inner_nodes[0], inner_nodes[0].attr[1], ((),))
    node = ReduceLoop(total.args[0], total.args[0].attr[1], ((inner,),))
    out = np.zeros(m, np.float32)
    run_tree([Loop(axis, (node, Store(1, i, total)))], [x, out], [1], target)
    assert np.allclose(out, np.sqrt((x.astype(np.float64) ** 2).sum(2)).sum(1), rtol=1e-5)
