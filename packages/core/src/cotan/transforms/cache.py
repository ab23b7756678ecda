"""Memoisation of jaxpr transformations.

A transformed jaxpr lives exactly as long as the jaxpr it was made from, is found again by identity, and depends on the
configuration flags under which it was traced. Knows no transformation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from cotan.config import config
from cotan.ir.jaxpr import ClosedJaxpr, forget_kept

P = ParamSpec("P")
R = TypeVar("R")


def weakly_cached(function: Callable[Concatenate[ClosedJaxpr, P], R]) -> Callable[Concatenate[ClosedJaxpr, P], R]:
    """Memoise a function of a closed jaxpr and hashable options, with the jaxpr."""

    def cached(closed: ClosedJaxpr, /, *args: P.args, **kwargs: P.kwargs) -> R:
        key = (args, tuple(kwargs.items()), config.trace_key())
        results = closed.kept(function)
        if key not in results:
            # Another thread may compute the same meanwhile; the first to finish wins, so that identities are stable.
            results.setdefault(key, function(closed, *args, **kwargs))
        return results[key]  # type: ignore[no-any-return]

    cached.__name__ = function.__name__
    cached.__doc__ = function.__doc__
    return cached


def clear() -> None:
    """Forget all transformed jaxprs (and whatever else is kept with programs)."""
    forget_kept()
