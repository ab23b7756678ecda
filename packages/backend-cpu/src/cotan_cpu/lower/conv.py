"""conv_general_dilated in programs. The plan and the text of one are imported when a program has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotan.backend import LoweringTable
from cotan.ir.program import LibraryStep

if TYPE_CHECKING:
    from cotan_cpu.program import Writer


def write(writer: Writer, step: LibraryStep) -> None:
    """The calls that do a convolution in a program."""
    from cotan_cpu.lower import conv_plan

    conv_plan.write(writer, step)


def register(table: LoweringTable) -> None:
    """Add the rules of this module."""
    from cotan.primitives.conv import conv_general_dilated_p

    table.rule("library", conv_general_dilated_p)(write)
