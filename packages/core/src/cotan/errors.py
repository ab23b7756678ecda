"""Errors that users catch, and the user's place in the source for their texts.

The lowest room: it knows nothing of arrays, traces or configuration. Every error says what happened in the user's terms
and what to do.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import traceback
from types import FrameType
from typing import Any


class CotanError(Exception):
    """Base of the errors that are cotan's own, beside the built-in error that each of them also is."""


class ConcretizationTypeError(CotanError, TypeError):
    """The value of an array was needed while it is only traced."""


class TracerBoolConversionError(ConcretizationTypeError):
    """A traced array was used as a truth value (``if``, ``while``, ``and``, ``bool()``)."""


class TracerIntegerConversionError(CotanError, TypeError):
    """A traced array was used where Python needs an integer (an index, a range, a shape)."""


class TracerArrayConversionError(CotanError, TypeError):
    """A traced array was handed to NumPy."""


class NonConcreteBooleanIndexError(CotanError, IndexError):
    """A traced array of booleans was used as an index, so that the result's shape is unknown."""


class UnexpectedTracerError(CotanError):
    """A traced array was kept after the function whose tracing made it had returned."""


class TypePromotionError(CotanError, ValueError):
    """The dtypes of the operands have no common dtype."""


class JaxprTypeError(CotanError, TypeError):
    """A program does not have the types that it claims; a mistake inside of cotan or of a custom rule."""


class BackendUnavailableError(CotanError, RuntimeError):
    """No backend is installed, or the one asked for cannot be used here."""


class DeletedArrayError(CotanError, RuntimeError):
    """An array was used after it had been donated or deleted."""


class UnsupportedError(CotanError, NotImplementedError):
    """A backend cannot do something: the one way in which a backend refuses.

    Args:
      backend: the backend's name.
      what: what it cannot do, as a noun phrase (a primitive's name, "donation", ...).
      dtype: the dtype for which it cannot, if that matters.
      hint: what to do instead.
    """

    def __init__(self, backend: str, what: Any, dtype: Any = None, hint: str = "") -> None:
        self.backend = backend
        self.what = what
        self.dtype = dtype
        self.hint = hint
        of = f" of dtype {dtype}" if dtype is not None else ""
        super().__init__(f"backend `{backend}` does not support {what}{of}{'. ' + hint if hint else ''}")

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.backend, self.what, self.dtype, self.hint))


_package = os.path.dirname(os.path.abspath(__file__)) + os.sep
_inside: dict[str, bool] = {}


def _is_inside(filename: str) -> bool:
    """Whether a source file belongs to cotan or to one of its backend packages."""
    known = _inside.get(filename)
    if known is None:
        if len(_inside) > 8192:
            _inside.clear()
        folders = os.path.normpath(filename).split(os.sep)[:-1]
        known = _inside[filename] = (
            filename.startswith((_package, "<frozen "))
            or any(folder.startswith("cotan_") for folder in folders)
            or filename in (contextlib.__file__, functools.__file__)
        )
    return known


def _user_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_inside(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def source_frame() -> tuple[str, int, str] | None:
    """(file, line, function) of the innermost frame of the user's code; cheap enough for every traced equation."""
    frame = _user_frame()
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def user_frame() -> traceback.FrameSummary | None:
    """The innermost frame outside of cotan, with its line of source."""
    found = source_frame()
    return None if found is None else traceback.FrameSummary(*found)


def where() -> str:
    """``file.py:12, in f`` of the user's code, for messages."""
    found = source_frame()
    if found is None:
        return "<unknown place>"
    filename, line, function = found
    return f"{os.path.basename(filename)}:{line}" + (f", in {function}" if function != "<module>" else "")
