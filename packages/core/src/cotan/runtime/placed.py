"""Arrays made of parts that callers supply, and which arrays there are. As devices are one, a part is all of one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from cotan.backend import Device
from cotan.errors import where
from cotan.ir.jaxpr import axes_named
from cotan.ir.primitive import Primitive
from cotan.ir.trace import Trace, Tracer, current_trace, eval_trace, set_current_trace
from cotan.runtime.array import Array
from cotan.runtime.devices import as_device, default_backend, device_put

Index = tuple[slice, ...]


@dataclass(frozen=True)
class Shard:
    """The part of an array that a device holds.

    Attributes:
      device: which.
      index: which part, as slices.
      replica_id: which of several equal parts.
      data: the part, as an Array.
    """

    device: Device
    index: Index
    replica_id: int
    data: Array


def shards_of(x: Array) -> list[Shard]:
    """The parts of an array: one."""
    return [Shard(x.device, (slice(None),) * x.ndim, 0, x)]


def live_arrays(platform: str | None = None) -> list[Array]:
    """The arrays of a platform that exist and hold memory; by default of the default backend.

    >>> import cotan, cotan.numpy as cnp
    >>> x = cnp.arange(3)
    >>> any(y is x for y in cotan.live_arrays())
    True
    """
    wanted = default_backend() if platform is None else platform
    return [x for x in gc.get_objects() if type(x) is Array and x._buffer is not None and x.platform() == wanted]


def make_array_from_callback(
    shape: Sequence[int], sharding: Any, data_callback: Callable[[Index], Any], dtype: Any = None
) -> Array:
    """An array of which ``data_callback(index)`` gives the part at ``index``, a tuple of slices: on one device, all.

    Raises:
      ValueError: the part has another shape, or the sharding several devices.

    >>> import cotan, numpy as np
    >>> data = np.arange(4)
    >>> cotan.make_array_from_callback((4,), cotan.numpy.ones(1).sharding, lambda index: data[index])
    Array([0, 1, 2, 3], dtype=int32)
    """
    device = as_device(sharding, "make_array_from_callback")
    part = data_callback((slice(None),) * len(shape))
    return _checked("make_array_from_callback", _array(part, device, dtype), shape)


def make_array_from_single_device_arrays(
    shape: Sequence[int], sharding: Any, arrays: Sequence[Any], *, dtype: Any = None
) -> Array:
    """An array of its parts on the devices of a sharding: one.

    Raises:
      ValueError: there is not one part, of the array's shape.

    >>> import cotan, cotan.numpy as cnp
    >>> x = cnp.arange(3)
    >>> cotan.make_array_from_single_device_arrays((3,), x.sharding, [x])
    Array([0, 1, 2], dtype=int32)
    """
    api = "make_array_from_single_device_arrays"
    device = as_device(sharding, api)
    if len(arrays) != 1:
        raise ValueError(f"{where()}: {api}: {len(arrays)} parts for one device; give one")
    return _checked(api, _array(arrays[0], device, dtype), shape)


def make_array_from_process_local_data(sharding: Any, local_data: Any, global_shape: Any = None) -> Any:
    """An array of the data that this process has: all of it.

    Raises:
      ValueError: ``global_shape`` is another shape.

    >>> import cotan, numpy as np
    >>> cotan.make_array_from_process_local_data(cotan.numpy.ones(1).sharding, np.arange(3))
    Array([0, 1, 2], dtype=int32)
    """
    api = "make_array_from_process_local_data"
    x = _array(local_data, as_device(sharding, api), None)
    return x if global_shape is None else _checked(api, x, global_shape)


def _array(part: Any, device: Device, dtype: Any) -> Any:
    return device_put(part if dtype is None else np.asarray(part).astype(dtype), device)


def _checked(api: str, x: Any, shape: Sequence[int]) -> Any:
    if tuple(x.shape) != tuple(shape):
        raise ValueError(f"{where()}: {api}: the part has shape {tuple(x.shape)}, and the array {tuple(shape)}")
    return x


class _KnownAtOnce(Trace):
    """Runs operations of known values at once, and gives ``parent`` the others, and those that name a mapped axis."""

    __slots__ = ("parent",)
    name = "ensure_compile_time_eval"

    def __init__(self, parent: Trace) -> None:
        super().__init__()
        self.parent = parent

    def process(self, primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        args = [x.settled() if isinstance(x, Tracer) else x for x in args]
        if not any(isinstance(x, Tracer) for x in args) and not axes_named(primitive, params):
            return eval_trace.process(primitive, args, params)
        with set_current_trace(self.parent):
            return self.parent.process(primitive, args, params)


@contextmanager
def ensure_compile_time_eval() -> Iterator[None]:
    """A block in which operations on known values run at once, also while a program is traced.

    Operations on values that are not known become a part of the program, as they do outside of the block.

    >>> import cotan, cotan.numpy as cnp
    >>> @cotan.jit
    ... def f(x):
    ...     with cotan.ensure_compile_time_eval():
    ...         n = int(cnp.arange(3).sum())
    ...     return x + n
    >>> f(1)
    Array(4, dtype=int32, weak_type=True)
    """
    trace = current_trace()
    with set_current_trace(trace if trace is eval_trace else _KnownAtOnce(trace)):
        yield
