"""Columns reduced row by row: the numbers of NumPy, for every end of rows, columns and units, on all targets."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_harness import operand, run, targets

from cotan.ir import scalar
from cotan.ir.index import Axis, axis_index
from cotan.ir.program import Kernel, Let, Loop, Node, ReduceLoop, Store
from cotan.ir.scalar import Expr
from cotan_cpu.codegen.arrange import arrange
from cotan_cpu.codegen.schedule import Planner
from cotan_cpu.codegen.target import Target

F32 = np.dtype(np.float32)
TARGETS = pytest.mark.parametrize("target", targets(), ids=lambda target: target.cpu)
RNG = np.random.default_rng(29)


def run_by_panels(
    tree: list[Node], arrays: list[np.ndarray], written: list[int], target: Target, parts: int = 2
) -> None:
    """Run the kernel, and see that its columns are done by panels."""
    planner = Planner(target)
    planner.plan(arrange(tuple(tree), target))
    assert planner.panels
    operands = tuple(operand(array, slot in written) for slot, array in enumerate(arrays))
    run(Kernel("columns", operands, tuple(tree)), arrays, target, parts)


def reduction(value: Expr) -> ReduceLoop:
    node = value.args[0]
    return ReduceLoop(node, node.attr[1], ((),) * len(node.attr[1]))


def total(extents: tuple[int, ...], body: object, dtype: np.dtype = F32, op: str = "add", init: float = 0) -> Expr:
    [value] = scalar.reduce(op, extents, [scalar.const(init, dtype)], body)
    return value


@TARGETS
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "float16"])
@pytest.mark.parametrize(("rows", "columns"), [(64, 2048), (71, 1500), (300, 1025), (129, 4099)])
@pytest.mark.parametrize("parts", [1, 3])
def test_sums_of_columns(rows, columns, dtype, parts, target):
    x = RNG.integers(-9, 9, (rows, columns)).astype(dtype)
    out = np.zeros(columns, dtype)
    axis = Axis("j", columns)
    j = axis_index(axis)
    value = total((rows,), lambda r: [scalar.load(0, r * columns + j, x.dtype)], x.dtype)
    run_by_panels([Loop(axis, (reduction(value), Store(1, j, value)))], [x, out], [1], target, parts)
    assert np.array_equal(out, x.sum(0, dtype=dtype))


@TARGETS
def test_sums_are_as_exact_as_by_columns(target):
    x = RNG.uniform(size=(5000, 1030)).astype(np.float32)
    out = np.zeros(1030, np.float32)
    axis = Axis("j", 1030)
    j = axis_index(axis)
    value = total((5000,), lambda r: [scalar.load(0, r * 1030 + j, F32)])
    run_by_panels([Loop(axis, (reduction(value), Store(1, j, value)))], [x, out], [1], target)
    exact = x.sum(0, dtype=np.float64)
    assert np.max(np.abs(out - exact) / exact) < 2 * np.finfo(np.float32).eps


@TARGETS
@pytest.mark.parametrize("shape", [(3, 40, 1100), (70, 3, 900), (5, 9, 11, 700)])
def test_several_axes_and_what_depends_on_them(shape, target):
    """Sums over all axes but the last, of a product with a number for each place in the first axis."""
    x, weights = RNG.normal(size=shape).astype(np.float32), RNG.normal(size=shape[0]).astype(np.float32)
    columns = shape[-1]
    out = np.zeros(columns, np.float32)
    axis = Axis("j", columns)
    j = axis_index(axis)
    strides = [int(np.prod(shape[d + 1 :])) for d in range(len(shape) - 1)]

    def body(*rs):
        index = j
        for r, stride in zip(rs, strides):
            index = index + r * stride
        return [scalar.mul(scalar.load(0, index, F32), scalar.load(1, rs[0] * 1, F32))]

    value = total(shape[:-1], body)
    outer = Let(scalar.load(1, axis_index(value.args[0].attr[1][0]), F32))
    levels = ((outer,), *((),) * (len(shape) - 2))
    tree: list[Node] = [Loop(axis, (ReduceLoop(value.args[0], value.args[0].attr[1], levels), Store(2, j, value)))]
    run_by_panels(tree, [x, weights, out], [2], target)
    scaled = x * weights.reshape(-1, *[1] * (len(shape) - 1))
    assert np.allclose(out, scaled.sum(tuple(range(len(shape) - 1)), dtype=np.float64), rtol=1e-5, atol=1e-4)


@TARGETS
@pytest.mark.parametrize("columns", [1024, 1101])
def test_siblings_with_several_states(columns, target):
    """The largest element and its row, of states that are combined in order, beside a sum."""
    rows = 90
    x = RNG.integers(0, 20, (rows, columns)).astype(np.float32)
    axis = Axis("j", columns)
    j = axis_index(axis)

    def later(a, b):
        take = scalar.gt(b[0], a[0])
        return [scalar.select(take, b[0], a[0]), scalar.select(take, b[1], a[1])]

    def first(a, b):
        take = scalar.or_(scalar.gt(b[0], a[0]), scalar.and_(scalar.eq(a[0], b[0]), scalar.lt(b[1], a[1])))
        return [scalar.select(take, b[0], a[0]), scalar.select(take, b[1], a[1])]

    combiner = scalar.Combiner("first of the largest", first, append=later)
    row = Axis("r", rows, "reduction")
    r = axis_index(row)
    element = scalar.load(0, r * columns + j, F32)
    inits = (scalar.const(-np.inf, F32), scalar.const(0, np.int32))
    best = scalar.make("reduce", None, (*inits, element, scalar.index_value(r)), (combiner, (row,)))
    summed = scalar.make("reduce", None, (scalar.const(0, F32), element), ("add", (row,)))
    top, place = (scalar.make("project", init.dtype, (best,), k) for k, init in enumerate(inits))
    sum_ = scalar.make("project", F32, (summed,), 0)
    tree: list[Node] = [
        Loop(
            axis, (ReduceLoop(best, (row,), ((),), (summed,)), Store(1, j, top), Store(2, j, place), Store(3, j, sum_))
        )
    ]
    results = [np.zeros(columns, np.float32), np.zeros(columns, np.int32), np.zeros(columns, np.float32)]
    run_by_panels(tree, [x, *results], [1, 2, 3], target)
    assert np.array_equal(results[0], x.max(0))
    assert np.array_equal(results[1], x.argmax(0))
    assert np.array_equal(results[2], x.sum(0))


@TARGETS
@pytest.mark.parametrize(("rows", "columns"), [(64, 1024), (100, 600), (77, 1029)])
def test_parts_that_follow_read_what_was_found(rows, columns, target):
    """Columns are centred, and chosen by a truth value for each: two reductions and a loop that need the results."""
    x = RNG.normal(size=(rows, columns)).astype(np.float32)
    out, means = np.zeros_like(x), np.zeros(columns, np.float32)
    axis, inner = Axis("j", columns), Axis("i", rows)
    j, i = axis_index(axis), axis_index(inner)
    element = lambda r: scalar.load(0, r * columns + j, F32)  # noqa: E731
    sum_ = total((rows,), lambda r: [element(r)])
    mean = scalar.div(sum_, scalar.const(rows, F32))
    spread = total(
        (rows,), lambda r: [scalar.mul(scalar.sub(element(r), mean), scalar.sub(element(r), mean))], op="max"
    )
    wide = scalar.gt(spread, scalar.const(6.0, F32))
    centred = scalar.select(wide, scalar.sub(element(i), mean), scalar.const(0, F32))
    body = (
        reduction(sum_), Let(mean), Store(2, j, mean), reduction(spread), Let(wide),
        Loop(inner, (Store(1, i * columns + j, centred),)),
    )  # fmt: skip
    run_by_panels([Loop(axis, body)], [x, out, means], [1, 2], target)
    mean64 = x.mean(0, dtype=np.float64)
    chosen = ((x - means) ** 2).max(0) > 6
    assert 0 < chosen.sum() < columns
    assert np.allclose(means, mean64, atol=1e-6)
    assert np.allclose(out, np.where(chosen, x - means, 0), atol=1e-6)


@TARGETS
def test_a_kernel_in_place_stores_behind_what_reads(target):
    """A sum that replaces an element of its column must not be read by the loop behind it."""
    rows, columns = 64, 1024
    axis, inner = Axis("j", columns), Axis("i", rows)
    j, i = axis_index(axis), axis_index(inner)
    sum_ = total((rows,), lambda r: [scalar.load(0, r * columns + j, F32)])
    store = Loop(inner, (Store(1, i * columns + j, sum_),))
    for tree, panels in ((reduction(sum_), Store(2, j, sum_), store), False), ((reduction(sum_), store), True):
        planner = Planner(target, in_place=True)
        planner.plan([Loop(axis, tree)])
        assert bool(planner.panels) is panels


@TARGETS
@pytest.mark.parametrize(
    ("rows", "columns", "step"), [(20, 4096, 1), (4000, 64, 1), (100, 2048, 2)], ids=["few rows", "narrow", "strided"]
)
def test_where_columns_are_done_one_by_one(rows, columns, step, target):
    axis = Axis("j", columns)
    j = axis_index(axis)
    value = total((rows,), lambda r: [scalar.load(0, r * columns * step + j * step, F32)])
    planner = Planner(target)
    planner.plan([Loop(axis, (reduction(value), Store(1, j, value)))])
    assert not planner.panels
