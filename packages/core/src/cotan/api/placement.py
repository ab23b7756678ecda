"""What jit is told about places: shardings of arguments and results, or one device. Knows no program."""

from __future__ import annotations

from typing import Any, NamedTuple

from cotan.api.arguments import Options, bind_static
from cotan.api.flat import Function, subject
from cotan.backend import Device
from cotan.ir.avals import is_array_like
from cotan.ir.trace import Tracer
from cotan.runtime.array import Array
from cotan.runtime.current_mesh import get_mesh
from cotan.runtime.devices import as_device, device_put
from cotan.runtime.sharding import NamedSharding, PartitionSpec, Sharding, only_device
from cotan.tree import tree_flatten, tree_leaves
from cotan.tree.prefix import flatten_axes


class Placement(NamedTuple):
    """Where arguments are brought before a call, and results after it.

    Attributes:
      inputs: a sharding or PartitionSpec, or a pytree of them, a prefix of the positional arguments; None: as they are.
      outputs: the same for the result; None: where the arguments were brought.
      device: the device for all of them, or None.
    """

    inputs: Any = None
    outputs: Any = None
    device: Device | None = None

    def arguments(
        self, fun: Function, options: Options, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a call, those that are data where they are asked for.

        Raises:
          ValueError: there are shardings and keyword arguments; the shardings are no prefix of the arguments.
        """
        if self.inputs is None and self.device is None:
            return args, kwargs
        bound = bind_static("jit", fun, options, args, kwargs)
        if self.inputs is None:
            leaves, tree = tree_flatten(bound.dynamic)
            targets: list[Device | None] = [self.device] * len(leaves)
        else:
            if bound.dynamic[1]:
                raise ValueError(
                    f"{subject('jit', fun)}: in_shardings is for positional arguments, and the call has the keywords "
                    f"{', '.join(bound.dynamic[1])}; pass them by position"
                )
            leaves, tree = tree_flatten(bound.dynamic[0])
            targets = _targets(f"{subject('jit', fun)}: in_shardings", tree, self.inputs)
        placed = tree.unflatten(map(_brought, leaves, targets))
        dynamic, named = (placed, {}) if self.inputs is not None else placed
        complete, named = bound.complete(dynamic, named)
        return tuple(complete), named

    def results(self, fun: Function, out: Any) -> Any:
        """What the call returned, where it is asked for.

        Raises:
          ValueError: the shardings are no prefix of the result.
        """
        if self.outputs is None and self.device is None:
            return out
        leaves, tree = tree_flatten(out)
        if self.outputs is None:
            return device_put(out, self.device)
        targets = _targets(f"{subject('jit', fun)}: out_shardings", tree, self.outputs)
        return tree.unflatten([x if to is None else device_put(x, to) for x, to in zip(leaves, targets, strict=True)])


def resolve_placement(fun: Function, inputs: Any, outputs: Any, device: Any, backend: str | None) -> Placement | None:
    """What the options of jit say of places; None if nothing.

    Raises:
      TypeError: something is no sharding. ValueError: the options exclude each other.
    """
    if device is not None and backend is not None:
        raise ValueError(
            f"{subject('jit', fun)}: both a device and a backend are given ({device}, {backend!r}); give one"
        )
    where_to = device if backend is None else backend
    if where_to is not None and (inputs is not None or outputs is not None):
        raise ValueError(
            f"{subject('jit', fun)}: device or backend are for all arrays; shardings cannot be given as well"
        )
    for name, shardings in (("in_shardings", inputs), ("out_shardings", outputs)):
        for leaf in tree_leaves(shardings):
            if not isinstance(leaf, Sharding | PartitionSpec):
                raise TypeError(
                    f"{subject('jit', fun)}: {name} holds shardings, PartitionSpecs and None, and got {leaf!r}"
                )
    if where_to is not None:
        return Placement(device=as_device(where_to, "jit"))
    if inputs is None and outputs is None:
        return None
    return Placement(tuple(inputs) if isinstance(inputs, list) else inputs, outputs)


def _targets(name: str, tree: Any, shardings: Any) -> list[Device | None]:
    return [None if one is None else _device_of(name, one) for one in flatten_axes(name, tree, shardings)]


def _device_of(name: str, sharding: Any) -> Device:
    if isinstance(sharding, PartitionSpec):
        mesh = get_mesh()
        if mesh.empty:
            raise RuntimeError(
                f"{name}: {sharding!r} says how an array lies on the current mesh, and there is none; make one current "
                "with cotan.set_mesh, or give a NamedSharding"
            )
        sharding = NamedSharding(mesh, sharding)
    return only_device(sharding, "jit")


def _brought(x: Any, device: Device | None) -> Any:
    if device is None or isinstance(x, Tracer) or not is_array_like(x) or (type(x) is Array and x._device is device):
        return x
    return device_put(x, device)
