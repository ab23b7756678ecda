"""Programs on several devices at once: one copy for each device, or one program that is cut into parts.

``Replicas`` runs a program of one example with open named axes on every device; its collectives go over the axes of
a ``Layout``. ``Partitions`` takes a program of whole arrays and says how they are cut along the axes of a mesh; Shardy
finds out the rest. In a run of several processes each gives and gets the parts of its own devices.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from cotan.errors import where
from cotan.ir.jaxpr import ClosedJaxpr
from cotan_xla_tpu import driver
from cotan_xla_tpu.backend import XlaBackend
from cotan_xla_tpu.buffers import XlaDevice, explained
from cotan_xla_tpu.compilation import compile_written
from cotan_xla_tpu.emit import Written, write_module

Spec = tuple[Hashable | None, ...]
"""For each axis of an array the axis of the mesh along which it is cut, or None."""


class Layout:
    """Named axes over devices, which are numbered row by row.

    Args:
      axes: name -> how many devices stand along it.
      partitioned: whether devices are partitions of one program, not replicas.
    """

    def __init__(self, axes: dict[Hashable, int], *, partitioned: bool = False) -> None:
        self.names = tuple(axes)
        self.sizes = tuple(axes.values())
        self.partitioned = partitioned
        self.count = math.prod(self.sizes)
        self._channels = 0

    def groups(self, axes: Sequence[Hashable], subsets: Sequence[Sequence[int]] | None = None) -> np.ndarray:
        """The devices that differ along ``axes`` only, one row for each group; ``subsets`` cut a group further."""
        numbers = np.arange(self.count).reshape(self.sizes)
        along = [self.names.index(name) for name in axes]
        rest = [k for k in range(len(self.sizes)) if k not in along]
        table = numbers.transpose(*rest, *along).reshape(-1, math.prod(self.sizes[k] for k in along))
        if subsets is None:
            return table
        return np.array([row[list(members)] for row in table for members in subsets])

    def place(self, axis: Hashable) -> tuple[int, int]:
        """(stride, size): the place of a device along an axis is its number over the stride, modulo the size."""
        k = self.names.index(axis)
        return math.prod(self.sizes[k + 1 :]), self.sizes[k]

    def next_channel(self) -> int:
        """A number for a collective among partitions, one for each."""
        self._channels += 1
        return self._channels


class _OnDevices:
    """A program on several devices: what both kinds share."""

    def __init__(self, backend: XlaBackend, devices: Sequence[XlaDevice], written: Written, **counts: int) -> None:
        self.native = tuple(device.native for device in devices)
        here = {id(device) for device in backend.devices()}
        self.places = [k for k, device in enumerate(devices) if id(device) in here]
        self.local = [devices[k] for k in self.places]
        self.written = written
        self.loaded = compile_written(backend.client, written, self.native, **counts)

    def run(self, arrays: Sequence[Any], handlers: Sequence[Any]) -> list[list[np.ndarray]]:
        """For each result its part on each device of this process."""
        try:
            results = self.loaded.execute_sharded(list(arrays)).consume_with_handlers(list(handlers))
            return [[part.copy() for part in driver.parts(x)] for x in results]
        except driver.XlaError as error:
            raise explained(error, "a program on several devices") from None

    def stablehlo(self) -> str:
        """The program in StableHLO."""
        return self.written.text()


class Replicas(_OnDevices):
    """A program of one example, run by every device on an example of its own.

    Args:
      backend: whose rules and client.
      closed: the program; the axes that it names are those of ``layout``.
      layout: one device for each place.
      devices: which devices, in the order of the layout.
    """

    def __init__(self, backend: XlaBackend, closed: ClosedJaxpr, layout: Layout, devices: Sequence[XlaDevice]) -> None:
        _check(layout, devices)
        written = write_module(closed, backend.lowerings().native, backend.client_kind, axes=layout)
        super().__init__(backend, devices, written, replicas=layout.count)

    def __call__(self, *examples: np.ndarray) -> list[np.ndarray]:
        """``examples`` are stacked along a first axis, one for each device of this process; so are the results."""
        count = len(self.native)
        arrays = []
        for x, (shape, dtype) in zip(examples, self.written.ins, strict=True):
            parts = [np.array(part, dtype, order="C")[None] for part in x]
            arrays.append(_placed(parts, (count, *shape), dtype, (count, *[1] * len(shape)), self.native, self.local))
        handlers = [
            driver.result_handler(
                driver.aval((count, *shape), dtype), driver.tiled(self.native, (count, *[1] * len(shape)))
            )
            for shape, dtype in self.written.outs
        ]
        found = self.run(arrays, handlers)
        return [
            np.stack([part.reshape(shape) for part in parts])
            for parts, (shape, _) in zip(found, self.written.outs, strict=True)
        ]


class Partitions(_OnDevices):
    """A program of whole arrays, cut along the axes of a mesh.

    Args:
      backend: whose rules and client.
      closed: the program; it names no axes.
      layout: the mesh; ``partitioned``.
      devices: which devices, in the order of the mesh.
      ins, outs: how arguments and results are cut.
    """

    def __init__(
        self,
        backend: XlaBackend,
        closed: ClosedJaxpr,
        layout: Layout,
        devices: Sequence[XlaDevice],
        ins: Sequence[Spec],
        outs: Sequence[Spec],
    ) -> None:
        _check(layout, devices)
        self.layout, self.ins, self.outs = layout, tuple(ins), tuple(outs)
        written = partitioned_module(backend, closed, layout, self.ins, self.outs)
        super().__init__(backend, devices, written, partitions=layout.count)

    def __call__(self, *wholes: np.ndarray) -> list[np.ndarray]:
        """Whole arguments to whole results; in a run of several processes, each result's parts of this one, stacked."""
        arrays = []
        for x, spec, (shape, dtype) in zip(wholes, self.ins, self.written.ins, strict=True):
            # Copies: jaxlib does not take the same memory for two devices.
            parts = [np.array(x[self._index(spec, shape, k)], dtype, order="C") for k in self.places]
            arrays.append(self._put(parts, spec, shape, dtype))
        handlers = [
            driver.result_handler(driver.aval(shape, dtype), self._placement(spec, len(shape)))
            for spec, (shape, dtype) in zip(self.outs, self.written.outs, strict=True)
        ]
        results = []
        for parts, spec, (shape, dtype) in zip(self.run(arrays, handlers), self.outs, self.written.outs, strict=True):
            if len(parts) < len(self.native):
                results.append(np.stack(parts))
                continue
            whole = np.empty(shape, dtype)
            for k, part in zip(self.places, parts, strict=True):
                index = self._index(spec, shape, k)
                whole[index] = part.reshape(whole[index].shape)
            results.append(whole)
        return results

    def _tiles(self, spec: Spec, rank: int) -> tuple[int, ...]:
        sizes = dict(zip(self.layout.names, self.layout.sizes, strict=True))
        return tuple(1 if name is None else sizes[name] for name in (*spec, *[None] * (rank - len(spec))))

    def _index(self, spec: Spec, shape: Sequence[int], k: int) -> tuple[slice, ...]:
        """The part of an array that device number ``k`` holds."""
        found = []
        for extent, name in zip(shape, (*spec, *[None] * (len(shape) - len(spec))), strict=True):
            if name is None:
                found.append(slice(None))
                continue
            stride, size = self.layout.place(name)
            place, step = k // stride % size, extent // size
            found.append(slice(place * step, (place + 1) * step))
        return tuple(found)

    def _order(self, spec: Spec) -> list[int]:
        """The axes of the mesh: those along which the array is cut, in its order, and the others."""
        cut = [self.layout.names.index(name) for name in spec if name is not None]
        return [*cut, *(k for k in range(len(self.layout.sizes)) if k not in cut)]

    def _placement(self, spec: Spec, rank: int) -> Any:
        numbers = np.arange(len(self.native)).reshape(self.layout.sizes).transpose(self._order(spec)).reshape(-1)
        return driver.tiled(self.native, self._tiles(spec, rank), tuple(numbers.tolist()))

    def _put(self, parts: Sequence[np.ndarray], spec: Spec, shape: Sequence[int], dtype: Any) -> Any:
        kind, placement = driver.aval(tuple(shape), dtype), self._placement(spec, len(shape))
        return driver.put(parts, kind, placement, [one.native for one in self.local], driver.DURING_CALL)


def partitioned_module(
    backend: Any, closed: ClosedJaxpr, layout: Layout, ins: Sequence[Spec], outs: Sequence[Spec]
) -> Written:
    """The module of a program that is cut along the axes of a mesh."""
    written = write_module(closed, backend.lowerings().native, backend.client_kind, axes=layout)
    mesh = ", ".join(f'"{name}"={size}' for name, size in zip(layout.names, layout.sizes, strict=True))

    def attribute(spec: Spec, rank: int) -> str:
        axes = (*spec, *[None] * (rank - len(spec)))
        each = ("{}" if name is None else '{"' + str(name) + '"}' for name in axes)
        return f"#sdy.sharding<@mesh, [{', '.join(each)}]>"

    given = [attribute(spec, len(shape)) for spec, (shape, _) in zip(ins, written.ins, strict=True)]
    wanted = [attribute(spec, len(shape)) for spec, (shape, _) in zip(outs, written.outs, strict=True)]
    driver.annotate(written.module, f"#sdy.mesh<[{mesh}]>", given, wanted, layout.count)
    return written


def _placed(
    parts: Sequence[np.ndarray], shape: Sequence[int], dtype: Any, tiles: Sequence[int], every: Any, local: Any
) -> Any:
    placement = driver.tiled(every, tuple(tiles))
    kind = driver.aval(tuple(shape), np.dtype(dtype))
    return driver.put(parts, kind, placement, [one.native for one in local], driver.DURING_CALL)


def _check(layout: Layout, devices: Sequence[Any]) -> None:
    if layout.count != len(devices):
        axes = ", ".join(f"{name!r} of {size}" for name, size in zip(layout.names, layout.sizes, strict=True))
        raise ValueError(f"{where()}: axes {axes} need {layout.count} devices, got {len(devices)}")
