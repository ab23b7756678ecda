"""Looking into programs while they run: callbacks and prints that change nothing in what is computed."""

from __future__ import annotations

import re
import string
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cotan.api.callbacks import debug_arguments
from cotan.errors import a_type, source_frame, where
from cotan.primitives.callback import debug_callback

_Printer = Callable[..., None]


def callback(
    callback: Callable[..., Any] | None = None,
    *args: Any,
    ordered: bool = False,
    partitioned: bool = False,
    **kwargs: Any,
) -> Any:
    """Call a Python function with values of the program, when the program gets there.

    ``callback(f, x)`` or, with the options apart from the arguments of ``f``, ``callback(ordered=True)(f, x)``.
    Nothing else changes: the function's result is dropped, and derivatives do not see it. Under ``vmap`` it is called
    once for each example; under ``grad`` with the values of the forward pass.

    Args:
      callback: takes ``args`` and ``kwargs``, whose arrays it gets as Arrays; what is no array it gets as it is.
      ordered: whether it keeps its place among all ordered effects on every backend.
      partitioned: accepted; on one device all of an array is there.

    Raises:
      TypeError: ``callback`` is not callable, or arguments are given without it.

    >>> import cotan
    >>> seen = []
    >>> @cotan.jit
    ... def f(x):
    ...     cotan.debug.callback(lambda x, name: seen.append((name, float(x))), x, "x")
    ...     return x + 1
    >>> y = f(1.0)
    >>> seen
    [('x', 1.0)]
    """
    return _two_forms("debug.callback", callback, args, kwargs, lambda *a, **k: _call(ordered, partitioned, *a, **k))


def _two_forms(api: str, first: Any, args: tuple[Any, ...], kwargs: dict[str, Any], do: _Printer) -> Any:
    """Do it, or return what does it where only options were given."""
    if first is not None:
        do(first, *args, **kwargs)
        return None
    if args or kwargs:
        raise TypeError(f"{where()}: {api} got arguments, but neither a callback nor a format that takes them")
    return do


def _call(ordered: bool, partitioned: bool, callback: Any, *args: Any, **kwargs: Any) -> None:
    if not callable(callback):
        raise TypeError(f"{where()}: debug.callback takes a function to call, got {a_type(callback)}")
    leaves, function = debug_arguments("debug.callback", callback, args, kwargs)
    debug_callback(leaves, function, ordered, partitioned)


def print(
    fmt: str | None = None,
    *args: Any,
    ordered: bool = False,
    partitioned: bool = False,
    skip_format_check: bool = False,
    **kwargs: Any,
) -> Any:
    """Print values of the program, when the program gets there.

    ``print("x is {x}", x=x)`` or, with the options apart, ``print(ordered=True)("x is {x}", x=x)``. Not for f-strings,
    which would be formatted while the program is traced.

    Args:
      fmt: a format as of ``str.format``.
      args, kwargs: what it formats.
      ordered: whether it keeps its place among all ordered effects on every backend.
      partitioned: accepted; on one device all of an array is there.
      skip_format_check: print arguments that the format does not use after it, and check nothing beforehand.

    Raises:
      TypeError: ``fmt`` is not a str.
      ValueError: the format names an argument that is not given, or does not use one that is.

    >>> import cotan, cotan.numpy as cnp
    >>> y = cotan.jit(lambda x: (cotan.debug.print("x = {x}, {:.2f}", x[1], x=x), x)[1])(cnp.arange(3.0))
    x = [0. 1. 2.], 1.00
    """

    def do(fmt: Any, *args: Any, **kwargs: Any) -> None:
        _print(fmt, args, kwargs, ordered, partitioned, skip_format_check, _write)

    return _two_forms("debug.print", fmt, args, kwargs, do)


def log(
    fmt: str | None = None,
    *args: Any,
    ordered: bool = False,
    partitioned: bool = False,
    skip_format_check: bool = False,
    **kwargs: Any,
) -> Any:
    """As ``print``, to the logger ``cotan.debug`` at level INFO, with the place of this call in the user's program.

    >>> import cotan
    >>> cotan.debug.log("x is {}", 1.0)
    """
    frame = source_frame()

    def do(fmt: Any, *args: Any, **kwargs: Any) -> None:
        _print(fmt, args, kwargs, ordered, partitioned, skip_format_check, lambda text: _log(text, frame))

    return _two_forms("debug.log", fmt, args, kwargs, do)


def _print(
    fmt: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    ordered: bool,
    partitioned: bool,
    skip_check: bool,
    write: Callable[[str], None],
) -> None:
    if not isinstance(fmt, str) or not skip_check:
        check_format("debug.print", fmt, args, kwargs)
    options = np.get_printoptions()
    plain = next(_fields(fmt), None) is None

    def show(*args: Any, **kwargs: Any) -> None:
        with np.printoptions(**options):
            text = fmt.format(*args, **kwargs)
            if plain:
                text = " ".join([text, *map(str, args), *(f"{name}={value}" for name, value in kwargs.items())])
        write(text)

    leaves, function = debug_arguments("debug.print", show, args, kwargs)
    debug_callback(leaves, function, ordered, partitioned)


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")


def _log(text: str, frame: tuple[str, int, str] | None) -> None:
    import logging

    logger = logging.getLogger("cotan.debug")
    if logger.isEnabledFor(logging.INFO):
        filename, line, function = frame or ("(unknown file)", 0, "")
        logger.handle(logger.makeRecord(logger.name, logging.INFO, filename, line, text, (), None, function))


# ---- Formats


def _fields(fmt: str) -> Iterator[str]:
    """The arguments that a format names: numbers (given or counted) or names, also inside of its specifications."""
    counted, numbered = 0, False

    def walk(text: str) -> Iterator[str]:
        nonlocal counted, numbered
        for _, field, spec, _ in string.Formatter().parse(text):
            if field is None:
                continue
            name = re.split(r"[.\[]", field, maxsplit=1)[0]
            numbered = numbered or name.isdigit()
            if not name:
                name, counted = str(counted), counted + 1
            if numbered and counted:
                raise ValueError("it names some arguments by number and leaves others to be counted")
            yield name
            if spec:
                yield from walk(spec)

    return walk(fmt)


def check_format(api: str, fmt: Any, args: tuple[Any, ...], kwargs: dict[str, Any], unused: bool = False) -> None:
    """Raise for a format that would fail when the program runs; also for unused arguments, unless ``unused`` allows."""
    if not isinstance(fmt, str):
        raise TypeError(f"{where()}: {api} takes a format, a str, got {a_type(fmt)}")
    try:
        names = list(_fields(fmt))
    except ValueError as error:
        raise ValueError(f"{where()}: {api}: the format {fmt!r} is not valid: {error}") from None
    given = {*map(str, range(len(args))), *kwargs}
    missing = [name for name in dict.fromkeys(names) if name not in given]
    if missing:
        raise ValueError(
            f"{where()}: {api}: the format {fmt!r} uses {_shown(missing)}, but "
            f"{'no arguments are' if not given else f'only {_shown(sorted(given))} is'} given. Give it every value "
            "that it uses."
        )
    left = [name for name in (*map(str, range(len(args))), *kwargs) if name not in names]
    if left and not unused:
        raise ValueError(
            f"{where()}: {api}: the format {fmt!r} does not use {_shown(left)}. If it is an f-string, make it "
            "a plain one: it is formatted when the program runs"
        )


def _shown(names: list[str]) -> str:
    return ", ".join(f"argument {name}" if name.isdigit() else f"`{name}`" for name in names)
