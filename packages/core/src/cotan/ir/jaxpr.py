"""Jaxprs: programs as frozen data. Typed, first-order, in static single assignment.

Nothing here evaluates, transforms or prints; see ``evaluate``, ``check`` and ``printer``.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from cotan.forks import opened_by_fork
from cotan.ir.avals import ShapedArray, get_aval
from cotan.ir.effects import Effects, no_effects
from cotan.ir.primitive import Primitive, named_axes


class Var:
    """A variable; equal only to itself. Its name is chosen by the printer."""

    __slots__ = ("aval",)

    def __init__(self, aval: ShapedArray) -> None:
        self.aval = aval

    def __repr__(self) -> str:
        return f"Var({self.aval.short()})"


class Literal:
    """A scalar constant that stands in an equation. ``val`` is a Python scalar or a 0-d NumPy array."""

    __slots__ = ("val", "aval")

    def __init__(self, val: Any, aval: ShapedArray | None = None) -> None:
        self.val = val
        self.aval = get_aval(val) if aval is None else aval

    def __repr__(self) -> str:
        return f"Literal({self.val!r})"


Atom = Var | Literal


class Eqn:
    """One equation: ``outvars = primitive[params] invars``.

    ``source`` is the user's (file, line, function) that made it, or None.
    """

    __slots__ = ("primitive", "invars", "outvars", "params", "effects", "source")

    def __init__(
        self,
        primitive: Primitive,
        invars: Sequence[Atom],
        outvars: Sequence[Var],
        params: dict[str, Any],
        effects: Effects = no_effects,
        source: tuple[str, int, str] | None = None,
    ) -> None:
        self.primitive = primitive
        self.invars = tuple(invars)
        self.outvars = tuple(outvars)
        self.params = params
        self.effects = effects
        self.source = source

    def replace(self, **changes: Any) -> Eqn:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return Eqn(**{**fields, **changes})

    def __repr__(self) -> str:
        return f"Eqn({self.primitive}, {len(self.invars)} -> {len(self.outvars)})"


class Jaxpr:
    """A program: ``constvars`` (bound by a ClosedJaxpr), ``invars``, equations, results.

    Attributes:
      names: the user's names of the arguments, parallel to ``invars`` (or empty), for messages.
      name: the traced function's name.
      structure: its text as a key, once it has been asked for; see ``structure``.
    """

    __slots__ = (
        "constvars",
        "invars",
        "eqns",
        "outvars",
        "effects",
        "name",
        "arg_names",
        "_axes",
        "structure",
        "__weakref__",
    )

    def __init__(
        self,
        constvars: Sequence[Var],
        invars: Sequence[Var],
        eqns: Sequence[Eqn],
        outvars: Sequence[Atom],
        *,
        name: str = "",
        arg_names: Sequence[str] = (),
    ) -> None:
        self.constvars = tuple(constvars)
        self.invars = tuple(invars)
        self.eqns = tuple(eqns)
        self.outvars = tuple(outvars)
        self.effects = frozenset(effect for eqn in self.eqns for effect in eqn.effects)
        self.name = name
        self.arg_names = tuple(arg_names)
        self._axes: frozenset[Hashable] | None = None
        self.structure: Any = None

    @property
    def named_axes(self) -> frozenset[Hashable]:
        """The open axes: those that equations name, and over which the program is still to be mapped."""
        if self._axes is None:
            self._axes = frozenset(name for eqn in self.eqns for name in axes_named(eqn.primitive, eqn.params))
        return self._axes

    @property
    def in_avals(self) -> tuple[ShapedArray, ...]:
        return tuple(v.aval for v in self.invars)

    @property
    def out_avals(self) -> tuple[ShapedArray, ...]:
        return tuple(v.aval for v in self.outvars)

    def replace(self, **changes: Any) -> Jaxpr:
        names = ("constvars", "invars", "eqns", "outvars", "name", "arg_names")
        return Jaxpr(**{**{name: getattr(self, name) for name in names}, **changes})

    def __str__(self) -> str:
        from cotan.ir.printer import pretty

        return pretty(self)

    __repr__ = __str__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows."""
        from cotan.ir.printer import shown

        printer.text(shown(self))


class ClosedJaxpr:
    """A jaxpr with the values of its ``constvars``. Hashed by identity.

    What is derived from it is kept with it (``kept``), not in a table beside it: a table that holds what refers back to
    its own key would never let go of either.
    """

    __slots__ = ("jaxpr", "consts", "_kept", "__weakref__")

    def __init__(self, jaxpr: Jaxpr, consts: Iterable[Any] = ()) -> None:
        self.jaxpr = jaxpr
        self.consts = tuple(consts)
        if len(self.consts) != len(jaxpr.constvars):
            raise ValueError(f"{len(jaxpr.constvars)} constvars but {len(self.consts)} constants")
        self._kept: tuple[int, dict[Hashable, dict[Hashable, Any]]] = _generation, {}

    def kept(self, cache: Hashable) -> dict[Hashable, Any]:
        """What ``cache`` keeps with this program."""
        generation, caches = self._kept
        if generation != _generation:
            with _lock:
                if self._kept[0] != _generation:
                    self._kept = _generation, {}
                caches = self._kept[1]
        found = caches.get(cache)
        return caches.setdefault(cache, {}) if found is None else found

    @property
    def in_avals(self) -> tuple[ShapedArray, ...]:
        return self.jaxpr.in_avals

    @property
    def out_avals(self) -> tuple[ShapedArray, ...]:
        return self.jaxpr.out_avals

    @property
    def literals(self) -> tuple[Any, ...]:
        """``consts`` by another name."""
        return self.consts

    @property
    def eqns(self) -> tuple[Eqn, ...]:
        return self.jaxpr.eqns

    @property
    def effects(self) -> Effects:
        return self.jaxpr.effects

    def __str__(self) -> str:
        return str(self.jaxpr)

    __repr__ = __str__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows."""
        self.jaxpr._repr_pretty_(printer, cycle)


_lock = opened_by_fork(threading.Lock())
_generation = 0


def forget_kept() -> None:
    """Make all programs forget what caches keep with them: each lets go of it when it is next asked."""
    global _generation
    _generation += 1


def convert_constvars(jaxpr: Jaxpr) -> Jaxpr:
    """The same program with its constvars as its first arguments."""
    return jaxpr.replace(
        constvars=(), invars=jaxpr.constvars + jaxpr.invars, arg_names=("",) * len(jaxpr.constvars) + jaxpr.arg_names
    )


def sub_jaxprs(params: dict[str, Any]) -> list[Jaxpr]:
    """The jaxprs held by an equation's parameters."""
    found: list[Jaxpr] = []
    for value in params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, ClosedJaxpr):
                found.append(item.jaxpr)
            elif isinstance(item, Jaxpr):
                found.append(item)
    return found


def axes_named(primitive: Primitive, params: dict[str, Any]) -> frozenset[Hashable]:
    """The axes of vmap that an equation names, itself or by the programs it holds."""
    rule = named_axes.get(primitive)
    if rule is not None:
        return frozenset(rule(**params))
    if not primitive.higher_order:
        return frozenset()
    return frozenset(name for inner in sub_jaxprs(params) for name in inner.named_axes)
