"""Products of matrices whose rows, or summed elements, fall into groups of any sizes: `ragged_dot`, and in general.

The elements of a group lie side by side. So blocks of a fixed number of them are multiplied, once for each group that
a block touches: such pairs are at most as many as blocks and groups together, whatever the sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan.api import vmap
from cotan.api.flat import lift_leaf
from cotan.errors import where
from cotan.lax.composites import dynamic_index_in_dim, dynamic_slice_in_dim, dynamic_update_slice_in_dim, full
from cotan.lax.control_flow import scan
from cotan.primitives.arithmetic import add, div, max, min, sub
from cotan.primitives.compare import bitwise_and, ge, gt, le, lt, select_n
from cotan.primitives.cumulative import cumsum
from cotan.primitives.dot import dot_general, sum_dtype
from cotan.primitives.pad import pad
from cotan.primitives.shape import concatenate, reshape, transpose
from cotan.primitives.slice import slice as slice_
from cotan.structural import broadcast_in_dim, convert_element_type, reduce_sum

_BLOCK = 128
_INT = np.dtype(np.int32)


class RaggedDotDimensionNumbers(NamedTuple):
    """Which axes of a ragged product mean what.

    Attributes:
      dot_dimension_numbers: ``((lhs_contracting, rhs_contracting), (lhs_batch, rhs_batch))``.
      lhs_ragged_dimensions: the one axis of ``lhs`` that falls into groups.
      rhs_group_dimensions: the axis of ``rhs`` that counts groups, or none.
    """

    dot_dimension_numbers: Any
    lhs_ragged_dimensions: Sequence[int]
    rhs_group_dimensions: Sequence[int]


def ragged_dot(
    lhs: Any,
    rhs: Any,
    group_sizes: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
    group_offset: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Rows of ``lhs`` in groups, those of group g times the matrix ``rhs[g]``; rows after all groups give zeros.

    Args:
      lhs: of shape (m, k).
      rhs: of shape (g, k, n).
      group_sizes: integers of shape (g,): how many rows each group has.
      precision, preferred_element_type: as of ``dot_general``.
      group_offset: of shape (1,): of which group ``rhs[0]`` is the matrix; rows of groups before it give zeros.

    Returns:
      An array of shape (m, n).

    >>> import cotan.numpy as cnp
    >>> from cotan import lax
    >>> lax.ragged_dot(cnp.ones((3, 1)), cnp.array([[[1.0]], [[5.0]]]), cnp.array([1, 2]))
    Array([[1.],
           [5.],
           [5.]], dtype=float32)
    """
    numbers = RaggedDotDimensionNumbers((((1,), (1,)), ((), ())), (0,), (0,))
    return ragged_dot_general(lhs, rhs, group_sizes, numbers, precision, preferred_element_type, group_offset)


def ragged_dot_general(
    lhs: Any,
    rhs: Any,
    group_sizes: Any,
    ragged_dot_dimension_numbers: RaggedDotDimensionNumbers,
    precision: Any = None,
    preferred_element_type: Any = None,
    group_offset: Any = None,
    out_sharding: Any = None,
) -> Any:
    """`dot_general`, of which one axis of ``lhs`` falls into groups of given sizes, side by side.

    - A free axis: ``rhs`` has an axis of groups, and the elements of group g meet ``rhs``'s slice g.
    - A contracted axis: products are summed within each group; the result has a first axis of groups.
    - A batch axis: groups change nothing.

    Args:
      lhs, rhs: arrays of one dtype.
      group_sizes: integers of shape (g,), or of the extents of the batch axes, of those free (or contracted) axes of
        ``lhs`` that stand before the ragged one, and g.
      ragged_dot_dimension_numbers: which axes mean what.
      precision, preferred_element_type: as of ``dot_general``.
      group_offset: of shape (1,): the group with which ``rhs``, or the result, begins.

    Raises:
      TypeError: not one ragged axis; an axis of groups where there must be none, or none; sizes of another shape.

    >>> import cotan.numpy as cnp
    >>> from cotan import lax
    >>> sums = lax.RaggedDotDimensionNumbers((((0,), (0,)), ((), ())), (0,), ())
    >>> lax.ragged_dot_general(cnp.array([1.0, 2.0, 3.0]), cnp.ones(3), cnp.array([2, 1]), sums)
    Array([3., 3.], dtype=float32)
    """
    lhs, rhs, sizes = lift_leaf(lhs), lift_leaf(rhs), lift_leaf(group_sizes)
    numbers, ragged, group = ragged_dot_dimension_numbers
    (l_sum, r_sum), (l_batch, r_batch) = (tuple(map(tuple, pair)) for pair in numbers)
    if len(ragged) != 1 or len(group) > 1:
        raise TypeError(
            f"{where()}: ragged_dot_general takes one ragged axis of lhs and at most one axis of groups of rhs, got "
            f"{tuple(ragged)} and {tuple(group)}"
        )
    if not dtypes.issubdtype(sizes.dtype, np.integer):
        raise TypeError(f"{where()}: ragged_dot_general: group sizes must be integers, got {sizes.dtype}")
    at = ragged[0]
    if bool(group) != (at not in l_sum and at not in l_batch):
        raise TypeError(
            f"{where()}: ragged_dot_general: rhs has an axis of groups exactly if the ragged axis of lhs is neither "
            f"contracted nor a batch axis; got {tuple(group)}, and axis {at} of {numbers}"
        )
    extra = {"precision": precision, "preferred_element_type": preferred_element_type}
    if at in l_batch:
        return dot_general(lhs, rhs, ((l_sum, r_sum), (l_batch, r_batch)), **extra)
    offset = np.int32(0) if group_offset is None else reshape(convert_element_type(lift_leaf(group_offset), _INT), ())
    if group:
        return _free(lhs, rhs, sizes, at, group[0], (l_sum, r_sum), (l_batch, r_batch), offset, extra)
    return _contracted(lhs, rhs, sizes, at, (l_sum, r_sum), (l_batch, r_batch), offset, extra)


def _arranged(x: Any, *parts: Sequence[int]) -> tuple[Any, list[tuple[int, ...]]]:
    """``x`` with its axes in parts, each of which becomes one axis; and the extents of each part."""
    extents = [tuple(x.shape[d] for d in part) for part in parts]
    moved = transpose(x, tuple(d for part in parts for d in part))
    return reshape(moved, tuple(map(math.prod, extents))), extents


def _spread_sizes(sizes: Any, outer: tuple[int, ...]) -> Any:
    """The sizes of groups for each position of the outer axes, which become one or two axes."""
    groups = sizes.shape[-1:]
    if sizes.ndim == 1:
        return broadcast_in_dim(sizes, (*outer, *groups), (len(outer),))
    if sizes.shape[:-1] != outer:
        raise TypeError(
            f"{where()}: ragged_dot_general: group_sizes must have shape {groups} or {(*outer, *groups)}, got "
            f"{tuple(sizes.shape)}"
        )
    return sizes


def _free(lhs: Any, rhs: Any, sizes: Any, at: int, group: int, sums: Any, batches: Any, offset: Any, extra: Any) -> Any:
    free = [d for d in range(lhs.ndim) if d not in sums[0] and d not in batches[0]]
    before, after = [d for d in free if d < at], [d for d in free if d > at]
    columns = [d for d in range(rhs.ndim) if d not in sums[1] and d not in batches[1] and d != group]
    left, (batch, outer, _, inner, _) = _arranged(lhs, batches[0], before, [at], after, sums[0])
    right, (*_, last) = _arranged(rhs, batches[1], [group], sums[1], columns)
    spread = reshape(_spread_sizes(sizes, batch + outer), (*left.shape[:2], sizes.shape[-1]))

    def rows(lhs: Any, rhs: Any, sizes: Any) -> Any:
        return _rows(lhs, rhs, sizes, offset, extra)

    out = vmap(vmap(rows, (0, None, 0)))(left, right, spread)
    return reshape(out, (*batch, *outer, lhs.shape[at], *inner, *last))


def _contracted(lhs: Any, rhs: Any, sizes: Any, at: int, sums: Any, batches: Any, offset: Any, extra: Any) -> Any:
    pairs = sorted(zip(*sums, strict=True))
    before, after = [p for p in pairs if p[0] < at], [p for p in pairs if p[0] > at]
    other = dict(pairs)[at]
    frees = [[d for d in range(x.ndim) if d not in sums[n] and d not in batches[n]] for n, x in enumerate((lhs, rhs))]
    left, (batch, outer, _, _, m) = _arranged(
        lhs, batches[0], [a for a, _ in before], [at], [a for a, _ in after], frees[0]
    )
    right, (*_, n) = _arranged(rhs, batches[1], [b for _, b in before], [other], [b for _, b in after], frees[1])
    spread = reshape(_spread_sizes(sizes, batch + outer), (*left.shape[:2], sizes.shape[-1]))
    wanted = lhs.dtype if extra["preferred_element_type"] is None else extra["preferred_element_type"]
    total = sum_dtype(np.dtype(wanted))

    def groups(lhs: Any, rhs: Any, sizes: Any) -> Any:
        return _groups(lhs, rhs, sizes, offset, {**extra, "preferred_element_type": total})

    out = reduce_sum(vmap(vmap(groups))(left, right, spread), (1,))
    out = transpose(convert_element_type(out, np.dtype(wanted)), (1, 0, 2, 3))
    return reshape(out, (out.shape[0], *batch, *m, *n))


class _Pairs(NamedTuple):
    """Pairs of a block and a group that it touches: where the block begins, the group, where it begins and ends."""

    start: Any
    group: Any
    low: Any
    high: Any


def _pairs(sizes: Any, extent: int, block: int) -> _Pairs:
    """All pairs, as arrays. There may be fewer than the arrays hold; the others are of groups without elements."""
    groups = sizes.shape[0]
    high = min(cumsum(convert_element_type(sizes, _INT)), np.int32(extent))
    low = concatenate([full((1,), 0, _INT), slice_(high, (0,), (groups - 1,))], 0)
    first = div(low, np.int32(block))
    last = div(sub(high, np.int32(1)), np.int32(block))
    touched = select_n(gt(high, low), full((groups,), 0, _INT), add(sub(last, first), np.int32(1)))
    done = cumsum(touched)
    count = -(-extent // block) + groups - 1
    number = np.arange(count, dtype=_INT)
    # The group of a pair is the number of groups whose pairs all come before.
    before = le(broadcast_in_dim(done, (count, groups), (1,)), np.repeat(number[:, None], groups, 1))
    place = reduce_sum(convert_element_type(before, _INT), (1,))
    used = lt(place, np.int32(groups))
    place = min(place, np.int32(groups - 1))
    first, done, touched, low, high = (
        vmap(lambda n, x=x: dynamic_index_in_dim(x, n, 0, False))(place) for x in (first, done, touched, low, high)
    )
    start = (first + (number - (done - touched))) * np.int32(block)
    none = full((count,), 0, _INT)
    return _Pairs(select_n(used, none, start), place, select_n(used, none, low), select_n(used, none, high))


def _members(pair: _Pairs, block: int, shape: tuple[int, ...]) -> Any:
    """Whether an element of a block, along the first axis of ``shape``, belongs to the pair's group."""
    number = add(np.arange(block, dtype=_INT), pair.start)
    return broadcast_in_dim(bitwise_and(ge(number, pair.low), lt(number, pair.high)), shape, (0,))


def _whole_blocks(x: Any) -> tuple[Any, int]:
    block = x.shape[0] if x.shape[0] < _BLOCK else _BLOCK
    missing = -x.shape[0] % block if block else 0
    if missing:
        x = pad(x, np.zeros((), x.dtype)[()], [(0, missing, 0), *([(0, 0, 0)] * (x.ndim - 1))])
    return x, block


def _rows(lhs: Any, rhs: Any, sizes: Any, offset: Any, extra: Any) -> Any:
    """[r, y, k] and [g, k, n]: the rows r of group g times ``rhs[g]``: [r, y, n]."""
    extent = lhs.shape[0]
    dtype = lhs.dtype if extra["preferred_element_type"] is None else extra["preferred_element_type"]
    shape = (*lhs.shape[:2], rhs.shape[2])
    if not extent or not rhs.shape[0]:
        return full(shape, 0, dtype)
    lhs, block = _whole_blocks(lhs)

    def step(out: Any, pair: _Pairs) -> tuple[Any, None]:
        local = sub(pair.group, offset)
        here = bitwise_and(ge(local, np.int32(0)), lt(local, np.int32(rhs.shape[0])))
        matrix = dynamic_index_in_dim(rhs, max(local, np.int32(0)), 0, False)
        made = dot_general(dynamic_slice_in_dim(lhs, pair.start, block), matrix, (((2,), (0,)), ((), ())), **extra)
        # What others' rows give is not used, rather than multiplied by zero: it may be infinite.
        mine = bitwise_and(_members(pair, block, made.shape), broadcast_in_dim(here, made.shape, ()))
        made = select_n(mine, dynamic_slice_in_dim(out, pair.start, block), made)
        return dynamic_update_slice_in_dim(out, made, pair.start, 0), None

    out, _ = scan(step, full((lhs.shape[0], *shape[1:]), 0, dtype), _pairs(sizes, extent, block))
    return slice_(out, (0, 0, 0), shape)


def _groups(lhs: Any, rhs: Any, sizes: Any, offset: Any, extra: Any) -> Any:
    """[r, y, m] and [r, y, n]: for each group the sum over its r and all y: [g, m, n]."""
    extent, groups = lhs.shape[0], sizes.shape[0]
    start = full((groups, lhs.shape[2], rhs.shape[2]), 0, extra["preferred_element_type"])
    if not extent or not groups:
        return start
    (lhs, block), (rhs, _) = _whole_blocks(lhs), _whole_blocks(rhs)

    def step(out: Any, pair: _Pairs) -> tuple[Any, None]:
        def mine(x: Any) -> Any:
            part = dynamic_slice_in_dim(x, pair.start, block)
            return select_n(_members(pair, block, part.shape), full(part.shape, 0, part.dtype), part)

        made = dot_general(mine(lhs), mine(rhs), (((0, 1), (0, 1)), ((), ())), **extra)
        local = sub(pair.group, offset)
        made = select_n(broadcast_in_dim(ge(local, np.int32(0)), made.shape, ()), full(made.shape, 0, made.dtype), made)
        local = max(local, np.int32(0))
        made = add(dynamic_index_in_dim(out, local, 0, False), made)
        return dynamic_update_slice_in_dim(out, reshape(made, (1, *made.shape)), local, 0), None

    out, _ = scan(step, start, _pairs(sizes, extent, block))
    return out
