"""Which reductions are done in two stages, and that they give what one stage gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiler.compiling import check, staged

from cotan.compiler import compile_to_program
from cotan.ir.program import KernelStep
from cotan.primitives import arithmetic, reduce
from cotan.structural import reduce_sum

RNG = np.random.default_rng(0)


def array(*extents: int) -> Any:
    return RNG.uniform(0.5, 1, extents).astype(np.float32)


def kernels(function: Any, *args: Any) -> int:
    steps = compile_to_program(staged(function, *args)).steps
    return sum(isinstance(step, KernelStep) for step in steps)


def columns(x: Any) -> list[Any]:
    return [reduce_sum(x, (0,))]


def rows(x: Any) -> list[Any]:
    return [reduce_sum(x, (1,))]


def sum_and_greatest(x: Any) -> list[Any]:
    return [reduce_sum(x, (0,)), reduce.reduce_max(x, (0,))]


def squares(x: Any) -> list[Any]:
    return [reduce_sum(arithmetic.mul(x, x), tuple(range(x.ndim - 1)))]


def greatest(x: Any) -> list[Any]:
    return [reduce.reduce_max(x, (0,))]


@pytest.mark.parametrize(
    ("function", "shape", "count"),
    [
        (columns, (40_000, 1), 2),
        (columns, (1 << 15, 8), 2),
        (columns, (2_500, 60), 2),
        (columns, (1_000, 60), 1),
        (columns, (300, 500), 2),
        (columns, (300, 512), 1),
        (columns, (40, 4_000), 1),
        (columns, (2_048, 512), 2),
        (columns, (1_024, 1_000), 1),
        (columns, (130, 8_200), 2),
        (columns, (127, 8_300), 1),
        (columns, (128, 16_400), 1),
        (squares, (40, 40, 700), 2),
        (sum_and_greatest, (2_048, 512), 1),
        (rows, (8, 300, 600), 1),
        (rows, (8, 1 << 15), 2),
        (rows, (100, 2_000), 1),
        (squares, (30, 40, 3, 50), 2),
        (greatest, (2_500, 60), 2),
    ],
)
def test_in_two_stages_where_few_results_take_many_elements(function: Any, shape: Any, count: int) -> None:
    assert kernels(function, array(*shape)) == count


@pytest.mark.parametrize("shape", [(2_503, 61), (301, 499), (4_099, 33), (521, 509)])
@pytest.mark.parametrize("function", [columns, squares, greatest])
def test_odd_extents(function: Any, shape: Any) -> None:
    check(function, array(*shape))
