"""Several devices, backends and runtimes beside each other: each script is a process configured for itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def run(script: str, *arguments: str, **env: str) -> str:
    """What a process prints that runs ``script``, with the arguments and environment given."""
    command = [sys.executable, *(("-c", script) if script else ()), *arguments]
    done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


_BETWEEN = """
import numpy as np, cotan
from cotan import numpy as cnp
cpu, opencl = cotan.devices("cpu")[0], cotan.devices("opencl")[0]
x = np.arange(6, dtype=np.float32).reshape(2, 3)
there = cotan.device_put({"a": cotan.device_put(x, cpu), "b": [np.int32(3)]}, opencl)
assert there["a"].device is opencl and there["b"][0].device is opencl
f = cotan.jit(lambda x, k: cnp.sum(x * k, 0), donate_argnums=0)
y = f(there["a"], 2)
assert y.device is opencl and there["a"].is_deleted()
back = cotan.device_put(y, cpu)
assert back.device is cpu and (back + 1).device is cpu
assert (y + cnp.ones(3)).device is opencl, "what is not committed follows"
with cotan.default_device(opencl):
    assert cnp.ones(3).device is opencl
for call in (lambda: back + y, lambda: f(back, y)):
    try:
        call()
    except ValueError as error:
        assert "different devices" in str(error), error
    else:
        raise SystemExit("arrays of two backends were mixed")
print(y.device.platform, back.device.platform, np.asarray(back).tolist())
"""


def test_arrays_move_between_backends(device) -> None:
    pytest.importorskip("cotan_cpu")
    assert run(_BETWEEN).split(maxsplit=2) == ["opencl", "cpu", "[6.0, 10.0, 14.0]\n"]


_ROUND = """
import numpy as np, cotan
devices = cotan.devices("opencl")
x = cotan.device_put(np.arange(5, dtype=np.float32), devices[0])
for device in (*devices[1:], devices[0]):
    x = cotan.jit(lambda x: x[::-1] + 1)(cotan.device_put(x, device))
    assert x.device is device
try:
    x + cotan.device_put(x, devices[1])
except ValueError as error:
    assert "different devices" in str(error)
else:
    raise SystemExit("arrays of two devices were added")
print(len(devices), np.asarray(x).tolist())
"""


@pytest.mark.parametrize("partition", ["0", "1"])
def test_three_devices(partition: str, device) -> None:
    env = {"COTAN_NUM_OPENCL_DEVICES": "3", "COTAN_OPENCL_PARTITION": partition}
    assert run(_ROUND, **env) == "3 [7.0, 6.0, 5.0, 4.0, 3.0]\n"


def test_sub_devices(device) -> None:
    if device.queue.found.units < 2:
        pytest.skip("the device has one compute unit, which cannot be divided")
    env = {"COTAN_NUM_OPENCL_DEVICES": "2", "COTAN_OPENCL_PARTITION": "1"}
    assert run(_ROUND, **env) == "2 [2.0, 3.0, 4.0, 5.0, 6.0]\n"
    shown = run("", "-m", "cotan", "info", **env)
    assert "OpenclDevice(id=1): " in shown
    assert shown.count(", 1 units, ") == 2
    assert "sub-device 1" in shown


def test_root_devices(device) -> None:
    if "PoCL" not in device.backend.platform_version:
        pytest.skip("PoCL alone can be asked for several root devices")
    assert run(_ROUND, POCL_DEVICES="pthread pthread") == "2 [2.0, 3.0, 4.0, 5.0, 6.0]\n"
    assert "OpenclDevice(id=1): " in run("", "-m", "cotan", "info", POCL_DEVICES="pthread pthread")


_WITHOUT = """
import numpy as np, cotan
from cotan.backend import registry
try:
    cotan.devices("opencl")
except RuntimeError as error:
    assert "no OpenCL runtime was found" in str(error) and "pip install" in str(error), error
else:
    raise SystemExit("a device without a runtime")
assert "mul" in str(cotan.make_jaxpr(lambda x: x * 2)(np.float32(1)))
if "cpu" in {found.name for found in registry.backends_found()}:
    assert float(cotan.jit(lambda x: x * 2)(np.float32(1))) == 2
"""


@pytest.mark.parametrize("content", [None, b"no library"], ids=["missing", "damaged"])
def test_a_broken_entry_of_a_runtime_leaves_the_rest_usable(content: bytes | None, device, tmp_path) -> None:
    entry, library = tmp_path / "broken.icd", tmp_path / "libbroken.so"
    entry.write_text(f"{library}\n")
    if content is not None:
        library.write_bytes(content)
    run(_WITHOUT, OCL_ICD_VENDORS=str(entry))
    assert "because no OpenCL runtime was found" in run("", "-m", "cotan", "info", OCL_ICD_VENDORS=str(entry))
    # In a folder of several, the others are found still.
    run("", "-m", "cotan", "info", OCL_ICD_VENDORS=str(tmp_path))
