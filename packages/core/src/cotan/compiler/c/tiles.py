"""Tiles as text: where columns of memory become rows, squares of them are turned around in registers.

Their columns are read as they lie, and their rows are vectors of an array. Knows no division of work.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from cotan.compiler.c.columns import Columns
from cotan.compiler.c.expressions import Val
from cotan.compiler.c.schedule import SIDE, TALL, TILE, Work, expressions
from cotan.ir.index import Axis, Index

_ACROSS = TILE // SIDE


class Tiles(Columns):
    """Prints loads from the columns of a tile.

    Attributes:
      turned: (slot, index) -> its array, whose vectors are the rows of the present tile.
      corner: the first row and the first column of the tile.
    """

    work: Work
    turned: dict[tuple[int, Index], str]
    corner = ("0", "0")

    def tiles(self, axis: Axis, number: str, block: tuple[str, str], rows: Callable[[], None]) -> None:
        """The tiles of the unit with that ``number`` along ``axis``, row by row; ``block`` are their columns."""
        index, end = self.index_type, self.number(axis.extent)
        first, last, behind = self.fresh("i"), self.fresh("i"), self.fresh("i")
        self.line(f"const {index} {behind} = ({number} + 1) * {TALL} < {end} ? ({number} + 1) * {TALL} : {end};")
        self.open(f"for ({index} {first} = {number} * {TALL}; {first} < {behind}; {first} += {TILE})")
        self.line(f"const {index} {last} = {first} + {TILE} < {end} ? {first} + {TILE} : {end};")
        loads = self._columns_of(axis)
        if loads:
            self.open(f"if ({last} - {first} == {TILE} && {block[1]} - {block[0]} == {TILE})")
            self.axes[axis], self.corner = first, (first, block[0])
            self._turn(loads)
            self._each_row(axis, first, last, rows)
            self.turned = {}
            self.close()
            self.open("else")
        self._each_row(axis, first, last, rows)
        if loads:
            self.close()
        self.close()

    def _each_row(self, axis: Axis, first: str, last: str, rows: Callable[[], None]) -> None:
        row = self.fresh("i")
        self.open(f"for ({self.index_type} {row} = {first}; {row} < {last}; {row}++)")
        self.axes[axis] = row
        rows()
        self.close()

    def _columns_of(self, axis: Axis) -> list[tuple[int, Index]]:
        """Loads of vectors whose elements are far apart, and whose neighbours along ``axis`` are not."""
        blocked, found = self.work.blocked, []
        assert blocked is not None
        for expr in expressions(self.kernel.tree):
            if expr.op == "load" and self.slots[expr.attr[0]].dtype.kind != "b":
                slot, index = expr.attr
                simple = all(atom is blocked or atom in self.work.axes for atom, _ in index.terms)
                turns = simple and abs(index.coefficient(blocked)) >= TILE and index.coefficient(axis) == 1
                if turns and self.slots[slot].dtype.itemsize == 4 and expr.attr not in found:
                    found.append((slot, index))
        return found if self.language.vectors else []

    def _turn(self, loads: Sequence[tuple[int, Index]]) -> None:
        """Arrays of the rows of all loads; the axes have the tile's first row."""
        blocked, lanes, self.turned = self.work.blocked, self.lanes, {}
        assert blocked is not None
        self.axes[blocked] = self.corner[1]
        for slot, index in loads:
            kind = f"{self.scalars.memory_type(self.slots[slot].dtype)}{SIDE}"
            array, base = self.fresh("t"), self.fresh("i")
            self.line(f"{kind} {array}[{TILE * _ACROSS}];")
            self.line(f"const {self.index_type} {base} = {self.index(index)};")
            step = index.coefficient(blocked)
            self.lanes = SIDE
            for column, row in itertools.product(range(_ACROSS), range(0, TILE, SIDE)):
                starts = (f"{base} + {column * SIDE + k} * {step} + {row}" for k in range(SIDE))
                texts = (self.language.vector_load.format(**self._vector_place(slot, start)) for start in starts)
                names = [self._named(kind, text) for text in texts]
                for k, text in enumerate(self._rows_of(names, kind)):
                    self.line(f"{array}[{(row + k) * _ACROSS + column}] = {text};")
            self.lanes = lanes
            self.turned[slot, index] = array

    def _named(self, kind: str, text: str) -> str:
        name = self.fresh()
        self.line(f"const {kind} {name} = {text};")
        return name

    def _rows_of(self, columns: Sequence[str], kind: str) -> list[str]:
        """The rows of a square given by its columns: elements change places within pairs, then pairs, then halves."""
        for parts in (("0 0 1 1 4 4 5 5", "2 2 3 3 6 6 7 7"), ("0 1 0 1 4 5 4 5", "2 3 2 3 6 7 6 7")):
            step, made = (1 if parts[0].startswith("0 0") else 2), [""] * SIDE
            for k in range(SIDE):
                if k & step:
                    continue
                x, y = columns[k], columns[k | step]
                order = (x, y) * 4 if step == 1 else (x, x, y, y) * 2
                for at, part in zip((k, k | step), parts, strict=True):
                    lanes = ", ".join(f"{name}.s{digit}" for name, digit in zip(order, part.split(), strict=True))
                    made[at] = self._named(kind, f"({kind})({lanes})")
            columns = made
        # Of rows 0 to 3 the even half, of rows 4 to 7 the odd one; the steps above have left the order 0 2 1 3.
        even, odd = [columns[k] for k in (0, 2, 1, 3)], [columns[k] for k in (4, 6, 5, 7)]
        return [f"({kind})({x}.{half}, {y}.{half})" for half in ("lo", "hi") for x, y in zip(even, odd, strict=True)]

    def load(self, slot: int, index: Index) -> Val:
        """The element or vector; from a tile's array, if it is there."""
        array = self.turned.get((slot, index))
        if array is None or self.lanes != SIDE or self.mask is not None:
            return super().load(slot, index)
        assert self.work.blocked is not None
        assert self.work.tiled is not None
        row, column = self.axes[self.work.tiled], self.axes[self.work.blocked]
        at = f"({row} - {self.corner[0]}) * {_ACROSS} + ({column} - {self.corner[1]}) / {SIDE}"
        return self.variable(f"{array}[{at}]", self.slots[slot].dtype, self.lanes)
