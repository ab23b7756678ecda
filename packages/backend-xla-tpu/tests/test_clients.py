"""Which client is taken, and what is said where there is none."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import cotan
from cotan.backend import get_backend
from cotan.errors import BackendUnavailableError
from cotan_xla_tpu import clients, plugin


def test_the_entries(monkeypatch):
    xla, tpu = plugin.cotan_backends()
    assert (xla.name, tpu.name) == ("xla", "tpu")
    assert xla.priority < 0 < tpu.priority
    assert xla.probe().usable
    assert "8 devices" in xla.probe().devices[0]


def test_no_tpu(monkeypatch):
    monkeypatch.delenv("TPU_LIBRARY_PATH", raising=False)
    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    assert "libtpu is not installed: pip install" in plugin.probe_tpu().reason
    monkeypatch.setattr(plugin, "find_spec", lambda name: name)
    monkeypatch.setattr(plugin, "tpu_chips", list)
    monkeypatch.delenv("TPU_WORKER_ID", raising=False)
    assert "this machine has no TPU" in plugin.probe_tpu().reason
    monkeypatch.setattr(plugin, "tpu_chips", lambda: ["/dev/accel0"])
    assert plugin.probe_tpu().usable


def test_asking_for_a_tpu_where_there_is_none():
    with pytest.raises(
        BackendUnavailableError, match=r"backend `tpu` .* cannot be used: (libtpu is not|this machine has)"
    ):
        cotan.devices("tpu")
    assert cotan.devices("xla")


def test_versions_of_jaxlib(monkeypatch):
    monkeypatch.setattr(plugin, "version", lambda name: "0.7.2")
    assert plugin.probe_xla().reason == "jaxlib 0.7.2 is too old; pip install 'jaxlib>=0.8'"
    assert not plugin.probe_tpu().usable

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(plugin, "version", missing)
    assert "jaxlib is not installed" in plugin.probe_xla().reason


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("/no/such/plugin.so", "COTAN_PJRT_PLUGIN=/no/such/plugin.so: there is no such file"),
        ("no_such_package", "the package no_such_package is not installed"),
        ("cuda12", r'jax_plugins.xla_cuda12 is not installed: pip install "cotan-xla-tpu\[cuda12\]"'),
        ("tomllib", "the package tomllib holds no PJRT plugin"),
    ],
)
def test_plugins_that_are_not_there(wanted, text):
    with pytest.raises(BackendUnavailableError, match=text):
        clients.library_of(wanted)


def test_a_library_that_is_no_plugin(tmp_path):
    path = tmp_path / "libnothing.so"
    path.write_bytes(b"not a library")
    with pytest.raises(BackendUnavailableError, match=r"the PJRT plugin .*libnothing.so .* cannot be used"):
        clients.plugin_backend(str(path))
    assert get_backend("xla").devices()


def test_the_backend_says_what_it_is():
    backend = get_backend("xla")
    assert backend.platform_version.startswith("jaxlib ")
    assert repr(backend.devices()[0]) == "XlaDevice(id=0)"


WITHOUT_JAX = """
import sys
import numpy as np
import cotan, cotan.numpy as cnp
from cotan import random

def loss(w, x):
    return cnp.mean(cnp.tanh(x @ w) ** 2)

step = cotan.jit(lambda w, x: w - 0.1 * cotan.grad(loss)(w, x), donate_argnums=0)
w, x = random.normal(random.key(0), (4, 4)), cnp.ones((8, 4))
for _ in range(3):
    w = step(w, x)
assert w.device.platform == "xla"
print(np.asarray(w).sum(), float(loss(w, x)), cnp.sort(w)[0], cotan.device_put(w, cotan.devices()[1]) + 1)
cotan.debug.print("{x}", x=w[0, 0])
assert "jaxlib" in sys.modules
assert "jax" not in sys.modules, [name for name in sys.modules if name.startswith("jax.")][:5]
"""


EXAMPLE = """
import sys
import mnist
assert mnist.main(["--backend", "xla", "--epochs", "1", "--limit", "1280", "--out", sys.argv[1]]) > 0.3
assert "jaxlib" in sys.modules
assert "jax" not in sys.modules
"""


@pytest.mark.parametrize("program", [WITHOUT_JAX, EXAMPLE], ids=["operations", "example"])
def test_jax_is_not_imported_where_it_is_installed(tmp_path, program):
    path = [str(Path(__file__).parents[3] / "examples")]
    if importlib.util.find_spec("jax") is None:
        (tmp_path / "jax").mkdir()
        (tmp_path / "jax" / "__init__.py").write_text("")
        path.append(str(tmp_path))
    path += filter(None, [os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "COTAN_PLATFORM": "xla", "COTAN_NUM_CPU_DEVICES": "2"}
    command = [sys.executable, "-c", program, str(tmp_path / "out")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
