"""Products."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan.primitives.dot import Precision, sum_dtype
from cotan_xla_tpu.driver import hlo, ir
from cotan_xla_tpu.emit import broadcast, compare, constant, convert, tensor
from cotan_xla_tpu.lower.table import rule


def precision_attribute(precision: Any) -> Any:
    """How exact a product must be, as an attribute."""
    each = precision if isinstance(precision, tuple) else (precision, precision)
    names = [(one or Precision.DEFAULT).name for one in each]
    return ir.ArrayAttr.get([hlo.PrecisionAttr.get(name) for name in names])


@rule("dot_general")
def _dot(
    c: Any, x: Any, y: Any, *, dimension_numbers: Any, preferred_element_type: Any, precision: Any = None, **_: Any
) -> Any:
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    numbers = hlo.DotDimensionNumbers.get(
        lhs_batching_dimensions=list(x_batch), rhs_batching_dimensions=list(y_batch),
        lhs_contracting_dimensions=list(x_contract), rhs_contracting_dimensions=list(y_contract),
    )  # fmt: skip
    if c.ins[0].dtype == np.bool_:
        x, y = convert(x, np.int32), convert(y, np.int32)
        wide = np.dtype(np.int32)
    else:
        x, y, wide = operands_of(c, x, y)
    found = hlo.dot_general(tensor(c.out.shape, wide), x, y, numbers, precision_config=precision_attribute(precision))
    return is_positive(found, c.out) if c.out.dtype == np.bool_ else convert(found, c.out.dtype)


def is_positive(x: Any, aval: Any) -> Any:
    """Counts as booleans."""
    return compare(x, broadcast(constant(np.zeros((), np.int32)), aval.shape), "NE", np.int32)


def operands_of(c: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """The operands of a product in a dtype that multiplies as the result wants it, and the dtype of its sums."""
    dtype, out = c.ins[0].dtype, c.out.dtype
    wide = sum_dtype(out)
    narrow = dtype.itemsize < 4 and dtype.kind not in "iu"
    # Units for small floats take these as they are and sum in float32; all else is multiplied in the result's dtype.
    if not narrow or c.ins[1].dtype != dtype or wide != np.float32 or c.platform == "cpu":
        x, y = convert(x, wide), convert(y, wide)
    return x, y, wide
