"""Reductions under guards: their loops run unguarded, so their bodies must carry the guards themselves.

A reduction is computed as a statement, outside of the lazy branches of a ``guard``. Where its loads are in bounds only
inside a branch, the branch's conditions move into its body; elsewhere the body gives zeros that nobody reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan.compiler.elements import inner_values
from cotan.compiler.tree import topological, unsafe_nodes
from cotan.ir.scalar import Expr, const, make

Branch = tuple[Any, bool]
Under = tuple[Branch, ...]


def protect_reductions(exprs: Sequence[Expr], sizes: Sequence[int]) -> list[Expr]:
    """``exprs`` with every reduction safe to compute anywhere."""
    order = topological(exprs)
    if not any(n.op == "guard" for n in order) or not any(n.op == "reduce" for n in order):
        return list(exprs)
    unsafe = unsafe_nodes(order, sizes)
    risky: set[Expr] = set()
    for node in order:
        if (node.op == "reduce" and node in unsafe) or any(n in risky for n in (*node.args, *inner_values(node))):
            risky.add(node)
    memo: dict[tuple[Expr, Under], Expr] = {}
    return [_protect(e, (), risky, unsafe, memo) for e in exprs]


def _protect(
    node: Expr, under: Under, risky: set[Expr], unsafe: set[Expr], memo: dict[tuple[Expr, Under], Expr]
) -> Expr:
    """``node`` as it stands inside the branches ``under``."""
    if node not in risky:
        return node
    known = memo.get((node, under))
    if known is not None:
        return known
    if node.op == "guard":
        branches = [(*under, (node.attr, True)), (*under, (node.attr, False))]
        args = [_protect(a, u, risky, unsafe, memo) for a, u in zip(node.args, branches, strict=True)]
    else:
        args = [_protect(a, under, risky, unsafe, memo) for a in node.args]
    if node.op == "reduce" and node in unsafe:
        half = len(args) // 2
        args[half:] = [_inside(a, under) for a in args[half:]]
    result = memo[node, under] = make(node.op, node.dtype, args, node.attr)
    return result


def _inside(body: Expr, under: Under) -> Expr:
    nothing = const(0, body.dtype)
    for conditions, then in reversed(under):
        body = make("guard", body.dtype, (body, nothing) if then else (nothing, body), conditions)
    return body
