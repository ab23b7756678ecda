"""Devices in the order of a mesh: of any kind, of a grid, in groups."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import cotan
from cotan.experimental import mesh_utils


class Device:
    """A device somewhere else."""

    def __init__(self, number, *, kind="some", process=0, part=None, coords=None, core=0):
        self.id, self.device_kind, self.process_index = number, kind, process
        if part is not None:
            self.slice_index = part
        if coords is not None:
            self.coords, self.core_on_chip = coords, core

    def __repr__(self):
        return f"Device({self.id})"


def ids(mesh):
    return np.vectorize(lambda device: device.id, otypes=[int])(mesh).tolist()


def test_devices_in_their_order():
    devices = [Device(k) for k in range(6)]
    assert ids(mesh_utils.create_device_mesh((2, 3), devices)) == [[0, 1, 2], [3, 4, 5]]
    own = mesh_utils.create_device_mesh((1, len(cotan.devices())))
    assert own.tolist() == [cotan.devices()]
    assert cotan.sharding.Mesh(own, ("a", "b")).shape == {"a": 1, "b": len(cotan.devices())}
    with pytest.raises(ValueError, match=r"a mesh of shape \(4, 2\) has 8 places, and there are 6 devices"):
        mesh_utils.create_device_mesh((4, 2), devices)


def test_neighbours_in_a_grid_are_neighbours_in_a_mesh():
    places = list(itertools.product(range(2), range(4), range(2)))
    devices = [Device(k, kind="TPU v5p", coords=place, core=c) for k, place in enumerate(places) for c in (1, 0)]
    line = mesh_utils.create_device_mesh((len(devices),), devices)
    for left, right in itertools.pairwise(line):
        assert sum(abs(a - b) for a, b in zip(left.coords, right.coords, strict=True)) <= 1
    assert [d.core_on_chip for d in line[:4]] == [0, 1, 0, 1]
    assert sorted(map(id, line)) == sorted(map(id, devices))
    with_a_hole = devices[:-3]  # these fill no grid
    assert ids(mesh_utils.create_device_mesh((len(with_a_hole),), with_a_hole)) == [d.id for d in with_a_hole]


def test_other_kinds_may_have_an_order_of_their_own(monkeypatch):
    def backwards(shape, devices, **options):
        assert options == {"contiguous_submeshes": False, "allow_split_physical_axes": True}
        return np.array(devices[::-1], object).reshape(shape)

    monkeypatch.setitem(mesh_utils.device_kind_handler_dict, "ring", backwards)
    devices = [Device(k, kind="ring") for k in range(4)]
    made = mesh_utils.create_device_mesh((2, 2), devices, allow_split_physical_axes=True)
    assert ids(made) == [[3, 2], [1, 0]]


def test_blocks_of_processes():
    devices = [Device(k, process=k // 4) for k in range(8)]
    made = mesh_utils.create_device_mesh((4, 2), devices, contiguous_submeshes=True)
    assert ids(made)[0] == [0, 1]
    apart = [Device(k, process=p) for k, p in enumerate([0, 1, 1, 0])]
    with pytest.raises(ValueError, match="the devices of process 0 form no block of a mesh of shape"):
        mesh_utils.create_device_mesh((4,), apart, contiguous_submeshes=True)


def test_groups():
    devices = [Device(k, process=k % 2, part=1 - k // 4) for k in range(8)]
    made = mesh_utils.create_hybrid_device_mesh((2, 2), (2, 1), devices)
    assert ids(made) == [[4, 5], [6, 7], [0, 1], [2, 3]]
    as_they_come = mesh_utils.create_hybrid_device_mesh((2, 2), (2, 1), devices, should_sort_granules_by_key=False)
    assert ids(as_they_come) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    by_process = mesh_utils.create_hybrid_device_mesh((1, 4), (1, 2), devices, process_is_granule=True)
    assert ids(by_process) == [[0, 2, 4, 6, 1, 3, 5, 7]]


def test_groups_that_do_not_fit():
    devices = [Device(k, process=k % 2) for k in range(4)]
    with pytest.raises(ValueError, match="has no slice_index by which to group; pass process_is_granule=True"):
        mesh_utils.create_hybrid_device_mesh((2,), (2,), devices)
    with pytest.raises(ValueError, match=r"a mesh of groups of shape \(4,\) has 4 places, and there are 2 groups"):
        mesh_utils.create_hybrid_device_mesh((1,), (4,), devices, process_is_granule=True)
    with pytest.raises(ValueError, match="need as many axes"):
        mesh_utils.create_hybrid_device_mesh((1,), (4, 1), devices)
