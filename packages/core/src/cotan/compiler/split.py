"""Big reductions with few results are done in two stages, so that many threads share them, and for accuracy.

The first stage reduces chunks of one axis, the second the partial states. Both are ordinary operations to the fuser.
"""

from __future__ import annotations

from collections.abc import Sequence

from cotan.compiler.cost import steps, survey
from cotan.compiler.elements import Idx, Op, open_load, physical
from cotan.compiler.rewrite import replace_nodes
from cotan.compiler.scatters import in_copies
from cotan.ir.avals import shaped
from cotan.ir.index import Axis, Index, axis_index
from cotan.ir.jaxpr import Var
from cotan.ir.scalar import Combiner, Expr, guard, index_axes, make, reduce

LARGE = 1 << 15
"""Reductions over at least so many elements are split..."""
FEW = 32
"""...if they have less results than this."""
COLUMNS = 512
"""So many results may be sums of columns: too few to share them among threads, or to walk long pieces of rows."""
LARGE_COLUMNS = 1 << 17
"""Elements from which such sums are split."""
CHUNK = 1 << 14
MAX_CHUNKS = 64


def split_reductions(ops: Sequence[Op]) -> list[Op]:
    """``ops`` with two operations in place of each big reduction or scatter, and positions counted anew."""
    result: list[Op] = []
    for op in ops:
        if op.kind == "scatter":
            result.extend(in_copies(op))
        else:
            result.extend(_split(op) if op.kind == "map" and steps(op.axes) < COLUMNS else (op,))
    for position, op in enumerate(result):
        op.position = position
    return result


def _split(op: Op) -> Sequence[Op]:
    elements = op.elements(op.idx)
    if all(e.op in ("load", "const", "index") for e in elements):
        return (op,)
    found = survey(elements, op.axes)
    outer = found.reductions
    if len(outer) != 1:
        return (op,)
    combiner, axes = outer[0].attr
    if isinstance(combiner, Combiner) and not combiner.commutative:
        return (op,)
    walked = steps(axes)
    if steps(op.axes) >= FEW:
        walked *= steps(op.axes)
        if walked < LARGE_COLUMNS or not _down_columns([idx for _, idx, _ in found.loads], op.axes[-1]):
            return (op,)
    elif walked < LARGE:
        return (op,)
    position = _chunked_axis(axes)
    chunks = _chunks(axes[position].extent, walked)
    if chunks < 2:
        return (op,)
    half = len(outer[0].args) // 2
    partials = tuple(
        Var(shaped((chunks, *physical(op.outs[0].aval).shape), init.dtype)) for init in outer[0].args[:half]
    )

    def partial(idx: Idx) -> tuple[Expr, ...]:
        return _partial(_reduction(op, idx[1:]), position, chunks, idx[0])

    def whole(idx: Idx) -> tuple[Expr, ...]:
        node = _reduction(op, idx)
        inits = node.args[:half]
        states = reduce(node.attr[0], (chunks,), inits, lambda c: [open_load(p, (c, *idx)) for p in partials])
        new = {make("project", s.dtype, (node,), k): s for k, s in enumerate(states)}
        return tuple(replace_nodes(e, new) for e in op.elements(idx))

    first = Op(op.name, "map", partials, partial, keep=True)
    second = Op(op.name, "map", op.outs, whole, op.eqn, None, (op.axes, op.idx))
    return (first, second)


def _reduction(op: Op, idx: Idx) -> Expr:
    """The one reduction in the elements of ``op`` at ``idx``."""
    [node] = survey(op.elements(idx), ()).reductions
    return node


def _down_columns(loads: Sequence[Idx], column: Axis) -> bool:
    """Whether neighbours along ``column`` are neighbours in all of memory that depends on it."""
    moving = [idx for idx in loads if any(column in index_axes(part) for part in idx)]
    return bool(moving) and all(idx[-1].coefficient(column) == 1 for idx in moving)


def _chunked_axis(axes: Sequence[Axis]) -> int:
    """The outermost axis with steps enough, else the longest."""
    for position, axis in enumerate(axes):
        if axis.extent >= 16:
            return position
    return max(range(len(axes)), key=lambda n: axes[n].extent)


def _chunks(extent: int, total: int) -> int:
    """In how many chunks to cut an axis: a divisor of its extent if there is one near the number wanted."""
    wanted = max(2, min(MAX_CHUNKS, total // CHUNK, extent))
    for chunks in range(wanted, wanted // 2, -1):
        if extent % chunks == 0:
            return chunks
    return wanted


def _partial(node: Expr, position: int, chunks: int, chunk: Index) -> tuple[Expr, ...]:
    combiner, axes = node.attr
    half = len(node.args) // 2
    cut = axes[position]
    size = -(-cut.extent // chunks)
    inner = [Axis(a.name, size if a is cut else a.extent, "reduction") for a in axes]
    walked = chunk * size + axis_index(inner[position])
    new = {a: walked if a is cut else axis_index(b) for a, b in zip(axes, inner, strict=True)}
    bodies = [replace_nodes(body, {}, new) for body in node.args[half:]]
    if size * chunks > cut.extent:
        bodies = [guard([(walked, 0, cut.extent)], b, i) for b, i in zip(bodies, node.args[:half], strict=True)]
    kept = tuple(a for a in inner if a.extent != 1)
    again = make("reduce", None, (*node.args[:half], *bodies), (combiner, kept))
    return tuple(make("project", init.dtype, (again,), k) for k, init in enumerate(node.args[:half]))
