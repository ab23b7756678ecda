"""Calls of one kind, described for those who write the shortest way of them: how arguments are taken apart and checked.

``api.shortcut`` makes these descriptions and writes Python for them; a backend may do better (``Executable.entry``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from cotan.backend.contract import Buffer, Device
from cotan.ir.avals import ShapedArray


class IsNode(NamedTuple):
    """The node is exactly a ``kind`` (tuple, list, dict) of so many items."""

    node: int
    kind: type
    length: int


class Item(NamedTuple):
    """The node is item ``key`` of node ``parent``: a number, or a text where that is a dict, which may lack it."""

    node: int
    parent: int
    kind: type
    key: Any


class Same(NamedTuple):
    """The node is this object."""

    node: int
    value: Any


class Equal(NamedTuple):
    """The node is of this plain value's type, and equal to it."""

    node: int
    value: Any


class Leaf(NamedTuple):
    """The node is argument ``number`` of the program.

    It is an Array of exactly the abstract value ``aval`` on the call's device; or a bool, int or float that becomes
    one; or an ndarray of its dtype and shape, which is copied if ``copied``, and else may be read where it lies.
    """

    node: int
    number: int
    kind: type
    aval: ShapedArray
    copied: bool


Step = IsNode | Item | Same | Equal | Leaf


@dataclass(frozen=True)
class Call:
    """Calls of one kind.

    On the calling thread no trace may be current, ``config.key`` must be ``key`` and ``config.plain_dispatch`` True.

    Attributes:
      nodes: how many objects are met: the tuple of positional arguments (node 0), the dictionary of those by name (node
        1, if ``named``), and what they consist of.
      steps: what is looked at, in order.
      held: buffers that come before those of the arguments.
      count: the number of arguments with leaves.
      donated: the arguments that the call gives up, all of them Arrays. They are deleted when it has been done. Where
        somebody else refers to their buffers, it is a call of another kind.
      out_avals, together: the types of the results, and what makes their tree: None where the one result is all of it,
        ``tuple`` where they are returned as a tuple, and else a function of all of them.
      miss: what is returned where anything is different, before anything was done.
      array: the type of Arrays, with the attributes ``aval``, ``_buffer``, ``_device`` and ``_committed`` (whether
        one of the arguments is).
    """

    key: Any
    named: bool
    nodes: int
    steps: tuple[Step, ...]
    held: tuple[Buffer, ...]
    count: int
    device: Device
    donated: tuple[int, ...]
    out_avals: tuple[ShapedArray, ...]
    together: Callable[..., Any] | None
    miss: Any
    array: type
