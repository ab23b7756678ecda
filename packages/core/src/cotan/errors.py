"""Exceptions that users catch, and the user's place in a program, for messages.

The lowest room: imports nothing of cotan and knows neither arrays nor traces. Frames that belong to cotan itself
(and to packages that call ``hide_frames``) are never reported as the user's place.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType, TracebackType
from typing import Any

import numpy as np


class CotanError(Exception):
    """Base of the exceptions that cotan defines. Each is also one of Python's own kinds (TypeError, ValueError...).

    Attributes:
      keeps_text: whether the text stays as it is where others get the user's line before them.
    """

    keeps_text = False


class JAXTypeError(CotanError, TypeError):
    """Base of the errors about traced values; under the name by which programs catch them."""


class JAXIndexError(CotanError, IndexError):
    """Base of the errors about traced indices; under the name by which programs catch them."""


class ConcretizationTypeError(JAXTypeError):
    """A value was needed that is not known while the function is being traced."""


class TracerBoolConversionError(ConcretizationTypeError):
    """A traced array was used where Python needs True or False (``if``, ``while``, ``and``, ``assert``)."""


class TracerIntegerConversionError(JAXTypeError):
    """A traced array was used where Python needs an integer (an index of a list, a range, a shape)."""


class TracerArrayConversionError(JAXTypeError):
    """A traced array was handed to NumPy, which needs its values."""


class UnexpectedTracerError(JAXTypeError):
    """A traced array outlived the call that was being traced.

    Attributes:
      tracing: if the array was used: whether that call goes on still, so that the use was outside of it.
    """

    tracing: bool | None = None


class NonConcreteBooleanIndexError(JAXIndexError):
    """A boolean mask was used as an index while its values, and so the result's shape, are not known."""


class KeyReuseError(JAXTypeError):
    """A random key was used twice where that is checked."""


class InconclusiveDimensionOperation(CotanError):
    """A comparison of sizes that are symbols has no answer that holds for all their values."""


class TypePromotionError(CotanError, ValueError):
    """Operands have dtypes that are not promoted to a common one implicitly."""


class OpaqueOperandError(TypePromotionError, TypeError):
    """An operand is a key, or of dtype float0, and another one is not."""


class ShapeError(CotanError, TypeError, ValueError):
    """Shapes do not fit each other, or are none: a ValueError, as in NumPy, and a TypeError, as often in JAX."""


class JaxprTypeError(CotanError, TypeError):
    """A jaxpr is not well formed: the checker's finding."""


class JaxRuntimeError(CotanError, RuntimeError):
    """Base of the errors of running programs on devices; under the name by which programs catch them."""


class BackendUnavailableError(JaxRuntimeError):
    """No usable backend, or not the one that was asked for. The message says what to install or why it failed."""


class DeletedArrayError(JaxRuntimeError):
    """An array was used after its buffer was deleted or donated to a computation."""


class UnsupportedError(JaxRuntimeError):
    """A backend cannot do what was asked of it: the one way in which a backend refuses.

    Args:
      backend: the name of the backend.
      what: what is not supported, usually the name of a primitive.
      dtype: the dtype for which it is not supported, if that is the reason.
      hint: what the user or the author of the backend may do.

    >>> raise UnsupportedError("acme", "sort", "bool")
    Traceback (most recent call last):
      ...
    cotan.errors.UnsupportedError: the backend acme does not support sort for dtype bool
    """

    def __init__(self, backend: str, what: str, dtype: Any = None, hint: str = "") -> None:
        self.backend, self.what, self.dtype, self.hint = backend, what, dtype, hint
        text = f"the backend {backend} does not support {what}"
        if dtype is not None:
            text += f" for dtype {dtype}"
        super().__init__(text + (f". {hint}" if hint else ""))

    def __reduce__(self) -> tuple[Any, ...]:
        return (UnsupportedError, (self.backend, self.what, self.dtype, self.hint))


SourceFrame = tuple[str, int, str]

# Helpers of NumPy and the standard library that stand between a user's line and ours would say nothing to the user.
_hidden_prefixes: tuple[str, ...] = tuple(
    os.path.dirname(os.path.abspath(file)) + os.sep for file in (__file__, np.__file__)
)
_stdlib = os.path.dirname(os.__file__)
_hidden_files = frozenset(os.path.join(_stdlib, name) for name in ("contextlib.py", "enum.py", "functools.py"))
_is_hidden: dict[str, bool] = {}


def hide_frames(directory: str) -> None:
    """Count the Python files under ``directory`` as part of the system, not of the user's program."""
    global _hidden_prefixes
    _hidden_prefixes += (os.path.join(os.path.abspath(directory), ""),)
    _is_hidden.clear()


def _hidden(filename: str) -> bool:
    hidden = _is_hidden[filename] = filename.startswith(_hidden_prefixes) or filename in _hidden_files
    return hidden


def _frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(2)
    known = _is_hidden
    while frame is not None:
        filename = frame.f_code.co_filename
        if not (known[filename] if filename in known else _hidden(filename)):
            return frame
        frame = frame.f_back
    return None


# The names of ``named_scope`` that are open: empty, or as ``/encoder/attention``.
_scope: ContextVar[str] = ContextVar("cotan_named_scope", default="")
open_scope = _scope.get
enter_scope = _scope.set
leave_scope = _scope.reset


def source_frame() -> SourceFrame | None:
    """File, line and function name of the innermost frame of the user's program, or None if there is none.

    The names of the scopes that are open follow that of the function: ``step/encoder/attention``.
    """
    frame = _frame()
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name + _scope.get())


def scope_of(frame: SourceFrame | None) -> str:
    """The names of the scopes of a place, as ``encoder/attention``; empty if it is in none."""
    return "" if frame is None else frame[2].partition("/")[2]


def within(frame: SourceFrame | None, scope: str) -> SourceFrame | None:
    """The place, inside of ``scope`` as well."""
    if frame is None or not scope:
        return frame
    function, _, inner = frame[2].partition("/")
    return (frame[0], frame[1], "/".join(filter(None, (function, scope, inner))))


def is_hidden(frame: FrameType) -> bool:
    """Whether ``frame`` belongs to the system, not to the user's program."""
    filename = frame.f_code.co_filename
    return _is_hidden[filename] if filename in _is_hidden else _hidden(filename)


def user_traceback(tb: TracebackType | None) -> TracebackType | None:
    """``tb`` from the first frame of the user's program on; all of it if there is none."""
    found = tb
    while found is not None and is_hidden(found.tb_frame):
        found = found.tb_next
    return tb if found is None else found


def user_frame() -> traceback.FrameSummary | None:
    """The innermost frame outside of the cotan packages; its ``line`` is the source text."""
    frame = _frame()
    if frame is None:
        return None
    return traceback.FrameSummary(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def format_frame(frame: SourceFrame | None) -> str:
    """``train.py:12, in step``: a place as messages show it."""
    if frame is None:
        return "<unknown place>"
    filename, line, function = frame
    function = function.removeprefix("<module>").removeprefix("/")
    return f"{os.path.basename(filename)}:{line}" + (f", in {function}" if function else "")


def where() -> str:
    """The place in the user's program that runs now, as ``train.py:12, in step``."""
    frame = _frame()
    return format_frame(None if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))


def a_type(x: Any) -> str:
    """``an int``: what ``x`` is, for messages."""
    name = type(x).__name__
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"


_heard: ContextVar[list[tuple[str, type[Warning]]] | None] = ContextVar("heard", default=None)


@contextmanager
def hearing() -> Iterator[list[tuple[str, type[Warning]]]]:
    """In it, the arguments of all that is issued by ``warn`` go to a list as well."""
    token = _heard.set(heard := [])
    try:
        yield heard
    finally:
        _heard.reset(token)


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that points at the user's line, however deep in cotan it is raised."""
    if (heard := _heard.get()) is not None:
        heard.append((message, category))
    frame = _frame()
    if frame is None:
        warnings.warn(message, category, stacklevel=2)
        return
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    module = frame.f_globals.get("__name__", "<unknown>")
    warnings.warn_explicit(message, category, frame.f_code.co_filename, frame.f_lineno, module, registry)


def log(message: str) -> None:
    """Report what the user asked to be told of (``config.log_compiles``, ...): a warning of the logger ``cotan``."""
    import logging

    logging.getLogger("cotan").warning(message)
