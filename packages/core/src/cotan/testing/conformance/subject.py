"""The backend that is tested: its devices, what it claims, and how work gets there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cotan.backend import Backend, Device, get_backend
from cotan.config import config
from cotan.ir.primitive import Primitive, decompose, kernel, reference
from cotan.testing.conformance.cases import LEVELS


@dataclass(frozen=True)
class Subject:
    """A backend under test.

    Attributes:
      backend: the backend.
      device: the device on which everything runs that is not about several devices.
      levels: the levels at which it is tested.
      registered: whether it was found by its name, and can be chosen by it.
    """

    backend: Backend
    device: Device
    levels: frozenset[str]
    registered: bool

    @property
    def capabilities(self) -> Any:
        return self.backend.capabilities

    @contextmanager
    def place(self, x64: bool = False) -> Iterator[Device]:
        """Within the block arrays are made, and computations run, on the device; on this thread."""
        first = self.backend.devices()[0]
        by_name = self.registered and self.device is first
        where: dict[str, Any] = {"platform": self.backend.name} if by_name else {"default_device": self.device}
        with config.override(enable_x64=x64, **where):
            yield self.device

    def has(self, dtypes: frozenset[str]) -> bool:
        """Whether it claims all these dtypes."""
        return dtypes <= self.capabilities.dtypes

    def knows(self, primitive: Primitive) -> bool:
        """Whether it must be able to run ``primitive``: by a rule of its own, decomposed, or in kernels."""
        table = self.backend.lowerings()
        return (
            primitive.required
            or primitive in decompose
            or any(primitive in table.table(kind) for kind in table.kinds)
            or (self.capabilities.kernels and primitive in kernel)
            or (self.capabilities.kernels and self.capabilities.host_steps and primitive in reference)
        )

    def runs_at(self, level: str) -> bool:
        return level in self.levels

    def __str__(self) -> str:
        return f"{self.backend.name} ({self.device.device_kind}), {', '.join(sorted(self.levels))}"


def subject(backend: str | Backend, level: str | None = None, device: int = 0) -> Subject:
    """The backend of that name, or the one given, at a level; at all that it claims if none is told.

    Raises:
      BackendUnavailableError: there is no backend of that name, or it cannot be used here.
      ValueError: the backend does not open the door of that level, or has no such device.
    """
    registered = isinstance(backend, str)
    found = get_backend(backend) if isinstance(backend, str) else backend
    claimed = frozenset(name for name in LEVELS if getattr(found.capabilities, name))
    if level is not None and level not in claimed:
        raise ValueError(
            f"the backend {found.name} does not claim the level {level!r}; it claims {', '.join(sorted(claimed))}"
        )
    devices = found.devices()
    if not 0 <= device < len(devices):
        raise ValueError(f"the backend {found.name} has no device {device}; its devices are 0 to {len(devices) - 1}")
    return Subject(found, devices[device], claimed if level is None else frozenset({level}), registered)
