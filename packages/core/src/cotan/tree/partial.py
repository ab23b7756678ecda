"""``Partial``: a function with some arguments fixed, as a pytree whose leaves are those arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from cotan.tree.keys import GetAttrKey
from cotan.tree.registry import register_pytree_with_keys


class _Whole:
    """A plain ``functools.partial`` kept in one piece: its arguments stay fixed, and are part of the structure."""

    __slots__ = ("function",)

    def __init__(self, function: functools.partial[Any]) -> None:
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def _parts(self) -> tuple[Any, ...]:
        return self.function.func, self.function.args, tuple(sorted(self.function.keywords.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Whole) and (self.function is other.function or self._parts() == other._parts())

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        return repr(self.function)


class Partial(functools.partial[Any]):
    """``functools.partial`` that may be passed to and returned from transformed functions.

    The fixed arguments are its leaves; the function is part of the structure. A ``functools.partial`` given as the
    function keeps its own arguments fixed; a ``Partial`` is merged.

    >>> from cotan.tree import tree_map
    >>> add = Partial(lambda x, y: x + y, 1)
    >>> tree_map(lambda x: 10 * x, add)(2)
    12
    """

    def __new__(cls, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Partial:
        if isinstance(func, functools.partial) and not isinstance(func, Partial):
            func = _Whole(func)
        return super().__new__(cls, func, *args, **kwargs)


register_pytree_with_keys(
    Partial,
    lambda p: (((GetAttrKey("args"), p.args), (GetAttrKey("keywords"), p.keywords)), p.func),
    lambda func, parts: Partial(func, *parts[0], **parts[1]),
    lambda p: ((p.args, p.keywords), p.func),
)
