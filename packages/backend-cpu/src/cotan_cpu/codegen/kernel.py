"""One kernel as one LLVM function ``void @symbol(ptr %table, i64 %begin, i64 %end)`` over units of its loops."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cotan.ir.program import Kernel
from cotan_cpu.codegen.arrange import arrange
from cotan_cpu.codegen.builder import Builder, Val
from cotan_cpu.codegen.loops import TreePrinter
from cotan_cpu.codegen.schedule import Planner, blocks, divide, rounds, seconds
from cotan_cpu.codegen.target import Target


@dataclass(frozen=True)
class KernelCode:
    """A printed kernel.

    Attributes:
      text: LLVM IR: the function, and declarations of what it calls (see ``jit.unique_declarations``).
      symbol: the function's name.
      units: how many units 0..units the caller may divide among threads; 1 means not divisible.
      unit_cost: estimated seconds for one unit.
    """

    text: str
    symbol: str
    units: int
    unit_cost: float


def emit_kernel(
    kernel: Kernel,
    target: Target,
    symbol: str,
    streamed: Collection[int] = (),
    *,
    endless: bool = False,
    block: int = 0,
) -> KernelCode:
    """Print ``kernel`` for ``target``.

    ``streamed``: operands that nobody reads soon, at addresses that are multiples of 64: they are written past the
    caches if the target says that so much should be. ``endless``: units are rounds of the only loop, however many.
    ``block``: units are so many elements of the only loop.

    The function's table holds one data pointer per operand of the kernel. Raises UnsupportedError for dtypes or
    operations that have no native code.

    >>> import numpy as np
    >>> from cotan.ir.index import const_index
    >>> from cotan.ir.program import Kernel, KernelOperand, Store
    >>> from cotan.ir.scalar import const
    >>> out = KernelOperand((), np.dtype(np.float32), written=True, read=False)
    >>> kernel = Kernel("one", (out,), (Store(0, const_index(0), const(1, np.float32)),))
    >>> "store float 0x3FF0000000000000" in emit_kernel(kernel, Target(), "one").text
    True
    """
    builder = Builder()
    moved = kernel.bytes or sum(operand.size * operand.dtype.itemsize for operand in kernel.operands)
    past_caches = frozenset(streamed) if target.streaming and moved >= target.streaming else frozenset()
    planner = Planner(target, bool(kernel.in_place), bool(past_caches))
    tree = arrange(kernel.tree, target)
    cycles = planner.plan(tree)
    if block:
        units = blocks(tree, block)
    else:
        units = rounds(tree, planner) if endless else divide(tree, planner, kernel.in_place)
    printer = TreePrinter(builder, target, kernel, planner, past_caches)
    printer.units(tree, units, Val("%begin", "i64", 1, 0), Val("%end", "i64", 1, 0))
    printer.finish_streams()
    attributes = f'nounwind "prefer-vector-width"="{target.vector_bytes * 8}"'
    text = "\n".join(
        [
            f"define void @{symbol}(ptr noalias %table, i64 %begin, i64 %end) {attributes} {{",
            "entry:",
            builder.text(),
            "  ret void",
            "}",
            *builder.declarations.values(),
            "",
        ]
    )
    return KernelCode(text, symbol, units.count, seconds(cycles, moved) / max(units.count, 1))
