"""Locks that a forked process finds open, though a thread of its parent, which it has not, held them at that moment."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

L = TypeVar("L")
T = TypeVar("T")

_locks: weakref.WeakSet[Any] = weakref.WeakSet()


def opened_by_fork(lock: L) -> L:
    """``lock`` itself. What it guards must be whole between any two operations, or made anew by who finds it undone."""
    _locks.add(lock)
    return lock


class cached_property(functools.cached_property[T]):
    """As that of ``functools``, which before Python 3.12 has one lock for all instances."""

    def __init__(self, func: Callable[[Any], T]) -> None:
        super().__init__(func)
        if hasattr(self, "lock"):
            opened_by_fork(self.lock)


def held_by_fork(*locks: contextlib.AbstractContextManager[Any]) -> None:
    """Make every fork wait for ``locks``: of what they guard, a half is of no use.

    Others take them in this order, too, those of earlier calls first, and nobody who holds one waits for a lock not
    among them.
    """
    _held.extend(locks)


_held: list[contextlib.AbstractContextManager[Any]] = []
_taken: list[contextlib.AbstractContextManager[Any]] = []


def _acquire() -> None:
    for lock in _held:  # while a fork waits for one, whoever holds it may import modules that add others
        lock.__enter__()
        _taken.append(lock)


def _release() -> None:
    while _taken:
        _taken.pop().__exit__(None, None, None)


def _open() -> None:
    for lock in _locks:
        lock._at_fork_reinit()


importing = threading.RLock()
"""Is held while modules are loaded that a first use needs: what a child finds half imported is locked for ever."""
held_by_fork(importing)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open)
    os.register_at_fork(before=_acquire, after_in_parent=_release, after_in_child=_release)
