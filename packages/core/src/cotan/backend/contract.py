"""The contract of a backend: a dozen methods on four kinds of object, and the record that registers it.

Buffers are untyped bytes with a length; shapes and dtypes are the runtime's knowledge, except that ``put`` and
``to_host`` speak NumPy. Nothing here says how arrays look to users, nor how programs are made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cotan.backend.capabilities import Capabilities
from cotan.backend.lowering import LoweringTable
from cotan.backend.processes import Processes
from cotan.errors import UnsupportedError

if TYPE_CHECKING:
    import numpy as np

    from cotan.backend.calls import Call, Shortcuts
    from cotan.ir.avals import ShapedArray
    from cotan.ir.jaxpr import ClosedJaxpr
    from cotan.ir.primitive import Primitive
    from cotan.ir.program import Program

API_VERSION = 1
"""The version of everything in ``cotan.backend``; a backend names the one it was written for."""


class Buffer(ABC):
    """A piece of device memory that holds one array. Immutable once handed out; freed with its last reference."""

    __slots__ = ()

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Its size in bytes."""

    @abstractmethod
    def to_host(self) -> np.ndarray[Any, Any]:
        """The array's value; waits for it. May be a read-only view of the buffer where memory is shared."""

    @abstractmethod
    def copy_to(self, device: Device) -> Buffer:
        """The same array on another device, also one of another backend."""

    @abstractmethod
    def delete(self) -> None:
        """Give the memory back now; the buffer cannot be used any more. Deleting twice does nothing."""

    @abstractmethod
    def is_deleted(self) -> bool:
        """Whether ``delete`` has been called, or the memory donated."""

    def wait(self) -> None:  # noqa: B027 - a backend that computes at once has nothing to do
        """Wait until the value is there; raise what went wrong in computing it."""

    def is_ready(self) -> bool:
        """Whether ``wait`` would return at once."""
        return True


class Device(ABC):
    """One device of a backend. Hashable, and the same object for the life of the process."""

    __slots__ = ()
    id: int
    platform: str
    device_kind: str
    backend: Backend

    @abstractmethod
    def put(self, value: np.ndarray[Any, Any], *, copy: bool = True) -> Buffer:
        """A buffer with the contents of a NumPy array of any layout.

        Args:
          value: any ndarray whose dtype the backend supports.
          copy: False allows (does not promise) the buffer to share memory that nobody will write to.

        Raises:
          UnsupportedError: the backend has no such dtype.
        """

    @abstractmethod
    def synchronize(self) -> None:
        """Wait for all work given to this device; called at the end of the process too."""

    def memory_stats(self) -> dict[str, int]:
        """Figures about memory (``bytes_in_use``, ...); empty where the driver tells none."""
        return {}

    def __repr__(self) -> str:
        return f"{self.platform.capitalize()}Device(id={self.id})"

    def __str__(self) -> str:
        return repr(self)


class Executable(ABC):
    """A compiled program, bound to one device."""

    __slots__ = ()
    fast_call: Callable[..., Any] | None = None
    """Optional short cut for synchronous programs without donation: ``fast_call(buffers) -> list of buffers``."""
    direct: Callable[..., Any] | None = None
    """The same without lists: ``direct(*buffers)`` is the buffer of the only result, or a tuple of several."""
    forwarded: frozenset[int] | None = None
    """For programs that have run when ``run`` returns: the arguments whose memory a result may share. As the others the
    caller's NumPy arrays are then read in place. None: the program may still be running, so they are copied."""

    @abstractmethod
    def run(self, args: Sequence[Buffer], donated: Sequence[bool] = ()) -> list[Buffer]:
        """Start the program on ``args`` and return its results, which may still be being computed.

        Args:
          args: one buffer per input, on this executable's device, of exactly the compiled types.
          donated: per argument, whether its memory may be taken over; such buffers are deleted afterwards. A buffer
            whose memory something else still holds is copied, not overwritten.
        """

    def donating(self, donated: Sequence[bool]) -> Callable[..., Any] | None:
        """Optional: ``direct`` for calls that give up those arguments, whose buffers nobody else refers to."""
        return None

    def entry(self, call: Call) -> Callable[..., Any] | None:
        """Optional: the quickest function for calls of one kind, from arguments as the user gives them to Arrays; see
        ``Call``. Without one, Python is written around ``direct``, or ``donating``."""
        return None

    def cost(self) -> list[tuple[str, float]]:
        """(step, estimated seconds) in order, for explanations; may be empty."""
        return []

    def text(self) -> str:
        """The code that was generated, for readers; may be empty."""
        return ""

    def memory(self) -> dict[str, int]:
        """Bytes besides those of arguments and results: ``workspace`` while it runs, ``code``, ``constants``; and
        ``donated``, of results in the place of arguments; those that it knows."""
        return {}

    def analysis(self) -> dict[str, float]:
        """What its compiler counts of the whole program: ``flops``, ``bytes accessed``; those that it knows."""
        return {}


@dataclass(frozen=True)
class CompileOptions:
    """What ``Backend.compile`` is told besides the program.

    Attributes:
      device: where the executable will run.
      donated: per argument, whether it may be donated (a Program has used this in its plan already).
      name: for messages and profiles.
      any_size: whether the same operation is likely to come with other shapes, as eager code has it: a backend to which
        building code is dear may build such that it serves them too.
    """

    device: Device
    donated: tuple[bool, ...] = ()
    name: str = ""
    any_size: bool = False


class Backend(ABC):
    """A family of devices and the way in which programs get there. Made by ``BackendEntry.open``, once per process."""

    name: str
    platform_version: str = ""
    capabilities: Capabilities
    dialects: tuple[str, ...] = ()
    """The languages in which ``text`` shows programs."""

    @abstractmethod
    def devices(self) -> list[Device]:
        """Its devices, in order of ``id``, always the same objects; never empty."""

    def lowerings(self) -> LoweringTable:
        """Which primitives it knows by itself."""
        return LoweringTable(self.name)

    def extend(self, table: LoweringTable) -> None:
        """Take over rules that another package provides (hook ``cotan_lowerings``)."""
        raise UnsupportedError(self.name, "rules from other packages")

    def compile(self, program: Program | ClosedJaxpr, options: CompileOptions) -> Executable:
        """An executable for what its door takes: a Program, or a ClosedJaxpr whose primitives are all ``native``."""
        raise UnsupportedError(self.name, "compiled programs")

    def text(self, program: Program | ClosedJaxpr, options: CompileOptions, dialect: str) -> str:
        """What ``compile`` would be given, in one of ``dialects``."""
        raise UnsupportedError(self.name, f"programs as {dialect}")

    def eager(
        self,
        primitive: Primitive,
        buffers: Sequence[Buffer],
        params: dict[str, Any],
        out_avals: Sequence[ShapedArray],
        device: Device,
    ) -> list[Buffer]:
        """Door 1: one primitive on buffers of ``device``; a list of results, also for one."""
        raise UnsupportedError(self.name, f"running `{primitive}` at once")

    def direct(
        self,
        primitive: Primitive,
        in_avals: Sequence[ShapedArray],
        out_aval: ShapedArray,
        params: dict[str, Any],
        device: Device,
    ) -> Callable[..., Buffer] | None:
        """Optional short cut of ``eager`` for one kind of operands: ``direct(*buffers) -> buffer``.

        Asked once for a primitive of one result, at types and parameters for which ``eager`` has run; None: there is
        none.
        """
        return None

    def shortcuts(self, array: type) -> Shortcuts | None:
        """Optional: native code for eager operations on Arrays, which are of type ``array``; None: there is none.

        Asked once, when so many operations have run that making it pays.
        """
        return None

    def __repr__(self) -> str:
        return f"<backend {self.name}>"


@dataclass(frozen=True)
class Probe:
    """What a cheap look found: whether the backend can be used here, its devices in words, and if not, why not."""

    usable: bool
    devices: tuple[str, ...] = ()
    reason: str = ""
    version: str = ""


@dataclass(frozen=True)
class BackendEntry:
    """The registration of a backend.

    Attributes:
      name: unique; what users write in ``platform``.
      api_version: the ``API_VERSION`` that it was written for.
      open: makes the Backend; may import drivers. Called once.
      probe: a cheap look that imports no driver if it can be avoided, and never raises for an absent device.
      aliases: other names that users may write.
      priority: of the usable backends the one with the highest becomes the default (cpu has 0).
      join: how this process joins a run of several, before ``open``; None: the backend knows one process only.
      leave: how it leaves that run.
    """

    name: str
    api_version: int
    open: Callable[[], Backend]
    probe: Callable[[], Probe]
    aliases: tuple[str, ...] = field(default=())
    priority: int = 0
    join: Callable[[Processes], None] | None = None
    leave: Callable[[], None] | None = None
