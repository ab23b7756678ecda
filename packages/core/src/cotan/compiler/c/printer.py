"""Kernels as text: the loops of a kernel's tree, the division of its work, and the function that is launched.

Reads nothing but the kernel, a schedule and a language. What a tree may look like is told in ``compiler.tree``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cotan.compiler.c.expressions import Val, parts_of
from cotan.compiler.c.language import Language
from cotan.compiler.c.schedule import TALL, Schedule, Work, divide, walk
from cotan.compiler.c.tiles import Tiles
from cotan.ir.index import Axis
from cotan.ir.program import Kernel, Let, Loop, Node, ReduceLoop, ScanLoop, Store
from cotan.ir.scalar import Combiner, Expr

_CHEAP = 8
"""Nodes of a reduction's body up to which its rounds are of several vectors."""
_COPIES = 4
_BETTER = {"max": ">", "min": "<"}
_FLOAT32 = np.dtype(np.float32)
_BLOCK = 512
"""Vectors that are summed up before they are added to the sum, so that long sums stay accurate."""


@dataclass(frozen=True)
class KernelText:
    """A printed kernel.

    Attributes:
      pointers: the parameters p0, p1, ..., which point to the operands.
      body: the statements. They name the pointers, the ``sizes`` n0, n1, ... and, if ``group`` is 0, the first unit
        ``begin`` and the unit behind the last one, ``end``.
      units: how many there are. One item may do any run of units.
      sizes: the values of the further parameters, if the text serves all sizes.
      group: how many items do one unit together, that of their group's number; 0: one item may do any run of units.
      index: the type of sizes and units.
    """

    pointers: tuple[str, ...]
    body: str
    units: int
    sizes: tuple[int, ...]
    group: int
    index: str

    def parameters(self) -> list[str]:
        """All parameters of a function with this body."""
        sizes = [f"const {self.index} n{k}" for k in range(len(self.sizes))]
        run = [] if self.group else [f"const {self.index} begin", f"const {self.index} end"]
        return [*self.pointers, *sizes, *run]

    def function(self, kind: str, name: str) -> str:
        """The function; ``kind`` stands before its name."""
        return f"{kind} {name}({', '.join(self.parameters())}) {{\n{self.body}}}\n"


def print_kernel(kernel: Kernel, language: Language, schedule: Schedule, *, any_size: bool = False) -> KernelText:
    """``kernel`` in ``language``, divided as ``schedule`` says.

    With ``any_size`` the text depends on the structure of the indices alone: numbers from shapes are arguments.
    """
    return _Printer(kernel, language, schedule, any_size).print()


class _Printer(Tiles):
    def __init__(self, kernel: Kernel, language: Language, schedule: Schedule, any_size: bool) -> None:
        super().__init__(kernel, language, any_size)
        self.schedule = schedule
        self.work: Work = divide(kernel, schedule, any_size=any_size)
        self.turned = {}
        self.cooperative = self.work.cooperative
        self.shared: list[str] = []
        self.block: tuple[str, str] | None = None

    # ---- Functions

    def print(self) -> KernelText:
        work, index = self.work, self.index_type
        scratch = [self._scratch(slot) for slot in range(len(self.kernel.operands), len(self.slots))]
        if self.cooperative:
            self.line(f"const {index} u = {self.language.group};")
            self._unit()
        elif work.axes or work.blocked is not None:
            self.open(f"for ({index} u = begin; u < end; u++)")
            self._unit()
            self.close()
        else:
            self.nodes(self.kernel.tree)
        group = self.schedule.group if self.cooperative else 0
        body = "".join(f"{line}\n" for line in (*(f"  {line}" for line in (*self.shared, *scratch)), *self.lines))
        return KernelText(self._pointers(), body, work.units, tuple(self.sizes), group, index)

    def _pointers(self) -> tuple[str, ...]:
        """The operands as parameters of a function."""
        language = self.language
        shared = {slot for pair in self.kernel.in_place for slot in pair}
        found = []
        for slot, operand in enumerate(self.kernel.operands):
            const = "" if operand.written else "const "
            restrict = "" if slot in shared else f" {language.restrict}"
            memory = f"{language.memory} " if language.memory else ""
            found.append(f"{memory}{const}{self.scalars.memory_type(operand.dtype)} *{restrict} {self.pointer(slot)}")
        return tuple(found)

    def _scratch(self, slot: int) -> str:
        operand = self.slots[slot]
        qualifier = f"{self.language.local} " if self.cooperative else ""
        return f"{qualifier}{self.scalars.memory_type(operand.dtype)} {self.pointer(slot)}[{operand.size}];"

    def _unit(self) -> None:
        """One unit: which iteration of the outer loops it is, and what that does."""
        work, index = self.work, self.index_type
        rest = "u"
        extents: list[tuple[Axis | None, int]] = [(axis, axis.extent) for axis in work.axes]
        if work.blocked is not None:
            extents.append((None, -(-work.blocked.extent // work.block)))
        tile = None
        for position in range(len(extents) - 1, -1, -1):
            axis, extent = extents[position]
            if axis is not None and axis is work.tiled:
                extent = -(-extent // TALL)
            name = self.fresh("i")
            size = self.number(extent) if position else ""
            self.line(f"const {index} {name} = {rest}{f' % {size}' if size else ''};")
            if size:
                following = self.fresh("u")
                self.line(f"const {index} {following} = {rest} / {size};")
                rest = following
            if axis is None:
                self._block(name)
            elif axis is work.tiled:
                tile = (axis, name)
            else:
                self.axes[axis] = name
        if tile is None:
            self._top(self.kernel.tree)
        else:
            assert self.block is not None
            self.tiles(*tile, self.block, lambda: self._top(self.kernel.tree))

    def _block(self, number: str) -> None:
        work, index = self.work, self.index_type
        assert work.blocked is not None
        lo, hi, block = self.fresh("lo"), self.fresh("hi"), self.number(work.block)
        extent = self.number(work.blocked.extent)
        self.line(f"const {index} {lo} = {number} * {block};")
        self.line(f"const {index} {hi} = {lo} + {block} < {extent} ? {lo} + {block} : {extent};")
        self.block = (lo, hi)

    def _top(self, nodes: Sequence[Node]) -> None:
        """The tree with the loops left out that units count."""
        outermost = nodes is self.kernel.tree
        for node in nodes:
            if isinstance(node, Loop) and node.axis in self.work.axes:
                self._top(node.body)
            elif isinstance(node, Store) and outermost and len(nodes) > 1:
                self._store(node, "u == 0")
            else:
                self.node(node)

    # ---- Nodes

    def nodes(self, nodes: Sequence[Node]) -> None:
        done = None
        for node, following in itertools.zip_longest(nodes, nodes[1:]):
            if node is done:
                continue
            if isinstance(node, Store) and isinstance(following, Store) and self._are_pairs(node, following):
                self.store_pairs(node.slot, node.index, self.emit(node.value), self.emit(following.value))
                done = following
            else:
                self.node(node)

    def _are_pairs(self, node: Store, following: Store) -> bool:
        """Whether two stores, lane by lane, are of neighbours."""
        if node.slot != following.slot:
            return False
        plain = not (node.conditions or following.conditions or node.combine or following.combine)
        beside = (node.index.terms, node.index.const + 1) == (following.index.terms, following.index.const)
        return plain and beside and self.is_every_second(node.index)

    def node(self, node: Node) -> None:
        if isinstance(node, Let):
            self.emit(node.value)
        elif isinstance(node, Store):
            self._store(node)
        elif isinstance(node, ReduceLoop):
            self._reduction(node)
        elif isinstance(node, Loop):
            self._loop(node)
        else:
            self._scan(node)

    def _store(self, node: Store, chosen: str = "") -> None:
        """``chosen``: the condition under which this unit stores."""
        value = None
        if self.cooperative and node.slot < len(self.kernel.operands):
            # All have read what this overwrites. The barrier has no condition: PoCL loses variables where one has.
            value = self.emit(node.value)
            self.line(self.language.barrier)
            item = f"{self.language.local_item} == 0"
            chosen = f"{chosen} && {item}" if chosen else item
        if chosen:
            self.open(f"if ({chosen})")
        if value is None:
            value = self.emit(node.value)
        condition = self.conditions(node.conditions) if node.conditions else None
        self.store(node.slot, node.index, value, condition, node.combine)
        if chosen:
            self.close()

    def _loop(self, node: Loop) -> None:
        axis, index = node.axis, self.index_type
        name = self.fresh("i")
        lanes = self.work.lanes.get(id(node), (axis, 1))[1]
        if self.cooperative and axis.kind == "parallel":
            self._shared_loop(node, name)
            return
        lo, hi = self.block if self.block is not None and axis is self.work.blocked else ("0", self.number(axis.extent))
        if lanes > 1 and self.has_columns(node):
            self.columns(node, lo, hi, lanes)
            return
        self.line(f"{index} {name} = {lo};")
        self.rounds(axis, name, hi, lanes, name, lambda: self.nodes(node.body))

    def _shared_loop(self, node: Loop, name: str) -> None:
        """A loop whose iterations the items of a group share."""
        language = self.language
        extent, step = self.number(node.axis.extent), self.schedule.group
        self.line(language.barrier)
        self.open(f"for ({self.index_type} {name} = {language.local_item}; {name} < {extent}; {name} += {step})")
        self.axes[node.axis], self.cooperative = name, False
        self.nodes(node.body)
        self.cooperative = True
        self.close()
        self.line(language.barrier)

    # ---- Reductions

    def _reduction(self, node: ReduceLoop) -> None:
        reductions = [node.value, *node.siblings]
        axis, lanes = self.work.lanes.get(id(node), (None, 1))
        if self.lanes > 1:
            axis, lanes = None, 1
        if self.cooperative:
            self._shared_reduction(node, reductions)
            return
        plain = None
        if axis is None or self.any_size or axis.extent % lanes:
            plain = self._states(reductions)
        wide = None
        if axis is not None:
            self.lanes = lanes
            wide = self._states(reductions)
            self.lanes = 1
        self._nest(node, reductions, 0, plain, wide, axis, lanes)
        if wide is not None:
            folded = self._folded(reductions, wide, lanes)
            plain = folded if plain is None else self._merged(reductions, plain, folded)
        assert plain is not None
        for reduce, states in zip(reductions, plain, strict=True):
            self.bind(reduce, tuple(states))

    def _states(self, reductions: Sequence[Expr]) -> list[list[Val]]:
        """Variables for all states, with their first values."""
        found = []
        for reduce in reductions:
            _, inits, _ = parts_of(reduce)
            states = []
            for init in inits:
                value = self.emit(init)
                name = self.fresh("a")
                self.line(f"{self.scalars.type(init.dtype, self.lanes)} {name} = {self.in_lanes(value, init.dtype)};")
                states.append(Val(name, self.lanes))
            found.append(states)
        return found

    def _nest(
        self,
        node: ReduceLoop,
        reductions: Sequence[Expr],
        depth: int,
        plain: list[list[Val]] | None,
        wide: list[list[Val]] | None,
        axis: Axis | None,
        lanes: int,
    ) -> None:
        """The loops from ``depth`` on: over ``plain`` states, and, before the vector loop is left, ``wide`` ones."""
        if depth == len(node.axes):
            self._step(reductions, plain if self.lane_axis is not axis or axis is None else wide)
            return
        loop = node.axes[depth]
        name, extent = self.fresh("r"), self.number(loop.extent)
        self.axes[loop] = name
        self.line(f"{self.index_type} {name} = 0;")
        if loop is axis:
            assert wide is not None
            self.lane_axis, self.lanes = axis, lanes
            self._vector_rounds(node, reductions, depth, wide, name, extent)
            self.lane_axis, self.lanes = None, 1
            if plain is None:
                return
        self.open(f"for (; {name} < {extent}; {name}++)")
        self.nodes(node.levels[depth])
        self._nest(node, reductions, depth + 1, plain, wide, axis, lanes)
        self.close()

    def _vector_rounds(
        self, node: ReduceLoop, reductions: Sequence[Expr], depth: int, wide: list[list[Val]], name: str, extent: str
    ) -> None:
        lanes, axis = self.lanes, self.lane_axis
        assert axis is not None
        sums = [k for k, r in enumerate(reductions) if r.attr[0] == "add" and r.args[0].dtype.kind == "f"]
        long = sums and depth == len(node.axes) - 1 and (self.any_size or axis.extent > 2 * _BLOCK * lanes)
        inner, end = wide, extent
        if long:
            # Sums of blocks, which are added to the whole: errors grow with the blocks' length.
            end = self.fresh("end")
            self.open(f"while ({name} + {lanes} <= {extent})")
            block = _BLOCK * lanes
            self.line(f"const {self.index_type} {end} = {extent} - {name} > {block} ? {name} + {block} : {extent};")
            parts = self._states([reductions[k] for k in sums])
            inner = [parts[sums.index(k)] if k in sums else states for k, states in enumerate(wide)]
        if depth == len(node.axes) - 1 and self._is_cheap(node, reductions):
            self._unrolled(node, reductions, inner, name, end)
        self.open(f"for (; {name} + {lanes} <= {end}; {name} += {lanes})")
        self.nodes(node.levels[depth])
        self._nest(node, reductions, depth + 1, None, inner, axis, lanes)
        self.close()
        if long:
            for k in sums:
                self.line(f"{wide[k][0].text} += {inner[k][0].text};")
            self.close()

    def _is_cheap(self, node: ReduceLoop, reductions: Sequence[Expr]) -> bool:
        """Whether combining takes so long beside the rest that several states at once are worth their code."""
        roots = [body for reduce in reductions for body in parts_of(reduce)[2]]
        return not any(node.levels) and sum(1 for _ in walk(roots, set())) <= _CHEAP

    def _unrolled(
        self, node: ReduceLoop, reductions: Sequence[Expr], states: list[list[Val]], name: str, end: str
    ) -> None:
        """Rounds of several vectors, each with a state of its own: they do not wait for one another."""
        axis, lanes = self.lane_axis, self.lanes
        assert axis is not None
        sets = [states, *(self._states(reductions) for _ in range(_COPIES - 1))]
        marks = [self._nan_marks(reductions) for _ in sets]
        self.open(f"for (; {name} + {_COPIES * lanes} <= {end}; {name} += {_COPIES * lanes})")
        for copy, own in enumerate(sets):
            self.axes[axis] = f"({name} + {copy * lanes})"
            self.scopes.append({})
            self._step(reductions, own, marks[copy])
            self.scopes.pop()
        self.close()
        self.axes[axis] = name
        nan = self.scalars.one(_FLOAT32, lanes, math.nan)
        for own, noted in zip(sets, marks, strict=True):
            for k, mark in noted.items():
                self.line(f"{own[k][0].text} = {mark} ? {nan} : {own[k][0].text};")
        for own in sets[1:]:
            for old, made in zip(states, self._merged(reductions, states, own), strict=True):
                for state, value in zip(old, made, strict=True):
                    self.line(f"{state.text} = {value.text};")

    def _nan_marks(self, reductions: Sequence[Expr]) -> dict[int, str]:
        """Variables for extrema, by their places, that note which lanes met a NaN: the states need not hold it then."""
        found = {}
        for k, reduce in enumerate(reductions):
            kind = reduce.args[0].dtype
            if reduce.attr[0] in _BETTER and kind == _FLOAT32 and not self.scalars.too_wide(kind, self.lanes):
                found[k] = self.fresh("q")
                mask = self.scalars.type(np.dtype(np.bool_), self.lanes)
                self.line(f"{mask} {found[k]} = ({mask})(0);")
        return found

    def _step(
        self, reductions: Sequence[Expr], states: list[list[Val]] | None, marks: Mapping[int, str] | None = None
    ) -> None:
        """Combine the states with what this iteration computes; with ``marks``, vectors."""
        assert states is not None
        for k, (reduce, old) in enumerate(zip(reductions, states, strict=True)):
            combiner, inits, bodies = parts_of(reduce)
            new = [self.emit(body) for body in bodies]
            if marks and k in marks:
                x, y = old[0].text, self.in_lanes(new[0], _FLOAT32)
                self.line(f"{marks[k]} |= ({y} != {y});")
                self.line(f"{x} = ({y} {_BETTER[combiner]} {x}) ? {y} : {x};")
                continue
            made = self.combine(combiner, [init.dtype for init in inits], old, new, in_order=True)
            for state, value, init in zip(old, made, inits, strict=True):
                self.line(f"{state.text} = {self._in_lanes(value, init.dtype, state.lanes)};")

    def _folded(self, reductions: Sequence[Expr], wide: list[list[Val]], lanes: int) -> list[list[Val]]:
        """The lanes of each state combined, half by half."""
        found = []
        for reduce, states in zip(reductions, wide, strict=True):
            combiner, inits, _ = parts_of(reduce)
            dtypes = [init.dtype for init in inits]
            left = lanes
            while left > 1:
                left //= 2
                halves = [
                    [self.variable(self._half_lanes(s.text, d, part, left), d, left) for s, d in zip(states, dtypes)]
                    for part in ("lo", "hi")
                ]
                states = self.combine(combiner, dtypes, halves[0], halves[1])
            found.append(list(states))
        return found

    def _half_lanes(self, text: str, dtype: Any, part: str, left: int) -> str:
        """Half of a vector; one lane of a mask is 0 or 1."""
        half = f"{text}.{part}"
        return f"({half} != 0)" if dtype.kind == "b" and left == 1 else half

    def _merged(self, reductions: Sequence[Expr], plain: list[list[Val]], folded: list[list[Val]]) -> list[list[Val]]:
        found = []
        for reduce, a, b in zip(reductions, plain, folded, strict=True):
            combiner, inits, _ = parts_of(reduce)
            found.append(self.combine(combiner, [init.dtype for init in inits], a, b))
        return found

    # ---- Reductions by groups

    def _shared_reduction(self, node: ReduceLoop, reductions: Sequence[Expr]) -> None:
        """Each item reduces a part of one loop; a tree in local memory joins the parts."""
        states = self._states(reductions)
        ordered = any(isinstance(r.attr[0], Combiner) and not r.attr[0].commutative for r in reductions)
        shared = 0 if ordered else max(range(len(node.axes)), key=lambda n: (min(node.axes[n].extent, 256), n))
        self.cooperative = False
        self._shared_nest(node, reductions, 0, shared, ordered, states)
        self.cooperative = True
        self._tree(reductions, states)
        for reduce, found in zip(reductions, states, strict=True):
            self.bind(reduce, tuple(found))

    def _shared_nest(
        self, node: ReduceLoop, reductions: Sequence[Expr], depth: int, shared: int, ordered: bool, states: Any
    ) -> None:
        if depth == len(node.axes):
            self._step(reductions, states)
            return
        item, group, index = self.language.local_item, self.schedule.group, self.index_type
        name, extent = self.fresh("r"), self.number(node.axes[depth].extent)
        self.axes[node.axes[depth]] = name
        if depth != shared:
            self.open(f"for ({index} {name} = 0; {name} < {extent}; {name}++)")
        elif ordered:
            part = f"(({extent} + {group - 1}) / {group})"
            last = f"({item} + 1) * {part}"
            bound = f"({last} < {extent} ? {last} : {extent})"
            self.open(f"for ({index} {name} = {item} * {part}; {name} < {bound}; {name}++)")
        else:
            self.open(f"for ({index} {name} = {item}; {name} < {extent}; {name} += {group})")
        self.nodes(node.levels[depth])
        self._shared_nest(node, reductions, depth + 1, shared, ordered, states)
        self.close()

    def _tree(self, reductions: Sequence[Expr], states: list[list[Val]]) -> None:
        """Join all items' states, neighbours first, so that their order is kept."""
        item, group, barrier = self.language.local_item, self.schedule.group, self.language.barrier
        places = []
        for reduce, found in zip(reductions, states, strict=True):
            row = []
            for init, state in zip(parts_of(reduce)[1], found, strict=True):
                place = self.fresh("t")
                self.shared.append(f"{self.language.local} {self.scalars.type(init.dtype)} {place}[{group}];")
                self.line(f"{place}[{item}] = {state.text};")
                row.append(place)
            places.append(row)
        self.line(barrier)
        self.open(f"for (int s = 1; s < {group}; s *= 2)")
        self.open(f"if ({item} % (2 * s) == 0)")
        for reduce, row in zip(reductions, places, strict=True):
            combiner, inits, _ = parts_of(reduce)
            dtypes = [init.dtype for init in inits]
            sides = [
                [self.variable(f"{place}[{at}]", d, 1) for place, d in zip(row, dtypes)] for at in (item, f"{item} + s")
            ]
            for place, value in zip(row, self.combine(combiner, dtypes, sides[0], sides[1]), strict=True):
                self.line(f"{place}[{item}] = {value.text};")
        self.close()
        self.line(barrier)
        self.close()
        for row, found in zip(places, states, strict=True):
            for place, state in zip(row, found, strict=True):
                self.line(f"{state.text} = {place}[0];")
        self.line(barrier)

    # ---- Running reductions

    def _scan(self, node: ScanLoop) -> None:
        alone = self.cooperative
        if alone:
            self.line(self.language.barrier)
            self.open(f"if ({self.language.local_item} == 0)")
            self.cooperative = False
        dtypes = [init.dtype for init in node.inits]
        states = []
        for init in node.inits:
            value, name = self.emit(init), self.fresh("a")
            self.line(f"{self.scalars.type(init.dtype, self.lanes)} {name} = {self.in_lanes(value, init.dtype)};")
            states.append(Val(name, self.lanes))
        name, extent = self.fresh("i"), self.number(node.axis.extent)
        self.axes[node.axis] = name
        if node.reverse:
            self.open(f"for ({self.index_type} {name} = {extent} - 1; {name} >= 0; {name}--)")
        else:
            self.open(f"for ({self.index_type} {name} = 0; {name} < {extent}; {name}++)")
        self.nodes(node.body)
        made = self.combine(node.combiner, dtypes, states, [self.emit(body) for body in node.bodies])
        for state, value, dtype in zip(states, made, dtypes, strict=True):
            self.line(f"{state.text} = {self._in_lanes(value, dtype, state.lanes)};")
        for slot, index, k in node.stores:
            to = self.slots[slot].dtype
            value = states[k]
            if to != dtypes[k]:
                value = self.variable(self.scalars.cast(value.text, dtypes[k], to, value.lanes), to, value.lanes)
            self.store(slot, index, value)
        self.close()
        if alone:
            self.close()
            self.cooperative = True
