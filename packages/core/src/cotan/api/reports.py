"""Why a function is traced again, in the user's terms, and how long that took.

Only asked while ``config.log_compiles`` or ``config.explain_cache_misses`` is on. Compares keys of programs
and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cotan.api.flat import Function, fun_place
from cotan.config import traced_flags
from cotan.errors import log, where
from cotan.ir.avals import ShapedArray
from cotan.tree import PyTreeDef
from cotan.tree.calling import ArgNames, fun_name, positional_names

_MOST = 4


def log_trace(api: str, fun: Function, names: ArgNames, avals: Sequence[ShapedArray], seconds: float) -> None:
    """Say that ``fun`` was traced."""
    shown = ", ".join(f"{name}: {aval.short()}" for name, aval in zip(names, avals, strict=True))
    log(f"{where()}: traced {described(fun)} for {api} in {1e3 * seconds:.1f} ms; arguments: {shown or 'none'}")


def described(fun: Function) -> str:
    """``step` (train.py:12)``: a function and where it was defined."""
    place = fun_place(fun)
    return f"`{fun_name(fun)}`" + (f" ({place})" if place else "")


def log_miss(
    api: str, fun: Function, key: tuple[Any, ...], earlier: Sequence[tuple[Any, ...]], why: str, positions: Any
) -> None:
    """Say why the program for ``key`` is not among the ``earlier`` ones.

    Args:
      key: (static arguments, structure, types, flags, axes).
      why: what is known already of the reason, if there are no earlier programs; may be empty.
      positions: which positional arguments the dynamic ones are, or None for the first ones.
    """
    found = [list(_differences(fun, old, key, positions)) for old in reversed(earlier)]
    changes = min(found, key=lambda changes: sum(size for size, _ in changes), default=[(0, why)] if why else [])
    nearest = [text for _, text in changes]
    shown = "; ".join(nearest[:_MOST]) + (f"; and {len(nearest) - _MOST} more" if len(nearest) > _MOST else "")
    if not nearest:
        log(f"{where()}: {api} traces {described(fun)} for the first time")
    else:
        log(f"{where()}: {api} traces {described(fun)} again: {shown}")


# How big a change is, which tells the nearest of the earlier calls, and the change in words.
Changes = Iterator[tuple[int, str]]


def _differences(fun: Function, old: tuple[Any, ...], new: tuple[Any, ...], positions: Any) -> Changes:
    """What changed from one key to another."""
    yield from _static_changes(fun, old[0], new[0])
    if old[1] != new[1]:
        yield from _call_changes(fun, old[1], new[1], positions)
    else:
        names = ArgNames(fun, new[1], positions)
        for name, was, now in zip(names, old[2], new[2], strict=True):
            if was != now:
                yield 1, f"argument `{name}` was {was.short()}, now {now.short()}{_hint(was, now)}"
    for flag, was, now in zip(traced_flags(), old[3], new[3], strict=False):
        if was != now:
            yield 1, f"flag {flag} changed from {was!r} to {now!r}"
    if old[4] != new[4]:
        yield 1, f"it is called under other named axes: {_axes(new[4])} instead of {_axes(old[4])}"


def _hint(was: ShapedArray, now: ShapedArray) -> str:
    if was.shape == now.shape and was.dtype == now.dtype and was.weak_type != now.weak_type:
        return " (~ marks a Python scalar, which gives way to the dtype of others; pass arrays or scalars always)"
    return ""


def _axes(axes: Sequence[Any]) -> str:
    return ", ".join(f"{axis.name}={axis.size}" for axis in axes) or "none"


def _static_changes(fun: Function, old: Sequence[Any], new: Sequence[Any]) -> Changes:
    was, now = dict(old), dict(new)
    for label in [*was, *(label for label in now if label not in was)]:
        name = label if isinstance(label, str) else positional_names(fun, label + 1)[label]
        if label not in now:
            yield 2, f"static argument `{name}` is not given, as it was, {_by(label)}"
        elif label not in was:
            yield 2, f"static argument `{name}` is given {_by(label)}, as it was not"
        elif was[label] != now[label]:
            then, here = was[label].value, _value(now[label].value, was[label])
            yield 1, f"static argument `{name}` was {_value(then)}, now {here}"


def _by(label: int | str) -> str:
    return "by keyword" if isinstance(label, str) else "by position"


def _value(value: Any, other: Any = None) -> str:
    """A static argument; with its type where the value alone would not tell it from ``other``."""
    text = repr(value)
    text = text if len(text) <= 80 else text[:77] + "..."
    if other is not None and repr(other.value) == repr(value):
        return f"another {type(value).__name__} that shows the same and is not equal: {text}"
    return text


def call_changes(fun: Function | None, old: PyTreeDef, new: PyTreeDef, positions: Any) -> list[str]:
    """What differs between the structures of two calls of ``fun``."""
    return [text for _, text in _call_changes(fun, old, new, positions)]


def _call_changes(fun: Function | None, old: PyTreeDef, new: PyTreeDef, positions: Any) -> Changes:
    (old_args, old_kwargs), (new_args, new_kwargs) = _calls(old), _calls(new)
    given = positions or ()
    static = {*range(max(given, default=-1) + 1)} - {*given}
    names = positional_names(fun, max(len(old_args), len(new_args)) + len(static))
    names = [name for k, name in enumerate(names) if k not in static]
    if len(old_args) != len(new_args) or old_kwargs.keys() != new_kwargs.keys():
        moved = [n for n in names[len(new_args) : len(old_args)] if n in new_kwargs]
        moved_back = [n for n in names[len(old_args) : len(new_args)] if n in old_kwargs]
        for name in moved:
            yield 2, f"argument `{name}` was passed by position, now by keyword"
        for name in moved_back:
            yield 2, f"argument `{name}` was passed by keyword, now by position"
        if not moved and not moved_back:
            yield 4, f"it was called with {_call(old_args, old_kwargs)}, now with {_call(new_args, new_kwargs)}"
    pairs = [*zip(names, old_args, new_args, strict=False)]
    pairs += [(name, old_kwargs[name], now) for name, now in new_kwargs.items() if name in old_kwargs]
    for name, was, now in pairs:
        if was != now:
            yield 3, f"the structure of argument `{name}` was {was}, now {now}"


def _calls(tree: PyTreeDef) -> tuple[list[PyTreeDef], dict[str, PyTreeDef]]:
    args, kwargs = tree.children()
    data = kwargs.node_data()
    assert data is not None
    return args.children(), dict(zip(data[1], kwargs.children(), strict=True))


def _call(args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    return f"{len(args)} positional argument{'' if len(args) == 1 else 's'}" + (
        f" and {', '.join(f'`{k}`' for k in kwargs)}" if kwargs else ""
    )
