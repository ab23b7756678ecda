"""Running reductions as code: step by step, or by vectors along the scanned axis.

Of a vector of elements all running values are made in log2(lanes) steps, each combining with what lies 1, 2, 4, ...
lanes before; then with the carry. Combiners are associative, and the order of operands is kept, so that any of them
will do. Float sums lose less than one by one: each value is a sum of sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cotan.ir.program import ScanLoop
from cotan_cpu.codegen import types
from cotan_cpu.codegen.builder import Val, literal

if TYPE_CHECKING:
    from cotan_cpu.codegen.loops import TreePrinter


class Scan:
    """Prints one ScanLoop."""

    def __init__(self, printer: TreePrinter, node: ScanLoop) -> None:
        self.p = printer
        self.b = printer.b
        self.node = node
        self.dtypes = [init.dtype for init in node.inits]

    def print(self) -> None:
        """Print the loop."""
        p, node = self.p, self.node
        extent = node.axis.extent
        first = [p.emit(init) for init in node.inits]
        vector = p.planner.vector.get(id(node)) if p.lanes == 1 else None
        if vector is None:
            if p.lanes > 1 and self._varies():
                first = [self.b.splat(value, p.lanes) for value in first]
            self._steps(0, extent, first)
            return
        lanes = vector[1]
        whole = extent // lanes * lanes
        if node.reverse:
            self._vectors(whole, lanes, self._steps(whole, extent, first))
        else:
            self._steps(whole, extent, self._vectors(whole, lanes, first))

    def _varies(self) -> bool:
        """Whether the states differ between the lanes."""
        vector = {axis for axis, bound in self.p.axes.items() if bound.lanes > 1}
        return any(vector & expr.free_axes for expr in (*self.node.inits, *self.node.bodies))

    def _steps(self, low: int, high: int, first: list[Val]) -> list[Val]:
        """The positions low..high one by one; the states after them."""
        b, node = self.b, self.node

        def body(induction: Val, states: list[Val]) -> list[Val]:
            position = induction
            if node.reverse:
                position = b.add(literal(low + high - 1, "i64"), b.scale(induction, -1))
            results = states

            def step() -> None:
                nonlocal results
                self.p.nodes(node.body)
                values = [self.p.emit(expr) for expr in node.bodies]
                results = self.p.combine(node.combiner, self.dtypes, states, values)
                self._store(results)

            self.p.bound(node.axis, position, 1, 1, low, high - 1, step)
            return results

        return b.loop(literal(low, "i64"), literal(high, "i64"), 1, first, body)

    def _store(self, states: list[Val]) -> None:
        for slot, index, state in self.node.stores:
            # States may be wider than what is kept of them.
            kept = self.p.slots[slot].dtype
            self.p.store(slot, index, types.cast(self.b, states[state], self.dtypes[state], kept, self.p.target))

    # Vectors along the axis.

    def _vectors(self, whole: int, lanes: int, first: list[Val]) -> list[Val]:
        """The positions below ``whole`` by vectors; the states after them."""
        p, b, node = self.p, self.b, self.node

        def body(induction: Val, carries: list[Val]) -> list[Val]:
            base = induction
            if node.reverse:
                base = b.add(literal(whole - lanes, "i64"), b.scale(induction, -1))
            results = carries

            def step() -> None:
                nonlocal results
                p.nodes(node.body)
                values = self._running([b.splat(p.emit(expr), lanes) for expr in node.bodies])
                self._store(p.combine(node.combiner, self.dtypes, carries, values))
                last = 0 if node.reverse else lanes - 1
                total = [b.shuffle(value, None, [last] * lanes) for value in values]
                results = p.combine(node.combiner, self.dtypes, carries, total)

            p.lanes = lanes
            p.bound(node.axis, base, lanes, lanes, 0, whole - 1, step)
            p.lanes = 1
            return results

        carries = [b.splat(value, lanes) for value in first]
        states = b.loop(literal(0, "i64"), literal(whole, "i64"), lanes, carries, body)
        return [b.extract(value, 0) for value in states]

    def _running(self, values: list[Val]) -> list[Val]:
        """In each lane the combination of all lanes up to it, in the order of the scan."""
        b = self.b
        lanes = values[0].lanes
        distance = 1
        while distance < lanes:
            before = [lane + distance if self.node.reverse else lane - distance for lane in range(lanes)]
            has_one = [0 <= lane < lanes for lane in before]
            mask = Val("<" + ", ".join(f"i1 {str(flag).lower()}" for flag in has_one) + ">", "i1", lanes, 0)
            order = [lane if flag else own for own, (lane, flag) in enumerate(zip(before, has_one))]
            earlier = [b.shuffle(value, None, order) for value in values]
            combined = self.p.combine(self.node.combiner, self.dtypes, earlier, values)
            values = [b.select(mask, new, old) for new, old in zip(combined, values)]
            distance *= 2
        return values
