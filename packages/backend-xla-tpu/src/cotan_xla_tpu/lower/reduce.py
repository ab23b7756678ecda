"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.primitives.operands import FLOAT
from cotan.primitives.reduce import all_bits, highest, lowest, one, zero
from cotan_xla_tpu.driver import hlo
from cotan_xla_tpu.emit import compare, constant, convert, region, tensor
from cotan_xla_tpu.lower.table import rule


def reduced(
    operands: Sequence[Any], inits: Sequence[np.ndarray], axes: Sequence[int], shape: Any, body: Callable[..., Any]
) -> list[Any]:
    """``operands`` reduced over ``axes`` to ``shape`` by ``body`` of two states, from ``inits``."""
    types = [tensor((), x.dtype) for x in inits]
    op = hlo.ReduceOp([tensor(shape, x.dtype) for x in inits], list(operands), list(map(constant, inits)), list(axes))
    region(op, 0, [*types, *types], body)
    return list(op.results)


def wide_dtype(dtype: Any) -> Any:
    """The dtype in which sums and products of ``dtype`` are kept."""
    small = dtypes.issubdtype(dtype, np.floating) and dtype.itemsize < 4
    return np.dtype(np.float32) if small else dtype


def _reduction(c: Any, x: Any, axes: Any, *, combine: Any, identity: Any, wide: bool) -> Any:
    dtype = wide_dtype(c.out.dtype) if wide else c.out.dtype
    init = np.asarray(identity(dtype), dtype)
    [found] = reduced([convert(x, dtype)], [init], axes, c.out.shape, lambda a, b: [combine(a, b)])
    return convert(found, c.out.dtype)


for _name, _combine, _identity, _wide in (
    ("reduce_sum", hlo.add, zero, True),
    ("reduce_prod", hlo.multiply, one, True),
    ("reduce_max", hlo.maximum, lowest, False),
    ("reduce_min", hlo.minimum, highest, False),
    ("reduce_and", hlo.and_, all_bits, False),
    ("reduce_or", hlo.or_, zero, False),
    ("reduce_xor", hlo.xor, zero, False),
):
    rule(_name)(partial(_reduction, combine=_combine, identity=_identity, wide=_wide))


def _extremum_place(c: Any, x: Any, axes: Any, index_dtype: Any, *, direction: str, worst: Any) -> Any:
    """The first place of the best element; NaN is better than all."""
    dtype, index = c.ins[0].dtype, np.dtype(index_dtype)

    def better(a: Any, i: Any, b: Any, j: Any) -> list[Any]:
        first, same = compare(a, b, direction, dtype), compare(a, b, "EQ", dtype)
        if dtype in FLOAT:
            a_nan, b_nan = compare(a, a, "NE", dtype), compare(b, b, "NE", dtype)
            first = hlo.or_(first, hlo.and_(a_nan, hlo.not_(b_nan)))
            same = hlo.or_(same, hlo.and_(a_nan, b_nan))
        first = hlo.or_(first, hlo.and_(same, compare(i, j, "LT", index)))
        return [hlo.select(first, a, b), hlo.select(first, i, j)]

    places = hlo.iota(tensor(c.ins[0].shape, index), axes[0])
    inits = [np.asarray(worst(dtype), dtype), np.asarray(dtypes.iinfo(index).max, index)]
    return reduced([x, places], inits, axes, c.out.shape, better)[1]


rule("argmax")(partial(_extremum_place, direction="GT", worst=lowest))
rule("argmin")(partial(_extremum_place, direction="LT", worst=highest))
