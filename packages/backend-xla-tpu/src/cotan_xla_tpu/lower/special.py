"""Special functions, where StableHLO's client library has them."""

from __future__ import annotations

from cotan_xla_tpu.driver import chlo
from cotan_xla_tpu.lower.table import elementwise

for _name, _operation in {
    "erf": chlo.erf, "erfc": chlo.erfc, "digamma": chlo.digamma,
    "bessel_i1e": chlo.bessel_i1e,
}.items():  # fmt: skip
    elementwise(_name, _operation)
