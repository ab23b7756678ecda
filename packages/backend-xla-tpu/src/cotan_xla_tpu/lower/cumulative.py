"""Cumulative operations: windows that end at each element on TPU, which knows them; by doubling steps elsewhere."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from cotan.primitives.reduce import highest, lowest, one, zero
from cotan_xla_tpu.driver import hlo
from cotan_xla_tpu.emit import convert
from cotan_xla_tpu.lower.pooling import windowed
from cotan_xla_tpu.lower.reduce import wide_dtype
from cotan_xla_tpu.lower.table import rule


def _cumulative(c: Any, x: Any, *, combine: Any, identity: Any, wide: bool, axis: int, reverse: bool) -> Any:
    shape = c.out.shape
    if c.platform != "tpu" or 0 in shape:
        return c.decomposed(x)
    dtype = wide_dtype(c.out.dtype) if wide else c.out.dtype
    window = [n if k == axis else 1 for k, n in enumerate(shape)]
    before = shape[axis] - 1
    padding = [((0, before) if reverse else (before, 0)) if k == axis else (0, 0) for k in range(len(shape))]
    init = np.asarray(identity(dtype), dtype)
    return convert(windowed(convert(x, dtype), init, combine, shape, window, padding=padding), c.out.dtype)


for _name, _combine, _identity, _wide in (
    ("cumsum", hlo.add, zero, True),
    ("cumprod", hlo.multiply, one, True),
    ("cummax", hlo.maximum, lowest, False),
    ("cummin", hlo.minimum, highest, False),
):
    rule(_name)(partial(_cumulative, combine=_combine, identity=_identity, wide=_wide))
