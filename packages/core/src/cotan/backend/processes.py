"""Processes that compute together: which this one is. ``cotan.distributed`` writes it, backends and devices read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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


class Board(Protocol):
    """Where the processes of a run leave bytes for each other; a backend that lets processes join brings one."""

    def put(self, key: str, value: bytes) -> None:
        """Leave ``value`` under a key that nobody has used."""

    def get(self, key: str, seconds: float) -> bytes | None:
        """What stands under a key, when it is there; None if it is not after so many seconds (0: now)."""

    def barrier(self, key: str, seconds: float) -> None:
        """Wait until all processes are here; an error if they do not come."""

    def live(self) -> set[int]:
        """The numbers of the processes that answer."""


_current: Processes | None = None
_board: Board | None = None


def current() -> Processes | None:
    """The run that this process is part of, or None."""
    return _current


def enter(processes: Processes | None) -> None:
    """Say which run this process is part of."""
    global _current, _board
    _current = processes
    if processes is None:
        _board = None


def share(board: Board) -> None:
    """Say by which board this process exchanges bytes with the others of its run."""
    global _board
    _board = board


def board() -> Board | None:
    """The board of the run, or None."""
    return _board
