"""Kernels from units: open element expressions become loads and substituted elements, and the loop tree is derived."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cotan.compiler.cost import FREE
from cotan.compiler.elements import Idx, Op, in_memory, iteration, normal_index, physical
from cotan.compiler.grouping import Fusion, Group
from cotan.compiler.guards import Protector
from cotan.compiler.legalize import HALF, convert, widen
from cotan.compiler.parts import as_pairs, stored
from cotan.compiler.rewrite import Rewriter, make_plain
from cotan.compiler.scatters import Ranges, ranges_of, space_of, start_of
from cotan.compiler.scratch import keep_rows
from cotan.compiler.tree import Path, Root, derive, joined_loops, nodes_of, same_loops
from cotan.ir.index import Axis, Index, axis_index, linear_index
from cotan.ir.jaxpr import Var
from cotan.ir.program import Kernel, KernelOperand, Let, Loop, Node, ReduceLoop, ScanLoop, Store
from cotan.ir.scalar import Expr


@dataclass
class Draft:
    """A kernel with the variables that its operands are."""

    kernel: Kernel
    operands: tuple[Var, ...]
    outs: tuple[Var, ...]


class _Builder:
    """One kernel in the making: operand slots, and expressions resolved to loads of them."""

    def __init__(self, fusion: Fusion, axes: dict[Axis, Index]) -> None:
        self.fusion = fusion
        self.slots: dict[Var, int] = {}
        self.computed: dict[Var, tuple[Op, Expr]] = {}
        self.rewrite = Rewriter(axes, self._source, self._slot)
        self.names: dict[str, None] = {}

    def _slot(self, slot: object) -> int:
        var = slot[0]  # type: ignore[index]
        return self.slot(var)

    def slot(self, var: Var) -> int:
        return self.slots.setdefault(stored(var), len(self.slots))

    def place(self, var: Var, idx: Idx) -> Index:
        """Where the element of ``var`` at ``idx`` is stored."""
        return self.rewrite.index(in_memory(var, linear_index(idx, physical(var.aval).shape)))

    def _source(self, node: Expr) -> Expr | None:
        var, idx = node.attr[0]
        op = self.fusion.inlined.get(var)
        if op is not None:
            self.names.setdefault(op.label)
            return op.elements(idx)[op.outs.index(var)]
        computed = self.computed.get(var)
        if computed is None:
            return None
        op, expr = computed
        if idx == op.idx or tuple(map(self.rewrite.index, idx)) == tuple(map(self.rewrite.index, op.idx)):
            return expr
        # Elsewhere in the row.
        return op.elements(idx)[op.outs.index(var)]

    def finish(self, name: str, roots: Sequence[Root], outs: Sequence[Var]) -> Draft:
        """Simplify the loops, derive the tree, and say what the operands are."""
        avals = [as_pairs(physical(v.aval)) for v in self.slots]
        sizes = [aval.size for aval in avals]
        order: Sequence[Expr] = nodes_of(roots)
        protect = Protector(order, sizes)
        if protect.risky:
            roots = [_mapped(r, r.path, protect, protect.index) for r in roots]
            order = nodes_of(roots)
        roots, order = _rewritten(roots, order, same_loops(roots, order))
        joined = joined_loops(_nests(roots), order, [i for r in roots for i in r.indices()])
        roots, order = _rewritten(roots, order, joined)
        tree = derive(roots, order, sizes)
        scratch: tuple[KernelOperand, ...] = ()
        if self.fusion.local_bytes:
            tree, scratch = keep_rows(tree, sizes, self.fusion.local_bytes)
        read = {node.attr[0] for node in order if node.op == "load"}
        combined = {r.node.slot for r in roots if isinstance(r.node, Store) and r.node.combine is not None}
        outs = tuple(dict.fromkeys(map(stored, outs)))
        written = {self.slots[v] for v in outs}
        operands = tuple(
            KernelOperand(aval.shape, aval.dtype, slot in written, slot in read or slot in combined)
            for slot, aval in enumerate(avals)
        )
        moved = sum(aval.nbytes for aval in avals)
        kernel = Kernel(name, operands, tree, tuple(self.names), _flops(tree, 1), moved, scratch=scratch)
        return Draft(kernel, tuple(self.slots), outs)


def _nests(roots: Sequence[Root]) -> list[Path]:
    """The chains of loops that no other one contains."""
    paths = list(dict.fromkeys(r.path for r in roots))
    return [p for p in paths if not any(p is not q and p == q[: len(p)] for q in paths)]


def _mapped(root: Root, path: Path, expr: Callable[[Expr], Expr], index: Callable[[Index], Index]) -> Root:
    """``root`` in the loops ``path``, with its expressions and indices changed."""
    step = root.node
    exprs = tuple(map(expr, root.exprs))
    if isinstance(step, ScanLoop):
        stores = tuple((slot, index(i), k) for slot, i, k in step.stores)
        inits = tuple(map(expr, step.inits))
        return Root(path, exprs, ScanLoop(step.axis, step.combiner, inits, exprs, stores, step.reverse, ()))
    conditions = tuple((index(i), lo, hi) for i, lo, hi in step.conditions)
    return Root(path, exprs, Store(step.slot, index(step.index), exprs[0], conditions, step.combine))


def _rewritten(
    roots: Sequence[Root], order: Sequence[Expr], axes: dict[Axis, Index]
) -> tuple[Sequence[Root], Sequence[Expr]]:
    """``roots`` with loops replaced, and their nodes, which were ``order`` before."""
    if not axes:
        return roots, order
    # Nothing is simplified here: reductions that share loops must stay at the same place, whatever becomes equal.
    rewrite = Rewriter(axes, build=make_plain)
    new: list[Root] = []
    for root in roots:
        path: list[Axis] = []
        for axis in root.path:
            walked = [a for a, _ in axes[axis].terms] if axis in axes else [axis]
            path.extend(a for a in walked if isinstance(a, Axis))
        new.append(_mapped(root, tuple(path), rewrite, rewrite.index))
    return new, nodes_of(new)


def group_kernel(group: Group, fusion: Fusion, number: int) -> Draft:
    """The kernel of map operations that share loops."""
    deep = group.ops[0]
    axes: dict[Axis, Index] = {}
    for op in group.ops[1:]:
        axes.update((a, axis_index(b)) for a, b in zip(op.axes, deep.axes, strict=False) if a is not b)
    builder = _Builder(fusion, axes)
    ops = sorted(group.ops, key=lambda op: op.position)
    outs = [v for op in ops for v in op.outs if v not in fusion.inner]
    for op in ops:
        for var, expr in zip(op.outs, op.elements(op.idx), strict=True):
            builder.computed[var] = (op, expr)
    roots: list[Root] = []
    for op in ops:
        builder.names.setdefault(op.label)
        path = deep.axes[: len(op.axes)]
        for var, expr in zip(op.outs, op.elements(op.idx), strict=True):
            if var in fusion.inner:
                continue
            value = builder.rewrite(expr)
            roots.append(Root(path, (value,), Store(builder.slot(var), builder.place(var, op.idx), value)))
    return builder.finish(f"k{number}_{'_'.join(dict.fromkeys(op.name for op in ops))}", roots, outs)


def cumulative_kernel(op: Op, fusion: Fusion, number: int) -> Draft:
    """The kernel of a running reduction: parallel loops around a sequential one."""
    record = op.record
    scanned = op.idx[record.axis].terms
    old = scanned[0][0] if scanned else None
    shape = physical(op.outs[0].aval).shape
    axis = Axis("s", shape[record.axis], "sequential")
    builder = _Builder(fusion, {old: axis_index(axis)} if isinstance(old, Axis) else {})
    builder.names.setdefault(op.label)
    path = (*(a for a in op.axes if a is not old), axis)
    bodies = tuple(map(builder.rewrite, record.body(op.idx)))
    bodies = tuple(map(widen, bodies))
    index = builder.rewrite.index(linear_index(op.idx, shape))
    stores = tuple((builder.slot(v), index, k) for k, v in enumerate(op.outs))
    inits = tuple(widen(builder.rewrite(init)) for init in record.inits)
    step = ScanLoop(axis, record.combiner, inits, bodies, stores, record.reverse)
    return builder.finish(f"k{number}_{op.name}", [Root(path, bodies, step)], op.outs)


def start_kernel(op: Op, fusion: Fusion, number: int) -> Draft:
    """The kernel that writes what a scatter starts from."""
    builder = _Builder(fusion, {})
    value = builder.rewrite(start_of(op))
    builder.names.setdefault(op.label)
    [out] = op.outs
    index = linear_index(op.idx, physical(out.aval).shape)
    root = Root(op.axes, (value,), Store(builder.slot(out), index, value))
    return builder.finish(f"k{number}_{op.name}_start", [root], op.outs)


def scatter_kernel(op: Op, fusion: Fusion, number: int, with_start: bool = False) -> Draft:
    """The kernel that combines a scatter's updates into its result.

    The result holds already what it starts from, or, ``with_start``, the kernel writes that itself, range by range.
    """
    space = space_of(op)
    ranges = ranges_of(op, space)
    record = op.record
    parallel = {a: Axis(a.name, a.extent, "parallel") for a in (*space.outer, *space.inner)}
    builder = _Builder(fusion, {a: axis_index(b) for a, b in parallel.items()})
    builder.names.setdefault(op.label)
    [out] = op.outs
    shape = physical(out.aval).shape
    value = builder.rewrite(space.value)
    conditions = list(space.conditions)
    outer = tuple(parallel[a] for a in space.outer)
    roots: list[Root] = []
    if ranges is not None:
        part = Axis("p", ranges.count, "parallel")
        outer = (*outer, part)
        conditions.append((space.target[ranges.dim] - axis_index(part) * ranges.size, 0, ranges.size))
        if with_start:
            roots.append(_start_of_range(op, builder, ranges, part))
    checks = []
    for index, lo, hi in conditions:
        index = builder.rewrite.index(index)
        if not (lo <= index.range[0] and index.range[1] < hi):
            checks.append((index, lo, hi))
    index = builder.rewrite.index(linear_index(normal_index(space.target, shape), shape))
    store = Store(builder.slot(out), index, value, tuple(checks), _combination(record.combine, out.aval.dtype))
    path = (*outer, *space.shared, *(parallel[a] for a in space.inner))
    roots.append(Root(path, (value,), store))
    return builder.finish(f"k{number}_{op.name}", roots, op.outs)


def _start_of_range(op: Op, builder: _Builder, ranges: Ranges, part: Axis) -> Root:
    """What the range ``part`` of a scatter's result starts from."""
    [out] = op.outs
    shape = physical(out.aval).shape
    axes, idx = iteration([ranges.size if d == ranges.dim else n for d, n in enumerate(shape)])
    idx = tuple(i + axis_index(part) * ranges.size if d == ranges.dim else i for d, i in enumerate(idx))
    value = builder.rewrite(start_of(op, idx))
    store = Store(builder.slot(out), builder.rewrite.index(linear_index(idx, shape)), value)
    return Root((part, *axes), (value,), store)


def _combination(combine: Any, dtype: Any) -> Any:
    """``combine`` on elements of ``dtype``, made legal."""
    if combine is None or dtype not in HALF:
        return combine
    return lambda old, new: convert(combine(widen(old), widen(new)), dtype)


def _flops(nodes: Sequence[Node], times: int) -> int:
    """Operations of a tree, each counted once per scope."""
    total = 0
    for node in nodes:
        if isinstance(node, Loop):
            total += _flops(node.body, times * node.axis.extent)
        elif isinstance(node, Let):
            total += times * _operations((node.value,))
        elif isinstance(node, Store):
            total += times * (_operations((node.value,)) + (node.combine is not None))
        elif isinstance(node, ScanLoop):
            inside = times * node.axis.extent
            total += _flops(node.body, inside) + inside * (_operations(node.bodies) + len(node.bodies))
        else:
            total += _reduction_flops(node, times)
    return total


def _reduction_flops(node: ReduceLoop, times: int) -> int:
    total = 0
    for axis, level in zip(node.axes, node.levels, strict=True):
        times *= axis.extent
        total += _flops([n for n in level if not isinstance(n, Store)], times)
    bodies = [a for r in (node.value, *node.siblings) for a in r.args[len(r.args) // 2 :]]
    kept = [n.value for n in node.levels[-1] if isinstance(n, Store)]
    return total + times * (_operations([*bodies, *kept]) + len(bodies))


def _operations(exprs: Sequence[Expr]) -> int:
    """Operations in ``exprs``, not counting those inside reductions."""
    seen: set[Expr] = set()
    stack = list(exprs)
    total = 0
    while stack:
        node = stack.pop()
        if node in seen or node.op == "reduce":
            continue
        seen.add(node)
        total += node.op not in FREE
        stack.extend(node.args)
    return total
