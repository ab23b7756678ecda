"""Sets of values: distinct elements, unions, intersections, differences, membership.

How many values a result has depends on the values: while tracing, ``size`` says how many to return.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes, lax
from cotan.errors import ConcretizationTypeError
from cotan.errors import where as place
from cotan.ir.trace import Tracer
from cotan.numpy import manipulation, reductions, searching, selection, ufuncs
from cotan.numpy.promotion import as_array, normalize_axis, promote_dtypes


class UniqueAllResult(NamedTuple):
    """What ``unique_all`` gives."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCountsResult(NamedTuple):
    """What ``unique_counts`` gives."""

    values: Any
    counts: Any


class UniqueInverseResult(NamedTuple):
    """What ``unique_inverse`` gives."""

    values: Any
    inverse_indices: Any


class _Groups(NamedTuple):
    """Equal slices brought together: for each the group it is in, in sorted order and in the order given."""

    order: Any  # the slices' places, sorted by value
    first: Any  # in sorted order: whether a slice begins a group
    group: Any  # in sorted order: the number of its group


def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    size: int | None = None,
    fill_value: Any = None,
    sorted: bool = True,
) -> Any:
    """The distinct values in order.

    Args:
      return_index: whether to give the place of the first of each value in ``ar``, too.
      return_inverse: whether to give the indices that make ``ar`` of the result.
      return_counts: whether to give how often each value occurs.
      axis: find distinct slices along this axis; None: distinct elements.
      equal_nan: whether NaNs are equal to each other.
      size: how many values to return, needed while tracing: others are cut off, missing ones are ``fill_value``.
      fill_value: by default the least value. The place of a missing value is that of the least one, its count 0.
      sorted: results are in order in any case.

    Returns:
      The values, or a tuple of them and what was asked for.

    Raises:
      ConcretizationTypeError: ``ar`` is traced, and there is no ``size``.
      ValueError: ``ar`` is empty, so that there is no least value, and neither is there a ``fill_value``.

    >>> import cotan, cotan.numpy as cnp
    >>> cnp.unique(cnp.array([3, 1, 3]), return_counts=True)
    (Array([1, 3], dtype=int32), Array([1, 2], dtype=int32))
    >>> cotan.jit(lambda x: cnp.unique(x, size=3, fill_value=0))(cnp.array([3, 1, 3]))
    Array([1, 3, 0], dtype=int32)
    """
    x = as_array(ar, "unique")
    if axis is None:
        whole, x, axis = x.shape, manipulation.ravel(x), 0
    else:
        axis = normalize_axis(axis, x.ndim, "unique")
        whole = (x.shape[axis],)
    rows = manipulation.moveaxis(x, axis, 0)
    groups = _grouped(rows, equal_nan)
    number = rows.shape[0]
    found = size if size is not None else _count("unique", x, groups.first)
    if found and not number and fill_value is None:
        raise ValueError(f"{place()}: unique: size={found} of an array without elements; give `fill_value`")
    # The places in sorted order where groups begin; those past the last group lie past the end.
    beginning = selection.nonzero(groups.first, size=found, fill_value=number)[0]
    missing = lax.ge(beginning, number)
    if number:
        index = selection.take(groups.order, selection.where(missing, 0, beginning), mode="clip")
        values = selection.take(rows, index, axis=0, mode="clip")
    else:
        index, values = lax.full((found,), 0, groups.order.dtype), lax.full((found, *rows.shape[1:]), 0, x.dtype)
    if fill_value is not None and found:
        fill = as_array(fill_value, "unique").astype(x.dtype)
        values = selection.where(lax.reshape(missing, (found, *(1 for _ in rows.shape[1:]))), fill, values)
    results = [manipulation.moveaxis(values, 0, axis)]
    if return_index:
        results.append(index)
    if return_inverse:
        inverse = lax.full((number,), 0, index.dtype).at[groups.order].set(groups.group.astype(index.dtype))
        results.append(lax.reshape(inverse, whole))
    if return_counts:
        counts = lax.full((found,), 0, index.dtype).at[groups.group].add(np.asarray(1, index.dtype), mode="drop")
        results.append(counts)
    return results[0] if len(results) == 1 else tuple(results)


def _grouped(rows: Any, equal_nan: bool) -> _Groups:
    number = rows.shape[0]
    places = lax.iota(dtypes.default_int(), number)
    flat = lax.reshape(rows, (number, rows.size // number if number else 1))
    columns = [flat[:, k] for k in range(flat.shape[1])]
    if not columns or number == 0:
        first = lax.eq(places, 0)
        return _Groups(places, first, lax.full_like(places, 0))
    *ordered, order = lax.sort((*columns, places), dimension=0, num_keys=len(columns), is_stable=True)
    differs = lax.full((number - 1,), False)
    for column in ordered:
        a, b = column[1:], column[:-1]
        other = lax.ne(a, b)
        if equal_nan and ufuncs.is_inexact(column):
            other = lax.bitwise_and(other, lax.bitwise_not(lax.bitwise_and(ufuncs.isnan(a), ufuncs.isnan(b))))
        differs = lax.bitwise_or(differs, other)
    first = lax.concatenate([lax.full((1,), True), differs], 0)
    return _Groups(order, first, reductions.cumsum(first) - 1)


def _count(name: str, x: Any, chosen: Any) -> int:
    """How many are chosen; known unless ``x`` is traced."""
    if isinstance(x, Tracer) and x.concrete() is None:
        raise ConcretizationTypeError(
            f"{place()}: {name}: how many values the result has depends on the values of a traced array "
            f"({x.aval.short()}), which are not known while the function is traced. Give the number of results by "
            "size=..."
        )
    return int(reductions.sum(chosen))


def unique_all(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueAllResult:
    """The distinct values, their first places, the indices that restore ``x``, and how often they occur.

    >>> import cotan.numpy as cnp
    >>> cnp.unique_all(cnp.array([3, 1, 3])).counts
    Array([1, 2], dtype=int32)
    """
    return UniqueAllResult(*unique(x, True, True, True, equal_nan=False, size=size, fill_value=fill_value))


def unique_counts(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueCountsResult:
    """The distinct values, and how often they occur."""
    return UniqueCountsResult(*unique(x, return_counts=True, equal_nan=False, size=size, fill_value=fill_value))


def unique_inverse(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> UniqueInverseResult:
    """The distinct values, and the indices that restore ``x``."""
    return UniqueInverseResult(*unique(x, return_inverse=True, equal_nan=False, size=size, fill_value=fill_value))


def unique_values(x: Any, /, *, size: int | None = None, fill_value: Any = None) -> Any:
    """The distinct values."""
    return unique(x, equal_nan=False, size=size, fill_value=fill_value)


def union1d(ar1: Any, ar2: Any, *, size: int | None = None, fill_value: Any = None) -> Any:
    """The distinct values of both arrays, in order.

    Args:
      size: how many values to return, needed while tracing; missing ones are ``fill_value`` (by default the least).

    >>> import cotan.numpy as cnp
    >>> cnp.union1d(cnp.array([1, 3]), cnp.array([2, 3]))
    Array([1, 2, 3], dtype=int32)
    """
    a, b = promote_dtypes("union1d", as_array(ar1, "union1d"), as_array(ar2, "union1d"))
    both = lax.concatenate([manipulation.ravel(a), manipulation.ravel(b)], 0)
    return unique(both, size=size, fill_value=fill_value)


def _picked(name: str, x: Any, chosen: Any, size: int | None, fill_value: Any, least: bool) -> Any:
    """The chosen elements of the vector ``x``; missing ones are 0, or the ``least`` of those that are there."""
    found = _count(name, x, chosen) if size is None else size
    (places,) = selection.nonzero(chosen, size=found, fill_value=x.shape[0])
    if not x.shape[0]:
        return lax.full((found,), 0 if fill_value is None else fill_value, x.dtype)
    values = selection.take(x, places, mode="clip")
    missing = lax.ge(places, x.shape[0])
    if fill_value is not None:
        fill = as_array(fill_value, name).astype(x.dtype)
    else:
        fill = selection.where(missing[:1], 0, values[:1]) if least else 0
    return selection.where(missing, fill, values).astype(x.dtype) if found else values


def intersect1d(
    ar1: Any,
    ar2: Any,
    assume_unique: bool = False,
    return_indices: bool = False,
    *,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The distinct values that are in both arrays, in order.

    Args:
      assume_unique: whether no array has a value twice.
      return_indices: whether to give where they are first in each array, too.
      size: how many values to return, needed while tracing; missing ones are ``fill_value`` (by default the least, or 0
        if there is none), and their places lie past the end.

    >>> import cotan.numpy as cnp
    >>> cnp.intersect1d(cnp.array([1, 3, 3]), cnp.array([3, 2, 1]), return_indices=True)
    (Array([1, 3], dtype=int32), Array([0, 1], dtype=int32), Array([2, 0], dtype=int32))
    """
    a, b = promote_dtypes("intersect1d", as_array(ar1, "intersect1d"), as_array(ar2, "intersect1d"))
    a, b = manipulation.ravel(a), manipulation.ravel(b)
    firsts, others = (_first_places(x, assume_unique) for x in (a, b))
    # Sorted with the places, a value of both arrays stands next to itself.
    both = lax.concatenate([a, b], 0)
    past = a.shape[0] + b.shape[0]
    kept = lax.concatenate([firsts, others], 0)
    places = lax.iota(dtypes.default_int(), past)
    dropped, values, order = lax.sort((lax.bitwise_not(kept), both, places), dimension=0, num_keys=2, is_stable=True)
    kept = lax.bitwise_not(dropped)
    if past < 2:
        chosen = lax.full((past,), False)
    else:
        twice = lax.eq(values[1:], values[:-1]) & kept[1:] & kept[:-1]
        chosen = lax.concatenate([twice, lax.full((1,), False)], 0)
    found = _count("intersect1d", both, chosen) if size is None else size
    result = _picked("intersect1d", values, chosen, found, fill_value, least=True)
    if not return_indices:
        return result
    (at,) = selection.nonzero(chosen, size=found, fill_value=past)
    missing = lax.ge(at, past)
    first, second = (selection.take(order, at + k, mode="clip") for k in (0, 1))
    return (
        result,
        selection.where(missing, a.shape[0], first),
        selection.where(missing, b.shape[0], second - a.shape[0]),
    )


def _first_places(x: Any, distinct: bool) -> Any:
    """Which elements of a vector are the first of their value."""
    if distinct or x.shape[0] == 0:
        return lax.full(x.shape, True)
    groups = _grouped(x, equal_nan=True)
    return lax.full(x.shape, False).at[groups.order].set(groups.first)


def setdiff1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int | None = None, fill_value: Any = None
) -> Any:
    """The distinct values of the first array that are not in the second, in order.

    Args:
      assume_unique: whether no array has a value twice; then they are left in the order given.
      size: how many values to return, needed while tracing; missing ones are ``fill_value`` (by default 0).

    >>> import cotan.numpy as cnp
    >>> cnp.setdiff1d(cnp.array([3, 1, 2, 1]), cnp.array([2]))
    Array([1, 3], dtype=int32)
    """
    a, b = manipulation.ravel(as_array(ar1, "setdiff1d")), as_array(ar2, "setdiff1d")
    chosen = lax.bitwise_not(isin(a, b))
    if not assume_unique:
        groups = _grouped(a, equal_nan=True)
        a = selection.take(a, groups.order, mode="clip") if a.shape[0] else a
        chosen = lax.bitwise_not(isin(a, b)) & groups.first
    return _picked("setdiff1d", a, chosen, size, fill_value, least=False)


def setxor1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, *, size: int | None = None, fill_value: Any = None
) -> Any:
    """The distinct values that are in one array and not in the other, in order.

    Args:
      assume_unique: whether no array has a value twice.
      size: how many values to return, needed while tracing; missing ones are ``fill_value`` (by default the least, or 0
        if there is none).

    >>> import cotan.numpy as cnp
    >>> cnp.setxor1d(cnp.array([1, 3]), cnp.array([2, 3]))
    Array([1, 2], dtype=int32)
    """
    a, b = promote_dtypes("setxor1d", as_array(ar1, "setxor1d"), as_array(ar2, "setxor1d"))
    a, b = manipulation.ravel(a), manipulation.ravel(b)
    # NaN of one array is another than NaN of the other.
    alone = lax.concatenate(
        [lax.bitwise_not(isin(x, y)) & _first_places(x, assume_unique) for x, y in ((a, b), (b, a))], 0
    )
    both = lax.concatenate([a, b], 0)
    if not both.shape[0]:
        return _picked("setxor1d", both, alone, size, fill_value, least=True)
    order = _grouped(both, equal_nan=True).order
    values, chosen = (selection.take(x, order, mode="clip") for x in (both, alone))
    return _picked("setxor1d", values, chosen, size, fill_value, least=True)


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, method: str = "auto"
) -> Any:
    """Whether each element occurs in ``test_elements``.

    Args:
      assume_unique: accepted; it makes nothing faster here.
      invert: whether to tell which do not occur.
      method: 'compare_all', 'binary_search', 'sort', or 'auto'.

    Raises:
      ValueError: an unknown method.

    >>> import cotan.numpy as cnp
    >>> cnp.isin(cnp.array([1, 2, 3]), cnp.array([3, 1]))
    Array([ True, False,  True], dtype=bool)
    """
    if method not in ("auto", "compare_all", "binary_search", "sort"):
        raise ValueError(
            f"{place()}: isin: method {method!r} is none of 'auto', 'compare_all', 'binary_search', 'sort'"
        )
    x, tests = (as_array(v, "isin") for v in promote_dtypes("isin", element, test_elements))
    tests = manipulation.ravel(tests)
    if tests.size == 0 or x.size == 0:
        return lax.full(x.shape, invert)
    if method == "compare_all" or (method == "auto" and tests.size <= _FEW):
        found = reductions.any(ufuncs.equal(x[..., None], tests), axis=-1)
    else:
        ordered = selection.sort(tests)
        at = searching.searchsorted(ordered, x)
        found = lax.eq(selection.take(ordered, at, mode="clip"), x)
    return lax.bitwise_not(found) if invert else found


_FEW = 16  # so many comparisons cost less than a search
