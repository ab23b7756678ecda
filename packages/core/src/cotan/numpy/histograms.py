"""Counting samples in bins, in one dimension or several."""

from __future__ import annotations

import math
import operator
from builtins import range as builtin_range
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import lax
from cotan.errors import ConcretizationTypeError, where
from cotan.ir.trace import Tracer
from cotan.numpy import creation, manipulation, reductions, searching, selection
from cotan.numpy.promotion import as_array, promote_dtypes_inexact


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """The edges of ``bins`` equal bins from the least to the largest element, or over ``range``.

    Args:
      bins: a number, an array of edges, which is returned, or one of NumPy's rules that choose a number for known
        values: 'auto', 'fd', 'doane', 'scott', 'stone', 'rice', 'sturges' or 'sqrt'.

    Raises:
      ValueError: an unknown rule, or one with weights.
      ConcretizationTypeError: a rule for values that are traced.

    >>> import cotan.numpy as cnp
    >>> cnp.histogram_bin_edges(cnp.array([1.0, 1.0, 2.0, 3.0]), "sqrt")
    Array([1., 2., 3.], dtype=float32)
    """
    if isinstance(bins, str):
        bins = _number_of_bins(a, bins, range, weights)
    (a,) = promote_dtypes_inexact("histogram_bin_edges", a)
    bins = _known_number(bins)
    if not isinstance(bins, int):
        edges = as_array(bins, "histogram_bin_edges")
        if not edges.ndim:
            raise TypeError(f"histogram_bin_edges: bins must be an integer, edges or a rule, got {bins!r}")
        return edges.astype(a.dtype)
    flat = manipulation.ravel(a)
    if range is None:
        low, high = (flat.min(), flat.max()) if flat.size else (0.0, 1.0)
    else:
        low, high = range
    low, high = (as_array(bound, "histogram_bin_edges").astype(a.dtype) for bound in (low, high))
    equal = low == high
    return creation.linspace(
        selection.where(equal, low - 0.5, low), selection.where(equal, high + 0.5, high), bins + 1, dtype=a.dtype
    )


def _known_number(bins: Any) -> Any:
    """A number of bins as Python's, also where it is an array of no dimensions; all else as it is."""
    return operator.index(bins) if getattr(bins, "shape", None) == () else bins


def _number_of_bins(a: Any, rule: str, range: Any, weights: Any) -> int:
    if rule not in _RULES:
        raise ValueError(f"{where()}: histogram: unknown rule {rule!r}; use one of {', '.join(_RULES)}, or a number")
    if weights is not None:
        raise ValueError(f"{where()}: histogram: no rule chooses a number of weighted bins; give the number")
    if isinstance(a, Tracer) and a.concrete() is None:
        raise ConcretizationTypeError(
            f"{where()}: histogram: the number of bins that {rule!r} chooses depends on the values of a traced array "
            f"({a.aval.short()}), which are not known while the function is traced; give the number"
        )
    return len(np.histogram_bin_edges(np.asarray(a), rule, range)) - 1


_RULES = ("auto", "fd", "doane", "scott", "stone", "rice", "sturges", "sqrt")


def histogram(
    a: Any, bins: Any = 10, range: Any = None, weights: Any = None, density: bool | None = None
) -> tuple[Any, Any]:
    """How many elements (or what weight) fall into each bin, and the edges; the last bin has its upper edge.

    >>> import cotan.numpy as cnp
    >>> counts, edges = cnp.histogram(cnp.array([1.0, 2.0, 2.5, 4.0]), bins=3)
    >>> counts
    Array([1., 2., 1.], dtype=float32)
    """
    edges = histogram_bin_edges(a, bins, range, weights)
    given = creation.ones_like(a) if weights is None else weights
    x, weighed = promote_dtypes_inexact("histogram", a, given)
    x, weighed = manipulation.ravel(x), manipulation.ravel(weighed)
    place = searching.searchsorted(edges, x, side="right")
    place = selection.where(x == edges[-1], edges.shape[0] - 1, place)
    # Place 0 collects what lies below the edges, the last one what lies above; both are dropped.
    added = np.int32(1) if weights is None else weighed  # floats stop counting where 1 is lost beside them
    sums = lax.full((edges.shape[0] + 1,), 0, added.dtype).at[place].add(added)
    counts = lax.convert_element_type(sums[1:-1], weighed.dtype)
    if density:
        counts = counts / selection.diff(edges) / reductions.sum(counts)
    return counts, edges


def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, weights: Any = None, density: bool | None = None
) -> tuple[Any, Any, Any]:
    """How many points (or what weight) fall into each cell of a grid, and the edges along both axes.

    Args:
      x, y: vectors, the coordinates.
      bins: how many, or the edges, for both axes; or a pair of these.
      range: None, or for each axis (low, high) or None.
      density: whether to divide by the total and by the cells' areas.

    Raises:
      ValueError: the shapes differ.

    >>> import cotan.numpy as cnp
    >>> counts, _, _ = cnp.histogram2d(cnp.array([0.0, 1.0, 1.0]), cnp.array([0.0, 0.0, 1.0]), bins=2)
    >>> counts
    Array([[1., 0.],
           [1., 1.]], dtype=float32)
    """
    x, y = as_array(x, "histogram2d"), as_array(y, "histogram2d")
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"{where()}: histogram2d: x and y must be vectors of one length, got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    bins = _known_number(bins)
    if not isinstance(bins, int) and len(bins) not in (1, 2):
        bins = [bins, bins]  # the edges of both axes
    counts, edges = histogramdd(manipulation.stack([x, y], axis=1), bins, range, weights, density)
    return counts, edges[0], edges[1]


def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, weights: Any = None, density: bool | None = None
) -> tuple[Any, list[Any]]:
    """How many points (or what weight) fall into each cell of a grid, and a list of the edges along its axes.

    Args:
      sample: a matrix of points (rows), or a sequence of vectors of coordinates.
      bins: how many along each axis, or a sequence with a number or the edges for each.
      range: None, or for each axis (low, high) or None.
      density: whether to divide by the total and by the cells' volumes.

    Raises:
      ValueError: the number of bins or ranges is not that of the axes.

    >>> import cotan.numpy as cnp
    >>> counts, edges = cnp.histogramdd(cnp.array([[0.0, 0.0], [1.0, 2.0]]), bins=(2, 1))
    >>> counts
    Array([[1.],
           [1.]], dtype=float32)
    """
    if isinstance(sample, Sequence):
        sample = manipulation.stack([as_array(v, "histogramdd") for v in sample], axis=1)
    x = manipulation.atleast_2d(as_array(sample, "histogramdd"))
    number, axes = x.shape
    bins = _known_number(bins)
    each = [bins] * axes if isinstance(bins, int) else list(bins)
    ranges = [None] * axes if range is None else list(range)
    if len(each) == 1:
        each = each * axes
    for name, given in (("bins", each), ("range", ranges)):
        if len(given) != axes:
            raise ValueError(
                f"{where()}: histogramdd: {len(given)} entries in `{name}` for {axes} axes; give one for each"
            )
    x, weighed = promote_dtypes_inexact("histogramdd", x, creation.ones(number) if weights is None else weights)
    edges, cell = [], lax.full((number,), 0, np.int32)
    for axis in builtin_range(axes):
        found = histogram_bin_edges(x[:, axis], each[axis], ranges[axis]).astype(x.dtype)
        place = searching.searchsorted(found, x[:, axis], side="right").astype(np.int32)
        place = selection.where(x[:, axis] == found[-1], found.shape[0] - 1, place).astype(np.int32)
        edges.append(found)
        cell = cell * np.int32(found.shape[0] + 1) + place
    shape = tuple(found.shape[0] + 1 for found in edges)
    counts = lax.full((math.prod(shape),), 0, weighed.dtype).at[cell].add(weighed)
    # The first and last places along an axis collect what lies outside.
    counts = lax.reshape(counts, shape)[(slice(1, -1),) * axes]
    if density:
        counts = counts / reductions.sum(counts)
        for axis, found in enumerate(edges):
            beside = tuple(-1 if d == axis else 1 for d in builtin_range(axes))
            counts = counts / manipulation.reshape(selection.diff(found), beside)
    return counts, edges
