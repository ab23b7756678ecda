"""Effects: what an equation does besides computing its results (printing, callbacks, ordered I/O).

Effects are part of a jaxpr's type. Effectful equations are never fused, duplicated, reordered or removed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    """One kind of effect. Equations with the same ordered effect keep their order on every backend."""

    name: str
    ordered: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class DebugEffect(Effect):
    """Shows values while a program runs, and changes nothing in it."""

    name: str = "debug"


@dataclass(frozen=True)
class OrderedDebugEffect(Effect):
    """As ``DebugEffect``, in the order of the program."""

    name: str = "ordered debug"
    ordered: bool = True


@dataclass(frozen=True)
class IOEffect(Effect):
    """Talks to the world outside, and what it returns may depend on that."""

    name: str = "io"


@dataclass(frozen=True)
class OrderedIOEffect(Effect):
    """As ``IOEffect``, in the order of the program."""

    name: str = "ordered io"
    ordered: bool = True


Effects = frozenset[Effect]
no_effects: Effects = frozenset()
