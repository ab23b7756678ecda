"""lu_solve: solutions by a factorisation that is known already, with the derivatives of the equation itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.ir import primitive as tables
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.rules import none
from cotan.primitives.arithmetic import neg
from cotan.primitives.define import first_order
from cotan.primitives.linalg import common
from cotan.primitives.linalg.common import INT32, conjugate, mm, turned
from cotan.primitives.linalg.solves import triangular_solve, triangular_solve_p
from cotan.primitives.operands import move_axis, shape_of
from cotan.primitives.shape import broadcasted_iota, copy, reshape, to_front
from cotan.primitives.sort import sort, take_along
from cotan.primitives.taylor import BY_JVP
from cotan.structural import UndefinedPrimal, Zero, add_tangents, broadcast_in_dim

lu_solve_p = first_order("lu_solve")


def lu_solve(a: Any, lu: Any, permutation: Any, b: Any, *, trans: int = 0) -> Any:
    """The solution of a x = b (``trans`` 1: a**T x = b, 2: a**H x = b), by ``lu`` and ``permutation`` of a.

    It moves with a and b as the equation says; the factorisation itself is a constant.

    Args:
      a: square matrices [.., n, n].
      lu, permutation: what ``lu`` gives for a.
      b: right-hand sides [.., n, k].
    """
    return lu_solve_p.bind(a, lu, permutation, b, trans=trans)


@tables.abstract(lu_solve_p)
def _(a: ShapedArray, lu: ShapedArray, permutation: ShapedArray, b: ShapedArray, *, trans: int) -> ShapedArray:
    common.check_dtype("lu_solve", a, lu, b)
    common.check_matrix("lu_solve", a, square=True, what="a")
    common.check_matrix("lu_solve", b, what="b")
    common.check_batch("lu_solve", (2, 2, 1, 2), (a, lu, permutation, b))
    if lu.shape != a.shape or permutation.shape != a.shape[:-1] or b.shape[-2] != a.shape[-1]:
        raise ValueError(
            f"lu_solve: a of shape {a.shape}, its factors of shapes {lu.shape} and {permutation.shape} and b of shape "
            f"{b.shape} do not fit each other"
        )
    if permutation.dtype != INT32:
        raise TypeError(f"lu_solve needs an int32 permutation, got {permutation.dtype}; convert with .astype")
    return shaped(b.shape, b.dtype)


@tables.jvp(lu_solve_p)
def _(primals: Sequence[Any], tangents: Sequence[Any], *, trans: int) -> Any:
    a, lu, permutation, b = primals
    x = lu_solve_p.bind(a, lu, permutation, b, trans=trans)
    da, right = tangents[0], tangents[3]
    if type(da) is not Zero:
        da = turned(da) if trans else da
        right = add_tangents(right, neg(mm(conjugate(da) if trans == 2 else da, x)))
    if type(right) is Zero:
        return x, right
    return x, lu_solve_p.bind(a, lu, permutation, right, trans=trans)


tables.jet[lu_solve_p] = BY_JVP


@tables.transpose(lu_solve_p)
def _(ct: Any, a: Any, lu: Any, permutation: Any, b: Any, *, trans: int) -> list[Any]:
    if any(type(x) is UndefinedPrimal for x in (a, lu, permutation)):
        raise TypeError("lu_solve is linear in b only")
    if trans == 2:
        # The transpose of the adjoint is the conjugate.
        back = conjugate(lu_solve_p.bind(a, lu, permutation, conjugate(ct), trans=0))
    else:
        back = lu_solve_p.bind(a, lu, permutation, ct, trans=1 - trans)
    return [None, None, None, back]


@tables.batch(lu_solve_p)
def _(axis: Any, args: Sequence[Any], dims: Sequence[int | None], *, trans: int) -> Any:
    if any(dim is not None for dim in dims[:3]):
        operands = (to_front(axis, x, d) for x, d in zip(args, dims, strict=True))
        return lu_solve_p.bind(*operands, trans=trans), 0
    # One matrix, many right-hand sides: they lie beside each other.
    place = len(shape_of(args[3])) - 1
    b = move_axis(args[3], dims[3], place)  # type: ignore[arg-type]
    *stack, n, k, size = shape_of(b)
    out = lu_solve_p.bind(*args[:3], reshape(b, (*stack, n, k * size)), trans=trans)
    return reshape(out, (*stack, n, k, size)), place


@tables.reference(lu_solve_p)
def _(a: Any, lu: Any, permutation: Any, b: Any, *, trans: int) -> Any:
    solve = tables.reference[triangular_solve_p]
    flags: dict[str, Any] = {"left_side": True, "transpose_a": trans > 0, "conjugate_a": trans == 2}
    order = permutation[..., None].astype(np.intp)
    if trans == 0:
        b = np.take_along_axis(b, order, -2)
        return solve(
            lu, solve(lu, b, lower=True, unit_diagonal=True, **flags), lower=False, unit_diagonal=False, **flags
        )
    y = solve(lu, b, lower=False, unit_diagonal=False, **flags)
    z = solve(lu, y, lower=True, unit_diagonal=True, **flags)
    return np.ascontiguousarray(np.take_along_axis(z, np.argsort(order, axis=-2), -2))


tables.kernel[lu_solve_p] = none("two triangular equations and a permutation: see its decomposition")


@tables.decompose(lu_solve_p)
def _(a: Any, lu: Any, permutation: Any, b: Any, *, trans: int) -> Any:
    if not all(shape_of(b)):
        return copy(b)
    if trans == 0:
        y = triangular_solve(lu, _rows(b, permutation), left_side=True, lower=True, unit_diagonal=True)
        return triangular_solve(lu, y, left_side=True)
    flags = {"left_side": True, "transpose_a": True, "conjugate_a": trans == 2}
    z = triangular_solve(lu, triangular_solve(lu, b, **flags), lower=True, unit_diagonal=True, **flags)
    axis = len(shape_of(permutation)) - 1
    places = broadcasted_iota(np.int32, shape_of(permutation), axis)
    return _rows(z, sort([permutation, places], axis)[1])


def _rows(x: Any, permutation: Any) -> Any:
    places = broadcast_in_dim(permutation, shape_of(x), tuple(range(len(shape_of(permutation)))))
    return take_along(x, places, len(shape_of(x)) - 2)


def _cost(ins: Sequence[ShapedArray], outs: Sequence[ShapedArray], **params: Any) -> Any:
    return 2 * ins[3].size * ins[0].shape[-1], sum(x.nbytes for x in (*ins, *outs))


tables.cost[lu_solve_p] = _cost
