"""Padding."""

from __future__ import annotations

from typing import Any

from cotan_xla_tpu.driver import hlo
from cotan_xla_tpu.lower.table import rule


@rule("pad")
def _pad(c: Any, x: Any, value: Any, padding_config: Any) -> Any:
    low, high, interior = zip(*padding_config, strict=True) if padding_config else ((), (), ())
    return hlo.pad(x, value, list(low), list(high), list(interior))
