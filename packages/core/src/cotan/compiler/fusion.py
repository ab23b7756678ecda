"""Fusion: which values become buffers, and which are substituted into their consumers.

Substitution is the only mechanism. A value is substituted unless recomputing it costs more than memory does: that is
measured by how often its elements would be evaluated, each hoisted as far out of the loops as it can be, against how
many elements it has. Afterwards results share kernels (``grouping``). Deterministic: everything follows the order of
the equations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cotan.compiler.cost import HIDDEN, LAUNCH, READ, WRITE, Survey, steps, survey
from cotan.compiler.elements import Idx, Op
from cotan.compiler.estimates import (
    ENOUGH_PARALLEL,
    MAX_NODES,
    SERIAL,
    Estimate,
    Loops,
    State,
    Uses,
    add_estimate,
    nearness,
    own_survey,
    reads_columns,
    sweep_again,
)
from cotan.compiler.grouping import Fusion, collect
from cotan.compiler.scatters import space_of, start_of
from cotan.ir.index import axis_index
from cotan.ir.jaxpr import Var
from cotan.ir.scalar import Expr, index_value

MAX_INDICES = 12
"""A value that one kernel would read at more different indices than this becomes a buffer."""
FEW_USES = 4
"""What takes next to no work has a buffer if each of its elements is used more often than this."""


def fuse(ops: Sequence[Op], outputs: Sequence[Var], local_bytes: int = 0) -> Fusion:
    """Decide for every operation, given the variables that must become buffers in any case."""
    producer = {v: op for op in ops for v in op.outs}
    forced = set(outputs)
    for op in ops:
        if op.keep:
            forced.update(op.outs)
        if op.kind in ("library", "host", "control"):
            forced.update(op.operands)
    state = State(producer, forced, local_bytes)
    for op in ops:
        if op.kind == "map":
            state.maps[op.position] = op
            add_estimate(op, state)
    _decide(ops, state, lambda op, uses: _worth_inlining(op, uses, state))
    derived = _derived(state)
    if derived:
        # They were dear only as long as it was not known that what they lie next to would be a buffer.
        buffers = set(state.roots) - derived
        state.roots, state.accesses = {}, {}
        _decide(ops, state, lambda op, _: op.position not in buffers)
    fusion = collect(ops, outputs, state)
    fusion.local_bytes = local_bytes
    return fusion


def _derived(state: State) -> set[int]:
    """The positions of operations whose large results are next to nothing away from another buffer than their own."""
    found: set[int] = set()
    known: dict[int, tuple[float, float]] = {}
    for op in state.maps.values():
        # From the first to the last: what leads to an operation is known.
        work, far = own_survey(op, state).work / max(1, steps(op.axes)), 0.0
        for var, _, loops in own_survey(op, state).loads:
            times = steps(loops) / max(1, steps(op.axes))
            maker = state.producer.get(var)
            if (
                maker is None
                or maker.position not in state.maps
                or (maker.position in state.roots and maker.position not in found)
            ):
                far += times if nearness(var) == 1.0 else 0.0
            else:
                work, far = work + times * known[maker.position][0], far + times * known[maker.position][1]
        known[op.position] = work, far
        large = op.position in state.roots and nearness(op.outs[0]) == 1.0
        if not large or work > HIDDEN or far > 1.0 or not state.forced.isdisjoint(op.outs):
            continue
        if sum(steps(loops) for nests in _uses(op, state).values() for loops in nests) <= FEW_USES * steps(op.axes):
            found.add(op.position)
    return found


def _roots_of(op: Op) -> list[tuple[Sequence[Expr], Loops]]:
    """The expressions that a kernel operation of any kind evaluates, with their loops."""
    if op.kind == "map":
        return [(op.elements(op.idx), op.axes)]
    if op.kind == "cumulative":
        scanned = op.idx[op.record.axis].terms
        last = scanned[0][0] if scanned else None
        nest = tuple(a for a in op.axes if a is not last) + tuple(a for a in op.axes if a is last)
        return [(op.record.body(op.idx), nest)]
    if op.kind == "scatter":
        space = space_of(op)
        indices = (*space.target, *(index for index, _, _ in space.conditions))
        return [([start_of(op)], op.axes), ([space.value, *map(index_value, indices)], space.axes)]
    return []


def _decide(ops: Sequence[Op], state: State, inlines: Callable[[Op, Uses], bool]) -> None:
    """Find the roots of kernels and what they read; ``inlines`` says what is substituted where there is a choice."""
    for op in reversed(ops):
        if op.kind == "map":
            uses = _uses(op, state)
            if not uses and not any(v in state.forced for v in op.outs):
                continue
            if not any(v in state.forced for v in op.outs) and inlines(op, uses):
                _record_inlined(op, uses, state)
                continue
            _record(op, op, own_survey(op, state), state)
        else:
            for exprs, nest in _roots_of(op):
                _record(op, op, survey(exprs, nest), state)
        state.roots[op.position] = op


def _uses(op: Op, state: State) -> Uses:
    if len(op.outs) == 1:
        return state.accesses.get(op.outs[0], {})
    merged: Uses = {}
    for var in op.outs:
        for key, loops in state.accesses.get(var, {}).items():
            merged.setdefault(key, {}).update(loops)
    return merged


def _record(op: Op, root: Op, found: Survey, state: State) -> None:
    for var, idx, loops in found.loads:
        state.accesses.setdefault(var, {}).setdefault((root.position, idx), {})[loops] = None
        state.readers.setdefault(var, set()).add(root.position)


def _record_inlined(op: Op, uses: Uses, state: State) -> None:
    for (position, idx), nests in uses.items():
        wanted = [
            e for v, e in zip(op.outs, op.elements(idx), strict=True) if (position, idx) in state.accesses.get(v, ())
        ]
        root = state.roots[position]
        own = len(wanted) == len(op.outs) and idx == op.idx
        for loops in nests:
            found = own_survey(op, state) if own and loops == op.axes else survey(wanted, loops)
            _record(op, root, found, state)


def _worth_inlining(op: Op, uses: Uses, state: State) -> bool:
    known = state.estimates[op.position]
    if known.free:
        return True
    per_root: dict[int, int] = {}
    times = 0
    for (position, _), nests in uses.items():
        per_root[position] = per_root.get(position, 0) + 1
        times += sum(steps(loops) for loops in nests)
    if max(per_root.values()) > MAX_INDICES or any(known.nodes * n > MAX_NODES for n in per_root.values()):
        return False
    if own_survey(op, state).reductions and not _reduction_fits(op, uses, state):
        return False
    size = steps(op.axes)
    each = max(0.0, known.work - HIDDEN) + READ * known.reads
    once = size * (known.work + READ * known.reads + WRITE) + times * READ + LAUNCH
    first, further = _row_sweeps(op, uses)
    again = first * each + further * min(each, sweep_again(op, state))
    if again <= once or not op.axes:
        return again <= once
    # What does not change along one of the loops may become a buffer of its own, when its turn comes.
    once = size * (known.own + WRITE) + times * READ + LAUNCH
    own = max(0.0, known.own - HIDDEN)
    again = first * own + further * min(own, sweep_again(op, state))
    if again > once:
        again -= READ * _read_anyway(known, uses, state)
    return again <= once


def _read_anyway(known: Estimate, uses: Uses, state: State) -> float:
    """How many elements of what a value takes from memory its consumers read for other reasons too."""
    found = 0.0
    for (position, _), nests in uses.items():
        read = [
            times * nearness(var)
            for var, times in known.leaves.items()
            if times <= 1.0 and position in state.readers.get(var, ())
        ]
        found += sum(read) * sum(steps(loops) for loops in nests)
    return found


def _row_sweeps(op: Op, uses: Uses) -> tuple[int, int]:
    """How many elements are evaluated in the first sweeps along rows, and in further sweeps along the same rows."""
    rows: set[tuple[int, Idx, Loops, int]] = set()
    first = further = 0
    for (position, idx), nests in uses.items():
        for loops in nests:
            along = loops and idx and idx[-1] == axis_index(loops[-1])
            row = (position, idx[:-1], loops[:-1], loops[-1].extent) if along else None
            if row in rows:
                further += steps(loops)
            else:
                first += steps(loops)
            if row is not None:
                rows.add(row)
    return first, further


def _reduction_fits(op: Op, uses: Uses, state: State) -> bool:
    """Whether a reduction may be done inside its consumers: enough runs in parallel, and its reads run along rows."""
    known = state.estimates[op.position]
    columns = reads_columns(op, state)
    for (position, _), nests in uses.items():
        deeper = len(state.roots[position].axes)
        for loops in nests:
            cost = known.work + known.reads
            shared_out = steps(a for a in loops if a.kind == "parallel")
            # Other work of the kernel would wait for it.
            if len(loops) < deeper and cost > SERIAL and shared_out < ENOUGH_PARALLEL:
                return False
            # A kernel of its own would be more parallel.
            if cost * steps(loops) > 8 * SERIAL and shared_out < min(ENOUGH_PARALLEL, steps(op.axes)):
                return False
            if columns and len(loops) < deeper:
                return False
    return True
