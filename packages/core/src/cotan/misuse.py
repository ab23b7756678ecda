"""What users read where Python itself stopped a call inside of cotan: which call it was, and what the function takes.

Most misuse is refused by a text that is written for it. Where an argument goes through to an operation that cannot take
it (``None < 0``, an item that a tuple has not), the error is Python's or NumPy's, and says nothing of the call.
"""

from __future__ import annotations

import contextlib
import inspect
import opcode
import os
import re
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.errors import format_frame, is_hidden, user_frame

_RAISES = {opcode.opmap["RAISE_VARARGS"], opcode.opmap["RERAISE"]}
# Files of what stands between our frame and the operation that failed, and belongs neither to us nor to the user.
_STANDARD, _NUMPY = (os.path.dirname(os.path.abspath(str(one.__file__))) + os.sep for one in (os, np))
# What an error is raised as: lookups that fail are ours, and no index or name of the user's.
_BECOMES: tuple[tuple[type[Exception], type[Exception]], ...] = (
    (MemoryError, MemoryError),
    (OverflowError, OverflowError),
    (LookupError, ValueError),
    (ZeroDivisionError, ValueError),
    (AttributeError, TypeError),
    (TypeError, TypeError),
    (ValueError, ValueError),
)
_LONGEST = 40
_MISFIT = re.compile(r"\(\) (missing \d|takes |got an unexpected |got multiple |got some )")
_ANYTHING = "(*args, **kwargs)"


def explained(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], error: Exception
) -> tuple[type[Exception], str] | None:
    """Type and text of an error that says what ``error`` does not: which call of ``function`` led to it.

    None: the text is one of ours, or the user's code raised it, or cotan itself called ``function``, so that the outer
    call is told of. ``function`` is the innermost frame of the error but for one of a boundary.
    """
    kind = next((becomes for given, becomes in _BECOMES if isinstance(error, given)), None)
    tb = error.__traceback__
    caller = None if tb is None else tb.tb_frame.f_back
    if kind is None or caller is None or is_hidden(caller) or not _accidental(function, error):
        return None
    if isinstance(error, TypeError) and _MISFIT.search(str(error)) and _bare(inspect.signature(function)) == _ANYTHING:
        return None  # it is the user's function that the arguments do not fit, and Python names it
    frame = user_frame()
    place = "" if frame is None else format_frame((frame.filename, frame.lineno or 0, frame.name)) + ": "
    said = str(error).removeprefix(place) or type(error).__name__
    if isinstance(error, KeyError):
        said = f"there is no {said}"
    name, takes = function.__name__, inspect.signature(function)
    if name == "__init__":  # users call the class
        name, args = type(args[0]).__name__, args[1:]
        takes = takes.replace(parameters=[*takes.parameters.values()][1:])
    call = f"{place}{name}({_given(args, kwargs)})"
    if kind is MemoryError:
        return kind, f"{call} needs more memory than there is ({said}); ask for fewer elements"
    return kind, (
        f"{call}: {said}. Compare these arguments with what it takes, {name}{_bare(takes)}; if they fit, it is a bug: "
        "report it with the traceback that COTAN_TRACEBACK_FILTERING=off shows"
    )


def _accidental(function: Callable[..., Any], error: Exception) -> bool:
    """Whether the error arose in an operation of ours, not by a ``raise`` of ours or in a function of the user's."""
    _, whole = error.__dict__.get("_cotan_frames", (None, None))  # what inner boundaries have removed is there
    entries: list[TracebackType] = []
    tb = error.__traceback__ if whole is None else whole
    while tb is not None:
        entries.append(tb)
        tb = tb.tb_next
    if whole is None and entries and entries[0].tb_frame.f_code is not getattr(function, "__code__", None):
        del entries[0]  # a boundary's: where a call does not fit the signature, Python's text says it all
    inner = len(entries)
    while entries and _is_tool(entries[-1].tb_frame.f_code.co_filename):
        entries.pop()
    if not entries or not is_hidden(entries[-1].tb_frame):
        return False
    last = entries[-1]
    return len(entries) != inner or last.tb_frame.f_code.co_code[last.tb_lasti] not in _RAISES


def _is_tool(file: str) -> bool:
    """Whether a file is NumPy's or the standard library's, in whose folder other packages may be installed."""
    standard = file.startswith(_STANDARD) and "-packages" not in file[len(_STANDARD) :]
    return standard or file.startswith(_NUMPY)


def _given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    return ", ".join([*map(_shown, args), *(f"{name}={_shown(x)}" for name, x in kwargs.items())])


def _shown(x: Any) -> str:
    """A value as the text of an error has room for: the type of an array, anything else if it is short."""
    with contextlib.suppress(Exception):
        if hasattr(x, "aval"):
            return str(x.aval.short())
        if isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "biufc":
            return f"{dtypes.short_name(x.dtype)}[{','.join(map(str, x.shape))}]"
        if type(x) in (list, tuple) and len(x) <= 4:
            inner = ", ".join(map(_shown, x))
            return f"[{inner}]" if type(x) is list else f"({inner}{',' * (len(x) == 1)})"
        text = getattr(x, "__name__", None) if callable(x) else repr(x)
        if isinstance(text, str) and len(text) <= _LONGEST and "\n" not in text:
            return text
    return f"<{type(x).__name__}>"


def _bare(signature: inspect.Signature) -> str:
    """The parameters, without their types."""
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
