"""Fusion: which values become buffers, which are substituted into their consumers, and which results share a kernel.

Substitution is the only mechanism. A value is substituted unless recomputing it costs more than memory does: that is
measured by how often its elements would be evaluated, each hoisted as far out of the loops as it can be, against how
many elements it has. Afterwards results over one iteration space that read the same arrays, or one another at the same
element, become several outputs of one kernel. Deterministic: everything follows the order of the equations.
"""

from __future__ import annotations

from collections.abc import Callable, KeysView, Sequence
from dataclasses import dataclass, field

from cotan.compiler.cost import HIDDEN, LAUNCH, NEAR, NEAR_READ, READ, WRITE, Survey, steps, survey
from cotan.compiler.elements import Idx, Op, physical
from cotan.compiler.scatters import space_of, start_of
from cotan.compiler.scratch import LONG, WORTH
from cotan.ir.index import Axis, axis_index, substitute
from cotan.ir.jaxpr import Var
from cotan.ir.scalar import Expr, index_axes, index_value

MAX_NODES = 400
"""A kernel's expressions grow to about this size; then values become buffers."""
MERGED_NODES = 2 * MAX_NODES
"""Results share a kernel of up to this many nodes, those that several of them need counted once."""
MAX_INDICES = 12
"""A value that one kernel would read at more different indices than this becomes a buffer."""
SERIAL = 4096.0
"""A reduction of more work than this is done inside another kernel only if many iterations share it out."""
ENOUGH_PARALLEL = 32
FEW_USES = 4
"""What takes next to no work has a buffer if each of its elements is used more often than this."""
KEPT = 2.0
"""Reading an element of a row that scratch holds, and a part of writing it."""

Loops = tuple[Axis, ...]
_Uses = dict[tuple[int, Idx], dict[Loops, None]]
"""(root's position, index tuple) -> loops in which a variable is evaluated there."""
_NOT_YET = (0.0, 0)


@dataclass
class Estimate:
    """What one element of a value costs if all that leads to it is substituted.

    Attributes:
      chain: position of an operation -> (its elements needed for one of this, at how many different indices).
      reads: how many elements of large arrays that takes; elements of near ones count less.
      leaves: variable in memory -> how many of its elements.
      own: work and reads of one element where all that does not change along one of the loops is in memory.
    """

    work: float
    reads: float
    nodes: int
    chain: dict[int, tuple[float, int]]
    leaves: dict[Var, float]
    own: float = 0.0

    def include(self, known: Estimate, times: float, copies: int, state: _State) -> None:
        """Add what ``times`` elements of another value need, at ``copies`` indices; what both need counts once."""
        if not self.chain and times == 1.0 and copies == 1:
            self.chain, self.leaves = dict(known.chain), dict(known.leaves)
            self.work, self.reads, self.nodes = known.work, known.reads, known.nodes
            return
        chain, once = self.chain, times == 1.0 and copies == 1
        for position, needed in known.chain.items():
            old = chain.get(position, _NOT_YET)
            if old is needed and once:
                continue
            new = needed if once else (times * needed[0], copies * needed[1])
            if old is not _NOT_YET:
                new = (max(old[0], new[0]), max(old[1], new[1]))
            if new != old:
                work, nodes = state.local[position]
                chain[position] = new
                self.work += (new[0] - old[0]) * work
                self.nodes += (new[1] - old[1]) * nodes
        for leaf, t in known.leaves.items():
            self.include_leaf(leaf, times * t)

    def include_leaf(self, var: Var, times: float) -> None:
        """Add the reading of ``times`` elements of a variable in memory."""
        old = self.leaves.get(var, 0.0)
        if times > old:
            self.leaves[var] = times
            self.reads += (times - old) * _nearness(var)

    @property
    def free(self) -> bool:
        """Whether it needs no memory and next to no work (a broadcast constant)."""
        return self.work <= 1.0 and not self.leaves


def _nearness(var: Var) -> float:
    """What reading one element costs, in reads from further away than the nearest cache."""
    aval = physical(var.aval)
    return NEAR_READ / READ if aval.size * aval.dtype.itemsize <= NEAR else 1.0


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


@dataclass
class _State:
    producer: dict[Var, Op]
    forced: set[Var]
    local_bytes: int = 0
    surveys: dict[int, Survey] = field(default_factory=dict)
    local: dict[int, tuple[float, int]] = field(default_factory=dict)
    estimates: dict[int, Estimate] = field(default_factory=dict)
    roots: dict[int, Op] = field(default_factory=dict)
    maps: dict[int, Op] = field(default_factory=dict)
    accesses: dict[Var, _Uses] = field(default_factory=dict)
    readers: dict[Var, set[int]] = field(default_factory=dict)
    """The positions of the roots that read a variable."""


def fuse(ops: Sequence[Op], outputs: Sequence[Var], local_bytes: int = 0) -> Fusion:
    """Decide for every operation, given the variables that must become buffers in any case."""
    producer = {v: op for op in ops for v in op.outs}
    forced = set(outputs)
    for op in ops:
        if op.keep:
            forced.update(op.outs)
        if op.kind in ("library", "host", "control"):
            assert op.eqn is not None
            forced.update(v for v in op.eqn.invars if isinstance(v, Var))
    state = _State(producer, forced, local_bytes)
    for op in ops:
        if op.kind == "map":
            state.maps[op.position] = op
            _estimate(op, state)
    _decide(ops, state, lambda op, uses: _worth_inlining(op, uses, state))
    derived = _derived(state)
    if derived:
        # They were dear only as long as it was not known that what they lie next to would be a buffer.
        buffers = set(state.roots) - derived
        state.roots, state.accesses = {}, {}
        _decide(ops, state, lambda op, _: op.position not in buffers)
    fusion = _collect(ops, outputs, state)
    fusion.local_bytes = local_bytes
    return fusion


def _derived(state: _State) -> set[int]:
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
                far += times if _nearness(var) == 1.0 else 0.0
            else:
                work, far = work + times * known[maker.position][0], far + times * known[maker.position][1]
        known[op.position] = work, far
        large = op.position in state.roots and _nearness(op.outs[0]) == 1.0
        if not large or work > HIDDEN or far > 1.0 or not state.forced.isdisjoint(op.outs):
            continue
        if sum(steps(loops) for nests in _uses(op, state).values() for loops in nests) <= FEW_USES * steps(op.axes):
            found.add(op.position)
    return found


def _is_leaf(var: Var, state: _State) -> bool:
    op = state.producer.get(var)
    return op is None or op.kind != "map" or var in state.forced


def own_survey(op: Op, state: _State) -> Survey:
    found = state.surveys.get(op.position)
    if found is None:
        found = state.surveys[op.position] = survey(op.elements(op.idx), op.axes)
    return found


def _estimate(op: Op, state: _State) -> None:
    found = own_survey(op, state)
    size = max(1, steps(op.axes))
    # Sum over the indices at which one variable is read, but the larger one where several variables lead to the same.
    by_var: dict[Var, tuple[float, dict[Idx, None]]] = {}
    for var, idx, loops in found.loads:
        times, indices = by_var.setdefault(var, (0.0, {}))
        indices[idx] = None
        by_var[var] = (times + steps(loops) / size, indices)
    estimate = Estimate(0.0, 0.0, 0, {}, {})
    producers = [
        (state.estimates[state.producer[v].position], t, len(i))
        for v, (t, i) in by_var.items()
        if not _is_leaf(v, state)
    ]
    # The longest chain first: it is copied, the others are added to it.
    for known, times, copies in sorted(producers, key=lambda item: -len(item[0].chain)):
        estimate.include(known, times, copies, state)
    for var, (times, _) in by_var.items():
        if _is_leaf(var, state):
            estimate.include_leaf(var, times)
    state.local[op.position] = (found.work / size, found.nodes)
    estimate.chain[op.position] = (1.0, 1)
    estimate.work += found.work / size
    estimate.nodes += found.nodes
    estimate.own = min(_own(op, found, state), estimate.work + READ * estimate.reads)
    if estimate.nodes > MAX_NODES and by_var:
        state.forced.update(op.outs)
    state.estimates[op.position] = estimate


def _own(op: Op, found: Survey, state: _State) -> float:
    size = max(1, steps(op.axes))
    total = found.work / size
    for var, idx, loops in found.loads:
        if not op.axes or op.axes[-1] in loops:
            known = _is_leaf(var, state) or not (
                idx == op.idx or frozenset[Axis]().union(*map(index_axes, idx)).issuperset(op.axes)
            )
            each = READ * _nearness(var) if known else state.estimates[state.producer[var].position].own
            total += each * steps(loops) / size
    return total


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


def _decide(ops: Sequence[Op], state: _State, inlines: Callable[[Op, _Uses], bool]) -> None:
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


def _uses(op: Op, state: _State) -> _Uses:
    if len(op.outs) == 1:
        return state.accesses.get(op.outs[0], {})
    merged: _Uses = {}
    for var in op.outs:
        for key, loops in state.accesses.get(var, {}).items():
            merged.setdefault(key, {}).update(loops)
    return merged


def _record(op: Op, root: Op, found: Survey, state: _State) -> None:
    for var, idx, loops in found.loads:
        state.accesses.setdefault(var, {}).setdefault((root.position, idx), {})[loops] = None
        state.readers.setdefault(var, set()).add(root.position)


def _record_inlined(op: Op, uses: _Uses, state: _State) -> None:
    for (position, idx), nests in uses.items():
        wanted = [
            e for v, e in zip(op.outs, op.elements(idx), strict=True) if (position, idx) in state.accesses.get(v, ())
        ]
        root = state.roots[position]
        own = len(wanted) == len(op.outs) and idx == op.idx
        for loops in nests:
            found = own_survey(op, state) if own and loops == op.axes else survey(wanted, loops)
            _record(op, root, found, state)


def _worth_inlining(op: Op, uses: _Uses, state: _State) -> bool:
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
    again = first * each + further * min(each, _sweep_again(op, state))
    if again <= once or not op.axes:
        return again <= once
    # What does not change along one of the loops may become a buffer of its own, when its turn comes.
    once = size * (known.own + WRITE) + times * READ + LAUNCH
    own = max(0.0, known.own - HIDDEN)
    again = first * own + further * min(own, _sweep_again(op, state))
    if again > once:
        again -= READ * _read_anyway(known, uses, state)
    return again <= once


def _read_anyway(known: Estimate, uses: _Uses, state: _State) -> float:
    """How many elements of what a value takes from memory its consumers read for other reasons too."""
    found = 0.0
    for (position, _), nests in uses.items():
        read = [
            times * _nearness(var)
            for var, times in known.leaves.items()
            if times <= 1.0 and position in state.readers.get(var, ())
        ]
        found += sum(read) * sum(steps(loops) for loops in nests)
    return found


def _row_sweeps(op: Op, uses: _Uses) -> tuple[int, int]:
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


def _sweep_again(op: Op, state: _State) -> float:
    """What one element costs in a further sweep along a row: computed again, or read from scratch."""
    own = state.estimates[op.position].own
    if not op.axes:
        return own
    itemsize = sum(physical(v.aval).dtype.itemsize for v in op.outs)
    fits = LONG <= op.axes[-1].extent <= state.local_bytes // (2 * itemsize)
    return min(own, KEPT) if fits and own >= WORTH else own


def _reduction_fits(op: Op, uses: _Uses, state: _State) -> bool:
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


def reads_columns(op: Op, state: _State) -> bool:
    """Whether ``op`` reduces along an axis that is not contiguous while its own innermost axis is."""
    if not op.axes:
        return False
    for reduction in own_survey(op, state).reductions:
        half = len(reduction.args) // 2
        last = reduction.attr[1][-1]
        for node in reduction.args[half:]:
            if node.op == "cast":
                node = node.args[0]
            if node.op == "load":
                index = node.attr[1]
                if index.coefficient(op.axes[-1]) == 1 and abs(index.coefficient(last)) > 1:
                    return True
    return False


# --- which results share a kernel ---


def _collect(ops: Sequence[Op], outputs: Sequence[Var], state: _State) -> Fusion:
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


def _parts(op: Op, inlined: dict[Var, Op], state: _State) -> dict[int, int]:
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


def _home(group: Group, units: list[Unit], reads: dict[int, dict[Var, list[Idx]]], state: _State) -> int | None:
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
    assert unit.eqn is not None
    return {v for v in unit.eqn.invars if isinstance(v, Var)} | set(reads.get(unit.position, ()))


def _merge(unit: Group, group: Group) -> None:
    unit.makers.update(group.makers)
    unit.reads = (unit.reads | group.reads) - unit.outs
    for position, nodes in group.parts.items():
        unit.parts[position] = max(nodes, unit.parts.get(position, 0))
    if len(group.ops[0].axes) > len(unit.ops[0].axes):
        unit.ops = [group.ops[0], *unit.ops, *group.ops[1:]]
    else:
        unit.ops.extend(group.ops)


def _compatible(unit: Group, group: Group, reads: dict[int, dict[Var, list[Idx]]], state: _State) -> bool:
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


def _same_element(unit: Group, new: Op, reads: dict[Var, list[Idx]], state: _State) -> bool | None:
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


def _reduces_row(op: Op, new: Op, idx: Idx, state: _State) -> bool:
    """Whether ``new`` walks with ``idx`` along rows of ``op`` in a reduction, which is better done in its kernel."""
    n = len(op.axes) - 1
    if n < 0 or n > len(new.axes) or steps(op.axes[:n]) < ENOUGH_PARALLEL or _sweep_again(op, state) > READ:
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


def _shares_rows(unit: Group, new: Op, deep: Op, n: int, state: _State) -> bool:
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
