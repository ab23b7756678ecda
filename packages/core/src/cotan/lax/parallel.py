"""Collective operations for users: over the examples of a named axis of ``vmap``.

Pytrees, names, groups and messages; several axes at once and blocks side by side ("tiled") are written with the
primitives in ``primitives.collective``, which know one axis and stacked blocks.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.errors import where
from cotan.ir.avals import get_aval
from cotan.ir.trace import Tracer
from cotan.lax.composites import dynamic_index_in_dim
from cotan.primitives import collective
from cotan.primitives.arithmetic import add, div, mul
from cotan.primitives.collective import Groups, Names, bound_axis
from cotan.primitives.operands import move_axis
from cotan.primitives.reduce import reduce_max, reduce_min, reduce_sum
from cotan.primitives.shape import reshape
from cotan.runtime.dispatch import lift
from cotan.structural import convert_element_type
from cotan.tracebacks import boundary
from cotan.tree import tree_map

AxisName = Hashable
AxisIndexGroups = Sequence[Sequence[int]] | None
_NUMBERS = (bool, int, float, complex)


# ---- Arguments


def _is_position(name: Any) -> bool:
    return isinstance(name, int) and not isinstance(name, bool)


def _split_names(what: str, axis_name: AxisName) -> tuple[Names, tuple[int, ...]]:
    """The names in ``axis_name``, each of which is in scope, and the numbers of axes of the operand in it."""
    given = tuple(axis_name) if isinstance(axis_name, tuple | list) else (axis_name,)
    if len(set(given)) != len(given):
        raise ValueError(f"{where()}: {what}: axis_name names an axis twice: {axis_name!r}")
    names = tuple(name for name in given if not _is_position(name))
    for name in names:
        if name is None:
            raise TypeError(f"{where()}: {what}: axis_name must be a name or a tuple of names, got {axis_name!r}")
        bound_axis(name, what)
    return names, tuple(name for name in given if _is_position(name))


def _names(what: str, axis_name: AxisName) -> Names:
    """The names in ``axis_name``, of which there must be one at least and no numbers."""
    names, positions = _split_names(what, axis_name)
    if positions or not names:
        raise TypeError(f"{where()}: {what}: axis_name must be a name or a tuple of names, got {axis_name!r}")
    return names


def _groups(what: str, names: Names, axis_index_groups: AxisIndexGroups, *, equal: bool = True) -> Groups:
    """The groups as tuples of ints, checked: they hold each index of the one axis once."""
    if axis_index_groups is None:
        return None
    if len(names) != 1:
        raise ValueError(f"{where()}: {what}: axis_index_groups needs exactly one named axis, got {names!r}")
    groups = tuple(tuple(map(operator.index, members)) for members in axis_index_groups)
    size = bound_axis(names[0], what).size
    if sorted(k for members in groups for k in members) != list(range(size)) or not all(groups):
        raise ValueError(
            f"{where()}: {what}: axis_index_groups must hold each index of the axis {names[0]!r}, 0 to {size - 1}, "
            f"exactly once, got {axis_index_groups!r}"
        )
    if equal and len({len(members) for members in groups}) > 1:
        raise ValueError(
            f"{where()}: {what}: the groups in axis_index_groups must have equal sizes, got {axis_index_groups!r}"
        )
    return groups


def _size(names: Names, groups: Groups = None) -> int:
    """How many examples take part."""
    return len(groups[0]) if groups is not None else math.prod(bound_axis(name, "axis_size").size for name in names)


def _place(what: str, parameter: str, axis: Any, ndim: int) -> int:
    """``axis`` of an operand with ``ndim`` axes, non-negative."""
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise ValueError(f"{where()}: {what}: {parameter} {axis} is out of range for an array with {ndim} axes")
    return axis % ndim


def _array(x: Any) -> Any:
    """A leaf as an operand: traced, or an Array."""
    return x if isinstance(x, Tracer) else lift(x)


# ---- Reductions


@boundary
def psum(x: Any, axis_name: AxisName, *, axis_index_groups: AxisIndexGroups = None) -> Any:
    """The sum of ``x`` over the examples of an axis, the same for each of them.

    Args:
      x: a pytree of arrays and numbers. The sum of a Python number is a Python number: ``psum(1, axis_name)`` is the
        size of the axis. Bools are summed as int32.
      axis_name: the name of the axis, or a tuple of names; ints in it are axes of ``x`` to be summed too.
      axis_index_groups: groups of indices along the axis that are summed by themselves.

    Returns:
      A pytree like ``x``.

    Raises:
      NameError: no axis in scope has the name.
      ValueError: the groups do not hold each index once, or an axis is named twice.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: x / cotan.lax.psum(x, "i"), axis_name="i")(cnp.array([1.0, 3.0]))
    Array([0.25, 0.75], dtype=float32)
    """
    names, positions = _split_names("psum", axis_name)
    groups = _groups("psum", names, axis_index_groups, equal=False)
    equal = groups is None or len({len(members) for members in groups}) == 1

    def leaf(x: Any) -> Any:
        if type(x) in _NUMBERS and not positions and equal:
            return x * _size(names, groups)
        x = _array(x)
        if get_aval(x).dtype == np.bool_:
            x = convert_element_type(x, np.int32)
        if positions:
            x = reduce_sum(x, _positions("psum", x, positions))
        return collective.psum(x, names, groups) if names else x

    return tree_map(leaf, x)


def _positions(what: str, x: Any, positions: tuple[int, ...]) -> tuple[int, ...]:
    ndim = len(get_aval(x).shape)
    return tuple(_place(what, "axis", axis, ndim) for axis in positions)


@boundary
def pmean(x: Any, axis_name: AxisName, *, axis_index_groups: AxisIndexGroups = None) -> Any:
    """The mean of ``x`` over the examples of an axis; see ``psum``. Integers give floats.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: x - cotan.lax.pmean(x, "i"), axis_name="i")(cnp.array([1.0, 3.0]))
    Array([-1.,  1.], dtype=float32)
    """
    names, positions = _split_names("pmean", axis_name)
    groups = _groups("pmean", names, axis_index_groups, equal=False)
    if groups is not None and len({len(members) for members in groups}) > 1:
        counts: Any = psum(np.int32(1), names, axis_index_groups=groups)
    else:
        counts = _size(names, groups)

    def leaf(x: Any) -> Any:
        if type(x) in _NUMBERS and not positions:
            return x / 1
        x = _array(x)
        count = counts
        if not dtypes.issubdtype(get_aval(x).dtype, np.inexact):
            x = convert_element_type(x, dtypes.default_float())
        if positions:
            shape = get_aval(x).shape
            count = count * math.prod(shape[axis] for axis in _positions("pmean", x, positions))
        total = psum(x, axis_name, axis_index_groups=axis_index_groups)
        if not isinstance(count, int):
            count = convert_element_type(count, get_aval(x).dtype)
        return div(total, count)

    return tree_map(leaf, x)


def _extremum(
    what: str, along: Callable[..., Any], over: Callable[..., Any], x: Any, axis_name: AxisName, given: AxisIndexGroups
) -> Any:
    names, positions = _split_names(what, axis_name)
    groups = _groups(what, names, given, equal=False)

    def leaf(x: Any) -> Any:
        if type(x) in _NUMBERS and not positions:
            return x
        x = _array(x)
        if positions:
            x = along(x, _positions(what, x, positions))
        return over(x, names, groups) if names else x

    return tree_map(leaf, x)


@boundary
def pmax(x: Any, axis_name: AxisName, *, axis_index_groups: AxisIndexGroups = None) -> Any:
    """The greatest ``x`` over the examples of an axis, elementwise; see ``psum``. Ties share the derivative.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: cotan.lax.pmax(x, "i"), axis_name="i")(cnp.array([1.0, 3.0]))
    Array([3., 3.], dtype=float32)
    """
    return _extremum("pmax", reduce_max, collective.pmax, x, axis_name, axis_index_groups)


@boundary
def pmin(x: Any, axis_name: AxisName, *, axis_index_groups: AxisIndexGroups = None) -> Any:
    """The least ``x`` over the examples of an axis, elementwise; see ``psum``. Ties share the derivative.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: cotan.lax.pmin(x, "i"), axis_name="i")(cnp.array([1.0, 3.0]))
    Array([1., 1.], dtype=float32)
    """
    return _extremum("pmin", reduce_min, collective.pmin, x, axis_name, axis_index_groups)


# ---- Which example this is


@boundary
def axis_index(axis_name: AxisName) -> Any:
    """The number of the example along an axis (along several: counted with the last one running fastest), an int32.

    Raises:
      NameError: no axis in scope has the name.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: x + cotan.lax.axis_index("i"), axis_name="i")(cnp.zeros(3, int))
    Array([0, 1, 2], dtype=int32)
    """
    names = _names("axis_index", axis_name)
    index = collective.axis_index(names[0])
    for name in names[1:]:
        index = add(mul(index, bound_axis(name, "axis_index").size), collective.axis_index(name))
    return index


@boundary
def axis_size(axis_name: AxisName) -> int:
    """The size of a named axis, or the product of those of several.

    Raises:
      NameError: no axis in scope has the name.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: x * cotan.lax.axis_size("i"), axis_name="i")(cnp.ones(3))
    Array([3., 3., 3.], dtype=float32)
    """
    return _size(_split_names("axis_size", axis_name)[0])


# ---- Exchange


@boundary
def all_gather(
    x: Any,
    axis_name: AxisName,
    *,
    axis_index_groups: AxisIndexGroups = None,
    axis: int = 0,
    tiled: bool = False,
    to: str = "varying",
) -> Any:
    """The ``x`` of all examples, for each of them.

    Args:
      x: a pytree of arrays.
      axis_name: the name of the axis, or a tuple of names; then examples are counted with the last one running fastest.
      axis_index_groups: groups of equal size of indices along the axis that exchange by themselves.
      axis: where the examples lie in the result: along a new axis; or, with ``tiled``, side by side along this one.
      to: of interest to device meshes only: 'varying' or 'reduced'.

    Returns:
      A pytree like ``x``, of arrays with one axis more (``tiled``: with an axis that is as many times longer).

    Raises:
      NameError: no axis in scope has the name.
      ValueError: an axis is out of range, or the groups do not hold each index once or have unequal sizes.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: cotan.lax.all_gather(x, "i"), axis_name="i")(cnp.arange(2))
    Array([[0, 1],
           [0, 1]], dtype=int32)
    """
    names = _names("all_gather", axis_name)
    groups = _groups("all_gather", names, axis_index_groups)
    _choice("all_gather", "to", to, ("varying", "reduced"))

    def leaf(x: Any) -> Any:
        x = _array(x)
        k = _place("all_gather", "axis", axis, len(get_aval(x).shape) + (not tiled))
        for name in reversed(names):
            x = collective.all_gather(x, name, k, _size((name,), groups), groups)
        return _merged(x, k, len(names) + tiled)

    return tree_map(leaf, x)


def _choice(what: str, parameter: str, given: Any, known: Sequence[str]) -> None:
    if given not in known:
        raise ValueError(f"{where()}: {what}: {parameter} must be one of {', '.join(map(repr, known))}, got {given!r}")


def _merged(x: Any, k: int, count: int) -> Any:
    """``x`` with ``count`` axes from ``k`` on as one."""
    shape = get_aval(x).shape
    return x if count == 1 else reshape(x, (*shape[:k], math.prod(shape[k : k + count]), *shape[k + count :]))


def _divided(what: str, x: Any, k: int, sizes: tuple[int, ...], tiled: bool) -> Any:
    """``x`` with axis ``k`` as axes of ``sizes``, and one of the rest behind them if ``tiled``."""
    shape, count = get_aval(x).shape, math.prod(sizes)
    extent = shape[k]
    if extent % count if tiled else extent != count:
        relation = "be divisible by" if tiled else "equal"
        raise ValueError(
            f"{where()}: {what}: the size of axis {k}, which is {extent}, must {relation} the number of examples "
            f"that exchange, {count}{'' if tiled else '; with tiled=True it may be a multiple of it'}"
        )
    if not tiled and len(sizes) == 1:
        return x
    return reshape(x, (*shape[:k], *sizes, *((extent // count,) if tiled else ()), *shape[k + 1 :]))


@boundary
def psum_scatter(
    x: Any,
    axis_name: AxisName,
    *,
    scatter_dimension: int = 0,
    axis_index_groups: AxisIndexGroups = None,
    tiled: bool = False,
) -> Any:
    """Each example's own part of the sum of ``x`` over the examples of an axis.

    Args:
      x: a pytree of arrays.
      axis_name: the name of the axis, or a tuple of names; then examples are counted with the last one running fastest.
      scatter_dimension: the axis along which the sum is cut. It has as many rows as there are examples, and goes away;
        or, with ``tiled``, a multiple of that, and becomes as many times shorter.
      axis_index_groups: groups of equal size of indices along the axis that sum by themselves.

    Returns:
      A pytree like ``x``: example k has row (or block) k of the sum.

    Raises:
      NameError: no axis in scope has the name.
      ValueError: sizes do not fit, or the groups do not hold each index once or have unequal sizes.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: cotan.lax.psum_scatter(x, "i"), axis_name="i")(cnp.array([[1, 2], [3, 4]]))
    Array([4, 6], dtype=int32)
    """
    names = _names("psum_scatter", axis_name)
    groups = _groups("psum_scatter", names, axis_index_groups)

    def leaf(x: Any) -> Any:
        x = _array(x)
        k = _place("psum_scatter", "scatter_dimension", scatter_dimension, len(get_aval(x).shape))
        sizes = tuple(_size((name,), groups) for name in names)
        x = _divided("psum_scatter", x, k, sizes, tiled)
        for name, size in zip(names, sizes, strict=True):
            x = collective.psum_scatter(x, name, k, size, groups)
        return x

    return tree_map(leaf, x)


@boundary
def all_to_all(
    x: Any,
    axis_name: AxisName,
    split_axis: int,
    concat_axis: int,
    *,
    axis_index_groups: AxisIndexGroups = None,
    tiled: bool = False,
) -> Any:
    """Each example gets its part of the ``x`` of all examples: the mapped axis and an axis of ``x`` change places.

    Args:
      x: a pytree of arrays.
      axis_name: the name of the axis, or a tuple of names; then examples are counted with the last one running fastest.
      split_axis: the axis that is dealt out. It has as many rows as there are examples, and goes away; or, with
        ``tiled``, a multiple of that, and becomes as many times shorter.
      concat_axis: where the parts lie in the result: along a new axis; or, with ``tiled``, side by side along this one.
      axis_index_groups: groups of equal size of indices along the axis that exchange by themselves.

    Returns:
      A pytree like ``x``: example k has row (or block) k of each.

    Raises:
      NameError: no axis in scope has the name.
      ValueError: sizes do not fit, or the groups do not hold each index once or have unequal sizes.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: cotan.lax.all_to_all(x, "i", 0, 0), axis_name="i")(cnp.array([[1, 2], [3, 4]]))
    Array([[1, 3],
           [2, 4]], dtype=int32)
    """
    names = _names("all_to_all", axis_name)
    groups = _groups("all_to_all", names, axis_index_groups)

    def leaf(x: Any) -> Any:
        x = _array(x)
        ndim = len(get_aval(x).shape)
        split = _place("all_to_all", "split_axis", split_axis, ndim)
        concat = _place("all_to_all", "concat_axis", concat_axis, ndim)
        x = _divided("all_to_all", x, split, tuple(_size((name,), groups) for name in names), tiled)
        if len(names) == 1:
            x = collective.all_to_all(x, names[0], split, concat, groups)
        else:
            for done, name in enumerate(names):
                x = collective.all_to_all(x, name, split + done, done)
            x = move_axis(_merged(x, 0, len(names)), 0, concat)
        return _merged(x, concat, 1 + tiled)

    return tree_map(leaf, x)


@boundary
def pswapaxes(x: Any, axis_name: AxisName, axis: int, *, axis_index_groups: AxisIndexGroups = None) -> Any:
    """The mapped axis and ``axis`` of ``x`` change places: ``all_to_all`` with one axis for both.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: cotan.lax.pswapaxes(x, "i", 0), axis_name="i")(cnp.array([[1, 2], [3, 4]]))
    Array([[1, 3],
           [2, 4]], dtype=int32)
    """
    return all_to_all(x, axis_name, axis, axis, axis_index_groups=axis_index_groups)


@boundary
def ppermute(x: Any, axis_name: AxisName, perm: Sequence[tuple[int, int]]) -> Any:
    """The ``x`` of other examples.

    Args:
      x: a pytree of arrays.
      axis_name: the name of the axis, or a tuple of names; then examples are counted with the last one running fastest.
      perm: pairs (source, destination): example ``destination`` gets what example ``source`` has. Under ``vmap`` each
        example is source once and destination once.

    Raises:
      NameError: no axis in scope has the name.
      ValueError: ``perm`` is no permutation.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: cotan.lax.ppermute(x, "i", [(0, 1), (1, 2), (2, 0)]), axis_name="i")(cnp.arange(3))
    Array([2, 0, 1], dtype=int32)
    """
    names = _names("ppermute", axis_name)
    size = _size(names)
    pairs = [(operator.index(source), operator.index(destination)) for source, destination in perm]
    for what, places in (("source", [s for s, _ in pairs]), ("destination", [d for _, d in pairs])):
        if len(set(places)) != len(places) or not all(0 <= k < size for k in places):
            raise ValueError(
                f"{where()}: ppermute: no example may be {what} twice, and all must be from 0 to {size - 1}, got {perm}"
            )

    def leaf(x: Any) -> Any:
        x = _array(x)
        if len(names) == 1:
            return collective.ppermute(x, names[0], pairs)
        return _permuted(x, names, collective.sources_of(pairs, names, size))

    return tree_map(leaf, x)


def _permuted(x: Any, names: Names, sources: Sequence[int]) -> Any:
    """Example k along several axes gets the ``x`` of example ``sources[k]``."""
    chosen = dynamic_index_in_dim(lift(np.array(sources, np.int32)), axis_index(names), keepdims=False)
    return dynamic_index_in_dim(all_gather(x, names), chosen, keepdims=False)


@boundary
def pshuffle(x: Any, axis_name: AxisName, perm: Sequence[int]) -> Any:
    """Example k gets the ``x`` of example ``perm[k]``; ``perm`` is a permutation of all of them. See ``ppermute``.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: cotan.lax.pshuffle(x, "i", [1, 2, 0]), axis_name="i")(cnp.arange(3) * 10)
    Array([10, 20,  0], dtype=int32)
    """
    size = _size(_names("pshuffle", axis_name))
    if sorted(perm) != list(range(size)):
        raise ValueError(f"{where()}: pshuffle: perm must be a permutation of 0 to {size - 1}, got {perm!r}")
    return ppermute(x, axis_name, list(zip(perm, range(size), strict=True)))


@boundary
def pbroadcast(x: Any, axis_name: AxisName, source: int) -> Any:
    """The ``x`` of example ``source``, for all examples.

    Raises:
      NameError: no axis in scope has the name.
      ValueError: there is no such example.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: cotan.lax.pbroadcast(x, "i", 1), axis_name="i")(cnp.arange(3) * 10)
    Array([10, 10, 10], dtype=int32)
    """
    names = _names("pbroadcast", axis_name)
    size, rest = _size(names), operator.index(source)
    if not 0 <= rest < size:
        raise ValueError(f"{where()}: pbroadcast: source must be from 0 to {size - 1}, got {source}")
    places = []
    for name in reversed(names):
        rest, place = divmod(rest, _size((name,)))
        places.append((name, place))

    def leaf(x: Any) -> Any:
        x = _array(x)
        for name, place in places:
            x = collective.pbroadcast(x, name, place)
        return x

    return tree_map(leaf, x)


@boundary
def pcast(x: Any, axis_name: AxisName, *, to: str) -> Any:
    """``x``; on device meshes also a statement of how it varies over the axis, which ``vmap`` knows by itself.

    Args:
      to: 'varying', 'reduced' or 'unreduced'.

    Raises:
      NameError: no axis in scope has the name.
      ValueError: there is no such ``to``.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: cotan.lax.pcast(x, "i", to="varying"), axis_name="i")(cnp.arange(3))
    Array([0, 1, 2], dtype=int32)
    """
    _names("pcast", axis_name)
    _choice("pcast", "to", to, ("varying", "reduced", "unreduced"))
    return tree_map(_array, x)
