"""Scatters: windows of updates written into, or combined with, an operand."""

from __future__ import annotations

from functools import partial
from typing import Any

from cotan.primitives.windows import GatherScatterMode
from cotan_xla_tpu.driver import hlo
from cotan_xla_tpu.emit import region, tensor
from cotan_xla_tpu.lower.gather import clamped, last_starts
from cotan_xla_tpu.lower.table import rule


def _scatter(
    c: Any, x: Any, indices: Any, updates: Any, *, combine: Any, dimension_numbers: Any, indices_are_sorted: bool,
    unique_indices: bool, mode: GatherScatterMode, **_: Any,
) -> Any:  # fmt: skip
    operand, starts, given = c.ins
    windows, inserted, axes, batching, indices_batching = dimension_numbers
    if 0 in given.shape or 0 in operand.shape:
        return x
    if mode is GatherScatterMode.CLIP:
        extents = iter(given.shape[d] for d in windows)
        gone = {*inserted, *batching}
        sizes = [1 if d in gone else next(extents) for d in range(len(operand.shape))]
        indices = clamped(indices, starts, last_starts(operand.shape, sizes, axes, starts.dtype))
    numbers = hlo.ScatterDimensionNumbers.get(
        update_window_dims=list(windows), inserted_window_dims=list(inserted), input_batching_dims=list(batching),
        scatter_indices_batching_dims=list(indices_batching), scattered_dims_to_operand_dims=list(axes),
        index_vector_dim=len(starts.shape) - 1,
    )  # fmt: skip
    op = hlo.ScatterOp(
        [c.type()], [x], indices, [updates], numbers, indices_are_sorted=indices_are_sorted,
        unique_indices=unique_indices,
    )  # fmt: skip
    scalar = tensor((), c.out.dtype)
    region(op, 0, [scalar, scalar], lambda old, new: [combine(old, new)])
    return op.results[0]


for _name, _combine in (
    ("scatter", lambda old, new: new),
    ("scatter_add", hlo.add),
    ("scatter_mul", hlo.multiply),
    ("scatter_min", hlo.minimum),
    ("scatter_max", hlo.maximum),
):
    rule(_name)(partial(_scatter, combine=_combine))
