"""Rewriting of expression DAGs without recursion: resolve open loads, replace loops, make nodes legal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cotan.compiler.legalize import build
from cotan.ir.index import Axis, Index, Value, substitute
from cotan.ir.scalar import Expr, as_index, index_axes, index_values, make


class Rewriter:
    """Rebuilds expressions with loops replaced; one memo for all expressions of a kernel.

    Args:
      axes: loop -> the index that takes its place (a reduction's loop: the index of another loop).
      source: for an open load, the expression that it stands for, or None if it stays a load.
      slot: the new slot of a load that stays.
      build: makes a node from op, dtype, args and attr; with ``make_plain`` nothing is simplified, so that nodes in
        which no loop is replaced stay the very same nodes.
      scoped: leave alone what does not depend on the loops from outside, though it may bind some of them itself.
    """

    def __init__(
        self,
        axes: Mapping[Axis, Index],
        source: Callable[[Expr], Expr | None] | None = None,
        slot: Callable[[Any], Any] | None = None,
        build: Callable[..., Expr] = build,
        scoped: bool = False,
    ) -> None:
        self.axes = axes
        self.scoped = scoped
        self.source = source
        self.slot = slot
        self.build = build
        self.memo: dict[Expr, Expr] = {}
        self._indices: dict[Index, Index] = {}

    def __call__(self, root: Expr) -> Expr:
        """The rewritten expression."""
        memo = self.memo
        stack = [root]
        while stack:
            node = stack[-1]
            if node in memo:
                stack.pop()
                continue
            if self.scoped and node.free_axes.isdisjoint(self.axes):
                memo[node] = node
                stack.pop()
                continue
            stands_for = self.source(node) if self.source is not None and node.op == "load" else None
            needed = (stands_for,) if stands_for is not None else node.uses
            missing = [n for n in needed if n not in memo]
            if missing:
                stack.extend(missing)
                continue
            memo[node] = memo[stands_for] if stands_for is not None else self._rebuild(node)
            stack.pop()
        return memo[root]

    def index(self, index: Index) -> Index:
        """The rewritten index; the expressions inside it are rewritten as well."""
        found = self._indices.get(index)
        if found is None:
            found = index if self._stays(index) else substitute(index, self.axes, self._value)
            self._indices[index] = found
        return found

    def _stays(self, index: Index) -> bool:
        """Whether a renaming of loops leaves ``index`` as it is: then it stays the same, not just equal in value."""
        return (
            self.build is make_plain
            and index_axes(index).isdisjoint(self.axes)
            and all(self(expr) is expr for expr in index_values(index))
        )

    def _value(self, value: Value) -> Index:
        return as_index(self(value.expr), *value.range)

    def _rebuild(self, node: Expr) -> Expr:
        op, attr = node.op, node.attr
        args = [self.memo[a] for a in node.args]
        if op == "load":
            slot, index = attr
            attr = (slot if self.slot is None else self.slot(slot), self.index(index))
        elif op == "index":
            index = self.index(attr)
            if index.is_const:
                return self.build("const", node.dtype, (), index.const)
            attr = index
        elif op == "guard":
            return self._guard(node, args)
        elif op == "reduce":
            combiner, axes = attr
            attr = (combiner, self._loops(axes))
        elif op == "project" and args[0].op != "reduce":
            return args[0]
        return self.build(op, node.dtype, args, attr)

    def _loops(self, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        kept: list[Axis] = []
        for axis in axes:
            if axis not in self.axes:
                kept.append(axis)
            else:
                kept.extend(atom for atom, _ in self.axes[axis].terms if isinstance(atom, Axis) and atom not in kept)
        return tuple(kept)

    def _guard(self, node: Expr, args: list[Expr]) -> Expr:
        kept = []
        for index, lo, hi in node.attr:
            index = self.index(index)
            low, high = index.range
            if self.build is not make_plain and (high < lo or low >= hi):
                return args[1]
            if self.build is make_plain or not (lo <= low and high < hi):
                kept.append((index, lo, hi))
        return self.build("guard", node.dtype, args, tuple(kept)) if kept else args[0]


def replace_nodes(root: Expr, new: Mapping[Expr, Expr], axes: Mapping[Axis, Index] | None = None) -> Expr:
    """``root`` with some nodes replaced and loops replaced; open loads stay open."""
    rewriter = OpenRewriter(axes or {})
    rewriter.memo.update(new)
    return rewriter(root)


class OpenRewriter(Rewriter):
    """A Rewriter whose loads stay open: their index tuples are rewritten too."""

    def __init__(self, axes: Mapping[Axis, Index]) -> None:
        super().__init__(axes, build=make_plain)
        self.slot = self._open

    def _open(self, slot: Any) -> Any:
        var, idx = slot
        return (var, tuple(self.index(i) for i in idx))


def make_plain(op: str, dtype: Any, args: list[Expr], attr: Any) -> Expr:
    """The node itself, neither legalised nor simplified."""
    return make(op, dtype, args, attr)
