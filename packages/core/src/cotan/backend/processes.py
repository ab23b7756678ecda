"""Processes that compute together: which this one is. ``cotan.distributed`` writes it, backends and devices read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Processes:
    """A run of several processes.

    Attributes:
      address: where process 0 listens, as ``host:port``.
      count: how many there are.
      index: the number of this one.
      timeout: seconds that they wait for each other at the start.
    """

    address: str
    count: int
    index: int
    timeout: int = 300


_current: Processes | None = None


def current() -> Processes | None:
    """The run that this process is part of, or None."""
    return _current


def enter(processes: Processes | None) -> None:
    """Say which run this process is part of."""
    global _current
    _current = processes
