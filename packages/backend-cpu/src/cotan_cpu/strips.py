"""Loops over long arrays by strips: a strip of elements goes through all iterations while it lies in the nearest cache.

That is the same as one iteration after the other where elements do not meet: where a body computes each element of what
changes from the same element of what changes. Strips are shared among threads, which wait for each other once, not in
every iteration. Finds such loops and writes the function of a strip; what an iteration does ``control`` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cotan.ir.index import Axis, FloorDiv, Index, Mod, axis_index
from cotan.ir.program import Buffer, CopyStep, Kernel, KernelStep, Let, Loop, LoopStep, Program, Store
from cotan.ir.scalar import Expr

if TYPE_CHECKING:
    from cotan_cpu.program import Writer

SMALL = 64
"""Values of at most so many bytes every strip has for itself: counters, and what is computed from them."""
_CACHE_BYTES = 24 << 10
"""What all arrays of a strip may take, so that they stay in the nearest cache."""
_LEAST, _MOST, _STEP = 256, 4096, 256
_FEWEST = 4
"""So many strips make it worth while."""
_SHARED_FROM = 1 << 18
"""Operations of a whole loop from which threads may share it."""
_EACH_THREAD = 4
"""Strips that a thread should have, so that one that loses its core leaves little to the others."""


@dataclass(frozen=True)
class Strips:
    """``count`` strips of ``size`` elements, the last one perhaps of less, of arrays of ``extent``."""

    extent: int
    size: int

    @property
    def count(self) -> int:
        return -(-self.extent // self.size)

    def of(self, kernel: Kernel) -> bool:
        """Whether a kernel of the loop computes strips, and no small values."""
        loop = kernel.tree[-1]
        return isinstance(loop, Loop) and loop.axis.extent == self.extent


def find(step: LoopStep, threads: int) -> Strips | None:
    """The strips by which a loop can be done; None where its iterations must follow each other as a whole."""
    body = step.body
    if step.length is None or step.length < 2 or any(buffer.within is not None for buffer in body.buffers):
        return None
    first = len(step.consts)
    changing = {*body.inputs[first : first + len(step.inits)]}
    changing.update(n for n, buffer in enumerate(body.buffers) if buffer.kind in ("temp", "output"))
    extents: set[int] = set()
    for each in body.steps:
        extent = _extent(each, body, changing)
        if extent is None:
            return None
        if extent:
            extents.add(extent)
    if len(extents) != 1 or any(not _fits(body.buffers[n], extents) for n in changing):
        return None
    [extent] = extents
    # A carry that is handed on from another place as it is would be exchanged between iterations.
    if any(number in body.inputs and number != body.inputs[first + k] for k, number in enumerate(_carried(step))):
        return None
    each_element = sum(b.aval.dtype.itemsize for b in body.buffers if b.aval.size == extent)
    size = min(max(_CACHE_BYTES // each_element // _STEP * _STEP, _LEAST), _MOST)
    if threads > 1 and _operations(body) * step.length >= _SHARED_FROM:
        # Short arrays too are worth sharing among threads, for all iterations at once.
        share = -(-extent // (_EACH_THREAD * threads))
        size = min(size, -(-share // _STEP) * _STEP)
    return Strips(extent, size) if extent >= _FEWEST * size else None


def _operations(body: Program) -> int:
    return sum(step.kernel.flops for step in body.steps if isinstance(step, KernelStep))


def _carried(step: LoopStep) -> Sequence[int]:
    return step.body.outputs[: len(step.inits)]


def _fits(buffer: Buffer, extents: set[int]) -> bool:
    return buffer.aval.nbytes <= SMALL or buffer.aval.size in extents


def _extent(step: Any, body: Program, changing: set[int]) -> int | None:
    """How many elements a step computes one by one; 0 where it computes small values only; None: something else."""
    if isinstance(step, CopyStep):
        aval = body.buffers[step.target].aval
        return 0 if aval.nbytes <= SMALL else aval.size
    if not isinstance(step, KernelStep):
        return None
    avals = [body.buffers[n].aval for n in step.buffers if n in changing]
    if all(aval.nbytes <= SMALL for aval in avals):
        return 0
    slots = {k for k, n in enumerate(step.buffers) if n in changing and body.buffers[n].aval.nbytes > SMALL}
    return _elements(step.kernel, slots)


def _elements(kernel: Kernel, slots: set[int]) -> int | None:
    """The extent of the only loop of a kernel, if it reads and writes ``slots`` at the element of its own only."""
    loop = kernel.tree[-1]
    if kernel.scratch or not isinstance(loop, Loop) or loop.axis.kind != "parallel":
        return None
    if not all(isinstance(node, Let) for node in kernel.tree[:-1]):
        return None
    here = axis_index(loop.axis)

    def own(slot: int, place: Index) -> bool:
        # Of complex numbers, both parts are their element's own.
        pairs = kernel.operands[slot].size == 2 * loop.axis.extent
        return place in (here * 2, here * 2 + 1) if pairs else place == here

    values: list[Expr] = [node.value for node in kernel.tree[:-1] if isinstance(node, Let)]
    for node in loop.body:
        if isinstance(node, Store):
            if node.combine is not None or node.conditions or not own(node.slot, node.index):
                return None
        elif not isinstance(node, Let):
            return None
        values.append(node.value)
    if not all(own(slot, place) for slot, place in _loads(values) if slot in slots):
        return None
    return loop.axis.extent


def _loads(values: Sequence[Expr]) -> Iterator[tuple[int, Index]]:
    """What expressions load: slots and indices, also those that indices are computed from."""
    seen: set[Expr] = set()
    waiting = list(values)
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        waiting.extend(node.args)
        indices: list[Index] = []
        if node.op == "load":
            indices = [node.attr[1]]
            yield node.attr
        elif node.op == "index":
            indices = [node.attr]
        elif node.op == "guard":
            indices = [index for index, _, _ in node.attr]
        while indices:
            for atom, _ in indices.pop().terms:
                if isinstance(atom, FloorDiv | Mod):
                    indices.append(atom.index)
                elif not isinstance(atom, Axis):
                    waiting.append(atom.expr)


def write(
    writer: Writer,
    step: LoopStep,
    strips: Strips,
    starts: Mapping[int, str],
    iterate: Callable[[str, Mapping[int, str]], float],
) -> None:
    """Launch the function of the strips ``begin`` to ``end``.

    Args:
      starts: the number of a small carry -> a pointer to its first value, which nothing changes meanwhile.
      iterate: writes the whole loop for a strip, given its number and ``starts`` as they are called there; returns the
        estimated seconds.
    """
    outer = writer.frame
    spares = [n for n in step.spares if n is not None]
    numbers = list(dict.fromkeys((*step.consts, *step.inits, *step.xs, *step.finals, *step.ys, *spares)))
    pointers = [*map(writer.pointer, numbers), *starts.values(), "%consts"]
    symbol = writer.name("strips")
    inner = writer.frame = type(outer)(outer.program)
    inner.pointers = {number: f"%b{number}" for number in numbers}
    here = {k: f"%start{k}" for k in starts}
    loads = []
    for place, name in enumerate([*inner.pointers.values(), *here.values(), "%consts"]):
        at = writer.fresh()
        loads += [f"  {at} = getelementptr ptr, ptr %table, i64 {place}", f"  {name} = load ptr, ptr {at}"]
    cell = writer.stack("i64")
    writer.store("%begin", cell, "i64")
    head, inside, done = writer.name("strip"), writer.name("inside"), writer.name("done")
    writer.label(head)
    unit, more, following = writer.load(cell, "i64"), writer.fresh(), writer.fresh()
    writer.emit(f"{more} = icmp slt i64 {unit}, %end", f"br i1 {more}, label %{inside}, label %{done}")
    writer.begin(inside)
    seconds = iterate(unit, here)
    writer.emit(f"{following} = add i64 {unit}, 1")
    writer.store(following, cell, "i64")
    writer.emit(f"br label %{head}")
    writer.begin(done)
    head_line = f"define internal void @{symbol}(ptr noalias %table, i64 %begin, i64 %end) nounwind {{"
    writer.define("\n".join([head_line, "entry:", *inner.allocas, *loads, *inner.body, "  ret void", "}"]))
    writer.frame = outer
    what = f"{step.name}: {step.length} iterations of {strips.count} strips"
    writer.launch(symbol, pointers, strips.count, seconds * strips.count, what)
