"""Threads for what NumPy does on the host without the interpreter's lock; programs have their own (``native``).

They are started when they are first needed, as many as were ever asked for, and end with the process. Knows no arrays.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}


def _forget() -> None:
    # A forked process has none of its parent's threads.
    global _lock
    _lock = threading.Lock()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _pool(count: int) -> ThreadPoolExecutor:
    with _lock:
        found = _pools.get(count)
        if found is None:
            found = _pools[count] = ThreadPoolExecutor(count, thread_name_prefix="cotan-host")
        return found


def share(work: Callable[[int], object], count: int) -> None:
    """``work(0)`` to ``work(count - 1)``, each in a thread, the first in this one; what one raises is raised."""
    others: list[Future[object]] = []
    mine = [0]
    for k in range(1, count):
        try:
            others.append(_pool(count - 1).submit(work, k))
        except RuntimeError:
            # The process is ending, and threads take no more.
            mine.append(k)
    try:
        for k in mine:
            work(k)
    finally:
        for other in others:
            other.result()
