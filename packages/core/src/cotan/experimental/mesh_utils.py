"""Devices in the order of a mesh, so that neighbours along its axes are near each other. Knows no array on a device."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import tracebacks as _tracebacks
from cotan.errors import where
from cotan.runtime.devices import devices as _devices

Handler = Callable[..., "np.ndarray[Any, Any] | None"]


def _along_a_snake(
    mesh_shape: Sequence[int],
    devices: Sequence[Any],
    *,
    contiguous_submeshes: bool = False,
    allow_split_physical_axes: bool = False,
) -> np.ndarray[Any, Any] | None:
    """Devices of a grid, in an order in which each is a neighbour of the one before; None if they fill no grid."""
    coords = [tuple(getattr(d, "coords", ())) for d in devices]
    ndim = len(coords[0])
    if not ndim or any(len(c) != ndim for c in coords):
        return None
    ranges = [sorted({c[axis] for c in coords}) for axis in range(ndim)]
    cells: dict[tuple[int, ...], list[Any]] = {}
    for device, place in zip(devices, coords, strict=True):
        cells.setdefault(place, []).append(device)
    if len(cells) != math.prod(map(len, ranges)):
        return None
    order = []
    for place in _snake(ranges[::-1]):
        order += sorted(cells[place[::-1]], key=lambda device: getattr(device, "core_on_chip", 0))
    return _filled(order, mesh_shape)


def _snake(ranges: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """All places of a grid, the last axis fastest, every second run along an axis backwards."""
    if not ranges:
        return [()]
    rest = _snake(ranges[1:])
    return [(n, *place) for k, n in enumerate(ranges[0]) for place in (rest if k % 2 == 0 else rest[::-1])]


_TPUS = ("TPU v2", "TPU v3", "TPU v4", "TPU v4 lite", "TPU v5 lite", "TPU v5p", "TPU v6 lite")
device_kind_handler_dict: dict[str, Handler] = dict.fromkeys(_TPUS, _along_a_snake)
"""By what function ``create_device_mesh`` orders devices of a kind: it is called with the same arguments, and gives an
array of devices, or None for the order in which they were given."""


def _filled(devices: Sequence[Any], shape: Sequence[int]) -> np.ndarray[Any, Any]:
    made = np.empty(len(devices), object)
    made[:] = devices
    return made.reshape(tuple(shape))


def create_device_mesh(
    mesh_shape: Sequence[int],
    devices: Sequence[Any] | None = None,
    *,
    contiguous_submeshes: bool = False,
    allow_split_physical_axes: bool = False,
) -> np.ndarray[Any, Any]:
    """An array of devices for ``cotan.sharding.Mesh``; those next to each other along the last axis are the nearest.

    Args:
      mesh_shape: its shape, the axis with most communication last.
      devices: the devices; by default those of the default backend.
      contiguous_submeshes: whether the devices of each process must form a block of it.
      allow_split_physical_axes: has no influence: axes of the mesh need not be those of the hardware.

    Returns:
      An array of objects of the shape ``mesh_shape``.

    Raises:
      ValueError: there are not as many devices as the shape says, or those of a process form no block.

    >>> import cotan
    >>> from cotan.experimental import mesh_utils
    >>> mesh_utils.create_device_mesh((1, 1), cotan.devices("cpu")[:1]).shape
    (1, 1)
    """
    found = list(_devices() if devices is None else devices)
    shape = tuple(int(n) for n in mesh_shape)
    if math.prod(shape) != len(found):
        raise ValueError(
            f"{where()}: create_device_mesh: a mesh of shape {shape} has {math.prod(shape)} places, and there are "
            f"{len(found)} devices"
        )
    handler = device_kind_handler_dict.get(found[0].device_kind) if found else None
    options = {
        "contiguous_submeshes": contiguous_submeshes,
        "allow_split_physical_axes": allow_split_physical_axes,
    }
    made = None if handler is None else handler(shape, found, **options)
    if made is None:
        made = _filled(found, shape)
    if contiguous_submeshes:
        _check_blocks(made)
    return made


def _check_blocks(mesh: np.ndarray[Any, Any]) -> None:
    """Raises: ValueError: the devices of a process do not form a block."""
    owner = np.vectorize(lambda device: getattr(device, "process_index", 0), otypes=[int])(mesh)
    for process in np.unique(owner):
        places = np.argwhere(owner == process)
        if math.prod(places.max(axis=0) - places.min(axis=0) + 1) != len(places):
            raise ValueError(
                f"{where()}: create_device_mesh: the devices of process {process} form no block of a mesh of shape "
                f"{mesh.shape}; take another shape, or leave contiguous_submeshes out"
            )


def create_hybrid_device_mesh(
    mesh_shape: Sequence[int],
    dcn_mesh_shape: Sequence[int],
    devices: Sequence[Any] | None = None,
    *,
    process_is_granule: bool = False,
    should_sort_granules_by_key: bool = True,
    allow_split_physical_axes: bool = False,
) -> np.ndarray[Any, Any]:
    """An array of devices for two kinds of networks: within groups of devices, and between the groups.

    Args:
      mesh_shape: the shape of each group's mesh.
      dcn_mesh_shape: how many groups there are along each axis; as many axes.
      devices: the devices; by default those of the default backend.
      process_is_granule: whether the devices of a process are a group; otherwise those of equal ``slice_index``.
      should_sort_granules_by_key: whether groups are in the order of their numbers, not as they come.
      allow_split_physical_axes: as of ``create_device_mesh``.

    Returns:
      An array of objects; each size is the product of both shapes'.

    Raises:
      ValueError: devices have no ``slice_index``, or do not fit the shapes.

    >>> import cotan
    >>> from cotan.experimental import mesh_utils
    >>> one = cotan.devices("cpu")[:1]
    >>> mesh_utils.create_hybrid_device_mesh((1, 1), (1, 1), one, process_is_granule=True).shape
    (1, 1)
    """
    api = "create_hybrid_device_mesh"
    inner, outer = tuple(map(int, mesh_shape)), tuple(map(int, dcn_mesh_shape))
    if len(inner) != len(outer):
        raise ValueError(f"{where()}: {api}: the shapes {inner} and {outer} need as many axes")
    groups: dict[int, list[Any]] = {}
    for device in _devices() if devices is None else devices:
        key = getattr(device, "process_index", 0) if process_is_granule else getattr(device, "slice_index", None)
        if key is None:
            raise ValueError(
                f"{where()}: {api}: {device} has no slice_index by which to group; pass process_is_granule=True"
            )
        groups.setdefault(key, []).append(device)
    keys = sorted(groups) if should_sort_granules_by_key else list(groups)
    if len(keys) != math.prod(outer):
        raise ValueError(
            f"{where()}: {api}: a mesh of groups of shape {outer} has {math.prod(outer)} places, and there are "
            f"{len(keys)} groups"
        )
    split = allow_split_physical_axes
    blocks = [create_device_mesh(inner, groups[key], allow_split_physical_axes=split) for key in keys]
    made = np.empty(tuple(a * b for a, b in zip(outer, inner, strict=True)), object)
    for place, block in zip(np.ndindex(*outer), blocks, strict=True):
        made[tuple(slice(k * n, (k + 1) * n) for k, n in zip(place, inner, strict=True))] = block
    return made


_tracebacks.guard(globals())
