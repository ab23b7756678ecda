"""Passes over loops of a known length: many small products become one big one, before or after the loop.

A recurrence multiplies each slice of its inputs by the same weights: that is one product of all slices, before. The
gradient of those weights is a sum of one product per step: where a primitive says (in the table ``over_steps``) that
such a sum is one product of stacked operands, the loop only stacks them. Knows the sum of cotangents, nothing else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.control import CountedLoop
from cotan.ir.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from cotan.ir.primitive import batch, over_steps
from cotan.structural import add_any_p
from cotan.transforms.batch import AxisData, matchaxis, with_axis
from cotan.transforms.prune import prune
from cotan.transforms.stage import stage_closed


@dataclass
class Product:
    """One product per step that is only added to a carry."""

    eqn: Eqn
    carry: int


@dataclass
class Hoisted:
    """A loop without its sums: the record, the equation's results, and what comes after it."""

    record: CountedLoop
    outvars: tuple[Var, ...]
    after: list[Eqn]


WIDER = 4
"""A product of a slice may be so many times larger than the slice to be computed for all slices at once."""


@dataclass
class Advanced:
    """A loop whose products of slices are computed before it.

    Attributes:
      before: equations of what does not change, and (program, its operands, its result) of each product of all slices.
    """

    record: CountedLoop
    invars: tuple[Atom, ...]
    before: list[Eqn | tuple[ClosedJaxpr, tuple[Atom, ...], Var]]


def advance_products(record: CountedLoop, eqn: Eqn) -> Advanced | None:
    """The loop with its products of slices and of what does not change taken out; None if it has none.

    The body holds no calls any more: it is ``optimise``d.
    """
    if record.length < 2 or eqn.effects:
        return None
    body = record.body
    work = _Advancing(record, eqn, body.jaxpr)
    taken = [each for each in body.eqns if work.take(each)]
    if not taken:
        return None
    results = [each.outvars[0] for each in taken]
    smaller = body.jaxpr.replace(
        eqns=[each for each in body.eqns if each not in taken], invars=[*body.jaxpr.invars, *results], arg_names=()
    )
    changed = replace(record, body=ClosedJaxpr(*prune(smaller, body.consts)))
    return Advanced(changed, (*eqn.invars, *work.wholes), work.before)


class _Advancing:
    """The equations that are moved before a loop."""

    def __init__(self, record: CountedLoop, eqn: Eqn, body: Jaxpr) -> None:
        self.length = record.length
        first = record.consts + record.carry
        self.slices = dict(zip(body.invars[first:], eqn.invars[first:], strict=True))
        # In the body -> outside, for what is the same in every step; and how to compute more of it.
        self.fixed: dict[Var, Atom] = dict(zip(body.invars[: record.consts], eqn.invars[: record.consts], strict=True))
        self.invariant: dict[Var, Eqn] = {}
        self.before: list[Eqn | tuple[ClosedJaxpr, tuple[Atom, ...], Var]] = []
        self.wholes: list[Var] = []

    def take(self, eqn: Eqn) -> bool:
        """Move ``eqn``, if it is a product of a slice and of what does not change."""
        if len(eqn.outvars) != 1 or eqn.effects:
            return False
        dims = tuple(0 if v in self.slices else None for v in eqn.invars)
        others = [v for v, dim in zip(eqn.invars, dims, strict=True) if dim is None]
        if not all(isinstance(v, Literal) or v in self.fixed or v in self.invariant for v in others):
            return False
        [result] = eqn.outvars
        if dims.count(0) != 1:
            if 0 not in dims and eqn.invars:
                self.invariant[result] = eqn
            return False
        if eqn.primitive not in over_steps or result.aval.nbytes > WIDER * eqn.invars[dims.index(0)].aval.nbytes:
            return False
        operands = tuple(
            self.slices[v] if dim == 0 and isinstance(v, Var) else self._outside(v)
            for v, dim in zip(eqn.invars, dims, strict=True)
        )
        whole = Var(_stacked(self.length, result.aval))
        self.wholes.append(whole)
        self.before.append((_for_all_slices(eqn, dims, self.length), operands, whole))
        return True

    def _outside(self, atom: Atom) -> Atom:
        """What stands outside of the loop for a value that does not change."""
        if isinstance(atom, Literal):
            return atom
        if atom not in self.fixed:
            eqn = self.invariant[atom]
            moved = Var(atom.aval)
            self.before.append(eqn.replace(invars=tuple(map(self._outside, eqn.invars)), outvars=(moved,)))
            self.fixed[atom] = moved
        return self.fixed[atom]


def _for_all_slices(eqn: Eqn, dims: tuple[int | None, ...], length: int) -> ClosedJaxpr:
    """The equation for stacked operands: what ``vmap`` makes of it."""

    def stacked(*args: Any) -> list[Any]:
        out, dim = batch[eqn.primitive](AxisData(None, length), list(args), list(dims), **eqn.params)
        return [matchaxis(length, dim, 0, out)]

    avals = [with_axis(v.aval, length, dim) for v, dim in zip(eqn.invars, dims, strict=True)]
    return stage_closed(stacked, avals, name=eqn.primitive.name)


def hoist_sums(record: CountedLoop, eqn: Eqn) -> Hoisted | None:
    """The loop with its sums of products taken out; None if it has none that pay. The body is ``optimise``d."""
    if record.length < 2 or eqn.effects:
        return None
    body = record.body
    work = _Body(record, eqn, body.jaxpr)
    for carry in range(record.carry):
        work.take_out(carry)
    return work.result(body) if work.products else None


class _Body:
    """The body of a loop while products are taken out of it."""

    def __init__(self, record: CountedLoop, eqn: Eqn, jaxpr: Jaxpr) -> None:
        self.record = record
        self.eqn = eqn
        self.eqns = list(jaxpr.eqns)
        self.invars = jaxpr.invars
        self.outvars = list(jaxpr.outvars)
        self.maker = {v: e for e in self.eqns for v in e.outvars}
        self.uses = Counter(v for e in self.eqns for v in e.invars if isinstance(v, Var))
        self.uses.update(v for v in self.outvars if isinstance(v, Var))
        first = record.consts + record.carry
        # In the body -> stacked, outside: slices of xs, and results that are stacked already.
        self.stacked: dict[Var, Atom] = dict(zip(self.invars[first:], eqn.invars[first:], strict=True))
        for inner, outer in zip(self.outvars[record.carry :], eqn.outvars[record.carry :], strict=True):
            if isinstance(inner, Var):
                self.stacked.setdefault(inner, outer)
        self.fixed = {*jaxpr.constvars, *self.invars[: record.consts]}
        self.new_ys: list[tuple[Var, Var]] = []
        self.products: list[Product] = []

    def take_out(self, carry: int) -> None:
        """Take the products out that are added to this carry, and to nothing else."""
        leaf = self.invars[self.record.consts + carry]
        total = self.outvars[carry]
        if not isinstance(total, Var) or self.uses[leaf] != 1 or self.uses[total] != 1:
            return
        terms = self._terms(total)
        if leaf not in terms:
            return
        rest = [v for v in terms if not self._is_product(v)]
        for var in terms:
            if var not in rest:
                assert isinstance(var, Var)
                self._record(self.maker[var], carry)
        if len(rest) < len(terms):
            self._sum_up(rest, carry)

    def _terms(self, atom: Atom) -> list[Atom]:
        """What is added up to give ``atom``."""
        made = self.maker.get(atom) if isinstance(atom, Var) else None
        if made is None or made.primitive is not add_any_p or self.uses[made.outvars[0]] != 1:
            return [atom]
        return [term for operand in made.invars for term in self._terms(operand)]

    def _is_product(self, atom: Atom) -> bool:
        made = self.maker.get(atom) if isinstance(atom, Var) else None
        if made is None or self.uses[made.outvars[0]] != 1 or len(made.invars) != 2:
            return False
        rule = over_steps.get(made.primitive)
        if rule is None or rule(**made.params) is None:
            return False
        operands = [v for v in made.invars if isinstance(v, Var) and v not in self.fixed]
        if len(operands) != 2:
            return False
        # What must be stacked anew may take as much memory again as what the loop stacks already.
        known = sum(v.aval.nbytes for v in operands if v in self.stacked)
        new = sum(v.aval.nbytes for v in operands if v not in self.stacked)
        return known > 0 and new <= 2 * known

    def _record(self, eqn: Eqn, carry: int) -> None:
        self.eqns.remove(eqn)
        for var in eqn.invars:
            assert isinstance(var, Var)
            if var not in self.stacked:
                outer = Var(_stacked(self.record.length, var.aval))
                self.new_ys.append((var, outer))
                self.stacked[var] = outer
        self.products.append(Product(eqn, carry))

    def _sum_up(self, rest: list[Atom], carry: int) -> None:
        """Let the carry be the sum of what is left."""
        total, *others = rest
        for term in others:
            out = Var(term.aval)
            self.eqns.append(Eqn(add_any_p, (total, term), (out,), {}, source=self.eqn.source))
            total = out
        self.outvars[carry] = total

    def result(self, body: ClosedJaxpr) -> Hoisted:
        record, eqn = self.record, self.eqn
        results = list(eqn.outvars)
        products: list[Eqn] = []
        sums: list[Eqn] = []
        for product in self.products:
            params = over_steps[product.eqn.primitive](**product.eqn.params)
            operands = [self.stacked[v] for v in product.eqn.invars if isinstance(v, Var)]
            whole, before = Var(product.eqn.outvars[0].aval), Var(eqn.outvars[product.carry].aval)
            products.append(product.eqn.replace(invars=operands, outvars=(whole,), params=params))
            sums.append(Eqn(add_any_p, (before, whole), (results[product.carry],), {}, source=product.eqn.source))
            results[product.carry] = before
        jaxpr = body.jaxpr.replace(eqns=self.eqns, outvars=[*self.outvars, *(v for v, _ in self.new_ys)])
        outvars = (*results, *(v for _, v in self.new_ys))
        # The sums that were in the loop are still there, unread.
        smaller = ClosedJaxpr(*prune(jaxpr, body.consts))
        return Hoisted(replace(record, body=smaller), outvars, [*products, *reversed(sums)])


def _stacked(length: int, aval: ShapedArray) -> ShapedArray:
    return shaped((length, *aval.shape), aval.dtype, aval.weak_type)
