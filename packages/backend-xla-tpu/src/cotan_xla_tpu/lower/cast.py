"""Changes of dtype, barriers."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan_xla_tpu.driver import hlo
from cotan_xla_tpu.emit import broadcast, compare, constant, convert, tensor
from cotan_xla_tpu.lower.table import rule


@rule("convert_element_type")
def _convert(c: Any, x: Any, new_dtype: Any, weak_type: bool) -> Any:
    old, new = c.ins[0].dtype, c.out.dtype
    if old.kind == "c" and new.kind != "c":
        if new == np.bool_:
            zero = broadcast(constant(np.zeros((), old)), c.out.shape)
            return compare(x, zero, "NE", old)
        x = hlo.real(x)
    return convert(x, new)


@rule("bitcast_convert_type")
def _bitcast(c: Any, x: Any, new_dtype: Any) -> Any:
    old, new = c.ins[0].dtype, c.out.dtype
    if old == new:
        return x
    byte = np.dtype(np.uint8)
    if old == np.bool_:
        x, old = convert(x, byte), byte
    if new == np.bool_:
        zero = broadcast(constant(np.zeros((), byte)), c.out.shape)
        return compare(hlo.bitcast_convert(tensor(c.out.shape, byte), x), zero, "NE", byte)
    return x if old == new else hlo.bitcast_convert(c.type(), x)


@rule("reduce_precision")
def _reduce_precision(c: Any, x: Any, exponent_bits: int, mantissa_bits: int) -> Any:
    return hlo.reduce_precision(x, exponent_bits, mantissa_bits)


@rule("stop_gradient")
def _same(c: Any, x: Any, **params: Any) -> Any:
    return x
