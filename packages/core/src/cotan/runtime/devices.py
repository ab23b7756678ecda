"""Devices as users see them: which there are, how values get there and back, and where new arrays go.

Knows backends through the registry only, and no operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.backend import Backend, Device, get_backend, processes, registry
from cotan.backend import default_backend as _default_backend
from cotan.config import config
from cotan.errors import BackendUnavailableError, UnsupportedError, a_type, where
from cotan.ir.trace import Tracer, trace_state_clean
from cotan.runtime.array import Array
from cotan.runtime.host import from_words, holding_device, lift_to
from cotan.runtime.memories import Space, check_space
from cotan.runtime.sharding import Sharding as Sharding
from cotan.runtime.sharding import SingleDeviceSharding as SingleDeviceSharding
from cotan.runtime.sharding import only_device
from cotan.runtime.transfers import guarded
from cotan.tree import tree_flatten, tree_flatten_with_path, tree_leaves, tree_map, tree_unflatten

# ---- Which devices there are


def devices(backend: str | None = None) -> list[Device]:
    """The devices of a backend (by name), or of the default one.

    Raises:
      BackendUnavailableError: it is not installed or cannot be used here; the message says what to install.

    >>> import cotan
    >>> cotan.devices("cpu")[0]
    CpuDevice(id=0)
    """
    return (_default_backend() if backend is None else _backend(backend, "devices")).devices()


def _backend(name: Any, fun_name: str) -> Any:
    if not isinstance(name, str):
        raise TypeError(f"{where()}: {fun_name}: backend is a name such as 'cpu', not {name!r}")
    return get_backend(name)


def local_devices(process_index: int | None = None, backend: str | None = None) -> list[Device]:
    """The devices of this process.

    Raises:
      ValueError: ``process_index`` is another process, whose devices are not known here.
    """
    this = _this_process()
    if process_index not in (None, this):
        raise ValueError(
            f"{where()}: local_devices knows the devices of this process, number {this}; got {process_index!r}"
        )
    return devices(backend)


def device_count(backend: str | None = None) -> int:
    """How many devices ``devices(backend)`` gives."""
    return len(devices(backend))


def local_device_count(backend: str | None = None) -> int:
    """How many devices this process has."""
    return len(devices(backend))


def process_index(backend: str | None = None) -> int:
    """The number of this process among those that compute together (``cotan.distributed``); 0 where it is alone."""
    return _this_process()


def process_count(backend: str | None = None) -> int:
    """How many processes compute together; 1 where this one is alone."""
    run = processes.current()
    return 1 if run is None else run.count


def process_indices(backend: str | None = None) -> list[int]:
    """The numbers of the processes that compute together."""
    return list(range(process_count(backend)))


def _this_process() -> int:
    run = processes.current()
    return 0 if run is None else run.index


host_id, host_count, host_ids = process_index, process_count, process_indices


def default_backend() -> str:
    """The name of the backend that is used where none is asked for.

    Raises:
      BackendUnavailableError: no backend is installed, or none can be used here.
    """
    return _default_backend().name


# ---- Where values go


_primary: tuple[Any, Device] | None = None


def _primary_device() -> Device:
    """Device 0 of the default backend; remembered while configuration and discovery stay the same."""
    global _primary
    state = (config.platform, config.backends, registry.discovery())
    known = _primary
    if known is not None and known[0] == state and state[2] is not None:
        return known[1]
    device = _default_backend().devices()[0]
    _primary = ((*state[:2], registry.discovery()), device)
    return device


def new_array_device() -> Device:
    """The device that new arrays are put on: ``config.default_device``, else the first of the default backend.

    Raises:
      BackendUnavailableError: there is no backend, and nothing is being traced.
    """
    wanted = config.default_device
    if wanted is not None:
        return as_device(wanted, "config.default_device")
    try:
        return _primary_device()
    except BackendUnavailableError:
        if trace_state_clean():
            raise
        return holding_device  # a constant of a traced program; it goes to a device when the program runs


def as_device(like: Any, fun_name: str = "device_put") -> Device:
    """The device that a Device, a sharding on one device or a platform's name means.

    Raises:
      TypeError: it is none of these. ValueError: a sharding over several devices.
    """
    if isinstance(like, Device):
        return like
    if isinstance(like, Sharding):
        return only_device(like, fun_name)
    if isinstance(like, str):
        return get_backend(like).devices()[0]
    raise TypeError(
        f"{where()}: {fun_name} takes a device (one of cotan.devices()), a sharding on one device or the name of a "
        f"platform, not {like!r}"
    )


def committed_device(arrays: Iterable[Array], what: str) -> Device | None:
    """The device that the user chose for some of ``arrays``, or None.

    Raises:
      ValueError: it is not one device.
    """
    found: Device | None = None
    for x in arrays:
        if x._committed and x._device is not found:
            if found is not None:
                raise ValueError(
                    f"{where()}: {what} got arrays that were put on different devices, {found} and {x._device}; "
                    "bring them to one with cotan.device_put"
                )
            found = x._device
    return found


def check_claimed(backend: Backend, dtype: Any) -> None:
    """Raise UnsupportedError if ``backend`` does not claim arrays of ``dtype``; keys are arrays of their words."""
    if isinstance(dtype, np.dtype) and dtype != dtypes.float0 and not backend.capabilities.supports(dtype):
        raise UnsupportedError(backend.name, "arrays", dtype)


def chosen_device(arrays: Sequence[Any], what: str = "the operation") -> Device:
    """Where an operation on ``arrays`` runs: where one is committed to, else ``config.default_device``, else where
    the first one is, else where new arrays go."""
    found = committed_device(arrays, what)
    if found is not None:
        return found
    if config.default_device is None and arrays:
        return arrays[0]._device  # type: ignore[no-any-return]
    return new_array_device()


def move(x: Array, device: Device, committed: bool = False, *, explicit: bool = False) -> Array:
    """``x`` on another device. ``explicit`` says whether the user asked for it."""
    if not config.plain_dispatch:
        guarded("device_to_device", f"{x.aval.short()} from {x._device} to {device}", explicit=explicit)
    return Array(x.aval, x._live().copy_to(device), device, committed)


def _put_leaf(x: Any, device: Device | None) -> Any:
    if isinstance(x, Tracer):
        settled = x.settled()
        return x if settled is x else _put_leaf(settled, device)
    if type(x) is not Array:
        array = lift_to(x, new_array_device() if device is None else device, explicit=True)
        array._committed = device is not None
        return array
    if device is None or (x._committed and x._device is device):
        x._live()
        return x
    if x._device is device:
        # The buffer is shared; donation sees that, and copies.
        return Array(x.aval, x._live(), device, True)
    return move(x, device, committed=True, explicit=True)


def _put_ndarray(x: np.ndarray[Any, Any]) -> Any:
    """The shortest way, of most calls."""
    try:
        return lift_to(x, new_array_device(), explicit=True)
    except TypeError:
        _refuse_leaf(x)
        raise


def device_put(
    x: Any, device: Any = None, *, src: Any = None, donate: bool = False, may_alias: bool | None = None
) -> Any:
    """Bring arrays to a device.

    Args:
      x: a pytree of arrays, NumPy arrays and scalars. Traced arrays are returned as they are.
      device: a device, a sharding on one device, a platform's name, or a pytree of these that matches ``x`` (or is a
        prefix of it). Results are committed to it: operations on them run there. None: the default device, and
        results are not committed. Of the memory spaces, ``Device`` leaves arrays where they are, and so does ``Host``
        where a device's memory is the host's.
      src: where the arrays lie; accepted, for they know it.
      donate: whether the given arrays may be deleted.
      may_alias: False asks for a copy even where the array is there already.

    Returns:
      A pytree like ``x`` of Arrays.

    Raises:
      TypeError: a leaf is no array; the message names it. ValueError: a device has no such memory.

    >>> import cotan, numpy as np
    >>> x = cotan.device_put(np.arange(3), cotan.devices("cpu")[0])
    >>> x, x.committed
    (Array([0, 1, 2], dtype=int32), True)
    """
    if type(x) is np.ndarray and device is None:
        return _put_ndarray(x)
    leaves, tree = tree_flatten(x)
    targets: list[Any] = [None] * len(leaves)
    if isinstance(device, Space):
        for leaf in leaves:
            check_space(device, leaf._device if type(leaf) is Array else new_array_device())
    elif device is not None:
        targets = _targets(x, device, len(leaves))
    try:
        results = [_put_leaf(leaf, target) for leaf, target in zip(leaves, targets, strict=True)]
    except TypeError:
        _refuse_leaf(x)
        raise
    for position, (leaf, result) in enumerate(zip(leaves, results, strict=True)):
        if type(leaf) is not Array:
            continue
        if donate and result is not leaf:
            leaf.delete()
        elif may_alias is False and result._buffer is leaf._buffer:
            committed = result._committed
            results[position] = _copied(result)
            results[position]._committed = committed
    return tree_unflatten(tree, results)


def _copied(x: Array) -> Array:
    return Array(x.aval, x._device.put(x._words()), x._device, x._committed)


def _targets(x: Any, device: Any, count: int) -> list[Device]:
    if isinstance(device, Device | Sharding | str):
        return [as_device(device)] * count
    found: list[Device] = []
    tree_map(lambda like, part: found.extend([as_device(like)] * len(tree_leaves(part))), device, x)
    return found


def _refuse_leaf(x: Any) -> None:
    """Name the leaf of ``x`` that is no array."""
    from cotan.ir.avals import is_array_like
    from cotan.tree import keystr

    for path, leaf in tree_flatten_with_path(x)[0]:
        if not is_array_like(leaf):
            at = f" at x{keystr(path)}" if path else ""
            raise TypeError(
                f"{where()}: device_put takes arrays, numbers and pytrees of them, and got {a_type(leaf)}{at}"
            ) from None


def device_get(x: Any) -> Any:
    """A pytree like ``x`` with its arrays, and NumPy's scalars, as NumPy arrays on the host.

    They are read-only where memory is shared. What NumPy has no array for stays as it is: traced values, arrays of
    random keys, and leaves that are no arrays.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.device_get({"a": cnp.ones(2)})
    {'a': array([1., 1.], dtype=float32)}
    """

    def host(leaf: Any) -> Any:
        if isinstance(leaf, Tracer):
            leaf = leaf.settled()
        if isinstance(leaf, (Tracer, type)) or not hasattr(leaf, "__array__"):
            return leaf
        if type(leaf) is Array:
            if dtypes.is_extended(leaf.dtype):
                return leaf
            leaf.copy_to_host_async()  # which is asked for, where transfers are guarded
        return np.asarray(leaf)

    return tree_map(host, x)


def block_until_ready(x: Any) -> Any:
    """Wait for all arrays of a pytree to be computed; raises what went wrong. Returns ``x``.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.block_until_ready([cnp.ones(1)])
    [Array([1.], dtype=float32)]
    """
    for leaf in tree_leaves(x):
        if not isinstance(leaf, Tracer) and hasattr(leaf, "block_until_ready"):
            leaf.block_until_ready()
    return x


def copy_to_host_async(x: Any) -> Any:
    """Begin to bring the arrays of a pytree to the host, where later conversions find them. Returns ``x``.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.copy_to_host_async({"a": cnp.ones(1)})
    {'a': Array([1.], dtype=float32)}
    """
    for leaf in tree_leaves(x):
        if not isinstance(leaf, Tracer) and hasattr(leaf, "copy_to_host_async"):
            leaf.copy_to_host_async()
    return x


def unpickled(words: np.ndarray[Any, Any], aval: Any) -> Array:
    """The Array that was pickled, on the device where new arrays go."""
    return from_words(words, aval, new_array_device())
