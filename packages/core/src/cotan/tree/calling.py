"""How calls of the user's functions look: names of arguments for messages, keyword resolution, static arguments.

Shared by the api and by control flow. Knows pytrees and signatures, and nothing of arrays or traces.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from cotan.errors import format_frame
from cotan.forks import cached_property
from cotan.tree.keys import keystr
from cotan.tree.treedef import PyTreeDef

_MOST_WRAPPERS = 100
MESSAGE_NAME = "__cotan_name__"  # the attribute of a function that says how messages call it, if not by its name


def fun_name(fun: Any) -> str:
    """What messages call a function.

    >>> fun_name(functools.partial(max, 1))
    'max'
    """
    while isinstance(fun, functools.partial):
        fun = fun.func
    name = getattr(fun, MESSAGE_NAME, None) or getattr(fun, "__name__", None)
    return name if isinstance(name, str) else type(fun).__name__


def fun_place(fun: Any) -> str:
    """Where ``fun`` was defined, as ``train.py:60``; empty if that is not known."""
    code = fun_code(fun)
    return "" if code is None else format_frame((code.co_filename, code.co_firstlineno, "<module>"))


def fun_code(fun: Any) -> Any:
    """The code of the function behind wrappers and partial applications; None if that is not known.

    What is wrapped is looked up where decorators put it: an object may have an answer to whatever it is asked for.
    """
    for _ in range(_MOST_WRAPPERS):
        if isinstance(fun, functools.partial):
            fun = fun.func
            continue
        inner = getattr(fun, "__dict__", {}).get("__wrapped__")
        if inner is None:
            break
        fun = inner
    return getattr(fun, "__code__", None)


def signature_of(fun: Any) -> inspect.Signature | None:
    """The signature of a callable, or None where Python cannot tell."""
    try:
        return inspect.signature(fun)
    except (ValueError, TypeError):
        return None


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def positional_names(fun: Any, n: int) -> list[str]:
    """Names of the first ``n`` positional arguments: from the signature, ``args[i]`` where that has none.

    >>> positional_names(lambda x, *rest: x, 3)
    ['x', 'rest[0]', 'rest[1]']
    """
    signature = signature_of(fun)
    parameters = [] if signature is None else list(signature.parameters.values())
    names = [p.name for p in parameters if p.kind in _POSITIONAL][:n]
    rest = next((p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL), "args")
    first = len(names) if rest != "args" or names else 0
    return names + [f"{rest}[{i - first}]" for i in range(len(names), n)]


class ArgNames(Sequence[str]):
    """The user's names for the leaves of a call's arguments, worked out only when a message needs one.

    Args:
      fun: the user's function.
      in_tree: the structure of ``(args, kwargs)``.
      positions: which positional arguments of ``fun`` the entries of ``args`` are, if not all from the first on.

    >>> from cotan.tree import tree_structure
    >>> def loss(params, batch): ...
    >>> ArgNames(loss, tree_structure((({"w": [0]}, 0), {})))[0]
    "params['w'][0]"
    """

    def __init__(self, fun: Any, in_tree: PyTreeDef, positions: Iterable[int] | None = None) -> None:
        self._fun = fun
        self._in_tree = in_tree
        self._positions = None if positions is None else tuple(positions)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all leaves, in order."""
        n_args = len(self._in_tree.spec[2]) - 2
        positions = range(n_args) if self._positions is None else self._positions
        positional = positional_names(self._fun, max(positions, default=-1) + 1)
        out = []
        for part, *rest in self._in_tree.paths():
            if part.idx == 0:
                out.append(positional[positions[rest[0].idx]] + keystr(rest[1:]))
            else:
                out.append(str(rest[0].key) + keystr(rest[1:]))
        return tuple(out)

    def __getitem__(self, k: Any) -> Any:
        return self.names[k]

    def __len__(self) -> int:
        return self._in_tree.num_leaves

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __repr__(self) -> str:
        return f"ArgNames{self.names}"


def resolve_kwargs(fun: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments of a call, all positional, with defaults filled in, according to the signature.

    Raises:
      TypeError: the call does not fit the signature, or has keyword-only arguments.
    """
    if isinstance(fun, functools.partial):
        kwargs = {**fun.keywords, **kwargs}
        args = (*fun.args, *args)
        fun = fun.func
    signature = signature_of(fun)
    if signature is None:
        if kwargs:
            raise TypeError(f"{fun_name(fun)}: its signature is not known, so arguments must be positional")
        return tuple(args)
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise TypeError(
            f"{fun_name(fun)}: the keyword arguments {', '.join(bound.kwargs)} cannot be "
            "passed by position, as is needed here"
        )
    return bound.args


def normalize_argnums(
    argnums: Any,
    n_args: int | None,
    caller: str | Callable[[], str],
    parameter: str = "argnums",
    out_of_range: type[Exception] = ValueError,
) -> tuple[int, ...]:
    """An int or a sequence of ints as a tuple of non-negative positions.

    Args:
      argnums: what the user gave; negative numbers count from the end.
      n_args: how many positional arguments there are, or None where that is not known yet.
      caller: the user's function or transform, for messages; or a function that says it.
      parameter: the name of the argument that ``argnums`` was.

    Raises:
      TypeError: something is not an integer. ValueError: given twice. ``out_of_range``: there is no such argument.

    >>> normalize_argnums((0, -1), 3, "grad")
    (0, 2)
    """
    if type(argnums) is int and n_args is not None and 0 <= argnums < n_args:
        return (argnums,)
    caller = caller if isinstance(caller, str) else caller()
    try:
        given: tuple[int, ...] = (operator.index(argnums),)
    except TypeError:
        try:
            given = tuple([operator.index(i) for i in argnums])
        except TypeError:
            raise TypeError(
                f"{caller}: {parameter} must be an integer or a sequence of integers, got {argnums!r}"
            ) from None
    if isinstance(argnums, bool):
        raise TypeError(f"{caller}: {parameter} must be an integer or a sequence of integers, got {argnums!r}")
    if n_args is None:
        return given
    out = []
    for i in given:
        if not -n_args <= i < n_args:
            raise out_of_range(
                f"{caller}: {parameter} names argument number {i}, but there are {n_args} positional "
                f"argument{'' if n_args == 1 else 's'}"
            )
        out.append(i % n_args)
    if len(set(out)) != len(out):
        raise ValueError(f"{caller}: {parameter}={argnums!r} names an argument twice")
    return tuple(out)


def normalize_argnames(argnames: Any, caller: str, parameter: str) -> tuple[str, ...]:
    """A name or an iterable of names as a tuple.

    Raises:
      TypeError: something is not a name.
    """
    names = (argnames,) if isinstance(argnames, str) else argnames
    if not isinstance(names, Iterable):
        raise TypeError(f"{caller}: {parameter} must be a name or a sequence of names, got {argnames!r}")
    names = tuple(names)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{caller}: {parameter} must be a name or a sequence of names, got {name!r} in it")
    return names


def resolve_argnums(
    fun: Any, argnums: Any, argnames: Any, caller: str, kind: str = "static"
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Positions and names of the arguments that the user singled out by either, each completed from the other.

    Args:
      fun: the user's function.
      argnums: positions, or None. argnames: names, or None.
      caller: ``"jit"``, for messages.
      kind: ``"static"`` or ``"donate"``: what the parameters ``{kind}_argnums`` and ``{kind}_argnames`` are called.

    Raises:
      TypeError: something is not an integer or a name. ValueError: the signature has no such argument.

    >>> resolve_argnums(lambda x, n: x, None, "n", "jit")
    ((1,), ('n',))
    """
    name = f"{caller}({fun_name(fun)})"
    signature = signature_of(fun)
    parameters = [] if signature is None else list(signature.parameters.values())
    positional = [p.name for p in parameters if p.kind in _POSITIONAL]
    variadic = signature is None or any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    any_keyword = signature is None or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    by_name = [p.name for p in parameters if p.kind in (_POSITIONAL[1], inspect.Parameter.KEYWORD_ONLY)]

    limit = None if variadic else len(positional)
    numbers = () if argnums is None else normalize_argnums(argnums, limit, name, f"{kind}_argnums")
    names = () if argnames is None else normalize_argnames(argnames, name, f"{kind}_argnames")
    for given in names:
        if given not in by_name and not any_keyword:
            known = f"it has {', '.join(by_name)}" if by_name else "it has none that can be named"
            raise ValueError(f"{name}: {kind}_argnames names `{given}`, but the function has no such argument; {known}")
    if argnames is None:
        named = tuple(positional[i] for i in numbers if 0 <= i < len(positional) and positional[i] in by_name)
        return numbers, named
    if argnums is None:
        return tuple(positional.index(given) for given in names if given in positional), names
    return numbers, names


def check_hashable(value: Any, argument: str, caller: str) -> None:
    """Refuse a static argument that cannot be part of a cache key.

    Args:
      value: the argument. argument: its name. caller: the transform and function, for messages.

    Raises:
      ValueError: ``value`` is not hashable.
    """
    try:
        hash(value)
    except TypeError as error:
        raise ValueError(
            f"{caller}: the static argument `{argument}` is of type {type(value).__name__}, which is not hashable "
            f"({error}). Static arguments must be hashable and comparable: use a tuple in place of a list, or do not "
            "mark it as static"
        ) from None
