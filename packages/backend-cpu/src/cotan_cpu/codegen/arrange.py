"""Rearranging perfectly nested parallel loops before they are scheduled: what the order of an array's axes hides.

A short innermost axis is merged with the one around it, so that vectors are full; an axis along which something is read
contiguously is moved next to the innermost one, so that squares can be cut from the two.
"""

from __future__ import annotations

from collections.abc import Sequence

from cotan.compiler.rewrite import Rewriter, make_plain
from cotan.ir.index import Axis, axis_index
from cotan.ir.program import Let, Loop, Node, Store
from cotan_cpu.codegen.schedule import Work, work_of
from cotan_cpu.codegen.target import Target

_SHORT = 16
_WORTH = 256


def arrange(tree: Sequence[Node], target: Target) -> tuple[Node, ...]:
    """The tree with its outermost nest of loops rearranged, if that helps."""
    if not tree or not isinstance(tree[-1], Loop) or not all(isinstance(node, Let) for node in tree[:-1]):
        return tuple(tree)
    axes, body = _perfect_nest(tree[-1])
    if len(axes) < 2 or not all(isinstance(node, Let | Store) for node in body):
        return tuple(tree)
    work = work_of(body, set())
    if _is_short(axes, body, work, target):
        axes, body = _merged(axes, body)
    else:
        axes = _neighbours(axes, work)
    nodes: tuple[Node, ...] = tuple(body)
    for axis in reversed(axes):
        nodes = (Loop(axis, nodes),)
    return (*tree[:-1], *nodes)


def _perfect_nest(node: Node) -> tuple[list[Axis], tuple[Node, ...]]:
    axes: list[Axis] = []
    body: tuple[Node, ...] = (node,)
    while len(body) == 1 and isinstance(body[0], Loop) and body[0].axis.kind == "parallel":
        axes.append(body[0].axis)
        body = body[0].body
    return axes, body


def _is_short(axes: Sequence[Axis], body: Sequence[Node], work: Work, target: Target) -> bool:
    """Whether the innermost axis fills no vector, and all stores go on with the next round where one round ended."""
    outer, inner = axes[-2], axes[-1]
    lanes = min(_SHORT, target.vector_bytes // work.max_width())
    if inner.extent >= lanes or outer.extent * inner.extent < _WORTH or work.guards:
        return False
    stores = [node for node in body if isinstance(node, Store)]
    return all(
        store.index.coefficient(inner) == 1 and store.index.coefficient(outer) == inner.extent and not store.conditions
        for store in stores
    )


def _merged(axes: Sequence[Axis], body: Sequence[Node]) -> tuple[list[Axis], tuple[Node, ...]]:
    outer, inner = axes[-2], axes[-1]
    axis = Axis(f"{outer.name}{inner.name}", outer.extent * inner.extent)
    index = axis_index(axis)
    rewrite = Rewriter({outer: index // inner.extent, inner: index % inner.extent}, build=make_plain)
    nodes: list[Node] = []
    for node in body:
        if isinstance(node, Let):
            nodes.append(Let(rewrite(node.value)))
        else:
            assert isinstance(node, Store)
            nodes.append(Store(node.slot, rewrite.index(node.index), rewrite(node.value), (), node.combine))
    return [*axes[:-2], axis], tuple(nodes)


def _neighbours(axes: list[Axis], work: Work) -> list[Axis]:
    """The loops with one that reads contiguously, if there is such a one, directly around the innermost."""
    inner = axes[-1]
    if len(axes) < 3 or not any(store and index.coefficient(inner) == 1 for index, store in work.accesses):
        return axes
    for index, store in work.accesses:
        if store or index.coefficient(inner) in (0, 1):
            continue
        for axis in axes[:-2]:
            if index.coefficient(axis) == 1 and axis.extent >= _SHORT:
                return [a for a in axes[:-1] if a is not axis] + [axis, inner]
    return axes
