"""Transposition of linear programs: from cotangents of the results to cotangents of the arguments.

Equations that do not depend on linear arguments are computed forward first (a rematerialised part is such), the linear
ones are then walked backward. No operation is named; rules come from the ``transpose`` table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan import dtypes
from cotan.config import config
from cotan.ir.avals import ShapedArray, get_aval, same_type, shaped, tangent_aval
from cotan.ir.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from cotan.ir.primitive import transpose
from cotan.ir.trace import current_trace
from cotan.structural import UndefinedPrimal, Zero, add_tangents, instantiate
from cotan.transforms.cache import weakly_cached
from cotan.transforms.routines import Routines, kind_of, operand_of, recorded
from cotan.transforms.stage import recorders_of, stage_closed


def backward_pass(
    jaxpr: Jaxpr, residuals: Sequence[Any], cts: Sequence[Any], args: Sequence[Any] | None = None
) -> list[Any]:
    """Cotangents of the arguments of a program, given those of its results.

    Args:
      residuals: values of the constvars.
      cts: one cotangent per result, perhaps ``Zero``.
      args: for each argument its value, or ``UndefinedPrimal`` where the program is linear in it; None: it is in all.

    Returns:
      One cotangent per linear argument, ``Zero`` where nothing flows back.
    """
    if args is None:
        args = [UndefinedPrimal(v.aval) for v in jaxpr.invars]
    return _Backward(jaxpr, residuals, args).run(cts)


def cotangent_aval(aval: ShapedArray) -> ShapedArray:
    """The type of cotangents that are not zero; of an integer's too, which only linear programs of integers have."""
    found = tangent_aval(aval)
    return aval if found.dtype == dtypes.float0 else found


class _Backward:
    """The state of one backward pass: values of what is known, cotangents of what is linear."""

    def __init__(self, jaxpr: Jaxpr, residuals: Sequence[Any], args: Sequence[Any]) -> None:
        self.jaxpr = jaxpr
        self.known: dict[Var, Any] = dict(zip(jaxpr.constvars, residuals, strict=True))
        self.inputs = [v for v, x in zip(jaxpr.invars, args, strict=True) if type(x) is UndefinedPrimal]
        self.known.update((v, x) for v, x in zip(jaxpr.invars, args, strict=True) if type(x) is not UndefinedPrimal)
        self.cts: dict[Var, Any] = {}
        self.checked = config.check_jaxprs
        self.trace = current_trace()
        self.recorders = recorders_of(self.trace)

    def run(self, cts: Sequence[Any]) -> list[Any]:
        saved = [recorder.source for recorder in self.recorders]
        try:
            linear_eqns = self.forward()
            for atom, ct in zip(self.jaxpr.outvars, cts, strict=True):
                self.add(atom, ct)
            # Each cotangent is dropped when its equation is done: nothing before it can add to it.
            while linear_eqns:
                self.step(linear_eqns.pop())
        finally:
            for recorder, source in zip(self.recorders, saved, strict=True):
                recorder.source = source
        return [self.cts[v] if v in self.cts else Zero(tangent_aval(v.aval)) for v in self.inputs]

    def forward(self) -> list[Eqn]:
        """Compute what does not depend on linear arguments; return the equations that do."""
        linear = set(self.inputs)
        eqns: list[Eqn] = []
        for eqn in self.jaxpr.eqns:
            if linear.isdisjoint(eqn.invars):
                self.at(eqn)
                results = eqn.primitive.bind(*map(self.read, eqn.invars), **eqn.params)
                self.known.update(
                    zip(eqn.outvars, results if eqn.primitive.multiple_results else (results,), strict=True)
                )
            else:
                eqns.append(eqn)
                linear.update(eqn.outvars)
        return eqns

    def at(self, eqn: Eqn) -> None:
        """What is recorded for ``eqn`` has its place in the user's program."""
        for recorder in self.recorders:
            recorder.source = eqn.source

    def read(self, atom: Atom) -> Any:
        if isinstance(atom, Literal):
            return atom.val
        value = self.known.get(atom, self)
        return UndefinedPrimal(atom.aval) if value is self else value

    def add(self, atom: Atom, ct: Any) -> None:
        if ct is None or type(ct) is Zero or isinstance(atom, Literal) or atom in self.known:
            return
        if self.checked and not same_type(get_aval(ct), cotangent_aval(atom.aval)):
            raise TypeError(
                f"a cotangent of type {get_aval(ct).short()} was given to a value of type {atom.aval.short()}"
            )
        old = self.cts.get(atom)
        self.cts[atom] = ct if old is None else add_tangents(old, ct)

    def step(self, eqn: Eqn) -> None:
        pop = self.cts.pop
        ct: Any
        if eqn.primitive.multiple_results:
            found = [pop(v, None) for v in eqn.outvars]
            if all(c is None for c in found):
                return
            ct = [Zero(tangent_aval(v.aval)) if c is None else c for v, c in zip(eqn.outvars, found, strict=True)]
        else:
            ct = pop(eqn.outvars[0], None)
            if ct is None:
                return
        self.at(eqn)
        for atom, c in zip(eqn.invars, self.back(eqn, ct), strict=True):
            if c is not None:
                self.add(atom, c)

    def back(self, eqn: Eqn, ct: Any) -> Sequence[Any]:
        """Cotangents of the operands of an equation, by a routine if there is one."""
        primitive, params = eqn.primitive, eqn.params
        if primitive.higher_order or primitive.multiple_results:
            back: Sequence[Any] = transpose[primitive](ct, *map(self.read, eqn.invars), **params)
            return back
        operands = [ct]
        kinds = [primitive, kind_of(ct)]
        for atom in eqn.invars:
            x = atom.val if isinstance(atom, Literal) else self.known.get(atom, self)
            operands.append(x)
            kinds.append(~id(atom.aval) if x is self else kind_of(x))
        routine = _routines.find(kinds, params)
        if routine is not None:
            values = routine.run(operands, self.trace)
            return [None if k is None else values[k] for k in routine.outs]

        def rule(given: list[Any]) -> tuple[Sequence[Any], None]:
            xs = [UndefinedPrimal(a.aval) if x is self else y for a, x, y in zip(eqn.invars, operands[1:], given[1:])]
            return transpose[primitive](given[0], *xs, **params), None

        back = rule(operands)[0]
        types = [a.aval if x is self else operand_of(x) for a, x in zip(eqn.invars, operands[1:], strict=True)]
        _routines.meet(primitive, kinds, params, lambda: recorded(rule, [operand_of(ct), *types]))
        return back


_routines = Routines()


def weak_types(cts: Sequence[Any]) -> tuple[bool, ...]:
    """Which of these values have a weak type, as ``transpose_jaxpr`` asks of cotangents."""
    return tuple(get_aval(ct).weak_type for ct in cts)


@weakly_cached
def transpose_jaxpr(
    closed: ClosedJaxpr,
    linear: tuple[bool, ...],
    ct_zeros: tuple[bool, ...],
    instantiated: bool | tuple[bool, ...] = False,
    weak: tuple[bool, ...] | None = None,
) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
    """The transpose of ``closed`` with respect to its linear arguments.

    Args:
      linear: for each argument, whether the program is linear in it.
      ct_zeros: for each result, whether its cotangent is zero.
      instantiated: for each linear argument, whether its cotangent must be an array even if it is zero; one bool stands
        for all.
      weak: for each result whose cotangent is not zero, whether that has a weak type; as the result has, if None.

    Returns:
      A jaxpr from (other arguments, cotangents that are not zero) to the cotangents of the linear arguments that are
      not zero, and for each linear argument whether its cotangent is zero.
    """
    jaxpr = closed.jaxpr
    other = [a for a, is_linear in zip(closed.in_avals, linear, strict=True) if not is_linear]
    given = [cotangent_aval(a) for a, zero in zip(closed.out_avals, ct_zeros, strict=True) if not zero]
    if weak is not None:
        given = [shaped(a.shape, a.dtype, w) for a, w in zip(given, weak, strict=True)]
    out_zeros: tuple[bool, ...] = ()

    def fun(*flat: Any) -> list[Any]:
        nonlocal out_zeros
        values, incoming = iter(flat[: len(other)]), iter(flat[len(other) :])
        args = [
            UndefinedPrimal(a) if is_linear else next(values)
            for a, is_linear in zip(closed.in_avals, linear, strict=True)
        ]
        cts = [Zero(tangent_aval(a)) if z else next(incoming) for a, z in zip(closed.out_avals, ct_zeros, strict=True)]
        back = backward_pass(jaxpr, closed.consts, cts, args)
        forced = (instantiated,) * len(back) if isinstance(instantiated, bool) else instantiated
        back = [instantiate(ct) if f else ct for ct, f in zip(back, forced, strict=True)]
        out_zeros = tuple(type(ct) is Zero for ct in back)
        return [ct for ct in back if type(ct) is not Zero]

    return stage_closed(fun, [*other, *given], name=jaxpr.name), out_zeros
