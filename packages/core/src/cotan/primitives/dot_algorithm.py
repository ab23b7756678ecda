"""How products of floats may be computed: algorithms that round operands, split them into parts, and sum.

`DotAlgorithm` says one, `DotAlgorithmPreset` names the usual ones. An algorithm is a composition of products that all
backends have, so that it means the same on each. Knows no axes: the product itself is a function that is given.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan.config import config
from cotan.ir.avals import get_aval
from cotan.primitives.arithmetic import add, sub
from cotan.primitives.cast import reduce_precision
from cotan.structural import convert_element_type


class DotAlgorithm(NamedTuple):
    """What the operands of a product are rounded to, in which dtype products are summed, and how.

    Attributes:
      lhs_precision_type, rhs_precision_type: dtypes to which the operands are rounded ('tensorfloat32' is one too).
      accumulation_type: the dtype of the sums.
      lhs_component_count, rhs_component_count: into how many parts of that precision an operand is split.
      num_primitive_operations: how many products of parts are summed, those of the largest parts first.
      allow_imprecise_accumulation: whether sums may lose digits; here they never do.

    >>> import numpy as np
    >>> from cotan import lax
    >>> half = lax.DotAlgorithm(np.float16, np.float16, np.float32)
    >>> lax.dot(np.float16([1, 2]), np.float16([3, 4]), precision=half)
    Array(11., dtype=float16)
    """

    lhs_precision_type: Any
    rhs_precision_type: Any
    accumulation_type: Any
    lhs_component_count: int = 1
    rhs_component_count: int = 1
    num_primitive_operations: int = 1
    allow_imprecise_accumulation: bool = False


class DotAlgorithmPreset(enum.Enum):
    """Usual algorithms, named by the dtypes of both operands and of the sums; X3 means that three products are made.

    >>> from cotan import lax
    >>> lax.DotAlgorithmPreset.BF16_BF16_F32_X3.name
    'BF16_BF16_F32_X3'
    """

    DEFAULT = 1
    ANY_F8_ANY_F8_F32 = 2
    ANY_F8_ANY_F8_F32_FAST_ACCUM = 3
    ANY_F8_ANY_F8_ANY = 4
    ANY_F8_ANY_F8_ANY_FAST_ACCUM = 5
    F16_F16_F16 = 6
    F16_F16_F32 = 7
    BF16_BF16_BF16 = 8
    BF16_BF16_F32 = 9
    BF16_BF16_F32_X3 = 10
    BF16_BF16_F32_X6 = 11
    BF16_BF16_F32_X9 = 12
    TF32_TF32_F32 = 13
    TF32_TF32_F32_X3 = 14
    F32_F32_F32 = 15
    F64_F64_F64 = 16


_BF16, _TF32 = dtypes.bfloat16, "tensorfloat32"
_ALGORITHMS = {
    DotAlgorithmPreset.F16_F16_F16: DotAlgorithm(np.float16, np.float16, np.float16),
    DotAlgorithmPreset.F16_F16_F32: DotAlgorithm(np.float16, np.float16, np.float32),
    DotAlgorithmPreset.BF16_BF16_BF16: DotAlgorithm(_BF16, _BF16, _BF16),
    DotAlgorithmPreset.BF16_BF16_F32: DotAlgorithm(_BF16, _BF16, np.float32),
    DotAlgorithmPreset.BF16_BF16_F32_X3: DotAlgorithm(_BF16, _BF16, np.float32, 2, 2, 3),
    DotAlgorithmPreset.BF16_BF16_F32_X6: DotAlgorithm(_BF16, _BF16, np.float32, 3, 3, 6),
    DotAlgorithmPreset.BF16_BF16_F32_X9: DotAlgorithm(_BF16, _BF16, np.float32, 3, 3, 9),
    DotAlgorithmPreset.TF32_TF32_F32: DotAlgorithm(_TF32, _TF32, np.float32),
    DotAlgorithmPreset.TF32_TF32_F32_X3: DotAlgorithm(_TF32, _TF32, np.float32, 2, 2, 3),
    DotAlgorithmPreset.F32_F32_F32: DotAlgorithm(np.float32, np.float32, np.float32),
    DotAlgorithmPreset.F64_F64_F64: DotAlgorithm(np.float64, np.float64, np.float64),
}
_NAMED: dict[str, DotAlgorithmPreset] = {preset.name: preset for preset in DotAlgorithmPreset}
# Digits of the significand and of the exponent that rounding to TensorFloat-32 keeps.
_TF32_BITS = (8, 10)


def algorithm_of(precision: Any) -> DotAlgorithm | DotAlgorithmPreset | None:
    """The algorithm that an argument ``precision`` asks for by object or by name; None if it asks for none."""
    found = _NAMED.get(precision) if isinstance(precision, str) and precision != "DEFAULT" else precision
    return found if isinstance(found, DotAlgorithm | DotAlgorithmPreset) else None


def _for_small_floats(preset: DotAlgorithmPreset, lhs: Any, rhs: Any) -> DotAlgorithm:
    for operand in (lhs, rhs):
        if not (dtypes.issubdtype(operand, np.floating) and operand.itemsize == 1):
            raise TypeError(
                f"dot_general: the algorithm {preset.name} takes operands of 8-bit floating dtypes, got "
                f"{dtypes.short_name(operand)}; convert them with .astype, or choose another algorithm"
            )
    return DotAlgorithm(lhs, rhs, np.float32)


def _rounded(x: Any, kind: Any) -> Any:
    """``x`` with the digits of ``kind``, in the dtype in which it is multiplied."""
    if kind == _TF32:
        return reduce_precision(convert_element_type(x, np.dtype(np.float32)), *_TF32_BITS)
    return convert_element_type(x, np.dtype(kind))


def _parts(x: Any, kind: Any, count: int, total: Any) -> list[Any]:
    """Parts of ``x``, each with the digits of ``kind``, that add up to it as nearly as ``count`` of them can."""
    parts = []
    rest = x if count == 1 else convert_element_type(x, total)
    for left in reversed(range(count)):
        part = _rounded(rest, kind)
        parts.append(part)
        if left:
            rest = sub(rest, convert_element_type(part, total))
    return parts


def dot_by_algorithm(
    product: Callable[[Any, Any, Any], Any],
    lhs: Any,
    rhs: Any,
    asked: DotAlgorithm | DotAlgorithmPreset,
    preferred: Any,
) -> Any:
    """The product of ``lhs`` and ``rhs`` by an algorithm, in dtype ``preferred``, or that of the operands.

    Args:
      product: ``(lhs, rhs, dtype) -> array``: the product of operands of one dtype, summed in another.

    Raises:
      TypeError: operands that are no real floats, or not those of the algorithm.
      ValueError: numbers of parts or products that make no algorithm, or sums of 64 bits while those are off.
    """
    kinds = (get_aval(lhs).dtype, get_aval(rhs).dtype)
    if asked is DotAlgorithmPreset.DEFAULT:
        return product(lhs, rhs, preferred)
    for kind in kinds:
        if not dtypes.issubdtype(kind, np.floating):
            raise TypeError(
                f"dot_general: algorithms are for products of real floats, got {dtypes.short_name(kind)}; leave out "
                "`precision`"
            )
    if isinstance(asked, DotAlgorithm):
        algorithm = asked
    else:
        algorithm = _ALGORITHMS[asked] if asked in _ALGORITHMS else _for_small_floats(asked, *kinds)
    left_count, right_count = algorithm.lhs_component_count, algorithm.rhs_component_count
    if min(left_count, right_count) < 1 or not 1 <= algorithm.num_primitive_operations <= left_count * right_count:
        raise ValueError(
            f"dot_general: {left_count} and {right_count} parts have 1 to {max(left_count * right_count, 1)} products, "
            f"got num_primitive_operations={algorithm.num_primitive_operations}"
        )
    total = np.dtype(algorithm.accumulation_type)
    if total.itemsize == 8 and not config.enable_x64:
        raise ValueError("dot_general: the algorithm sums in float64, which is off; see cotan.enable_x64")
    left = _parts(lhs, algorithm.lhs_precision_type, left_count, total)
    right = _parts(rhs, algorithm.rhs_precision_type, right_count, total)
    pairs = sorted(((i, j) for i in range(left_count) for j in range(right_count)), key=lambda p: (sum(p), p))
    result = None
    # Small products first: what they add to each other is not lost beside the large one.
    for i, j in reversed(pairs[: algorithm.num_primitive_operations]):
        x, y = left[i], right[j]
        if get_aval(x).dtype != get_aval(y).dtype:
            x, y = convert_element_type(x, total), convert_element_type(y, total)
        term = product(x, y, total)
        result = term if result is None else add(result, term)
    return convert_element_type(result, np.dtype(kinds[0] if preferred is None else preferred))
