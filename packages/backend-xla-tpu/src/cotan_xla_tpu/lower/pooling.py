"""Pooling: reductions over sliding windows, and the choice of window elements."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from cotan.primitives.reduce import highest, lowest, zero
from cotan_xla_tpu.driver import hlo
from cotan_xla_tpu.emit import constant, convert, pairs, region, tensor
from cotan_xla_tpu.lower.reduce import wide_dtype
from cotan_xla_tpu.lower.table import rule


def windowed(
    x: Any, init: np.ndarray, combine: Any, shape: Sequence[int], window: Sequence[int], *,
    strides: Sequence[int] | None = None, padding: Any = None, base: Any = None, dilation: Any = None,
) -> Any:  # fmt: skip
    """``x`` reduced over windows, to ``shape``."""
    scalar = tensor((), init.dtype)
    op = hlo.ReduceWindowOp(
        [tensor(shape, init.dtype)], [x], [constant(init)], list(window), window_strides=_listed(strides),
        base_dilations=_listed(base), window_dilations=_listed(dilation),
        padding=pairs(padding) if padding is not None and len(padding) else None,
    )  # fmt: skip
    region(op, 0, [scalar, scalar], lambda a, b: [combine(a, b)])
    return op.results[0]


def _listed(values: Any) -> list[int] | None:
    return None if values is None else list(values)


def _pool(c: Any, x: Any, *, combine: Any, identity: Any, wide: bool, **window: Any) -> Any:
    if 0 in c.ins[0].shape or 0 in c.out.shape or not c.out.shape:
        return c.decomposed(x)
    dtype = wide_dtype(c.out.dtype) if wide else c.out.dtype
    found = windowed(
        convert(x, dtype), np.asarray(identity(dtype), dtype), combine, c.out.shape, window["window_dimensions"],
        strides=window["window_strides"], padding=window["padding"], base=window["base_dilation"],
        dilation=window["window_dilation"],
    )  # fmt: skip
    return convert(found, c.out.dtype)


rule("reduce_window_sum")(partial(_pool, combine=hlo.add, identity=zero, wide=True))
rule("reduce_window_max")(partial(_pool, combine=hlo.maximum, identity=lowest, wide=False))
rule("reduce_window_min")(partial(_pool, combine=hlo.minimum, identity=highest, wide=False))
