"""Calls of one kind, described for those who write the shortest way of them: how arguments are taken apart and checked.

``api.shortcut`` makes these descriptions and writes Python for them; a backend may do better (``Executable.entry``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cotan.backend.contract import Buffer, Device
from cotan.ir.avals import ShapedArray
from cotan.ir.primitive import Primitive


class IsNode(NamedTuple):
    """The node is exactly a ``kind`` (tuple, list, dict, a class of named tuples) of so many items."""

    node: int
    kind: type
    length: int


class Item(NamedTuple):
    """The node is item ``key`` of node ``parent``: a number, or a text where that is a dict, which may lack it."""

    node: int
    parent: int
    kind: type
    key: Any


class Opened(NamedTuple):
    """The node is the tuple of children that ``open`` gives of node ``parent``; None says that it is another node."""

    node: int
    parent: int
    open: Callable[[Any], tuple[Any, ...] | None]


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


Step = IsNode | Item | Opened | Same | Equal | Leaf


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


class Shortcuts(ABC):
    """What stands in for ``bind`` of primitives, and does in native code what eager dispatch would do in Python.

    A call may take the short way where no trace is current on the calling thread and ``config.plain_dispatch`` is True.
    Its operands are live Arrays on one device, one at least, and numbers that are known; abstract values and parameters
    are those of a primitive that was learnt. All other calls, and those that fail, go on to
    ``primitive.usual`` with their arguments as they are.
    """

    @abstractmethod
    def learn(
        self,
        primitive: Primitive,
        operands: Sequence[ShapedArray],
        params: dict[str, Any],
        out: ShapedArray,
        device: Device,
    ) -> Callable[..., Any] | None:
        """Know a primitive of one result at these types and parameters, with which it has just run.

        Returns:
          What stands in for the primitive's ``bind`` from now on; None: this one has no shorter way.
        """

    @abstractmethod
    def number(self, value: Any, array: Any, mark: Any) -> None:
        """Know ``array`` as what stands for a number wherever ``config.numbers`` is the object ``mark``.

        The number is a float, an int of 64 bits, or an ndarray that never changes: then that object is meant.
        """

    @abstractmethod
    def forget(self) -> None:
        """Know nothing any more."""
