"""gather."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.primitives.windows import GatherScatterMode
from cotan_xla_tpu.driver import hlo
from cotan_xla_tpu.emit import broadcast, compare, constant
from cotan_xla_tpu.lower.reduce import reduced
from cotan_xla_tpu.lower.table import rule


def last_starts(shape: Sequence[int], sizes: Sequence[int], axes: Sequence[int], dtype: Any) -> np.ndarray:
    """For each component of an index vector the last start at which a window fits; no larger than ``dtype`` holds."""
    limit = int(dtypes.iinfo(dtype).max)
    return np.array([min(shape[d] - sizes[d], limit) for d in axes], dtype)


def clamped(indices: Any, aval: Any, limits: np.ndarray) -> Any:
    """Starts moved to where windows fit."""
    rank = len(aval.shape)
    low = broadcast(constant(np.zeros((), aval.dtype)), aval.shape)
    high = broadcast(constant(limits), aval.shape, (rank - 1,))
    return hlo.clamp(low, indices, high)


@rule("gather")
def _gather(
    c: Any, x: Any, indices: Any, dimension_numbers: Any, slice_sizes: Any, unique_indices: bool,
    indices_are_sorted: bool, mode: GatherScatterMode, fill_value: Any,
) -> Any:  # fmt: skip
    operand, starts = c.ins
    offsets, collapsed, axes, batching, indices_batching = dimension_numbers
    if 0 in c.out.shape:
        return constant(np.zeros(c.out.shape, c.out.dtype))
    limits = last_starts(operand.shape, slice_sizes, axes, starts.dtype)
    within = clamped(indices, starts, limits) if mode is GatherScatterMode.CLIP else indices
    numbers = hlo.GatherDimensionNumbers.get(
        offset_dims=list(offsets), collapsed_slice_dims=list(collapsed), operand_batching_dims=list(batching),
        start_indices_batching_dims=list(indices_batching), start_index_map=list(axes),
        index_vector_dim=len(starts.shape) - 1,
    )  # fmt: skip
    found = hlo.gather(x, within, numbers, list(slice_sizes), indices_are_sorted=indices_are_sorted, results=[c.type()])
    if mode is not GatherScatterMode.FILL_OR_DROP:
        return found
    inside = _inside(indices, starts, limits)
    places = [d for d in range(len(c.out.shape)) if d not in offsets]
    fill = broadcast(constant(np.asarray(fill_value).astype(c.out.dtype)), c.out.shape)
    return hlo.select(broadcast(inside, c.out.shape, places), found, fill)


def _inside(indices: Any, aval: Any, limits: np.ndarray) -> Any:
    """Whether the window of each index vector is wholly inside."""
    rank = len(aval.shape)
    low = broadcast(constant(np.zeros((), aval.dtype)), aval.shape)
    high = broadcast(constant(limits), aval.shape, (rank - 1,))
    fits = hlo.and_(compare(indices, low, "GE", aval.dtype), compare(indices, high, "LE", aval.dtype))
    return reduced([fits], [np.array(True)], [rank - 1], aval.shape[:-1], lambda a, b: [hlo.and_(a, b)])[0]
