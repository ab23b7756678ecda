"""The few operations that transforms themselves emit, and symbolic zeros.

Primitive objects, abstract rules and bind functions only; the other rules of these primitives stand with their families
in ``primitives``. Knows no transform, backend or other operation.
"""

from __future__ import annotations

from cotan.structural.operations import (
    add_any,
    add_any_p,
    broadcast_in_dim,
    broadcast_in_dim_p,
    convert_element_type,
    convert_element_type_p,
    reduce_sum,
    reduce_sum_p,
    transpose,
    transpose_p,
)
from cotan.structural.zero import NotLinearError, UndefinedPrimal, Zero, add_tangents, instantiate, zeros_like_aval

__all__ = [
    "NotLinearError",
    "UndefinedPrimal",
    "Zero",
    "add_any",
    "add_any_p",
    "add_tangents",
    "broadcast_in_dim",
    "broadcast_in_dim_p",
    "convert_element_type",
    "convert_element_type_p",
    "instantiate",
    "reduce_sum",
    "reduce_sum_p",
    "transpose",
    "transpose_p",
    "zeros_like_aval",
]
