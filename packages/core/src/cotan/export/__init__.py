"""Exported functions: programs that are kept in files and called in other processes.

``export(jit(f))(*args)`` makes one, ``Exported.serialize`` gives bytes, ``deserialize`` reads them. The bytes hold data
only, no code: reading them is safe whoever wrote them. Programs whose shapes are not known (symbolic shapes) cannot be
exported.
"""

from typing import NoReturn

from cotan import tracebacks as _tracebacks
from cotan.export.encoding import register_param_object, register_param_type
from cotan.export.exported import (
    DisabledSafetyCheck,
    Exported,
    default_export_platform,
    deserialize,
    export,
    maximum_supported_calling_convention_version,
    minimum_supported_calling_convention_version,
)
from cotan.export.trees import register_namedtuple_serialization, register_pytree_node_serialization

__all__ = [
    "DisabledSafetyCheck",
    "Exported",
    "default_export_platform",
    "deserialize",
    "export",
    "maximum_supported_calling_convention_version",
    "minimum_supported_calling_convention_version",
    "register_namedtuple_serialization",
    "register_param_object",
    "register_param_type",
    "register_pytree_node_serialization",
]

_SYMBOLIC = ("SymbolicScope", "is_symbolic_dim", "symbolic_args_specs", "symbolic_shape")


def __getattr__(name: str) -> NoReturn:
    if name in _SYMBOLIC:
        raise AttributeError(
            f"cotan.export has no `{name}`: programs have fixed shapes. Export one program for each shape that is "
            "needed, or pad arguments to the largest"
        )
    raise AttributeError(f"module 'cotan.export' has no attribute {name!r}")


_tracebacks.guard(globals())
