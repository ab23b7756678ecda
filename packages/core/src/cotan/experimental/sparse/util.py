"""What all sparse formats share: warnings, errors, and what is static about an array. Knows no format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan.errors import ConcretizationTypeError, where
from cotan.ir.avals import get_aval
from cotan.ir.trace import Tracer


class SparseEfficiencyError(ValueError):
    """What was asked for would need far more memory than what it is made of."""


class SparseEfficiencyWarning(UserWarning):
    """What was asked for needs far more memory than what it is made of."""


class CuSparseEfficiencyWarning(SparseEfficiencyWarning):
    """Kept for programs that filter it; products have one implementation here, and it is never issued."""


class SparseInfo(NamedTuple):
    """What is known of a sparse array without its values."""

    shape: tuple[int, ...]
    indices_sorted: bool = False
    unique_indices: bool = False


def checked_shape(api: str, shape: Any) -> tuple[int, ...]:
    """``shape`` as a tuple of ints.

    Raises:
      TypeError: it is not a sequence of ints. ValueError: a size is negative.
    """
    try:
        sizes = tuple(int(n.__index__()) for n in shape)
    except (TypeError, AttributeError):
        raise TypeError(f"{where()}: {api}: the shape must be a sequence of ints, got {shape!r}") from None
    if any(n < 0 for n in sizes):
        raise ValueError(f"{where()}: {api}: sizes must not be negative, got the shape {sizes}")
    return sizes


def checked_nse(api: str, nse: Any) -> int:
    """``nse`` as an int.

    Raises:
      TypeError: it is not an int. ValueError: it is negative.
    """
    try:
        count = int(nse.__index__())
    except (TypeError, AttributeError):
        raise TypeError(f"{where()}: {api}: nse must be an int that is known while tracing, got {nse!r}") from None
    if count < 0:
        raise ValueError(f"{where()}: {api}: nse must not be negative, got {count}")
    return count


def known_count(api: str, count: Any) -> int:
    """The value of ``count`` as an int.

    Raises:
      ConcretizationTypeError: it is not known while tracing.
    """
    value = count.concrete() if isinstance(count, Tracer) else count
    if value is None:
        raise ConcretizationTypeError(
            f"{where()}: {api}: how many elements are stored depends on values that are traced; pass nse, the number "
            "of elements to store"
        )
    return int(value)


def is_known(x: Any) -> bool:
    """Whether the values of ``x`` are there to be looked at."""
    return not isinstance(x, Tracer) or x.concrete() is not None


def check_integers(api: str, name: str, x: Any) -> None:
    """Raises: TypeError: ``x`` holds no integers."""
    dtype = get_aval(x).dtype
    if not dtypes.issubdtype(dtype, np.integer):
        raise TypeError(f"{where()}: {api}: {name} must be integers, got {dtype}")


def axes_of(api: str, axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    """``axes`` counted from the front, ascending.

    Raises:
      ValueError: one is out of range, or named twice.
    """
    found = []
    for axis in axes:
        if not -ndim <= axis < ndim:
            raise ValueError(f"{where()}: {api}: axis {axis} is out of range for an array of {ndim} axes")
        found.append(int(axis) % ndim)
    if len(set(found)) != len(found):
        raise ValueError(f"{where()}: {api}: axes must not be repeated, got {tuple(axes)}")
    return tuple(sorted(found))
