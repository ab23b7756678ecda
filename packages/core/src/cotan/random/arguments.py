"""What all samplers do with their arguments first: shapes and dtypes. Knows no distribution and no key."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.numpy.promotion import spread

Shape = Sequence[int]


def extents(shape: Any, fun_name: str) -> tuple[int, ...]:
    """A shape, or one extent, as a tuple.

    Raises:
      TypeError: something in it is no integer known while tracing. ValueError: a negative extent.
    """
    try:
        found = tuple(map(operator.index, spread(shape)))
    except TypeError:
        raise TypeError(f"{fun_name}: the shape must be integers, known while tracing; got {shape!r}") from None
    if any(extent < 0 for extent in found):
        raise ValueError(f"{fun_name}: a negative extent in shape {found}")
    return found


def float_dtype(dtype: Any, fun_name: str) -> Any:
    """The floating dtype that the user asked for; None: the default one."""
    dtype = dtypes.default_float() if dtype is None else dtypes.check_user_dtype(dtype, fun_name)
    if not dtypes.issubdtype(dtype, np.floating):
        raise ValueError(f"{fun_name}: dtype must be a floating dtype, got {np.dtype(dtype)}")
    return np.dtype(dtype)


def common_shape(shape: Any, fun_name: str, *operands: Any) -> tuple[int, ...]:
    """``shape``, which must hold the operands; None: what the operands' shapes broadcast to.

    Raises:
      ValueError: an operand does not broadcast to ``shape``.
    """
    shapes = [np.shape(x) if not hasattr(x, "shape") else tuple(x.shape) for x in operands]
    try:
        common = np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(
            f"{fun_name}: parameters of shapes {', '.join(map(str, shapes))} do not broadcast to one shape"
        ) from None
    if shape is None:
        return common
    shape = extents(shape, fun_name)
    if not _holds(shape, common):
        raise ValueError(
            f"{fun_name}: shape {shape} does not hold the parameters' shape {common}, which must broadcast to it"
        )
    return shape


def _holds(shape: tuple[int, ...], inner: tuple[int, ...]) -> bool:
    tail = shape[len(shape) - len(inner) :]
    return len(inner) <= len(shape) and all(n in (1, extent) for n, extent in zip(inner, tail, strict=True))
