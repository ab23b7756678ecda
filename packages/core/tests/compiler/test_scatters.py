"""Scatters that several threads can share: what is cut into ranges, what into copies, and that it stays right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiler.compiling import check
from compiler.test_fusion import RNG, kernels
from program_interpreter import run_program

from cotan import lax
from cotan.compiler import scatters
from cotan.ir.program import Kernel, Loop, Node, Program, Store
from cotan.structural import broadcast_in_dim

ADD, MUL, MIN, MAX = lax.scatter_add, lax.scatter_mul, lax.scatter_min, lax.scatter_max


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that an interpreter can run are cut as large ones would be."""
    monkeypatch.setattr(scatters, "MANY", 16)
    monkeypatch.setattr(scatters, "RANGES", 3)
    monkeypatch.setattr(scatters, "RANGE_BYTES", 256)


def scatter(function: Any, x: Any, indices: Any, updates: Any, unique: bool = False, **numbers: Any) -> Any:
    return function(x, indices, updates, lax.ScatterDimensionNumbers(**numbers), unique_indices=unique)


ROWS = {"update_window_dims": (1,), "inserted_window_dims": (0,), "scatter_dims_to_operand_dims": (0,)}
ELEMENTS = {"update_window_dims": (), "inserted_window_dims": (0,), "scatter_dims_to_operand_dims": (0,)}


def stores(tree: tuple[Node, ...], path: tuple[str, ...] = ()) -> list[tuple[Store, tuple[str, ...]]]:
    found: list[tuple[Store, tuple[str, ...]]] = []
    for node in tree:
        if isinstance(node, Store):
            found.append((node, path))
        elif isinstance(node, Loop):
            found += stores(node.body, (*path, node.axis.kind))
    return found


def only(program: Program) -> Kernel:
    [kernel] = kernels(program)
    return kernel


@pytest.mark.parametrize("extent", [24, 23])
def test_rows_go_to_ranges_of_the_result(extent: int) -> None:
    """Indices are doubled and beyond both ends; the start is written by the ranges where they are all equal."""
    indices = RNG.integers(-3, extent + 3, (7, 1)).astype(np.int32)
    indices[3] = indices[1]
    updates = RNG.normal(size=(7, 40)).astype(np.float32)

    def gradient(indices: Any, updates: Any) -> list[Any]:
        return [scatter(ADD, broadcast_in_dim(np.float32(0), (extent, 40), ()), indices, updates, **ROWS)]

    program = check(gradient, indices, updates)
    update, path = stores(kernels(program)[-1].tree)[-1]
    assert update.combine is not None
    assert path == ("parallel", "sequential", "parallel")
    if extent == 24:
        start, start_path = stores(only(program).tree)[0]
        assert start.combine is None
        assert start_path[0] == "parallel"
    else:
        assert len(kernels(program)) == 2


@pytest.mark.parametrize("donated", [False, True])
def test_ranges_begin_with_a_copy_or_update_in_place(donated: bool) -> None:
    x = RNG.normal(size=(24, 40)).astype(np.float32)
    indices = RNG.integers(0, 24, (7, 1)).astype(np.int32)
    updates = RNG.normal(size=(7, 40)).astype(np.float32)
    program = check(
        lambda x, i, u: [scatter(ADD, x, i, u, **ROWS)], x, indices, updates, donated=(donated, False, False)
    )
    assert len(program.steps) == 1
    assert len(stores(only(program).tree)) == (1 if donated else 2)


@pytest.mark.parametrize("extent", [64, 61])
@pytest.mark.parametrize("primitive", [ADD, MUL, MIN, MAX])
@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8])
def test_many_updates_go_to_copies(primitive: Any, dtype: Any, extent: int) -> None:
    x = RNG.integers(1, 4, 5).astype(dtype)
    indices = RNG.integers(-1, 6, (extent, 1)).astype(np.int32)
    updates = RNG.integers(1, 3, extent).astype(dtype)
    program = check(lambda x, i, u: [scatter(primitive, x, i, u, **ELEMENTS)], x, indices, updates)
    _, scattered, _ = kernels(program)
    [(store, path)] = stores(scattered.tree)
    assert store.combine is not None
    assert path[0] == "parallel"


def test_minus_zero_stays_where_no_update_goes() -> None:
    x = np.full(3, -0.0, np.float32)
    indices = np.zeros((48, 1), np.int32)
    program = check(lambda x, i, u: [scatter(ADD, x, i, u, **ELEMENTS)], x, indices, np.ones(48, np.float32))
    [result] = run_program(program, [x, indices, np.ones(48, np.float32)])
    assert np.array_equal(np.signbit(result), [False, True, True])


def test_what_sets_keeps_its_order() -> None:
    x = np.zeros(5, np.float32)
    indices = RNG.integers(0, 5, (64, 1)).astype(np.int32)
    program = check(
        lambda x, i, u: [scatter(lax.scatter, x, i, u, **ELEMENTS)], x, indices, np.arange(64, dtype=np.float32)
    )
    [(_, path)] = stores(only(program).tree)
    assert path == ("sequential",)


def test_unique_updates_are_parallel() -> None:
    x, indices = RNG.normal(size=64).astype(np.float32), RNG.permutation(64).astype(np.int32)[:, None]
    program = check(lambda x, i, u: [scatter(ADD, x, i, u, unique=True, **ELEMENTS)], x, indices, x)
    [(_, path)] = stores(only(program).tree)
    assert path == ("parallel",)


def test_batches_are_outside_and_windows_inside() -> None:
    x = RNG.normal(size=(9, 4, 3)).astype(np.float32)
    indices = np.stack([np.repeat(np.arange(9), 6), RNG.integers(0, 4, 54)], -1).astype(np.int32).reshape(9, 6, 2)
    updates = RNG.normal(size=(9, 6, 3)).astype(np.float32)

    def batched(x: Any, indices: Any, updates: Any) -> list[Any]:
        dimensions = {
            "update_window_dims": (2,),
            "inserted_window_dims": (1,),
            "scatter_dims_to_operand_dims": (1,),
            "operand_batching_dims": (0,),
            "scatter_indices_batching_dims": (0,),
        }
        return [scatter(ADD, x, indices[..., 1:], updates, **dimensions)]

    program = check(batched, x, indices, updates)
    _, path = stores(kernels(program)[-1].tree)[-1]
    assert path[0] == "parallel"
    assert path[-1] == "parallel"
    assert "sequential" in path
