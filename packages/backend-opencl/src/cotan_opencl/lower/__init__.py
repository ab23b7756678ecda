"""What OpenCL devices do otherwise than by kernels of core: one module per family, with the stem of core's file.

A rule of kind ``library`` is ``rule(writer, step)`` and adds commands to a program (``cotan.compiler.c.commands``); its
attribute ``wants(eqn)``, if it has one, leaves small problems to loops.
"""

from __future__ import annotations

from cotan.backend import LoweringTable


def fill(table: LoweringTable, shared: bool) -> None:
    """Register all rules, for devices that share the host's memory or do not; imports the primitives' modules."""
    from cotan_opencl.lower import dot, host

    for module in (dot, host):
        module.register(table)
    if not shared:
        table.on_host.clear()
