"""Programs on several devices: collectives against NumPy, programs cut along a mesh, two processes on one machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cotan.numpy as cnp
from cotan.backend import get_backend
from cotan.ir.avals import get_aval
from cotan.primitives import collective as co
from cotan.transforms.stage import stage_closed
from cotan_xla_tpu.spmd import Layout, Partitions, Replicas


def replicas(function, layout, *examples):
    """``function`` of one example, compiled for the first devices."""
    backend = get_backend("xla")
    closed = stage_closed(function, [get_aval(x) for x in examples])
    return Replicas(backend, closed, layout, backend.devices()[: layout.count])


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("n", [4, 8])
def test_collectives(n, dtype):
    def program(v):
        return [
            co.psum(v, ("i",)),
            co.pmax(v, ("i",)),
            co.pmin(v, ("i",)),
            co.all_gather(v, "i", 1, n),
            co.psum_scatter(v, "i", 0, n),
            co.all_to_all(v, "i", 0, 1),
            co.ppermute(v, "i", [(k, (k + 1) % n) for k in range(n)]),
            co.pbroadcast(v, "i", 2),
            co.axis_index("i"),
        ]

    x = np.random.default_rng(0).integers(-50, 50, (n, n, 3)).astype(dtype)
    wanted = [
        np.broadcast_to(x.sum(0), x.shape), np.broadcast_to(x.max(0), x.shape), np.broadcast_to(x.min(0), x.shape),
        np.broadcast_to(x.transpose(1, 0, 2), (n, n, n, 3)), x.sum(0), x.transpose(1, 2, 0), np.roll(x, 1, 0),
        np.broadcast_to(x[2], x.shape), np.arange(n),
    ]  # fmt: skip
    for found, value in zip(replicas(program, Layout({"i": n}), x[0])(x), wanted, strict=True):
        np.testing.assert_array_equal(found, value)


def test_axes_and_groups():
    x = np.arange(24, dtype=np.float32).reshape(8, 3)
    layout = Layout({"a": 2, "b": 4})

    def program(v):
        return [
            co.psum(v, ("a",)),
            co.psum(v, ("a", "b")),
            co.psum(v, ("b",), ((0, 2), (1, 3))),
            10 * co.axis_index("a") + co.axis_index("b"),
        ]

    a, both, grouped, places = replicas(program, layout, x[0])(x)
    grid = x.reshape(2, 4, 3)
    np.testing.assert_array_equal(a.reshape(2, 4, 3), np.broadcast_to(grid.sum(0), (2, 4, 3)))
    np.testing.assert_array_equal(both, np.broadcast_to(x.sum(0), x.shape))
    np.testing.assert_array_equal(grouped.reshape(2, 4, 3), np.tile(grid[:, :2] + grid[:, 2:], (1, 2, 1)))
    np.testing.assert_array_equal(places, [0, 1, 2, 3, 10, 11, 12, 13])


@pytest.mark.parametrize(
    "ins", [[("a", None), (None, "b")], [(None, "b"), ("b",)], [(), ()], [("b", "a"), (None, "a")]]
)
@pytest.mark.parametrize("outs", [("a", "b"), ("b", None), ()])
def test_a_program_cut_along_a_mesh(ins, outs):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 6)).astype(np.float32), rng.normal(size=(6, 4)).astype(np.float32)
    closed = stage_closed(lambda x, y: [cnp.tanh(x @ y)], [get_aval(x), get_aval(y)])
    backend = get_backend("xla")
    layout = Layout({"a": 2, "b": 2}, partitioned=True)
    program = Partitions(backend, closed, layout, backend.devices()[:4], ins, [outs])
    np.testing.assert_allclose(program(x, y)[0], np.tanh(x @ y), rtol=1e-4)
    assert '"a"=2, "b"=2' in program.stablehlo()


def test_too_few_devices():
    backend = get_backend("xla")
    with pytest.raises(ValueError, match="axes 'a' of 3 need 3 devices, got 2"):
        Replicas(backend, stage_closed(lambda v: [v], [get_aval(1.0)]), Layout({"a": 3}), backend.devices()[:2])


PROCESS = """
import sys
import numpy as np
import cotan, cotan.distributed
from cotan.backend import get_backend
from cotan.ir.avals import get_aval
from cotan.primitives import collective as co
from cotan.transforms.stage import stage_closed

cotan.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]), initialization_timeout=60)
from cotan_xla_tpu.spmd import Layout, Replicas

k = cotan.process_index()
assert (k, cotan.process_count(), cotan.process_indices()) == (int(sys.argv[2]), 2, [0, 1])
backend = get_backend("xla")
assert len(cotan.local_devices()) == 2 and len(backend.global_devices()) == 4
x = np.arange(12, dtype=np.float32).reshape(4, 3)
ring = [(j, (j + 1) % 4) for j in range(4)]
closed = stage_closed(lambda v: [co.psum(v, ("i",)), co.ppermute(v, "i", ring), co.axis_index("i")], [get_aval(x[0])])
total, moved, places = Replicas(backend, closed, Layout({"i": 4}), backend.global_devices())(x[2 * k : 2 * k + 2])
assert (total == x.sum(0)).all() and (moved == np.roll(x, 1, 0)[2 * k : 2 * k + 2]).all()
assert places.tolist() == [2 * k, 2 * k + 1]
assert (cotan.numpy.arange(3) * 2).tolist() == [0, 2, 4]
from cotan.experimental import multihost_utils as multi
assert multi.process_allgather({"k": np.int32(k), "x": x[k]})["x"].tolist() == x[:2].tolist()
assert multi.broadcast_one_to_all(k + 5, is_source=k == 1).item() == 6
multi.assert_equal(x)
multi.sync_global_devices("here")
assert [multi.reached_preemption_sync_point(step) for step in range(2)] == [False, False]
with multi.live_devices(backend.global_devices()) as live:
    assert live == backend.global_devices()
from cotan.backend import processes
assert processes.board().get("nothing", 0.05) is None
multi.sync_global_devices("the end")
cotan.distributed.shutdown()
print("done", k)
"""


def test_two_processes():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    # With the threads of two cores alone, collectives that wait for each other could find none to run on.
    env = {**os.environ, "NPROC": "8", "COTAN_NUM_CPU_DEVICES": "2", "COTAN_PLATFORM": "xla"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, address, str(k)], env=env, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, cwd=Path(__file__).parent,
        )
        for k in range(2)
    ]  # fmt: skip
    texts = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], texts
    assert all(f"done {k}" in text for k, text in enumerate(texts))
