"""Reductions as code: vector accumulators, the fold over lanes, and sums that lose no more than pairwise ones.

A long float sum is done in blocks of at most ``BLOCK`` rounds; block sums are added with the rounding error kept beside
the total (a two-sum), so that the error does not grow with the length.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cotan.ir.program import ReduceLoop
from cotan.ir.scalar import Expr, make
from cotan_cpu.codegen.builder import Builder, Val, literal
from cotan_cpu.codegen.schedule import written_out
from cotan_cpu.codegen.types import is_float, is_half

if TYPE_CHECKING:
    from cotan_cpu.codegen.loops import TreePrinter

BLOCK = 16
"""Rounds of a block: as long as a chain of additions in NumPy's pairwise sum."""


def block_level(trips: Sequence[int], block: int = BLOCK) -> int:
    """The axis whose loop is cut into blocks of ``block`` rounds in all; -1 if all are one block."""
    if math.prod(trips) <= block:
        return -1
    inner = 1
    for level in reversed(range(len(trips))):
        if inner * trips[level] > block or level == 0:
            return level
        inner *= trips[level]
    return 0


def rounds_of_block(trips: Sequence[int], level: int, block: int = BLOCK) -> int:
    """How many rounds of the loop at ``level`` are a block."""
    return max(1, block // math.prod(trips[level + 1 :]))


class Reduction:
    """Prints one ReduceLoop, siblings included."""

    def __init__(self, printer: TreePrinter, node: ReduceLoop) -> None:
        self.p = printer
        self.b = printer.b
        self.node = node
        self.axes = node.axes
        self.reduces = (node.value, *node.siblings)
        self.vector = printer.planner.vector.get(id(node)) if printer.lanes == 1 else None
        work = printer.planner.works.get(id(node))
        self.unrolled = self.vector is None and work is not None and written_out(node, work)
        self.inits = [init for reduce in self.reduces for init in reduce.args[: len(reduce.args) // 2]]
        self.dtypes = [init.dtype for init in self.inits]
        trips = [axis.extent for axis in self.axes]
        if self.vector is not None:
            trips = [
                math.ceil(axis.extent / self.vector[1]) if axis is self.vector[0] else axis.extent for axis in self.axes
            ]
        self.trips = trips
        sums = self._float_sums()
        self.level = block_level(trips) if any(sums) else -1
        """The axis whose loop is cut into blocks; -1 if the whole is short enough or sums no floats."""
        self.kept = [self.level >= 0 and is_sum for is_sum in sums]
        """For every state: whether its rounding errors are kept."""

    def _float_sums(self) -> list[bool]:
        flags: list[bool] = []
        for reduce in self.reduces:
            count = len(reduce.args) // 2
            dtype = reduce.args[0].dtype
            flags += [reduce.attr[0] == "add" and is_float(dtype) and not is_half(dtype)] * count
        return flags

    def bind(self) -> None:
        """Print the loops, and make the results known to the present scope."""
        for (expr, reduce), state in zip(self.results(), self.states(), strict=True):
            # In lanes for its siblings' sake alone: whoever reads it expects what is equal in all lanes to be a scalar.
            uniform = self.vector is None and self.lanes > 1 and not self._varies(reduce)
            self.p.bind(expr, self.b.extract(state, 0) if uniform else state)

    def results(self) -> list[tuple[Expr, Expr]]:
        """What stands for every final state, and the reduction that it belongs to."""
        places = [(reduce, k) for reduce in self.reduces for k in range(len(reduce.args) // 2)]
        return [(make("project", dtype, (reduce,), k), reduce) for dtype, (reduce, k) in zip(self.dtypes, places)]

    def states(self) -> list[Val]:
        """Print the loops; the final states."""
        states = self.final(self._axis(0, self.first()))
        return states if self.vector is None else self._fold(states)

    def first(self) -> list[Val]:
        """The states before any element, and the errors that are kept, in the lanes of this place."""
        p, b = self.p, self.b
        lanes = 1
        if self.vector is not None:
            lanes = self.vector[1]
        elif p.lanes > 1 and any(map(self._varies, self.reduces)):
            lanes = p.lanes
        self.lanes = lanes
        first = [b.splat(p.emit(init), lanes) for init in self.inits]
        errors = [b.splat(literal(0.0, value.kind), lanes) for value, kept in zip(first, self.kept) if kept]
        return [*first, *errors]

    def block(self, level: int, start: Val, stop: Val, states: list[Val]) -> list[Val]:
        """One block, the rounds start..stop of the axis at ``level``."""
        return self._block(states, lambda partial: self._plain(level, start, stop, partial))

    def _varies(self, reduce: Expr) -> bool:
        return any(bound.lanes > 1 and axis in reduce.free_axes for axis, bound in self.p.axes.items())

    # Loops.

    def _axis(self, level: int, states: list[Val]) -> list[Val]:
        """Run the loops from ``level`` on. Outside of the blocks, states are followed by their errors."""
        if level == len(self.axes):
            return self._combine_element(states)
        axis = self.axes[level]
        start, stop = literal(0, "i64"), literal(axis.extent, "i64")
        if self.vector is None or axis is not self.vector[0]:
            if level == self.level:
                return self._blocks(level, start, stop, states)
            return self._plain(level, start, stop, states)
        main = self.p.whole_end(start, stop, self.lanes)
        run = self._blocks if level == self.level else self._plain
        states = run(level, start, main, states)
        if int(main.text) < axis.extent:
            states = self._rest(level, main, stop, states)
        return states

    def _rest(self, level: int, start: Val, stop: Val, states: list[Val]) -> list[Val]:
        assert self.vector is not None
        if self.p.planner.masks(self.node, *self.vector):
            if level == self.level:
                return self._block(states, lambda inner: self._plain(level, start, stop, inner, masked=True))
            return self._plain(level, start, stop, states, masked=True)
        # Without masks: one by one into lane 0, the other lanes combine with what changes nothing.
        if level == self.level:
            states = self._block(states, lambda inner: self._plain(level, start, stop, inner, single=True))
        else:
            states = self._plain(level, start, stop, states, single=True)
        return states

    def _plain(
        self, level: int, start: Val, stop: Val, states: list[Val], masked: bool = False, single: bool = False
    ) -> list[Val]:
        p, axis = self.p, self.axes[level]
        lanes = self.lanes if self.vector is not None and axis is self.vector[0] and not single else 0

        def carried(inner: list[Val]) -> list[Val]:
            if level < len(self.node.levels):
                p.nodes(self.node.levels[level])
            return self._axis(level + 1, inner)

        if lanes:
            return p.lane_loop(axis, start, stop, lanes, 0, 0, axis.extent, _nothing, masked, states, carried)

        def body(induction: Val, inner: list[Val], low: int = 0, high: int = axis.extent - 1) -> list[Val]:
            results = inner

            def run() -> None:
                nonlocal results
                results = carried(inner)

            p.bound(axis, induction, 1, 1, low, high, run)
            return results

        if self.unrolled:
            for k in range(axis.extent):
                states = self.b.region(functools.partial(body, literal(k, "i64"), states, k, k))
            return states
        return self.b.loop(start, stop, 1, states, body)

    def _blocks(self, level: int, start: Val, stop: Val, states: list[Val]) -> list[Val]:
        """The loop of ``level`` cut into blocks whose sums begin at zero."""
        axis = self.axes[level]
        step = self.lanes if self.vector is not None and axis is self.vector[0] else 1
        rounds = rounds_of_block(self.trips, level) * step
        b = self.b

        def body(first: Val, inner: list[Val]) -> list[Val]:
            whole = stop.is_literal and (int(stop.text) - int(start.text)) % rounds == 0
            last = b.add(first, literal(rounds, "i64"))
            if not whole:
                last = b.minimum(last, stop)
            return self.block(level, first, last, inner)

        return b.loop(start, stop, rounds, states, body)

    def _block(self, states: list[Val], run: Callable[[list[Val]], list[Val]]) -> list[Val]:
        """One block: kept sums start at zero and are then added with their error."""
        b = self.b
        count = len(self.inits)
        totals, errors = states[:count], iter(states[count:])
        zero = [b.splat(literal(0.0, v.kind), v.lanes) if kept else v for v, kept in zip(totals, self.kept)]
        partial = run(zero)
        results, new_errors = [], []
        for total, part, kept in zip(totals, partial, self.kept):
            if not kept:
                results.append(part)
                continue
            added, lost = two_sum(b, total, part)
            results.append(added)
            new_errors.append(b.binary("fadd", next(errors), lost))
        return [*results, *new_errors]

    # Elements, errors, lanes.

    def _combine_element(self, states: list[Val]) -> list[Val]:
        p, b = self.p, self.b
        results: list[Val] = []
        position = 0
        for reduce in self.reduces:
            count = len(reduce.args) // 2
            values = [p.emit(expr) for expr in reduce.args[count:]]
            old = states[position : position + count]
            if self.vector is not None and p.lanes == 1:
                values = [self._lane_zero(v, init) for v, init in zip(values, self.inits[position : position + count])]
            dtypes = self.dtypes[position : position + count]
            combined = p.combine(reduce.attr[0], dtypes, old, values, in_order=True)
            new = [b.splat(value, self.lanes) for value in combined]
            if self.vector is not None and p.base_mask is not None:
                new = [b.select(p.base_mask, fresh, before) for fresh, before in zip(new, old)]
            results += new
            position += count
        return [*results, *states[position:]]

    def _lane_zero(self, value: Val, init: Expr) -> Val:
        """A vector with ``value`` in lane 0 and the neutral state in the others."""
        neutral = self.b.splat(self.p.emit(init), self.lanes)
        rhs = f"insertelement {neutral.type} {neutral.text}, {value.kind} {value.text}, i64 0"
        return self.b.emit(rhs, value.kind, self.lanes, max(neutral.depth, value.depth))

    def final(self, states: list[Val]) -> list[Val]:
        """The states with their kept errors added; where the sum is not finite the error says nothing."""
        b = self.b
        errors = iter(states[len(self.inits) :])
        results = []
        for state, kept in zip(states, self.kept):
            if kept:
                error = next(errors)
                exact = b.binary("fadd", state, error)
                state = b.select(b.compare("fcmp ord", error, error), exact, state)
            results.append(state)
        return results

    def _fold(self, states: list[Val]) -> list[Val]:
        """Combine the lanes, halving them until one is left."""
        b = self.b
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            low = [b.shuffle(v, None, range(lanes)) if lanes > 1 else b.extract(v, 0) for v in states]
            high = [b.shuffle(v, None, range(lanes, 2 * lanes)) if lanes > 1 else b.extract(v, 1) for v in states]
            states = []
            for reduce in self.reduces:
                position, count = len(states), len(reduce.args) // 2
                part = slice(position, position + count)
                states += self.p.combine(reduce.attr[0], self.dtypes[part], low[part], high[part])
        return states


def _nothing() -> None:
    """A body whose work is done by the carried states."""


def two_sum(b: Builder, x: Val, y: Val) -> tuple[Val, Val]:
    """x + y rounded, and what the rounding lost, exactly."""
    binary = b.binary
    total = binary("fadd", x, y)
    back = binary("fsub", total, x)
    lost = binary("fadd", binary("fsub", x, binary("fsub", total, back)), binary("fsub", y, back))
    return total, lost
