"""The backend as the runtime meets it: its devices, what it loads and when, and what it refuses."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from fresh_interpreter import python

from cotan.backend import CompileOptions, LoweringTable, get_backend
from cotan.errors import UnsupportedError
from cotan.ir.jaxpr import ClosedJaxpr, Jaxpr
from cotan_cpu import driver
from cotan_cpu.backend import CpuBackend


def test_several_devices():
    program = """
import cotan, cotan.numpy as cnp
print(cotan.devices())
x = cotan.device_put(cnp.arange(4.0), cotan.devices()[2])
print((x * 2).devices(), cotan.jit(cnp.sin)(x).devices())
"""
    assert python(program, COTAN_NUM_CPU_DEVICES="3") == [
        "[CpuDevice(id=0), CpuDevice(id=1), CpuDevice(id=2)]",
        "{CpuDevice(id=2)} {CpuDevice(id=2)}",
    ]


def test_nothing_heavy_is_loaded_before_it_is_needed():
    program = """
import sys
import cotan, cotan.numpy as cnp
heavy = ("llvmlite", "scipy", "scipy_openblas32", "pluggy")
print([name for name in heavy if name in sys.modules])
cnp.ones(3) + 1
print([name for name in heavy if name in sys.modules])
"""
    assert python(program) == ["[]", "['pluggy']"]


def test_one_thread_means_one_thread():
    program = """
import threading
import cotan, cotan.numpy as cnp
x = cnp.ones((700, 700))
cotan.jit(lambda x: cnp.tanh(x @ x).sum())(x)
print(threading.active_count())
"""
    assert python(program, COTAN_NUM_THREADS="1") == ["1"]
    assert python(program, COTAN_NUM_THREADS="3") == ["3"]


def test_devices_are_always_the_same_objects():
    backend = get_backend("cpu")
    device = backend.devices()[0]
    assert backend.devices()[0] is device
    assert pickle.loads(pickle.dumps(device)) is device
    assert copy.deepcopy(device) is device
    assert {device: 1}[device] == 1
    assert device.memory_stats()["bytes_pooled"] >= 0
    assert "LLVM" in backend.platform_version
    assert driver.numerics().version in backend.platform_version


def test_the_report_names_the_library():
    program = "from cotan.__main__ import info; print(info())"
    assert any(line.startswith("default backend: cpu (LLVM ") for line in python(program))
    (line,) = [line for line in python(program, COTAN_CPU_MKL="0") if line.startswith("default backend")]
    assert "OpenBLAS" in line


def test_rules_from_another_package_win():
    from cotan.primitives.arithmetic import neg_p

    backend = CpuBackend()
    extra = LoweringTable("cpu")
    extra.rule("eager", neg_p)(lambda x: x + 1)
    backend.extend(extra)
    device = backend.devices()[0]
    x = device.put(np.ones(2, np.float32))
    (result,) = backend.eager(neg_p, [x], {}, [None], device)
    assert result.to_host().tolist() == [2, 2]


def test_jaxprs_are_refused():
    backend = get_backend("cpu")
    with pytest.raises(UnsupportedError, match="cpu does not support jaxprs"):
        backend.compile(ClosedJaxpr(Jaxpr((), (), (), ())), CompileOptions(backend.devices()[0]))


def test_offsets_are_verified():
    assert driver.has_fast_entry() in (True, False)
    driver.has_fast_entry.cache_clear()
    offset = driver.DATA_OFFSET
    try:
        driver.DATA_OFFSET = 24  # the number of dimensions, not the data
        assert not driver.has_fast_entry()
    finally:
        driver.DATA_OFFSET = offset
        driver.has_fast_entry.cache_clear()
