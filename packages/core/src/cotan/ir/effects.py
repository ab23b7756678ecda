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


Effects = frozenset[Effect]
no_effects: Effects = frozenset()
