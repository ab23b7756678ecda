"""Reductions of columns row by row: some rows at a time over many columns, whose states wait in a small scratch.

A vector loop over columns that goes down all rows before it moves on jumps from row to row: no prefetcher follows so
many streams. A panel goes along the rows instead, a block of them at a time, as memory lies. States between blocks, and
what the following parts of the body need of the parts before, stand in rows of the scratch, a number for each column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cotan.ir.program import Let, Loop, Node, ReduceLoop
from cotan.ir.scalar import Expr
from cotan_cpu.codegen.builder import BITS, Val, literal
from cotan_cpu.codegen.reductions import Reduction, block_level, rounds_of_block

if TYPE_CHECKING:
    from cotan_cpu.codegen.loops import TreePrinter


ROUNDS = 8
"""Rows of a block: as many streams as are followed well."""


class Row(NamedTuple):
    """A number for each column: where they begin, as what they are kept, and what they are."""

    start: Val
    kind: str
    held: str


Each = Callable[[Callable[[Val], None]], None]
"""Runs what it is given for every vector of a panel, with its place in the scratch."""


class Panels:
    """Prints a part of the vector loop ``node`` by panels of ``width`` columns."""

    def __init__(self, printer: TreePrinter, node: Loop, lanes: int, width: int, range_: tuple[int, int, int]) -> None:
        self.p = printer
        self.b = printer.b
        self.node = node
        self.lanes = lanes
        self.width = max(width // lanes, 1) * lanes
        self.range = range_
        """What divides the start of the part, and the least and the greatest column of it."""
        self.saved: dict[Expr, Row] = {}
        """Where the scratch keeps expressions that later parts of the body need."""

    def loop(self, start: Val, stop: Val, masked: bool) -> None:
        """Columns start..stop; ``masked`` where the end may cut through a vector."""

        def panel(first: Val, _: list[Val]) -> list[Val]:
            last = self.b.minimum(self.b.add(first, literal(self.width, "i64")), stop)
            self._panel(first, last, masked)
            return []

        self.b.loop(start, stop, self.width, (), panel)

    def _panel(self, first: Val, last: Val, masked: bool) -> None:
        self.saved.clear()

        def each(body: Callable[[Val], None]) -> None:
            self._each(first, last, masked, body)

        columns: list[Node] = []
        for node in self.node.body:
            if isinstance(node, ReduceLoop):
                self._columns(columns, each)
                columns = []
                self._reduce(node, each)
            elif isinstance(node, Loop):
                self._columns(columns, each)
                columns = []
                self._rows(node, each)
            else:
                columns.append(node)
        self._columns(columns, each)

    def _each(self, first: Val, last: Val, masked: bool, body: Callable[[Val], None]) -> None:
        p = self.p
        align, low, high = self.range

        def vector() -> None:
            place = self.b.binary("sub", p.axes[self.node.axis].base, first)
            for expr, row in self.saved.items():
                p.bind(expr, self._load(row, place))
            body(place)

        p.lane_loop(self.node.axis, first, last, self.lanes, align, low, high, vector, masked)

    # Parts of the body.

    def _columns(self, nodes: Sequence[Node], each: Each) -> None:
        """What is done once for each column; values that depend on it are kept."""
        if not nodes:
            return
        made: dict[Expr, Row] = {}

        def body(place: Val) -> None:
            for node in nodes:
                self.p.node(node)
                if isinstance(node, Let) and self.node.axis in node.value.free_axes:
                    made[node.value] = self._save(self.p.emit(node.value), place)

        each(body)
        self.saved.update(made)

    def _reduce(self, node: ReduceLoop, each: Each) -> None:
        p, b = self.p, self.b
        rows: list[Row] = []
        reductions: list[Reduction] = []

        def begin(place: Val) -> None:
            reductions.append(Reduction(p, node))
            rows.extend(self._save(state, place) for state in reductions[0].first())

        each(begin)
        [reduction] = reductions
        extents = [axis.extent for axis in node.axes]
        level = block_level(extents, ROUNDS)

        def block(start: Val, stop: Val) -> None:
            def vector(place: Val) -> None:
                for nodes in node.levels[:level]:
                    p.nodes(nodes)
                states = reduction.block(level, start, stop, [self._load(row, place) for row in rows])
                for row, state in zip(rows, states, strict=True):
                    self._store(row, state, place)

            each(vector)

        def descend(depth: int) -> None:
            axis = node.axes[depth]
            if depth == level:
                self._blocks(axis.extent, rounds_of_block(extents, level, ROUNDS), block)
                return

            def one(induction: Val, _: list[Val]) -> list[Val]:
                p.bound(axis, induction, 1, 1, 0, axis.extent - 1, lambda: descend(depth + 1))
                return []

            b.loop(literal(0, "i64"), literal(axis.extent, "i64"), 1, (), one)

        descend(0)

        def end(place: Val) -> None:
            states = reduction.final([self._load(row, place) for row in rows])
            for (expr, _), row, state in zip(reduction.results(), rows, states):
                self._store(row, state, place)
                made[expr] = row

        made: dict[Expr, Row] = {}
        each(end)
        self.saved.update(made)

    def _rows(self, node: Loop, each: Each) -> None:
        """A loop inside: each of its rounds for all columns of the panel."""
        p, b, axis = self.p, self.b, node.axis

        def block(start: Val, stop: Val) -> None:
            def one(induction: Val, _: list[Val]) -> list[Val]:
                p.bound(axis, induction, 1, 1, 0, axis.extent - 1, lambda: p.nodes(node.body))
                return []

            def vector(_: Val) -> None:
                b.loop(start, stop, 1, (), one)

            each(vector)

        self._blocks(axis.extent, ROUNDS, block)

    def _blocks(self, extent: int, rounds: int, block: Callable[[Val, Val], None]) -> None:
        end = literal(extent, "i64")

        def one(start: Val, _: list[Val]) -> list[Val]:
            stop = self.b.add(start, literal(rounds, "i64"))
            block(start, stop if extent % rounds == 0 else self.b.minimum(stop, end))
            return []

        self.b.loop(literal(0, "i64"), end, rounds, (), one)

    # The scratch.

    def _save(self, value: Val, place: Val) -> Row:
        """A new row, with ``value`` in it."""
        kind = "i8" if value.kind == "i1" else value.kind
        row = Row(self.b.alloca(kind, self.width), kind, value.kind)
        self._store(row, value, place)
        return row

    def _store(self, row: Row, value: Val, place: Val) -> None:
        b = self.b
        value = b.convert("zext", b.splat(value, self.lanes), row.kind)
        pointer = b.gep(row.kind, row.start, place)
        b.line(f"store {value.type} {value.text}, ptr {pointer.text}, align {BITS[row.kind] // 8}")

    def _load(self, row: Row, place: Val) -> Val:
        b = self.b
        pointer = b.gep(row.kind, row.start, place)
        rhs = f"load <{self.lanes} x {row.kind}>, ptr {pointer.text}, align {BITS[row.kind] // 8}"
        value = b.impure(rhs, row.kind, self.lanes)
        return value if row.held == row.kind else b.convert("trunc", value, row.held)
