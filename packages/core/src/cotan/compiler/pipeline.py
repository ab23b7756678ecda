"""The way from a jaxpr to a Program: passes, operations, fusion, n, plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from cotan.compiler.control import Carried, control_of, draft_control
from cotan.compiler.elements import NO_RULES, Common, Idx, Op, Rule, has_scalars, is_empty, make_op, open_load, physical
from cotan.compiler.fold import folded
from cotan.compiler.fusion import fuse
from cotan.compiler.grouping import Fusion, Group, finish_soon
from cotan.compiler.kernels import Draft, cumulative_kernel, group_kernel, scatter_kernel, start_kernel
from cotan.compiler.loops import advance_products, hoist_sums
from cotan.compiler.parts import Part, stored
from cotan.compiler.passes import optimise, trace_decomposition
from cotan.compiler.plan import Sources, StepDraft, plan
from cotan.compiler.scatters import ranges_of, space_of
from cotan.compiler.split import split_reductions
from cotan.compiler.updates import keep_updates
from cotan.errors import scope_of
from cotan.ir.control import Control, CountedLoop
from cotan.ir.jaxpr import Atom, ClosedJaxpr, Eqn, Literal, Var
from cotan.ir.primitive import Primitive, alias, decompose, kernel, permute, reference
from cotan.ir.program import HostStep, LibraryStep, Program
from cotan.ir.scalar import Expr


def compile_to_program(
    closed: ClosedJaxpr,
    *,
    supports_library: Container[Primitive] = (),
    donated: Sequence[bool] = (),
    name: str = "",
    local_bytes: int = 0,
    lend_results: bool = False,
    kernels: Mapping[Primitive, Rule] = NO_RULES,
) -> Program:
    """Compile a jaxpr for a backend that runs kernels.

    Args:
      closed: the program. Its effectful equations keep their order.
      supports_library: the primitives for which the backend has library calls.
      donated: for each argument, whether a result may take over its memory.
      name: what the program is called.
      local_bytes: the scratch that a kernel may use for a row (``Capabilities.local_bytes``).
      lend_results: whether temps may lie in results that are not written yet (``Capabilities.lends_results``).
      kernels: the backend's own kernel rules (``LoweringTable.kernel``).

    Raises:
      MissingRuleError: a primitive has neither a kernel rule nor a decomposition nor a reference.
    """
    name = name or closed.jaxpr.name or "program"
    return _Compilation(closed, supports_library, donated, name, None, local_bytes, lend_results, kernels).program()


class _Compilation:
    """One program. ``carried`` is given for the part of a loop or branch: its results are buffers of their own, and may
    take over nothing but the argument that is the same carry."""

    def __init__(
        self,
        closed: ClosedJaxpr,
        supports_library: Container[Primitive],
        donated: Sequence[bool],
        name: str,
        carried: Carried | None = None,
        local_bytes: int = 0,
        lend_results: bool = False,
        kernels: Mapping[Primitive, Rule] = NO_RULES,
    ) -> None:
        self.closed = optimise(closed)
        self.carried = carried
        self.inputs = self.closed.jaxpr.invars
        self.supports_library = supports_library
        self.donated = tuple(donated) or (False,) * len(self.inputs)
        self.name = name
        self.local_bytes = local_bytes
        self.lend_results = lend_results
        self.kernels = kernels
        self.common = Common()
        self.consts: dict[Var, Any] = dict(zip(self.closed.jaxpr.constvars, self.closed.consts, strict=True))
        self.ops: list[Op] = []
        self.renamed: dict[Var, Atom] = {}
        self.literals: dict[int, tuple[Var, Literal]] = {}
        self.steps: list[StepDraft] = []
        self.shared: dict[Var, Var] = {}
        self.updated: dict[Var, Var] = {}
        self.notes: list[str] = []
        # result -> (what it is a permutation of, the permutation)
        self.permuted: dict[Var, tuple[Var, tuple[int, ...]]] = {}
        self.uses = Counter(v for eqn in self.closed.eqns for v in eqn.invars if isinstance(v, Var))
        self.uses.update(v for v in self.closed.jaxpr.outvars if isinstance(v, Var))

    def program(self) -> Program:
        for eqn in self.closed.eqns:
            self._add(eqn)
        outputs = [self._as_var(self._read(atom)) for atom in self.closed.jaxpr.outvars]
        if self.carried is not None:
            outputs = self._twice(outputs)
        keep_updates(self.ops, {*outputs, *self.consts})
        self.ops = split_reductions(self.ops)
        parts = self.common.parts
        fusion = fuse(self.ops, parts(outputs), self.local_bytes)
        given = [v for v, d in zip(self.inputs, self.donated, strict=False) if d]
        finish_soon(fusion, set(parts(outputs)), set(parts(given)))
        self._emit(fusion, outputs)
        results = self._own_outputs(outputs)
        takes = None
        if self.carried is not None:
            takes = {results[out]: self.inputs[given] for out, given in self.carried.items()}
        sources = Sources(
            self.name,
            self.inputs,
            self.donated,
            self.consts,
            results,
            self.shared,
            self.updated,
            takes,
            self.lend_results,
        )
        return plan(self.steps, sources, self.notes)

    def _part(self, closed: ClosedJaxpr, carried: Carried) -> Program:
        """A part of a loop or branch, compiled."""
        given = set(carried.values())
        donated = tuple(k in given for k in range(len(closed.in_avals)))
        name = closed.jaxpr.name or self.name
        part = _Compilation(
            closed, self.supports_library, donated, name, carried, self.local_bytes, kernels=self.kernels
        ).program()
        self.notes.extend(note for note in part.notes if note not in self.notes)
        return part

    # --- equations to operations ---

    def _read(self, atom: Atom) -> Atom:
        while isinstance(atom, Var) and atom in self.renamed:
            atom = self.renamed[atom]
        return atom

    def _add(self, eqn: Eqn) -> None:
        """Make an Op of ``eqn``, or of the equations that it decomposes into."""
        if any(isinstance(v, Var) and v in self.renamed for v in eqn.invars):
            eqn = eqn.replace(invars=tuple(map(self._read, eqn.invars)))
        record = control_of(eqn)
        if record is not None:
            if isinstance(record, CountedLoop):
                record = replace(record, body=optimise(record.body))
                advanced = advance_products(record, eqn)
                if advanced is not None:
                    for moved in advanced.before:
                        if isinstance(moved, Eqn):
                            self._add(moved)
                        else:
                            program, operands, result = moved
                            self._add_program(optimise(program), eqn.replace(invars=operands, outvars=(result,)))
                    record, eqn = advanced.record, eqn.replace(invars=tuple(map(self._read, advanced.invars)))
            hoisted = hoist_sums(record, eqn) if isinstance(record, CountedLoop) else None
            if hoisted is None:
                self.ops.append(self._step_op("control", eqn, record))
                return
            self.ops.append(self._step_op("control", eqn.replace(outvars=hoisted.outvars), hoisted.record))
            for each in hoisted.after:
                self._add(each)
            return
        op = make_op(eqn, len(self.ops), self.supports_library, self.kernels, self.common)
        if op is None:
            inner = trace_decomposition(eqn) if reference.get(eqn.primitive) is None or self._decomposes(eqn) else None
            if inner is not None:
                self._add_program(optimise(inner), eqn)
                return
            reference[eqn.primitive]  # raises if there is none
            self.notes.append(f"{eqn.primitive} runs on the host, by its NumPy reference")
            op = self._step_op("host", eqn)
        elif op.kind == "parts":
            self._add_in_parts(eqn, op)
            return
        elif op.kind in ("library", "host"):
            op = self._step_op(op.kind, self._with_operands_permuted(eqn) if op.kind == "library" else eqn)
        elif op.kind == "map" and len(op.outs) == 1:
            value = folded(op, eqn, self.consts)
            if value is not None:
                self._fold(op.outs[0], value)
                return
            same = _identity(op)
            if same is not None:
                self.renamed[op.outs[0]] = same
                self.uses[same] += self.uses[op.outs[0]] - 1
                return
            permutation = permutation_of(op)
            if permutation is not None:
                if self._permuted_at_source(op, *permutation):
                    return
                self.permuted[op.outs[0]] = permutation
        self.ops.append(op)

    def _add_in_parts(self, eqn: Eqn, op: Op) -> None:
        """Make Ops of ``eqn`` for the real and the imaginary parts, and one that puts them together."""
        halves = [Var(out.aval) for out in op.outs]
        for number, half in enumerate(halves):
            self._add(eqn.replace(invars=tuple(self.common.part(v, number) for v in eqn.invars), outvars=(half,)))

        def elements(idx: Idx) -> tuple[Expr, ...]:
            return tuple(self.common.load(half, idx) for half in halves)

        self.ops.append(Op(op.name, "map", op.outs, elements, space=(op.axes, op.idx), position=len(self.ops)))

    def _fold(self, var: Var, value: np.ndarray) -> None:
        """``var`` is the constant ``value``."""
        if var.aval.shape:
            self.consts[var] = value
        else:
            self.renamed[var] = Literal(value, var.aval)

    def _with_operands_permuted(self, eqn: Eqn) -> Eqn:
        """``eqn`` reading what its operands are permutations of, where its primitive can."""
        rule = permute.get(eqn.primitive)
        if rule is None:
            return eqn
        for n, atom in enumerate(eqn.invars):
            if isinstance(atom, Var) and atom in self.permuted:
                source, permutation = self.permuted[atom]
                found = rule([v.aval.ndim for v in eqn.invars], n, permutation, **eqn.params)
                if found is not None:
                    order, params = found
                    invars = [source if k == n else v for k, v in enumerate(eqn.invars)]
                    eqn = eqn.replace(invars=tuple(invars[k] for k in order), params=params)
        return eqn

    def _permuted_at_source(self, op: Op, source: Var, permutation: tuple[int, ...]) -> bool:
        """Let the library call that makes ``source`` give its result permuted, if nobody else reads it."""
        if self.uses.get(source) != 1:
            return False
        for n in range(len(self.ops) - 1, -1, -1):
            maker = self.ops[n]
            if source in maker.outs:
                break
        else:
            return False
        eqn = maker.eqn
        rule = permute.get(eqn.primitive) if eqn is not None and maker.kind == "library" else None
        if eqn is None or rule is None:
            return False
        found = rule([v.aval.ndim for v in eqn.invars], None, permutation, **eqn.params)
        if found is None:
            return False
        order, params = found
        eqn = eqn.replace(invars=tuple(eqn.invars[k] for k in order), outvars=op.outs, params=params)
        self.ops[n] = Op(maker.name, "library", op.outs, None, eqn, position=n)
        return True

    def _decomposes(self, eqn: Eqn) -> bool:
        """Whether kernels can hold all values of ``eqn``, so that its decomposition runs in kernels."""
        return (
            eqn.primitive not in self.kernels
            and kernel.get(eqn.primitive) is None
            and eqn.primitive in decompose
            and all(has_scalars(v.aval) for v in (*eqn.invars, *eqn.outvars))
        )

    def _add_program(self, inner: ClosedJaxpr, eqn: Eqn) -> None:
        jaxpr = inner.jaxpr
        self.consts.update(zip(jaxpr.constvars, inner.consts, strict=True))
        self.renamed.update(zip(jaxpr.invars, eqn.invars, strict=True))
        # Each operand is read as often as the program for the equation reads it.
        inside = Counter(v for each in jaxpr.eqns for v in each.invars if isinstance(v, Var))
        for var, atom in zip(jaxpr.invars, eqn.invars, strict=True):
            if isinstance(atom, Var):
                self.uses[atom] += inside[var] + jaxpr.outvars.count(var)
        for each in jaxpr.eqns:
            self._add(each)
        self.renamed.update(zip(eqn.outvars, map(self._read, jaxpr.outvars), strict=True))

    def _step_op(self, kind: str, eqn: Eqn, record: Control | None = None) -> Op:
        """A step that is no kernel reads buffers only, scalars too."""
        eqn = eqn.replace(invars=tuple(self._as_var(v) for v in eqn.invars))
        outs, operands = self.common.parts(eqn.outvars), self.common.parts(eqn.invars)
        return Op(eqn.primitive.name, kind, outs, None, eqn, record, position=len(self.ops), operands=operands)

    def _as_var(self, atom: Atom) -> Var:
        if isinstance(atom, Var):
            return atom
        found = self.literals.get(id(atom))
        if found is None:
            var = Var(atom.aval)
            self.consts[var] = np.asarray(atom.val, physical(atom.aval).dtype)
            found = self.literals[id(atom)] = (var, atom)
        return found[0]

    # --- units to steps ---

    def _emit(self, fusion: Fusion, outputs: Sequence[Var]) -> None:
        last: dict[Var, int] = dict.fromkeys(outputs, len(fusion.units))
        for n, reads in enumerate(fusion.reads):
            for var in map(stored, reads):
                last[var] = max(n, last.get(var, n))
        for n, unit in enumerate(fusion.units):
            if isinstance(unit, Group):
                self._kernel(group_kernel(unit, fusion, n))
            elif unit.kind == "cumulative":
                self._kernel(cumulative_kernel(unit, fusion, n))
            elif unit.kind == "scatter":
                self._scatter(unit, fusion, n, last, outputs)
            elif unit.kind == "control":
                self._control(unit, n, last, outputs)
            elif unit.kind in ("library", "host"):
                eqn = unit.eqn
                assert eqn is not None
                operands = tuple(v for v in eqn.invars if isinstance(v, Var))
                step = LibraryStep if unit.kind == "library" else HostStep
                payload = (step, eqn.primitive, eqn.params, scope_of(eqn.source))
                self.steps.append(StepDraft(payload, (*operands, *eqn.outvars), operands, eqn.outvars))

    def _kernel(self, draft: Draft) -> None:
        reads = tuple(v for v, o in zip(draft.operands, draft.kernel.operands, strict=True) if o.read)
        self.steps.append(StepDraft(draft.kernel, draft.operands, reads, draft.outs))

    def _scatter(self, op: Op, fusion: Fusion, n: int, last: dict[Var, int], outputs: Sequence[Var]) -> None:
        assert op.eqn is not None
        update = scatter_kernel(op, fusion, n)
        start = op.eqn.invars[0]
        [out] = op.outs
        rule = alias.get(op.eqn.primitive)
        start_is_buffer = isinstance(start, Var) and type(start) is not Part and start not in fusion.inlined
        if isinstance(start, Var) and start_is_buffer:
            dying = last.get(start, n) == n and start not in update.operands
            if rule is not None and dying and self._takes_over(out, start, outputs):
                self._kernel(update)
                return
        ranges = ranges_of(op, space_of(op))
        if ranges is not None and ranges.whole:
            self._kernel(scatter_kernel(op, fusion, n, with_start=True))
            return
        if isinstance(start, Var) and start_is_buffer:
            self.steps.append(StepDraft(None, (start, out), (start,), (out,)))
        else:
            self._kernel(start_kernel(op, fusion, n))
        self._kernel(update)

    def _control(self, op: Op, n: int, last: dict[Var, int], outputs: Sequence[Var]) -> None:
        assert op.eqn is not None

        def takes_over(out: Var, start: Var) -> bool:
            return last.get(start, n) == n and self._takes_over(out, start, outputs)

        draft = draft_control(op.eqn, op.record, self._part, takes_over)
        operands = (*draft.operands, *draft.written)
        self.steps.append(StepDraft(draft, operands, draft.operands, draft.written))

    def _takes_over(self, out: Var, start: Var, outputs: Sequence[Var]) -> bool:
        """Let ``out`` be the memory of ``start``, which dies where it is made, if that memory is ours."""
        if start in self.consts:
            return False
        if start not in self.inputs:
            self.shared[out] = start
            return True
        number = self.inputs.index(start)
        if not self.donated[number] or out not in outputs:
            return False
        if self.carried is not None and self.carried.get(outputs.index(out)) != number:
            return False
        self.updated[out] = start
        return True

    def _twice(self, outputs: Sequence[Var]) -> list[Var]:
        """``outputs`` with a value of its own for each result that a kernel can write twice as it computes it."""
        makers = {v: op for op in self.ops if op.kind == "map" for v in op.outs}
        results: list[Var] = []
        for var in outputs:
            maker = makers.get(var)
            if maker is not None and var in results:
                again = Var(var.aval)
                elements = partial(_element_of, var)
                self.ops.append(
                    Op("copy", "map", (again,), elements, space=(maker.axes, maker.idx), position=len(self.ops))
                )
                var = again
            results.append(var)
        return results

    def _own_outputs(self, outputs: Sequence[Var]) -> list[Var]:
        """Results are arguments or buffers of their own; constants are copied. Those of parts are not even arguments,
        but for a carry that does not change, and each is another one."""
        results: list[Var] = []
        for position, var in enumerate(outputs):
            copied = var in self.consts or (is_empty(var.aval) and var not in self.inputs)
            if self.carried is not None and not copied:
                unchanged = self.carried.get(position)
                stays = unchanged is not None and var is self.inputs[unchanged]
                copied = var in results or (var in self.inputs and not stays)
            if copied:
                out = Var(var.aval)
                if not is_empty(var.aval):
                    self.steps.append(StepDraft(None, (var, out), (var,), (out,)))
                var = out
            results.append(var)
        return results


def _element_of(var: Var, idx: Idx) -> tuple[Expr, ...]:
    return (open_load(var, idx),)


def permutation_of(op: Op) -> tuple[Var, tuple[int, ...]] | None:
    """(x, permutation) if the result of ``op`` is ``transpose(x, permutation)``."""
    [element] = op.elements(op.idx)
    if element.op != "load":
        return None
    var, idx = element.attr[0]
    [out] = op.outs
    if type(var) is Part or var.aval.dtype != out.aval.dtype or var.aval.ndim != out.aval.ndim or 1 in var.aval.shape:
        return None
    if len(idx) != var.aval.ndim:
        # Elements of random keys have one more index, that of their words.
        return None
    try:
        permutation = tuple(idx.index(i) for i in op.idx)
    except ValueError:
        return None
    if sorted(permutation) != list(range(len(idx))) or out.aval.shape != tuple(var.aval.shape[d] for d in permutation):
        return None
    return (var, permutation)


def _identity(op: Op) -> Var | None:
    """The variable that the result of ``op`` equals, element for element, in the same shape."""
    [element] = op.elements(op.idx)
    if element.op != "load":
        return None
    var, idx = element.attr[0]
    [out] = op.outs
    if type(var) is Part:
        # It does not lie together.
        return None
    if var.aval.shape == out.aval.shape and var.aval.dtype == out.aval.dtype and idx == op.idx:
        return var  # type: ignore[no-any-return]
    return None
