"""Programs by their text: a key that equal programs share, and one object that stands for all of them.

What is derived from a program (derivatives, batched forms, compiled code) is kept with the program's identity. A fresh
closure, traced anew, gives a new program of the same text; ``intern`` finds the earlier one, so that all that was
derived is found again. Knows no primitive and no transform; nothing that a user may want to be freed is kept alive.
"""

from __future__ import annotations

import dataclasses
import enum
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any
from weakref import WeakValueDictionary, ref

import numpy as np

from cotan.dtypes.extension import ExtendedDType
from cotan.forks import opened_by_fork
from cotan.ir.avals import ShapedArray
from cotan.ir.jaxpr import Atom, ClosedJaxpr, Eqn, Jaxpr, Literal, Var
from cotan.ir.primitive import Primitive, program

SMALL = 1024
"""Constants on the host of up to so many bytes are compared by their contents, others by identity."""
RECENT = 512
"""How many programs are kept alive for the next closure of the same text."""


class Structure:
    """A program's text as a key, with its hash.

    Attributes:
      light: whether the program holds nothing but plain data: no arrays to speak of, no closures of the user's.
    """

    __slots__ = ("_hash", "_parts", "light")

    def __init__(self, parts: tuple[Hashable, ...], light: bool) -> None:
        self._parts = parts
        self._hash = hash(parts)
        self.light = light

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Structure) and self._hash == other._hash and self._parts == other._parts
        )

    def __repr__(self) -> str:
        return f"<structure {self._hash & 0xFFFFFFFF:08x}>"


def structure(jaxpr: Jaxpr) -> Structure | None:
    """The text of ``jaxpr`` with all that messages and derivatives depend on; None if it holds what has no key.

    Its constants are left open. The result is kept with the jaxpr.
    """
    known = jaxpr.structure
    if known is None:
        known = jaxpr.structure = _Reader(exact=True).whole(jaxpr) or False
    return known or None


def meaning(closed: ClosedJaxpr) -> tuple[Structure, tuple[Any, ...]] | None:
    """The text of ``closed`` as far as a compiler cares; None if it has no key.

    That is without names, places, weak types, and what derivatives alone depend on.

    Returns also what the text names by identity: it means the same only as long as these objects live.
    """
    reader = _Reader(exact=False)
    try:
        return Structure((reader.of(closed),), reader.light), tuple(reader.held)
    except TypeError:
        return None


# ---- The table of programs

_interned: WeakValueDictionary[Hashable, ClosedJaxpr] = WeakValueDictionary()
_recent: OrderedDict[ClosedJaxpr, None] = OrderedDict()
_lock = opened_by_fork(threading.RLock())


def intern(closed: ClosedJaxpr) -> ClosedJaxpr:
    """The program that stands for all of the same text and constants: an earlier one, or ``closed`` itself.

    Programs of plain data are kept alive for a while (the last ``RECENT`` ones), all others only as long as anyone
    else holds them.
    """
    known = structure(closed.jaxpr)
    if known is None:
        return closed
    reader = _Reader(exact=True)
    key = (known, reader.constants(closed.consts))
    light = known.light and reader.light
    with _lock:
        found = _interned.get(key)
        if found is None:
            found = _interned[key] = closed
        if light:
            _recent[found] = None
            _recent.move_to_end(found)
            if len(_recent) > RECENT:
                _recent.popitem(last=False)
    return found


def clear() -> None:
    """Forget all programs."""
    with _lock:
        _recent.clear()
        _interned.clear()


# ---- Reading programs


class _Reader:
    """Turns programs and parameters into tuples of hashable values.

    What is no plain data stands there by identity, or weakly: a key keeps nothing alive. It is noted in ``held``.
    """

    __slots__ = ("_seen", "exact", "held", "light")

    def __init__(self, exact: bool) -> None:
        self.exact = exact
        self.light = True
        self.held: list[Any] = []
        self._seen: dict[Jaxpr, Hashable] = {}

    def whole(self, jaxpr: Jaxpr) -> Structure | None:
        try:
            return Structure(self._parts(jaxpr), self.light)
        except TypeError:  # a parameter is not hashable
            return None

    def of(self, value: Any) -> Hashable:
        rule = _rules.get(type(value))
        return (_find_rule(type(value)) if rule is None else rule)(self, value)

    def constants(self, values: Sequence[Any]) -> Hashable:
        return tuple(map(self._constant, values))

    def _constant(self, value: Any) -> Hashable:
        if type(value) is np.ndarray and value.nbytes <= SMALL and not value.dtype.hasobject:
            return (value.dtype, value.shape, value.tobytes())
        return self.identity(value)

    def identity(self, value: Any) -> Hashable:
        """``value`` as itself only. Whoever holds the program holds it, so that its id stays its own."""
        self.light = False
        self.held.append(value)
        return id(value)

    def nested(self, jaxpr: Jaxpr) -> Hashable:
        """A program inside of another one."""
        if self.exact:
            known = structure(jaxpr)
            if known is None:
                raise TypeError("an inner program has no key")
            self.light = self.light and known.light
            return known
        found = self._seen.get(jaxpr)
        if found is None:
            found = self._seen[jaxpr] = Structure(self._parts(jaxpr), True)
        return found

    def _parts(self, jaxpr: Jaxpr) -> tuple[Hashable, ...]:
        exact = self.exact
        numbers: dict[Atom, int] = {}
        parts: list[Hashable] = [len(jaxpr.constvars), len(jaxpr.invars), len(jaxpr.outvars)]
        if exact:
            parts += [jaxpr.name, jaxpr.arg_names]
        for var in (*jaxpr.constvars, *jaxpr.invars):
            numbers[var] = len(numbers)
            parts.append(var.aval if exact else var.aval.strip_weak_type())
        of, rules = self.of, _rules
        for eqn in jaxpr.eqns:
            parts.append(eqn.primitive)
            for atom in eqn.invars:
                parts.append(numbers[atom] if type(atom) is Var else self._literal(atom))
            inner = None if exact else _stands_for(eqn)
            if inner is not None:
                parts.append(of(inner))
            else:
                for name, value in eqn.params.items():
                    parts.append(name)
                    rule = rules.get(type(value))
                    parts.append(of(value) if rule is None else rule(self, value))
            for var in eqn.outvars:
                numbers[var] = len(numbers)
                parts.append(var.aval if exact else var.aval.strip_weak_type())
            if exact:
                parts.append(eqn.source)
        for atom in jaxpr.outvars:
            parts.append(numbers[atom] if type(atom) is Var else self._literal(atom))
        return tuple(parts)

    def _literal(self, literal: Any) -> Hashable:
        assert type(literal) is Literal
        aval = literal.aval
        return (self.of(literal.val), aval if self.exact else aval.strip_weak_type())


def _stands_for(eqn: Eqn) -> ClosedJaxpr | None:
    """The program that compilers put in the place of an equation, if there is one."""
    rule = program.get(eqn.primitive)
    found = None if rule is None else rule(**eqn.params)
    return found if isinstance(found, ClosedJaxpr) else None


Rule = Callable[[_Reader, Any], Hashable]
_rules: dict[type, Rule] = {}


def _itself(reader: _Reader, value: Any) -> Hashable:
    return value  # type: ignore[no-any-return]


def _with_type(reader: _Reader, value: Any) -> Hashable:
    return (type(value), value)


def _tuple(reader: _Reader, value: tuple[Any, ...]) -> Hashable:
    of = reader.of
    return tuple([item if type(item) is int else of(item) for item in value])


def _named_tuple(reader: _Reader, value: tuple[Any, ...]) -> Hashable:
    return (type(value), *map(reader.of, value))


def _dataclass(reader: _Reader, value: Any) -> Hashable:
    return (type(value), *(reader.of(getattr(value, f.name)) for f in dataclasses.fields(value) if f.compare))


def _scalar(reader: _Reader, value: np.generic) -> Hashable:
    return (type(value), value.dtype, value.tobytes())


def _ndarray(reader: _Reader, value: np.ndarray[Any, Any]) -> Hashable:
    if value.nbytes > SMALL or value.dtype.hasobject:
        raise TypeError("an array is no key")
    return (np.ndarray, value.dtype, value.shape, value.tobytes())


def _closed(reader: _Reader, value: ClosedJaxpr) -> Hashable:
    return (ClosedJaxpr, reader.nested(value.jaxpr), reader.constants(value.consts))


def _function(reader: _Reader, value: Any) -> Hashable:
    # A function of a module lives as long as its module; any other may hold what its owner wants to be freed.
    if value.__closure__ is None and "<" not in value.__qualname__:
        return (value,)
    return (type(value), reader.identity(value))


class _ByValue:
    """An object as a key, held weakly."""

    __slots__ = ("_hash", "_value")

    def __init__(self, value: Any) -> None:
        self._hash = hash(value)
        self._value = ref(value)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _ByValue):
            return False
        mine, others = self._value(), other._value()
        return mine is not None and type(mine) is type(others) and bool(mine == others)


def _anything(reader: _Reader, value: Any) -> Hashable:
    try:
        key = _ByValue(value)
    except TypeError:  # neither hashable nor weakly referable
        return (type(value), reader.identity(value))
    reader.light = False
    reader.held.append(value)
    return key


_rules.update(dict.fromkeys((str, bytes, int, type(None), ShapedArray, Primitive), _itself))
_rules[bool] = _with_type  # True == 1
_rules[float] = lambda reader, value: (float, value.hex())  # 0.0 == -0.0, and NaN != NaN
_rules[complex] = lambda reader, value: (complex, value.real.hex(), value.imag.hex())
_rules[tuple] = _tuple
_rules[frozenset] = lambda reader, value: frozenset(map(reader.of, value))
_rules[np.ndarray] = _ndarray
_rules[ClosedJaxpr] = _closed
_rules[Jaxpr] = lambda reader, value: (Jaxpr, reader.nested(value))
_rules[type(_itself)] = _function


def _find_rule(kind: type) -> Rule:
    """The rule for values of a type met for the first time."""
    if issubclass(kind, np.dtype | ExtendedDType | enum.Enum | type):
        rule: Rule = _itself
    elif issubclass(kind, np.generic):
        rule = _scalar
    elif issubclass(kind, tuple):
        rule = _named_tuple
    elif dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        rule = _dataclass
    else:
        rule = _anything
    if kind.__module__.split(".")[0] in ("builtins", "numpy", "ml_dtypes", "cotan"):
        _rules[kind] = rule  # types of the user's may come and go
    return rule
