"""Programs: what the compiler hands to a backend that opens the KERNELS door. Steps over planned buffers.

Pure data. The compiler makes it, backends read it; both import it from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cotan.ir.avals import ShapedArray
from cotan.ir.index import Axis, Index
from cotan.ir.scalar import Combiner, Expr


@dataclass(frozen=True)
class Store:
    """Write ``value`` to element ``index`` (linear) of kernel operand ``slot``.

    ``combine`` makes it ``old combine value`` (scatter), in iteration order.
    """

    slot: int
    index: Index
    value: Expr
    conditions: tuple[tuple[Index, int, int], ...] = ()
    combine: Any = None


@dataclass(frozen=True)
class Let:
    """Compute ``value`` here, once; inner nodes use it (the node itself is the name)."""

    value: Expr


@dataclass(frozen=True)
class ReduceLoop:
    """Compute the reduce node ``value`` (op 'reduce') here: loops over its axes, ``body`` hoisted per level.

    ``levels[k]`` are the nodes to compute inside of axis k before the next axis begins (for the last axis: before the
    states are combined); one entry per axis. Stores among them go to scratch. ``siblings`` are further reduce nodes
    over the very same axes, to be computed in the same loops: no one of them uses another's result.
    """

    value: Expr
    axes: tuple[Axis, ...]
    levels: tuple[tuple[Node, ...], ...]
    siblings: tuple[Expr, ...] = ()


@dataclass(frozen=True)
class ScanLoop:
    """Sequential loop over ``axis`` with ``carries``: state k starts at inits[k], becomes combine(state, bodies)."""

    axis: Axis
    combiner: str | Combiner
    inits: tuple[Expr, ...]
    bodies: tuple[Expr, ...]
    stores: tuple[tuple[int, Index, int], ...]
    """(slot, linear index, which state) written after each step."""
    reverse: bool
    body: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Loop:
    """Run ``body`` for every value of ``axis`` ('parallel': any order; 'sequential': in order)."""

    axis: Axis
    body: tuple[Node, ...]


Node = Store | Let | ReduceLoop | ScanLoop | Loop


@dataclass(frozen=True)
class KernelOperand:
    """A buffer as a kernel sees it: one of complex numbers as pairs of real ones, in an axis of its own, the last."""

    shape: tuple[int, ...]
    dtype: Any
    written: bool
    read: bool

    @property
    def size(self) -> int:
        size = 1
        for extent in self.shape:
            size *= extent
        return size


@dataclass(frozen=True, eq=False)
class Kernel:
    """A small tree of loops over ``operands``; loads and stores name operands by their position (slot).

    ``in_place``: pairs (read slot, written slot) that may be the very same memory: every load from the read slot comes
    before the store to the written one, in the same iteration of the loops around both (one at least, unless both
    indices are the same), and reads nothing that other iterations store. All other operands are apart from all written.
    ``scratch``: memory of the kernel's own, which slots behind those of the operands name. Each iteration of the
    parallel loops around its stores has one for itself, undefined at the beginning.
    """

    name: str
    operands: tuple[KernelOperand, ...]
    tree: tuple[Node, ...]
    fused: tuple[str, ...] = ()
    flops: int = 0
    bytes: int = 0
    in_place: tuple[tuple[int, int], ...] = ()
    scratch: tuple[KernelOperand, ...] = ()

    @property
    def slots(self) -> tuple[KernelOperand, ...]:
        """What loads and stores name by their position."""
        return (*self.operands, *self.scratch)


@dataclass(frozen=True)
class Buffer:
    """One buffer of a Program. ``kind``: input, output, const, temp. A temp lies at ``offset`` in the arena.

    ``within``: for a temp, the number of the output in whose memory it lies instead, or None; only in programs that
    were compiled with ``lend_results``.
    ``donated``: for an output, the number of the input whose memory it takes over, or None.
    """

    aval: ShapedArray
    kind: str
    offset: int = 0
    donated: int | None = None
    within: int | None = None


@dataclass(frozen=True, eq=False)
class KernelStep:
    """Launch ``kernel`` on the buffers with these numbers, one per operand."""

    kernel: Kernel
    buffers: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LibraryStep:
    """One primitive done by the backend's library: ``results = primitive[params](operands)``."""

    primitive: Any
    params: dict[str, Any]
    operands: tuple[int, ...]
    results: tuple[int, ...]
    scope: str = ""


@dataclass(frozen=True, eq=False)
class HostStep:
    """One primitive run by its NumPy reference on the host; visible in ``explain``."""

    primitive: Any
    params: dict[str, Any]
    operands: tuple[int, ...]
    results: tuple[int, ...]
    scope: str = ""


@dataclass(frozen=True, eq=False)
class CopyStep:
    """Copy one buffer to another of the same shape."""

    source: int
    target: int


@dataclass(frozen=True, eq=False)
class LoopStep:
    """Run ``body`` again and again: ``length`` times, or, if that is None, while ``cond`` gives true.

    ``body`` maps (consts, carry, one slice of each of xs) to (new carry, one slice of each of ys), ``cond`` maps
    (cond_consts, carry) to a bool scalar. Slices lie one behind the other in xs and ys; ``reverse`` begins with the
    last. Results of ``body`` are buffers of their own; but where ``spares[k]`` is None, carry k stays in its place:
    ``body`` writes it over its own argument, or not at all. Then ``finals[k]`` begins as a copy of ``inits[k]``
    (or is that memory). Otherwise ``spares[k]`` is a second buffer: an iteration reads one and writes the other.
    """

    name: str
    body: Program
    cond: Program | None
    length: int | None
    reverse: bool
    cond_consts: tuple[int, ...]
    consts: tuple[int, ...]
    inits: tuple[int, ...]
    xs: tuple[int, ...]
    finals: tuple[int, ...]
    ys: tuple[int, ...]
    spares: tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class BranchStep:
    """Run the one of ``branches`` that the int32 scalar ``index``, clamped to their number, chooses.

    Each maps all ``operands`` to all ``results``, which are buffers of their own. But where ``takes[k]`` is not None,
    result k is the memory of that operand: a branch writes it over its argument, or not at all, or into ``spares[k]``,
    from where it is copied.
    """

    name: str
    branches: tuple[Program, ...]
    index: int
    operands: tuple[int, ...]
    results: tuple[int, ...]
    takes: tuple[int | None, ...]
    spares: tuple[int | None, ...]


Step = KernelStep | LibraryStep | HostStep | CopyStep | LoopStep | BranchStep


def named(step: Step) -> set[int]:
    """The numbers of the buffers that a step reads or writes, of its own program."""
    if isinstance(step, KernelStep):
        return {*step.buffers}
    if isinstance(step, CopyStep):
        return {step.source, step.target}
    if isinstance(step, LibraryStep | HostStep):
        return {*step.operands, *step.results}
    if isinstance(step, LoopStep):
        spares = {spare for spare in step.spares if spare is not None}
        return {*step.cond_consts, *step.consts, *step.inits, *step.xs, *step.finals, *step.ys, *spares}
    return {step.index, *step.operands, *step.results, *(spare for spare in step.spares if spare is not None)}


@dataclass(frozen=True, eq=False)
class Program:
    """Steps over planned buffers.

    Attributes:
      buffers: all of them; steps name them by number.
      inputs, outputs: buffer numbers, parallel to the jaxpr's arguments and results. An output may be an input's
        number (the caller shares the array) or occur twice.
      consts: number -> value of the const buffers (anything ``numpy.asarray`` takes).
      arena: bytes of workspace that the temps need, without those of loops and branches, whose temps lie behind it. It
        and the offsets of temps are multiples of 64.
    """

    name: str
    buffers: tuple[Buffer, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    consts: dict[int, Any]
    steps: tuple[Step, ...]
    arena: int
    notes: Sequence[str] = field(default=())

    def parts(self) -> tuple[Program, ...]:
        """The programs that its loops and branches run."""
        found: list[Program] = []
        for step in self.steps:
            if isinstance(step, LoopStep):
                found += [step.body] if step.cond is None else [step.cond, step.body]
            elif isinstance(step, BranchStep):
                found += step.branches
        return tuple(found)

    def stays(self, result: int, argument: int) -> bool:
        """Whether it leaves that argument, or writes that result over it."""
        out, given = self.outputs[result], self.inputs[argument]
        return out == given or self.buffers[out].donated == given

    @property
    def workspace(self) -> int:
        """Bytes of workspace that it needs at once, with those of its loops and branches."""
        return self.arena + max((part.workspace for part in self.parts()), default=0)
