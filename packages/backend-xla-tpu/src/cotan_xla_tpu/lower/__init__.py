"""The rules, one module for each family of core's primitives, of the same name."""

from __future__ import annotations

import importlib

from cotan.backend import LoweringTable
from cotan.ir.primitive import Primitive
from cotan_xla_tpu.lower.table import RULES

FAMILIES = (
    "arithmetic", "call", "callback", "cast", "collective", "compare", "control", "conv", "cumulative", "dot", "fft",
    "gather", "linalg", "pad", "pooling", "random_bits", "reduce", "scatter", "shape", "slice", "sort", "special",
    "transcendental",
)  # fmt: skip


def fill(table: LoweringTable) -> None:
    """Enter all rules into the backend's table."""
    for family in FAMILIES:
        importlib.import_module(f"{__name__}.{family}")
        importlib.import_module(f"cotan.primitives.{family}")
    table.native.update((Primitive.catalogue[name], rule) for name, rule in RULES.items())
