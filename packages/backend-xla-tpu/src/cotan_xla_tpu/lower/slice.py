"""Slices, at fixed places and at computed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan_xla_tpu.driver import hlo
from cotan_xla_tpu.emit import constant, convert
from cotan_xla_tpu.lower.table import rule


@rule("slice")
def _slice(c: Any, x: Any, start_indices: Any, limit_indices: Any, strides: Any) -> Any:
    return hlo.slice(x, list(start_indices), list(limit_indices), list(strides or (1,) * len(start_indices)))


def _starts(c: Any, starts: Sequence[Any], first: int) -> list[Any]:
    """Starts of one dtype; wide enough that none wraps."""
    kinds = {aval.dtype for aval in c.ins[first:]}
    if len(kinds) <= 1:
        return list(starts)
    return [convert(start, np.int64) for start in starts]


@rule("dynamic_slice")
def _dynamic_slice(c: Any, x: Any, *starts: Any, slice_sizes: Any) -> Any:
    return hlo.dynamic_slice(x, _starts(c, starts, 1), list(slice_sizes))


@rule("dynamic_update_slice")
def _dynamic_update_slice(c: Any, x: Any, update: Any, *starts: Any) -> Any:
    if not starts:
        return update
    return hlo.dynamic_update_slice(x, update, _starts(c, starts, 2))


def at(x: Any, sizes: Sequence[int], index: Any) -> Any:
    """The slice of ``x`` of these sizes at place ``index`` of its first axis."""
    zeros = [constant(np.zeros((), np.int32))] * (len(sizes) - 1)
    return hlo.dynamic_slice(x, [index, *zeros], list(sizes))


def put_at(x: Any, update: Any, rank: int, index: Any) -> Any:
    """``x`` with ``update`` at place ``index`` of its first axis."""
    zeros = [constant(np.zeros((), np.int32))] * (rank - 1)
    return hlo.dynamic_update_slice(x, update, [index, *zeros])
