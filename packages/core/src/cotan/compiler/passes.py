"""Passes over jaxprs before fusion: inline calls, drop equations that nobody reads, merge equal ones.

Effectful equations are never touched. A call is inlined if its primitive has a rule in the ``program`` table: it gives
the closed jaxpr that stands for the equation. ``decompose_jaxpr`` rewrites a program in terms of fewer primitives.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

import numpy as np

from cotan.compiler.keys import over_words
from cotan.dtypes import ExtendedDType, float0
from cotan.errors import UnsupportedError, scope_of, within
from cotan.ir.avals import ShapedArray
from cotan.ir.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from cotan.ir.primitive import Primitive, decompose, program
from cotan.transforms.prune import prune
from cotan.transforms.stage import stage_to_jaxpr


def optimise(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The same program, inlined, without dead and without double equations; small constants are literals."""
    flat = _Flattener(_inlined)
    outs = flat.run(closed, closed.jaxpr.invars)
    jaxpr = Jaxpr(
        flat.constvars, closed.jaxpr.invars, merge_equal(flat.eqns, outs), outs,
        name=closed.jaxpr.name, arg_names=closed.jaxpr.arg_names,
    )  # fmt: skip
    return ClosedJaxpr(*prune(jaxpr, flat.consts))


Expansion = Callable[[Eqn], ClosedJaxpr | None]


def inline(closed: ClosedJaxpr, expand: Expansion) -> ClosedJaxpr:
    """``closed`` with the programs that ``expand`` gives in place of equations, and nothing else changed."""
    flat = _Flattener(expand)
    outs = flat.run(closed, closed.jaxpr.invars)
    return ClosedJaxpr(closed.jaxpr.replace(constvars=flat.constvars, eqns=flat.eqns, outvars=outs), flat.consts)


def _inlined(eqn: Eqn) -> ClosedJaxpr | None:
    rule = program.get(eqn.primitive)
    found = None if rule is None else rule(**eqn.params)
    return found if isinstance(found, ClosedJaxpr) else None


class _Flattener:
    """Copies programs into one list of equations, replacing equations by programs that stand for them."""

    def __init__(self, expand: Expansion) -> None:
        self.expand = expand
        self.eqns: list[Eqn] = []
        self.constvars: list[Var] = []
        self.consts: list[Any] = []
        # id -> (what stands for it, the value, which keeps the id valid)
        self._const_of: dict[int, tuple[Atom, Any]] = {}

    def constant(self, value: Any, aval: ShapedArray) -> Atom:
        """What stands for a constant: a literal if it is a scalar, else a variable, one for each object."""
        found = self._const_of.get(id(value))
        if found is None:
            atom: Atom
            if aval.shape == () and not isinstance(aval.dtype, ExtendedDType) and aval.dtype != float0:
                atom = Literal(np.asarray(value, aval.dtype), aval)
            else:
                atom = Var(aval)
                self.constvars.append(atom)
                self.consts.append(value)
            found = self._const_of[id(value)] = (atom, value)
        return found[0]

    def run(self, closed: ClosedJaxpr, args: Sequence[Atom], inner: bool = False, scope: str = "") -> list[Atom]:
        """Append the equations of ``closed`` at ``args``; its results.

        ``inner``: with variables of its own, and inside of the named scope ``scope``.
        """
        jaxpr = closed.jaxpr
        env: dict[Var, Atom] = dict(zip(jaxpr.invars, args, strict=True))
        for var, value in zip(jaxpr.constvars, closed.consts, strict=True):
            env[var] = self.constant(value, var.aval)

        def read(atom: Atom) -> Atom:
            return atom if isinstance(atom, Literal) else env[atom]

        for eqn in jaxpr.eqns:
            invars = tuple(map(read, eqn.invars))
            program = self.expand(eqn)
            if program is not None:
                around = scope_of(within(eqn.source, scope))
                env.update(zip(eqn.outvars, self.run(program, invars, inner=True, scope=around), strict=True))
                continue
            # A program may be inlined more than once.
            outvars = tuple(Var(v.aval) for v in eqn.outvars) if inner else eqn.outvars
            env.update(zip(eqn.outvars, outvars, strict=True))
            self.eqns.append(eqn.replace(invars=invars, outvars=outvars, source=within(eqn.source, scope)))
        return [read(v) for v in jaxpr.outvars]


def merge_equal(eqns: Iterable[Eqn], outs: list[Atom]) -> list[Eqn]:
    """``eqns`` without those that compute again what an earlier one did; ``outs`` changes accordingly."""
    env: dict[Var, Atom] = {}
    seen: dict[tuple[Any, ...], tuple[Var, ...]] = {}
    kept: list[Eqn] = []

    def read(atom: Atom) -> Atom:
        return env.get(atom, atom) if isinstance(atom, Var) else atom

    for eqn in eqns:
        if env and any(v in env for v in eqn.invars if isinstance(v, Var)):
            eqn = eqn.replace(invars=tuple(map(read, eqn.invars)))
        if not eqn.effects:
            key = (eqn.primitive, tuple(map(_atom_key, eqn.invars)), tuple(eqn.params.items()))
            try:
                earlier = seen.setdefault(key, eqn.outvars)
            except TypeError:  # a parameter that has no hash
                earlier = eqn.outvars
            if earlier is not eqn.outvars:
                env.update(zip(eqn.outvars, earlier, strict=True))
                continue
        kept.append(eqn)
    outs[:] = map(read, outs)
    return kept


def _atom_key(atom: Atom) -> Any:
    if isinstance(atom, Var):
        return atom
    value = np.asarray(atom.val, None if atom.aval.dtype.kind == "extended" else atom.aval.dtype)
    return (value.tobytes(), atom.aval)


def trace_decomposition(eqn: Eqn) -> ClosedJaxpr | None:
    """The program of simpler primitives that stands for ``eqn``; None if it has none."""
    rule = decompose.get(eqn.primitive)
    if rule is None or eqn.effects:
        return None

    def flat(*args: Any) -> Sequence[Any]:
        results = rule(*args, **eqn.params)
        return results if eqn.primitive.multiple_results else [results]

    avals = [v.aval for v in eqn.invars]
    return ClosedJaxpr(*stage_to_jaxpr(flat, avals, name=eqn.primitive.name))


def decompose_jaxpr(closed: ClosedJaxpr, supported: Container[Primitive]) -> ClosedJaxpr:
    """``closed`` in terms of the ``supported`` primitives alone.

    Calls are inlined; any other primitive that is not supported is replaced by its ``decompose`` rule, again and again.
    What moves random keys moves their words instead: to a backend keys are arrays of words.

    Raises:
      UnsupportedError: a primitive is neither supported nor has a decomposition; the message names it.
    """

    def expand(eqn: Eqn) -> ClosedJaxpr | None:
        words = over_words(eqn)
        if words is not None or eqn.primitive in supported:
            return words
        inner = _inlined(eqn) or trace_decomposition(eqn)
        if inner is None:
            raise UnsupportedError(
                "this backend",
                f"the primitive `{eqn.primitive}`, which cannot be decomposed: the backend must lower it",
            )
        return inner

    flat = _Flattener(expand)
    outs = flat.run(closed, closed.jaxpr.invars)
    jaxpr = Jaxpr(
        flat.constvars, closed.jaxpr.invars, merge_equal(flat.eqns, outs), outs,
        name=closed.jaxpr.name, arg_names=closed.jaxpr.arg_names,
    )  # fmt: skip
    return ClosedJaxpr(*prune(jaxpr, flat.consts))
