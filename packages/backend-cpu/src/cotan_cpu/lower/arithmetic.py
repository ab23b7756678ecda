"""Arithmetic at once: large arrays by several threads, and what is a ufunc of NumPy for some dtypes only."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from cotan.backend import LoweringTable
from cotan.ir.primitive import reference
from cotan.primitives.operands import quiet
from cotan_cpu.lower.at_once import by_span
from cotan_cpu.pool import pool

_SHARED_FROM = 1 << 20
"""Bytes from which threads take less time than NumPy's one."""
# Where native code has other bits than NumPy: by another formula, or, of two zeros, by another choice.
_COMPLEX = frozenset(map(np.dtype, (np.complex64, np.complex128)))
_FLOAT16 = frozenset({np.dtype(np.float16)})


def div(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x / y; integers by the reference."""
    dtype = x.dtype
    if dtype.kind not in "fc":
        return _reference()(x, y)  # type: ignore[no-any-return]
    shape = x.shape or y.shape
    return quiet(np.divide, x, y, out=pool.empty(shape, dtype, math.prod(shape) * dtype.itemsize))  # type: ignore[no-any-return]


@functools.cache
def _reference() -> Any:
    from cotan.primitives.arithmetic import div_p

    return reference[div_p]


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives import arithmetic as family

    for primitive in (family.add_p, family.add_any_p, family.sub_p, family.mul_p, family.neg_p):
        table.rule("eager", primitive)(by_span(primitive, least=_SHARED_FROM, joins=True))
    table.rule("eager", family.sqrt_p)(by_span(family.sqrt_p, least=_SHARED_FROM, joins=True, always=_COMPLEX))
    table.rule("eager", family.div_p)(by_span(family.div_p, div, _SHARED_FROM, np.divide, joins=True, always=_COMPLEX))
    for primitive in (family.sign_p, family.integer_pow_p):
        table.rule("eager", primitive)(by_span(primitive, least=_SHARED_FROM, always=_COMPLEX))
    table.rule("eager", family.rsqrt_p)(by_span(family.rsqrt_p))
    for primitive in (family.max_p, family.min_p, family.clamp_p):
        table.rule("eager", primitive)(by_span(primitive, least=_SHARED_FROM, always=_FLOAT16))
