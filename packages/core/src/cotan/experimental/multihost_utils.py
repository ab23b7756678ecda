"""Values and agreements among the processes of a run (``cotan.distributed``); alone, a process agrees with itself.

What is exchanged lies on the host and goes by the run's board (``backend.processes``); no devices take part. Every
process calls the same functions in the same order.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import itertools
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cotan import tracebacks as _tracebacks
from cotan.backend import Device, processes
from cotan.backend.processes import Board, Processes
from cotan.errors import JaxRuntimeError, where
from cotan.left_out import missing as _missing
from cotan.runtime.devices import device_get, device_put, process_count, process_index
from cotan.runtime.sharding import Mesh, named
from cotan.tree import tree_flatten

_calls = itertools.count()  # the same in all processes, since they call the same


class ProcessFailureError(RuntimeError):
    """Processes failed while the others ran code on what was live.

    Attributes:
      failed_devices: the devices of these processes.
    """

    def __init__(self, failed_devices: set[Device]) -> None:
        super().__init__(f"processes failed, with the devices {sorted(failed_devices, key=str)}")
        self.failed_devices = failed_devices


# ---- The exchange


def _run(api: str) -> tuple[Processes, Board] | None:
    """The run, if there are other processes, and its board.

    Raises:
      JaxRuntimeError: the backend by which the processes joined has none.
    """
    run = processes.current()
    if run is None or run.count == 1:
        return None
    board = processes.board()
    if board is None:
        raise JaxRuntimeError(
            f"{where()}: {api}: the backend by which this process joined the run gives no way to exchange bytes; "
            "upgrade it, or run one process"
        )
    return run, board


def _exchange(api: str, run: Processes, board: Board, value: bytes) -> list[bytes]:
    """What every process gives, in their order."""
    call = f"cotan/{next(_calls)}/{api}"
    board.put(f"{call}/{run.index}", value)
    found = []
    for k in range(run.count):
        theirs = value if k == run.index else board.get(f"{call}/{k}", run.timeout)
        if theirs is None:
            raise JaxRuntimeError(
                f"{where()}: {api}: process {k} of {run.count} gave nothing within {run.timeout} s; all processes of "
                "a run must call the same functions in the same order"
            )
        found.append(theirs)
    return found


def _written(leaves: Sequence[Any]) -> bytes:
    """Arrays as bytes: their dtypes and shapes, and their elements."""
    file = io.BytesIO()
    for x in leaves:
        head = repr((str(x.dtype), x.shape)).encode()
        file.write(len(head).to_bytes(4, "little") + head + np.ascontiguousarray(x).tobytes())
    return file.getvalue()


def _read(text: bytes, like: Sequence[Any], api: str, process: int) -> list[Any]:
    """The arrays that another process has written, which must be of the dtypes and shapes of ours."""
    found, place = [], 0
    for x in like:
        size = int.from_bytes(text[place : place + 4], "little")
        head, start = text[place + 4 : place + 4 + size].decode(), place + 4 + size
        if head != repr((str(x.dtype), x.shape)):
            raise ValueError(
                f"{where()}: {api}: process {process} has an array (dtype, shape) = {head or 'less'} where this one "
                f"has {(str(x.dtype), x.shape)}; they must be equal"
            )
        found.append(np.frombuffer(text, x.dtype, x.size, start).reshape(x.shape))
        place = start + x.nbytes
    return found


def _on_host(tree: Any, api: str) -> tuple[list[Any], Any]:
    leaves, structure = tree_flatten(tree)
    held = []
    for x in leaves:
        value = np.asarray(device_get(x))
        if value.dtype.hasobject:
            raise TypeError(f"{where()}: {api} takes arrays and numbers, and got {type(x).__name__}")
        held.append(value)
    return held, structure


# ---- What users call


def process_allgather(in_tree: Any, tiled: bool = False) -> Any:
    """The values of all processes, on the host.

    Args:
      in_tree: a pytree of arrays, of the same shapes and dtypes in all processes.
      tiled: put them one after the other along the first axis, not along a new one.

    Returns:
      A pytree of NumPy arrays ``[processes, *shape]``, or ``[processes * shape[0], *shape[1:]]`` if tiled.

    Raises:
      ValueError: shapes or dtypes differ. JaxRuntimeError: a process does not come.

    >>> import numpy as np
    >>> from cotan.experimental import multihost_utils
    >>> multihost_utils.process_allgather(np.arange(3))
    array([[0, 1, 2]])
    >>> multihost_utils.process_allgather(np.arange(3), tiled=True)
    array([0, 1, 2])
    """
    api = "process_allgather"
    leaves, structure = _on_host(in_tree, api)
    others = _run(api)
    if others is None:
        parts = [leaves]
    else:
        texts = _exchange(api, *others, _written(leaves))
        parts = [_read(text, leaves, api, k) for k, text in enumerate(texts)]
    joined = [
        np.concatenate([np.atleast_1d(x) for x in column]) if tiled else np.stack(column)
        for column in zip(*parts, strict=True)
    ]
    return structure.unflatten(joined)


def broadcast_one_to_all(in_tree: Any, is_source: bool | None = None) -> Any:
    """The values of one process, in all of them.

    Args:
      in_tree: a pytree of arrays, of the same shapes and dtypes in all processes.
      is_source: whether this process is the source; by default process 0 is.

    Returns:
      A pytree of NumPy arrays.

    Raises:
      ValueError: shapes or dtypes differ, or not exactly one process is the source.

    >>> from cotan.experimental import multihost_utils
    >>> multihost_utils.broadcast_one_to_all({"seed": 3})
    {'seed': array(3)}
    """
    api = "broadcast_one_to_all"
    leaves, structure = _on_host(in_tree, api)
    others = _run(api)
    source = process_index() == 0 if is_source is None else bool(is_source)
    if others is None:
        return structure.unflatten(leaves)
    texts = _exchange(api, *others, (b"1" if source else b"0") + _written(leaves))
    sources = [k for k, text in enumerate(texts) if text[:1] == b"1"]
    if len(sources) != 1:
        raise ValueError(f"{where()}: {api}: one process must be the source; these said that they are: {sources}")
    return structure.unflatten([x.copy() for x in _read(texts[sources[0]][1:], leaves, api, sources[0])])


def sync_global_devices(name: str) -> None:
    """Wait until all processes are here, under the same name.

    Raises:
      AssertionError: another process is at a place of another name. JaxRuntimeError: a process does not come.

    >>> from cotan.experimental import multihost_utils
    >>> multihost_utils.sync_global_devices("after the checkpoint")
    """
    others = _run("sync_global_devices")
    if others is not None:
        run, board = others
        names = [text.decode() for text in _exchange("sync_global_devices", run, board, name.encode())]
        if len(set(names)) > 1:
            raise AssertionError(
                f"{where()}: sync_global_devices: the processes are at places of different names: {names}; all must "
                "call it with the same name"
            )
        board.barrier(f"cotan/{next(_calls)}/barrier", run.timeout)


def assert_equal(in_tree: Any, fail_message: str = "") -> None:
    """Check that all processes have the same values.

    Raises:
      AssertionError: they differ from those of process 0.

    >>> import numpy as np
    >>> from cotan.experimental import multihost_utils
    >>> multihost_utils.assert_equal(np.arange(3), "the data differ")
    """
    leaves, structure = _on_host(in_tree, "assert_equal")
    others = _run("assert_equal")
    if others is not None:
        digest = hashlib.sha256(repr(structure).encode() + _written(leaves)).digest()
        texts = _exchange("assert_equal", *others, digest)
        differ = [k for k, text in enumerate(texts) if text != texts[0]]
        if differ:
            raise AssertionError(
                f"{where()}: assert_equal: {fail_message or 'the values differ'}: those of processes {differ} are not "
                "those of process 0"
            )


@contextlib.contextmanager
def live_devices(devices: Sequence[Device]) -> Iterator[list[Device]]:
    """A block that runs on those of the ``devices`` whose processes answer.

    Raises:
      RuntimeError: ``cotan.distributed.initialize`` was not called.
      ProcessFailureError: (at the end of the block) a process has failed meanwhile.

    >>> import cotan
    >>> from cotan.experimental import multihost_utils
    >>> with multihost_utils.live_devices(cotan.devices()) as live:
    ...     pass
    Traceback (most recent call last):
    RuntimeError: ...: live_devices: this process has joined no run; call cotan.distributed.initialize first
    """
    if processes.current() is None:
        raise RuntimeError(
            f"{where()}: live_devices: this process has joined no run; call cotan.distributed.initialize first"
        )
    others = _run("live_devices")

    def answering() -> list[Device]:
        numbers = {process_index()} if others is None else others[1].live()
        return [device for device in devices if getattr(device, "process_index", process_index()) in numbers]

    before = answering()
    yield before
    failed = {*before} - {*answering()}
    if failed:
        raise ProcessFailureError(failed)


# ---- Preemption


class _Notices:
    """Whether this process was told to end, and the step at which all processes stop."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.last: int | None = None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda number, frame: self.told.set())

    def agreed(self, step: int) -> int | None:
        """The step after the furthest of all processes, once one of them was told to end."""
        others = _run("reached_preemption_sync_point")
        if self.last is None:
            if others is None:
                self.last = step + 1 if self.told.is_set() else None
                return None
            run, board = others
            states = _exchange("reached_preemption_sync_point", run, board, repr((self.told.is_set(), step)).encode())
            told = [state.startswith(b"(True") for state in states]
            steps = [int(state.decode().strip("()").split(", ")[1]) for state in states]
            self.last = max(steps) + 1 if any(told) else None
            return None
        return self.last


@functools.cache
def _notices() -> _Notices:
    return _Notices()


def reached_preemption_sync_point(step_id: int) -> bool:
    """Whether all processes have come to the step at which they save what they have, since one was told to end.

    A process is told by SIGTERM, which no longer ends it once this function was called (in the main thread). The step
    is the one after the furthest that any process had come to when the notice went round.

    Args:
      step_id: the number of this step; every process calls this once in each step.

    >>> from cotan.experimental import multihost_utils
    >>> multihost_utils.reached_preemption_sync_point(1)  # doctest: +SKIP
    False
    """
    return _notices().agreed(step_id) == step_id


# ---- Arrays over a mesh


def host_local_array_to_global_array(local_inputs: Any, global_mesh: Mesh, pspecs: Any) -> Any:
    """Arrays over a mesh, of the parts that each process has; in one process the whole arrays, put where the mesh is.

    Args:
      local_inputs: a pytree of arrays. pspecs: partition specs, a prefix of it.

    Raises:
      ValueError: there are several processes, or the mesh has several devices.

    >>> import cotan, numpy as np
    >>> from cotan.experimental import multihost_utils
    >>> mesh = cotan.make_mesh((1,), ("x",))
    >>> multihost_utils.host_local_array_to_global_array(np.arange(4), mesh, cotan.P("x"))
    Array([0, 1, 2, 3], dtype=int32)
    """
    _one_process("host_local_array_to_global_array")
    return device_put(local_inputs, named(pspecs, global_mesh))


def global_array_to_host_local_array(global_inputs: Any, global_mesh: Mesh, pspecs: Any) -> Any:
    """Each process's part of arrays over a mesh; in one process the whole arrays.

    Args:
      global_inputs: a pytree of arrays. pspecs: partition specs, a prefix of it.

    Raises:
      ValueError: there are several processes, or the mesh has several devices.

    >>> import cotan, cotan.numpy as cnp
    >>> from cotan.experimental import multihost_utils
    >>> mesh = cotan.make_mesh((1,), ("x",))
    >>> multihost_utils.global_array_to_host_local_array(cnp.arange(4), mesh, cotan.P("x"))
    Array([0, 1, 2, 3], dtype=int32)
    """
    _one_process("global_array_to_host_local_array")
    return device_put(global_inputs, named(pspecs, global_mesh))


def _one_process(api: str) -> None:
    if process_count() > 1:
        raise ValueError(
            f"{where()}: {api}: arrays over the devices of {process_count()} processes are not held as one here; "
            "process_allgather gives the values of all processes on the host"
        )


def __getattr__(name: str) -> Any:
    raise AttributeError(_missing(__name__, name))


_tracebacks.guard(globals())
