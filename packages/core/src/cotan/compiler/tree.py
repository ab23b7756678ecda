"""The loop tree of a kernel, derived: every reduction and every shared value stands where its free loops are bound.

What a printer of ``Kernel.tree`` may rely on:

* Nodes of one body run in order. A ``Loop`` over a 'parallel' axis may run its iterations in any order, at once, or in
  vectors; a 'sequential' one runs in order. Parallel loops of a kernel are nested one in the other, outermost first
  (``Loop, Loop, ...``); a body holds at most one inner ``Loop``, and it comes last. But a scatter may have two side by
  side: the first writes what elements start from, the second combines into them. A kernel without loops (all its
  results are scalars) has only Lets, ReduceLoops and Stores at the top. No loop has one step, none has zero.
* What stands in the top body before its one ``Loop`` does little work, so that every thread may repeat it.
* ``Let(value)`` computes the node ``value`` at that place; ``ReduceLoop(value, ...)`` computes the reduce node
  ``value`` and all ``siblings``: read a state with the node ``project(k, reduce)``. Inside expressions further in, or
  later in the same body, these very nodes (``is``) stand for the value and must not be computed again. Whatever else an
  expression holds is computed where the expression stands. Every reduce node of a tree has a ReduceLoop before its
  first use, in a body that encloses it: a printer never meets an unknown reduce node inside an expression.
* ``ReduceLoop``: states start at ``value.args[:k]`` (``inits``, neutral), and for every combination of ``axes``
  (outermost first) become ``combine(states, value.args[k:])``. Combiners are associative; named ones and those with
  ``commutative`` may be combined in any order, which reductions over floats should use for several accumulators.
  ``levels[n]`` are the nodes to run inside of axis n, before axis n + 1 begins or, in the last one, before combining.
  They hold Lets and ReduceLoops, and behind them Stores to scratch.
* Scratch (``Kernel.scratch``, only for backends with ``Capabilities.local_bytes``) is one row: it is written in a
  ReduceLoop over one axis, at that axis, without conditions, and read by the nodes that follow in the same body of a
  parallel loop, at their own axes. Iterations of that loop and of those around it share nothing of it.
* ``ScanLoop``: ``axis`` is sequential; with ``reverse`` it runs from extent - 1 down to 0. In each step run ``body``,
  then states = combine(states, bodies), then for each (slot, index, k) of ``stores`` write state k, converted to the
  slot's dtype (from float32, where that has half precision). A ScanLoop is the last node of its body.
* Every index of a load or store is linear, row-major, in elements, and simplified; adjacent loops that all indices walk
  contiguously have been joined, so that an elementwise kernel over contiguous arrays has one loop.
* Every load is in bounds wherever it is evaluated. Of a ``guard`` only one branch is evaluated: loads in ``then`` may
  be out of bounds where a condition fails, loads in ``otherwise`` where all hold, and must not be done there. (Lets
  and ReduceLoops that were taken out of a guard are in bounds everywhere.)
* ``Store``: where ``conditions`` hold (lo <= index < hi), write ``value``, whose dtype is the operand's; with
  ``combine`` write ``combine(old, value)``, in the order of sequential loops. Different iterations of parallel loops
  write different elements.
* Written operands share memory with no other operand, except the pairs in ``Kernel.in_place``: there every load has the
  index of the store, so that an element is read and written by the same iteration, the load first. A slot that is read
  and written itself occurs only with ``Store.combine``, and such a Store may follow one without to the same slot.
* dtypes of nodes: bool, (u)int8..64, float32, float64. float16 and bfloat16 occur only as the dtype of loads, of casts
  from and to float32, and of bitcasts; a cast to them rounds to nearest even, and must round. An operand of complex
  numbers has the dtype of their parts and one axis more, of pairs.
* Nodes are shared: print each once per scope (inside ``then`` and ``otherwise`` of a guard is a scope of its own).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cotan.ir.index import ZERO, Axis, FloorDiv, Index, Mod, axis_index
from cotan.ir.program import Let, Loop, Node, ReduceLoop, ScanLoop, Store
from cotan.ir.scalar import Expr, index_values, inner_values, node_indices

Path = tuple[Axis, ...]
TRIVIAL = frozenset({"const", "index", "project"})


@dataclass(frozen=True)
class Root:
    """Something that a kernel does at the innermost of the loops ``path``: a Store, or the step of a ScanLoop."""

    path: Path
    exprs: tuple[Expr, ...]
    node: Store | ScanLoop

    def indices(self) -> list[Index]:
        """The indices that stand in the step itself."""
        step = self.node
        if isinstance(step, ScanLoop):
            return [index for _, index, _ in step.stores]
        return [step.index, *(index for index, _, _ in step.conditions)]

    def values(self) -> list[tuple[Expr, Path]]:
        """All that the step wants computed, and in which loops."""
        values = [(e, self.path) for e in self.exprs]
        values.extend((e, self.path) for index in self.indices() for e in index_values(index))
        if isinstance(self.node, ScanLoop):
            values.extend((e, self.path[:-1]) for e in self.node.inits)
        return values


def topological(roots: Sequence[Expr], without: Collection[Expr] = ()) -> list[Expr]:
    """All nodes under ``roots``, every node after what it uses; not those ``without``, nor what only these use."""
    done: dict[Expr, None] = {}
    stack: list[Expr] = list(reversed(roots))
    entered: set[Expr] = set()
    while stack:
        node = stack[-1]
        if node in done or node in without:
            stack.pop()
        elif node in entered:
            stack.pop()
            done[node] = None
        else:
            missing = [n for n in reversed(node.uses) if n not in done]
            if missing:
                entered.add(node)
                stack.extend(missing)
            else:
                stack.pop()
                done[node] = None
    return list(done)


def nodes_of(roots: Sequence[Root]) -> list[Expr]:
    """All nodes under ``roots``, as ``topological`` has them."""
    return topological([e for root in roots for e, _ in root.values()])


def derive(roots: Sequence[Root], order: Sequence[Expr], sizes: Sequence[int]) -> tuple[Node, ...]:
    """The tree of ``roots``, whose nodes are ``order``. ``sizes[slot]`` is the number of elements of each operand, for
    what may be taken out of guards."""
    return _Derivation(roots, order, sizes).tree()


@dataclass
class _Place:
    """Where a node's value is wanted: the loops, and whether outside of every guard."""

    wanted: dict[Path, bool]
    home: Path
    let: bool = False


class _Derivation:
    def __init__(self, roots: Sequence[Root], order: Sequence[Expr], sizes: Sequence[int]) -> None:
        self.roots = roots
        self.order = order
        self.depth = reduction_depth(self.order)
        self.unsafe = unsafe_nodes(self.order, sizes)
        self.loaded_first = _loads_of_several(roots)
        self.places: dict[Expr, _Place] = {}
        self.paths: dict[Axis, Path] = {}
        for root in roots:
            for n, axis in enumerate(root.path):
                self.paths[axis] = root.path[: n + 1]

    def _home(self, node: Expr) -> Path:
        longest: Path = ()
        for axis in node.free_axes:
            path = self.paths[axis]
            if len(path) > len(longest):
                longest = path
        return longest

    def _want(self, node: Expr, path: Path, open_: bool) -> None:
        place = self.places.get(node)
        if place is None:
            place = self.places[node] = _Place({}, self._home(node))
        place.wanted[path] = place.wanted.get(path, False) or open_

    def _place_all(self) -> None:
        """From the results inwards: decide where each node is computed, and pass on where its arguments are wanted."""
        for root in self.roots:
            for expr, path in root.values():
                self._want(expr, path, True)
        for node in reversed(self.order):
            place = self.places[node]
            home, wanted = place.home, place.wanted
            if node.op == "reduce":
                self._place_reduction(node, home)
                continue
            deeper = any(len(path) > len(home) for path in wanted)
            open_ = any(wanted.values())
            early = node in self.loaded_first or (deeper and node.op not in TRIVIAL)
            if early and (open_ or node not in self.unsafe):
                place.let = True
                # Inside of a Let nothing is under the guards outside of it.
                wanted = {home: True}
            for path, is_open in wanted.items():
                for arg in node.args:
                    self._want(arg, path, is_open and node.op != "guard")
                for value in inner_values(node):
                    self._want(value, path, is_open)

    def _place_reduction(self, node: Expr, home: Path) -> None:
        axes = node.attr[1]
        for n, axis in enumerate(axes):
            self.paths[axis] = home + axes[: n + 1]
        half = len(node.args) // 2
        for arg in node.args[:half]:
            self._want(arg, home, True)
        for arg in node.args[half:]:
            self._want(arg, home + axes, True)

    def tree(self) -> tuple[Node, ...]:
        self._place_all()
        bodies: dict[Path, list[Node]] = {}
        joint: dict[tuple[Path, Path, int], int] = {}
        # A value that needs n reductions one after the other stands after all reductions that need n - 1.
        for node in sorted(self.order, key=lambda n: (self.depth[n], n.op != "reduce")):
            place = self.places[node]
            if place.let:
                bodies.setdefault(place.home, []).append(Let(node))
            elif node.op == "reduce":
                self._emit_reduction(node, place.home, bodies, joint)
        for root in self.roots:
            bodies.setdefault(root.path, [])
        for root in self.roots:
            step = root.node
            if isinstance(step, ScanLoop):
                inner = tuple(bodies.pop(root.path, ()))
                outer = bodies.setdefault(root.path[:-1], [])
                outer.append(
                    ScanLoop(step.axis, step.combiner, step.inits, step.bodies, step.stores, step.reverse, inner)
                )
            else:
                bodies[root.path].append(step)
        return self._nest(bodies)

    def _emit_reduction(
        self, node: Expr, home: Path, bodies: dict[Path, list[Node]], joint: dict[tuple[Path, Path, int], int]
    ) -> None:
        axes: tuple[Axis, ...] = node.attr[1]
        body = bodies.setdefault(home, [])
        inside = tuple(tuple(bodies.pop(home + axes[: n + 1], ())) for n in range(len(axes)))
        # Reductions may have axes in common although one needs the other: those take loops of their own.
        key = (home, axes, self.depth[node])
        if key in joint:
            first = body[joint[key]]
            assert isinstance(first, ReduceLoop)
            levels = tuple((*old, *more) for old, more in zip(first.levels, inside, strict=True))
            body[joint[key]] = ReduceLoop(first.value, axes, levels, (*first.siblings, node))
            return
        joint[key] = len(body)
        body.append(ReduceLoop(node, axes, inside))

    def _nest(self, bodies: dict[Path, list[Node]]) -> tuple[Node, ...]:
        """Put each loop's body into the body around it, the deepest first."""
        rank = {axis: n for n, root in reversed(list(enumerate(self.roots))) for axis in root.path}
        for depth in range(max(map(len, bodies), default=0), 0, -1):
            for path in [p for p in bodies if len(p) == depth]:
                inner = bodies.pop(path)
                inner.sort(key=lambda node: rank[node.axis] + 1 if isinstance(node, Loop) else 0)
                bodies.setdefault(path[:-1], []).append(Loop(path[-1], tuple(inner)))
        return tuple(bodies.get((), ()))


def _loads_of_several(roots: Sequence[Root]) -> set[Expr]:
    """Loads that several stores of one body need: done before the first of these, any may write in place."""
    seen: dict[Path, set[Expr]] = {}
    shared: list[Expr] = []
    for root in roots:
        if not isinstance(root.node, Store):
            continue
        before = seen.setdefault(root.path, set())
        own: set[Expr] = set()
        stack = list(root.exprs)
        while stack:
            node = stack.pop()
            if node in before:
                # So is all under it, where nobody need look again.
                shared.append(node)
            elif node not in own:
                own.add(node)
                stack.extend(node.uses)
        before |= own
    return {node for node in topological(shared) if node.op == "load"}


def reduction_depth(order: Sequence[Expr]) -> dict[Expr, int]:
    """How many reductions, each needing the one before, stand under each node (itself included)."""
    depth = dict.fromkeys(order, 0)
    if all(node.op != "reduce" for node in order):
        return depth
    for node in order:
        below = max((depth[n] for n in node.uses), default=0)
        depth[node] = below + (node.op == "reduce")
    return depth


Condition = tuple[Index, int, int]
_MAX_OPEN = 16


def unsafe_nodes(order: Sequence[Expr], sizes: Sequence[int]) -> set[Expr]:
    """The nodes with a load that is not in bounds for all values of its loops, by the guards in the node itself."""
    open_loads: dict[Expr, frozenset[tuple[Index, int, tuple[Condition, ...]]]] = {}
    nothing: frozenset[tuple[Index, int, tuple[Condition, ...]]] = frozenset()
    for node in order:
        found = nothing
        if open_loads:
            for n, arg in enumerate(node.args):
                below = open_loads.get(arg)
                if below:
                    found |= _under_guard(below, _conditions(node.attr, n == 0)) if node.op == "guard" else below
            for value in inner_values(node):
                found |= open_loads.get(value, nothing)
        if node.op == "load":
            slot, index = node.attr
            lo, hi = index.range
            if lo < 0 or hi >= sizes[slot]:
                found |= {(index, sizes[slot], ())}
        if found:
            # Many open loads are not worth a proof: one that nothing proves stands for them.
            open_loads[node] = found if len(found) <= _MAX_OPEN else frozenset({(ZERO, 0, ())})
    return set(open_loads)


def _conditions(conditions: tuple[Condition, ...], hold: bool) -> tuple[Condition, ...]:
    """What is known in a branch of a guard."""
    if hold:
        return conditions
    if len(conditions) != 1:
        return ()
    [(index, lo, hi)] = conditions
    low, high = index.range
    if low >= lo:
        return ((index, hi, high + 1),)
    return ((index, low, lo),) if high < hi else ()


def _under_guard(
    loads: frozenset[tuple[Index, int, tuple[Condition, ...]]], known: tuple[Condition, ...]
) -> frozenset[tuple[Index, int, tuple[Condition, ...]]]:
    kept = []
    for index, size, conditions in loads:
        conditions += tuple(c for c in known if c not in conditions)
        if not _in_bounds(index, size, conditions):
            kept.append((index, size, conditions))
    return frozenset(kept)


def _in_bounds(index: Index, size: int, conditions: tuple[Condition, ...]) -> bool:
    """Whether 0 <= index < size follows from the conditions and the ranges of the loops."""
    least = most = 0
    for checked, lo, hi in conditions:
        if not checked.terms:
            continue
        atom, coefficient = checked.terms[0]
        factor, left = divmod(index.coefficient(atom), coefficient)
        if factor and not left:
            index = index - checked * factor
            low, high = max(lo, checked.range[0]), min(hi - 1, checked.range[1])
            least += min(factor * low, factor * high)
            most += max(factor * low, factor * high)
    return least + index.range[0] >= 0 and most + index.range[1] < size


def joined_loops(nests: Sequence[Sequence[Axis]], order: Sequence[Expr], indices: Sequence[Index]) -> dict[Axis, Index]:
    """Loops to replace so that adjacent ones, walked contiguously by every index, become one.

    ``nests`` are the kernel's chains of loops, outermost first; those of the reductions among its nodes, ``order``, are
    added. ``indices`` are those of its stores.
    """
    used: dict[Index, None] = dict.fromkeys(indices)
    chains = [tuple(nest) for nest in nests]
    for node in order:
        used.update(dict.fromkeys(node_indices(node.op, node.attr)))
        if node.op == "reduce":
            chains.append(node.attr[1])
    new: dict[Axis, Index] = {}
    for chain in chains:
        if len(chain) < 2:
            continue
        run = [chain[-1]]
        for axis in reversed(chain[:-1]):
            if axis.kind == run[-1].kind and all(_contiguous(index, axis, run[-1]) for index in used):
                run.append(axis)
                continue
            _join(run, new)
            run = [axis]
        _join(run, new)
    return new


def _contiguous(index: Index, outer: Axis, inner: Axis) -> bool:
    a = b = 0
    for atom, coefficient in index.terms:
        if atom is outer:
            a = coefficient
        elif atom is inner:
            b = coefficient
        elif isinstance(atom, FloorDiv | Mod) and not _contiguous(atom.index, outer, inner):
            return False
    return a == b * inner.extent


def _join(run: list[Axis], new: dict[Axis, Index]) -> None:
    """``run``: loops from the innermost outwards that become one."""
    if len(run) < 2:
        return
    extent = 1
    for axis in run:
        extent *= axis.extent
    joined = Axis(run[-1].name, extent, run[-1].kind)
    new[run[0]] = axis_index(joined)
    new.update(dict.fromkeys(run[1:], ZERO))


def same_loops(roots: Sequence[Root], order: Sequence[Expr]) -> dict[Axis, Index]:
    """Loops to replace so that independent reductions over equal extents, at the same place, share loops."""
    reductions = [node for node in order if node.op == "reduce"]
    if len(reductions) < 2:
        return {}
    depth = reduction_depth(order)
    paths: dict[Axis, Path] = {a: root.path[: n + 1] for root in roots for n, a in enumerate(root.path)}
    homes: dict[Expr, Path] = {}
    for node in reversed(reductions):
        homes[node] = max((paths[a] for a in node.free_axes), key=len, default=())
        for n, axis in enumerate(node.attr[1]):
            paths[axis] = homes[node] + node.attr[1][: n + 1]
    new: dict[Axis, Index] = {}
    leaders: dict[tuple[int, Path, tuple[int, ...]], Path] = {}
    for node in reductions:
        axes = node.attr[1]
        leader = leaders.setdefault((depth[node], homes[node], tuple(a.extent for a in axes)), axes)
        if leader is not axes:
            new.update(zip(axes, map(axis_index, leader), strict=True))
    return new
