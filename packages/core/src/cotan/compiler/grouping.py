"""Which results share a kernel: those over one iteration space that read the same arrays, or one another.

What is substituted is decided by then (``fusion``). Deterministic: everything follows the order of the equations.
"""

from __future__ import annotations

from collections.abc import KeysView, Sequence
from dataclasses import dataclass

from cotan.compiler.cost import READ, steps
from cotan.compiler.elements import Idx, Op
from cotan.compiler.estimates import ENOUGH_PARALLEL, MAX_NODES, SERIAL, State, own_survey, reads_columns, sweep_again
from cotan.ir.index import Axis, axis_index, substitute
from cotan.ir.jaxpr import Var

MERGED_NODES = 2 * MAX_NODES
"""Results share a kernel of up to this many nodes, those that several of them need counted once."""


@dataclass
class Group:
    """Map operations that share a kernel; the first has the deepest loops. Others walk a prefix of its axes.

    Attributes:
      parts: position of each operation that the kernel computes, also for others -> its nodes there.
      makers: each result -> the one of ``ops`` that computes it.
    """

    ops: list[Op]
    reads: set[Var]
    parts: dict[int, int]
    makers: dict[Var, Op]

    @property
    def nodes(self) -> int:
        return sum(self.parts.values())

    @property
    def outs(self) -> KeysView[Var]:
        return self.makers.keys()


Unit = Group | Op
"""A Group of map operations, or one operation of another kind."""


@dataclass
class Fusion:
    """The result: units in an order in which they can run, and what is substituted."""

    units: list[Unit]
    reads: list[set[Var]]
    """The variables in memory that each unit reads."""
    inlined: dict[Var, Op]
    """Variables without a buffer -> the operation that says what their elements are."""
    inner: set[Var]
    """Results that only the kernel that computes them reads: they have no buffer either."""
    local_bytes: int = 0
    """Bytes of scratch that a kernel may use for a row."""


def collect(ops: Sequence[Op], outputs: Sequence[Var], state: State) -> Fusion:
    """The kernels of what was decided to be stored, and what is in none."""
    inlined = {v: op for op in ops if op.kind == "map" and op.position not in state.roots for v in op.outs}
    reads: dict[int, dict[Var, list[Idx]]] = {position: {} for position in state.roots}
    for var, uses in state.accesses.items():
        if var not in inlined:
            for position, idx in uses:
                reads[position].setdefault(var, []).append(idx)
    units: list[Unit] = []
    for op in ops:
        if op.position not in state.roots and op.kind == "map":
            continue
        if op.kind != "map":
            units.append(op)
            continue
        group = Group([op], set(reads[op.position]), _parts(op, inlined, state), dict.fromkeys(op.outs, op))
        place = _home(group, units, reads, state)
        if place is None:
            units.append(group)
    unit_reads = [_reads(unit, reads) for unit in units]
    return Fusion(units, unit_reads, inlined, _inner(units, unit_reads, set(outputs)))


def _parts(op: Op, inlined: dict[Var, Op], state: State) -> dict[int, int]:
    """The operations that a kernel of ``op`` computes, and how many nodes they have there."""
    chain = state.estimates[op.position].chain
    found: dict[int, int] = {}
    waiting = [op]
    while waiting:
        part = waiting.pop()
        if part.position not in found:
            found[part.position] = chain[part.position][1] * state.local[part.position][1]
            waiting.extend(inlined[var] for var, _, _ in own_survey(part, state).loads if var in inlined)
    return found


def _inner(units: Sequence[Unit], reads: Sequence[set[Var]], outputs: set[Var]) -> set[Var]:
    """The results of groups that nothing else reads."""
    elsewhere = outputs.union(*reads)
    return {v for unit in units if isinstance(unit, Group) for v in unit.outs if v not in elsewhere}


_LOOK_BACK = 24


def _home(group: Group, units: list[Unit], reads: dict[int, dict[Var, list[Idx]]], state: State) -> int | None:
    """Merge ``group`` (which would run last) into an earlier one if that pays; where it went."""
    needed = group.reads
    between: list[Unit] = []
    for place in range(len(units) - 1, max(-1, len(units) - 1 - _LOOK_BACK), -1):
        unit = units[place]
        if isinstance(unit, Group) and _compatible(unit, group, reads, state):
            made_between = {v for u in between for v in u.outs}
            outs = unit.outs
            if not (needed & made_between):
                _merge(unit, group)
                return place
            if not any(outs & _reads(u, reads) for u in between):
                _merge(unit, group)
                units.append(units.pop(place))
                return len(units) - 1
        between.append(unit)
    return None


def _reads(unit: Unit, reads: dict[int, dict[Var, list[Idx]]]) -> set[Var]:
    if isinstance(unit, Group):
        return unit.reads
    return {*unit.operands, *reads.get(unit.position, ())}


def _merge(unit: Group, group: Group) -> None:
    unit.makers.update(group.makers)
    unit.reads = (unit.reads | group.reads) - unit.outs
    for position, nodes in group.parts.items():
        unit.parts[position] = max(nodes, unit.parts.get(position, 0))
    if len(group.ops[0].axes) > len(unit.ops[0].axes):
        unit.ops = [group.ops[0], *unit.ops, *group.ops[1:]]
    else:
        unit.ops.extend(group.ops)


def _compatible(unit: Group, group: Group, reads: dict[int, dict[Var, list[Idx]]], state: State) -> bool:
    """Whether ``group`` may run in the loops of ``unit``, and gains by it."""
    new = group.ops[0]
    deep, shallow = (unit.ops[0], new) if len(unit.ops[0].axes) >= len(new.axes) else (new, unit.ops[0])
    n = len(shallow.axes)
    if deep.axes[:n] != shallow.axes and [a.extent for a in deep.axes[:n]] != [a.extent for a in shallow.axes]:
        return False
    dependent = _same_element(unit, new, reads[new.position], state)
    if dependent is False or not (dependent or _reads_alike(unit, group, deep, shallow)):
        return False
    if _nodes_together(unit, group) > MERGED_NODES:
        return False
    return len(deep.axes) == n or _shares_rows(unit, new, deep, n, state)


def _reads_alike(unit: Group, group: Group, deep: Op, shallow: Op) -> bool:
    """Whether ``group``, which needs no result of ``unit``, reads an array that ``unit`` reads."""
    if group.ops[0].axes == ():
        return steps(deep.axes) == 1 and not unit.reads.isdisjoint(group.reads)
    wide = steps(shallow.axes) // 4
    return any(v in unit.reads and v.aval.size >= max(wide, 2) for v in group.reads)


def _nodes_together(unit: Group, group: Group) -> int:
    known = unit.parts
    return unit.nodes + sum(max(0, nodes - known.get(position, 0)) for position, nodes in group.parts.items())


def _same_element(unit: Group, new: Op, reads: dict[Var, list[Idx]], state: State) -> bool | None:
    """None: ``new`` reads no result of ``unit``. True: only where each was just computed, or all along the same row,
    where it is computed again or kept in scratch. False: elsewhere too."""
    found: bool | None = None
    for var, indices in reads.items():
        op = unit.makers.get(var)
        if op is None:
            continue
        found = True
        for idx in indices:
            if op.axes == new.axes and op.idx == idx:
                continue
            n = min(len(op.axes), len(new.axes))
            to_new = {a: axis_index(b) for a, b in zip(op.axes[:n], new.axes[:n], strict=True)}
            same = len(op.axes) <= len(new.axes) and tuple(substitute(i, to_new) for i in op.idx) == idx
            if not same and not _reduces_row(op, new, idx, state):
                return False
    return found


def _reduces_row(op: Op, new: Op, idx: Idx, state: State) -> bool:
    """Whether ``new`` walks with ``idx`` along rows of ``op`` in a reduction, which is better done in its kernel."""
    n = len(op.axes) - 1
    if n < 0 or n > len(new.axes) or steps(op.axes[:n]) < ENOUGH_PARALLEL or sweep_again(op, state) > READ:
        return False
    along = axis_index(op.axes[-1])
    to_new = {a: axis_index(b) for a, b in zip(op.axes[:n], new.axes[:n], strict=True)}
    for own, read in zip(op.idx, idx, strict=True):
        if own == along:
            walked = read.terms[0][0] if len(read.terms) == 1 else None
            if not isinstance(walked, Axis) or walked.kind != "reduction" or walked.extent != op.axes[-1].extent:
                return False
            if read != axis_index(walked):
                return False
        elif substitute(own, to_new) != read:
            return False
    return True


def _shares_rows(unit: Group, new: Op, deep: Op, n: int, state: State) -> bool:
    """Whether results of fewer axes than ``deep`` belong into its outer loops: they reduce rows, many or small ones."""
    outer = steps(deep.axes[:n])
    for op in (*unit.ops, new):
        if len(op.axes) == len(deep.axes):
            continue
        known = state.estimates[op.position]
        chain = [state.maps[position] for position in known.chain]
        if not any(own_survey(each, state).reductions for each in chain) or any(reads_columns(e, state) for e in chain):
            return False
        if outer < ENOUGH_PARALLEL and known.work + known.reads > SERIAL:
            return False
    return steps(deep.axes[n:]) >= 8


def finish_soon(fusion: Fusion, outputs: set[Var], donated: set[Var]) -> None:
    """Run kernels that only make results of the program as soon as what they read is there, while it is in the cache.

    They wait for all other readers of a donated argument that they read, since they may write in its place.
    """
    made = {v: n for n, unit in enumerate(fusion.units) for v in unit.outs}
    readers: dict[Var, list[int]] = {}
    for n, reads in enumerate(fusion.reads):
        for var in reads:
            readers.setdefault(var, []).append(n)
    keys: list[tuple[int, int, int]] = []
    for n, (unit, reads) in enumerate(zip(fusion.units, fusion.reads, strict=True)):
        last = isinstance(unit, Group) and all(v in outputs and v not in readers for v in unit.outs)
        if not last:
            keys.append((n, 0, n))
            continue
        after = [made[v] for v in reads if v in made]
        after.extend(other for v in reads if v in donated for other in readers[v] if other != n)
        keys.append((min(n, max(after, default=n)), 1, n))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    fusion.units = [fusion.units[n] for n in order]
    fusion.reads = [fusion.reads[n] for n in order]
