"""sort and top_k: NaN last, equal elements in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan import dtypes
from cotan.primitives.operands import FLOAT
from cotan_xla_tpu.driver import hlo
from cotan_xla_tpu.emit import compare, region, tensor
from cotan_xla_tpu.lower.table import rule


def _before(pairs: Sequence[tuple[Any, Any, Any]]) -> Any:
    """Whether the first of each pair of keys comes before the second, the first pair counting most."""
    result = None
    for x, y, dtype in reversed(pairs):
        less, same = compare(x, y, "LT", dtype), compare(x, y, "EQ", dtype)
        if dtype in FLOAT:
            x_nan, y_nan = compare(x, x, "NE", dtype), compare(y, y, "NE", dtype)
            less = hlo.or_(less, hlo.and_(hlo.not_(x_nan), y_nan))
            same = hlo.or_(same, hlo.and_(x_nan, y_nan))
        result = less if result is None else hlo.or_(less, hlo.and_(same, result))
    return result


@rule("sort")
def _sort(c: Any, *operands: Any, dimension: int, is_stable: bool, num_keys: int) -> list[Any]:
    avals = c.ins

    def comparator(*elements: Any) -> list[Any]:
        found: list[tuple[Any, Any, Any]] = []
        for k in range(num_keys):
            x, y, dtype = elements[2 * k], elements[2 * k + 1], avals[k].dtype
            if getattr(dtype, "kind", "") == "c":
                part = dtypes.finfo(dtype).dtype
                found += [(hlo.real(x), hlo.real(y), part), (hlo.imag(x), hlo.imag(y), part)]
            else:
                found.append((x, y, dtype))
        return [_before(found)]

    op = hlo.SortOp([x.type for x in operands], list(operands), dimension=dimension, is_stable=is_stable)
    scalars = [tensor((), aval.dtype) for aval in avals for _ in range(2)]
    region(op, 0, scalars, comparator)
    return list(op.results)
