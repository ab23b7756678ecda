"""vmap for users: which axes are mapped, and messages where they do not fit. The machinery is ``transforms.batch``."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

from cotan.api.flat import (
    FlatFunction,
    Function,
    check_argument_leaves,
    check_callable,
    copy_identity,
    lift_leaf,
    subject,
)
from cotan.ir.avals import get_aval
from cotan.structural import reduce_sum
from cotan.tracebacks import boundary
from cotan.transforms.batch import AxisData, axes_in_scope, batch_flat, matchaxis
from cotan.tree import PyTreeDef, flatten_axes, keystr, tree_flatten, tree_flatten_with_path, tree_leaves
from cotan.tree.calling import ArgNames

Dim = int | None


def _is_none(x: Any) -> bool:
    return x is None


@boundary
def vmap(
    fun: Function,
    in_axes: int | Sequence[Any] | None = 0,
    out_axes: Any = 0,
    axis_name: Hashable = None,
    axis_size: int | None = None,
    spmd_axis_name: Hashable = None,
    sum_match: bool = False,
) -> Function:
    """A function that does what ``fun`` does for every example along an axis of its arguments, all at once.

    Args:
      fun: a function of one example.
      in_axes: which axis of each positional argument holds the examples: an int, None (the argument is the same for
        all), or a sequence of such, one per argument, where a pytree that is a prefix of the argument says it leaf by
        leaf. Keyword arguments are always mapped over axis 0.
      out_axes: where the axis goes in the result; a prefix of its structure. None needs a result that does not vary.
      axis_name: a name of the axis, by which collective operations such as ``lax.psum`` speak of it.
      axis_size: the number of examples, needed only if no argument is mapped.
      spmd_axis_name: the axis of a device mesh (or several) over which the mapped axis is divided, if it is. Nested
        calls must name different ones.
      sum_match: where ``out_axes`` says None, sum a result that varies over the examples instead of refusing it.

    Raises:
      TypeError: ``in_axes`` or ``axis_size`` is not of these kinds, or (when called) an argument that is mapped is not
        an array.
      ValueError: (when called) axes are out of range, of different sizes, or do not fit the structure.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.vmap(lambda x, y: x @ y, in_axes=(0, None))(cnp.ones((2, 3)), cnp.arange(3.0))
    Array([3., 3.], dtype=float32)
    """
    check_callable("vmap", fun)
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if not (in_axes is None or isinstance(in_axes, tuple) or _is_axis(in_axes)):
        raise TypeError(
            f"{subject('vmap', fun)}: in_axes must be an int, None or a sequence with one entry per "
            f"positional argument, got {in_axes!r}"
        )
    axis_size = _checked_size(fun, axis_size)
    axis_name, spmd_axis_name = (
        _checked_name(fun, *pair) for pair in (("axis_name", axis_name), ("spmd_axis_name", spmd_axis_name))
    )
    _check_axes("in_axes", fun, in_axes)
    _check_axes("out_axes", fun, out_axes)

    @boundary
    def mapped(*args: Any, **kwargs: Any) -> Any:
        if isinstance(in_axes, tuple) and len(in_axes) != len(args):
            raise ValueError(
                f"{subject('vmap', fun)}: in_axes has {len(in_axes)} entries, but the function was called "
                f"with {len(args)} positional arguments; give one entry per argument"
            )
        leaves, tree = tree_flatten((args, kwargs))
        names = ArgNames(fun, tree)
        dims = _in_dims(fun, in_axes, tree, leaves, names)
        size = _axis_size(fun, names, leaves, dims, axis_size)
        call = FlatFunction("vmap", fun, tree)
        _check_mesh_axes(fun, spmd_axis_name)
        axis = AxisData(axis_name, size, spmd_axis_name)
        values = [x if d is None else lift_leaf(x) for x, d in zip(leaves, dims, strict=True)]
        outs, out_dims = batch_flat(call, axis, dims, values)
        result = call.out_tree.unflatten(outs)
        targets = flatten_axes(lambda: f"{subject('vmap', fun)}: out_axes", call.out_tree, out_axes)
        placed = [
            _place(fun, result, k, x, d, t, size, sum_match)
            for k, (x, d, t) in enumerate(zip(outs, out_dims, targets, strict=True))
        ]
        return call.out_tree.unflatten(placed)

    return copy_identity(mapped, fun, "vmap")


def _checked_size(fun: Function, size: Any) -> int | None:
    if size is None:
        return None
    if not _is_axis(size) or operator.index(size) < 0:
        raise TypeError(f"{subject('vmap', fun)}: axis_size must be an int that is not negative, got {size!r}")
    return operator.index(size)


def _checked_name(fun: Function, parameter: str, name: Any) -> Hashable:
    name = tuple(name) if isinstance(name, list) else name
    try:
        hash(name)
    except TypeError:
        raise TypeError(f"{subject('vmap', fun)}: {parameter} must be hashable, got {name!r}") from None
    return name  # type: ignore[no-any-return]


def _mesh_axes(name: Hashable) -> tuple[Hashable, ...]:
    return name if isinstance(name, tuple) else () if name is None else (name,)


def _check_mesh_axes(fun: Function, name: Hashable) -> None:
    """An axis of a mesh divides one mapped axis only."""
    taken = {mesh_axis for axis in axes_in_scope() for mesh_axis in _mesh_axes(axis.spmd_name)}
    for mesh_axis in _mesh_axes(name):
        if mesh_axis in taken:
            raise ValueError(
                f"{subject('vmap', fun)}: spmd_axis_name {mesh_axis!r} is that of a vmap around this one; an axis of a "
                "mesh divides one mapped axis only. Give another name, or None."
            )


def _is_axis(axis: Any) -> bool:
    return hasattr(type(axis), "__index__") and not isinstance(axis, bool) and not getattr(axis, "shape", ())


def _check_axes(what: str, fun: Function, axes: Any) -> None:
    for axis in tree_leaves(axes, is_leaf=_is_none):
        if axis is not None and not _is_axis(axis):
            raise TypeError(f"{subject('vmap', fun)}: {what} must hold ints and None, got {axis!r} in {axes!r}")


def _in_dims(fun: Function, in_axes: Any, tree: PyTreeDef, leaves: Sequence[Any], names: ArgNames) -> list[Dim]:
    """The mapped axis of each leaf of ``(args, kwargs)``, non-negative. What is not mapped may be anything."""
    dims: list[Dim] = flatten_axes(lambda: f"{subject('vmap', fun)}: in_axes", PyTreeDef(tree.spec[2]), in_axes)
    dims += [0] * (len(leaves) - len(dims))
    mapped = [k for k, axis in enumerate(dims) if axis is not None]
    check_argument_leaves("vmap", fun, [leaves[k] for k in mapped], (names[k] for k in mapped))
    for k, (x, axis) in enumerate(zip(leaves, dims, strict=True)):
        if axis is None:
            continue
        shape = get_aval(x).shape
        if not -len(shape) <= axis < len(shape):
            raise ValueError(
                f"{subject('vmap', fun)}: cannot map argument `{names[k]}` over axis {axis}: it has shape "
                f"{shape}. Use None in in_axes for an argument that is the same for all examples."
            )
        dims[k] = axis % len(shape)
    return dims


def _axis_size(
    fun: Function, names: ArgNames, leaves: Sequence[Any], dims: Sequence[Dim], axis_size: int | None
) -> int:
    sizes = [None if d is None else get_aval(x).shape[d] for x, d in zip(leaves, dims, strict=True)]
    found = {n for n in sizes if n is not None}
    if axis_size is not None:
        found.add(axis_size)
    if len(found) == 1:
        return found.pop()
    if not found:
        raise ValueError(
            f"{subject('vmap', fun)}: no argument is mapped, so the number of examples is not known. Map at "
            "least one argument (in_axes), or give axis_size."
        )
    common = Counter(n for n in sizes if n is not None).most_common(1)
    usual = axis_size if axis_size is not None else common[0][0]
    lines = [
        f"argument `{name}` has shape {get_aval(x).shape} and size {n} along axis {d}"
        for name, x, d, n in zip(names, leaves, dims, sizes, strict=True)
        if n is not None and n != usual
    ]
    origin = "axis_size" if axis_size is not None else "others"
    raise ValueError(
        f"{subject('vmap', fun)}: the mapped axes must have one size, got {sorted(found)}: "
        f"{'; '.join(lines)}; {origin} {'is' if axis_size is not None else 'have'} {usual}. Use None in "
        "in_axes for what is the same for all examples."
    )


def _place(fun: Function, result: Any, k: int, x: Any, dim: Dim, target: Dim, size: int, summed: bool) -> Any:
    """Result ``k`` with its mapped axis at ``target``."""
    if target is None:
        if dim is None:
            return x
        if summed:
            return reduce_sum(x, (dim,))
        problem = (
            "varies over the mapped axis, but out_axes says None; give its axis there, or reduce it over the examples"
        )
    else:
        ndim = len(get_aval(x).shape) + (dim is None)
        if -ndim <= target < ndim:
            return matchaxis(size, dim, target % ndim, x)
        problem = f"has {ndim} axes with the mapped one, but out_axes says {target}"
    path = keystr(tree_flatten_with_path(result)[0][k][0])
    raise ValueError(f"{subject('vmap', fun)}: the result{' at ' + path if path else ''} {problem}")
