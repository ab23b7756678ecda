"""Big reductions with few results are done in two stages, so that many threads share them, and for accuracy.

The first stage reduces chunks of one axis, the second the partial states. Both are ordinary operations to the fuser.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

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
WIDE = 1 << 14
"""Sums of up to so many columns, of a matrix of at least ``LARGE_WIDE`` elements, are done in a few stretches of at
least ``STRETCH`` rows: a thread then walks rows that lie together."""
LARGE_WIDE = 1 << 20
STRETCH = 64
WIDE_CHUNKS = 8
CHUNK = 1 << 14
MAX_CHUNKS = 64


class _Cut(NamedTuple):
    """How a reduction is cut: into so many chunks of the axis at ``position``; ``walk`` is (rows, columns) if wide."""

    position: int
    chunks: int
    walk: tuple[int, int] | None


def split_reductions(ops: Sequence[Op]) -> list[Op]:
    """``ops`` with two operations in place of each big reduction or scatter, and positions counted anew."""
    cuts = [_cut(op) if op.kind == "map" and steps(op.axes) <= WIDE else None for op in ops]
    walks = Counter(cut.walk for cut in cuts if cut is not None)
    result: list[Op] = []
    for op, cut in zip(ops, cuts, strict=True):
        if op.kind == "scatter":
            result.extend(in_copies(op))
        elif cut is not None and (cut.walk is None or walks[cut.walk] == 1):
            result.extend(_split(op, cut))
        else:
            # Several reductions of wide columns are one kernel, which has a block of them in the cache.
            result.append(op)
    for position, op in enumerate(result):
        op.position = position
    return result


def _cut(op: Op) -> _Cut | None:
    """How to cut the reduction that ``op`` is; None for what stays whole."""
    elements = op.elements(op.idx)
    if all(e.op in ("load", "const", "index") for e in elements):
        return None
    found = survey(elements, op.axes)
    loops = {node.attr[1] for node in found.reductions}
    if len(loops) != 1:
        return None
    combiners = [node.attr[0] for node in found.reductions]
    if any(isinstance(combiner, Combiner) and not combiner.commutative for combiner in combiners):
        return None
    [axes] = loops
    results, walked = steps(op.axes), steps(axes)
    if results < FEW:
        wanted = walked // CHUNK if walked >= LARGE else 0
    else:
        wanted = _wanted_of_columns(results, walked, op.axes[-1].extent)
        if wanted >= 2 and not _down_columns([idx for _, idx, _ in found.loads], op.axes[-1]):
            return None
    if wanted < 2:
        return None
    position = _chunked_axis(axes)
    chunks = _chunks(axes[position].extent, wanted)
    return _Cut(position, chunks, None if results < COLUMNS else (walked, results)) if chunks > 1 else None


def _split(op: Op, cut: _Cut) -> tuple[Op, Op]:
    position, chunks = cut.position, cut.chunks
    shape = (chunks, *physical(op.outs[0].aval).shape)
    # The states of all reductions in a row: sums of complex numbers are two.
    partials = [
        [Var(shaped(shape, init.dtype)) for init in node.args[: len(node.args) // 2]]
        for node in _reductions(op, op.idx)
    ]

    def partial(idx: Idx) -> tuple[Expr, ...]:
        nodes = _reductions(op, idx[1:])
        return tuple(state for node in nodes for state in _partial(node, position, chunks, idx[0]))

    def whole(idx: Idx) -> tuple[Expr, ...]:
        new: dict[Expr, Expr] = {}
        for node, parts in zip(_reductions(op, idx), partials, strict=True):
            inits = node.args[: len(parts)]
            states = reduce(
                node.attr[0], (chunks,), inits, lambda c, parts=parts: [open_load(p, (c, *idx)) for p in parts]
            )
            new.update({make("project", s.dtype, (node,), k): s for k, s in enumerate(states)})
        return tuple(replace_nodes(e, new) for e in op.elements(idx))

    outs = [var for parts in partials for var in parts]
    first = Op(op.name, "map", outs, partial, keep=True)
    second = Op(op.name, "map", op.outs, whole, op.eqn, None, (op.axes, op.idx))
    return first, second


def _reductions(op: Op, idx: Idx) -> list[Expr]:
    """The reductions in the elements of ``op`` at ``idx``, always in the same order."""
    return survey(op.elements(idx), ()).reductions


def _wanted_of_columns(results: int, rows: int, columns: int) -> int:
    """In how many chunks to cut sums of columns; 0 for none."""
    walked = rows * results
    if results < COLUMNS:
        return walked // CHUNK if walked >= LARGE_COLUMNS else 0
    return min(WIDE_CHUNKS, rows // STRETCH) if walked >= LARGE_WIDE and columns == results else 0


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


def _chunks(extent: int, wanted: int) -> int:
    """In how many chunks to cut an axis: a divisor of its extent if there is one near the number wanted."""
    wanted = max(2, min(MAX_CHUNKS, wanted, extent))
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
