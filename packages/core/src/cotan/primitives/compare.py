"""Comparisons, logic, shifts, bit counts, and the choice between values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.ir import primitive as tables
from cotan.ir import scalar
from cotan.ir.avals import ShapedArray, get_aval, shaped, tangent_aval
from cotan.primitives import define, taylor
from cotan.primitives.define import binary, compare, first_order, unary
from cotan.primitives.operands import (
    BITS,
    BOOLEAN,
    INEXACT,
    INTEGER,
    ORDERED,
    PLAIN,
    bit_width,
    lift_all,
    scalar_of,
    shape_of,
    unsigned_of,
)
from cotan.structural import UndefinedPrimal, Zero, broadcast_in_dim, convert_element_type, reduce_sum


def _same_keys(x: Any, y: Any) -> Any:
    """Which keys have all words in common."""
    from cotan.primitives.reduce import reduce_and

    words = _broadcast_words(x, y)
    return reduce_and(eq(*words), (len(shape_of(words[0])) - 1,))


def _other_keys(x: Any, y: Any) -> Any:
    return bitwise_not(_same_keys(x, y))


def _broadcast_words(*keys: Any) -> list[Any]:
    """The words of arrays of keys, those of single keys repeated to the shape of the others."""
    from cotan.primitives.random_bits import random_unwrap

    shape = max((shape_of(x) for x in keys), key=len)
    words = [random_unwrap(x) for x in keys]
    wide = (*shape, *keys[0].dtype.trailing)
    return [broadcast_in_dim(x, wide, (len(shape),)) if len(shape_of(x)) == 1 and shape else x for x in words]


eq_p, eq = compare("eq", PLAIN, reference=np.equal, kernel=scalar.eq, keys=_same_keys, does="x == y.")
ne_p, ne = compare(
    "ne", PLAIN, reference=np.not_equal, kernel=scalar.ne, keys=_other_keys, does="x != y; true for NaN."
)
lt_p, lt = compare("lt", ORDERED, reference=np.less, kernel=scalar.lt, does="x < y.")
le_p, le = compare("le", ORDERED, reference=np.less_equal, kernel=scalar.le, does="x <= y.")
gt_p, gt = compare("gt", ORDERED, reference=np.greater, kernel=scalar.gt, does="x > y.")
ge_p, ge = compare("ge", ORDERED, reference=np.greater_equal, kernel=scalar.ge, does="x >= y.")

and_p, bitwise_and = binary(
    "and", BITS, reference=np.bitwise_and, kernel=scalar.and_, exact=True, does="Bitwise and.", public="bitwise_and"
)
or_p, bitwise_or = binary(
    "or", BITS, reference=np.bitwise_or, kernel=scalar.or_, exact=True, does="Bitwise or.", public="bitwise_or"
)
xor_p, bitwise_xor = binary(
    "xor", BITS, reference=np.bitwise_xor, kernel=scalar.xor, exact=True, does="Bitwise xor.", public="bitwise_xor"
)
not_p, bitwise_not = unary(
    "not", BITS, reference=np.invert, kernel=scalar.not_, exact=True, does="Bitwise not.", public="bitwise_not"
)


# ---- Shifts: an amount is read as unsigned; the width or more shifts everything out


def _shift_logical(x: Any, y: Any) -> Any:
    unsigned = unsigned_of(x.dtype)
    return np.right_shift(x.view(unsigned), y.view(unsigned)).view(x.dtype)


def _shift_arithmetic(x: Any, y: Any) -> Any:
    signed = np.dtype(f"i{x.dtype.itemsize}")
    return np.right_shift(x.view(signed), y.view(signed)).view(x.dtype)


def _shift_arithmetic_element(x: Any, y: Any) -> Any:
    signed = np.dtype(f"i{x.dtype.itemsize}")
    return scalar.bitcast(scalar.shr_arithmetic(scalar.bitcast(x, signed), scalar.bitcast(y, signed)), x.dtype)


shift_left_p, shift_left = binary(
    "shift_left", INTEGER, reference=np.left_shift, kernel=scalar.shl, exact=True,
    does="x * 2**y, dropping what does not fit.",
)  # fmt: skip
shift_right_logical_p, shift_right_logical = binary(
    "shift_right_logical", INTEGER, reference=_shift_logical, kernel=scalar.shr_logical, exact=True,
    does="Shift right, filling with zeros.",
)  # fmt: skip
shift_right_arithmetic_p, shift_right_arithmetic = binary(
    "shift_right_arithmetic", INTEGER, reference=_shift_arithmetic, kernel=_shift_arithmetic_element, exact=True,
    does="Shift right, filling with the sign.",
)  # fmt: skip


# ---- Counting bits


def _count(x: Any) -> Any:
    return np.bitwise_count(x.view(unsigned_of(x.dtype))).astype(x.dtype)


def _leading(x: Any) -> Any:
    bits = bit_width(x.dtype)
    x = x.view(unsigned_of(x.dtype))
    if bits == 64:
        high = x >> np.uint64(32)
        length = np.where(high != 0, 32 + _length(high), _length(x & np.uint64(0xFFFFFFFF)))
    else:
        length = _length(x)
    return bits - length


def _length(x: Any) -> Any:
    """How many bits unsigned values of at most 32 bits need."""
    return np.frexp(x.astype(np.float64))[1]


def _clz(x: Any) -> Any:
    return np.asarray(_leading(x)).astype(x.dtype)


def _mask(byte: int, bits: int) -> int:
    return int.from_bytes(bytes([byte]) * (bits // 8), "little")


def _unsigned(x: Any) -> Any:
    return convert_element_type(x, unsigned_of(get_aval(x).dtype))


def _decompose_count(x: Any) -> Any:
    """Sums of 1, 2, 4, ... neighbouring bits, side by side in one word."""
    from cotan.primitives.arithmetic import add, sub

    dtype = get_aval(x).dtype
    bits = 8 * dtype.itemsize
    y = _unsigned(x)
    y = sub(y, bitwise_and(shift_right_logical(y, 1), _mask(0x55, bits)))
    y = add(bitwise_and(y, _mask(0x33, bits)), bitwise_and(shift_right_logical(y, 2), _mask(0x33, bits)))
    y = bitwise_and(add(y, shift_right_logical(y, 4)), _mask(0x0F, bits))
    shift = 8
    while shift < bits:
        y = add(y, shift_right_logical(y, shift))
        shift *= 2
    return convert_element_type(bitwise_and(y, 0x7F), dtype)


def _decompose_clz(x: Any) -> Any:
    """Smear the highest bit downwards; what stays zero above it are the leading zeros."""
    dtype = get_aval(x).dtype
    y = _unsigned(x)
    shift = 1
    while shift < 8 * dtype.itemsize:
        y = bitwise_or(y, shift_right_logical(y, shift))
        shift *= 2
    return convert_element_type(population_count(bitwise_not(y)), dtype)


population_count_p, population_count = unary(
    "population_count", INTEGER, reference=_count, kernel=scalar.popcount, decompose=_decompose_count, exact=True,
    does="How many bits are set.",
)  # fmt: skip
clz_p, clz = unary(
    "clz", INTEGER, reference=_clz, kernel=scalar.clz, decompose=_decompose_clz, exact=True,
    does="How many leading bits are zero.",
)  # fmt: skip


# ---- select_n

select_n_p = first_order("select_n", required=True)


def select_n(which: Any, *cases: Any) -> Any:
    """Choose elements among ``cases``: of ``cases[1]`` where ``which`` is true (or 1), of ``cases[0]`` where not.

    Args:
      which: bool, or int32 with any number of cases (clamped to them); of the cases' shape, or a scalar.
      cases: arrays of equal shapes and dtypes; scalars stand for any shape.

    Returns:
      An array of the cases' dtype.

    Raises:
      TypeError: shapes or dtypes differ, or ``which`` is neither bool nor int32.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.select_n(np.array([True, False]), np.float32(1), np.float32(2))
    Array([2., 1.], dtype=float32)
    """
    for case in cases:
        if isinstance(getattr(case, "dtype", None), dtypes.ExtendedDType):
            return _select_keys(which, cases)
    return select_n_p.bind(which, *lift_all(*cases))


def _select_keys(which: Any, cases: Sequence[Any]) -> Any:
    """Choose among arrays of keys: among their words."""
    from cotan.primitives.random_bits import random_unwrap, random_wrap

    words = [random_unwrap(case) for case in cases]
    shape = shape_of(which)
    if shape:
        which = broadcast_in_dim(which, shape + cases[0].dtype.trailing, tuple(range(len(shape))))
    return random_wrap(select_n_p.bind(which, *words), impl=cases[0].dtype.impl)


def select(pred: Any, on_true: Any, on_false: Any) -> Any:
    """``on_true`` where ``pred``, else ``on_false``; shapes and dtypes as in ``select_n``."""
    return select_n(pred, on_false, on_true)


@tables.abstract(select_n_p)
def _(which: ShapedArray, *cases: ShapedArray) -> ShapedArray:
    if not cases:
        raise TypeError("select_n needs at least one case after `which`")
    if which.dtype != BOOLEAN and which.dtype != np.int32:
        raise TypeError(f"select_n: `which` must be bool or int32, got {which.dtype}")
    if which.dtype == BOOLEAN and len(cases) > 2:
        raise TypeError(f"select_n: a bool `which` chooses between at most two cases, got {len(cases)}")
    dtype = cases[0].dtype
    if any(case.dtype != dtype for case in cases):
        raise TypeError(
            f"select_n requires cases of equal dtypes, got {', '.join(str(c.dtype) for c in cases)}; convert them with "
            ".astype, or use cotan.numpy.where, which promotes"
        )
    shape = define.elementwise_shape("select_n", (which, *cases))
    return shaped(shape, dtype, dtype != BOOLEAN and all(case.weak_type for case in cases))


@tables.jvp(select_n_p)
def _(primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    which, *_ = primals
    out = select_n_p.bind(*primals)
    aval = get_aval(out)
    if aval.dtype not in INEXACT:
        return out, Zero(tangent_aval(aval))
    zero = scalar_of(0.0, aval.dtype)
    tangent = select_n_p.bind(which, *(zero if type(t) is Zero else t for t in tangents[1:]))
    return out, tangent if shape_of(tangent) == aval.shape else broadcast_in_dim(tangent, aval.shape, ())


taylor.linear(select_n_p)


@tables.transpose(select_n_p)
def _(ct: Any, which: Any, *cases: Any) -> list[Any]:
    zero = scalar_of(0.0, get_aval(ct).dtype)
    shape = shape_of(ct)
    cts: list[Any] = [None]
    for k, case in enumerate(cases):
        if type(case) is not UndefinedPrimal:
            cts.append(None)
            continue
        chosen = select_n_p.bind(which, *(ct if k == n else zero for n in range(len(cases))))
        cts.append(chosen if case.aval.shape == shape else reduce_sum(chosen, tuple(range(len(shape)))))
    return cts


define.elementwise_batch(select_n_p)


@tables.reference(select_n_p)
def _(which: Any, *cases: Any) -> Any:
    if len(cases) == 1:
        return np.array(np.broadcast_arrays(which, cases[0])[1])
    if which.dtype == BOOLEAN:
        return np.where(which, cases[1], cases[0])
    return np.asarray(np.choose(which, cases, mode="clip"), cases[0].dtype)


@tables.kernel(select_n_p)
def _(i: Any, which: scalar.Operand, *cases: scalar.Operand) -> Any:
    condition, *values = (x[i] if x.shape else x[()] for x in (which, *cases))
    chosen = values[-1]
    for k in range(len(values) - 2, -1, -1):
        if which.dtype == BOOLEAN:
            chosen = scalar.select(condition, chosen, values[k])
        else:
            chosen = scalar.select(scalar.le(condition, scalar.const(k, condition.dtype)), values[k], chosen)
    return chosen


tables.decompose[select_n_p] = define.BASIC
