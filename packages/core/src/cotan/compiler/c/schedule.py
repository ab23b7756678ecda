"""How a kernel's loops become work: schedules as data, and the choice of vector loops and of units for one kernel.

``cpu-vector``: each work item does a run of units, innermost loops by vectors, nothing is shared between items.
``gpu-tile``: one element for each item, or, where rows are reduced, one row for each group of items, with barriers.
``serial``: as cpu-vector without vectors, for compilers that find vectors themselves. Knows loops, no language.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cotan.ir.index import Axis, FloorDiv, Index, Mod
from cotan.ir.program import Kernel, Let, Loop, Node, ReduceLoop, ScanLoop, Store
from cotan.ir.scalar import Combiner, Expr, inner_values


@dataclass(frozen=True)
class Schedule:
    """A way to do a kernel's work.

    Attributes:
      vector_bytes: how many bytes the vectors of a loop have; 0: there are none.
      group: how many items work together on a row; 0: each for itself.
      units: into how many parts the work is to be divided at least.
    """

    name: str
    vector_bytes: int = 0
    group: int = 0
    units: int = 64


CPU_VECTOR = Schedule("cpu-vector", vector_bytes=32)
GPU_TILE = Schedule("gpu-tile", group=256)
SERIAL = Schedule("serial")
TILE = 16
"""Rows and columns that go together, where columns of memory become rows."""
SIDE = 8
"""Of those, rows and columns that are turned around at once, in vectors of so many lanes."""
TALL = 16 * TILE
"""Rows of one unit then: of the columns more is read while they are at hand."""
_SCANNED_ROWS = 4
"""Lanes of running reductions along rows: of lines that are a power of two apart a cache has room for few."""
_COLUMNS = 256
"""Columns that a unit reduces at least: their rows should fill lines of the cache."""
_ROW = 128
"""Elements of a row from which a group of items reduces it."""
_MANY_ROWS = 1 << 17
"""Rows that are enough work for one item each."""


@dataclass
class Work:
    """How one kernel is divided.

    Attributes:
      axes: the parallel loops that units count, outermost first.
      blocked: the loop of which a unit does ``block`` iterations, or None.
      tiled: the one of ``axes`` of which a unit does ``TALL`` iterations, or None.
      lanes: id of a Loop or ReduceLoop -> (axis, lanes) of those done by vectors.
      cooperative: whether a group of items does each unit.
    """

    axes: tuple[Axis, ...] = ()
    blocked: Axis | None = None
    block: int = 0
    tiled: Axis | None = None
    lanes: dict[int, tuple[Axis, int]] = field(default_factory=dict)
    cooperative: bool = False

    @property
    def units(self) -> int:
        blocks = -(-self.blocked.extent // self.block) if self.blocked is not None else 1
        rows = (-(-axis.extent // TALL) if axis is self.tiled else axis.extent for axis in self.axes)
        return math.prod(rows) * blocks


def divide(kernel: Kernel, schedule: Schedule, *, any_size: bool = False) -> Work:
    """The division of ``kernel``; with ``any_size`` it depends on the kernel's structure, not on extents, except that
    groups of items reduce rows that are long and few."""
    work = Work()
    if schedule.vector_bytes:
        _Vectors(kernel, schedule.vector_bytes, any_size, work.lanes).choose(kernel.tree)
    elif schedule.group:
        work.cooperative = _wants_groups(kernel)
    loops = [node for node in kernel.tree if isinstance(node, Loop)]
    if len(loops) != 1 or kernel.tree[-1] is not loops[0]:
        return work
    if {node.slot for node in kernel.tree if isinstance(node, Store)} & {written for _, written in kernel.in_place}:
        return work
    node: Node = loops[0]
    axes: list[Axis] = []
    lanes = 1
    while isinstance(node, Loop) and node.axis.kind == "parallel":
        inner = node.body[0] if len(node.body) == 1 else None
        perfect = isinstance(inner, Loop) and inner.axis.kind == "parallel"
        if work.cooperative:
            if any(isinstance(n, Loop | ReduceLoop) for n in node.body):
                axes.append(node.axis)
            if not perfect:
                break
        elif schedule.group or perfect:
            axes.append(node.axis)
        else:
            lanes = work.lanes.get(id(node), (node.axis, 1))[1]
            rows = math.prod(axis.extent for axis in axes)
            wanted = math.ceil(schedule.units / max(rows, 1))
            work.blocked = node.axis
            least = _COLUMNS if any(isinstance(n, ReduceLoop) for n in node.body) and lanes > 1 else lanes
            work.block = max(math.ceil(math.ceil(node.axis.extent / wanted) / lanes) * lanes, least)
        if not perfect:
            break
        assert inner is not None
        node = inner
    work.axes = tuple(axes)
    if schedule.vector_bytes and work.blocked is not None and not any_size:
        work.tiled = _column_axis(kernel, work)
        if work.tiled is not None:
            # No more: lines that are a power of two apart crowd into few places of the cache.
            work.block = TILE
            if lanes > SIDE:
                work.lanes[id(node)] = (work.blocked, SIDE)
    return work


def _column_axis(kernel: Kernel, work: Work) -> Axis | None:
    """The outer loop along which a load of the innermost one's far-apart elements is contiguous."""
    inner = work.blocked
    assert inner is not None
    nodes = [*kernel.tree, *_bodies(kernel.tree)]
    if any(isinstance(node, ReduceLoop | ScanLoop) for node in nodes):
        return None
    for expr in expressions(kernel.tree):
        if expr.op == "load" and abs(stride_along(expr.attr[1], inner, 1) or 0) >= TILE:
            for axis in work.axes:
                if axis.extent >= TILE and abs(stride_along(expr.attr[1], axis, 1) or 0) == 1:
                    return axis
    return None


def _wants_groups(kernel: Kernel) -> bool:
    """Whether rows are reduced that are long, and not so many that one item for each is enough."""
    if kernel.scratch:
        return True
    rows, node = 1, kernel.tree[-1] if kernel.tree else None
    while isinstance(node, Loop):
        rows, node = rows * node.axis.extent, node.body[-1]
    nodes = [*kernel.tree, *(n for n in _bodies(kernel.tree))]
    if any(isinstance(n, ScanLoop) or (isinstance(n, Store) and n.combine is not None) for n in nodes):
        return False
    longest = max((math.prod(a.extent for a in n.axes) for n in nodes if isinstance(n, ReduceLoop)), default=0)
    return longest >= _ROW and rows < _MANY_ROWS


def _bodies(nodes: Sequence[Node]) -> Iterator[Node]:
    """Everything inside of ``nodes``."""
    for node in nodes:
        if isinstance(node, Loop | ScanLoop):
            yield from node.body
            yield from _bodies(node.body)
        elif isinstance(node, ReduceLoop):
            for level in node.levels:
                yield from level
                yield from _bodies(level)


def stride_along(index: Index, axis: Axis, lanes: int) -> int | None:
    """How far apart neighbours along ``axis`` are; None if that is not one number."""
    stride = 0
    for atom, coefficient in index.terms:
        if isinstance(atom, Axis):
            stride += coefficient if atom is axis else 0
        elif isinstance(atom, FloorDiv | Mod):
            inner = stride_along(atom.index, axis, lanes)
            if inner is None or (inner and not splits_evenly(atom, axis, lanes)):
                return None
            if isinstance(atom, Mod):
                stride += inner * coefficient
        elif axis in atom.expr.free_axes:
            return None
    return stride


def splits_evenly(atom: FloorDiv | Mod, axis: Axis, lanes: int) -> bool:
    """Whether all of ``lanes`` neighbours along ``axis``, from a multiple of ``lanes``, have one quotient."""
    index, divisor = atom.index, atom.divisor
    if divisor % lanes or index.coefficient(axis) != 1 or index.const % lanes:
        return False
    return all(isinstance(a, Axis) and (a is axis or c % lanes == 0) for a, c in index.terms)


class _Vectors:
    """Chooses the vector loops of a tree by what its loads and stores cost."""

    def __init__(self, kernel: Kernel, nbytes: int, any_size: bool, lanes: dict[int, tuple[Axis, int]]) -> None:
        self.kernel = kernel
        self.nbytes = nbytes
        self.any_size = any_size
        self.lanes = lanes

    def choose(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            if isinstance(node, ReduceLoop):
                self._reduction(node)
            elif isinstance(node, Loop) and (any(isinstance(n, Loop) for n in node.body) or not self._along(node)):
                self.choose(node.body)

    def _width(self, nodes: Sequence[Node]) -> int:
        """Lanes for the widest values in ``nodes``."""
        sizes: list[int] = [4, *(node.dtype.itemsize for node in expressions(nodes) if node.dtype is not None)]
        return max(self.nbytes // max(sizes), 1)

    def _fitting(self, axis: Axis, lanes: int) -> int:
        if not self.any_size:
            while lanes > axis.extent:
                lanes //= 2
        return lanes

    def _along(self, node: Loop) -> bool:
        """Vectors along the loop itself, if its iterations are what is contiguous."""
        if node.axis.kind != "parallel" or any(self._scratch(n) for n in _bodies(node.body)):
            return False
        if any(isinstance(n, Store) and n.combine is not None for n in (*node.body, *_bodies(node.body))):
            return False
        lanes = self._fitting(node.axis, self._width(node.body))
        if self._scans_rows(node):
            lanes = min(lanes, _SCANNED_ROWS)
        if lanes < 2 or not self._stores_apart(node):
            return False
        reductions = [n for n in node.body if isinstance(n, ReduceLoop)]
        if reductions:
            here = self._cost(reductions, node.axis, lanes)
            rows = sum(self._best(n)[0] for n in reductions) * lanes
            if rows < here:
                return False
        self.lanes[id(node)] = (node.axis, lanes)
        return True

    @staticmethod
    def _scans_rows(node: Loop) -> bool:
        """Whether running reductions go along rows of memory, one for each lane."""
        scans = [n for n in node.body if isinstance(n, ScanLoop)]
        return any(
            abs(stride_along(index, node.axis, 1) or 0) > abs(stride_along(index, n.axis, 1) or 0) > 0
            for n in scans
            for _, index, _ in n.stores
        )

    def _scratch(self, node: Node) -> bool:
        return isinstance(node, Store) and node.slot >= len(self.kernel.operands)

    @staticmethod
    def _stores_apart(node: Loop) -> bool:
        """Whether every lane stores to an element of its own."""
        for n in (*node.body, *_bodies(node.body)):
            indices = (
                [n.index] if isinstance(n, Store) else [i for _, i, _ in n.stores] if isinstance(n, ScanLoop) else []
            )
            if any(stride_along(index, node.axis, 1) == 0 for index in indices):
                return False
        return True

    def _cost(self, reductions: Sequence[ReduceLoop], axis: Axis, lanes: int) -> float:
        """Accesses of whole reductions, for vectors along ``axis``: a contiguous one counts 1, a gather its lanes."""
        total = 0.0
        for node in reductions:
            seen: set[Expr] = set()
            for depth, roots in enumerate(_level_roots(node)):
                times = float(math.prod(a.extent for a in node.axes[: depth + 1]))
                if axis in node.axes[: depth + 1]:
                    times /= lanes
                for expr in walk(roots, seen):
                    if expr.op == "load":
                        stride = stride_along(expr.attr[1], axis, lanes)
                        total += times * (0.3 if stride == 0 else 1.0 if stride in (1, -1) else 1.0 + lanes)
                    elif expr.op not in ("const", "index", "project"):
                        total += times * 0.25
        return total

    def _best(self, node: ReduceLoop) -> tuple[float, tuple[Axis, int] | None]:
        """The cost of one reduction from scalar code, and the axis for its vectors."""
        best, chosen = self._cost([node], Axis("none", 1), 1) * 2, None
        combiners = [r.attr[0] for r in (node.value, *node.siblings)]
        if any(isinstance(c, Combiner) and not c.commutative for c in combiners):
            return best, None
        width = self._width([node])
        for axis in node.axes:
            lanes = self._fitting(axis, width)
            if lanes < 2:
                continue
            cost = self._cost([node], axis, lanes) + 2 * math.log2(lanes) * len(combiners)
            if cost < best or (self.any_size and chosen is None and axis is node.axes[-1]):
                best, chosen = cost, (axis, lanes)
        return best, chosen

    def _reduction(self, node: ReduceLoop) -> None:
        _, chosen = self._best(node)
        if chosen is not None:
            self.lanes[id(node)] = chosen
            return
        for level in node.levels:
            self.choose(level)


def _level_roots(node: ReduceLoop) -> list[list[Expr]]:
    """The expressions that a reduction computes inside of each of its loops."""
    roots: list[list[Expr]] = []
    for level in node.levels:
        found: list[Expr] = []
        for n in level:
            if isinstance(n, Let | Store):
                found.append(n.value)
            elif isinstance(n, ReduceLoop):
                found.extend(e for e in n.value.args)
        roots.append(found)
    for reduce in (node.value, *node.siblings):
        roots[-1].extend(reduce.args[len(reduce.args) // 2 :])
    return roots


def expressions(nodes: Sequence[Node]) -> Iterator[Expr]:
    """All expressions in ``nodes`` and inside of them, each once."""
    seen: set[Expr] = set()
    for node in (*nodes, *_bodies(nodes)):
        if isinstance(node, Let | Store):
            yield from walk([node.value], seen)
        elif isinstance(node, ReduceLoop):
            for reduce in (node.value, *node.siblings):
                yield from walk(reduce.args, seen)
        elif isinstance(node, ScanLoop):
            yield from walk((*node.inits, *node.bodies), seen)


def walk(roots: Sequence[Expr], seen: set[Expr]) -> Iterator[Expr]:
    """The nodes under ``roots`` that are not in ``seen``, where they are noted."""
    pending = list(roots)
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        if node.op != "project":
            pending.extend(node.args)
        pending.extend(inner_values(node))
