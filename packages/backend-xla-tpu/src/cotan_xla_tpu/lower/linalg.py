"""Linear algebra: XLA's own operations where there are some, LAPACK's routines on the CPU, TPU's custom calls there.

What a platform does not have is refused, with the device that has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan.ir.avals import ShapedArray, shaped
from cotan.primitives.dot import Precision
from cotan.primitives.operands import real_dtype
from cotan_xla_tpu import driver
from cotan_xla_tpu.driver import hlo, ir
from cotan_xla_tpu.emit import broadcast, compare, constant, region, reshape, tensor
from cotan_xla_tpu.lower.control import loop
from cotan_xla_tpu.lower.dot import precision_attribute
from cotan_xla_tpu.lower.table import rule

INT32 = np.dtype(np.int32)
BY_LAPACK = "It is computed by LAPACK: bring the operands to the CPU (cotan.device_put)"


# ---- Calling a library


def lapack(
    c: Any, routine: str, operands: Sequence[tuple[Any, ShapedArray]], outs: Sequence[ShapedArray], rank: int,
    dtype: Any, **attributes: Any,
) -> list[Any]:  # fmt: skip
    """The results of a LAPACK routine for stacks of matrices; ``rank`` axes of the stack come first everywhere.

    Matrices lie column by column, which the routine is used to; attributes are numbers (of type uint8 for letters and
    modes, int32 for sizes).
    """
    if c.platform != "cpu":
        raise c.unsupported(BY_LAPACK)
    target = driver.register_lapack().prepare_lapack_call(f"{routine}_ffi", np.dtype(dtype))
    kinds = [aval for _, aval in operands]
    op = hlo.CustomCallOp(
        [tensor(aval.shape, aval.dtype) for aval in outs], [x for x, _ in operands], ir.StringAttr.get(target),
        has_side_effect=ir.BoolAttr.get(False), backend_config=ir.DictAttr.get(attributes),
        api_version=ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 4),
        operand_layouts=_layouts(kinds, rank), result_layouts=_layouts(outs, rank),
    )  # fmt: skip
    return list(op.results)


def _layouts(avals: Sequence[ShapedArray], rank: int) -> Any:
    index = ir.IndexType.get()
    found = []
    for aval in avals:
        order = list(range(aval.ndim - 1, -1, -1))
        if aval.ndim == rank + 2:
            order[:2] = [aval.ndim - 2, aval.ndim - 1]
        found.append(ir.DenseIntElementsAttr.get(np.array(order, np.int64), type=index, shape=[aval.ndim]))
    return ir.ArrayAttr.get(found)


def custom(c: Any, target: str, operands: Sequence[Any], outs: Sequence[ShapedArray], config: str = "") -> list[Any]:
    """The results of one of the TPU compiler's own routines."""
    op = hlo.CustomCallOp(
        [tensor(aval.shape, aval.dtype) for aval in outs], list(operands), ir.StringAttr.get(target),
        backend_config=ir.StringAttr.get(config), api_version=ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 1),
    )  # fmt: skip
    return list(op.results)


def letter(x: str) -> Any:
    """A letter as an attribute."""
    return ir.IntegerAttr.get(ir.IntegerType.get_unsigned(8), ord(x))


def mode(x: Any) -> Any:
    """A choice of a routine as an attribute."""
    return ir.IntegerAttr.get(ir.IntegerType.get_unsigned(8), x.value)


def size(n: int) -> Any:
    """A size as an attribute."""
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(32), n)


def valid(info: Any, x: Any, aval: ShapedArray, rank: int, *, direction: str = "EQ") -> Any:
    """``x`` where the routine succeeded, else NaN."""
    stack = aval.shape[:rank]
    fine = compare(info, broadcast(constant(np.zeros((), INT32)), stack), direction, INT32)
    nan = np.array(complex(np.nan, np.nan) if aval.dtype.kind == "c" else np.nan, aval.dtype)
    return hlo.select(broadcast(fine, aval.shape, range(rank)), x, broadcast(constant(nan), aval.shape))


def stack_of(aval: ShapedArray, axes: int = 2) -> tuple[int, ...]:
    """The extents before the last ``axes`` axes."""
    return aval.shape[: aval.ndim - axes]


def codes(stack: Sequence[int]) -> ShapedArray:
    """The type of a routine's success codes."""
    return shaped(tuple(stack), INT32)


def triangle(x: Any, aval: ShapedArray, *, lower: bool) -> Any:
    """The matrices with zeros in the other triangle."""
    rows = hlo.iota(tensor(aval.shape, INT32), aval.ndim - 2)
    columns = hlo.iota(tensor(aval.shape, INT32), aval.ndim - 1)
    kept = compare(rows, columns, "GE" if lower else "LE", INT32)
    return hlo.select(kept, x, broadcast(constant(np.zeros((), aval.dtype)), aval.shape))


def empty(c: Any) -> bool:
    """Whether an operand or result has no elements, so that no routine is called."""
    return any(0 in aval.shape for aval in (*c.ins, *c.outs))


def blank(aval: ShapedArray, value: float = 0) -> Any:
    """A constant array."""
    return broadcast(constant(np.array(value, aval.dtype)), aval.shape)


def eye(aval: ShapedArray) -> Any:
    """Identity matrices, also of shapes that are not square."""
    rows = hlo.iota(tensor(aval.shape, INT32), aval.ndim - 2)
    columns = hlo.iota(tensor(aval.shape, INT32), aval.ndim - 1)
    return hlo.select(compare(rows, columns, "EQ", INT32), blank(aval, 1), blank(aval))


# ---- Solving


@rule("triangular_solve")
def _triangular_solve(
    c: Any, a: Any, b: Any, left_side: bool, lower: bool, transpose_a: bool, conjugate_a: bool, unit_diagonal: bool
) -> Any:
    if empty(c):
        return blank(c.out)
    if conjugate_a and not transpose_a and c.out.dtype.kind == "c":
        a = driver.chlo.conj(a)
    turn = "NO_TRANSPOSE" if not transpose_a else "ADJOINT" if conjugate_a else "TRANSPOSE"
    return hlo.triangular_solve(a, b, left_side, lower, unit_diagonal, hlo.TransposeAttr.get(turn))


@rule("tridiagonal_solve")
def _tridiagonal_solve(c: Any, dl: Any, d: Any, du: Any, b: Any, perturb_singular: bool) -> Any:
    if empty(c):
        return blank(c.out)
    if perturb_singular:
        raise c.unsupported("XLA has no solver that perturbs singular matrices: use perturb_singular=False")
    rank = c.out.ndim - 2
    info = codes(stack_of(c.out))
    found = lapack(c, "gtsv", list(zip((dl, d, du, b), c.ins, strict=True)), [*c.ins, info], rank, c.out.dtype)
    return valid(found[-1], found[-2], c.out, rank)


# ---- Factors


@rule("cholesky")
def _cholesky(c: Any, x: Any) -> Any:
    if empty(c):
        return blank(c.out)
    if c.platform != "cpu":
        return triangle(hlo.cholesky(x, lower=True), c.out, lower=True)
    rank, info = c.out.ndim - 2, codes(stack_of(c.out))
    found, code = lapack(c, "potrf", [(x, c.ins[0])], [c.out, info], rank, c.out.dtype, uplo=letter("L"))
    return triangle(valid(code, found, c.out, rank), c.out, lower=True)


@rule("lu")
def _lu(c: Any, x: Any) -> list[Any]:
    packed, pivots, permutation = c.outs
    if empty(c):
        return [blank(packed), blank(pivots), hlo.iota(c.type(permutation), permutation.ndim - 1)]
    if c.platform == "tpu":
        return custom(c, "LuDecomposition", [x], c.outs)
    rank, info = packed.ndim - 2, codes(stack_of(packed))
    factors, rows, code = lapack(c, "getrf", [(x, c.ins[0])], [packed, pivots, info], rank, packed.dtype)
    rows = hlo.subtract(rows, blank(pivots, 1))
    factors = valid(code, factors, packed, rank, direction="GE")
    return [factors, rows, _permutation(rows, pivots, permutation)]


@rule("lu_pivots_to_permutation")
def _pivots(c: Any, pivots: Any, permutation_size: int) -> Any:
    return _permutation(pivots, c.ins[0], c.out)


def _permutation(pivots: Any, given: ShapedArray, wanted: ShapedArray) -> Any:
    """The permutation that exchanging row i with row pivots[i], one after the other, makes."""
    axis, rank = wanted.ndim - 1, wanted.ndim
    places = hlo.iota(tensor(wanted.shape, INT32), axis)
    if 0 in given.shape or 0 in wanted.shape:
        return places
    column = shaped((*wanted.shape[:-1], 1), INT32)
    zero, one = constant(np.zeros((), INT32)), constant(np.ones((), INT32))

    def at(x: Any, k: Any) -> Any:
        return hlo.dynamic_slice(x, [*[zero] * (rank - 1), k], list(column.shape))

    def over_rows(x: Any) -> Any:
        return broadcast(reshape(x, column.shape[:-1]), wanted.shape, range(rank - 1))

    def step(state: list[Any]) -> list[Any]:
        k, order = state
        other = compare(places, over_rows(at(pivots, k)), "EQ", INT32)
        here = at(order, k)
        op = hlo.ReduceOp([tensor(column.shape[:-1], INT32)], [hlo.select(other, order, blank(wanted))], [zero], [axis])
        region(op, 0, [tensor((), INT32)] * 2, lambda x, y: [hlo.add(x, y)])
        order = hlo.select(other, over_rows(here), order)
        order = hlo.dynamic_update_slice(order, reshape(op.results[0], column.shape), [*[zero] * (rank - 1), k])
        return [hlo.add(k, one), order]

    count = constant(np.array(given.shape[-1], INT32))
    return loop([zero, places], lambda state: [compare(state[0], count, "LT", INT32)], step)[1]


# ---- Reflections


@rule("geqrf")
def _geqrf(c: Any, x: Any) -> list[Any]:
    if empty(c):
        return [blank(aval) for aval in c.outs]
    return _reflections(c, x, c.ins[0], c.outs[1])


def _reflections(c: Any, x: Any, aval: ShapedArray, taus: ShapedArray) -> list[Any]:
    if c.platform == "tpu":
        return custom(c, "Qr", [x], [aval, taus])
    return lapack(c, "geqrf", [(x, aval)], [aval, taus], aval.ndim - 2, aval.dtype)


@rule("householder_product")
def _householder_product(c: Any, a: Any, taus: Any) -> Any:
    if empty(c):
        return eye(c.out)
    return _product(c, a, c.ins[0], taus, c.ins[1])


def _product(c: Any, a: Any, aval: ShapedArray, taus: Any, taus_aval: ShapedArray) -> Any:
    if c.platform == "tpu":
        return custom(c, "ProductOfElementaryHouseholderReflectors", [a, taus], [aval])[0]
    routine = "ungqr" if aval.dtype.kind == "c" else "orgqr"
    return lapack(c, routine, [(a, aval), (taus, taus_aval)], [aval], aval.ndim - 2, aval.dtype)[0]


@rule("ormqr")
def _ormqr(c: Any, a: Any, taus: Any, other: Any, left: bool, transpose: bool) -> Any:
    if empty(c):
        return other
    routine = "unmqr" if c.out.dtype.kind == "c" else "ormqr"
    given = list(zip((a, taus, other), c.ins, strict=True))
    if c.platform != "cpu" or not driver.has_lapack(f"{routine}_ffi"):
        return _by_product(c, a, taus, other, left, transpose)
    sides = {"left": ir.BoolAttr.get(left), "transpose": ir.BoolAttr.get(transpose)}
    return lapack(c, routine, given, [c.out], c.out.ndim - 2, c.out.dtype, **sides)[0]


def _by_product(c: Any, a: Any, taus: Any, other: Any, left: bool, transpose: bool) -> Any:
    """``ormqr`` by the matrix Q itself, for want of the routine."""
    given, taus_aval, aval = c.ins
    rank, (m, n) = given.ndim - 2, given.shape[-2:]
    square = shaped((*given.shape[:-1], m), given.dtype)
    none = [0] * given.ndim
    if n > m:
        a = hlo.slice(a, none, list(square.shape), [1] * given.ndim)
    elif n < m:
        a = hlo.pad(a, constant(np.zeros((), given.dtype)), none, [*none[:-1], m - n], none)
    q = _product(c, a, square, taus, taus_aval)
    if transpose and aval.dtype.kind == "c":
        q = driver.chlo.conj(q)
    inner = rank if transpose == left else rank + 1  # the axis of Q that is summed over
    stack = list(range(rank))
    numbers = hlo.DotDimensionNumbers.get(
        lhs_batching_dimensions=stack, rhs_batching_dimensions=stack,
        lhs_contracting_dimensions=[inner if left else rank + 1],
        rhs_contracting_dimensions=[rank if left else inner],
    )  # fmt: skip
    x, y = (q, other) if left else (other, q)
    return hlo.dot_general(c.type(), x, y, numbers, precision_config=precision_attribute(Precision.HIGHEST))


@rule("qr")
def _qr(c: Any, x: Any, pivoting: bool, full_matrices: bool) -> list[Any]:
    given, q_aval, r_aval = c.ins[0], c.outs[0], c.outs[1]
    *stack, m, n = given.shape
    if empty(c):
        order = [hlo.iota(c.type(c.outs[2]), c.outs[2].ndim - 1)] if pivoting else []
        return [eye(q_aval), blank(r_aval), *order]
    taus_aval = shaped((*stack, min(m, n)), given.dtype)
    if pivoting:
        order_aval = c.outs[2]
        packed, order, taus = lapack(
            c, "geqp3", [(x, given), (blank(order_aval), order_aval)], [given, order_aval, taus_aval],
            len(stack), given.dtype,
        )  # fmt: skip
        last = [hlo.subtract(order, blank(order_aval, 1))]
    else:
        packed, taus = _reflections(c, x, given, taus_aval)
        last = []
    k = r_aval.shape[-2]
    rows, columns = [0] * len(stack), [1] * len(given.shape)
    r = packed
    if k < m:
        r = hlo.slice(packed, [*rows, 0, 0], [*stack, k, n], columns)
    vectors = packed
    width = q_aval.shape[-1]
    if width < n:
        vectors = hlo.slice(packed, [*rows, 0, 0], [*stack, m, width], columns)
    elif width > n:
        zero = constant(np.zeros((), given.dtype))
        vectors = hlo.pad(packed, zero, [0] * given.ndim, [*rows, 0, width - n], [0] * given.ndim)
    q = _product(c, vectors, q_aval, taus, taus_aval)
    return [q, triangle(r, r_aval, lower=False), *last]


# ---- Spectra


@rule("eigh")
def _eigh(c: Any, x: Any, lower: bool) -> list[Any]:
    v, w = c.outs
    if empty(c):
        return [blank(v), blank(w)]
    if c.platform == "tpu":
        return custom(c, "Eigh", [x], [v, w], config=f"{int(lower)},1,100,1e-6")
    rank, info = v.ndim - 2, codes(stack_of(v))
    routine = "heevd" if v.dtype.kind == "c" else "syevd"
    vectors, values, code = lapack(
        c, routine, [(x, c.ins[0])], [v, w, info], rank, v.dtype, mode=letter("V"),
        uplo=letter("L" if lower else "U"),
    )  # fmt: skip
    return [valid(code, vectors, v, rank), valid(code, values, w, rank)]


@rule("svd")
def _svd(c: Any, x: Any, full_matrices: bool, compute_uv: bool) -> list[Any]:
    given, s = c.ins[0], c.outs[0]
    *stack, m, n = given.shape
    if 0 in given.shape:
        return [blank(s), *(eye(aval) for aval in c.outs[1:])]
    k, rank = min(m, n), len(stack)
    if compute_uv:
        u, v = c.outs[1:]
    else:
        u, v = shaped((*stack, m, k), given.dtype), shaped((*stack, k, n), given.dtype)
    job = "N" if not compute_uv else "A" if full_matrices else "S"
    _, values, left, right, code = lapack(
        c, "gesdd", [(x, given)], [given, s, u, v, codes(stack)], rank, given.dtype, mode=letter(job)
    )
    found = [(values, s), *([(left, u), (right, v)] if compute_uv else [])]
    return [valid(code, y, aval, rank) for y, aval in found]


@rule("eig")
def _eig(c: Any, x: Any, left: bool, right: bool, vectors_have_derivatives: bool) -> list[Any]:
    given = c.ins[0]
    if empty(c):
        return [blank(aval) for aval in c.outs]
    rank, stack, dtype = given.ndim - 2, stack_of(given), c.outs[0].dtype
    real = given.dtype.kind != "c"
    values = [shaped(given.shape[:-1], real_dtype(dtype) if real else dtype)] * (1 + real)
    vectors = shaped(given.shape, dtype)
    modes = driver.register_lapack().EigComputationMode if c.platform == "cpu" else None
    if modes is None:
        raise c.unsupported(BY_LAPACK)
    choice = {True: mode(modes.kComputeEigenvectors), False: mode(modes.kNoEigenvectors)}
    *w, vl, vr, code = lapack(
        c, "geev", [(x, given)], [*values, vectors, vectors, codes(stack)], rank, given.dtype,
        compute_left=choice[left], compute_right=choice[right],
    )  # fmt: skip
    found = [hlo.complex(*w) if real else w[0], *([vl] if left else []), *([vr] if right else [])]
    return [valid(code, y, aval, rank) for y, aval in zip(found, c.outs, strict=True)]


@rule("schur")
def _schur(c: Any, x: Any, compute_schur_vectors: bool) -> list[Any]:
    given = c.ins[0]
    if empty(c):
        return [blank(aval) for aval in c.outs]
    if c.platform != "cpu":
        raise c.unsupported(BY_LAPACK)
    rank, info = given.ndim - 2, codes(stack_of(given))
    known = driver.register_lapack()
    modes = known.SchurComputationMode
    chosen = modes.kComputeSchurVectors if compute_schur_vectors else modes.kNoComputeSchurVectors
    values = [shaped(given.shape[:-1], given.dtype)] * (1 if given.dtype.kind == "c" else 2)
    t, q, *_, code = lapack(
        c, "gees", [(x, given)], [given, given, *values, info, info], rank, given.dtype,
        mode=mode(chosen), sort=mode(known.SchurSort.kNoSortEigenvalues),
    )  # fmt: skip
    return [valid(code, y, aval, rank) for y, aval in zip((t, q), c.outs, strict=False)]


@rule("hessenberg")
def _hessenberg(c: Any, x: Any) -> list[Any]:
    packed, taus = c.outs
    if empty(c):
        return [x if 0 not in packed.shape else blank(packed), blank(taus)]
    rank = packed.ndim - 2
    found, factors, code = lapack(
        c, "gehrd", [(x, c.ins[0])], [packed, taus, codes(stack_of(packed))], rank, packed.dtype,
        low=size(1), high=size(packed.shape[-1]),
    )  # fmt: skip
    return [valid(code, found, packed, rank), valid(code, factors, taus, rank)]


@rule("tridiagonal")
def _tridiagonal(c: Any, x: Any, lower: bool) -> list[Any]:
    packed = c.outs[0]
    if 0 in packed.shape:
        return [blank(aval) for aval in c.outs]
    rank = packed.ndim - 2
    routine = "hetrd" if packed.dtype.kind == "c" else "sytrd"
    *found, code = lapack(
        c, routine, [(x, c.ins[0])], [*c.outs, codes(stack_of(packed))], rank, packed.dtype,
        uplo=letter("L" if lower else "U"),
    )  # fmt: skip
    return [valid(code, y, aval, rank) for y, aval in zip(found, c.outs, strict=True)]
