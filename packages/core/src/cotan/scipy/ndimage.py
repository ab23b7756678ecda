"""cotan.scipy.ndimage: sampling of arrays between their elements."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax, tracebacks
from cotan import numpy as cnp
from cotan.numpy.promotion import as_array, promote_args_inexact

_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


def _fixed(index: Any, size: int, mode: str) -> Any:
    """The index of an element that stands for one outside."""
    if mode == "wrap":
        return cnp.remainder(index, size)
    if mode == "mirror":
        period = max(2 * (size - 1), 1)
        return size - 1 - cnp.abs(cnp.remainder(index, period) - (size - 1)) if size > 1 else index * 0
    if mode == "reflect":
        folded = cnp.remainder(index, 2 * size)
        return cnp.minimum(folded, 2 * size - 1 - folded)
    return cnp.clip(index, 0, size - 1)


def map_coordinates(input: Any, coordinates: Sequence[Any], order: int, mode: str = "constant", cval: Any = 0.0) -> Any:
    """``input`` at coordinates between its elements, by interpolation.

    Args:
      input: an array.
      coordinates: one array of coordinates per axis, of one shape.
      order: 0: the nearest element; 1: linear between neighbours.
      mode: what stands outside: 'constant' (elements of value ``cval``, as SciPy's 'grid-constant'), 'nearest',
        'wrap' (SciPy's 'grid-wrap'), 'mirror', 'reflect'.
      cval: see ``mode``.

    Returns:
      An array of the coordinates' shape and the input's dtype.

    Raises:
      ValueError: not one coordinate per axis, another order, or no such mode.

    >>> from cotan.scipy import ndimage
    >>> import numpy as np
    >>> ndimage.map_coordinates(np.float32([0, 10, 20]), [np.float32([0.5, 2])], order=1)
    Array([ 5., 20.], dtype=float32)
    """
    x = as_array(input, "map_coordinates")
    if len(coordinates) != x.ndim:
        raise ValueError(
            f"map_coordinates: coordinates must hold one array per axis of input, {x.ndim}, got {len(coordinates)}"
        )
    if mode not in _MODES:
        raise ValueError(f"map_coordinates: mode must be one of {', '.join(map(repr, _MODES))}, got {mode!r}")
    if order not in (0, 1):
        raise ValueError(f"map_coordinates: order must be 0 or 1, got {order!r}; splines are not supported")
    given = [cnp.asarray(c) for c in coordinates]
    places = [as_array(c, "map_coordinates") for c in promote_args_inexact("map_coordinates", *given)]
    whole = dtypes.issubdtype(x.dtype, np.integer) or x.dtype == np.bool_
    values = x.astype(dtypes.result_type(x.dtype, places[0].dtype)) if whole else x
    terms = []
    for corner in itertools.product(*(_neighbours(c, order) for c in places)):
        index = [_fixed(k, size, mode) for (k, _), size in zip(corner, x.shape, strict=True)]
        element = values[tuple(index)]
        if mode == "constant":
            inside = [(k >= 0) & (k < size) for (k, _), size in zip(corner, x.shape, strict=True)]
            element = cnp.where(math.prod(inside, start=True), element, cval) if inside else element
        for _, weight in corner:
            element = element if weight is None else element * weight
        terms.append(element)
    total = sum(terms[1:], terms[0])
    if whole:
        total = cnp.round(total)
    return lax.convert_element_type(total, x.dtype)


def _neighbours(place: Any, order: int) -> list[tuple[Any, Any]]:
    """Indices around a coordinate and their weights (None: 1)."""
    if order == 0:
        return [(cnp.floor(place + 0.5).astype(np.int32), None)]
    low = cnp.floor(place)
    upper = place - low
    first = low.astype(np.int32)
    return [(first, 1 - upper), (first + 1, upper)]


tracebacks.guard(globals())
