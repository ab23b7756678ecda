"""Running reductions: by vectors and step by step, both ways, any length, any associative combination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from kernel_harness import HOST, operand, run_fenced, targets

from cotan.ir import scalar
from cotan.ir.index import Axis, axis_index
from cotan.ir.program import Kernel, Loop, ScanLoop
from cotan.ir.scalar import Combiner, Expr
from cotan_cpu.codegen import Target
from cotan_cpu.codegen.arrange import arrange
from cotan_cpu.codegen.schedule import Planner

TARGETS = pytest.mark.parametrize("target", targets(), ids=lambda target: target.cpu)
RNG = np.random.default_rng(7)
EXTENTS = (1, 2, 7, 15, 16, 31, 32, 33, 64, 100, 257)


def scan_rows(
    combiner: Any, inits: Sequence[Any], arrays: Sequence[np.ndarray], target: Target, reverse: bool
) -> list[np.ndarray]:
    """Each row of the arrays, which are the states' elements, run through."""
    rows, extent = arrays[0].shape
    outer, axis = Axis("o", rows), Axis("s", extent, "sequential")
    index = axis_index(outer) * extent + axis_index(axis)
    results = [np.zeros_like(x) for x in arrays]
    every = [*arrays, *results]
    scan = ScanLoop(
        axis,
        combiner,
        tuple(scalar.const(init, x.dtype) for init, x in zip(inits, arrays, strict=True)),
        tuple(scalar.load(slot, index, x.dtype) for slot, x in enumerate(arrays)),
        tuple((len(arrays) + k, index, k) for k in range(len(arrays))),
        reverse,
    )
    operands = tuple(operand(x, slot >= len(arrays)) for slot, x in enumerate(every))
    run_fenced(Kernel("scan", operands, (Loop(outer, (scan,)),)), every, target)
    return results


@TARGETS
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("extent", EXTENTS)
@pytest.mark.parametrize("name", ["add", "mul", "max", "min"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int8, np.uint64])
def test_named(dtype: Any, name: str, extent: int, reverse: bool, target: Target) -> None:
    x = RNG.integers(1, 4, (3, extent)).astype(dtype)
    init = {"add": 0, "mul": 1, "max": 0, "min": 100}[name]
    if np.dtype(dtype).kind == "f" and name == "mul":
        x = RNG.choice([0.5, 1.0, 2.0, -1.0], (3, extent)).astype(dtype)
    [found] = scan_rows(name, [init], [x], target, reverse)
    ufunc = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[name]
    with np.errstate(over="ignore"):
        expected = ufunc.accumulate(x[:, ::-1] if reverse else x, 1, dtype=dtype)
    np.testing.assert_array_equal(found, expected[:, ::-1] if reverse else expected)


@TARGETS
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("extent", EXTENTS)
def test_what_does_not_commute_keeps_its_order(extent: int, reverse: bool, target: Target) -> None:
    """x -> a x + b, composed: the states are the factor and the constant."""

    def compose(first: Sequence[Expr], then: Sequence[Expr]) -> Sequence[Expr]:
        return [scalar.mul(first[0], then[0]), scalar.add(scalar.mul(then[0], first[1]), then[1])]

    a = RNG.choice([1, -1, 2], (3, extent)).astype(np.int64)
    b = RNG.integers(-3, 4, (3, extent)).astype(np.int64)
    combiner = Combiner("compose", compose, commutative=False)
    factors, constants = scan_rows(combiner, [1, 0], [a, b], target, reverse)
    factor, constant = np.ones(3, np.int64), np.zeros(3, np.int64)
    for step in reversed(range(extent)) if reverse else range(extent):
        factor, constant = factor * a[:, step], a[:, step] * constant + b[:, step]
        np.testing.assert_array_equal(factors[:, step], factor)
        np.testing.assert_array_equal(constants[:, step], constant)


@pytest.mark.parametrize("reverse", [False, True])
def test_infinities_and_nan_stay_where_they_begin(reverse: bool) -> None:
    x = RNG.normal(size=(2, 100)).astype(np.float32)
    x[0, 40], x[1, 60] = np.inf, np.nan
    [found] = scan_rows("add", [0], [x], HOST, reverse)
    expected = np.cumsum(x[:, ::-1], 1)[:, ::-1] if reverse else np.cumsum(x, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_long_sums_lose_no_more_than_one_by_one() -> None:
    x = RNG.random((1, 1 << 18)).astype(np.float32)
    [found] = scan_rows("add", [0], [x], HOST, False)
    exact = np.cumsum(x, 1, dtype=np.float64)
    assert np.abs(found - exact).max() <= np.abs(np.cumsum(x, 1) - exact).max()


def test_contiguous_scans_are_vectors_and_others_are_not() -> None:
    def vectors(stride: int) -> int:
        axis = Axis("s", 128, "sequential")
        index = axis_index(axis) * stride
        zero, element = scalar.const(0, np.float32), scalar.load(0, index, np.float32)
        planner = Planner(HOST)
        planner.plan(arrange((ScanLoop(axis, "add", (zero,), (element,), ((1, index, 0),), False),), HOST))
        return len(planner.vector)

    assert vectors(1) == 1
    assert vectors(64) == 0
