"""dot_general: sums of products over contracted axes, with batch axes. The product of matrices and all its relatives.

All rules of one primitive. Small floats are summed in float32. The backend's library does the large ones.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.ir import scalar
from cotan.ir.avals import Shape, ShapedArray, get_aval, shaped
from cotan.ir.primitive import abstract, batch, cost, decompose, kernel, over_steps, permute, reference
from cotan.primitives.arithmetic import mul
from cotan.primitives.compare import ne
from cotan.primitives.define import bilinear, first_order
from cotan.primitives.dot_algorithm import algorithm_of, dot_by_algorithm
from cotan.primitives.operands import BOOLEAN, PLAIN, quiet, shape_of
from cotan.primitives.shape import ints, inverse
from cotan.structural import broadcast_in_dim, convert_element_type, reduce_sum, transpose

DotDimensionNumbers = tuple[tuple[Shape, Shape], tuple[Shape, Shape]]


class Precision(enum.Enum):
    """How exact the products of floats must be, for devices that have a choice. The CPU has none."""

    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2

    @classmethod
    def _missing_(cls, value: Any) -> Precision | None:
        return cls.DEFAULT if value is None else _PRECISIONS.get(value)


PrecisionPair = tuple[Precision, Precision]
_PRECISIONS = {
    "default": Precision.DEFAULT,
    "fastest": Precision.DEFAULT,
    "bfloat16": Precision.DEFAULT,
    "high": Precision.HIGH,
    "bfloat16_3x": Precision.HIGH,
    "tensorfloat32": Precision.HIGH,
    "highest": Precision.HIGHEST,
    "float32": Precision.HIGHEST,
}


def canonicalize_precision(precision: Any) -> PrecisionPair | None:
    """A pair of precisions, one per operand, from None, a name, a ``Precision`` or a pair of them.

    Raises:
      ValueError: there is no such precision.
    """
    if precision is None:
        return None
    if isinstance(precision, tuple | list):
        if len(precision) != 2:
            raise ValueError(f"precision must be one or two precisions, got {precision!r}")
        first, second = (canonicalize_precision(p) for p in precision)
        default = (Precision.DEFAULT, Precision.DEFAULT)
        return (first or default)[0], (second or default)[0]
    found = precision if isinstance(precision, Precision) else _PRECISIONS.get(str(precision).lower())
    if found is None:
        raise ValueError(f"unknown precision {precision!r}; known: {', '.join(map(repr, _PRECISIONS))}")
    return found, found


dot_general_p = first_order("dot_general")


def dot_general(
    lhs: Any,
    rhs: Any,
    dimension_numbers: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
    *,
    out_sharding: Any = None,
) -> Any:
    """Multiply and sum over the contracted axes, separately for each element of the batch axes.

    Args:
      lhs, rhs: arrays; of different dtypes, they are converted to the common one.
      dimension_numbers: ``((lhs_contracting, rhs_contracting), (lhs_batch, rhs_batch))``, tuples of axes.
      precision: None, 'default', 'high', 'highest' or a ``Precision``, or a pair of them; or a ``DotAlgorithm``, a
        ``DotAlgorithmPreset`` or the name of one.
      preferred_element_type: dtype in which to sum and of the result; None: that of the operands.
      out_sharding: accepted, and without meaning on one device.

    Returns:
      An array with the batch axes, the other axes of ``lhs``, then those of ``rhs``.

    Raises:
      TypeError: extents of paired axes differ.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.dot_general(np.float32([[1, 2]]), np.float32([[3], [4]]), (((1,), (0,)), ((), ())))
    Array([[11.]], dtype=float32)
    """
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    axes = [ints("dot_general", "dimension_numbers", d) for d in (lhs_contract, rhs_contract, lhs_batch, rhs_batch)]
    numbers = ((axes[0], axes[1]), (axes[2], axes[3]))
    preferred = None if preferred_element_type is None else dtypes.canonicalize_dtype(preferred_element_type)
    if get_aval(lhs).dtype != get_aval(rhs).dtype:
        common = dtypes.result_type(lhs, rhs)
        lhs, rhs = convert_element_type(lhs, common), convert_element_type(rhs, common)
    algorithm = algorithm_of(precision)
    if algorithm is None:
        exactness = canonicalize_precision(precision)
        return dot_general_p.bind(
            lhs, rhs, dimension_numbers=numbers, precision=exactness, preferred_element_type=preferred
        )

    def product(x: Any, y: Any, dtype: Any) -> Any:
        return dot_general_p.bind(x, y, dimension_numbers=numbers, precision=None, preferred_element_type=dtype)

    return dot_by_algorithm(product, lhs, rhs, algorithm, preferred)


def _free(rank: int, contract: Shape, batch: Shape) -> Shape:
    return tuple(d for d in range(rank) if d not in contract and d not in batch)


@abstract(dot_general_p)
def _dot_abstract(
    x: ShapedArray, y: ShapedArray, *, dimension_numbers: DotDimensionNumbers, preferred_element_type: Any, **_: Any
) -> ShapedArray:
    if x.dtype != y.dtype:
        names = f"{dtypes.short_name(x.dtype)} and {dtypes.short_name(y.dtype)}"
        raise TypeError(f"dot_general requires operands of equal dtypes, got {names}; convert one with .astype")
    if x.dtype not in PLAIN:
        raise TypeError(
            f"dot_general does not accept dtype {dtypes.short_name(x.dtype)}; it takes {PLAIN.words}. Convert it with "
            ".astype."
        )
    for what, (left, right) in zip(("contracting", "batch"), dimension_numbers, strict=True):
        if len(left) != len(right):
            raise TypeError(f"dot_general: {what} dimensions come in pairs, got {left} and {right}")
        for a, b in zip(left, right, strict=True):
            if not (0 <= a < x.ndim and 0 <= b < y.ndim):
                raise TypeError(
                    f"dot_general: {what} dimensions {left}, {right} are out of range for shapes {x.shape}, {y.shape}; "
                    "they count from 0"
                )
            if x.shape[a] != y.shape[b]:
                raise TypeError(
                    f"dot_general: {what} dimensions must have equal extents, got shapes {x.shape} and {y.shape} "
                    f"with axes {left} and {right}"
                )
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    for side, axes in (("lhs", (*lhs_contract, *lhs_batch)), ("rhs", (*rhs_contract, *rhs_batch))):
        if len(set(axes)) != len(axes):
            raise TypeError(f"dot_general: an axis of {side} stands twice in the dimension numbers {dimension_numbers}")
    left = tuple(x.shape[d] for d in (*lhs_batch, *_free(x.ndim, lhs_contract, lhs_batch)))
    right = tuple(y.shape[d] for d in _free(y.ndim, rhs_contract, rhs_batch))
    dtype = x.dtype if preferred_element_type is None else preferred_element_type
    weak = preferred_element_type is None and x.weak_type and y.weak_type
    return shaped(left + right, dtype, weak)


def _lhs_cotangent(
    ct: Any, x: Any, y: Any, *, dimension_numbers: DotDimensionNumbers, precision: Any, preferred_element_type: Any
) -> Any:
    return _cotangent(ct, y, x.aval, dimension_numbers, precision, preferred_element_type, False)


def _rhs_cotangent(
    ct: Any, x: Any, y: Any, *, dimension_numbers: DotDimensionNumbers, precision: Any, preferred_element_type: Any
) -> Any:
    (left, right), (left_batch, right_batch) = dimension_numbers
    swapped = ((right, left), (right_batch, left_batch))
    precision = None if precision is None else precision[::-1]
    return _cotangent(ct, x, y.aval, swapped, precision, preferred_element_type, True)


def _cotangent(
    ct: Any, y: Any, aval: ShapedArray, numbers: DotDimensionNumbers, precision: Any, preferred: Any, swapped: bool
) -> Any:
    """The cotangent of the operand of type ``aval`` that is multiplied by ``y`` (``swapped``: as the right operand)."""
    (x_contract, y_contract), (x_batch, y_batch) = numbers
    x_free, y_free = _free(aval.ndim, x_contract, x_batch), _free(len(shape_of(y)), y_contract, y_batch)
    batches = tuple(range(len(x_batch)))
    start = len(batches) + (0 if swapped else len(x_free))
    ct_y = tuple(range(start, start + len(y_free)))
    y = convert_element_type(y, get_aval(ct).dtype) if get_aval(y).dtype != get_aval(ct).dtype else y
    # Of y only the contracted axes are left, in its own order.
    by_y = sorted(range(len(y_contract)), key=y_contract.__getitem__)
    kept = tuple(x_contract[k] for k in by_y)
    now = (*x_batch, *x_free, *kept)
    operands, contract, batch_axes = (ct, y), (ct_y, y_free), (batches, y_batch)
    if (*x_batch, *kept, *x_free) == tuple(range(aval.ndim)):
        # With y on the left the result has its axes in order, and needs no transposition.
        now = tuple(range(aval.ndim))
        operands, contract, batch_axes = (y, ct), (y_free, ct_y), (y_batch, batches)
        precision = None if precision is None else precision[::-1]
    out = dot_general_p.bind(
        *operands, dimension_numbers=(contract, batch_axes), precision=precision, preferred_element_type=preferred
    )
    out = transpose(out, inverse(now)) if now != tuple(range(len(now))) else out
    return convert_element_type(out, aval.dtype) if get_aval(out).dtype != aval.dtype else out


bilinear(dot_general_p, _lhs_cotangent, _rhs_cotangent)


@batch(dot_general_p)
def _dot_batch(
    axis: Any, args: Sequence[Any], dims: Sequence[Any], *, dimension_numbers: DotDimensionNumbers, **params: Any
) -> Any:
    (x, y), (x_dim, y_dim) = args, dims
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers

    def moved(axes: Shape, dim: int | None) -> Shape:
        return axes if dim is None else tuple(d + (d >= dim) for d in axes)

    x_contract, x_batch = moved(x_contract, x_dim), moved(x_batch, x_dim)
    y_contract, y_batch = moved(y_contract, y_dim), moved(y_batch, y_dim)
    if x_dim is not None and y_dim is not None:
        x_batch, y_batch, place = (x_dim, *x_batch), (y_dim, *y_batch), 0
    elif x_dim is not None:  # the new axis is one more free axis of x
        place = len(x_batch) + _free(len(shape_of(x)), x_contract, x_batch).index(x_dim)
    else:
        x_free = len(shape_of(x)) - len(x_contract)
        place = x_free + _free(len(shape_of(y)), y_contract, y_batch).index(y_dim)
    numbers = ((x_contract, y_contract), (x_batch, y_batch))
    return dot_general_p.bind(x, y, dimension_numbers=numbers, **params), place


# ---- The matrix form -------------------------------------------------------------------------------------------------


class _Matrices:
    """How to see the operands as stacks of matrices: permutations and shapes, remembered per shapes and numbers."""

    def __init__(self, x: Shape, y: Shape, numbers: DotDimensionNumbers) -> None:
        (x_contract, y_contract), (x_batch, y_batch) = numbers
        x_free, y_free = _free(len(x), x_contract, x_batch), _free(len(y), y_contract, y_batch)
        # Contracted axes in the order of the operand that can then stay as it is.
        order = sorted(range(len(x_contract)), key=x_contract.__getitem__)
        if len(order) > 1 and math.prod(y) > math.prod(x):
            order = sorted(range(len(y_contract)), key=y_contract.__getitem__)
        x_contract = tuple(x_contract[k] for k in order)
        y_contract = tuple(y_contract[k] for k in order)
        self.x_order = (*x_batch, *x_free, *x_contract)
        self.y_order = (*y_batch, *y_contract, *y_free)
        self.x_moves = self.x_order != tuple(range(len(x)))
        self.y_moves = self.y_order != tuple(range(len(y)))
        batches = tuple(x[d] for d in x_batch)
        rows, columns = tuple(x[d] for d in x_free), tuple(y[d] for d in y_free)
        inner = math.prod(x[d] for d in x_contract)
        self.x_shape = (*batches, math.prod(rows), inner)
        self.y_shape = (*batches, inner, math.prod(columns))
        self.result = batches + rows + columns


_matrices = lru_cache(maxsize=4096)(_Matrices)


def as_matrices(x: Any, y: Any, dimension_numbers: DotDimensionNumbers) -> tuple[Any, Any, Shape]:
    """NumPy operands as ``[batch, rows, inner]`` and ``[batch, inner, columns]``, views if possible; the shape after.

    ``numpy.matmul`` of the two, reshaped, is the dot_general.
    """
    form = _matrices(x.shape, y.shape, dimension_numbers)
    if form.x_moves:
        x = x.transpose(form.x_order)
    if form.y_moves:
        y = y.transpose(form.y_order)
    return x.reshape(form.x_shape), y.reshape(form.y_shape), form.result


def sum_dtype(dtype: Any) -> Any:
    """The dtype in which products of ``dtype`` are summed: float32 for 8- and 16-bit floats."""
    return np.dtype(np.float32) if dtype.itemsize < 4 and dtypes.issubdtype(dtype, np.floating) else dtype


@reference(dot_general_p)
def _dot_reference(
    x: Any, y: Any, *, dimension_numbers: DotDimensionNumbers, preferred_element_type: Any, **_: Any
) -> Any:
    dtype = x.dtype if preferred_element_type is None else preferred_element_type
    wide = sum_dtype(dtype)
    if x.dtype != wide:
        x, y = x.astype(wide), y.astype(wide)
    x, y, shape = as_matrices(x, y, dimension_numbers)
    out = quiet(np.matmul, x, y).reshape(shape)
    return out if out.dtype == dtype else out.astype(dtype)


@kernel(dot_general_p)
def _dot_kernel(
    i: Any,
    x: scalar.Operand,
    y: scalar.Operand,
    *,
    dimension_numbers: DotDimensionNumbers,
    preferred_element_type: Any,
    **_: Any,
) -> Any:
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    dtype = x.dtype if preferred_element_type is None else preferred_element_type
    wide = sum_dtype(dtype)
    x_free, y_free = _free(x.ndim, x_contract, x_batch), _free(y.ndim, y_contract, y_batch)
    x_place = {**dict(zip(x_batch, i, strict=False)), **dict(zip(x_free, i[len(x_batch) :], strict=False))}
    y_place = {
        **dict(zip(y_batch, i, strict=False)),
        **dict(zip(y_free, i[len(x_batch) + len(x_free) :], strict=True)),
    }
    times, plus = ("and", "or") if wide == BOOLEAN else ("mul", "add")

    def product(*r: Any) -> list[scalar.Expr]:
        left = x[tuple({**x_place, **dict(zip(x_contract, r, strict=True))}[d] for d in range(x.ndim))]
        right = y[tuple({**y_place, **dict(zip(y_contract, r, strict=True))}[d] for d in range(y.ndim))]
        return [scalar.binary_op(times)(scalar.cast(left, wide), scalar.cast(right, wide))]

    def loops() -> scalar.Expr:
        zero = scalar.const(0, wide)
        [total] = scalar.reduce(plus, [x.shape[d] for d in x_contract], [zero], product)
        return scalar.cast(total, dtype)

    if all(extent == 1 for extent in (*(x.shape[d] for d in x_free), *(y.shape[d] for d in y_free))):
        # Sums of products, which fuse with what makes the factors.
        return loops()
    return scalar.Library("dot_general", fallback=loops)


@decompose(dot_general_p)
def _dot_decompose(
    x: Any, y: Any, *, dimension_numbers: DotDimensionNumbers, preferred_element_type: Any, **params: Any
) -> Any:
    """Spread both over batch, rows, columns and the contracted axes, multiply, and sum."""
    source = get_aval(x).dtype
    dtype = source if preferred_element_type is None else preferred_element_type
    wide = np.dtype(np.int32) if dtype == BOOLEAN else sum_dtype(dtype)
    if source != wide:
        x, y = convert_element_type(x, wide), convert_element_type(y, wide)
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    x_shape, y_shape = shape_of(x), shape_of(y)
    x_free, y_free = _free(len(x_shape), x_contract, x_batch), _free(len(y_shape), y_contract, y_batch)
    x_axes, y_axes = (*x_batch, *x_free), (*y_batch, *y_free)
    shape = (*(x_shape[d] for d in x_axes), *(y_shape[d] for d in y_free), *(x_shape[d] for d in x_contract))
    inner = tuple(range(len(shape) - len(x_contract), len(shape)))
    x = broadcast_in_dim(transpose(x, (*x_axes, *x_contract)), shape, (*range(len(x_axes)), *inner))
    columns = range(len(x_axes), len(x_axes) + len(y_free))
    y = broadcast_in_dim(transpose(y, (*y_axes, *y_contract)), shape, (*range(len(y_batch)), *columns, *inner))
    out = reduce_sum(mul(x, y), inner) if inner else mul(x, y)
    if dtype == BOOLEAN:
        return ne(out, np.int32(0))
    return convert_element_type(out, dtype) if wide != dtype else out


@over_steps(dot_general_p)
def _dot_over_steps(*, dimension_numbers: DotDimensionNumbers, **params: Any) -> dict[str, Any]:
    """The parameters by which operands stacked along a new first axis give the sum of all products."""
    (left, right), (left_batch, right_batch) = dimension_numbers

    def shifted(axes: Sequence[int]) -> tuple[int, ...]:
        return tuple(axis + 1 for axis in axes)

    contracted = ((0, *shifted(left)), (0, *shifted(right)))
    return {"dimension_numbers": (contracted, (shifted(left_batch), shifted(right_batch))), **params}


@permute(dot_general_p)
def _dot_permute(
    ranks: Sequence[int],
    operand: int | None,
    permutation: Shape,
    *,
    dimension_numbers: DotDimensionNumbers,
    precision: Any,
    **params: Any,
) -> tuple[tuple[int, ...], dict[str, Any]] | None:
    """Operand ``operand`` is ``transpose(x, permutation)``, or (None) the result is to be permuted: (operands, params)
    that take x as it is, or give the permuted result at once; None where the axes do not allow it."""
    (left, right), (left_batch, right_batch) = dimension_numbers
    order: tuple[int, ...] = (0, 1)
    if operand is not None:
        sides = [(left, left_batch), (right, right_batch)]
        contract, batches = sides[operand]
        free = [permutation[d] for d in _free(ranks[operand], contract, batches)]
        if free != sorted(free):
            return None
        sides[operand] = (tuple(permutation[d] for d in contract), tuple(permutation[d] for d in batches))
        (left, left_batch), (right, right_batch) = sides
    else:
        n, rows = len(left_batch), ranks[0] - len(left) - len(left_batch)
        first, rest = permutation[:n], permutation[n:]
        start, end = n + rows, ranks[0] + ranks[1] - 2 * len(left) - n
        if sorted(first) != list(range(n)):
            return None
        left_batch, right_batch = tuple(left_batch[k] for k in first), tuple(right_batch[k] for k in first)
        if rest == (*range(start, end), *range(n, start)):
            order = (1, 0)
            left, right, left_batch, right_batch = right, left, right_batch, left_batch
            precision = None if precision is None else precision[::-1]
        elif rest != tuple(range(n, end)):
            return None
    return order, {"dimension_numbers": ((left, right), (left_batch, right_batch)), "precision": precision, **params}


@cost(dot_general_p)
def _dot_cost(ins: Sequence[ShapedArray], outs: Sequence[ShapedArray], *, dimension_numbers: Any, **_: Any) -> Any:
    inner = math.prod(ins[0].shape[d] for d in dimension_numbers[0][0])
    return 2 * outs[0].size * inner, ins[0].nbytes + ins[1].nbytes + outs[0].nbytes
