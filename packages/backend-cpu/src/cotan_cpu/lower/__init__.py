"""What the CPU does by libraries: one module per family of primitives, with the stem of the family's file in core.

A rule of kind ``eager`` is a function of ndarrays like the primitive's reference; one of kind ``library`` is
``rule(writer, step)`` and adds to the text of a program (``program.Writer``); one of kind ``kernel`` is like core's.
"""

from __future__ import annotations

from importlib import import_module

from cotan.backend import LoweringTable

FAMILIES = (
    "arithmetic", "at_once", "cast", "compare", "conv", "dot", "fft", "incomplete", "lapack", "pooling", "shape",
    "sort", "special", "transcendental", "exact",
)  # fmt: skip


def fill(table: LoweringTable) -> None:
    """Register all rules; imports the primitives' modules."""
    for family in FAMILIES:
        import_module(f"{__name__}.{family}").register(table)
