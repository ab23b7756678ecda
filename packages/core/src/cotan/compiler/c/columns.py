"""Reductions of columns as text: row by row, as they lie in memory, with the states of a block of columns in arrays.

A vector of columns alone would read a few bytes of every row. Knows no division of work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cotan.compiler.c.expressions import Expressions, Val, parts_of
from cotan.compiler.c.schedule import walk
from cotan.ir.index import Axis
from cotan.ir.program import Let, Loop, Node, ReduceLoop
from cotan.ir.scalar import Expr

_COLUMNS = 256
"""Columns that are reduced side by side."""
_ROWS = 4
"""Rows that are added at once to the states of columns, while these are in registers."""
_CHEAP = 12
"""Nodes of what is reduced up to which that is worth its code."""


class _Row(NamedTuple):
    """A reduction, and the (name, dtype) of the arrays of its states."""

    reduce: Expr
    arrays: list[tuple[str, Any]]


class Columns(Expressions):
    """Prints loops by vectors, and columns among them."""

    def node(self, node: Node) -> None:
        """Print a node of the tree."""
        raise AssertionError("a printer of trees says how")

    def rounds(self, axis: Axis, name: str, hi: str, lanes: int, at: str, action: Callable[[], None]) -> None:
        """``action`` for all of an axis from the variable ``name`` up to ``hi``, by vectors and then what is left.

        ``at`` is the place in the axis.
        """
        if lanes > 1:
            self.open(f"for (; {name} + {lanes} <= {hi}; {name} += {lanes})")
            self.axes[axis], self.lane_axis, self.lanes = at, axis, lanes
            action()
            self.lane_axis, self.lanes = None, 1
            self.close()
        if lanes == 1 or self.any_size or axis.extent % lanes:
            self.open(f"for (; {name} < {hi}; {name}++)")
            self.axes[axis] = at
            action()
            self.close()

    def has_columns(self, node: Loop) -> bool:
        """Whether a loop's iterations reduce columns, and do nothing but compute before they have done so."""
        last = max((k for k, n in enumerate(node.body) if isinstance(n, ReduceLoop)), default=-1)
        before = node.body[: last + 1]
        simple = all(isinstance(n, Let) or (isinstance(n, ReduceLoop) and not any(map(any, n.levels))) for n in before)
        return last >= 0 and simple and not self.kernel.scratch

    def columns(self, node: Loop, lo: str, hi: str, lanes: int) -> None:
        """The loop from ``lo`` to ``hi``, block by block: one sweep over the rows for each reduction."""
        index = self.index_type
        start, count, column = self.fresh("i"), self.fresh("count"), self.fresh("j")
        self.open(f"for ({index} {start} = {lo}; {start} < {hi}; {start} += {_COLUMNS})")
        self.line(f"const {index} {count} = {hi} - {start} < {_COLUMNS} ? {hi} - {start} : {_COLUMNS};")
        self.line(f"{index} {column};")
        kept: dict[int, list[_Row]] = {}

        def each(before: Sequence[Node], then: Callable[[], None] | None = None) -> None:
            """For all columns of the block: what stands before, then something else."""

            def action() -> None:
                self._known(before, kept, column)
                if then is not None:
                    then()

            self.line(f"{column} = 0;")
            self.rounds(node.axis, column, count, lanes, f"({start} + {column})", action)

        for split, reduction in enumerate(node.body):
            if not isinstance(reduction, ReduceLoop):
                continue
            rows = self._arrays(reduction)
            each(node.body[:split], lambda rows=rows: self._begin_columns(rows, column))  # type: ignore[misc]
            *outer, last = reduction.axes
            for row in outer:
                name = self.axes[row] = self.fresh("r")
                self.open(f"for ({index} {name} = 0; {name} < {self.number(row.extent)}; {name}++)")
            name, extent = self.fresh("r"), self.number(last.extent)
            self.line(f"{index} {name} = 0;")
            bodies = [body for row in rows for body in parts_of(row.reduce)[2]]
            for times in (_ROWS, 1) if sum(1 for _ in walk(bodies, set())) <= _CHEAP else (1,):
                places = [(last, f"({name} + {k})") for k in range(times)]
                self.open(f"for (; {name} + {times} <= {extent}; {name} += {times})")
                each(node.body[:split], lambda r=rows, p=places: self._step_columns(r, p, column))  # type: ignore[misc]
                self.close()
            for _ in outer:
                self.close()
            kept[id(reduction)] = rows
        each(node.body)
        self.close()

    def _known(self, nodes: Sequence[Node], kept: dict[int, list[_Row]], column: str) -> None:
        """Nodes of the body; reductions have their results in arrays."""
        for n in nodes:
            if isinstance(n, ReduceLoop):
                for row in kept[id(n)]:
                    self.bind(row.reduce, tuple(self._kept(array, column, dtype) for array, dtype in row.arrays))
            else:
                self.node(n)

    def _arrays(self, reduction: ReduceLoop) -> list[_Row]:
        found = []
        for reduce in (reduction.value, *reduction.siblings):
            found.append(_Row(reduce, [(self.fresh("a"), init.dtype) for init in parts_of(reduce)[1]]))
            for name, dtype in found[-1].arrays:
                self.line(f"{self.scalars.type(dtype)} {name}[{_COLUMNS}];")
        return found

    def _begin_columns(self, rows: Sequence[_Row], column: str) -> None:
        for row in rows:
            for (array, dtype), init in zip(row.arrays, parts_of(row.reduce)[1], strict=True):
                self._keep(array, column, dtype, self.emit(init))

    def _step_columns(self, rows: Sequence[_Row], places: Sequence[tuple[Axis, str]], column: str) -> None:
        """Some rows of the operands; all states of a reduction are read before one is written."""
        for row in rows:
            combiner, _, bodies = parts_of(row.reduce)
            states = [self._kept(array, column, dtype) for array, dtype in row.arrays]
            dtypes = [dtype for _, dtype in row.arrays]
            for axis, place in places:
                self.axes[axis] = place
                self.scopes.append({})
                new = [self.emit(body) for body in bodies]
                states = self.combine(combiner, dtypes, states, new, in_order=True)
                self.scopes.pop()
            for (array, dtype), value in zip(row.arrays, states, strict=True):
                self._keep(array, column, dtype, value)

    def _kept(self, array: str, column: str, dtype: Any) -> Val:
        """The states of the present columns, from an array."""
        text = f"{array}[{column}]"
        if self.lanes > 1:
            text = self.language.vector_load.format(**self._in_array(array, column, dtype))
        return self.variable(text, dtype, self.lanes)

    def _keep(self, array: str, column: str, dtype: Any, value: Val) -> None:
        text = self.in_lanes(value, dtype)
        if self.lanes > 1:
            self.line(f"{self.language.vector_store.format(x=text, **self._in_array(array, column, dtype))};")
        else:
            self.line(f"{array}[{column}] = {text};")

    def _in_array(self, array: str, column: str, dtype: Any) -> dict[str, Any]:
        place = f"({array} + {column})"
        return {"pointer": place, "type": self.scalars.type(dtype), "lanes": self.lanes, "memory": ""}
