"""What a NumPy index expression means for a shape: an entry per axis, new axis or flag; and where results lie.

Data and parsing only, nothing is computed here. Boolean masks become integer arrays, so their values must be known.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cotan import dtypes, errors
from cotan.ir.avals import get_aval, is_array_like
from cotan.ir.trace import Tracer

Shape = tuple[int, ...]


@dataclass(frozen=True)
class NewAxis:
    """``None``: an axis of extent 1 in the result."""


@dataclass(frozen=True)
class Range:
    """A slice of ``axis``: elements start, start + step, ..., ``count`` of them."""

    axis: int
    start: int
    step: int
    count: int


@dataclass(frozen=True)
class Scalar:
    """One element of ``axis``, known while tracing; negative values are not yet wrapped."""

    axis: int
    value: int


@dataclass(frozen=True, eq=False)
class Array:
    """Elements of ``axis`` named by an integer array: a NumPy array, a cotan Array or a tracer, of any rank.

    ``mask``: the position of the boolean mask that it comes from, or None.
    """

    axis: int
    value: Any
    mask: int | None = None

    @property
    def shape(self) -> Shape:
        return tuple(self.value.shape)


@dataclass(frozen=True)
class Flag:
    """True or False as an index: a new axis of extent 1 or 0 that broadcasts with the index arrays."""

    value: bool


Entry = NewAxis | Range | Scalar | Array | Flag
_ADVANCED = (Scalar, Array, Flag)

_KINDS = (
    "only integers, slices (`:`), ellipsis (`...`), newaxis (`None`) and integer or boolean arrays are valid indices"
)


def parse(shape: Shape, index: Any) -> list[Entry]:
    """The entries of ``index`` for an array of ``shape``; every axis has one.

    Raises:
      TypeError: a list that is no part of a tuple, a string, or an array that is neither integer nor boolean.
      IndexError: too many indices, two ellipses, a mask of another shape, a slice with bounds that are not known, or
        something that is no index.
      NonConcreteBooleanIndexError: a mask whose values are not known while tracing.
    """
    items = index if type(index) is tuple else (index,)
    if items is index:
        items = tuple(_array_of(item) if isinstance(item, list | tuple) else item for item in items)
    items = tuple(item if _is_plain(item) else _checked(item, place) for place, item in enumerate(items))
    used = sum(_consumes(item) for item in items)
    if used > len(shape):
        raise IndexError(
            f"{errors.where()}: too many indices: the array has {len(shape)} dimensions, but {used} were indexed; "
            "leave out some, or add axes to the array with None"
        )
    ellipses = [place for place, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError(
            f"{errors.where()}: an index can only have a single ellipsis ('...'); write : for each of the other axes"
        )
    place = ellipses[0] if ellipses else len(items)
    rest = (slice(None),) * (len(shape) - used)
    entries: list[Entry] = []
    axis = 0
    for position, item in enumerate((*items[:place], *rest, *items[place + 1 :])):
        entries += _entries(shape, axis, item, position)
        axis += _consumes(item)
    return entries


def _is_plain(item: Any) -> bool:
    return item is None or item is Ellipsis or type(item) is int or isinstance(item, slice)


def _array_of(item: Sequence[Any]) -> Any:
    """A sequence inside of an index tuple, as an index array."""
    from cotan.numpy.creation import asarray

    return asarray(item) if len(item) else np.zeros(0, np.int32)


def _checked(item: Any, place: int) -> Any:
    """An index array, a flag, or a Python int.

    Raises:
      TypeError, IndexError: it is no index.
    """
    if isinstance(item, bool | np.bool_):
        return bool(item)
    if isinstance(item, int | np.integer):
        return int(item)
    if isinstance(item, list | tuple):
        raise TypeError(
            f"{errors.where()}: {errors.a_type(item)} alone is no index; make an index array of it with "
            "cotan.numpy.array, or a tuple for several dimensions"
        )
    if isinstance(item, str):
        raise TypeError(
            f"{errors.where()}: arrays are not indexed by strings, got {item!r}; keep named arrays in a dict"
        )
    if not (isinstance(item, Tracer) or is_array_like(item)):
        try:
            return operator.index(item)
        except TypeError:
            raise IndexError(f"{errors.where()}: {_KINDS}; got {item!r} at position {place}") from None
    aval = get_aval(item)
    if dtypes.issubdtype(aval.dtype, np.bool_):
        return _mask(item)
    if not dtypes.issubdtype(aval.dtype, np.integer):
        raise TypeError(
            f"{errors.where()}: an index must have integer or boolean type, got {dtypes.short_name(aval.dtype)} "
            f"at position {place}; convert it with .astype(int)"
        )
    return int(item) if isinstance(item, np.ndarray) and not item.ndim else item


def _mask(item: Any) -> Any:
    """A boolean mask as a NumPy array, or a flag.

    Raises:
      NonConcreteBooleanIndexError: its values are not known.
    """
    if isinstance(item, Tracer):
        value = item.concrete()
        if value is None:
            raise errors.NonConcreteBooleanIndexError(
                f"{errors.where()}: a boolean mask ({item.aval.short()}) as an index needs its values, which are not "
                f"known while the function is being traced by {item._trace.name}: the result's shape depends on them. "
                "Use cotan.numpy.where(mask, x, other), which keeps the shape, or index outside of the traced function."
            )
        item = value
    mask = np.asarray(item)
    return mask if mask.ndim else bool(mask)


def _consumes(item: Any) -> int:
    """How many axes of the array an item speaks of."""
    if item is None or item is Ellipsis or item is True or item is False:
        return 0
    if isinstance(item, np.ndarray) and item.dtype == np.bool_:
        return item.ndim
    return 1


def _entries(shape: Shape, axis: int, item: Any, position: int) -> list[Entry]:
    if item is None:
        return [NewAxis()]
    if item is True or item is False:
        return [Flag(item)]
    if isinstance(item, slice):
        return [_range(shape[axis], axis, item, position)]
    if isinstance(item, int):
        return [Scalar(axis, item)]
    if isinstance(item, np.ndarray) and item.dtype == np.bool_:
        expected = shape[axis : axis + item.ndim]
        if item.shape != expected:
            raise IndexError(
                f"{errors.where()}: a boolean index must have the shape of what it indexes, {expected}, "
                f"got {item.shape} at position {position}; reshape or broadcast it"
            )
        return [Array(axis + k, places, position) for k, places in enumerate(item.nonzero())]
    return [Array(axis, item)]


def _range(extent: int, axis: int, item: slice, position: int) -> Range:
    try:
        start, stop, step = item.indices(extent)
    except (TypeError, errors.TracerIntegerConversionError) as error:
        if any(isinstance(bound, Tracer) for bound in (item.start, item.stop, item.step)):
            raise IndexError(
                f"{errors.where()}: the bounds of a slice must be known while tracing (position {position} of the "
                "index); for a start that is not, use cotan.lax.dynamic_slice with a fixed size"
            ) from None
        raise TypeError(f"{errors.where()}: slice bounds must be integers, got {item}") from error
    return Range(axis, start, step, len(range(start, stop, step)))


def is_identity(entry: Range, shape: Shape) -> bool:
    """Whether a range is all of its axis, in order."""
    return (entry.start, entry.step, entry.count) == (0, 1, shape[entry.axis])


def common_shape(entries: Sequence[Entry]) -> Shape:
    """The shape to which index arrays and flags broadcast.

    Raises:
      IndexError: they do not.
    """
    shapes = [e.shape for e in entries if isinstance(e, Array)]
    shapes += [(int(e.value),) for e in entries if isinstance(e, Flag)]
    try:
        return tuple(np.broadcast_shapes(*shapes))
    except ValueError:
        raise IndexError(
            f"{errors.where()}: index arrays do not broadcast together: their shapes are {', '.join(map(str, shapes))}"
        ) from None


@dataclass(frozen=True)
class Layout:
    """The axes of the result in order: a ``Range``, a ``NewAxis``, or 'array' once per axis of the common shape.

    Attributes:
      shape: the result's shape.
      common: the shape of the index arrays, broadcast.
    """

    axes: tuple[Any, ...]
    shape: Shape
    common: Shape

    @property
    def kept(self) -> tuple[Any, ...]:
        """The axes without the new ones."""
        return tuple(axis for axis in self.axes if not isinstance(axis, NewAxis))

    @property
    def new(self) -> tuple[int, ...]:
        """The places of new axes."""
        return tuple(place for place, axis in enumerate(self.axes) if isinstance(axis, NewAxis))


def layout(entries: Sequence[Entry]) -> Layout:
    """Where the results of an index expression lie.

    The axes of the index arrays stand where the arrays stand if those are neighbours, else in front (as in NumPy, where
    known integers count as arrays once there is one).
    """
    common = common_shape(entries)
    arrays = [("array", k) for k in range(len(common))]
    places = [place for place, entry in enumerate(entries) if isinstance(entry, _ADVANCED)]
    neighbours = not places or places[-1] - places[0] == len(places) - 1
    axes: list[Any] = [] if neighbours else list(arrays)
    for place, entry in enumerate(entries):
        if isinstance(entry, NewAxis | Range):
            axes.append(entry)
        elif neighbours and place == places[0]:
            axes += arrays

    def extent(axis: Any) -> int:
        if isinstance(axis, NewAxis):
            return 1
        return axis.count if isinstance(axis, Range) else common[axis[1]]

    return Layout(tuple(axes), tuple(map(extent, axes)), common)
