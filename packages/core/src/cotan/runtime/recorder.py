"""What happened when, on which thread: compilations, runs of programs and what users name. Read by the profiler.

Only written to while ``config.record_runs`` is on.
"""

from __future__ import annotations

import threading
from collections import deque
from time import perf_counter
from typing import Any, NamedTuple

MOST = 1_000_000


class Span(NamedTuple):
    """Something that lasted.

    Attributes:
      kind: what it is: "program", "compile", or "annotation".
      began, ended: in seconds of ``time.perf_counter``.
      thread: the identity of the thread.
      details: anything else that is known.
    """

    name: str
    kind: str
    began: float
    ended: float
    thread: int
    details: dict[str, Any]


_spans: deque[Span] = deque(maxlen=MOST)  # the last ones


def record(name: str, kind: str, began: float, **details: Any) -> None:
    """Note what began at ``began`` and ends now."""
    _spans.append(Span(name, kind, began, perf_counter(), threading.get_ident(), details))


def take() -> list[Span]:
    """All that was noted, in the order in which it ended, and forget it."""
    found = []
    while _spans:
        found.append(_spans.popleft())
    return found
