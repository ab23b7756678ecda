"""A pass over loops of a known length: sums over the steps are taken after the loop.

The gradient of weights in a recurrence is a sum of one small product per step. Where a primitive says (in the table
``over_steps``) that such a sum is one product of stacked operands, the loop only stacks them, and the sum is one big
product. Knows the sum of cotangents, no other operation.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from cotan.compiler.passes import optimise
from cotan.ir.avals import ShapedArray, shaped
from cotan.ir.control import CountedLoop
from cotan.ir.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Var
from cotan.ir.primitive import over_steps
from cotan.structural import add_any_p
from cotan.transforms.prune import prune


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


def hoist_sums(record: CountedLoop, eqn: Eqn) -> Hoisted | None:
    """The loop with its sums of products taken out; None if it has none that pay."""
    if record.length < 2 or eqn.effects:
        return None
    body = optimise(record.body)
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
