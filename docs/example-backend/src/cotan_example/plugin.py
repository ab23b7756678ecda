"""The plugin module: what the entry point names. It imports nothing that is slow or may be absent."""

from __future__ import annotations

import os
import shutil

from cotan.backend import API_VERSION, Backend, BackendEntry, Probe, hookimpl

COMPILER = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def probe_c() -> Probe:
    """Whether there is a C compiler."""
    if COMPILER is None:
        return Probe(False, reason="no C compiler was found: install one, or name it by CC")
    return Probe(True, (f"programs are compiled by {COMPILER}",))


def open_first() -> Backend:
    """The backend of the first step."""
    from cotan_example.first import FirstBackend

    return FirstBackend()


def open_example() -> Backend:
    """The complete one."""
    from cotan_example.compiled import ExampleBackend

    return ExampleBackend()


@hookimpl
def cotan_backends() -> list[BackendEntry]:
    """Both steps of the tutorial; a priority below cpu's, so that neither becomes the default."""
    return [
        BackendEntry("example-first", API_VERSION, open_first, lambda: Probe(True), priority=-20),
        BackendEntry("example", API_VERSION, open_example, probe_c, priority=-10),
    ]
