"""Memory spaces: a device's own memory, and the host's. Knows no array."""

from __future__ import annotations

import enum
from typing import Any

from cotan.backend import Device
from cotan.errors import where


class Space(enum.Enum):
    """In which memory an array lies; see ``cotan.device_put``.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.device_put(cnp.ones(2), cotan.memory.Space.Device)
    Array([1., 1.], dtype=float32)
    """

    Device = enum.auto()
    Host = enum.auto()
    Any = enum.auto()

    def __repr__(self) -> str:
        return f"Space.{self.name}"


def check_space(space: Any, device: Device) -> None:
    """Raises: ValueError: ``space`` is no memory of its own, or arrays of ``device`` cannot lie there."""
    if space is Space.Any:
        raise ValueError(f"{where()}: device_put: {space!r} is not one memory; give Space.Device or Space.Host")
    if space is Space.Host and device.platform != "cpu":
        raise ValueError(
            f"{where()}: device_put: arrays of {device} lie in its own memory only; bring them to the host by "
            "cotan.device_get(x), or by cotan.device_put(x, cotan.devices('cpu')[0])"
        )
