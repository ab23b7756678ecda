"""What a backend author reads: hooks, contract, capabilities, lowering tables, and the registry that finds backends.

A backend is an ordinary package with an entry point in the group ``cotan.backends`` whose value is a module like this::

    from cotan.backend import API_VERSION, BackendEntry, Probe, hookimpl

    @hookimpl
    def cotan_backends():
        return [BackendEntry("acme", api_version=API_VERSION, probe=lambda: Probe(True), open=open_backend)]

No program, transform or operation is known here by name, and no driver is imported. pluggy is imported when backends
are first looked for, not before.
"""

from __future__ import annotations

from typing import Any

from cotan.backend.capabilities import Capabilities
from cotan.backend.contract import (
    API_VERSION,
    Backend,
    BackendEntry,
    Buffer,
    CompileOptions,
    Device,
    Executable,
    Probe,
)
from cotan.backend.lowering import LoweringTable
from cotan.backend.registry import backends_found, default_backend, get_backend

__all__ = [
    "API_VERSION",
    "Backend",
    "BackendEntry",
    "Buffer",
    "Capabilities",
    "CompileOptions",
    "Device",
    "Executable",
    "LoweringTable",
    "Probe",
    "backends_found",
    "default_backend",
    "get_backend",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name == "hookimpl":
        from cotan.backend.hookspecs import hookimpl

        return hookimpl
    raise AttributeError(f"module 'cotan.backend' has no attribute {name!r}")
