"""Programs as bytes and back.

A program is written by the names of its primitives. What a custom rule of the user's means is Python code and cannot be
written; its place is taken by the program that the function was traced to. Knows no files and no functions of users.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.api.policies import MAKERS, checkpoint_policies
from cotan.errors import a_type, format_frame
from cotan.export.encoding import NotData, Reader, Writer, register_param_object
from cotan.ir.check import check_jaxpr
from cotan.ir.effects import no_effects
from cotan.ir.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var, sub_jaxprs
from cotan.ir.primitive import Primitive, effects, program
from cotan.primitives.call import jit_p, remat_p
from cotan.runtime.array import Array
from cotan.runtime.devices import new_array_device
from cotan.runtime.host import from_words

# ---- Making a program plain data

for _name, _policy in vars(checkpoint_policies).items():
    if _policy not in MAKERS:
        register_param_object(_policy, name=f"checkpoint_policies.{_name}")

# Parameters that mean the same and are data, of primitives some of whose parameters only say how to compute it.
SIMPLER: dict[Primitive, Callable[[dict[str, Any]], dict[str, Any]]] = {
    remat_p: lambda params: {**params, "policy": None},
}


class Plain:
    """Rewrites programs so that they hold nothing but data.

    Attributes:
      dropped: the names of the primitives whose rules had to be left out.
    """

    def __init__(self) -> None:
        self.dropped: set[str] = set()
        self._done: dict[Jaxpr, Jaxpr] = {}

    def closed(self, closed: ClosedJaxpr) -> ClosedJaxpr:
        """``closed`` without custom rules.

        Raises:
          ValueError: it does what only Python code can do; the message names the primitive and the user's line.
        """
        jaxpr = self._jaxpr(closed.jaxpr)
        return closed if jaxpr is closed.jaxpr else ClosedJaxpr(jaxpr, closed.consts)

    def _jaxpr(self, jaxpr: Jaxpr) -> Jaxpr:
        found = self._done.get(jaxpr)
        if found is None:
            eqns = [self._equation(eqn) for eqn in jaxpr.eqns]
            same = all(a is b for a, b in zip(eqns, jaxpr.eqns, strict=True))
            found = self._done[jaxpr] = jaxpr if same else jaxpr.replace(eqns=eqns)
        return found

    def _equation(self, eqn: Eqn, simpler: bool = False) -> Eqn:
        if eqn.primitive.higher_order and not sub_jaxprs(eqn.params):
            from cotan.compiler.passes import trace_decomposition

            # It stands for a program, which says the same to readers who do not know the primitive.
            inner = trace_decomposition(eqn)
            if inner is not None:
                return self._call(eqn, inner)
        try:
            params = {name: self._value(value) for name, value in eqn.params.items()}
        except NotData as error:
            rule = None if simpler else SIMPLER.get(eqn.primitive)
            if rule is not None:
                return self._equation(eqn.replace(params=rule(eqn.params)), simpler=True)
            return self._without_rule(eqn, error)
        if all(params[name] is value for name, value in eqn.params.items()):
            return eqn
        return eqn.replace(params=params)

    def _without_rule(self, eqn: Eqn, reason: NotData) -> Eqn:
        rule = program.get(eqn.primitive)
        stands_for = None if rule is None else rule(**eqn.params)
        if not isinstance(stands_for, ClosedJaxpr):
            what = "a Python function" if callable(reason.value) else a_type(reason.value)
            raise ValueError(
                f"export: the operation `{eqn.primitive}` ({format_frame(eqn.source)}) holds {what}, which cannot be "
                "written into a file. Take it out of the exported function, or do that part outside of it"
            )
        self.dropped.add(eqn.primitive.name)
        return self._call(eqn, stands_for)

    def _call(self, eqn: Eqn, closed: ClosedJaxpr) -> Eqn:
        inner = self.closed(closed)
        params = {
            "jaxpr": inner,
            "name": inner.jaxpr.name or eqn.primitive.name,
            "donated": (False,) * len(eqn.invars),
            "inline": False,
        }
        return eqn.replace(primitive=jit_p, params=params)

    def _value(self, value: Any) -> Any:
        if isinstance(value, ClosedJaxpr):
            return self.closed(value)
        if isinstance(value, Jaxpr):
            return self._jaxpr(value)
        if type(value) in (tuple, list):
            items = [self._value(item) for item in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else type(value)(items)
        if not isinstance(value, Primitive):
            Writer().value(value)
        return value


# ---- Writing


class ProgramWriter(Writer):
    """A writer that knows programs as well. One that occurs again is written as the number of the first one."""

    def __init__(self) -> None:
        super().__init__()
        self._jaxprs: dict[Jaxpr, int] = {}

    def _other(self, value: Any) -> None:
        if isinstance(value, ClosedJaxpr):
            self.out += b"J"
            self.closed(value)
        elif isinstance(value, Jaxpr):
            self.out += b"j"
            self.jaxpr(value)
        elif isinstance(value, Primitive):
            self.tagged(b"P", value.name)
        elif type(value) is Array:
            self.out += b"A"
            self.aval(value.aval)
            self.array(value._words())
        else:
            super()._other(value)

    def closed(self, closed: ClosedJaxpr) -> None:
        self.jaxpr(closed.jaxpr)
        for const in closed.consts:
            self.value(const)

    def jaxpr(self, jaxpr: Jaxpr) -> None:
        number = self._jaxprs.get(jaxpr)
        if number is not None:
            self.uint(number + 1)
            return
        self.uint(0)
        self.text(jaxpr.name)
        self.value(jaxpr.arg_names)
        numbers: dict[Atom, int] = {}
        for variables in (jaxpr.constvars, jaxpr.invars):
            self.uint(len(variables))
            for var in variables:
                self._define(var, numbers)
        self.uint(len(jaxpr.eqns))
        for eqn in jaxpr.eqns:
            self._equation(eqn, numbers)
        self._atoms(jaxpr.outvars, numbers)
        self._jaxprs[jaxpr] = len(self._jaxprs)

    def _define(self, var: Var, numbers: dict[Atom, int]) -> None:
        numbers[var] = len(numbers)
        self.aval(var.aval)

    def _atoms(self, atoms: tuple[Atom, ...], numbers: dict[Atom, int]) -> None:
        self.uint(len(atoms))
        for atom in atoms:
            if isinstance(atom, Literal):
                self.uint(0)
                self.value(atom.val)
                self.aval(atom.aval)
            else:
                self.uint(numbers[atom] + 1)

    def _equation(self, eqn: Eqn, numbers: dict[Atom, int]) -> None:
        self.text(eqn.primitive.name)
        self._atoms(eqn.invars, numbers)
        self.uint(len(eqn.params))
        for name, value in eqn.params.items():
            self.text(name)
            self.value(value)
        self.uint(len(eqn.outvars))
        for var in eqn.outvars:
            self._define(var, numbers)
        # Where it was written, for messages; directories are nobody's business.
        file, line, function = eqn.source or ("", 0, "")
        self.text(os.path.basename(file))
        self.uint(line)
        self.text(function)


# ---- Reading


class ProgramReader(Reader):
    """Reads what a ``ProgramWriter`` wrote. Nothing that is read is believed: the result is checked as a whole."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._jaxprs: list[Jaxpr] = []

    def value(self) -> Any:
        rule = _READERS.get(self.data[self.place : self.place + 1])
        if rule is None:
            return super().value()
        self.take(1)
        return rule(self)

    def program(self) -> ClosedJaxpr:
        """A program, checked."""
        closed = self.closed()
        try:
            check_jaxpr(closed)
        except Exception as error:  # the abstract rules meet parameters that may be anything
            raise ValueError(f"it is no valid program: {type(error).__name__}: {error}") from error
        return closed

    def closed(self) -> ClosedJaxpr:
        jaxpr = self.jaxpr()
        consts = [self.value() for _ in jaxpr.constvars]
        for var, const in zip(jaxpr.constvars, consts, strict=True):
            shape, dtype = getattr(const, "shape", None), getattr(const, "dtype", None)
            if shape != var.aval.shape or dtype != var.aval.dtype:
                raise ValueError("a constant has not the type that the program says")
        return ClosedJaxpr(jaxpr, consts)

    def constant(self) -> Array:
        """An Array on the device where new ones go; random keys as their words."""
        aval, words = self.aval(), self.array()
        extended = dtypes.is_extended(aval.dtype)
        stored = (aval.shape + aval.dtype.trailing, aval.dtype.base) if extended else (aval.shape, aval.dtype)
        if (words.shape, words.dtype) != stored:
            raise ValueError("a constant has not the size that its type says")
        return from_words(words, aval, new_array_device())

    def primitive(self) -> Primitive:
        name = self.text()
        found = Primitive.catalogue.get(name)
        if found is None:
            raise ValueError(
                f"it uses the primitive `{name}`, which is not known here; import the package that defines it, or take "
                "a newer cotan"
            )
        return found

    def jaxpr(self) -> Jaxpr:
        number = self.uint()
        if number:
            found: Jaxpr = self._earlier(self._jaxprs, number)
            return found
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("programs are nested too deeply")
        name, arg_names = self.text(), self.value()
        if not isinstance(arg_names, tuple) or not all(isinstance(n, str) for n in arg_names):
            raise ValueError("the names of arguments are no texts")
        variables: list[Var] = []
        constvars = self._define(variables)
        invars = self._define(variables)
        eqns = [self._equation(variables) for _ in range(self.count())]
        jaxpr = Jaxpr(constvars, invars, eqns, self._atoms(variables), name=name, arg_names=arg_names)
        self._jaxprs.append(jaxpr)
        self._depth -= 1
        return jaxpr

    def _define(self, variables: list[Var]) -> list[Var]:
        new = [Var(self.aval()) for _ in range(self.count())]
        variables += new
        return new

    def _atoms(self, variables: list[Var]) -> list[Atom]:
        atoms: list[Atom] = []
        for _ in range(self.count()):
            number = self.uint()
            atoms.append(self._earlier(variables, number) if number else self._literal())
        return atoms

    def _literal(self) -> Literal:
        value, aval = self.value(), self.aval()
        if type(value) not in (bool, int, float, complex) and not (
            isinstance(value, np.ndarray) and not value.shape and value.dtype == aval.dtype
        ):
            raise ValueError("a literal is no number")
        if aval.shape:
            raise ValueError("a literal has axes")
        return Literal(value, aval)

    def _equation(self, variables: list[Var]) -> Eqn:
        primitive = self.primitive()
        operands = self._atoms(variables)
        params = {self.text(): self.value() for _ in range(self.count())}
        results = self._define(variables)
        file, line, function = self.text(), self.uint(), self.text()
        rule = effects.get(primitive)
        try:
            done = no_effects if rule is None else rule(**params)
        except Exception as error:
            raise ValueError(f"an equation of `{primitive}` is not valid: {error}") from error
        return Eqn(primitive, operands, results, params, done, (file, line, function) if file else None)


_READERS = {
    b"J": ProgramReader.closed,
    b"j": ProgramReader.jaxpr,
    b"P": ProgramReader.primitive,
    b"A": ProgramReader.constant,
}
_DEEPEST = 100


def plain(closed: ClosedJaxpr) -> tuple[ClosedJaxpr, frozenset[str]]:
    """``closed`` as plain data, and the names of the primitives whose rules were left out for that."""
    rewriting = Plain()
    return rewriting.closed(closed), frozenset(rewriting.dropped)
