"""How arrays lie on devices, for users to look at. On one device all of an array is in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cotan.errors import where
from cotan.ir.trace import Tracer
from cotan.runtime.array import Array
from cotan.runtime.devices import SingleDeviceSharding, new_array_device
from cotan.tree import tree_leaves


def inspect_array_sharding(value: Any, *, callback: Callable[[Any], None]) -> None:
    """Call ``callback`` with the sharding of each array in a pytree, as early as that is known.

    For arrays that is at once. Values of a program that is being traced are said to lie where new arrays go.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.debug.inspect_array_sharding(cnp.ones(2), callback=print)
    SingleDeviceSharding(device=CpuDevice(id=0))
    """
    for x in tree_leaves(value):
        known = x.concrete() if isinstance(x, Tracer) else x
        callback(known.sharding if type(known) is Array else SingleDeviceSharding(new_array_device()))


def visualize_array_sharding(arr: Any, **kwargs: Any) -> None:
    """Draw which device holds which part of an array of 1 or 2 axes; see ``visualize_sharding``.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.debug.visualize_array_sharding(cnp.ones(4), scale=0.3)
    ┌─────────┐
    │  CPU 0  │
    └─────────┘
    """
    inspect_array_sharding(arr, callback=lambda sharding: visualize_sharding(arr.shape, sharding, **kwargs))


def visualize_sharding(
    shape: Sequence[int],
    sharding: Any,
    *,
    use_color: bool = True,
    scale: float = 1.0,
    min_width: int = 9,
    max_width: int = 80,
    color_map: Any = None,
) -> None:
    """Draw which device holds which part of an array of 1 or 2 axes.

    Args:
      shape: the array's shape.
      sharding: how it lies on devices.
      use_color, color_map: accepted; there is one part, drawn without colours.
      scale: height of the drawing, in units of 10 lines.
      min_width, max_width: bounds on the width in characters.

    Raises:
      ValueError: the shape has no or more than 2 axes.
      NotImplementedError: several devices hold the array.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.debug.visualize_sharding((2, 2), cnp.ones(2).sharding, scale=0.3)
    ┌─────────┐
    │  CPU 0  │
    └─────────┘
    """
    if len(shape) not in (1, 2):
        raise ValueError(f"{where()}: visualize_sharding draws arrays of 1 or 2 axes, got shape {tuple(shape)}")
    found = sorted(sharding.device_set, key=lambda device: device.id)
    if len(found) != 1:
        raise NotImplementedError(f"{where()}: visualize_sharding draws arrays on one device, not on {len(found)}")
    label = f"{found[0].platform.upper()} {found[0].id}"
    lines = max(1, int(10 * scale) - 2) if len(shape) == 2 else 1
    ratio = (shape[1] if len(shape) == 2 else 1) / max(shape[0], 1)
    width = min(max(int(10 * scale * ratio * 2.5), min_width, len(label) + 2), max_width)
    blank = "│" + " " * width + "│"
    rows = [blank] * ((lines - 1) // 2) + ["│" + label.center(width) + "│"] + [blank] * (lines // 2)
    print("\n".join(["┌" + "─" * width + "┐", *rows, "└" + "─" * width + "┘"]))
