"""How arrays lie on devices: meshes with named axes, partition specs, shardings.

A program here runs on one device. Meshes and specs of any size can be written down and compared; what brings an array
somewhere asks ``only_device`` and refuses several devices in clear words. Knows no array and no operation.
"""

from __future__ import annotations

import enum
import functools
import math
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cotan.backend import Device
from cotan.errors import where
from cotan.ir.avals import undivided
from cotan.tracebacks import boundary
from cotan.tree import tree_map

Index = tuple[slice, ...]


class AxisType(enum.Enum):
    """How an axis of a mesh is divided: by the compiler, by types that say it, or by the program's own collectives."""

    Auto = enum.auto()
    Explicit = enum.auto()
    Manual = enum.auto()

    def __repr__(self) -> str:
        return self.name


class _Unconstrained:
    """In a spec: this axis may be divided in any way."""

    def __repr__(self) -> str:
        return "UNCONSTRAINED"


class PartitionSpec:
    """By which axes of a mesh each axis of an array is divided: a name, a tuple of names, or None.

    Attributes:
      partitions: the entries.

    >>> import cotan
    >>> cotan.sharding.PartitionSpec("x", ("y", "z"), None)
    P('x', ('y', 'z'), None)
    """

    __slots__ = ("__weakref__", "partitions", "reduced", "unreduced")
    UNCONSTRAINED: Any = _Unconstrained()

    @boundary
    def __init__(self, *partitions: Any, unreduced: Any = frozenset(), reduced: Any = frozenset()) -> None:
        seen: list[Hashable] = []
        entries = []
        for entry in partitions:
            if isinstance(entry, Sequence) and not isinstance(entry, str):
                entry = tuple(entry)
                entry = None if not entry else entry[0] if len(entry) == 1 else entry
            entries.append(entry)
            seen += _names(entry)
        if len(set(seen)) != len(seen):
            raise ValueError(
                f"{where()}: PartitionSpec: an axis of the mesh is named twice in {tuple(entries)}; each can divide "
                "one axis of an array"
            )
        self.partitions = tuple(entries)
        self.unreduced, self.reduced = frozenset(unreduced), frozenset(reduced)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.partitions)

    def __len__(self) -> int:
        return len(self.partitions)

    def __getitem__(self, index: Any) -> Any:
        return self.partitions[index]

    def __add__(self, other: Any) -> PartitionSpec:
        return PartitionSpec(*self.partitions, *other)

    def index(self, value: Any) -> int:
        """The place of the first entry that equals ``value``."""
        return self.partitions.index(value)

    def count(self, value: Any) -> int:
        """How many entries equal ``value``."""
        return self.partitions.count(value)

    def update(self, **changes: Any) -> PartitionSpec:
        """The spec with ``partitions``, ``unreduced`` or ``reduced`` replaced."""
        kept = {"partitions": self.partitions, "unreduced": self.unreduced, "reduced": self.reduced, **changes}
        return PartitionSpec(*kept.pop("partitions"), **kept)

    def _key(self) -> Any:
        return (self.partitions, self.unreduced, self.reduced)

    def __eq__(self, other: Any) -> bool:
        return self._key() == other._key() if isinstance(other, PartitionSpec) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> Any:
        return (_spec_from, self._key())

    def __repr__(self) -> str:
        entries = [repr(entry) for entry in self.partitions]
        entries += [f"{n}={set(v)!r}" for n, v in (("unreduced", self.unreduced), ("reduced", self.reduced)) if v]
        return f"P({', '.join(entries)})"


def _spec_from(partitions: Any, unreduced: Any, reduced: Any) -> PartitionSpec:
    return PartitionSpec(*partitions, unreduced=unreduced, reduced=reduced)


def _names(entry: Any) -> tuple[Any, ...]:
    """The axes of the mesh that an entry of a spec names."""
    if entry is None or entry is PartitionSpec.UNCONSTRAINED:
        return ()
    return entry if isinstance(entry, tuple) else (entry,)


class _Axes:
    """Named axes with extents: what meshes have in common."""

    axis_names: tuple[Any, ...]
    axis_sizes: tuple[int, ...]
    axis_types: tuple[AxisType, ...]

    def _set_axes(self, api: str, sizes: Sequence[int], names: Any, types: Any) -> None:
        self.axis_names = (names,) if isinstance(names, str) else tuple(names)
        self.axis_sizes = tuple(int(n) for n in sizes)
        if len(self.axis_names) != len(self.axis_sizes):
            raise ValueError(
                f"{where()}: {api}: {len(self.axis_names)} names {self.axis_names} for {len(self.axis_sizes)} axes of "
                f"extents {self.axis_sizes}; give one name for each"
            )
        if len(set(self.axis_names)) != len(self.axis_names):
            raise ValueError(f"{where()}: {api}: the names of axes must differ, got {self.axis_names}")
        given = AxisType.Auto if types is None else types
        self.axis_types = (given,) * len(self.axis_names) if isinstance(given, AxisType) else tuple(given)
        if len(self.axis_types) != len(self.axis_names) or not all(isinstance(t, AxisType) for t in self.axis_types):
            raise ValueError(f"{where()}: {api}: axis_types must be one AxisType for each axis, got {types!r}")

    @property
    def shape(self) -> OrderedDict[Any, int]:
        """The extents by name."""
        return OrderedDict(zip(self.axis_names, self.axis_sizes, strict=True))

    @property
    def shape_tuple(self) -> tuple[tuple[Any, int], ...]:
        """The names with their extents."""
        return tuple(self.shape.items())

    @property
    def size(self) -> int:
        """How many devices it has."""
        return math.prod(self.axis_sizes) if self.axis_names else 0

    @property
    def empty(self) -> bool:
        """Whether it has no axes."""
        return not self.axis_names

    def _of_type(self, kind: AxisType) -> tuple[Any, ...]:
        return tuple(n for n, t in zip(self.axis_names, self.axis_types, strict=True) if t is kind)

    @property
    def auto_axes(self) -> tuple[Any, ...]:
        """The axes that the compiler divides."""
        return self._of_type(AxisType.Auto)

    @property
    def explicit_axes(self) -> tuple[Any, ...]:
        """The axes whose division types say."""
        return self._of_type(AxisType.Explicit)

    @property
    def manual_axes(self) -> tuple[Any, ...]:
        """The axes that the program divides itself."""
        return self._of_type(AxisType.Manual)

    def _text(self) -> str:
        axes = ", ".join(f"{name!r}: {size}" for name, size in self.shape.items())
        return f"{axes}, axis_types=({', '.join(map(repr, self.axis_types))})" if axes else ""


class Mesh(_Axes):
    """Devices in a grid whose axes have names. As a context manager it is the current mesh (``get_mesh``).

    Args:
      devices: an array of devices, of as many axes as there are names.
      axis_names: the names.
      axis_types: an ``AxisType`` for each axis; by default ``Auto``.

    Raises:
      ValueError: names and axes do not go together.

    >>> import cotan, numpy as np
    >>> mesh = cotan.sharding.Mesh(np.array(cotan.devices()[:1]), ("x",))
    >>> mesh.size, mesh.axis_names
    (1, ('x',))
    """

    def __init__(self, devices: Any, axis_names: Any, axis_types: Any = None) -> None:
        grid = np.array(devices, dtype=object)
        if not all(isinstance(device, Device) for device in grid.flat):
            raise TypeError(f"{where()}: Mesh takes an array of devices (cotan.devices()), got {devices!r}")
        self.devices = grid
        grid.flags.writeable = False
        self._set_axes("Mesh", grid.shape, axis_names, axis_types)

    @classmethod
    def of_nothing(cls) -> Mesh:
        """The mesh without axes and devices."""
        mesh = cls.__new__(cls)
        mesh.devices = np.empty((), object)
        mesh._set_axes("Mesh", (), (), None)
        return mesh

    @property
    def device_ids(self) -> np.ndarray[Any, Any]:
        """The numbers of the devices, in the grid."""
        return np.array([device.id for device in self.devices.flat], int).reshape(self.devices.shape)

    @property
    def local_devices(self) -> list[Device]:
        """The devices of this process: all."""
        return list(self.devices.flat)

    @property
    def local_mesh(self) -> Mesh:
        """The part of this process: all of it."""
        return self

    @property
    def is_multi_process(self) -> bool:
        """Whether several processes have its devices: never."""
        return False

    @property
    def abstract_mesh(self) -> AbstractMesh:
        """Its axes without the devices."""
        return AbstractMesh(self.axis_sizes, self.axis_names, self.axis_types)

    def update(self, **changes: Any) -> Mesh:
        """The mesh with ``devices``, ``axis_names`` or ``axis_types`` replaced."""
        kept = {"devices": self.devices, "axis_names": self.axis_names, "axis_types": self.axis_types}
        return Mesh(**{**kept, **changes})

    def _key(self) -> Any:
        return (self.devices.shape, tuple(self.devices.flat), self.axis_names, self.axis_types)

    def __eq__(self, other: Any) -> bool:
        return self._key() == other._key() if isinstance(other, Mesh) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Mesh({self._text()})"

    def __enter__(self) -> Mesh:
        from cotan.runtime.current_mesh import enter

        enter(self)
        return self

    def __exit__(self, *exc_info: object) -> None:
        from cotan.runtime.current_mesh import leave

        leave()


class AbstractMesh(_Axes):
    """Named axes with extents, without devices.

    >>> import cotan
    >>> cotan.sharding.AbstractMesh((2, 4), ("x", "y")).size
    8
    """

    def __init__(
        self, axis_sizes: Sequence[int], axis_names: Any, axis_types: Any = None, *, abstract_device: Any = None
    ) -> None:
        self._set_axes("AbstractMesh", axis_sizes, axis_names, axis_types)
        self.abstract_device = abstract_device

    @property
    def abstract_mesh(self) -> AbstractMesh:
        """Itself."""
        return self

    @property
    def devices(self) -> Any:
        """There are none.

        Raises:
          ValueError: always.
        """
        raise ValueError(f"{where()}: an AbstractMesh has no devices; make a Mesh of cotan.devices()")

    def update(self, **changes: Any) -> AbstractMesh:
        """The mesh with ``axis_sizes``, ``axis_names`` or ``axis_types`` replaced."""
        kept = {"axis_sizes": self.axis_sizes, "axis_names": self.axis_names, "axis_types": self.axis_types}
        return AbstractMesh(**{**kept, **changes})

    def _key(self) -> Any:
        return (self.shape_tuple, self.axis_types, self.abstract_device)

    def __eq__(self, other: Any) -> bool:
        return self._key() == other._key() if isinstance(other, AbstractMesh) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"AbstractMesh({self._text() or '()'})"


@dataclass(frozen=True)
class AbstractDevice:
    """What kind a device is, without one."""

    device_kind: str
    num_cores: int | None = None
    platform: str | None = None


class Sharding:
    """How an array lies on devices. Subclasses say on which, and which part is where."""

    __slots__ = ("__weakref__",)
    memory_kind: Any = None

    @property
    def device_set(self) -> set[Device]:
        """The devices that hold a part of the array."""
        raise NotImplementedError(f"{type(self).__name__} does not say which devices it has")

    @property
    def addressable_devices(self) -> set[Device]:
        """Those that this process can reach: all."""
        return self.device_set

    @property
    def num_devices(self) -> int:
        """How many devices hold a part of the array."""
        return len(self.device_set)

    @property
    def is_fully_addressable(self) -> bool:
        """Whether this process can reach all parts: always."""
        return True

    @property
    def has_addressable_devices(self) -> bool:
        """Whether this process can reach a part: always."""
        return True

    @property
    def is_fully_replicated(self) -> bool:
        """Whether each device holds all of the array."""
        return self.num_devices == 1

    def shard_shape(self, global_shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the part that a device holds."""
        return tuple(global_shape)

    def devices_indices_map(self, global_shape: Sequence[int]) -> Mapping[Device, Index]:
        """For each device which part it holds, as slices."""
        return {only_device(self, "devices_indices_map"): (slice(None),) * len(global_shape)}

    addressable_devices_indices_map = devices_indices_map

    def is_equivalent_to(self, other: Any, ndim: int) -> bool:
        """Whether an array of ``ndim`` axes lies the same way under both."""
        return isinstance(other, Sharding) and self.num_devices == 1 and self.device_set == other.device_set

    def with_memory_kind(self, kind: str) -> Sharding:
        """The same on another kind of memory: here there is one kind for a device."""
        if kind not in (None, "device"):
            raise ValueError(f"{where()}: with_memory_kind: devices here have one memory, 'device', not {kind!r}")
        return self


@dataclass(frozen=True, repr=False)
class SingleDeviceSharding(Sharding):
    """All of an array on one device."""

    device: Device

    @property
    def device_set(self) -> set[Device]:
        """The devices that hold a part of the array."""
        return {self.device}

    def __repr__(self) -> str:
        return f"SingleDeviceSharding(device={self.device!r})"


class NamedSharding(Sharding):
    """An array divided over the axes of a mesh as a spec says.

    Args:
      mesh: the devices.
      spec: for each axis of the array the axes of the mesh by which it is divided; missing entries are None.

    Raises:
      ValueError: the spec names an axis that the mesh does not have.

    >>> import cotan, cotan.numpy as cnp
    >>> mesh = cotan.make_mesh((1,), ("x",))
    >>> sharding = cotan.sharding.NamedSharding(mesh, cotan.P("x"))
    >>> cotan.device_put(cnp.arange(3), sharding).sharding.is_equivalent_to(sharding, 1)
    True
    """

    __slots__ = ("mesh", "spec")

    def __init__(self, mesh: Any, spec: Any, *, memory_kind: str | None = None) -> None:
        if not isinstance(mesh, Mesh | AbstractMesh):
            raise TypeError(f"{where()}: NamedSharding takes a Mesh, got {mesh!r}")
        if not isinstance(spec, PartitionSpec):
            raise TypeError(f"{where()}: NamedSharding takes a PartitionSpec, got {spec!r}; write P(...)")
        unknown = [name for entry in spec for name in _names(entry) if name not in mesh.axis_names]
        if unknown:
            raise ValueError(
                f"{where()}: NamedSharding: the spec {spec} names the axis {unknown[0]!r}, and the mesh has "
                f"{mesh.axis_names}"
            )
        self.mesh, self.spec = mesh, spec
        self.with_memory_kind(memory_kind or "device")

    def update(self, *, mesh: Any = None, spec: Any = None, memory_kind: str | None = None) -> NamedSharding:
        """The same with another mesh or spec, which may be a sequence of entries.

        Raises:
          ValueError: the spec names an axis that the mesh does not have.

        >>> import cotan
        >>> sharding = cotan.NamedSharding(cotan.make_mesh((1,), ("x",)), cotan.P("x", None))
        >>> sharding.update(spec=sharding.spec[1:]).spec
        P(None)
        """
        mesh = self.mesh if mesh is None else mesh
        spec = self.spec if spec is None else spec if isinstance(spec, PartitionSpec) else PartitionSpec(*spec)
        return NamedSharding(mesh, spec, memory_kind=memory_kind)

    @property
    def device_set(self) -> set[Device]:
        """The devices that hold a part of the array."""
        return set(self.mesh.devices.flat)

    @property
    def is_fully_replicated(self) -> bool:
        """Whether each device holds all of the array."""
        return all(self.mesh.shape[name] == 1 for entry in self.spec for name in _names(entry))

    def shard_shape(self, global_shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the part that a device holds.

        Raises:
          ValueError: the spec has more entries than the shape, or an extent is not divided evenly.
        """
        shape = list(global_shape)
        if len(self.spec) > len(shape):
            raise ValueError(f"{where()}: the spec {self.spec} has more entries than an array of shape {tuple(shape)}")
        for axis, entry in enumerate(self.spec):
            parts = math.prod(self.mesh.shape[name] for name in _names(entry))
            if shape[axis] % parts:
                raise ValueError(
                    f"{where()}: axis {axis} of extent {shape[axis]} cannot be divided evenly into {parts} parts, as "
                    f"{self.spec} asks of shape {tuple(global_shape)}"
                )
            shape[axis] //= parts
        return tuple(shape)

    def _key(self) -> Any:
        return (self.mesh, self.spec)

    def __eq__(self, other: Any) -> bool:
        return self._key() == other._key() if isinstance(other, NamedSharding) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> Any:
        return (NamedSharding, (self.mesh, self.spec))

    def __repr__(self) -> str:
        return f"NamedSharding(mesh={self.mesh!r}, spec={self.spec!r})"


@functools.cache
def _undivided(ndim: int) -> NamedSharding:
    return NamedSharding(AbstractMesh((), ()), PartitionSpec(*[None] * ndim))


undivided.append(_undivided)


def only_device(sharding: Sharding, fun_name: str) -> Device:
    """The one device of a sharding.

    Raises:
      ValueError: it has several: programs here run on one.
    """
    devices = sharding.device_set
    if len(devices) != 1:
        raise ValueError(
            f"{where()}: {fun_name}: {sharding!r} divides arrays over {len(devices)} devices, and arrays here lie on "
            "one; use a mesh of one device"
        )
    return next(iter(devices))


def grid_of(devices: Iterable[Device], shape: Sequence[int], api: str) -> np.ndarray[Any, Any]:
    """Devices in a grid of the given shape.

    Raises:
      ValueError: there are not as many.
    """
    known = list(devices)
    number = math.prod(shape)
    if number > len(known):
        raise ValueError(
            f"{where()}: {api}: a mesh of shape {tuple(shape)} needs {number} devices, and there are {len(known)}"
        )
    grid = np.empty(number, object)
    grid[:] = known[:number]
    return grid.reshape(tuple(shape))


def named(shardings: Any, mesh: Mesh) -> Any:
    """Specs in a pytree of shardings as shardings of ``mesh``.

    Raises:
      ValueError: a spec names an axis that the mesh does not have, or there is no mesh.
    """

    def of(one: Any) -> Any:
        if not isinstance(one, PartitionSpec):
            return one
        if mesh.empty:
            raise ValueError(
                f"{where()}: {one} refers to the axes of a mesh, and none is current; use "
                "`with cotan.set_mesh(mesh):`, or a NamedSharding"
            )
        return NamedSharding(mesh, one)

    return tree_map(of, shardings)
