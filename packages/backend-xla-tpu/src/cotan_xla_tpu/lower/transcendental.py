"""Elementary functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan_xla_tpu.driver import chlo, hlo
from cotan_xla_tpu.emit import broadcast, constant
from cotan_xla_tpu.lower.table import elementwise, rule

for _name, _operation in {
    "exp": hlo.exponential, "expm1": hlo.exponential_minus_one, "log": hlo.log, "log1p": hlo.log_plus_one,
    "logistic": hlo.logistic, "sin": hlo.sine, "cos": hlo.cosine, "tan": hlo.tan, "tanh": hlo.tanh, "atan2": hlo.atan2,
    "asin": chlo.asin, "acos": chlo.acos, "atan": chlo.atan, "sinh": chlo.sinh, "cosh": chlo.cosh, "asinh": chlo.asinh,
    "acosh": chlo.acosh, "atanh": chlo.atanh,
}.items():  # fmt: skip
    elementwise(_name, _operation)


@rule("exp2")
def _exp2(c: Any, x: Any) -> Any:
    two = broadcast(constant(np.array(2, c.out.dtype)), c.out.shape)
    return hlo.power(two, x)
