"""What one element of a value costs: the work, reads and nodes of all that would be substituted into it.

Knows no kernels: ``fusion`` and ``grouping`` decide what they are, by these figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cotan.compiler.cost import NEAR, NEAR_READ, READ, Survey, steps, survey
from cotan.compiler.elements import Idx, Op, physical
from cotan.compiler.scratch import LONG, WORTH
from cotan.ir.index import Axis
from cotan.ir.jaxpr import Var
from cotan.ir.scalar import index_axes

MAX_NODES = 400
"""A kernel's expressions grow to about this size; then values become buffers."""
ENOUGH_PARALLEL = 32
SERIAL = 4096.0
"""A reduction of more work than this is done inside another kernel only if many iterations share it out."""
KEPT = 2.0
"""Reading an element of a row that scratch holds, and a part of writing it."""

Loops = tuple[Axis, ...]
Uses = dict[tuple[int, Idx], dict[Loops, None]]
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

    def include(self, known: Estimate, times: float, copies: int, state: State) -> None:
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
            self.reads += (times - old) * nearness(var)

    @property
    def free(self) -> bool:
        """Whether it needs no memory and next to no work (a broadcast constant)."""
        return self.work <= 1.0 and not self.leaves


def nearness(var: Var) -> float:
    """What reading one element costs, in reads from further away than the nearest cache."""
    aval = physical(var.aval)
    return NEAR_READ / READ if aval.size * aval.dtype.itemsize <= NEAR else 1.0


@dataclass
class State:
    """What is known of a program while it is decided what is substituted.

    Attributes:
      producer: variable -> the operation that makes it.
      forced: variables that must become buffers.
      local: position of an operation -> (work and nodes of one of its elements, operands in memory).
      roots: position -> operation, of those that are stored so far.
      accesses: variable -> where kernels read it.
      readers: variable -> the positions of the roots that read it.
    """

    producer: dict[Var, Op]
    forced: set[Var]
    local_bytes: int = 0
    surveys: dict[int, Survey] = field(default_factory=dict)
    local: dict[int, tuple[float, int]] = field(default_factory=dict)
    estimates: dict[int, Estimate] = field(default_factory=dict)
    roots: dict[int, Op] = field(default_factory=dict)
    maps: dict[int, Op] = field(default_factory=dict)
    accesses: dict[Var, Uses] = field(default_factory=dict)
    readers: dict[Var, set[int]] = field(default_factory=dict)


def is_leaf(var: Var, state: State) -> bool:
    """Whether a variable is in memory whatever is decided."""
    op = state.producer.get(var)
    return op is None or op.kind != "map" or var in state.forced


def own_survey(op: Op, state: State) -> Survey:
    """What ``op`` does in loops of its own, its operands in memory."""
    found = state.surveys.get(op.position)
    if found is None:
        found = state.surveys[op.position] = survey(op.elements(op.idx), op.axes)
    return found


def add_estimate(op: Op, state: State) -> None:
    """Estimate a map operation whose operands have estimates; what grows too large must become a buffer."""
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
        if not is_leaf(v, state)
    ]
    # The longest chain first: it is copied, the others are added to it.
    for known, times, copies in sorted(producers, key=lambda item: -len(item[0].chain)):
        estimate.include(known, times, copies, state)
    for var, (times, _) in by_var.items():
        if is_leaf(var, state):
            estimate.include_leaf(var, times)
    state.local[op.position] = (found.work / size, found.nodes)
    estimate.chain[op.position] = (1.0, 1)
    estimate.work += found.work / size
    estimate.nodes += found.nodes
    estimate.own = min(_own(op, found, state), estimate.work + READ * estimate.reads)
    if estimate.nodes > MAX_NODES and by_var:
        state.forced.update(op.outs)
    state.estimates[op.position] = estimate


def _own(op: Op, found: Survey, state: State) -> float:
    size = max(1, steps(op.axes))
    total = found.work / size
    for var, idx, loops in found.loads:
        if not op.axes or op.axes[-1] in loops:
            known = is_leaf(var, state) or not (
                idx == op.idx or frozenset[Axis]().union(*map(index_axes, idx)).issuperset(op.axes)
            )
            each = READ * nearness(var) if known else state.estimates[state.producer[var].position].own
            total += each * steps(loops) / size
    return total


def sweep_again(op: Op, state: State) -> float:
    """What one element costs in a further sweep along a row: computed again, or read from scratch."""
    own = state.estimates[op.position].own
    if not op.axes:
        return own
    itemsize = sum(physical(v.aval).dtype.itemsize for v in op.outs)
    fits = LONG <= op.axes[-1].extent <= state.local_bytes // (2 * itemsize)
    return min(own, KEPT) if fits and own >= WORTH else own


def reads_columns(op: Op, state: State) -> bool:
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
