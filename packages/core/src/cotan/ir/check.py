"""The checker: a jaxpr's variables are defined before use and once, and its equations have the types they claim."""

from __future__ import annotations

from typing import Any

from cotan.errors import JaxprTypeError
from cotan.ir.avals import same_type
from cotan.ir.effects import no_effects
from cotan.ir.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Var, sub_jaxprs
from cotan.ir.primitive import abstract, effects
from cotan.ir.printer import pretty


def check_jaxpr(jaxpr: Jaxpr | ClosedJaxpr) -> None:
    """Verify ``jaxpr`` and every jaxpr inside it.

    Raises:
      JaxprTypeError: names the equation and shows the program.
    """
    if isinstance(jaxpr, ClosedJaxpr):
        jaxpr = jaxpr.jaxpr
    try:
        _check(jaxpr)
    except JaxprTypeError as error:
        raise JaxprTypeError(f"{error}\nin the program\n{pretty(jaxpr)}") from None


def _check(jaxpr: Jaxpr) -> None:
    defined: set[Var] = set()

    def define(var: Var, where: str) -> None:
        if var in defined:
            raise JaxprTypeError(f"a variable ({var.aval.short()}) is defined twice, at {where}")
        defined.add(var)

    def use(atom: Atom, where: str) -> None:
        if isinstance(atom, Var) and atom not in defined:
            raise JaxprTypeError(f"a variable ({atom.aval.short()}) is used before it is defined, at {where}")

    for var in (*jaxpr.constvars, *jaxpr.invars):
        define(var, "the arguments")
    for position, eqn in enumerate(jaxpr.eqns):
        where = f"equation {position} ({eqn.primitive})"
        for atom in eqn.invars:
            use(atom, where)
        for inner in sub_jaxprs(eqn.params):
            _check(inner)
        _check_types(eqn, where)
        for var in eqn.outvars:
            define(var, where)
    for atom in jaxpr.outvars:
        use(atom, "the results")


def _check_types(eqn: Eqn, where: str) -> None:
    rule = abstract[eqn.primitive]
    computed: Any = rule(*(v.aval for v in eqn.invars), **eqn.params)
    if not eqn.primitive.multiple_results:
        computed = [computed]
    if len(computed) != len(eqn.outvars):
        raise JaxprTypeError(f"{where} should have {len(computed)} results and has {len(eqn.outvars)}")
    for var, aval in zip(eqn.outvars, computed, strict=True):
        if not same_type(var.aval, aval):
            raise JaxprTypeError(f"{where} claims a result {var.aval.short()}, but gives {aval.short()}")
    effect_rule = effects.get(eqn.primitive)
    expected = effect_rule(**eqn.params) if effect_rule else no_effects
    if eqn.effects != expected:
        raise JaxprTypeError(f"{where} claims effects {set(eqn.effects)}, but has {set(expected)}")
