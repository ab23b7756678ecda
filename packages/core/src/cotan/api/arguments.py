"""Which arguments of a jitted function are static or donated, and the key of the static ones.

Knows argument numbers and names; no transform.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from cotan.api.flat import subject
from cotan.tree import PyTreeDef, tree_structure
from cotan.tree.calling import ArgNames, check_hashable, positional_names, resolve_argnums

Argnums = int | Sequence[int] | None
Argnames = str | Iterable[str] | None


class Options(NamedTuple):
    """How a function is jitted: numbers and names of the arguments that are static or donated, both forms of each."""

    static_argnums: tuple[int, ...]
    static_argnames: tuple[str, ...]
    donate_argnums: tuple[int, ...]
    donate_argnames: tuple[str, ...]
    inline: bool
    compiler_options: tuple[tuple[str, Any], ...] = ()


def resolve_options(
    api: str,
    fun: Any,
    static_argnums: Argnums,
    static_argnames: Argnames,
    donate_argnums: Argnums = None,
    donate_argnames: Argnames = None,
    inline: bool = False,
    compiler_options: tuple[tuple[str, Any], ...] = (),
) -> Options:
    """Check the options against the signature of ``fun``, and complete numbers by names and names by numbers.

    Raises:
      TypeError: something is not an int or a name.
      ValueError: there is no such argument, or one is both static and donated.
    """
    static = resolve_argnums(fun, static_argnums, static_argnames, api, "static")
    donated = resolve_argnums(fun, donate_argnums, donate_argnames, api, "donate")
    both = {*static[0]} & {*donated[0]} or {*static[1]} & {*donated[1]}
    if both:
        raise ValueError(
            f"{subject(api, fun)}: argument {', '.join(sorted(map(str, both)))} is both static and "
            "donated; a static argument is a Python value and has no buffer to give up"
        )
    return Options(*static, *donated, inline, compiler_options)


class Static:
    """A static argument as part of a key: equal if value and type are."""

    __slots__ = ("_hash", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._hash = hash((type(value), value))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and type(self.value) is type(other.value) and bool(self.value == other.value)


class Bound(NamedTuple):
    """A call with its static arguments set apart.

    Attributes:
      dynamic: ``(args, kwargs)`` without the static ones.
      positions: which positional arguments the dynamic ones are.
      static_args: position -> value.
      static_kwargs: name -> value.
      key: of the static arguments, hashable; None if one of them is not.
    """

    dynamic: tuple[tuple[Any, ...], dict[str, Any]]
    positions: tuple[int, ...] | None
    static_args: dict[int, Any]
    static_kwargs: dict[str, Any]
    key: Hashable

    def complete(self, dynamic: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """All arguments, with ``dynamic`` and ``kwargs`` for those that are not static."""
        args = list(dynamic)
        for position in sorted(self.static_args):
            args.insert(position, self.static_args[position])
        return args, {**kwargs, **self.static_kwargs}

    @property
    def count(self) -> int:
        """How many positional arguments there are."""
        return len(self.dynamic[0]) + len(self.static_args)

    def names(self, fun: Any, in_tree: PyTreeDef) -> ArgNames:
        """The user's names of the leaves of ``dynamic``."""
        return ArgNames(fun, in_tree, self.positions)


def bind_static(
    api: str, fun: Any, options: Options, args: tuple[Any, ...], kwargs: dict[str, Any], *, keyed: bool = True
) -> Bound:
    """Set the static arguments of a call apart. ``keyed``: they must be hashable.

    Raises:
      ValueError: a static argument is not hashable and must be.
    """
    if not options.static_argnums and not options.static_argnames:
        return Bound((args, kwargs), None, {}, {}, ())
    chosen = {n if n >= 0 else n + len(args) for n in options.static_argnums}
    static_args = {k: args[k] for k in sorted(chosen) if 0 <= k < len(args)}
    static_kwargs = {name: kwargs[name] for name in sorted(kwargs) if name in options.static_argnames}
    given: list[tuple[int | str, Any]] = [*static_args.items(), *static_kwargs.items()]
    key: tuple[tuple[int | str, Static], ...] | None
    try:
        key = tuple([(label, Static(value)) for label, value in given])
    except TypeError:
        if keyed:
            for label, value in given:
                name = label if isinstance(label, str) else positional_names(fun, len(args))[label]
                check_hashable(value, name, subject(api, fun))
        key = None
    positions = tuple(k for k in range(len(args)) if k not in static_args)
    dynamic = tuple(args[k] for k in positions), {k: v for k, v in kwargs.items() if k not in static_kwargs}
    return Bound(dynamic, positions, static_args, static_kwargs, key)


def donated_leaves(options: Options, bound: Bound, leaves: int) -> tuple[bool, ...]:
    """For each leaf of the dynamic arguments, whether its buffer is given up."""
    if not options.donate_argnums and not options.donate_argnames:
        return (False,) * leaves
    args, kwargs = bound.dynamic
    positions = range(len(args)) if bound.positions is None else bound.positions
    count = len(args) + len(bound.static_args)
    numbers = {n if n >= 0 else n + count for n in options.donate_argnums}
    flags: list[bool] = []
    for position, arg in zip(positions, args, strict=True):
        flags += [position in numbers] * tree_structure(arg).num_leaves
    for name in sorted(kwargs):
        flags += [name in options.donate_argnames] * tree_structure(kwargs[name]).num_leaves
    return tuple(flags)
