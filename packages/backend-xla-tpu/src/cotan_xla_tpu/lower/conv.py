"""Convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan_xla_tpu.driver import hlo
from cotan_xla_tpu.emit import constant, convert, pairs, tensor
from cotan_xla_tpu.lower.dot import is_positive, operands_of, precision_attribute
from cotan_xla_tpu.lower.table import rule


@rule("conv_general_dilated")
def _conv(
    c: Any, x: Any, y: Any, *, window_strides: Any, padding: Any, lhs_dilation: Any, rhs_dilation: Any,
    dimension_numbers: Any, feature_group_count: int, batch_group_count: int, precision: Any, **_: Any,
) -> Any:  # fmt: skip
    if 0 in c.ins[0].shape or 0 in c.ins[1].shape or 0 in c.out.shape:
        return constant(np.zeros(c.out.shape, c.out.dtype))
    lhs, rhs, out = dimension_numbers
    rank = len(window_strides)
    if any(low < 0 or high < 0 for low, high in padding) and any(d > 1 for d in lhs_dilation):
        return c.decomposed(x, y)
    if c.out.dtype == np.bool_:
        x, y, wide = convert(x, np.int32), convert(y, np.int32), np.dtype(np.int32)
    else:
        x, y, wide = operands_of(c, x, y)
    numbers = hlo.ConvDimensionNumbers.get(
        input_batch_dimension=lhs[0], input_feature_dimension=lhs[1], input_spatial_dimensions=list(lhs[2:]),
        kernel_output_feature_dimension=rhs[0], kernel_input_feature_dimension=rhs[1],
        kernel_spatial_dimensions=list(rhs[2:]), output_batch_dimension=out[0], output_feature_dimension=out[1],
        output_spatial_dimensions=list(out[2:]),
    )  # fmt: skip
    found = hlo.convolution(
        tensor(c.out.shape, wide), x, y, numbers, feature_group_count, batch_group_count,
        window_strides=list(window_strides), padding=pairs(padding) if rank else None,
        lhs_dilation=list(lhs_dilation), rhs_dilation=list(rhs_dilation), window_reversal=[False] * rank,
        precision_config=precision_attribute(precision),
    )  # fmt: skip
    return is_positive(found, c.out) if c.out.dtype == np.bool_ else convert(found, c.out.dtype)
