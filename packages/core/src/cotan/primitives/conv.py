"""conv_general_dilated: convolution over any number of axes, with strides, padding, dilations and groups.

All rules of one primitive. It is bilinear, and both of its transposes are convolutions again. Small floats are summed
in float32. Layouts are named by ``ConvDimensionNumbers``; rules bring operands to (batch, feature, spatial axes).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan.ir import scalar
from cotan.ir.avals import Shape, ShapedArray, get_aval, shaped
from cotan.ir.primitive import abstract, batch, cost, decompose, kernel, reference
from cotan.primitives import sliding
from cotan.primitives.define import bilinear, first_order
from cotan.primitives.dot import canonicalize_precision, dot_general_p, sum_dtype
from cotan.primitives.operands import BOOLEAN, PLAIN, move_axis, quiet, shape_of
from cotan.primitives.reduce import full, zero
from cotan.primitives.shape import ints, inverse, reshape, rev
from cotan.primitives.sliding import Slide
from cotan.structural import convert_element_type, transpose


class ConvDimensionNumbers(NamedTuple):
    """The layouts of a convolution.

    Attributes:
      lhs_spec: the axes of the operand that are (batch, feature, spatial axes...).
      rhs_spec: the axes of the kernel that are (output feature, input feature, spatial axes...).
      out_spec: the axes of the result that are (batch, feature, spatial axes...).
    """

    lhs_spec: Shape
    rhs_spec: Shape
    out_spec: Shape


ConvGeneralDilatedDimensionNumbers = None | ConvDimensionNumbers | tuple[str, str, str]

conv_general_dilated_p = first_order("conv_general_dilated")
_NAME = "conv_general_dilated"


def conv_general_permutations(dimension_numbers: Any) -> tuple[Shape, Shape, Shape]:
    """The axes (batch, feature, spatial) of operand, kernel and result that a layout in letters names.

    Args:
      dimension_numbers: three words, such as ('NHWC', 'HWIO', 'NHWC'): N and C are batch and feature axes, O and I the
        output and input features of the kernel; other letters are spatial axes, in the order of the second word.

    Raises:
      TypeError: the words do not name each axis once.

    >>> from cotan import lax
    >>> lax.conv_general_permutations(("NHWC", "HWIO", "NHWC"))
    ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
    """
    lhs, rhs, out = dimension_numbers
    spatial = [letter for letter in rhs if letter not in "OI"]
    for n, (word, pair) in enumerate(zip((lhs, rhs, out), ("NC", "OI", "NC"), strict=True)):
        if any(word.count(letter) != 1 for letter in pair):
            raise TypeError(
                f"conv dimension_numbers[{n}] must contain the letters {pair[0]!r} and {pair[1]!r} once each, got "
                f"{word!r}"
            )
        if len(set(word)) != len(word):
            raise TypeError(f"conv dimension_numbers[{n}] must name each axis by a letter of its own, got {word!r}")
        if set(word) - set(pair) != set(spatial):
            raise TypeError(
                f"conv dimension_numbers must have the same spatial letters in all three words, got {dimension_numbers}"
            )

    def axes(word: str, pair: str) -> Shape:
        return tuple(word.index(letter) for letter in (*pair, *spatial))

    return axes(lhs, "NC"), axes(rhs, "OI"), axes(out, "NC")


def conv_dimension_numbers(lhs_shape: Any, rhs_shape: Any, dimension_numbers: Any) -> ConvDimensionNumbers:
    """The layout of a convolution in its one form.

    Args:
      lhs_shape, rhs_shape: the shapes of operand and kernel.
      dimension_numbers: None (batch, feature, spatial axes), three words, or ``ConvDimensionNumbers``.

    Raises:
      TypeError: ranks differ or are less than 2, or the layout does not fit them.

    >>> from cotan import lax
    >>> lax.conv_dimension_numbers((1, 8, 8, 3), (3, 3, 3, 4), ("NHWC", "HWIO", "NHWC")).out_spec
    (0, 3, 1, 2)
    """
    rank = len(lhs_shape)
    if len(rhs_shape) != rank:
        raise TypeError(f"conv needs operand and kernel of equal ranks, got shapes {lhs_shape} and {rhs_shape}")
    if rank < 2:
        raise TypeError(f"conv needs an operand with batch and feature axes, got shape {tuple(lhs_shape)}")
    if dimension_numbers is None:
        return ConvDimensionNumbers(*(tuple(range(rank)),) * 3)
    if isinstance(dimension_numbers, ConvDimensionNumbers):
        specs = tuple(ints("conv", "dimension_numbers", spec) for spec in dimension_numbers)
        for spec in specs:
            if sorted(spec) != list(range(rank)):
                raise TypeError(f"conv dimension_numbers must hold permutations of {rank} axes, got {specs}")
        return ConvDimensionNumbers(*specs)
    if not isinstance(dimension_numbers, tuple | list):
        raise TypeError(
            f"conv dimension_numbers must be None, three words or ConvDimensionNumbers, got {dimension_numbers!r}"
        )
    if len(dimension_numbers) != 3:
        raise TypeError(f"conv dimension_numbers must be three words, got {len(dimension_numbers)}")
    if any(not isinstance(word, str) or len(word) != rank for word in dimension_numbers):
        raise TypeError(f"conv dimension_numbers must be words of {rank} letters, got {tuple(dimension_numbers)}")
    return ConvDimensionNumbers(*conv_general_permutations(dimension_numbers))


def conv_general_dilated(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: Any,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Convolve ``lhs`` with the kernel ``rhs`` (not reversed: correlation) over all spatial axes.

    Args:
      lhs: the operand: batch, feature and any number of spatial axes.
      rhs: the kernel, of the operand's dtype: output features, input features and the same spatial axes.
      window_strides: per spatial axis how far the window moves.
      padding: 'VALID', 'SAME', 'SAME_LOWER', or a pair (low, high) per spatial axis; negative ones cut off.
      lhs_dilation, rhs_dilation: per spatial axis the distance of neighbours in operand and kernel; None: 1.
      dimension_numbers: None (batch, feature, spatial axes), three words such as ('NHWC', 'HWIO', 'NHWC'), or
        ``ConvDimensionNumbers``.
      feature_group_count: features are convolved in so many groups, each with its share of the output features.
      batch_group_count: likewise with the batch.
      precision: None, 'default', 'high', 'highest' or a ``Precision``, or a pair of them.
      preferred_element_type: dtype in which to sum and of the result; None: that of the operands.
      out_sharding: accepted, and without meaning on one device.

    Raises:
      TypeError: ranks, dtypes or layouts do not fit together.
      ValueError: extents, strides, dilations or groups do not; padding in words with ``lhs_dilation``.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.conv_general_dilated(np.float32([[[1, 2, 4]]]), np.float32([[[1, -1]]]), (1,), "VALID")
    Array([[[-1., -2.]]], dtype=float32)
    """
    lhs_shape, rhs_shape = shape_of(lhs), shape_of(rhs)
    numbers = conv_dimension_numbers(lhs_shape, rhs_shape, dimension_numbers)
    extents, window = (tuple(s[d] for d in spec[2:]) for s, spec in zip((lhs_shape, rhs_shape), numbers, strict=False))
    rank = len(window)
    strides = sliding.per_axis(_NAME, "window_strides", window_strides, rank)
    base = sliding.per_axis(_NAME, "lhs_dilation", lhs_dilation, rank)
    dilation = sliding.per_axis(_NAME, "rhs_dilation", rhs_dilation, rank)
    if isinstance(padding, str) and any(step > 1 for step in base):
        raise ValueError(
            f"{_NAME}: padding in words has no meaning with lhs_dilation {base}; give pairs (low, high), or use "
            "conv_transpose"
        )
    reach = tuple((k - 1) * d + 1 if k else 0 for k, d in zip(window, dilation, strict=True))
    return conv_general_dilated_p.bind(
        lhs,
        rhs,
        window_strides=strides,
        padding=sliding.pads(_NAME, extents, reach, strides, padding),
        lhs_dilation=base,
        rhs_dilation=dilation,
        dimension_numbers=numbers,
        feature_group_count=operator.index(feature_group_count),
        batch_group_count=operator.index(batch_group_count),
        precision=canonicalize_precision(precision),
        preferred_element_type=(
            None if preferred_element_type is None else dtypes.canonicalize_dtype(preferred_element_type)
        ),
    )


# ---- What the rules share -------------------------------------------------------------------------------------------


def slides_of(lhs: Shape, rhs: Shape, params: dict[str, Any]) -> tuple[Slide, ...]:
    """The slides along the spatial axes, for operands of these shapes."""
    lhs_spec, rhs_spec, _ = params["dimension_numbers"]
    return sliding.slides(
        [lhs[d] for d in lhs_spec[2:]],
        [rhs[d] for d in rhs_spec[2:]],
        params["window_strides"],
        params["padding"],
        params["lhs_dilation"],
        params["rhs_dilation"],
    )


def _bound(found: Sequence[Slide]) -> dict[str, Any]:
    """The parameters that describe these slides."""
    return {
        "window_strides": tuple(slide.stride for slide in found),
        "padding": sliding.padding_of(found),
        "lhs_dilation": tuple(slide.base for slide in found),
        "rhs_dilation": tuple(slide.dilation for slide in found),
    }


def _split(x: Any, axis: int, groups: int) -> Any:
    """``x`` with an axis as two: (groups, the rest)."""
    shape = shape_of(x)
    return reshape(x, (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]))


def _join(x: Any, axis: int) -> Any:
    """``x`` with an axis and the next as one."""
    shape = shape_of(x)
    return reshape(x, (*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))


@abstract(conv_general_dilated_p)
def _conv_abstract(x: ShapedArray, y: ShapedArray, **params: Any) -> ShapedArray:
    preferred = params["preferred_element_type"]
    if x.dtype != y.dtype:
        names = f"{dtypes.short_name(x.dtype)} and {dtypes.short_name(y.dtype)}"
        raise TypeError(f"{_NAME} requires operands of equal dtypes, got {names}; convert one with .astype")
    if x.dtype not in PLAIN:
        raise TypeError(
            f"{_NAME} does not accept dtype {dtypes.short_name(x.dtype)}; it takes {PLAIN.words}. Convert it with "
            ".astype."
        )
    shape = _conv_shape(x.shape, y.shape, params)
    weak = preferred is None and x.weak_type and y.weak_type
    return shaped(shape, x.dtype if preferred is None else preferred, weak)


def _conv_shape(x: Shape, y: Shape, params: dict[str, Any]) -> Shape:
    (n, c, *extents), (o, i, *_) = (
        tuple(shape[d] for d in spec) for shape, spec in zip((x, y), params["dimension_numbers"], strict=False)
    )
    padding = params["padding"]
    if len(padding) != len(extents):
        raise ValueError(f"{_NAME}: padding must hold a pair per spatial axis, {len(extents)}, got {padding}")
    features, batches = params["feature_group_count"], params["batch_group_count"]
    if features < 1 or batches < 1:
        raise ValueError(
            f"{_NAME}: feature_group_count and batch_group_count must be positive, got {features} and {batches}"
        )
    if features > 1 and batches > 1:
        raise ValueError(
            f"{_NAME}: of feature_group_count and batch_group_count only one may be more than 1, got {features} and "
            f"{batches}"
        )
    if c != i * features:
        raise ValueError(
            f"{_NAME}: the operand's {c} features must be feature_group_count times the kernel's input features, "
            f"{features} * {i}; shapes are {x} and {y}"
        )
    if n % batches:
        raise ValueError(f"{_NAME}: batch_group_count {batches} must divide the batch of {n}")
    if o % (features * batches):
        raise ValueError(f"{_NAME}: the number of groups {features * batches} must divide the {o} output features")
    found = slides_of(x, y, params)
    for axis, slide in enumerate(found):
        if slide.dilated + slide.low + slide.high < 0:
            raise ValueError(
                f"{_NAME}: padding {padding[axis]} cuts off more than there is along spatial axis {axis} of extent "
                f"{slide.extent}"
            )
    out = (n // batches, o, *(slide.count for slide in found))
    return tuple(out[k] for k in inverse(params["dimension_numbers"].out_spec))


def _lhs_cotangent(ct: Any, x: Any, y: Any, **params: Any) -> Any:
    """Convolve the cotangent with the reversed kernel, its features swapped within each group."""
    (lhs, rhs, out), preferred = params["dimension_numbers"], params["preferred_element_type"]
    found = slides_of(x.aval.shape, shape_of(y), params)
    batches = params["batch_group_count"]
    groups = max(params["feature_group_count"], batches)
    y = _as_cotangent(y, ct)
    if groups > 1:
        y = _join(move_axis(_split(y, rhs[0], groups), rhs[0], rhs[1]), rhs[1])
    result = conv_general_dilated_p.bind(
        ct,
        rev(y, rhs[2:]),
        **_bound([slide.turned() for slide in found]),
        dimension_numbers=ConvDimensionNumbers(out, (rhs[1], rhs[0], *rhs[2:]), lhs),
        feature_group_count=groups,
        batch_group_count=1,
        precision=params["precision"],
        preferred_element_type=preferred,
    )
    if batches > 1:
        split = _split(result, lhs[1], batches)
        result = _join(move_axis(split, lhs[1], lhs[0]), lhs[0])
    return _of_type(result, x.aval)


def _rhs_cotangent(ct: Any, x: Any, y: Any, **params: Any) -> Any:
    """Convolve the operand with the cotangent: windows and kernel change places, and so do batch and features."""
    (lhs, rhs, out), preferred = params["dimension_numbers"], params["preferred_element_type"]
    found = slides_of(shape_of(x), y.aval.shape, params)
    result = conv_general_dilated_p.bind(
        _as_cotangent(x, ct),
        ct,
        **_bound([slide.swapped() for slide in found]),
        dimension_numbers=ConvDimensionNumbers(
            (lhs[1], lhs[0], *lhs[2:]), (out[1], out[0], *out[2:]), (rhs[1], rhs[0], *rhs[2:])
        ),
        feature_group_count=params["batch_group_count"],
        batch_group_count=params["feature_group_count"],
        precision=params["precision"],
        preferred_element_type=preferred,
    )
    return _of_type(result, y.aval)


def _as_cotangent(x: Any, ct: Any) -> Any:
    dtype = get_aval(ct).dtype
    return convert_element_type(x, dtype) if get_aval(x).dtype != dtype else x


def _of_type(x: Any, aval: ShapedArray) -> Any:
    return convert_element_type(x, aval.dtype) if get_aval(x).dtype != aval.dtype else x


bilinear(conv_general_dilated_p, _lhs_cotangent, _rhs_cotangent)


@batch(conv_general_dilated_p)
def _conv_batch(axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
    """The mapped axis becomes part of the batch, of the output features, or more groups of features or batch."""
    (x, y), (x_dim, y_dim) = args, dims
    lhs, rhs, out = params["dimension_numbers"]
    size, features, batches = axis.size, params["feature_group_count"], params["batch_group_count"]

    def bind(x: Any, y: Any, **changed: Any) -> Any:
        return conv_general_dilated_p.bind(x, y, **{**params, **changed})

    if x_dim is not None and y_dim is not None:
        along, key = (lhs[0], "batch_group_count") if batches > 1 else (lhs[1], "feature_group_count")
        x, y = _join(move_axis(x, x_dim, along), along), _join(move_axis(y, y_dim, rhs[0]), rhs[0])
        return _split(bind(x, y, **{key: params[key] * size}), out[1], size), out[1]
    if x_dim is not None:
        x = _merged(x, x_dim, lhs[0], batches)
        return _split(bind(x, y), out[0], size), out[0]
    y = _merged(y, y_dim, rhs[0], features * batches)
    result = bind(x, y)
    groups = features * batches
    if groups == 1:
        return _split(result, out[1], size), out[1]
    split = _split(_split(result, out[1], groups), out[1] + 1, size)
    return _join(move_axis(split, out[1] + 1, out[1]), out[1] + 1), out[1]


def _merged(x: Any, dim: int, axis: int, groups: int) -> Any:
    """``x`` with its mapped axis made part of ``axis``, within each of its groups."""
    x = move_axis(x, dim, 0)
    if groups == 1:
        return _join(move_axis(x, 0, axis), axis)
    x = move_axis(_split(x, axis + 1, groups), 0, axis + 1)
    return _join(_join(x, axis), axis)


@reference(conv_general_dilated_p)
def _conv_reference(x: Any, y: Any, **params: Any) -> Any:
    lhs, rhs, out = params["dimension_numbers"]
    found, shape = slides_of(x.shape, y.shape, params), _conv_shape(x.shape, y.shape, params)
    preferred = params["preferred_element_type"]
    dtype = x.dtype if preferred is None else preferred
    wide = sum_dtype(dtype)
    if sliding.is_empty(found) or 0 in x.shape or 0 in y.shape:
        return np.zeros(shape, dtype)
    x, y = x.transpose(lhs).astype(wide, copy=False), y.transpose(rhs).astype(wide, copy=False)
    features, batches = params["feature_group_count"], params["batch_group_count"]
    groups, rank = features * batches, len(found)
    windows = sliding.view(x, range(2, rank + 2), found, 0)
    n, c, *rest = windows.shape
    # (groups, batch, windows, features, elements of the window)
    if batches > 1:
        windows = windows.reshape(batches, n // batches, c, *rest)
        order = (0, 1, *range(3, 3 + rank), 2, *range(3 + rank, 3 + 2 * rank))
    else:
        windows = windows.reshape(n, features, c // features, *rest)
        order = (1, 0, *range(3, 3 + rank), 2, *range(3 + rank, 3 + 2 * rank))
    windows = windows.transpose(order)
    inner = math.prod(windows.shape[2 + rank :])
    matrix = y.reshape(groups, y.shape[0] // groups, inner).swapaxes(1, 2)
    result = quiet(np.matmul, windows.reshape(groups, -1, inner), matrix)
    result = result.reshape(*windows.shape[: 2 + rank], -1)
    result = result.transpose(1, 0, rank + 2, *range(2, rank + 2)).reshape(tuple(shape[d] for d in out))
    return quiet(np.ascontiguousarray(result.transpose(inverse(out))).astype, dtype, copy=False)


@kernel(conv_general_dilated_p)
def _conv_kernel(i: Any, x: scalar.Operand, y: scalar.Operand, **params: Any) -> Any:
    (lhs, rhs, out), preferred = params["dimension_numbers"], params["preferred_element_type"]
    found = slides_of(x.shape, y.shape, params)
    dtype = x.dtype if preferred is None else preferred
    wide = sum_dtype(dtype)
    n, o, *positions = (i[d] for d in out)
    inputs, outputs = y.shape[rhs[1]], y.shape[rhs[0]]
    share = max(outputs // max(params["feature_group_count"], params["batch_group_count"]), 1)
    group = o // share
    begin = group * inputs if params["feature_group_count"] > 1 else group * 0
    if params["batch_group_count"] > 1:
        n = n + group * (x.shape[lhs[0]] // params["batch_group_count"])
    times, plus = ("and", "or") if wide == BOOLEAN else ("mul", "add")
    nothing = scalar.const(zero(wide), wide)

    def product(*r: Any) -> list[scalar.Expr]:
        *offsets, c = r
        conditions, place = [], [n, begin + c]
        for slide, position, offset in zip(found, positions, offsets, strict=True):
            more, where = slide.element(position, offset)
            conditions += more
            place.append(where)

        def both() -> scalar.Expr:
            left = x[tuple(place[k] for k in inverse(lhs))]
            right = y[tuple((o, c, *offsets)[k] for k in inverse(rhs))]
            return scalar.binary_op(times)(scalar.cast(left, wide), scalar.cast(right, wide))

        return [scalar.guard(conditions, both, nothing)]

    def loops() -> scalar.Expr:
        extents = [*(slide.window for slide in found), inputs]
        [total] = scalar.reduce(plus, extents, [nothing], product)
        return scalar.cast(total, dtype)

    return scalar.Library(_NAME, fallback=loops)


@decompose(conv_general_dilated_p)
def _conv_decompose(x: Any, y: Any, **params: Any) -> Any:
    """All windows side by side, times the kernel."""
    lhs, rhs, out = params["dimension_numbers"]
    found, preferred = slides_of(shape_of(x), shape_of(y), params), params["preferred_element_type"]
    shape = _conv_shape(shape_of(x), shape_of(y), params)
    dtype = get_aval(x).dtype if preferred is None else preferred
    if sliding.is_empty(found) or 0 in shape_of(x) or 0 in shape_of(y):
        return full(0, dtype, shape)
    features, batches, rank = params["feature_group_count"], params["batch_group_count"], len(found)
    nothing = np.zeros((), get_aval(x).dtype)[()]
    windows = sliding.spread(transpose(x, lhs), range(2, rank + 2), found, nothing)
    groups = features * batches
    windows = _split(windows, 0, batches) if batches > 1 else _split(windows, 1, features)
    along, c = (0, 2) if batches > 1 else (1, 2)
    y = _split(transpose(y, rhs), 0, groups)
    contract = ((c, *range(3 + rank, 3 + 2 * rank)), (2, *range(3, 3 + rank)))
    result = dot_general_p.bind(
        windows,
        y,
        dimension_numbers=(contract, ((along,), (0,))),
        precision=params["precision"],
        preferred_element_type=preferred,
    )
    # (groups, batch, windows, output features of the group)
    result = transpose(result, (1, 0, rank + 2, *range(2, rank + 2)))
    return transpose(reshape(result, tuple(shape[d] for d in out)), inverse(out))


@cost(conv_general_dilated_p)
def _conv_cost(ins: Sequence[ShapedArray], outs: Sequence[ShapedArray], **params: Any) -> Any:
    rhs = params["dimension_numbers"].rhs_spec
    inner = math.prod(ins[1].shape[d] for d in rhs[1:])
    return 2 * outs[0].size * inner, ins[0].nbytes + ins[1].nbytes + outs[0].nbytes
