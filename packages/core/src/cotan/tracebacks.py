"""Errors as users read them: the text begins with their own line, the traceback has their own frames.

Where an exception leaves a public function it is trimmed: ``try: ... except Exception as error: trim(error); raise``,
which costs nothing where nothing is raised. ``config.traceback_filtering`` says what becomes of the system's frames;
the whole traceback stays at hand as ``error.__cotan_unfiltered__``. Knows no function by name; what belongs to the
system ``errors`` says.
"""

from __future__ import annotations

import functools
import itertools
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from types import FunctionType, TracebackType
from typing import Any, TypeVar

from cotan.config import config
from cotan.errors import CotanError, format_frame, is_hidden
from cotan.misuse import explained

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)
Again = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any], Exception], tuple[Any] | None]
_PLACED = (TypeError, ValueError, IndexError, ArithmeticError, RuntimeError, MemoryError)
_BEGINS_WITH_PLACE = re.compile(r"\S[^:\n]*:\d+(, in [^:\n]+)?: ")
_NOTE = "(cotan's own frames are left out of this traceback"
_HOW = f"{_NOTE}; COTAN_TRACEBACK_FILTERING=off shows them)"


def boundary(function: F, again: Again | None = None) -> F:
    """``function``, with the exceptions that leave it trimmed. For functions whose work is much more than a call.

    Args:
      again: may give the result after all, as a tuple of one, of the function, its arguments and the exception.
    """

    @functools.wraps(function)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            found = None if again is None else again(function, args, kwargs, error)
            if found is not None:
                return found[0]
            said = explained(function, args, kwargs, error)
            if said is None:
                trim(error)
                raise
            try:
                raise _in_place_of(error, *said)
            except Exception as shown:
                trim(shown)
                raise

    return trims(bounded)  # type: ignore[return-value]


def trims(function: F) -> F:
    """Say of a function that it trims what leaves it."""
    function._trims = True  # type: ignore[attr-defined]
    return function


def _in_place_of(error: Exception, kind: type[Exception], text: str) -> Exception:
    """An error of ``kind``, which is ``error`` itself if that is one, with its traceback and a text of its own."""
    if type(error) is kind:
        error.args = (text,)
        return error
    found = kind(text).with_traceback(error.__traceback__)
    found.__dict__.update(error.__dict__)
    found.__suppress_context__ = True
    return found


def guard(namespace: dict[str, Any], *rooms: str, again: Again | None = None) -> None:
    """Make boundaries of the functions of a public module that are not yet; what imports from below them stays fast.

    Args:
      rooms: modules and packages; of their functions only. None: of the public module's own, and of those below it.
      again: as that of ``boundary``.
    """
    prefixes = tuple(f"{room}." for room in rooms or (namespace["__name__"],))
    made: dict[int, Any] = {}
    for name, value in list(namespace.items()):
        if name.startswith("_") or type(value) is not FunctionType or "_trims" in value.__dict__:
            continue
        if not f"{value.__module__}.".startswith(prefixes):
            continue
        wrapper = made.get(id(value))
        if wrapper is None:
            wrapper = made[id(value)] = boundary(value, again)
            wrapper.__module__, wrapper.__qualname__ = namespace["__name__"], name  # where pickle finds it
        namespace[name] = wrapper


def guarded(cls: C) -> C:
    """Make boundaries of the methods of a class that users call: the public ones, and calling it."""
    for name, value in list(vars(cls).items()):
        if type(value) is FunctionType and (name == "__call__" or not name.startswith("_")):
            setattr(cls, name, boundary(value))
    return cls


def trim(error: BaseException, function: Callable[..., Any] | None = None, *args: Any) -> None:
    """Take the system's frames out of the traceback of ``error``, which is being handled, and of those it came of.

    The text of an error that the system raised begins with the user's line from now on.

    Args:
      function, args: what the user called; if Python stopped it, the text says with which arguments.
    """
    if function is not None and type(error) in (TypeError, ValueError):
        said = explained(function, args, {}, error)
        if said is not None:
            error.args = said[1:]
    if isinstance(error, _PLACED):
        _name_place(error)
    mode = config.traceback_filtering
    if mode == "off":
        return
    if mode == "tracebackhide" or (mode == "auto" and _in_ipython()):
        _hide(error.__traceback__)
        return
    removed = False
    for one in _chain(error):
        removed |= _remove(one)
    if removed:
        _note(error, _HOW if mode != "remove_frames" else _whole(error))


def _name_place(error: Exception) -> None:
    """Put the user's line before the text, unless it stands there, or the error is the user's own."""
    if isinstance(error, CotanError) and error.keeps_text:
        return
    text = error.args[0] if error.args else None
    passed = list(traceback.walk_tb(error.__traceback__))
    if type(text) is not str or not passed or not is_hidden(passed[-1][0]) or _BEGINS_WITH_PLACE.match(text):
        return
    for frame, line in itertools.chain(reversed(passed), traceback.walk_stack(passed[0][0])):
        if not is_hidden(frame):
            place = format_frame((frame.f_code.co_filename, line, frame.f_code.co_name))
            error.args = (f"{place}: {text}", *error.args[1:])
            return


def _in_ipython() -> bool:
    """Whether an interactive IPython shows tracebacks: it knows to leave out marked frames, and to show them."""
    module = sys.modules.get("IPython")
    return module is not None and module.get_ipython() is not None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it came of."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += (one.__cause__, one.__context__)


def _hide(tb: TracebackType | None) -> None:
    """Mark the system's frames, those that the exception has yet to pass too, for tools that leave out such ones."""
    for frame, _ in traceback.walk_tb(tb):
        if is_hidden(frame):
            frame.f_locals["__tracebackhide__"] = True
    for frame, _ in traceback.walk_stack(sys._getframe(2)):
        if not is_hidden(frame):
            return
        frame.f_locals["__tracebackhide__"] = True


def _remove(error: BaseException) -> bool:
    """Remove the system's frames; whether there were any, now or before."""
    known: tuple[TracebackType | None, TracebackType] | None = error.__dict__.get("_cotan_frames")
    shown, whole = known or (None, None)
    fresh: list[TracebackType] = []  # entries made since the last time
    tb = error.__traceback__
    while tb is not None and tb is not shown:
        fresh.append(tb)
        tb = tb.tb_next
    if tb is not shown:  # the traceback was replaced by someone else
        shown, whole, known = None, None, None
    kept = [entry for entry in fresh if not is_hidden(entry.tb_frame)]
    if len(kept) == len(fresh) and known is None:
        return False
    for entry in reversed(fresh):
        whole = TracebackType(whole, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    for entry in reversed(kept):
        shown = TracebackType(shown, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    error.__traceback__ = shown
    error._cotan_frames = (shown, whole)  # type: ignore[attr-defined]
    error.__cotan_unfiltered__ = whole  # type: ignore[attr-defined]
    return True


def _whole(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__cotan_unfiltered__))  # type: ignore[attr-defined]
    return f"{_NOTE}; with them it is)\n{frames.rstrip()}"


def _note(error: BaseException, text: str) -> None:
    """Add the note, in place of an earlier one."""
    notes = [note for note in getattr(error, "__notes__", ()) if not str(note).startswith(_NOTE)]
    error.__notes__ = [*notes, text]
