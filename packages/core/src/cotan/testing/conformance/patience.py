"""An end for cases that have none: a backend whose threads wait for each other would hold the kit up for ever.

Knows no backend.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def watched(name: str, seconds: float | None) -> Iterator[None]:
    """End the process, with status 1, if the block takes longer than ``seconds``: threads cannot be stopped.

    The case ``name`` is printed as a failure, and where every thread stands.
    """
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, _give_up, (name, seconds))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _give_up(name: str, seconds: float) -> None:
    print(
        f"FAILED {name}\n    it has not ended after {seconds:g} seconds, and neither has what is compiled with it. "
        f"Threads cannot be stopped, so the kit ends here. This is where they stand:",
        flush=True,
    )
    faulthandler.dump_traceback(sys.__stdout__ or sys.__stderr__, all_threads=True)  # type: ignore[arg-type]
    os._exit(1)
