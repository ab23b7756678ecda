"""vmap for users: which axes are mapped, and messages where they do not fit. The machinery is ``transforms.batch``."""

from __future__ import annotations

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
from cotan.transforms.batch import AxisData, batch_flat, matchaxis
from cotan.tree import flatten_axes, keystr, tree_flatten, tree_flatten_with_path, tree_leaves, tree_structure
from cotan.tree.calling import ArgNames

Dim = int | None


def _is_none(x: Any) -> bool:
    return x is None


def vmap(
    fun: Function,
    in_axes: int | Sequence[Any] | None = 0,
    out_axes: Any = 0,
    axis_name: Hashable = None,
    axis_size: int | None = None,
    spmd_axis_name: Hashable = None,
) -> Function:
    """A function that does what ``fun`` does for every example along an axis of its arguments, all at once.

    Args:
      fun: a function of one example.
      in_axes: which axis of each positional argument holds the examples: an int, None (the argument is the same for
        all), or a sequence of such, one per argument, where a pytree that is a prefix of the argument says it leaf by
        leaf. Keyword arguments are always mapped over axis 0.
      out_axes: where the axis goes in the result; a prefix of its structure. None needs a result that does not vary.
      axis_name: a name of the axis, for collective operations.
      axis_size: the number of examples, needed only if no argument is mapped.
      spmd_axis_name: the axis of a device mesh over which the mapped axis is divided, if it is.

    Raises:
      TypeError: ``in_axes`` is not of these kinds, or (when called) an argument is not an array.
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
    _check_axes("in_axes", fun, in_axes)
    _check_axes("out_axes", fun, out_axes)

    def mapped(*args: Any, **kwargs: Any) -> Any:
        if isinstance(in_axes, tuple) and len(in_axes) != len(args):
            raise ValueError(
                f"{subject('vmap', fun)}: in_axes has {len(in_axes)} entries, but the function was called "
                f"with {len(args)} positional arguments; give one entry per argument"
            )
        leaves, tree = tree_flatten((args, kwargs))
        names = ArgNames(fun, tree)
        check_argument_leaves("vmap", fun, leaves, names)
        dims = _in_dims(fun, in_axes, args, kwargs, leaves, names)
        size = _axis_size(fun, names, leaves, dims, axis_size)
        call = FlatFunction("vmap", fun, tree)
        axis = AxisData(axis_name, size)
        values = [x if d is None else lift_leaf(x) for x, d in zip(leaves, dims, strict=True)]
        outs, out_dims = batch_flat(call, axis, dims, values)
        result = call.out_tree.unflatten(outs)
        targets = flatten_axes(f"{subject('vmap', fun)}: out_axes", call.out_tree, out_axes)
        placed = [
            _place(fun, result, k, x, d, t, size)
            for k, (x, d, t) in enumerate(zip(outs, out_dims, targets, strict=True))
        ]
        return call.out_tree.unflatten(placed)

    return copy_identity(mapped, fun, "vmap")


def _is_axis(axis: Any) -> bool:
    return hasattr(type(axis), "__index__") and not isinstance(axis, bool)


def _check_axes(what: str, fun: Function, axes: Any) -> None:
    for axis in tree_leaves(axes, is_leaf=_is_none):
        if axis is not None and not _is_axis(axis):
            raise TypeError(f"{subject('vmap', fun)}: {what} must hold ints and None, got {axis!r} in {axes!r}")


def _in_dims(
    fun: Function, in_axes: Any, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: Sequence[Any], names: ArgNames
) -> list[Dim]:
    """The mapped axis of each leaf of the arguments, non-negative."""
    dims: list[Dim] = flatten_axes(f"{subject('vmap', fun)}: in_axes", tree_structure(args), in_axes)
    dims += [0] * len(tree_leaves(kwargs))
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
        f"{'; '.join(lines)}; {origin} {'is' if axis_size is not None else 'have'} {usual}"
    )


def _place(fun: Function, result: Any, k: int, x: Any, dim: Dim, target: Dim, size: int) -> Any:
    """Result ``k`` with its mapped axis at ``target``."""
    if target is None:
        if dim is None:
            return x
        problem = "varies over the mapped axis, but out_axes says None"
    else:
        ndim = len(get_aval(x).shape) + (dim is None)
        if -ndim <= target < ndim:
            return matchaxis(size, dim, target % ndim, x)
        problem = f"has {ndim} axes with the mapped one, but out_axes says {target}"
    path = keystr(tree_flatten_with_path(result)[0][k][0])
    raise ValueError(f"{subject('vmap', fun)}: the result{' at ' + path if path else ''} {problem}")
