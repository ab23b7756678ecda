"""cotan.experimental: what may still change. Its larger parts are imported when they are first used."""

from __future__ import annotations

from typing import Any

from cotan import tracebacks as _tracebacks
from cotan.api.callbacks import io_callback as io_callback
from cotan.left_out import missing as _missing

_MODULES = ("checkify", "compilation_cache", "jet", "kernel", "mesh_utils", "multihost_utils", "ode", "pjit", "sparse")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(_missing(__name__, name))


def __dir__() -> list[str]:
    return [*(name for name in globals() if not name.startswith("_")), *_MODULES]


_tracebacks.guard(globals(), "cotan.api")
