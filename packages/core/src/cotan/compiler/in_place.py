"""Whether a kernel may write a result over an operand: reads its tree, knows no buffers.

What a load reads must not have been written, whatever the order of the iterations of the outermost loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from cotan.compiler.tree import topological
from cotan.ir.index import Axis, Index
from cotan.ir.program import Kernel, Let, Loop, Node, ReduceLoop, ScanLoop, Store
from cotan.ir.scalar import Expr


def in_place_safe(kernel: Kernel, read: int, write: int) -> bool:
    """Whether the two operands may be one memory.

    Every load from ``read`` comes before the one store to ``write``, in the same iteration of the loops around both;
    and it reads the very element that this iteration stores, or memory that no other iteration stores to.
    """
    found = _store(kernel.tree, write, ())
    # Indices count numbers, of which a complex element has two: they compare only where numbers are of one size.
    if found is None or kernel.operands[read].dtype.itemsize != kernel.operands[write].dtype.itemsize:
        return False
    return _Check(read, *found).safe(kernel.tree, ())


def _store(nodes: Sequence[Node], write: int, loops: tuple[Axis, ...]) -> tuple[Store, tuple[Axis, ...]] | None:
    """The one plain store to the operand, and the loops around it."""
    found = []
    for node in nodes:
        if isinstance(node, Store) and node.slot == write:
            found.append(None if node.combine is not None or node.conditions else (node, loops))
        elif isinstance(node, Loop):
            if _writes(node.body, write):
                found.append(_store(node.body, write, (*loops, node.axis)))
        elif isinstance(node, ScanLoop) and any(slot == write for slot, _, _ in node.stores):
            found.append(None)
    return found[0] if len(found) == 1 else None


def _writes(nodes: Sequence[Node], write: int) -> bool:
    for node in nodes:
        if isinstance(node, Loop):
            if _writes(node.body, write):
                return True
        elif isinstance(node, Store):
            if node.slot == write:
                return True
        elif isinstance(node, ScanLoop) and any(slot == write for slot, _, _ in node.stores):
            return True
    return False


class _Check:
    def __init__(self, read: int, store: Store, path: tuple[Axis, ...]) -> None:
        self.read = read
        self.store = store
        self.path = path
        self.stored = False
        self.computed: set[Expr] = set()
        # What loads under these nodes read is computed, or was looked at in the same loops, before the same stores.
        self._seen: set[Expr] = set()
        self._place: tuple[tuple[Axis, ...], bool] = ((), False)

    def safe(self, nodes: Sequence[Node], loops: tuple[Axis, ...]) -> bool:
        """Whether all loads under ``nodes``, which stand in ``loops``, are harmless."""
        for node in nodes:
            if isinstance(node, Loop):
                if not self.safe(node.body, (*loops, node.axis)):
                    return False
            elif isinstance(node, Store):
                if not self._harmless([node.value], loops):
                    return False
                self.stored |= node is self.store
            elif isinstance(node, Let):
                if not self._harmless([node.value], loops):
                    return False
                self.computed.add(node.value)
            elif isinstance(node, ReduceLoop):
                if not self._harmless([node.value, *node.siblings], loops):
                    return False
                self.computed.update((node.value, *node.siblings))
            elif not self._harmless([*node.inits, *node.bodies], ()):
                return False
        return True

    def _harmless(self, exprs: Sequence[Expr], loops: tuple[Axis, ...]) -> bool:
        if self._place != (loops, self.stored):
            self._place = (loops, self.stored)
            self._seen = set(self.computed)
        nodes = topological(exprs, self._seen)
        self._seen.update(nodes)
        indices = [node.attr[1] for node in nodes if node.op == "load" and node.attr[0] == self.read]
        if not indices:
            return True
        if self.stored:
            return False
        whole = loops == self.path
        common = tuple(a for a, b in zip(loops, self.path, strict=False) if a is b)
        return all((whole and index == self.store.index) or self._of_iteration(index, common) for index in indices)

    def _of_iteration(self, index: Index, loops: tuple[Axis, ...]) -> bool:
        """Whether ``index`` stays among elements that no other iteration of ``loops`` stores to."""
        if not loops:
            return False
        loaded, stored = _apart(index, loops), _apart(self.store.index, loops)
        if loaded is None or stored is None or loaded[0] != stored[0]:
            return False
        (low, high), (first, last) = loaded[1].range, stored[1].range
        width = max(high, last) - min(low, first) + 1
        for stride, extent in sorted((abs(stored[0].get(axis, 0)), axis.extent) for axis in loops if axis.extent > 1):
            if stride < width:
                return False
            width += stride * (extent - 1)
        return True


def _apart(index: Index, loops: tuple[Axis, ...]) -> tuple[dict[Axis, int], Index] | None:
    """The strides along ``loops``, and the rest of the index; None where it is not a sum over loops."""
    strides: dict[Axis, int] = {}
    rest = []
    for atom, stride in index.terms:
        if not isinstance(atom, Axis):
            return None
        if atom in loops:
            strides[atom] = stride
        else:
            rest.append((atom, stride))
    return strides, Index(tuple(rest), index.const)
