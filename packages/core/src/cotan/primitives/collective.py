"""Collectives: operations over the examples of a named axis of vmap. psum, pmax, pmin, all_gather, and their kin.

Abstractly each works on one example and only its ``axis_name`` says which axis it means. Batching over that axis puts
ordinary operations along it in the collective's place; batching over another one maps it like anything else. So none
ever reaches a compiler: one that does names an axis that is not there. Arrays with blocks side by side ("tiled") and
several axes at once are written with these in ``lax.parallel``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from cotan.errors import where
from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, get_aval, shaped, tangent_aval
from cotan.ir.primitive import Primitive, abstract, batch, jvp, transpose
from cotan.ir.rules import none
from cotan.primitives.arithmetic import div, mul
from cotan.primitives.compare import eq, select_n
from cotan.primitives.define import NOT_LINEAR, first_order, linear
from cotan.primitives.gather import GatherDimensionNumbers, gather
from cotan.primitives.operands import move_axis, shape_of
from cotan.primitives.reduce import reduce_max, reduce_min
from cotan.primitives.shape import concatenate, inverse, iota, reshape
from cotan.primitives.slice import slice_along
from cotan.primitives.taylor import piecewise_linear
from cotan.structural import UndefinedPrimal, Zero, convert_element_type, reduce_sum, zeros_like_aval
from cotan.transforms.batch import AxisData, Dim, axes_in_scope, matchaxis

Names = tuple[Hashable, ...]
Groups = tuple[tuple[int, ...], ...] | None
INT32 = np.dtype(np.int32)


# ---- Names of axes


def bound_axis(name: Hashable, what: str) -> AxisData:
    """The axis called ``name`` of the innermost vmap that has one of this name.

    Raises:
      NameError: there is none around the current operation.
    """
    for axis in axes_in_scope():
        if axis.name == name:
            return axis
    raise unbound(name, what)


def unbound(name: Hashable, what: str) -> NameError:
    """The error for a collective over an axis that is not there."""
    known = ", ".join(f"{axis.name!r} (of size {axis.size})" for axis in axes_in_scope())
    scope = f"the axes in scope are {known}" if known else "no named axis is in scope"
    return NameError(
        f"{where()}: {what} names the axis {name!r}, but {scope}. Call it inside of a function that is mapped by "
        f"vmap(..., axis_name={name!r})."
    )


# ---- Making a collective


def _collective(name: str, names: Callable[..., Names]) -> Primitive:
    """A collective of one operand (or none); ``names`` gives the axes that its parameters name."""
    primitive = first_order(name)
    tables.named_axes[primitive] = names
    tables.reference[primitive] = none("its operand is one example; the meaning needs them all")
    tables.kernel[primitive] = none("batching over its axis puts other operations in its place")

    @tables.decompose(primitive)
    def decompose(*args: Any, **params: Any) -> Any:
        raise unbound(names(**params)[0], name)

    return primitive


def _several(*, axes: Names, **params: Any) -> Names:
    return axes


def _one(*, axis_name: Hashable, **params: Any) -> Names:
    return (axis_name,)


# act(x, dim, size, **params) -> (result, its mapped axis): the collective over axis ``dim`` of ``x``, or, where that is
# None, of examples that are all equal.
Act = Callable[..., tuple[Any, Dim]]


def _batched(primitive: Primitive, act: Act, *dimensions: str) -> None:
    """The batch rule of a collective: ``act`` over its own axis, itself over others.

    ``dimensions`` are the parameters that number axes of one example; the mapped axis goes before them.
    """

    @batch(primitive)
    def rule(axis: AxisData, args: Sequence[Any], dims: Sequence[Dim], **params: Any) -> Any:
        (x,), (dim,) = args, dims
        names = tables.named_axes[primitive](**params)
        if axis.name not in names:
            if dimensions:
                x, dim = matchaxis(axis.size, dim, 0, x), 0
                params = {**params, **{key: params[key] + 1 for key in dimensions}}
            return primitive.bind(x, **params), dim
        groups = params.get("axis_index_groups")
        if groups is None:
            x, dim = act(x, dim, axis.size, **params)
        else:
            x, dim = _in_groups(act, matchaxis(axis.size, dim, 0, x), groups, params), 0
        rest = tuple(name for name in names if name != axis.name)
        return (primitive.bind(x, **{**params, "axes": rest}) if rest else x), dim


def _in_groups(act: Act, x: Any, groups: Sequence[tuple[int, ...]], params: dict[str, Any]) -> Any:
    """``act`` over each group of rows of ``x`` by itself."""
    parts = []
    for members in groups:
        y, dim = act(_rows(x, members), 0, len(members), **params)
        parts.append(matchaxis(len(members), dim, 0, y))
    return _rows(concatenate(parts, 0), inverse([row for members in groups for row in members]))


def _rows(x: Any, rows: Sequence[int], dim: int = 0) -> Any:
    """``x`` with the given places along ``dim``, in that order."""
    shape = shape_of(x)
    rows = tuple(rows)
    if rows == tuple(range(rows[0], rows[0] + len(rows))):
        return x if len(rows) == shape[dim] else slice_along(x, dim, rows[0], rows[0] + len(rows))
    offsets = tuple(k for k in range(len(shape)) if k != dim)
    sizes = tuple(1 if k == dim else n for k, n in enumerate(shape))
    numbers = GatherDimensionNumbers(offsets, (dim,), (dim,))
    return gather(x, np.array(rows, INT32)[:, None], numbers, sizes, mode="promise_in_bounds", unique_indices=True)


# ---- psum: params axes, axis_index_groups

psum_p = _collective("psum", _several)


def psum(x: Any, axes: Names, axis_index_groups: Groups = None) -> Any:
    """The sum of ``x`` over the examples along ``axes``, the same for all of them (or of one group)."""
    return psum_p.bind(x, axes=axes, axis_index_groups=axis_index_groups)


@abstract(psum_p)
def _psum_abstract(x: ShapedArray, *, axes: Names, axis_index_groups: Groups) -> ShapedArray:
    return x


@linear(psum_p)
def _psum_transpose(ct: Any, x: UndefinedPrimal, *, axes: Names, axis_index_groups: Groups) -> Any:
    return psum(ct, axes, axis_index_groups)


def _psum_act(x: Any, dim: Dim, size: int, **params: Any) -> tuple[Any, Dim]:
    return (mul(x, size) if dim is None else reduce_sum(x, (dim,))), None


_batched(psum_p, _psum_act)


# ---- pmax, pmin: params axes, axis_index_groups


def _extremum(name: str, reduce: Callable[..., Any]) -> tuple[Primitive, Callable[..., Any]]:
    primitive = _collective(name, _several)

    def function(x: Any, axes: Names, axis_index_groups: Groups = None) -> Any:
        return primitive.bind(x, axes=axes, axis_index_groups=axis_index_groups)

    @abstract(primitive)
    def type_rule(x: ShapedArray, *, axes: Names, axis_index_groups: Groups) -> ShapedArray:
        return x

    @jvp(primitive)
    def derivative(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
        (x,), (t,) = primals, tangents
        out = primitive.bind(x, **params)
        if type(t) is Zero:
            return out, Zero(tangent_aval(get_aval(out)))
        chosen = convert_element_type(eq(x, out), get_aval(t).dtype)
        return out, div(psum(mul(t, chosen), **params), psum(chosen, **params))

    piecewise_linear(primitive)
    transpose[primitive] = NOT_LINEAR

    def act(x: Any, dim: Dim, size: int, **params: Any) -> tuple[Any, Dim]:
        return (x if dim is None else reduce(x, (dim,))), None

    _batched(primitive, act)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {name[1:]}imum of ``x`` over the examples along ``axes``; ties share the derivative."
    return primitive, function


pmax_p, pmax = _extremum("pmax", reduce_max)
pmin_p, pmin = _extremum("pmin", reduce_min)


# ---- all_gather: params all_gather_dimension, axis_name, axis_index_groups, axis_size

all_gather_p = _collective("all_gather", _one)


def all_gather(x: Any, axis_name: Hashable, dimension: int, axis_size: int, axis_index_groups: Groups = None) -> Any:
    """``x`` of all ``axis_size`` examples (of one group), stacked along a new axis ``dimension``."""
    return all_gather_p.bind(
        x,
        all_gather_dimension=dimension,
        axis_name=axis_name,
        axis_index_groups=axis_index_groups,
        axis_size=axis_size,
    )


@abstract(all_gather_p)
def _all_gather_abstract(
    x: ShapedArray, *, all_gather_dimension: int, axis_name: Hashable, axis_index_groups: Groups, axis_size: int
) -> ShapedArray:
    k = all_gather_dimension
    return shaped((*x.shape[:k], axis_size, *x.shape[k:]), x.dtype, x.weak_type)


@linear(all_gather_p)
def _all_gather_transpose(
    ct: Any,
    x: UndefinedPrimal,
    *,
    all_gather_dimension: int,
    axis_name: Hashable,
    axis_index_groups: Groups,
    axis_size: int,
) -> Any:
    return psum_scatter(ct, axis_name, all_gather_dimension, axis_size, axis_index_groups)


def _all_gather_act(x: Any, dim: Dim, size: int, *, all_gather_dimension: int, **params: Any) -> tuple[Any, Dim]:
    return matchaxis(size, dim, all_gather_dimension, x), None


_batched(all_gather_p, _all_gather_act, "all_gather_dimension")


# ---- psum_scatter: params scatter_dimension, axis_name, axis_index_groups, axis_size

psum_scatter_p = _collective("psum_scatter", _one)


def psum_scatter(x: Any, axis_name: Hashable, dimension: int, axis_size: int, axis_index_groups: Groups = None) -> Any:
    """Example k of the axis (of its group) gets row k, along ``dimension``, of the sum of ``x``."""
    return psum_scatter_p.bind(
        x,
        scatter_dimension=dimension,
        axis_name=axis_name,
        axis_index_groups=axis_index_groups,
        axis_size=axis_size,
    )


@abstract(psum_scatter_p)
def _psum_scatter_abstract(
    x: ShapedArray, *, scatter_dimension: int, axis_name: Hashable, axis_index_groups: Groups, axis_size: int
) -> ShapedArray:
    k = scatter_dimension
    return shaped(x.shape[:k] + x.shape[k + 1 :], x.dtype, x.weak_type)


@linear(psum_scatter_p)
def _psum_scatter_transpose(
    ct: Any,
    x: UndefinedPrimal,
    *,
    scatter_dimension: int,
    axis_name: Hashable,
    axis_index_groups: Groups,
    axis_size: int,
) -> Any:
    return all_gather(ct, axis_name, scatter_dimension, axis_size, axis_index_groups)


def _psum_scatter_act(x: Any, dim: Dim, size: int, *, scatter_dimension: int, **params: Any) -> tuple[Any, Dim]:
    return _psum_act(x, dim, size)[0], scatter_dimension


_batched(psum_scatter_p, _psum_scatter_act, "scatter_dimension")


# ---- all_to_all: params axis_name, split_axis, concat_axis, axis_index_groups

all_to_all_p = _collective("all_to_all", _one)


def all_to_all(x: Any, axis_name: Hashable, split_axis: int, concat_axis: int, axis_index_groups: Groups = None) -> Any:
    """Example k gets row k, along ``split_axis``, of every example of the axis, stacked along ``concat_axis``."""
    return all_to_all_p.bind(
        x, axis_name=axis_name, split_axis=split_axis, concat_axis=concat_axis, axis_index_groups=axis_index_groups
    )


@abstract(all_to_all_p)
def _all_to_all_abstract(
    x: ShapedArray, *, axis_name: Hashable, split_axis: int, concat_axis: int, axis_index_groups: Groups
) -> ShapedArray:
    shape = [*x.shape]
    shape.insert(concat_axis, shape.pop(split_axis))
    return shaped(tuple(shape), x.dtype, x.weak_type)


@linear(all_to_all_p)
def _all_to_all_transpose(
    ct: Any, x: UndefinedPrimal, *, axis_name: Hashable, split_axis: int, concat_axis: int, axis_index_groups: Groups
) -> Any:
    return all_to_all(ct, axis_name, concat_axis, split_axis, axis_index_groups)


def _all_to_all_act(
    x: Any, dim: Dim, size: int, *, split_axis: int, concat_axis: int, **params: Any
) -> tuple[Any, Dim]:
    # The rows become the examples, and the examples the axis along which they are stacked.
    x = move_axis(matchaxis(size, dim, 0, x), split_axis + 1, 0)
    return move_axis(x, 1, concat_axis + 1), 0


_batched(all_to_all_p, _all_to_all_act, "split_axis", "concat_axis")


# ---- ppermute: params axis_name, perm

ppermute_p = _collective("ppermute", _one)


def ppermute(x: Any, axis_name: Hashable, perm: Sequence[tuple[int, int]]) -> Any:
    """For each (source, destination) in ``perm``, example ``destination`` gets ``x`` of example ``source``."""
    return ppermute_p.bind(x, axis_name=axis_name, perm=tuple(perm))


@abstract(ppermute_p)
def _ppermute_abstract(x: ShapedArray, *, axis_name: Hashable, perm: Any) -> ShapedArray:
    return x


@linear(ppermute_p)
def _ppermute_transpose(ct: Any, x: UndefinedPrimal, *, axis_name: Hashable, perm: Any) -> Any:
    return ppermute(ct, axis_name, [(destination, source) for source, destination in perm])


def sources_of(perm: Sequence[tuple[int, int]], names: Names, size: int) -> list[int]:
    """For each example the one whose value it gets.

    Raises:
      ValueError: some example gets none.
    """
    sources = {destination: source for source, destination in perm}
    if len(sources) != size:
        raise ValueError(
            f"{where()}: ppermute over {', '.join(map(repr, names))} under vmap needs a full permutation: each of the "
            f"{size} examples must be source once and destination once, got {list(perm)}"
        )
    return [sources[k] for k in range(size)]


def _ppermute_act(x: Any, dim: Dim, size: int, *, axis_name: Hashable, perm: Any) -> tuple[Any, Dim]:
    sources = sources_of(perm, (axis_name,), size)
    return (x if dim is None else _rows(x, sources, dim)), dim


_batched(ppermute_p, _ppermute_act)


# ---- pbroadcast: params axis_name, source

pbroadcast_p = _collective("pbroadcast", _one)


def pbroadcast(x: Any, axis_name: Hashable, source: int) -> Any:
    """``x`` of example ``source``, for all examples."""
    return pbroadcast_p.bind(x, axis_name=axis_name, source=source)


@abstract(pbroadcast_p)
def _pbroadcast_abstract(x: ShapedArray, *, axis_name: Hashable, source: int) -> ShapedArray:
    return x


@linear(pbroadcast_p)
def _pbroadcast_transpose(ct: Any, x: UndefinedPrimal, *, axis_name: Hashable, source: int) -> Any:
    return select_n(eq(axis_index(axis_name), source), zeros_like_aval(get_aval(ct)), psum(ct, (axis_name,)))


def _pbroadcast_act(x: Any, dim: Dim, size: int, *, axis_name: Hashable, source: int) -> tuple[Any, Dim]:
    if dim is None:
        return x, None
    shape = shape_of(x)
    return reshape(slice_along(x, dim, source, source + 1), shape[:dim] + shape[dim + 1 :]), None


_batched(pbroadcast_p, _pbroadcast_act)


# ---- axis_index: params axis_name

axis_index_p = _collective("axis_index", _one)


def axis_index(axis_name: Hashable) -> Any:
    """The number of the example along its axis, an int32 scalar."""
    return axis_index_p.bind(axis_name=axis_name)


@abstract(axis_index_p)
def _axis_index_abstract(*, axis_name: Hashable) -> ShapedArray:
    return shaped((), INT32)


jvp[axis_index_p] = none("it has no operands")
transpose[axis_index_p] = none("it has no operands")


@batch(axis_index_p)
def _axis_index_batch(axis: AxisData, args: Sequence[Any], dims: Sequence[Dim], *, axis_name: Hashable) -> Any:
    return iota(INT32, axis.size), 0
