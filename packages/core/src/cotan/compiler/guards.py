"""Reductions under guards: their loops run unguarded, so their bodies must carry the guards themselves.

A reduction is computed as a statement, outside of the lazy branches of a ``guard``. Where its loads are in bounds only
inside a branch, the branch's conditions move into its body; elsewhere the body gives zeros that nobody reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan.compiler.rewrite import Rewriter, make_plain
from cotan.compiler.tree import topological, unsafe_nodes
from cotan.ir.index import Axis, Index, axis_index, substitute
from cotan.ir.scalar import Expr, as_index, const, inner_values, make

Branch = tuple[Any, bool]
Under = tuple[Branch, ...]


class Protector:
    """Rewrites expressions and indices so that every reduction in them is safe to compute anywhere.

    Args:
      order: all nodes of the kernel, for what may be out of bounds.
      sizes: the number of elements of each operand.
    """

    def __init__(self, order: Sequence[Expr], sizes: Sequence[int]) -> None:
        self.risky: set[Expr] = set()
        if not any(n.op == "guard" for n in order) or not any(n.op == "reduce" for n in order):
            return
        self.unsafe = unsafe_nodes(order, sizes)
        for node in order:
            if (node.op == "reduce" and node in self.unsafe) or any(n in self.risky for n in node.uses):
                self.risky.add(node)
        self.memo: dict[tuple[Expr, Under], Expr] = {}

    def index(self, index: Index, under: Under = ()) -> Index:
        """The index, with the reductions inside its values safe."""
        if not self.risky:
            return index
        return substitute(index, {}, lambda v: as_index(self(v.expr, under), *v.range))

    def __call__(self, root: Expr, under: Under = ()) -> Expr:
        """``root`` as it stands inside the branches ``under``."""
        if root not in self.risky:
            return root
        memo = self.memo
        stack = [(root, under)]
        while stack:
            node, inside = stack[-1]
            if (node, inside) in memo:
                stack.pop()
                continue
            if node.op == "guard":
                # The conditions come first: the branches stand under the new ones.
                missing = [(v, inside) for v in inner_values(node) if v in self.risky and (v, inside) not in memo]
                if missing:
                    stack.extend(missing)
                    continue
                attr = tuple((self.index(i, inside), lo, hi) for i, lo, hi in node.attr)
                needed = [(node.args[0], (*inside, (attr, True))), (node.args[1], (*inside, (attr, False)))]
            else:
                attr = node.attr
                needed = [(n, inside) for n in node.uses]
            missing = [(n, u) for n, u in needed if n in self.risky and (n, u) not in memo]
            if missing:
                stack.extend(missing)
                continue
            args = [memo[n, u] if n in self.risky else n for n, u in needed[: len(node.args)]]
            memo[node, inside] = self._rebuild(node, args, attr, inside)
            stack.pop()
        return memo[root, under]

    def _rebuild(self, node: Expr, args: list[Expr], attr: Any, under: Under) -> Expr:
        if node.op == "load":
            attr = (attr[0], self.index(attr[1], under))
        elif node.op == "index":
            attr = self.index(attr, under)
        elif node.op == "reduce" and under:
            half = len(args) // 2
            if node in self.unsafe:
                args[half:] = [_inside(a, under) for a in args[half:]]
            # It may stand elsewhere without these guards: this one has loops of its own.
            attr, args[half:] = _own_loops(attr, args[half:])
        return make(node.op, node.dtype, args, attr)


def _own_loops(attr: Any, bodies: Sequence[Expr]) -> tuple[Any, list[Expr]]:
    """A reduction's attributes and bodies, with new loops for it and for the reductions inside of it."""
    combiner, axes = attr
    new = {a: Axis(a.name, a.extent, a.kind) for a in axes}
    for node in reversed(topological(bodies)):
        if node.op == "reduce" and not node.free_axes.isdisjoint(new):
            new.update((a, Axis(a.name, a.extent, a.kind)) for a in node.attr[1])
    rewrite = Rewriter({a: axis_index(b) for a, b in new.items()}, build=make_plain, scoped=True)
    return (combiner, tuple(new[a] for a in axes)), [rewrite(body) for body in bodies]


def _inside(body: Expr, under: Under) -> Expr:
    nothing = const(0, body.dtype)
    for conditions, then in reversed(under):
        body = make("guard", body.dtype, (body, nothing) if then else (nothing, body), conditions)
    return body
