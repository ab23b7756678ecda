"""What processes agree on: one alone, and two with a board of files between them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.backend import processes
from cotan.errors import JaxRuntimeError
from cotan.experimental import multihost_utils

TREE = {"a": np.arange(3, dtype=np.int32), "b": (np.float32(1.5),)}


def test_one_process_agrees_with_itself():
    found = multihost_utils.process_allgather(TREE)
    np.testing.assert_array_equal(found["a"], [[0, 1, 2]])
    np.testing.assert_array_equal(found["b"][0], [1.5])
    tiled = multihost_utils.process_allgather({**TREE, "c": cnp.ones((2, 3))}, tiled=True)
    assert [x.shape for x in cotan.tree.leaves(tiled)] == [(3,), (1,), (2, 3)]
    same = multihost_utils.broadcast_one_to_all(TREE)
    np.testing.assert_array_equal(same["a"], TREE["a"])
    assert (same["b"][0].dtype, same["b"][0].item()) == (np.float32, 1.5)
    assert multihost_utils.assert_equal(TREE) is None
    assert multihost_utils.sync_global_devices("here") is None


def test_one_process_is_told_to_end():
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert not any(map(multihost_utils.reached_preemption_sync_point, range(3)))
        multihost_utils._notices().told.set()
        assert [step for step in range(3, 8) if multihost_utils.reached_preemption_sync_point(step)] == [4]
    finally:
        signal.signal(signal.SIGTERM, before)
        multihost_utils._notices.cache_clear()


def test_the_only_process_is_live(monkeypatch):
    monkeypatch.setattr(processes, "_current", processes.Processes("nowhere:1", 1, 0))
    with multihost_utils.live_devices(cotan.devices()) as live:
        assert live == cotan.devices()
    error = multihost_utils.ProcessFailureError({"device 7"})
    assert error.failed_devices == {"device 7"}


def test_arrays_over_the_one_mesh_there_is():
    mesh = cotan.make_mesh((1,), ("x",))
    for function in (
        multihost_utils.host_local_array_to_global_array,
        multihost_utils.global_array_to_host_local_array,
    ):
        found = function({"a": np.arange(4), "b": cnp.ones(2)}, mesh, cotan.P("x"))
        np.testing.assert_array_equal(found["a"], np.arange(4))
        assert found["a"].device == mesh.devices.item()


def test_what_is_refused(monkeypatch):
    with pytest.raises(TypeError, match="process_allgather takes arrays and numbers, and got object"):
        multihost_utils.process_allgather(object())
    with pytest.raises(RuntimeError, match=r"this process has joined no run; call cotan\.distributed\.initialize"):
        multihost_utils.live_devices(cotan.devices()).__enter__()
    monkeypatch.setattr(processes, "_current", processes.Processes("nowhere:1", 2, 0))
    with pytest.raises(JaxRuntimeError, match="gives no way to exchange bytes; upgrade it, or run one process"):
        multihost_utils.process_allgather(1)
    with pytest.raises(ValueError, match="arrays over the devices of 2 processes are not held as one here"):
        multihost_utils.host_local_array_to_global_array(1, cotan.make_mesh((1,), ("x",)), cotan.P())
    with pytest.raises(AttributeError, match=r"ltg_batcher.*arrays over the devices of several processes"):
        _ = multihost_utils.ltg_batcher


class Files:
    """A board that is a directory; who has written ``gone-K`` does not answer any more."""

    def __init__(self, folder, index, count):
        self.folder, self.index, self.count = Path(folder), index, count

    def put(self, key, value):
        part = self.folder / f"{key.replace('/', '-')}.part{self.index}"
        part.write_bytes(value)
        part.rename(part.with_suffix(""))

    def get(self, key, seconds):
        import time

        path, end = self.folder / key.replace("/", "-"), time.monotonic() + seconds
        while not path.exists():
            if time.monotonic() >= end:
                return None
            time.sleep(0.002)
        return path.read_bytes()

    def barrier(self, key, seconds):
        self.put(f"{key}/{self.index}", b"")
        assert all(self.get(f"{key}/{k}", seconds) is not None for k in range(self.count))

    def live(self):
        return {k for k in range(self.count) if not (self.folder / f"gone-{k}").exists()}


class Here:
    """A device of some process."""

    def __init__(self, process):
        self.process_index = process


def member(folder, index):
    """What each of two processes does."""
    k, board = int(index), Files(folder, int(index), 2)
    processes.enter(processes.Processes("nowhere:1", 2, k, timeout=60))
    processes.share(board)
    multi = multihost_utils
    found = multi.process_allgather({"a": np.arange(3) + k, "b": cnp.float32(k)})
    np.testing.assert_array_equal(found["a"], [[0, 1, 2], [1, 2, 3]])
    np.testing.assert_array_equal(found["b"], [0, 1])
    half = multi.process_allgather(cnp.full((1, 2), k, cnp.bfloat16), tiled=True)
    assert (half.dtype, half.tolist()) == (cnp.bfloat16, [[0, 0], [1, 1]])
    assert multi.broadcast_one_to_all(np.float32(k + 5)).item() == 5
    assert multi.broadcast_one_to_all([np.int8(k)], is_source=k == 1)[0].item() == 1
    multi.assert_equal(TREE, "not reached")
    multi.sync_global_devices("the same place")
    with pytest.raises(AssertionError, match=r"the weights: those of processes \[1\] are not those of process 0"):
        multi.assert_equal(np.float32(k), "the weights")
    with pytest.raises(AssertionError, match=r"at places of different names: \['place 0', 'place 1'\]"):
        multi.sync_global_devices(f"place {k}")
    with pytest.raises(ValueError, match=r"process \d has an array .* they must be equal"):
        multi.process_allgather(np.zeros(k + 1))
    with pytest.raises(ValueError, match=r"one process must be the source; these said that they are: \[0, 1\]"):
        multi.broadcast_one_to_all(1, is_source=True)
    devices = [Here(0), Here(1)]
    with multi.live_devices(devices) as live:
        assert live == devices
    saved = []
    for step in range(6):
        if k == 1 and step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        if multi.reached_preemption_sync_point(step):
            saved.append(step)
    assert saved == [3]
    block = multi.live_devices(devices)
    block.__enter__()
    board.barrier("both are live", 60)
    board.put("gone/1", b"")
    with pytest.raises(multi.ProcessFailureError, match="processes failed") as info:
        block.__exit__(None, None, None)
    assert info.value.failed_devices == {devices[1]}
    print("agreed")


def test_two_processes(tmp_path):
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_multihost_utils as t; t.member(*sys.argv[2:])"
    here = str(Path(__file__).parent)
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, here, str(tmp_path), str(k)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for k in range(2)
    ]  # fmt: skip
    assert [run.communicate(timeout=100)[0].strip() for run in runs] == ["agreed", "agreed"]
