"""cotan.scipy.spatial: geometry. Its room is imported when it is first asked for."""

from importlib import import_module as _import_module


def __getattr__(name: str) -> object:
    if name == "transform":
        return _import_module(f"{__name__}.transform")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
