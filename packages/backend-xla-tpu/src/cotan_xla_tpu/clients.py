"""Which PJRT client: TPUs, a plugin by path or package, XLA's own for the CPU. One of each for the process."""

from __future__ import annotations

import functools
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cotan.config import config
from cotan.errors import BackendUnavailableError
from cotan_xla_tpu import driver, plugin
from cotan_xla_tpu.backend import XlaBackend

PLUGIN = "COTAN_PJRT_PLUGIN"
# Wheels of PJRT plugins that users may name, the package within each, and whether it drives a GPU.
WHEELS = {"cuda12": "jax_plugins.xla_cuda12", "cuda13": "jax_plugins.xla_cuda13"}


def best_backend() -> XlaBackend:
    """The plugin that the environment names, else TPUs, else the CPU.

    Raises:
      BackendUnavailableError: the plugin cannot be found or loaded; the message says what was tried.
    """
    wanted = os.environ.get(PLUGIN)
    if wanted:
        return plugin_backend(wanted)
    return cpu_backend() if plugin.problem_with_tpu() else tpu_backend()


@functools.cache
def cpu_backend() -> XlaBackend:
    """XLA on the CPU, with ``config.num_cpu_devices`` devices."""
    return XlaBackend("xla", _cpu_client(), "cpu")


def _cpu_client() -> Any:
    from cotan_xla_tpu import distributed

    return driver.cpu_client(config.num_cpu_devices, **distributed.cpu_options())


@functools.cache
def tpu_backend() -> XlaBackend:
    """The TPUs of this machine.

    Raises:
      BackendUnavailableError: there are none, or libtpu is missing or does not start.
    """
    path = driver.tpu_library()
    if path is None:
        raise BackendUnavailableError(f"libtpu is not installed: {plugin.INSTALL_TPU}")
    try:
        client = driver.plugin_client("tpu", path)
    except Exception as error:
        raise BackendUnavailableError(f"libtpu ({path}) did not start: {error}") from error
    return XlaBackend("tpu", client, "tpu")


@functools.cache
def plugin_backend(wanted: str) -> XlaBackend:
    """The devices of a PJRT plugin: the path of a shared library, or the name of a package that holds one.

    Raises:
      BackendUnavailableError: there is none, or it does not start.
    """
    path = library_of(wanted)
    name = Path(path).name.removesuffix(".so").removeprefix("lib").lower()
    options = driver.gpu_options() if "cuda" in name or "rocm" in name else None
    try:
        client = driver.plugin_client(name, str(path), options)
    except Exception as error:
        raise BackendUnavailableError(
            f"the PJRT plugin {path} ({PLUGIN}) cannot be used: {error}. Is it built for this jaxlib "
            f"({driver.versions()}), and is its hardware here?"
        ) from error
    kind = str(client.platform).lower()
    return XlaBackend("xla", client, f"{kind} plugin" if kind == "cpu" else kind)


def library_of(wanted: str) -> Path:
    """The shared library of a plugin.

    Raises:
      BackendUnavailableError: there is none.
    """
    if os.sep in wanted or wanted.endswith((".so", ".dylib", ".dll")):
        path = Path(wanted)
        if not path.is_file():
            raise BackendUnavailableError(f"{PLUGIN}={wanted}: there is no such file")
        return path
    package = WHEELS.get(wanted, wanted)
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        hint = f': pip install "cotan-xla-tpu[{wanted}]"' if wanted in WHEELS else ""
        raise BackendUnavailableError(f"{PLUGIN}={wanted}: the package {package} is not installed{hint}")
    found = [
        path
        for root in spec.submodule_search_locations
        for path in sorted(Path(root).rglob("*.so"))
        if _is_plugin(path)
    ]
    if not found:
        raise BackendUnavailableError(f"{PLUGIN}={wanted}: the package {package} holds no PJRT plugin (pjrt*.so)")
    return found[0]


def _is_plugin(path: Path) -> bool:
    return b"GetPjrtApi" in path.read_bytes()
