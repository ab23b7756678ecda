"""Row-local scratch: what several sweeps over one row would compute again is computed once and kept for the row.

Inside of a parallel loop, a kernel's reductions and its last loop often walk the same row one after the other, and need
the same value at each element: an exponential is summed first, then divided by the sum. Values are compared as they
are when all sweeps walk one loop, so that nothing is recognised but equality. Knows trees and costs, no operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cotan.compiler.cost import steps, weight
from cotan.compiler.legalize import HALF
from cotan.compiler.rewrite import Rewriter, make_plain
from cotan.compiler.tree import TRIVIAL, topological, unsafe_nodes
from cotan.ir.index import Axis, Index, axis_index
from cotan.ir.program import KernelOperand, Let, Loop, Node, ReduceLoop, ScanLoop, Store
from cotan.ir.scalar import Expr, index_values, load

WORTH = 8.0
"""Work per element from which a value is kept; writing it and reading it again cost about so much less."""
LONG = 32
"""Rows that are shorter than this are not worth it: their sweeps may be done for many rows at once."""
_ALIGNMENT = 64


@dataclass
class _Sweep:
    """One walk along the row: the loop, and the expressions that every step evaluates."""

    place: int
    axis: Axis
    exprs: list[Expr]
    # node with all sweeps' loops named alike -> the node of this sweep
    nodes: dict[Expr, Expr] = field(default_factory=dict)


@dataclass
class _Kept:
    """A value to keep: its work, and the sweeps that use it, the first of which computes it."""

    node: Expr
    work: float
    sweeps: list[_Sweep]


def keep_rows(
    tree: Sequence[Node], sizes: Sequence[int], local_bytes: int
) -> tuple[tuple[Node, ...], tuple[KernelOperand, ...]]:
    """``tree`` with values kept in at most ``local_bytes`` of scratch, and the scratch: operands behind the last."""
    work = _Rows(sizes, local_bytes)
    for node in tree:
        if isinstance(node, Loop):
            work.look(node)
    if not work.scratch:
        return tuple(tree), ()
    return tuple(map(work.rewritten, tree)), tuple(work.scratch)


class _Rows:
    def __init__(self, sizes: Sequence[int], local_bytes: int) -> None:
        self.sizes = sizes
        self.left = local_bytes
        self.scratch: list[KernelOperand] = []
        self.rewrite = Rewriter({}, build=make_plain)
        self.stores: dict[int, list[Store]] = {}
        """The id of a ReduceLoop -> what it is to keep in each step."""

    # Finding.

    def look(self, loop: Loop) -> None:
        """Keep what the sweeps in the body of ``loop``, or of a loop in it, have in common."""
        if loop.axis.kind != "parallel":
            return
        by_extent: dict[int, list[_Sweep]] = {}
        for place, node in enumerate(loop.body):
            sweep = _sweep(place, node)
            if sweep is not None and sweep.axis.extent >= LONG:
                by_extent.setdefault(sweep.axis.extent, []).append(sweep)
        for sweeps in by_extent.values():
            if len(sweeps) > 1:
                self._share(loop.body, sweeps)
        last = loop.body[-1]
        if isinstance(last, Loop):
            self.look(last)

    def _share(self, body: Sequence[Node], sweeps: list[_Sweep]) -> None:
        orders = [_along(sweep) for sweep in sweeps]
        if sum(any(weight(node.op) > 1 for node in order) for order in orders) < 2:
            return
        common = axis_index(sweeps[0].axis)
        unsafe: set[Expr] = set()
        users: dict[Expr, list[_Sweep]] = {}
        for sweep, order in zip(sweeps, orders, strict=True):
            rename = Rewriter({sweep.axis: common}, build=make_plain)
            for node in order:
                alike = rename(node)
                sweep.nodes[alike] = node
                users.setdefault(alike, []).append(sweep)
            open_loads = unsafe_nodes(topological(sweep.exprs), self.sizes)
            unsafe |= {rename(node) for node in order if node in open_loads}
        kept: dict[Expr, _Kept] = {}
        for node, used in users.items():
            if len(used) > 1 and node not in unsafe and node.op not in TRIVIAL and _may_be_kept(node):
                work = _work(node, sweeps[0].axis, kept)
                if work >= WORTH:
                    kept[node] = _Kept(node, work, used)
        needed = [each for each in kept.values() if _readers(each, kept)]
        needed.sort(key=lambda each: -each.work * (len(each.sweeps) - 1))
        for each in needed:
            self._keep(body, each)

    def _keep(self, body: Sequence[Node], kept: _Kept) -> None:
        first = kept.sweeps[0]
        maker = body[first.place]
        extent, dtype = first.axis.extent, kept.node.dtype
        nbytes = -(-extent * dtype.itemsize // _ALIGNMENT) * _ALIGNMENT
        if nbytes > self.left or not isinstance(maker, ReduceLoop):
            return
        self.left -= nbytes
        slot = len(self.sizes) + len(self.scratch)
        self.scratch.append(KernelOperand((extent,), dtype, True, True))
        store = Store(slot, axis_index(first.axis), first.nodes[kept.node])
        self.stores.setdefault(id(maker), []).append(store)
        for sweep in kept.sweeps[1:]:
            self.rewrite.memo[sweep.nodes[kept.node]] = load(slot, axis_index(sweep.axis), dtype)

    # Writing: every expression anew, since reductions are named by their own bodies.

    def rewritten(self, node: Node) -> Node:
        new = self.rewrite
        if isinstance(node, Loop):
            return Loop(node.axis, tuple(map(self.rewritten, node.body)))
        if isinstance(node, Let):
            return Let(new(node.value))
        if isinstance(node, Store):
            conditions = tuple((new.index(i), lo, hi) for i, lo, hi in node.conditions)
            return Store(node.slot, new.index(node.index), new(node.value), conditions, node.combine)
        if isinstance(node, ScanLoop):
            inits, bodies = tuple(map(new, node.inits)), tuple(map(new, node.bodies))
            stores = tuple((slot, new.index(i), k) for slot, i, k in node.stores)
            inner = tuple(map(self.rewritten, node.body))
            return ScanLoop(node.axis, node.combiner, inits, bodies, stores, node.reverse, inner)
        levels = [tuple(map(self.rewritten, level)) for level in node.levels]
        levels[-1] += tuple(Store(s.slot, s.index, new(s.value)) for s in self.stores.get(id(node), ()))
        return ReduceLoop(new(node.value), node.axes, tuple(levels), tuple(map(new, node.siblings)))


def _sweep(place: int, node: Node) -> _Sweep | None:
    """``node`` as a walk along a row; None if it is none, or one over several loops."""
    if isinstance(node, ReduceLoop):
        if len(node.axes) != 1:
            return None
        bodies = [
            arg for reduction in (node.value, *node.siblings) for arg in reduction.args[len(reduction.args) // 2 :]
        ]
        return _Sweep(place, node.axes[0], [*_evaluated(node.levels[0]), *bodies])
    if isinstance(node, ScanLoop):
        return _Sweep(place, node.axis, [*_evaluated(node.body), *node.bodies])
    return _Sweep(place, node.axis, _evaluated(node.body)) if isinstance(node, Loop) else None


def _evaluated(nodes: Iterable[Node]) -> list[Expr]:
    """What the Lets and Stores of a body evaluate."""
    found: list[Expr] = []
    for node in nodes:
        if isinstance(node, Let | Store):
            found.append(node.value)
        if isinstance(node, Store):
            indices: list[Index] = [node.index, *(index for index, _, _ in node.conditions)]
            found.extend(value for index in indices for value in index_values(index))
    return found


def _along(sweep: _Sweep) -> list[Expr]:
    """The nodes that change from step to step and stand under no other loop, operands first."""
    order = [node for node in topological(sweep.exprs) if sweep.axis in node.free_axes]
    inside = {node for root in order if root.op == "reduce" for node in topological(root.args)}
    return [node for node in order if node not in inside] if inside else order


def _may_be_kept(node: Expr) -> bool:
    return node.dtype is not None and node.dtype not in HALF


def _work(root: Expr, axis: Axis, kept: dict[Expr, _Kept]) -> float:
    """The work of one element, with what is kept already just read."""
    total = 0.0
    seen: set[Expr] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if node in seen or axis not in node.free_axes:
            continue
        seen.add(node)
        if node in kept:
            total += 1.0
            continue
        if node.op == "reduce":
            total += steps(node.attr[1])
            continue
        total += 1.0 if node.op == "load" else weight(node.op)
        stack.extend(node.uses)
    return total


def _readers(each: _Kept, kept: dict[Expr, _Kept]) -> bool:
    """Whether a later sweep uses the value itself, not only inside of a greater one that is kept."""
    for sweep in each.sweeps[1:]:
        if _reached(sweep, sweep.nodes[each.node], {sweep.nodes[k] for k in kept if _is_read(kept[k], sweep)}):
            return True
    return False


def _is_read(kept: _Kept, sweep: _Sweep) -> bool:
    return any(sweep is later for later in kept.sweeps[1:])


def _reached(sweep: _Sweep, wanted: Expr, stops: set[Expr]) -> bool:
    seen: set[Expr] = set()
    stack = list(sweep.exprs)
    while stack:
        node = stack.pop()
        if node is wanted:
            return True
        if node not in seen and node not in stops:
            seen.add(node)
            stack.extend(node.uses)
    return False
