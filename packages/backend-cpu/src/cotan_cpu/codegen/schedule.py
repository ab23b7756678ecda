"""Which loops become vectors, how wide, and how a kernel is cut into units for threads.

A small cost model in cycles: for every loop, running it scalar (its inner loops vectorised as they like best) is
compared with running it as lanes. Reads kernel trees, prints nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cotan.ir.index import Axis, FloorDiv, Index, Mod
from cotan.ir.program import Let, Loop, Node, ReduceLoop, ScanLoop, Store
from cotan.ir.scalar import Combiner, Expr, index_axes
from cotan_cpu.codegen.target import LINE, Target

_WEIGHTS = {
    "const": 0, "index": 0, "load": 0, "project": 0, "guard": 1, "div": 4, "rem": 14, "sqrt": 4, "rsqrt": 8, "exp": 12,
    "exp2": 12, "expm1": 16, "log": 20, "log1p": 22, "sin": 20, "cos": 20, "tan": 68, "asin": 30, "acos": 30,
    "atan": 20, "atan2": 40, "sinh": 22, "cosh": 18, "tanh": 24, "asinh": 100, "acosh": 100, "atanh": 100, "erf": 34,
    "erfc": 50, "erf_inv": 60, "lgamma": 550, "digamma": 450, "cbrt": 90, "logistic": 16, "pow": 70, "nextafter": 10,
    "zeta": 500,
}  # fmt: skip
_CYCLE = 0.3e-9
_GATHER, _SCATTER = 2.0, 3.0
_MEMORY = ((1 << 20, 16.0), (1 << 24, 10.0), (1 << 62, 5.0))
"""Bytes a cycle that one thread moves, for kernels that touch up to so many bytes."""
_FAR = 2.5
"""How much dearer a lane is whose neighbour lies in another cache line."""
_COPIES = 4
_CACHED = 1 << 22
"""Bytes that may stay in a cache from one run to the next."""
_TILE_OPS = 60.0
_WINDOW = 16
_PANEL_ROWS = 64
_PANEL_SCRATCH = 1 << 15
_PANEL_UNITS, _PANEL_LEAST = 8, 256
"""Units that are enough where wide ones are better, and the least columns of one."""
_PANEL_STRIDE = 1 << 11
"""Bytes from row to row from which on rows are streams of their own."""
SHORT = 64
WANTED_UNITS = 64


@dataclass
class Work:
    """What one round of a loop's body does, its inner loops apart."""

    ops: float = 0.0
    width: int = 1
    words: bool = True
    """Whether all that is read and written has 4 or 8 bytes."""
    accesses: list[tuple[Index, bool]] = field(default_factory=list)
    guards: list[tuple[Index, int, int]] = field(default_factory=list)
    children: list[tuple[Node, Work, int]] = field(default_factory=list)
    """(loop, its body, how often that runs); a reduction over several axes is a chain of entries for one node"""

    def total_ops(self) -> float:
        """The size of the code: inner bodies once, or as often as they are written out."""
        inner = (child.total_ops() * (times if written_out(node, child) else 1) for node, child, times in self.children)
        return self.ops + len(self.accesses) + sum(inner)

    def unrolled(self) -> set[Axis]:
        """The axes of reductions inside that are written out."""
        found: set[Axis] = set()
        for node, child, _ in self.children:
            if isinstance(node, ReduceLoop) and written_out(node, child):
                found.update(node.axes)
            found |= child.unrolled()
        return found

    def all_guards(self) -> list[tuple[Index, int, int]]:
        return self.guards + [guard for _, child, _ in self.children for guard in child.all_guards()]

    def max_width(self) -> int:
        return max([self.width] + [child.max_width() for _, child, _ in self.children])

    def in_words(self, axis: Axis, lanes: int) -> bool:
        """Whether all accesses are to words that are, along ``axis``, the same or side by side."""
        beside = all(stride_along(index, axis, lanes) in ((1,) if store else (0, 1)) for index, store in self.accesses)
        return self.words and beside and all(child.in_words(axis, lanes) for _, child, _ in self.children)


def written_out(node: Node, work: Work) -> bool:
    """Whether the rounds of a loop stand one after the other: those of a reduction over a small window that may reach
    out of what it slides over. Which of its elements do is then decided when the code is made."""
    if not isinstance(node, ReduceLoop) or math.prod(axis.extent for axis in node.axes) > _WINDOW:
        return False
    return any(not index_axes(index).isdisjoint(node.axes) for index, _, _ in work.all_guards())


def _is_word(dtype: Any) -> bool:
    return dtype is not None and dtype.itemsize in (4, 8)


def _itemsize(dtype: Any) -> int:
    return 4 if dtype is None or dtype.name in ("float16", "bfloat16") else int(dtype.itemsize)


def work_of(nodes: Sequence[Node], seen: set[Expr]) -> Work:
    """Sum up ``nodes``; expressions in ``seen`` are computed outside."""
    work = Work()
    for node in nodes:
        if isinstance(node, Let):
            _count(work, node.value, seen)
        elif isinstance(node, Store):
            _count(work, node.value, seen)
            work.words &= _is_word(node.value.dtype)
            work.accesses.append((node.index, True))
            work.guards.extend(node.conditions)
            if node.combine is not None:
                work.ops += 1
                work.accesses.append((node.index, False))
            _count_index(work, node.index, seen)
        elif isinstance(node, Loop):
            work.children.append((node, work_of(node.body, set(seen)), node.axis.extent))
        elif isinstance(node, ReduceLoop):
            work.children.append((node, _reduce_work(node, 0, set(seen)), node.axes[0].extent))
            seen.update((node.value, *node.siblings))
        else:
            inner = set(seen)
            body = work_of(node.body, inner)
            for expr in node.bodies:
                _count(body, expr, inner)
            body.ops += 2 * len(node.inits)
            body.words = False
            body.accesses.extend((index, True) for _, index, _ in node.stores)
            work.children.append((node, body, node.axis.extent))
    return work


def _reduce_work(node: ReduceLoop, level: int, seen: set[Expr]) -> Work:
    work = work_of(node.levels[level] if level < len(node.levels) else (), seen)
    if level + 1 < len(node.axes):
        work.children.append((node, _reduce_work(node, level + 1, seen), node.axes[level + 1].extent))
        return work
    for reduce in (node.value, *node.siblings):
        states = len(reduce.args) // 2
        for expr in reduce.args[states:]:
            _count(work, expr, seen)
        work.ops += 1 if states == 1 else 4 * states
    return work


def _count(work: Work, expr: Expr, seen: set[Expr]) -> None:
    pending = [expr]
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.dtype is not None and node.op != "const":
            work.width = max(work.width, _itemsize(node.dtype))
        work.ops += _WEIGHTS.get(node.op, 1)
        if node.op == "load":
            work.words &= _is_word(node.dtype)
            work.accesses.append((node.attr[1], False))
            _count_index(work, node.attr[1], seen)
        elif node.op == "index":
            _count_index(work, node.attr, seen)
        elif node.op == "guard":
            work.guards.extend(node.attr)
        if node.op != "project":
            pending.extend(node.args)


def _count_index(work: Work, index: Index, seen: set[Expr]) -> None:
    for atom, _ in index.terms:
        if isinstance(atom, FloorDiv | Mod):
            work.ops += 3
            _count_index(work, atom.index, seen)
        elif not isinstance(atom, Axis):
            _count(work, atom.expr, seen)


def stride_along(index: Index, axis: Axis, lanes: int) -> int | None:
    """How far apart neighbours along ``axis`` are; None if that is not one number."""
    stride = 0
    for atom, coefficient in index.terms:
        if isinstance(atom, Axis):
            stride += coefficient if atom is axis else 0
        elif isinstance(atom, FloorDiv | Mod):
            inner = stride_along(atom.index, axis, lanes)
            if inner is None or (inner != 0 and (inner < 0 or atom.divisor % (inner * lanes) != 0)):
                return None
            if isinstance(atom, Mod):
                stride += inner * coefficient
        elif axis in atom.expr.free_axes:
            return None
    return stride


def in_pairs(index: Index) -> bool:
    """Whether ``index`` always looks at the same number of a pair, wherever the loops are."""
    return all(coefficient % 2 == 0 for _, coefficient in index.terms)


def power_of_two(value: int) -> int:
    """The least power of two that is not less."""
    return 1 << max(value - 1, 0).bit_length()


class Planner:
    """Decides for every loop of a tree; ``vector`` maps the id of a Loop or ReduceLoop to (axis, lanes)."""

    def __init__(self, target: Target, in_place: bool = False, streams: bool = False) -> None:
        self.target = target
        self.in_place = in_place
        """Whether the kernel writes over something that it reads."""
        self.streams = streams
        """Whether it writes past the caches."""
        self.vector: dict[int, tuple[Axis, int]] = {}
        self.copies: dict[int, int] = {}
        """Vectors a round of a vector loop, where that is more than one."""
        self.tiles: dict[int, Tile] = {}
        self.panels: dict[int, int] = {}
        """Columns of a panel, where a vector loop goes along rows (see ``panels``)."""
        self.works: dict[int, Work] = {}

    def plan(self, tree: Sequence[Node]) -> float:
        """Fill ``vector``; returns the estimated cycles of one run."""
        return self._scalar(work_of(tree, set()))

    def masks(self, node: Node, axis: Axis, lanes: int) -> bool:
        """Whether the rest of a vector loop along ``axis`` is best done under a mask."""
        work = self.works.get(id(node))
        if self.target.masked or work is None or not self.target.masked_words:
            return self.target.masked
        # A loop within a loop of a few rounds fills vectors better.
        inner = isinstance(node, Loop) and bool(work.children) and axis.extent < self.native(work)
        return not inner and work.in_words(axis, lanes)

    def native(self, work: Work) -> int:
        return max(self.target.vector_bytes // work.max_width(), 1)

    def _scalar(self, work: Work) -> float:
        cost = work.ops + 1.0 * len(work.accesses)
        return cost + sum(self._loop(node, inner) for node, inner, _ in work.children)

    def _loop(self, node: Node, work: Work) -> float:
        """The cost of a whole loop run from scalar code, choosing its form."""
        self.works[id(node)] = work
        if isinstance(node, Loop):
            scalar = node.axis.extent * (self._scalar(work) + 1)
            tile = find_tile(node, work, self.target, self.streams)
            if tile is not None:
                self.tiles[id(node)] = tile
                return node.axis.extent * tile.inner.axis.extent * (0.6 + work.total_ops() / tile.size)
            if node.axis.kind != "parallel" or not self._can_be_lanes(node.axis, work):
                return scalar
            vector = self._lanes_cost(node.axis, work)
            if vector < scalar:
                lanes = self._lanes(node.axis, work, reduction=False)
                period = short_period(work, node.axis)
                if period:
                    # Lanes that repeat after a few vectors have constant patterns.
                    lanes = min(lanes, self.native(work))
                    copies = period // math.gcd(period, lanes)
                    if 1 < copies <= _COPIES:
                        self.copies[id(node)] = copies
                self.vector[id(node)] = (node.axis, lanes)
                width = find_panel(node, work, lanes, self.in_place)
                if width:
                    self.panels[id(node)] = width
            return min(vector, scalar)
        if isinstance(node, ReduceLoop):
            return self._reduce(node, work)
        assert isinstance(node, ScanLoop)
        return self._scan(node, work)

    def _scan(self, node: ScanLoop, work: Work) -> float:
        extent = node.axis.extent
        scalar = extent * (self._scalar(work) + 4)
        lanes = self.native(work)
        if work.children or lanes < 4 or extent < 2 * lanes:
            return scalar
        combination = 4.0 if isinstance(node.combiner, Combiner) else 1.0
        passes = (math.log2(lanes) + 2) * (combination + 1) * len(node.inits)
        vector = extent / lanes * (work.ops + self._accesses(work, node.axis, lanes) + passes + 4)
        if vector < scalar:
            self.vector[id(node)] = (node.axis, lanes)
        return min(vector, scalar)

    def _reduce(self, node: ReduceLoop, work: Work) -> float:
        rounds = math.prod(axis.extent for axis in node.axes)
        levels = _levels(node, work)
        scalar = 0.0
        outer = 1
        for axis, level in zip(node.axes, levels):
            outer *= axis.extent
            inner = [(n, w) for n, w, _ in level.children if n is not node]
            scalar += outer * (level.ops + len(level.accesses) + 1 + sum(self._loop(n, w) for n, w in inner))
        # A chain of dependent additions takes four cycles each.
        scalar = max(scalar, 4.0 * rounds)
        combiners = [reduce.attr[0] for reduce in (node.value, *node.siblings)]
        if any(isinstance(c, Combiner) and not c.commutative for c in combiners):
            return scalar
        best, chosen = scalar, None
        for axis in node.axes:
            if axis.extent < 4:
                continue
            native = min(self.native(work), power_of_two(axis.extent))
            steps = rounds / axis.extent * math.ceil(axis.extent / native)
            cost = 8.0 + 3 * math.log2(native) * len(combiners)
            times_outer = 1.0
            for other, level in zip(node.axes, levels):
                times_outer *= math.ceil(axis.extent / native) if other is axis else other.extent
                children = sum(times * self._step(w, axis) for n, w, times in level.children if n is not node)
                cost += times_outer * (self._accesses(level, axis, native) + level.ops + children)
            cost = max(cost, steps)
            if cost < best:
                best, chosen = cost, axis
        if chosen is not None:
            self.vector[id(node)] = (chosen, self._lanes(chosen, work, reduction=True))
        return best

    def _can_be_lanes(self, axis: Axis, work: Work) -> bool:
        """Every store must go to another place in every lane."""
        if any(store and axis not in index_axes(index) for index, store in work.accesses):
            return False
        return all(self._can_be_lanes(axis, child) for _, child, _ in work.children)

    def _lanes_cost(self, axis: Axis, work: Work) -> float:
        native = min(self.native(work), power_of_two(axis.extent))
        return math.ceil(axis.extent / native) * (self._step(work, axis) + 1)

    def _step(self, work: Work, axis: Axis) -> float:
        """One round of ``work`` for a vector along ``axis``, inner loops included."""
        native = self.native(work)
        cost = work.ops + self._accesses(work, axis, native)
        return cost + sum(times * (self._step(child, axis) + 1) for _, child, times in work.children)

    def _accesses(self, work: Work, axis: Axis, native: int) -> float:
        cost = 0.0
        lanes = min(native, power_of_two(axis.extent))
        for index, store in work.accesses:
            stride = stride_along(index, axis, native)
            if stride == 0:
                cost += 0.25
            elif stride in (1, -1):
                cost += 1.0
            elif stride == 2 and _is_paired(index, store, work):
                cost += 2.0
            else:
                far = _FAR if stride is None or abs(stride) >= 16 else 1.0
                cost += lanes * (_SCATTER if store else _GATHER) * far
        return cost

    def _lanes(self, axis: Axis, work: Work, reduction: bool) -> int:
        """Lanes along the axis: several registers' worth."""
        native = self.native(work)
        size = work.total_ops()
        inner_loop = not reduction and bool(work.children)
        if inner_loop and size <= 4:
            factor = 8
        else:
            # Side by side, chains of operations that wait for each other keep all units busy. Where many large arrays
            # are read, all wait for memory; of the longest chains the text takes more time to compile than it saves.
            streams = len(work.accesses)
            from_memory = streams > 6 and axis.extent * streams * work.width > _CACHED
            factor = 2 if size > 300 or from_memory else 4
            if size > 10 and self.target.registers < 32:
                factor = min(factor, 2)
        return max(1, min(native * factor, power_of_two(axis.extent)))


def _levels(node: ReduceLoop, work: Work) -> list[Work]:
    levels = [work]
    while len(levels) < len(node.axes):
        levels.append(next(inner for child, inner, _ in levels[-1].children if child is node))
    return levels


def short_period(work: Work, axis: Axis) -> int:
    """The least common multiple of the small divisors by which indices take ``axis`` apart; 0 if there are none."""
    period = 0
    for index, _ in work.accesses:
        for atom, _ in index.terms:
            if isinstance(atom, FloorDiv | Mod) and atom.index.coefficient(axis) == 1 and atom.divisor < SHORT:
                period = math.lcm(period or 1, atom.divisor)
    return period


def _is_paired(index: Index, store: bool, work: Work) -> bool:
    """Whether an access to every second number is one of two that share vectors: parts of complex numbers."""
    return in_pairs(index) and (Index(index.terms, index.const ^ 1), store) in work.accesses


@dataclass(frozen=True)
class Tile:
    """A loop over rows and the loop inside of it, done in squares of ``size``; ``loads`` are columns in memory."""

    inner: Loop
    size: int
    loads: tuple[Expr, ...]


def find_tile(node: Loop, work: Work, target: Target, streams: bool) -> Tile | None:
    """Whether the loops ``node`` and the only one in it read something transposed, so that squares are worth it."""
    inner = node.body[0]
    if len(node.body) != 1 or not isinstance(inner, Loop) or {node.axis.kind, inner.axis.kind} != {"parallel"}:
        return None
    if not all(isinstance(n, Store | Let) for n in inner.body) or work.total_ops() > _TILE_OPS:
        return None
    if not all(stride_along(n.index, inner.axis, 16) == 1 for n in inner.body if isinstance(n, Store)):
        return None
    size = min(16, target.vector_bytes // 4)
    item = min(n.value.dtype.itemsize for n in inner.body if isinstance(n, Store))
    if streams and item * inner.axis.extent % LINE == 0 and 4 <= item < LINE // size:
        size = LINE // item  # what goes past the caches should be whole lines
    if min(node.axis.extent, inner.axis.extent) < size or size < 4:
        return None
    written = {n.slot for n in inner.body if isinstance(n, Store)}
    loads: list[Expr] = []
    pending = [n.value for n in inner.body if isinstance(n, Store | Let)]
    seen: set[Expr] = set()
    while pending:
        expr = pending.pop()
        if expr in seen or expr.op in ("guard", "project"):
            continue
        seen.add(expr)
        pending.extend(expr.args)
        if expr.op == "load" and expr.attr[0] not in written and _is_column(expr.attr[1], node.axis, inner.axis):
            loads.append(expr)
    return Tile(inner, size, tuple(loads)) if 0 < len(loads) <= 4 else None


def _is_column(index: Index, row: Axis, column: Axis) -> bool:
    direct = all(isinstance(atom, Axis) for atom, _ in index.terms)
    return direct and index.coefficient(row) == 1 and abs(index.coefficient(column)) >= 8


def find_panel(node: Loop, work: Work, lanes: int, in_place: bool) -> int:
    """How many columns of the loop ``node`` should be reduced together, row by row; 0 for a vector at a time."""
    reduces = [inner for inner in node.body if isinstance(inner, ReduceLoop)]
    inner_loops = [inner for inner in node.body if isinstance(inner, Loop)]
    stores = [place for place, inner in enumerate(node.body) if isinstance(inner, Store)]
    simple = all(isinstance(inner, Let | Store | ReduceLoop | Loop) for inner in node.body)
    if not (simple and reduces) or any(loop.axis.kind != "parallel" for loop in inner_loops):
        return 0
    if in_place and stores and any(isinstance(inner, ReduceLoop | Loop) for inner in node.body[stores[0] :]):
        return 0  # what a part of the body has written, a later one would read again
    rows = max(math.prod(axis.extent for axis in reduce.axes) for reduce in reduces)
    states = [
        init.dtype for loop in reduces for r in (loop.value, *loop.siblings) for init in r.args[: len(r.args) // 2]
    ]
    varying = all(node.axis in r.free_axes for loop in reduces for r in (loop.value, *loop.siblings))
    if not varying or rows < _PANEL_ROWS or not _walks_rows(work, node.axis, lanes):
        return 0
    kept = [inner.value.dtype for inner in node.body if isinstance(inner, Let)]
    width = _PANEL_SCRATCH // (2 * sum(map(_itemsize, states)) + sum(map(_itemsize, kept)))
    width = min(width // lanes * lanes, node.axis.extent)
    return width if width >= _PANEL_LEAST else 0


def _walks_rows(work: Work, column: Axis, lanes: int) -> bool:
    """Whether the loops inside read rows that lie far apart, and all they read is side by side along ``column``."""
    far = False
    for node, child, _ in work.children:
        axes = node.axes if isinstance(node, ReduceLoop) else (node.axis,)  # type: ignore[union-attr]
        for index, _ in child.accesses:
            if stride_along(index, column, lanes) not in (0, 1):
                return False
            steps = [abs(index.coefficient(axis)) for axis in axes if index.coefficient(axis)]
            far |= index.coefficient(column) == 1 and bool(steps) and min(steps) * child.width >= _PANEL_STRIDE
        far |= _walks_rows(child, column, lanes)
    return far


@dataclass(frozen=True)
class Units:
    """How a kernel is divided: units count ``axes`` (outermost first) and then blocks of the vector loop ``blocked``.

    ``count`` is 1 and both are empty if the kernel is not divisible.
    """

    count: int
    axes: tuple[Axis, ...] = ()
    blocked: Loop | None = None
    block: int = 0


def divide(tree: Sequence[Node], planner: Planner, in_place: Sequence[tuple[int, int]] = ()) -> Units:
    """Cut the outermost parallel loops into units, about ``WANTED_UNITS`` of them or more.

    What stands before them is repeated by every part of the units: it is little work. Only the first part stores; that
    must not change what the others read.
    """
    loops = [node for node in tree if not isinstance(node, Let | ReduceLoop | Store)]
    if len(loops) != 1 or not isinstance(loops[0], Loop) or tree[-1] is not loops[0]:
        return Units(1)
    if {node.slot for node in tree if isinstance(node, Store)} & {written for _, written in in_place}:
        return Units(1)
    axes: list[Axis] = []
    count = 1
    node: Node = loops[0]
    while isinstance(node, Loop) and node.axis.kind == "parallel" and count < WANTED_UNITS:
        if id(node) in planner.vector or id(node) in planner.tiles:
            axis = node.axis
            lanes = planner.tiles[id(node)].size if id(node) in planner.tiles else planner.vector[id(node)][1]
            lanes *= planner.copies.get(id(node), 1)
            wanted = math.ceil(WANTED_UNITS / count)
            if id(node) in planner.panels:
                wanted = min(math.ceil(_PANEL_UNITS / count), math.ceil(axis.extent / _PANEL_LEAST))
            block = math.ceil(math.ceil(axis.extent / wanted) / lanes) * lanes
            if block >= axis.extent:
                break
            return Units(count * math.ceil(axis.extent / block), tuple(axes), node, block)
        axes.append(node.axis)
        count *= node.axis.extent
        if len(node.body) != 1:
            break
        node = node.body[0]
    return Units(count, tuple(axes))


def rounds(tree: Sequence[Node], planner: Planner) -> Units:
    """Units of one round each of the only loop, whose extent they divide; what stands before it every part repeats."""
    loop = tree[-1]
    assert isinstance(loop, Loop)
    lanes = planner.vector[id(loop)][1] if id(loop) in planner.vector else 1
    lanes *= planner.copies.get(id(loop), 1)
    return Units(loop.axis.extent // lanes, (loop.axis,), loop, lanes)


def blocks(tree: Sequence[Node], size: int) -> Units:
    """Units of ``size`` elements each of the only loop, the last one perhaps of less."""
    loop = tree[-1]
    assert isinstance(loop, Loop)
    return Units(math.ceil(loop.axis.extent / size), (), loop, size)


def seconds(cycles: float, bytes_moved: int) -> float:
    """The time of so many cycles, or of moving the bytes, whichever is longer."""
    rate = next(rate for limit, rate in _MEMORY if bytes_moved <= limit)
    return max(cycles, bytes_moved / rate) * _CYCLE
