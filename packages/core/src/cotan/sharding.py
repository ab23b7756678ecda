"""cotan.sharding: meshes, partition specs and shardings, and which mesh is current. Programs run on one device."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cotan import tracebacks as _tracebacks
from cotan.errors import where as _where
from cotan.ir.trace import Tracer as _Tracer
from cotan.lax.marks import with_sharding_constraint as _with_sharding_constraint
from cotan.runtime.current_mesh import get_abstract_mesh as get_abstract_mesh
from cotan.runtime.current_mesh import get_mesh as get_mesh
from cotan.runtime.current_mesh import make_mesh as make_mesh
from cotan.runtime.current_mesh import set_mesh as set_mesh
from cotan.runtime.current_mesh import use_abstract_mesh as use_abstract_mesh
from cotan.runtime.devices import as_device as _as_device
from cotan.runtime.devices import device_put as _device_put
from cotan.runtime.sharding import AbstractDevice as AbstractDevice
from cotan.runtime.sharding import AbstractMesh as AbstractMesh
from cotan.runtime.sharding import AxisType as AxisType
from cotan.runtime.sharding import Mesh as Mesh
from cotan.runtime.sharding import NamedSharding as NamedSharding
from cotan.runtime.sharding import PartitionSpec as PartitionSpec
from cotan.runtime.sharding import Sharding as Sharding
from cotan.runtime.sharding import SingleDeviceSharding as SingleDeviceSharding
from cotan.runtime.sharding import named as _named
from cotan.tree import tree_leaves as _tree_leaves


@dataclass(frozen=True)
class ManualAxisType:
    """Over which manual axes of a mesh a value varies, is still to be summed, or is summed."""

    varying: frozenset[Any] = frozenset()
    unreduced: frozenset[Any] = frozenset()
    reduced: frozenset[Any] = frozenset()


def make_single_device_sharding(device: Any, *, memory_kind: str | None = None) -> SingleDeviceSharding:
    """All of an array on one device.

    >>> import cotan
    >>> cotan.sharding.make_single_device_sharding(cotan.devices("cpu")[0])
    SingleDeviceSharding(device=CpuDevice(id=0))
    """
    sharding = SingleDeviceSharding(_as_device(device, "make_single_device_sharding"))
    sharding.with_memory_kind(memory_kind or "device")
    return sharding


def reshard(xs: Any, out_shardings: Any) -> Any:
    """Arrays brought to where shardings say, also inside of a program. Specs refer to the current mesh.

    Raises:
      ValueError: a sharding has several devices, or a spec does not fit the current mesh.

    >>> import cotan, cotan.numpy as cnp
    >>> with cotan.set_mesh(cotan.make_mesh((1,), ("x",))):
    ...     cotan.reshard(cnp.arange(3), cotan.P("x"))
    Array([0, 1, 2], dtype=int32)
    """
    shardings = _named(out_shardings, get_mesh())
    if any(isinstance(x, _Tracer) for x in _tree_leaves(xs)):
        return _with_sharding_constraint(xs, shardings)
    return _device_put(xs, shardings)


def _with_axes(api: str, f: Callable[..., Any] | None, axes: Any) -> Any:
    """On one device every type of axis means the same, so the function stays what it is."""
    names = (axes,) if isinstance(axes, str) else tuple(axes or ())

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            known = get_abstract_mesh().axis_names
            unknown = [name for name in names if name not in known]
            if unknown:
                raise ValueError(f"{_where()}: {api}: the current mesh has no axis {unknown[0]!r}; it has {known}")
            return function(*args, **kwargs)

        return wrapped

    return decorate if f is None else decorate(f)


def auto_axes(f: Any = None, /, *, axes: Any = None, out_sharding: Any = None) -> Any:
    """A function in which the compiler divides ``axes`` of the current mesh: on one device the function itself.

    Raises:
      ValueError: (when called) the current mesh has no such axis.
    """
    return _with_axes("auto_axes", f, axes)


def explicit_axes(f: Any = None, /, *, axes: Any = None, in_sharding: Any = None) -> Any:
    """A function in which types say how ``axes`` are divided: on one device the function itself.

    Raises:
      ValueError: (when called) the current mesh has no such axis.
    """
    return _with_axes("explicit_axes", f, axes)


_tracebacks.guard(globals(), "cotan.sharding", "cotan.runtime.current_mesh")
