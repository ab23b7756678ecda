"""The plugin module of the CPU backend: registers it. Imports no LLVM and no BLAS."""

from __future__ import annotations

import os
import platform

from cotan.backend import API_VERSION, Backend, BackendEntry, Probe, hookimpl
from cotan.config import config


def probe() -> Probe:
    """The CPU is always there."""
    count = config.num_cpu_devices
    # Not platform.processor(), which starts another process to find out.
    kind = platform.machine()
    devices = tuple(f"CpuDevice(id={number}): {kind}, {os.cpu_count()} cores" for number in range(count))
    return Probe(True, devices)


def open_backend() -> Backend:
    """The backend itself."""
    from cotan_cpu.backend import CpuBackend

    return CpuBackend()


@hookimpl
def cotan_backends() -> list[BackendEntry]:
    """The one backend of this package."""
    return [BackendEntry("cpu", API_VERSION, open_backend, probe, aliases=("host",))]
