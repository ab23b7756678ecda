"""``cotan.distributed``: several processes that compute together, each with devices of its own.

Joining a run is the backend's affair (``BackendEntry.join``); here it is only found, and asked before it is opened.
"""

from __future__ import annotations

import os
from typing import Any

from cotan.backend import processes
from cotan.backend.processes import Processes
from cotan.backend.registry import Found, backends_found
from cotan.config import config
from cotan.errors import BackendUnavailableError, where

__all__ = ["initialize", "is_initialized", "shutdown"]

_ENVIRONMENT = {
    "coordinator_address": "COTAN_COORDINATOR_ADDRESS",
    "num_processes": "COTAN_NUM_PROCESSES",
    "process_id": "COTAN_PROCESS_ID",
}
_joined: Found | None = None


def initialize(
    coordinator_address: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    local_device_ids: None = None,
    cluster_detection_method: None = None,
    initialization_timeout: int = 300,
    heartbeat_timeout_seconds: int = 100,
    shutdown_timeout_seconds: int = 300,
    coordinator_bind_address: None = None,
    slice_index: None = None,
    partition_index: None = None,
) -> None:
    """Join a run of several processes; each of them calls this once, before the first array or device is asked for.

    Args:
      coordinator_address: ``host:port`` at which process 0 listens, the same for all.
      num_processes: how many there are.
      process_id: the number of this one, from 0.
      initialization_timeout: seconds to wait for the others.
      heartbeat_timeout_seconds, shutdown_timeout_seconds: accepted, and without meaning.

    The others are for programs that pass None.

    What is None is read from ``COTAN_COORDINATOR_ADDRESS``, ``COTAN_NUM_PROCESSES`` and ``COTAN_PROCESS_ID``.

    Raises:
      NotImplementedError: one of the others is given.
      ValueError: something is missing, or is not what it must be.
      RuntimeError: it was called before, or the backend is in use already, or the others did not come.
      BackendUnavailableError: no installed backend knows how to compute with several processes.
    """
    global _joined
    for name, given in {
        "local_device_ids": local_device_ids,
        "cluster_detection_method": cluster_detection_method,
        "coordinator_bind_address": coordinator_bind_address,
        "slice_index": slice_index,
        "partition_index": partition_index,
    }.items():
        if given is not None:
            raise NotImplementedError(f"{where()}: distributed.initialize: {name} is not supported; leave it out")
    if processes.current() is not None:
        raise RuntimeError(f"{where()}: distributed.initialize was called before; a process joins one run")
    run = Processes(
        _address(_given("coordinator_address", coordinator_address)),
        _number("num_processes", num_processes, 1),
        _number("process_id", process_id, 0),
        initialization_timeout,
    )
    if run.index >= run.count:
        raise ValueError(f"{where()}: process_id is {run.index}, but there are {run.count} processes, from 0")
    found = _backend()
    if found.backend is not None:
        raise RuntimeError(
            f"{where()}: distributed.initialize must be called before arrays are made: the backend `{found.name}` is "
            "in use already"
        )
    assert found.entry is not None
    assert found.entry.join is not None
    processes.enter(run)
    try:
        found.entry.join(run)
    except BaseException:
        processes.enter(None)
        raise
    _joined = found


def shutdown() -> None:
    """Leave the run. Without one, nothing happens.

    >>> import cotan.distributed
    >>> cotan.distributed.shutdown()
    """
    global _joined
    if _joined is not None and _joined.entry is not None and _joined.entry.leave is not None:
        _joined.entry.leave()
    _joined = None
    processes.enter(None)


def is_initialized() -> bool:
    """Whether this process has joined a run.

    >>> import cotan.distributed
    >>> cotan.distributed.is_initialized()
    False
    """
    return processes.current() is not None


def _given(name: str, value: Any) -> Any:
    if value is None:
        value = os.environ.get(_ENVIRONMENT[name])
    if value is None:
        raise ValueError(f"{where()}: distributed.initialize needs {name}; give it, or set {_ENVIRONMENT[name]}")
    return value


def _address(value: Any) -> str:
    host, _, port = str(value).rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{where()}: coordinator_address is host:port, such as '127.0.0.1:1234', not {value!r}")
    return str(value)


def _number(name: str, value: Any, least: int) -> int:
    value = _given(name, value)
    try:
        found = int(value)
    except (TypeError, ValueError):
        found = least - 1
    if isinstance(value, bool | float) or found < least:
        raise ValueError(f"{where()}: {name} is an integer from {least} up, not {value!r}")
    return found


def _backend() -> Found:
    """The backend that joins: the one that configuration names, else the best one that can."""
    for item in backends_found():
        if item.entry is None or item.entry.join is None or item.error:
            continue
        named = config.platform in (item.name, *item.entry.aliases)
        if named or (config.platform is None and item.probe().usable):
            return item
    wanted = "no installed backend" if config.platform is None else f"the backend `{config.platform}` does not"
    what = f"{wanted} knows" if config.platform is None else f"{wanted} know"
    raise BackendUnavailableError(
        f'{where()}: {what} how to compute with several processes; pip install "cotan[xla]" brings one that does '
        "(COTAN_PLATFORM=xla)"
    )
