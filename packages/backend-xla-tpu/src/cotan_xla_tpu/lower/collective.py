"""Collectives, in programs that run on several devices at once. Elsewhere no axis is open and no rule is asked for.

The rules ask ``Writer.axes`` (see ``spmd.Layout``) which devices stand along an axis.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from cotan_xla_tpu.driver import hlo, ir
from cotan_xla_tpu.emit import constant, convert, pairs, region, reshape, tensor
from cotan_xla_tpu.lower.table import rule


def _channel(c: Any) -> dict[str, Any]:
    """What collectives among partitions are told besides; replicas need nothing."""
    layout = c.writer.axes
    if not layout.partitioned:
        return {}
    return {"channel_handle": hlo.ChannelHandle.get(layout.next_channel(), 1)}


def _globally(c: Any) -> dict[str, Any]:
    channel = _channel(c)
    return {**channel, "use_global_device_ids": ir.UnitAttr.get()} if channel else {}


def _all_reduce(c: Any, x: Any, axes: Any, axis_index_groups: Any, *, combine: Callable[..., Any]) -> Any:
    groups = pairs(c.writer.axes.groups(axes, axis_index_groups))
    op = hlo.AllReduceOp([x.type], [x], groups, **_globally(c))
    scalar = tensor((), c.out.dtype)
    region(op, 0, [scalar, scalar], lambda a, b: [combine(a, b)])
    return op.results[0]


rule("psum")(partial(_all_reduce, combine=hlo.add))
rule("pmax")(partial(_all_reduce, combine=hlo.maximum))
rule("pmin")(partial(_all_reduce, combine=hlo.minimum))


def _gathered(c: Any, x: Any, shape: tuple[int, ...], dimension: int, groups: Any) -> Any:
    """``x`` of all members of each group, stacked along a new axis."""
    one = reshape(x, (*shape[:dimension], 1, *shape[dimension:]))
    dtype = c.ins[0].dtype
    whole = tensor((*shape[:dimension], groups.shape[1], *shape[dimension:]), dtype)
    return hlo.all_gather([whole], [one], dimension, pairs(groups), **_globally(c))


@rule("all_gather")
def _all_gather(
    c: Any, x: Any, all_gather_dimension: int, axis_name: Any, axis_index_groups: Any, axis_size: int
) -> Any:
    groups = c.writer.axes.groups((axis_name,), axis_index_groups)
    return _one(_gathered(c, x, c.ins[0].shape, all_gather_dimension, groups))


def _one(found: Any) -> Any:
    return found if isinstance(found, ir.Value) else found[0]


@rule("psum_scatter")
def _psum_scatter(
    c: Any, x: Any, scatter_dimension: int, axis_name: Any, axis_index_groups: Any, axis_size: int
) -> Any:
    groups = pairs(c.writer.axes.groups((axis_name,), axis_index_groups))
    shape = list(c.ins[0].shape)
    shape[scatter_dimension] //= axis_size
    op = hlo.ReduceScatterOp(tensor(shape, c.out.dtype), x, scatter_dimension, groups, **_globally(c))
    scalar = tensor((), c.out.dtype)
    region(op, 0, [scalar, scalar], lambda a, b: [hlo.add(a, b)])
    return reshape(op.results[0], c.out.shape)


@rule("all_to_all")
def _all_to_all(c: Any, x: Any, axis_name: Any, split_axis: int, concat_axis: int, axis_index_groups: Any) -> Any:
    groups = c.writer.axes.groups((axis_name,), axis_index_groups)
    size = groups.shape[1]
    found = _one(hlo.all_to_all([x], split_axis, split_axis, size, pairs(groups), **_channel(c)))
    rest = [k for k in range(len(c.out.shape)) if k != split_axis]
    rest.insert(concat_axis, split_axis)
    return hlo.transpose(found, rest)


@rule("ppermute")
def _ppermute(c: Any, x: Any, axis_name: Any, perm: Any) -> Any:
    groups = c.writer.axes.groups((axis_name,), None)
    moved = [(group[source], group[target]) for group in groups for source, target in perm]
    table = np.array(moved, np.int64).reshape(-1, 2)
    return hlo.collective_permute(x, pairs(table), **_channel(c))


@rule("pbroadcast")
def _pbroadcast(c: Any, x: Any, axis_name: Any, source: int) -> Any:
    groups = c.writer.axes.groups((axis_name,), None)
    shape = c.ins[0].shape
    every = _one(_gathered(c, x, shape, 0, groups))
    rest = [0] * len(shape)
    taken = hlo.slice(every, [source, *rest], [source + 1, *shape], [1] * (len(shape) + 1))
    return reshape(taken, shape)


@rule("axis_index")
def _axis_index(c: Any, axis_name: Any) -> Any:
    layout = c.writer.axes
    number = hlo.partition_id() if layout.partitioned else hlo.replica_id()
    stride, size = layout.place(axis_name)
    unsigned = np.dtype(np.uint32)
    along = hlo.divide(number, constant(np.array(stride, unsigned)))
    return convert(hlo.remainder(along, constant(np.array(size, unsigned))), np.int32)
