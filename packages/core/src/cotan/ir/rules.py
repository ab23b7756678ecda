"""Open rule tables: what each transform knows about each primitive.

A table belongs to the room that reads it (jvp, batch, kernel, ...); the rules belong to the primitives. Third parties
may make tables of their own. Nothing here knows a primitive or a transform.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

Rule = TypeVar("Rule", bound=Callable[..., Any])


class MissingRuleError(NotImplementedError):
    """A transform met a primitive for which its table holds no rule."""


class none:
    """An explicit 'there is no rule, because ...' entry of a table."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"none({self.reason!r})"


class RuleTable(dict[Any, Rule]):
    """A mapping primitive -> rule, with a good error for what is missing.

    Use as a decorator: ``@jvp(tanh_p)`` registers the function below it. It is a dict, since transforms look something
    up in one at every operation.
    """

    tables: ClassVar[dict[str, RuleTable[Any]]] = {}

    def __init__(self, name: str, meaning: str) -> None:
        super().__init__()
        self.name = name
        self.meaning = meaning
        self._absent: dict[Any, none] = {}
        RuleTable.tables[name] = self

    def __call__(self, *primitives: Any) -> Callable[[Rule], Rule]:
        def register(rule: Rule) -> Rule:
            for primitive in primitives:
                self[primitive] = rule
            return rule

        return register

    def __setitem__(self, primitive: Any, rule: Rule | none) -> None:
        if primitive in self or primitive in self._absent:
            raise ValueError(f"primitive `{primitive}` already has an entry in table `{self.name}`")
        if isinstance(rule, none):
            self._absent[primitive] = rule
        else:
            super().__setitem__(primitive, rule)

    def __missing__(self, primitive: Any) -> Rule:
        absent = self._absent.get(primitive)
        why = f": {absent.reason}" if absent else f"; register one with @{self.name}({primitive}_p)"
        raise MissingRuleError(f"primitive `{primitive}` has no {self.meaning}{why}")

    def absent(self, primitive: Any) -> none | None:
        """The explicit ``none(reason)`` of ``primitive``, if it has one."""
        return self._absent.get(primitive)

    def __repr__(self) -> str:
        return f"RuleTable({self.name!r}, {len(self)} rules)"
