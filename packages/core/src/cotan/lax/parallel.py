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
from cotan.primitives import collective
from cotan.primitives.arithmetic import add, div, mul
from cotan.primitives.collective import Groups, Names, bound_axis
from cotan.primitives.reduce import reduce_max, reduce_min, reduce_sum
from cotan.runtime.dispatch import lift
from cotan.structural import convert_element_type
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


def pmax(x: Any, axis_name: AxisName, *, axis_index_groups: AxisIndexGroups = None) -> Any:
    """The greatest ``x`` over the examples of an axis, elementwise; see ``psum``. Ties share the derivative.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: cotan.lax.pmax(x, "i"), axis_name="i")(cnp.array([1.0, 3.0]))
    Array([3., 3.], dtype=float32)
    """
    return _extremum("pmax", reduce_max, collective.pmax, x, axis_name, axis_index_groups)


def pmin(x: Any, axis_name: AxisName, *, axis_index_groups: AxisIndexGroups = None) -> Any:
    """The least ``x`` over the examples of an axis, elementwise; see ``psum``. Ties share the derivative.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: cotan.lax.pmin(x, "i"), axis_name="i")(cnp.array([1.0, 3.0]))
    Array([1., 1.], dtype=float32)
    """
    return _extremum("pmin", reduce_min, collective.pmin, x, axis_name, axis_index_groups)


# ---- Which example this is


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


def axis_size(axis_name: AxisName) -> int:
    """The size of a named axis, or the product of those of several.

    Raises:
      NameError: no axis in scope has the name.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x: x * cotan.lax.axis_size("i"), axis_name="i")(cnp.ones(3))
    Array([3., 3., 3.], dtype=float32)
    """
    return _size(_split_names("axis_size", axis_name)[0])
