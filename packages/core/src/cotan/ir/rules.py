"""Open rule tables: what each transform knows about each primitive.

A table belongs to the room that reads it (jvp, batch, kernel, ...); the rules belong to the primitives. Third parties
may make tables of their own. Nothing here knows a primitive or a transform.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Generic, TypeVar

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


class RuleTable(Generic[Rule]):
    """A mapping primitive -> rule, with a good error for what is missing.

    Use as a decorator: ``@jvp(tanh_p)`` registers the function below it.
    """

    tables: ClassVar[dict[str, RuleTable[Any]]] = {}

    def __init__(self, name: str, meaning: str) -> None:
        self.name = name
        self.meaning = meaning
        self._rules: dict[Any, Rule] = {}
        self._absent: dict[Any, none] = {}
        RuleTable.tables[name] = self

    def __call__(self, *primitives: Any) -> Callable[[Rule], Rule]:
        def register(rule: Rule) -> Rule:
            for primitive in primitives:
                self[primitive] = rule
            return rule

        return register

    def __setitem__(self, primitive: Any, rule: Rule | none) -> None:
        if primitive in self._rules or primitive in self._absent:
            raise ValueError(f"primitive `{primitive}` already has an entry in table `{self.name}`")
        if isinstance(rule, none):
            self._absent[primitive] = rule
        else:
            self._rules[primitive] = rule

    def __getitem__(self, primitive: Any) -> Rule:
        try:
            return self._rules[primitive]
        except KeyError:
            absent = self._absent.get(primitive)
            why = f": {absent.reason}" if absent else f"; register one with @{self.name}({primitive}_p)"
            raise MissingRuleError(f"primitive `{primitive}` has no {self.meaning}{why}") from None

    def get(self, primitive: Any, default: Any = None) -> Any:
        return self._rules.get(primitive, default)

    def absent(self, primitive: Any) -> none | None:
        """The explicit ``none(reason)`` of ``primitive``, if it has one."""
        return self._absent.get(primitive)

    def __contains__(self, primitive: Any) -> bool:
        return primitive in self._rules

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def __repr__(self) -> str:
        return f"RuleTable({self.name!r}, {len(self)} rules)"
