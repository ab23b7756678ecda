"""Windows of gathers and scatters: which elements of the operand each start index speaks of.

``GatherScatterMode`` and the geometry that gather and scatter share, in one canonical order: batch (the axes of the
indices), then the axes along which windows move, then those they cover as a whole. No primitive stands here.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.forks import cached_property
from cotan.ir import scalar
from cotan.ir.avals import Shape, ShapedArray, get_aval
from cotan.ir.index import ZERO, Index, const_index
from cotan.primitives.compare import bitwise_and, eq, ge, le, ne, select_n
from cotan.primitives.operands import shape_of
from cotan.primitives.shape import broadcasted_iota, concatenate, inverse, reshape
from cotan.primitives.slice import clamp, clamp_start, slice_along
from cotan.structural import broadcast_in_dim, transpose


class GatherScatterMode(enum.Enum):
    """What a window that is not wholly inside of the operand means.

    CLIP: its start is clamped so that it fits.
    FILL_OR_DROP: a gather gives the fill value for all of it, a scatter drops it.
    PROMISE_IN_BOUNDS: the caller says that there is none (a gather clamps, a scatter drops).
    ONE_HOT: a gather gives zeros, a scatter drops.
    """

    CLIP = enum.auto()
    FILL_OR_DROP = enum.auto()
    PROMISE_IN_BOUNDS = enum.auto()
    ONE_HOT = enum.auto()

    @staticmethod
    def from_any(mode: str | GatherScatterMode | None) -> GatherScatterMode:
        """A mode from its name: 'clip', 'fill' or 'drop' (also None), 'promise_in_bounds', 'one_hot'.

        Raises:
          ValueError: there is no such mode.
        """
        if isinstance(mode, GatherScatterMode):
            return mode
        try:
            return _MODES[mode]
        except (KeyError, TypeError):
            names = ", ".join(repr(name) for name in _MODES if name)
            raise ValueError(f"unknown gather/scatter mode {mode!r}; known modes: {names}") from None


_MODES: dict[str | None, GatherScatterMode] = {
    None: GatherScatterMode.FILL_OR_DROP,
    "clip": GatherScatterMode.CLIP,
    "fill": GatherScatterMode.FILL_OR_DROP,
    "drop": GatherScatterMode.FILL_OR_DROP,
    "promise_in_bounds": GatherScatterMode.PROMISE_IN_BOUNDS,
    "one_hot": GatherScatterMode.ONE_HOT,
}


class Windows:
    """The geometry of a gather or scatter.

    Args:
      operand: the operand's shape.
      batch: the shape of the indices without their last axis.
      sizes: the window's extent along each axis of the operand.
      starts: the operand's axes that the components of an index vector speak of.
      dropped: axes of extent 1 that the result (or updates) do not have.
      operand_batching, indices_batching: axes of the operand and of the indices that go together.
      offsets: the places of the window's axes in the result (or updates).
    """

    def __init__(
        self,
        operand: Shape,
        batch: Shape,
        sizes: Shape,
        starts: Shape,
        dropped: Shape,
        operand_batching: Shape,
        indices_batching: Shape,
        offsets: Shape,
    ) -> None:
        self.operand, self.batch, self.sizes, self.starts = operand, batch, sizes, starts
        self.dropped, self.offsets = dropped, offsets
        self.together = dict(zip(operand_batching, indices_batching, strict=True))
        self.window = tuple(d for d in range(len(operand)) if d not in dropped and d not in self.together)
        self.moving = tuple(d for d in starts if sizes[d] < operand[d])
        self.indexed = (*self.together, *self.moving)
        self.whole = tuple(d for d in range(len(operand)) if d not in self.indexed)
        self.moving_window = tuple(d for d in self.moving if d not in dropped)
        self.whole_window = tuple(d for d in self.whole if d not in dropped)

    @cached_property
    def places(self) -> Shape:
        """For each canonical axis its place in the result (or updates)."""
        rank = len(self.batch) + len(self.window)
        rest = tuple(p for p in range(rank) if p not in self.offsets)
        of = dict(zip(self.window, self.offsets, strict=True))
        return (*rest, *(of[d] for d in self.moving_window), *(of[d] for d in self.whole_window))

    @cached_property
    def point_shape(self) -> Shape:
        """The canonical shape up to the axes covered as a whole: one point of the indexed axes each."""
        return (*self.batch, *(self.sizes[d] for d in self.moving_window))

    @cached_property
    def whole_shape(self) -> Shape:
        return tuple(self.sizes[d] for d in self.whole_window)

    # ---- NumPy

    def view(self, x: Any) -> Any:
        """A view of the NumPy array ``x``: indexed axes in front, then the part of the others that windows cover."""
        order = (*self.indexed, *self.whole)
        if order != tuple(range(len(order))):
            x = x.transpose(order)
        cut = [0 if d in self.dropped else slice(self.sizes[d]) for d in self.whole]
        return x[(*(slice(None) for _ in self.indexed), *cut, ...)]

    def points(self, indices: Any) -> tuple[Any, ...]:
        """For each indexed axis an index array; together they broadcast to ``point_shape``. Starts are clamped."""
        after = len(self.moving_window)
        found: list[Any] = []
        for d in self.indexed:
            if d in self.together:
                axis = self.together[d]
                shape = [1] * (len(self.batch) + after)
                shape[axis] = self.batch[axis]
                found.append(np.arange(self.batch[axis]).reshape(shape))
                continue
            start = indices[..., self.starts.index(d)]
            if start.dtype.itemsize < 8:  # so that the limit fits into the dtype
                start = start.astype(np.intp)
            start = np.minimum(np.maximum(start, 0), self.operand[d] - self.sizes[d]).astype(np.intp, copy=False)
            start = start.reshape(self.batch + (1,) * after)
            if d in self.moving_window:
                shape = [1] * after
                shape[self.moving_window.index(d)] = self.sizes[d]
                start = start + np.arange(self.sizes[d]).reshape(shape)
            found.append(start)
        if found and np.broadcast_shapes(*(p.shape for p in found)) != self.point_shape:
            found[0] = np.broadcast_to(found[0], self.point_shape)
        return tuple(found)

    def inside(self, indices: Any) -> Any:
        """For each index vector whether its whole window is inside; None if all are."""
        inside: Any = None
        for k, d in enumerate(self.starts):
            start = indices[..., k]
            fits = (start >= 0) & (start <= self.operand[d] - self.sizes[d])
            inside = fits if inside is None else inside & fits
        return None if inside is None or inside.all() else inside

    # ---- kernels

    def kernel_starts(self, batch: Sequence[Index], indices: scalar.Operand) -> list[scalar.Expr]:
        """The index vector of one batch element."""
        return [indices[(*batch, const_index(k))] for k in range(len(self.starts))]

    def kernel_point(self, i: Sequence[Index], indices: scalar.Operand) -> tuple[list[scalar.Expr], tuple[Index, ...]]:
        """The raw starts and the (clamped) operand element of element ``i`` of the result (or updates)."""
        batch = [index for place, index in enumerate(i) if place not in self.offsets]
        starts = self.kernel_starts(batch, indices)
        base: list[Index] = [ZERO] * len(self.operand)
        for d, start in zip(self.starts, starts, strict=True):
            base[d] = clamp_start(start, self.operand[d] - self.sizes[d])
        for d, axis in self.together.items():
            base[d] = batch[axis]
        for d, place in zip(self.window, self.offsets, strict=True):
            base[d] = base[d] + i[place]
        return starts, tuple(base)

    # ---- basic operations

    def rows(self, x: Any) -> Any:
        """``x`` as a matrix [points of the indexed axes, elements of the others that windows cover]."""
        for d in self.whole:
            x = slice_along(x, d, 0, self.sizes[d])
        x = transpose(x, (*self.indexed, *self.whole))
        points = math.prod(self.operand[d] for d in self.indexed)
        return reshape(x, (points, math.prod(self.sizes[d] for d in self.whole)))

    def from_rows(self, rows: Any, x: Any) -> Any:
        """The inverse of ``rows`` where windows cover whole axes: ``rows`` in the shape of ``x``."""
        order = (*self.indexed, *self.whole)
        return transpose(reshape(rows, tuple(self.operand[d] for d in order)), inverse(order))

    def row_numbers(self, indices: Any) -> Any:
        """For each point of ``point_shape``, flat, the number of its row (starts clamped)."""
        dtype = get_aval(indices).dtype
        shape = self.point_shape
        from cotan.primitives.arithmetic import add, mul

        total = broadcast_in_dim(dtype.type(0), shape, ())
        batch_axes = tuple(range(len(self.batch)))
        for d in self.indexed:
            if d in self.together:
                here = broadcasted_iota(dtype, shape, self.together[d])
            else:
                k = self.starts.index(d)
                start = reshape(slice_along(indices, len(self.batch), k, k + 1), self.batch)
                start = clamp(start, self.operand[d] - self.sizes[d])
                here = broadcast_in_dim(start, shape, batch_axes)
                if d in self.moving_window:
                    axis = len(self.batch) + self.moving_window.index(d)
                    here = add(here, broadcasted_iota(dtype, shape, axis))
            total = add(mul(total, dtype.type(self.operand[d])), here)
        return reshape(total, (math.prod(shape),))

    def fits(self, indices: Any) -> Any:
        """For each batch element whether its window is inside, as a traced bool array of the shape ``batch``."""
        dtype = get_aval(indices).dtype
        inside = broadcast_in_dim(np.bool_(True), self.batch, ())
        for k, d in enumerate(self.starts):
            start = reshape(slice_along(indices, len(self.batch), k, k + 1), self.batch)
            inside = bitwise_and(inside, ge(start, dtype.type(0)))
            slack = self.operand[d] - self.sizes[d]
            if slack < np.iinfo(dtype).max:
                inside = bitwise_and(inside, le(start, dtype.type(slack)))
        return inside


@lru_cache(maxsize=4096)
def windows(*args: Shape) -> Windows:
    """The ``Windows`` of these shapes and axes, remembered."""
    return Windows(*args)


def inside_element(starts: Sequence[scalar.Expr], geometry: Windows) -> scalar.Expr:
    """Whether the window at the raw ``starts`` is inside, as a bool of a kernel."""
    inside: scalar.Expr | None = None
    for d, start in zip(geometry.starts, starts, strict=True):
        hi = geometry.operand[d] - geometry.sizes[d]
        tests = []
        if start.dtype.kind == "i":
            tests.append(scalar.ge(start, scalar.const(0, start.dtype)))
        if np.iinfo(start.dtype).max > hi:
            tests.append(scalar.le(start, scalar.const(hi, start.dtype)))
        for test in tests:
            inside = test if inside is None else scalar.and_(inside, test)
    return scalar.const(True, scalar.BOOL) if inside is None else inside


def look_up(table: Any, numbers: Any) -> Any:
    """Row ``numbers[n]`` of ``table[rows, width]`` for every n, exactly: a tree of choices on the numbers' bits."""
    rows, width = shape_of(table)
    (count,) = shape_of(numbers)
    bits = (rows - 1).bit_length() if rows else 0
    if (1 << bits) > rows > 0:
        filler = broadcast_in_dim(slice_along(table, 0, 0, 1), ((1 << bits) - rows, width), (0, 1))
        table = concatenate([table, filler], 0)
    found = broadcast_in_dim(table, (count, 1 << bits if rows else 0, width), (1, 2))
    dtype = get_aval(numbers).dtype
    for bit in reversed(range(bits)):
        half = 1 << bit
        upper = ne(bitwise_and(numbers, dtype.type(half)), dtype.type(0))
        low, high = slice_along(found, 1, 0, half), slice_along(found, 1, half, 2 * half)
        found = select_n(broadcast_in_dim(upper, (count, half, width), (0,)), low, high)
    return reshape(found, (count, width))


def hits(numbers: Any, rows: int) -> Any:
    """``[n, row]``: whether ``numbers[n]`` is ``row``."""
    dtype = get_aval(numbers).dtype
    (count,) = shape_of(numbers)
    return eq(broadcast_in_dim(numbers, (count, rows), (0,)), broadcasted_iota(dtype, (count, rows), 1))


# ---- checks ---------------------------------------------------------------------------------------------------------


def check_axes(name: str, what: str, axes: Sequence[int], limit: int, *, ascending: bool = True) -> None:
    """Axes are distinct, in range and (unless told) ascending.

    Raises:
      TypeError: they are not.
    """
    if any(not 0 <= axis < limit for axis in axes):
        raise TypeError(f"{name}: {what} must lie in 0..{limit - 1}, got {tuple(axes)}")
    if len(set(axes)) != len(axes) or (ascending and list(axes) != sorted(axes)):
        how = "distinct and ascending" if ascending else "distinct"
        raise TypeError(f"{name}: {what} must be {how}, got {tuple(axes)}")


def check_indices(
    name: str, what: str, operand: ShapedArray, indices: ShapedArray, starts: Shape, together: tuple[Shape, Shape]
) -> None:
    """The indices are integers [..., components], and go with the operand's batching axes ``together``.

    Raises:
      TypeError: they do not.
    """
    if not dtypes.issubdtype(indices.dtype, np.integer):
        raise TypeError(f"{name}: indices must be integers, got {dtypes.short_name(indices.dtype)}")
    if not indices.shape or indices.shape[-1] != len(starts):
        raise TypeError(
            f"{name}: the last axis of the indices holds one component per entry of {what}, {starts}; "
            f"got indices of shape {indices.shape}"
        )
    check_axes(name, what, starts, operand.ndim, ascending=False)
    operand_axes, indices_axes = together
    check_axes(name, "operand_batching_dims", operand_axes, operand.ndim)
    check_axes(name, "the indices' batching dims", indices_axes, indices.ndim - 1, ascending=False)
    if len(operand_axes) != len(indices_axes):
        raise TypeError(f"{name}: operand and indices need equally many batching dims: {operand_axes}, {indices_axes}")
    if set(operand_axes) & set(starts):
        raise TypeError(f"{name}: {what} and operand_batching_dims must be disjoint, got {starts} and {operand_axes}")
    for a, b in zip(operand_axes, indices_axes, strict=True):
        if operand.shape[a] != indices.shape[b]:
            raise TypeError(
                f"{name}: batching axis {a} of the operand {operand.shape} and axis {b} of the indices {indices.shape} "
                "must have equal extents"
            )
