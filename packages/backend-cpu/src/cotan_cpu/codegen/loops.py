"""Loop trees of kernels as code: scalar loops, vector loops with their remainders, and splitting by guards.

The schedule has decided which loop is a vector; this module writes it. Reductions stand in ``reductions``,
scans in ``scans``.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from cotan.ir.index import Axis
from cotan.ir.program import Kernel, Let, Loop, Node, ReduceLoop, Store
from cotan.ir.scalar import Expr, index_axes
from cotan_cpu.codegen.builder import Builder, Val, literal
from cotan_cpu.codegen.expressions import ExpressionPrinter
from cotan_cpu.codegen.indices import Binding
from cotan_cpu.codegen.panels import Panels
from cotan_cpu.codegen.reductions import Reduction
from cotan_cpu.codegen.scans import Scan
from cotan_cpu.codegen.schedule import Planner, Units, Work, in_pairs, power_of_two
from cotan_cpu.codegen.target import Target
from cotan_cpu.codegen.tiles import Tiling

_SEGMENTS = 4
_SPLIT_SIZE = 450.0
_ONE_LOOP_FROM = 30.0
"""From this body size on a remainder is part of a masked main loop, not a copy of it."""


class TreePrinter(ExpressionPrinter):
    """Prints a kernel's tree by a plan."""

    def __init__(
        self,
        builder: Builder,
        target: Target,
        kernel: Kernel,
        planner: Planner,
        streamed: frozenset[int] = frozenset(),
    ) -> None:
        super().__init__(builder, target, kernel, streamed)
        self.planner = planner
        self._copies = 1
        self._decided: set[int] = set()
        """Stores whose conditions are known to hold where the printer is."""

    # Nodes.

    def nodes(self, nodes: Sequence[Node]) -> None:
        second: Node | None = None
        for node, after in itertools.pairwise((*nodes, None)):
            if node is second:
                continue
            if self.lanes > 1 and isinstance(node, Store) and isinstance(after, Store) and self._pair(node, after):
                second = after
            else:
                assert node is not None
                self.node(node)

    def _pair(self, first: Store, second: Store) -> bool:
        """Write both if together they fill every place of a stretch: the parts of complex numbers do."""
        plain = not (first.conditions or second.conditions or first.combine or second.combine)
        if not plain or first.slot != second.slot or first.index + 1 != second.index or not in_pairs(first.index):
            return False
        form = self.form(first.index)
        if form.stride != 2 or form.extras or self.guard is not None:
            return False
        values = self.emit(first.value), self.emit(second.value)
        self.store_pairs(first.slot, first.index, *values)
        return True

    def node(self, node: Node) -> None:
        if isinstance(node, Let):
            self.emit(node.value)
        elif isinstance(node, Store):
            self._store(node)
        elif isinstance(node, Loop):
            self._where(node, lambda: self._loop(node, literal(0, "i64"), literal(node.axis.extent, "i64")))
        elif isinstance(node, ReduceLoop):
            Reduction(self, node).bind()
        else:
            Scan(self, node).print()

    def reduction(self, node: Expr) -> list[Val]:
        """A reduction that no node of the tree computes: computed where it is used."""
        axes = node.attr[1]
        return Reduction(self, ReduceLoop(node, axes, ((),) * len(axes))).states()

    def _store(self, node: Store) -> None:
        condition: Val | None = None
        if node.conditions and id(node) not in self._decided:
            condition = self.inside(node.conditions)
            if condition.text == "false":
                return
            if condition.text == "true":
                condition = None
        if condition is not None and self.lanes == 1 and self.guard is None:
            # One branch around all of it: nothing is computed, loaded or chosen where the condition fails.
            self._decided.add(id(node))
            self._when(condition, functools.partial(self._store, node))
            self._decided.discard(id(node))
            return
        outer = self.guard
        self.guard = condition
        value = self.emit(node.value)
        if node.combine is not None:
            dtype = self.slots[node.slot].dtype
            old = self.load(node.slot, node.index)
            value = self.combine(node.combine, [dtype], [old], [value])[0]
        self.store(node.slot, node.index, value, condition)
        self.guard = outer

    def _where(self, loop: Loop, run: Callable[[], None]) -> None:
        """``run`` the loop, not at all where the conditions of its one store are the same for all rounds and fail."""
        store = loop.body[-1]
        simple = all(isinstance(node, Let) for node in loop.body[:-1]) and self.lanes == 1 and self.guard is None
        if not (simple and isinstance(store, Store) and store.conditions):
            return run()
        if any(loop.axis in index_axes(index) for index, _, _ in store.conditions):
            return run()
        condition = self.inside(store.conditions)
        self._decided.add(id(store))
        if condition.text == "true":
            run()
        elif condition.text != "false":
            self._when(condition, run)
        self._decided.discard(id(store))
        return None

    # Loops.

    def bound(
        self,
        axis: Axis,
        base: Val,
        lanes: int,
        align: int,
        low: int,
        high: int,
        body: Callable[[], None],
        residue: int = 0,
    ) -> None:
        """Run ``body`` with ``axis`` bound; values made there belong to the present scope."""
        outer = self.axes.get(axis)
        self.axes[axis] = Binding(base._replace(depth=self.b.depth), lanes, align, low, high, residue)
        body()
        if outer is None:
            del self.axes[axis]
        else:
            self.axes[axis] = outer

    def _loop(self, node: Loop, start: Val, stop: Val, align: int = 0) -> None:
        """The loop over start..stop, a part of its axis; ``align`` divides the start."""
        axis = node.axis
        if axis.extent == 0:
            return
        tile = self.planner.tiles.get(id(node))
        if tile is not None and self.lanes == 1:
            Tiling(self, node, tile).loop(start, stop, align)
            return
        work = self.planner.works.get(id(node))
        vector = self.planner.vector.get(id(node)) if self.lanes == 1 else None
        cuts = self._cuts(axis, work) if work else []
        outer = self._copies
        self._copies *= len(cuts) + 1
        for low, high in zip([0, *cuts], [*cuts, axis.extent]):
            first = self.b.maximum(start, literal(low, "i64")) if low else start
            last = self.b.minimum(stop, literal(high, "i64")) if high < axis.extent else stop
            start_align = math.gcd(align, low) if not first.is_literal else int(first.text)
            if vector is None:
                self._scalar_loop(node, first, last, low, high)
            else:
                size = work.total_ops() if work else 0.0
                self.vector_loop(node, vector[1], first, last, start_align, low, high, size)
        self._copies = outer

    def _cuts(self, axis: Axis, work: Work) -> list[int]:
        """Where to split the loop so that guards on this axis are decided in every part, or in the largest."""
        unrolled = work.unrolled()
        cuts: set[int] = set()
        for index, lo, hi in work.all_guards():
            coefficient = index.coefficient(axis)
            others = [(atom, step) for atom, step in index.terms if atom is not axis]
            if not coefficient or not all(atom in unrolled for atom, _ in others):
                continue
            shifts = {index.const}
            for atom, step in others:
                assert isinstance(atom, Axis)
                shifts = {shift + step * k for shift in shifts for k in range(atom.extent)}
            for edge in (bound - shift for bound in (lo, hi) for shift in shifts):
                cut = -(-edge // coefficient) if coefficient > 0 else edge // coefficient + 1
                if 0 < cut < axis.extent:
                    cuts.add(cut)
        if len(cuts) >= _SEGMENTS:
            ends = [0, *sorted(cuts), axis.extent]
            cuts &= {*max(itertools.pairwise(ends), key=lambda part: part[1] - part[0])}
        if (len(cuts) + 1) * self._copies * work.total_ops() > _SPLIT_SIZE:
            return []
        return sorted(cuts)

    def _scalar_loop(self, node: Loop, start: Val, stop: Val, low: int, high: int) -> None:
        def body(induction: Val, carries: list[Val]) -> list[Val]:
            self.bound(node.axis, induction, 1, 1, low, high - 1, lambda: self.nodes(node.body))
            return carries

        self.b.loop(start, stop, 1, (), body)

    def vector_loop(
        self, node: Loop, lanes: int, start: Val, stop: Val, align: int, low: int, high: int, size: float
    ) -> None:
        """The loop over start..stop as vectors; ``align`` divides the start, ``size`` is that of the body."""
        constant = start.is_literal and stop.is_literal
        whole = constant and (int(stop.text) - int(start.text)) % lanes == 0
        # Blocks of units start and end at multiples of the lanes, the last one at the end of the axis.
        whole = whole or (not constant and align % lanes == 0 and high % lanes == 0)

        def body() -> None:
            self.nodes(node.body)

        masks = not whole and self.planner.masks(node, node.axis, lanes)
        # Where masks are for words only, they cost more than a few instructions: only a loop of one round has one.
        single = constant and int(stop.text) - int(start.text) <= lanes
        if masks and size > _ONE_LOOP_FROM and (single or self.target.masked):
            if constant:
                lanes = min(lanes, power_of_two(int(stop.text) - int(start.text)))
            self._vectors(node, lanes, start, stop, align, low, high, masked=True)
            return
        copies = self.planner.copies.get(id(node), 1)
        if copies > 1 and align % (lanes * copies) == 0:
            # The rest of this loop, if any, is left to the loops below.
            main = self.whole_end(start, stop, lanes * copies)
            self._copied_loop(node.axis, start, main, lanes, copies, low, high, body)
            start, align, whole = main, lanes, False
            masks = self.planner.masks(node, node.axis, lanes)
        main = stop if whole else self.whole_end(start, stop, lanes)
        if copies == 1:
            self._vectors(node, lanes, start, main, align, low, high, masked=False)
        else:
            main = start
        if whole:
            return
        if not masks:
            self._scalar_loop(node, main, stop, low, high)
            return
        rest = lanes
        if constant:
            rest = power_of_two(int(stop.text) - int(main.text))
        native = max(self.target.vector_bytes // self._width(node), 1)
        self.lane_loop(node.axis, main, stop, min(lanes, rest, native), align, low, high, body, masked=True)

    def _vectors(
        self, node: Loop, lanes: int, start: Val, stop: Val, align: int, low: int, high: int, masked: bool
    ) -> None:
        """All vectors of a loop: one after the other, or panel by panel."""
        width = self.planner.panels.get(id(node))
        if width is not None:
            Panels(self, node, lanes, width, (align, low, high)).loop(start, stop, masked)
        else:
            self.lane_loop(node.axis, start, stop, lanes, align, low, high, lambda: self.nodes(node.body), masked)

    def _copied_loop(
        self, axis: Axis, start: Val, stop: Val, lanes: int, copies: int, low: int, high: int, body: Callable[[], None]
    ) -> None:
        """``copies`` vectors a round, so that patterns of the lanes repeat from round to round."""

        def step(induction: Val, _: list[Val]) -> list[Val]:
            outer_lanes, self.lanes = self.lanes, lanes
            for copy in range(copies):
                base = self.b.add(induction, literal(copy * lanes, "i64"))

                def one(base: Val = base, residue: int = copy * lanes) -> list[Val]:
                    self.bound(axis, base, lanes, lanes * copies, low, high - 1, body, residue)
                    return []

                self.b.region(one)
            self.lanes = outer_lanes
            return []

        self.b.loop(start, stop, lanes * copies, (), step)

    def _width(self, node: Loop | ReduceLoop) -> int:
        work = self.planner.works.get(id(node))
        return work.max_width() if work else 4

    def whole_end(self, start: Val, stop: Val, lanes: int) -> Val:
        """start + the largest multiple of ``lanes`` that reaches no further than stop."""
        b = self.b
        if start.is_literal and stop.is_literal:
            known = int(stop.text) - int(start.text)
            return literal(int(start.text) + max(known, 0) // lanes * lanes, "i64", max(start.depth, stop.depth))
        count = b.maximum(b.binary("sub", stop, start), literal(0, "i64"))
        if lanes & (lanes - 1):
            return b.add(start, b.binary("sub", count, b.binary("urem", count, literal(lanes, "i64"))))
        return b.add(start, b.binary("and", count, literal(-lanes, "i64")))

    def lane_loop(
        self,
        axis: Axis,
        start: Val,
        stop: Val,
        lanes: int,
        align: int,
        low: int,
        high: int,
        body: Callable[[], None],
        masked: bool,
        carries: Sequence[Val] = (),
        carried: Callable[[list[Val]], list[Val]] | None = None,
    ) -> list[Val]:
        """``body`` for lanes start, start + lanes, ...; masked where the end cuts through a vector."""
        exact = start.is_literal and stop.is_literal and (int(stop.text) - int(start.text)) % max(lanes, 1) == 0

        def step(induction: Val, states: list[Val]) -> list[Val]:
            outer_lanes, outer_mask = self.lanes, self.base_mask
            self.lanes = lanes
            results = states
            base = induction._replace(depth=self.b.depth)
            if masked and not exact and lanes > 1:
                self.base_mask = self._remaining(base, stop, lanes)

            def inner() -> None:
                nonlocal results
                if carried is not None:
                    results = carried(states)
                else:
                    body()

            self.bound(axis, base, lanes, math.gcd(lanes, align), low, high - 1, inner)
            self.lanes, self.base_mask = outer_lanes, outer_mask
            return results

        return self.b.loop(start, stop, lanes, carries, step)

    def _remaining(self, base: Val, stop: Val, lanes: int) -> Val:
        b = self.b
        if base.is_literal and stop.is_literal:
            count = literal(min(int(stop.text) - int(base.text), lanes), "i32", base.depth)
        else:
            left = b.minimum(b.binary("sub", stop, base), literal(lanes, "i64"))
            count = b.convert("trunc", left, "i32")
        return b.compare("icmp ult", b.step_vector("i32", lanes), count)

    # The whole.

    def units(self, tree: Sequence[Node], units: Units, begin: Val, end: Val) -> None:
        """The tree for units begin..end."""
        if units.count == 1 and not units.axes and units.blocked is None:
            self.nodes(tree)
            return
        b = self.b
        for node in tree[:-1]:
            if isinstance(node, Store):
                is_first = b.compare("icmp eq", begin, literal(0, "i64"))
                self._when(is_first, functools.partial(self._store, node))
            else:
                self.node(node)
        top = tree[-1]
        assert isinstance(top, Loop)
        if units.blocked is top:
            size = literal(units.block, "i64")
            start = b.binary("mul", begin, size)
            stop = b.minimum(b.binary("mul", end, size), literal(top.axis.extent, "i64"))
            self._loop(top, start, stop, units.block)
        elif len(units.axes) == 1 and units.blocked is None:
            self._loop(top, begin, end, 1)
        else:
            b.loop(begin, end, 1, (), lambda unit, _: self._unit(top, units, unit))

    def _unit(self, top: Loop, units: Units, unit: Val) -> list[Val]:
        """One unit: its number is taken apart into the values of the axes and the block."""
        b = self.b
        rest = unit
        start, stop = literal(0, "i64"), literal(0, "i64")
        if units.blocked is not None:
            extent = units.blocked.axis.extent
            blocks = literal(math.ceil(extent / units.block), "i64")
            start = b.scale(b.binary("urem", rest, blocks), units.block)
            stop = b.minimum(b.add(start, literal(units.block, "i64")), literal(extent, "i64"))
            rest = b.binary("udiv", rest, blocks)
        values: dict[Axis, Val] = {}
        for axis in reversed(units.axes[1:]):
            extent_value = literal(axis.extent, "i64")
            values[axis] = b.binary("urem", rest, extent_value)
            rest = b.binary("udiv", rest, extent_value)
        values[units.axes[0]] = rest

        def descend(node: Node, axes: Sequence[Axis]) -> None:
            assert isinstance(node, Loop)
            if not axes:
                self._loop(node, start, stop, units.block)
                return
            axis = axes[0]
            if len(axes) == 1 and units.blocked is None:
                inner: Any = lambda: self.nodes(node.body)  # noqa: E731
            else:
                inner = lambda: descend(node.body[0], axes[1:])  # noqa: E731
            self.bound(axis, values[axis], 1, 1, 0, axis.extent - 1, inner)

        descend(top, units.axes)
        return []
