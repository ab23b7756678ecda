"""Breakpoints in programs: a prompt on the host, with the frames of the user's program and the values in them.

The frames are those that were active when the program was traced; the traced values in their variables are what the
program computed. Knows no transform.
"""

from __future__ import annotations

import linecache
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, NamedTuple

from cotan.api.callbacks import debug_arguments, pure_callback
from cotan.errors import is_hidden, where
from cotan.ir.trace import Tracer
from cotan.primitives.callback import debug_callback
from cotan.primitives.cast import stop_gradient
from cotan.tree import tree_flatten, tree_map


class DebuggerFrame(NamedTuple):
    """A frame of the user's program.

    Attributes:
      filename, lineno, name: where it was, and in which function.
      locals, globals: its variables.
      source: the lines of the file, or none where they are not known.
    """

    filename: str
    lineno: int
    name: str
    locals: dict[str, Any]
    globals: dict[str, Any]
    source: Sequence[str]


Debugger = Callable[..., None]
_one_at_a_time = threading.RLock()


def breakpoint(
    *,
    backend: str | None = None,
    filter_frames: bool = True,
    num_frames: int | None = None,
    ordered: bool = False,
    token: Any = None,
    **kwargs: Any,
) -> Any:
    """Stop the program here each time it gets here, and let the user look around.

    The prompt knows ``p`` and ``pp`` (print an expression; so does the expression alone), ``l`` (source), ``w`` or
    ``bt`` (the stack), ``u`` and ``d`` (move in it), ``c`` (continue), ``q`` (quit by SystemExit) and ``help``.

    Args:
      backend: which debugger; there is ``"cli"``.
      filter_frames: whether to leave out the frames of cotan itself.
      num_frames: how many frames to show, from the innermost one; None: all.
      ordered: whether it keeps its place among all ordered effects on every backend.
      token: an array or pytree of them, returned as it is: the breakpoint is where it is computed, and happens only if
        what is returned is used.
      kwargs: for the debugger: ``stdin`` and ``stdout``, text streams.

    Raises:
      ValueError: there is no such backend, or both ``ordered`` and ``token`` are given.

    >>> import cotan, io
    >>> output = io.StringIO()
    >>> @cotan.jit
    ... def f(x):
    ...     y = x * 2
    ...     cotan.debug.breakpoint(stdin=io.StringIO("p x + y\\nc\\n"), stdout=output)
    ...     return y
    >>> float(f(1.0))
    2.0
    >>> "Array(3., dtype=float32)" in output.getvalue()
    True
    """
    if token is not None and ordered:
        raise ValueError(f"{where()}: debug.breakpoint takes either ordered or token, not both")
    debugger = _debugger(backend)
    frames = list(_frames(sys._getframe(1), filter_frames))[:num_frames]
    values = _TracedValues()
    held = [frame._replace(locals={name: values.hold(x) for name, x in frame.locals.items()}) for frame in frames]

    def stop(*given: Any) -> None:
        thread = None if threading.current_thread() is threading.main_thread() else threading.get_ident()
        shown = [frame._replace(locals={name: make(given) for name, make in frame.locals.items()}) for frame in held]
        with _one_at_a_time:
            debugger(shown, thread, **kwargs)

    if token is None:
        leaves, function = debug_arguments("debug.breakpoint", stop, tuple(values.traced), {})
        debug_callback(leaves, function, ordered)
        return None

    def stop_at(token: Any, *given: Any) -> Any:
        stop(*given)
        return token

    token = tree_map(stop_gradient, token)
    return pure_callback(stop_at, token, token, *map(stop_gradient, values.traced), vmap_method="sequential")


class _TracedValues:
    """Collects the tracers in the values of variables, and says how to put values in their places."""

    def __init__(self) -> None:
        self.traced: list[Tracer] = []

    def hold(self, value: Any) -> Callable[[Sequence[Any]], Any]:
        """A function from the values of ``traced`` to ``value`` with these in it."""
        try:
            leaves, tree = tree_flatten(value)
        except Exception:
            # The user's own pytree types may not expect what their variables hold; then the variable is shown as it is.
            return lambda given: value
        if not any(isinstance(x, Tracer) for x in leaves):
            return lambda given: value
        places = [self._place(x) if isinstance(x, Tracer) and x._trace.alive else None for x in leaves]
        others = [None if isinstance(x, Tracer) else x for x in leaves]

        def make(given: Sequence[Any]) -> Any:
            return tree.unflatten([x if k is None else given[k] for k, x in zip(places, others, strict=True)])

        return make

    def _place(self, x: Tracer) -> int:
        for k, known in enumerate(self.traced):
            if known is x:
                return k
        self.traced.append(x)
        return len(self.traced) - 1


def _frames(frame: FrameType | None, filtered: bool) -> Iterator[DebuggerFrame]:
    """The frames from ``frame`` on, the innermost first."""
    while frame is not None:
        if not (filtered and is_hidden(frame)):
            code = frame.f_code
            lines = linecache.getlines(code.co_filename, frame.f_globals)
            yield DebuggerFrame(
                code.co_filename, frame.f_lineno, code.co_name, dict(frame.f_locals), frame.f_globals, lines
            )
        frame = frame.f_back


def _debugger(name: str | None) -> Debugger:
    from cotan.api.prompt import run_prompt

    if name not in (None, "cli"):
        raise ValueError(f"{where()}: debug.breakpoint: there is no debugger {name!r}; there is 'cli'")
    return run_prompt
