"""Pooling: sums and extrema over sliding windows, and the choice of window elements that their derivatives make.

reduce_window_sum, reduce_window_max, reduce_window_min; select_and_gather_add (from every window the element of one
array at the place that another array chooses) and its transpose, select_and_scatter_add. What lies in the padding or in
a hole counts as not there. Of equal elements the first one is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import Shape, ShapedArray, get_aval, shaped
from cotan.ir.index import Index, const_index, linear_index
from cotan.ir.primitive import Primitive
from cotan.primitives import define, sliding, taylor
from cotan.primitives.arithmetic import add, max, min, mul, sub
from cotan.primitives.compare import bitwise_and, bitwise_or, eq, ge_p, gt, le_p, lt, ne, select
from cotan.primitives.define import NOT_LINEAR, first_order, linear
from cotan.primitives.operands import FLOAT, NUMBER, ORDERED, Dtypes, dtype_of, quiet, shape_of
from cotan.primitives.reduce import fold, full, highest, lowest, zero
from cotan.primitives.reducer import wide_dtype
from cotan.primitives.shape import broadcasted_iota, ints, to_front
from cotan.primitives.sliding import Slide
from cotan.structural import (
    UndefinedPrimal,
    Zero,
    convert_element_type,
    instantiate,
    reduce_sum,
)
from cotan.tracebacks import trim, trims

Window = dict[str, Any]
_KEYS = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")


def window_parameters(
    name: str,
    shape: Shape,
    window_dimensions: Any,
    window_strides: Any = None,
    padding: Any = "VALID",
    base_dilation: Any = None,
    window_dilation: Any = None,
) -> Window:
    """The parameters of a window over an array of this shape, with nothing left open.

    Raises:
      TypeError, ValueError: they do not fit the shape.
    """
    window = ints(name, "window_dimensions", window_dimensions)
    rank = len(shape)
    if len(window) != rank:
        raise TypeError(f"{name}: window_dimensions must have one entry per axis of the operand {shape}, got {window}")
    strides = sliding.per_axis(name, "window_strides", window_strides, rank)
    base = sliding.per_axis(name, "base_dilation", base_dilation, rank)
    dilation = sliding.per_axis(name, "window_dilation", window_dilation, rank)
    reach = [(k - 1) * d + 1 if k else 0 for k, d in zip(window, dilation, strict=True)]
    return {
        "window_dimensions": window,
        "window_strides": strides,
        # As in JAX, 'SAME' is meant for the operand as it is given, not for the dilated one.
        "padding": sliding.pads(name, list(shape), reach, strides, padding),
        "base_dilation": base,
        "window_dilation": dilation,
    }


def slides_of(shape: Shape, params: Window) -> tuple[Slide, ...]:
    return sliding.slides(shape, *(params[key] for key in _KEYS))


def _bound(found: Sequence[Slide]) -> Window:
    """The parameters that describe these slides."""
    return {
        "window_dimensions": tuple(slide.window for slide in found),
        "window_strides": tuple(slide.stride for slide in found),
        "padding": sliding.padding_of(found),
        "base_dilation": tuple(slide.base for slide in found),
        "window_dilation": tuple(slide.dilation for slide in found),
    }


def check_window(name: str, shape: Shape, params: Window) -> tuple[Slide, ...]:
    """The slides over an array of this shape.

    Raises:
      ValueError: the window does not fit it.
    """
    if any(len(params[key]) != len(shape) for key in _KEYS):
        raise ValueError(f"{name}: a window over an operand of shape {shape} needs one entry per axis, got {params}")
    if any(k < 1 for k in params["window_dimensions"]):
        raise ValueError(f"{name}: window_dimensions must be positive, got {params['window_dimensions']}")
    found = slides_of(shape, params)
    for axis, slide in enumerate(found):
        if slide.dilated + slide.low + slide.high < 0:
            raise ValueError(
                f"{name}: padding {(slide.low, slide.high)} cuts off more than there is along axis {axis} of {shape}"
            )
    return found


def _counts(found: Sequence[Slide]) -> Shape:
    return tuple(slide.count for slide in found)


def _batch_window(params: Window) -> Window:
    """The window for operands with the mapped axis in front."""
    rest = {"window_dimensions": 1, "window_strides": 1, "padding": (0, 0), "base_dilation": 1, "window_dilation": 1}
    return {key: (rest[key], *params[key]) for key in _KEYS}


def _element(
    found: Sequence[Slide], positions: Sequence[Index], offsets: Sequence[Index]
) -> tuple[list[tuple[Index, int, int]], tuple[Index, ...]]:
    """The conditions under which there is an element at these offsets of a window, and where it is."""
    conditions, where = [], []
    for slide, position, offset in zip(found, positions, offsets, strict=True):
        more, place = slide.element(position, offset)
        conditions += more
        where.append(place)
    return conditions, tuple(where)


def _extents(found: Sequence[Slide]) -> list[int]:
    return [slide.window for slide in found]


def _spread(x: Any, found: Sequence[Slide], fill: Any) -> Any:
    """All windows of ``x``, the window's axes last; axes with a trivial window have one of extent 1."""
    return sliding.spread(x, range(len(found)), found, np.asarray(fill, dtype_of(x))[()])


# ---- Sums and extrema -----------------------------------------------------------------------------------------------


def _pooling(
    name: str,
    accepts: Dtypes,
    *,
    combiner: str,
    identity: Callable[[Any], Any],
    ufunc: np.ufunc,
    combine: Callable[[Any, Any], Any],
    does: str,
    wide: bool = False,
) -> tuple[Primitive, Callable[..., Any]]:
    """A reduction of sliding windows: all rules but derivatives."""
    primitive = first_order(name)

    def inner(dtype: Any) -> Any:
        return wide_dtype(dtype) if wide else dtype

    @tables.abstract(primitive)
    def abstract(x: ShapedArray, **params: Any) -> ShapedArray:
        dtype = define.elementwise_dtype(name, accepts, (x,))
        return shaped(_counts(check_window(name, x.shape, params)), dtype, x.weak_type)

    @tables.batch(primitive)
    def batch(axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        return primitive.bind(to_front(axis, args[0], dims[0]), **_batch_window(params)), 0

    @tables.reference(primitive)
    def reference(x: Any, **params: Any) -> Any:
        found, dtype = slides_of(x.shape, params), inner(x.dtype)
        if 0 in _counts(found):
            return np.zeros(_counts(found), x.dtype)
        windows = sliding.view(x.astype(dtype, copy=False), range(x.ndim), found, identity(dtype))
        axes = tuple(range(x.ndim, 2 * x.ndim))
        return np.asarray(quiet(ufunc.reduce, windows, axis=axes, dtype=dtype)).astype(x.dtype, copy=False)

    @tables.kernel(primitive)
    def kernel(i: Any, x: scalar.Operand, **params: Any) -> Any:
        found, dtype = slides_of(x.shape, params), inner(x.dtype)
        init = scalar.const(identity(dtype), dtype)

        def body(*r: Index) -> list[scalar.Expr]:
            conditions, where = _element(found, i, r)
            return [scalar.guard(conditions, lambda: scalar.cast(x[where], dtype), init)]

        [out] = scalar.reduce(combiner, _extents(found), [init], body)
        return scalar.cast(out, x.dtype)

    @tables.decompose(primitive)
    def decompose(x: Any, **params: Any) -> Any:
        found, dtype = slides_of(shape_of(x), params), dtype_of(x)
        if 0 in _counts(found):
            return full(0, dtype, _counts(found))
        x = convert_element_type(x, inner(dtype)) if inner(dtype) != dtype else x
        init, rank = identity(inner(dtype)), len(found)
        windows = _spread(x, found, init)
        [out] = fold([windows], range(rank, 2 * rank), [init], lambda a, b: [combine(a[0], b[0])])
        return convert_element_type(out, dtype) if inner(dtype) != dtype else out

    tables.cost[primitive] = _cost

    def function(
        operand: Any,
        window_dimensions: Any,
        window_strides: Any = None,
        padding: Any = "VALID",
        base_dilation: Any = None,
        window_dilation: Any = None,
    ) -> Any:
        try:
            shape = shape_of(operand)
            window = (window_dimensions, window_strides, padding, base_dilation, window_dilation)
            return primitive.bind(operand, **window_parameters(name, shape, *window))
        except Exception as error:
            trim(error)
            raise

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"{does} over sliding windows.\n\n"
        f"  Takes {accepts.words}, and a window as ``reduce_window`` does; padding counts as not there."
    )
    return primitive, trims(function)


def _cost(ins: Sequence[ShapedArray], outs: Sequence[ShapedArray], *, window_dimensions: Shape, **_: Any) -> Any:
    size = math.prod(window_dimensions)
    return outs[0].size * size, sum(x.nbytes for x in (*ins, *outs))


reduce_window_sum_p, reduce_window_sum = _pooling(
    "reduce_window_sum", NUMBER, combiner="add", identity=zero, ufunc=np.add, combine=add, does="The sum", wide=True
)
reduce_window_max_p, reduce_window_max = _pooling(
    "reduce_window_max", ORDERED, combiner="max", identity=lowest, ufunc=np.maximum, combine=max,
    does="The largest element",
)  # fmt: skip
reduce_window_min_p, reduce_window_min = _pooling(
    "reduce_window_min", ORDERED, combiner="min", identity=highest, ufunc=np.minimum, combine=min,
    does="The smallest element",
)  # fmt: skip


@linear(reduce_window_sum_p)
def _sum_transpose(ct: Any, x: Any, **params: Any) -> Any:
    """Every element gets the sum of the windows that it is in."""
    found = slides_of(x.aval.shape, params)
    return reduce_window_sum_p.bind(ct, **_bound([slide.turned() for slide in found]))


# ---- select_and_gather_add ------------------------------------------------------------------------------------------

select_and_gather_add_p = first_order("select_and_gather_add")
select_and_scatter_add_p = first_order("select_and_scatter_add")
_NOTHING = -1


class _Choice:
    """Which of two elements is chosen: the larger (ge) or the smaller one (le); NaN before numbers."""

    def __init__(self, select_prim: Primitive) -> None:
        greater = select_prim is ge_p
        self.worst = lowest if greater else highest
        self._better = gt if greater else lt
        self._better_element = scalar.gt if greater else scalar.lt
        self.combiner = scalar.Combiner(f"choose_{select_prim.name}", self._combine_elements)

    def _combine_elements(self, a: Sequence[scalar.Expr], b: Sequence[scalar.Expr]) -> list[scalar.Expr]:
        """States (value, order, what is carried along)."""
        (x, i, *_), (y, j, *_) = a, b
        first, same = self._better_element(x, y), scalar.eq(x, y)
        if x.dtype in FLOAT:
            x_nan, y_nan = scalar.ne(x, x), scalar.ne(y, y)
            first = scalar.or_(first, scalar.and_(x_nan, scalar.not_(y_nan)))
            same = scalar.or_(same, scalar.and_(x_nan, y_nan))
        first = scalar.or_(first, scalar.and_(same, scalar.lt(i, j)))
        return [scalar.select(first, p, q) for p, q in zip(a, b, strict=True)]

    def combine(self, a: Sequence[Any], b: Sequence[Any]) -> list[Any]:
        """The same, of arrays."""
        (x, i, *_), (y, j, *_) = a, b
        x_nan, y_nan = ne(x, x), ne(y, y)
        first = bitwise_or(self._better(x, y), bitwise_and(x_nan, eq(y, y)))
        same = bitwise_or(eq(x, y), bitwise_and(x_nan, y_nan))
        first = bitwise_or(first, bitwise_and(same, lt(i, j)))
        return [select(first, p, q) for p, q in zip(a, b, strict=True)]


_CHOICES = {ge_p: _Choice(ge_p), le_p: _Choice(le_p)}
_LAST = 2**31 - 1


def select_and_gather_add(
    tangents: Any, operand: Any, select_prim: Primitive, window_dimensions: Any, window_strides: Any, padding: Any,
    base_dilation: Any, window_dilation: Any,
) -> Any:  # fmt: skip
    """From every window of ``tangents`` the element at the place of the extremum of the window of ``operand``.

    ``select_prim`` is ``ge_p`` (the largest element of ``operand``) or ``le_p`` (the smallest); of equal ones the first
    counts. A window without elements gives 0.
    """
    name, shape = "select_and_gather_add", shape_of(operand)
    window = (window_dimensions, window_strides, padding, base_dilation, window_dilation)
    return select_and_gather_add_p.bind(
        tangents, operand, select_prim=select_prim, **window_parameters(name, shape, *window)
    )


def _check_choice(name: str, operand: ShapedArray, select_prim: Any) -> None:
    define.elementwise_dtype(name, ORDERED, (operand,))
    if select_prim not in _CHOICES:
        raise TypeError(f"{name}: select_prim must be ge_p or le_p, got {select_prim}")


@tables.abstract(select_and_gather_add_p)
def _(tangents: ShapedArray, operand: ShapedArray, *, select_prim: Primitive, **params: Any) -> ShapedArray:
    name = "select_and_gather_add"
    _check_choice(name, operand, select_prim)
    define.elementwise_dtype(name, NUMBER, (tangents,))
    if tangents.shape != operand.shape:
        raise TypeError(f"{name}: tangents and operand must have one shape, got {tangents.shape} and {operand.shape}")
    return shaped(_counts(check_window(name, operand.shape, params)), tangents.dtype)


def _linear_in_first(primitive: Primitive) -> None:
    """Derivatives along operand 0 alone: a change of the other one changes no choice."""

    @tables.jvp(primitive)
    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
        x, operand = primals
        out = primitive.bind(x, operand, **params)
        if type(tangents[0]) is Zero:
            return out, Zero(get_aval(out))
        return out, primitive.bind(instantiate(tangents[0]), operand, **params)

    taylor.piecewise_linear(primitive)

    @tables.batch(primitive)
    def batch(axis: Any, args: Sequence[Any], dims: Sequence[Any], *, select_prim: Primitive, **params: Any) -> Any:
        operands = [to_front(axis, x, dim) for x, dim in zip(args, dims, strict=True)]
        return primitive.bind(*operands, select_prim=select_prim, **_batch_window(params)), 0

    tables.cost[primitive] = lambda ins, outs, **params: (
        2 * math.prod(params["window_dimensions"]) * ins[1].size,
        sum(x.nbytes for x in (*ins, *outs)),
    )


_linear_in_first(select_and_gather_add_p)


@tables.transpose(select_and_gather_add_p)
def _(ct: Any, tangents: Any, operand: Any, **params: Any) -> list[Any]:
    assert type(tangents) is UndefinedPrimal
    return [select_and_scatter_add_p.bind(ct, operand, **params), None]


def _chosen(operand: np.ndarray, found: Sequence[Slide], select_prim: Primitive) -> np.ndarray:
    """For every window the place of its chosen element in the flat operand, or -1 if it has none."""
    rank = operand.ndim
    if operand.dtype.kind == "V":
        # NumPy does not see the NaNs of these dtypes.
        operand = operand.astype(np.float32 if operand.dtype in FLOAT else np.int8)
    counts = _counts(found)
    places = np.arange(operand.size).reshape(operand.shape)
    there = sliding.view(places, range(rank), found, _NOTHING).reshape(*counts, -1)
    worst = _CHOICES[select_prim].worst(operand.dtype)
    windows = sliding.view(operand, range(rank), found, worst).reshape(*counts, -1)
    if operand.dtype == np.bool_:
        windows, worst = windows.astype(np.int8), int(worst)
    better = np.maximum if select_prim is ge_p else np.minimum
    best = quiet(better.reduce, windows, axis=-1, keepdims=True)
    hits = ((windows == best) | ((windows != windows) & (best != best))) & (there >= 0)
    first = hits.argmax(axis=-1)[..., None]
    return np.where(hits.any(axis=-1), np.take_along_axis(there, first, -1)[..., 0], _NOTHING)


@tables.reference(select_and_gather_add_p)
def _(tangents: Any, operand: Any, *, select_prim: Primitive, **params: Any) -> Any:
    found = slides_of(operand.shape, params)
    if 0 in _counts(found) or not operand.size:
        return np.zeros(_counts(found), tangents.dtype)
    places = _chosen(operand, found, select_prim)
    taken = tangents.reshape(-1)[np.maximum(places, 0)]
    return np.where(places >= 0, taken, np.zeros((), tangents.dtype))


@tables.kernel(select_and_gather_add_p)
def _(
    i: Any, tangents: scalar.Operand, operand: scalar.Operand, *, select_prim: Primitive, **params: Any
) -> scalar.Expr:
    found, choice = slides_of(operand.shape, params), _CHOICES[select_prim]
    worst = scalar.const(choice.worst(operand.dtype), operand.dtype)
    nothing = scalar.const(0, tangents.dtype)
    last = scalar.const(_LAST, np.int32)

    def body(*r: Index) -> list[scalar.Expr]:
        conditions, where = _element(found, i, r)
        order = scalar.index_value(linear_index(r, _extents(found)), np.int32)
        return [
            scalar.guard(conditions, lambda: operand[where], worst),
            scalar.guard(conditions, order, last),
            scalar.guard(conditions, lambda: tangents[where], nothing),
        ]

    return scalar.reduce(choice.combiner, _extents(found), [worst, last, nothing], body)[2]


@tables.decompose(select_and_gather_add_p)
def _(tangents: Any, operand: Any, *, select_prim: Primitive, **params: Any) -> Any:
    found, choice = slides_of(shape_of(operand), params), _CHOICES[select_prim]
    if 0 in _counts(found) or 0 in shape_of(operand):
        return full(0, dtype_of(tangents), _counts(found))
    worst, rank = choice.worst(dtype_of(operand)), len(found)
    states = [
        _spread(operand, found, worst),
        _orders(found),
        _spread(tangents, found, 0),
    ]
    return fold(states, range(rank, 2 * rank), [worst, _LAST, 0], choice.combine)[2]


def _orders(found: Sequence[Slide]) -> Any:
    """The order of every element of every window in it; what is not there comes last."""
    rank = len(found)
    shape = (*_counts(found), *_extents(found))
    order = full(0, np.int32, shape)
    for axis, slide in enumerate(found):
        order = add(mul(order, np.int32(slide.window)), broadcasted_iota(np.int32, shape, rank + axis))
    inside = full(True, np.bool_, tuple(slide.extent for slide in found))
    return select(_spread(inside, found, False), order, full(_LAST, np.int32, shape))


# ---- select_and_scatter_add -----------------------------------------------------------------------------------------


def select_and_scatter_add(
    source: Any, operand: Any, select_prim: Primitive, window_dimensions: Any, window_strides: Any, padding: Any,
    base_dilation: Any = None, window_dilation: Any = None,
) -> Any:  # fmt: skip
    """An array like ``operand`` with every element of ``source``, one per window, added at the window's extremum.

    ``select_prim`` is ``ge_p`` (the largest element of ``operand``) or ``le_p`` (the smallest); of equal ones the first
    counts. All else is 0.
    """
    name, shape = "select_and_scatter_add", shape_of(operand)
    window = (window_dimensions, window_strides, padding, base_dilation, window_dilation)
    return select_and_scatter_add_p.bind(
        source, operand, select_prim=select_prim, **window_parameters(name, shape, *window)
    )


@tables.abstract(select_and_scatter_add_p)
def _(source: ShapedArray, operand: ShapedArray, *, select_prim: Primitive, **params: Any) -> ShapedArray:
    name = "select_and_scatter_add"
    _check_choice(name, operand, select_prim)
    define.elementwise_dtype(name, NUMBER, (source,))
    counts = _counts(check_window(name, operand.shape, params))
    if source.shape != counts:
        raise TypeError(f"{name}: source must have one element per window, shape {counts}, got {source.shape}")
    return shaped(operand.shape, source.dtype)


_linear_in_first(select_and_scatter_add_p)


@tables.transpose(select_and_scatter_add_p)
def _(ct: Any, source: Any, operand: Any, **params: Any) -> list[Any]:
    assert type(source) is UndefinedPrimal
    return [select_and_gather_add_p.bind(ct, operand, **params), None]


@tables.reference(select_and_scatter_add_p)
def _(source: Any, operand: Any, *, select_prim: Primitive, **params: Any) -> Any:
    found, dtype = slides_of(operand.shape, params), wide_dtype(source.dtype)
    out = np.zeros(operand.size, dtype)
    if source.size and operand.size:
        places = _chosen(operand, found, select_prim)
        quiet(np.add.at, out, places[places >= 0], source[places >= 0].astype(dtype, copy=False))
    return out.reshape(operand.shape).astype(source.dtype, copy=False)


@tables.kernel(select_and_scatter_add_p)
def _(i: Any, source: scalar.Operand, operand: scalar.Operand, *, select_prim: Primitive, **params: Any) -> Any:
    found, choice, dtype = slides_of(operand.shape, params), _CHOICES[select_prim], wide_dtype(source.dtype)
    turned = [slide.turned() for slide in found]
    worst = scalar.const(choice.worst(operand.dtype), operand.dtype)
    nothing, last = scalar.const(0, dtype), scalar.const(_LAST, np.int32)

    def place_of(positions: Sequence[Index]) -> scalar.Expr:
        """The order of the chosen element in a window."""

        def body(*r: Index) -> list[scalar.Expr]:
            conditions, where = _element(found, positions, r)
            order = scalar.index_value(linear_index(r, _extents(found)), np.int32)
            return [
                scalar.guard(conditions, lambda: operand[where], worst),
                scalar.guard(conditions, order, last),
            ]

        return scalar.reduce(choice.combiner, _extents(found), [worst, last], body)[1]

    def share(*r: Index) -> list[scalar.Expr]:
        """What the window that has this element at its offset r, counted from its end, adds."""
        conditions, positions = _element(turned, i, r)
        offsets = [const_index(slide.window - 1) - k for slide, k in zip(found, r, strict=True)]
        order = scalar.index_value(linear_index(offsets, _extents(found)), np.int32)

        def added() -> scalar.Expr:
            mine = scalar.eq(place_of(positions), order)
            return scalar.select(mine, scalar.cast(source[positions], dtype), nothing)

        return [scalar.guard(conditions, added, nothing)]

    def loops() -> scalar.Expr:
        [total] = scalar.reduce("add", _extents(found), [nothing], share)
        return scalar.cast(total, source.dtype)

    return scalar.Library("select_and_scatter_add", fallback=loops)


@tables.decompose(select_and_scatter_add_p)
def _(source: Any, operand: Any, *, select_prim: Primitive, **params: Any) -> Any:
    """Of the windows that an element is in, the sum of those that chose it."""
    found, choice = slides_of(shape_of(operand), params), _CHOICES[select_prim]
    dtype, rank = dtype_of(source), len(found)
    if 0 in shape_of(source) or 0 in shape_of(operand):
        return full(0, dtype, shape_of(operand))
    worst = choice.worst(dtype_of(operand))
    states = [_spread(operand, found, worst), _orders(found)]
    chosen = fold(states, range(rank, 2 * rank), [worst, _LAST], choice.combine)[1]
    turned = [slide.turned() for slide in found]
    wide = wide_dtype(dtype)
    shares = _spread(convert_element_type(source, wide) if wide != dtype else source, turned, 0)
    of_windows = _spread(chosen, turned, _LAST)
    shape, mine = shape_of(shares), full(0, np.int32, shape_of(shares))
    for axis, slide in enumerate(found):
        offset = sub(np.int32(slide.window - 1), broadcasted_iota(np.int32, shape, rank + axis))
        mine = add(mul(mine, np.int32(slide.window)), offset)
    hits = select(eq(of_windows, mine), shares, full(0, wide, shape))
    total = reduce_sum(hits, tuple(range(rank, 2 * rank)))
    return convert_element_type(total, dtype) if wide != dtype else total


# ---- Derivatives of extrema -----------------------------------------------------------------------------------------


def _extremum_derivative(primitive: Primitive, select_prim: Primitive) -> None:
    """That of the first element which attains the extremum."""
    tables.transpose[primitive] = NOT_LINEAR

    @tables.jvp(primitive)
    def jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> Any:
        (x,), (t,) = primals, tangents
        return primitive.bind(x, **params), select_and_gather_add_p.bind(t, x, select_prim=select_prim, **params)

    taylor.piecewise_linear(primitive)


_extremum_derivative(reduce_window_max_p, ge_p)
_extremum_derivative(reduce_window_min_p, le_p)
