"""Sliding windows: the geometry that convolutions and pooling share.

A window moves over an operand in strides; the operand may be padded (or cropped) and have holes between its elements,
and so may the window. One ``Slide`` per axis says which element of the operand a window's element is. No primitive
stands here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cotan.ir import primitive as tables
from cotan.ir.index import Index
from cotan.primitives.operands import shape_of
from cotan.primitives.pad import pad, pad_p
from cotan.primitives.shape import concatenate, ints, reshape
from cotan.primitives.slice import slice_along
from cotan.structural import transpose

Padding = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Slide:
    """A window along one axis.

    Attributes:
      extent: of the operand; ``window``: of the window.
      stride: how far the window moves.
      low, high: padding before and after; negative: how much is cut off.
      base, dilation: the distance of neighbours in the operand (before padding), and in the window.
    """

    extent: int
    window: int
    stride: int = 1
    low: int = 0
    high: int = 0
    base: int = 1
    dilation: int = 1

    @property
    def dilated(self) -> int:
        """The operand's extent with its holes."""
        return (self.extent - 1) * self.base + 1 if self.extent else 0

    @property
    def reach(self) -> int:
        """The window's extent with its holes."""
        return (self.window - 1) * self.dilation + 1 if self.window else 0

    @property
    def count(self) -> int:
        """How many windows there are."""
        return max((self.dilated + self.low + self.high - self.reach) // self.stride + 1, 0)

    def element(self, position: Index, offset: Index) -> tuple[list[tuple[Index, int, int]], Index]:
        """The element of the operand at ``offset`` of window ``position``, and the conditions under which it is one."""
        whole = -(-self.low // self.base)
        # Not negative, so that its quotient and remainder are defined everywhere.
        shifted = position * self.stride + offset * self.dilation + (whole * self.base - self.low)
        conditions = [(shifted % self.base, 0, 1)] if self.base > 1 else []
        found = shifted // self.base - whole
        return [*conditions, (found, 0, self.extent)], found

    def turned(self) -> Slide:
        """The slide over the windows that finds those which hold an element of the operand; offsets are reversed."""
        count = self.count
        holes = (count - 1) * self.stride + 1 if count else 0
        low, high = self.reach - 1 - self.low, self.dilated + self.low - holes
        return Slide(count, self.window, self.base, low, high, self.stride, self.dilation)

    def swapped(self) -> Slide:
        """The slide in which windows and the elements of the window change places."""
        count = self.count
        holes = (count - 1) * self.stride + 1 if count else 0
        high = self.reach - 1 + holes - self.dilated - self.low
        return Slide(self.extent, count, self.dilation, self.low, high, self.base, self.stride)


def slides(
    extents: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    padding: Padding,
    base: Sequence[int],
    dilation: Sequence[int],
) -> tuple[Slide, ...]:
    """One slide per axis."""
    return tuple(
        Slide(n, k, s, low, high, b, d)
        for n, k, s, (low, high), b, d in zip(extents, window, strides, padding, base, dilation, strict=True)
    )


def padding_of(found: Sequence[Slide]) -> Padding:
    return tuple((slide.low, slide.high) for slide in found)


# ---- What users write


def pads(name: str, extents: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: Any) -> Padding:
    """Padding before and after each axis, from 'VALID', 'SAME', 'SAME_LOWER' or pairs of integers.

    Raises:
      RuntimeError: no such word.
      TypeError: neither a word nor pairs of integers.
    """
    if not isinstance(padding, str):
        try:
            pairs = tuple(padding)
        except TypeError:
            raise TypeError(
                f"{name}: padding must be 'VALID', 'SAME', 'SAME_LOWER' or a pair (low, high) per axis, got {padding!r}"
            ) from None
        found = tuple(ints(name, "padding", pair) for pair in pairs)
        if any(len(pair) != 2 for pair in found):
            raise TypeError(f"{name}: padding must hold a pair (low, high) per axis, got {padding!r}")
        return found  # type: ignore[return-value]
    word = padding.upper()
    if word == "VALID":
        return ((0, 0),) * len(extents)
    if word not in ("SAME", "SAME_LOWER"):
        raise RuntimeError(
            f"{name}: padding must be 'VALID', 'SAME', 'SAME_LOWER' or pairs of integers, got {padding!r}"
        )
    result = []
    for n, k, s in zip(extents, window, strides, strict=True):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        less = total // 2
        result.append((less, total - less) if word == "SAME" else (total - less, less))
    return tuple(result)


def per_axis(name: str, what: str, values: Any, count: int, default: int = 1) -> tuple[int, ...]:
    """``values`` as positive integers, one for each of ``count`` axes; None stands for the default.

    Raises:
      ValueError: another number of them, or one is not positive.
    """
    if values is None:
        return (default,) * count
    found = ints(name, what, values)
    if len(found) != count:
        raise ValueError(f"{name}: {what} must have one entry per axis of the window, {count}, got {found}")
    if any(value < 1 for value in found):
        raise ValueError(f"{name}: {what} must be positive, got {found}")
    return found


# ---- All windows of an array


def _config(axes: Sequence[int], found: Sequence[Slide], rank: int) -> tuple[tuple[int, int, int], ...]:
    config = [(0, 0, 0)] * rank
    for axis, slide in zip(axes, found, strict=True):
        config[axis] = (slide.low, slide.high, slide.base - 1)
    return tuple(config)


def view(x: np.ndarray, axes: Sequence[int], found: Sequence[Slide], fill: Any) -> np.ndarray:
    """All windows of a NumPy array: axis ``axes[n]`` counts them, and the window's axes come last.

    There must be a window along every axis.
    """
    padded = tables.reference[pad_p](x, np.asarray(fill, x.dtype), padding_config=_config(axes, found, x.ndim))
    shape, strides = list(padded.shape), list(padded.strides)
    for axis, slide in zip(axes, found, strict=True):
        shape[axis] = slide.count
        strides[axis] *= slide.stride
    shape += [slide.window for slide in found]
    strides += [padded.strides[axis] * slide.dilation for axis, slide in zip(axes, found, strict=True)]
    return np.lib.stride_tricks.as_strided(padded, shape, strides, writeable=False)


def spread(x: Any, axes: Sequence[int], found: Sequence[Slide], fill: Any) -> Any:
    """The same of any array, by padding, slicing and joining: as few slices per axis as windows or elements of one."""
    rank = len(shape_of(x))
    x = pad(x, fill, _config(axes, found, rank))
    for axis, slide in zip(axes, found, strict=True):
        count, size = slide.count, slide.window
        # The new axis comes last: after those that were there, in the order of ``axes``.
        if size <= count:
            ends = [(k * slide.dilation, count, slide.stride) for k in range(size)]
        else:
            ends = [(p * slide.stride, size, slide.dilation) for p in range(count)]
        parts = [slice_along(x, axis, start, start + (n - 1) * step + 1, step) for start, n, step in ends]
        shape = shape_of(parts[0])
        joined = concatenate([reshape(part, (*shape, 1)) for part in parts], len(shape))
        if size > count:
            order = list(range(len(shape) + 1))
            order[axis], order[-1] = order[-1], order[axis]
            joined = transpose(joined, tuple(order))
        x = joined
    return x


def is_empty(found: Sequence[Slide]) -> bool:
    """Whether there is no window, or none with elements."""
    return not math.prod(slide.count * slide.window for slide in found)
