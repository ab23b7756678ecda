"""Two loops in squares: what is read column by column is fetched row by row and turned round in registers.

A square's columns go through a small scratch, from where the inner loop reads them as rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cotan.ir.program import Loop, Store
from cotan.ir.scalar import Expr
from cotan_cpu.codegen.builder import BITS, Builder, Val, literal
from cotan_cpu.codegen.target import LINE
from cotan_cpu.codegen.types import memory_kind

if TYPE_CHECKING:
    from cotan_cpu.codegen.loops import TreePrinter
    from cotan_cpu.codegen.schedule import Tile

STRIP = 256
"""Rows that are done together, square by square, before the next columns."""


class Tiling:
    """Prints the loop ``node`` and the one in it by squares."""

    def __init__(self, printer: TreePrinter, node: Loop, tile: Tile) -> None:
        self.p = printer
        self.b = printer.b
        self.rows = node.axis
        self.columns = tile.inner.axis
        self.tile = tile
        operands = printer.slots
        self.kinds = [memory_kind(operands[load.attr[0]].dtype) for load in tile.loads]
        self.scratch = [self.b.alloca(kind, tile.size * tile.size) for kind in self.kinds]
        stores = [n.value.dtype.itemsize for n in tile.inner.body if isinstance(n, Store)]
        # The other part of a line comes much later, and a line that goes past the caches in parts is slow.
        self.streamed = printer.streamed if tile.size * min(stores) % LINE == 0 else frozenset()

    def loop(self, start: Val, stop: Val, align: int) -> None:
        """Rows start..stop; ``align`` divides the start."""
        b, size = self.b, self.tile.size
        zero, width = literal(0, "i64"), literal(self.columns.extent, "i64")
        rows_end = self.p.whole_end(start, stop, size)
        columns_end = self.p.whole_end(zero, width, size)

        def strip(first: Val, _: list[Val]) -> list[Val]:
            last = b.minimum(b.add(first, literal(STRIP, "i64")), rows_end)
            return b.loop(zero, columns_end, size, (), lambda column, _: squares(first, last, column))

        def squares(first: Val, last: Val, column: Val) -> list[Val]:
            return b.loop(first, last, size, (), lambda row, _: self._square(row, column))

        b.loop(start, rows_end, STRIP, (), strip)
        if self.columns.extent % size == 0 and self.rows.extent % size == 0 and align % size == 0:
            return
        # What no square covers: the last columns of the rows above, and the last rows.
        b.loop(start, stop, 1, (), lambda row, _: self._rest(row, rows_end, columns_end))

    def _rest(self, row: Val, rows_end: Val, columns_end: Val) -> list[Val]:
        b = self.b
        first = b.select(b.compare("icmp slt", row, rows_end), columns_end, literal(0, "i64"))
        width = self.columns.extent

        def body() -> None:
            self.p.vector_loop(
                self.tile.inner, self.tile.size, first, literal(width, "i64"), self.tile.size, 0, width, 0.0
            )

        self.p.bound(self.rows, row, 1, 1, 0, self.rows.extent - 1, body)
        return []

    def _square(self, row: Val, column: Val) -> list[Val]:
        b, size = self.b, self.tile.size
        for load, kind, scratch in zip(self.tile.loads, self.kinds, self.scratch):
            for lane, vector in enumerate(transposed(b, self._columns(load, kind, row, column))):
                place = b.gep(kind, scratch, literal(lane * size, "i64"))
                b.line(f"store {vector.type} {vector.text}, ptr {place.text}, align {_align(vector)}")
        return b.loop(literal(0, "i64"), literal(size, "i64"), 1, (), lambda lane, _: self._row(row, column, lane))

    def _columns(self, load: Expr, kind: str, row: Val, column: Val) -> list[Val]:
        """For every column of the square its rows, as a vector."""
        p, b, size = self.p, self.b, self.tile.size
        vectors: list[Val] = []

        def read() -> None:
            value = p.load(*load.attr)
            vectors.append(b.convert("zext", value, kind) if value.kind == "i1" else value)

        for number in range(size):
            place = b.add(column, literal(number, "i64"))

            def one(place: Val = place) -> list[Val]:
                p.lanes = size
                p.bound(self.columns, place, 1, 1, 0, self.columns.extent - 1, rows)
                p.lanes = 1
                return []

            def rows() -> None:
                p.bound(self.rows, row, size, size, 0, self.rows.extent - 1, read)

            one()
        return vectors

    def _row(self, row: Val, column: Val, lane: Val) -> list[Val]:
        """One row of the square, with what was turned round read from the scratch."""
        p, b, size = self.p, self.b, self.tile.size
        place = b.scale(lane, size)
        for load, kind, scratch in zip(self.tile.loads, self.kinds, self.scratch):
            pointer = b.gep(kind, scratch, place)
            value = b.impure(f"load <{size} x {kind}>, ptr {pointer.text}, align {_align_of(kind, size)}", kind, size)
            if p.slots[load.attr[0]].dtype.kind == "b":
                value = b.compare("icmp ne", value, literal(0, kind))
            p.bind(load, value)

        def columns() -> None:
            p.bound(self.columns, column, size, size, 0, self.columns.extent - 1, lambda: p.nodes(self.tile.inner.body))

        p.lanes, streamed = size, p.streamed
        p.streamed = self.streamed
        p.bound(self.rows, b.add(row, lane), 1, 1, 0, self.rows.extent - 1, columns)
        p.lanes, p.streamed = 1, streamed
        return []


def transposed(b: Builder, rows: list[Val]) -> list[Val]:
    """The columns of a square matrix whose rows are vectors."""
    rows = list(rows)
    for place, partner, upper, lower in exchanges(len(rows)):
        above, below = rows[place], rows[partner]
        rows[place] = b.shuffle(above, below, upper)
        rows[partner] = b.shuffle(above, below, lower)
    return rows


def exchanges(size: int) -> Iterator[tuple[int, int, list[int], list[int]]]:
    """How a square of ``size`` vectors is turned round: blocks are exchanged, from large to small.

    Each step is two rows and the lanes, of both side by side, that become the first and the second of them.
    """
    distance = size // 2
    while distance:
        upper = [lane if not lane & distance else size + lane - distance for lane in range(size)]
        lower = [lane + distance if not lane & distance else size + lane for lane in range(size)]
        for place in range(size):
            if not place & distance:
                yield place, place + distance, upper, lower
        distance //= 2


def _align(vector: Val) -> int:
    return _align_of(vector.kind, vector.lanes)


def _align_of(kind: str, lanes: int) -> int:
    return min(64, BITS[kind] // 8 * lanes)
