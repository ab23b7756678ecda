"""Scatters: windows of updates written to, or combined with, an array at computed starts; full dimension numbers.

scatter (set), scatter_add, scatter_mul, scatter_min, scatter_max. Updates are taken in order: of several that set one
element the last one stays. Windows that are not wholly inside are dropped, or clamped in mode 'clip'.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import Shape, ShapedArray, get_aval, tangent_aval
from cotan.ir.index import const_index
from cotan.ir.primitive import Primitive
from cotan.primitives import taylor
from cotan.primitives.arithmetic import add, div, max, min, mul
from cotan.primitives.compare import bitwise_and, eq, gt, ne, select_n
from cotan.primitives.define import NOT_LINEAR, first_order
from cotan.primitives.gather import GatherDimensionNumbers, gather
from cotan.primitives.operands import quiet, shape_of
from cotan.primitives.reduce import reduce_max, reduce_min, reduce_prod
from cotan.primitives.shape import concatenate, ints, inverse, iota, reshape, to_front
from cotan.primitives.slice import as_indices, slice_along
from cotan.primitives.windows import (
    GatherScatterMode,
    Windows,
    check_axes,
    check_indices,
    hits,
    look_up,
    windows,
)
from cotan.structural import (
    UndefinedPrimal,
    Zero,
    broadcast_in_dim,
    convert_element_type,
    instantiate,
    reduce_sum,
    transpose,
    zeros_like_aval,
)


class ScatterDimensionNumbers(NamedTuple):
    """How the axes of operand, indices and updates of a scatter relate. The indices' last axis holds index vectors.

    Attributes:
      update_window_dims: places in the updates of the window's axes, ascending.
      inserted_window_dims: axes of the operand with window extent 1 that the updates do not have.
      scatter_dims_to_operand_dims: for each component of an index vector the axis of the operand it speaks of.
      operand_batching_dims, scatter_indices_batching_dims: axes of operand and indices that go together.
    """

    update_window_dims: Shape
    inserted_window_dims: Shape
    scatter_dims_to_operand_dims: Shape
    operand_batching_dims: Shape = ()
    scatter_indices_batching_dims: Shape = ()


_DOCUMENTATION = """``operand`` with windows of ``updates`` {how} at the given starts.

    Args:
      operand: an array.
      scatter_indices: integers [..., components]; each vector is where a window begins.
      updates: an array of the operand's dtype: the indices' axes but the last, and the window's axes.
      dimension_numbers: how axes relate.
      indices_are_sorted, unique_indices: promises that a backend may use; unique indices have cheaper derivatives.
      mode: what windows that are not wholly inside mean; None drops them.

    Raises:
      TypeError: shapes, dtypes and dimension numbers do not fit together.

    >>> import numpy as np
    >>> from cotan import lax
    >>> numbers = lax.ScatterDimensionNumbers((), (0,), (0,))
    >>> lax.{name}(np.float32([1, 2, 3]), np.int32([[0], [2]]), np.float32([5, 0]), numbers)
    Array([{example}], dtype=float32)
"""


def _function(primitive: Primitive, how: str, example: str) -> Callable[..., Any]:
    name = primitive.name

    def function(
        operand: Any,
        scatter_indices: Any,
        updates: Any,
        dimension_numbers: ScatterDimensionNumbers,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: str | GatherScatterMode | None = None,
    ) -> Any:
        mode = GatherScatterMode.from_any(mode)
        return primitive.bind(
            operand,
            as_indices(scatter_indices),
            updates,
            dimension_numbers=ScatterDimensionNumbers(*(ints(name, "dimension_numbers", d) for d in dimension_numbers)),
            indices_are_sorted=bool(indices_are_sorted),
            unique_indices=bool(unique_indices),
            mode=GatherScatterMode.FILL_OR_DROP if mode is GatherScatterMode.ONE_HOT else mode,
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _DOCUMENTATION.format(how=how, name=name, example=example)
    return function


# ---- What all scatters share ----------------------------------------------------------------------------------------


def _sizes(operand: Shape, updates: Shape, numbers: ScatterDimensionNumbers) -> Shape:
    """The window's extent along each axis of the operand."""
    window = iter(numbers.update_window_dims)
    one = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    return tuple(1 if d in one else updates[next(window)] for d in range(len(operand)))


def _windows(operand: Shape, indices: Shape, updates: Shape, numbers: ScatterDimensionNumbers) -> Windows:
    return windows(
        operand,
        indices[:-1],
        _sizes(operand, updates, numbers),
        numbers.scatter_dims_to_operand_dims,
        numbers.inserted_window_dims,
        numbers.operand_batching_dims,
        numbers.scatter_indices_batching_dims,
        numbers.update_window_dims,
    )


def _gather_numbers(numbers: ScatterDimensionNumbers) -> GatherDimensionNumbers:
    """The gather that reads what the scatter writes."""
    return GatherDimensionNumbers(*numbers)


def _read(x: Any, indices: Any, updates: Shape, params: dict[str, Any], fill_value: Any = 0) -> Any:
    """The elements of ``x`` that the updates go to, in the updates' shape; dropped ones read ``fill_value``."""
    numbers = params["dimension_numbers"]
    return gather(
        x,
        indices,
        _gather_numbers(numbers),
        _sizes(shape_of(x), updates, numbers),
        unique_indices=params["unique_indices"],
        indices_are_sorted=params["indices_are_sorted"],
        mode=params["mode"] if params["mode"] is GatherScatterMode.CLIP else GatherScatterMode.FILL_OR_DROP,
        fill_value=None if params["mode"] is GatherScatterMode.CLIP else fill_value,
    )


def _check(primitive: Primitive, x: ShapedArray, indices: ShapedArray, updates: ShapedArray, numbers: Any) -> None:
    name = primitive.name
    window, inserted, starts, batching, indices_batching = numbers
    check_indices(name, "scatter_dims_to_operand_dims", x, indices, starts, (batching, indices_batching))
    check_axes(name, "inserted_window_dims", inserted, x.ndim)
    check_axes(name, "update_window_dims", window, updates.ndim)
    if updates.dtype != x.dtype:
        raise TypeError(
            f"{name}: updates must have the operand's dtype {dtypes.short_name(x.dtype)}, "
            f"got {dtypes.short_name(updates.dtype)}; convert them with .astype"
        )
    if set(inserted) & set(batching):
        raise TypeError(
            f"{name}: inserted_window_dims {inserted} and operand_batching_dims {batching} overlap; an axis is one or "
            "the other"
        )
    if len(window) != x.ndim - len(inserted) - len(batching) or updates.ndim != len(window) + indices.ndim - 1:
        raise TypeError(
            f"{name}: updates of shape {updates.shape} with update_window_dims {window} do not go with an operand of "
            f"shape {x.shape} and indices of shape {indices.shape}"
        )
    rest = tuple(n for place, n in enumerate(updates.shape) if place not in window)
    if rest != indices.shape[:-1]:
        raise TypeError(
            f"{name}: the axes of the updates {updates.shape} that are not in the window must be those of the indices, "
            f"{indices.shape[:-1]}; got {rest}"
        )
    for d, (size, n) in enumerate(zip(_sizes(x.shape, updates.shape, numbers), x.shape, strict=True)):
        if size > n and d not in batching:
            raise TypeError(
                f"{name}: a window of extent {size} does not fit along axis {d} of an operand of shape {x.shape}"
            )


def _define(
    name: str,
    how: str,
    example: str,
    combine: Callable[[scalar.Expr, scalar.Expr], scalar.Expr] | None,
    ufunc: np.ufunc | None,
    accepts_bool: bool = True,
) -> tuple[Primitive, Callable[..., Any]]:
    """A scatter primitive: all rules but derivatives and decomposition."""
    primitive = first_order(name)

    @tables.abstract(primitive)
    def abstract(
        x: ShapedArray, indices: ShapedArray, updates: ShapedArray, *, dimension_numbers: Any, **_: Any
    ) -> ShapedArray:
        _check(primitive, x, indices, updates, dimension_numbers)
        if not accepts_bool and not dtypes.issubdtype(x.dtype, np.number):
            raise TypeError(
                f"{name} does not accept dtype {dtypes.short_name(x.dtype)}; it takes numbers. Convert it with .astype."
            )
        return x if not x.weak_type or updates.weak_type else x.strip_weak_type()

    @tables.batch(primitive)
    def batch(axis: Any, args: Sequence[Any], dims: Sequence[Any], *, dimension_numbers: Any, **params: Any) -> Any:
        return _batch(primitive, axis, args, dims, dimension_numbers, params)

    @tables.reference(primitive)
    def reference(x: Any, indices: Any, updates: Any, *, dimension_numbers: Any, mode: Any, **params: Any) -> Any:
        unique = params["unique_indices"]
        return quiet(_write, ufunc, x, indices, updates, dimension_numbers, mode is GatherScatterMode.CLIP, unique)

    @tables.kernel(primitive)
    def kernel(
        i: Any,
        x: scalar.Operand,
        indices: scalar.Operand,
        updates: scalar.Operand,
        *,
        dimension_numbers: Any,
        mode: Any,
        unique_indices: bool,
        **_: Any,
    ) -> Any:
        geometry = _windows(x.shape, indices.shape, updates.shape, dimension_numbers)
        clip = mode is GatherScatterMode.CLIP
        order = inverse(geometry.places)  # the loops run batch first, so that "in order" means by batch
        return scalar.Scatter(
            extents=tuple(updates.shape[place] for place in geometry.places),
            target=lambda u: _target(geometry, [u[axis] for axis in order], indices, clip),
            value=lambda u: updates[tuple(u[axis] for axis in order)],
            combine=combine,
            unique=unique_indices and not clip,
        )

    tables.alias[primitive] = lambda **params: 0
    tables.cost[primitive] = lambda ins, outs, **params: (ins[2].size, 3 * ins[2].nbytes + ins[1].nbytes)
    return primitive, _function(primitive, how, example)


def _batch(
    primitive: Primitive,
    axis: Any,
    args: Sequence[Any],
    dims: Sequence[Any],
    numbers: ScatterDimensionNumbers,
    params: dict[str, Any],
) -> Any:
    (x, indices, updates), (x_dim, indices_dim, updates_dim) = args, dims
    x, updates = to_front(axis, x, x_dim), to_front(axis, updates, updates_dim)
    window, inserted, starts, batching, indices_batching = numbers
    window, inserted, starts, batching = (tuple(d + 1 for d in axes) for axes in (window, inserted, starts, batching))
    if indices_dim is None:  # all of the new axis is part of every window
        window = (0, *window)
    else:  # the new axes go together
        indices = to_front(axis, indices, indices_dim)
        batching, indices_batching = (0, *batching), (0, *(d + 1 for d in indices_batching))
    numbers = ScatterDimensionNumbers(window, inserted, starts, batching, indices_batching)
    return primitive.bind(x, indices, updates, dimension_numbers=numbers, **params), 0


def _write(ufunc: Any, x: Any, indices: Any, updates: Any, numbers: Any, clip: bool, unique: bool) -> Any:
    geometry = _windows(x.shape, indices.shape, updates.shape, numbers)
    out = x.copy()
    view = geometry.view(out)
    values = updates.transpose(geometry.places)
    points = geometry.points(indices)
    keep = None if clip else geometry.inside(indices)
    if keep is not None:
        points = tuple(np.broadcast_to(p, geometry.point_shape)[keep] for p in points)
        values = values[keep]
    if not values.size:
        return out
    if not points:
        # Every window is the same one, and the updates come one after another.
        for value in values.reshape((-1, *view.shape)):
            view[...] = value if ufunc is None else ufunc(view, value)
    elif ufunc is None:
        view[points] = values
    elif unique and not clip:
        view[points] = ufunc(view[points], values)
    else:
        ufunc.at(view, points, values)
    return out


def _target(geometry: Windows, u: Any, indices: scalar.Operand, clip: bool) -> Any:
    """The conditions under which the update ``u`` counts, and the element it goes to."""
    starts, point = geometry.kernel_point(u, indices)
    conditions = []
    if not clip:
        for d, start in zip(geometry.starts, starts, strict=True):
            hi = geometry.operand[d] - geometry.sizes[d]
            conditions.append((_signed_index(start, hi), 0, hi + 1))
    return [c for c in conditions if not (c[0].range[0] >= 0 and c[0].range[1] < c[2])], point


def _signed_index(start: scalar.Expr, hi: int) -> Any:
    """A raw start as an index; what is beyond ``hi`` may become ``hi + 1``."""
    if start.op == "const":
        return const_index(int(start.attr))
    if start.op != "index" and start.dtype.kind == "u":
        if np.iinfo(start.dtype).max > hi + 1:
            start = scalar.min_(start, scalar.const(hi + 1, start.dtype))
        return scalar.as_index(scalar.cast(start, np.int64), 0, hi + 1)
    info = np.iinfo(start.dtype)
    return scalar.as_index(start, int(info.min), int(info.max))


# ---- Decomposition --------------------------------------------------------------------------------------------------


def _decompose(
    x: Any, indices: Any, updates: Any, params: dict[str, Any], change: Callable[[Any, Any, Any], Any]
) -> Any:
    """``change(rows, hit, values)`` gives the new rows, where ``hit[n, row]`` says that ``values[n]`` goes to a row."""
    numbers, mode = params["dimension_numbers"], params["mode"]
    geometry = _windows(shape_of(x), shape_of(indices), shape_of(updates), numbers)
    for d in geometry.whole:  # windows that cover only the beginning of an axis leave the rest alone
        size, n = geometry.sizes[d], shape_of(x)[d]
        if size < n:
            begin = _decompose(slice_along(x, d, 0, size), indices, updates, params, change)
            return concatenate([begin, slice_along(x, d, size, n)], d)
    if 0 in shape_of(x) or 0 in shape_of(updates):
        return x
    indices = as_indices(indices)
    values = transpose(updates, geometry.places)
    rows = geometry.rows(x)
    values = reshape(values, (math.prod(geometry.point_shape), shape_of(rows)[1]))
    hit = hits(geometry.row_numbers(indices), shape_of(rows)[0])
    if mode is not GatherScatterMode.CLIP:
        inside = broadcast_in_dim(geometry.fits(indices), geometry.point_shape, tuple(range(len(geometry.batch))))
        inside = reshape(inside, (shape_of(values)[0],))
        hit = bitwise_and(hit, broadcast_in_dim(inside, shape_of(hit), (0,)))
    return geometry.from_rows(change(rows, hit, values), x)


def _last(rows: Any, hit: Any, values: Any) -> Any:
    """Number the updates from 1, keep the last that goes to each row, and look it up."""
    count, _ = shape_of(values)
    number = broadcast_in_dim(add(iota(np.int32, count), np.int32(1)), shape_of(hit), (0,))
    last = reduce_max(select_n(hit, broadcast_in_dim(np.int32(0), shape_of(hit), ()), number), (0,))
    table = concatenate([slice_along(values, 0, 0, 1), values], 0)
    chosen = broadcast_in_dim(gt(last, np.int32(0)), shape_of(rows), (0,))
    return select_n(chosen, rows, look_up(table, last))


def _folded(combine: Callable[[Any, Any], Any], fold: Callable[[Any, Any], Any], neutral: int | None) -> Any:
    """Combine all updates that go to each row (``neutral`` for the others; None: the row itself), then with the row."""

    def change(rows: Any, hit: Any, values: Any) -> Any:
        full = (*shape_of(hit), shape_of(rows)[1])
        hit_all = broadcast_in_dim(hit, full, (0, 1))
        value = broadcast_in_dim(values, full, (0, 2))
        if neutral is None:
            other = broadcast_in_dim(rows, full, (1, 2))
        else:
            other = broadcast_in_dim(get_aval(rows).dtype.type(neutral), full, ())
        total = combine(rows, fold(select_n(hit_all, other, value), (0,)))
        some = reduce_max(convert_element_type(hit, np.int32), (0,))
        touched = broadcast_in_dim(ne(some, np.int32(0)), shape_of(rows), (0,))
        return select_n(touched, rows, total)

    return change


# ---- scatter --------------------------------------------------------------------------------------------------------

scatter_p, scatter = _define("scatter", "written", "5., 2., 0.", None, None)


@tables.jvp(scatter_p)
def _scatter_jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
    x, indices, updates = primals
    out = scatter_p.bind(x, indices, updates, **params)
    dx, _, du = tangents
    if type(dx) is Zero and type(du) is Zero:
        return out, Zero(tangent_aval(get_aval(out)))
    return out, scatter_p.bind(instantiate(dx), indices, instantiate(du), **params)


taylor.linear(scatter_p)


@tables.transpose(scatter_p)
def _scatter_transpose(ct: Any, x: Any, indices: Any, updates: Any, **params: Any) -> list[Any]:
    ct_x = ct_updates = None
    undefined = type(updates) is UndefinedPrimal
    aval = updates.aval if undefined else get_aval(updates)
    if type(x) is UndefinedPrimal:
        ct_x = scatter_p.bind(ct, indices, zeros_like_aval(aval.strip_weak_type()), **params)
    if undefined:
        ct_updates = _read(ct, indices, aval.shape, params)
        if not params["unique_indices"] and aval.size:
            stayed = _stayed(indices, aval.shape, shape_of(ct), params)
            ct_updates = select_n(stayed, zeros_like_aval(get_aval(ct_updates).strip_weak_type()), ct_updates)
    return [ct_x, None, ct_updates]


def _stayed(indices: Any, updates: Shape, operand: Shape, params: dict[str, Any]) -> Any:
    """For each update whether it is the one that stays: scatter their numbers, and read them back."""
    numbers = reshape(iota(np.int32, math.prod(updates)), updates)
    written = scatter_p.bind(broadcast_in_dim(np.int32(-1), operand, ()), indices, numbers, **params)
    return eq(_read(written, indices, updates, params, -1), numbers)


@tables.decompose(scatter_p)
def _scatter_decompose(x: Any, indices: Any, updates: Any, **params: Any) -> Any:
    return _decompose(x, indices, updates, params, _last)


# ---- scatter_add ----------------------------------------------------------------------------------------------------

scatter_add_p, scatter_add = _define("scatter_add", "added", "6., 2., 3.", scalar.add, np.add, accepts_bool=False)


@tables.jvp(scatter_add_p)
def _add_jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
    x, indices, updates = primals
    out = scatter_add_p.bind(x, indices, updates, **params)
    dx, _, du = tangents
    if type(du) is Zero:
        return out, dx if type(dx) is not Zero else Zero(tangent_aval(get_aval(out)))
    return out, scatter_add_p.bind(instantiate(dx), indices, du, **params)


taylor.linear(scatter_add_p)


@tables.transpose(scatter_add_p)
def _add_transpose(ct: Any, x: Any, indices: Any, updates: Any, **params: Any) -> list[Any]:
    ct_x = ct if type(x) is UndefinedPrimal else None
    if type(updates) is not UndefinedPrimal:
        return [ct_x, None, None]
    return [ct_x, None, _read(ct, indices, updates.aval.shape, params)]


@tables.decompose(scatter_add_p)
def _add_decompose(x: Any, indices: Any, updates: Any, **params: Any) -> Any:
    return _decompose(x, indices, updates, params, _folded(add, reduce_sum, 0))


# ---- scatter_mul ----------------------------------------------------------------------------------------------------

scatter_mul_p, scatter_mul = _define(
    "scatter_mul", "multiplied", "5., 2., 0.", scalar.mul, np.multiply, accepts_bool=False
)


@tables.jvp(scatter_mul_p)
def _mul_jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
    x, indices, updates = primals
    out = scatter_mul_p.bind(x, indices, updates, **params)
    dx, _, du = tangents
    if type(dx) is Zero and type(du) is Zero:
        return out, Zero(tangent_aval(get_aval(out)))
    tangent = None if type(dx) is Zero else scatter_mul_p.bind(dx, indices, updates, **params)
    if type(du) is not Zero:
        others = _product_of_others(x, indices, updates, params)
        start = zeros_like_aval(get_aval(out).strip_weak_type()) if tangent is None else tangent
        tangent = scatter_add_p.bind(start, indices, mul(du, others), **params)
    return out, tangent


tables.jet[scatter_mul_p] = taylor.BY_JVP


def _product_of_others(x: Any, indices: Any, updates: Any, params: dict[str, Any]) -> Any:
    """For each update the product of all else that goes into its element.

    With several updates of one element: the product of the factors that are not zero, divided by the update's own, if
    no (other) factor is zero.
    """
    shape = shape_of(updates)
    if params["unique_indices"]:
        return _read(x, indices, shape, params)
    dtype = get_aval(updates).dtype
    zero, one = (broadcast_in_dim(dtype.type(k), shape, ()) for k in (0, 1))
    is_zero = eq(updates, zero)
    nonzero = select_n(is_zero, updates, one)
    product = _read(scatter_mul_p.bind(x, indices, nonzero, **params), indices, shape, params)
    none_yet = broadcast_in_dim(np.int32(0), shape_of(x), ())
    zeros = scatter_add_p.bind(none_yet, indices, convert_element_type(is_zero, np.int32), **params)
    other_zeros = add(_read(zeros, indices, shape, params), select_n(is_zero, np.int32(0), np.int32(-1)))
    return select_n(gt(other_zeros, np.int32(0)), div(product, nonzero), zero)


@tables.transpose(scatter_mul_p)
def _mul_transpose(ct: Any, x: Any, indices: Any, updates: Any, **params: Any) -> list[Any]:
    if type(updates) is UndefinedPrimal:
        raise TypeError("scatter_mul is not linear in its updates")
    return [scatter_mul_p.bind(ct, indices, updates, **params), None, None]


@tables.decompose(scatter_mul_p)
def _mul_decompose(x: Any, indices: Any, updates: Any, **params: Any) -> Any:
    return _decompose(x, indices, updates, params, _folded(mul, reduce_prod, 1))


# ---- scatter_min, scatter_max ---------------------------------------------------------------------------------------

scatter_min_p, scatter_min = _define("scatter_min", "combined by minimum", "1., 2., 0.", scalar.min_, np.minimum)
scatter_max_p, scatter_max = _define("scatter_max", "combined by maximum", "5., 2., 3.", scalar.max_, np.maximum)


def _extremum(primitive: Primitive, combine: Any, fold: Any) -> None:
    """Derivatives (shared equally among all that attain the extremum) and decomposition."""
    tables.transpose[primitive] = NOT_LINEAR

    @tables.jvp(primitive)
    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
        x, indices, updates = primals
        out = primitive.bind(x, indices, updates, **params)
        dx, _, du = tangents
        if type(dx) is Zero and type(du) is Zero:
            return out, Zero(tangent_aval(get_aval(out)))
        dtype, shape = get_aval(out).dtype, shape_of(updates)
        hit_x = convert_element_type(eq(x, out), dtype)
        hit_updates = convert_element_type(eq(updates, _read(out, indices, shape, params)), dtype)
        count = scatter_add_p.bind(hit_x, indices, hit_updates, **params)
        total = mul(hit_x, instantiate(dx))
        if type(du) is not Zero:
            total = scatter_add_p.bind(total, indices, mul(hit_updates, du), **params)
        return out, div(total, count)

    taylor.piecewise_linear(primitive)

    @tables.decompose(primitive)
    def decompose(x: Any, indices: Any, updates: Any, **params: Any) -> Any:
        return _decompose(x, indices, updates, params, _folded(combine, fold, None))


_extremum(scatter_min_p, min, reduce_min)
_extremum(scatter_max_p, max, reduce_max)
