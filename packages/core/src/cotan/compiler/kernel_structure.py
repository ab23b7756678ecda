"""What a kernel is but for which loops and nodes it is made of: equal structures have equal code.

Layers of one shape become kernels that differ in nothing else. Knows kernels as data, no backend.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from cotan.compiler.tree import topological
from cotan.ir.index import Axis, FloorDiv, Index, Mod
from cotan.ir.program import Kernel, Let, Loop, Node, ReduceLoop, ScanLoop, Store
from cotan.ir.scalar import Expr


def structure_of(kernel: Kernel) -> Hashable:
    """A key that two kernels have in common if all but their names, loops and nodes as objects is equal."""
    walk = _Walk()
    tree = walk.tree(kernel.tree)
    return (kernel.operands, kernel.scratch, kernel.in_place, kernel.bytes, kernel.flops, tree, tuple(walk.nodes))


class _Walk:
    """Numbers loops and nodes in the order in which they are met."""

    def __init__(self) -> None:
        self.nodes: list[Hashable] = []
        self._numbers: dict[Expr, int] = {}
        self._axes: dict[Axis, int] = {}

    def tree(self, nodes: Sequence[Node]) -> Hashable:
        return tuple(map(self._step, nodes))

    def _step(self, node: Node) -> Hashable:
        if isinstance(node, Loop):
            return ("loop", self._axis(node.axis), self.tree(node.body))
        if isinstance(node, Let):
            return ("let", self._expr(node.value))
        if isinstance(node, Store):
            value = self._expr(node.value)
            return ("store", node.slot, self._index(node.index), value, self._conditions(node.conditions), node.combine)
        if isinstance(node, ReduceLoop):
            axes = tuple(map(self._axis, node.axes))
            levels = tuple(map(self.tree, node.levels))
            return ("reduce", axes, levels, self._expr(node.value), tuple(map(self._expr, node.siblings)))
        assert isinstance(node, ScanLoop)
        axis, body = self._axis(node.axis), self.tree(node.body)
        inits, bodies = tuple(map(self._expr, node.inits)), tuple(map(self._expr, node.bodies))
        stores = tuple((slot, self._index(index), k) for slot, index, k in node.stores)
        return ("scan", axis, node.combiner, inits, bodies, stores, node.reverse, body)

    def _expr(self, root: Expr) -> int:
        numbers = self._numbers
        if root not in numbers:
            for node in topological([root], numbers):
                args = tuple([numbers[arg] for arg in node.args])
                numbers[node] = len(numbers)
                self.nodes.append((node.op, node.dtype, args, self._attribute(node.op, node.attr)))
        return numbers[root]

    def _attribute(self, op: str, attr: Any) -> Hashable:
        if op == "const":
            # 0.0 and -0.0 are equal, and so are 1 and True.
            return repr(attr)
        if op == "load":
            return (attr[0], self._index(attr[1]))
        if op == "index":
            return self._index(attr)
        if op == "guard":
            return self._conditions(attr)
        if op == "reduce":
            return (attr[0], tuple(map(self._axis, attr[1])))
        known: Hashable = attr
        return known

    def _conditions(self, conditions: Sequence[tuple[Index, int, int]]) -> Hashable:
        return tuple([(self._index(index), lo, hi) for index, lo, hi in conditions])

    def _index(self, index: Index) -> Hashable:
        terms: list[Hashable] = [index.const]
        for atom, coefficient in index.terms:
            if isinstance(atom, Axis):
                terms.append((self._axis(atom), coefficient))
            elif isinstance(atom, FloorDiv | Mod):
                terms.append((type(atom), self._index(atom.index), atom.divisor, coefficient))
            else:
                terms.append(("value", self._expr(atom.expr), atom.range, coefficient))
        return tuple(terms)

    def _axis(self, axis: Axis) -> int:
        number = self._axes.get(axis)
        if number is None:
            number = self._axes[axis] = len(self._axes)
            self.nodes.append((axis.kind, axis.extent))
        return number
