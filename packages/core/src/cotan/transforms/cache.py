"""Weak memoisation of jaxpr transformations.

A transformed jaxpr lives exactly as long as the jaxpr it was made from, is found again by identity, and depends on the
configuration flags under which it was traced. Knows no transformation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from cotan.config import config
from cotan.ir.jaxpr import ClosedJaxpr

P = ParamSpec("P")
R = TypeVar("R")
Memo = WeakKeyDictionary[ClosedJaxpr, dict[Hashable, Any]]

_memos: list[Memo] = []


def weakly_cached(function: Callable[Concatenate[ClosedJaxpr, P], R]) -> Callable[Concatenate[ClosedJaxpr, P], R]:
    """Memoise a function of a closed jaxpr and hashable options, weakly on the jaxpr's identity."""
    memo: Memo = WeakKeyDictionary()
    lock = threading.Lock()
    _memos.append(memo)

    def cached(closed: ClosedJaxpr, /, *args: P.args, **kwargs: P.kwargs) -> R:
        key = (args, tuple(kwargs.items()), config.trace_key())
        with lock:
            results = memo.get(closed)
            if results is None:
                results = memo[closed] = {}
        if key not in results:
            # Another thread may compute the same meanwhile; the first to finish wins, so that identities are stable.
            results.setdefault(key, function(closed, *args, **kwargs))
        return results[key]  # type: ignore[no-any-return]

    cached.__name__ = function.__name__
    cached.__doc__ = function.__doc__
    return cached


def clear() -> None:
    """Forget all transformed jaxprs."""
    for memo in _memos:
        memo.clear()
