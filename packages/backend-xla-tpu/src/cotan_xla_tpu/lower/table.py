"""Where the families of rules enter what they know. A rule is called with a ``Site`` and one value per operand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter the function below for the primitives of these names."""

    def enter(function: Rule) -> Rule:
        for name in names:
            if name in RULES:
                raise ValueError(f"there are two rules for `{name}`")
            RULES[name] = function
        return function

    return enter


def elementwise(name: str, operation: Callable[..., Any]) -> None:
    """A primitive that is one operation on operands of one shape."""

    @rule(name)
    def lowered(c: Any, *operands: Any) -> Any:
        return operation(*c.equal(operands))
