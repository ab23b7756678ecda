"""What the families of linear algebra share: checks of operands, small matrix functions, usual rules.

The matrix functions are compositions of primitives on the last two axes; axes before them are a stack. Knows no
factorisation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import ShapedArray
from cotan.ir.primitive import Primitive
from cotan.ir.rules import none
from cotan.primitives.arithmetic import conj, mul
from cotan.primitives.compare import eq, ge, le, select
from cotan.primitives.define import NOT_LINEAR, first_order
from cotan.primitives.dot import dot_general
from cotan.primitives.operands import COMPLEX, Dtypes, dtype_of, quiet, real_dtype, shape_of
from cotan.primitives.pad import pad
from cotan.primitives.shape import broadcasted_iota, concatenate, to_front
from cotan.primitives.slice import slice_along
from cotan.primitives.taylor import BY_JVP
from cotan.structural import broadcast_in_dim, convert_element_type, reduce_sum, transpose

SOLVABLE = Dtypes("float32, float64, complex64 and complex128", [np.float32, np.float64, np.complex64, np.complex128])
INT32 = np.dtype(np.int32)
OF_A_LIBRARY = none("the work of a library: a backend that has none runs the reference on the host")


# ---- Checks


def check_matrix(name: str, x: ShapedArray, *, square: bool = False, what: str = "the operand") -> None:
    """Refuse what is no stack of matrices of floats.

    Raises:
      ValueError: fewer than two axes, or not square where that is asked for.
      TypeError: a dtype that linear algebra does not know.
    """
    if x.ndim < 2:
        raise ValueError(f"{name}: {what} must be a matrix or a stack of matrices, got shape {x.shape}; add axes to it")
    if square and x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{name}: {what} must be a square matrix or a stack of them, got shape {x.shape}")
    check_dtype(name, x)


def check_dtype(name: str, *avals: ShapedArray) -> None:
    """Refuse operands that differ in dtype or are not in ``SOLVABLE``.

    Raises:
      TypeError: says which dtypes came.
    """
    for x in avals:
        if x.dtype != avals[0].dtype:
            got = ", ".join(str(a.dtype) for a in avals)
            raise TypeError(f"{name} requires operands of equal dtypes, got {got}; convert with .astype")
        if x.dtype not in SOLVABLE:
            raise TypeError(f"{name} does not accept dtype {x.dtype}; it takes {SOLVABLE.words}. Convert with .astype.")


def check_batch(name: str, ranks: Sequence[int], avals: Sequence[ShapedArray]) -> tuple[int, ...]:
    """The common leading axes of operands whose last axes, so many each, are their own.

    Raises:
      ValueError: the leading axes differ.
    """
    stacks = [x.shape[: x.ndim - rank] for rank, x in zip(ranks, avals, strict=True)]
    if any(stack != stacks[0] for stack in stacks):
        shapes = ", ".join(str(x.shape) for x in avals)
        raise ValueError(f"{name}: the leading axes of the operands must be equal, got shapes {shapes}; broadcast them")
    return stacks[0]


# ---- Matrix functions


def turned(x: Any) -> Any:
    """The transposed matrices."""
    n = len(shape_of(x))
    return transpose(x, (*range(n - 2), n - 1, n - 2))


def adjoint(x: Any) -> Any:
    """The conjugated and transposed matrices."""
    return turned(conjugate(x))


def conjugate(x: Any) -> Any:
    """The complex conjugate; real arrays as they are."""
    return conj(x) if dtype_of(x) in COMPLEX else x


def mm(x: Any, y: Any) -> Any:
    """Matrix products of two equal stacks."""
    n = len(shape_of(x))
    stack = tuple(range(n - 2))
    return dot_general(x, y, (((n - 1,), (n - 2,)), (stack, stack)), precision="highest")


def scale(x: Any, factor: float) -> Any:
    """A real multiple."""
    return mul(x, dtype_of(x).type(factor))


def over(x: Any, shape: Sequence[int], dims: Sequence[int]) -> Any:
    """``x`` repeated to ``shape``: its last axes are ``dims``, counted from the end; before them the stack."""
    rank, ndim = len(shape_of(x)), len(shape)
    places = (*range(rank - len(dims)), *(ndim + d for d in dims))
    return broadcast_in_dim(x, tuple(shape), places)


def along_rows(v: Any, shape: Sequence[int]) -> Any:
    """``v[.., j]`` at [.., i, j]."""
    return over(v, shape, (-1,))


def along_columns(v: Any, shape: Sequence[int]) -> Any:
    """``v[.., i]`` at [.., i, j]."""
    return over(v, shape, (-2,))


def times_columns(x: Any, v: Any) -> Any:
    """Column j of ``x`` times ``v[j]``: the product with a diagonal matrix from the right."""
    return mul(x, along_rows(same_kind(v, x), shape_of(x)))


def times_rows(v: Any, x: Any) -> Any:
    """Row i of ``x`` times ``v[i]``: the product with a diagonal matrix from the left."""
    return mul(along_columns(same_kind(v, x), shape_of(x)), x)


def same_kind(v: Any, x: Any) -> Any:
    """``v`` in the dtype of ``x``."""
    return v if dtype_of(v) == dtype_of(x) else convert_element_type(v, dtype_of(x))


def band(shape: Sequence[int], compare: Callable[[Any, Any], Any], offset: int = 0) -> Any:
    """Where ``compare(column, row + offset)`` holds, as bools of ``shape``."""
    mask_shape = tuple(shape[-2:])
    rows = broadcasted_iota(np.int32, mask_shape, 0)
    columns = broadcasted_iota(np.int32, mask_shape, 1)
    mask = compare(columns, rows + np.int32(offset) if offset else rows)
    return over(mask, shape, (-2, -1)) if len(shape) > 2 else mask


def masked(mask: Any, x: Any) -> Any:
    """``x`` where ``mask``, else zero."""
    return select(mask, x, dtype_of(x).type(0))


def lower(x: Any, offset: int = 0) -> Any:
    """The lower triangle up to diagonal ``offset``, zeros above."""
    return masked(band(shape_of(x), le, offset), x)


def upper(x: Any, offset: int = 0) -> Any:
    """The upper triangle from diagonal ``offset``, zeros below."""
    return masked(band(shape_of(x), ge, offset), x)


def identity(shape: Sequence[int], dtype: Any) -> Any:
    """Identity matrices, of this shape in all."""
    return convert_element_type(band(shape, eq), dtype)


def diagonal(x: Any) -> Any:
    """The main diagonals."""
    shape = shape_of(x)
    size = min(shape[-2:])
    x = slice_along(slice_along(x, len(shape) - 2, 0, size), len(shape) - 1, 0, size)
    return reduce_sum(masked(band(shape_of(x), eq), x), (len(shape) - 1,))


def hermitian_of(x: Any, is_lower: bool) -> Any:
    """The Hermitian matrices of which one triangle is given; the other, and imaginary diagonals, are not read."""
    half, rest = (lower(x), lower(x, -1)) if is_lower else (upper(x), upper(x, 1))
    whole = half + adjoint(rest)
    if dtype_of(x) not in COMPLEX:
        return whole
    on_diagonal = band(shape_of(x), eq)
    return select(on_diagonal, scale(whole + conj(whole), 0.5), whole)


def rows_of(x: Any, start: int, stop: int) -> Any:
    return slice_along(x, len(shape_of(x)) - 2, start, stop)


def columns_of(x: Any, start: int, stop: int) -> Any:
    return slice_along(x, len(shape_of(x)) - 1, start, stop)


def stacked(*parts: Any) -> Any:
    """Matrices one below the other."""
    return concatenate(list(parts), len(shape_of(parts[0])) - 2)


def side_by_side(*parts: Any) -> Any:
    """Matrices one beside the other."""
    return concatenate(list(parts), len(shape_of(parts[0])) - 1)


def padded(x: Any, rows: int, columns: int) -> Any:
    """Matrices with more rows and columns, of zeros, at the end."""
    if not rows and not columns:
        return x
    config = [(0, 0, 0)] * (len(shape_of(x)) - 2) + [(0, rows, 0), (0, columns, 0)]
    return pad(x, dtype_of(x).type(0), config)


# ---- Usual rules


def factorisation(name: str, *, multiple_results: bool = True, differentiable: bool = True) -> Primitive:
    """A new primitive that maps stacks of matrices, nonlinearly, by a library: all tables but those of its meaning."""
    primitive = first_order(name, multiple_results=multiple_results)
    tables.transpose[primitive] = NOT_LINEAR
    if differentiable:
        tables.jet[primitive] = BY_JVP
    leading_batch(primitive)
    by_library(primitive)
    return primitive


def leading_batch(primitive: Primitive) -> None:
    """The mapped axis becomes the first axis of the stack."""

    @tables.batch(primitive)
    def rule(axis: Any, args: Sequence[Any], dims: Sequence[int | None], **params: Any) -> Any:
        out = primitive.bind(*(to_front(axis, x, d) for x, d in zip(args, dims, strict=True)), **params)
        return (out, [0] * len(out)) if primitive.multiple_results else (out, 0)


def by_library(primitive: Primitive) -> None:
    """What a library does as a whole; elements by themselves have no meaning."""

    @tables.kernel(primitive)
    def rule(i: Any, *operands: scalar.Operand, **params: Any) -> Any:
        return scalar.Library(primitive.name)

    tables.decompose[primitive] = OF_A_LIBRARY


def cubic_cost(primitive: Primitive, factor: float) -> None:
    """Flops: ``factor`` times rows, columns, and the smaller of both."""

    def cost(ins: Sequence[ShapedArray], outs: Sequence[ShapedArray], **params: Any) -> Any:
        m, n = ins[0].shape[-2:]
        kind = 4 if ins[0].dtype in COMPLEX else 1
        flops = factor * kind * math.prod(ins[0].shape[:-2]) * m * n * min(m, n)
        return flops, sum(x.nbytes for x in (*ins, *outs))

    tables.cost[primitive] = cost


# ---- References


def per_matrix(function: Callable[[Any], Sequence[Any]], x: Any, results: Sequence[tuple[tuple[int, ...], Any]]) -> Any:
    """``function`` of a stack by NumPy, which refuses a whole stack for one matrix: NaN for that one alone.

    Args:
      results: (shape without the stack, dtype) of each result.
    """
    stack = x.shape[:-2]
    shapes = [(*stack, *shape) for shape, _ in results]
    try:
        found = quiet(function, x)
    except np.linalg.LinAlgError:
        outs = [np.full(shape, np.nan, dtype) for shape, (_, dtype) in zip(shapes, results, strict=True)]
        for place in np.ndindex(*stack):
            try:
                one = quiet(function, x[place])
            except np.linalg.LinAlgError:
                continue
            for out, value in zip(outs, one, strict=True):
                out[place] = value
        return outs
    return [
        np.ascontiguousarray(np.broadcast_to(y, shape), dtype)
        for y, shape, (_, dtype) in zip(found, shapes, results, strict=True)
    ]


def real_of(dtype: Any) -> np.dtype:
    """The dtype of singular values and the like."""
    return np.dtype(real_dtype(dtype))


def work_dtype(dtype: Any) -> np.dtype:
    """The double precision of a dtype, in which references compute."""
    return np.dtype(np.complex128 if dtype.kind == "c" else np.float64)
